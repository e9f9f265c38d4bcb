import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from foveal.envs.driving import traffic as tr
from foveal.llm_teacher.heuristics import HEURISTICS, RuleTeacher


@pytest.mark.parametrize(
    ("name", "success", "speed"), [("left turn", 0.95, 6.0), ("merge", 0.93, 26.0), ("highway", 0.75, 25.0)]
)
def test_the_rules_alone_drive_well(world_of, name, success, speed):
    """With margins for 60 episodes; what 1,000 give stands in the experiment's page."""
    world = world_of(name, rows=60, autoreset_mode=AutoresetMode.NEXT_STEP)
    teacher = RuleTeacher(world)
    observations, infos = world.reset(seed=0)
    alive, safe = np.ones(60, np.bool_), np.ones(60, np.bool_)
    speeds, starts = [], alive.copy()
    while alive.any():
        advice = teacher.advise(world, observations, infos, starts)
        observations, _, terminated, truncated, infos = world.step(advice.probabilities.argmax(1))
        safe &= ~(alive & (infos["crashed"] | (truncated if name != "highway" else False)))
        speeds += infos["speed"][alive].tolist()
        alive &= ~(terminated | truncated)
        starts = np.zeros(60, np.bool_)
    assert safe.mean() >= success
    assert np.mean(speeds) >= speed


@pytest.mark.parametrize("name", ["left turn", "merge", "highway"])
def test_advice_is_advice_and_rows_do_not_matter(world_of, name):
    many, one = world_of(name, rows=5), world_of(name, rows=1)
    teachers = RuleTeacher(many), RuleTeacher(one)
    found, alone = many.reset(seed=3), one.reset(seed=6)
    for _ in range(6):
        advice = teachers[0].advise(many, *found, np.zeros(5, np.bool_))
        single = teachers[1].advise(one, *alone, np.zeros(1, np.bool_))
        assert advice.probabilities.shape == (5, len(many.action_names))
        assert advice.probabilities.dtype == advice.confidence.dtype == np.float32
        np.testing.assert_allclose(advice.probabilities.sum(1), 1, rtol=1e-5)
        assert ((advice.confidence >= 0) & (advice.confidence <= 1)).all()
        assert advice.valid.all() and not advice.age.any()
        lateral = [k for k, action in enumerate(many.action_names) if action.startswith("LANE")]
        assert not advice.probabilities[:, lateral][~found[1]["action_mask"][:, lateral]].any()
        for ours, its in zip(advice, single, strict=True):
            np.testing.assert_allclose(ours[3], its[0], rtol=1e-5)
        actions = advice.probabilities.argmax(1)
        found, alone = many.step(actions)[::4], one.step(actions[3:4])[::4]


def test_it_leaves_the_world_alone(world_of):
    world = world_of("highway")
    found = world.reset(seed=1)
    before = world.get_state()
    RuleTeacher(world).advise(world, *found, np.ones(4, np.bool_))
    for name, array in world.get_state().items():
        np.testing.assert_array_equal(array, before[name])


def test_it_brakes_for_a_slow_car_and_not_for_nobody(world_of):
    free = world_of("highway", rows=1, vehicles_count=0)
    found = free.reset(seed=0)
    advice = RuleTeacher(free).advise(free, *found, np.ones(1, np.bool_))
    assert free.action_names[advice.probabilities.argmax()] == "FASTER"
    lane = world_of("highway", rows=1, lanes_count=1, vehicles_count=1)
    found, state = lane.reset(seed=0), lane.get_state()
    state["traffic"][0, tr.X, 1] = state["traffic"][0, tr.X, 0] + 20.0
    state["traffic"][0, tr.SPEED, 1] = 15.0
    lane.set_state(state)
    advice = RuleTeacher(lane).advise(lane, *found, np.ones(1, np.bool_))
    assert lane.action_names[advice.probabilities.argmax()] == "SLOWER"
    assert advice.confidence[0] > 0.9


@pytest.mark.parametrize(
    ("env_id", "params"),
    [
        ("foveal/Highway-v0", {}),
        ("foveal/Parking-v0", {"risk": True}),
        ("foveal/Roundabout-v0", {"risk": True}),
        ("foveal/LeftTurn-v0", {"risk": True, "action": "Continuous"}),
    ],
)
def test_worlds_that_the_rules_are_not_about_are_refused(env_id, params):
    with pytest.raises(ValueError, match="the rule teacher needs"):
        RuleTeacher(gymnasium.make_vec(env_id, num_envs=1, **params))


def test_every_rule_says_where_it_is_from():
    assert len({rule.name for rule in HEURISTICS}) == len(HEURISTICS)
    assert all(rule.text.isascii() and rule.text.endswith(".") and len(rule.text) < 250 for rule in HEURISTICS)
    assert all(rule.source for rule in HEURISTICS)
    assert 0 < sum(not rule.followed for rule in HEURISTICS) < len(HEURISTICS)
