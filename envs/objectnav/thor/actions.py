"""What AI2-THOR's actions do: pure functions of where an agent is and of their arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from foveal.envs.objectnav.scenes.house import Thing
from foveal.envs.objectnav.thor.place import vector
from foveal.envs.objectnav.thor.settings import AGENT_HEIGHT_M, tell
from foveal.envs.objectnav.thor.stage import Point, Pose, Stage

Outcome = tuple[Pose, Any]
"""Where the agent is then, and what the action returns."""

_RISE_M = 0.05
"""By how much a teleport may miss the height at which an agent stands."""
_MOST = 1e6
"""Larger numbers are mistakes."""
_ERROR_M = 0.25
"""How far from a point the path to it may end, where nothing is said."""


class Refused(Exception):
    """An action that fails: its message, and the names of what was in the way."""

    def __init__(self, message: str, collided: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.collided = collided


def act(name: str, stage: Stage, pose: Pose, arguments: Mapping[str, Any]) -> Outcome:
    """Do one of `ACTIONS`; arguments that it does not know are logged once.

    Raises:
        Refused: Where it fails.
        ValueError: For an argument that is missing or of the wrong kind.
    """
    action = ACTIONS[name]
    known = [parameter for parameter in inspect.signature(action).parameters.values() if parameter.kind == _BY_NAME]
    for other in arguments.keys() - {parameter.name for parameter in known}:
        tell(f"{name}({other}=…): an argument without effect here")
    for parameter in known:
        if parameter.default is parameter.empty and parameter.name not in arguments:
            raise ValueError(f"{name} is missing the argument {parameter.name}")
    return action(stage, pose, **{known.name: arguments[known.name] for known in known if known.name in arguments})


def _move(right: int, ahead: int, stage: Stage, pose: Pose, *, moveMagnitude: Any = None) -> Outcome:
    length = _number("moveMagnitude", moveMagnitude, stage.settings.gridSize)
    angle = math.radians(pose.rotation)
    sin, cos = round(math.sin(angle), 15), round(math.cos(angle), 15)  # a quarter turn is one
    x, y = pose.x, pose.y
    target = x + length * (right * cos + ahead * sin), y + length * (ahead * cos - right * sin)
    if stage.settings.snapToGrid:
        target = stage.snapped(target)
    if not stage.is_clear((x, y), target):
        name = _name(stage, stage.blocker((x, y), target))
        way = f"({target[0] - x:.4f}, 0.0000, {target[1] - y:.4f})"
        raise Refused(f"{name} is blocking Agent 0 from moving by {way}.", (name,))
    return pose._replace(x=target[0], y=target[1]), None


def _rotate(side: int, stage: Stage, pose: Pose, *, degrees: Any = None) -> Outcome:
    angle = _number("degrees", degrees, stage.settings.rotateStepDegrees)
    return pose._replace(rotation=round(pose.rotation + side * angle, 6) % 360), None


def _look(side: int, stage: Stage, pose: Pose, *, degrees: Any = None) -> Outcome:
    horizon = round(pose.horizon + side * _number("degrees", degrees, 30.0), 6)
    lowest, highest = stage.settings.horizons
    if horizon < lowest:
        raise Refused(f"can't look up beyond {-lowest:g} degrees above the forward horizon")
    if horizon > highest:
        raise Refused(f"can't look down beyond {highest:g} degrees below the forward horizon")
    return pose._replace(horizon=horizon), None


def _teleport(
    stage: Stage,
    pose: Pose,
    *,
    position: Any = None,
    x: Any = None,
    y: Any = None,
    z: Any = None,
    rotation: Any = None,
    horizon: Any = None,
    standing: Any = None,
    forceAction: Any = False,
) -> Outcome:
    given = {"x": x, "y": y, "z": z} if position is None else position
    goal = pose
    if position is not None or not x is y is z is None:
        (right, ahead), height = _point("position", given)
        goal = goal._replace(x=right, y=ahead)
        if not forceAction:
            _check_place(stage, (right, ahead), height)
    if rotation is not None:
        turn = rotation if isinstance(rotation, Mapping) else {"y": rotation}
        if any(_number("rotation", turn.get(axis), 0.0) for axis in "xz"):
            raise Refused(
                "No agents currently can change in pitch or roll. So, you must set rotation(x=0, y=yaw, z=0)."
            )
        goal = goal._replace(rotation=round(_number("rotation", turn.get("y"), pose.rotation), 6) % 360)
    if horizon is not None:
        tilt, (lowest, highest) = _number("horizon", horizon, 0.0), stage.settings.horizons
        if not (lowest <= tilt <= highest or forceAction):
            raise Refused(f"Each horizon must be in [{lowest:g}:{highest:g}]. You gave {tilt:g}.")
        goal = goal._replace(horizon=tilt)
    return goal if standing is None else goal._replace(standing=bool(standing)), None


def _check_place(stage: Stage, target: Point, height: float) -> None:
    """Refuse to teleport to where nobody can stand."""
    (x0, y0), (x1, y1) = stage.place.house.bounds
    if not (x0 <= target[0] <= x1 and y0 <= target[1] <= y1):
        where = f"({target[0]:.6f}, {height:.6f}, {target[1]:.6f})"
        raise Refused(f"Teleport position {where} out of scene bounds! Ignore this by setting forceAction=true.")
    if abs(height - AGENT_HEIGHT_M) > _RISE_M:
        raise Refused(
            f"Teleport height {height:.6f} is not that of an agent on the floor, {AGENT_HEIGHT_M:.6f}. Ignore this by "
            "setting forceAction=true."
        )
    if not stage.is_clear(target, target):
        thing = stage.blocker(target, target)
        name = "a wall" if thing is None else stage.place.things[thing].id
        raise Refused(f"Collided with: {name}.", (name,))


def _nothing(stage: Stage, pose: Pose) -> Outcome:
    return pose, None


def _reachable(stage: Stage, pose: Pose, *, gridSize: Any = None) -> Outcome:
    grid = _number("gridSize", gridSize, stage.settings.gridSize)
    if not 0.05 <= grid <= 10:
        raise ValueError(f"gridSize={gridSize!r}: must be from 0.05 to 10")
    return pose, [vector(x, y, AGENT_HEIGHT_M) for x, y in stage.reachable(grid).tolist()]


def _path_to_object(
    stage: Stage, pose: Pose, *, objectId: Any = None, objectType: Any = None, position: Any = None,
    rotation: Any = None, allowedError: Any = None,
) -> Outcome:  # fmt: skip
    if (objectId is None) == (objectType is None):
        raise ValueError("GetShortestPath needs objectId or objectType, and not both")

    def is_meant(thing: Thing) -> bool:
        return thing.id == objectId if objectType is None else thing.type == objectType

    targets = tuple(number for number, thing in enumerate(stage.place.things) if is_meant(thing))
    if not targets:
        raise Refused(f"Cannot find object with {'id' if objectType is None else 'type'} '{objectId or objectType}'.")
    return _told(stage.way_to_see(_from(pose, position), targets), pose)


def _path_to_point(
    stage: Stage, pose: Pose, *, target: Any = None, x: Any = None, y: Any = None, z: Any = None, position: Any = None,
    allowedError: Any = None,
) -> Outcome:  # fmt: skip
    end, _ = _point("target", {"x": x, "y": y, "z": z} if target is None else target)
    return _told(stage.way_to(_from(pose, position), end, _number("allowedError", allowedError, _ERROR_M)), pose)


def _told(corners: Any, pose: Pose) -> Outcome:
    if not len(corners):
        raise Refused("Path to target could not be found.")
    return pose, {"corners": [vector(x, y, 0.0) for x, y in corners.tolist()]}


ACTIONS: dict[str, Callable[..., Outcome]] = {
    "MoveAhead": partial(_move, 0, 1),
    "MoveBack": partial(_move, 0, -1),
    "MoveLeft": partial(_move, -1, 0),
    "MoveRight": partial(_move, 1, 0),
    "RotateLeft": partial(_rotate, -1),
    "RotateRight": partial(_rotate, 1),
    "LookUp": partial(_look, -1),
    "LookDown": partial(_look, 1),
    "Teleport": _teleport,
    "TeleportFull": _teleport,
    "Done": _nothing,
    "Stop": _nothing,
    "End": _nothing,
    "Pass": _nothing,
    "GetReachablePositions": _reachable,
    "GetShortestPath": _path_to_object,
    "GetShortestPathToPoint": _path_to_point,
}

_BY_NAME = inspect.Parameter.KEYWORD_ONLY


def _name(stage: Stage, thing: int | None) -> str:
    return "Wall" if thing is None else str(stage.place.records()[thing]["name"])


def _from(pose: Pose, position: Any) -> Point:
    return (pose.x, pose.y) if position is None else _point("position", position)[0]


def _point(name: str, value: Any) -> tuple[Point, float]:
    """Our (x, y) of AI2-THOR's {x, y, z}, and how high it is, m; where no y is said, where agents are."""
    if not isinstance(value, Mapping) or value.get("x") is None or value.get("z") is None:
        raise ValueError(f"{name}={value!r}: must have x, y and z")
    x, z = (_number(f"{name}.{axis}", value[axis], 0.0) for axis in "xz")
    return (x, z), _number(f"{name}.y", value.get("y"), AGENT_HEIGHT_M)


def _number(name: str, value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not abs(number) <= _MOST:
        raise ValueError(f"{name}={value!r}: must be a number up to {_MOST:g}")
    return number
