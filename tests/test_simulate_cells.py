"""Drugs move the action potential the way they do in tissue; populations and recordings keep their promises."""

import subprocess
import sys

import numpy as np
import pytest

from cardio_utils import physics
from cardio_utils.simulate import cells

BASE = np.ones(12)
BASE[[2, 3, 6]] = 1.4, 0.55, 0.3  # the middle of the default population: CaL, Kr, to


def measure(trace, fs=5000.0):
    """Of the last whole beat: APD10, APD50, APD90 (s), cycle length (s), steepest rise (V/s)."""
    trace = trace.astype(float)
    rises = np.flatnonzero((trace[1:] > -20) & (trace[:-1] <= -20))
    beat = trace[rises[-2] - 500 : rises[-1] - 500]
    top, rest = beat.argmax(), beat.min()
    levels = beat[top] - np.array([0.1, 0.5, 0.9]) * (beat[top] - rest)
    ends = [top + (beat[top:] < level).argmax() for level in levels]
    begins = [np.flatnonzero(beat[:top] < level)[-1] for level in levels]
    return np.array([*(np.subtract(ends, begins) / fs), (rises[-1] - rises[-2]) / fs, np.diff(beat).max() * fs / 1000])


APD50, APD90, CYCLE, SLOPE = 1, 2, 3, 4


@pytest.fixture(scope="module")
def responses():
    """(drug, multiple of its concentration) -> measures at rest with the drug, as multiples of those without."""
    settings = [(drug, factor) for drug in cells.DRUGS for factor in (0.3, 1, 2)]
    shares = np.array([np.zeros(12)] + [cells.block(d, f * cells.DRUGS[d].concentration) for d, f in settings])
    recording = cells.simulate(np.tile(BASE, (len(shares), 1)), 8.0, doses=[(-40.0, shares)], wash_in=0.0, run_in=40.0)
    table = np.array([measure(trace) for trace in recording.vm])
    return dict(zip(settings, table[1:] / table[0], strict=True))


@pytest.mark.parametrize(
    ("drug", "measured", "low", "high"),
    [
        ("dofetilide", APD90, 1.10, 1.40),
        ("quinidine", APD90, 1.10, 1.60),
        ("flecainide", APD90, 1.10, 1.40),
        ("nifedipine", APD90, 0.60, 0.90),
        ("lidocaine", APD90, 0.85, 1.00),
        ("lidocaine", SLOPE, 0.40, 0.90),
        ("propranolol", SLOPE, 0.40, 0.90),
        ("propranolol", CYCLE, 1.05, 1.60),
        ("quinidine", CYCLE, 1.02, 1.40),
    ],
)
def test_drugs_act_in_their_direction(responses, drug, measured, low, high):
    assert low < responses[drug, 1][measured] < high


def test_more_of_a_drug_does_more(responses):
    by_dose = {d: np.array([responses[d, factor][[APD50, APD90]] for factor in (0.3, 1, 2)]) for d in cells.DRUGS}
    assert np.all(np.diff(np.vstack([[1, 1], by_dose["dofetilide"]]), axis=0) > 0.005)
    assert np.all(np.diff(np.vstack([[1, 1], by_dose["nifedipine"]]), axis=0) < -0.01)
    slopes = [responses["lidocaine", factor][SLOPE] for factor in (0.3, 1, 2)]
    assert np.all(np.diff([1, *slopes]) < 0)


def test_table_names_its_sources():
    assert set(cells.DRUGS) == {"dofetilide", "quinidine", "nifedipine", "flecainide", "propranolol", "lidocaine"}
    for name, drug in cells.DRUGS.items():
        assert set(drug.ic50) <= set(cells.CURRENTS) and set(drug.hill) <= set(drug.ic50), name
        assert any(word in drug.source for word in ("Mirams", "FDA", "not verified")), name
    assert "not verified" in cells.DRUGS["lidocaine"].source


def test_block_follows_the_hill_equation():
    kr, cal = cells.CURRENTS.index("Kr"), cells.CURRENTS.index("CaL")
    assert cells.block("dofetilide", 5.0)[kr] == pytest.approx(0.5)
    assert cells.block("flecainide", 692.0)[kr] == pytest.approx(0.5)
    assert cells.block("flecainide", 6920.0)[kr] == pytest.approx(10**0.837 / (1 + 10**0.837))
    assert not cells.block("quinidine", 0.0).any()
    shares = cells.block("nifedipine", np.geomspace(1, 1e6, 13).reshape(13, 1))
    assert shares.shape == (13, 1, 12)
    assert np.all(np.diff(shares[:, 0, cal]) > 0) and shares.max() < 1
    assert not shares[..., cells.CURRENTS.index("K1")].any()


def test_other_published_values_can_be_put_in():
    cal = cells.CURRENTS.index("CaL")
    other = cells.block("nifedipine", 11.49, ic50={"CaL": 11.49}, hill={"CaL": 0.666})
    assert other[cal] == pytest.approx(0.5) and cells.block("nifedipine", 11.49)[cal] < 0.2
    assert cells.DRUGS["nifedipine"].ic50["CaL"] == 60.0  # the table is left as it was


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        (("aspirin", 1.0), {}, "aspirin.*dofetilide"),
        (("dofetilide", -1.0), {}, "not negative"),
        (("dofetilide", np.nan), {}, "finite"),
        (("dofetilide", 1.0), {"ic50": {"Kur": 1.0}}, "Kur"),
        (("dofetilide", 1.0), {"hill": {"Kr": 0.0}}, "positive"),
        (("dofetilide", 1.0), {"ic50": {"Kr": -5.0}}, "positive"),
    ],
)
def test_impossible_blocks_are_refused(arguments, options, reason):
    with pytest.raises(ValueError, match=reason):
        cells.block(*arguments, **options)


def test_each_cell_has_its_own_stream():
    many = cells.population(20, seed=4)
    np.testing.assert_array_equal(cells.population(5, seed=4), many[:5])
    assert len(np.unique(many)) == many.size
    assert not np.any(cells.population(20, seed=5) == many)
    child = np.random.SeedSequence(4).spawn(2)[1]
    np.testing.assert_array_equal(cells.population(3, seed=child), cells.population(9, seed=child)[:3])
    assert not np.any(cells.population(20, seed=child) == many)


def test_population_has_the_spread_asked_for():
    centre = np.linspace(0.5, 2, 12)
    neighbours = np.log(cells.population(2000, 0.04, seed=1, centre=centre) / centre)
    np.testing.assert_allclose(neighbours.std(axis=0), 0.04, rtol=0.08)
    np.testing.assert_allclose(neighbours.mean(axis=0), 0.0, atol=0.004)
    exact = cells.population(400, 0.0, seed=1)
    kr, cal = exact[:, cells.CURRENTS.index("Kr")], exact[:, cells.CURRENTS.index("CaL")]
    assert 0.40 < kr.min() < 0.42 and 0.68 < kr.max() < 0.70
    assert 1.3 < cal.min() < 1.31 and 1.49 < cal.max() < 1.5
    assert abs(np.corrcoef(kr, cal)[0, 1]) < 0.15


def test_population_beats_like_the_recorded_cells():
    recording = cells.simulate(cells.population(40, seed=2), 8.0, run_in=12.0, dt=1e-4)
    apd10, apd50, apd90, cycle, slope = np.median([measure(trace) for trace in recording.vm], axis=0)
    assert 0.12 < apd10 < 0.25 and 0.41 < apd50 < 0.85 and 0.47 < apd90 < 1.04
    assert 1.4 < cycle < 2.0 and 15 < slope < 40


def test_recordings_begin_near_their_steady_rhythm():
    population = cells.population(6, seed=3)
    early = cells.simulate(population, 6.0)
    late = cells.simulate(population, 60.0, state=early.state)
    first, last = (np.array([measure(trace) for trace in part.vm]) for part in (early, late))
    np.testing.assert_allclose(last[:, APD90], first[:, APD90], rtol=0.03)
    np.testing.assert_allclose(last[:, CYCLE], first[:, CYCLE], rtol=0.02)


def test_staircase_of_doses():
    shares = cells.block("dofetilide", np.array([2.0, 12.0]))
    cell = np.stack([BASE, BASE])
    recording = cells.simulate(cell, 60.0, doses=[([20.0, 99.0], shares[0]), ([40.0, 99.0], shares[1])], wash_in=3.0)
    ends = [[measure(trace[: second * 5000])[APD90] for second in (20, 40, 60)] for trace in recording.vm]
    assert np.all(np.diff(ends[0]) > 0.02)  # each dose lengthens
    assert np.ptp(ends[1]) < 0.01  # the second cell has not got any yet


def test_pieces_of_a_recording():
    cell, doses = cells.population(2, seed=9), [(1.0, cells.block("quinidine", 1000.0))]
    whole = cells.simulate(cell, 4.0, doses=doses, run_in=3.0)
    first = cells.simulate(cell, 1.7, doses=doses, run_in=3.0)
    second = cells.simulate(cell, 2.3, doses=doses, state=first.state)
    np.testing.assert_array_equal(np.concatenate([first.vm, second.vm], axis=1), whole.vm)
    np.testing.assert_allclose(whole.state[:, -1], 4.0)
    np.testing.assert_array_equal(cells.simulate(cell[1:], 4.0, doses=doses, run_in=3.0).vm, whole.vm[1:])


def test_options_reach_the_cell():
    recording = cells.simulate(BASE, 3.0, run_in=4.0, period=1.2, delay=0.3, fs=10_000.0)
    assert recording.vm.shape == (1, 30_000)
    rises = np.flatnonzero(np.diff((recording.vm[0] > -20).astype(int)) > 0) / 10_000
    np.testing.assert_allclose(np.diff(rises), 1.2, atol=0.002)
    assert 0.3 < rises[0] < 0.32  # stimuli count from the beginning of the recording, not of the run-in


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"doses": [(0.0, np.zeros(5))]}, "a dose is"),
        ({"doses": [([0.0, 1.0, 2.0], np.zeros(12))]}, "a dose is"),
        ({"doses": [(0.0, np.full(12, 2.0))]}, "between 0 and 1"),
        ({"doses": [(1.0, np.zeros(12)), (0.0, np.zeros(12))]}, "order of the doses"),
        ({"run_in": -1.0}, "run_in"),
        ({"fs": 3000.0}, "does not divide"),
        ({"state": physics.paci_2018_state(3)}, "state"),
    ],
)
def test_impossible_recordings_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        cells.simulate(np.ones((2, 12)), 0.1, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [((-1,), {}, "n "), ((2, -0.1), {}, "spread"), ((2,), {"centre": np.ones(11)}, "centre")],
)
def test_impossible_populations_are_refused(arguments, options, reason):
    with pytest.raises(ValueError, match=reason):
        cells.population(*arguments, **options)


def test_import_is_light():
    code = (
        "import sys, cardio_utils.simulate.cells; print([m for m in ('torch', 'numba', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
