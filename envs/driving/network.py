"""Worlds on a road network: what their kernels work on, and one substep of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.collisions import collide_pairwise
from foveal.envs.driving.conduct import act, decide
from foveal.envs.driving.dynamics import move
from foveal.envs.driving.navigation import settle_here
from foveal.envs.driving.regulation import regulate
from foveal.envs.driving.traffic import (
    ACCELERATION,
    EGO,
    KIND,
    STEERING,
)
from foveal.kernels import kernel


class Timing(NamedTuple):
    """How time passes."""

    frames: int  # substeps per step
    dt: float  # s
    step_time: float  # s
    regulation: int  # substeps between regulations of the right of way, 0 for none
    connected: bool  # neighbours are looked for on connected lanes too
    acted: bool  # actions are applied by `act_rows` before a step, not in it


class Outcome(NamedTuple):
    """What a step hands out beside observations, one entry a row."""

    rewards: NDArray[np.float64]  # (N,)
    terms: NDArray[np.float64]  # (N, T)
    terminated: NDArray[np.bool_]  # (N,)
    agents_rewards: NDArray[np.float64]  # (N, E) of each ego, where a scenario tells them apart
    agents_terminated: NDArray[np.bool_]  # (N, E)
    notes: NDArray[np.float64]  # (N, M) what else a scenario tells


class Drive(NamedTuple):
    """Everything a kernel works on, for all rows.

    The columns of `traffic` below `objects` are for vehicles, of which the first ``vehicles`` are there, in list order;
    from `objects` on stand what does not move.
    """

    traffic: NDArray[np.float64]  # (N, K, C), see `foveal.envs.driving.traffic`
    along: NDArray[np.float64]  # (N, C, L), see `foveal.envs.driving.navigation`
    vehicles: NDArray[np.int64]  # (N,) how many there are
    egos: NDArray[np.int64]  # (N, E) the columns of the controlled vehicles
    time: NDArray[np.float64]  # (N,) s since the episode began
    clock: NDArray[np.int64]  # (N,) substeps since it began, warm-up included
    seed: NDArray[np.int64]  # (N,)
    episode: NDArray[np.int64]  # (N,)
    draws: NDArray[np.int64]  # (N,) random numbers drawn in this episode
    observed: NDArray[np.int64]  # (N, E, S) who is in which slot of the observation
    predicted: NDArray[np.float64]  # (N, C, T, 4) scratch of `foveal.envs.driving.regulation`
    given: NDArray[np.float64]  # (N, A) the last action as it was given, 0 at first
    lanes: NDArray[np.float64]  # see `foveal.envs.driving.roads.Network`
    graph: NDArray[np.int64]
    speeds: NDArray[np.float64]  # m/s, target speeds of the egos
    objects: int
    ego_kind: int
    shares: tuple[float, float, float]  # of the kinds of drivers, see `foveal.envs.driving.temperaments`
    timing: Timing
    outcome: Outcome


@kernel
def step_rows(start, stop, rows, meta, controls, trace_slot, trace, traced, drive):
    """Row kernel: act and simulate the substeps.

    Args:
        start: First entry of `rows`.
        stop: Last entry, plus one.
        rows: (R,) rows to step.
        meta: (N, E) int64 meta-actions, of egos that follow lanes.
        controls: (N, E, 2) acceleration, m/s^2, and steering angle, rad, of those that are steered.
        trace_slot: (N,) where to trace a row, -1 for not at all.
        trace: (S, frames, C, features) substep states of traced rows.
        traced: (features,) int64, which ones.
        drive: The world.
    """
    timing = drive.timing
    for k in range(start, stop):
        r = rows[k]
        t = drive.traffic[r]
        drive.time[r] += timing.step_time
        if not timing.acted:
            take(t, drive, r, meta, controls)
        for frame in range(timing.frames):
            substep(
                t, drive.along[r], drive.lanes, drive.graph, drive.vehicles[r], drive.objects, drive.clock[r : r + 1],
                timing.dt, timing.regulation, timing.connected, drive.predicted[r],
            )  # fmt: skip
            if trace_slot[r] >= 0:
                for i in range(t.shape[1]):
                    for f in range(traced.size):
                        trace[trace_slot[r], frame, i, f] = t[traced[f], i]


@kernel
def act_rows(start, stop, rows, meta, controls, drive):
    """Row kernel: apply the actions, and nothing else; see `step_rows`."""
    for k in range(start, stop):
        take(drive.traffic[rows[k]], drive, rows[k], meta, controls)


@kernel
def take(t, drive, r, meta, controls):
    """Let the egos of row `r` take their actions."""
    for e in range(drive.egos.shape[1]):
        ego = drive.egos[r, e]
        if t[KIND, ego] == EGO:
            act(t, drive.lanes, drive.graph, ego, meta[r, e], drive.speeds)
        else:
            t[ACCELERATION, ego], t[STEERING, ego] = controls[r, e, 0], controls[r, e, 1]


@kernel
def substep(t, along, lanes, graph, count, objects, clock, dt, regulation, connected, predicted):
    """Let one row's vehicles decide, move and collide."""
    for i in range(count):
        decide(t, along, lanes, graph, count, objects, connected, i)
    clock[0] += 1
    if regulation > 0 and clock[0] % regulation == 0:
        regulate(t, lanes, graph, count, predicted)
    for i in range(count):
        move(t, i, dt)
        settle_here(t, along, lanes, graph, i)
    collide_pairwise(t, count, objects, dt)
