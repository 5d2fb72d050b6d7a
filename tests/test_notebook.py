"""setup, record and check: what a chapter says of itself."""

import json

import numpy as np
import pytest

import cardio_utils
from cardio_utils import evaluation, notebook


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CARDIO_RESULTS", str(tmp_path))
    notebook.setup("00_test", source="simulated", profile="fast", seed=1)
    return tmp_path


def read(folder):
    return json.loads((folder / "00_test.simulated.fast.json").read_text())


def test_record_prints_and_writes(folder, capsys):
    notebook.record("patient/ours/mae", 12.34567, unit="ms", ci=(11, 13.5), better="lower", n=7, tolerance=0.5)
    assert capsys.readouterr().out == "patient/ours/mae: 12.3 (11 to 13.5) ms\n"
    (metric,) = read(folder)["metrics"]
    assert metric["ci"] == [11, 13.5] and metric["n"] == 7 and metric["tolerance"] == 0.5
    assert metric["value"] == 12.3457 and read(folder)["seed"] == 1


def test_an_estimate_brings_its_interval_and_one_group_has_none(folder, capsys):
    truth, said = np.array([True, True, False, True]), np.array([True, False, False, True])
    notebook.record("two", evaluation.bootstrap("accuracy", truth, said, np.array(["a", "a", "b", "b"])))
    notebook.record("one", evaluation.bootstrap("accuracy", truth, said, np.array(["a"] * 4)))
    two, one = read(folder)["metrics"]
    assert two["n"] == 2 and two["ci"] == [0.5, 1] and one["ci"] is None
    assert "one: 0.750\n" in capsys.readouterr().out


def test_an_interrupted_chapter_leaves_what_it_had(folder):
    notebook.record("one", 1)
    assert [m["name"] for m in read(folder)["metrics"]] == ["one"]
    assert not list(folder.glob("*.part"))


def test_a_second_setup_starts_anew(folder):
    notebook.record("one", 1)
    notebook.setup("00_test", source="simulated", profile="fast", seed=1)
    assert read(folder)["metrics"] == []


@pytest.mark.parametrize(
    ("name", "value", "better"),
    [("taken", 1, ""), ("nan", float("nan"), ""), ("white space", 1, ""), ("direction", 1, "up")],
)
def test_record_refuses(folder, name, value, better):
    notebook.record("taken", 1)
    with pytest.raises(ValueError, match=name.split()[0]):
        notebook.record(name, value, better=better)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("CARDIO_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    notebook.setup("00_test", source="simulated", profile="fast", seed=0)
    notebook.record("one", 1)
    assert not list(tmp_path.iterdir())


def test_check_raises_with_the_sentence_that_failed():
    notebook.check("one is less than two", np.bool_(True))
    with pytest.raises(notebook.CheckFailed, match="pigs fly"):
        notebook.check("pigs fly", False)


@pytest.mark.parametrize("condition", [None, 1, "yes", np.array([True])])
def test_a_check_that_cannot_fail_is_refused(condition):
    with pytest.raises(TypeError, match="needs True or False"):
        notebook.check("always", condition)


def test_seed_must_be_whole():
    with pytest.raises(TypeError, match="seed"):
        notebook.setup("00_test", source="simulated", profile="fast", seed=0.5)


def test_nobody_watches_a_test():
    assert not cardio_utils.watched()
