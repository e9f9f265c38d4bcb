"""A house: rooms, walls, openings and things, as every scene source gives them and everything else reads them.

World frame: right-handed, z up, metres, radians. ProcTHOR and AI2-THOR are left-handed with y up and degrees: their
(x, y, z) is our (x, z, y), and their clockwise rotation about y is our `yaw` with the sign changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

CEILING_M = 2.6
"""Height of a room where nothing says it."""


@dataclass(frozen=True)
class Room:
    """A room's floor.

    Attributes:
        id: Unique in the house.
        kind: "Kitchen", "LivingRoom", "Bedroom", "Bathroom" or another name.
        polygon: (P, 2) m, counter-clockwise seen from above, without its first point repeated.
        floor: Name of the floor's material, None for one by the scene's palette.
        ceiling: Likewise of the ceiling's.
    """

    id: str
    kind: str
    polygon: Vector
    floor: str | None = None
    ceiling: str | None = None


@dataclass(frozen=True)
class Wall:
    """One side of one room: a vertical rectangle that is seen from that room.

    Attributes:
        id: Unique in the house.
        room: Whose side it is.
        start: (x, y) m; from start to end the room lies to the left.
        end: (x, y) m.
        height: m.
        material: Name, None for one by the scene's palette.
    """

    id: str
    room: str
    start: tuple[float, float]
    end: tuple[float, float]
    height: float = CEILING_M
    material: str | None = None


@dataclass(frozen=True)
class Opening:
    """A hole through a wall: a door, a window, or a wall left open.

    Attributes:
        id: Unique in the house.
        kind: What is in it.
        walls: The wall it is cut into, and the one behind it that another room sees (of the same hole), if any.
        rooms: The rooms on both sides; None is the outside.
        along: (from, to) m along the first wall, from its start.
        heights: (from, to) m above the floor.
        openness: Of a door's leaf, 0 closed to 1 open; a closed one stops whoever walks.
        asset: Name of the thing in it, where it has one.
    """

    id: str
    kind: Literal["door", "window", "open"]
    walls: tuple[str, str | None]
    rooms: tuple[str | None, str | None]
    along: tuple[float, float]
    heights: tuple[float, float]
    openness: float = 1.0
    asset: str | None = None


@dataclass(frozen=True)
class Thing:
    """An object.

    Attributes:
        id: Unique in the house; AI2-THOR's "Type|x|y|z" where it comes from there.
        type: AI2-THOR's object type, such as "Fridge".
        centre: (x, y, z) m, of its box.
        size: (width, depth, height) m along its own right, forward and up.
        yaw: rad, counter-clockwise seen from above; at 0 its right is +x and its forward +y.
        asset: AI2-THOR's name of its model, where there is one.
        parent: The id of the thing it lies on or in; None for the floor, a wall or the ceiling.
        pickupable: Whether a hand could take it.
        moveable: Whether it could be pushed.
        material: Name, None for one by the scene's palette.
        openness: 0 closed to 1 open.
        solid: Whether it stops whoever walks (a rug does not).
    """

    id: str
    type: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0
    asset: str | None = None
    parent: str | None = None
    pickupable: bool = False
    moveable: bool = False
    material: str | None = None
    openness: float = 0.0
    solid: bool = True

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner (3,) m of its axis-aligned box."""
        cos, sin = abs(np.cos(self.yaw)), abs(np.sin(self.yaw))
        width, depth, height = self.size
        half = np.array([cos * width + sin * depth, sin * width + cos * depth, height]) / 2
        return np.array(self.centre) - half, np.array(self.centre) + half


@dataclass(frozen=True)
class Start:
    """Where an agent stands at the beginning: (x, y, z) m of its feet, yaw and horizon (down is positive), rad."""

    position: tuple[float, float, float]
    yaw: float
    horizon: float = 0.0


@dataclass(frozen=True)
class House:
    """Everything of one scene.

    Attributes:
        name: Such as "FloorPlan1".
        rooms: At least one.
        walls: All sides of all rooms.
        openings: Holes in them.
        things: All objects, parents before what lies on them.
        split: "train", "val" or "test".
        start: Where the source puts the agent, if it does.
    """

    name: str
    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]
    openings: tuple[Opening, ...]
    things: tuple[Thing, ...]
    split: str = "train"
    start: Start | None = None

    @property
    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner (2,) m of all rooms' floors."""
        corners = np.concatenate([room.polygon for room in self.rooms])
        return corners.min(0), corners.max(0)
