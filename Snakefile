# The whole book as a graph: pair and execute each chapter, collect its results, render the pages.
#
#   snakemake --cores 2                                    the book (what `make book` calls)
#   snakemake --cores 2 --config source=mitdb only=07      chapter 07 with another parameter, no rendering
#   snakemake --cores 2 --config sweep=04_pia_unet         one run for each row of sweeps/04_pia_unet.tsv
#
# A chapter runs again when its source, its parameters or a module of cardio_utils that it imports has changed.
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)
from pipeline import chapters, sweep

SWEEP = config.get("sweep", "")
ROWS = sweep.rows(SWEEP).to_dict("records") if SWEEP else []
GIVEN = {k: v for k, v in config.items() if k not in ("only", "sweep")}
CHAPTERS = chapters.select(config.get("only", ""))
PARAMETERS = chapters.parameters_for(CHAPTERS, GIVEN)
THREADS = max(1, workflow.cores // max(1, min(len(CHAPTERS), workflow.cores)))


def folder(chapter):
    return f"_build/runs/{chapters.run_name(PARAMETERS[chapter.name])}"


def last_seconds(chapter):
    """How long the chapter took last time: the longest starts first."""
    run = Path(folder(chapter), f"{chapter.name}.run.json")
    return int(json.loads(run.read_text())["seconds"]) if run.is_file() else 100


EXECUTED = [f"{folder(c)}/{c.name}.ipynb" for c in CHAPTERS]
RENDER = not config  # other parameters, or some of the chapters, make runs; the book shows the defaults


rule book:
    default_target: True
    input:
        "_build/html/index.html" if RENDER else f"_build/sweeps/{SWEEP}.csv" if SWEEP else EXECUTED,


rule notebooks:
    input:
        EXECUTED,


for chapter in CHAPTERS:

    rule:
        name:
            f"execute_{chapter.name}"
        input:
            chapter.source.relative_to(chapters.ROOT).as_posix(),
            "pipeline/execute.py",
            [m.relative_to(chapters.ROOT).as_posix() for m in chapter.modules],
        output:
            f"{folder(chapter)}/{chapter.name}.ipynb",
        params:
            name=chapter.name,
            folder=folder(chapter),
            parameters=json.dumps(PARAMETERS[chapter.name], sort_keys=True),
        threads: THREADS
        priority: last_seconds(chapter)
        shell:
            "{sys.executable} -m pipeline.execute {params.name} {params.folder} '{params.parameters}' {threads}"


if SWEEP:
    CHAPTER = chapters.Chapter(SWEEP)
    RUNS = {sweep.folder(SWEEP, row).relative_to(chapters.ROOT).as_posix(): row for row in ROWS}

    rule sweep_run:
        input:
            CHAPTER.source.relative_to(chapters.ROOT).as_posix(),
            [m.relative_to(chapters.ROOT).as_posix() for m in CHAPTER.modules],
        output:
            f"{{run}}/{SWEEP}.ipynb",
        wildcard_constraints:
            run="|".join(map(re.escape, RUNS)),
        params:
            parameters=lambda wildcards: json.dumps(RUNS[wildcards.run], sort_keys=True),
        shell:
            f"{{sys.executable}} -m pipeline.execute {SWEEP} {{wildcards.run}} '{{params.parameters}}' 1"

    rule sweep:
        input:
            [f"{run}/{SWEEP}.ipynb" for run in RUNS],
        output:
            f"_build/sweeps/{SWEEP}.csv",
            f"_build/sweeps/{SWEEP}.png",
        shell:
            f"{{sys.executable}} -m pipeline.sweep {SWEEP}"


rule render:
    input:
        EXECUTED,
        "_config.yml",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        [p.as_posix() for d in ("book", "pipeline") for p in sorted(Path(d).rglob("*.*")) if "__pycache__" not in p.parts],
    output:
        "_build/html/index.html",
    shell:
        "{sys.executable} -m pipeline.render"
