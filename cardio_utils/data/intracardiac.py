"""Electrocardiograms with what the muscle did: simulated cases, published and of the book's own engine.

A case is one ventricular beat of 500 ms: potentials at ten electrodes on the body and transmembrane potentials at 75
sites of the ventricles. Chapters 08 and 09 use this module.

The published set (Landajuela 2022) is itself a simulation. Both sources have its names and its file layout:
folders ``data_<study>`` of pairs ``pECGData_<study>_<parameters>.npy`` (500, 10) and ``VmData_...npy`` (500, 75).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from cardio_utils import physics, watched
from cardio_utils.data import fetch
from cardio_utils.simulate import heart as engine
from cardio_utils.simulate import intracardiac as simulator
from cardio_utils.simulate.intracardiac import COLUMNS, ELECTRODES, SAMPLES, SITES, VOLUNTEERS, Case

__all__ = [
    "COLUMNS",
    "ELECTRODES",
    "SITES",
    "VOLUNTEERS",
    "Case",
    "Split",
    "activation_time",
    "calibration_table",
    "case_name",
    "check",
    "download",
    "load",
    "manifest",
    "parse_name",
    "split",
    "twelve_leads",
    "write",
]

LICENCE = "see the folder license of the published archive"
CITATION = "Landajuela M, Anirudh R, Blake R (2022) UC San Diego Library, doi:10.6075/J0SN094N."

_FOLDER = "intracardiac_dataset"
_PARTS = range(1, 23)
_URL = "https://library.ucsd.edu/dc/object/bb29449106/_{}_1.{}/download"
_WIDTHS = {"potentials": len(ELECTRODES), "vm": len(SITES)}
_PREFIXES = {"potentials": "pECGData", "vm": "VmData"}
_BLOCK = 256  # cases read at a time
_STUDY = re.compile(r"(hearts_dd_0p2(?:_geo|_inn|_act_[1-3]|_bcl|_gkr|_I)*)_(.+)")
_TOKENS = {"volunteer": r"v\d+", "pattern": r"\d+", "innerindex": r"\d+", "bcl": r"\d+", "gkr": r"\d{3}"}


def case_name(case):
    """The name of a case as the published files have it, without the kind of file and its ending.

    Parameters
    ----------
    case : Case

    Returns
    -------
    str
    """
    initiation = f"pattern.{case.pattern}" if case.pattern >= 0 else f"innerindex.{case.innerindex}"
    if case.study == "hearts_dd_0p2":
        return f"{case.study}_volunteer.{case.volunteer}_{initiation}"
    tokens = [initiation, f"volunteer.{case.volunteer}"]
    if not np.isnan(case.gkr):
        tokens.insert(0, f"gkr.{round(100 * case.gkr):03d}")
    if not np.isnan(case.bcl):
        tokens.insert(0, f"bcl.{case.bcl:.0f}")
    return f"{case.study}_{'.'.join(tokens)}"


def parse_name(name):
    """What the name of a file or a case says.

    Parameters
    ----------
    name : str
        ``pECGData_hearts_dd_0p2_geo_act_3_bcl_bcl.1000.pattern.0.volunteer.v1.npy``, with or without the kind of
        file (``pECGData``, ``VmData``) and the ending.

    Returns
    -------
    Case

    Raises
    ------
    ValueError
        A token is unknown, a value impossible, or heart or initiation are not named.
    """
    bare = str(name).removesuffix(".npy").removeprefix("pECGData_").removeprefix("VmData_")
    if not (found := _STUDY.fullmatch(bare)):
        raise ValueError(f"{name}: no name of a case; it has the form hearts_dd_0p2[_...]_volunteer.v1_pattern.0")
    study, values = found[1], {}
    tokens = iter(re.split(r"[._]", found[2]))
    for token in tokens:
        if token not in _TOKENS:
            raise ValueError(
                f"{name}: unknown token {token!r}; known are {', '.join(_TOKENS)}. Rename the file, or remove it."
            )
        value = next(tokens, "")
        if token in values or not re.fullmatch(_TOKENS[token], value):
            raise ValueError(f"{name}: {token} is {value!r}, or is given twice")
        values[token] = value
    return _case(name, study, values)


def _case(name, study, values):
    volunteer = values.get("volunteer", "none")
    if volunteer not in VOLUNTEERS:
        raise ValueError(f"{name}: there is no volunteer {volunteer}; known are {', '.join(VOLUNTEERS)}")
    pattern, inner = (int(values.get(key, -1)) for key in ("pattern", "innerindex"))
    if (pattern < 0) == (inner < 0) or pattern >= simulator.PATTERNS or inner >= len(SITES):
        raise ValueError(
            f"{name}: a case has a pattern (0 to {simulator.PATTERNS - 1}) or an innerindex (0 to {len(SITES) - 1})"
        )
    act = re.search(r"_act_(\d)", study)
    bcl, gkr = (float(values[key]) if key in values else np.nan for key in ("bcl", "gkr"))
    return Case(study, volunteer, pattern, inner, bcl, gkr / 100, int(act[1]) if act else 0)


@fetch.reader
def manifest(folder=None, *, volunteers=None, studies=None):
    """The cases of a folder in the published layout, by name; no array is read.

    Parameters
    ----------
    folder : path, optional
        Default ``intracardiac_dataset`` in the folder of real data.
    volunteers, studies : sequence of str, optional
        Only these. Folders of other studies are not looked into.

    Returns
    -------
    pandas.DataFrame
        One row a case, sorted by study, heart, initiation, rate and I_Kr: the fields of `Case`, and the paths
        `potentials` and `vm`.

    Raises
    ------
    ValueError
        A volunteer or a study is unknown, a name cannot be parsed, a file has no partner, a case is there twice,
        or there is none.
    """
    import pandas as pd

    folder = Path(folder) if folder is not None else fetch.folder() / _FOLDER
    places = sorted(path for path in folder.rglob("data_hearts_*") if path.is_dir())
    present = {path.name.removeprefix("data_") for path in places}
    _known("volunteer", volunteers, VOLUNTEERS)
    _known("study", studies, present)
    found = {kind: {} for kind in _PREFIXES}
    for place in places:
        if studies is None or place.name.removeprefix("data_") in studies:
            _collect(place, volunteers, found)
    for kind, other in (("vm", "potentials"), ("potentials", "vm")):
        if lonely := sorted(found[kind].keys() - found[other].keys()):
            raise ValueError(
                f"{found[kind][lonely[0]]} has no partner {_PREFIXES[other]}_{lonely[0]}.npy beside it ({len(lonely)} "
                "such). Unpack its archive again, or remove it."
            )
    if not found["vm"]:
        raise ValueError(f"{folder} holds no pair pECGData_*.npy and VmData_*.npy of what was asked for")
    rows = [parse_name(name)._asdict() | {kind: found[kind][name] for kind in found} for name in found["vm"]]
    order = ["study", "_heart", "pattern", "innerindex", "bcl", "gkr"]
    table = pd.DataFrame(rows)
    table["_heart"] = table["volunteer"].str[1:].astype(int)
    return table.sort_values(order, ignore_index=True).drop(columns="_heart")


def _known(what, wanted, known):
    if isinstance(wanted, str):
        raise ValueError(f"give several names of what is a {what} as a sequence, not as the text {wanted!r}")
    if gone := sorted(set(wanted or ()) - set(known)):
        raise ValueError(f"there is no {what} {', '.join(map(str, gone))}; known are {', '.join(sorted(known))}")


def _collect(place, volunteers, found):
    """Enter the files of one study: name of the case -> path, for each kind."""
    for path in sorted(place.glob("*.npy")):
        kind = {prefix: kind for kind, prefix in _PREFIXES.items()}.get(path.name.split("_")[0])
        if kind is None:
            raise ValueError(f"{path} is neither pECGData nor VmData. Remove what is not of the set.")
        name = path.stem.split("_", 1)[1]
        case = parse_name(path.name)
        if volunteers is not None and case.volunteer not in volunteers:
            continue
        if name in found[kind]:
            raise ValueError(f"{path} and {found[kind][name]} are the same case. Remove one of them.")
        found[kind][name] = path


def _open(path, width):
    """One file as an array (500, width) whose values stay on disk; its shape is checked."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path} is no whole NumPy file ({error}). Unpack its archive again.") from error
    what = "sites" if width == len(SITES) else "electrodes"
    if array.shape == (width, SAMPLES):
        raise ValueError(
            f"{path} is transposed: {array.shape}, where time comes first. Save it as ({SAMPLES}, {width})."
        )
    if array.ndim != 2 or array.dtype.kind != "f":
        raise ValueError(f"{path} holds {array.dtype} of shape {array.shape}, not floats ({SAMPLES}, {width})")
    if array.shape[0] != SAMPLES:
        raise ValueError(f"{path} has {array.shape[0]} samples; a case has {SAMPLES}. Unpack its archive again.")
    if array.shape[1] != width:
        raise ValueError(f"{path} has {array.shape[1]} {what}; a case has {width}. Unpack its archive again.")
    return array


class _Files(BackendArray):
    """Arrays of many files as one (case, column, time), of which is read what is asked for."""

    def __init__(self, paths, width):
        self.paths = np.array(paths, dtype=object)
        self.width, self.shape, self.dtype = width, (len(paths), width, SAMPLES), np.dtype(np.float32)
        for path in paths:
            _open(path, width)

    def __getitem__(self, key):
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key):
        chosen, column, time = key
        one = np.ndim(self.paths[chosen]) == 0
        parts = [_open(path, self.width).T[column][..., time] for path in np.atleast_1d(self.paths[chosen])]
        shape = np.broadcast_to(0, self.shape[1:])[column][..., time].shape
        result = np.stack(parts).astype(np.float32) if parts else np.empty((0, *shape), np.float32)
        return result[0] if one else result


def activation_time(vm, *, threshold=0.0, definition="interpolated", axis=-1):
    """When a transmembrane potential first exceeds a threshold.

    Parameters
    ----------
    vm : array_like
        mV, one sample a ms along `axis`.
    threshold : float
        mV.
    definition : {'interpolated', 'first_sample'}
        'interpolated': where the line between the last sample at or below the threshold and the first one above it
        crosses it; NaN if that never happens, 0 if the first sample is above. 'first_sample': the originals'
        definition, the index of the first sample above; 0 if there is none.
    axis : int
        Axis of time.

    Returns
    -------
    ndarray
        ms from the first sample, float64, the shape of `vm` without `axis`.

    Raises
    ------
    ValueError
        The definition is unknown.
    """
    if definition not in ("interpolated", "first_sample"):
        raise ValueError(f"definition must be 'interpolated' or 'first_sample', not {definition!r}")
    vm = np.moveaxis(np.asarray(vm), axis, -1)
    above = vm > threshold
    first = above.argmax(-1)
    if definition == "first_sample":
        return first.astype(float)
    after, before = (
        np.take_along_axis(vm, k[..., None], -1)[..., 0].astype(float) for k in (first, np.maximum(first - 1, 0))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = first - np.where(first > 0, (after - threshold) / (after - before), 0.0)
    return np.where(above.any(-1), crossing, np.nan)


def load(
    source="simulated",
    *,
    n=None,
    volunteers=None,
    studies=None,
    variables=("potentials", "vm", "activation"),
    seed=0,
    spacing=3.0,
    folder=None,
):
    """Cases of body surface potentials and what the muscle did.

    Parameters
    ----------
    source : {'simulated', 'ucsd'}
        'simulated': `cardio_utils.simulate.intracardiac`. 'ucsd': the published set in the folder
        ``intracardiac_dataset`` of CARDIO_DATA, downloaded once if it is not there (5.2 GB).
    n : int, optional
        Number of cases, drawn at random with `seed`; a smaller draw is contained in a larger one. Default: 2,000
        simulated, all published.
    volunteers, studies : sequence of str, optional
        Only these hearts ('v1', 'v2', 'v4', ..., 'v16') and groups of cases. Nothing else is read or simulated.
    variables : sequence of str
        Out of 'potentials', 'vm' and 'activation'. Without 'vm', 16,000 cases take 0.3 GB and not 2.7.
    seed : int
        Of the draw, and of the simulated hearts.
    spacing : float
        Of the simulated hearts, mm.
    folder : path, optional
        Of the published set, in place of the one in CARDIO_DATA.

    Returns
    -------
    xarray.Dataset
        `potentials` (case, electrode, time) and `vm` (case, site, time), float32, mV; `activation` (case, site),
        float32, ms: `activation_time` of Vm. Published potentials stay on disk until they are used.
        Coordinates of case: heart, study, pattern (0 to 28, -1 for focal pacing), pacing_site (its name, '' for a
        pattern), bcl (ms) and gkr (factor on I_Kr), NaN where the study does not vary them, act (level of
        conduction, 0 to 3), activation_group (cases that differ in rate or I_Kr only). Of site: segment (the
        transmural column), layer, and x, y, z (mm) in the simulator's mean heart. time (s) from the stimulus.

    Raises
    ------
    ValueError
        A source, a variable, a volunteer or a study is unknown, `n` is too large, or a file does not fit.
    fetch.FetchError
        The published set could not be downloaded.
    """
    if source not in ("simulated", "ucsd"):
        raise ValueError(f"source must be 'simulated' or 'ucsd', not {source!r}")
    if unknown := set(variables) - {"potentials", "vm", "activation"}:
        raise ValueError(f"there is no variable {', '.join(sorted(unknown))}; known are potentials, vm, activation")
    _known("volunteer", volunteers, VOLUNTEERS)
    if source == "simulated":
        cases = simulator.draw(2000 if n is None else n, volunteers=volunteers, studies=studies, seed=seed)
        arrays = _simulate(cases, variables, seed, spacing)
        return _dataset(cases, arrays, {"source": "simulated", "licence": "MIT", "citation": "this book"})
    table = _published(folder, volunteers, studies, n, seed)
    arrays = {}
    for kind in _PREFIXES:
        if kind in variables or (kind == "vm" and "activation" in variables):
            arrays[kind] = indexing.LazilyIndexedArray(_Files(table[kind].tolist(), _WIDTHS[kind]))
    cases = [Case(*row) for row in table[list(Case._fields)].itertuples(index=False)]
    dataset = _dataset(cases, arrays, {"source": "ucsd", "licence": LICENCE, "citation": CITATION})
    if "activation" in variables:
        dataset["activation"] = ("case", "site"), _activations(dataset["vm"]), _ACTIVATION
    return dataset.drop_vars(set(dataset.data_vars) - set(variables))


_ACTIVATION = {"units": "ms", "long_name": "activation time"}


def _simulate(cases, variables, seed, spacing):
    """Arrays of simulated cases, filled in as they come."""
    from tqdm import tqdm

    shapes = {kind: (width, SAMPLES) for kind, width in _WIDTHS.items()} | {"activation": (len(SITES),)}
    arrays = {name: np.empty((len(cases), *shapes[name]), np.float32) for name in shapes if name in variables}
    with tqdm(total=len(cases), desc="simulating", unit="case", disable=not watched(), leave=False) as bar:
        for rows, electrodes, vm in simulator.chunks(cases, seed=seed, spacing=spacing):
            made = {"potentials": electrodes.swapaxes(1, 2), "vm": vm.swapaxes(1, 2)}
            if "activation" in arrays:
                made["activation"] = activation_time(made["vm"])
            for name, array in arrays.items():
                array[rows] = made[name]
            bar.update(len(rows))
    return arrays


def _published(folder, volunteers, studies, n, seed):
    folder = Path(folder) if folder is not None else fetch.folder() / _FOLDER
    if _incomplete(folder):
        download(folder)
    table = manifest(folder, volunteers=volunteers, studies=studies)
    if n is None:
        return table
    if not 1 <= n <= len(table):
        raise ValueError(f"n is between 1 and the {len(table)} cases that are there, not {n}")
    keep = np.sort(np.random.default_rng(seed).permutation(len(table))[:n])
    return table.iloc[keep].reset_index(drop=True)


def _activations(vm):
    blocks = (vm[i : i + _BLOCK] for i in range(0, vm.sizes["case"], _BLOCK))
    return np.concatenate([activation_time(block.values) for block in blocks]).astype(np.float32)


def _layer(site):
    return {"EPI": "epi", "MID": "mid", "SEPTM": "mid"}.get(site.split("_")[0], "endo")


def _dataset(cases, arrays, attrs):
    """Data set of cases and their arrays."""
    dims = {"potentials": ("electrode", "time"), "vm": ("site", "time"), "activation": ("site",)}
    units = {"potentials": {"units": "mV"}, "vm": {"units": "mV"}, "activation": _ACTIVATION}
    initiations = [f"pattern {c.pattern}" if c.pattern >= 0 else f"site {SITES[c.innerindex]}" for c in cases]
    columns = {
        "case": [case_name(c) for c in cases],
        "heart": [c.volunteer for c in cases],
        "study": [c.study for c in cases],
        "pattern": np.array([c.pattern for c in cases], np.int16),
        "pacing_site": [SITES[c.innerindex] if c.pattern < 0 else "" for c in cases],
        "bcl": np.array([c.bcl for c in cases]),
        "gkr": np.array([c.gkr for c in cases]),
        "act": np.array([c.act for c in cases], np.int8),
        "activation_group": [f"{c.volunteer}, {i}, act {c.act}" for c, i in zip(cases, initiations, strict=True)],
    }
    coords = {name: ("case", np.asarray(column)) for name, column in columns.items()}
    coords["bcl"] += ({"units": "ms"},)
    positions = simulator.site_positions(engine.Anatomy())
    coords |= {axis: ("site", positions[:, k], {"units": "mm"}) for k, axis in enumerate("xyz")}
    coords |= {
        "electrode": list(ELECTRODES),
        "site": list(SITES),
        "segment": ("site", list(COLUMNS)),
        "layer": ("site", [_layer(site) for site in SITES]),
        "time": ("time", np.arange(SAMPLES) / 1000, {"units": "s", "long_name": "time from the stimulus"}),
    }
    data = {name: xr.Variable(("case", *dims[name]), array, units[name]) for name, array in arrays.items()}
    return xr.Dataset(data, coords, attrs | {"fs": 1000.0, "groups": "heart"})


def check(dataset):
    """Refuse what is not a set of cases as `load` gives it, for instance a reader's own.

    Parameters
    ----------
    dataset : xarray.Dataset

    Returns
    -------
    xarray.Dataset
        `dataset`.

    Raises
    ------
    ValueError
        A variable is missing, dimensions are in another order or of another length, values are not finite, or Vm is
        not in mV.
    """
    wanted = {"potentials": ("electrode", len(ELECTRODES)), "vm": ("site", len(SITES))}
    for name, (dim, size) in wanted.items():
        if name not in dataset:
            raise ValueError(f"the data set has no variable {name}")
        array = dataset[name]
        if array.dims != ("case", dim, "time"):
            raise ValueError(
                f"{name} has the dimensions {array.dims}, not ('case', '{dim}', 'time'): is it transposed?"
            )
        if array.shape[1:] != (size, SAMPLES):
            raise ValueError(f"{name} is {array.shape[1:]} a case; {size} {dim}s of {SAMPLES} samples are expected")
        for i in range(0, array.sizes["case"], _BLOCK):
            _check_values(name, array[i : i + _BLOCK].values, dataset["case"].values[i : i + _BLOCK])
    return dataset


def _check_values(name, values, cases):
    if (bad := ~np.isfinite(values).all((1, 2))).any():
        raise ValueError(f"{name} of {cases[bad.argmax()]} is not finite")
    if name == "vm" and (bad := (np.abs(values).max((1, 2)) > 150) | (np.ptp(values, (1, 2)) < 5)).any():
        worst = bad.argmax()
        raise ValueError(
            f"vm of {cases[worst]} is between {values[worst].min():g} and {values[worst].max():g}: is it in mV?"
        )


def twelve_leads(potentials):
    """The twelve standard leads of cases.

    Parameters
    ----------
    potentials : xarray.DataArray
        With the dimension electrode, as in a data set of `load`.

    Returns
    -------
    xarray.DataArray
        With the dimension lead in place of electrode; see `cardio_utils.physics.twelve_leads`. Eight of them, I, II
        and V1 to V6, determine the others.

    Raises
    ------
    ValueError
        The electrodes are other ones, or in another order.
    """
    if tuple(potentials["electrode"].values.tolist()) != ELECTRODES:
        raise ValueError(f"the electrodes must be {', '.join(ELECTRODES)} in this order")
    axis = potentials.get_axis_num("electrode")
    leads = physics.twelve_leads(np.moveaxis(potentials.values, axis, 0))
    dims = tuple("lead" if dim == "electrode" else dim for dim in potentials.dims)
    coords = {name: c for name, c in potentials.coords.items() if "electrode" not in c.dims}
    coords["lead"] = list(physics.LEADS)
    return xr.DataArray(np.moveaxis(leads, 0, axis), coords, dims, "leads", {"units": "mV"})


_LEADS = {  # published, mV: standard deviation, least and greatest value of each lead
    "I": (0.52, -5.95, 4.51),
    "II": (0.47, -5.57, 4.22),
    "III": (0.37, -3.57, 4.24),
    "aVR": (0.46, -4.29, 5.47),
    "aVL": (0.39, -4.22, 3.56),
    "aVF": (0.33, -3.16, 3.02),
    "V1": (0.37, -2.45, 2.98),
    "V2": (0.30, -2.34, 2.36),
    "V3": (0.26, -2.51, 2.21),
    "V4": (0.23, -2.31, 2.01),
    "V5": (0.19, -1.97, 1.70),
    "V6": (0.22, -2.33, 2.13),
}
_PUBLISHED = {  # unit and value
    "latest activation": ("ms", 185.0),
    "activation, SD": ("ms", 34.0),
    "Vm at rest": ("mV", -85.7),
    "Vm, least": ("mV", -93.09),
    "Vm, greatest": ("mV", 49.53),
    "Vm, range": ("mV", 142.62),
    "Vm, mean": ("mV", -22.5),
    "Vm, SD": ("mV", 47.5),
    "Vm, peak of a beat": ("mV", 28.0),
    "Vm, back at -80 mV": ("ms", 340.0),
    "peak of the T wave": ("ms", 340.0),
} | {
    f"{lead}, {what}": ("mV", v[k]) for k, what in enumerate(("SD", "least", "greatest")) for lead, v in _LEADS.items()
}


def calibration_table(dataset):
    """Statistics of cases beside those of the published set, which the simulator was set by.

    Published are values over the whole set, some as ranges, whose middle is given, or read off figures. Extremes grow
    with the number of cases.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `load`, with all variables.

    Returns
    -------
    pandas.DataFrame
        Index: quantity. Columns: unit, published, ours, ratio (ours to published).
        SD of a lead is that of all samples; mean and SD of Vm are means over the sites. Rest is the last sample of a
        case, the peak the greatest one, both as medians, as are the return to -80 mV, in cases of the base study,
        and the T wave: the greatest root mean square of the leads after 230 ms.
    """
    import pandas as pd

    blocks = (dataset.isel(case=slice(i, i + _BLOCK)) for i in range(0, dataset.sizes["case"], _BLOCK))
    leads, vm, beats = zip(*map(_statistics, blocks), strict=True)
    activation = dataset["activation"].values.astype(float)
    lead_values, vm_values = _moments(leads), _moments(vm)
    rest, peak, back, wave = (np.nanmedian(np.concatenate(parts)) for parts in zip(*beats, strict=True))
    ours = {
        "latest activation": np.nanmax(activation),
        "activation, SD": np.nanstd(activation),
        "Vm at rest": rest,
        "Vm, least": vm_values["least"].min(),
        "Vm, greatest": vm_values["greatest"].max(),
        "Vm, range": vm_values["greatest"].max() - vm_values["least"].min(),
        "Vm, mean": vm_values["mean"].mean(),
        "Vm, SD": vm_values["SD"].mean(),
        "Vm, peak of a beat": peak,
        "Vm, back at -80 mV": back,
        "peak of the T wave": wave,
    }
    for name in ("SD", "least", "greatest"):
        ours |= {f"{lead}, {name}": lead_values[name][k] for k, lead in enumerate(_LEADS)}
    table = pd.DataFrame(_PUBLISHED, index=["unit", "published"]).T.astype({"published": float})
    table["ours"] = pd.Series(ours)
    return table.assign(ratio=table["ours"] / table["published"]).rename_axis("quantity")


def _statistics(block):
    """Sums and extremes of leads and Vm by row; rest, peak, return to rest by beat, and T wave by case."""
    leads, vm = twelve_leads(block["potentials"]).values, block["vm"].values
    late = 230 + np.square(leads[..., 230:].astype(float)).mean(1).argmax(-1).astype(float)
    back = SAMPLES - (vm[..., ::-1] > -80).argmax(-1).astype(float)
    back[block["study"].values != "hearts_dd_0p2"] = np.nan
    beats = vm[..., -1].ravel(), vm.max(-1).ravel(), back.ravel(), late
    return _sums(leads.astype(float)), _sums(vm.astype(float)), beats


def _sums(rows):
    axes = (0, 2)
    count = rows.shape[0] * rows.shape[2]
    return count, rows.sum(axes), np.square(rows).sum(axes), rows.min(axes), rows.max(axes)


def _moments(parts):
    count, total, squares, least, greatest = zip(*parts, strict=True)
    mean = np.sum(total, 0) / sum(count)
    spread = np.sqrt(np.sum(squares, 0) / sum(count) - mean**2)
    return {"mean": mean, "SD": spread, "least": np.min(least, 0), "greatest": np.max(greatest, 0)}


class Split(NamedTuple):
    """Positions of the cases of each part, int64, ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


_FOLDS = {"random": 20, "heart": 5, "site": 5}


def split(dataset, kind="heart", *, fold=0, folds=None, seed=0):
    """Parts for training, validation and test that share no activation.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `load`.
    kind : {'random', 'heart', 'site'}
        'random': activations are dealt out, 90, 5 and 5 percent, for comparison with published work, which deals
        out cases 95 to 5: hearts and pacing sites are on all sides. 'heart': hearts (of 15: 9, 3 and 3). 'site':
        initiations, 60, 20 and 20 percent of the patterns and of the paced segments; the sites of one segment, which
        lie millimetres apart, stay together.
    fold : int
        Which of the parts is the test; the next one is for validation. Over all folds each case is tested once.
    folds : int, optional
        Number of parts, at least 3; default 20 for 'random', 5 for the others.
    seed : int

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        The kind is unknown, there is no such fold, or a part would be empty.
    """
    if kind not in _FOLDS:
        raise ValueError(f"kind must be one of {', '.join(_FOLDS)}, not {kind!r}")
    folds = _FOLDS[kind] if folds is None else folds
    if folds < 3 or not 0 <= fold < folds:
        raise ValueError(f"fold {fold} of {folds}: folds are counted from 0, and there are at least 3")
    part = _deal(_units(dataset, kind), folds, seed)
    test, validation = part == fold, part == (fold + 1) % folds
    result = Split(*(np.flatnonzero(mask) for mask in (~(test | validation), validation, test)))
    if not all(map(len, result)):
        raise ValueError(f"there are too few groups for {folds} folds by {kind}")
    return result


def _units(dataset, kind):
    """What a split keeps together: (kind of initiation, label) of each case."""
    if kind == "heart":
        return [("", heart) for heart in dataset["heart"].values.tolist()]
    if kind == "random":
        return [("", group) for group in dataset["activation_group"].values.tolist()]
    segment = dict(zip(SITES, COLUMNS, strict=True))
    pairs = zip(dataset["pattern"].values.tolist(), dataset["pacing_site"].values.tolist(), strict=True)
    return [("focus", segment[site]) if site else ("pattern", str(pattern)) for pattern, site in pairs]


def _deal(units, folds, seed):
    """Number of the part of each case: units are shuffled and dealt out, those of one kind after the other."""
    rng = np.random.default_rng(seed)
    known = sorted(set(units))
    shuffled = sorted((known[i] for i in rng.permutation(len(known))), key=lambda unit: unit[0])
    part = {unit: k % folds for k, unit in enumerate(shuffled)}
    return np.array([part[unit] for unit in units])


def write(dataset, folder, *, dtype=np.float64):
    """Write cases in the published layout, which `load` reads back equal.

    Written heart by heart (`load` with `volunteers`), a set of any size needs the memory of one heart.

    Parameters
    ----------
    dataset : xarray.Dataset
        With `potentials` and `vm`.
    folder : path
        Becomes the ``intracardiac_dataset``; files of the same name are replaced.
    dtype : dtype
        Of the files; the published ones are float64.

    Returns
    -------
    int
        Number of pairs.

    Raises
    ------
    ValueError
        The data set is not as `check` wants it, or a name is not that of a case.
    fetch.FetchError
        No space is left.
    """
    check(dataset)
    for i, name in enumerate(dataset["case"].values.tolist()):
        case = parse_name(name)
        for kind, prefix in _PREFIXES.items():
            target = Path(folder) / f"data_{case.study}" / f"{prefix}_{name}.npy"
            with fetch.whole(target) as temporary, open(temporary, "wb") as stream:
                np.save(stream, np.ascontiguousarray(dataset[kind][i].values.T.astype(dtype)))
    return dataset.sizes["case"]


def _marker(folder, part):
    return folder / ".parts" / f"{part:02d}.done"


def _incomplete(folder):
    """Whether parts are missing: none is there, or a download was begun and not finished."""
    if (folder / ".parts").is_dir():
        return not all(_marker(folder, part).exists() for part in _PARTS)
    return not any(folder.rglob("data_hearts_*"))


def download(folder=None, parts=_PARTS):
    """Download and unpack the published set; what is there already is not fetched again.

    Parameters
    ----------
    folder : path, optional
        Default ``intracardiac_dataset`` in the folder of real data.
    parts : iterable of int
        Out of 1 (the description) and 2 to 22 (archives); default all, 5.2 GB.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        There is no such part.
    fetch.FetchError
        A part could not be downloaded, or its archive is damaged.
    """
    folder = Path(folder) if folder is not None else fetch.folder() / _FOLDER
    if unknown := sorted(set(parts) - set(_PARTS)):
        raise ValueError(f"there is no part {', '.join(map(str, unknown))}; parts are 1 to {_PARTS[-1]}")
    for part in parts:
        if _marker(folder, part).exists():
            continue
        if part == 1:
            fetch.retrieve(_URL.format(1, "md"), None, folder / "README.md")
        else:
            archive = fetch.retrieve(_URL.format(part, "tgz"), None, folder / ".parts" / f"{part:02d}.tgz")
            _unpack(archive, folder)
        _marker(folder, part).parent.mkdir(parents=True, exist_ok=True)
        _marker(folder, part).touch()
    return folder


def _unpack(archive, folder):
    """Put what an archive holds into the folder, merging folders that several archives share."""
    work = archive.with_suffix("")
    shutil.rmtree(work, ignore_errors=True)
    try:
        fetch.unpack(archive, work)
    except fetch.FetchError as error:
        archive.unlink()  # there is no checksum to tell a damaged archive from a good one before
        raise fetch.FetchError(f"{error} It was removed; call again to download it.") from error
    inner = work / _FOLDER
    shutil.copytree(inner if inner.is_dir() else work, folder, dirs_exist_ok=True, copy_function=shutil.move)
    shutil.rmtree(work)
    archive.unlink()
