"""Waveform networks: a training step and inference of the compact network against the originals' configuration.

    python -m benchmarks.unet [--samples 8000] [--batch 32] [--epochs 6] [--windows 640] [--output unet.json]

Both are this package's modules, on one thread, each with its own physics head and physics loss; the larger gets a
quarter of the batch, and all numbers are per window. Ratios are of medians over rounds in which all take turns.
Weights and windows are random: what is measured does not depend on them. Times are those of the processor, so that
other work on the machine counts less.

Then both learn, without physics, from the same windows of simulated pairs for as many epochs (chapter 04's windows of
1.4 s at 1 kHz), each with a batch size and learning rate of its own, and their errors on validation recordings are
compared.
"""

import argparse
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from cardio_utils import reconstruction as rc
from cardio_utils.data import nea
from cardio_utils.losses import physics_informed
from cardio_utils.models.action_potential import ActionPotentialNet
from cardio_utils.models.layers import count_parameters

FS = 5000.0
TARGET = 10
BUILD = {"compact": ActionPotentialNet, "originals": ActionPotentialNet.originals}
WORK = ("training", "training, bf16", "inference", "inference, one by one")


def windows(count, samples, seed=0):
    """Random windows (count, samples), and targets with masks that leave out the first 1,000 samples."""
    generator = torch.Generator().manual_seed(seed)
    wave = torch.randn(count, samples, generator=generator)
    mask = torch.ones(count, samples, dtype=torch.bool)
    mask[:, :1000] = False
    return wave, (torch.rand(count, samples, generator=generator), mask)


def training_step(model, wave, target, low_precision):
    """Forward, loss, backward; the optimiser's part is the same for every batch and left out."""
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        output = model.train()(wave)
    loss = physics_informed(FS, model.equations, 0.02)
    loss(output, target).backward()
    model.zero_grad(set_to_none=True)


@torch.inference_mode()
def inference(model, wave):
    model.eval()(wave)


def seconds(work, model, wave, target):
    """Seconds a window of one kind of work."""
    begin = time.process_time()
    if work == "inference, one by one":
        for row in wave[:8]:
            inference(model, row[None])
        return (time.process_time() - begin) / min(8, len(wave))
    if work == "inference":
        inference(model, wave)
    else:
        training_step(model, wave, target, low_precision="bf16" in work)
    return (time.process_time() - begin) / len(wave)


def measure(models, data, rounds=3):
    """Median seconds a window: work -> name -> value. All take turns, after one round to warm up."""
    times = {work: {name: [] for name in models} for work in WORK}
    for turn in range(rounds + 1):
        for work, name in ((work, name) for work in WORK for name in models):
            taken = seconds(work, models[name], *data[name])
            if turn:
                times[work][name].append(taken)
    return {work: {name: float(np.median(t)) for name, t in row.items()} for work, row in times.items()}


def learn(count, epochs, seeds=(0, 1, 2)):
    """Name -> seconds an epoch, seconds a beat in inference, validation error and windows, after the same epochs.

    The windows are the same for all; a seed changes first weights and the order of the windows.
    """
    seen, about = rc.collections(lambda k: nea.clean(nea.load("pairs", seed=k, duration=40.0)), 3)
    part = rc.parts(seen.recording, about["preparation"], nea.TEST, share=0.4)
    validation, copied = seen.at(part.validation), rc.stretched(seen.at(part.fitting), copies=1)
    copied = copied.at(np.linspace(0, len(copied) - 1, count).astype(int))
    usual = rc.mean_waveform(copied).predict(copied.wave[:1])[0]
    recipes = {
        "compact": {"learning_rate": 3e-3, "batch_size": 16},
        "originals": {"learning_rate": 1e-3, "batch_size": 32},  # theirs
    }
    found = {}
    for name, recipe in recipes.items():
        mae, trained = [], 0.0
        for seed in seeds:
            torch.manual_seed(seed)
            network = BUILD[name](equations=None) if name == "originals" else rc.compact_network(usual, None, seed=seed)
            begin = time.process_time()
            rc.train(network, copied, validation, weight=0.0, epochs=epochs, seed=seed, **recipe)
            trained += time.process_time() - begin
            errors = rc.errors(rc.predict(network, validation.wave), validation)
            mae.append(float(errors.groupby("recording").mae.mean().mean()))
        found[name] = {
            "seconds_per_epoch": trained / epochs / len(seeds),
            "seconds_per_beat": seconds("inference", network, torch.from_numpy(validation.wave), None),
            "validation_mae": float(np.mean(mae)),
            "validation_mae_of_seeds": mae,
            "windows": len(copied),
            "validation_recordings": len(set(validation.recording)),
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--windows", type=int, default=640)
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/unet.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: build() for name, build in BUILD.items()}
    sizes = {"compact": arguments.batch, "originals": max(2, arguments.batch // 4)}
    times = measure(models, {name: windows(size, arguments.samples) for name, size in sizes.items()})
    ratios = {work: row["originals"] / row["compact"] for work, row in times.items()}
    report = {
        "samples": arguments.samples,
        "batch": sizes,
        "parameters": {name: count_parameters(model) for name, model in models.items()},
        "milliseconds_per_window": {w: {n: 1000 * t for n, t in row.items()} for w, row in times.items()},
        "ratios": ratios,
        "learning": learn(arguments.windows, arguments.epochs),
        "versions": {name: version(name) for name in ("numpy", "torch")},
        "machine": platform.machine(),
    }
    for work, row in times.items():
        verdict = "met" if ratios[work] >= TARGET else "MISSED"
        print(
            f"{work:24s}{1000 * row['compact']:9.2f} ms a window, originals' {1000 * row['originals']:8.1f} ms: "
            f"{ratios[work]:.0f} times (target {TARGET}: {verdict})"
        )
    ours, theirs = (report["learning"][name] for name in BUILD)
    for what in ("seconds_per_epoch", "seconds_per_beat"):
        ratio = theirs[what] / ours[what]
        print(f"{what}, learning: {ratio:.0f} times (target {TARGET}: {'met' if ratio >= TARGET else 'MISSED'})")
    verdict = "met" if ours["validation_mae"] <= theirs["validation_mae"] else "MISSED"
    print(
        f"validation error after {arguments.epochs} epochs of {ours['windows']} windows: {ours['validation_mae']:.4f}, "
        f"originals' {theirs['validation_mae']:.4f} (target: not above it: {verdict})"
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
