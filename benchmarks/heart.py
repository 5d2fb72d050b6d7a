"""A heart's beat: activation and electrode potentials, speed and accuracy against what they stand for.

    python -m benchmarks.heart [--rounds 20] [--fine 1.0] [--output heart.json]

Activation: shortest travel times on the voxel graph against fast marching (Sethian 1996, first order, compiled
here with numba, since no package of it has a wheel), both isotropic, on the same voxels. The truth is fast marching
on a grid three times as fine, and in a slab the distance itself. Electrocardiogram: lead field, histogram and FFT
against the dense sum over all faces between voxels of the full potentials of all nodes. Peers take turns; ratios
are medians of seconds a case, one thread.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numba
import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from cardio_utils.simulate import heart as engine
from cardio_utils.simulate import intracardiac as ic

SPEED = 0.5  # mm/ms
MUSCLE = engine.Conduction(SPEED, SPEED, 0.0, 0.0)
START = 6.0  # mm around the source within which fast marching is given the distance


@numba.njit(cache=True)
def _sift(heap, value, size, k):
    """Restore the order of a binary heap of nodes below place k."""
    while True:
        child = 2 * k + 1
        if child >= size:
            return
        if child + 1 < size and value[heap[child + 1]] < value[heap[child]]:
            child += 1
        if value[heap[k]] <= value[heap[child]]:
            return
        heap[k], heap[child] = heap[child], heap[k]
        k = child


@numba.njit(cache=True)
def _push(heap, value, size, node):
    k = size
    heap[k] = node
    while k > 0 and value[heap[k]] < value[heap[(k - 1) // 2]]:
        heap[k], heap[(k - 1) // 2] = heap[(k - 1) // 2], heap[k]
        k = (k - 1) // 2


@numba.njit(cache=True)
def _update(least, step):
    """Upwind solution of the eikonal equation from the smaller neighbour along each axis."""
    a, b, c = np.sort(least)
    t = a + step
    if t > b:
        t = 0.5 * (a + b + np.sqrt(2 * step**2 - (a - b) ** 2))
        if t > c:
            t = (a + b + c + np.sqrt((a + b + c) ** 2 - 3 * (a * a + b * b + c * c - step**2))) / 3
    return t


@numba.njit(cache=True)
def fast_marching(near, start, step):
    """Arrival times; `near` (node, 6) neighbours or -1 in pairs of an axis, `start` times or infinity."""
    value, done = start.copy(), np.zeros(len(start), np.bool_)
    heap, size = np.empty(8 * len(start), np.int64), 0
    for node in np.flatnonzero(np.isfinite(start)):
        _push(heap, value, size, node)
        size += 1
    least = np.empty(3)
    while size:
        node = heap[0]
        size -= 1
        heap[0] = heap[size]
        _sift(heap, value, size, 0)
        if done[node]:
            continue
        done[node] = True
        for other in near[node]:
            if other < 0 or done[other] or np.isfinite(start[other]):
                continue
            for axis in range(3):
                least[axis] = np.inf
                for side in near[other, 2 * axis : 2 * axis + 2]:
                    if side >= 0 and done[side]:
                        least[axis] = min(least[axis], value[side])
            t = _update(least, step)
            if t < value[other]:
                value[other] = t
                _push(heap, value, size, other)
                size += 1
    return value


def faces(points, spacing):
    """Neighbours (node, 6) across the faces of voxels, -1 where there is none."""
    index = np.rint((points - points.min(0)) / spacing).astype(int) + 1
    lookup = np.full(index.max(0) + 2, -1)
    lookup[tuple(index.T)] = np.arange(len(points))
    offsets = [side * np.eye(3, dtype=int)[axis] for axis in range(3) for side in (-1, 1)]
    return np.stack([lookup[tuple((index + offset).T)] for offset in offsets], 1)


def march(points, near, spacing, source):
    distance = np.linalg.norm(points - source, axis=1)
    return fast_marching(near, np.where(distance <= START, distance / SPEED, np.inf), spacing / SPEED)


def error(found, truth):
    """Mean and largest absolute difference (ms), and the mean of the truth."""
    difference = np.abs(found - truth)
    return {"mean_ms": difference.mean(), "largest_ms": difference.max(), "of_mean_ms": truth.mean()}


def slab(spacing=3.0):
    """Both in a slab of 120 x 90 x 18 mm, where the arrival time is distance over speed."""
    index = np.stack(np.meshgrid(np.arange(40), np.arange(30), np.arange(6), indexing="ij"), -1).reshape(-1, 3)
    points, source = index * spacing, (20 * 30 + 15) * 6 + 3
    truth = np.linalg.norm(points - points[source], axis=1) / SPEED
    start, end, offsets = engine.neighbours(index)
    length = np.linalg.norm(offsets, axis=1) * spacing / SPEED
    graph = sparse.csr_matrix((length, (start, end)), (len(points),) * 2)
    found = dijkstra(graph, directed=False, indices=source)
    marched = march(points, faces(points, spacing), spacing, points[source])
    return {"graph": error(found, truth), "fast marching": error(marched, truth)}


def activation(heart, fine, rounds):
    """Seconds a source, and errors against fast marching on the fine grid."""
    node = heart.nearest((29.0, 0.0, -15.0))
    source, spacing = heart.points[node], heart.anatomy.spacing
    graph, near = heart.edge_times(MUSCLE), faces(heart.points, spacing)
    march(heart.points, near, spacing, source)
    seconds = {"graph": [], "fast marching": []}
    for _ in range(rounds):
        for name, solve in (
            ("graph", lambda: dijkstra(graph, indices=node)),
            ("fast marching", lambda: march(heart.points, near, spacing, source)),
        ):
            begin = time.perf_counter()
            result = solve()
            seconds[name].append(time.perf_counter() - begin)
            seconds[name + " result"] = result
    small = fine.anatomy.spacing
    truth = march(fine.points, faces(fine.points, small), small, source)
    distance, where = cKDTree(fine.points).query(heart.points)
    same = (distance < small) & np.isfinite(truth[where])
    errors = {n: error(seconds[f"{n} result"][same], truth[where][same]) for n in ("graph", "fast marching")}
    return {name: float(np.median(seconds[name])) for name in errors}, errors


def dense(heart, rotation, positions, nodes, apd):
    """Electrode potentials without a lead field: every node's course, every face, every ms."""
    vm = engine.transmembrane(nodes, apd)
    smooth = gaussian_filter1d(vm, 2.5, axis=1, truncate=3.6, mode="nearest")
    torso = heart.points @ rotation.T
    inverse = 1 / np.linalg.norm(positions[:, None] - torso[None], axis=2)
    pair = heart.faces.tocoo()
    i, j = pair.row[pair.row < pair.col], pair.col[pair.row < pair.col]
    return -0.2 * heart.anatomy.spacing * (inverse[:, i] - inverse[:, j]) @ (smooth[i] - smooth[j])


def electrocardiogram(heart, rounds):
    """Seconds a beat, and how far the two are apart."""
    rotation, positions = engine.orientation(), engine.electrodes()
    field, nodes = heart.lead_field(positions, rotation), heart.sinus()
    apd = heart.durations(nodes)
    peers = {
        "lead field": lambda: engine.surface_potentials(field, nodes, apd),
        "dense": lambda: dense(heart, rotation, positions, nodes, apd),
    }
    seconds, results = {name: [] for name in peers}, {}
    for k in range(rounds + 1):
        for name, solve in peers.items():
            if name == "dense" and k > 3:
                continue
            begin = time.perf_counter()
            results[name] = solve()
            seconds[name].append(time.perf_counter() - begin)
    inner = slice(10, 590)  # the filter of the dense sum has no margin
    ours, truth = (results[name][:, inner] for name in ("lead field", "dense"))
    difference = {
        "rms_percent": 100 * np.sqrt(np.mean((ours - truth) ** 2) / np.mean(truth**2)),
        "largest_mv": np.abs(ours - truth).max(),
        "peak_mv": np.abs(truth).max(),
    }
    return {name: float(np.median(s[1:])) for name, s in seconds.items()}, difference


def cases(n=200):
    """Seconds a whole case of chapters 08 and 09, hearts included, over one heart's share of the design."""
    chosen = ic.draw(n, volunteers=("v1", "v2"))
    list(ic.chunks(chosen[:2]))
    ic.subject.cache_clear()
    begin = time.perf_counter()
    for _ in ic.chunks(chosen):
        pass
    return (time.perf_counter() - begin) / n


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--fine", type=float, default=1.0, help="spacing of the reference grid, mm")
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/heart.json"))
    arguments = parser.parse_args()
    heart, fine = engine.Heart(), engine.Heart(engine.Anatomy(spacing=arguments.fine))
    eikonal, errors = activation(heart, fine, arguments.rounds)
    ecg, difference = electrocardiogram(heart, arguments.rounds)
    report = {
        "nodes": len(heart.points),
        "reference_nodes": len(fine.points),
        "seconds": {"activation": eikonal, "electrocardiogram": ecg, "case": cases()},
        "ratios": {
            "fast marching": eikonal["fast marching"] / eikonal["graph"],
            "dense": ecg["dense"] / ecg["lead field"],
        },
        "activation_error": errors,
        "slab_error": slab(),
        "electrocardiogram_difference": difference,
        "versions": {name: version(name) for name in ("numpy", "scipy", "numba")},
        "machine": platform.machine(),
    }
    for name, ratio in report["ratios"].items():
        print(f"{ratio:8.2f} times as fast as {name}")
    for place in ("activation_error", "slab_error"):
        for name, e in report[place].items():
            mean, largest = f"{e['mean_ms']:.2f} ms of {e['of_mean_ms']:.0f}", f"{e['largest_ms']:.1f} ms"
            print(f"{place}, {name}: mean {mean}, largest {largest}")
    print("electrocardiogram: " + ", ".join(f"{name} {value:.3g}" for name, value in difference.items()))
    print(f"activation {1e3 * eikonal['graph']:.1f} ms, electrocardiogram {1e3 * ecg['lead field']:.1f} ms,", end=" ")
    print(f"a whole case {1e3 * report['seconds']['case']:.1f} ms")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2, default=float) + "\n")


if __name__ == "__main__":
    main()
