"""The rasteriser against Embree: the same triangles, ray-cast."""

import numpy as np
import pytest
import trimesh

from foveal.envs.rendering import meshes
from foveal.envs.rendering.export import triangles
from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rendering.scene import Material, SceneBuilder
from foveal.optics.camera import Camera
from foveal.optics.transforms import look, place

CAMERA = Camera.from_vertical_fov(64, 64, np.radians(63.453))


def cast(scene, camera, pose, least_px):
    """Depth (H, W), inf where nothing is, and instance (H, W), -1 there: the first face that faces each ray."""
    mesh = triangles(scene, camera, pose, least_px)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = np.einsum("fi,fi->f", normals, pose[:3, 3] - corners[:, 0]) > 0
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces[front], process=False)
    rays = camera.rays().reshape(-1, 3)
    directions = rays @ pose[:3, :3].T
    origins = pose[:3, 3] + 0.02 * directions  # z = 0.02, the near plane
    faces, hit, places = solid.ray.intersects_id(origins, directions, multiple_hits=False, return_locations=True)
    depth = np.full(len(rays), np.inf)
    instance = np.full(len(rays), -1)
    depth[hit] = (places - pose[:3, 3]) @ pose[:3, 2]
    instance[hit] = mesh.instance[front][faces]
    shape = camera.height, camera.width
    return depth.reshape(shape), instance.reshape(shape)


def views(count, seed):
    """Cameras all over the house: upright walks, steep pitches, and some within centimetres of a wall."""
    rng = np.random.default_rng(seed)
    positions = np.column_stack(
        [rng.uniform(0.3, 8.7, count), rng.uniform(0.3, 4.3, count), rng.uniform(0.3, 2.3, count)]
    )
    close = np.arange(count) % 5 == 0
    positions[close, 0] = np.where(rng.random(close.sum()) < 0.5, 0.03, 8.97)
    steep = np.arange(count) % 3 == 0
    pitch = np.where(steep, rng.uniform(-1.5, 1.5, count), rng.uniform(-0.5, 0.5, count))
    return look(positions, rng.uniform(0, 2 * np.pi, count), pitch)


def agreement(scene, poses, least_px):
    """Share of pixels of the same instance, and errors of depth, m, and relative ones, on those."""
    images = Renderer([scene], CAMERA, ("depth", "instance"), least_px=least_px).render(
        np.zeros(len(poses), int), poses
    )
    expected = [cast(scene, CAMERA, pose, least_px) for pose in poses]
    depth, instance = (np.array(parts) for parts in zip(*expected, strict=True))
    same = images["instance"] == instance
    both = same & (instance >= 0)
    error = np.abs(images["depth"][both] - depth[both])
    assert np.isinf(images["depth"][instance < 0][images["instance"][instance < 0] < 0]).all()
    return same.mean(), error, error / depth[both]


@pytest.mark.parametrize("least_px", [0.0, 2.0])
def test_embree_sees_the_same(furnished, least_px):
    same, error, relative = agreement(furnished(3), views(220, 1), least_px)
    print(
        f"\nleast_px={least_px}: same {100 * same:.3f} %, median {1e3 * np.median(error):.5f} mm,"
        f" 99 % within {100 * np.percentile(relative, 99):.5f} %, worst {error.max():.5f} m"
    )
    assert same > 0.995
    assert np.median(error) < 0.002
    assert np.percentile(relative, 99) < 0.01


def test_thin_things(furnished):
    """A grid of rods a few millimetres thick before a wall."""
    builder = SceneBuilder()
    white = Material("plain", (1.0, 1.0, 1.0))
    builder.add([(meshes.quad(6, 6), place((0, 3, 0), 0, np.pi / 2), white)], instance=0, semantic=0)
    for i in range(20):
        rods = [(meshes.box((0.004, 0.004, 4)), place((i * 0.1 - 1, 1.5, 0), 0.3 * i), white)]
        rods.append((meshes.cylinder(0.003, 4, 6), place((0, 1.2, i * 0.1 - 1), 0, 0, np.pi / 2), white))
        builder.add(rods, instance=1 + i, semantic=1)
    rng = np.random.default_rng(0)
    poses = look(
        rng.uniform((-1, -1, -1), (1, 0.9, 1), (30, 3)), rng.uniform(-0.4, 0.4, 30), rng.uniform(-0.4, 0.4, 30)
    )
    same, error, _ = agreement(builder.build(), poses, 0.0)
    assert same > 0.995
    assert np.median(error) < 0.002
