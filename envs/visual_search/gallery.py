"""A contact sheet of the conditions: ``python -m foveal.envs.visual_search.gallery FILE.png [CONDITION ...]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from foveal.envs.gallery import arranged
from foveal.envs.overlay import Frame
from foveal.envs.visual_search.paradigms import CONDITIONS, condition_named
from foveal.envs.visual_search.stimuli import Stimuli

_SEED = 0


def sheet(names: Sequence[str] = tuple(CONDITIONS), columns: int = 7, width: int = 300) -> Frame:
    """The largest display of each condition, under its name.

    Args:
        names: Conditions.
        columns: How many there are side by side.
        width: Of a display, px.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: for an unknown condition; it names the nearest.
    """
    return arranged({name: _display(name, width) for name in names}, columns)


def _display(name: str, width: int) -> Frame:
    paradigm = condition_named(name).paradigm
    stimuli = Stimuli(name, set_sizes=paradigm.set_sizes[-1:], px_per_deg=width / paradigm.field_deg, colour=True)
    return np.ascontiguousarray(stimuli.draw(stimuli.make([_SEED]))[0])


if __name__ == "__main__":
    import cv2

    if not sys.argv[1:] or not sys.argv[1].endswith((".jpg", ".png")):
        sys.exit("usage: python -m foveal.envs.visual_search.gallery FILE.png [CONDITION ...]")
    try:
        cv2.imwrite(sys.argv[1], sheet(sys.argv[2:] or tuple(CONDITIONS))[..., ::-1])
    except ValueError as error:
        sys.exit(f"{error}")
