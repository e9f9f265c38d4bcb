"""README and docs: each Python block runs, each `$ foveal …` line names a command and options that exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from foveal.cli import COMMANDS as COMMANDS_OF_FOVEAL

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = FENCE.findall((ROOT / "README.md").read_text())
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.removeprefix("$ ")
    for language, code in BLOCKS
    if language == "console"
    for line in code.replace("\\\n", " ").splitlines()
    if line.startswith("$ foveal ")
]


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"},  # so that a help page does not break option names
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all blocks, so that a later one may open what an earlier one wrote."""
    return tmp_path_factory.mktemp("readme")


def test_blocks_are_of_a_known_kind() -> None:
    """A block in another language would be run by nobody."""
    assert {language for language, _ in BLOCKS} <= {"python", "console", "text"}
    assert PYTHON
    assert COMMANDS


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_block_runs(number: int, folder: Path) -> None:
    script = folder / f"block_{number}.py"
    script.write_text(PYTHON[number])
    run(script.name, cwd=folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_exists(command: str, tmp_path: Path) -> None:
    _, *words = shlex.split(command, comments=True)
    name = words[:2] if " ".join(words[:2]) in COMMANDS_OF_FOVEAL else words[:1]
    arguments = words[len(name) :]
    help_page = run("-m", "foveal", *name, "--help", cwd=tmp_path)
    for argument in arguments:
        if argument.startswith("--"):
            assert argument.partition("=")[0] in help_page


def test_the_scenario_of_the_docs_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text()
    (_, scenario), (_, use) = (block for block in FENCE.findall(page) if block[0] == "python")
    name = re.search(r"save it as `(\w+\.py)`", page)
    assert name and sum(bool(line.strip()) for line in scenario.splitlines()) < 60
    (tmp_path / name[1]).write_text(scenario)
    (tmp_path / "use.py").write_text(use)
    assert "(256, 5, 5)" in run("use.py", cwd=tmp_path)
