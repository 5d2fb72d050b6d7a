"""Tests of cardio_utils.plots: what is drawn, where, with which words; looks are for the eye."""

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cardio_utils import evaluation as ev
from cardio_utils import plots
from cardio_utils.plots import style

RNG = np.random.default_rng(0)
N = 300
LABEL = RNG.choice(list("NSVFQ"), N, p=[0.7, 0.1, 0.1, 0.05, 0.05])
GUESS = np.where(RNG.random(N) < 0.8, LABEL, "N")
PATIENT = RNG.integers(0, 12, N)


@pytest.fixture(autouse=True)
def closed():
    with matplotlib.rc_context():
        plots.use()
        yield
    plt.close("all")


def dataset(layout="centred"):
    time = (np.arange(144) - 64) / 125 if layout == "centred" else np.arange(187) / 125
    wave = RNG.standard_normal((N, len(time))).astype("float32")
    coords = {"label": ("beat", LABEL), "patient": ("beat", PATIENT), "time": ("time", time, {"units": "s"})}
    for name in ("rr_before", "rr_after", "rr_mean"):
        coords[name] = ("beat", RNG.uniform(0.6, 1.0, N).astype("float32"))
    coords["rr_before"][1][:3] = np.nan
    if layout == "kachuee":
        coords["valid_length"] = ("beat", np.full(N, 100, "int16"))
    return xr.Dataset({"wave": (("beat", "time"), wave)}, coords, {"layout": layout})


def curves():
    return ev.roc_pr(LABEL == "V", RNG.random(N) + (LABEL == "V"), PATIENT, n_resamples=50)


def calibration():
    prob = RNG.random(N)
    return ev.calibration(prob, RNG.random(N) < prob, PATIENT, n_resamples=50)


def estimates():
    names = {"majority": np.full(N, "N"), "ours": GUESS}
    return {k: ev.bootstrap("macro_f1", LABEL, p, PATIENT, n_resamples=50) for k, p in names.items()}


def gap_table():
    one, two = estimates().values()
    return pd.DataFrame({"beat-random": [two, two], "patient-wise": [one, one]}, index=["a", "b"])


def means():
    return pd.DataFrame(np.sin(np.arange(40))[None] * [[1], [2]], index=["N", "V"])


HISTORY = pd.DataFrame({"train_loss": [2.0, 1.0], "validation_loss": [2.0, 1.5], "metric": [0.1, 0.5]}, index=[1, 2])
SPANS = {"P": (0.02, 0.05), "QRS": (0.1, 0.15)}
TIME = np.arange(40) / 125
DELETION = pd.DataFrame({"most": [1, 0.2], "random": [1, 0.6], "least": [1, 0.9]}, index=[0.0, 0.5])
FIGURES = {
    "class_balance": (1, lambda **k: plots.class_balance(LABEL, PATIENT, **k)),
    "beat_grid": (5, lambda **k: plots.beat_grid(dataset(), **k)),
    "rr_scatter": (1, lambda **k: plots.rr_scatter(dataset(), **k)),
    "cam_trace": (1, lambda **k: plots.cam_trace(np.sin(TIME), np.linspace(0, 1, 40), TIME, SPANS, **k)),
    "class_mean_cam": (2, lambda **k: plots.class_mean_cam(means(), means().abs() / 2, TIME, SPANS, **k)),
    "confusion": (1, lambda **k: plots.confusion(ev.confusion(LABEL, GUESS), **k)),
    "metric_bars": (1, lambda **k: plots.metric_bars(estimates(), "macro-F1", highlight="ours", **k)),
    "gap": (1, lambda **k: plots.gap(gap_table(), "macro-F1", **k)),
    "roc_pr": (2, lambda **k: plots.roc_pr({"ours": curves(), "other": curves()}, **k)),
    "reliability": (1, lambda **k: plots.reliability({"before": calibration()}, **k)),
    "history": (2, lambda **k: plots.history(HISTORY, 2, **k)),
    "per_group_bars": (
        1,
        lambda **k: plots.per_group_bars(ev.by_group("f1/V", LABEL, GUESS, PATIENT), overall=0.5, **k),
    ),
    "deletion": (1, lambda **k: plots.deletion(DELETION, **k)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_return_labelled_axes_of_readable_width(name, recwarn):
    n_axes, draw = FIGURES[name]
    axes = np.ravel(draw())
    assert len(axes) == n_axes and all(isinstance(ax, plt.Axes) for ax in axes)
    assert all(ax.get_xlabel() for ax in axes)
    assert axes[0].get_ylabel() or axes[0].get_yticklabels()[0].get_text()
    figure = axes[0].figure
    assert figure.get_size_inches()[0] <= 8.0 and figure.get_facecolor() == (1, 1, 1, 1)
    figure.canvas.draw()
    assert not recwarn.list


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_into_given_axes(name):
    n_axes, draw = FIGURES[name]
    _, given = plt.subplots(1, n_axes)
    many = n_axes > 1
    returned = draw(**{"axes" if many else "ax": given})
    assert list(np.ravel(returned)) == list(np.ravel(given))
    assert len(plt.get_fignums()) == 1
    assert np.ravel(given)[0].has_data()


def test_class_balance_says_counts_shares_and_patients():
    ax = plots.class_balance(np.repeat(list("VN"), [1, 3]), [0, 0, 0, 1])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["N", "V"]
    assert [t.get_text() for t in ax.texts] == ["3 beats, 75 %, 2 patients", "1 beats, 25 %, 1 patient"]
    assert [bar.get_width() for bar in ax.patches] == [3, 1]


def test_beat_grid_does_not_draw_padding_and_has_milliseconds():
    axes = plots.beat_grid(dataset("kachuee"), classes=["N", "V"], n=4)
    assert len(axes) == 2 and len(axes[0].lines) == 6
    x, y = axes[0].lines[0].get_data()
    assert x[-1] == pytest.approx(1488) and np.isnan(y[100:]).all() and np.isfinite(y[:100]).all()
    assert axes[0].get_ylabel() == "amplitude (0 to 1)"
    data = dataset("kachuee")
    bold = plots.beat_grid(data, classes=["N"])[0].lines[-1].get_ydata()
    mean = data.wave.values[LABEL == "N"].mean(0)
    np.testing.assert_allclose(bold[:100], mean[:100], rtol=1e-4, atol=1e-6)


def test_rr_scatter_leaves_unknown_intervals_out():
    data = dataset()
    ax = plots.rr_scatter(data, classes=list("NSVFQ"))
    assert sum(len(c.get_offsets()) for c in ax.collections) == N - 3


def test_cam_trace_colours_by_importance_and_leaves_the_unknown_thin():
    cam = np.linspace(0, 1, 40)
    cam[30:] = np.nan
    ax = plots.cam_trace(np.sin(TIME), cam, TIME, SPANS)
    lines = ax.collections[-1]
    np.testing.assert_allclose(lines.get_array(), (cam[:29] + cam[1:30]) / 2)
    assert lines.norm.vmin == 0 and lines.norm.vmax == 1
    assert {t.get_text() for t in ax.texts} == {"P", "QRS"}
    assert ax.get_xlim() == (0, pytest.approx(312))


def test_confusion_shows_counts_and_row_shares_in_the_order_asked():
    ax = plots.confusion(pd.DataFrame([[3, 1], [0, 4]], index=["N", "V"], columns=["N", "V"]), ["V", "N"])
    assert [t.get_text() for t in ax.texts] == ["4\n100.0 %", "0", "1\n25.0 %", "3\n75.0 %"]
    np.testing.assert_allclose(ax.images[0].get_array(), [[1, 0], [0.25, 0.75]])


def test_gap_says_the_difference():
    table = gap_table()
    ax = plots.gap(table)
    difference = table.iloc[0, 1].value - table.iloc[0, 0].value
    assert ax.texts[0].get_text() == f"{difference:+.2f}".replace("-", "−")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["beat-random", "patient-wise"]


def test_per_group_bars_are_sorted_and_count_what_is_left_out():
    values = pd.Series([0.5, np.nan, 0.2], index=pd.Index(["a", "b", "c"], name="record"))
    ax = plots.per_group_bars(values, overall=0.4, highlight=["c"])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["c", "a"]
    assert ax.get_xlabel() == "record (1 without such beats left out)"
    assert ax.patches[0].get_facecolor() != ax.patches[1].get_facecolor()


def test_one_group_without_intervals_can_be_drawn():
    e = ev.bootstrap("accuracy", LABEL, GUESS, np.zeros(N))
    assert len(plots.metric_bars({"a": e}).patches) == 1
    table = ev.calibration(RNG.random(N), RNG.random(N) < 0.5)
    assert plots.reliability(table).has_data()


def test_history_without_a_metric_is_one_panel():
    assert len(plots.history(HISTORY.drop(columns="metric"))) == 1


def test_class_colours_differ_and_are_the_same_every_time():
    assert len({plots.class_colour(c) for c in "NSVFQ"}) == 5
    assert plots.class_colour("anything") == plots.class_colour("anything")


def test_heat_darkens_steadily():
    rgb = style.HEAT(np.linspace(0, 1, 20))[:, :3]
    assert (np.diff(rgb @ [0.2126, 0.7152, 0.0722]) < 0).all()


def test_importing_is_light_and_changes_nothing():
    code = """if True:
        import sys, matplotlib
        before = matplotlib.rcParams.copy()
        import cardio_utils.plots
        assert not {"torch", "sklearn", "matplotlib.pyplot"} & set(sys.modules)
        assert matplotlib.rcParams.copy() == before
    """
    subprocess.run([sys.executable, "-c", code], check=True)
