"""Action potentials of hiPSC-cardiomyocytes by voltage dye, with two drugs, and by patch clamp (Lei 2017)."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np
import xarray as xr

from cardio_utils.data import fetch, nea_files

__all__ = ["DOSES", "FS", "FS_PATCH", "read", "read_patch"]

FS = 10_000.0
"""Sampling rate (Hz) of the dye signals."""

FS_PATCH = 25_000.0
"""Sampling rate (Hz) of the patch clamp."""

DOSES = {
    "Drug1": ("dofetilide", (0.03, 0.1, 0.3, 1.0), "I"),
    "Drug4": ("verapamil", (0.01, 0.1, 1.0), "IV"),
    "Group I": ("", (0.0,), "I"),
    "Group IV": ("", (0.0,), "IV"),
}
"""Folder -> drug, its doses (uM) of five wells each, lowest first, and the plate; the groups are the plates
before the drug."""

_RATES = {"Drug1": "drug1", "Drug4": "drug4", "Group I": "group1", "Group IV": "group4"}
_LARGEST = 1_000_000_000  # bytes of all tables: they are read into memory
_LICENCE = "BSD-3-Clause"
_CITATION = "Lei CL et al., Front Physiol 2017;8:986."


def _open(folder=None):
    """Names in the set (relative, with /) -> bytes, from the unpacked folder or the packed selection."""
    folder = fetch.folder() / "ipsc-action-potentials" if folder is None else Path(folder)
    packed = folder / "optical-and-patch-selection.tar.xz"
    if (folder / "optical").is_dir() or (folder / "current-clamp").is_dir():
        paths = [p for part in ("optical", "current-clamp") for p in sorted((folder / part).rglob("*.csv"))]
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}
    if not packed.is_file():
        raise ValueError(
            f"{folder} holds neither the folder optical nor {packed.name}. The files are in the repository of "
            "Lei 2017 (doi 10.3389/fphys.2017.00986); put them there by hand, or set CARDIO_DATA."
        )
    try:
        with tarfile.open(packed) as archive:  # read in memory: nothing is unpacked anywhere
            members = [m for m in archive if m.isfile() and PurePosixPath(m.name).suffix == ".csv"]
            if (size := sum(m.size for m in members)) > _LARGEST:
                raise ValueError(f"{packed} holds {size:,} bytes of tables; the set has less than {_LARGEST:,}.")
            return {str(PurePosixPath(m.name)): archive.extractfile(m).read() for m in members}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{packed} is no archive, or damaged ({error}). Fetch it again.") from error


def _trace(name, content, unit, fs):
    """Second column of a table of time and value, whose sampling rate must be `fs`."""
    try:
        table = np.loadtxt(io.StringIO(content.decode()), delimiter=",", ndmin=2)
    except ValueError as error:
        raise ValueError(f"{name} is no table of two columns of numbers ({error})") from error
    if table.shape[1] != 2 or len(table) < 2:
        raise ValueError(f"{name}: two columns (time, value) are needed, not a table {table.shape}")
    step = np.median(np.diff(table[:, 0])) * unit
    if not abs(step * fs - 1) < 1e-3:
        raise ValueError(f"{name} has steps of {step:.3g} s instead of {1 / fs:.3g} s: {fs:g} Hz are expected")
    return table[:, 1]


def _cycle_lengths(files):
    """(folder, well) -> cycle length (s)."""
    found = {}
    for folder, stem in _RATES.items():
        lines = files.get(f"optical/rate-{stem}.csv", b"").decode().split("\n")[1:]
        pairs = [line.split(",") for line in lines if line.strip()]
        found |= {(folder, int(well)): float(ms) / 1000 for well, ms in pairs}
    return found


@fetch.reader
def read(folder=None):
    """Dye signals, one beat a well.

    Parameters
    ----------
    folder : path, optional
        With the folder ``optical``, or the archive it is packed in; default ``ipsc-action-potentials`` in
        `fetch.folder`.

    Returns
    -------
    xarray.Dataset
        `signal` (beat, time) float32, arbitrary units, 10 kHz, NaN behind the end of shorter beats. Coordinates
        of beat: recording (its file), drug ('' before it), dose (uM), well ('W05'), plate ('I', 'IV'), group
        (plate and well: the same cells before and after the drug), cycle_length (s, NaN if unknown).

    Raises
    ------
    ValueError
        The set is not there, or a file does not fit.
    """
    files = _open(folder)
    cycle = _cycle_lengths(files)
    traces, rows = [], []
    for name, content in sorted(files.items()):
        part = PurePosixPath(name)
        number = re.match(r"Well(\d+)", part.stem)
        if part.parts[0] != "optical" or part.parent.name not in DOSES or not number:
            continue
        drug, doses, plate = DOSES[part.parent.name]
        number = int(number.group(1))
        block = (number - 1) // 5 if drug else 0
        if block >= len(doses):
            raise ValueError(f"{name}: {part.parent.name} has {5 * len(doses)} wells, five a dose, and no {number}")
        traces.append(_trace(name, content, 1.0, FS))
        well = f"W{number:02d}"
        rows.append(
            {
                "recording": f"{part.parent.name}/{part.stem}",
                "drug": drug,
                "dose": doses[block],
                "well": well,
                "plate": plate,
                "group": f"{plate}_{well}",
                "cycle_length": cycle.get((part.parent.name, number), np.nan),
            }
        )
    if not traces:
        raise ValueError(f"there is no Well*.csv in the folders {', '.join(DOSES)} of optical")
    units = {"dose": {"units": "uM"}, "cycle_length": {"units": "s"}}
    coords = {key: ("beat", np.array([row[key] for row in rows]), units.get(key, {})) for key in rows[0]}
    signal = nea_files.stack(traces)
    coords["time"] = "time", np.arange(signal.shape[1]) / FS, {"units": "s"}
    attrs = {"source": "optical", "fs": FS, "groups": "group", "licence": _LICENCE, "citation": _CITATION}
    return xr.Dataset({"signal": (("beat", "time"), signal, {"units": "a.u."})}, coords, attrs)


@fetch.reader
def read_patch(folder=None):
    """Current clamp of spontaneously beating cells, 2 s each.

    Parameters
    ----------
    folder : path, optional
        As for `read`, with the folder ``current-clamp``.

    Returns
    -------
    xarray.Dataset
        `patch` (recording, time_patch) float32, mV, 25 kHz; coordinates recording (its file), cell and day.

    Raises
    ------
    ValueError
        The set is not there, or a file does not fit.
    """
    files = {PurePosixPath(n).stem: c for n, c in _open(folder).items() if n.startswith("current-clamp/")}
    if not files:
        raise ValueError("there is no current-clamp/*.csv")
    names = sorted(files)
    patch = nea_files.stack([_trace(name, files[name], 1e-3, FS_PATCH) for name in names])
    coords = {
        "recording": names,
        "cell": ("recording", [name.removesuffix("-middle") for name in names]),
        "day": ("recording", [name.partition("-")[0] for name in names]),
        "time_patch": ("time_patch", np.arange(patch.shape[1]) / FS_PATCH, {"units": "s"}),
    }
    attrs = {"source": "optical", "fs_patch": FS_PATCH, "groups": "recording"}
    attrs |= {"licence": _LICENCE, "citation": _CITATION}
    return xr.Dataset({"patch": (("recording", "time_patch"), patch, {"units": "mV"})}, coords, attrs)
