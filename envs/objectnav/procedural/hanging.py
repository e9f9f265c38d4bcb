"""Things on a room's walls: switches, pictures, screens, towels."""

from __future__ import annotations

import numpy as np

from foveal.envs.objectnav.procedural import sets
from foveal.envs.objectnav.procedural.assets import Asset, catalogue, contents
from foveal.envs.objectnav.procedural.placing import WALL_GAP_M, Placed, overlaps, rectangles, turn_of, wall_length
from foveal.envs.objectnav.scenes.house import Opening, Room, Wall

HUNG = {
    "Kitchen": (("LightSwitch", 1.0, 1.25), ("Television", 0.15, 1.6), ("Painting", 0.6, 1.6)),
    "LivingRoom": (
        ("LightSwitch", 1.0, 1.25),
        ("Television", 0.8, 1.45),
        ("Painting", 0.95, 1.6),
        ("Painting", 0.8, 1.6),
        ("Painting", 0.3, 1.6),
    ),
    "Bedroom": (
        ("LightSwitch", 1.0, 1.25),
        ("Television", 0.3, 1.45),
        ("Painting", 0.9, 1.6),
        ("Painting", 0.5, 1.6),
    ),
    "Bathroom": (
        ("LightSwitch", 1.0, 1.25),
        ("ToiletPaperHanger", 0.8, 0.75),
        ("TowelHolder", 0.7, 1.45),
        ("HandTowelHolder", 0.6, 1.3),
        ("Painting", 0.3, 1.6),
    ),
}
"""By kind of room: what may hang on its walls, with which probability, its centre at which height in m."""
CLOTHS = {"TowelHolder": "Towel", "HandTowelHolder": "HandTowel"}
"""What hangs from what."""

_THICKEST_M = 0.2
_MARGIN_M = 0.05  # to the wall's ends, to holes and to other things
_FOLD_M = 0.06  # how far a cloth reaches above the underside of its holder
_TRIES = 12


def hang(
    room: Room, walls: list[Wall], openings: list[Opening], things: list[Placed], split: str, rng: np.random.Generator
) -> list[Placed]:
    """Hang things on a room's walls, where there is no hole and nothing stands in front.

    Args:
        room: Its kind decides what.
        walls: Its walls.
        openings: In them.
        things: What stands in the room.
        split: Decides which models.
        rng: Decides the rest.
    """
    models = catalogue(split)
    hung: list[Placed] = []
    for name, probability, height in HUNG[room.kind]:
        if rng.random() >= probability or (name == "Television" and any(thing.asset.type == name for thing in things)):
            continue
        asset = sets.pick(rng, models[name], lambda asset: asset.size[1] < _THICKEST_M)
        if asset is None:
            continue
        cloth = sets.pick(rng, models[CLOTHS[name]]) if name in CLOTHS else None
        if cloth is not None and rng.random() >= contents()[name][cloth.type]:
            cloth = None
        wall = walls[int(rng.integers(len(walls)))]
        spot = _spot(asset, cloth, height, wall, openings, [*things, *hung], rng)
        if spot is None:
            continue
        hung.append(spot)
        if cloth is not None:
            x, y, _ = spot.centre
            z = round(spot.bottom + _FOLD_M - cloth.size[2] / 2, 4)
            hung.append(Placed(cloth, (x, y, z), spot.turn, len(things) + len(hung) - 1, True))
    return hung


def _spot(
    asset: Asset,
    cloth: Asset | None,
    height: float,
    wall: Wall,
    openings: list[Opening],
    things: list[Placed],
    rng: np.random.Generator,
) -> Placed | None:
    """A free place on a wall for a thing and the cloth on it, None where none was found."""
    width, depth, tall = asset.size
    low, high = height - tall / 2, height + tall / 2
    if cloth is not None:
        width, low = max(width, cloth.size[0]), low + _FOLD_M - cloth.size[2]
    room = wall_length(wall) - width - 2 * _MARGIN_M
    if room < 0 or high > wall.height - _MARGIN_M:
        return None
    start = _MARGIN_M + room * rng.random(_TRIES)
    free = np.ones(_TRIES, bool)
    for opening in openings:
        if wall.id in opening.walls and opening.heights[0] < high + _MARGIN_M and low < opening.heights[1] + _MARGIN_M:
            first, last = opening.along
            if opening.walls[0] != wall.id:
                first, last = wall_length(wall) - last, wall_length(wall) - first
            free &= (start > last + _MARGIN_M) | (start + width + _MARGIN_M < first)
    turn = turn_of(wall.start, wall.end)
    low_corner = np.stack([start, np.full(_TRIES, WALL_GAP_M / 2)], -1)
    spots = rectangles(np.array(wall.start), turn, low_corner, low_corner + np.array([width, depth]))
    before = [
        thing.rectangle + np.array([-_MARGIN_M, -_MARGIN_M, _MARGIN_M, _MARGIN_M])
        for thing in things
        if thing.bottom < high + _MARGIN_M and low - _MARGIN_M < thing.top
    ]
    if before:
        free &= ~overlaps(spots, np.array(before))
    if not free.any():
        return None
    x0, y0, x1, y1 = spots[int(np.argmax(free))].tolist()
    return Placed(asset, (round((x0 + x1) / 2, 4), round((y0 + y1) / 2, 4), height), turn, hangs=True)
