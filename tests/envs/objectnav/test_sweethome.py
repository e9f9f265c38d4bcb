"""The reader of Sweet Home 3D's furniture libraries."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.kit import sweethome
from foveal.envs.objectnav.kit.dressing import dress
from foveal.envs.objectnav.scenes.house import House, Room, Thing
from foveal.envs.objectnav.world import ObjectNav

WEDGE = """
v 0 0 0
v 2 0 0
v 2 0 1
v 0 0 1
v 0 3 0
v 2 3 0
f 1 2 3 4
f 1 5 6 2
f 4 3 6 5
f 1 4 5
f 2 6 3
"""
"""High at the back (z = 0), flat in front."""

CATALOGUE = r"""# A library
id=test
name#1=Caf\u00e9 chair
category#1=Living room
model#1=/models/chair.obj
width#1=50
depth#1=\
  60
height#1=90
name#2=Round table
model#2=/models/table.obj
width#2=100
depth#2=100
height#2=75
name#3=Picture
model#3=/models/picture.3ds
"""


def archive(path: Path, catalogue: str = CATALOGUE, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(sweethome.CATALOGUE, catalogue.encode("latin-1"))
        file.writestr("models/chair.obj", WEDGE)
        file.writestr("models/table.obj", WEDGE)
        for name, text in members.items():
            file.writestr(name, text)
    return path


def test_reads_a_library(tmp_path):
    archive(tmp_path / "one.sh3f")
    chair, table = sweethome.library(tmp_path)
    assert chair.name == "café chair" and chair.size == (0.5, 0.6, 0.9)
    assert table.member == "models/table.obj"
    assert sweethome.library(tmp_path / "one.sh3f") == (chair, table)


def test_matches_by_type_and_size(tmp_path):
    chair, table = sweethome.library(archive(tmp_path / "one.sh3f"))
    models = (chair, table, table._replace(name="coffee table", size=(1.2, 0.6, 0.4)))
    assert sweethome.match(models, "Chair", (0.45, 0.55, 0.95)) is chair
    assert sweethome.match(models, "Chair", (0.45, 0.55, 3.0)) is None
    assert sweethome.match(models, "ArmChair", (0.5, 0.6, 0.9)) is None
    assert sweethome.match(models, "DiningTable", (1.1, 1.0, 0.7)) is table
    assert sweethome.match(models, "CoffeeTable", (1.1, 0.7, 0.4)) is models[2]
    assert sweethome.match((), "Chair", (0.45, 0.55, 0.95)) is None


def test_a_model_fills_its_box_and_faces_forward(tmp_path):
    chair, _ = sweethome.library(archive(tmp_path / "one.sh3f"))
    mesh = sweethome.fitted(chair, (0.5, 0.6, 0.9))
    assert np.allclose(mesh.vertices.min(0), (-0.25, -0.3, 0.0))
    assert np.allclose(mesh.vertices.max(0), (0.25, 0.3, 0.9))
    high = mesh.vertices[mesh.vertices[:, 2] > 0.8]
    assert (high[:, 1] < -0.29).all()  # the back is behind
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(0.5 * 0.5 * 0.6 * 0.9)  # outward


def test_a_house_is_dressed_with_it(tmp_path):
    models = sweethome.library(archive(tmp_path / "one.sh3f"))
    room = Room("r", "Kitchen", np.array([(0, 0), (3, 0), (3, 3), (0, 3)], np.float64))
    house = House("h", (room,), (), (), (Thing("c", "Chair", (1, 1, 0.45), (0.5, 0.6, 0.9), asset="Chair_1"),))
    with_kit, with_model = dress(house).objects[0], dress(house, models=models).objects[0]
    assert with_model[1] - with_model[0] < with_kit[1] - with_kit[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("width#1=50", "width#1=wide"), "width#1 of its catalogue is no number"),
        (("width#1=50", ""), "width#1 of its catalogue is no number"),
        (("width#1=50", "width#1=nan"), "width#1=nan: must lie in 0.1..10000 cm"),
        (("width#1=50", "modelRotation#1=1 0 0\nwidth#1=50"), "must be a rotation of nine numbers"),
    ],
)
def test_bad_catalogues_are_named(tmp_path, change, message):
    path = archive(tmp_path / "bad.sh3f", CATALOGUE.replace(*change))
    with pytest.raises(ValueError, match=rf"bad\.sh3f: .*{message}"):
        sweethome.library(path)


def test_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.sh3f file here"):
        sweethome.library(tmp_path)
    (tmp_path / "text.sh3f").write_text("not a zip")
    with pytest.raises(ValueError, match=r"text\.sh3f: not a zip archive"):
        sweethome.library(tmp_path)
    with zipfile.ZipFile(tmp_path / "text.sh3f", "w") as file:
        file.writestr("other", "x")
    with pytest.raises(ValueError, match="cannot read PluginFurnitureCatalog"):
        sweethome.library(tmp_path)


def test_models_outside_the_archive_are_not_models(tmp_path):
    (tmp_path / "chair.obj").write_text(WEDGE)
    path = archive(tmp_path / "one.sh3f", CATALOGUE.replace("/models/chair.obj", "../chair.obj"))
    assert [model.name for model in sweethome.library(path)] == ["round table"]


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    path = archive(tmp_path / "one.sh3f", CATALOGUE + "#" * 100_000)
    monkeypatch.setattr(sweethome, "_MAX_CATALOGUE_BYTES", 10_000)
    with pytest.raises(ValueError, match="has more than 10000 bytes"):
        sweethome.library(path)


def test_a_broken_model_is_named(tmp_path):
    path = archive(
        tmp_path / "one.sh3f", CATALOGUE.replace("chair.obj", "broken.obj"), **{"models/broken.obj": "f 1 2 3"}
    )
    with pytest.raises(ValueError, match=r"one\.sh3f, models/broken\.obj: .*line 1"):
        sweethome.fitted(sweethome.library(path)[0], (1.0, 1.0, 1.0))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300))
def test_any_catalogue_is_read_or_refused(tmp_path, text):
    path = archive(tmp_path / "any.sh3f", text.encode("latin-1", "replace").decode("latin-1"))
    try:
        assert all(model.member for model in sweethome.library(path))
    except ValueError as error:
        assert "any.sh3f" in str(error)


def test_a_world_takes_shapes_from_a_users_folder(tmp_path):
    archive(tmp_path / "one.sh3f")
    rooms = {"scenes": "ithor", "split": "val", "houses": 2}
    plain, theirs = ObjectNav(4, **rooms), ObjectNav(4, **rooms, models=str(tmp_path))
    ours = plain.reset(seed=0)[0]
    shapes = theirs.reset(seed=0)[0]
    assert (ours["rgb"] != shapes["rgb"]).any() or (ours["depth"] != shapes["depth"]).any()
    assert any(
        not np.array_equal(one.vertices, other.vertices)
        for one, other in zip(plain._dressed, theirs._dressed, strict=True)
    )
    with pytest.raises(FileNotFoundError, match=r"nowhere: no \.sh3f file here"):
        ObjectNav(1, **rooms, models=str(tmp_path / "nowhere"))
