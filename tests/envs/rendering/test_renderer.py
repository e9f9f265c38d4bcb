"""Images: exact where geometry says what they are, and the same whatever runs beside them."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.rendering import meshes
from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rendering.scene import Material, SceneBuilder
from foveal.envs.rendering.shading import BACKGROUND
from foveal.optics.camera import Camera
from foveal.optics.transforms import look, place

CAMERA = Camera.from_vertical_fov(48, 32, np.radians(60))
ALL = ("rgb", "depth", "instance", "semantic", "normal")
WHITE = Material("plain", (1.0, 1.0, 1.0))


def wall_scene(distance=2.0):
    """A wall 1 m wide and high that faces a camera in the origin."""
    builder = SceneBuilder()
    builder.add([(meshes.quad(1, 1), place((0, distance, 0), 0, np.pi / 2), WHITE)], instance=7, semantic=3)
    return builder.build()


def one(scene, pose, camera=CAMERA, outputs=ALL, **options):
    images = Renderer([scene], camera, outputs, **options).render([0], pose[None])
    return {name: array[0] for name, array in images.items()}


def walks(count, seed=0):
    rng = np.random.default_rng(seed)
    return look(
        rng.uniform((0.3, 0.3, 0.4), (8.7, 4.3, 2), (count, 3)), rng.uniform(0, 7, count), rng.uniform(-1, 1, count)
    )


def test_a_wall_is_where_geometry_says():
    images = one(wall_scene(), look((0, 0, 0), 0, 0))
    columns, rows = np.meshgrid(np.arange(48), np.arange(32))
    half = CAMERA.fx * 0.5 / 2
    inside = (abs(columns - CAMERA.cx) < half) & (abs(rows - CAMERA.cy) < half)
    np.testing.assert_array_equal(images["instance"], np.where(inside, 7, -1))
    np.testing.assert_array_equal(images["semantic"], np.where(inside, 3, -1))
    np.testing.assert_allclose(images["depth"], np.where(inside, 2, np.inf), rtol=1e-6)
    np.testing.assert_allclose(images["normal"], inside[..., None] * [0.0, -1, 0], atol=1e-6)
    assert (images["rgb"][~inside] == BACKGROUND).all()
    assert {name: (array.shape, array.dtype) for name, array in images.items()} == {
        "rgb": ((32, 48, 3), np.uint8),
        "depth": ((32, 48), np.float32),
        "instance": ((32, 48), np.int32),
        "semantic": ((32, 48), np.int32),
        "normal": ((32, 48, 3), np.float32),
    }


def test_depth_is_along_the_axis_and_unprojects_to_the_surface(furnished):
    scene = furnished(0)
    pose = look((2.5, 2.0, 1.5), 0.4, -0.3)
    depth = one(scene, pose)["depth"]
    points = CAMERA.unproject(depth) @ pose[:3, :3].T + pose[:3, 3]
    normals = one(scene, pose)["normal"]
    floor = (normals[..., 2] > 0.99) & (points[..., 2] < 0.006)
    assert floor.sum() > 50
    np.testing.assert_allclose(points[floor][:, 2], 0, atol=1e-5)


def test_the_back_of_a_face_is_not_there():
    assert (one(wall_scene(), look((0, 4, 0), np.pi, 0))["instance"] == -1).all()


def test_inside_a_box_all_is_open_and_its_outside_is_seen_from_anywhere_else():
    builder = SceneBuilder()
    builder.add([(meshes.box((1, 1, 1)), place(), WHITE)], instance=0, semantic=0)
    scene = builder.build()
    assert (one(scene, look((0, 0, 0), 0.3, 0.2))["instance"] == -1).all()
    assert (one(scene, look((0, -0.53, 0), 0, 0))["instance"] == 0).all()
    assert (one(scene, look((0, -0.53, 0), np.pi, 0))["instance"] == -1).all()  # behind the camera


def test_what_reaches_behind_the_camera_is_cut(furnished):
    """A floor under the camera is seen down to the lower edge of the image."""
    builder = SceneBuilder()
    builder.add([(meshes.quad(40, 40), place(), WHITE)], instance=0, semantic=0)
    images = one(builder.build(), look((0, 0, 1), 0.3, 0))
    rows = np.arange(17, 32)  # a ray falls by its row and hits 1 m below
    expected = np.broadcast_to((CAMERA.fy / (rows - CAMERA.cy))[:, None], (15, 48))
    near = expected < 15
    np.testing.assert_allclose(images["depth"][17:][near], expected[near], rtol=1e-4)
    assert (images["instance"][:16] == -1).all()


def test_nearer_objects_hide_farther_ones_in_any_order():
    def scene(order):
        builder = SceneBuilder()
        for k in order:
            builder.add([(meshes.quad(4, 4), place((0, 1.0 + k, 0), 0, np.pi / 2), WHITE)], instance=k, semantic=k)
        return builder.build()

    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        assert (one(scene(order), look((0, 0, 0), 0, 0))["instance"] == 0).all()


def test_small_objects_become_boxes(furnished):
    builder = SceneBuilder()
    legs = [(meshes.box((0.02, 0.02, 0.2)), place((x, 6, 0)), WHITE) for x in (-0.1, 0.1)]
    builder.add(legs, instance=1, semantic=1)
    scene, pose = builder.build(), look((0, 0, 0), 0, 0)
    camera = Camera.from_vertical_fov(64, 64, 1.0)
    covered = {px: (one(scene, pose, camera, least_px=px)["instance"] == 1).sum() for px in (0, 1, 2, 9)}
    assert covered[0] == covered[1] < covered[9] and covered[9] == 4
    mid = one(scene, pose, camera, least_px=9)["instance"][31:33, 31:33]
    assert (mid == 1).all()


def test_portals_hide_only_what_is_hidden_anyway(furnished):
    scene = furnished(2)
    open_plan = scene._replace(objects=scene.objects.copy())
    open_plan.objects[:, 5] = -1
    poses = walks(60)
    outputs = ("depth", "instance")
    with_rooms = Renderer([scene], CAMERA, outputs).render(np.zeros(60, int), poses)
    without = Renderer([open_plan], CAMERA, outputs).render(np.zeros(60, int), poses)
    differ = with_rooms["instance"] != without["instance"]
    assert differ.mean() < 1e-4
    np.testing.assert_array_equal(with_rooms["depth"][~differ], without["depth"][~differ])


def test_from_above_all_rooms_are_open(furnished):
    """Ceilings face down, so that a camera above them sees the plan."""
    scene = furnished(0)
    plan = one(scene, look((4.5, 2.3, 9), 0, -np.pi / 2), Camera.from_vertical_fov(96, 64, 0.7))["instance"]
    assert {1, 11} < set(plan.ravel().tolist())  # both floors
    assert not {2, 12} & set(plan.ravel().tolist())


def test_the_same_bytes_alone_in_any_order_and_with_any_neighbours(furnished, monkeypatch):
    scenes, poses = [furnished(0), wall_scene(), furnished(1)], walks(24)
    which = np.arange(24) % 3
    renderer = Renderer(scenes, CAMERA, ALL)
    together = {name: array.copy() for name, array in renderer.render(which, poses).items()}
    order = np.random.default_rng(0).permutation(24)
    shuffled = renderer.render(which[order], poses[order])
    for name, array in together.items():
        np.testing.assert_array_equal(shuffled[name], array[order])
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("FOVEAL_THREADS", threads)
        again = renderer.render(which, poses)
        for name, array in together.items():
            np.testing.assert_array_equal(again[name], array)
    for view in (0, 1, 23):
        alone = one(scenes[which[view]], poses[view])
        for name, array in together.items():
            np.testing.assert_array_equal(alone[name], array[view])
    for name in ALL:  # nor does it matter what else is drawn
        np.testing.assert_array_equal(Renderer(scenes, CAMERA, (name,)).render(which, poses)[name], together[name])


def test_another_process_builds_and_draws_the_same_bytes(furnished):
    code = (
        "import importlib.util, hashlib, sys, numpy as np\n"
        "spec = importlib.util.spec_from_file_location('here', sys.argv[1])\n"
        "here = importlib.util.module_from_spec(spec); spec.loader.exec_module(here)\n"
        "spec = importlib.util.spec_from_file_location('rooms', sys.argv[2])\n"
        "rooms = importlib.util.module_from_spec(spec); spec.loader.exec_module(rooms)\n"
        "print(here.digest(rooms.furnished(0)))\n"
    )
    folder = os.path.dirname(__file__)
    command = [sys.executable, "-c", code, __file__, os.path.join(folder, "conftest.py")]
    environment = os.environ | {"FOVEAL_THREADS": "1", "PYTHONHASHSEED": "5"}
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert other.stdout.strip() == digest(furnished(0))


def digest(scene):
    import hashlib

    images = Renderer([scene], CAMERA, ALL).render(np.zeros(8, int), walks(8))
    return hashlib.sha256(
        b"".join([*map(np.ndarray.tobytes, scene), *map(np.ndarray.tobytes, images.values())])
    ).hexdigest()


def test_draws_into_arrays_it_is_given(furnished):
    renderer, poses = Renderer([furnished(0)], CAMERA, views=3), walks(3)
    out = renderer.images(3)
    assert renderer.render([0, 0, 0], poses, out)["rgb"] is out["rgb"]
    np.testing.assert_array_equal(out["rgb"], renderer.render([0, 0, 0], poses)["rgb"])
    with pytest.raises(ValueError, match=r"out\['depth'\]: missing"):
        renderer.render([0, 0, 0], poses, {"rgb": out["rgb"]})
    with pytest.raises(ValueError, match="must be contiguous uint8 of"):
        renderer.render([0, 0, 0], poses, out | {"rgb": out["rgb"][:2]})


def test_no_views_no_images():
    assert Renderer([wall_scene()], CAMERA).render(np.zeros(0, int), np.zeros((0, 4, 4)))["rgb"].shape == (0, 32, 48, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e5]))
def test_any_triangles_from_anywhere(seed, scale):
    """Slivers, needles, huge and tiny faces, a camera among them, any pitch and any place: images stay sound."""
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(30, 3)) * np.exp(rng.normal(size=(30, 1)) * 2)
    vertices = np.clip(vertices * scale, -1e5, 1e5)
    vertices[rng.integers(0, 30, 6)] = vertices[rng.integers(0, 30, 6)]
    faces = rng.integers(0, 30, (40, 3))
    mesh = meshes.Mesh(vertices, faces, rng.normal(size=(40, 3, 2)) * 1e3)
    builder = SceneBuilder()
    builder.add([(meshes.box((1, 1, 1)), place(), Material("brick", (0.5, 0.5, 0.5), 1e-3))], instance=1, semantic=1)
    try:
        builder.add([(mesh, place(), Material("tile", (0.5, 0.5, 0.5)))], instance=0, semantic=0)
    except ValueError as error:
        assert "no face with an area" in str(error)
    poses = look(rng.normal(size=(6, 3)) * scale, rng.uniform(0, 7, 6), rng.uniform(-2, 2, 6))
    poses[5, :3, 3] = 1e30
    images = Renderer([builder.build()], CAMERA, ALL).render(np.zeros(6, int), poses)
    assert np.isin(images["instance"], (-1, 0, 1)).all()
    nothing = images["instance"] == -1
    assert (images["depth"] > 0).all() and np.isinf(images["depth"][nothing]).all()
    assert nothing[5].all()


def test_bad_input():
    scene = wall_scene()
    with pytest.raises(ValueError, match=r"outputs=\('colour',\): must be some of rgb, depth"):
        Renderer([scene], CAMERA, ("colour",))
    with pytest.raises(ValueError, match="at least one scene"):
        Renderer([], CAMERA)
    with pytest.raises(ValueError, match="least_px=nan"):
        Renderer([scene], CAMERA, least_px=np.nan)
    renderer = Renderer([scene], CAMERA, views=2)
    poses = np.tile(np.eye(4), (2, 1, 1))
    with pytest.raises(ValueError, match=r"must be \(2,\) and \(2, 4, 4\)"):
        renderer.render([0], poses[:1])
    with pytest.raises(ValueError, match="there are 1"):
        renderer.render([0, 1], poses)
    with pytest.raises(ValueError, match="type float64: must be whole numbers"):
        renderer.render([0.0, 0.0], poses)
    poses[1, 0, 3] = np.nan
    with pytest.raises(ValueError, match="T_world_cam: must be finite"):
        renderer.render([0, 0], poses)


def test_a_scene_pickles(furnished):
    scene = furnished(0)
    back = pickle.loads(pickle.dumps(scene))
    for ours, theirs in zip(scene, back, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert back.nbytes == scene.nbytes < 2e6
    pose = walks(1)[0]
    np.testing.assert_array_equal(one(back, pose)["rgb"], one(scene, pose)["rgb"])
