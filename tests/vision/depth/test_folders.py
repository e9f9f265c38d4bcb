"""Folders of nuScenes and DDAD, made small: images, calibration, motion and sparse depth as they were put in."""

import json

import numpy as np
import pytest
from PIL import Image

from foveal.optics.transforms import invert
from foveal.vision.depth import folders
from foveal.vision.depth.folders import DDAD_CAMERAS, NUSCENES_CAMERAS, load_ddad, load_nuscenes

from .rigs import nuscenes

SIZE = (18, 32)
K, E = (x.numpy() for x in nuscenes(*SIZE, square=False))
WALL_M = 12.0
MOMENTS = 3


def quaternion(turn):
    """w, x, y, z of a rotation (3, 3), by the eigenvector of its symmetric matrix."""
    (a, b, c), (d, e, f), (g, h, i) = turn
    matrix = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    return np.linalg.eigh(matrix)[1][:, -1]


def world(moment, of="camera"):
    """T_world_rig (4, 4); of the laser a little later, when the rig has moved on."""
    angle = 0.3 + 0.1 * moment
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[:3, 3] = 400 + 0.8 * moment + 0.2 * (of == "laser"), -250, 10
    return T


def scan(moment):
    """Points (M, 3) in world coordinates: a wall round the rig, of which each camera sees some."""
    angle, height = np.meshgrid(np.linspace(-np.pi, np.pi, 400), np.linspace(0.5, 2.5, 9))
    points = np.stack([WALL_M * np.cos(angle), WALL_M * np.sin(angle), height], -1).reshape(-1, 3)
    return points @ world(moment)[:3, :3].T + world(moment)[:3, 3]


LASER = np.eye(4)
LASER[:3, 3] = 0.9, 0.0, 1.8


def colour(moment, camera):
    return (20 * camera + 10, 60 * moment + 30, 200)


def picture(path, moment, camera, size=(32, 18)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour(moment, camera)).save(path)


def in_laser(moment):
    T = invert(world(moment, "laser") @ LASER)
    return scan(moment) @ T[:3, :3].T + T[:3, 3]


def nuscenes_folder(root, scenes=("s1",)):
    tables = {name: [] for name in ("sample", "sample_data", "calibrated_sensor", "ego_pose", "sensor", "scene")}
    for n, name in enumerate((*NUSCENES_CAMERAS, "LIDAR_TOP")):
        T = E[n] if n < 6 else LASER
        tables["sensor"].append({"token": f"sensor{n}", "channel": name, "modality": "camera" if n < 6 else "lidar"})
        tables["calibrated_sensor"].append(
            {
                "token": f"calibration{n}",
                "sensor_token": f"sensor{n}",
                "translation": T[:3, 3].tolist(),
                "rotation": quaternion(T[:3, :3]).tolist(),
                "camera_intrinsic": K[n].tolist() if n < 6 else [],
            }
        )
    for scene in scenes:
        for moment in range(MOMENTS):
            sample = f"{scene}-{moment}"
            tables["sample"].append({"token": sample, "scene_token": scene, "timestamp": 10**6 * (9 - moment)})
            for n, name in enumerate((*NUSCENES_CAMERAS, "LIDAR_TOP")):
                pose = world(MOMENTS - 1 - moment, "laser" if n == 6 else "camera")
                file = f"samples/{name}/{sample}.{'pcd.bin' if n == 6 else 'png'}"
                token = f"{sample}-{n}"
                rotation = quaternion(pose[:3, :3]).tolist()
                tables["ego_pose"].append({"token": token, "translation": pose[:3, 3].tolist(), "rotation": rotation})
                row = {"token": token, "sample_token": sample, "is_key_frame": True, "filename": file}
                row |= {"calibrated_sensor_token": f"calibration{n}", "ego_pose_token": token}
                tables["sample_data"].append(row | ({"width": 32, "height": 18} if n < 6 else {}))
                tables["sample_data"].append(row | {"is_key_frame": False, "filename": "sweeps/not-there.png"})
                path = root / file
                if n < 6:
                    picture(path, MOMENTS - 1 - moment, n)
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    points = np.pad(in_laser(MOMENTS - 1 - moment), ((0, 0), (0, 2)))
                    path.write_bytes(points.astype("<f4").tobytes())
    (root / "v1.0-mini").mkdir()
    for name, table in tables.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(table))
    return root


def pose_record(T):
    shift = dict(zip("xyz", T[:3, 3].tolist(), strict=True))
    turn = dict(zip(("qw", "qx", "qy", "qz"), quaternion(T[:3, :3]).tolist(), strict=True))
    return {"translation": shift, "rotation": turn}


def ddad_folder(folder):
    names = ("LIDAR", *DDAD_CAMERAS)
    lens = [{"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2], "skew": 0.0} for k in K]
    calibration = {
        "names": names,
        "extrinsics": [pose_record(LASER), *map(pose_record, E)],
        "intrinsics": [{"fx": 0.0, "fy": 0.0, "cx": 0.0, "cy": 0.0, "skew": 0.0}, *lens],
    }
    data, samples = [], []
    for moment in range(MOMENTS):
        keys = []
        for n, name in enumerate(names):
            T = world(moment, "camera" if n else "laser") @ (E[n - 1] if n else LASER)
            file = f"rgb/{name}/{moment}.png" if n else f"point_cloud/LIDAR/{moment}.npz"
            content = {"filename": file, "pose": pose_record(T)}
            if n:
                picture(folder / file, moment, n - 1)
                content |= {"width": 32, "height": 18}
            else:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                np.savez(folder / file, data=np.pad(in_laser(moment), ((0, 0), (0, 1))))
            key = f"key{moment}-{n}"
            kind = "image" if n else "point_cloud"
            data.append({"key": key, "id": {"name": name}, "datum": {kind: content}})
            keys.append(key)
        samples.append({"datum_keys": keys, "calibration_key": "c0"})
    (folder / "calibration").mkdir()
    (folder / "calibration" / "c0.json").write_text(json.dumps(calibration))
    (folder / "scene_1.json").write_text(json.dumps({"data": data, "samples": samples}))
    return folder


LOADERS = [(nuscenes_folder, load_nuscenes), (ddad_folder, load_ddad)]


@pytest.mark.parametrize(("make", "load"), LOADERS)
def test_what_was_put_in_comes_out(tmp_path, make, load):
    clips = load(make(tmp_path), SIZE)
    assert clips.rgb.shape == (MOMENTS, 6, *SIZE, 3) and clips.valid.all()
    assert clips.first.tolist() == [True, False, False] and clips.triples().tolist() == [1]
    for moment in range(MOMENTS):
        for camera in range(6):
            assert (clips.rgb[moment, camera] == colour(moment, camera)).all()
    np.testing.assert_allclose(clips.K, K)
    np.testing.assert_allclose(clips.T_rig_cam, E, atol=1e-9)
    for moment in range(1, MOMENTS):
        np.testing.assert_allclose(clips.ego_motion[moment], invert(world(moment - 1)) @ world(moment), atol=1e-6)
    np.testing.assert_array_equal(clips.ego_motion[0], np.eye(4))


@pytest.mark.parametrize(("make", "load"), LOADERS)
def test_laser_points_are_where_the_wall_is_when_the_picture_was_taken(tmp_path, make, load):
    clips = load(make(tmp_path), SIZE)
    v, u = np.nonzero(np.ones(SIZE))
    for camera in range(6):
        depth = clips.depth[1, camera].reshape(-1)
        known = np.isfinite(depth)
        assert known.sum() > 20
        pixels = np.stack([u, v, np.ones_like(u)])[:, known]
        points = np.linalg.inv(K[camera]) @ pixels * depth[known]
        points = E[camera, :3, :3] @ points + E[camera, :3, 3:]
        # within what half a pixel is there
        np.testing.assert_allclose(np.hypot(*points[:2]), WALL_M, atol=1.2)
        assert abs(np.hypot(*points[:2]).mean() - WALL_M) < 0.1


def test_images_are_resized_whole_and_the_camera_with_them(tmp_path):
    clips = load_nuscenes(nuscenes_folder(tmp_path), (9, 16), depth=False)
    assert clips.depth is None and clips.rgb.shape[2:4] == (9, 16)
    ray = np.linalg.inv(K[1]) @ [-0.5, 17.5, 1]  # the corner stays the corner
    np.testing.assert_allclose(clips.K[1] @ ray, [-0.5, 8.5, 1], atol=1e-9)


def test_scenes_are_clips_and_can_be_chosen(tmp_path):
    root = nuscenes_folder(tmp_path, ("s1", "s2"))
    assert load_nuscenes(root, SIZE, depth=False).first.tolist() == [True, False, False] * 2
    assert len(load_nuscenes(root, SIZE, scenes=("s2",), depth=False).rgb) == MOMENTS
    with pytest.raises(ValueError, match="has no scene 's3'"):
        load_nuscenes(root, SIZE, scenes=("s3",))
    (tmp_path / "ddad").mkdir()
    folder = ddad_folder(tmp_path / "ddad")
    assert load_ddad([folder, folder], SIZE).first.tolist() == [True, False, False] * 2


def test_a_camera_without_a_picture_is_not_valid(tmp_path):
    root = nuscenes_folder(tmp_path)
    table = root / "v1.0-mini" / "sample_data.json"
    rows = json.loads(table.read_text())
    gone = f"samples/CAM_BACK/s1-{MOMENTS - 2}.png"
    table.write_text(json.dumps([row for row in rows if row["filename"] != gone]))
    clips = load_nuscenes(root, SIZE)
    assert clips.valid.sum() == 6 * MOMENTS - 1 and not clips.valid[1, 3]
    assert not clips.rgb[1, 3].any() and np.isnan(clips.depth[1, 3]).all()


def rewritten(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def nuscenes_table(name, change):
    return lambda root: rewritten(root / "v1.0-mini" / f"{name}.json", change)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "v1.0-trainval").mkdir(), r"must have one folder v1\.0-\*, has 2"),
        (lambda root: (root / "v1.0-mini" / "sample.json").write_text("["), r"sample\.json: not JSON"),
        (nuscenes_table("sample", lambda t: t[0].pop("timestamp")), r"sample\.json: \[0\]\.timestamp: is missing"),
        (nuscenes_table("sensor", lambda t: t.pop(0)), r"sensor\.json: has no token 'sensor0'"),
        (nuscenes_table("ego_pose", lambda t: t[0].update(rotation=[1, 1, 0, 0])), "is no unit quaternion"),
        (nuscenes_table("ego_pose", lambda t: t[0].update(translation=[1, 2])), r"translation: must be 3 numbers"),
        (nuscenes_table("sample_data", lambda t: t[0].update(filename="../../x.png")), "must be the name of a file"),
        (
            nuscenes_table("sample_data", lambda t: [row.update(width=64) for row in t]),
            "has 32 x 18 pixels, must have 64 x 18",
        ),
        (nuscenes_table("sample_data", lambda t: t[0].update(width=10**9)), "must be 1 to 8192 pixels a side"),
        (lambda root: (root / "samples/LIDAR_TOP/s1-0.pcd.bin").write_bytes(b"123"), "must be points of 5 float32"),
    ],
)
def test_spoilt_nuscenes_is_refused_in_one_line(tmp_path, spoil, message):
    root = nuscenes_folder(tmp_path)
    spoil(root)
    with pytest.raises(ValueError, match=message) as error:
        load_nuscenes(root, SIZE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "scene_2.json").write_text("{}"), r"must have one scene_\*\.json, has 2"),
        (lambda f: (f / "scene_1.json").write_text("{}"), "is no scene of DDAD"),
        (lambda f: (f / "scene_1.json").write_text("[]"), "is no scene of DDAD"),
        (lambda f: rewritten(f / "scene_1.json", lambda r: r["samples"][0]["datum_keys"].append("x")), "KeyError: 'x'"),
        (lambda f: (f / "point_cloud/LIDAR/0.npz").write_bytes(b"no"), "not a zip file"),
        (lambda f: np.savez(f / "point_cloud/LIDAR/0.npz", data=np.array([{}])), "pickle"),
        (lambda f: np.savez(f / "point_cloud/LIDAR/0.npz", data=np.zeros(7)), r"data \(7,\) .*: must be \(M, 3 or"),
        (lambda f: picture(f / "rgb/CAMERA_01/0.png", 0, 0, (16, 16)), "has 16 x 16 pixels, must have 32 x 18"),
    ],
)
def test_spoilt_ddad_is_refused_in_one_line(tmp_path, spoil, message):
    folder = ddad_folder(tmp_path)
    spoil(folder)
    with pytest.raises(ValueError, match=message) as error:
        load_ddad(folder, SIZE)
    assert "\n" not in str(error.value)


def test_scenes_of_two_cars_are_refused(tmp_path):
    root = nuscenes_folder(tmp_path, ("s1", "s2"))
    table = root / "v1.0-mini" / "calibrated_sensor.json"
    rows = json.loads(table.read_text())
    other = rows[1] | {"token": "other", "translation": [9.0, 0.0, 1.0]}
    table.write_text(json.dumps([*rows, other]))

    def change(data):
        for row in data:
            if row["sample_token"].startswith("s2") and row["calibrated_sensor_token"] == "calibration1":
                row["calibrated_sensor_token"] = "other"

    rewritten(root / "v1.0-mini" / "sample_data.json", change)
    with pytest.raises(ValueError, match=r"CAM_FRONT_LEFT: .* has another calibration; take scenes of one car"):
        load_nuscenes(root, SIZE)


def test_too_much_is_refused(tmp_path, monkeypatch):
    root = nuscenes_folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "MOST_BYTES", 1000)
        with pytest.raises(ValueError, match="more than 1000 bytes"):
            load_nuscenes(root, SIZE)
    for name in ("MOST_SCAN_BYTES", "MOST_TABLE_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(folders, name, 100)
            with pytest.raises(ValueError, match="more than 100 bytes"):
                load_nuscenes(root, SIZE)
