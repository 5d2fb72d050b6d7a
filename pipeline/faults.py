"""Kill a build at random points and repeat it: it must end right each time, and no file be half-written meanwhile.

python -m pipeline.faults [--kills 20] [--seed 0] [--no-pages]

The book that is built is a tiny one in a temporary folder: this pipeline, one chapter, three pages. Before each kill
its chapter is changed, so that everything must be made again. Every other time the whole process group is killed, as
a restart does; else the shell and the process that leads the build, as the system does when memory runs out.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from pipeline.chapters import ROOT

SOURCE = """# %% [markdown]
# # A tiny chapter

# %% tags=["parameters"]
source: str = "simulated"  # data
profile: str = "fast"  # size
seed: int = 0  # seed

# %%
from cardio_utils.notebook import check, record, setup
setup("01_tiny", source=source, profile=profile, seed=seed)

# %%
record("all/ours/answer", ANSWER, better="higher")
record("all/ours/noise", seed)
check("there is an answer", ANSWER >= 0)
"""
TOC = """format: jb-book
root: book/index
chapters:
  - file: notebooks/01_tiny
  - file: book/results
  - file: book/status
"""
PATIENCE = 300  # s


def tiny_book(folder):
    """Lay out a checkout with one tiny chapter; the package itself is linked."""
    for name in ("notebooks", "sweeps", "book/results"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    for name in ("Snakefile", "_config.yml", "CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    (folder / "cardio_utils").symlink_to(ROOT / "cardio_utils")
    (folder / "book" / "_toc.yml").write_text(TOC)
    (folder / "book" / "index.md").write_text("# A tiny book\n")
    (folder / "book" / "references.bib").write_text("")
    change(folder, 0)


def change(folder, answer):
    """Make the chapter one that records another number."""
    (folder / "notebooks" / "01_tiny.py").write_text(SOURCE.replace("ANSWER", str(answer)))


REFRESH = "from pipeline import alone, readme, refresh; alone.hold(); readme.write = lambda: None; refresh.refresh()"
"""As `make refresh`, without the table of chapters in a README that the tiny book has not."""


def start(folder, pages=True):
    """Begin what `make book` (or only its notebooks) and `make refresh` do, in a process group of its own."""
    snakemake = f'"{sys.executable}" -m snakemake --cores 1 --quiet all --nolock --rerun-incomplete'
    target = "book" if pages else "notebooks"
    command = f'{snakemake} --rerun-triggers mtime params input -- {target} && "{sys.executable}" -c "{REFRESH}"'
    environment = os.environ | {"PYTHONPATH": str(folder)}
    (folder / "log").unlink(missing_ok=True)  # jobs of a killed build go on writing to theirs
    with open(folder / "log", "w") as log:
        return subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def kill(build, alone):
    """Kill the group of a build, or only its shell and snakemake, whose jobs then go on."""
    if alone:
        children = subprocess.run(["pgrep", "-P", str(build.pid)], capture_output=True, text=True).stdout.split()
        build.kill()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
    else:
        os.killpg(build.pid, signal.SIGKILL)
    build.wait()


def finish(folder, pages=True):
    """Repeat the build until it is let in, and to its end: how many times it was refused."""
    refused = 0
    while (build := start(folder, pages)).wait(PATIENCE):
        said = (folder / "log").read_text()
        if "is at work" not in said:
            raise AssertionError(f"the repeated build failed:\n{said}")
        refused += 1
        time.sleep(1)
    assert build.returncode == 0
    return refused


def half_written(folder):
    """Files of the book that are not whole: notebooks, results, pages."""
    wrong = []
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if any(part.startswith(".") for part in inside) or inside[0] == "cardio_utils" or not path.is_file():
            continue
        if inside[:2] in (("_build", "stage"), ("_build", "site"), ("_build", "html.part"), ("_build", "html.former")):
            continue  # laid out anew by each build
        try:
            if path.suffix == ".ipynb":
                nbformat.validate(nbformat.read(path, 4))
            elif path.suffix == ".json":
                metrics = json.loads(path.read_text()).get("metrics")
                assert metrics is None or len(metrics) == 2, f"{len(metrics)} of 2 numbers"
            elif path.suffix == ".html" and path.parent.name in ("book", "notebooks"):
                assert path.read_text().rstrip().endswith("</html>"), "it is cut short"
        except Exception as error:  # whatever a half-written file is read as
            wrong.append(f"{path}: {error!r}")
    return wrong


def is_right(folder, answer, pages=True):
    """What does not hold of a finished build whose chapter records `answer`."""
    run = folder / "_build" / "runs" / "default"
    wrong = half_written(folder)
    for path in (run, folder / "book" / "results"):
        content = json.loads((path / "01_tiny.simulated.fast.json").read_text())
        if content["metrics"][0]["value"] != answer:
            wrong.append(f"{path} holds {content['metrics'][0]['value']}, not {answer}")
    for path in (run / "01_tiny.ipynb", folder / "notebooks" / "01_tiny.ipynb"):
        if f"all/ours/answer: {answer}" not in str(nbformat.read(path, 4)):
            wrong.append(f"{path} is of another state")
    if pages and f"all/ours/answer: {answer}" not in (folder / "_build/html/notebooks/01_tiny.html").read_text():
        wrong.append("the page is of another state")
    left = [p for place in (run, folder / "notebooks", folder / "book") for p in place.rglob(".*")]
    return wrong + [f"{path} was left" for path in left]


def run(kills, seed=0, pages=True):
    """Build, then `kills` times: change the chapter, build, kill, look, repeat, look. Returns what was wrong."""
    rng, wrong = random.Random(seed), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        tiny_book(folder)
        begin = time.monotonic()
        finish(folder, pages)
        duration = time.monotonic() - begin
        wrong += is_right(folder, 0, pages)
        print(f"whole build: {duration:.1f} s", flush=True)
        for number in range(1, kills + 1):
            change(folder, number)
            build, after = start(folder, pages), rng.uniform(0, duration)
            time.sleep(after)
            lead = number % 2 == 0
            kill(build, lead)
            found = half_written(folder)
            refused = finish(folder, pages)
            found += is_right(folder, number, pages)
            what = "leading process" if lead else "group"
            print(f"{number:2d}: {what} killed after {after:4.1f} s; repeated ({refused} times refused): "
                  f"{'right' if not found else found}", flush=True)  # fmt: skip
            wrong += found
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-pages", action="store_true", help="notebooks and results only, no rendering")
    arguments = parser.parse_args()
    wrong = run(arguments.kills, arguments.seed, not arguments.no_pages)
    if wrong:
        raise SystemExit("\n".join(["Half-written or wrong:", *wrong]))
    print(f"{arguments.kills} kills: each build ended right when it was repeated, and no file was half-written")


if __name__ == "__main__":
    main()
