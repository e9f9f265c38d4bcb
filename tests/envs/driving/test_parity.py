"""Our highway is highway-env's: on recorded episodes, on live ones whose seeds change by commit, and in translation."""

import dataclasses
import json
import os
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from highway_env.envs.highway_env import HighwayEnv, HighwayEnvFast
from highway_env.vehicle.behavior import IDMVehicle

from foveal.envs.driving import comparison, parity, traffic
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.interop import from_highway_env, params_of
from foveal.envs.driving.parity_cases import after_intersection
from foveal.envs.driving.parity_recordings import Recording, load, record, replay
from foveal.kernels import source_hash

RECORDING = Path(__file__).parents[2] / "data" / "highway_env.npz"
LIVE_SECONDS = 20.0


def live_seed() -> int:
    """Changes with every commit; set FOVEAL_PARITY_SEED to repeat a failure."""
    if given := os.environ.get("FOVEAL_PARITY_SEED"):
        return int(given)
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        commit = source_hash()
    return int(commit[:7], 16)


# Recorded episodes


@cache
def recorded(path: Path = RECORDING) -> Recording:
    return load(path)


@pytest.mark.parametrize("k", range(len(recorded()[0]["episodes"])))
def test_recorded_episode(k: int) -> None:
    meta, arrays = recorded()
    found = replay(recorded(), k)
    assert found.agrees, (meta["episodes"][k]["name"], found)
    assert found.steps == len(arrays[f"{k}/actions"])


def test_the_recording_is_of_the_promised_version_and_has_events() -> None:
    meta, arrays = recorded()
    assert meta["versions"]["highway-env"].startswith("1.12.")
    episodes = range(len(meta["episodes"]))
    assert sum(arrays[f"{k}/crashed"][-1].any() for k in episodes) > 10
    assert sum(arrays[f"{k}/truncated"][-1].any() for k in episodes) > 3
    assert sum(np.abs(np.diff(arrays[f"{k}/lane"], axis=0)).sum() for k in episodes) > 500


@pytest.mark.parametrize(
    ("name", "change", "differs"), [("x", 1e-5, "x"), ("speed", 1e-4, "speed"), ("target_lane", 1, "target_lane")]
)
def test_a_replay_notices_a_changed_start(name: str, change: float, differs: str) -> None:
    meta, arrays = recorded()
    changed = arrays["0/state/traffic"].copy()
    row = changed[0, traffic.FEATURES.index(name)]
    row[3] += change if name != "target_lane" or row[3] < 1 else -change
    found = replay((meta, {**arrays, "0/state/traffic": changed}), 0)
    assert not found.agrees
    assert found.disagreement if differs in comparison.FLAGS else found.largest[differs] > comparison.TOLERANCE


def test_record_and_replay(tmp_path: Path) -> None:
    episode = parity.Episode(parity.CASES[0], "highway-fast-v0", 7, "random", 4)
    record([episode], tmp_path / "new" / "one.npz")
    found = replay(load(tmp_path / "new" / "one.npz"), 0)
    assert found.agrees and found.steps == 4


# Live episodes


def test_live_episodes() -> None:
    """Whole episodes at defaults, then as many cases of the grid as there is time for."""
    seed, began = live_seed(), time.monotonic()
    default, constant = parity.CASES[:2]
    episodes = [parity.Episode(default, "highway-fast-v0", seed + k, "random") for k in range(3)]
    episodes += [parity.Episode(constant, "highway-fast-v0", seed + 3, policy) for policy in constant.policies]
    episodes += [parity.Episode(default, "highway-v0", seed + 4, "random", 8)]
    cases = parity.grid(most_seeds=1, most_steps=6, first_seed=seed)
    episodes += [cases[k] for k in np.random.default_rng(seed).permutation(len(cases))]
    done = 0
    for episode in episodes:
        _, found = parity.run(episode)
        assert not found.wrong, f"FOVEAL_PARITY_SEED={seed}: {episode}: {found}"
        done += 1
        if time.monotonic() - began > LIVE_SECONDS:
            break
    print(f"seed {seed}: {done} of {len(episodes)} episodes compared")


def test_what_highway_env_itself_does_not_determine_is_told_apart() -> None:
    """Cars of mirrored headings at the same x are pushed apart to either side, by highway-env's own rounding."""
    case = next(case for case in parity.CASES if case.prepare == "ties")
    _, found = parity.run(parity.Episode(case, "highway-v0", 0, "calm", 2))
    assert not found.agrees and found.undetermined and not found.wrong


def test_a_comparison_notices_another_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(env: Any) -> Highway:
        world = from_highway_env(env)
        state = world.get_state()
        state["traffic"][0, traffic.TIME_GAP, 1:] += 1e-4
        world.set_state(state)
        return world

    monkeypatch.setattr(comparison, "from_highway_env", shifted)
    _, found = parity.run(parity.Episode(parity.CASES[0], "highway-fast-v0", 0, "SLOWER", 5))
    assert found.wrong and not found.undetermined


def test_the_report_counts_and_the_command_line_fails_on_a_disagreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes = [parity.Episode(parity.CASES[0], "highway-fast-v0", seed, "SLOWER", 2) for seed in range(2)]
    monkeypatch.setattr(parity, "grid", lambda **_: episodes)
    assert parity.main([str(tmp_path / "parity.json"), "--workers", "1"]) == 0
    written = json.loads((tmp_path / "parity.json").read_text())
    assert (written["episodes"], written["steps"], written["vehicle_steps"]) == (2, 4, 4 * 5 * 21)
    assert written["configurations"][0]["id"] == "highway-fast-v0"
    assert written["disagreements"] == [] and set(written["largest"]) == set(comparison.QUANTITIES)
    wrong = dataclasses.replace(parity.run(episodes[0])[1], disagreement="step 1: lane[2] is [1], there [0]")
    assert len(parity.report([(episodes[0], wrong)])["disagreements"]) == 1


# Translation


def fast(**config: Any) -> Any:
    env = HighwayEnvFast(config=config)
    env.reset(seed=3)
    return env


def test_coefficients_come_from_the_instance_not_the_class() -> None:
    """Making an intersection environment rewrites IDMVehicle's class attributes, for all that is made after it."""
    before = fast()
    with after_intersection():
        after = fast()
        assert (IDMVehicle.DISTANCE_WANTED, IDMVehicle.COMFORT_ACC_MAX, IDMVehicle.COMFORT_ACC_MIN) == (7, 6, -3)
        leaked = from_highway_env(after).get_state()["traffic"][0]
        for index, value in ((traffic.JAM_DISTANCE, 7), (traffic.COMFORT_ACCELERATION, 6)):
            assert (leaked[index, 1:] == value).all()
        assert (leaked[traffic.COMFORT_DECELERATION, 1:] == 3).all()
        assert comparison.compare(after, [1, 4, 4, 0, 2]).agrees
    assert IDMVehicle.DISTANCE_WANTED == 10
    clean = from_highway_env(before).get_state()["traffic"][0]
    assert (clean[traffic.JAM_DISTANCE, 1:] == 10).all()
    spawned = Highway(1)
    spawned.reset(seed=0)
    assert (spawned.get_state()["traffic"][0, traffic.COMFORT_ACCELERATION] == 3).all()


def test_a_list_of_instances_gives_as_many_rows_each_its_own() -> None:
    envs = [fast() for _ in range(3)]
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
        for action in (4, 0, 3)[:seed]:
            env.step(action)
    together, alone = from_highway_env(envs), [from_highway_env(env) for env in envs]
    assert together.num_envs == 3
    for action in (4, 1, 2):
        many = together.step(np.full(3, action))
        for row, world in enumerate(alone):
            one = world.step(np.array([action]))
            snapshot = comparison.step_reference(envs[row], world, action)
            np.testing.assert_allclose(many[0][row].ravel(), snapshot["observation"], atol=1e-6)
            assert all(np.array_equal(a[row], b[0]) for a, b in zip(many[:4], one[:4], strict=True))
            state, own = together.get_state(), world.get_state()
            assert np.array_equal(state["traffic"][row], own["traffic"][0])
            assert (state["time"][row], state["elapsed"][row]) == (own["time"][0], own["elapsed"][0])


def test_instances_of_different_configurations_make_no_batch() -> None:
    with pytest.raises(ValueError, match="different configurations"):
        from_highway_env([fast(), fast(lanes_count=4)])


def test_the_observation_and_the_reward_of_the_translated_state_are_there_at_once() -> None:
    env = fast()
    observation, *_ = env.step(1)
    world = from_highway_env(env)
    np.testing.assert_allclose(world._observations[0], observation, atol=1e-6)


def test_params_are_those_of_the_registered_ids() -> None:
    for kind, env_id in ((HighwayEnv, "foveal/Highway-v0"), (HighwayEnvFast, "foveal/HighwayFast-v0")):
        ours = dataclasses.asdict(gymnasium.make_vec(env_id, num_envs=1).params)
        translated = dataclasses.asdict(Highway.Params.from_kwargs(params_of(kind())))
        assert ours == translated


GRAYSCALE = {"type": "GrayscaleObservation", "observation_shape": (8, 8), "stack_size": 1, "weights": [0.3, 0.6, 0.1]}
BOTH, NOT_CLIPPED = {"type": "TupleObservation"}, {"type": "Kinematics", "clip": False}
OBSERVATION, ACTION = {"type": "Kinematics"}, {"type": "DiscreteMetaAction"}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"controlled_vehicles": 2}, "controlled_vehicles"),
        ({"neighbour_vehicles_connected_lanes": True}, "neighbour_vehicles_connected_lanes"),
        ({"lane_change_reward": -0.1}, "lane_change_reward"),
        ({"vehicles_density": 0.01}, "vehicles_density"),
        ({"lanes_count": 40}, "lanes_count"),
        ({"reward_speed_range": [30, 20]}, "reward_speed_range"),
        ({"simulation_frequency": 1, "policy_frequency": 5}, "simulation_frequency"),
        ({"observation": {**OBSERVATION, "features_range": {"x": [-9, 9]}}}, "observation.features_range"),
        ({"observation": {**OBSERVATION, "features_range": {"heading": [-9, 9]}}}, "observation.features_range"),
        ({"observation": GRAYSCALE}, "observation.observation_shape"),
        (
            {"observation": {**BOTH, "observation_configs": [OBSERVATION, {**OBSERVATION, "clip": False}]}},
            "observation.clip",
        ),
        ({"observation": {**OBSERVATION, "vehicles_count": 101}}, "observation_vehicles_count"),
        ({"action": {"type": "ContinuousAction"}}, "action.type"),
        ({"action": {**ACTION, "longitudinal": False}}, "action.longitudinal"),
        ({"action": {**ACTION, "lateral": False}}, "action.lateral"),
        ({"action": {**ACTION, "target_speeds": [20, 21, 30]}}, "action_target_speeds"),
        ({"on_road_reward": 0.5}, "on_road_reward"),
        ({"manual_control": True}, "manual_control"),
    ],
)
def test_a_setting_that_cannot_be_translated_is_named(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        from_highway_env(fast(**config))


def test_the_action_mask_is_what_highway_env_calls_available() -> None:
    for seed in range(3):
        env = fast(lanes_count=2 + seed)
        env.reset(seed=seed)
        world = from_highway_env(env)
        for action in np.random.default_rng(seed).integers(5, size=25):
            _, _, terminated, truncated, _ = env.step(int(action))
            info = world.step(np.array([action]))[-1]
            assert np.flatnonzero(info["action_mask"][0]).tolist() == sorted(env.get_available_actions())
            if terminated or truncated:
                break


def test_target_speeds_may_be_an_array_as_in_highway_env() -> None:
    env = fast(action={**ACTION, "target_speeds": np.linspace(0, 30, 4)})
    assert comparison.compare(env, [3, 3, 4]).agrees


def test_an_instance_that_cannot_be_translated_says_why() -> None:
    with pytest.raises(ValueError, match="enable_lane_change"):
        env = fast()
        env.road.vehicles[3].enable_lane_change = False
        from_highway_env(env)
    with pytest.raises(ValueError, match="first on the road"):
        env = fast()
        env.road.vehicles.reverse()
        from_highway_env(env)
    with pytest.raises(ValueError, match="HighwayEnv"):
        from_highway_env(gymnasium.make("CartPole-v1"))
    with pytest.raises(ValueError, match="vehicles"):
        env = fast()
        env.road.vehicles.append(env.road.vehicles[-1])
        from_highway_env(env)
