"""A recording of one's own: one trace from a NumPy, text or Axon file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

__all__ = ["read", "read_pair"]

_SCALE = {
    "V": ("mV", 1e3),
    "mV": ("mV", 1.0),
    "uV": ("mV", 1e-3),
    "nA": ("pA", 1e3),
    "pA": ("pA", 1.0),
    "a.u.": ("a.u.", 1.0),
}
"""Unit of a file -> unit of the result, and factor."""

_STEP = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "min": 60.0}
_LARGEST = 300.0  # mV: neither a pipette nor an electrode sees more of a cell


def _need_rate(path, fs, why):
    if fs is None:
        raise ValueError(f"{path.name} {why}: give the sampling rate, fs=... in Hz")
    if not fs > 0:
        raise ValueError(f"fs = {fs} Hz is no sampling rate")
    return float(fs)


def _pick(path, rows, names, channel):
    """One of several channels, by its number or name."""
    if isinstance(channel, str):
        if channel not in names:
            raise ValueError(f"{path.name} has no channel {channel!r}; it has {', '.join(names) or 'no names'}")
        channel = names.index(channel)
    if not 0 <= channel < len(rows):
        raise ValueError(f"{path.name} has {len(rows)} channel(s), counted from 0, and no channel {channel}")
    return rows[channel]


def _read_npy(path, fs, unit, channel, _):
    fs = _need_rate(path, fs, "does not say its sampling rate")
    try:
        x = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path.name} is no .npy file of numbers ({error})") from error
    if x.ndim not in (1, 2) or x.dtype.kind not in "fiu":
        raise ValueError(f"{path.name}: an array (sample,) or (channel, sample) is needed, not {x.shape} of {x.dtype}")
    rows = np.atleast_2d(x)
    return _pick(path, rows if rows.shape[0] <= rows.shape[1] else rows.T, [], channel), fs, unit


def _table(path):
    """Numbers (row, column) and the names of the columns, which a first line that is no number gives."""
    import pandas as pd

    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        first = stream.readline()
    if not first.strip():
        raise ValueError(f"{path.name} is empty")
    separator = next((mark for mark in (";", "\t", ",") if mark in first), r"\s+")
    names = [cell.strip().strip('"') for cell in re.split(separator, first.strip())]
    header = None if all(_is_number(name) for name in names if name) else 0
    try:
        table = pd.read_csv(path, sep=separator, header=header, encoding="utf-8-sig", encoding_errors="replace")
    except ValueError as error:
        raise ValueError(f"{path.name} is no table of numbers ({error})") from error
    values = table.apply(pd.to_numeric, errors="coerce")
    wrong = (values.isna() & table.notna()).to_numpy()
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{path.name}, line {row + 1 + (header == 0)}: {table.iat[row, column]!r} is no number (decimal points, "
            "one line of names at most)"
        )
    return values.to_numpy(float), names if header == 0 else []


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_csv(path, fs, unit, channel, _):
    values, names = _table(path)
    steps = np.diff(values[:, 0])
    timed = values.shape[1] > 1 and steps.size > 0 and bool((steps > 0).all())
    if timed:
        fs = _rate_of(path, steps, names, fs)
        values, names = values[:, 1:], names[1:]
    else:
        fs = _need_rate(path, fs, "has no column of times before the values")
    return _pick(path, values.T, names, channel), fs, unit


def _rate_of(path, steps, names, fs):
    """Sampling rate from a first column of times, whose unit its name, or `fs`, tells."""
    step = float(np.median(steps))
    if not np.allclose(steps, step, rtol=0.02):
        raise ValueError(f"{path.name}: the times in the first column do not ascend in equal steps")
    words = re.findall(r"[a-z]+", names[0].lower()) if names else []
    unit = next((word for word in reversed(words) if word in _STEP), None)
    if unit is not None:
        found = 1 / (step * _STEP[unit])
        if fs is not None and abs(found / fs - 1) > 0.02:
            raise ValueError(f"{path.name}: its times ({names[0]}) say {found:g} Hz, fs says {fs:g} Hz")
        return found
    fs = _need_rate(path, fs, "does not say the unit of its times, s or ms (in the name of the column)")
    if not any(abs(step * scale * fs - 1) < 0.02 for scale in _STEP.values()):
        raise ValueError(f"{path.name}: steps of {step:g} in the first column fit fs = {fs:g} Hz in no unit of time")
    return fs


def _read_abf(path, fs, unit, channel, sweep):
    try:
        import pyabf
    except ImportError as error:
        raise ImportError(f"{path.name}: Axon files are read by pyabf: pip install pyabf") from error
    try:
        abf = pyabf.ABF(str(path))
    except Exception as error:  # pyabf raises many kinds on files that it does not understand
        raise ValueError(f"{path.name} cannot be read as an Axon binary file ({error})") from error
    names = [str(name).strip() for name in abf.adcNames]
    number = _pick(path, list(range(abf.channelCount)), names, channel)
    if sweep is None and abf.sweepCount > 1:
        raise ValueError(
            f"{path.name} has {abf.sweepCount} sweeps, which are no continuous recording: give sweep=0, ..."
        )
    if sweep is not None and not 0 <= sweep < abf.sweepCount:
        raise ValueError(f"{path.name} has {abf.sweepCount} sweep(s), counted from 0, and no sweep {sweep}")
    abf.setSweep(sweep or 0, channel=number)
    rate = float(abf.sampleRate)
    if fs is not None and abs(rate / fs - 1) > 0.02:
        raise ValueError(f"{path.name} says {rate:g} Hz, fs says {fs:g} Hz")
    own = str(abf.adcUnits[number]).strip().replace("µ", "u").replace("μ", "u")
    return np.array(abf.sweepY, float), rate, own


_READERS = {".npy": _read_npy, ".csv": _read_csv, ".txt": _read_csv, ".tsv": _read_csv, ".abf": _read_abf}


def read(path, fs=None, unit="mV", channel=0, sweep=None):
    """One trace of a file of one's own.

    Parameters
    ----------
    path : path
        ``.npy``: an array (sample,) or (channel, sample); needs `fs`. ``.csv``, ``.txt``, ``.tsv``: columns of
        numbers, with or without a line of names; if the first of several columns ascends, it is time, in s or ms by
        its name, as ``time (ms)``; otherwise `fs` is needed. ``.abf``: an Axon file, which says rate and unit
        itself; read by pyabf.
    fs : float, optional
        Sampling rate (Hz); where the file says it as well, both must agree.
    unit : {'mV', 'uV', 'V', 'pA', 'nA', 'a.u.'}
        Unit of the values; of an Axon file its own is taken.
    channel : int or str
        Which channel, from 0 (a column of time does not count), or its name.
    sweep : int, optional
        Which sweep of an Axon file that has several.

    Returns
    -------
    xarray.Dataset
        `trace` (time) float32 in mV, pA or a.u. (its attribute units), time (s) from the first sample. Attributes:
        source 'own recording', recording (the file's name), fs (Hz), groups 'none', licence, citation.

    Raises
    ------
    ValueError
        The file is missing, empty or of an unknown kind; rate, unit, channel or sweep do not fit; samples are
        missing; the trace is constant, or spans more than 300 mV (a wrong unit).
    ImportError
        An Axon file, and pyabf is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    if path.suffix.lower() not in _READERS:
        raise ValueError(
            f"{path.name}: only {', '.join(_READERS)} are read, not {path.suffix or 'files without ending'}"
        )
    x, fs, unit = _READERS[path.suffix.lower()](path, fs, unit, channel, sweep)
    if unit not in _SCALE:
        raise ValueError(f"{path.name}: the unit {unit!r} is not one of {', '.join(_SCALE)}")
    name, factor = _SCALE[unit]
    x = factor * np.asarray(x, float)
    _check(path, x, name, fs)
    time = np.arange(x.size) / fs
    attrs = {
        "source": "own recording",
        "recording": path.stem,
        "fs": fs,
        "groups": "none",
        "licence": "",
        "citation": "",
    }
    coords = {"time": ("time", time, {"units": "s"})}
    return xr.Dataset({"trace": ("time", x.astype(np.float32), {"units": name})}, coords, attrs)


def read_pair(path, fs=None):
    """A nanoelectrode and a patch clamp on one cell, from one file of two channels in mV.

    Parameters
    ----------
    path : path
        A file that `read` understands; its first channel is the nanoelectrode, its second the pipette.
    fs : float, optional
        Sampling rate (Hz), where the file does not say it.

    Returns
    -------
    xarray.Dataset
        One recording in the shape of the part 'patch' of `nea.load`, both sensors on one clock.

    Raises
    ------
    ValueError
        As `read`.
    """
    sensors = {name: read(path, fs, channel=i) for i, name in enumerate(("nea", "patch"))}
    first = sensors["nea"]
    return xr.Dataset(
        {name: (("recording", f"time_{name}"), one.trace.values[None]) for name, one in sensors.items()},
        {f"time_{name}": one.time.values for name, one in sensors.items()}
        | {"recording": [first.attrs["recording"]], "poration": ("recording", [0.0])},
        first.attrs,
    )


def _check(path, x, unit, fs):
    """Refuse what no analysis can use."""
    if x.size < 2:
        raise ValueError(f"{path.name} holds {x.size} sample(s)")
    missing = ~np.isfinite(x)
    if missing.any():
        first = int(missing.argmax())
        raise ValueError(
            f"{path.name}: {missing.sum()} samples are missing, the first at {first / fs:.4g} s; cut them off, or "
            "interpolate them"
        )
    if np.ptp(x) <= 1e-9 * np.abs(x).max():
        raise ValueError(f"{path.name}: the trace is constant")
    typical = np.median([np.ptp(piece) for piece in np.array_split(x, max(1, round(x.size / (2 * fs))))])
    if unit == "mV" and typical > _LARGEST:
        raise ValueError(
            f"{path.name} spans {typical:.3g} mV in 2 s: the values seem to be uV or raw counts; for uV give unit='uV'"
        )
