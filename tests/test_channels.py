"""Many channels: what is found does not depend on how it is read, what is wrong is said, and memory stays bounded."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage

from cardio_utils import channels, intervals
from cardio_utils import reconstruction as rc
from cardio_utils.data import nea

FS = 5000.0
PERIOD = 1.7


class Known(torch.nn.Module):
    """Gives every beat one waveform of known durations, and a band of constant height."""

    def __init__(self):
        super().__init__()
        t = rc.Windows.time
        wave = 1 / (1 + np.exp(-t / 0.002)) / (1 + np.exp((t - 0.5) / 0.03))
        self.register_buffer("wave", torch.tensor(wave, dtype=torch.float32))

    def forward(self, x):
        median = self.wave.expand(len(x), -1)
        return torch.stack([median - 0.05, median, median + 0.05], dim=1)


BAND = intervals.Band(np.ones(4), 0.9, 10)
ERRORS = intervals.Errors(np.zeros((4, 173), np.float32), np.array(list("abcd")))


def eap(duration, delay=0.0, start=0.6, noise=0.002, seed=0):
    """An extracellular trace (mV): a biphasic spike and a slow wave that ends with the action potential."""
    t = np.arange(round(duration * FS)) / FS - delay
    phase = (t - start) % PERIOD
    phase = np.where(t < start - 0.3, 1.0, phase)
    away = np.minimum(phase, np.abs(phase - PERIOD))
    signed = np.where(phase < PERIOD / 2, phase, phase - PERIOD)
    spike = -0.2 * signed / 0.001 * np.exp(0.5 - (away / 0.001) ** 2 / 2)
    slow = 0.03 / (1 + np.exp((phase - 0.5) / 0.03)) * (phase > 0.002)
    hiss = noise * np.random.default_rng(seed).standard_normal(t.size)
    return spike + slow + ndimage.uniform_filter1d(hiss, 3)


def iap(duration, width=0.5, start=0.6):
    t = (np.arange(round(duration * FS)) / FS - start) % PERIOD
    return (5 - t) / (1 + np.exp((t - width) / 0.03)) * (1 - np.exp(-t / 0.002))


def recording(x, kind=None):
    x = np.asarray(x, np.float32)
    kind = np.full(len(x), "eap") if kind is None else np.array(kind)
    return channels.Recording(x, FS, 1.0, kind, np.arange(len(x)).astype(str), "own")


def run(own, **options):
    return channels.study(own, [Known()], BAND, ERRORS, **({"n": 3} | options))


def test_every_beat_is_found_once_however_the_recording_is_read():
    own = recording([eap(20), eap(20, delay=0.004, seed=1), iap(20)], ["eap", "eap", "iap"])
    whole, pieces = run(own), run(own, chunk=3.1)
    assert whole.table["time"].to_numpy() == pytest.approx(pieces.table["time"].to_numpy(), abs=2e-4)
    assert (whole.table["beat"] == pieces.table["beat"]).all()
    assert whole.table.groupby("channel").size().tolist() == [11, 11, 11]
    assert whole.left_out == pieces.left_out


def test_durations_are_those_of_the_network_and_of_the_inside_channel():
    table = run(recording([eap(12), iap(12, 0.4)], ["eap", "iap"])).table
    outer, inner = (table[table["kind"] == kind] for kind in ("eap", "iap"))
    expected = intervals.durations(Known().wave.numpy()[None], channels.LEVELS)[0]
    assert outer[["apd50", "apd70", "apd90"]].mean().to_numpy() == pytest.approx(expected, abs=1)
    assert (outer["apd90_low"] <= outer["apd90_high"]).all()
    assert inner["apd50"].mean() == pytest.approx(400, abs=15)
    assert inner["apd90_low"].isna().all()


def test_delays_are_those_of_the_wave():
    delays = [0.0, 0.002, 0.006]
    own = recording([eap(15, delay=d, seed=k) for k, d in enumerate(delays)])
    found = run(own).table.groupby("channel")["delay"].median()
    assert (found - found[0]).to_numpy() == pytest.approx([0, 2, 6], abs=0.2)


def test_waveforms_are_kept_where_they_are_asked_for():
    found = run(recording([eap(12), np.zeros(60_000)]), keep=(5.0, 9.0)).waves
    assert set(found) == {5.0, 9.0}
    assert np.isfinite(found[5.0][0]).all() and np.isnan(found[5.0][1]).all()


def test_a_channel_of_zeros_and_an_inverted_one_are_named_and_the_others_are_not_lost():
    study = run(recording([eap(12), np.zeros(60_000), -eap(12), np.full(60_000, np.nan)]))
    assert set(study.table["channel"]) == {0}
    assert "constant" in study.problems[1]
    assert "inverted" in study.problems[2]
    assert "missing" in study.problems[3]


def test_no_channel_with_beats_is_an_error_that_says_why():
    with pytest.raises(ValueError, match="no beat in any of 2 channels: the recording is constant"):
        run(recording(np.zeros((2, 60_000))))


def test_beats_that_the_ends_cut_off_are_counted():
    whole = run(recording([eap(12)]))
    cut = run(recording([eap(12)[: round(11.2 * FS)]]))
    assert len(cut.table) == len(whole.table) and cut.left_out == 1


def test_windows_of_a_wrong_length_or_rate_and_cut_off_beats_are_refused():
    window = eap(1.9)[round(0.4 * FS) : round(1.9 * FS)]
    assert len(rc.extracellular(window[None], FS)) == 1
    with pytest.raises(ValueError, match="windows are"):
        rc.extracellular(window[None, :4000], FS)
    with pytest.raises(ValueError, match="kHz"):
        rc.extracellular(window[None], 5.0)
    with pytest.raises(ValueError, match="windows are"):
        rc.extracellular(window[None], 10_000.0)
    with pytest.raises(ValueError, match="none of 1 beats is usable"):
        rc.extracellular(np.zeros((1, 8000)), FS)


def test_a_second_beat_in_the_window_is_left_out_of_errors():
    x = eap(3.0)
    squeezed = np.concatenate([x[round(0.4 * FS) : round(1.5 * FS)], x[round(2.2 * FS) : round(2.7 * FS)]])
    one = rc.extracellular(squeezed[None], FS)
    end = rc.Windows.time[one.inside[0]].max()
    assert 0.85 < end < 0.97
    assert np.abs(np.diff(one.wave[0, ~one.inside[0]])).max() < 0.02


def test_files_of_both_kinds_give_what_the_array_gives(tmp_path):
    import h5py

    x = np.stack([eap(12), iap(12)]).astype(np.float32)
    np.save(tmp_path / "own.npy", (1000 * x).astype(np.int16))
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.create_dataset("stream/data", data=1000 * x)
        file["stream/data"].attrs.update(fs=FS, unit="uV")
        file["stream/times"] = np.arange(10)
    first = run(recording(x, ["eap", "iap"])).table
    for own in (
        channels.open_file(tmp_path / "own.npy", FS, "uV", inside=[-1]),
        channels.open_file(tmp_path / "own.h5", inside=[1]),
    ):
        table = run(own).table
        assert table["time"].to_numpy() == pytest.approx(first["time"].to_numpy(), abs=3e-4)
        assert table["apd90"].to_numpy() == pytest.approx(first["apd90"].to_numpy(), abs=2)


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.npy", np.zeros((2, 9000), np.int16), {"unit": "uV"}, "sampling rate in Hz"),
        ("x.npy", np.zeros((2, 9000), np.int16), {"fs": 5.0, "unit": "uV"}, "sampling rate in Hz"),
        ("x.npy", np.zeros((2, 9000), np.int16), {"fs": FS}, "unit of its numbers"),
        ("x.npy", np.zeros((2, 9000), np.int16), {"fs": FS, "unit": "volts"}, "unit of its numbers"),
        ("x.npy", np.zeros(9000), {"fs": FS, "unit": "mV"}, "channel, sample"),
        ("x.npy", np.zeros((9000, 2)), {"fs": FS, "unit": "mV"}, "channel, sample"),
        ("x.npy", b"<html>", {"fs": FS, "unit": "mV"}, "no .npy file"),
        ("x.h5", b"<html>", {"fs": FS, "unit": "mV"}, "no HDF5 file"),
        ("x.mat", b"", {"fs": FS, "unit": "mV"}, "are read, not .mat"),
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path, name, content, options, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(ValueError, match=message):
        channels.open_file(path, **options)


def test_a_missing_file_and_one_that_contradicts_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is no file"):
        channels.open_file(tmp_path / "none.npy", FS, "mV")
    import h5py

    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = np.zeros((2, 2, 9000))
        file["a"].attrs.update(fs=1000.0, unit="uV")
    with pytest.raises(ValueError, match="holds 2 arrays"):
        channels.open_file(tmp_path / "two.h5", FS, "mV")
    with pytest.raises(ValueError, match="says 1000 Hz"):
        channels.open_file(tmp_path / "two.h5", FS, "uV", dataset="a")
    with pytest.raises(ValueError, match="says uV"):
        channels.open_file(tmp_path / "two.h5", 1000.0, "mV", dataset="a")
    with pytest.raises(ValueError, match="no data set 'c'"):
        channels.open_file(tmp_path / "two.h5", FS, "mV", dataset="c")


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for seconds in (40, 160):
        path = tmp_path / f"{seconds}.npy"
        np.save(path, np.stack([eap(seconds), eap(seconds)]).astype(np.float32))
        own = channels.open_file(path, FS, "mV")
        run(recording([eap(8)]))  # what is loaded once does not count
        tracemalloc.start()
        run(own, chunk=10.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_true_durations_are_those_of_the_membrane_potential():
    data = nea.load("multichannel", duration=12.0, n_channels=3)
    table = pd.DataFrame({"channel": [0, 0, 2], "time": [0.05, 5.0, 5.0]})
    spikes = run(channels.from_dataset(data)).table
    table = spikes[["channel", "time"]]
    found = channels.true_durations(data, table)
    assert found["apd90"].notna().mean() > 0.8
    assert found["apd90"].dropna().between(300, 1000).all()
    assert (found["apd50"].dropna() < found["apd90"].dropna()).all()


def beats_of(change, n_channels=20, noise=5.0, seed=0):
    """A table of beats: channels with a level of their own, and a change at 50 s."""
    rng = np.random.default_rng(seed)
    time = np.arange(0, 100, PERIOD)
    change = np.broadcast_to(change, n_channels)
    parts = []
    for k in range(n_channels):
        value = rng.normal(600, 30) + np.where(time > 50, change[k], 0) + noise * rng.standard_normal(time.size)
        parts.append(pd.DataFrame({"channel": k, "electrode": str(k), "kind": "eap", "time": time, "apd90": value}))
    return pd.concat(parts, ignore_index=True)


def test_the_drug_effect_is_found_with_its_spread():
    rng = np.random.default_rng(1)
    change = 100 + 20 * rng.standard_normal(20)
    effect = channels.drug_effect(beats_of(change), (0, 50), (52, 100))
    assert effect.low < change.mean() < effect.high
    assert effect.table["change"].to_numpy() == pytest.approx(change, abs=6)
    assert effect.spread == pytest.approx(change.std(ddof=1), rel=0.25)
    assert ((effect.table["low"] <= change) & (change <= effect.table["high"])).mean() > 0.8
    assert np.ptp(effect.table["shrunk"]) <= np.ptp(effect.table["change"])
    assert (effect.table["p_adjusted"] < 0.05).all()


def test_correction_removes_what_many_tests_find_in_nothing():
    plain, corrected = 0, 0
    for seed in range(8):
        table = channels.drug_effect(beats_of(0, seed=seed), (0, 50), (52, 100)).table
        plain += (table["p"] < 0.05).sum()
        corrected += (table["p_adjusted"] < 0.05).sum()
    assert 2 <= plain <= 16
    assert corrected <= 1


def test_channels_with_too_few_beats_are_left_out_and_too_few_channels_refused():
    table = beats_of(50, 3)
    some = table[(table["channel"] < 2) | (table["time"] < 50)]
    assert list(channels.drug_effect(some, (0, 50), (52, 100)).table.index) == [0, 1]
    with pytest.raises(ValueError, match="two blocks"):
        channels.drug_effect(some[some["channel"] > 0], (0, 50), (52, 100))


def test_a_recording_is_cut_as_the_pairs_it_was_trained_on():
    own = recording([eap(12)])
    beat = run(own).table["time"].iloc[2]
    first = round((beat - 0.2) * FS)
    direct = rc.extracellular(own.x[:1, first : first + round(1.65 * FS)], FS)
    assert direct.spike[0] == pytest.approx(0.2, abs=3e-4)
    assert replace(own, name="other").duration == pytest.approx(12)
