"""Shared by the tests of the teacher: worlds that measure risk, and a scene made by hand."""

import gymnasium
import numpy as np
import pytest

from foveal.envs.scene import Scene, SceneRisk

WORLDS = {
    "left turn": ("foveal/LeftTurn-v0", {"oncoming_density": 20.0}),
    "merge": ("foveal/Merge-v0", {"ego_start": "ramp", "speed_limit": 30.0, "duration": 25.0, "vehicles_count": 8}),
    "highway": ("foveal/Highway-v0", {"vehicles_density": 1.5}),
}
NOBODY = (1000.0, 0.0, 1000.0)


@pytest.fixture(scope="session")
def world_of():
    def world_of(name, rows=4, **params):
        env_id, usual = WORLDS[name]
        return gymnasium.make_vec(env_id, num_envs=rows, risk=True, **(usual | params))

    return world_of


@pytest.fixture(scope="session")
def scene_of():
    """A scene of an ego and others at these speeds and headings, with these measures and slots."""

    def scene_of(speed=25.0, slots=(NOBODY,) * 6, meetings=(), key=3, kind=()):
        """`meetings`: heading of another, and the ego's and its time to the conflict point."""
        count = 1 + len(meetings)
        each = np.full((count, 8), 1000.0, np.float32)
        heading = np.zeros(count)
        for other, (turned, mine, theirs) in enumerate(meetings, 1):
            heading[other], each[other, 5:] = turned, (mine, theirs, theirs - mine)
        return Scene(
            time_s=0.0,
            position=np.zeros((count, 2)),
            heading=heading,
            speed=np.full(count, speed),
            size=np.full((count, 2), 2.0),
            lane=np.zeros(count, np.int64),
            target_lane=np.zeros(count, np.int64),
            crashed=np.zeros(count, np.bool_),
            ego=0,
            observed=np.arange(count),
            lanes=(),
            kind=kind,
            risk=SceneRisk(each, each.min(0), np.array(slots, np.float32), key),
        )

    return scene_of
