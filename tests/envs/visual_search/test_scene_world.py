"""Scene search: what an episode is, beyond the batch contract and what it shares with visual search."""

import numpy as np
import pytest
from gymnasium import make_vec

import foveal  # noqa: F401 (registers the ids)

ID = "foveal/SceneSearch-v0"
SMALL = {"houses": 2, "views": 3}


def world(rows=8, **params):
    env = make_vec(ID, rows, **{**SMALL, **params})
    return env, *env.reset(seed=5)


def test_what_is_sought_is_there_as_often_as_asked_for():
    env, _, infos = world(400, size=16)
    there = (env.bank.category[infos["picture"]] == infos["sought"][:, None]).any(1)
    np.testing.assert_array_equal(there, infos["target_present"])
    assert 0.42 < there.mean() < 0.58
    absent = np.unique(infos["sought"][~there])
    assert absent.size > 3
    for share in (0.0, 1.0):
        assert world(64, size=16, present=share)[2]["target_present"].mean() == share


def test_looking_at_the_thing_is_to_be_on_target():
    env, _, infos = world(64, size=16, present=1.0)
    item = (env.bank.category[infos["picture"]] == infos["sought"][:, None]).argmax(1)
    _, _, _, _, infos = env.step(item)
    assert infos["on_target"].all()
    env, *_ = world(64, size=16, present=0.0)
    assert not env.step(item)[4]["on_target"].any()


def test_what_is_seen_is_the_picture_and_the_target_an_exemplar():
    env, seen, infos = world(4, colour=True, size=96, view_deg=40.0, e2_deg=1000.0)
    height, width = env.shape
    assert (height, width) == (58, 77) and env.eye.px_per_deg == 2.4
    top, left = 48 - round((height - 1) / 2), 48 - round((width - 1) / 2)
    shown = seen["retina"][:, top : top + height, left : left + width].astype(int)
    assert np.abs(shown - env._images[infos["picture"]]).max() <= 3
    np.testing.assert_array_equal(seen["target"], env.bank.looks[infos["sought"]])
    _, seen, infos = world(4, target="category")
    np.testing.assert_array_equal(seen["target"], infos["sought"])


@pytest.mark.parametrize("actions", ["cells", "continuous"])
def test_cells_and_points_are_looked_at_too(actions):
    env, *_ = world(2, actions=actions)
    assert env.middles.shape == (48, 2)
    if actions == "cells":
        *_, infos = env.step(np.array([0, 47]))
        np.testing.assert_array_equal(infos["fixated"][:, 1], [0, 47])
    else:
        seen, *_ = env.step(np.array([[-1, -1, 0], [1, 0.5, 0]], np.float32))
        np.testing.assert_allclose(seen["fixations"][:, 0, :2], [[-1, -1], [1, 0.5]])


def test_arrays_and_other_sources_are_worlds_too():
    env, _, infos = world(4, scenes="arrays")
    assert (infos["set_size"] == 6).all() and env.single_action_space.n == 8


@pytest.mark.parametrize(
    ("params", "message"), [({"scenes": "itho"}, "no such file"), ({"picture_deg": 0.5}, "picture_deg")]
)
def test_sources_that_are_not_there_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_vec(ID, 1, **params)
