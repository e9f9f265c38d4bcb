"""The wheel: one import name, every folder of the tree in it, and a light `import foveal`."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEIGHTS = ("objectnav", "rooms", "surround", "types")
PRIORS = ("counts", "model")
DIETS = ("upright", "turned", "lit_from_below", "random_light", "straight", "curved", "shuffled")
SEERS = (*DIETS, "street_depth")
LEFT_TURN = ("", "-vote", *(f"-no-memory{more}" for more in ("", "-no-risk", "-no-heuristics")))
TABLES = (*(f"LeftTurn{name}" for name in LEFT_TURN), "Merge-no-memory", "Highway-no-memory")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {name: folder for name, folder in SETUPTOOLS["package-dir"].items() if name} | {"foveal": "src/foveal"}
HEAVY = {"cv2", "highway_env", "langchain", "matplotlib", "numba", "scipy", "stable_baselines3", "torch"}


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def modules_on_disk() -> set[str]:
    """Paths inside a wheel that the Python files of the tree should get."""
    return {
        str(Path(*name.split("."), path.relative_to(ROOT / folder)))
        for name, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("*.py")
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, since setuptools leaves its work files in the tree it builds."""
    source = tmp_path_factory.mktemp("source")
    for file in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / file, source)
    for folder in (*FOLDERS.values(), "tests"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    pip_wheel = (
        "pip",
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        "dist",
        ".",
    )
    run(sys.executable, "-m", *pip_wheel, cwd=source)
    [built] = source.glob("dist/*.whl")
    return built


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment with nothing but the wheel."""
    home = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python")
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=home)
    return home


def test_wheel_holds_exactly_the_modules_on_disk(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if name.endswith(".py")} == modules_on_disk()
    weights = {f"foveal/agents/weights/{name}.{end}" for name in WEIGHTS for end in ("json", "safetensors")}
    weights |= {f"foveal/agents/weights/whereabouts-{name}.json" for name in PRIORS}
    weights |= {f"foveal/vision/weights/{name}.{end}" for name in SEERS for end in ("json", "safetensors")}
    told = {f"foveal/experiments/advice/{name}.json" for name in TABLES}
    others = {name for name in names if name.startswith("foveal/") and not name.endswith(".py")}
    assert others == {"foveal/py.typed"} | weights | told


def test_package_list_is_complete() -> None:
    folders = {path.rpartition("/")[0].replace("/", ".") for path in modules_on_disk()}
    assert set(SETUPTOOLS["packages"]) == folders


def test_every_package_has_an_init() -> None:
    modules = modules_on_disk()
    assert not {p for p in SETUPTOOLS["packages"] if p.replace(".", "/") + "/__init__.py" not in modules}


def test_one_top_level_name(venv: Path) -> None:
    [site] = venv.glob("lib/python*/site-packages")
    names = {path.name for path in site.iterdir()}
    [info] = [name for name in names if name.endswith(".dist-info")]
    assert info.startswith("foveal-")
    assert names == {"foveal", info}
    assert (venv / "bin/foveal").exists()


def test_import_is_light(venv: Path, tmp_path: Path) -> None:
    """The installed wheel, with the dependencies of this environment but not its editable foveal."""
    show = "import sys, foveal; print(foveal.__file__); print(*sys.modules)"
    dependencies = os.pathsep.join(
        filter(None, (os.environ.get("PYTHONPATH"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    )
    out = run(venv / "bin/python", "-c", show, cwd=tmp_path, PYTHONPATH=dependencies)
    file, modules = out.splitlines()
    assert Path(file).is_relative_to(venv)
    assert not HEAVY & set(modules.split())


@pytest.mark.parametrize("folder", sorted(set(FOLDERS.values()) - {"src/foveal"}))
def test_folders_refuse_to_be_top_level(folder: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"import foveal.{folder}" in done.stderr.splitlines()[-1]
