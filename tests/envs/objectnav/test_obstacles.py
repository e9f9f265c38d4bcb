import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.obstacles import Body, footprints, survey, try_moves
from foveal.kernels import launch


def point_to_segment(point, a, b):
    """Distance; arrays of points (..., 2) broadcast."""
    along = b - a
    t = np.clip(((point - a) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-300), 0, 1)
    return np.linalg.norm(point - a - t[..., None] * along, axis=-1)


def turn(p, q, r):
    """Twice the signed area of a triangle."""
    return (q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0]


def smallest_gap(boxes, a, b):
    """Distance m of a segment to the nearest obstacle, from their four edges each: slow and plain."""
    centre, axis, half = boxes[:, None, :2], boxes[:, None, 2:4], boxes[:, None, 4:]
    across = np.stack([-axis[..., 1], axis[..., 0]], -1)
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    corners = centre + (signs * half)[..., :1] * axis + (signs * half)[..., 1:] * across  # (B, 4, 2)
    ends = np.roll(corners, -1, 1)
    way = a - centre
    inside = (abs((way * axis).sum(-1)) <= half[..., 0]) & (abs((way * across).sum(-1)) <= half[..., 1])
    crossed = turn(a, b, corners) * turn(a, b, ends) < 0
    crossed &= turn(corners, ends, a[None, None]) * turn(corners, ends, b[None, None]) < 0
    if inside.any() or crossed.any():
        return 0.0
    gaps = [point_to_segment(end, corners, ends) for end in (a, b)] + [point_to_segment(corners, a, b)]
    return np.min(gaps)


def clear(obstacles, moves, house=0):
    moves = np.asarray(moves, float)
    out = np.empty(len(moves), bool)
    houses = np.broadcast_to(np.asarray(house, np.int64), len(moves)).copy()
    launch(try_moves, len(moves), obstacles, houses, moves[:, :2].copy(), moves[:, 2:].copy(), out)
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.4))
def test_a_move_is_clear_just_when_the_swept_disc_touches_nothing(build, seed, radius):
    house = build.random_house(seed)
    body = Body(radius, 0.9)
    rng = np.random.default_rng(seed)
    origin = rng.uniform(0, 6, (100, 2))
    angle, length = rng.uniform(-math.pi, math.pi, 100), rng.choice([0, 0.25, 0.5, 2], 100)
    moves = np.hstack([origin, origin + (length * [np.cos(angle), np.sin(angle)]).T])
    told = clear(survey([house], body), moves)
    obstacles = footprints(house, body)
    for move, is_clear in zip(moves, told, strict=True):
        nearest = smallest_gap(obstacles, move[:2], move[2:])
        inside = (move >= 0).all() and (move <= 6).all()
        if abs(nearest - radius) > 1e-6:
            assert is_clear == (nearest > radius and inside)


def test_what_is_low_high_or_soft_stops_nobody(build):
    things = [
        build.thing("pen", 1, 1, 0, 0.2, 0.2, 0.02),
        build.thing("rug", 1, 2, 0, 1, 1, 0.1, solid=False),
        build.thing("shelf", 1, 3, 1.2, 1, 0.4, 0.1),
        build.thing("chair", 3, 3, 0, 0.5, 0.5, 0.9),
    ]
    house = build.two_rooms(*things)
    assert len(footprints(house)) == 1 + 10  # the chair; eight walls, two of them in two pieces
    assert clear(survey([house]), [(1, 0.5, 1, 3.7), (3, 2, 3, 3)]).tolist() == [True, False]


@pytest.mark.parametrize(("openness", "passable"), [(1.0, True), (0.0, False)])
def test_one_walks_through_open_doors_only(build, openness, passable):
    obstacles = survey([build.two_rooms(openness=openness)])
    through = [(3, 2, 5, 2), (3, 1.68, 5, 1.68), (3, 1.67, 5, 1.67), (3, 1, 5, 1), (5, 2.3, 3, 2.3)]
    assert clear(obstacles, through).tolist() == [passable, passable, False, False, passable]


def test_outside_nothing_is_clear(build):
    obstacles = survey([build.two_rooms()])
    assert not clear(obstacles, [(-1, 1, -0.75, 1), (8, 1, 8.25, 1), (1, 1, 1, 9), (math.nan, 1, 1, 1)]).any()


def test_rows_do_not_depend_on_the_other_houses_or_threads(build, monkeypatch):
    houses = [build.random_house(seed) for seed in range(5)]
    obstacles = survey(houses)
    rng = np.random.default_rng(0)
    which, origin = rng.integers(0, 5, 400), rng.uniform(0, 6, (400, 2))
    moves = np.hstack([origin, origin + rng.uniform(-0.3, 0.3, (400, 2))])
    together = clear(obstacles, moves, which)
    monkeypatch.setenv("FOVEAL_THREADS", "1")
    assert np.array_equal(together, clear(obstacles, moves, which))
    for number, house in enumerate(houses):
        rows = which == number
        assert np.array_equal(together[rows], clear(survey([house]), moves[rows]))


def test_a_house_without_obstacles_is_all_clear(build):
    bare = build.two_rooms().__class__("bare", build.two_rooms().rooms, (), (), ())
    obstacles = survey([bare, build.two_rooms()])
    assert len(footprints(bare)) == 0
    assert clear(obstacles, [(1, 1, 6, 3)]).all()
