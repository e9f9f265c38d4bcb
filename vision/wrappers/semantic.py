"""What is where: the world's classes, fewer of them, as planes, or as a mask of the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.vision.wrappers.observation import (
    Arrays,
    Moments,
    Perceived,
    VectorPerceived,
    box_of,
    check_finite,
    image_of,
    observed,
    perceived,
)

FORMS = ("ids", "planes", "masked")


def SemanticObservation(
    env: Any,
    classes: Mapping[str, Iterable[int]] | None = None,
    *,
    form: str = "planes",
    key: str = "semantic",
    image: str = "rgb",
    into: str | None = None,
) -> Perceived | VectorPerceived:
    """The environment with the classes of its pixels in another form. They are the world's own: an oracle's.

    | form | | |
    |---|---|---|
    | ``"ids"`` | (H, W) uint8 | 0 for what is in none of `classes`, else one more than the class's place there |
    | ``"planes"`` | (H, W, K) uint8, 0 or 1 | a plane for each of K classes; a pixel in none of them is 0 in all |
    | ``"masked"`` | as the picture | the picture where a pixel is in one of the classes, its lowest value elsewhere |

    With C cameras all have the axis C in front.

    Args:
        env: A `gymnasium.Env` or a `gymnasium.vector.VectorEnv` that observes a Dict.
        classes: Of each new class the world's ids that are in it, none in two. None: each id is a class of its own
            (for ids that begin with 0 the planes are then one-hot).
        form: See above.
        key: Name of the world's ids: (H, W) or (C, H, W), whole numbers.
        image: Name of the picture that is masked.
        into: Name of the new observation; None: `key`, or `image` where it is masked.

    Raises:
        ValueError: for another form, a world without the observations, ids that it has not or that are in two
            classes, or more than 255 of them.
    """
    return perceived(env, Semantic(observed(env), classes, form, key, image, into))


class Semantic:
    """See `SemanticObservation`; `space` is that of single observations.

    Attributes:
        names: Of the K classes, in the order of their places.
    """

    told: tuple[str, ...] = ()

    def __init__(
        self,
        space: spaces.Dict,
        classes: Mapping[str, Iterable[int]] | None,
        form: str,
        key: str,
        image: str,
        into: str | None,
    ) -> None:
        if form not in FORMS:
            raise ValueError(f"form={form!r}: must be one of {', '.join(map(repr, FORMS))}")
        box = box_of(space, key, (2, 3), "classes (H, W) or (C, H, W); ask the world for them (semantic=True)")
        if not np.issubdtype(box.dtype, np.integer) or box.low.min() < 0 or box.high.max() > 2**16:
            raise ValueError(f"the observation {key!r} is {box}: must be whole numbers from 0 to at most {2**16}")
        most = int(box.high.max())
        self.names, self._class_of = _table(
            {str(i): [i] for i in range(most + 1)} if classes is None else classes, most
        )
        self._form, self._key, self._image = form, key, image
        self._into = into or (image if form == "masked" else key)
        if form == "masked":
            picture = image_of(space, image)
            if picture.shape[:-1] != box.shape:
                raise ValueError(f"{image!r} is {picture.shape}, {key!r} {box.shape}: must be of the same pixels")
            self.reads: tuple[str, ...] = (key, image)
            given: spaces.Box = picture
        else:
            self.reads = (key,)
            shape = box.shape if form == "ids" else (*box.shape, len(self.names))
            given = spaces.Box(0, len(self.names) if form == "ids" else 1, shape, np.uint8)
        self._box = given
        self.gives: Mapping[str, spaces.Space[Any]] = {self._into: given}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        classes = self._class_of[seen[self._key]]
        if self._form == "ids":
            return {self._into: classes}
        if self._form == "planes":
            return {self._into: (classes[..., None] == np.arange(1, len(self.names) + 1)).astype(np.uint8)}
        picture = seen[self._image]
        check_finite(self._image, picture)
        return {self._into: np.where(classes[..., None] > 0, picture, self._box.low)}


def _table(classes: Mapping[str, Iterable[int]], most: int) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """Names of the classes, and (most + 1,) of each of the world's ids its class: its place from 1 on, or 0."""
    if not 1 <= len(classes) <= 255:
        raise ValueError(f"{len(classes)} classes: must be from 1 to 255")
    table = np.zeros(most + 1, np.uint8)
    for place, (name, ids) in enumerate(classes.items(), 1):
        for one in map(index, ids):
            if not 0 <= one <= most:
                raise ValueError(f"class {name!r} has the id {one}: must be in [0, {most}]")
            if table[one]:
                raise ValueError(f"the id {one} is in two classes: must be in one")
            table[one] = place
    return tuple(classes), table
