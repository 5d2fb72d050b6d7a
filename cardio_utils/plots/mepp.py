"""Figures of miniature end-plate potentials: traces with events, scores, distributions, reconstructions."""

import numpy as np

from .style import INK, MUTED, PALETTE, new_axes
from .traces import _envelope

__all__ = [
    "aligned_events",
    "event_distributions",
    "precision_recall",
    "reconstruction_error",
    "score_by_snr",
    "trace_zooms",
]

_TRUE, _FOUND = PALETTE["green"], PALETTE["vermilion"]
_ORDER = [PALETTE[name] for name in ("vermilion", "blue", "orange", "green", "purple", "sky", "black")]
_STYLES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]


def trace_zooms(x, fs, zooms, *, true=None, found=None, score=None, threshold=None, unit="mV", axes=None, n=3000):
    """A whole recording with its events, and stretches of it enlarged.

    Parameters
    ----------
    x : (n,) array_like
        Trace.
    fs : float
        Sampling rate (Hz).
    zooms : sequence of (float, float)
        Stretches (s), one panel each below the whole.
    true, found : array_like, optional
        Times (s), drawn as triangles above and below the trace.
    score : (n,) array_like, optional
        A detector's output at each sample, drawn at the foot of the zooms, from 0 to 1.
    threshold : float, optional
        Of the score, drawn as a line.
    unit : str
    axes : sequence of Axes, optional
        One for the whole, one a zoom.
    n : int
        Smallest and largest value are drawn of each of `n` pieces of the trace: no peak is lost.

    Returns
    -------
    ndarray of Axes
    """
    x, time = np.asarray(x), np.arange(len(x)) / fs
    axes = _whole_and_parts(len(zooms)) if axes is None else np.ravel(axes)
    axes[0].plot(*_envelope(time, x, n), color=PALETTE["blue"], linewidth=0.5)
    axes[0].set(xlabel="time (s)", ylabel=unit, xlim=(0, len(x) / fs))
    _marks(axes[0], x, fs, true, found, (0, len(x) / fs), size=5)
    for ax, (a, b) in zip(axes[1:], zooms, strict=True):
        axes[0].axvspan(a, b, color=MUTED, alpha=0.25, linewidth=0)
        first, last = max(0, int(a * fs)), min(len(x), int(np.ceil(b * fs)))
        ax.plot(time[first:last], x[first:last], color=PALETTE["blue"], linewidth=0.9)
        ax.set(xlabel="time (s)", xlim=(a, b))
        ax.locator_params(axis="x", nbins=4)
        ax.ticklabel_format(useOffset=False)
        _marks(ax, x[first:last], fs, true, found, (a, b), size=7, label=True)
        if score is not None:
            _score_below(ax, time[first:last], np.asarray(score)[first:last], threshold)
    axes[1].set_ylabel(unit)
    handles, labels = axes[1].get_legend_handles_labels()
    if handles:
        axes[1].figure.legend(handles, labels, loc="outside upper right", ncols=3)
    return axes


def _whole_and_parts(n):
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(8.0, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, n, height_ratios=[1, 1.3])
    return np.array([figure.add_subplot(grid[0, :]), *(figure.add_subplot(grid[1, k]) for k in range(n))])


def _marks(ax, x, fs, true, found, stretch, size, label=False):
    """Triangles above (true) and below (found) what is drawn, with room for them."""
    low, high = float(np.min(x)), float(np.max(x))
    margin = 0.12 * (high - low)
    ax.set_ylim(low - 2 * margin, high + 2 * margin)
    rows = ((true, high + margin, "v", _TRUE, "true event"), (found, low - margin, "^", _FOUND, "found event"))
    for times, level, marker, colour, text in rows:
        if times is not None:
            times = np.asarray(times, float)
            times = times[(times >= stretch[0]) & (times <= stretch[1])]
            style = dict(color=colour, markersize=size, markeredgewidth=0, alpha=0.9)
            ax.plot(times, np.full(times.size, level), marker, label=text if label else None, **style)


def _score_below(ax, time, score, threshold):
    """A detector's output in the lowest fifth of a panel."""
    low, high = ax.get_ylim()
    height = 0.25 * (high - low)
    ax.set_ylim(low - 1.2 * height, high)
    foot = low - 1.15 * height
    style = dict(color=PALETTE["orange"], alpha=0.7, linewidth=0, label="detector's output")
    ax.fill_between(time, foot, foot + height * np.clip(score, 0, 1), **style)
    if threshold is not None:
        ax.axhline(foot + height * threshold, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))


def precision_recall(curves, chosen=None, axes=None):
    """Precision against recall of several detectors, one panel a tier.

    Parameters
    ----------
    curves : dict of str to dict of str to DataFrame
        Tier -> detector -> columns `recall`, `precision` over thresholds, and `low`, `high`: the interval of precision,
        drawn as a band if there.
    chosen : dict of str to dict of str to (float, float), optional
        Tier -> detector -> (recall, precision) at the threshold in use, drawn as a dot.
    axes : array of Axes, optional
        One a tier.

    Returns
    -------
    ndarray of Axes
    """
    size = (min(8.0, 1.2 + 2.3 * len(curves)), 3.1)
    axes = np.ravel(new_axes(axes, len(curves), size, sharex=True, sharey=True, squeeze=False))
    for ax, (tier, detectors) in zip(axes, curves.items(), strict=True):
        for k, (name, table) in enumerate(detectors.items()):
            style = dict(color=_ORDER[k % len(_ORDER)], linestyle=_STYLES[k % len(_STYLES)])
            ax.plot(table["recall"], table["precision"], label=name, linewidth=1.6, **style)
            if "low" in table:
                ax.fill_between(
                    table["recall"], table["low"], table["high"], color=style["color"], alpha=0.15, linewidth=0
                )
            if chosen is not None and name in chosen.get(tier, {}):
                ax.plot(*chosen[tier][name], "o", color=style["color"], markeredgecolor="white", markersize=6)
        ax.set_title(tier)
        ax.set(xlabel="recall", xlim=(0, 1.02), ylim=(0, 1.02))
        ax.grid(True)
    axes[0].set_ylabel("precision")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def score_by_snr(table, ax=None, ylabel="F1 (simulated)"):
    """A score against the signal-to-noise ratio, one line a detector, with its interval.

    Parameters
    ----------
    table : DataFrame
        Columns `detector`, `snr`, `value`, `low`, `high`.
    ax : Axes, optional
    ylabel : str

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.4, 3.6))
    for k, (name, rows) in enumerate(table.groupby("detector", sort=False)):
        rows = rows.sort_values("snr")
        style = dict(color=_ORDER[k % len(_ORDER)], linestyle=_STYLES[k % len(_STYLES)])
        ax.plot(rows["snr"], rows["value"], label=name, marker="o", markersize=4, linewidth=1.6, **style)
        ax.fill_between(rows["snr"], rows["low"], rows["high"], color=style["color"], alpha=0.15, linewidth=0)
    ax.set(xlabel="mean amplitude / SD of the noise", ylabel=ylabel)
    ax.set_xticks(np.unique(table["snr"]))
    ax.set_ylim(top=1.02)
    ax.grid(axis="y")
    ax.legend(loc="lower right")
    return ax


def event_distributions(true, found, axes=None, unit="mV"):
    """Amplitudes and intervals of true and found events.

    Parameters
    ----------
    true, found : DataFrame
        Columns `amplitude` and `interval` (s; NaN left out), as of `events.event_table`. `true` may be None.
    axes : two Axes, optional
    unit : str

    Returns
    -------
    ndarray of Axes
        Histograms of amplitudes; share of intervals longer than a time, logarithmic, where events that come by chance
        make a straight line (dashed: that of the mean of the true, or else the found, intervals).
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.2)))
    groups = [("true", true, _TRUE), ("found", found, _FOUND)]
    groups = [(name, table, colour) for name, table, colour in groups if table is not None]
    every = np.concatenate([_fine(table["amplitude"]) for _, table, _ in groups])
    edges = np.linspace(0, np.quantile(every, 0.995) * 1.1, 41) if every.size else np.linspace(0, 1, 11)
    for k, (name, table, colour) in enumerate(groups):
        amplitude, interval = _fine(table["amplitude"]), np.sort(_fine(table["interval"]))
        label = f"{name}: {len(table)} events"
        axes[0].hist(np.minimum(amplitude, edges[-1]), edges, histtype="step", color=colour, linewidth=1.6, label=label)
        if amplitude.size:
            axes[0].axvline(amplitude.mean(), color=colour, linewidth=1, linestyle=(0, (2, 2)))
        if interval.size:
            axes[1].step(
                interval, 1 - np.arange(interval.size) / interval.size, where="post", color=colour, linewidth=1.6
            )
            if k == 0:
                reach = np.array([0, interval[-1]])
                style = dict(color=INK, linewidth=1, linestyle=(0, (5, 3)))
                axes[1].plot(reach, np.exp(-reach / interval.mean()), label="by chance, same rate", **style)
                axes[1].set_ylim(0.5 / interval.size, 1.3)
    axes[0].set(xlabel=f"amplitude ({unit}; dotted: mean)", ylabel="events", xlim=(0, edges[-1]))
    axes[0].legend()
    axes[1].set(xlabel="interval (s)", ylabel="share of intervals that are longer", yscale="log")
    axes[1].set_xlim(left=0)
    if axes[1].get_legend_handles_labels()[0]:
        axes[1].legend()
    return axes


def _fine(values):
    values = np.asarray(values, float)
    return values[np.isfinite(values)]


def aligned_events(waveforms, fs, *, before=2e-3, ax=None, unit="mV", most=200):
    """Events laid over each other at their onset, with their mean.

    Parameters
    ----------
    waveforms : (event, sample) array_like
        From `cardio_utils.events.waveforms`.
    fs : float
        Sampling rate (Hz).
    before : float
        How long before the onset the windows begin (s).
    ax : Axes, optional
    unit : str
    most : int
        Events drawn: evenly taken from all; the mean is that of all.

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(5.2, 3.4))
    rows = np.asarray(waveforms, float)
    ms = 1000 * (np.arange(rows.shape[1]) / fs - before)
    shown = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))] if len(rows) else rows
    ax.plot(ms, shown.T, color=PALETTE["sky"], linewidth=0.5, alpha=max(0.15, min(0.8, 20 / max(1, len(shown)))))
    if len(rows):
        ax.plot(ms, np.nanmean(rows, axis=0), color=PALETTE["black"], linewidth=2, label=f"mean of {len(rows)}")
        ax.legend(loc="upper right")
    ax.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.set(xlabel="time from the onset (ms)", ylabel=f"above the baseline ({unit})", xlim=(ms[0], ms[-1]))
    return ax


def reconstruction_error(x, fs, reconstructions, errors, *, thresholds=None, true=None, start=0.0, unit="", axes=None):
    """A stretch of a trace, what autoencoders make of it, and their error.

    Parameters
    ----------
    x : (n,) array_like
        The stretch.
    fs : float
        Sampling rate (Hz).
    reconstructions, errors : dict of str to (n,) array_like
        Model -> its output, and its error at each sample.
    thresholds : dict of str to float, optional
        Model -> threshold of its error, drawn as a line.
    true : array_like, optional
        Times of true events (s), drawn as triangles.
    start : float
        Time of the first sample (s).
    unit : str
        Of the trace; scaled ones have none.
    axes : two Axes, optional
        Above each other.

    Returns
    -------
    ndarray of Axes
    """
    import matplotlib.pyplot as plt

    x = np.asarray(x)
    time = start + np.arange(len(x)) / fs
    if axes is None:
        axes = plt.subplots(2, 1, figsize=(8.0, 4.2), sharex=True, layout="constrained", height_ratios=[1.4, 1])[1]
    axes = np.ravel(axes)
    axes[0].plot(time, x, color=MUTED, linewidth=0.8, label="recording")
    for k, (name, row) in enumerate(reconstructions.items()):
        colour = _ORDER[k % len(_ORDER)]
        axes[0].plot(time, row, color=colour, linewidth=1.4, linestyle=_STYLES[k % len(_STYLES)], label=name)
        axes[1].plot(time, errors[name], color=colour, linewidth=1.0, label=name)
        if thresholds is not None and name in thresholds:
            axes[1].axhline(thresholds[name], color=colour, linewidth=1, linestyle=(0, (4, 3)))
    if true is not None:
        _marks(axes[0], x, fs, true, None, (time[0], time[-1]), size=7, label=True)
    axes[0].set(ylabel=f"trace{f' ({unit})' if unit else ', scaled'}", xlim=(time[0], time[-1]))
    axes[1].set(xlabel="time (s)", ylabel="error (dashed: threshold)")
    axes[1].set_ylim(bottom=0)
    axes[1].ticklabel_format(useOffset=False)
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return axes
