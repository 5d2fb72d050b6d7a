# The whole book as a graph: pair and execute each chapter, collect its results, render the pages.
#
#   snakemake --cores 2                                    the book (what `make book` calls)
#   snakemake --cores 2 --config source=mitdb only=07      chapter 07 with another parameter, no rendering
#   snakemake --cores 2 --config sweep=04_pia_unet         one run for each row of sweeps/04_pia_unet.tsv
#   snakemake --cores 2 --config sweep=seeds only=06,07    these chapters with each seed of sweeps/seeds.tsv
#
# A chapter runs again when its source, its parameters or a module of cardio_utils that it imports has changed.
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)
from pipeline import alone, chapters, sweep

SWEEPS = sweep.meant(config.get("sweep", ""), config.get("only", ""))
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


# Called once, by the process that starts the jobs, and not in a dry run. It replaces snakemake's own lock (--nolock), which
# a killed build leaves behind for a person to remove.
onstart:
    alone.hold()


rule book:
    default_target: True
    input:
        "_build/html/index.html" if RENDER else [f"_build/sweeps/{s}.csv" for s in SWEEPS] or EXECUTED,


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
            "{sys.executable:q} -m pipeline.execute {params.name} {params.folder:q} {params.parameters:q} {threads}"


for swept in SWEEPS:
    chapter = sweep.chapter(swept)
    runs = {
        sweep.folder(swept, row).relative_to(chapters.ROOT).as_posix(): json.dumps(row, sort_keys=True)
        for row in sweep.rows(swept).to_dict("records")
    }

    rule:
        name:
            f"run_{swept}".replace(".", "_")
        input:
            chapter.source.relative_to(chapters.ROOT).as_posix(),
            [m.relative_to(chapters.ROOT).as_posix() for m in chapter.modules],
        output:
            f"{{run}}/{chapter.name}.ipynb",
        wildcard_constraints:
            run="|".join(map(re.escape, runs)),
        params:
            name=chapter.name,
            parameters=lambda wildcards, runs=runs: runs[wildcards.run],
        shell:
            "{sys.executable:q} -m pipeline.execute {params.name} {wildcards.run:q} {params.parameters:q} 1"

    rule:
        name:
            f"sweep_{swept}".replace(".", "_")
        input:
            [f"{run}/{chapter.name}.ipynb" for run in runs],
        output:
            f"_build/sweeps/{swept}.csv",
            f"_build/sweeps/{swept}.png",
        params:
            name=swept,
        shell:
            "{sys.executable:q} -m pipeline.sweep {params.name}"


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
        "{sys.executable:q} -m pipeline.render"
