import numpy as np
import pytest

from foveal.llm_teacher.embeddings import HashedEmbeddings


def similarity(one, other):
    return float(np.dot(*HashedEmbeddings().embed_documents([one, other])))


def test_the_same_features_give_the_same_unit_vector():
    vector = HashedEmbeddings(64).embed_query("ahead: gap 5 m, closing\nbehind: nobody")
    assert len(vector) == 64 and np.linalg.norm(vector) == pytest.approx(1)
    assert vector == HashedEmbeddings(64).embed_query("ahead: closing, gap 5 m\nbehind: nobody")
    assert HashedEmbeddings(8).embed_query("") == [0.0] * 8


def test_they_do_not_depend_on_the_process():
    """As Python's own hash does: saved memories would recall other cases in each session."""
    vector = np.array(HashedEmbeddings(16).embed_query("ahead: nobody"))
    assert np.flatnonzero(vector).tolist() == [0] and vector[0] == 1.0


def test_cosines_tell_the_share_of_common_features():
    one = "ahead: gap 5 m, closing\nbehind: nobody"
    assert similarity(one, one) == pytest.approx(1)
    assert similarity(one, "ahead: gap 5 m, closing\nbehind: gap 9 m") == pytest.approx(2 / 3)
    assert similarity(one, "ahead: nobody\nbehind: gap 5 m, closing") == pytest.approx(0)


def test_a_size_is_needed():
    with pytest.raises(ValueError, match="size=0"):
        HashedEmbeddings(0)
