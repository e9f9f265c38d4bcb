import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.objectnav.metrics import spl
from foveal.envs.objectnav.thor import controller as thor
from foveal.envs.objectnav.thor import metrics as thor_metrics


def path_of(seed):
    rng = np.random.default_rng(seed)
    return [dict(zip("xyz", point, strict=True)) for point in rng.uniform(-50, 50, (rng.integers(8), 3)).tolist()]


PATHS = st.builds(path_of, st.integers(0, 2**32))


@given(PATHS, PATHS, st.booleans())
def test_spl_is_that_of_the_lengths(path, shortest, success):
    taken, least = thor_metrics.path_distance(path), thor_metrics.path_distance(shortest)
    value = thor_metrics.compute_single_spl(path, shortest, success)
    assert value == spl(success, least, taken)
    assert 0 <= value <= success
    episode = {"path": path, "shortest_path": shortest, "success": success}
    assert thor_metrics.compute_spl([episode, episode | {"success": False}]) == pytest.approx(value / 2)


@given(PATHS)
def test_a_path_there_and_back_is_twice_as_long(path):
    assert thor_metrics.path_distance(path + path[::-1]) == pytest.approx(2 * thor_metrics.path_distance(path))


def test_known_values():
    corner = [dict(x=0, y=0, z=0), dict(x=3, y=0, z=0), dict(x=3, y=0, z=4)]
    assert thor_metrics.path_distance(corner) == 7
    assert thor_metrics.compute_single_spl(corner, [corner[0], corner[2]], True) == pytest.approx(5 / 7)
    assert thor_metrics.compute_single_spl([], [], True) == 1
    with pytest.raises(ValueError, match="at least one"):
        thor_metrics.compute_spl([])


def test_episodes_get_their_shortest_paths():
    controller = thor.Controller(scene="FloorPlan301", agentMode="locobot", headless=True)
    positions = controller.step("GetReachablePositions").metadata["actionReturn"]
    bed = controller.last_event.objects_by_type("Bed")[0]
    turned = dict(x=0, y=0, z=0)
    episodes = [
        dict(scene=scene, initial_position=position, initial_rotation=turned, **target)
        for scene, position, target in (
            ("FloorPlan301", positions[0], {"target_object_id": bed["objectId"]}),
            ("FloorPlan301", positions[-1], {"target_object_type": "Bed"}),
        )
    ]
    found = thor_metrics.get_episodes_with_shortest_paths(controller, episodes)
    assert "shortest_path" not in episodes[0]
    for episode, given_one in zip(found, episodes, strict=True):
        start, end = episode["shortest_path"][0], episode["shortest_path"][-1]
        assert (start["x"], start["z"]) == (given_one["initial_position"]["x"], given_one["initial_position"]["z"])
        # from its end the bed is visible, in some direction
        seen = [
            controller.step(
                "Teleport", position={**end, "y": 0.9}, rotation=rotation, horizon=horizon
            ).get_object(bed["objectId"])["visible"]
            for rotation in range(0, 360, 30)
            for horizon in (-30, 0, 30)
        ]  # fmt: skip
        assert any(seen)
        assert math.isfinite(thor_metrics.path_distance(episode["shortest_path"]))
    with pytest.raises(ValueError, match="Unable to find shortest path to object type 'Toilet': Cannot find"):
        thor_metrics.get_shortest_path_to_object_type(controller, "Toilet", positions[0])
