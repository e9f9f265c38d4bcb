"""`foveal rig check`: what it prints and draws, and that bad input gets one line and exit status 2."""

import json

import cv2
import numpy as np
import pytest

from foveal.cli import main
from foveal.optics.rig import RigCamera, RigSpec, mount
from foveal.optics.rig_files import save_rig
from foveal.optics.rig_presets import nuscenes_like

DOWN = RigSpec(
    r"down $\frac$",
    (RigCamera(r"$\eye$", 40, 20, [[20, 0, 19.5], [0, 20, 9.5], [0, 0, 1]], mount((0, 0, 3), 0, -np.pi / 2)),),
)


def test_tables(capsys):
    assert main(["rig", "check", "nuscenes-like"]) == 0
    out, error = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert error == ""
    back = "back pinhole 1600 x 900 12 89.3 x 58.2 89.3 179.9 0.0 0.0 0.03, 0.00, 1.58"
    assert back.split() in lines
    for pair in ("front front_left 9.3 0.50", "back_left back 4.6 1.12", "front_right front 7.7 0.53"):
        assert pair.split() in lines
    assert out.endswith("blind sectors of the horizon [degrees from forward, left is positive]: none\n")


def test_blind_sectors(capsys):
    assert main(["rig", "check", "room-ring-4"]) == 0
    assert (
        ": -140.7 to -129.3, -50.7 to -39.3, 39.3 to 50.7, 129.3 to 140.7 (45.4 together)\n" in capsys.readouterr().out
    )


def test_a_file(capsys, tmp_path):
    save_rig(nuscenes_like(), tmp_path / "rig.json")
    assert main(["rig", "check", str(tmp_path / "rig.json")]) == 0
    from_file = capsys.readouterr().out
    assert main(["rig", "check", "nuscenes-like"]) == 0
    assert capsys.readouterr().out == from_file


def test_one_camera_that_looks_down(capsys, tmp_path):
    save_rig(DOWN, tmp_path / "down.json")
    assert main(["rig", "check", str(tmp_path / "down.json"), "--picture", str(tmp_path / "down.png")]) == 0
    out = capsys.readouterr().out
    assert "neighbour" not in out and out.endswith(": -180.0 to 180.0\n")
    assert (cv2.imread(str(tmp_path / "down.png")) < 128).any()


@pytest.mark.parametrize("name", ["nuscenes-like", "room-ring-20"])
def test_picture(name, capsys, tmp_path):
    path = tmp_path / "pictures" / "rig.png"
    assert main(["rig", "check", name, "--picture", str(path)]) == 0
    picture = cv2.imread(str(path))
    assert picture.shape == (750, 1560, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    assert (picture[[0, -1]] == 255).all() and (picture[:, [0, -1]] == 255).all()  # nothing is cut off


@pytest.mark.parametrize(
    "words, told",
    [
        ("", "RIG"),
        ("nuscenes", "nuscenes: neither a file nor a preset; did you mean 'nuscenes-like'?"),
        ("none.json", "none.json: No such file or directory"),
        ("rig.pkl", "rig.pkl: must end in .json, .toml, .yml or .yaml"),
        ("room-ring-0", "count=0: must be in [1, 64]"),
        ("nuscenes-like --picture rig.jpg", "--picture rig.jpg: must end in .png"),
        ("nuscenes-like --pictur rig.png", "unknown option '--pictur'; did you mean '--picture'?"),
        (
            "millimetres.json",
            "millimetres.json: camera '$\\\\eye$': T_rig_cam: its position is 1700 m from the rig's origin",
        ),
        ("nuscenes-like --picture millimetres.json/rig.png", "millimetres.json"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_rig(DOWN, tmp_path / "millimetres.json")
    document = json.loads((tmp_path / "millimetres.json").read_text())
    document["cameras"][0]["T_rig_cam"][0][3] = 1700
    (tmp_path / "millimetres.json").write_text(json.dumps(document))
    assert main(["rig", "check", *words.split()]) == 2
    error = capsys.readouterr().err
    assert told in error and error.startswith("foveal: ") and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["millimetres.json"]
