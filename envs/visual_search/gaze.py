"""What the worlds of visual search share: an eye that looks about a picture, answers, the time that takes.

A world adds pictures, what is sought in them, and what counts as having found it: the methods marked *search* below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv, Infos, Rows
from foveal.envs.visual_search.params import GazeParams
from foveal.kernels import kernel, launch
from foveal.optics.eye import Eye, blur_rows, retina_rows

FIXATION_S, BASE_S = 0.252359, 0.376271
"""Of the line from fixations to reaction times."""
SACCADE_S, SACCADE_S_PER_DEG = 0.021, 0.0022
LEVELS = 5
PRESENT, ABSENT = 1, -1

Floats = NDArray[np.float64]


class GazeWorld(BatchEnv):
    """N rows that each look about a picture.

    Attributes:
        eye: That looks.
        half_deg: (2,) half the picture's width and height, degrees.
        shape: Its height and width, pixels.
        cells: (H, W) in which cell each pixel is, -1 in none.
        middles: (C, 2) the cells' middles, degrees from the picture's.
    """

    params: GazeParams
    eye: Eye
    half_deg: Floats
    shape: tuple[int, int]
    cells: NDArray[np.int64]
    middles: Floats

    # What a search implements

    def _build(self) -> None:
        """*Search*: make what all rows share, and the attributes above."""
        raise NotImplementedError

    def _told(self) -> dict[str, spaces.Space[Any]]:
        """*Search*: the spaces of what is told of the target."""
        raise NotImplementedError

    @property
    def _most(self) -> int:
        """*Search*: items of a picture at most."""
        raise NotImplementedError

    def _own_state(self) -> dict[str, NDArray[Any]]:
        """*Search*: make the arrays that say what the pictures are."""
        raise NotImplementedError

    def _arrange(self, rows: Rows) -> None:
        """*Search*: choose the pictures of some rows, and what is sought."""
        raise NotImplementedError

    def _drawn(self, rows: Rows) -> NDArray[np.uint8]:
        """*Search*: the pictures (R, H, W, C) of some rows."""
        raise NotImplementedError

    def _tell(self, rows: Rows) -> None:
        """*Search*: observe what is told of the target."""
        raise NotImplementedError

    @property
    def _items(self) -> tuple[Floats, NDArray[np.int64]]:
        """*Search*: where items are (N, M, 2), degrees from the picture's middle, and how many there are (N,)."""
        raise NotImplementedError

    @property
    def _sought(self) -> NDArray[np.bool_]:
        """*Search*: which items are targets (N, M)."""
        raise NotImplementedError

    @property
    def _backgrounds(self) -> NDArray[np.uint8]:
        """*Search*: the grey that inhibited places fade to (N,)."""
        raise NotImplementedError

    def _on_target(self) -> NDArray[np.bool_]:
        """*Search*: whether a target is fixated (N,)."""
        raise NotImplementedError

    def _scene(self, row: int) -> Any:
        """*Search*: the present scene of a row."""
        raise NotImplementedError

    # Of all searches

    def cell_at(self, points: Floats) -> NDArray[np.int64]:
        """The cells (...) in which points (..., 2) lie, degrees from the picture's middle; -1: in none."""
        column, row = np.moveaxis(self._pixels(points), -1, 0)
        height, width = self.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return np.where(inside, self.cells[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], -1)

    def _pixels(self, points: Floats) -> NDArray[np.int64]:
        """The pixels, column and row, of points (..., 2)."""
        middle = (np.array(self.shape[::-1]) - 1) / 2
        return np.rint(points * self.eye.px_per_deg + middle).astype(np.int64)

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        p = self.params
        self.metadata["render_fps"] = 4
        self._build()
        self._channels = 3 if p.colour else 1
        seen: dict[str, spaces.Space[Any]] = {
            "retina": spaces.Box(0, 255, (p.size, p.size, self._channels), np.uint8),
            "fixations": spaces.Box(-1, 1, (p.history, 3), np.float32),
            **self._told(),
        }
        if p.slots:
            seen["slots"] = spaces.Box(-1, 1, (self._most, 5), np.float32)
        self._places = self._most if p.actions == "items" else len(self.middles)
        if p.actions == "continuous":
            return spaces.Dict(seen), spaces.Box(-1, 1, (3,), np.float32)
        what = p.actions.removesuffix("s")
        self.action_names = (*(f"{what} {k}" for k in range(self._places)), "present", "absent")
        return spaces.Dict(seen), spaces.Discrete(self._places + 2)

    def _allocate(self) -> dict[str, NDArray[Any]]:
        p, rows = self.params, self.num_envs
        self._path = np.zeros((rows, p.duration + 1, 2))
        self._saccades = np.zeros(rows, np.int64)
        self._answer = np.zeros(rows, np.int64)
        self._trace = np.zeros((rows, len(self.middles)), np.float32)
        self._pictures = np.zeros((rows, self._channels, *self.shape, LEVELS), np.uint8)
        self._retinas = np.zeros((rows, self._channels, p.size, p.size), np.uint8)
        self._mixture = self.eye.mixture(p.size, p.size)
        shared: dict[str, NDArray[Any]] = {
            "path": self._path,
            "saccades": self._saccades,
            "answer": self._answer,
            "trace": self._trace,
        }
        return self._own_state() | shared

    def _spawn(self, rows: Rows) -> None:
        self._arrange(rows)
        self._path[rows] = self._saccades[rows] = self._answer[rows] = self._trace[rows] = 0
        self._show(rows)
        self._observe(rows)

    def _show(self, rows: Rows) -> None:
        """Draw the pictures of some rows, and blur them for the eye."""
        images = np.ascontiguousarray(np.moveaxis(self._drawn(rows), -1, 1)).reshape(-1, *self.shape)
        scratch = np.empty((len(images), 2, *self.shape), np.float32)
        stack = np.empty((*images.shape, LEVELS), np.uint8)
        launch(blur_rows, len(images), images, scratch, stack, grain=1)
        self._pictures[rows] = stack.reshape(rows.size, -1, *stack.shape[1:])

    def _advance(self, actions: NDArray[Any]) -> None:
        rows, p = np.flatnonzero(self._active), self.params
        points, answers = self._asked(actions[rows], rows)
        self._answer[rows] = answers
        moving = rows[answers == 0]
        self._saccades[moving] += 1
        self._path[moving, self._saccades[moving]] = points[answers == 0]
        if p.inhibition != "none":
            cell = self.cell_at(points[answers == 0])
            self._trace[moving] *= p.inhibition_decay if p.inhibition == "decaying" else 1.0
            self._trace[moving[cell >= 0], cell[cell >= 0]] = 1.0
        self._terminated[rows] = answers != 0
        self._truncated[rows] = late = (answers == 0) & (self._saccades[rows] >= p.duration)
        self._rewards[rows] = np.where(answers == 0, p.saccade_reward, 0.0)
        ends = rows[late | (answers != 0)]
        self._rewards[ends] += np.where(self._correct[ends], p.correct_reward, p.error_reward)
        self._observe(rows)

    def _asked(self, actions: NDArray[Any], rows: Rows) -> tuple[Floats, NDArray[np.int64]]:
        """Where to look (R, 2), degrees from the picture's middle, and the answer (R,), 0 for none."""
        if self.params.actions == "continuous":
            said = actions[:, 2].astype(np.float64)
            return actions[:, :2] * self.half_deg, np.select([said > 1 / 3, said < -1 / 3], [PRESENT, ABSENT], 0)
        answers = np.select([actions == self._places, actions > self._places], [PRESENT, ABSENT], 0)
        which = np.minimum(actions, self._places - 1)
        if self.params.actions == "cells":
            return self.middles[which], answers
        place, size = self._items
        there = which < size[rows]
        return np.where(there[:, None], place[rows, which], self._fixation[rows]), answers

    @property
    def _fixation(self) -> Floats:
        """Where every row looks (N, 2), degrees from the picture's middle."""
        return self._path[np.arange(self.num_envs), self._saccades]

    @property
    def _correct(self) -> NDArray[np.bool_]:
        return self._answer == np.where(self._sought.any(1), PRESENT, ABSENT)

    def _restored(self) -> None:
        rows = np.arange(self.num_envs)
        self._show(rows)
        self._observe(rows)

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        half = self.half_deg * (1 + 1e-9)
        if not (np.abs(state["path"]) <= half).all():
            raise ValueError(f"state['path'] must be within {half[0]:g} and {half[1]:g}")
        self._check_ranges(state, saccades=(0, self.params.duration), answer=(-1, 1), trace=(0, 1))

    def _check_ranges(self, state: dict[str, NDArray[Any]], **ranges: tuple[float, float]) -> None:
        """Raise `ValueError` where arrays of a state have values out of a range."""
        for name, (low, high) in ranges.items():
            if not ((state[name] >= low) & (state[name] <= high)).all():
                raise ValueError(f"state[{name!r}] must be in [{low:g}, {high:g}]")

    def _observe(self, rows: Rows) -> None:
        """Write what these rows see."""
        if not rows.size:
            return
        p, seen, channels = self.params, self._observations, self._channels
        planes = (rows[:, None] * channels + np.arange(channels)).ravel()
        pictures = self._pictures.reshape(-1, *self._pictures.shape[2:])
        retinas = self._retinas.reshape(-1, *self._retinas.shape[2:])
        middles = np.repeat(self._pixels(self._fixation), channels, 0)
        launch(retina_rows, planes.size, planes, pictures, middles, *self._mixture, retinas)
        if p.inhibition != "none":
            here = np.repeat(self.cell_at(self._fixation), channels)
            fading = np.repeat(self._trace, channels, 0), np.repeat(self._backgrounds, channels)
            launch(inhibit_rows, planes.size, planes, middles, here, self.cells, *fading, retinas)
        seen["retina"][rows] = np.moveaxis(self._retinas[rows], 1, -1)
        back = self._saccades[rows, None] - np.arange(p.history)
        past = self._path[rows[:, None], np.maximum(back, 0)] / self.half_deg
        seen["fixations"][rows] = np.concatenate([past, np.ones_like(past[..., :1])], -1) * (back >= 0)[..., None]
        self._tell(rows)
        if p.slots:
            seen["slots"][rows] = self._slots(rows)

    def _slots(self, rows: Rows) -> NDArray[np.float32]:
        """The items of rows (R, M, 5): there; x, y in half pictures; how far inhibited; what is known of each."""
        place, there = self._items[0][rows], np.arange(self._most) < self._items[1][rows, None]
        past = np.arange(self._path.shape[1]) <= self._saccades[rows, None]  # (R, D + 1)
        far = np.linalg.norm(place[:, :, None] - self._path[rows][:, None], axis=-1)  # (R, M, D + 1)
        recognised = there & ((far <= self.params.recognition_deg) & past[:, None]).any(-1)
        trace = np.take_along_axis(self._trace[rows], np.maximum(self.cell_at(place), 0), 1) * there
        known = np.where(recognised, np.where(self._sought[rows], 1, -1), 0)
        x, y = np.moveaxis(place / self.half_deg, -1, 0) * there
        return np.stack([there, x, y, trace, known], -1).astype(np.float32)

    def _info(self) -> Infos:
        far = np.linalg.norm(np.diff(self._path, axis=1), axis=-1)  # (N, D)
        past = np.arange(far.shape[1]) < self._saccades[:, None]
        seconds = BASE_S + FIXATION_S * self._saccades
        if self.params.saccade_durations:
            seconds = seconds + np.where(past, SACCADE_S + SACCADE_S_PER_DEG * far, 0.0).sum(1)
        last = far[np.arange(self.num_envs), np.maximum(self._saccades - 1, 0)]
        until = np.arange(self._path.shape[1]) <= self._saccades[:, None]
        return {
            "reaction_time": seconds,
            "correct": self._correct,
            "success": self._correct,  # by which agents are evaluated
            "answer": self._answer,
            "target_present": self._sought.any(1),
            "set_size": self._items[1],
            "saccades": self._saccades,
            "amplitude": np.where(self._saccades > 0, last, 0.0),
            "on_target": self._on_target(),
            "fixated": np.where(until, self.cell_at(self._path), -2),
        }

    # Pictures

    @property
    def frame_rate(self) -> float:
        """See `BatchEnv.frame_rate`: fixations per second."""
        return 1 / FIXATION_S

    def describe(self, rows: Sequence[int]) -> list[Any]:
        """See `BatchEnv.describe`."""
        return [self._scene(row) for row in self._check_rows(rows).tolist()]

    def trace(self, row: int) -> list[Any]:
        """See `BatchEnv.trace`: a fixation is one substep."""
        if row not in self.trace_rows:
            raise ValueError(f"row {row} is not traced: trace_rows={self.trace_rows.tolist()}")
        return [self._scene(row)] if self._elapsed[row] else []

    def between(self, before: Any, after: Any, part: float) -> Any:
        """See `BatchEnv.between`: the eye on its way."""
        time_s = before.time_s + part * (after.time_s - before.time_s)
        return dataclasses.replace(before, time_s=time_s, gaze=before.gaze + part * (after.gaze - before.gaze))


@kernel
def inhibit_rows(start, stop, planes, fixations, here, cells, trace, background, retinas):
    """Let cells fade into the background by their trace, but for the one that is fixated, in retinal images."""
    height, width = cells.shape
    size = retinas.shape[1]
    for i in range(start, stop):
        row = planes[i]
        left, top = fixations[row, 0] - size // 2, fixations[row, 1] - size // 2
        for v in range(max(0, -top), min(size, height - top)):
            for u in range(max(0, -left), min(size, width - left)):
                cell = cells[top + v, left + u]
                if cell >= 0 and cell != here[row] and trace[row, cell] > 0:
                    value, grey = np.float32(retinas[row, v, u]), np.float32(background[row])
                    retinas[row, v, u] = value + trace[row, cell] * (grey - value) + np.float32(0.5)
