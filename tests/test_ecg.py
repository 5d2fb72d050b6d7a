"""Beats, their classes, intervals and windows, on traces whose every wave is known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cardio_utils import ecg, lead_algebra
from cardio_utils.simulate import twelve_lead as simulator

WAVES = {"P": (-0.16, 0.15, 0.025), "Q": (-0.03, -0.1, 0.01), "R": (0, 1.0, 0.012), "T": (0.28, 0.3, 0.04)}


def made(peaks, duration=None, *, fs=360.0, symbols=None, p_wave=None, name="made", noise=0.01):
    """A recording with bell-shaped P, Q, R and T waves around each peak (s); `p_wave` scales each P wave."""
    peaks = np.asarray(peaks, float)
    time = np.arange(round((duration or peaks[-1] + 1) * fs)) / fs
    signal = 0.3 * np.sin(2 * np.pi * 0.15 * time) + noise * np.random.default_rng(0).standard_normal(time.size)
    scale = np.ones(peaks.size) if p_wave is None else np.asarray(p_wave, float)
    for peak, p in zip(peaks, scale, strict=True):
        for wave, (delay, height, width) in WAVES.items():
            height = height * p if wave == "P" else height
            signal += height * np.exp(-((time - peak - delay) ** 2) / (2 * width**2))
    samples = np.rint(peaks * fs).astype(np.int64)
    symbols = np.full(peaks.size, "N") if symbols is None else np.asarray(symbols)
    return ecg.Recording(name, name, signal.astype(np.float32), fs, samples, symbols)


def regular(count=40, rr=0.8, start=0.5):
    """Peaks (s) with 5 % variation, so that no two records keep step."""
    jitter = np.random.default_rng(1).uniform(-0.05, 0.05, count - 1)
    return start + np.concatenate([[0], np.cumsum(rr * (1 + jitter))])


def intervals(rr, record="a"):
    """A data set that holds nothing but the intervals `rr` (s) of one record."""
    samples = np.concatenate([[0], np.cumsum(np.rint(np.asarray(rr) * 360))]).astype(np.int64)
    before, after, mean = ecg.rr_intervals(samples, 360)
    columns = {"sample": samples, "rr_before": before, "rr_after": after, "rr_mean": mean}
    columns["record"] = np.full(samples.size, record)
    return xr.Dataset(coords={name: ("beat", column) for name, column in columns.items()})


def test_classes_of_the_symbols():
    symbols = [*"NLRejAaJSVEF/fQ", "+", "~", "!", "x", "|", '"', ""]
    assert "".join(ecg.aami_class(symbols)) == "NNNNNSSSSVVFQQQ"
    assert ecg.aami_class(symbols).tolist()[15:] == [""] * 7
    assert ecg.aami_class([]).shape == (0,)


def test_intervals():
    before, after, mean = ecg.rr_intervals([0, 360, 900, 1260], 360, local=2)
    np.testing.assert_allclose(before, [np.nan, 1, 1.5, 1])
    np.testing.assert_allclose(after, [1, 1.5, 1, np.nan])
    np.testing.assert_allclose(mean, [np.nan, 1, 1.25, 1.25])
    assert before.dtype == np.float32
    for column in ecg.rr_intervals([5], 360):
        assert np.isnan(column).tolist() == [True]


def test_centred_windows_lie_on_the_peak_without_baseline():
    record = made(regular() + 0.0013, noise=0)
    wave = ecg.beat_windows_centred(record.signal, record.fs, record.samples)
    assert wave.shape == (40, 144) and wave.dtype == np.float32
    assert (wave[1:-1].argmax(axis=1) == 64).all()
    p_wave = wave[:, 64 - round(0.16 * 125)]
    assert np.ptp(p_wave[2:-2]) < 0.05, "the baseline still moves the P wave"
    # The peak lies between two samples of 125 Hz in most beats, and its height must not depend on where.
    assert wave[2:-2, 64].std() < 0.02


def test_beats_at_the_ends_of_the_record_stay():
    record = made(regular(start=0.02), duration=regular(start=0.02)[-1] + 0.03)
    wave = ecg.beat_windows_centred(record.signal, record.fs, record.samples)
    assert len(wave) == 40 and np.isfinite(wave).all()
    assert wave[0, 64] > 0.5 and wave[-1, 64] > 0.5
    assert np.ptp(wave[0, :58]) < 1e-6, "before the record its first value is held"
    wave, valid = ecg.beat_windows_kachuee(record.signal, record.fs, record.samples)
    assert len(wave) == 40 and np.isfinite(wave).all()
    assert valid[-1] == 4 and (wave[-1, 4:] == 0).all()


def test_kachuee_windows():
    record = made(np.arange(0.5, 40, 0.8), noise=0)
    wave, valid = ecg.beat_windows_kachuee(record.signal, record.fs, record.samples)
    assert wave.shape == (50, 187) and valid.dtype == np.int16
    assert (valid[:-2] == 120).all(), "1.2 x 0.8 s at 125 Hz"
    inside = np.arange(187) < valid[:, None]
    assert (wave[~inside] == 0).all() and wave.min() == 0 and wave.max() == 1
    assert (wave.max(axis=1) == 1).all() and (wave[:-1, 0] > 0.75).all()
    assert (wave[:-2, 95:105].max(axis=1) > 0.75).all(), "the next R peak is in the window"


def test_kachuee_windows_follow_the_rate_of_their_ten_seconds():
    slow, fast = np.arange(0.5, 20, 1.0), np.arange(20.5, 40, 0.5)
    record = made(np.concatenate([slow, fast]))
    _, valid = ecg.beat_windows_kachuee(record.signal, record.fs, record.samples)
    assert (valid[: len(slow)] == 150).all() and (valid[len(slow) : -2] == 75).all()
    # A lone beat has no interval in its ten seconds: the record's median counts; nothing is longer than 187.
    lone = made([1.0, 3.0, 25.0, 31.0, 33.0], noise=0)
    assert ecg.beat_windows_kachuee(lone.signal, lone.fs, lone.samples)[1].tolist() == [
        187,
        187,
        187,
        187,
        125,
    ]


def test_r_peaks_are_found():
    for fs in (125.0, 360.0, 1000.0):
        record = made(regular(), fs=fs)
        found = ecg.find_r_peaks(record.signal, fs)
        assert len(found) == 40 and np.abs(found - record.samples).max() <= 0.02 * fs
    upside_down = ecg.find_r_peaks(-record.signal, fs)
    assert len(upside_down) == 40 and np.abs(upside_down - record.samples).max() <= 0.02 * fs


def test_a_sound_recording_passes():
    ecg.check_recording(made(regular()))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda r: r._replace(signal=np.where(np.arange(r.signal.size) == 7, np.nan, r.signal)),
            "are missing",
        ),
        (lambda r: r._replace(signal=r.signal[:1080], samples=r.samples[:3]), "lasts 3.0 s"),
        (lambda r: r._replace(signal=0 * r.signal + 0.5), "flat"),
        (lambda r: r._replace(samples=r.samples[:1]), "1 beat"),
        (lambda r: r._replace(samples=r.samples[::-1]), "ascending"),
        (lambda r: r._replace(samples=r.samples + 3000), "belong to another record"),
        (lambda r: r._replace(samples=r.samples + 120), "belong to another record"),
        (lambda r: r._replace(samples=made(regular(40, 0.77, 0.3)).samples), "belong to another record"),
    ],
)
def test_a_recording_that_cannot_be_trusted_is_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        ecg.check_recording(change(made(regular())))


def test_a_premature_beat_stands_out_in_its_ratios():
    rr = np.ones(30)
    rr[14:16] = 0.6, 1.4  # beat 15 comes early and is followed by a pause
    table = ecg.rr_features(intervals(rr))
    early = table.loc[15]
    for column in ("before_recent", "before_local", "before_record"):
        assert early[column] == pytest.approx(0.6, abs=0.01)
    for column in ("after_local", "after_record", "next_recent"):
        assert early[column] == pytest.approx(1.4, abs=0.01)
    assert early["after_before"] == pytest.approx(1.4 / 0.6, abs=0.02)
    assert early["before_mean"] == pytest.approx(0.6 / 0.96, abs=0.01)
    assert early["before_average"] == pytest.approx(0.6, abs=0.01)
    assert early["after_next_local"] == pytest.approx(1, abs=0.01)
    assert early["log_before_local"] == pytest.approx(np.log(0.6), abs=0.02)
    assert table.loc[16, "previous_recent"] == pytest.approx(0.6, abs=0.01)
    assert table.loc[16, "previous_local"] == pytest.approx(0.6, abs=0.01)


LOOKS_AHEAD = {  # beats, as the docstring of rr_features says; the record-wide ratios read everything
    "rr_before": 0, "before_mean": 0, "before_recent": 0, "previous_recent": 0, "log_before_recent": 0,
    "rr_after": 1, "after_before": 1, "next_recent": 1, "log_after_before": 1,
    "previous_local": 9, "before_local": 10, "after_local": 10, "log_before_local": 10,
    "after_next_local": 12,
}  # fmt: skip


def test_no_ratio_reads_further_ahead_than_it_says():
    rr = np.random.default_rng(0).uniform(0.6, 1.0, 60)
    whole = ecg.rr_features(intervals(rr))
    record_wide = {"before_record", "after_record", "before_average", "log_before_record"}
    assert set(whole) == set(LOOKS_AHEAD) | record_wide
    for column, ahead in LOOKS_AHEAD.items():
        cut = ecg.rr_features(intervals(rr[: 30 + ahead]))[column]
        assert cut[30] == pytest.approx(whole[column][30]), column
        if ahead > 1:
            later = rr.copy()
            later[29 + ahead] = 5.0
            shorter = ecg.rr_features(intervals(later[: 29 + ahead]))[column]
            assert shorter[30] != pytest.approx(whole[column][30]), f"{column} reads less than it says"


def test_ratios_stay_within_their_record_and_keep_the_order():
    a, b = intervals(np.linspace(0.7, 0.9, 25)), intervals(np.linspace(1.2, 0.8, 25), record="b")
    both = xr.concat([a, b], dim="beat")
    alone = pd.concat([ecg.rr_features(a), ecg.rr_features(b)], ignore_index=True)
    pd.testing.assert_frame_equal(ecg.rr_features(both), alone)
    order = np.random.default_rng(0).permutation(both.sizes["beat"])
    mixed = ecg.rr_features(both.isel(beat=order))
    pd.testing.assert_frame_equal(mixed, alone.iloc[order].reset_index(drop=True))


def test_unknown_intervals_give_nan():
    beats = intervals(np.ones(5))
    for name in ("rr_before", "rr_after", "rr_mean"):
        beats[name][:] = np.nan
    assert ecg.rr_features(beats).isna().all().all()


# Several leads


def polygon(fs=500.0, *, qrs=(0.04, 0.05), st=0.0, t=(0.2, 0.4, 0.3), rr=0.9, count=10, noise=0.0):
    """A lead with known bounds: a triangular QRS complex of 1 mV, a plateau, a T wave like a raised cosine."""
    time = np.arange(round((count * rr + 0.6) * fs)) / fs
    x = noise * np.random.default_rng(0).standard_normal(time.size)
    for peak in 0.5 + rr * np.arange(count):
        at = time - peak
        x += np.interp(at, [-qrs[0], 0, qrs[1]], [0, 1, st], left=0, right=0) * (at <= qrs[1])
        x += st * ((at > qrs[1]) & (at < t[0]))
        inside = (at >= t[0]) & (at <= t[1])
        x += inside * (t[2] * 0.5 * (1 - np.cos(2 * np.pi * (at - t[0]) / (t[1] - t[0]))))
    return x


def test_r_peaks_of_several_leads_are_those_of_the_clear_one():
    recording = made(regular(15), fs=250.0)
    unclear = 0.05 * np.random.default_rng(2).standard_normal(recording.signal.size)
    found = ecg.find_r_peaks(np.stack([unclear, recording.signal, -0.5 * recording.signal]), 250.0)
    assert np.abs(found - recording.samples).max() <= 2
    np.testing.assert_array_equal(
        ecg.find_r_peaks(recording.signal[None], 250.0), ecg.find_r_peaks(recording.signal, 250.0)
    )


def test_the_mean_beat_is_that_of_whole_beats():
    x = np.zeros((2, 100))
    x[:, [5, 40, 70]] = [[9.0, 1, 1], [9, 2, 2]]
    beat = ecg.mean_beat(x, 100, [5, 40, 70], before=0.1, after=0.2)
    assert beat.shape == (2, 30)
    assert beat[:, 10].tolist() == [1, 2]
    with pytest.raises(ValueError, match="no beat lies wholly"):
        ecg.mean_beat(x, 100, [5], before=0.1, after=0.2)


@pytest.mark.parametrize("fs", [100.0, 250.0, 500.0])
def test_bounds_of_waves_that_are_known(fs):
    found = ecg.delineate(polygon(fs), fs)
    inner = slice(1, -1)
    assert np.diff(found.peak) == pytest.approx(0.9, abs=0.011)
    true_peak = 0.5 + 0.9 * np.arange(10)[inner]
    assert (found.qrs_onset[inner] - true_peak) == pytest.approx(-0.04, abs=0.02)
    assert (found.qrs_offset[inner] - true_peak) == pytest.approx(0.05, abs=0.02)
    # The tangent of a raised cosine from 0.2 to 0.4 s at its steepest point meets the baseline at 0.382 s
    assert (found.t_end[inner] - true_peak) == pytest.approx(0.382, abs=0.015)
    assert found.r[inner, 0] == pytest.approx(1.0, abs=0.2)
    assert found.t[inner, 0] == pytest.approx(0.3, abs=0.05)
    assert found.st[inner, 0] == pytest.approx(0, abs=0.05)


def test_a_longer_complex_and_a_raised_st_are_measured():
    wide = ecg.delineate(polygon(qrs=(0.07, 0.09)), 500.0)
    narrow = ecg.delineate(polygon(), 500.0)
    assert np.median(wide.qrs_offset - wide.qrs_onset) - np.median(narrow.qrs_offset - narrow.qrs_onset) > 0.04
    raised, low = (ecg.delineate(polygon(st=level), 500.0) for level in (0.2, -0.2))
    assert np.median(raised.st) == pytest.approx(0.2, abs=0.06)
    assert np.median(low.st) == pytest.approx(-0.2, abs=0.06)


def test_sign_and_leads_are_kept():
    x = polygon()
    found = ecg.delineate(np.stack([x, -x, 0.5 * x]), 500.0)
    assert found.r.shape == (10, 3)
    np.testing.assert_allclose(found.s[:, 1], -found.r[:, 0], atol=1e-9)
    np.testing.assert_allclose(found.t[1:-1, 1], -found.t[1:-1, 0], atol=1e-9)
    np.testing.assert_allclose(found.r[:, 2], 0.5 * found.r[:, 0], atol=1e-9)


def test_what_cannot_be_seen_is_nan():
    without_t = ecg.delineate(polygon(t=(0.2, 0.4, 0.0), noise=0.003), 500.0)
    assert np.isnan(without_t.t_end).mean() > 0.7
    assert np.isfinite(without_t.qrs_offset).all()
    cut = ecg.delineate(polygon()[: int(500 * (0.5 + 9 * 0.9 + 0.15))], 500.0)
    assert np.isnan(cut.t_end[-1])
    assert np.isnan(cut.t[-1]).all()


def test_t_ends_are_about_those_of_neurokit():
    import neurokit2 as neurokit

    recording = made(regular(12), fs=500.0, noise=0.005)
    ours = ecg.delineate(recording.signal, 500.0, recording.samples)
    _, theirs = neurokit.ecg_delineate(recording.signal, recording.samples, sampling_rate=500, method="dwt")
    difference = ours.t_end - np.array(theirs["ECG_T_Offsets"], float) / 500
    assert abs(np.nanmedian(difference)) < 0.06
    onset = ours.qrs_onset - np.array(theirs["ECG_R_Onsets"], float) / 500
    assert abs(np.nanmedian(onset)) < 0.06


@pytest.fixture(scope="module")
def simulated():
    return [simulator.record(simulator.patient(k, 1), k, 0, seed=1).ecg for k in range(5)]


@pytest.mark.parametrize("pair", ["", "LA-RA", "RA-LL"])
def test_exchanged_electrodes_are_named(simulated, pair):
    said = [ecg.lead_swap(lead_algebra.swap_electrodes(x, pair), 100.0) for x in simulated]
    assert said.count(pair) >= 4


def test_exchanged_electrodes_need_all_leads(simulated):
    x = simulated[0].copy()
    x[8, 4] = np.nan
    with pytest.raises(ValueError, match="without missing values"):
        ecg.lead_swap(x, 100.0)
