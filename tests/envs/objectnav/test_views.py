"""Pictures of an episode: the plan says where End can succeed, and nothing covers it."""

import numpy as np

from foveal.envs.objectnav.obstacles import squared_gap_to_point
from foveal.envs.objectnav.views import IndoorScene, draw, plan

RED = (230, 92, 70)


def scene(**changes):
    told = {"time_s": 0.0, "house": 0, "goal": "Sofa", "position": (5.0, 3.0), "yaw": 0.0, "pitch": 0.0}
    return IndoorScene(**told, trail=np.array([[5.0, 3.0]]), way=np.empty((0, 2)), **changes)


def test_the_ring_runs_a_metre_around_the_goal_s_footprint(build):
    house = build.two_rooms(build.thing("sofa", 2, 2, 0, 1.6, 0.8, 0.9, kind="Sofa", yaw=0.4))
    size = 800
    rows, columns = np.nonzero((plan(house, scene(), size, 0.5) == RED).all(-1))
    low, high = house.bounds
    scale = 0.92 * size / max(high - low)
    x, y = (columns + 0.5 - size / 2) / scale, -(rows + 0.5 - size / 2) / scale
    x, y = x + (low + high)[0] / 2, y + (low + high)[1] / 2
    box = np.array([2.0, 2.0, np.cos(0.4), np.sin(0.4), 0.8, 0.4])
    gap = np.sqrt([squared_gap_to_point(box, *place) for place in zip(x, y, strict=True)])
    ring = gap > 0.1
    assert ring.sum() > 500 and (~ring).sum() > 500
    np.testing.assert_allclose(gap[ring], 1.0, atol=0.03)


def test_the_plan_stands_beside_the_views_undarkened(build):
    house = build.two_rooms(build.thing("sofa", 2, 2, 0, 1.6, 0.8, 0.9, kind="Sofa"))
    grey = np.full((240, 320, 3), 200, np.uint8)
    frame = draw(house, scene(), grey, np.ones((240, 320), np.float32), 0.5)
    assert frame.shape == (240, 880, 3)
    np.testing.assert_array_equal(frame[:, 640:], plan(house, scene(), 240, 0.5))
    assert (frame[0, :320] < 200).all()
