"""Kits of tables, drawers, cabinets and shelves."""

from __future__ import annotations

from foveal.envs.objectnav.kit.parts import Kit, Part, around, basin, block, legs, thickness, turned


def table(w: float, d: float, h: float) -> list[Part]:
    """A top on four legs, with an apron."""
    top = thickness(h, 0.06, 0.02, 0.05)
    leg = thickness(min(w, d), 0.08, 0.035, 0.09)
    apron = (max(h - top - 0.09, 0.5 * h), h - top)
    inner_w, inner_d = 0.9 * w, 0.9 * d
    return [
        block("furniture", around(0, w), around(0, d), (h - top, h)),
        *legs("furniture", inner_w, inner_d, (0, h - top), leg),
        block("furniture", around(0, inner_w - leg), around(inner_d / 2 - 0.35 * leg, 0.3 * leg), apron),
        block("furniture", around(0, inner_w - leg), around(-inner_d / 2 + 0.35 * leg, 0.3 * leg), apron),
    ]


def low_table(w: float, d: float, h: float) -> list[Part]:
    """A top on four legs with a shelf below."""
    top = thickness(h, 0.09, 0.02, 0.05)
    leg = thickness(min(w, d), 0.09, 0.03, 0.06)
    return [
        block("furniture", around(0, w), around(0, d), (h - top, h)),
        *legs("furniture", 0.94 * w, 0.94 * d, (0, h - top), leg),
        block("furniture", around(0, 0.9 * w), around(0, 0.9 * d), (0.22 * h, 0.22 * h + 0.6 * top)),
    ]


def desk(w: float, d: float, h: float) -> list[Part]:
    """A top on two side panels, a modesty panel, a drawer box below one end; a shelf above where the box is tall."""
    if h > 1.0:
        upper = [
            block("furniture", (-w / 2, -w / 2 + 0.02), (-d / 2, 0), (0.75, h)),
            block("furniture", (w / 2 - 0.02, w / 2), (-d / 2, 0), (0.75, h)),
            block("furniture", around(0, w - 0.04), (-d / 2, -d / 2 + 0.02), (0.75, h)),
            block("furniture", around(0, w - 0.04), (-d / 2 + 0.02, 0), (h - 0.02, h)),
        ]
        return desk(w, d, 0.75) + upper
    top = thickness(h, 0.05, 0.02, 0.04)
    side = thickness(w, 0.03, 0.02, 0.04)
    chest = (w / 2 - side - 0.3 * w, w / 2 - side)
    return [
        block("furniture", around(0, w), around(0, d), (h - top, h)),
        block("furniture", (-w / 2, -w / 2 + side), around(0, 0.94 * d), (0, h - top)),
        block("furniture", (w / 2 - side, w / 2), around(0, 0.94 * d), (0, h - top)),
        block("furniture", around(0, w - 2 * side), (-0.45 * d, -0.45 * d + 0.02), (0.45 * h, h - top)),
        block("front", chest, (-0.4 * d, 0.44 * d), (0.62 * h, h - top)),
        block("handle", around((chest[0] + chest[1]) / 2, 0.1 * w), (0.44 * d, 0.46 * d), around(0.8 * h, 0.02 * h)),
    ]


def chest(w: float, d: float, h: float) -> list[Part]:
    """A carcass with a top and rows of drawer fronts with knobs."""
    foot, top = 0.06 * h, 0.03 * h
    face = 0.46 * d
    rows = min(max(round((h - foot) / 0.28), 1), 4)
    row = (h - foot - top) / rows
    parts = [
        block("furniture", around(0, 0.97 * w), (-d / 2, face), (0, h - top)),
        block("furniture", around(0, w), around(0, d), (h - top, h)),
    ]
    for k in range(rows):
        z = (foot + (k + 0.06) * row, foot + (k + 0.94) * row)
        parts.append(block("front", around(0, 0.9 * w), (face, 0.48 * d), z))
        parts.append(block("handle", around(0, 0.3 * w), (0.48 * d, d / 2), around((z[0] + z[1]) / 2, 0.07 * row)))
    return parts


def tv_stand(w: float, d: float, h: float) -> list[Part]:
    """A low case: open bay in the middle, doors at both ends."""
    board = thickness(h, 0.06, 0.02, 0.05)
    bay = 0.19 * w
    return [
        block("furniture", around(0, w), around(0, d), (h - board, h)),
        block("furniture", around(0, w), around(0, 0.96 * d), (0.08 * h, 0.08 * h + board)),
        block("furniture", around(0, w), (-d / 2, -0.45 * d), (0.08 * h, h)),
        block("furniture", (-w / 2, -bay), (-0.45 * d, 0.44 * d), (0, h - board)),
        block("furniture", (bay, w / 2), (-0.45 * d, 0.44 * d), (0, h - board)),
        block("furniture", around(0, 2 * bay), (-0.45 * d, 0.42 * d), around(0.5 * h, board)),
        block("front", (-0.48 * w, -bay - 0.02 * w), (0.44 * d, 0.47 * d), (0.12 * h, 0.9 * h)),
        block("front", (bay + 0.02 * w, 0.48 * w), (0.44 * d, 0.47 * d), (0.12 * h, 0.9 * h)),
        block("handle", around(-bay - 0.05 * w, 0.015 * w), (0.47 * d, d / 2), around(0.5 * h, 0.2 * h)),
        block("handle", around(bay + 0.05 * w, 0.015 * w), (0.47 * d, d / 2), around(0.5 * h, 0.2 * h)),
    ]


def shelving(w: float, d: float, h: float) -> list[Part]:
    """Two sides, a thin back and boards about 0.35 m apart."""
    side = thickness(w, 0.04, 0.015, 0.035)
    board = thickness(h, 0.03, 0.015, 0.03)
    gaps = min(max(round(h / 0.38), 1), 6)
    parts = [
        block("furniture", (-w / 2, -w / 2 + side), around(0, d), (0, h)),
        block("furniture", (w / 2 - side, w / 2), around(0, d), (0, h)),
        block("furniture", around(0, w - 2 * side), (-d / 2, -d / 2 + 0.03 * d), (0, h)),
    ]
    for k in range(gaps + 1):
        z = 0.03 * h + k * (0.97 * h - board) / gaps
        parts.append(block("furniture", around(0, w - 2 * side), (-0.47 * d, 0.49 * d), (z, z + board)))
    return parts


def shelf(w: float, d: float, h: float) -> list[Part]:
    """A board at the bottom of the space that AI2-THOR counts as the shelf."""
    return [block("furniture", around(0, w), around(0, d), (0, thickness(h, 0.1, 0.012, 0.025)))]


def drawer(w: float, d: float, h: float) -> list[Part]:
    """A box with a front and a handle."""
    face = d / 2 - thickness(d, 0.05, 0.01, 0.025)
    return [
        block("joinery", around(0, 0.96 * w), (-d / 2, face - 0.018), (0.03 * h, 0.96 * h))
        if d > 0.06
        else block("joinery", around(0, 0.96 * w), (-d / 2, face), (0.03 * h, 0.96 * h)),
        block("joinery_front", around(0, 0.98 * w), (min(face - 0.018, 0.4 * d), face), (0.02 * h, 0.98 * h)),
        block("handle", around(0, min(0.4 * w, 0.16)), (face, d / 2), around(0.55 * h, min(0.12 * h, 0.02))),
    ]


def cabinet(w: float, d: float, h: float) -> list[Part]:
    """A carcass with one door, or two where it is wide, framed, each with a handle."""
    face = d / 2 - thickness(d, 0.05, 0.012, 0.025)
    panel = max(face - 0.018, 0.4 * d)
    parts = [block("joinery", around(0, w), (-d / 2, min(panel, face)), (0, h))]
    doors = 2 if w > 0.65 else 1
    width = w / doors
    for k in range(doors):
        middle = -w / 2 + (k + 0.5) * width
        x, z = around(middle, 0.97 * width), around(0.5 * h, 0.98 * h)
        parts.append(block("joinery_front", x, (min(panel, face), face), z))
        rail = thickness(min(width, h), 0.16, 0.02, 0.06)
        raised = (face, face + 0.45 * (d / 2 - face))
        panel_x, panel_z = around(middle, 0.97 * width - 2 * rail), around(0.5 * h, 0.98 * h - 2 * rail)
        parts.append(block("joinery_panel", panel_x, raised, panel_z, axis=1, end=(0.05, 0.05, 0.95, 0.95)))
        side = middle + (0.5 * width - 0.6 * rail) * (1 if k == 0 else -1)
        # Hung cabinets are opened from below, base ones from above: a bar over the middle serves both.
        parts.append(block("handle", around(side, 0.4 * rail), (face, d / 2), around(0.5 * h, min(0.3 * h, 0.14))))
    return parts


def counter(w: float, d: float, h: float) -> list[Part]:
    """A slab; what it rests on are things of their own, unless the box reaches far below it."""
    if h < 0.25:
        return [block("counter", around(0, w), around(0, d), (0, h))]
    return [
        block("counter", around(0, w), around(0, d), (h - 0.04, h)),
        block("joinery", around(0, 0.96 * w), (-d / 2, d / 2 - thickness(d, 0.05, 0.02, 0.03)), (0, h - 0.04)),
        *counter_doors(w, d, h),
    ]


def counter_doors(w: float, d: float, h: float) -> list[Part]:
    """Doors with handles, some 0.5 m wide, on the front of a counter whose body begins just behind them."""
    behind = d / 2 - thickness(d, 0.05, 0.02, 0.03)
    face, doors = behind + 0.6 * (d / 2 - behind), min(max(round(w / 0.5), 1), 6)
    width, z = 0.96 * w / doors, (0.1 * h, h - 0.04 - 0.02 * h)
    parts = []
    for k in range(doors):
        middle = -0.48 * w + (k + 0.5) * width
        edge = middle + 0.36 * width * (1 if k % 2 == 0 else -1)
        parts.append(block("joinery_panel", around(middle, 0.95 * width), (behind, face), z))
        parts.append(block("handle", around(edge, 0.03 * width), (face, d / 2), around(0.75 * h, 0.14 * h)))
    return parts


def safe(w: float, d: float, h: float) -> list[Part]:
    """A steel box with a door, a dial and a handle."""
    return [
        block("dark_metal", around(0, w), (-d / 2, 0.42 * d), (0, h)),
        block("metal", around(0, 0.84 * w), (0.42 * d, 0.46 * d), (0.08 * h, 0.92 * h)),
        turned("handle", around(0.05 * w, 0.22 * w), (0.46 * d, d / 2), around(0.6 * h, 0.22 * h), axis=1),
        block("handle", around(-0.25 * w, 0.05 * w), (0.46 * d, d / 2), around(0.5 * h, 0.25 * h)),
    ]


def hamper(w: float, d: float, h: float) -> list[Part]:
    """A woven basket with a lid."""
    taper = (0.07, 0.07, 0.93, 0.93)
    return [
        block("wicker", around(0, w), around(0, d), (0, 0.9 * h), start=taper),
        block("wicker", around(0, w), around(0, d), (0.9 * h, 0.95 * h)),
        block("fabric", around(0, 0.9 * w), around(0, 0.9 * d), (0.95 * h, h)),
    ]


def carton(w: float, d: float, h: float) -> list[Part]:
    """An open cardboard box with two flaps bent outwards."""
    wall = thickness(min(w, d), 0.03, 0.008, 0.02)
    flap = thickness(w, 0.14, 0.02, 0.12)
    inner = w - 2 * flap
    return [
        *basin("cardboard", inner, d, (0, 0.88 * h), wall, wall),
        block("cardboard", (-w / 2, -inner / 2), around(0, d), (0.8 * h, 0.88 * h), axis=2, start=(0.7, 0, 1, 1)),
        block("cardboard", (inner / 2, w / 2), around(0, d), (0.8 * h, 0.88 * h), axis=2, start=(0, 0, 0.3, 1)),
        block("cardboard", around(0, inner), (-d / 2, -d / 2 + wall), (0.88 * h, h)),
    ]


KITS: dict[str, Kit] = {
    "Box": carton,
    "Cabinet": cabinet,
    "CoffeeTable": low_table,
    "CounterTop": counter,
    "Desk": desk,
    "DiningTable": table,
    "Drawer": drawer,
    "Dresser": chest,
    "LaundryHamper": hamper,
    "Safe": safe,
    "Shelf": shelf,
    "ShelvingUnit": shelving,
    "SideTable": low_table,
    "TVStand": tv_stand,
}
