"""The split screen: what is in common looks the same, and what ended stands still."""

import gymnasium
import numpy as np
import pytest
from imageio_ffmpeg import read_frames

from foveal.agents.branching import branch
from foveal.agents.drivers import make_driver
from foveal.agents.split_screen import SplitScreen, seconds, shots
from foveal.envs.batch import EVALUATION_SEEDS


def futures_of(env_id, driver, step, action, seed=EVALUATION_SEEDS, **params):
    world = gymnasium.make_vec(env_id, num_envs=1, **params)
    return branch(world, lambda env: make_driver(driver, env), seed=seed, step=step, action=action)


@pytest.fixture(scope="module")
def crash():
    """Of which the second future crashes in step 13, two before the time limit."""
    futures = futures_of("foveal/HighwayFast-v0", "idm-mobil", 12, 2, EVALUATION_SEEDS + 4, duration=16)
    assert [len(future.rewards) for future in futures] == [16, 14]
    return SplitScreen(futures, ("as it was", "LANE_RIGHT"), 12)


def decoded(path):
    stream = read_frames(str(path))
    width, height = next(stream)["size"]
    return np.array([np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in stream])


def test_film(crash, tmp_path):
    crash.film(tmp_path / "film.mp4", past_s=1.0)
    frames = decoded(tmp_path / "film.mp4").astype(int)
    past, pause, after, hold = 1 + 5, round(1.5 * 5), 4 * 5, 2 * 5
    assert len(frames) == past + pause + after + hold
    # Upper and lower half alike, but for the captions above and the time line.
    top, height = 10 + 40, 320
    upper, lower = frames[:, top : top + height], frames[:, top + height + 50 : top + 2 * height + 50]
    apart = np.abs(upper - lower).max((1, 2, 3))
    assert apart[:past].max() < 60 < apart[past:].min(), "compression may change a little"
    still = np.abs(np.diff(lower[past + pause + 2 * 5 - 1 :], axis=0)).max((1, 2, 3))
    moving = np.abs(np.diff(upper[past + pause + 2 * 5 - 1 :], axis=0)).max((1, 2, 3))
    assert still.max() < 60 < moving[: 2 * 5 - 1].min()


def test_picture_is_beside_or_above(crash):
    frame = crash.picture()
    assert crash.above and frame.dtype == np.uint8 and frame.ndim == 3
    square = SplitScreen(futures_of("foveal/LeftTurn-v0", "gap-acceptance", 1, 2), ("as it was", "FASTER"), 1)
    assert not square.above and square.picture().shape[2] == 3


def test_shots_tell_action_and_return(crash):
    was, other = crash.futures
    told = list(shots(other, 12, 14))
    assert [shot.note.action for shot in told] == ["LANE_RIGHT"] * 6 + [other.notes[13].action] * 5
    assert [shot.step for shot in told] == [12] * 6 + [13] * 4 + [14]
    assert told[-1].note.reward == pytest.approx(sum(other.rewards)) and told[-1].scene.crashed[told[-1].scene.ego]
    (start,) = shots(was, 0, 0)
    assert start.note.action is None and start.note.reward == 0
    assert len(list(shots(was, 2, 4, smooth=3))) == 1 + 2 * 5 * 3


def test_what_is_told(crash):
    assert crash.ending(0) == "time limit at 16.0 s" and crash.ending(1) == "crash at 14.0 s"
    assert np.isnan(crash.least_ttc(0, 12)) and crash.least_ttc(1, 14) == 0
    assert [seconds(value) for value in (1.26, 1000.0, np.nan)] == ["1.3 s", "none", "unknown"]
