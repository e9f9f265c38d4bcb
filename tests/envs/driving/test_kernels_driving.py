"""The driving kernels, one by one, against highway-env's own functions on random and on degenerate input."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from highway_env import utils
from highway_env.road.road import Road, RoadNetwork
from highway_env.vehicle.behavior import IDMVehicle
from highway_env.vehicle.controller import ControlledVehicle, MDPVehicle
from highway_env.vehicle.kinematics import Vehicle
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foveal.envs.driving import collisions, drivers, motion, straight, traffic
from foveal.envs.driving.interop import DRIVER_ATTRIBUTES
from foveal.envs.driving.observations import straight as observations

LIMIT = 30.0  # m/s
LANES = 5
SPEEDS = np.array([20.0, 25.0, 30.0])
usual = settings(deadline=None, derandomize=True, max_examples=150)
thorough = settings(usual, max_examples=400)


class Car(NamedTuple):
    x: float
    y: float
    heading: float
    speed: float
    timer: float
    aside: int  # target lane less lane
    crashed: bool
    politeness: float


def mixed(special: list[float], low: float, high: float) -> st.SearchStrategy[float]:
    """Values that collide with each other and with bounds, and any others in a range."""
    return st.one_of(st.sampled_from(special), st.floats(low, high, allow_subnormal=False))


CARS = st.builds(
    Car,
    x=mixed([100.0, 104.0, 105.0, 110.0, 125.0, -5.0, 10_005.0], 90, 170),
    y=mixed([k / 2 for k in range(-8, 42)], -3.5, 19.5),
    heading=mixed([0.0, 0.0, 0.1, -0.1, 3.0], -0.9, 0.9),
    speed=mixed([0.0, 20.0, 25.0, 0.5], -5, 42),
    timer=st.floats(0, 2),
    aside=st.sampled_from([0, 0, 0, -1, 1]),
    crashed=st.sampled_from([False] * 7 + [True]),
    politeness=st.sampled_from([0.0, 0.0, 0.4]),
)
ROADS = st.lists(CARS, min_size=1, max_size=8)


def reference_road(cars: list[Car]) -> Road:
    """highway-env's road with these vehicles, the first of them an ego."""
    road = Road(RoadNetwork.straight_road_network(LANES, speed_limit=LIMIT), np_random=np.random.RandomState(0))
    for k, car in enumerate(cars):
        vehicle = (IDMVehicle if k else MDPVehicle)(road, [car.x, car.y], car.heading, car.speed)
        vehicle.target_speed = 25.0 if k % 3 else 22.0
        lane = min(max(vehicle.lane_index[2] + car.aside, 0), LANES - 1)
        vehicle.target_lane_index = ("0", "1", lane)
        vehicle.timer, vehicle.crashed = car.timer, car.crashed
        vehicle.POLITENESS, vehicle.DELTA = car.politeness, 3.5 + k / 7
        road.vehicles.append(vehicle)
    return road


def row_of(road: Road) -> tuple[np.ndarray, np.ndarray]:
    """The same as our traffic (K, V) and ranks (4, V), settled and ranked."""
    t, ranks = traffic.allocate(1, len(road.vehicles))[0], straight.allocate_ranks(1, len(road.vehicles))
    for i, vehicle in enumerate(road.vehicles):
        t[[traffic.X, traffic.Y], i] = vehicle.position
        t[traffic.HEADING, i], t[traffic.SPEED, i] = vehicle.heading, vehicle.speed
        t[traffic.TARGET_LANE, i], t[traffic.TARGET_SPEED, i] = vehicle.target_lane_index[2], vehicle.target_speed
        t[traffic.TIMER, i], t[traffic.CRASHED, i] = vehicle.timer, vehicle.crashed
        t[traffic.CHECKS_COLLISIONS, i] = 1
        for feature, name in DRIVER_ATTRIBUTES.items():
            t[feature, i] = abs(getattr(vehicle, name, 0.0))
    motion.settle(t, LANES)
    straight.rank(t, ranks[0], LANES)
    return t, ranks[0]


def index_in(road: Road, vehicle: Vehicle | None) -> int:
    return -1 if vehicle is None else road.vehicles.index(vehicle)


def barely(a: Vehicle, b: Vehicle, dt: float) -> bool:
    """Whether two vehicles touch, or miss, by so little that rounding decides (unless both drive straight on)."""
    if a.heading == b.heading == 0 and (a.position * 2 % 1 == 0).all() and (b.position * 2 % 1 == 0).all():
        return False  # all is exact then, and must agree
    move = (a.velocity - b.velocity) * dt
    for angle in (a.heading, a.heading + math.pi / 2, b.heading, b.heading + math.pi / 2):
        axis = np.array([math.cos(angle), math.sin(angle)])
        ours, theirs = a.polygon() @ axis, b.polygon() @ axis
        for shift in (0.0, move @ axis):
            low, high = ours.min() + min(shift, 0), ours.max() + max(shift, 0)
            if min(abs(theirs.min() - high), abs(low - theirs.max())) < 1e-9:
                return True
    return False


def assert_same_push(t: np.ndarray, i: int, vehicle: Vehicle) -> None:
    """Equal pushes; only where two ways out are equally long, and no heading is exact, may rounding choose."""
    assert bool(t[traffic.PUSHED, i]) == (vehicle.impact is not None)
    if vehicle.impact is not None:
        push, expected = t[[traffic.PUSH_X, traffic.PUSH_Y], i], vehicle.impact
        assert np.linalg.norm(push) == pytest.approx(np.linalg.norm(expected), abs=1e-9)
        if (t[traffic.HEADING] == 0).all():
            np.testing.assert_allclose(push, expected, rtol=0, atol=1e-9)


@given(ROADS)
@usual
def test_rank_sorts_by_x_and_finds_the_lanes(cars: list[Car]) -> None:
    road = reference_road(cars)
    t, ranks = row_of(road)
    assert (np.diff(t[traffic.X, ranks[straight.ORDER]]) >= 0).all()
    assert ranks[straight.RANK, ranks[straight.ORDER]].tolist() == list(range(len(cars)))
    for i, vehicle in enumerate(road.vehicles):
        on = [k for k, lane in enumerate(road.network.lanes_list()) if lane.on_lane(vehicle.position, margin=1)]
        assert [k for k in range(LANES) if ranks[straight.LANES, i] >> k & 1] == on


@given(ROADS)
@usual
def test_leader_and_follower(cars: list[Car]) -> None:
    road = reference_road(cars)
    t, ranks = row_of(road)
    for i, vehicle in enumerate(road.vehicles):
        for lane in range(LANES):
            front, rear = road.neighbour_vehicles(vehicle, ("0", "1", lane))
            assert straight.leader(t, ranks, i, float(lane)) == index_in(road, front)
            assert straight.follower(t, ranks, i, float(lane)) == index_in(road, rear)


@given(ROADS)
@usual
def test_find_leaders(cars: list[Car]) -> None:
    road = reference_road(cars)
    t, ranks = row_of(road)
    straight.find_leaders(t, ranks, np.zeros(straight.MAX_LANES + 2, np.int64))
    for i, vehicle in enumerate(road.vehicles):
        for row, lane in enumerate(range(vehicle.lane_index[2] - 1, vehicle.lane_index[2] + 2), straight.LEADER_LEFT):
            found = road.neighbour_vehicles(vehicle, ("0", "1", lane))[0] if 0 <= lane < LANES else None
            assert ranks[row, i] == index_in(road, found)
        front, _ = road.neighbour_vehicles(vehicle)
        if front is not None:
            closing = np.dot(vehicle.velocity - front.velocity, vehicle.direction)
            assert t[traffic.GAP, i] == vehicle.lane_distance_to(front)
            assert t[traffic.CLOSING, i] == pytest.approx(closing, abs=1e-12)


@given(ROADS, st.booleans(), st.integers(2, 9))
@usual
def test_choose_observed(cars: list[Car], see_behind: bool, slots: int) -> None:
    road = reference_road(cars)
    t, _ = row_of(road)
    observed = np.zeros(slots, np.int64)
    observations.choose_observed(t, see_behind, observed)
    close = road.close_objects_to(road.vehicles[0], 200.0, count=slots - 1, see_behind=see_behind)
    expected = [0, *(index_in(road, vehicle) for vehicle in close)]
    assert observed.tolist() == expected + [-1] * (slots - len(expected))


@given(
    x=mixed([0.0, -0.0, 10_000.0, -5.0, 10_005.0], -50, 10_050),
    y=mixed([k / 2 for k in range(-20, 300)], -30, 150),
    heading=mixed([0.0, math.pi, -math.pi, math.pi / 2], -10, 10),
    lanes=st.integers(1, 32),
)
@thorough
def test_closest_lane_and_the_lane_predicates(x: float, y: float, heading: float, lanes: int) -> None:
    network = RoadNetwork.straight_road_network(lanes)
    position = np.array([x, y])
    closest = network.get_closest_lane_index(position, heading)[2]
    assert straight.closest_lane(x, y, abs(traffic.wrap_to_pi(heading)), lanes) == closest
    for index in {0, closest, lanes - 1}:
        lane = network.get_lane(("0", "1", index))
        assert straight.on_lane(x, y, float(index)) == lane.on_lane(position)
        assert straight.reachable(x, y, float(index)) == lane.is_reachable_from(position)


@given(mixed([0.0, -0.0, math.pi, -math.pi, 3 * math.pi, 0.01, -0.01], -50, 50))
@usual
def test_wrap_to_pi_and_not_zero_are_exact(value: float) -> None:
    assert traffic.wrap_to_pi(value) == utils.wrap_to_pi(value)
    assert traffic.not_zero(value) == utils.not_zero(value)


@given(mixed([20.0, 22.5, 25.0, 27.5, 30.0], -50, 60), st.sampled_from([(20, 25, 30), (0, 10, 20, 30), (5, 6)]))
@usual
def test_speed_to_index(speed: float, speeds: tuple[float, ...]) -> None:
    vehicle = MDPVehicle(None, [0, 0], target_speeds=speeds)
    assert motion.speed_to_index(speed, np.array(speeds, float)) == vehicle.speed_to_index(speed)


@given(ROADS.filter(lambda cars: len(cars) > 1), st.data())
@usual
def test_idm(cars: list[Car], data: st.DataObject) -> None:
    road = reference_road(cars)
    t, _ = row_of(road)
    vehicles = st.integers(-1, len(cars) - 1)
    judge, ego, front = data.draw(st.integers(1, len(cars) - 1)), data.draw(vehicles), data.draw(vehicles)
    who = [None if k < 0 else road.vehicles[k] for k in (ego, front)]
    expected = road.vehicles[judge].acceleration(*who)
    assert drivers.idm(t, judge, ego, front, LIMIT) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.floats(drivers._LOW_RATIO, drivers._HIGH_RATIO), st.floats(0, 5))
@thorough
def test_power_near_one(base: float, exponent: float) -> None:
    assert drivers._power_near_one(base, exponent) == pytest.approx(np.power(base, exponent), rel=1e-14, abs=0)


@pytest.mark.parametrize(("exponent", "tolerance"), [(3.5, 4e-15), (4.0, 4e-15), (4.5, 4e-15), (8.0, 5e-14)])
def test_power_near_one_to_the_ends_of_its_range(exponent: float, tolerance: float) -> None:
    bases = np.linspace(drivers._LOW_RATIO, drivers._HIGH_RATIO, 5001)
    powers = np.array([drivers._power_near_one(base, exponent) for base in bases])
    np.testing.assert_allclose(powers, bases**exponent, rtol=tolerance, atol=0)


@given(ROADS)
@thorough
def test_one_substep_of_decisions_and_motion(cars: list[Car]) -> None:
    """MOBIL, its abort rule, the timer, IDM on both lanes, steering, the bicycle, impacts: all at once."""
    road = reference_road(cars)
    t, ranks = row_of(road)
    dt = 1 / 15
    drivers.decide(t, ranks, np.zeros(straight.MAX_LANES + 2, np.int64), LANES, LIMIT)
    road.act()
    for i, vehicle in enumerate(road.vehicles):
        assert t[traffic.TARGET_LANE, i] == vehicle.target_lane_index[2]
        assert t[traffic.TIMER, i] == vehicle.timer
        if not vehicle.crashed:
            assert t[traffic.ACCELERATION, i] == pytest.approx(vehicle.action["acceleration"], abs=1e-11)
    motion.advance(t, dt, LANES)
    straight.rank(t, ranks, LANES)
    collisions.collide(t, ranks, dt)
    road.step(dt)
    assume(not any(barely(*pair, dt) for pair in itertools.combinations(road.vehicles, 2)))
    for i, vehicle in enumerate(road.vehicles):
        ours = t[[traffic.X, traffic.Y, traffic.HEADING, traffic.SPEED], i]
        np.testing.assert_allclose(ours, [*vehicle.position, vehicle.heading, vehicle.speed], atol=1e-11)
        assert t[traffic.LANE, i] == vehicle.lane_index[2]
        assert bool(t[traffic.CRASHED, i]) == vehicle.crashed
        assert_same_push(t, i, vehicle)


@given(st.one_of(st.floats(-0.5, 0.5), mixed([0.0, -0.0, 0.5, -0.5, math.pi, -math.pi, 0.5000000001], -10, 10)))
@thorough
def test_settle_by_series_and_beyond(heading: float) -> None:
    many = traffic.allocate(1, 1)
    many[0, traffic.HEADING] = heading
    motion.settle(many[0], LANES)
    cos, sin = many[0, [traffic.COS, traffic.SIN], 0]
    assert abs(cos - math.cos(heading)) < 2.5e-16
    assert abs(sin - math.sin(heading)) < 2.5e-16
    assert (sin == 0) == (heading == 0)


@given(
    mixed([0.0, 4.0, 2.0], -5, 20),
    mixed([0.0], -1.5, 1.5),
    mixed([0.0, 0.01, -0.01, 0.005, 40.0], -45, 45),
    st.integers(0, LANES - 1),
    mixed([0.0], -6, 6),
    st.booleans(),
)
@thorough
def test_steering_and_bicycle_without_trigonometry(
    y: float, heading: float, speed: float, target: int, acceleration: float, crashed: bool
) -> None:
    """The slip's sine carried from controller to bicycle is highway-env's arctan and tan, clips included."""
    many = traffic.allocate(1, 1)
    t, dt = many[0], 1 / 15
    t[[traffic.X, traffic.Y, traffic.HEADING, traffic.SPEED], 0] = 100, y, heading, speed
    t[traffic.TARGET_LANE, 0], t[traffic.CRASHED, 0] = target, crashed
    motion.settle(t, LANES)
    motion.steer(t, 0)
    t[traffic.ACCELERATION, 0] = acceleration
    motion.advance(t, dt, LANES)
    road = Road(RoadNetwork.straight_road_network(LANES))
    vehicle = ControlledVehicle(road, [100, y], heading, speed, target_lane_index=("0", "1", target))
    vehicle.crashed = crashed
    vehicle.action = {"steering": vehicle.steering_control(("0", "1", target)), "acceleration": acceleration}
    vehicle.step(dt)
    ours = t[[traffic.X, traffic.Y, traffic.HEADING, traffic.SPEED], 0]
    np.testing.assert_allclose(ours, [*vehicle.position, vehicle.heading, vehicle.speed], rtol=0, atol=1e-12)


def test_the_clipped_arcsine_keeps_zero_and_joins_its_series() -> None:
    assert motion._arcsin(0.0) == 0.0
    for sine in (*np.linspace(-1.5, 1.5, 3001), 0.02, -0.02, 0.0199999999):
        expected = np.clip(np.arcsin(np.clip(sine, -1, 1)), -np.pi / 4, np.pi / 4)
        assert motion._arcsin(sine) == pytest.approx(expected, rel=1e-15, abs=0)


PLACES = st.builds(
    lambda x, y, heading, speed: ([x, y], heading, speed),
    mixed([0.0, 1.0, 2.5, 3.0, 5.0, -5.0], -9, 9),
    mixed([0.0, 0.5, 1.0, 2.0, -2.0, 4.0], -6, 6),
    mixed([0.0, 0.0, 0.25, math.pi / 4, math.pi / 2, -0.25], -4, 4),
    mixed([0.0, 20.0, 25.0], -10, 40),
)


def pair_of(*places: tuple[list[float], float, float]) -> tuple[list[Vehicle], np.ndarray]:
    vehicles = [Vehicle(None, position, heading, speed) for position, heading, speed in places]
    many = traffic.allocate(1, 2)
    for i, (position, heading, speed) in enumerate(places):
        many[0, [traffic.X, traffic.Y, traffic.HEADING, traffic.SPEED], i] = *position, heading, speed
    motion.settle(many[0], LANES)
    return vehicles, many[0]


@given(PLACES, PLACES, st.sampled_from([1 / 5, 1 / 15]))
@thorough
def test_meet_is_highway_envs_collision(a, b, dt: float) -> None:
    (one, other), t = pair_of(a, b)
    assume(not barely(one, other, dt))
    collisions.meet(t, 0, 1, dt)
    one.handle_collisions(other, dt)
    for i, vehicle in enumerate((one, other)):
        assert bool(t[traffic.CRASHED, i]) == vehicle.crashed
        assert_same_push(t, i, vehicle)
    if one.impact is not None:
        push = 2 * t[[traffic.PUSH_X, traffic.PUSH_Y], 0]
        assert any(np.allclose(push, way, rtol=0, atol=1e-9) for way in shortest_ways_out(one, other, dt))


def shortest_ways_out(a: Vehicle, b: Vehicle, dt: float) -> list[np.ndarray]:
    """The translations of `a` that highway-env may choose from, were its arithmetic exact."""
    move, centres = (a.velocity - b.velocity) * dt, a.position - b.position
    ways = []
    for angle in (k * math.pi / 2 + heading for heading in (a.heading, b.heading) for k in range(4)):
        normal = np.array([math.cos(angle), math.sin(angle)])
        ours, theirs = a.polygon() @ normal, b.polygon() @ normal
        low, high = ours.min() + min(move @ normal, 0), ours.max() + max(move @ normal, 0)
        lengths = [abs(utils.interval_distance(low, high, theirs.min(), theirs.max()))]
        if abs(low - theirs.min()) < 1e-9:
            lengths = [abs(theirs.min() - high), abs(low - theirs.max())]
        signs = [1, -1] if abs(centres @ normal) < 1e-12 else [1 if centres @ normal > 0 else -1]
        ways += [(length, length * sign * normal) for length in lengths for sign in signs]
    shortest = min(length for length, _ in ways)
    return [way for length, way in ways if length < shortest + 1e-9]


@given(PLACES, st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), st.booleans())
@usual
def test_meet_in_the_same_lane_is_exact(a, ahead: float, swap: bool) -> None:
    """Along the road with no lateral offset, the push hangs on signs of exact zeros."""
    (x, y), _, speed = a
    places = [([x, y], 0.0, speed), ([x + ahead, y], 0.0, speed / 2)]
    (one, other), t = pair_of(*(places[::-1] if swap else places))
    assume(not barely(one, other, 1 / 15))
    collisions.meet(t, 0, 1, 1 / 15)
    one.handle_collisions(other, 1 / 15)
    assert_same_push(t, 0, one)
    assert_same_push(t, 1, other)


@given(PLACES, PLACES)
@thorough
def test_separating_axes(a, b) -> None:
    (one, other), t = pair_of(a, b)
    dt = 1 / 15
    assume(not barely(one, other, dt))
    move = (one.velocity - other.velocity) * dt
    touching, will, *push = collisions.separating_axes(t, 0, 1, *move)
    polygons = one.polygon(), other.polygon()
    expected = utils.are_polygons_intersecting(*polygons, one.velocity * dt, other.velocity * dt)
    assert (touching, will) == expected[:2]
    if will:
        assert np.linalg.norm(push) == pytest.approx(np.linalg.norm(expected[2]), abs=1e-9)


@given(PLACES, PLACES)
@thorough
def test_the_quick_rejection_never_rejects_a_collision(a, b) -> None:
    (one, other), t = pair_of(a, b)
    move = (one.velocity - other.velocity) / 15
    touching, will, *_ = collisions.separating_axes(t, 0, 1, *move)
    if touching or will:
        assert not collisions.apart(t, 0, 0, 1, *move)
        assert not collisions.apart(t, 1, 0, 1, *move)
