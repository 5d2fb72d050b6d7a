"""Machine learning for cardiac electrophysiology: the package behind the book."""

import os
import sys

__version__ = "0.1.0"


def watched():
    """Whether a person watches: a terminal or a notebook in use, and not papermill, nbval or pytest."""
    if os.environ.get("CARDIO_QUIET") or "PYTEST_VERSION" in os.environ:
        return False
    if sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    # A front end with a person before it lets a cell ask for input; papermill and nbclient do not.
    return bool(getattr(getattr(shell, "kernel", None), "_allow_stdin", False))
