"""The mesh of the ventricles: reading, coordinates against those of the voxel heart, eikonal and lead field."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from cardio_utils import physics
from cardio_utils.data import heart_mesh
from cardio_utils.simulate import heart as engine
from cardio_utils.simulate import intracardiac as ic

CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
# Six tetrahedra of a cube, along its diagonal
CUBE = np.array([[0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7]])


def tetrahedra(index, spacing, origin=0.0):
    """Mesh of voxels whose places in the grid are given."""
    corners = (index[:, None] + CORNERS).reshape(-1, 3)
    unique, number = np.unique(corners, axis=0, return_inverse=True)
    cells = number.reshape(-1, 8)[:, CUBE].reshape(-1, 4)
    points = unique * spacing + origin
    volume = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]])
    cells[volume < 0] = cells[volume < 0][:, [0, 2, 1, 3]]
    return heart_mesh.Tetrahedra(points.astype(float), cells)


ANATOMY = engine.Anatomy(lv_wall=12.0, rv_wall=8.0, rv_shift=25.0, spacing=4.0)


@pytest.fixture(scope="module")
def voxels():
    return engine.Heart(ANATOMY)


@pytest.fixture(scope="module")
def sites():
    return dict(zip(ic.SITES, ic.site_positions(ANATOMY), strict=True))


@pytest.fixture(scope="module")
def mesh(voxels):
    return tetrahedra(voxels._index, 4.0, voxels.points.min(0) - 4.0 * voxels._index.min(0) - 2.0)


@pytest.fixture(scope="module")
def heart(mesh, sites):
    return heart_mesh.HeartMesh(mesh, sites)


def vtk(mesh, types=None, header="# vtk DataFile Version 2.0", kind="ASCII"):
    """Text of a legacy VTK file."""
    points, cells = mesh
    lines = [header, "made for a test", kind, "DATASET UNSTRUCTURED_GRID", f"POINTS {len(points)} double"]
    lines += [" ".join(map(repr, point)) for point in np.asarray(points, float).tolist()]
    lines += ["", f"CELLS {len(cells)} {5 * len(cells)}"]
    lines += [" ".join(map(str, [4, *cell])) for cell in np.asarray(cells).tolist()]
    lines += ["", f"CELL_TYPES {len(cells)}"]
    return "\n".join(lines + [str(t) for t in (types or [10] * len(cells))]) + "\n"


BOX = tetrahedra(np.array([[0, 0, 0], [1, 0, 0]]), 2.0)


def test_a_file_is_read_back(tmp_path):
    path = tmp_path / "box.vtk"
    path.write_text(vtk(BOX))
    points, cells = heart_mesh.read_vtk(path)
    np.testing.assert_array_equal(points, BOX.points)
    np.testing.assert_array_equal(cells, BOX.cells)
    turned = BOX.cells.copy()
    turned[0] = turned[0][[1, 0, 2, 3]]
    path.write_text(vtk(BOX._replace(cells=turned)))
    points, cells = heart_mesh.read_vtk(path)
    assert np.all(np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]) > 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (vtk(BOX).split("CELLS")[0], "has no cells: there is no section CELLS"),
        (vtk(BOX._replace(cells=BOX.cells[:0])), "has no cells: a surface"),
        (vtk(BOX, header="ply"), "no unstructured grid of legacy VTK in ASCII"),
        (vtk(BOX, kind="BINARY"), "no unstructured grid of legacy VTK in ASCII"),
        (vtk(BOX).replace("POINTS", "NODES"), "no section POINTS"),
        (vtk(BOX)[:-20], "section CELL_TYPES is cut short"),
        (vtk(BOX).replace("2.0 2.0", "2.0 two", 1), "section POINTS is damaged"),
        (vtk(BOX, types=[10] * 11 + [12]), r"no linear tetrahedra \(type 10\)"),
        (vtk(BOX._replace(cells=BOX.cells + 1)), "names point 12, but there are 12"),
        (vtk(BOX._replace(points=BOX.points * [1, 1, 0])), "is flat"),
    ],
)
def test_files_that_are_no_mesh(tmp_path, text, message):
    path = tmp_path / "box.vtk"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        heart_mesh.read_vtk(path)


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        heart_mesh.read_vtk(tmp_path / "heart.vtk")
    with pytest.raises(ValueError, match="no table of Points:0"):
        heart_mesh.read_points(tmp_path / "points.csv")


def table(sites):
    rows = [",".join(map(repr, position.tolist())) + f",'{name}'" for name, position in sites.items()]
    return "\n".join(['"Points:0","Points:1","Points:2","Name"', *rows]) + "\n"


def test_points(tmp_path, sites):
    path = tmp_path / "points.csv"
    path.write_text(table(sites))
    read = heart_mesh.read_points(path)
    assert tuple(read) == ic.SITES
    np.testing.assert_allclose(np.array(list(read.values())), np.array(list(sites.values())))
    for text, message in (
        (table(sites).replace("Name", "Site", 1), "no table of"),
        ("\n".join(table(sites).splitlines()[:-1]), "has 74 sites; the 75"),
        (table(dict(reversed(sites.items()))), "in their order"),
        (table(sites).replace("AHA17", "AHA18"), "AHA17"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            heart_mesh.read_points(path)


def test_surfaces(heart, mesh):
    faces = heart.surfaces
    assert set(faces) == {"epi", "left", "right", "base"}
    z = mesh.points[:, 2]
    assert np.ptp(z[faces["base"]]) == 0 and z[faces["base"]].max() == z.max()
    x = {name: mesh.points[np.unique(face), 0].mean() for name, face in faces.items()}
    assert x["right"] < x["epi"] < x["left"] + 10
    nodes = [set(np.unique(faces[name])) for name in ("epi", "left", "right")]
    assert not (nodes[0] & nodes[1] or nodes[0] & nodes[2] or nodes[1] & nodes[2])


def test_coordinates_agree_with_the_voxel_heart(heart, voxels):
    """The frame's origin differs (the surface's centre), so nodes are matched in the mesh's own frame."""
    _, near = cKDTree(voxels.points @ heart.frame.T - heart._origin @ heart.frame.T).query(heart.points)
    assert np.mean(heart.left == voxels.left[near]) > 0.93
    assert np.mean(heart.septum == voxels.septum[near]) > 0.9
    inner = heart.left & voxels.left[near]
    assert np.corrcoef(heart.rho[inner], voxels.rho[near][inner])[0, 1] > 0.85  # corners, centres
    np.testing.assert_allclose(np.linalg.norm(heart.fibres, axis=1), 1)
    wall = inner & (heart.height > 0.3)
    turned = voxels.fibres[near] @ heart.frame.T
    assert np.median(np.abs((heart.fibres * turned).sum(1))[wall]) > 0.9
    angle = np.degrees(np.arcsin(heart.fibres[:, 2]))
    assert np.median(angle[wall & (heart.rho < 0.2)]) > 25
    assert np.median(angle[wall & (heart.rho > 0.8)]) < -25


def test_the_frame_does_not_depend_on_how_the_mesh_stands(heart, mesh, sites):
    rotation = engine.orientation(np.random.default_rng(1), sd=1.0) * [1, 1, -1]  # and a reflection
    shift = np.array([70.0, -30.0, 10.0])
    turned = heart_mesh.Tetrahedra(mesh.points @ rotation.T + shift, mesh.cells[:, [1, 0, 2, 3]])
    moved = {name: rotation @ position + shift for name, position in sites.items()}
    other = heart_mesh.HeartMesh(turned, moved)
    np.testing.assert_allclose(other.points, heart.points, atol=1e-6)
    np.testing.assert_allclose(other.rho, heart.rho, atol=1e-6)
    assert np.linalg.det(other.frame) * np.linalg.det(heart.frame) < 0
    moved_sites, unmoved = (h.to_heart(list(s.values())) for h, s in ((other, moved), (heart, sites)))
    np.testing.assert_allclose(moved_sites, unmoved, atol=1e-6)


def test_travel_time_is_distance_over_speed_in_a_slab():
    index = np.stack(np.meshgrid(np.arange(24), np.arange(16), np.arange(4), indexing="ij"), -1).reshape(-1, 3)
    points, cells = tetrahedra(index, 3.0)
    points += np.random.default_rng(0).uniform(-0.6, 0.6, points.shape)  # no regular grid
    start, end = heart_mesh._pairs(cells, len(points))
    assert np.all(start < end)
    assert len(np.unique(np.c_[start, end], axis=0)) == len(start)
    length = np.linalg.norm(points[end] - points[start], axis=1)
    graph = sparse.csr_matrix((length, (start, end)), (len(points),) * 2)
    assert connected_components(graph, directed=False)[0] == 1
    source = np.linalg.norm(points - points.mean(0), axis=1).argmin()
    exact = np.linalg.norm(points - points[source], axis=1)
    found = dijkstra(graph, directed=False, indices=source)
    assert np.all(found >= exact - 1e-9)
    assert np.mean(found - exact) / exact.mean() < 0.04


def test_the_lead_field_equals_a_quadrature_over_the_volume(heart):
    """Of a potential that grows linearly across the heart, where the integrand is known in each cell."""
    electrodes, rotation = engine.electrodes(), engine.orientation()
    field = heart.lead_field(electrodes, rotation)
    assert np.abs(field.sum(1)).max() < 1e-12
    slope = np.array([0.3, -0.5, 0.8])
    torso = heart.points @ rotation.T
    corners = torso[heart.cells]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    arm = corners.mean(1)[None] - electrodes[:, None]
    inverse = -arm / np.linalg.norm(arm, axis=2, keepdims=True) ** 3
    direct = -0.2 * (inverse @ slope) @ volume
    np.testing.assert_allclose(field @ (torso @ slope), direct, rtol=0.01)


def test_the_lead_field_is_that_of_the_voxel_heart(heart, voxels):
    """The same plane wave on both. Three voxels of a wall have two faces between them, so that they see less."""
    rotation = engine.orientation()
    shift = rotation @ heart.frame @ heart._origin
    waves = []
    for ventricles, origin in ((voxels, 0.0), (heart, shift)):
        field = ventricles.lead_field(engine.electrodes() - origin, rotation)
        place = ventricles.points if ventricles is voxels else ventricles.points @ heart.frame + heart._origin
        activation = (place[:, 0] + 75) / 1.0
        waves.append(physics.twelve_leads(engine.surface_potentials(field, activation, np.full(len(place), 300.0))))
    voxel, tetrahedral = (wave[:, :150] for wave in waves)
    assert np.corrcoef(voxel.ravel(), tetrahedral.ravel())[0, 1] > 0.98
    assert 1 < np.ptp(tetrahedral) / np.ptp(voxel) < 1.4


def test_a_scar_carries_no_current(heart):
    viable = (heart.points[:, 0] < 0).astype(float)
    field = heart.lead_field(engine.electrodes(), engine.orientation(), viable=viable)
    assert np.abs(field[:, viable == 0]).max() == 0 and np.abs(field[:, viable == 1]).max() > 0


def test_cases_run_on_the_mesh(heart, sites):
    subject = ic.Subject(heart, heart.to_heart(list(sites.values())), engine.orientation())
    nan = float("nan")
    potentials, vm, activation = subject.potentials(ic.Case("", "mesh", -1, 9, nan, nan, 0))
    assert activation.argmin() == 9 and 60 < activation.max() < 220
    assert np.isfinite(potentials).all() and np.abs(potentials).max() > 0.5 and vm.shape == (500, 75)
    block = subject.activation(ic.Case("", "mesh", 2, -1, nan, nan, 0))[1]
    normal = subject.activation(ic.Case("", "mesh", 1, -1, nan, nan, 0))[1]
    assert block[:17].mean() > normal[:17].mean() + 10


def test_a_block_is_no_heart(sites):
    index = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    with pytest.raises(ValueError, match="falls into 1 parts"):
        heart_mesh.HeartMesh(tetrahedra(index, 10.0, -30.0), sites)


@pytest.fixture(scope="module")
def published():
    folder = Path(os.environ.get("CARDIO_DATA", "")) / "llnl-geometry"
    if not (folder / "heart_mesh.vtk").is_file():
        pytest.skip("CARDIO_DATA names no folder with llnl-geometry/heart_mesh.vtk")
    return heart_mesh.load(), folder


@pytest.mark.real
def test_the_published_mesh(published):
    (heart, sites), folder = published
    mesh = heart_mesh.read_vtk(folder / "heart_mesh.vtk")
    assert mesh.points.shape == (8033, 3) and mesh.cells.shape == (26854, 4)
    corners = mesh.points[mesh.cells]
    assert np.linalg.det(corners[:, 1:] - corners[:, :1]).sum() / 6000 == pytest.approx(108.9, abs=0.1)
    counts = {name: len(np.unique(faces)) for name, faces in heart.surfaces.items()}
    assert counts == {"epi": 3424, "left": 1695, "right": 1728, "base": 530}
    assert sum(map(len, heart.surfaces.values())) == 14204
    position = dict(zip(ic.SITES, sites, strict=True))
    assert position["RV02"][0] < position["AHA03"][0] < position["AHA05"][0]
    assert position["AHA01"][1] > position["AHA04"][1] and position["AHA17"][2] < -30
    for name in ("AHA05", "AHA10", "RV02", "RV07"):
        side = heart.left[np.linalg.norm(heart.points - position[name], axis=1).argmin()]
        assert side == name.startswith("AHA")
    angle = np.degrees(np.arcsin(heart.fibres[:, 2]))
    depths = [np.median(angle[heart.left & (np.abs(heart.rho - depth) < 0.1)]) for depth in (0.1, 0.5, 0.9)]
    assert depths[0] > 25 and abs(depths[1]) < 12 and depths[2] < -35


@pytest.mark.real
def test_cases_of_the_published_heart_are_those_of_a_heart(published):
    _, folder = published
    subject = heart_mesh.subject(folder)
    nan = float("nan")
    spans = []
    for index in (0, 4, 16, 18, 40):
        potentials, _, activation = subject.potentials(ic.Case("", "mesh", -1, index, nan, nan, 0))
        assert activation.argmin() == index
        spans.append(activation.max())
        np.testing.assert_allclose(physics.twelve_leads(potentials.T)[3:6].sum(0), 0, atol=1e-9)
    assert 90 < min(spans) and max(spans) < 200
    assert subject.activation(ic.Case("", "mesh", 0, -1, nan, nan, 0))[1].max() < 30
