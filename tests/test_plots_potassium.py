"""Figures of potassium show what they are given."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from cardio_utils.data.potassium import CLASSES
from cardio_utils.plots import potassium as plots
from cardio_utils.plots import style


@pytest.fixture(autouse=True)
def closed():
    with mpl.rc_context():
        style.use()
        yield
    plt.close("all")


def drawn(axes):
    """Axes that can be drawn; every one has something in it."""
    axes = np.ravel(axes)
    axes[0].figure.canvas.draw()
    assert all(ax.has_data() for ax in axes)
    return axes


def test_histogram_counts_every_record():
    rng = np.random.default_rng(0)
    (ax,) = drawn(plots.potassium_histogram(rng.uniform(2, 8, 90), rng.normal(4.2, 0.5, 500)))
    assert sum(bar.get_height() for bar in ax.containers[0]) == 90


def test_beats_one_line_a_concentration():
    beats = {k: np.random.default_rng(0).normal(0, 1, (8, 96)) for k in (2.0, 4.2, 7.0)}
    axes = drawn(plots.potassium_beats(beats, np.arange(96) / 100, {"II": 1, "V4": 5}))
    assert [len(ax.lines) for ax in axes] == [3, 3] and axes[1].get_title(loc="left") == "V4"


def test_medians_beside_real_ones():
    table = pd.DataFrame({"t_width": [1.4, 1.1, 1, 0.8, 0.9], "V4_t": [0.6, 0.9, 1, 1.2, 1.2]}, index=list(CLASSES))
    axes = drawn(plots.relative_medians({"simulated": table}, table, {"V4_t": "T of V4"}))
    assert axes[1].get_title(loc="left") == "T of V4" and len(axes[0].lines) == 3


def test_prediction_shows_identity_slope_and_constant():
    rng = np.random.default_rng(0)
    measured = rng.uniform(2, 7, 50)
    (ax,) = drawn(plots.predicted_potassium(measured, 0.5 * measured + 2, 4.3, 0.5))
    fitted = ax.lines[3]
    assert np.polyfit(*fitted.get_data(), 1)[0] == pytest.approx(0.5)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["identity", "constant predictor", "slope 0.50"]


def test_error_bars_a_class_and_model():
    table = pd.DataFrame({"constant": [2.0, 1, 0.4, 1.5, 2.7], "ours": [1.0, 0.8, 0.5, 0.9, 1.2]}, index=list(CLASSES))
    (ax,) = drawn(plots.error_by_class(table))
    assert [bar.get_height() for bar in ax.containers[1]] == table.ours.tolist()


def test_distributions_one_panel_a_record():
    p = np.random.default_rng(0).dirichlet(np.ones(61), 3)
    axes = drawn(plots.level_distributions(p, [2.2, 4.0, 6.8], p > 0.01, ["a", "b", "c"]))
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b", "c"]


def test_coverage_and_predictive_values():
    share = pd.DataFrame({"on average": [0.9, 0.6], "by class": [0.91, 0.88]}, index=["all", "K >= 6.5"])
    (ax,) = drawn(plots.class_coverage(share, 0.9, 0.8))
    assert ax.lines[0].get_xdata().tolist() == [90.0, 60.0]
    prevalence = np.geomspace(0.005, 0.5, 20)
    (ax,) = drawn(plots.predictive_values({"ours": (prevalence, prevalence**0.5)}, {"clinic": 0.02}))
    assert ax.get_xscale() == "log"


def test_attention_beside_deletion():
    share = np.random.default_rng(0).dirichlet(np.ones(8), 30)
    deletion = pd.DataFrame(
        {"most": np.linspace(0.9, 0.5, 8), "random": np.linspace(0.9, 0.6, 8), "least": np.linspace(0.9, 0.7, 8)},
        index=np.arange(8) / 8,
    )
    axes = drawn(plots.lead_attention(share, list("abcdefgh"), deletion))
    assert len(axes[1].lines) == 3 and len(axes[0].patches) == 8
