"""The kit: parts lie within their box, are few, face forward, and their meshes are closed and outward."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.kit import kit
from foveal.envs.objectnav.kit.palettes import ROLES, drawn
from foveal.envs.objectnav.kit.parts import Part, block, permuted, turned
from foveal.envs.objectnav.procedural.assets import catalogue
from foveal.envs.objectnav.types import OBJECTS, TYPES, type_id

SIZES = st.tuples(*[st.floats(0.0, 4.0)] * 3)

TARGETS = {
    *("AlarmClock", "Apple", "BaseballBat", "BasketBall", "Bed", "Bowl", "Chair", "GarbageCan"),
    *("HousePlant", "Laptop", "Mug", "Sofa", "SprayBottle", "Television", "Toilet", "Vase"),
}


def volume(part: Part) -> float:
    """Signed volume, m³, of what a mesh encloses (the divergence theorem)."""
    mesh = kit.mesh(part)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def test_covers_the_object_types():
    assert len(kit.KITS) >= 110
    assert set(kit.KITS) <= set(OBJECTS)
    assert set(kit.KITS) >= TARGETS


def test_parts_need_no_clipping_at_the_sizes_of_real_models():
    models = catalogue("train")
    for type in sorted(set(models) & set(kit.KITS)):
        for width, depth, height in {model.size for model in models[type] if min(model.size) > 0.004}:
            for part in kit.KITS[type](width, depth, height):
                assert max(np.abs([*part.low[:1], *part.high[:1]])) <= width / 2 + 1e-9, (type, part)
                assert max(np.abs([*part.low[1:2], *part.high[1:2]])) <= depth / 2 + 1e-9, (type, part)
                assert -1e-9 <= part.low[2] < part.high[2] <= height + 1e-9, (type, part)


@pytest.mark.parametrize("type", sorted(kit.KITS))
@settings(max_examples=25)
@given(size=SIZES)
@example(size=(0.5, 0.5, 0.5))
@example(size=(2.0, 0.03, 0.01))
@example(size=(0.03, 0.7, 2.0))
def test_parts_lie_within_the_box(type: str, size: tuple[float, float, float]):
    width, depth, height = (max(side, 0.002) for side in size)
    low, high = np.array([-width / 2, -depth / 2, 0]), np.array([width / 2, depth / 2, height])
    parts = kit.parts(type, size)
    assert 1 <= len(parts) <= 18
    for part in parts:
        assert (np.array(part.low) >= low - 1e-9).all()
        assert (np.array(part.high) <= high + 1e-9).all()
        assert (np.array(part.low) < np.array(part.high)).all()


@pytest.mark.parametrize("type", sorted(kit.KITS))
def test_meshes_stay_in_their_parts_and_look_outward(type: str):
    for part in kit.parts(type, (0.6, 0.5, 0.8)):
        mesh = kit.mesh(part)
        assert (mesh.vertices >= np.array(part.low) - 1e-9).all()
        assert (mesh.vertices <= np.array(part.high) + 1e-9).all()
        assert volume(part) > 0
        drawn(part.role, "any", 0, "train")


def test_no_kit_is_a_plain_box():
    (part,) = kit.parts("Spaceship", (1.0, 2.0, 3.0))
    assert (part.low, part.high) == ((-0.5, -1.0, 0.0), (0.5, 1.0, 3.0))
    assert volume(part) == pytest.approx(6.0)


def test_volumes_of_known_solids():
    assert volume(block("plain", (0, 2), (0, 3), (0, 4), end=(0, 0, 1, 0.5))) == pytest.approx(18.0)
    assert volume(turned("plain", (0, 2), (0, 2), (0, 3), sides=4)) == pytest.approx(12.0)
    cone = turned("plain", (-1, 1), (-1, 1), (0, 3), ((1, 0), (0, 1)), sides=64)
    assert volume(cone) == pytest.approx(np.pi, rel=0.01)
    ring = ((1, 0), (1, 1), (0.5, 1), (0.5, 0), (1, 0))
    assert volume(turned("plain", (-1, 1), (-1, 1), (0, 1), ring, sides=64)) == pytest.approx(0.75 * np.pi, rel=0.01)


@given(st.permutations([0, 1, 2]), st.sampled_from([0, 1, 2]))
def test_permuted_parts_keep_their_volume(order: list[int], axis: int):
    part = block("plain", (0, 1), (0, 2), (0, 3), axis=axis, start=(0, 0, 1, 0.5), end=(0.2, 0.5, 1, 1))
    other = permuted(part, (order[0], order[1], order[2]), (0, 0, 0))
    assert volume(other) == pytest.approx(volume(part))
    assert sorted(other.high) == [1, 2, 3]


def _middle(type: str, role: str, size: tuple[float, float, float] = (0.8, 0.6, 0.9)) -> np.ndarray:
    found = [part for part in kit.parts(type, size) if part.role == role]
    return np.mean([(np.array(part.low) + part.high) / 2 for part in found], 0)


def test_fronts_look_forward():
    assert _middle("Television", "screen")[1] > 0
    assert _middle("Fridge", "handle")[1] > 0.2
    assert _middle("Microwave", "display")[1] > 0.2
    assert _middle("Toilet", "seat_white")[1] > _middle("Toilet", "ceramic")[1]
    assert _middle("Laptop", "keys")[1] > _middle("Laptop", "desktop")[1]
    backs = [part for part in kit.parts("Chair", (0.5, 0.5, 1.0)) if part.high[2] > 0.9]
    assert all(part.high[1] < 0 for part in backs)
    cushions = [part for part in kit.parts("Sofa", (2.0, 0.9, 0.8)) if part.high[2] > 0.79]
    assert all((part.low[1] + part.high[1]) / 2 < 0 for part in cushions)


def test_legs_keep_a_sensible_thickness():
    for size in ((0.3, 0.3, 0.4), (2.5, 1.2, 0.8)):
        leg = min(kit.parts("DiningTable", size), key=lambda part: part.high[0] - part.low[0])
        assert 0.02 < leg.high[0] - leg.low[0] < 0.1


def test_long_things_lie_as_their_box_lies():
    for size in ((0.3, 0.05, 0.02), (0.05, 0.3, 0.02), (0.05, 0.02, 0.3)):
        parts = kit.parts("Knife", size)
        reach = np.max([part.high for part in parts], 0) - np.min([part.low for part in parts], 0)
        assert np.argmax(reach) == np.argmax(size)


def test_types():
    assert TYPES[0] == "" and len(set(TYPES)) == len(TYPES)
    assert TYPES[type_id("Apple")] == "Apple"
    assert TYPES[type_id("Spaceship")] == "Other"


def test_every_role_is_known():
    sizes = ((0.4, 0.4, 0.4), (1.5, 0.6, 2.0), (0.02, 0.3, 0.2))
    roles = {part.role for type in kit.KITS for size in sizes for part in kit.parts(type, size)}
    for role in roles:
        for palette in ("train", "held_out"):
            material = drawn(role, "key", 1, palette)
            assert all(0 <= channel <= 1 for channel in material.colour)
    assert len(ROLES) > 60
