"""Things that move: drawn in their own frame, they look as if they had been built where they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.rendering.meshes import box, cylinder, quad
from foveal.envs.rendering.renderer import Moving, Renderer
from foveal.envs.rendering.scene import Material, SceneBuilder
from foveal.optics.camera import Camera
from foveal.optics.transforms import apply, invert, look, place

CAMERA = Camera(64, 48, 40.0, 42.0, 30.0, 25.0)
GROUND = [(quad(60, 60), np.eye(4), Material("asphalt", (0.5, 0.5, 0.5), 2.0))]
BODY = [
    (box((4, 2, 1)), place((0, 0, 0.8)), Material("plain", (0.8, 0.1, 0.1))),
    (cylinder(0.4, 1.5), place((0.5, 0, 1.6)), Material("plain", (0.1, 0.2, 0.8))),
]


def scene(*objects):
    builder = SceneBuilder(1.0)
    for number, parts in enumerate(objects):
        builder.add(parts, instance=number + 1, semantic=number)
    return builder.build()


def rigid(x, y, yaw):
    return place((x, y, 0.0), yaw=yaw)


def moving(poses, shape=1):
    count = len(poses)
    return Moving(
        np.zeros(1, np.int64),
        np.full((1, count), shape),
        np.stack(poses)[None],
        np.arange(count)[None].astype(np.int32) + 7,
    )


@settings(max_examples=30, deadline=None)
@given(st.floats(-8, 8), st.floats(3, 20), st.floats(-3, 3), st.floats(-3, 3))
def test_a_thing_looks_as_if_it_had_been_built_there(x, y, yaw, turn):
    pose, eye = rigid(x, y, yaw), look((0, 0, 1.5), turn, -0.1)
    built = [(mesh, pose @ at, material) for mesh, at, material in BODY]
    outputs = ("depth", "semantic", "normal")
    there = Renderer([scene(GROUND, built)], CAMERA, outputs, least_px=0).render([0], eye[None])
    body = SceneBuilder(1.0)
    body.add(BODY, instance=0, semantic=1)
    renderer = Renderer([scene(GROUND), body.build()], CAMERA, (*outputs, "instance"), least_px=0)
    moved = renderer.render([0], eye[None], moving=moving([pose]))
    same = moved["semantic"] == there["semantic"]
    assert same.mean() > 0.995  # an edge may fall to the other side of a pixel's centre
    near = same & np.isfinite(there["depth"])
    np.testing.assert_allclose(moved["depth"][near], there["depth"][near], rtol=2e-3)
    close = np.abs(moved["normal"] - there["normal"]).max(-1)[near] < 1e-4
    assert close.mean() > 0.99
    assert ((moved["instance"] == 7) == (moved["semantic"] == 1)).all()


def test_groups_and_cameras_are_each_view_s_own():
    body = scene(BODY)
    other = Camera(64, 48, 60.0, 60.0, 31.5, 23.5)
    renderer = Renderer([scene(GROUND), body], [CAMERA, other], ("depth", "instance", "rgb"))
    eye = look((0, 0, 1.5), 0, 0)
    poses = np.stack([[rigid(0, 8, 0.3), rigid(3, 12, 0)], [rigid(-1, 6, 1), rigid(0, 5, 0)]])
    things = Moving(np.array([0, 1, 1]), np.array([[1, 1], [1, -1]]), poses, np.array([[7, 8], [9, 10]], np.int32))
    seen = renderer.render([0, 0, 0], np.stack([eye] * 3), camera_of_view=[0, 0, 1], moving=things)
    assert set(np.unique(seen["instance"][0])) == {-1, 1, 7, 8}
    assert set(np.unique(seen["instance"][1])) == {-1, 1, 9}  # the other one is not there
    for view, camera in ((0, CAMERA), (1, CAMERA), (2, other)):
        group = things.group[view]
        alone = Renderer([scene(GROUND), body], camera, ("depth", "rgb")).render(
            [0],
            eye[None],
            moving=Moving(*(part[group : group + 1] for part in things._replace(group=np.zeros(2, int)))),
        )
        np.testing.assert_array_equal(alone["depth"][0], seen["depth"][view])
        np.testing.assert_array_equal(alone["rgb"][0], seen["rgb"][view])


def test_flow_is_where_the_point_was():
    eye, before = look((0, 0, 1.5), 0.1, 0), look((-0.3, -0.5, 1.5), 0.0, 0)
    now, then = rigid(1, 8, 0.4), rigid(1.5, 7, 0.3)
    renderer = Renderer([scene(GROUND), scene(BODY)], CAMERA, ("depth", "instance", "flow"))
    seen = renderer.render([0], eye[None], moving=moving([now]), before=(before[None], then[None, None]))
    depth, flow = seen["depth"][0].astype(float), seen["flow"][0]
    column, row = np.meshgrid(np.arange(64), np.arange(48))
    known = np.isfinite(depth)
    points = apply(eye, CAMERA.unproject(np.where(known, depth, 1)))
    on_thing = seen["instance"][0] == 7
    points[on_thing] = apply(then @ invert(now), points[on_thing])
    local = apply(invert(before), points)
    expected = CAMERA.project(local) - np.stack([column, row], -1)
    known &= local[..., 2] > 0.1
    assert on_thing.sum() > 50
    np.testing.assert_allclose(flow[known], expected[known], atol=2e-3)
    sky = ~np.isfinite(depth)
    far = apply(invert(before), apply(eye, CAMERA.rays() * 1e7))
    np.testing.assert_allclose(flow[sky], (CAMERA.project(far) - np.stack([column, row], -1))[sky], atol=1e-3)


def test_without_a_before_nothing_flows():
    renderer = Renderer([scene(GROUND), scene(BODY)], CAMERA, ("flow",))
    eye = look((0, 0, 1.5), 0.1, 0)
    np.testing.assert_allclose(renderer.render([0], eye[None], moving=moving([rigid(1, 8, 0.4)]))["flow"], 0, atol=1e-4)


def test_a_sky_goes_from_the_horizon_up():
    skies = np.array([[[200, 150, 100], [0, 50, 100]]])
    renderer = Renderer([scene(GROUND)], CAMERA, ("rgb",), skies=skies)
    rgb = renderer.render([0], look((0, 0, 1.5), 0, 0.2)[None])["rgb"][0].astype(int)
    column = rgb[:20, 32, 0]
    assert (np.diff(column) >= 0).all() and column[0] < column[-1] <= 200
    up = renderer.render([0], look((0, 0, 1.5), 0, np.pi / 2)[None])["rgb"][0]
    np.testing.assert_allclose(up[25, 30], (0, 50, 100), atol=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scene": np.full((1, 1), 2)}, "moving.scene: must be in"),
        ({"group": np.ones(1, np.int64)}, "moving.group: must be in"),
        ({"T_world_thing": np.full((1, 1, 4, 4), np.nan)}, "must be finite"),
        ({"instance": np.zeros((1, 2), np.int32)}, "moving of shapes"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    renderer = Renderer([scene(GROUND), scene(BODY)], CAMERA, ("depth",))
    things = moving([rigid(0, 5, 0)])._replace(**change)
    with pytest.raises(ValueError, match=message):
        renderer.render([0], look((0, 0, 1.5), 0, 0)[None], moving=things)


def test_cameras_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="all of one size"):
        Renderer([scene(GROUND)], [CAMERA, Camera(32, 24, 20, 20, 16, 12)])
    with pytest.raises(ValueError, match="cameras"):
        Renderer([scene(GROUND)], [CAMERA]).render([0], np.eye(4)[None], camera_of_view=[1])
