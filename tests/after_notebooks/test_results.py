"""Numbers that the notebooks have just recorded, against the committed ones, each within its own tolerance.

`make test` runs the notebooks into ``_build/test-results`` first; without them these tests fail, they do not skip.
"""

import json

import pytest

from pipeline import chapters, pages

FRESH = chapters.BUILD / "test-results"
COMMITTED = [pages.RESULTS / f"{c.name}.simulated.fast.json" for c in chapters.find()]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.name)
def test_results_are_within_tolerance_of_the_committed_ones(path):
    fresh_path = FRESH / path.name
    assert fresh_path.is_file(), f"{fresh_path} is missing: `make test` runs the notebooks first"
    committed = {m["name"]: m for m in json.loads(path.read_text())["metrics"]}
    fresh = {m["name"]: m for m in json.loads(fresh_path.read_text())["metrics"]}
    assert committed and fresh.keys() == committed.keys(), "run `make book` and `make refresh`"
    moved = [
        f"{name}: {committed[name]['value']} became {metric['value']}, tolerance {committed[name]['tolerance']}"
        for name, metric in fresh.items()
        if abs(metric["value"] - committed[name]["value"]) > committed[name]["tolerance"]
    ]
    assert not moved, "\n".join(moved)


def test_tolerances_are_narrow_enough_to_notice_a_regression():
    for path in COMMITTED:
        for metric in json.loads(path.read_text())["metrics"]:
            if metric["better"]:
                low, high = metric["ci"] or (0, 0)  # what resampling moves by, another processor may
                most = max(0.1, 0.25 * abs(metric["value"]), (high - low) / 2)
                assert metric["tolerance"] <= 1.001 * most, metric["name"]
