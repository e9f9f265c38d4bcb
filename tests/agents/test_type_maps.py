"""Maps of which types are where: by counting pixels, and what the network may read."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agents.encoders import make_encoder
from foveal.agents.type_maps import CHANNELS, GAIN, NEAR_M, true_shares, type_map
from foveal.envs.objectnav.types import TYPES

# The pixels of each of the 7 places along a side: those of the 16 blocks of 4 that overlap it.
BORDERS = [(4 * (place * 16 // 7), 4 * -(-(place + 1) * 16 // 7)) for place in range(7)]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), types=st.integers(1, len(TYPES)))
def test_shares_are_counts(seed, types):
    random = np.random.default_rng(seed)
    semantic = random.integers(types, size=(2, 64, 64)).astype(np.uint8)
    depth = random.uniform(0, 5, (2, 64, 64)).astype(np.float32)
    found = type_map(true_shares(torch.from_numpy(semantic)), torch.from_numpy(depth)).numpy()
    assert found.shape == (2, CHANNELS, 7, 7)
    for row, (top, bottom) in enumerate(BORDERS):
        for column, (left, right) in enumerate(BORDERS):
            place = semantic[:, top:bottom, left:right].reshape(2, -1)
            shares = np.stack([np.bincount(one, minlength=len(TYPES)) / one.size for one in place])
            np.testing.assert_allclose(found[:, : len(TYPES), row, column], GAIN * shares, atol=1e-4)
            mean = depth[:, top:bottom, left:right].mean((1, 2))
            np.testing.assert_allclose(found[:, -1, row, column], mean / 5, rtol=1e-4)


def test_what_is_near():
    """A type at the camera counts whole, one at `NEAR_M` and beyond not at all, one half as far half."""
    semantic = torch.zeros(1, 64, 64, dtype=torch.uint8)
    semantic[:, :, 32:] = 5
    for metres, weight in ((0.0, 1.0), (NEAR_M / 2, 0.5), (NEAR_M, 0.0), (3 * NEAR_M, 0.0), (torch.inf, 0.0)):
        maps = type_map(true_shares(semantic), torch.full((1, 64, 64), metres))
        near = maps[0, len(TYPES) : -1]
        assert maps.isfinite().all()
        torch.testing.assert_close(near[5, :, 4:], torch.full((7, 3), GAIN * weight))
        torch.testing.assert_close(near[0, :, :3], torch.full((7, 3), GAIN * weight))
        assert not near[1:5].any() and not near[6:].any()


@pytest.mark.parametrize("name", ["types", "true_types"])
def test_other_sizes_are_refused(name):
    space = spaces.Dict(
        rgb=spaces.Box(0, 255, (48, 64, 3), np.uint8),
        depth=spaces.Box(0, 20, (48, 64), np.float32),
        semantic=spaces.Box(0, 130, (48, 64), np.uint8),
    )
    with pytest.raises(ValueError, match="of 64 x 64 pixels, got 64 x 48"):
        make_encoder(name, space)
