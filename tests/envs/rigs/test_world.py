"""A car with cameras in a street: what it sees is one world, and what is told of it is true."""

import gymnasium
import numpy as np
import pytest

import foveal  # noqa: F401
from foveal.envs.driving import traffic as tr
from foveal.envs.rigs.classes import CLASSES, SKY, VEHICLE
from foveal.envs.rigs.placing import AXLE_M
from foveal.envs.rigs.world import SurroundRig
from foveal.optics.rig_files import save_rig
from foveal.optics.rig_presets import room_ring
from foveal.optics.transforms import apply, invert

ALL = {"semantic": True, "instance": True, "flow": True, "overlap": True, "state": True}
SMALL = {"streets": 1, "width": 64, "height": 40}
IDLE = 1


def world(rows=2, **params):
    return SurroundRig(rows, autoreset_mode="disabled", **{**SMALL, **params})


def stepped(env, steps, seed=0, action=IDLE):
    seen, _ = env.reset(seed=seed)
    for _ in range(steps):
        seen = env.step(np.full(env.num_envs, action))[0]
    return seen


@pytest.fixture(scope="module")
def ride():
    env = world(2, ride=True, **ALL)
    return env, stepped(env, 4, action=0)


def poses(env):
    """T_world_cam (N, K, 4, 4) from the driving suite's own numbers and the nominal rig."""
    x, y, heading = env.ego_features((tr.X, tr.Y, tr.HEADING)).T
    rig = np.tile(np.eye(4), (env.num_envs, 1, 1))
    cos, sin = np.cos(-heading), np.sin(-heading)
    rig[:, 0, 0], rig[:, 0, 1], rig[:, 1, 0], rig[:, 1, 1] = cos, -sin, sin, cos
    rig[:, 0, 3], rig[:, 1, 3] = x - AXLE_M * cos, -y - AXLE_M * sin
    return rig[:, None] @ env.rig.T_rig_cam


def test_a_vehicle_is_seen_where_the_driving_suite_has_it(ride):
    """The points of a vehicle's pixels lie on its box."""
    env, seen = ride
    found = 0
    for row, cameras in enumerate(poses(env)):
        for k, camera in enumerate(env.rig.cameras):
            points = apply(cameras[k], camera.camera.unproject(seen["depth"][row, k]))
            for column in range(env.capacity):
                there = (seen["instance"][row, k] == column + 1) & (seen["depth"][row, k] < env.params.far)
                if there.sum() < 4:
                    continue
                found += 1
                x, y, heading = env._traffic[row, [tr.X, tr.Y, tr.HEADING], column]
                across = points[there][:, :2] - (x, -y)
                along = across @ (np.cos(-heading), np.sin(-heading))
                aside = across @ (-np.sin(-heading), np.cos(-heading))
                assert (np.abs(along) < 2.6).all() and (np.abs(aside) < 1.35).all()
                assert (seen["semantic"][row, k][there] == VEHICLE).all()
    assert found > 4


def test_two_cameras_agree_about_what_both_see(ride):
    """Where `overlap` says so, another camera's depth at the projection of a point is that point's."""
    env, seen = ride
    checked = 0
    for row, cameras in enumerate(poses(env)):
        for a, camera in enumerate(env.rig.cameras):
            near = seen["depth"][row, a] < 0.95 * env.params.far
            points = apply(cameras[a], camera.camera.unproject(seen["depth"][row, a]))[near]
            agree = np.zeros(len(points), int)
            for b, other in enumerate(env.rig.cameras):
                local = apply(invert(cameras[b]), points)
                column, line = np.moveaxis(other.camera.project(local), -1, 0)
                inside = (local[:, 2] > 0.05) & (column > -0.5) & (column < other.width - 0.5)
                inside &= (line > -0.5) & (line < other.height - 0.5)
                u, v = (np.floor(np.where(inside, x, 0) + 0.5).astype(int) for x in (column, line))
                agree += (b != a) & inside & (local[:, 2] <= seen["depth"][row, b][v, u] * 1.05)
            told = seen["overlap"][row, a][near]
            assert (agree == told).mean() > 0.995
            checked += (told > 0).sum()
    assert checked > 500


def test_ego_motion_and_flow_tell_the_same_of_what_stands(ride):
    env, seen = ride
    standing = (seen["instance"] >= 256) & (seen["depth"] < env.params.far)
    for row in range(env.num_envs):
        motion = seen["ego_motion"][row].astype(float)
        assert 0.5 < motion[0, 3] < 5 and abs(motion[1, 3]) < 0.5
        for k, camera in enumerate(env.rig.cameras):
            T = camera.T_rig_cam
            points = apply(T, camera.camera.unproject(seen["depth"][row, k]))
            before = apply(invert(T), apply(motion, points))
            usable = standing[row, k] & (before[..., 2] > 0.5)
            column, line = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
            expected = camera.camera.project(before) - np.stack([column, line], -1)
            np.testing.assert_allclose(seen["flow"][row, k][usable], expected[usable], atol=0.02, rtol=1e-3)


def test_the_first_moment_has_no_motion():
    seen, _ = world(1, flow=True).reset(seed=3)
    np.testing.assert_allclose(seen["ego_motion"][0], np.eye(4), atol=1e-6)
    np.testing.assert_allclose(seen["flow"], 0, atol=2e-3)


def test_where_nothing_is_there_is_sky_and_it_is_far(ride):
    env, seen = ride
    sky = seen["semantic"] == SKY
    assert sky.any() and (seen["depth"][sky] == env.params.far).all() and (seen["instance"][sky] == 0).all()
    assert len(np.unique(seen["semantic"])) > len(CLASSES) // 2
    assert env.streets[0].objects >= 60


def test_rows_follow_from_their_seeds_alone():
    together, alone = world(3, **ALL), world(1, **ALL)
    stepped(together, 3, seed=5)
    seen = together.step(np.array([0, 3, 4]))[0]
    for row, action in enumerate((0, 3, 4)):
        stepped(alone, 3, seed=5 + row)
        mine = alone.step(np.array([action]))[0]
        for name, array in mine.items():
            np.testing.assert_array_equal(array[0], seen[name][row], err_msg=name)


def test_a_state_brings_back_the_pictures():
    env, other = world(2, **ALL), world(2, **ALL)
    seen = stepped(env, 3)
    state = env.get_state()
    expected = env.step(np.array([0, 3]))[0]
    other.reset(seed=77)
    other.set_state(state)
    for name, array in seen.items():
        np.testing.assert_array_equal(other._observations[name], array, err_msg=name)
    for name, array in other.step(np.array([0, 3]))[0].items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize("course", ["avenue", "bend", "roundabout", "crossing", "racetrack"])
def test_one_can_ride_on_every_course(course):
    seen = stepped(world(2, course=course, ride=True), 10, action=0)
    assert (seen["ego_motion"][:, 0, 3] > 0.2).all()
    assert 2 < np.median(seen["depth"]) < 60


def driven(first_action):
    """Whether rows of an empty avenue crashed in their first episodes, whether they arrived, and their returns."""
    env = world(16, rgb=False, depth=False, state=True, vehicles_count=0)
    env.reset(seed=0)
    crashed, arrived, rewarded = (np.zeros(16) for _ in range(3))
    for step in range(120):
        _, rewards, ended, _, info = env.step(np.full(16, first_action if step == 0 else IDLE))
        done = (crashed + arrived) > 0
        rewarded[~done] += rewards[~done]
        crashed[~done], arrived[~done] = info["crashed"][~done], info["success"][~done]
        if ended.any():
            env.reset(options={"reset_mask": ended})
    return crashed, arrived, rewarded


def test_something_blocks_the_lane_and_who_goes_on_crashes():
    crashed, arrived, rewarded = driven(IDLE)
    assert crashed.all() and not arrived.any() and (rewarded < 0).all()


def test_who_changes_lane_on_an_empty_road_arrives():
    crashed, arrived, rewarded = driven(0)
    assert arrived.all() and not crashed.any() and (rewarded > 5).all()


def test_exposure_and_white_balance_change_the_pictures_only():
    one, other = stepped(world(1), 2), stepped(world(1, exposure=0.5, white_balance=0.1), 2)
    np.testing.assert_array_equal(one["depth"], other["depth"])
    means = other["rgb"].mean((0, 2, 3)) / one["rgb"].mean((0, 2, 3))  # (K, 3)
    assert np.ptp(means.mean(1)) > 0.1 and np.ptp(means, axis=1).min() > 0.005


def test_a_camera_off_its_place_sees_something_else_than_it_is_said_to():
    off = world(1, calibration_angle=2.0, calibration_shift=0.05)
    one, other = stepped(world(1), 2), stepped(off, 2)
    np.testing.assert_array_equal(one["T_rig_cam"], other["T_rig_cam"])
    assert (np.abs(one["depth"] - other["depth"]).mean((0, 2, 3)) > 0.05).all()
    turn = np.swapaxes(off._mounts.pose[0, :, :3, :3], 1, 2) @ off.rig.T_rig_cam[:, :3, :3]
    angle = np.degrees(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert (angle > 0.1).all() and (angle < 12).all()
    np.testing.assert_allclose(turn @ np.swapaxes(turn, 1, 2), np.tile(np.eye(3), (6, 1, 1)), atol=1e-12)


def test_a_dropped_camera_is_black_and_said_to_be():
    env = world(8, dropped=1.0, **ALL)
    seen = stepped(env, 1)
    assert (seen["valid"].sum(1) == 5).all() and len(set(seen["valid"].argmin(1))) > 1
    down = seen["valid"] == 0
    assert not seen["rgb"][down].any() and (seen["depth"][down] == env.params.far).all()
    assert not seen["semantic"][down].any() and not seen["overlap"][down].any()
    assert seen["rgb"][~down].reshape(-1, 64 * 40 * 3).any(1).all()


def test_dusk_is_darker_than_day():
    day, dusk = (stepped(world(1, light=light), 1)["rgb"].mean() for light in ("day", "dusk"))
    assert dusk < 0.8 * day


def test_a_rig_from_a_file(tmp_path):
    save_rig(room_ring(3), tmp_path / "ring.json")
    assert stepped(world(1, rig=str(tmp_path / "ring.json")), 1)["rgb"].shape == (1, 3, 40, 64, 3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rig": "nuscene-like"}, "neither a preset"),
        ({"course": "avenu"}, "course"),
        ({"rgb": False, "depth": False}, "one of them must be True"),
        ({"width": 4}, "width"),
    ],
)
def test_what_cannot_be_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        world(1, **params)


def test_steering_drives_too():
    env = world(2, action="Continuous")
    env.reset(seed=0)
    seen = env.step(np.array([[1.0, 0.0], [-1.0, 0.2]], np.float32))[0]
    assert seen["ego_motion"][0, 0, 3] > seen["ego_motion"][1, 0, 3]


def test_a_picture_of_a_moment_has_all_views():
    env = gymnasium.make("foveal/SurroundRig-v0", render_mode="rgb_array", **SMALL)
    env.reset(seed=0)
    env.step(3)
    frame = env.render()
    assert frame.dtype == np.uint8 and frame.shape[1] == 960 and frame.shape[0] > 500
    views = frame[:400].reshape(2, 200, 3, 320, 3)
    assert (views.std((1, 3, 4)) > 10).all()
