"""The paradigms: which forms are searched among which, how large, how far apart, how many.

The first six are the stimuli of Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953; its stimulus
generators), after Wolfe, Yee and Friedman-Hill (1992) for curvature, Kleffner and Ramachandran (1992) for lighting,
Wolfe and DiMase (2003) for intersection, and Wolfe et al. (1992) for orientation. The others are ours; their set sizes
are those of Wolfe, Palmer and Horowitz (Vision Research 50, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from foveal.envs.params import did_you_mean

PX_PER_DEG = 30.0
"""Pixels per degree of visual angle at which the stimuli are defined."""

BAR, ARC, DISC, SHADED = range(4)
"""Kinds of strokes."""
GREY_STEPS = 16

Stroke = tuple[int, float, float, float, float, float]
"""Kind; centre x to the right and y down; and of a bar its length, its width, and its turn from vertical; of an arc its
radius, its width, and its extent, about the direction of +x; of a disc its radius, and the width of a step of a shaded
one, which goes in 16 of them from black at its top to white. Degrees of visual angle, and rad."""


def _bar(x: float, y: float, length: float, width: float, turn: float = 0.0) -> Stroke:
    return BAR, x, y, length, width, turn


def _disc(radius: float, kind: int = DISC) -> Stroke:
    return kind, 0.0, 0.0, radius, 2 / PX_PER_DEG, 0.0


_CURVE = 1.3  # rad, extent of the arc
_STROKE, _LENGTH = 0.55, 5.5  # of letters and crosses
_ACROSS, _EDGE = math.pi / 2, _LENGTH / 2 - _STROKE / 2
_HIGH, _LOW = (n * _STROKE - _LENGTH / 2 for n in (3.5, 6.5))  # middles of bars that begin 3 and 6 strokes from the top
_STEM = _bar(0.0, 0.0, _LENGTH, _STROKE)
_O = (ARC, 0.0, 0.0, 0.7, 0.2, 2 * math.pi)


def _digit(*across: float, left: float, right: float) -> tuple[Stroke, ...]:
    return (
        *(_bar(0.0, y, 1.2, 0.25, _ACROSS) for y in across),
        _bar(-0.475, left, 1.125, 0.25),
        _bar(0.475, right, 1.125, 0.25),
    )


FORMS: dict[str, tuple[Stroke, ...]] = {
    "line": (_bar(0.0, 0.0, 1.2, 0.2),),
    "curve": ((ARC, -(1 + math.cos(_CURVE / 2)) / 2, 0.0, 1.0, 1 / 6, _CURVE),),
    "ball": (_disc(0.5, SHADED),),
    "cross": (_STEM, _bar(0.0, _HIGH, _LENGTH, _STROKE, _ACROSS)),
    "non-cross": (
        _STEM,
        _bar(-_LENGTH / 4, _HIGH, _LENGTH / 2, _STROKE, _ACROSS),
        _bar(_LENGTH / 4, _LOW, _LENGTH / 2, _STROKE, _ACROSS),
    ),
    "L": (_bar(-_EDGE, 0.0, _LENGTH, _STROKE), _bar(0.0, _EDGE, _LENGTH, _STROKE, _ACROSS)),
    "T": (_STEM, _bar(0.0, -_EDGE, _LENGTH, _STROKE, _ACROSS)),
    "bar": (_bar(0.0, 0.0, 2.0, 0.3),),
    "rod": (_bar(0.0, 0.0, 2.0, 0.6),),
    "2": _digit(-0.875, 0.0, 0.875, left=0.4375, right=-0.4375),
    "5": _digit(-0.875, 0.0, 0.875, left=-0.4375, right=0.4375),
    "O": (_O,),
    "Q": (_O, _bar(0.0, 0.7, 0.6, 0.2)),
    "small": (_disc(0.6),),
    "large": (_disc(1.0),),
}

Pose = tuple[float, bool]
"""A turn, in degrees clockwise, of what is mirrored left to right before it, or not."""

UPRIGHT: Pose = (0.0, False)
_EIGHTHS = tuple((turn, False) for turn in (135.0, 180.0, -135.0, -90.0))
_FLIPS = (UPRIGHT, (180.0, True), (-90.0, True), (90.0, False))  # upside down; the transpose, and that left to right
_WHITE, _BLACK, _RED, _GREEN = (255, 255, 255), (0, 0, 0), (220, 40, 40), (30, 170, 60)


def place(stroke: Stroke, turn_deg: float, mirrored: bool) -> Stroke:
    """A stroke of an item that has a pose; of an arc, the last number stays its extent."""
    kind, x, y, a, b, turn = stroke
    sign, angle = (-1.0 if mirrored else 1.0), math.radians(turn_deg)
    x, cos, sin = sign * x, math.cos(angle), math.sin(angle)
    return kind, x * cos - y * sin, x * sin + y * cos, a, b, sign * turn + angle if kind == BAR else turn


def _reach(stroke: Stroke, turn_deg: float, mirrored: bool) -> float:
    """How far a stroke of an item goes from the item's middle along x or y, degrees."""
    kind, x, y, a, b, turn = place(stroke, turn_deg, mirrored)
    if kind == BAR:
        points = _corners(x, y, a / 2, b / 2, turn)
    elif kind == ARC:
        middle = math.radians(turn_deg) + (math.pi if mirrored else 0.0)
        spread = [middle + turn * (k / 64 - 0.5) for k in range(65)]
        points = [(x + r * math.cos(t), y + r * math.sin(t)) for t in spread for r in (a - b / 2, a + b / 2)]
    else:
        points = [(x - a, y - a), (x + a, y + a)]
    return max(max(abs(px), abs(py)) for px, py in points)


def _corners(x: float, y: float, half_length: float, half_width: float, turn: float) -> Sequence[tuple[float, float]]:
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        (x + u * half_width * cos - v * half_length * sin, y + u * half_width * sin + v * half_length * cos)
        for u in (-1, 1)
        for v in (-1, 1)
    ]


@dataclass(frozen=True)
class Look:
    """What items may look like.

    Attributes:
        form: One of `FORMS`.
        poses: One of which an item has.
        colour: RGB; a shaded disc has its own.
    """

    form: str
    poses: tuple[Pose, ...] = (UPRIGHT,)
    colour: tuple[int, int, int] = _BLACK

    @property
    def extent_deg(self) -> float:
        """Width of the square about an item's middle that holds it in every pose, degrees."""
        return 2 * max(_reach(stroke, turn, mirrored) for stroke in FORMS[self.form] for turn, mirrored in self.poses)


@dataclass(frozen=True)
class Paradigm:
    """Where items stand: in cells of a square grid, which begins in a field's upper left corner, at random within them.

    Attributes:
        field_px: Width of the field.
        grid: Cells in a row, and rows.
        cell_px: Width of a cell.
        box_px: Width of an item's box.
        jitter_px: Pixels across and down, of which one is drawn for how far the box is from its cell's corner.
        set_sizes: Items of a display, the target among them.
        background: Grey.

    Pixels are of `PX_PER_DEG`.

    Raises:
        ValueError: for more items than cells, boxes that do not fit into cells, a grid larger than the field, or sizes
            that are not positive.
    """

    field_px: int
    grid: int
    cell_px: int
    box_px: int
    jitter_px: int
    set_sizes: tuple[int, ...]
    background: int = 255

    def __post_init__(self) -> None:
        for name in ("field_px", "grid", "cell_px", "box_px", "jitter_px"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if not self.set_sizes or not 1 <= min(self.set_sizes) <= max(self.set_sizes) <= self.grid**2:
            raise ValueError(
                f"set_sizes={self.set_sizes}: must be in [1, {self.grid**2}], the cells of a grid of {self.grid}"
            )
        if self.box_px + self.jitter_px - 1 > self.cell_px:
            raise ValueError(
                f"items of {self.box_px / PX_PER_DEG:.3g} degrees do not fit into cells of "
                f"{self.cell_px / PX_PER_DEG:.3g}"
            )
        if self.grid * self.cell_px > self.field_px:
            raise ValueError(
                f"a grid of {self.grid} cells of {self.cell_px / PX_PER_DEG:.3g} degrees does not fit into a field of "
                f"{self.field_px / PX_PER_DEG:.3g}"
            )

    @property
    def field_deg(self) -> float:
        """Width of the field, degrees."""
        return self.field_px / PX_PER_DEG


CURVATURE = Paradigm(339, 6, 56, 48, 8, (8, 16, 32), 0)
LIGHTING = Paradigm(198, 4, 49, 31, 18, (1, 6, 12), 27)
LETTERS = Paradigm(615, 3, 205, 177, 27, (3, 6, 9))
HOMOGENEOUS = Paradigm(339, 4, 84, 69, 15, (1, 4, 8, 12))
OURS = Paradigm(450, 5, 90, 72, 18, (3, 6, 12, 18))
COLOURED = Paradigm(450, 5, 90, 72, 18, (3, 6, 12, 18), 0)


@dataclass(frozen=True)
class Condition:
    """A target among distractors.

    Attributes:
        paradigm: Where they stand.
        target: What the target looks like.
        distractors: What the others look like.
        drawn: The looks and poses of distractors are those of their slots in turn; each by itself at random; or
            different ones at random, as long as there are some.

    Raises:
        ValueError: for items that are larger than their boxes.
    """

    paradigm: Paradigm
    target: Look
    distractors: tuple[Look, ...]
    drawn: Literal["in turn", "each", "different"] = "in turn"

    def __post_init__(self) -> None:
        box = self.paradigm.box_px / PX_PER_DEG
        for look in (self.target, *self.distractors):
            if look.extent_deg > box + 1e-9:
                raise ValueError(f"{look.form!r} of {look.extent_deg:.3g} degrees does not fit into a box of {box:.3g}")


def _pair(
    paradigm: Paradigm,
    first: Look,
    second: Look,
    names: tuple[str, str],
    drawn: Literal["in turn", "each", "different"] = "in turn",
) -> dict[str, Condition]:
    """Each among the other."""
    return {
        names[0]: Condition(paradigm, first, (second,), drawn),
        names[1]: Condition(paradigm, second, (first,), drawn),
    }


def _bars(*turns: float) -> Look:
    return Look("bar", tuple((turn, False) for turn in turns))


def _balls(*turns: float) -> Look:
    return Look("ball", tuple((turn, False) for turn in turns))


_MIXED = (80.0, 60.0, 40.0, -20.0, -40.0, -60.0, -80.0)
_BELOW, _ABOVE, _LEFT, _RIGHT = 0.0, 180.0, 90.0, -90.0  # turns of a ball whose bright side is there
CONDITIONS: dict[str, Condition] = {
    **_pair(
        CURVATURE, Look("curve", _EIGHTHS, _WHITE), Look("line", _EIGHTHS, _WHITE), ("curve_in_lines", "line_in_curves")
    ),
    "lighting_vertical": Condition(LIGHTING, _balls(_ABOVE), (_balls(_BELOW),)),
    "lighting_horizontal": Condition(LIGHTING, _balls(_LEFT), (_balls(_RIGHT),)),
    **_pair(
        LETTERS,
        Look("non-cross", _FLIPS),
        Look("cross", _FLIPS),
        ("noncross_in_crosses", "cross_in_noncrosses"),
        "each",
    ),
    **_pair(LETTERS, Look("T", _FLIPS), Look("L", _FLIPS), ("t_in_ls", "l_in_ts"), "each"),
    **_pair(HOMOGENEOUS, _bars(20), _bars(0), ("tilted_in_vertical", "vertical_in_tilted")),
    "vertical_in_mixed": Condition(HOMOGENEOUS, _bars(0), (_bars(*_MIXED, 20.0),), "different"),
    "tilted_in_mixed": Condition(HOMOGENEOUS, _bars(20), (_bars(*_MIXED, 0.0),), "different"),
    **_pair(OURS, Look("Q"), Look("O"), ("q_in_os", "o_in_qs")),
    **_pair(OURS, Look("2"), Look("5"), ("2_in_5s", "5_in_2s")),
    **_pair(OURS, Look("large"), Look("small"), ("large_in_small", "small_in_large")),
    "bottom_lit_in_top_lit": Condition(LIGHTING, _balls(_BELOW), (_balls(_ABOVE),)),
    "feature": Condition(COLOURED, Look("rod", colour=_RED), (Look("rod", colour=_GREEN),)),
    "conjunction": Condition(
        COLOURED,
        Look("rod", colour=_RED),
        (Look("rod", colour=_GREEN), Look("rod", ((90.0, False),), _RED)),
    ),
}
"""By name: the twelve of the paper by pairs, in the order of its experiments 1 to 6, and ours.

Of ``lighting_vertical`` the target is lit from above, among balls lit from below; ``bottom_lit_in_top_lit`` is the
reverse."""


def condition_named(name: str) -> Condition:
    """The condition of a name.

    Raises:
        ValueError: for an unknown one; it names the nearest.
    """
    if name not in CONDITIONS:
        raise ValueError(f"unknown condition {name!r}{did_you_mean(name, list(CONDITIONS))}")
    return CONDITIONS[name]
