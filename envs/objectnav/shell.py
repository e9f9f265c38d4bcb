"""From a floor plan to rooms, walls, doors and windows.

Every wall runs along one straight stretch between one room and one neighbour (or the outside), so that a wall and the
one behind it are the same stretch in opposite directions. Walls have no thickness, as ProcTHOR's have none.
Probabilities of frames, open walls, outer doors and windows are ProcTHOR's (`procthor.generation`'s constants).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from foveal.envs.objectnav.assets import holes
from foveal.envs.objectnav.floorplans import OUTSIDE, Plan, boundary, follow
from foveal.envs.objectnav.house import Opening, Room, Wall
from foveal.envs.objectnav.placing import wall_length

OPEN_PROBABILITY = 0.75
"""That kitchen and living room are joined without a door; half of those by a frame, half by leaving the wall out."""
DOUBLE_PROBABILITY = 0.3
WINDOWS_PER_ROOM = (0.125, 0.375, 0.5)
"""Probability of none, one, two windows in a kitchen, living room or bedroom; each stays out where it does not fit."""

_CEILING_M = (2.4, 3.0)
_DOOR_MARGIN_M = 0.2
_WINDOW_MARGIN_M = 0.15
_EYE_M = 1.5
_COSTS = {"public": 10, "private": 20, "bathroom": 30, "through": 60}


class Shell(NamedTuple):
    """What a house is before anything stands in it."""

    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]
    openings: tuple[Opening, ...]


def build(plan: Plan, split: str, rng: np.random.Generator) -> Shell:
    """Rooms, walls and openings of a plan; every room can be reached from every other."""
    height = round(_CEILING_M[0] + (_CEILING_M[1] - _CEILING_M[0]) * float(rng.random()), 3)
    rooms, walls, between = [], [], {}
    for number, kind in enumerate(plan.kinds):
        outline = follow(boundary(plan.cells == number))
        rooms.append(Room(f"room|{number}", kind, _metres(_corners(outline), plan.cell)))
        for start, end, neighbour in _stretches(outline, plan):
            (x0, y0), (x1, y1) = _metres([start, end], plan.cell).tolist()
            wall = Wall(f"wall|{number}|{len(walls)}", f"room|{number}", (x0, y0), (x1, y1), height)
            walls.append(wall)
            between.setdefault((number, neighbour), []).append(wall)
    openings = [*_inner_openings(plan, between, split, rng), _front_door(plan, between, split, rng)]
    openings += _windows(plan, between, openings, split, rng)
    return Shell(tuple(rooms), tuple(walls), tuple(openings))


def _metres(corners: Sequence[tuple[int, int]], cell: float) -> np.ndarray:
    return np.round(np.array(corners, np.float64) * cell, 3)


def _corners(outline: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """An outline without the points at which it goes straight on."""
    ring = [outline[-1], *outline, outline[0]]
    return [b for a, b, c in zip(ring, ring[1:], ring[2:], strict=False) if (b[0] - a[0], b[1] - a[1]) != (c[0] - b[0], c[1] - b[1])]


def _stretches(outline: list[tuple[int, int]], plan: Plan) -> list[tuple[tuple[int, int], tuple[int, int], int]]:
    """(start, end, neighbour) of each straight part of an outline that faces one neighbour, `OUTSIDE` among them."""
    cells = np.pad(plan.cells, 1, constant_values=OUTSIDE)
    edges = []
    for a, b in zip(outline, [*outline[1:], outline[0]], strict=True):
        step = (b[0] - a[0], b[1] - a[1])
        # The cell to the right of the edge, one further in each direction for the padding.
        row, column = {(1, 0): (a[1], a[0] + 1), (0, 1): (a[1] + 1, a[0] + 1), (-1, 0): (a[1] + 1, a[0]), (0, -1): (a[1], a[0])}[step]
        edges.append((a, b, step, int(cells[row, column])))
    # Begin where a stretch begins, so that none is cut in two.
    first = next(i for i in range(len(edges)) if edges[i][2:] != edges[i - 1][2:])
    stretches: list[list] = []
    for a, b, step, neighbour in edges[first:] + edges[:first]:
        if stretches and stretches[-1][2:] == [neighbour, step]:
            stretches[-1][1] = b
        else:
            stretches.append([a, b, neighbour, step])
    return [(a, b, neighbour) for a, b, neighbour, _ in stretches]


def _joined(plan: Plan, pairs: list[tuple[int, int]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of rooms that get a door: the cheapest tree over all rooms (Kruskal), where doors cost less between relatives
    and between public rooms, and most where a bathroom would become a passage.
    """

    def cost(pair: tuple[int, int]) -> float:
        kinds = [plan.kinds[room] for room in pair]
        bathrooms = kinds.count("Bathroom")
        related = int(plan.kinship[pair])
        if bathrooms:
            # A bathroom opens to its own bedroom, or else to a public room.
            base = _COSTS["through"] if bathrooms == 2 else _COSTS["bathroom"] - 8 * related
        else:
            base = _COSTS["private"] if "Bedroom" in kinds else _COSTS["public"]
            base += 15 if kinds == ["Bedroom", "Bedroom"] else 0
        return base - related + float(rng.random())

    order = sorted((cost(pair), pair) for pair in pairs)
    group = list(range(len(plan.kinds)))
    doors: list[tuple[int, int]] = []
    # Bathrooms come last and as leaves; only what they alone connect goes through them.
    for leaves in (False, True, None):
        for _, pair in order:
            bathrooms = [room for room in pair if plan.kinds[room] == "Bathroom"]
            if leaves is False and bathrooms:
                continue
            if leaves and any(room in door for door in doors for room in bathrooms):
                continue
            a, b = group[pair[0]], group[pair[1]]
            if a != b:
                group = [a if member == b else member for member in group]
                doors.append(pair)
    return doors


def _inner_openings(plan: Plan, between: dict, split: str, rng: np.random.Generator) -> list[Opening]:
    openings = []
    pairs = sorted((a, b) for a, b in between if a < b and b != OUTSIDE)
    for a, b in _joined(plan, pairs, rng):
        wall = max(between[a, b], key=wall_length)
        behind = next(other for other in between[b, a] if other.start == wall.end)
        public = {plan.kinds[a], plan.kinds[b]} == {"Kitchen", "LivingRoom"}
        kind = "door"
        if public and rng.random() < OPEN_PROBABILITY:
            if rng.random() < 0.5:
                openings.append(
                    Opening(
                        f"open|{a}|{b}", "open", (wall.id, behind.id), (f"room|{a}", f"room|{b}"), (0.0, round(wall_length(wall), 3)), (0.0, wall.height)
                    )
                )
                continue
            kind = "open"
        name = "Doorway" if kind == "door" else "Doorframe"
        double = not {"Bedroom", "Bathroom"} & {plan.kinds[a], plan.kinds[b]} and rng.random() < DOUBLE_PROBABILITY
        openings.append(_door(f"{kind}|{a}|{b}", kind, name, (wall, behind), (a, b), double, split, rng))
    return openings


def _front_door(plan: Plan, between: dict, split: str, rng: np.random.Generator) -> Opening:
    """One closed door to the outside, from a kitchen or living room where there is one."""
    rooms = sorted(a for a, b in between if b == OUTSIDE)
    public = [room for room in rooms if plan.kinds[room] in ("Kitchen", "LivingRoom")]
    room = (public or rooms)[int(rng.integers(len(public or rooms)))]
    walls = between[room, OUTSIDE]
    wall = walls[int(rng.integers(len(walls)))]
    return _door(f"door|{room}|outside", "door", "Doorway", (wall, None), (room, None), False, split, rng)


def _door(name, kind, asset_type, walls, rooms, double, split, rng) -> Opening:
    room = wall_length(walls[0])
    fitting = [
        asset
        for asset in holes(asset_type, split)
        if ("Double" in asset.name) == double and asset.size[0] + 2 * _DOOR_MARGIN_M <= room
    ] or [asset for asset in holes(asset_type, split) if "Double" not in asset.name]
    asset = fitting[int(rng.integers(len(fitting)))]
    start = round(_DOOR_MARGIN_M + (room - asset.size[0] - 2 * _DOOR_MARGIN_M) * float(rng.random()), 3)
    return Opening(
        id=name,
        kind=kind,
        walls=(walls[0].id, None if walls[1] is None else walls[1].id),
        rooms=(f"room|{rooms[0]}", None if rooms[1] is None else f"room|{rooms[1]}"),
        along=(start, round(start + asset.size[0], 3)),
        heights=(0.0, min(asset.size[2], walls[0].height)),
        openness=0.0 if rooms[1] is None else 1.0,
        asset=asset.name,
    )


def _windows(plan: Plan, between: dict, doors: list[Opening], split: str, rng: np.random.Generator) -> list[Opening]:
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
                    rooms=(f"room|{room}", None),
                    along=(start, round(start + width, 3)),
                    heights=(round(top - height, 3), round(top, 3)),
                    asset=asset.name,
                )
            )
    return openings
