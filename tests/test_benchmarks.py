"""What the benchmarks measured becomes one file and one page; nothing is measured here."""

import json

import pytest

from pipeline import benchmarks, pages


def test_the_page_is_made_of_what_was_kept():
    measured = json.loads(benchmarks.KEPT.read_text())
    assert benchmarks.PAGE.read_text() == benchmarks.page(measured), "run `python -m pipeline.benchmarks --collect`"
    assert set(measured) <= set(benchmarks.names())


def test_the_kept_file_is_none_of_a_chapter():
    assert benchmarks.KEPT.parent == pages.RESULTS and benchmarks.KEPT not in pages.RESULTS.glob("*.*.*.json")


def test_what_is_named_on_the_page_is_what_a_benchmark_reports():
    for name, one in json.loads(benchmarks.KEPT.read_text()).items():
        assert set(benchmarks.RATIOS.get(name, {})) <= set(one["report"]["ratios"] if "ratios" in one["report"] else {})


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks, "BUILD", tmp_path)
    monkeypatch.setattr(benchmarks, "KEPT", tmp_path / "kept" / "benchmarks.json")
    benchmarks.KEPT.parent.mkdir()
    return tmp_path


def test_what_was_not_measured_again_keeps_its_date(place):
    old = {"date": "2026-01-02", "machine": benchmarks.machine(), "report": {"peak_gb": 0.5, "target_gb": 1.0}}
    benchmarks.KEPT.write_text(json.dumps({"pairs": old}))
    (place / "maps.json").write_text(json.dumps({"ratios": {"activation times": 0.5}, "versions": {"numpy": "2.0"}}))
    measured = benchmarks.collect()
    assert list(measured) == ["maps", "pairs"] and measured["pairs"] == old and measured["maps"]["date"] > "2026-01-02"
    text = benchmarks.page(measured)
    assert "| activation times by a SqueezeNet | 0.5 times | 1 times | **no** |" in text and "numpy 2.0." in text
    assert "| memory at most | 0.50 GB | at most 1 GB | yes |" in text and "Measured on 2026-01-02" in text
    assert "Not measured yet: apd, build, cells," in text


def test_times_of_a_build_are_held_against_what_was_promised():
    seconds = {
        "installation": 100,
        "warm": 600,
        "cold": 700,
        "no change": 12.5,
        "one chapter changed": 60,
        "test": 1200,
    }
    wanted = {"cold": 1200, "no change": 10, "test": 1500}
    report = {"seconds": seconds, "wanted": wanted, "executed_again": ["00a_regression"]}
    found = {what: (value, holds) for what, value, _, holds in benchmarks.rows("build", report)}
    assert found["both, from an empty folder"] == ("700 s", True)
    assert found["`make book` again"] == ("12.50 s", False)
    assert found["`make env`, the installation"] == ("100 s", None)
    assert found["chapters executed again after one was changed"] == ("1", None)
