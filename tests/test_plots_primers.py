"""Figures of the primers show the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils import plots


@pytest.fixture(autouse=True)
def figures():
    plots.use()
    yield
    plt.close("all")


def test_curves_carry_their_numbers_as_colours():
    ax = plots.coloured_curves(np.arange(5), np.ones((3, 5)), [10.0, 20.0, 30.0], ylabel="mV", label="ms")
    (bundle,) = ax.collections
    assert list(bundle.get_array()) == [10, 20, 30] and len(bundle.get_segments()) == 3
    assert ax.figure.axes[1].get_ylabel() == "ms"


def test_residuals_show_the_mean_of_each_fifth():
    x = np.arange(50.0)
    axes = plots.residuals({"a": x, "b": x}, {"a": np.where(x < 10, 4.0, 0.0), "b": 0 * x})
    assert [ax.get_title(loc="left") for ax in axes] == ["a", "b"]
    line = axes[0].get_lines()[-1]
    assert list(line.get_ydata()) == [4, 0, 0, 0, 0] and line.get_xdata()[0] == 4.5


def test_effects_are_sorted_by_their_true_size():
    table = pd.DataFrame({"truth": [1.0, -5.0, 3.0], "line": [1.5, -4.0, 3.0]}, index=["Na", "Kr", "CaL"])
    ax = plots.effects(table, "truth")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["Na", "CaL", "Kr"]
    shown = {line.get_label(): list(line.get_xdata()) for line in ax.get_lines()}
    assert shown["truth"] == [1, 3, -5] and shown["line"] == [1.5, 3, -4]


def test_pictures_stand_in_a_grid():
    axes = plots.pictures(np.random.default_rng(0).random((2, 3, 8, 8)), list("abc"), ["x", "y"])
    assert axes.shape == (2, 3) and axes[1, 0].get_ylabel() == "y"
    assert [ax.get_title(loc="left") for ax in axes[0]] == list("abc")
