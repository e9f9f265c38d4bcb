"""The arrow keys as a steering wheel: which action of a world they ask for."""

from __future__ import annotations

from typing import Any

import numpy as np

ARROWS = ("left", "right", "up", "down")

_META = {"left": "LANE_LEFT", "right": "LANE_RIGHT", "up": "FASTER", "down": "SLOWER"}
_PEDALS, _WHEEL = ("down", "up"), ("left", "right")  # towards -1 and towards +1
_PUSH, _RELEASE = 1.5, 4.0  # 1/s, how fast pedals and wheel go out to their ends, which are at 1, and back


class Keyboard:
    """Turns arrow keys into actions, by the world's kind of action.

    A meta-action is that of the arrow pressed last since the last decision, else of the one pressed last of those that
    are held, else idle. Acceleration and steering move while an arrow is held, and return when it is not. A key that
    was pressed and released between two decisions counts as held until the second one.

    With several egos the arrows drive the first one, and the others idle.

    Args:
        world: A `foveal.envs.driving.world.DrivingWorld`.

    Attributes:
        help: What the arrows do, one line.
    """

    def __init__(self, world: Any) -> None:
        p = world.params
        self._kind = getattr(p, "action", "DiscreteMeta")
        self._names, self._egos = world.action_names, getattr(p, "controlled_vehicles", 1)
        self._idle = getattr(world, "idle", None)
        self._held: list[str] = []
        self._pressed: list[str] = []
        if self._kind == "DiscreteMeta":
            self._meta = {key: self._names.index(name) for key, name in _META.items() if name in self._names}
            across, along = "left" in self._meta, "up" in self._meta
            told = ("left, right: change lanes", "up, down: faster, slower")
        else:
            across, along = p.action_lateral, p.action_longitudinal
            told = ("left, right: steer", "up, down: accelerate, brake and reverse")
        self.help = "; ".join(line for line, used in zip(told, (across, along), strict=True) if used)
        self._axes = [pair for pair, used in ((_PEDALS, along), (_WHEEL, across)) if used]
        self._labels = [label for label, used in (("throttle", along), ("steering", across)) if used]
        self._places = getattr(p, "action_per_axis", 0) if self._kind == "Discrete" else 0
        self._values = np.zeros(len(self._axes))
        self._period = 1 / p.policy_frequency  # s
        if self._egos > 1:
            self.help += f"; you are the first of {self._egos} egos, the others idle"

    def press(self, key: str) -> None:
        """An arrow goes down."""
        self.release(key)
        self._held.append(key)
        self._pressed.append(key)

    def release(self, key: str) -> None:
        """An arrow goes up."""
        if key in self._held:
            self._held.remove(key)

    def reset(self) -> None:
        """Forget presses and bring pedals and wheel back, for a new episode; what is held stays held."""
        self._pressed.clear()
        self._values[:] = 0

    @property
    def waiting(self) -> str:
        """The meta-action that was pressed since the last decision, in words; "" where there is none."""
        known = [key for key in self._pressed if self._kind == "DiscreteMeta" and key in self._meta]
        return _words(_META[known[-1]]) if known else ""

    def decide(self) -> tuple[Any, str]:
        """The action, valid in the world's single action space, and what it is in words."""
        own, words = self._decide_meta() if self._kind == "DiscreteMeta" else self._decide_values()
        self._pressed.clear()
        if self._egos == 1:
            return own, words
        return np.array([own, *[self._idle] * (self._egos - 1)], np.asarray(own).dtype), words

    def _decide_meta(self) -> tuple[int, str]:
        keys = [key for key in (*self._held, *self._pressed) if key in self._meta]
        action = self._meta[keys[-1]] if keys else self._names.index("IDLE")
        return action, _words(self._names[action])

    def _decide_values(self) -> tuple[Any, str]:
        down = {*self._held, *self._pressed}
        for axis, (less, more) in enumerate(self._axes):
            target, value = float(more in down) - float(less in down), self._values[axis]
            back = target == 0 or target * value < 0
            goal, rate = (0.0, _RELEASE) if back else (target, _PUSH)
            self._values[axis] += np.clip(goal - value, -rate * self._period, rate * self._period)
        if self._places:
            places = np.rint((self._values + 1) / 2 * (self._places - 1)).astype(int)
            action = int(np.ravel_multi_index(places.tolist(), [self._places] * len(places)))
            return action, self._told(2 * places / (self._places - 1) - 1)
        return self._values.astype(np.float32), self._told(self._values)

    def _told(self, values: Any) -> str:
        return "  ".join(f"{label} {value + 0.0:+.2f}" for label, value in zip(self._labels, values, strict=True))


def _words(name: str) -> str:
    return name.replace("_", " ").lower()
