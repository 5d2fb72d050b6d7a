"""What makes nanoelectrode data unfit for use: duplicates, bad beats, and files that are not what they seem.

Everything is found by rule; no list is made by hand.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from cardio_utils import action_potential as ap
from cardio_utils import signals
from cardio_utils.data import nea_files

__all__ = ["Rules", "check", "check_trace", "clean"]


class Rules(NamedTuple):
    """Limits of `clean`, those of the originals; none looks at a duration.

    Attributes
    ----------
    iap_span : float
        Least span of the iAP (mV).
    span_to_noise : float
        Least span over the standard deviation above 2 kHz, of both traces.
    iap_width, eap_width : float
        Least width of the iAP and largest one of the eAP's spike at half height (ms). The latter is not asked of a
        conventional electrode (`sensor` "mea"), whose spike is wider by nature.
    drift : float
        Largest difference (mV) of the eAP between its first sample and 0.1 s before the window or the beat ends. (The
        originals took the last sample, and lost windows that hold a second beat.)
    iap_snr : float
        Least SNR of the iAP (dB; the originals' 45 are 20 log10 of powers).
    """

    iap_span: float = 0.5
    span_to_noise: float = 50.0
    iap_width: float = 20.0
    eap_width: float = 6.0
    drift: float = 0.1
    iap_snr: float = 22.5


_SAME_BEAT = 0.05  # s: no cell beats twice in this time
_ROWS = 256  # beats at a time, which bounds temporaries


def _digests(x):
    """One value a row that equal rows share."""
    return [hashlib.sha256(row).digest() for row in np.ascontiguousarray(x)]


def _later_equal(keys):
    """Mask of keys that are equal to an earlier one."""
    later = np.ones(len(keys), bool)
    later[list({key: k for k, key in reversed(list(enumerate(keys)))}.values())] = False
    return later


def _exact_duplicates(pairs):
    """Beats whose iAP or eAP is that of an earlier beat of the recording, or whose both are of any earlier beat."""
    name, iap, eap = pairs["recording"].values.tolist(), _digests(pairs["iap"].values), _digests(pairs["eap"].values)
    inside, outside, both = (list(zip(*keys, strict=True)) for keys in ((name, iap), (name, eap), (iap, eap)))
    return _later_equal(inside) | _later_equal(outside) | _later_equal(both)


def _same_noise(x, fs, neighbours=3, least=0.8):
    """Mask of rows that hold the noise of one of the rows before, up to 60 ms shifted: the same beat once more.

    Between 0.5 and 0.9 s there is no spike, and the second difference leaves noise alone, which two beats do not
    share however alike they are.
    """
    piece = np.diff(x[:, round(0.5 * fs) : round(0.9 * fs)].astype(float), 2, axis=1)
    same = np.zeros(len(x), bool)
    for step in range(1, min(neighbours, len(x) - 1) + 1):
        for i in range(step, len(x), _ROWS):
            rows = np.arange(i, min(i + _ROWS, len(x)))
            same[rows] |= ap.align(piece[rows], piece[rows - step], fs, max_lag=0.06).correlation > least
    return same


def _recentred(pairs, kept):
    """Beats among `kept` (mask) that are an earlier one of the recording, cut some samples later or sooner."""
    recording, time = pairs["recording"].values, pairs["beat_time"].values
    removed = np.zeros(len(recording), bool)
    for name in dict.fromkeys(recording.tolist()):
        own = np.flatnonzero((recording == name) & kept)
        if np.isfinite(time[own]).all():
            order = own[np.argsort(time[own], kind="stable")]
            beat = np.cumsum(np.diff(time[order], prepend=-np.inf) >= _SAME_BEAT)
            removed[own] = ~np.isin(own, [order[beat == k].min() for k in np.unique(beat)])
        else:
            removed[own] = _same_noise(pairs["eap"].values[own], float(pairs.attrs["fs"]))
    return removed


def _half_width(x, fs, search, base):
    """Width (ms) of the peak within `search` (s from the first sample) at half its height above `base` (row,)."""
    first, last = (round(t * fs) for t in search)
    rows, sample = np.arange(len(x)), np.arange(x.shape[1])
    peak = first + x[:, first:last].argmax(axis=1)
    below = x < 0.5 * (x[rows, peak] + base)[:, None]
    left = np.where(below & (sample < peak[:, None]), sample, -1).max(axis=1)
    right = np.where(below & (sample > peak[:, None]), sample, x.shape[1]).min(axis=1)
    return (right - left - 1) * 1000 / fs


def _drift(iap, eap, fs):
    """Difference of the eAP 0.1 s before the window or the first beat ends, and its first sample (row,).

    A second beat, or its foot in the last 0.1 s, is no drift.
    """
    end = np.fmin(ap.apd(iap, fs, 50).next_beat * fs / 1000, iap.shape[1])
    last = np.clip(end - round(0.1 * fs), 0, None).astype(np.int64)
    return np.abs(eap[np.arange(len(eap)), last] - eap[:, 0])


def _clipped(x, length):
    """Mask of rows (float) that stay at their exact maximum or minimum for `length` samples."""
    clipped = np.zeros(len(x), bool)
    for extreme in (x.max(axis=1, keepdims=True), x.min(axis=1, keepdims=True)):
        total = np.cumsum(np.pad(x == extreme, ((0, 0), (1, 0))), axis=1)
        clipped |= (total[:, length:] - total[:, :-length] == length).any(axis=1)
    return clipped


def _defects(iap, eap, fs):
    """Reason -> mask of pairs that no rule needs to be asked about: missing, constant or clipped samples."""
    found = {}
    for name, x, ms in (("iAP", iap, 5.0), ("eAP", eap, 1.0)):
        missing = ~np.isfinite(x).all(axis=1)
        whole = np.where(missing[:, None], 0, x)
        constant = ~missing & (np.ptp(whole, axis=1) <= 1e-9 * np.abs(whole).max(axis=1))
        found[f"{name} has missing samples"] = missing
        found[f"{name} is constant"] = constant
        found[f"{name} is saturated: it stays at an extreme for {ms:g} ms"] = (
            ~missing & ~constant & _clipped(whole, round(ms * fs / 1000))
        )
    return found


def _faults(iap, eap, iap_snr, mea, fs, rules):
    """Reason -> mask of pairs (float) without defects that break a rule; `mea` masks those of conventional arrays."""
    found = {f"iAP spans less than {rules.iap_span:g} mV": np.ptp(iap, axis=1) < rules.iap_span}
    for name, x in (("iAP", iap), ("eAP", eap)):
        noise = signals.bandpass(x, fs, 0.4 * fs, fs / 2 - 1, order=3).std(axis=1)
        found[f"{name} spans less than {rules.span_to_noise:g} times its noise above {0.4 * fs:g} Hz"] = (
            np.ptp(x, axis=1) < rules.span_to_noise * noise
        )
    inside = _half_width(iap, fs, (0.14, 0.26), iap[:, : round(0.02 * fs)].mean(axis=1))
    outside = _half_width(eap, fs, (0.0, 0.28), np.median(eap, axis=1))
    found[f"iAP is {rules.iap_width:g} ms wide or less at half height"] = inside <= rules.iap_width
    found[f"eAP spike is {rules.eap_width:g} ms wide or more at half height"] = ~mea & (outside >= rules.eap_width)
    found[f"eAP drifts by {rules.drift:g} mV or more"] = _drift(iap, eap, fs) >= rules.drift
    found[f"iAP SNR is below {rules.iap_snr:g} dB"] = ~(iap_snr >= rules.iap_snr)
    return found


def _flags(pairs, rules):
    """The first reason of each beat not to be used, '' if there is none."""
    fs = float(pairs.attrs["fs"])
    flag = np.full(pairs.sizes["beat"], "", "<U64")
    for i in range(0, flag.size, _ROWS):
        piece = slice(i, i + _ROWS)
        iap, eap = (pairs[name].values[piece].astype(float) for name in ("iap", "eap"))
        here = flag[piece]
        for reason, bad in _defects(iap, eap, fs).items():
            here[(here == "") & bad] = reason
        fine = np.flatnonzero(here == "")
        snr, mea = pairs["iap_snr"].values[piece][fine], pairs["sensor"].values[piece][fine] == "mea"
        faults = _faults(iap[fine], eap[fine], snr, mea, fs, rules) if fine.size else {}
        for reason, bad in faults.items():
            here[fine[(here[fine] == "") & bad]] = reason
    return flag


def clean(pairs, rules=None):
    """Leave out duplicates of pairs and flag what is not fit for use, by rule.

    A beat is a duplicate if its iAP or its eAP is, digit by digit, that of an earlier beat of its recording, or if
    it is an earlier beat cut some samples later or sooner: beats less than 50 ms apart, or, where times are
    unknown, beats that hold the same noise.

    Parameters
    ----------
    pairs : xarray.Dataset
        The part 'pairs' of `load`.
    rules : Rules, optional
        Limits of the flags; default those of the originals.

    Returns
    -------
    xarray.Dataset
        Without duplicates, with the first reason that holds in the coordinate `flag` ('' for a beat that is fit).
        Attributes duplicates_removed, recentred_removed (numbers) and flagged (text, one reason and number a
        line). Keep the others by ``.isel(beat=(pairs.flag == "").values)``.

    Raises
    ------
    ValueError
        The data set does not fit: see `check`.
    """
    _check_pairs_layout(pairs)
    removed = _exact_duplicates(pairs)
    again = _recentred(pairs, ~removed)
    kept = ~(removed | again)
    once = pairs if kept.all() else pairs.isel(beat=np.flatnonzero(kept))
    flag = _flags(once, rules or Rules())
    reasons, counts = np.unique(flag[flag != ""], return_counts=True)
    return once.assign_coords(flag=("beat", flag)).assign_attrs(
        duplicates_removed=pairs.attrs.get("duplicates_removed", 0) + int(removed.sum()),
        recentred_removed=pairs.attrs.get("recentred_removed", 0) + int(again.sum()),
        flagged="\n".join(f"{reason}: {count}" for reason, count in zip(reasons, counts, strict=True)),
    )


def _in_recording(name, problem):
    return ValueError(f"recording {name}: {problem}")


def _check_rate(dataset, dim, fs):
    step = np.diff(dataset[dim].values)
    if step.size == 0 or not np.allclose(step, 1 / fs, rtol=1e-3, atol=0):
        raise ValueError(f"the steps of {dim} are not those of {fs:g} Hz: the sampling rate or the unit (s) is wrong")


def _check_pairs_layout(pairs):
    """Dimensions, coordinates, rate and unit of pairs."""
    for name in ("iap", "eap"):
        if name not in pairs or pairs[name].dims != ("beat", "time"):
            raise ValueError(f"pairs need {name} with the dimensions (beat, time)")
    wanted = ("recording", "preparation", "sensor", "iap_snr", "beat_time", "flag")
    if gone := [name for name in wanted if name not in pairs.coords]:
        raise ValueError(f"pairs need the coordinates {', '.join(gone)}")
    _check_rate(pairs, "time", float(pairs.attrs.get("fs", 0)) or nea_files.FS)
    recording = pairs["recording"].values
    for name in dict.fromkeys(recording.tolist()):
        own = recording == name
        for sensor in ("iap", "eap"):
            x = pairs[sensor].values[own]
            moving = x[np.ptp(np.where(np.isfinite(x), x, 0), axis=1) > 0]
            try:
                if len(moving):
                    ap.check_millivolt(moving, sensor)
            except ValueError as error:
                raise _in_recording(name, error) from error


def _check_pairs(pairs):
    _check_pairs_layout(pairs)
    fs, flag = float(pairs.attrs["fs"]), pairs["flag"].values
    recording, time = pairs["recording"].values, pairs["beat_time"].values
    for name in dict.fromkeys(recording.tolist()):
        own = np.flatnonzero((recording == name) & (flag == ""))
        if own.size == 1:
            raise _in_recording(name, "one beat only: a rhythm, and a spread, need at least two")
        if own.size == 0:
            continue
        for reason, bad in _defects(pairs["iap"].values[own], pairs["eap"].values[own], fs).items():
            if bad.any():
                first = int(own[bad.argmax()])
                raise _in_recording(name, f"{reason} (beat {first}, {bad.sum()} in all); clean() flags such beats")
        if np.isfinite(time[own]).all():
            try:
                ap.check_cycle_lengths(np.unique(time[own]))
            except ValueError as error:
                raise _in_recording(name, error) from error


def check_trace(x, fs, sensor, *, beats=True):
    """Refuse a continuous recording that cannot be analysed.

    Parameters
    ----------
    x : (n,) array_like
        The recording, mV.
    fs : float
        Sampling rate (Hz).
    sensor : {'patch', 'iap', 'eap'}
        What was measured with.
    beats : bool
        Whether two or more beats with a possible cycle length must be found.

    Raises
    ------
    ValueError
        Missing samples (where, how long), a constant or saturated trace, a unit that is off by a factor 1000, one
        beat only, or cycle lengths that no heart cell has (a wrong sampling rate).
    """
    x = np.asarray(x, float)
    missing = ~np.isfinite(x)
    if missing.any():
        first = int(missing.argmax())
        length = int((~missing[first:]).argmax()) or x.size - first
        raise ValueError(
            f"{missing.sum()} samples are missing, the first {length} of them from {first / fs:.3f} s on: cut the "
            "recording there"
        )
    size = min(x.size, round(2 * fs))
    pieces = x[: x.size // size * size].reshape(-1, size)
    flat = np.ptp(pieces, axis=1) <= 1e-9 * np.abs(pieces).max(axis=1)
    if flat.mean() > 0.5:
        raise ValueError("the trace is constant: the electrode or the amplifier was off")
    if _clipped(pieces[~flat], max(2, round(0.005 * fs))).mean() > 0.5:
        raise ValueError("the trace is saturated: it stays at its extreme for 5 ms or longer in most pieces of 2 s")
    ap.check_millivolt(pieces[~flat], sensor)
    if beats:
        _check_rhythm(x, fs, sensor)


def _check_rhythm(x, fs, sensor):
    found = ap.find_beats(x, fs, sensor="eap" if sensor == "eap" else "iap")
    if found.size < 2:
        raise ValueError(f"{found.size} beat(s) found: one beat only shows no rhythm, at least two are needed")
    ap.check_cycle_lengths(found / fs)


def _check_patch(dataset):
    for k, name in enumerate(dataset["recording"].values.tolist()):
        seconds = {}
        for what, sensor in (("nea", "iap"), ("patch", "patch")):
            if what not in dataset:
                continue
            time = dataset[f"time_{what}"].values
            fs, x = 1 / np.median(np.diff(time)), nea_files.trimmed(dataset[what].values[k])
            seconds[what] = x.size / fs
            try:
                check_trace(x, fs, sensor, beats=False)
                _check_rhythm(x[nea_files.settled(x, fs) :], fs, sensor)
            except ValueError as error:
                raise _in_recording(name, f"{what}: {error}") from error
        if len(seconds) == 2 and not 0.8 < seconds["nea"] / seconds["patch"] < 1.25:
            both = f"{seconds['nea']:.1f} s (nea) and {seconds['patch']:.1f} s (patch)"
            raise _in_recording(name, f"a pair must have equal lengths, not {both}: is a sampling rate wrong?")


def _check_channels(dataset, dim):
    """Continuous channels; beats are looked for on the largest intracellular one of each recording."""
    fs = float(dataset.attrs["fs"])
    _check_rate(dataset, "time", fs)
    x = dataset["nea"].values
    kind = dataset["kind"].values if "kind" in dataset.coords else np.full(len(x), "iap")
    recording = dataset["recording"].values if "recording" in dataset.coords else np.full(len(x), "all")
    for name in dict.fromkeys(recording.tolist()):
        own = np.flatnonzero(recording == name)
        inside = own[kind[own] == "iap"]
        spans = [np.subtract(*np.nanpercentile(x[i], [99, 1])) for i in inside]
        largest = inside[int(np.argmax(spans))] if inside.size else -1
        for i in own:
            try:
                check_trace(nea_files.trimmed(x[i]), fs, str(kind[i]), beats=bool(i == largest))
            except ValueError as error:
                raise _in_recording(name, f"{dim} {i}: {error}") from error


def _check_optical(dataset):
    for k, name in enumerate(dataset["recording"].values.tolist()):
        x = nea_files.trimmed(dataset["signal"].values[k])[None].astype(float)
        if not np.isfinite(x).all() or x.size < 2 or np.ptp(x) == 0:
            raise _in_recording(name, "the signal has missing samples, or is constant")


def check(dataset):
    """Refuse data that are not what `load` describes, with the recording and the reason.

    Parameters
    ----------
    dataset : xarray.Dataset
        Any part. Beats of pairs that `clean` has flagged are passed over.

    Raises
    ------
    ValueError
        Unequal lengths of a pair, a sampling rate that does not fit the times or gives impossible cycle lengths, a
        unit that is off by a factor 1000, a constant or saturated trace, missing samples within a trace, or one beat
        only.
    """
    if "signal" in dataset:
        return _check_optical(dataset)
    if "time_patch" in dataset.dims:
        return _check_patch(dataset)
    part = nea_files.part_of(dataset)
    if part == "pairs":
        return _check_pairs(dataset)
    return _check_channels(dataset, "site" if part == "neighbours" else "channel")
