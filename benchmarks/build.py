"""The whole book from an empty folder: installation, first build, no change, one changed chapter, tests.

    python -m benchmarks.build [--output build.json]

What is committed is cloned into a temporary folder and built there by the README's two commands. It takes all cores for
40 minutes, so that `make bench` leaves it out.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGED = "00a_regression"
WANTED = {"cold": 20 * 60, "no change": 10, "test": 25 * 60}


def make(folder, target):
    """Seconds of one target of the Makefile."""
    begun = time.perf_counter()
    own = {"CARDIO_DATA", "OMP_NUM_THREADS", "PYTHONPATH", "VIRTUAL_ENV"}  # of this process, not of a newcomer
    environment = {name: value for name, value in os.environ.items() if name not in own}
    subprocess.run(["make", target], cwd=folder, env=environment, check=True)
    return time.perf_counter() - begun


def executed(folder):
    """When each chapter was last executed."""
    return {path.stem: path.stat().st_mtime for path in (folder / "_build/runs/default").glob("*.ipynb")}


def measure(folder):
    """Seconds of each step in a fresh clone, and the chapters that ran again after one was changed."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    seconds = {"installation": make(folder, "env"), "warm": make(folder, "book")}
    seconds["cold"] = seconds["installation"] + seconds["warm"]
    seconds["no change"] = make(folder, "book")
    before, source = executed(folder), folder / "notebooks" / f"{CHANGED}.py"
    text = source.read_text()
    source.write_text(f"{text}\n# one line more\n")
    seconds["one chapter changed"] = make(folder, "book")
    after = executed(folder)
    source.write_text(text)
    seconds["test"] = make(folder, "test")
    return {"seconds": seconds, "executed_again": [name for name in after if after[name] != before[name]]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/build.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report = measure(Path(temporary) / "book") | {"wanted": WANTED}
    for step, seconds in report["seconds"].items():
        print(f"{step}: {seconds:.0f} s" + (f", wanted at most {WANTED[step]} s" if step in WANTED else ""))
    print("executed again after one was changed:", ", ".join(report["executed_again"]))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
