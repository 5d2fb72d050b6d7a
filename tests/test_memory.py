"""Data larger than memory: what is read in pieces needs the memory of a piece, however much there is.

Each reader works through files in a process of its own, whose largest resident memory is taken after a first small
piece, which loads the libraries, and after all the rest. The files are a fiftieth to a hundredth of those of the page
on scale.
"""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from cardio_utils.data import intracardiac, nea, twelve_lead

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.is_file(), reason="the system does not tell the peak of one process")

# getrusage would also count the process that this one was started by.
WATCH = f"""
import re, sys
folder = sys.argv[1]
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", open("{STATUS}").read())[1])
"""


def growth(code, folder):
    """Bytes by which the largest resident memory grows after the first piece; the code prints them last."""
    command = [sys.executable, "-c", WATCH + code, str(folder)]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    return int(outcome.stdout.splitlines()[-1])


CHANNELS = """
from cardio_utils import channels
def work(name):
    recording = channels.open_file(f"{folder}/{name}", inside=range(52))
    return channels.study(recording, None, None, None, chunk=10.0)
work("short.h5")
before = peak()
study = work("long.h5")
assert study.table["channel"].nunique() == 52 and study.table["time"].max() > 40
print(peak() - before)
"""


def test_an_hour_of_52_channels_is_studied_piece_by_piece(tmp_path):
    one = nea.load("multichannel", duration=20, seed=1, n_channels=2).nea.values[1]
    for name, seconds in (("short", 12), ("long", 50)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            data = file.create_dataset("traces", (52, 5000 * seconds), "f4", chunks=(1, 50_000))
            data.attrs["fs"], data.attrs["unit"] = 5000.0, "mV"
            for channel in range(52):
                data[channel] = np.resize(np.roll(one, 100 * channel), 5000 * seconds)
    size = (tmp_path / "long.h5").stat().st_size
    assert size > 50e6
    assert growth(CHANNELS, tmp_path) < 0.25 * size


TWELVE = """
import numpy as np
from cardio_utils.data import twelve_lead
def work(fold):
    ecg = twelve_lead.load("ptbxl", folder=folder, fs=500, folds=[fold])["ecg"]
    return len(ecg), np.sqrt(np.square(ecg).mean("time")).values.mean()
first, _ = work(1)
before = peak()
records = first + sum(work(fold)[0] for fold in range(2, 11))
assert records == 360, records
print(peak() - before)
"""


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ptbxl")
    few = twelve_lead.load(n_patients=60, fs=500, seed=1).isel(record=slice(0, 36))
    parts = [
        few.assign_coords(
            record=[str(100 * fold + k) for k in range(36)],
            patient=("record", [str(100 * fold + k) for k in range(36)]),
            fold=("record", np.full(36, fold)),
        )
        for fold in range(1, 11)
    ]
    twelve_lead.write(xr.concat(parts, "record"), folder)
    return folder


def test_ptb_xl_at_500_hz_is_read_fold_by_fold(ptbxl):
    assert growth(TWELVE, ptbxl) < 0.25 * 360 * 12 * 5000 * 4


PAIRS = """
from cardio_utils.data import intracardiac
intracardiac._BLOCK = 16  # 256 for cases a hundred times as many
def work(n=None):
    dataset = intracardiac.load("ucsd", folder=folder, n=n)
    intracardiac.calibration_table(dataset)
    return dataset.sizes["case"]
work(20)
before = peak()
assert work() == 300
print(peak() - before)
"""


def test_pairs_of_the_heart_stay_on_disk_until_they_are_used(tmp_path):
    folder = tmp_path / "intracardiac_dataset"
    intracardiac.write(intracardiac.load(n=300, seed=1), folder)
    size = sum(path.stat().st_size for path in folder.rglob("*.npy"))
    assert size > 90e6
    assert growth(PAIRS, folder) < 0.25 * size
