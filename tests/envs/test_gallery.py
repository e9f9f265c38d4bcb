"""One picture of many worlds."""

import numpy as np
import pytest

from foveal.cli import main
from foveal.envs.gallery import GAP, TITLE, arranged, contact_sheet
from foveal.envs.registration import WORLDS


def test_every_world_is_on_the_sheet():
    sheet = contact_sheet(width=160)
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (3 * GAP + 2 * 160, 3)
    assert sheet.shape[0] > (TITLE + 20) * len(WORLDS) / 2


def test_frames_stand_whole_in_the_shortest_column_under_their_titles():
    rng = np.random.default_rng(0)
    frames = {
        name: rng.integers(1, 255, (height, 90, 3), np.uint8) for name, height in (("a", 30), ("b", 9), ("c", 12))
    }
    sheet = arranged(frames)
    for name, column, y in (("a", 0, GAP + TITLE), ("b", 1, GAP + TITLE), ("c", 1, 2 * GAP + 2 * TITLE + 9)):
        x = GAP + column * (90 + GAP)
        np.testing.assert_array_equal(sheet[y : y + len(frames[name]), x : x + 90], frames[name])
        assert sheet[y - TITLE : y, x : x + 90].max() > 200  # the title


def test_frames_of_several_widths_or_none_are_refused():
    with pytest.raises(ValueError, match=r"\[8, 9\]"):
        arranged({"a": np.zeros((4, 8, 3), np.uint8), "b": np.zeros((4, 9, 3), np.uint8)})
    with pytest.raises(ValueError, match="one width"):
        arranged({})


def test_the_command_draws_a_png(tmp_path, capsys):
    import cv2

    path = tmp_path / "new" / "merge.png"
    assert main(["list", "foveal/Merge-v0", "--picture", str(path)]) == 0
    assert cv2.imread(str(path)).shape[1] == 640 + 2 * GAP
    assert main(["list", "--picture", str(tmp_path / "merge.jpg")]) == 2
    assert "must end in .png" in capsys.readouterr().err
    assert main(["list", "--picture", str(path / "below.png")]) == 2
    assert main(["list", "foveal/Marge-v0", "--picture", str(path)]) == 2
