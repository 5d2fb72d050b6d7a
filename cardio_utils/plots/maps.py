"""Figures of activation maps from the electrocardiogram: how a model fares under several splits, what it looked at."""

import numpy as np
from scipy.ndimage import uniform_filter1d

from .heart import LAYERS, bullseye
from .style import HEAT, INK, MUTED, PALETTE, new_axes

__all__ = ["case_scatter", "layers", "lead_time_map", "split_errors"]

_COLOURS = [PALETTE[name] for name in ("orange", "blue", "green", "purple")]


def split_errors(table, xlabel="mean absolute error (ms)", ax=None):
    """The error of each model under several splits, with intervals.

    Parameters
    ----------
    table : DataFrame of evaluation.Estimate
        Index: models. Columns: splits, the most lenient first. None where a model was not trained.
    xlabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(7.2, 1.3 + 0.55 * len(table)))
    for k, (split, colour) in enumerate(zip(table.columns, _COLOURS, strict=False)):
        ax.plot([], [], "o", color=colour, markersize=8, label=split)
        for row, estimate in enumerate(table[split]):
            if estimate is None:
                continue
            y = row + 0.22 * (k - (table.shape[1] - 1) / 2)
            if np.isfinite(estimate.low):
                ax.plot([estimate.low, estimate.high], [y, y], color=colour, linewidth=2)
            ax.plot(estimate.value, y, "o", color=colour, markersize=8, markeredgecolor="white")
            end = max(estimate.value, np.nan_to_num(estimate.high, nan=-np.inf))
            text = dict(xytext=(7, 0), textcoords="offset points", va="center", fontsize=9, color=MUTED)
            ax.annotate(f"{estimate.value:.1f}", (end, y), **text)
    ax.set_yticks(range(len(table)), list(table.index))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(left=0, right=1.06 * ax.get_xlim()[1])
    ax.set_xlabel(f"{xlabel}, 95 % interval over hearts")
    ax.grid(axis="x")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, handletextpad=0.2)
    return ax


def layers(values, label, axes=None):
    """A quantity of the sites, such as their error, as bull's-eyes of the three layers of the wall.

    Parameters
    ----------
    values : (75,) array_like
        Not negative.
    label : str
        Of the colour bar, with unit.
    axes : three Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, len(LAYERS), (8.0, 3.0)))
    limits = (0.0, float(np.max(values)))
    for ax, layer in zip(axes, LAYERS, strict=True):
        bullseye(values, ax, layer, limits, HEAT, label, numbers=False, bar=layer == LAYERS[-1])
        ax.set_title(layer)
    return axes


def lead_time_map(leads, weights, names, end=250, axes=None):
    """What each moment of each lead added to an estimate: the trace in the colour of its contribution.

    Parameters
    ----------
    leads : (lead, time) array
        mV, one sample a ms.
    weights : (lead, time) array
        ms; blue makes the estimate earlier, red later. Means of 5 ms are shown.
    names : sequence of str
        Leads.
    end : int
        ms shown.
    axes : Axes, one a lead, optional

    Returns
    -------
    ndarray of Axes
    """
    leads, weights = np.asarray(leads)[:, :end], uniform_filter1d(np.asarray(weights, float), 5, axis=1)[:, :end]
    half = (len(names) + 1) // 2
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(half, 2, figsize=(8.0, 1.15 * half + 0.6), sharex=True, sharey=True, layout="constrained")[
            1
        ]
    axes = np.asarray(axes)
    flat = axes.T.ravel()
    most = np.quantile(np.abs(weights), 0.998) or 1.0
    reach = 1.08 * np.abs(leads).max()
    for ax, lead, weight, name in zip(flat, leads, weights, names, strict=False):
        extent = (-0.5, leads.shape[1] - 0.5, -reach, reach)
        image = ax.imshow(weight[None], aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most, extent=extent)
        ax.plot(lead, color=INK, linewidth=1.2)
        ax.annotate(name, (0.99, 0.92), xycoords="axes fraction", ha="right", va="top", fontsize=9.5)
        ax.set_ylim(-reach, reach)
    for ax in axes[-1]:
        ax.set_xlabel("time (ms)")
    for ax in axes[:, 0]:
        ax.set_ylabel("mV")
    axes[0, 0].figure.colorbar(image, ax=axes, label="contribution (ms)", shrink=0.8)
    return axes


def case_scatter(error, against, xlabel, labels=None, ylabel="mean absolute error (ms)", ax=None):
    """The error of each case against a property of it, kinds of cases in colours of their own.

    Parameters
    ----------
    error, against : (case,) array
    xlabel, ylabel : str
    labels : (case,) array of str, optional
        Kind of each case.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    error, against = np.asarray(error), np.asarray(against)
    labels = np.full(len(error), "") if labels is None else np.asarray(labels)
    ax = new_axes(ax, size=(6.0, 3.6))
    for name, colour in zip(np.unique(labels), ("vermilion", "blue", "green", "purple"), strict=False):
        mine = labels == name
        ax.plot(against[mine], error[mine], "o", color=PALETTE[colour], alpha=0.55, ms=4, mew=0, label=name or None)
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    ax.grid(axis="y")
    if len(np.unique(labels)) > 1:
        ax.legend()
    return ax
