"""Events in long recordings: a minute and an hour at 10 kHz, against the originals' ways.

    python -m benchmarks.mepp [--threads 2] [--hour 3600] [--output mepp.json]

The network is the one that comes with the package, or else an untrained one of its size: time does not depend on
weights. The hour is a file on the disk that is read in pieces, in a process of its own, whose largest resident memory
counts. The originals' autoencoder is run window by window as theirs is, on a stretch, and extrapolated. Known from
elsewhere, and not measured here: miniML takes 9.0 s for a minute on a machine of two cores.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cardio_utils import detectors
from cardio_utils.data import mepp
from cardio_utils.models.mepp import Autoencoder, EventNet, MiniUNet
from cardio_utils.simulate.mepp import shape

FS = 10_000.0
MINUTE_S, HOUR_S, PEAK_GB = 1.0, 60.0, 1.0  # targets
WINDOWS = 3000  # of the originals' 600,000, one by one


def event_detector():
    """The network that comes with the package, or an untrained one."""
    if detectors.WEIGHTS.is_file():
        return detectors.load()
    template = shape(np.arange(200) / FS, 5e-4, 3.5e-3)
    learned = detectors.deconvolution(template, FS).kernel
    return detectors.EventDetector(model=EventNet().eval(), shape=template, learned=learned, threshold=0.0)


def seconds(work, rounds=3):
    """Median of some rounds, after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:]))


@torch.inference_mode()
def window_by_window(trace):
    """The originals' autoencoder for each sample: reconstruct 40 samples, keep the mean error. Seconds, scaled up."""
    model = Autoencoder().eval()
    windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(trace, 40)[:WINDOWS].copy())
    begin = time.perf_counter()
    for window in windows:
        (model(window[None]) - window).abs().mean().item()
    return (time.perf_counter() - begin) / WINDOWS * len(trace)


def minute():
    """Seconds for 60 s of each detector."""
    trace = mepp.load(tier="hard", n_recordings=1, duration=60.0).vm.values[0]
    template = shape(np.arange(200) / FS, 5e-4, 3.5e-3)
    ways = {
        "network": event_detector(),
        "matched filter": detectors.MatchedFilter(shape=template),
        "template": detectors.Clements(shape=template),
        "deconvolution": detectors.deconvolution(template, FS),
        "peaks": detectors.PeakFinder(),
        "originals' MiniUNet": detectors.Segmentation(model=MiniUNet()),
    }
    times = {name: seconds(lambda d=d: detectors.candidates(d, trace, FS)) for name, d in ways.items()}
    return times | {"originals' autoencoder": window_by_window(trace)}


def hour(path, n):
    """Detect the events of a file of `n` samples: seconds, events, peak memory in GB of this process."""
    trace = np.memmap(path, np.float32, "r", shape=(n,))
    begin = time.perf_counter()
    found = detectors.detect(event_detector(), trace, FS)[0]
    taken = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    return {"seconds": taken, "events": len(found), "peak_gb": peak}


def in_a_process_of_its_own(length, threads):
    """`hour` of a recording of so many seconds, one simulated minute repeated."""
    one = mepp.load(tier="hard", n_recordings=1, duration=60.0).vm.values[0]
    with tempfile.TemporaryDirectory() as folder:
        path, n = Path(folder, "hour.raw"), round(length * FS)
        with path.open("wb") as file:
            for start in range(0, n, len(one)):
                file.write(one[: n - start].tobytes())
        command = [sys.executable, "-m", "benchmarks.mepp", "--threads", str(threads), "--file", str(path)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hour", type=float, default=3600.0, help="length of the long recording, s")
    parser.add_argument("--file", type=Path, help="detect in this file of float32 and print the result, no more")
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/mepp.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.file:
        print(json.dumps(hour(arguments.file, arguments.file.stat().st_size // 4)))
        return
    times, long = minute(), in_a_process_of_its_own(arguments.hour, arguments.threads)
    for name, taken in times.items():
        print(f"60 s, {name:24s}{taken:8.2f} s, {taken / times['network']:7.1f} times the network")
    report = {
        "threads": arguments.threads,
        "minute": times,
        "ratios": {name: taken / times["network"] for name, taken in times.items()},
        "hour": long | {"length": arguments.hour},
        "versions": {name: version(name) for name in ("numpy", "scipy", "torch")},
        "machine": platform.machine(),
    }
    an_hour = long["seconds"] * 3600 / arguments.hour
    targets = (times["network"], MINUTE_S), (an_hour, HOUR_S), (long["peak_gb"], PEAK_GB)
    for (value, target), what in zip(targets, ("s a minute", "s an hour", "GB at most"), strict=True):
        print(f"{value:.2f} {what} (target {target:g}: {'met' if value <= target else 'MISSED'})")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
