"""The banner across a frame."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.overlay import banner

LINES = st.text("abc XYZ", min_size=1, max_size=120)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(300, 1200), st.integers(120, 800), st.lists(st.text("abc XYZ", min_size=1, max_size=120), max_size=3)
)
def test_a_banner_is_centred_and_fits(width, height, lines):
    frame = np.full((height, width, 3), 100, np.uint8)
    banner(frame, "crashed", lines)
    rows, columns = np.nonzero(frame.max(-1) > 110)  # letters, as the frame only gets darker
    assert abs((columns.min() + columns.max() + 1) / 2 - width / 2) < 0.06 * width
    assert columns.min() > 0 and columns.max() < width - 1
    assert abs((rows.min() + rows.max()) / 2 - height / 2) < 0.2 * height
    assert frame[0].max() <= 100
