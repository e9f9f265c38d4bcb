"""Kits of the kitchen: appliances, cookware, tableware."""

from __future__ import annotations

from foveal.envs.objectnav.kit.parts import (
    BUCKET,
    DOME,
    Kit,
    Part,
    Profile,
    Span,
    around,
    block,
    lying,
    turned,
)

_BOWL: Profile = ((0.4, 0), (0.8, 0.45), (1, 1), (0.92, 1), (0.66, 0.4), (0, 0.15))
_PLATE: Profile = ((0.55, 0), (1, 1), (0.62, 0.35), (0, 0.35))
_POT: Profile = ((0.92, 0), (1, 1), (0.93, 1), (0.86, 0.08), (0, 0.08))
_PAN: Profile = ((0.9, 0), (1, 1), (0.94, 1), (0.84, 0.3), (0, 0.3))
_BOTTLE: Profile = ((0.9, 0), (1, 0.06), (1, 0.55), (0.38, 0.72), (0.34, 1))
_KETTLE: Profile = ((0.9, 0), (1, 0.15), (0.85, 0.7), (0.45, 1), (0, 1))


def fridge(w: float, d: float, h: float) -> list[Part]:
    """A case with a fridge door above a freezer door, or two doors side by side where it is wide; bar handles."""
    face = 0.42 * d
    parts = [block("appliance", around(0, w), (-d / 2, face), (0.02 * h, h))]
    parts.append(block("dark_plastic", around(0, 0.9 * w), (-0.4 * d, 0.38 * d), (0, 0.02 * h)))
    door, bar = (face, 0.47 * d), (0.47 * d, d / 2)
    if w > 0.8:
        for sign in (-1, 1):
            parts.append(block("appliance", around(sign * w / 4, 0.485 * w), door, (0.36 * h, 0.995 * h)))
            parts.append(block("handle", around(sign * 0.05 * w, 0.03 * w), bar, (0.45 * h, 0.85 * h)))
        parts.append(block("appliance", around(0, 0.985 * w), door, (0.03 * h, 0.35 * h)))
        parts.append(block("handle", around(0, 0.7 * w), bar, around(0.32 * h, 0.015 * h)))
    else:
        for z, grip in (((0.03, 0.64), (0.4, 0.62)), ((0.655, 0.995), (0.67, 0.85))):
            parts.append(block("appliance", around(0, 0.985 * w), door, (z[0] * h, z[1] * h)))
            parts.append(block("handle", around(0.42 * w, 0.035 * w), bar, (grip[0] * h, grip[1] * h)))
    return parts


def microwave(w: float, d: float, h: float) -> list[Part]:
    """A case with a dark window in a door, a bar handle, a panel with a display and a dial."""
    face = (0.46 * d, 0.485 * d)
    return [
        block("appliance", around(0, w), (-d / 2, 0.46 * d), (0.03 * h, h)),
        block("dark_plastic", around(0, 0.9 * w), around(0, 0.8 * d), (0, 0.03 * h)),
        block("appliance", (-0.49 * w, 0.24 * w), face, (0.05 * h, 0.97 * h)),
        block("dark_glass", (-0.42 * w, 0.14 * w), (0.485 * d, 0.49 * d), (0.16 * h, 0.86 * h)),
        block("handle", around(0.2 * w, 0.03 * w), (0.485 * d, d / 2), (0.14 * h, 0.88 * h)),
        block("dark_plastic", (0.26 * w, 0.49 * w), face, (0.05 * h, 0.97 * h)),
        block("display", (0.3 * w, 0.45 * w), (0.485 * d, 0.49 * d), (0.76 * h, 0.88 * h)),
        turned("metal", around(0.375 * w, 0.13 * w), (0.485 * d, d / 2), around(0.35 * h, 0.13 * w), axis=1),
    ]


def coffee_machine(w: float, d: float, h: float) -> list[Part]:
    """A tank behind, a head over a warming plate, a glass jug between them."""
    jug = min(0.5 * w, 0.45 * d)
    return [
        block("dark_plastic", around(0, w), (-d / 2, -0.1 * d), (0, h)),
        block("dark_plastic", around(0, w), (-0.1 * d, 0.45 * d), (0.72 * h, h)),
        block("metal", around(0, 0.8 * w), (0.45 * d, 0.47 * d), (0.78 * h, 0.94 * h)),
        block("dark_plastic", around(0, w), (-0.1 * d, d / 2), (0, 0.08 * h)),
        turned(
            "dark_glass", around(0, jug), around(0.18 * d, jug), (0.08 * h, 0.5 * h), ((0.9, 0), (1, 0.4), (0.7, 1))
        ),
        turned("metal", around(0, 0.7 * jug), around(0.18 * d, 0.7 * jug), (0.5 * h, 0.56 * h)),
        block("dark_plastic", around(0.5 * jug, 0.16 * jug), around(0.32 * d, 0.16 * jug), (0.16 * h, 0.46 * h)),
        turned("power_light", around(0.3 * w, 0.1 * w), (0.47 * d, 0.5 * d), around(0.86 * h, 0.08 * h), axis=1),
    ]


def toaster(w: float, d: float, h: float) -> list[Part]:
    """A case rounded above with two dark slots and levers at one end."""
    long_x = w > d
    x = around(0, w)
    slot, gap = (0.66, 0.12) if long_x else (0.12, 0.66)
    side = (0.2 * d, 0.0) if long_x else (0.0, 0.2 * w)
    parts = [
        block("dark_plastic", around(0, 0.96 * w), around(0, 0.92 * d), (0, 0.1 * h)),
        block("appliance", x, around(0, 0.94 * d), (0.1 * h, 0.72 * h)),
        block("appliance", x, around(0, 0.94 * d), (0.72 * h, 0.985 * h), end=(0.1, 0.1, 0.9, 0.9)),
    ]
    for sign in (-1, 1):
        middle = (sign * side[1], sign * side[0])
        parts.append(block("dark_plastic", around(middle[0], slot * w), around(middle[1], gap * d), (0.98 * h, h)))
    parts.append(block("handle", around(0, 0.24 * w), (0.47 * d, d / 2), around(0.6 * h, 0.1 * h)))
    return parts


def burner(w: float, d: float, h: float) -> list[Part]:
    """A ring around a cap, or a grate where it is raised."""
    return [
        turned("dark_metal", around(0, w), around(0, d), (0, 0.5 * h), sides=10),
        turned("metal", around(0, 0.8 * w), around(0, 0.8 * d), (0.5 * h, 0.7 * h), sides=10),
        turned("dark_metal", around(0, 0.5 * w), around(0, 0.5 * d), (0.7 * h, h)),
    ]


def stove_knob(w: float, d: float, h: float) -> list[Part]:
    """A dial with a grip, turned about the axis in which its box is thinnest."""
    size = (w, d, h)
    axis = min(range(3), key=lambda k: size[k])
    x, y, z = around(0, w), around(0, d), (0.0, h)
    low, high = [x, y, z], [x, y, z]
    middle = (low[axis][0] + low[axis][1]) / 2
    low[axis], high[axis] = (low[axis][0], middle), (middle, high[axis][1])
    grip = [around((a + b) / 2, 0.5 * (b - a)) for a, b in high]
    grip[axis] = high[axis]
    return [
        turned("metal", low[0], low[1], low[2], axis=axis),
        block("dark_plastic", grip[0], grip[1], grip[2]),
    ]


def pot(w: float, d: float, h: float) -> list[Part]:
    """An open vessel with two ears at the ends of its longer side."""
    ear_x = w >= d
    round_ = min(min(w, d), 0.8 * max(w, d) if abs(w - d) > 0.02 else 0.84 * w)
    lug = 0.12 * h
    parts = [turned("cookware", around(0, round_), around(0, round_), (0, h), _POT, sides=10)]
    for sign in (-1, 1):
        far, near = sign * (w if ear_x else d) / 2, sign * 0.47 * round_
        along: Span = (min(near, far), max(near, far))
        across = around(0, 0.4 * round_)
        parts.append(block("dark_plastic", *((along, across) if ear_x else (across, along)), around(0.8 * h, lug)))
    return parts


def _pan(w: float, d: float, h: float) -> list[Part]:
    bowl = min(w, 0.62 * d)
    return [
        turned("cookware", around(0, bowl), (-d / 2, -d / 2 + bowl), (0, h), _PAN, sides=10),
        block("dark_plastic", around(0, 0.1 * w), (-d / 2 + 0.98 * bowl, d / 2), (0.55 * h, 0.9 * h)),
    ]


def kettle(w: float, d: float, h: float) -> list[Part]:
    """A bellied body with a knob, a spout in front and a bow over it."""
    body = 0.72 * min(w, d)
    bow = 0.07 * w
    return [
        turned("cookware", around(0, body), around(-0.1 * d, body), (0, 0.66 * h), _KETTLE),
        turned("dark_plastic", around(0, 0.15 * w), around(-0.1 * d, 0.15 * d), (0.66 * h, 0.74 * h)),
        block("cookware", around(0, 0.12 * w), (0.1 * d, d / 2), (0.3 * h, 0.62 * h), axis=1, end=(0.5, 0, 1, 1)),
        block("dark_plastic", (-0.32 * w, -0.32 * w + bow), around(-0.1 * d, bow), (0.5 * h, 0.93 * h)),
        block("dark_plastic", (0.32 * w - bow, 0.32 * w), around(-0.1 * d, bow), (0.5 * h, 0.93 * h)),
        block("dark_plastic", around(0, 0.64 * w), around(-0.1 * d, bow), (0.93 * h, h)),
    ]


def bowl(w: float, d: float, h: float) -> list[Part]:
    """A hollow bowl."""
    return [turned("tableware", around(0, w), around(0, d), (0, h), _BOWL, sides=10)]


def plate(w: float, d: float, h: float) -> list[Part]:
    """A flat plate with a raised rim."""
    return [
        turned("tableware", around(0, w), around(0, d), (0, h), _PLATE, sides=10),
        turned("ceramic", around(0, 0.64 * w), around(0, 0.64 * d), (0.3 * h, 0.42 * h), sides=10),
    ]


def mug(w: float, d: float, h: float) -> list[Part]:
    """A hollow cylinder with a handle along the longer side of its box."""
    long_x = w >= d
    long, body = max(w, d), min(min(w, d), 0.78 * max(w, d))
    at, bar = -(long - body) / 2, 0.09 * long
    x: Span = (at + 0.48 * body, long / 2)
    pieces = [(x, (0.72 * h, 0.84 * h)), (x, (0.2 * h, 0.32 * h)), ((x[1] - bar, x[1]), (0.32 * h, 0.72 * h))]
    circle = around(at, body), around(0, body)
    parts = [turned("mug", *(circle if long_x else circle[::-1]), (0, h), ((0.95, 0), (1, 1), (0.86, 1), (0, 0.75)))]
    for span, z in pieces:
        parts.append(block("mug", *((span, around(0, bar)) if long_x else (around(0, bar), span)), z))
    return parts


def cup(w: float, d: float, h: float) -> list[Part]:
    """A hollow beaker that widens upwards."""
    return [turned("glass", around(0, w), around(0, d), (0, h), ((0.72, 0), (1, 1), (0.88, 1), (0.6, 0.12), (0, 0.12)))]


def bottle(w: float, d: float, h: float) -> list[Part]:
    """A body, shoulders, a neck, a label and a cap."""
    return [
        turned("glass", around(0, 0.98 * w), around(0, 0.98 * d), (0, 0.94 * h), _BOTTLE, sides=10),
        turned("paper", around(0, w), around(0, d), (0.15 * h, 0.42 * h), sides=10),
        turned("cap", around(0, 0.4 * w), around(0, 0.4 * d), (0.94 * h, h)),
    ]


def wine_bottle(w: float, d: float, h: float) -> list[Part]:
    """A dark bottle with a long neck, a label and foil."""
    return [
        turned("wine", around(0, 0.98 * w), around(0, 0.98 * d), (0, 0.9 * h), _BOTTLE, sides=10),
        turned("paper", around(0, w), around(0, d), (0.15 * h, 0.42 * h), sides=10),
        turned("cap", around(0, 0.42 * w), around(0, 0.42 * d), (0.86 * h, h)),
    ]


def shaker(role: str) -> Kit:
    """A small pot that narrows to a metal cap."""

    def kit(w: float, d: float, h: float) -> list[Part]:
        return [
            turned(role, around(0, w), around(0, d), (0, 0.72 * h), ((1, 0), (0.75, 1))),
            turned("metal", around(0, 0.85 * w), around(0, 0.85 * d), (0.72 * h, h), DOME),
        ]

    return kit


def _fork(w: float, d: float, h: float) -> list[Part]:
    tine = 0.16 * w
    parts = [
        block("metal", around(0, 0.32 * w), (-d / 2, 0.1 * d), (0.2 * h, 0.8 * h)),
        block("metal", around(0, w), (0.1 * d, 0.22 * d), (0.2 * h, 0.8 * h), axis=1, start=(0, 0.3, 1, 0.7)),
    ]
    for k in (-1.5, -0.5, 0.5, 1.5):
        parts.append(block("metal", around(k * 0.27 * w, tine), (0.22 * d, d / 2), (0.2 * h, h)))
    return parts


def _spoon(w: float, d: float, h: float) -> list[Part]:
    return [
        block("metal", around(0, 0.25 * w), (-d / 2, 0.2 * d), (0.3 * h, 0.8 * h)),
        turned("metal", around(0, w), (0.18 * d, d / 2), (0, h), _BOWL),
    ]


def _knife(role: str) -> Kit:
    def kit(w: float, d: float, h: float) -> list[Part]:
        return [
            block(role, around(0, 0.7 * w), (-d / 2, -0.1 * d), (0, h)),
            block("metal", around(0, w), (-0.1 * d, d / 2), (0.25 * h, 0.75 * h), axis=1, end=(0.25, 0.6, 0.75, 1)),
        ]

    return kit


def _spatula(w: float, d: float, h: float) -> list[Part]:
    return [
        block("dark_plastic", around(0, 0.25 * w), (-d / 2, 0.22 * d), (0.4 * h, h)),
        block("dark_plastic", around(0, w), (0.2 * d, d / 2), (0, 0.5 * h)),
    ]


def _ladle(w: float, d: float, h: float) -> list[Part]:
    bowl_ = min(w, 0.4 * d)
    return [
        block("metal", around(0, 0.16 * w), (-d / 2, d / 2 - 0.8 * bowl_), (0.75 * h, h)),
        turned("metal", around(0, bowl_), (d / 2 - bowl_, d / 2), (0, 0.9 * h), _BOWL),
    ]


def dish_sponge(w: float, d: float, h: float) -> list[Part]:
    """A soft block under a scouring layer."""
    return [
        block("sponge", around(0, w), around(0, d), (0, 0.7 * h)),
        block("scourer", around(0, w), around(0, d), (0.7 * h, h)),
    ]


def paper_roll(w: float, d: float, h: float) -> list[Part]:
    """An upright roll around a core."""
    return [
        turned("paper", around(0, w), around(0, d), (0, 0.97 * h), sides=10),
        turned("cardboard", around(0, 0.35 * w), around(0, 0.35 * d), (0.97 * h, h)),
    ]


def garbage_can(w: float, d: float, h: float) -> list[Part]:
    """An open bin that widens upwards, with a rim and a bag hanging over it."""
    return [
        turned("bin", around(0, 0.97 * w), around(0, 0.97 * d), (0, h), BUCKET, sides=10),
        turned(
            "bag", around(0, w), around(0, d), (0.86 * h, h), ((1, 0), (1, 1), (0.86, 1), (0.86, 0), (1, 0)), sides=10
        ),
    ]


def garbage_bag(w: float, d: float, h: float) -> list[Part]:
    """A full bag, tied."""
    return [
        turned("bag", around(0, w), around(0, d), (0, 0.84 * h), ((0.8, 0), (1, 0.3), (0.8, 0.7), (0.15, 1))),
        turned("bag", around(0, 0.4 * w), around(0, 0.4 * d), (0.84 * h, h), ((0.3, 0), (1, 1), (0, 1))),
    ]


def watering_can(w: float, d: float, h: float) -> list[Part]:
    """A tank, a spout in front and a bow behind."""
    tank = (-0.3 * d, 0.15 * d)
    return [
        turned("bin", around(0, 0.9 * w), tank, (0, 0.75 * h), sides=8),
        block(
            "bin",
            around(0, 0.16 * w),
            (0.1 * d, 0.42 * d),
            (0.1 * h, 0.85 * h),
            axis=1,
            start=(0, 0, 0.3, 1),
            end=(0.8, 0, 1, 1),
        ),
        turned("bin", around(0, 0.4 * w), (0.38 * d, d / 2), (0.7 * h, h), ((0.62, 0), (1, 1)), axis=1),
        block("bin", around(0, 0.12 * w), (-d / 2, -0.42 * d), (0.2 * h, h)),
        block("bin", around(0, 0.12 * w), (-0.42 * d, 0), (0.9 * h, h)),
        block("bin", around(0, 0.12 * w), (-0.05 * d, 0), (0.75 * h, 0.9 * h)),
    ]


def oven(w: float, d: float, h: float) -> list[Part]:
    """A stove's body: a door with a window and a bar under a panel; its burners and knobs are things of their own."""
    face = (0.44 * d, 0.48 * d)
    return [
        block("appliance", around(0, w), (-d / 2, 0.44 * d), (0.03 * h, h)),
        block("dark_plastic", around(0, 0.94 * w), (-0.45 * d, 0.4 * d), (0, 0.03 * h)),
        block("appliance", around(0, 0.97 * w), face, (0.22 * h, 0.84 * h)),
        block("dark_glass", around(0, 0.7 * w), (0.48 * d, 0.485 * d), (0.34 * h, 0.68 * h)),
        block("handle", around(0, 0.8 * w), (0.48 * d, d / 2), around(0.77 * h, 0.03 * h)),
        block("appliance", around(0, 0.97 * w), face, (0.05 * h, 0.2 * h)),
        block("dark_plastic", around(0, 0.97 * w), face, (0.87 * h, h)),
    ]


KITS: dict[str, Kit] = {
    "Bottle": bottle,
    "Bowl": bowl,
    "ButterKnife": lying(_knife("metal")),
    "CoffeeMachine": coffee_machine,
    "Cup": cup,
    "DishSponge": lying(dish_sponge),
    "Fork": lying(_fork),
    "Fridge": fridge,
    "GarbageBag": garbage_bag,
    "GarbageCan": garbage_can,
    "Kettle": kettle,
    "Knife": lying(_knife("dark_plastic")),
    "Ladle": lying(_ladle),
    "Microwave": microwave,
    "Mug": mug,
    "Pan": lying(_pan),
    "PaperTowelRoll": paper_roll,
    "PepperShaker": shaker("dark_plastic"),
    "Plate": plate,
    "Pot": pot,
    "SaltShaker": shaker("glass"),
    "Spatula": lying(_spatula),
    "Spoon": lying(_spoon),
    "StoveBurner": burner,
    "StoveKnob": stove_knob,
    "Toaster": toaster,
    "WateringCan": watering_can,
    "WineBottle": wine_bottle,
}
