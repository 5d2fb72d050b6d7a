"""Damaged files: whatever is in one, its reader makes data of it or says in its own words, naming the file, why not.

A few dozen mutations a reader, always the same ones; CARDIO_FUZZ=5000 tries as many, other ones each time.
"""

import contextlib
import csv
import os
import pickle
import resource
import signal
import struct
import sys
import warnings
import zipfile
from functools import partial
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardio_utils import review
from cardio_utils.data import (
    fetch,
    heart_mesh,
    heartbeats,
    intracardiac,
    mepp,
    nea,
    nea_files,
    optical,
    potassium,
    traces,
    twelve_lead,
)
from cardio_utils.lead_algebra import TWELVE
from cardio_utils.simulate import intracardiac as simulated_heart
from cardio_utils.simulate import mepp as simulated_events

EXAMPLES = int(os.environ.get("CARDIO_FUZZ", 30))
SECONDS, BYTES = 5, 4 << 30  # that one file may take
TRACE = np.sin(np.arange(1200) / 20) - 70


# Small files that are right


def write_record(path, fmt, n=5000):
    """A WFDB record of twelve leads with annotations."""
    x = 0.3 * np.sin(np.arange(n) / 40)[:, None] * np.linspace(0.5, 1, 12)
    x[::400] += 1.0
    names = ["MLII", *TWELVE[1:]] if fmt == "212" else list(TWELVE)
    about = dict(fmt=[fmt] * 12, adc_gain=[50.0] * 12, baseline=[0] * 12, write_dir=str(path.parent))
    wfdb.wrsamp(path.stem, 500, ["mV"] * 12, names, x, comments=["age: 58"], **about)
    beats = np.arange(100, n, 100)
    wfdb.wrann(path.stem, "atr", beats, ["N"] * beats.size, fs=500, write_dir=str(path.parent))
    return path


def write_abf(path):
    from pyabf.abfWriter import writeABF1

    writeABF1(np.tile(TRACE, 4)[None], str(path), sampleRateHz=10_000, units="mV")
    return path


def write_wcp(path):
    """A file of WinWCP with one record of one channel."""
    lines = ["VER=9", "NC=1", "NR=1", "NBH=2", "NBA=2", "NBD=4", "ADCMAX=32767", "NP=1024", "AD=10.0", "DT=0.0001"]
    lines += ["NZ=1", "RTIME=17/11/2020 10:00:00", "YN0=Vm", "YU0=mV", "YG0=1.0", "YO0=0", ""]
    about = struct.pack("8s4sfff8f", b"ACCEPTED", b"TEST", 1.0, 0.0, 1e-4, *[200.0] * 8)
    counts = np.round(TRACE[:1024] / 200 * 32767).astype("<i2")
    path.write_bytes("\r\n".join(lines).encode().ljust(1024, b"\0") + about.ljust(1024, b"\0") + counts.tobytes())
    return path


def write_table(path, head="Time_ms,Vm (mV)", decimal="."):
    separator = "\t" if "\t" in head else ","
    rows = (f"{k / 10:.1f}{separator}{v:.4f}".replace(".", decimal) for k, v in enumerate(TRACE))
    path.write_bytes("\r\n".join([head, *rows, ""]).encode("cp1251"))
    return path


def write_npy(path, x=TRACE):
    np.save(path, x)
    return path


def write_events(path):
    data = simulated_events.simulate("normal", 1, 5.0, seed=0)
    table = mepp.events_of(data, 0)
    rise, decay = 1000 * (table.peak - table.onset), 1000 * table.tau_decay
    return mepp.write_events(table[["peak", "amplitude"]].assign(rise=rise, decay=decay), path)


def write_corrected(path):
    pd.DataFrame({"peak": [0.1, 0.2], "overlap": [True, False], "keep": ["keep", "reject"]}).to_csv(path, index=False)
    return path


def write_windows(path):
    with h5py.File(path, "w") as held:
        held["events"] = np.arange(1800.0).reshape(3, 600)
        held["scores"], held["raw_indices"] = [1, 0, 2], [10, 20, 30]
        held["cell_label"] = np.array([b"cell"] * 3)
    return path


def write_pairs(folder):
    windows = np.tile(1000 * TRACE, (4, 7))  # large enough to stay in the file
    path = folder / "eap_iap_data.pkl"
    path.write_bytes(pickle.dumps({f"{nea.TRAIN[0]}.pkl": (np.full(4, 60.0), *[windows] * 4)}, protocol=4))
    return path


def write_neighbours(folder):
    rng = np.random.default_rng(0)
    traces = [(1000 * rng.standard_normal(8000)).astype(np.int32) for _ in range(2)]
    rows = [",I,b,t1,t2,t3,t4,t5", "3,3,12,True,True,True,True,True", "4,4,13,True,True,True,True,False", ""]
    (folder / "f1_availabiliteis.csv").write_text("\n".join(rows))
    path = folder / nea_files._NEIGHBOURS
    path.write_bytes(pickle.dumps({("f1", 3, 4): traces}))
    return path


def write_features(path):
    columns = {name for name, _ in nea_files._COLUMNS.values()} | {"t", "y1", "r3", "d3", "iap_sn"}
    columns |= {f"APD{level}" for level in nea_files.ap.LEVELS}
    values = np.random.default_rng(0).uniform(1, 2, (5, len(columns)))
    table = pd.DataFrame(values, columns=sorted(columns))
    table.assign(name="W5FebD1_10nM_Dofe_51_52_8000").to_csv(path, index=False)
    return path


def write_optical(folder):
    t = np.arange(1, 2001) / 1e4
    path = folder / "optical" / "Drug4" / "Well01.csv"
    path.parent.mkdir(parents=True)
    np.savetxt(path, np.c_[t, np.sin(9 * t)], delimiter=",")
    (folder / "optical" / "rate-drug4.csv").write_text('"well","rate"\n1,1263.9\n6,775.7\n')
    cell = folder / "current-clamp" / "170124-cell-2-middle.csv"
    cell.parent.mkdir()
    np.savetxt(cell, np.c_[np.arange(1000) * 0.04, np.linspace(-70, 30, 1000)], delimiter=",")
    return path


def write_archive(folder):
    import tarfile

    write_optical(folder / "made")
    path = folder / "optical-and-patch-selection.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(folder / "made" / "optical", "optical")
    return path


def write_case(folder):
    places = {}
    case = intracardiac.case_name(simulated_heart.draw(1, volunteers=("v1",), seed=0)[0])
    place = folder / f"data_{case.split('_volunteer')[0]}"
    place.mkdir(parents=True)
    for prefix, width in (("pECGData", 10), ("VmData", 75)):
        places[prefix] = place / f"{prefix}_{case}.npy"
        np.save(places[prefix], np.linspace(-80, 30, 500)[:, None] * np.ones(width))
    return places["VmData"]


def write_mesh(path):
    points = [(x, y, z) for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)]
    cells = [(0, 1, 2, 4), (1, 2, 3, 7), (1, 2, 4, 7), (1, 4, 5, 7), (2, 4, 6, 7)]
    lines = [
        "# vtk DataFile Version 2.0",
        "a box",
        "ASCII",
        "DATASET UNSTRUCTURED_GRID",
        f"POINTS {len(points)} double",
    ]
    lines += [" ".join(map(str, point)) for point in points] + [f"CELLS {len(cells)} {5 * len(cells)}"]
    lines += [f"4 {' '.join(map(str, cell))}" for cell in cells] + [
        f"CELL_TYPES {len(cells)}",
        *["10"] * len(cells),
        "",
    ]
    path.write_text("\n".join(lines))
    return path


def write_sites(path):
    with open(path, "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["Points:0", "Points:1", "Points:2", "Name"])
        table.writerows([k, k / 2, -k, f"'{name}'"] for k, name in enumerate(intracardiac.SITES))
    return path


def write_ptbxl(folder):
    made = twelve_lead.load("simulated", n_patients=2, seed=0).isel(record=slice(2))
    twelve_lead.write(made, folder)
    return folder / "ptbxl_database.csv"


def write_leads(path):
    rows = 0.4 * np.sin(np.arange(600) / 9)[:, None] * np.linspace(0.5, 1, 12)
    pd.DataFrame(rows, columns=list(TWELVE)).to_csv(path, index=False)
    return path


LABELS = [f"LABEL[K: {name}]" for name in ("<= 2.5", "2.5 ~ 3.5", "3.5 ~ 5.5", "5.5 ~ 6.5", ">= 6.5")]


def write_test_folder(folder):
    t = np.arange(5000) / 500
    lead = np.exp(-(((t % 0.8) - 0.3) ** 2) / 2e-4) + 0.2 * np.exp(-(((t % 0.8) - 0.55) ** 2) / 4e-3)
    for k in range(2):
        rows = np.rint(100 * lead[:, None] * np.linspace(0.5, 1 + k, 12)).astype(int)
        pd.DataFrame(rows, columns=[f"lead{name}" for name in TWELVE]).to_csv(folder / f"{k:032x}.csv", index=False)
    table = pd.DataFrame(np.eye(5, dtype=int)[[1, 3]], columns=LABELS).assign(hash_id=[f"{k:032x}" for k in range(2)])
    table.to_csv(folder / "label.csv", index=False)
    return folder / f"{0:032x}.csv"


def write_mimic(folder):
    header = folder / "files" / "1.hea"
    header.parent.mkdir()
    write_record(header, "16")
    tables = {
        "record_list": {"subject_id": [7], "study_id": [1], "ecg_time": ["2150-01-01 08:00:00"], "path": ["files/1"]},
        "machine_measurements": {
            "subject_id": [7],
            "study_id": [1],
            "report_0": ["Sinus rhythm"],
            "rr_interval": [800],
        },
        "patients": {"subject_id": [7], "gender": ["F"], "anchor_age": [50], "anchor_year": [2148]},
        "labevents": {"subject_id": [7], "itemid": [50971], "charttime": ["2150-01-01 08:30:00"], "valuenum": [4.1]}
        | {"valueuom": ["mEq/L"], "comments": [""]},
    }
    for name, columns in tables.items():
        pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
    return folder


def write_kaggle(path):
    rows = np.random.default_rng(0).uniform(0, 1, (4, 188)).round(3)
    rows[:, -1] = [0, 1, 4, 2]
    np.savetxt(path, rows, delimiter=",", fmt="%g")
    return path


def write_ptb(folder):
    header = folder / "patient001" / "s1.hea"
    header.parent.mkdir()
    x = np.tile(np.sin(np.arange(5000) / 40)[:, None], 3)
    about = dict(fmt=["16"] * 3, adc_gain=[2000.0] * 3, baseline=[0] * 3, write_dir=str(header.parent))
    comments = ["Reason for admission: Healthy control"]
    wfdb.wrsamp("s1", 1000, ["mV"] * 3, ["i", "ii", "v1"], x, comments=comments, **about)
    return header


# Readers: what makes the file that is damaged, in an empty folder, and what reads it


def beats(folder, path):
    return heartbeats.read_recording(path.with_suffix(".hea"))


def of_mimic(folder, path):
    return potassium.load("mimic", folder=folder, laboratory=folder / "labevents.csv")


READERS = {
    "heartbeats header": (lambda f: write_record(f / "a.hea", "212", 600), beats),
    "heartbeats samples": (lambda f: write_record(f / "a.hea", "212", 600).with_suffix(".dat"), beats),
    "heartbeats annotations": (lambda f: write_record(f / "a.hea", "212", 600).with_suffix(".atr"), beats),
    "ptbdb header": (write_ptb, lambda f, p: heartbeats._read_ptbdb(f, "patient001/s1")),
    "kaggle": (
        lambda f: write_kaggle(f / "mitbih_test.csv"),
        lambda f, p: heartbeats._read_table(p, heartbeats._TABLES["mitbih_test"]),
    ),
    "twelve leads header": (lambda f: write_record(f / "a.hea", "16"), lambda f, p: twelve_lead.read_record(p)),
    "twelve leads samples": (
        lambda f: write_record(f / "a.hea", "16").with_suffix(".dat"),
        lambda f, p: twelve_lead.read_record(p.with_suffix(".hea")),
    ),
    "twelve leads in another format": (
        lambda f: write_record(f / "a.hea", "80"),
        lambda f, p: twelve_lead.read_record(p),
    ),
    "twelve leads table": (lambda f: write_leads(f / "a.csv"), lambda f, p: twelve_lead.read_record(p, fs=100.0)),
    "folder of records": (
        lambda f: write_record(f / "a.hea", "16"),
        lambda f, p: twelve_lead.load("wfdb", folder=f, fs=100.0),
    ),
    "ptbxl": (write_ptbxl, lambda f, p: twelve_lead.load("ptbxl", folder=f)),
    "potassium record": (write_test_folder, lambda f, p: potassium.load("folder", folder=f)),
    "potassium labels": (
        lambda f: write_test_folder(f).with_name("label.csv"),
        lambda f, p: potassium.load("folder", folder=f),
    ),
    "mimic records": (lambda f: write_mimic(f) / "record_list.csv", of_mimic),
    "mimic machine": (lambda f: write_mimic(f) / "machine_measurements.csv", of_mimic),
    "mimic patients": (lambda f: write_mimic(f) / "patients.csv", of_mimic),
    "mimic laboratory": (lambda f: write_mimic(f) / "labevents.csv", of_mimic),
    "nea pairs": (write_pairs, lambda f, p: nea_files.read_pairs(p)),
    "nea patch": (
        lambda f: write_npy(write_npy(f / "p1.npy").with_name("n1.npy")),
        lambda f, p: nea_files.read_patch(f),
    ),
    "nea neighbours": (write_neighbours, lambda f, p: nea_files.read_neighbours(f)),
    "nea usable channels": (
        lambda f: write_neighbours(f).with_name("f1_availabiliteis.csv"),
        lambda f, p: nea_files.read_neighbours(f),
    ),
    "nea channels": (
        lambda f: write_npy(f / "multichannels_data.npy", np.tile(TRACE, (3, 1))),
        lambda f, p: nea_files.read_multichannel(p),
    ),
    "nea features": (lambda f: write_features(f / "data_feat.csv"), lambda f, p: nea_files.read_features(p)),
    "optical": (write_optical, lambda f, p: optical.read(f)),
    "optical rates": (lambda f: write_optical(f).parents[1] / "rate-drug4.csv", lambda f, p: optical.read(f)),
    "optical archive": (write_archive, lambda f, p: optical.read(f)),
    "optical patch": (
        lambda f: next((write_optical(f).parents[2] / "current-clamp").glob("*.csv")),
        lambda f, p: optical.read_patch(f),
    ),
    "intracardiac": (
        write_case,
        lambda f, p: intracardiac.load("ucsd", folder=f, variables=("potentials", "vm", "activation")).load(),
    ),
    "mesh": (lambda f: write_mesh(f / "heart_mesh.vtk"), lambda f, p: heart_mesh.read_vtk(p)),
    "sites": (lambda f: write_sites(f / "points.csv"), lambda f, p: heart_mesh.read_points(p)),
    "abf": (lambda f: write_abf(f / "a.abf"), lambda f, p: mepp.read(p)),
    "wcp": (lambda f: write_wcp(f / "a.wcp"), lambda f, p: mepp.read(p)),
    "mepp table": (lambda f: write_table(f / "a.csv"), lambda f, p: mepp.read(p)),
    "raw export": (
        lambda f: write_table(f / "a.txt", "Время (мс)\tКанал 1 (мВ)", ","),
        lambda f, p: mepp.read(p),
    ),
    "corrected table": (lambda f: write_corrected(f / "events.csv"), lambda f, p: review.read_corrected(p)),
    "event table": (lambda f: write_events(f / "events.txt"), lambda f, p: mepp.read_events(p)),
    "scored windows": (
        lambda f: write_windows(f / "B_2020-06-09_002_example_training_data.h5"),
        lambda f, p: mepp.load("mini_epsc", folder=f),
    ),
    "trace": (lambda f: write_table(f / "a.csv"), lambda f, p: traces.read(p)),
    "trace npy": (lambda f: write_npy(f / "a.npy"), lambda f, p: traces.read(p, fs=10_000)),
    "pair": (
        lambda f: write_npy(f / "a.npy", np.stack([TRACE, TRACE[::-1]])),
        lambda f, p: traces.read_pair(p, fs=10_000),
    ),
    "pickle": (lambda f: write_neighbours(f), lambda f, p: fetch.load_pickle(p)),
}


# Ways to damage them


def foreign():
    """Contents of other kinds of files."""
    arrays = [np.array(["a", "b"]), np.zeros((2, 2, 2)), np.zeros(3, complex), np.zeros(0), np.array(1.0)]
    held = []
    for array in arrays:
        held.append(BytesIO())
        np.save(held[-1], array)
    with zipfile.ZipFile(held_zip := BytesIO(), "w") as archive:
        archive.writestr("a.csv", "1,2\n")
    texts = [
        "",
        "\n",
        "a",
        "<!DOCTYPE html><html></html>",
        "1,2\n3\n",
        "Time_ms,Vm\n",
        "\0" * 40,
        "é;ü\n1;2\n",
        "[]",
        ".",
    ]
    return (
        [text.encode() for text in texts]
        + [one.getvalue() for one in (*held, held_zip)]
        + [pickle.dumps(x) for x in ({}, [], {"a": 1}, {("f1", 1, 2): 3}, {"a": [1, 2, 3, 4, 5]}, partial(print))]
    )


WORDS = [b"nan", b"-1", b"0", b"inf", b"99999999999999", b"1e308", b"", b"abc", b'"', b",", b";", b"\t", b"\n", b"\0"]
WORDS += [b"\xff\xfe", b"\xc3\xa9", b"1e9", b"1000000", b".", b"-", b" ", b"'", b"x" * 300, b"../../a", b"2e5", b"/"]
PLACE = st.one_of(st.integers(0, 400), st.floats(0, 1))  # from the beginning, where most is said, or anywhere
CHANGE = st.one_of(
    st.tuples(st.just("byte"), PLACE, st.binary(min_size=1, max_size=4)),
    st.tuples(st.just("insert"), PLACE, st.one_of(st.binary(max_size=8), st.sampled_from(WORDS))),
    st.tuples(st.just("word"), PLACE, st.sampled_from(WORDS)),
    st.tuples(st.just("delete"), PLACE, st.integers(1, 200)),
    st.tuples(st.just("cut"), PLACE, st.none()),
)
DAMAGE = st.one_of(st.lists(CHANGE, min_size=1, max_size=4), st.binary(max_size=600), st.sampled_from(foreign()))


def damaged(content, damage):
    if isinstance(damage, bytes):
        return damage
    for how, place, what in damage:
        at = min(place, len(content)) if isinstance(place, int) else int(place * len(content))
        if how == "byte":
            content = content[:at] + what + content[at + len(what) :]
        elif how == "insert":
            content = content[:at] + what + content[at:]
        elif how == "word":
            ends = [k for k in range(at, min(at + 60, len(content))) if content[k : k + 1] in b" ,;\t\r\n=()/"]
            first, last = (*ends, at, at)[:2] if len(ends) > 1 else (at, at)
            content = content[: first + 1] + what + content[last:]
        elif how == "delete":
            content = content[:at] + content[at + what :]
        else:
            content = content[:at]
    return content


class Hang(BaseException):
    """A reader did not come back in time."""


@contextlib.contextmanager
def limits():
    """Time and memory that one file may take."""

    def stop(*_):
        raise Hang

    former = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor: a busy machine is no hang
    memory = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, memory[1]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)
        resource.setrlimit(resource.RLIMIT_AS, memory)


def is_own(error, folder, path):
    """Whether an error is the package's, names the file or its folder, and does not stand for a want of memory."""
    own = type(error) is ValueError or type(error).__module__.startswith("cardio_utils")
    cause = error
    while cause is not None:
        own &= not isinstance(cause, MemoryError)
        cause = cause.__cause__ or cause.__context__
    return own and any(name in str(error) for name in (path.name, path.stem, folder.name))


@pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of Unix")
@pytest.mark.parametrize("name", READERS)
def test_only_the_package_s_own_errors_come_out(name, tmp_path, monkeypatch):
    make, read = READERS[name]
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CARDIO_DATA", str(folder))
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    path = make(folder)
    content = path.read_bytes()
    with limits():
        read(folder, path)  # the file that is right

    @settings(
        max_examples=EXAMPLES,
        derandomize="CARDIO_FUZZ" not in os.environ,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(DAMAGE)
    def holds(damage):
        path.write_bytes(damaged(content, damage))
        try:
            with limits():
                read(folder, path)
        except Exception as error:
            if not is_own(error, folder, path):
                raise

    holds()
