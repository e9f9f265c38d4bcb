"""Probes find what is linearly there, find nothing in noise, and judge on houses that they did not see."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

import foveal  # noqa: F401
from foveal.agents.encoders import make_encoder
from foveal.agents.probes import Labels, auc, explained, label, probe, shares, summary
from foveal.envs.objectnav.types import OBJECTS, TYPES, type_id

FRAMES, FEATURES = 1200, 20
TYPES_THERE = 6


def planted(seed, houses, noise=0.3, goals=4):
    """Features and labels that are weighted sums of them; the weights are the same for every seed."""
    random, weights = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(FEATURES, TYPES_THERE + 2))
    features = random.normal(size=(FRAMES, FEATURES))
    told = features @ weights + noise * random.normal(size=(FRAMES, TYPES_THERE + 2))
    present = np.zeros((FRAMES, len(OBJECTS)), bool)
    present[:, :TYPES_THERE] = told[:, :TYPES_THERE] > 1
    goal, house = random.integers(goals, size=FRAMES), random.choice(houses, FRAMES)
    return features, Labels(present, told[:, -2] > 1, 50 + told[:, -1], goal, house)


TRAIN, TEST = np.arange(20), np.arange(100, 120)


@pytest.mark.parametrize("per_goal", [False, True])
def test_what_is_planted_is_found(per_goal):
    scores = probe(*planted(0, TRAIN), *planted(1, TEST), per_goal=per_goal)
    assert scores.presence.value > 0.97 and scores.goal_visible.value > 0.95 and scores.goal_distance.value > 0.9
    assert list(scores.by_type) == list(OBJECTS[:TYPES_THERE])
    assert np.isclose(np.mean(list(scores.by_type.values())), scores.presence.value)
    for score in scores[:3]:
        assert score.low < score.value < score.high


def test_noise_tells_nothing():
    _, train = planted(0, TRAIN)
    _, test = planted(1, TEST)
    noise = np.random.default_rng(2).normal(size=(2, FRAMES, FEATURES))
    scores = probe(noise[0], train, noise[1], test)
    assert scores.presence.low < 0.5 < scores.presence.high and abs(scores.presence.value - 0.5) < 0.03
    assert scores.goal_visible.low < 0.5 < scores.goal_visible.high
    assert -0.05 < scores.goal_distance.value < 0.02


def test_features_that_never_change_tell_nothing():
    _, train = planted(0, TRAIN)
    _, test = planted(1, TEST)
    scores = probe(np.ones((FRAMES, 1)), train, np.ones((FRAMES, 1)), test)
    assert scores.presence == (0.5, 0.5, 0.5)
    assert abs(scores.goal_distance.value) < 0.01


def test_more_features_than_frames():
    """300 frames and 420 features, of which twenty tell: without a penalty this fails."""
    (train, train_labels), (test, test_labels) = planted(0, TRAIN), planted(1, TEST)
    random = np.random.default_rng(3)
    wide = [np.concatenate([part, random.normal(size=(FRAMES, 400))], 1) for part in (train, test)]
    few = Labels(*(part[:300] for part in train_labels))
    assert probe(wide[0][:300], few, wide[1], test_labels).presence.low > 0.7


def test_scales_and_means_do_not_matter():
    (train, train_labels), (test, test_labels) = planted(0, TRAIN), planted(1, TEST)
    scale = np.geomspace(1e-3, 1e3, FEATURES)
    one = probe(train, train_labels, test, test_labels)
    other = probe(train * scale + 5, train_labels, test * scale + 5, test_labels)
    assert np.isclose(one.presence.value, other.presence.value, atol=1e-6)
    assert np.isclose(one.goal_distance.value, other.goal_distance.value, atol=1e-6)


def test_a_goal_read_out_for_each_goal():
    """What counts depends on the goal: one read-out for all finds nothing."""
    (train, train_labels), (test, test_labels) = planted(0, TRAIN), planted(1, TEST)

    def by_goal(features, labels):
        chosen = features[np.arange(FRAMES), labels.goal]
        return labels._replace(goal_visible=chosen > 0.5)

    train_labels, test_labels = by_goal(train, train_labels), by_goal(test, test_labels)
    alone = probe(train, train_labels, test, test_labels, per_goal=True)
    together = probe(train, train_labels, test, test_labels)
    assert alone.goal_visible.value > 0.95 > together.goal_visible.high


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_auc_is_mann_whitneys(pairs):
    told, truth = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    [area] = auc(told, truth, np.ones((1, len(pairs))))
    if truth.all() or not truth.any():
        assert np.isnan(area)
    else:
        wins = mannwhitneyu(told[truth], told[~truth], method="asymptotic").statistic
        assert np.isclose(area, wins / (truth.sum() * (~truth).sum()))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_weights_are_repetitions(seed):
    random = np.random.default_rng(seed)
    told, truth, weights = random.normal(size=30), random.random(30) < 0.4, random.integers(0, 4, 30)
    repeated = np.repeat(np.arange(30), weights)
    ones = np.ones((1, len(repeated)))
    assert np.allclose(
        auc(told, truth, weights[None]), auc(told[repeated], truth[repeated], ones), equal_nan=True, atol=1e-9
    )
    there = random.normal(size=30)
    assert np.allclose(explained(told, there, weights[None]), explained(told[repeated], there[repeated], ones))


def test_refused():
    (train, train_labels), (test, test_labels) = planted(0, TRAIN), planted(1, TEST)
    with pytest.raises(ValueError, match="house 3 is in train and in test"):
        probe(train, train_labels, *planted(1, [3]))
    with pytest.raises(ValueError, match=r"test: features must be \(N, F\)"):
        probe(train, train_labels, test[:5], test_labels)
    with pytest.raises(ValueError, match="20 in train, 3 in test"):
        probe(train, train_labels, test[:, :3], test_labels)
    with pytest.raises(ValueError, match="no type is in view in 10 frames"):
        probe(train, train_labels._replace(present=np.zeros_like(train_labels.present)), test, test_labels)


def test_shares_of_types():
    semantic = np.zeros((2, 4, 4), np.uint8)
    semantic[1, :2, :2] = type_id("Mug")
    found = shares(semantic)
    assert found.shape == (2, len(TYPES)) and found[0, 0] == 1
    assert found[1, type_id("Mug")] == 0.25 and np.allclose(found.sum(1), 1)


def walked(split, first_house, frames=1024, rows=128):
    """A world of iTHOR's rooms, batches of its frames, and their labels."""
    env = gym.make_vec(
        "foveal/ObjectNav-v0", num_envs=rows, scenes="ithor", split=split, houses=10, semantic=True, duration=1
    )
    parts, images = [], []
    observations, infos = env.reset(seed=first_house)
    for _ in range(frames // rows):
        parts.append(label(env, observations, infos))
        images.append({k: torch.from_numpy(observations[k].copy()) for k in ("rgb", "depth")})
        env.step(np.ones(rows, int))
        observations, _, _, _, infos = env.step(np.ones(rows, int))  # every row begins anew
    labels = Labels(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return env, images, labels._replace(house=labels.house + first_house)


@pytest.fixture(scope="module")
def rooms():
    return walked("val", 0), walked("test", 1000)


def test_labels_of_frames(rooms):
    (env, _, labels), _ = rooms
    assert labels.present.shape == (1024, len(OBJECTS)) and labels.house.max() < 10
    assert 1 < labels.present.sum(1).mean() < 20 and 0 < labels.goal_visible.mean() < 0.5
    goals = np.array([OBJECTS.index(name) for name in env.unwrapped.params.categories])[labels.goal]
    assert np.array_equal(labels.present[np.arange(1024), goals], labels.goal_visible)
    assert (labels.goal_distance > 0).all() and len(np.unique(labels.house)) > 5


def test_what_is_shipped_beats_chance_and_types_beat_random(rooms):
    """Nothing is asked of "rooms" against "random": on the full probe they are level."""
    torch.manual_seed(0)
    (env, *_), found = rooms[0], {}
    for name in ("random", "rooms", "types"):
        encoder = make_encoder(name, env.single_observation_space)
        with torch.no_grad():
            features = [np.concatenate([summary(encoder(i).numpy()) for i in images]) for _, images, _ in rooms]
        found[name] = probe(features[0], rooms[0][2], features[1], rooms[1][2]).presence
    assert min(score.low for score in found.values()) > 0.55
    assert found["types"].value > found["random"].value
