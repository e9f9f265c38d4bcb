"""Vehicles, people and barriers: their sizes, their light, and the solids that they are made of."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rigs.bodies import barrier, bodies, people
from foveal.envs.rigs.classes import BARRIER, PERSON, VEHICLE
from foveal.envs.rigs.solids import block, circle, loft, panel
from foveal.optics.camera import Camera
from foveal.optics.transforms import look

LIGHTS = ("day", "dusk")
CAMERA = Camera.from_vertical_fov(96, 64, np.radians(50))


def picture(scene, turn, distance=8.0, output="rgb"):
    """A view of a body from some side, and where it is seen."""
    position = (distance * np.cos(turn), distance * np.sin(turn), 1.0)
    pose = look(position, turn + np.pi / 2, 0.0)[None]
    images = Renderer([scene], CAMERA, (output, "semantic"), least_px=0).render([0], pose)
    return images[output][0].astype(float), images["semantic"][0]


@pytest.mark.parametrize("light", LIGHTS)
def test_vehicles_are_what_the_driving_engine_collides(light):
    fleet = bodies(light)
    assert 16 <= len(fleet) <= 24
    assert len({body.name for body in fleet}) == len(fleet)
    for body in fleet:
        low, high = body.scene.vertices.min(1), body.scene.vertices.max(1)
        np.testing.assert_allclose(low, [-2.5, -1.0, 0.0], atol=1e-6, err_msg=body.name)
        np.testing.assert_allclose(high[:2], [2.5, 1.0], atol=1e-6, err_msg=body.name)
        assert 1.4 < high[2] < 2.3
        assert len(body.scene.objects) == 1
        assert body.scene.objects[0, 7] == VEHICLE
        assert body.scene.objects[0, 3] - body.scene.objects[0, 2] <= 80


@pytest.mark.parametrize("light", LIGHTS)
def test_people_and_barrier(light):
    walkers = people(light)
    assert len(walkers) >= 8
    for body in walkers:
        low, high = body.scene.vertices.min(1), body.scene.vertices.max(1)
        assert 1.55 < high[2] < 1.9
        assert low[2] == 0
        assert np.abs([low[:2], high[:2]]).max() < 0.45
        assert body.scene.objects[:, 7].tolist() == [PERSON]
        assert body.scene.objects[0, 3] - body.scene.objects[0, 2] <= 80
    block_ = barrier(light).scene
    np.testing.assert_allclose(np.ptp(block_.vertices[:2], axis=1), 2.0, atol=1e-6)
    assert block_.objects[:, 7].tolist() == [BARRIER]


def test_names_of_lights_are_checked():
    for make in (bodies, people, barrier):
        with pytest.raises(ValueError, match="light='night': must be one of day, dusk"):
            make("night")


@pytest.mark.parametrize("light", LIGHTS)
def test_light_does_not_depend_on_the_heading(light):
    """The barrier's concrete foot looks the same from all four sides."""
    feet = []
    for turn in np.arange(4) * np.pi / 2:
        image, semantic = picture(barrier(light).scene, turn)
        rows = np.flatnonzero((semantic == BARRIER).any(1))
        columns = np.flatnonzero((semantic == BARRIER).any(0))
        feet.append(image[rows[-1], columns[2] : columns[-2]].mean(0))
    np.testing.assert_allclose(feet, np.tile(np.mean(feet, axis=0), (4, 1)), rtol=0.04)


def test_dusk_is_darker_but_for_the_lamps():
    day, dusk = (bodies(light)[0].scene for light in LIGHTS)
    ahead = [picture(scene, 0.0) for scene in (day, dusk)]
    seen = ahead[0][1] == VEHICLE
    (before, _), (after, _) = ahead
    assert after[seen].mean() < 0.8 * before[seen].mean()
    assert after[seen].max() >= 240  # its headlights
    behind, semantic = picture(dusk, np.pi)
    red = behind[..., 0] - behind[..., 1:].max(-1)
    assert (red[semantic == VEHICLE] > 100).sum() > 4  # its rear lights


@pytest.mark.parametrize("number", range(22))
def test_vehicles_are_closed_from_all_sides(number):
    """Through no gap does one see the inside of a face: each column that shows the vehicle shows it without a hole."""
    for turn in np.arange(8) * np.pi / 4 + 0.1:
        _, semantic = picture(bodies("day")[number].scene, turn, output="depth")
        for column in (semantic == VEHICLE).T:
            rows = np.flatnonzero(column)
            if len(rows) > 4:
                holes = np.flatnonzero(~column[rows[0] : rows[-1]])
                assert (holes > 0.5 * (rows[-1] - rows[0])).all()  # under the sills one sees through


@given(
    st.lists(st.tuples(st.floats(0.1, 2.0), st.floats(0.1, 1.0)), min_size=2, max_size=5),
    st.integers(3, 9),
)
def test_lofts_are_closed_and_face_outwards(profile, sides):
    heights = np.cumsum([height for _, height in profile])
    rings = [circle((r, 0.7 * r), z, sides) for (r, _), z in zip(profile, heights, strict=True)]
    mesh = loft(rings, bottom=True)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    areas = [0.5 * sides * np.sin(2 * np.pi / sides) * r * 0.7 * r for r, _ in profile]
    middle = [np.sqrt(p * q) for p, q in pairwise(areas)]
    expected = np.diff(heights) @ (np.array(areas[:-1]) + middle + areas[1:]) / 3  # of frustums
    assert volume == pytest.approx(expected, rel=1e-6)
    assert np.cross(b - a, c - a).sum(0) == pytest.approx(0, abs=1e-9)  # a closed surface
    lengths = np.linalg.norm(b - a, axis=1), np.linalg.norm(mesh.uv[:, 1] - mesh.uv[:, 0], axis=1)
    level = np.abs(np.cross(b - a, c - a)[:, 2]) / np.linalg.norm(np.cross(b - a, c - a), axis=1)
    steep = (level < 0.89) | (level > 0.999)  # on slopes in between, texture is seen from above
    np.testing.assert_allclose(lengths[0][steep], lengths[1][steep], rtol=1e-6)


@given(*[st.floats(0.1, 3.0)] * 3)
def test_block(x, y, z):
    mesh = block((-x, x), (-y, y), (0.0, z), bottom=True)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert np.einsum("fi,fi->", a, np.cross(b, c)) / 6 == pytest.approx(4 * x * y * z)
    face = mesh.vertices[[0, 1, 5, 4]]  # ahead
    lifted = panel(face, (0.25, 0.75), (0.5, 1.0), 0.01)
    np.testing.assert_allclose(lifted[:, 0], x + 0.01)
    assert np.ptp(lifted[:, 1]) == pytest.approx(y)
    assert lifted[:, 2].min() == pytest.approx(z / 2)
