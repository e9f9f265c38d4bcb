"""Banks of pictures to search in, with what is in them: rendered rooms, arrays of things, and pictures of one's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.types import OBJECTS, TYPES

WIDTH, HEIGHT = 512, 384
"""Of a bank's pictures, px, unless a width is asked for; they are three quarters as high."""
MOST_ITEMS = 12
LOOK = 48
"""Width and height of a category's exemplar, px."""

_PLAIN = {"Blinds", "Curtains", "Doorframe", "Doorway", "Window", "ShowerCurtain", "ShowerDoor", "ShowerGlass"}
_THINGS = np.array([name in OBJECTS and name not in _PLAIN for name in TYPES])
_SHARES = (0.0008, 0.12)
"""Of a picture that an item takes: neither crumbs nor all of it."""
_CANDIDATES, _EYE_M, _DOWN, _FOV = 24, 1.5, 0.25, 1.0  # views of a room to choose from; m, rad, rad
_ARRAY_ITEMS, _ARRAY_PX, _RADIUS = 6, 64, 0.36  # of a picture's height

_MOST_PICTURES, _MOST_PIXELS, _MOST_BYTES, _MOST_TABLE = 20_000, 40_000_000, 32 * 2**20, 256 * 2**20


class Bank(NamedTuple):
    """P pictures with up to M items each, of C categories.

    Attributes:
        images: (P, H, W, 3) uint8 RGB.
        category: (P, M) of each item; -1 behind the last.
        box: (P, M, 4) left, top, right and bottom of each item, as shares of the picture.
        size: (P,) items.
        names: Of the categories.
        looks: (C, LOOK, LOOK, 3) uint8, an exemplar of each.
    """

    images: NDArray[np.uint8]
    category: NDArray[np.int64]
    box: NDArray[np.float64]
    size: NDArray[np.int64]
    names: tuple[str, ...]
    looks: NDArray[np.uint8]


@lru_cache(maxsize=16)
def bank_of(scenes: str, split: str, houses: int, first: int, views: int, width: int = WIDTH) -> Bank:
    """The pictures of a source, shared by all worlds that ask for the same.

    Args:
        scenes: "ithor", "robothor" or "procedural": views of rooms; "arrays": six things of iTHOR's rooms about the
            middle; or a folder, see `from_folder`.
        split: "train", "val" or "test".
        houses: How many.
        first: The first of them.
        views: Of each; of a folder, ``houses * views`` pictures at most.
        width: Of the pictures of rooms, px.

    Raises:
        ValueError: for a source that is not there or has nothing to find; it says what.
    """
    if scenes == "arrays":
        return _arrays(bank_of("ithor", split, houses, first, views))
    if Path(scenes).is_dir():
        return from_folder(Path(scenes), split, houses * views)
    return _rooms(scenes, split, houses, first, views, width)


def from_folder(folder: Path, split: str = "train", most: int = _MOST_PICTURES) -> Bank:
    """Pictures of your own, laid out as COCO-Search18 is.

    Args:
        folder: With ``images/TASK/NAME`` and one or several ``*.json``: lists of trials with "name", "task", "split",
            "condition" ("present" or "absent"), and where present "bbox" (left, top, width, height), px; what else they
            tell is passed over.
        split: Of the trials.
        most: Pictures.

    Raises:
        ValueError: for a table or picture that is missing, too large, broken or without sense; it names the file.
    """
    import cv2

    trials = _trials(folder, split)
    names = tuple(sorted({task for task, _, _ in trials}))
    images: list[NDArray[Any]] = []
    items: list[list[tuple[int, tuple[float, ...]]]] = []
    for task, name, box in trials[:most]:
        path = folder / "images" / task / name
        image = _picture(path)
        height, width = image.shape[:2]
        images.append(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
        if box is None:
            items.append([])
            continue
        left, top, wide, high = box
        corners = (left / width, top / height, (left + wide) / width, (top + high) / height)
        if not (0 <= corners[0] < corners[2] <= 1.001 and 0 <= corners[1] < corners[3] <= 1.001):
            raise ValueError(f"{path}: the box {box} does not lie in a picture of {width} x {height}")
        items.append([(names.index(task), corners)])
    return _bank(np.stack(images), items, names, f"{folder}")


def _picture(path: Path) -> NDArray[np.uint8]:
    """A picture's colours (H, W, 3) RGB; its size is looked at before it is unpacked."""
    from PIL import Image

    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path}: must be a picture of at most 32 MiB")
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {_MOST_PIXELS:,}")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow makes of broken files
        raise ValueError(f"{path}: no JPEG or PNG that can be read ({error})") from None


def _trials(folder: Path, split: str) -> list[tuple[str, str, list[float] | None]]:
    """Task, name and box of each picture of a split, each once."""
    found: dict[tuple[str, str], list[float] | None] = {}
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size > _MOST_TABLE:
            raise ValueError(f"{path}: more than 256 MiB")
        try:
            table = json.loads(path.read_bytes())
            for trial in table:
                task, name, present = str(trial["task"]), str(trial["name"]), trial["condition"] == "present"
                if Path(task).name != task or Path(name).name != name:
                    raise ValueError(f"{task}/{name} leads elsewhere")
                if trial["split"] == split:
                    box = [float(one) for one in trial["bbox"]] if present else None
                    if box is not None and (len(box) != 4 or not np.isfinite(box).all()):
                        raise ValueError(f"bbox {trial['bbox']}")
                    found.setdefault((task, name), box)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}: not a list of trials as in COCO-Search18 ({error!r})") from None
    if not found:
        raise ValueError(f"{folder}: no trials of split {split!r} in its .json files")
    return [(task, name, box) for (task, name), box in found.items()]


def _rooms(scenes: str, split: str, houses: int, first: int, views: int, width: int) -> Bank:
    """The views of each house that have the most things in sight."""
    from foveal.envs.objectnav.kit.dressing import dress
    from foveal.envs.objectnav.navigation import explore
    from foveal.envs.objectnav.obstacles import survey
    from foveal.envs.objectnav.scenes.sources import houses_of
    from foveal.envs.rendering.renderer import Renderer
    from foveal.optics.camera import Camera
    from foveal.optics.transforms import look

    chosen = houses_of(scenes, split, houses, first)
    lattice, dressed, rng = (
        explore(chosen, survey(chosen)),
        [dress(house) for house in chosen],
        np.random.default_rng(0),
    )
    which = np.repeat(np.arange(len(chosen)), max(_CANDIDATES, 3 * views))
    at = rng.integers(lattice.starts[which], lattice.starts[which + 1])
    position = np.column_stack([lattice.positions[at], np.full(which.size, _EYE_M)])
    poses = look(position, rng.uniform(0, 2 * np.pi, which.size), np.full(which.size, -_DOWN))
    small = Renderer(dressed, Camera.from_vertical_fov(WIDTH // 4, HEIGHT // 4, _FOV), ("instance", "semantic"))
    seen = small.render(which, poses)
    score = [len(_found(*pair)) for pair in zip(seen["instance"], seen["semantic"], strict=True)]
    order = np.lexsort((-np.array(score), which))
    best = np.concatenate([order[which[order] == house][:views] for house in range(len(chosen))])
    camera = Camera.from_vertical_fov(width, 3 * width // 4, _FOV)
    large = Renderer(dressed, camera, ("rgb", "instance", "semantic"))
    images, items = [], []
    for part in np.array_split(best, max(1, len(best) // 16)):
        drawn = large.render(which[part], poses[part])
        images.append(drawn["rgb"])
        for pair in zip(drawn["instance"], drawn["semantic"], strict=True):
            items.append([(TYPES[kind], box) for kind, box in _found(*pair)][:MOST_ITEMS])
    names = tuple(sorted({name for one in items for name, _ in one}))
    numbered = [[(names.index(name), box) for name, box in one] for one in items]
    return _bank(np.concatenate(images), numbered, names, f"scenes={scenes!r}, split={split!r}")


def _found(instance: NDArray[np.int32], semantic: NDArray[np.int32]) -> list[tuple[int, tuple[float, ...]]]:
    """Type and box of each thing in sight of a fit size, the largest first."""
    height, width = instance.shape
    found = []
    thing = (instance >= 0) & _THINGS[np.maximum(semantic, 0)]
    for number in np.unique(instance[thing]):
        rows, columns = np.nonzero(instance == number)
        if _SHARES[0] <= rows.size / instance.size <= _SHARES[1]:
            box = (columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height)
            found.append((rows.size, int(semantic[rows[0], columns[0]]), tuple(float(side) for side in box)))
    return [(kind, box) for _, kind, box in sorted(found, reverse=True)]


def _arrays(rooms: Bank) -> Bank:
    """As many pictures of six different things about the middle, on grey."""
    rng = np.random.default_rng(0)
    if len(rooms.names) < _ARRAY_ITEMS:
        raise ValueError(f"arrays need {_ARRAY_ITEMS} categories, these rooms have {len(rooms.names)}: more houses")
    images = np.full((len(rooms.images), HEIGHT, WIDTH, 3), 127, np.uint8)
    items = []
    for image in images:
        chosen = rng.permutation(len(rooms.names))[:_ARRAY_ITEMS]
        angles = 2 * np.pi * (np.arange(_ARRAY_ITEMS) + 0.5) / _ARRAY_ITEMS
        placed = []
        for category, angle in zip(chosen, angles, strict=True):
            x, y = WIDTH / 2 + _RADIUS * HEIGHT * np.cos(angle), HEIGHT / 2 + _RADIUS * HEIGHT * np.sin(angle)
            left, top = round(x - _ARRAY_PX / 2), round(y - _ARRAY_PX / 2)
            image[top : top + _ARRAY_PX, left : left + _ARRAY_PX] = _scaled(rooms.looks[category], _ARRAY_PX)
            box = (left / WIDTH, top / HEIGHT, (left + _ARRAY_PX) / WIDTH, (top + _ARRAY_PX) / HEIGHT)
            placed.append((int(category), box))
        items.append(placed)
    return _bank(images, items, rooms.names, "arrays")._replace(looks=rooms.looks)


def _bank(
    images: NDArray[np.uint8],
    items: Sequence[Sequence[tuple[int, tuple[float, ...]]]],
    names: tuple[str, ...],
    what: str,
) -> Bank:
    """Put together; an exemplar is cut out where a category is largest."""
    if len(names) < 2 or not any(items):
        raise ValueError(f"{what}: fewer than two kinds of things to look for")
    most = max(1, max(len(one) for one in items))
    category, box = np.full((len(images), most), -1, np.int64), np.zeros((len(images), most, 4))
    for picture, one in enumerate(items):
        for number, (kind, corners) in enumerate(one):
            category[picture, number], box[picture, number] = kind, corners
    area = (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])
    looks = np.full((len(names), LOOK, LOOK, 3), 127, np.uint8)
    height, width = images.shape[1:3]
    for kind in range(len(names)):
        of_kind = np.where(category == kind, area, -1.0)
        best, which = np.unravel_index(int(of_kind.argmax()), of_kind.shape)
        if of_kind[best, which] > 0:
            left, top, right, bottom = box[best, which] * (width, height, width, height)
            cut = images[best, int(top) : max(int(np.ceil(bottom)), int(top) + 1)]
            looks[kind] = _scaled(cut[:, int(left) : max(int(np.ceil(right)), int(left) + 1)], LOOK)
    return Bank(images, category, box, np.array([len(one) for one in items]), names, looks)


def grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (..., 3) RGB as grey (...), as bright as they are to the eye (ITU-R BT.601)."""
    return np.rint(images @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _scaled(image: NDArray[Any], size: int) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
