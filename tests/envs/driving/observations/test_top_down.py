"""The TopDown observation against a slow rasteriser of the same definition, and its stacks."""

import numpy as np
import pytest

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.observations import top_down
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.observations.top_down import SHADES, TopDown, road_map
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenarios.merge import Merge
from foveal.envs.driving.surface import key_of

GRAY = {name: shade for name, (_, shade) in SHADES.items()}
ROAD, LINE = top_down.ASPHALT[0], top_down.LINE[0]


def lanes():
    """A bend and a straight road across it."""
    road = Road()
    road.arc("a", "b", (0.0, 30.0), 30.0, -np.pi / 2, np.pi / 2, lines=("continuous", "striped"))
    road.parallel("c", "d", 3, (-40.0, 20.0), (60.0, 20.0))
    return key_of(road.scene_lanes())


def sight_of(things, vehicles):
    """One row of things (kind, x, y, heading, length, width, crashed), the first `vehicles` of them vehicles."""
    t = tr.allocate(1, len(things), len(tr.FEATURES))
    for i, (kind, x, y, heading, length, width, crashed) in enumerate(things):
        t[0, [tr.KIND, tr.X, tr.Y, tr.LENGTH, tr.WIDTH, tr.CRASHED], i] = kind, x, y, length, width, crashed
        t[0, [tr.HEADING, tr.COS, tr.SIN], i] = heading, np.cos(heading), np.sin(heading)
    nothing, none = np.zeros(1, np.int64), np.zeros((0, 0))
    return Sight(
        traffic=t, vehicles=np.array([vehicles]), egos=np.zeros((1, 1), np.int64), clock=nothing, seed=nothing,
        episode=nothing, steps=nothing, lanes=none, graph=nothing, speeds=np.zeros(3), objects=vehicles,
    )  # fmt: skip


def drawn(rng):
    """An ego, vehicles, obstacles and landmarks around it."""
    kinds = [tr.EGO, *[tr.IDM] * 6, *rng.choice([tr.OBSTACLE, tr.LANDMARK], 3)]
    return [
        (kind, *rng.uniform([-30, -5], [40, 60]), rng.uniform(-4, 4), *rng.uniform(0.3, 9, 2), rng.random() < 0.3)
        for kind in kinds
    ]


def slow(things, vehicles, keyed, *, width, height, gray, scaling, centering, turns):
    """The image (C, H, W), pixel by pixel: the road between four pixels of its map, then every rectangle."""
    road, origin, map_scaling = road_map(keyed, scaling, gray)
    _, ego_x, ego_y, heading, *_ = things[0]
    heading = heading if turns else 0.0
    turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
    i, j = np.mgrid[:height, :width]
    pixels = np.stack([j + 0.5 - centering[0] * width, i + 0.5 - centering[1] * height], -1) / scaling
    world = pixels @ turn.T + [ego_x, ego_y]
    image = np.array([between(channel, (world - origin) * map_scaling - 0.5) for channel in road])
    order = sorted(range(len(things)), key=lambda k: (k == 0, k < vehicles, things[k][0] == tr.OBSTACLE))
    for k in order:
        kind, x, y, angle, length, breadth, crashed = things[k]
        name = "crashed" if crashed and 0 < k < vehicles else {0: "ego"}.get(k, "vehicle")
        name = {tr.OBSTACLE: "obstacle", tr.LANDMARK: "landmark"}.get(kind, name)
        away = (world - [x, y]) * scaling  # (H, W, 2) px
        ahead = away @ [np.cos(angle), np.sin(angle)]
        beside = away @ [-np.sin(angle), np.cos(angle)]
        cover = covered(ahead, length * scaling / 2) * covered(beside, breadth * scaling / 2)
        colour = np.array([SHADES[name][1]] if gray else SHADES[name][0])[:, None, None]
        image = image + cover * (colour - image)
    return image


def covered(middle, half):
    return np.clip(np.minimum(half, middle + 0.5) - np.maximum(-half, middle - 0.5), 0, None)


def between(channel, at):
    """The map's value (H, W) at places (H, W, 2), column first; what is outside has the value of its border."""
    h, w = channel.shape
    x, y = np.clip(at[..., 0], 0, w - 1.0001), np.clip(at[..., 1], 0, h - 1.0001)
    j, i = x.astype(int), y.astype(int)
    u, v = x - j, y - i
    corners = channel.astype(float)
    upper = corners[i, j] * (1 - u) + corners[i, j + 1] * u
    return upper * (1 - v) + (corners[i + 1, j] * (1 - u) + corners[i + 1, j + 1] * u) * v


SETTINGS = [
    {},
    {"turns": True},
    {"gray": False},
    {"gray": False, "turns": True, "scaling": 4.0},
    {"width": 100, "height": 40, "scaling": 0.7, "centering": (0.5, 0.9)},
    {"width": 30, "height": 70, "scaling": 11.0},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_equals_a_slow_rasteriser(settings):
    rng, keyed = np.random.default_rng(5), lanes()
    defaults = {
        "width": 84, "height": 84, "gray": True, "scaling": 1.75, "centering": (0.3, 0.5), "turns": False,
    }  # fmt: skip
    for _ in range(15):
        things = drawn(rng)
        kind = TopDown(sight_of(things, 7), keyed, stack=1, **settings)
        kind.begin(np.array([0]))
        expected = slow(things, 7, keyed, **{**defaults, **settings})
        assert expected.std() > 10
        # a pixel is rounded after each thing that is laid over it, and weights to 1 / 256 where the image turns
        assert np.abs(kind.array[0] - expected).max() < 3.0


def test_a_map_coarser_than_the_image_is_sampled_all_the_same(monkeypatch):
    monkeypatch.setattr(top_down, "MOST_PIXELS", 20_000)
    keyed = key_of(tuple(_straight(7.0)))
    _, _, scaling = road_map(keyed, 9.0, True)
    assert scaling < 5
    kind = TopDown(sight_of([(tr.EGO, 50, 7, 0, 5, 2, 0)], 1), keyed, scaling=9.0, stack=1)
    kind.begin(np.array([0]))
    image = kind.array[0, 0]
    assert image[42, 25] == GRAY["ego"] and image[50, 70] == ROAD


def _straight(y):
    road = Road()
    road.parallel("a", "b", 2, (0.0, y), (100.0, y))
    return road.scene_lanes()


def test_a_lost_ego_sees_ground_and_itself():
    for place in ((1e300, 0.0), (0.0, -1e12), (-500.0, 3.0), (1e5, 1e5)):
        for turns in (False, True):
            kind = TopDown(sight_of([(tr.EGO, *place, 0.3, 5, 2, 0)], 1), lanes(), stack=1, turns=turns)
            kind.begin(np.array([0]))
            assert np.median(kind.array) == 0 and kind.array.max() == GRAY["ego"]


def test_the_map_shows_lanes_and_their_markings():
    road, (x, y), scaling = road_map(key_of(_straight(10.0)), 8.0, True)

    def at(along, across):
        return int(road[0, round((across - y) * scaling - 0.5), round((along - x) * scaling - 0.5)])

    assert at(50, 10) == at(50, 14) == ROAD
    assert at(50, 7.7) == at(50, 16.3) == 0
    assert at(50, 8) > ROAD + 40 and at(50, 16) > ROAD + 40  # continuous lines
    assert at(55.5, 12) > ROAD + 40 and at(59, 12) == ROAD  # a dash, and the gap behind it
    border = np.concatenate([road[0, 0], road[0, -1], road[0, :, 0], road[0, :, -1]])
    assert (border == 0).all()


def test_no_marking_crosses_a_junction():
    road = Road()
    solid = ("continuous", "continuous")
    road.straight("w", "e", (-40.0, 0.0), (40.0, 0.0), lines=solid)
    road.straight("n", "s", (0.0, -40.0), (0.0, 40.0), lines=solid)
    image, (x, y), scaling = road_map(key_of(road.scene_lanes()), 8.0, True)
    rows, columns = (np.arange(image.shape[axis + 1]) / scaling + (y, x)[axis] for axis in (0, 1))
    for narrow, wide in ((1.4, 2.4), (2.4, 1.4)):  # the roads' edges included
        assert (image[0][np.ix_(np.abs(rows) < narrow, np.abs(columns) < wide)] == ROAD).all()
    assert image[0].max() > ROAD + 40


def test_positions_show_below_a_pixel():
    """The ego's rectangle holds still; another's centre of brightness is where it stands."""
    for x in np.linspace(20, 21, 7):
        things = [(tr.EGO, 0, 500, 0, 5, 2, 0), (tr.IDM, x, 500, 0.3, 4, 1.5, 0)]
        kind = TopDown(sight_of(things, 2), lanes(), stack=1)
        kind.begin(np.array([0]))
        other = kind.array[0, 0].astype(float)
        other[:, :35] = 0
        assert other.sum() / GRAY["vehicle"] == pytest.approx(4 * 1.5 * 1.75**2, rel=0.01)
        assert (other.sum(0) * (np.arange(84) + 0.5)).sum() / other.sum() == pytest.approx(25.2 + x * 1.75, abs=0.03)


def test_a_turning_image_has_what_lies_ahead_on_its_right():
    heading = 2.0
    ahead = np.array([np.cos(heading), np.sin(heading)]) * 20
    things = [(tr.EGO, 3, 4, heading, 5, 2, 0), (tr.IDM, 3 + ahead[0], 4 + ahead[1], heading, 5, 2, 0)]
    kind = TopDown(sight_of(things, 2), lanes(), stack=1, turns=True)
    kind.begin(np.array([0]))
    shown = kind.array[0, 0]
    assert shown[42, 25] == GRAY["ego"] and shown[42, round(25.2 + 35)] == GRAY["vehicle"]


# Stacks


@pytest.mark.parametrize("world", [Highway, Merge])
@pytest.mark.parametrize("gray", [True, False])
def test_stacks_begin_filled_and_roll(world, gray):
    env = world(3, observation="TopDown", observation_gray=gray, autoreset_mode="disabled")
    observations, _ = env.reset(seed=1)
    channels = 1 if gray else 3
    assert observations.shape == (3, 4 * channels, 84, 84) and observations.dtype == np.uint8
    images = observations.reshape(3, 4, channels, 84, 84)
    assert (images == images[:, :1]).all()
    for _ in range(3):
        before = images
        observations, _, terminated, *_ = env.step(np.ones(3, np.int64))
        assert not terminated.any()
        images = observations.reshape(before.shape)
        np.testing.assert_array_equal(images[:, :-1], before[:, 1:])
        assert (images[:, -1] != images[:, -2]).any((1, 2, 3)).all()
    fresh, _ = env.reset(options={"reset_mask": np.array([False, True, False])})
    again = fresh.reshape(images.shape)
    np.testing.assert_array_equal(again[[0, 2]], images[[0, 2]])
    assert (again[1] == again[1, :1]).all()


def test_the_highways_image_shows_its_traffic():
    env = Highway(1, observation="TopDown", vehicles_count=1, lanes_count=2)
    env.reset(seed=0)
    state = env.get_state()
    state["traffic"][0, [tr.X, tr.Y], 0] = 100.0, 0.0
    state["traffic"][0, [tr.X, tr.Y], 1] = 115.0, 4.0
    env.set_state(state)
    image = env.step(np.array([1]))[0][0, -1]
    assert image[42, 25] == GRAY["ego"]
    y, x = np.nonzero(np.abs(image.astype(int) - GRAY["vehicle"]) < 3)
    scene = env.describe([0])[0]
    away = scene.position[1] - scene.position[0]
    assert ((x.min() + x.max() + 1) / 2 - 25.2) / 1.75 == pytest.approx(away[0], abs=0.5)
    assert ((y.min() + y.max() + 1) / 2 - 42) / 1.75 == pytest.approx(away[1], abs=0.5)
