"""docs/perception.md: what it shows runs, and prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "perception.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SCRIPTS = [code for language, code in BLOCKS if language == "python"]


def printed(code, folder):
    (folder / "block.py").write_text(code)
    done = subprocess.run([sys.executable, "block.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_a_block_runs(number, tmp_path):
    out = printed(SCRIPTS[number].replace("steps=200", "steps=60"), tmp_path)  # which is enough to see that it learns
    (shown,) = [code for language, code in BLOCKS if language == "text"]
    if "inconsistency in" in SCRIPTS[number]:
        assert out == shown
    if "denoise.fit" in SCRIPTS[number]:
        noisy, filtered = (float(found) for found in re.findall(r"([\d.]+) dB", out))
        assert filtered > noisy + 4


def test_all_blocks_are_run():
    assert len(SCRIPTS) == 5 and {language for language, _ in BLOCKS} == {"python", "text"}
