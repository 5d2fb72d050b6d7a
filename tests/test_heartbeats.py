"""The readers of heartbeats, on files made here in the real sets' own formats, whole and broken."""

import hashlib
import http.server
import os
import shutil
import sys
import threading
import types
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import wfdb
import xarray as xr
from test_ecg import made, regular
from test_fetch import names

from cardio_utils import ecg
from cardio_utils.data import fetch, heartbeats

SYMBOLS = np.array(list("NNNNNNNVNNNNANNNNFNNNNNNLNNNNNQNNNNNENNN"))
REAL = Path(os.environ.get("CARDIO_DATA", "")) / "mitdb"
real = [
    pytest.mark.real,
    pytest.mark.skipif(not (REAL / "234.dat").is_file(), reason="no MIT-BIH records in the folder CARDIO_DATA"),
]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty CARDIO_DATA and cache, and no way to a server."""
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CARDIO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(fetch, "retrieve", lambda url, *_: pytest.fail(f"{url} was asked for"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def peaks_of(name):
    """Peaks (s) that differ between records in rate and phase."""
    return regular(40, 0.7 + int(name) % 100 / 300, start=0.3 + int(name) % 7 / 10)


def write(folder, name, *, leads=("MLII", "V1"), units="mV", record=None):
    """One record in MIT-BIH's format: .hea, .dat (format 212) and .atr, with notes that mark no beat."""
    folder.mkdir(exist_ok=True)
    record = record or made(peaks_of(name), symbols=SYMBOLS)
    other = np.full_like(record.signal, 0.2)
    other[::7] = -0.3
    signal = np.stack([record.signal if lead == "MLII" else other for lead in leads], axis=1).astype(float)
    wfdb.wrsamp(
        name, record.fs, [units] * len(leads), list(leads), signal, fmt=["212"] * len(leads),
        adc_gain=[200] * len(leads), baseline=[1024] * len(leads), write_dir=str(folder),
    )  # fmt: skip
    samples = np.concatenate([[18], record.samples, [record.samples[-1] + 20]])
    symbols = ["+", *record.symbols, "~"]
    wfdb.wrann(
        name,
        "atr",
        samples,
        symbols,
        aux_note=["(N"] + [""] * (len(samples) - 1),
        fs=record.fs,
        write_dir=str(folder),
    )
    return record


def test_what_is_written_is_read_back(folder):
    record = write(folder / "mitdb", "100")
    for layout, length in (("kachuee", 187), ("centred", 144)):
        beats = heartbeats.load("mitdb", layout=layout, records=["100"])
        heartbeats.check(beats)
        assert beats["wave"].shape == (40, length) and beats["wave"].dtype == np.float32
        np.testing.assert_array_equal(beats["sample"], record.samples)
        np.testing.assert_array_equal(beats["symbol"], SYMBOLS)
        assert Counter(beats["label"].values.tolist()) == {"N": 35, "V": 2, "S": 1, "F": 1, "Q": 1}
        np.testing.assert_allclose(beats["rr_before"][1:], np.diff(record.samples) / 360, rtol=1e-6)
        assert beats["record"].dtype == "<U16" and set(beats["patient"].values) == {"100"}
        assert beats.attrs["source"] == "mitdb" and beats.attrs["layout"] == layout
        assert beats.attrs["groups"] == "patient" and beats.attrs["warnings"] == ""
        assert "Moody" in beats.attrs["citation"] and "Attribution" in beats.attrs["licence"]
        assert beats["time"].attrs["units"] == "s"
        np.testing.assert_allclose(np.diff(beats["time"]), 0.008)
        assert float(beats["time"][0 if layout == "kachuee" else 64]) == 0
    np.testing.assert_allclose(beats["wave"], ecg.beat_windows_centred(record.signal, 360, record.samples), atol=0.01)


def test_the_lead_is_found_by_its_name(folder):
    write(folder / "mitdb", "114", leads=("V5", "MLII"))
    first = write(folder / "mitdb", "115")
    signal, fs, _ = heartbeats.read_lead(folder / "mitdb" / "114.hea", "MLII")
    assert np.ptp(signal) > 1 and fs == 360
    np.testing.assert_allclose(heartbeats.read_lead(folder / "mitdb/115.hea", "mlii")[0], first.signal, atol=0.005)


def test_two_records_of_one_patient(folder):
    for name in ("201", "202", "203"):
        write(folder / "mitdb", name)
    beats = heartbeats.load("mitdb", records=["201", "202", "203"])
    owner = dict(zip(beats["record"].values.tolist(), beats["patient"].values.tolist(), strict=True))
    assert owner == {"201": "201", "202": "201", "203": "203"}
    assert heartbeats.PATIENT_OF == {"202": "201"}


def test_the_lists_of_records():
    ds1, ds2 = set(heartbeats.DS1), set(heartbeats.DS2)
    assert len(ds1) == len(ds2) == 22 and not ds1 & ds2
    assert not (ds1 | ds2) & {"102", "104", "107", "217"}
    assert len({heartbeats.PATIENT_OF.get(name, name) for name in ds1 | ds2}) == 43


def swap_annotations(folder):
    a, b, held = folder / "101.atr", folder / "103.atr", folder / "held"
    a.rename(held), b.rename(a), held.rename(b)


def annotations_beyond_the_end(folder):
    write(folder, "101", record=made(regular(80)))
    (folder / "101.atr").replace(folder / "103.atr")
    write(folder, "101")


def damage_data(folder):
    content = bytearray((folder / "103.dat").read_bytes())
    content[30:60] = bytes(30)
    (folder / "103.dat").write_bytes(content)


FAULTS = {
    "annotations of another record": (swap_annotations, "belong to another record"),
    "annotations beyond the end": (
        annotations_beyond_the_end,
        "belong to another record",
    ),
    "no MLII": (
        lambda f: write(f, "103", leads=("V5", "V2")),
        r"103\.hea names no lead MLII \(only V5, V2\)",
    ),
    "missing .dat": (
        lambda f: (f / "103.dat").unlink(),
        r"103\.hea names 103\.dat, which is missing in .*mitdb",
    ),
    "missing .atr": (lambda f: (f / "103.atr").unlink(), r"103\.atr is missing in .*mitdb"),
    "cut .dat": (lambda f: os.truncate(f / "103.dat", 5000), r"103\.hea cannot be read|103\.dat is damaged"),
    "another record's .dat": (damage_data, r"103\.dat is damaged or of another record"),
    "no header": (lambda f: (f / "103.hea").write_text("<html>"), r"103\.hea cannot be read as a WFDB file"),
    "foreign .atr": (lambda f: (f / "103.atr").write_bytes(b"<html>nothing here</html>"), r"103"),
    "other unit": (lambda f: write(f, "103", units="uV"), r"103\.hea gives lead MLII in uV, not mV"),
    "3 s": (lambda f: write(f, "103", record=three_seconds()), "lasts 3.0 s; at least 10 s"),
    "flat": (lambda f: write(f, "103", record=flat()), "its lead is flat"),
}


def three_seconds():
    whole = made(peaks_of("103"), symbols=SYMBOLS)
    samples = np.linspace(100, 1000, 40).astype(int)
    return whole._replace(signal=whole.signal[:1080], samples=samples)


def flat():
    whole = made(peaks_of("103"), symbols=SYMBOLS)
    return whole._replace(signal=0 * whole.signal + np.float32(0.1))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore:.*records are not in", "ignore:record 101 is left out")
def test_a_broken_record_is_left_out_by_name_or_refused(folder, fault):
    place = folder / "mitdb"
    for name in ("100", "101", "103"):
        write(place, name)
    make, reason = FAULTS[fault]
    make(place)
    with pytest.warns(UserWarning, match="record 103 is left out: ") as caught:
        beats = heartbeats.load("mitdb")
    assert "103" not in beats["record"] and "100" in beats["record"]
    told = [line for line in beats.attrs["warnings"].split("\n") if line.startswith("record 103")]
    assert len(told) == 1 and told[0] in [str(w.message) for w in caught]
    with pytest.raises(ValueError, match=f"(?s)mitdb.*record 103: .*({reason}).*download"):
        heartbeats.load("mitdb", records=["100", "103"])


def test_records_that_are_not_there_are_named(folder):
    write(folder / "mitdb", "100")
    with pytest.warns(UserWarning, match=r"43 records are not in .*mitdb: 101, .*download\('mitdb'\)"):
        beats = heartbeats.load("mitdb")
    assert set(beats["record"].values) == {"100"} and "43 records" in beats.attrs["warnings"]
    with pytest.raises(ValueError, match=r"record 102: 102\.hea is missing"):
        heartbeats.load("mitdb", records=["102"])


def test_an_empty_folder(folder):
    (folder / "mitdb").mkdir()
    with pytest.raises(ValueError, match=r"mitdb holds no WFDB record .*download\('mitdb'\).*CARDIO_DATA"):
        heartbeats.load("mitdb")


@pytest.mark.filterwarnings("ignore:.*records are not in")
def test_beats_are_kept_until_a_file_changes(folder, monkeypatch):
    for name in ("100", "101"):
        write(folder / "mitdb", name)
    os.truncate(folder / "mitdb" / "101.dat", 100)
    with pytest.warns(UserWarning):
        first = heartbeats.load("mitdb")
    kept = fetch.cache() / "beats"
    assert len(names(kept)) == 1
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="record 101 is left out"):
        patch.setattr(heartbeats, "_collect", lambda *_, **__: pytest.fail("it was read anew"))
        again = heartbeats.load("mitdb")
    xr.testing.assert_identical(first, again)

    # Another wish has its own file; a changed record replaces the one of its wish.
    heartbeats.load("mitdb", records=["100"])
    assert len(names(kept)) == 2
    write(folder / "mitdb", "101")
    with pytest.warns(UserWarning, match="42 records"):
        assert set(heartbeats.load("mitdb")["record"].values) == {"100", "101"}
    assert len(names(kept)) == 2

    # A damaged cache is made anew; one that cannot be written is no reason to fail.
    for path in kept.iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    assert heartbeats.load("mitdb", records=["100"]).sizes["beat"] == 40
    shutil.rmtree(fetch.cache())
    fetch.cache().write_text("in the way")
    with pytest.warns(UserWarning, match="not kept for the next time"):
        heartbeats.load("mitdb", records=["100"])


def test_nothing_is_written_beside_the_data(folder):
    write(folder / "mitdb", "100")
    before = names(folder / "mitdb")
    heartbeats.load("mitdb", records=["100"])
    assert names(folder / "mitdb") == before and names(folder) == ["mitdb"]


@pytest.fixture
def publisher(folder, monkeypatch, tmp_path):
    """A publisher of records 100 and 101 behind `fetch.retrieve`: its shelf, and the list of requests."""
    shelf = tmp_path / "shelf"
    for name in ("100", "101"):
        write(shelf, name)
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.name}" for p in sorted(shelf.iterdir())]
    (shelf / "SHA256SUMS.txt").write_text("\n".join(lines))
    requests = []

    def retrieve(url, known_hash, target):
        requests.append(Path(url).name)
        assert url.startswith("https://physionet.org/files/mitdb/1.0.0/")
        origin = shelf / Path(url).name
        if not origin.exists():
            raise fetch.FetchError("no connection")
        if known_hash:
            assert known_hash == "sha256:" + hashlib.sha256(origin.read_bytes()).hexdigest()
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(origin, target))

    monkeypatch.setattr(fetch, "retrieve", retrieve)
    monkeypatch.setattr(heartbeats, "DS1", ("101",))
    monkeypatch.setattr(heartbeats, "DS2", ("100",))
    return shelf, requests


def test_a_set_that_is_not_there_is_downloaded_once(folder, publisher):
    _, requests = publisher
    assert set(heartbeats.load("mitdb")["record"].values) == {"100", "101"}
    assert len(requests) == 7 and names(folder) == ["mitdb"]
    heartbeats.load("mitdb", layout="centred")
    assert len(requests) == 7
    heartbeats.download("mitdb")
    assert requests[7:] == ["SHA256SUMS.txt"], "files that are there are left alone"


def test_half_a_download_is_never_taken_for_the_set(folder, publisher):
    shelf, requests = publisher
    (shelf / "100.atr").rename(shelf / "hidden")
    for _ in range(2):
        with pytest.raises(fetch.FetchError, match="no connection"):
            heartbeats.load("mitdb")
        assert names(folder) == ["mitdb.part"]
    (shelf / "hidden").rename(shelf / "100.atr")
    requests.clear()
    assert heartbeats.load("mitdb").sizes["beat"] == 80
    assert requests == ["SHA256SUMS.txt", "100.atr"] and names(folder) == ["mitdb"]


def test_the_way_from_a_server_to_beats(folder, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CARDIO_DATA", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    shelf = tmp_path / "shelf"
    write(shelf, "100")
    sums = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.name}\n" for p in shelf.iterdir())
    (shelf / "SHA256SUMS.txt").write_text(sums)

    class Handler(http.server.SimpleHTTPRequestHandler):
        log_message = staticmethod(lambda *_: None)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=shelf)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setitem(heartbeats._WFDB, "mitdb", heartbeats._WFDB["mitdb"]._replace(url=url))
        try:
            beats = heartbeats.load("mitdb", records=["100"])
        finally:
            server.shutdown()
            thread.join()
    assert beats.sizes["beat"] == 40 and names(folder) == ["mitdb"]
    assert names(folder / "mitdb") == ["100.atr", "100.dat", "100.hea", "SHA256SUMS.txt"]


def test_downloading_what_nobody_has(publisher):
    with pytest.raises(fetch.FetchError, match=r"102\.hea, 102\.dat, 102\.atr: not among the files"):
        heartbeats.download("mitdb", ["102"])
    with pytest.raises(ValueError, match="source must be one of"):
        heartbeats.download("simulated")


DIAGNOSES = {
    "patient001/s0010_re": "Myocardial infarction",
    "patient001/s0014lre": "Myocardial infarction",
    "patient104/s0306lre": "Healthy control",
    "patient180/s0374lre": "Healthy control",
    "patient150/s0287lre": "Cardiomyopathy",
}


def write_ptb(folder, name, reason, leads=("i", "ii", "v1")):
    """One record in PTB's format: 1000 Hz, 16 bits, the diagnosis in the header's comments."""
    place = folder / Path(name).parent
    place.mkdir(parents=True, exist_ok=True)
    record = made(regular(25, 0.8), fs=1000.0, name=name)
    signal = np.stack([record.signal * scale for scale in (0.5, 1, -0.7)], axis=1).astype(float)
    wfdb.wrsamp(
        Path(name).name, 1000, ["mV"] * 3, list(leads), signal, fmt=["16"] * 3, adc_gain=[2000] * 3,
        baseline=[0] * 3, comments=["age: 58", f"Reason for admission: {reason}"], write_dir=str(place),
    )  # fmt: skip
    return record


@pytest.fixture
def ptbdb(folder):
    records = {name: write_ptb(folder / "ptbdb", name, reason) for name, reason in DIAGNOSES.items()}
    return folder / "ptbdb", records


def test_ptb_is_labelled_by_patient(ptbdb):
    beats = heartbeats.load("ptbdb")
    heartbeats.check(beats)
    table = set(zip(*(beats[k].values.tolist() for k in ("record", "patient", "label")), strict=True))
    assert table == {
        ("s0010_re", "patient001", "infarction"),
        ("s0014lre", "patient001", "infarction"),
        ("s0306lre", "patient104", "healthy"),
        ("s0374lre", "patient180", "healthy"),
    }
    for name, record in ptbdb[1].items():
        found = beats["sample"].values[beats["record"].values == Path(name).name]
        if len(found):
            assert len(found) == 25 and np.abs(found - record.samples).max() < 20
    assert beats["wave"].shape == (100, 187) and beats.attrs["warnings"] == ""
    assert set(beats["symbol"].values) == {""}
    assert heartbeats.load("ptbdb", layout="centred", records=["patient104/s0306lre"]).sizes["beat"] == 25


def test_ptb_records_that_do_not_fit(ptbdb):
    folder, _ = ptbdb
    with pytest.raises(ValueError, match=r"s0287lre\.hea says neither 'Healthy control' nor"):
        heartbeats.load("ptbdb", records=["patient150/s0287lre"])
    (folder / "patient104" / "s0306lre.dat").unlink()
    write_ptb(folder, "patient180/s0374lre", "Healthy control", leads=("i", "iii", "v1"))
    with pytest.warns(UserWarning, match="left out"):
        beats = heartbeats.load("ptbdb")
    assert set(beats["label"].values) == {"infarction"}
    assert "record patient104/s0306lre is left out: s0306lre.hea names s0306lre.dat" in beats.attrs["warnings"]
    assert "s0374lre.hea names no lead ii (only i, iii, v1)" in beats.attrs["warnings"]


def table(rows, label):
    """Rows of one of Kaggle's tables: some values, then zeros, then the class."""
    wave = np.round(np.random.default_rng(rows).random((rows, 187)), 6)
    wave[:, 0], wave[:, 120:] = 1, 0
    wave[:, 119] = 0.5
    return np.column_stack([wave, np.broadcast_to(label, rows)])


@pytest.fixture(params=["heartbeat", "ecg_dataset"])
def kaggle(folder, request):
    place = folder / request.param
    place.mkdir()
    for name, rows, label in (
        ("mitbih_train", 10, np.arange(10) % 5),
        ("mitbih_test", 5, np.arange(5)),
        ("ptbdb_normal", 4, 0),
        ("ptbdb_abnormal", 6, 1),
    ):
        np.savetxt(place / f"{name}.csv", table(rows, label), delimiter=",", fmt="%.18e")
    return place


def test_kaggle_tables(kaggle):
    beats = heartbeats.load("kaggle")
    heartbeats.check(beats)
    assert "".join(beats["label"].values) == "NSVFQ" * 3
    assert beats["record"].values.tolist() == ["mitbih_train"] * 10 + ["mitbih_test"] * 5
    assert beats.attrs["groups"] == "none" and (beats["valid_length"] == 120).all()
    assert np.isnan(beats["rr_before"]).all() and (beats["sample"] == -1).all()
    np.testing.assert_allclose(beats["wave"][:10], table(10, 0)[:, :187], atol=1e-6)
    ptb = heartbeats.load("kaggle", records=["ptbdb_normal", "ptbdb_abnormal"])
    assert ptb["label"].values.tolist() == ["healthy"] * 4 + ["infarction"] * 6
    with pytest.raises(ValueError, match="tables of one kind"):
        heartbeats.load("kaggle", records=["ptbdb_normal", "mitbih_test"])
    with pytest.raises(ValueError, match="'kachuee' only"):
        heartbeats.load("kaggle", layout="centred")


BAD_ROWS = {
    "187 columns": (lambda cells: cells[1:], "line 3 has 187 columns instead of 188"),
    "189 columns": (lambda cells: [*cells, "0"], "line 3 has 189 columns instead of 188"),
    "letters": (lambda cells: ["abc", *cells[1:]], "line 3: .*abc"),
    "NaN": (lambda cells: ["nan", *cells[1:]], "line 3 holds a missing or infinite value"),
    "nothing in a cell": (lambda cells: ["", *cells[1:]], "line 3: "),
    "millivolts": (lambda cells: ["-1.5", *cells[1:]], r"line 3 holds a value outside \[0, 1\]"),
    "unknown class": (lambda cells: [*cells[:-1], "5.0"], "line 3 names class 5.0; 0 to 4 exist"),
}


@pytest.mark.parametrize("bad", BAD_ROWS)
@pytest.mark.parametrize("kaggle", ["heartbeat"], indirect=True)
def test_a_bad_row_is_named(kaggle, bad):
    change, reason = BAD_ROWS[bad]
    path = kaggle / "mitbih_test.csv"
    lines = path.read_text().splitlines()
    lines[2] = ",".join(change(lines[2].split(",")))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=rf"mitbih_test\.csv: {reason}.*Download it again"):
        heartbeats.load("kaggle")


@pytest.mark.parametrize("kaggle", ["heartbeat"], indirect=True)
def test_tables_that_are_empty_missing_or_headed(kaggle):
    path = kaggle / "mitbih_test.csv"
    path.write_text("")
    with pytest.raises(ValueError, match=r"mitbih_test\.csv: it is empty"):
        heartbeats.load("kaggle")
    path.write_text("\n".join(",".join(["1"] * 187) for _ in range(3)))
    with pytest.raises(ValueError, match="line 1 has 187 columns"):
        heartbeats.load("kaggle")
    path.write_text(",".join(f"t{i}" for i in range(188)) + "\n" + ",".join(["1"] * 188))
    with pytest.raises(ValueError, match=r"line 1: .*t0"):
        heartbeats.load("kaggle")
    path.unlink()
    with pytest.raises(ValueError, match=r"mitbih_test\.csv: it is missing"):
        heartbeats.load("kaggle")


@pytest.mark.parametrize("kaggle", ["heartbeat"], indirect=True)
def test_kaggle_is_fetched_through_its_client(kaggle, folder, monkeypatch):
    kaggle.rename(folder.parent / "shelf")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(fetch.FetchError, match=r"pip install kagglehub.*mitbih_train\.csv.*by hand"):
        heartbeats.load("kaggle")
    client = types.SimpleNamespace(dataset_download=lambda name: str(folder.parent / "shelf"))
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    assert heartbeats.load("kaggle").sizes["beat"] == 15
    assert names(folder / "heartbeat") == sorted(f"{name}.csv" for name in heartbeats._TABLES)


def test_simulated_beats(folder, monkeypatch):
    made_by = types.ModuleType("cardio_utils.simulate.heartbeats")
    wishes = []

    def simulate(n_patients, beats, seed):
        wishes.append((n_patients, beats, seed))
        return [made(regular(), symbols=SYMBOLS, name=f"sim{i:03d}") for i in range(n_patients)]

    made_by.simulate = simulate
    monkeypatch.setitem(sys.modules, made_by.__name__, made_by)
    beats = heartbeats.load(n_patients=3, seed=7)
    heartbeats.check(beats)
    assert wishes == [(3, 240, 7)] and beats.sizes["beat"] == 120 and beats.attrs["source"] == "simulated"
    some = heartbeats.load("simulated", n_patients=3, records=["sim001"])
    assert set(some["record"].values) == {"sim001"}
    with pytest.raises(ValueError, match="no record sim009"):
        heartbeats.load("simulated", n_patients=3, records=["sim009"])
    assert names(folder) == []


def test_recordings_in_memory():
    good, short = made(regular(), symbols=SYMBOLS, name="good"), made(regular(4), name="short")
    with pytest.warns(UserWarning, match="record short is left out: it lasts 3"):
        beats = heartbeats.from_recordings([good, short], layout="centred")
    assert set(beats["record"].values) == {"good"} and beats.attrs["source"] == "recordings"
    rhythm = np.where(np.arange(40) % 10 == 0, "+", SYMBOLS)
    assert heartbeats.from_recordings([good._replace(symbols=rhythm)]).sizes["beat"] == 36
    with pytest.raises(ValueError, match=r"(?s)no record could be used.*short"):
        heartbeats.from_recordings([short])
    with pytest.raises(ValueError, match="no record could be used"):
        heartbeats.from_recordings([])
    with pytest.raises(ValueError, match="at most 16 characters"):
        heartbeats.from_recordings([good._replace(name="a" * 17)])
    with pytest.raises(ValueError, match="layout must be one of kachuee, centred"):
        heartbeats.from_recordings([good], layout="round")


def test_a_recording_of_ones_own(folder):
    written = write(folder / "mine", "100", leads=("V1", "MLII"))
    recording = heartbeats.read_recording(folder / "mine" / "100.hea")
    assert recording.name == recording.patient == "100" and len(recording.symbols) == 42
    assert heartbeats.from_recordings([recording]).sizes["beat"] == 40
    bare = heartbeats.read_recording(folder / "mine" / "100.hea", annotator=None)
    beats = heartbeats.from_recordings([bare], layout="centred")
    heartbeats.check(beats)
    assert set(beats["label"].values) == {""} and beats.sizes["beat"] == 40
    assert np.abs(beats["sample"].values - written.samples).max() < 8


def test_unknown_arguments():
    with pytest.raises(ValueError, match="source must be one of simulated, mitdb"):
        heartbeats.load("mit")
    with pytest.raises(ValueError, match="layout must be one of"):
        heartbeats.load("mitdb", layout="kachue")


def spoil(beats, name, index, value):
    beats = beats.copy(deep=True)
    beats[name].values[index] = value
    return beats


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: spoil(b, "wave", (3, 5), np.nan), "record made: .*missing .*beat 3, 1 in all"),
        (lambda b: spoil(b, "wave", (3, 5), 1.5), r"leaves \[0, 1\]"),
        (lambda b: spoil(b, "wave", (3, 186), 0.5), "padding"),
        (lambda b: spoil(b, "valid_length", 3, 0), "valid_length"),
        (lambda b: spoil(b, "label", 3, "X"), "label"),
        (lambda b: spoil(b, "patient", 3, ""), "patient"),
        (lambda b: b.drop_vars("rr_mean"), "rr_mean"),
        (lambda b: b.isel(time=slice(100)), "187 samples"),
        (lambda b: b.assign_attrs(layout="round"), "layout"),
    ],
)
def test_beats_that_do_not_fit_are_refused(change, reason):
    beats = heartbeats.from_recordings([made(regular())])
    heartbeats.check(beats)
    with pytest.raises(ValueError, match=reason):
        heartbeats.check(change(beats))


def test_duplicates_are_left_out():
    beats = heartbeats.from_recordings([made(regular())])
    twice = beats.isel(beat=[0, 1, 2, 1, 3, 0, 4])
    once = heartbeats.drop_duplicates(twice)
    np.testing.assert_array_equal(once["sample"], beats["sample"][:5])
    assert once.attrs["duplicates_removed"] == 2 and twice.attrs["duplicates_removed"] == 0
    assert heartbeats.drop_duplicates(once).attrs["duplicates_removed"] == 2
    assert heartbeats.drop_duplicates(spoil(twice, "wave", (3, 0), 0.123)).sizes["beat"] == 6


@pytest.fixture(scope="module", params=["kachuee", "centred"])
def mitdb(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setenv("CARDIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        return heartbeats.load("mitdb", layout=request.param)


class TestMitdb:
    pytestmark = real

    def test_the_published_counts(self, mitdb):
        counts = {}
        for name, records in (("DS1", heartbeats.DS1), ("DS2", heartbeats.DS2)):
            labels = mitdb["label"].values[np.isin(mitdb["record"].values, records)]
            counts[name] = dict(Counter(labels.tolist()))
        assert counts["DS1"] == {"N": 45866, "S": 944, "V": 3788, "F": 415, "Q": 8}
        assert counts["DS2"] == {"N": 44259, "S": 1837, "V": 3221, "F": 388, "Q": 7}
        assert sum(counts["DS1"].values()) == 51021 and sum(counts["DS2"].values()) == 49712
        heartbeats.check(mitdb)
        assert heartbeats.drop_duplicates(mitdb).attrs["duplicates_removed"] == 0

    def test_44_records_of_43_patients(self, mitdb):
        assert len(np.unique(mitdb["record"])) == 44 and len(np.unique(mitdb["patient"])) == 43
        assert set(mitdb["patient"].values[mitdb["record"].values == "202"]) == {"201"}

    def test_114_is_read_from_its_second_lead(self):
        signal, _, _ = heartbeats.read_lead(REAL / "114.hea", "MLII")
        np.testing.assert_allclose(signal, wfdb.rdrecord(str(REAL / "114")).p_signal[:, 1], atol=1e-6)

    @pytest.mark.parametrize(("name", "other"), [("100", "103"), ("114", "115"), ("208", "203"), ("221", "222")])
    def test_annotations_of_another_record_are_noticed(self, folder, name, other):
        place = folder / "mitdb"
        place.mkdir()
        for suffix, origin in ((".hea", name), (".dat", name), (".atr", other)):
            shutil.copy(REAL / f"{origin}{suffix}", place / f"{name}{suffix}")
        with pytest.raises(ValueError, match=f"record {name}: .*belong to another record"):
            heartbeats.load("mitdb", records=[name])
