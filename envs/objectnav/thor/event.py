"""What a step returns: metadata, images and masks under AI2-THOR's names, worked out when first asked for."""

from __future__ import annotations

import copy
import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.thor.masks import Box, Frame, Mask, Segments
from foveal.envs.objectnav.thor.place import Colour, vector
from foveal.envs.objectnav.thor.settings import AGENT_HEIGHT_M
from foveal.envs.objectnav.thor.stage import Pose, Stage

_OF_SCENE = ("_source", "_images", "_segments", "_wanted")


class Report(NamedTuple):
    """What became of an action.

    Attributes:
        action: Its name, as it was called.
        success: Whether it did what it should.
        message: Why not.
        code: AI2-THOR's name of the kind of error; "" for none.
        result: What it returns, if anything.
        collided: Names of what was in the way.
    """

    action: str
    success: bool = True
    message: str = ""
    code: str = ""
    result: Any = None
    collided: tuple[str, ...] = ()


class Event:
    """The state after a step. Nothing of it is read by the controller: callers may change and clear what they like.

    `third_party_…` are empty lists: there are no other cameras.
    """

    def __init__(self, stage: Stage, pose: Pose, report: Report) -> None:
        self._source = (stage, pose, report)
        self._success = report.success
        self.screen_width, self.screen_height = stage.settings.width, stage.settings.height
        self.normals_frame = self.flow_frame = None
        self.third_party_camera_frames: list[Frame] = []
        self.third_party_depth_frames: list[NDArray[np.float32]] = []
        self.third_party_instance_masks: list[dict[str, Mask]] = []
        self.third_party_class_masks: list[dict[str, Mask]] = []
        self.third_party_instance_segmentation_frames: list[Frame] = []
        self.third_party_semantic_segmentation_frames: list[Frame] = []
        self.third_party_normals_frames: list[Frame] = []
        self.third_party_flows_frames: list[Frame] = []

    def __bool__(self) -> bool:
        return self._success

    def __repr__(self) -> str:
        named = ("lastAction", "lastActionSuccess", "errorMessage")
        return f"<Event {', '.join(f'{name}={self.metadata.get(name)!r}' for name in named)}>"

    def __getstate__(self) -> dict[str, Any]:
        """All that was asked for and may be, without the scene: so that events can be copied and pickled."""
        for name, part in vars(type(self)).items():
            if isinstance(part, cached_property) and name not in _OF_SCENE:
                getattr(self, name)
        return {name: value for name, value in self.__dict__.items() if name not in _OF_SCENE}

    @property
    def events(self) -> list[Event]:
        """This one: there is a single agent."""
        return [self]

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """AI2-THOR's metadata, a plain dict."""
        return metadata(*self._source)

    @cached_property
    def _images(self) -> dict[str, NDArray[Any]]:
        stage, pose, _ = self._source
        return stage.images(pose)

    @cached_property
    def _segments(self) -> Segments | None:
        if "instance" not in self._images:
            return None
        return Segments(self._source[0].place, self._images["instance"], self._images["semantic"])

    @cached_property
    def _wanted(self) -> Segments | None:
        """The segments if images of instances were asked for."""
        return self._segments if self._source[0].settings.renderInstanceSegmentation else None

    @cached_property
    def frame(self) -> Frame | None:
        """(H, W, 3) uint8 RGB; None, as the others, unless the settings ask for it."""
        return self._images.get("rgb")

    @property
    def cv2img(self) -> Frame | None:
        """`frame` as OpenCV has it, BGR."""
        return None if self.frame is None else self.frame[..., ::-1]

    @cached_property
    def depth_frame(self) -> NDArray[np.float32] | None:
        """(H, W) float32 z-depth, m, at most 20."""
        return self._images.get("depth")

    @cached_property
    def instance_segmentation_frame(self) -> Frame | None:
        """(H, W, 3) uint8 in the colours of objects; walls and what else is no object have their type's."""
        return self._wanted.instance_frame() if self._wanted else None

    @cached_property
    def semantic_segmentation_frame(self) -> Frame | None:
        """(H, W, 3) uint8 in the colours of types."""
        asked = self._source[0].settings.renderSemanticSegmentation
        return self._segments.semantic_frame() if self._segments and asked else None

    @cached_property
    def instance_masks(self) -> dict[str, Mask]:
        """(H, W) bool of each object in view, by its id."""
        return self._wanted.instance_masks() if self._wanted else {}

    @cached_property
    def class_masks(self) -> dict[str, Mask]:
        """Likewise by type."""
        return self._wanted.class_masks() if self._wanted else {}

    @cached_property
    def instance_detections2D(self) -> dict[str, Box] | None:
        """(left, top, right, bottom) pixels, both ends inside, of each object in view, by its id."""
        return self._wanted.instance_boxes() if self._wanted else None

    @cached_property
    def class_detections2D(self) -> dict[str, tuple[Box, ...]]:
        """Likewise of all objects of a type."""
        return self._wanted.class_boxes() if self._wanted else {}

    @cached_property
    def object_id_to_color(self) -> dict[str, Colour]:
        """(r, g, b) by object id and by type; empty where neither is rendered."""
        stage = self._source[0]
        return dict(stage.place.colours) if _has_colours(stage) else {}

    @cached_property
    def color_to_object_id(self) -> dict[Colour, str]:
        """The other way round."""
        return {colour: name for name, colour in self.object_id_to_color.items()}

    @property
    def pose(self) -> tuple[int, int, int, int]:
        """(x, z) in mm, rotation and horizon in thousandths of a degree."""
        x, z, rotation, horizon = self._pose()
        return round(x * 1000), round(z * 1000), round(rotation * 1000), round(horizon * 1000)

    @property
    def pose_discrete(self) -> tuple[int, int, int, int]:
        """(x, z) in steps of 0.25 m, rotation in quarter turns, both cut off to whole numbers; horizon in degrees."""
        x, z, rotation, horizon = self._pose()
        return int(x / 0.25), int(z / 0.25), int(rotation / 90), round(horizon)

    def _pose(self) -> tuple[float, float, float, float]:
        agent = self.metadata["agent"]
        place = agent["position"]
        return place["x"], place["z"], agent["rotation"]["y"], agent["cameraHorizon"]

    def get_object(self, object_id: str) -> dict[str, Any] | None:
        """The object of that id in `metadata`."""
        return next((found for found in self.metadata["objects"] if found["objectId"] == object_id), None)

    def objects_by_type(self, object_type: str) -> list[dict[str, Any]]:
        """The objects of a type in `metadata`."""
        return [found for found in self.metadata["objects"] if found["objectType"] == object_type]


def metadata(stage: Stage, pose: Pose, report: Report) -> dict[str, Any]:
    """AI2-THOR's metadata, as plain data that is shared with nobody."""
    place, settings = stage.place, stage.settings
    position = vector(pose.x, pose.y, AGENT_HEIGHT_M)
    objects = place.records()
    for record, seen in zip(objects, stage.visible(pose).tolist(), strict=True):
        there = record["position"]
        record["visible"] = record["isInteractable"] = seen
        record["distance"] = math.dist(position.values(), (there["x"], there["y"], there["z"]))
    result = copy.deepcopy(report.result)
    older = {"reachablePositions": result} if report.action == "GetReachablePositions" else {}  # an alias in AI2-THOR
    colours = [{"name": name, "color": list(colour)} for name, colour in place.colours.items()]
    return {
        "agentId": 0,
        "lastAction": report.action,
        "lastActionSuccess": report.success,
        "errorMessage": report.message,
        "errorCode": report.code,
        "actionReturn": result,
        "sceneName": place.name,
        "agent": {
            "name": "agent",
            "position": position,
            "rotation": {"x": 0.0, "y": pose.rotation, "z": 0.0},
            "cameraHorizon": pose.horizon,
            "isStanding": pose.standing,
            "inHighFrictionArea": False,
        },
        "cameraPosition": vector(*stage.camera(pose)),
        "fov": settings.fov,
        "objects": objects,
        "sceneBounds": place.bounds,
        "collided": bool(report.collided),
        "collidedObjects": list(report.collided),
        "inventoryObjects": [],
        "isSceneAtRest": True,
        "colors": colours if _has_colours(stage) else None,
        "screenWidth": settings.width,
        "screenHeight": settings.height,
        "thirdPartyCameras": [],
        **older,
    }


def _has_colours(stage: Stage) -> bool:
    return stage.settings.renderInstanceSegmentation or stage.settings.renderSemanticSegmentation
