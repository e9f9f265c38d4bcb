"""Three 13-bit colour channels in one integer, so that one multiplication mixes all of them.

A channel lies in its own 21 bits: 13 for the value and 8 above it for the weight it is multiplied with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import inlined

TOP = 8191
"""Largest value of a channel."""

_CHANNELS = TOP | TOP << 21 | TOP << 42


def packed(colours: NDArray[np.float64], one: int) -> NDArray[np.int64]:
    """Colours (..., 3) as integers (...), with `one` for 1.0; values above TOP / one are cut off."""
    values = np.clip(np.rint(colours * one), 0, TOP).astype(np.int64)
    return np.asarray(values[..., 0] | values[..., 1] << 21 | values[..., 2] << 42)


@inlined
def pack(red, green, blue):
    """One integer of three channels that lie in [0, TOP]."""
    return np.int64(red) | np.int64(green) << 21 | np.int64(blue) << 42


@inlined
def mix(low_left, low_right, high_left, high_right, a, b):
    """Between four colours (bilinear): `a` in [0, 256) of those on the right, `b` of those above."""
    both = a * b >> 8
    right = (low_right - low_left) * (a - both)  # channels may borrow from each other: the sum pays it back
    high = (high_left - low_left) * (b - both)
    return (((low_left << 8) + right + high + (high_right - low_left) * both) >> 8) & _CHANNELS


@inlined
def channels(colour):
    """The three values of a colour, unsigned."""
    return np.uint64(colour & TOP), np.uint64(colour >> 21 & TOP), np.uint64(colour >> 42)
