"""From a floor plan to rooms, walls, doors and windows.

Every wall runs along one straight stretch between one room and one neighbour (or the outside), so that a wall and the
one behind it are the same stretch in opposite directions. Walls have no thickness, as ProcTHOR's have none.
Probabilities of frames, open walls, outer doors and windows are ProcTHOR's (`procthor.generation`'s constants).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.procedural.assets import holes
from foveal.envs.objectnav.procedural.floorplans import OUTSIDE, Plan, boundary, follow
from foveal.envs.objectnav.procedural.placing import wall_length
from foveal.envs.objectnav.scenes.house import Opening, Room, Wall

OPEN_PROBABILITY = 0.75
"""That kitchen and living room are joined without a door: by a frame, or by leaving the wall out."""
FRAME_PROBABILITY = 0.5
"""That it is a frame."""
DOUBLE_PROBABILITY = 0.3
"""That a door between public rooms is a double one."""
WINDOWS_PER_ROOM = (0.125, 0.375, 0.5)
"""Probability of none, one, two windows in a kitchen, living room or bedroom; each stays out where it does not fit."""

_CEILING_M = (2.4, 3.0)
_DOOR_MARGIN_M = 0.2
_WINDOW_MARGIN_M = 0.15
_DOUBLE_M = 1.5  # wide and more is a double door
_EYE_M = 1.5
_SIDE_CELL = {(1, 0): (0, 1), (0, 1): (1, 1), (-1, 0): (1, 0), (0, -1): (0, 0)}

Corner = tuple[int, int]
Between = dict[tuple[int, int], list[Wall]]  # the walls of a room towards a neighbour


class Shell(NamedTuple):
    """What a house is before anything stands in it."""

    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]
    openings: tuple[Opening, ...]


def build(plan: Plan, split: str, rng: np.random.Generator) -> Shell:
    """Rooms, walls and openings of a plan; every room can be reached from every other."""
    height = round(_CEILING_M[0] + (_CEILING_M[1] - _CEILING_M[0]) * float(rng.random()), 3)
    rooms: list[Room] = []
    walls: list[Wall] = []
    between: Between = {}
    for number, kind in enumerate(plan.kinds):
        outline = follow(boundary(plan.cells == number))
        rooms.append(Room(_room_id(number), kind, _metres(_corners(outline), plan)))
        for start, end, neighbour in _stretches(outline, plan):
            (x0, y0), (x1, y1) = _metres([start, end], plan).tolist()
            wall = Wall(f"wall|{number}|{len(walls)}", _room_id(number), (x0, y0), (x1, y1), height)
            walls.append(wall)
            between.setdefault((number, neighbour), []).append(wall)
    openings = [*_inner_openings(plan, between, split, rng), _front_door(plan, between, split, rng)]
    openings += _windows(plan, between, openings, split, rng)
    return Shell(tuple(rooms), tuple(walls), tuple(openings))


def _room_id(number: int) -> str:
    return f"room|{number}"


def _metres(corners: Sequence[Corner], plan: Plan) -> NDArray[np.float64]:
    return np.round(np.array(corners, np.float64) * plan.cell, 3)


def _corners(outline: list[Corner]) -> list[Corner]:
    """An outline without the points at which it goes straight on."""
    ring = [outline[-1], *outline, outline[0]]
    return [
        b
        for a, b, c in zip(ring, ring[1:], ring[2:], strict=False)
        if (b[0] - a[0], b[1] - a[1]) != (c[0] - b[0], c[1] - b[1])
    ]


def _stretches(outline: list[Corner], plan: Plan) -> list[tuple[Corner, Corner, int]]:
    """(start, end, neighbour) of each straight part of an outline that faces one neighbour, `OUTSIDE` among them."""
    cells = np.pad(plan.cells, 1, constant_values=OUTSIDE)
    edges = []
    for a, b in zip(outline, [*outline[1:], outline[0]], strict=True):
        step = (b[0] - a[0], b[1] - a[1])
        row, column = _SIDE_CELL[step]  # of the cell to the right of the edge, in the padded grid
        edges.append((a, b, (step, int(cells[a[1] + row, a[0] + column]))))
    # Begin where a stretch begins, so that none is cut in two.
    first = next(i for i in range(len(edges)) if edges[i][2] != edges[i - 1][2])
    stretches = []
    for facing, group in groupby(edges[first:] + edges[:first], key=lambda edge: edge[2]):
        parts = list(group)
        stretches.append((parts[0][0], parts[-1][1], facing[1]))
    return stretches


def _cost(plan: Plan, pair: tuple[int, int]) -> int:
    """Of a door between two rooms: less between relatives and public rooms, most where a bathroom becomes a passage."""
    kinds = [plan.kinds[room] for room in pair]
    related = int(plan.kinship[pair])
    if "Bathroom" in kinds:
        return 60 if kinds == ["Bathroom", "Bathroom"] else 30 - 9 * related
    if kinds == ["Bedroom", "Bedroom"]:
        return 35 - related
    return (20 if "Bedroom" in kinds else 10) - related


def _joined(plan: Plan, pairs: list[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of rooms that get a door: the cheapest tree over all rooms (Kruskal), bathrooms its leaves if possible."""
    order = [pair for _, pair in sorted((_cost(plan, pair) + float(rng.random()), pair) for pair in pairs)]
    group = list(range(len(plan.kinds)))
    doors: list[tuple[int, int]] = []
    bathrooms = {room for room, kind in enumerate(plan.kinds) if kind == "Bathroom"}
    for leaves in ("none", "bathrooms", "any"):
        for pair in order:
            wet = bathrooms & set(pair)
            if wet and (leaves == "none" or (leaves == "bathrooms" and any(wet & set(door) for door in doors))):
                continue
            a, b = group[pair[0]], group[pair[1]]
            if a != b:
                group = [a if member == b else member for member in group]
                doors.append(pair)
    return doors


def _inner_openings(plan: Plan, between: Between, split: str, rng: np.random.Generator) -> list[Opening]:
    openings = []
    pairs = sorted((a, b) for a, b in between if a < b and b != OUTSIDE)
    for a, b in _joined(plan, pairs, rng):
        wall = max(between[a, b], key=wall_length)
        behind = next(other for other in between[b, a] if other.start == wall.end and other.end == wall.start)
        kinds = {plan.kinds[a], plan.kinds[b]}
        name = "Doorway"
        if kinds == {"Kitchen", "LivingRoom"} and rng.random() < OPEN_PROBABILITY:
            if rng.random() < FRAME_PROBABILITY:
                name = "Doorframe"
            else:
                rooms = (_room_id(a), _room_id(b))
                along = (0.0, round(wall_length(wall), 3))
                openings.append(
                    Opening(f"open|{a}|{b}", "open", (wall.id, behind.id), rooms, along, (0.0, wall.height))
                )
                continue
        double = not kinds & {"Bedroom", "Bathroom"} and rng.random() < DOUBLE_PROBABILITY
        openings.append(_door(f"{a}|{b}", name, double, (wall, behind), split, rng))
    return openings


def _front_door(plan: Plan, between: Between, split: str, rng: np.random.Generator) -> Opening:
    """One closed door to the outside, from a kitchen or living room where there is one."""
    rooms = sorted(a for a, b in between if b == OUTSIDE)
    rooms = [room for room in rooms if plan.kinds[room] in ("Kitchen", "LivingRoom")] or rooms
    room = rooms[int(rng.integers(len(rooms)))]
    walls = between[room, OUTSIDE]
    wall = walls[int(rng.integers(len(walls)))]
    return _door(f"{room}|outside", "Doorway", False, (wall, None), split, rng)


def _door(
    name: str, asset_type: str, double: bool, walls: tuple[Wall, Wall | None], split: str, rng: np.random.Generator
) -> Opening:
    """A door or a frame somewhere along a wall; a double one where it fits, if wanted."""
    wall, behind = walls
    room = wall_length(wall) - 2 * _DOOR_MARGIN_M
    assets = [asset for asset in holes(asset_type, split) if asset.size[0] <= room]
    assets = [asset for asset in assets if (asset.size[0] > _DOUBLE_M) == double] or assets
    asset = assets[int(rng.integers(len(assets)))]
    start = round(_DOOR_MARGIN_M + (room - asset.size[0]) * float(rng.random()), 3)
    kind: Literal["door", "open"] = "door" if asset_type == "Doorway" else "open"
    return Opening(
        id=f"{kind}|{name}",
        kind=kind,
        walls=(wall.id, None if behind is None else behind.id),
        rooms=(wall.room, None if behind is None else behind.room),
        along=(start, round(start + asset.size[0], 3)),
        heights=(0.0, asset.size[2]),
        openness=0.0 if behind is None else 1.0,
        asset=asset.name,
    )


def _windows(plan: Plan, between: Between, doors: list[Opening], split: str, rng: np.random.Generator) -> list[Opening]:
    openings: list[Opening] = []
    for room, kind in enumerate(plan.kinds):
        walls = between.get((room, OUTSIDE), [])
        if kind == "Bathroom" or not walls:
            continue
        count = int(np.searchsorted(np.cumsum(WINDOWS_PER_ROOM), rng.random(), side="right"))
        for _ in range(count):
            wall = walls[int(rng.integers(len(walls)))]
            assets = holes("Window", split)
            asset = assets[int(rng.integers(len(assets)))]
            width, _, height = asset.size
            space = wall_length(wall) - width - 2 * _WINDOW_MARGIN_M
            start = round(_WINDOW_MARGIN_M + space * float(rng.random()), 3)
            taken = [opening.along for opening in (*doors, *openings) if opening.walls[0] == wall.id]
            if space < 0 or any(
                start < high + _WINDOW_MARGIN_M and low < start + width + _WINDOW_MARGIN_M for low, high in taken
            ):
                continue
            top = min(wall.height - 0.2, max(_EYE_M + height / 2, 2.0))
            openings.append(
                Opening(
                    id=f"window|{room}|{len(openings)}",
                    kind="window",
                    walls=(wall.id, None),
                    rooms=(_room_id(room), None),
                    along=(start, round(start + width, 3)),
                    heights=(round(top - height, 3), round(top, 3)),
                    asset=asset.name,
                )
            )
    return openings
