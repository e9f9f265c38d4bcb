"""Pictures that lenses bend, against straight ones from the same place."""

import dataclasses
import math

import numpy as np
import pytest

from foveal.envs.rigs.world import SurroundRig
from foveal.optics.rig import RigCamera, RigSpec, mount
from foveal.optics.rig_files import save_rig
from foveal.optics.rig_presets import fisheye_four

SIZE = {"width": 96, "height": 72}
ALL = {"semantic": True, "instance": True}


def seen(tmp_path, *cameras):
    save_rig(RigSpec("tested", cameras), tmp_path / "rig.json")
    world = SurroundRig(2, rig=str(tmp_path / "rig.json"), light="mixed", autoreset_mode="disabled", **SIZE, **ALL)
    world.reset(seed=4)
    for _ in range(2):
        images = world.step(np.tile(world.idle, (2, *[1] * np.ndim(world.idle))))[0]
    return world.rig.cameras, {name: image.copy() for name, image in images.items()}


def camera(name, yaw=0.0, lens="pinhole", distortion=(), focal=48.0):
    K = np.array([[focal, 0, 47.5], [0, focal, 35.5], [0, 0, 1]])
    return RigCamera(name, 96, 72, K, mount((1.5, 0.2, 1.4), yaw, -0.1), lens, distortion)


@pytest.mark.parametrize("distortion", [(1e-9, 0, 0, 0), (-0.2, 0.05, 0.002, -0.001)])
def test_a_pinhole_that_bends_shows_what_a_straight_one_does(tmp_path, distortion):
    _, straight = seen(tmp_path, camera("straight"))
    (_, bent), other = seen(tmp_path, camera("straight"), camera("bent", distortion=distortion))
    rays = bent.rays()
    pixels = rays[..., :2] / rays[..., 2:] * 48 + (47.5, 35.5)
    column, row = np.floor(np.moveaxis(pixels, -1, 0) + 0.5).astype(int)
    inside = (column >= 0) & (column < 96) & (row >= 0) & (row < 72)
    assert inside.mean() > 0.7
    for name, bent_image in ((name, other[name][:, 1][:, inside]) for name in ("rgb", "depth", "semantic", "instance")):
        image = straight[name][:, 0][:, row[inside], column[inside]]
        near = np.abs(bent_image.astype(float) - image) <= {"rgb": 16, "depth": 0.08 * image}.get(name, 0)
        assert near.mean() > 0.9, name
    assert np.median(np.abs(other["depth"][:, 0] / straight["depth"][:, 0] - 1)) < 0.01


def test_a_fisheye_sees_to_all_sides_at_their_distance(tmp_path):
    """What a straight camera to the front, to the sides and to the back sees is in it."""
    wide = camera("wide", lens="fisheye", distortion=(0.02, -0.005, 0, 0), focal=22)
    turned = [camera(str(k), yaw=math.radians(yaw)) for k, yaw in enumerate((0, 80, -80))]
    cameras, images = seen(tmp_path, wide, *turned)
    back = 0
    for k, other in enumerate(cameras[1:], 1):
        turn = np.linalg.inv(cameras[0].T_rig_cam) @ other.T_rig_cam
        rays = other.rays() @ turn[:3, :3].T
        pixels = cameras[0].project(rays)
        inside = ((pixels > -0.5) & (pixels < (95.5, 71.5))).all(-1)
        column, row = np.floor(pixels[inside] + 0.5).astype(int).T
        distance = images["depth"][:, k] / other.rays()[..., 2]
        near = (images["depth"][:, k] < 60) & inside
        fisheye = images["depth"][:, 0][:, row, column]
        both = near[:, inside]
        assert (np.abs(fisheye / distance[:, inside] - 1) < 0.1)[both].mean() > 0.9
        assert (images["semantic"][:, 0][:, row, column] == images["semantic"][:, k][:, inside]).mean() > 0.9
        back += (rays[inside][:, 2] < 0).sum()
    assert back > 50


def test_where_a_lens_shows_nothing_it_is_black_and_far(tmp_path):
    folded = camera("folded", lens="fisheye", distortion=(-0.3, 0, 0, 0), focal=30)
    (lens,), images = seen(tmp_path, folded)
    blind = np.isnan(lens.rays()[..., 0])
    assert 0.05 < blind.mean() < 0.9
    assert not images["rgb"][:, 0][:, blind].any() and (images["depth"][:, 0][:, blind] == 80).all()
    assert not images["instance"][:, 0][:, blind].any() and images["rgb"][:, 0][:, ~blind].any()


def test_the_sky_has_no_seams():
    world = SurroundRig(1, rig="fisheye-four", autoreset_mode="disabled", **SIZE, **ALL)
    images, _ = world.reset(seed=0)
    sky = (images["instance"][0] == 0) & (images["depth"][0] == world.params.far)
    pairs = sky[:, :, 1:] & sky[:, :, :-1]
    steps = np.abs(np.diff(images["rgb"][0].astype(int), axis=2)).max(-1)
    assert pairs.sum() > 1000 and np.quantile(steps[pairs], 0.999) <= 6


def test_only_pinholes_have_flow_and_overlaps():
    for name in ("flow", "overlap"):
        with pytest.raises(ValueError, match=f"{name}.*'?fisheye-four'? must be of pinholes without distortion"):
            SurroundRig(1, rig="fisheye-four", **SIZE, **{name: True})


def test_a_lens_of_great_focal_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="rig 'tested': a focal length of 2049 px, with a lens at most 2048"):
        seen(tmp_path, camera("far", distortion=(0.1, 0, 0, 0), focal=2048.5))


def test_a_mask_changes_nothing(tmp_path):
    masked = dataclasses.replace(fisheye_four().cameras[0].scaled(96, 72), mask=np.eye(72, 96, dtype=bool))
    plain = dataclasses.replace(masked, mask=None)
    one, other = (seen(tmp_path, each)[1]["rgb"] for each in (masked, plain))
    np.testing.assert_array_equal(one, other)
