"""What there is to be seen: the arrays that every kind of observation reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sight(NamedTuple):
    """The arrays of N rows that observations are made from; see `foveal.envs.driving.network.Drive`."""

    traffic: NDArray[np.float64]  # (N, K, C)
    vehicles: NDArray[np.int64]  # (N,) how many there are
    egos: NDArray[np.int64]  # (N, E)
    clock: NDArray[np.int64]  # (N,) substeps
    seed: NDArray[np.int64]  # (N,)
    episode: NDArray[np.int64]  # (N,)
    steps: NDArray[np.int64]  # (N,) since the episode began
    lanes: NDArray[np.float64]
    graph: NDArray[np.int64]
    speeds: NDArray[np.float64]  # m/s, target speeds of the egos
    objects: int  # column of the first road object
