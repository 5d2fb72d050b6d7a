"""Potassium: our network against the repaired ECG12Net, in parameters and in the time of an epoch.

    python -m benchmarks.potassium [--records 128] [--output potassium.json]

One thread; ratios are of medians over rounds in which all take turns. Weights are random and records are noise: what is
measured does not depend on them. ECG12Net is measured on what the chapter gives it, twelve median beats of 96 samples,
and on what it was published for, 1,024 samples of twelve leads; ours on eight median beats.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cardio_utils import potassium
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.potassium import ECG12Net, PotassiumNet

PARAMETERS, TIME = 10, 5
CONTEXT = 12
BATCH = 32


def step(network, x, mask, context, target, loss, optimizer, low_precision):
    """Forward, loss, backward and update of one batch."""
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        output = network(x, mask, context)
    loss(output, target).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def seconds_a_record(shapes, records, rounds, low_precision):
    """Median seconds a record of a training epoch, name -> value."""
    loss = potassium.ordinal_loss()
    works = {}
    for name, (make, leads, samples) in shapes.items():
        torch.manual_seed(0)
        network = make().train()
        batch = (torch.randn(BATCH, leads, samples), torch.ones(BATCH, leads, dtype=torch.bool))
        target = torch.tensor(potassium.encode_k_concentration(np.linspace(2, 7, BATCH))[0])
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)
        works[name] = (network, *batch, torch.randn(BATCH, CONTEXT), target, loss, optimizer, low_precision)
    times = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            begin = time.perf_counter()
            for _ in range(max(1, records // BATCH)):
                step(*work)
            if turn:
                times[name].append(time.perf_counter() - begin)
    count = BATCH * max(1, records // BATCH)
    return {name: float(np.median(each)) / count for name, each in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/potassium.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shapes = {
        "ours": (lambda: PotassiumNet(CONTEXT), 8, 96),
        "ECG12Net, median beats": (lambda: ECG12Net(CONTEXT), 12, 96),
        "ECG12Net, 1,024 samples": (lambda: ECG12Net(CONTEXT), 12, 1024),
    }
    parameters = {name: count_parameters(make()) for name, (make, _, _) in shapes.items()}
    seconds = {
        kind: seconds_a_record(shapes, arguments.records, arguments.rounds, low)
        for kind, low in (("float32", False), ("bfloat16", True))
    }
    fewer = parameters["ECG12Net, median beats"] / parameters["ours"]
    print(f"parameters: ours {parameters['ours']:,}, ECG12Net {fewer:.1f} times as many (target {PARAMETERS}: "
          f"{'met' if fewer >= PARAMETERS else 'MISSED'})")  # fmt: skip
    ratios = {}
    for kind, row in seconds.items():
        for name in list(row)[1:]:
            ratio = ratios[f"{name}, {kind}"] = row[name] / row["ours"]
            verdict = "met" if ratio >= TIME else "MISSED"
            print(f"{kind:9s} ours {1000 * row['ours']:6.2f} ms a record, {name} {1000 * row[name]:8.2f} ms: "
                  f"{ratio:.1f} times (target {TIME}: {verdict})")  # fmt: skip
    report = {"parameters": parameters, "seconds_a_record": seconds, "ratios": ratios | {"parameters": fewer}}
    report |= {"versions": {name: version(name) for name in ("numpy", "torch")}, "machine": platform.machine()}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
