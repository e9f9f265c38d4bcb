"""Kits of screens, lamps and other things with a plug or a battery."""

from __future__ import annotations

from foveal.envs.objectnav.kit.parts import (
    CYLINDER,
    DOME,
    SHADE,
    Kit,
    Part,
    around,
    block,
    frame,
    lying,
    thickness,
    turned,
)


def television(w: float, d: float, h: float) -> list[Part]:
    """A framed dark screen that looks forward, on a neck and a foot; flat against its back where it hangs on a wall."""
    hangs = d < 0.12
    foot = 0.0 if hangs else 0.1 * h
    panel = d if hangs else min(0.28 * d, 0.1)
    y = (d / 2 - panel, d / 2) if hangs else (-panel / 2, panel / 2)
    glass = 0.12 * (y[1] - y[0])
    bezel = thickness(min(w, h), 0.05, 0.012, 0.035)
    parts = [
        block("dark_plastic", around(0, w), (y[0], y[1] - glass), (foot, h)),
        block("screen", around(0, w - 2 * bezel), (y[1] - glass, y[1] - 0.2 * glass), (foot + 1.5 * bezel, h - bezel)),
        *frame("dark_plastic", around(0, w), (y[1] - glass, y[1]), (foot, h), bezel),
    ]
    if not hangs:
        parts.append(block("dark_plastic", around(0, 0.1 * w), around(-0.1 * panel, 0.6 * panel), (0.02 * h, foot)))
        parts.append(block("dark_plastic", around(0, 0.5 * w), around(0, d), (0, 0.02 * h)))
    return parts


def laptop(w: float, d: float, h: float) -> list[Part]:
    """A base with keys and pad, and a lid that leans back with the screen on it; flat where it is shut."""
    base = min(0.09 * h, 0.02) if h > 0.08 else 0.5 * h
    if h <= 0.08:
        return [
            block("laptop", around(0, w), around(0, d), (0, base)),
            block("laptop", around(0, w), around(0, 0.98 * d), (base, h)),
        ]
    hinge = -0.2 * d
    lid = min(0.09 * d, 0.012)
    # The lid's side runs from the hinge back and up: a rectangle that slides from the front of its span to the back.
    share = lid / (hinge + d / 2)
    lean = (0.0, 1 - share, 1.0, 1.0), (0.0, 0.0, 1.0, share)
    screen = (0.0, 1 - 0.25 * share, 1.0, 1.0), (0.0, 0.0, 1.0, 0.25 * share)
    rise, run = h - base, hinge + d / 2 - lid
    z = (base + 0.08 * rise, base + 0.94 * rise)
    front = (-d / 2 + lid + 0.06 * run - 0.25 * lid, -d / 2 + lid + 0.92 * run)
    return [
        block("laptop", around(0, w), (hinge, d / 2), (0, base)),
        block("keys", around(0, 0.86 * w), (hinge + 0.06 * d, hinge + 0.38 * d), (base, base + 0.15 * base)),
        block("keys", around(0, 0.3 * w), (hinge + 0.44 * d, hinge + 0.64 * d), (base, base + 0.1 * base)),
        block("laptop", around(0, w), (-d / 2, hinge), (base, h), start=lean[0], end=lean[1]),
        block("desktop", around(0, 0.9 * w), (front[0], front[1] + 0.35 * lid), z, start=screen[0], end=screen[1]),
    ]


def desktop(w: float, d: float, h: float) -> list[Part]:
    """A tower beside a screen on a foot."""
    tower = min(0.3 * w, 0.22)
    left = (-w / 2 + tower + 0.04 * w, w / 2)
    middle = (left[0] + left[1]) / 2
    return [
        block("dark_plastic", (-w / 2, -w / 2 + tower), around(0, d), (0, 0.85 * h)),
        block("power_light", around(-w / 2 + tower / 2, 0.2 * tower), (0.49 * d, d / 2), around(0.75 * h, 0.02 * h)),
        block("dark_plastic", left, around(0, 0.25 * d), (0.2 * h, h)),
        block("desktop", (left[0] + 0.02 * w, left[1] - 0.02 * w), (0.125 * d, 0.14 * d), (0.24 * h, 0.97 * h)),
        block("dark_plastic", around(middle, 0.08 * w), around(0, 0.12 * d), (0.03 * h, 0.2 * h)),
        block("dark_plastic", around(middle, 0.3 * w), around(0, 0.6 * d), (0, 0.03 * h)),
    ]


def _phone(w: float, d: float, h: float) -> list[Part]:
    return [
        block("dark_plastic", around(0, w), around(0, d), (0, 0.85 * h)),
        block("screen", around(0, 0.9 * w), around(0, 0.86 * d), (0.85 * h, h)),
    ]


def _remote(w: float, d: float, h: float) -> list[Part]:
    key = 0.15 * h
    return [
        block("dark_plastic", around(0, w), around(0, d), (0, 0.8 * h)),
        block("red_plastic", around(0, 0.3 * w), around(0.4 * d, 0.06 * d), (0.8 * h, h)),
        block("keys", around(0, 0.7 * w), around(0.12 * d, 0.3 * d), (0.8 * h, 0.8 * h + key)),
        turned("light_plastic", around(0, 0.7 * w), around(-0.2 * d, 0.7 * w), (0.8 * h, 0.8 * h + key)),
    ]


def alarm_clock(w: float, d: float, h: float) -> list[Part]:
    """A round case on two feet with a white face and two hands, two bells and a hammer above."""
    face = 0.78 * h
    size = min(w, face)
    bell = 0.36 * size
    middle = 0.06 * h + size / 2
    hand, front = 0.06 * size, (0.46 * d, 0.5 * d)
    parts = [
        turned("clock", around(0, size), (-0.5 * d, 0.4 * d), around(middle, size), axis=1, sides=12),
        turned("dial", around(0, 0.84 * size), (0.4 * d, 0.45 * d), around(middle, 0.84 * size), axis=1, sides=12),
        block("dark_plastic", around(0, hand), front, (middle, middle + 0.34 * size)),
        block("dark_plastic", (0, 0.26 * size), front, around(middle, hand)),
        block("clock", (-0.36 * size, -0.2 * size), around(0, 0.5 * d), (0, 0.2 * h)),
        block("clock", (0.2 * size, 0.36 * size), around(0, 0.5 * d), (0, 0.2 * h)),
    ]
    for sign in (-1, 1):
        parts.append(
            turned("brass", around(sign * 0.28 * size, bell), around(0, min(d, bell)), (0.78 * h, 0.97 * h), DOME)
        )
    parts.append(block("brass", around(0, 0.08 * size), around(0, 0.1 * d), (0.8 * h, h)))
    return parts


def watch(w: float, d: float, h: float) -> list[Part]:
    """A dial on a strap laid in a ring."""
    strap = 0.16 * w
    return [
        block("leather", (-w / 2, -w / 2 + strap), around(0, 0.8 * d), (0, 0.7 * h)),
        block("leather", (w / 2 - strap, w / 2), around(0, 0.8 * d), (0, 0.7 * h)),
        block("leather", around(0, w), around(0, 0.8 * d), (0.7 * h, 0.85 * h)),
        turned("dial", around(0, min(0.6 * w, d)), around(0, min(0.6 * w, d)), (0.85 * h, h)),
    ]


def floor_lamp(w: float, d: float, h: float) -> list[Part]:
    """A round foot, a pole and a shade."""
    pole = 0.025 if min(w, d) > 0.1 else 0.25 * min(w, d)
    foot = 0.62
    shade = (h - min(0.32, 0.22 * h), h)
    return [
        turned("lamp_metal", around(0, foot * w), around(0, foot * d), (0, min(0.03, 0.05 * h)), sides=10),
        turned("lamp_metal", around(0, pole), around(0, pole), (min(0.03, 0.05 * h), shade[0] + 0.3 * (h - shade[0]))),
        turned("lampshade", around(0, w), around(0, d), shade, SHADE, sides=10),
    ]


def desk_lamp(w: float, d: float, h: float) -> list[Part]:
    """A foot, a turned stem and a shade."""
    stem = 0.2 * min(w, d)
    return [
        turned("lamp_metal", around(0, 0.6 * w), around(0, 0.6 * d), (0, 0.07 * h), sides=10),
        turned("lamp_metal", around(0, stem), around(0, stem), (0.07 * h, 0.62 * h), ((0.5, 0), (1, 0.35), (0.4, 1))),
        turned("lampshade", around(0, w), around(0, d), (0.55 * h, h), SHADE, sides=10),
    ]


def light_switch(w: float, d: float, h: float) -> list[Part]:
    """A plate with a toggle."""
    return [
        block("white_plastic", around(0, w), (-d / 2, 0), (0, h)),
        block("light_plastic", around(0, 0.35 * w), (0, 0.2 * d), (0.25 * h, 0.75 * h)),
        block("white_plastic", around(0, 0.2 * w), (0.2 * d, d / 2), (0.5 * h, 0.65 * h)),
    ]


def vacuum_cleaner(w: float, d: float, h: float) -> list[Part]:
    """An upright one: head, body, dust bag, pole and grip."""
    return [
        block("dark_plastic", around(0, w), (0, d / 2), (0, 0.12 * h)),
        block("red_plastic", around(0, 0.5 * w), (-0.25 * d, 0.2 * d), (0.1 * h, 0.45 * h), end=(0.15, 0, 0.85, 0.6)),
        turned("dark_plastic", around(0, 0.4 * w), (-0.4 * d, 0), (0.45 * h, 0.72 * h), DOME),
        block("metal", around(0, 0.08 * w), around(-0.3 * d, 0.08 * d), (0.72 * h, 0.94 * h)),
        block("dark_plastic", around(0, 0.14 * w), (-d / 2, -0.1 * d), (0.94 * h, h)),
    ]


def disc(w: float, d: float, h: float) -> list[Part]:
    """A disc with its label and hole."""
    return [
        turned("metal", around(0, w), around(0, d), (0, 0.7 * h), CYLINDER, sides=10),
        turned("paper", around(0, 0.4 * w), around(0, 0.4 * d), (0.7 * h, 0.9 * h)),
        turned("dark_plastic", around(0, 0.14 * w), around(0, 0.14 * d), (0.9 * h, h)),
    ]


KITS: dict[str, Kit] = {
    "AlarmClock": alarm_clock,
    "CD": lying(disc),
    "CellPhone": lying(_phone),
    "DeskLamp": desk_lamp,
    "Desktop": desktop,
    "FloorLamp": floor_lamp,
    "Laptop": laptop,
    "LightSwitch": light_switch,
    "RemoteControl": lying(_remote),
    "Television": television,
    "VacuumCleaner": vacuum_cleaner,
    "Watch": watch,
}
