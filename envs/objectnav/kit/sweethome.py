"""Furniture models of Sweet Home 3D, where the user has a library of them.

A library is a folder of `.sh3f` files: zip archives of OBJ models with a catalogue. Nothing is fetched, and nothing is
unpacked under a name that an archive gives.

Only shapes are taken: a model is decimated, fitted to the box of the thing that it stands for, and coloured as the
kit's largest part of that type would be.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from foveal.envs.objectnav.kit.parts import Vector3
from foveal.envs.rendering.meshes import Mesh, load_obj
from foveal.envs.rendering.obj import MAX_BYTES

CATALOGUE = "PluginFurnitureCatalog.properties"
"""The catalogue's name in an archive."""

_MAX_CATALOGUE_BYTES = 4 * 2**20
_MAX_MODELS = 5000
_MAX_FACES = 300
_MAX_STRETCH = 1.8
"""Of a model along any axis to fit a box."""

_SYNONYMS = {
    "ArmChair": ("armchair", "easy chair"),
    "Bathtub": ("bath", "bathtub"),
    "Cabinet": ("cupboard",),
    "CoffeeMachine": ("coffee maker",),
    "DiningTable": ("table",),
    "Dresser": ("chest of drawers", "chest"),
    "Fridge": ("refrigerator",),
    "GarbageCan": ("trash can", "wastebasket", "dustbin"),
    "HousePlant": ("plant", "flower pot"),
    "ShelvingUnit": ("bookcase", "shelf unit", "shelves"),
    "Sink": ("washbasin",),
    "Sofa": ("couch",),
    "Television": ("tv", "flat tv"),
    "TVStand": ("tv unit",),
}
"""What else models of a type are called than as the type is."""


class Model(NamedTuple):
    """One model of a library.

    Attributes:
        name: As the catalogue says, lower case.
        size: Width, depth and height, m.
        archive: The `.sh3f` file.
        member: The OBJ file's name in it.
        turn: Nine numbers, the rows of the rotation that stands the model upright.
    """

    name: str
    size: Vector3
    archive: Path
    member: str
    turn: tuple[float, ...]


def library(folder: str | Path) -> tuple[Model, ...]:
    """All OBJ models of the `.sh3f` files in a folder, or of one such file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: An archive is damaged or its catalogue says what cannot be; the message names the file.
    """
    folder = Path(folder)
    archives = sorted(folder.glob("*.sh3f")) if folder.is_dir() else [folder]
    if not archives or not archives[0].is_file():
        raise FileNotFoundError(f"{folder}: no .sh3f file here")
    return tuple(model for archive in archives for model in _models(archive))


def match(models: Sequence[Model], type: str, size: Vector3) -> Model | None:
    """The model of a type whose proportions are nearest to a box, None if none would fit without much stretching.

    Args:
        models: A library.
        type: AI2-THOR's object type; a model is of it if its name has the type's words, or a synonym, in it.
        size: Width, depth and height of the box, m.
    """
    own = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type).lower()
    words = re.compile(r"\b(" + "|".join(map(re.escape, (own, *_SYNONYMS.get(type, ())))) + r")\b")
    best, stretch = None, _MAX_STRETCH
    for model in models:
        ratios = np.array(size) / model.size
        needed = float(max(ratios.max(), 1 / ratios.min()))
        if needed < stretch and words.search(model.name):
            best, stretch = model, needed
    return best


@lru_cache(maxsize=512)
def fitted(model: Model, size: Vector3) -> Mesh:
    """A model's surface, stretched to fill a box, in the frame of a kit: x right, y forward, origin below the middle.

    Raises:
        ValueError: Its OBJ file is too large or broken.
    """
    with zipfile.ZipFile(model.archive) as archive, tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.obj"
        copy.write_bytes(_read(archive, model.archive, model.member, MAX_BYTES))
        try:
            mesh = load_obj(str(copy), max_faces=_MAX_FACES)
        except ValueError as error:
            raise ValueError(f"{model.archive}, {model.member}: {error}") from None
    # Theirs: x to the right of whoever looks at the front, y up, z out of the front.
    points = mesh.vertices @ np.array(model.turn).reshape(3, 3).T @ np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    low, extent = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-6)
    points = (points - low) / extent * size - np.array([size[0] / 2, size[1] / 2, 0.0])
    return mesh._replace(vertices=points)


def _models(path: Path) -> list[Model]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _properties(_read(archive, path, CATALOGUE, _MAX_CATALOGUE_BYTES).decode("latin-1"))
            members = set(archive.namelist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a zip archive: {error}") from None
    found = []
    for index in range(1, _MAX_MODELS + 1):
        if f"name#{index}" not in entries:
            break
        member = entries.get(f"model#{index}", "").lstrip("/")
        if member.lower().endswith(".obj") and member in members:
            width, depth, height = (_length(entries, f"{side}#{index}", path) for side in ("width", "depth", "height"))
            turn = _turn(entries.get(f"modelRotation#{index}", "1 0 0 0 1 0 0 0 1"), path, index)
            found.append(Model(entries[f"name#{index}"].lower(), (width, depth, height), path, member, turn))
    return found


def _read(archive: zipfile.ZipFile, path: Path, member: str, most: int) -> bytes:
    """A member's bytes; what the archive says of its size is not believed."""
    try:
        with archive.open(member) as file:
            data = file.read(most + 1)
    except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise ValueError(f"{path}: cannot read {member}: {error}") from None
    if len(data) > most:
        raise ValueError(f"{path}: {member} has more than {most} bytes")
    return data


def _properties(text: str) -> dict[str, str]:
    r"""Java's properties: lines `key=value`; `\` before a line's end joins it with the next; `#` begins a comment."""
    entries = {}
    for line in re.sub(r"\\\r?\n\s*", "", text).splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", "!")):
            value = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), value)
            entries[key.strip()] = value.strip()
    return entries


def _length(entries: dict[str, str], key: str, path: Path) -> float:
    """A length, given in cm, in m."""
    try:
        length = float(entries[key]) / 100
    except (KeyError, ValueError):
        raise ValueError(f"{path}: {key} of its catalogue is no number") from None
    if not 0.001 <= length <= 100:
        raise ValueError(f"{path}: {key}={entries[key]}: must lie in 0.1..10000 cm")
    return length


def _turn(text: str, path: Path, index: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split())
    except ValueError:
        numbers = ()
    matrix = np.array(numbers).reshape(3, 3) if len(numbers) == 9 else np.zeros((3, 3))
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3):
        raise ValueError(f"{path}: modelRotation#{index}={text}: must be a rotation of nine numbers")
    return numbers
