"""Twelve-lead records: written and read back, files as others write them, bad input, download."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardio_utils import lead_algebra
from cardio_utils.data import fetch, twelve_lead

FS = 100
REAL = Path(os.environ.get("CARDIO_DATA", "/none")) / "ptbxl" / "ptbxl_database.csv"


def leads(n=1000, seed=0):
    """Twelve consistent leads, mV, in whole uV, so that files hold them exactly."""
    rng = np.random.default_rng(seed)
    return lead_algebra.twelve_from_eight(2 * np.rint(np.cumsum(rng.normal(0, 10, (8, n)), axis=1)) / 1000)


def dataset(n=4, **changes):
    columns = {
        "record": [str(i + 1) for i in range(n)],
        "patient": [str(i // 2 + 1) for i in range(n)],
        "fold": [i // 2 + 1 for i in range(n)],
        "age": [30.0 + i for i in range(n)],
        "sex": ["male", "female", "", "male", "female"][:n],
        "noise": ["", "drift static", "electrodes", "", ""][:n],
        "statements": ["NORM SR", "IMI LAFB SR", "LVH NDT", "SR", "NORM"][:n],
    } | changes
    x = np.stack([leads(seed=i) for i in range(n)]).astype(np.float32)
    return twelve_lead._dataset(x, columns, FS, "simulated")


def write_record(
    folder, name="rec", *, x=None, names=lead_algebra.TWELVE, fs=FS, gain=1000, unit="mV", comments=(), **options
):
    """One WFDB record by our own lines, so that they can be wrong."""
    x = leads() if x is None else x
    digital = np.where(np.isnan(x), -32768, np.rint(np.nan_to_num(x) * options.get("true_gain", gain))).astype("<i2")
    skip = options.get("skip", 0)
    file = f"{name}.{'mat' if skip else 'dat'}"
    form = f"16+{skip}" if skip else "16"
    lines = [f"{name} {len(names)} {fs} {x.shape[1]}"]
    for label, row in zip(names, digital, strict=True):
        total = int(row.sum(dtype=np.int64)) + options.get("wrong", 0)
        lines.append(f"{file} {form} {gain}/{unit} 16 0 {row[0]} {(total + 32768) % 65536 - 32768} 0 {label}")
    (folder / f"{name}.hea").write_text("\n".join([*lines, *comments]) + "\n")
    (folder / file).write_bytes(b"\0" * skip + np.ascontiguousarray(digital.T).tobytes())
    return folder / f"{name}.hea"


# Round trips


@pytest.mark.parametrize("fs", [100.0, 500.0])
def test_what_is_written_in_the_layout_of_ptbxl_is_read_back(tmp_path, fs):
    written = dataset(5)
    written.attrs["fs"] = fs
    written = written.assign_coords(time=written.time * FS / fs)
    assert twelve_lead.write(written, tmp_path) == 5
    read = twelve_lead.load("ptbxl", folder=tmp_path, fs=fs, duration=written.sizes["time"] / fs)
    np.testing.assert_allclose(read.ecg, written.ecg, atol=0.00051)
    np.testing.assert_array_equal(read.label, written.label)
    for name in ("record", "patient", "fold", "age", "sex", "noise", "statements"):
        np.testing.assert_array_equal(read[name], written[name], err_msg=name)
    assert read.attrs["warnings"] == ""


def test_wfdb_reads_what_we_write(tmp_path):
    import wfdb

    twelve_lead.write(dataset(), tmp_path)
    record = wfdb.rdrecord(str(tmp_path / "records100/00000/00002_lr"))
    np.testing.assert_allclose(record.p_signal.T, leads(seed=1), atol=1e-9)
    assert [name.upper() for name in lead_algebra.TWELVE] == record.sig_name


def test_we_read_what_wfdb_writes_in_another_format(tmp_path):
    import wfdb

    names = list(lead_algebra.TWELVE)
    x = np.round(leads() * 200) / 200
    wfdb.wrsamp(
        "r",
        500,
        ["mV"] * 12,
        names,
        x.T,
        fmt=["212"] * 12,
        adc_gain=[200] * 12,
        baseline=[5] * 12,
        write_dir=str(tmp_path),
    )
    read, fs, _ = twelve_lead.read_leads(tmp_path / "r.hea")
    np.testing.assert_allclose(read, x, atol=1e-6)
    assert fs == 500


def test_superclasses_follow_from_statements():
    label = twelve_lead.superclasses(["NORM SR", "IMI LAFB", "XYZ", "TAb LBBB"])
    assert label.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0] * 5, [0, 0, 1, 1, 0]]


def test_a_likelihood_can_be_asked_for():
    text = "{'IMI': 35.0, 'NORM': 100.0, 'SR': 0.0}"
    assert twelve_lead._statements(text, 0) == "IMI NORM SR"
    assert twelve_lead._statements(text, 50) == "NORM"


def test_folds_and_records_can_be_chosen(tmp_path):
    twelve_lead.write(dataset(), tmp_path)
    assert twelve_lead.load("ptbxl", folder=tmp_path, folds=[2]).record.values.tolist() == ["3", "4"]
    assert twelve_lead.load("ptbxl", folder=tmp_path, records=["2", 4]).record.values.tolist() == ["2", "4"]
    with pytest.raises(ValueError, match="no record 7"):
        twelve_lead.load("ptbxl", folder=tmp_path, records=["7"])
    with pytest.raises(ValueError, match=r"no record of the folds \[9\]"):
        twelve_lead.load("ptbxl", folder=tmp_path, folds=[9])


def test_the_official_split():
    split = twelve_lead.split(dataset(5, fold=[1, 8, 9, 10, 10], patient=list("abcdd")))
    assert [part.tolist() for part in split] == [[0, 1], [2], [3, 4]]


# Files as others write them


def test_a_record_of_the_challenges(tmp_path):
    comments = ["#Age: 74", "#Sex: Female", "#Dx: 426177001,59118001,164889003", "#Rx: Unknown"]
    x = leads(5000)
    write_record(tmp_path, "A0001", x=x, fs=500, skip=24, comments=comments)
    write_record(tmp_path, "A0002", x=x, fs=500, comments=["# Age: NaN", "# Sex: M", "# Dx: 426783006"])
    read = twelve_lead.load("wfdb", folder=tmp_path)
    assert read.label.values.tolist() == [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0]]
    assert read.statements.values.tolist() == ["426177001 RBBB 164889003", "NORM NSR"]
    np.testing.assert_array_equal(read.age, [74, np.nan])
    assert read.sex.values.tolist() == ["female", "male"]
    assert read.sizes["time"] == 1000
    at_500 = twelve_lead.load("wfdb", folder=tmp_path, fs=500)
    np.testing.assert_allclose(at_500.ecg[0], x, atol=1e-6)


def test_leads_are_found_by_name_in_any_order_and_case(tmp_path):
    order = np.random.default_rng(3).permutation(12)
    x = leads()
    names = [lead_algebra.TWELVE[k].lower() for k in order]
    read, _, _ = twelve_lead.read_leads(write_record(tmp_path, x=x[order], names=names))
    np.testing.assert_allclose(read, x, atol=1e-6)
    swapped = ["I", "II", "III", "aVL", "aVR", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]  # as some hospitals export
    rows = [lead_algebra.TWELVE.index(name) for name in swapped]
    read, _, _ = twelve_lead.read_leads(write_record(tmp_path, x=x[rows], names=swapped))
    np.testing.assert_allclose(read, x, atol=1e-6)


def test_further_leads_are_passed_over(tmp_path):
    x = leads()
    header = write_record(tmp_path, x=np.r_[x, x[:3]], names=[*lead_algebra.TWELVE, "vx", "vy", "vz"])
    np.testing.assert_allclose(twelve_lead.read_leads(header)[0], x, atol=1e-6)


def test_microvolts_and_a_baseline(tmp_path):
    x = leads()
    header = write_record(tmp_path, x=x, gain=1, unit="uV", true_gain=1000)
    np.testing.assert_allclose(twelve_lead.read_leads(header)[0], x, atol=1e-6)
    digital = np.rint(x * 1000).astype("<i2")
    digital[0] += 40
    text = header.read_text().replace("1/uV", "1000(0)/mV").splitlines()
    text[1] = text[1].replace("1000(0)/mV", "1000(40)/mV")
    header.write_text("\n".join(text))
    (tmp_path / "rec.dat").write_bytes(np.ascontiguousarray(digital.T).tobytes())
    np.testing.assert_allclose(twelve_lead.read_leads(header, verify=False)[0], x, atol=1e-6)


def test_absent_limb_leads_are_computed(tmp_path):
    keep = [k for k, name in enumerate(lead_algebra.TWELVE) if name not in ("II", "aVR", "aVL")]
    x = leads()
    header = write_record(tmp_path, x=x[keep], names=[lead_algebra.TWELVE[k] for k in keep])
    np.testing.assert_allclose(twelve_lead.read_leads(header)[0], x, atol=1e-6)


def test_a_record_of_ones_own_with_three_leads(tmp_path):
    x = leads()
    keep = [0, 1, 8]
    header = write_record(tmp_path, "own", x=x[keep], names=["I", "ii", "v3"])
    read = twelve_lead.read_record(header)
    assert read.record.values.tolist() == ["own"]
    known = np.isfinite(read.ecg.values[0]).all(axis=1)
    assert [name for name, there in zip(lead_algebra.TWELVE, known, strict=True) if there] == [*lead_algebra.LIMB, "V3"]
    pd.DataFrame({"time": np.arange(1000) / FS, "I": x[0], "II": x[1], "v3": x[8]}).to_csv(tmp_path / "own.csv")
    table = twelve_lead.read_record(tmp_path / "own.csv", fs=FS)
    np.testing.assert_allclose(table.ecg[0], read.ecg[0], atol=1e-6)
    with pytest.raises(ValueError, match="does not say its sampling rate"):
        twelve_lead.read_record(tmp_path / "own.csv")
    (tmp_path / "bad.csv").write_text("time,signal\n0,1\n")
    with pytest.raises(ValueError, match="no column named after a lead"):
        twelve_lead.read_record(tmp_path / "bad.csv", fs=FS)


# Bad input


def test_a_missing_lead(tmp_path):
    x = leads()[:11]
    header = write_record(tmp_path, x=x, names=lead_algebra.TWELVE[:11])
    with pytest.raises(ValueError, match=r"rec.hea has no lead V6 \(only I, II"):
        twelve_lead.read_leads(header)
    write_record(tmp_path, "whole")
    with pytest.warns(UserWarning, match="record rec is left out: rec.hea has no lead V6"):
        read = twelve_lead.load("wfdb", folder=tmp_path)
    assert read.record.values.tolist() == ["whole"]
    assert "V6" in read.attrs["warnings"]


def test_a_lead_named_twice(tmp_path):
    with pytest.raises(ValueError, match="names lead V1 twice"):
        twelve_lead.read_leads(write_record(tmp_path, names=[*lead_algebra.TWELVE[:11], "v1"]))


def test_a_gain_of_1_instead_of_1000(tmp_path):
    write_record(tmp_path, gain=1, true_gain=1000)
    with pytest.raises(ValueError, match="often 1 where 1000 is meant"):
        twelve_lead.load("wfdb", folder=tmp_path)
    with pytest.raises(ValueError, match=r"rec.hea: its leads span"):
        twelve_lead.read_record(tmp_path / "rec.hea")


def test_8_seconds_instead_of_10(tmp_path):
    write_record(tmp_path, x=leads(800))
    with pytest.raises(ValueError, match=r"it lasts 8.0 s; 10 s are needed"):
        twelve_lead.load("wfdb", folder=tmp_path)
    assert twelve_lead.load("wfdb", folder=tmp_path, duration=8).sizes["time"] == 800


def test_longer_records_are_cut(tmp_path):
    x = leads(1500)
    write_record(tmp_path, x=x)
    np.testing.assert_allclose(twelve_lead.load("wfdb", folder=tmp_path).ecg[0], x[:, :1000], atol=1e-6)


def test_50_hz_sampling(tmp_path):
    write_record(tmp_path, x=leads(500), fs=50)
    with pytest.raises(ValueError, match="sampled at 50 Hz; QRS complexes need at least 100 Hz"):
        twelve_lead.load("wfdb", folder=tmp_path)
    with pytest.raises(ValueError, match="fs is 50 Hz"):
        twelve_lead.load("simulated", fs=50)


def test_missing_samples_become_nan(tmp_path):
    x = leads()
    x[7, 100:110] = np.nan
    read, _, _ = twelve_lead.read_leads(write_record(tmp_path, x=x))
    np.testing.assert_array_equal(np.isnan(read), np.isnan(x))


def test_a_duplicate_ecg_id(tmp_path):
    twelve_lead.write(dataset(), tmp_path)
    table = pd.read_csv(tmp_path / "ptbxl_database.csv")
    table.loc[3, "ecg_id"] = 2
    table.to_csv(tmp_path / "ptbxl_database.csv", index=False)
    with pytest.raises(ValueError, match="has ecg_id 2 twice"):
        twelve_lead.load("ptbxl", folder=tmp_path)
    with pytest.raises(ValueError, match="record 1 is there twice"):
        twelve_lead.check(dataset(record=["1", "1", "3", "4"]))


def test_a_patient_in_two_folds(tmp_path):
    twelve_lead.write(dataset(), tmp_path)
    table = pd.read_csv(tmp_path / "ptbxl_database.csv")
    table.loc[1, "strat_fold"] = 9
    table.to_csv(tmp_path / "ptbxl_database.csv", index=False)
    with pytest.raises(ValueError, match="patient 1 is in 2 folds"):
        twelve_lead.load("ptbxl", folder=tmp_path)


def test_a_damaged_file(tmp_path):
    header = write_record(tmp_path, wrong=7)
    with pytest.raises(ValueError, match=r"rec.dat is damaged or of another record: the checksum of lead I "):
        twelve_lead.read_leads(header)
    assert twelve_lead.read_leads(header, verify=False)[1] == FS
    data = header.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"rec.dat is cut off"):
        twelve_lead.read_leads(header)
    data.unlink()
    with pytest.raises(ValueError, match=r"names rec.dat, which is missing"):
        twelve_lead.read_leads(header)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin with name"),
        ("rec 12 100 1000\n", "announces 12 signals and describes 0"),
        ("rec/3 12 100 1000\n", "consists of segments"),
        ("rec 1 100 1000\nrec.dat 16 one/mV 16 0 0 0 0 I\n", "describes no signal"),
        ("rec 1 100 1000\nrec.dat 16 5(0)/mmHg 16 0 0 0 0 I\n", "in mmHg, not in mV"),
    ],
)
def test_a_header_that_is_none(tmp_path, text, reason):
    (tmp_path / "rec.hea").write_text(text)
    (tmp_path / "rec.dat").write_bytes(b"\0" * 2000)
    with pytest.raises(ValueError, match=reason):
        twelve_lead.read_leads(tmp_path / "rec.hea")


def test_check_wants_leads_in_order_and_all_coordinates():
    fine = dataset()
    twelve_lead.check(fine)
    with pytest.raises(ValueError, match="the leads are I, II, III, aVL, aVR"):
        twelve_lead.check(fine.isel(lead=[0, 1, 2, 4, 3, *range(5, 12)]))
    with pytest.raises(ValueError, match="noise"):
        twelve_lead.check(fine.drop_vars("noise"))
    with pytest.raises(ValueError, match="dimensions"):
        twelve_lead.check(fine.transpose("lead", "record", ...))


def test_write_refuses_what_the_layout_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="whole numbers"):
        twelve_lead.write(dataset(record=list("abcd")), tmp_path)
    huge = dataset()
    huge.ecg[0, 0, 0] = 40
    with pytest.raises(ValueError, match="do not fit into the format"):
        twelve_lead.write(huge, tmp_path)
    other = dataset()
    other.attrs["fs"] = 250.0
    with pytest.raises(ValueError, match="not of 250 Hz"):
        twelve_lead.write(other, tmp_path)
    foreign = dataset()
    foreign.label[0, 1] = True
    with pytest.raises(ValueError, match="labels do not follow"):
        twelve_lead.write(foreign, tmp_path)


def test_unknown_sources_and_empty_folders(tmp_path):
    with pytest.raises(ValueError, match="one of simulated, ptbxl, wfdb"):
        twelve_lead.load("mimic")
    with pytest.raises(ValueError, match="needs a folder"):
        twelve_lead.load("wfdb")
    with pytest.raises(ValueError, match="holds no WFDB record"):
        twelve_lead.load("wfdb", folder=tmp_path)
    (tmp_path / "ptbxl_database.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no column ecg_id, patient_id"):
        twelve_lead.load("ptbxl", folder=tmp_path)


# Download


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A folder that stands for the publisher, its checksums, and the list of what was fetched."""
    origin, fetched = tmp_path / "origin", []
    twelve_lead.write(dataset(), origin)
    (origin / "LICENSE.txt").write_text("CC BY 4.0")
    files = [path for path in origin.rglob("*") if path.is_file()]
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.relative_to(origin).as_posix()}" for p in files]
    (origin / "SHA256SUMS.txt").write_text("\n".join(sums) + "\n")

    def retrieve(url, known_hash, target):
        name = url.removeprefix(twelve_lead._URL)
        data = (origin / name).read_bytes()
        if known_hash and hashlib.sha256(data).hexdigest() != known_hash.removeprefix("sha256:"):
            raise fetch.FetchError(f"{name} has a wrong checksum")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            fetched.append(name)
        return target

    monkeypatch.setattr(fetch, "retrieve", retrieve)
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CARDIO_DATA", raising=False)
    return origin, fetched


def test_only_the_folds_that_are_asked_for_are_downloaded(publisher):
    _, fetched = publisher
    read = twelve_lead.load("ptbxl", folds=[2])
    assert read.record.values.tolist() == ["3", "4"]
    assert sum(name.endswith(".dat") for name in fetched) == 2
    count = len(fetched)
    twelve_lead.download(folds=[2])
    assert len(fetched) == count
    twelve_lead.download()
    assert sum(name.endswith(".dat") for name in fetched) == 4


def test_a_wrong_checksum_stops_the_download(publisher):
    origin, _ = publisher
    (origin / "records100/00000/00001_lr.dat").write_bytes(b"\1" * 24000)
    with pytest.raises(fetch.FetchError, match="wrong checksum"):
        twelve_lead.download()


# Real recordings


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_file(), reason="CARDIO_DATA names no folder with ptbxl")
def test_the_real_set():
    read = twelve_lead.load("ptbxl", folds=[10])
    assert read.sizes["record"] >= 300
    assert lead_algebra.einthoven_residual(read.ecg.values).max() < 0.002
    classes = pd.read_csv(REAL.with_name("scp_statements.csv"), index_col=0).query("diagnostic == 1")
    for name, codes in twelve_lead.SCP.items():
        assert set(codes.split()) == set(classes.index[classes.diagnostic_class == name])
