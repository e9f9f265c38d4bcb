"""Kinds of other drivers: those of the Intelligent Driver Model, and linear, aggressive and defensive ones.

Linear drivers follow their leader by gains on the speed that they lack, on the closing speed and on the gap that they
lack, and steer by gains on heading and place; they change lanes by MOBIL like the others. Aggressive and defensive
ones have other gains, and ask for more before they change lanes.

Source: highway-env 1.12, `vehicle/behavior.py` (``LinearVehicle``, ``AggressiveVehicle``, ``DefensiveVehicle``).
"""

from __future__ import annotations

import numpy as np

from foveal.envs.driving.motion import GAIN_HEADING, GAIN_LATERAL
from foveal.envs.driving.traffic import (
    DRIVER_DEFAULTS,
    EXPONENT,
    IDM,
    KIND,
    LINEAR,
    LINEAR_CLOSING,
    LINEAR_GAP,
    LINEAR_HEADING,
    LINEAR_LATERAL,
    LINEAR_SPEED,
    MIN_GAIN,
    TIME_GAP,
)
from foveal.kernels import kernel
from foveal.rng import uniform

DRIVERS = ("idm", "linear", "aggressive", "defensive")
_FEATURES = np.array(
    [TIME_GAP, MIN_GAIN, LINEAR_SPEED, LINEAR_CLOSING, LINEAR_GAP, LINEAR_HEADING, LINEAR_LATERAL, KIND]
)
_STEERING = (GAIN_HEADING, GAIN_HEADING * GAIN_LATERAL)
_FREE, _BEHIND = 0.25 * 30.0, 0.75 * 30.0  # m/s, of the accelerations that the last two kinds are made from
_VALUES = np.array([
    [2.5, 0.2, 0.3, 0.3, 2.0, *_STEERING, LINEAR],
    [2.5, 1.0, 0.8 / _FREE, 0.8 / _BEHIND, 0.5, *_STEERING, LINEAR],
    [2.5, 1.0, 1.2 / _FREE, 1.2 / _BEHIND, 2.0, *_STEERING, LINEAR],
])  # fmt: skip
"""Of each linear kind, the values of `_FEATURES`."""
_DRAWN = np.array([LINEAR_SPEED, LINEAR_CLOSING, LINEAR_GAP, LINEAR_HEADING, LINEAR_LATERAL])
_LOW = np.array([0.15, 0.15, 1.0, _STEERING[0] - 0.07, _STEERING[1] - 1.5])
_HIGH = np.array([0.45, 0.45, 3.0, _STEERING[0] + 0.07, _STEERING[1] + 1.5])
"""Between which a linear driver's gains are drawn; aggressive and defensive ones' too, as in highway-env."""
DRAWN = _DRAWN.size
_DRIVERS_DRAWN = 1 << 32  # where the numbers that choose drivers begin in the episode's random stream
_DEFAULT_FEATURES = np.array([TIME_GAP, MIN_GAIN])  # in which kinds of drivers differ
_DEFAULT_VALUES = np.array([DRIVER_DEFAULTS[TIME_GAP], DRIVER_DEFAULTS[MIN_GAIN]])


def shares(traffic: tuple[float, ...]) -> tuple[float, float, float]:
    """The share of IDM drivers, and with those of linear and of aggressive ones added."""
    first, second, third, _ = np.cumsum(traffic) / np.sum(traffic)
    return float(first), float(second), float(third)


@kernel
def pick(shares, number):
    """Which of `DRIVERS` a random number in [0, 1) means."""
    which = 0
    for k in range(3):
        if number >= shares[k]:
            which = k + 1
    return which


@kernel
def make_driver(t, i, which):
    """Give vehicle `i`, an IDM driver so far, the coefficients of one of `DRIVERS`."""
    if which > 0:
        for k in range(_FEATURES.size):
            t[_FEATURES[k], i] = _VALUES[which - 1, k]


@kernel
def set_gain(t, i, k, number):
    """Set gain `k` (of `DRAWN`) of a linear driver by a random number in [0, 1)."""
    t[_DRAWN[k], i] = _LOW[k] + number * (_HIGH[k] - _LOW[k])


@kernel
def set_exponent(t, i, number):
    """Set the exponent of the speed ratio by a random number in [0, 1)."""
    t[EXPONENT, i] = 3.5 + number


@kernel
def choose_driver(t, i, shares, seed, episode):
    """Make vehicle `i` one of the kinds of drivers, with the gains of a linear one drawn, as highway-env does."""
    draws = _DRIVERS_DRAWN + (DRAWN + 1) * i
    t[KIND, i] = IDM
    for k in range(_DEFAULT_FEATURES.size):
        t[_DEFAULT_FEATURES[k], i] = _DEFAULT_VALUES[k]
    make_driver(t, i, pick(shares, uniform(seed, episode, draws)))
    if t[KIND, i] == LINEAR:
        for k in range(DRAWN):
            set_gain(t, i, k, uniform(seed, episode, draws + 1 + k))
