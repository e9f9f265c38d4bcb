"""A furnished two-room house of some 5,000 triangles, made from a seed."""

import numpy as np
import pytest

from foveal.envs.rendering import meshes
from foveal.envs.rendering.scene import Material, SceneBuilder
from foveal.optics.transforms import place

HEIGHT = 2.6
WOOD = Material("wood", (0.62, 0.42, 0.26), 0.9)
DARK = Material("wood", (0.36, 0.23, 0.15), 0.9)
WHITE = Material("plain", (0.9, 0.89, 0.86))
STEEL = Material("metal", (0.62, 0.63, 0.65), 0.8)


def table(w, d, h, top=WOOD):
    legs = [((x * (w / 2 - 0.06), y * (d / 2 - 0.06), h / 2 - 0.02)) for x in (-1, 1) for y in (-1, 1)]
    parts = [(meshes.box((w, d, 0.04)), place((0, 0, h - 0.02)), top)]
    parts += [(meshes.box((0.06, 0.06, h - 0.04)), place(leg), top) for leg in legs]
    return parts + [
        (meshes.box((w - 0.12, 0.02, 0.08)), place((0, y * (d / 2 - 0.06), h - 0.08)), top) for y in (-1, 1)
    ]


def chair(cloth):
    parts = table(0.44, 0.44, 0.45, WOOD)
    parts[0] = (meshes.box((0.44, 0.44, 0.06)), place((0, 0, 0.44)), cloth)
    parts += [(meshes.box((0.04, 0.04, 0.5)), place((x * 0.19, -0.19, 0.7)), WOOD) for x in (-1, 1)]
    return [*parts, (meshes.box((0.36, 0.03, 0.3)), place((0, -0.19, 0.78)), cloth)]


def sofa(cloth):
    parts = [(meshes.box((1.9, 0.85, 0.28)), place((0, 0, 0.22)), cloth)]
    parts += [(meshes.box((0.2, 0.85, 0.6)), place((x * 0.95, 0, 0.3)), cloth) for x in (-1, 1)]
    parts += [(meshes.box((1.9, 0.22, 0.8)), place((0, -0.4, 0.42)), cloth)]
    parts += [(meshes.box((0.82, 0.6, 0.14)), place((x * 0.43, 0.08, 0.43)), cloth) for x in (-1, 1)]
    return parts + [(meshes.ellipsoid((0.42, 0.2, 0.4), 10, 6), place((x * 0.6, -0.18, 0.66)), cloth) for x in (-1, 1)]


def shelf(rng):
    parts = [(meshes.box((0.03, 0.3, 1.8)), place((x * 0.45, 0, 0.9)), DARK) for x in (-1, 1)]
    parts += [(meshes.box((0.87, 0.3, 0.03)), place((0, 0, z)), DARK) for z in np.linspace(0.05, 1.78, 5)]
    parts += [(meshes.box((0.93, 0.02, 1.8)), place((0, -0.15, 0.9)), DARK)]
    for z in np.linspace(0.05, 1.78, 5)[:-1]:
        parts.append(
            (
                meshes.box((0.7, 0.2, 0.28)),
                place((rng.uniform(-0.05, 0.05), 0, z + 0.155)),
                Material("books", (0.4, 0.35, 0.3), 0.7),
            )
        )
    return parts


def lamp():
    return [
        (meshes.cylinder(0.14, 0.03, 14), place((0, 0, 0.015)), STEEL),
        (meshes.cylinder(0.015, 1.4, 6), place((0, 0, 0.72)), STEEL),
        (
            meshes.frustum(0.22, 0.14, 0.3, 14, closed=False),
            place((0, 0, 1.5)),
            Material("fabric", (0.95, 0.86, 0.68), 0.5, 1.1),
        ),
    ]


def bed(cloth):
    return [
        (meshes.box((1.6, 2.0, 0.25)), place((0, 0, 0.2)), WOOD),
        (meshes.box((1.55, 1.95, 0.2)), place((0, 0.01, 0.42)), WHITE),
        (meshes.box((1.58, 1.4, 0.06)), place((0, 0.3, 0.53)), cloth),
        (meshes.box((1.64, 0.06, 0.9)), place((0, -1.02, 0.55)), DARK),
        *[(meshes.ellipsoid((0.65, 0.4, 0.16), 12, 6), place((x * 0.38, -0.7, 0.58)), WHITE) for x in (-1, 1)],
    ]


def plant(rng):
    parts = [(meshes.frustum(0.12, 0.17, 0.3, 12), place((0, 0, 0.15)), Material("plain", (0.7, 0.36, 0.24)))]
    for _ in range(9):
        spot = rng.normal(0, 0.12, 3) + np.array([0, 0, 0.65])
        parts.append(
            (
                meshes.ellipsoid((0.28, 0.2, 0.22), 8, 5),
                place(spot, rng.uniform(0, 6)),
                Material("leaves", (0.2, 0.42, 0.16), 0.5),
            )
        )
    return parts


def mug(colour):
    return [
        (meshes.cylinder(0.04, 0.09, 12), place((0, 0, 0.045)), Material("plain", colour)),
        (meshes.box((0.012, 0.035, 0.06)), place((0.045, 0, 0.05)), Material("plain", colour)),
    ]


def cabinet(colour):
    paint = Material("wood", colour, 1.2)
    parts = [
        (meshes.box((1.2, 0.5, 0.8)), place((0, 0, 0.45)), paint),
        (meshes.box((1.24, 0.54, 0.04)), place((0, 0, 0.87)), Material("granite", (0.5, 0.48, 0.46), 0.7)),
    ]
    for x in (-0.3, 0.3):
        parts.append((meshes.box((0.57, 0.02, 0.7)), place((x, 0.26, 0.46)), paint))
        parts.append((meshes.cylinder(0.008, 0.12, 6), place((x * 0.3, 0.285, 0.6)), STEEL))
    return parts


def at(parts, position, yaw=0.0):
    where = place(position, yaw)
    return [(mesh, where @ pose, material) for mesh, pose, material in parts]


def shell(builder, room, low, high, floor, paint, holes):
    """Floor, ceiling and walls; `holes` per wall: south, east, north, west."""
    (x0, y0), (x1, y1) = low, high
    square = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    first = 1 + room * 10
    builder.add([(meshes.polygon(square), place(), floor)], instance=first, semantic=1, room=room)
    ceiling = meshes.flipped(meshes.polygon(square))
    builder.add(
        [(ceiling, place((0, 0, HEIGHT)), Material("plaster", (0.95, 0.94, 0.92), 2.0))],
        instance=first + 1,
        semantic=2,
        room=room,
    )
    for side in range(4):
        start, end = np.array(square[side]), np.array(square[(side + 1) % 4])
        width = float(np.linalg.norm(end - start))
        yaw = float(np.arctan2(*(end - start)[::-1]))
        wall = meshes.wall_with_holes(width, HEIGHT, holes[side])
        skirting = meshes.wall_with_holes(width, 0.09, holes[side])
        where = place((*start, 0), yaw)
        inwards = where @ place((0, 0.012, 0))
        parts = [(wall, where, paint), (skirting, inwards, WHITE)]
        builder.add(parts, instance=first + 2 + side, semantic=3, room=room)


def furnished(seed=0, clutter=36):
    """The scene, and floor polygons of both rooms."""
    rng = np.random.default_rng(seed)
    builder = SceneBuilder()
    portal = [(5.0, 1.5, 0), (5.0, 2.4, 0), (5.0, 2.4, 2.0), (5.0, 1.5, 2.0)]
    rooms = [((0.0, 0.0), (5.0, 4.6)), ((5.1, 0.0), (9.0, 4.6))]
    door = [(1.5, 2.4, 0.0, 2.0)]
    mirrored = [(4.6 - 2.4, 4.6 - 1.5, 0.0, 2.0)]
    window = [(1.2, 3.2, 0.9, 2.1)]
    floors = Material("planks", (0.62, 0.44, 0.29), 1.6), Material("carpet", (0.56, 0.55, 0.53), 1.0)
    paints = Material("plaster", (0.88, 0.82, 0.71), 2.0), Material("plaster", (0.62, 0.71, 0.75), 2.0)
    shell(builder, 0, *rooms[0], floors[0], paints[0], [[], door, window, []])
    shell(builder, 1, *rooms[1], floors[1], paints[1], [[], [], [], mirrored])
    jambs = [((0.12, 0.03, 2.02), (5.05, y, 1.01)) for y in (1.49, 2.41)] + [((0.12, 0.96, 0.03), (5.05, 1.95, 2.01))]
    builder.add([(meshes.box(s), place(p), WHITE) for s, p in jambs], instance=30, semantic=4)
    builder.add([(meshes.box((0.1, 0.9, 0.01)), place((5.05, 1.95, -0.005)), WHITE)], instance=34, semantic=4)
    frame = [(meshes.box((2.0, 0.05, 0.05)), place((2.8, 4.62, z)), WHITE) for z in (0.925, 1.5, 2.075)]
    frame += [(meshes.box((0.05, 0.05, 1.2)), place((x, 4.62, 1.5)), WHITE) for x in (1.825, 2.8, 3.775)]
    frame += [(meshes.box((2.1, 0.2, 0.04)), place((2.8, 4.55, 0.88)), WHITE)]
    glass = (meshes.quad(2.0, 1.2), place((2.8, 4.66, 1.5), 0, np.pi / 2), Material("plain", (0.86, 0.93, 1.0), 1, 1.2))
    builder.add([*frame, glass], instance=31, semantic=5, room=0)
    builder.light((2.5, 2.3, 2.25), (1.0, 0.85, 0.66), 2.6)
    builder.light((7.0, 2.3, 2.25), (1.0, 0.85, 0.66), 2.4)
    builder.light((2.8, 4.2, 1.6), (0.75, 0.87, 1.0), 1.1)
    for x, number in ((2.5, 32), (7.0, 33)):
        shade = meshes.frustum(0.2, 0.12, 0.14, 14)
        builder.add(
            [
                (shade, place((x, 2.3, 2.4)), Material("plain", (1, 0.93, 0.8), 1, 1.3)),
                (meshes.cylinder(0.01, 0.14, 5), place((x, 2.3, 2.53)), STEEL),
            ],
            instance=number,
            semantic=6,
            room=number - 32,
        )
    red, blue = Material("fabric", (0.6, 0.24, 0.2), 0.4), Material("fabric", (0.3, 0.38, 0.5), 0.4)
    rug = Material("stripes", (0.52, 0.3, 0.26), 1.0)
    things = [
        (0, at(sofa(blue), (1.2, 0.5, 0)), 7),
        (0, [(meshes.box((2.0, 1.5, 0.012)), place((1.3, 1.7, 0.006)), rug)], 8),
        (0, at(table(1.0, 0.6, 0.4), (1.3, 1.7, 0.012)), 9),
        (0, at(table(1.6, 0.9, 0.74), (3.3, 3.2, 0)), 9),
        (0, at(shelf(rng), (0.17, 3.2, 0), -np.pi / 2), 10),
        (0, at(lamp(), (2.5, 0.35, 0)), 6),
        (0, at(plant(rng), (4.6, 4.2, 0)), 11),
        (0, at(cabinet((0.75, 0.73, 0.68)), (4.0, 0.28, 0)), 12),
        (1, at(bed(red), (7.6, 3.4, 0), np.pi), 13),
        (1, at(lamp(), (8.7, 4.3, 0)), 6),
        (1, at(cabinet((0.45, 0.5, 0.44)), (6.2, 0.28, 0)), 12),
        (1, at(shelf(rng), (8.83, 1.2, 0), np.pi / 2), 10),
        (1, at(plant(rng), (5.5, 4.2, 0)), 11),
    ]
    for x, y, yaw in (
        (2.9, 2.5, 0.1),
        (3.7, 2.55, -0.1),
        (2.9, 3.9, 3.0),
        (3.7, 3.85, 3.3),
        (2.2, 3.2, -1.7),
        (4.35, 3.2, 1.5),
    ):
        things.append((0, at(chair(red), (x, y, 0), yaw + 0.0), 14))
    for _ in range(clutter):
        surface = rng.integers(4)
        low, high, z, room = [
            ((2.6, 2.9), (4.0, 3.5), 0.74, 0),
            ((0.9, 1.5), (1.7, 1.9), 0.412, 0),
            ((3.5, 0.15), (4.5, 0.45), 0.89, 0),
            ((5.7, 0.15), (6.7, 0.45), 0.89, 1),
        ][surface]
        spot = (*rng.uniform(low, high), z)
        colour = tuple(rng.uniform(0.15, 0.95, 3).tolist())
        kind = rng.integers(4)
        if kind == 0:
            parts, semantic = mug(colour), 15
        elif kind == 1:
            parts, semantic = (
                [(meshes.ellipsoid((0.08, 0.08, 0.08), 10, 6), place((0, 0, 0.04)), Material("plain", colour))],
                16,
            )
        elif kind == 2:
            parts, semantic = [(meshes.box((0.14, 0.2, 0.03)), place((0, 0, 0.015)), Material("plain", colour))], 17
        else:
            parts, semantic = (
                [
                    (meshes.frustum(0.03, 0.05, 0.12, 10), place((0, 0, 0.06)), Material("plain", colour)),
                    (meshes.frustum(0.035, 0.012, 0.1, 10), place((0, 0, 0.17)), Material("plain", colour)),
                ],
                18,
            )
        things.append((room, at(parts, spot, rng.uniform(0, 6)), semantic))
    for number, (room, parts, semantic) in enumerate(things):
        builder.add(parts, instance=40 + number, semantic=semantic, room=room)
    builder.rooms(
        [[(0, 0), (5.05, 0), (5.05, 4.6), (0, 4.6)], [(5.05, 0), (9, 0), (9, 4.6), (5.05, 4.6)]], [(0, 1, portal)]
    )
    return builder.build()


@pytest.fixture(scope="session", name="furnished")
def furnished_fixture():
    """See `furnished`."""
    return furnished
