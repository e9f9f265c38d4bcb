"""A scene: objects made of parts, rooms and lights, put together once and packed into flat arrays for the kernels.

World frame: right-handed, z up, metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.rendering.faces import Faces, faces_of, frames, joined_pairs, smooth_normals
from foveal.envs.rendering.lighting import Lamp, bake
from foveal.envs.rendering.meshes import Mesh, box
from foveal.envs.rendering.textures import NAMES, TEXELS

NO_DETAIL = np.float32(np.inf)
"""Size of the details of an object that is always drawn as it is."""


class Material(NamedTuple):
    """What a part looks like.

    Attributes:
        texture: One of `textures.NAMES`, or "plain".
        colour: (red, green, blue), sRGB in 0..1: the mean colour, whatever the texture.
        scale: Metres that one tile of the texture covers.
        glow: Light that it gives off itself, whatever falls on it: 0 none, 1 as bright as a white wall in good light.
    """

    texture: str
    colour: tuple[float, float, float]
    scale: float = 1.0
    glow: float = 0.0


Part = tuple[Mesh, ArrayLike, Material]


class Scene(NamedTuple):
    """Flat arrays of V vertices, F faces (triangles or convex quadrilaterals), K objects, R rooms, P portals.

    Attributes:
        vertices: (3, V) float32 m.
        planes: (F, 4) float32: outward normal n and offset d, with n p + d = 0 on the face.
        corners: (F, 4) int32 vertices, counter-clockwise from outside; a triangle has its last one twice.
        surfaces: (F, 17) float32: four affine functions of the world position (4 each): texture coordinates u and v in
            tiles, light coordinates s and t in lightels; then texels per metre.
        tables: (F, 5) int32: object; texture's start in the atlas (-1 none); first lightel; lightels along s and t.
        lightels: (L,) int64, light that faces send on, but for their texture, as `lanes`.
        boxes: (K, 7) float32: lowest and highest corner of an object, m, and the size of its details, m.
        objects: (K, 8) int32: first and last + 1 vertex, first and last + 1 face, then 6 if there is a box that stands
            for it (behind its faces, with 8 vertices behind its vertices), room (-1 any), instance, semantic.
        room_edges: (E, 7) float32: ends (x, y, x, y) of the edges of the rooms' floors, m; which room; least and
            greatest z, m, of what stands in it.
        portals: (P, 4, 3) float32 m, corners of the openings between rooms.
        portal_rooms: (P, 2) int32 rooms on both sides.
        room_count: (1,) int32.
    """

    vertices: NDArray[np.float32]
    planes: NDArray[np.float32]
    corners: NDArray[np.int32]
    surfaces: NDArray[np.float32]
    tables: NDArray[np.int32]
    lightels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    objects: NDArray[np.int32]
    room_edges: NDArray[np.float32]
    portals: NDArray[np.float32]
    portal_rooms: NDArray[np.int32]
    room_count: NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self)


class _Object(NamedTuple):
    faces: Faces
    detail: float
    frame: NDArray[np.float64]  # (3, 3), axes of its box
    instance: int
    semantic: int
    room: int


class SceneBuilder:
    """Collects what a scene holds; `build` may be called once all is there.

    Args:
        lightel_m: Distance of the points at which light is worked out on large faces, m.
    """

    def __init__(self, lightel_m: float = 0.12) -> None:
        if not (np.isfinite(lightel_m) and 0.01 <= lightel_m <= 10):
            raise ValueError(f"lightel_m={lightel_m}: must lie in 0.01..10 m")
        self._lightel_m = lightel_m
        self._objects: list[_Object] = []
        self._materials: dict[Material, int] = {}
        self._lamps: list[Lamp] = []
        self._ambient = (0.62, 0.62, 0.64), (0.42, 0.39, 0.36)
        self._polygons: list[NDArray[np.float64]] = []
        self._portals: list[tuple[int, int, NDArray[np.float64]]] = []

    def add(self, parts: Sequence[Part], *, instance: int, semantic: int, room: int = -1) -> None:
        """Add an object, the unit of culling and of the level of detail.

        Where its parts would be some 2 pixels large and less, the box around it is drawn in their place. The box lies
        along the axes of the first part's pose. Faces are seen from their outside alone, and nothing is transparent.

        Args:
            parts: (mesh, its pose T_world_mesh (4, 4), material) of each.
            instance: Id in the instance image, at least 0.
            semantic: Id in the semantic image, at least 0.
            room: The room it stands in, as numbered by `rooms`: it is drawn only if that may be seen; -1: always tried.

        Raises:
            ValueError: Something is not finite, out of range, or of no known texture.
        """
        where = f"object {len(self._objects)} (instance {instance})"
        if not parts:
            raise ValueError(f"{where}: has no parts")
        for name, value in (("instance", instance), ("semantic", semantic), ("room", room)):
            if not (-1 if name == "room" else 0) <= value < 2**31:
                raise ValueError(f"{where}: {name}={value} is out of range")
        pieces, sizes = [], []
        for number, (mesh, pose, material) in enumerate(parts):
            pose = np.asarray(pose, np.float64)
            if pose.shape != (4, 4) or not np.isfinite(pose).all() or not np.isfinite(mesh.vertices).all():
                raise ValueError(f"{where}, part {number}: pose and vertices must be finite, the pose (4, 4)")
            piece = faces_of(mesh, pose, self._material(material, f"{where}, part {number}"))
            if np.abs(piece.vertices).max(initial=0) > 1e5:
                raise ValueError(f"{where}, part {number}: lies more than 100 km away")
            if len(piece.corners):
                pieces.append(piece)
                sizes.append(float(np.ptp(piece.vertices, axis=0).max()))
        if not pieces:
            raise ValueError(f"{where}: has no face with an area")
        faces = Faces.joined(pieces)
        simple = len(pieces) == 1 and len(faces.corners) <= 12  # a box already, or less
        frame = np.asarray(parts[0][1], np.float64)[:3, :3]
        detail = float(NO_DETAIL) if simple else float(np.median(sizes))
        self._objects.append(_Object(faces, detail, frame, instance, semantic, room))

    def light(self, position: ArrayLike, colour: tuple[float, float, float], strength: float) -> None:
        """Add a point light.

        Args:
            position: (3,) m.
            colour: (red, green, blue), sRGB in 0..1.
            strength: What falls on a surface that faces it 1 m away; 1 makes white nearly white. A room's only ceiling
                lamp needs some 2 to 4.
        """
        spot = np.asarray(position, np.float64)
        if spot.shape != (3,) or not np.isfinite(spot).all() or not (np.isfinite(strength) and strength >= 0):
            raise ValueError(f"light at {position!r} of strength {strength}: must be (3,) finite and at least 0")
        self._lamps.append(Lamp((float(spot[0]), float(spot[1]), float(spot[2])), _linear(colour), float(strength)))

    def ambient(self, above: tuple[float, float, float], below: tuple[float, float, float]) -> None:
        """Light from everywhere: what faces straight up and straight down gets where nothing is near, linear."""
        self._ambient = above, below

    def rooms(self, polygons: Sequence[ArrayLike], portals: Sequence[tuple[int, int, ArrayLike]]) -> None:
        """Say which rooms there are, and through what one sees from one into another.

        A camera within a room sees what is in this one, and what of other rooms its view through portals meets; one
        that is in no room, or above or below all that stands in it, sees all.

        Args:
            polygons: The floors (P, 2) m; room i is the i-th. They should reach to the middle of the walls, so that a
                camera in a doorway is in one.
            portals: (room, room, corners (4, 3) m) of each door or window through which one may see, corners in order.
        """
        floors = [np.asarray(polygon, np.float64) for polygon in polygons]
        for number, floor in enumerate(floors):
            if floor.ndim != 2 or floor.shape[1] != 2 or len(floor) < 3 or not np.isfinite(floor).all():
                raise ValueError(f"room {number}: its polygon must be (P, 2) finite numbers with P >= 3")
        openings = []
        for one, other, corners in portals:
            corners = np.asarray(corners, np.float64)
            if not (0 <= one < len(floors) and 0 <= other < len(floors)):
                raise ValueError(f"portal between rooms {one} and {other}: there are {len(floors)}")
            if corners.shape != (4, 3) or not np.isfinite(corners).all():
                raise ValueError(f"portal between rooms {one} and {other}: its corners must be (4, 3) finite numbers")
            openings.append((int(one), int(other), corners))
        self._polygons, self._portals = floors, openings

    def build(self) -> Scene:
        """The scene, its light worked out."""
        if not self._objects:
            raise ValueError("a scene needs at least one object")
        materials = list(self._materials)
        pieces, boxes, objects = [], [], []
        first_vertex = first_face = 0
        for thing in self._objects:
            faces = joined_pairs(thing.faces)
            low, high = faces.vertices.min(0), faces.vertices.max(0)
            pieces.append(faces)
            last = first_vertex + len(faces.vertices), first_face + len(faces.corners)
            has_box = 6 if np.isfinite(thing.detail) else 0
            boxes.append((*low, *high, thing.detail))
            ids = thing.room, thing.instance, thing.semantic
            objects.append((first_vertex, last[0], first_face, last[1], has_box, *ids))
            if has_box:
                pieces.append(self._box(faces, thing.frame, materials))
            first_vertex, first_face = last[0] + (8 if has_box else 0), last[1] + has_box
        faces = Faces.joined(pieces)
        owners = np.repeat(np.arange(len(objects)), [row[3] - row[2] + row[4] for row in objects])
        detailed = np.concatenate([np.arange(row[3] - row[2] + row[4]) < row[3] - row[2] for row in objects])
        stray = [room for row in objects if (room := row[5]) >= len(self._polygons)]
        if stray:
            raise ValueError(f"an object stands in room {stray[0]}: there are {len(self._polygons)}")
        return self._packed(faces, owners, detailed, np.array(boxes), np.array(objects), list(self._materials))

    def _box(self, faces: Faces, frame: NDArray[np.float64], materials: list[Material]) -> Faces:
        """The box around an object, in the mean colour of its faces."""
        axes = frame / np.linalg.norm(frame, axis=0)
        local = faces.vertices @ axes
        low, high = local.min(0), local.max(0)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = axes, axes @ (low + high) / 2
        weight = faces.areas() / faces.areas().sum()
        of_faces = [materials[m] for m in faces.material]
        mean = weight @ np.array([m.colour for m in of_faces])
        glow = float(weight @ np.array([m.glow for m in of_faces]))
        material = Material("plain", (float(mean[0]), float(mean[1]), float(mean[2])), 1.0, glow)
        return joined_pairs(faces_of(box(np.maximum(high - low, 1e-3)), pose, self._number(material)))

    def _packed(
        self,
        faces: Faces,
        owners: NDArray[np.int64],
        detailed: NDArray[np.bool_],
        boxes: NDArray[np.float64],
        objects: NDArray[np.int64],
        materials: list[Material],
    ) -> Scene:
        colours = np.array([_linear(m.colour) for m in materials])[faces.material]
        scales = np.array([m.scale for m in materials])[faces.material]
        glows = np.array([m.glow for m in materials])[faces.material]
        textures = [NAMES.index(m.texture) * TEXELS if m.texture != "plain" else -1 for m in materials]
        frame = frames(faces, np.where(detailed, self._lightel_m, np.inf))
        normals = smooth_normals(faces)
        lightels = bake(faces, frame, normals, colours, glows, detailed, self._lamps, self._ambient)
        surfaces = np.column_stack(
            [
                frame.uv[:, 0] / scales[:, None],
                frame.uv[:, 1] / scales[:, None],
                frame.st[:, 0],
                frame.st[:, 1],
                frame.stretch / scales * 256,
            ]
        )
        tables = np.column_stack([owners, np.array(textures)[faces.material], frame.first, frame.counts])
        edges = []
        for number, floor in enumerate(self._polygons):
            inside = boxes[objects[:, 5] == number]
            span = [inside[:, 2].min(initial=np.inf), inside[:, 5].max(initial=-np.inf)]
            edges.append(np.column_stack([floor, np.roll(floor, -1, 0), np.tile([number, *span], (len(floor), 1))]))
        scene = Scene(
            np.ascontiguousarray(faces.vertices.T, np.float32),
            frame.planes.astype(np.float32),
            faces.corners.astype(np.int32),
            surfaces.astype(np.float32),
            tables.astype(np.int32),
            lightels,
            boxes.astype(np.float32),
            objects.astype(np.int32),
            np.concatenate([np.zeros((0, 7)), *edges]).astype(np.float32),
            np.array([corners for _, _, corners in self._portals]).reshape(-1, 4, 3).astype(np.float32),
            np.array([rooms[:2] for rooms in self._portals]).reshape(-1, 2).astype(np.int32),
            np.array([len(self._polygons)], np.int32),
        )
        for array in scene:
            array.setflags(write=False)
        return scene

    def _material(self, material: Material, where: str) -> int:
        texture, colour, scale, glow = material
        if texture != "plain" and texture not in NAMES:
            raise ValueError(f"{where}: texture {texture!r}: must be 'plain' or one of {', '.join(NAMES)}")
        if len(colour) != 3 or not all(np.isfinite(c) and 0 <= c <= 1 for c in colour):
            raise ValueError(f"{where}: colour {colour}: must be three numbers in 0..1")
        if not (np.isfinite(scale) and scale > 0 and np.isfinite(glow) and glow >= 0):
            raise ValueError(f"{where}: scale={scale}, glow={glow}: must be finite, scale above 0, glow at least 0")
        return self._number(Material(texture, (colour[0], colour[1], colour[2]), scale, glow))

    def _number(self, material: Material) -> int:
        return self._materials.setdefault(material, len(self._materials))


def _linear(colour: Sequence[float]) -> tuple[float, float, float]:
    """Linear light of sRGB in 0..1 (IEC 61966-2-1)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return red, green, blue
