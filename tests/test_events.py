"""Events: matching is one to one and the best there is, and every number of the table has an oracle."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardio_utils import events
from cardio_utils.simulate import mepp

FS = 10_000.0


# Matching


def test_match_pairs_the_closest_within_the_tolerance():
    found = events.match([0.1, 0.2, 0.3], [0.2985, 0.1015, 0.5, 0.2021])
    assert found.true.tolist() == [0, 2] and found.found.tolist() == [1, 0]
    np.testing.assert_allclose(found.error, [0.0015, -0.0015])
    assert events.match([0.1], [0.102]).true.tolist() == [0]
    assert events.match([0.1], [0.1021]).true.size == 0
    # As many pairs as possible first: the closest pair alone would leave one over.
    crowd = events.match([0.0, 0.002], [0.0019, 0.0039])
    assert crowd.found.tolist() == [0, 1]
    # Then the least distance.
    assert events.match([0.0, 0.0015], [0.0015]).true.tolist() == [1]
    for a, b in (([], []), ([1.0], []), ([], [1.0])):
        assert len(events.match(a, b).true) == 0


def best(true, found, tolerance):
    """Most pairs, least distance, by trying everything."""
    small, large = (true, found) if len(true) <= len(found) else (found, true)
    results = [(0, 0.0)]
    for k in range(1, len(small) + 1):
        for chosen in itertools.combinations(range(len(small)), k):
            for partners in itertools.permutations(range(len(large)), k):
                distance = [abs(small[i] - large[j]) for i, j in zip(chosen, partners, strict=True)]
                if max(distance) <= tolerance:
                    results.append((-k, sum(distance)))
    return min(results)


times = st.lists(st.integers(0, 12).map(lambda k: k * 7e-4), max_size=4)


@settings(max_examples=60, deadline=None)
@given(times, times)
def test_match_is_the_best_there_is(true, found):
    got = events.match(true, found)
    assert len(set(got.true)) == len(got.true) and len(set(got.found)) == len(got.found)
    pairs, distance = best(true, found, 2e-3)
    assert len(got.true) == -pairs
    assert np.abs(got.error).sum() == pytest.approx(distance, abs=1e-12)


def test_match_of_many_events_is_fast_and_symmetric():
    rng = np.random.default_rng(0)
    a, b = np.sort(rng.uniform(0, 1000, 5000)), rng.uniform(0, 1000, 5000)
    one, other = events.match(a, b), events.match(b, a)
    assert len(one.true) == len(other.true) and np.abs(one.error).max() <= 2e-3
    assert np.abs(one.error).sum() == pytest.approx(np.abs(other.error).sum())


def test_match_refuses_what_is_no_time():
    with pytest.raises(ValueError, match="finite"):
        events.match([np.nan], [1.0])
    with pytest.raises(ValueError, match="tolerance"):
        events.match([1.0], [1.0], -1.0)


def test_score_counts_by_recording():
    true, found = ([1.0, 2.0, 1.0], ["a", "a", "b"]), ([1.001, 3.0, 2.0], ["a", "a", "c"])
    table = events.score(*true, *found, recordings=["a", "b", "c", "d"])
    assert table.loc["a", ["tp", "fp", "fn"]].tolist() == [1, 1, 1] and table.loc["a", "f1"] == 0.5
    assert table.loc["b", ["tp", "fp", "fn"]].tolist() == [0, 0, 1] and table.loc["b", "recall"] == 0
    assert table.loc["c", "precision"] == 0 and np.isnan(table.loc["c", "recall"])
    assert np.isnan(table.loc["d", ["precision", "recall", "f1"]].astype(float)).all()
    assert len(events.score([], [], [], [])) == 0
    with pytest.raises(ValueError, match="not listed: c"):
        events.score([1.0], ["c"], [], [], recordings=["a"])
    with pytest.raises(ValueError, match="one recording a time"):
        events.score([1.0], [], [], [])


def test_f1_is_the_harmonic_mean():
    precision, recall, f1 = events.precision_recall_f1([8, 3], [2, 0], [4, 1])
    np.testing.assert_allclose(f1, 2 * precision * recall / (precision + recall))
    np.testing.assert_allclose(precision, [0.8, 1])


# The table


def trace(onsets, amplitudes, rise=0.5e-3, decay=3.5e-3, duration=2.0, noise=0.0, fs=FS, base=-70.0):
    t = np.arange(round(duration * fs)) / fs
    rng = np.random.default_rng(0)
    x = base + noise * rng.standard_normal(t.size)
    for onset, amplitude in zip(onsets, amplitudes, strict=True):
        x = x + amplitude * mepp.shape(t - onset, rise, decay)
    return x


ONSETS = np.array([0.3, 0.7, 1.1, 1.5]) + 0.00003
HEIGHTS = np.array([1.0, 0.5, 2.0, 0.8])
PEAKS = ONSETS + mepp.time_to_peak(0.5e-3, 3.5e-3)


def crossings(level):
    """Times of the exact shape at a share of its peak: (before, after the peak)."""
    t = np.linspace(0, 40e-3, 400_001)
    y = mepp.shape(t, 0.5e-3, 3.5e-3)
    above = np.flatnonzero(y >= level)
    return t[above[0]], t[above[-1]]


def test_a_clean_trace_gives_the_numbers_of_the_shape():
    x = trace(ONSETS, HEIGHTS)
    table = events.event_table(x, FS, PEAKS[::-1] + 0.0005, scores=[4, 3, 2, 1])
    assert table.columns.tolist() == list(events.COLUMNS) and table.attrs["units"]["tau"] == "ms"
    np.testing.assert_allclose(table.peak, PEAKS, atol=2e-4)
    np.testing.assert_allclose(table.amplitude, HEIGHTS, rtol=0.01)
    np.testing.assert_allclose(table.baseline, -70, atol=1e-6)
    np.testing.assert_allclose(table.onset, ONSETS, atol=1.5e-4)
    (t10, _), (t90, _), (up, down) = crossings(0.1), crossings(0.9), crossings(0.5)
    # The average over 0.3 ms rounds the foot of the rise off.
    np.testing.assert_allclose(table.rise, 1000 * (t90 - t10), atol=0.12)
    np.testing.assert_allclose(table.half_width, 1000 * (down - up), atol=0.08)
    np.testing.assert_allclose(table.half_decay, 1000 * (down + ONSETS[0] - PEAKS[0]), atol=0.25)
    np.testing.assert_allclose(table.tau, 3.5, rtol=0.05)
    assert (table.tau_r2 > 0.995).all()
    t = np.linspace(0, 40e-3, 400_001)
    until = (PEAKS[0] - ONSETS[0]) + 4 * table.half_decay.iloc[0] / 1000
    area = HEIGHTS * np.trapezoid(mepp.shape(t[t <= until], 0.5e-3, 3.5e-3), t[t <= until]) * 1000
    np.testing.assert_allclose(table.area, area, rtol=0.02)
    np.testing.assert_allclose(table.interval.iloc[1:], np.diff(PEAKS), atol=3e-4)
    assert np.isnan(table.interval.iloc[0]) and not table.overlap.any()
    assert table.score.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("fs", [5000.0, 20_000.0, 50_000.0])
def test_other_sampling_rates_give_the_same_numbers(fs):
    table = events.event_table(trace(ONSETS, HEIGHTS, fs=fs), fs, PEAKS)
    np.testing.assert_allclose(table.amplitude, HEIGHTS, rtol=0.04)
    np.testing.assert_allclose(table.tau, 3.5, rtol=0.06)
    np.testing.assert_allclose(table.onset, ONSETS, atol=2.5e-4)


def test_polarity_turns_the_trace_and_keeps_amplitudes_positive():
    x = trace(ONSETS, HEIGHTS, noise=0.02)
    up, down = events.event_table(x, FS, PEAKS), events.event_table(-x, FS, PEAKS, polarity=-1)
    for name in events.COLUMNS:
        np.testing.assert_allclose(down[name], (-1 if name == "baseline" else 1) * up[name])
    assert (down.amplitude > 0).all()


def test_the_numbers_do_not_depend_on_baseline_or_scale():
    x = trace(ONSETS, HEIGHTS, noise=0.02)
    one, other = events.event_table(x, FS, PEAKS), events.event_table(3 * x + 5, FS, PEAKS)
    for name in ("rise", "half_width", "tau", "tau_r2", "snr", "onset"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-6)
    np.testing.assert_allclose(other.amplitude, 3 * one.amplitude)


def test_summed_events_keep_their_amplitudes():
    onsets, heights = [0.5, 0.504, 0.508, 1.2], [1.0, 1.0, 0.7, 1.0]
    peaks = np.array(onsets) + mepp.time_to_peak(0.5e-3, 3.5e-3)
    table = events.event_table(trace(onsets, heights), FS, peaks)
    assert table.overlap.tolist() == [True, True, True, False]
    np.testing.assert_allclose(table.amplitude, heights, rtol=0.06)
    assert table.baseline.iloc[1] > -69.8  # on the decay of the first
    # Without the extension the second would be measured from the valley, a quarter too small.
    np.testing.assert_allclose(np.diff(table.onset[:3]), 0.004, atol=4e-4)


def test_noise_is_local_and_leaves_events_out():
    rng = np.random.default_rng(1)
    level = np.where(np.arange(100_000) < 50_000, 0.05, 0.2)
    x = level * rng.standard_normal(100_000) + np.linspace(0, 3, 100_000)
    times = np.arange(0.5, 9.9, 0.3)
    for t in times:
        x += 2 * mepp.shape(np.arange(100_000) / FS - t, 0.5e-3, 3.5e-3)
    found = events.local_noise(x, FS, times)
    assert found.shape == x.shape and found.dtype == np.float32
    np.testing.assert_allclose(found[3000:48_000:1000], 0.05, rtol=0.15)
    np.testing.assert_allclose(found[52_000:97_000:1000], 0.2, rtol=0.15)
    assert events.local_noise(x, FS)[5000] > 2 * found[5000]
    x[20_000:21_000] += 50 * rng.standard_normal(1000)
    kept = events.local_noise(x, FS, times, excluded=[(2.0, 2.1)])
    np.testing.assert_allclose(kept[19_000:22_000:500], 0.05, rtol=0.2)


def test_an_interval_across_an_excluded_stretch_is_unknown():
    x = trace(ONSETS, HEIGHTS, noise=0.01)
    table = events.event_table(x, FS, PEAKS, excluded=[(0.8, 0.9)])
    assert np.isnan(table.interval).tolist() == [True, False, True, False]


def test_a_peak_moves_no_further_than_half_way_to_the_next():
    onsets = np.array([0.5, 0.503])
    peaks = onsets + mepp.time_to_peak(0.5e-3, 3.5e-3)
    table = events.event_table(trace(onsets, [0.5, 2.0]), FS, peaks, refine=0.01)
    assert table.peak.is_unique and abs(table.peak.iloc[1] - peaks[1]) < 3e-4


def test_events_at_the_ends_and_none_at_all():
    x = trace([0.0, 1.998], [1.0, 1.0], noise=0.01)
    table = events.event_table(x, FS, [0.001, 1.999, 0.0])
    assert len(table) == 3 and np.isfinite(table.amplitude).all()
    empty = events.event_table(x, FS, [])
    assert len(empty) == 0 and empty.columns.tolist() == list(events.COLUMNS)
    assert events.summary(empty, 2.0).loc["rate", "mean"] == 0


def test_what_never_decays_has_no_time_constant():
    x = np.r_[np.zeros(5000), np.ones(15_000)] + 1e-6 * np.arange(20_000)
    table = events.event_table(x, FS, [0.5])
    assert np.isnan(table[["half_width", "half_decay", "tau", "tau_r2", "area"]].to_numpy()).all()


def test_amplitudes_are_unbiased_at_moderate_noise():
    data = mepp.simulate("normal", 2, 60.0, snr=6, rate=2.0)
    ratio = []
    for i in range(2):
        mine = data.event_recording.values == i
        table = events.event_table(data.vm.values[i], FS, data.peak.values[mine])
        ratio.append(table.amplitude.mean() / data.amplitude.values[mine].mean())
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)


def test_many_events_in_pieces_are_the_same(monkeypatch):
    data = mepp.simulate("hard", 1, 20.0, rate=5.0)
    x, peaks = data.vm.values[0], data.peak.values
    whole = events.event_table(x, FS, peaks)
    monkeypatch.setattr(events, "_CHUNK", 7)
    alone = ~whole.overlap
    pieces = events.event_table(x, FS, peaks)
    pd.testing.assert_frame_equal(pieces[alone], whole[alone])


@pytest.mark.parametrize(
    ("x", "times", "options", "reason"),
    [
        (np.zeros((2, 5)), [], {}, "one trace"),
        (np.array([0, np.nan, 1]), [], {}, "not finite: fill them"),
        (np.zeros(100), [1.0], {}, "must lie within the trace, 0 to 0.01 s"),
        (np.zeros(100), [0.001], {"scores": [1, 2]}, "2 scores for 1 events"),
        (np.zeros(100), [], {"polarity": 0}, "polarity must be 1 or -1"),
    ],
)
def test_what_does_not_fit(x, times, options, reason):
    with pytest.raises(ValueError, match=reason):
        events.event_table(x, FS, times, **options)
    with pytest.raises(ValueError, match="no sampling rate"):
        events.event_table(np.zeros(100), 0, [])


# Windows, summary


def test_windows_are_aligned_between_samples_and_end_with_the_trace():
    x = trace(ONSETS, HEIGHTS)
    rows = events.waveforms(x, FS, ONSETS)
    assert rows.shape == (4, 171)
    expected = mepp.shape(np.arange(-20, 151) / FS, 0.5e-3, 3.5e-3)
    np.testing.assert_allclose(rows / HEIGHTS[:, None], np.tile(expected, (4, 1)), atol=0.06)
    np.testing.assert_allclose(events.waveforms(-x, FS, ONSETS, polarity=-1), rows)
    edge = events.waveforms(x, FS, [0.0, 1.9995])
    assert np.isnan(edge[0, :20]).all() and np.isnan(edge[1, 30:]).all()


def test_a_summary_has_rate_and_spread():
    table = events.event_table(trace(ONSETS, HEIGHTS, noise=0.01), FS, PEAKS)
    told = events.summary(table, 2.0)
    assert told.loc["rate", "mean"] == 2.0 and told.loc["rate", "n"] == 4 and told.loc["rate", "sd"] == 1.0
    assert told.loc["amplitude", "mean"] == pytest.approx(table.amplitude.mean())
    assert told.loc["amplitude", "cv"] == pytest.approx(table.amplitude.std() / table.amplitude.mean())
    assert told.loc["interval", "n"] == 3 and told.loc["tau", "unit"] == "ms"
