"""Visual search: look about a display of items for one that differs, and say whether it is there.

# Description

Items stand about a field of some degrees of visual angle, in one of the `CONDITIONS`: a T among Ls, a red bar among
green ones. With probability `present` one of them is the target. The eye begins in the middle; it sees sharply where it
looks and less and less around (`foveal.optics.eye`). It may look elsewhere, and says at some time whether the target is
there, which ends the episode. Displays are those of Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021,
arXiv:2106.02953), and others; see `foveal.envs.visual_search.paradigms`.

# Actions

| actions | | |
|---|---|---|
| items | Discrete(M + 2) | look at item 0 … M - 1, say *present*, say *absent*; what is not there moves nothing |
| cells | Discrete(C + 2) | look at the middle of cell 0 … C - 1, by rows; *present*; *absent* |
| continuous | Box(-1, 1, (3,)) | x to the right and y down, in half fields; above 1/3 *present*, below -1/3 *absent* |

# Observations

A dict:

| name | | range |
|---|---|---|
| retina | (size, size, 1 or 3) uint8: what is seen, the fixation in column and row size // 2 | |
| fixations | (history, 3) float32, the present one first: x, y in half fields, and whether there was one | -1 to 1 |
| target | (B, B, 1 or 3) uint8, a picture of it; or a category (its form), or a text's number (its condition) | |
| slots | (M, 5) float32: there; x, y; how far inhibited; 1 target, -1 none, 0 not recognised (yet) | -1 to 1 |

# Rewards

`saccade_reward` for every fixation after the first, `correct_reward` or `error_reward` for the answer; the latter, too,
when time is up.

# Ends

Terminated by an answer, truncated after `duration` fixations.

# Time

A fixation takes 252.4 ms and the rest 376.3 ms, the line by which the paper above turns fixations into reaction times;
with `saccade_durations`, a saccade of A degrees takes another 2.2 A + 21 ms (the main sequence of Carpenter, "Movements
of the eyes", 1988).

# Infos

``reaction_time`` s, ``correct`` and ``success`` (the same), ``answer`` (1 present, -1 absent, 0 none yet),
``target_present``, ``set_size``, ``saccades``, ``amplitude`` (of the last one, deg), ``on_target``, and ``fixated``
(duration + 1), the cell of every fixation: -1 in none, -2 not yet.

# Versions

v0: first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import Rows
from foveal.envs.overlay import Annotation
from foveal.envs.single import SingleEnv
from foveal.envs.visual_search.displays import Displays, empty
from foveal.envs.visual_search.gaze import LEVELS, Floats, GazeWorld
from foveal.envs.visual_search.paradigms import CONDITIONS, FORMS, PX_PER_DEG
from foveal.envs.visual_search.params import VisualSearchParams
from foveal.envs.visual_search.stimuli import Stimuli
from foveal.envs.visual_search.views import SearchScene, draw
from foveal.optics.eye import Eye

_PX = 360  # width of a picture for the eye, at zoom 1


class VisualSearch(GazeWorld):
    """N searches; see the module, and `BatchEnv`.

    Attributes:
        stimuli: Makes and draws the displays.
        displays: Of the rows.
    """

    Params = VisualSearchParams
    params: VisualSearchParams
    stimuli: Stimuli
    displays: Displays

    def _build(self) -> None:
        self.stimuli = stimuli = self.params.stimuli()
        self.eye = Eye(stimuli.px_per_deg, self.params.e2_deg, LEVELS)
        self.half_deg = np.full(2, stimuli.condition.paradigm.field_deg / 2)
        self.shape = (stimuli.px, stimuli.px)
        self.cells, self.middles = stimuli.cells_of_pixels(), stimuli.cell_middles()
        looks = stimuli.looks()
        self._looks = looks if self.params.colour else looks[..., None]

    def _told(self) -> dict[str, spaces.Space[Any]]:
        told: dict[str, spaces.Space[Any]] = {
            "image": spaces.Box(0, 255, self._looks.shape[1:], np.uint8),
            "category": spaces.Discrete(len(FORMS)),
            "text": spaces.Discrete(len(CONDITIONS)),
        }
        return {"target": told[self.params.target]} if self.params.target in told else {}

    @property
    def _most(self) -> int:
        return self.stimuli.most

    def _own_state(self) -> dict[str, NDArray[Any]]:
        self.displays = empty(self.num_envs, self._most)
        return dict(self.displays._asdict())

    def _arrange(self, rows: Rows) -> None:
        self.stimuli.arrange(rows, self._seed, self._episode, self.displays)

    def _drawn(self, rows: Rows) -> NDArray[np.uint8]:
        images = self.stimuli.draw(self.displays, rows)
        return images if self.params.colour else images[..., None]

    def _tell(self, rows: Rows) -> None:
        look = self.displays.sought[rows]
        if self.params.target == "image":
            self._observations["target"][rows] = self._looks[look]
        elif self.params.target == "category":
            self._observations["target"][rows] = self.stimuli.cast.form[look]
        elif self.params.target == "text":
            self._observations["target"][rows] = list(CONDITIONS).index(self.params.condition)

    @property
    def _items(self) -> tuple[Floats, NDArray[np.int64]]:
        return self.displays.place, self.displays.size

    @property
    def _sought(self) -> NDArray[np.bool_]:
        return np.arange(self._most) == self.displays.target[:, None]

    @property
    def _backgrounds(self) -> NDArray[np.uint8]:
        return np.full(self.num_envs, self.stimuli.condition.paradigm.background, np.uint8)

    def _on_target(self) -> NDArray[np.bool_]:
        target = self.displays.target
        cell = self.displays.cell[np.arange(self.num_envs), np.maximum(target, 0)]
        return (target >= 0) & (self.cell_at(self._fixation) == cell)

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        super()._check_state(state)
        most, half, cells = self._most, float(self.half_deg[0]), len(self.middles)
        self._check_ranges(
            state, size=(0, most), target=(-1, most - 1), sought=(0, self.stimuli.layout.targets - 1),
            cell=(-1, cells - 1), look=(0, len(self._looks) - 1), place=(-half, half),
        )  # fmt: skip

    def _scene(self, row: int) -> SearchScene:
        target, half = int(self.displays.target[row]), self.stimuli.condition.paradigm.box_px / PX_PER_DEG / 2
        return SearchScene(
            time_s=self._elapsed[row] / self.frame_rate,
            picture=Displays._make(array[row : row + 1].copy() for array in self.displays),
            items=int(self.displays.size[row]),
            sought=self.params.condition.replace("_", " "),
            fixations=self._path[row, : self._saccades[row] + 1].copy(),
            gaze=self._fixation[row],
            targets=self.displays.place[row, [target][: target + 1], None] + np.array([[-half] * 2, [half] * 2]),
            answer=int(self._answer[row]),
            correct=bool(self._correct[row]),
        )

    def draw(self, scene: SearchScene, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: the display with the fixations, and how it is seen from the last one."""
        px_per_deg = _PX * zoom / self.stimuli.condition.paradigm.field_deg
        pen = Stimuli(self.stimuli.condition, px_per_deg=px_per_deg, colour=True)
        return draw(pen.draw(scene.picture)[0], px_per_deg, scene, self.params.e2_deg, annotation)


class VisualSearchEnv(SingleEnv):
    """One search at a time; see the module."""

    world = VisualSearch
