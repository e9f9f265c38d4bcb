"""The kernel cache and row-parallel launches: other machines, other processes, other threads."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gymnasium
import numba
import numpy as np
import pytest

import foveal  # noqa: F401 (registers the ids)
from foveal import kernels

ROOT = Path(__file__).parents[1]
NOWHERE = "/proc/nonexistent"  # not even root can make folders there
FAST = "foveal/HighwayFast-v0"


def run(code, *, path=None, **environment):
    """The output of a fresh Python process."""
    environment = {**os.environ, **environment, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def tree(tmp_path):
    """A copy of the source as an importable package."""
    package = tmp_path / "site" / "foveal"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "foveal", package, ignore=ignored)
    shutil.copytree(ROOT / "envs", package / "envs", ignore=ignored)
    return package


@pytest.fixture
def fresh_cache(monkeypatch, tmp_path):
    """`cache_folder` asked anew, with nothing configured and everything under `tmp_path`."""
    monkeypatch.delenv("FOVEAL_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kernels.cache_folder.cache_clear()
    yield tmp_path
    kernels.cache_folder.cache_clear()


def doubled(x):
    return 2 * x


# The cache


def test_cache_folder_follows_kernel_sources_and_no_others(tree):
    names = run(
        """
        import pathlib, sys
        from foveal.kernels import cache_folder
        import foveal
        package = pathlib.Path(foveal.__file__).parent
        def edit(name):
            print(cache_folder().name)
            cache_folder.cache_clear()
            with open(package / name, "a") as file:
                file.write("# edited\\n")
        edit("envs/scene.py")
        edit("rng.py")
        edit("kernels.py")
        edit("envs/driving/collisions.py")
        print(cache_folder().name)
        """,
        path=tree.parent,
        FOVEAL_CACHE_DIR=str(tree.parent / "cache"),
    )
    start, after_scene, *after_kernels = names
    assert start == after_scene
    assert len({start, *after_kernels}) == 4


def test_other_processes_load_what_one_compiled_until_a_callee_changes(tree):
    (tree / "envs" / "inner.py").write_text(
        "from foveal.kernels import kernel\n\n@kernel\ndef inner(x):\n    return x + 1\n"
    )
    (tree / "envs" / "outer.py").write_text(
        "from foveal.kernels import kernel\nfrom foveal.envs.inner import inner\n\n"
        "@kernel\ndef outer(x):\n    return 10 * inner(x)\n"
    )
    code = """
        from foveal.envs.outer import outer
        print(outer(1), sum(outer.stats.cache_hits.values()), sum(outer.stats.cache_misses.values()))
        """
    cache = str(tree.parent / "cache")
    assert run(code, path=tree.parent, FOVEAL_CACHE_DIR=cache) == ["20", "0", "1"]
    assert run(code, path=tree.parent, FOVEAL_CACHE_DIR=cache) == ["20", "1", "0"]
    inner = tree / "envs" / "inner.py"
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    assert run(code, path=tree.parent, FOVEAL_CACHE_DIR=cache) == ["30", "0", "1"]


def test_a_tuple_whose_fields_change_places_is_compiled_anew(tree):
    """Numba knows a named tuple by its name and its fields' types alone."""
    pair, cache = tree / "envs" / "pair.py", str(tree.parent / "cache")
    (tree / "envs" / "first.py").write_text(
        "from foveal.kernels import kernel\n\n@kernel\ndef first(pair):\n    return pair.a\n"
    )
    for fields in ("a: int\n    b: int\n", "b: int\n    a: int\n"):
        pair.write_text(f"from typing import NamedTuple\n\n\nclass Pair(NamedTuple):\n    {fields}")
        code = """
            from foveal.envs.first import first
            from foveal.envs.pair import Pair
            print(first(Pair(a=1, b=2)))
            """
        assert run(code, path=tree.parent, FOVEAL_CACHE_DIR=cache) == ["1"]


def test_the_users_cache_is_preferred(fresh_cache):
    assert kernels.cache_folder().parent == fresh_cache / "xdg" / "foveal"


def test_the_cache_moves_by_environment_variable(fresh_cache, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(fresh_cache / "mine"))
    assert kernels.cache_folder().parent == fresh_cache / "mine"
    assert kernels.kernel(doubled)(3) == 6
    assert list(kernels.cache_folder().rglob("*.nbc"))


def test_without_a_writable_home_the_temporary_folder_serves(fresh_cache, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", NOWHERE)
    assert kernels.cache_folder().parent == fresh_cache / f"foveal-{os.getuid()}"
    assert kernels.kernel(doubled)(3) == 6
    assert list(kernels.cache_folder().rglob("*.nbc"))


def test_a_cache_that_someone_else_owns_is_not_trusted(fresh_cache, monkeypatch):
    theirs = kernels.cache_folder()
    kernels.cache_folder.cache_clear()
    real = os.lstat
    stranger = os.stat_result((*real(theirs)[:4], os.getuid() + 1, *real(theirs)[5:]))
    for owned_by_stranger in (theirs, theirs.parent):
        monkeypatch.setattr(Path, "lstat", lambda path, bad=owned_by_stranger: stranger if path == bad else real(path))
        assert kernels.cache_folder().parent == fresh_cache / f"foveal-{os.getuid()}"
        kernels.cache_folder.cache_clear()


@pytest.mark.parametrize("temporary", ["unwritable", "missing"])
def test_without_any_writable_folder_kernels_still_work_after_one_warning(fresh_cache, monkeypatch, temporary):
    monkeypatch.setenv("XDG_CACHE_HOME", NOWHERE)
    monkeypatch.setattr(tempfile, "tempdir", NOWHERE if temporary == "unwritable" else None)
    if temporary == "missing":
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [NOWHERE])
    with pytest.warns(RuntimeWarning, match="cannot write to /proc/nonexistent") as caught:
        compiled = [kernels.kernel(doubled), kernels.inlined(doubled), kernels.kernel(doubled)]
        assert [function(3) for function in compiled] == [6, 6, 6]
    assert len(caught) == 1


def test_a_world_imports_with_no_folder_to_write_to_and_one_warning():
    """Compiling the whole world would take half a minute, so one of its kernels stands for it."""
    printed = run(
        f"""
        import tempfile, warnings
        import numpy as np
        tempfile.tempdir = {NOWHERE!r}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            from foveal.envs.driving import highway
            from foveal.rng import philox
        print(len(caught), "%x %x" % philox(*np.zeros(3, np.uint64)))
        """,
        HOME=NOWHERE,
        XDG_CACHE_HOME=NOWHERE,
        FOVEAL_CACHE_DIR=NOWHERE,
        TMPDIR=NOWHERE,
    )
    assert printed == ["1", "e169c58d6627e8d5", "9b00dbd8bc57ac4c"]


def test_numbas_own_cache_setting_is_left_alone(fresh_cache, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(fresh_cache / "theirs"))
    kernels.kernel(doubled)
    assert str(fresh_cache / "theirs") == numba.config.CACHE_DIR
    theirs = numba.njit(doubled, cache=True)
    theirs(1)
    assert list((fresh_cache / "theirs").rglob("*.nbc"))


def test_kernels_keep_ieee_arithmetic(fresh_cache):
    def kahan(values):
        total = carry = 0.0
        for value in values:
            y = value - carry
            t = total + y
            carry = (t - total) - y
            total = t
        return total

    values = np.full(10_000, 0.1)
    for decorate in (kernels.kernel, kernels.inlined):
        assert decorate(kahan)(values) == kahan(values)
        assert np.isnan(decorate(lambda x: x / x)(0.0))


# Threads and forks


def rollout(seed, rows=64, steps=4):
    """Bytes of a big batch's rollout, which several threads share."""
    env = gymnasium.make_vec(FAST, num_envs=rows)
    env.reset(seed=seed)
    outs = [env.step((np.arange(rows) + step) % 5)[:4] for step in range(steps)]
    return b"".join(part.tobytes() for out in outs for part in out)


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("FOVEAL_THREADS", "2")


def test_a_launch_covers_every_row_once_whatever_the_threads(monkeypatch):
    @kernels.kernel
    def count(start, stop, visits):
        for row in range(start, stop):
            visits[row] += 1

    for threads in (1, 2, 5):
        monkeypatch.setenv("FOVEAL_THREADS", str(threads))
        for rows in (0, 1, 7, 16, 17, 100, 1001):
            visits = np.zeros(rows, np.int64)
            kernels.launch(count, rows, visits)
            assert (visits == 1).all()


def test_few_rows_run_in_the_calling_thread(two_threads):
    callers = []

    def note(start, stop):
        callers.append((threading.get_ident(), start, stop))

    kernels.launch(note, 15)
    assert callers == [(threading.get_ident(), 0, 15)]
    kernels.launch(note, 16)
    assert {thread for thread, *_ in callers[1:]} != {threading.get_ident()}
    assert sorted(piece for _, *piece in callers[1:]) == [[0, 8], [8, 16]]


def test_an_error_in_any_thread_reaches_the_caller(two_threads):
    def fail(start, stop):
        if start > 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kernels.launch(fail, 100)


def test_a_forked_child_steps_a_big_batch(two_threads):
    expected = rollout(1)
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs must not outlive the test
        os.write(writable, rollout(1)[:60_000])
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        assert pipe.read() == expected[:60_000]
    assert os.waitpid(child, 0)[1] == 0
    assert rollout(1) == expected


def test_forked_workers_step_big_batches(two_threads):
    expected = [rollout(seed) for seed in range(3)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(rollout, range(3), timeout=120)) == expected


def test_two_threads_step_big_batches_at_once(two_threads):
    expected = [rollout(seed, steps=30) for seed in range(2)]
    found = [None, None]
    start = threading.Barrier(2)

    def work(seed):
        start.wait()
        found[seed] = rollout(seed, steps=30)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == expected


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " "])
def test_a_bad_thread_count_is_named(monkeypatch, value):
    monkeypatch.setenv("FOVEAL_THREADS", value)
    with pytest.raises(ValueError, match=f"FOVEAL_THREADS='{value}': must be a whole number of at least 1"):
        gymnasium.make_vec(FAST, num_envs=64).reset(seed=0)


def test_the_thread_count_defaults_to_the_processors_allowed(monkeypatch):
    monkeypatch.delenv("FOVEAL_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5})
    assert kernels.thread_count() == 3
    monkeypatch.setenv("FOVEAL_THREADS", "7")
    assert kernels.thread_count() == 7
