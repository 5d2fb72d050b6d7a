"""Upstroke, durations, SNR, alignment, beats and eAP features against answers that are known."""

import io
import os
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import peak_widths

from cardio_utils import action_potential as ap
from cardio_utils.action_potential import Reason

FS = 5000.0
N = 8000
TIME = np.arange(N) / FS * 1000  # ms
REAL = Path(os.environ.get("CARDIO_DATA", "nowhere"), "ipsc-action-potentials")


def triangle(duration=600.0, start=200.0, rest=-80.0, amplitude=110.0, rise=2.0, time=TIME):
    """An action potential whose answers are arithmetic: a sine-shaped upstroke, then a straight fall to rest.

    Steepest at `start`, peak at start + rise / 2, down by p % at peak + p % of `duration` (all ms).
    """
    up = 0.5 * (1 + np.sin(np.pi * np.clip((time - start) / rise, -0.5, 0.5)))
    peak = start + rise / 2
    return rest + amplitude * np.where(time <= peak, up, np.clip(1 - (time - peak) / duration, 0, 1))


def smooth_beat(duration=500.0, start=200.0, time=TIME, plateau=0.25):
    """A noise-free beat of plausible shape, in units of its amplitude, with curved repolarisation."""
    fall = 1 / (1 + np.exp((time - start - duration) / 25))
    return (1 - plateau * (time - start) / duration) * fall / (1 + np.exp(-(time - start) / 0.8))


def smoothed_noise(rng, size, width=20):
    return np.convolve(rng.standard_normal(size + width - 1), np.ones(width) / width, "valid")


# ---------------------------------------------------------------------------------------- durations


def test_repolarisation_of_a_triangle_is_arithmetic():
    found = ap.apd(triangle(), FS)
    np.testing.assert_allclose(found.apd, 1 + 6 * found.levels, atol=0.02)
    assert found.peak == pytest.approx(30) and found.rest == pytest.approx(-80)
    assert found.peak_time == pytest.approx(201) and np.isnan(found.next_beat)
    np.testing.assert_allclose(found.value, 30 - 1.1 * found.levels, atol=1e-9)
    np.testing.assert_allclose(found.end - found.start, found.apd)
    assert found.valid.all() and found.reasons() == {"valid": 10}


def test_prominence_of_a_triangle_is_arithmetic():
    found = ap.apd(triangle(), FS, range(10, 100, 10), definition="prominence")
    height = 1 - found.levels / 100
    left = 2 / np.pi * np.arcsin(2 * height - 1)
    np.testing.assert_allclose(found.apd, 1 - left + 6 * found.levels, atol=0.03)


def test_crossings_are_interpolated_between_samples():
    durations = np.array([600.0, 600.07, 600.13])
    found = ap.apd([triangle(d) for d in durations], FS, [50, 90])
    np.testing.assert_allclose(np.diff(found.apd, axis=0), np.outer(np.diff(durations), [0.5, 0.9]), atol=1e-6)


def test_upstroke_of_a_sine_rise():
    fs = 50_000.0
    time = np.arange(20_000) / fs * 1000
    found = ap.upstroke(triangle(150.0, start=100.003, time=time), fs)
    assert found.time == pytest.approx(100.003, abs=0.001)
    assert found.value == pytest.approx(110 * np.pi / 4, rel=1e-3)  # mV/ms = V/s
    assert found.reason == Reason.VALID


def test_shapes_order_of_levels_and_integer_traces():
    beats = np.stack([triangle(d) for d in (300, 400, 500, 600, 700, 800)])
    found = ap.apd(beats.reshape(2, 3, N), FS, [90, 30])
    assert found.apd.shape == found.reason.shape == (2, 3, 2) and found.peak.shape == (2, 3)
    np.testing.assert_allclose(found.apd[1, 0], [1 + 0.9 * 600, 1 + 0.3 * 600], atol=0.02)
    assert ap.apd(triangle(), FS, 50).apd.shape == (1,)
    coarse = ap.apd(np.round(beats * 1000).astype(np.int32), FS, 50).apd
    np.testing.assert_allclose(coarse[:, 0], ap.apd(beats, FS, 50).apd[:, 0], atol=0.02)
    assert ap.apd(np.empty((0, N)), FS).apd.shape == (0, 10)


def test_times_give_the_clock():
    later = ap.apd(triangle(), time=TIME / 1000 + 2, levels=50)
    here = ap.apd(triangle(), FS, 50)
    assert later.apd == pytest.approx(here.apd) and later.start == pytest.approx(here.start + 2000)
    assert ap.upstroke(triangle(), time=TIME / 1000 + 2).time == pytest.approx(here.start[0] + 2000)


def test_rest_before_the_upstroke_is_the_take_off_potential():
    # Take-off at -60 mV, maximum diastolic potential -80 mV.
    trace = np.where(TIME < 199, -60.0, triangle())
    after, before = (ap.apd(trace, FS, 50, rest=rest) for rest in ("after", "before"))
    assert after.rest == pytest.approx(-80) and before.rest == pytest.approx(-60)
    assert after.end == pytest.approx(201 + 300, abs=0.01)
    assert before.end == pytest.approx(201 + 600 * 45 / 110, abs=0.01)


def test_smoothing_recovers_what_noise_hides():
    rng = np.random.default_rng(0)
    noisy = smooth_beat() + 0.02 * rng.standard_normal((40, N))
    truth = ap.apd(smooth_beat(), FS, [30, 50, 70, 90]).apd
    rough, fine = (ap.apd(noisy, FS, [30, 50, 70, 90], smooth=s).apd - truth for s in (0, 4))
    assert np.abs(fine).mean() < 0.5 * np.abs(rough).mean()
    assert np.abs(fine.mean(axis=0)).max() < 10


@pytest.mark.parametrize("second", [0.8, 1.0, 1.6])
def test_a_second_beat_is_left_out(second):
    both = triangle(400.0) + np.maximum(triangle(400.0, start=1300.0, rest=0, amplitude=second * 110), 0)
    found = ap.apd(both, FS)
    np.testing.assert_allclose(found.apd, 1 + 4 * found.levels, atol=0.02)
    assert found.next_beat == pytest.approx(1300, abs=6)
    assert found.peak == pytest.approx(30)


def test_a_second_upstroke_cut_by_the_window_is_left_out():
    both = triangle(400.0) + triangle(400.0, start=1592.0, rest=0, amplitude=200)
    np.testing.assert_allclose(ap.apd(both, FS).apd, 1 + 4 * np.arange(10, 101, 10), atol=0.02)


def test_a_beat_under_way_when_the_window_begins_is_left_out():
    both = triangle(400.0, start=700.0) + triangle(250.0, start=-60.0, rest=0)
    found = ap.apd(both, FS)
    np.testing.assert_allclose(found.apd, 1 + 4 * found.levels, atol=0.02)
    assert found.start[0] == pytest.approx(700, abs=0.01)


def test_a_stimulus_before_the_beat_is_not_its_peak():
    trace = triangle()
    trace[900:903] = 150  # 20 ms before the upstroke
    np.testing.assert_allclose(ap.apd(trace, FS).apd, 1 + 6 * np.arange(10, 101, 10), atol=0.02)


def reason_of(trace, level=50, **options):
    found = ap.apd(trace, FS, level, **options)
    assert np.isnan(found.apd).all() == (found.reason != Reason.VALID).all()
    return Reason(found.reason[0])


def with_gap(trace, start, stop, value=np.nan):
    trace = trace.copy()
    trace[start:stop] = value
    return trace


BAD = {
    "a run of NaN": (with_gap(triangle(), 3000, 3100), Reason.MISSING),
    "one NaN at the end": (with_gap(triangle(), N - 1, N), Reason.MISSING),
    "infinite": (with_gap(triangle(), 0, 1, np.inf), Reason.MISSING),
    "all NaN": (np.full(N, np.nan), Reason.MISSING),
    "constant": (np.full(N, -80.0), Reason.FLAT),
    "zero": (np.zeros(N), Reason.FLAT),
    "noise alone": (np.random.default_rng(0).standard_normal(N), Reason.FLAT),
    "clipped at the top": (np.minimum(triangle(), 15.0), Reason.SATURATED),
    "upside down": (-smooth_beat(), Reason.TRUNCATED),  # it rises at its end and stays up
    "extracellular spike": (triangle(6.0), Reason.NO_UPSTROKE),
    "slow wave": (np.sin(2 * np.pi * TIME / 1600 - 1.5), Reason.NO_UPSTROKE),
    "only falling": (triangle(700.0, start=-20.0), Reason.NO_UPSTROKE),
    "cut in repolarisation": (triangle(1700.0), Reason.TRUNCATED),
    "cut on the plateau": (np.r_[np.zeros(N - 1000), np.linspace(1, 0.9, 1000)], Reason.TRUNCATED),
    "rises again": (
        np.maximum(triangle(600.0), triangle(400.0, start=500.0, amplitude=90)),
        Reason.INTERRUPTED,
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("definition", ["repolarisation", "prominence"])
def test_no_valid_duration_has_a_reason_and_no_number(name, definition):
    trace, reason = BAD[name]
    assert reason_of(trace, 70, definition=definition) == reason


def test_bad_beats_do_not_touch_their_neighbours():
    traces = [triangle()] + [trace for trace, _ in BAD.values()] + [triangle(300.0)]
    found = ap.apd(np.stack(traces), FS)
    np.testing.assert_allclose(found.apd[0], 1 + 6 * found.levels, atol=0.02)
    np.testing.assert_allclose(found.apd[-1], 1 + 3 * found.levels, atol=0.02)
    assert [Reason(r) for r in found.reason[1:-1, 6]] == [reason for _, reason in BAD.values()]
    assert sum(found.reasons().values()) == found.reason.size


def test_levels_before_a_new_rise_stay_valid():
    found = ap.apd(BAD["rises again"][0], FS)
    assert found.valid[:3].all() and (found.reason[5:] == Reason.INTERRUPTED).all()
    np.testing.assert_allclose(found.apd[:3], [61, 121, 181], atol=0.02)


def test_an_unreached_level_is_named_and_the_others_are_kept():
    cut = triangle(600.0)[:2000]  # ends at 400 ms, a third of the way down
    found = ap.apd(cut, FS, [10, 20, 30, 40, 50], rest="before")
    assert [Reason(r) for r in found.reason] == [Reason.VALID] * 3 + [Reason.NOT_REPOLARISED] * 2
    np.testing.assert_allclose(found.apd[:3], [61, 121, 181], atol=0.02)
    assert np.isnan(found.apd[3:]).all()
    assert ap.upstroke(cut, FS).time == pytest.approx(200, abs=0.01)


def test_upstroke_of_bad_beats_is_nan_with_the_reason():
    found = ap.upstroke(np.stack([np.zeros(N), with_gap(triangle(), 10, 20), triangle()]), FS)
    assert found.reason.tolist() == [Reason.FLAT, Reason.MISSING, Reason.VALID]
    assert np.isnan(found.time).tolist() == np.isnan(found.value).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fs": 5.0}, "Hz"),  # kHz given for Hz
        ({"fs": 5e6}, "Hz"),
        ({"fs": -1.0}, "impossible"),
        ({"fs": np.nan}, "impossible"),
        ({}, "either"),
        ({"fs": FS, "time": TIME / 1000}, "either"),
        ({"time": TIME[:-1] / 1000}, "equally many"),
        ({"time": TIME[::-1] / 1000}, "ascend"),
        ({"time": TIME**2 / 1e6}, "equal steps"),
        ({"time": TIME}, "Hz"),  # ms given for s
        ({"fs": FS, "levels": [0, 50]}, "levels"),
        ({"fs": FS, "levels": [50, 110]}, "levels"),
        ({"fs": FS, "definition": "width"}, "definition"),
        ({"fs": FS, "rest": "minimum"}, "rest"),
        ({"fs": FS, "smooth": -1.0}, "negative"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ap.apd(triangle(), **arguments)


def test_a_recording_that_is_not_cut_is_refused():
    with pytest.raises(ValueError, match="cut into beats"):
        ap.apd(np.zeros(100 * 5000), FS)
    with pytest.raises(ValueError, match="no samples"):
        ap.apd([], FS)


# ------------------------------------------------------------------------- durations: laws and oracles

beats_drawn = st.builds(
    lambda duration, start, plateau: smooth_beat(duration, start, plateau=plateau),
    st.floats(80, 900),
    st.floats(100, 300),
    st.floats(0.02, 0.5),
)
QUICK = settings(max_examples=40, deadline=None)


@QUICK
@given(beats_drawn, st.floats(-6, 6), st.floats(-1000, 1000), st.sampled_from(["repolarisation", "prominence"]))
def test_gain_and_offset_do_not_matter(beat, decade, offset, definition):
    gain = 10**decade
    a, b = (ap.apd(x, FS, definition=definition) for x in (beat, gain * (beat + offset)))
    np.testing.assert_array_equal(a.reason, b.reason)
    np.testing.assert_allclose(a.apd[:9], b.apd[:9], rtol=1e-5)


@QUICK
@given(st.floats(80, 700), st.integers(-400, 400), st.sampled_from(["repolarisation", "prominence"]))
def test_a_shift_in_time_does_not_matter(duration, samples, definition):
    beat = smooth_beat(duration, time=np.arange(-1000, N + 1000) / FS * 1000)
    a, b = (ap.apd(beat[k : k + N], FS, definition=definition) for k in (1000, 1000 - samples))
    np.testing.assert_allclose(a.apd[:9], b.apd[:9], atol=0.5)
    np.testing.assert_allclose(b.start[:9] - a.start[:9], samples / FS * 1000, atol=0.05)


@QUICK
@given(beats_drawn, st.integers(0, 2**32 - 1), st.floats(0, 0.05))
def test_durations_grow_with_the_level_and_are_numbers_only_when_valid(beat, seed, noise):
    x = beat + noise * np.random.default_rng(seed).standard_normal(N)
    for definition in ("repolarisation", "prominence"):
        found = ap.apd(x, FS, definition=definition)
        np.testing.assert_array_equal(np.isfinite(found.apd), found.valid)
        assert np.all(np.diff(found.apd[found.valid]) >= 0) and np.all(found.apd[found.valid] > 0)


@QUICK
@given(st.integers(0, 2**32 - 1), st.integers(60, 3000), st.floats(-8, 8))
def test_any_trace_gets_numbers_or_reasons(seed, size, decade):
    rng = np.random.default_rng(seed)
    walk = 10**decade * np.cumsum(rng.standard_normal((3, size)), axis=1)
    found = ap.apd(walk, 500.0)
    np.testing.assert_array_equal(np.isfinite(found.apd), found.valid)


@QUICK
@given(beats_drawn, st.integers(0, 2**32 - 1), st.floats(0.001, 0.02))
def test_prominence_is_what_peak_widths_measures(beat, seed, noise):
    x = beat + noise * smoothed_noise(np.random.default_rng(seed), N)
    found = ap.apd(x, FS, definition="prominence")
    assume(found.valid.all())
    peak = [int(np.argmax(x))]
    widths = [peak_widths(x, peak, level / 100)[0][0] * 1000 / FS for level in found.levels]
    np.testing.assert_allclose(found.apd, widths, rtol=1e-9)


def test_both_definitions_against_ap_features():
    # Its crossings come from a cubic spline, ours from straight lines; rest and peak are handed over.
    from ap_features import features

    for duration in (150, 400, 800):
        x = smooth_beat(duration)
        width = ap.apd(x, FS, range(10, 100, 10), definition="prominence")
        field = ap.apd(x, FS, range(10, 100, 10))
        for k, level in enumerate(range(10, 100, 10)):
            theirs = features.apd(level, x, TIME, v_r=width.rest, v_max=width.peak)
            assert width.apd[k] == pytest.approx(theirs, abs=0.05)
            end = features.apd_point(level, x, TIME, v_r=field.rest, v_max=field.peak)[1]
            assert field.end[k] == pytest.approx(end, abs=0.05)


@cache
def real_archive():
    """Name -> text of every real trace; the archive can only be read from its beginning."""
    with tarfile.open(REAL / "optical-and-patch-selection.tar.xz") as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.name.endswith(".csv")}


def read_real(name):
    """Values of one of the real traces, and its times in s."""
    table = np.loadtxt(io.BytesIO(real_archive()[name]), delimiter=",", skiprows=1)
    return table[:, 1], table[:, 0] / (1000 if "current-clamp" in name else 1)


def real_wells(folder, wells):
    return [read_real(f"optical/{folder}/Well{well:02d}.csv") for well in wells]


def real_apd90(folder, wells):
    return [ap.apd(x, time=t, levels=90, smooth=4.0).apd[0] for x, t in real_wells(folder, wells)]


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="CARDIO_DATA has no hiPSC traces")
@pytest.mark.parametrize(
    ("folder", "wells", "low", "high"),
    [
        ("Drug1", range(1, 21), 322, 922),  # dofetilide
        ("Drug4", range(1, 6), 275, 331),  # verapamil 0.01 uM
        ("Drug4", range(6, 11), 220, 275),  # 0.1 uM
        ("Drug4", range(11, 16), 138, 170),  # 1 uM
    ],
)
def test_real_optical_durations(folder, wells, low, high):
    found = real_apd90(folder, wells)
    assert np.isfinite(found).all() and low < min(found) and max(found) < high


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="CARDIO_DATA has no hiPSC traces")
def test_real_prominence_is_what_peak_widths_measures():
    for x, t in real_wells("Drug4", range(1, 16)):
        y = np.convolve(x, np.ones(41) / 41, "valid")
        fs = 1 / np.mean(np.diff(t))
        found = ap.apd(y, fs, definition="prominence")
        widths = [peak_widths(y, [int(y.argmax())], level / 100)[0][0] * 1000 / fs for level in found.levels]
        np.testing.assert_allclose(found.apd, widths, rtol=1e-6)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="CARDIO_DATA has no hiPSC traces")
def test_real_patch_clamp_beats_are_found_and_measured():
    for name, apd90 in (("170123-cell-2", 420), ("170120-cell-5", 302), ("170131-cell-3", 353)):
        x, t = read_real(f"current-clamp/{name}-middle.csv")
        ap.check_millivolt(x, "patch")
        fs = 1 / np.mean(np.diff(t))
        found = ap.find_beats(x, fs)
        assert found / fs == pytest.approx([0.051, 1.051], abs=0.012)
        first, second = ap.apd(np.stack([x[:24_000], x[25_000:49_000]]), fs, 90, smooth=4.0).apd[:, 0]
        assert first == pytest.approx(apd90, abs=5) and second == pytest.approx(first, rel=0.12)


# ----------------------------------------------------------------------------------------- scale, SNR


def test_scale_conventions():
    both = triangle(400.0) + triangle(400.0, start=1300.0, rest=0, amplitude=220)
    own = ap.scale(both, FS)
    assert own[: int(1.2 * FS)].max() == pytest.approx(1) and own.max() > 1.9 and own.min() == pytest.approx(0)
    assert ap.scale(both, convention="minmax").max() == 1
    first = ap.scale(both[None], convention="first")
    assert first[0, 0] == 0 and first.max() == 1
    tenth = ap.scale(both, convention="tenth")
    assert tenth[0] == pytest.approx(0.1) and tenth.max() == pytest.approx(1.11 / 1.1)
    rng = np.random.default_rng(0)
    eap = ap.scale(rng.standard_normal(N), FS, "eap")
    assert eap.mean() == pytest.approx(0, abs=1e-9) and eap[1150:1350].std() == pytest.approx(1 / 60)
    assert np.isnan(ap.scale(np.ones(N), convention="minmax")).all()
    assert ap.scale(both.astype(np.float32), FS).dtype == np.float32


def test_scale_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="is not one of"):
        ap.scale(triangle(), FS, "unit")
    with pytest.raises(ValueError, match="needs the sampling rate"):
        ap.scale(triangle())
    with pytest.raises(ValueError, match="longer"):
        ap.scale(triangle()[:1000], FS, "eap")


def two_tones(amplitude=0.01, seconds=16):
    time = np.arange(int(seconds * FS)) / FS
    return np.sin(2 * np.pi * 5 * time) + amplitude * np.sin(2 * np.pi * 1000 * time)


def test_snr_of_two_tones_is_their_power_ratio():
    assert ap.snr(two_tones(), FS) == pytest.approx(40, abs=0.1)
    assert ap.snr(two_tones(), FS, convention="doubled") == pytest.approx(80, abs=0.2)
    several = ap.snr(np.stack([two_tones(0.1), two_tones(0.001)]), FS)
    np.testing.assert_allclose(several, [20, 60], atol=0.3)


def test_snr_of_the_beats_of_a_recording():
    x = np.concatenate([two_tones(0.1), two_tones(0.01)])
    found = ap.snr(x, FS, samples=[10, 40_000, 120_000, x.size - 10])
    np.testing.assert_allclose(found[1:3], [20, 40], atol=0.5)
    assert np.isnan(found[[0, 3]]).all()
    x[39_000:39_100] = np.nan
    assert np.isnan(ap.snr(x, FS, samples=[40_000, 120_000])).tolist() == [True, False]


def test_snr_is_nan_where_nothing_can_be_said():
    x = np.stack([two_tones(), np.full(80_000, 3.0), with_gap(two_tones(), 50, 60)])
    assert np.isnan(ap.snr(x, FS)).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="convention"):
        ap.snr(x, FS, convention="db")
    with pytest.raises(ValueError, match="one recording"):
        ap.snr(x, FS, samples=[1])


# ------------------------------------------------------------------------------------------ alignment


@QUICK
@given(st.floats(-60, 60), st.floats(0.01, 100), st.floats(-50, 50))
def test_align_finds_the_lag_whatever_gain_and_offset(lag, gain, offset):
    reference, later = smooth_beat(), offset + gain * smooth_beat(start=200 + lag)
    found = ap.align(later, reference, FS)
    assert found.lag == pytest.approx(lag, abs=0.05) and found.correlation > 0.999 and not found.at_limit


def test_align_and_shift_bring_traces_together():
    lags = np.array([-20.0, 0.0, 13.3])
    traces = np.stack([smooth_beat(start=200 + lag) for lag in lags])
    found = ap.align(traces, smooth_beat(), FS)
    np.testing.assert_allclose(found.lag, lags, atol=0.05)
    moved = ap.shift(traces, -found.lag, FS)
    assert np.nanmax(np.abs(moved - smooth_beat())) < 0.02
    assert np.isnan(moved).sum(axis=1).tolist() == pytest.approx([100, 0, 67], abs=1)


def test_align_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="equal lengths"):
        ap.align(triangle(), triangle()[:-1], FS)
    with pytest.raises(ValueError, match="max_lag"):
        ap.align(triangle(), triangle(), FS, max_lag=1.0)
    bad = np.stack([np.zeros(N), with_gap(triangle(), 5, 9), triangle(start=400.0)])
    found = ap.align(bad, triangle(), FS, max_lag=0.1)
    assert np.isnan(found.lag).tolist() == [True, True, False]
    assert found.at_limit.tolist() == [False, False, True]


# --------------------------------------------------------------------------------------- units, beats


def test_a_wrong_unit_is_named():
    ap.check_millivolt(np.stack([triangle(), np.full(N, np.nan)]), "patch")
    with pytest.raises(ValueError, match="divide uV by 1000"):
        ap.check_millivolt(triangle() * 1000, "patch")
    with pytest.raises(ValueError, match="multiply V by 1000"):
        ap.check_millivolt(triangle() / 1000, "patch")
    with pytest.raises(ValueError, match="is not one of"):
        ap.check_millivolt(triangle(), "optical")
    with pytest.raises(ValueError, match="missing"):
        ap.check_millivolt(np.full(N, np.nan), "patch")


def recording(times, seconds=None, fs=FS, noise=0.01, seed=0):
    """A continuous intracellular recording with beats at `times` (s), amplitude 1."""
    time = np.arange(int((seconds or times[-1] + 2) * fs)) / fs
    x = noise * np.random.default_rng(seed).standard_normal(time.size)
    for start in times:
        near = slice(max(int((start - 0.1) * fs), 0), int((start + 0.8) * fs))
        x[near] += smooth_beat(350.0, 1000 * start, time=time[near] * 1000)
    return x


def rhythm(count, seed=0, cycle=1.0, spread=0.05):
    return 1 + np.cumsum(cycle + spread * np.random.default_rng(seed).standard_normal(count))


def test_beats_of_a_recording_are_its_upstrokes():
    times = rhythm(40)
    found = ap.find_beats(recording(times), FS)
    assert found.dtype == np.int64
    np.testing.assert_allclose(found / FS, times, atol=0.002)


def test_beats_survive_decay_a_poration_pulse_and_a_gap():
    times = rhythm(60)
    x = recording(times, noise=0.003)
    x *= np.exp(-np.arange(x.size) / FS / 25)  # resealing
    x[int(20.5 * FS) : int(20.52 * FS)] += 80
    x[int(40 * FS) : int(41.5 * FS)] = np.nan
    kept = times[(times < 39.8) | (times > 41.7)]
    found = ap.find_beats(x, FS) / FS
    missed = [t for t in kept if np.abs(found - t).min() > 0.005]
    invented = [t for t in found if np.abs(times - t).min() > 0.005]
    assert len(missed) <= 1 and not invented


def test_beats_of_an_extracellular_recording_are_its_spikes():
    times = rhythm(30)
    time = np.arange(int((times[-1] + 2) * FS)) / FS
    x = 0.005 * np.random.default_rng(0).standard_normal(time.size)
    for start in times:
        x += np.exp(-(((time - start) / 0.001) ** 2)) - 0.7 * np.exp(-(((time - start - 0.003) / 0.0015) ** 2))
    np.testing.assert_allclose(ap.find_beats(x, FS, sensor="eap") / FS, times, atol=0.001)


def test_recordings_without_a_usable_rhythm():
    assert ap.find_beats(recording([3.0], seconds=20), FS).size == 1
    noise = np.random.default_rng(0).standard_normal(100_000)
    assert ap.find_beats(noise, FS, sensor="eap").size == ap.find_beats(noise, FS).size == 0
    for x, message in (
        (np.zeros(5000), "constant"),
        (np.full(5000, np.nan), "constant or empty"),
        (np.zeros((2, 5000)), "one recording"),
    ):
        with pytest.raises(ValueError, match=message):
            ap.find_beats(x, FS)
    with pytest.raises(ValueError, match="sensor"):
        ap.find_beats(np.arange(5000.0), FS, sensor="mea")


def test_a_wrong_sampling_rate_makes_cycle_lengths_impossible():
    with pytest.raises(ValueError, match="sampling rate"):
        ap.check_cycle_lengths(rhythm(20) * 100)
    with pytest.raises(ValueError, match="sampling rate"):
        ap.check_cycle_lengths(rhythm(20) / 100)
    with pytest.raises(ValueError, match="at least 2"):
        ap.check_cycle_lengths([1.0])
    with pytest.raises(ValueError, match="ascend"):
        ap.check_cycle_lengths([1.0, 3.0, 2.0])


def test_cut_beats_keeps_what_lies_within():
    x = np.arange(20_000.0)
    windows, kept = ap.cut_beats(np.stack([x, -x]), FS, [999, 1000, 5000, 13_000, 13_001])
    assert windows.shape == (2, 3, N) and kept.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(windows[0, :, 1000], [1000, 5000, 13_000])


@QUICK
@given(st.floats(-9, 9), st.floats(-2e-4, 2e-4), st.integers(0, 2**32 - 1))
def test_two_clocks_are_matched_beat_by_beat(lag, skew, seed):
    rng = np.random.default_rng(seed)
    truth = 10 + np.cumsum(1 + 0.05 * rng.standard_normal(300))
    in_first, in_second = rng.random(300) > 0.05, rng.random(300) > 0.05
    first = truth[in_first] + 0.001 * rng.standard_normal(in_first.sum())
    second = (lag + (1 + skew) * truth + 0.001 * rng.standard_normal(300))[in_second]
    found = ap.match_beats(first, second)
    assert found.lag == pytest.approx(lag, abs=0.002) and found.skew == pytest.approx(skew, abs=5e-6)
    number = np.arange(300)
    np.testing.assert_array_equal(number[in_first][found.first], number[in_second][found.second])
    both = in_first & in_second
    assert found.first.size == both.sum() and not found.ambiguous
    np.testing.assert_array_equal(number[in_first][found.only_first], number[in_first & ~in_second])
    np.testing.assert_array_equal(number[in_second][found.only_second], number[in_second & ~in_first])
    assert np.abs(found.residual).max() < 0.01


def test_a_perfectly_regular_rhythm_is_called_ambiguous():
    first = 1.0 + np.arange(100)
    found = ap.match_beats(first, first + 0.3)
    assert found.ambiguous and found.lag == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0], [1.0], "at least 3"),
        (rhythm(100), rhythm(100) / 2, "ratio 0.5"),  # one sampling rate is wrong by a factor 2
        (rhythm(100), rhythm(100, seed=1, cycle=0.7, spread=0.2), "match|brings"),  # another cell
        (rhythm(100), rhythm(100) + 1000, "no lag"),
        (rhythm(100), rhythm(100)[::-1], "ascend"),
        (rhythm(100), rhythm(100) * 1000, "sampling rate"),
    ],
)
def test_beats_that_do_not_belong_together_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        ap.match_beats(np.sort(first), second)


# -------------------------------------------------------------------------------------- eAP features

SPIKE = {"start": 170.0, "peak": 174.0, "trough": 177.0, "stop": 184.0, "dip": 900.0}


def eap(up=0.17, down=0.12, dip=0.05, noise=0.0, seed=0, rows=1, gain=1.0):
    """Windows in mV whose landmarks are known: straight spike, flat plateau until a Gaussian dip."""
    knots = [0, SPIKE["start"], SPIKE["peak"], SPIKE["trough"], SPIKE["stop"], 1600]
    x = np.interp(TIME, knots, [0, 0, up, -down, 0, 0])
    x -= dip * np.exp(-0.5 * ((TIME - SPIKE["dip"]) / 60) ** 2)
    return gain * (x + noise * np.random.default_rng(seed).standard_normal((rows, N)))


def test_features_of_a_spike_made_of_straight_lines():
    f = ap.eap_features(eap(noise=1e-5), FS).iloc[0]
    assert f.reason == ""
    assert f.peak_time == pytest.approx(SPIKE["peak"], abs=0.21)
    assert f.trough_time == pytest.approx(SPIKE["trough"], abs=0.21)
    assert f.onset_time == pytest.approx(SPIKE["start"], abs=2) and f.end_time == pytest.approx(SPIKE["stop"], abs=2)
    assert f.dip_time == pytest.approx(SPIKE["dip"], abs=4)
    assert f.v1 == pytest.approx(0.17, rel=0.15) and f.v2 == pytest.approx(0.12, rel=0.15)
    assert f.vd == pytest.approx(0.05, rel=0.1)
    assert f.ts == pytest.approx(14, abs=3) and f.td == pytest.approx(716, abs=5)
    # A Gaussian dip of 60 ms: the line through the 200 ms after it has a slope of 0.05 mV * 4.66 / s.
    tau = np.arange(0, 0.2, 0.002)
    slope = np.polyfit(tau, -50 * np.exp(-0.5 * (tau / 0.06) ** 2), 1)[0] / 1000
    assert f.ir == pytest.approx(slope, rel=0.05)


def test_features_are_consistent_with_their_landmarks():
    f = ap.eap_features(eap(noise=0.003, rows=50), FS)
    assert (f.reason == "").all()
    np.testing.assert_allclose(f.ts, f.end_time - f.onset_time)
    np.testing.assert_allclose(f.td, f.dip_time - f.end_time)
    np.testing.assert_allclose(f.t_total, f.ts + f.td)
    np.testing.assert_allclose(f.t1, f.fall1_time - f.onset_time)
    np.testing.assert_allclose(f.v1, f.peak_value - f.onset_value)
    np.testing.assert_allclose(f.vd_v1 * f.v1, f.vd)
    assert f.ts.std() < 3 and f.td.std() < 25 and f.ts.mean() == pytest.approx(14, abs=3)
    units = f.attrs["units"]
    assert set(units) == set(f.columns) - {"reason"}
    assert all(units[name] == ap.FEATURES[name][0] for name in ap.FEATURES)


@settings(max_examples=15, deadline=None)
@given(st.floats(-1.5, 1.0))
def test_gain_changes_amplitudes_alone(decade):
    gain = 10**decade
    a, b = (ap.eap_features(eap(noise=0.002, rows=4, gain=g), FS) for g in (1.0, gain))
    for name, unit in a.attrs["units"].items():
        np.testing.assert_allclose(b[name], a[name] * (gain if "mV" in unit else 1), rtol=1e-6, err_msg=name)


def test_the_dip_follows_repolarisation():
    found = []
    for dip in (500.0, 700.0, 1100.0):
        x = np.interp(TIME, [0, 170, 174, 177, 184, 1600], [0, 0, 0.17, -0.12, 0, 0])
        found.append(ap.eap_features((x - 0.05 * np.exp(-0.5 * ((TIME - dip) / 60) ** 2))[None], FS).td[0])
    np.testing.assert_allclose(np.diff(found), [200, 400], atol=5)


def test_a_feature_that_the_window_does_not_hold_is_nan_alone():
    x = eap(noise=1e-4)[:, : int(1.0 * FS)]  # ends 100 ms after the dip
    f = ap.eap_features(x, FS).iloc[0]
    assert f.reason == "" and np.isnan(f.ir) and np.isfinite(f.td)


def test_invalid_eaps_are_nan_with_a_reason():
    good, noise = eap(noise=0.003)[0], 0.003 * np.random.default_rng(1).standard_normal(N)
    rows = {
        "missing": with_gap(good, 100, 200),
        "constant": np.full(N, 0.1),
        "v1|noise|onset|spike|dip": -np.abs(good),
        "v1|v2|vd|noise|onset|end|dip": noise,
        "vd|border|dip": eap(dip=-0.2, noise=0.003)[0],
    }
    f = ap.eap_features(np.stack([good, *rows.values()]), FS)
    assert f.reason[0] == "" and np.isfinite(f.td[0])
    numbers = f.drop(columns="reason").iloc[1:]
    assert numbers.isna().all(axis=None)
    for reason, expected in zip(f.reason[1:], rows, strict=True):
        assert any(word in reason for word in expected.split("|")), (reason, expected)


def test_eap_features_refuse_wrong_units_and_rates():
    with pytest.raises(ValueError, match="divide uV by 1000"):
        ap.eap_features(eap(noise=0.003, gain=1000), FS)
    with pytest.raises(ValueError, match="multiply V by 1000"):
        ap.eap_features(eap(noise=0.003, gain=1e-3), FS)
    with pytest.raises(ValueError, match="in Hz"):
        ap.eap_features(eap(), 5.0)
    with pytest.raises(ValueError, match="cannot hold"):
        ap.eap_features(eap()[:, :2000], FS)
    with pytest.raises(ValueError, match="windows"):
        ap.eap_features(eap()[0], FS)
    assert ap.eap_features(np.full((2, N), np.nan), FS).reason.str.contains("missing").all()
    assert len(ap.eap_features(np.empty((0, N)), FS)) == 0
