"""Twelve leads from a few: all sets of leads from one matrix, networks against the originals' one, reading of records.

    python -m benchmarks.leads [--records 200] [--batch 16] [--output leads.json]

One thread; ratios are of medians over rounds in which all take turns. Weights are random, records simulated: what is
measured does not depend on them. The originals' network runs at its own 250 Hz, ours at 100 Hz, each on ten seconds.
"""

import argparse
import json
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cardio_utils import leads
from cardio_utils.data import twelve_lead
from cardio_utils.models.layers import count_parameters
from cardio_utils.models.leads import OriginalsLeadNet

TARGET = 10
VISIBLE = "I+II+V3"
FS = {"ours": 100, "originals": 250}


def medians(works, rounds):
    """Median seconds of callables that take turns, after one round to warm up."""
    times = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return {name: float(np.median(each)) for name, each in times.items()}


def refit_each(x):
    """Least squares of the samples, once for each of the 255 sets."""
    rows = x.transpose(0, 2, 1).reshape(-1, 8)
    return [
        np.linalg.lstsq(rows[:, mask], rows[:, ~mask], rcond=None)[0] for mask in leads.all_sets() if not mask.all()
    ]


def ranking(x, rounds):
    """Seconds for the linear models of all sets, without lags, with and without the one matrix."""
    works = {"one matrix": lambda: leads.subset_ranking(leads.gram(x, 0)), "refitting": lambda: refit_each(x)}
    return medians(works, rounds)


def training_step(network, x, mask, low_precision):
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        output = network.train()(x, mask)
    leads.waveform_loss()(output, None).backward()
    network.zero_grad(set_to_none=True)


@torch.inference_mode()
def inference(network, x, mask):
    network.eval()(x, mask)


def networks(known, batch, rounds):
    """Seconds a record: work -> network -> value."""
    mask = leads.lead_set(VISIBLE)
    models = {"ours": leads.lead_network(known), "originals": OriginalsLeadNet(mask)}
    works = {"inference": inference, "training": lambda *a: training_step(*a, False),
             "training, bf16": lambda *a: training_step(*a, True)}  # fmt: skip
    seconds = {}
    for work, function in works.items():
        data = {name: (torch.randn(batch, 8, 10 * FS[name]), torch.from_numpy(np.tile(mask, (batch, 1))))
                for name in models}  # fmt: skip
        found = medians({n: (lambda n=n, f=function: f(models[n], *data[n])) for n in models}, rounds)  # noqa: B023
        seconds[work] = {name: value / batch for name, value in found.items()}
    return seconds, {name: count_parameters(model) for name, model in models.items()}


def reading(dataset, rounds):
    """Records a second from files, by our reader and by `wfdb.rdrecord` in a loop."""
    import wfdb

    with tempfile.TemporaryDirectory() as folder:
        twelve_lead.write(dataset, folder)
        names = sorted(str(path.with_suffix("")) for path in Path(folder).rglob("*.hea"))
        seconds = medians(
            {
                "ours": lambda: twelve_lead.load("ptbxl", folder=folder),
                "wfdb": lambda: [wfdb.rdrecord(n) for n in names],
            },
            rounds,
        )
    return {name: len(names) / value for name, value in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/leads.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = twelve_lead.load("simulated", n_patients=arguments.records)
    dataset = dataset.isel(record=slice(arguments.records))
    x = leads.records(dataset).x
    rank = ranking(x, arguments.rounds)
    net, parameters = networks(leads.gram(x), arguments.batch, arguments.rounds)
    read = reading(dataset, arguments.rounds)
    ratios = {"all sets": rank["refitting"] / rank["one matrix"], "reading": read["ours"] / read["wfdb"]}
    ratios |= {work: row["originals"] / row["ours"] for work, row in net.items()}
    report = {
        "records": len(x),
        "batch": arguments.batch,
        "parameters": parameters,
        "seconds_for_all_sets": rank,
        "milliseconds_a_record": {w: {n: 1000 * t for n, t in row.items()} for w, row in net.items()},
        "records_read_a_second": read,
        "ratios": ratios,
        "versions": {name: version(name) for name in ("numpy", "torch", "wfdb")},
        "machine": platform.machine(),
    }
    once = rank["one matrix"]
    print(f"all sets: {once:.3f} s from one matrix, refitting takes {ratios['all sets']:.0f} times as long")
    for work, row in net.items():
        verdict = "met" if ratios[work] >= TARGET else "MISSED"
        print(
            f"{work:16s}{1000 * row['ours']:8.2f} ms a record, originals' {1000 * row['originals']:8.1f} ms: "
            f"{ratios[work]:.0f} times (target {TARGET}: {verdict})"
        )
    print(f"reading: {read['ours']:.0f} records/s, wfdb in a loop {read['wfdb']:.0f}: {ratios['reading']:.1f} times")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
