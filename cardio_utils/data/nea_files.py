"""File layouts of the published nanoelectrode recordings: names, units, reading and writing.

The originals keep voltages in uV (patch clamp: mV) and ratios of power as 20 log10; everything here comes out in
mV and true dB (10 log10 of power). Reading and writing are inverse, so that readers are tested without a
network.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import xarray as xr

from cardio_utils import action_potential as ap
from cardio_utils.data import fetch

__all__ = [
    "CITATION",
    "FS",
    "LICENCE",
    "SEGMENTS",
    "TEST",
    "TRAIN",
    "find",
    "parse_name",
    "preparations",
    "read_features",
    "read_multichannel",
    "read_neighbours",
    "read_pairs",
    "read_patch",
    "write",
]

FS = 5000.0
"""Sampling rate (Hz) of nanoelectrodes."""

FS_PATCH = 10_000.0
"""Sampling rate (Hz) of the patch clamp."""

LICENCE = "MIT with a non-commercial condition (Commons Clause): for research, not to be passed on with this book"
CITATION = "Nature Communications 2025, s41467-024-55571-6 (simultaneous eAP and iAP of hiPSC-cardiomyocytes)."

TRAIN = (
    "exp00_dofetilide_W5_D1_i51_e52",
    "exp00_dofetilide_W8_D3_i24_e14",
    "exp00_dofetilide_W8_D3_i61_e62",
    "exp11_dofetilide_W5_D4_i23_e22_pace",
    "exp0_quinidine_W7_D6_i56_e68",
    "exp10_nifedipine_W5_D6_i82_e72_pace",
    "exp12_nifedipine_W5_D5_i43_e31_pace",
    "exp20_flecainide_W7_D2_i43_e42",
    "exp21_flecainide_W3_D10_i43_e53",
    "exp22_nifedipine_W5_D6_i55_e38_pace",
    "exp18_lidocaine_W8_D1_i14_e15",
    "exp29_nifedipine_W6_D10_i15_e34_pace",
)
"""Recordings that the originals trained on."""

TEST = ("exp00_dofetilide_W8_D2_i57_e47", "exp13_propranolol_W5_D1_i23_e13", "mea_2")
"""Recordings that the originals tested on; two of them share a preparation with training recordings."""

_UNUSED = (
    "exp18_lidocaine_W8_D1_i26_e16",
    "exp20_flecainide_W7_D2_i43_e41",
    "exp13_propranolol_W5_D1_i73_e82",
    "mea",
)

SEGMENTS = {
    "f1": ((100, 340), (790, 1500), (1700, 2000), (2200, 4000), (4300, 6100), (6400, 8200)),
    "f2": ((0, 260), (400, 2100), (2500, 4200), (4500, 6400), (6750, 8500), (8800, 11180)),
}
"""Stretches (thousands of samples) of the two recordings of neighbours that the originals analysed; they skipped
the first, and the columns t1 to t5 of their tables belong to the others."""

_DRIVE = {
    "pairs": ("1bpYfksqKwGzaxm4htFtQr0iCaWfQBRKZ", "eap_iap_data.pkl"),
    "patch": ("15VQ5ydjMQoeK6ZRYngeFp2gyXOBmdCob", "content"),
    "neighbours": ("1Lxf9frUCXCAYRE0uwqOXug7a21mD9SLU", "data_iap"),
    "multichannel": ("1sU1J15D-hZELCfbI8y2nDNX4vNNpWZva", "multichannels_data.npy"),
}
"""Part -> archive on Google Drive, and the file or folder in it."""

_NEIGHBOURS = "data_raw_neighboring_iap.pkl"

_NAME = re.compile(r"(exp\d+)_([a-z]+)_W(\d+)_D(\d+)_i(\d+)_e(\d+)(_pace)?")
_OLD_NAME = re.compile(r"W(\d+)FebD(\d+)_(\d+)nM_Dofe_(\d+)_(\d+)_8000")


def parse_name(name):
    """What the name of a recording of pairs says.

    Parameters
    ----------
    name : str
        As ``exp00_dofetilide_W8_D2_i57_e47``, with ``_pace`` if the cells were paced; or ``mea``, ``mea_2``.

    Returns
    -------
    dict
        recording, experiment, drug, well, day, iap_electrode, eap_electrode (all text), sensor ('nea' or
        'mea'), paced (bool), role ('train', 'test' or '' by the originals' lists).

    Raises
    ------
    ValueError
        The name has another form.
    """
    name = str(name).removesuffix(".pkl")
    role = "train" if name in TRAIN else "test" if name in TEST else ""
    keys = "experiment", "drug", "well", "day", "iap_electrode", "eap_electrode"
    if re.fullmatch(r"mea(_\d+)?", name):
        return {"recording": name} | dict.fromkeys(keys, "") | {"sensor": "mea", "paced": False, "role": role}
    if not (found := _NAME.fullmatch(name)):
        raise ValueError(
            f"recording {name!r} is not named as exp00_dofetilide_W8_D2_i57_e47 (experiment, drug, well, day, "
            "electrodes inside and outside, _pace if paced), nor mea"
        )
    experiment, drug, well, day, inside, outside, pace = found.groups()
    values = experiment, drug, f"W{well}", f"D{day}", inside, outside
    return (
        {"recording": name}
        | dict(zip(keys, values, strict=True))
        | {"sensor": "nea", "paced": bool(pace), "role": role}
    )


def preparations(names):
    """The preparation that each recording belongs to: what honest splits keep together.

    Two recordings are of one preparation if they share experiment and well, or well and day, directly or through
    others; all that are published count, whichever of them are asked for. The `mea` recordings, of which nothing
    is known, are one.

    Parameters
    ----------
    names : iterable of str
        Names of recordings.

    Returns
    -------
    dict
        Name -> preparation, text, named after its first experiment, well and day.
    """
    names = [str(name) for name in names]
    parent = {}

    def root(token):
        while parent.setdefault(token, token) != token:
            token = parent[token]
        return token

    tokens = {}
    for name in sorted({*TRAIN, *TEST, *_UNUSED, *names}):
        p = parse_name(name)
        tokens[name] = (p["experiment"], p["well"]), (p["well"], p["day"])
        first, second = map(root, tokens[name])
        parent[second] = first
    label = {}
    for first, (_, day) in tokens.values():
        text = "_".join((*first, day)) if day else "mea"
        label[root(first)] = min(label.get(root(first), text), text)
    return {name: label[root(tokens[name][0])] for name in names}


def find(part, folder=None):
    """File or folder of a part in the originals' layout, downloaded if it is not there.

    Parameters
    ----------
    part : {'pairs', 'patch', 'neighbours', 'multichannel'}
    folder : path, optional
        Where to look and to download to; default ``nea`` in `fetch.folder`.

    Returns
    -------
    Path

    Raises
    ------
    fetch.FetchError
        It could not be downloaded, or is not what was downloaded first.
    """
    folder = fetch.folder() / "nea" if folder is None else Path(folder)
    file_id, name = _DRIVE[part]
    if not (folder / name).exists():
        fetch.drive_archive(file_id, folder, name)
    held = folder / name
    for path in sorted(held.iterdir()) if held.is_dir() else [held]:
        if fetch.checksum_file(path).exists():
            fetch.enforce(path)
    return held


def _array(values, name, what):
    """A two-dimensional array of windows in mV (float32), from one in uV."""
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise ValueError(f"recording {name}: {what} is no array (window, sample) of numbers, but {values.shape}")
    return (np.asarray(values, float) / 1000).astype(np.float32)


def _pair_columns(name, held):
    """Columns of one recording, from the originals' tuple."""
    if not isinstance(held, tuple | list) or len(held) != 5:
        raise ValueError(f"recording {name}: the originals' five arrays are needed, not {type(held).__name__}")
    ratio, inside, outside = (held[0], held[1], held[2])
    if inside.shape != outside.shape or len(ratio) != len(inside):
        raise ValueError(
            f"recording {name}: a pair must have equal lengths, not iAP {inside.shape}, eAP {outside.shape} "
            f"and {len(ratio)} ratios"
        )
    iap, eap = _array(inside, name, "iAP"), _array(outside, name, "eAP")
    # The ratios of the file are 20 log10 of powers: twice the dB.
    return {"iap": iap, "eap": eap, "iap_snr": np.asarray(ratio, float) / 2, "eap_snr": ap.snr(eap, FS)}


def pairs_dataset(columns, attrs):
    """Data set of pairs from dictionaries, one a recording, with iap, eap (mV), iap_snr, eap_snr and recording."""
    names = [c["recording"] for c in columns]
    counts = [len(c["iap"]) for c in columns]
    about = [parse_name(name) for name in names]
    coords = {key: ("beat", np.repeat([p[key] for p in about], counts)) for key in about[0]}
    group = preparations(names)
    coords["preparation"] = "beat", np.repeat([group[name] for name in names], counts)
    unknown = np.full(sum(counts), np.nan)
    coords["beat_time"] = "beat", unknown, {"units": "s"}
    coords["concentration"] = "beat", unknown.copy(), {"units": "nM"}
    for key in ("iap_snr", "eap_snr"):
        coords[key] = "beat", np.concatenate([c.pop(key) for c in columns]), {"units": "dB"}
    coords["flag"] = "beat", np.full(sum(counts), "", "<U64")
    length = columns[0]["iap"].shape[1]
    time = np.arange(length) / FS - 0.2
    traces = {}
    for key in ("eap", "iap"):
        traces[key] = ("beat", "time"), np.concatenate([c.pop(key) for c in columns]), {"units": "mV"}
    coords["time"] = "time", time, {"units": "s", "long_name": "time from the maximum of the iAP"}
    return xr.Dataset(traces, coords, {"fs": FS, "groups": "preparation"} | attrs)


@fetch.reader
def read_pairs(path, recordings=None):
    """Pairs from the originals' pickle: recording -> five arrays; see `nea.load` for the result.

    Parameters
    ----------
    path : path
        The file ``eap_iap_data.pkl``. Its arrays are read one recording at a time.
    recordings : sequence of str, optional
        Names; default all of the file.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    fetch.FetchError
        The file is no harmless pickle.
    ValueError
        It has another layout, a recording is not there, or the arrays of a pair do not fit together.
    """
    held = fetch.map_pickle(path)
    if not isinstance(held, dict):
        raise ValueError(f"{path} holds no dictionary of recordings, but a {type(held).__name__}")
    held = {str(key).removesuffix(".pkl"): value for key, value in held.items()}
    names = list(held) if recordings is None else [str(name) for name in recordings]
    if gone := [name for name in names if name not in held]:
        raise ValueError(f"{path} has no recording {', '.join(gone)}; it has {', '.join(held)}")
    try:
        columns = [{"recording": name} | _pair_columns(name, held[name]) for name in names]
        columns = [c for c in columns if len(c["iap"])]
        if len({c["iap"].shape[1] for c in columns}) != 1:
            raise ValueError("the recordings have no windows, or windows of unequal lengths")
        return pairs_dataset(columns, _attrs())
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _attrs():
    return {"source": "nea", "licence": LICENCE, "citation": CITATION}


def _write_pairs(dataset, folder):
    held = {}
    for name in dict.fromkeys(dataset["recording"].values.tolist()):
        part = dataset.isel(beat=np.flatnonzero(dataset["recording"].values == name))
        iap, eap = (1000 * part[key].values.astype(float) for key in ("iap", "eap"))
        scaled = [ap.scale(iap, FS, "first"), ap.scale(eap, FS, "eap")]
        held[f"{name}.pkl"] = (2 * part["iap_snr"].values, iap, eap, *(x.astype(np.float32) for x in scaled))
    _dump(held, folder / _DRIVE["pairs"][1])


def _dump(held, path):
    with fetch.whole(path) as temporary, open(temporary, "wb") as stream:
        pickle.dump(held, stream, protocol=4)


def _save(path, array):
    with fetch.whole(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array, allow_pickle=False)


def _trace(path, name):
    """A one-dimensional array of numbers from a .npy file."""
    try:
        x = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file of numbers ({error})") from error
    if x.ndim != 1 or x.size < 2 or x.dtype.kind not in "fiu":
        raise ValueError(f"{path}: a trace (sample,) of numbers is needed, not {x.shape} of {x.dtype}")
    return x.astype(float)


def stack(traces):
    """Traces of unequal lengths as rows, NaN behind the end of the shorter ones."""
    rows = np.full((len(traces), max(map(len, traces))), np.nan, np.float32)
    for row, trace in zip(rows, traces, strict=True):
        row[: len(trace)] = trace
    return rows


@fetch.reader
def read_patch(folder, recordings=None):
    """Patch clamp and nanoelectrode on one cell, from the originals' folder; see `nea.load` for the result.

    Files ``n1.npy`` (nanoelectrode, uV, 5 kHz) and ``p1.npy`` (patch clamp, mV, 10 kHz) belong together by their
    number; what follows the number, as in ``n4_arrythmia.npy`` or ``n9_sh.npy``, becomes the coordinate `note`.

    Parameters
    ----------
    folder : path
        The folder ``content``.
    recordings : sequence of str, optional
        Numbers; default all.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    ValueError
        A file has no partner, two have the same number, or one is no trace.
    """
    folder = Path(folder)
    files = {"n": {}, "p": {}}
    for path in sorted(folder.glob("*.npy")):
        if found := re.fullmatch(r"([np])(\d+)_?(\w*)", path.stem):
            kind, number, note = found.groups()
            if int(number) in files[kind]:
                raise ValueError(f"{folder}: {path.name} and {files[kind][int(number)][0].name} have the same number")
            files[kind][int(number)] = path, note
    if lonely := sorted(files["n"].keys() ^ files["p"].keys()):
        raise ValueError(f"{folder}: the numbers {lonely} have no file of both kinds, n*.npy and p*.npy")
    numbers = sorted(files["n"]) if recordings is None else [int(name) for name in recordings]
    if not numbers or any(number not in files["n"] for number in numbers):
        raise ValueError(f"{folder} has the pairs {sorted(files['n'])}, not {numbers or 'any'}")
    nea = [_trace(files["n"][k][0], k) / 1000 for k in numbers]
    patch = [_trace(files["p"][k][0], k) for k in numbers]
    names = [str(k) for k in numbers]
    poration = [poration_step(x, FS_PATCH) for x in patch]
    coords = {
        "recording": names,
        "cell": ("recording", names),
        "note": ("recording", [files["n"][k][1] for k in numbers]),
        "poration": ("recording", poration, {"units": "s", "long_name": "on the patch clock"}),
    }
    return _patch_dataset(stack(nea), stack(patch), coords)


def _patch_dataset(nea, patch, coords):
    times = {
        "time_nea": ("time_nea", np.arange(nea.shape[1]) / FS, {"units": "s"}),
        "time_patch": ("time_patch", np.arange(patch.shape[1]) / FS_PATCH, {"units": "s"}),
    }
    unit = {"units": "mV"}
    traces = {"nea": (("recording", "time_nea"), nea, unit), "patch": (("recording", "time_patch"), patch, unit)}
    attrs = _attrs() | {"groups": "recording", "fs_nea": FS, "fs_patch": FS_PATCH}
    return xr.Dataset(traces, coords | times, attrs)


def numbers_of(names):
    """A number for each recording: the digits at the end of its name, or its place if these do not differ."""
    found = [re.search(r"\d+$", str(name)) for name in names]
    numbers = [int(f.group()) if f else -1 for f in found]
    return numbers if len(set(numbers)) == len(numbers) and min(numbers) >= 0 else list(range(1, len(found) + 1))


def _write_patch(dataset, folder):
    folder = folder / _DRIVE["patch"][1]
    for k, number in enumerate(numbers_of(dataset["recording"].values)):
        note = str(dataset["note"].values[k]) if "note" in dataset.coords else ""
        nea, patch = (dataset[key].values[k] for key in ("nea", "patch"))
        _save(folder / f"n{number}{'_' * bool(note)}{note}.npy", 1000 * trimmed(nea).astype(float))
        _save(folder / f"p{number}.npy", trimmed(patch))


def trimmed(x):
    """A trace (n,) without the missing samples behind its end."""
    return x[: x.size - int(np.argmax(np.isfinite(x[::-1])))] if np.isfinite(x).any() else x[:0]


def _availability(path):
    """Channel -> electrode label and the segments (5,) in which it is usable."""

    table = fetch.read_csv(path, index_col=0, dtype={"b": str})
    columns = [f"t{k}" for k in range(1, 6)]
    if not {"I", "b", *columns} <= set(table.columns):
        raise ValueError(f"{path} needs the columns I, b, t1 to t5, not {', '.join(table.columns)}")
    usable = table[columns].to_numpy(bool)
    return {int(i): (label, row) for i, label, row in zip(table["I"], table["b"], usable, strict=True)}


def _channels(path):
    """(recording, channel) -> trace in uV that stays on the disk until it is sliced."""
    held = fetch.map_pickle(path)
    channels = {}
    try:
        for (name, *numbers), pair in held.items():
            if len(numbers) != 2 or len(pair) != 2 or pair[0].shape != pair[1].shape or pair[0].ndim != 1:
                raise ValueError(f"{name} {numbers}: two channels of equal lengths are needed")
            channels |= {(str(name), int(k)): trace for k, trace in zip(numbers, pair, strict=True)}
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} does not map (file, i, j) to two traces: {error}") from error
    return channels


def _jumps(x, fs):
    """Change within 1 ms at each sample, median over channels (channel, n) if there are several; and what a pulse
    exceeds: three times the typical largest change of 2 s, which is that of an upstroke."""
    step = max(1, round(0.001 * fs))
    jump = np.abs(x[..., step:] - x[..., :-step])
    jump = np.nan_to_num(jump if jump.ndim == 1 else np.median(jump, axis=0))
    pieces = np.array_split(jump, max(1, round(jump.size / (2 * fs))))
    return jump, 3 * np.median([piece.max() for piece in pieces]), step


def poration_step(x, fs):
    """Time (s) at which the largest poration pulse of one trace begins; NaN if there is none."""
    jump, limit, step = _jumps(x, fs)
    largest = jump.max()
    return (int(np.argmax(jump >= 0.5 * largest)) + step) / fs if largest > limit else np.nan


def settled(x, fs):
    """First sample of a trace 1 s after its poration pulse, from where beats can be told from it; 0 without one."""
    pulse = poration_step(x, fs)
    return 0 if np.isnan(pulse) else min(round((pulse + 1) * fs), x.size)


def poration_pulses(x, fs):
    """Times (s) at which the poration pulses of a grid begin, from (channel, n) traces: what all channels see."""
    jump, limit, step = _jumps(x, fs)
    found = np.flatnonzero(jump > limit)
    return (found[np.diff(found, prepend=-np.inf) > fs] + step) / fs


PITCH = 0.2
"""Distance (mm) of neighbouring electrodes of the 8 x 8 grid; the published files do not state it."""


@fetch.reader
def read_neighbours(folder, recordings=None, n_sites=16, start=0.0, duration=240.0):
    """Nanoelectrode sites of one syncytium, from the originals' folder; see `nea.load` for the result.

    Parameters
    ----------
    folder : path
        The folder ``data_iap`` with a pickle of pairs of channels and two tables of usable channels.
    recordings : sequence of str, optional
        'f1', 'f2'; default both.
    n_sites : int or None
        The first channels of each recording; None for all (47 and 41).
    start, duration : float
        Stretch (s) that is read; the files hold 27 and 37 minutes.

    Returns
    -------
    xarray.Dataset
        As `nea.load` says, and `available` (site, segment): the originals' table for `SEGMENTS` 1 to 5.

    Raises
    ------
    fetch.FetchError, ValueError
        The files are not in this layout, or a recording is not there.
    """
    folder = Path(folder)
    channels = _channels(folder / _NEIGHBOURS)
    names = sorted({name for name, _ in channels}) if recordings is None else [str(name) for name in recordings]
    first, last = round(start * FS), round((start + duration) * FS)
    rows, about, pulses = [], [], []
    for name in names:
        numbers = sorted(k for other, k in channels if other == name)[:n_sites]
        if not numbers:
            raise ValueError(f"{folder / _NEIGHBOURS} has no recording {name}")
        table = _availability(folder / f"{name}_availabiliteis.csv")
        if gone := [k for k in numbers if k not in table]:
            raise ValueError(f"{folder}: the table of {name} lacks the channels {gone}")
        traces = [(np.asarray(channels[name, k][first:last], float) / 1000).astype(np.float32) for k in numbers]
        if min(map(len, traces)) < 2:
            raise ValueError(f"{name} ends before {start:g} s")
        rows += traces
        about += [(name, k, *table[k]) for k in numbers]
        pulses += [(name, start + t) for t in poration_pulses(stack(traces), FS)]
    return _sites(stack(rows), about, pulses, first / FS)


def _sites(rows, about, pulses, start):
    name, channel, label, usable = zip(*about, strict=True)
    mm = {"units": "mm"}
    coords = {
        "recording": ("site", list(name)),
        "channel": ("site", list(channel)),
        "electrode": ("site", list(label)),
        "x": ("site", [PITCH * int(text[0]) for text in label], mm),
        "y": ("site", [PITCH * int(text[1]) for text in label], mm),
        "available": (("site", "segment"), np.array(usable)),
        "time": ("time", start + np.arange(rows.shape[1]) / FS, {"units": "s"}),
        "pulse_time": ("pulse", np.array([time for _, time in pulses], float), {"units": "s"}),
        "pulse_recording": ("pulse", np.array([who for who, _ in pulses], "<U8")),
    }
    attrs = _attrs() | {"fs": FS, "groups": "recording"}
    return xr.Dataset({"nea": (("site", "time"), rows, {"units": "mV"})}, coords, attrs)


def _write_neighbours(dataset, folder):
    folder = folder / _DRIVE["neighbours"][1]
    held, names = {}, dataset["recording"].values
    for name in dict.fromkeys(names.tolist()):
        part = dataset.isel(site=np.flatnonzero(names == name))
        if part.sizes["site"] < 2:
            raise ValueError(f"recording {name} has one site: the originals' layout is made of pairs")
        numbers = part["channel"].values if "channel" in part.coords else np.arange(part.sizes["site"])
        traces = [np.round(1000 * trimmed(x).astype(float)).astype(np.int32) for x in part["nea"].values]
        for a in range(len(traces) - 1):
            held[name, int(numbers[a]), int(numbers[a + 1])] = [traces[a], traces[a + 1]]
        usable = part["available"].values if "available" in part.coords else np.ones((len(traces), 5), bool)
        rows = [
            f"{k},{k},{label},{','.join(map(str, row.tolist()))}"
            for k, label, row in zip(numbers, part["electrode"].values, usable, strict=True)
        ]
        with fetch.whole(folder / f"{name}_availabiliteis.csv") as temporary:
            temporary.write_text("\n".join([",I,b,t1,t2,t3,t4,t5", *rows, ""]))
    _dump(held, folder / _NEIGHBOURS)


@fetch.reader
def read_multichannel(path, start=0.0, duration=200.0):
    """51 channels outside and one inside during drug addition; see `nea.load` for the result.

    Parameters
    ----------
    path : path
        The file ``multichannels_data.npy`` (channel, sample) in uV at 5 kHz, the last channel intracellular.
    start, duration : float
        Stretch (s) that is read; the file holds 18 minutes.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    ValueError
        The file is no such array, or ends before `start`.
    """
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file of numbers ({error})") from error
    if held.ndim != 2 or held.shape[0] < 2 or held.dtype.kind not in "fiu":
        raise ValueError(f"{path}: an array (channel, sample) of numbers is needed, not {held.shape} of {held.dtype}")
    first, last = round(start * FS), round((start + duration) * FS)
    piece = (np.asarray(held[:, first:last], float) / 1000).astype(np.float32)
    if piece.shape[1] < 2:
        raise ValueError(f"{path} ends before {start:g} s")
    coords = {
        "channel": np.arange(len(piece)),
        "kind": ("channel", np.array(["eap"] * (len(piece) - 1) + ["iap"])),
        "time": ("time", first / FS + np.arange(piece.shape[1]) / FS, {"units": "s"}),
    }
    attrs = _attrs() | {"fs": FS, "groups": "none", "drug": "", "drug_time": np.nan}
    return xr.Dataset({"nea": (("channel", "time"), piece, {"units": "mV"})}, coords, attrs)


def _write_multichannel(dataset, folder):
    kind = dataset["kind"].values
    if (kind == "iap").sum() != 1 or kind[-1] != "iap":
        raise ValueError("the originals' layout has one intracellular channel, the last")
    _save(folder / _DRIVE["multichannel"][1], 1000 * dataset["nea"].values.astype(float))


def write(dataset, folder):
    """Write a part in the originals' layout: their names, units (uV; patch clamp mV) and 20 log10 ratios.

    Reading it back gives equal traces (those of neighbours rounded to 1 uV, as integers are); what the layout
    has no place for (true potentials, times, positions) is not written.

    Parameters
    ----------
    dataset : xarray.Dataset
        Pairs, patch, neighbours or multichannel, as `nea.load` gives them.
    folder : path
        Made if it does not exist.

    Returns
    -------
    Path
        What was written: the path that the part's reader takes.

    Raises
    ------
    ValueError
        The data set is none of these parts, or does not fit the layout.
    """
    part = part_of(dataset)
    {
        "pairs": _write_pairs,
        "patch": _write_patch,
        "neighbours": _write_neighbours,
        "multichannel": _write_multichannel,
    }[part](dataset, Path(folder))
    return Path(folder) / _DRIVE[part][1]


def part_of(dataset):
    """Which part a data set is, by its dimensions."""
    parts = {"time_nea": "patch", "site": "neighbours", "channel": "multichannel", "beat": "pairs"}
    for dim, part in parts.items():
        if dim in dataset.dims and (part != "pairs" or {"eap", "iap"} <= set(dataset.data_vars)):
            return part
    raise ValueError(f"a data set with the dimensions {tuple(dataset.sizes)} is no part of the nanoelectrode data")


def _recording_of(name):
    """Today's name of a recording of the published feature table."""
    if not (found := _OLD_NAME.fullmatch(name)):
        raise ValueError(f"recording {name!r} is not named as W5FebD1_10nM_Dofe_51_52_8000")
    well, day, _, inside, outside = found.groups()
    return f"exp00_dofetilide_W{well}_D{day}_i{inside}_e{outside}"


_UNITS = {"s": 1000.0, "sample": 1000 / FS, "uV": 1e-3, "mV": 1.0, "1": 1.0}
_COLUMNS = {
    "ts": ("w1+w2", "s"),
    "td": ("w3", "s"),
    "t_total": ("w3+w1+w2", "sample"),
    "v1": ("h1", "mV"),
    "v2": ("h2", "mV"),
    "vd": ("h3", "mV"),
    "v1_v2": ("h1/h2", "1"),
    "vd_v1": ("h3/h1", "1"),
    "vd_v2": ("h3/h2", "1"),
    "s_n": ("s/n", "1"),
    "onset_time": ("x_chp1", "sample"),
    "peak_time": ("x1", "sample"),
    "trough_time": ("x2", "sample"),
    "end_time": ("x_chp2", "sample"),
    "dip_time": ("x3", "sample"),
    "onset_value": ("y_chp1", "uV"),
    "peak_value": ("ry1", "uV"),
    "trough_value": ("ry2", "uV"),
    "end_value": ("y_chp2", "uV"),
    "dip_value": ("ry3", "uV"),
}
"""Our column -> column of the published table and its unit there; ours are ms, mV and 1."""


@fetch.reader
def read_features(path):
    """The published table of eAP features and measured iAP durations, in this package's names and units.

    Parameters
    ----------
    path : path
        The file ``data_feat.csv``: 1,910 rows, of which 1,047 differ in more than their number.

    Returns
    -------
    pandas.DataFrame
        One row a beat, duplicates removed: the columns of `action_potential.FEATURES` that the table has or
        determines (not t1, t2), landmarks, apd10 to apd100 (ms, by the definition 'prominence'), iap_snr (dB),
        beat_time (s), copies (how often the published table has the row), `reason` (text, '' unless an
        amplitude is not positive; the numbers are left as published), and the columns of `parse_name` with
        preparation. ``attrs``: units, definition, source, licence, citation, groups, duplicates_removed.

    Raises
    ------
    ValueError
        The file is missing, or no such table.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"{path} is missing. It is data_feat.csv of the first revision of the originals' repository "
            "(fig3_xgboost_eap_iap/results); put it there by hand, or set CARDIO_DATA."
        )
    raw = fetch.read_csv(path)
    levels = [f"APD{level}" for level in ap.LEVELS]
    wanted = {name for name, _ in _COLUMNS.values()} | {"name", "t", "y1", "r3", "d3", "iap_sn", *levels}
    if gone := sorted(wanted - set(raw.columns)):
        raise ValueError(f"{path} lacks the columns {', '.join(gone)}: it is another table")
    count, values = len(raw), [name for name in raw.columns if name != "ind"]
    copies = raw.groupby(values, sort=False)["name"].transform("size")
    raw = raw.assign(copies=copies).drop_duplicates(values).reset_index(drop=True)
    table = pd.DataFrame({ours: _UNITS[unit] * raw[theirs] for ours, (theirs, unit) in _COLUMNS.items()})
    table = _derived(table, raw)
    table = table[[name for name in ap.FEATURES if name in table] + [n for n in table if n not in ap.FEATURES]]
    for level, theirs in zip(ap.LEVELS, levels, strict=True):
        table[f"apd{level}"] = 1000 * raw[theirs]
    units = {name: unit for name, (unit, _) in ap.FEATURES.items() if name in table}
    units |= {name: "mV" if name.endswith("value") else "ms" for name in table if name not in units}
    names = raw["name"].map({name: _recording_of(name) for name in raw["name"].unique()})
    group = preparations(names.unique())
    table = table.assign(iap_snr=raw["iap_sn"], beat_time=raw["t"], copies=raw["copies"], preparation=names.map(group))
    about = pd.DataFrame([parse_name(name) for name in names])
    table = pd.concat([table, about], axis=1)
    table.attrs = _attrs() | {
        "units": units | {"iap_snr": "dB", "beat_time": "s", "copies": "1"},
        "groups": "preparation",
    }
    table.attrs |= {"definition": "prominence", "duplicates_removed": count - len(table)}
    return table


def _derived(table, raw):
    """Columns that the published ones determine: alternatives of the widths, and rates in both scales."""
    unit = raw["ry1"] / raw["y1"] / 1000  # mV that the normalised trace is scaled by
    reason = np.full(len(raw), "", "<U64")
    for name, text in (("v1", "rise above its onset"), ("v2", "end above its trough"), ("vd", "end above its dip")):
        reason = np.where((reason == "") & (table[name] <= 0), f"the spike does not {text} ({name})", reason)
    return table.assign(
        t1_alt=table["peak_time"] - table["onset_time"],
        t2_alt=table["end_time"] - table["trough_time"],
        ts_alt=table["trough_time"] - table["onset_time"],
        v1_normalised=table["v1"] / unit,
        v2_normalised=table["v2"] / unit,
        vd_normalised=table["vd"] / unit,
        dr=raw["d3"] * FS * unit,
        ir=raw["r3"] * FS * unit,
        dr_normalised=raw["d3"] * FS,
        ir_normalised=raw["r3"] * FS,
        reason=reason,
    )
