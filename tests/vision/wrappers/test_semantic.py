"""Classes in other forms: fewer, as planes, or as masks."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.types import TYPES
from foveal.vision.wrappers import SemanticObservation

from .worlds import OBJECTNAV, SMALL, Drawn

SPACE = spaces.Dict(
    {"semantic": spaces.Box(0, 9, (2, 5, 6), np.uint8), "rgb": spaces.Box(0, 255, (2, 5, 6, 3), np.uint8)}
)
CLASSES = {"thing": [3, 1], "floor": [0, 9]}


def test_ids_are_places_of_classes():
    env = SemanticObservation(Drawn(SPACE), CLASSES, form="ids", into="few")
    seen, _ = env.reset(seed=0)
    expected = np.select([np.isin(seen["semantic"], ids) for ids in CLASSES.values()], [1, 2], 0)
    np.testing.assert_array_equal(seen["few"], expected)
    assert env.observation_space["few"] == spaces.Box(0, 2, (2, 5, 6), np.uint8)
    assert env.percept.names == ("thing", "floor")


def test_planes_are_of_classes():
    seen, _ = SemanticObservation(Drawn(SPACE), CLASSES, into="planes").reset(seed=0)
    assert seen["planes"].shape == (2, 5, 6, 2)
    for k, ids in enumerate(CLASSES.values()):
        np.testing.assert_array_equal(seen["planes"][..., k], np.isin(seen["semantic"], ids))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20), st.integers(0, 99))
def test_planes_of_all_ids_are_one_hot_and_go_back(most, seed):
    space = spaces.Dict({"semantic": spaces.Box(0, most, (4, 4), np.uint8)})
    seen, _ = SemanticObservation(Drawn(space), into="planes").reset(seed=seed)
    assert seen["planes"].shape == (4, 4, most + 1)
    assert (seen["planes"].sum(-1) == 1).all()
    np.testing.assert_array_equal(seen["planes"].argmax(-1), seen["semantic"])


def test_a_mask_leaves_the_picture_where_the_classes_are():
    env = SemanticObservation(Drawn(SPACE), CLASSES, form="masked", into="masked")
    seen, _ = env.reset(seed=0)
    there = np.isin(seen["semantic"], [3, 1, 0, 9])[..., None]
    np.testing.assert_array_equal(seen["masked"], np.where(there, seen["rgb"], 0))
    assert seen["masked"].dtype == np.uint8 and env.observation_space["masked"] == env.observation_space["rgb"]


def test_a_world_shows_its_floors():
    floors = [TYPES.index("Floor")]
    seen, _ = SemanticObservation(gymnasium.make(OBJECTNAV, **SMALL), {"floor": floors}, into="floor").reset(seed=0)
    np.testing.assert_array_equal(seen["floor"][..., 0], np.isin(seen["semantic"], floors))
    assert 0 < seen["floor"].mean() < 1


def test_what_does_not_fit_is_named():
    env = Drawn(SPACE)
    with pytest.raises(ValueError, match="form='colour': must be one of 'ids', 'planes', 'masked'"):
        SemanticObservation(env, form="colour")
    with pytest.raises(ValueError, match=r"'semantic' is none of .*ask the world for them \(semantic=True\)"):
        SemanticObservation(gymnasium.make(OBJECTNAV, **SMALL | {"semantic": False}))
    with pytest.raises(ValueError, match=r"class 'sky' has the id 10: must be in \[0, 9\]"):
        SemanticObservation(env, {"sky": [10]})
    with pytest.raises(ValueError, match="the id 3 is in two classes: must be in one"):
        SemanticObservation(env, {"a": [3], "b": [3]})
    with pytest.raises(ValueError, match="0 classes: must be from 1 to 255"):
        SemanticObservation(env, {})
    with pytest.raises(ValueError, match="must be whole numbers"):
        SemanticObservation(Drawn(spaces.Dict({"semantic": spaces.Box(0, 1, (4, 4))})))
    other = spaces.Dict({**SPACE, "rgb": spaces.Box(0, 255, (2, 5, 7, 3), np.uint8)})
    with pytest.raises(ValueError, match=r"must be of the same pixels"):
        SemanticObservation(Drawn(other), form="masked")
