import numpy as np
import pytest

from foveal.optics.coverage import baselines, blind_sectors, fields_of_view, horizon, neighbours, overlaps
from foveal.optics.rig_presets import PRESETS, nuscenes_like, preset, room_ring


def test_nuscenes_overlaps():
    rig = nuscenes_like()
    shared = np.degrees(overlaps(rig))
    told = {(rig.cameras[i].name, rig.cameras[j].name): shared[i, j] for i, j in neighbours(rig)}
    expected = {
        ("front", "front_left"): 9.3,
        ("front_left", "back_left"): 12.3,
        ("back_left", "back"): 4.6,
        ("back", "back_right"): 8.5,
        ("back_right", "front_right"): 10.4,
        ("front_right", "front"): 7.7,
    }
    assert told.keys() == expected.keys()
    for pair, degrees in expected.items():
        assert told[pair] == pytest.approx(degrees, abs=0.05), pair
    assert sum(told.values()) == pytest.approx(52.8, abs=0.1)


def test_nuscenes_fields_of_view():
    told = np.degrees([fields_of_view(camera) for camera in nuscenes_like().cameras])
    np.testing.assert_allclose(told[:, 0], [64.6, 64.3, 65.0, 89.3, 64.8, 64.8], atol=0.07)
    np.testing.assert_allclose(told[:, 1], [39.1, 38.9, 39.4, 58.1, 39.3, 39.2], atol=0.1)


@pytest.mark.parametrize("name", ["nuscenes-like", "ddad-like", "fisheye-four", "room-ring-5"])
def test_surround_presets_leave_nothing_blind(name):
    rig = preset(name)
    shared = overlaps(rig)
    assert rig.name == name and blind_sectors(rig).size == 0
    assert all(shared[i, j] > 0.05 for i, j in neighbours(rig))


def test_ddad_like():
    rig = PRESETS["ddad-like"]()
    assert len(rig.cameras) == 6
    assert {(one.width, one.height, one.rate_hz) for one in rig.cameras} == {(1936, 1216, 10.0)}
    assert np.degrees(fields_of_view(rig.cameras[0])[0]) == pytest.approx(48)


def test_room_ring():
    for count in (1, 2, 7):
        rig = preset(f"room-ring-{count}")
        assert len(rig.cameras) == count and rig.name == f"room-ring-{count}"
        for camera in rig.cameras:
            at, ahead = camera.T_rig_cam[:2, 3], camera.T_rig_cam[:2, 2]
            assert np.hypot(*at) == pytest.approx(5) and at @ ahead < 0
            np.testing.assert_allclose(np.degrees(fields_of_view(camera)[0]), 90)
    assert baselines(room_ring(2))[0, 1] == pytest.approx(10)
    assert len(horizon(room_ring(4).cameras[1])) == 1
    with pytest.raises(ValueError, match=r"count=65: must be in \[1, 64\]"):
        preset("room-ring-65")
    with pytest.raises(KeyError):
        preset("nuscenes")
