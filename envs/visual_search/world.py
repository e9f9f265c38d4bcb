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

``reaction_time`` s, ``correct``, ``answer`` (1 present, -1 absent, 0 none yet), ``target_present``, ``set_size``,
``saccades``, ``amplitude`` (of the last one, deg), ``on_target``, and ``fixated`` (duration + 1), the cell of every
fixation: -1 in none, -2 not yet.

# Versions

v0: first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv, Infos, Rows
from foveal.envs.overlay import Annotation
from foveal.envs.single import SingleEnv
from foveal.envs.visual_search.displays import Displays, empty
from foveal.envs.visual_search.paradigms import CONDITIONS, FORMS
from foveal.envs.visual_search.params import VisualSearchParams
from foveal.envs.visual_search.views import SearchScene, draw
from foveal.kernels import kernel, launch
from foveal.optics.eye import Eye, blur_rows, retina_rows

FIXATION_S, BASE_S = 0.252359, 0.376271
"""Of the line from fixations to reaction times."""
SACCADE_S, SACCADE_S_PER_DEG = 0.021, 0.0022
LEVELS = 5
PRESENT, ABSENT = 1, -1


class VisualSearch(BatchEnv):
    """N searches; see the module, and `BatchEnv`.

    Attributes:
        stimuli: Makes and draws the displays.
        displays: Of the rows.
        eye: That looks at them.
    """

    Params = VisualSearchParams
    params: VisualSearchParams

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        p = self.params
        self.metadata["render_fps"] = 4
        self.stimuli = p.stimuli()
        self.eye = Eye(self.stimuli.px_per_deg, p.e2_deg, LEVELS)
        self._half_deg = self.stimuli.condition.paradigm.field_deg / 2
        self._looks = self.stimuli.looks()
        channels, most = 3 if p.colour else 1, self.stimuli.most
        parts: dict[str, spaces.Space[Any]] = {
            "retina": spaces.Box(0, 255, (p.size, p.size, channels), np.uint8),
            "fixations": spaces.Box(-1, 1, (p.history, 3), np.float32),
        }
        if p.target == "image":
            parts["target"] = spaces.Box(0, 255, (*self._looks.shape[1:3], channels), np.uint8)
        elif p.target != "none":
            parts["target"] = spaces.Discrete(len(FORMS) if p.target == "category" else len(CONDITIONS))
        if p.slots:
            parts["slots"] = spaces.Box(-1, 1, (most, 5), np.float32)
        self._places = most if p.actions == "items" else self.stimuli.condition.paradigm.grid**2
        if p.actions == "continuous":
            return spaces.Dict(parts), spaces.Box(-1, 1, (3,), np.float32)
        what = p.actions.removesuffix("s")
        self.action_names = (*(f"{what} {k}" for k in range(self._places)), "present", "absent")
        return spaces.Dict(parts), spaces.Discrete(self._places + 2)

    def _allocate(self) -> dict[str, NDArray[Any]]:
        p, rows = self.params, self.num_envs
        channels, px = 3 if p.colour else 1, self.stimuli.px
        self.displays = empty(rows, self.stimuli.most)
        self._path = np.zeros((rows, p.duration + 1, 2))
        self._saccades = np.zeros(rows, np.int64)
        self._answer = np.zeros(rows, np.int64)
        self._trace = np.zeros((rows, self.stimuli.condition.paradigm.grid**2), np.float32)
        self._pictures = np.zeros((rows * channels, px, px, LEVELS), np.uint8)
        self._retinas = np.zeros((rows * channels, p.size, p.size), np.uint8)
        self._mixture = self.eye.mixture(p.size, p.size)
        middles = (np.arange(px) - (px - 1) / 2) / self.stimuli.px_per_deg
        cells = self.stimuli.cell_at(np.stack(np.meshgrid(middles, middles), -1))
        self._cells = cells.astype(np.int64)
        names = dict(self.displays._asdict())
        return names | {
            "path": self._path, "saccades": self._saccades, "answer": self._answer, "trace": self._trace
        }  # fmt: skip

    def _spawn(self, rows: Rows) -> None:
        self.stimuli.arrange(rows, self._seed, self._episode, self.displays)
        self._path[rows] = self._saccades[rows] = self._answer[rows] = self._trace[rows] = 0
        self._show(rows)
        self._observe(rows)

    def _show(self, rows: Rows) -> None:
        """Draw the displays of some rows, and blur them for the eye."""
        images = self.stimuli.draw(self.displays, rows)
        if not self.params.colour:
            images = images[..., None]
        images = np.ascontiguousarray(np.moveaxis(images, -1, 1))  # (R, C, H, W)
        flat = images.reshape(-1, *images.shape[2:])
        scratch, stack = (
            np.empty((len(flat), 2, *flat.shape[1:]), np.float32),
            np.empty((*flat.shape, LEVELS), np.uint8),
        )
        launch(blur_rows, len(flat), flat, scratch, stack, grain=1)
        self._pictures.reshape(self.num_envs, -1, *stack.shape[1:])[rows] = stack.reshape(
            rows.size, -1, *stack.shape[1:]
        )

    def _advance(self, actions: NDArray[Any]) -> None:
        rows, p = np.flatnonzero(self._active), self.params
        points, answers = self._asked(actions[rows], rows)
        self._answer[rows] = answers
        moving = rows[answers == 0]
        self._saccades[moving] += 1
        self._path[moving, self._saccades[moving]] = points[answers == 0]
        cell = self.stimuli.cell_at(self._path[moving, self._saccades[moving]])
        if p.inhibition != "none":
            self._trace[moving] *= p.inhibition_decay if p.inhibition == "decaying" else 1.0
            self._trace[moving[cell >= 0], cell[cell >= 0]] = 1.0
        self._terminated[rows] = answers != 0
        self._truncated[rows] = late = (answers == 0) & (self._saccades[rows] >= p.duration)
        self._rewards[rows] = np.where(answers == 0, p.saccade_reward, 0.0)
        ends = late | (answers != 0)
        self._rewards[rows[ends]] += np.where(self._correct[rows[ends]], p.correct_reward, p.error_reward)
        self._observe(rows)

    def _asked(self, actions: NDArray[Any], rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Where to look (R, 2), degrees from the field's middle, and the answer (R,), 0 for none."""
        if self.params.actions == "continuous":
            said = actions[:, 2].astype(np.float64)
            return actions[:, :2] * self._half_deg, np.where(said > 1 / 3, PRESENT, np.where(said < -1 / 3, ABSENT, 0))
        answers = np.select([actions == self._places, actions > self._places], [PRESENT, ABSENT], 0)
        which = np.minimum(actions, self._places - 1)
        if self.params.actions == "cells":
            return self.stimuli.cell_middles()[which], answers
        there = which < self.displays.size[rows]
        return np.where(there[:, None], self.displays.place[rows, which], self._fixation[rows]), answers

    @property
    def _fixation(self) -> NDArray[np.float64]:
        """Where every row looks (N, 2), degrees from the field's middle."""
        return self._path[np.arange(self.num_envs), self._saccades]

    @property
    def _correct(self) -> NDArray[np.bool_]:
        return self._answer == np.where(self.displays.target >= 0, PRESENT, ABSENT)

    def _restored(self) -> None:
        rows = np.arange(self.num_envs)
        self._show(rows)
        self._observe(rows)

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        most, p = self.stimuli.most, self.params
        for name, low, high in (
            ("size", 0, most), ("target", -1, most - 1), ("sought", 0, self.stimuli.layout.targets - 1),
            ("cell", -1, self._trace.shape[1] - 1), ("look", 0, len(self._looks) - 1), ("trace", 0, 1),
            ("place", -self._half_deg, self._half_deg), ("path", -self._half_deg, self._half_deg),
            ("saccades", 0, p.duration), ("answer", -1, 1),
        ):  # fmt: skip
            if not ((state[name] >= low) & (state[name] <= high)).all():
                raise ValueError(f"state[{name!r}] must be in [{low:g}, {high:g}]")

    def _observe(self, rows: Rows) -> None:
        """Write what these rows see."""
        p, seen = self.params, self._observations
        if not rows.size:
            return
        channels = 3 if p.colour else 1
        fixation = self._fixation
        middle = np.rint(fixation * self.stimuli.px_per_deg + (self.stimuli.px - 1) / 2).astype(np.int64)
        pictures = (rows[:, None] * channels + np.arange(channels)).ravel()
        middles = np.repeat(middle, channels, 0)
        launch(
            retina_rows, pictures.size, pictures, self._pictures, middles, *self._mixture, self._retinas
        )  # fmt: skip
        if p.inhibition != "none":
            background = self.stimuli.condition.paradigm.background
            launch(
                inhibit_rows, pictures.size, pictures, middles, self._cells, np.repeat(self._trace, channels, 0),
                background, self._retinas,
            )  # fmt: skip
        retinas = self._retinas.reshape(self.num_envs, channels, p.size, p.size)
        seen["retina"][rows] = np.moveaxis(retinas[rows], 1, -1)
        back = self._saccades[rows, None] - np.arange(p.history)
        seen["fixations"][rows, :, :2] = self._path[rows[:, None], np.maximum(back, 0)] / self._half_deg
        seen["fixations"][rows, :, 2] = back >= 0
        seen["fixations"][rows] *= (back >= 0)[..., None]
        self._tell_target(rows)
        if p.slots:
            seen["slots"][rows] = self._slots(rows)

    def _tell_target(self, rows: Rows) -> None:
        p, look = self.params, self.displays.sought[rows]
        if p.target == "image":
            self._observations["target"][rows] = self._looks[look].reshape(rows.size, *self._looks.shape[1:3], -1)
        elif p.target == "category":
            self._observations["target"][rows] = self.stimuli.cast.form[look]
        elif p.target == "text":
            self._observations["target"][rows] = list(CONDITIONS).index(p.condition)

    def _slots(self, rows: Rows) -> NDArray[np.float32]:
        """The items of rows (R, M, 5); see the module."""
        place, cell = self.displays.place[rows], self.displays.cell[rows]
        there = np.arange(cell.shape[1]) < self.displays.size[rows, None]
        past = np.arange(self._path.shape[1]) <= self._saccades[rows, None]  # (R, D + 1)
        far = np.linalg.norm(place[:, :, None] - self._path[rows][:, None], axis=-1)  # (R, M, D + 1)
        recognised = there & ((far <= self.params.recognition_deg) & past[:, None]).any(-1)
        is_target = np.arange(cell.shape[1]) == self.displays.target[rows, None]
        trace = np.take_along_axis(self._trace[rows], np.maximum(cell, 0), 1) * there
        known = np.where(recognised, np.where(is_target, 1, -1), 0)
        return np.stack([there, *np.moveaxis(place / self._half_deg, -1, 0), trace, known], -1).astype(np.float32)

    def _info(self) -> Infos:
        far = np.linalg.norm(np.diff(self._path, axis=1), axis=-1)  # (N, D)
        past = np.arange(far.shape[1]) < self._saccades[:, None]
        seconds = BASE_S + FIXATION_S * self._saccades
        if self.params.saccade_durations:
            seconds = seconds + np.where(past, SACCADE_S + SACCADE_S_PER_DEG * far, 0.0).sum(1)
        rows = np.arange(self.num_envs)
        present = self.displays.target >= 0
        goal = self.displays.cell[rows, np.maximum(self.displays.target, 0)]
        fixated = np.where(
            np.arange(self._path.shape[1]) <= self._saccades[:, None], self.stimuli.cell_at(self._path), -2
        )
        last = np.where(self._saccades > 0, far[rows, np.maximum(self._saccades - 1, 0)], 0.0)
        return {
            "reaction_time": seconds,
            "correct": self._correct,
            "answer": self._answer,
            "target_present": present,
            "set_size": self.displays.size,
            "saccades": self._saccades,
            "amplitude": last,
            "on_target": present & (fixated[rows, self._saccades] == goal),
            "fixated": fixated,
        }

    # Pictures

    @property
    def frame_rate(self) -> float:
        """See `BatchEnv.frame_rate`: fixations per second."""
        return 1 / FIXATION_S

    def describe(self, rows: Sequence[int]) -> list[SearchScene]:
        """See `BatchEnv.describe`."""
        return [self._scene(row) for row in self._check_rows(rows).tolist()]

    def trace(self, row: int) -> list[SearchScene]:
        """See `BatchEnv.trace`: a fixation is one substep."""
        if row not in self.trace_rows:
            raise ValueError(f"row {row} is not traced: trace_rows={self.trace_rows.tolist()}")
        return [self._scene(row)] if self._elapsed[row] else []

    def _scene(self, row: int) -> SearchScene:
        target = int(self.displays.target[row])
        return SearchScene(
            time_s=float(self._elapsed[row]) * FIXATION_S,
            display=Displays._make(array[row : row + 1].copy() for array in self.displays),
            fixations=self._path[row, : self._saccades[row] + 1].copy(),
            gaze=self._path[row, self._saccades[row]].copy(),
            target=None if target < 0 else tuple(self.displays.place[row, target].tolist()),
            answer=int(self._answer[row]),
            correct=bool(self._correct[row]),
        )

    def draw(self, scene: SearchScene, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: the display with the fixations, and how it is seen from the last one."""
        return draw(self.stimuli, scene, self.params.e2_deg, annotation, zoom)

    def between(self, before: SearchScene, after: SearchScene, part: float) -> SearchScene:
        """See `BatchEnv.between`: the eye on its way."""
        time_s = before.time_s + part * (after.time_s - before.time_s)
        return dataclasses.replace(before, time_s=time_s, gaze=before.gaze + part * (after.gaze - before.gaze))


@kernel
def inhibit_rows(start, stop, pictures, fixations, cells, trace, background, retinas):
    """Let cells fade into the background by their trace, in the retinal images of some pictures."""
    height, width = cells.shape
    size = retinas.shape[1]
    for i in range(start, stop):
        row = pictures[i]
        left, top = fixations[row, 0] - size // 2, fixations[row, 1] - size // 2
        for v in range(max(0, -top), min(size, height - top)):
            for u in range(max(0, -left), min(size, width - left)):
                cell = cells[top + v, left + u]
                if cell >= 0 and trace[row, cell] > 0:
                    value = np.float32(retinas[row, v, u])
                    retinas[row, v, u] = value + trace[row, cell] * (np.float32(background) - value) + np.float32(0.5)


class VisualSearchEnv(SingleEnv):
    """One search at a time; see the module."""

    world = VisualSearch
