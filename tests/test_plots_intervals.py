"""Figures of intervals and channels: what is drawn, and that each function draws where it is told to."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils import plots

TIME = np.linspace(-0.1, 1.3, 140)
RNG = np.random.default_rng(0)
CURVES = np.exp(-(TIME**2))[None, None] + np.array([-0.1, 0, 0.1])[None, :, None] + np.zeros((4, 1, 1))


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_bands_have_one_panel_a_beat_and_a_common_legend():
    axes = plots.bands(TIME, CURVES[:3], CURVES[:3, 1], ["a", "b", "c"], raw=CURVES[:3])
    assert [ax.get_title(loc="left") or ax.get_title() for ax in axes] == ["a", "b", "c"]
    (low,) = axes[0].collections
    assert low.get_paths()[0].vertices[:, 1].max() == pytest.approx(CURVES[0, 2].max())
    labels = {text.get_text() for text in axes[0].figure.legends[0].texts}
    assert labels == {"calibrated 90 % band", "raw band", "predicted median", "measured"}
    assert len(plots.bands(TIME, CURVES[:1])) == 1


def test_coverage_by_phase_draws_every_recording():
    index = pd.MultiIndex.from_product([list("abcd"), ["rest", "plateau"]], names=["recording", "phase"])
    table = pd.DataFrame({"coverage": RNG.uniform(0.5, 1, 8), "width": RNG.uniform(0, 0.2, 8)}, index)
    axes = plots.phase_coverage({"raw": table, "calibrated": table})
    dots = np.concatenate([line.get_ydata() for line in axes[0].lines if len(line.get_xdata()) == 4])
    assert sorted(dots) == pytest.approx(sorted([*100 * table["coverage"]] * 2))
    assert [t.get_text() for t in axes[0].get_xticklabels()] == ["rest", "plateau"]


def test_drawn_waveforms_and_their_durations():
    waves = CURVES[0, 1] + 0.05 * RNG.standard_normal((9, 1))
    axes = plots.drawn(TIME, waves, CURVES[0], CURVES[0, 1], [*range(300, 308), np.nan], 304, (299, 311))
    assert sum(patch.get_height() for patch in axes[1].patches) == 8
    assert [line.get_xdata()[0] for line in axes[1].lines] == [304, 299, 311]


def test_ways_to_an_interval_of_a_duration():
    index = pd.MultiIndex.from_product([["edges", "drawn"], [50, 90]], names=["way", "level"])
    values = {"coverage": [0.1, 0.2, 0.9, 0.8], "low": 0.05, "high": 0.95, "width": [-5, 20, 90, 80], "crossed": 0.0}
    axes = plots.duration_methods(pd.DataFrame(values, index))
    heights = [bar.get_height() for bar in axes[1].patches]
    assert heights == [-5, 20, 90, 80]
    assert [t.get_text() for t in axes[0].get_xticklabels()] == ["APD50", "APD90"]


def test_a_grid_of_channels_leaves_the_last_places_empty_and_shows_channels_without_beats():
    waves = CURVES.copy()
    waves[1] = np.nan
    axes = plots.channel_grid(TIME, waves, list("abcd"), columns=3)
    assert len(axes) == 6 and [ax.axison for ax in axes] == [True] * 4 + [False] * 2


def test_durations_over_time_without_intervals_or_truth():
    table = pd.DataFrame({"time": [0.0, 1.0], "value": [500.0, 510.0], "low": [480.0, 490.0], "high": [520.0, 530.0]})
    inner = table.assign(low=np.nan, high=np.nan)
    axes = plots.durations_over_time({"a": table, "inside": inner}, {"a": [1, 2], "inside": [1, 2]}, drug_time=0.5)
    assert len(axes[0].collections) == 1 and not axes[1].collections
    assert len(plots.durations_over_time({"a": table})[0].lines) == 1


def test_maps_of_one_quantity_share_a_scale():
    x, y = np.tile(np.arange(2), 2), np.repeat(np.arange(2), 2)
    maps = {"APD, seen (ms)": [1, 2, 3, np.nan], "APD, true (ms)": [5, 6, 7, 8], "delay (ms)": [0, 1, 2, 3]}
    axes = plots.array_maps(x, y, maps, [True, False, False, False])
    limits = [ax.collections[1].get_clim() for ax in axes]
    assert limits == [(1, 8), (1, 8), (0, 3)]


def test_effects_of_channels_are_in_order_with_the_truth_beside_them():
    table = pd.DataFrame({
        "electrode": ["11", "12", "13"], "change": [30.0, 10.0, 20.0], "low": [25.0, -5.0, 15.0],
        "high": [35.0, 25.0, 25.0], "shrunk": [28.0, 14.0, 20.0], "p_adjusted": [0.01, 0.4, 0.01],
    })  # fmt: skip
    ax = plots.channel_effects(table, pd.Series([31.0, 11.0, 21.0]), (20, 15, 25))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["12", "13", "11"]
    crosses = next(line for line in ax.lines if line.get_marker() == "x")
    assert list(crosses.get_ydata()) == [11, 21, 31]
    given = plt.subplots()[1]
    assert plots.channel_effects(table, ax=given) is given
