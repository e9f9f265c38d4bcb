"""What stands along a kerb: buildings behind the pavement, furniture on it, parked vehicles before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.scene import Part
from foveal.envs.rigs import furniture
from foveal.envs.rigs.bodies import FLEET
from foveal.envs.rigs.buildings import building, plan
from foveal.envs.rigs.classes import BARRIER, BUILDING, PERSON, POLE, SIGN, VEGETATION, VEHICLE
from foveal.envs.rigs.ground import KERB_Z, LAND_Z
from foveal.envs.rigs.kerbs import Clearance, Kerb, along_of
from foveal.envs.rigs.plots import Plots
from foveal.envs.rigs.sections import Thing
from foveal.envs.rigs.vehicles import LENGTH_M, WIDTH_M, vehicle
from foveal.envs.rigs.walkers import WARDROBE, person
from foveal.optics.transforms import place

Floats = NDArray[np.float64]

SHOULDER_M = 2.5
"""Asphalt beside the outer lanes, on which vehicles are parked."""

PAVEMENT_M = 3.4
"""Width of a pavement, with its kerbstones."""

FOOTPATH_M = 1.95
"""From the kerb to the line on which people walk; what stands on a pavement leaves it free."""

_LAMP = 32.0
"""Strength of a street lamp: what falls on a surface that faces it 1 m away."""

_LAMPS_APART_M = 26.0
_PARKING_M = 6.2


class Roadside:
    """Fills kerb after kerb with things that keep off the lanes and off each other.

    Args:
        clearance: Of the street's lanes.
        rng: Decides.
        lit: Whether lamps and windows are.
        density: 1 is usual.
    """

    def __init__(self, clearance: Clearance, rng: np.random.Generator, *, lit: bool, density: float) -> None:
        self.things: list[Thing] = []
        self._clearance, self._rng, self._lit, self._density = clearance, rng, lit, density
        # A front goes 2 cm into the pavement, so that no gap is seen between them.
        self._plots = Plots(clearance, PAVEMENT_M - 0.02, SHOULDER_M + PAVEMENT_M - 0.4)
        self._parked = np.zeros((0, 2))
        self._spots = np.zeros((0, 3))  # x, y, radius of what stands on pavements and on the land

    def line(self, kerb: Kerb, paved: NDArray[np.bool_]) -> None:
        """Fill a kerb with a street's things; `paved` (P,) says at which of its points there is a whole pavement."""
        self._houses(kerb)
        if self._density > 0:
            self._furnish(kerb, paved)
            self._park_along(kerb)
        self._close(kerb)

    def lawn(self, kerb: Kerb) -> None:
        """Put trees on the island that a kerb goes around."""
        for spot in self._rng.uniform(kerb.line.min(0), kerb.line.max(0), (40, 2)):
            angles = np.unwrap(np.arctan2(kerb.line[:, 1] - spot[1], kerb.line[:, 0] - spot[0]))
            if abs(angles[-1] - angles[0]) > np.pi:
                self._plant(spot, furniture.tree(self._rng), 2.1, SHOULDER_M + 2.8)

    def _houses(self, kerb: Kerb) -> None:
        rng, length = self._rng, kerb.length
        s = float(rng.uniform(0, 2))
        while s < length:
            plot = self._plots.take(kerb, s, float(rng.uniform(9, 17)), float(rng.uniform(8, 11)))
            if plot is None:
                s += 2.0
                continue
            own = np.random.default_rng(int(rng.integers(2**32)))  # by day and at dusk the same street
            parts = building(plan(rng, plot.width, plot.depth), own, lit=self._lit)
            self._put(parts, plot.middle, LAND_Z, _yaw_of(plot.away), BUILDING)
            s += plot.width + (0.05 if rng.random() < 0.72 else float(rng.uniform(2.5, 6)))

    def _furnish(self, kerb: Kerb, paved: NDArray[np.bool_]) -> None:
        rng, along = self._rng, along_of(kerb.line)
        next_lamp, s = float(rng.uniform(2, 14)), float(rng.uniform(1, 4))
        while s < along[-1] - 2:
            k = int(np.searchsorted(along, s))
            if paved[max(k - 2, 0) : k + 3].all():
                if s < next_lamp:
                    self._one(kerb, k)
                elif self._stand(kerb, k, 0.5, furniture.lamp_post(lit=self._lit), POLE, 0.3, lamp=self._lit):
                    next_lamp = s + _LAMPS_APART_M
                if rng.random() < 0.16 * self._density and k + 1 < len(along):
                    clothes, turn = WARDROBE[rng.integers(len(WARDROBE))], float(rng.uniform(0, 2 * np.pi))
                    self._stand(kerb, k + 1, 2.9, person(clothes, stride_m=0.06), PERSON, 0.35, turn)
            s += float(rng.uniform(2.6, 5.0)) / self._density

    def _one(self, kerb: Kerb, k: int) -> None:
        """Something at the k-th point of a kerb."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.45:
            self._stand(kerb, k, 0.75, furniture.tree(rng), VEGETATION, 2.2, float(rng.uniform(0, 6)))
        elif chance < 0.6:
            kind, turn = int(rng.integers(len(furniture.SIGNS))), float(rng.choice([0.0, np.pi]))
            self._stand(kerb, k, 0.55, furniture.sign(kind), SIGN, 0.5, turn)
        elif chance < 0.72:
            self._stand(kerb, k, 0.5, furniture.bin_of(rng), BARRIER, 0.4)
        elif chance < 0.82:
            self._stand(kerb, k, 0.75, furniture.bench(), BARRIER, 1.0)
        elif chance < 0.86:
            self._stand(kerb, k, 0.85, furniture.kiosk(rng), BARRIER, 0.7)
        else:
            for j in range(k, min(k + 5, len(kerb.line)), 2):
                self._stand(kerb, j, 0.5, furniture.bollard(), POLE, 0.2)

    def _stand(
        self,
        kerb: Kerb,
        k: int,
        off_m: float,
        parts: Sequence[Part],
        semantic: int,
        radius_m: float,
        turn: float = 0.0,
        *,
        lamp: bool = False,
    ) -> bool:
        """Put a thing `off_m` from the k-th point of a kerb if nothing else is within `radius_m`; whether it stands."""
        away = kerb.away[k]
        spot = kerb.line[k] + away * off_m
        if self._clearance(spot[None])[0] < SHOULDER_M + 0.35 or not self._claim(spot, radius_m):
            return False
        # Below its own head, which would keep the light off the road where shadows are worked out coarsely.
        under = np.array([*(spot - 1.4 * away), furniture.LAMP_HEIGHT_M - 0.9])
        self._put(parts, spot, KERB_Z, _yaw_of(away) + turn, semantic, ((under, _LAMP),) if lamp else ())
        return True

    def _park_along(self, kerb: Kerb) -> None:
        along = along_of(kerb.line)
        for s in np.arange(float(self._rng.uniform(3, 9)), along[-1] - 3, _PARKING_M):
            if self._rng.random() < 0.42 * self._density:
                self._park(kerb, int(np.searchsorted(along, s)))

    def _park(self, kerb: Kerb, k: int) -> None:
        """A vehicle before the k-th point of a kerb, with the kerb on its right, if the shoulder is straight there."""
        away = kerb.away[k]
        ahead = np.array([-away[1], away[0]])
        spot = kerb.line[k] - away * 1.16
        outline = [[x, y] for x in np.linspace(-LENGTH_M / 2, LENGTH_M / 2, 5) for y in (-WIDTH_M / 2, WIDTH_M / 2)]
        off = self._clearance(spot + np.array(outline) @ np.stack([ahead, -away]))
        apart = np.linalg.norm(self._parked - spot, axis=1).min(initial=np.inf)
        if off.min() < 0.25 or off.max() > SHOULDER_M - 0.05 or apart < LENGTH_M + 0.4:
            return
        self._parked = np.vstack([self._parked, spot])
        _, kind, paint, band, sign = FLEET[self._rng.integers(len(FLEET))]
        parts = vehicle(kind, paint, lit=False, band=band, sign=sign)
        self._put(parts, spot, 0.0, float(np.arctan2(ahead[1], ahead[0])), VEHICLE)

    def _close(self, kerb: Kerb) -> None:
        """Hedges and trees where no building stands, so that the view ends there, too."""
        rng, along = self._rng, along_of(kerb.line)
        for s in np.arange(1.5, along[-1], 3.0):
            k = int(np.searchsorted(along, s))
            edge, away = kerb.line[k] + kerb.away[k] * PAVEMENT_M, kerb.away[k]
            if self._plots.within(edge + away * np.arange(0.5, 14.0, 1.5)[:, None], 0.0).any():
                continue
            behind = SHOULDER_M + PAVEMENT_M + 0.3
            self._plant(edge + away, furniture.hedge(3.1, rng), 0.9, behind, _yaw_of(away))
            for off in (3.0, 7.5, 12.0):
                self._plant(edge + away * (off + rng.uniform(-0.6, 0.9)), furniture.tree(rng), 1.6, behind)

    def _plant(
        self, spot: Floats, parts: Sequence[Part], radius_m: float, clear_m: float, yaw: float | None = None
    ) -> None:
        """Put something green `clear_m` and more from all lanes, if there is room; without `yaw` turned at random."""
        if self._clearance(spot[None])[0] < clear_m or self._plots.within(spot[None], radius_m)[0]:
            return
        if self._claim(spot, radius_m):
            self._put(parts, spot, LAND_Z, float(self._rng.uniform(0, 6)) if yaw is None else yaw, VEGETATION)

    def _claim(self, spot: Floats, radius_m: float) -> bool:
        """Whether nothing stands within `radius_m` of a place, which then belongs to what is put there."""
        apart = np.hypot(self._spots[:, 0] - spot[0], self._spots[:, 1] - spot[1])
        if (apart < self._spots[:, 2] + radius_m).any():
            return False
        self._spots = np.vstack([self._spots, [*spot, radius_m]])
        return True

    def _put(
        self,
        parts: Sequence[Part],
        spot: Floats,
        z: float,
        yaw: float,
        semantic: int,
        lamps: tuple[tuple[Floats, float], ...] = (),
    ) -> None:
        pose = place((spot[0], spot[1], z), yaw)
        placed = [(mesh, pose @ np.asarray(own), material) for mesh, own, material in parts]
        self.things.append(Thing(placed, semantic, lamps=lamps))


def _yaw_of(away: Floats) -> float:
    """The yaw of a thing whose y points away from the road."""
    return float(np.arctan2(away[1], away[0]) - np.pi / 2)
