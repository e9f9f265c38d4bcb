"""Pictures as an eye sees them: equal to the eye of networks, wherever it is told to look."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from foveal.optics.eye import Eye
from foveal.vision.eye import foveate
from foveal.vision.wrappers import FoveatedObservation

from .worlds import OBJECTNAV, SMALL, Drawn

EYE = Eye(2.0, e2_deg=1.5, levels=4)
ONE = spaces.Dict({"rgb": spaces.Box(0, 255, (14, 20, 3), np.uint8)})
RIG = spaces.Dict({"rgb": spaces.Box(0, 255, (3, 14, 20, 3), np.uint8)})
CORNER = np.array([19, 13])


def expected(pictures, points):
    """Of (..., H, W, 3) uint8 at (..., 2), by the twin with gradients."""
    flat = torch.from_numpy(pictures.reshape(-1, *pictures.shape[-3:])).movedim(-1, 1).double()
    each = np.broadcast_to(points, (*pictures.shape[:-3], 2)).reshape(-1, 2).astype(np.float64)
    seen = foveate(flat, torch.from_numpy(each), EYE)
    return seen.movedim(1, -1).numpy().reshape(pictures.shape)


@pytest.mark.parametrize("space", [ONE, RIG])
@pytest.mark.parametrize("fixation", [None, (3, 5), (7.5, 0.25)])
def test_it_is_what_the_eye_sees(space, fixation):
    seen, _ = FoveatedObservation(Drawn(space), EYE, fixation=fixation, into="seen").reset(seed=0)
    assert seen["seen"].dtype == np.uint8
    assert np.abs(seen["seen"] - expected(seen["rgb"], (9.5, 6.5) if fixation is None else fixation)).max() < 0.5 + 1e-3


def test_each_camera_may_be_looked_at_elsewhere():
    points = np.array([[0, 0], [10, 4], [19, 13]])
    seen, _ = FoveatedObservation(Drawn(RIG), EYE, fixation=points, into="seen").reset(seed=0)
    assert np.abs(seen["seen"] - expected(seen["rgb"], points)).max() < 0.5 + 1e-3
    for camera, (x, y) in enumerate(points):
        np.testing.assert_array_equal(seen["seen"][camera, y, x], seen["rgb"][camera, y, x])


@pytest.mark.parametrize("space", [ONE, RIG])
def test_an_observation_says_where(space):
    high = np.broadcast_to(np.float32([30, 30]), (*space["rgb"].shape[:-3], 2))
    told = spaces.Dict({**space, "at": spaces.Box(-high, high)})
    env = FoveatedObservation(Drawn(told), EYE, fixation="at", into="seen")
    outside = 0
    for seed in range(6):
        seen, _ = env.reset(seed=seed)
        assert np.abs(seen["seen"] - expected(seen["rgb"], seen["at"].clip(0, CORNER))).max() < 0.5 + 1e-3
        outside += (seen["at"] < 0).any()
    assert outside


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_an_info_says_where_in_last_observations_too(mode):
    envs = SyncVectorEnv([lambda: Drawn(RIG)] * 3, autoreset_mode=mode)
    env = FoveatedObservation(envs, EYE, fixation="gaze", into="seen")

    def check(seen, gaze):
        assert np.abs(seen["seen"] - expected(seen["rgb"], gaze.clip(0, CORNER)[..., None, :])).max() < 0.5 + 1e-3

    seen, infos = env.reset(seed=0)
    check(seen, infos["gaze"])
    finals = 0
    for _ in range(5):
        seen, _, terminated, _, infos = env.step(np.zeros(3, int))
        check(seen, infos["gaze"])
        for row, final in enumerate(infos.get("final_obs", ())):
            if final is not None:
                check(final, infos["final_info"]["gaze"][row])
                finals += 1
        if mode is AutoresetMode.DISABLED and terminated.any():
            gaze, before = infos["gaze"], seen
            seen, infos = env.reset(options={"reset_mask": terminated})
            check({key: rows[terminated] for key, rows in seen.items()}, infos["gaze"][terminated])
            check({key: rows[~terminated] for key, rows in seen.items()}, gaze[~terminated])
            np.testing.assert_array_equal(seen["seen"][~terminated], before["seen"][~terminated])
    assert finals or mode is not AutoresetMode.SAME_STEP


def test_pictures_of_other_numbers_keep_them():
    space = spaces.Dict({"rgb": spaces.Box(-1, 1, (14, 20, 3), np.float32)})
    env = FoveatedObservation(Drawn(space), EYE)
    seen, _ = env.reset(seed=0)
    assert seen["rgb"].dtype == np.float32 and seen in env.observation_space
    picture = np.zeros((2, 14, 20, 3), np.float32)
    picture[1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match="the observation 'rgb' of row 1 is not finite"):
        env.percept.perceive({"rgb": picture}, np.zeros((2, 3), np.int64))


def test_a_world_is_seen_coarser_away_from_the_fixation():
    plain, _ = gymnasium.make(OBJECTNAV, **SMALL).reset(seed=0)
    seen, _ = FoveatedObservation(gymnasium.make(OBJECTNAV, **SMALL), Eye(1.0), fixation=(5, 5)).reset(seed=0)
    np.testing.assert_array_equal(seen["rgb"][5, 5], plain["rgb"][5, 5])
    steps = lambda image: np.abs(np.diff(image[:, 12:].astype(int), axis=1)).mean()  # noqa: E731
    assert steps(seen["rgb"]) < 0.6 * steps(plain["rgb"])


@pytest.mark.parametrize(
    ("fixation", "said"),
    [
        ((20, 5), r"fixation=\[20.0, 5.0\]: must be in the picture, to \[19.0, 13.0\]"),
        ((np.nan, 5), "must be in the picture"),
        ((1, 2, 3), r"fixation of shape \(3,\): must be \(2,\), x and y in pixels"),
        ([[1, 2]] * 3, r"fixation of shape \(3, 2\): must be \(2,\)"),
        ("rgb", r"the observation 'rgb' is Box.*: must be a point"),
    ],
)
def test_fixations_that_do_not_fit_are_named(fixation, said):
    with pytest.raises(ValueError, match=said):
        FoveatedObservation(Drawn(ONE), EYE, fixation=fixation)


def test_infos_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="info has no 'gase'; it has gaze"):
        FoveatedObservation(Drawn(ONE), EYE, fixation="gase").reset(seed=0)
    percept = FoveatedObservation(Drawn(ONE), EYE, fixation="gaze").percept
    with pytest.raises(ValueError, match=r"gaze of shape \(\): must be \(2,\)"):
        percept.perceive({"rgb": np.zeros((2, 14, 20, 3), np.uint8), "gaze": np.zeros(2)}, np.zeros((2, 3), np.int64))
    nobody = {"rgb": np.zeros((1, 14, 20, 3), np.uint8), "gaze": np.full((1, 2), np.nan)}
    assert percept.perceive(nobody, np.zeros((1, 3), np.int64))["rgb"].shape == (1, 14, 20, 3)
