"""A long recording of many extracellular channels: every beat reconstructed, and what a drug does to each channel.

The recording stays on the disk and is read one channel and one minute at a time, so that memory depends neither on its
length nor on the number of its channels. Introduced in chapter 05.

References
----------
Holm S (1979) Scand J Stat 6:65-70 (many tests). Kuensch HR (1989) Ann Stat 17:1217-1241 (blocks of dependent values).
Laird NM, Ware JH (1982) Biometrics 38:963-974 (mixed models).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cardio_utils import action_potential as ap
from cardio_utils import intervals, reconstruction, watched

__all__ = [
    "LEVELS",
    "Effect",
    "Recording",
    "Study",
    "against_truth",
    "drug_effect",
    "from_dataset",
    "open_file",
    "study",
    "true_durations",
]

LEVELS = (50, 70, 90)
"""Levels of repolarisation (%) whose durations are followed."""

_FACTOR = {"V": 1e3, "mV": 1.0, "uV": 1e-3}
_WINDOW = {
    "before": 0.2,
    "after": 1.45,
}  # s around a spike: what `reconstruction.extracellular` needs, and a little more
_MARGIN = 2.0  # s that are read beyond a piece, so that beats at its ends are whole
_SAME_BEAT = 0.2  # s within which spikes of different channels belong to one beat of the culture
_NAMES = ("fs", "sampling_rate", "rate"), ("unit", "units")  # attributes that an HDF5 file may say them by


@dataclass(frozen=True, eq=False)
class Recording:
    """Channels of one culture at one time, in memory or on the disk.

    Attributes
    ----------
    x : (channel, sample) array, or anything that gives pieces of one, such as an HDF5 data set
    fs : float
        Hz.
    factor : float
        From its unit to mV.
    kind : (channel,) ndarray of str
        "eap" or "iap".
    electrode : (channel,) ndarray of str
    name : str
    """

    x: object
    fs: float
    factor: float
    kind: np.ndarray
    electrode: np.ndarray
    name: str

    @property
    def duration(self):
        """s."""
        return self.x.shape[1] / self.fs

    def piece(self, channel, first, last):
        """Samples of one channel, mV, float64."""
        return self.factor * np.asarray(self.x[channel, first:last], float)


def from_dataset(dataset):
    """The part "multichannel" of `data.nea.load` as a `Recording`."""
    count = dataset.sizes["channel"]
    electrode = dataset["electrode"].values if "electrode" in dataset.coords else np.arange(count)
    kind = dataset["kind"].values.astype(str)
    return Recording(
        dataset["nea"].values, float(dataset.attrs["fs"]), 1.0, kind, electrode.astype(str), "multichannel"
    )


def open_file(path, fs=None, unit="", *, inside=(), dataset=None):
    """Open a recording of one's own, without reading it.

    Parameters
    ----------
    path : path
        ``.npy`` or HDF5 (``.h5``, ``.hdf5``) with an array (channel, sample) of numbers.
    fs : float
        Sampling rate (Hz). An HDF5 data set may say it in its attribute ``fs``; both must agree.
    unit : {"uV", "mV", "V"}
        Of the numbers; an HDF5 data set may say it in its attribute ``unit``.
    inside : sequence of int
        Channels that are intracellular; negative ones count from the end.
    dataset : str, optional
        Which data set of an HDF5 file; needed where it holds several arrays of two dimensions.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError
        The file is missing or no such array; rate or unit is missing, contradicts the file, or is impossible.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    if path.suffix.lower() == ".npy":
        x, said = _open_npy(path), {}
    elif path.suffix.lower() in (".h5", ".hdf5"):
        x = _open_hdf5(path, dataset)
        said = x.attrs
    else:
        raise ValueError(f"{path.name}: .npy, .h5 and .hdf5 are read, not {path.suffix or 'files without ending'}")
    if x.ndim != 2 or x.dtype.kind not in "fiu" or x.shape[1] <= x.shape[0]:
        raise ValueError(f"{path.name}: an array (channel, sample) of numbers is needed, not {x.shape} of {x.dtype}")
    own_fs, own_unit = (next((said[n] for n in names if n in said), None) for names in _NAMES)
    own_unit = own_unit.decode() if isinstance(own_unit, bytes) else own_unit
    if own_fs is not None and fs and abs(float(own_fs) / fs - 1) > 0.01:
        raise ValueError(f"{path.name} says {float(own_fs):g} Hz, fs says {fs:g} Hz")
    if own_unit and unit and own_unit != unit:
        raise ValueError(f"{path.name} says {own_unit}, unit says {unit}")
    fs, unit = float(fs or own_fs or 0), unit or own_unit or ""
    if not 500 <= fs <= 1e5:
        raise ValueError(f"{path.name}: give its sampling rate in Hz, fs=...; {fs:g} Hz is none of an electrode array")
    if unit not in _FACTOR:
        raise ValueError(f"{path.name}: give the unit of its numbers, one of {', '.join(_FACTOR)}, not {unit!r}")
    kind = np.full(x.shape[0], "eap")
    kind[list(inside)] = "iap"
    return Recording(x, fs, _FACTOR[unit], kind, np.arange(x.shape[0]).astype(str), path.stem)


class _Npy:
    """A ``.npy`` file that is mapped anew for each piece: pages of one mapping would stay and count as memory."""

    def __init__(self, path):
        self.path = path
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
        self.shape, self.dtype, self.ndim = whole.shape, whole.dtype, whole.ndim

    def __getitem__(self, part):
        return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[part])


def _open_npy(path):
    try:
        return _Npy(path)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path.name} is no .npy file of numbers ({error})") from error


def _open_hdf5(path, dataset):
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{path.name}: HDF5 files are read by h5py: pip install h5py") from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path.name} is no HDF5 file ({error})") from error
    if dataset is None:
        found = []
        file.visititems(lambda name, item: found.append(name) if getattr(item, "ndim", 0) == 2 else None)
        if len(found) != 1:
            raise ValueError(
                f"{path.name} holds {len(found)} arrays (channel, sample): name one, dataset=...; {', '.join(found)}"
            )
        dataset = found[0]
    if dataset not in file:
        raise ValueError(f"{path.name} has no data set {dataset!r}")
    return file[dataset]


# Every beat of every channel


@dataclass(frozen=True, eq=False)
class Study:
    """Every beat of a recording.

    Attributes
    ----------
    table : DataFrame
        One row a beat and channel: channel, electrode, kind, beat (number in the culture), time (s, of the spike or
        upstroke), delay (ms, to the median of all channels at that beat), and for each level such as apd90_low, apd90,
        apd90_high (ms). Of an intracellular channel durations are measured and have no interval.
    waves : dict of float to (channel, 3, time) float32
        Calibrated curves of the beat nearest to each time that was asked for; NaN where there is none.
    problems : dict of int to str
        Why a channel has no beats.
    left_out : int
        Beats that are cut off by an end of the recording, or unusable for another reason.
    """

    table: pd.DataFrame
    waves: dict
    problems: dict
    left_out: int = field(default=0)


def study(recording, networks, band, errors, *, levels=LEVELS, margin=0.0, keep=(), chunk=60.0, n=24, seed=0):
    """Find, reconstruct and measure every beat of every channel.

    Parameters
    ----------
    recording : Recording
    networks : list of network
        As for `intervals.predict`.
    band : intervals.Band
    errors : intervals.Errors
    levels : sequence of float
        %.
    margin : (level,) array_like or float
        As for `intervals.duration_intervals`.
    keep : sequence of float
        Times (s) at which waveforms are kept.
    chunk : float
        Length of the pieces that are read (s): memory grows with it.
    n : int
        Waveforms that are drawn a beat for the intervals of its durations, with the same errors throughout a channel.
    seed : int

    Returns
    -------
    Study

    Raises
    ------
    ValueError
        No channel has a usable beat; the message gives the reasons.
    """
    from tqdm import tqdm

    work = _Work(recording, networks, band, errors, tuple(levels), margin, tuple(keep), chunk, n, seed)
    size = len(recording.kind)
    for channel in tqdm(range(size), unit="channel", disable=not watched(), leave=False):
        work.channel(channel)
    if not work.rows:
        reasons = sorted(set(work.problems.values()))
        raise ValueError(f"{recording.name}: no beat in any of {size} channels: {'; '.join(reasons)}")
    return Study(_numbered(pd.concat(work.rows, ignore_index=True)), work.waves, work.problems, work.left_out)


class _Work:
    """What one pass over a recording collects."""

    def __init__(self, recording, networks, band, errors, levels, margin, keep, chunk, n, seed):
        self.recording, self.networks, self.band, self.errors = recording, networks, band, errors
        self.levels, self.margin, self.chunk, self.n, self.seed = levels, margin, chunk, n, seed
        self.rows, self.problems, self.left_out = [], {}, 0
        samples = reconstruction.Windows.time.size
        self.waves = {t: np.full((len(recording.kind), 3, samples), np.nan, np.float32) for t in keep}

    def channel(self, channel):
        """All pieces of one channel."""
        length, fs = self.recording.x.shape[1], self.recording.fs
        size, margin = round(self.chunk * fs), round(_MARGIN * fs)
        found, reason = False, "no beat was found"
        for first in range(0, length, size):
            begin, end = max(0, first - margin), min(length, first + size + margin)
            x = self.recording.piece(channel, begin, end)
            try:
                found |= self._piece(channel, x, begin, first, min(first + size, length))
            except ValueError as error:
                reason = str(error)
        if not found:
            self.problems[channel] = reason

    def _piece(self, channel, x, begin, first, last):
        """Beats whose spike lies from sample `first` to `last`; `x` begins at sample `begin`."""
        kind, fs = str(self.recording.kind[channel]), self.recording.fs
        if not np.isfinite(x).all():
            raise ValueError("samples are missing")
        beats = ap.find_beats(x, fs, sensor=kind)
        beats = beats[(beats + begin >= first) & (beats + begin < last)]
        windows, kept = ap.cut_beats(x, fs, beats, **_WINDOW)
        self.left_out += len(beats) - len(kept)
        if not len(kept):
            return False
        start = (beats[kept] + begin) / fs - _WINDOW["before"]
        measure = self._inside if kind == "iap" else self._outside
        row = measure(channel, windows, start)
        about = {"channel": channel, "electrode": self.recording.electrode[channel], "kind": kind}
        self.rows.append(pd.DataFrame(about | row))
        return True

    def _inside(self, channel, windows, start):
        """Durations of measured action potentials; missing ones are NaN."""
        found, rise = ap.apd(windows, self.recording.fs, self.levels), ap.upstroke(windows, self.recording.fs)
        fine = rise.reason == ap.Reason.VALID
        self.left_out += int((~fine).sum())
        if not fine.any():
            raise ValueError(f"no action potential: {ap.Reason(int(rise.reason[0])).text}")
        row = {"time": (start + rise.time / 1000)[fine]}
        return row | {f"apd{level:g}": found.apd[fine, k] for k, level in enumerate(self.levels)}

    def _outside(self, channel, windows, start):
        """Durations of reconstructed action potentials with their intervals."""
        seen = reconstruction.extracellular(windows, self.recording.fs)
        self.left_out += len(windows) - len(seen)
        curves = intervals.predict(self.networks, seen.wave)
        time = start[seen.position] + seen.spike
        self._keep(channel, time, curves)
        options = dict(n=self.n, seed=(self.seed, channel), shared=True, margin=self.margin)
        found = intervals.duration_intervals(curves, self.errors, self.levels, **options)
        row = {"time": time}
        for k, level in enumerate(self.levels):
            row |= {f"apd{level:g}{end}": found[:, i, k] for i, end in enumerate(("_low", "", "_high"))}
        return row

    def _keep(self, channel, time, curves):
        for wanted, waves in self.waves.items():
            near = np.abs(time - wanted).argmin()
            if abs(time[near] - wanted) < 5 and np.isnan(waves[channel, 0, 0]):
                waves[channel] = intervals.widen(curves[near : near + 1], self.band)[0]


def _numbered(table):
    """The table with the number of each beat in the culture, and its delay to the median of the channels."""
    table = table.sort_values("time", ignore_index=True)
    beat = (table["time"].diff().fillna(0) > _SAME_BEAT).cumsum()
    middle = table.groupby(beat)["time"].transform("median")
    table.insert(3, "beat", beat)
    table.insert(5, "delay", 1000 * (table["time"] - middle))
    return table.sort_values(["channel", "time"], ignore_index=True)


def true_durations(dataset, table, levels=LEVELS):
    """Durations of the simulator's membrane potential at the beats of a table.

    Parameters
    ----------
    dataset : xarray.Dataset
        Simulated part "multichannel", with `vm`.
    table : DataFrame
        Of a `Study` of it.
    levels : sequence of float

    Returns
    -------
    DataFrame
        With the rows of the table: apd50 and so on (ms), NaN where the beat leaves the recording.
    """
    time = dataset["time_vm"].values
    fs = 1 / (time[1] - time[0])
    out = np.full((len(table), len(levels)), np.nan)
    channel = table["channel"].to_numpy()
    samples = np.round((table["time"].to_numpy() - time[0]) * fs).astype(np.int64)
    for k in np.unique(channel):
        own = np.flatnonzero(channel == k)
        windows, kept = ap.cut_beats(dataset["vm"].values[k], fs, samples[own], **_WINDOW)
        out[own[kept]] = ap.apd(windows, fs, levels).apd
    return pd.DataFrame(out, table.index, [f"apd{level:g}" for level in levels])


def against_truth(table, truth, level=90):
    """How far durations of channels are from the true ones, and how many intervals hold them.

    Parameters
    ----------
    table : DataFrame
        Of a `Study`; rows with intervals.
    truth : DataFrame
        Of `true_durations`, with at least the rows of the table.
    level : float
        %.

    Returns
    -------
    dict of str to evaluation.Estimate
        mean_abs_error (ms) and coverage; channels are resampled.
    """
    from cardio_utils.agreement import mean_over_groups

    name = f"apd{level:g}"
    true = truth.loc[table.index, name]
    known, channel = true.notna(), table["channel"]
    held = ((table[f"{name}_low"] <= true) & (true <= table[f"{name}_high"])).astype(float)
    error = (table[name] - true).abs()
    columns = {"mean_abs_error": error, "coverage": held}
    return {key: mean_over_groups(column[known], channel[known]) for key, column in columns.items()}


# The drug


@dataclass(frozen=True, eq=False)
class Effect:
    """Change of a duration between two stretches of a recording.

    Attributes
    ----------
    table : DataFrame
        One row a channel: electrode, kind, early, late, change, low, high (ms; 95 % interval of the change), p (Welch's
        t-test of block means), p_adjusted (Holm), shrunk (the change that the mixed model expects of it).
    value, low, high : float
        Mean change over channels by the mixed model, and its 95 % interval (ms). Channels are of one culture: the
        interval is about its sites, not about other cultures.
    spread : float
        Standard deviation of the change between channels (ms).
    """

    table: pd.DataFrame
    value: float
    low: float
    high: float
    spread: float


def drug_effect(table, early, late, level=90, block=4):
    """By how much a duration changed in each channel, with a mixed model and a correction for many channels.

    Successive beats resemble each other, so that means of blocks of beats, not beats, are the values of the tests.

    Parameters
    ----------
    table : DataFrame
        As `Study.table`.
    early, late : (float, float)
        From and to (s): before the drug, and when it acts.
    level : float
        %.
    block : int
        Beats a block.

    Returns
    -------
    Effect
        Channels with fewer than two blocks in either stretch are left out.

    Raises
    ------
    ValueError
        Fewer than two channels have enough beats.
    """
    values = _block_means(table, early, late, f"apd{level:g}", block)
    count = values.groupby("channel")["late"].agg(["sum", "size"])
    fine = count.index[(count["sum"] >= 2) & (count["size"] - count["sum"] >= 2)]
    if len(fine) < 2:
        raise ValueError(f"{len(fine)} channel(s) have two blocks of {block} beats in both {early} s and {late} s")
    values = values[values["channel"].isin(fine)]
    rows = pd.DataFrame([_change(own) for _, own in values.groupby("channel")], index=fine)
    from statsmodels.stats.multitest import multipletests

    rows["p_adjusted"] = multipletests(rows["p"], method="holm")[1]
    about = table.groupby("channel")[["electrode", "kind"]].first().loc[fine]
    fixed, error, spread, own = _mixed(values)
    rows["shrunk"] = fixed + own.reindex(fine)
    return Effect(about.join(rows), fixed, fixed - 1.96 * error, fixed + 1.96 * error, spread)


def _block_means(table, early, late, column, block):
    parts = []
    for flag, (begin, end) in enumerate((early, late)):
        own = table[(table["time"] >= begin) & (table["time"] < end) & table[column].notna()]
        number = own.groupby("channel").cumcount() // block
        means = own.groupby([own["channel"], number.rename("block")])[column].agg(["mean", "size"]).reset_index()
        means = means[means["size"] == block]
        parts.append(pd.DataFrame({"channel": means["channel"], "value": means["mean"], "late": flag}))
    return pd.concat(parts, ignore_index=True)


def _change(own):
    from scipy import stats

    first, second = (own.loc[own["late"] == flag, "value"] for flag in (0, 1))
    test = stats.ttest_ind(second, first, equal_var=False)
    interval = test.confidence_interval(0.95)
    low, high, early, late = interval.low, interval.high, first.mean(), second.mean()
    return {"early": early, "late": late, "change": late - early, "low": low, "high": high, "p": test.pvalue}


def _mixed(values):
    """Mean change, its standard error, its spread between channels, and each channel's own part (Series)."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    design = np.column_stack([np.ones(len(values)), values["late"]])
    scale = values["value"].std()  # durations in ms make the optimiser's steps too small
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a spread at the edge of zero is no fault here
        fitted = MixedLM(values["value"] / scale, design, values["channel"], design).fit(reml=True)
    own = pd.Series({channel: scale * effect.iloc[1] for channel, effect in fitted.random_effects.items()})
    spread = scale * np.sqrt(np.asarray(fitted.cov_re)[1, 1])
    return scale * fitted.fe_params.iloc[1], scale * fitted.bse_fe.iloc[1], float(spread), own
