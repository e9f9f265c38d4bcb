"""Options of exchangeable parts: what is refused, and that what passes is passed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agents.options import MOST, build, check_options, options_of

PARTS = {
    "plain": lambda inputs: inputs,
    "rich": lambda inputs, *, width=8, layers=0, rate=0.5, kind="a", on=False: (inputs, width, layers, rate, kind, on),
}


@given(
    width=st.integers(1, MOST),
    layers=st.integers(0, MOST),
    rate=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    kind=st.text(max_size=5),
    on=st.booleans(),
)
def test_what_passes_is_passed_on(width, layers, rate, kind, on):
    options = {"width": width, "layers": layers, "rate": rate, "kind": kind, "on": on}
    made = build("part", PARTS, "rich", options, 3)
    assert made == (3, width, layers, rate, kind, on)
    assert type(made[3]) is float


def test_defaults_are_told_and_used():
    assert options_of("part", PARTS, "rich") == {"width": 8, "layers": 0, "rate": 0.5, "kind": "a", "on": False}
    assert options_of("part", PARTS, "plain") == {}
    assert build("part", PARTS, "rich", None, 1) == (1, 8, 0, 0.5, "a", False)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rihc", {}, "unknown part 'rihc'; did you mean 'rich'"),
        (None, {}, "unknown part None"),
        ("rich", {"widht": 3}, "part 'rich' has no option 'widht'; did you mean 'width'"),
        ("plain", {"width": 3}, "part 'plain' has no option 'width'; it takes none"),
        ("rich", {"width": 0}, rf"width=0: must be a whole number in \[1, {MOST}\]"),
        ("rich", {"layers": -1}, rf"layers=-1: must be a whole number in \[0, {MOST}\]"),
        ("rich", {"width": MOST + 1}, "must be a whole number in"),
        ("rich", {"width": True}, "width=True: must be int, got bool"),
        ("rich", {"width": 3.0}, "width=3.0: must be int, got float"),
        ("rich", {"rate": "fast"}, "rate='fast': must be float, got str"),
        ("rich", {"rate": float("nan")}, "rate=nan: must be finite"),
        ("rich", {"on": 1}, "on=1: must be bool, got int"),
        ("rich", {"kind": None}, "kind=None: must be str, got NoneType"),
    ],
)
def test_refuses(name, options, message):
    with pytest.raises(ValueError, match=message):
        check_options("part", PARTS, name, options)
