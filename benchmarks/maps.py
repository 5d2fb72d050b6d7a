"""From leads to the heart: cases per second of the book's networks against the originals' two SqueezeNets.

    python -m benchmarks.maps [--batch 64] [--rounds 5] [--results book/results] [--output maps.json]

All are modules of this package, on one thread, in float32; weights and leads are random, and what is measured does not
depend on them. Ratios are of medians over rounds in which all take turns. Speed counts at equal or better error only:
the errors beside it are those of the full runs of chapters 08 and 09, where `--results` holds them.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cardio_utils.models.activation import ActivationNet, SqueezeNet1d
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.transmembrane import PotentialUNet

SITES, TIME = 75, 500
BUILD = {
    "activation times": {
        "ours": lambda: ActivationNet(torch.zeros(SITES), torch.ones(SITES)),
        "SqueezeNet": SqueezeNet1d,
    },
    "potentials": {
        "ours": lambda: PotentialUNet(torch.zeros(SITES, TIME)),
        "SqueezeNet": lambda: SqueezeNet1d(reduce=False, dropout=0.0),
    },
}
LEADS = {"ours": 8, "SqueezeNet": 12}
CHAPTER = {"activation times": "08_activation_map", "potentials": "09_transmembrane_potential"}


@torch.inference_mode()
def seconds(model, leads):
    """Seconds a case."""
    begin = time.perf_counter()
    model(leads)
    return (time.perf_counter() - begin) / len(leads)


def measure(models, batch, rounds):
    """Median seconds a case: task -> name -> value. All take turns, after one round to warm up."""
    leads = {name: torch.randn(batch, count, TIME) for name, count in LEADS.items()}
    times = {task: {name: [] for name in row} for task, row in models.items()}
    for turn in range(rounds + 1):
        for task, row in models.items():
            for name, model in row.items():
                taken = seconds(model, leads[name])
                if turn:
                    times[task][name].append(taken)
    return {task: {name: float(np.median(t)) for name, t in row.items()} for task, row in times.items()}


def errors(folder, chapter):
    """Mean absolute errors of the full run: split -> model -> value; empty where there is none."""
    path = Path(folder) / f"{chapter}.simulated.full.json"
    if not path.is_file():
        return {}
    found = {}
    for metric in json.loads(path.read_text())["metrics"]:
        split, model, *rest = metric["name"].split("/")
        if rest == ["mae"] and model in LEADS:
            found.setdefault(split, {})[model] = metric["value"]
    return {split: row for split, row in found.items() if len(row) == len(LEADS)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("book/results"))
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/maps.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    models = {task: {name: build().eval() for name, build in row.items()} for task, row in BUILD.items()}
    times = measure(models, arguments.batch, arguments.rounds)
    report = {
        "batch": arguments.batch,
        "parameters": {task: {name: count_parameters(m) for name, m in row.items()} for task, row in models.items()},
        "cases_per_second": {task: {name: 1 / t for name, t in row.items()} for task, row in times.items()},
        "ratios": {task: row["SqueezeNet"] / row["ours"] for task, row in times.items()},
        "errors": {task: errors(arguments.results, chapter) for task, chapter in CHAPTER.items()},
        "versions": {name: version(name) for name in ("numpy", "torch")},
        "machine": platform.machine(),
    }
    for task, row in report["cases_per_second"].items():
        ratio = report["ratios"][task]
        print(f"{task:18s}{row['ours']:8.0f} cases/s, SqueezeNet {row['SqueezeNet']:8.0f}: {ratio:.2f} times")
        for split, error in report["errors"][task].items():
            verdict = "met" if error["ours"] <= error["SqueezeNet"] else "MISSED"
            both = f"error {error['ours']:.2f}, SqueezeNet {error['SqueezeNet']:.2f}"
            print(f"  {split}: {both} (equal or better: {verdict})")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
