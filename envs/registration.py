"""The table of worlds: which class answers to which id, and with which defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium


@dataclass(frozen=True)
class World:
    """One registered id.

    Attributes:
        single: Import path of the `SingleEnv`.
        batch: Import path of the `BatchEnv`.
        summary: One line for ``foveal list``.
        observation: Its shape, or the names and the shape of its parts.
        action: How many there are to choose from, or how many real numbers one is.
        defaults: Parameters in which this id differs from its class.
    """

    single: str
    batch: str
    summary: str
    observation: str
    action: str
    defaults: dict[str, Any] = field(default_factory=dict)


def _scenario(module: str, name: str, summary: str, observation: str, action: str = "5") -> World:
    path = f"foveal.envs.driving.scenarios.{module}:{name}"
    return World(f"{path}Env", path, summary, observation, action)


_HIGHWAY = ("foveal.envs.driving.highway:HighwayEnv", "foveal.envs.driving.highway:Highway")

WORLDS: dict[str, World] = {
    "foveal/Highway-v0": World(*_HIGHWAY, "four lanes, fifty cars at 15 Hz: highway-env's highway-v0", "5x5", "5"),
    "foveal/HighwayFast-v0": World(
        *_HIGHWAY,
        "three lanes, twenty cars at 5 Hz: highway-env's highway-fast-v0",
        "5x5",
        "5",
        {
            "simulation_frequency": 5,
            "lanes_count": 3,
            "vehicles_count": 20,
            "duration": 30.0,
            "ego_spacing": 1.5,
            "traffic_collisions": False,
        },
    ),
    "foveal/Merge-v0": _scenario("merge", "Merge", "let a car merge from a ramp: highway-env's merge-v1", "5x5"),
    "foveal/Intersection-v0": _scenario(
        "intersection", "Intersection", "cross a junction without lights: highway-env's intersection-v2", "15x7", "3"
    ),
    "foveal/LeftTurn-v0": _scenario(
        "left_turn", "LeftTurn", "turn left through gaps in the oncoming stream", "15x7", "3"
    ),
    "foveal/Roundabout-v0": _scenario(
        "roundabout", "Roundabout", "pass a roundabout: highway-env's roundabout-v1", "5x5"
    ),
    "foveal/UTurn-v0": _scenario("u_turn", "UTurn", "pass slow cars around a bend: highway-env's u-turn-v1", "3x3x16"),
    "foveal/TwoWay-v0": _scenario(
        "two_way", "TwoWay", "overtake with oncoming traffic: highway-env's two-way-v0", "3x3x5"
    ),
    "foveal/Exit-v0": _scenario("exit", "Exit", "cross a highway in time for the exit: highway-env's exit-v1", "15x7"),
    "foveal/Racetrack-v0": _scenario(
        "racetrack", "Racetrack", "stay on a winding course: highway-env's racetrack-v1", "2x12x12", "1 real"
    ),
    "foveal/Parking-v0": _scenario(
        "parking",
        "Parking",
        "park a car, given the space: highway-env's parking-v0",
        "achieved_goal, desired_goal, observation: 6",
        "2 real",
    ),
    "foveal/LaneKeeping-v0": _scenario(
        "lane_keeping",
        "LaneKeeping",
        "keep a slipping car on its lane: highway-env's lane-keeping-v0",
        "derivative, reference_state, state: 4x1",
        "1 real",
    ),
    "foveal/ObjectNav-v0": World(
        "foveal.envs.objectnav.world:ObjectNavEnv",
        "foveal.envs.objectnav.world:ObjectNav",
        "find a thing in a house, by sight: rooms of AI2-THOR, or procedural ones",
        "depth: 64x64, goal, last_action, rgb: 64x64x3",
        "6",
    ),
    "foveal/VisualSearch-v0": World(
        "foveal.envs.visual_search.world:VisualSearchEnv",
        "foveal.envs.visual_search.world:VisualSearch",
        "find the one that differs, with an eye that sees less around: the classic paradigms",
        "fixations: 8x3, retina: 128x128x1, target: 25x25x1",
        "11",
    ),
    "foveal/SceneSearch-v0": World(
        "foveal.envs.visual_search.scene_world:SceneSearchEnv",
        "foveal.envs.visual_search.scene_world:SceneSearch",
        "find a thing in a picture of a room, with an eye that sees less around",
        "fixations: 8x3, retina: 128x128x1, target: 48x48x1",
        "14",
    ),
    "foveal/SurroundRig-v0": World(
        "foveal.envs.rigs.world:SurroundRigEnv",
        "foveal.envs.rigs.world:SurroundRig",
        "get past what blocks the lane, through a gap that six cameras see",
        "K: 6x3x3, T_rig_cam: 6x4x4, depth: 6x48x80, ego_motion: 4x4, rgb: 6x48x80x3, valid: 6",
        "5",
    ),
}


def register_all() -> None:
    """Register every world with Gymnasium; calling it again changes nothing."""
    for env_id, world in WORLDS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=world.single,
                vector_entry_point=world.batch,
                kwargs=dict(world.defaults),
            )
