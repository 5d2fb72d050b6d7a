"""Sweeps: of seeds, of text, and through the executor of a cluster, as far as one machine has one."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from pipeline import chapters, readme, sweep

ROOT = chapters.ROOT
NAME = "99_tiny"
OFTEN = ("--seconds-between-status-checks", "1", "--latency-wait", "5")
SOURCE = """# %% [markdown]
# # A chapter

# %% tags=["parameters"]
source: str = "simulated"  # data
profile: str = "fast"  # size
seed: int = 0  # seed
leads: str = "I+II"  # leads

# %%
from cardio_utils.notebook import record, setup
setup("99_tiny", source=source, profile=profile, seed=seed)

# %%
record(f"all/ours/answer/{leads}", 42 + seed + len(leads), unit="ms", better="higher")
"""


KUBECTL = """#!{python}
import pathlib, subprocess, sys, yaml
here = pathlib.Path(__file__).parent
if sys.argv[1] == "create":
    job = yaml.safe_load(sys.stdin)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (here / f"{{job['metadata']['name']}}.yaml").write_text(yaml.safe_dump(job))
    process = subprocess.run(container["command"], cwd=container["workingDir"], capture_output=True)
    (here / f"{{job['metadata']['name']}}.status").write_text("/1" if process.returncode else "1/")
elif sys.argv[1:3] == ["get", "job"]:
    print((here / f"{{sys.argv[3]}}.status").read_text(), end="")
"""
"""Stands in for a cluster: runs the container's command at once, without the container."""


def installed(plugin):
    missing = importlib.util.find_spec(f"snakemake_executor_plugin_{plugin}") is None
    reason = f'the plugin {plugin} is not installed: pip install -e ".[book,cluster]" -c constraints.txt'
    return pytest.mark.skipif(missing, reason=reason)


@pytest.fixture
def checkout(tmp_path):
    """The pipeline with one tiny chapter."""
    for name in ("pipeline", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", tmp_path)
    (tmp_path / "cardio_utils").symlink_to(chapters.PACKAGE)
    for name in ("notebooks", "sweeps"):
        (tmp_path / name).mkdir()
    (tmp_path / "notebooks" / f"{NAME}.py").write_text(SOURCE)
    (tmp_path / "sweeps" / f"{NAME}.tsv").write_text("leads\nI+II\nI+II+V3\n")
    (tmp_path / "sweeps" / "seeds.tsv").write_text("seed\n0\n1\n")
    return tmp_path


def snakemake(checkout, *words, **environment):
    command = [sys.executable, "-m", "snakemake", *words]
    first = [environment.pop("FIRST", ""), os.path.dirname(sys.executable), os.environ["PATH"]]
    environment = os.environ | environment | {"PATH": os.pathsep.join(filter(None, first))}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


@installed("cluster_generic")
def test_a_sweep_runs_through_the_executor_of_a_cluster_and_is_done_then(checkout):
    words = ("--profile", "profiles/local-submit", *OFTEN, "--config", f"sweep={NAME}.seeds")
    outcome = snakemake(checkout, *words)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    table = pd.read_csv(checkout / "_build" / "sweeps" / f"{NAME}.seeds.csv")
    assert dict(zip(table.seed, table.value, strict=True)) == {0: 46, 1: 47}
    submitted = {path.name.split(".")[1] for path in (checkout / "_build" / "submitted").glob("*.log")}
    assert submitted == {f"run_{NAME}_seeds", f"sweep_{NAME}_seeds"}
    again = snakemake(checkout, *words, "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_the_word_seeds_stands_for_the_seeds_of_the_chosen_chapters(monkeypatch):
    assert sweep.meant("seeds", "06,07") == ["06_healthy_or_irregular.seeds", "07_five_classes.seeds"]
    assert sweep.meant("04_pia_unet") == ["04_pia_unet"] and sweep.meant("") == []
    assert len(sweep.meant("seeds")) == len(chapters.find())


def test_every_sweep_fits_its_chapter():
    for path in sweep.FOLDER.glob("*.tsv"):
        for name in sweep.meant(path.stem):
            assert len(sweep.rows(name)) > 1


def test_a_metric_named_after_the_swept_text_is_one_metric(monkeypatch, tmp_path):
    runs = pd.DataFrame({"leads": ["I+II", "I+II+V3"]})
    monkeypatch.setattr(sweep, "rows", lambda name: runs)
    monkeypatch.setattr(sweep, "chapter", lambda name: chapters.Chapter(NAME))
    monkeypatch.setattr(sweep, "BUILD", tmp_path)
    for k, row in enumerate(runs.to_dict("records")):
        metric = f'{{"name": "test/r/{row["leads"]}", "value": {k}, "unit": "", "better": "higher"}}'
        sweep.folder(NAME, row).mkdir(parents=True)
        (sweep.folder(NAME, row) / f"{NAME}.simulated.fast.json").write_text(f'{{"metrics": [{metric}]}}')
    table = sweep.collect(NAME)
    assert table.name.tolist() == ["test/r", "test/r"]
    assert "| I+II+V3 | 1 |" in sweep.summary(table, "leads").splitlines()


def test_the_page_of_seeds_counts_the_values_outside_the_intervals_of_other_seeds(monkeypatch, tmp_path):
    name = "06_healthy_or_irregular"
    shown = readme.metrics(readme.ENTRIES[name].number)
    monkeypatch.setattr(sweep, "BUILD", tmp_path / "sweeps")
    monkeypatch.setattr(sweep, "BOOK", tmp_path / "book")
    for seed, value in ((0, 0.5), (1, 0.55), (2, 0.7)):
        run = sweep.folder(f"{name}.seeds", {"seed": seed})
        run.mkdir(parents=True)
        fields = {"value": value, "ci": [value - 0.1, value + 0.1], "unit": "", "better": "higher"}
        metrics = [{"name": metric} | fields for metric in shown]
        (run / f"{name}.simulated.fast.json").write_text(json.dumps({"metrics": metrics}))
        (run / f"{name}.ipynb").touch()
    sweep.folder("07_five_classes.seeds", {"seed": 0}).mkdir(parents=True)  # interrupted
    sweep.main("seeds")
    page = (tmp_path / "book" / "sweeps" / "seeds.md").read_text()
    assert f"here {4 * len(shown)} times of {6 * len(shown)}." in page
    assert page.count("| [06](../../notebooks/06_healthy_or_irregular.ipynb) |") == len(shown)
    assert "| 0.550\xa0(0.450\xa0to\xa00.650) |" in page


@installed("cluster_generic")
def test_a_sweep_runs_in_pods_that_see_the_checkout(checkout, tmp_path_factory):
    stand_in = tmp_path_factory.mktemp("kubernetes")
    (stand_in / "kubectl").write_text(KUBECTL.format(python=sys.executable))
    (stand_in / "kubectl").chmod(0o755)
    about = {"BOOK_IMAGE": "python:3.11", "BOOK_CLAIM": "shared", "BOOK_MOUNT": "/shared", "FIRST": str(stand_in)}
    words = ("--profile", "profiles/kubernetes", *OFTEN, "--config", f"sweep={NAME}")
    outcome = snakemake(checkout, *words, "--retries", "0", **about)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    table = pd.read_csv(checkout / "_build" / "sweeps" / f"{NAME}.csv")
    assert dict(zip(table.leads, table.value, strict=True)) == {"I+II": 46, "I+II+V3": 49}
    jobs = [yaml.safe_load(path.read_text()) for path in stand_in.glob("*.yaml")]
    assert len(jobs) == 3
    pod = jobs[0]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "shared"}
    assert pod["containers"][0]["resources"]["requests"]["memory"] == "4000M"


@installed("slurm")
def test_the_profile_of_slurm_plans_the_sweep(checkout):
    outcome = snakemake(checkout, "--profile", "profiles/slurm", "--config", f"sweep={NAME}", "--dry-run")
    assert outcome.returncode == 0 and f"run_{NAME}" in outcome.stdout, outcome.stdout + outcome.stderr
