"""The batch machinery itself: on a world simple enough to know every number, and on the highway."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv
from foveal.envs.driving.highway import Highway
from foveal.envs.params import Params, param
from foveal.envs.single import SingleEnv

FAST = "foveal/HighwayFast-v0"
MODES = list(AutoresetMode)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LadderParams(Params):
    rungs: int = param(2, "steps of the shortest episode [1]", low=1, high=9)


class Ladder(BatchEnv):
    """Row with seed s climbs rungs + (s + episode) % 3 steps; its rewards are the actions' sums."""

    Params = LadderParams
    params: LadderParams

    def _spaces(self):
        return spaces.Box(0, np.inf, (3,), np.float64), spaces.Box(-1, 1, (2,), np.float32)

    def _allocate(self):
        self._height = np.zeros(self.num_envs)
        self.received = []
        return {"height": self._height}

    def _observe(self, rows):
        observations = [self._seed[rows], self._episode[rows], self._height[rows]]
        self._observations[rows] = np.stack(observations, axis=-1)

    def _spawn(self, rows):
        self._height[rows] = 0
        self._rewards[rows] = -77  # as a world does that writes rewards and observations in one sweep
        self._observe(rows)

    def _advance(self, actions):
        self.received.append(actions)
        rows = np.flatnonzero(self._active)
        self._height[rows] += 1
        self._rewards[rows] = actions[rows].sum(axis=1)
        length = self.params.rungs + (self._seed[rows] + self._episode[rows]) % 3
        self._terminated[rows] = self._height[rows] >= length
        self._truncated[rows] = False
        self._observe(rows)

    def _info(self):
        odd = self._height % 2 == 1
        view = np.repeat(self._height[:, None], 4, axis=1).astype(np.float32)
        return {"height": self._height, "deep": {"odd": odd, "deeper": {"view": view}}}


class LadderEnv(SingleEnv):
    world = Ladder


def half(env):
    return np.full((env.num_envs, 2), 0.5, np.float32)


def fast(num_envs, **params):
    return gymnasium.make_vec(FAST, num_envs=num_envs, **params)


def idle(env):
    return np.ones(env.num_envs, np.int64)


# Episodes, step by step


def test_next_step_autoreset_step_by_step():
    env = Ladder(2)  # seeds 0 and 1: episodes of 2, 3, 4, 2, … and of 3, 4, 2, … steps
    observations, infos = env.reset(seed=0)
    assert observations.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert infos["_height"].all()
    rows = [env.step(half(env)) for _ in range(4)]
    assert [o.tolist() for o, *_ in rows] == [
        [[0, 0, 1], [1, 0, 1]],
        [[0, 0, 2], [1, 0, 2]],
        [[0, 1, 0], [1, 0, 3]],
        [[0, 1, 1], [1, 1, 0]],
    ]
    assert [r.tolist() for _, r, *_ in rows] == [[1, 1], [1, 1], [0, 1], [1, 0]]
    assert [t.tolist() for _, _, t, *_ in rows] == [[False] * 2, [True, False], [False, True], [False] * 2]
    assert not any(u.any() for _, _, _, u, _ in rows)


def test_same_step_autoreset_step_by_step():
    env = Ladder(2, autoreset_mode="same_step")
    env.reset(seed=0)
    *_, infos = env.step(half(env))
    assert not any("final" in key for key in infos)
    observations, rewards, terminated, _, infos = env.step(half(env))
    assert observations.tolist() == [[0, 1, 0], [1, 0, 2]]
    assert rewards.tolist() == [1, 1]
    assert terminated.tolist() == [True, False]
    assert infos["final_obs"].dtype == object
    assert infos["final_obs"][0].tolist() == [0, 0, 2] and infos["final_obs"][1] is None
    assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == [True, False]
    final = infos["final_info"]
    assert final["height"][0] == 2 and final["_height"].tolist() == [True, False]
    assert final["deep"]["deeper"]["_view"].tolist() == [True, False]
    assert infos["height"].tolist() == [0, 2] and infos["_height"].all()


def test_disabled_autoreset_step_by_step():
    env = Ladder(2, autoreset_mode="disabled")
    env.reset(seed=0)
    env.step(half(env))
    env.step(half(env))
    with pytest.raises(ResetNeeded, match=r"rows \[0\]"):
        env.step(half(env))
    observations, infos = env.reset(options={"reset_mask": np.array([True, False])})
    assert observations.tolist() == [[0, 1, 0], [1, 0, 2]]
    assert infos["_height"].tolist() == infos["deep"]["_odd"].tolist() == [True, False]
    assert env.step(half(env))[0].tolist() == [[0, 1, 1], [1, 0, 3]]


@pytest.mark.parametrize("mode", MODES)
def test_nested_infos_equal_gymnasiums(mode, assert_same):
    ours, theirs = Ladder(3, autoreset_mode=mode), SyncVectorEnv([LadderEnv] * 3, autoreset_mode=mode)
    ours.reset(seed=0), theirs.reset(seed=0)
    ended = np.zeros(3, np.bool_)
    for _ in range(9):
        if mode is AutoresetMode.DISABLED and ended.any():
            for env in (ours, theirs):
                env.reset(options={"reset_mask": ended.copy()})
        *a, a_infos = ours.step(half(ours))
        *b, b_infos = theirs.step(half(ours))
        assert_same(a, b)
        ended = a[2] | a[3]
        if "final_info" in a_infos:  # there our rows without a mask hold the present values, Gymnasium's hold 0
            zero_unmasked(a_infos["final_info"], ~ended)
        assert_same(a_infos, b_infos)


def zero_unmasked(infos, rows):
    for key, value in infos.items():
        if isinstance(value, dict):
            zero_unmasked(value, rows)
        elif not key.startswith("_"):
            value[rows] = 0


def test_a_masked_reset_in_next_step_mode_forestalls_the_reset_step():
    env = Ladder(2)
    env.reset(seed=[0, 3])
    env.step(half(env))
    assert env.step(half(env))[2].all()
    env.reset(options={"reset_mask": np.array([True, False])})
    observations, rewards, *_ = env.step(half(env))
    assert observations.tolist() == [[0, 1, 1], [3, 1, 0]]
    assert rewards.tolist() == [1, 0]


def test_episode_numbers_start_anew_with_each_seed():
    env = Ladder(2)
    episodes = [env.reset(seed=5)[0][:, 1], env.reset()[0][:, 1], env.reset()[0][:, 1]]
    mask = {"reset_mask": np.array([False, True])}
    episodes += [env.reset(options=mask)[0][:, 1], env.reset(seed=8, options=mask)[0][:, 1]]
    assert np.array(episodes).tolist() == [[0, 0], [1, 1], [2, 2], [2, 3], [2, 0]]
    assert env.reset()[0].tolist() == [[5, 3, 0], [9, 1, 0]]
    assert env.reset(seed=5)[0].tolist() == [[5, 0, 0], [6, 0, 0]]


def test_unseeded_rows_get_training_seeds_and_keep_them():
    env = Ladder(50)
    seeds = env.reset()[0][:, 0]
    assert len(set(seeds)) == 50 and seeds.max() < EVALUATION_SEEDS
    again = env.reset()[0]
    np.testing.assert_array_equal(again[:, 0], seeds)
    assert (again[:, 1] == 1).all()


def test_only_rows_without_a_seed_get_one_from_entropy():
    env = Ladder(3)
    env.reset(seed=[7, 7, 7], options={"reset_mask": np.array([True, False, True])})
    observations, _ = env.reset()
    assert observations[[0, 2]].tolist() == [[7, 1, 0], [7, 1, 0]]
    assert observations[1, 1] == 0 and observations[1, 0] != 7


def test_actions_arrive_in_the_spaces_dtype():
    env = Ladder(2)
    env.reset(seed=0)
    env.step([[0.5, -1.0], [1.0, 0.25]])
    env.step(half(env))
    assert [actions.dtype for actions in env.received] == [np.float32] * 2
    assert env.received[0].tolist() == [[0.5, -1.0], [1.0, 0.25]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.001, 1.001])
def test_box_actions_out_of_range_are_refused(value):
    env = Ladder(2)
    env.reset(seed=0)
    actions = half(env)
    actions[1, 1] = value
    with pytest.raises(ValueError, match=r"\[-1\.0, 1\.0\]"):
        env.step(actions)
    assert env.received == []
    assert env.get_state()["elapsed"].tolist() == [0, 0]


def test_integers_of_any_width_are_actions():
    env = fast(3)
    for dtype in (np.uint8, np.int32, np.int64):
        env.reset(seed=0)
        out = env.step(np.array([0, 2, 4], dtype))[0]
        env.reset(seed=0)
        np.testing.assert_array_equal(out, env.step([0, 2, 4])[0])


@pytest.mark.parametrize("target", ["same_step", "disabled"])
def test_a_state_with_ended_rows_goes_into_every_mode(target):
    env, other = Ladder(2), Ladder(2, autoreset_mode=target)
    env.reset(seed=0), env.step(half(env)), env.step(half(env))
    other.set_state(env.get_state())
    if target == "disabled":
        with pytest.raises(ResetNeeded, match=r"rows \[0\]"):
            other.step(half(other))
        return
    assert other.step(half(other))[0][0].tolist() == [0, 1, 0]
    assert other.step(half(other))[0][0].tolist() == [0, 1, 1]


def test_a_restored_world_needs_no_reset():
    env, other = Ladder(1), Ladder(1)
    unstarted = env.get_state()
    env.reset(seed=4)
    other.set_state(env.get_state())
    assert other.step(half(other))[0].tolist() == [[4, 0, 1]]
    env.set_state(unstarted)
    with pytest.raises(ResetNeeded):
        env.step(half(env))


def test_closing_twice_is_fine():
    for env in (Ladder(2), LadderEnv()):
        env.close()
        env.close()


def test_vector_entry_point_refuses_wrappers():
    """Gymnasium's rule, which the README tells."""
    with pytest.raises(gymnasium.error.Error, match="wrappers"):
        gymnasium.make_vec(FAST, num_envs=2, wrappers=[gymnasium.wrappers.TimeAwareObservation])


# The highway


def steps_until_the_end(**params):
    """Steps until a lone driver's episode is truncated."""
    env = fast(2, vehicles_count=0, **params)
    env.reset(seed=0)
    for step in range(1, 100):
        *_, terminated, truncated, _ = env.step(idle(env))
        assert not terminated.any()
        if truncated.any():
            assert truncated.all()
            return step
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize(
    ("params", "steps"),
    [
        ({}, 30),
        ({"duration": 4}, 4),
        ({"duration": 3.5}, 4),
        ({"duration": 4, "policy_frequency": 5}, 20),
        ({"duration": 4, "max_episode_steps": 9}, 4),
        ({"duration": 9, "max_episode_steps": 4}, 4),
    ],
)
def test_the_smaller_of_duration_and_step_limit_ends_the_episode(params, steps):
    assert steps_until_the_end(**params) == steps


def test_the_step_limit_counts_from_each_episodes_start():
    env = fast(2, vehicles_count=0, max_episode_steps=3)
    env.reset(seed=0)
    env.step(idle(env))
    env.reset(options={"reset_mask": np.array([False, True])})
    truncated = [env.step(idle(env))[3].tolist() for _ in range(8)]
    ends = np.array(truncated)
    assert np.flatnonzero(ends[:, 0]).tolist() == [1, 5]
    assert np.flatnonzero(ends[:, 1]).tolist() == [2, 6]


def test_a_trace_has_a_scene_per_substep():
    env = fast(3, trace_rows=[1], simulation_frequency=10, policy_frequency=2)
    env.reset(seed=0)
    env.step(idle(env))
    start = env.describe([1])[0]
    env.step(idle(env))
    scenes = env.trace(1)
    assert [scene.time_s for scene in scenes] == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0])
    x = [scene.position[0, 0] for scene in (start, *scenes)]
    assert (np.diff(x) > 2).all() and (np.diff(x) < 4.1).all()  # 25 m/s and more at 10 Hz


def test_untraced_rows_cost_no_memory():
    def size(rows):
        return sum(a.nbytes for a in vars(fast(4, trace_rows=rows)).values() if isinstance(a, np.ndarray))

    none, one, two = size(()), size((0,)), size((0, 1))
    assert one - none == two - one > 5 * 21 * 7 * 8  # at least substeps x vehicles x features x bytes


def test_the_single_form_traces_and_renders():
    env = gymnasium.make(FAST, render_mode="rgb_array", trace_rows=(0,)).unwrapped
    env.reset(seed=0)
    env.step(1)
    frames = env.batch.render_trace(0)
    assert frames.shape == (5, *env.render().shape)


def test_frames_per_second_are_decisions_per_second():
    for env in (fast(1, policy_frequency=5), gymnasium.make(FAST, policy_frequency=5)):
        assert env.metadata["render_fps"] == 5
    assert fast(1).metadata["render_fps"] == 1
    assert Highway.metadata["render_fps"] == BatchEnv.metadata["render_fps"]


@pytest.mark.parametrize("feature", ["lane", "target_lane"])
@pytest.mark.parametrize("lane", [-1, 3, 0.5])
def test_a_state_with_a_lane_off_the_road_is_refused(feature, lane, assert_same):
    from foveal.envs.driving.traffic import FEATURES

    env = fast(2)
    env.reset(seed=0)
    before = env.get_state()
    state = {key: array.copy() for key, array in before.items()}
    state["traffic"][1, FEATURES.index(feature), 7] = lane
    with pytest.raises(ValueError, match=rf"{feature} must be in \[0, 2\]"):
        env.set_state(state)
    assert_same(env.get_state(), before)


def test_a_state_of_another_size_is_refused():
    env, larger, fuller = fast(2), fast(3), fast(2, vehicles_count=21)
    for each in (env, larger, fuller):
        each.reset(seed=0)
    for other in (larger, fuller):
        with pytest.raises(ValueError, match="expected"):
            env.set_state(other.get_state())


def test_views_of_infos_share_the_worlds_memory():
    env = fast(2, copy=False)
    env.reset(seed=0)
    *_, first = env.step(idle(env))
    kept = first["speed"].copy()
    env.step(np.full(2, 4))
    assert (first["speed"] != kept).all()
