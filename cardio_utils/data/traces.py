"""A recording of one's own: one trace from a NumPy, text or Axon file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from cardio_utils.data import fetch

__all__ = ["Channels", "file_unit", "pick", "read", "read_channels", "read_pair", "scaled", "unit_of"]

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
_STEP |= {"с": 1.0, "сек": 1.0, "мс": 1e-3, "мкс": 1e-6, "мин": 60.0}  # the same in Cyrillic letters
_CYRILLIC = str.maketrans({"м": "m", "к": "k", "В": "V", "А": "A", "н": "n", "п": "p", "µ": "u", "μ": "u"})
_LARGEST = 300.0  # mV: neither a pipette nor an electrode sees more of a cell
_LINES = 1_000_000  # of a table that are read at a time, which bounds the memory


class Channels(NamedTuple):
    """All channels of a file, as it holds them.

    Attributes
    ----------
    values : list of (n,) ndarray
        In the file's units; NaN where the times of a table leave samples out.
    names, units : list of str
        One a channel; '' where the file does not say it.
    fs : float
        Sampling rate (Hz).
    """

    values: list
    names: list
    units: list
    fs: float


def _need_rate(path, fs, why):
    if fs is None:
        raise ValueError(f"{path.name} {why}: give the sampling rate, fs=... in Hz")
    if not fs > 0:
        raise ValueError(f"fs = {fs} Hz is no sampling rate")
    return float(fs)


def pick(path, held, channel):
    """Number of one of several channels, given by its number or name.

    Raises
    ------
    ValueError
        There is no such channel; the message says which there are.
    """
    names = [name for name in held.names if name]
    if isinstance(channel, str):
        if channel not in names:
            raise ValueError(f"{path.name} has no channel {channel!r}; it has {', '.join(names) or 'no names'}")
        channel = held.names.index(channel)
    if not 0 <= channel < len(held.values):
        raise ValueError(f"{path.name} has {len(held.values)} channel(s), counted from 0, and no channel {channel}")
    return channel


def unit_of(text):
    """A unit of `read` in the last word or brackets of a text such as ``Vm (mV)`` or ``канал 1, В``; '' if none."""
    words = re.findall(r"[a-zµμа-я]+", str(text), re.IGNORECASE)
    last = words[-1].translate(_CYRILLIC).replace("mk", "u") if words else ""
    return last if last in _SCALE else ""


def _read_npy(path, fs, *_):
    fs = _need_rate(path, fs, "does not say its sampling rate")
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path.name} is no .npy file of numbers ({error})") from error
    if x.ndim not in (1, 2) or x.dtype.kind not in "fiu":
        raise ValueError(f"{path.name}: an array (sample,) or (channel, sample) is needed, not {x.shape} of {x.dtype}")
    rows = np.atleast_2d(x)
    rows = list(rows if rows.shape[0] <= rows.shape[1] else rows.T)
    return Channels(rows, [""] * len(rows), [""] * len(rows), fs)


class _Dialect(NamedTuple):
    """How a table of numbers is written."""

    encoding: str
    separator: str
    decimal: str
    names: list  # of the columns, [] without a line of names


def _dialect(path):
    """What the first lines tell about a table: letters of Windows in Russia, decimal commas, separators, names."""
    with open(path, "rb") as stream:
        start = stream.read(1 << 16)
    if not start.strip():
        raise ValueError(f"{path.name} is empty")
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = start[: start.rfind(b"\n") + 1 or None].decode(encoding)
    except UnicodeDecodeError:
        encoding, text = "cp1251", start.decode("cp1251", errors="replace")
    first, *others = text.splitlines()
    second = next((line for line in others if line.strip()), first)
    separator = next((mark for mark in (";", "\t", ",") if mark in first), r"\s+")
    if re.fullmatch(r"\s*[-+\d,.]+(\s+[-+\d]+,\d+)+\s*", second) and "," not in first.replace(second, ""):
        separator = "\t" if "\t" in second else r"\s+"
    decimal = "," if separator != "," and re.search(r"\d,\d", second) else "."
    names = [cell.strip().strip('"') for cell in re.split(separator, first.strip())]
    return _Dialect(encoding, separator, decimal, [] if all(_is_number(n, decimal) for n in names if n) else names)


def _is_number(text, decimal="."):
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return True


def _pieces(path, dialect):
    """A table of numbers (row, column) piece by piece."""
    import pandas as pd

    how = {"sep": dialect.separator, "decimal": dialect.decimal, "header": 0 if dialect.names else None}
    # Whether samples are missing is asked later; that a cell holds a word is found here.
    how |= {"encoding": dialect.encoding, "encoding_errors": "replace", "chunksize": _LINES, "low_memory": False}
    line = 1 + bool(dialect.names)
    try:
        with fetch.read_csv(path, **how) as tables:
            for table in tables:
                values = table.apply(pd.to_numeric, errors="coerce")
                wrong = (values.isna() & table.notna()).to_numpy()
                if wrong.any():
                    row, column = np.argwhere(wrong)[0]
                    raise _NoNumber(
                        f"{path.name}, line {row + line}: {table.iat[row, column]!r} is no number (columns are parted "
                        "by ; tab , or blanks; one line of names at most)"
                    )
                yield values.to_numpy(float)
                line += len(table)
    except _NoNumber:
        raise
    except ValueError as error:
        raise ValueError(f"{path.name} is no table of numbers ({error})") from error


class _NoNumber(ValueError):
    """A cell of a table is no number."""


def _read_csv(path, fs, sweep, gaps):
    dialect = _dialect(path)
    names, blocks, clock = dialect.names, [], None
    for k, piece in enumerate(_pieces(path, dialect)):
        if k == 0:
            steps = np.diff(piece[:, 0])
            if piece.shape[1] > 1 and steps.size > 0 and bool((steps > 0).all()):
                fs = _rate_of(path, steps, names, fs)
                clock = (piece[0, 0], float(np.median(steps)))
                names = names[1:]
            else:
                fs = _need_rate(path, fs, "has no column of times before the values")
        if clock is not None:
            blocks += _placed(path, piece, clock, gaps)
        else:
            blocks.append((sum(len(block) for _, block in blocks), piece.astype(np.float32)))
    columns = _joined(blocks)
    names = names or [""] * len(columns)
    return Channels(columns, names, [unit_of(name) for name in names], fs)


def _placed(path, piece, clock, gaps):
    """Stretches without a gap: (number of the first sample, values (row, column))."""
    start, step = clock
    place = (piece[:, 0] - start) / step
    number = np.round(place).astype(np.int64)
    jump = np.flatnonzero(np.diff(number) != 1) + 1
    # The step comes from rounded times, and its error grows with their number: only neighbours are compared.
    uneven = not np.allclose(np.diff(place), np.maximum(np.round(np.diff(place)), 1), atol=0.02, rtol=0.001)
    if uneven or (jump.size and not gaps):
        raise ValueError(f"{path.name}: the times in the first column do not ascend in equal steps")
    stretches = np.split(np.arange(len(piece)), jump)
    return [(int(number[rows[0]]), piece[rows, 1:].astype(np.float32)) for rows in stretches]


def _joined(blocks):
    """Columns (n,) of stretches of a table, NaN between them."""
    last, values = blocks[-1]
    columns = [np.full(last + len(values), np.nan, np.float32) for _ in range(values.shape[1])]
    for first, values in blocks:
        for k, column in enumerate(columns):
            column[first : first + len(values)] = values[:, k]
    return columns


def _rate_of(path, steps, names, fs):
    """Sampling rate from a first column of times, whose unit its name, or `fs`, tells."""
    step = float(np.median(steps))
    words = re.findall(r"[a-zа-я]+", names[0].lower()) if names else []
    unit = next((word for word in reversed(words) if word in _STEP), None)
    if unit is not None:
        found = 1 / (step * _STEP[unit])
        if fs is not None and abs(found / fs - 1) > 0.02:
            raise ValueError(f"{path.name}: its times ({names[0]}) say {found:g} Hz, fs says {fs:g} Hz")
        return round(found, 6)
    fs = _need_rate(path, fs, "does not say the unit of its times, s or ms (in the name of the column)")
    if not any(abs(step * scale * fs - 1) < 0.02 for scale in _STEP.values()):
        raise ValueError(f"{path.name}: steps of {step:g} in the first column fit fs = {fs:g} Hz in no unit of time")
    return fs


def _check_sweep(path, count, sweep):
    if sweep is None and count > 1:
        raise ValueError(f"{path.name} has {count} sweeps, which are no continuous recording: give sweep=0, ...")
    if sweep is not None and not 0 <= sweep < count:
        raise ValueError(f"{path.name} has {count} sweep(s), counted from 0, and no sweep {sweep}")
    return sweep or 0


def _check_rate(path, rate, fs):
    if fs is not None and abs(rate / fs - 1) > 0.02:
        raise ValueError(f"{path.name} says {rate:g} Hz, fs says {fs:g} Hz")


def _read_abf(path, fs, sweep, *_):
    try:
        import pyabf
    except ImportError as error:
        raise ImportError(f"{path.name}: Axon files are read by pyabf: pip install pyabf") from error
    try:
        abf = pyabf.ABF(str(path))
    except Exception as error:  # pyabf raises many kinds on files that it does not understand
        raise ValueError(f"{path.name} cannot be read as an Axon binary file ({error})") from error
    sweep = _check_sweep(path, abf.sweepCount, sweep)
    rate = float(abf.sampleRate)
    _check_rate(path, rate, fs)
    values = []
    for number in range(abf.channelCount):
        abf.setSweep(sweep, channel=number)
        values.append(np.array(abf.sweepY, np.float32))
    units = [str(unit).strip().translate(_CYRILLIC) for unit in abf.adcUnits[: abf.channelCount]]
    return Channels(values, [str(name).strip() for name in abf.adcNames[: abf.channelCount]], units, rate)


_NEO = {".wcp": "WinWcpRawIO", ".axgx": "AxographRawIO", ".axgd": "AxographRawIO", ".smr": "Spike2RawIO"}
"""Kind of file -> class of neo that reads it."""


def _read_neo(path, fs, sweep, *_):
    """WinWCP, AxoGraph and Spike2, in stretches of `_LINES` samples."""
    try:
        from neo import rawio
    except ImportError as error:
        raise ImportError(f"{path.name} is read by neo: pip install neo") from error
    try:
        reader = getattr(rawio, _NEO[path.suffix.lower()])(filename=str(path))
        reader.parse_header()
        streams = range(reader.signal_streams_count())
        count = reader.segment_count(0)
    except Exception as error:  # neo raises many kinds on files that it does not understand
        raise ValueError(f"{path.name} cannot be read as a file of its kind by neo ({error!r})") from error
    sweep = _check_sweep(path, count, sweep)
    header = reader.header["signal_channels"]
    values, about = [], []
    for stream in streams:
        rate = float(reader.get_signal_sampling_rate(stream))
        of_stream = header[header["stream_id"] == reader.header["signal_streams"][stream]["id"]]
        values += _stream(reader, sweep, stream, len(of_stream))
        about += [(str(one["name"]).strip(), str(one["units"]).strip().translate(_CYRILLIC), rate) for one in of_stream]
    names, units, rates = (list(column) for column in zip(*about, strict=True)) if about else ([], [], [])
    if len(set(rates)) != 1:
        raise ValueError(f"{path.name} has channels of {', '.join(f'{r:g} Hz' for r in set(rates)) or 'no rate'}")
    _check_rate(path, rates[0], fs)
    return Channels(values, names, units, rates[0])


def _stream(reader, sweep, stream, n_channels):
    """Channels of one stream of a neo reader, scaled."""
    size = reader.get_signal_size(0, sweep, stream)
    rows = np.empty((n_channels, size), np.float32)
    for first in range(0, size, _LINES):
        last = min(first + _LINES, size)
        raw = reader.get_analogsignal_chunk(0, sweep, first, last, stream)
        rows[:, first:last] = reader.rescale_signal_raw_to_float(raw, "float32", stream).T
    return list(rows)


_READERS = {".npy": _read_npy, ".csv": _read_csv, ".txt": _read_csv, ".tsv": _read_csv, ".abf": _read_abf}
_READERS |= dict.fromkeys(_NEO, _read_neo)


@fetch.reader
def read_channels(path, fs=None, sweep=None, *, gaps=False):
    """All channels of a file, as it holds them; `read` says what is understood.

    Parameters
    ----------
    path, fs, sweep
        As for `read`.
    gaps : bool
        Whether the times of a table may leave samples out; these are NaN then.

    Returns
    -------
    Channels

    Raises
    ------
    ValueError, ImportError
        As `read`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    if path.suffix.lower() not in _READERS:
        raise ValueError(
            f"{path.name}: only {', '.join(_READERS)} are read, not {path.suffix or 'files without ending'}"
        )
    return _READERS[path.suffix.lower()](path, fs, sweep, gaps)


def scaled(path, x, unit):
    """Values in the unit that this package uses for theirs: (n,) float32, and that unit.

    Raises
    ------
    ValueError
        The unit is not known.
    """
    if unit not in _SCALE:
        raise ValueError(f"{Path(path).name}: the unit {unit!r} is not one of {', '.join(_SCALE)}")
    name, factor = _SCALE[unit]
    scaled = np.array(x, np.float32)
    scaled *= np.float32(factor)  # in place: recordings of hours come here
    return scaled, name


@fetch.reader
def read(path, fs=None, unit=None, channel=0, sweep=None):
    """One trace of a file of one's own.

    Parameters
    ----------
    path : path
        ``.npy``: an array (sample,) or (channel, sample); needs `fs`. ``.csv``, ``.txt``, ``.tsv``: columns of
        numbers, with or without a line of names; if the first of several columns ascends, it is time, in s or ms by
        its name, as ``time (ms)``; otherwise `fs` is needed. Decimal commas, and letters of Windows in Russia, are
        understood. ``.abf``: an Axon file, which says rate and unit itself; read by pyabf. ``.wcp`` (WinWCP),
        ``.axgx``, ``.axgd`` (AxoGraph), ``.smr`` (Spike2): read by neo.
    fs : float, optional
        Sampling rate (Hz); where the file says it as well, both must agree.
    unit : {'mV', 'uV', 'V', 'pA', 'nA', 'a.u.'}, optional
        Unit of the values of a table or array; default the one in the name of the column, or mV. Binary files say
        their own.
    channel : int or str
        Which channel, from 0 (a column of time does not count), or its name.
    sweep : int, optional
        Which sweep of a file that has several.

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
        An Axon file, and pyabf is not installed; or neo, for those that it reads.
    """
    path = Path(path)
    held = read_channels(path, fs, sweep)
    number = pick(path, held, channel)
    x, name = scaled(path, held.values[number], file_unit(path, held, number, unit))
    _check(path, x, name, held.fs)
    attrs = {
        "source": "own recording",
        "recording": path.stem,
        "fs": held.fs,
        "groups": "none",
        "licence": "",
        "citation": "",
    }
    coords = {"time": ("time", np.arange(x.size) / held.fs, {"units": "s"})}
    return xr.Dataset({"trace": ("time", x, {"units": name})}, coords, attrs)


def file_unit(path, held, number, unit=None):
    """Unit of a channel: that of a binary file, or the given one, or that in the name of its column, or mV."""
    own = held.units[number]
    binary = Path(path).suffix.lower() not in (".npy", ".csv", ".txt", ".tsv")
    return own if binary else unit or own or "mV"


@fetch.reader
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
