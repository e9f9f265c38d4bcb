"""Clips from the folders of nuScenes and of DDAD, which a user has.

Of nuScenes (`load_nuscenes`): `v1.0-*/` with the tables `sample`, `sample_data`, `calibrated_sensor`, `ego_pose` and
`sensor`, of which the fields are read that its schema has; pictures and laser scans where `sample_data.filename` says.
Key frames only, two a second. Of DDAD (`load_ddad`), which follows TRI's Dataset Governance Policy: a scene's folder
with one `scene_*.json`, `calibration/<key>.json`, and pictures and scans where the scene says. Ten a second.

Cameras are taken for pinholes; lenses' distortion, if any, stays. A moment has its cameras at slightly different times;
each is where its own pose says, and the rig is where its first camera has it. Laser points are put into each camera at
the time of its picture, the nearest of a pixel counts, and what moves by itself is off by what it moves in between.
Nothing is unpacked that was pickled, and a fault is one line.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.optics.transforms import invert
from foveal.vision.depth.clips import MOST_BYTES, Clips, checked

NUSCENES_CAMERAS = (
    "CAM_FRONT",
    "CAM_FRONT_LEFT",
    "CAM_BACK_LEFT",
    "CAM_BACK",
    "CAM_BACK_RIGHT",
    "CAM_FRONT_RIGHT",
)
DDAD_CAMERAS = ("CAMERA_01", "CAMERA_05", "CAMERA_07", "CAMERA_09", "CAMERA_08", "CAMERA_06")
"""From the front to the left and round."""

MOST_TABLE_BYTES = 2 * 2**30
MOST_SCAN_BYTES = 64 * 2**20
MOST_SIDE = 8192
"""Of a picture, px."""

Floats = NDArray[np.float64]


class Shot(NamedTuple):
    """What one camera took: a picture's file, its size [px], K (3, 3) px, where the camera is."""

    path: Path
    width: int
    height: int
    K: Floats
    T_rig_cam: Floats
    T_world_cam: Floats


class Moment(NamedTuple):
    """What a rig saw at a time: shots by camera, and what gives laser points (M, 3) in world coordinates, m."""

    shots: dict[str, Shot]
    scan: Callable[[], Floats] | None


def load_nuscenes(
    root: str | Path,
    size: tuple[int, int] = (96, 160),
    *,
    scenes: Sequence[str] = (),
    cameras: Sequence[str] = NUSCENES_CAMERAS,
    depth: bool = True,
) -> Clips:
    """Clips of nuScenes, one for each scene.

    Args:
        root: The folder with `v1.0-*` in it.
        size: Height and width of the images, px; the whole picture is resized.
        scenes: Tokens of scenes, of one car; none takes all.
        cameras: In the order of the clips.
        depth: Put the points of LIDAR_TOP into the images: NaN where there is none.

    Raises:
        ValueError: one line that names what is missing or does not fit.
        OSError: where a file cannot be read.
    """
    root = Path(root)
    versions = sorted(path for path in root.glob("v1.0-*") if path.is_dir())
    if len(versions) != 1:
        raise ValueError(f"{root}: must have one folder v1.0-*, has {len(versions)}")
    tables = {name: _table(versions[0] / f"{name}.json") for name in ("calibrated_sensor", "ego_pose", "sensor")}
    samples = _rows(versions[0] / "sample.json", ("token", "scene_token", "timestamp"))
    known = dict.fromkeys(sample["scene_token"] for sample in samples)
    for token in scenes:
        if token not in known:
            raise ValueError(f"{versions[0]}: has no scene {token!r}")
    wanted = [token for token in known if not scenes or token in scenes]
    records: dict[str, dict[str, dict[str, Any]]] = {}
    fields = ("sample_token", "is_key_frame", "filename", "calibrated_sensor_token", "ego_pose_token")
    for row in _rows(versions[0] / "sample_data.json", fields):
        if row["is_key_frame"]:
            sensor = _named(tables["calibrated_sensor"], row["calibrated_sensor_token"], "calibrated_sensor")
            channel = _named(tables["sensor"], sensor.get("sensor_token"), "sensor").get("channel")
            records.setdefault(row["sample_token"], {})[str(channel)] = row

    def moment(sample: dict[str, Any]) -> Moment:
        taken = records.get(sample["token"], {})
        placed = {name: _nuscenes_pose(row, tables) for name, row in taken.items()}
        shots = {name: _nuscenes_shot(root, taken[name], *placed[name], tables) for name in cameras if name in taken}
        if not depth or "LIDAR_TOP" not in taken:
            return Moment(shots, None)
        path, T = _inside(root, taken["LIDAR_TOP"]["filename"]), placed["LIDAR_TOP"][1]
        return Moment(shots, lambda: _moved(T, _read_bin(path)))

    drives = []
    for token in wanted:
        ordered = sorted((s for s in samples if s["scene_token"] == token), key=lambda s: int(s["timestamp"]))
        drives.append([moment(sample) for sample in ordered])
    return _clips(drives, cameras, size, depth)


def load_ddad(
    scenes: str | Path | Sequence[str | Path],
    size: tuple[int, int] = (96, 160),
    *,
    cameras: Sequence[str] = DDAD_CAMERAS,
    depth: bool = True,
) -> Clips:
    """Clips of DDAD, one for each scene.

    Args:
        scenes: Folders of scenes, of one car.
        size: Height and width of the images, px; the whole picture is resized.
        cameras: In the order of the clips.
        depth: Put the laser points into the images: NaN where there is none.

    Raises:
        ValueError: one line that names what is missing or does not fit.
        OSError: where a file cannot be read.
    """
    folders = [scenes] if isinstance(scenes, str | Path) else list(scenes)
    return _clips([_ddad_drive(Path(folder), cameras, depth) for folder in folders], cameras, size, depth)


def _nuscenes_pose(row: dict[str, Any], tables: dict[str, dict[str, dict[str, Any]]]) -> tuple[Floats, Floats]:
    """T_rig_sensor and T_world_sensor (4, 4)."""
    sensor = _named(tables["calibrated_sensor"], row["calibrated_sensor_token"], "calibrated_sensor")
    ego = _named(tables["ego_pose"], row["ego_pose_token"], "ego_pose")
    T_rig, T_world = (
        _pose(p.get("translation"), p.get("rotation"), name)
        for p, name in ((sensor, "calibrated_sensor"), (ego, "ego_pose"))
    )
    return T_rig, T_world @ T_rig


def _nuscenes_shot(
    root: Path, row: dict[str, Any], T_rig: Floats, T_world: Floats, tables: dict[str, dict[str, dict[str, Any]]]
) -> Shot:
    sensor = tables["calibrated_sensor"][row["calibrated_sensor_token"]]
    K = _numbers(sensor.get("camera_intrinsic"), (3, 3), "camera_intrinsic")
    size = [row.get(name) or default for name, default in (("width", 1600), ("height", 900))]
    return Shot(_inside(root, row["filename"]), *_size(size), K, T_rig, T_world)


def _ddad_drive(folder: Path, cameras: Sequence[str], depth: bool) -> list[Moment]:
    files = sorted(folder.glob("scene_*.json"))
    if len(files) != 1:
        raise ValueError(f"{folder}: must have one scene_*.json, has {len(files)}")
    scene = _json(files[0])
    try:
        data = {datum["key"]: datum for datum in scene["data"]}
        keys = {sample["calibration_key"] for sample in scene["samples"]}
        calibrations = {key: _ddad_calibration(_inside(folder, f"calibration/{key}.json")) for key in keys}
        return [
            _ddad_moment(
                folder,
                [data[key] for key in sample["datum_keys"]],
                calibrations[sample["calibration_key"]],
                cameras,
                depth,
            )
            for sample in scene["samples"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{files[0]}: is no scene of DDAD ({type(error).__name__}: {error})") from None


def _ddad_moment(
    folder: Path,
    data: list[dict[str, Any]],
    calibration: dict[str, tuple[Floats, Floats]],
    cameras: Sequence[str],
    depth: bool,
) -> Moment:
    shots, scan = {}, None
    for datum in data:
        name, content = datum["id"]["name"], datum["datum"]
        if name in cameras and "image" in content:
            image = content["image"]
            path, size = _inside(folder, image["filename"]), _size((image["width"], image["height"]))
            shots[name] = Shot(path, *size, *calibration[name], _ddad_pose(image["pose"], "pose"))
        elif depth and "point_cloud" in content:
            cloud = content["point_cloud"]
            path, T = _inside(folder, cloud["filename"]), _ddad_pose(cloud["pose"], "pose")
            scan = lambda path=path, T=T: _moved(T, _read_npz(path))  # noqa: E731
    return Moment(shots, scan)


def _ddad_calibration(path: Path) -> dict[str, tuple[Floats, Floats]]:
    """K (3, 3) px and T_rig_cam (4, 4) by sensor."""
    record = _json(path)
    found = {}
    for name, extrinsic, lens in zip(record["names"], record["extrinsics"], record["intrinsics"], strict=True):
        fx, fy, cx, cy = _numbers([lens[key] for key in ("fx", "fy", "cx", "cy")], (4,), "intrinsics")
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        found[name] = K, _ddad_pose(extrinsic, f"extrinsics of {name}")
    return found


def _ddad_pose(record: dict[str, Any], name: str) -> Floats:
    shift, turn = record["translation"], record["rotation"]
    return _pose([shift[k] for k in "xyz"], [turn[k] for k in ("qw", "qx", "qy", "qz")], name)


def _clips(drives: list[list[Moment]], cameras: Sequence[str], size: tuple[int, int], depth: bool) -> Clips:
    """All moments of drives, with the first ones' calibration."""
    moments = [moment for drive in drives for moment in drive if moment.shots]
    if not moments:
        raise ValueError(f"no pictures of {', '.join(cameras)}")
    height, width = size
    if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        raise ValueError(f"size={size}: must be in [1, {MOST_SIDE}]")
    shape = len(moments), len(cameras), height, width
    if math.prod(shape) * (3 + 4 * depth) > MOST_BYTES:
        raise ValueError(f"{len(moments)} moments of {len(cameras)} x {height} x {width}: more than {MOST_BYTES} bytes")
    rig = _rig(moments, cameras, size)
    rgb, valid = np.zeros((*shape, 3), np.uint8), np.zeros(shape[:2], bool)
    truth = np.full(shape, np.nan, np.float32) if depth else None
    for t, moment in enumerate(moments):
        points = None if moment.scan is None else moment.scan()
        for n, name in enumerate(cameras):
            if (shot := moment.shots.get(name)) is not None:
                rgb[t, n], valid[t, n] = _picture(shot, size), True
                if truth is not None and points is not None:
                    truth[t, n] = _sparse(_moved(invert(shot.T_world_cam), points), rig[0][n], size)
    poses = [_rig_pose(moment) for moment in moments]
    first = np.array([t == 0 for drive in drives for t, _ in enumerate(m for m in drive if m.shots)])
    before = [poses[t if first[t] else t - 1] for t in range(len(poses))]
    motion = np.stack([invert(a) @ b for a, b in zip(before, poses, strict=True)])
    motion[first] = np.eye(4)
    return checked(Clips(rgb, truth, *rig, motion, first, valid))


def _rig_pose(moment: Moment) -> Floats:
    """T_world_rig (4, 4), by the first camera."""
    shot = next(iter(moment.shots.values()))
    return np.asarray(shot.T_world_cam @ invert(shot.T_rig_cam))


def _rig(moments: list[Moment], cameras: Sequence[str], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """K (N, 3, 3) at a size and T_rig_cam (N, 4, 4): those of each camera's first shot, which all others must have."""
    Ks, Ts = [], []
    for name in cameras:
        shots = [moment.shots[name] for moment in moments if name in moment.shots]
        if not shots:
            raise ValueError(f"{name}: has no picture")
        matrices = [_resized(shot, size) for shot in shots]
        for shot, K in zip(shots, matrices, strict=True):
            off = np.abs(shot.T_rig_cam - shots[0].T_rig_cam).max()
            if np.abs(K - matrices[0]).max() > 0.01 * matrices[0][0, 0] or off > 0.02:
                raise ValueError(f"{name}: {shot.path.name} has another calibration; take scenes of one car")
        Ks.append(matrices[0])
        Ts.append(shots[0].T_rig_cam)
    return np.stack(Ks), np.stack(Ts)


def _resized(shot: Shot, size: tuple[int, int]) -> Floats:
    """K (3, 3) of the picture at another size, pixel centres at whole numbers."""
    K = shot.K.copy()
    for axis, ratio in enumerate((size[1] / shot.width, size[0] / shot.height)):
        K[axis, :2] *= ratio
        K[axis, 2] = (K[axis, 2] + 0.5) * ratio - 0.5
    return K


def _picture(shot: Shot, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) at a size, each pixel the mean of those that it covers."""
    from PIL import Image

    try:
        with Image.open(shot.path, formats=("PNG", "JPEG")) as image:
            if image.size != (shot.width, shot.height):  # looked at before it is unpacked
                wanted = f"{shot.width} x {shot.height}"
                raise ValueError(f"has {image.width} x {image.height} pixels, must have {wanted}")
            return np.asarray(image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BOX))
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"{shot.path}: {error}") from None


def _sparse(points: Floats, K: Floats, size: tuple[int, int]) -> NDArray[np.float32]:
    """Depth (H, W) of the nearest of points (M, 3) in camera coordinates in each pixel; NaN where there is none."""
    height, width = size
    points = points[np.isfinite(points).all(-1)]
    points = points[points[:, 2] > 0.1]
    pixels = np.rint(points[:, :2] / points[:, 2:] * K[[0, 1], [0, 1]] + K[:2, 2])
    seen = ((pixels >= 0) & (pixels < (width, height))).all(-1)
    u, v = pixels[seen].astype(np.int64).T
    depth = np.full(size, np.inf, np.float32)
    np.minimum.at(depth, (v, u), points[seen, 2].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth


def _moved(T: Floats, points: Floats) -> Floats:
    return np.asarray(points @ T[:3, :3].T + T[:3, 3])


def _read_bin(path: Path) -> Floats:
    """Points (M, 3) of a nuScenes scan: float32 x, y, z, intensity, ring."""
    data = _bytes(path, MOST_SCAN_BYTES)
    if len(data) % 20:
        raise ValueError(f"{path}: has {len(data)} bytes, must be points of 5 float32")
    return np.frombuffer(data, "<f4").reshape(-1, 5)[:, :3].astype(np.float64)


def _read_npz(path: Path) -> Floats:
    """Points (M, 3) of a DDAD scan: the array `data`, of which the first columns are x, y, z."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_SCAN_BYTES:
                raise ValueError(f"has more than {MOST_SCAN_BYTES} bytes")
        with np.load(path, allow_pickle=False) as file:
            points = file["data"]
        if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind != "f":
            raise ValueError(f"data {points.shape} of {points.dtype}: must be (M, 3 or more), floating-point")
        return np.asarray(points[:, :3], np.float64)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from None


def _bytes(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path}: has more than {most} bytes")
    return data


def _json(path: Path) -> Any:
    try:
        return json.loads(_bytes(path, MOST_TABLE_BYTES))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({str(error).splitlines()[0][:200]})") from None


def _rows(path: Path, fields: Iterable[str]) -> list[dict[str, Any]]:
    """A table of nuScenes, each row of which has some fields."""
    table = _json(path)
    if not isinstance(table, list):
        raise ValueError(f"{path}: must be a list")
    for number, row in enumerate(table):
        for name in fields:
            if not isinstance(row, dict) or name not in row:
                raise ValueError(f"{path}: [{number}].{name}: is missing")
    return table


def _table(path: Path) -> dict[str, dict[str, Any]]:
    """A table of nuScenes, by token."""
    return {str(row["token"]): row for row in _rows(path, ("token",))}


def _named(table: dict[str, dict[str, Any]], token: Any, name: str) -> dict[str, Any]:
    if token not in table:
        raise ValueError(f"{name}.json: has no token {str(token)[:64]!r}")
    return table[token]


def _inside(root: Path, name: Any) -> Path:
    """A file below a folder."""
    if not isinstance(name, str) or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"{str(name)[:200]!r}: must be the name of a file below {root}")
    return root / name


def _pose(translation: Any, rotation: Any, name: str) -> Floats:
    """A transform (4, 4) of a translation, m, and a unit quaternion w, x, y, z."""
    shift, quaternion = _numbers(translation, (3,), f"{name}.translation"), _numbers(rotation, (4,), f"{name}.rotation")
    if abs((norm := float(np.linalg.norm(quaternion))) - 1) > 1e-3:
        raise ValueError(f"{name}.rotation: is no unit quaternion, its length is {norm:.4g}")
    w, x, y, z = quaternion / norm
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    T = np.eye(4)
    T[:3, :3] += 2 * w * cross + 2 * cross @ cross
    T[:3, 3] = shift
    return T


def _numbers(value: Any, shape: tuple[int, ...], name: str) -> Floats:
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name}: must be {' x '.join(map(str, shape))} numbers")
    return array


def _size(size: Sequence[Any]) -> tuple[int, int]:
    width, height = size
    if not all(type(n) is int and 1 <= n <= MOST_SIDE for n in (width, height)):
        raise ValueError(f"picture of {str(width)[:32]} x {str(height)[:32]}: must be 1 to {MOST_SIDE} pixels a side")
    return width, height
