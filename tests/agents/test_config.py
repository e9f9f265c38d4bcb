import dataclasses
import json
import math

import pytest

from foveal.agents.config import PPOConfig
from foveal.envs.batch import EVALUATION_SEEDS


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"gamma": 1.5}, ValueError, r"gamma=1\.5: must be in \[0, 0\.9999\]"),
        ({"gamma": math.nan}, ValueError, "gamma=nan"),
        ({"num_envs": 0}, ValueError, "num_envs=0"),
        ({"num_envs": 2.0}, TypeError, r"num_envs=2\.0: must be int, got float"),
        ({"num_envs": True}, TypeError, "num_envs=True: must be int, got bool"),
        ({"shared": 1}, TypeError, "shared=1: must be bool"),
        ({"network": "atention"}, ValueError, "did you mean 'attention'"),
        ({"network_options": {"head": 2}}, ValueError, "did you mean 'heads'"),
        ({"max_seconds": "1"}, TypeError, "max_seconds='1': must be float"),
        ({"seed": 2**31 // 512, "num_envs": 512}, ValueError, "held out for evaluation"),
        ({"learning_rat": 1e-3}, ValueError, "unknown configuration key 'learning_rat'; did you mean 'learning_rate'"),
        ([], TypeError, "a configuration is a mapping, got list"),
    ],
)
def test_configurations_refuse(values, error, message):
    with pytest.raises(error, match=message):
        PPOConfig.from_dict(values)


def test_the_largest_seed_stays_below_the_held_out_ones():
    config = PPOConfig(seed=2**31 // 512 - 1, num_envs=512)
    assert config.seed * config.num_envs + config.num_envs - 1 == EVALUATION_SEEDS - 1


def test_configurations_survive_json(small):
    config = dataclasses.replace(small, max_seconds=3, env_params={"limit": 5})
    assert PPOConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config
