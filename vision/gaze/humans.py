"""What humans do in the twelve searches of *Visual Search Asymmetry*.

Slopes and intercepts are those that Gupta et al. (NeurIPS 2021, arXiv:2106.02953) took from the figures of the
experiments named here, as published with their code (``human_rt_data.py``). Names are those of
`foveal.envs.visual_search.paradigms.CONDITIONS`.
"""

from __future__ import annotations

from typing import NamedTuple


class Human(NamedTuple):
    """A search.

    Attributes:
        slope: ms per item.
        intercept: ms.
        source: Whose experiment, where that is known here; else who published the figures.
    """

    slope: float
    intercept: float
    source: str


_PAPER = "Gupta et al., NeurIPS (2021)"
_CURVATURE = "Wolfe, Yee and Friedman-Hill, Perception 21 (1992)"
_LIGHTING = "Kleffner and Ramachandran, Perception & Psychophysics 52 (1992)"
_LETTERS = "Wolfe and DiMase, Perception 32 (2003)"
_ORIENTATION = "Wolfe, Friedman-Hill, Stewart and O'Connell, JEP: HPP 18 (1992)"

HUMANS: dict[str, Human] = {
    "curve_in_lines": Human(0.80, 504, _CURVATURE),
    "line_in_curves": Human(7.59, 510, _CURVATURE),
    "lighting_vertical": Human(4.21, 417, _LIGHTING),
    "lighting_horizontal": Human(23.88, 488, _LIGHTING),
    "noncross_in_crosses": Human(45.0, 510, _LETTERS),
    "cross_in_noncrosses": Human(96.0, 541, _LETTERS),
    "t_in_ls": Human(14.0, 499, _PAPER),
    "l_in_ts": Human(33.0, 474, _PAPER),
    "tilted_in_vertical": Human(2.38, 420, _PAPER),
    "vertical_in_tilted": Human(9.86, 461, _PAPER),
    "vertical_in_mixed": Human(23.7, 437, _ORIENTATION),
    "tilted_in_mixed": Human(71.1, 498, _ORIENTATION),
}

PAIRS: tuple[tuple[str, str], ...] = (
    ("curve_in_lines", "line_in_curves"),
    ("lighting_vertical", "lighting_horizontal"),
    ("noncross_in_crosses", "cross_in_noncrosses"),
    ("t_in_ls", "l_in_ts"),
    ("tilted_in_vertical", "vertical_in_tilted"),
    ("vertical_in_mixed", "tilted_in_mixed"),
)
"""The six experiments: the search that is easier for humans, and the harder one."""
