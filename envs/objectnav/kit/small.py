"""Kits of what lies and hangs around: food, plants, sport, paper, pictures, windows."""

from __future__ import annotations

from foveal.envs.objectnav.kit.parts import (
    BALL,
    DOME,
    Kit,
    Part,
    Profile,
    around,
    block,
    frame,
    lying,
    standing,
    thickness,
    turned,
)

_APPLE: Profile = ((0.35, 0), (0.85, 0.2), (1, 0.55), (0.8, 0.88), (0.3, 1), (0, 0.92))
_VASE: Profile = ((0.55, 0), (1, 0.35), (0.85, 0.62), (0.42, 0.85), (0.6, 1), (0.45, 1), (0.3, 0.85), (0, 0.8))
_PLANT_POT: Profile = ((0.7, 0), (1, 1), (0.88, 1), (0.85, 0.85), (0, 0.85))
_LEAF: Profile = ((0, 0), (0.8, 0.3), (1, 0.55), (0.55, 0.85), (0, 1))
_STATUE: Profile = ((0.5, 0), (0.35, 0.3), (0.9, 0.72), (0.75, 0.92), (0.25, 1))
_BAT: Profile = ((0.55, 0), (0.55, 0.02), (0.36, 0.05), (0.4, 0.35), (0.95, 0.65), (1, 0.95), (0.6, 1), (0, 1))


def apple(w: float, d: float, h: float) -> list[Part]:
    """A round fruit, hollow at the stem, with the stem and a leaf."""
    return [
        turned("apple", around(0, w), around(0, d), (0, 0.88 * h), _APPLE, sides=10),
        block("stick", around(0, 0.08 * w), around(0, 0.08 * d), (0.8 * h, h)),
        block("leaf", (0.04 * w, 0.34 * w), around(0, 0.16 * d), (0.9 * h, 0.95 * h)),
    ]


def tomato(w: float, d: float, h: float) -> list[Part]:
    """A flattened ball with a green star."""
    return [
        turned("tomato", around(0, w), around(0, d), (0, 0.94 * h), BALL, sides=10),
        turned("leaf", around(0, 0.4 * w), around(0, 0.4 * d), (0.88 * h, h), sides=5),
    ]


def ball(role: str, sides: int = 8) -> Kit:
    """One ball."""

    def kit(w: float, d: float, h: float) -> list[Part]:
        return [turned(role, around(0, w), around(0, d), (0, h), BALL, sides=sides)]

    return kit


def basketball(w: float, d: float, h: float) -> list[Part]:
    """An orange ball with two dark seams around it."""
    seam = 0.035
    skin: Profile = ((0, 0), (0.5, 0.05), (0.87, 0.24), (0.98, 0.46), (0.98, 0.54), (0.87, 0.76), (0.5, 0.95), (0, 1))
    disc: Profile = ((0.5, 0), (0.5, 1))
    ring = tuple((2 * r, z) for r, z in disc)
    return [
        turned("basketball", around(0, 0.96 * w), around(0, 0.96 * d), (0.02 * h, 0.98 * h), skin, sides=10),
        turned("seam", around(0, w), around(0, d), around(h / 2, seam * h), ring, sides=12),
        turned("seam", around(0, seam * w), around(0, d), (0, h), ring, axis=0, sides=12),
    ]


def bread(w: float, d: float, h: float) -> list[Part]:
    """A loaf with a rounded crust."""
    x, y = around(0, w), around(0, d)
    end = (0.0, 0.12, 1.0, 0.88) if w > d else (0.12, 0.0, 0.88, 1.0)
    return [
        block("bread", x, y, (0, 0.55 * h), start=(0.05, 0.05, 0.95, 0.95)),
        block("bread", x, y, (0.55 * h, h), end=end),
    ]


def lettuce(w: float, d: float, h: float) -> list[Part]:
    """A head of leaves."""
    return [
        turned("lettuce", around(0, w), around(0, d), (0, 0.9 * h), _LEAF, sides=7),
        turned("leaf", around(0, 0.7 * w), around(0, 0.7 * d), (0.4 * h, h), DOME, sides=6),
    ]


def plant(w: float, d: float, h: float) -> list[Part]:
    """A pot with earth, a stem and tufts of leaves."""
    pot = min(0.6 * min(w, d), 0.5 * h)
    top = min(0.3 * h, 1.1 * pot)
    parts = [
        turned("pot", around(0, pot), around(0, pot), (0, top), _PLANT_POT, sides=10),
        turned("earth", around(0, 0.84 * pot), around(0, 0.84 * pot), (0.82 * top, 0.92 * top)),
        block("stem", around(0, 0.06 * w), around(0, 0.06 * d), (0.9 * top, 0.75 * h)),
        turned("leaf", around(0, 0.6 * w), around(0, 0.6 * d), (top + 0.36 * (h - top), h), _LEAF, sides=6),
    ]
    for k, (x, y) in enumerate(((-0.22, -0.2), (0.22, -0.16), (-0.18, 0.22), (0.22, 0.22))):
        low = top + (0.04 + 0.1 * (k % 2)) * (h - top)
        spread = (around(x * w, 0.54 * w), around(y * d, 0.54 * d))
        role = "leaf" if k % 2 else "dark_leaf"
        parts.append(turned(role, *spread, (low, low + 0.5 * (h - top)), _LEAF, sides=5))
    return parts


def vase(w: float, d: float, h: float) -> list[Part]:
    """A belly, a neck and an open lip, with two bands."""
    return [
        turned("vase", around(0, w), around(0, d), (0, h), _VASE, sides=10),
    ]


def statue(w: float, d: float, h: float) -> list[Part]:
    """A bust on a plinth."""
    head = 0.45 * min(w, d)
    return [
        block("stone", around(0, 0.8 * w), around(0, 0.8 * d), (0, 0.14 * h)),
        turned("statue", around(0, w), around(0, d), (0.14 * h, 0.68 * h), _STATUE),
        turned("statue", around(0, 0.4 * head), around(0, 0.4 * head), (0.66 * h, 0.74 * h)),
        turned("statue", around(0, head), around(0, head), (0.7 * h, h), BALL),
    ]


def candle(w: float, d: float, h: float) -> list[Part]:
    """A stick of wax with a wick."""
    return [
        turned("wax", around(0, w), around(0, d), (0, 0.88 * h), sides=10),
        block("dark_plastic", around(0, 0.1 * w), around(0, 0.1 * d), (0.88 * h, h)),
    ]


def _bat(w: float, d: float, h: float) -> list[Part]:
    thick = min(w, d, 0.085 * h)
    grip = 0.42 * thick
    return [
        turned("bat", around(0, thick), around(0, thick), (0, h), _BAT, sides=10),
        turned("dark_plastic", around(0, grip), around(0, grip), (0.05 * h, 0.3 * h)),
    ]


def _racket(w: float, d: float, h: float) -> list[Part]:
    head, thin = (-0.02 * d, d / 2), min(h, 0.08 * d)  # the box of a leaning one is far thicker
    across = around(h / 2, thin)
    hoop: Profile = ((1, 0), (1, 1), (0.86, 1), (0.86, 0), (1, 0))
    string = around(h / 2, 0.1 * thin)
    parts = [
        turned("sport", around(0, w), head, around(h / 2, 0.8 * thin), hoop, sides=10),
        block("sport", around(0, 0.16 * w), (-0.26 * d, 0), around(h / 2, 0.6 * thin)),
        block("dark_plastic", around(0, 0.16 * w), (-d / 2, -0.26 * d), across),
    ]
    for k in (-0.25, 0.0, 0.25):
        long = (1 - 4 * k * k * 1.2) ** 0.5
        middle = (head[0] + head[1]) / 2
        parts.append(block("white_plastic", around(k * w, 0.02 * w), around(middle, 0.86 * long * 0.52 * d), string))
        parts.append(
            block("white_plastic", around(0, 0.86 * long * w), around(middle + k * 0.52 * d, 0.01 * d), string)
        )
    return parts


def _dumbbell(w: float, d: float, h: float) -> list[Part]:
    return [
        turned("dark_metal", around(0, w), (-d / 2, -0.25 * d), (0, h), axis=1),
        turned("dark_metal", around(0, w), (0.25 * d, d / 2), (0, h), axis=1),
        turned("metal", around(0, 0.35 * w), (-0.25 * d, 0.25 * d), around(h / 2, 0.35 * h), axis=1),
    ]


def _boots(w: float, d: float, h: float) -> list[Part]:
    parts = []
    for sign in (-1, 1):
        x = around(sign * 0.27 * w, 0.44 * w)
        parts.append(block("leather", x, (-d / 2, 0), (0.08 * h, h)))
        parts.append(block("leather", x, (0, d / 2), (0.08 * h, 0.4 * h), end=(0, 0, 1, 0.7)))
        parts.append(block("rubber", x, around(0, d), (0, 0.08 * h)))
    return parts


def _book(w: float, d: float, h: float) -> list[Part]:
    cover = 0.12 * h
    return [
        block("book", around(0, w), around(0, d), (0, cover)),
        block("paper", (-0.46 * w, 0.48 * w), around(0, 0.96 * d), (cover, h - cover)),
        block("book", (-w / 2, -0.46 * w), around(0, d), (cover, h - cover)),
        block("book", around(0, w), around(0, d), (h - cover, h)),
    ]


def _newspaper(w: float, d: float, h: float) -> list[Part]:
    return [
        block("paper", around(0, w), around(0, d), (0, 0.4 * h)),
        block("paper", around(0, 0.97 * w), (-0.5 * d, 0.46 * d), (0.4 * h, 0.8 * h)),
        block("ink", around(0, 0.8 * w), (0.28 * d, 0.4 * d), (0.8 * h, h)),
        block("ink", (-0.4 * w, -0.05 * w), (-0.4 * d, 0.15 * d), (0.8 * h, h)),
    ]


def _stick(role: str, tip: str) -> Kit:
    def kit(w: float, d: float, h: float) -> list[Part]:
        point = d / 2 - min(0.1 * d, 2 * max(w, h))
        cone: Profile = ((1, 0), (0.15, 1))
        return [
            turned(role, around(0, w), (-d / 2, point), (0, h), axis=1, sides=6),
            turned(tip, around(0, w), (point, d / 2), (0, h), cone, axis=1, sides=6),
        ]

    return kit


def _card(w: float, d: float, h: float) -> list[Part]:
    return [
        block("card", around(0, w), around(0, d), (0, 0.8 * h)),
        block("dark_plastic", around(0, w), (0.24 * d, 0.4 * d), (0.8 * h, h)),
    ]


def _keys(w: float, d: float, h: float) -> list[Part]:
    ring: Profile = ((1, 0), (1, 1), (0.75, 1), (0.75, 0), (1, 0))
    return [
        turned("metal", around(0, 0.7 * w), (0, d / 2), (0, 0.6 * h), ring),
        block("brass", around(-0.25 * w, 0.2 * w), (-d / 2, 0.1 * d), (0.2 * h, h)),
        block("metal", around(0.05 * w, 0.2 * w), (-0.45 * d, 0.1 * d), (0.2 * h, 0.8 * h)),
        block("red_plastic", around(0.36 * w, 0.28 * w), (-0.35 * d, 0.15 * d), (0, h)),
    ]


def _foil(w: float, d: float, h: float) -> list[Part]:
    return [block("metal", around(0, w), around(0, d), (0, h))]


def painting(w: float, d: float, h: float) -> list[Part]:
    """A frame around a canvas with a horizon and a shape; it looks forward."""
    rim = thickness(min(w, h), 0.08, 0.015, 0.05)
    x, inner = around(0, w - 2 * rim), (rim, h - rim)
    middle = 0.4 * h
    return [
        block("canvas", x, (-d / 2, 0.1 * d), (middle, inner[1])),
        block("canvas_low", x, (-d / 2, 0.1 * d), (inner[0], middle)),
        block("canvas_shape", around(0.16 * w, 0.24 * w), (0.1 * d, 0.25 * d), around(0.56 * h, 0.24 * h)),
        *frame("frame", around(0, w), around(0, d), (0, h), rim),
    ]


def poster(w: float, d: float, h: float) -> list[Part]:
    """A printed sheet."""
    return [
        block("canvas", around(0, w), (-d / 2, 0.2 * d), (0, h)),
        block("canvas_shape", around(0, 0.6 * w), (0.2 * d, d / 2), around(0.58 * h, 0.4 * h)),
        block("canvas_low", around(0, 0.8 * w), (0.2 * d, d / 2), (0.08 * h, 0.22 * h)),
    ]


def mirror(w: float, d: float, h: float) -> list[Part]:
    """A bright pane in a frame; it looks forward."""
    rim = thickness(min(w, h), 0.06, 0.012, 0.035)
    return [
        block("mirror", around(0, w - 2 * rim), (-d / 2, 0.2 * d), (rim, h - rim)),
        *frame("frame", around(0, w), around(0, d), (0, h), rim),
    ]


def window(w: float, d: float, h: float) -> list[Part]:
    """A frame with a cross of bars over a bright pane."""
    rim = thickness(min(w, h), 0.08, 0.02, 0.06)
    bar = 0.6 * rim
    face = (0.0, min(0.4 * d, d / 2))
    return [
        block("sky", around(0, w - 2 * rim), (-d / 2, -0.1 * d), (rim, h - rim)),
        *frame("window_frame", around(0, w), around(0, d), (0, h), rim),
        block("window_frame", around(0, bar), face, (rim, h - rim)),
        block("window_frame", around(0, w - 2 * rim), face, around(0.55 * h, bar)),
    ]


def blinds(w: float, d: float, h: float) -> list[Part]:
    """A case above, slats below."""
    case = min(0.3 * h, 0.06)
    slats = min(max(round((h - case) / 0.06), 1), 14)
    pitch = (h - case) / slats
    parts = [block("white_plastic", around(0, w), around(0, d), (h - case, h))]
    for k in range(slats):
        parts.append(block("slat", around(0, 0.98 * w), around(0, 0.7 * d), (k * pitch, (k + 0.7) * pitch)))
    return parts


def decor(w: float, d: float, h: float) -> list[Part]:
    """A standing ornament: foot, stem, twigs."""
    return [
        turned("vase", around(0, 0.7 * w), around(0, 0.7 * d), (0, 0.4 * h), ((0.6, 0), (1, 0.4), (0.5, 1))),
        block("stick", around(-0.2 * w, 0.04 * w), around(0.1 * d, 0.04 * d), (0.35 * h, h)),
        block("stick", around(0.05 * w, 0.04 * w), around(-0.1 * d, 0.04 * d), (0.35 * h, 0.92 * h)),
        turned("canvas_shape", around(-0.2 * w, 0.6 * w), around(0.1 * d, 0.6 * d), (0.7 * h, h), BALL, sides=6),
        turned(
            "canvas_shape", around(0.12 * w, 0.5 * w), around(-0.1 * d, 0.5 * d), (0.66 * h, 0.92 * h), BALL, sides=6
        ),
    ]


def table_decor(w: float, d: float, h: float) -> list[Part]:
    """A dish with three balls."""
    dish: Profile = ((0.4, 0), (1, 1), (0.8, 1), (0, 0.4))
    parts = [turned("tableware", around(0, w), around(0, d), (0, 0.6 * h), dish, sides=10)]
    for x, y in ((-0.18, -0.1), (0.18, -0.1), (0, 0.18)):
        parts.append(turned("wicker", around(x * w, 0.34 * w), around(y * d, 0.34 * d), (0.3 * h, h), BALL))
    return parts


KITS: dict[str, Kit] = {
    "AluminumFoil": _foil,
    "Apple": apple,
    "BaseballBat": standing(_bat),
    "BasketBall": basketball,
    "Blinds": blinds,
    "Book": lying(_book),
    "Boots": _boots,
    "Bread": bread,
    "Candle": candle,
    "CreditCard": lying(_card),
    "Dumbbell": lying(_dumbbell),
    "Egg": ball("egg"),
    "HousePlant": plant,
    "KeyChain": lying(_keys),
    "Lettuce": lettuce,
    "Mirror": mirror,
    "Newspaper": lying(_newspaper),
    "Painting": painting,
    "Pen": lying(_stick("pen", "dark_plastic")),
    "Pencil": lying(_stick("pencil", "stick")),
    "Poster": poster,
    "Potato": ball("potato"),
    "RoomDecor": decor,
    "Statue": statue,
    "TableTopDecor": table_decor,
    "TennisRacket": lying(_racket),
    "Tomato": tomato,
    "Vase": vase,
    "Window": window,
}
