"""Rigs in files: our own layout in JSON or TOML, nuScenes' tables, and OpenCV's YAML.

Our own, in JSON (in TOML the same with ``[[cameras]]``); lengths are metres, the frames those of `foveal.optics.rig`::

    {
      "name": "two eyes",
      "cameras": [
        {
          "name": "left", "width": 640, "height": 480,
          "K": [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]],
          "T_rig_cam": [[0, 0, 1, 0], [-1, 0, 0, 0.06], [0, -1, 0, 0], [0, 0, 0, 1]],
          "lens": "pinhole", "distortion": [], "rate_hz": 30, "mask": "left.png"
        }
      ]
    }

The last four fields of a camera may be left out. A mask is a PNG file beside this one, white where the picture is of
use. Files are data, whoever wrote them: they are bounded in size, every field is checked, and a fault is one line.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from foveal.optics.camera import Lens
from foveal.optics.rig import MOST_CAMERAS, Floats, Mask, RigCamera, RigSpec
from foveal.optics.transforms import invert

MOST_BYTES = 32 * 2**20
_NESTING = 10_000
"""Most brackets and dashes of an OpenCV file; its parser dies of some hundred thousand in each other."""


def load_rig(path: str | Path, tokens: Sequence[str] = ()) -> RigSpec:
    """A rig from a file.

    Args:
        path: ``.json`` or ``.toml`` in our own layout; nuScenes' ``calibrated_sensor.json``, with ``sensor.json``
            beside it; or ``.yml`` or ``.yaml`` as OpenCV's FileStorage writes it (`_from_opencv`).
        tokens: For nuScenes, the calibrations to take, as a keyframe's ``calibrated_sensor_token`` names them; none
            takes all cameras of the table, where each has but one calibration.

    Raises:
        ValueError: one line that names the file and the field.
        OSError: where there is no file.
    """
    path = Path(path)
    try:
        if path.suffix in (".yml", ".yaml"):
            document = None
        elif path.suffix == ".toml":
            document = _parse(path, tomllib.loads, "TOML")
        elif path.suffix == ".json":
            document = _parse(path, _loads_json, "JSON")
        else:
            raise ValueError("must end in .json, .toml, .yml or .yaml")
        if tokens and not isinstance(document, list):
            raise ValueError("tokens are for nuScenes' calibrated_sensor.json")
        if document is None:
            return _from_opencv(_read(path), path.stem)
        return _from_nuscenes(document, path, tokens) if isinstance(document, list) else _from_ours(document, path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def save_rig(rig: RigSpec, path: str | Path) -> None:
    """Write a rig as JSON in our own layout, and its masks as PNG files beside it.

    Raises:
        ValueError: for a path that does not end in ``.json``.
        OSError: where it cannot be written.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"{path}: must end in .json")
    cameras = []
    for number, camera in enumerate(rig.cameras):
        record = {field.name: getattr(camera, field.name) for field in fields(camera)}
        record |= {name: record[name].tolist() for name in ("K", "T_rig_cam")}
        if (mask := record.pop("mask")) is not None:
            record["mask"] = f"{path.stem}-mask-{number}.png"
            Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(path.with_name(record["mask"]))
        cameras.append(record)
    path.write_text(json.dumps({"name": rig.name, "cameras": cameras}, indent=1, allow_nan=False) + "\n", "utf-8")


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} bytes")
    return data.decode("utf-8")


def _parse(path: Path, loads: Callable[[str], Any], form: str) -> Any:
    try:
        return loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not {form} ({_first_line(error)})") from None


def _loads_json(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    return json.loads(text, parse_constant=refuse)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _from_ours(document: dict[str, Any], path: Path) -> RigSpec:
    _check_fields(document, "", ["name", "cameras"], [])
    records = _list(document["cameras"], "cameras")
    return RigSpec(document["name"], tuple(_camera(record, f"cameras[{i}]", path) for i, record in enumerate(records)))


def _camera(record: Any, where: str, path: Path) -> RigCamera:
    optional = ["lens", "distortion", "rate_hz", "mask"]
    _check_fields(
        record, f"{where}.", [field.name for field in fields(RigCamera) if field.name not in optional], optional
    )
    given = dict(record)
    for name, shape in (("K", (3, 3)), ("T_rig_cam", (4, 4)), ("rate_hz", ())):
        if name in given:
            given[name] = _numbers(given[name], f"{where}.{name}", shape)
    if "distortion" in given:
        some = _list(given["distortion"], f"{where}.distortion")
        given["distortion"] = _numbers(some, f"{where}.distortion", (len(some),))
    if "lens" in given and not isinstance(given["lens"], str):
        raise ValueError(f"{where}.lens: must be text")
    if "mask" in given:
        size = record["width"], record["height"]
        given["mask"] = _read_mask(given["mask"], f"{where}.mask", path.parent, size)
    return RigCamera(**given)


def _check_fields(record: Any, where: str, needed: list[str], optional: list[str]) -> None:
    if not isinstance(record, dict):
        raise ValueError(f"{where.rstrip('.') or 'the file'}: must be an object with {', '.join(needed)}")
    for name in needed:
        if name not in record:
            raise ValueError(f"{where}{name}: is missing")
    for name in record:
        if name not in needed + optional:
            raise ValueError(f"{where}{str(name)[:64]}: unknown; known are {', '.join(needed + optional)}")


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: must be a list")
    return value


def _numbers(value: Any, where: str, shape: tuple[int, ...]) -> Any:
    """Lists of floats in each other, of a shape."""
    if not shape:
        if type(value) not in (int, float) or not abs(value) < 1e300:
            raise ValueError(f"{where}: {str(value)[:64]!r} is no number")
        return float(value)
    if not isinstance(value, list) or len(value) != shape[0]:
        raise ValueError(f"{where}: must be {' by '.join(map(str, shape))} numbers")
    return [_numbers(item, where, shape[1:]) for item in value]


def _read_mask(name: Any, where: str, folder: Path, size: tuple[int, int]) -> Mask:
    from PIL import Image

    if not isinstance(name, str) or Path(name).name != name or not name.endswith(".png"):
        raise ValueError(f"{where}: must be the name of a PNG file in the same folder")
    try:
        with Image.open(folder / name, formats=("PNG",)) as image:
            if image.size != size:  # looked at before the picture is unpacked
                raise ValueError(f"has {image.width} x {image.height} pixels, must have {size[0]} x {size[1]}")
            return np.asarray(image.convert("L")) > 127
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow makes of broken files
        reason = getattr(error, "strerror", None) or _first_line(error)
        raise ValueError(f"{where}: {name}: {reason}") from None


def _from_nuscenes(table: list[Any], path: Path, tokens: Sequence[str]) -> RigSpec:
    """Cameras of nuScenes' `calibrated_sensor` table, of 1600 by 900 pixels at 12 Hz as all are there."""
    channels = _camera_channels(path.with_name("sensor.json"))
    found: dict[str, RigCamera] = {}
    wanted = dict.fromkeys(tokens)
    for number, record in enumerate(table):
        where = f"[{number}]"
        if not isinstance(record, dict) or not {"token", "sensor_token"} <= set(record):
            raise ValueError(f"{where}: must be an object with token, sensor_token, translation, rotation")
        channel, token = channels.get(str(record["sensor_token"])), str(record["token"])
        if channel is None or (tokens and token not in tokens):
            continue
        wanted.pop(token, None)
        camera = _calibrated(record, where, channel)
        known = found.get(channel, camera)
        if not ((known.K == camera.K).all() and (known.T_rig_cam == camera.T_rig_cam).all()):
            raise ValueError(f"{where}: another calibration of {channel}; pass the tokens of one rig")
        found[channel] = camera
    if wanted:
        raise ValueError(f"no camera has the token {next(iter(wanted))!r}")
    return RigSpec(path.parent.resolve().name or path.stem, tuple(found.values()))


def _camera_channels(path: Path) -> dict[str, str]:
    """Of nuScenes' `sensor` table: name by token."""
    try:
        table = _list(_parse(path, _loads_json, "JSON"), "the file")
        return {str(row["token"]): str(row["channel"]) for row in table if row["modality"] == "camera"}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path.name}: must be nuScenes' sensors with token, channel, modality ({error})") from None


def _calibrated(record: dict[str, Any], where: str, channel: str) -> RigCamera:
    parts = {}
    for name, shape in (("translation", (3,)), ("rotation", (4,)), ("camera_intrinsic", (3, 3))):
        if name not in record:
            raise ValueError(f"{where}.{name}: is missing")
        parts[name] = _numbers(record[name], f"{where}.{name}", shape)
    pose = np.eye(4)
    pose[:3, :3] = _turn(parts["rotation"], f"{where}.rotation")
    pose[:3, 3] = parts["translation"]
    try:
        return RigCamera(channel, 1600, 900, np.array(parts["camera_intrinsic"]), pose, rate_hz=12.0)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _turn(quaternion: list[float], where: str) -> Floats:
    """The rotation (3, 3) of a unit quaternion w, x, y, z."""
    if abs((norm := math.hypot(*quaternion)) - 1) > 1e-3:
        raise ValueError(f"{where}: is no unit quaternion, its length is {norm:.4g}")
    w, x, y, z = np.array(quaternion) / norm
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + 2 * w * cross + 2 * cross @ cross)


def _from_opencv(text: str, name: str) -> RigSpec:
    """A rig from a FileStorage with a sequence `cameras` of maps.

    Each has `name`; `image_width`, `image_height`, `camera_matrix`, `distortion_coefficients` and, where it is 1,
    `fisheye_model`, as OpenCV's calibration example writes them; and `R` (3, 3) and `T` (3, 1) from rig to camera
    coordinates, as OpenCV gives poses: x_cam = R x_rig + T, in metres, with the rig's z up.
    """
    import cv2

    if not text.startswith("%YAML"):
        raise ValueError("not OpenCV's YAML, which begins with %YAML")
    if sum(map(text.count, ("[", "{", "- "))) > _NESTING:
        raise ValueError(f"has more than {_NESTING} brackets and dashes")
    try:
        storage = cv2.FileStorage(text, cv2.FileStorage_READ | cv2.FileStorage_MEMORY)
    except (cv2.error, SystemError):
        raise ValueError("not OpenCV's YAML") from None
    nodes = storage.getNode("cameras")
    if not nodes.isSeq() or not 1 <= nodes.size() <= MOST_CAMERAS:
        raise ValueError(f"cameras: must be a sequence of 1 to {MOST_CAMERAS}")
    return RigSpec(name, tuple(_opencv_camera(nodes.at(i), f"cameras[{i}]") for i in range(nodes.size())))


def _opencv_camera(node: Any, where: str) -> RigCamera:
    if not node.isMap():
        raise ValueError(f"{where}: must be a map")

    def read(name: str, count: int = 0) -> Any:
        return _node(node.getNode(name), f"{where}.{name}", count)

    pose = np.eye(4)
    pose[:3, :3] = np.reshape(read("R", 9), (3, 3))
    pose[:3, 3] = read("T", 3)
    K = np.reshape(read("camera_matrix", 9), (3, 3))
    fisheye = not node.getNode("fisheye_model").empty() and read("fisheye_model")
    bent = () if node.getNode("distortion_coefficients").empty() else read("distortion_coefficients", -1)
    lens: Lens = "fisheye" if fisheye else "pinhole"
    return RigCamera(read("name"), read("image_width"), read("image_height"), K, invert(pose), lens, tuple(bent))


def _node(node: Any, where: str, count: int) -> Any:
    """A text or a number where `count` is 0, else so many numbers of a matrix; -1 takes any number up to 64."""
    if node.empty():
        raise ValueError(f"{where}: is missing")
    if not count:
        return node.string() if node.isString() else int(node.real()) if node.isInt() else node.real()
    data = node.getNode("data") if node.isMap() else node
    if not data.isSeq() or not (data.size() == count or (count < 0 and data.size() <= 64)):
        raise ValueError(f"{where}: must be a matrix of {count if count > 0 else 'up to 64'} numbers")
    items = [data.at(i) for i in range(data.size())]
    return _numbers([item.real() if item.isReal() or item.isInt() else None for item in items], where, (len(items),))
