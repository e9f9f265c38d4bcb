"""Rigs for the tests: nuScenes's six cameras, a ring of random ones, and what exact scenes look like to them."""

import math

import torch

# x, y, z [m], yaw [deg], focal length [px at 1600 x 900] of front, front left, back left, back, back right, front right
NUSCENES = (
    (1.70, 0.02, 1.51, 0.3, 1266.4),
    (1.52, 0.49, 1.51, 55.2, 1272.6),
    (1.04, 0.48, 1.59, 108.6, 1256.7),
    (0.03, 0.00, 1.58, 179.9, 809.2),
    (1.01, -0.48, 1.56, -110.8, 1259.5),
    (1.55, -0.49, 1.50, -56.4, 1260.8),
)


def upright(x, y, z, yaw_deg):
    """T_rig_cam (4, 4) of an upright camera that looks along a yaw."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return torch.tensor([[s, 0, c, x], [-c, 0, s, y], [0, -1, 0, z], [0, 0, 0, 1]], dtype=torch.float64)


def intrinsics(fx, fy, height, width):
    rows = [[fx, 0, (width - 1) / 2], [0, fy, (height - 1) / 2], [0, 0, 1]]
    return torch.tensor(rows, dtype=torch.float64)


def nuscenes(height, width, square):
    """K and T_rig_cam; pixels are square, or the height is squeezed as the width is."""
    K = [
        intrinsics(f * width / 1600, f * (width / 1600 if square else height / 900), height, width)
        for *_, f in NUSCENES
    ]
    return torch.stack(K), torch.stack([upright(*row[:4]) for row in NUSCENES])


def walled(K, T_rig_cam, height, width, wall_m):
    """z-depths (N, H, W) of flat ground z = 0 within an endless round wall about the rig's axis, in closed form."""
    v, u = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    rays = (
        torch.stack([u, v, torch.ones_like(u)], -1) @ torch.linalg.inv(K)[:, None].mT
    )  # z = 1, so lengths are z-depths
    rays = rays @ T_rig_cam[:, None, :3, :3].mT
    x, y, z = T_rig_cam[:, :3, 3].T[..., None, None]
    a = rays[..., :2].square().sum(-1)
    b = rays[..., 0] * x + rays[..., 1] * y
    wall = (-b + (b * b - a * (x * x + y * y - wall_m**2)).sqrt()) / a
    ground = torch.where(rays[..., 2] < 0, -z / rays[..., 2], torch.inf)
    return torch.minimum(wall, ground)
