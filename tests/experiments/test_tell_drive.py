"""The experiment on teachers, end to end through the command line at its smallest, and what it measures by."""

import dataclasses
import json

import numpy as np
import pytest
from gymnasium import make_vec

from foveal.agents.advisers import Driven
from foveal.agents.suites import suite
from foveal.cli import main
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.experiments import lessons, tell_drive
from foveal.experiments.dose import break_even
from foveal.experiments.students import (
    CURVE_EPISODE,
    FIRST_EPISODE,
    POINTS,
    adviser_for,
    alone,
    driven,
    marginal,
    steps_to,
    taught_by_sb3,
)

LEFT_TURN = suite("tell-drive")[1]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder of a smoke run of some rows: those of claims, and one of each other kind."""
    out, told = tmp_path_factory.mktemp("smoke"), tell_drive.EXPERIMENT
    rows = {row for claim in told.claims for row in claim.variants} | {
        f"{variant}/{setting}"
        for variant, setting in (
            ("PPO of SB3", "left turn"), ("DQN of SB3", "left turn"), ("rule, prior", "left turn"),
            (lessons.BRAKING, "merge"), (lessons.PLANNER, "merge"), ("rule", "merge, 4 cars"),
            ("planner, 50 % right, else random", "left turn"), ("rule, other scenes", "left turn"),
        )
    }  # fmt: skip
    every = [f"{variant}/{setting}" for variant in told.variants for setting in told.settings]
    fewer = {**told.fewer, **{row: 0 for row in every if row not in rows}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tell_drive, "EXPERIMENT", dataclasses.replace(told, fewer=fewer))
        assert main(["experiment", "tell_drive", "--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_smoke_leaves_a_page_with_all_claims_undetermined(smoke):
    found = json.loads((smoke / "tell_drive" / "result.json").read_text())
    assert found["complete"] and {one["verdict"] for one in found["claims"]} == {"undetermined"}
    assert [one["name"] for one in found["claims"]] == [claim.name for claim in tell_drive.CLAIMS]
    text = (smoke / "tell_drive.md").read_text()
    assert all(f"(tell_drive/{name}.png)" in text for name in ("claims", "dose", "curves", "attention", "seeds"))
    rows = found["rows"]
    assert rows["planner/left turn"]["teacher accuracy"]["mean"] > 0.8
    assert rows["PPO of SB3/left turn"]["area"]["n"] == 1 and rows["PPO of SB3/left turn"]["trust"]["n"] == 0
    assert rows["rule/merge"]["advised"]["mean"] == 1 > rows["rule, random calls/left turn"]["advised"]["mean"] > 0.1
    assert rows["model/left turn"]["advised"]["mean"] > 0.8, "the table's scenes are those that are met"
    ends = [rows[f"{row}/merge"]["optimality"]["mean"] for row in (lessons.BRAKING, lessons.PLANNER)]
    assert ends == pytest.approx([0, 100]) and rows["rule/merge, 4 cars"]["optimality"]["n"] == 0
    worst = rows[f"{tell_drive.WORST}/left turn"]
    assert worst["teacher accuracy"]["mean"] < rows["planner/left turn"]["teacher accuracy"]["mean"]


def test_every_row_is_a_configuration_and_fits_its_world():
    planned = {row for row in tell_drive.FEWER if tell_drive.FEWER[row]}
    assert "gap-acceptance/highway" not in planned and tell_drive.FEWER["gap-acceptance/highway"] == 0
    for claim in tell_drive.CLAIMS:
        assert all(tell_drive.FEWER.get(row, 10) == 10 for row in claim.variants), claim.name


def test_a_teacher_alone_drives_as_the_driver_it_follows():
    ours = alone(LEFT_TURN, lambda world: Driven("gap-acceptance"), 16)
    theirs = driven("gap-acceptance", LEFT_TURN, 16)
    for name in ("success", "speed", "return"):
        np.testing.assert_allclose(ours[name], theirs[name])


def test_a_marginal_is_how_often_each_action_is_advised():
    world = make_vec(LEFT_TURN.env_id, num_envs=8, **LEFT_TURN.params)
    found = marginal(world, Driven(lambda seen: np.zeros(8, int)), 5)
    np.testing.assert_array_equal(found, [1, 0, 0])


def test_steps_to_a_threshold_are_censored_at_the_end():
    curve = [(10, 0.1), (20, 0.6), (30, 0.2), (40, 0.7)]
    assert steps_to(curve, 0.5) == 20 and steps_to(curve, 0.7) == 40 and steps_to(curve, 0.9) == 40


def test_a_learner_of_stable_baselines3_has_a_curve_like_ours():
    options = {**lessons.SB3["PPO"], "batch_size": 64, "policy_kwargs": {"net_arch": [8]}}
    policy, curve = taught_by_sb3("PPO", options, 8, 1, 1536, LEFT_TURN, 4)
    steps = [steps for steps, _ in curve]
    assert len(curve) == POINTS and steps[-1] == 1536 and steps == sorted(set(steps))
    again, same = taught_by_sb3("PPO", options, 8, 1, 1536, LEFT_TURN, 4)
    assert same == curve
    told, others = driven(policy, LEFT_TURN, 4), driven(again, LEFT_TURN, 4)
    np.testing.assert_array_equal(told["return"], others["return"])


def test_advice_pays_from_where_the_line_crosses_zero():
    accuracies, noise = np.linspace(0, 1, 5), np.array([-0.02, 0.0, 0.02, 0.01, -0.01])
    gains = (accuracies - 0.4)[:, None] + noise
    pays, low, high = break_even(accuracies, gains)
    assert pays == pytest.approx(0.4) and 0.38 <= low < 0.4 < high <= 0.42
    assert break_even(accuracies, np.full((5, 5), 0.1)) == (0, 0, 0)  # it pays whatever the accuracy
    assert break_even(accuracies, np.full((5, 5), -0.1)) == (1, 1, 1)  # it never does


def test_an_unknown_adviser_is_refused():
    with pytest.raises(ValueError, match="unknown adviser 'oracle'"):
        adviser_for("oracle", make_vec(LEFT_TURN.env_id, num_envs=1, **LEFT_TURN.params), {})


def test_evaluation_is_held_out_and_apart_from_the_curves():
    assert EVALUATION_SEEDS < FIRST_EPISODE < FIRST_EPISODE + 512 < CURVE_EPISODE
