"""Run the benchmarks, collect their numbers in ``book/results/benchmarks.json``, and make the page of them.

python -m pipeline.benchmarks               all of them but `build` (`make bench`)
python -m pipeline.benchmarks apd cells     these; of the others what was measured last stays
python -m pipeline.benchmarks --collect     none: what lies in _build/benchmarks is collected
"""

import argparse
import ast
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from pipeline import chapters

FOLDER = chapters.ROOT / "benchmarks"
BUILD = chapters.BUILD / "benchmarks"
KEPT = chapters.ROOT / "book" / "results" / "benchmarks.json"
PAGE = chapters.ROOT / "book" / "benchmarks.md"

RATIOS = {
    "apd": {
        "peak_widths": ("`scipy.signal`, one peak search a level", 20),
        "peak_widths, peak known": ("`scipy.signal.peak_widths` at the known peak", None),
        "ap_features": ("`ap_features`", 100),
    },
    "heart": {
        "fast marching": ("activation by fast marching", None),
        "dense": ("the electrocardiogram by a sum over all faces", None),
    },
    "leads": {
        "all sets": ("all sets of leads, refitted one by one", None),
        "reading": ("reading of records by `wfdb`", None),
        "inference": ("inference of the originals' network", 10),
        "training": ("its training", 10),
        "training, bf16": ("its training in bfloat16", 10),
    },
    "maps": {
        "activation times": ("activation times by a SqueezeNet", 1),
        "potentials": ("potentials by a SqueezeNet", None),
    },
    "mepp": {
        "matched filter": ("a minute, matched filter over network", None),
        "template": ("a minute, template over network", None),
        "deconvolution": ("a minute, deconvolution over network", None),
        "peaks": ("a minute, peaks over network", None),
        "originals' MiniUNet": ("a minute by the originals' MiniUNet", None),
        "originals' autoencoder": ("a minute by the originals' autoencoder", None),
    },
    "potassium": {
        "parameters": ("parameters of ECG12Net", 10),
        "ECG12Net, median beats, float32": ("training of ECG12Net on median beats", 5),
        "ECG12Net, median beats, bfloat16": ("the same in bfloat16", 5),
        "ECG12Net, 1,024 samples, float32": ("training of ECG12Net on 1,024 samples", None),
        "ECG12Net, 1,024 samples, bfloat16": ("the same in bfloat16", None),
    },
    "unet": {
        "training": ("training of the originals' network", 10),
        "training, bf16": ("its training in bfloat16", 10),
        "inference": ("its inference, in batches", 10),
        "inference, one by one": ("its inference, one by one", 10),
    },
}
"""Of the ratios in a benchmark's report: what they are of, and the least that the chapters promise."""

BUILDS = {
    "installation": "`make env`, the installation",
    "warm": "`make book` after it, nothing built",
    "cold": "both, from an empty folder",
    "no change": "`make book` again",
    "one chapter changed": "`make book` after a change to one chapter",
    "test": "`make test`",
}


def names():
    """All benchmarks, by file."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def title(name):
    """First sentence of a benchmark's docstring."""
    return ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())).splitlines()[0]


def run(name):
    """One benchmark in a process of its own, on one thread where it does not ask for more."""
    print(f"{name}:", flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--output", str(BUILD / f"{name}.json")]
    if subprocess.run(command, cwd=chapters.ROOT, env=environment).returncode:
        raise SystemExit(f"benchmark {name} failed")


def machine():
    """What the numbers were measured on."""
    models = {"": platform.processor() or platform.machine()}
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        models = {line.partition(":")[2].strip(): None for line in lines if line.startswith("model name")} or models
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": ", ".join(filter(None, models)) or platform.machine(), "cores": cores} | {
        "system": platform.system(),
        "python": platform.python_version(),
    }


def collect():
    """Measurements of ``_build/benchmarks`` over those that were kept, by benchmark."""
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    for name in names():
        path = BUILD / f"{name}.json"
        if path.is_file():
            date = datetime.date.fromtimestamp(path.stat().st_mtime).isoformat()
            report = json.loads(path.read_text())
            if kept.get(name, {}).get("report") != report:
                kept[name] = {"date": date, "machine": machine(), "report": report}
    return {name: kept[name] for name in names() if name in kept}


def rows(name, report):
    """What was measured, the number with its unit, what was wanted, and whether that holds (None: nothing was)."""
    if name == "build":
        seconds, wanted = report["seconds"], report["wanted"]
        for step, words in BUILDS.items():
            yield _at_most(words, seconds[step], "s", wanted.get(step))
        yield "chapters executed again after one was changed", str(len(report["executed_again"])), "1", None
    elif name == "pairs":
        yield _at_most("memory at most", report["peak_gb"], "GB", report["target_gb"])
    elif name == "cells":
        yield _at_least("NumPy, the same scheme", report["ratio"], report["target"])
    elif name == "mepp":
        yield _at_most("a minute, by our network", report["minute"]["network"], "s", 1)
        hour = report["hour"]
        yield _at_most("an hour, by our network", hour["seconds"] * 3600 / hour["length"], "s", 60)
        yield _at_most("memory at most, for the hour", hour["peak_gb"], "GB", 1)
    elif name == "unet":
        ours, theirs = report["learning"]["compact"], report["learning"]["originals"]
        yield _at_least("an epoch of theirs", theirs["seconds_per_epoch"] / ours["seconds_per_epoch"], 10)
        error = ours["validation_mae"] / theirs["validation_mae"]
        yield "error after as many epochs, ours over theirs", f"{error:.3f}", "at most 1", error <= 1
    for peer, ratio in report.get("ratios", {}).items():
        if (name, peer) != ("mepp", "network"):  # which the others are measured against
            words, wanted = RATIOS.get(name, {}).get(peer, (peer, None))
            yield _at_least(words, ratio, wanted)


def _at_least(what, ratio, wanted):
    """Times that ours is better than a peer."""
    digits = f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.2g}" if ratio < 1 else f"{ratio:.1f}"
    return what, f"{digits} times", f"{wanted} times" if wanted else "", None if wanted is None else ratio >= wanted


def _at_most(what, value, unit, wanted):
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    if wanted is None:
        return what, f"{digits} {unit}", "", None
    return what, f"{digits} {unit}", f"at most {wanted:,g} {unit}", value <= wanted


def page(measured):
    """The page, as Markdown."""
    lines = [
        "# Benchmarks",
        "",
        "How fast and how small the computing parts of the book are, as ratios within one run: *10 times* says that",
        "the peer needs ten times as long on the same machine at the same moment, or has ten times as many parameters.",
        "A ratio survives a busy or a slow machine; seconds and gigabytes are those of the machine named below each",
        "table. Below 1: the peer is faster. What exactly is compared, and why, stands in `benchmarks/README.md`;",
        "`make bench` measures all of it anew and makes this page from `book/results/benchmarks.json`.",
    ]
    for name, one in measured.items():
        lines += ["", f"## {title(name).rstrip('.')}", ""]
        lines += ["| Against, or what | Measured | Wanted | Holds |", "|---|--:|--:|---|"]
        for what, value, wanted, holds in rows(name, one["report"]):
            lines.append(f"| {what} | {value} | {wanted} | {'' if holds is None else 'yes' if holds else '**no**'} |")
        on = one["machine"]
        versions = {"Python": on["python"]} | one["report"].get("versions", {})
        lines += [
            "",
            f"Measured on {one['date']} by `python -m benchmarks.{name}`: {on['processor']}, {on['cores']} cores,",
        ]
        lines += [f"{on['system']}; {', '.join(' '.join(pair) for pair in versions.items())}."]
    if missing := [name for name in names() if name not in measured]:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"out of {', '.join(names())}; default all but build")
    parser.add_argument("--collect", action="store_true", help="run none")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names()):
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names())}.")
    for name in [] if arguments.collect else arguments.names or [n for n in names() if n != "build"]:
        run(name)
    measured = collect()
    KEPT.write_text(json.dumps(measured, indent=1) + "\n")
    PAGE.write_text(page(measured))
    print(f"{PAGE.relative_to(chapters.ROOT)}: {len(measured)} benchmarks")


if __name__ == "__main__":
    main()
