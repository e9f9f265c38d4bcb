import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
import safetensors.numpy
import torch
from gymnasium import spaces

from foveal.agents import runs
from foveal.agents.ppo import PPOConfig
from foveal.agents.runs import Metrics, Run, RunError, load_agent, plot_curve, read_metrics

CONFIG = PPOConfig(network_sizes={"width": 16})
SPACES = spaces.Box(-1.0, 1.0, (5, 5), np.float32), spaces.Discrete(5)


def weights(seed=0):
    policy = dataclasses.replace(CONFIG, seed=seed).make_policy(*SPACES)
    return {f"policy/{name}": tensor.numpy() for name, tensor in policy.state_dict().items()}


@pytest.fixture
def run(tmp_path):
    """A run with three checkpoints, the second the best."""
    made = Run.create(tmp_path / "run", CONFIG)
    for step, score in ((0, None), (100, 7.0), (200, 6.0)):
        made.save(step, {**weights(seed=step), "odd": np.array(step)}, {"seconds": step / 10}, score)
    return made


def names(run):
    return sorted(path.name for path in run.checkpoints.iterdir())


def alter(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_is_a_folder_of_plain_files(run):
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "config.json", "manifest.json"]
    assert names(run) == [f"step-000000{step:03d}.{kind}" for step in (0, 100, 200) for kind in ("json", "safetensors")]
    header = json.loads((run.path / "config.json").read_text())
    assert header["format"] == runs.FORMAT
    assert header["config"] == dataclasses.asdict(CONFIG)
    assert {"foveal", "torch", "numpy", "numba"} <= header["versions"].keys()
    assert header["cores"] >= 1
    assert {"commit", "processor", "created"} <= header.keys()
    assert Run(run.path).config == CONFIG


def test_checkpoints_come_back_bit_for_bit(tmp_path):
    run = Run.create(tmp_path / "run", CONFIG)
    generator = np.random.default_rng(0)
    arrays = {
        "float": generator.normal(size=(3, 4)).astype(np.float32),
        "transposed": generator.normal(size=(3, 4)).T,
        "scalar": np.array(7),
        "none": np.zeros((0, 3), np.uint8),
        "flags": np.array([True, False]),
        "words": np.array([2**64 - 1], np.uint64),
    }
    run.save(5, arrays, {"seconds": 1.5}, 2.0)
    loaded = run.load()
    assert loaded.path == run.checkpoints / "step-000000005.safetensors"
    assert loaded.facts == {"format": 1, "step": 5, "score": 2.0, "seconds": 1.5}
    assert loaded.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], array, strict=True)


def test_the_last_three_and_the_best_stay(run):
    for step in range(300, 800, 100):
        run.save(step, weights(), {}, None if step == 400 else 5.0)
    manifest = json.loads((run.path / "manifest.json").read_text())
    kept = [f"step-000000{step}" for step in (100, 500, 600, 700)]
    assert list(manifest["checkpoints"]) == kept
    assert manifest["best"] == kept[0]
    assert names(run) == [f"{name}.{kind}" for name in kept for kind in ("json", "safetensors")]
    assert run.load("best").facts["step"] == 100
    run.save(800, weights(), {}, 7.5)
    assert run.load("best").facts["step"] == 800
    assert len(names(run)) == 6


def test_a_folder_takes_one_run(run):
    with pytest.raises(RunError, match="holds a run already"):
        Run.create(run.path, CONFIG)
    assert Run(run.path).load().facts["step"] == 200


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*Not a directory"):
        Run.create(tmp_path / "file" / "run", CONFIG)


def test_no_run_names_the_nearest(run):
    with pytest.raises(RunError, match=r"no run in .*rum; did you mean 'run'"):
        Run(run.path.parent / "rum")
    with pytest.raises(RunError, match=r"no run in .*elsewhere"):
        load_agent(run.path / "elsewhere" / "run")


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-7], lambda data: b"", lambda data: data[:-1] + bytes([data[-1] ^ 1])]
)
@pytest.mark.parametrize("kind", ["safetensors", "json"])
def test_a_torn_checkpoint_is_passed_over(run, spoil, kind):
    path = run.checkpoints / f"step-000000200.{kind}"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.warns(RuntimeWarning, match=r"step-000000200 is passed over: .*torn or altered"):
        assert run.load().facts["step"] == 100
    with pytest.raises(RunError, match="torn or altered"):
        run.load("step-000000200")


def test_a_lost_checkpoint_is_passed_over(run):
    (run.checkpoints / "step-000000200.json").unlink()
    with pytest.warns(RuntimeWarning, match="passed over: No such file"):
        assert run.load().facts["step"] == 100


def test_a_foreign_checkpoint_is_passed_over(run):
    for kind in ("safetensors", "json"):
        data = (run.checkpoints / f"step-000000100.{kind}").read_bytes()
        (run.checkpoints / f"step-000000900.{kind}").write_bytes(data)
    with pytest.warns(RuntimeWarning, match="step-000000900 is passed over: not in the manifest"):
        assert run.load().facts["step"] == 200


def test_no_sound_checkpoint_is_an_error(run):
    for path in run.checkpoints.glob("*.safetensors"):
        path.write_bytes(b"torn")
    with pytest.warns(RuntimeWarning), pytest.raises(RunError, match="no sound checkpoint among 3"):
        run.load()
    assert run.last_good() == "no checkpoint is left"


def test_a_name_leads_nowhere_else(run):
    outside = run.path.parent / "step-000000300"
    for kind in ("safetensors", "json"):
        outside.with_suffix(f".{kind}").write_bytes((run.checkpoints / f"step-000000200.{kind}").read_bytes())

    def point_outside(manifest):
        manifest["checkpoints"]["../../step-000000300"] = manifest["checkpoints"]["step-000000200"]
        manifest["best"] = "../../step-000000300"

    alter(run.path / "manifest.json", point_outside)
    with pytest.raises(RunError, match="not in the manifest"):
        run.load("best")


def test_oversized_files_are_not_read(run, monkeypatch):
    monkeypatch.setitem(runs._LIMITS, ".safetensors", 1000)
    with pytest.warns(RuntimeWarning, match="bytes, the limit is 1000"), pytest.raises(RunError, match="no sound"):
        run.load()


@pytest.mark.parametrize("file", ["config.json", "manifest.json"])
def test_a_newer_version_is_refused(run, file):
    alter(run.path / file, lambda content: content.update(format=runs.FORMAT + 1))
    with pytest.raises(
        RunError, match=rf"{file} has format 2 and was written by a newer foveal; this one reads up to 1"
    ):
        load_agent(run.path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", "{", "config.json is not JSON"),
        ("config.json", "[" * 100_000, "config.json is not JSON"),
        ("config.json", "[]", "config.json has no format version"),
        ("config.json", '{"format": "1"}', "config.json has no format version"),
        ("config.json", '{"format": 1}', "unknown learner None"),
        ("config.json", '{"format": 1, "learner": "ppo"}', "a configuration is a mapping"),
        ("manifest.json", '{"format": 1, "checkpoints": []}', "manifest.json lists no checkpoints"),
        ("manifest.json", "\xff", "manifest.json is not JSON"),
    ],
)
def test_broken_files_are_refused(run, file, text, message):
    (run.path / file).write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=message):
        load_agent(run.path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("gama", 0.9, "unknown configuration key 'gama'; did you mean 'gamma'"),
        ("gamma", 9.0, "gamma=9.0: must be in"),
        ("network", "__import__", "unknown network '__import__'"),
        ("network_sizes", {"width": 10**12}, "width=1000000000000: must be"),
        ("env_id", "os:system", "unknown world 'os:system'"),
        ("env_params", {"lanes": 3}, "unknown parameter 'lanes'; did you mean 'lanes_count'"),
    ],
)
def test_a_configuration_is_data(run, key, value, message):
    alter(run.path / "config.json", lambda header: header["config"].update({key: value}))
    with pytest.raises(RunError, match=message):
        load_agent(run.path)


def test_rewind_forgets_the_future(run):
    run.rewind(100)
    assert run.load("best").facts["step"] == 100
    with pytest.warns(RuntimeWarning, match="step-000000200 is passed over"):
        assert run.load().facts["step"] == 100
    run.rewind(0)
    assert json.loads((run.path / "manifest.json").read_text())["best"] is None
    with pytest.raises(RunError):
        run.load("best")


# Agents


def test_an_agent_acts(run):
    agent = load_agent(run.path)
    observations = np.random.default_rng(0).uniform(-1, 1, (6, 5, 5)).astype(np.float32)
    actions, told = agent(observations)
    assert actions.shape == (6,)
    assert actions.dtype == np.int64
    assert told["value"].shape == (6,)
    assert told["value"].dtype == np.float32
    assert told["attention"].shape == (6, 2, 5)
    np.testing.assert_allclose(told["attention"].sum(-1), 1, rtol=1e-5)
    policy = dataclasses.replace(CONFIG, seed=200).make_policy(*SPACES)
    with torch.no_grad():
        output = policy(torch.from_numpy(observations))
    np.testing.assert_array_equal(actions, output.distribution.mode())
    np.testing.assert_allclose(told["value"], output.values / (1 - CONFIG.gamma), rtol=1e-5)
    assert agent.config == CONFIG


def test_an_agent_of_a_named_checkpoint(run):
    observations = np.random.default_rng(0).uniform(-1, 1, (6, 5, 5))
    last, best = load_agent(run.path)(observations)[1], load_agent(run.path, checkpoint="best")(observations)[1]
    by_path = load_agent(run.checkpoints / "step-000000100.safetensors")(observations)[1]
    np.testing.assert_array_equal(best["value"], by_path["value"])
    assert not np.array_equal(best["value"], last["value"])


def test_an_agent_that_samples(run):
    observations = np.zeros((1000, 5, 5), np.float32)
    one, two = (load_agent(run.path, greedy=False, seed=3)(observations)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one)) == 5
    assert len(np.unique(load_agent(run.path)(observations)[0])) == 1


@pytest.mark.parametrize("shape", [(5, 5), (6, 5, 4), (6, 25)])
def test_an_agent_refuses_other_observations(run, shape):
    with pytest.raises(ValueError, match=r"observations have shape .*, expected \(N, 5, 5\)"):
        load_agent(run.path)(np.zeros(shape, np.float32))


def test_the_control_has_no_attention(tmp_path):
    config = dataclasses.replace(CONFIG, network="mlp")
    run = Run.create(tmp_path / "run", config)
    policy = config.make_policy(*SPACES)
    run.save(0, {f"policy/{name}": tensor.numpy() for name, tensor in policy.state_dict().items()}, {}, None)
    assert load_agent(run.path)(np.zeros((2, 5, 5)))[1].keys() == {"value"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("policy/policy_head.bias"), "array 'policy/policy_head.bias' is missing"),
        (lambda a: a.update({"policy/more": np.zeros(1)}), "array 'policy/more' is foreign"),
        (
            lambda a: a.update({"policy/policy_head.bias": np.zeros(4, np.float32)}),
            r"is float32 \(4,\), expected float32 \(5,\)",
        ),
        (lambda a: a.update({"policy/policy_head.bias": np.zeros(5)}), r"is float64 \(5,\), expected float32"),
        (lambda a: a["policy/policy_head.bias"].fill(math.nan), "array 'policy/policy_head.bias' is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(run, change, message):
    arrays = {name: array.copy() for name, array in weights().items()}
    change(arrays)
    path = run.save(300, arrays, {}, None)
    with pytest.raises(RunError, match=message) as caught:
        load_agent(run.path)
    assert str(path) in str(caught.value)


def test_hashes_do_not_make_a_file_sound(run):
    """A manifest that vouches for rubbish: still refused, without a traceback of another kind."""
    path = run.checkpoints / "step-000000200.safetensors"
    for rubbish in (b"", b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}", safetensors.numpy.save({})[:5]):
        path.write_bytes(rubbish)
        digest = runs._sha256(rubbish)
        alter(run.path / "manifest.json", lambda m, d=digest: m["checkpoints"]["step-000000200"].update(safetensors=d))
        with pytest.warns(RuntimeWarning, match="no safetensors file"):
            assert run.load().facts["step"] == 100


# Metrics and the curve


ROW = {"step": 0, "return_mean": None, "episodes": 0, "loss": 0.25}


def test_metrics_go_on_where_the_checkpoint_stands(run):
    with Metrics(run.path, 0, tensorboard=False) as metrics:
        for step in range(10, 60, 10):
            metrics.add({**ROW, "step": step})
    path = run.path / "metrics.csv"
    path.write_text(path.read_text() + "60,1.0,2")  # torn by a kill
    assert [row["step"] for row in read_metrics(path)] == ["10", "20", "30", "40", "50"]
    with Metrics(run.path, 30, tensorboard=False) as metrics:
        metrics.add({**ROW, "step": 40, "loss": 1 / 3})
    assert path.read_text() == ("step,return_mean,episodes,loss\n10,,0,0.25\n20,,0,0.25\n30,,0,0.25\n40,,0,0.333333\n")


def test_the_curve(run):
    assert plot_curve(run.path) is None
    with Metrics(run.path, 0, tensorboard=False) as metrics:
        metrics.add(ROW)
    assert plot_curve(run.path) is None
    with Metrics(run.path, 0, tensorboard=False) as metrics:
        for update in range(1, 100):
            metrics.add({**ROW, "step": update * 1000, "return_mean": math.sqrt(update), "episodes": update})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = plot_curve(run.path)
    assert path == run.path / "curve.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_smoothing_is_a_centred_mean_that_counts_episodes():
    values, episodes = np.random.default_rng(0).uniform(size=(2, 120))
    smoothed = runs._smoothed(values, episodes)
    for place, half in ((0, 0), (1, 1), (2, 2), (60, 3), (117, 2), (119, 0)):
        window = slice(place - half, place + half + 1)
        assert smoothed[place] == pytest.approx(np.average(values[window], weights=episodes[window]))
