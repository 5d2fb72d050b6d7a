"""Figures of the chapter on reconstructed leads: they draw what they are given and label it."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils.evaluation import Estimate
from cardio_utils.plots import leads as figures

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def table(n=20):
    names = ["V1", "V2", "V4"]
    return pd.DataFrame({"record": np.repeat(np.arange(n), 3), "lead": np.tile(names, n), "r": RNG.random(3 * n)})


def estimate(value):
    return Estimate(value, value - 0.05, value + 0.05, 10, np.full(3, value), "")


def test_boxes_for_each_lead_and_model():
    ax = figures.lead_boxes({"FIR ridge": table(), "ours": table()}, wanted=0.9, limits=(0, 1))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["V1", "V2", "V4"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["FIR ridge", "ours"]
    assert len(ax.patches) == 6


def test_sets_of_each_size_are_ranked():
    ranking = pd.DataFrame({"leads": ["I", "II", "I+II", "I+V2"], "n": [1, 1, 2, 2], "r2": [0.3, 0.4, 0.5, 0.8]})
    axes = figures.lead_sets(ranking, best=2)
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["1 lead", "2 leads"]
    assert [t.get_text() for t in axes[1].get_yticklabels()] == ["all", "I+V2", "I+II"]


def test_shrinkage_writes_the_slope():
    truth = np.append(np.linspace(0, 2, 30), np.nan)
    axes = figures.shrinkage(truth, {"half": 0.5 * truth + 0.1, "exact": truth})
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in axes]
    assert titles == ["half: slope 0.50", "exact: slope 1.00"]


def test_areas_of_routes_beside_the_reference():
    areas = pd.DataFrame({"drawn": [estimate(0.8), estimate(0.85)], "few": [estimate(0.79), estimate(0.86)]},
                         index=["I+II", "I+II+V3"])  # fmt: skip
    ax = figures.areas_by_set(areas, estimate(0.9))
    assert [t.get_text() for t in ax.get_yticklabels()] == ["I+II", "I+II+V3"]
    assert "twelve measured leads" in [t.get_text() for t in ax.get_legend().get_texts()]


def test_a_trade_off_marks_alpha():
    rows = pd.DataFrame({"network": ["multi"] * 3, "alpha": [1, 0.5, 0.1], "r": [0.9, 0.89, 0.85],
                         "auc": [0.8, 0.82, 0.83]})  # fmt: skip
    ax = figures.trade_off(rows)
    assert [t.get_text() for t in ax.texts] == ["α = 0.1", "α = 0.5", "α = 1"]


def test_failures_draw_every_lead_of_every_record():
    truth = RNG.normal(size=(3, 8, 500))
    curves = np.stack([truth - 1, truth, truth + 1], axis=1)
    axes = figures.failures(truth, curves, 100.0, {"V1": 2, "V4": 5}, ["worst", "1 %", "median"])
    assert axes.shape == (2, 3)
    assert axes[1, 0].get_ylabel() == "V4 (mV)"
    assert len(axes[0, 0].lines[0].get_xdata()) == 250
