import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foveal.optics.coverage import baselines, blind_sectors, fields_of_view, horizon, neighbours, overlaps
from foveal.optics.rig import RigCamera, RigSpec, mount, orientation
from foveal.optics.transforms import place

ANGLES = st.floats(-np.pi, np.pi)
POINTS = st.tuples(*[st.floats(-20, 20)] * 3)
MASK = np.ones((4, 6), bool)
GOOD = {
    "name": "eye",
    "width": 6,
    "height": 4,
    "K": [[5, 0, 2.5], [0, 5, 1.5], [0, 0, 1]],
    "T_rig_cam": np.eye(4),
}


def pose(**parts):
    """The identity with some numbers of it changed: `r01=1` is row 0, column 1."""
    matrix = np.eye(4)
    for name, value in parts.items():
        matrix[int(name[1]), int(name[2])] = value
    return matrix


def intrinsics(fx=5.0, cx=2.5, cy=1.5, skew=0.0):
    return [[fx, skew, cx], [0, 5, cy], [0, 0, 1]]


def camera(name, yaw, fov, pitch=0.0, roll=0.0, position=(0, 0, 0), size=(200, 100), **others):
    """A camera with square pixels that looks through the middle of its picture."""
    focal = size[0] / 2 / np.tan(fov / 2)
    K = [[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]]
    return RigCamera(name, *size, K, mount(position, yaw, pitch, roll), **others)


@st.composite
def rigs(draw, most=6, tilt=0.2):
    cameras = []
    for number in range(draw(st.integers(1, most))):
        angles = draw(ANGLES), draw(st.floats(-tilt, tilt)), draw(st.floats(-tilt, tilt))
        yaw, pitch, roll = angles
        lens = draw(st.sampled_from(["pinhole", "fisheye"]))
        fov = draw(st.floats(0.7, 2.0))
        cameras.append(camera(f"{number}", yaw, fov, pitch, roll, draw(POINTS), lens=lens))
    return RigSpec("drawn", tuple(cameras))


@pytest.mark.parametrize(
    "change, told",
    [
        ({"name": ""}, "'': a camera's name must be 1 to 64 printable characters"),
        ({"name": "two\nlines"}, "a camera's name must be"),
        ({"name": 3}, "'3': a camera's name must be"),
        ({"width": 0}, "camera 'eye': width=0: must lie in 1..8192"),
        ({"height": 4.0}, "camera 'eye': height=4.0: must be a whole number"),
        ({"width": True}, "width=True: must be a whole number"),
        ({"K": intrinsics(fx=0)}, "camera 'eye': K: is singular"),
        ({"K": np.zeros((3, 3))}, "K: its last row must be 0 0 1"),
        ({"K": np.eye(4)}, r"K of shape \(4, 4\): must be \(3, 3\)"),
        ({"K": [[1, 2], [3]]}, "K: must be 3 by 3 numbers"),
        ({"K": intrinsics(cx=np.nan)}, "K: must be finite"),
        ({"K": intrinsics(skew=0.1)}, "K: has a skew of 0.1, 0; must have none"),
        ({"K": intrinsics(fx=-5)}, "fx=-5.0: must be a positive number"),
        ({"K": intrinsics(cx=816)}, r"K: its principal point \(816, 1.5\) is outside of the picture of 6 x 4"),
        ({"K": intrinsics(cy=4)}, "is K of another size?"),
        ({"T_rig_cam": np.eye(3)}, r"T_rig_cam of shape \(3, 3\): must be \(4, 4\)"),
        ({"T_rig_cam": pose(r30=1)}, "T_rig_cam: its last row must be 0 0 0 1"),
        ({"T_rig_cam": pose(r00=-1)}, "T_rig_cam: its rotation is left-handed"),
        ({"T_rig_cam": pose(r00=1.001)}, r"not orthonormal \(R R' is off by 0.002, more than 0.0001\)"),
        ({"T_rig_cam": pose(r01=0.5)}, "not orthonormal"),
        ({"T_rig_cam": pose(r03=1700)}, "is 1700 m from the rig's origin, more than 50 m; are these millimetres?"),
        ({"T_rig_cam": pose(r23=np.inf)}, "T_rig_cam: must be finite, and below 1e9"),
        ({"T_rig_cam": pose(r00=1e200)}, "T_rig_cam: must be finite, and below 1e9"),
        ({"lens": "mirror"}, "lens='mirror': must be one of pinhole, fisheye"),
        ({"distortion": (0.1, 0.2)}, "distortion: has 2 numbers, a pinhole has 0, 4, 5, 8"),
        ({"lens": "fisheye", "distortion": (0.1,) * 5}, "has 5 numbers, a fisheye has 0, 4"),
        ({"distortion": (0, 0, 0, np.nan)}, "distortion: must be finite"),
        ({"distortion": ("a",) * 4}, "must be numbers"),
        ({"rate_hz": 0}, r"rate_hz=0: must be in \(0, 10000\]"),
        ({"rate_hz": np.nan}, "rate_hz=nan"),
        ({"mask": np.ones((6, 4), bool)}, r"mask bool of shape \(6, 4\): must be bool of shape \(4, 6\)"),
        ({"mask": np.ones((4, 6))}, "mask float64 of shape"),
        ({"mask": np.zeros((4, 6), bool)}, "mask: leaves nothing of the picture"),
    ],
)
def test_a_camera_that_cannot_be_is_named_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as caught:
        RigCamera(**(GOOD | change))
    assert "\n" not in str(caught.value)


def test_a_rig_that_cannot_be():
    one = RigCamera(**GOOD)
    with pytest.raises(ValueError, match="rig 'r': has 0 cameras, must have 1 to 512"):
        RigSpec("r", ())
    with pytest.raises(ValueError, match="has 513 cameras"):
        RigSpec("r", (one,) * 513)
    with pytest.raises(ValueError, match="rig 'r': 2 cameras are called 'eye'"):
        RigSpec("r", (one, one))
    with pytest.raises(ValueError, match="a rig's name must be"):
        RigSpec("r" * 65, (one,))


def test_what_was_checked_stays():
    K, mask = np.array(GOOD["K"]), MASK.copy()
    eye = RigCamera(**(GOOD | {"K": K, "mask": mask}))
    K[0, 0], mask[:] = 0, False
    assert eye.K[0, 0] == 5 and eye.mask.all()
    with pytest.raises(ValueError, match="read-only"):
        eye.T_rig_cam[0, 3] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        eye.width = 3


@given(POINTS, ANGLES, st.floats(-1.5, 1.5), ANGLES)
def test_orientation_undoes_mount(position, yaw, pitch, roll):
    mounted = mount(position, yaw, pitch, roll)
    np.testing.assert_allclose(orientation(mounted)[1], pitch, atol=1e-9)
    np.testing.assert_allclose(mount(position, *orientation(mounted)), mounted, atol=1e-9)
    assert tuple(mounted[:3, 3]) == position


def test_where_a_mounted_camera_looks():
    turn = mount((0, 0, 0), 0)[:3, :3]
    np.testing.assert_allclose(turn.T, [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-15)  # right, down, forward
    np.testing.assert_allclose(mount((0, 0, 0), np.pi / 2)[:3, 2], [0, 1, 0], atol=1e-15)  # to the left
    np.testing.assert_allclose(mount((0, 0, 0), 0, np.pi / 6)[:3, 2], [np.sqrt(0.75), 0, 0.5], atol=1e-15)  # up
    assert mount((0, 0, 0), 0, 0, 0.1)[2, 0] < 0  # the right side is lower
    for pitch in (-np.pi / 2, np.pi / 2):
        np.testing.assert_allclose(orientation(mount((0, 0, 0), 1, pitch)), (1, pitch, 0), atol=1e-9)


@pytest.mark.parametrize("lens", ["pinhole", "fisheye"])
def test_fields_of_view_between_the_outer_edges(lens):
    wide = RigCamera("wide", 1000, 400, [[500, 0, 399.5], [0, 500, 99.5], [0, 0, 1]], np.eye(4), lens)
    bend = np.arctan if lens == "pinhole" else np.asarray
    expected = bend(400 / 500) + bend(600 / 500), bend(100 / 500) + bend(300 / 500)
    np.testing.assert_allclose(fields_of_view(wide), expected, atol=1e-9)
    masked = dataclasses.replace(wide, mask=np.arange(1000) > np.full((400, 1), 500))
    np.testing.assert_allclose(fields_of_view(masked), expected, atol=1e-9)


def test_fields_of_view_of_a_lens_that_folds():
    """With k1 < 0 the picture ends at r = 1 / sqrt(-3 k1); the sensor's corners beyond see nothing."""
    K = [[500, 0, 999.5], [0, 500, 999.5], [0, 0, 1]]
    folded = RigCamera("folded", 2000, 2000, K, np.eye(4), distortion=(-0.1, 0, 0, 0))
    assert fields_of_view(folded)[0] == pytest.approx(2 * np.arctan(np.sqrt(1 / 0.3)), abs=np.radians(0.2))
    assert np.isnan(folded.project([3, 0, 1])).all() and not folded.sees([3, 0, 1])


def test_wild_distortion_warns_of_nothing():
    for lens, bent in (("pinhole", (1e200,) * 8), ("pinhole", (0, 0, 0, 0, 0, -1, 0, 0)), ("fisheye", (-1e200,) * 4)):
        rig = RigSpec("wild", (camera("a", 0, 1, lens=lens, distortion=bent),))
        assert np.isfinite(overlaps(rig)).all() and np.isfinite(blind_sectors(rig)).all()


def test_horizon_of_a_tilted_camera():
    level = horizon(camera("a", 1.0, np.pi / 2))
    np.testing.assert_allclose(level, [[1 - np.pi / 4, 1 + np.pi / 4]], atol=1e-9)
    tilted = horizon(camera("a", 0.0, np.pi / 2, pitch=-0.3))  # x / z = tan(azimuth) / cos(pitch) at the edge
    np.testing.assert_allclose(tilted[0, 1], np.arctan(np.cos(0.3)), atol=1e-9)
    assert horizon(camera("a", 0.0, np.pi / 2, pitch=-0.6)).shape == (0, 2)  # it looks below
    back = horizon(camera("a", np.pi, np.pi / 2))
    assert back.shape == (2, 2) and np.diff(back).sum() == pytest.approx(np.pi / 2)


def test_a_mask_takes_from_the_horizon():
    left_half = np.arange(200) < np.full((100, 1), 100)
    np.testing.assert_allclose(horizon(camera("a", 0, np.pi / 2, mask=left_half)), [[0, np.pi / 4]], atol=1e-9)


def test_overlaps_by_hand():
    fov = np.radians(100)
    rig = RigSpec("four", tuple(camera(f"{k}", k * np.pi / 2, fov, position=(k, 0, 0)) for k in (0, 1, 2, 3)))
    shared = np.degrees(overlaps(rig))
    np.testing.assert_allclose(np.diag(shared), 100, atol=1e-6)
    np.testing.assert_allclose([shared[i, j] for i, j in neighbours(rig)], 10, atol=1e-6)
    assert shared[0, 2] == 0 and neighbours(rig) == [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert blind_sectors(rig).shape == (0, 2)
    assert baselines(rig)[1, 3] == 2


def test_neighbours_and_blind_sectors_of_few():
    front, back = camera("front", 0, np.radians(90)), camera("back", np.pi, np.radians(60))
    assert neighbours(RigSpec("one", (front,))) == []
    assert neighbours(RigSpec("two", (front, back))) == [(0, 1)]
    np.testing.assert_allclose(np.degrees(blind_sectors(RigSpec("one", (front,)))), [[45, 315]], atol=1e-6)
    two = np.degrees(blind_sectors(RigSpec("two", (back, front))))
    np.testing.assert_allclose(two, [[-150, -45], [45, 150]], atol=1e-6)
    below = RigSpec("none", (camera("down", 0, 1, pitch=-np.pi / 2),))
    np.testing.assert_allclose(blind_sectors(below), [[-np.pi, np.pi]])


def test_a_fisheye_sees_behind_itself():
    K = [[100, 0, 199.5], [0, 100, 199.5], [0, 0, 1]]
    wide = RigCamera("wide", 400, 400, K, mount((0, 0, 1), 0), "fisheye")
    assert fields_of_view(wide)[0] == pytest.approx(4.0)
    all_round = RigCamera(
        "all", 800, 800, [[100, 0, 399.5], [0, 100, 399.5], [0, 0, 1]], mount((0, 0, 1), 0), "fisheye"
    )
    assert np.diff(horizon(all_round)).sum() == pytest.approx(2 * np.pi, abs=1e-6)
    assert blind_sectors(RigSpec("all", (all_round,))).shape == (0, 2)


@settings(max_examples=40, deadline=None)
@given(rigs(), st.floats(-10, 10), POINTS)
def test_turning_and_moving_the_whole_rig_changes_nothing(rig, yaw, shift):
    assume((abs(rig.T_rig_cam[:, :3, 3]).max() + max(map(abs, shift))) < 25)
    moved = place(shift, yaw) @ rig.T_rig_cam
    other = RigSpec(
        "turned", tuple(dataclasses.replace(one, T_rig_cam=T) for one, T in zip(rig.cameras, moved, strict=True))
    )
    shared = overlaps(rig)
    np.testing.assert_array_equal(shared, shared.T)
    assert (shared <= np.diag(shared)[:, None] + 1e-9).all()
    np.testing.assert_allclose(overlaps(other), shared, atol=1e-6)
    np.testing.assert_allclose(baselines(other), baselines(rig), atol=1e-9)
    np.testing.assert_allclose(np.diff(blind_sectors(other)).sum(), np.diff(blind_sectors(rig)).sum(), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(rigs(), st.integers(1, 300), st.integers(1, 300))
def test_other_numbers_of_pixels_see_the_same(rig, width, height):
    scaled = rig.scaled(width, height)
    assert {(one.width, one.height) for one in scaled.cameras} == {(width, height)}
    np.testing.assert_allclose(overlaps(scaled), overlaps(rig), atol=1e-6)
    back = scaled.scaled(200, 100)
    np.testing.assert_allclose(back.K, rig.K, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(rigs())
def test_seen_and_blind_make_a_full_circle(rig):
    azimuths = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    ahead = np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(720)], -1)
    seen = np.array([one.sees(ahead @ one.T_rig_cam[:3, :3]) for one in rig.cameras]).any(0)
    blind = np.zeros(720, bool)
    for start, stop in blind_sectors(rig):
        blind |= (azimuths - start) % (2 * np.pi) < stop - start
    assert (seen == blind).sum() <= 2 * len(rig.cameras)  # at the ends of sectors


def test_scaled_mask():
    mask = np.zeros((4, 6), bool)
    mask[:2, 3:] = True
    eye = RigCamera(**(GOOD | {"mask": mask}))
    assert eye.scaled(2, 2).mask.tolist() == [[False, True], [False, False]]
    np.testing.assert_array_equal(eye.scaled(12, 8).mask, mask.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(eye.scaled(6, 4).mask, mask)


def test_arrays_of_a_rig():
    rig = RigSpec("two", (camera("a", 0, 1, position=(1, 2, 3)), camera("b", 1, 1)))
    assert rig.K.shape == (2, 3, 3) and rig.T_rig_cam[0, :3, 3].tolist() == [1, 2, 3]
    ideal = rig.cameras[0].camera
    point = [0.1, 0.2, 2.0]
    np.testing.assert_allclose(rig.cameras[0].project(point), ideal.project(point))
    assert rig.cameras[0].sees(point) and not rig.cameras[0].sees([0, 0, -1])
