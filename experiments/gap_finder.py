"""A rule that finds gaps: what one drives by who knows where everybody is, in ``foveal/SurroundRig-v0``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.agents.drivers import FASTER, IDLE, LANE_LEFT, SLOWER, idm

RANGES = {"x": 100.0, "y": 16.0, "vx": 25.0, "vy": 25.0}
"""Of what is told of vehicles, m and m/s either way."""


class GapFinder:
    """Finds a gap in the traffic on the lane to the left by where all vehicles will be at their present speeds.

    For each target speed it looks up to 6 s ahead for the first moment at which there would be room on that lane, as
    long as one could still stop before what blocks the own one; it takes the speed whose moment comes first. `ROOM`
    and `CARE` are the best of ten pairs on training seeds.

    Args:
        speeds: Target speeds, m/s.
        sees_behind: Whether it reckons with cars more than 4 m behind.
    """

    ROOM = 7.5  # m, between centres
    CARE = 0.5, 1.5  # s of closing speed that are needed beyond, to the leader and to the follower
    STOP = 12.0  # m, between centres, from what blocks the lane
    TIMES = np.arange(0, 6.01, 0.3)  # s
    LAG = 0.6  # s in which the car's speed comes closer to its target by a factor e

    def __init__(self, speeds: tuple[float, ...], sees_behind: bool = True) -> None:
        self.speeds, self.sees_behind = np.array(speeds), sees_behind

    def __call__(self, states: NDArray[np.float32]) -> NDArray[np.int64]:
        """Actions (N,) for states (N, V, 5): Kinematics relative to the ego, who comes first, on a straight road."""
        seen = states.astype(np.float64) * (1.0, *RANGES.values())
        (_, _, own_y, speed, drift), others = seen[:, 0].T, seen[:, 1:]
        ahead, y, other_speed = others[..., 1], others[..., 2] + own_y[:, None], others[..., 3] + speed[:, None]
        there = others[..., 0] > 0.5
        left = there & (np.abs(y) < 2.5) & (self.sees_behind | (ahead > -4.0))
        stands = there & (np.abs(y - 4.0) < 1.5) & (other_speed < 1.0) & (ahead > 0)
        block = np.where(stands, ahead, np.inf).min(1)
        room, best = self._look(left, ahead, other_speed, speed, block)
        brakes = block < self.STOP + speed**2 / 6 + 0.4 * speed
        pace = np.sign(np.where(brakes, 0, best) - np.abs(speed[:, None] - self.speeds).argmin(1))
        waits = np.select([pace > 0, pace < 0], [FASTER, SLOWER], IDLE)
        settled = np.abs(drift) < 0.3
        enters = np.where(settled & room, LANE_LEFT, np.where(settled, waits, IDLE))
        return np.where(own_y > 2.0, enters, self._follow(left & (ahead > 0), ahead, other_speed, speed))

    def _look(
        self,
        left: NDArray[np.bool_],
        ahead: NDArray[np.float64],
        other_speed: NDArray[np.float64],
        speed: NDArray[np.float64],
        block: NDArray[np.float64],
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether there is room now (N,), and for which target speed (N,) there will be first."""
        times, targets = self.TIMES, self.speeds[:, None]
        fading = np.exp(-times / self.LAG) * (speed[:, None, None] - targets)
        way = targets * times + self.LAG * (speed[:, None, None] - targets - fading)  # (N, K, T) m
        then = (targets + fading)[..., None]  # (N, K, T, 1) m/s
        gap = ahead[:, None, None] + other_speed[:, None, None] * times[:, None] - way[..., None]  # (N, K, T, V)
        closing = np.where(gap > 0, self.CARE[0] * (then - other_speed[:, None, None]), 0.0)
        closing = np.where(gap > 0, closing, self.CARE[1] * (other_speed[:, None, None] - then))
        taken = (left[:, None, None] & (np.abs(gap) < self.ROOM + np.maximum(closing, 0.0))).any(-1)  # (N, K, T)
        then = then[..., 0]
        open_ = ~taken & (way < block[:, None, None] - self.STOP - 0.3 * then - then**2 / 12)
        first = np.where(open_.any(2), times[open_.argmax(2)] - 0.03 * self.speeds, np.inf)  # faster is better
        best = np.where(np.isfinite(first).any(1), first.argmin(1), 1)
        return ~taken[:, :, 0].all(1), best

    def _follow(
        self,
        leads: NDArray[np.bool_],
        ahead: NDArray[np.float64],
        other_speed: NDArray[np.float64],
        speed: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Behind the nearest of those that lead, by the Intelligent Driver Model; (N,)."""
        gap = np.where(leads, ahead, np.inf)
        nearest = gap.argmin(1)[:, None]
        leader = np.take_along_axis(other_speed, nearest, 1)[:, 0]
        wanted = idm(speed, float(self.speeds[-1]), np.take_along_axis(gap, nearest, 1)[:, 0], leader)
        return np.select([wanted < -2.0, wanted > 0.3], [SLOWER, FASTER], IDLE)
