"""Counter-based random numbers for kernels: Philox4x32-10 keyed by (row seed, episode).

A draw is a pure function of (seed, episode, index), so it depends on no neighbour, no thread and no draw before it.
Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3; checked against the
known-answer vectors of the Random123 distribution.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.kernels import kernel

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)


@kernel
def philox(key, counter_low, counter_high):
    """Philox4x32-10: two uint64 words from a 64-bit key and a 128-bit counter (each uint64)."""
    c0, c1 = counter_low & _LOW, counter_low >> _SHIFT
    c2, c3 = counter_high & _LOW, counter_high >> _SHIFT
    k0, k1 = key & _LOW, key >> _SHIFT
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> _SHIFT) ^ c1 ^ k0,
            product_1 & _LOW,
            (product_0 >> _SHIFT) ^ c3 ^ k1,
            product_0 & _LOW,
        )
        k0 = (k0 + _WEYL_0) & _LOW
        k1 = (k1 + _WEYL_1) & _LOW
    return c0 | (c1 << _SHIFT), c2 | (c3 << _SHIFT)


@kernel
def uniform(seed, episode, index):
    """Draw number `index` of an episode, a float64 in [0, 1) with 53 random bits."""
    bits, _ = philox(np.uint64(seed), np.uint64(index), np.uint64(episode))
    return np.float64(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def normal(seed, episode, index):
    """A number of mean 0 and standard deviation 1, of draws `index` and the next one.

    Source: Box and Muller (Annals of Mathematical Statistics 29, 1958).
    """
    radius = math.sqrt(-2 * math.log(1 - uniform(seed, episode, index)))
    return radius * math.cos(2 * np.pi * uniform(seed, episode, index + 1))
