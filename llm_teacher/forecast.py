"""What comes of driving plans if the others go on as they do: a few seconds ahead, for all rows and plans at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.controls import META_ACTIONS
from foveal.envs.driving.motion import GAIN_SPEED
from foveal.envs.driving.straight import LANE_WIDTH
from foveal.envs.driving.surrogates import NEVER
from foveal.envs.driving.world import DrivingWorld
from foveal.envs.scene import MEASURES

LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER = META_ACTIONS
Floats = NDArray[np.float32]


def drive(plans: NDArray[np.str_], speed: Floats, target_speeds: Floats, substeps: int) -> tuple[Floats, Floats]:
    """Where plans lead along the way: metres driven and speeds, each (N, P, H x substeps), at the substeps' ends.

    The ego approaches its target speed as v' = (target - v) / 0.6 s, and FASTER and SLOWER count from the target speed
    nearest to its own, as in highway-env 1.12 (`vehicle/controller.py`). A decision lasts a second.

    Args:
        plans: (P, H) names of meta-actions.
        speed: (N,) m/s.
        target_speeds: (T,) m/s, evenly spaced.
        substeps: Of a decision.
    """
    first, last = target_speeds[0], len(target_speeds) - 1
    step = (target_speeds[-1] - first) / last
    keep = np.float32(np.exp(-GAIN_SPEED / substeps))  # of what lacks to the target, over a substep
    v = np.repeat(speed[:, None], len(plans), axis=1)  # (N, P)
    target = first + step * np.clip(np.rint((v - first) / step), 0, last)
    place, driven, speeds = np.zeros_like(v), [], []
    for actions in plans.T:
        change = (actions == FASTER).astype(np.float32) - (actions == SLOWER)
        wanted = first + step * np.clip(np.rint((v - first) / step) + change, 0, last)
        target = np.where(change != 0, wanted, target)
        for _ in range(substeps):
            place = place + target / substeps + (v - target) * (1 - keep) / np.float32(GAIN_SPEED)
            v = target + (v - target) * keep
            driven.append(place)
            speeds.append(v)
    return np.stack(driven, -1).astype(np.float32), np.stack(speeds, -1).astype(np.float32)


class Road:
    """Plans on the lanes of a straight road, such as the highway's, and on the ramp that joins it.

    Plans keep, raise or lower the speed by a step and change lane once, or twice to the same side. The others keep
    their lanes and follow each other by the Intelligent Driver Model (Treiber, Hennecke and Helbing, Phys. Rev. E 62
    (2000), eqs. 3-4, with highway-env 1.12's constants). How far a plan comes nearer to somebody than it may costs
    more than anything else, the sooner the more; what is left is speed.

    Args:
        env: A world with ``lanes_count`` and the five meta-actions.
    """

    HORIZON = 5  # s
    SUBSTEPS = 2  # 1/s
    AHEAD = 3  # vehicles of each lane that are looked at, and one behind
    ROOM = 2.0  # m to whoever is ahead
    ROOM_GROWS = 0.1  # m/s
    ROOM_BEHIND = 1.0  # m to whoever is behind, on a lane that the ego comes to
    CROSSING = 0.35  # s after which a lane change brings the ego's side onto the new lane
    LEFT_BEHIND = 0.95  # s after which it is off the old one
    CHANGE_COSTS = 1.5
    NEARNESS_COSTS = 20.0  # per metre and second, and second that is left
    BESIDE = 3.0  # m across from a lane's middle within which a car is on it

    def __init__(self, env: DrivingWorld) -> None:
        params: Any = env.params
        self.lanes: int = params.lanes_count
        self.speeds = np.array(params.action_target_speeds, np.float32)
        self.plans = np.array(list(_road_plans(self.HORIZON)))  # (P, H)
        self.first = np.array([META_ACTIONS.index(name) for name in self.plans[:, 0]])
        step = (self.plans == LANE_RIGHT).astype(np.int64) - (self.plans == LANE_LEFT)
        self.shift = step.cumsum(1)  # (P, H) lanes to the right of the first one
        self.before = self.shift - step  # (P, H)
        self.changes = np.abs(step).sum(1)  # (P,)

    def values(self, env: DrivingWorld, infos: dict[str, Any]) -> Floats:
        """What each plan is worth (N, P); -inf where there is no such lane."""
        speed = np.asarray(infos["speed"], np.float32)
        driven, speeds = drive(self.plans, speed, self.speeds, self.SUBSTEPS)  # (N, P, T)
        own, ahead, pace, behind, chasing = self._around(env)
        places = self._forecast(ahead, pace)  # (T, N, 5, M)
        nearness = np.zeros(driven.shape[:2], np.float32)
        for t in range(driven.shape[2]):
            second, part = divmod(t, self.SUBSTEPS)
            time, since = (t + 1) / self.SUBSTEPS, (part + 1) / self.SUBSTEPS
            here, old = 2 + self.shift[:, second], 2 + self.before[:, second]  # (P,)
            changes, x = here != old, driven[:, :, t]
            room = _clearance(places[t][:, here], x, self.ROOM + self.ROOM_GROWS * time, self.ROOM_BEHIND)
            room = np.where(changes & (since < self.CROSSING), np.inf, room)
            if since <= self.LEFT_BEHIND:
                room = np.minimum(room, np.where(changes, _clearance(places[t][:, old], x, 0.3, 0.3), np.inf))
            follower = x - behind[:, here] - chasing[:, here] * time - tr.CAR_LENGTH - self.ROOM_BEHIND
            joins = changes & (since >= self.CROSSING)
            room = np.minimum(room, np.where(joins, follower, np.inf))
            lack = np.where(room < 0, np.minimum(0.5 - room, 6.0), 0)
            nearness += lack * (self.HORIZON + 1 - time) / self.SUBSTEPS
        end = self._speed_at_end(places[-1], pace, driven[:, :, -1])
        value = driven[:, :, -1] * (4 / self.HORIZON) + end - self.CHANGE_COSTS * self.changes
        value -= self.NEARNESS_COSTS * nearness
        lane = own[:, None, None] + self.shift  # (N, P, H)
        there = ((self.shift == 0) | ((lane >= 0) & (lane < self.lanes))).all(-1)
        return np.where(there, value, -np.inf).astype(np.float32)

    def _speed_at_end(self, places: Floats, pace: Floats, x: Floats) -> Floats:
        """The speed (N, P) that whoever is ahead at a plan's end leaves for the second that follows."""
        lane = 2 + self.shift[:, -1]
        gap = places[:, lane] - x[..., None]  # (N, P, M)
        leader = np.where(gap >= 0, gap, np.inf).argmin(-1)[..., None]
        gap = np.take_along_axis(gap, leader, -1)[..., 0]
        speed = np.take_along_axis(pace[:, lane], leader, -1)[..., 0]
        room = np.where(gap >= 0, np.maximum(gap - tr.CAR_LENGTH - self.ROOM, 0), np.inf)
        return np.clip(speed + room, 0, self.speeds[-1]).astype(np.float32)

    def _around(self, env: DrivingWorld) -> tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]:
        """The ego's lane (N,), and of five lanes, the third the ego's, those ahead and the one behind.

        Places ahead of the ego, m, centre to centre, and speeds along the road, m/s: (N, 5, M) of those ahead, the
        nearest first, inf and 0 where there are fewer; (N, 5) of the one behind, -inf and 0.
        """
        x, y, speed, heading = np.moveaxis(env.vehicle_features((tr.X, tr.Y, tr.SPEED, tr.HEADING)), 1, 0)
        ego = env.ego_features((tr.X, tr.Y, tr.SPEED, tr.HEADING))
        own = np.rint((ego[:, 1] + 0.3 * ego[:, 2] * np.sin(ego[:, 3])) / LANE_WIDTH).astype(np.int64)
        own = np.clip(own, 0, self.lanes)  # a ramp is the lane beyond the last
        place = np.where(np.isnan(x), np.inf, x - ego[:, :1])
        place[np.arange(len(x)), env.ego_columns()] = np.inf
        order = np.argsort(place, axis=1)
        place, y, speed, heading = (np.take_along_axis(a, order, 1) for a in (place, y, speed, heading))
        pace, drift = speed * np.cos(heading), 0.6 * speed * np.sin(heading)
        ahead = np.full((len(x), 5, self.AHEAD), np.inf, np.float32)
        behind = np.full(ahead.shape[:2], -np.inf, np.float32)
        speeds, chasing = np.zeros_like(ahead), np.zeros_like(behind)
        for k in range(5):
            across = y - LANE_WIDTH * (own + k - 2)[:, None]
            on = np.minimum(np.abs(across), np.abs(across + drift)) < self.BESIDE
            count = (on & (place >= 0) & np.isfinite(place)).cumsum(1)
            for m in range(self.AHEAD):
                some = count[:, -1] > m
                column = (count > m).argmax(1)[:, None]
                ahead[:, k, m] = np.where(some, np.take_along_axis(place, column, 1)[:, 0], np.inf)
                speeds[:, k, m] = np.where(some, np.take_along_axis(pace, column, 1)[:, 0], 0)
            last = on & (place < 0)
            some = last.any(1)
            column = (last.shape[1] - 1 - last[:, ::-1].argmax(1))[:, None]
            behind[:, k] = np.where(some, np.take_along_axis(place, column, 1)[:, 0], -np.inf)
            chasing[:, k] = np.where(some, np.take_along_axis(pace, column, 1)[:, 0], 0)
        return own, ahead, speeds, behind, chasing

    def _forecast(self, ahead: Floats, pace: Floats) -> Floats:
        """Where those ahead are at the ends of the substeps, (T, N, 5, M) m."""
        dt, places, v = 1 / self.SUBSTEPS, [], pace
        wish = np.maximum(pace, 22.0)
        for _ in range(self.HORIZON * self.SUBSTEPS):
            with np.errstate(invalid="ignore"):
                gap = np.maximum(ahead[..., 1:] - ahead[..., :-1] - tr.CAR_LENGTH, 0.5)
            gap = np.concatenate([np.where(np.isnan(gap), np.inf, gap), np.full_like(gap[..., :1], np.inf)], -1)
            leader = np.concatenate([v[..., 1:], v[..., -1:]], -1)
            wanted = np.maximum(5.0 + 1.5 * v + v * (v - leader) / (2 * np.sqrt(15.0)), 0)
            acceleration = np.clip(3.0 * (1 - (v / wish) ** 4 - (wanted / gap) ** 2), -6.0, 3.0)
            v = np.where(pace > 1.0, np.maximum(v + acceleration * dt, 0), pace).astype(np.float32)
            ahead = (ahead + v * dt).astype(np.float32)
            places.append(ahead)
        return np.stack(places)


def _road_plans(horizon: int) -> list[tuple[str, ...]]:
    """See `Road`."""
    changes: list[tuple[tuple[int, str], ...]] = [()]
    for side in (LANE_LEFT, LANE_RIGHT):
        changes += [((when, side),) for when in range(3)] + [((when, side), (when + 1, side)) for when in range(2)]
    plans = set()
    for change, pace in itertools.product(changes, (IDLE, SLOWER, FASTER)):
        plan = [IDLE] * horizon
        for when, side in change:
            plan[when] = side
        plan[plan.index(IDLE)] = pace
        plans.add(tuple(plan))
    return sorted(plans)


def _clearance(places: Floats, x: Floats, ahead: float, behind: float) -> Floats:
    """The least metres (N, P) that are left, of those at (N, P, M), beyond `ahead` before and `behind` after the ego."""
    gap = places - x[..., None]
    room: Floats = np.where(gap >= 0, gap - ahead, -gap - behind).min(-1) - np.float32(tr.CAR_LENGTH)
    return room


class Junction:
    """Plans up to a conflict point, and through the stream that crosses there.

    Plans are all sequences of four decisions, and then on as fast as it may go, or to a stop. A plan must not be near
    the point while somebody passes it, from a while before to a while after; the sooner it is through, the better.

    Args:
        env: A world whose infos tell the ``distance_to_conflict``, with the actions SLOWER, IDLE and FASTER.
    """

    DECISIONS, HORIZON = 4, 10  # s
    SUBSTEPS = 4  # 1/s
    BEFORE, AFTER = 7.5, 3.0  # m before and behind the point, between which the ego is in the way
    EARLIER, LATER = 0.9, 0.6  # s, that somebody passes at least before the ego is, and after it was
    THROUGH = 10.0  # m behind the point

    def __init__(self, env: DrivingWorld) -> None:
        params: Any = env.params
        names = (SLOWER, IDLE, FASTER)
        self.speeds = np.array(params.action_target_speeds, np.float32)
        ends = [(last,) * (self.HORIZON - self.DECISIONS) for last in (SLOWER, FASTER)]
        self.plans = np.array([p + end for p in itertools.product(names, repeat=self.DECISIONS) for end in ends])
        self.first = np.array([env.action_names.index(name) for name in self.plans[:, 0]])
        self.effort = (self.plans[:, : self.DECISIONS] != FASTER).sum(1).astype(np.float32)  # (P,)

    def values(self, env: DrivingWorld, infos: dict[str, Any]) -> Floats:
        """What each plan is worth (N, P), in seconds."""
        way = np.asarray(infos["distance_to_conflict"], np.float32)[:, None, None]
        driven, _ = drive(self.plans, np.asarray(infos["speed"], np.float32), self.speeds, self.SUBSTEPS)
        comes = _first_time(driven > way - self.BEFORE, self.SUBSTEPS)
        comes = np.where(way[..., 0] < self.BEFORE, 0, comes)[..., None]  # (N, P, 1)
        leaves = _first_time(driven > way + self.AFTER, self.SUBSTEPS)[..., None]
        through = _first_time(driven > way + self.THROUGH, self.SUBSTEPS)
        passes = infos["risk"]["neighbours"][:, None, 1:, MEASURES.index("time_to_conflict_other")]  # (N, 1, S)
        passes = np.where(passes < NEVER, passes, np.nan)
        with np.errstate(invalid="ignore"):
            clash = ((passes > comes - self.EARLIER) & (passes < leaves + self.LATER)).any(-1)
            apart = np.nan_to_num(np.maximum(comes - passes, passes - leaves), nan=5.0).min(-1)
        lack = np.where(clash, 1000 - 10 * np.minimum(apart, 5.0), 0)
        return (-np.minimum(through, 30) - lack - 0.001 * self.effort).astype(np.float32)


def _first_time(reached: NDArray[np.bool_], substeps: int) -> Floats:
    """The time (N, P), s, of the first substep (N, P, T) at which something is so; `NEVER` for none."""
    return np.where(reached.any(-1), (reached.argmax(-1) + 1) / substeps, NEVER).astype(np.float32)


Forecast = Road | Junction


def forecast_for(env: DrivingWorld) -> Forecast:
    """What fits a world.

    Raises:
        ValueError: where nothing does.
    """
    params: Any = env.params
    names: Sequence[str] = env.action_names
    if getattr(params, "risk", False):
        if tuple(names) == META_ACTIONS and hasattr(params, "lanes_count"):
            return Road(env)
        if set(names) == {SLOWER, IDLE, FASTER} and hasattr(getattr(env, "rules", None), "conflict"):
            return Junction(env)
    raise ValueError(
        "the rule teacher needs a world of straight lanes or with a conflict point, meta-actions and risk=True, such as "
        "foveal/Highway-v0, foveal/Merge-v0 or foveal/LeftTurn-v0"
    )
