"""Branching: what is in common is the same bit for bit, and the episode as it was is what eval and record play."""

import gymnasium
import numpy as np
import pytest

from foveal.agents.branching import Episode, branch, first_difference
from foveal.agents.drivers import make_driver
from foveal.agents.evaluation import first_episodes
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.recording import record
from foveal.envs.registration import WORLDS

FAST = "foveal/HighwayFast-v0"
SHORT = [
    (FAST, "idm-mobil", 0),
    ("foveal/Highway-v0", "keep-right", 3),
    ("foveal/LeftTurn-v0", "gap-acceptance", 1),
    ("foveal/Parking-v0", "random", np.array([0.5, -1.0], np.float32)),
]


def driver(name):
    return lambda world: make_driver(name, world)


def make(env_id, **params):
    return gymnasium.make_vec(env_id, num_envs=1, **params)


def own_action(env_id, name, seed, step):
    episode = Episode(make(env_id), driver(name), seed)
    for _ in range(step + 1):
        episode.step()
    return episode.actions[step]


def assert_same_states(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], key)


@pytest.mark.parametrize("env_id, name, action", SHORT)
def test_as_it_was_is_the_episode_of_evaluation(env_id, name, action):
    """The world measures risk here and not there, which must change nothing."""
    world = make(env_id, max_episode_steps=12)
    was, _ = branch(world, driver(name), seed=EVALUATION_SEEDS, step=2, action=action)
    for risk in (False, True):
        env = make(env_id, max_episode_steps=12, risk=risk)
        found = first_episodes(env, make_driver(name, env), EVALUATION_SEEDS)
        assert found["return"] == sum(was.rewards) and found["length"] == len(was.rewards)
        assert found["speed"] == pytest.approx(np.mean(was.speed), rel=1e-15)
        assert found["collision"] == (was.end == "crash") and found["terminated"] == (was.end in ("crash", "success"))
    assert found["ttc"] == min(was.ttc)


def test_as_it_was_is_the_episode_that_is_recorded(tmp_path):
    world = make(FAST, duration=4)
    was, _ = branch(world, driver("random"), seed=7, step=1, action=1)
    recorded = record(world, make_driver("random", world), tmp_path / "episode.mp4", seed=7)
    assert recorded.returns == (sum(was.rewards),) and recorded.lengths == (len(was.rewards),)


@pytest.mark.parametrize(
    "env_id", [env_id for env_id in WORLDS if "ObjectNav" not in env_id and "Search" not in env_id]
)
def test_the_agents_own_action_leads_to_the_same_future(env_id):
    """Bit for bit, by a driver that draws random numbers."""
    world, step = make(env_id, max_episode_steps=9), 3
    action = own_action(env_id, "random", 5, step)
    was, same = branch(world, driver("random"), seed=5, step=step, action=action)
    assert first_difference(was, same) is None
    assert_same_states(was.states, same.states)
    assert (was.rewards, was.speed, was.ttc, was.end) == (same.rewards, same.speed, same.ttc, same.end)
    np.testing.assert_array_equal(was.actions, same.actions)


@pytest.mark.parametrize("env_id, name, action", SHORT)
def test_two_rows_of_one_seed_go_the_same_two_ways(env_id, name, action):
    step = 4
    futures = branch(make(env_id, max_episode_steps=12), driver(name), seed=3, step=step, action=action)
    rows = gymnasium.make_vec(env_id, num_envs=2, autoreset_mode="disabled")
    rows.reset(seed=[3, 3])
    for t in range(min(len(future.rewards) for future in futures)):
        state = rows.get_state()
        for row, future in enumerate(futures):
            for key, array in state.items():
                np.testing.assert_array_equal(array[row], future.states[t][key][0], f"{key} of row {row} at {t}")
        rewards = rows.step(np.stack([future.actions[t] for future in futures]))[1]
        assert rewards.tolist() == [future.rewards[t] for future in futures]
    assert first_difference(*futures) == step + 1
    assert_same_states(*(future.states[: step + 1] for future in futures))


def test_an_action_may_be_held_and_the_agent_goes_on_after_it():
    was, other = branch(make(FAST), driver("slowest"), seed=EVALUATION_SEEDS, step=5, action=3, hold=2)
    assert set(was.actions) == {4}
    assert other.actions == [4] * 5 + [3, 3] + [4] * (len(other.actions) - 7)
    assert [note.action for note in other.notes[4:8]] == ["SLOWER", "FASTER", "FASTER", "SLOWER"]
    assert len(other.scenes) == len(other.states) == len(other.masks) == len(other.actions) + 1


def test_a_hold_may_outlast_the_episode():
    was, other = branch(make(FAST, duration=4), driver("slowest"), seed=0, step=2, action=1, hold=99)
    assert len(was.actions) == len(other.actions) == 4


def test_one_future_may_end_sooner():
    was, other = branch(make(FAST), driver("idm-mobil"), seed=EVALUATION_SEEDS + 4, step=12, action=2)
    assert (was.end, other.end) == ("time limit", "crash") and len(other.rewards) < len(was.rewards)
    assert min(other.ttc[12:]) == 0


class Looking:
    """A driver that acts by the world itself, as a planner does, and counts."""

    def __init__(self, world):
        self.world, self.calls = world, 0

    def __call__(self, observations):
        self.calls += 1
        assert self.world.get_state()["elapsed"][0] == self.calls - 1
        return np.array([int(1e6 * self.world.get_state()["traffic"].sum()) % 5])


def test_a_driver_that_looks_at_its_world_looks_at_its_own_branch():
    made = []

    def policy_of(world):
        made.append(Looking(world))
        return made[-1]

    was, other = branch(make(FAST), policy_of, seed=1, step=3, action=0)
    assert len(made) == 1 and made[0].world is was.world is not other.world
    for future in (was, other):
        assert future.actions[4:] == [int(1e6 * state["traffic"].sum()) % 5 for state in future.states[4:-1]]


def test_the_world_that_was_given_is_not_stepped():
    world = make(FAST)
    world.reset(seed=3)
    before = world.get_state()
    branch(world, driver("slowest"), seed=0, step=1, action=0)
    assert_same_states([before], [world.get_state()])


def test_what_the_mask_says_is_told():
    was, _ = branch(make(FAST, initial_lane_id=0), driver("slowest"), seed=0, step=0, action=0)
    assert not was.allows(0, 0) and was.allows(0, 1) and was.allows(0, 2)
    was, _ = branch(make("foveal/Parking-v0", max_episode_steps=2), driver("random"), seed=0, step=0, action=[0, 0])
    assert was.allows(0, [0, 0]), "a world without a mask forbids nothing"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"step": 4}, r"step=4: must be in \[0, 3\], the episode has 4 steps"),
        ({"step": -1}, r"step=-1: must be in \[0, 3\]"),
        ({"action": 5}, "action 5: not in Discrete"),
        ({"hold": 0}, "hold=0: must be at least 1"),
    ],
)
def test_bad_requests_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        branch(make(FAST, duration=4), driver("slowest"), **{"seed": 0, "step": 1, "action": 0, **options})


def test_worlds_of_several_egos_are_refused():
    world = make("foveal/Intersection-v0", controlled_vehicles=2)
    with pytest.raises(ValueError, match="several egos"):
        branch(world, driver("random"), seed=0, step=1, action=[0, 0])
