"""The batch contract: scenes, traces and pictures."""

import copy
import math

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec

SEED = 2024


def test_a_trace_ends_in_the_present_scene(env_id, batch_act, assert_same, assert_same_scene):
    env, untraced = make_vec(env_id, 4, trace_rows=(2, 0)), make_vec(env_id, 4)
    env.reset(seed=SEED), untraced.reset(seed=SEED)
    for step in range(2):
        assert_same(env.step(batch_act(env, step)), untraced.step(batch_act(env, step)))
        for row in (0, 2):
            scenes = env.trace(row)
            # what the observation showed is that of the step's beginning, on which the agent acted
            assert_same_scene(scenes[-1], env.describe([row])[0], but=("observed", "time_s"))
            assert math.isclose(scenes[-1].time_s, env.describe([row])[0].time_s)
    assert_same(env.get_state(), untraced.get_state())
    with pytest.raises(ValueError, match="row 1 is not traced"):
        env.trace(1)
    with pytest.raises(ValueError, match="row 0 is not traced"):
        untraced.trace(0)


def test_scenes_are_snapshots(env_id, play, assert_same_scene):
    env = make_vec(env_id, 2, trace_rows=(1,))
    env.reset(seed=SEED)
    play(env, 1)
    scenes = [*env.describe([1]), *env.trace(1)]
    kept = copy.deepcopy(scenes)
    play(env, 2)
    for scene, other in zip(scenes, kept, strict=True):
        assert_same_scene(scene, other)


def test_frames(env_id, play):
    env = make_vec(env_id, 3, render_mode="rgb_array", trace_rows=(1,))
    assert env.metadata["render_fps"] > 0
    env.reset(seed=SEED)
    play(env, 1)
    frames, some, trace = env.render(), env.render_rows([2, 0]), env.render_trace(1)
    height, width, _ = frames[0].shape
    assert isinstance(frames, tuple) and len(frames) == 3
    assert all(frame.shape == (height, width, 3) and frame.dtype == np.uint8 for frame in frames)
    assert some.shape == (2, height, width, 3) and some.dtype == np.uint8
    np.testing.assert_array_equal(some, [frames[2], frames[0]])
    assert trace.shape == (len(env.trace(1)), height, width, 3) and trace.dtype == np.uint8
    assert all(frame.std() > 0 for frame in frames)
    assert not np.array_equal(frames[0], frames[1])


def test_single_frame_is_the_rows(env_id):
    single, batch = (gymnasium.make(env_id, render_mode="rgb_array"), make_vec(env_id, 1))
    single.reset(seed=SEED), batch.reset(seed=SEED)
    np.testing.assert_array_equal(single.render(), batch.render_rows([0])[0])
    assert single.metadata["render_fps"] == batch.metadata["render_fps"]
    assert batch.render() is None
