"""AI2-THOR's Controller, on foveal's houses: scripts for navigation run on it by changing one import.

    from foveal.envs.objectnav.thor.controller import Controller   # was: from ai2thor.controller import Controller

    controller = Controller(scene="FloorPlan1", renderDepthImage=True)
    event = controller.step("MoveAhead")
    event.metadata["lastActionSuccess"], event.frame, event.depth_frame

Names, axes (y up, left-handed, degrees), defaults and error messages are AI2-THOR 5.0's for the actions of
`thor_actions.ACTIONS`. Scenes are `thor_place.place_of`'s. What differs:

- Everything stands still, and the LoCoBot's motion has no noise; other actions raise ValueError.
- A thing is its box: it blocks, and is visible, as in `obstacles` and `visibility`. The agent stands on the floor.
- `GetShortestPath` leads to where the object is visible, along the geodesic of `navigation`.
- An argument without effect is logged once (logger "foveal.thor"), be it of the Controller, of Initialize or of a step.
- Events work out their images and metadata when asked for them, and may be changed at will.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.thor.actions import ACTIONS, Refused, act
from foveal.envs.objectnav.thor.event import Event, Report
from foveal.envs.objectnav.thor.place import place_of
from foveal.envs.objectnav.thor.settings import Settings
from foveal.envs.objectnav.thor.stage import Stage

_PLANES = {"cameraNearPlane": 0.1, "cameraFarPlane": 20.0}
"""What Initialize returns."""


class Controller:
    """An agent in a scene; see the module.

    Args:
        scene: See `thor_place.place_of`; None: the scene that AI2-THOR begins in, FloorPlan10 or for the LoCoBot
            FloorPlan_Train10_1.
        width: Of the images, pixels.
        height: Likewise.
        headless: Whether nothing is rendered.
        **arguments: Of Initialize (`thor_settings.Settings`), or others, which are logged.

    Attributes:
        last_event: The last step's `Event`.
        scene: The scene as it was asked for.
        initialization_parameters: All that Initialize was told.

    Raises:
        ValueError: For a scene that is not there, or a bad argument.
    """

    last_event: Event

    def __init__(
        self, *, scene: Any = None, width: int = 300, height: int = 300, headless: bool = False, **arguments: Any
    ) -> None:
        self._stopped = False
        if headless:
            arguments["renderImage"] = False
        if scene is None:
            is_locobot = str(arguments.get("agentMode")).lower() in ("locobot", "bot")
            scene = "FloorPlan_Train10_1" if is_locobot else "FloorPlan10"
        self._settings, self.scene = Settings().updated({"width": width, "height": height, **arguments}), scene
        self._place = place_of(scene)
        self._stage = Stage(self._place, self._settings)
        self.initialization_parameters = dict(arguments)
        self.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reset(self, scene: Any = None, **arguments: Any) -> Event:
        """Begin anew, in the same scene or another, with what Initialize is told from now on.

        Raises:
            ValueError: As of the Controller; nothing has changed then.
        """
        self._check_running()
        settings = self._settings.updated(arguments)
        place = self._place if scene is None or scene is self._place.house else place_of(scene)
        if place is not self._place or settings != self._settings:
            self._stage = Stage(place, settings)
        self._place, self._settings, self._pose = place, settings, self._stage.start
        self.scene = self.scene if scene is None else scene
        self.initialization_parameters |= arguments
        return self._tell(Report("Initialize", result=dict(_PLANES)))

    def step(self, action: str | Mapping[str, Any] | None = None, **arguments: Any) -> Event:
        """Do an action: one of `thor_actions.ACTIONS`, or Initialize.

        Args:
            action: Its name, or a dict of it ("action") and its arguments.
            **arguments: Its arguments; with `raise_for_failure=True` a failure raises RuntimeError.

        Raises:
            ValueError: For an unknown action, or an argument that is missing or of the wrong kind.
            RuntimeError: After `stop`.
        """
        self._check_running()
        told = {**(action if isinstance(action, Mapping) else {"action": action}), **arguments}
        name, strict = str(told.pop("action", None)), told.pop("raise_for_failure", False)
        try:
            if name == "Initialize":
                return self.reset(**told)
            if name not in ACTIONS:
                raise ValueError(f"Invalid action: {name}; there are {', '.join(ACTIONS)}")
            self._pose, result = act(name, self._stage, self._pose, told)
        except ValueError as error:
            known = name in ACTIONS or name == "Initialize"
            self._tell(Report(name, False, str(error), "InvalidArgument" if known else "InvalidAction"))
            raise
        except Refused as refused:
            self._tell(Report(name, False, str(refused), collided=refused.collided))
            if strict:
                raise RuntimeError(str(refused)) from None
            return self.last_event
        return self._tell(Report(name, result=result))

    def stop(self) -> None:
        """End: only `last_event` can be used from now on."""
        self._stopped = True

    @property
    def scenes_in_build(self) -> set[str]:
        """The scenes that have names, but for the endless procedural ones."""
        return set(self.scene_names())

    def scene_names(self) -> list[str]:
        """AI2-THOR's own rooms."""
        return self.ithor_scenes() + self.robothor_scenes()

    def ithor_scenes(
        self,
        include_kitchens: bool = True,
        include_living_rooms: bool = True,
        include_bedrooms: bool = True,
        include_bathrooms: bool = True,
    ) -> list[str]:
        """Rooms of iTHOR, by their kinds."""
        wanted = (include_kitchens, include_living_rooms, include_bedrooms, include_bathrooms)
        names = thor_rooms.names("ithor")
        return [f"{name}_physics" for k, name in enumerate(names) if wanted[k // (len(names) // 4)]]

    def robothor_scenes(self, include_train: bool = True, include_val: bool = True) -> list[str]:
        """Rooms of RoboTHOR, by their split."""
        wanted = {"train": include_train, "val": include_val}
        return [name for name in thor_rooms.names("robothor") if wanted[thor_rooms.split_of(name)]]

    def _check_running(self) -> None:
        if self._stopped:
            raise RuntimeError("the controller was stopped: make another one")

    def _tell(self, report: Report) -> Event:
        self.last_event = Event(self._stage, self._pose, report)
        return self.last_event
