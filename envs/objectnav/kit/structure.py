"""The structure of a house as solids: floors, ceilings, walls with holes, skirting, lamps, doors and windows."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from foveal.envs.objectnav.kit import kit
from foveal.envs.objectnav.kit.fronts import contains, room_of
from foveal.envs.objectnav.kit.palettes import Palette, named
from foveal.envs.objectnav.kit.parts import Part, around, block, frame, turned
from foveal.envs.objectnav.scenes.house import CEILING_M, House, Opening, Room, Vector, Wall
from foveal.envs.rendering.meshes import Mesh, flipped, polygon, wall_with_holes
from foveal.envs.rendering.scene import Material
from foveal.optics.transforms import place

Look = Callable[[str, str], Material]
"""The material of a role for a key; things with one key look alike."""

Solids = list[tuple[Mesh, Vector, Material]]
"""Meshes with their poses (4, 4) and materials."""

_FLOORS = {
    "Kitchen": ("floor_tile", "floor_wood", "floor_checker", "floor_tile"),
    "Bathroom": ("floor_bath", "floor_checker", "floor_bath"),
    "Bedroom": ("floor_carpet", "floor_wood", "floor_parquet"),
    "LivingRoom": ("floor_wood", "floor_carpet", "floor_parquet", "floor_wood"),
}
_OTHER_FLOORS = ("floor_wood", "floor_parquet", "floor_carpet", "floor_concrete")

_REVEAL_M = 0.14
"""Depth of the wall that a window's hole shows."""

_SKIRTING_M = (0.012, 0.08)
"""Distance before the wall, and height."""

_LAMP_AREA_M2 = 14.0
"""Floor that one ceiling lamp lights."""


def structure(house: House, look: Look, seed: int, palette: Palette) -> Iterator[tuple[Solids, str, int]]:
    """Everything but the things: (solids, semantic type, index of the room) of each floor, ceiling, wall and so on."""
    index = {room.id: number for number, room in enumerate(house.rooms)}
    walls = {wall.id: wall for wall in house.walls}
    for number, room in enumerate(house.rooms):
        rng = _rng(house, seed, number)
        floors = _FLOORS.get(room.kind, _OTHER_FLOORS)
        floor = floors[rng.integers(len(floors))]
        material = look(floor, room.id) if room.floor is None else named(room.floor, floor, palette)
        yield [(polygon(room.polygon), np.eye(4), material)], "Floor", number
        material = look("ceiling", "house") if room.ceiling is None else named(room.ceiling, "ceiling", palette)
        yield [(flipped(polygon(room.polygon)), place((0, 0, height_of(room, house))), material)], "Ceiling", number
    for wall in house.walls:
        role = _wall_role(house.rooms[index[wall.room]].kind, _rng(house, seed, index[wall.room]))
        material = look(role, wall.room) if wall.material is None else named(wall.material, "wall", palette)
        solids = _wall(wall, _holes(wall, house), material, look)
        if solids:
            yield solids, "Wall", index[wall.room]
    for (x, y, z), _ in ceiling_lamps(house):
        lamp = turned("lamp", around(0, 0.36), around(0, 0.36), (0, 0.09), ((0.6, 0), (1, 0.75), (1, 1)), sides=10)
        yield [(kit.mesh(lamp), place((x, y, z)), look("lamp", "house"))], "CeilingLamp", room_of((x, y), house.rooms)
    for opening in house.openings:
        owner = next((index[name] for name in opening.rooms if name is not None), -1)
        between, wall = None not in opening.rooms, walls[opening.walls[0]]
        if opening.kind == "window" and (between or _is_thing(opening, wall, house)):
            continue
        parts = _window(opening) if opening.kind == "window" else _door(opening)
        if parts:
            pose = pose_of(opening, wall)
            solids = [(kit.mesh(part), pose @ place(at, yaw), look(part.role, "house")) for part, at, yaw in parts]
            yield solids, "Door" if opening.kind == "door" else "WindowPane", -1 if between else owner


def portals(house: House) -> list[tuple[int, int, Vector]]:
    """(room, room, corners (4, 3) m) of every opening between two rooms."""
    index = {room.id: number for number, room in enumerate(house.rooms)}
    walls = {wall.id: wall for wall in house.walls}
    found = []
    for opening in house.openings:
        one, other = opening.rooms
        if one is not None and other is not None:
            pose = pose_of(opening, walls[opening.walls[0]])
            width, height = opening.along[1] - opening.along[0], opening.heights[1] - opening.heights[0]
            corners = np.array([(0, 0, 0), (width, 0, 0), (width, 0, height), (0, 0, height)])
            found.append((index[one], index[other], corners @ pose[:3, :3].T + pose[:3, 3]))
    return found


def ceiling_lamps(house: House) -> list[tuple[tuple[float, float, float], float]]:
    """Places (x, y, z) m of the ceiling lamps' lower ends, and their strengths."""
    found = []
    for room in house.rooms:
        low, high = room.polygon.min(0), room.polygon.max(0)
        width, depth = high - low
        columns = max(round(width / np.sqrt(_LAMP_AREA_M2)), 1)
        rows = max(round(depth / np.sqrt(_LAMP_AREA_M2)), 1)
        spots = [
            (low[0] + (i + 0.5) * width / columns, low[1] + (j + 0.5) * depth / rows)
            for i in range(columns)
            for j in range(rows)
        ]
        inside = [spot for spot in spots if contains(room.polygon, spot)] or [tuple(room.polygon[:3].mean(0))]
        area = width * depth / len(inside)
        for x, y in inside:
            strength = float(np.clip(0.75 + 0.11 * area, 1.0, 2.4))
            found.append(((float(x), float(y), height_of(room, house) - 0.09), strength))
    return found


def height_of(room: Room, house: House) -> float:
    """Height of a room's walls, m."""
    return max((wall.height for wall in house.walls if wall.room == room.id), default=CEILING_M)


def pose_of(opening: Opening, wall: Wall) -> Vector:
    """Pose (4, 4) of an opening: its lower end near the wall's start, x along the wall, y into the wall's room."""
    return _wall_pose(wall) @ place((opening.along[0], 0.0, opening.heights[0]))


def _wall_pose(wall: Wall) -> Vector:
    (x0, y0), (x1, y1) = wall.start, wall.end
    return place((x0, y0, 0.0), float(np.arctan2(y1 - y0, x1 - x0)))


def _rng(house: House, seed: int, room: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(house.name.encode()), room])


def _wall_role(kind: str, rng: np.random.Generator) -> str:
    tiled = {"Bathroom": 0.6}.get(kind, 0.0)
    accent = {"Bedroom": 0.15, "LivingRoom": 0.15}.get(kind, 0.0)
    draw = rng.random()
    return "wall_tile" if draw < tiled else "wall_accent" if draw > 1 - accent else "wall"


def _holes(wall: Wall, house: House) -> list[tuple[float, float, float, float]]:
    """(from, to, from, to) m along a wall and up: its openings."""
    found = []
    walls = {other.id: other for other in house.walls}
    for opening in house.openings:
        if wall.id == opening.walls[0]:
            found.append((*opening.along, *opening.heights))
        elif wall.id == opening.walls[1]:
            first = _wall_pose(walls[opening.walls[0]])
            ends = [_along(wall, (first @ (share, 0, 0, 1))[:2]) for share in opening.along]
            found.append((min(ends), max(ends), *opening.heights))
    return found


def _along(wall: Wall, point: Vector | tuple[float, ...]) -> float:
    way = np.subtract(wall.end, wall.start)
    return float((np.array(point[:2]) - wall.start) @ way / np.hypot(*way))


def _is_thing(opening: Opening, wall: Wall, house: House) -> bool:
    """Whether what stands in an opening is among the house's things, and so is drawn as one."""
    pose = pose_of(opening, wall)
    for thing in house.things:
        if thing.type == "Window":
            x, y, z = pose[:3, :3].T @ (np.array(thing.centre) - pose[:3, 3])
            across, up = opening.along[1] - opening.along[0], opening.heights[1] - opening.heights[0]
            if 0 < x < across and abs(y) < 0.4 and 0 < z < up:
                return True
    return False


def _wall(wall: Wall, holes: list[tuple[float, float, float, float]], material: Material, look: Look) -> Solids:
    length = float(np.hypot(*np.subtract(wall.end, wall.start)))
    if length < 1e-3 or wall.height < 1e-3:
        return []
    pose = _wall_pose(wall)
    mesh = wall_with_holes(length, wall.height, holes)
    solids: Solids = [(mesh, pose, material)] if len(mesh.faces) else []
    thick, high = _SKIRTING_M
    left = 0.0
    for start, end in [*sorted((a, b) for a, b, low, _ in holes if low < high), (length, length)]:
        if start - left > 0.05 and wall.height > 1:
            board = wall_with_holes(start - left, high)
            solids.append((board, pose @ place((left, thick, 0.0)), look("skirting", "house")))
        left = max(left, end)
    return solids


_Placed = tuple[Part, tuple[float, float, float], float]
"""A part, where its frame stands in that of the opening, and that one's yaw."""


def _door(opening: Opening) -> list[_Placed]:
    """A frame on both sides, and the leaf, turned about its hinge into the first room."""
    width, height = opening.along[1] - opening.along[0], opening.heights[1] - opening.heights[0]
    trim, depth = 0.07, 0.03
    at = (0.0, 0.0, 0.0)
    placed: list[_Placed] = [
        (block("skirting", (-trim, 0), around(0, 2 * depth), (0, height + trim)), at, 0.0),
        (block("skirting", (width, width + trim), around(0, 2 * depth), (0, height + trim)), at, 0.0),
        (block("skirting", (0, width), around(0, 2 * depth), (height, height + trim)), at, 0.0),
    ]
    if opening.kind == "open" or (opening.asset or "").startswith("Doorframe"):
        return placed if opening.kind == "door" else []
    leaf = _leaf(width, height - 0.01)
    angle = min(max(opening.openness, 0.0), 1.0) * np.pi / 2
    return placed + [(part, (0.0, depth if angle > 0 else 0.0, 0.005), float(angle)) for part in leaf]


def _leaf(width: float, height: float) -> list[Part]:
    """A door's leaf along x from its hinge: a board, two panels and a handle on both sides."""
    half, raised = 0.018, 0.024
    parts = [block("door", (0.005, width - 0.005), (-half, half), (0, height))]
    for low, high in ((0.08, 0.42), (0.52, 0.94)):
        parts.append(
            block("door_panel", (0.16 * width, 0.84 * width), (-raised, raised), (low * height, high * height))
        )
    parts.append(block("handle", (0.86 * width, 0.96 * width), (-0.06, 0.06), around(0.48 * height, 0.025)))
    return parts


def _window(opening: Opening) -> list[_Placed]:
    """A bright pane behind the wall, a frame with a cross, the reveal around it and a sill."""
    width, height = opening.along[1] - opening.along[0], opening.heights[1] - opening.heights[0]
    bar, edge = 0.05, 0.01
    x, z = (0.0, width), (0.0, height)
    glass = (-_REVEAL_M, -_REVEAL_M + 0.02)
    bars = (-_REVEAL_M + 0.02, -_REVEAL_M + 0.06)
    deep = (-_REVEAL_M, 0.0)
    parts = [
        block("sky", x, glass, z),
        *frame("window_frame", x, bars, z, bar),
        block("window_frame", around(width / 2, 0.7 * bar), bars, (bar, height - bar)),
        block("window_frame", (bar, width - bar), bars, around(0.6 * height, 0.7 * bar)),
        block("skirting", (-edge, 0), deep, z),
        block("skirting", (width, width + edge), deep, z),
        block("skirting", x, deep, (height, height + edge)),
        block("skirting", (-0.04, width + 0.04), (-_REVEAL_M, 0.05), (-0.03, 0.0)),
    ]
    return [(part, (0.0, 0.0, 0.0), 0.0) for part in parts]
