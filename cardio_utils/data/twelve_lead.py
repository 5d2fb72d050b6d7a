"""Twelve-lead electrocardiograms with their diagnoses: PTB-XL, folders of WFDB records, and simulated ones.

Signals are in mV as recorded, not filtered, scaled or clipped, in the lead order of `lead_algebra.TWELVE` whatever
the files have. A record's diagnostic statements make its labels: five superclasses, of which it may have several
or none. Which records are fit for use is a question of its own: `cardio_utils.labels.faults`.
"""

from __future__ import annotations

import re
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from cardio_utils import signals, watched
from cardio_utils.data import fetch
from cardio_utils.data import twelve_lead_files as files
from cardio_utils.data.twelve_lead_files import read_leads
from cardio_utils.lead_algebra import TWELVE

__all__ = [
    "CLASSES",
    "NOISE",
    "SCP",
    "SNOMED",
    "Split",
    "check",
    "download",
    "load",
    "read_leads",
    "read_record",
    "split",
    "superclasses",
    "write",
]

CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
"""Superclasses of PTB-XL: normal, myocardial infarction, ST-T change, conduction disturbance, hypertrophy."""

SCP = {
    "NORM": "NORM",
    "MI": "IMI ASMI ILMI AMI ALMI LMI IPLMI IPMI PMI INJAS INJAL INJIN INJLA INJIL",
    "STTC": "NDT NST_ DIG LNGQT ISC_ ISCAL ISCIN ISCIL ISCAS ISCLA ISCAN ANEUR EL",
    "CD": "LAFB IRBBB 1AVB IVCD CRBBB CLBBB LPFB WPW ILBBB 3AVB 2AVB",
    "HYP": "LVH LAO/LAE RVH RAO/RAE SEHYP",
}
"""Superclass -> the diagnostic statements (SCP-ECG) that PTB-XL 1.0.3 counts to it."""

SNOMED = {
    "MI": {"MI": 164865005, "AnMI": 54329005, "AMI": 57054005, "OldMI": 164867002},
    "STTC": {
        **{"TAb": 164934002, "TInv": 59931005, "NSSTTA": 428750005, "STD": 429622005, "STE": 164931005},
        **{"STIAb": 164930006, "STC": 55930002, "LQT": 111975006, "MIs": 164861001, "AMIs": 413444003},
        **{"CMI": 413844008, "AnMIs": 426434006, "IIs": 425419005, "LIs": 425623009, "LVS": 370365005},
    },
    "CD": {
        **{"IAVB": 270492004, "IIAVB": 195042002, "IIAVBII": 426183003, "MoI": 54016002, "CHB": 27885002},
        **{"AVB": 233917008, "LBBB": 164909002, "CLBBB": 733534002, "ILBBB": 251120003, "RBBB": 59118001},
        **{"CRBBB": 713427006, "IRBBB": 713426002, "BBB": 6374002, "LAnFB": 445118002, "LPFB": 445211001},
        **{"NSIVCB": 698252002, "DIB": 82226007, "WPW": 74390002, "VPEx": 195060002},
    },
    "HYP": {
        **{"LVH": 164873001, "RVH": 89792004, "VH": 266249003, "LAE": 67741000119109, "LAH": 446813000},
        **{"RAH": 446358003, "AH": 195126007},
    },
    "": {"NSR": 426783006},
}
"""Superclass -> SNOMED CT codes of the PhysioNet challenges, by their abbreviation there. Which code belongs to which
superclass is a choice of this package; a record is NORM if sinus rhythm is all that its header says."""

NOISE = {
    "drift": "baseline_drift",
    "static": "static_noise",
    "burst": "burst_noise",
    "electrodes": "electrodes_problems",
}
"""Flag of the coordinate `noise` -> column of PTB-XL in which a human reader noted it."""

DURATION = 10.0
"""Length of a record, s."""

_SLOWEST = 100.0  # Hz; below it QRS complexes lose height
_LARGEST = 40.0  # mV, span of a typical lead that no heart has
_URL = "https://physionet.org/files/ptb-xl/1.0.3/"
_FOLDER = "ptbxl"
_TABLES = ("ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt")
_RATES = {100.0: "filename_lr", 500.0: "filename_hr"}
_GAIN = 1000.0  # steps of PTB-XL per mV
_CITATIONS = {
    "ptbxl": "Wagner P et al., Sci Data 2020;7:154, PTB-XL 1.0.3, doi:10.13026/kfzx-aw45.",
    "wfdb": "as the folder's own documents say",
    "simulated": "simulated by cardio_utils",
}
_LICENCES = {"ptbxl": "CC BY 4.0", "wfdb": "as the folder's own documents say", "simulated": "MIT"}


def _at_rate(leads, fs, new_fs):
    """Leads at another sampling rate; ValueError if the present one is too low for an electrocardiogram."""
    if fs < _SLOWEST:
        raise ValueError(f"it is sampled at {fs:g} Hz; QRS complexes need at least {_SLOWEST:g} Hz")
    return leads if fs == new_fs else signals.resample(leads, fs, new_fs)


def _check_amplitude(leads):
    span = np.fmax.reduce(leads, axis=-1) - np.fmin.reduce(leads, axis=-1)
    typical = np.nanmedian(span) if np.isfinite(span).any() else 0.0
    if typical > _LARGEST:
        raise ValueError(
            f"its leads span {typical:,.0f} mV, which no heart does: the gain in the header (steps per mV) is wrong, "
            "often 1 where 1000 is meant"
        )


@fetch.reader
def read_record(path, *, fs=None):
    """A recording of one's own with the leads that one has.

    Parameters
    ----------
    path : path
        A WFDB header (.hea), or a table (.csv) with one column a lead, named as usual in any case, in mV.
    fs : float, optional
        Hz. Of a header: wanted rate (default the file's). Of a table: its rate, without which it cannot be read.

    Returns
    -------
    xarray.Dataset
        As from `load`, one record of any length; absent leads are NaN, absent limb leads computed where two are
        there. Without labels (all False), fold 0.

    Raises
    ------
    ValueError
        See `read_leads`; or the table has no lead, or holds no numbers, or its rate is not given, or the amplitude is
        impossible.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        leads, rate, comments = files.read_table(path), fs, []
        if not fs:
            raise ValueError(f"{path.name} does not say its sampling rate: give fs (Hz)")
    else:
        leads, rate, comments = read_leads(path, partial=True)
    try:
        _check_amplitude(leads)
        leads = _at_rate(leads, rate, fs or rate)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    columns = {"record": [path.stem], "patient": [path.stem], "fold": [0], **_about(comments)}
    return _dataset(leads[None], columns, fs or rate, "wfdb")


def superclasses(statements):
    """Which superclasses statements belong to.

    Parameters
    ----------
    statements : sequence of str
        One text a record: codes of `SCP`, or abbreviations of `SNOMED`, with spaces between them; others are ignored.

    Returns
    -------
    (record, 5) ndarray of bool
        In the order of `CLASSES`.
    """
    of = {code: CLASSES.index(name) for name, codes in SCP.items() for code in codes.split()}
    of |= {code: CLASSES.index(name) for name, codes in SNOMED.items() if name for code in codes}
    label = np.zeros((len(statements), len(CLASSES)), bool)
    for row, text in zip(label, statements, strict=True):
        row[[of[code] for code in text.split() if code in of]] = True
    return label


def _about(comments):
    """Columns (of length 1) from a header's comments, as the PhysioNet challenges write them."""
    facts = dict(line.partition(":")[::2] for line in comments if ":" in line)
    facts = {key.strip().lower(): value.strip() for key, value in facts.items()}
    age = re.match(r"\d+", facts.get("age", ""))
    sex = {"f": "female", "m": "male"}.get(facts.get("sex", "")[:1].lower(), "")
    known = {str(code): name for codes in SNOMED.values() for name, code in codes.items()}
    codes = [known.get(code.strip(), code.strip()) for code in facts.get("dx", "").split(",") if code.strip()]
    normal = ["NORM"] if codes == ["NSR"] else []
    statements = " ".join(normal + codes)
    return {"age": [float(age[0]) if age else np.nan], "sex": [sex], "statements": [statements], "noise": [""]}


def _dataset(leads, columns, fs, source):
    """Data set from leads (record, 12, n) and a dictionary of columns; labels follow from the statements."""
    text = {
        name: ("record", np.asarray(columns[name], str)) for name in ("record", "patient", "sex", "noise", "statements")
    }
    numbers = {
        "fold": ("record", np.asarray(columns["fold"], np.int64)),
        "age": ("record", np.asarray(columns["age"], np.float32), {"units": "a"}),
    }
    time = ("time", np.arange(leads.shape[-1]) / fs, {"units": "s"})
    return xr.Dataset(
        {
            "ecg": (("record", "lead", "time"), leads, {"units": "mV"}),
            "label": (("record", "class"), superclasses(text["statements"][1])),
        },
        coords=text | numbers | {"lead": list(TWELVE), "class": list(CLASSES), "time": time},
        attrs={
            **{"source": source, "fs": float(fs), "groups": "patient", "warnings": ""},
            **{"licence": _LICENCES[source], "citation": _CITATIONS[source]},
        },
    )


def _gather(readers, fs, duration):
    """Leads of the records that can be used, (record, 12, n), which ones those are, and why the others are not.

    `readers` maps names to functions that return leads and their rate.
    """
    size = round(duration * fs)
    leads = np.empty((len(readers), len(TWELVE), size), np.float32)
    kept, left_out = [], []
    for i, (name, read) in enumerate(readers.items()):
        try:
            x, rate = read()
            if x.shape[1] < round(duration * rate):
                raise ValueError(f"it lasts {x.shape[1] / rate:.1f} s; {duration:g} s are needed")
            _check_amplitude(x)
            leads[len(kept)] = _at_rate(x, rate, fs)[:, :size]
            kept.append(i)
        except ValueError as error:
            left_out.append(f"record {name} is left out: {error}")
    if not kept:
        raise ValueError("\n".join(["no record could be used", *left_out[:10]]))
    return leads[: len(kept)], kept, left_out


def _announce(dataset, left_out):
    """Keep all reasons with the data set, and warn of the first ones."""
    dataset.attrs["warnings"] = "\n".join(left_out)
    more = f"\nand {len(left_out) - 5} more, see attrs['warnings']" if len(left_out) > 5 else ""
    if left_out:
        warnings.warn("\n".join(left_out[:5]) + more, stacklevel=3)
    return dataset


def _read_database(folder):
    """The table of PTB-XL, one row a record, checked for what would spoil a split."""

    path = folder / "ptbxl_database.csv"
    wanted = ["ecg_id", "patient_id", "scp_codes", "strat_fold"]
    try:
        table = fetch.read_csv(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}). twelve_lead.download() fetches it.") from error
    if gone := [name for name in wanted if name not in table]:
        raise ValueError(f"{path} has no column {', '.join(gone)}: it is not the table of PTB-XL")
    if (twice := table["ecg_id"].duplicated()).any():
        raise ValueError(f"{path} has ecg_id {table['ecg_id'][twice].iloc[0]} twice ({twice.sum()} such rows)")
    return table


def _columns(table):
    """Columns of the data set from rows of the table of PTB-XL."""
    noise = [
        np.where(table[column].fillna("").astype(str).str.strip() != "", flag, "") if column in table else ""
        for flag, column in NOISE.items()
    ]
    age = table["age"].to_numpy(float) if "age" in table else np.full(len(table), np.nan)
    sex = table["sex"].map({0: "male", 1: "female"}).fillna("") if "sex" in table else [""] * len(table)
    flags = np.stack([np.broadcast_to(np.asarray(part, str), len(table)) for part in noise], axis=1)
    return {
        "record": table["ecg_id"].astype(int).astype(str).to_numpy(),
        "patient": table["patient_id"].astype(int).astype(str).to_numpy(),
        "fold": table["strat_fold"].to_numpy(),
        "age": np.where(age >= 300, 90.0, age),  # 300 stands for more than 89
        "sex": np.asarray(sex, str),
        "noise": np.array([" ".join(filter(None, row)) for row in flags.tolist()], str),
    }


def _statements(text, likelihood):
    """Codes out of a dictionary that is written as text, such as "{'NORM': 80.0, 'SR': 0.0}"."""
    found = re.findall(r"['\"]([^'\"]+)['\"]\s*:\s*([\d.]+)", text)
    return " ".join(code for code, value in found if float(value) >= likelihood)


@fetch.reader
def _load_ptbxl(folder, fs, duration, folds, records, likelihood):
    folder = Path(folder) if folder is not None else fetch.folder() / _FOLDER
    if not (folder / "ptbxl_database.csv").exists():
        download(folder, fs=fs, folds=folds, records=records)
    table = _choose(_read_database(folder), folds, records, folder)
    column = "filename_lr" if fs == 100 else "filename_hr"
    names = table["ecg_id"].astype(str)
    readers = {
        name: lambda header=folder / f"{stem}.hea": read_leads(header)[:2]
        for name, stem in zip(names, table[column], strict=True)
    }
    try:
        leads, kept, left_out = _gather(readers, fs, duration)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}\ntwelve_lead.download(fs={fs:g}) fetches what is missing.") from error
    table = table.iloc[kept]
    columns = _columns(table) | {"statements": [_statements(text, likelihood) for text in table["scp_codes"]]}
    return _dataset(leads, columns, fs, "ptbxl"), left_out


def _choose(table, folds, records, folder):
    """Rows of some folds and records."""
    if folds is not None:
        table = table[table["strat_fold"].isin([int(fold) for fold in folds])]
    if records is not None:
        wanted = [int(name) for name in records]
        if gone := sorted(set(wanted) - set(table["ecg_id"])):
            raise ValueError(f"{folder} has no record {', '.join(map(str, gone[:5]))} in what was asked for")
        table = table[table["ecg_id"].isin(wanted)]
    if table.empty:
        raise ValueError(f"{folder} has no record of the folds {list(folds or ())}")
    return table


@fetch.reader
def _load_wfdb(folder, fs, duration, folds, records, verify):
    if folder is None:
        raise ValueError("source 'wfdb' needs a folder of WFDB records")
    folder = Path(folder)
    headers = sorted(folder.rglob("*.hea"))
    stems = [header.stem for header in headers]
    unique = len(set(stems)) == len(stems)
    names = stems if unique else [header.relative_to(folder).with_suffix("").as_posix() for header in headers]
    places = dict(zip(names, headers, strict=True))
    if records is not None:
        if gone := [name for name in records if name not in places]:
            raise ValueError(f"{folder} holds no record {', '.join(gone[:5])}")
        places = {name: places[name] for name in records}
    fold = {name: zlib.crc32(name.encode()) % 10 + 1 for name in places}
    places = {name: path for name, path in places.items() if folds is None or fold[name] in set(folds)}
    if not places:
        raise ValueError(f"{folder} holds no WFDB record (.hea) of what was asked for")
    about = {}

    def reader(name, header):
        def read():
            x, rate, about[name] = read_leads(header, verify=verify)
            return x, rate

        return read

    leads, kept, left_out = _gather({n: reader(n, h) for n, h in places.items()}, fs, duration)
    names = [list(places)[i] for i in kept]
    facts = [_about(about[name]) for name in names]
    columns = {key: [fact[key][0] for fact in facts] for key in facts[0]}
    columns |= {"record": names, "patient": names, "fold": [fold[name] for name in names]}
    return _dataset(leads, columns, fs, "wfdb"), left_out


def load(
    source="simulated",
    *,
    folder=None,
    fs=100.0,
    duration=DURATION,
    folds=None,
    records=None,
    likelihood=0.0,
    verify=True,
    n_patients=300,
    seed=0,
):
    """Twelve-lead records with their labels, patients and folds.

    Parameters
    ----------
    source : {'simulated', 'ptbxl', 'wfdb'}
        'simulated': `cardio_utils.simulate.twelve_lead`. 'ptbxl': PTB-XL in its own layout, in ``ptbxl/`` of the folder
        CARDIO_DATA, downloaded once if it is not there. 'wfdb': a folder of WFDB records of any origin, each its own
        patient, with diagnoses by SNOMED CT codes (``Dx``) as in the PhysioNet challenges.
    folder : path, optional
        Of the records; needed for 'wfdb'.
    fs : float
        Wanted sampling rate (Hz), 100 or more. PTB-XL has files of 100 and of 500 Hz; another rate is made from the
        latter.
    duration : float
        s; longer records are cut, shorter ones left out.
    folds : sequence of int, optional
        Only these out of 1 to 10; nothing else is read or simulated.
    records : sequence of str, optional
        Only these.
    likelihood : float
        PTB-XL: statements count from this likelihood (%) on; 0 stands for unknown there and is most frequent.
    verify : bool
        'wfdb': compare checksums, which some of the published headers have wrong.
    n_patients, seed : int
        For 'simulated': number of patients, with one to three records each, and seed.

    Returns
    -------
    xarray.Dataset
        ==========  ==================  =======  ======================================================================
        ecg         record, lead, time  float32  mV, as recorded; NaN where samples are missing
        label       record, class       bool     superclasses, several or none a record
        record      record              str      ecg_id or name of the file
        patient     record              str      never part the records of one
        fold        record              int64    1 to 10, by patient; 9 is for validation, 10 for the test
        age         record              float32  years, NaN if unknown; 90 stands for any age above 89
        sex         record              str      'female', 'male' or ''
        noise       record              str      flags of `NOISE` that a reader set, with spaces between, or ''
        statements  record              str      all codes, with spaces between
        lead        lead                str      `lead_algebra.TWELVE`
        class       class               str      `CLASSES`
        time        time                float64  s
        ==========  ==================  =======  ======================================================================

        Simulated records also have `severity` (record, class) from 0 to 1, and `true_label` (record, class), what the
        heart has whatever the reader wrote. Attributes: source, fs (Hz), licence, citation, groups ('patient'),
        warnings (which records were left out and why, one a line).

    Raises
    ------
    ValueError
        An argument is unknown, no record can be used, or the set is not as `check` wants it.
    fetch.FetchError
        PTB-XL is not there and could not be downloaded.
    """
    if fs < _SLOWEST:
        raise ValueError(f"fs is {fs:g} Hz; QRS complexes need at least {_SLOWEST:g} Hz")
    if source == "simulated":
        dataset, left_out = _load_simulated(fs, duration, folds, records, n_patients, seed), []
    elif source == "ptbxl":
        dataset, left_out = _load_ptbxl(folder, fs, duration, folds, records, likelihood)
    elif source == "wfdb":
        dataset, left_out = _load_wfdb(folder, fs, duration, folds, records, verify)
    else:
        raise ValueError(f"source must be one of simulated, ptbxl, wfdb, not {source!r}")
    check(dataset)
    return _announce(dataset, left_out)


def _load_simulated(fs, duration, folds, records, n_patients, seed):
    from cardio_utils.simulate import twelve_lead as simulator

    made = simulator.simulate(n_patients, fs=fs, duration=duration, folds=folds, seed=seed)
    dataset = _dataset(made.pop("ecg"), made, fs, "simulated")
    for name in ("severity", "true_label"):
        dataset = dataset.assign_coords({name: (("record", "class"), made[name])})
    if records is None:
        return dataset
    if gone := sorted(set(map(str, records)) - set(dataset["record"].values)):
        raise ValueError(f"the simulation has no record {', '.join(gone[:5])}")
    return dataset.isel(record=np.isin(dataset["record"].values, [str(name) for name in records]))


def check(dataset):
    """Refuse a data set that is not what `load` describes, or whose folds would leak.

    Parameters
    ----------
    dataset : xarray.Dataset

    Raises
    ------
    ValueError
        With the reason: dimensions, leads or their order, a coordinate is missing, a record is there twice, a patient
        is in two folds.
    """
    if "ecg" not in dataset or dataset["ecg"].dims != ("record", "lead", "time"):
        raise ValueError("ecg must have the dimensions (record, lead, time)")
    if (leads := dataset["lead"].values.tolist()) != list(TWELVE):
        raise ValueError(f"the leads are {', '.join(leads)}; they must be {', '.join(TWELVE)}, in this order")
    wanted = ("patient", "fold", "age", "sex", "noise", "statements")
    if gone := [name for name in wanted if name not in dataset.coords]:
        raise ValueError(f"the coordinates {', '.join(gone)} are missing")
    if dataset["class"].values.tolist() != list(CLASSES) or dataset["label"].dims != ("record", "class"):
        raise ValueError(f"label must have the dimensions (record, class) with the classes {', '.join(CLASSES)}")
    names, count = np.unique(dataset["record"].values, return_counts=True)
    if (count > 1).any():
        raise ValueError(f"record {names[count > 1][0]} is there twice ({(count > 1).sum()} such)")
    pairs = np.unique(np.stack([dataset["patient"].values, dataset["fold"].values.astype(str)]), axis=1)
    patients, folds = np.unique(pairs[0], return_counts=True)
    if (folds > 1).any():
        raise ValueError(
            f"patient {patients[folds > 1][0]} is in {folds.max()} folds ({(folds > 1).sum()} such patients): what is "
            "learned in one fold would be known in the other. Give each patient one fold."
        )


class Split(NamedTuple):
    """Indices of records by role."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(dataset):
    """The official split: folds 1 to 8 for training, 9 for validation, 10 for the test.

    Parameters
    ----------
    dataset : xarray.Dataset

    Returns
    -------
    Split
    """
    fold = dataset["fold"].values
    return Split(*(np.flatnonzero(rows) for rows in ((fold >= 1) & (fold <= 8), fold == 9, fold == 10)))


def write(dataset, folder):
    """Write records in the layout of PTB-XL, which `load` reads back equal within half a step of 1 uV.

    Parameters
    ----------
    dataset : xarray.Dataset
        At 100 or 500 Hz, records named by whole numbers, statements out of `SCP`.
    folder : path
        Made if it does not exist. What only a simulation knows (severity, true labels) is not written.

    Returns
    -------
    int
        Number of records.

    Raises
    ------
    ValueError
        The data set is not as `check` wants it, has another rate or other names, labels that do not follow from its
        statements, or voltages beyond 32 mV, which the format cannot hold.
    fetch.FetchError
        No space is left.
    """
    import pandas as pd

    check(dataset)
    folder, fs = Path(folder), float(dataset.attrs["fs"])
    if fs not in _RATES:
        raise ValueError(f"PTB-XL has files of 100 and of 500 Hz, not of {fs:g} Hz")
    if not all(name.isdigit() for name in [*dataset["record"].values, *dataset["patient"].values]):
        raise ValueError("PTB-XL names records and patients by whole numbers")
    if (superclasses(dataset["statements"].values) != dataset["label"].values).any():
        raise ValueError("labels do not follow from the statements, which is all that PTB-XL has")
    digital = np.rint(dataset["ecg"].values.astype(float) * _GAIN)
    if np.nanmax(np.abs(digital)) > 32767:
        raise ValueError(f"{np.nanmax(np.abs(digital)) / _GAIN:.0f} mV do not fit into the format (32 mV)")
    digital = np.where(np.isnan(digital), files.MISSING, digital).astype("<i2")
    stems = [_stem(int(name), fs) for name in dataset["record"].values]
    for stem, record in zip(stems, digital, strict=True):
        files.write_record(folder / stem, record, fs, _GAIN)
    table = _database(dataset)
    table[_RATES[fs]] = stems
    with fetch.whole(folder / "ptbxl_database.csv") as temporary:
        table.to_csv(temporary, index=False)
    rows = [(code, 1.0, name, name) for name, codes in SCP.items() for code in codes.split()]
    names = ["", "diagnostic", "diagnostic_class", "diagnostic_subclass"]
    with fetch.whole(folder / "scp_statements.csv") as temporary:
        pd.DataFrame(rows, columns=names).to_csv(temporary, index=False)
    return len(stems)


def _stem(number, fs):
    rate, end = ("records100", "lr") if fs == 100 else ("records500", "hr")
    return f"{rate}/{number // 1000 * 1000:05d}/{number:05d}_{end}"


def _database(dataset):
    """The table of PTB-XL for a data set, without the names of files."""
    import pandas as pd

    flags = [set(text.split()) for text in dataset["noise"].values.tolist()]
    codes = [str(dict.fromkeys(text.split(), 100.0)) for text in dataset["statements"].values.tolist()]
    age = dataset["age"].values.astype(float)
    return pd.DataFrame(
        {
            "ecg_id": dataset["record"].values.astype(int),
            "patient_id": dataset["patient"].values.astype(float),
            "age": np.where(age >= 90, 300.0, age),
            "sex": pd.Series(dataset["sex"].values).map({"male": 0, "female": 1}),
            "scp_codes": codes,
            **{column: [" all" if flag in f else "" for f in flags] for flag, column in NOISE.items()},
            "strat_fold": dataset["fold"].values,
        }
    )


def download(folder=None, *, fs=100.0, folds=None, records=None):
    """Bring PTB-XL, or a part of it, into a folder, verified by the publisher's checksums.

    What is there is left as it is, and an interrupted download goes on where it stopped.

    Parameters
    ----------
    folder : path, optional
        Default ``ptbxl`` in the folder of real data.
    fs : float
        100: the files of 100 Hz (0.6 GB in all); otherwise those of 500 Hz (2.4 GB).
    folds : sequence of int, optional
        Only these out of 1 to 10.
    records : sequence of str, optional
        Only these (ecg_id).

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        There is no such fold or record.
    fetch.FetchError
        A file could not be downloaded or has a wrong checksum.
    """
    from tqdm import tqdm

    folder = Path(folder) if folder is not None else fetch.folder() / _FOLDER
    with fetch.lock(folder.absolute()):
        sums = fetch.retrieve(_URL + "SHA256SUMS.txt", None, folder / "SHA256SUMS.txt").read_text()
        hashes = {name.strip().lstrip("*"): digest for digest, _, name in (s.partition(" ") for s in sums.splitlines())}

        def bring(name):
            if name not in hashes:
                raise fetch.FetchError(f"{name} is not among the files of {_URL}")
            if not (folder / name).exists():
                fetch.retrieve(_URL + name, f"sha256:{hashes[name]}", folder / name)

        for name in _TABLES:
            bring(name)
        table = _choose(_read_database(folder), folds, records, folder)
        stems = table["filename_lr" if fs == 100 else "filename_hr"]
        for stem in tqdm(stems, desc="ptbxl", unit="record", disable=not watched(), leave=False):
            bring(f"{stem}.dat")
            bring(f"{stem}.hea")
    return folder
