"""Parameters of visual search."""

from __future__ import annotations

import dataclasses
from typing import Any

from foveal.envs.params import Params, param
from foveal.envs.visual_search.paradigms import CONDITIONS
from foveal.envs.visual_search.stimuli import Stimuli

ACTIONS = ("items", "cells", "continuous")
INHIBITIONS = ("none", "decaying", "infinite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GazeParams(Params):
    """With which eye one looks, for how long, and for which reward."""

    duration: int = param(32, "time limit [fixations]", low=1, high=1000)
    actions: str = param("items", "what is fixated: an item, a cell, or any point", choices=ACTIONS)
    size: int = param(128, "of the retinal image [px]", low=16, high=1024)
    view_deg: float = param(0.0, "width of what it shows, 0: one and a half pictures [deg]", low=0, high=180)
    e2_deg: float = param(2.3, "eccentricity at which resolution is half that of the fovea [deg]", low=0.1, high=1000)
    colour: bool = param(False, "see colours")
    history: int = param(8, "fixations that are observed, the last ones [1]", low=1, high=1000)
    slots: bool = param(False, "observe the items, and what is recognised of them")
    recognition_deg: float = param(2.0, "how near a fixation an item is recognised [deg]", low=0, high=180)
    inhibition: str = param("none", "what was fixated fades for a while, or for ever", choices=INHIBITIONS)
    inhibition_decay: float = param(0.8, "of it, what is left one fixation later [1]", low=0, high=1)
    saccade_durations: bool = param(False, "time counts the saccades' own durations, too")

    correct_reward: float = param(1.0, "reward for the right answer [1]", low=-1000, high=1000)
    error_reward: float = param(-1.0, "reward for the wrong one, or none in time [1]", low=-1000, high=1000)
    saccade_reward: float = param(-0.02, "reward for every saccade [1]", low=-1000, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.history > self.duration + 1:
            raise ValueError(f"history={self.history}: an episode of {self.duration} has at most {self.duration + 1}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisualSearchParams(GazeParams):
    """What is searched among what."""

    condition: str = param("t_in_ls", "target and distractors", choices=tuple(CONDITIONS))
    set_size: int = param(0, "items of a display, 0: one of the paradigm's [1]", low=0, high=4096)
    grid: int = param(0, "cells in a row of the display, 0: the paradigm's [1]", low=0, high=64)
    cell_deg: float = param(0.0, "width of a cell, 0: the paradigm's [deg]", low=0, high=90)
    present: float = param(0.5, "share of the displays with a target [1]", low=0, high=1)
    target: str = param("image", "how the target is told", choices=("image", "category", "text", "none"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stimuli()

    def stimuli(self) -> Stimuli:
        """The displays, drawn as finely as they are seen.

        Raises:
            ValueError: for displays that are impossible, or larger than pictures may be.
        """
        options: dict[str, Any] = {
            "set_sizes": [self.set_size] if self.set_size else [],
            "grid": self.grid,
            "cell_deg": self.cell_deg,
            "present": self.present,
            "colour": self.colour,
        }
        view = self.view_deg or 1.5 * Stimuli(self.condition, px_per_deg=1.0, **options).condition.paradigm.field_deg
        return Stimuli(self.condition, px_per_deg=self.size / view, **options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SceneSearchParams(GazeParams):
    """In which pictures is searched."""

    scenes: str = param("ithor", "ithor, robothor, procedural: rooms; arrays: six things; or a folder of pictures")
    split: str = param("train", "part of them", choices=("train", "val", "test"))
    houses: int = param(4, "how many [1]", low=1, high=10_000)
    first_house: int = param(0, "the first of them [1]", low=0, high=2**31 - 1)
    views: int = param(8, "pictures of each [1]", low=1, high=64)
    picture_deg: float = param(32.0, "width of a picture; it is three quarters as high [deg]", low=1, high=180)
    present: float = param(0.5, "share of the searches with a target [1]", low=0, high=1)
    target: str = param("image", "how the target is told", choices=("image", "category", "none"))
