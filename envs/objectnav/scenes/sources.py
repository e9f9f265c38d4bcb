"""Where houses come from: by the name of a source, or from a file."""

from __future__ import annotations

import os
from functools import cache

from foveal.envs.objectnav.scenes.house import House
from foveal.envs.params import did_you_mean

SOURCES = ("ithor", "robothor", "procedural")


def houses_of(scenes: str, split: str, count: int = 0, first: int = 0, rooms: int = 0) -> tuple[House, ...]:
    """Houses of a source.

    Args:
        scenes: One of `SOURCES`, several of them joined by "+" (of each the houses that the rest says), or the path of
            a house file.
        split: "train", "val" or "test"; of a file, the houses that say so, or all where none says anything.
        count: How many at most; 0: all there are.
        first: How many to pass over.
        rooms: Of procedural houses; 0: from one to eight.

    Raises:
        ValueError: for a source that is not there or has none so far on, or a bad file.
    """
    several = scenes.split("+")
    if len(several) > 1 and set(several) <= set(SOURCES):
        return tuple(house for one in several for house in houses_of(one, split, count, first, rooms))
    if scenes == "procedural":
        return _procedural(split, count, first, rooms)
    if scenes in SOURCES:
        return _chosen(_rooms(scenes, split), count, first, f"scenes={scenes!r}, split={split!r}")
    if not os.path.exists(scenes):
        raise ValueError(f"scenes={scenes!r}: no such file{did_you_mean(scenes, list(SOURCES))}")
    return _from_file(scenes, count, first)


@cache
def _procedural(split: str, count: int, first: int, rooms: int) -> tuple[House, ...]:
    from foveal.envs.objectnav.procedural import houses as procedural

    if count < 1:
        raise ValueError("houses=0: procedural houses are endless, say how many")
    return tuple(procedural.house(seed, split, rooms or None) for seed in range(first, first + count))


def room_names(family: str, split: str) -> tuple[str, ...]:
    """AI2-THOR's scenes of a family: of iTHOR all kinds of rooms by turns, so that a few are of all kinds."""
    from foveal.envs.objectnav.scenes import thor_rooms

    names = thor_rooms.names(family, split)  # type: ignore[arg-type]
    if family == "ithor":
        names = tuple(sorted(names, key=lambda name: (int(name.removeprefix("FloorPlan")) % 100, name)))
    return names


@cache
def _rooms(family: str, split: str) -> tuple[House, ...]:
    from foveal.envs.objectnav.scenes import thor_rooms

    return tuple(map(thor_rooms.house, room_names(family, split)))


def _from_file(path: str, count: int, first: int) -> tuple[House, ...]:
    from foveal.envs.objectnav.scenes.house_files import read_houses

    found = read_houses(path)
    last = len(found) if count == 0 else min(first + count, len(found))
    if last <= first:
        raise ValueError(f"first_house={first}: {path} has {len(found)} houses")
    return tuple(found[k] for k in range(first, last))


def _chosen(found: tuple[House, ...], count: int, first: int, what: str) -> tuple[House, ...]:
    chosen = found[first : first + count if count else None]
    if not chosen:
        raise ValueError(f"first_house={first}: {what} has {len(found)} houses")
    return chosen
