"""The motion of a rig, as a small network sees it in what one camera saw before and after.

Source: CylinderDepth (arXiv:2511.16428): only the front camera is looked at, and its motion is handed on to all cameras
by their places on the rig. The network is ours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.vision.depth.geometry import check_transforms, invert
from foveal.vision.depth.network import begin

MOST_M = 4.0
"""Greatest translation along each axis, m."""
FIRST_M = 0.5
"""How far an untrained network takes the camera to have moved forward, m."""
_TURN, _SHIFT = 0.02, 0.5
"""Of what the last layer gives, rad and m: about what a car does between two pictures."""


class PoseNetwork(nn.Module):
    """The motion of a camera between two of its images, of which the first was taken before.

    It begins with one of `FIRST_M` along the optical axis: cars drive forward, and from no motion at all a network
    that sees wide streets may as well learn the opposite, which then holds itself.

    Args:
        channels: Of features, each at half of the size of those before.
    """

    def __init__(self, channels: tuple[int, ...] = (16, 32, 48, 64, 64)) -> None:
        super().__init__()
        widths = (6, *channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, channels, strict=False)
        )
        self.head = nn.Linear(channels[-1], 6)
        begin(self)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """T_before_after (B, 4, 4), float32: from the camera's coordinates at the later time to those at the earlier.

        Args:
            before: Images (B, 3, H, W) in [0, 1].
            after: Likewise, of the later time.

        Raises:
            ValueError: for images that are not alike.
        """
        if before.shape != after.shape or before.ndim != 4 or before.shape[1] != 3:
            shapes = f"{tuple(before.shape)} and {tuple(after.shape)}"
            raise ValueError(f"images {shapes}: must be alike (B, 3, H, W)")
        x = torch.cat([before, after], 1).contiguous(memory_format=torch.channels_last) - 0.5
        for layer in self.layers:
            x = F.relu(layer(x))
        numbers = self.head(x.mean((2, 3))).float()
        forward = numbers.new_tensor([0.0, 0.0, FIRST_M])
        return motion(_TURN * numbers[:, :3], forward + _SHIFT * numbers[:, 3:])


def motion(turn: Tensor, shift: Tensor) -> Tensor:
    """A rigid transform (..., 4, 4) that turns about an axis, and shifts by at most `MOST_M` along each.

    R = I + sin(a) / a [w] + (1 - cos(a)) / a^2 [w]^2, a = |w|. Source: Rodrigues' formula.

    Args:
        turn: w (..., 3), axis times angle, rad.
        shift: (..., 3) m; beyond `MOST_M` it is cut off there.
    """
    # near 0 the quotients are those of the series, whose gradients are finite there
    square = turn.square().sum(-1)[..., None, None]
    small = square < 1e-6
    angle = torch.where(small, 1.0, square).sqrt()
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / angle.square())
    x, y, z = turn.unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
    rotation = torch.eye(3, dtype=turn.dtype, device=turn.device) + first * cross + second * (cross @ cross)
    top = torch.cat([rotation, shift.clamp(-MOST_M, MOST_M)[..., None]], -1)
    last = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, last], -2)


def rig_motion(T_source_target: Tensor, T_rig_cam: Tensor) -> Tensor:
    """The rig's motion M (..., 4, 4) = E T E^-1 of that which a camera sees; see `geometry.relative_pose`.

    Args:
        T_source_target: T (..., 4, 4), what `PoseNetwork` gives, or its inverse.
        T_rig_cam: E (..., 4, 4) of the same camera.
    """
    check_transforms(T_source_target)
    return T_rig_cam @ T_source_target @ invert(T_rig_cam)
