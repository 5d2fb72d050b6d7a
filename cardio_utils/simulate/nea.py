"""Nanoelectrode recordings of stem-cell-derived cardiomyocytes, with the true membrane potential beside them.

Cells are those of `cardio_utils.simulate.cells`, sensors those of `cardio_utils.simulate.electrode`. Four parts have
the shapes of the published recordings: `pairs` of intracellular (iAP) and extracellular (eAP) beats, `patch` clamp
beside a nanoelectrode, `neighbours` on one grid, and a `multichannel` recording during drug addition.

What holds for all: a syncytium is one pacemaker cell, or a stimulator, whose rhythm excites all others after a delay;
cells do not load each other. Sensors are linear in Vm, without motion or overlap of distant cells. So sensors on real
cells err more than these. Every item (recording, cell, site) has a random stream of its own: a subset is what the whole
holds. Introduced in chapters 01 to 03.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import xarray as xr

from cardio_utils import action_potential as ap
from cardio_utils import signals
from cardio_utils.simulate import cells, electrode

__all__ = ["FS", "FS_PATCH", "PITCH", "RECORDINGS", "Pair", "multichannel", "neighbours", "pairs", "patch"]

FS = 5000.0
"""Sampling rate of nanoelectrodes, Hz."""

FS_PATCH = 10_000.0
"""Sampling rate of the patch clamp, Hz."""

PITCH = 0.2
"""Distance of neighbouring electrodes of the grid, mm."""

_BEFORE, _AFTER = 0.2, 1.4  # s of a window of pairs around the maximum of the iAP
_QUIET = 10.0  # s around a poration pulse that are not used
_DRIVEN = {"f": 0.3, "K1": 1.2, "Na": 0.35}  # slower than what drives it, with an upstroke no steeper for that
_PACEMAKER = {"f": 1.0, "K1": 0.95}
_STIMULUS = -9.0  # A/F; a weaker one leaves a shoulder in the upstroke, and fails early in diastole


class Pair(NamedTuple):
    """A recording of pairs: its name, which says the drug and the electrodes, and how it is made.

    Attributes
    ----------
    name : str
        ``experiment_drug_well_day_iap_eap``, and ``pace`` if paced; ``mea_2`` is from a conventional array.
    preparation : str
        Recordings of one experiment and well, or one well and day, are of one preparation.
    role : {"train", "test"}
        By the originals' lists.
    share : float
        Length, as a share of the longest.
    doses : tuple of (float, float)
        Onset as a share of the recording, and concentration in nM.
    """

    name: str
    preparation: str
    role: str
    share: float
    doses: tuple


RECORDINGS = (
    Pair("exp00_dofetilide_W5_D1_i51_e52", "exp00_W5_D1", "train", 1.0, ((0.30, 4.0),)),
    Pair("exp00_dofetilide_W8_D3_i24_e14", "exp00_W8_D2", "train", 0.6, ((0.25, 3.0), (0.60, 7.5))),
    Pair("exp00_dofetilide_W8_D3_i61_e62", "exp00_W8_D2", "train", 1.0, ((0.25, 4.0), (0.60, 10.0))),
    Pair("exp11_dofetilide_W5_D4_i23_e22_pace", "exp11_W5_D4", "train", 0.9, ((0.30, 4.0),)),
    Pair("exp0_quinidine_W7_D6_i56_e68", "exp0_W7_D6", "train", 0.4, ((0.35, 1000.0),)),
    Pair("exp10_nifedipine_W5_D6_i82_e72_pace", "exp10_W5_D6", "train", 0.8, ((0.35, 40.0),)),
    Pair("exp12_nifedipine_W5_D5_i43_e31_pace", "exp12_W5_D5", "train", 1.0, ((0.30, 40.0), (0.65, 120.0))),
    Pair("exp20_flecainide_W7_D2_i43_e42", "exp20_W7_D2", "train", 1.0, ((0.35, 700.0),)),
    Pair("exp21_flecainide_W3_D10_i43_e53", "exp21_W3_D10", "train", 0.9, ((0.35, 700.0),)),
    Pair("exp22_nifedipine_W5_D6_i55_e38_pace", "exp10_W5_D6", "train", 1.0, ((0.40, 30.0),)),
    Pair("exp18_lidocaine_W8_D1_i14_e15", "exp18_W8_D1", "train", 0.9, ((0.35, 8000.0),)),
    Pair("exp29_nifedipine_W6_D10_i15_e34_pace", "exp29_W6_D10", "train", 0.4, ((0.35, 40.0),)),
    Pair("exp00_dofetilide_W8_D2_i57_e47", "exp00_W8_D2", "test", 1.0, ((0.20, 7.5), (0.55, 15.0))),
    Pair("exp13_propranolol_W5_D1_i23_e13", "exp00_W5_D1", "test", 0.9, ((0.35, 1000.0),)),
    Pair("mea_2", "mea", "test", 0.9, ()),
)
"""The recordings of pairs. Concentrations are those of `cells.DRUGS` or a series around them; the last dofetilide
recording goes from 0.6 to 0.75 of I_Kr blocked, since the real one prolongs more (by 40 %) than lower doses explain."""


def _stream(seed, *key):
    """The random stream of one item: same seed and key, same stream, whatever else is drawn."""
    return np.random.SeedSequence(seed, spawn_key=key)


def _scaled(conductances, factors):
    """Conductances (cell, 12) with some currents multiplied: dict of name -> factor."""
    factor = np.ones(len(cells.CURRENTS))
    for name, value in factors.items():
        factor[cells.CURRENTS.index(name)] = value
    return np.atleast_2d(conductances) * factor


def _driven(conductances, times, duration, *, delay=0.0, fs=FS, **drug):
    """Vm (cell, sample) of cells that are excited at any `times` (s), each cell `delay` (cell,) later.

    One piece of simulation a stimulus; before time 0 the first interval repeats.
    """
    if len(times) < 3:
        raise ValueError(f"{len(times)} beat(s) in {duration:g} s: the recording is too short")
    edges = np.r_[0, np.floor((times[1:] - 0.002) * fs).astype(int), round(duration * fs)]
    slower = _scaled(conductances, _DRIVEN)
    vm = np.empty((len(slower), edges[-1]), np.float32)
    state, period = None, times[1] - times[0]
    for first, last, time in zip(edges[:-1], edges[1:], times, strict=True):
        beat = {"period": period, "delay": time + delay, "stimulus": _STIMULUS, "fs": fs, "state": state}
        vm[:, first:last], state = cells.simulate(slower, (last - first) / fs, **beat, **drug)
        period = 1e4  # one stimulus in all of what follows
    return vm


def _paced(rng, duration, shortest=1.2, longest=1.6):
    """Times (s) of a stimulator's pulses, at a constant rate."""
    period = rng.uniform(shortest, longest)
    return np.arange(rng.uniform(0.1, period), duration, period)


def _spontaneous(rng, conductances, duration, jitter=0.01, **drug):
    """Times (s) at which a pacemaker cell of the same culture excites it; `jitter` is relative to its cycle."""
    vm = cells.simulate(_scaled(conductances, _PACEMAKER), duration, fs=1000.0, **drug).vm[0]
    before = np.flatnonzero((vm[:-1] < -20) & (vm[1:] >= -20))
    times = (before + (-20 - vm[before]) / (vm[before + 1] - vm[before])) / 1000
    times = times + jitter * np.median(np.diff(times)) * rng.standard_normal(times.size)
    return times[(times > 0.01) & (times < duration)]


def _two_at_a_time(work, items):
    """`work` of each item, in two threads if numba may use as many: more would hold more memory."""
    import numba

    with ThreadPoolExecutor(min(2, numba.get_num_threads())) as pool:
        return list(pool.map(work, items))


def _lognormal(rng, median, spread):
    return median * np.exp(spread * rng.standard_normal())


# Pairs


def _about(recording):
    """What the name of a recording says, one entry a coordinate."""
    name = recording.name
    text = dict.fromkeys(("experiment", "drug", "well", "day", "iap_electrode", "eap_electrode"), "")
    if not name.startswith("mea"):
        experiment, drug, well, day, inside, outside, *_ = name.split("_")
        text |= {"experiment": experiment, "drug": drug, "well": well, "day": day}
        text |= {"iap_electrode": inside[1:], "eap_electrode": outside[1:]}
    sensor = "mea" if name.startswith("mea") else "nea"
    return {
        "recording": name,
        **text,
        "preparation": recording.preparation,
        "sensor": sensor,
        "paced": name.endswith("_pace"),
        "role": recording.role,
    }


def _pair_cells(recording, index, duration, seed):
    """Vm (2, sample) at the sites of iAP and eAP, and doses as (time, nM)."""
    places = [r.preparation for r in RECORDINGS]
    preparation = _stream(seed, 0, places.index(recording.preparation))
    culture = cells.population(1, 0.12, seed=preparation)[0]
    culture = cells.population(1, 0.05, seed=_stream(seed, 1, index, 0), centre=culture)[0]
    sites = cells.population(2, 0.04, seed=_stream(seed, 1, index, 1), centre=culture)
    rng = np.random.default_rng(_stream(seed, 1, index, 2))
    about = _about(recording)
    doses = [(share * duration, nanomolar) for share, nanomolar in recording.doses]
    blocks = [(time, cells.block(about["drug"], nanomolar)) for time, nanomolar in doses]
    drug = {"doses": blocks, "wash_in": rng.uniform(10, 40)}
    times = _paced(rng, duration) if about["paced"] else _spontaneous(rng, culture, duration, **drug)
    # An array with wider spacing sees the wave later; a nanoelectrode's neighbour before or after the iAP.
    if about["sensor"] == "mea":
        later = rng.uniform(0.030, 0.045)
    else:
        later = rng.choice([-1, 1]) * rng.uniform(0.0005, 0.002)
    return _driven(sites, times, duration, delay=np.array([max(-later, 0), max(later, 0)]), **drug), doses


def _pair_iap(vm, rng):
    """iAP (mV) of a porated site and the times (s) of its pulses; the first came before the recording."""
    duration = vm.size / FS
    pulses = [-rng.uniform(10, 30)]
    if duration > 4 * _QUIET:
        pulses.append(duration * rng.uniform(0.4, 0.6))
    inside = electrode.junction(
        vm,
        FS,
        seal=rng.uniform(6, 14),
        pore=_lognormal(rng, 200, 0.3),
        pulses=pulses,
        resealing=rng.uniform(150, 300),
        cell_capacitance=rng.uniform(0.2, 0.8),
        electrode_capacitance=rng.uniform(10, 30),
    )
    noise = {"lowpass": rng.uniform(800, 2000), "noise": rng.uniform(0.0015, 0.004)}
    trace = electrode.amplifier(inside, FS, rng, **noise, mains=rng.uniform(0, 0.002))
    return trace + electrode.artefact(vm.size, FS, pulses), np.array(pulses)


def _pair_eap(vm, rng, sensor):
    """eAP (mV) of an intact site."""
    gain = _lognormal(rng, 0.0092, 0.25)
    wide = sensor == "mea"
    field = electrode.extracellular(
        vm,
        FS,
        a=gain * rng.uniform(0, 0.2),
        b=gain * rng.uniform(5, 9),
        c=gain * _lognormal(rng, 0.048, 0.2),
        speed=rng.uniform(0.10, 0.25),
        roughness=rng.uniform(0.0012, 0.0017),
        height=rng.uniform(40e-6, 80e-6) if wide else rng.uniform(20e-6, 80e-6),
        cutoff=rng.uniform(30, 60) if wide else rng.uniform(150, 350),
    )
    return electrode.amplifier(
        field, FS, rng, highpass=rng.uniform(0.25, 0.6), noise=rng.uniform(0.002, 0.006), mains=0.001
    )


def _maxima(iap):
    """Samples of the maxima of the beats of an iAP between 0.125 and 156.25 Hz."""
    beats = ap.find_beats(iap, FS)
    smooth = signals.bandpass(iap, FS, 0.125, 156.25, order=3)
    near = np.clip(beats[:, None] + np.arange(-50, 600), 0, iap.size - 1)
    return np.unique(near[np.arange(beats.size), smooth[near].argmax(axis=1)])


def _pair(index, duration, seed):
    """Columns of one recording of pairs."""
    recording = RECORDINGS[index]
    about = _about(recording)
    duration = duration * recording.share
    vm, doses = _pair_cells(recording, index, duration, seed)
    iap, pulses = _pair_iap(vm[0], np.random.default_rng(_stream(seed, 1, index, 3)))
    eap = _pair_eap(vm[1], np.random.default_rng(_stream(seed, 1, index, 4)), about["sensor"])
    at = _maxima(iap)
    at = at[(np.abs(at[:, None] / FS - pulses) > _QUIET).all(axis=1)]
    traces = {"eap": eap, "iap": iap, "vm": vm[0]}
    columns = {}
    for name, trace in traces.items():
        windows, kept = ap.cut_beats(trace.astype(np.float32), FS, at, before=_BEFORE, after=_AFTER)
        columns[name] = windows
    at = at[kept]
    columns |= {key: np.full(at.size, value) for key, value in about.items()}
    time = at / FS
    level = np.array([0.0, *(nanomolar for _, nanomolar in doses)])
    columns["concentration"] = level[np.searchsorted([onset for onset, _ in doses], time, side="right")]
    columns["beat_time"] = time
    for name in ("iap", "eap"):
        columns[f"{name}_snr"] = ap.snr(traces[name], FS, samples=at, before=_BEFORE, after=_AFTER)
    return columns


def pairs(recordings=None, duration=360.0, seed=0):
    """Beats of pairs of neighbouring sites, one porated (iAP) and one not (eAP), in fifteen recordings.

    The cells of the two sites differ a little (log-normal, 0.04), those of recordings of one preparation more, those
    of preparations most. Drugs wash in, in steps where there are two doses; pores reseal, so that the SNR of the iAP
    falls during a recording. Each recording has its own sensors: geometry, seal, noise, band. Windows are cut as in
    the originals: at the maximum of the iAP between 0.125 and 156.25 Hz, and 10 s away from poration pulses. A window
    may hold the start of the next beat.

    Parameters
    ----------
    recordings : sequence of str, optional
        Names out of `RECORDINGS`; default all.
    duration : float
        Length of the longest recording, s; others last 0.4 to 1.0 of it. 360 s give about 2,500 beats in all.
    seed : int
        Everything is drawn from it, by recording.

    Returns
    -------
    xarray.Dataset
        Dims beat, time (8,000 samples at 5 kHz, -0.2 to 1.4 s from the maximum of the iAP). Variables, float32, mV:
        ``eap``, ``iap`` and ``vm``, the true membrane potential at the site of the iAP. Coordinates of beat:
        recording, drug, well, day, experiment, preparation (the group for splits), iap_electrode, eap_electrode,
        sensor ("nea", "mea"), paced, role ("train", "test"), flag (empty), beat_time (s in its recording),
        concentration (nM, of the last dose; 0 before), iap_snr and eap_snr (dB; `cardio_utils.action_potential.snr`).

    Raises
    ------
    ValueError
        A recording is unknown, or `duration` is too short for beats.
    """
    names = [r.name for r in RECORDINGS]
    wanted = names if recordings is None else [str(name) for name in recordings]
    if unknown := [name for name in wanted if name not in names]:
        raise ValueError(f"no simulated recording {', '.join(unknown)}; there are {', '.join(names)}")
    if not wanted:
        raise ValueError("no recording was asked for")
    if not duration >= 20:
        raise ValueError(f"a duration of {duration} s leaves some recordings without beats: at least 20 s are needed")
    parts = _two_at_a_time(lambda name: _pair(names.index(name), float(duration), seed), wanted)
    traces, coords = {}, {}
    for key in list(parts[0]):
        joined = np.concatenate([part.pop(key) for part in parts])
        unit = {"beat_time": "s", "concentration": "nM", "iap_snr": "dB", "eap_snr": "dB"}.get(key)
        if joined.ndim == 2:
            traces[key] = ("beat", "time"), joined, {"units": "mV"}
        else:
            coords[key] = "beat", joined, {"units": unit} if unit else {}
    coords["flag"] = "beat", np.full(len(coords["recording"][1]), "", "<U64")
    note = {"units": "s", "long_name": "time from the maximum of the iAP"}
    coords["time"] = "time", np.arange(round((_BEFORE + _AFTER) * FS)) / FS - _BEFORE, note
    return xr.Dataset(traces, coords, _attrs("preparation") | {"fs": FS})


def _attrs(groups):
    return {"source": "simulated", "licence": "MIT", "citation": "simulated by cardio_utils", "groups": groups}


# Patch clamp beside a nanoelectrode


def _patch_rhythm(rng, cell, duration, arrhythmic):
    """Times (s) at which a cell is excited, and what excites it."""
    if arrhythmic:
        intervals = rng.choice([0.75, 1.0, 1.4, 1.8], size=round(2 * duration), p=[0.3, 0.2, 0.3, 0.2])
        times = 0.1 + np.cumsum(intervals + 0.04 * rng.standard_normal(intervals.size))
        return times[times < duration], "irregular"
    if rng.random() < 0.5:
        return _paced(rng, duration), "paced"
    return _spontaneous(rng, cell, duration, jitter=0.02), "spontaneous"


def _patch_cell(index, duration, seed):
    """Traces nea, patch and vm of one cell, and its constants."""
    rng = np.random.default_rng(_stream(seed, 2, index, 0))
    cell = cells.population(1, 0.12, seed=_stream(seed, 2, index, 1))
    lag, skew = rng.uniform(-3, 3), rng.choice([-1, 1]) * rng.uniform(1e-5, 5e-5)
    poration = rng.uniform(4, 7)
    times, rhythm = _patch_rhythm(rng, cell, duration + abs(lag) + 0.2, index % 10 == 3)
    slow = _scaled(cell, {"Na": rng.uniform(0.3, 1.0)})  # single cells rise at very different rates
    true = _driven(slow, times, duration + abs(lag) + 0.2, fs=FS_PATCH)[0]
    begin = round((max(lag, 0) + 0.1) * FS_PATCH)  # the patch clock's 0 in the simulation
    vm = true[begin : begin + round(duration * FS_PATCH)]
    about = {"poration": poration, "lag": lag, "skew": skew, "rhythm": rhythm}
    nea = {
        "seal": rng.uniform(6, 14),
        "pore": np.exp(rng.uniform(np.log(60), np.log(400))),
        "resealing": rng.uniform(60, 300),
        "noise": np.exp(rng.uniform(np.log(0.003), np.log(0.3))),
    }
    pipette = {"access": rng.uniform(8, 25), "offset": rng.uniform(-3, 3), "patch_noise": rng.uniform(0.08, 0.25)}
    inside = electrode.junction(
        true,
        FS_PATCH,
        seal=nea["seal"],
        pore=nea["pore"],
        resealing=nea["resealing"],
        pulses=[begin / FS_PATCH + poration],
        cell_capacitance=rng.uniform(0.2, 0.8),
    )
    offset = lag - (1 + skew) * begin / FS_PATCH
    inside = electrode.on_clock(inside, FS_PATCH, FS, round(duration * FS), lag=offset, skew=skew)
    seen = electrode.amplifier(inside, FS, rng, noise=nea["noise"], mains=0.1 * nea["noise"])
    seen += electrode.artefact(seen.size, FS, [lag + (1 + skew) * poration])
    constants = {"access": pipette["access"], "offset": pipette["offset"], "noise": pipette["patch_noise"]}
    patched = electrode.patch_clamp(vm, FS_PATCH, rng, **constants)
    patched += electrode.artefact(vm.size, FS_PATCH, [poration], height=200.0, width=0.02, recovery=0.05)
    return {"nea": seen, "patch": patched, "vm": vm}, about | nea | pipette


def patch(n_cells=20, duration=60.0, seed=0):
    """Cells with a patch pipette and a nanoelectrode, each recorded by an instrument with its own clock.

    Half of the cells follow their culture's pacemaker, half a stimulator, and every tenth beats irregularly. The
    nanoelectrode is porated 4 to 7 s after the start, which both sensors see as an artefact; before that it shows the
    extracellular signal. Its pores and its noise are drawn so that the SNR of its iAP runs from about 20 to 50 dB.

    Parameters
    ----------
    n_cells : int
        One recording each. Cell i is the same whatever their number.
    duration : float
        Length of each of the two traces, s.
    seed : int
        Everything is drawn from it, by cell.

    Returns
    -------
    xarray.Dataset
        Dims recording, time_nea (5 kHz, the nanoelectrode's clock), time_patch (10 kHz, the patch clock). Variables,
        float32, mV: ``nea``, ``patch``, and ``vm``, the true membrane potential on the patch clock. Coordinates of
        recording: cell, rhythm ("paced", "spontaneous", "irregular"), poration (s, patch clock), lag (s) and skew
        (the nanoelectrode's clock reads ``lag + (1 + skew) t`` at the time t of the patch clock), and the sensors'
        constants: seal, pore, access (MOhm), resealing (s), noise (mV, nanoelectrode), offset, patch_noise (mV).

    Raises
    ------
    ValueError
        There are no cells, or `duration` leaves nothing after the poration.
    """
    if n_cells < 1:
        raise ValueError(f"the number of cells must be positive, not {n_cells}")
    if not duration >= 10:
        raise ValueError(f"a duration of {duration} s ends with the poration or soon after: at least 10 s are needed")
    made = [_patch_cell(index, float(duration), seed) for index in range(n_cells)]
    unit = {"units": "mV"}
    traces = {
        name: (("recording", f"time_{'nea' if name == 'nea' else 'patch'}"), _stack(made, name), unit)
        for name in ("nea", "patch", "vm")
    }
    units = dict.fromkeys(("poration", "lag", "resealing"), "s") | dict.fromkeys(("seal", "pore", "access"), "MOhm")
    units |= {"skew": "1", "rhythm": ""} | dict.fromkeys(("noise", "offset", "patch_noise"), "mV")
    coords = {key: ("recording", [about[key] for _, about in made], {"units": unit}) for key, unit in units.items()}
    coords["recording"] = [f"cell{k + 1:02d}" for k in range(n_cells)]
    coords["cell"] = "recording", coords["recording"]
    for name, fs in (("nea", FS), ("patch", FS_PATCH)):
        coords[f"time_{name}"] = f"time_{name}", np.arange(round(duration * fs)) / fs, {"units": "s"}
    return xr.Dataset(traces, coords, _attrs("recording") | {"fs_nea": FS, "fs_patch": FS_PATCH})


def _stack(made, name):
    rows = np.empty((len(made), made[0][0][name].size), np.float32)
    for row, (traces, _) in zip(rows, made, strict=True):
        row[:] = traces.pop(name)
    return rows


# Grids of electrodes

_CENTRE = 2.5 * PITCH  # mm: the middle of 16 electrodes


def _positions(n):
    """Columns and rows (electrode,) of the first electrodes of an 8 x 8 grid: a square that grows from a corner."""
    places = sorted(((c, r) for c in range(8) for r in range(8)), key=lambda p: (max(p), p[0] < max(p), p[0], p[1]))
    if not 1 <= n <= len(places):
        raise ValueError(f"the grid has {len(places)} electrodes: 1 to that many can be asked for, not {n}")
    return np.array(places[:n]).T + 1


class _Grid(NamedTuple):
    """Cells on a grid: positions (mm), conductances (electrode, 12), delays of the wave (s)."""

    label: np.ndarray
    x: np.ndarray
    y: np.ndarray
    conductances: np.ndarray
    delay: np.ndarray


def _grid(rng, n, seed, *key):
    """A plane wave over cells that differ at random and, along one direction, steadily."""
    column, row = _positions(n)
    x, y = PITCH * column, PITCH * row
    culture = cells.population(1, 0.12, seed=_stream(seed, *key, 0))[0]
    sites = cells.population(n, 0.03, seed=_stream(seed, *key, 1), centre=culture)
    wave, slope = rng.uniform(0, 2 * np.pi, 2)
    speed = rng.uniform(100, 250)  # mm/s
    along = ((x - _CENTRE) * np.cos(slope) + (y - _CENTRE) * np.sin(slope))[:, None]
    steady = np.zeros(len(cells.CURRENTS))
    steady[[cells.CURRENTS.index(name) for name in ("CaL", "Kr")]] = rng.uniform(0.12, 0.22) * np.array([1, -1])
    distance = x * np.cos(wave) + y * np.sin(wave)
    corner = 8 * PITCH * (min(np.cos(wave), 0) + min(np.sin(wave), 0))  # the grid's first point, whatever n
    label = np.array([f"{c}{r}" for c, r in zip(column, row, strict=True)])
    return _Grid(label, x, y, sites * np.exp(steady * along), (distance - corner) / speed)


def _neighbour_site(vm, rng, pulses):
    """What a repeatedly porated nanoelectrode shows of its cell, mV, and its constants."""
    about = {
        "seal": rng.uniform(5, 15),
        "resealing": np.exp(rng.uniform(np.log(30), np.log(300))),
        "noise": _lognormal(rng, 0.006, 0.8),
    }
    pore = _lognormal(rng, 300, 0.35) * 1.5 ** np.arange(len(pulses))  # later pulses open fewer pores
    inside = electrode.junction(
        vm,
        FS,
        seal=about["seal"],
        pore=pore,
        pulses=pulses,
        resealing=about["resealing"],
        cell_capacitance=rng.uniform(0.2, 0.8),
        electrode_capacitance=rng.uniform(10, 40),
    )
    seen = electrode.amplifier(inside, FS, rng, noise=about["noise"], mains=rng.uniform(0, 0.002))
    return seen + electrode.artefact(vm.size, FS, pulses), about | {"pore": pore[0]}


def neighbours(n_sites=16, duration=240.0, seed=0):
    """Porated nanoelectrodes of one grid in two paced syncytia, with repeated poration pulses.

    The wave of excitation is plane, of a direction and speed (10 to 25 cm/s) of its own in each recording, and the
    cells' conductances have a spread of 0.03. **An assumption**, not taken from recordings: I_CaL rises and I_Kr falls
    steadily across the grid, by 12 to 22 % a mm in a random direction, so that similarity falls with distance. Three
    pulses a recording, resealing with a time constant of 30 to 300 s at each site, and seal, pores and noise of each
    site make the SNR.

    Parameters
    ----------
    n_sites : int
        Electrodes of each recording, up to 64: a square that grows from a corner of an 8 x 8 grid. The first are the
        same whatever their number.
    duration : float
        Length, s.
    seed : int
        Everything is drawn from it, by recording and site.

    Returns
    -------
    xarray.Dataset
        Dims site (2 x `n_sites`), time (5 kHz), pulse. Variables, float32, mV: ``nea``, and ``vm``, the true membrane
        potential. Coordinates of site: recording ("sim1", "sim2"), channel (number in its recording), electrode
        ("23" is column 2, row 3), x, y (mm), delay (s, of the wave) and the sensors' constants seal, pore (MOhm, of
        the first pulse), resealing (s), noise (mV); of pulse: pulse_time (s), pulse_recording.
        ``attrs["cycle_length"]`` holds the stimulator's periods (s).

    Raises
    ------
    ValueError
        The grid has fewer electrodes, or `duration` is too short.
    """
    _positions(n_sites)
    if not duration >= 10:
        raise ValueError(f"a duration of {duration} s holds too few beats: at least 10 s are needed")
    size = round(duration * FS)
    vm, nea = (np.empty((2 * n_sites, size), np.float32) for _ in range(2))
    grids, about, pulses, periods = [], [], [], []
    for k in range(2):
        rng = np.random.default_rng(_stream(seed, 3, k))
        grid = _grid(rng, n_sites, seed, 3, k)
        times = _paced(rng, duration, 1.5, 1.8)
        pulses.append(duration * (np.array([0.04, 0.36, 0.68]) + rng.uniform(0, 0.04, 3)))
        rows = slice(k * n_sites, (k + 1) * n_sites)
        vm[rows] = _driven(grid.conductances, times, duration, delay=grid.delay)
        for site, trace in enumerate(vm[rows]):
            stream = np.random.default_rng(_stream(seed, 3, k, 2, site))
            nea[rows.start + site], constants = _neighbour_site(trace, stream, pulses[-1])
            about.append(constants)
        grids.append(grid)
        periods.append(float(times[1] - times[0]))
    site = {"recording": np.repeat(["sim1", "sim2"], n_sites), "channel": np.tile(np.arange(n_sites), 2)}
    site |= {"electrode": np.concatenate([g.label for g in grids])}
    mm = {"units": "mm"}
    coords = {key: ("site", value) for key, value in site.items()}
    coords |= {key: ("site", np.concatenate([getattr(g, key) for g in grids]), mm) for key in ("x", "y")}
    coords["delay"] = "site", np.concatenate([g.delay for g in grids]), {"units": "s"}
    for key, unit in {"seal": "MOhm", "pore": "MOhm", "resealing": "s", "noise": "mV"}.items():
        coords[key] = "site", [constants[key] for constants in about], {"units": unit}
    coords["time"] = "time", np.arange(size) / FS, {"units": "s"}
    coords["pulse_time"] = "pulse", np.concatenate(pulses), {"units": "s"}
    coords["pulse_recording"] = "pulse", np.repeat(["sim1", "sim2"], [p.size for p in pulses])
    unit = {"units": "mV"}
    traces = {"nea": (("site", "time"), nea, unit), "vm": (("site", "time"), vm, unit)}
    return xr.Dataset(traces, coords, _attrs("recording") | {"fs": FS, "cycle_length": periods})


_CHANNELS = 52
_PORATED = 12  # electrode "44", in the middle of the grid
_BATCH = 8  # cells whose Vm at 5 kHz is held at a time


def _multichannel_eap(rng, common):
    """Terms of the eAP of one electrode: those of the recording, scattered."""
    scatter = {name: value * np.exp(0.2 * rng.standard_normal()) for name, value in common.items()}
    return scatter | {"speed": common["speed"], "roughness": rng.uniform(0.0012, 0.0017)}


def multichannel(duration=200.0, seed=0, n_channels=_CHANNELS):
    """A grid of 51 extracellular and one porated electrode while dofetilide washes in.

    The syncytium is paced; from 0.4 of the recording on 7.5 nM dofetilide block 60 % of I_Kr, with a time constant of
    20 s. As in `neighbours` the wave is plane and the cells differ at random and steadily across the grid.

    Parameters
    ----------
    duration : float
        Length, s.
    seed : int
        Everything is drawn from it, by channel.
    n_channels : int
        2 to 52; the last one is porated. The extracellular ones are the same whatever their number.

    Returns
    -------
    xarray.Dataset
        Dims channel, time (5 kHz), time_vm (1 kHz). Variables, float32, mV: ``nea``, and ``vm``, the true membrane
        potential. Coordinates of channel: kind ("eap", the last "iap"), electrode, x, y (mm), delay (s, of the wave).
        ``attrs``: drug, concentration (nM), drug_time (s), cycle_length (s).

    Raises
    ------
    ValueError
        The number of channels or the duration is impossible.
    """
    if not 2 <= n_channels <= _CHANNELS:
        raise ValueError(f"2 to {_CHANNELS} channels can be simulated, not {n_channels}")
    if not duration >= 10:
        raise ValueError(f"a duration of {duration} s holds too few beats: at least 10 s are needed")
    rng = np.random.default_rng(_stream(seed, 4))
    grid = _grid(rng, _CHANNELS, seed, 4)
    times, onset = _paced(rng, duration, 1.6, 1.8), 0.4 * duration
    drug = {"doses": [(onset, cells.block("dofetilide", 7.5))], "wash_in": 20.0}
    common = {"a": 0.0012, "b": 0.065, "c": 0.0005, "speed": rng.uniform(0.10, 0.25), "height": 50e-6, "cutoff": 250.0}
    chosen = np.r_[np.delete(np.arange(_CHANNELS), _PORATED)[: n_channels - 1], _PORATED]
    nea = np.empty((n_channels, round(duration * FS)), np.float32)
    vm = np.empty((n_channels, round(duration * 1000)), np.float32)
    for first in range(0, n_channels, _BATCH):
        batch = chosen[first : first + _BATCH]
        true = _driven(grid.conductances[batch], times, duration, delay=grid.delay[batch], **drug)
        vm[first : first + _BATCH] = true[:, ::5]
        for row, channel, trace in zip(range(first, n_channels), batch, true, strict=False):
            stream = np.random.default_rng(_stream(seed, 4, 2, channel))
            nea[row] = _channel(trace, stream, common, channel == _PORATED)
    mm = {"units": "mm"}
    coords = {
        "channel": np.arange(n_channels),
        "kind": ("channel", np.where(chosen == _PORATED, "iap", "eap")),
        "electrode": ("channel", grid.label[chosen]),
        "x": ("channel", grid.x[chosen], mm),
        "y": ("channel", grid.y[chosen], mm),
        "delay": ("channel", grid.delay[chosen], {"units": "s"}),
        "time": ("time", np.arange(nea.shape[1]) / FS, {"units": "s"}),
        "time_vm": ("time_vm", np.arange(vm.shape[1]) / 1000, {"units": "s"}),
    }
    unit = {"units": "mV"}
    traces = {"nea": (("channel", "time"), nea, unit), "vm": (("channel", "time_vm"), vm, unit)}
    attrs = {"fs": FS, "drug": "dofetilide", "concentration": 7.5, "drug_time": onset}
    attrs["cycle_length"] = float(times[1] - times[0])
    return xr.Dataset(traces, coords, _attrs("none") | attrs)


def _channel(vm, rng, common, porated):
    """What one channel of the multichannel recording shows, mV."""
    if porated:
        inside = electrode.junction(vm, FS, pore=200.0, pulses=[-5.0], resealing=300.0, cell_capacitance=0.5)
        return electrode.amplifier(inside, FS, rng, noise=0.003)
    field = electrode.extracellular(vm, FS, **_multichannel_eap(rng, common))
    return electrode.amplifier(field, FS, rng, highpass=0.3, noise=rng.uniform(0.002, 0.006), mains=0.001)
