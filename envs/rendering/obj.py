"""Reading the surface out of a Wavefront OBJ file, which is data from outside: checked, limited, never run."""

from __future__ import annotations

import os
from math import isfinite

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 64 * 2**20
MAX_FACES = 500_000
MAX_CORNERS = 64
"""Of one face."""


def load_obj(
    path: str | os.PathLike[str], max_faces: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Vertices (V, 3), triangles (F, 3) and their texture coordinates (F, 3, 2) of an OBJ file.

    Read are `v`, `vt` and `f`; every other statement is passed over. A face with more than three corners becomes a fan
    of triangles. Corners without texture coordinates get (0, 0).

    Args:
        path: The file.
        max_faces: Above this many triangles, vertices are merged on an ever coarser grid until fewer are left.

    Raises:
        ValueError: The file is too large or says what cannot be; the message names file and line.
    """
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes, must be at most {MAX_BYTES}")
    if max_faces is not None and max_faces < 1:
        raise ValueError(f"max_faces={max_faces}: must be at least 1")
    vertices: list[list[float]] = []
    textures: list[list[float]] = []
    corners: list[tuple[int, int]] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#", 1)[0].split()
            if not words or words[0] not in ("v", "vt", "f"):
                continue
            try:
                if words[0] == "v":
                    vertices.append(_numbers(words[1:], 3))
                elif words[0] == "vt":
                    textures.append(_numbers([*words[1:], "0"], 2))
                else:
                    corners += _fan(words[1:], len(vertices), len(textures))
                    if len(corners) > 3 * MAX_FACES:
                        raise ValueError(f"more than {MAX_FACES} triangles")
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    if not corners:
        raise ValueError(f"{path}: no faces")
    table = np.asarray(corners, np.int64).reshape(-1, 3, 2)
    points = np.asarray(vertices, np.float64)
    uv = np.asarray([*textures, [0, 0]], np.float64)[table[..., 1]]
    faces, uv = _proper(points, table[..., 0], uv)
    if max_faces is not None:
        points, faces, uv = _decimated(points, faces, uv, max_faces)
    if not len(faces):
        raise ValueError(f"{path}: no face has an area")
    return points, faces, uv


def _numbers(words: list[str], count: int) -> list[float]:
    if len(words) < count:
        raise ValueError(f"{len(words)} numbers where {count} are needed")
    numbers = [float(word) for word in words[:count]]
    if not all(isfinite(number) and abs(number) < 1e6 for number in numbers):
        raise ValueError(f"{' '.join(words[:count])}: must be finite and below a million")
    return numbers


def _fan(words: list[str], vertices: int, textures: int) -> list[tuple[int, int]]:
    """(vertex, texture coordinate) indices of the corners of a face's triangles; -1 where there is no coordinate."""
    if not 3 <= len(words) <= MAX_CORNERS:
        raise ValueError(f"a face with {len(words)} corners: must have 3 to {MAX_CORNERS}")
    corners = []
    for word in words:
        parts = word.split("/")
        vertex = _index(parts[0], vertices, "vertex")
        texture = _index(parts[1], textures, "texture coordinate") if len(parts) > 1 and parts[1] else -1
        corners.append((vertex, texture))
    return [corners[i] for middle in range(1, len(corners) - 1) for i in (0, middle, middle + 1)]


def _index(word: str, count: int, what: str) -> int:
    """A position from 0: OBJ counts from 1, and backwards from -1."""
    index = int(word)
    position = index - 1 if index > 0 else count + index
    if index == 0 or not 0 <= position < count:
        raise ValueError(f"{what} {index}: there are {count} so far")
    return position


def _proper(
    points: NDArray[np.float64], faces: NDArray[np.int64], uv: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Only the triangles that have an area."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    keep = np.linalg.norm(np.cross(b - a, c - a), axis=-1) > 0
    return faces[keep], uv[keep]


def _decimated(
    points: NDArray[np.float64], faces: NDArray[np.int64], uv: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Vertices in one cell of a grid become their mean (vertex clustering, Rossignac and Borrel 1993)."""
    cells = 128
    low, extent = points.min(0), float(np.ptp(points, axis=0).max())
    merged, kept, kept_uv = points, faces, uv
    while len(kept) > most and cells >= 2:
        keys = np.floor((points - low) / extent * cells).astype(np.int64)
        _, cluster, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        cluster = cluster.reshape(-1)
        merged = np.stack([np.bincount(cluster, points[:, i]) / count for i in range(3)], -1)
        kept, kept_uv = _proper(merged, cluster[faces], uv)
        _, first = np.unique(np.sort(kept, axis=1), axis=0, return_index=True)
        first = np.sort(first)
        kept, kept_uv = kept[first], kept_uv[first]
        cells = cells * 3 // 4
    return merged, kept, kept_uv
