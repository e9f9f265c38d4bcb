"""Rewards on request that no known trick collects: for progress, and for completing a route; and costs.

The worlds' own rewards (``reward="default"``) are highway-env's, which pay for speed in any direction, or for merely
being there: to park, to spin, to reverse and to weave have all been learned from them. Here only metres along the
lanes' centre lines pay (`foveal.envs.driving.progress`), along the planned route where the ego has one.

``reward="progress"``, each step, with the terms unweighted in ``info["rewards"]``:

* ``progress_reward``: metres along the lane / (`progress_speed` x the step's seconds), at most 1, and at most 0 off
  the road;
* ``low_speed_reward``: the share of `low_speed` that the speed along the lane lacks, 0 to 1;
* ``crash_reward``: crashed, 0 or 1;
* ``off_road_reward``: off the road, 0 or 1.

``reward="route"`` is the form of CaRL (Jaeger et al., "CaRL: Learning scalable planning policies with simple
rewards", arXiv 2504.17838, and its public code): completion x factors + terminal. Of its infractions these:

* ``completion``: percent of the route completed in this step. The route's length is that of the planned route from
  where the ego began, or `route_length`;
* ``speeding_factor``: 1 - (speed - limit) / `route_overspeed` within [0, 1], the limit being the lane's or
  `progress_speed`, whichever is more;
* ``ttc_factor``: 1/2 where the rectangles of the ego and of another would touch within `route_ttc` seconds at their
  present velocities;
* ``comfort_factor``: 1/2 where the step's mean acceleration is beyond `route_acceleration`;
* ``terminal_reward``: `crash_reward` or `off_road_reward`, which end the episode.

CaRL multiplies whatever the sign of the completion; here a loss is kept whole. It has red lights, stop signs, blocked
egos, deviation from the route, and jerk and yaw rate in its comfort, which are left out here.

``cost=True`` hands out ``info["cost"]``, 0 or 1 each at the end of a step, for constrained learning: ``crash``,
``off_road``, and ``headway``: the time headway to the leader on the ego's lane is below `cost_headway`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.progress import advance_on_lanes, has_route, left_of_route, on_road
from foveal.envs.driving.risk import distant, locate
from foveal.envs.driving.surrogates import NEVER, rectangles_meet, time_headway
from foveal.envs.driving.traffic import CRASHED, KIND, LANDMARK, LANE, LENGTH, SPEED, X, Y
from foveal.kernels import kernel, launch

PROGRESS_TERMS = ("progress_reward", "low_speed_reward", "crash_reward", "off_road_reward")
ROUTE_TERMS = ("completion", "speeding_factor", "ttc_factor", "comfort_factor", "terminal_reward")
COSTS = ("crash", "off_road", "headway")
UNLIMITED = 1e6  # s: a longer duration is none
USUAL_LENGTH = 1000.0  # m, of a route where nothing limits it

_X, _Y, _LANE, _SPEED, _LEFT, _LENGTH = range(6)
"""What is remembered of the last step: the ego's place, lane and speed, what was left of its route, and the route's
length, m. Without a route both are -1, as is what is left while the ego is on no road of it."""


class Pay(NamedTuple):
    """The parameters as kernels read them."""

    route: bool
    step_time: float  # s
    full_speed: float  # m/s
    length: float  # m, of a route; 0: the planned one's
    usual_length: float  # m, where none is planned
    weights: tuple[float, float, float, float]  # of PROGRESS_TERMS
    low_speed: float  # m/s
    overspeed: float  # m/s
    ttc: float  # s
    acceleration: float  # m/s^2


class Paid(NamedTuple):
    """What is remembered and handed out, one entry a row."""

    past: NDArray[np.float64]  # (N, 6)
    rewards: NDArray[np.float64]  # (N,)
    terms: NDArray[np.float64]  # (N, T)
    terminated: NDArray[np.bool_]  # (N,)


class Rewards:
    """Replaces the rewards of N rows; ``state`` (N, 6) is to be saved with theirs.

    Args:
        p: The world's parameters.
        sight: What there is to be seen.
        rewards: (N,) where to write.
        terminated: (N,) where to write that an episode ends.
    """

    def __init__(self, p: Any, sight: Sight, rewards: NDArray[np.float64], terminated: NDArray[np.bool_]) -> None:
        full_speed = p.progress_speed or max(p.action_target_speeds[-1], 1.0)
        self.names = ROUTE_TERMS if p.reward == "route" else PROGRESS_TERMS
        self._pay = Pay(
            route=p.reward == "route",
            step_time=1 / p.policy_frequency,
            full_speed=full_speed,
            length=p.route_length,
            usual_length=full_speed * p.duration if p.duration < UNLIMITED else USUAL_LENGTH,
            weights=(p.progress_reward, p.low_speed_reward, p.crash_reward, p.off_road_reward),
            low_speed=p.low_speed,
            overspeed=p.route_overspeed,
            ttc=p.route_ttc,
            acceleration=p.route_acceleration,
        )
        rows = rewards.size
        self.state = np.zeros((rows, 6))
        self._sight = sight
        self._paid = Paid(self.state, rewards, np.zeros((rows, len(self.names))), terminated)

    def begin(self, rows: NDArray[np.int64]) -> None:
        """Remember where the egos of these rows begin."""
        launch(begin_rows, rows.size, rows, self._sight, self._pay, self._paid)

    def judge(self, rows: NDArray[np.int64]) -> None:
        """Write the rewards of these rows' last step."""
        launch(judge_rows, rows.size, rows, self._sight, self._pay, self._paid)

    def info(self) -> dict[str, NDArray[np.float64]]:
        """What ``info["rewards"]`` holds."""
        return {name: self._paid.terms[:, k] for k, name in enumerate(self.names)}


class Costs:
    """The costs of N rows.

    Args:
        headway: Time headway, s, below which there is a cost.
        sight: What there is to be seen.
    """

    def __init__(self, headway: float, sight: Sight) -> None:
        rows, columns = sight.traffic.shape[0], sight.traffic.shape[2]
        self._headway, self._sight = headway, sight
        self._place, self._pace = np.zeros((rows, 3, columns)), np.zeros((rows, 3, columns))
        self._costs = np.zeros((rows, len(COSTS)))

    def judge(self, rows: NDArray[np.int64]) -> None:
        """Write the costs of these rows' present."""
        launch(cost_rows, rows.size, rows, self._sight, self._headway, self._place, self._pace, self._costs)

    def info(self) -> dict[str, NDArray[np.float64]]:
        """What ``info["cost"]`` holds."""
        return {name: self._costs[:, k] for k, name in enumerate(COSTS)}


@kernel
def begin_rows(start, stop, rows, sight, pay, paid):
    """Row kernel: remember where each row's first ego begins."""
    for k in range(start, stop):
        r = rows[k]
        t, ego = sight.traffic[r], sight.egos[r, 0]
        past = paid.past[r]
        past[_LEFT], past[_LENGTH] = -1.0, pay.length
        if has_route(t, ego):
            left = left_of_route(t, sight.lanes, sight.graph, ego)
            if left == left:
                past[_LEFT] = left
                past[_LENGTH] = pay.length if pay.length > 0 else max(left, 1.0)
        if past[_LENGTH] <= 0:
            past[_LENGTH] = pay.usual_length
        remember(t, ego, past)
        paid.terms[r] = 0.0


@kernel
def remember(t, ego, past):
    """Note where the ego is, for the next step."""
    past[_X], past[_Y], past[_LANE], past[_SPEED] = t[X, ego], t[Y, ego], t[LANE, ego], t[SPEED, ego]


@kernel
def judge_rows(start, stop, rows, sight, pay, paid):
    """Row kernel: reward each row's first ego for its last step."""
    for k in range(start, stop):
        r = rows[k]
        t, ego, past, terms = sight.traffic[r], sight.egos[r, 0], paid.past[r], paid.terms[r]
        metres = advance(t, sight.lanes, sight.graph, ego, past)
        crashed, on = t[CRASHED, ego] != 0, on_road(t, sight.lanes, ego)
        if pay.route:
            terms[0] = 100 * metres / past[_LENGTH]
            speeding, near, rough = factors(sight, pay, r, ego, past[_SPEED])
            terms[1], terms[2], terms[3] = speeding, near, rough
            terms[4] = pay.weights[2] if crashed else 0.0 if on else pay.weights[3]
            factor = speeding * near * rough if terms[0] > 0 else 1.0
            paid.rewards[r] = terms[0] * factor + terms[4]
            if crashed or not on:
                paid.terminated[r] = True
        else:
            pace = metres / pay.step_time
            terms[0] = min(pace / pay.full_speed, 1.0 if on else 0.0)
            terms[1] = min(max(1 - pace / pay.low_speed, 0.0), 1.0)
            terms[2] = 1.0 if crashed else 0.0
            terms[3] = 0.0 if on else 1.0
            paid.rewards[r] = 0.0
            for n in range(4):
                paid.rewards[r] += pay.weights[n] * terms[n]
        remember(t, ego, past)


@kernel
def advance(t, lanes, graph, ego, past):
    """Metres that the ego has come in this step: on its route where it has one, else along its lanes."""
    if not has_route(t, ego):
        lane = min(max(int(past[_LANE]), 0), lanes.shape[0] - 1)  # a restored state may hold anything
        return advance_on_lanes(t, lanes, graph, ego, past[_X], past[_Y], lane)
    left = left_of_route(t, lanes, graph, ego)
    if left != left:  # off the route: what it has missed there is not made up for
        return 0.0
    metres = past[_LEFT] - left if past[_LEFT] >= 0 else 0.0
    past[_LEFT] = max(left, 0.0)
    return metres


@kernel
def factors(sight, pay, r, ego, speed_before):
    """The factors for speeding, for being near a crash and for comfort, each in [0, 1]."""
    t = sight.traffic[r]
    speed = abs(t[SPEED, ego])
    limit = sight.lanes[int(t[LANE, ego]), ln.SPEED_LIMIT]
    limit = max(limit, pay.full_speed)
    speeding = min(max(1 - (speed - limit) / pay.overspeed, 0.0), 1.0)
    rough = abs(t[SPEED, ego] - speed_before) / pay.step_time > pay.acceleration
    nearest = NEVER
    for i in range(t.shape[1]):
        gone = sight.vehicles[r] <= i < sight.objects
        if i != ego and not gone and t[KIND, i] != LANDMARK and not distant(t, ego, i):
            nearest = min(nearest, rectangles_meet(t, ego, i))
    return speeding, 0.5 if nearest < pay.ttc else 1.0, 0.5 if rough else 1.0


@kernel
def cost_rows(start, stop, rows, sight, headway, places, paces, costs):
    """Row kernel: the costs of each row's first ego."""
    for k in range(start, stop):
        r = rows[k]
        t, ego = sight.traffic[r], sight.egos[r, 0]
        place, pace = places[r], paces[r]
        locate(t, sight.lanes, sight.graph, sight.vehicles[r], sight.objects, ego, place, pace)
        costs[r, 0] = t[CRASHED, ego]
        costs[r, 1] = 0.0 if on_road(t, sight.lanes, ego) else 1.0
        costs[r, 2] = 0.0
        for i in range(t.shape[1]):
            if i != ego and place[1, i] >= 0:
                fronts = place[1, i] + (t[LENGTH, i] - t[LENGTH, ego]) / 2
                if time_headway(fronts, pace[1, ego]) < headway:
                    costs[r, 2] = 1.0
