"""Every example in a docstring of `foveal.*` does what it shows."""

import doctest
import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]


def modules() -> list[str]:
    """All modules, by the packages' own paths: `foveal.__path__` alone misses the folders mapped into it."""
    found = set(PACKAGES)
    for package in map(importlib.import_module, PACKAGES):
        found |= {module.name for module in pkgutil.iter_modules(package.__path__, package.__name__ + ".")}
    return sorted(found)


@pytest.mark.parametrize("name", modules())
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith("langchain"):
            raise
        pytest.skip("LangChain is not installed (pip install foveal[llm])")
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert results.failed == 0
