"""From faces and depths to images: each visible pixel is shaded once.

A run of pixels of one face in one row shares everything but its depth: the place it shows is the camera's centre plus
depth times ray, and texture and light coordinates are affine functions of the place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.lanes import TOP, channels, mix
from foveal.envs.rendering.raster import FACE_BITS
from foveal.kernels import inlined, kernel

BACKGROUND = (186, 205, 224)
"""sRGB where nothing is, unless it is said: an overcast sky."""

_ONE_BITS = np.uint64(12)
"""1.0 is 4096, of light as of textures."""

_FINE = np.float32(256)

_FACE = (1 << FACE_BITS) - 1

_COARSEST = 8
"""Mip level of one texel: `textures.LEVELS` less 1."""

_STARTS = 0b1_01_01_01_01_01_01_01_01
"""Its bits below bit 2 n are where the level of 2**n texels a side starts: 1 + 4 + 16 + ..."""


class Images(NamedTuple):
    """What is drawn, for M views; one that is not wanted has no views.

    Attributes:
        rgb: (M, H, W, 3) uint8 sRGB.
        depth: (M, H, W) float32 z-depth, m; inf where nothing is.
        instance: (M, H, W) int32; -1 where nothing is.
        semantic: (M, H, W) int32; -1 where nothing is.
        normal: (M, H, W, 3) float32 in the world's frame; 0 where nothing is.
        flow: (M, H, W, 2) float32: by how many columns and rows what is seen was elsewhere before; see `flow`.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instance: NDArray[np.int32]
    semantic: NDArray[np.int32]
    normal: NDArray[np.float32]
    flow: NDArray[np.float32]


def tone_curve() -> NDArray[np.uint8]:
    """SRGB bytes of light from 0 to 4: as it is below 0.7, softly bent above, so that lamps do not burn out."""
    light = np.arange((TOP * TOP >> int(_ONE_BITS)) + 1) / (1 << int(_ONE_BITS))
    knee = 0.6
    bent = knee + (1 - knee) * (1 - np.exp(-(light - knee) / (1 - knee)))
    light = np.where(light < knee, light, bent)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(srgb, 0, 1) * 255).astype(np.uint8)


@kernel
def shade(scene, lens, inverse, face_of, view, images, atlas, tones, scratch, instances, sky):
    """Fill one view's images from its inverse depths and faces.

    Args:
        scene: `scene.Scene`, all of them end to end.
        lens: As the following ones of `raster.draw`.
        inverse: Likewise.
        face_of: Likewise.
        view: Which.
        images: Out.
        atlas: `textures.atlas`.
        tones: `tone_curve`.
        scratch: `raster.Scratch`.
        instances: (A,) ids in the instance image of what moves.
        sky: (2, 3) sRGB where nothing is: at the horizon, and straight up.
    """
    height, width = face_of.shape
    poses, marks = scratch.poses, scratch.marks
    for row in range(height):
        faces = face_of[row]
        if len(images.depth):
            depth = images.depth[view, row]
            for column in range(width):
                depth[column] = np.float32(1) / inverse[row, column]  # infinite where nothing is
        start = np.int64(0)  # a literal would have the kernels below compiled twice
        while start < width:
            code = faces[start]
            stop = start + 1
            while stop < width and faces[stop] == code:
                stop += 1
            if code < 0:
                _nothing(poses[0], lens, sky, view, row, start, stop, images)
            else:
                thing = code >> FACE_BITS
                f = scratch.firsts[thing] + (code & _FACE)
                _tell(scene, f, thing, poses, instances, view, row, start, stop, images)
                if len(images.rgb):
                    pixels = images.rgb[view, row]
                    _paint(scene, f, poses[thing], lens, inverse[row], row, start, stop, pixels, atlas, tones, marks)
            start = stop


@inlined
def _nothing(pose, lens, sky, view, row, start, stop, images):
    count = stop - start
    if len(images.rgb):
        y = (row - lens[3]) / lens[1]
        up = (pose[2, 1] * y + pose[2, 2]) / np.sqrt(1 + y * y)  # sine of the elevation, in the image's middle
        up = np.sqrt(max(up, 0.0))
        for i in range(3):
            _repeat(images.rgb[view, row, :, i], start, count, np.uint8(sky[0, i] + up * (sky[1, i] - sky[0, i])))
    if len(images.instance):
        _repeat(images.instance[view, row], start, count, np.int32(-1))
    if len(images.semantic):
        _repeat(images.semantic[view, row], start, count, np.int32(-1))
    if len(images.normal):
        for i in range(3):
            _repeat(images.normal[view, row, :, i], start, count, np.float32(0))


@inlined
def _tell(scene, f, thing, poses, instances, view, row, start, stop, images):
    """Identities and normals of a run."""
    count = stop - start
    if len(images.instance):
        instance = instances[thing - 1] if thing > 0 else scene.objects[scene.tables[f, 0], 6]
        _repeat(images.instance[view, row], start, count, instance)
    if len(images.semantic):
        _repeat(images.semantic[view, row], start, count, scene.objects[scene.tables[f, 0], 7])
    if len(images.normal):
        for i in range(3):
            _repeat(images.normal[view, row, :, i], start, count, _normal(scene.planes[f], poses, thing, i))


@inlined
def _normal(plane, poses, thing, axis):
    """A face's normal along an axis of the world's frame: by way of the camera's, where the face moves."""
    if thing == 0:
        return plane[axis]
    along = 0.0
    for j in range(3):
        turned = plane[0] * poses[thing, 0, j] + plane[1] * poses[thing, 1, j] + plane[2] * poses[thing, 2, j]
        along += poses[0, axis, j] * turned
    return np.float32(along)


@inlined
def _repeat(out, start, count, value):
    for k in range(count):
        out[np.uint64(start + k)] = value


@inlined
def _along(surface, k, pose, rx, ry, rz, gx, gy, gz):
    """An affine function of the place: at the camera's centre, then per metre along a ray, then what a column adds."""
    x, y, z = surface[k], surface[k + 1], surface[k + 2]
    return (
        np.float32(x * pose[0, 3] + y * pose[1, 3] + z * pose[2, 3] + surface[k + 3]),
        np.float32(x * rx + y * ry + z * rz),
        np.float32(x * gx + y * gy + z * gz),
    )


@inlined
def _paint(scene, f, pose, lens, inverse, row, start, stop, pixels, atlas, tones, marks):
    """Colours of a run."""
    surface = scene.surfaces[f]
    y = (row - lens[3]) / lens[1]
    x = (start - lens[2]) / lens[0]
    bx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
    by = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
    bz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
    gx, gy, gz = pose[0, 0] / lens[0], pose[1, 0] / lens[0], pose[2, 0] / lens[0]
    s_here, s_ray, s_step = _along(surface, 8, pose, bx, by, bz, gx, gy, gz)
    t_here, t_ray, t_step = _along(surface, 12, pose, bx, by, bz, gx, gy, gz)
    first, columns, rows = scene.tables[f, 2], scene.tables[f, 3], scene.tables[f, 4]
    s_most, t_most = np.float32(columns - 1.001) * _FINE, np.float32(rows - 1.001) * _FINE
    zero = np.float32(0)  # max gives its first argument if the second is not a number
    count = stop - start
    for k in range(count):
        depth, along = np.float32(1) / inverse[np.uint64(start + k)], np.float32(np.int32(k))
        s = s_here + depth * (s_ray + along * s_step)
        t = t_here + depth * (t_ray + along * t_step)
        marks[0, k] = np.int32(min(max(zero, s * _FINE), s_most))
        marks[1, k] = np.int32(min(max(zero, t * _FINE), t_most))
    lightels, texture = scene.lightels, scene.tables[f, 1]
    if texture < 0:
        for k in range(count):
            red, green, blue = channels(_light(lightels, first, columns, marks[0, k], marks[1, k]))
            _set(pixels, start + k, tones[red], tones[green], tones[blue])
        return
    u_here, u_ray, u_step = _along(surface, 0, pose, bx, by, bz, gx, gy, gz)
    v_here, v_ray, v_step = _along(surface, 4, pose, bx, by, bz, gx, gy, gz)
    sharpest = _sharpest(scene.planes[f], pose, lens, surface[16], (bx, by, bz)) + np.float32(0.5)
    coarsest, size = np.float32(_COARSEST), np.float32(256 << _COARSEST)
    for k in range(count):
        depth, along = np.float32(1) / inverse[np.uint64(start + k)], np.float32(np.int32(k))
        marks[2, k] = np.int32(np.floor((u_here + depth * (u_ray + along * u_step)) * size))
        marks[3, k] = np.int32(np.floor((v_here + depth * (v_ray + along * v_step)) * size))
        marks[4, k] = np.int32(min(max(zero, sharpest + np.float32(1.5) * _log2(depth)), coarsest))
    for k in range(count):
        red, green, blue = channels(_light(lightels, first, columns, marks[0, k], marks[1, k]))
        of_red, of_green, of_blue = channels(_texel(atlas, texture, marks[2, k], marks[3, k], marks[4, k]))
        red, green, blue = red * of_red >> _ONE_BITS, green * of_green >> _ONE_BITS, blue * of_blue >> _ONE_BITS
        _set(pixels, start + k, tones[red], tones[green], tones[blue])


@inlined
def _set(pixels, column, red, green, blue):
    column = np.uint64(column)
    pixels[column, 0], pixels[column, 1], pixels[column, 2] = red, green, blue


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
    return np.float32(np.float32(value).view(np.int32)) * np.float32(1 / 8388608) - np.float32(127)


@inlined
def _light(lightels, first, columns, s, t):
    s, t = np.int64(s), np.int64(t)
    a, b = s & 255, t & 255
    here = first + (t >> 8) * columns + (s >> 8)
    there = here + columns
    return mix(
        lightels[np.uint64(here)],
        lightels[np.uint64(here + 1)],
        lightels[np.uint64(there)],
        lightels[np.uint64(there + 1)],
        a,
        b,
    )


@inlined
def _texel(atlas, texture, u, v, finest):
    bits = np.int64(_COARSEST - finest)
    wrap = (np.int64(1) << bits) - 1
    base = texture + (_STARTS & ((np.int64(1) << 2 * bits) - 1))
    i, j = (np.int64(u) >> finest) - 128, (np.int64(v) >> finest) - 128  # in 256ths of a texel
    a, b = i & 255, j & 255
    i, j = i >> 8, j >> 8
    left, right = i & wrap, (i + 1) & wrap
    low, high = base + ((j & wrap) << bits), base + (((j + 1) & wrap) << bits)
    return mix(
        atlas[np.uint64(low + left)],
        atlas[np.uint64(low + right)],
        atlas[np.uint64(high + left)],
        atlas[np.uint64(high + right)],
        a,
        b,
    )
