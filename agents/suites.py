"""Evaluation protocols: the same settings, seeds and rules of success for every agent.

``tell-drive`` is the three tasks of TeLL-Drive (Xu et al., arXiv 2502.01387) at three densities each: driving on a
four-lane highway, merging from a ramp, and an unprotected left turn. The paper's own densities and figures are not
public, so these are ours. ``dilu`` is the highway on which DiLu (Wen et al., arXiv 2309.16292, ``run_dilu.py`` of its
repository) drives: 4 lanes, density 2, 20 decisions, speeds from 5 to 32 m/s in 9 steps, 15 observed vehicles of
highway-env's 50, and 17 fixed seeds, here of our own traffic of the same distribution. ``traffic`` is for agents that
have learned among one kind of drivers (``foveal train --env foveal/Merge-v0 --set traffic=1,0,0,0 ...``) and lets them
merge among each of the others: on the ramp's road, since on the highway three of highway-env's four kinds are nearly
the same (docs/parity.md).

Success means no crash *and* progress: whoever waits for ever, or crawls, fails. Every agent's return is told as per
cent of the way from always braking (0) to the clairvoyant planner (100) on the same seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from foveal.agents.drivers import DRIVERS
from foveal.agents.evaluation import Estimate, Policy, evaluate, first_episodes, mean, provenance, rate
from foveal.agents.planner import Planner
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.driving import temperaments
from foveal.envs.driving.world import DrivingWorld
from foveal.envs.params import did_you_mean

PLANNER = "planner"


@dataclass(frozen=True)
class Setting:
    """A world, and what counts as success in it.

    Attributes:
        name: What it is called.
        env_id: The world.
        params: Its parameters.
        distance_m: Success is to survive the time limit and to have driven this far, along the own way, by the speeds
            at the decisions; None: to end the episode without a crash, by having got through.
        drivers: Drivers that need no training and fit the world.
        seeds: Fixed seeds; empty: as many as are wanted.
    """

    name: str
    env_id: str
    params: dict[str, Any]
    distance_m: float | None
    drivers: tuple[str, ...]
    seeds: tuple[int, ...] = ()

    @property
    def rule(self) -> str:
        """What counts as success, in words."""
        if self.distance_m is None:
            return "success: through within the time, without a crash"
        return f"success: no crash, and at least {self.distance_m:g} m within the time"

    def row_seeds(self, count: int, first: int) -> list[int]:
        """The seeds of so many episodes, from `first` on; fixed ones count from there too, and are all there are."""
        return [first + seed for seed in self.seeds[:count] or range(count)]

    def success(self, per_episode: dict[str, NDArray[np.float64]], step_time: float) -> NDArray[np.bool_]:
        """Whether each of E episodes was one (E,)."""
        safe = per_episode["collision"] == 0
        if self.distance_m is None:
            return safe & (per_episode["terminated"] == 1)
        driven = per_episode["speed"] * per_episode["length"] * step_time
        return safe & (per_episode["terminated"] == 0) & (driven >= self.distance_m)


_KINDS = {kind: tuple(float(kind == other) for other in temperaments.DRIVERS) for kind in temperaments.DRIVERS}
_ROAD = ("random", "idle", "slowest", "idm-mobil")
_ENTERING = (*_ROAD, "gap-acceptance")
_HIGHWAY = {"lanes_count": 4, "risk": True}
_RAMP = {"ego_start": "ramp", "speed_limit": 30.0, "duration": 25.0, "risk": True}
_DILU = {
    **_HIGHWAY, "vehicles_density": 2.0, "ego_spacing": 4.0, "duration": 20.0, "observation_vehicles_count": 15,
    "observation_see_behind": True, "action_target_speeds": tuple(np.linspace(5, 32, 9).tolist()),
}  # fmt: skip
_DILU_SEEDS = (5838, 2421, 7294, 9650, 4176, 6382, 8765, 1348, 4213, 2572, 5678, 8587, 512, 7523, 6321, 5214, 31)
SUITES: dict[str, tuple[Setting, ...]] = {
    "tell-drive": (
        *(
            Setting(f"left turn, {cars:g} cars/min", "foveal/LeftTurn-v0", {"oncoming_density": cars, "risk": True},
                    None, ("random", "idle", "slowest", "gap-acceptance"))
            for cars in (10.0, 20.0, 30.0)
        ),
        *(
            Setting(f"merge, {cars} cars", "foveal/Merge-v0", {**_RAMP, "vehicles_count": cars}, None, _ENTERING)
            for cars in (4, 8, 12)
        ),
        *(
            Setting(f"highway, density {density:g}", "foveal/Highway-v0", {**_HIGHWAY, "vehicles_density": density},
                    900.0, _ROAD)
            for density in (1.0, 1.5, 2.0)
        ),
    ),
    "dilu": (Setting("dilu", "foveal/Highway-v0", _DILU, 400.0, _ROAD, _DILU_SEEDS),),
    "traffic": tuple(
        Setting(f"merge among {kind} drivers", "foveal/Merge-v0", {**_RAMP, "vehicles_count": 8, "traffic": shares},
                None, _ENTERING)
        for kind, shares in {**_KINDS, "mixed": (0.25,) * len(_KINDS)}.items()
    ),
}  # fmt: skip
"""By name. 900 m in 40 s on the highway are 22.5 m/s, which always braking to 20 m/s does not reach; 400 m in the 20 s
of dilu are 20 m/s."""


class Row(NamedTuple):
    """How an agent did in a setting.

    Attributes:
        setting: Its name.
        agent: Its name.
        episodes: How many.
        success: Rate, with Wilson's 95 % interval.
        collision: Rate.
        finish_s: Mean time of the successful episodes, s; None without any.
        speed: Mean speed, m/s.
        ttc_s: Mean over the episodes of the least time to collision, s, at most 10.
        returns: Mean return.
        optimality: Return as per cent of the way from always braking to the planner; None without a planner.
    """

    setting: str
    agent: str
    episodes: int
    success: Estimate
    collision: Estimate
    finish_s: float | None
    speed: Estimate
    ttc_s: Estimate
    returns: Estimate
    optimality: float | None


def suite(name: str) -> tuple[Setting, ...]:
    """The settings of a suite.

    Raises:
        ValueError: for an unknown one; it names the nearest.
    """
    if name not in SUITES:
        raise ValueError(f"unknown suite {name!r}{did_you_mean(name, list(SUITES))}")
    return SUITES[name]


def run(
    settings: Sequence[Setting],
    agents: Sequence[tuple[str, str | Policy]] = (),
    *,
    episodes: int = 10_000,
    planned: int = 20,
    branches: int = 1024,
    seed: int = EVALUATION_SEEDS,
    told: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """Evaluate drivers, agents and the planner in each setting, on the same seeds.

    Args:
        settings: Of a suite.
        agents: Names and policies to evaluate beside the settings' own drivers.
        episodes: For each driver and agent.
        planned: For the planner, the first of those seeds; 0 leaves it out.
        branches: Of the planner.
        seed: First row seed.
        told: Is told what begins.
    """
    for setting in settings:
        reference = None
        if planned:
            told(f"{setting.name}: {PLANNER}")
            reference = plan(setting, planned, seed, branches)
        braking: NDArray[np.float64] | None = None
        drivers: list[tuple[str, str | Policy]] = [(name, name) for name in setting.drivers if name in DRIVERS]
        drivers.sort(key=lambda driver: driver[0] != "slowest")  # the others are measured by it
        for name, policy in (*drivers, *agents):
            told(f"{setting.name}: {name}")
            seeds = setting.row_seeds(episodes, seed)
            found = evaluate(setting.env_id, policy, episodes=len(seeds), seed=seeds, name=name, **setting.params)
            if name == "slowest":
                braking = found.per_episode["return"]
            yield _row(setting, name, found.per_episode, braking, reference)
        if reference is not None:
            yield _row(setting, PLANNER, reference, braking, reference)


def save(path: Path, name: str, rows: Sequence[Row]) -> Path:
    """Write a suite's rows and what they were made with as JSON."""
    told = [
        {key: vars(value) if isinstance(value, Estimate) else value for key, value in row._asdict().items()}
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"suite": name, "rows": told, **provenance()}, indent=2) + "\n")
    return path


def _row(
    setting: Setting,
    name: str,
    found: dict[str, NDArray[np.float64]],
    braking: NDArray[np.float64] | None,
    reference: dict[str, NDArray[np.float64]] | None,
) -> Row:
    step_time = _step_time(setting)
    success = setting.success(found, step_time)
    optimality = None
    if braking is not None and reference is not None:
        same = slice(0, reference["return"].size)
        low, high = float(braking[same].mean()), float(reference["return"].mean())
        optimality = 100 * (float(found["return"][same].mean()) - low) / (high - low)
    return Row(
        setting=setting.name,
        agent=name,
        episodes=success.size,
        success=rate(success.astype(np.float64)),
        collision=rate(found["collision"]),
        finish_s=float(found["length"][success].mean() * step_time) if success.any() else None,
        speed=mean(found["speed"]),
        ttc_s=mean(np.minimum(found["ttc"], 10.0)),
        returns=mean(found["return"]),
        optimality=optimality,
    )


def plan(
    setting: Setting, episodes: int, seed: int = EVALUATION_SEEDS, branches: int = 1024
) -> dict[str, NDArray[np.float64]]:
    """The clairvoyant planner's episodes (E,) by name, in the form of `Evaluation.per_episode`.

    Args:
        setting: That it drives in.
        episodes: How many.
        seed: First row seed.
        branches: Of the `Planner`.
    """
    made = gymnasium.make_vec(setting.env_id, num_envs=1, autoreset_mode=AutoresetMode.DISABLED, **setting.params)
    assert isinstance(made, DrivingWorld)
    planner, world, done = Planner(made, branches=branches), made, []
    for row_seed in setting.row_seeds(episodes, seed):
        world.reset(seed=row_seed)
        plan = planner.plan(world)
        done.append(first_episodes(world, _Replay(plan.actions), row_seed))
    return {name: np.concatenate([one[name] for one in done]) for name in done[0]}


class _Replay:
    """A policy that takes the actions of a plan, one after the other."""

    def __init__(self, actions: NDArray[np.int64]) -> None:
        self._left = iter(actions)

    def __call__(self, observations: Any) -> NDArray[np.int64]:
        return np.array([next(self._left)])


def _step_time(setting: Setting) -> float:
    world: Any = gymnasium.make_vec(setting.env_id, num_envs=1, **setting.params)
    return 1 / float(world.params.policy_frequency)
