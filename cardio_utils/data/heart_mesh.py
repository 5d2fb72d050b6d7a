"""The published heart: a tetrahedral mesh of two ventricles and the 75 recording sites, ready to be activated.

The mesh has no fibres, no labels and no fields. Here it gets them: surfaces from connected boundary faces, the
transmural coordinate and the two sides from Laplace problems, fibres by the same rule as the voxel heart. The
result has the interface of `cardio_utils.simulate.heart.Heart`, so that the same eikonal and the same lead field
run on it.

References
----------
Bayer JD et al. (2012) Ann Biomed Eng 40:2243-2254 (coordinates and fibres from Laplace problems).
Wallman M, Smith NP, Rodriguez B (2012) IEEE Trans Biomed Eng 59:1739-1748 (travel times on graphs).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from cardio_utils.data import fetch
from cardio_utils.simulate import heart as engine
from cardio_utils.simulate.intracardiac import SITES, Subject

__all__ = ["HeartMesh", "Tetrahedra", "load", "read_points", "read_vtk", "subject"]

LICENCE = "MIT"
CITATION = "LLNL Data Science Challenge, folder geometry (Lawrence Livermore National Laboratory, LLNL-CODE-849487)."

_URL = "https://raw.githubusercontent.com/landajuela/cardiac_challenge/main/geometry/"
_FILES = {
    "heart_mesh.vtk": "sha256:dd8f628a672ac7c0a6c466b042cf7762f5ccafb8b5770028400dc8ae62cf84a4",
    "points.csv": "sha256:f1f5edc118a6836faec786e2a01bfa0bb3a39f90e59a7f1fc9e163face10eb66",
}
_TETRAHEDRON = 10  # type of cell in VTK


class Tetrahedra(NamedTuple):
    """A mesh: points (n, 3) in mm, cells (m, 4) as indices of points, all with a positive volume."""

    points: np.ndarray
    cells: np.ndarray


@fetch.reader
def read_vtk(path):
    """Tetrahedra of a legacy VTK file in ASCII.

    Parameters
    ----------
    path : path

    Returns
    -------
    Tetrahedra

    Raises
    ------
    ValueError
        The file is no unstructured grid in ASCII, is cut short, has no cells or other ones than tetrahedra, or a
        cell is flat or names a point that is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    words = path.read_bytes().decode("ascii", errors="replace").split()
    text = path.open("rb").readline().decode("ascii", errors="replace")
    if "vtk DataFile" not in text or "ASCII" not in words or "UNSTRUCTURED_GRID" not in words:
        raise ValueError(
            f"{path} is no unstructured grid of legacy VTK in ASCII. Save it as one, for instance in ParaView."
        )
    count, points = _block(path, words, "POINTS", 3, float, 2)
    points = points.reshape(count, 3)
    count, cells = _block(path, words, "CELLS", 5, int, 2)
    if count == 0:
        raise ValueError(
            f"{path} has no cells: a surface or a cloud of points is not enough. Save its tetrahedra, too."
        )
    _, types = _block(path, words, "CELL_TYPES", 1, int, 1)
    cells = cells.reshape(count, 5)
    if (types != _TETRAHEDRON).any() or (cells[:, 0] != 4).any():
        raise ValueError(f"{path} has cells that are no linear tetrahedra (type {_TETRAHEDRON})")
    cells = cells[:, 1:]
    if cells.min() < 0 or cells.max() >= len(points):
        raise ValueError(f"{path}: a cell names point {cells.max()}, but there are {len(points)}")
    return _oriented(path, points, cells)


def _block(path, words, keyword, width, kind, skip):
    """Number of entries of one section, and its values."""
    if keyword not in words:
        if keyword.startswith("CELL"):
            raise ValueError(f"{path} has no cells: there is no section {keyword}. Save its tetrahedra, too.")
        raise ValueError(f"{path} has no section {keyword}")
    start = words.index(keyword)
    try:
        count = int(words[start + 1])
        values = np.array(words[start + 1 + skip : start + 1 + skip + count * width], kind)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: the section {keyword} is damaged ({error})") from error
    if values.size != count * width:
        raise ValueError(f"{path}: the section {keyword} is cut short, or its cells are no tetrahedra")
    return count, values


def _oriented(path, points, cells):
    volume = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]])
    if not (np.abs(volume) > 1e-9).all():
        raise ValueError(f"{path}: cell {int(np.abs(volume).argmin())} is flat")
    cells[volume < 0] = cells[volume < 0][:, [0, 2, 1, 3]]
    return Tetrahedra(points, cells)


@fetch.reader
def read_points(path):
    """Names and positions of recording sites.

    Parameters
    ----------
    path : path
        A table with the columns ``Points:0``, ``Points:1``, ``Points:2`` and ``Name``.

    Returns
    -------
    dict of str to ndarray, shape (3,)
        mm, in the order of the file.

    Raises
    ------
    ValueError
        A column is missing, a name is there twice, or the 75 names are not those of the set in their order.
    """
    path = Path(path)
    try:
        with open(path, newline="") as stream:
            rows = list(csv.DictReader(stream))
        sites = {row["Name"].strip("'"): np.array([float(row[f"Points:{k}"]) for k in range(3)]) for row in rows}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no table of Points:0, Points:1, Points:2 and Name ({error})") from error
    if tuple(sites) != SITES or len(rows) != len(SITES):
        odd = sorted(set(sites) ^ set(SITES))
        raise ValueError(
            f"{path} has {len(rows)} sites; the {len(SITES)} of the set in their order are expected ({odd[:4]})"
        )
    return sites


class HeartMesh(engine.Heart):
    """The ventricles of a mesh with what activation and electrocardiogram need.

    Attributes as those of `heart.Heart`, in its frame: apex towards -z, right ventricle towards -x, anterior wall
    towards +y, origin in the left cavity. The transmural coordinate solves Laplace's equation between the left
    endocardium (0) and epicardium and right endocardium (1), in the right wall between its endocardium (0) and the
    epicardium (1). Nodes are joined to those one and two edges away, 41 on average:
    paths along these are 4 % longer than straight lines, and 17 % along the edges alone.

    Attributes
    ----------
    cells : ndarray, shape (cell, 4)
    surfaces : dict of str to ndarray, shape (face, 3)
        Triangles of 'epi', 'left', 'right' (endocardium) and 'base'.
    stiffness : sparse matrix, shape (node, node)
        Of linear finite elements, mm: the discrete Laplacian.
    frame : ndarray, shape (3, 3)
        From the mesh's frame to the heart frame; a reflection is among the possible ones.

    Parameters
    ----------
    mesh : Tetrahedra
    sites : dict of str to ndarray
        From `read_points`; they tell the sides apart.
    conduction : heart.Conduction, optional
    helix : float
        Fibre angle at the endocardium, degrees.

    Raises
    ------
    ValueError
        The boundary without the base does not fall into an epicardium and two endocardia.
    """

    def __init__(self, mesh, sites, conduction=None, *, helix=57.0):
        self.cells = mesh.cells
        self.conduction = conduction or engine.Conduction()
        self.anatomy = engine.Anatomy(helix=helix)
        self.surfaces = _surfaces(mesh, sites)
        self._place(mesh, sites)
        self._gradients, self._volumes = _shape_gradients(self.points, self.cells)
        self.stiffness = _stiffness(self._gradients, self._volumes, self.cells, len(self.points))
        self._coordinates()
        self._fibres()
        self._edges()
        self._times = {}
        self.roots = {
            name: self.nearest(root.position, self.layer_left if root.side == "left" else self.layer_right)
            for name, root in engine.ROOTS.items()
        }

    def _place(self, mesh, sites):
        """Turn the mesh into the heart frame; a reflection if its frame has the other hand."""

        def mean(*names):
            return np.mean([sites[name] for name in names], 0)

        cavity = mesh.points[np.unique(self.surfaces["left"])].mean(0)
        z = mean(*(f"AHA{k:02d}" for k in range(1, 7))) - sites["AHA17"]
        z /= np.linalg.norm(z)
        x = mean("AHA05", "AHA06", "AHA11", "AHA12") - mean("AHA02", "AHA03", "AHA08", "AHA09")
        x -= (x @ z) * z
        x /= np.linalg.norm(x)
        y = mean("AHA01", "AHA07") - mean("AHA04", "AHA10")
        y -= (y @ z) * z + (y @ x) * x
        self.frame = np.stack([x, y / np.linalg.norm(y), z])
        self._origin = cavity
        self.points = self.to_heart(mesh.points)

    def to_heart(self, positions):
        """Positions (..., 3) of the mesh's frame in the heart frame, mm."""
        return (np.asarray(positions) - self._origin) @ self.frame.T

    def _harmonic(self, **fixed):
        """Solution of Laplace's equation with values given on surfaces, by name; no flux elsewhere."""
        value, known = np.zeros(len(self.points)), np.zeros(len(self.points), bool)
        for name, given in fixed.items():
            nodes = np.unique(self.surfaces[name])
            value[nodes], known[nodes] = given, True
        inner = ~known
        value[inner] = spsolve(self.stiffness[inner][:, inner].tocsc(), -self.stiffness[inner][:, known] @ value[known])
        return value

    def _coordinates(self):
        across = self._harmonic(left=0.0, right=1.0)
        wall_left = self._harmonic(left=0.0, epi=1.0, right=1.0)
        wall_right = self._harmonic(right=0.0, epi=1.0, left=1.0)
        # On the right side of the septum the first of these is 1, as on the right wall: their inner neighbours tell
        near = _adjacency(self.cells, len(self.points))
        around = sparse.diags(1 / np.diff(near.indptr)) @ near
        self.left = (across < 0.5) | (around @ wall_left < 0.97)
        self.septum = self.left & (around @ wall_right < 0.97)
        self.rho = np.clip(np.where(self.left, wall_left, wall_right), 0, 1)
        self._radial = np.where(self.left[:, None], self._gradient(wall_left), self._gradient(wall_right))
        self.height = (self.points[:, 2] - self.points[:, 2].min()) / np.ptp(self.points[:, 2])
        self.layer_left = self.left & (self.rho < 0.2)
        self.layer_right = (~self.left & (self.rho < 0.35)) | (self.septum & (self.rho > 0.8))

    def _gradient(self, value):
        """Gradient at the nodes of a field given there, the mean over the cells around each, by volume."""
        flux = np.einsum("cik,ci->ck", self._gradients, value[self.cells]) * self._volumes[:, None]
        total = np.zeros((len(self.points), 3))
        for corner in self.cells.T:
            np.add.at(total, corner, flux)
        weight = np.bincount(self.cells.ravel(), np.repeat(self._volumes, 4), len(self.points))
        return total / weight[:, None]

    def _fibres(self):
        radial = self._radial / np.maximum(np.linalg.norm(self._radial, axis=1, keepdims=True), 1e-12)
        around = np.cross([0.0, 0.0, 1.0], radial)
        short = np.linalg.norm(around, axis=1, keepdims=True) < 1e-3  # at the apex, where the wall faces down
        around = np.where(short, [1.0, 0.0, 0.0], around)
        around /= np.linalg.norm(around, axis=1, keepdims=True)
        angle = np.deg2rad(self.anatomy.helix * (1 - 2 * self.rho))[:, None]
        fibres = np.cos(angle) * around + np.sin(angle) * np.cross(radial, around)
        self.fibres = fibres / np.linalg.norm(fibres, axis=1, keepdims=True)

    def _edges(self):
        start, end = _pairs(self.cells, len(self.points))
        self._connect(start, end, self.points[end] - self.points[start])

    def lead_field(self, positions, rotation, *, viable=None, coupling=0.2):
        """Weights from nodes to electrodes, as `cardio_utils.physics.lead_field` for linear finite elements.

        With potentials linear in each cell, and 1/r too, ``-K integral grad V . grad(1/r_e) dv`` is the product of
        the nodes' 1/r with the stiffness matrix and V.

        Parameters
        ----------
        positions : ndarray, shape (electrode, 3)
            Torso frame, mm.
        rotation : ndarray, shape (3, 3)
            From the heart frame to the torso frame.
        viable : ndarray, shape (node,), optional
            1 for tissue, 0 for scar; cells with a corner in a scar carry no current.
        coupling : float
            K, as in `cardio_utils.physics.lead_field`.

        Returns
        -------
        ndarray, shape (electrode, node)
            mV at the electrode per mV at the node.
        """
        torso = self.points @ np.asarray(rotation).T
        distance = np.linalg.norm(np.asarray(positions, float)[:, None] - torso[None], axis=2)
        stiffness = self.stiffness
        if viable is not None:
            volumes = self._volumes * np.asarray(viable, bool)[self.cells].all(1)
            stiffness = _stiffness(self._gradients, volumes, self.cells, len(self.points))
        return -coupling * (stiffness @ (1.0 / distance).T).T


def _surfaces(mesh, sites):
    """Boundary triangles by name: base, and the parts that are left of the rest without it."""
    faces = np.concatenate([np.delete(mesh.cells, k, axis=1) for k in range(4)])
    _, first, count = np.unique(np.sort(faces, 1), axis=0, return_index=True, return_counts=True)
    boundary = faces[first[count == 1]]
    base = _flat_top(mesh.points, boundary, np.mean([sites[f"AHA{k:02d}"] for k in range(1, 7)], 0) - sites["AHA17"])
    rest = boundary[~base]
    n = len(mesh.points)
    graph = sparse.csr_matrix((np.ones(2 * len(rest)), (rest[:, [0, 1]].T.ravel(), rest[:, [1, 2]].T.ravel())), (n, n))
    _, label = connected_components(graph, directed=False)
    labels, sizes = np.unique(label[rest[:, 0]], return_counts=True)
    labels = labels[sizes > 0.02 * len(rest)]
    if len(labels) != 3:
        raise ValueError(
            f"the boundary without the flat base falls into {len(labels)} parts, not into epicardium and two endocardia"
        )
    parts = {k: rest[label[rest[:, 0]] == k] for k in labels}
    epi = max(labels, key=lambda k: np.linalg.norm(np.ptp(mesh.points[np.unique(parts[k])], axis=0)))
    inner = [k for k in labels if k != epi]
    lateral = np.mean([sites[name] for name in ("AHA05", "AHA06", "AHA11", "AHA12")], 0)
    nearest = {k: np.linalg.norm(mesh.points[np.unique(parts[k])] - lateral, axis=1).min() for k in inner}
    left = min(inner, key=nearest.get)
    right = next(k for k in inner if k != left)
    return {"epi": parts[epi], "left": parts[left], "right": parts[right], "base": boundary[base]}


def _flat_top(points, faces, up):
    """Which faces lie in the plane in which the ventricles were cut off; `up` points there, roughly."""
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    for alike, thick in ((0.97, 0.1), (0.999, 0.01)):  # first about up, then about the plane found
        up = up / np.linalg.norm(up)
        level, along = points @ up, unit @ up
        top = (np.abs(along) > alike) & (level[faces].min(1) > level.max() - thick * np.ptp(level))
        up = (normal * np.sign(along)[:, None])[top].sum(0) if top.any() else up
    return top


def _shape_gradients(points, cells):
    """Gradients (cell, 4, 3) of the linear shape functions, and volumes (cell,)."""
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    gradients = np.linalg.inv(edges).transpose(0, 2, 1)
    first = -gradients.sum(1, keepdims=True)
    return np.concatenate([first, gradients], axis=1), np.abs(np.linalg.det(edges)) / 6


def _stiffness(gradients, volumes, cells, n):
    local = np.einsum("cik,cjk,c->cij", gradients, gradients, volumes)
    rows, columns = np.repeat(cells, 4, axis=1), np.tile(cells, (1, 4))
    return sparse.csr_matrix((local.ravel(), (rows.ravel(), columns.ravel())), (n, n))


def _adjacency(cells, n):
    """1 where two points share an edge, sparse, shape (n, n)."""
    ends = [cells[:, [i, j]] for i in range(4) for j in range(4) if i != j]
    i, j = np.concatenate(ends).T
    near = sparse.csr_matrix((np.ones(len(i)), (i, j)), (n, n))
    near.data[:] = 1
    return near


def _pairs(cells, n):
    """Pairs of nodes that activation travels between, each once: one or two edges apart."""
    near = _adjacency(cells, n)
    pairs = sparse.triu(near + near @ near, 1).tocoo()
    return pairs.row, pairs.col


@fetch.reader
def load(folder=None, conduction=None):
    """The published mesh and its sites, downloaded if they are not there.

    Parameters
    ----------
    folder : path, optional
        With ``heart_mesh.vtk`` and ``points.csv``; default ``llnl-geometry`` in the folder of real data.
    conduction : heart.Conduction, optional

    Returns
    -------
    heart : HeartMesh
    sites : ndarray, shape (75, 3)
        Heart frame, mm, in the order of `cardio_utils.simulate.intracardiac.SITES`.

    Raises
    ------
    ValueError
        A file does not fit.
    fetch.FetchError
        A file could not be downloaded, or is not the published one.
    """
    if folder is None:
        folder = fetch.folder() / "llnl-geometry"
        for name, checksum in _FILES.items():
            fetch.retrieve(_URL + name, checksum, folder / name)
    sites = read_points(Path(folder) / "points.csv")
    heart = HeartMesh(read_vtk(Path(folder) / "heart_mesh.vtk"), sites, conduction)
    return heart, heart.to_heart(np.array(list(sites.values())))


def subject(folder=None, conduction=None):
    """The published heart among electrodes: the counterpart of `simulate.intracardiac.subject`.

    Parameters as those of `load`.

    Returns
    -------
    cardio_utils.simulate.intracardiac.Subject
    """
    return Subject(*load(folder, conduction), engine.orientation())
