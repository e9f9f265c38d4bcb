"""Evaluation: one episode per seed, whatever the batch; intervals against their textbook formulas."""

import json
import math

import gymnasium
import numpy as np
import pytest

import foveal
from foveal.agents.evaluation import Estimate, evaluate, mean, provenance, rate
from foveal.envs.batch import EVALUATION_SEEDS

FAST = "foveal/HighwayFast-v0"


def test_each_seed_counts_exactly_its_first_episode():
    """Against the single environment, seed by seed."""
    result = evaluate(FAST, lambda observations: np.full(len(observations), 3), episodes=9, num_envs=4, duration=12)
    env = gymnasium.make(FAST, duration=12)
    for episode in range(9):
        env.reset(seed=EVALUATION_SEEDS + episode)
        total, speeds, terminated, truncated = 0.0, [], False, False
        while not (terminated or truncated):
            _, reward, terminated, truncated, info = env.step(3)
            total, speeds = total + reward, [*speeds, info["speed"]]
        expected = {
            "return": total,
            "length": len(speeds),
            "success": float(not terminated),
            "terminated": float(terminated),
            "collision": float(info["crashed"]),
            "speed": np.mean(speeds),
        }
        assert {key: values[episode] for key, values in result.per_episode.items()} == pytest.approx(expected)
    assert 0 < result.metrics["collision"].mean < 1, "the seeds should show both ends"


@pytest.mark.parametrize("driver", ["slowest", "idm-mobil"])
def test_deterministic_policies_get_the_same_result_for_any_batch(driver):
    results = [evaluate(FAST, driver, episodes=30, num_envs=rows, seed=100) for rows in (30, 7, 64, 1)]
    for result in results[1:]:
        assert result.metrics == results[0].metrics
        for key, values in results[0].per_episode.items():
            np.testing.assert_array_equal(result.per_episode[key], values)


def test_policies_may_return_more_than_actions_and_parameters_reach_the_world():
    def policy(observations):
        assert observations.shape[1:] == (7, 5)
        return np.ones(len(observations), int), {"value": 0}

    result = evaluate(FAST, policy, episodes=4, observation_vehicles_count=7, name="mine")
    assert result.policy == "mine" and result.params == {"observation_vehicles_count": 7}
    assert evaluate(FAST, policy, episodes=2, observation_vehicles_count=7).policy == "policy"


def test_mean_has_students_interval():
    values = np.array([1.0, 2.0, 4.0, 5.0])
    margin = 3.18244631 * math.sqrt(10 / 3) / 2  # t quantile for 3 degrees of freedom
    assert vars(mean(values)) == pytest.approx(vars(Estimate(3.0, 3 - margin, 3 + margin)), rel=1e-6)
    assert mean(np.full(5, 2.0)) == Estimate(2.0, 2.0, 2.0)


@pytest.mark.parametrize("ones, total", [(0, 20), (3, 20), (20, 20)])
def test_rate_has_wilsons_interval(ones, total):
    share, z = ones / total, 1.959964
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    margin = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total**2)) / (1 + z * z / total)
    expected = vars(Estimate(share, centre - margin, centre + margin))
    assert vars(rate(np.repeat([1.0, 0.0], [ones, total - ones]))) == pytest.approx(expected, abs=1e-6)


def test_saved_with_its_provenance(tmp_path):
    result = evaluate(FAST, "slowest", episodes=5, lanes_count=4)
    path = result.save(tmp_path / "new" / "eval.json")
    saved = json.loads(path.read_text())
    assert saved["env_id"] == FAST and saved["policy"] == "slowest" and saved["params"] == {"lanes_count": 4}
    assert saved["seed"] == 2**31 and saved["held_out"] is True and saved["episodes"] == 5
    assert saved["metrics"]["return"] == vars(result.metrics["return"])
    assert saved["versions"]["foveal"] == foveal.__version__ and saved["cores"] >= 1 and saved["processor"]
    assert list(path.parent.iterdir()) == [path]
    assert provenance().keys() <= saved.keys()


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="episodes=1"):
        evaluate(FAST, "slowest", episodes=1)
    with pytest.raises(ValueError, match="'idm-mobil'"):
        evaluate(FAST, "idm_mobile", episodes=5)
    with pytest.raises(TypeError, match="lanes_count"):
        evaluate(FAST, "slowest", episodes=5, lane_count=3)
