"""The task through a Controller: foveal's own in the place of AI2-THOR's."""

from itertools import product

import numpy as np
import pytest

from foveal.envs.objectnav.episodes import ACTIONS, TERMS
from foveal.envs.objectnav.thor import controller as thor
from foveal.envs.objectnav.thor import metrics as thor_metrics
from foveal.envs.objectnav.thor import real as thor_real
from foveal.envs.objectnav.thor.world import ThorObjectNav
from foveal.envs.objectnav.world import ObjectNav, ObjectNavEnv

PARAMS = {
    "backend": "ai2thor", "scenes": "ithor", "first_house": 40, "houses": 2, "categories": ("Bed", "Sofa", "Laptop"),
    "width": 32, "height": 24, "semantic": True, "gps_compass": True,
}  # fmt: skip


@pytest.fixture
def ours(monkeypatch):
    monkeypatch.setattr(thor_real, "controller", thor.Controller)


def worlds(**params):
    return ObjectNav(2, **(PARAMS | params))


def test_the_spaces_are_the_native_ones(ours):
    env = worlds()
    assert type(env) is ThorObjectNav
    native = ObjectNav(1, **(PARAMS | {"backend": "native"}))
    assert type(native) is ObjectNav
    assert env.single_observation_space == native.single_observation_space
    assert env.single_action_space == native.single_action_space


def test_observations_and_infos(ours):
    env = worlds()
    seen, info = env.reset(seed=3)
    assert env.observation_space.contains(seen)
    assert (info["start_distance"] > 0).all()
    assert not info["success"].any()
    for step in range(30):
        seen, rewards, terminated, truncated, info = env.step(np.array([step % 5, 0]))
        assert env.observation_space.contains(seen)
        np.testing.assert_allclose(rewards, sum(info["rewards"][term] for term in TERMS))
        assert not (terminated | truncated).any()
    assert (info["path_length"] + info["collisions"] * 0.25 > 0).all()
    assert len(np.unique(seen["semantic"])) > 2
    env.close()


def test_a_row_depends_on_its_own_seed_alone(ours):
    pair, single = worlds(), ObjectNavEnv(**PARAMS)
    both, _ = pair.reset(seed=[7, 11])
    alone, _ = single.reset(seed=11)
    rng = np.random.default_rng(0)
    for _ in range(15):
        for name, part in alone.items():
            np.testing.assert_array_equal(part, both[name][1])
        action = int(rng.integers(5))
        both, *_ = pair.step(np.array([0, action]))
        alone, *_ = single.step(action)


def test_state_is_restored(ours):
    env = worlds()
    env.reset(seed=5)
    state = {name: array.copy() for name, array in env.get_state().items()}
    first = [env.step(np.array([a, a]))[:2] for a in (0, 1, 0, 0)]
    env.set_state(state)
    for a, (seen, rewards) in zip((0, 1, 0, 0), first, strict=True):
        again, rewards_again, *_ = env.step(np.array([a, a]))
        np.testing.assert_array_equal(rewards, rewards_again)
        for name, part in seen.items():
            np.testing.assert_array_equal(part, again[name])


def test_it_is_the_native_task(ours):
    """From the same start the same actions lead to the same places, distances and rewards."""
    env, native = ObjectNav(1, **PARAMS), ObjectNav(1, **(PARAMS | {"backend": "native"}))
    rng, compared = np.random.default_rng(0), 0
    for seed in range(8):
        env.reset(seed=seed)
        native.reset(seed=seed)
        theirs, state = env.get_state(), {name: array.copy() for name, array in native.get_state().items()}
        meant = int(env.tasks.house[theirs["task"][0]]), int(env.tasks.category[theirs["task"][0]])
        same = (native.tasks.house == meant[0]) & (native.tasks.category == meant[1])
        if not same.any():  # found from between the positions on which native episodes start, but from none of them
            continue
        compared += 1
        state |= {name: theirs[name].copy() for name in env._walks._fields}
        state["task"][0] = np.flatnonzero(same)[0]
        native.set_state(state)
        for action in rng.choice(5, 40, p=[0.6, 0.15, 0.15, 0.05, 0.05]).tolist():
            seen, reward, *_, info = env.step(np.array([action]))
            expected, expected_reward, *_, expected_info = native.step(np.array([action]))
            np.testing.assert_allclose(reward, expected_reward, atol=0.05)
            # a path pulled taut is a little shorter than the one over lattice positions
            far, expected_far = info["distance_to_goal"], expected_info["distance_to_goal"]
            assert 0.98 * expected_far - 0.02 < far < expected_far + 1e-5
            for name in ("path_length", "collisions", "curvature", "success"):
                np.testing.assert_allclose(info[name], expected_info[name], atol=1e-5)
            np.testing.assert_allclose(seen["gps_compass"], expected["gps_compass"], atol=1e-5)
            np.testing.assert_allclose(seen["depth"], expected["depth"], atol=1e-3)
            np.testing.assert_array_equal(seen["rgb"], expected["rgb"])
            np.testing.assert_array_equal(seen["semantic"], expected["semantic"])
    assert compared > 3


def test_end_succeeds_where_the_shortest_path_ends(ours):
    env = ObjectNav(1, **PARAMS)
    for seed in range(3):
        env.reset(seed=seed)
        controller, state = env._controllers[0], {name: array.copy() for name, array in env.get_state().items()}
        here = controller.last_event.metadata["agent"]["position"]
        paths = [
            thor_metrics.get_shortest_path_to_object(controller, target["objectId"], here) for target in env._targets(0)
        ]
        end = min(paths, key=thor_metrics.path_distance)[-1]
        state["position"][0] = end["x"], end["z"]
        for state["heading"][0], state["tilt"][0] in product(range(12), (-1, 0, 1)):
            env.set_state(state)
            if env._is_found(0):
                break
        _, reward, terminated, _, info = env.step(np.array([ACTIONS.index("End")]))
        assert terminated.all()
        assert info["success"].all()
        assert reward == pytest.approx(10 - 0.01)


def test_pictures(ours):
    env = ObjectNavEnv(render_mode="rgb_array", **PARAMS)
    env.reset(seed=1)
    assert env.render().shape == (240, 640, 3)
    env.step(1)
    assert env.render().std() > 10


def test_impossible_tasks_are_refused(ours):
    env = ObjectNavEnv(**(PARAMS | {"categories": ("Toilet",)}))
    with pytest.raises(ValueError, match="no start was found"):
        env.reset(seed=0)
