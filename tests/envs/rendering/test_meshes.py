import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.rendering import meshes

LENGTHS = st.floats(0.05, 20)
CLOSED = {
    "box": (meshes.box((1, 2, 3)), 6.0),
    "cylinder": (meshes.cylinder(0.5, 2, 48), np.pi * 0.5),
    "cone": (meshes.frustum(0.5, 0, 2, 48), np.pi / 6),
    "funnel": (meshes.frustum(0.2, 0.6, 1, 48), np.pi / 3 * (0.04 + 0.12 + 0.36)),
    "ellipsoid": (meshes.ellipsoid((1, 2, 3), 48, 24), np.pi),
}


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)


@pytest.mark.parametrize("name", CLOSED)
def test_closed_shapes_hold_their_volume(name):
    mesh, volume = CLOSED[name]
    solid = as_trimesh(mesh)
    assert solid.is_watertight and solid.is_winding_consistent
    assert solid.volume == pytest.approx(volume, rel=0.02)  # positive: faces look outwards
    np.testing.assert_allclose(solid.center_mass[:2], 0, atol=1e-9)


@pytest.mark.parametrize("name", CLOSED)
def test_texture_coordinates_are_metres(name):
    """On faces; an ellipsoid's are of the mean size."""
    mesh, _ = CLOSED[name]
    if name == "ellipsoid":
        mesh = meshes.ellipsoid((2, 2, 2), 48, 24)
    corners = mesh.vertices[mesh.faces]
    lengths = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1)
    on_texture = np.linalg.norm(mesh.uv - np.roll(mesh.uv, 1, axis=1), axis=-1)
    np.testing.assert_allclose(on_texture, lengths, rtol=0.02)


@given(LENGTHS, LENGTHS, st.lists(st.tuples(*[st.floats(-1, 21)] * 4), max_size=4))
def test_wall_has_its_area_less_the_holes(width, height, holes):
    mesh = meshes.wall_with_holes(width, height, holes)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 1] >= 0).all()
    xs = np.unique(np.clip([0, width, *(x for h in holes for x in h[:2])], 0, width))
    zs = np.unique(np.clip([0, height, *(z for h in holes for z in h[2:])], 0, height))
    mid_x, mid_z = (xs[1:] + xs[:-1]) / 2, (zs[1:] + zs[:-1]) / 2
    solid = ~np.any([np.outer((h[0] < mid_x) & (mid_x < h[1]), (h[2] < mid_z) & (mid_z < h[3])) for h in holes], 0)
    area = (np.outer(np.diff(xs), np.diff(zs)) * (solid if holes else 1)).sum()
    assert normals[:, 1].sum() / 2 == pytest.approx(area, rel=1e-6, abs=1e-4)  # slivers of a micrometre are left out


def test_flat_shapes_face_up():
    for mesh in (meshes.quad(2, 3), meshes.polygon([(0, 0), (2, 0), (2, 3), (0, 3)])):
        solid = as_trimesh(mesh)
        assert solid.area == pytest.approx(6)
        np.testing.assert_allclose(solid.face_normals, [[0, 0, 1]] * 2)
        np.testing.assert_allclose(as_trimesh(meshes.flipped(mesh)).face_normals, [[0, 0, -1]] * 2)


def test_moved_and_joined():
    pose = np.eye(4)
    pose[:3, 3] = 5, 0, 0
    pair = meshes.joined([meshes.box((1, 1, 1)), meshes.moved(meshes.box((1, 1, 1)), pose)])
    assert as_trimesh(pair).volume == pytest.approx(2)
    assert pair.vertices[:, 0].max() == 5.5
    assert len(meshes.joined([]).faces) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: meshes.box((1, 0, 1)),
        lambda: meshes.quad(np.nan, 1),
        lambda: meshes.frustum(0, 0, 1),
        lambda: meshes.cylinder(1, 1, 2),
        lambda: meshes.wall_with_holes(-1, 1),
        lambda: meshes.ellipsoid((1, np.inf, 1)),
    ],
)
def test_impossible_shapes(make):
    with pytest.raises(ValueError, match="must be"):
        make()
