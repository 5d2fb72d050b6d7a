"""Surfaces of the ventricles for pictures, and the values of the 75 sites carried over to them."""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import Delaunay, cKDTree

from cardio_utils.simulate import heart as engine
from cardio_utils.simulate.intracardiac import site_positions

__all__ = ["Picture", "Surface", "picture", "surface"]

_LENGTH = 60.0  # mm over which values of sites are alike
_NUGGET = 1e-3
_LIGHT = np.array([-0.45, 0.55, 0.7])  # right, up, towards the viewer
_PIXEL = 0.25  # mm


class Surface(NamedTuple):
    """Triangles of epicardium, both endocardia and the base.

    Attributes
    ----------
    points : ndarray, shape (vertex, 3)
        mm, heart frame: x to the left wall, y to the front, z to the base.
    faces : ndarray of int, shape (face, 3)
    weights : ndarray, shape (vertex, 75)
        From values at the sites to values at the vertices; each row sums to 1.
    """

    points: np.ndarray
    faces: np.ndarray
    weights: np.ndarray


def surface(subject=None, detail=64):
    """The surface of a heart with weights from its sites.

    Parameters
    ----------
    subject : cardio_utils.simulate.intracardiac.Subject, optional
        Default: the mean heart.
    detail : int
        Number of vertices around the epicardium of analytic ventricles. The surfaces of a mesh are taken as they are.

    Returns
    -------
    Surface
    """
    if subject is None:
        return _mean_surface(detail)
    heart = subject.heart
    if hasattr(heart, "surfaces"):
        points, faces = heart.points, np.concatenate(list(heart.surfaces.values()))
    else:
        points, faces = _triangles(heart.anatomy, detail)
    points, faces = _used(points, faces)
    return Surface(points, faces, _weights(heart, subject.positions, points))


@cache
def _mean_surface(detail):
    heart = engine.Heart()
    points, faces = _used(*_triangles(heart.anatomy, detail))
    return Surface(points, faces, _weights(heart, site_positions(heart.anatomy), points))


def _used(points, faces):
    """Without the points that no face has."""
    used, faces = np.unique(faces, return_inverse=True)
    return points[used], faces.reshape(-1, 3)


def _triangles(anatomy, detail):
    """Vertices and faces of analytic ventricles."""
    patches = [_epicardium(anatomy, detail), _left_cavity(anatomy, detail), *_right_cavity(anatomy, detail)]
    rims = np.concatenate([patch[-1] for patch in patches])
    points, faces, start = [], [], 0
    for patch in patches:
        points.append(patch.reshape(-1, 3))
        faces.append(_sheet(*patch.shape[:2]) + start)
        start += len(points[-1])
    top = Delaunay(rims[:, :2]).simplices
    top = top[_muscle(anatomy, rims[top].mean(1))]
    return np.concatenate([*points, rims]), np.concatenate([*faces, top + start])


def _sheet(rows, columns):
    """Triangles between the points of a grid."""
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    return np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, d), (a, d, c))])


def _axes(a):
    """Centre and semi-axes of the four ellipsoids: left inner and outer, right inner and outer."""
    left, right = np.zeros(3), np.array([-a.rv_shift, 0.0, 0.0])
    inner = np.array([a.lv_radius, a.lv_radius, a.lv_length])
    return (
        (left, inner),
        (left, inner + a.lv_wall),
        (right, np.array(a.rv_axes)),
        (right, a.rv_axes + np.array(a.rv_wall)),
    )


def _muscle(anatomy, points):
    left_in, left_out, right_in, right_out = (
        (((points - centre) / axes) ** 2).sum(-1) < 1 for centre, axes in _axes(anatomy)
    )
    return (left_out & ~left_in) | (right_out & ~right_in & ~left_out)


def _epicardium(a, detail):
    """Rings (ring, around, 3) from the apex to the base, where rays from the middle leave both outer ellipsoids."""
    _, left, _, right = _axes(a)
    middle = np.array([-a.rv_shift / 2, 0.0, -10.0])
    around = np.linspace(0, 2 * np.pi, detail + 1)

    def leave(polar):
        ray = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), -np.cos(polar)], -1)
        reach = np.zeros(polar.shape)
        for centre, axes in (left, right):
            o, d = (middle - centre) / axes, ray / axes
            along, length2 = (o * d).sum(-1), (d * d).sum(-1)
            reach = np.maximum(reach, (np.sqrt(along**2 - length2 * (o @ o - 1)) - along) / length2)
        return middle + reach[..., None] * ray

    low, high = np.zeros_like(around), np.full_like(around, np.pi)
    for _ in range(40):
        half = (low + high) / 2
        above = leave(half)[..., 2] > a.base
        low, high = np.where(above, low, half), np.where(above, half, high)
    return leave(np.linspace(0.0, 1.0, detail // 2)[:, None] * low)


def _left_cavity(a, detail):
    polar = np.linspace(0, np.arccos(-a.base / a.lv_length), detail // 3)[:, None]
    around = np.linspace(0, 2 * np.pi, detail // 2 + 1)
    radius = a.lv_radius * np.sin(polar)
    return np.stack(
        np.broadcast_arrays(radius * np.cos(around), radius * np.sin(around), -a.lv_length * np.cos(polar)), -1
    )


def _right_cavity(a, detail):
    """Free wall and septum of the right cavity, from its apex to the base."""
    rx, ry, rz = a.rv_axes
    z = -rz * np.cos(np.linspace(0, np.arccos(-a.base / rz), detail // 3))
    flat = np.sqrt(np.maximum(1 - (z / rz) ** 2, 0))
    septum = (a.lv_radius + a.lv_wall) * np.sqrt(1 - (z / (a.lv_length + a.lv_wall)) ** 2)

    def free(angle):
        return -a.rv_shift + rx * flat * np.cos(angle), ry * flat * np.sin(angle)

    low, high = np.zeros_like(z), np.full_like(z, np.pi)
    for _ in range(40):
        half = (low + high) / 2
        inside = np.hypot(*free(half)) < septum
        low, high = np.where(inside, half, low), np.where(inside, high, half)
    share = np.linspace(-1, 1, detail // 2 + 1)[:, None]
    wall = free(np.pi + share * (np.pi - high))
    x, y = free(high)
    turn = np.pi + share * (np.pi - np.arctan2(y, x))
    far = np.hypot(x, y)  # the septum where both meet, and the tip of the cavity beyond it
    wall, turn = np.stack(wall), np.stack([far * np.cos(turn), far * np.sin(turn)])
    return [np.stack([*part, np.broadcast_to(z, part[0].shape)], -1).swapaxes(0, 1) for part in (wall, turn)]


def _weights(heart, sites, points):
    """Ordinary kriging with an exponential covariance of the distances within the muscle."""
    tree = cKDTree(heart.points)
    graph = heart.edge_times(engine.Conduction(along=1.0, across=1.0, left=0.0, right=0.0))  # at 1 mm/ms: lengths
    start = tree.query(sites)[1]
    through = dijkstra(graph, indices=start)
    straight = np.linalg.norm(heart.points[start][:, None] - heart.points, axis=2)
    detour = np.maximum(through / np.maximum(straight, 10.0) / 1.15, 1.0)  # 1 where the way is nearly straight

    def covariance(targets):
        gap, near = tree.query(targets, k=12)
        share = 1 / (gap + 1.0) ** 2  # of the nodes around, so that what is drawn is smooth
        around = (detour[:, near] * share).sum(2) / share.sum(1)
        distance = np.linalg.norm(sites[:, None] - targets, axis=2) * around
        return np.exp(-distance / _LENGTH).T

    n = len(sites)
    known = covariance(sites)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = (known + known.T) / 2 + _NUGGET * np.eye(n)
    system[n, n] = 0.0
    right = np.column_stack([covariance(points), np.ones(len(points))])
    return np.linalg.solve(system, right.T)[:n].T


class Picture(NamedTuple):
    """A surface as seen from one side.

    Attributes
    ----------
    vertices, shares : ndarray, shape (height, width, 3)
        The corners of the face that a pixel shows, and how much of each; the shares are 0 beside the heart.
    shade : ndarray, shape (height, width)
        Brightness.
    edge : ndarray of bool, shape (height, width)
        Where a nearer part ends before a farther one.
    extent : tuple
        mm: left, right, bottom, top.
    """

    vertices: np.ndarray
    shares: np.ndarray
    shade: np.ndarray
    edge: np.ndarray
    extent: tuple

    def values(self, at_vertices):
        """Image (height, width) of values at the vertices; NaN beside the heart."""
        image = (np.asarray(at_vertices)[self.vertices] * self.shares).sum(-1)
        return np.where(self.shares.any(-1), image, np.nan)


def picture(shape, azimuth=0.0, elevation=28.0):
    """Look at a surface.

    Parameters
    ----------
    shape : Surface
    azimuth, elevation : float
        Degrees; azimuth 0 is from the front, 90 from the patient's left, 180 from behind.

    Returns
    -------
    Picture
    """
    place = shape.points @ _camera(azimuth, elevation)
    low, high = place[:, :2].min(0) - 2, place[:, :2].max(0) + 2
    width, height = np.ceil((high - low) / _PIXEL).astype(int)
    pixels = np.column_stack([(place[:, :2] - low) / _PIXEL, place[:, 2]])
    depth, face, shares = _cover(pixels[shape.faces], height, width)
    seen = face >= 0
    vertices = np.where(seen[..., None], shape.faces[face], 0)
    normals = _normals(place, shape.faces)
    normals *= np.where(normals[:, 2:] < 0, -1, 1)  # a wall is lit on the side that is seen
    bright = (normals @ (_LIGHT / np.linalg.norm(_LIGHT))).clip(0)
    shade = 0.8 + 0.2 * (bright[vertices] * shares).sum(-1)
    steep = [np.abs(np.gradient(np.where(seen, depth, -1e3), axis=axis)) for axis in (0, 1)]
    extent = (low[0], low[0] + width * _PIXEL, low[1], low[1] + height * _PIXEL)
    return Picture(vertices, shares, shade, np.maximum(*steep) > 4 * _PIXEL, extent)


def _camera(azimuth, elevation):
    """Matrix (3, 3) from the heart frame to right, up and towards the viewer, as columns."""
    turn, tilt = np.deg2rad([azimuth, elevation])
    towards = np.array([np.sin(turn), np.cos(turn), 0.0])
    right = np.array([np.cos(turn), -np.sin(turn), 0.0])
    z = np.array([0.0, 0.0, 1.0])
    return np.stack([right, np.cos(tilt) * z - np.sin(tilt) * towards, np.cos(tilt) * towards + np.sin(tilt) * z], 1)


def _cover(corners, height, width):
    """Which face is nearest at each pixel: depth, number (-1 for none), and shares of its corners."""
    depth, face = np.full((height, width), -np.inf), np.full((height, width), -1)
    shares = np.zeros((height, width, 3))
    first = np.floor(corners[..., :2].min(1)).astype(int)
    last = np.ceil(corners[..., :2].max(1)).astype(int) + 1
    edges = corners[:, 1:] - corners[:, :1]
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    for k in np.flatnonzero(np.abs(area) > 1e-9):
        (x0, y0), (x1, y1), (a, b) = first[k], last[k], edges[k]
        x, y = np.arange(x0, x1) + 0.5 - corners[k, 0, 0], np.arange(y0, y1)[:, None] + 0.5 - corners[k, 0, 1]
        second, third = (x * b[1] - y * b[0]) / area[k], (y * a[0] - x * a[1]) / area[k]
        z = corners[k, 0, 2] + second * a[2] + third * b[2]
        box = np.s_[y0:y1, x0:x1]
        inside = (second >= -1e-6) & (third >= -1e-6) & (second + third <= 1 + 1e-6) & (z > depth[box])
        depth[box][inside], face[box][inside] = z[inside], k
        shares[box][inside] = np.stack([1 - second - third, second, third], -1)[inside]
    return depth, face, shares


def _normals(points, faces):
    """Unit normals at the vertices, on either side: faces need not be turned alike."""
    a, b, c = points[faces].swapaxes(0, 1)
    flat = np.cross(b - a, c - a)
    size = np.maximum(np.linalg.norm(flat, axis=1), 1e-12)
    total = np.zeros((len(points), 3, 3))
    for corner in faces.T:
        np.add.at(total, corner, flat[:, :, None] * flat[:, None] / size[:, None, None])
    return np.linalg.eigh(total)[1][..., 2]
