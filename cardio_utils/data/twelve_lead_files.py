"""Files of twelve-lead records: WFDB headers and samples, tables with one column a lead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cardio_utils import lead_algebra
from cardio_utils.data import fetch
from cardio_utils.lead_algebra import LIMB, TWELVE

__all__ = ["MISSING", "read_leads", "read_table", "write_record"]

MISSING = -32768
"""What format 16 has in place of a sample that is missing."""


class _Signal(NamedTuple):
    file: str
    format: str
    skip: int
    gain: float
    baseline: int
    unit: str
    checksum: int | None
    name: str


class _Header(NamedTuple):
    fs: float
    samples: int
    signals: list
    comments: list


_GAIN_FIELD = re.compile(r"([-+\d.eE]+)?(?:\((-?\d+)\))?(?:/(\S+))?")
_PER_MV = {"mv": 1.0, "uv": 1e3, "µv": 1e3, "v": 1e-3}


def _parse_signal(line, path):
    """One signal line of a header: file, format, gain(baseline)/unit, resolution, zero, first value, checksum..."""
    fields = line.split(maxsplit=8) + [""] * 8
    try:
        form, _, skip = fields[1].partition("+")
        gain, baseline, unit = _GAIN_FIELD.fullmatch(fields[2]).groups()
        gain, zero = float(gain or 0) or 200.0, int(fields[4] or 0)
        checksum = int(fields[6]) if fields[6] else None
        baseline = zero if baseline is None else int(baseline)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path.name}: the line {line!r} describes no signal") from error
    return _Signal(fields[0], form, int(skip or 0), gain, baseline, unit or "mV", checksum, fields[8].strip())


def _parse_header(path):
    """A WFDB header; ValueError if it is none."""
    path = Path(path)
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from error
    comments = [line.lstrip("# ").strip() for line in lines if line.startswith("#")]
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    try:
        name, count, fs, samples = lines[0].split()[:4]
        fs, count, samples = float(re.split(r"[/(]", fs)[0]), int(count), int(samples)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path.name} does not begin with name, number of signals, rate and samples") from error
    if "/" in name:
        raise ValueError(f"{path.name} consists of segments, which are not joined here")
    if len(lines) != count + 1:
        raise ValueError(f"{path.name} announces {count} signals and describes {len(lines) - 1}")
    return _Header(fs, samples, [_parse_signal(line, path) for line in lines[1:]], comments)


def _digital(path, header):
    """Samples of the file that holds some signals of a header, (n, signal) int: format 16 by NumPy, others by wfdb."""
    name, form, skip = header.signals[0][:3]
    data = path.with_name(name)
    if not data.is_file():
        raise ValueError(f"{path.name} names {name}, which is missing in {path.parent}")
    if form != "16":
        return _digital_by_wfdb(path, name)
    raw = np.fromfile(data, "<i2", offset=skip)
    wanted = header.samples * len(header.signals)
    if raw.size < wanted:
        raise ValueError(f"{name} is cut off: {raw.size} of {wanted} samples")
    return raw[:wanted].reshape(header.samples, -1)


def _digital_by_wfdb(path, name):
    import wfdb

    try:
        record = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
    except Exception as error:  # wfdb raises many kinds on files that it does not understand
        raise ValueError(f"{path.name} cannot be read as a WFDB file ({error})") from error
    return record.d_signal[:, [file == name for file in record.file_name]]


_NAMES = {name.upper(): name for name in TWELVE}


def _lead_name(name):
    """Name in `TWELVE` of a lead as a file spells it, or ''."""
    return _NAMES.get(name.upper().removeprefix("MDC_ECG_LEAD_").removeprefix("LEAD").strip(" _-"), "")


@fetch.reader
def read_leads(header, *, partial=False, verify=True):
    """The twelve leads of one WFDB record, found by their names.

    Format 16 is read by NumPy directly, several times faster than by `wfdb.rdrecord`; other formats by wfdb.

    Parameters
    ----------
    header : path
        The record's .hea file, its other files beside it.
    partial : bool
        Accept absent leads, as NaN.
    verify : bool
        Compare checksums.

    Returns
    -------
    ecg : (12, n) float32
        mV, in the order of `lead_algebra.TWELVE`; NaN where the file marks samples as missing. Absent limb leads are
        computed from two present ones.
    fs : float
        Hz.
    comments : list of str
        The header's comments.

    Raises
    ------
    ValueError
        A file is missing, cut off or damaged, a lead is missing or named twice, or a unit is no voltage.
    """
    path = Path(header)
    about = _parse_header(path)
    names = [_lead_name(signal.name) for signal in about.signals]
    if twice := [name for name in TWELVE if names.count(name) > 1]:
        raise ValueError(f"{path.name} names lead {twice[0]} twice")
    leads = np.full((len(TWELVE), about.samples), np.nan, np.float32)
    for file in dict.fromkeys(signal.file for signal in about.signals):
        members = [signal for signal in about.signals if signal.file == file]
        digital = _digital(path, about._replace(signals=members))
        if verify:
            _verify(digital, members, path)
        wanted = [k for k, signal in enumerate(members) if _lead_name(signal.name)]
        rows = [TWELVE.index(_lead_name(members[k].name)) for k in wanted]
        leads[rows] = _millivolts(digital[:, wanted].T, [members[k] for k in wanted], path)
    absent = [name for name in TWELVE if name not in names]
    return _complete(leads, absent, partial, path) if absent else leads, about.fs, about.comments


def _verify(digital, members, path):
    sums = digital.sum(axis=0, dtype=np.int64)
    for total, signal in zip(sums.tolist(), members, strict=True):
        if signal.checksum is not None and (total - signal.checksum) % 65536:
            raise ValueError(
                f"{signal.file} is damaged or of another record: the checksum of lead {signal.name} is not that of "
                f"{path.name}"
            )


def _millivolts(digital, members, path):
    """mV of some rows, (lead, n) float32; NaN where format 16 says that a sample is missing."""
    for signal in members:
        if signal.unit.lower() not in _PER_MV:
            raise ValueError(f"{path.name} gives lead {signal.name} in {signal.unit}, not in mV")
    gain = np.array([signal.gain * _PER_MV[signal.unit.lower()] for signal in members], np.float32)
    baseline = np.array([signal.baseline for signal in members], np.int32)
    leads = (digital - baseline[:, None] if baseline.any() else digital) / gain[:, None]
    if (missing := digital == MISSING).any():
        leads[missing] = np.nan
    return leads


def _complete(leads, absent, partial, path):
    """The same leads with absent limb leads computed from two present ones."""
    limb = [name for name in LIMB if name not in absent]
    if len(limb) >= 2:
        computed = lead_algebra.limb_from_two({name: leads[LIMB.index(name)] for name in limb[:2]})
        rows = [LIMB.index(name) for name in LIMB if name in absent]
        leads[rows] = computed[rows]
        absent = [name for name in absent if name not in LIMB]
    if absent and not partial:
        present = [name for name in TWELVE if name not in absent]
        raise ValueError(f"{path.name} has no lead {', '.join(absent)} (only {', '.join(present) or 'none'})")
    return leads


@fetch.reader
def read_table(path):
    """Leads out of a .csv file with one column a lead, in mV: (12, n) float32; absent leads are NaN.

    Raises
    ------
    ValueError
        It is no table of numbers, or no column is named after a lead.
    """

    try:
        table = fetch.read_csv(path)
        names = {column: _lead_name(str(column)) for column in table.columns}
        columns = {name: table[column].to_numpy(np.float32) for column, name in names.items() if name}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a table of numbers ({error})") from error
    if not columns:
        raise ValueError(f"{path.name} has no column named after a lead ({', '.join(TWELVE)})")
    leads = np.full((len(TWELVE), len(table)), np.nan, np.float32)
    for name, values in columns.items():
        leads[TWELVE.index(name)] = values
    return _complete(leads, [name for name in TWELVE if name not in columns], True, path)


def write_record(stem, digital, fs, gain):
    """Write one record as a pair of header and data.

    Parameters
    ----------
    stem : Path
        Without ending; its folder is made.
    digital : (12, n) ndarray of int16
        In the order of `lead_algebra.TWELVE`.
    fs, gain : float
        Hz, steps per mV.

    Raises
    ------
    fetch.FetchError
        It cannot be written.
    """
    lines = [f"{stem.name} {len(TWELVE)} {fs:g} {digital.shape[1]}"]
    for name, x in zip(TWELVE, digital, strict=True):
        total = int(x.sum(dtype=np.int64)) % 65536
        lines.append(f"{stem.name}.dat 16 {gain:g}(0)/mV 16 0 {x[0]} {total} 0 {name.upper()}")
    with fetch.whole(stem.with_suffix(".dat")) as temporary:
        np.ascontiguousarray(digital.T).tofile(temporary)
    with fetch.whole(stem.with_suffix(".hea")) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
