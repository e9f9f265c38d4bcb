"""Hand-made houses."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from foveal.envs.objectnav.scenes.house import House, Opening, Room, Thing, Wall


def room(name, x0, y0, x1, y1):
    """A rectangular room and its four walls, in the order south, east, north, west."""
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    walls = [Wall(f"{name}|{side}", name, corners[k], corners[(k + 1) % 4]) for k, side in enumerate("SENW")]
    return Room(name, "LivingRoom", np.array(corners, float)), walls


def two_rooms(*things, openness=1.0, start=None):
    """4 × 4 m and 3 × 4 m side by side; a door 1 m wide joins them at y = 1.5 to 2.5."""
    west, west_walls = room("west", 0, 0, 4, 4)
    east, east_walls = room("east", 4, 0, 7, 4)
    door = Opening("door", "door", ("west|E", "east|W"), ("west", "east"), (1.5, 2.5), (0, 2.1), openness)
    return House("two", (west, east), (*west_walls, *east_walls), (door,), things, start=start)


def thing(name, x, y, z, width, depth, height, yaw=0.0, kind="Box", **rest):
    return Thing(name, kind, (x, y, z + height / 2), (width, depth, height), yaw, **rest)


def random_house(seed, pieces=12, size=6.0):
    """One or two rooms full of boxes of any size, height and yaw."""
    rng = np.random.default_rng(seed)
    things = [
        thing(
            f"Box|{k}",
            *rng.uniform(0.2, size - 0.2, 2),
            rng.choice([0.0, 0.0, 0.5, 1.2]),
            *rng.uniform(0.05, 1.2, 3),
            rng.choice([0.0, math.pi / 2, rng.uniform(-math.pi, math.pi)]),
        )
        for k in range(pieces)
    ]
    only, walls = room("only", 0, 0, size, size)
    return House(f"random {seed}", (only,), tuple(walls), (), tuple(things))


@pytest.fixture(scope="session")
def build():
    """The builders of this file by name."""
    return SimpleNamespace(room=room, two_rooms=two_rooms, thing=thing, random_house=random_house)
