"""Parameters: defaults, normalisation, and what a wrong one is told."""

import dataclasses

import numpy as np
import pytest

from foveal.envs.params import Params, did_you_mean, param


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kettle(Params):
    volume: float = param(1.5, "water [l]", low=0.1, high=3)
    cups: int = param(4, "cups to fill [1]", low=1, high=12)
    timer: int | None = param(None, "switch off after [s], never if None", low=0, high=600)
    whistles: bool = param(True, "whistle when it boils")
    material: str = param("steel", "what it is made of", choices=("steel", "glass"))
    stages: tuple[float, ...] = param((40.0, 80.0), "temperatures to hold [°C]", low=0, high=100, items=(1, 3))
    label: str = param("", "engraving")
    anything: float = param(0.0, "a number without a range [1]")


def test_defaults_are_valid():
    assert Kettle() == Kettle.from_kwargs({})


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("volume", 2, 2.0),
        ("volume", np.float32(0.5), 0.5),
        ("volume", np.array(0.5), 0.5),
        ("volume", 0.1, 0.1),
        ("volume", 3, 3.0),
        ("cups", np.int64(12), 12),
        ("timer", 0, 0),
        ("timer", None, None),
        ("whistles", np.False_, False),
        ("material", "glass", "glass"),
        ("label", "Ada's", "Ada's"),
        ("stages", [1], (1.0,)),
        ("stages", np.array([0.0, 50.0, 100.0]), (0.0, 50.0, 100.0)),
        ("anything", -1e300, -1e300),
    ],
)
def test_values_become_builtin_ones_of_the_fields_type(name, value, kept):
    found = getattr(Kettle.from_kwargs({name: value}), name)
    assert found == kept and type(found) is type(kept)
    if isinstance(found, tuple):
        assert {type(item) for item in found} == {float}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("volume", 3.01, r"volume=3\.01: must be in \[0\.1, 3\]"),
        ("volume", 0.0, r"volume=0\.0: must be in"),
        ("volume", float("nan"), "volume=nan"),
        ("volume", float("inf"), "volume=inf"),
        ("anything", float("inf"), "anything=inf"),
        ("anything", float("nan"), "anything=nan"),
        ("cups", 0, r"cups=0: must be in \[1, 12\]"),
        ("cups", 10**30, "cups=1000"),
        ("timer", -1, "timer=-1"),
        ("material", "gold", "material='gold': must be one of 'steel', 'glass'"),
        ("stages", (1, 101), r"stages=101\.0: must be in \[0, 100\]"),
        ("stages", (), "stages=.*must have 1 to 3 items, has 0"),
        ("stages", (1, 2, 3, 4), "stages=.*has 4"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_range(name, value, message):
    with pytest.raises(ValueError, match=message):
        Kettle.from_kwargs({name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("volume", "2", "volume='2': must be float, got str"),
        ("volume", True, "volume=True: must be float, got bool"),
        ("volume", None, "volume=None"),
        ("volume", np.zeros(1), "volume=.*must be float, got ndarray"),
        ("cups", 2.0, r"cups=2\.0: must be int, got float"),
        ("cups", True, "cups=True"),
        ("timer", "soon", "timer='soon'"),
        ("label", 3, "label=3: must be str, got int"),
        ("whistles", 1, "whistles=1: must be bool, got int"),
        ("stages", 5.0, r"stages=5\.0: must be a sequence"),
        ("stages", "ab", "stages='a': must be float"),
        ("stages", (None,), "stages=None"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_the_right_one(name, value, message):
    with pytest.raises(TypeError, match=message):
        Kettle.from_kwargs({name: value})


def test_an_unknown_name_is_told_the_closest():
    with pytest.raises(TypeError, match="unknown parameter 'volumes'; did you mean 'volume'"):
        Kettle.from_kwargs({"volumes": 1})
    with pytest.raises(TypeError, match="unknown parameter 'xyz'; valid: anything, cups, label, material"):
        Kettle.from_kwargs({"xyz": 1})


def test_parameters_are_frozen_and_comparable():
    kettle = Kettle(stages=[1, 2])
    with pytest.raises(dataclasses.FrozenInstanceError):
        kettle.cups = 3
    assert hash(kettle) == hash(Kettle(stages=(1.0, 2.0)))


def test_hints_prefer_a_close_word():
    assert did_you_mean("lane_count", ["lanes_count", "vehicles_count"]) == "; did you mean 'lanes_count'?"
    assert did_you_mean("?", ["b", "a"]) == "; valid: a, b"
