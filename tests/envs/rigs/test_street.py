"""Streets: what keeps off the lanes, what covers them, what is drawn."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from foveal.envs.driving.scenarios import crossing, merge, racetrack, roundabout
from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rigs.classes import (
    BARRIER,
    BUILDING,
    CLASSES,
    GROUND,
    MARKING,
    PAVEMENT,
    PERSON,
    POLE,
    ROAD,
    SIGN,
    VEGETATION,
    VEHICLE,
)
from foveal.envs.rigs.kerbs import Clearance, kerbs, resampled, tracks_of
from foveal.envs.rigs.street import street
from foveal.envs.scene import Lane
from foveal.optics.camera import Camera
from foveal.optics.transforms import look


def straight(count=3, length=160.0):
    lines = [("continuous" if k == 0 else "striped", "continuous" if k == count - 1 else "none") for k in range(count)]
    return [Lane(np.array([[0.0, 4.0 * k], [length, 4.0 * k]]), 4.0, lines[k]) for k in range(count)]


ROADS = {
    "straight": straight,
    "merge": lambda: merge.lay(merge.MergeParams()).scene_lanes(),
    "roundabout": lambda: roundabout.lay(roundabout.RoundaboutParams()).scene_lanes(),
    "crossing": lambda: crossing.lay_crossing().scene_lanes(),
    "racetrack": lambda: racetrack.lay(racetrack.RacetrackParams()).scene_lanes(),
}


@cache
def built(name, seed=0, light="day"):
    lanes = ROADS[name]()
    return lanes, street(lanes, seed=seed, light=light)


def faces_of(scene, *semantics):
    """Corners (F, 4, 3) of the faces, but for the boxes that stand for far objects, of all objects of some classes."""
    rows = scene.objects[np.isin(scene.objects[:, 7], semantics)]
    numbers = np.concatenate([np.arange(row[2], row[3]) for row in rows])
    return scene.vertices.T[scene.corners[numbers]].astype(np.float64)


def points_on(faces):
    """Points (P, 3) all over faces (F, 4, 3), at most some 2 m apart; of small ones the corners."""
    parts = []
    sizes = np.ptp(faces, axis=1).max(1)
    for low, high, steps in ((0.0, 1.5, 2), (1.5, 6.0, 4), (6.0, np.inf, 13)):
        u, v = (grid.reshape(-1, 1) for grid in np.meshgrid(np.linspace(0, 1, steps), np.linspace(0, 1, steps)))
        weights = np.concatenate([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], 1)  # (S, 4)
        parts.append(np.einsum("sk,fki->fsi", weights, faces[(sizes >= low) & (sizes < high)]).reshape(-1, 3))
    return np.concatenate(parts)


def distance_to_lanes(points, lanes):
    """From points (P, 2) of the world to the nearest lane's edge, by all pieces of the centre lines."""
    best = np.full(len(points), np.inf)
    for lane in lanes:
        line = lane.centre * [1, -1]
        for a, b in pairwise(line[np.append(True, (np.diff(line, axis=0) != 0).any(1))]):
            share = np.clip((points - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0, 1)
            best = np.minimum(best, np.linalg.norm(points - a - share[:, None] * (b - a), axis=1) - lane.width_m / 2)
    return best


STANDING = (BUILDING, VEGETATION, POLE, SIGN, VEHICLE, PERSON, BARRIER)


@pytest.mark.parametrize("name", ROADS)
def test_nothing_stands_in_a_lane(name):
    lanes, made = built(name)
    assert distance_to_lanes(points_on(faces_of(made.scene, *STANDING))[:, :2], lanes).min() > 0.2
    assert distance_to_lanes(points_on(faces_of(made.scene, PAVEMENT))[:, :2], lanes).min() > 2.0
    assert faces_of(made.scene, GROUND)[..., 2].max() < 0


@pytest.mark.parametrize("name", ROADS)
def test_asphalt_covers_lanes(name):
    lanes, made = built(name)
    asphalt = faces_of(made.scene, ROAD)
    assert (asphalt[..., 2] == 0).all()
    a, b = asphalt[..., :2], np.roll(asphalt[..., :2], -1, axis=1)
    for lane in lanes[::3]:
        line = resampled(lane.centre * [1, -1], 4.0)
        along = np.gradient(line, axis=0)
        left = np.stack([-along[:, 1], along[:, 0]], -1) / np.linalg.norm(along, axis=1, keepdims=True)
        for offset in (-0.49, 0.0, 0.49):
            for spot in (line + offset * lane.width_m * left)[1:-1]:
                crosses = (b - a)[..., 0] * (spot - a)[..., 1] - (b - a)[..., 1] * (spot - a)[..., 0]
                assert (crosses >= -1e-3).all(1).any(), spot


@pytest.mark.parametrize("name", ROADS)
def test_street_is_full(name):
    _, made = built(name)
    objects = made.scene.objects
    ids = objects[np.isin(objects[:, 7], STANDING), 6]
    assert made.objects >= 60
    np.testing.assert_array_equal(np.sort(ids), 260 + np.arange(made.objects))
    assert set(objects[np.isin(objects[:, 7], (ROAD, MARKING, PAVEMENT, GROUND)), 6]) == {256, 257, 258, 259}
    assert set(np.unique(objects[:, 7])) == set(range(1, len(CLASSES)))  # all but the sky


@pytest.mark.parametrize("name", ROADS)
def test_footpaths_are_free_and_paved(name):
    lanes, made = built(name)
    assert made.footpaths
    path = np.concatenate([resampled(path, 1.0) for path in made.footpaths])
    assert distance_to_lanes(path, lanes).min() > 2.5
    things = points_on(faces_of(made.scene, *STANDING))
    low = things[things[:, 2] < 1.9, :2]
    nearest = np.array([np.linalg.norm(low - spot, axis=1).min() for spot in path])
    assert nearest.min() > 0.25
    slabs = faces_of(made.scene, PAVEMENT)
    slabs = slabs[np.ptp(slabs[..., 2], axis=1) == 0][..., :2]
    edges = np.roll(slabs, -1, axis=1) - slabs
    paved = [
        (edges[..., 0] * (spot - slabs)[..., 1] - edges[..., 1] * (spot - slabs)[..., 0] >= -1e-3).all(1).any()
        for spot in path
    ]
    assert np.mean(paved) > 0.97  # at sharp corners slabs may end before the path does


def test_same_seed_same_street():
    lanes = straight()
    one, other, third = (street(lanes, seed=seed) for seed in (5, 5, 6))
    for a, b in zip(one.scene, other.scene, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(one.footpaths) == len(other.footpaths)
    assert one.scene.vertices.shape != third.scene.vertices.shape or (one.scene.vertices != third.scene.vertices).any()


def test_far_edges_are_near():
    """Far planes may be short: from every lane a building or something green is near on both sides."""
    lanes, made = built("straight")
    standing = points_on(faces_of(made.scene, BUILDING, VEGETATION))[:, :2]
    for x in np.arange(5.0, 155.0, 5.0):
        beside = standing[np.abs(standing[:, 0] - x) < 4.0]
        right, left = lanes[-1].centre[0, 1] + 2.0, lanes[0].centre[0, 1] - 2.0  # edges, in the frame of the suite
        assert (-beside[:, 1] - right)[-beside[:, 1] > right].min() < 20
        assert (beside[:, 1] + left)[beside[:, 1] > -left].min() < 20


def test_markings_follow_the_lanes_lines():
    def painted(lines):
        quads = faces_of(street([Lane(np.array([[0.0, 0], [90, 0]]), 4.0, lines)], seed=0).scene, MARKING)
        quads = quads[(quads[..., 0].min(1) > -0.5) & (quads[..., 0].max(1) < 90.5)]
        right, left = (quads[np.sign(quads[..., 1].mean(1)) == side] for side in (-1, 1))
        return [float(np.ptp(side[..., 0], axis=1).sum()) for side in (left, right)]

    assert painted(("continuous", "striped")) == pytest.approx([90, 30], abs=3.5)
    assert painted(("striped", "none")) == pytest.approx([30, 0], abs=3.5)


def test_lane_without_lines_has_no_markings():
    made = street([Lane(np.array([[0.0, 0], [60, 0]]), 4.0, ("none", "none"))], seed=0)
    assert not (made.scene.objects[:, 7] == MARKING).any()


def test_density():
    counts = [street(straight(length=100.0), seed=1, density=density).objects for density in (0.0, 0.5, 1.5)]
    assert counts[0] < counts[1] < counts[2]
    bare = street(straight(length=100.0), seed=1, density=0.0).scene
    assert set(bare.objects[:, 7]) <= {ROAD, MARKING, PAVEMENT, GROUND, BUILDING, VEGETATION}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"light": "noon"}, "light='noon': must be one of day, dusk"),
        ({"density": 3.0}, "density=3.0: must be in 0..2"),
        ({"seed": -1}, "seed=-1: must be at least 0"),
        ({"first_instance": -2}, "first_instance=-2: must be at least 0"),
        ({"lanes": []}, "a street needs at least one lane"),
        ({"lanes": [Lane(np.zeros((1, 2)), 4.0)]}, r"lane 0: its centre must be \(P, 2\)"),
        ({"lanes": [Lane(np.zeros((2, 2)), 4.0)]}, "lane 0: its centre must be longer than 0 m"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        street(**{"lanes": straight(), "seed": 0, **change})


@pytest.mark.parametrize("name", ["straight", "roundabout"])
def test_views_show_textures_and_all_there_is(name):
    lanes, made = built(name)
    camera = Camera.from_vertical_fov(160, 96, 2 * np.arctan(np.tan(np.radians(32.5)) * 96 / 160))
    renderer = Renderer([made.scene], camera, ("rgb", "semantic", "depth"))
    a, b = lanes[0].centre[0] * [1, -1], lanes[0].centre[1] * [1, -1]
    yaw = np.arctan2(*(b - a)[::-1]) - np.pi / 2
    spot = a + 0.3 * (b - a) if name == "straight" else a
    poses = look(np.tile([*spot, 1.5], (6, 1)), yaw + np.arange(6) * np.pi / 3, 0.0)
    images = renderer.render(np.zeros(6, int), poses)
    seen = set(np.unique(images["semantic"]))
    assert {-1, ROAD, MARKING, PAVEMENT, BUILDING, VEGETATION} <= seen
    assert np.isinf(images["depth"][images["semantic"] == -1]).all()
    steps = np.abs(np.diff(images["rgb"].astype(float).mean(-1), axis=2))
    same = images["semantic"][..., 1:] == images["semantic"][..., :-1]
    for semantic in (ROAD, BUILDING, PAVEMENT):
        there = same & (images["semantic"][..., 1:] == semantic)
        assert steps[there].mean() > 1.0, CLASSES[semantic]  # grey values of 255, from pixel to pixel


def test_dusk_is_darker_and_lamps_are_lit():
    day, dusk = (built("straight", 0, light)[1] for light in ("day", "dusk"))
    camera = Camera.from_vertical_fov(160, 96, np.radians(60))
    pose = look((40.0, -2.0, 1.5), -np.pi / 2, 0.0)[None]
    views = [Renderer([made.scene], camera, ("rgb", "semantic")).render([0], pose) for made in (day, dusk)]
    things = views[0]["semantic"] > 0
    assert np.median(views[1]["rgb"][things]) < 0.8 * np.median(views[0]["rgb"][things])
    scene = dusk.scene
    firsts = np.append(scene.tables[:, 2], len(scene.lightels))
    asphalt = [
        scene.lightels[firsts[row[2]] : firsts[row[3]]] & 8191  # red
        for row in scene.objects[scene.objects[:, 7] == ROAD]
    ]
    light = np.concatenate(asphalt)
    assert np.quantile(light, 0.99) > 2 * np.median(light)  # pools of light under the lamps
    assert dusk.sky[1].sum() < day.sky[1].sum()
    np.testing.assert_array_equal(day.scene.objects[:, 7], dusk.scene.objects[:, 7])  # the same street


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a street takes too long to shrink
)
@given(
    radius=st.floats(14.0, 60.0),
    turn=st.floats(-2.2, 2.2),
    width=st.floats(3.0, 6.0),
    seed=st.integers(0, 2**31),
)
def test_bends_stay_clear(radius, turn, width, seed):
    angles = np.linspace(0, turn, 40)
    bend = radius * np.stack([np.sin(np.abs(angles)), np.sign(turn) * (1 - np.cos(angles))], -1)
    ahead = bend[-1] + 40 * np.array([np.cos(turn), np.sin(turn)])
    lanes = [Lane(np.concatenate([[[-40.0, 0.0]], bend, [ahead]]), width, ("continuous", "continuous"))]
    made = street(lanes, seed=seed)
    assert distance_to_lanes(points_on(faces_of(made.scene, *STANDING))[:, :2], lanes).min() > 0.2
    assert distance_to_lanes(points_on(faces_of(made.scene, PAVEMENT))[:, :2], lanes).min() > 2.0


def doubles_back(points):
    """Whether a line turns round on the spot, as no lane does: more than 150 degrees at one of its points."""
    steps = np.diff(points, axis=0)
    steps = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    return bool(((steps[1:] * steps[:-1]).sum(1) < np.cos(np.radians(150))).any())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-30, 30)] * 2), min_size=3, max_size=6).filter(
        lambda points: np.linalg.norm(np.diff(points, axis=0), axis=1).min() > 1.0 and not doubles_back(points)
    ),
    st.floats(1.0, 4.0),
)
def test_clearance_is_the_distance(points, width):
    lanes = [Lane(np.array(points), width)]
    spots = np.random.default_rng(0).uniform(-45, 45, (200, 2))
    np.testing.assert_allclose(Clearance(tracks_of(lanes))(spots, 200.0), distance_to_lanes(spots, lanes), atol=0.6)


@pytest.mark.parametrize("name", ROADS)
def test_kerbs_lie_at_their_offset_with_the_road_on_their_right(name):
    tracks = tracks_of(ROADS[name]())
    clearance = Clearance(tracks)
    lines = kerbs(tracks, clearance, 2.5)
    assert lines
    for kerb in lines:
        np.testing.assert_allclose(clearance(kerb.line), 2.5, atol=0.05)
        assert np.median(clearance(kerb.line - 0.5 * kerb.away)) < 2.1
        assert np.median(clearance(kerb.line + 0.5 * kerb.away)) > 2.9
