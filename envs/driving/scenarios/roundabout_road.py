"""The road of a roundabout: rings of lanes, and on each side a way in and a way out.

Nodes: (s)outh, (e)ast, (n)orth, (w)est, with (e)ntry and e(x)it on the ring; then (s) and (r) further out.
Source: highway-env 1.12, `envs/roundabout_env.py`.
"""

from __future__ import annotations

import numpy as np

from foveal.envs.driving.roads import Point, Road

NODES = ("se", "ex", "ee", "nx", "ne", "wx", "we", "sx")
"""On the ring, counter-clockwise on the screen."""

PHASES = (66, 24, -24, -66, -114, -156, 156, 114)
"""Degrees at which they lie."""


def lay_roundabout(radius: float, lanes: int, *, swinging: bool) -> Road:
    """A roundabout around (0, 0).

    Args:
        radius: Of the inner lane, metres.
        lanes: Lanes side by side.
        swinging: With the ways in and out of roundabout-v1, made for two lanes of 20 m; else with those of
            roundabout-generic, which fit any size.
    """
    road = Road()
    for lane in range(lanes):
        lines = ("continuous" if lane == 0 else "none", "continuous" if lane == lanes - 1 else "striped")
        for k, phase in enumerate(PHASES):
            start, end = np.deg2rad(phase), np.deg2rad(phase - (48 if k % 2 else 42))
            road.arc(
                NODES[k], NODES[(k + 1) % 8], (0.0, 0.0), radius + 4 * lane, start, end, clockwise=False, lines=lines
            )  # fmt: skip
    for quarter in range(4):
        if swinging:
            swinging_ways(road, quarter)
        else:
            ways(road, quarter, radius + 4 * (lanes - 1))
    return road


def swinging_ways(road: Road, quarter: int) -> None:
    """The way in and the way out on one side of roundabout-v1, a sine of which they are the two ends."""
    side, length, amplitude, leaving = "senw"[quarter], 85.0, 5.0, 0.8 * 85.0
    pulsation, near = 2 * np.pi / length, length / 2

    def at(x: float, y: float) -> Point:
        return turned((x, y), quarter)

    _straights_in(road, side, at(2, 170), at(2, near))
    road.sine(
        f"{side}es", f"{side}e", at(2 + amplitude, near), at(2 + amplitude, near - 0.2 * length), amplitude, pulsation,
        -np.pi / 2, lines=("continuous", "continuous"),
    )  # fmt: skip
    road.sine(
        f"{side}x", f"{side}xs", at(-2 - amplitude, -near + leaving), at(-2 - amplitude, near), amplitude, pulsation,
        -np.pi / 2 + pulsation * leaving, lines=("continuous", "continuous"),
    )  # fmt: skip
    _straights_out(road, side, at(-2, near), at(-2, 170))


def ways(road: Road, quarter: int, radius: float) -> None:
    """The way in and the way out on one side of a roundabout of any size, half sines to its outer ring."""
    side, length = "senw"[quarter], max(100.0, 2 * radius + 40.0)
    into, out = (turned(on_circle(radius, PHASES[(2 * quarter + k) % 8]), -quarter) for k in (0, 7))

    def at(x: float, y: float) -> Point:
        return turned((x, y), quarter)

    _straights_in(road, side, at(2, length + 40), at(2, length / 2))
    amplitude = (into[0] - 2) / 2
    road.sine(
        f"{side}es", f"{side}e", at(2 + amplitude, length / 2), at(2 + amplitude, into[1]), amplitude,
        np.pi / (length / 2 - into[1]), -np.pi / 2, lines=("continuous", "continuous"),
    )  # fmt: skip
    amplitude = (out[0] + 2) / 2
    road.sine(
        f"{side}x", f"{side}xs", at(out[0] - amplitude, out[1]), at(out[0] - amplitude, length / 2), amplitude,
        np.pi / (length / 2 - out[1]), -np.pi / 2, lines=("continuous", "continuous"),
    )  # fmt: skip
    _straights_out(road, side, at(-2, length / 2), at(-2, length + 40))


def turned(point: Point, quarters: int) -> Point:
    """A point turned about (0, 0) by quarter turns counter-clockwise on the screen, exactly."""
    x, y = point
    for _ in range(quarters % 4):
        x, y = y, -x
    return x, y


def on_circle(radius: float, phase_deg: float) -> Point:
    """A point on the circle around (0, 0)."""
    phase = np.deg2rad(phase_deg)
    return float(radius * np.cos(phase)), float(radius * np.sin(phase))


def _straights_in(road: Road, side: str, start: Point, stop: Point) -> None:
    road.straight(f"{side}er", f"{side}es", start, stop, lines=("striped", "continuous"))


def _straights_out(road: Road, side: str, start: Point, stop: Point) -> None:
    road.straight(f"{side}xs", f"{side}xr", start, stop, lines=("none", "continuous"))
