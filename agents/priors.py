"""Priors on where things are that come with the package; `foveal teacher whereabouts` makes such files."""

from __future__ import annotations

from pathlib import Path

from foveal.envs.objectnav.whereabouts import Whereabouts
from foveal.envs.params import did_you_mean

PRIORS = ("counts", "model")
"""Counted in houses to train in, and told by SmolLM2 of 135 million parameters."""


def load_prior(name: str) -> Whereabouts:
    """One of `PRIORS`.

    Raises:
        ValueError: for another name; it tells the nearest.
    """
    if name not in PRIORS:
        raise ValueError(f"unknown prior {name!r}{did_you_mean(name, list(PRIORS))}")
    return Whereabouts.load(Path(__file__).with_name("weights") / f"whereabouts-{name}.json")
