"""The stem-cell-derived cardiomyocyte: compiled code against the same scheme in vectorised NumPy.

    python -m benchmarks.cells [--cells 64] [--steps 5000] [--output cells.json]

Both integrate the same cells with the same step, tables and order of operations on one thread: the peer holds each
state as an array over the cells. Ratios are of processor time, medians over rounds in which both take turns.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numba
import numpy as np

from cardio_utils import physics
from cardio_utils.simulate import cells as simulate

TARGET = 20
STEP = 0.1  # ms


def between(table, position):
    """Rows of a table at fractional positions, (cell, column)."""
    row = np.clip(position.astype(int), 0, len(table) - 2)
    below = table[row]
    return below + (position - row)[:, None] * (table[row + 1] - below)


def by_numpy(scale, state, steps):
    """Membrane potential (cell, step) and the state after the last: `physics.paci_2018` over arrays of cells."""
    voltage, calcium = physics._paci_tables(STEP)
    g, y = scale.T, dict(zip(physics.PACI_STATES, state.T.copy(), strict=True))
    v, ca, sr, na = y["V"], y["Ca_i"], y["Ca_SR"], y["Na_i"]
    gate = state[:, 4:17].copy()
    f1, f_ca, a, o, c = y["f1"], y["fCa"], y["RyR_a"], y["RyR_o"], y["RyR_c"]
    opens, shuts, recovers, inactivates, binds = -np.expm1(-STEP / np.array([18.75, 1.875, 175.0, 87.5, 2.0]))
    membrane = 98.7109 / (8.8 * 96485.3415)
    e_k, rtf, e_ks_0 = physics._E_K, physics._RTF, np.log((5.4 + 0.03 * 151.0) / 150.0)
    trace = np.empty((len(v), steps), np.float32)
    for n in range(steps):
        trace[:, n] = v
        row = between(voltage, (v - physics._V_LOW) / physics._V_STEP).T
        store = between(calcium, (np.log(ca) - physics._CA_LOW) / physics._CA_STEP).T
        gate += (row[:13].T - gate) * row[14:27].T
        d, f2, xr1, xr2, xs, xf, q, r, m, h, j, m_late, h_late = gate.T
        slower = np.where(row[13] > f1, 1 + 1433 * (ca - 50e-6), 1.0)
        x = row[27] / slower
        f1 = f1 + (row[13] - f1) * x * (1 - x / 2 * (1 - x / 3))
        f_ca = f_ca + np.where((v > -60) & (store[0] > f_ca), 0.0, (store[0] - f_ca) * binds)

        to_na = v - rtf * np.log(151.0 / na)
        x = 0.0002 * na
        e_ks = rtf * (e_ks_0 - x * (1 - x / 2 * (1 - x / 1.5)))
        i_na = (
            g[0] * 3.6712302 * m * m * m * h * j + g[1] * 0.01725 * m_late * m_late * m_late * h_late + 9.5e-4
        ) * to_na
        i_ca = g[2] * 8.635702e-5 * d * f1 * f2 * f_ca * (ca * row[28] - row[29])
        i_ca += store[5] + 7.27272e-4 * (v - store[2])
        i_k = (g[3] * 0.0298667 * xr1 * xr2 + g[6] * 0.0299038 * q * r) * (v - e_k)
        i_k += g[4] * 0.002041 * xs * xs * store[1] * (v - e_ks) + g[5] * row[30]
        i_f = g[7] * 0.03010312 * xf
        i_naca = g[8] * (row[31] * na * na * na - row[32] * ca)
        i_nak = g[9] * row[33] * na / (na + 40)

        a = a + (store[3] - a) * (STEP / 1000)
        rise = np.exp((1000 * ca - a) / 0.003)
        x = 1 / (1 + np.exp(0.01042 / 0.003) / rise)
        o = o + (x - o) * np.where(x > o, opens, shuts)
        x = 1 / (1 + rise * rise * rise * np.exp(-0.00144 / 0.001))
        c = c + (x - c) * np.where(x > c, recovers, inactivates)
        release = g[10] * 0.0625434 / (1 + np.exp((0.3 - sr) / 0.1)) * o * c * (sr - ca)
        to_store = g[11] * store[4] - release - 4.7279e-7 * (sr - ca)
        d_ca = -to_store - (i_ca - 2 * i_naca) * membrane / 2
        sr = sr + STEP * (8.8 / 0.58373) * to_store / (1 + 3.0 / (sr + 0.3) ** 2)
        ca = ca + STEP * d_ca / (1 + 0.25e-3 / (ca + 0.001) ** 2)
        na = na - STEP * (i_na + 3 * i_nak + 3 * i_naca + 0.42 * i_f * to_na) * membrane
        v = v - STEP * (i_na + i_ca + i_k + i_f * (v + 17) + i_naca + i_nak)
    return trace, np.column_stack([v, sr, ca, na, gate, f1, f_ca, a, o, c])


def ours(scale, state, steps):
    trace, after = physics.paci_2018(scale, steps * STEP / 1000, fs=10_000.0, state=state)
    return trace, after[:, :-1]


def seconds(function, *arguments):
    """Processor time, and the result."""
    begin = time.process_time()
    result = function(*arguments)
    return time.process_time() - begin, result


def measure(scale, steps, rounds=5):
    """Nanoseconds a cell and step of both, their ratio, and how far their results are apart."""
    state = simulate.simulate(scale, 1.0).state
    state[:, -1] = 0.0
    ours(scale, state, 10)  # compiled or read from the cache before the clock starts
    times, work = {"cardio_utils": [], "numpy": []}, len(scale) * steps * 1e-9
    for _ in range(rounds):
        spent, (trace, after) = seconds(ours, scale, state, steps)
        times["cardio_utils"].append(spent / work)
        spent, (peer, peer_after) = seconds(by_numpy, scale, state, steps)
        times["numpy"].append(spent / work)
    apart = np.abs(after - peer_after) / np.abs(after).max(axis=0)
    return {
        "nanoseconds": {name: float(np.median(values)) for name, values in times.items()},
        "ratio": float(np.median(np.divide(times["numpy"], times["cardio_utils"]))),
        "upstrokes": int(((trace[:, 1:] > -20) & (trace[:, :-1] <= -20)).sum()),
        "largest_difference_mv": float(np.abs(trace - peer).max()),
        "largest_relative_difference_of_a_state": float(apart.max()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/cells.json"))
    arguments = parser.parse_args()
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    scale = simulate.population(arguments.cells, seed=0)
    result = measure(scale, arguments.steps)
    numba.set_num_threads(threads)
    begin = time.perf_counter()
    physics.paci_2018(scale, 5.0)
    spent = time.perf_counter() - begin
    report = {
        "cells": arguments.cells,
        "steps": arguments.steps,
        "target": TARGET,
        **result,
        "simulated_seconds_per_second": {"threads": threads, "value": arguments.cells * 5.0 / spent},
        "versions": {name: version(name) for name in ("numpy", "numba")},
        "machine": platform.machine(),
    }
    for name, value in result["nanoseconds"].items():
        print(f"{name:14s}{value:10.0f} ns a cell and step")
    verdict = "met" if result["ratio"] >= TARGET else "MISSED"
    print(
        f"{result['ratio']:.1f} times as fast as NumPy (target {TARGET}: {verdict}) for {arguments.cells} cells; "
        f"{result['upstrokes']} upstrokes, largest difference {result['largest_difference_mv']:.1g} mV, "
        f"of a state {result['largest_relative_difference_of_a_state']:.1g} of its range"
    )
    print(f"{arguments.cells * 5.0 / spent:.0f} s of one cell's recording a second on {threads} threads")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
