"""The Controller's own: scenes, arguments, errors, records; what both Controllers share is in test_thor_contract."""

import copy
import json
import logging
import pickle
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.procedural import houses as procedural
from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.scenes.house_json import house_to_json
from foveal.envs.objectnav.thor.actions import ACTIONS
from foveal.envs.objectnav.thor.controller import Controller
from foveal.envs.objectnav.thor.place import place_of, vector
from foveal.envs.objectnav.thor.settings import Settings, tell
from foveal.envs.objectnav.thor.stage import Stage

SMALL = {"width": 32, "height": 24}


@pytest.fixture(scope="module")
def controller():
    return Controller(scene="FloorPlan301", **SMALL)


def test_a_random_agent_of_a_public_script():
    """What scripts on the web do: clear metadata, paint on frames, call actions as dicts, look for masks."""
    controller = Controller(
        agentMode="default", visibilityDistance=1.5, scene="FloorPlan201", gridSize=0.25, snapToGrid=True,
        rotateStepDegrees=90, renderDepthImage=True, renderInstanceSegmentation=True, width=80, height=60,
        fieldOfView=90, commit_id="f0825767cd50d69f666c7f282e54abfe58f1e917", platform="CloudRendering", quality="Low",
        makeAgentsVisible=False,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    positions = controller.step(action="GetReachablePositions").metadata["actionReturn"]
    start = positions[rng.integers(len(positions))]
    controller.step(dict(action="TeleportFull", **start, rotation=dict(x=0, y=90, z=0), horizon=30, standing=True))
    actions = ["MoveAhead", "MoveBack", "RotateRight", "RotateLeft", "LookUp", "LookDown"]
    path, seen = [], set()
    for _ in range(60):
        event = controller.step(action=str(rng.choice(actions)))
        if not event.metadata["lastActionSuccess"]:
            assert event.metadata["errorMessage"]
        path.append(event.metadata["agent"]["position"])
        seen |= set(event.instance_masks)
        event.frame[:] = 0
        event.metadata.clear()
    assert len(seen) > 5
    ids = {found["objectId"] for found in controller.step("Done").metadata["objects"]}
    assert seen <= ids
    reached = {(round(p["x"], 3), round(p["z"], 3)) for p in positions}
    assert {(round(p["x"], 3), round(p["z"], 3)) for p in path} <= reached
    controller.stop()
    with pytest.raises(RuntimeError, match="was stopped"):
        controller.step("MoveAhead")


@pytest.mark.parametrize("name", ["FloorPlan28", "FloorPlan430_physics", "FloorPlan_Val3_5", "Procedural_Test_3"])
def test_scenes_by_name(name):
    controller = Controller(scene=name, headless=True)
    event = controller.last_event
    assert event.frame is None
    assert event.metadata["sceneName"] == (f"{name}_physics" if name == "FloorPlan28" else name)
    positions = controller.step("GetReachablePositions").metadata["actionReturn"]
    assert len(positions) > 10
    assert all(controller.step("Teleport", position=position) for position in positions)


def test_scenes_that_are_houses():
    house = procedural.house(5, rooms=2)
    data = house_to_json(house)
    events = [Controller(scene=scene, **SMALL).last_event for scene in (house, data, json.loads(json.dumps(data)))]
    for event in events[1:]:
        np.testing.assert_array_equal(event.frame, events[1].frame)
        assert event.metadata["sceneName"] == "Procedural"
        assert {found["objectId"] for found in event.metadata["objects"]} >= {thing.id for thing in house.things}
    floors = [found["objectId"] for found in events[0].objects_by_type("Floor")]
    assert floors == [room.id for room in house.rooms]
    standing = [found for found in events[0].metadata["objects"] if found["parentReceptacles"] == floors[:1]]
    assert standing
    assert set(events[0].get_object(floors[0])["receptacleObjectIds"]) >= {found["objectId"] for found in standing}


def test_the_scene_where_nothing_is_said():
    assert Controller(headless=True).last_event.metadata["sceneName"] == "FloorPlan10_physics"
    locobot = Controller(headless=True, agentMode="bot").last_event.metadata
    assert locobot["sceneName"] == "FloorPlan_Train10_1"
    assert locobot["fov"] == 60
    assert locobot["cameraPosition"]["y"] == pytest.approx(0.8698)


def test_scene_names(controller):
    assert len(controller.ithor_scenes()) == 120
    assert controller.ithor_scenes(include_kitchens=False)[0] == "FloorPlan201_physics"
    assert len(controller.robothor_scenes(include_train=False)) == 15
    assert controller.scenes_in_build == set(controller.scene_names())


@pytest.mark.parametrize(
    ("scene", "message"),
    [("FloorPlan31", "Scene 'FloorPlan31' not contained in build"), ("Procedural_-1", "not contained"), ({}, "rooms")],
)
def test_bad_scenes(controller, scene, message):
    before = controller.scene
    with pytest.raises(ValueError, match=message) as caught:
        controller.reset(scene)
    assert "\n" not in str(caught.value)
    assert controller.scene == before
    assert controller.step("Pass")


def test_real_rooms_have_their_own_records(controller):
    records = {record["objectId"]: record for record in thor_rooms.scene_objects("FloorPlan301")[1]}
    dynamic = {"visible", "isInteractable", "distance"}
    same = 0
    for found in controller.last_event.metadata["objects"]:
        if record := records.get(found["objectId"]):
            same += 1
            assert {name: found[name] for name in found.keys() - dynamic} == {
                name: record[name] for name in record.keys() - dynamic
            }
    assert same > 0.9 * len(records)


def test_made_records_have_what_real_ones_have():
    real = set(place_of("FloorPlan1").records()[0])
    for record in place_of("Procedural_2").records():
        assert set(record) | {"visible", "isInteractable", "distance"} == real


def test_made_records_agree_with_real_ones(monkeypatch):
    """Without AI2-THOR's own records a room is told of nearly as they do."""
    real = {record["objectId"]: record for record in place_of("FloorPlan301").records()}
    monkeypatch.setattr("foveal.envs.objectnav.thor.place.is_real", lambda name: False)
    traits = ["openable", "receptacle", "breakable", "toggleable", "pickupable", "moveable", "sliceable"]
    house = thor_rooms.house("FloorPlan301")
    made = {record["objectId"]: record for record in type(place_of("FloorPlan1"))(house, "x").records()}
    shared = real.keys() & made.keys()
    assert len(shared) > 20
    equal = [real[name][trait] == made[name][trait] for name in shared for trait in traits]
    assert np.mean(equal) > 0.97
    apart = [
        [real[name]["axisAlignedBoundingBox"][part][axis] - made[name]["axisAlignedBoundingBox"][part][axis]]
        for name in shared
        for part in ("center", "size")
        for axis in "xyz"
    ]
    assert np.quantile(np.abs(apart), 0.95) < 0.05  # a turned box is larger than a round thing in it


def test_instances_have_colours_of_their_own():
    for name in ("FloorPlan1", "Procedural_Val_4"):
        place = place_of(name)
        assert len(set(place.colours.values())) == len(place.colours)
        assert (0, 0, 0) not in place.colours.values()
        assert place.colours == type(place)(place.house, name).colours


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width=0: must be a whole number from 1 to 4096"),
        ({"gridSize": float("nan")}, "gridSize=nan: must be a number from 0.05 to 10"),
        ({"gridSize": "wide"}, "gridSize='wide'"),
        ({"fieldOfView": 180}, "fieldOfView=180: must be a number from 0 to 179"),
        ({"fieldOfView": 0}, "fieldOfView"),
        ({"visibilityDistance": -1}, "visibilityDistance=-1"),
        ({"agentMode": "drone"}, "agentMode='drone': must be one of default, locobot"),
        ({"agentControllerType": "physics"}, "no longer an allowed initialization parameter"),
    ],
)
def test_bad_arguments(controller, arguments, message):
    with pytest.raises(ValueError, match=message):
        controller.reset(**arguments)
    assert controller.step("Pass")


def test_older_names_of_arguments():
    told = Settings().updated({"renderObjectImage": True, "renderClassImage": True})
    assert told.renderInstanceSegmentation
    assert told.renderSemanticSegmentation


def test_what_has_no_effect_is_logged_once(controller, caplog):
    tell.cache_clear()
    with caplog.at_level(logging.WARNING, "foveal.thor"):
        for _ in range(2):
            controller.reset(commit_id="abc", somethingNew=3)
            controller.step("MoveAhead", agentId=0)
    assert [record.getMessage() for record in caplog.records] == [
        "Controller(commit_id=…): an argument without effect here",
        "Controller(somethingNew=…): an argument without effect here",
        "MoveAhead(agentId=…): an argument without effect here",
    ]


@pytest.mark.parametrize(
    ("action", "arguments", "message"),
    [
        ("PickupObject", {"objectId": "Mug|1"}, "Invalid action: PickupObject; there are MoveAhead, "),
        (None, {}, "Invalid action: None"),
        ("MoveAhead", {"moveMagnitude": "far"}, "moveMagnitude='far': must be a number"),
        ("RotateRight", {"degrees": float("inf")}, "degrees=inf: must be a number"),
        ("Teleport", {"position": 3}, "position=3: must have x, y and z"),
        ("Teleport", {"x": 1.0}, "must have x, y and z"),
        ("GetShortestPath", {}, "objectId or objectType"),
        ("GetReachablePositions", {"gridSize": 0}, "gridSize=0: must be from 0.05 to 10"),
    ],
)
def test_bad_actions(controller, action, arguments, message):
    pose = controller.step("Pass").pose
    with pytest.raises(ValueError, match=message):
        controller.step(action, **arguments)
    event = controller.last_event
    assert not event
    assert re.search(message, event.metadata["errorMessage"])
    assert event.metadata["errorCode"] in ("InvalidAction", "InvalidArgument")
    assert event.pose == pose


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.floats() | st.sampled_from([0, 30, -30])), max_size=12))
def test_whatever_is_asked_the_agent_stands_free_and_looks_within_its_limits(controller, asked):
    controller.reset()
    for name, value in asked:
        for argument in ("moveMagnitude", "degrees", "horizon", "rotation", "objectType", "x"):
            before = controller.last_event.pose
            arguments = {argument: value} | ({"z": 0.0} if argument == "x" else {})
            try:
                event = controller.step(name, **arguments)
            except ValueError as error:
                assert "\n" not in str(error)
                event = controller.last_event
                assert event.pose == before
            agent = event.metadata["agent"]
            assert -30 <= agent["cameraHorizon"] <= 60
            assert 0 <= agent["rotation"]["y"] < 360
            assert controller.step("Teleport", position=agent["position"])


@pytest.mark.parametrize("action", ["Done", "Stop", "End", "Pass"])
def test_nothing_is_done_by(controller, action):
    before = controller.last_event.pose
    event = controller.step(action)
    assert event
    assert event.pose == before
    assert event.metadata["lastAction"] == action


def test_initialize_as_older_scripts_call_it(controller):
    event = controller.step(dict(action="Initialize", gridSize=0.5, renderDepthImage=True))
    assert event.depth_frame.shape == (24, 32)
    assert event.metadata["actionReturn"]["cameraFarPlane"] == 20
    coarse = controller.step("GetReachablePositions").metadata["actionReturn"]
    fine = controller.step("GetReachablePositions", gridSize=0.25).metadata["reachablePositions"]
    assert len(coarse) < len(fine) / 2
    controller.reset(gridSize=0.25, renderDepthImage=False)


def test_off_the_grid():
    """Turns of 30 degrees without snapping: three sides of a hexagon lead as far as geometry says."""
    controller = Controller(
        scene="FloorPlan201", headless=True, snapToGrid=False, rotateStepDegrees=30, agentMode="locobot"
    )
    for position in controller.step("GetReachablePositions").metadata["actionReturn"][::7]:
        start = controller.step("Teleport", position=position, rotation=0).metadata["agent"]["position"]
        if all(controller.step(action) for action in ("MoveAhead", *["RotateRight"] * 2, "MoveAhead")):
            end = controller.last_event.metadata["agent"]["position"]
            assert end["x"] - start["x"] == pytest.approx(0.25 * np.sin(np.pi / 3))
            assert end["z"] - start["z"] == pytest.approx(0.25 * 1.5)
            return
    pytest.fail("no free place in the room")


def test_a_forced_teleport_goes_anywhere(controller):
    controller.reset()
    event = controller.step("TeleportFull", x=50, y=3, z=50, rotation=45, horizon=80, standing=True, forceAction=True)
    assert event
    assert event.metadata["agent"]["position"] == vector(50, 50, 0.9009992)
    assert not controller.step("MoveAhead")
    assert controller.reset()


def test_the_blocker_is_an_object_of_the_scene(controller):
    controller.reset()
    names = {found["name"] for found in controller.last_event.metadata["objects"]} | {"Wall"}
    blockers = set()
    for position in controller.step("GetReachablePositions").metadata["actionReturn"]:
        for rotation in (0, 90, 180, 270):
            controller.step("Teleport", position=position, rotation=rotation)
            event = controller.step("MoveAhead", moveMagnitude=0.5)
            if not event:
                blockers |= set(event.metadata["collidedObjects"])
                assert event.metadata["errorMessage"].startswith(event.metadata["collidedObjects"][0])
    assert blockers <= names
    assert len(blockers) > 3


def test_events_can_be_copied_and_pickled(controller):
    event = controller.reset(renderInstanceSegmentation=True, renderDepthImage=True)
    for other in (copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        np.testing.assert_array_equal(other.frame, event.frame)
        assert other.metadata == event.metadata
        assert other.instance_masks.keys() == event.instance_masks.keys()
        assert len(pickle.dumps(other)) < 3e5
        assert bool(other)
    controller.reset(renderInstanceSegmentation=False, renderDepthImage=False)


def test_what_is_visible_does_not_depend_on_the_image_size():
    small, large = (
        Stage(place_of("FloorPlan301"), Settings(width=size, height=size, visibilityDistance=3)) for size in (16, 600)
    )
    pose = small.start
    for rotation in range(0, 360, 30):
        turned = pose._replace(rotation=float(rotation))
        np.testing.assert_array_equal(small.visible(turned), large.visible(turned))


def test_all_is_visible_from_afar_that_nothing_hides():
    near, far = (
        Stage(place_of("FloorPlan301"), Settings(visibilityDistance=distance)) for distance in (1.5, float("inf"))
    )
    gained = 0
    for rotation in range(0, 360, 30):
        pose = near.start._replace(rotation=float(rotation))
        assert (far.visible(pose) >= near.visible(pose)).all()
        gained += (far.visible(pose) > near.visible(pose)).sum()
    assert gained > 10


def test_depth_agrees_with_where_things_are():
    """A pixel's depth, brought back into the world, lies on the box of the thing that the pixel shows."""
    controller = Controller(
        scene="FloorPlan301",
        width=64,
        height=64,
        renderDepthImage=True,
        renderInstanceSegmentation=True,
        fieldOfView=60,
    )
    checked = 0
    for position in controller.step("GetReachablePositions").metadata["actionReturn"][::10]:
        event = controller.step("Teleport", position=position, rotation=90, horizon=30)
        eye = np.array([event.metadata["cameraPosition"][axis] for axis in "xyz"])
        focal = 32 / np.tan(np.radians(30))
        for name, mask in event.instance_masks.items():
            rows, columns = np.nonzero(mask)
            right, up = (columns - 31.5) / focal, -(rows - 31.5) / focal
            tilt = np.radians(30)
            ahead, height = np.cos(tilt) + up * np.sin(tilt), up * np.cos(tilt) - np.sin(tilt)
            way = np.stack([ahead, height, -right], 1)  # at rotation 90, +x is ahead and -z to the right
            points = eye + way * event.depth_frame[mask][:, None]
            corners = np.array(event.get_object(name)["axisAlignedBoundingBox"]["cornerPoints"])
            inside = (points > corners.min(0) - 0.06).all(1) & (points < corners.max(0) + 0.06).all(1)
            checked += len(points)
            assert inside.mean() > 0.9, (name, inside.mean())
    assert checked > 2000
