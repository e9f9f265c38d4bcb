"""The roads of the streets: two of our own, and some of the driving suite.

Driving frame: x along the road, y to the right. Each has a lane on which the ego starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.scenarios.crossing import lay_crossing
from foveal.envs.driving.scenarios.roundabout_road import lay_roundabout
from foveal.envs.driving.scenarios.tracks import lay_track

LENGTH, LANE = 480.0, 4.0  # m
SPEED = 12.0  # m/s, the limit
SWAY, PERIOD = 10.0, 240.0  # m: of the bend, to both sides and along


class Course(NamedTuple):
    """A road and where one starts on it.

    Attributes:
        lay: Lays it.
        start: The ego's lane.
        streams: Whether it is two lanes one way, of which the ego is on the right one, and two the other way.
    """

    lay: Callable[[], Road]
    start: Name
    streams: bool = False


def _avenue() -> Road:
    """Straight, two lanes each way: along x the lanes at 0 and 4 m, against it those at -4 and -8 m."""
    road = Road()
    road.parallel("a", "b", 2, (0.0, 0.0), (LENGTH, 0.0), width=LANE, speed_limit=SPEED)
    road.parallel("c", "d", 2, (LENGTH, -LANE), (0.0, -LANE), width=LANE, speed_limit=SPEED)
    return road


def _bend() -> Road:
    """The same, swinging to both sides."""
    road, pulsation = Road(), 2 * math.pi / PERIOD
    for place, y in enumerate((0.0, LANE)):
        lines = ("continuous", "none") if place == 0 else ("striped", "continuous")
        road.sine("a", "b", (0.0, y), (LENGTH, y), SWAY, pulsation, 0.0, lines=lines, width=LANE, speed_limit=SPEED)
    for place, y in enumerate((-LANE, -2 * LANE)):
        lines = ("none", "none") if place == 0 else ("striped", "continuous")
        # against x, right is -y: the same curve from its other end
        road.sine(
            "c", "d", (LENGTH, y), (0.0, y), -SWAY, -pulsation, pulsation * LENGTH, lines=lines, width=LANE,
            speed_limit=SPEED,
        )  # fmt: skip
    return road


COURSES: dict[str, Course] = {
    "avenue": Course(_avenue, ("a", "b", 1), streams=True),
    "bend": Course(_bend, ("a", "b", 1), streams=True),
    "roundabout": Course(lambda: lay_roundabout(20.0, 2, swinging=False), ("ser", "ses", 0)),
    "crossing": Course(lay_crossing, ("o0", "ir0", 0)),
    "racetrack": Course(lambda: lay_track("standard", length=100.0, lanes=2, speed_limit=10.0), ("a", "b", 0)),
}
"""By name."""
