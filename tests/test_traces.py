"""One's own recording: every kind of file gives the same trace, and what does not fit is said in one sentence."""

import sys

import numpy as np
import pytest

from cardio_utils.data import traces

FS = 2000.0
TIME = np.arange(6000) / FS
X = -70 + 100 * np.interp(TIME % 1.0, [0, 0.01, 0.3, 0.4, 1], [0, 1, 0.7, 0, 0])


def same(data, atol=1e-5):
    np.testing.assert_allclose(data["trace"].values, X, atol=atol, rtol=0)
    np.testing.assert_allclose(data["time"].values, TIME, atol=1e-12)
    assert data["trace"].dims == ("time",) and data["trace"].dtype == np.float32
    assert data["trace"].attrs["units"] == "mV" and data.attrs["fs"] == pytest.approx(FS)
    assert data.attrs["source"] == "own recording" and data.attrs["groups"] == "none"


def test_numpy_files(tmp_path):
    np.save(tmp_path / "a.npy", X)
    same(traces.read(tmp_path / "a.npy", fs=FS))
    assert traces.read(tmp_path / "a.npy", fs=FS).attrs["recording"] == "a"
    for name, array in (("b", np.stack([0 * X, 1000 * X])), ("c", np.stack([0 * X, 1000 * X], axis=1))):
        np.save(tmp_path / f"{name}.npy", array)
        same(traces.read(str(tmp_path / f"{name}.npy"), fs=FS, unit="uV", channel=1))
    np.save(tmp_path / "d.npy", X / 1000)
    same(traces.read(tmp_path / "d.npy", fs=FS, unit="V"))


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize(
    ("header", "step", "fs"),
    [("time (ms)|Vm", 1000, None), ("Time_s|Vm", 1, None), ("t [ms]|Vm", 1000, FS), ("", 1000, FS), ("", 1, FS)],
)
def test_tables_with_times(tmp_path, separator, header, step, fs):
    if separator == " ":
        header = header.replace(" ", "_")
    head = [header.replace("|", separator)] if header else []
    rows = [f"{step * t:.6f}{separator}{x:.9f}" for t, x in zip(TIME, X, strict=True)]
    (tmp_path / "a.txt").write_text("\n".join([*head, *rows]))
    same(traces.read(tmp_path / "a.txt", fs=fs))


def test_tables_without_times(tmp_path):
    np.savetxt(tmp_path / "a.csv", X)
    same(traces.read(tmp_path / "a.csv", fs=FS))
    table = np.stack([1000 * X, 0 * X], axis=1)
    np.savetxt(tmp_path / "b.csv", table, delimiter=",", header="in,out", comments="")
    same(traces.read(tmp_path / "b.csv", fs=FS, unit="uV", channel="in"))
    same(traces.read(tmp_path / "b.csv", fs=FS, unit="uV"))


def test_other_units(tmp_path):
    np.save(tmp_path / "a.npy", X)
    current = traces.read(tmp_path / "a.npy", fs=FS, unit="nA")
    assert current["trace"].attrs["units"] == "pA" and current["trace"].values[0] == pytest.approx(-70_000)
    assert traces.read(tmp_path / "a.npy", fs=FS, unit="a.u.")["trace"].attrs["units"] == "a.u."
    with pytest.raises(ValueError, match=r"a\.npy: the unit 'kV' is not one of V, mV"):
        traces.read(tmp_path / "a.npy", fs=FS, unit="kV")


def abf(path, rows, units):
    writer = pytest.importorskip("pyabf.abfWriter", reason="pyabf is not installed")
    writer.writeABF1(np.atleast_2d(rows), str(path), sampleRateHz=FS, units=units)


def test_axon_files(tmp_path):
    abf(tmp_path / "a.abf", X, "mV")
    same(traces.read(tmp_path / "a.abf"), atol=4e-3)
    with pytest.raises(ValueError, match=r"a\.abf says 2000 Hz, fs says 5000 Hz"):
        traces.read(tmp_path / "a.abf", fs=5000)
    with pytest.raises(ValueError, match="no channel 1"):
        traces.read(tmp_path / "a.abf", channel=1)
    abf(tmp_path / "b.abf", np.stack([X, X[::-1]]), "mV")
    with pytest.raises(ValueError, match=r"b\.abf has 2 sweeps.*give sweep=0"):
        traces.read(tmp_path / "b.abf")
    same(traces.read(tmp_path / "b.abf", sweep=0), atol=4e-3)
    with pytest.raises(ValueError, match="no sweep 2"):
        traces.read(tmp_path / "b.abf", sweep=2)
    (tmp_path / "c.abf").write_bytes(b"no Axon file" * 100)
    with pytest.raises(ValueError, match=r"c\.abf cannot be read as an Axon binary file"):
        traces.read(tmp_path / "c.abf")


def test_axon_files_need_pyabf(tmp_path, monkeypatch):
    (tmp_path / "a.abf").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyabf", None)
    with pytest.raises(ImportError, match="pip install pyabf"):
        traces.read(tmp_path / "a.abf")


@pytest.mark.parametrize(
    ("x", "options", "reason"),
    [
        (X, {}, "does not say its sampling rate: give"),
        (X, {"fs": -5}, "is no sampling rate"),
        (X, {"fs": FS, "channel": 1}, r"has 1 channel\(s\), counted from 0, and no channel 1"),
        (X, {"fs": FS, "channel": "Vm"}, "has no channel 'Vm'; it has no names"),
        (1000 * X, {"fs": FS}, "for uV give unit='uV'"),
        (0 * X + 3, {"fs": FS}, "constant"),
        (np.where(TIME < 2, X, np.nan), {"fs": FS}, r"2000 samples are missing, the first at 2 s"),
        (X[:1], {"fs": FS}, r"1 sample\(s\)"),
        (np.zeros((2, 2, 2)), {"fs": FS}, "an array"),
        (np.array(["a", "b"]), {"fs": FS}, "an array"),
    ],
)
def test_what_does_not_fit(tmp_path, x, options, reason):
    np.save(tmp_path / "a.npy", x)
    with pytest.raises(ValueError, match=rf"{reason}"):
        traces.read(tmp_path / "a.npy", **options)


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("", {"fs": FS}, "is empty"),
        ("1\n2\nx\n4\n", {"fs": FS}, "line 3: 'x' is no number"),
        ("t,v\n1,2\n1,5;3\n", {"fs": FS}, "line 3: '5;3' is no number"),
        ("0,1\n1,2\n2,1\n", {}, "does not say the unit of its times"),
        ("0,1\n1,2\n2,1\n", {"fs": 300.0}, "fit fs = 300 Hz in no unit of time"),
        ("time (s),v\n0,1\n1,2\n5,1\n", {}, "do not ascend in equal steps"),
        ("time (ms),v\n0,1\n1,2\n2,1\n", {"fs": 500.0}, r"say 1000 Hz, fs says 500 Hz"),
        ("3\n2\n5\n", {}, "has no column of times"),
        ("time (ms),v\n0,1\n1,2\n2,1\n", {"channel": "w"}, "no channel 'w'; it has v"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, options, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"a\.csv.*{reason}"):
        traces.read(tmp_path / "a.csv", **options)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="is no file"):
        traces.read(tmp_path / "a.npy", fs=FS)
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"only \.npy, .*\.abf, \.wcp.* are read, not \.wav"):
        traces.read(tmp_path / "a.wav", fs=FS)
    (tmp_path / "b.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"b\.npy is no \.npy file of numbers"):
        traces.read(tmp_path / "b.npy", fs=FS)


def test_a_pair_has_the_nanoelectrode_first(tmp_path):
    np.save(tmp_path / "pair.npy", np.stack([X / 20, X]))
    pair = traces.read_pair(tmp_path / "pair.npy", FS)
    assert pair.nea.dims == ("recording", "time_nea") and pair.patch.dims == ("recording", "time_patch")
    np.testing.assert_allclose(pair.patch.values[0], X, atol=1e-5)
    np.testing.assert_allclose(pair.nea.values[0], X / 20, atol=1e-5)
    assert pair.recording.values.tolist() == ["pair"] and float(pair.poration[0]) == 0
