"""Roads as data: lanes between nodes, laid by a scenario in Python, and compiled to two arrays that kernels read.

A `Road` is laid lane by lane; `compiled` gives its `Network`. A lane's *name* is ``(from, to, place)``, as in
highway-env; its *number*, by which kernels know it, is its place in the order in which highway-env goes through them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.grid import lanes_by_cell
from foveal.envs.params import did_you_mean
from foveal.envs.scene import Lane

Name = tuple[str, str, int]
Point = tuple[float, float]
Lines = tuple[str, str]

ANY_PLACE = -1  # in a route: whichever of the road's lanes is closest

# Where the parts of `Network.graph` begin.
(
    EXITS,  # of each node: where its list of roads begins, as CSR
    EXIT_ROADS,  # number of the first lane of each of those roads
    NEAR,  # of each lane: where its list of connected lanes begins, as CSR
    NEAR_LANES,
    NEAR_AFTER,  # 1: the connected lane follows on this one, 0: it leads to this one
    ROUTES,  # of each route: where its list of stages begins, as CSR
    STAGES,  # first lane of the road of each stage
    PLACES,  # place among its lanes, or ANY_PLACE
    CELLS,  # of each cell: where its list of lanes begins, as CSR
    CELL_LANES,
    CELL_X,  # m, corner of the grid (the number itself)
    CELL_Y,
    CELL_COLUMNS,  # size of the grid (the numbers themselves)
    CELL_ROWS,
    REACH,  # m: lanes left out of a cell's list are further away than this (the number itself)
) = range(15)


class Network(NamedTuple):
    """A road as kernels read it.

    Attributes:
        lanes: (L + P, F) float64, `foveal.envs.driving.lanes.FIELDS` of each lane; below them the polylines' points.
        graph: (M,) int64, how lanes hang together; its first entries say where its parts begin.
        lane_count: L.
    """

    lanes: NDArray[np.float64]
    graph: NDArray[np.int64]
    lane_count: int


class Rest(TypedDict, total=False):
    """What else a lane has, and what it is if it is not said."""

    width: float
    """Metres; 4."""
    lines: Lines
    """Marking on the left and on the right: "none", "striped" (both) or "continuous"."""
    forbidden: bool
    """Whether no vehicle may change into it; False."""
    speed_limit: float | None
    """m/s; 20, None for none."""
    priority: int
    """Right of way, 0; the higher goes first."""


@dataclass
class _Laid:
    fields: dict[int, float]
    lines: Lines
    points: NDArray[np.float64] | None = None


@dataclass
class Road:
    """Lanes between named nodes; lanes between the same two nodes, laid from left to right, are one road.

    Attributes:
        exit: The lane that leads off, where there is one to be reached.
    """

    exit: Name | None = None
    _roads: dict[tuple[str, str], list[_Laid]] = field(default_factory=dict)
    _routes: dict[tuple[Name, str], list[str]] = field(default_factory=dict)

    def straight(
        self,
        begin: str,
        end: str,
        start: Point,
        stop: Point,
        **rest: Unpack[Rest],
    ) -> Name:
        """Lay a straight lane from `start` to `stop`, metres.

        Args:
            begin: Node at its start.
            end: Node at its end.
            start: (x, y) of its start, metres.
            stop: (x, y) of its end, metres.
            **rest: See `Rest`.

        Returns:
            Its name.
        """
        (x, y), (dx, dy) = start, (stop[0] - start[0], stop[1] - start[1])
        length = float(np.linalg.norm([dx, dy]))
        if not 0.1 <= length < 1e6:
            raise ValueError(f"lane {begin!r} to {end!r}: length {length} m, must be in [0.1, 1e6)")
        shape = {
            ln.KIND: ln.STRAIGHT, ln.X: x, ln.Y: y, ln.COS: dx / length, ln.SIN: dy / length,
            ln.HEADING: float(np.arctan2(dy, dx)), ln.LENGTH: length,
        }  # fmt: skip
        return self._lay(begin, end, shape, rest)

    def sine(
        self,
        begin: str,
        end: str,
        start: Point,
        stop: Point,
        amplitude: float,
        pulsation: float,
        phase: float,
        **rest: Unpack[Rest],
    ) -> Name:
        """Lay a lane that swings about the straight line from `start` to `stop`; see `straight`.

        Args:
            begin: Node at its start.
            end: Node at its end.
            start: (x, y) where the line starts, metres.
            stop: (x, y) where the line ends, metres.
            amplitude: Metres to the right.
            pulsation: rad/m.
            phase: rad, at the start.
            **rest: See `Rest`.
        """
        name = self.straight(begin, end, start, stop, **rest)
        swing = {ln.KIND: ln.SINE, ln.AMPLITUDE: amplitude, ln.PULSATION: pulsation, ln.PHASE: phase}
        self._laid(name).fields.update(swing)
        return name

    def arc(
        self,
        begin: str,
        end: str,
        centre: Point,
        radius: float,
        start_phase: float,
        end_phase: float,
        *,
        clockwise: bool = True,
        **rest: Unpack[Rest],
    ) -> Name:
        """Lay a lane along a circle; see `straight`.

        Args:
            begin: Node at its start.
            end: Node at its end.
            centre: (x, y), metres.
            radius: Metres.
            start_phase: rad, from the x axis towards the y axis.
            end_phase: rad.
            clockwise: Seen on the screen, where y points down: towards growing phases.
            **rest: See `Rest`.
        """
        turn = 1.0 if clockwise else -1.0
        length = radius * (end_phase - start_phase) * turn
        if radius <= 0 or length <= 0:
            raise ValueError(f"lane {begin!r} to {end!r}: radius {radius} m and length {length} m must be positive")
        shape = {
            ln.KIND: ln.CIRCULAR, ln.X: centre[0], ln.Y: centre[1], ln.RADIUS: radius, ln.PHASE: start_phase,
            ln.TURN: turn, ln.LENGTH: length,
        }  # fmt: skip
        return self._lay(begin, end, shape, rest)

    def polyline(
        self,
        begin: str,
        end: str,
        points: Sequence[Point],
        **rest: Unpack[Rest],
    ) -> Name:
        """Lay a lane along straight pieces between points; see `straight`.

        Args:
            begin: Node at its start.
            end: Node at its end.
            points: At least two (x, y), metres.
            **rest: See `Rest`.
        """
        corners = np.asarray(points, np.float64)
        pieces = np.linalg.norm(np.diff(corners, axis=0), axis=1) if corners.ndim == 2 else np.zeros(1)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2 or not (pieces > 1e-3).all():
            raise ValueError(f"lane {begin!r} to {end!r}: needs at least two points (x, y), each apart from the last")
        along = np.concatenate([[0.0], np.cumsum(pieces)])
        steps = np.diff(corners, axis=0)
        headings = np.arctan2(steps[:, 1], steps[:, 0])
        shape = {ln.KIND: ln.POLYLINE, ln.LENGTH: float(along[-1]), ln.POINTS_COUNT: len(corners)}
        name = self._lay(begin, end, shape, rest)
        self._laid(name).points = np.column_stack([corners, along, np.append(headings, headings[-1])])
        return name

    def parallel(
        self,
        begin: str,
        end: str,
        count: int,
        start: Point,
        stop: Point,
        *,
        width: float = 4.0,
        speed_limit: float | None = 20.0,
    ) -> list[Name]:
        """Lay `count` straight lanes side by side, the first from `start` to `stop`, the others to its right."""
        direction = (np.array(stop) - start) / np.linalg.norm(np.array(stop) - start)
        right = np.array([-direction[1], direction[0]])
        return [
            self.straight(
                begin, end, tuple(start + place * width * right), tuple(stop + place * width * right),
                width=width, speed_limit=speed_limit,
                lines=("continuous" if place == 0 else "striped", "continuous" if place == count - 1 else "none"),
            )
            for place in range(count)
        ]  # fmt: skip

    def route(self, start: Name, destination: str) -> int:
        """Number of the shortest route from a lane to a node; made when it is asked for the first time.

        The route's first stage is the lane itself; of equally long ones the first in alphabetical order counts.

        Raises:
            ValueError: where no route leads there.
        """
        self._laid(start)
        paths = deque([[start[1]]])
        while paths and destination != paths[0][-1]:
            path = paths.popleft()
            ends = sorted(end for begin, end in self._roads if begin == path[-1] and end not in path)
            paths.extend([*path, end] for end in ends)
        if not paths:
            raise ValueError(f"no route from lane {start} to node {destination!r}")
        self._routes.setdefault((start, destination), paths[0])
        return list(self._routes).index((start, destination))

    def routes_to(self, destination: str) -> NDArray[np.int64]:
        """Number of the route from each lane (L,) to a node; where none leads there, of one that ends with the lane."""
        numbers = []
        for name in self.names():
            try:
                numbers.append(self.route(name, destination))
            except ValueError:
                numbers.append(self.route(name, name[1]))
        return np.array(numbers)

    def find_route(self, stages: Sequence[tuple[str, str, int | None]]) -> tuple[int, int]:
        """The number of a planned route whose last stages these are, and how many come before them.

        Raises:
            ValueError: where no planned route ends like this.
        """
        wanted = [(begin, end, ANY_PLACE if place is None else int(place)) for begin, end, place in stages]
        for number, ((start, _), path) in enumerate(self._routes.items()):
            planned = [start, *((*road, ANY_PLACE) for road in pairwise(path))]
            if planned[-len(wanted) :] == wanted:
                return number, len(planned) - len(wanted)
        raise ValueError(f"no route ends like {list(stages)}")

    def names(self) -> list[Name]:
        """The lanes' names in the order of their numbers."""
        begins = dict.fromkeys(begin for begin, _ in self._roads)
        roads = [road for node in begins for road in self._roads if road[0] == node]
        return [(*road, place) for road in roads for place in range(len(self._roads[road]))]

    def names_of(self, name: Name) -> list[Name]:
        """The names of the lanes of a lane's road."""
        self._laid(name)
        return [(*name[:2], place) for place in range(len(self._roads[name[:2]]))]

    def number(self, name: Name) -> int:
        """A lane's number.

        Raises:
            ValueError: naming the lanes there are, for an unknown one.
        """
        self._laid(name)
        return self.names().index(name)

    def compiled(self) -> Network:
        """The arrays for kernels.

        Raises:
            ValueError: for a road without lanes.
        """
        names = self.names()
        if not names:
            raise ValueError("a road needs at least one lane")
        nodes = {node: k for k, node in enumerate(dict.fromkeys(node for road in self._roads for node in road))}
        roads = {road: k for k, road in enumerate(dict.fromkeys(name[:2] for name in names))}
        points = [laid.points for name in names if (laid := self._laid(name)).points is not None]
        lanes = np.zeros((len(names) + sum(map(len, points)), len(ln.FIELDS)))
        below = len(names)
        for number, name in enumerate(names):
            laid, road = self._laid(name), name[:2]
            for column, value in laid.fields.items():
                lanes[number, column] = value
            lanes[number, [ln.ROAD, ln.PLACE, ln.FIRST, ln.SIBLINGS, ln.TO]] = (
                roads[road], name[2], names.index((*road, 0)), len(self._roads[road]), nodes[name[1]],
            )  # fmt: skip
            if laid.points is not None:
                lanes[number, ln.POINTS] = below
                lanes[below : below + len(laid.points), :4] = laid.points
                below += len(laid.points)
        return Network(lanes, self._graph(lanes, names, nodes), len(names))

    def scene_lanes(self, spacing_m: float = 1.0) -> tuple[Lane, ...]:
        """The lanes as they are drawn, curves as points `spacing_m` apart."""
        lanes, drawn = self.compiled().lanes, []
        for number, name in enumerate(self.names()):
            straight = lanes[number, ln.KIND] == ln.STRAIGHT
            steps = 2 if straight else max(2, int(lanes[number, ln.LENGTH] / spacing_m) + 1)
            along = np.linspace(0, lanes[number, ln.LENGTH], steps)
            centre = np.array([ln.from_lane(lanes, number, s, 0.0) for s in along])
            drawn.append(Lane(centre, float(lanes[number, ln.WIDTH]), self._laid(name).lines))
        return tuple(drawn)

    def _lay(self, begin: str, end: str, shape: dict[int, float], rest: Rest) -> Name:
        if unknown := sorted(rest.keys() - Rest.__annotations__.keys()):
            raise TypeError(
                f"unknown option {unknown[0]!r} of a lane{did_you_mean(unknown[0], list(Rest.__annotations__))}"
            )
        width, lines = rest.get("width", 4.0), rest.get("lines", ("striped", "striped"))
        speed_limit = rest.get("speed_limit", 20.0)
        if not 0.5 <= width <= 100:
            raise ValueError(f"lane {begin!r} to {end!r}: width {width} m, must be in [0.5, 100]")
        if speed_limit is not None and not speed_limit > 0:
            raise ValueError(f"lane {begin!r} to {end!r}: speed_limit {speed_limit} m/s must be positive")
        if not set(lines) <= {"none", "striped", "continuous"}:
            raise ValueError(f"lane {begin!r} to {end!r}: lines {lines} must be 'none', 'striped' or 'continuous'")
        common = {
            ln.WIDTH: width, ln.FORBIDDEN: rest.get("forbidden", False), ln.PRIORITY: rest.get("priority", 0),
            ln.SPEED_LIMIT: np.inf if speed_limit is None else speed_limit,
        }  # fmt: skip
        road = self._roads.setdefault((begin, end), [])
        road.append(_Laid({**shape, **common}, lines))
        return begin, end, len(road) - 1

    def _laid(self, name: Name) -> _Laid:
        road = self._roads.get(name[:2], [])
        if not 0 <= name[2] < len(road):
            raise ValueError(f"no lane {name}; there are {', '.join(map(str, self.names()))}")
        return road[name[2]]

    def _graph(self, lanes: NDArray[np.float64], names: list[Name], nodes: dict[str, int]) -> NDArray[np.int64]:
        firsts = {name[:2]: number for number, name in enumerate(names) if name[2] == 0}
        exits = [[firsts[road] for road in firsts if road[0] == node] for node in nodes]
        near = [self._connected(name, firsts) for name in names]
        stages = [
            [(firsts[start[:2]], start[2])] + [(firsts[road], ANY_PLACE) for road in pairwise(path)]
            for (start, _), path in self._routes.items()
        ]
        cells, (x, y, columns, rows, reach) = lanes_by_cell(lanes, len(names))
        starts, exit_roads = _csr(exits)
        near_starts, near_lanes = _csr([[lane for lane, _ in lane_list] for lane_list in near])
        _, near_after = _csr([[after for _, after in lane_list] for lane_list in near])
        route_starts, roads = _csr([[road for road, _ in route] for route in stages])
        _, places = _csr([[place for _, place in route] for route in stages])
        cell_starts, cell_lanes = _csr(cells)
        parts = [
            starts, exit_roads, near_starts, near_lanes, near_after, route_starts, roads, places, cell_starts,
            cell_lanes,
        ]  # fmt: skip
        begins = np.cumsum([REACH + 1, *map(len, parts)])[:-1]
        return np.concatenate([begins, [x, y, columns, rows, reach], *parts]).astype(np.int64)

    def _connected(self, name: Name, firsts: dict[tuple[str, str], int]) -> list[tuple[int, int]]:
        """The lanes that follow on this one and lead to it, in highway-env's order of search."""
        begin, end, place = name
        found = []
        for road, first in firsts.items():
            if road[0] == end:
                found.append((first + (place if place < len(self._roads[road]) else 0), 1))
        for road, first in firsts.items():
            if road[1] == begin:
                found.append((first + (place if place < len(self._roads[road]) else 0), 0))
        return found


def _csr(lists: list[list[int]]) -> tuple[list[int], list[int]]:
    """Lists as one, and where each begins in it (one more than there are lists)."""
    return [0, *np.cumsum([len(one) for one in lists], dtype=int).tolist()], [item for one in lists for item in one]
