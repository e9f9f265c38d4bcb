"""What a script may rely on, whichever Controller it was given, foveal's or AI2-THOR's."""

import copy
import math
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from foveal.envs.objectnav.thor import controller as thor
from foveal.envs.objectnav.thor import metrics as thor_metrics
from foveal.envs.objectnav.thor import real as thor_real

SCENE = "FloorPlan301"
ARGUMENTS = {
    "scene": SCENE, "width": 96, "height": 72, "gridSize": 0.25, "renderDepthImage": True,
    "renderInstanceSegmentation": True, "renderSemanticSegmentation": True, "fieldOfView": 90, "snapToGrid": True,
    "rotateStepDegrees": 90, "visibilityDistance": 1.5,
}  # fmt: skip


pytestmark = [  # of AI2-THOR's client
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning"),
]


@pytest.fixture(scope="module", params=["ours", "client", "real"])
def running(request, tmp_path_factory):
    """Our Controller; AI2-THOR's client on a program of ours in the place of a build; that client on a build."""
    if request.param == "ours":
        with thor.Controller(**ARGUMENTS) as controller:
            yield controller
        return
    if request.param == "real" and not os.environ.get(thor_real.VARIABLE):
        pytest.skip(f"{thor_real.VARIABLE} names no build of AI2-THOR")
    if find_spec("ai2thor") is None:
        pytest.skip("AI2-THOR's client is not installed: pip install 'foveal[thor]'")
    if request.param == "client":
        program = tmp_path_factory.mktemp("thor") / "program"
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name('thor_program.py')}\n")
        program.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(program.parent))  # where it writes logs
            with thor_real.controller(program, **ARGUMENTS) as controller:
                yield controller
        return
    with thor_real.controller(**ARGUMENTS) as controller:
        yield controller


@pytest.fixture
def controller(running):
    running.reset(SCENE, **{name: value for name, value in ARGUMENTS.items() if name != "scene"})
    return running


def place(event):
    return event.metadata["agent"]["position"]


def reachable(controller):
    return controller.step("GetReachablePositions").metadata["actionReturn"]


def stand(controller, position, rotation=0, horizon=0):
    return controller.step(
        action="TeleportFull", position=position, rotation=dict(x=0, y=rotation, z=0), horizon=horizon, standing=True
    )


def near(a, b):
    return math.hypot(a["x"] - b["x"], a["z"] - b["z"]) < 1e-3


def test_what_an_event_has(controller):
    event = controller.last_event
    assert event.frame.shape == (72, 96, 3)
    assert event.frame.dtype == np.uint8
    assert (event.cv2img == event.frame[..., ::-1]).all()
    assert event.depth_frame.shape == (72, 96)
    assert event.depth_frame.dtype == np.float32
    assert 0.05 < event.depth_frame.min() <= event.depth_frame.max() <= 20
    assert event.instance_segmentation_frame.shape == event.semantic_segmentation_frame.shape == (72, 96, 3)
    assert event.events == [event]
    assert (event.screen_width, event.screen_height) == (96, 72)
    assert event.third_party_camera_frames == []
    assert (event.metadata["screenWidth"], event.metadata["screenHeight"]) == (96, 72)
    assert event.metadata["sceneName"].startswith(SCENE)
    assert event.metadata["fov"] == pytest.approx(90)
    assert event.metadata["lastAction"] == "Initialize"
    assert bool(event) is event.metadata["lastActionSuccess"] is True
    assert event.metadata["errorMessage"] == ""


def test_what_an_object_has(controller):
    objects = controller.last_event.metadata["objects"]
    assert len({found["objectId"] for found in objects}) == len(objects) > 20
    for found in objects:
        assert found["objectId"].split("|")[0] in (found["objectType"], "Television", "Desktop")
        assert set(found["position"]) == set(found["rotation"]) == {"x", "y", "z"}
        assert isinstance(found["visible"], bool)
        for flag in ("pickupable", "moveable", "openable", "receptacle", "toggleable", "breakable", "isOpen"):
            assert isinstance(found[flag], bool)
        box = found["axisAlignedBoundingBox"]
        corners = np.array(box["cornerPoints"])
        assert corners.shape == (8, 3)
        np.testing.assert_allclose(np.ptp(corners, axis=0), [box["size"][axis] for axis in "xyz"], atol=1e-3)
        middle = (corners.min(0) + corners.max(0)) / 2
        np.testing.assert_allclose(middle, [box["center"][axis] for axis in "xyz"], atol=1e-3)
    beds = controller.last_event.objects_by_type("Bed")
    assert beds
    assert controller.last_event.get_object(beds[0]["objectId"])["objectType"] == "Bed"
    assert controller.last_event.get_object("Nothing|1") is None


def test_distances_are_from_the_agent(controller):
    for position in reachable(controller)[::20]:
        event = stand(controller, position)
        for found in event.metadata["objects"]:
            expected = math.dist(place(event).values(), found["position"].values())
            assert found["distance"] == pytest.approx(expected, abs=2e-2)


@pytest.mark.parametrize("degrees", [90, 45, 30])
def test_turning_all_round_comes_back(controller, degrees):
    start = controller.last_event.metadata["agent"]["rotation"]["y"]
    for way, sign in (("RotateRight", 1), ("RotateLeft", -1)):
        for turns in range(1, 360 // degrees + 1):
            event = controller.step(way, degrees=degrees)
            turned = (event.metadata["agent"]["rotation"]["y"] - start - sign * turns * degrees + 180) % 360 - 180
            assert turned == pytest.approx(0, abs=1e-2)


def test_there_and_back(controller):
    moved = 0
    for position in reachable(controller)[::9]:
        for rotation in (0, 90, 180, 270):
            for there, back in (("MoveAhead", "MoveBack"), ("MoveLeft", "MoveRight")):
                start = place(stand(controller, position, rotation))
                if controller.step(there):
                    moved += 1
                    assert math.dist(start.values(), place(controller.last_event).values()) == pytest.approx(
                        0.25, abs=1e-2
                    )
                    assert controller.step(back)
                assert near(place(controller.last_event), start)
    assert moved > 20


def test_axes(controller):
    """Left-handed, y up: at rotation 0 ahead is +z, at 90 it is +x."""
    ways = {0: (0, 1), 90: (1, 0), 180: (0, -1), 270: (-1, 0)}
    seen = set()
    for position in reachable(controller)[::5]:
        for rotation, (x, z) in ways.items():
            start = place(stand(controller, position, rotation))
            if controller.step("MoveAhead"):
                end = place(controller.last_event)
                assert (end["x"] - start["x"], end["z"] - start["z"]) == pytest.approx((x / 4, z / 4), abs=1e-2)
                seen.add(rotation)
    assert seen == set(ways)


def test_all_reachable_positions_can_be_stood_at(controller):
    positions = reachable(controller)
    assert len(positions) > 30
    for position in positions:
        event = stand(controller, position)
        assert event.metadata["lastActionSuccess"], event.metadata["errorMessage"]
        assert near(place(event), position)


def test_a_blocked_move_leaves_all_as_it_was_and_tells_what_is_in_the_way(controller):
    stand(controller, reachable(controller)[0], 180)
    for _ in range(100):
        before = place(controller.last_event)
        event = controller.step(action="MoveAhead")
        if not event.metadata["lastActionSuccess"]:
            break
    assert not event
    assert near(place(event), before)
    assert "is blocking Agent 0 from moving" in event.metadata["errorMessage"]
    with pytest.raises(RuntimeError):
        controller.step("MoveAhead", raise_for_failure=True)


def test_looking_ends_at_the_limits(controller):
    stand(controller, reachable(controller)[0])
    assert controller.step("LookUp").metadata["agent"]["cameraHorizon"] == pytest.approx(-30, abs=1e-2)
    assert controller.step("LookUp").metadata["errorMessage"] == (
        "can't look up beyond 30 degrees above the forward horizon"
    )
    for horizon in (0, 30, 60):
        assert controller.step("LookDown").metadata["agent"]["cameraHorizon"] == pytest.approx(horizon, abs=1e-2)
    assert controller.step("LookDown").metadata["errorMessage"] == (
        "can't look down beyond 60 degrees below the forward horizon"
    )


def test_teleports_that_fail(controller):
    position = reachable(controller)[0]
    start = place(stand(controller, position))
    event = controller.step("Teleport", position={**position, "x": 50.0})
    assert "out of scene bounds" in event.metadata["errorMessage"]
    event = controller.step("Teleport", position=position, horizon=95)
    assert "horizon must be in [-30:60]" in event.metadata["errorMessage"]
    bed = controller.last_event.objects_by_type("Bed")[0]["axisAlignedBoundingBox"]["center"]
    assert not controller.step("Teleport", position={**bed, "y": position["y"]})
    assert near(place(controller.last_event), start)


def test_crouching_lowers_the_camera(controller):
    position = reachable(controller)[0]
    up = stand(controller, position).metadata["cameraPosition"]["y"]
    event = controller.step(action="TeleportFull", **position, rotation=90, horizon=0, standing=False)
    assert event
    assert not event.metadata["agent"]["isStanding"]
    assert up - event.metadata["cameraPosition"]["y"] == pytest.approx(0.675, abs=0.02)


@pytest.mark.parametrize("action", ["Done", "Pass"])
def test_nothing_is_done(controller, action):
    before = copy.deepcopy(controller.last_event.metadata["agent"])
    event = controller.step(dict(action=action))
    assert event.metadata["lastAction"] == action
    assert event
    assert event.metadata["agent"]["position"] == pytest.approx(before["position"], abs=1e-4)


def test_what_is_unknown_raises(controller):
    with pytest.raises(ValueError):
        controller.step("FlyAway")
    with pytest.raises(ValueError):
        controller.reset("FloorPlan99")


def test_visible_things_are_near_and_mostly_in_the_picture(controller):
    shown = visible = 0
    for position in reachable(controller)[::12]:
        for rotation in (0, 90, 180, 270):
            event = stand(controller, position, rotation, 30)
            for found in event.metadata["objects"]:
                if found["visible"] and found["objectType"] != "Floor":
                    box = np.array(found["axisAlignedBoundingBox"]["cornerPoints"])[:, [0, 2]]
                    here = np.array([place(event)["x"], place(event)["z"]])
                    assert np.linalg.norm(here - np.clip(here, box.min(0), box.max(0))) < 1.5 + 0.05
                    visible += 1
                    shown += found["objectId"] in event.instance_masks
    assert visible > 20
    assert shown > 0.8 * visible


def _in_view(event):
    return len(event.instance_masks)


def test_masks_boxes_and_colours_tell_the_same(controller):
    event = max((stand(controller, position, 90, 30) for position in reachable(controller)[::8]), key=_in_view)
    assert _in_view(event) > 4
    for name, mask in event.instance_masks.items():
        colour = event.object_id_to_color[name]
        assert event.color_to_object_id[colour] == name
        np.testing.assert_array_equal(mask, (event.instance_segmentation_frame == colour).all(-1))
        left, top, right, bottom = event.instance_detections2D[name]
        assert mask[top : bottom + 1, left : right + 1].sum() == mask.sum()
        kind = event.class_masks[name.split("|")[0]]
        assert kind[mask].all()
    for name, boxes in event.class_detections2D.items():
        assert all(
            event.class_masks[name][top : bottom + 1, left : right + 1].any() for left, top, right, bottom in boxes
        )


def test_shortest_paths_lead_to_things(controller):
    positions = reachable(controller)
    bed = controller.last_event.objects_by_type("Bed")[0]
    for position in positions[::15]:
        path = thor_metrics.get_shortest_path_to_object(controller, bed["objectId"], position)
        assert near(path[0], position)
        assert thor_metrics.path_distance(path) >= math.dist(
            (path[0]["x"], path[0]["z"]), (path[-1]["x"], path[-1]["z"])
        ) - 1e-3  # fmt: skip
    path = thor_metrics.get_shortest_path_to_point(controller, positions[0], positions[-1])
    assert math.hypot(path[-1]["x"] - positions[-1]["x"], path[-1]["z"] - positions[-1]["z"]) < 0.3
    with pytest.raises(ValueError, match="Unable to find"):
        thor_metrics.get_shortest_path_to_object(controller, "Bed|nowhere", positions[0])


def test_events_may_be_spoilt(controller):
    """Public code clears metadata and paints on frames: the next step does not know."""
    event = controller.last_event
    position = dict(place(event))
    event.metadata["objects"].clear()
    event.metadata["agent"]["position"]["x"] = 1e9
    event.metadata.clear()
    after = controller.step("Pass")
    assert near(place(after), position)
    assert len(after.metadata["objects"]) > 20


def test_earlier_events_stay_as_they_were(controller):
    first = stand(controller, reachable(controller)[0])
    frame, rotation = first.frame.copy(), first.metadata["agent"]["rotation"]["y"]
    second = controller.step("RotateRight")
    assert (second.frame != frame).any()
    assert (first.frame == frame).all()
    assert first.metadata["agent"]["rotation"]["y"] == rotation


def test_reset_changes_what_is_rendered(controller):
    event = controller.reset(SCENE, renderDepthImage=False, renderInstanceSegmentation=False, width=48, height=48)
    assert event.frame.shape == (48, 48, 3)
    assert event.depth_frame is None
    assert event.instance_segmentation_frame is None
