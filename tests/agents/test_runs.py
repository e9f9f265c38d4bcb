import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy

from foveal.agents import runs
from foveal.agents.agent import load_agent
from foveal.agents.files import RunError
from foveal.agents.runs import Run


def names(run):
    return sorted(path.name for path in run.checkpoints.iterdir())


def alter(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_is_a_folder_of_plain_files(run, config):
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "config.json", "manifest.json"]
    assert names(run) == [f"step-000000{step:03d}.{kind}" for step in (0, 100, 200) for kind in ("json", "safetensors")]
    header = json.loads((run.path / "config.json").read_text())
    assert header["format"] == runs.FORMAT
    assert header["config"] == dataclasses.asdict(config)
    assert {"foveal", "torch", "numpy", "numba"} <= header["versions"].keys()
    assert header["cores"] >= 1
    assert {"commit", "processor", "created"} <= header.keys()
    assert Run(run.path).config == config


def test_checkpoints_come_back_bit_for_bit(tmp_path, config):
    run = Run.create(tmp_path / "run", config)
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


def test_the_last_three_and_the_best_stay(run, weights):
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


def test_a_folder_takes_one_run(run, config):
    with pytest.raises(RunError, match="holds a run already"):
        Run.create(run.path, config)
    assert Run(run.path).load().facts["step"] == 200


def test_a_folder_that_cannot_be_made(tmp_path, config):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*Not a directory"):
        Run.create(tmp_path / "file" / "run", config)


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
        ("network_options", {"width": 10**12}, "width=1000000000000: must be"),
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


def test_hashes_do_not_make_a_file_sound(run):
    """A manifest that vouches for rubbish: still refused, without a traceback of another kind."""
    path = run.checkpoints / "step-000000200.safetensors"
    for rubbish in (b"", b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}", safetensors.numpy.save({})[:5]):
        path.write_bytes(rubbish)
        digest = runs._sha256(rubbish)
        alter(run.path / "manifest.json", lambda m, d=digest: m["checkpoints"]["step-000000200"].update(safetensors=d))
        with pytest.warns(RuntimeWarning, match="no safetensors file"):
            assert run.load().facts["step"] == 100
