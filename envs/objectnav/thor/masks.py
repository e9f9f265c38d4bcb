"""Images of instances and types: their colours, and masks and boxes of what is in them, under AI2-THOR's names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.scenes.house import Thing
from foveal.envs.objectnav.thor.place import Colour, Place
from foveal.envs.objectnav.types import TYPES

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]


class Segments:
    """What each pixel of a view shows.

    Args:
        place: Where.
        instance: (H, W) int32, 1 + the number of a thing (`dressing`); others are walls, doors and so on.
        semantic: (H, W) int32, rows of `TYPES`; -1 and 0 are nothing.
    """

    def __init__(self, place: Place, instance: NDArray[np.int32], semantic: NDArray[np.int32]) -> None:
        self._things, self._colours = place.house.things, place.colours
        self._types = [_class_of(thing, place) for thing in self._things]
        self._thing = np.where(instance <= len(self._things), instance, 0) - 1  # -1 and -2: no thing
        self._kind = np.where(self._thing < 0, np.maximum(semantic, 0), 0)

    def instance_masks(self) -> dict[str, Mask]:
        """(H, W) bool of each object in view, by its id."""
        return {self._things[k].id: self._thing == k for k in np.unique(self._thing).tolist() if k >= 0}

    def class_masks(self) -> dict[str, Mask]:
        """(H, W) bool of each type in view, walls and such included."""
        masks = {TYPES[k]: self._kind == k for k in np.unique(self._kind).tolist() if k > 0}
        for k in np.unique(self._thing).tolist():
            if k >= 0:
                name = self._types[k]
                masks[name] = masks.get(name, False) | (self._thing == k)
        return masks

    def instance_boxes(self) -> dict[str, Box]:
        """(left, top, right, bottom) pixels of each object in view, both ends inside."""
        return {name: box(mask) for name, mask in self.instance_masks().items()}

    def class_boxes(self) -> dict[str, tuple[Box, ...]]:
        """The boxes of the objects of each type in view; of walls and such, one around all."""
        boxes: dict[str, tuple[Box, ...]]
        boxes = {TYPES[k]: (box(self._kind == k),) for k in np.unique(self._kind).tolist() if k > 0}
        for k in np.unique(self._thing).tolist():
            if k >= 0:
                name = self._types[k]
                boxes[name] = (*boxes.get(name, ()), box(self._thing == k))
        return boxes

    def instance_frame(self) -> Frame:
        """(H, W, 3) uint8: an object's own colour, or its type's of what is no object."""
        return self._painted([self._colours[thing.id] for thing in self._things])

    def semantic_frame(self) -> Frame:
        """(H, W, 3) uint8: the colours of types."""
        return self._painted([self._colours[thing.type] for thing in self._things])

    def _painted(self, of_things: list[Colour]) -> Frame:
        palette = np.array([(0, 0, 0), *(self._colours[name] for name in TYPES[1:]), *of_things], np.uint8)
        return palette[np.where(self._thing >= 0, self._thing + len(TYPES), self._kind)]


def _class_of(thing: Thing, place: Place) -> str:
    """The class that AI2-THOR's client counts a thing to, by its id: a basin's "Sink|…|SinkBasin" is a "Sink"."""
    named = thing.id.split("|")[0]
    return named if named in place.colours else thing.type


def box(mask: Mask) -> Box:
    """(left, top, right, bottom) pixels of a mask that is not empty, both ends inside."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
