"""Observations as tensors: copies, of the types that networks take."""

import numpy as np
import torch

from foveal.agents.tensors import each, named, rows_of, to_tensors, write


def test_dicts_keep_bytes_and_whole_numbers():
    given = {"rgb": np.full((2, 3), 200, np.uint8), "goal": np.array([1, 2]), "depth": np.ones((2, 1), np.float64)}
    made = to_tensors(given)
    assert {name: one.dtype for name, one in made.items()} == {
        "rgb": torch.uint8, "goal": torch.int64, "depth": torch.float32,
    }  # fmt: skip
    given["rgb"][:] = 0
    assert (made["rgb"] == 200).all()  # a copy: the world may overwrite its own
    assert rows_of(made) == 2
    assert list(named(made, "seen")) == ["seen/rgb", "seen/goal", "seen/depth"]


def test_arrays_become_float32():
    given = np.arange(6).reshape(3, 2)
    made = to_tensors(given)
    assert made.dtype == torch.float32 and rows_of(made) == 3
    assert named(made, "seen").keys() == {"seen"}
    assert torch.equal(each(lambda one: one * 2, made), made * 2)


def test_writing_reaches_every_part():
    place = {"a": torch.zeros(4, 2, dtype=torch.uint8), "b": torch.zeros(4)}
    write(place, 2, {"a": torch.ones(2, dtype=torch.uint8), "b": torch.tensor(7.0)})
    assert place["a"].sum() == 2 and place["b"].tolist() == [0, 0, 7, 0]
    alone = torch.zeros(3)
    write(alone, 1, torch.tensor(5.0))
    assert alone.tolist() == [0, 5, 0]
