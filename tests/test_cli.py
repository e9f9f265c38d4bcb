"""The command line: what it does, and that bad input gets one line and exit status 2."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.cli import COMMANDS, main
from foveal.commands import training
from foveal.commands.terminal import BadInput
from foveal.commands.training import affordable_steps, first_free
from foveal.commands.worlds import world_params
from foveal.envs.driving import topdown
from foveal.envs.objectnav.procedural import houses as procedural
from foveal.envs.objectnav.scenes.house_json import house_to_json
from foveal.envs.registration import WORLDS
from foveal.experiments import bench, bench_indoor
from foveal.kernels import cache_folder

FAST = "foveal/HighwayFast-v0"
TINY = [
    *("--num-envs", "32", "--total-steps", "1024", "--torch-threads", "1"),
    *("--no-tensorboard", "--network-options", "width", "16"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder, as short a training as there is."""
    folder = tmp_path_factory.mktemp("cli") / "runs" / "tiny"
    assert main(["train", "--out", str(folder), "--set", "duration=10", "--set", "lanes_count=4", *TINY]) == 0
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words, told",
    [
        ("", "which command? one of list, train"),
        ("evl slowest", "unknown command 'evl'; did you mean 'eval'?"),
        ("--versoin", "unknown option '--versoin'"),
        ("list foveal/Higway-v0", "unknown world 'foveal/Higway-v0'; did you mean 'foveal/Highway-v0'?"),
        ("list --all", "unknown option '--all'"),
        ("teacher", "unknown command 'teacher'; did you mean 'teacher ask'?"),
        ("teacher serve --port 70000", "--port 70000: must be in [0, 65535]"),
        ("teacher ask foveal/LeftTurn-v0 --base-url http://a/v1", "--base-url needs --model"),
        ("teacher ask foveal/Parking-v0", "foveal/Parking-v0: the teacher needs a driving world with meta-actions"),
        ("teacher table foveal/LeftTurn-v0 --out advice.csv", "--out advice.csv: must end in .json"),
        ("teacher table foveal/LeftTurn-v0 --minutes 0", "--minutes 0: must be above 0"),
        ("teacher ask foveal/ObjectNav-v0", "foveal/ObjectNav-v0: the teacher needs a driving world"),
        ("teacher ask foveal/LeftTurn-v0 --step -1", "--step -1: must be in [0, 10000]"),
        ("eval", "eval needs an agent"),
        (
            "eval keepright",
            "unknown agent 'keepright': neither a driver nor a run folder; did you mean 'keep-right'?",
        ),
        ("eval slowest --env foveal/HighwayFats-v0", "did you mean 'foveal/HighwayFast-v0'?"),
        ("eval slowest --episods 5", "unknown option '--episods'; did you mean '--episodes'?"),
        ("eval slowest --episods=5", "unknown option '--episods'; did you mean '--episodes'?"),
        ("eval slowest --episodes many", "--episodes: invalid literal for int() with base 10: 'many'"),
        ("eval slowest --episodes", "Missing value for argument '--episodes'"),
        ("eval slowest --episodes 1", "--episodes 1: must be at least 2"),
        ("eval slowest --seed -1", "--seed -1: must be in [0, 2**62)"),
        ("eval slowest random --out x.json", "--out x.json: takes a single agent, not 2"),
        ("eval slowest --set lane_count=4", "unknown parameter 'lane_count'; did you mean 'lanes_count'?"),
        ("eval slowest --set lanes_count", "--set lanes_count: must be NAME=VALUE"),
        ("eval slowest --set lanes_count=four", "lanes_count=four: must be a whole number"),
        ("eval slowest --set lanes_count=99", "lanes_count=99: must be in [1, 32]"),
        ("eval slowest --set normalize_reward=1", "normalize_reward=1: must be true or false"),
        ("eval slowest --set reward_speed_range=20;30", "must be numbers separated by commas"),
        ("eval slowest --set policy_frequency=3", "policy_frequency=3: must divide simulation_frequency=5"),
        ("record slowest --set policy_frequency=3", "policy_frequency=3: must divide simulation_frequency=5"),
        ("train --set policy_frequency=3", "policy_frequency=3: must divide simulation_frequency=5"),
        ("eval .", "no run"),
        ("record", "AGENT"),
        ("record slowest idm-mobil", "unexpected argument 'idm-mobil'"),
        ("train foveal/Merge-v0 --env foveal/Exit-v0", "--env foveal/Exit-v0: foveal/Merge-v0 is the world already"),
        ("train foveal/Nowhere-v0", "foveal/Nowhere-v0"),
        ("record slowest --out video.avi", "video.avi"),
        ("record slowest --episodes 0", "episodes=0"),
        ("whatif idm-mobil --step 5", "--action"),
        ("whatif idm-mobil --step 5 --action FASTR", "must be one of LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER"),
        ("whatif idm-mobil --step 5 --action FASTR", "did you mean 'FASTER'?"),
        ("whatif idm-mobil --step 5 --action 5", "--action 5: must be one of LANE_LEFT"),
        ("whatif idm-mobil --step 5 --action 1,0", "--action 1,0: must be one of LANE_LEFT"),
        (
            "whatif slowest --step 9 --action idle --set duration=4",
            "step=9: must be in [0, 3], the episode has 4 steps",
        ),
        ("whatif slowest --step=-1 --action idle --set duration=4", "step=-1: must be in [0, 3]"),
        ("whatif slowest --step 1 --action idle --hold 0", "--hold 0: must be at least 1"),
        ("whatif slowest --step 1 --action idle --past -1", "--past -1: must be at least 0"),
        ("whatif slowest --step 1 --action idle --picture x.jpg", "--picture x.jpg: must end in .png"),
        ("whatif slowest --step 1 --action idle --out x.avi", "--out x.avi: must end in .mp4 or .gif"),
        ("whatif random --env foveal/Parking-v0 --step 1 --action 0.5", "separated by commas: acceleration, steering"),
        ("whatif random --env foveal/Parking-v0 --step 1 --action 0,nan", "must be numbers in [-1, 1]"),
        ("whatif random --env foveal/Parking-v0 --step 1 --action=-2,0", "--action -2,0: must be numbers in [-1, 1]"),
        (
            "whatif idle --env foveal/Intersection-v0 --set controlled_vehicles=2 --step 1 --action 1",
            "2 egos",
        ),
        ("play", "ENV"),
        ("play foveal/Higway-v0", "unknown world 'foveal/Higway-v0'; did you mean 'foveal/Highway-v0'?"),
        ("play foveal/Highway-v0 --sped 2", "unknown option '--sped'; did you mean '--speed'?"),
        ("play foveal/Highway-v0 --speed 0", "--speed 0: must be in [0.01, 1000000]"),
        ("play foveal/Highway-v0 --zoom 20", "--zoom 20: must be 0, or in [0.25, 8]"),
        ("play foveal/Highway-v0 --episodes -1", "--episodes -1: must be at least 0"),
        ("play foveal/Highway-v0 --seed -1", "--seed -1: must be in [0, 2**62)"),
        ("bench drivng", "invalid choice 'drivng'"),
        ("bench driving --rows 0", "--rows 0"),
        ("bench indoor --all", "--all: is for driving, not for indoor"),
        ("train --gama 0.9", "unknown option '--gama'; did you mean '--gamma'?"),
        ("train --gamma 2", "gamma=2.0: must be in [0, 0.9999]"),
        ("train --gamma high", "--gamma"),
        ("train --network atention", "unknown network 'atention'; did you mean 'attention'?"),
        ("train --seed 2147483648", "seed=2147483648"),
        ("train --env foveal/Highway", "unknown world 'foveal/Highway'"),
        ("train --resume no/such/run", "--resume no/such/run: no run there"),
        ("demo --seconds 0", "--seconds 0"),
        ("demo --sed 1", "unknown option '--sed'; did you mean '--seed'?"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(words, told, capsys, elsewhere):
    assert main(words.split()) == 2
    out, error = capsys.readouterr()
    assert told in error and error.startswith("foveal: ") and error.count("\n") == 1
    assert out == "" and list(elsewhere.iterdir()) == []


HOUSE_FAULTS = {
    "a missing field": (lambda house: house["rooms"][0].pop("floorPolygon"), "rooms[0]: 'floorPolygon' is missing"),
    "NaN": (lambda house: house["objects"][0]["position"].update(x=float("nan")), "NaN is no number"),
    "an open polygon": (
        lambda house: house["rooms"][0].update(floorPolygon=house["rooms"][0]["floorPolygon"][:2]),
        "rooms[0].floorPolygon: encloses nothing",
    ),
    "no area": (lambda house: [corner.update(x=1) for corner in house["rooms"][0]["floorPolygon"]], "its area is 0 m2"),
    "10,000 objects": (lambda house: house.update(objects=house["objects"][:1] * 10_000), "has 10000 items"),
    "nothing to find": (lambda house: house.update(objects=[]), "in none of 1 houses can any be found"),
}


@pytest.mark.parametrize("command", ["eval random --episodes 2", "record random"])
@pytest.mark.parametrize("fault", [*HOUSE_FAULTS, "no JSON", "70 MB"])
def test_bad_house_files(command, fault, capsys, elsewhere):
    text, told = {"no JSON": ("a house", "line 1, column 1: not JSON"), "70 MB": (" " * 70_000_000, "too large")}.get(
        fault, ("", "")
    )
    if fault in HOUSE_FAULTS:
        house = house_to_json(procedural.house(0, rooms=1))
        spoil, told = HOUSE_FAULTS[fault]
        spoil(house)
        text = json.dumps(house)
    Path("house.json").write_text(text)
    assert main([*command.split(), "--env", "foveal/ObjectNav-v0", "--set", "scenes=house.json"]) == 2
    out, error = capsys.readouterr()
    assert told in error and error.startswith("foveal: ") and error.count("\n") == 1
    assert ("house.json" in error or "in none of" in error) and out == ""
    assert [path.name for path in elsewhere.iterdir()] == ["house.json"]


def test_bad_input_about_a_run(run, capsys, elsewhere):
    cases = [
        (["eval", f"{run}y"], f"did you mean '{run}'?"),
        (["train", "--resume", f"{run}y"], f"did you mean '{run}'?"),
        (["train", "--out", str(run)], "holds a run already"),
        (["demo", "--out", str(run)], "holds a run already"),
        (["train", "--resume", str(run), "--gamma", "0.5"], "leave --gamma away"),
        (["train", "--resume", str(run), "--set", "duration=5"], "leave --out, --env, --set and --start-from away"),
        (["eval", str(run), "--set", "observation_vehicles_count=3"], f"{run} does not fit {FAST}"),
        (["eval", "slowest", "--episodes", "2", "--out", "/proc/no/eval.json"], "/proc/no"),
        (["record", str(run), "--out", "/proc/no/video.mp4"], "/proc/no"),
        (["record", FAST, "--agent", str(run), "--env", FAST], f"{FAST} is the world already"),
        (["record", "foveal/Parking-v0", "--agent", str(run)], "the policy observes"),
    ]
    for words, told in cases:
        assert main(words) == 2, words
        error = capsys.readouterr().err
        assert told in error and error.count("\n") == 1, error


def test_list_tells_worlds_and_their_parameters(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(WORLDS)
    assert main(["list", FAST]) == 0
    out = capsys.readouterr().out
    assert "20,25,30" in out and "time limit [s]" in out
    (line,) = (line for line in out.splitlines() if line.startswith("lanes_count"))
    assert line.split()[1] == "3", "the id's own default, not the class's"


@pytest.mark.parametrize("env_id", WORLDS)
def test_list_tells_the_spaces_that_the_worlds_have(env_id):
    env = gymnasium.make(env_id)
    space, action = env.observation_space, env.action_space
    parts = dict(space.items()) if isinstance(space, gymnasium.spaces.Dict) else {"": space}
    shapes = {name: "x".join(map(str, part.shape)) for name, part in parts.items()}
    told = ", ".join(f"{name}: {shape}" if shape else name for name, shape in shapes.items())
    if len(set(shapes.values())) == 1:
        told = ", ".join(name for name in parts if name) + ": " * bool(next(iter(parts))) + next(iter(shapes.values()))
    assert WORLDS[env_id].observation == told
    assert WORLDS[env_id].action == (str(action.n) if hasattr(action, "n") else f"{action.shape[0]} real")


def test_tables_are_drawn_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["list"]) == 0
    assert "──" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_options_with_units(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: foveal {command}")
    assert command in ("list", "rig check") or "[1]" in out or "[s]" in out
    assert "required" not in out or command in (
        "eval",
        "record",
        "whatif",
        "play",
        "bench",
        "rig check",
        "teacher ask",
        "teacher table",
        "teacher remember",
    )
    assert main(["--help"]) == 0
    assert f"  {command} " in capsys.readouterr().out


def test_list_starts_without_the_heavy_packages():
    code = """
import sys
from foveal.cli import main
assert main(["list"]) == 0 and main(["eval", "--episods"]) == 2
heavy = {"torch", "numba", "scipy", "cv2", "matplotlib", "highway_env", "stable_baselines3", "imageio_ffmpeg"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_module_runs_and_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m foveal list {FAST} | true"
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    refused = subprocess.run([sys.executable, "-m", "foveal", "lst"], capture_output=True, text=True)
    assert refused.returncode == 2 and "did you mean 'list'?" in refused.stderr


def test_settings_are_typed_by_the_world():
    settings = (
        "lanes_count=5",
        "duration=20",
        "normalize_reward=FALSE",
        "reward_speed_range=15,30",
        "initial_lane_id=1",
    )
    assert world_params(FAST, settings) == {
        "lanes_count": 5,
        "duration": 20.0,
        "normalize_reward": False,
        "reward_speed_range": (15.0, 30.0),
        "initial_lane_id": 1,
    }
    assert world_params(FAST, ["initial_lane_id=none"]) == {"initial_lane_id": None}
    with pytest.raises(BadInput, match="initial_lane_id=3"):
        world_params(FAST, ["initial_lane_id=3"])  # HighwayFast has three lanes


def test_train_leaves_a_run_that_resume_goes_on_with(run, capsys):
    config = json.loads((run / "config.json").read_text())["config"]
    assert config["env_params"] == {"duration": 10.0, "lanes_count": 4} and config["num_envs"] == 32
    assert list(run.glob("checkpoints/*.safetensors")) and (run / "metrics.csv").is_file()
    assert main(["train", "--resume", str(run), "--max-seconds", "60"]) == 0
    assert f"foveal eval {run}" in capsys.readouterr().out


def test_eval_of_a_run_in_its_own_world_and_beside_drivers(run, capsys, elsewhere):
    assert main(["eval", str(run), "slowest", "--episodes", "20"]) == 0
    out = capsys.readouterr().out
    assert "duration=10" in out and "lanes_count=4" in out and "slowest" in out
    saved = json.loads((run / "eval.json").read_text())
    assert saved["params"] == {"duration": 10.0, "lanes_count": 4} and saved["episodes"] == 20
    (run / "eval.json").unlink()
    assert main(["eval", str(run), "--set", "lanes_count=3", "--episodes", "4"]) == 0
    assert not (run / "eval.json").exists(), "another world's figures are not the run's"
    assert main(["eval", "idm-mobil", "--episodes", "4", "--seed", "7", "--out", "new/other.json"]) == 0
    saved = json.loads(Path("new/other.json").read_text())
    assert saved["policy"] == "idm-mobil" and saved["seed"] == 7 and saved["held_out"] is False


def test_record_of_a_run_a_checkpoint_and_a_driver(run, capsys, elsewhere):
    checkpoint = max(run.glob("checkpoints/*.safetensors"))
    assert main(["record", str(run)]) == 0
    assert (run / "video" / "episode.mp4").stat().st_size > 1000
    assert main(["record", str(checkpoint), "--out", "deep/er.gif", "--set", "duration=2"]) == 0
    assert main(["record", "keep-right", "--episodes", "2", "--set", "duration=2"]) == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == [
        "deep",
        "keep-right-0.mp4",
        "keep-right-1.mp4",
    ]
    assert capsys.readouterr().out.count("saved ") == 4


def test_record_takes_the_world_first_too(capsys, elsewhere):
    assert main(["record", FAST, "--agent", "idle", "--set", "duration=2"]) == 0
    assert (elsewhere / "idle.mp4").stat().st_size > 1000
    assert capsys.readouterr().out.splitlines()[-1] == "saved idle.mp4"


def test_whatif_of_a_run_and_a_driver(run, capsys, elsewhere):
    assert main(["whatif", str(run), "--step", "1", "--action", "lane_left", "--set", "duration=3"]) == 0
    assert (run / "video" / "whatif.mp4").stat().st_size > 1000 < (run / "video" / "whatif.png").stat().st_size
    capsys.readouterr()
    words = "whatif slowest --step 1 --action FASTER --hold 2 --set duration=3 --past 0 --picture new/picture.png"
    assert main(words.split()) == 0
    out = capsys.readouterr().out
    assert "FASTER at step 1 for 2 steps" in out and "first differ after 2 steps" in out
    assert sorted(path.name for path in elsewhere.iterdir()) == ["new", "slowest-whatif.mp4"]
    assert main(["whatif", "slowest", "--step", "2", "--action", "4", "--set", "duration=3", "--out", "a.gif"]) == 0
    out = capsys.readouterr().out
    assert "SLOWER changes nothing at step 2" in out and "the two never differ" in out
    assert Path("a.gif").stat().st_size > 1000 < Path("a.png").stat().st_size


def test_whatif_of_continuous_actions(capsys, elsewhere):
    words = "whatif random --env foveal/Parking-v0 --set duration=1 --step 2 --action=-0.5,1"
    assert main(words.split()) == 0
    assert "-0.50 +1.00 at step 2" in capsys.readouterr().out


def test_bench_measures_all_contenders_and_saves(monkeypatch, capsys, elsewhere):
    monkeypatch.setattr(bench, "BATCHES", (8, 16))
    monkeypatch.setattr(bench, "_start_seconds", lambda: {"cold": 9.0, "warm": 1.0})
    short = ["--rows", "16", "--repeat", "2", "--seconds", "0.01"]
    assert main(["bench", "driving", *short, "--json", "bench.json"]) == 0
    out = capsys.readouterr().out
    report = json.loads(Path("bench.json").read_text())
    assert (
        report["cores"] >= 1 and report["threads"] >= 1 and report["rows"] == 16 and report["versions"]["highway-env"]
    )
    assert [one["task"] for one in report["speeds"]] == ["foveal/Highway-v0", "foveal/HighwayFast-v0"]
    for one in report["speeds"]:
        name, found = one["task"], one["by"]
        assert name in out and {"foveal", "highway-env, 1 row"} <= found.keys()
        assert all(len(rate["repeats"]) == 2 and rate["median"] > 0 for rate in found.values())
        assert report["batches"][name].keys() == {"8", "16"} and report["state_bytes"][name] > 0
    assert "cores" in out and "how many times faster" in out


def test_bench_has_every_task_with_actions_of_its_space():
    for task in bench.ALL:
        for kind in bench.DRIVING:
            assert bench._foveal(task, 2, kind)() == 2


def test_bench_indoor_measures_all_contenders_and_saves(monkeypatch, capsys, elsewhere):
    start = dict.fromkeys(
        ("build", "frame", "step", "processors", "scenes_mb", "images_mb", "resident_mb", "peak_mb"), 2.0
    )
    monkeypatch.setattr(bench_indoor, "_starts", lambda rows: [{"what": "20, compiled"} | start])
    monkeypatch.setattr(bench_indoor, "ROOMS", 4)
    assert main(["bench", "indoor", "--rows", "4", "--repeat", "2", "--seconds", "0.01", "--json", "bench.json"]) == 0
    out = capsys.readouterr().out
    report = json.loads(Path("bench.json").read_text())
    assert report["rooms"] == 4 and report["objects"] > 100 and report["threads"] >= 1
    assert [one["images"] for one in report["speeds"]] == ["64 x 64", "224 x 224", "320 x 240"]
    for one in report["speeds"]:
        assert "renderer, 1 thread" in one["by"] and one["images"] in out
        assert all(len(rate["repeats"]) == 2 and rate["median"] > 0 for rate in one["by"].values())
    assert "ObjectNav, 1 thread" in report["speeds"][0]["by"]
    measured = set().union(*(one["by"] for one in report["speeds"]))
    for peer, told in report["peers"].items():
        assert f"{peer} {told}" in out and (peer in measured or told.startswith(("not installed", "does not start")))
    assert report["peers"].keys() == {"MiniWorld", "ViZDoom"} and "20, compiled" in out


def test_bench_tells_why_a_peer_does_not_start(monkeypatch):
    def broken(images):
        raise RuntimeError("no display\nfor me")

    monkeypatch.setattr(bench_indoor, "installed", lambda name: True)
    monkeypatch.setattr(bench_indoor, "_miniworld", broken)
    told, found = bench_indoor._beside_peers({"ours": lambda: 1}, bench_indoor.SMALL, 1, 0.001)
    assert told == {"MiniWorld": "does not start (RuntimeError: no display for me)"} and found.keys() == {"ours"}


def test_bench_start_tells_seconds_and_memory():
    script = bench_indoor.start_script(rows=2, houses=1)
    found = json.loads(bench.in_fresh_process(script, str(cache_folder().parent)))
    assert 0 < found["build"] < found["frame"] < found["step"] and found["processors"] > 0
    assert 0 < found["scenes_mb"] < found["resident_mb"] <= found["peak_mb"] and found["images_mb"] > 0


def test_affordable_steps_are_the_configured_ones_at_most():
    config = PPOConfig(num_envs=8, rollout_steps=8, total_steps=640, torch_threads=1)
    assert affordable_steps(config, 600.0) == 640
    assert 1 <= affordable_steps(config, 0.001) < 640


def test_demo_trains_compares_and_films(capsys, elsewhere, monkeypatch):
    monkeypatch.setattr(training, "affordable_steps", lambda *_: 1)  # one update
    assert main(["demo", "--seconds", "1", "--episodes", "8"]) == 0
    out = capsys.readouterr().out
    folder = Path("runs/demo")
    for name in ("eval.json", "curve.png", "video/episode.mp4"):
        assert (folder / name).stat().st_size > 100 and str(folder / name) in out
    rows = [line.split()[0] for line in out.splitlines() if "%" not in line and " [" in line]
    assert {"random", "slowest", "keep-right", "idm-mobil", "runs/demo"} == set(rows)
    assert first_free(folder) == Path("runs/demo-2")


@pytest.mark.filterwarnings("default")
def test_torn_and_foreign_checkpoints(run, capsys, elsewhere):
    copy = shutil.copytree(run, elsewhere / "copy")
    torn = max(copy.glob("checkpoints/*.safetensors"))
    torn.write_bytes(torn.read_bytes()[:-1])
    assert main(["eval", str(copy), "--episodes", "2"]) == 0, "the one before it is used"
    error = capsys.readouterr().err
    assert "passed over" in error and error.startswith("foveal: warning: ") and error.count("\n") == 1
    assert main(["eval", str(torn)]) == 2
    assert str(torn.parent) in capsys.readouterr().err
    (copy / "config.json").write_text('{"format": 999}')
    assert main(["eval", str(copy)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "error, status, told",
    [
        (
            RunError("cannot write x: No space left on device;\nlast good checkpoint: y"),
            1,
            "last good checkpoint: y",
        ),
        (OSError(28, "No space left on device", "x.csv"), 1, "x.csv: No space left on device"),
        (KeyboardInterrupt("stopped at step 5; resume from z"), 130, "resume from z"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_on_the_way_are_one_line_too(error, status, told, monkeypatch, capsys, elsewhere):
    def train(*_, **__):
        raise error

    monkeypatch.setattr("foveal.agents.training.train", train)
    assert main(["train", "--out", "run"]) == status
    message = capsys.readouterr().err
    assert told in message and message.count("\n") == 1


def test_a_taught_agent_is_trained_and_filmed_with_its_teacher(tmp_path, capsys, monkeypatch):
    """What the picture tells is the advice; the agent drives without it too."""
    run, drawn = tmp_path / "run", []
    taught = ["--teacher", "rule", "--network", "tell_drive", "--imitation-coef", "1"]
    small = ["--num-envs", "4", "--rollout-steps", "8", "--total-steps", "64"]
    assert main(["train", "--env", "foveal/LeftTurn-v0", *taught, *small, "--out", str(run)]) == 0
    assert "advice_followed" in (run / "metrics.csv").read_text().splitlines()[0]
    draw = topdown.draw_status
    monkeypatch.setattr(
        topdown, "draw_status", lambda frame, scene, note: (drawn.append(note.teacher), draw(frame, scene, note))
    )
    for teacher, told in ((["--teacher", "rule"], True), ([], False)):
        drawn.clear()
        assert main(["record", str(run), *teacher, "--out", str(tmp_path / "film.mp4")]) == 0
        assert any(words and "attention" in words for words in drawn) == told
    capsys.readouterr()
    assert main(["record", str(run), "--teacher", "rulle"]) == 2
    assert "did you mean 'rule'?" in capsys.readouterr().err
