"""What a notebook of the book needs and nothing else does: `setup`, `record`, `check`, `versions`.

A chapter calls `setup` once, records every number of interest with `record`, and asserts every sentence that it
draws from a result with `check`. When the environment variable ``CARDIO_RESULTS`` names a folder, the recorded
numbers are also written there, one JSON file a chapter, source and profile; the pipeline and the tests set it, a
reader does not have to.
"""

import importlib.metadata
import json
import math
import os
import platform
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PACKAGES = (
    "cardio-utils",
    "numpy",
    "scipy",
    "pandas",
    "xarray",
    "scikit-learn",
    "matplotlib",
    "torch",
    "xgboost",
)
BETTER = ("higher", "lower", "")


class CheckFailed(AssertionError):
    """A sentence of a chapter is not true of the numbers that the chapter has just computed."""


@dataclass
class _Run:
    """The chapter that is running in this process; a notebook kernel runs one."""

    chapter: str = ""
    source: str = ""
    profile: str = ""
    seed: int = 0
    metrics: dict = field(default_factory=dict)

    def path(self):
        folder = os.environ.get("CARDIO_RESULTS")
        if not (folder and self.chapter):
            return None
        return Path(folder) / f"{self.chapter}.{self.source}.{self.profile}.json"


_run = _Run()


def setup(chapter, *, source, profile, seed):
    """Prepare the kernel for a chapter: seeds, number formats, the look of figures, an empty list of results.

    Parameters
    ----------
    chapter : str
        Name of the notebook without ending, such as ``"07_five_classes"``.
    source, profile : str
        The parameters of the same names; they name the file of results.
    seed : int
        Seeds Python's and NumPy's legacy generators, and torch's where it is imported, from which networks draw their
        first weights. Everything in the package takes its own `seed` argument.
    """
    if not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, not {seed!r}")
    _run.__init__(chapter, source, profile, seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for libraries that still read the legacy generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    np.set_printoptions(precision=3, suppress=True)
    import pandas as pd

    pd.set_option("display.precision", 3, "display.max_columns", 20, "display.width", 110)
    from cardio_utils.plots import style

    style.use()
    _write()


def record(name, value, *, unit="", ci=None, better="", n=None, tolerance=None):
    """Print a number of interest and keep it among the chapter's results.

    Parameters
    ----------
    name : str
        ``split/model/metric[/subset]``, such as ``"ds1_ds2/ours/sensitivity/V"``.
    value : float or evaluation.Estimate
        An estimate brings its own interval and number of groups.
    unit : str
        Empty for a dimensionless number.
    ci : (float, float), optional
        95 % interval of a plain number.
    better : {"higher", "lower", ""}
        In which direction the number improves, if in any.
    n : int, optional
        Number of independent groups behind a plain number.
    tolerance : float, optional
        How far the number may move, in its own unit, before a test calls it a regression. Numbers of trained
        networks differ between processors and need one; the default, 0.1 % of the value, suits all others.

    Raises
    ------
    ValueError
        The name is taken, has white space, or the number is not finite.
    """
    if hasattr(value, "replicates"):
        n = value.n
        ci = (value.low, value.high) if math.isfinite(value.low) else None  # one group has no interval
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name}: {number} is not a result; say in the chapter why it is undefined instead")
    if name in _run.metrics:
        raise ValueError(f"{name} was recorded before; give the second number its own name")
    if better not in BETTER or any(c.isspace() for c in name):
        raise ValueError(f"{name!r}, better={better!r}: names have no white space, better is one of {BETTER}")
    interval = None if ci is None else [_round(bound) for bound in ci]
    _run.metrics[name] = {
        "name": name,
        "value": _round(number),
        "unit": unit,
        "ci": interval,
        "better": better,
        "n": n,
        "tolerance": _round(abs(number) * 1e-3 if tolerance is None else tolerance),
    }
    print(f"{name}: {format_number(number, interval, unit)}")
    _write()


def check(sentence, condition):
    """Assert a sentence of the chapter, so that prose cannot go stale.

    Raises
    ------
    CheckFailed
        With the sentence, when `condition` is false.
    TypeError
        When `condition` is not a truth value: such a check could not fail.
    """
    if not isinstance(condition, bool | np.bool_):
        raise TypeError(f"check({sentence!r}) needs True or False, not {type(condition).__name__}")
    if not condition:
        raise CheckFailed(f"This sentence of the chapter is not true here: {sentence}")
    print(f"checked: {sentence}")


def versions():
    """Print the versions that this notebook ran with."""
    print(f"python {platform.python_version()}")
    for name, version in _versions().items():
        print(f"{name} {version}")


def format_number(value, ci=None, unit=""):
    """``0.912 (0.881 to 0.934) ms``: few digits, as the book prints numbers everywhere."""
    text = _digits(value)
    if ci is not None:
        text += f" ({_digits(ci[0])} to {_digits(ci[1])})"
    return f"{text} {unit}".rstrip()


def _digits(x):
    if x == int(x) and abs(x) < 1e9:
        return f"{int(x):,}"
    return f"{x:.3f}" if abs(x) < 10 else f"{x:.1f}"


def _round(x):
    return None if x is None or not math.isfinite(x) else float(f"{x:.6g}")


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _write():
    """Write all results so far, in one step, so that an interrupted chapter leaves a readable file."""
    path = _run.path()
    if path is None:
        return
    content = {
        "chapter": _run.chapter,
        "source": _run.source,
        "profile": _run.profile,
        "seed": _run.seed,
        "versions": {"python": platform.python_version(), **_versions()},
        "metrics": list(_run.metrics.values()),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)
