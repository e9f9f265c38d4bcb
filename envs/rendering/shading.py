"""From faces and depths to images: each visible pixel is shaded once.

A run of pixels of one face in one row shares everything but its depth: the place it shows is the camera's centre plus
depth times ray, and texture and light coordinates are affine functions of the place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering import lighting, textures
from foveal.envs.rendering.lanes import channels, mix
from foveal.envs.rendering.textures import LEVELS, SIZE, STARTS
from foveal.kernels import inlined, kernel

BACKGROUND = (186, 205, 224)
"""sRGB where nothing is: an overcast sky."""

_TONES = 4096
"""Entries of the tone curve per unit of light."""

_BRIGHTEST = 4
_UNIT = np.float32(_TONES / (textures.ONE * lighting.ONE))
_STARTS = STARTS
_LEVELS, _SIZE = LEVELS, SIZE


class Images(NamedTuple):
    """What is drawn, for M views; one that is not wanted has no views.

    Attributes:
        rgb: (M, H, W, 3) uint8 sRGB.
        depth: (M, H, W) float32 z-depth, m; inf where nothing is.
        instance: (M, H, W) int32; -1 where nothing is.
        semantic: (M, H, W) int32; -1 where nothing is.
        normal: (M, H, W, 3) float32 in the world's frame; 0 where nothing is.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instance: NDArray[np.int32]
    semantic: NDArray[np.int32]
    normal: NDArray[np.float32]


def tone_curve() -> NDArray[np.uint8]:
    """SRGB bytes of light from 0 to 4: as it is below 0.7, softly bent above, so that lamps do not burn out."""
    light = (np.arange(_TONES * _BRIGHTEST) + 0.5) / _TONES
    knee = 0.6
    bent = knee + (1 - knee) * (1 - np.exp(-(light - knee) / (1 - knee)))
    light = np.where(light < knee, light, bent)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(srgb, 0, 1) * 255).astype(np.uint8)


@kernel
def shade(scene, pose, lens, inverse, face_of, view, images, atlas, tones):
    """Fill one view's images from its inverse depths and faces; the arrays are `raster.draw`'s and those above."""
    height, width = face_of.shape
    for row in range(height):
        faces = face_of[row]
        start = 0
        while start < width:
            f = faces[start]
            stop = start + 1
            while stop < width and faces[stop] == f:
                stop += 1
            if f < 0:
                _nothing(view, row, start, stop, images)
            else:
                _tell(scene, f, inverse[row], view, row, start, stop, images)
                if len(images.rgb):
                    pixels = images.rgb[view, row]
                    _paint(scene, f, pose, lens, inverse[row], row, start, stop, pixels, atlas, tones)
            start = stop


@inlined
def _nothing(view, row, start, stop, images):
    for column in range(start, stop):
        if len(images.rgb):
            for i in range(3):
                images.rgb[view, row, column, i] = BACKGROUND[i]
        if len(images.depth):
            images.depth[view, row, column] = np.inf
        if len(images.instance):
            images.instance[view, row, column] = -1
        if len(images.semantic):
            images.semantic[view, row, column] = -1
        if len(images.normal):
            images.normal[view, row, column] = 0


@inlined
def _tell(scene, f, inverse, view, row, start, stop, images):
    """Depth, identities and normals of a run."""
    thing = scene.tables[f, 0]
    if len(images.depth):
        depth = images.depth[view, row]
        for column in range(start, stop):
            depth[column] = np.float32(1) / inverse[column]
    if len(images.instance):
        images.instance[view, row, start:stop] = scene.objects[thing, 6]
    if len(images.semantic):
        images.semantic[view, row, start:stop] = scene.objects[thing, 7]
    if len(images.normal):
        for column in range(start, stop):
            for i in range(3):
                images.normal[view, row, column, i] = scene.planes[f, i]


@inlined
def _along(function, pose, rx, ry, rz):
    """An affine function of the place: its value at the camera's centre, and per metre along a direction."""
    return (
        np.float32(function[0] * pose[0, 3] + function[1] * pose[1, 3] + function[2] * pose[2, 3] + function[3]),
        np.float32(function[0] * rx + function[1] * ry + function[2] * rz),
    )


@inlined
def _paint(scene, f, pose, lens, inverse, row, start, stop, pixels, atlas, tones):
    """Colours of a run."""
    surface = scene.surfaces[f]
    y = (row - lens[3]) / lens[1]
    x = (start - lens[2]) / lens[0]
    bx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
    by = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
    bz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
    gx, gy, gz = pose[0, 0] / lens[0], pose[1, 0] / lens[0], pose[2, 0] / lens[0]
    s_here, s_ray = _along(surface[8:12], pose, bx, by, bz)
    t_here, t_ray = _along(surface[12:16], pose, bx, by, bz)
    _, s_step = _along(surface[8:12], pose, gx, gy, gz)
    _, t_step = _along(surface[12:16], pose, gx, gy, gz)
    first, columns, rows = scene.tables[f, 2], scene.tables[f, 3], scene.tables[f, 4]
    s_most, t_most = np.float32(columns - 1.001), np.float32(rows - 1.001)
    red, green, blue = surface[16] * _UNIT, surface[17] * _UNIT, surface[18] * _UNIT
    lightels = scene.lightels
    texture = scene.tables[f, 1]
    zero, last = np.float32(0), np.int64(len(tones) - 1)
    if texture < 0:
        one = np.float32(textures.ONE)
        for column in range(start, stop):
            depth = np.float32(1) / inverse[column]
            along = np.float32(column - start)
            s = min(max(s_here + depth * (s_ray + along * s_step), zero), s_most)
            t = min(max(t_here + depth * (t_ray + along * t_step), zero), t_most)
            r, g, b = channels(_light(lightels, first, columns, s, t))
            pixels[column, 0] = tones[min(np.int64(r * one * red), last)]
            pixels[column, 1] = tones[min(np.int64(g * one * green), last)]
            pixels[column, 2] = tones[min(np.int64(b * one * blue), last)]
        return
    u_here, u_ray = _along(surface[0:4], pose, bx, by, bz)
    v_here, v_ray = _along(surface[4:8], pose, bx, by, bz)
    _, u_step = _along(surface[0:4], pose, gx, gy, gz)
    _, v_step = _along(surface[4:8], pose, gx, gy, gz)
    sharpest = _sharpest(scene.planes[f], pose, lens, surface[19], (bx, by, bz))
    for column in range(start, stop):
        depth = np.float32(1) / inverse[column]
        along = np.float32(column - start)
        s = min(max(s_here + depth * (s_ray + along * s_step), zero), s_most)
        t = min(max(t_here + depth * (t_ray + along * t_step), zero), t_most)
        u = u_here + depth * (u_ray + along * u_step)
        v = v_here + depth * (v_ray + along * v_step)
        r, g, b = channels(_light(lightels, first, columns, s, t))
        tr, tg, tb = channels(_texel(atlas, texture, u, v, sharpest + np.float32(1.5) * _log2(depth)))
        pixels[column, 0] = tones[min(np.int64(r * tr * red), last)]
        pixels[column, 1] = tones[min(np.int64(g * tg * green), last)]
        pixels[column, 2] = tones[min(np.int64(b * tb * blue), last)]


@inlined
def _sharpest(plane, pose, lens, texels, ray):
    """The mip level, as a number, 1 m away on a face; it grows by 1.5 with each doubling of the depth.

    A pixel covers depth^2 / (fx fy cos) of a surface, cos between ray and normal being height / (depth |ray|); the
    level is the logarithm of the root of the texels in it.
    """
    height = plane[0] * pose[0, 3] + plane[1] * pose[1, 3] + plane[2] * pose[2, 3] + plane[3]
    long = np.sqrt(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2])
    area = np.float32(texels * texels * long / (lens[0] * lens[1] * height))
    return np.float32(0.5) * _log2(area)


@inlined
def _log2(value):
    """The base-2 logarithm of a positive float32, within 0.09, from its bits."""
    return np.float32(np.float32(value).view(np.int32) - 1065353216) * np.float32(1 / 8388608)


@inlined
def _light(lightels, first, columns, s, t):
    i, j = np.int64(s), np.int64(t)
    a, b = np.int64((s - np.float32(i)) * np.float32(256)), np.int64((t - np.float32(j)) * np.float32(256))
    here = first + j * columns + i
    low = mix(lightels[here], lightels[here + 1], a)
    high = mix(lightels[here + columns], lightels[here + columns + 1], a)
    return mix(low, high, b)


@inlined
def _texel(atlas, texture, u, v, level):
    finest = np.int64(min(max(level + np.float32(0.5), np.float32(0)), np.float32(_LEVELS - 1)))
    bits = np.int64(8) - finest
    wrap = (np.int64(1) << bits) - 1
    size = np.float32(256) * np.float32(np.int64(1) << bits)
    base = texture + _STARTS[finest]
    i, j = np.int64(np.floor(u * size)) - 128, np.int64(np.floor(v * size)) - 128  # in 256ths of a texel
    a, b = i & 255, j & 255
    i, j = i >> 8, j >> 8
    left, right, low, high = i & wrap, (i + 1) & wrap, j & wrap, (j + 1) & wrap
    below = mix(atlas[base + (low << bits) + left], atlas[base + (low << bits) + right], a)
    above = mix(atlas[base + (high << bits) + left], atlas[base + (high << bits) + right], a)
    return mix(below, above, b)
