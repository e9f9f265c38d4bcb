"""Banks of pictures: what is in them is where they say, and what of one's own is not sound is refused by name."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from foveal.envs.objectnav.types import OBJECTS
from foveal.envs.visual_search.banks import HEIGHT, WIDTH, bank_of, from_folder


@pytest.fixture(scope="module")
def rooms():
    return bank_of("ithor", "train", 2, 0, 3)


def test_rooms_hold_several_kinds_of_things_in_boxes(rooms):
    assert rooms.images.shape == (6, HEIGHT, WIDTH, 3) and rooms.images.std() > 20
    assert set(rooms.names) <= set(OBJECTS) and len(rooms.names) > 6 and rooms.size.min() >= 4
    for category, box, size in zip(rooms.category, rooms.box, rooms.size, strict=True):
        assert (category[:size] >= 0).all() and (category[size:] == -1).all()
        assert (box[:size, :2] < box[:size, 2:]).all() and (box[:size] >= 0).all() and (box[:size] <= 1).all()
    assert (np.abs(rooms.looks.astype(int) - 127).mean((1, 2, 3)) > 2).mean() > 0.9


def test_the_same_source_is_the_same_bank(rooms):
    assert bank_of("ithor", "train", 2, 0, 3) is rooms


def test_arrays_are_six_different_things_about_the_middle(rooms):
    bank = bank_of("arrays", "train", 2, 0, 3)
    assert (bank.size == 6).all() and bank.names == rooms.names
    middles = bank.box.reshape(-1, 6, 2, 2).mean(2) * (WIDTH, HEIGHT) - (WIDTH / 2, HEIGHT / 2)
    np.testing.assert_allclose(np.linalg.norm(middles, axis=-1), 0.36 * HEIGHT, atol=1)
    assert all(len(set(kinds)) == 6 for kinds in bank.category)
    assert (bank.images[:, 0, 0] == 127).all()


@pytest.fixture
def folder(tmp_path):
    """Two tasks with a picture each that has the target, and one that has not."""
    trials = []
    for task, name, condition, colour in (
        ("mug", "a.jpg", "present", 200),
        ("car", "b.jpg", "present", 90),
        ("car", "c.jpg", "absent", 30),
    ):
        path = tmp_path / "images" / task / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((105, 168, 3), colour, np.uint8)
        image[50:70, 40:80] = (0, 0, 255)  # BGR
        cv2.imwrite(str(path), image)
        trial = {"name": name, "task": task, "condition": condition, "split": "train", "X": [1.0], "subject": 1}
        trials += [trial | ({"bbox": [40, 50, 40, 20]} if condition == "present" else {})] * 2
    (tmp_path / "fixations.json").write_text(json.dumps(trials))
    return tmp_path


def test_pictures_of_ones_own_are_read_with_their_boxes(folder):
    bank = from_folder(folder)
    assert bank.names == ("car", "mug") and bank.size.tolist() == [1, 1, 0]
    np.testing.assert_allclose(bank.box[0, 0], [40 / 168, 50 / 105, 80 / 168, 70 / 105])
    assert bank.category[:, 0].tolist() == [1, 0, -1]
    reds = bank.images[0, int(0.57 * HEIGHT), int(0.35 * WIDTH)]
    assert reds[0] > 200 > 60 > reds[2], "colours are RGB"
    assert bank.looks[1, 24, 24, 0] > 200
    assert from_folder(folder, most=2).size.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "images/mug/a.jpg").unlink(), r"a\.jpg: must be a picture"),
        (lambda f: (f / "images/mug/a.jpg").write_bytes(b"no picture"), r"a\.jpg: no JPEG or PNG"),
        (lambda f: bomb(f / "images/mug/a.jpg"), "pixels, more than"),
        (lambda f: (f / "fixations.json").write_text("[" * 100_000), "not a list of trials"),
        (lambda f: (f / "images/mug/a.jpg").write_bytes(b"\0" * (33 * 2**20)), "32 MiB"),
        (lambda f: (f / "fixations.json").write_text("{"), r"fixations\.json: not a list of trials"),
        (lambda f: (f / "fixations.json").write_text("[1]"), r"fixations\.json: not a list of trials"),
        (lambda f: edit(f, name="../a.jpg"), "leads elsewhere"),
        (lambda f: edit(f, bbox=[40, 50, 400, 20]), "does not lie in a picture of 168 x 105"),
        (lambda f: edit(f, bbox=[40, 50]), "bbox"),
        (lambda f: edit(f, bbox=[40, 50, float("nan"), 20]), "bbox"),
        (lambda f: edit(f, split="test"), "fewer than two kinds"),
        (lambda f: (f / "fixations.json").unlink(), "no trials of split 'train'"),
    ],
)
def test_pictures_that_are_not_sound_are_refused_by_name(folder, change, message):
    change(folder)
    with pytest.raises(ValueError, match=message):
        from_folder(folder)


def bomb(path):
    """A small file of a large picture."""
    Image.new("1", (9000, 9000)).save(path, "PNG")


def edit(folder, **fields):
    """Change the first picture's trials."""
    path = folder / "fixations.json"
    trials = json.loads(path.read_text())
    for trial in trials[:2]:
        trial |= fields
    path.write_text(json.dumps(trials))


def test_a_source_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no such file"):
        bank_of("itho", "train", 2, 0, 3)
