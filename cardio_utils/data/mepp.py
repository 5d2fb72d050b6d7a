"""Miniature end-plate potentials: simulated, published, and one's own recordings, and the formats of the originals.

The originals' recordings are not public; their formats are read and written here: a table ``Time_ms,Voltage,labels``,
the raw export it was made from, and the event table of MiniAnalysis. Chapter 13 uses this module.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

from cardio_utils import signals
from cardio_utils.data import fetch, traces
from cardio_utils.simulate.mepp import FS

__all__ = [
    "FS",
    "check",
    "describe",
    "events_of",
    "excluded",
    "load",
    "mask",
    "minianalysis_mask",
    "read",
    "read_events",
    "resampled",
    "truth_mask",
    "write",
    "write_events",
]

_SOURCES = ("simulated", "nmj", "mini_epsc")
_SLOWEST = 2000.0  # Hz: a rise of 0.5 ms has one sample
_SHORTEST = 0.1  # s
_NOISE = (5e-4, 10.0)  # mV: what no electrode shows; a wrong unit or gain
_USUAL_NOISE = (5e-3, 2.0)  # mV
_CLIPPED, _CONSTANT = 5e-3, 20e-3  # s at the same value: at an end of the range, or anywhere
_LABELS = ("labels", "label")

_NMJ = (
    "https://raw.githubusercontent.com/megumi-mori/SimplyFire-beta/6a3118021e9125ee9666747fd467c517509d8e9e/"
    "test_recordings/19911002-2.abf",
    "sha256:e1d7fbc3ed9ec853fbd0e8309c5b7cac08889247da35230e8e28dfd4152f1872",
)
_MINI_EPSC = (
    "https://raw.githubusercontent.com/delvendahl/miniML/c782c9bf8d831bb57751896a05498f227f785eb0/model_training/"
    "extract_training_data/output/B_2020-06-09_002_example_training_data.h5",
    "sha256:ab8de1f7ea2ae9f4ad93afcf726cbcf636a4b8c3e39dd41ee4c0cfe0b32271f9",
)


def load(
    source="simulated",
    *,
    tier="normal",
    n_recordings=12,
    duration=60.0,
    snr=None,
    seed=0,
    first=0,
    folder=None,
    **options,
):
    """Recordings of miniature end-plate potentials, or what is published of their kin.

    Parameters
    ----------
    source : {'simulated', 'nmj', 'mini_epsc'}
        'nmj': one recording with two electrodes at a neuromuscular junction, voltage and current, without labels
        (90.8 s; from the test recordings of SimplyFire). 'mini_epsc': windows of miniature currents of a granule
        cell, scored by the extraction script of miniML. Both are looked for in the folders ``nmj-mepp`` and
        ``mini-epsc-labelled`` of CARDIO_DATA, and downloaded once if they are not there.
    tier, n_recordings, duration, snr, seed, first, **options
        Of the simulation: see `simulate.mepp.simulate`.
    folder : path, optional
        Folder of the source's file, in place of the one in CARDIO_DATA.

    Returns
    -------
    xarray.Dataset
        Attributes source, fs (Hz), groups, licence, citation.

        simulated: `vm` (recording, time) float32, mV. Coordinates of recording: recording, day (the group of honest
        splits), fibre, tier, noise_sd (mV), mean_amplitude (mV), recording_snr, rate (Hz), resting (mV), mains (Hz),
        step (mV). Of event: event_recording (number of the recording), onset, peak (s), amplitude (mV), tau_rise,
        tau_decay (s), kind ('mepp', 'giant', 'slow', 'double': the second of a close pair), snr, overlap (another
        onset within 10 ms). Of artefact: artefact_recording, artefact_time (s), artefact_kind.

        nmj: `vm` (recording, time), mV, and `current` (recording, time), nA; one recording.

        mini_epsc: `current` (window, time), pA, 50 kHz; coordinates of window: score (1 event, 0 none, 2 left open by
        the script), index (its number in the trace), cell.

    Raises
    ------
    ValueError
        The source is unknown, an option does not fit it, or a file is not what it should be.
    fetch.FetchError
        A file is not there and could not be downloaded.
    """
    if source not in _SOURCES:
        raise ValueError(f"source must be one of {', '.join(_SOURCES)}, not {source!r}")
    if source == "simulated":
        from cardio_utils.simulate import mepp as simulator

        return simulator.simulate(tier, n_recordings, duration, snr=snr, seed=seed, first=first, **options)
    if options:
        raise ValueError(f"{', '.join(options)} shape a simulation; source {source!r} is none")
    return (_nmj if source == "nmj" else _mini_epsc)(folder)


def _file(folder, name, published):
    url, checksum = published
    target = (fetch.folder() / name if folder is None else Path(folder)) / url.rsplit("/", 1)[-1]
    return target if target.is_file() else fetch.retrieve(url, checksum, target)


@fetch.reader
def _nmj(folder):
    path = _file(folder, "nmj-mepp", _NMJ)
    held = traces.read_channels(path)
    if held.units[:2] != ["mV", "nA"]:
        raise ValueError(f"{path} has channels in {', '.join(held.units)}, not in mV and nA: it is another file")
    voltage, current = (np.asarray(x, np.float32)[None] for x in held.values[:2])
    attrs = {
        "source": "nmj",
        "fs": held.fs,
        "groups": "recording",
        "licence": "GPL-3.0",
        "citation": "Test recording 19911002-2 of SimplyFire (github.com/megumi-mori/SimplyFire-beta)",
    }
    coords = {"recording": [path.stem], "time": ("time", np.arange(voltage.shape[1]) / held.fs, {"units": "s"})}
    dims = ("recording", "time")
    return xr.Dataset(
        {"vm": (dims, voltage, {"units": "mV"}), "current": (dims, current, {"units": "nA"})}, coords, attrs
    )


@fetch.reader
def _mini_epsc(folder):
    import h5py

    path = _file(folder, "mini-epsc-labelled", _MINI_EPSC)
    try:
        with h5py.File(path) as held:
            windows, score, index = held["events"][:], held["scores"][:], held["raw_indices"][:]
            cell = held["cell_label"][:]
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is no file of scored windows ({error})") from error
    fs = 50_000.0
    coords = {
        "score": ("window", score.astype(int)),
        "index": ("window", index.astype(int)),
        "cell": ("window", cell.astype(str)),
        "time": ("time", np.arange(windows.shape[1]) / fs, {"units": "s"}),
    }
    attrs = {
        "source": "mini_epsc",
        "fs": fs,
        "groups": "cell",
        "licence": "MIT",
        "citation": "O'Neill PS et al., eLife 2025;13:RP98485.",
    }
    return xr.Dataset({"current": (("window", "time"), windows.astype(np.float32), {"units": "pA"})}, coords, attrs)


# True events and masks


def events_of(dataset, recording=0):
    """True events of one recording of simulated ones: DataFrame of onset, peak, amplitude, tau_rise, tau_decay, kind,
    snr, overlap.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `load`.
    recording : int or str
        Number or name.
    """
    import pandas as pd

    number = _number(dataset, recording)
    mine = dataset["event_recording"].values == number
    names = ("onset", "peak", "amplitude", "tau_rise", "tau_decay", "kind", "snr", "overlap")
    return pd.DataFrame({name: dataset[name].values[mine] for name in names})


def _number(dataset, recording):
    if isinstance(recording, str):
        return dataset["recording"].values.tolist().index(recording)
    return int(recording)


def mask(onset, end, n, fs):
    """Samples from onset to before end (s) of any event: (n,) bool; events that overlap merge."""
    change = np.zeros(n + 1, np.int32)
    first, last = (np.clip(np.round(np.asarray(t, float) * fs).astype(np.int64), 0, n) for t in (onset, end))
    np.add.at(change, first, 1)
    np.add.at(change, last, -1)
    return np.cumsum(change[:-1]) > 0


def truth_mask(dataset, reach=1.0):
    """Samples of true events from their onset to `reach` decay time constants behind their peak.

    Returns
    -------
    (recording, time) bool
        With 1.0 the originals' rule, whose decay is about one time constant, on exact truth.
    """
    n, fs = dataset.sizes["time"], float(dataset.attrs["fs"])
    tables = [events_of(dataset, i) for i in range(dataset.sizes["recording"])]
    return np.stack([mask(t.onset, t.peak + reach * t.tau_decay, n, fs) for t in tables])


# Recordings of one's own


@fetch.reader
def read(path, *, unit=None, fs=None, channel=None, sweep=None, gain=1.0, quantity="voltage"):
    """One recording of a file: the originals' table or raw export, Axon (ABF1, ABF2), WinWCP, AxoGraph, Spike2, npy.

    Samples that are missing, and stretches where the amplifier was at the end of its range or stood still, are filled
    with a straight line and listed: exclude them from what is counted.

    Parameters
    ----------
    path : path
        What `data.traces.read` understands; gaps are allowed.
    unit : {'mV', 'uV', 'V', 'pA', 'nA'}, optional
        Unit of a table or array; default as its column says, or mV.
    fs : float, optional
        Sampling rate (Hz), where the file does not say it.
    channel : int or str, optional
        Default: the first of the wanted quantity.
    sweep : int, optional
        Which sweep, of a file that has several.
    gain : float
        What the file's values are divided by: of an amplifier whose gain nobody wrote down.
    quantity : {'voltage', 'current'}
        What is wanted.

    Returns
    -------
    xarray.Dataset
        `vm` (recording, time) float32, mV, or `current`, pA; `label` (recording, time) bool, where a table has such a
        column. Coordinates of gap: gap_recording, gap_start, gap_stop (s), gap_reason ('missing', 'saturated',
        'constant'). Attributes as of `load`, and `assumed`: sentences on what the file did not say.

    Raises
    ------
    ValueError
        The file is no such file; it has no channel of that quantity; it is slower than 2 kHz or shorter than 0.1 s;
        or its noise is what no electrode shows (a wrong unit or gain).
    ImportError
        What reads the file is not installed.
    """
    path = Path(path)
    if quantity not in _FAMILY:
        raise ValueError(f"quantity must be voltage or current, not {quantity!r}")
    if not gain > 0:
        raise ValueError(f"gain must be positive, not {gain}")
    held = traces.read_channels(path, fs, sweep, gaps=True)
    number = _channel(path, held, channel, unit, quantity)
    x, name = traces.scaled(path, held.values[number], traces.file_unit(path, held, number, unit))
    x /= np.float32(gain)
    _check_length(path, x, held.fs)
    stretches = _stretches(x, held.fs)
    if x.size - sum(b - a for a, b, _ in stretches) < _SHORTEST * held.fs:
        raise ValueError(f"{path.name}: the trace is constant, saturated or missing nearly throughout")
    _bridge(x, stretches, held.fs)
    assumed = _assumed(path, held, number, unit, fs, gain)
    variable = "vm" if quantity == "voltage" else "current"
    variables = {variable: (("recording", "time"), x[None], {"units": name})}
    labels = [k for k, text in enumerate(held.names) if text.lower() in _LABELS and k != number]
    if labels:
        variables["label"] = (("recording", "time"), (np.nan_to_num(held.values[labels[0]]) > 0.5)[None])
    fs = held.fs
    del held  # an hour of several channels is large
    return check(_own(path, variables, x.size, fs, stretches, assumed))


_FAMILY = {"voltage": ("mV", "uV", "V"), "current": ("pA", "nA")}


def _channel(path, held, channel, unit, quantity):
    """Number of the wanted channel, which must not be known to be another quantity."""
    units = [traces.file_unit(path, held, k, unit) for k in range(len(held.values))]
    fitting = [k for k, own in enumerate(units) if own in _FAMILY[quantity] and held.names[k].lower() not in _LABELS]
    words = [f"{k} {held.names[k]!r} ({units[k] or 'no unit'})".replace(" ''", "") for k in range(len(units))]
    other = "current" if quantity == "voltage" else "voltage"
    if channel is None:
        if not fitting:
            raise ValueError(
                f"{path.name} has no channel of {quantity}; it has {', '.join(words)}. For one of {other} give "
                f"quantity={other!r}; for a table with a wrong unit, unit=..."
            )
        return fitting[0]
    number = traces.pick(path, held, channel)
    if units[number] in _FAMILY[other]:
        raise ValueError(
            f"{path.name}: channel {words[number]} is a {other}, not a {quantity}; it has {', '.join(words)}. Give "
            f"another channel, or quantity={other!r}"
        )
    return number


def _check_length(path, x, fs):
    if fs < _SLOWEST:
        raise ValueError(
            f"{path.name} is sampled at {fs:g} Hz; an event rises within 0.5 to 1 ms, and {_SLOWEST:g} Hz is the least "
            "that shows it (10 kHz is usual)"
        )
    if x.size < _SHORTEST * fs:
        raise ValueError(f"{path.name} lasts {x.size / fs:.3g} s; {_SHORTEST:g} s is the least")
    if np.isfinite(x).sum() < _SHORTEST * fs:
        raise ValueError(f"{path.name} has {np.isfinite(x).sum()} samples that are numbers, of {x.size}")


def _stretches(x, fs):
    """Stretches to exclude: list of (first sample, sample behind the last, reason)."""
    found = [(a, b, "missing") for a, b in _runs(~np.isfinite(x))]
    fine = x[np.isfinite(x)] if found else x
    ends = float(fine.min()), float(fine.max())
    # A long run at one value covers a block of half its length: only such blocks are looked at closely.
    size = max(2, int(_CLIPPED * fs / 2))
    blocks = x[: x.size // size * size].reshape(-1, size)
    still = (blocks == blocks[:, :1]).all(1)
    for a, b in _runs(still):
        value = x[a * size]
        first, last = a * size, b * size
        first -= int(np.argmax(np.append(x[max(0, first - size) : first][::-1] != value, True)))
        last += int(np.argmax(np.append(x[last : last + size] != value, True)))
        if value in ends and last - first >= _CLIPPED * fs and ends[0] < ends[1]:
            found.append((first, last, "saturated"))
        elif last - first >= _CONSTANT * fs:
            found.append((first, last, "constant"))
    return sorted(found)


def _runs(flags):
    """(first, behind the last) of each run of True."""
    if not flags.any():
        return []
    inner = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    edges = np.concatenate([[0] * bool(flags[0]), inner, [flags.size] * bool(flags[-1])]).astype(int)
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _bridge(x, stretches, fs):
    """Fill stretches with the straight line between the medians of up to 2 ms beside them, in place."""
    reach = max(1, round(0.002 * fs))
    for first, last, _ in stretches:
        x[first:last] = np.nan
    for first, last in _runs(np.isnan(x)):
        before, after = x[max(0, first - reach) : first], x[last : last + reach]
        sides = [np.nanmedian(side) for side in (before, after) if side.size]
        x[first:last] = np.linspace(sides[0], sides[-1], last - first + 2)[1:-1]


def _assumed(path, held, number, unit, fs, gain):
    said = []
    channel = f"channel {number}" + (f" ({held.names[number]})" if held.names[number] else "")
    said.append(f"{channel} of {len(held.values)} was read")
    own = traces.file_unit(path, held, number, unit)
    if not held.units[number] or own != held.units[number]:
        said.append(f"the unit is {own}, " + ("as was said" if unit else "since the file does not say it"))
    if fs is not None:
        said.append(f"the sampling rate is {held.fs:g} Hz, as was said")
    if gain != 1:
        said.append(f"values were divided by a gain of {gain:g}")
    return said


def _own(path, variables, n, fs, stretches, assumed):
    time = np.arange(n, dtype=float)
    time /= fs  # in place: an hour has 36 million samples
    coords = {
        "recording": [path.stem],
        "time": ("time", time, {"units": "s"}),
        "gap_recording": ("gap", np.zeros(len(stretches), int)),
        "gap_start": ("gap", np.array([a / fs for a, _, _ in stretches], float), {"units": "s"}),
        "gap_stop": ("gap", np.array([b / fs for _, b, _ in stretches], float), {"units": "s"}),
        "gap_reason": ("gap", np.array([reason for *_, reason in stretches], "<U9")),
    }
    attrs = {
        "source": "own recording",
        "fs": fs,
        "groups": "recording",
        "licence": "",
        "citation": "",
        "assumed": assumed,
    }
    return xr.Dataset(variables, coords, attrs)


def excluded(dataset, recording=0):
    """Stretches (start, stop) in s of one recording that are to be left out; none in simulated ones."""
    if "gap" not in dataset.dims:
        return []
    mine = dataset["gap_recording"].values == _number(dataset, recording)
    starts, stops = dataset["gap_start"].values[mine], dataset["gap_stop"].values[mine]
    return [(float(a), float(b)) for a, b in zip(starts, stops, strict=True)]


def check(dataset):
    """Refuse what cannot be recordings of miniature end-plate potentials.

    Returns
    -------
    xarray.Dataset
        The same.

    Raises
    ------
    ValueError
        Samples are not finite, events lie outside of their recording, or the noise of a voltage is below 0.5 uV or
        above 10 mV, or the trace does not move at all.
    """
    name = "vm" if "vm" in dataset else "current"
    fs = float(dataset.attrs["fs"])
    for i, recording in enumerate(dataset["recording"].values):
        x = dataset[name].values[i]
        if not np.isfinite(x).all():
            raise ValueError(f"{recording}: samples are not finite")
        noise = _noise(x, fs)
        if noise == 0 and np.ptp(x) == 0:
            raise ValueError(f"{recording}: the trace is constant")
        if name == "vm" and not _NOISE[0] <= noise <= _NOISE[1]:
            smaller = noise < _NOISE[0]
            raise ValueError(
                f"{recording}: noise of {noise:.2g} mV (range {x.min():.4g} to {x.max():.4g} mV) is what no electrode "
                f"shows: the values seem to be {'V' if smaller else 'uV, or counts'}, or a gain is missing. Give "
                f"unit={'V' if smaller else 'uV'!r} or gain=..."
            )
    if "event" in dataset.dims:
        last = dataset.sizes["time"] / fs
        if ((dataset["onset"] < 0) | (dataset["peak"] > last)).any():
            raise ValueError(f"events lie outside of the recordings of {last:g} s")
    return dataset


def _quiet(x, fs):
    """The trace in means of 1 ms, each less the median of its 50 ms: (block, 50)."""
    step, size = max(1, round(fs / 1000)), 50
    means = x[: x.size // step * step].reshape(-1, step).mean(1, dtype=np.float64)
    size = min(size, means.size)
    blocks = means[: means.size // size * size].reshape(-1, size)
    return blocks - np.median(blocks, axis=1, keepdims=True)


def _noise(x, fs):
    """Standard deviation about the medians of 50 ms, without outliers, of up to a minute of blocks."""
    size = max(2, min(x.size, round(0.05 * fs)))
    blocks = x[: x.size // size * size].reshape(-1, size)
    blocks = blocks[:: max(1, len(blocks) // 1200)].astype(np.float64)
    blocks -= np.median(blocks, axis=1, keepdims=True)
    # The median of what a coarse converter gives is one of its few steps: it sets the limit only.
    limit = 5 * 1.4826 * np.median(np.abs(blocks))
    return float(np.std(blocks[np.abs(blocks) <= limit] if limit > 0 else blocks))


def describe(dataset):
    """What recordings look like, and what seems wrong with them.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `load` or `read`, with `vm` or `current`.

    Returns
    -------
    pandas.DataFrame
        Index: recording. duration (s), fs (Hz), unit, lowest, median, highest, noise (robust standard deviation), step
        (smallest difference of values), up and down (excursions a minute beyond 5 standard deviations of the trace in
        means of 1 ms), excluded (s), warning ('' or sentences).
    """
    import pandas as pd

    name = "vm" if "vm" in dataset else "current"
    fs, rows = float(dataset.attrs["fs"]), []
    for i in range(dataset.sizes["recording"]):
        x = dataset[name].values[i]
        quiet = _quiet(x, fs)
        limit = 5 * 1.4826 * np.median(np.abs(quiet))
        minutes = x.size / fs / 60
        up, down = (len(_runs((side * quiet).ravel() > limit)) for side in (1, -1))
        values = np.unique(x[: round(10 * fs)])
        row = {
            "duration": x.size / fs,
            "fs": fs,
            "unit": dataset[name].attrs["units"],
            "lowest": float(x.min()),
            "median": float(np.median(x)),
            "highest": float(x.max()),
            "noise": _noise(x, fs),
            "step": float(np.diff(values).min()) if values.size > 1 else np.nan,
            "up": up / minutes,
            "down": down / minutes,
            "excluded": sum(b - a for a, b in excluded(dataset, i)),
        }
        rows.append(row | {"warning": _warning(row, name, up, down)})
    return pd.DataFrame(rows, pd.Index(dataset["recording"].values, name="recording"))


def _warning(row, name, up, down):
    said = []
    if name == "vm" and not _USUAL_NOISE[0] <= row["noise"] <= _USUAL_NOISE[1]:
        said.append(f"noise of {row['noise']:.2g} mV is unusual (0.01 to 0.5): check unit and gain")
    if name == "vm" and abs(row["median"]) > 150:
        said.append(f"a median of {row['median']:.4g} mV is no membrane potential: check unit and gain")
    # What goes down by chance as often as up does so 5 times more often in one of 1,000 recordings or fewer.
    if down >= 8 and down > 3 * up and name == "vm":
        said.append(f"{down} large excursions go down and {up} up: if these are the events, polarity=-1")
    if row["fs"] < 5000:
        said.append(f"{row['fs']:g} Hz is slow for a rise of 0.5 ms")
    if row["duration"] < 10:
        said.append(f"{row['duration']:.2g} s are too short for a rate")
    if row["excluded"] > 0.1 * row["duration"]:
        said.append(f"{row['excluded']:.3g} s are missing, saturated or constant")
    return "; ".join(said)


def resampled(dataset, fs=FS):
    """The same recordings at another sampling rate (Hz), anti-aliased; labels take their nearest sample."""
    own = float(dataset.attrs["fs"])
    if own == fs:
        return dataset
    names = [name for name in ("vm", "current") if name in dataset]
    rows = {name: signals.resample(dataset[name].values, own, fs) for name in names}
    n = rows[names[0]].shape[1]
    made = dataset.drop_dims("time").assign_coords(time=("time", np.arange(n) / fs, {"units": "s"}))
    for name, row in rows.items():
        made[name] = (dataset[name].dims, row, dataset[name].attrs)
    if "label" in dataset:
        nearest = np.minimum(np.round(np.arange(n) * own / fs).astype(int), dataset.sizes["time"] - 1)
        made["label"] = (dataset["label"].dims, dataset["label"].values[:, nearest])
    made.attrs["fs"] = float(fs)
    return made


# The originals' formats


def write(dataset, path, recording=0):
    """Write one recording as the originals' table: ``Time_ms,Voltage,labels``, mV with 6 decimals.

    Labels are those of the data set, or the mask of the true events, onset to one decay time constant behind the peak.

    Parameters
    ----------
    dataset : xarray.Dataset
        With `vm`.
    path : path
    recording : int or str

    Returns
    -------
    Path
    """
    number = _number(dataset, recording)
    one = dataset["vm"].values[number]
    if "label" in dataset:
        label = dataset["label"].values[number]
    elif "event" in dataset.dims:
        label = truth_mask(dataset)[number]
    else:
        label = np.zeros(one.size, bool)
    ms = np.round(np.arange(one.size) * (1000 / float(dataset.attrs["fs"])), 4)
    rows = zip(ms.tolist(), one.tolist(), label.astype(int).tolist(), strict=True)
    with fetch.whole(Path(path)) as temporary, open(temporary, "w", encoding="ascii", newline="\n") as stream:
        stream.write("Time_ms,Voltage,labels\n")
        stream.writelines(f"{t},{v:.6f},{flag}\n" for t, v, flag in rows)
    return Path(path)


_MINIANALYSIS = {
    "peak": ("time", 1e-3),
    "amplitude": ("amplitude", 1.0),
    "rise": ("rise", 1.0),
    "decay": ("decay", 1.0),
    "area": ("area", 1.0),
    "baseline": ("baseline", 1.0),
    "noise": ("noise", 1.0),
    "rise_10_90": ("1090rise", 1.0),
    "half_width": ("halfwidth", 1.0),
}
"""Our column -> theirs, in small letters and digits, and the factor to our unit: s for peak, ms and mV for others."""


@fetch.reader
def read_events(path):
    """An event table of MiniAnalysis, exported as text.

    The first cell of its header is the number of events; decimal commas, tabs, blanks that do not break and the letters
    of a unit behind a number, Latin or Cyrillic, are understood.

    Parameters
    ----------
    path : path

    Returns
    -------
    pandas.DataFrame
        peak (s), amplitude (mV), rise (ms, onset to peak), decay (ms), and where they are there area (mV ms), baseline,
        noise (mV), rise_10_90, half_width (ms); sorted by peak.

    Raises
    ------
    ValueError
        The file is no such table; a number cannot be read; or the number of events is not the one in its header.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1251", errors="replace")
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    names = [re.sub(r"\(.*?\)|[^a-z0-9]", "", cell.lower()) for cell in rows[0]] if rows else []
    place = {ours: names.index(theirs) for ours, (theirs, _) in _MINIANALYSIS.items() if theirs in names}
    if gone := [name for name in ("peak", "amplitude", "rise", "decay") if name not in place]:
        raise ValueError(
            f"{path.name} is no event table of MiniAnalysis parted by tabs: it lacks the columns for {', '.join(gone)}"
        )
    columns = {
        ours: [_MINIANALYSIS[ours][1] * _number_in(path, row, k, line) for line, row in enumerate(rows[1:], 2)]
        for ours, k in place.items()
    }
    table = pd.DataFrame(columns, dtype=float).sort_values("peak", kind="stable", ignore_index=True)
    count = rows[0][0].strip()
    if count.isdigit() and int(count) != len(table):
        raise ValueError(f"{path.name} says {count} events in its header and holds {len(table)}: it is cut short")
    return table


def _number_in(path, row, column, line):
    """A number with a decimal comma or point, digits grouped by blanks, and perhaps a unit behind it."""
    cell = re.sub(r"\s", "", row[column]) if column < len(row) else ""
    found = re.fullmatch(r"([-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?)[^\W\d_]*\.?", cell)
    if found is None:
        raise ValueError(f"{path.name}, line {line}: {cell!r} is no number")
    return float(found.group(1).replace(",", "."))


def minianalysis_mask(table, n, fs=FS, rule="originals", reach=1.0):
    """Sample mask of an event table of MiniAnalysis.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_events`.
    n : int
        Samples of the recording.
    fs : float
        Its sampling rate (Hz).
    rule : {'originals', 'nearest'}
        'originals': from peak - rise to before peak + decay, both in tenths of a ms cut to whole numbers, as their
        recordings of 10 kHz were marked. 'nearest': to `reach` decays, rounded to the nearest sample.
    reach : float
        Decays behind the peak; 'nearest' only.

    Returns
    -------
    (n,) bool
        Events that overlap merge.

    Raises
    ------
    ValueError
        The rule is unknown.
    """
    if rule not in ("originals", "nearest"):
        raise ValueError(f"rule must be originals or nearest, not {rule!r}")
    peak, rise, decay = (table[name].to_numpy(float) for name in ("peak", "rise", "decay"))
    onset, end = peak - rise / 1000, peak + (decay if rule == "originals" else reach * decay) / 1000
    if rule == "originals":
        # Rounded first: the product of a decimal number must not fall short of the integer that it stands for.
        onset, end = (np.floor(np.round(t * fs, 6)) / fs for t in (onset, end))
    return mask(onset, end, n, fs)


def write_events(table, path):
    """Write events in the layout of a table of MiniAnalysis (tabs, decimal commas, Windows letters).

    Parameters
    ----------
    table : pandas.DataFrame
        peak (s), amplitude (mV), rise, decay (ms), and what else `read_events` gives.
    path : path

    Returns
    -------
    Path
    """
    header = [str(len(table)), "Time (ms)", "Amplitude", "Rise (ms)", "Decay (ms)", "Area", "Baseline", "Noise"]
    header += ["Group", "Channel", "10-90Rise", "HalfWidth"]
    lines = ["\t".join(header)]
    for k, row in enumerate(table.to_dict("records"), 1):
        time = f"{1000 * row['peak']:.1f}".replace(".", ",") + "\u00a0м"
        rest = [row.get(name, 0.0) for name in ("amplitude", "rise", "decay", "area", "baseline", "noise")]
        tail = [row.get(name, 0.0) for name in ("rise_10_90", "half_width")]
        cells = [f"{value:.3f}".replace(".", ",") for value in rest] + ["0", "1"]
        lines.append("\t".join([str(k), time, *cells, *(f"{value:.2f}".replace(".", ",") for value in tail)]))
    with fetch.whole(Path(path)) as temporary:
        temporary.write_bytes("\r\n".join([*lines, ""]).encode("cp1251"))
    return Path(path)
