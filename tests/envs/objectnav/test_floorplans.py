import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveal.envs.objectnav.procedural import assets, floorplans, shell
from foveal.envs.objectnav.procedural.floorplans import OUTSIDE, boundary, follow, perimeter

masks = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.booleans())


@given(masks)
def test_perimeter_counts_the_sides_that_face_another_cell(mask):
    rows, columns = mask.shape
    at = lambda r, c: 0 <= r < rows and 0 <= c < columns and mask[r, c]  # noqa: E731
    sides = sum(not at(r + dr, c + dc) for r, c in np.argwhere(mask) for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)))
    assert perimeter(mask) == sides


@given(masks)
def test_an_outline_encloses_as_many_cells_as_the_region_has(mask):
    edges = boundary(mask)
    if not mask.any() or len(edges) < perimeter(mask):
        return  # no region, or one that touches itself
    line = np.array(follow(edges))
    x, y = line.T
    enclosed = float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    if len(line) == perimeter(mask):
        assert enclosed == mask.sum()
    else:
        assert enclosed > 0  # of several outlines or one with holes, it is an outer one


def test_plans_fill_their_outline_with_the_specified_rooms():
    for seed in range(40):
        plan = floorplans.draw(np.random.default_rng(seed))
        assert set(np.unique(plan.cells)) - {OUTSIDE} == set(range(len(plan.kinds)))
        assert 1.6 <= plan.cell <= 2.2
        assert (plan.kinship == plan.kinship.T).all()
        for room in range(len(plan.kinds)):
            mask = plan.cells == room
            assert len(follow(boundary(mask))) == perimeter(mask)


def test_bathrooms_are_passed_through_only_where_nothing_else_is():
    passages = houses = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        plan = floorplans.draw(rng, (4, 8))
        built = shell.build(plan, "train", rng)
        kinds = {room.id: room.kind for room in built.rooms}
        doors = [room for opening in built.openings for room in opening.rooms if None not in opening.rooms]
        houses += 1
        passages += any(kinds[room] == "Bathroom" and doors.count(room) > 1 for room in kinds)
    assert passages <= 0.1 * houses


def test_threads_draw_the_same_plans():
    expected = [floorplans.draw(np.random.default_rng(seed), (4, 6)).cells.tolist() for seed in range(6)]
    drawn = [None] * 6

    def work(seed):
        drawn[seed] = floorplans.draw(np.random.default_rng(seed), (4, 6)).cells.tolist()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == expected


def test_loading_leaves_no_stub_behind():
    floorplans.room_counts()
    assert not [name for name in sys.modules if name.startswith("procthor")]


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """An import path with nothing on it, and nothing remembered of the real package."""
    cached = (assets.package_folder, assets._database, assets.catalogue, assets.placements, floorplans._generator)
    for function in cached:
        function.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(tmp_path)])
        yield tmp_path
    for function in cached:
        function.cache_clear()


def test_without_the_package_one_line_says_what_to_install(elsewhere):
    with pytest.raises(ImportError, match=r"^procedural houses need the package procthor: pip install [^\n]*$"):
        floorplans.draw(np.random.default_rng(0))


def test_a_changed_package_is_named(elsewhere):
    folder = elsewhere / "procthor"
    (folder / "databases").mkdir(parents=True)
    (folder / "generation").mkdir()
    (folder / "__init__.py").touch()
    (folder / "generation" / "floorplan_generation.py").touch()
    (folder / "databases" / "asset-database.json").write_text('{"Bed": [{"assetId": "Bed_1"}]}')
    with pytest.raises(ImportError, match=r"has no usable floor plan generator"):
        floorplans.draw(np.random.default_rng(0))
    with pytest.raises(ImportError, match="has no usable asset database"):
        assets.catalogue("train")
    with pytest.raises(ImportError, match=r"has no usable databases/placement-annotations\.json"):
        assets.placements()
