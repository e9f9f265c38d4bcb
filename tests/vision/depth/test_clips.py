"""Clips: what a file holds comes back as it was, and what does not fit is told in one line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.vision.depth import clips as module
from foveal.vision.depth.clips import Clips, checked, load, save

from .rigs import nuscenes


def some_clips(moments=5, height=16, width=32, depth=True, seed=0):
    rng = np.random.default_rng(seed)
    K, T_rig_cam = (x.numpy() for x in nuscenes(height, width, square=False))
    first = np.zeros(moments, bool)
    first[0] = True
    return Clips(
        rgb=rng.integers(0, 256, (moments, 6, height, width, 3), dtype=np.uint8),
        depth=rng.uniform(1, 80, (moments, 6, height, width)).astype(np.float32) if depth else None,
        K=K,
        T_rig_cam=T_rig_cam,
        ego_motion=np.tile(np.eye(4), (moments, 1, 1)),
        first=first,
        valid=np.ones((moments, 6), bool),
    )


@pytest.mark.parametrize("depth", [True, False])
def test_a_file_holds_what_was_saved(tmp_path, depth):
    clips = some_clips(depth=depth)
    if depth:
        clips.depth[0, 0, 0, :2] = np.inf, np.nan
    path = tmp_path / "clips.npz"
    save(clips, path)
    again = load(path)
    for name, array in clips._asdict().items():
        if array is None:
            assert getattr(again, name) is None
        else:
            np.testing.assert_array_equal(getattr(again, name), array)
            assert getattr(again, name).dtype == array.dtype
    assert [p.name for p in tmp_path.iterdir()] == ["clips.npz"]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_triples_are_the_inner_moments_of_each_clip(lengths):
    first = np.concatenate([[True] + [False] * (n - 1) for n in lengths])
    clips = some_clips(1)._replace(first=first)
    clip = np.cumsum(first)
    expected = [t for t in range(1, len(first) - 1) if clip[t - 1] == clip[t] == clip[t + 1]]
    assert clips.triples().tolist() == expected


def turned(clips, name, change):
    array = np.array(getattr(clips, name))
    change(array)
    return clips._replace(**{name: array})


def put(index, value):
    def change(array):
        array[index] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("K", put((0, 0, 0), np.nan), "K: must be finite"),
        ("K", put((0, 0, 1), 1.0), "K: must have positive focal lengths, no skew"),
        ("K", put((0, 0, 0), -5.0), "K: must have positive focal lengths"),
        ("T_rig_cam", put((0, 0, 3), 1700.0), "T_rig_cam: a camera is 1700 m from the rig's origin; are these mill"),
        ("T_rig_cam", put((2, slice(3), 0), 0.5), "T_rig_cam: a rotation is left-handed or not orthonormal"),
        ("ego_motion", put((1, 0, 0), -1.0), "ego_motion: a rotation is left-handed"),
        ("ego_motion", put((1, 3, 3), 2.0), "ego_motion: its last row must be 0 0 0 1"),
        ("first", put(0, False), "first: must be true at the first moment"),
        ("depth", put((0, 0, 0, 0), -1.0), "depth: must not be negative"),
    ],
)
def test_what_cannot_be_is_refused(name, change, message):
    with pytest.raises(ValueError, match=message) as error:
        checked(turned(some_clips(), name, change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rgb": np.full((5, 6, 16, 32, 3), np.nan, np.float32)}, r"rgb .* of float32: must be .*, uint8"),
        ({"rgb": np.zeros((5, 6, 3, 16, 32), np.uint8)}, r"rgb \(5, 6, 3, 16, 32\): must be \(T, N, H, W, 3\)"),
        ({"rgb": np.zeros((0, 6, 16, 32, 3), np.uint8)}, r"rgb .*: must be \(T, N, H, W, 3\), all from 1"),
        ({"depth": np.zeros((5, 6, 16, 16), np.float32)}, r"depth \(5, 6, 16, 16\) .*: must be \(5, 6, 16, 32\)"),
        ({"K": np.zeros((5, 3, 3))}, r"K \(5, 3, 3\) of float64: must be \(6, 3, 3\)"),
        ({"valid": np.ones((5, 6))}, r"valid \(5, 6\) of float64: must be \(5, 6\), bool"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        checked(some_clips()._replace(**changed))


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def arrays():
    return some_clips()._asdict()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: b"", "not a zip file"),
        (lambda: b"nothing of the kind", "not a zip file"),
        (lambda: npz(**arrays())[:-500], "zip"),
        (lambda: npz(**{k: v for k, v in arrays().items() if k != "K"}), "K: is missing"),
        (lambda: npz(**arrays(), more=np.zeros(3)), "more: is no array of clips"),
        (lambda: npz(**arrays() | {"first": np.array([{}] * 5, object)}), r"first .* of object: must be .*, bool"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "clips.npz"
    path.write_bytes(data())
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_an_array_that_claims_to_be_huge_is_refused_before_it_is_made(tmp_path):
    path = tmp_path / "clips.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays().items():
            stream = io.BytesIO()
            shape = (10**9, 6, 16, 32, 3) if name == "rgb" else array.shape
            header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            archive.writestr(f"{name}.npy", stream.getvalue())
    with pytest.raises(ValueError, match=r"must be \(1000000000, "):
        load(path)


def test_too_many_bytes_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "clips.npz"
    save(some_clips(), path)
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "clips.npz"
    save(some_clips(seed=1), path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        save(some_clips(seed=2), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
