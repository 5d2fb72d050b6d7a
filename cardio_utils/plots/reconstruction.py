"""Reconstructed intracellular waveforms: overlays, errors of models, physics and its parameters, attribution."""

import numpy as np

from .style import FAINT, INK, MUTED, PALETTE, new_axes

SERIES = [PALETTE[name] for name in ("blue", "vermilion", "green", "orange", "purple", "sky")]
_DASHED = (0, (4, 3))


def reconstructions(seen, curves, rows, titles=None, axes=None):
    """What the electrode saw of some beats, and the iAP beneath: measured and reconstructed.

    Parameters
    ----------
    seen : reconstruction.Windows
        With targets.
    curves : dict of str to (beat, time) array_like
        Model -> reconstructions of all beats of `seen`; six at most.
    rows : sequence of int
        Beats, one a column.
    titles : sequence of str, optional
        Default: the recordings.
    axes : (2, column) array of Axes, optional

    Returns
    -------
    (2, column) ndarray of Axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        size = (min(8.4, 1.2 + 2.6 * len(rows)), 4.4)
        options = dict(sharex=True, sharey="row", squeeze=False, height_ratios=[2, 3])
        axes = plt.subplots(2, len(rows), figsize=size, layout="constrained", **options)[1]
    ms = 1000 * seen.time
    titles = seen.recording[list(rows)] if titles is None else titles
    for column, row, title in zip(np.transpose(axes), rows, titles, strict=True):
        inside = seen.inside[row]
        column[0].plot(ms[inside], seen.wave[row, inside], color=MUTED, linewidth=1.4)
        column[0].set_title(title, fontsize=9.5)
        column[1].plot(ms[inside], seen.target[row, inside], color=PALETTE["black"], linewidth=2.6, label="measured")
        for k, (name, curve) in enumerate(curves.items()):
            colour = SERIES[k % len(SERIES)]
            column[1].plot(ms[inside], np.asarray(curve)[row, inside], color=colour, linewidth=1.3, label=name)
        column[1].set_xlabel("time from the spike (ms)")
        for ax in column:
            ax.axvline(0, color=FAINT, linewidth=1, zorder=0)
    axes[0, 0].set_ylabel("eAP, slow wave\n(scaled)")
    axes[1, 0].set_ylabel("iAP (scaled)")
    axes[1, -1].legend(loc="upper right", fontsize=8.5, handlelength=1.2)
    return axes


def model_errors(estimates, floor=None, limit=None, xlabel="mean absolute error", titles=None, axes=None):
    """The error of each model in each recording, with intervals, beside the noise floor.

    Parameters
    ----------
    estimates : DataFrame (model, recording) of evaluation.Estimate
    floor : float, optional
        Drawn as a line in every panel.
    limit : float, optional
        A second, dashed line.
    xlabel : str
    titles : sequence of str, optional
        Default: the columns.
    axes : array of Axes, optional
        One a recording.

    Returns
    -------
    ndarray of Axes
    """
    size = (min(8.4, 2.2 + 2.1 * estimates.shape[1]), 1.2 + 0.36 * len(estimates))
    axes = np.ravel(new_axes(axes, estimates.shape[1], size, sharey=True, squeeze=False))
    place = np.arange(len(estimates))[::-1]
    titles = estimates.columns if titles is None else titles
    for ax, name, title in zip(axes, estimates.columns, titles, strict=True):
        column = estimates[name]
        value, low, high = (np.array([getattr(e, end) for e in column]) for end in ("value", "low", "high"))
        for k, y in enumerate(place):
            colour = MUTED if k == 0 else SERIES[(k - 1) % len(SERIES)]
            ax.hlines(y, low[k], high[k], color=colour, linewidth=2)
            ax.plot(value[k], y, "o", color=colour, markersize=5)
        if floor is not None:
            ax.axvline(floor, color=INK, linewidth=1.2)
        if limit is not None:
            ax.axvline(limit, color=INK, linewidth=1, linestyle=_DASHED)
        ax.set_title(title, fontsize=9.5)
        ax.set_xlabel(xlabel)
        ax.set_xlim(left=0)
        ax.grid(axis="x")
    axes[0].set_yticks(place, list(estimates.index))
    axes[0].set_ylim(-0.6, len(estimates) - 0.4)
    if floor is not None:
        text = dict(xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8.5, color=INK)
        axes[0].annotate("neighbours", (floor, 1.0), xytext=(-3, -2), rotation=90, va="top", ha="right", **text)
    return axes


def lag_distribution(lag, recording, titles=None, ax=None):
    """By how much reconstructions come late, one row of dots and its median a recording.

    Parameters
    ----------
    lag : (beat,) array_like
        ms.
    recording : (beat,) array_like of str
    titles : dict of str to str, optional
        Recording -> label.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    recording, lag = np.asarray(recording), np.asarray(lag, float)
    names = list(dict.fromkeys(recording.tolist()))
    ax = new_axes(ax, size=(6.4, 1.1 + 0.4 * len(names)))
    rng = np.random.default_rng(0)
    for k, name in enumerate(names):
        own = lag[recording == name]
        colour = SERIES[k % len(SERIES)]
        ax.plot(own, k + rng.uniform(-0.25, 0.25, own.size), ".", color=colour, alpha=0.4, markersize=5)
        ax.plot(np.nanmedian(own), k, "d", color=INK, markersize=6)
    ax.axvline(0, color=MUTED, linewidth=1)
    ax.set_yticks(range(len(names)), [(titles or {}).get(name, name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("lag of the reconstruction (ms)")
    ax.grid(axis="x")
    return ax


def loss_cases(tables, axes=None):
    """What losses ask of some waveforms, one panel a loss, the exact solution highlighted: it must cost least.

    Parameters
    ----------
    tables : DataFrame (waveform, loss)
        The first row is the exact solution.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, tables.shape[1], (7.6, 1.0 + 0.42 * len(tables)), sharey=True, squeeze=False))
    place = np.arange(len(tables))[::-1]
    colours = [PALETTE["vermilion"], *["#B9B9B9"] * (len(tables) - 1)]
    for ax, (name, cost) in zip(axes, tables.items(), strict=True):
        ax.barh(place, cost, color=colours, height=0.65)
        for y, value in zip(place, cost, strict=True):
            ax.annotate(f"{value:.2f}", (value, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=9)
        ax.set_title(name)
        ax.set_xlabel("loss")
        ax.set_xlim(0, 1.18 * max(cost.max(), 1e-9))
    axes[0].set_yticks(place, list(tables.index))
    return axes


def ablation(table, x, y, series=None, xlabel="", ylabel="mean absolute error", reference=None, log=True, ax=None):
    """A number against a setting: a dot a run, a line through the means.

    Parameters
    ----------
    table : DataFrame
        One row a run.
    x, y : str
        Columns: the setting and the number.
    series : str, optional
        Column that parts the runs into lines.
    reference : dict of str to float, optional
        Label -> number, drawn as dashed lines.
    log : bool
        Logarithmic settings; zero is set apart at the left.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.0, 3.6))
    settings = np.sort(table[x].unique())
    positive = settings[settings > 0]
    zero = positive[0] / 4 if len(positive) else 1.0
    groups = [("", table)] if series is None else list(table.groupby(series, sort=False))
    for k, (name, rows) in enumerate(groups):
        colour, place = SERIES[k % len(SERIES)], np.where(rows[x] > 0, rows[x], zero if log else 0)
        ax.plot(place, rows[y], "o", color=colour, alpha=0.45, markersize=4.5)
        mean = rows.groupby(place)[y].mean()
        ax.plot(mean.index, mean, "-", color=colour, linewidth=1.8, label=name or None)
    for k, (name, value) in enumerate((reference or {}).items()):
        ax.axhline(value, color=MUTED, linewidth=1.2, linestyle=[_DASHED, (0, (1, 2))][k % 2], label=name)
    if log:
        ax.set_xscale("log")
        ax.set_xticks(np.where(settings > 0, settings, zero), [f"{s:g}" for s in settings])
        ax.minorticks_off()
    ax.set(xlabel=xlabel or x, ylabel=ylabel)
    ax.set_ylim(bottom=0)
    ax.grid(axis="y")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize=9)
    return ax


def parameter_violins(parameters, bounds, recording, titles=None, axes=None):
    """Parameters of the physics that a network gives each beat, one panel a parameter, within their bounds.

    Parameters
    ----------
    parameters : DataFrame (beat, parameter)
    bounds : mapping of parameter -> (low, high)
    recording : (beat,) array_like of str
    titles : dict of str to str, optional
        Recording -> label.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    recording = np.asarray(recording)
    names = list(dict.fromkeys(recording.tolist()))
    size = (min(8.4, 1.0 + 1.9 * parameters.shape[1]), 2.9)
    axes = np.ravel(new_axes(axes, parameters.shape[1], size, squeeze=False))
    for ax, (parameter, values) in zip(axes, parameters.items(), strict=True):
        low, high = bounds[parameter]
        ax.axhspan(low, high, color=FAINT, alpha=0.5, linewidth=0)
        for k, name in enumerate(names):
            own = values.to_numpy()[recording == name]
            colour = SERIES[k % len(SERIES)]
            ax.vlines(k, *np.quantile(own, [0.05, 0.95]), color=colour, linewidth=5, alpha=0.5)
            ax.plot(k, np.median(own), "o", color=colour, markersize=5)
        ax.set_title(parameter)
        ax.set_xticks(range(len(names)), [(titles or {}).get(name, name) for name in names], rotation=30, ha="right")
        ax.set_xlim(-0.6, len(names) - 0.4)
        if low > 0 and high >= 10 * low:
            ax.set_yscale("log")
    return axes


def profiles(curves, xlabel="parameter relative to the true one", ylabel="physics loss", ax=None):
    """How a loss rises when one parameter leaves its true value: a flat line is a parameter that nothing fixes.

    Parameters
    ----------
    curves : DataFrame (factor, parameter)
        Index: factor by which the parameter is off.
    xlabel, ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(5.6, 3.4))
    for k, (name, cost) in enumerate(curves.items()):
        ax.plot(curves.index, cost, color=SERIES[k % len(SERIES)], label=name)
    ax.axvline(1, color=MUTED, linewidth=1, linestyle=_DASHED)
    ax.set_xscale("log")
    ax.set_xticks([0.5, 0.7, 1, 1.4, 2], ["0.5", "0.7", "1", "1.4", "2"])
    ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(bottom=0)
    ax.grid(axis="y")
    ax.legend(ncols=2)
    return ax


def attribution(time, wave, contribution, axes=None):
    """Which parts of the eAP made a reconstructed beat long or short.

    Parameters
    ----------
    time : (n,) array_like
        s from the spike.
    wave : (beat, n) array_like
        What the network was shown.
    contribution : dict of str to (beat, n) array_like
        Title -> ms that each sample adds; one panel each.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        options = dict(figsize=(7.0, 1.6 + 1.5 * len(contribution)), layout="constrained", sharex=True)
        axes = plt.subplots(1 + len(contribution), 1, **options)[1]
    axes, ms = np.ravel(axes), 1000 * np.asarray(time, float)
    axes[0].plot(ms, np.mean(wave, axis=0), color=MUTED)
    axes[0].fill_between(ms, *np.quantile(wave, [0.05, 0.95], axis=0), color=FAINT, linewidth=0)
    axes[0].set_ylabel("slow wave\n(scaled)")
    for k, (ax, (title, values)) in enumerate(zip(axes[1:], contribution.items(), strict=True)):
        size = np.nanmean(np.abs(np.asarray(values, float)), axis=0)
        ax.fill_between(ms, size, color=SERIES[k % len(SERIES)], alpha=0.75, linewidth=0)
        ax.set_ylabel(f"{title}:\nms a sample")
        ax.set_ylim(bottom=0)
    axes[-1].set_xlabel("time from the spike (ms)")
    return axes
