"""Searchers that do not learn, against closed forms and by what they must find."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from foveal.agents.searchers import (
    at_random,
    by_network,
    by_pixels,
    by_saliency,
    ideal_search,
    search,
)
from foveal.envs.visual_search.stimuli import Stimuli
from foveal.vision.backbones import Blocks
from foveal.vision.eccnet import EccNet


def displays(condition, count=40, **options):
    stimuli = Stimuli(condition, **options)
    return stimuli, stimuli.make(2**31 + np.arange(count))


def test_chance_without_replacement_is_half_of_the_items():
    stimuli, made = displays("t_in_ls", 600, set_sizes=(9,), px_per_deg=4.0)
    trials = search(at_random(), stimuli, made)
    found = np.bincount(trials.saccades, minlength=10)[1:] / 600
    np.testing.assert_allclose(found, 1 / 9, atol=0.04)
    for cells, saccades, items in zip(trials.cells, trials.saccades, made.cell, strict=True):
        path = cells[1 : saccades + 1]
        assert len(set(path)) == saccades and set(path) <= set(items) and (cells[saccades + 1 :] == -2).all()


def test_chance_with_replacement_is_geometric():
    stimuli, made = displays("t_in_ls", 600, set_sizes=(3,), px_per_deg=4.0)
    saccades = search(at_random(), stimuli, made, most=60, revisits=True).saccades
    assert saccades.min() >= 1 and saccades.mean() == pytest.approx(3, abs=0.4)


def test_the_target_that_never_comes_is_told():
    stimuli, made = displays("t_in_ls", 60, set_sizes=(9,), px_per_deg=4.0)
    trials = search(at_random(), stimuli, made, most=2)
    assert (trials.saccades == -1).any() and trials.cells.shape == (60, 3)
    assert np.isnan(trials.points[trials.saccades == 1][:, 2]).all()


@pytest.mark.parametrize("condition", ["large_in_small", "2_in_5s", "vertical_in_mixed"])
def test_pixels_find_what_looks_exactly_like_the_target(condition):
    stimuli, made = displays(condition, 12, set_sizes=(12,))
    assert search(by_pixels, stimuli, made).saccades.mean() < 1.3


def test_saliency_finds_what_is_alone_of_its_kind_sooner_than_chance():
    stimuli, made = displays("large_in_small", 40, set_sizes=(18,))
    assert search(by_saliency, stimuli, made).saccades.mean() < 5 < (18 + 1) / 2


def test_a_network_looks_about_and_erases_what_it_has_seen():
    torch.manual_seed(0)
    network = EccNet(Blocks(((4,), (4,), (6,), (6,), (8,))).eval())
    stimuli, made = displays("tilted_in_vertical", 6, set_sizes=(8,))
    shown = []

    def watched(sight):
        shown.append(sight)
        return by_network(network)(sight)

    trials = search(watched, stimuli, made)
    assert (trials.saccades >= 1).all() and (trials.saccades <= 8).all()
    assert len(shown) == trials.saccades.max()
    background = stimuli.condition.paradigm.background
    inked = [(sight.pictures != background).sum((1, 2)).max() for sight in shown]
    assert all(later < earlier for earlier, later in pairwise(inked))
    again = search(by_network(network), stimuli, made)
    np.testing.assert_array_equal(again.cells, trials.cells)


def test_an_ideal_searcher_that_sees_everything_goes_there_at_once():
    _, made = displays("t_in_ls", 200, set_sizes=(9,))
    assert (ideal_search(made, fovea=1e3, e2_deg=1e3) == 1).all()
    blind = ideal_search(made, fovea=1e-3, most=400)
    assert blind[blind > 0].mean() > 6
    some = {e2: ideal_search(made, e2_deg=e2).mean() for e2 in (1.0, 4.0, 16.0)}
    assert some[1.0] > some[4.0] > some[16.0] >= 1
    assert ideal_search(made, choice="information").mean() < 9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search(by_pixels, *displays("t_in_ls", present=0.0)), "with targets"),
        (lambda: search(by_pixels, *displays("feature", colour=True)), "grey displays"),
        (lambda: ideal_search(displays("t_in_ls")[1], fovea=0.0), "fovea=0.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
