"""Figures of the two primers: curves coloured by a number, residuals, sizes of effects, pictures of beats."""

import matplotlib as mpl
import numpy as np

from .style import FAINT, HEAT, INK, MUTED, PALETTE, new_axes

__all__ = ["coloured_curves", "effects", "pictures", "residuals"]


def coloured_curves(time, curves, value, xlabel="time (ms)", ylabel="", label="", ax=None):
    """Curves, each in the colour of a number that belongs to it.

    Parameters
    ----------
    time : (n,) array_like
    curves : (curve, n) array_like
    value : (curve,) array_like
    xlabel, ylabel, label : str
        The axes, and the colour bar.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.4, 3.4))
    value = np.asarray(value, float)
    lines = [np.column_stack([time, curve]) for curve in np.asarray(curves)]
    bundle = mpl.collections.LineCollection(lines, array=value, cmap=HEAT, linewidth=1, alpha=0.8)
    ax.add_collection(bundle)
    ax.autoscale_view()
    ax.margins(x=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.figure.colorbar(bundle, ax=ax, label=label)
    return ax


def residuals(predicted, residual, unit="ms", axes=None):
    """What models missed against what they said, one panel a model, with the mean of each fifth.

    Parameters
    ----------
    predicted, residual : dict of str to (n,) array_like
        Model -> prediction, and measurement minus prediction.
    unit : str
    axes : array of Axes, optional
        One a model.

    Returns
    -------
    ndarray of Axes
    """
    size = (min(8.4, 1.2 + 2.7 * len(predicted)), 3.0)
    axes = np.ravel(new_axes(axes, len(predicted), size, squeeze=False))
    for ax, name in zip(axes, predicted, strict=True):
        x, y = np.asarray(predicted[name], float), np.asarray(residual[name], float)
        ax.axhline(0, color=MUTED, linewidth=1)
        ax.plot(x, y, "o", color=PALETTE["blue"], markersize=3, alpha=0.45, markeredgewidth=0)
        fifths = np.array_split(np.argsort(x), 5)
        ax.plot([x[i].mean() for i in fifths], [y[i].mean() for i in fifths], color=PALETTE["vermilion"], linewidth=2)
        ax.set(title=name, xlabel=f"predicted ({unit})")
    axes[0].set_ylabel(f"measured − predicted ({unit})")
    return axes


def effects(table, reference, xlabel="", ax=None):
    """Size of some effects by several ways, and what they are in truth, one row an effect, the largest on top.

    Parameters
    ----------
    table : DataFrame
        Rows are effects, columns ways of measuring them.
    reference : str
        The column that is the truth; a black bar.
    xlabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    table = table.loc[table[reference].abs().sort_values().index]
    ax = new_axes(ax, size=(6.4, 0.9 + 0.28 * len(table)))
    rows = np.arange(len(table))
    ax.hlines(rows, min(0, table.to_numpy().min()), table.to_numpy().max(), color=FAINT, linewidth=1)
    ax.plot(table[reference], rows, "|", color=INK, markersize=13, markeredgewidth=2.5, label=reference)
    colours = [PALETTE[c] for c in ("blue", "orange", "green", "purple")]
    ways = [name for name in table if name != reference]
    for name, colour, marker in zip(ways, colours, "osD^", strict=False):
        ax.plot(table[name], rows, marker, color=colour, markersize=5.5, alpha=0.85, label=name)
    ax.axvline(0, color=MUTED, linewidth=0.8)
    ax.set_yticks(rows, table.index)
    ax.set_xlabel(xlabel)
    ax.legend(loc="lower right", fontsize=9)
    return ax


def pictures(images, titles, ylabels=None, axes=None):
    """Small pictures in a grid, each with its own grey levels.

    Parameters
    ----------
    images : (row, column, height, width) array_like
    titles : sequence of str
        One a column.
    ylabels : sequence of str, optional
        One a row.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes, shape (row, column)
    """
    images = np.asarray(images)
    rows, columns = images.shape[:2]
    if axes is None:
        import matplotlib.pyplot as plt

        size = (1.3 * columns + 0.4, 1.35 * rows + 0.3)
        axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")[1]
    for row, ylabel in zip(range(rows), ylabels or [""] * rows, strict=True):
        for column, title in zip(range(columns), titles, strict=True):
            ax = axes[row, column]
            ax.imshow(images[row, column], origin="lower", aspect="auto", cmap="magma", interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if not row:
                ax.set_title(title)
        axes[row, 0].set_ylabel(ylabel)
    return axes
