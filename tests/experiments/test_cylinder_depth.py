"""The experiment on surround depth: its drives, its measures, how one drives by a network, and its pages."""

import json

import numpy as np
import pytest
import torch

from foveal.experiments import bench_rigs, cylinder_depth, street_depth
from foveal.experiments.cylinder_depth import EXPERIMENT, VARIANTS
from foveal.experiments.depth_driving import Halved
from foveal.experiments.depth_figures import clouds, error_colours, panorama, plane, points, sweep
from foveal.experiments.depth_measures import blur, estimate, measure
from foveal.experiments.drives import drive, joined
from foveal.experiments.figures import save_figure
from foveal.optics.rig_presets import nuscenes_like
from foveal.vision.depth.clips import checked
from foveal.vision.depth.network import DepthConfig, SurroundDepth
from foveal.vision.depth.weights import adjacent_cameras

SMALL = {"width": 64, "height": 32, "streets": 1, "density": 0.3}


@pytest.fixture(scope="module")
def clips():
    return drive(3, 3, seed=7, rows=2, **SMALL)


@pytest.fixture(scope="module")
def net(clips):
    torch.manual_seed(0)
    adjacent = adjacent_cameras(torch.from_numpy(clips.K), torch.from_numpy(clips.T_rig_cam), (32, 64))
    return SurroundDepth(DepthConfig(fx_ref=50.0), adjacent).eval()


def test_drives_are_clips_whatever_number_is_driven_at_once(clips):
    checked(clips)
    assert clips.rgb.shape == (9, 6, 32, 64, 3) and clips.first.tolist() == [True, False, False] * 3
    assert clips.triples().tolist() == [1, 4, 7]
    alone = drive(3, 3, seed=7, rows=1, **SMALL)
    for ours, theirs in zip(clips, alone, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(joined([clips, alone]).rgb) == 18
    assert np.isinf(clips.depth).any() and clips.depth[np.isfinite(clips.depth)].max() < 80


def test_true_depth_is_without_error_and_consistent(clips, net):
    truth = torch.from_numpy(np.where(np.isfinite(clips.depth), clips.depth, 80.0))

    class Knowing:
        config = net.config

        def __call__(self, rgb, K, T, valid, depth):
            return type("Depths", (), {"depth": torch.where(torch.isfinite(depth), depth, 80.0)})

    found = measure(Knowing(), clips)
    assert found["abs_rel"] == pytest.approx(0, abs=1e-6) and found["scale"] == pytest.approx(1)
    assert found["consistency"] < 0.05 and found["overlap_abs_rel"] == pytest.approx(0, abs=1e-6)
    assert measure(net, clips)["abs_rel"] > 0.1
    blurred = blur(truth)
    assert (
        blurred.shape == truth.shape and blurred.log().diff(dim=-1).abs().mean() < truth.log().diff(dim=-1).abs().mean()
    )


def test_an_estimate_does_not_depend_on_the_batch(clips, net):
    np.testing.assert_allclose(estimate(net, clips, 4), estimate(net, clips, 9), rtol=2e-3)


def test_halved_cameras_see_the_same_in_half_as_many_pixels(clips):
    from gymnasium import spaces

    space = spaces.Dict(
        {"depth": spaces.Box(0, 80, (6, 32, 64), np.float32), "K": spaces.Box(-1, 1e6, (6, 3, 3), np.float32)}
    )
    depth = np.where(np.isfinite(clips.depth[:1]), clips.depth[:1], 80)
    given = Halved(space).perceive({"depth": depth, "K": clips.K[None]}, np.zeros((1, 3), int))
    assert given["depth"].shape == (1, 6, 16, 32)
    np.testing.assert_allclose(given["depth"][0, 2, 3, 5], depth[0, 2, 6:8, 10:12].mean(), rtol=1e-6)
    small = nuscenes_like().scaled(32, 16)
    np.testing.assert_allclose(given["K"][0], small.K, rtol=1e-5)


def test_figures_show_what_is_given(clips, net, tmp_path):
    rig = nuscenes_like().scaled(64, 32)
    seen = estimate(net, clips)[0].numpy()
    where, cameras = points(rig, clips.depth[0])
    assert set(cameras) == set(range(6)) and (np.abs(where[:, 2]) < 60).all()
    assert -0.6 < np.quantile(where[:, 2], 0.02) < 0.3  # the ground
    right, far, near, none = error_colours(np.array([10.0, 20, 5, 10]), np.array([10.0, 10, 10, np.inf]))
    assert right.tolist() == [255] * 3 and far[0] > far[2] and near[2] > near[0] and none.tolist() == [120] * 3
    for name, figure in {
        "panorama": panorama(rig, clips.rgb[0], {"net": seen}, clips.depth[0]),
        "clouds": clouds(rig, {"true": clips.depth[0], "net": seen}),
    }.items():
        assert save_figure(figure, tmp_path / f"{name}.png").stat().st_size > 10_000


def test_a_smoke_run_measures_a_row(tmp_path):
    """One of them; `foveal experiment cylinder_depth --preset smoke` runs all in a minute and a half."""
    budget = EXPERIMENT.presets["smoke"]
    cell = next(cell for cell in EXPERIMENT.grid("smoke", tmp_path).cells() if cell.variant == "cylinder")
    found = EXPERIMENT.run(cell, budget)
    assert np.isfinite(json.loads(json.dumps(found["camera_abs_rel"]))).all()
    assert len(found["arrived"]) == budget.episodes
    assert EXPERIMENT.columns.keys() <= found.keys()


def test_rows_differ_in_what_they_say():
    networks = [
        DepthConfig(**{name: value for name, value in options.items() if name not in cylinder_depth.TRAINING})
        for options in VARIANTS.values()
    ]
    kinds = {(str(network), str(options)) for network, options in zip(networks, VARIANTS.values(), strict=True)}
    assert len(kinds) == len(VARIANTS)


def test_pages_of_unfinished_grids_have_figures(tmp_path):
    results = EXPERIMENT.grid("standard", tmp_path).results()
    for figure in (plane(results), sweep(results, ("none", "cylinder"))):
        assert save_figure(figure, tmp_path / "figure.png").stat().st_size > 1000


def test_the_cloud_of_the_video_has_the_car_in_its_middle(clips):
    picture = street_depth._from_above(nuscenes_like().scaled(64, 32), clips.depth[0])
    middle = street_depth.SIDE_PX // 2
    assert (picture[middle - 10, middle] == 235).all() and len(np.unique(picture.reshape(-1, 3), axis=0)) >= 6


def test_bench_measures_worlds_and_blocks(monkeypatch):
    monkeypatch.setattr(bench_rigs, "SIZES", (bench_rigs.Images(16, 32, 2),))
    monkeypatch.setattr(bench_rigs, "CHANNELS", (16,))
    report = bench_rigs.rigs(repeat=1, seconds=0.05)
    assert report["objects"]["near"] >= 60
    names = {name for rates in report["speeds"].values() for name in rates}
    assert "NumPy casting" in names and any(name.startswith("SurroundRig") for name in names)
    assert all(rate["median"] > 0 for rates in report["blocks"].values() for rate in rates.values())
    assert all(len(row) == len(columns) for _, columns, rows in bench_rigs.tables(report) for row in rows)
