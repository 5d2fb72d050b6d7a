"""Nanoelectrode recordings of hiPSC-cardiomyocytes: simulated, published, and optical ones for comparison.

A nanoelectrode sees the extracellular action potential (eAP); after electroporation it sees the intracellular one
(iAP), smaller than a patch clamp does. Chapters 01 to 05 use this module.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from cardio_utils import action_potential as ap
from cardio_utils import signals
from cardio_utils.data import fetch, nea_files, optical
from cardio_utils.data.nea_files import SEGMENTS, TEST, TRAIN, parse_name, preparations, write
from cardio_utils.data.nea_quality import Rules, check, check_trace, clean

__all__ = [
    "SEGMENTS",
    "TEST",
    "TRAIN",
    "Rules",
    "check",
    "check_trace",
    "clean",
    "features",
    "folds",
    "load",
    "matched_beats",
    "parse_name",
    "preparations",
    "write",
]

_PARTS = {
    "simulated": ("pairs", "patch", "neighbours", "multichannel", "features"),
    "nea": ("pairs", "patch", "neighbours", "multichannel", "features"),
    "optical": ("optical", "patch"),
    "features": ("features",),
}


def load(
    part="pairs",
    source="simulated",
    *,
    recordings=None,
    duration=None,
    n_cells=None,
    n_sites=None,
    start=0.0,
    seed=0,
    folder=None,
    **simulation,
):
    """One part of the nanoelectrode data.

    Parameters
    ----------
    part : {'pairs', 'patch', 'neighbours', 'multichannel', 'features', 'optical'}
        What the data set holds: see Returns.
    source : {'simulated', 'nea', 'optical', 'features'}
        'nea': the published recordings, looked for in the folder ``nea`` of CARDIO_DATA and downloaded once from
        Google Drive if they are not there (neighbours: 9 GB). 'optical': dye signals ('optical') and current
        clamp ('patch') of Lei 2017. 'features': the published table of eAP features.
    recordings : sequence of str, optional
        Only these; default all.
    duration : float, optional
        Seconds of each recording: simulated 360 of pairs, 60 of patch, 240 of neighbours, 200 of multichannel.
        Of the published files, neighbours and multichannel are read that far, the other parts whole.
    n_cells : int, optional
        Number of cells of 'patch' (simulated: 20; published: the first ones).
    n_sites : int, optional
        Number of sites of 'neighbours' a recording (16); of published ones the first channels.
    start : float
        Where in the published neighbours and multichannel reading begins (s).
    seed : int
        Of the simulation.
    folder : path, optional
        Folder of the source's files, in place of the one in CARDIO_DATA.
    **simulation
        Passed on to the function of `simulate.nea` of the part's name; for 'simulated' only.

    Returns
    -------
    xarray.Dataset
        Traces are float32, mV, with their unit in ``attrs``; attributes source, licence, citation, groups (the
        coordinate that honest splits keep together) and fs (Hz). `vm`, the true membrane potential, exists in
        simulated data alone.

        pairs: `eap`, `iap`, `vm` (beat, time), 5 kHz, -0.2 to 1.4 s around the maximum of the iAP. Coordinates
        of beat: recording, drug, well, day, experiment, preparation, iap_electrode, eap_electrode, sensor ('nea',
        'mea'), paced, role ('train', 'test', '' by the originals), beat_time (s), concentration (nM), iap_snr,
        eap_snr (dB), flag ('' until `clean` gives a reason).

        patch: `nea` (recording, time_nea), `patch`, `vm` (recording, time_patch), each on its own clock, NaN
        behind the end of the shorter ones. Coordinates of recording: cell, poration (s, on the patch clock), and
        simulated the true lag (s) and skew. Published ones have `note`.

        neighbours: `nea`, `vm` (site, time); of site: recording, channel, electrode (column and row), x, y (mm); of
        pulse: pulse_time (s) and pulse_recording, the recording it belongs to.

        multichannel: `nea` (channel, time); of channel: kind ('eap', 'iap'); attributes drug, drug_time (s).

        optical: `signal` (beat, time), see `optical.read`.
    pandas.DataFrame
        For 'features': the published table (`nea_files.read_features`), or `features` of cleaned pairs.

    Raises
    ------
    ValueError
        Part or source are unknown, or a file does not fit: the message names file, reason and remedy.
    fetch.FetchError
        A file is not there and could not be downloaded.
    """
    if source not in _PARTS:
        raise ValueError(f"source must be one of {', '.join(_PARTS)}, not {source!r}")
    if part not in _PARTS[source]:
        raise ValueError(f"source {source!r} has the parts {', '.join(_PARTS[source])}, not {part!r}")
    if simulation and source != "simulated":
        raise ValueError(f"{', '.join(simulation)} shape a simulation; source {source!r} is none")
    wanted = {"recordings": recordings, "duration": duration}
    if part == "features" and source != "features":
        pairs = load("pairs", source, seed=seed, folder=folder, **wanted, **simulation)
        return features(clean(pairs))
    if source == "simulated":
        counts = {"patch": {"n_cells": n_cells}, "neighbours": {"n_sites": n_sites}}.get(part, {})
        return _simulated(part, {**wanted, **counts, **simulation, "seed": seed})
    if source == "nea":
        return _published(part, folder, wanted, n_cells, 16 if n_sites is None else n_sites, start)
    if source == "features":
        return _feature_table(folder, recordings)
    dataset = (optical.read if part == "optical" else optical.read_patch)(folder)
    return dataset if recordings is None else _select(dataset, recordings)


def _simulated(part, options):
    from cardio_utils.simulate import nea as simulator

    return getattr(simulator, part)(**{key: value for key, value in options.items() if value is not None})


def _published(part, folder, wanted, n_cells, n_sites, start):
    path = nea_files.find(part, folder)
    names, duration = wanted["recordings"], wanted["duration"]
    if part == "pairs":
        return nea_files.read_pairs(path, names)
    if part == "patch":
        dataset = nea_files.read_patch(path, names)
        return dataset.isel(recording=slice(n_cells))
    if part == "neighbours":
        return nea_files.read_neighbours(path, names, n_sites, start, duration or 240.0)
    return nea_files.read_multichannel(path, start, duration or 200.0)


def _feature_table(folder, recordings):
    folder = fetch.folder() / "eap-iap-features" if folder is None else folder
    table = nea_files.read_features(f"{folder}/data_feat.csv")
    if recordings is None:
        return table
    if gone := set(map(str, recordings)) - set(table["recording"]):
        raise ValueError(f"the table has no recording {', '.join(sorted(gone))}")
    return table[table["recording"].isin(list(recordings))].reset_index(drop=True)


def _select(dataset, recordings):
    names = dataset["recording"].values
    if gone := {str(name) for name in recordings} - set(names.tolist()):
        raise ValueError(f"there is no recording {', '.join(sorted(gone))}")
    return dataset.isel({dataset["recording"].dims[0]: np.flatnonzero(np.isin(names, list(recordings)))})


def folds(dataset):
    """Leave-one-recording-out splits in which no preparation is on both sides.

    Parameters
    ----------
    dataset : xarray.Dataset or pandas.DataFrame
        Pairs, or a table of features: recording and preparation of each beat.

    Yields
    ------
    recording : str
        The recording that is left out.
    train, test : int64
        Positions of the beats of other preparations, and of the recording's own.
    """
    recording, preparation = (np.asarray(dataset[name]).astype(str) for name in ("recording", "preparation"))
    for name in dict.fromkeys(recording.tolist()):
        test = recording == name
        yield name, np.flatnonzero(~np.isin(preparation, preparation[test])), np.flatnonzero(test)


def features(pairs, definition="repolarisation"):
    """Table of eAP features and iAP durations of pairs, with the columns of the published one.

    Parameters
    ----------
    pairs : xarray.Dataset
        As `load` gives them. Duplicates and flagged beats are kept: `clean` first.
    definition : {'repolarisation', 'prominence'}
        Of the durations, see `action_potential.apd`. The published table has 'prominence'.

    Returns
    -------
    pandas.DataFrame
        One row a beat: `action_potential.eap_features` of the eAP, apd10 to apd100 (ms, NaN where invalid) of the
        iAP, and the beat coordinates of `pairs` as columns. ``attrs``: units, definition, source, licence,
        citation, groups.
    """
    fs = float(pairs.attrs["fs"])
    table = ap.eap_features(pairs["eap"].values, fs)
    durations = ap.apd(pairs["iap"].values, fs, definition=definition).apd
    names = [f"apd{level}" for level in ap.LEVELS]
    coords = {name: c.values for name, c in pairs.coords.items() if c.dims == ("beat",)}
    units = table.attrs["units"] | dict.fromkeys(names, "ms")
    units |= {name: pairs[name].attrs["units"] for name in coords if "units" in pairs[name].attrs}
    table = table.assign(**dict(zip(names, durations.T, strict=True)), **coords)
    table.attrs = {key: pairs.attrs.get(key, "") for key in ("source", "licence", "citation", "groups")}
    table.attrs |= {"units": units, "definition": definition}
    return table


class _Clock(NamedTuple):
    """One recording of one sensor: the trace without its padding, its rate, and its beats."""

    x: np.ndarray
    fs: float
    begin: float  # s, of the first sample
    samples: np.ndarray

    @property
    def times(self):
        """Times of the beats (s)."""
        return self.begin + self.samples / self.fs

    @property
    def pulse(self):
        """Time of the poration pulse (s), NaN if none is seen."""
        return self.begin + nea_files.poration_step(self.x, self.fs)


def _clock(dataset, name, k):
    x = nea_files.trimmed(dataset[name].values[k])
    if not np.isfinite(x).all():
        raise ValueError(f"{name} has missing samples: cut the recording there")
    time = dataset[f"time_{name}"].values
    fs = round(1 / np.median(np.diff(time)), 3)
    begin = nea_files.settled(x, fs)
    return _Clock(x, fs, float(time[0]), begin + ap.find_beats(x[begin:], fs))


def _match(patch, nea, max_lag):
    """Matches of the beats; the poration pulse, which both sensors see, gives the lag to within 0.3 s.

    Without a pulse a regular rhythm leaves open by how many cycles the clocks differ.
    """
    coarse = nea.pulse - patch.pulse
    if np.isnan(coarse):
        return ap.match_beats(patch.times, nea.times, max_lag=max_lag)
    matches = ap.match_beats(patch.times, nea.times - coarse, max_lag=0.3)
    return matches._replace(lag=matches.lag + coarse)


def _cycles(times, matched, other, other_matched):
    """Interval (s) of matched beats to the beat before; NaN where that is not matched on both clocks."""
    previous = (np.diff(matched, prepend=-9) == 1) & (np.diff(other_matched, prepend=-9) == 1)
    both = (times, matched), (other, other_matched)
    return [np.where(previous, t[i] - t[np.maximum(i - 1, 0)], np.nan) for t, i in both]


def matched_beats(dataset, *, settle=5.0, before=0.1, after=0.7, max_lag=10.0):
    """Beats of patch clamp and nanoelectrode that are the same beat, each cut by its sensor's own time.

    Beats are found on both traces and matched by time over clocks that differ in start and rate
    (`action_potential.match_beats`), from the poration pulse on that both sensors see. The nanoelectrode is brought
    to the rate of the patch clamp.

    Parameters
    ----------
    dataset : xarray.Dataset
        The part 'patch' of `load`.
    settle : float
        Beats sooner than this after the poration (s, on the patch clock) are left out.
    before, after : float
        Window around each upstroke (s).
    max_lag : float
        Largest lag of the two clocks (s), for recordings without a poration pulse.

    Returns
    -------
    xarray.Dataset
        `trace` (beat, sensor, time), float32, mV; sensor 'patch', 'nea' and, if the truth is known, 'vm'; time (s)
        from each sensor's own upstroke. Coordinates of beat: recording, beat_time (s, patch clock), lag (s) and
        skew (of the nanoelectrode's clock, as estimated), residual (s, misfit of the match); of (beat, sensor):
        snr (dB, all sensors at the rate of the slower one), cycle_length (s, since the beat before; NaN where that
        has no match). Attributes: only_patch and only_nea, the numbers of beats later than `settle` without a
        match; outside, of matched ones whose window leaves a recording; ambiguous, the recordings without a pulse
        whose rhythm is too regular to be sure of the lag; left_out, recordings that could not be matched and why.

    Raises
    ------
    ValueError
        No recording could be matched.
    """
    window = np.arange(-round(before * nea_files.FS_PATCH), round(after * nea_files.FS_PATCH)) / nea_files.FS_PATCH
    parts, left_out, ambiguous, counts = [], [], [], dict.fromkeys(("only_patch", "only_nea", "outside"), 0)
    for k, name in enumerate(dataset["recording"].values.tolist()):
        try:
            patch, nea = _clock(dataset, "patch", k), _clock(dataset, "nea", k)
            matches = _match(patch, nea, max_lag)
        except ValueError as error:
            left_out.append(f"{name}: {error}")
            continue
        begin = np.nan_to_num(float(dataset["poration"].values[k])) + settle
        part, found = _matched(dataset, k, patch, nea, matches, window, begin)
        parts.append(part.assign_coords(recording=("beat", np.full(part.sizes["beat"], name))))
        counts = {key: counts[key] + found[key] for key in counts}
        ambiguous += [name] * int(matches.ambiguous)
    if not parts:
        raise ValueError("\n".join(["no recording could be matched", *left_out]))
    together = xr.concat(parts, "beat")
    keep = {key: dataset.attrs.get(key, "") for key in ("source", "licence", "citation")}
    attrs = keep | counts | {"fs": nea_files.FS_PATCH, "groups": "recording", "settle": settle}
    return together.assign_attrs(attrs | {"ambiguous": ", ".join(ambiguous), "left_out": "\n".join(left_out)})


def _matched(dataset, k, patch, nea, matches, window, begin):
    """Matched beats of one recording as a data set, and the counts of those that are not in it."""
    first, second = matches.first, matches.second
    cycles = _cycles(patch.times, first, nea.times, second)
    late = patch.times[first] >= begin
    inside = late.copy()
    for clock, i in ((patch, first), (nea, second)):
        inside &= (clock.times[i] + window[0] >= clock.begin) & (
            clock.times[i] + window[-1] <= clock.begin + (clock.x.size - 1) / clock.fs
        )
    shared = nea.times[[0, -1]]
    mapped = matches.lag + (1 + matches.skew) * patch.times[matches.only_first]
    lonely = (patch.times[matches.only_first] >= begin) & (mapped >= shared[0]) & (mapped <= shared[1])
    other = nea.times[matches.only_second]
    limits = matches.lag + (1 + matches.skew) * np.array([max(begin, patch.times[0]), patch.times[-1]])
    counts = {
        "only_patch": int(lonely.sum()),
        "only_nea": int(((other >= limits[0]) & (other <= limits[1])).sum()),
        "outside": int((late & ~inside).sum()),
    }
    clocks = {"patch": patch._replace(samples=patch.samples[first]), "nea": nea._replace(samples=nea.samples[second])}
    if "vm" in dataset:
        vm = dataset["vm"].values[k][: patch.x.size]
        clocks["vm"] = patch._replace(x=vm, samples=_upstrokes_near(vm, patch.samples[first], patch.fs))
        cycles.append(np.where(np.isnan(cycles[0]), np.nan, np.diff(clocks["vm"].times, prepend=np.nan)))
    cut = [_cut(clock, window, inside, min(nea.fs, patch.fs)) for clock in clocks.values()]
    kept = np.flatnonzero(inside)
    part = xr.Dataset(
        {"trace": (("beat", "sensor", "time"), np.stack([trace for trace, _ in cut], axis=1), {"units": "mV"})},
        {
            "sensor": list(clocks),
            "time": ("time", window, {"units": "s", "long_name": "time from the upstroke"}),
            "beat_time": ("beat", patch.times[first][kept], {"units": "s"}),
            "snr": (("beat", "sensor"), np.stack([ratio for _, ratio in cut], axis=1), {"units": "dB"}),
            "cycle_length": (("beat", "sensor"), np.stack(cycles, axis=1)[kept], {"units": "s"}),
            "lag": ("beat", np.full(kept.size, matches.lag), {"units": "s"}),
            "skew": ("beat", np.full(kept.size, matches.skew)),
            "residual": ("beat", matches.residual[kept], {"units": "s"}),
        },
    )
    return part, counts


def _upstrokes_near(x, samples, fs):
    """Samples of the largest slope within 30 ms of each of `samples`."""
    reach = round(0.03 * fs)
    at = np.clip(samples[:, None] + np.arange(-reach, reach + 1), 0, x.size - 1)
    return at[np.arange(samples.size), np.gradient(x)[at].argmax(axis=1)]


def _cut(clock, window, inside, fs):
    """Windows (beat, time) at the rate of `window` around the beats inside, and their SNR at the rate `fs`."""
    times = clock.samples[inside] / clock.fs
    traces = signals.sample_at(clock.x, clock.fs, times[:, None] + window, nea_files.FS_PATCH)
    slow = clock.x if clock.fs == fs else signals.resample(clock.x, clock.fs, fs)
    ratio = ap.snr(slow, fs, samples=np.round(times * fs), before=-window[0], after=window[-1])
    return traces, ratio
