"""Where episodes begin: our random stream, and what we spawn from it against what highway-env spawns."""

from functools import cache
from typing import NamedTuple

import gymnasium
import numpy as np
import pytest
from highway_env.envs.highway_env import HighwayEnv, HighwayEnvFast
from scipy import stats

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.driving import traffic
from foveal.rng import philox, uniform

ALPHA = 1e-3  # of the whole family of tests of one configuration; the seeds are fixed, so the outcome is too
CONFIGURATIONS = {
    "highway": (HighwayEnv, "foveal/Highway-v0", {}),
    "fast": (HighwayEnvFast, "foveal/HighwayFast-v0", {}),
    "dense, six lanes": (HighwayEnv, "foveal/Highway-v0", {"vehicles_density": 2, "lanes_count": 6}),
    "ego set": (HighwayEnvFast, "foveal/HighwayFast-v0", {"initial_lane_id": 1, "ego_spacing": 0.7}),
}
HIGHWAY_ENV_EPISODES, OUR_EPISODES = 100, 2000


class Spawned(NamedTuple):
    """Samples from many starting states: one a vehicle, or one an episode (ego)."""

    gap: np.ndarray  # m, of each other vehicle to the one before it
    gap_per_speed: np.ndarray  # 1, the same relative to 12 m + 1 s x its speed
    speed: np.ndarray  # m/s
    exponent: np.ndarray
    timer: np.ndarray  # s
    lane: np.ndarray
    ego_x: np.ndarray  # m
    ego_lane: np.ndarray


def ours(name: str, **changes: float) -> Spawned:
    _, env_id, config = CONFIGURATIONS[name]
    world = gymnasium.make_vec(env_id, num_envs=OUR_EPISODES, **{**config, **changes})
    world.reset(seed=10_000)
    return spawned(world.get_state()["traffic"])


@cache
def theirs(name: str) -> Spawned:
    """highway-env's starting states, in the same form: (episodes, K, V)."""
    kind, _, config = CONFIGURATIONS[name]
    env, rows = kind(config=config), []
    for seed in range(HIGHWAY_ENV_EPISODES):
        env.reset(seed=seed)
        row = np.zeros((len(traffic.FEATURES), len(env.road.vehicles)))
        for i, vehicle in enumerate(env.road.vehicles):
            row[[traffic.X, traffic.Y], i], row[traffic.SPEED, i] = vehicle.position, vehicle.speed
            row[traffic.LANE, i] = vehicle.lane_index[2]
            if i:
                row[traffic.EXPONENT, i], row[traffic.TIMER, i] = vehicle.DELTA, vehicle.timer
        rows.append(row)
    return spawned(np.array(rows))


def spawned(rows: np.ndarray) -> Spawned:
    gap, speed = np.diff(rows[:, traffic.X]), rows[:, traffic.SPEED, 1:]
    others = (rows[:, feature, 1:].ravel() for feature in (traffic.EXPONENT, traffic.TIMER, traffic.LANE))
    ego = rows[:, traffic.X, 0], rows[:, traffic.LANE, 0]
    return Spawned(gap.ravel(), (gap / (12 + speed)).ravel(), speed.ravel(), *others, *ego)


def p_values(a: Spawned, b: Spawned) -> dict[str, float]:
    """Two-sample Kolmogorov-Smirnov, or chi-square for lanes."""
    return {
        name: lanes_p(x, y) if name.endswith("lane") else stats.ks_2samp(x, y).pvalue
        for name, x, y in zip(Spawned._fields, a, b, strict=True)
    }


def lanes_p(a: np.ndarray, b: np.ndarray) -> float:
    lanes = np.unique(np.concatenate([a, b]))
    if lanes.size == 1:
        return 1.0
    return stats.chi2_contingency([[np.count_nonzero(x == lane) for lane in lanes] for x in (a, b)]).pvalue


def holm(p: dict[str, float]) -> dict[str, float]:
    """The p-values adjusted for their number (Holm 1979)."""
    adjusted, largest = {}, 0.0
    for k, name in enumerate(sorted(p, key=p.__getitem__)):
        largest = max(largest, min((len(p) - k) * p[name], 1.0))
        adjusted[name] = largest
    return adjusted


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_spawns_as_highway_env_does(name: str) -> None:
    adjusted = holm(p_values(ours(name), theirs(name)))
    assert min(adjusted.values()) > ALPHA, adjusted


def test_the_test_can_tell() -> None:
    """A twentieth more density, or a wrong ego spacing, is told from highway-env's."""
    reference = theirs("fast")
    denser = holm(p_values(ours("fast", vehicles_density=1.05), reference))
    nearer = holm(p_values(ours("fast", ego_spacing=1.4), reference))
    assert denser["gap"] < ALPHA and denser["gap_per_speed"] < ALPHA < denser["speed"]
    assert nearer["ego_x"] < ALPHA < nearer["gap"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_bounds_are_those_of_the_formula(name: str) -> None:
    """Spacing: spacing x (12 m + 1 s x speed) x exp(-lanes / 8) x U(0.9, 1.1); the rest uniform."""
    kind, _, config = CONFIGURATIONS[name]
    config = {**kind.default_config(), **config}
    found, crowd = ours(name), np.exp(-config["lanes_count"] / 8)
    scale = crowd / config["vehicles_density"]
    for values, low, high in (
        (found.gap_per_speed, 0.9 * scale, 1.1 * scale),
        (found.speed, 21.0, 24.0),
        (found.exponent, 3.5, 4.5),
        (found.ego_x / (37 * config["ego_spacing"] * crowd), 3.9, 4.1),
    ):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > ALPHA
        assert low - 1e-9 <= values.min() and values.max() <= high + 1e-9


@pytest.mark.parametrize("lanes", [1, 3, 8])
@pytest.mark.parametrize("density", [0.5, 1.0, 4.0])
def test_spacing_scales_with_density_and_lanes(density: float, lanes: int) -> None:
    found = ours("fast", vehicles_density=density, lanes_count=lanes)
    np.testing.assert_allclose(found.gap_per_speed.mean() * density * np.exp(lanes / 8), 1.0, rtol=2e-3)
    counts = np.bincount(found.lane.astype(int), minlength=lanes)
    assert counts.size == lanes
    assert lanes == 1 or stats.chisquare(counts).pvalue > ALPHA


def test_no_draw_depends_on_another() -> None:
    """Lane, speed, gap and exponent of a vehicle, and its successor's, are uncorrelated."""
    found = ours("fast")
    columns = np.array([found.lane, found.speed, found.gap_per_speed, found.exponent])
    both = np.vstack([columns[:, 1:], columns[:, :-1]])
    correlation = np.corrcoef(both)[np.triu_indices(len(both), 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(both.shape[1])


def test_every_episode_of_a_row_is_new() -> None:
    world = gymnasium.make_vec("foveal/HighwayFast-v0", num_envs=50)
    world.reset(seed=0)
    starts = []
    for _ in range(20):
        starts.append(world.get_state()["traffic"][:, traffic.X, 0])
        world.reset()
    assert np.unique(starts).size == 1000
    assert stats.spearmanr(np.ravel(starts[1:]), np.ravel(starts[:-1])).pvalue > ALPHA


# Random numbers


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_known_answers(counter: list[int], key: list[int], expected: list[int]) -> None:
    """The vectors of Random123's ``kat_vectors`` for philox4x32-10."""
    low, high = (np.uint64(a | b << 32) for a, b in (counter[:2], counter[2:]))
    words = philox(np.uint64(key[0] | key[1] << 32), low, high)
    assert [int(word) >> shift & 0xFFFFFFFF for word in words for shift in (0, 32)] == expected


@pytest.mark.parametrize("axis", ["seed", "episode", "index"])
def test_uniform_along_each_of_its_arguments(axis: str) -> None:
    fixed = {"seed": 3, "episode": 0, "index": 5}
    draws = np.array([uniform(*{**fixed, axis: k}.values()) for k in range(20_000)])
    assert draws.min() >= 0 and draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 1e-3
    assert stats.spearmanr(draws[1:], draws[:-1]).pvalue > 1e-3
    assert len(np.unique(draws)) == draws.size


def test_uniform_depends_on_high_bits_of_the_seed() -> None:
    draws = [uniform(7 + (1 << bit), 0, 0) for bit in range(62)]
    assert len(set(draws)) == 62
