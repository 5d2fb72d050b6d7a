"""One build at a time in a checkout; a killed one leaves nothing half-written, and its repetition ends right."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from pipeline import chapters, execute, faults


@pytest.fixture
def checkout(tmp_path):
    """A tiny book, whose builds have a lock of their own."""
    folder = tmp_path.resolve() / "book"
    faults.tiny_book(folder)
    return folder


def alone(folder, *command):
    """A command under the lock of a checkout."""
    return [sys.executable, "-m", "pipeline.alone", *command]


def busy(folder):
    """A process that holds the lock, once it does."""
    command = alone(folder, sys.executable, "-c", "print(flush=True); import time; time.sleep(3600)")
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def run(folder, command):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": folder})


def test_a_second_command_is_refused_until_the_first_one_has_ended(checkout):
    first = busy(checkout)
    second = run(checkout, alone(checkout, "touch", "done"))
    assert second.returncode == 1 and not (checkout / "done").exists()
    assert f"Another build or test is at work in {checkout} (process {first.pid})" in second.stderr
    assert len(second.stderr.splitlines()) == 1 and "Repeat the command when" in second.stderr
    first.kill()  # nobody has to remove anything
    first.wait()
    assert run(checkout, alone(checkout, "touch", "done")).returncode == 0 and (checkout / "done").exists()


def test_the_first_command_goes_on_undisturbed_and_keeps_its_status(checkout):
    outcome = run(checkout, alone(checkout, sys.executable, "-c", "print(7); raise SystemExit(3)"))
    assert outcome.returncode == 3 and outcome.stdout == "7\n"


def test_jobs_of_a_build_that_was_killed_keep_the_next_one_waiting(checkout):
    code = "from pipeline import alone; alone.job(); print(flush=True); import time; time.sleep(3600)"
    command = [sys.executable, "-c", code]
    orphan = subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": checkout})
    orphan.stdout.readline()
    refused = run(checkout, alone(checkout, "true"))
    orphan.kill()
    orphan.wait()
    assert refused.returncode == 1 and "a job of a build that was killed" in refused.stderr
    assert run(checkout, alone(checkout, "true")).returncode == 0


def snakemake(folder, *words):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock", *words]
    return run(folder, command)


def test_a_second_build_is_refused_by_snakemake_and_a_dry_run_is_not(checkout):
    first = busy(checkout)
    second, dry = snakemake(checkout, "notebooks"), snakemake(checkout, "--dry-run", "notebooks")
    first.kill()
    first.wait()
    assert second.returncode != 0 and f"(process {first.pid}): nothing was done here" in second.stderr
    assert not (checkout / "_build").exists() and dry.returncode == 0, dry.stderr


def test_parameters_reach_the_command_line_as_they_are(checkout):
    word = "o'brien $(touch hacked) `touch hacked`; touch hacked"
    notebook = checkout / "notebooks" / "01_tiny.py"
    notebook.write_text(notebook.read_text().replace("seed: int = 0", 'word: str = ""  # any\nseed: int = 0'))
    outcome = snakemake(checkout, "--dry-run", "--printshellcmds", "--config", f"word={word}")
    (line,) = [line for line in (outcome.stdout + outcome.stderr).splitlines() if "pipeline.execute" in line]
    *_, parameters, _ = shlex.split(line)
    assert json.loads(parameters) == {"word": word}


def test_a_killed_build_is_repeated_and_ends_right():
    assert faults.run(1, pages=False) == []


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "NOTEBOOKS", tmp_path)
    (tmp_path / "01_tiny.py").write_text(faults.SOURCE.replace("ANSWER", "1"))
    return chapters.Chapter("01_tiny")


@pytest.mark.parametrize("moved", range(3))
def test_a_run_that_ends_while_its_files_are_moved_leaves_whole_ones(tiny, tmp_path, monkeypatch, moved):
    out, replace, places = tmp_path / "out", os.replace, []
    out.mkdir()
    (out / "01_tiny.ipynb").write_text("the former one")

    def stop(source, target):
        if target.suffix == ".json" or target.name == "01_tiny.ipynb":
            places.append(target)
        if len(places) > moved:
            raise KeyboardInterrupt
        replace(source, target)

    def papermill(command, **_):
        source, target = command[3:5]
        (tmp_path / "results.json").write_text('{"metrics": []}')
        replace(tmp_path / "results.json", os.path.join(os.path.dirname(target), "01_tiny.simulated.fast.json"))
        os.link(source, target)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(execute.subprocess, "run", papermill)
    monkeypatch.setattr(execute.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        execute.execute(tiny, out, {}, 1)
    assert (out / "01_tiny.ipynb").read_text() == "the former one"  # it comes last: what it shows is there by then
    assert [path.name for path in places[:moved]] == ["01_tiny.simulated.fast.json", "01_tiny.run.json"][:moved]
    assert all(json.loads(path.read_text()) for path in out.glob("*.json")) and not list(out.glob(".*"))


def test_what_a_killed_run_left_is_removed_by_the_next_one(tiny, tmp_path):
    left = tmp_path / "out" / ".01_tiny.left"
    left.mkdir(parents=True)
    (left / "01_tiny.simulated.fast.json").write_text('{"metr')
    execute.execute(tiny, tmp_path / "out", {}, 1)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["01_tiny.ipynb", "01_tiny.run.json", "01_tiny.simulated.fast.json"]
