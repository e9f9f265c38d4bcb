"""Environments to look at: any Dict space with episodes of any length, and the real world that all tests share."""

import gymnasium
import numpy as np
from gymnasium import spaces
from hypothesis import strategies as st

import foveal  # noqa: F401 (registers the ids)

OBJECTNAV = "foveal/ObjectNav-v0"
SMALL = {"houses": 2, "width": 24, "height": 16, "semantic": True, "start_tilt": 0}
SURROUND = "foveal/SurroundRig-v0"
SIX = {"width": 32, "height": 16, "streets": 1, "semantic": True, "dropped": 0.5, "vehicles_count": 0, "blocked": False}


class Drawn(gymnasium.Env):
    """Observes what its seed draws from a space, and ends after a number of steps that it draws too."""

    metadata = {"render_modes": []}
    action_space = spaces.Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 4))
        return self._drawn()

    def step(self, action):
        self.left -= 1
        observation, info = self._drawn()
        return observation, float(action), self.left == 0, False, info

    def _drawn(self):
        observation = {}
        for name, box in self.observation_space.items():
            if np.issubdtype(box.dtype, np.integer):
                high = np.broadcast_to(getattr(box, "high", np.int8(1)), box.shape).astype(np.int64)
                observation[name] = self.np_random.integers(0, high, box.shape, endpoint=True).astype(box.dtype)
            else:
                observation[name] = self.np_random.uniform(box.low, box.high).astype(box.dtype)
        return observation, {"gaze": self.np_random.uniform(-5, 30, 2)}


@st.composite
def rigs(draw):
    """Spaces of one camera or a rig, with pictures, depth, classes, fixations and cameras that may be down."""
    cameras = draw(st.sampled_from([(), (1,), (3,)]))
    height, width = draw(st.integers(5, 20)), draw(st.integers(5, 20))
    image = (*cameras, height, width)
    colour = draw(st.sampled_from([(255, np.uint8), (1.0, np.float32)]))
    corner = np.broadcast_to(np.array([width - 1, height - 1], np.float32), (*cameras, 2))
    parts = {
        "rgb": spaces.Box(0, colour[0], (*image, 3), colour[1]),
        "depth": spaces.Box(0, draw(st.sampled_from([20.0, 80.0])), image, np.float32),
        "semantic": spaces.Box(0, draw(st.integers(1, 12)), image, np.uint8),
        "fixation": spaces.Box(np.zeros_like(corner), corner),
    }
    if cameras:
        parts["valid"] = spaces.MultiBinary(cameras[0])
    return spaces.Dict(parts)
