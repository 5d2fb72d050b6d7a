"""Tests of cardio_utils.plots.features: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils import action_potential as ap
from cardio_utils import evaluation, plots

FS = 5000.0
RNG = np.random.default_rng(0)
LEVELS = [30, 50, 90]


@pytest.fixture(autouse=True)
def styled():
    plots.use()
    yield
    plt.close("all")


def beat():
    """A spike of known landmarks, a slow decay and a dip 700 ms later."""
    t = np.arange(8000) / FS
    spike = 0.2 * np.exp(-(((t - 0.17) / 0.0015) ** 2)) - 0.15 * np.exp(-(((t - 0.175) / 0.002) ** 2))
    slow = np.where(t > 0.175, 0.03 * (1 - np.exp(-(t - 0.175) / 0.002)), 0) * np.exp(-np.maximum(t - 0.18, 0) / 0.5)
    dip = -0.03 * np.exp(-(((t - 0.88) / 0.08) ** 2))
    return spike + slow + dip + 0.0005 * RNG.standard_normal(t.size)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_landmarks_are_named_where_they_were_measured():
    trace = beat()
    row = ap.eap_features(trace[None], FS).iloc[0]
    assert row["reason"] == ""
    axes = plots.eap_landmarks(trace, FS, row)
    assert {"t1", "t2", "ts", "t1_alt", "t2_alt", "ts_alt", "v1", "v2"} <= set(texts(axes[0]))
    assert {"td", "t_total", "vd", "dr", "ir", "dip"} <= set(texts(axes[1]))
    points = {tuple(np.ravel(line.get_xydata())) for line in axes[1].lines if line.get_marker() == "o"}
    assert (row["dip_time"], row["dip_value"]) in points


def test_violins_have_a_panel_a_feature_and_units():
    table = pd.DataFrame(RNG.normal(size=(60, 5)), columns=list("abcde"))
    parts = np.repeat(["train", "test 1"], 30)
    axes = plots.feature_violins(table, list("abcde"), parts, {"a": "ms", "b": "1"})
    assert [ax.get_title(loc="left") for ax in axes[:3]] == ["a (ms)", "b", "c"]
    assert [t.get_text() for t in axes[0].get_xticklabels()] == ["train", "test 1"]
    assert not axes[5].axison


def test_a_violin_without_spread_is_points():
    table = pd.DataFrame({"a": np.ones(20)})
    ax = plots.feature_violins(table, ["a"], np.repeat("train", 20))[0]
    assert len(ax.lines[0].get_xdata()) == 20


def test_correlations_are_written_and_unsure_ones_grey():
    x = pd.DataFrame({"sure": np.arange(40.0), "noise": RNG.normal(size=40)})
    found = evaluation.correlation(x, x[["sure"]], np.repeat(np.arange(8), 5))
    ax = plots.correlation_map(found.value, found.low, found.high)
    assert texts(ax)[0] == "1.00"
    colours = [text.get_color() for text in ax.texts]
    assert colours[0] == "white" and colours[1] in ("#9A9A9A", "#DCDCDC")


def test_recordings_have_a_line_each():
    group = np.repeat(["a", "b", "c"], 20)
    x = RNG.uniform(500, 900, 60)
    ax = plots.recording_lines(x, 2 * x, group, "td (ms)", "APD90 (ms)")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b", "c", "all beats"]
    straight = next(line for line in ax.lines if len(line.get_xdata()) == 2)
    assert np.diff(straight.get_ydata()) / np.diff(straight.get_xdata()) == pytest.approx(2)


def test_errors_of_levels_and_their_intervals():
    group = np.repeat(np.arange(5), 4)
    some = [evaluation.bootstrap(lambda a, b: a.mean(), RNG.normal(5, 1, 20), np.zeros(20), group) for _ in LEVELS]
    ax = plots.level_errors(pd.DataFrame({"line": some, "trees": some}, index=LEVELS))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["line", "trees"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [e.value for e in some])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["30", "50", "90"]


@pytest.mark.parametrize("parts", [None, np.repeat(["train", "test"], 20)])
def test_error_violins(parts):
    ax = plots.error_violins(RNG.normal(size=(40, 3)), LEVELS, parts)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["APD30", "APD50", "APD90"]
    assert (ax.get_legend() is None) == (parts is None)


def test_shap_bars_put_the_largest_first():
    size = pd.DataFrame({30: [1.0, 5], 90: [2.0, 6]}, index=["small", "large"])
    ax = plots.shap_bars(size)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["large", "small"]
    assert max(bar.get_x() + bar.get_width() for bar in ax.patches) == pytest.approx(11)


def test_beeswarms_rank_by_size_not_by_sign():
    x = pd.DataFrame(RNG.normal(size=(50, 3)), columns=list("abc"))
    shap = pd.DataFrame({"a": np.full(50, 1.0), "b": np.tile([5.0, -5.0], 25), "c": np.zeros(50)})
    axes = plots.beeswarms({"APD30": shap, "APD90": -shap}, x, n_features=2)
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["b", "a"]
    assert [ax.get_title(loc="left") for ax in axes] == ["APD30", "APD90"]
    drawn = np.concatenate([dots.get_offsets()[:, 0] for dots in axes[0].collections])
    assert sorted(set(drawn)) == [-5, 1, 5]


def test_coverage_is_sorted_by_the_first_method():
    share = pd.DataFrame({"as fitted": [0.9, 0.2], "calibrated": [1.0, 0.7]}, index=["easy", "hard"])
    ax = plots.interval_coverage(share, wanted=0.8)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["hard", "easy"]
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [70, 100])


def test_the_ladder_draws_measured_durations_where_there_are_any():
    median = np.array([[300.0, 500, 700], [310, 510, 710]])
    axes = plots.duration_ladder(LEVELS, median + 5, median - 50, median, median + 50, ["a", "b"])
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b"]
    np.testing.assert_allclose(axes[0].lines[1].get_xdata(), median[0] + 5)
    alone = plots.duration_ladder(LEVELS, None, median - 50, median, median + 50)
    assert len(alone[0].lines) == 1
