"""Figures of recordings of the membrane potential: whole traces, and beats laid over each other."""

import numpy as np

from .style import INK, MUTED, PALETTE, new_axes

SENSORS = {
    "patch": ("patch clamp", PALETTE["blue"]),
    "nea": ("nanoelectrode", PALETTE["vermilion"]),
    "vm": ("true potential", PALETTE["black"]),
}
"""Sensor -> its name in words and its colour."""


def two_sensors(dataset, recording, axes=None, n=4000):
    """The whole recording of one cell by both sensors, each on its own clock.

    Where the cell was porated, the largest excursion of each trace is marked as the pulse.

    Parameters
    ----------
    dataset : xarray.Dataset
        The part "patch" of `cardio_utils.data.nea.load`.
    recording : str
    axes : two Axes, optional
        Above each other.
    n : int
        Smallest and largest value are drawn of each of `n` pieces of the trace: no peak is lost.

    Returns
    -------
    ndarray of Axes
    """
    cell = dataset.isel(recording=dataset.recording.values.tolist().index(recording))
    axes = np.ravel(_stacked(axes))
    shown = {"patch": cell.time_patch.values, "nea": cell.time_nea.values}
    for ax, (sensor, time) in zip(axes, shown.items(), strict=True):
        name, colour = SENSORS[sensor]
        x, y = _envelope(time, cell[sensor].values, n)
        ax.plot(x, y, color=colour, linewidth=0.6)
        ax.set(ylabel="mV", xlim=(time[0], time[-1]))
        ax.set_title(f"{name}, {recording}")
        _typical_range(ax, cell[sensor].values)
        if "poration" in cell.coords:
            pulse = time[np.nanargmax(abs(cell[sensor].values))]
            ax.axvline(pulse, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            text = dict(xycoords=("data", "axes fraction"), textcoords="offset points", color=MUTED, fontsize=9)
            ax.annotate("poration", (pulse, 1.0), xytext=(4, -9), **text)
    axes[-1].set_xlabel("time on the sensor's own clock (s)")
    return axes


def _stacked(axes):
    """The given Axes, or two new ones above each other."""
    import matplotlib.pyplot as plt

    return plt.subplots(2, 1, figsize=(8.0, 3.9), layout="constrained")[1] if axes is None else axes


def _envelope(time, x, n):
    """Smallest and largest value of each of `n` pieces, in their places."""
    size = max(1, len(x) // n)
    if size == 1:
        return time, x
    whole = len(x) // size * size
    pieces = x[:whole].reshape(-1, size)
    begin = np.arange(len(pieces))[:, None] * size
    at = np.sort(begin + np.stack([pieces.argmin(1), pieces.argmax(1)], axis=1), axis=1).ravel()
    return time[at], x[at]


def _typical_range(ax, x):
    """Limits that a poration pulse, short and many times larger than a beat, does not set."""
    low, high = np.nanquantile(x, [0.005, 0.995])
    margin = 0.35 * (high - low)
    ax.set_ylim(max(low - margin, np.nanmin(x) - 0.1 * margin), min(high + margin, np.nanmax(x) + 0.1 * margin))


def overlay(time, panels, axes=None, ylabel="scaled (0 to 1)"):
    """Traces laid over each other, one panel a group of them.

    Parameters
    ----------
    time : (n,) array_like
        s.
    panels : dict of str to dict of str to (n,) array_like
        Title -> label -> trace, the later ones drawn on top. A label that names a sensor ("patch", "nea", "vm") brings
        its name and colour.
    axes : array of Axes, optional
        One a panel.
    ylabel : str

    Returns
    -------
    ndarray of Axes
    """
    size = (min(8.0, 2.0 + 2.6 * len(panels)), 2.9)
    axes = np.ravel(new_axes(axes, len(panels), size, sharex=True, sharey=True, squeeze=False))
    ms = 1000 * np.asarray(time, float)
    others = [PALETTE[c] for c in ("black", "green", "purple", "sky")]
    for ax, (title, traces) in zip(axes, panels.items(), strict=True):
        for k, (label, trace) in enumerate(traces.items()):
            name, colour = SENSORS.get(label, (label, others[k % len(others)]))
            ax.plot(ms, trace, color=colour, label=name, linewidth=1.4)
        ax.set_title(title)
        ax.set_xlabel("time from the upstroke (ms)")
        ax.set_xlim(ms[0], ms[-1])
    axes[0].set_ylabel(ylabel)
    axes[0].legend(loc="upper right", handlelength=1.2)
    return axes


def dose_response(tables, axes=None, value="apd90", ylabel="APD90 (ms)"):
    """Durations of wells by dose, one panel a drug, with the median of each dose.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Drug -> table with the columns ``dose`` (uM, 0 for none) and `value`. Where it is NaN the well is left out,
        and counted at the foot of the panel.
    axes : array of Axes, optional
        One a drug.
    value, ylabel : str

    Returns
    -------
    ndarray of Axes
    """
    size = (min(8.0, 1.0 + 3.2 * len(tables)), 3.2)
    axes = np.ravel(new_axes(axes, len(tables), size, sharey=True, squeeze=False))
    for ax, (drug, table) in zip(axes, tables.items(), strict=True):
        levels = np.unique(table.dose)
        for x, level in enumerate(levels):
            _one_dose(ax, x, table[value].to_numpy(float)[table.dose == level])
        ax.set_xticks(range(len(levels)), ["none" if level == 0 else f"{level:g}" for level in levels])
        ax.set(xlabel=f"{drug} (µM)", xlim=(-0.5, len(levels) - 0.5))
        ax.grid(axis="y")
    axes[0].set_ylabel(ylabel)
    return axes


def _one_dose(ax, x, values):
    """Points, their median, and the number of those without a value."""
    fine = values[np.isfinite(values)]
    spread = 0.12 * np.linspace(-1, 1, len(fine)) if len(fine) > 1 else np.zeros(len(fine))
    ax.plot(x + spread, fine, "o", color=PALETTE["blue"], markersize=4.5, alpha=0.55, markeredgewidth=0)
    if len(fine):
        ax.plot([x - 0.25, x + 0.25], 2 * [np.median(fine)], color=INK)
    if lost := len(values) - len(fine):
        where = dict(xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", va="bottom")
        ax.annotate(f"{lost} without", (x, 0.0), xytext=(0, 3), color=MUTED, fontsize=8.5, **where)
