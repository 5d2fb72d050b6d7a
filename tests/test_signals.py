"""Filters and resampling: what passes, what does not, and that nothing moves in time."""

import numpy as np
import pytest

from cardio_utils import signals

FS = 360.0
TIME = np.arange(0, 20, 1 / FS)
INNER = slice(720, -720)  # away from the transients at the ends


def sine(frequency, time=TIME):
    return np.sin(2 * np.pi * frequency * time)


def rms(x):
    return np.sqrt(np.mean(x[len(x) // 4 : -len(x) // 4] ** 2))


def test_highpass_removes_the_baseline_and_moves_nothing():
    wander = 3 + sine(0.1)
    flat = signals.highpass(sine(10) + wander, FS, 0.5)
    np.testing.assert_allclose(flat[INNER], sine(10)[INNER], atol=0.01)


def test_lowpass_and_bandpass_keep_their_band():
    mixed = sine(2) + sine(12) + sine(90)
    low = signals.lowpass(mixed, FS, 30, order=4)
    np.testing.assert_allclose(low[INNER], (sine(2) + sine(12))[INNER], atol=0.03)
    band = signals.bandpass(mixed, FS, 6, 24, order=4)
    np.testing.assert_allclose(band[INNER], sine(12)[INNER], atol=0.03)


def test_gain_at_the_corner_is_one_half():
    for order in (1, 2, 4):
        assert rms(signals.highpass(sine(5), FS, 5, order=order)) / rms(sine(5)) == pytest.approx(0.5, abs=0.01)


def test_axis_and_type():
    both = np.stack([sine(1), sine(10)], axis=1).astype(np.float32)
    filtered = signals.highpass(both, FS, 4, axis=0)
    assert filtered.shape == both.shape and filtered.dtype == np.float32
    np.testing.assert_allclose(filtered[:, 1], signals.highpass(both[:, 1], FS, 4), atol=1e-6)


@pytest.mark.parametrize("corner", [0, -1, 180, 500])
def test_a_corner_out_of_range_is_refused(corner):
    with pytest.raises(ValueError, match="between 0 and half"):
        signals.highpass(TIME, FS, corner)
    with pytest.raises(ValueError, match="between 0 and half"):
        signals.bandpass(TIME, FS, 10, 5)


def test_one_sample_is_refused():
    with pytest.raises(ValueError, match="cannot be filtered"):
        signals.lowpass([1.0], FS, 10)


def test_resample_keeps_what_fits_and_drops_what_would_alias():
    slow = signals.resample(sine(10), FS, 125)
    assert len(slow) == np.ceil(len(TIME) * 125 / 360)
    time = np.arange(len(slow)) / 125
    np.testing.assert_allclose(slow[50:-50], sine(10, time)[50:-50], atol=0.01)
    assert rms(signals.resample(sine(100), FS, 125)) < 0.02
    stacked = signals.resample(np.stack([sine(10)] * 2, axis=1), FS, 125, axis=0)
    np.testing.assert_allclose(stacked[:, 1], slow)


def test_sample_at_reads_between_the_samples():
    times = 5 + np.arange(400).reshape(4, 100) / 125 + 0.00123
    np.testing.assert_allclose(signals.sample_at(sine(20), FS, times, 125), sine(20, times), atol=0.005)
    assert np.abs(signals.sample_at(sine(100), FS, times, 125)).max() < 0.03
    # Also where the new rate is the faster one, and no filter is needed.
    np.testing.assert_allclose(signals.sample_at(sine(20), FS, times, 1000), sine(20, times), atol=0.005)


def test_sample_at_holds_the_ends():
    ramp = np.linspace(2, 3, 500)
    np.testing.assert_allclose(signals.sample_at(ramp, FS, [-1.0, 99.0], 125), [2, 3], atol=0.01)


def test_a_causal_highpass_is_undone_up_to_a_constant_and_only_from_the_start():
    from scipy import signal

    wave = np.where(TIME % 1 < 0.4, 100.0, 0.0)
    filtered = signal.sosfilt(signal.butter(1, 0.1, "highpass", fs=FS, output="sos"), wave)
    start = round(12 * FS)  # when the transient of the filter is over
    restored = signals.undo_highpass(filtered, FS, 0.1, start=start)
    np.testing.assert_allclose(restored[:start], filtered[:start], atol=1e-4)
    error = (restored - wave)[start:]
    assert np.ptp(error) < 0.5 and np.ptp((filtered - wave)[start:]) > 10


def test_undoing_an_impossible_highpass_is_refused():
    with pytest.raises(ValueError, match="must lie between"):
        signals.undo_highpass(TIME, FS, FS)
