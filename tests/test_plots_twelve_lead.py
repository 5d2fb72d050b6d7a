"""Figures of twelve-lead records: the scale of the sheet, and what each figure draws."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils import ecg
from cardio_utils.plots import style
from cardio_utils.plots import twelve_lead as plots


@pytest.fixture(autouse=True)
def _closed():
    style.use()
    yield
    plt.close("all")


@pytest.fixture
def record():
    x = np.zeros((12, 1000))
    x[:, 100] = 1.0
    x[:, 600] = 2.0
    return x


def test_the_sheet_has_true_proportions(record):
    ax = plots.sheet(record, 100)
    assert ax.get_aspect() == 1
    lead = {line.get_xdata()[0]: line for line in ax.lines if len(line.get_xdata()) == 250}
    assert len([line for line in ax.lines if len(line.get_xdata()) == 250]) == 12
    first = lead[12.0]
    assert np.ptp(first.get_ydata()) == pytest.approx(10)  # 1 mV
    strip = next(line for line in ax.lines if len(line.get_xdata()) == 1000)
    assert strip.get_xdata()[100] - strip.get_xdata()[0] == pytest.approx(25)  # 1 s
    assert np.ptp(strip.get_ydata()) == pytest.approx(20)
    assert [t.get_text() for t in ax.texts][:12] == list(plots.LEADS)


def test_the_sheet_at_true_width_has_true_millimetres(record):
    ax = plots.sheet(record, 100, width=plots.TRUE_WIDTH)
    ax.figure.draw_without_rendering()
    inches = ax.get_window_extent().width / ax.figure.dpi
    assert inches * 25.4 == pytest.approx(np.ptp(ax.get_xlim()), rel=0.03)


def test_a_second_signal_and_a_band(record):
    band = np.stack([record - 0.1, record + 0.1])
    ax = plots.sheet(record, 100, record * 0.8, band, rhythm="", names=("true", "made"))
    assert len(ax.collections) == 12
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["true", "made"]
    assert len([line for line in ax.lines if len(line.get_xdata()) == 250]) == 24
    absent = record.copy()
    absent[6:] = np.nan
    plots.sheet(absent, 100, ax=None).figure.canvas.draw()


def test_delineated_marks_every_beat(record):
    one = np.array([2.5, 3.5])
    waves = ecg.Delineation(one, one - 0.05, one + 0.05, one + 0.3, *[np.zeros((2, 12))] * 4)
    axes = plots.delineated(record, 100, waves)
    assert [ax.get_ylabel() for ax in axes] == ["II (mV)", "V2 (mV)", "V5 (mV)"]
    assert len(axes[0].patches) == 2
    assert len(axes[0].get_legend().get_texts()) == 2


def test_figures_of_labels():
    table = pd.DataFrame({"records": [5.0, 3, 8], "patients": [4.0, 3, 6], "alone": [0.8, 0.5, 0.7]}, ["A", "B", "all"])
    ax = plots.label_counts(table)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["A", "B"]
    ax = plots.co_occurrence(pd.DataFrame([[5, 1], [1, 3]], ["A", "B"], ["A", "B"]))
    assert [text.get_text() for text in ax.texts] == ["5", "1\n20 %", "1\n33 %", "3"]
    analysis = pd.DataFrame({"probability": [0.9], "low": [0.8], "high": [0.95], "overall": [0.2]}, ["A"])
    assert plots.label_probabilities(analysis).get_xlabel()
    comparison = pd.DataFrame(
        {"clean": [50, 0.2, 60], "corrupted": [5, 0.4, 62], "p": [np.nan, 0.03, 0.5]}, ["records", "A", "age"]
    )
    ax = plots.side_by_side(comparison)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["A"]
    assert [text.get_text() for text in ax.texts] == ["p = 0.03"]


def test_mean_beats_has_a_panel_a_lead():
    beats = {"A": np.zeros((6, 70)), "B": np.ones((6, 70))}
    axes = plots.mean_beats(beats, np.arange(70) / 100, ["I", "II", "V1", "V2", "V4", "V6"])
    assert [ax.get_title(loc="left") for ax in axes if ax.get_visible()] == ["I", "II", "V1", "V2", "V4", "V6"]
    assert len(axes[0].lines) >= 2
