"""Perception as a stage of the observation pipeline: wrappers of Gymnasium's environments, single and vector.

Each takes an environment that observes a Dict, adds or replaces one observation, and gives a wrapper of the
environment's own kind. What a row gets depends on its own seed and observations alone. See ``docs/perception.md``.
"""

from foveal.vision.wrappers.denoised import DenoisedObservation
from foveal.vision.wrappers.depth import DepthObservation
from foveal.vision.wrappers.depth_noise import DepthNoise
from foveal.vision.wrappers.foveated import FoveatedObservation
from foveal.vision.wrappers.observation import Perceived, Percept, VectorPerceived
from foveal.vision.wrappers.semantic import SemanticObservation

__all__ = [
    "DenoisedObservation",
    "DepthNoise",
    "DepthObservation",
    "FoveatedObservation",
    "Perceived",
    "Percept",
    "SemanticObservation",
    "VectorPerceived",
]
