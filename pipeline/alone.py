"""One build at a time in a checkout. The operating system keeps the lock and drops it when its process ends, however.

python -m pipeline.alone COMMAND ...      the command, under the lock; the Snakefile takes it by itself

Nothing but the standard library is imported here: the environment is set up under the lock as well.
"""

import fcntl
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".snakemake" / "build.lock"
JOBS = ROOT / ".snakemake" / "jobs.lock"


def hold():
    """Take the lock until this process ends.

    Returns
    -------
    int
        The descriptor that holds it. Child processes do not inherit it.

    Raises
    ------
    SystemExit
        Another process has it, or a job of a build that was killed goes on: what to do.
    """
    descriptor = _open(BUILD)
    if not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
        _refuse(f"process {os.pread(descriptor, 100, 0).decode() or 'unknown'}")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    jobs = _open(JOBS)
    if not _lock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB):
        _refuse("a job of a build that was killed")
    os.close(jobs)
    return descriptor


def job():
    """Say until this process ends that a job of a build is at work: jobs outlive a build that alone is killed."""
    _lock(_open(JOBS), fcntl.LOCK_SH)


def _open(path):
    path.parent.mkdir(exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def _lock(descriptor, kind):
    """Whether the lock was to be had."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system that knows no locks
        print(f"{ROOT} cannot be locked ({error}): see to it that one build runs at a time.", file=sys.stderr)
    return True


def _refuse(who):
    raise SystemExit(
        f"Another build or test is at work in {ROOT} ({who}): nothing was done here."
        " Repeat the command when that one has ended, or end it."
    )


if __name__ == "__main__":
    os.set_inheritable(hold(), True)  # the command takes the place of this process, and the lock with it
    os.execvp(sys.argv[1], sys.argv[1:])
