"""The batch contract: behaviour changes are noticed, by the hash of a golden rollout of each id."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from gymnasium import make_vec, spaces

from foveal.envs.registration import WORLDS

SEED = 2024
SHORT = 6  # a step limit within which some episodes end by themselves and some by the limit
GOLDEN = Path(__file__).parents[1] / "data" / "golden.json"
REWRITE = "FOVEAL_REWRITE_GOLDEN"


def rollout_hash(env_id, arrays):
    """Hash of a short rollout, rounded to 1e-5 so that the last bits of a processor or C library do not matter."""
    env = make_vec(env_id, 8, max_episode_steps=SHORT)
    observations, _ = env.reset(seed=SEED)
    digest = hashlib.sha256()
    outs = [(observations,)] + [env.step(rowwise(env, step))[:4] for step in range(2 * SHORT)]
    for array in (array for out in outs for part in out for array in arrays(part)):
        digest.update(np.rint(np.asarray(array, np.float64) * 1e5).astype(np.int64).tobytes())
    return digest.hexdigest()


def rowwise(env, step):
    """Actions that depend on no random generator."""
    space, rows = env.single_action_space, np.arange(env.num_envs)
    phase = (0.618034 * (step + 1) + 0.414214 * rows) % 1
    if isinstance(space, spaces.Discrete):
        return space.start + (phase * space.n).astype(np.int64)
    width = 1 + np.arange(np.prod(space.shape, dtype=int)).reshape(space.shape)
    return (2 * (phase.reshape(-1, *[1] * len(space.shape)) * width % 1) - 1).astype(space.dtype)


def test_behaviour_is_that_of_the_golden_rollout(env_id, arrays):
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    found = rollout_hash(env_id, arrays)
    if os.environ.get(REWRITE):
        golden[env_id] = found
        GOLDEN.write_text(json.dumps(dict(sorted(golden.items())), indent=2) + "\n")
    assert golden.get(env_id) == found, (
        f"{env_id} behaves otherwise than in tests/data/golden.json. If that is meant, bump the version "
        f"(foveal's, and the id's -vN once released) and rerun with {REWRITE}=1"
    )


def test_golden_rollouts_are_of_registered_worlds():
    assert json.loads(GOLDEN.read_text()).keys() <= WORLDS.keys()
