"""Objects in house files: see `house_json` for the format."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import cos, degrees, pi, radians, sin
from typing import Any

from foveal.envs.objectnav.procedural.assets import SPLITS, Asset, catalogue
from foveal.envs.objectnav.scenes.house import Thing
from foveal.envs.objectnav.scenes.json_fields import Field, material, xyz

MOST_OBJECTS = 5000
DEEPEST = 16
"""Things in, on or under things."""

_NEVER_SOLID = frozenset(["Blinds", "Curtains", "LightSwitch", "Mirror", "Painting", "Towel", "Window"])


def things_from_json(objects: Field) -> Iterator[Thing]:
    """All objects, those in `children` too, in the file's order."""
    todo: list[tuple[Iterator[Field], str | None]] = [(objects.items(MOST_OBJECTS), None)]
    count = 0
    while todo:
        field = next(todo[-1][0], None)
        if field is None:
            todo.pop()
            continue
        count += 1
        if count > MOST_OBJECTS:
            raise objects.wrong(f"more than {MOST_OBJECTS} objects")
        thing = _thing(field, todo[-1][1])
        yield thing
        children = field.get("children")
        if children is not None:
            if len(todo) >= DEEPEST:
                raise children.wrong(f"nested deeper than {DEEPEST} levels")
            todo.append((children.items(MOST_OBJECTS), thing.id))


def _thing(field: Field, parent: str | None) -> Thing:
    asset_field, size_field, type_field = field.get("assetId"), field.get("size"), field.get("objectType")
    name = asset_field.text() if asset_field else None
    asset = _models().get(name) if name and not (size_field and type_field) else None
    if size_field:
        right, up, forward = size_field.vector()
        size = (right, forward, up)
        if min(size) < 0:
            raise size_field.wrong("must not be negative")
    elif asset:
        size = asset.size
    elif asset_field:
        raise asset_field.wrong(f"procthor's database has no asset {name!r}, and the object has no 'size'")
    else:
        raise field.wrong("needs 'assetId' or 'size'")
    id = field["id"].text()
    x, height, y = field["position"].vector()
    turn = field.get("rotation")
    pitch, yaw, roll = turn.vector() if turn else (0.0, 0.0, 0.0)
    kind = type_field.text() if type_field else asset.type if asset else id.split("|")[0]
    above, openness, solid = field.get("parent"), field.get("openness"), field.get("solid")
    pickupable, moveable = field.get("pickupable"), field.get("moveable")
    parent = above.text() if above else parent
    return Thing(
        id=id,
        type=kind,
        centre=(x, y, height),
        size=_tilted(size, radians(pitch), radians(roll)),
        yaw=(pi - radians(yaw)) % (2 * pi) - pi,
        asset=name,
        parent=parent,
        pickupable=pickupable.flag() if pickupable else bool(asset and asset.pickupable),
        moveable=moveable.flag() if moveable else bool(asset and asset.moveable),
        material=material(field.get("material")),
        openness=openness.fraction() if openness else 0.0,
        solid=solid.flag() if solid else parent is None and kind not in _NEVER_SOLID,
    )


@cache
def _models() -> dict[str, Asset]:
    """All models by name."""
    kinds = (models for split in SPLITS for models in catalogue(split).values())
    return {model.name: model for models in kinds for model in models}


def _tilted(size: tuple[float, float, float], pitch: float, roll: float) -> tuple[float, float, float]:
    """Size of the upright box around one that is rolled about its forward, then pitched about its right (Unity)."""
    width, depth, height = size
    c, s = abs(cos(roll)), abs(sin(roll))
    width, height = (width * c + height * s, width * s + height * c) if s > 1e-3 else (width, height)
    c, s = abs(cos(pitch)), abs(sin(pitch))
    depth, height = (depth * c + height * s, depth * s + height * c) if s > 1e-3 else (depth, height)
    return width, depth, height


def parents_first(things: tuple[Thing, ...], field: Field) -> tuple[Thing, ...]:
    """The same things, each after what it lies on or in."""
    by_id = {thing.id: thing for thing in things}
    ordered: dict[str, Thing] = {}
    for thing in things:
        chain = [thing]
        while (above := chain[-1].parent) is not None and above not in ordered:
            if above not in by_id:
                raise field.wrong(f"{chain[-1].id!r} has the parent {above!r}, which is not there")
            if len(chain) > DEEPEST:
                raise field.wrong(f"{thing.id!r} lies more than {DEEPEST} deep in others, or in itself")
            chain.append(by_id[above])
        for link in reversed(chain):
            ordered.setdefault(link.id, link)
    return tuple(ordered.values())


def thing_to_json(thing: Thing) -> dict[str, Any]:
    """The object that `things_from_json` reads."""
    x, y, z = thing.centre
    width, depth, height = thing.size
    data = {
        "id": thing.id,
        "objectType": thing.type,
        "position": xyz(x, z, y),
        "rotation": xyz(0.0, -degrees(thing.yaw), 0.0),
        "size": xyz(width, height, depth),
        "kinematic": not (thing.pickupable or thing.moveable),
        "pickupable": thing.pickupable,
        "moveable": thing.moveable,
        "openness": thing.openness,
        "solid": thing.solid,
    }
    extra = {"assetId": thing.asset, "parent": thing.parent, "material": thing.material}
    return data | {name: value for name, value in extra.items() if value is not None}
