"""A house dressed for the eye: its shell, things and lights as a rendering scene.

Instance ids: 0 is nothing, 1 + i is the i-th thing of the house; after the things come floors, ceilings, walls,
lamps, openings and fittings, each one its own. Semantic ids are those of `types.TYPES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from foveal.envs.objectnav.kit import kit
from foveal.envs.objectnav.kit.fitted_boxes import drawn_boxes
from foveal.envs.objectnav.kit.fittings import Fitting, counter_body, counter_parts, front_parts, fronts_only, ovens
from foveal.envs.objectnav.kit.fronts import HOLDERS, faced, holder_of, room_of
from foveal.envs.objectnav.kit.palettes import Palette, drawn, named
from foveal.envs.objectnav.kit.parts import Part, volume
from foveal.envs.objectnav.kit.seats import bed
from foveal.envs.objectnav.kit.structure import Look, Solids, ceiling_lamps, portals, structure
from foveal.envs.objectnav.kit.sweethome import Model, fitted, match
from foveal.envs.objectnav.scenes.house import House, Thing, Vector
from foveal.envs.objectnav.types import type_id
from foveal.envs.rendering.scene import Material, Scene, SceneBuilder
from foveal.optics.transforms import place

_LAMPS = {"FloorLamp": 0.55, "DeskLamp": 0.3}
"""Strength of the light that a thing of these types gives."""

_SHARED = frozenset(("joinery", "joinery_front", "joinery_panel", "counter", "handle", "appliance", "window_frame"))
"""Roles that are one colour in a room."""


def dress(house: House, seed: int = 0, palette: Palette = "train", models: Sequence[Model] = ()) -> Scene:
    """The house as a scene: the same for the same house, seed and palette.

    Args:
        house: What to dress.
        seed: Of materials and colours.
        palette: "train" or "held_out".
        models: Of a furniture library (`sweethome.library`), which replace the kit where one fits.
    """
    if palette not in ("train", "held_out"):
        raise ValueError(f"palette must be 'train' or 'held_out', got {palette!r}")
    builder = SceneBuilder()

    @cache
    def look(role: str, key: str) -> Material:
        return drawn(role, f"{house.name} {key}", seed, palette)

    stoves = ovens(house)
    things = faced(house)
    placed = [*things, *(stove.box for stove in stoves)]
    builder.rooms([room.polygon for room in house.rooms], portals(house))
    for number, thing in enumerate(things):
        room = room_of(thing.centre[:2], house.rooms)
        like = holder_of(thing, things) or thing  # drawers look like their dresser
        solids: Solids = []
        for box in drawn_boxes(thing, house, placed):
            parts, pose = _parts(box, placed), _pose(box)
            if (model := match(models, thing.type, box.size)) is not None:
                largest = max(parts, key=volume)
                solids.append((fitted(model, box.size), pose, _material(largest, like, room, look, palette)))
            else:
                solids += [(kit.mesh(part), pose, _material(part, like, room, look, palette)) for part in parts]
        if solids:
            builder.add(solids, instance=1 + number, semantic=type_id(thing.type), room=room)
        if thing.type in _LAMPS:
            x, y, z = thing.centre
            builder.light((x, y, z + 0.25 * thing.size[2]), (1.0, 0.85, 0.65), _LAMPS[thing.type])
    instance = 1 + len(things)
    for solids, semantic, room in [*structure(house, look, seed, palette), *_fittings(house, placed, stoves, look)]:
        builder.add(solids, instance=instance, semantic=type_id(semantic), room=room)
        instance += 1
    for position, strength in ceiling_lamps(house):
        builder.light(position, (1.0, 0.95, 0.86), strength)
    return builder.build()


def _parts(thing: Thing, things: Sequence[Thing]) -> list[Part]:
    """The kit's parts, but for what is a part of something else."""
    if thing.type == "CounterTop":
        return counter_parts(thing, things)
    holder = fronts_only(thing, things)
    if holder is not None:
        return front_parts(thing, holder)
    if thing.type == "Bed":
        bottom = thing.centre[2] - thing.size[2] / 2
        lying = [other.centre[2] - other.size[2] / 2 - bottom for other in things if other.parent == thing.id]
        return bed(*thing.size, rest=min(lying, default=None))
    parts = kit.parts(thing.type, thing.size)
    if thing.type in HOLDERS and any(holder_of(other, things) is thing for other in things):
        return [part for part in parts if part.role not in ("front", "handle")]
    return parts


def _material(part: Part, thing: Thing, room: int, look: Look, palette: Palette) -> Material:
    if thing.material is not None and part.role == _main_role(thing):
        return named(thing.material, part.role, palette)
    if part.role in _SHARED:
        return look(part.role, f"room {room}")
    return look(part.role, f"room {room} {thing.asset or thing.type}")


def _main_role(thing: Thing) -> str:
    """The role that most of a thing is made of."""
    volumes: dict[str, float] = {}
    for part in kit.parts(thing.type, thing.size):
        volumes[part.role] = volumes.get(part.role, 0) + volume(part)
    return max(volumes, key=lambda role: volumes[role])


def _pose(thing: Thing) -> Vector:
    x, y, z = thing.centre
    return place((x, y, z - max(thing.size[2], 0.002) / 2), thing.yaw)


def _fittings(
    house: House, things: Sequence[Thing], stoves: Sequence[Fitting], look: Look
) -> list[tuple[Solids, str, int]]:
    bodies = [counter_body(thing, things) for thing in things if thing.type == "CounterTop"]
    found = []
    for fitting in [*(body for body in bodies if body is not None), *stoves]:
        room = room_of(fitting.box.centre[:2], house.rooms)
        pose = _pose(fitting.box)
        solids = [(kit.mesh(part), pose, look(part.role, f"room {room}")) for part in fitting.parts]
        found.append((solids, "Fitting", room))
    return found
