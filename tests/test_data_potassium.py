"""Potassium beside electrocardiograms: units, haemolysis, time, joins, test folders, and bad input of every kind."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardio_utils import lead_algebra
from cardio_utils.data import potassium as data

REAL = Path(os.environ.get("CARDIO_DATA", "/none")) / "ptbxl" / "ptbxl_database.csv"


def leads(n=1000, fs=100.0, seed=0):
    """Twelve consistent leads with a beat every 0.8 s, mV."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) / fs
    phase = (time + 0.37) % 0.8 - 0.4
    bell = lambda at, sd: np.exp(-0.5 * ((phase - at) / sd) ** 2)  # noqa: E731
    wave = bell(0, 0.012) + 0.3 * bell(0.22, 0.04) + 0.1 * bell(-0.16, 0.02)
    eight = rng.uniform(0.5, 1.2, (8, 1)) * wave + rng.normal(0, 0.01, (8, n))
    return lead_algebra.twelve_from_eight(np.round(eight, 3))


def dataset(n=4, **changes):
    columns = {
        "ecg": np.stack([leads(seed=k) for k in range(n)]),
        "record": [str(k) for k in range(n)],
        "patient": [str(k // 2) for k in range(n)],
        "fold": [k // 2 + 1 for k in range(n)],
        "potassium": [2.4, 4.1, 5.6, 7.0][:n],
        "age": [60.0] * n,
        "sex": ["male"] * n,
        "rate": [75.0] * n,
        "lvh": [False] * n,
        "block": [False] * n,
    } | changes
    return data._dataset(columns, 100.0, "simulated", [])


# What a concentration can be


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (16.4, "mg/dL", "divide by 3.91"),
        (0.0, "mmol/L", "not measured"),
        (-4.0, "mmol/L", "not possible"),
        (45.0, "mmol/L", "4.5 with its point lost"),
        (np.nan, "mmol/L", "missing"),
    ],
)
def test_impossible_values_are_refused_with_what_they_probably_are(value, unit, said):
    with pytest.raises(ValueError, match=said):
        data.check_potassium([4.0, value], unit)


def test_possible_values_pass():
    data.check_potassium([1.5, 4.0, 9.9], "mEq/L")
    data.check(dataset())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"potassium": [2.4, 4.1, 5.6, 45.0]}, "point lost"),
        ({"potassium": [2.4, 0.0, 5.6, 7.0]}, "not measured"),
        ({"k_class": [0, 2, 2, 4]}, "do not agree"),
        ({"record": ["a", "b", "a", "c"]}, "there twice"),
        ({"fold": [1, 2, 3, 3]}, "in 2 folds"),
    ],
)
def test_data_sets_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        data.check(dataset(**changes))


def test_a_missing_lead_or_coordinate_is_named():
    with pytest.raises(ValueError, match="the leads are"):
        data.check(dataset().isel(lead=slice(0, 11)))
    with pytest.raises(ValueError, match="coordinates rate are missing"):
        data.check(dataset().drop_vars("rate"))
    hole = dataset()
    hole["ecg"][1, 3, 5] = np.nan
    with pytest.raises(ValueError, match="missing samples or leads"):
        data.check(hole)


# The laboratory


def laboratory(rows):
    names = ["subject_id", "itemid", "charttime", "valuenum", "valueuom", "comments"]
    return pd.DataFrame(rows, columns=names)


def test_each_reason_to_distrust_a_value():
    day = "2150-01-01 "
    rows = [
        (1, 50971, day + "08:00", 4.1, "mEq/L", ""),
        (1, 50971, None, 4.2, "mEq/L", ""),
        (1, 50971, day + "10:00", np.nan, "mEq/L", "___"),
        (2, 50822, day + "08:00", 16.0, "mg/dL", ""),
        (2, 50971, day + "09:00", 0.0, "mEq/L", ""),
        (2, 50971, day + "12:00", 45.0, "mmol/L", ""),
        (3, 50971, day + "08:00", 6.9, "mEq/L", "MODERATELY HEMOLYZED"),
        (4, 50971, day + "08:00", 6.4, "mEq/L", ""),
        (4, 52610, day + "08:01", 4.4, "mEq/L", ""),
        (4, 50971, day + "09:00", 4.5, "mEq/L", ""),
        (5, 50912, day + "08:00", 1.0, "mg/dL", "creatinine"),
    ]
    kept, reasons = data.clean_laboratory(laboratory(rows))
    assert kept.potassium.tolist() == [4.1, 4.5] and kept.subject_id.tolist() == [1, 4]
    words = ["no time", "no number", "unit", "not positive", "beyond 12 mmol/L", "haemolysed", "disagrees", "disagrees"]
    assert reasons.tolist() == words and 10 not in reasons.index


def test_values_that_agree_or_are_far_apart_stay():
    day = "2150-01-01 "
    near = [(1, 50971, day + "08:00", 4.0, "mEq/L", ""), (1, 50822, day + "08:01", 4.9, "mEq/L", "")]
    later = [(2, 50971, day + "08:00", 4.0, "mEq/L", ""), (2, 50971, day + "08:20", 6.0, "mEq/L", "")]
    kept, reasons = data.clean_laboratory(laboratory(near + later))
    assert len(kept) == 4 and reasons.empty
    with pytest.raises(ValueError, match="no column itemid"):
        data.clean_laboratory(laboratory(near).drop(columns="itemid"))


def test_the_nearest_value_of_the_same_subject_within_the_hour():
    records = pd.DataFrame(
        {
            "subject_id": [1, 1, 2, 3, 4],
            "study_id": [10, 11, 20, 30, 40],
            "ecg_time": [f"2150-01-01 {t}" for t in ("08:00", "08:50", "08:00", "08:00", "08:00")],
        }
    )
    values = pd.DataFrame(
        {
            "subject_id": [1, 2, 2, 3, 9],
            "charttime": pd.to_datetime([f"2150-01-01 {t}" for t in ("08:20", "07:40", "08:20", "09:01", "08:00")]),
            "potassium": [4.0, 5.0, 6.0, 3.0, 2.0],
        }
    )
    found = data.join(records, values)
    assert found.study_id.tolist() == [10, 20]  # 11 is farther from the one value; 30 is 61 minutes away
    assert found.potassium.tolist() == [4.0, 5.0]  # of two equally far the earlier
    assert found.delay.tolist() == [20.0, -20.0]
    assert len(data.join(records, values, minutes=120)) == 3
    with pytest.raises(ValueError, match="within 5 minutes"):
        data.join(records, values, minutes=5)


# Files as they are supplied


def write_wfdb(path, x, fs, names=lead_algebra.TWELVE):
    path.parent.mkdir(parents=True, exist_ok=True)
    digital = np.rint(1000 * x).astype("<i2")
    lines = [f"{path.name} {len(names)} {fs:g} {x.shape[1]}"]
    lines += [f"{path.name}.dat 16 1000(0)/mV 16 0 {row[0]} {int(row.sum(dtype=int)) % 65536} 0 {name}"
              for name, row in zip(names, digital, strict=True)]  # fmt: skip
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    np.ascontiguousarray(digital.T).tofile(path.with_suffix(".dat"))


@pytest.fixture
def mimic(tmp_path):
    """Six records in the layout of MIMIC-IV-ECG and a table in that of labevents."""
    order = ["I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"]
    rows = np.array([lead_algebra.TWELVE.index(name) for name in order])
    records, values = [], []
    for k in range(6):
        subject, study = 10000 + k // 2, 400 + k
        path = f"files/p1000/p{subject}/s{study}/{study}"
        seconds, names = (3 if k == 2 else 10), (order[:11] if k == 3 else order)
        x = leads(500 * seconds, 500.0, k)[rows][: len(names)]
        write_wfdb(tmp_path / path, x, 500, names)
        time = f"2150-01-0{k + 1} 08:00:00"
        records.append((subject, study, study, time, path))
        values.append((k, subject, 50971, f"2150-01-0{k + 1} 08:30:00", 4.0 + 0.3 * k, "mEq/L", ""))
    names = ["subject_id", "study_id", "file_name", "ecg_time", "path"]
    pd.DataFrame(records, columns=names).to_csv(tmp_path / "record_list.csv", index=False)
    reports = [
        "Sinus rhythm",
        "Left bundle branch block",
        "",
        "",
        "Ventricular-paced rhythm",
        "Left ventricular hypertrophy",
    ]
    machine = {"subject_id": [r[0] for r in records], "study_id": [r[1] for r in records], "report_0": reports}
    pd.DataFrame(machine | {"rr_interval": [800, 1000, 800, 800, 800, 65535]}).to_csv(
        tmp_path / "machine_measurements.csv", index=False
    )
    people = {"subject_id": [10000, 10001], "gender": ["F", "M"], "anchor_age": [50, 60], "anchor_year": [2148, 2150]}
    pd.DataFrame(people).to_csv(tmp_path / "patients.csv", index=False)
    names = ["labevent_id", "subject_id", "itemid", "charttime", "valuenum", "valueuom", "comments"]
    pd.DataFrame(values, columns=names).to_csv(tmp_path / "labevents.csv.gz", index=False)
    return tmp_path


def test_mimic_is_joined_and_what_cannot_be_used_is_named(mimic):
    with pytest.warns(UserWarning, match="is left out"):
        found = data.load("mimic", folder=mimic, laboratory=mimic / "labevents.csv.gz")
    assert found["record"].values.tolist() == ["400", "401", "405"]
    assert found["patient"].values.tolist() == ["10000", "10000", "10002"]
    assert found["potassium"].values.tolist() == [4.0, 4.3, 5.5] and found["k_class"].values.tolist() == [2, 2, 3]
    assert found["delay"].values.tolist() == [30.0] * 3
    assert found["block"].values.tolist() == [False, True, False] and found["lvh"].values.tolist() == [
        False,
        False,
        True,
    ]
    assert found["age"].values[:2].tolist() == [52, 52] and np.isnan(found["age"].values[2])
    assert found["sex"].values.tolist() == ["female", "female", ""]
    assert found["rate"].values[:2].tolist() == [75, 60] and np.isnan(found["rate"].values[2])
    assert lead_algebra.einthoven_residual(found["ecg"].values).max() < 0.01  # leads found by name, not by place
    assert found.sizes["time"] == 1000
    said = found.attrs["warnings"]
    for words in (
        "402 is left out: it lasts 3.0 s",
        "403 is left out",
        "no lead V6",
        "404 is left out: its report names a pacemaker",
    ):
        assert words in said


def test_mimic_needs_its_files(mimic):
    with pytest.raises(ValueError, match="needs the folder"):
        data.load("mimic", folder=mimic)
    with pytest.raises(ValueError, match="record_list"):
        data.load("mimic", folder=mimic / "files", laboratory=mimic / "labevents.csv.gz")


LABELS = [f"LABEL[K: {name}]" for name in ("<= 2.5", "2.5 ~ 3.5", "3.5 ~ 5.5", "5.5 ~ 6.5", ">= 6.5")]


def write_folder(folder, classes, names=None, header=True):
    names = [f"{k:032x}" for k in range(len(classes))] if names is None else names
    for k, name in enumerate(dict.fromkeys(names)):
        x = leads(5000, 500.0, k)
        x[:, 4720:] += 0.2 * np.arange(12)[:, None]  # the last half second is not consistent
        x[:, :900] += 4.0 * np.exp(-np.arange(900) / 300)
        columns = [f"lead{lead}" for lead in lead_algebra.TWELVE] if header else None
        pd.DataFrame(np.rint(100 * x.T).astype(int), columns=columns).to_csv(
            folder / f"{name}.csv", index=False, header=header
        )
    marks = np.eye(5, dtype=int)[classes]
    table = pd.DataFrame({"exam_type": "dyskalemia", "hash_id": names})
    pd.concat([table, pd.DataFrame(marks, columns=LABELS)], axis=1).to_csv(folder / "label.csv", index=False)
    return names


@pytest.mark.parametrize("header", [True, False])
def test_a_test_folder_is_read_where_it_can_be_trusted(tmp_path, header):
    names = write_folder(tmp_path, [0, 2, 4], header=header)
    found = data.load("folder", folder=tmp_path)
    assert found["record"].values.tolist() == names and found["k_class"].values.tolist() == [0, 2, 4]
    assert np.isnan(found["potassium"].values).all() and found.sizes["time"] == 690
    assert lead_algebra.einthoven_residual(found["ecg"].values).max() < 0.01
    assert np.allclose(found["rate"].values, 75, atol=1)


def test_repeated_unknown_and_unreadable_records_are_named(tmp_path):
    names = write_folder(tmp_path, [0, 2, 4, 4, 1, 3], [f"{k:032x}" for k in (0, 1, 2, 2, 3, 4)])
    (tmp_path / f"{names[4]}.csv").unlink()
    table = pd.read_csv(tmp_path / f"{names[5]}.csv")
    table.iloc[2000:2400] += 3000
    table.to_csv(tmp_path / f"{names[5]}.csv", index=False)
    with pytest.warns(UserWarning, match="left out"):
        found = data.load("folder", folder=tmp_path)
    assert found["record"].values.tolist() == names[:3]
    for words in ("there twice", f"there is no file {names[4]}.csv", "mV after the filter"):
        assert words in found.attrs["warnings"]


def test_label_tables_that_make_no_sense_are_refused(tmp_path):
    names = write_folder(tmp_path, [0, 2])
    table = pd.read_csv(tmp_path / "label.csv", dtype={"hash_id": str})
    table.drop(columns=LABELS[0]).to_csv(tmp_path / "label.csv", index=False)
    with pytest.raises(ValueError, match="4 class columns"):
        data.load("folder", folder=tmp_path)
    table.assign(**{LABELS[1]: 1}).to_csv(tmp_path / "label.csv", index=False)
    with pytest.raises(ValueError, match="a 1 in one of the class columns"):
        data.load("folder", folder=tmp_path)
    table.assign(hash_id=["x", "y"]).to_csv(tmp_path / "label.csv", index=False)
    with pytest.raises(ValueError, match="no record could be used"):
        data.load("folder", folder=tmp_path)
    table.drop(columns="hash_id").to_csv(tmp_path / "label.csv", index=False)
    with pytest.raises(ValueError, match="no column hash_id"):
        data.load("folder", folder=tmp_path)
    short = pd.read_csv(tmp_path / f"{names[0]}.csv").iloc[:1500]
    short.to_csv(tmp_path / f"{names[0]}.csv", index=False)
    table.to_csv(tmp_path / "label.csv", index=False)
    with pytest.warns(UserWarning, match="it lasts 3.0 s"):
        data.load("folder", folder=tmp_path)


# Morphed records of PTB-XL


def written(folder, n=3, statements=None):
    """Records in the layout of PTB-XL."""
    from cardio_utils.data import twelve_lead

    columns = {
        "record": [str(k + 1) for k in range(n)],
        "patient": [str(k + 1) for k in range(n)],
        "fold": [8, 9, 10, 10, 10][:n],
        "age": [50.0] * n,
        "sex": ["male"] * n,
        "noise": [""] * n,
        "statements": statements or ["NORM SR", "LVH", "CLBBB"][:n],
    }
    x = np.stack([leads(seed=k) for k in range(n)]).astype(np.float32)
    twelve_lead.write(twelve_lead._dataset(x, columns, 100.0, "simulated"), folder)


def test_each_recording_is_given_every_class_and_keeps_its_patient_and_fold(tmp_path):
    written(tmp_path)
    found = data.load("semisynthetic", folder=tmp_path, draws=5)
    assert found.sizes["record"] == 15 and len(np.unique(found["record"])) == 15
    truth = data.encode_k_class(found["true_potassium"].values).reshape(3, 5)
    assert (np.sort(truth, axis=1) == np.arange(5)).all()
    assert [len(part) for part in data.split(found)] == [5, 5, 5]
    assert found["lvh"].values[5:10].all() and found["block"].values[10:].all()
    assert lead_algebra.einthoven_residual(found["ecg"].values).max() < 1e-5
    assert "morphed" in found.attrs["citation"]
    again = data.load("semisynthetic", folder=tmp_path, draws=2, folds=[9])
    assert np.array_equal(again["ecg"].values, found["ecg"].values[5:7])


def test_records_that_cannot_stand_for_a_normal_potassium_are_left_out(tmp_path):
    written(tmp_path, 5, ["NORM", "EL", "NORM DIG", "NORM PACE", "NORM"])
    with pytest.warns(UserWarning, match="electrolyte disturbance"):
        found = data.load("semisynthetic", folder=tmp_path, draws=1)
    assert found["patient"].values.tolist() == ["1", "5"]
    assert "digitalis" in found.attrs["warnings"] and "pacemaker" in found.attrs["warnings"]


def test_unknown_sources_are_refused():
    with pytest.raises(ValueError, match="simulated, semisynthetic, mimic, folder"):
        data.load("heedb")
    with pytest.raises(ValueError, match="'balanced' or 'natural'"):
        data.load("simulated", n_patients=1, distribution="flat")


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="PTB-XL is not in CARDIO_DATA")
def test_features_are_about_as_good_on_morphed_records_as_on_real_patients():
    from cardio_utils import potassium as pot

    with pytest.warns(UserWarning, match="left out"):
        found = data.load("semisynthetic", folds=[1], draws=1)
    found = found.isel(record=slice(0, 60))
    assert found.sizes["record"] == 60 and np.isfinite(pot.beats(found).x).all()
