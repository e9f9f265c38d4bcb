"""The network of rigs: every camera counts, from where it looks, and one that fails does not."""

import numpy as np
import pytest
import torch
from gymnasium import make_vec, spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agents.networks import make_network
from foveal.agents.rig_vision import PATCH, RigVision
from foveal.agents.tensors import to_tensors
from foveal.envs.rigs.world import rig_of

SMALL = {"width": 40, "height": 24, "streets": 1, "density": 0.0, "walkers": 2}


@pytest.fixture(scope="module")
def world():
    env = make_vec("foveal/SurroundRig-v0", 3, **SMALL)
    seen = to_tensors(env.reset(seed=0)[0])
    for _ in range(3):
        seen = to_tensors(env.step(np.array([0, 3, 4]))[0])
    return env.single_observation_space, seen


@pytest.mark.parametrize("images", ["depth", "rgb", "rgb+depth"])
@pytest.mark.parametrize("fusion", ["concatenate", "attention"])
def test_all_of_it_learns_from_all_that_it_reads(world, images, fusion):
    space, seen = world
    network = make_network("rig_vision", space, {"images": images, "fusion": fusion, "width": 32, "channels": 8})
    given = {name: one.float().requires_grad_() for name, one in seen.items() if name in network.reads}
    features = network(given)
    assert features.shape == (3, 32) == (3, network.features_dim)
    features.square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in network.parameters())
    for name, one in given.items():
        if name != "valid":
            assert (one.grad.flatten(1) != 0).any(1).all(), name
    for name in images.split("+"):  # of every camera
        assert (given[name].grad.flatten(2) != 0).any(2).all()


@pytest.mark.parametrize("fusion", ["concatenate", "attention"])
@settings(max_examples=20, deadline=None)
@given(camera=st.integers(0, 5), shown=st.floats(0, 80), moved=st.floats(-3, 3))
def test_a_camera_that_fails_has_no_influence(world, fusion, camera, shown, moved):
    space, seen = world
    torch.manual_seed(0)
    network = RigVision(space, fusion=fusion, width=32, channels=8)
    failing = {
        **seen,
        "valid": seen["valid"].clone(),
        "depth": seen["depth"].clone(),
        "T_rig_cam": seen["T_rig_cam"].clone(),
    }
    failing["valid"][:, camera] = 0
    before = network(failing)
    failing["depth"][:, camera] = shown
    failing["T_rig_cam"][:, camera, :3, 3] += moved
    torch.testing.assert_close(network(failing), before, rtol=0, atol=0)
    assert not torch.equal(before, network(seen))


def test_cameras_without_any_that_works_leave_the_motion(world):
    space, seen = world
    for fusion in ("concatenate", "attention"):
        network = RigVision(space, fusion=fusion, width=32, channels=8)
        blind = {**seen, "valid": torch.zeros_like(seen["valid"])}
        features = network(blind)
        assert features.isfinite().all()
        faster = {**blind, "ego_motion": seen["ego_motion"].clone()}
        faster["ego_motion"][:, 0, 3] += 1.0
        assert not torch.equal(features, network(faster))


def test_attention_does_not_mind_the_cameras_order(world):
    space, seen = world
    network = RigVision(space, fusion="attention", width=32, channels=8)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    moved = {name: one if name == "ego_motion" else one[:, order] for name, one in seen.items()}
    torch.testing.assert_close(network(moved), network(seen))
    weights = network.camera_weights(seen)
    assert weights.shape == (3, 4, 6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4))
    torch.testing.assert_close(network.camera_weights(moved), weights[..., order])
    failing = {**seen, "valid": seen["valid"].clone()}
    failing["valid"][:, 2] = 0
    assert (network.camera_weights(failing)[..., 2] == 0).all()


@settings(max_examples=25, deadline=None)
@given(
    focal=st.floats(20, 120),
    centre=st.tuples(st.floats(10, 60), st.floats(10, 40)),
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    place=st.tuples(*[st.floats(-3, 3)] * 3),
    depth=st.floats(1, 70),
)
def test_patches_know_the_places_that_they_show(focal, centre, angles, place, depth):
    """Against OpenCV's projection: a patch's place lands in the middle of the patch, at the depth that is seen."""
    import cv2

    space = _space(1, 48, 80)
    network = RigVision(space)
    K = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(np.array(angles))[0], place
    seen = {
        "depth": torch.full((1, 1, 48, 80), depth),
        "K": torch.tensor(K, dtype=torch.float32)[None, None],
        "T_rig_cam": torch.tensor(pose, dtype=torch.float32)[None, None],
    }
    patches = network._patches(seen)[0, 0].double().numpy()  # (12, 20, 16 + 9)
    squashed = patches[..., -3:]
    places = 8.0 * squashed / (1 - np.abs(squashed))
    inverse = np.linalg.inv(pose)
    pixels, _ = cv2.projectPoints(places.reshape(-1, 3), cv2.Rodrigues(inverse[:3, :3])[0], inverse[:3, 3], K, None)
    u, v = np.meshgrid((np.arange(20) + 0.5) * PATCH - 0.5, (np.arange(12) + 0.5) * PATCH - 0.5)
    np.testing.assert_allclose(pixels[:, 0], np.stack([u, v], -1).reshape(-1, 2), atol=0.05)
    np.testing.assert_allclose((places @ inverse[:3, :3].T + inverse[:3, 3])[..., 2], depth, rtol=1e-3)
    ways, moments = patches[..., -9:-6], patches[..., -6:-3]
    np.testing.assert_allclose(np.linalg.norm(ways, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(np.cross(places, ways), moments, atol=5e-3 * (1 + depth))  # of any point of the ray


def test_larger_images_are_seen_alike():
    """The same rig at twice the size, in front of the same wall."""
    torch.manual_seed(0)
    network = RigVision(_space(6, 48, 80), width=32)
    twice = RigVision(_space(6, 96, 160), width=32)
    twice.load_state_dict(network.state_dict())
    features = [one(_wall(size)) for one, size in ((network, (48, 80)), (twice, (96, 160)))]
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-5)


def test_no_depth_is_far_away(world):
    space, seen = world
    network = RigVision(space, width=32)
    holes = {**seen, "depth": torch.where(seen["depth"] >= 20, 0.0, seen["depth"])}
    far = {**seen, "depth": torch.where(seen["depth"] >= 20, 80.0, seen["depth"])}
    assert (holes["depth"] == 0).any()
    torch.testing.assert_close(network(holes), network(far), rtol=0, atol=0)


def test_features_do_not_hang_on_the_batch(world):
    space, seen = world
    network = RigVision(space, width=32)
    alone = network({name: one[2:] for name, one in seen.items()})
    torch.testing.assert_close(alone[0], network(seen)[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "dept"}, r"images='dept': must be one of 'depth', 'rgb', 'rgb\+depth'"),
        ({"fusion": "mean"}, "fusion='mean': must be one of 'concatenate', 'attention'"),
        ({"heads": 3}, "heads=3: must divide width=128"),
        ({"witdh": 3}, "no option 'witdh'; did you mean 'width'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_network("rig_vision", _space(6, 48, 80), options)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(0, 1, (3,)), "takes a Dict of depth or rgb of C cameras"),
        (spaces.Dict({"depth": spaces.Box(0, 80, (6, 48, 80))}), "reads depth, K, T_rig_cam, ego_motion, valid"),
        ("flat", r"depth: must be images \(C, H, W\)"),
        ("few", r"K: must have shape \(6, 3, 3\), got \(5, 3, 3\)"),
        ("tiny", "80 x 8 pixels are too few"),
    ],
)
def test_other_spaces_are_refused(space, message):
    if isinstance(space, str):
        space = {
            "flat": spaces.Dict({**_space(6, 48, 80).spaces, "depth": spaces.Box(0, 80, (48, 80))}),
            "few": spaces.Dict({**_space(6, 48, 80).spaces, "K": spaces.Box(-1, 1, (5, 3, 3))}),
            "tiny": _space(6, 8, 80),
        }[space]
    with pytest.raises(ValueError, match=message):
        RigVision(space)


def _space(cameras, height, width):
    return spaces.Dict(
        depth=spaces.Box(0, 80, (cameras, height, width)),
        K=spaces.Box(-np.inf, np.inf, (cameras, 3, 3)),
        T_rig_cam=spaces.Box(-np.inf, np.inf, (cameras, 4, 4)),
        ego_motion=spaces.Box(-np.inf, np.inf, (4, 4)),
        valid=spaces.Box(0, 1, (cameras,), np.int8),
    )


def _wall(size):
    """A wall 9 m in front of every camera of a rig, and nothing above the horizon's row."""
    height, width = size
    rig = rig_of("nuscenes-like", width, height)
    depth = torch.full((1, 6, height, width), 9.0)
    depth[:, :, : height // 2] = 80.0
    return {
        "depth": depth,
        "K": torch.tensor(rig.K, dtype=torch.float32)[None],
        "T_rig_cam": torch.tensor(rig.T_rig_cam, dtype=torch.float32)[None],
        "ego_motion": torch.eye(4)[None],
        "valid": torch.ones(1, 6),
    }
