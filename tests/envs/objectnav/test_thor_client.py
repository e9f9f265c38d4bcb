"""AI2-THOR's own client code, given our metadata and images in the place of its program's."""

import numpy as np
import pytest

from foveal.envs.objectnav.thor import controller as thor
from foveal.envs.objectnav.thor import metrics as thor_metrics
from foveal.envs.objectnav.thor import real as thor_real

server = pytest.importorskip("ai2thor.server", reason="the client of AI2-THOR is not installed", exc_type=ImportError)
metrics = pytest.importorskip("ai2thor.util.metrics", reason="the client of AI2-THOR is not installed")


def read(event):
    """The event that AI2-THOR's client makes of what its program would send: images from below upwards, with alpha."""
    made = server.Event(event.metadata)
    made.add_image(np.ascontiguousarray(event.frame[::-1]).tobytes())
    for add, frame in (
        (made.add_image_ids, event.instance_segmentation_frame),
        (made.add_image_classes, event.semantic_segmentation_frame),
    ):
        alpha = np.full((*frame.shape[:2], 1), 255, np.uint8)
        add(np.concatenate([frame, alpha], 2)[::-1].tobytes())
    return made


def test_its_event_reads_ours_alike():
    controller = thor.Controller(
        scene="FloorPlan5", width=80, height=64, renderInstanceSegmentation=True, renderSemanticSegmentation=True
    )
    for position in controller.step("GetReachablePositions").metadata["actionReturn"][::15]:
        event = controller.step("Teleport", position=position, rotation=90, horizon=30)
        made = read(event)
        for name in ("frame", "cv2img", "instance_segmentation_frame", "semantic_segmentation_frame"):
            np.testing.assert_array_equal(getattr(made, name), getattr(event, name))
        assert dict(made.instance_detections2D) == event.instance_detections2D
        assert {name: set(boxes) for name, boxes in made.class_detections2D.items()} == {
            name: set(boxes) for name, boxes in event.class_detections2D.items()
        }
        for masks in ("instance_masks", "class_masks"):
            theirs, ours = dict(getattr(made, masks)), getattr(event, masks)
            assert theirs.keys() == ours.keys()
            for name, mask in theirs.items():
                np.testing.assert_array_equal(mask, ours[name])
        assert made.color_to_object_id == event.color_to_object_id
        assert made.object_id_to_color == event.object_id_to_color
        assert (made.pose, made.pose_discrete, bool(made)) == (event.pose, event.pose_discrete, bool(event))


def test_its_metrics_are_ours():
    controller = thor.Controller(scene="FloorPlan_Val1_2", agentMode="locobot", headless=True)
    positions = controller.step("GetReachablePositions").metadata["actionReturn"]
    for found in controller.last_event.metadata["objects"][:8]:
        for position in positions[::60]:
            target = controller, found["objectId"], position
            path = thor_metrics.get_shortest_path_to_object(*target)
            assert path == metrics.get_shortest_path_to_object(*target)
            walked = [*path, *path[::-1]]
            assert metrics.compute_single_spl(walked, path, True) == thor_metrics.compute_single_spl(walked, path, True)
            assert metrics.path_distance(path) == pytest.approx(thor_metrics.path_distance(path))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore:invalid escape:DeprecationWarning")
def test_a_program_that_ends_at_once_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(
        RuntimeError, match=f"^{program} ended at once, with status 3: see .*unity.log; most builds need"
    ):
        thor_real.controller(program)
