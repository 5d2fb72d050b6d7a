"""The default set of pairs: how much memory it needs at most, and what it holds.

    python -m benchmarks.pairs [--output pairs.json]

Made in a process of its own, whose largest resident memory counts, the interpreter and its libraries included.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

TARGET_GB = 1.0
CODE = """
import resource, sys
from cardio_utils.data import nea
pairs = nea.load("pairs")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
print(pairs.sizes["beat"], pairs.nbytes / 1e9, peak)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("_build/benchmarks/pairs.json"))
    arguments = parser.parse_args()
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    beats, held, peak = (float(word) for word in run.stdout.split())
    print(f"default pairs: {beats:,.0f} beats, {held:.2f} GB of arrays, at most {peak:.2f} GB resident")
    print(f"wanted: at most {TARGET_GB:g} GB; peak over what is returned: {peak / held:.1f} times")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps({"beats": beats, "held_gb": held, "peak_gb": peak, "target_gb": TARGET_GB}))


if __name__ == "__main__":
    main()
