"""The membrane model against its published behaviour, the lead field against the sum that defines it."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from cardio_utils import physics


def apd(trace, level=90, step=0.1):
    """Duration from the upstroke to `level` per cent of repolarisation, ms."""
    upstroke, peak, rest = np.diff(trace).argmax(), trace.argmax(), trace[-1]
    threshold = trace[peak] - level / 100 * (trace[peak] - rest)
    return step * (peak + (trace[peak:] < threshold).argmax() - upstroke)


def beat(**options):
    """The third beat at 1 Hz."""
    return physics.ten_tusscher_2006(3000.0, start=2000.0, **options)


@pytest.fixture(scope="module")
def control():
    return beat()


def test_epicardial_cell_is_the_published_one(control):
    assert control.shape == (10_000,)
    assert -86.0 < control[-1] < -85.0
    assert 35.0 < control.max() < 46.0
    assert 295.0 < apd(control) < 315.0
    assert np.diff(control).max() / 0.1 > 250.0  # V/s


def test_layers_differ_as_in_the_wall(control):
    assert apd(beat(layer="mid")) > apd(control) + 50
    notch = control[100:400].min()  # spike and dome: less of it where the transient outward current is small
    assert beat(layer="endo")[100:400].min() > notch


def test_currents_rate_and_potassium_change_the_duration(control):
    assert apd(beat(scale={"Kr": 0.5})) > apd(control) + 5
    assert apd(beat(scale={"CaL": 0.5})) < apd(control) - 5
    fast = physics.ten_tusscher_2006(5000.0, start=4500.0, period=500.0)
    assert apd(fast) < apd(control) - 20
    high, low = beat(potassium=7.5), beat(potassium=3.5)
    assert high[-1] > control[-1] + 5 > low[-1] + 10
    assert apd(high) < apd(control) < apd(low)


def test_halving_the_step_changes_little(control):
    assert abs(apd(beat(dt=0.01)) - apd(control)) < 1.5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"layer": "purkinje"}, "layer"),
        ({"scale": {"K2P": 1.0}}, "K2P"),
        ({"potassium": 0.0}, "potassium"),
        ({"start": 200.0}, "start"),
    ],
)
def test_wrong_arguments_are_named(options, reason):
    with pytest.raises(ValueError, match=reason):
        physics.ten_tusscher_2006(100.0, **options)


def block(shape=(5, 4, 3), spacing=2.0):
    """Voxels of a cuboid: centres (mm) and the matrix of shared faces."""
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, 3)
    apart = np.abs(grid[:, None] - grid[None]).sum(2)
    return grid * spacing, sparse.csr_matrix((apart == 1).astype(float))


ELECTRODES = np.array([[60.0, 5.0, -20.0], [-10.0, 70.0, 30.0]])


def test_lead_field_is_the_sum_over_faces():
    points, faces = block()
    voltage = np.random.default_rng(0).normal(size=len(points))
    i, j = sparse.triu(faces).nonzero()
    reciprocal = 1 / np.linalg.norm(ELECTRODES[:, None] - points, axis=2)
    direct = -0.2 * 2.0 * ((voltage[i] - voltage[j]) * (reciprocal[:, i] - reciprocal[:, j])).sum(1)
    field = physics.lead_field(points, faces, ELECTRODES, spacing=2.0)
    np.testing.assert_allclose(field @ voltage, direct, rtol=1e-10)


def test_wave_that_approaches_is_positive():
    points, faces = block((20, 3, 3))
    field = physics.lead_field(points, faces, [[100.0, 2.0, 2.0], [-60.0, 2.0, 2.0]], spacing=2.0)
    excited = (points[:, 0] < 20).astype(float)  # the front moves towards +x
    towards, away = field @ excited
    assert towards > 0 > away


def test_uniform_potential_is_not_seen_even_beside_a_scar():
    points, faces = block()
    scar = (np.arange(len(points)) % 7 > 0).astype(float)
    for viable in (None, scar):
        field = physics.lead_field(points, faces, ELECTRODES, spacing=2.0, viable=viable)
        assert np.abs(field.sum(1)).max() < 1e-12 < np.abs(field).max()
    assert np.all(field[:, scar == 0] == 0)


def test_twelve_leads_keep_their_identities():
    potentials = np.random.default_rng(1).normal(size=(10, 50))
    leads = dict(zip(physics.LEADS, physics.twelve_leads(potentials), strict=True))
    np.testing.assert_allclose(leads["I"] + leads["III"], leads["II"], atol=1e-12)
    np.testing.assert_allclose(leads["aVR"] + leads["aVL"] + leads["aVF"], 0, atol=1e-12)
    np.testing.assert_allclose(leads["V1"], potentials[4] - potentials[:3].mean(0), atol=1e-12)
    assert np.linalg.matrix_rank(physics.twelve_leads(potentials)) == 8
    with pytest.raises(ValueError, match="ten electrodes"):
        physics.twelve_leads(potentials[:9])


def test_import_is_light():
    heavy = "'torch', 'numba', 'wfdb', 'matplotlib'"
    code = f"import sys, cardio_utils.simulate.heartbeats; print([m for m in ({heavy}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
