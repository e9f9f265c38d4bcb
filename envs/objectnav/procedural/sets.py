"""Furniture that stands together: a bed between side tables, chairs around a table, a television before a sofa.

A set is laid out in its own frame: x along its back from the left, y to its front, origin at its back left corner.
What a set is made of follows ProcTHOR's asset groups; each function returns what it found room and models for, from
the most ambitious to the plainest, and the first that fits a room is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from foveal.envs.objectnav.procedural.assets import Asset
from foveal.envs.objectnav.procedural.surfaces import support_height

GAP_M = 0.03
"""Between things of a set."""
SOFA_TO_TELEVISION_M = 1.6
_FRONT_M = 0.5  # kept free before furniture that is used from its front
_ISLAND_M = 0.45  # kept free around what stands in the middle

Catalogue = dict[str, tuple[Asset, ...]]


class Member(NamedTuple):
    """A thing of a set: its centre (x, y) m and turn in the set's frame, and the member it stands on, if any."""

    asset: Asset
    x: float
    y: float
    turn: int = 0
    on: int | None = None


class Set(NamedTuple):
    """Things that are placed together.

    Attributes:
        members: Those that others stand on before them.
        width: m, of all along the back.
        depth: m.
        front: m kept free before it.
        where: "edge", "corner" or "middle".
    """

    members: tuple[Member, ...]
    width: float
    depth: float
    front: float = _FRONT_M
    where: str = "edge"

    @property
    def height(self) -> float:
        """Of the tallest thing that stands on the floor, m."""
        return max(member.asset.size[2] for member in self.members if member.on is None)


def footprint(member: Member) -> tuple[float, float]:
    """Its size (x, y) m in the set's frame."""
    width, depth, _ = member.asset.size
    return (depth, width) if member.turn % 2 else (width, depth)


def pick(
    rng: np.random.Generator, assets: Sequence[Asset], fits: Callable[[Asset], bool] = lambda asset: True
) -> Asset | None:
    """One of the assets that fit, None where none does."""
    fitting = [asset for asset in assets if fits(asset)]
    return fitting[int(rng.integers(len(fitting)))] if fitting else None


def alone(asset: Asset, where: str = "edge", front: float = _FRONT_M) -> Set:
    """A set of one."""
    width, depth, _ = asset.size
    return Set((Member(asset, width / 2, depth / 2),), width, depth, front, where)


def row(assets: Iterable[Asset], front: float = _FRONT_M) -> Set:
    """Things side by side, their backs in one line."""
    members, x = [], 0.0
    for asset in assets:
        members.append(Member(asset, x + asset.size[0] / 2, asset.size[1] / 2))
        x += asset.size[0] + GAP_M
    return Set(tuple(members), x - GAP_M, max(member.asset.size[1] for member in members), front)


def bed(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A bed, between two side tables or beside one."""
    frame = pick(rng, models["Bed"], lambda asset: asset.size[2] < 1.6)
    if frame is None:
        return []
    table = pick(rng, models["SideTable"], lambda asset: max(asset.size[:2]) < 0.72 and asset.size[2] < 0.75)
    sets = [alone(frame, where) for where in ("corner", "edge")]
    if table is not None:
        one = [row(pair) for pair in ((frame, table), (table, frame))]
        sets = [one[int(rng.integers(2))], *sets]
        if frame.size[0] > 1.3:
            sets.insert(0, row((table, frame, table)))
    return sets


def dining(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A table with chairs on all sides in the middle of the room, or on three sides at a wall."""
    table = pick(rng, models["DiningTable"], lambda asset: max(asset.size[:2]) < 2.3)
    chair = pick(rng, models["Chair"])
    if table is None or chair is None:
        return []
    return [
        *(around_table(table, chair, ends, back=True) for ends in ((True, False) if rng.random() < 0.5 else (False,))),
        *(around_table(table, chair, ends, back=False) for ends in (True, False)),
        alone(table),
    ]


def around_table(table: Asset, chair: Asset, ends: bool, back: bool) -> Set:
    """Chairs at a table's front, at its back or none there, and at both ends or none there."""
    wide, deep, _ = table.size
    across = chair.size[1] + GAP_M
    left, behind = across * ends, across * back
    count = max(1, int((wide - 0.1) / (chair.size[0] + 0.1)))
    places = [left + wide * (i + 0.5) / count for i in range(count)]
    members = [Member(table, left + wide / 2, behind + deep / 2)]
    members += [Member(chair, x, behind + deep + GAP_M + chair.size[1] / 2, 2) for x in places]
    if back:
        members += [Member(chair, x, chair.size[1] / 2, 0) for x in places]
    if ends:
        members.append(Member(chair, chair.size[1] / 2, behind + deep / 2, 3))
        members.append(Member(chair, left + wide + GAP_M + chair.size[1] / 2, behind + deep / 2, 1))
    # Chairs may be wider than a small table's side.
    low = min(member.x - footprint(member)[0] / 2 for member in members)
    high = max(member.x + footprint(member)[0] / 2 for member in members)
    moved = tuple(member._replace(x=member.x - low) for member in members)
    front, where = (_ISLAND_M, "middle") if back else (0.3, "edge")
    return Set(moved, high - low, behind + deep + across, front, where)


def desk(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A desk with a chair before it."""
    table = pick(rng, models["Desk"], lambda asset: asset.size[1] < 1.0)
    chair = pick(rng, models["Chair"])
    if table is None or chair is None:
        return []
    wide, deep, _ = table.size
    x = wide / 2 + (rng.random() - 0.5) * 0.8 * max(wide - chair.size[0], 0.0)
    sitting = Member(chair, round(float(x), 3), deep + GAP_M + chair.size[1] / 2, 2)
    if chair.size[0] > wide:
        return [alone(table)]
    return [
        Set((Member(table, wide / 2, deep / 2), sitting), wide, deep + GAP_M + chair.size[1], 0.3, where)
        for where in ("corner", "edge")
    ] + [alone(table)]


def television(models: Catalogue, rng: np.random.Generator, below: str = "TVStand") -> list[Set]:
    """A television on a stand."""
    pairs = [
        (stand, screen)
        for stand in models[below]
        if stand.size[2] < 1.0
        for screen in models["Television"]
        if screen.size[0] <= stand.size[0] and screen.size[1] <= stand.size[1]
    ]
    if not pairs:
        return []
    stand, screen = pairs[int(rng.integers(len(pairs)))]
    wide, deep, _ = stand.size
    members = (Member(stand, wide / 2, deep / 2), Member(screen, wide / 2, deep / 2, on=0))
    return [Set(members, wide, deep, 0.8)]


def lounge(models: Catalogue, rng: np.random.Generator, depths: Sequence[float]) -> list[Set]:
    """A television before a sofa, with a coffee table between where there is room.

    Args:
        models: By type.
        rng: Chooses among them.
        depths: m, of the room: the sofa's back goes to the wall opposite where that is not too far.
    """
    stands = television(models, rng)
    sofa = pick(rng, models["Sofa"], lambda asset: asset.size[1] < 1.25)
    if not stands or sofa is None:
        return stands
    screen = stands[0]
    table = pick(rng, models["CoffeeTable"], lambda asset: asset.size[0] <= sofa.size[0] and asset.size[1] < 0.8)
    both = screen.depth + sofa.size[1]
    gaps = [gap for depth in depths if SOFA_TO_TELEVISION_M <= (gap := round(depth - both - 0.05, 3)) < 3.2]
    sets = []
    for gap in [*gaps, SOFA_TO_TELEVISION_M]:
        width = max(screen.width, sofa.size[0])
        members = [member._replace(x=member.x + (width - screen.width) / 2) for member in screen.members]
        y = screen.depth + gap + sofa.size[1] / 2
        members.append(Member(sofa, width / 2, y, 2))
        if table is not None and gap - 0.35 - table.size[1] > 0.75:
            members.append(Member(table, width / 2, screen.depth + gap - 0.35 - table.size[1] / 2))
        front = 0.0 if gap in gaps else 0.1
        sets.append(Set(tuple(members), width, both + gap, front))
    return sets + stands


def armchair(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """An armchair with a lamp beside it."""
    chair, lamp = pick(rng, models["ArmChair"]), pick(rng, models["FloorLamp"])
    if chair is None:
        return []
    lit = [] if lamp is None else [row((chair, lamp))._replace(where=where) for where in ("corner", "edge")]
    return lit + [alone(chair, where) for where in ("corner", "edge")]


def kitchen(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A fridge beside worktops in one line, as long as the room allows."""
    fridge = pick(rng, models["Fridge"])
    tops = straight_tops(models)
    first, second = pick(rng, tops), pick(rng, tops)
    if fridge is None or first is None or second is None:
        return []
    lines: list[list[Asset]] = [[fridge, first, second], [fridge, first]]
    if rng.random() < 0.5:
        lines = [line[::-1] for line in lines]
    sets = [row(line, 0.7)._replace(where=where) for line in lines for where in ("corner", "edge")]
    return [*sets, alone(fridge)]


def straight_tops(models: Catalogue) -> list[Asset]:
    """Worktops without those that go around a corner: their boxes are mostly air."""
    return [asset for asset in models["CounterTop"] if asset.size[1] < 1.27]


def worktop(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A worktop, or the smallest one."""
    tops = straight_tops(models)
    chosen = pick(rng, tops)
    smallest = min(tops, key=lambda asset: asset.size[0] + asset.size[1], default=None)
    return [alone(top, where, 0.6) for top in (chosen, smallest) if top is not None for where in ("corner", "edge")]


def washbasin(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A basin on a foot, with a tap."""
    basin = pick(rng, models["Sink"], lambda asset: asset.size[2] > 0.6)
    if basin is None:
        return []
    wide, deep, _ = basin.size
    tap = pick(rng, models["Faucet"], lambda a: a.size[0] < 0.9 * wide and a.size[1] < 0.6 * deep and a.size[2] < 0.45)
    members = [Member(basin, wide / 2, deep / 2)]
    if tap is not None:
        members.append(Member(tap, wide / 2, 0.02 + tap.size[1] / 2, on=0))
    return [Set(tuple(members), wide, deep, 0.6)]


def plant(models: Catalogue, rng: np.random.Generator) -> list[Set]:
    """A house plant that stands on the floor."""
    tall = pick(rng, models["HousePlant"], lambda asset: asset.size[2] > 0.5)
    return [] if tall is None else [alone(tall, where, 0.0) for where in ("corner", "edge")]


def member_height(group: Set, member: Member) -> float:
    """Where a member's underside is, m above the floor."""
    return 0.0 if member.on is None else support_height(group.members[member.on].asset)
