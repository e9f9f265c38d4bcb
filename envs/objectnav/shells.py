"""Shells for rooms of which only the things are known: floor, walls and windows by evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from foveal.envs.objectnav.counters import straightened
from foveal.envs.objectnav.house import CEILING_M, Opening, Room, Thing, Vector, Wall

_OUTSIDE = ("Window", "Curtains", "Blinds")
"""Types whose box may reach through the wall or hang away from it."""


def shell(
    kind: str, things: Sequence[Thing], objects: Sequence[dict[str, Any]]
) -> tuple[tuple[Room, ...], tuple[Wall, ...], tuple[Opening, ...], tuple[Thing, ...]]:
    """Rooms, walls and openings around the things, and the things inside."""
    things = straightened(things)
    low, high = _extent(things)
    corners = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])])
    height = max(CEILING_M, max(thing.bounds[1][2] for thing in things))
    room = Room("room|1", kind, corners)
    return (room,), walls_around(room, height), (), tuple(things)


def _extent(things: Sequence[Thing]) -> tuple[Vector, Vector]:
    bounds = np.array([thing.bounds for thing in things if thing.type not in _OUTSIDE])
    return bounds[:, 0, :2].min(0), bounds[:, 1, :2].max(0)


def walls_around(room: Room, height: float) -> tuple[Wall, ...]:
    """One wall along each side of the room's floor."""
    points: Vector = np.vstack([room.polygon, room.polygon[:1]])
    sides = zip(points[:-1].tolist(), points[1:].tolist(), strict=True)
    return tuple(Wall(f"wall|{room.id}|{i}", room.id, tuple(a), tuple(b), height) for i, (a, b) in enumerate(sides))
