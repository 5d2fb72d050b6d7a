"""Tests of plots.agreement and plots.traces: what is drawn, where, with which words; looks are for the eye."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cardio_utils import agreement, plots
from cardio_utils.evaluation import Estimate

RNG = np.random.default_rng(0)
CELL = np.repeat([f"cell{k}" for k in range(6)], 10)
TRUE = RNG.normal(600, 60, 60)
MEASURED = TRUE - 5 + RNG.normal(0, 2, 60)
SNR = RNG.uniform(15, 45, 60)
ERROR = 40 * 10 ** (-SNR / 20) * RNG.normal(1, 0.2, 60)
TIME = np.arange(300) / 1000


@pytest.fixture(autouse=True)
def closed():
    with matplotlib.rc_context():
        plots.use()
        yield
    plt.close("all")


def recording(n=2000):
    time = np.arange(n) / 100
    patch = 50 * np.sin(2 * np.pi * time)
    patch[500] = 900
    traces = {s: (("recording", f"time_{s}"), x[None]) for s, x in {"patch": patch, "nea": patch / 20}.items()}
    coords = {"recording": ["a"], "poration": ("recording", [5.0]), "time_patch": time, "time_nea": time + 1}
    return xr.Dataset(traces, coords)


def levels(value):
    return {n: Estimate(value, value / 2, value * 2, 6, np.empty(0)) for n in range(10, 101, 10)}


def dose_table():
    return pd.DataFrame({"dose": [0.0, 0, 1, 1], "apd90": [300.0, 320, 400, np.nan]})


def limits():
    return agreement.bland_altman(MEASURED, TRUE, CELL)


def threshold(tolerance=2.0):
    return agreement.threshold(ERROR, SNR, tolerance, CELL, n_resamples=30)


WAVES = {"patch": np.sin(TIME), "nea": np.cos(TIME)}
FIGURES = {
    "bland_altman": (1, lambda **k: plots.bland_altman(MEASURED, TRUE, CELL, limits(), **k)),
    "error_against_snr": (1, lambda **k: plots.error_against_snr(SNR, ERROR, CELL, threshold(), **k)),
    "error_by_level": (1, lambda **k: plots.error_by_level({"a": levels(2.0), "b": levels(5.0)}, **k)),
    "by_cell": (1, lambda **k: plots.by_cell(ERROR, CELL, **k)),
    "against_truth": (1, lambda **k: plots.against_truth(TRUE, {"a": MEASURED, "b": TRUE + 3}, **k)),
    "overlay": (2, lambda **k: plots.overlay(TIME, {"one": WAVES, "two": WAVES}, **k)),
    "two_sensors": (2, lambda **k: plots.two_sensors(recording(), "a", **k)),
    "dose_response": (2, lambda **k: plots.dose_response({"a": dose_table(), "b": dose_table()}, **k)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_return_labelled_axes_of_readable_width(name, recwarn):
    n_axes, draw = FIGURES[name]
    axes = np.ravel(draw())
    assert len(axes) == n_axes and all(isinstance(ax, plt.Axes) for ax in axes)
    assert axes[-1].get_xlabel() and axes[0].get_ylabel()
    figure = axes[0].figure
    assert figure.get_size_inches()[0] <= 8.0 and figure.get_facecolor() == (1, 1, 1, 1)
    figure.canvas.draw()
    assert not recwarn.list


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_into_given_axes(name):
    n_axes, draw = FIGURES[name]
    _, given = plt.subplots(1, n_axes)
    returned = draw(**{"axes" if n_axes > 1 else "ax": given})
    assert list(np.ravel(returned)) == list(np.ravel(given))
    assert len(plt.get_fignums()) == 1 and np.ravel(given)[0].has_data()


def test_bland_altman_draws_every_beat_and_says_bias_and_limits():
    result = limits()
    ax = plots.bland_altman(MEASURED, TRUE, CELL, result)
    points = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() == "o"])
    np.testing.assert_allclose(np.sort(points), np.sort(MEASURED - TRUE))
    assert ax.texts[1].get_text() == f"bias\n{result.bias.value:+.1f} ms".replace("-", "−")
    assert [t.get_text().split("\n")[0] for t in ax.texts] == ["upper limit", "bias", "lower limit"]


def test_error_against_snr_names_the_threshold_only_where_there_is_one():
    found = threshold()
    ax = plots.error_against_snr(SNR, ERROR, CELL, found)
    words = [t.get_text() for t in ax.get_legend().get_texts()]
    assert words[-1] == f"threshold {found.value:.1f} dB" and "tolerance, 2 ms" in words
    never = plots.error_against_snr(SNR, ERROR, CELL, threshold(1e-4))
    assert not any("threshold" in t.get_text() for t in never.get_legend().get_texts())


def test_errors_by_level_stand_at_their_levels_with_their_intervals():
    ax = plots.error_by_level({"a": levels(2.0)})
    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xdata(), range(10, 101, 10))
    assert set(line.get_ydata()) == {2.0} and line.get_label() == "a"
    np.testing.assert_allclose(ax.collections[0].get_segments()[0], [[10, 1], [10, 4]])


def test_cells_are_ordered_as_asked_and_show_their_medians():
    values = np.array([1.0, 2, 3, 10, np.nan])
    cell = np.array(["a", "a", "a", "b", "c"])
    ax = plots.by_cell(values, cell)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]
    assert [line.get_ydata()[0] for line in ax.lines if len(line.get_ydata()) == 2][:2] == [2, 10]
    turned = plots.by_cell(values, cell, {"a": 2, "b": 1})
    assert [t.get_text() for t in turned.get_xticklabels()] == ["b", "a"]


def test_two_sensors_lose_no_peak_and_mark_the_pulse_on_each_clock():
    axes = plots.two_sensors(recording(), "a", n=100)
    x, y = axes[0].lines[0].get_data()
    assert len(x) <= 200 and y.max() == 900 and (np.diff(x) >= 0).all()
    assert [ax.lines[1].get_xdata()[0] for ax in axes] == [5, 6]
    assert axes[0].get_ylim()[1] < 200
    assert [ax.get_title(loc="left") for ax in axes] == ["patch clamp, a", "nanoelectrode, a"]


def test_two_sensors_without_a_pulse_mark_none():
    axes = plots.two_sensors(recording().drop_vars("poration"), "a")
    assert all(len(ax.lines) == 1 for ax in axes)


def test_overlay_calls_sensors_by_their_names():
    ax = plots.overlay(TIME, {"one": {"nea": TIME, "filtered": TIME}})[0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["nanoelectrode", "filtered"]
    assert ax.lines[0].get_xdata()[-1] == pytest.approx(299)


def test_dose_response_counts_what_has_no_value():
    (ax,) = plots.dose_response({"verapamil": dose_table()})
    assert ax.get_xlabel() == "verapamil (µM)"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["none", "1"]
    assert [t.get_text() for t in ax.texts] == ["1 without"]
