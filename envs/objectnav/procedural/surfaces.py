"""What small things lie on: the height and the part of each receptacle that bears them, and how they come there.

What lies on what, how often, is ProcTHOR's count over AI2-THOR's own rooms with ProcTHOR's biases added.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from foveal.envs.objectnav.procedural.assets import Asset, catalogue, contents, placements
from foveal.envs.objectnav.procedural.placing import Placed, Vector, overlaps, rectangles

PARENT_BIAS = {"Chair": 0.0, "ArmChair": 0.0, "ShelvingUnit": 0.4}
"""How much likelier a thing lies on a receptacle than in AI2-THOR's own rooms, by receptacle."""
ANY_PARENT_BIAS = 0.2
"""Likewise of the other receptacles."""
CHILD_BIAS = {
    "BaseballBat": 0.1,
    "BasketBall": 0.2,
    "Bowl": 0.05,
    "HousePlant": 0.25,
    "Pan": 0.1,
    "Pot": 0.1,
    "SprayBottle": 0.2,
}
"""Likewise by thing."""
MOST_OF_A_TYPE = 3
"""On one receptacle."""
PLANT_ON_FURNITURE_M = 0.75
"""Height of the tallest plant that does not stand on the floor."""
FACING = ("AlarmClock", "CoffeeMachine", "Desktop", "Laptop", "Microwave", "Pillow", "Television", "Toaster")
"""What looks where its receptacle looks."""
FIXED = ("Faucet", "ShowerCurtain")
"""What the counts have on receptacles but belongs to a basin or a shower."""
GAP_M = 0.01
"""Between things on one board."""
SHELF_M = 0.4
"""About the distance between the boards of a shelving unit."""


class Surface(NamedTuple):
    """Where on its box a receptacle bears things.

    Attributes:
        height: Share of the box's height.
        most: m, at most.
        side: Share of the width that is left free at the left and at the right.
        back: Share of the depth left free at the back.
        front: And at the front.
    """

    height: float = 1.0
    most: float = 3.0
    side: float = 0.04
    back: float = 0.04
    front: float = 0.04


# The shares are medians over AI2-THOR's own rooms of (underside of what lies there - underside) / height of its box.
SURFACES = {
    "ArmChair": Surface(0.47, 0.5, 0.2, 0.3, 0.05),
    "Bed": Surface(0.63, 0.65, 0.05, 0.08, 0.06),
    "Chair": Surface(0.5, 0.5, 0.1, 0.2, 0.05),
    "CoffeeTable": Surface(),
    "CounterTop": Surface(),
    "Desk": Surface(1.0, 0.78),
    "DiningTable": Surface(),
    "Dresser": Surface(),
    "Ottoman": Surface(side=0.1, back=0.1, front=0.1),
    "ShelvingUnit": Surface(),
    "SideTable": Surface(),
    "Sofa": Surface(0.5, 0.5, 0.12, 0.3, 0.05),
    "Stool": Surface(),
    "TVStand": Surface(),
    "Toilet": Surface(1.0, 3.0, 0.1, 0.02, 0.75),
}

_TRIES = 16


def support_height(asset: Asset) -> float:
    """Height of what bears things on a model, m above its underside."""
    surface = SURFACES.get(asset.type, Surface())
    return round(min(surface.height * asset.size[2], surface.most), 3)


def shelf_heights(height: float) -> tuple[float, ...]:
    """Upper faces of a shelving unit's boards, m above its underside, the top among them."""
    count = max(1, round(height / SHELF_M))
    return tuple(round(height * (i + 1) / count, 3) for i in range(count))


class Board(NamedTuple):
    """A level surface of a receptacle.

    Attributes:
        low: Its corner (x, y) m in the receptacle's frame, whose origin is its centre.
        high: The other corner.
        height: m above the receptacle's underside.
        clear: m of room above it.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    height: float
    clear: float


def boards(asset: Asset) -> list[Board]:
    """The surfaces of a model; none where things do not lie on its type."""
    surface = SURFACES.get(asset.type)
    if surface is None:
        return []
    width, depth, height = asset.size
    low = (-width / 2 + surface.side * width, -depth / 2 + surface.back * depth)
    high = (width / 2 - surface.side * width, depth / 2 - surface.front * depth)
    if asset.type != "ShelvingUnit":
        return [Board(low, high, support_height(asset), 1.0)]
    heights = shelf_heights(height)
    above = [b - a - 0.03 for a, b in pairwise(heights)] + [0.5]
    # Nobody looks onto a board above the eyes.
    return [Board(low, high, level, clear) for level, clear in zip(heights, above, strict=True) if level < 1.6]


def lay(room_kind: str, things: list[Placed], bias: float, split: str, rng: np.random.Generator) -> list[Placed]:
    """Lay small things on what stands in a room.

    Args:
        room_kind: Only what belongs in it is laid there.
        things: What stands there; indices of `on` count from its start and go on with what is returned.
        bias: Of this house, added to every probability.
        split: Decides which models.
        rng: Decides the rest.
    """
    models, places = catalogue(split), placements()
    present = {thing.asset.type for thing in things}
    laid: list[Placed] = []
    for index, below in enumerate(things):
        levels = boards(below.asset)
        if not levels or below.hangs:
            continue
        on = [_taken(index, below, board, things) for board in levels]
        extra = PARENT_BIAS.get(below.asset.type, ANY_PARENT_BIAS) + bias
        for name, probability in contents()[below.asset.type].items():
            if name in FIXED or not places[name].rooms[room_kind] or not models.get(name):
                continue
            if rng.random() > probability + extra + CHILD_BIAS.get(name, 0.0):
                continue
            for _ in range(_how_many(probability, rng)):
                if name in present and not places[name].several:
                    break
                placed = _lay_one(models[name], index, below, levels, on, rng)
                if placed is not None:
                    laid.append(placed)
                    present.add(name)
    return laid


def _taken(index: int, below: Placed, board: Board, things: list[Placed]) -> Vector:
    """Rectangles (M, 4) of a board where a television stands already, say, or a picture hangs low."""
    low = below.bottom + board.height
    others = [
        thing.rectangle
        for thing in things
        if thing.on == index or (thing.hangs and thing.bottom < low + board.clear and low < thing.top)
    ]
    return np.array(others).reshape(-1, 4)


def _how_many(probability: float, rng: np.random.Generator) -> int:
    count = 1
    while count < MOST_OF_A_TYPE and rng.random() < probability:
        count += 1
    return count


def _lay_one(
    models: tuple[Asset, ...],
    index: int,
    below: Placed,
    levels: list[Board],
    on: list[Vector],
    rng: np.random.Generator,
) -> Placed | None:
    """One model on one board, and its rectangle added to what lies there; None where it finds no place."""
    asset = models[int(rng.integers(len(models)))]
    width, depth, height = asset.size
    if asset.type == "HousePlant" and height > PLANT_ON_FURNITURE_M:
        return None
    if asset.type == "BaseballBat":
        asset = lying(asset)
        width, depth, height = asset.size
    which = int(rng.integers(len(levels)))
    board = levels[which]
    turn = 0 if asset.type in FACING else int(rng.integers(4))
    size = np.array([depth, width] if turn % 2 else [width, depth])
    room = np.subtract(board.high, board.low) - size
    if height > board.clear or (room < 0).any():
        return None
    share = rng.random((_TRIES, 2))
    if asset.type == "Pillow":
        share[:, 1] *= 0.1  # to the head of the bed, to the back of the sofa
    low = board.low + share * room
    spots = rectangles(np.array(below.centre[:2]), below.turn, low, low + size)
    free = ~overlaps(spots, on[which] + np.array([-GAP_M, -GAP_M, GAP_M, GAP_M]))
    if not free.any():
        return None
    spot = spots[int(np.argmax(free))]
    on[which] = np.vstack([on[which], spot])
    x, y = ((spot[:2] + spot[2:]) / 2).tolist()
    z = round(below.bottom + board.height + height / 2, 4)
    return Placed(asset, (round(x, 4), round(y, 4), z), (below.turn + turn) % 4, index)


def lying(asset: Asset) -> Asset:
    """An upright thing laid on its back: its height becomes its depth."""
    width, depth, height = asset.size
    return asset._replace(size=(width, height, depth))
