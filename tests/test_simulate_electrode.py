"""Electrodes: the junction against an ODE solver and its limits, filters, clocks, and what is refused."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cardio_utils import action_potential as ap
from cardio_utils.simulate import cells, electrode

FS = 5000.0


@pytest.fixture(scope="module")
def vm():
    """A cell that beats by itself, 12 s (mV)."""
    return cells.simulate(cells.population(1, seed=1), 12.0, run_in=5.0).vm[0].astype(float)


def correlation(x, y):
    return np.corrcoef(x, y)[0, 1]


def test_intact_membrane_shows_the_derivative(vm):
    seen = electrode.junction(vm, FS, intact=1e9, pulses=())
    assert correlation(seen, np.gradient(vm)) > 0.95
    assert 0.1 < np.ptp(seen) < 2  # mV: capacitive, about Rs Cj dV/dt


def test_low_resistance_shows_the_membrane_potential(vm):
    seen = electrode.junction(vm, FS, pore=50.0, pulses=(-1.0,), resealing=1e6)
    assert correlation(seen, vm) > 0.97
    np.testing.assert_allclose(np.ptp(seen), np.ptp(vm) * 10 / 60, rtol=0.05)  # the divider of seal and pore


def test_exponential_update_equals_an_ode_solution():
    """Vm of straight lines, a pore that reseals within the trace: every constant has its place."""
    time = np.arange(0, 0.4, 1 / FS)
    knots, values = [0, 0.1, 0.104, 0.25, 0.4], [-75, -75, 30, 10, -75]
    constants = {"seal": 8.0, "intact": 2e4, "cell_capacitance": 3.0, "electrode_capacitance": 300.0}
    seen = electrode.junction(
        np.interp(time, knots, values), FS, pore=120.0, pulses=(0.05,), resealing=0.2, reference=-70.0, **constants
    )

    def slope(t, v):
        g = 1 / 2e4 + (np.exp(-(t - 0.05) / 0.2) / 120 if t >= 0.05 else 0)
        dvm = (np.interp(t + 1e-7, knots, values) - np.interp(t - 1e-7, knots, values)) / 2e-7  # mV/s
        current = 3e-6 * dvm + g * (np.interp(t, knots, values) + 70) - v * (g + 1 / 8)  # pF/s = 1e-6/MOhm
        return current / 303e-6

    start = [(-75 + 70) / 2e4 / (1 / 2e4 + 1 / 8)]
    options = {"method": "LSODA", "rtol": 1e-8, "atol": 1e-10, "max_step": 5e-4, "t_eval": time}
    true = solve_ivp(slope, (0, time[-1]), start, **options).y[0]
    np.testing.assert_allclose(seen, true, atol=2e-3 * np.ptp(true))
    # A longer step changes nothing where Vm is the same straight lines.
    coarse = electrode.junction(
        np.interp(time[::5], knots, values),
        FS / 5,
        pore=120.0,
        pulses=(0.05,),
        resealing=0.2,
        reference=-70.0,
        **constants,
    )
    np.testing.assert_allclose(coarse, seen[::5], atol=4e-3 * np.ptp(true))


def test_amplitude_decays_with_the_resealing_time_constant():
    fs = 200.0
    time = np.arange(0, 200, 1 / fs)
    vm = np.where(time % 1 < 0.5, 20.0, -80.0)
    seen = electrode.junction(vm, fs, pore=400.0, pulses=(10.0,), resealing=40.0, intact=1e9, cell_capacitance=1e-6)
    top = seen[np.isclose(time % 1, 0.4)][11:]
    when = time[np.isclose(time % 1, 0.4)][11:]
    # The divider is not linear in the conductance: undo it.
    conductance = top / (100 - top) / 10
    slope = np.polyfit(when, np.log(conductance), 1)[0]
    assert -1 / slope == pytest.approx(40, rel=0.01)
    assert np.abs(seen[time < 9.9]).max() < 0.01


def test_pulses_add_up_and_may_come_before_the_trace():
    vm = np.full(2000, 20.0)
    one, two = (electrode.junction(vm, 100.0, pulses=p, resealing=10.0, intact=1e9) for p in ((-3.0,), (-3.0, 5.0)))
    np.testing.assert_allclose(two[:499], one[:499], rtol=1e-6)
    assert two[600] > 1.5 * one[600]
    each = electrode.junction(vm, 100.0, pulses=(-3.0, 5.0), pore=(150.0, 1e9), resealing=(10.0, 50.0), intact=1e9)
    np.testing.assert_allclose(each, one, rtol=1e-3)


def gain_at(frequency, filtered, fs, seconds=4.0):
    """Gain of a chain for a sine, after it has settled."""
    time = np.arange(0, seconds, 1 / fs)
    half = time.size // 2
    x = np.sin(2 * np.pi * frequency * time)
    return np.sqrt(np.mean(filtered(x)[half:] ** 2) / np.mean(x[half:] ** 2))


def test_access_resistance_has_its_corner():
    corner = 1e6 / (2 * np.pi * 20 * 10)  # 796 Hz
    quiet = {"access": 20.0, "capacitance": 10.0, "drift": 0.0, "noise": 0.0}
    for factor, gain in ((0.1, 0.995), (1, 0.707), (2, 0.447)):
        got = gain_at(factor * corner, lambda x: electrode.patch_clamp(x, 20_000.0, 0, **quiet), 20_000.0)
        assert got == pytest.approx(gain, abs=0.03), factor


def test_patch_clamp_offset_noise_and_drift():
    seen = electrode.patch_clamp(np.full(600_000, -70.0), 10_000.0, 3, offset=2.0, noise=0.2, drift=0.0)
    assert seen.mean() == pytest.approx(-68, abs=0.01) and seen.std() == pytest.approx(0.2, rel=0.02)
    slow = {"access": 100.0, "capacitance": 100.0, "noise": 0.0}
    ends = [electrode.patch_clamp(np.zeros(6000), 100.0, s, drift=0.5, **slow)[-1] for s in range(200)]
    assert np.std(ends) == pytest.approx(0.5, rel=0.2)


def test_amplifier_corners_noise_and_hum():
    for frequency, gain in ((0.1, 0.707), (20.0, 1.0), (500.0, 0.707)):
        got = gain_at(frequency, lambda x: electrode.amplifier(x, FS, 0, lowpass=500.0, noise=0.0), FS, seconds=80.0)
        assert got == pytest.approx(gain, abs=0.02), frequency
    noise = electrode.amplifier(np.zeros(200_000), FS, 1, noise=0.02)
    assert noise.std() == pytest.approx(0.02, rel=0.02)
    hum = electrode.amplifier(np.zeros(50_000), FS, 1, noise=0.0, mains=0.01, hum=50.0)
    spectrum = np.abs(np.fft.rfft(hum))
    assert np.fft.rfftfreq(hum.size, 1 / FS)[spectrum.argmax()] == pytest.approx(50.0)


def test_high_pass_lets_a_plateau_sag(vm):
    seen = electrode.amplifier(vm, FS, 0, noise=0.0)
    peak = int(np.argmax(vm[:25_000]))
    later = peak + 1500
    assert seen[later] - seen[peak] < vm[later] - vm[peak] - 5  # 0.3 s at a time constant of 1.6 s


def test_extracellular_terms():
    """Each term alone, for a rise whose derivatives are known."""
    time = np.arange(-0.5, 0.5, 1 / FS)
    width = 2e-3
    vm = 50 * np.tanh(time / width)
    settings = {"cutoff": 2400.0, "roughness": 0.0}
    slope = 50 / width / np.cosh(time / width) ** 2 / 1000  # V/s
    middle = np.abs(time) < 0.02
    a = electrode.extracellular(vm, FS, a=0.002, b=0, c=0, **settings)
    assert correlation(a[middle], slope[middle]) > 0.99
    assert a.max() == pytest.approx(0.002 * slope.max(), rel=0.1)
    b = electrode.extracellular(vm, FS, a=0, b=0.05, c=0, **settings)
    assert 0 < time[b.argmin()] and time[b.argmax()] < 0  # positive, then negative: a passing wave
    assert abs(b[middle].mean()) < 0.02 * np.ptp(b)
    blurred = electrode.extracellular(vm, FS, a=0, b=0.05, c=0, cutoff=2400.0, roughness=0.003)
    assert np.ptp(blurred) < 0.8 * np.ptp(b)
    c = electrode.extracellular(vm, FS, a=0, b=0, c=0.001, **settings)
    assert correlation(c, vm) > 0.999 and np.ptp(c) == pytest.approx(0.1, rel=0.01)
    whole = electrode.extracellular(vm, FS, a=0.002, b=0.05, c=0.001, **settings)
    np.testing.assert_allclose(whole, a + b + c, atol=1e-9)
    slow = electrode.extracellular(vm, FS, a=0.002, b=0, c=0, cutoff=60.0)
    assert slow.max() < 0.8 * a.max()


def test_spike_then_dip(vm):
    """A positive spike at the upstroke, a trough, and the smallest value at repolarisation."""
    field = electrode.extracellular(vm, FS, a=0.001, b=0.08, c=0.0005)
    field = electrode.amplifier(field, FS, 0, highpass=0.3, noise=0.0)
    beats = ap.find_beats(vm, FS)
    features = ap.eap_features(ap.cut_beats(field, FS, beats, before=0.2, after=1.2)[0], FS)
    assert (features["reason"] == "").all()
    apd90 = ap.apd(ap.cut_beats(vm, FS, beats, before=0.2, after=1.2)[0], FS, 90).apd[:, 0]
    late = features["td"] - apd90
    assert late.between(-20, 100).all() and np.ptp(late) < 10


def test_artefact():
    trace = electrode.artefact(50_000, FS, (2.0,), height=40.0)
    time = np.arange(trace.size) / FS
    assert (trace[(time >= 2.001) & (time < 2.199)] == 40).all() and (trace[time < 2] == 0).all()
    assert trace.min() == pytest.approx(-10) and abs(trace[time > 6]).max() < 0.01
    late = electrode.artefact(1000, FS, (-0.25, 5.0))
    assert (late < 0).all()  # the tail of a pulse before the trace, and nothing of one after it


def test_clock_is_what_match_beats_recovers():
    rng = np.random.default_rng(0)
    fs, lag, skew = 1000.0, -1.7, 4e-5
    beats = np.cumsum(rng.uniform(0.8, 1.6, 60))
    time = np.arange(0, beats[-1] + 1, 1 / fs)
    trace = sum(np.exp(-((time - b) ** 2) / 2e-4) for b in beats)
    other = electrode.on_clock(trace, fs, fs, round((time[-1] - 3) * fs), lag=lag, skew=skew)
    inside = beats[beats > 2.0]
    first = np.round((lag + inside[:-2]) * fs).astype(int) - 50
    seen = first + other[first[:, None] + np.arange(100)].argmax(axis=1)
    found = ap.match_beats(beats, seen / fs)
    assert found.lag == pytest.approx(lag, abs=2e-3)
    assert found.skew == pytest.approx(skew, abs=1.5e-5)
    assert found.second.size == seen.size and not found.ambiguous


def test_clock_keeps_within_the_trace():
    x = np.sin(np.arange(1000) / 20)
    np.testing.assert_allclose(electrode.on_clock(x, 100.0, 100.0, 500, lag=-2.0), x[200:700], atol=1e-5)
    with pytest.raises(ValueError, match=r"900 samples.*from 2\.000 to"):
        electrode.on_clock(x, 100.0, 100.0, 900, lag=-2.0)
    with pytest.raises(ValueError, match=r"from -1\.000"):
        electrode.on_clock(x, 100.0, 100.0, 100, lag=1.0)
    with pytest.raises(ValueError, match="no sample"):
        electrode.on_clock(x, 100.0, 100.0, 0)


def test_noise_depends_on_the_seed_alone():
    x = np.zeros(500)
    for sensor in (electrode.amplifier, electrode.patch_clamp):
        a, b, c = (sensor(x, FS, s) for s in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: electrode.junction(x[None], FS), "one trace"),
        (lambda x: electrode.junction(x[:1], FS), "two or more"),
        (lambda x: electrode.junction(np.where(x > 0, np.nan, x), FS), "not finite"),
        (lambda x: electrode.junction(x, 0.0), "sampling rate"),
        (lambda x: electrode.junction(x, FS, seal=0.0), "seal must be positive"),
        (lambda x: electrode.junction(x, FS, pulses=(1.0, 2.0), pore=(1.0, -1.0)), "pore must be positive"),
        (lambda x: electrode.junction(x, FS, pulses=(np.nan,)), "pulses must be finite"),
        (lambda x: electrode.extracellular(x, FS, a=1, b=1, c=1, height=0), "height must be positive"),
        (lambda x: electrode.extracellular(x, FS, a=1, b=1, c=1, roughness=-1), "roughness"),
        (lambda x: electrode.extracellular(x, FS, a=1, b=1, c=1, cutoff=FS), "half the sampling rate"),
        (lambda x: electrode.amplifier(x, FS, 0, lowpass=FS / 2), "half the sampling rate"),
        (lambda x: electrode.patch_clamp(x, FS, 0, access=1.0, capacitance=1.0), "half the sampling rate"),
        (lambda x: electrode.artefact(10, FS, (1.0,), width=0), "width must be positive"),
    ],
)
def test_what_is_impossible_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.linspace(-80, 20, 1000))
