"""The guide: who follows it finds everything, hardly later than by the fewest actions, and bumps into nothing."""

import numpy as np
import pytest

from foveal.envs.objectnav.expert import END, LOOK_DOWN, LOOK_UP, MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT
from foveal.envs.objectnav.world import ObjectNav

ROOMS = [{"scenes": "ithor", "split": "val", "houses": 4}, {"scenes": "procedural", "rooms": 3, "houses": 2}]


def followed(rows, **params):
    """The last infos of every row's first episode, guided, and what it gained in each move."""
    env = ObjectNav(rows, rgb=False, depth=False, gps_compass=True, guide=True, expert=True, duration=300, **params)
    observations, infos = env.reset(seed=0)
    alive, told, gains = np.ones(rows, bool), {}, []
    while alive.any():
        before, advice = infos["distance_to_goal"], observations["guide"].copy()
        found = env.found()
        observations, _, terminated, truncated, infos = env.step(advice)
        assert (found[alive] == (advice[alive] == END)).all()  # it ends where that succeeds, and only there
        moved = alive & (advice == MOVE_AHEAD) & ~(terminated | truncated)
        gains.extend((before - infos["distance_to_goal"])[moved])
        ended = alive & (terminated | truncated)
        for name in ("success", "spl", "sel", "collisions"):
            told[name] = np.where(ended, infos[name], told.get(name, np.zeros(rows)))
        alive &= ~ended
    return told, np.array(gains)


@pytest.mark.parametrize("params", ROOMS)
def test_who_follows_it_finds_everything(params):
    told, gains = followed(16, **params)
    assert told["success"].all()
    assert told["collisions"].max() == 0
    assert told["sel"].mean() > 0.85
    assert told["spl"].mean() > 0.75
    assert (gains > 0).mean() > 0.95


def test_it_turns_the_shorter_way_round():
    env = ObjectNav(8, rgb=False, depth=False, gps_compass=True, guide=True, **ROOMS[0])
    env.reset(seed=1)
    rows = np.arange(8)
    first = env.guidance(rows)
    undone = {ROTATE_LEFT: ROTATE_RIGHT, ROTATE_RIGHT: ROTATE_LEFT, LOOK_UP: LOOK_DOWN, LOOK_DOWN: LOOK_UP}
    turned = np.array([undone.get(int(action), -1) for action in first])
    env.step(np.where(turned >= 0, turned, END))
    again = env.guidance(rows)
    backs = turned >= 0
    assert backs.any()
    half_way = again[backs] == turned[backs]  # six turns off, either way is as long
    assert ((again[backs] == first[backs]) | half_way).all()
    assert half_way.mean() < 0.5


def test_rows_are_advised_alone_as_together():
    env = ObjectNav(8, rgb=False, depth=False, gps_compass=True, **ROOMS[0])
    env.reset(seed=2)
    together = env.guidance(np.arange(8))
    assert [int(env.guidance(np.array([row]))[0]) for row in range(8)] == together.tolist()
