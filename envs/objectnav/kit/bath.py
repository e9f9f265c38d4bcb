"""Kits of the bathroom: toilet, tub, basins, taps, towels and what stands around them."""

from __future__ import annotations

from foveal.envs.objectnav.kit.parts import (
    BALL,
    DOME,
    Kit,
    Part,
    Profile,
    around,
    basin,
    block,
    frame,
    lying,
    standing,
    thickness,
    turned,
)

_BOWL: Profile = ((0.55, 0), (0.62, 0.35), (1, 1), (0.75, 1), (0.5, 0.5), (0, 0.45))
_WASHBASIN: Profile = ((0.45, 0), (0.85, 0.4), (1, 0.85), (1, 1), (0.88, 1), (0.6, 0.25), (0, 0.15))
_ROLL: Profile = ((0.4, 0), (1, 0), (1, 1), (0.4, 1), (0.4, 0))
_SEAT: Profile = ((0.98, 0), (1, 0.5), (0.95, 1), (0.62, 1), (0.62, 0), (0.98, 0))


def toilet(w: float, d: float, h: float) -> list[Part]:
    """A bowl with seat in front of a cistern, the lid up against it."""
    rim, seat = 0.42 * h, 0.46 * h
    back = -d / 2 + 0.28 * d
    x, y = around(0, 0.8 * w), (back - 0.02 * d, d / 2)
    return [
        block("ceramic", around(0, 0.5 * w), (-0.4 * d, 0.22 * d), (0, 0.6 * rim)),
        turned("ceramic", x, y, (0.08 * h, rim), _BOWL, sides=10),
        turned("seat_white", x, y, (rim, seat), _SEAT, sides=10),
        block("ceramic", around(0, 0.72 * w), (-d / 2, back + 0.02 * d), (0.3 * h, rim)),
        block("ceramic", around(0, 0.94 * w), (-d / 2, back - 0.05 * d), (rim, 0.92 * h)),
        block("ceramic", around(0, w), (-d / 2, back - 0.03 * d), (0.92 * h, 0.96 * h)),
        block(
            "seat_white", around(0, 0.74 * w), (back - 0.03 * d, back + 0.05 * d), (seat, 0.9 * h), end=(0, 0, 1, 0.5)
        ),
        turned("metal", around(0, 0.14 * w), around(back - 0.16 * d, 0.06 * d), (0.96 * h, h)),
    ]


def bathtub(w: float, d: float, h: float) -> list[Part]:
    """An open trough with a broad rim."""
    rim = thickness(min(w, d), 0.12, 0.05, 0.12)
    return [
        *basin("ceramic", w, d, (0, 0.94 * h), rim, 0.3 * h),
        *_rim("ceramic", w, d, (0.94 * h, h), 1.2 * rim),
    ]


def _rim(role: str, w: float, d: float, z: tuple[float, float], width: float) -> list[Part]:
    return [
        block(role, (-w / 2, -w / 2 + width), around(0, d), z),
        block(role, (w / 2 - width, w / 2), around(0, d), z),
        block(role, around(0, w - 2 * width), (-d / 2, -d / 2 + width), z),
        block(role, around(0, w - 2 * width), (d / 2 - width, d / 2), z),
    ]


def tub_basin(w: float, d: float, h: float) -> list[Part]:
    """The floor of a tub, with its drain."""
    return [
        block("ceramic", around(0, w), around(0, d), (0, 0.06 * h)),
        turned("metal", around(0, min(0.08, 0.2 * w)), around(0.36 * d, min(0.08, 0.2 * w)), (0.06 * h, 0.1 * h)),
    ]


def sink(w: float, d: float, h: float) -> list[Part]:
    """A rim around an open basin, with a drain; where its box reaches far down, a round one on a pedestal."""
    if h > 0.45:
        deep = min(0.3 * h, 0.24)
        foot: Profile = ((0.9, 0), (0.55, 0.3), (1, 1))
        return [
            turned("sink", around(0, w), around(0, d), (h - deep, h), _WASHBASIN, sides=10),
            turned("dark_metal", around(0, 0.08 * w), around(0, 0.08 * w), (h - 0.85 * deep, h - 0.82 * deep)),
            turned("sink", around(0, 0.36 * w), (-0.45 * d, 0.05 * d), (0, h - 0.9 * deep), foot),
            block("sink", around(0, 0.8 * w), (-d / 2, -0.36 * d), (h - 0.8 * deep, h)),
        ]
    rim = thickness(min(w, d), 0.1, 0.02, 0.06)
    return [
        *basin("sink", w, d, (0, h), rim, 0.3 * h),
        turned("dark_metal", around(0, 0.12 * w), around(0, 0.12 * w), (0.3 * h, 0.34 * h)),
    ]


def sink_basin(w: float, d: float, h: float) -> list[Part]:
    """The floor of a basin, a dark drain in it."""
    return [
        block("sink", around(0, w), around(0, d), (0, 0.1 * h)),
        turned("dark_metal", around(0, 0.14 * w), around(0, 0.14 * w), (0.1 * h, 0.14 * h)),
    ]


def faucet(w: float, d: float, h: float) -> list[Part]:
    """A riser behind, a spout that reaches forward and bends down, two taps."""
    pipe = thickness(min(w, d), 0.14, 0.012, 0.03)
    back = -d / 2 + 1.5 * pipe
    tap = 0.3 * h
    parts = [
        turned("chrome", around(0, 2 * pipe), around(back, 2 * pipe), (0, 0.1 * h)),
        turned("chrome", around(0, pipe), around(back, pipe), (0.1 * h, h - pipe / 2)),
        block("chrome", around(0, pipe), (back - pipe / 2, 0.45 * d), (h - min(pipe, 0.3 * h), h)),
        turned("chrome", around(0, pipe), (0.45 * d - pipe / 2, d / 2 - 0.02 * d), (0.66 * h, h - min(pipe, 0.3 * h))),
    ]
    if w > 3 * pipe:
        for sign in (-1, 1):
            parts.append(
                turned("chrome", around(sign * (w / 2 - pipe), 2 * pipe), around(back, 2 * pipe), (0, tap), DOME)
            )
    return parts


def shower_head(w: float, d: float, h: float) -> list[Part]:
    """A riser along the wall, an arm, a rose."""
    pipe = thickness(min(w, d), 0.12, 0.015, 0.03)
    rose = min(w, 0.7 * d)
    return [
        block("chrome", around(0, pipe), (-d / 2, -d / 2 + pipe), (0, h)),
        block("chrome", around(0, pipe), (-d / 2 + pipe, d / 2 - rose / 2), (h - min(pipe, 0.3 * h), h)),
        turned("chrome", around(0, rose), (d / 2 - rose, d / 2), (0.88 * h, 0.96 * h), ((1, 0), (0.4, 1))),
        turned("chrome", around(0, 2 * pipe), (-d / 2, -d / 2 + 2 * pipe), (0, 0.08 * h)),
    ]


def glass_pane(w: float, d: float, h: float) -> list[Part]:
    """A metal frame across the longer side of its box; its glass is not drawn."""
    along_x = w >= d
    long, thin = (w, d) if along_x else (d, w)
    bars = frame("chrome", around(0, long), around(0, min(thin, 0.04)), (0, h), 0.03)
    bars.append(block("chrome", around(0.42 * long, min(0.03, 0.1 * long)), around(0, thin), around(0.5 * h, 0.12 * h)))
    if along_x:
        return bars
    return [
        part._replace(low=(part.low[1], part.low[0], part.low[2]), high=(part.high[1], part.high[0], part.high[2]))
        for part in bars
    ]


def curtain(role: str) -> Kit:
    """A rod along the longer side of the box, from which folds hang: all along, or in bundles if it is long."""

    def kit(w: float, d: float, h: float) -> list[Part]:
        along_x = w >= d
        long, thin = (w, d) if along_x else (d, w)
        rod = (h - 0.02 * h, h)
        bundles = max(round(long / 2.2) + 1, 2) if long > 0.9 else 1
        wide = long if bundles == 1 else min(0.24 * long, 0.45)
        folds = 5 if bundles == 1 else 3
        pieces = [("handle", around(0, long), around(0, min(0.3 * thin, 0.03)), rod)]
        for bundle in range(bundles):
            left = -long / 2 if bundles == 1 else -long / 2 + bundle * (long - wide) / (bundles - 1)
            for k in range(folds):
                x = (left + k * wide / folds, left + (k + 1) * wide / folds)
                y = (-0.45 * thin, 0.1 * thin) if k % 2 else (-0.1 * thin, 0.45 * thin)
                pieces.append((role, x, y, (0, h - 0.02 * h)))
        return [block(name, *((x, y) if along_x else (y, x)), z) for name, x, y, z in pieces]

    return kit


def towel(w: float, d: float, h: float) -> list[Part]:
    """Folded over its rail: a long side in front, a shorter one behind, along the longer side of the box."""
    along_x = w >= d
    long, thin = around(0, max(w, d)), min(w, d)
    front, behind = (0.05 * thin, thin / 2), (-thin / 2, -0.05 * thin)
    pieces = [(front, (0, 0.96 * h)), (behind, (0.18 * h, 0.96 * h)), (around(0, thin), (0.96 * h, h))]
    parts = [block("towel", *((long, y) if along_x else (y, long)), z) for y, z in pieces]
    y = (front[0], front[1])
    parts.append(block("towel_band", *((long, y) if along_x else (y, long)), (0.08 * h, 0.14 * h)))
    # The band is the towel's own lower edge: the first piece ends above it.
    parts[0] = parts[0]._replace(low=(parts[0].low[0], parts[0].low[1], 0.14 * h))
    return parts


def towel_rail(w: float, d: float, h: float) -> list[Part]:
    """A bar between two brackets on the wall."""
    post = thickness(w, 0.06, 0.01, 0.03)
    bar = min(0.5 * d, 0.02)
    return [
        block("chrome", (-w / 2, -w / 2 + post), around(0, d), (0, h)),
        block("chrome", (w / 2 - post, w / 2), around(0, d), (0, h)),
        block("chrome", around(0, w - 2 * post), (d / 2 - bar, d / 2), around(0.5 * h, min(0.5 * h, 0.02))),
    ]


def towel_ring(w: float, d: float, h: float) -> list[Part]:
    """A mount on the wall from which a ring hangs."""
    bar = thickness(min(w, h), 0.08, 0.006, 0.015)
    return [
        block("chrome", around(0, 0.4 * w), (-d / 2, 0.3 * d), (0.85 * h, h)),
        *frame("chrome", around(0, w), (0.1 * d, d / 2), (0, 0.88 * h), bar),
    ]


def paper_hanger(w: float, d: float, h: float) -> list[Part]:
    """A plate on the wall with a bar in front."""
    return [
        block("chrome", around(0, 0.9 * w), (-d / 2, -0.3 * d), (0.2 * h, h)),
        block("chrome", (-w / 2, -0.42 * w), (-d / 2, d / 2), around(0.5 * h, 0.5 * h)),
        block("chrome", (0.42 * w, w / 2), (-d / 2, d / 2), around(0.5 * h, 0.5 * h)),
        block("chrome", around(0, 0.84 * w), (0.25 * d, 0.45 * d), around(0.5 * h, 0.25 * h)),
    ]


def toilet_paper(w: float, d: float, h: float) -> list[Part]:
    """A roll around its core, along the side of its box that differs from the two others."""
    size = (w, d, h)
    axis = max(range(3), key=lambda k: abs(2 * size[k] - sum(size) + size[k]))
    spans = [around(0, w), around(0, d), (0.0, h)]
    core = [around((a + b) / 2, 0.4 * (b - a)) for a, b in spans]
    core[axis] = spans[axis]
    return [
        turned("paper", spans[0], spans[1], spans[2], _ROLL, axis=axis, sides=10),
        turned("cardboard", core[0], core[1], core[2], axis=axis),
    ]


def soap_bottle(w: float, d: float, h: float) -> list[Part]:
    """A body, a collar and a pump whose nozzle looks forward."""
    body = 0.95 * min(w, d)
    return [
        turned(
            "soap", around(0, 0.95 * w), around(-0.02 * d, 0.95 * d), (0, 0.66 * h), ((0.95, 0), (1, 0.7), (0.5, 1))
        ),
        turned("white_plastic", around(0, 0.4 * body), around(0, 0.4 * body), (0.66 * h, 0.76 * h)),
        turned("white_plastic", around(0, 0.15 * body), around(0, 0.15 * body), (0.76 * h, 0.92 * h)),
        block("white_plastic", around(0, 0.22 * body), (-0.15 * d, d / 2), (0.92 * h, h)),
    ]


def spray_bottle(w: float, d: float, h: float) -> list[Part]:
    """A tapering body, a label, a neck, and a trigger head along the longer side of its box."""
    along_x = w > d
    long, thin = max(w, d), min(w, d)
    pieces = [
        ("spray", around(-0.08 * long, 0.84 * long), around(0, thin), (0, 0.4 * h), (0, 0, 1, 1)),
        ("spray", around(-0.08 * long, 0.84 * long), around(0, thin), (0.4 * h, 0.68 * h), (0.25, 0.25, 0.75, 0.75)),
        ("white_plastic", around(-0.08 * long, 0.3 * long), around(0, 0.5 * thin), (0.68 * h, 0.82 * h), (0, 0, 1, 1)),
        ("trigger", (-0.36 * long, 0.42 * long), around(0, 0.62 * thin), (0.82 * h, h), (0.1, 0.1, 0.9, 0.9)),
        ("white_plastic", (0.42 * long, 0.5 * long), around(0, 0.36 * thin), (0.87 * h, 0.96 * h), (0, 0, 1, 1)),
        ("trigger", (0.16 * long, 0.28 * long), around(0, 0.4 * thin), (0.62 * h, 0.82 * h), (0, 0, 1, 1)),
    ]
    parts = []
    for role, x, y, z, top in pieces:
        if along_x:
            parts.append(block(role, x, y, z, end=top))
        else:
            parts.append(block(role, y, x, z, end=(top[1], top[0], top[3], top[2])))
    return parts


def soap_bar(w: float, d: float, h: float) -> list[Part]:
    """A rounded bar."""
    inset = (0.1, 0.1, 0.9, 0.9)
    return [
        block("soap", around(0, w), around(0, d), (0, 0.5 * h), start=inset),
        block("soap", around(0, w), around(0, d), (0.5 * h, h), end=inset),
    ]


def _plunger(w: float, d: float, h: float) -> list[Part]:
    stick = min(0.2 * w, 0.2 * d, 0.03)
    return [
        turned("rubber", around(0, w), around(0, d), (0, 0.24 * h), ((1, 0), (0.9, 0.5), (0.35, 1), (0, 1))),
        turned("stick", around(0, stick), around(0, stick), (0.24 * h, h)),
    ]


def _scrub_brush(w: float, d: float, h: float) -> list[Part]:
    stick = min(0.2 * w, 0.2 * d, 0.03)
    return [
        turned("white_plastic", around(0, w), around(0, d), (0, 0.3 * h), ((0.9, 0), (1, 1), (0, 1))),
        turned("white_plastic", around(0, stick), around(0, stick), (0.3 * h, 0.95 * h)),
        turned("white_plastic", around(0, 1.6 * stick), around(0, 1.6 * stick), (0.95 * h, h), BALL),
    ]


def cloth(w: float, d: float, h: float) -> list[Part]:
    """Folded: two layers."""
    return [
        block("towel", around(0, w), around(0, d), (0, 0.55 * h)),
        block("towel", (-w / 2, 0.35 * w), (-d / 2, 0.4 * d), (0.55 * h, h)),
    ]


def tissue_box(w: float, d: float, h: float) -> list[Part]:
    """A box with a tissue that stands out of it."""
    return [
        block("carton", around(0, w), around(0, d), (0, 0.68 * h)),
        block("paper", around(0, 0.45 * w), around(0, 0.3 * d), (0.68 * h, h), end=(0.2, 0.3, 0.7, 0.6)),
    ]


KITS: dict[str, Kit] = {
    "Bathtub": bathtub,
    "BathtubBasin": tub_basin,
    "Cloth": lying(cloth),
    "Curtains": curtain("curtain"),
    "Faucet": faucet,
    "HandTowel": towel,
    "HandTowelHolder": towel_ring,
    "Plunger": standing(_plunger),
    "ScrubBrush": standing(_scrub_brush),
    "ShowerCurtain": curtain("shower_curtain"),
    "ShowerDoor": glass_pane,
    "ShowerGlass": glass_pane,
    "ShowerHead": shower_head,
    "Sink": sink,
    "SinkBasin": sink_basin,
    "SoapBar": lying(soap_bar),
    "SoapBottle": soap_bottle,
    "SprayBottle": spray_bottle,
    "TissueBox": tissue_box,
    "Toilet": toilet,
    "ToiletPaper": toilet_paper,
    "ToiletPaperHanger": paper_hanger,
    "Towel": towel,
    "TowelHolder": towel_rail,
}
