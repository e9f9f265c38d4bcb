"""Furniture on a room's floor: what belongs there by ProcTHOR's placement annotations, where it shuts nothing off."""

from __future__ import annotations

import numpy as np

from foveal.envs.objectnav import sets
from foveal.envs.objectnav.assets import catalogue, placements
from foveal.envs.objectnav.house import Room
from foveal.envs.objectnav.placing import Floor, Placed, rectangles
from foveal.envs.objectnav.sets import Set
from foveal.envs.objectnav.surfaces import lying

FLOOR_PER_THING_M2 = 2.2
"""Floor area for each set of furniture that is tried in a room."""
MOST_SETS = 12
RARE = 0.25
"""Chance of a type that the annotations give weight 1, relative to one of weight 2."""

_TRIES_PER_SET = 4
_TALL_M = 1.0
_SMALL_ON_FLOOR_M = 0.7


def programme(room: Room, models: sets.Catalogue, area: float, rng: np.random.Generator) -> list[list[Set]]:
    """What is tried in a room, in this order: the sets its kind is known by, then others by their weights.

    Each entry has a set and what may stand in for it where it does not fit.
    """
    chance = rng.random(8)
    wanted: list[list[Set]] = []
    if room.kind == "Kitchen":
        wanted = [sets.kitchen(models, rng), sets.worktop(models, rng)]
        wanted += [sets.dining(models, rng)] if area > 10 and chance[0] < 0.8 else []
        wanted += [sets.worktop(models, rng)] if area > 16 else []
    elif room.kind == "LivingRoom":
        spans = np.ptp(room.polygon, axis=0).tolist()
        wanted = [sets.lounge(models, rng, spans), single("Sofa", models, rng)]
        wanted += [sets.dining(models, rng)] if area > 18 and chance[0] < 0.6 else []
        wanted += [sets.armchair(models, rng)] if chance[1] < 0.6 else []
        wanted += [single("ShelvingUnit", models, rng)] if chance[2] < 0.6 else []
    elif room.kind == "Bedroom":
        wanted = [sets.bed(models, rng)]
        wanted += [sets.television(models, rng, "Dresser") if chance[0] < 0.4 else single("Dresser", models, rng)]
        wanted += [sets.desk(models, rng)] if chance[1] < 0.6 else []
        wanted += [sets.armchair(models, rng)] if area > 14 and chance[2] < 0.4 else []
    else:
        wanted = [single("Toilet", models, rng), sets.washbasin(models, rng)]
    wanted += [single("GarbageCan", models, rng)] if chance[3] < 0.6 else []
    wanted += [sets.plant(models, rng)] if room.kind != "Bathroom" and chance[4] < 0.5 else []
    types = [
        name for name, place in placements().items() if place.floor and place.rooms[room.kind] and models.get(name)
    ]
    weights = np.array([1.0 if placements()[name].rooms[room.kind] > 1 else RARE for name in types])
    ends = np.cumsum(weights)
    for _ in range(max(0, min(MOST_SETS, round(area / FLOOR_PER_THING_M2)) - len(wanted))):
        name = types[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
        wanted.append(single(name, models, rng))
    return wanted


def single(name: str, models: sets.Catalogue, rng: np.random.Generator) -> list[Set]:
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
    """Put furniture on a room's floor."""
    models = catalogue(split)
    x, y = room.polygon.T
    area = float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    things: list[Placed] = []
    present: list[str] = []
    for alternatives in programme(room, models, area, rng):
        if not alternatives:
            continue
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
