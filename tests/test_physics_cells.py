"""The stem-cell-derived cardiomyocyte against its published rhythm and against its equations written out."""

import numpy as np
import pytest

from cardio_utils import physics

CONTROL = np.ones((1, 12))
PUBLISHED_START = np.array(
    [[-70, 0.32, 0.0002, 9.2, 0, 1, 0, 1, 0, 0.1, 1, 0, 0, 0.75, 0.75, 0, 0.75, 1, 1, 0.3, 0.9, 0.1, 0]]
)


def rhythm(trace, fs=5000.0):
    """Cycle length (s), durations (ms) to 10, 50 and 90 % after the steepest rise, lowest potential (mV)."""
    trace = trace.astype(float)
    rises = np.flatnonzero((trace[1:] > 0) & (trace[:-1] <= 0))
    beat = trace[rises[-2] - 250 : rises[-1] - 250]
    top, rest = beat.argmax(), beat.min()
    levels = beat[top] - np.array([0.1, 0.5, 0.9]) * (beat[top] - rest)
    ends = np.array([top + (beat[top:] < level).argmax() for level in levels])
    return np.diff(rises)[-1] / fs, (ends - np.diff(beat).argmax()) * 1000 / fs, rest


def test_control_cell_has_the_published_rhythm():
    trace, _ = physics.paci_2018(CONTROL, 60.0, start=50.0, state=PUBLISHED_START)
    cycle, (_, _, apd90), rest = rhythm(trace[0])
    assert 1.55 < cycle < 1.60
    assert 365 < apd90 < 380
    assert -78 < rest < -74
    slope = np.diff(trace[0].astype(float)).max() * 5
    assert 20 < slope < 35  # V/s


def test_default_start_is_a_steady_rhythm():
    early, late = (rhythm(physics.paci_2018(CONTROL, stop, start=stop - 5)[0]) for stop in (6.0, 60.0))
    assert late[0] == pytest.approx(early[0], rel=0.002)
    np.testing.assert_allclose(late[1], early[1], rtol=0.005)


def test_halving_the_step_changes_little():
    coarse, fine = (rhythm(physics.paci_2018(CONTROL, 20.0, start=15.0, dt=dt)[0]) for dt in (1e-4, 5e-5))
    np.testing.assert_allclose(coarse[1], fine[1], rtol=0.01)
    assert coarse[0] == pytest.approx(fine[0], rel=0.01)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def derivatives(state, scale):
    """Rates (per ms) of the concentrations, f1, fCa, RyR and the potential, term by term without any table."""
    y = dict(zip(physics.PACI_STATES, state.T, strict=True))
    g = dict(zip(physics.PACI_CURRENTS, scale, strict=True))
    v, ca, sr, na = y["V"], y["Ca_i"], y["Ca_SR"], y["Na_i"]
    faraday, rtf = 96485.3415, 8.314472 * 310 / 96.4853415
    e_na, e_k, e_ca = rtf * np.log(151 / na), rtf * np.log(5.4 / 150), rtf / 2 * np.log(1.8 / ca)
    e_ks = rtf * np.log((5.4 + 0.03 * 151) / (150 + 0.03 * na))
    u = v / rtf
    steady = physics.paci_2018_gates(v)

    i_na = g["Na"] * 3.6712302 * y["m"] ** 3 * y["h"] * y["j"] * (v - e_na)
    i_nal = g["NaL"] * 0.0023 * 7.5 * y["mL"] ** 3 * y["hL"] * (v - e_na)
    i_f = g["f"] * 0.03010312 * y["Xf"] * (v + 17)
    i_f_na = g["f"] * 0.42 * 0.03010312 * y["Xf"] * (v - e_na)
    gates = y["d"] * y["f1"] * y["f2"] * y["fCa"]
    i_cal = 8.635702e-5 * 4 * u * faraday * (ca * np.exp(2 * u) - 0.341 * 1.8) / (np.exp(2 * u) - 1) * gates * g["CaL"]
    i_to = g["to"] * 0.0299038 * y["q"] * y["r"] * (v - e_k)
    i_ks = g["Ks"] * 0.002041 * y["Xs"] ** 2 * (1 + 0.6 / (1 + (3.8e-5 / ca) ** 1.4)) * (v - e_ks)
    i_kr = g["Kr"] * 0.0298667 * y["Xr1"] * y["Xr2"] * (v - e_k)
    alpha = 3.91 / (1 + np.exp(0.5942 * (v - e_k - 200)))
    beta = -1.509 * np.exp(0.0002 * (v - e_k + 100)) + np.exp(0.5886 * (v - e_k - 10))
    beta /= 1 + np.exp(0.4547 * (v - e_k))
    i_k1 = g["K1"] * 0.0281492 * alpha / (alpha + beta) * (v - e_k)
    i_naca = np.exp(0.35 * u) * na**3 * 1.8 - np.exp(-0.65 * u) * 151**3 * ca * 2.5371
    i_naca *= g["NaCa"] * 3917.0463 / ((87.5**3 + 151**3) * (1.38 + 1.8) * (1 + 0.1 * np.exp(-0.65 * u)))
    i_nak = g["NaK"] * 2.6351 * 5.4 / 6.4 * na / (na + 40) / (1 + 0.1245 * np.exp(-0.1 * u) + 0.0353 * np.exp(-u))
    i_pca, i_bca, i_bna = 0.4125 * ca / (ca + 0.0005), 7.27272e-4 * (v - e_ca), 9.5e-4 * (v - e_na)

    f1_inf, f1_tau = steady["f1"]
    f1_tau = f1_tau * np.where(f1_inf > y["f1"], 1 + 1433 * (ca - 50e-6), 1)
    f_ca = 1 / (1 + (ca / 0.0006) ** 8) + 0.1 * sigmoid((0.0009 - ca) / 0.0001) + 0.3 * sigmoid((0.00075 - ca) / 0.0008)
    f_ca /= 1.3156
    a_inf = 0.05354 - 0.0488 * sigmoid((0.02427 - 1000 * ca) / 0.0082)
    o_inf = sigmoid((1000 * ca - y["RyR_a"] - 0.01042) / 0.003)
    c_inf = sigmoid((y["RyR_a"] + 0.00144 - 1000 * ca) / 0.001)
    release = g["rel"] * 0.0625434 * sigmoid((sr - 0.3) / 0.1) * y["RyR_o"] * y["RyR_c"] * (sr - ca)
    uptake, leak = g["up"] * 5.113e-4 / (1 + (3.1928e-4 / ca) ** 2), 4.7279e-7 * (sr - ca)
    to_mm = 98.7109e-12 / (8800e-18 * faraday) * 1e-3  # A/F times F, per volume and Faraday: mM/ms
    return {
        "V": -(i_na + i_nal + i_f + i_cal + i_to + i_ks + i_kr + i_k1 + i_naca + i_nak + i_pca + i_bca + i_bna),
        "Ca_i": (leak - uptake + release - (i_cal + i_bca + i_pca - 2 * i_naca) * to_mm / 2)
        / (1 + 0.25 * 0.001 / (ca + 0.001) ** 2),
        "Ca_SR": 8800 / 583.73 * (uptake - release - leak) / (1 + 10 * 0.3 / (sr + 0.3) ** 2),
        "Na_i": -(i_na + i_nal + i_bna + 3 * i_nak + 3 * i_naca + i_f_na) * to_mm,
        "f1": (f1_inf - y["f1"]) / f1_tau,
        "fCa": np.where((v > -60) & (f_ca > y["fCa"]), 0, (f_ca - y["fCa"]) / 2),
        "RyR_a": (a_inf - y["RyR_a"]) / 1000,
        "RyR_o": (o_inf - y["RyR_o"]) / np.where(o_inf > y["RyR_o"], 18.75, 1.875),
        "RyR_c": (c_inf - y["RyR_c"]) / np.where(c_inf > y["RyR_c"], 175.0, 87.5),
    } | {
        name: (steady[name][0] - y[name]) / steady[name][1]
        for name in ("d", "f2", "Xr1", "Xr2", "Xs", "Xf", "q", "r", "m", "h", "j", "mL", "hL")
    }


def test_step_with_tables_follows_the_equations_without():
    scale = np.random.default_rng(0).uniform(0.7, 1.3, 12)
    now, states = physics.paci_2018_state(1), []
    for _ in range(120):  # two beats
        now = physics.paci_2018(scale[None], 0.03, fs=1000.0, state=now)[1]
        states.append(now[0])
    states = np.array(states)
    step = 1e-4  # ms: short, so that the change over it is the derivative
    after = physics.paci_2018(np.tile(scale, (len(states), 1)), 1e-7, fs=1e7, dt=1e-7, state=states)[1]
    for name, expected in derivatives(states, scale).items():
        k = physics.PACI_STATES.index(name)
        share = 1e-3 if name in ("d", "m", "mL") else 4e-5  # the fast gates curve within a step of the table
        np.testing.assert_allclose(
            (after[:, k] - states[:, k]) / step, expected, rtol=2e-3, atol=share * np.abs(expected).max(), err_msg=name
        )


def test_hurried_sodium_settles_where_it_would():
    start = physics.paci_2018_state(1)
    start[0, physics.PACI_STATES.index("Na_i")] += 1.0
    slow = physics.paci_2018(CONTROL, 30.0, fs=1000.0, state=start)[1][0, 3]
    fast = physics.paci_2018(CONTROL, 60.0, fs=1000.0, state=start, hurry=10.0)[1][0, 3]
    steady = physics.paci_2018_state(1)[0, 3]
    assert slow > steady + 0.5
    assert fast == pytest.approx(steady, abs=0.1)


@pytest.mark.parametrize(("name", "value"), [("Ca_i", 0.03), ("Ca_i", 1e-6), ("V", 60.0), ("V", -115.0), ("V", 0.0)])
def test_extreme_states_stay_finite(name, value):
    start = physics.paci_2018_state(1)
    start[0, physics.PACI_STATES.index(name)] = value
    trace, end = physics.paci_2018(CONTROL, 5.0, state=start)
    assert np.isfinite(trace).all() and np.isfinite(end).all()
    assert -85 < end[0, 0] < 45


def test_gates_are_finite_shares_with_positive_times():
    for name, (steady, tau) in physics.paci_2018_gates(np.linspace(-120, 80, 4001)).items():
        assert np.all((steady >= 0) & (steady <= 1)), name
        assert np.all(np.isfinite(tau) & (tau > 0)), name
    d, _ = physics.paci_2018_gates(np.array([-9.1]))["d"]
    assert d == pytest.approx(0.5)


CELLS = np.exp(0.1 * np.random.default_rng(3).standard_normal((3, 12)))
DRUGGED = {
    "period": np.array([0.0, 1.3, 1.1]),
    "delay": np.array([0.0, 0.01, 0.0123]),
    "block": np.array([[[0.0] * 3 + [0.3] + [0.0] * 8], [[0.2] * 3 + [0.6] + [0.0] * 8]]),
    "onset": np.array([[0.5, 0.25, 0.0], [2.003, 2.0, 1.0]]),
    "wash_in": np.array([1.0, 0.7, 0.0]),
}


def test_pieces_joined_are_the_recording_made_at_once():
    start = physics.paci_2018_state(3)
    whole, end = physics.paci_2018(CELLS, 4.0, state=start, **DRUGGED)
    pieces, state = [], start
    for length in (1.5004, 0.0026, 2.497):
        piece, state = physics.paci_2018(CELLS, length, state=state, **DRUGGED)
        pieces.append(piece)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    np.testing.assert_array_equal(state, end)
    assert np.all(start[:, -1] == 0)  # the caller's state is left as it was
    assert state[0, -1] == pytest.approx(4.0)


def test_cells_do_not_depend_on_threads_or_company(monkeypatch):
    import numba

    alone = physics.paci_2018(CELLS, 2.0, **DRUGGED)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    np.testing.assert_array_equal(physics.paci_2018(CELLS, 2.0, **DRUGGED), alone)
    options = DRUGGED | {"period": 1.3, "delay": 0.01, "onset": DRUGGED["onset"][:, 1], "wash_in": 0.7}
    np.testing.assert_array_equal(physics.paci_2018(CELLS[1:2], 2.0, **options), alone[1:2])


def test_rates_share_their_samples():
    fine = physics.paci_2018(CELLS, 1.0, fs=10_000.0)
    assert fine.shape == (3, 10_000) and fine.dtype == np.float32
    np.testing.assert_array_equal(physics.paci_2018(CELLS, 1.0), fine[:, ::2])
    np.testing.assert_array_equal(physics.paci_2018(CELLS, 1.0, start=0.6, fs=1000.0), fine[:, 6000::10])
    assert fine[0, 0] == np.float32(physics.paci_2018_state(1)[0, 0])


def test_currents_by_name():
    scale = np.ones((2, 12))
    scale[:, 3], scale[1, 6] = 0.4, 0.3
    named = physics.paci_2018({"Kr": 0.4, "to": np.array([1.0, 0.3])}, 1.0)
    np.testing.assert_array_equal(named, physics.paci_2018(scale, 1.0))


def upstrokes(trace):
    """Times (s) at which the potential rises through -20 mV, between samples."""
    i = np.flatnonzero((trace[1:] > -20) & (trace[:-1] <= -20))
    return (i + (-20 - trace[i]) / (trace[i + 1] - trace[i].astype(float))) / 5000


def test_stimuli_come_at_their_times():
    delays = np.array([0.0, 0.0008, 0.00083])  # two of the differences are parts of a step
    traces = physics.paci_2018(np.ones((3, 12)), 8.0, period=1.2, delay=delays)
    times = np.array([upstrokes(trace)[-3:] for trace in traces])
    np.testing.assert_allclose(np.diff(times, axis=1), 1.2, atol=5e-4)
    np.testing.assert_allclose(times[1:] - times[0], np.repeat(delays[1:, None], 3, axis=1), atol=2e-5)


def test_block_is_a_loss_of_conductance():
    share = np.zeros(12)
    share[[2, 3]] = 0.2, 0.7
    blocked = physics.paci_2018(CELLS, 2.0, block=share)
    np.testing.assert_allclose(blocked, physics.paci_2018(CELLS * (1 - share), 2.0), atol=1e-3)
    steps = np.array([share, np.full(12, 0.5), share])[:, None]
    longer = physics.paci_2018(CELLS, 2.0, block=steps, onset=[-2.0, -1.0, 0.0])
    np.testing.assert_allclose(longer, blocked, atol=1e-3)  # steps at once: only the last counts
    late = physics.paci_2018(CELLS, 2.0, block=share, onset=1.0)
    np.testing.assert_array_equal(late[:, :5000], physics.paci_2018(CELLS, 1.0))


def test_wash_in_is_exponential_from_the_share_reached():
    shares, tau = np.array([np.full(12, 0.2), np.full(12, 0.6), np.zeros(12)]), 8.0
    onset, now = np.array([0.0, 10.0, 30.0]), 42.0
    reached = 0.0
    for share, begin, end in zip(shares[:, 0], onset, [*onset[1:], now], strict=True):
        reached = share + (reached - share) * np.exp(-(end - begin) / tau)
    assert 0.05 < reached < 0.2
    start = physics.paci_2018_state(3, now)
    drug, _ = physics.paci_2018(CELLS, 0.005, state=start, block=shares[:, None], onset=onset, wash_in=tau)
    less, _ = physics.paci_2018(CELLS * (1 - reached), 0.005, state=start)
    np.testing.assert_allclose(drug, less, atol=1e-4)


@pytest.mark.parametrize(
    ("conductances", "options", "reason"),
    [
        ({"Kur": 1.0}, {}, "Kur"),
        ({"Kr": np.ones(2), "Na": np.ones(3)}, {}, "numbers of cells"),
        (np.ones((2, 11)), {}, r"\(cell, 12\)"),
        (-CONTROL, {}, "not negative"),
        (CONTROL * np.nan, {}, "finite"),
        (CONTROL, {"fs": 3000.0}, "does not divide"),
        (CONTROL, {"fs": 20_000.0}, "does not divide"),
        (CONTROL, {"dt": 0.0}, "positive"),
        (CONTROL, {"start": 0.2}, "start"),
        (CONTROL, {"period": -1.0}, "period"),
        (CONTROL, {"period": 0.001}, "in s"),
        (CONTROL, {"delay": np.zeros(2)}, "one a cell"),
        (CONTROL, {"wash_in": -1.0}, "wash_in"),
        (CONTROL, {"hurry": 0.0}, "hurry"),
        (CONTROL, {"block": np.full(12, 1.1)}, "between 0 and 1"),
        (CONTROL, {"block": np.full(12, np.nan)}, "between 0 and 1"),
        (CONTROL, {"block": np.zeros(11)}, "for 1 cells"),
        (CONTROL, {"block": np.zeros((2, 12))}, "for 1 cells"),
        (CONTROL, {"block": np.zeros((2, 1, 12)), "onset": [0.0, 1.0, 2.0]}, "dose"),
        (CONTROL, {"block": np.zeros((2, 1, 12)), "onset": [1.0, 0.0]}, "order of the doses"),
        (CONTROL, {"state": np.zeros((1, 22))}, "state"),
        (CONTROL, {"state": np.full((1, 23), np.nan)}, "state"),
    ],
)
def test_wrong_arguments_are_named(conductances, options, reason):
    with pytest.raises(ValueError, match=reason):
        physics.paci_2018(conductances, 0.1, **options)


def test_unstable_cells_are_named():
    scale = np.ones((3, 12))
    scale[1] = 1e5
    with pytest.raises(FloatingPointError, match=r"\[1\] became unstable"):
        physics.paci_2018(scale, 2.0)
