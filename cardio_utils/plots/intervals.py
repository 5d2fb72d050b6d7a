"""Figures of bands around waveforms, intervals of durations, and many channels under a drug (chapter 05)."""

import numpy as np

from .scores import SERIES
from .style import INK, MUTED, PALETTE, new_axes

_BLUE, _ORANGE, _GREEN = (PALETTE[name] for name in ("blue", "orange", "green"))


def bands(time, curves, truth=None, titles=None, raw=None, axes=None):
    """Reconstructed beats with their bands, one panel a beat.

    Parameters
    ----------
    time : (n,) array_like
        s.
    curves : (beat, 3, n) array_like
        Lower end, median and upper end; at most four beats.
    truth : (beat, n) array_like, optional
    titles : sequence of str, optional
    raw : (beat, 3, n) array_like, optional
        The band before calibration, drawn as two lines.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, len(curves), (8.0, 3.2), sharey=True, squeeze=False))
    for k, (ax, (low, middle, high)) in enumerate(zip(axes, curves, strict=True)):
        ax.fill_between(time, low, high, color=_BLUE, alpha=0.25, linewidth=0, label="calibrated 90 % band")
        if raw is not None:
            for end, label in ((0, "raw band"), (2, None)):
                ax.plot(time, raw[k][end], color=_ORANGE, linewidth=1, label=label)
        ax.plot(time, middle, color=_BLUE, linewidth=1.5, label="predicted median")
        if truth is not None:
            ax.plot(time, truth[k], color=INK, linewidth=1, label="measured")
        ax.set(xlabel="time from the spike (s)", title="" if titles is None else titles[k])
    axes[0].set_ylabel("potential (0 rest, 1 peak)")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), ncols=4, loc="outside lower center", fontsize=9)
    return axes


def phase_coverage(tables, wanted=0.9, axes=None):
    """Share of samples inside their band in each recording, and the width of the band, by phase of the beat.

    Parameters
    ----------
    tables : dict of str to DataFrame (recording, phase) with coverage and width
        Method -> means of `intervals.band_coverage`; index levels recording and phase.
    wanted : float
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
        Dots are recordings, bars their means.
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.6)))
    phases = list(dict.fromkeys(next(iter(tables.values())).index.get_level_values("phase")))
    step = 0.7 / len(tables)
    for k, ((name, table), colour) in enumerate(zip(tables.items(), (_ORANGE, _BLUE, _GREEN), strict=False)):
        for ax, column, scale in zip(axes, ("coverage", "width"), (100, 1), strict=True):
            for i, phase in enumerate(phases):
                values = scale * table.xs(phase, level="phase")[column].to_numpy()
                place = i + step * (k - (len(tables) - 1) / 2)
                spread = np.linspace(-0.3, 0.3, len(values)) * step
                ax.plot(
                    place + spread, np.sort(values), "o", color=colour, markersize=3.5, alpha=0.6, markeredgewidth=0
                )
                ax.plot(place, np.nanmean(values), "_", color=colour, markersize=15, markeredgewidth=2.5)
            ax.plot([], [], "o", color=colour, label=name)
    axes[0].axhline(100 * wanted, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    axes[0].set(ylabel="samples inside (%)", ylim=(-3, 103), title="coverage")
    axes[1].set(ylabel="width (of the beat's height)", title="width")
    axes[1].set_ylim(bottom=0)
    for ax in axes:
        ax.set_xticks(range(len(phases)), phases, rotation=20)
        ax.grid(axis="y")
    axes[0].legend(loc="lower left", handletextpad=0.2)
    return axes


def drawn(time, waves, curves, truth, found, measured, edges, level=90, axes=None):
    """Waveforms drawn within a band, and the durations that follow from them and from the edges of the band.

    Parameters
    ----------
    time : (n,) array_like
        s.
    waves : (draw, n) array_like
    curves : (3, n) array_like
        The band of the network.
    truth : (n,) array_like
        The measured waveform.
    found : (draw,) array_like
        Durations of the waves, ms.
    measured : float
        ms.
    edges : (float, float)
        Durations of the lower and the upper curve, ms.
    level : float
        %.
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.4), width_ratios=(1.5, 1)))
    axes[0].plot(time, np.transpose(waves), color=_BLUE, linewidth=0.5, alpha=0.35)
    for end in (0, 2):
        axes[0].plot(time, curves[end], color=_ORANGE, linewidth=1.4, label="edges of the band" if end else None)
    axes[0].plot([], [], color=_BLUE, linewidth=1, label="drawn waveforms")
    axes[0].plot(time, truth, color=INK, linewidth=1.4, label="measured")
    axes[0].set(xlabel="time from the spike (s)", ylabel="potential (0 rest, 1 peak)")
    axes[0].legend(loc="upper right", fontsize=8.5)
    axes[1].hist(np.asarray(found)[np.isfinite(found)], bins=16, color=_BLUE, alpha=0.45)
    axes[1].axvline(measured, color=INK, linewidth=1.6, label="measured")
    for k, (edge, name) in enumerate(zip(edges, ("lower", "upper"), strict=True)):
        style = dict(color=_ORANGE, linewidth=1.6, linestyle=("-", (0, (4, 2)))[k])
        axes[1].axvline(edge, label=f"of the {name} curve", **style)
    axes[1].set(xlabel=f"APD{level:g} (ms)", ylabel="drawn waveforms")
    axes[1].legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return axes


def duration_methods(table, wanted=0.9, axes=None):
    """Coverage and width of intervals of durations, one colour a method.

    Parameters
    ----------
    table : DataFrame (method, level) with coverage, low, high, width and crossed
        Shares; `low` and `high` an interval of the coverage.
    wanted : float
    axes : three Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, 3, (8.0, 3.4)))
    methods, levels = (table.index.unique(level) for level in (0, 1))
    step = 0.8 / len(methods)
    for k, (method, colour) in enumerate(zip(methods, SERIES, strict=False)):
        own = table.loc[method].reindex(levels)
        place = np.arange(len(levels)) + step * (k - (len(methods) - 1) / 2)
        axes[0].vlines(place, 100 * own["low"], 100 * own["high"], color=colour, linewidth=1.5)
        axes[0].plot(place, 100 * own["coverage"], "o", color=colour, markersize=6, label=method)
        axes[1].bar(place, own["width"], 0.9 * step, color=colour)
        axes[2].bar(place, 100 * own["crossed"], 0.9 * step, color=colour)
    axes[0].axhline(100 * wanted, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    axes[0].set(ylim=(-3, 103), title="inside (%)")
    axes[1].axhline(0, color=MUTED, linewidth=0.8)
    axes[1].set_title("upper end − lower end (ms)")
    axes[2].set(ylim=(0, 103), title="ends in the wrong order (%)")
    for ax in axes:
        ax.set_xticks(range(len(levels)), [f"APD{level:g}" for level in levels], fontsize=8.5)
        ax.grid(axis="y")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), ncols=2, loc="outside lower center", fontsize=9)
    return axes


def channel_grid(time, waves, names, columns=13, axes=None):
    """The reconstructed beat of every channel at one moment, with its band.

    Parameters
    ----------
    time : (n,) array_like
        s.
    waves : (channel, 3, n) array_like
        NaN where a channel has no beat.
    names : (channel,) array_like of str
    columns : int
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    import matplotlib.pyplot as plt

    rows = -(-len(waves) // columns)
    if axes is None:
        options = dict(sharex=True, sharey=True, squeeze=False, layout="constrained")
        axes = plt.subplots(rows, columns, figsize=(8.0, 0.9 * rows + 0.4), **options)[1]
    axes = np.ravel(axes)
    for ax, (low, middle, high), name in zip(axes, waves, names, strict=False):
        ax.fill_between(time, low, high, color=_BLUE, alpha=0.4, linewidth=0)
        ax.plot(time, middle, color=INK, linewidth=0.5)
        ax.set_title(name, fontsize=7, pad=1)
        ax.set(xticks=[0, 1], yticks=[0, 1])
        ax.tick_params(labelsize=6, length=2)
    for ax in axes[len(waves) :]:
        ax.set_axis_off()
    axes[0].figure.supxlabel("time from the spike (s)", fontsize=9)
    return axes


def durations_over_time(tables, truth=None, drug_time=None, ylabel="APD90 (ms)", axes=None):
    """A duration beat by beat in some channels, with its interval, and the true one where it is known.

    Parameters
    ----------
    tables : dict of str to DataFrame with time (s), value, low, high (ms)
        Title -> beats of one channel; low and high may be NaN.
    truth : dict of str to (beat,) array_like, optional
        Of the same titles, ms.
    drug_time : float, optional
        s.
    ylabel : str
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    if axes is None:
        import matplotlib.pyplot as plt

        options = dict(sharex=True, sharey=True, squeeze=False, layout="constrained")
        axes = plt.subplots(rows, columns, figsize=(8.0, 2.1 * rows + 0.7), **options)[1]
    axes = np.ravel(axes)
    for ax, (title, table) in zip(axes, tables.items(), strict=False):
        if np.isfinite(table["low"]).any():
            ax.fill_between(table["time"], table["low"], table["high"], color=_BLUE, alpha=0.25, linewidth=0)
        ax.plot(table["time"], table["value"], ".", color=_BLUE, markersize=4)
        if truth is not None:
            ax.plot(table["time"], truth[title], color=INK, linewidth=1.2)
        if drug_time is not None:
            ax.axvline(drug_time, color=PALETTE["vermilion"], linewidth=1, linestyle=(0, (4, 3)))
        ax.set_title(title, fontsize=9.5)
        ax.grid(axis="y")
    for ax in axes[len(tables) :]:
        ax.set_axis_off()
    axes[0].figure.supxlabel("time (s)", fontsize=10)
    axes[0].figure.supylabel(ylabel, fontsize=10)
    return axes


def array_maps(x, y, maps, marked=None, axes=None):
    """Quantities of the channels of an array, one panel each, at the places of its electrodes.

    Parameters
    ----------
    x, y : (channel,) array_like
        mm.
    maps : dict of str to (channel,) array_like
        Title with unit -> values; NaN is drawn as an empty ring. Titles that agree up to " (" and a comma, such as
        "delay, true (ms)" and "delay, seen (ms)", share a scale.
    marked : (channel,) bool array_like, optional
        Channels with a black rim.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, len(maps), (8.0, 8.4 / len(maps) + 0.6), sharex=True, sharey=True, squeeze=False))
    stems = [title.split(",")[0] for title in maps]
    shared = {}
    for stem, values in zip(stems, maps.values(), strict=True):
        shared.setdefault(stem, []).append(np.asarray(values, float))
    size = 2400 / max(4, len(maps)) / max(1.0, len(np.unique(x)) / 2)
    for ax, stem, (title, values) in zip(axes, stems, maps.items(), strict=True):
        values = np.asarray(values, float)
        ends = {"vmin": np.nanmin(shared[stem]), "vmax": np.nanmax(shared[stem])}
        ax.scatter(x, y, s=size, facecolors="none", edgecolors=MUTED, linewidths=0.8)
        rim = np.where(np.zeros(len(values), bool) if marked is None else marked, INK, "white")
        dots = ax.scatter(x, y, s=size, c=values, edgecolors=rim, linewidths=1, plotnonfinite=False, **ends)
        bar = ax.figure.colorbar(dots, ax=ax, orientation="horizontal", pad=0.02, aspect=18)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8)
        ax.set_title(title, fontsize=9.5)
        ax.set(aspect="equal", xlabel="x (mm)")
        ax.margins(0.1)
    axes[0].set_ylabel("y (mm)")
    return axes


def channel_effects(table, truth=None, overall=None, ylabel="change of APD90 (ms)", ax=None):
    """Change of a duration in every channel, in order, with its interval.

    Parameters
    ----------
    table : DataFrame (channel) with change, low, high, shrunk, p_adjusted
        Of `channels.drug_effect`.
    truth : Series (channel), optional
        True changes.
    overall : (float, float, float), optional
        Mean change and its interval.
    ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    table = table.sort_values("change")
    place = np.arange(len(table))
    ax = new_axes(ax, size=(8.0, 3.6))
    if overall is not None:
        ax.axhspan(*overall[1:], color=_BLUE, alpha=0.15, linewidth=0, label="mean of channels, 95 % interval")
    sure = table["p_adjusted"].to_numpy() < 0.05
    ax.vlines(place, table["low"], table["high"], color=np.where(sure, _BLUE, MUTED), linewidth=1.2)
    ax.plot(place, table["change"], "o", color=_BLUE, markersize=4, label="from outside, 95 % interval")
    ax.plot(place, table["shrunk"], "_", color=_ORANGE, markersize=8, markeredgewidth=2, label="mixed model")
    if truth is not None:
        ax.plot(place, truth.reindex(table.index), "x", color=INK, markersize=5, label="true")
    ax.axhline(0, color=MUTED, linewidth=0.8)
    ax.set_xticks(place, table["electrode"], rotation=90, fontsize=6.5)
    ax.set(xlabel="electrode", ylabel=ylabel)
    ax.grid(axis="y")
    ax.legend(ncols=4, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, columnspacing=1)
    return ax
