"""Figures of neighbouring electrodes: traces, resealing, the wave between them, how alike pairs of them are."""

import numpy as np

from .style import FAINT, INK, MUTED, PALETTE, new_axes

SERIES = [PALETTE[name] for name in ("blue", "vermilion", "green", "orange", "purple", "sky")]
GROUPS = {"neighbour": PALETTE["blue"], "far": PALETTE["vermilion"], "other": "#B9B9B9"}


def site_traces(dataset, sites, zoom, axes=None):
    """A whole recording of some sites as the range of each 2.5 s, which hold a beat, and some seconds of it as traces.

    Parameters
    ----------
    dataset : xarray.Dataset
        With `nea` (site, time), mV, and the coordinate electrode.
    sites : sequence of int
        Positions in the data set.
    zoom : (float, float)
        Stretch of the second panel, s.
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.2), width_ratios=(3, 2)))
    time = dataset["time"].values
    size = max(1, round(2.5 / (time[1] - time[0])))
    starts = np.arange(0, max(time.size - size, 0) + 1, size)
    near = (time >= zoom[0]) & (time <= zoom[1])
    top = []
    for site, colour in zip(sites, SERIES, strict=False):
        x = dataset["nea"].values[site]
        low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
        label = f"electrode {dataset['electrode'].values[site]}"
        axes[0].fill_between(time[starts], low, high, color=colour, alpha=0.45, linewidth=0, step="post", label=label)
        axes[1].plot(time[near], x[near], color=colour, linewidth=1.2)
        top.append(np.quantile(np.abs(x[::50]), 0.995))
    axes[0].set_ylim(-1.15 * max(top), 1.3 * max(top))
    axes[0].axvspan(*zoom, color=FAINT, zorder=0)
    axes[0].set_xlim(time[0], time[-1])
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, borderaxespad=0)
    for ax in axes:
        ax.set(xlabel="time (s)", ylabel="potential at the electrode (mV)")
    axes[1].set_ylabel("")
    return axes


def resealing_curves(time, amplitude, fitted, names, pulses=(), ax=None):
    """Amplitudes of every third beat of some sites on a logarithmic scale, and the curves fitted between porations.

    Parameters
    ----------
    time, amplitude, fitted : (site, beat) array_like
        s and mV; NaN where there is none.
    names : sequence of str
        One a site.
    pulses : sequence of float
        Times of porations (s), drawn as lines.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(7.4, 3.6))
    for pulse in pulses:
        ax.axvline(pulse, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    for t, a, f, name, colour in zip(time, amplitude, fitted, names, SERIES, strict=False):
        ax.plot(t[::3], a[::3], "o", color=colour, markersize=5, alpha=0.6, markeredgewidth=0, label=name)
        gaps = np.flatnonzero(np.diff(t) > 5) + 1  # the quiet time around a pulse
        ax.plot(np.insert(t, gaps, np.nan), np.insert(f, gaps, np.nan), color=INK, linewidth=1)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="time (s)", ylabel="amplitude of a beat (mV)")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), title="electrode")
    ax.grid(axis="y")
    return ax


def relative_errors(known, fits, quantity, ax=None):
    """How far fitted numbers are from known ones, in per cent of these.

    Parameters
    ----------
    known : (n,) array_like
        Positive.
    fits : dict of str to (value, low, high)
        Each (n,); intervals that are NaN are not drawn.
    quantity : str
        Name and unit, for the horizontal axis, which is logarithmic.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    known = np.asarray(known, float)
    ax = new_axes(ax, size=(7.0, 3.4))
    ax.axhline(0, color=MUTED, linewidth=1)
    for (name, values), colour in zip(fits.items(), SERIES, strict=False):
        value, low, high = (100 * (np.asarray(x, float) / known - 1) for x in values)
        ax.vlines(known, low, high, color=colour, linewidth=1.4, alpha=0.6)
        ax.plot(known, value, "o", color=colour, markersize=5.5, markeredgecolor="white", label=name)
    ticks = np.outer(10.0 ** np.arange(-6, 7), [1, 2, 5]).ravel()
    ticks = ticks[(ticks >= known.min() / 1.6) & (ticks <= known.max() * 1.6)]
    ax.set(xscale="log", xlabel=f"known {quantity}", ylabel="fitted / known − 1 (%)")
    ax.xaxis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.xaxis.set_ticks([], minor=True)
    ax.grid(axis="y")
    ax.legend(loc="upper left")
    return ax


def activation_maps(place, activation, recording, waves, axes=None):
    """When each site of a grid fires, one panel a recording, with the fitted direction of the wave.

    Parameters
    ----------
    place : (n, 2) array_like
        mm.
    activation : (n,) array_like
        ms.
    recording : (n,) array_like of str
    waves : dict of str to Wave
        `sites.plane_wave` of each recording.
    axes : array of Axes, optional
        One a recording.

    Returns
    -------
    ndarray of Axes
    """
    place, activation, recording = np.asarray(place), np.asarray(activation, float), np.asarray(recording)
    axes = np.ravel(new_axes(axes, len(waves), (min(8.0, 1 + 3.5 * len(waves)), 3.4), squeeze=False))
    shown = activation - [np.nanmin(activation[recording == name]) for name in recording]
    for ax, (name, wave) in zip(axes, waves.items(), strict=True):
        own = recording == name
        look = dict(s=260, vmin=0, vmax=np.nanmax(shown), edgecolors="white", zorder=2)
        dots = ax.scatter(*place[own].T, c=shown[own], **look)
        for (x, y), value in zip(place[own], shown[own], strict=True):
            dark = value < 0.6 * np.nanmax(shown)
            ax.text(
                x, y, f"{value:.1f}", ha="center", va="center", fontsize=7, color="white" if dark else INK, zorder=4
            )
        centre, span = place[own].mean(axis=0), np.ptp(place[own], axis=0).max()
        step = 0.32 * span * np.array([np.cos(np.radians(wave.direction)), np.sin(np.radians(wave.direction))])
        style = dict(arrowstyle="-|>", color=PALETTE["vermilion"], linewidth=1.8)
        ax.annotate("", centre + step, centre - step, arrowprops=style, zorder=3)
        ax.set(aspect="equal", xlabel="x (mm)", title=f"{name}: {100 * wave.speed:.0f} cm/s")
        ax.margins(0.16)
    axes[0].set_ylabel("y (mm)")
    bar = axes[-1].figure.colorbar(dots, ax=list(axes), pad=0.02, aspect=18)
    bar.set_label("after the first site (ms)")
    bar.outline.set_visible(False)
    return axes


def against_distance(table, columns, axes=None):
    """Pairs of sites by their distance, one panel a quantity; bold: the mean at each distance.

    Parameters
    ----------
    table : DataFrame
        Of `sites.pair_table`.
    columns : dict of str to str
        Column -> label with unit.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, len(columns), (min(8.0, 0.6 + 2.6 * len(columns)), 3.2), squeeze=False))
    group = np.select([table["neighbour"], table["far"]], ["neighbour", "far"], "other")
    for ax, (column, label) in zip(axes, columns.items(), strict=True):
        value = table[column].abs()
        for name, colour in GROUPS.items():
            rows = group == name
            text = {"neighbour": "neighbours", "far": "far pairs"}.get(name, "between")
            ax.plot(table["distance"][rows], value[rows], "o", color=colour, ms=3.5, alpha=0.6, mew=0, label=text)
        mean = value.groupby(table["distance"].round(3)).mean()
        ax.plot(mean.index, mean, color=INK, linewidth=1.6)
        ax.set(xlabel="distance (mm)", ylabel=label)
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, labels, loc="outside upper left", ncols=3, markerscale=1.6)
    return axes


def pair_groups(estimates, labels, axes=None):
    """Estimates of several quantities for several groups and series, each with its interval.

    Parameters
    ----------
    estimates : dict of str to DataFrame of evaluation.Estimate
        Quantity -> table with groups as index (from top to bottom) and series as columns; None is left out.
    labels : dict of str to str
        Quantity -> label with unit.
    axes : array of Axes, optional
        One a quantity.

    Returns
    -------
    ndarray of Axes
    """
    rows = len(next(iter(estimates.values())))
    size = (8.0, 1.5 + 0.45 * rows)
    axes = np.ravel(new_axes(axes, len(estimates), size, sharey=True, squeeze=False))
    for ax, (quantity, table) in zip(axes, estimates.items(), strict=True):
        for k, (series, column) in enumerate(table.items()):
            offset = 0.22 * (k - (table.shape[1] - 1) / 2)
            for row, estimate in enumerate(column):
                if estimate is None:
                    continue
                ax.plot([estimate.low, estimate.high], [row + offset] * 2, color=SERIES[k], linewidth=2)
                ax.plot(estimate.value, row + offset, "o", color=SERIES[k], markersize=6, markeredgecolor="white")
            ax.plot([], [], "o-", color=SERIES[k], label=series)
        ax.set_yticks(range(rows), list(table.index))
        ax.set(xlabel=labels[quantity], ylim=(rows - 0.5, -0.5))
        ax.set_xlim(left=0)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
    handles, names = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, names, loc="outside upper left", ncols=4)
    return axes


def gate_curve(table, label, lines, axes=None):
    """What a gate of signal quality keeps, and what the kept beats say.

    Parameters
    ----------
    table : DataFrame
        Index: gate (dB). Columns: `beats`, `pairs` (shares kept), `value`, `low`, `high`.
    label : str
        Of the value, with its unit.
    lines : dict of str to float
        Name -> gate (dB), drawn as vertical lines.
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.4)))
    axes[0].plot(table.index, 100 * table["beats"], color=SERIES[0], label="beats of pairs")
    axes[0].plot(table.index, 100 * table["pairs"], color=SERIES[1], label="pairs")
    axes[0].set(ylabel="kept (%)", ylim=(0, 104))
    axes[0].legend(loc="lower left")
    axes[1].fill_between(table.index, table["low"], table["high"], color=SERIES[0], alpha=0.16, linewidth=0)
    axes[1].plot(table.index, table["value"], color=SERIES[0])
    axes[1].set_ylabel(label)
    axes[1].set_ylim(bottom=0)
    for ax in axes:
        ax.set_xlabel("least SNR of both sites (true dB)")
        for place in lines.values():
            ax.axvline(place, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    text = dict(xycoords=("data", "axes fraction"), rotation=90, va="bottom", ha="right", color=MUTED, fontsize=8.5)
    for name, place in lines.items():
        axes[1].annotate(name, (place, 0.02), **text)
    return axes


def variance_bars(tables, unit, ax=None):
    """Standard deviation of each source of variance, one colour a model.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Name of the model -> `agreement.variance_components`, with the same sources.
    unit : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    sources = list(next(iter(tables.values())).index)
    ax = new_axes(ax, size=(6.8, 1.4 + 0.62 * len(sources)))
    height = 0.8 / len(tables)
    for k, (name, table) in enumerate(tables.items()):
        rows = np.arange(len(sources)) + height * (k - (len(tables) - 1) / 2)
        ax.barh(rows, table["sd"], height=0.9 * height, color=SERIES[k], alpha=0.85, label=name)
        ax.hlines(rows, np.sqrt(table["low"]), np.sqrt(table["high"]), color=INK, linewidth=1.6)
        for row, sd, high in zip(rows, table["sd"], table["high"], strict=True):
            end = np.nanmax([sd, np.sqrt(high)])
            ax.annotate(f"{sd:.1f}", (end, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_yticks(range(len(sources)), sources)
    ax.set(xlabel=f"standard deviation ({unit}), 95 % interval", ylim=(len(sources) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower right")
    return ax
