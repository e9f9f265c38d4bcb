"""What cameras make of the light: exposure and white balance, and a camera that fails.

Pictures are drawn in sRGB; a gain multiplies linear light (IEC 61966-2-1), so each of a picture's three channels is
changed by a table of 256 numbers.
"""

from __future__ import annotations

import numpy as np

from foveal.kernels import kernel


@kernel
def expose(start, stop, gain, valid, rgb, table):
    """Row kernel: change the pictures of some cameras as their gains say; one that fails is black.

    Args:
        start: First camera.
        stop: Last camera, plus one.
        gain: (M, 3).
        valid: (M,) int8.
        rgb: (M, H, W, 3) uint8, changed.
        table: (M, 3, 256) uint8, scratch.
    """
    for camera in range(start, stop):
        if gain[camera, 0] == 1.0 and gain[camera, 1] == 1.0 and gain[camera, 2] == 1.0 and valid[camera] != 0:
            continue
        for channel in range(3):
            for value in range(256):
                light = _linear(value / 255) * gain[camera, channel] * valid[camera]
                table[camera, channel, value] = np.uint8(_srgb(min(light, 1.0)) * 255 + 0.5)
        for row in range(rgb.shape[1]):
            for column in range(rgb.shape[2]):
                for channel in range(3):
                    rgb[camera, row, column, channel] = table[camera, channel, rgb[camera, row, column, channel]]


@kernel
def _linear(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@kernel
def _srgb(light):
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
