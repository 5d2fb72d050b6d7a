"""Figures of twelve-lead records: the clinical sheet, waves and their bounds, and the labels of many records."""

import numpy as np

from .style import FAINT, INK, MUTED, PALETTE, new_axes

__all__ = [
    "co_occurrence",
    "delineated",
    "label_counts",
    "label_probabilities",
    "mean_beats",
    "sheet",
    "side_by_side",
]

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
PAPER, FINE_GRID, COARSE_GRID = "#FFF9F7", "#F6DAD3", "#E9ABA0"
SPEED, GAIN = 25.0, 10.0  # mm/s, mm/mV
ROW = 32.0  # mm from row to row
TRUE_WIDTH = 10.63  # inches at which a millimetre of the sheet is a millimetre


def sheet(ecg, fs, second=None, band=None, *, rhythm="II", names=("recorded", "reconstructed"), width=8.0, ax=None):
    """A record as on paper: three rows of four leads for a quarter of the time each, and a rhythm strip.

    25 mm/s and 10 mm/mV, with a pulse of 1 mV and 0.2 s before each row. Fine lines are 1 mm apart (0.04 s, 0.1 mV),
    coarse ones 5 mm.

    Parameters
    ----------
    ecg : (12, n) array_like
        mV, in the order of `lead_algebra.TWELVE`; a lead that is NaN is left out.
    fs : float
        Hz.
    second : (12, n) array_like, optional
        Drawn over it, such as a reconstruction; NaN where there is none.
    band : (2, 12, n) array_like, optional
        Low and high, shaded behind `second`.
    rhythm : str
        Lead of the strip; '' for none.
    names : (str, str)
        For the legend, where there is a second signal.
    width : float
        Inches; at 10.63 a print has true millimetres.
    ax : Axes, optional

    Returns
    -------
    Axes
        In mm.
    """
    ecg = np.asarray(ecg, float)
    quarter = ecg.shape[1] // 4
    rows = 3 + bool(rhythm)
    extent = 14 + SPEED * ecg.shape[1] / fs, ROW * rows
    ax = new_axes(ax, size=(width, width * (extent[1] + 8) / (extent[0] + 6)))
    _paper(ax, *extent)
    pieces = [(name, k % 3, k // 3 * quarter, (k // 3 + 1) * quarter) for k, name in enumerate(LEADS)]
    if rhythm:
        pieces.append((rhythm, 3, 0, ecg.shape[1]))
    for name, row, start, stop in pieces:
        middle, lead = extent[1] - ROW * (row + 0.55), LEADS.index(name)
        x = 12 + SPEED * np.arange(start, stop) / fs
        if band is not None:
            low, high = (middle + GAIN * np.asarray(side, float)[lead, start:stop] for side in band)
            ax.fill_between(x, low, high, color=PALETTE["vermilion"], alpha=0.25, linewidth=0)
        ax.plot(x, middle + GAIN * ecg[lead, start:stop], color=INK, linewidth=0.8)
        if second is not None:
            y = middle + GAIN * np.asarray(second, float)[lead, start:stop]
            ax.plot(x, y, color=PALETTE["vermilion"], linewidth=0.8, alpha=0.9)
        ax.text(x[0] + 1, middle + 11, name, fontsize=8.5, weight="bold")
        if start == 0:
            ax.plot(
                np.array([2, 3.5, 3.5, 8.5, 8.5, 10]), middle + np.array([0, 0, 10, 10, 0, 0]), color=INK, linewidth=0.8
            )
    if second is not None:
        handles = [ax.plot([], [], color=c, linewidth=1.5)[0] for c in (INK, PALETTE["vermilion"])]
        ax.legend(handles, names, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    ax.text(0, -4.5, "25 mm/s, 10 mm/mV", fontsize=8, color=MUTED)
    return ax


def _paper(ax, width, height):
    from matplotlib.ticker import MultipleLocator

    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal", facecolor=PAPER)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MultipleLocator(5))
        axis.set_minor_locator(MultipleLocator(1))
    ax.grid(which="minor", color=FINE_GRID, linewidth=0.3)
    ax.grid(which="major", color=COARSE_GRID, linewidth=0.5)
    ax.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    ax.spines[:].set_visible(False)


def delineated(x, fs, waves, leads=("II", "V2", "V5"), span=(2.0, 5.0), axes=None):
    """Some leads for some seconds, with what was taken for QRS complexes and ends of T waves.

    Parameters
    ----------
    x : (12, n) array_like
        mV.
    fs : float
        Hz.
    waves : ecg.Delineation
    leads : sequence of str
    span : (float, float)
        s.
    axes : array of Axes, optional
        One a lead.

    Returns
    -------
    ndarray of Axes
    """
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(len(leads), 1, figsize=(7.6, 1.3 + 1.1 * len(leads)), sharex=True, layout="constrained")[1]
    axes = np.ravel(axes)
    time = np.arange(np.shape(x)[1]) / fs
    near = (time >= span[0]) & (time <= span[1])
    for ax, name in zip(axes, leads, strict=True):
        for start, stop in zip(waves.qrs_onset, waves.qrs_offset, strict=True):
            ax.axvspan(start, stop, color=PALETTE["sky"], alpha=0.35, linewidth=0, label="QRS complex")
        for end in waves.t_end:
            ax.axvline(end, color=PALETTE["vermilion"], linewidth=1.2, linestyle="--", label="end of T")
        ax.plot(time[near], np.asarray(x)[LEADS.index(name), near], color=INK, linewidth=1.2)
        ax.set(ylabel=f"{name} (mV)", xlim=span)
    handles, labels = axes[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes[0].legend(unique.values(), unique.keys(), loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    axes[-1].set_xlabel("time (s)")
    return axes


def mean_beats(beats, time, leads, titles=None, axes=None):
    """The mean beat of several classes, one panel a lead.

    Parameters
    ----------
    beats : dict of str to (lead, w) array_like
        mV.
    time : (w,) array_like
        s from the R peak.
    leads : sequence of str
        Names of the rows of each beat.
    titles : sequence of str, optional
        Of the panels, default `leads`.
    axes : array of Axes, optional
        One a lead.

    Returns
    -------
    ndarray of Axes
    """
    if axes is None:
        import matplotlib.pyplot as plt

        rows = int(np.ceil(len(leads) / 3))
        axes = plt.subplots(rows, 3, figsize=(8, 0.7 + 1.8 * rows), sharex=True, sharey=True, layout="constrained")[1]
    axes = np.ravel(axes)
    colours = list(PALETTE.values())
    for ax in axes[len(leads) :]:
        ax.set_visible(False)
    for k, (ax, title) in enumerate(zip(axes, titles or leads, strict=False)):
        for (name, beat), colour in zip(beats.items(), colours, strict=False):
            ax.plot(1000 * np.asarray(time), np.asarray(beat)[k], color=colour, linewidth=1.3, label=name)
        ax.set_title(title)
        ax.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    for ax in axes[-3:]:
        ax.set_xlabel("time (ms)")
    for ax in axes[::3]:
        ax.set_ylabel("mV")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(beats))
    return axes


def label_counts(table, ax=None):
    """Records of each label, and how many of them have no other label.

    Parameters
    ----------
    table : DataFrame
        Such as `labels.explore` returns; columns `records` and `alone`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    table = table.drop(index=["all"], errors="ignore")
    ax = new_axes(ax, size=(6.8, 0.9 + 0.36 * len(table)))
    row = np.arange(len(table))[::-1]
    ax.barh(row, table["records"], height=0.68, color=PALETTE["sky"], label="together with others")
    ax.barh(row, table["records"] * table["alone"], height=0.68, color=PALETTE["blue"], label="this label alone")
    for y, (count, patients) in zip(row, table[["records", "patients"]].to_numpy(), strict=True):
        ax.text(count, y, f" {count:,.0f} of {patients:,.0f} patients", va="center", fontsize=9, color=MUTED)
    ax.set_yticks(row, table.index)
    ax.set(xlabel="records", xlim=(0, 1.35 * table["records"].max()))
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower right")
    return ax


def co_occurrence(counts, ax=None):
    """How many records have two labels, coloured by the share of the row's label that also has the column's.

    Parameters
    ----------
    counts : DataFrame
        Such as `labels.co_occurrence` returns.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    values, names = counts.to_numpy(), list(counts)
    share = values / np.maximum(np.diag(values), 1)[:, None]
    ax = new_axes(ax, size=(min(8.0, 1.4 + 0.62 * len(names)), 0.9 + 0.46 * len(names)))
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(values):
        text = f"{count:,}" if row == column else f"{count:,}\n{100 * share[row, column]:.0f} %" if count else "0"
        colour = "white" if share[row, column] > 0.55 else INK if count else MUTED
        ax.text(column, row, text, ha="center", va="center", fontsize=8 if len(names) > 6 else 9, color=colour)
    ax.set_xticks(range(len(names)), names, rotation=45 if len(names) > 6 else 0)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="also has", ylabel="has")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def label_probabilities(analysis, ax=None):
    """How probable each label is in a class, with its interval, beside its share of all records.

    Parameters
    ----------
    analysis : DataFrame
        Such as `labels.analyse` returns.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.8, 1.0 + 0.3 * len(analysis)))
    row = np.arange(len(analysis))[::-1]
    ax.hlines(row, analysis["overall"], analysis["probability"], color=FAINT, linewidth=3, zorder=1)
    ax.hlines(row, analysis["low"], analysis["high"], color=PALETTE["blue"], linewidth=2, zorder=2)
    ax.scatter(analysis["probability"], row, s=34, color=PALETTE["blue"], label="in the class", zorder=3)
    ax.scatter(analysis["overall"], row, s=34, facecolor="white", edgecolor=MUTED, label="of all records", zorder=3)
    ax.set_yticks(row, analysis.index)
    ax.set(xlabel="share of records that have the label", xlim=(-0.02, 1.02))
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower right")
    return ax


def side_by_side(comparison, ax=None):
    """Shares in the fit and in the unfit records of a class.

    Parameters
    ----------
    comparison : DataFrame
        Such as `labels.clean` returns; rows that are not shares are passed over.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    shares = comparison[comparison[["clean", "corrupted"]].max(axis=1) <= 1]
    ax = new_axes(ax, size=(6.4, 1.0 + 0.32 * len(shares)))
    row = np.arange(len(shares))[::-1]
    ax.hlines(row, shares["clean"], shares["corrupted"], color=FAINT, linewidth=3, zorder=1)
    for (name, colour), marker in zip((("clean", "blue"), ("corrupted", "vermilion")), "os", strict=True):
        ax.scatter(shares[name], row, s=36, color=PALETTE[colour], marker=marker, label=name, zorder=3)
    for y, p in zip(row, shares["p"], strict=True):
        ax.annotate(
            f"p = {p:.2g}" if np.isfinite(p) else "",
            (1.04, y),
            va="center",
            fontsize=8.5,
            color=MUTED,
            annotation_clip=False,
        )
    ax.set_yticks(row, shares.index)
    ax.set(xlabel="share of records", xlim=(-0.02, 1.02))
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    return ax
