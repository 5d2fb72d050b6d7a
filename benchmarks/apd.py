"""Action potential durations: speed against named peers in one run, agreement, and memory.

    python -m benchmarks.apd [--beats 2600] [--samples 8000] [--output apd.json]

Every peer gets the same beats in float64 on one thread, a subset where it is slow; ratios are of traces per
second, medians over rounds in which all take turns, so that a busy machine slows them alike.
"""

import argparse
import json
import platform
import resource
import time
import tracemalloc
from importlib.metadata import version
from pathlib import Path

import numba
import numpy as np
from scipy.signal import find_peaks, peak_widths

from cardio_utils import action_potential as ap

FS = 5000.0
TARGETS = {"peak_widths": 20, "ap_features": 100}


def beats(count, samples, noise=0.0005, seed=0):
    """(count, samples) beats of amplitude 1, 100 to 800 ms long, with noise, smoothed by a 4 ms mean."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / FS * 1000 - 200
    duration = rng.uniform(100, 0.5 * samples / FS * 1000, (count, 1))
    x = (1 - 0.25 * t / duration) / (1 + np.exp((t - duration) / 25)) / (1 + np.exp(-t / 0.8))
    x += noise * np.sqrt(20) * rng.standard_normal(x.shape)
    total = np.cumsum(np.pad(x, ((0, 0), (10, 10)), mode="edge"), axis=1)
    return (total[:, 20:] - total[:, :-20]) / 20


def by_peak_search(x):
    """One peak search and one `peak_widths` call a trace and level, as the originals' code is organised."""
    table = np.empty((len(x), len(ap.LEVELS)))
    for row, trace in enumerate(x):
        for column, level in enumerate(ap.LEVELS):
            peaks, _ = find_peaks(trace, distance=3500)
            peak = peaks[np.argmax(trace[peaks])]
            table[row, column] = peak_widths(trace, [peak], level / 100)[0][0]
    return table * 1000 / FS


def by_peak_widths(x):
    """One `peak_widths` call a trace and level at the known peak: the least that SciPy needs."""
    tops = x.argmax(axis=1)
    rows = [
        [peak_widths(trace, [top], level / 100)[0][0] for level in ap.LEVELS]
        for trace, top in zip(x, tops, strict=True)
    ]
    return np.array(rows) * 1000 / FS


def by_ap_features(x):
    """One `ap_features.features.apd` call (spline) a trace and level below 100 %, peak and base as ours."""
    from ap_features import features

    t = np.arange(x.shape[1]) / FS * 1000
    base = ap.apd(x, FS, definition="prominence")
    table = np.full((len(x), len(ap.LEVELS)), np.nan)
    for row, trace in enumerate(x):
        ends = {"v_r": base.rest[row], "v_max": base.peak[row]}
        table[row, :-1] = [features.apd(int(level), trace, t, **ends) for level in ap.LEVELS[:-1]]
    return np.where(table > 0, table, np.nan)  # -1 and 0 stand for "undefined" there


def ours(x):
    return ap.apd(x, FS, definition="prominence").apd


def rate(function, x):
    """Traces per second, and the result."""
    begin = time.perf_counter()
    result = function(x)
    return len(x) / (time.perf_counter() - begin), result


def speed(x, rounds=5):
    """Rates and results of everybody, all taking turns."""
    everybody = {
        "cardio_utils": (ours, x),
        "peak_widths": (by_peak_search, x[:40]),
        "peak_widths, peak known": (by_peak_widths, x[:100]),
        "ap_features": (by_ap_features, x[:8]),
    }
    ours(x[:300])  # compiled or read from the cache before the clock starts
    rates, results = {name: [] for name in everybody}, {}
    for _ in range(rounds):
        for name, (function, part) in everybody.items():
            measured, results[name] = rate(function, part)
            rates[name].append(measured)
    return {name: float(np.median(values)) for name, values in rates.items()}, results


def agreement(results):
    """Of each peer: durations that both define, share within 0.2 ms, largest difference (ms)."""
    mine, table = results["cardio_utils"], {}
    for name, theirs in results.items():
        if name == "cardio_utils":
            continue
        difference = np.abs(theirs - mine[: len(theirs)])
        known = difference[np.isfinite(difference)]
        table[name] = {
            "compared": known.size,
            "within_0.2_ms": float(np.mean(known <= 0.2)),
            "largest_ms": float(known.max()),
        }
    return table


def memory(x):
    """Peak of what NumPy allocates during `apd` beyond its input, and of the whole process (MB)."""
    tracemalloc.start()
    ap.apd(x, FS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"input_mb": x.nbytes / 1e6, "apd_adds_mb": peak / 1e6, "process_peak_mb": whole}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beats", type=int, default=2600)
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/apd.json"))
    arguments = parser.parse_args()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    x = beats(arguments.beats, arguments.samples)
    rates, results = speed(x)
    ratios = {name: rates["cardio_utils"] / rates[name] for name in rates if name != "cardio_utils"}
    numba.set_num_threads(threads)
    report = {
        "beats": arguments.beats,
        "samples": arguments.samples,
        "traces_per_second": rates | {f"cardio_utils, {threads} threads": max(rate(ours, x)[0] for _ in range(3))},
        "float32_traces_per_second": max(rate(ours, x.astype(np.float32))[0] for _ in range(3)),
        "ratios": ratios,
        "targets": TARGETS,
        "agreement": agreement(results),
        "memory": memory(x),
        "versions": {name: version(name) for name in ("numpy", "scipy", "numba", "ap_features")},
        "machine": platform.machine(),
    }
    for name, value in report["traces_per_second"].items():
        print(f"{name:26s}{value:10.0f} traces/s")
    for name, ratio in ratios.items():
        match, target = report["agreement"][name], TARGETS.get(name)
        verdict = f" (target {target}: {'met' if ratio >= target else 'MISSED'})" if target else ""
        print(
            f"{ratio:8.1f} times as fast as {name}{verdict}; {match['within_0.2_ms']:.1%} of "
            f"{match['compared']} durations within 0.2 ms, largest difference {match['largest_ms']:.2g} ms"
        )
    print("memory: " + ", ".join(f"{name} {value:.0f}" for name, value in report["memory"].items()))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
