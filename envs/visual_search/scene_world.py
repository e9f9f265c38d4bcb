"""Scene search: look about a picture of a room for a thing of a category, and say whether it is there.

# Description

A picture of `picture_deg` degrees is one of a bank (`foveal.envs.visual_search.banks`): a view of a room of AI2-THOR's
or of a procedural house, an array of things about the middle, or one of your own. A category is sought that is in it
with probability `present`, and else one that is in another picture but not in this. The eye, the actions, rewards, ends
and times are those of `foveal/VisualSearch-v0` (`foveal.envs.visual_search.world`); cells are 8 by 6.

# Actions

| actions | | |
|---|---|---|
| items | Discrete(M + 2) | look at the middle of thing 0 … M - 1, say *present*, say *absent* |
| cells | Discrete(48 + 2) | look at the middle of cell 0 … 47, by rows; *present*; *absent* |
| continuous | Box(-1, 1, (3,)) | x to the right and y down, in half pictures; over 1/3 *present*, under -1/3 *absent* |

# Observations

A dict: `retina`, `fixations` and on request `slots` as in `foveal/VisualSearch-v0`, and `target`: an exemplar (B, B, 1
or 3) uint8 from some picture, or the category's number (its name is in `categories`).

# Infos

As in `foveal/VisualSearch-v0`, and ``picture`` and ``sought``. ``on_target``: the fixation is within the box of a thing
that is sought.

# Versions

v0: first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import Infos, Rows
from foveal.envs.overlay import Annotation
from foveal.envs.single import SingleEnv
from foveal.envs.visual_search.banks import HEIGHT, WIDTH, Bank, bank_of, grey
from foveal.envs.visual_search.gaze import LEVELS, Floats, GazeWorld
from foveal.envs.visual_search.params import SceneSearchParams
from foveal.envs.visual_search.views import SearchScene, draw
from foveal.kernels import kernel, launch
from foveal.optics.eye import Eye
from foveal.rng import uniform

COLUMNS, ROWS = 8, 6
"""Of cells."""
_TRIES = 64


class SceneSearch(GazeWorld):
    """N searches in pictures; see the module, and `BatchEnv`.

    Attributes:
        bank: The pictures, shared by the rows.
        categories: Names of what may be sought.
    """

    Params = SceneSearchParams
    params: SceneSearchParams
    bank: Bank

    def _build(self) -> None:
        import cv2

        p = self.params
        self.bank = bank = bank_of(p.scenes, p.split, p.houses, p.first_house, p.views)
        self.categories = bank.names
        self.eye = Eye(p.size / (p.view_deg or 1.5 * p.picture_deg), p.e2_deg, LEVELS)
        width = max(COLUMNS, round(p.picture_deg * self.eye.px_per_deg))
        self.shape = (max(ROWS, round(width * HEIGHT / WIDTH)), width)
        self.half_deg = np.array([p.picture_deg, p.picture_deg * HEIGHT / WIDTH]) / 2
        small = [cv2.resize(image, self.shape[::-1], interpolation=cv2.INTER_AREA) for image in bank.images]
        self._images = _seen(np.stack(small).astype(np.uint8), p.colour)
        self._looks = _seen(bank.looks, p.colour)
        self._greys = np.rint(self._images.mean((1, 2, 3))).astype(np.uint8)
        rows, columns = (np.arange(n) * cells // n for n, cells in zip(self.shape, (ROWS, COLUMNS), strict=True))
        self.cells = rows[:, None] * COLUMNS + columns
        x, y = ((np.arange(n) + 0.5) / n * 2 - 1 for n in (COLUMNS, ROWS))
        self.middles = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2) * self.half_deg
        self._boxes = (bank.box.reshape(*bank.box.shape[:2], 2, 2) * 2 - 1) * self.half_deg  # (P, M, 2, 2) degrees

    def _told(self) -> dict[str, spaces.Space[Any]]:
        told: dict[str, spaces.Space[Any]] = {
            "image": spaces.Box(0, 255, self._looks.shape[1:], np.uint8),
            "category": spaces.Discrete(len(self.categories)),
        }
        return {"target": told[self.params.target]} if self.params.target in told else {}

    @property
    def _most(self) -> int:
        return self.bank.category.shape[1]

    def _own_state(self) -> dict[str, NDArray[Any]]:
        self._picture = np.zeros(self.num_envs, np.int64)
        self._category = np.zeros(self.num_envs, np.int64)
        return {"picture": self._picture, "category": self._category}

    def _arrange(self, rows: Rows) -> None:
        launch(
            choose_rows, rows.size, rows, self._seed, self._episode, self.params.present, self.bank.category,
            self.bank.size, self._picture, self._category,
        )  # fmt: skip

    def _drawn(self, rows: Rows) -> NDArray[np.uint8]:
        drawn: NDArray[np.uint8] = self._images[self._picture[rows]]
        return drawn

    def _tell(self, rows: Rows) -> None:
        if self.params.target == "image":
            self._observations["target"][rows] = self._looks[self._category[rows]]
        elif self.params.target == "category":
            self._observations["target"][rows] = self._category[rows]

    @property
    def _items(self) -> tuple[Floats, NDArray[np.int64]]:
        return self._boxes[self._picture].mean(2), self.bank.size[self._picture]

    @property
    def _sought(self) -> NDArray[np.bool_]:
        return np.asarray(self.bank.category[self._picture] == self._category[:, None])

    @property
    def _backgrounds(self) -> NDArray[np.uint8]:
        grey: NDArray[np.uint8] = self._greys[self._picture]
        return grey

    def _on_target(self) -> NDArray[np.bool_]:
        low, high = np.moveaxis(self._boxes[self._picture], 2, 0)  # (N, M, 2)
        within = ((self._fixation[:, None] >= low) & (self._fixation[:, None] <= high)).all(-1)
        return np.asarray((within & self._sought).any(1))

    def _info(self) -> Infos:
        return {**super()._info(), "picture": self._picture, "sought": self._category}

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        super()._check_state(state)
        last = len(self.bank.images) - 1, len(self.categories) - 1
        self._check_ranges(state, picture=(0, last[0]), category=(0, last[1]))

    def _scene(self, row: int) -> SearchScene:
        picture = int(self._picture[row])
        return SearchScene(
            time_s=self._elapsed[row] / self.frame_rate,
            picture=picture,
            items=int(self.bank.size[picture]),
            sought=self.categories[self._category[row]],
            fixations=self._path[row, : self._saccades[row] + 1].copy(),
            gaze=self._fixation[row],
            targets=self._boxes[picture][self._sought[row]],
            answer=int(self._answer[row]),
            correct=bool(self._correct[row]),
        )

    def draw(self, scene: SearchScene, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: the picture with the fixations, and how it is seen from the last one."""
        import cv2

        width = round(480 * zoom)
        image = cv2.resize(
            self.bank.images[scene.picture], (width, width * HEIGHT // WIDTH), interpolation=cv2.INTER_AREA
        )
        picture = np.asarray(image, np.uint8)
        return draw(picture, width / self.params.picture_deg, scene, self.params.e2_deg, annotation)


@kernel
def choose_rows(start, stop, rows, seeds, episodes, present, category, size, picture, sought):
    """Choose a picture for each of `rows`, and a category of its items or, as often as not `present`, of another's."""
    for i in range(start, stop):
        row = rows[i]
        seed, episode = seeds[row], episodes[row]
        one = int(uniform(seed, episode, 0) * size.size)
        picture[row] = one
        there = size[one] > 0 and uniform(seed, episode, 1) < present
        sought[row] = 0
        for attempt in range(_TRIES):
            other = one if there else int(uniform(seed, episode, 2 + 2 * attempt) * size.size)
            if size[other] == 0:
                continue
            kind = category[other, int(uniform(seed, episode, 3 + 2 * attempt) * size[other])]
            sought[row] = kind
            found = False
            for item in range(size[one]):
                found |= category[one, item] == kind
            if found == there:
                break


def _seen(images: NDArray[np.uint8], colour: bool) -> NDArray[np.uint8]:
    """Images (P, H, W, 3) as they are seen (P, H, W, C): with colours, or as grey as they are bright."""
    return images if colour else grey(images)[..., None]


class SceneSearchEnv(SingleEnv):
    """One search at a time; see the module."""

    world = SceneSearch
