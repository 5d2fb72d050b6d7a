"""Figures of heartbeats: classes, waves, intervals, and where a network looked."""

import numpy as np
from matplotlib.collections import LineCollection

from .style import FAINT, HEAT, INK, MUTED, class_colour, new_axes

ORDER = ("N", "S", "V", "F", "Q")


def class_balance(labels, group=None, ax=None):
    """How many beats each class has, and of how many patients.

    Parameters
    ----------
    labels : array of shape (n,)
    group : array of shape (n,), optional
        Patients; adds their number to each bar.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    labels = np.asarray(labels)
    classes = _classes(labels)
    ax = new_axes(ax, size=(6.4, 0.8 + 0.42 * len(classes)))
    counts = np.array([(labels == c).sum() for c in classes])
    ax.barh(range(len(classes)), counts, color=[class_colour(c) for c in classes], height=0.62)
    for row, (name, count) in enumerate(zip(classes, counts, strict=True)):
        text = f"{count:,} beats, {100 * count / len(labels):.2g} %"
        if group is not None:
            patients = len(np.unique(np.asarray(group)[labels == name]))
            text += f", {patients} patient{'s' * (patients > 1)}"
        inside = count > 0.55 * counts.max()
        ax.annotate(
            text,
            (count, row),
            xytext=(-7 if inside else 7, 0),
            textcoords="offset points",
            va="center",
            ha="right" if inside else "left",
            color="white" if inside else INK,
        )
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="beats", ylabel="class", ylim=(len(classes) - 0.5, -0.5))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.tick_params(axis="y", length=0)
    return ax


def beat_grid(dataset, classes=None, n=12, seed=0, axes=None):
    """Some beats of each class as thin lines, and the mean of all beats of the class as a bold one.

    Parameters
    ----------
    dataset : xarray.Dataset
        Beats as `cardio_utils.data.heartbeats.load` returns them; padding after `valid_length` is not drawn.
    classes : sequence of str, optional
        All that occur, if not given.
    n, seed : int
        Beats drawn in each panel, and which.
    axes : array of Axes, optional
        One for each class.

    Returns
    -------
    ndarray of Axes
    """
    labels, wave = dataset.label.values, _unpadded(dataset)
    classes = _classes(labels) if classes is None else list(classes)
    size = (min(8.0, 1.0 + 1.75 * len(classes)), 2.7)
    axes = np.ravel(new_axes(axes, len(classes), size, sharex=True, sharey=True, squeeze=False))
    ms = 1000 * dataset.time.values
    rng = np.random.default_rng(seed)
    for ax, name in zip(axes, classes, strict=True):
        rows = np.flatnonzero(labels == name)
        ax.set_title(f"{name}  ({len(rows):,})")
        ax.set_xlabel("time (ms)")
        ax.grid(axis="y")
        if not len(rows):
            continue
        some = rng.choice(rows, min(n, len(rows)), replace=False)
        ax.plot(ms, wave[some].T, color=class_colour(name), alpha=0.28, linewidth=0.8)
        ax.plot(ms, _mean(wave[rows]), color="white", linewidth=4)
        ax.plot(ms, _mean(wave[rows]), color=class_colour(name), linewidth=2.2)
    axes[0].set_ylabel(_amplitude(dataset))
    return axes


def rr_scatter(dataset, classes=None, n=1500, seed=0, ax=None):
    """The interval before each beat against the one after it, both as a share of the local mean interval.

    Parameters
    ----------
    dataset : xarray.Dataset
        With coordinates `label`, `rr_before`, `rr_after`, `rr_mean` (s); beats without them are left out.
    classes : sequence of str, optional
    n, seed : int
        Most beats drawn of a class, and which.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(5.2, 4.6))
    labels = dataset.label.values
    before, after = ((dataset[name] / dataset.rr_mean).values.astype(float) for name in ("rr_before", "rr_after"))
    known = np.isfinite(before) & np.isfinite(after)
    rng = np.random.default_rng(seed)
    ax.axhline(1, color="#CFCFCF", linewidth=1.2, zorder=0)
    ax.axvline(1, color="#CFCFCF", linewidth=1.2, zorder=0)
    for name in _classes(labels) if classes is None else classes:
        rows = np.flatnonzero((labels == name) & known)
        rows = rng.choice(rows, min(n, len(rows)), replace=False)
        ax.scatter(before[rows], after[rows], s=7, alpha=0.4, linewidths=0, color=class_colour(name), label=name)
    ax.set(xlim=(0.3, 1.9), ylim=(0.3, 1.9), aspect="equal")
    ax.set(xlabel="RR before / local mean RR", ylabel="RR after / local mean RR")
    legend = ax.legend(title="class", markerscale=2.5, loc="upper right")
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return ax


def cam_trace(wave, cam, time, spans=None, ax=None, colour_bar=True, ylabel="amplitude (mV)"):
    """A trace coloured by how much each moment counted for a network's decision.

    Parameters
    ----------
    wave, cam, time : array of shape (time,)
        Amplitude, importance from 0 to 1 (NaN: no signal there, drawn as a thin line), and seconds.
    spans : dict of str to (start, end), optional
        Stretches to shade, in seconds, such as `{"P": (-0.2, -0.1), "QRS": (-0.05, 0.06), "T": (0.15, 0.4)}`.
    ax : Axes, optional
    colour_bar : bool
    ylabel : str

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.8, 3.0))
    wave, cam, ms = np.asarray(wave, float), np.asarray(cam, float), 1000 * np.asarray(time, float)
    margin = 0.08 * (np.nanmax(wave) - np.nanmin(wave) or 1)
    ax.set(xlim=(ms[0], ms[-1]), ylim=(np.nanmin(wave) - margin, np.nanmax(wave) + 2 * margin))
    _shade(ax, spans)
    ax.plot(ms, np.where(np.isnan(cam), wave, np.nan), color=MUTED, linewidth=0.8)
    points = np.stack([ms, wave], axis=1)
    segments = np.stack([points[:-1], points[1:]], axis=1)
    value = (cam[:-1] + cam[1:]) / 2
    shown = np.isfinite(value)
    lines = LineCollection(segments[shown], cmap=HEAT, norm=_unit_norm(), linewidths=3, capstyle="round")
    lines.set_array(value[shown])
    ax.add_collection(lines)
    ax.set(xlabel="time (ms)", ylabel=ylabel)
    if colour_bar:
        bar = ax.figure.colorbar(lines, ax=ax, pad=0.02, aspect=18)
        bar.set_label("importance (share of maximum)")
        bar.outline.set_visible(False)
    return ax


def class_mean_cam(waves, cams, time, spans=None, axes=None, ylabel="amplitude (mV)"):
    """The mean beat of each class, coloured by the mean importance map of the class.

    Parameters
    ----------
    waves, cams : DataFrame (class, time)
        Means, such as `explain.class_mean_map` returns.
    time : array of shape (time,)
        Seconds.
    spans : dict of str to (start, end), optional
        As in `cam_trace`.
    axes : array of Axes, optional
        One for each class.

    Returns
    -------
    ndarray of Axes
    """
    classes = list(waves.index)
    size = (min(8.0, 1.2 + 1.75 * len(classes)), 2.7)
    axes = np.ravel(new_axes(axes, len(classes), size, sharex=True, sharey=True, squeeze=False))
    for ax, name in zip(axes, classes, strict=True):
        cam_trace(waves.loc[name], cams.loc[name], time, spans, ax, colour_bar=False, ylabel="")
        ax.set_title(name)
    low, high = np.nanmin(waves.values), np.nanmax(waves.values)
    axes[0].set(ylim=(low - 0.06 * (high - low), high + 0.16 * (high - low)), ylabel=ylabel)
    bar = axes[0].figure.colorbar(axes[-1].collections[-1], ax=list(axes), pad=0.01, aspect=18)
    bar.set_label("mean importance")
    bar.outline.set_visible(False)
    return axes


def _unit_norm():
    from matplotlib.colors import Normalize

    return Normalize(0, 1)


def _shade(ax, spans):
    for name, (start, end) in (spans or {}).items():
        ax.axvspan(1000 * start, 1000 * end, color=FAINT, alpha=0.55, linewidth=0, zorder=0)
        middle = (500 * (start + end), 0.985)
        ax.annotate(name, middle, xycoords=("data", "axes fraction"), ha="center", va="top", color=MUTED, fontsize=7)


def _classes(labels):
    """Classes that occur, in the usual order."""
    found = [str(c) for c in np.unique(labels)]
    return [c for c in ORDER if c in found] + [c for c in found if c not in ORDER]


def _unpadded(dataset):
    wave = dataset.wave.values.astype(float)
    if "valid_length" in dataset.coords:
        beyond = np.arange(wave.shape[1]) >= dataset.valid_length.values[:, None]
        wave = np.where(beyond, np.nan, wave)
    return wave


def _mean(waves):
    """Mean over beats, where at least a tenth of them still have signal."""
    known = np.isfinite(waves)
    count = known.sum(0)
    total = np.where(known, waves, 0).sum(0)
    return np.where(count >= max(1, 0.1 * len(waves)), total / np.maximum(count, 1), np.nan)


def _amplitude(dataset):
    default = "mV" if dataset.attrs.get("layout") == "centred" else "0 to 1"
    return f"amplitude ({dataset.wave.attrs.get('units') or default})"
