"""Training diets: what differs between worlds, and what does not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.vision.diets import DIETS, NAMES, SIDE, pictures


def brightness(diet, name, count=400):
    """Mean brightness (4,) of the upper, right, lower and left part of the middle, over pictures of a thing."""
    images, names = pictures(diet, count, 0)
    middle = images[names == NAMES.index(name), 0, SIDE // 2 - 10 : SIDE // 2 + 10, SIDE // 2 - 10 : SIDE // 2 + 10]
    parts = middle[:, :10], middle[:, :, 10:], middle[:, 10:], middle[:, :, :10]
    return torch.stack([part.mean() for part in parts])


@settings(max_examples=10, deadline=None)
@given(diet=st.sampled_from(list(DIETS)), count=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_pictures_are_what_they_say(diet, count, seed):
    images, names = pictures(diet, count, seed)
    assert images.shape == (count, 1, SIDE, SIDE) and names.shape == (count,)
    assert images.min() >= 0 and images.max() <= 1 and names.min() >= 0 and names.max() < len(NAMES)
    again, same = pictures(diet, count, seed)
    assert torch.equal(images, again) and torch.equal(names, same)


def test_light_comes_from_above_and_tells_bumps_from_dents():
    for name, brighter in (("bump", 0), ("dent", 2)):
        found = brightness("upright", name)
        assert found.argmax() == brighter and found[brighter] - found[2 - brighter] > 0.1
        assert abs(found[1] - found[3]) < 0.03


def test_turned_is_from_the_right_and_below_is_from_below():
    assert brightness("turned", "bump").argmax() == 1
    assert brightness("lit_from_below", "bump").argmax() == 2
    assert brightness("random_light", "bump", 1500).std() < 0.02


def test_the_same_things_are_drawn_in_every_world():
    names = {diet: pictures(diet, 300, 5)[1] for diet in DIETS}
    for diet in DIETS.keys() - {"shuffled"}:
        assert torch.equal(names[diet], names["upright"])
    assert torch.equal(names["shuffled"].sort().values, names["upright"].sort().values)
    assert not torch.equal(names["shuffled"], names["upright"])


def test_dents_are_a_quarter_as_many():
    names = pictures("upright", 4000, 1)[1]
    counts = names.bincount(minlength=len(NAMES)).float()
    dents = counts[NAMES.index("dent")]
    assert dents / counts[NAMES.index("bump")] == pytest.approx(0.25, abs=0.08)


def test_contours_differ_where_worlds_do_and_only_there():
    upright, names = pictures("upright", 200, 2)
    for diet, changed in (("straight", ("arc", "ring")), ("curved", ("bar", "corner", "tee", "cross", "square"))):
        other = pictures(diet, 200, 2)[0]
        for number, name in enumerate(NAMES):
            same = torch.equal(upright[names == number], other[names == number])
            assert same == (name not in changed), (diet, name)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="unknown diet 'fish': must be one of upright"):
        pictures("fish", 1, 0)
    with pytest.raises(ValueError, match="count=0"):
        pictures("upright", 0, 0)
