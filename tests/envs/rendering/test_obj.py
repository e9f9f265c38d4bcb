import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.envs.rendering import meshes, obj
from foveal.envs.rendering.meshes import load_obj

PYRAMID = """# a square pyramid
mtllib none.mtl
o pyramid
v -1 -1 0
v 1 -1 0
v 1 1 0
v -1 1 0
v 0 0 1.5 # tip
vt 0 0
vt 1 0
vt 0.5 1
vn 0 0 1
usemtl wood
f 4 3 2 1
f 1/1/1 2/2/1 5/3/1
f 2//1 3//1 5//1
f -3 -2 -1
f 4 1 5
"""
NO_RESET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "thing.obj"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_reads_a_pyramid(write):
    mesh = load_obj(write(PYRAMID))
    assert mesh.vertices.shape == (5, 3) and len(mesh.faces) == 6
    assert mesh.faces[:2].tolist() == [[3, 2, 1], [3, 1, 0]]  # a fan
    assert mesh.faces[4].tolist() == [2, 3, 4]  # counted from the end
    assert mesh.uv[2].tolist() == [[0, 0], [1, 0], [0.5, 1]]
    assert not mesh.uv[3].any()


@NO_RESET
@given(st.integers(0, 2**32 - 1))
def test_reads_what_was_written(write, seed):
    rng = np.random.default_rng(seed)
    vertices, textures = rng.normal(size=(12, 3)).round(4), rng.random((5, 2)).round(4)
    faces = np.array([rng.permutation(12)[:3] for _ in range(9)])
    corners = rng.integers(0, 5, (9, 3))
    lines = [f"v {x} {y} {z}" for x, y, z in vertices] + [f"vt {u} {v}" for u, v in textures]
    lines += [
        "f " + " ".join(f"{v + 1}/{t + 1}" for v, t in zip(*f, strict=True)) for f in zip(faces, corners, strict=True)
    ]
    mesh = load_obj(write("\n".join(lines)))
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.faces, faces)
    np.testing.assert_array_equal(mesh.uv, textures[corners])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no faces"),
        ("v 0 0 0\nv 1 0 0\n", "no faces"),
        ("v 0 0\n", "line 1: 2 numbers where 3"),
        ("v 0 0 nan\n", "line 1: .* must be finite"),
        ("v 0 0 1e9\n", "line 1: .* below a million"),
        ("v a 0 0\n", "line 1: could not convert"),
        ("v 0 0 0\nf 1 1\n", "line 2: a face with 2 corners"),
        ("v 0 0 0\nf " + "1 " * 65, "line 2: a face with 65 corners"),
        ("v 0 0 0\n\nf 1 1 2\n", "line 3: vertex 2: there are 1 so far"),
        ("v 0 0 0\nf 0 1 1\n", "line 2: vertex 0"),
        ("v 0 0 0\nf 1/1 1/1 1/1\n", "line 2: texture coordinate 1: there are 0"),
        ("v 0 0 0\nf 1 x 1\n", "line 2: invalid literal"),
        ("v 0 0 0\nv 1 0 0\nf 1 2 1\n", "no face has an area"),
    ],
)
def test_bad_files_are_named_with_their_line(write, text, message):
    with pytest.raises(ValueError, match=message) as error:
        load_obj(write(text))
    assert "thing.obj" in str(error.value)


@NO_RESET
@given(st.one_of(st.binary(max_size=300), st.text("vft 0123.-/#\nne", max_size=300).map(str.encode)))
def test_any_bytes_give_a_mesh_or_a_clear_error(write, data):
    try:
        mesh = load_obj(write(data))
    except ValueError as error:
        assert "thing.obj" in str(error)
    else:
        assert np.isfinite(mesh.vertices).all() and mesh.faces.max() < len(mesh.vertices)


def test_large_files_are_refused(write, monkeypatch):
    monkeypatch.setattr(obj, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="bytes, must be at most 10"):
        load_obj(write(PYRAMID))
    monkeypatch.undo()
    monkeypatch.setattr(obj, "MAX_FACES", 3)
    with pytest.raises(ValueError, match="line 16: more than 3 triangles"):
        load_obj(write(PYRAMID))


def test_decimation_keeps_the_shape(write):
    ball = meshes.ellipsoid((1, 1, 1), 60, 40)
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in ball.vertices)
    path = write(text + "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in ball.faces))
    assert len(load_obj(path).faces) == len(ball.faces)
    fewer = load_obj(path, 600)
    assert 100 < len(fewer.faces) <= 600
    radii = np.linalg.norm(fewer.vertices[np.unique(fewer.faces)], axis=1)
    assert radii.min() > 0.4 and radii.max() < 0.51
    with pytest.raises(ValueError, match="max_faces=0"):
        load_obj(path, 0)
