"""Recordings of miniature end-plate potentials from every kind of file, and what is said of those that do not fit."""

import struct

import numpy as np
import pandas as pd
import pytest

from cardio_utils import events
from cardio_utils.data import fetch, mepp, traces
from cardio_utils.simulate import mepp as simulator

FS = mepp.FS
DATA = mepp.load(tier="normal", n_recordings=2, duration=3.0, snr=8, rate=4.0)
X = DATA.vm.values[1]
TIME = np.arange(X.size) / FS


def same(data, x=X, atol=1e-6):
    assert data.vm.dims == ("recording", "time") and data.vm.dtype == np.float32
    assert data.vm.attrs["units"] == "mV" and data.attrs["fs"] == pytest.approx(FS)
    np.testing.assert_allclose(data.vm.values[0], x, atol=atol, rtol=0)
    np.testing.assert_allclose(data.time.values, TIME, atol=1e-9)
    assert data.attrs["source"] == "own recording"


def csv(path, x=X, time=1000 * TIME, head="Time_ms,Vm (mV)"):
    rows = "".join(f"{t:.4f},{v:.6f}\n" for t, v in zip(time, x, strict=True))
    path.write_text(f"{head}\n{rows}")
    return path


def abf(path, rows, unit="mV", fs=FS):
    from pyabf.abfWriter import writeABF1

    writeABF1(np.atleast_2d(rows), str(path), sampleRateHz=fs, units=unit)
    return path


# Load


def test_load_simulates_by_name():
    np.testing.assert_array_equal(
        mepp.load(tier="hard", n_recordings=1, duration=2.0, seed=3, snr=4).vm,
        simulator.simulate("hard", 1, 2.0, snr=4, seed=3).vm,
    )
    assert mepp.check(DATA) is DATA


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"source": "mouse"}, "source must be one of simulated, nmj, mini_epsc, not 'mouse'"),
        ({"source": "nmj", "hum": 1.0}, "hum shape a simulation"),
        ({"tier": "soft"}, "tier must be one of"),
    ],
)
def test_load_says_what_it_does_not_know(options, reason):
    with pytest.raises(ValueError, match=reason):
        mepp.load(**options)


def test_published_files_that_are_other_files(tmp_path):
    abf(tmp_path / "19911002-2.abf", X)
    with pytest.raises(ValueError, match="it is another file"):
        mepp.load("nmj", folder=tmp_path)
    (tmp_path / "B_2020-06-09_002_example_training_data.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no file of scored windows"):
        mepp.load("mini_epsc", folder=tmp_path)


def test_scored_windows(tmp_path):
    import h5py

    with h5py.File(tmp_path / "B_2020-06-09_002_example_training_data.h5", "w") as held:
        held["events"] = np.arange(1800.0).reshape(3, 600)
        held["scores"], held["raw_indices"] = [1, 0, 2], [10, 20, 30]
        held["cell_label"] = np.array([b"cell"] * 3)
    data = mepp.load("mini_epsc", folder=tmp_path)
    assert data.current.shape == (3, 600) and data.current.attrs["units"] == "pA" and data.attrs["fs"] == 50_000
    assert data.score.values.tolist() == [1, 0, 2] and data.cell.values.tolist() == ["cell"] * 3


# Masks


def test_a_mask_goes_from_onset_to_before_the_end_and_merges():
    found = mepp.mask([0.001, 0.0015, 0.004], [0.002, 0.003, 0.0041], 50, 10_000.0)
    assert np.flatnonzero(found).tolist() == [*range(10, 30), 40]
    assert not mepp.mask([], [], 5, FS).any()
    assert mepp.mask([-1.0, 0.0003], [0.0001, 9.0], 5, FS).tolist() == [True, False, False, True, True]


def test_the_mask_of_the_truth_covers_each_event():
    marked = mepp.truth_mask(DATA)
    assert marked.shape == (2, X.size) and marked.dtype == bool
    table = mepp.events_of(DATA, 1)
    assert marked[1][np.round(table.peak * FS).astype(int)].all()
    assert marked[1].sum() <= ((table.peak - table.onset + table.tau_decay) * FS + 2).sum()
    assert mepp.truth_mask(DATA, reach=3.0).sum() > marked.sum()
    assert mepp.events_of(DATA, "normal_D01F1R2").equals(table)


# Formats of the originals


def test_the_originals_table_is_read_back_equal(tmp_path):
    path = mepp.write(DATA, tmp_path / "17112020_Block1_labels.txt", 1)
    assert path.read_text().splitlines()[:2] == ["Time_ms,Voltage,labels", f"0.0,{X[0]:.6f},0"]
    data = mepp.read(path)
    same(data, atol=0)
    np.testing.assert_array_equal(data.label.values[0], mepp.truth_mask(DATA)[1])
    assert data.recording.values.tolist() == ["17112020_Block1_labels"]
    assert "the unit is mV, since the file does not say it" in data.attrs["assumed"]
    again = mepp.write(data, tmp_path / "again.csv")
    assert again.read_text() == path.read_text()


def raw_export(path, head="Время (с)\tКанал 1 (В)"):
    rows = [f"{t:.4f}\t{v / 1000:.9f}".replace(".", ",") for t, v in zip(TIME, X, strict=True)]
    path.write_bytes("\r\n".join([head, *rows, ""]).encode("cp1251"))
    return path


@pytest.mark.parametrize("head", ["Время (с)\tКанал 1 (В)", "Время, с\t1 канал, В", "Время, сек\tМембрана В"])
def test_the_raw_export_with_commas_and_cyrillic_letters(tmp_path, head):
    data = mepp.read(raw_export(tmp_path / "raw.txt", head))
    same(data, atol=2e-5)
    assert data.attrs["assumed"] == [f"channel 0 ({head.split(chr(9))[1]}) of 1 was read"]


def minianalysis():
    table = mepp.events_of(DATA, 1)
    rise, decay = 1000 * (table.peak - table.onset), 1000 * table.tau_decay
    columns = {"peak": table.peak.round(4), "amplitude": table.amplitude.round(3), "rise": rise.round(1)}
    return pd.DataFrame(columns | {"decay": decay.round(1), "half_width": 3.63})


def test_a_table_of_minianalysis_with_its_letter_of_another_alphabet(tmp_path):
    table = minianalysis()
    path = mepp.write_events(table, tmp_path / "events.txt")
    content = path.read_bytes()
    assert content.startswith(str(len(table)).encode() + b"\t") and b"\xa0\xec" in content  # a blank and a Cyrillic m
    found = mepp.read_events(path)
    for name in ("peak", "amplitude", "rise", "decay", "half_width"):
        np.testing.assert_allclose(found[name], table[name], atol=1e-9)


def test_the_originals_rule_cuts_and_leaves_the_end_out():
    table = pd.DataFrame({"peak": [0.1068, 0.8348], "rise": [0.7, 1.1], "decay": [2.0, 8.0]})
    marked = np.flatnonzero(mepp.minianalysis_mask(table, 10_000))
    assert marked.tolist() == [*range(1061, 1088), *range(8337, 8428)]
    half = pd.DataFrame({"peak": [0.10005], "rise": [0.0], "decay": [1.0]})
    assert np.flatnonzero(mepp.minianalysis_mask(half, 2000)).tolist() == list(range(1000, 1010))
    wide = mepp.minianalysis_mask(table, 10_000, rule="nearest", reach=3.0)
    assert wide.sum() == (7 + 60) + (11 + 240)
    with pytest.raises(ValueError, match="rule must be originals or nearest"):
        mepp.minianalysis_mask(table, 10, rule="mine")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("peak,amplitude\n1,2\n", "is no event table of MiniAnalysis parted by tabs: it lacks .*peak"),
        (
            "2\tTime (ms)\tAmplitude\tRise\tDecay\n1\t5,0\t1\t1\t1\n",
            "says 2 events in its header and holds 1",
        ),
        ("1\tTime (ms)\tAmplitude\tRise\tDecay\n1\tfive\t1\t1\t1\n", "line 2: 'five' is no number"),
        ("1\tTime (ms)\tAmplitude\tRise\tDecay\n1\t5,0\t1\n", "line 2: '' is no number"),
        ("", "is no event table"),
    ],
)
def test_event_tables_that_do_not_fit(tmp_path, text, reason):
    (tmp_path / "events.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"events\.txt.*{reason}"):
        mepp.read_events(tmp_path / "events.txt")


def test_grouped_digits_and_units_behind_numbers(tmp_path):
    (tmp_path / "events.txt").write_text(
        "2\tTime (ms)\tAmplitude\tRise (ms)\tDecay (ms)\n1\t1 151,8\u00a0м\t0,721\t1,1\t3,1\n2\t106.8 ms\t.361\t1\t2\n"
    )
    found = mepp.read_events(tmp_path / "events.txt")
    np.testing.assert_allclose(found.peak, [0.1068, 1.1518])
    np.testing.assert_allclose(found.amplitude, [0.361, 0.721])


# Other files


def test_axon_files(tmp_path):
    data = mepp.read(abf(tmp_path / "a.abf", X))
    same(data, atol=4e-3)
    assert len(data.attrs["assumed"]) == 1 and data.attrs["assumed"][0].startswith("channel 0")


def wcp(path, rows, unit="mV"):
    """A file of WinWCP with records of one channel, as its published description has it."""
    rows = np.atleast_2d(rows)
    sectors, top = -(-rows.shape[1] * 2 // 512), 200.0
    head = {"VER": 9, "RTIME": "17/11/2020 10:00:00", "NC": 1, "NR": len(rows), "NBH": 2, "NBA": 2, "NBD": sectors}
    head |= {"ADCMAX": 32767, "NP": sectors * 256, "AD": 10.0, "DT": 1 / FS, "NZ": 1}
    head |= {"YN0": "Vm", "YU0": unit, "YG0": 1.0, "YO0": 0}
    text = "\r\n".join(f"{key}={value}" for key, value in head.items()) + "\r\n"
    content = text.encode().ljust(1024, b"\0")
    for row in rows:
        about = struct.pack("8s4sfff8f", b"ACCEPTED", b"TEST", 1.0, 0.0, 1 / FS, *[top] * 8)
        counts = np.round(row / top * 32767).astype("<i2")
        content += about.ljust(1024, b"\0") + counts.tobytes().ljust(512 * sectors, b"\0")
    path.write_bytes(content)
    return path


def test_winwcp_files(tmp_path):
    n = X.size // 256 * 256
    data = mepp.read(wcp(tmp_path / "a.wcp", X[:n]))
    np.testing.assert_allclose(data.vm.values[0], X[:n], atol=4e-3)
    assert data.attrs["fs"] == pytest.approx(FS) and "Vm" in data.attrs["assumed"][0]
    with pytest.raises(ValueError, match=r"b\.wcp has 2 sweeps.*give sweep=0"):
        mepp.read(wcp(tmp_path / "b.wcp", np.stack([X[:n], X[:n]])))
    (tmp_path / "c.wcp").write_bytes(b"no WinWCP file")
    with pytest.raises(ValueError, match=r"c\.wcp cannot be read as a file of its kind by neo"):
        mepp.read(tmp_path / "c.wcp")


def test_tables_and_arrays(tmp_path):
    same(mepp.read(csv(tmp_path / "a.csv")))
    np.save(tmp_path / "a.npy", X / 1000)
    same(mepp.read(tmp_path / "a.npy", fs=FS, unit="V"), atol=1e-5)
    assert (
        "the sampling rate is 10000 Hz, as was said" in mepp.read(tmp_path / "a.npy", fs=FS, unit="V").attrs["assumed"]
    )
    np.save(tmp_path / "b.npy", 10 * X)
    data = mepp.read(tmp_path / "b.npy", fs=FS, gain=10)
    same(data, atol=1e-5)
    assert "values were divided by a gain of 10" in data.attrs["assumed"]


def test_long_tables_are_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "_LINES", 1000)
    same(mepp.read(csv(tmp_path / "a.csv")))
    wrong = (tmp_path / "a.csv").read_text().splitlines()
    wrong[5000] = wrong[5000].replace(",", ",x")
    (tmp_path / "b.csv").write_text("\n".join(wrong))
    with pytest.raises(ValueError, match=r"b\.csv, line 5001: 'x.*' is no number"):
        mepp.read(tmp_path / "b.csv")


# Bad input


def test_current_instead_of_voltage(tmp_path):
    path = abf(tmp_path / "a.abf", X, unit="pA")
    with pytest.raises(ValueError, match=r"a\.abf has no channel of voltage; it has 0.*pA.*give quantity='current'"):
        mepp.read(path)
    with pytest.raises(ValueError, match="is a current, not a voltage"):
        mepp.read(path, channel=0)
    current = mepp.read(path, quantity="current")
    assert "vm" not in current and current.current.attrs["units"] == "pA"
    with pytest.raises(ValueError, match="quantity must be voltage or current"):
        mepp.read(path, quantity="charge")


def test_inverted_polarity_is_noticed():
    flipped = DATA.assign(vm=-DATA.vm)
    flipped["vm"].attrs["units"] = "mV"
    long = mepp.load(n_recordings=1, duration=20.0, snr=10, rate=3.0)
    turned = long.assign(vm=(long.vm.dims, -long.vm.values, {"units": "mV"}))
    assert mepp.describe(long).warning.item() == ""
    assert "polarity=-1" in mepp.describe(turned).warning.item()
    peaks = mepp.events_of(long).peak
    up, down = (events.event_table(d.vm.values[0], FS, peaks, polarity=p) for d, p in ((long, 1), (turned, -1)))
    np.testing.assert_allclose(up.amplitude, down.amplitude)
    np.testing.assert_allclose(up.baseline, -down.baseline)


@pytest.mark.parametrize(
    ("fs", "reason"), [(1000.0, "is sampled at 1000 Hz"), (None, "does not say its sampling rate")]
)
def test_slow_recordings_and_unknown_rates(tmp_path, fs, reason):
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(ValueError, match=rf"a\.npy {reason}"):
        mepp.read(tmp_path / "a.npy", fs=fs)
    assert "4000 Hz is slow" in mepp.describe(mepp.read(tmp_path / "a.npy", fs=4000.0)).warning.item()


def test_gaps_and_nan_are_bridged_and_listed(tmp_path):
    x = X.copy()
    x[1000:1500] = np.nan
    np.save(tmp_path / "a.npy", x)
    data = mepp.read(tmp_path / "a.npy", fs=FS)
    assert np.isfinite(data.vm).all() and mepp.excluded(data) == [(0.1, 0.15)]
    assert data.gap_reason.values.tolist() == ["missing"]
    inside = data.vm.values[0][1000:1500]
    assert abs(np.diff(inside, 2)).max() < 1e-4 and abs(inside[0] - np.median(X[980:1000])) < 0.1
    kept = np.r_[0:2000, 2300 : X.size]
    data = mepp.read(csv(tmp_path / "b.csv", X[kept], 1000 * TIME[kept]))
    assert data.sizes["time"] == X.size and mepp.excluded(data) == [(0.2, 0.23)]
    np.testing.assert_allclose(data.vm.values[0][kept], X[kept], atol=1e-5)
    np.save(tmp_path / "c.npy", np.full(5000, np.nan))
    with pytest.raises(ValueError, match=r"c\.npy has 0 samples that are numbers"):
        mepp.read(tmp_path / "c.npy", fs=FS)
    assert mepp.excluded(DATA) == []


def test_gaps_at_the_ends(tmp_path):
    x = X.copy()
    x[:100] = x[-100:] = np.nan
    np.save(tmp_path / "a.npy", x)
    data = mepp.read(tmp_path / "a.npy", fs=FS)
    assert np.isfinite(data.vm).all() and len(mepp.excluded(data)) == 2


def test_half_a_second_is_read_and_said_to_be_short(tmp_path):
    np.save(tmp_path / "a.npy", X[:5000])
    data = mepp.read(tmp_path / "a.npy", fs=FS)
    assert "0.5 s are too short for a rate" in mepp.describe(data).warning.item()
    assert len(events.event_table(data.vm.values[0], FS, [0.1, 0.3])) == 2
    np.save(tmp_path / "b.npy", X[:500])
    with pytest.raises(ValueError, match=r"b\.npy lasts 0\.05 s"):
        mepp.read(tmp_path / "b.npy", fs=FS)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_saturated_stretch_is_excluded(tmp_path, sign):
    x = X.copy()
    x[5000:5400] = X.mean() + sign * 50
    np.save(tmp_path / "a.npy", x)
    data = mepp.read(tmp_path / "a.npy", fs=FS)
    assert data.gap_reason.values.tolist() == ["saturated"] and mepp.excluded(data) == [(0.5, 0.54)]
    assert abs(data.vm.values[0] - X).max() < 8
    x = X.copy()
    x[7000:7300] = x[7000]
    np.save(tmp_path / "b.npy", x)
    data = mepp.read(tmp_path / "b.npy", fs=FS)
    assert data.gap_reason.values.tolist() == ["constant"]
    assert mepp.excluded(data)[0] == pytest.approx((0.7, 0.73), abs=5e-4)


def test_a_flat_trace(tmp_path):
    np.save(tmp_path / "a.npy", np.full(9000, -70.0))
    with pytest.raises(ValueError, match=r"a\.npy: the trace is constant, saturated or missing nearly"):
        mepp.read(tmp_path / "a.npy", fs=FS)


def test_sweeps_instead_of_one_recording(tmp_path):
    path = abf(tmp_path / "a.abf", np.stack([X, X[::-1]]))
    with pytest.raises(ValueError, match=r"a\.abf has 2 sweeps, which are no continuous recording: give sweep=0"):
        mepp.read(path)
    same(mepp.read(path, sweep=0), atol=4e-3)


def test_a_wrong_delimiter(tmp_path):
    (tmp_path / "a.csv").write_text("Time_ms|Voltage\n" + "".join(f"{k / 10}|{v:.4f}\n" for k, v in enumerate(X)))
    with pytest.raises(ValueError, match=r"a\.csv, line 2: '0\.0\|-\d+\.\d+' is no number \(columns are parted by ;"):
        mepp.read(tmp_path / "a.csv", fs=FS)


def test_a_file_that_is_not_what_its_name_says(tmp_path):
    (tmp_path / "a.abf").write_bytes(b"no Axon file" * 100)
    with pytest.raises(ValueError, match=r"a\.abf cannot be read as an Axon binary file"):
        mepp.read(tmp_path / "a.abf")
    with pytest.raises(ValueError, match="is no file"):
        mepp.read(tmp_path / "b.abf")


@pytest.mark.parametrize(
    ("factor", "reason"),
    [(1e-3, r"the values seem to be V, or a gain is missing\. Give unit='V'"), (1e3, "seem to be uV, or counts")],
)
def test_a_factor_of_a_thousand(tmp_path, factor, reason):
    np.save(tmp_path / "a.npy", factor * X)
    with pytest.raises(ValueError, match=reason):
        mepp.read(tmp_path / "a.npy", fs=FS)


def test_an_unusual_gain_is_noticed(tmp_path):
    np.save(tmp_path / "a.npy", 30 * X)
    words = mepp.describe(mepp.read(tmp_path / "a.npy", fs=FS)).warning.item()
    assert "is unusual" in words and "no membrane potential" in words
    with pytest.raises(ValueError, match="gain must be positive"):
        mepp.read(tmp_path / "a.npy", fs=FS, gain=0)


# Describe, resample, check


def test_describe_says_what_the_simulation_was_made_of():
    data = mepp.load(tier="empty", n_recordings=2, duration=20.0, snr=6, settling=0.0, walk=0.0, wander=0.0)
    table = mepp.describe(data)
    # Slow noise is taken for drift in part: its share below 20 Hz is left out.
    assert ((table.noise > 0.6 * data.noise_sd.values) & (table.noise < 1.1 * data.noise_sd.values)).all()
    np.testing.assert_allclose(table.step, data.step, rtol=1e-2)
    assert table.unit.tolist() == ["mV", "mV"] and (table.duration == 20).all()
    assert (table["median"] - data.resting.values).abs().max() < 1


def test_resampling_keeps_events_in_place(tmp_path):
    data = mepp.read(mepp.write(DATA, tmp_path / "a.csv", 1))
    fine = mepp.resampled(data, 20_000)
    assert fine.sizes["time"] == 2 * X.size and fine.attrs["fs"] == 20_000 and fine.label.dtype == bool
    # Steps of the converter are smoothed.
    assert abs(fine.vm.values[0][::2] - X)[50:-50].std() < 0.03
    assert (fine.label.values[0][::2] == data.label.values[0]).mean() > 0.999
    assert mepp.resampled(data, FS) is data


def test_check_refuses_events_outside():
    with pytest.raises(ValueError, match="events lie outside"):
        mepp.check(DATA.isel(time=slice(0, 5000)))
    broken = DATA.copy(deep=True)
    broken["vm"].values[0, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        mepp.check(broken)


# Real recordings


def real(name):
    try:
        return mepp.load(name, folder=None)
    except (ValueError, fetch.FetchError) as error:
        pytest.skip(f"CARDIO_DATA has no such recording: {error}")


@pytest.fixture
def no_download(monkeypatch):
    def refuse(url, *_):
        raise fetch.FetchError(f"{url} is not downloaded by a test")

    monkeypatch.setattr(fetch, "retrieve", refuse)


@pytest.mark.real
def test_the_recording_with_two_electrodes(no_download):
    data = real("nmj")
    assert data.vm.shape == data.current.shape == (1, 908_288)
    table = mepp.describe(data)
    assert -82 < table["median"].item() < -78 and 0.02 < table.noise.item() < 0.04
    assert table.up.item() > 5 * table.down.item() and table.warning.item() == ""
    assert table.step.item() == pytest.approx(0.0305, abs=1e-3)


@pytest.mark.real
def test_the_scored_windows(no_download):
    data = real("mini_epsc")
    assert data.current.shape == (530, 600)
    assert np.unique(data.score, return_counts=True)[1].tolist() == [86, 86, 358]
    event = data.current.values[data.score.values == 1].mean(0)
    noise = data.current.values[data.score.values == 0].mean(0)
    assert np.ptp(event) > 3 * np.ptp(noise)
