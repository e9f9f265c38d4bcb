"""Kits of what one sits and lies on: chairs, sofas, beds, pillows."""

from __future__ import annotations

from foveal.envs.objectnav.kit.parts import DOME, Kit, Part, around, block, legs, thickness, turned


def chair(w: float, d: float, h: float) -> list[Part]:
    """Four legs, a seat, a back of two posts, a rail and a panel."""
    seat = 0.5 * h
    leg = thickness(min(w, d), 0.09, 0.03, 0.05)
    slab = thickness(h, 0.05, 0.02, 0.04)
    post = (-d / 2, -d / 2 + leg)
    return [
        *legs("furniture", w, d, (0, seat - 0.4 * slab), leg),
        block("seat", around(0, w), around(0, d), (seat - 0.4 * slab, seat + slab)),
        block("furniture", (-w / 2, -w / 2 + leg), post, (seat + slab, h)),
        block("furniture", (w / 2 - leg, w / 2), post, (seat + slab, h)),
        block("seat", around(0, w - 2 * leg), (-d / 2, -d / 2 + 0.7 * leg), (seat + 0.4 * (h - seat), h)),
    ]


def stool(w: float, d: float, h: float) -> list[Part]:
    """Four legs under a round seat, with a foot ring of two bars."""
    leg = thickness(min(w, d), 0.12, 0.025, 0.05)
    slab = thickness(h, 0.08, 0.03, 0.06)
    inner_w, inner_d = 0.72 * w, 0.72 * d
    bar = (0.3 * h, 0.3 * h + 0.5 * leg)
    return [
        *legs("furniture", inner_w, inner_d, (0, h - slab), leg),
        turned("seat", around(0, w), around(0, d), (h - slab, h), sides=10),
        block("furniture", around(0, inner_w), (-inner_d / 2, -inner_d / 2 + 0.6 * leg), bar),
        block("furniture", around(0, inner_w), (inner_d / 2 - 0.6 * leg, inner_d / 2), bar),
    ]


def sofa(w: float, d: float, h: float) -> list[Part]:
    """A base on feet, a back, two arms, and as many seat and back cushions as are wide enough to sit on."""
    arm = thickness(w, 0.11, 0.08, 0.22)
    back = thickness(d, 0.26, 0.08, 0.28)
    foot, seat = 0.08 * h, 0.36 * h
    inner = w - 2 * arm
    seats = min(max(round(inner / 0.7), 1), 3)
    parts = [
        *legs("furniture", 0.94 * w, 0.94 * d, (0, foot), 0.06),
        block("upholstery", around(0, w), around(0, d), (foot, seat)),
        block("upholstery", around(0, inner), (-d / 2, -d / 2 + back), (seat, 0.94 * h), end=(0, 0, 1, 0.7)),
        block("upholstery", (-w / 2, -w / 2 + arm), around(0, d), (seat, 0.68 * h)),
        block("upholstery", (w / 2 - arm, w / 2), around(0, d), (seat, 0.68 * h)),
    ]
    for k in range(seats):
        x = (-inner / 2 + (k + 0.02) * inner / seats, -inner / 2 + (k + 0.98) * inner / seats)
        parts.append(
            block("seat_cushion", x, (-d / 2 + back, 0.48 * d), (seat, 0.52 * h), end=(0.03, 0.03, 0.97, 0.97))
        )
        y = (-d / 2 + 0.75 * back, min(-d / 2 + 1.5 * back, 0.4 * d))
        parts.append(block("seat_cushion", x, y, (0.52 * h, h), end=(0.04, 0, 0.96, 0.6)))
    return parts


def ottoman(w: float, d: float, h: float) -> list[Part]:
    """A cushion on a padded block with feet."""
    return [
        *legs("furniture", 0.9 * w, 0.9 * d, (0, 0.18 * h), 0.05),
        block("upholstery", around(0, w), around(0, d), (0.18 * h, 0.72 * h)),
        block("seat_cushion", around(0, w), around(0, d), (0.72 * h, h), end=(0.06, 0.06, 0.94, 0.94)),
    ]


def footstool(w: float, d: float, h: float) -> list[Part]:
    """A small top on four splayed legs."""
    leg = thickness(min(w, d), 0.16, 0.02, 0.05)
    return [
        *legs("furniture", 0.86 * w, 0.86 * d, (0, 0.85 * h), leg),
        block("seat", around(0, w), around(0, d), (0.85 * h, h)),
    ]


def bed(w: float, d: float, h: float, rest: float | None = None) -> list[Part]:
    """Frame, head board at the front of the box (where AI2-THOR's beds have it), mattress, blanket folded back.

    `rest` is the height (m) at which one lies; None for that of most beds.
    """
    board = thickness(d, 0.03, 0.03, 0.08)
    rest = min(max((0.62 if h > 0.6 else 0.8) * h if rest is None else rest, 0.25 * h), 0.95 * h)
    foot = min(0.75 * rest, rest - 0.01 * h)
    rail = 0.32 * rest
    y = (-d / 2 + board, d / 2 - board)
    length = y[1] - y[0]
    fold = y[1] - 0.27 * length
    return [
        *legs("furniture", w, d, (0, rail), 0.07),
        block("furniture", around(0, w), (y[1], d / 2), (rail, h)),
        block("furniture", around(0, w), (-d / 2, y[0]), (rail, foot)),
        block("furniture", around(0, w), y, (rail, 0.55 * rest)),
        block("sheet", around(0, 0.96 * w), y, (0.55 * rest, 0.93 * rest)),
        block("blanket", around(0, w), (y[0], fold), (0.5 * rest, rest), end=(0.02, 0.02, 0.98, 1)),
        block("sheet", around(0, 0.98 * w), (fold - 0.09 * length, fold), (0.93 * rest, 1.03 * rest)),
    ]


def pillow(w: float, d: float, h: float) -> list[Part]:
    """Two halves that taper to a seam."""
    inset = (0.18, 0.18, 0.82, 0.82)
    if h <= min(w, d):
        x, y = around(0, w), around(0, d)
        return [
            block("cushion", x, y, (0, 0.5 * h), start=inset),
            block("cushion", x, y, (0.5 * h, h), end=inset),
        ]
    axis = 1 if d <= w else 0
    spans = [around(0, w), around(0, d)]
    low, high = spans.copy(), spans.copy()
    low[axis], high[axis] = (spans[axis][0], 0), (0, spans[axis][1])
    return [
        block("cushion", low[0], low[1], (0, h), start=inset, axis=axis),
        block("cushion", high[0], high[1], (0, h), end=inset, axis=axis),
    ]


def dog_bed(w: float, d: float, h: float) -> list[Part]:
    """A padded ring, lower in front, around a cushion."""
    rim = thickness(min(w, d), 0.18, 0.05, 0.2)
    inner = (-d / 2 + rim, d / 2 - rim)
    return [
        block("upholstery", (-w / 2, -w / 2 + rim), around(0, d), (0, h)),
        block("upholstery", (w / 2 - rim, w / 2), around(0, d), (0, h)),
        block("upholstery", around(0, w - 2 * rim), (-d / 2, inner[0]), (0, h)),
        block("upholstery", around(0, w - 2 * rim), (inner[1], d / 2), (0, 0.5 * h)),
        block("cushion", around(0, w - 2 * rim), inner, (0, 0.45 * h)),
    ]


def teddy_bear(w: float, d: float, h: float) -> list[Part]:
    """Sitting: belly, head with ears and muzzle, arms and legs."""
    limb = 0.28 * w
    return [
        turned("fur", around(0, 0.6 * w), around(-0.1 * d, 0.6 * d), (0, 0.62 * h), DOME),
        turned("fur", around(0, 0.56 * w), around(-0.1 * d, 0.6 * d), (0.52 * h, 0.94 * h), DOME),
        turned("muzzle", around(0, 0.24 * w), (0.1 * d, 0.35 * d), (0.58 * h, 0.74 * h), axis=1),
        turned("fur", around(-0.22 * w, 0.2 * w), around(-0.1 * d, 0.15 * d), (0.84 * h, h), axis=1),
        turned("fur", around(0.22 * w, 0.2 * w), around(-0.1 * d, 0.15 * d), (0.84 * h, h), axis=1),
        block("fur", (-w / 2, -w / 2 + 0.8 * limb), (-0.15 * d, 0.25 * d), (0.26 * h, 0.48 * h)),
        block("fur", (w / 2 - 0.8 * limb, w / 2), (-0.15 * d, 0.25 * d), (0.26 * h, 0.48 * h)),
        block("fur", (-0.42 * w, -0.42 * w + limb), (0, d / 2), (0, 0.22 * h)),
        block("fur", (0.42 * w - limb, 0.42 * w), (0, d / 2), (0, 0.22 * h)),
    ]


KITS: dict[str, Kit] = {
    "ArmChair": sofa,
    "Bed": bed,
    "Chair": chair,
    "DogBed": dog_bed,
    "Footstool": footstool,
    "Ottoman": ottoman,
    "Pillow": pillow,
    "Sofa": sofa,
    "Stool": stool,
    "TeddyBear": teddy_bear,
}
