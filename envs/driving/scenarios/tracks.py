"""The three racetracks as data.

A track is a closed loop of roads, each a list of lanes from the left (the inside of most bends) to the right. A
straight lane is (x, y of its start, x, y of its end), an arc (x, y of its centre, radius, start and end phase in
degrees), all in metres; phases that grow run clockwise on the screen.

Source: highway-env 1.12, `envs/racetrack_env.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from foveal.envs.driving.roads import Road

TRACKS = ("standard", "large", "oval")
WIDTH = 5.0  # m
Lanes = list[tuple[float, ...]]
Track = dict[str, Lanes]
"""Lanes by the two nodes that they lead from and to."""

_MARKS = {"c": "continuous", "s": "striped", "n": "none"}

STANDARD: Track = {
    "ab": [(42, 0, 100, 0), (42, 5, 100, 5)],
    "bc": [(100, -20, 20, 90, -1), (100, -20, 25, 90, -1)],
    "cd": [(120, -20, 120, -30), (125, -20, 125, -30)],
    "de": [(105, -30, 15, 0, -181), (105, -30, 20, 0, -181)],
    "ef": [(70, -30, 20, 0, 136), (70, -30, 15, 0, 137)],
    "fg": [(55.7, -15.7, 35.7, -35.7), (59.3934, -19.2, 39.3934, -39.2)],
    "gh": [(18.1, -18.1, 25, 315, 170), (18.1, -18.1, 30, 315, 165)],
    "hi": [(18.1, -18.1, 25, 170, 56), (18.1, -18.1, 30, 170, 58)],
    "ia": [(43.2, 23.4, 23.5, 240, 270), (43.2, 23.4, 18.5, 238, 268)],
}
"""Two lanes through nine bends and straights."""


def _standard_lines(road: str, place: int, count: int) -> str:
    if road in ("ab", "ef", "ia"):  # the straight and the bends to the right: the inner line is the left lane's
        return ("cs", ("sc" if road == "ab" else "nc"))[place]
    return ("cn", "sc")[place]


def _large() -> Track:
    """Three lanes around a larger course; the last straights meet at points of their circles."""
    bend, end = (118.1 - 30, -48.1 - 30), (42.0, -15.0)  # centres of the bend before the last straight, and behind it
    slant = np.array([[155.7, -45.7, 105.7, -95.7], [159.3934, -49.2, 109.3934, -99.2]])
    slant[0, 2:] = np.array([135.7, -65.7]) - 30
    slant[1, 2:] = np.array([139.3934, -69.2]) - 30
    wide = slant[0] + 2 * (slant[1] - slant[0])
    begins = [_on_circle(bend, 25 + k, np.deg2rad(205)) for k in (0, 5, 10)]
    turn = np.deg2rad(30)
    ends = [(end[0] - (15 + k) * math.cos(turn), end[1] - (15 + k) * math.sin(turn)) for k in (0, 5, 10)]
    return {
        "ab": [(42, y, 200, y) for y in (0, 5, 10)],
        "bc": [(200, -20, radius, 90, -1) for radius in (20, 25, 30)],
        "cd": [(x, -20, x, -61) for x in (220, 225, 230)],
        "de": [(205, -60, radius, 0, -181) for radius in (15, 20, 25)],
        "ef": [(170, -60, 20, 0, 136), (170, -60, 15, 0, 137), (170, -60, 10, 0, 137)],
        "fg": [tuple(lane.tolist()) for lane in (*slant, wide)],
        "gh": [(*bend, 25, 317, 202), (*bend, 30, 317, 205), (*bend, 35, 317, 205)],
        "hi": [(*begin, *stop) for begin, stop in zip(begins, ends, strict=True)],
        "ia": [(*end, 15, 210, 88), (*end, 20, 210, 90), (*end, 25, 212, 88)],
    }


def _on_circle(centre: tuple[float, float], radius: float, phase: float) -> tuple[float, float]:
    return centre[0] + radius * math.cos(phase), centre[1] + radius * math.sin(phase)


LARGE = _large()


def _large_lines(road: str, place: int, count: int) -> str:
    return ("cs" if road == "ab" else "cn", "ss", "nc")[place]


def oval(length: float, lanes: int) -> Track:
    """An oval: two straights of `length` metres, four bends, and any number of lanes."""
    across = [5 * k for k in range(lanes)]
    return {
        "ab": [(0, k, length + 1, k) for k in across],
        "bc": [(length, -20, 20 + k, 90, 0) for k in across],
        "cd": [(length + 20 + k, -20, length + 20 + k, -50) for k in across],
        "de": [(length + 5, -50, 15 + k, 0, -90) for k in across],
        "ef": [(length + 5, -(65 + k), -5, -(65 + k)) for k in across],
        "fg": [(-5, -50, 15 + k, -90, -180) for k in across],
        "gh": [(-20 - k, -50, -20 - k, -20) for k in across],
        "ha": [(0, -20, 20 + k, 180, 90) for k in across],
    }


def _oval_lines(road: str, place: int, count: int) -> str:
    if place == 0:
        return "cs" if road == "ab" else "cn"
    return "sc" if place == count - 1 or road == "ha" else "sn"


def lay_track(track: str, *, length: float, lanes: int, speed_limit: float) -> Road:
    """The road of one of `TRACKS`.

    Args:
        track: Its name.
        length: Metres of the oval's straights.
        lanes: Of the oval.
        speed_limit: m/s.
    """
    course = {"standard": STANDARD, "large": LARGE, "oval": oval(length, lanes)}[track]
    marks = {"standard": _standard_lines, "large": _large_lines, "oval": _oval_lines}[track]
    road = Road()
    for name, shapes in course.items():
        for place, shape in enumerate(shapes):
            left, right = (_MARKS[mark] for mark in marks(name, place, len(shapes)))
            _lay(road, name, shape, (left, right), speed_limit)
    return road


def _lay(road: Road, name: Sequence[str], shape: tuple[float, ...], lines: tuple[str, str], speed_limit: float) -> None:
    begin, end = name
    if len(shape) == 4:
        x, y, stop_x, stop_y = shape
        road.straight(begin, end, (x, y), (stop_x, stop_y), width=WIDTH, lines=lines, speed_limit=speed_limit)
        return
    x, y, radius, first, last = shape
    road.arc(
        begin, end, (x, y), radius, float(np.deg2rad(first)), float(np.deg2rad(last)), clockwise=last > first,
        width=WIDTH, lines=lines, speed_limit=speed_limit,
    )  # fmt: skip
