import copy
import dataclasses
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.optics import rig_files
from foveal.optics.rig import RigCamera, RigSpec, mount
from foveal.optics.rig_files import load_rig, save_rig
from foveal.optics.rig_presets import PRESETS, nuscenes_like, preset

OURS = {
    "name": "two eyes",
    "cameras": [
        {
            "name": "left",
            "width": 640,
            "height": 480,
            "K": [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]],
            "T_rig_cam": [[0, 0, 1, 0], [-1, 0, 0, 0.06], [0, -1, 0, 0], [0, 0, 0, 1]],
        }
    ],
}
TOML = """
name = "two eyes"
[[cameras]]
name = "left"
width = 640
height = 480
K = [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]]
T_rig_cam = [[0, 0, 1, 0], [-1, 0, 0, 0.06], [0, -1, 0, 0], [0, 0, 0, 1]]
lens = "fisheye"
distortion = [0.1, 0, 0, 0]
rate_hz = 30
"""


def assert_same(one, other):
    assert one.name == other.name
    for left, right in zip(one.cameras, other.cameras, strict=True):
        for field in dataclasses.fields(left):
            mine, theirs = getattr(left, field.name), getattr(right, field.name)
            assert type(mine) is type(theirs), field.name
            np.testing.assert_array_equal(mine, theirs, err_msg=field.name)


@pytest.mark.parametrize("name", [*PRESETS, "room-ring-64"])
def test_presets_survive_json(name, tmp_path):
    save_rig(preset(name), tmp_path / "rig.json")
    assert_same(load_rig(tmp_path / "rig.json"), preset(name))
    assert [path.name for path in tmp_path.iterdir()] == ["rig.json"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([("pinhole", 0), ("pinhole", 8), ("fisheye", 4)]),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=64),
)
def test_any_rig_survives_json(tmp_path, seed, model, name):
    rng = np.random.default_rng(seed)
    (lens, count), (width, height) = model, rng.integers(2, 40, 2).tolist()
    K = [
        [rng.uniform(1, 99), 0, rng.uniform(0, width - 1)],
        [0, rng.uniform(1, 99), rng.uniform(0, height - 1)],
        [0, 0, 1],
    ]
    pose = mount(rng.uniform(-9, 9, 3), *rng.uniform(-4, 4, 3))
    mask = rng.random((height, width)) < 0.5 if seed % 2 else None
    if mask is not None:
        mask[0, 0] = True
    one = RigCamera(name, width, height, K, pose, lens, tuple(rng.normal(size=count)), rng.uniform(1, 99), mask)
    rig = RigSpec(name, (one, dataclasses.replace(one, name=name[:-1] + ("a" if name[-1] != "a" else "b"))))
    save_rig(rig, tmp_path / "rig.json")
    assert_same(load_rig(tmp_path / "rig.json"), rig)


def test_toml(tmp_path):
    (tmp_path / "rig.toml").write_text(TOML)
    rig = load_rig(tmp_path / "rig.toml")
    (eye,) = rig.cameras
    assert (rig.name, eye.name, eye.width, eye.lens, eye.distortion, eye.rate_hz) == (
        *("two eyes", "left", 640, "fisheye"),
        *((0.1, 0, 0, 0), 30),
    )
    np.testing.assert_allclose(eye.T_rig_cam, mount((0, 0.06, 0), 0), atol=1e-15)
    (tmp_path / "rig.toml").write_text(TOML.replace("500, 0, 319.5", "nan, 0, 319.5"))
    with pytest.raises(ValueError, match=r"rig.toml: cameras\[0\].K: 'nan' is no number"):
        load_rig(tmp_path / "rig.toml")
    (tmp_path / "rig.toml").write_text("a = [")
    with pytest.raises(ValueError, match=r"rig.toml: not TOML"):
        load_rig(tmp_path / "rig.toml")


CHANGES = {
    "no name": (lambda rig, eye: rig.pop("name"), "name: is missing"),
    "a name that is none": (lambda rig, eye: rig.update(name=[1]), "a rig's name must be"),
    "no cameras": (lambda rig, eye: rig.update(cameras=[]), "has 0 cameras"),
    "cameras that are none": (lambda rig, eye: rig.update(cameras={}), "cameras: must be a list"),
    "a camera that is none": (lambda rig, eye: rig.update(cameras=[3]), r"cameras\[0\]: must be an object with name"),
    "twice": (lambda rig, eye: rig["cameras"].append(eye), "2 cameras are called 'left'"),
    "a misspelt field": (lambda rig, eye: eye.update(rate=3), r"cameras\[0\].rate: unknown; known are name"),
    "no K": (lambda rig, eye: eye.pop("K"), r"cameras\[0\].K: is missing"),
    "text in K": (lambda rig, eye: eye["K"][0].__setitem__(0, "500"), r"cameras\[0\].K: '500' is no number"),
    "a truth in K": (lambda rig, eye: eye["K"][2].__setitem__(2, True), r"cameras\[0\].K: 'True' is no number"),
    "a huge number": (lambda rig, eye: eye["K"][0].__setitem__(2, 10**400), r"cameras\[0\].K: '1000"),
    "a short K": (lambda rig, eye: eye["K"].pop(), r"cameras\[0\].K: must be 3 by 3 numbers"),
    "a flat K": (lambda rig, eye: eye.update(K=[1] * 9), r"cameras\[0\].K: must be 3 by 3 numbers"),
    "a singular K": (lambda rig, eye: eye["K"][0].__setitem__(0, 0), "camera 'left': K: is singular"),
    "millimetres": (lambda rig, eye: eye["T_rig_cam"][1].__setitem__(3, 60), "are these millimetres"),
    "left-handed": (lambda rig, eye: eye["T_rig_cam"][1].__setitem__(0, 1), "left-handed"),
    "half a width": (lambda rig, eye: eye.update(width=640.5), "width=640.5: must be a whole number"),
    "a text as width": (lambda rig, eye: eye.update(width="640"), "width='640': must be a whole number"),
    "a picture of another size": (lambda rig, eye: eye.update(width=320, height=200), "is outside of the picture"),
    "a lens of none": (lambda rig, eye: eye.update(lens=[1]), r"cameras\[0\].lens: must be text"),
    "an unknown lens": (lambda rig, eye: eye.update(lens="mirror"), "lens='mirror': must be one of"),
    "text as distortion": (lambda rig, eye: eye.update(distortion="0000"), r"cameras\[0\].distortion: must be a list"),
    "no distortion": (lambda rig, eye: eye.update(distortion=None), r"cameras\[0\].distortion: must be a list"),
    "a rate in text": (lambda rig, eye: eye.update(rate_hz="fast"), r"cameras\[0\].rate_hz: 'fast' is no number"),
    "a mask elsewhere": (lambda rig, eye: eye.update(mask="../m.png"), r"cameras\[0\].mask: must be the name of a PNG"),
    "a mask at a root": (lambda rig, eye: eye.update(mask="/etc/m.png"), r"mask: must be the name of a PNG"),
    "a mask of numbers": (lambda rig, eye: eye.update(mask=[[1]]), r"mask: must be the name of a PNG"),
    "no mask": (lambda rig, eye: eye.update(mask="none.png"), r"mask: none.png: No such file"),
    "a broken mask": (lambda rig, eye: eye.update(mask="broken.png"), r"mask: broken.png: cannot identify image file"),
    "a small mask": (
        lambda rig, eye: eye.update(mask="small.png"),
        r"small.png: has 4 x 3 pixels, must have 640 x 480",
    ),
}


@pytest.mark.parametrize("change, told", CHANGES.values(), ids=CHANGES)
def test_faults_of_our_layout_name_file_and_field(change, told, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG but not really")
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((3, 4), np.uint8))
    rig = copy.deepcopy(OURS)
    change(rig, rig["cameras"][0])
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(rig))
    with pytest.raises(ValueError, match=told) as caught:
        load_rig(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "must be an object"),
        ('{"name": NaN}', "NaN is no number"),
        ('{"name": "\\ud800", "cameras": []}', "a rig's name must be"),
        ("9" * 5000, "not JSON"),
        ("\x00", "not JSON"),
    ],
)
def test_what_is_no_rig(text, told, tmp_path):
    (tmp_path / "rig.json").write_text(text)
    with pytest.raises(ValueError, match=told) as caught:
        load_rig(tmp_path / "rig.json")
    assert "\n" not in str(caught.value) and "rig.json: " in str(caught.value)


def test_files_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        load_rig(tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"rig.pkl: must end in .json, .toml, .yml or .yaml"):
        load_rig(tmp_path / "rig.pkl")
    with pytest.raises(ValueError, match=r"rig.toml: must end in .json"):
        save_rig(nuscenes_like(), tmp_path / "rig.toml")
    (tmp_path / "rig.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not JSON"):
        load_rig(tmp_path / "rig.json")
    save_rig(nuscenes_like(), tmp_path / "rig.json")
    with pytest.raises(ValueError, match="tokens are for nuScenes"):
        load_rig(tmp_path / "rig.json", ["a"])
    monkeypatch.setattr(rig_files, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="has more than 100 bytes"):
        load_rig(tmp_path / "rig.json")


def nuscenes(folder, change=None):
    """Two tables of nuScenes: two calibrations of a camera to the front, one to the back, and a lidar's."""
    folder.mkdir()
    intrinsic = [[1000, 0, 799.5], [0, 1000, 449.5], [0, 0, 1]]
    front = {"translation": [1.7, 0, 1.5], "rotation": [0.5, -0.5, 0.5, -0.5], "camera_intrinsic": intrinsic}
    back = {"translation": [0, 0, 1.5], "rotation": [0.5, -0.5, -0.5, 0.5], "camera_intrinsic": intrinsic}
    lidar = {"translation": [0.9, 0, 1.8], "rotation": [1, 0, 0, 0], "camera_intrinsic": []}
    sensors = [("s0", "CAM_FRONT", "camera"), ("s1", "CAM_BACK", "camera"), ("s2", "LIDAR_TOP", "lidar")]
    tables = {
        "sensor": [{"token": token, "channel": channel, "modality": kind} for token, channel, kind in sensors],
        "calibrated_sensor": [
            {"token": "c0", "sensor_token": "s0", **front},
            {"token": "c1", "sensor_token": "s1", **back},
            {"token": "c2", "sensor_token": "s2", **lidar},
            {"token": "c3", "sensor_token": "s0", **front, "translation": [1.8, 0, 1.5]},
        ],
    }
    tables = copy.deepcopy(tables)
    if change:
        change(tables["calibrated_sensor"], tables["sensor"])
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    return folder / "calibrated_sensor.json"


def test_nuscenes_tables(tmp_path):
    path = nuscenes(tmp_path / "v1.0-mini")
    rig = load_rig(path, ["c1", "c3"])
    assert [one.name for one in rig.cameras] == ["CAM_BACK", "CAM_FRONT"] and rig.name == "v1.0-mini"
    back, front = rig.cameras
    np.testing.assert_allclose(front.T_rig_cam, mount((1.8, 0, 1.5), 0), atol=1e-12)
    np.testing.assert_allclose(back.T_rig_cam, mount((0, 0, 1.5), np.pi), atol=1e-12)
    assert (front.width, front.height, front.rate_hz, front.K[0, 0]) == (1600, 900, 12, 1000)
    with pytest.raises(ValueError, match=r"\[3\]: another calibration of CAM_FRONT; pass the tokens of one rig"):
        load_rig(path)
    with pytest.raises(ValueError, match="no camera has the token 'c9'"):
        load_rig(path, ["c1", "c9"])
    with pytest.raises(ValueError, match="no camera has the token 'c2'"):
        load_rig(path, ["c2"])
    unhashable = nuscenes(tmp_path / "unhashable", lambda table, _: table[0].update(token=[], sensor_token={}))
    assert len(load_rig(unhashable, ["c3"]).cameras) == 1
    same = nuscenes(tmp_path / "same", lambda table, _: table[3].update(translation=[1.7, 0, 1.5]))
    assert len(load_rig(same).cameras) == 2


NUSCENES_CHANGES = {
    "no quaternion": (lambda table, _: table[0].pop("rotation"), r"\[0\].rotation: is missing"),
    "no unit quaternion": (lambda table, _: table[0].update(rotation=[1, 1, 0, 0]), "no unit quaternion"),
    "a long quaternion": (lambda table, _: table[0].update(rotation=[1] * 5), r"\[0\].rotation: must be 4 numbers"),
    "text": (lambda table, _: table[1].update(translation=["a", 0, 0]), r"\[1\].translation: 'a' is no number"),
    "millimetres": (lambda table, _: table[1].update(translation=[0, 0, 1500]), r"\[1\]: camera 'CAM_BACK': T_rig_cam"),
    "no token": (lambda table, _: table[1].pop("token"), r"\[1\]: must be an object with token"),
    "a number": (lambda table, _: table.insert(0, 3), r"\[0\]: must be an object"),
    "no modality": (lambda _, sensor: sensor[0].pop("modality"), "sensor.json: must be nuScenes' sensors"),
    "no cameras": (lambda _, sensor: sensor.clear(), "has 0 cameras"),
    "a sensor that is none": (lambda _, sensor: sensor.append(3), "sensor.json: must be nuScenes' sensors"),
}


@pytest.mark.parametrize("change, told", NUSCENES_CHANGES.values(), ids=NUSCENES_CHANGES)
def test_faults_of_nuscenes_tables(change, told, tmp_path):
    path = nuscenes(tmp_path / "tables", change)
    with pytest.raises(ValueError, match=told) as caught:
        load_rig(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_nuscenes_without_sensors(tmp_path):
    path = nuscenes(tmp_path / "tables")
    path.with_name("sensor.json").unlink()
    with pytest.raises(FileNotFoundError):
        load_rig(path, ["c1"])


def opencv(path, change=None):
    """A FileStorage of a camera with Brown's distortion and a fisheye, as OpenCV's Python writes it."""
    turn = mount((0, 0, 0), 0.3)[:3, :3].T
    K = np.array([[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    shared = {"image_width": 640, "image_height": 480, "camera_matrix": K, "R": turn}
    position = np.array([1.0, 2.0, 3.0])
    shared["T"] = -turn @ position[:, None]
    cameras = [
        {"name": "left", **shared, "distortion_coefficients": np.array([[0.1, 0.01, 0, 0, 0]]).T, "avg_error": 0.3},
        {"name": "right", **shared, "distortion_coefficients": np.zeros((4, 1)), "fisheye_model": 1},
        {"name": "plain", **shared},
    ]
    if change:
        change(cameras)
    storage = cv2.FileStorage(str(path), cv2.FileStorage_WRITE)
    storage.startWriteStruct("cameras", cv2.FileNode_SEQ)
    for camera in cameras:
        storage.startWriteStruct("", cv2.FileNode_MAP)
        for name, value in camera.items():
            storage.write(name, value)
        storage.endWriteStruct()
    storage.endWriteStruct()
    storage.release()
    return path


def test_opencv_yaml(tmp_path):
    rig = load_rig(opencv(tmp_path / "stereo.yml"))
    left, right, plain = rig.cameras
    assert rig.name == "stereo"
    assert (left.name, left.lens, left.distortion) == ("left", "pinhole", (0.1, 0.01, 0, 0, 0))
    assert (right.lens, right.distortion) == ("fisheye", (0.0,) * 4) and plain.distortion == ()
    for one in rig.cameras:
        np.testing.assert_allclose(one.T_rig_cam, mount((1, 2, 3), 0.3), atol=1e-12)
        assert (one.width, one.height, one.K[0, 2]) == (640, 480, 319.5)


OPENCV_CHANGES = {
    "no R": (lambda cameras: cameras[0].pop("R"), r"cameras\[0\].R: is missing"),
    "a short T": (
        lambda cameras: cameras[0].update(T=np.zeros((2, 1))),
        r"cameras\[0\].T: must be a matrix of 3 numbers",
    ),
    "a number as K": (lambda cameras: cameras[0].update(camera_matrix=3.0), "camera_matrix: must be a matrix of 9"),
    "text as K": (lambda cameras: cameras[0].update(camera_matrix="K"), "camera_matrix: must be a matrix of 9"),
    "NaN": (lambda cameras: cameras[1].update(T=np.full((3, 1), np.nan)), r"cameras\[1\].T: 'nan' is no number"),
    "half a pixel": (lambda cameras: cameras[0].update(image_width=640.5), "width=640.5: must be a whole number"),
    "a name in numbers": (lambda cameras: cameras[0].update(name=3), "a camera's name must be"),
    "millimetres": (lambda cameras: cameras[0].update(T=np.full((3, 1), 60.0)), "are these millimetres"),
    "long distortion": (
        lambda cameras: cameras[0].update(distortion_coefficients=np.zeros((14, 1))),
        "distortion: has 14 numbers, a pinhole has 0, 4, 5, 8",
    ),
    "no cameras": (lambda cameras: cameras.clear(), r"cameras: must be a sequence of 1 to 512"),
}


@pytest.mark.parametrize("change, told", OPENCV_CHANGES.values(), ids=OPENCV_CHANGES)
def test_faults_of_opencv_yaml(change, told, tmp_path):
    path = opencv(tmp_path / "rig.yaml", change)
    with pytest.raises(ValueError, match=told) as caught:
        load_rig(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


HOSTILE = {
    "other": "a: 1",
    "xml": "<?xml version='1.0'?><opencv_storage/>",
    "header only": "%YAML:1.0\n---\n",
    "torn": "%YAML:1.0\n---\ncameras:\n   - { name: [",
    "a sequence of numbers": "%YAML:1.0\n---\ncameras: [ 1, 2 ]\n",
    "a huge matrix": "%YAML:1.0\n---\ncameras:\n   - { name: a, image_width: 4, image_height: 4, R: !!opencv-matrix\n"
    "      { rows: 100000, cols: 100000, dt: d, data: [ 1. ] } }\n",
    "nested brackets": "%YAML:1.0\n---\na: " + "[" * 300_000,
    "nested dashes": "%YAML:1.0\n---\na:\n " + "- " * 300_000,
    "nested maps": "%YAML:1.0\n---\na: " + "{a: " * 300_000,
    "nested within bounds": "%YAML:1.0\n---\na: " + "[" * 9_999 + "]" * 9_999,
}


def test_hostile_opencv_files_do_not_kill_the_process(tmp_path):
    """In a process of its own, as OpenCV's parser overflows the stack where it is let."""
    for number, text in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}.yml").write_text(text)
    script = (
        "import sys\nfrom foveal.optics.rig_files import load_rig\n"
        "for path in sys.argv[1:]:\n    try:\n        load_rig(path)\n"
        "    except ValueError as error:\n        print('refused', ascii(str(error)))\n"
    )
    paths = [str(tmp_path / f"{number}.yml") for number in range(len(HOSTILE))]
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(HOSTILE) and all(line.startswith("refused") for line in lines)
    assert all(path in line and "\\n" not in line for path, line in zip(paths, lines, strict=True))
