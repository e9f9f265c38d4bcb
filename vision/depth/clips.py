"""Clips of what a rig saw: images, true depths if they are known, and how the rig moved.

A file of clips is NumPy's npz without pickled objects. Files are data, whoever wrote them: their arrays are looked at
before they are unpacked, and a fault is one line.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.files import replace_file

MOST_BYTES = 4 * 2**30
"""Of all arrays in a file together."""
MOST_CAMERAS = 64
MOST_PIXELS = 4096
"""Along a side of an image."""
FARTHEST_M = 50.0
"""From the rig's origin; a camera beyond is taken for one given in millimetres."""
_SLACK = 1e-3
"""By which R R' may differ from the identity in any number."""

Layout = tuple[tuple[int, ...], "np.dtype[Any]"]
"""Shape and type of an array."""


class Clips(NamedTuple):
    """Moments of a rig's drives, in order of time within each clip.

    Attributes:
        rgb: (T, N, H, W, 3) uint8.
        depth: (T, N, H, W) float32 z-depth, m, inf where there is nothing, NaN or 0 where it is unknown; None if it is
            unknown throughout.
        K: (N, 3, 3) px.
        T_rig_cam: (N, 4, 4).
        ego_motion: (T, 4, 4) from rig coordinates of this moment to those of the moment before; the identity at the
            first moment of a clip.
        first: (T,) bool, whether a clip begins here; true at the first.
        valid: (T, N) bool, false of a camera that gives no picture.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32] | None
    K: NDArray[np.float64]
    T_rig_cam: NDArray[np.float64]
    ego_motion: NDArray[np.float64]
    first: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    def triples(self) -> NDArray[np.int64]:
        """Numbers t of the moments for which t - 1 and t + 1 are in the same clip."""
        inner = ~self.first[1:-1] & ~self.first[2:]
        return np.flatnonzero(inner) + 1


def checked(clips: Clips) -> Clips:
    """The same, with the types that `Clips` names.

    Raises:
        ValueError: one line that names the array and what it must be.
    """
    given = {name: np.asarray(array) for name, array in clips._asdict().items() if array is not None}
    _check_layout({name: (array.shape, array.dtype) for name, array in given.items()})
    for name in ("K", "T_rig_cam", "ego_motion"):
        given[name] = given[name].astype(np.float64)
        if not np.isfinite(given[name]).all():
            raise ValueError(f"{name}: must be finite")
    K, T_rig_cam = given["K"], given["T_rig_cam"]
    if (K[:, [0, 1], [0, 1]] <= 0).any() or K[:, [0, 1, 2, 2], [1, 0, 0, 1]].any() or (K[:, 2, 2] != 1).any():
        raise ValueError("K: must have positive focal lengths, no skew, and (0, 0, 1) for its last row")
    for name in ("T_rig_cam", "ego_motion"):
        _check_rigid(name, given[name])
    if (far := float(np.linalg.norm(T_rig_cam[:, :3, 3], axis=-1).max())) > FARTHEST_M:
        raise ValueError(f"T_rig_cam: a camera is {far:.4g} m from the rig's origin; are these millimetres?")
    if not given["first"][0]:
        raise ValueError("first: must be true at the first moment")
    if "depth" in given:
        given["depth"] = given["depth"].astype(np.float32, copy=False)
        if (given["depth"] < 0).any():
            raise ValueError("depth: must not be negative")
    rgb, depth, first, valid = given["rgb"], given.get("depth"), given["first"], given["valid"]
    return Clips(rgb, depth, K, T_rig_cam, given["ego_motion"], first, valid)


def save(clips: Clips, path: str | Path) -> None:
    """Write clips in one go: whoever reads the file meets the old one or the new.

    Raises:
        ValueError: for arrays that do not fit.
        OSError: where it cannot be written.
    """
    path = Path(path)
    arrays = {name: array for name, array in checked(clips)._asdict().items() if array is not None}
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    replace_file(path, packed.getvalue())


def load(path: str | Path) -> Clips:
    """Clips from a file that `save` wrote.

    Raises:
        ValueError: one line that names the file, for anything else.
        OSError: where there is no file.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ValueError(f"its arrays have more than {MOST_BYTES} bytes")
            _check_layout({member.filename.removesuffix(".npy"): _header(archive, member) for member in members})
        with np.load(path, allow_pickle=False) as file:
            return checked(Clips(**{"depth": None} | {name: file[name] for name in file.files}))
    except (ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"{path}: {line}") from None


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Layout:
    """Shape and type of an array in a file, of which only the header is read."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ValueError(f"{member.filename[:64]}: npy of version {version}, must be 1.0 or 2.0")
        shape, _, dtype = read[version](file)
    return shape, dtype


def _check_layout(layouts: dict[str, Layout]) -> None:
    """Raises ValueError unless shapes and types fit each other."""
    for name in Clips._fields:
        if name not in layouts and name != "depth":
            raise ValueError(f"{name}: is missing")
    for name in layouts:
        if name not in Clips._fields:
            raise ValueError(f"{name[:64]}: is no array of clips; they are {', '.join(Clips._fields)}")
    shape = layouts["rgb"][0]
    if len(shape) != 5 or min(shape) < 1 or shape[4] != 3 or shape[1] > MOST_CAMERAS or max(shape[2:4]) > MOST_PIXELS:
        limits = f"N to {MOST_CAMERAS}, H and W to {MOST_PIXELS}"
        raise ValueError(f"rgb {shape}: must be (T, N, H, W, 3), all from 1, {limits}")
    moments, cameras, height, width, _ = shape
    needed: dict[str, tuple[tuple[int, ...], str]] = {
        "rgb": (shape, "uint8"),
        "depth": ((moments, cameras, height, width), "floating-point"),
        "K": ((cameras, 3, 3), "floating-point"),
        "T_rig_cam": ((cameras, 4, 4), "floating-point"),
        "ego_motion": ((moments, 4, 4), "floating-point"),
        "first": ((moments,), "bool"),
        "valid": ((moments, cameras), "bool"),
    }
    for name, (shape, dtype) in layouts.items():
        expected, kind = needed[name]
        if shape != expected or not (dtype.kind == "f" if kind == "floating-point" else dtype == kind):
            raise ValueError(f"{name} {shape} of {dtype}: must be {expected}, {kind}")


def _check_rigid(name: str, T: NDArray[np.float64]) -> None:
    """Raises ValueError unless transforms (..., 4, 4) are rotations and translations."""
    turn = T[..., :3, :3]
    off = float(np.abs(turn @ turn.swapaxes(-1, -2) - np.eye(3)).max())
    if off > _SLACK or (np.linalg.det(turn) < 0).any():
        raise ValueError(f"{name}: a rotation is left-handed or not orthonormal (R R' is off by {off:.2g})")
    if (T[..., 3, :] != (0, 0, 0, 1)).any():
        raise ValueError(f"{name}: its last row must be 0 0 0 1")
