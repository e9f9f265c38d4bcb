"""Trained surround depth networks in files, the rig that they are for, and what they say of its images.

A model is two files: NAME.safetensors with its weights and NAME.json with everything else, among it the weights' hash,
so that a file of another model beside it is found. Files are data, whoever wrote them: a fault is one line.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from torch import Tensor

from foveal.files import replace_file
from foveal.vision.depth.network import DepthConfig, SurroundDepth
from foveal.vision.depth.weights import adjacent_cameras

SHIPPED = Path(__file__).parents[1] / "weights" / "street_depth.safetensors"
"""The network that comes with foveal, for `rig_presets.nuscenes_like` at 160 x 96 pixels; made by
``foveal.experiments.street_depth``."""

FORMAT = "foveal surround depth 1"
MOST_BYTES = {".json": 2**20, ".safetensors": 2**28}
MOST_CAMERAS = 64

FOCAL_SHARE, SHIFT_M, TURN_DEG = 0.05, 0.3, 5.0
"""By which a rig may differ from the one of a model: errors of calibration. The principal point, as the focal lengths,
by a share of the latter."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DepthModel:
    """A trained network and its rig.

    Attributes:
        net: In evaluation mode.
        K: (N, 3, 3) px.
        T_rig_cam: (N, 4, 4).
        size: Height and width of the images, px.
        names: Of the cameras; none, or N.
        commit: Of the code that trained it, as far as known.
    """

    net: SurroundDepth
    K: Floats
    T_rig_cam: Floats
    size: tuple[int, int]
    names: tuple[str, ...] = ()
    commit: str = ""

    def __post_init__(self) -> None:
        count = self.net.cameras
        for name, side in (("K", 3), ("T_rig_cam", 4)):
            object.__setattr__(self, name, _matrices(name, getattr(self, name), count, side))
        object.__setattr__(self, "size", _checked_size(self.size))
        object.__setattr__(self, "names", tuple(self.names))
        if len(self.names) not in (0, count) or not all(isinstance(name, str) for name in self.names):
            raise ValueError(f"names={self.names}: must be none, or {count} texts")
        if not isinstance(self.commit, str):
            raise ValueError(f"commit={self.commit!r}: must be text")


def save(model: DepthModel, path: str | Path) -> None:
    """Write a model: the file with its weights, and the one with all else beside it.

    Args:
        model: What to write.
        path: Ends in ``.safetensors``.

    Raises:
        ValueError: for another ending, or weights that are not finite.
        OSError: where it cannot be written.
    """
    weights_path, json_path = _paths(path)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.net.state_dict().items()}
    _check_finite(weights)
    data = safetensors.torch.save(weights)
    record = {
        "format": FORMAT,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "config": model.net.config.to_json(),
        "size": list(model.size),
        "names": list(model.names),
        "K": model.K.tolist(),
        "T_rig_cam": model.T_rig_cam.tolist(),
        "commit": model.commit,
    }
    replace_file(weights_path, data)
    replace_file(json_path, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def load(path: str | Path) -> DepthModel:
    """A model from its files.

    Args:
        path: Ends in ``.safetensors``; the ``.json`` lies beside it.

    Raises:
        ValueError: one line that names the file, where it is not what `save` wrote.
        OSError: where there is no file.
    """
    weights_path, json_path = _paths(path)
    record = _record(json_path)
    data = _read(weights_path)
    try:
        if hashlib.sha256(data).hexdigest() != record["weights_sha256"]:
            raise ValueError(f"is not the one that {json_path.name} belongs to (its hash differs)")
        weights = safetensors.torch.load(data)
        _check_finite(weights)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{weights_path}: {error}") from None
    try:
        if not isinstance(record["K"], list) or not 1 <= len(record["K"]) <= MOST_CAMERAS:
            raise ValueError(f"K: must be a list of 1 to {MOST_CAMERAS} matrices")
        K = _matrices("K", record["K"], len(record["K"]), 3)
        T_rig_cam = _matrices("T_rig_cam", record["T_rig_cam"], len(K), 4)
        size = _checked_size(record["size"])
        if not isinstance(record["names"], list):
            raise ValueError("names: must be a list")
        adjacent = adjacent_cameras(torch.from_numpy(K), torch.from_numpy(T_rig_cam), size)
        net = SurroundDepth(DepthConfig.from_json(record["config"]), adjacent)
        _fill(net, weights)
        return DepthModel(net.eval(), K, T_rig_cam, size, tuple(record["names"]), record["commit"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{json_path}: {str(error).splitlines()[0]}") from None


def check_rig(
    model: DepthModel,
    K: ArrayLike,
    T_rig_cam: ArrayLike,
    size: tuple[int, int],
    *,
    focal_share: float = FOCAL_SHARE,
    shift_m: float = SHIFT_M,
    turn_deg: float = TURN_DEG,
) -> None:
    """Raises ValueError, one line, if a rig is another than that of a model.

    Args:
        model: What is to be used.
        K: (N, 3, 3) px of the rig.
        T_rig_cam: (N, 4, 4) of the rig.
        size: Height and width of its images, px.
        focal_share: By which focal lengths, and the principal point as a share of them, may differ.
        shift_m: By which positions may differ, m.
        turn_deg: By which directions may differ.
    """
    count = len(model.K)
    cameras = np.shape(K)[0] if np.ndim(K) else 0
    if cameras != count:
        raise ValueError(f"rig of {cameras} cameras: the model is for {count}")
    if tuple(size) != model.size:
        raise ValueError(f"images of {size[0]} x {size[1]}: the model is for {model.size[0]} x {model.size[1]}")
    K, T_rig_cam = _matrices("K", K, count, 3), _matrices("T_rig_cam", T_rig_cam, count, 4)
    for n in range(count):
        name = f"camera {model.names[n] if model.names else n}"
        off = float((np.abs(K[n] - model.K[n])[:2] / model.K[n][[0, 1], [0, 1], None]).max())
        apart = float(np.linalg.norm(T_rig_cam[n, :3, 3] - model.T_rig_cam[n, :3, 3]))
        turn = (np.trace(T_rig_cam[n, :3, :3] @ model.T_rig_cam[n, :3, :3].T) - 1) / 2
        turned = math.degrees(math.acos(min(1.0, max(-1.0, float(turn)))))
        for what, value, most, unit in (
            ("K differs from the model's by", 100 * off, 100 * focal_share, "% of the focal length"),
            ("it is from where the model's is", apart, shift_m, "m"),
            ("it is turned from the model's by", turned, turn_deg, "degrees"),
        ):
            if value > most:
                raise ValueError(f"{name}: {what} {value:.3g} {unit}, at most {most:.3g}")


def predict(
    net: SurroundDepth,
    rgb: NDArray[np.uint8],
    K: ArrayLike,
    T_rig_cam: ArrayLike,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Depths (..., N, H, W), m, of images, in one pass.

    Args:
        net: Of a model.
        rgb: (..., N, H, W, 3) uint8.
        K: (N, 3, 3) or (..., N, 3, 3) px.
        T_rig_cam: (N, 4, 4) or (..., N, 4, 4).
        valid: (..., N) bool, false of a camera that gives no picture; None: all do.

    Raises:
        ValueError: for images that are not uint8, shapes that do not fit, or matrices that are not finite.
    """
    rgb = np.asarray(rgb)
    if rgb.dtype != np.uint8 or rgb.ndim < 4 or rgb.shape[-4] != net.cameras or rgb.shape[-1] != 3:
        raise ValueError(f"rgb {rgb.shape} of {rgb.dtype}: must be (..., {net.cameras}, H, W, 3), uint8")
    leading = rgb.shape[:-4]
    given = []
    for name, value, side in (("K", K, 3), ("T_rig_cam", T_rig_cam, 4)):
        matrices = np.asarray(value, np.float32)
        if matrices.shape not in ((net.cameras, side, side), (*leading, net.cameras, side, side)):
            raise ValueError(f"{name} {matrices.shape}: must be ({net.cameras}, {side}, {side}), or so per rig")
        if not np.isfinite(matrices).all():
            raise ValueError(f"{name}: must be finite")
        given.append(
            torch.from_numpy(matrices if matrices.ndim == 3 else matrices.reshape(-1, net.cameras, side, side))
        )
    counted = None if valid is None else torch.from_numpy(np.asarray(valid).reshape(-1, net.cameras))
    images = torch.from_numpy(np.ascontiguousarray(rgb)).reshape(-1, *rgb.shape[-4:])
    with torch.inference_mode():
        depth = net(images.movedim(-1, 2).float() / 255, *given, counted).depth
    return depth.reshape(*leading, *depth.shape[1:]).numpy()


def _checked_size(size: Any) -> tuple[int, int]:
    """Height and width, which a network can take."""
    step = SurroundDepth.stride
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ValueError(f"size={str(size)[:64]}: must be height and width")
    height, width = size
    if not all(type(n) is int and n > 0 and n % step == 0 for n in (height, width)):
        raise ValueError(f"size={tuple(size)}: must be multiples of {step}")
    return height, width


def _fill(net: SurroundDepth, weights: dict[str, Tensor]) -> None:
    own = net.state_dict()
    for name in own | weights:
        if name not in own or name not in weights or own[name].shape != weights[name].shape:
            shapes = [tuple(x[name].shape) if name in x else None for x in (weights, own)]
            raise ValueError(f"weights {name[:64]}: {shapes[0]}, by the configuration must be {shapes[1]}")
    net.load_state_dict(weights)


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({str(error).splitlines()[0][:200]})") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"{path}: format must be {FORMAT!r}")
    for name in ("weights_sha256", "config", "size", "names", "K", "T_rig_cam", "commit"):
        if name not in record:
            raise ValueError(f"{path}: {name}: is missing")
    return record


def _matrices(name: str, value: Any, count: int, side: int) -> Floats:
    matrices = np.asarray(value, np.float64)
    if matrices.shape != (count, side, side) or not np.isfinite(matrices).all():
        raise ValueError(f"{name} {matrices.shape}: must be ({count}, {side}, {side}), finite")
    return matrices


def _check_finite(weights: dict[str, Tensor]) -> None:
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"weights {name[:64]}: must be finite")


def _paths(path: str | Path) -> tuple[Path, Path]:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: must end in .safetensors")
    return path, path.with_suffix(".json")


def _read(path: Path) -> bytes:
    most = MOST_BYTES[path.suffix]
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path}: has more than {most} bytes")
    return data
