"""Figures of reconstructed waveforms: they show what they are given, and return their Axes."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils import evaluation, plots
from cardio_utils.reconstruction import Windows


@pytest.fixture(autouse=True)
def styled():
    plots.use()
    yield
    plt.close("all")


@pytest.fixture
def seen():
    wave = np.tile(np.sin(np.linspace(0, 6, 1400)), (4, 1)).astype("float32")
    inside = np.ones(wave.shape, bool)
    inside[1, 900:] = False
    name = np.array(["a", "a", "b", "b"])
    return Windows(wave, wave**2, inside, np.full(4, 0.17), name, np.arange(4), np.full(4, ""))


def estimate(value):
    return evaluation.bootstrap(lambda a, _: a.mean(), value + np.arange(4) / 100, np.zeros(4), np.arange(4))


def test_reconstructions_end_where_the_beat_ends(seen):
    axes = plots.reconstructions(seen, {"ridge": seen.target, "network": 0.9 * seen.target}, [0, 1], ["one", "two"])
    assert axes.shape == (2, 2)
    assert [ax.get_title(loc="left") for ax in axes[0]] == ["one", "two"]
    assert len(axes[1, 0].lines) == 4  # measured, two models, the spike
    assert axes[1, 1].lines[0].get_xdata()[-1] == pytest.approx(1000 * seen.time[899])
    assert [t.get_text() for t in axes[1, 1].get_legend().get_texts()] == ["measured", "ridge", "network"]


def test_model_errors_show_every_model_the_floor_and_the_limit():
    table = pd.DataFrame({r: [estimate(0.05), estimate(0.02)] for r in ("a", "b", "c")}, ["mean", "network"])
    axes = plots.model_errors(table, floor=0.01, limit=0.015, titles=["x", "y", "z"])
    assert [ax.get_title(loc="left") for ax in axes] == ["x", "y", "z"]
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["mean", "network"]
    at = [line.get_xdata()[0] for line in axes[0].lines]
    assert at == pytest.approx([0.065, 0.035, 0.01, 0.015])
    assert len(plots.model_errors(table)[0].lines) == 2


def test_lags_have_one_row_a_recording():
    ax = plots.lag_distribution([1.0, 2.0, 40.0, np.nan], ["a", "a", "b", "b"], {"a": "nea", "b": "mea"})
    assert [t.get_text() for t in ax.get_yticklabels()] == ["nea", "mea"]
    assert ax.lines[1].get_xdata()[0] == 1.5 and ax.lines[3].get_xdata()[0] == 40


def test_losses_highlight_the_exact_solution():
    table = pd.DataFrame({"theirs": [9.0, 2.0], "ours": [0.0, 6.0]}, ["exact", "flat"])
    axes = plots.loss_cases(table)
    assert [bar.get_width() for bar in axes[0].patches] == [9, 2]
    first, other = axes[1].patches
    assert first.get_facecolor() != other.get_facecolor()


@pytest.mark.parametrize("series", [None, "network"])
def test_ablation_sets_zero_apart_and_draws_means(series):
    table = pd.DataFrame({"weight": [0, 0, 0.01, 0.01], "mae": [3.0, 5.0, 1.0, 3.0], "network": ["a", "b"] * 2})
    ax = plots.ablation(table, "weight", "mae", series=series, reference={"ridge": 6.0})
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "0.01"]
    places = ax.get_xticks()
    assert 0 < places[0] < places[1]
    lines = [line.get_ydata() for line in ax.lines if line.get_linestyle() == "-"]
    assert [list(y) for y in lines] == ([[4, 2]] if series is None else [[3, 1], [5, 3]])


def test_parameters_are_drawn_within_their_bounds():
    table = pd.DataFrame({"a": [0.02, 0.03, 0.1], "k": [100.0, 200.0, 900.0]})
    axes = plots.parameter_violins(table, {"a": (0.01, 0.2), "k": (100, 1000)}, ["x", "x", "y"], {"y": "why"})
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "k"]
    assert axes[1].get_yscale() == "log"
    assert [t.get_text() for t in axes[0].get_xticklabels()] == ["x", "why"]


def test_profiles_have_one_line_a_parameter():
    ax = plots.profiles(pd.DataFrame({"a": [1.0, 0, 1], "k": [0.0, 0, 0]}, index=[0.5, 1.0, 2.0]))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "k"]


def test_attribution_has_one_panel_a_duration(seen):
    axes = plots.attribution(seen.time, seen.wave, {"APD30": seen.wave, "APD90": -seen.wave})
    assert len(axes) == 3 and axes[1].get_ylabel().startswith("APD30") and axes[2].get_ylim()[0] == 0
