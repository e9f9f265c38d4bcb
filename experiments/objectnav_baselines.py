"""What can be found in AI2-THOR's rooms, and how often agents that learn nothing find it; tables in Markdown.

    python -m foveal.experiments.objectnav_baselines [--episodes N] [--starts K] [--out FILE]

The first table sends an expert that knows the house from some starts of every task (a room and a category of which it
has things) and carries its actions out in the world. The others let each agent play the same held-out episodes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro
from numpy.typing import NDArray

import foveal  # noqa: F401 (registers the ids)
from foveal.agents.evaluation import Estimate, Evaluation, evaluate, provenance, rate
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.objectnav.expert import END, ROTATE_LEFT
from foveal.envs.objectnav.kit.dressing import dress
from foveal.envs.objectnav.obstacles import HEADINGS
from foveal.envs.objectnav.procedural import houses as procedural
from foveal.envs.objectnav.scenes.polygons import area
from foveal.envs.objectnav.sights import SEALED
from foveal.envs.objectnav.world import BINS_M, ObjectNav

WORLD = "foveal/ObjectNav-v0"
FAMILIES = {"ithor": ("train", "val", "test"), "robothor": ("train", "val")}
AGENTS = {
    "random": 64, "random-oracle-stop": 64, "bounce": 64, "bounce-oracle-stop": 64,
    "frontier": 1, "frontier-counts": 1, "frontier-model": 1, "frontier-oracle-stop": 1, "oracle": 1,
}  # fmt: skip
"""And how many rows they play at a time: rows that have ended go on until the last has, which costs most where an agent
thinks."""
SETTINGS: dict[str, dict[str, Any]] = {
    "iTHOR, test": {"scenes": "ithor", "split": "test", "houses": 0},
    "RoboTHOR, val": {"scenes": "robothor", "split": "val", "houses": 0},
    "procedural, test, 5 rooms, goal at least 4 m away": {
        "scenes": "procedural", "split": "test", "houses": 40, "rooms": 5, "start_distances": (4.0, 1000.0),
    },
}  # fmt: skip
SEES: dict[str, Any] = {"rgb": False, "semantic": True, "gps_compass": True}
"""What the agents ask for: none looks at colours."""
BINS = ("below 1 m", "1 to 3 m", "3 to 6 m", "above 6 m")


@dataclass(frozen=True)
class Options:
    """What agents without learning find."""

    episodes: int = 200
    """Held-out episodes for each agent in each setting [1]."""
    starts: int = 2
    """Starts of every task from which the expert goes [1]."""
    out: Path | None = None
    """File to write the tables to as well, .md."""


class Reach(NamedTuple):
    """What the expert reaches in the rooms of one split.

    Attributes:
        rooms: How many rooms.
        tasks: How many pairs of a room and a category of which it has something that can be found.
        runs: How many starts were tried.
        found: From how many of them the expert's actions ended in success.
        empty: Rooms without a task.
        hidden: Room and category where things stand, but no reachable position has success; and whether all lie in
            closed containers.
        bins: (4,) share of the episodes drawn whose start is so far away, see `BINS`.
    """

    rooms: int
    tasks: int
    runs: int
    found: int
    empty: list[str]
    hidden: list[tuple[str, str, bool]]
    bins: NDArray[np.float64]


def main(options: Options) -> str:
    """Measure everything and print the tables as they come; all of them."""
    told = []
    for part in tables(options):
        print(part, flush=True)
        told.append(part)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text("\n".join(told))
    return "\n".join(told)


def tables(options: Options) -> Iterator[str]:
    """The tables, one after the other."""
    made = provenance()
    yield f"commit {made['commit']}, {made['processor']}, {made['cores']} cores\n"
    reached = {
        (family, split): reach({"scenes": family, "split": split, "houses": 0}, options.starts)
        for family, splits in FAMILIES.items()
        for split in splits
    }
    yield reach_table(reached)
    yield houses_table()
    for name, params in SETTINGS.items():
        results = [play(agent, params, options.episodes) for agent in AGENTS]
        yield f"{name}: {options.episodes} episodes from seed {EVALUATION_SEEDS}\n"
        yield walkers_table(results)
        yield bins_table(results)


def reach(params: dict[str, Any], starts: int, seed: int = 0) -> Reach:
    """Send the expert from some starts of every task, and carry out in the world what it says.

    Args:
        params: The world's houses.
        starts: How many of each task, drawn with replacement; their headings likewise.
        seed: Of what is drawn.
    """
    rng = np.random.default_rng(seed)
    tasks = ObjectNav(1, **params, rgb=False).tasks
    count = starts * tasks.house.size
    world = ObjectNav(count, **params, rgb=False, depth=False, gps_compass=True, duration=5000)
    world.reset(seed=0)
    state = world.get_state()
    state["task"][:] = np.repeat(np.arange(tasks.house.size), starts)
    first, end = tasks.starts[state["task"]], tasks.starts[state["task"] + 1]
    chosen = first + (rng.random(count) * (end - first)).astype(np.int64)
    state["position"][:] = state["start"][:] = tasks.position[chosen]
    state["heading"][:] = state["start_heading"][:] = rng.integers(HEADINGS, size=count)
    state["shortest"][:] = state["left"][:] = state["gauge"][:] = tasks.distance[chosen]
    world.set_state(state)
    found = np.zeros(count, np.bool_)
    plans = [world.expert_actions(row) for row in range(count)]
    for step in range(max(map(len, plans))):
        actions = [plan[step] if step < len(plan) else ROTATE_LEFT for plan in plans]
        infos = world.step(np.array(actions))[4]
        found |= np.array([len(plan) == step + 1 and plan[step] == END for plan in plans]) & infos["success"]
    names = [house.name for house in world.houses]
    things, boxes, categories = world.goals.instances, world.goals.sights.boxes, world.params.categories
    known = set(zip(tasks.house.tolist(), tasks.category.tolist(), strict=True))
    hidden = [
        (names[h], categories[c], bool((boxes[things.of(h, c), SEALED] > 0).all()))
        for h in range(len(names))
        for c in range(len(categories))
        if things.of(h, c).size and (h, c) not in known
    ]
    return Reach(
        rooms=len(names),
        tasks=tasks.house.size,
        runs=count,
        found=int(found.sum()),
        empty=[name for h, name in enumerate(names) if h not in tasks.useful],
        hidden=hidden,
        bins=start_bins(tasks),
    )


def start_bins(tasks: Any) -> NDArray[np.float64]:
    """The share (4,) of episodes that start in each bin: house, its category and start are drawn evenly."""
    weight = 1 / (tasks.useful.size * np.diff(tasks.first)[tasks.house] * np.diff(tasks.starts))  # (T,) of a start
    bins, weights = np.digitize(tasks.distance, BINS_M), np.repeat(weight, np.diff(tasks.starts))  # (S,)
    return np.array([weights[bins == k].sum() for k in range(len(BINS))])


def play(agent: str, params: dict[str, Any], episodes: int) -> Evaluation:
    """What an agent does in a setting."""
    return evaluate(WORLD, agent, episodes=episodes, num_envs=AGENTS[agent], **params, **SEES)


def reach_table(reached: dict[tuple[str, str], Reach]) -> str:
    """Rooms, tasks and the expert's success by split; then what cannot be found."""
    rows = [
        [
            f"{family} {split}", f"{one.rooms}", f"{one.rooms - len(one.empty)}", f"{one.tasks}", f"{one.runs}",
            f"{one.found}", *(f"{100 * share:.1f}" for share in one.bins),
        ]
        for (family, split), one in reached.items()
    ]  # fmt: skip
    columns = ["rooms", "number", "with tasks", "tasks", "starts tried", "found by the expert"]
    told = table([*columns, *(f"starts {name} [%]" for name in BINS)], rows)
    empty = [name for one in reached.values() for name in one.empty]
    told += f"\nRooms without a task ({len(empty)}): {', '.join(empty) or 'none'}\n"
    for closed, what in ((True, "In closed containers"), (False, "There, but nowhere near enough in sight")):
        found = [f"{thing} in {room}" for one in reached.values() for room, thing, shut in one.hidden if shut == closed]
        told += f"\n{what} ({len(found)}): {', '.join(found) or 'none'}\n"
    return told


def houses_table(count: int = 5) -> str:
    """Procedural houses by their number of rooms: means over some of the test split."""
    rows = []
    for rooms in (1, 2, 3, 5, 8):
        begin = time.perf_counter()
        houses = [procedural.house(seed, "test", rooms) for seed in range(count)]
        made = time.perf_counter()
        for house in houses:
            dress(house)
        dressed = time.perf_counter()
        floor = np.mean([sum(area(room.polygon) for room in house.rooms) for house in houses])
        things = np.mean([len(house.things) for house in houses])
        times = f"{(made - begin) / count:.2f}", f"{(dressed - made) / count:.2f}"
        rows.append([f"{rooms}", f"{floor:.0f}", f"{things:.0f}", *times])
    return table(["rooms of a procedural house", "floor [m2]", "things", "to make it [s]", "to dress it [s]"], rows)


def walkers_table(results: Sequence[Evaluation]) -> str:
    """A row for each agent: means and 95 % intervals."""
    shown = {"success": 100, "spl": 100, "soft_spl": 100, "length": 1, "curvature": 1}
    rows = [
        [
            one.policy,
            *(interval(one.metrics[name], scale) for name, scale in shown.items()),
            f"{one.per_episode['collisions'].mean():.1f}",
        ]
        for one in results
    ]
    names = ["success [%]", "SPL [%]", "SoftSPL [%]", "actions", "curvature [1/m]", "collisions"]
    return table(["agent", *names], rows)


def bins_table(results: Sequence[Evaluation]) -> str:
    """Success by the distance of the start to the goal."""
    bins = results[0].per_episode["distance_bin"].astype(np.int64)
    used = [k for k in range(len(BINS)) if np.count_nonzero(bins == k) > 1]
    columns = [f"{BINS[k]} ({np.count_nonzero(bins == k)} episodes)" for k in used]
    rows = [
        [one.policy, *(interval(rate(one.per_episode["success"][bins == k]), 100) for k in used)] for one in results
    ]
    return table(["success [%] of", *columns], rows)


def interval(found: Estimate, scale: float) -> str:
    """A mean and its 95 % interval."""
    mean, low, high = (scale * value for value in dataclasses.astuple(found))
    digits = 1 if max(abs(low), abs(high)) >= 10 else 2
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main(tyro.cli(Options))
