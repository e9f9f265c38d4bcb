"""`foveal play`: what the keys do, that the episode driven is the world's own, and that nothing of it is lost."""

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.cli import main
from foveal.commands import playing
from foveal.commands.keyboard import ARROWS, Keyboard
from foveal.commands.playing import Game
from foveal.commands.window import Window
from foveal.envs.episodes import Episode
from foveal.envs.registration import WORLDS

FAST = "foveal/HighwayFast-v0"
QUICK = ("--speed", "100")


@pytest.fixture(autouse=True)
def no_screen(monkeypatch, tmp_path):
    """SDL draws into memory; datasets go to an empty folder."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))


@pytest.fixture
def patient():
    """Somebody who presses return all the time, which is heard only where the window waits for it."""
    import pygame

    done = threading.Event()

    def press():
        while not done.wait(0.005):
            if pygame.display.get_init():
                post("return")

    thread = threading.Thread(target=press)
    thread.start()
    yield
    done.set()
    thread.join()


def post(*keys):
    """Press keys; of "^up" the arrow is released."""
    import pygame

    for key in keys:
        kind = pygame.KEYUP if key[0] == "^" else pygame.KEYDOWN
        pygame.event.post(pygame.event.Event(kind, key=pygame.key.key_code(key.removeprefix("^"))))


class Scripted(gymnasium.Wrapper):
    """Presses keys while the world steps: plan[0] at a reset, plan[k] during step k; the last plan stays."""

    def __init__(self, env, *plans):
        super().__init__(env)
        self.plans = list(plans)

    def reset(self, **options):
        self.steps, self.plan = 0, self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        self._do()
        return super().reset(**options)

    def step(self, action):
        self.steps += 1
        self._do()
        return super().step(action)

    def _do(self):
        import pygame

        what = self.plan.get(self.steps, ()) if pygame.display.get_init() else ()
        what() if callable(what) else post(*what)


@pytest.fixture
def script(monkeypatch, patient):
    """Have the keys of a plan pressed in every world that is made."""
    make = gymnasium.make

    def follow(*plans):
        monkeypatch.setattr(gymnasium, "make", lambda *args, **params: Scripted(make(*args, **params), *plans))

    yield follow


def drive(env_id, plan, seed=0, speed=100.0, **params):
    env = Scripted(gymnasium.make(env_id, render_mode="rgb_array", **params), plan)
    p = env.unwrapped.batch.params
    with Window("test", (p.screen_width, p.screen_height)) as window:
        game, episode = Game(env, window, speed=speed), Episode(seed)
        wants_more = game.play(episode)
    return episode, game.told(episode), wants_more


def replayed(env, episode_seed, actions):
    """Observations and rewards of these actions in the plain world."""
    observations, rewards, ended = [env.reset(seed=episode_seed)[0]], [], False
    for action in actions:
        assert not ended
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        ended = terminated or truncated
    return observations, rewards, ended


def keyboard_of(env_id, **params):
    return Keyboard(gymnasium.make(env_id, **params).unwrapped.batch)


def test_arrows_are_meta_actions_and_a_short_press_is_not_lost():
    keyboard = keyboard_of(FAST)
    assert keyboard.decide() == (1, "idle")
    keyboard.press("left")
    keyboard.release("left")
    assert keyboard.waiting == "lane left"
    assert keyboard.decide() == (0, "lane left") and keyboard.waiting == ""
    assert keyboard.decide() == (1, "idle")
    keyboard.press("up")
    keyboard.press("right")
    assert [keyboard.decide()[1] for _ in range(2)] == ["lane right"] * 2
    keyboard.release("right")
    assert keyboard.decide() == (3, "faster")
    keyboard.press("down")
    keyboard.release("down")
    assert keyboard.decide() == (4, "slower") and keyboard.decide() == (3, "faster"), "still held"


def test_without_lanes_to_choose_only_speed_is_driven():
    keyboard = keyboard_of("foveal/LeftTurn-v0")
    keyboard.press("left")
    assert keyboard.waiting == "" and keyboard.decide() == (1, "idle") and "lanes" not in keyboard.help
    keyboard.press("up")
    assert keyboard.decide() == (2, "faster")


def test_pedals_and_wheel_move_smoothly_and_return():
    keyboard = keyboard_of("foveal/Parking-v0")  # five decisions a second
    keyboard.press("up")
    keyboard.press("left")
    pushed = np.array([keyboard.decide()[0] for _ in range(5)])
    np.testing.assert_allclose(pushed[:, 0], [0.3, 0.6, 0.9, 1, 1], atol=1e-6)
    np.testing.assert_allclose(pushed[:, 1], -pushed[:, 0])
    keyboard.release("left")
    keyboard.press("right")
    steering = [keyboard.decide()[0][1] for _ in range(4)]
    np.testing.assert_allclose(steering, [-0.2, 0, 0.3, 0.6], atol=1e-6)
    keyboard.reset()
    keyboard.release("right")
    action, words = keyboard.decide()
    np.testing.assert_allclose(action, [0.3, 0], atol=1e-6)
    assert words == "throttle +0.30  steering +0.00"


def test_the_first_of_several_egos_is_driven():
    keyboard = keyboard_of("foveal/Intersection-v0", controlled_vehicles=3)
    keyboard.press("up")
    action, words = keyboard.decide()
    assert action.tolist() == [2, 1, 1] and words == "faster" and "first of 3 egos" in keyboard.help


def test_discrete_controls_take_the_nearest_place():
    keyboard = keyboard_of("foveal/Parking-v0", action="Discrete", action_per_axis=5)
    keyboard.press("up")
    assert [keyboard.decide()[0] for _ in range(4)] == [17, 17, 22, 22]  # throttle 0.5, 0.5, 1, 1, straight on


DRIVING = [env_id for env_id, world in WORLDS.items() if ".driving." in world.batch]
KINDS = [(env_id, {}) for env_id in DRIVING]
KINDS += [("foveal/Parking-v0", {"action": "Discrete", "action_per_axis": n}) for n in (2, 3)]
KINDS += [("foveal/Parking-v0", {"action": "DiscreteMeta", "action_longitudinal": False})]
KINDS += [("foveal/Intersection-v0", {"controlled_vehicles": 2, "action": kind}) for kind in ("Discrete", "Continuous")]


@pytest.mark.parametrize("env_id, params", KINDS)
def test_any_presses_give_valid_actions(env_id, params):
    world = gymnasium.make(env_id, **params).unwrapped.batch

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.sampled_from([*ARROWS, *(f"^{key}" for key in ARROWS), "decide"]), max_size=30))
    def check(presses):
        keyboard = Keyboard(world)
        for word in presses:
            if word == "decide":
                action, words = keyboard.decide()
                assert world.single_action_space.contains(action) and words
            else:
                (keyboard.release if word[0] == "^" else keyboard.press)(word.removeprefix("^"))

    check()


def test_the_episode_driven_is_the_one_of_its_actions(patient):
    plan = {0: ["down"], 1: ["^down"], 3: ["left", "^left"], 6: ["right", "^right", "up"], 7: ["^up"]}
    episode, told, wants_more = drive(FAST, plan, seed=3, vehicles_count=2)
    assert episode.actions[:9] == [4, 1, 1, 0, 1, 1, 3, 1, 1] and wants_more
    observations, rewards, ended = replayed(gymnasium.make(FAST, vehicles_count=2), 3, episode.actions)
    np.testing.assert_array_equal(episode.observations, observations)
    assert episode.rewards == rewards and ended and episode.ended
    how = "time is up" if episode.truncations[-1] else "crashed"
    assert told == f"{how}, return {sum(rewards):.2f} in {len(rewards)} steps"


@pytest.mark.parametrize("env_id", [env_id for env_id in DRIVING if env_id != FAST])
def test_every_world_can_be_driven(env_id, patient):
    plan = {0: ["up", "left"], 2: ["^left"], 5: ["^up", "right"], 12: ["q"]}
    episode, told, wants_more = drive(env_id, plan)
    assert len(episode) == 12 or episode.ended
    observations, rewards, _ = replayed(gymnasium.make(env_id), 0, episode.actions)
    for seen, expected in zip(episode.observations, observations, strict=True):
        for ours, theirs in zip(_parts(seen), _parts(expected), strict=True):
            np.testing.assert_array_equal(ours[1], theirs[1])
    assert episode.rewards == rewards
    assert wants_more == episode.ended and ("broken off" in told) != episode.ended


def _parts(observation):
    """(name, array) of a dict, a tuple or a single array."""
    if isinstance(observation, dict):
        return list(observation.items())
    return list(enumerate(observation)) if isinstance(observation, tuple) else [(0, observation)]


def test_closing_the_window_ends_it(patient):
    import pygame

    close = {3: lambda: pygame.event.post(pygame.event.Event(pygame.QUIT))}
    episode, told, wants_more = drive(FAST, close)
    assert len(episode) == 3 and not wants_more and "broken off" in told


def test_the_clock_is_the_worlds_and_stands_still_while_paused(patient, monkeypatch):
    now, begun = [0.0], []
    monkeypatch.setattr(playing, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(Window, "wait", lambda self, fps: now.__setitem__(0, now[0] + 1 / fps))
    steps = {step: lambda: begun.append(now[0]) for step in range(1, 8)}
    episode, _, _ = drive(FAST, {**steps, 8: ["q"]}, speed=10.0, vehicles_count=0)
    assert len(episode) == 8
    # A second of the world in a tenth, to the frame in which it is over; what one frame is late the next makes up for.
    assert begun == pytest.approx([begun[0] + 0.1 * step for step in range(7)], abs=1.01 / 60)
    episode, _, _ = drive(FAST, {2: ["p"], 4: ["q"]}, speed=10.0, vehicles_count=0)  # on with return
    assert len(episode) == 4


def test_what_the_window_shows_changes_as_the_car_drives(patient, monkeypatch):
    frames, show = [], Window.show
    monkeypatch.setattr(Window, "show", lambda self, frame: (frames.append(frame.copy()), show(self, frame)))
    drive(FAST, {3: ["q"]}, speed=2.0)  # half a second a step
    moving = [frame for frame in frames if frame[75].mean() > 20]
    assert len(moving) >= 6 and len({frame.tobytes() for frame in moving}) == len(moving)
    assert frames[0].shape == (150, 600, 3) and frames[0].max() > 200, "the keys are told"


def test_play_saves_whole_episodes_that_replay(script, capsys):
    import minari

    script({0: ["up"], 1: ["^up"], 3: ["left", "^left"]})
    settings = ["--set", "duration=8", "--set", "reward_speed_range=15,30"]
    assert main(["play", FAST, *QUICK, *settings, "--seed", "5", "--episodes", "2", "--save", "fast/mine-v0"]) == 0
    out, error = capsys.readouterr()
    assert "saved fast/mine-v0: 2 episodes" in out and "seed 5: " in out and error == ""
    assert out.startswith(f"{FAST}: left, right: change lanes")
    dataset = minari.load_dataset("fast/mine-v0")
    env = dataset.recover_environment()
    assert env.unwrapped.batch.params.duration == 8 and dataset.total_episodes == 2
    for number, episode in enumerate(dataset.iterate_episodes()):
        metadata = next(dataset.storage.get_episode_metadata([number]))
        assert metadata["seed"] == 5 + number and episode.actions[3] == 0
        observations, rewards, ended = replayed(env, 5 + number, episode.actions)
        np.testing.assert_array_equal(episode.observations, observations)
        np.testing.assert_array_equal(episode.rewards, rewards)
        assert ended and (episode.terminations[-1] or episode.truncations[-1])
        assert not (episode.terminations[:-1].any() or episode.truncations[:-1].any())


@pytest.mark.parametrize(
    "env_id, settings",
    [
        ("foveal/Parking-v0", []),  # a dict
        ("foveal/Racetrack-v0", ["--set", "observation=TopDown"]),  # pictures
        ("foveal/Intersection-v0", ["--set", "controlled_vehicles=2", "--set", "observation=Tuple"]),
    ],
)
def test_a_dataset_keeps_every_kind_of_observation_and_an_episode_broken_off(env_id, settings, script):
    import minari

    script({0: ["up"], 2: ["q"]})
    assert main(["play", env_id, *QUICK, *settings, "--save", "some-v0"]) == 0
    dataset = minari.load_dataset("some-v0")
    (episode,) = dataset.iterate_episodes()
    observations, rewards, ended = replayed(dataset.recover_environment(), 0, episode.actions)
    for part, ours in _parts(episode.observations):
        np.testing.assert_array_equal(ours, [dict(_parts(observation))[part] for observation in observations])
    np.testing.assert_array_equal(episode.rewards, rewards)
    assert not ended and episode.truncations.tolist() == [False, True] and not episode.terminations.any()


def test_ctrl_c_loses_nothing(script, capsys):
    import minari

    script({4: ["r"]}, {6: lambda: signal.raise_signal(signal.SIGINT)})
    assert main(["play", FAST, *QUICK, "--set", "vehicles_count=0", "--save", "fast/broken-v0"]) == 130
    out, error = capsys.readouterr()
    assert "saved fast/broken-v0: 2 episodes" in out and error == "foveal: interrupted\n"
    lengths = [len(episode.actions) for episode in minari.load_dataset("fast/broken-v0").iterate_episodes()]
    assert lengths == [4, 5], "the step that was broken into is not there"


def test_a_dataset_that_cannot_be_is_refused_before_driving(script, capsys, monkeypatch, tmp_path):
    script({2: ["q"]})
    assert main(["play", FAST, *QUICK, "--save", "mine-v0"]) == 0
    capsys.readouterr()
    for name, told in (
        ("mine-v0", f"mine-v0: there is such a dataset already, in {tmp_path / 'datasets' / 'mine-v0'}"),
        ("mine", "mine: must be NAME-v0"),
        ("../mine-v0", "../mine-v0: must be NAME-v0"),
    ):
        assert main(["play", FAST, "--save", name]) == 2
        out, error = capsys.readouterr()
        assert told in error and error.count("\n") == 1 and out == ""
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert main(["play", FAST, "--save", "new-v0"]) == 2
    assert "pip install 'foveal[minari]'" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["mine-v0"]


def test_without_a_display_it_says_so(tmp_path):
    bare = {name: value for name, value in os.environ.items() if "DISPLAY" not in name and "SDL" not in name}
    command = [sys.executable, "-m", "foveal", "play", FAST, "--save", "mine-v0"]
    ran = subprocess.run(command, env=bare, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ran.stderr.startswith("foveal: no display: neither DISPLAY nor WAYLAND_DISPLAY is set")
    assert not (tmp_path / "datasets").exists()


@pytest.mark.parametrize("driver", ["x11", "nonsense"])
def test_a_window_that_does_not_open_is_told_with_its_reason(driver, monkeypatch, capsys):
    monkeypatch.setenv("SDL_VIDEODRIVER", driver)
    monkeypatch.setenv("DISPLAY", ":987")
    assert main(["play", FAST]) == 1
    out, error = capsys.readouterr()
    assert error.startswith("foveal: no window: ") and driver in error and error.count("\n") == 1 and out == ""
