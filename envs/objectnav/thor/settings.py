"""What AI2-THOR's Initialize is told: camera, grid and body, under AI2-THOR's names and in its units."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, NamedTuple

from foveal.envs.objectnav.obstacles import LOCOBOT, TALL, Body

logger = logging.getLogger("foveal.thor")

AGENT_HEIGHT_M = 0.9009992
"""What AI2-THOR calls the height of an agent's position: that of its capsule's middle, on a floor at 0."""

MOST_PIXELS = 4096


class Agent(NamedTuple):
    """One of AI2-THOR's agents.

    Attributes:
        body: What walks.
        standing: Height of its camera, m.
        crouching: Likewise.
        fov: Vertical field of view where nothing is said, degrees.
        up: How far it can look up, degrees.
        down: How far it can look down, degrees.
    """

    body: Body
    standing: float
    crouching: float
    fov: float
    up: float
    down: float


AGENTS = {
    "default": Agent(TALL, AGENT_HEIGHT_M + 0.675, AGENT_HEIGHT_M, 90.0, 30.0, 60.0),
    "locobot": Agent(LOCOBOT, 0.8698, 0.8698, 60.0, 30.0, 30.0),
}
"""By `agentMode`. The LoCoBot moves as exactly as the other: AI2-THOR adds noise to its motion."""

_RENAMED = {"renderClassImage": "renderSemanticSegmentation", "renderObjectImage": "renderInstanceSegmentation"}
"""AI2-THOR's older names."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Arguments of Initialize that have an effect here.

    Attributes:
        agentMode: "default" or "locobot".
        width: Of the images, pixels.
        height: Likewise.
        fieldOfView: Vertical, degrees; None: 90 for the default agent, 60 for the LoCoBot.
        gridSize: Length of a move, and distance of reachable positions, m.
        visibilityDistance: How far away what counts as visible may be, m.
        rotateStepDegrees: By how much the agent turns, degrees.
        snapToGrid: Whether a move ends on the grid.
        maxUpwardLookAngle: Degrees; None: 30.
        maxDownwardLookAngle: Degrees; None: 60 for the default agent, 30 for the LoCoBot.
        renderImage: Whether events have a `frame`.
        renderDepthImage: Whether they have a `depth_frame`.
        renderInstanceSegmentation: Whether they have an `instance_segmentation_frame`, and masks.
        renderSemanticSegmentation: Whether they have a `semantic_segmentation_frame`.
    """

    agentMode: str = "default"
    width: int = 300
    height: int = 300
    fieldOfView: float | None = None
    gridSize: float = 0.25
    visibilityDistance: float = 1.5
    rotateStepDegrees: float = 90.0
    snapToGrid: bool = True
    maxUpwardLookAngle: float | None = None
    maxDownwardLookAngle: float | None = None
    renderImage: bool = True
    renderDepthImage: bool = False
    renderInstanceSegmentation: bool = False
    renderSemanticSegmentation: bool = False

    def __post_init__(self) -> None:
        if self.agentMode not in AGENTS:
            raise ValueError(f"agentMode={self.agentMode!r}: must be one of {', '.join(AGENTS)}")
        for name in ("width", "height"):
            object.__setattr__(self, name, _number(name, getattr(self, name), 1, MOST_PIXELS, whole=True))
        for name, least, most in (
            ("gridSize", 0.05, 10.0), ("visibilityDistance", 0.0, math.inf), ("rotateStepDegrees", 0.0, 360.0),
        ):  # fmt: skip
            object.__setattr__(self, name, _number(name, getattr(self, name), least, most))
        for name, most in (("fieldOfView", 179.0), ("maxUpwardLookAngle", 90.0), ("maxDownwardLookAngle", 90.0)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _number(name, getattr(self, name), 0.0, most))
        if self.fieldOfView == 0:
            raise ValueError("fieldOfView=0.0: must be more than 0")

    @property
    def agent(self) -> Agent:
        """What is moved."""
        return AGENTS[self.agentMode]

    @property
    def fov(self) -> float:
        """Vertical field of view, degrees."""
        return self.agent.fov if self.fieldOfView is None else self.fieldOfView

    @property
    def horizons(self) -> tuple[float, float]:
        """Lowest and highest `horizon`, degrees; down is positive."""
        up = self.agent.up if self.maxUpwardLookAngle is None else self.maxUpwardLookAngle
        return -up, self.agent.down if self.maxDownwardLookAngle is None else self.maxDownwardLookAngle

    def updated(self, arguments: dict[str, Any]) -> Settings:
        """These settings with others in their place; what has no effect here is logged, once each.

        Raises:
            ValueError: For a value out of range, or of the wrong kind.
        """
        known = {field.name for field in fields(self)}
        changes: dict[str, Any] = {}
        for name, value in arguments.items():
            name = _RENAMED.get(name, name)
            if name == "agentControllerType":
                raise ValueError("`agentControllerType` is no longer an allowed initialization parameter: agentMode is")
            if name == "agentMode":
                value = "locobot" if str(value).lower() == "bot" else str(value).lower()
            if name in known:
                changes[name] = value
            else:
                tell(f"Controller({name}=…): an argument without effect here")
        return replace(self, **changes)


@cache
def tell(message: str) -> None:
    """Log a message, if it was not logged before."""
    logger.warning(message)


def _number(name: str, value: Any, least: float, most: float, whole: bool = False) -> float:
    number = value if isinstance(value, (int, float)) or hasattr(value, "__float__") else math.nan
    if isinstance(value, bool) or not least <= float(number) <= most or (whole and float(number) != int(number)):
        raise ValueError(f"{name}={value!r}: must be a {'whole ' if whole else ''}number from {least:g} to {most:g}")
    return int(number) if whole else float(number)
