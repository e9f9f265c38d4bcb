"""Palettes: what a role is made of, in which colours a scene may have it, and materials by name.

Colours are split into those that training scenes draw from and held-out ones, so that a change of looks can be tested.
"""

from __future__ import annotations

import re
import zlib
from typing import Literal, NamedTuple

import numpy as np

from foveal.envs.rendering.scene import Material

Palette = Literal["train", "held_out"]


class Role(NamedTuple):
    """A texture, the length of its tile (m), colours (sRGB, hexadecimal) of both palettes, and `Material.glow`.

    `held_out` may be empty: a role whose colour says what it is (a tomato) is the same in both.
    """

    texture: str
    scale: float
    train: str
    held_out: str = ""
    glow: float = 0.0


_WOODS = "c89f6d b5834f 8a5a35 6b4426 4a3020 d8bd94 a0713f 7a4a2b e4d9c8", "b0906a 5d3a24 94694a 9c8468"
_FABRICS = (
    "5b6f86 7c8a5a a2574b b9a88d 6d6d70 3f5066 8e7a94 c2b49a 4d6b5d 9a4a3a 7b5a44 d0c8bc",
    "2f6f77 a67c3d 6f4b6b 8f9aa0 c46a4a",
)

ROLES: dict[str, Role] = {
    "plain": Role("plain", 1, "a8a39b 8d8f93 b7a58f 7f8a86", "9a8f9c a39a7c"),
    # Shells
    "floor_wood": Role("planks", 1.6, "b98a5a a2723f 8f6037 c9a270 7a4f2d d2b48a 9b7a58", "a8835f 6d4c33 bd9478"),
    "floor_parquet": Role("parquet", 1.2, "b98a5a a2723f c9a270 8a5c34", "9e7a50 7d5a3d"),
    "floor_tile": Role("tile", 1.6, "d9d4ca c4bdb0 b8b6b0 e3dfd6 a9a298 cfc3ae", "9fa8a8 d8c9b8 b0a590"),
    "floor_bath": Role("tile", 1.0, "e0ddd6 c9cfd0 b9c2c4 d5cdbf a7aeb0", "c0cdbf b3a79a d9d9e0"),
    "floor_checker": Role("checker", 1.6, "b9b6af a8a49c b5ad9f", "a0a8a5 b0a090"),
    "floor_carpet": Role("carpet", 0.7, "b4a892 9d968c 8d8579 a9a6a0 8c7b6b c0b59f 7d8287", "8a7f90 7e8a7a a08c7a"),
    "floor_concrete": Role("concrete", 2.5, "a6a39d 918f8b b4b0a8", "9c9a90 85888a"),
    "ceiling": Role("plaster", 2.0, "f4f2ed f0eee8 f7f6f3", "efefea f2eee6"),
    "wall": Role(
        "plaster",
        2.0,
        "e9e2d5 dfe3e2 d9d3c5 e8e4dc cfd8d6 e6d9c3 d3dbe2 dcd5cb c8cfc0 e3cfc0 b9c7cf d8cfa8 ece7df c4b9ab",
        "b5c4b1 d9c0b4 c3bfd0 e0d2b0 a9bcc4",
    ),
    "wall_accent": Role(
        "plaster", 2.0, "6f8796 8a9a7b b07a5e 7d7f86 a3603f 5f7a78 93896f 4f5d6b", "7b6a85 9a8248 557a6a"
    ),
    "wall_tile": Role("tile", 0.8, "e9e8e3 d6e0e2 dfe6da e3ddd2 c6d4da", "d9d0dc cddbd0 e6e0c8"),
    "skirting": Role("plain", 1, "f2f0ea e9e6df ddd6c8", "ece8e2 cfc7ba"),
    "door": Role("wood", 1.3, "ede9e1 c39a67 8b5c38 e4ded3 6d4528 d9d4c8", "b08a62 5e4030 cdd4d4"),
    "lamp": Role("plain", 1, "fffaf0", glow=1.2),
    # Furniture
    "furniture": Role("wood", 1.0, *_WOODS),
    "joinery": Role("wood", 1.1, "e6e2d8 d9d2c4 c79a63 9a6a40 6f4728 f0eee9 b7bdb9 5a6b72", "8fa08f 7f5638 cbb799"),
    "counter": Role("granite", 0.5, "5a5855 3c3b3b c9c2b5 8d8378 a89f92 716a62 dcd7ce", "6b7276 9a8a76 4a4440"),
    "handle": Role("metal", 0.3, "b9bbbd a3a5a8 8c8378 3b3b3d c2b280", "9a9ea0 6e6a66"),
    "seat": Role("fabric", 0.4, "8a5a35 5b6f86 3f3f42 a2574b c8b79a 7c8a5a e2ddd3 6b4426", "2f6f77 a67c3d 8f9aa0"),
    "upholstery": Role("fabric", 0.5, *_FABRICS),
    "cushion": Role("fabric", 0.4, *_FABRICS),
    "blanket": Role(
        "fabric", 0.6, "5b6f86 a2574b 7c8a5a c2a878 6d5a7a 3f5066 b9737b 8fa7b3 d8d2c6", "2f6f77 b98a4a 7a6f90"
    ),
    "sheet": Role("fabric", 0.6, "f2f0ec e9edf0 efe9df", "ece8ee e6efe9"),
    "fabric": Role("fabric", 0.4, *_FABRICS),
    "curtain": Role("fabric", 0.7, "d9d2c3 b7c0c6 a9937c c9b3a5 8f9c8c 7d6a63 e4e0d8", "93a3b5 bfa36f 8a6f7c"),
    "wicker": Role("fabric", 0.2, "b08d5c 9a7848 c7a878", "8a6a44 bfa68a"),
    "leather": Role("leather", 0.4, "5a3b27 3a2c24 7a5233 2b2b2d", "6b3f33 4a4a3a"),
    "frame": Role("wood", 0.7, "2f2b28 6b4426 c8a25e e9e6df 8a8a8c", "4a3f55 a08060"),
    "cardboard": Role("plain", 1, "b98f5e c49a6a a88050", "b58a66 9f7c55"),
    "carton": Role("plain", 1, "8fb0c8 c9a3b0 a8bf9a d7c48a", "b0a0c8 c8b09a"),
    # Appliances, metals, ceramics, plastics
    "appliance": Role("metal", 0.9, "c4c7c9 e8e8e6 b2b5b8 d8dad9 4a4c4f f0efec", "a9aeb0 d5cfc0 6b7073"),
    "metal": Role("metal", 0.4, "bcbfc2 a8abae cfd1d2", "b0b4b2 c4bfb6"),
    "dark_metal": Role("metal", 0.4, "3a3b3d 4b4d50 2c2d2f", "454042 38404a"),
    "chrome": Role("plain", 1, "c9ced2 bfc4c8 d7dadc", "b8c0c4 cfc8bd"),
    "brass": Role("plain", 1, "c9a24a b8923f d4b466", "b79a5a a88640"),
    "lamp_metal": Role("metal", 0.4, "3b3b3d b9bbbd a8864f e6e4df 5a4a3c", "6b6f73 8a6a4a"),
    "sink": Role("plain", 1, "d2d5d7 eeeeec c3c7ca", "dcd8cf b9c0c0"),
    "cookware": Role("metal", 0.4, "9b9ea2 3c3d40 b5432f c2c5c7 5b6b7a", "7f4a5a 8a8f80"),
    "tableware": Role("plain", 1, "f1efe9 c9dbe2 e3b98f 7fa3b5 d98f7a a9c09a 4f6f8f", "c7a3c0 e0d08a 7f8f6a"),
    "mug": Role("plain", 1, "d24b3e 3f78b0 f0eee8 5a9a6a e0b23f 2f3a48 d98a4a", "8a5aa0 3fa0a0 c86a8a"),
    "glass": Role("plain", 1, "b9d3d6 c8dcd2 cfd8e4 a8c4b0", "c2c8b0 b0c0d6"),
    "vase": Role("plain", 1, "3f6f9a b5563f e6dfd0 5f8a6f c9a15a 7a4f6f 2f4a52 d9a08a", "8f9a3f 4a8a94 a06a9a"),
    "pot": Role("plain", 1, "b5653f e4e0d8 7d7a75 a8864f 4f5a5f", "8a5a4a c7b7a0"),
    "statue": Role("concrete", 0.6, "d8d2c4 a8a29a 6b5a44 b58f4f 4f5452", "c0b4c0 8a9a94"),
    "stone": Role("marble", 0.6, "c9c4ba 8d8983 5a5755", "b0a8a0 75706a"),
    "ceramic": Role("plain", 1, "f4f3f0 efefec f1ece2", "e6ecee efe4da"),
    "seat_white": Role("plain", 1, "e4e2dd d8d9d9 e6ddcf", "d0d8da dccfc4"),
    "white_plastic": Role("plain", 1, "ececea e4e4e2", "e6e2da"),
    "light_plastic": Role("plain", 1, "c9c9c7 d6d6d4", "c0c4c4"),
    "dark_plastic": Role("plain", 1, "2a2b2d 343538 232426", "30302c 2c3038"),
    "red_plastic": Role("plain", 1, "c43a30 b8322e", "c8503a"),
    "rubber": Role("plain", 1, "8a3a2c 2f2c2b a34a35", "5a2f2a"),
    "bin": Role("plain", 1, "6f7377 3f4347 8a9a9c b5b8ba 4f6b8a 7a8f6a", "8a6f5a 5f7a7a"),
    "bag": Role("plain", 1, "e9e9e7 d8dcde 2c2d30", "c9d4d0 3a3a44"),
    "soap": Role("plain", 1, "e8b7c0 b9d8c9 f0e3b2 c3d3ea", "d8c0e0 e6cfae"),
    "spray": Role("plain", 1, "3f8fd0 59b06a e0743a 8fd0e0 d8c23a", "a05ac0 e06a8a"),
    "trigger": Role("plain", 1, "d8382e 2f6fb8 f0efec 2f8a4a", "e08a2a 5a3a8a"),
    "cap": Role("plain", 1, "c43a30 2f5f9a 3a3a3c d8c27a", "7a3a6a 3a7a6a"),
    "wine": Role("plain", 1, "2a3b2a 33271f 3b1f26", "2a2f3b"),
    "bat": Role("wood", 0.6, "cfa56a b9834a 3a3a3d a63f2f", "8a6a4a 2f4f7a"),
    "sport": Role("plain", 1, "d0392e 2f66b0 2c2c2e e0c030", "4a9a5a 8a3a8a"),
    "clock": Role("plain", 1, "c23b33 2f4f6f 3a3a3c 3f8f86 d8b03f", "8a4a8a 5a7a3a"),
    "book": Role("plain", 1, "8a2f2b 2f4a6f 3f6a4a b08a3f 4a3a5a c2b8a6 25272b", "2f6f77 a2574b 7a6a8a"),
    "card": Role("plain", 1, "3a6fb0 b0803a 6a6f75 4a9a7a", "8a4a7a"),
    "pen": Role("plain", 1, "2f4f8a 2b2b2d a83232", "2f7a5a"),
    "pencil": Role("plain", 1, "e0b03a", "c9603a"),
    "stick": Role("plain", 1, "8a6238 a57b4a", "74522f"),
    "laptop": Role("metal", 0.5, "b4b7ba 3a3c3f 8d9093 d6d7d8", "9a8f94 56606b"),
    "keys": Role("plain", 1, "2b2c2e 3a3b3d", "34363a"),
    "paper": Role("plain", 1, "f3f1ea ecebe6", "efe9dc"),
    "ink": Role("plain", 1, "6b6b6b 4f5052", "5f5a5a"),
    "wax": Role("plain", 1, "f0e6cf d8a0a0 e9e9e4 b9c9a0", "c0b0d0"),
    "fur": Role("carpet", 0.25, "a0703f c79a63 7a5233 d9c3a0", "8f7f75 b08a8a"),
    "muzzle": Role("carpet", 0.25, "e3cda5 d8b98a", "d0c0b0"),
    "towel": Role("carpet", 0.2, "e6e2d8 9fb8c4 c98f7f 8fa08a d9c48f 7a8fa8 b5a3b8", "6fa0a0 c0a080"),
    "towel_band": Role("carpet", 0.2, "c9c2b2 6f8fa0 a06a5c 6b7f6a", "507a7a 987a60"),
    "shower_curtain": Role("stripes", 1.0, "e3e6e6 b5cfd8 d8c9b0 c2d4b8", "d0bcd0 e0d8a8"),
    "slat": Role("plain", 1, "e8e6e0 d9d4c8 cbb694", "d0d4d4 b9a58a"),
    "sponge": Role("plain", 1, "f0d24a 7fc4d8 e88fa0", "b0d85a"),
    "scourer": Role("plain", 1, "3f8a4f 2f6f9a", "5a5a8a"),
    "window_frame": Role("plain", 1, "f2f0eb e2ddd2 8a5f3c", "d0d4d6 5f4a3a"),
    "canvas": Role("plain", 1, "b9d0dc e6d3a8 d9b5a0 a8c0a8 8fa8c8 e9e0d0 c7b0cc", "a0c8c0 d8c88a c89aa0"),
    "canvas_low": Role("plain", 1, "5f7a4f 3f5f7a 8a5f3f a8863f 4f4a5f", "3f6f6a 7a4a5a"),
    "canvas_shape": Role("plain", 1, "c9503a e0b040 2f3f4f f0ece0 6f4f7a", "3f8f8a d07a90"),
    # Things that are what their colour says
    "lampshade": Role("plain", 1, "f6e9c8 f3f0e6 f0dcb0 e6c9a0", "e9e0f0 d8e6d8", glow=0.95),
    "power_light": Role("plain", 1, "e03a2f 3fd060", glow=0.8),
    "display": Role("plain", 1, "3fd08a 4fc0e0", glow=0.8),
    "screen": Role("plain", 1, "15181c 1a1d22"),
    "desktop": Role("plain", 1, "3f86c6 4f6fb5 5a9fb0 7a6fc0", "b0705a 4f9a70", glow=0.7),
    "dark_glass": Role("plain", 1, "1c2024 24282c"),
    "mirror": Role("plain", 1, "c6d6dc bccfd6"),
    "sky": Role("plain", 1, "d6e8f7 e4eef5", "f0e4d0 cfd8e6", glow=1.1),
    "dial": Role("plain", 1, "f7f6f2"),
    "seam": Role("plain", 1, "231a15"),
    "apple": Role("plain", 1, "c8232b b01e28 7fae2f d43a2a", "d9a52f 9ab83a"),
    "tomato": Role("plain", 1, "d9301f c92a1c"),
    "lettuce": Role("leaves", 0.3, "6fae3f 7fb84a"),
    "leaf": Role("leaves", 0.3, "4f8f35 3f7f3a 5f9a40", "6f9a4a 3f7a55"),
    "dark_leaf": Role("leaves", 0.3, "2f6a2f 37702f", "2f6048"),
    "stem": Role("plain", 1, "5a6b35 6b5a38"),
    "earth": Role("plain", 1, "3a2a1e 463425"),
    "basketball": Role("leather", 0.2, "d9692a c75a20 e07a35"),
    "bread": Role("plain", 1, "b97a3a a86a30 c98f50"),
    "egg": Role("plain", 1, "ecdcc3 d9b48f f2ece0"),
    "potato": Role("plain", 1, "b08a55 a57a45 c2a068"),
}
"""Every role that kits and shells name."""

_WORDS = {
    "carpet|rug": "floor_carpet",
    "parquet": "floor_parquet",
    "checker": "floor_checker",
    "floor.*wood|wood.*floor|hardwood|plank|laminate": "floor_wood",
    "tile|ceramic": "floor_tile",
    "brick": "brick",
    "concrete|cement": "floor_concrete",
    "marble|stone|granite": "stone",
    "wood|oak|walnut|pine|birch|mahogany": "furniture",
    "leather": "leather",
    "fabric|cotton|linen|cloth|sheet": "fabric",
    "metal|steel|iron|alumin|chrome": "metal",
    "plastic": "bin",
    "drywall|wall|paint|plaster": "wall",
}
"""What a word in a material's name says of it."""

_HUES = {
    "black": "2b2a2a",
    "white": "efede8",
    "cream|eggshell|beige|sand": "e2d5bc",
    "brown": "87603f",
    "gr[ea]y": "999997",
    r"\bred\b|maroon": "a03c31",
    "orange": "cc8446",
    "yellow|gold": "d6ba58",
    "green": "7d976a",
    "teal|aqua": "5d9795",
    "blue": "688aa9",
    "pink": "d6a6a1",
    "purple": "83669a",
}
"""Colours that a material's name may say."""

_NAMED_ROLES = {**ROLES, "brick": Role("brick", 1.6, "a8563f 96503c b5694c c9bfb2")}


_SHADES = {
    "front": ("furniture", 1.1),
    "door_panel": ("door", 0.9),
    "joinery_front": ("joinery", 1.04),
    "joinery_panel": ("joinery", 0.97),
    "seat_cushion": ("upholstery", 1.14),
}
"""Roles in the colour of another, lighter or darker by a factor."""


def drawn(role: str, key: str, seed: int, palette: Palette) -> Material:
    """The material of a role in a scene: the same for the same key, seed and palette.

    Args:
        role: A name in `ROLES`, or a shade of one.
        key: What shares it: things drawn with one key look alike.
        seed: The scene's.
        palette: "train" or "held_out".
    """
    role, shade = _SHADES.get(role, (role, 1.0))
    made = _NAMED_ROLES[role]
    colours = (made.held_out if palette == "held_out" and made.held_out else made.train).split()
    rng = np.random.default_rng([seed, zlib.crc32(f"{role} {key}".encode())])
    red, green, blue = (min(channel * shade, 1.0) for channel in _rgb(colours[rng.integers(len(colours))]))
    return Material(made.texture, (red, green, blue), made.scale, made.glow)


def named(name: str, otherwise: str, palette: Palette) -> Material:
    """The material that a house names, by the words in it; one without a colour word looks the same everywhere.

    Args:
        name: A role, or a material's name of ProcTHOR's, such as "DarkWoodFloor3".
        otherwise: The role of a name whose words say nothing.
        palette: Of the colours.
    """
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
    found = next((role for pattern, role in _WORDS.items() if re.search(pattern, words)), otherwise)
    material = drawn(name if name in ROLES else found, name, 0, palette)
    hue = next((_rgb(colour) for pattern, colour in _HUES.items() if re.search(pattern, words)), material.colour)
    shade = 0.6 if "dark" in words else 1.15 if "light" in words else 1.0
    red, green, blue = (min(channel * shade, 0.97) for channel in hue)
    return material._replace(colour=(red, green, blue))


def _rgb(hexadecimal: str) -> tuple[float, float, float]:
    red, green, blue = (int(hexadecimal[k : k + 2], 16) / 255 for k in (0, 2, 4))
    return red, green, blue
