import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.scenes.thor_things import things

angles, lengths = st.floats(-math.pi, math.pi), st.floats(0.4, 2.0)


def found(kind, size, yaw, oriented=False, **rest):
    """An object as AI2-THOR describes it, its middle at (1, 2, 0.5) in our axes."""
    width, depth, height = size
    corners = np.array([(x, y, z) for x in (1, -1) for z in (1, -1) for y in (1, -1)]) * (width, depth, height) / 2
    turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    corners = (corners @ turn.T + (1.0, 2.0, 0.5))[:, [0, 2, 1]]  # THOR's axes
    box = {
        "center": dict(zip("xyz", (1.0, 0.5, 2.0), strict=True)),
        "size": dict(zip("xyz", np.ptp(corners, axis=0).tolist(), strict=True)),
    }
    # THOR lists the corners of oriented boxes so that 1, 3 and 4 are the neighbours of 0.
    order = [0, 1, 3, 2, 4, 5, 7, 6]
    return {
        "objectId": f"{kind}|1", "objectType": kind, "assetId": "", "axisAlignedBoundingBox": box,
        "objectOrientedBoundingBox": {"cornerPoints": corners[order].tolist()} if oriented else None,
        "rotation": {"x": 0.0, "y": -math.degrees(yaw), "z": 0.0}, "parentReceptacles": None,
        "pickupable": False, "moveable": False, "openness": 0.0,
    } | rest  # fmt: skip


@given(lengths, lengths, angles)
def test_an_oriented_box_is_taken_as_it_is(width, depth, yaw):
    (thing,) = things([found("Sofa", (width, depth, 1.0), yaw, oriented=True)])
    assert thing.size == pytest.approx((width, depth, 1.0)) and thing.centre == pytest.approx((1.0, 2.0, 0.5))
    assert math.cos(thing.yaw - yaw) == pytest.approx(1.0)


@given(lengths, lengths, angles)
def test_a_turned_box_is_found_from_the_one_along_the_axes(width, depth, yaw):
    (thing,) = things([found("Sofa", (width, depth, 1.0), yaw)])
    c, s = abs(math.cos(yaw)), abs(math.sin(yaw))
    if min(c, s) > 0.03 and abs(c - s) > 0.31 and max(width, depth) < 1.9 * min(width, depth):
        assert thing.size[:2] == pytest.approx((width, depth), rel=1e-6)
    if min(c, s) > 0.03 or min(c, s) < 0.01:  # the smallest turns are left out
        low, high = thing.bounds
        assert (high - low)[:2].sum() == pytest.approx((width + depth) * (c + s), rel=0.03)


def test_a_quarter_turn_swaps_width_and_depth():
    (thing,) = things([found("Sofa", (2.0, 1.0, 0.8), math.pi / 2)])
    assert thing.size == pytest.approx((2.0, 1.0, 0.8)) and thing.yaw == pytest.approx(math.pi / 2)


def test_parents_come_first_and_what_cannot_be_is_dropped():
    on = {"objectId": "Plate|1", "pickupable": True, "parentReceptacles": ["CounterTop|1"]}
    plate = found("Plate", (0.3, 0.3, 0.02), 0.0, **on)
    counter = found("CounterTop", (2.0, 0.6, 0.04), 0.0, parentReceptacles=["Plate|1"])  # as FloorPlan5 has it
    each = [{"objectId": f"Cabinet|{i}", "parentReceptacles": [f"Cabinet|{1 - i}"]} for i in (0, 1)]
    twins = [found("Cabinet", (0.5, 0.4, 0.7), 0.0, **names) for names in each]
    made = {thing.id: thing for thing in things([plate, counter, *twins])}
    assert next(iter(made)) == "CounterTop|1" and made["CounterTop|1"].parent is None
    assert made["Plate|1"].parent == "CounterTop|1" and not made["Plate|1"].solid and made["CounterTop|1"].solid
    assert {made["Cabinet|0"].parent, made["Cabinet|1"].parent} == {"CounterTop|1"}  # built into it


def test_a_curtain_round_a_corner_stops_nobody():
    flat, deep = (things([found("Curtains", (2.0, depth, 2.0), 0.0)])[0] for depth in (0.1, 1.5))
    assert flat.solid and not deep.solid


def test_drawers_belong_to_their_furniture():
    house = thor_rooms.house("FloorPlan301")
    parents = [thing.parent for thing in house.things if thing.type == "Drawer"]
    assert {parent and parent.split("|")[0] for parent in parents} == {"Dresser", "Desk"}
