"""Tests of plots.mepp: what is drawn, where, with which words; looks are for the eye."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cardio_utils import events, plots
from cardio_utils.plots import mepp as figures
from cardio_utils.simulate import mepp

FS = mepp.FS
DATA = mepp.simulate("normal", 1, 10.0, rate=4.0)
X, PEAKS = DATA.vm.values[0], DATA.peak.values
TABLE = events.event_table(X, FS, PEAKS)


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


def marks(ax, marker):
    return [line.get_xdata() for line in ax.lines if line.get_marker() == marker]


def test_a_trace_with_zooms_marks_true_and_found_events():
    zooms = [(1.0, 1.5), (4.0, 4.3)]
    axes = figures.trace_zooms(X, FS, zooms, true=PEAKS, found=PEAKS[::2], score=np.zeros(X.size), threshold=0.5)
    assert len(axes) == 3 and axes[0].get_xlim() == (0, 10) and axes[1].get_xlim() == zooms[0]
    assert marks(axes[0], "v")[0].tolist() == PEAKS.tolist() and len(marks(axes[0], "^")[0]) == len(PEAKS[::2])
    inside = PEAKS[(PEAKS >= 1) & (PEAKS <= 1.5)]
    assert marks(axes[1], "v")[0].tolist() == inside.tolist()
    drawn = axes[0].lines[0].get_ydata()
    assert drawn.max() == X.max() and drawn.min() == X.min() and len(drawn) < 0.1 * X.size
    words = texts(axes)
    assert "true event" in words and "found event" in words and "time (s)" in words and "mV" in words
    assert "detector's output" in words


def test_a_trace_without_events_has_no_legend():
    axes = figures.trace_zooms(X, FS, [(0, 1)])
    assert not axes[0].figure.legends and "time (s)" in texts(axes)


def test_precision_against_recall_one_panel_a_tier():
    recall = np.linspace(0, 1, 20)
    one = pd.DataFrame({"recall": recall, "precision": 1 - recall**2})
    band = one.assign(low=one.precision - 0.1, high=one.precision + 0.1)
    curves = {f"SNR {k}": {"network": band, "matched filter": one} for k in (2, 3, 4)}
    axes = figures.precision_recall(curves, {"SNR 2": {"network": (0.5, 0.75)}})
    assert [ax.get_title(loc="left") for ax in axes] == ["SNR 2", "SNR 3", "SNR 4"]
    assert [len(ax.collections) for ax in axes] == [1, 1, 1]
    assert marks(axes[0], "o")[0] == [0.5] and not marks(axes[1], "o")
    words = texts(axes)
    assert all(word in words for word in ("recall", "precision", "network", "matched filter"))


def test_scores_against_snr_have_bands():
    rows = [
        {"detector": name, "snr": snr, "value": 0.5 + snr / 20, "low": 0.4 + snr / 20, "high": 0.6 + snr / 20}
        for name in ("network", "find_peaks")
        for snr in (4, 2, 8)
    ]
    ax = figures.score_by_snr(pd.DataFrame(rows))
    assert len(ax.collections) == 2 and ax.lines[0].get_xdata().tolist() == [2, 4, 8]
    assert "simulated" in texts(ax) and "find_peaks" in texts(ax)


def test_distributions_show_every_event_and_chance():
    true = pd.DataFrame({"amplitude": DATA.amplitude.values, "interval": np.diff(PEAKS, prepend=np.nan)})
    axes = figures.event_distributions(true, TABLE)
    heights = [patch for patch in axes[0].patches]
    assert len(heights) == 2 and axes[1].get_yscale() == "log"
    words = texts(axes)
    assert f"true: {len(true)} events" in words and "by chance" in words and "(mV" in words and "(s)" in words
    alone = figures.event_distributions(None, TABLE)
    assert "true" not in texts(alone) and f"found: {len(TABLE)} events" in texts(alone)


def test_distributions_of_no_event():
    axes = figures.event_distributions(None, TABLE.iloc[:0])
    assert "0 events" in texts(axes)


def test_aligned_events_have_their_mean_at_the_onset():
    rows = events.waveforms(X, FS, TABLE.onset)
    ax = figures.aligned_events(rows, FS, most=10)
    mean = next(line for line in ax.lines if "mean" in str(line.get_label()))
    assert 0.4 < mean.get_xdata()[np.argmax(mean.get_ydata())] < 2.0
    assert len(ax.lines) == 12 and f"mean of {len(rows)}" in texts(ax) and "(ms)" in texts(ax)
    assert "from the onset" in texts(figures.aligned_events(rows[:0], FS))


def test_reconstructions_stand_over_their_errors():
    x = X[10_000:15_000] - X.mean()
    axes = figures.reconstruction_error(
        x, FS, {"bottleneck": x / 2}, {"bottleneck": abs(x / 2)}, thresholds={"bottleneck": 0.4}, true=PEAKS, start=1.0
    )
    assert axes[0].get_xlim() == pytest.approx((1.0, 1.5), abs=1e-3)
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), abs(x / 2))
    assert axes[1].lines[1].get_ydata()[0] == 0.4
    words = texts(axes)
    assert "bottleneck" in words and "scaled" in words and "threshold" in words and "true event" in words


def test_given_axes_are_used():
    given = plt.subplots(1, 2)[1]
    assert figures.event_distributions(None, TABLE, given)[0] is given[0]
    assert figures.aligned_events(events.waveforms(X, FS, TABLE.onset), FS, ax=given[1]) is given[1]
