"""AI2-THOR's interface on these houses, and the real AI2-THOR in the same task."""

from foveal.envs.objectnav.thor.controller import Controller

__all__ = ["Controller"]
