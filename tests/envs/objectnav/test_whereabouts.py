"""Whereabouts: counts against counting by hand, files read as data, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.scenes.house import House, Room, Thing
from foveal.envs.objectnav.types import TYPES, type_id
from foveal.envs.objectnav.whereabouts import PRIOR_COUNT, Whereabouts, counted

FLOOR = Room("room", "Kitchen", np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]))


def house(*things):
    """A house with things of a type at (x, y)."""
    placed = [Thing(f"{n}", kind, (x, y, 0.5), (0.2, 0.2, 0.2)) for n, (kind, x, y) in enumerate(things)]
    return House("one", (FLOOR,), (), (), tuple(placed))


def test_counts_are_those_by_hand():
    first = house(("Mug", 1, 1), ("CoffeeMachine", 1, 2.9), ("Bed", 7, 7), ("Fridge", 1, 3.1))
    second = house(("Bed", 1, 1), ("CoffeeMachine", 5, 5))
    found = counted([first, second], ["Mug", "Bed"], source="by hand")
    usual = 1 / 6  # of six things one, a coffee machine, has a mug within 2 m; the mug is not beside itself
    machine = (1 + PRIOR_COUNT * usual) / (2 + PRIOR_COUNT) - usual
    assert machine > 0
    assert found.weights[0, type_id("CoffeeMachine")] == 1
    assert found.weights[0].sum() == 1 and not found.weights[1].any()  # nothing is near a bed
    assert found.of(["Bed", "Mug", "Vase"]).sum(1).tolist() == [0, 1, 0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["Mug", "Bed", "Sofa"]), st.floats(0, 9), st.floats(0, 9)), max_size=12))
def test_counts_are_weights_whatever_stands_about(things):
    found = counted([house(*things)], ["Mug", "Sofa"], source="any")
    assert set(found.weights.max(1).tolist()) <= {0.0, 1.0} and (found.weights >= 0).all()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_files_give_back_what_was_written(tmp_path_factory, data):
    weights = np.zeros((2, len(TYPES)), np.float32)
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.tuples(st.integers(0, 1), st.integers(0, len(TYPES) - 1)))
        weights[place] = data.draw(st.integers(0, 100)) / 100
    path = Whereabouts(("Mug", "Bed"), weights, "me").save(tmp_path_factory.mktemp("w") / "w.json")
    found = Whereabouts.load(path)
    assert (found.goals, found.source) == (("Mug", "Bed"), "me")
    np.testing.assert_allclose(found.weights, weights, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"source": "x", "whereabouts": []}, "must be an object"),
        ({"source": 1, "whereabouts": {}}, "source text"),
        ({"source": "x", "whereabouts": {"Mug": 1}}, "'Mug': must be an object"),
        ({"source": "x", "whereabouts": {"Mug": {"Bde": 1}}}, "'Bde': must be a type"),
        ({"source": "x", "whereabouts": {"Mug": {"Bed": 1.5}}}, r"number in \[0, 1\]"),
        ({"source": "x", "whereabouts": {"Mug": {"Bed": True}}}, r"number in \[0, 1\]"),
        ({"source": "x", "whereabouts": {"Mgu": {}}}, "unknown type 'Mgu'; did you mean 'Mug'"),
    ],
)
def test_other_files_are_refused(tmp_path, content, told):
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"format": "foveal-whereabouts", "version": 1, **content}))
    with pytest.raises(ValueError, match=told):
        Whereabouts.load(path)


def test_other_weights_are_refused():
    for weights in (np.zeros((1, 3)), np.full((1, len(TYPES)), 2.0), np.full((1, len(TYPES)), np.nan)):
        with pytest.raises(ValueError, match="weights of whereabouts"):
            Whereabouts(("Mug",), weights, "x")
