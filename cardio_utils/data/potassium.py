"""Twelve-lead electrocardiograms with the potassium of the blood: simulated, morphed from real ones, and real.

A laboratory reports potassium in mmol/L, to a tenth. Five classes have limits that a physician acts on (`CLASSES`).
Electrocardiogram and blood are never taken at the same moment, a haemolysed sample reads too high, and a value may be
typed in the wrong unit: what is left out for such a reason is listed in the attribute `warnings` of the data set.

Introduced in chapter 12. Simulated and morphed records are a check of software, not clinical evidence.
"""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import numpy as np
import xarray as xr

from cardio_utils import ecg, lead_algebra, signals
from cardio_utils.data import fetch, twelve_lead
from cardio_utils.data.twelve_lead import split
from cardio_utils.lead_algebra import TWELVE

__all__ = [
    "CLASSES",
    "ITEMS",
    "LIMITS",
    "check",
    "check_potassium",
    "clean_laboratory",
    "encode_k_class",
    "join",
    "load",
    "split",
]

CLASSES = ("K <= 2.5", "2.5 - 3.5", "3.5 - 5.5", "5.5 - 6.5", "K >= 6.5")
"""Severe and mild lack, normal, mild and severe excess; 2.5 and 3.5 belong to the lower class, 5.5 and 6.5 to the
higher one."""

LIMITS = (2.5, 3.5, 5.5, 6.5)
"""mmol/L."""

ITEMS = {50971: "serum", 50822: "whole blood", 52610: "serum, other analyser"}
"""Codes of MIMIC-IV for potassium."""

_HIGHEST = 12.0  # mmol/L; nobody lives beyond it
_APART, _DISAGREE = 15.0, 1.0  # minutes, mmol/L
_EXCLUDED = {"EL", "DIG", "PACE"}  # statements of PTB-XL: electrolytes, digitalis, pacemaker
_BLOCKS = {"CLBBB", "CRBBB", "IVCD"}
_FROM, _TO = 2.5, 9.4  # s of a test record that can be used
_LICENCES = {
    "simulated": ("MIT", "simulated by cardio_utils"),
    "semisynthetic": ("CC BY 4.0", "PTB-XL 1.0.3 (Wagner P et al., Sci Data 2020;7:154), potassium morphed in"),
    "mimic": ("as the supplier says; do not pass on", "MIMIC-IV-ECG 1.0 (doi:10.13026/4nqg-sb35) and MIMIC-IV"),
    "folder": ("as the supplier says; do not pass on", "as the supplier says"),
}


# Definitions


def encode_k_class(potassium):
    """Class of a concentration: 0 up to 2.5, 1 up to 3.5, 2 below 5.5, 3 below 6.5, 4 from 6.5 on.

    Parameters
    ----------
    potassium : array_like
        mmol/L; compared with a tolerance of 1e-6, so that 35 tenths are 3.5 whatever their last bits.

    Returns
    -------
    ndarray of int64

    Raises
    ------
    ValueError
        A value is missing.
    """
    potassium = np.asarray(potassium, float)
    if not np.isfinite(potassium).all():
        raise ValueError("a potassium value is missing (NaN): it has no class")
    low = [potassium > limit + 1e-6 for limit in LIMITS[:2]]
    high = [potassium >= limit - 1e-6 for limit in LIMITS[2:]]
    return np.sum([*low, *high], axis=0).astype(np.int64)


def check_potassium(potassium, unit="mmol/L"):
    """Refuse values that cannot be a concentration of potassium in blood.

    Parameters
    ----------
    potassium : array_like
    unit : str
        As written in the table.

    Raises
    ------
    ValueError
        The unit is neither mmol/L nor mEq/L, a value is missing, not positive, or beyond 12 mmol/L. The message says
        what it probably is.
    """
    values = np.ravel(np.asarray(potassium, float))
    if unit.lower().replace(" ", "") not in ("mmol/l", "meq/l"):
        advice = ": divide by 3.91" if unit.lower().replace(" ", "") == "mg/dl" else ""
        raise ValueError(f"potassium is given in {unit}, mmol/L (or mEq/L, the same number) is needed{advice}")
    if not np.isfinite(values).all():
        raise ValueError(f"{np.sum(~np.isfinite(values))} potassium value(s) are missing")
    if (values <= 0).any():
        raise ValueError(f"a potassium of {values.min():g} mmol/L is not possible: 0 often stands for 'not measured'")
    if (values > _HIGHEST).any():
        worst = values.max()
        raise ValueError(
            f"a potassium of {worst:g} mmol/L is not possible: {worst / 10:g} with its point lost, or {worst:g} mg/dL, "
            f"which are {worst / 3.91:.1f} mmol/L?"
        )


# Laboratory values beside electrocardiograms


def clean_laboratory(table):
    """Potassium values of a laboratory table that can be trusted.

    Parameters
    ----------
    table : DataFrame
        In the layout of MIMIC-IV (hosp/labevents): subject_id, itemid, charttime, valuenum, valueuom, comments.

    Returns
    -------
    kept : DataFrame
        subject_id, charttime, potassium (mmol/L), by subject and time.
    reasons : Series of str
        Why each other potassium value was left out, by its row: no time, no number, a wrong unit, not positive, beyond
        12 mmol/L, haemolysed by its comment, or "disagrees": another value of the subject within 15 minutes differs by
        1 mmol/L or more, as when one of two tubes was haemolysed; both are left out.

    Raises
    ------
    ValueError
        A column is missing.
    """
    import pandas as pd

    wanted = ["subject_id", "itemid", "charttime", "valuenum", "valueuom"]
    if gone := [name for name in wanted if name not in table]:
        raise ValueError(f"the laboratory table has no column {', '.join(gone)}: it is not in the layout of labevents")
    table = table[table["itemid"].isin(ITEMS)]
    value = pd.to_numeric(table["valuenum"], errors="coerce")
    time = pd.to_datetime(table["charttime"], errors="coerce")
    unit = table["valueuom"].fillna("").astype(str).str.lower().str.replace(" ", "")
    comments = table["comments"].fillna("").astype(str) if "comments" in table else pd.Series("", table.index)
    rules = {
        "no time": time.isna(),
        "no number": value.isna(),
        "unit": ~unit.isin(["mmol/l", "meq/l"]),
        "not positive": value <= 0,
        f"beyond {_HIGHEST:g} mmol/L": value > _HIGHEST,
        "haemolysed": comments.str.contains("hemoly", case=False) | comments.str.contains("haemoly", case=False),
    }
    reason = pd.Series("", table.index)
    for name, broken in rules.items():
        reason = reason.mask((reason == "") & broken, name)
    fine = reason == ""
    kept = pd.DataFrame({"subject_id": table["subject_id"], "charttime": time, "potassium": value})[fine]
    kept = kept.sort_values(["subject_id", "charttime"], kind="stable")
    apart = _disagree(kept)
    reason[kept.index[apart]] = "disagrees"
    return kept[~apart].reset_index(drop=True), reason[reason != ""]


def _disagree(table):
    """Which rows, sorted by subject and time, have a row within 15 minutes that differs by 1 mmol/L or more."""
    who, when = table["subject_id"].to_numpy(), table["charttime"].to_numpy()
    value = table["potassium"].to_numpy()
    found = np.zeros(len(table), bool)
    for step in range(1, len(table)):
        near = (who[step:] == who[:-step]) & (when[step:] - when[:-step] <= np.timedelta64(int(60 * _APART), "s"))
        if not near.any():
            break
        differ = near & (np.abs(value[step:] - value[:-step]) >= _DISAGREE - 1e-9)
        found[step:] |= differ
        found[:-step] |= differ
    return found


def join(records, laboratory, minutes=60.0):
    """The laboratory value that is nearest in time to each electrocardiogram of the same subject.

    Parameters
    ----------
    records : DataFrame
        subject_id, ecg_time, and whatever else.
    laboratory : DataFrame
        From `clean_laboratory`.
    minutes : float
        How far apart the two may be. Clocks of wards and laboratories are not the same: the true distance is unknown.

    Returns
    -------
    DataFrame
        The rows of `records` that have a value, with `potassium` (mmol/L) and `delay` (minutes from electrocardiogram
        to blood). Of two values equally far the earlier one is taken, of several records beside one value the nearest.

    Raises
    ------
    ValueError
        No record has a value.
    """
    import pandas as pd

    time = pd.to_datetime(records["ecg_time"], errors="coerce")
    pairs = (
        records.assign(ecg_time=time, _row=np.arange(len(records)))[time.notna()]
        .merge(laboratory.assign(_value=np.arange(len(laboratory))), on="subject_id")
        .assign(delay=lambda t: (t["charttime"] - t["ecg_time"]).dt.total_seconds() / 60)
    )
    pairs = pairs[pairs["delay"].abs() <= minutes]
    pairs = pairs.assign(_far=pairs["delay"].abs()).sort_values(["_far", "delay"], kind="stable")
    pairs = pairs.drop_duplicates("_row").drop_duplicates("_value").sort_values("_row")
    if pairs.empty:
        raise ValueError(f"no electrocardiogram has a potassium value within {minutes:g} minutes")
    return pairs.drop(columns=["_row", "_value", "_far"]).reset_index(drop=True)


# Loading


def load(
    source="simulated",
    *,
    folder=None,
    laboratory=None,
    fs=100.0,
    duration=10.0,
    folds=None,
    records=None,
    draws=5,
    distribution="balanced",
    n_patients=150,
    minutes=60.0,
    seed=0,
):
    """Twelve-lead records with the potassium of the blood.

    Parameters
    ----------
    source : {'simulated', 'semisynthetic', 'mimic', 'folder'}
        'simulated': `cardio_utils.simulate.potassium.simulate`. 'semisynthetic': records of PTB-XL into which a drawn
        concentration is morphed (`simulate.potassium.morphed`). 'mimic': MIMIC-IV-ECG in its own layout, joined with a
        laboratory table; the files are yours to supply. 'folder': one CSV file a record (12 columns, 500 Hz, steps of
        0.01 mV) and a label.csv with five class columns: for tests only.
    folder : path, optional
        Of the records; PTB-XL has a default place.
    laboratory : path, optional
        'mimic': the table labevents, csv or csv.gz. 'folder': the label table, if it is not label.csv in the folder.
    fs, duration : float
        Hz and s of what is wanted. Records of 'folder' last 6.9 s, the part that is free of artefacts.
    folds : sequence of int, optional
        Only these out of 1 to 10. Folds of 'mimic' and 'folder' are drawn by patient.
    records : sequence of str, optional
        'semisynthetic': only these of PTB-XL.
    draws : int
        Concentrations a patient ('simulated') or a recording ('semisynthetic').
    distribution : {'balanced', 'natural'}
        Of the drawn concentrations.
    n_patients : int
        'simulated'.
    minutes : float
        'mimic': see `join`.
    seed : int

    Returns
    -------
    xarray.Dataset
        ==============  ==================  =======  ================================================================
        ecg             record, lead, time  float32  mV
        record          record              str
        patient         record              str      never part the records of one
        fold            record              int64    1 to 10, by patient; 9 is for validation, 10 for the test
        potassium       record              float64  mmol/L, as the laboratory reports it; NaN if unknown
        k_class         record              int64    position in `CLASSES`
        age             record              float32  years, NaN if unknown
        sex             record              str      'female', 'male' or ''
        rate            record              float32  beats a minute, NaN if unknown
        lvh, block      record              bool     thick left ventricle, bundle-branch block: confounders
        lead, time                                   `lead_algebra.TWELVE`; s
        ==============  ==================  =======  ================================================================

        Where the truth is known also `true_potassium` and `response` (float64); of 'mimic' also `delay` (minutes).
        Attributes: source, fs, licence, citation, groups ('patient'), warnings (what was left out and why, one a line).

    Raises
    ------
    ValueError
        An argument is unknown, no record can be used, or the set is not as `check` wants it.
    """
    if source == "simulated":
        from cardio_utils.simulate import potassium as simulator

        columns = simulator.simulate(
            n_patients, draws=draws, distribution=distribution, fs=fs, duration=duration, folds=folds, seed=seed
        )
        left_out = []
    elif source == "semisynthetic":
        columns, left_out = _semisynthetic(folder, fs, duration, folds, records, draws, distribution, seed)
    elif source == "mimic":
        columns, left_out = _mimic(folder, laboratory, fs, duration, folds, minutes)
    elif source == "folder":
        columns, left_out = _folder(folder, laboratory, fs, folds)
    else:
        raise ValueError(f"source must be one of simulated, semisynthetic, mimic, folder, not {source!r}")
    dataset = _dataset(columns, fs, source, left_out)
    check(dataset)
    if left_out:
        more = f"\nand {len(left_out) - 5} more, see attrs['warnings']" if len(left_out) > 5 else ""
        warnings.warn("\n".join(left_out[:5]) + more, stacklevel=2)
    return dataset


_TYPES = {
    **{"record": str, "patient": str, "sex": str, "fold": np.int64, "potassium": float, "k_class": np.int64},
    **{"age": np.float32, "rate": np.float32, "lvh": bool, "block": bool},
    **{"true_potassium": float, "response": float, "delay": float},
}
_UNITS = {"potassium": "mmol/L", "true_potassium": "mmol/L", "age": "a", "rate": "1/min", "delay": "min"}


def _dataset(columns, fs, source, left_out):
    columns = dict(columns)
    x = np.asarray(columns.pop("ecg"), np.float32)
    if "k_class" not in columns:
        columns["k_class"] = encode_k_class(columns["potassium"])
    coords = {
        name: ("record", np.asarray(values, _TYPES[name]), {"units": _UNITS[name]} if name in _UNITS else {})
        for name, values in columns.items()
    }
    coords |= {"lead": list(TWELVE), "time": ("time", np.arange(x.shape[-1]) / fs, {"units": "s"})}
    licence, citation = _LICENCES[source]
    attributes = {"source": source, "fs": float(fs), "groups": "patient", "warnings": "\n".join(left_out)}
    return xr.Dataset(
        {"ecg": (("record", "lead", "time"), x, {"units": "mV"})},
        coords=coords,
        attrs=attributes | {"licence": licence, "citation": citation},
    )


def check(dataset):
    """Refuse a data set that is not what `load` describes, or whose folds would leak.

    Parameters
    ----------
    dataset : xarray.Dataset

    Raises
    ------
    ValueError
        With the reason: dimensions, leads, a coordinate is missing, samples are missing, potassium is not possible or
        not of its class, a record is there twice, or a patient is in two folds.
    """
    if "ecg" not in dataset or dataset["ecg"].dims != ("record", "lead", "time"):
        raise ValueError("ecg must have the dimensions (record, lead, time)")
    if (leads := dataset["lead"].values.tolist()) != list(TWELVE):
        raise ValueError(f"the leads are {', '.join(leads)}; they must be {', '.join(TWELVE)}, in this order")
    wanted = ("patient", "fold", "potassium", "k_class", "age", "sex", "rate", "lvh", "block")
    if gone := [name for name in wanted if name not in dataset.coords]:
        raise ValueError(f"the coordinates {', '.join(gone)} are missing")
    if missing := int((~np.isfinite(dataset["ecg"].values).all(axis=(1, 2))).sum()):
        raise ValueError(f"{missing} record(s) have missing samples or leads")
    potassium, known = dataset["potassium"].values, np.isfinite(dataset["potassium"].values)
    check_potassium(potassium[known], dataset["potassium"].attrs.get("units", "mmol/L"))
    if (encode_k_class(potassium[known]) != dataset["k_class"].values[known]).any():
        raise ValueError("potassium and its class (k_class) do not agree")
    names, count = np.unique(dataset["record"].values, return_counts=True)
    if (count > 1).any():
        raise ValueError(f"record {names[count > 1][0]} is there twice ({(count > 1).sum()} such)")
    pairs = np.unique(np.stack([dataset["patient"].values, dataset["fold"].values.astype(str)]), axis=1)
    patients, folds = np.unique(pairs[0], return_counts=True)
    if (folds > 1).any():
        raise ValueError(f"patient {patients[folds > 1][0]} is in {folds.max()} folds: what is learned in one is known")


# Real beats, drawn concentrations


def _semisynthetic(folder, fs, duration, folds, records, draws, distribution, seed):
    from cardio_utils.simulate import potassium as simulator

    base = twelve_lead.load("ptbxl", folder=folder, fs=fs, duration=duration, folds=folds, records=records)
    left_out = [line for line in base.attrs["warnings"].splitlines() if line]
    rows = []
    for i, name in enumerate(base["record"].values.tolist()):
        statements = set(str(base["statements"].values[i]).split())
        x = base["ecg"].values[i]
        try:
            _usable(x, statements, str(base["noise"].values[i]), float(base["age"].values[i]))
            eight = lead_algebra.eight_leads(x)
            own = simulator.template(eight, fs)
        except ValueError as error:
            left_out.append(f"record {name} is left out: {error}")
            continue
        facts = {
            "patient": base["patient"].values[i],
            "fold": base["fold"].values[i],
            "age": base["age"].values[i],
            "sex": base["sex"].values[i],
            "rate": 60 * fs / np.median(np.diff(own.peaks)) if len(own.peaks) > 1 else np.nan,
            "lvh": "LVH" in statements,
            "block": bool(statements & _BLOCKS),
        }
        drawn = simulator.concentrations(int(facts["patient"]), int(name), draws, distribution, seed)
        for number, (value, responder, rng) in enumerate(drawn):
            twelve = lead_algebra.twelve_from_eight(simulator.morphed(eight, own, value, responder))
            rows.append(
                {"ecg": twelve.astype(np.float32), "record": f"{name}.{number + 1}", "true_potassium": value}
                | {"potassium": simulator.laboratory(rng, value), "response": simulator.response(value, responder)}
                | facts
            )
    if not rows:
        raise ValueError("\n".join(["no record could be used", *left_out[:10]]))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}, left_out


def _usable(x, statements, noise, age=np.nan):
    """ValueError if a record cannot stand for a normal potassium or is too poor to be read."""
    if found := statements & _EXCLUDED:
        words = {"EL": "an electrolyte disturbance", "DIG": "digitalis", "PACE": "a pacemaker"}
        raise ValueError(f"a reader noted {words[min(found)]}")
    if set(noise.split()) & {"burst", "electrodes"}:
        raise ValueError(f"a reader noted noise ({noise})")
    if age < 18:
        raise ValueError(f"the patient is {age:.0f} years old")
    _readable(x)


def _readable(x, largest=10.0):
    """ValueError if samples are missing, a lead is flat, or a value is beyond what a heart gives."""
    if not np.isfinite(x).all():
        raise ValueError("samples are missing")
    if (flat := x.std(axis=-1) < 0.005).any():
        raise ValueError(f"lead {TWELVE[int(flat.argmax())]} is flat")
    if np.abs(x).max() > largest:
        raise ValueError(f"it reaches {np.abs(x).max():.1f} mV")


# Files that others supply


@fetch.reader
def _mimic(folder, laboratory, fs, duration, folds, minutes):
    import pandas as pd

    if folder is None or laboratory is None:
        raise ValueError("source 'mimic' needs the folder of MIMIC-IV-ECG and the laboratory table (labevents)")
    folder, laboratory = Path(folder), Path(laboratory)
    records = _table(folder / "record_list.csv", ["subject_id", "study_id", "ecg_time", "path"])
    kept, reasons = clean_laboratory(_table(laboratory, ["subject_id", "itemid"]))
    left_out = [f"laboratory row {row} is left out: {reason}" for row, reason in reasons.items()]
    pairs = join(records, kept, minutes)
    pairs["fold"] = [zlib.crc32(str(subject).encode()) % 10 + 1 for subject in pairs["subject_id"]]
    pairs = pairs if folds is None else pairs[pairs["fold"].isin([int(fold) for fold in folds])]
    machine = _machine(folder / "machine_measurements.csv")
    people = folder / "patients.csv"
    people = _table(people, ["subject_id"]).set_index("subject_id") if people.is_file() else pd.DataFrame()
    rows = []
    for pair in pairs.itertuples():
        try:
            said = machine.get(pair.study_id, {"report": "", "rate": np.nan})
            if "pace" in said["report"] or "pacing" in said["report"]:
                raise ValueError("its report names a pacemaker")
            x = _read(folder / f"{pair.path}.hea", fs, duration)
        except ValueError as error:
            left_out.append(f"record {pair.study_id} is left out: {error}")
            continue
        rows.append(
            {"ecg": x, "record": str(pair.study_id), "patient": str(pair.subject_id), "fold": pair.fold}
            | {"potassium": pair.potassium, "delay": pair.delay, "rate": said["rate"]}
            | {"lvh": "ventricular hypertrophy" in said["report"], "block": "bundle branch block" in said["report"]}
            | _person(people, pair)
        )
    if not rows:
        raise ValueError("\n".join(["no record could be used", *left_out[:10]]))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}, left_out


def _table(path, columns):

    try:
        table = fetch.read_csv(path, low_memory=False, dtype={"hash_id": str})  # names, even if all digits
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a table ({error})") from error
    if gone := [name for name in columns if name not in table]:
        raise ValueError(f"{path} has no column {', '.join(gone)}")
    return table


def _machine(path):
    """study_id -> what the electrocardiograph said: its report in lower case, and the rate (beats a minute)."""
    if not path.is_file():
        return {}
    table = _table(path, ["study_id"])
    lines = table[[name for name in table if name.startswith("report_")]].fillna("").astype(str)
    report = lines.agg(" ".join, axis=1).str.lower() if lines.shape[1] else [""] * len(table)
    interval = table["rr_interval"].to_numpy(float) if "rr_interval" in table else np.full(len(table), np.nan)
    rate = np.where((interval > 200) & (interval < 3000), 60000 / np.where(interval > 0, interval, np.nan), np.nan)
    said = zip(table["study_id"], report, rate.tolist(), strict=True)
    return {study: {"report": text, "rate": value} for study, text, value in said}


def _person(people, pair):
    """Age (years) and sex from the table patients of MIMIC-IV, where it is there."""
    if pair.subject_id not in people.index:
        return {"age": np.nan, "sex": ""}
    row = people.loc[pair.subject_id]
    age = float(row["anchor_age"]) + pair.ecg_time.year - int(row["anchor_year"])
    return {"age": age, "sex": {"F": "female", "M": "male"}.get(str(row["gender"]), "")}


def _read(header, fs, duration):
    """The first seconds of one WFDB record, (12, n) float32 mV at `fs`."""
    x, rate, _ = twelve_lead.read_leads(header)
    if x.shape[1] < round(duration * rate):
        raise ValueError(f"it lasts {x.shape[1] / rate:.1f} s; {duration:g} s are needed")
    x = x[:, : round(duration * rate)]
    _readable(x)
    return x if rate == fs else signals.resample(x, rate, fs)


@fetch.reader
def _folder(folder, labels, fs, folds):
    if folder is None:
        raise ValueError("source 'folder' needs a folder of CSV files and their label.csv")
    folder = Path(folder)
    labels = folder / "label.csv" if labels is None else Path(labels)
    table = _table(labels, ["hash_id"])
    names = [name for name in table if str(name).startswith("LABEL")]
    if len(names) != len(CLASSES):
        raise ValueError(f"{labels} has {len(names)} class columns (LABEL...); {len(CLASSES)} are needed, lowest first")
    marks = table[names].to_numpy(float)
    if not np.isin(marks, (0, 1)).all() or (marks.sum(1) != 1).any():
        raise ValueError(f"{labels}: each record has a 1 in one of the class columns and a 0 in the others")
    table = table.assign(k_class=marks.argmax(1))
    repeated = table["hash_id"].duplicated()
    left_out = [f"record {name} is left out: it is there twice" for name in table.loc[repeated, "hash_id"]]
    table = table[~repeated]
    places = {path.stem: path for path in sorted(folder.rglob("*.csv")) if path != labels}
    rows, seen = [], {}
    for name, k_class in zip(table["hash_id"].astype(str), table["k_class"], strict=True):
        fold = zlib.crc32(name.encode()) % 10 + 1
        if folds is not None and fold not in set(folds):
            continue
        try:
            if name not in places:
                raise ValueError(f"{labels.name} names it, but there is no file {name}.csv")
            x = _test_record(places[name], fs)
            twin = seen.setdefault(x.tobytes(), name)
            if twin != name:
                raise ValueError(f"its samples are those of {twin}")
        except ValueError as error:
            left_out.append(f"record {name} is left out: {error}")
            continue
        rows.append(
            {"ecg": x, "record": name, "patient": name, "fold": fold, "potassium": np.nan, "k_class": k_class}
            | {"age": np.nan, "sex": "", "rate": _rate(x, fs), "lvh": False, "block": False}
        )
    if not rows:
        raise ValueError("\n".join(["no record could be used", *left_out[:10]]))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}, left_out


@fetch.reader
def _test_record(path, fs):
    """One record of a test folder: 2.5 to 9.4 s, 0.5 to 40 Hz, mV at `fs`; ValueError if it cannot be used."""
    import pandas as pd

    try:
        table = fetch.read_csv(path)
        if pd.to_numeric(pd.Series(table.columns), errors="coerce").notna().all():  # no names: the first row is data
            table = fetch.read_csv(path, header=None)
        values = table.to_numpy(float)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as a table of numbers ({error})") from error
    if values.shape[1] != len(TWELVE):
        raise ValueError(f"it has {values.shape[1]} columns, one for each of {len(TWELVE)} leads is needed")
    if len(values) < round(500 * _TO):
        raise ValueError(f"it lasts {len(values) / 500:.1f} s; {_TO:g} s at 500 Hz are needed")
    spelled = [str(name).strip().upper().removeprefix("LEAD") for name in table.columns]
    named = sorted(spelled) == sorted(name.upper() for name in TWELVE)
    rows = [spelled.index(name.upper()) for name in TWELVE] if named else list(range(len(TWELVE)))
    x = values[round(500 * _FROM) : round(500 * _TO), rows].T / 100
    if not np.isfinite(x).all():
        raise ValueError("samples are missing")
    x = signals.bandpass(x, 500, 0.5, 40)
    if np.abs(x).max() > 4:
        raise ValueError(f"it reaches {np.abs(x).max():.1f} mV after the filter (4 mV are allowed)")
    _readable(x)
    return (x if fs == 500 else signals.resample(x, 500, fs)).astype(np.float32)


def _rate(x, fs):
    peaks = ecg.find_r_peaks(x, fs)
    return 60 * fs / np.median(np.diff(peaks)) if len(peaks) > 2 else np.nan
