"""What if: ``foveal whatif`` branches an episode by another action, and draws both futures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

from foveal.commands.acting import Cast, checked_seed, smoothness
from foveal.commands.terminal import BadInput, print_table, told_as
from foveal.commands.worlds import Settings
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv
from foveal.envs.params import did_you_mean

if TYPE_CHECKING:
    from foveal.agents.split_screen import SplitScreen


@dataclass(frozen=True)
class WhatIf:
    """Branch an episode: drive it as the agent does and with another action at one step, and draw both futures."""

    agent: Annotated[str, Positional, arg(metavar="AGENT")]
    """A run folder, a checkpoint (.safetensors) or a driver (random, slowest, keep-right, idm-mobil)."""
    step: int
    """How many steps the futures have in common, from 0 on [1]."""
    action: str
    """The action taken then: a name such as LANE_LEFT, or a number; of continuous ones numbers in [-1, 1], as in
    --action=-0.5,0.2 [1]."""
    hold: int = 1
    """For how many steps it is taken, before the agent goes on [1]."""
    env: str | None = None
    """World; by default that of the run, or foveal/HighwayFast-v0."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as lanes_count=5."""
    seed: int = EVALUATION_SEEDS
    """Seed of the episode [1]."""
    past: float = 5.0
    """How much of the common past the video shows [s]."""
    out: Path | None = None
    """Video, .mp4 or .gif; by default video/whatif.mp4 in the run's folder, or the driver's name and -whatif."""
    picture: Path | None = None
    """PNG file of some moments of both futures; by default beside the video."""

    def run(self) -> None:
        """Branch, print what came of it, and draw."""
        from foveal.agents.branching import branch
        from foveal.agents.split_screen import SplitScreen
        from foveal.envs.recording import action_name

        if not self.past >= 0:
            raise BadInput(f"--past {self.past:g}: must be at least 0")
        if self.hold < 1:
            raise BadInput(f"--hold {self.hold}: must be at least 1")
        if self.picture is not None and self.picture.suffix.lower() != ".png":
            raise BadInput(f"--picture {self.picture}: must end in .png")
        if self.out is not None and self.out.suffix not in (".mp4", ".gif"):
            raise BadInput(f"--out {self.out}: must end in .mp4 or .gif")
        cast = Cast([self.agent], self.env, self.set)
        out, world = self._out(cast), cast.world()
        action = action_of(world, self.action)
        with told_as(BadInput, ValueError):
            futures = branch(
                world,
                lambda env: cast.policy(self.agent, env),
                seed=checked_seed(self.seed),
                step=self.step,
                action=action,
                hold=self.hold,
            )
        name = action_name(action, world.action_names)
        if not futures[0].allows(self.step, action):
            print(f"{name} changes nothing at step {self.step}, says the world; it is taken all the same")
        held = f" for {self.hold} steps" if self.hold > 1 else ""
        screen = SplitScreen(futures, ("as it was", f"{name} at step {self.step}{held}"), self.step)
        print_futures(screen)
        picture = self.picture or out.with_suffix(".png")
        with told_as(BadInput, OSError, ValueError):
            for path in (out, picture):
                path.parent.mkdir(parents=True, exist_ok=True)
            screen.film(out, past_s=self.past, smooth=smoothness(world))
            save_png(screen.picture(), picture)
        print(f"saved {out}\nsaved {picture}")

    def _out(self, cast: Cast) -> Path:
        run = cast.run_folder(self.agent)
        return self.out or (run / "video" / "whatif.mp4" if run else Path(f"{self.agent}-whatif.mp4"))


def action_of(world: BatchEnv, text: str) -> Any:
    """The action that a text names: a name in any case, or a number; numbers where the world's are continuous.

    Raises:
        BadInput: for one that the world does not have.
    """
    from gymnasium import spaces

    space = world.single_action_space
    if (egos := getattr(world.params, "controlled_vehicles", 1)) > 1:
        raise BadInput(f"whatif branches by the action of one ego, this world has {egos} egos")
    try:
        if isinstance(space, spaces.Box):
            values = np.array([float(part) for part in text.split(",")], np.float32)
            if values.shape == space.shape and space.contains(values):
                return values
            raise ValueError
        names = {name.lower(): place for place, name in enumerate(world.action_names)}
        number = names[text.lower()] if text.lower() in names else int(text)
        if space.contains(np.int64(number)):
            return number
        raise ValueError
    except ValueError:
        raise BadInput(f"--action {text}: {_valid(world, text)}") from None


def print_futures(screen: SplitScreen) -> None:
    """Print a table: a row for each future."""
    from foveal.agents.branching import first_difference
    from foveal.agents.split_screen import seconds

    differ = first_difference(*screen.futures)
    rows = []
    for place, (name, future) in enumerate(zip(screen.names, screen.futures, strict=True)):
        length = len(future.rewards)
        told = future.notes[screen.step].action or ""
        rows.append(
            [
                name,
                told,
                f"{sum(future.rewards):.2f}",
                str(length),
                future.end or "",
                f"{np.mean(future.speed[screen.step :]):.2f}",
                seconds(screen.least_ttc(place, length)),
            ]
        )
    print_table(["future", "action", "return", "steps", "end", "speed [m/s]", "least TTC"], rows)
    told = "never differ" if differ is None else f"first differ after {differ} steps"
    print(f"the two {told}; speed and TTC are from step {screen.step} on")


def save_png(frame: Any, path: Path) -> None:
    """Write an RGB frame as a PNG file."""
    import cv2

    path.write_bytes(cv2.imencode(".png", frame[..., ::-1])[1].tobytes())


def _valid(world: BatchEnv, text: str) -> str:
    names = world.action_names
    if not hasattr(world.single_action_space, "n"):
        needed = ", ".join(names) or f"{world.single_action_space.shape}"
        return f"must be numbers in [-1, 1], separated by commas: {needed}"
    if not names:
        return f"must be a number in {world.single_action_space}"
    return f"must be one of {', '.join(names)}, or its number from 0 on{did_you_mean(text.upper(), list(names))}"
