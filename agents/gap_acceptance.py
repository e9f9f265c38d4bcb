"""Gap acceptance: the rule by which people enter a stream of traffic, at a junction and from a ramp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.drivers import FASTER, LANE_LEFT, SLOWER, Driver, IdmMobil, Traffic, idm, neighbours
from foveal.envs.batch import BatchEnv
from foveal.envs.driving.straight import LANE_WIDTH


def gap_acceptance(env: BatchEnv, seed: int) -> Driver:
    """The driver that fits a world: `Merging` from a ramp, `Crossing` elsewhere.

    Raises:
        ValueError: for a world without a stream to enter.
    """
    return Merging(env, seed) if getattr(env.params, "ego_start", None) == "ramp" else Crossing(env, seed)


class Crossing:
    """Turns left through gaps in the stream that crosses its path.

    A gap is accepted if no car reaches the conflict point from `BEFORE` seconds before to `AFTER` seconds after the
    driver would, going at `PACE` as soon as it can; else it brakes, as long as it can stop before the junction. The
    window is the one of seven with the most successes and less than 2 % crashes on ``foveal/LeftTurn-v0`` at 10, 20 and
    30 cars a minute, on training seeds.
    """

    BEFORE, AFTER = 1.2, 1.6  # s
    PACE = 9.0  # m/s
    COMMIT = 15.0  # m before the point, from where on it goes on
    WIDTH = 2.5  # m beside the point that a path may pass and still lead through it

    def __init__(self, env: BatchEnv, seed: int) -> None:
        rules: Any = getattr(env, "rules", None)
        p: Any = env.params
        fits = hasattr(rules, "conflict") and getattr(p, "observation_absolute", False)
        if not fits or env.action_names != ("SLOWER", "IDLE", "FASTER"):
            raise ValueError(
                "driver 'gap-acceptance' needs a world with a ramp or with a conflict point whose observation is "
                "absolute, such as foveal/Merge-v0 or foveal/LeftTurn-v0"
            )
        features = list(p.observation_features)
        reach = {"x": p.observation_range_x, "y": p.observation_range_y}
        reach |= {"vx": p.observation_range_vx, "vy": p.observation_range_vy}
        self.columns = [features.index(name) for name in ("presence", *reach)]
        self.units = np.array([1.0, *reach.values()]) if p.observation_normalize else np.ones(5)
        self.point = np.array(rules.conflict)

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.int64]:
        """Actions (N,) for Kinematics observations (N, S, F) in the world's frame."""
        seen = observations[:, :, self.columns] * self.units
        present, place, velocity = seen[..., 0] > 0.5, seen[..., 1:3], seen[..., 3:5]
        speed = np.linalg.norm(velocity, axis=-1)
        way = self.point - place  # (N, S, 2)
        ahead = (way * velocity).sum(-1) / np.maximum(speed, 0.1)  # m along its velocity
        beside = np.abs(way[..., 0] * velocity[..., 1] - way[..., 1] * velocity[..., 0]) / np.maximum(speed, 0.1)
        comes = present & (ahead > -5.0) & (beside < self.WIDTH)
        arrival = np.where(comes, ahead / np.maximum(speed, 0.1), np.inf)[:, 1:]
        distance = np.linalg.norm(way[:, 0], axis=-1)
        mine = distance / self.PACE + np.maximum(self.PACE - speed[:, 0], 0) / self.PACE  # s
        taken = (arrival > mine[:, None] - self.BEFORE) & (arrival < mine[:, None] + self.AFTER)
        waits = taken.any(axis=1) & (ahead[:, 0] > 0) & (distance > self.COMMIT)
        return np.where(waits, 0, 2)


class Merging(IdmMobil):
    """Changes from a ramp into the first gap where nobody must brake harder than `HARDEST`; drives as MOBIL does later.

    Until then it falls back where the gap ahead is the tighter one, and hurries where the one behind is. The rule for
    the pace is the one of five, and `HARDEST` the one of four up to what tyres bear, with the most successes on
    ``foveal/Merge-v0`` with 4, 8 and 12 cars, on training seeds. Decelerations by the Intelligent Driver Model.
    """

    HARDEST = 9.0  # m/s^2

    def choose(self, traffic: Traffic) -> NDArray[np.int64]:
        """LANE_LEFT into an acceptable gap, FASTER or SLOWER towards one on the ramp; MOBIL's choice on the road."""
        target = np.full(len(traffic.ego_y), self.lanes - 1)
        gap, speed, rear_gap, rear_speed = neighbours(traffic, target)
        mine = idm(traffic.ego_speed, self.speeds[-1], gap, speed)
        followers = idm(rear_speed, rear_speed, rear_gap, traffic.ego_speed)
        pace = np.where(mine < followers, SLOWER, FASTER)
        enters = np.where(np.minimum(mine, followers) > -self.HARDEST, LANE_LEFT, pace)
        on_ramp = traffic.ego_y > LANE_WIDTH * (self.lanes - 0.5)
        return np.where(on_ramp, enters, super().choose(traffic))
