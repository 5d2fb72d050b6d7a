"""Tests of cardio_utils.plots.sites: what is drawn, where, with which words; looks are for the eye."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cardio_utils import plots, sites
from cardio_utils.evaluation import Estimate

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed():
    with matplotlib.rc_context():
        plots.use()
        yield
    plt.close("all")


def texts(axes):
    """All words of a figure, and proof that it can be drawn."""
    figure = np.ravel(axes)[0].figure
    figure.canvas.draw()
    return " ".join(t.get_text() for t in figure.findobj(plt.Text))


def estimate(value):
    return Estimate(value, value - 1, value + 1, 5, np.empty(0))


def table(n=40):
    distance = RNG.choice([0.2, 0.4, 0.6], n)
    columns = {"distance": distance, "neighbour": distance == 0.2, "far": distance == 0.6}
    return pd.DataFrame(columns | {"mae": RNG.random(n), "delay": -10 * distance})


def test_site_traces_show_two_sites_and_a_stretch():
    fs, n = 1000, 20_000
    time = np.arange(n) / fs
    rows = np.array([3.0, 1.0])[:, None] * np.sin(2 * np.pi * time)
    rows[0, 5000:5050] = 500  # a poration pulse must not set the limits
    coords = {"electrode": ("site", ["11", "21"]), "time": time}
    axes = plots.site_traces(xr.Dataset({"nea": (("site", "time"), rows)}, coords), [0, 1], (8, 10))
    assert 3 < axes[0].get_ylim()[1] < 6
    assert [len(line.get_xdata()) for line in axes[1].lines] == [2001, 2001]
    words = texts(axes)
    assert "electrode 11" in words and "electrode 21" in words and "(mV)" in words and "(s)" in words


def test_resealing_curves_break_at_the_pulse():
    time = np.r_[np.arange(0, 30, 1.5), np.arange(50, 80, 1.5)][None]
    amplitude = np.exp(-time / 50)
    ax = plots.resealing_curves(time, amplitude, amplitude, ["23"], pulses=[40.0])
    assert ax.get_yscale() == "log"
    curve = next(line for line in ax.lines if line.get_linestyle() == "-")
    assert np.isnan(curve.get_ydata()).sum() == 1
    assert "23" in texts(ax)


def test_relative_errors_are_per_cent_of_the_known():
    known = np.array([30.0, 100.0, 300.0])
    fits = {"biased": (1.1 * known, 1.05 * known, 1.2 * known), "exact": (known, known * np.nan, known * np.nan)}
    ax = plots.relative_errors(known, fits, "time constant (s)")
    biased, exact = (next(line for line in ax.lines if line.get_label() == name) for name in fits)
    assert np.allclose(biased.get_ydata(), 10) and np.allclose(exact.get_ydata(), 0)
    words = texts(ax)
    assert "known time constant (s)" in words and "100" in words and "%" in words


def test_activation_maps_have_a_panel_and_a_speed_each():
    place = np.tile(sites.position(["11", "12", "21", "22"]), (2, 1))
    activation = np.arange(8.0)
    names = np.repeat(["a", "b"], 4)
    waves = {name: sites.plane_wave(place[names == name], activation[names == name]) for name in "ab"}
    axes = plots.activation_maps(place, activation, names, waves)
    assert len(axes) == 2 and all(len(ax.collections[0].get_offsets()) == 4 for ax in axes)
    words = texts(axes)
    assert f"a: {100 * waves['a'].speed:.0f} cm/s" in words and "(ms)" in words and "x (mm)" in words
    assert "0.0" in words and "3.0" in words  # both recordings begin at their first site


def test_against_distance_draws_absolute_values_and_means():
    pairs = table()
    axes = plots.against_distance(pairs, {"mae": "MAE", "delay": "delay (ms)"})
    mean = axes[1].lines[-1]
    assert np.allclose(mean.get_ydata(), [2, 4, 6]) and np.allclose(mean.get_xdata(), [0.2, 0.4, 0.6])
    drawn = sum(len(line.get_xdata()) for line in axes[0].lines[:-1])
    assert drawn == len(pairs)
    assert all(word in texts(axes) for word in ("neighbours", "far pairs", "between", "delay (ms)", "distance (mm)"))


def test_pair_groups_draw_every_estimate_with_its_interval():
    frame = pd.DataFrame({"seen": [estimate(3), estimate(4)], "true": [estimate(2), None]}, index=["near", "far"])
    axes = plots.pair_groups({"mae": frame, "apd": frame}, {"mae": "MAE", "apd": "APD (ms)"})
    intervals = [line.get_xdata() for line in axes[0].lines if len(line.get_xdata()) == 2]
    assert sorted(map(tuple, intervals)) == [(1, 3), (2, 4), (3, 5)]
    assert all(word in texts(axes) for word in ("near", "far", "seen", "true", "APD (ms)"))
    assert axes[0].get_ylim()[0] > axes[0].get_ylim()[1]  # from top to bottom


def test_gate_curve_marks_the_gates():
    gates = pd.Index([20.0, 30.0, 40.0], name="gate")
    columns = {"beats": [1, 0.5, 0.1], "pairs": [1, 0.8, 0.2], "value": [3, 3, 3], "low": [2, 2, 1], "high": [4, 4, 6]}
    axes = plots.gate_curve(pd.DataFrame(columns, gates), "APD90 (ms)", {"the gate": 30.0})
    assert np.allclose(axes[0].lines[0].get_ydata(), [100, 50, 10])
    words = texts(axes)
    assert "the gate" in words and "true dB" in words and "kept (%)" in words


def test_variance_bars_name_model_and_source():
    one = pd.DataFrame({"sd": [3.0, 1.0], "low": [4.0, 0.5], "high": [16.0, 2.0]}, index=["site", "residual"])
    none = one.assign(low=np.nan, high=np.nan)
    ax = plots.variance_bars({"seen": one, "true": none}, "ms")
    assert [bar.get_width() for bar in ax.patches] == [3, 1, 3, 1]
    assert all(word in texts(ax) for word in ("seen", "true", "site", "residual", "(ms)", "3.0"))
