"""Where an agent can walk in a house, from its walls and boxes alone: nothing here is shared with the generator."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

RADIUS_M, GRID_M = 0.2, 0.25


def obstacles(house):
    """Rectangles (M, 4) that stop an agent: floor things that are solid, and walls but for their open doors."""
    boxes = [
        np.concatenate([low[:2], high[:2]])
        for low, high in (t.bounds for t in house.things if t.solid and not t.parent)
    ]
    for wall in house.walls:
        start, end = np.array(wall.start), np.array(wall.end)
        length = np.abs(end - start).sum()
        holes = []
        for opening in house.openings:
            if wall.id in opening.walls and opening.kind != "window" and opening.openness > 0:
                low, high = opening.along
                holes.append((low, high) if opening.walls[0] == wall.id else (length - high, length - low))
        at = 0.0
        for low, high in [*sorted(holes), (length, length)]:
            if low - at > 1e-6:
                a, b = start + (end - start) * at / length, start + (end - start) * low / length
                boxes.append(np.concatenate([np.minimum(a, b), np.maximum(a, b)]))
            at = high
    return np.array(boxes)


def gap(a, b):
    """Distance (N, M) m between rectangles (N, 4) and (M, 4)."""
    apart = np.maximum(a[:, None, :2] - b[None, :, 2:], b[None, :, :2] - a[:, None, 2:]).clip(0)
    return np.hypot(apart[..., 0], apart[..., 1])


def reachable(house, offset=(0.0, 0.0)):
    """Grid points (P, 2) of the largest part of the grid that an agent can walk through."""
    low, high = house.bounds
    xs, ys = (np.arange(a + o, b, GRID_M) for a, b, o in zip(low, high, offset, strict=True))
    points = np.stack(np.meshgrid(xs, ys, indexing="ij"), -1)
    boxes = obstacles(house)
    numbers = np.arange(points[..., 0].size).reshape(points.shape[:2])
    edges = []
    for a, b, m, n in (
        (points[:-1], points[1:], numbers[:-1], numbers[1:]),
        (points[:, :-1], points[:, 1:], numbers[:, :-1], numbers[:, 1:]),
    ):
        moves = np.concatenate([np.minimum(a, b), np.maximum(a, b)], -1).reshape(-1, 4)
        free = gap(moves, boxes).min(1) > RADIUS_M
        edges.append(np.stack([m.ravel()[free], n.ravel()[free]]))
    i, j = np.concatenate(edges, 1)
    _, labels = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(numbers.size,) * 2), directed=False)
    # A point without a move is a part of its own; outside nothing stops a walk: only points in rooms count.
    flat = points.reshape(-1, 2)
    inside = np.any([within(flat, room.polygon) for room in house.rooms], axis=0)
    return flat[inside & (labels == np.bincount(labels[inside]).argmax())]


def within(points, polygon):
    """Which points (P, 2) lie in a polygon, by the crossings of a ray in +x."""
    a, b = polygon, np.roll(polygon, -1, 0)
    y = points[:, 1, None]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return (crosses & (x > points[:, 0, None])).sum(1) % 2 == 1
