"""Heartbeats: MIT-BIH and PTB Diagnostic records, the published 187-sample tables, and simulated ones."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from cardio_utils import ecg, signals, watched
from cardio_utils.data import fetch

__all__ = [
    "DS1",
    "DS2",
    "PATIENT_OF",
    "check",
    "download",
    "drop_duplicates",
    "from_recordings",
    "load",
    "read_lead",
    "read_recording",
]

DS1 = tuple("101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split())
"""Training records of the patient-wise protocol of de Chazal 2004."""

DS2 = tuple("100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split())
"""Its test records; the four paced ones (102, 104, 107, 217) are in neither."""

PATIENT_OF = {"202": "201"}
"""Records of MIT-BIH whose patient already has another record."""

_LAYOUTS = ("kachuee", "centred")
_NAME_LENGTH = 16
_LICENCE = "Open Data Commons Attribution License 1.0"
_GOLDBERGER = "Goldberger AL et al., Circulation 2000;101(23):e215-e220."


def _beats(recording, layout, label=None):
    """Beats of one recording as a plain dictionary of arrays; `label`, where the whole record has one."""
    if label is None and np.any(recording.symbols != ""):
        beat = ecg.aami_class(recording.symbols) != ""
        recording = recording._replace(samples=recording.samples[beat], symbols=recording.symbols[beat])
    if max(len(recording.name), len(recording.patient)) > _NAME_LENGTH:
        raise ValueError(f"the names of records and patients have at most {_NAME_LENGTH} characters")
    ecg.check_recording(recording)
    before, after, mean = ecg.rr_intervals(recording.samples, recording.fs)
    count = recording.samples.size
    columns = {
        "label": ecg.aami_class(recording.symbols) if label is None else np.full(count, label),
        "symbol": np.asarray(recording.symbols, "<U1"),
        "record": np.full(count, recording.name, f"<U{_NAME_LENGTH}"),
        "patient": np.full(count, recording.patient, f"<U{_NAME_LENGTH}"),
        "sample": np.asarray(recording.samples, np.int64),
        "rr_before": before,
        "rr_after": after,
        "rr_mean": mean,
    }
    arguments = recording.signal, recording.fs, recording.samples
    if layout == "kachuee":
        columns["wave"], columns["valid_length"] = ecg.beat_windows_kachuee(*arguments)
    else:
        columns["wave"] = ecg.beat_windows_centred(*arguments)
    return columns


def _dataset(columns, layout, attrs):
    """Data set from a dictionary of columns."""
    steps = np.arange(columns["wave"].shape[1]) - (ecg.CENTRED_R if layout == "centred" else 0)
    notes = {
        "sample": {"long_name": "R peak, in samples of the record"},
        "rr_before": {"units": "s"},
        "rr_after": {"units": "s"},
        "rr_mean": {"units": "s", "long_name": "causal mean of the last ten RR intervals"},
        "valid_length": {"units": "samples", "long_name": "samples before the zero padding"},
    }
    beat = {k: ("beat", v, notes.get(k, {})) for k, v in columns.items() if k != "wave"}
    unit = "mV" if layout == "centred" else "1"
    return xr.Dataset(
        {"wave": (("beat", "time"), columns["wave"], {"units": unit})},
        coords=beat | {"time": ("time", steps / ecg.BEAT_FS, {"units": "s", "long_name": "time from the R peak"})},
        attrs={"layout": layout, "fs": ecg.BEAT_FS, "groups": "patient", "duplicates_removed": 0} | attrs,
    )


def _check_layout(layout):
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)}, not {layout!r}")


def _collect(readers, layout, attrs, *, strict=False):
    """Beats of what each reader, a function named in `readers`, returns: a recording and its label or None.

    A record that cannot be used is left out by name and reason, or raises if `strict`.
    """
    parts, left_out = [], []
    for name, read in readers:
        try:
            recording, label = read()
            parts.append(_beats(recording, layout, label))
        except ValueError as error:
            if strict:
                raise ValueError(f"record {name}: {error}") from error
            left_out.append(f"record {name} is left out: {' '.join(str(error).split())}")
    if not parts:
        raise ValueError("\n".join(["no record could be used", *left_out]))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _dataset(columns, layout, attrs | {"warnings": "\n".join(left_out)})


def _announce(dataset):
    for line in filter(None, dataset.attrs["warnings"].split("\n")):
        warnings.warn(line, stacklevel=3)
    return dataset


def from_recordings(recordings, *, layout="kachuee"):
    """Beats of recordings that are already in memory.

    Parameters
    ----------
    recordings : iterable of ecg.Recording
        Annotations whose symbol marks no beat are passed over; if no symbol is known at all, every sample is
        a beat of the unknown class ''.
    layout : {'kachuee', 'centred'}
        See `load`.

    Returns
    -------
    xarray.Dataset
        As from `load`, with the source 'recordings'. A recording that `ecg.check_recording` refuses is left
        out, with a warning that ``attrs["warnings"]`` keeps.

    Raises
    ------
    ValueError
        The layout is unknown, or no recording could be used.
    """
    _check_layout(layout)
    readers = [(recording.name, lambda r=recording: (r, None)) for recording in recordings]
    return _announce(_collect(readers, layout, {"source": "recordings", "licence": "", "citation": ""}))


def _read(path, reader, **options):
    """What `reader` makes of a WFDB file; ValueError with its name where it makes nothing."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing in {path.parent}")
    try:
        return reader(str(path.with_suffix("")), **options)
    except Exception as error:  # wfdb raises many kinds on files that it does not understand
        raise ValueError(f"{path.name} cannot be read as a WFDB file ({error})") from error


@fetch.reader
def read_lead(header, lead):
    """One lead of a WFDB record, found by its name.

    Parameters
    ----------
    header : path
        The record's .hea file.
    lead : str
        Name of the lead as the header spells it; case does not matter.

    Returns
    -------
    signal : (n,) float32
        The lead in mV.
    fs : float
        Sampling rate (Hz).
    comments : list of str
        The header's comments.

    Raises
    ------
    ValueError
        No such lead, a file is missing or damaged (length or checksum), or the unit is not mV.
    """
    import wfdb

    header = Path(header)
    about = _read(header, wfdb.rdheader)
    leads = [name.lower() for name in about.sig_name or []]
    if lead.lower() not in leads:
        raise ValueError(f"{header.name} names no lead {lead} (only {', '.join(about.sig_name or ['none'])})")
    channel = leads.index(lead.lower())
    data = header.with_name(about.file_name[channel])
    if not data.is_file():
        raise ValueError(f"{header.name} names {data.name}, which is missing in {header.parent}")
    if about.units[channel] != "mV":
        raise ValueError(f"{header.name} gives lead {lead} in {about.units[channel]}, not mV")
    record = _read(header, wfdb.rdrecord, channels=[channel], physical=False)
    digital = record.d_signal[:, 0]
    expected = about.checksum[channel]
    if expected is not None and (int(digital.sum()) - expected) % 65536:
        raise ValueError(f"{data.name} is damaged or of another record: its checksum is not that of {header.name}")
    return record.dac()[:, 0].astype(np.float32), float(about.fs), about.comments


@fetch.reader
def read_recording(header, lead="MLII", annotator="atr"):
    """A WFDB record of one's own, to be passed to `from_recordings`.

    Parameters
    ----------
    header : path
        The record's .hea file, its other files beside it.
    lead : str
        Name of the lead.
    annotator : str or None
        Ending of the annotation file; None finds the R peaks by `ecg.find_r_peaks`, without symbols.

    Returns
    -------
    ecg.Recording
        Record and patient are named after the file; annotations that mark no beat are still among its
        samples.

    Raises
    ------
    ValueError
        See `read_lead`; or the annotation file is missing or damaged.
    """
    header = Path(header)
    signal, fs, _ = read_lead(header, lead)
    if annotator is None:
        samples = ecg.find_r_peaks(signal, fs)
        symbols = np.full(samples.size, "", "<U1")
    else:
        samples, symbols = _annotations(header.with_suffix(f".{annotator}"))
    return ecg.Recording(header.stem, header.stem, signal, fs, samples, symbols)


_SKIP, _AUX = 59, 63  # codes of no event: a long interval, a text; 60 to 62 between them: fields of the last event

_ABOUT = 22, 0  # a note at the first sample: on the file itself


def _annotations(path):
    """Samples and symbols of an annotation file in MIT's format. Of a damaged one, `wfdb.rdann` may never come back."""
    from wfdb.io.annotation import ann_label_table as labels

    if not path.is_file():
        raise ValueError(f"{path.name} is missing in {path.parent}")
    content = path.read_bytes()
    words = np.frombuffer(content, "<u2", len(content) // 2).tolist()
    symbol_of = dict(zip(labels["label_store"], labels["symbol"], strict=True))
    samples, symbols, now, place = [], [], 0, 0
    while any(words[place : place + 1]):  # the last word is zero
        code, value = divmod(words[place], 1024)
        place += 1
        if code == _SKIP:
            high, low = (*words[place : place + 2], 0, 0)[:2]
            now += (high << 16 | low) - (high >> 15 << 32)
            place += 2
        elif code == _AUX:
            place += (value + 1) // 2
        elif code < _SKIP:
            now += value
            if code and (code, now) != _ABOUT:
                samples.append(now)
                symbols.append(symbol_of.get(code, ""))
    if place >= len(words):
        raise ValueError(f"{path.name} is cut short: the mark of its end is missing")
    return np.array(samples, np.int64), np.array(symbols, "<U1")


def _read_mitdb(folder, name):
    recording = read_recording(folder / f"{name}.hea")
    return recording._replace(patient=PATIENT_OF.get(name, name)), None


_REASON = "reason for admission:"
_DIAGNOSES = {"healthy control": "healthy", "myocardial infarction": "infarction"}


def _diagnosis(comments):
    """Label of a PTB record from its header's comments; '' for a diagnosis that is in neither group."""
    reasons = [line.strip().lower() for line in comments if line.strip().lower().startswith(_REASON)]
    return _DIAGNOSES.get(reasons[0][len(_REASON) :].strip(), "") if reasons else ""


def _read_ptbdb(folder, name):
    signal, fs, comments = read_lead(folder / f"{name}.hea", "ii")
    label = _diagnosis(comments)
    if not label:
        raise ValueError(f"{name}.hea says neither 'Healthy control' nor 'Myocardial infarction'")
    peaks = ecg.find_r_peaks(signal, fs)
    patient, _, record = name.rpartition("/")
    return ecg.Recording(record, patient, signal, fs, peaks, np.full(peaks.size, "")), np.str_(label)


class _Records(NamedTuple):
    """Where a set of WFDB records comes from and how one of them becomes beats."""

    url: str
    suffixes: tuple
    read: Callable
    names: Callable
    citation: str


def _ptbdb_names(folder):
    """All records there of the two groups that are compared."""
    import wfdb

    def wanted(header):
        try:
            return bool(_diagnosis(_read(header, wfdb.rdheader).comments))
        except ValueError:  # to be reported when the record is read
            return True

    headers = sorted(folder.glob("patient*/*.hea"))
    return [header.relative_to(folder).with_suffix("").as_posix() for header in headers if wanted(header)]


_WFDB = {
    "mitdb": _Records(
        "https://physionet.org/files/mitdb/1.0.0/",
        (".hea", ".dat", ".atr"),
        _read_mitdb,
        lambda folder: DS1 + DS2,
        f"Moody GB, Mark RG, IEEE Eng Med Biol 2001;20(3):45-50. {_GOLDBERGER}",
    ),
    "ptbdb": _Records(
        "https://physionet.org/files/ptbdb/1.0.0/",
        (".hea", ".dat"),
        _read_ptbdb,
        _ptbdb_names,
        f"Bousseljot R et al., Biomedizinische Technik 1995;40(S1):317. {_GOLDBERGER}",
    ),
}


def download(source, records=None):
    """Bring the files of a real set into the folder `fetch.folder`, verified by the publisher's checksums.

    What is there is left as it is, and an interrupted download goes on where it stopped. A set that was not
    there at all appears when it is complete.

    Parameters
    ----------
    source : {'mitdb', 'ptbdb', 'kaggle'}
    records : sequence of str, optional
        Record names, as 'mitdb' '100' or 'ptbdb' 'patient001/s0010_re'; default: DS1 and DS2 of MIT-BIH
        (90 MB), all of PTB (about 1.5 GB). Kaggle's tables come as a whole, through its own client.

    Returns
    -------
    Path
        The folder of the set.

    Raises
    ------
    fetch.FetchError
        See `fetch.retrieve`; or the publisher has no such record, or Kaggle's client is not installed.
    """
    if source == "kaggle":
        return _download_kaggle()
    if source not in _WFDB:
        raise ValueError(f"source must be one of {', '.join([*_WFDB, 'kaggle'])}, not {source!r}")
    target = fetch.folder() / source
    with fetch.lock(target.absolute()):
        # A set in the making has another name, so that its half is never taken for the whole.
        place = target if target.exists() else target.with_name(f"{source}.part")
        _download_records(_WFDB[source], source, records, place)
        if place != target:
            place.rename(target)
    return target


def _download_records(about, source, records, place):
    from tqdm import tqdm

    sums = fetch.retrieve(about.url + "SHA256SUMS.txt", None, place / "SHA256SUMS.txt").read_text()
    hashes = {name: digest for digest, _, name in (line.partition(" ") for line in sums.splitlines())}
    hashes = {name.strip().lstrip("*"): digest for name, digest in hashes.items()}
    if records is None:
        stems = [n[: -len(".hea")] for n in hashes if n.endswith(".hea")]
        records = DS1 + DS2 if source == "mitdb" else [n for n in stems if n.startswith("patient")]
    wanted = [f"{record}{suffix}" for record in records for suffix in about.suffixes]
    if unknown := [name for name in wanted if name not in hashes]:
        raise fetch.FetchError(f"{', '.join(unknown[:5])}: not among the files of {about.url}. Check the record names.")
    for name in tqdm(wanted, desc=source, unit="file", disable=not watched(), leave=False):
        if not (place / name).exists():
            fetch.retrieve(about.url + name, f"sha256:{hashes[name]}", place / name)


def _download_kaggle():
    target = fetch.folder() / "heartbeat"
    try:
        import kagglehub
    except ImportError as error:
        raise fetch.FetchError(
            "Kaggle's tables need its client (pip install kagglehub); "
            f"or put {', '.join(f'{name}.csv' for name in _TABLES)} "
            f"from kaggle.com/datasets/shayanfazeli/heartbeat into {target} by hand."
        ) from error
    with fetch.lock(target.absolute()):
        origin = Path(kagglehub.dataset_download("shayanfazeli/heartbeat"))
        for name in _TABLES:
            if not (target / f"{name}.csv").exists():
                with fetch.whole(target / f"{name}.csv") as temporary:
                    shutil.copyfile(origin / f"{name}.csv", temporary)
    return target


_TABLES = {
    "mitbih_train": tuple(ecg.AAMI),
    "mitbih_test": tuple(ecg.AAMI),
    "ptbdb_normal": ("healthy", "infarction"),
    "ptbdb_abnormal": ("healthy", "infarction"),
}
"""Tables of Kaggle's 'ECG Heartbeat Categorization Dataset' and the classes behind their numbers."""


def _fault(path, classes):
    """Line and reason of the first row that does not fit, or None."""
    width = ecg.KACHUEE_LENGTH + 1
    with open(path, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            cells = line.strip().split(",")
            if len(cells) != width:
                return f"line {number} has {len(cells)} columns instead of {width}"
            try:
                values = np.array(cells, float)
            except ValueError as error:
                return f"line {number}: {error}"
            if not np.isfinite(values).all():
                return f"line {number} holds a missing or infinite value"
            if values[:-1].min() < 0 or values[:-1].max() > 1:
                return f"line {number} holds a value outside [0, 1]"
            if values[-1] not in range(len(classes)):
                return f"line {number} names class {cells[-1]}; 0 to {len(classes) - 1} exist"
    return None


@fetch.reader
def _read_table(path, classes):
    """Columns of one of Kaggle's tables."""

    try:
        values = fetch.read_csv(path, header=None, dtype=np.float32).to_numpy()
        wave, number = values[:, :-1], values[:, -1]
        fits = wave.shape[1] == ecg.KACHUEE_LENGTH and wave.min() >= 0 and wave.max() <= 1
        fits = fits and np.isin(number, range(len(classes))).all() and np.isfinite(wave).all()
    except (ValueError, OSError, IndexError):
        fits = False
    if not fits:
        reason = (_fault(path, classes) or "it is empty") if path.is_file() else "it is missing"
        raise ValueError(
            f"{path}: {reason}. Download it again from kaggle.com/datasets/shayanfazeli/heartbeat "
            "(187 values in [0, 1] and a class number a row, no header)."
        )
    count = len(wave)
    unknown = np.full(count, np.nan, np.float32)
    valid = (ecg.KACHUEE_LENGTH - np.argmax(wave[:, ::-1] > 0, axis=1)).astype(np.int16)
    return {
        "wave": wave,
        "valid_length": np.where(wave.max(axis=1) > 0, valid, 1).astype(np.int16),
        "label": np.array(classes)[number.astype(int)],
        "symbol": np.full(count, ""),
        "record": np.full(count, path.stem, "<U16"),
        "patient": np.full(count, path.stem, "<U16"),
        "sample": np.full(count, -1, np.int64),
        "rr_before": unknown,
        "rr_after": unknown,
        "rr_mean": unknown,
    }


def _file_facts(paths):
    """What changes when a file does: name, size, time of change."""
    facts = [(str(p), p.stat()) for p in paths if p.is_file()]
    return [(name, s.st_size, s.st_mtime_ns) for name, s in facts]


def _code_version():
    sources = [Path(module.__file__) for module in (signals, ecg)] + [Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _cached(name, parts, facts, build):
    """What `build()` makes, kept as one file in the user's cache until `facts` or this code change.

    `parts` tells one wish from another (layout, records): a newer file replaces the older one of the same
    wish.
    """
    digests = [hashlib.sha256(json.dumps(x).encode()).hexdigest()[:16] for x in (parts, [facts, _code_version()])]
    place = fetch.cache() / "beats"
    path = place / f"{name}-{digests[0]}-{digests[1]}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {key: stored[key] for key in stored.files}
        attrs = json.loads(str(columns.pop("attrs")))
        return _dataset(columns, attrs["layout"], attrs)
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
    ):  # not there, or damaged: make it anew
        pass
    dataset = build()
    check(dataset)
    columns = {key: dataset[key].values for key in dataset.variables if key != "time"}
    try:
        with fetch.whole(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, attrs=json.dumps(dataset.attrs), **columns)
        for old in place.glob(f"{name}-{digests[0]}-*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
    except (fetch.FetchError, OSError) as error:
        warnings.warn(f"the beats are not kept for the next time: {error}", stacklevel=4)
    return dataset


def _load_wfdb(source, layout, records):
    about = _WFDB[source]
    folder = fetch.folder() / source
    if not folder.exists():
        download(source, records)
    remedy = f"heartbeats.download({source!r}) fetches what is missing; CARDIO_DATA names the folder of all sets."
    if not any(folder.rglob("*.hea")):
        raise ValueError(f"{folder} holds no WFDB record (.hea). {remedy}")
    names = list(about.names(folder)) if records is None else [str(name) for name in records]
    there = [name for name in names if records is not None or (folder / f"{name}.hea").exists()]
    gone = [name for name in names if name not in there]

    def build():
        attrs = {"source": source, "licence": _LICENCE, "citation": about.citation}
        readers = [(name, partial(about.read, folder, name)) for name in there]
        try:
            dataset = _collect(readers, layout, attrs, strict=records is not None)
        except ValueError as error:
            raise ValueError(f"{folder}: {error}\n{remedy}") from error
        if gone:
            line = f"{len(gone)} records are not in {folder}: {', '.join(gone)}. {remedy}"
            dataset.attrs["warnings"] = "\n".join(filter(None, [line, dataset.attrs["warnings"]]))
        return dataset

    files = [folder / f"{name}{suffix}" for name in names for suffix in about.suffixes]
    return _cached(source, [str(folder), layout, records and names], _file_facts(files), build)


def _load_kaggle(layout, records):
    if layout != "kachuee":
        raise ValueError("Kaggle's tables exist in the layout 'kachuee' only: the P wave was cut off")
    names = ("mitbih_train", "mitbih_test") if records is None else tuple(records)
    if not set(names) <= set(_TABLES) or len({_TABLES[name] for name in names}) != 1:
        raise ValueError(f"records must be tables of one kind out of {', '.join(_TABLES)}, not {', '.join(names)}")
    folder = next((f for n in ("heartbeat", "ecg_dataset") if (f := fetch.folder() / n).exists()), None)
    folder = folder or download("kaggle")
    paths = [folder / f"{name}.csv" for name in names]
    attrs = {
        "source": "kaggle",
        "licence": "not stated by the publisher",
        "citation": "Kachuee M, Fazeli S, Sarrafzadeh M, IEEE ICHI 2018:443-444, and the databases it cites.",
        "groups": "none",
        "warnings": "",
    }

    def build():
        parts = [_read_table(path, _TABLES[path.stem]) for path in paths]
        return _dataset({key: np.concatenate([part[key] for part in parts]) for key in parts[0]}, layout, attrs)

    return _cached("kaggle", [str(folder), names], _file_facts(paths), build)


@functools.lru_cache(maxsize=1)
def _simulated(n_patients, beats, seed):
    """The recordings of one simulation: a chapter that loads them in both layouts simulates once."""
    from cardio_utils.simulate.heartbeats import simulate

    return simulate(n_patients=n_patients, beats=beats, seed=seed)


def _load_simulated(layout, records, n_patients, beats, seed):
    recordings = _simulated(n_patients, beats, seed)
    if records is not None:
        wanted = {str(name) for name in records}
        if unknown := wanted - {recording.name for recording in recordings}:
            raise ValueError(f"the simulation has no record {', '.join(sorted(unknown))}")
        recordings = [recording for recording in recordings if recording.name in wanted]
    dataset = from_recordings(recordings, layout=layout)
    dataset.attrs |= {"source": "simulated", "licence": "MIT", "citation": "simulated by cardio_utils"}
    return dataset


def load(source="simulated", *, layout="kachuee", records=None, n_patients=48, beats=240, seed=0):
    """Heartbeats with their classes, records and patients.

    Parameters
    ----------
    source : {'simulated', 'mitdb', 'kaggle', 'ptbdb'}
        'mitdb': MIT-BIH Arrhythmia, lead MLII, beats and classes by the experts' annotations. 'ptbdb': PTB
        Diagnostic, lead ii, beats by `ecg.find_r_peaks`, healthy or infarction by patient. 'kaggle': the
        published tables of Kachuee 2018, without patients. Real sets are looked for in the folder CARDIO_DATA
        (``mitdb/``, ``ptbdb/``, ``heartbeat/`` or ``ecg_dataset/``) and downloaded once if that folder of
        theirs does not exist.
    layout : {'kachuee', 'centred'}
        'kachuee': 187 samples from the R peak on, in [0, 1], zero padded (`ecg.beat_windows_kachuee`).
        'centred': 144 samples, R peak at index 64, mV, baseline removed (`ecg.beat_windows_centred`).
    records : sequence of str, optional
        Only these records, and an error if one of them cannot be used. Default: all (for 'mitdb' DS1 and DS2;
        for 'kaggle' 'mitbih_train' and 'mitbih_test', the alternative being 'ptbdb_normal' and
        'ptbdb_abnormal'); one that cannot be used is left out, which ``attrs["warnings"]`` and a warning say.
    n_patients, beats, seed : int
        For 'simulated': number of patients, beats of each, and seed.

    Returns
    -------
    xarray.Dataset
        ==============  ===========  =======  ================================================================
        wave            beat, time   float32  mV (centred) or in [0, 1] (kachuee), 125 Hz
        label           beat         str      AAMI class 'N' 'S' 'V' 'F' 'Q', '' if unknown; for PTB 'healthy'
                                              or 'infarction'
        symbol          beat         str      MIT-BIH beat symbol, '' if unknown
        record          beat         str      record
        patient         beat         str      patient: never split the beats of one
        sample          beat         int64    R peak in samples of the record, -1 if unknown
        rr_before       beat         float32  s since the previous beat, NaN if unknown
        rr_after        beat         float32  s until the next beat, NaN if unknown
        rr_mean         beat         float32  causal mean (s) of the last ten intervals, NaN if unknown
        valid_length    beat         int16    samples before the padding (kachuee only)
        time            time         float64  s from the R peak
        ==============  ===========  =======  ================================================================

        Attributes: source, layout, licence, citation, fs (Hz, of `wave`), groups ('patient', or 'none' where
        no honest split exists), warnings (what was left out and why, one a line), duplicates_removed.

    Raises
    ------
    ValueError
        An argument is unknown, or files do not fit: the message names file, reason and remedy.
    fetch.FetchError
        A set is not there and could not be downloaded.

    Notes
    -----
    Beats of real sets are kept as one file in `fetch.cache` until a file of the set changes.
    """
    _check_layout(layout)
    if source == "simulated":
        return _load_simulated(layout, records, n_patients, beats, seed)
    if source == "kaggle":
        return _announce(_load_kaggle(layout, records))
    if source in _WFDB:
        return _announce(_load_wfdb(source, layout, records))
    raise ValueError(f"source must be one of simulated, mitdb, kaggle, ptbdb, not {source!r}")


def check(dataset):
    """Refuse beats that are not what `load` describes.

    Parameters
    ----------
    dataset : xarray.Dataset

    Raises
    ------
    ValueError
        With the reason, and the record where it is one record's fault.
    """
    layout = dataset.attrs.get("layout")
    if layout not in _LAYOUTS:
        raise ValueError(f"attrs['layout'] is {layout!r}, not one of {', '.join(_LAYOUTS)}")
    length = ecg.KACHUEE_LENGTH if layout == "kachuee" else ecg.CENTRED_LENGTH
    if "wave" not in dataset or dataset["wave"].dims != ("beat", "time") or dataset.sizes["time"] != length:
        raise ValueError(f"wave must have the dimensions (beat, time) and {length} samples a beat")
    wanted = ["label", "symbol", "record", "patient", "sample", "rr_before", "rr_after", "rr_mean"]
    wanted += ["valid_length"] * (layout == "kachuee")
    if gone := [name for name in wanted if name not in dataset.coords]:
        raise ValueError(f"the coordinates {', '.join(gone)} are missing")

    def refuse(wrong, reason):
        if wrong.any():
            first = int(np.argmax(wrong))
            raise ValueError(f"record {dataset['record'].values[first]}: {reason} (beat {first}, {wrong.sum()} in all)")

    wave = dataset["wave"].values
    refuse(~np.isfinite(wave).all(axis=1), "the wave holds missing or infinite values")
    refuse(~np.isin(dataset["label"].values, ["", *ecg.AAMI, "healthy", "infarction"]), "the label is unknown")
    refuse(dataset["patient"].values == "", "the patient is unnamed")
    if layout == "kachuee":
        refuse((wave.min(axis=1) < 0) | (wave.max(axis=1) > 1), "the wave leaves [0, 1]")
        valid = dataset["valid_length"].values
        refuse((valid < 1) | (valid > length), f"valid_length is not within 1 to {length}")
        refuse(((np.arange(length) >= valid[:, None]) & (wave != 0)).any(axis=1), "the padding is not zero")


def drop_duplicates(dataset):
    """Leave out beats whose wave is, digit by digit, that of an earlier beat.

    Parameters
    ----------
    dataset : xarray.Dataset

    Returns
    -------
    xarray.Dataset
        The other beats in their order; ``attrs["duplicates_removed"]`` counts those left out so far.
    """
    wave = np.ascontiguousarray(dataset["wave"].values)
    rows = wave.view(np.dtype((np.void, wave.dtype.itemsize * wave.shape[1])))[:, 0]
    first = np.sort(np.unique(rows, return_index=True)[1])
    removed = dataset.attrs.get("duplicates_removed", 0) + len(rows) - len(first)
    return dataset.isel(beat=first).assign_attrs(duplicates_removed=removed)
