"""Procedural houses: one to eight rooms (or ten) of furniture and small things, everything from a seed.

The floor plan is ProcTHOR's own generator's (`floorplans`); doors, windows and furniture follow its published rules and
the statistics that its package carries (`shell`, `furnishing`, `hanging`, `surfaces`), without Unity. Every room can be
reached from every other, and everything on the floor can be walked up to, by an agent of radius 0.2 m on a grid of
0.25 m wherever the grid's origin lies. Models of a split stay in it, but for those that the package assigns to none.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.objectnav.procedural import floorplans, shell
from foveal.envs.objectnav.procedural.assets import SPLITS
from foveal.envs.objectnav.procedural.furnishing import furnish
from foveal.envs.objectnav.procedural.hanging import hang
from foveal.envs.objectnav.procedural.placing import Floor, Placed
from foveal.envs.objectnav.procedural.surfaces import lay
from foveal.envs.objectnav.scenes.house import House, Room, Thing

HOUSE_BIAS = (-0.3, 0.1)
"""Bounds of what a house adds to the probability of every small thing."""
_YAW = (0.0, math.pi / 2, math.pi, -math.pi / 2)


def house(seed: int, split: str = "train", rooms: int | tuple[int, int] | None = None) -> House:
    """A house.

    Args:
        seed: At least 0; the same house for the same seed, split and rooms.
        split: "train", "val" or "test", whose models are used.
        rooms: Their number, or the fewest and the most; by None 1 to 8, as ProcTHOR weighs its specifications.

    Raises:
        ValueError: On a bad seed, split or number of rooms.
        ImportError: Where the package `procthor` is missing or changed.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    if seed < 0:
        raise ValueError(f"seed {seed} is negative")
    if rooms is None:
        rooms = (1, floorplans.MAX_ROOMS)
    fewest, most = rooms if isinstance(rooms, tuple) else (rooms, rooms)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    built = shell.build(floorplans.draw(rng, (fewest, most)), split, rng)
    bias = HOUSE_BIAS[0] + (HOUSE_BIAS[1] - HOUSE_BIAS[0]) * float(rng.random())
    things: list[Thing] = []
    for room in built.rooms:
        things += _fill(room, built, bias, split, rng)
    return House(f"procedural-{split}-{seed}", built.rooms, built.walls, built.openings, tuple(things), split)


def _fill(room: Room, built: shell.Shell, bias: float, split: str, rng: np.random.Generator) -> list[Thing]:
    walls = [wall for wall in built.walls if wall.room == room.id]
    openings = [opening for opening in built.openings if room.id in opening.rooms]
    placed = furnish(Floor(room, walls, openings), room, split, rng)
    placed += hang(room, walls, openings, placed, split, rng)
    placed += lay(room.kind, placed, bias, split, rng)
    return _things(room, placed)


def _things(room: Room, placed: list[Placed]) -> list[Thing]:
    names = [f"{thing.asset.type}|{room.id.removeprefix('room|')}|{index}" for index, thing in enumerate(placed)]
    return [
        Thing(
            id=name,
            type=thing.asset.type,
            centre=thing.centre,
            size=thing.asset.size,
            yaw=_YAW[thing.turn],
            asset=thing.asset.name,
            parent=None if thing.on is None else names[thing.on],
            pickupable=thing.asset.pickupable,
            moveable=thing.asset.moveable,
            solid=not thing.hangs,
        )
        for name, thing in zip(names, placed, strict=True)
    ]
