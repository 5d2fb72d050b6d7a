"""Figures of transmembrane potentials from the electrocardiogram: when they err, and what is read off them."""

import numpy as np

from .style import INK, PALETTE, new_axes

__all__ = ["error_curves", "measures"]

_COLOURS = [PALETTE[name] for name in ("vermilion", "blue", "green", "orange", "purple", "sky")]
_DASHED = (0, (4, 3))


def error_curves(curves, xlabel="activation of the site (ms)", ylabel="mean absolute error (mV)", ax=None):
    """The error of several models against a property of sites or cases.

    Parameters
    ----------
    curves : dict of str to Series
        Model -> error, indexed by the property; the first is drawn thick.
    xlabel, ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.2, 3.5))
    for k, (name, curve) in enumerate(curves.items()):
        look = dict(color=_COLOURS[k % len(_COLOURS)], marker="o", markersize=4.5, linewidth=1.4 if k else 2.6)
        ax.plot(curve.index.astype(float), curve.to_numpy(), label=name, **look)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(bottom=0)
    ax.grid(axis="y")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def measures(truth, found, names=("activation", "APD90"), shown=3000, axes=None):
    """What is read off predicted potentials against the same of the true ones, one panel a measure.

    Parameters
    ----------
    truth : sequence of array_like
        ms, any shape.
    found : dict of str to sequence of array_like
        Model -> the same of its potentials; two at most, the last drawn on top.
    names : sequence of str
        Of the measures.
    shown : int
        As many sites are drawn, evenly spaced.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, len(names), (3.9 * len(names), 3.7), squeeze=False))
    for k, (ax, name, true) in enumerate(zip(axes, names, truth, strict=True)):
        true = np.ravel(true)
        rows = np.unique(np.linspace(0, true.size - 1, shown).astype(int))
        for (model, values), colour in zip(found.items(), (PALETTE["sky"], PALETTE["vermilion"]), strict=False):
            look = dict(color=colour, markersize=2.6, alpha=0.35, markeredgewidth=0)
            ax.plot(true[rows], np.ravel(values[k])[rows], "o", label=model, **look)
        ends = np.nanquantile(true, [0, 1])
        ax.plot(ends, ends, color=INK, linewidth=1, linestyle=_DASHED)
        margin = 0.25 * np.ptp(ends)
        ax.set(xlabel=f"simulated {name} (ms)", ylabel=f"predicted {name} (ms)")
        ax.set_ylim(ends[0] - margin, ends[1] + margin)
    legend = axes[0].legend(loc="upper left", markerscale=2.5, handletextpad=0.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return axes
