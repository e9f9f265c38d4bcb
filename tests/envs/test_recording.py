import dataclasses
import os
import signal
import subprocess
import sys
import textwrap

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import VectorWrapper
from imageio_ffmpeg import count_frames_and_secs, read_frames

from foveal.envs.batch import BatchEnv
from foveal.envs.overlay import Annotation, panel
from foveal.envs.params import Params, param
from foveal.envs.recording import VideoWriter, record
from foveal.envs.scene import Scene, between
from foveal.envs.single import SingleEnv


@dataclasses.dataclass(frozen=True, kw_only=True)
class ToyParams(Params):
    simulation_frequency: int = param(5, "substeps [1/s]", low=1)
    duration: int = param(3, "time limit [s]", low=1)


class Toy(BatchEnv):
    """A point moves by one unit a substep, from the row's seed on; its column of the frame is white."""

    Params = ToyParams
    action_names = ("LEFT", "RIGHT")
    drawn: list = []

    def _spaces(self):
        return spaces.Box(-1e9, 1e9, (1,), np.float32), spaces.Discrete(2)

    def _allocate(self):
        self._x = np.zeros((self.num_envs, 1))
        return {"x": self._x}

    def _spawn(self, rows):
        self._x[rows, 0] = self._seed[rows] % 100
        self._observations[rows] = self._x[rows]

    def _advance(self, actions):
        self._before = self._x.copy()
        self._x += self.params.simulation_frequency * self._active[:, None]
        self._observations[:] = self._x
        self._rewards[:] = 1.0 + actions
        self._terminated[:] = False
        self._truncated[:] = self._elapsed >= self.params.duration

    def _scene(self, x):
        zero, index = np.zeros(1), np.zeros(1, np.int64)
        position, size = np.array([[x, 0.0]]), np.ones((1, 2))
        return Scene(x, position, zero, zero, size, index, index, zero > 0, 0, index, ())

    def describe(self, rows):
        return [self._scene(float(self._x[row, 0])) for row in rows]

    def trace(self, row):
        assert row in self.trace_rows
        return [self._scene(self._before[row, 0] + k + 1) for k in range(self.params.simulation_frequency)]

    @property
    def frame_rate(self):
        return float(self.params.simulation_frequency)

    def between(self, before, after, part):
        return between(before, after, part)

    def draw(self, scene, annotation=None, zoom=1.0):
        Toy.drawn.append((scene, annotation))
        frame = np.zeros((round(20 * zoom), round(32 * zoom), 3), np.uint8)
        frame[:, round(scene.position[0, 0]) % frame.shape[1]] = 255
        return frame


class ToyEnv(SingleEnv):
    world = Toy


@pytest.fixture(autouse=True)
def forget():
    Toy.drawn.clear()


def right(observation):
    return np.ones(len(observation), np.int64)


def decode(path):
    """Frames (F, H, W, 3) and metadata of a video."""
    stream = read_frames(str(path))
    meta = next(stream)
    width, height = meta["size"]
    return np.array([np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in stream]), meta


def noise(count, width=64, height=48):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_video_decodes_to_what_was_written(tmp_path, suffix):
    path = tmp_path / f"video{suffix}"
    colours = [(200, 30, 40), (20, 180, 60), (40, 60, 210)] * 5
    with VideoWriter(path, 10, (64, 48)) as video:
        for colour in colours:
            video.write(np.full((48, 64, 3), colour, np.uint8))
            assert not path.exists()
    assert video.frames == 15
    frames, meta = decode(path)
    assert meta["size"] == (64, 48)
    assert meta["fps"] == 10
    assert frames.shape == (15, 48, 64, 3)
    assert np.abs(frames.mean((1, 2)) - colours).max() < 6
    assert os.listdir(tmp_path) == [path.name]


def test_mp4_plays_in_browsers(tmp_path):
    with VideoWriter(tmp_path / "video.mp4", 30000 / 1001, (65, 49)) as video:
        for frame in noise(3, 65, 49):
            video.write(frame)
    _, meta = decode(tmp_path / "video.mp4")
    assert meta["codec"] == "h264"
    assert meta["pix_fmt"].startswith("yuv420p")
    assert meta["size"] == (64, 48)
    assert meta["fps"] == pytest.approx(29.97)
    data = (tmp_path / "video.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before it is all there


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_broken_off_video_leaves_nothing(tmp_path, error):
    with pytest.raises(error), VideoWriter(tmp_path / "video.mp4", 10, (64, 48)) as video:
        video.write(noise(1)[0])
        raise error
    assert os.listdir(tmp_path) == []


def test_broken_off_video_keeps_the_old_one(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), VideoWriter(path, 10, (64, 48)) as video:
        video.write(noise(1)[0])
        raise RuntimeError
    assert path.read_bytes() == b"old"
    with VideoWriter(path, 10, (64, 48)) as video:
        video.write(noise(1)[0])
    assert count_frames_and_secs(str(path))[0] == 1


def in_a_process(code, tmp_path):
    """A child that writes noise to `tmp_path`/video.mp4 and tells its first frame."""
    body = f"""
        import resource, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
        import numpy as np
        from foveal.envs.recording import VideoWriter
        {code}
        frames = np.random.default_rng(0).integers(0, 256, (2000, 48, 64, 3), np.uint8)
        try:
            with VideoWriter({str(tmp_path / "video.mp4")!r}, 10, (64, 48)) as video:
                for frame in frames:
                    video.write(frame)
                    print("frame", flush=True)
        except OSError as error:
            sys.exit(f"OSError: {{error}}")
    """
    return subprocess.Popen(
        [sys.executable, "-B", "-c", textwrap.dedent(body)],  # -B: no bytecode files under the size limit
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_interrupt_leaves_nothing(tmp_path):
    child = in_a_process("", tmp_path)
    assert child.stdout.readline() == "frame\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert os.listdir(tmp_path) == []


def test_full_disk_is_one_clear_line(tmp_path):
    child = in_a_process("resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))", tmp_path)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    ours = [line for line in errors.splitlines() if not line.startswith("Error while attempting stop ffmpeg")]
    assert len(ours) == 1  # imageio_ffmpeg may add a line of its own
    assert "cannot write" in errors
    assert "video.mp4" in errors
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "fps", "size", "message"),
    [
        ("video.avi", 10, (64, 48), r"suffix must be one of \.mp4, \.gif"),
        ("video", 10, (64, 48), "suffix must be one of"),
        ("video.mp4", 0, (64, 48), "fps=0"),
        ("video.mp4", float("nan"), (64, 48), "fps=nan"),
        ("video.mp4", 10, (64, 1), "at least 2 x 2"),
    ],
)
def test_bad_videos_are_refused(tmp_path, path, fps, size, message):
    with pytest.raises(ValueError, match=message):
        VideoWriter(tmp_path / path, fps, size)
    assert os.listdir(tmp_path) == []


def test_bad_places_are_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    for path in ("missing/video.mp4", "file/video.mp4", "folder.mp4", f"{'x' * 300}.mp4"):
        with (
            pytest.raises(OSError, match="cannot write") as caught,
            VideoWriter(tmp_path / path, 10, (64, 48)),
        ):
            pass
        assert len(str(caught.value).splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_forbidden_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot write"), VideoWriter(tmp_path / "v.mp4", 10, (64, 48)):
        pass


@pytest.mark.parametrize(
    "frame", [np.zeros((48, 64), np.uint8), np.zeros((64, 48, 3), np.uint8), np.zeros((48, 64, 3))]
)
def test_bad_frames_are_refused(tmp_path, frame):
    with (
        pytest.raises(ValueError, match=r"a frame must be uint8 \(48, 64, 3\)"),
        VideoWriter(tmp_path / "video.mp4", 10, (64, 48)) as video,
    ):
        video.write(frame)
    assert os.listdir(tmp_path) == []


def test_empty_video_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "video.mp4", 10, (64, 48)):
        pass
    assert os.listdir(tmp_path) == []


def test_every_substep_is_a_frame(tmp_path):
    result = record(Toy(), right, tmp_path / "toy.mp4", seed=7)
    assert result.paths == (tmp_path / "toy.mp4",)
    assert result.lengths == (3,)
    assert result.returns == (6.0,)
    assert result.fps == 5
    assert result.frames == (1 + 3 * 5 + 5,)  # the first state, the substeps, a second of the last state
    frames, meta = decode(result.paths[0])
    assert len(frames) == 21
    assert meta["fps"] == 5
    assert meta["size"] == (64, 40)
    columns = frames.astype(int).sum((1, 3)).argmax(-1)
    assert columns[:16].tolist() == list(range(7, 23))


def test_annotations_tell_action_reward_and_attention(tmp_path):
    weights = np.array([[[0.75], [0.25]]])
    record(Toy(), lambda _: (np.array([1]), {"attention": weights}), tmp_path / "toy.mp4", seed=0)
    notes = [note for _, note in Toy.drawn]
    assert notes[0] == Annotation()
    assert [note.action for note in notes[1:]] == ["RIGHT"] * 16
    assert [note.reward for note in notes[1:]] == [0.0] * 5 + [2.0] * 5 + [4.0] * 5 + [6.0]
    np.testing.assert_array_equal(notes[1].attention, weights[0])


def test_speed_and_smoothness_set_the_frame_rate(tmp_path):
    result = record(Toy(), right, tmp_path / "toy.mp4", seed=0, speed=2.0, smooth=3)
    assert result.fps == 30
    assert result.frames == (1 + 3 * 5 * 3 + 30,)
    x = [scene.position[0, 0] for scene, _ in Toy.drawn]
    np.testing.assert_allclose(x[:-1], np.arange(46) / 3)


def test_headings_turn_the_short_way_between_substeps():
    before, after = (dataclasses.replace(Toy()._scene(0.0), heading=np.array([h])) for h in (3.0, -3.0))
    assert between(before, after, 0.5).heading == pytest.approx(np.pi)


def test_episodes_are_seeded_one_by_one(tmp_path):
    result = record(Toy(), right, tmp_path / "toy.mp4", seed=40, episodes=2)
    assert [path.name for path in result.paths] == ["toy-0.mp4", "toy-1.mp4"]
    starts = [scene.position[0, 0] for scene, note in Toy.drawn if note == Annotation()]
    assert starts == [40.0, 41.0]


def test_the_callers_rows_are_not_touched(tmp_path):
    env = Toy(4, duration=9, max_episode_steps=2)
    env.reset(seed=0)
    before = env.get_state()
    result = record(env, right, tmp_path / "toy.mp4")
    assert result.lengths == (2,)
    for name, array in env.get_state().items():
        np.testing.assert_array_equal(array, before[name])
    env.step(np.zeros(4, np.int64))


def test_single_environments_and_what_gymnasium_wraps_around_them(tmp_path):
    env = gymnasium.wrappers.OrderEnforcing(ToyEnv(render_mode="rgb_array"))
    assert record(env, right, tmp_path / "toy.mp4", seed=0).frames == (21,)


class Negated(gymnasium.ObservationWrapper):
    def observation(self, observation):
        return -observation


def test_wrapped_environments_are_played_themselves(tmp_path):
    seen = []

    def policy(observation):
        seen.append(observation.copy())
        return right(observation)

    env = Negated(ToyEnv(render_mode="rgb_array", trace_rows=(0,)))
    assert record(env, policy, tmp_path / "toy.mp4", seed=3).frames == (21,)
    assert np.concatenate(seen).tolist() == [[-3.0], [-8.0], [-13.0]]


class NegatedRows(gymnasium.vector.VectorObservationWrapper):
    def observations(self, observations):
        return -observations


def test_wrapped_vectors_need_one_traced_row(tmp_path):
    env = NegatedRows(Toy(1, trace_rows=(0,)))
    assert record(env, right, tmp_path / "toy.mp4", seed=3, episodes=2).frames == (21, 21)
    for bad in (Toy(1), Toy(2, trace_rows=(0,))):
        with pytest.raises(ValueError, match=r"one row and trace_rows=\(0,\)"):
            record(NegatedRows(bad), right, tmp_path / "toy.mp4")
    with pytest.raises(ValueError, match="same_step"):
        record(VectorWrapper(Toy(1, trace_rows=(0,), autoreset_mode="same_step")), right, tmp_path / "toy.mp4")


class Foreign(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = spaces.Dict({"x": spaces.Box(-1, 1, (2,))})
    action_space = spaces.Box(-1, 1, (2,))

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        return {"x": np.zeros(2, np.float32)}, {}

    def step(self, action):
        assert action.shape == (2,)
        return {"x": np.ones(2, np.float32)}, 0.5, False, False, {}

    def render(self):
        return np.full((60, 200, 3), 90, np.uint8)


def test_foreign_environments_give_one_frame_a_step(tmp_path):
    shapes = []

    def policy(observation):
        shapes.append(observation["x"].shape)
        return np.zeros((1, 2)), None  # as Stable Baselines' predict

    result = record(Foreign("rgb_array"), policy, tmp_path / "f.mp4", max_steps=4)
    assert result.lengths == (4,)
    assert result.returns == (2.0,)
    assert result.frames == (1 + 4 + 20,)
    assert shapes == [(1, 2)] * 4
    assert decode(tmp_path / "f.mp4")[0].max() > 150  # the panel's letters


def test_foreign_environments_must_draw(tmp_path):
    with pytest.raises(ValueError, match="render_mode='rgb_array'"):
        record(Foreign(), right, tmp_path / "f.mp4")
    with pytest.raises(ValueError, match="smooth=2"):
        record(Foreign("rgb_array"), right, tmp_path / "f.mp4", smooth=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"episodes": 0}, "episodes=0"), ({"smooth": 0}, "smooth=0"), ({"speed": -1.0}, "fps=-5")],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        record(Toy(), right, tmp_path / "toy.mp4", **options)


def test_failing_policy_leaves_no_video(tmp_path):
    def policy(observation):
        if observation[0, 0] > 5:
            raise RuntimeError("policy")
        return right(observation)

    with pytest.raises(RuntimeError, match="policy"):
        record(Toy(), policy, tmp_path / "toy.mp4", seed=0)
    assert os.listdir(tmp_path) == []


def test_highway_is_recorded_without_a_display(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    env = gymnasium.make_vec("foveal/Highway-v0", num_envs=3, duration=2.0)

    def policy(observation):
        return np.array([0]), {"attention": np.full((1, 2, 5), 0.2)}

    result = record(env, policy, tmp_path / "highway.mp4", seed=0)
    frames, meta = decode(result.paths[0])
    assert len(frames) == 1 + 2 * 15 + 15
    assert meta["size"] == (1200, 300)
    assert np.abs(np.diff(frames[1:31].astype(int), axis=0)).max((1, 2, 3)).min() > 100  # it moves in every frame


@pytest.mark.parametrize(("width", "height"), [(20, 8), (120, 40), (600, 150), (2000, 1000)])
def test_panel_fits_any_frame(width, height):
    frame = np.full((height, width, 3), 255, np.uint8)
    panel(frame, [("action", "lane left"), ("speed", "25.0 m/s")], [("head 1", (255, 0, 0))])
    assert (frame[-1] == 255).all() or height < 20
    assert (frame[0] < 200).all()


def test_panel_leaves_out_what_does_not_fit():
    key = (250, 10, 10)
    wide, narrow = (np.zeros((100, width, 3), np.uint8) for width in (600, 90))
    for frame in (wide, narrow):
        panel(frame, [("action", "lane left"), ("speed", "25.0 m/s")], [("head 1", key)])
    assert (wide == key).all(-1).any()
    assert not (narrow == key).all(-1).any()
    assert narrow.any()
    assert not narrow[:, -4:].any()
