"""Furniture on a room's floor: what belongs there by ProcTHOR's placement annotations, where it shuts nothing off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from foveal.envs.objectnav.procedural import sets
from foveal.envs.objectnav.procedural.assets import catalogue, placements
from foveal.envs.objectnav.procedural.placing import Floor, Placed, rectangles
from foveal.envs.objectnav.procedural.sets import Catalogue, Set
from foveal.envs.objectnav.procedural.surfaces import lying
from foveal.envs.objectnav.scenes.house import Room

FLOOR_PER_SET_M2 = 2.2
"""Floor area for each set of furniture that is tried in a room."""
MOST_SETS = 12
RARE = 0.25
"""Chance of a type that the annotations give weight 1, relative to one of weight 2."""

_TRIES_PER_SET = 4
_TALL_M = 1.0  # and more hides a window
_SMALL_ON_FLOOR_M = 0.7  # and less is not used from its front

Maker = Callable[[Catalogue, np.random.Generator], list[Set]]


def typical(kind: str, spans: tuple[float, float]) -> list[tuple[Maker, float, float]]:
    """What a kind of room is known by: its maker, its probability, and the least floor area m² for it.

    Args:
        kind: Of room.
        spans: The room's extent along x and y, m.
    """
    bin_and_plant: list[tuple[Maker, float, float]] = [(one("GarbageCan"), 0.6, 0), (sets.plant, 0.5, 0)]
    match kind:
        case "Kitchen":
            return [
                (sets.kitchen, 1.0, 0),
                (sets.worktop, 1.0, 0),
                (sets.dining, 0.8, 10),
                (sets.worktop, 1.0, 16),
                *bin_and_plant,
            ]
        case "LivingRoom":
            return [
                (partial(sets.lounge, depths=spans), 1.0, 0),
                (one("Sofa"), 1.0, 0),
                (sets.dining, 0.6, 18),
                (sets.armchair, 0.6, 0),
                (one("ShelvingUnit"), 0.6, 0),
                *bin_and_plant,
            ]
        case "Bedroom":
            return [
                (sets.bed, 1.0, 0),
                (partial(sets.television, below="Dresser"), 0.4, 0),
                (one("Dresser"), 1.0, 0),
                (sets.desk, 0.6, 0),
                (sets.armchair, 0.4, 14),
                *bin_and_plant,
            ]
        case _:
            return [(one("Toilet"), 1.0, 0), (sets.washbasin, 1.0, 0), bin_and_plant[0]]


def programme(room: Room, models: Catalogue, rng: np.random.Generator) -> list[list[Set]]:
    """What is tried in a room, in this order: what its kind is known by, then others by their weights.

    Each entry is a set and what may stand in for it where it does not fit.
    """
    x, y = room.polygon.T
    area = float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    width, depth = np.ptp(room.polygon, axis=0).tolist()
    wanted = [
        make(models, rng)
        for make, probability, least in typical(room.kind, (width, depth))
        if area >= least and rng.random() < probability
    ]
    weights = {
        name: 1.0 if place.rooms[room.kind] > 1 else RARE
        for name, place in placements().items()
        if place.floor and place.rooms[room.kind] and models.get(name)
    }
    names, ends = list(weights), np.cumsum(list(weights.values()))
    for _ in range(min(MOST_SETS, round(area / FLOOR_PER_SET_M2)) - len(wanted)):
        name = names[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
        wanted.append(one(name)(models, rng))
    return [alternatives for alternatives in wanted if alternatives]


def one(name: str) -> Maker:
    """The maker of a single thing of a type."""
    return partial(single, name)


def single(name: str, models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """One model of a type, in the places where its type may stand."""
    if name == "DiningTable":
        return sets.dining(models, rng)
    asset = sets.pick(rng, models[name], lambda asset: min(asset.size[:2]) < 1.3)
    if asset is None:
        return []
    if name == "BaseballBat" and rng.random() < 0.7:
        asset = lying(asset)
    place = placements()[name]
    front = 0.0 if max(asset.size) < _SMALL_ON_FLOOR_M or place.middle else 0.4
    sides = ["corner"] * place.corner + ["edge"] * place.edge
    if place.middle and not place.edge:
        sides = ["middle"]
    elif len(sides) > 1 and rng.random() < 0.5:
        sides = sides[::-1]
    return [sets.alone(asset, side, front) for side in sides]


def furnish(floor: Floor, room: Room, split: str, rng: np.random.Generator) -> list[Placed]:
    """Put furniture on a room's floor, with what stands on it as part of a set (a television, a tap)."""
    models = catalogue(split)
    things: list[Placed] = []
    present: list[str] = []
    for alternatives in programme(room, models, rng):
        name = alternatives[0].members[0].asset.type
        if present.count(name) >= (2 if placements()[name].several or name == "CounterTop" else 1):
            continue
        for group in alternatives:
            placed = _put(floor, group, len(things), rng)
            if placed:
                things += placed
                present += [thing.asset.type for thing in placed]
                break
    return things


def _put(floor: Floor, group: Set, first: int, rng: np.random.Generator) -> list[Placed]:
    """Put a set in a free place of the room and number its members from `first`; none of it where none was found."""
    if group.where == "middle":
        places = floor.in_the_middle(group.width, group.depth, group.front)
    else:
        places = floor.along_walls(
            group.width, group.depth, group.front, group.height > _TALL_M, group.where == "corner"
        )
    for _ in range(min(_TRIES_PER_SET, len(places.turn))):
        index = int(rng.integers(len(places.turn)))
        origin, turn = places.origin[index], int(places.turn[index])
        placed, bodies = [], []
        for member in group.members:
            wide, deep = (size / 2 for size in sets.footprint(member))
            body = rectangles(origin, turn, (member.x - wide, member.y - deep), (member.x + wide, member.y + deep))
            height = sets.member_height(group, member) + member.asset.size[2] / 2
            x, y = ((body[:2] + body[2:]) / 2).tolist()
            on = None if member.on is None else first + member.on
            centre = (round(x, 3), round(y, 3), round(height, 4))
            placed.append(Placed(member.asset, centre, (turn + member.turn) % 4, on))
            if member.on is None:
                bodies.append(body)
        front = None
        if group.where != "middle" and group.front:
            front = rectangles(origin, turn, (0.0, group.depth), (group.width, group.depth + group.front))
        if floor.take(np.array(bodies), front):
            return placed
    return []
