"""Figures of potassium: what it does to a beat, how it was predicted, and what an answer is worth."""

import numpy as np

from .scores import SERIES
from .style import FAINT, HEAT, INK, MUTED, PALETTE, new_axes

__all__ = [
    "class_coverage",
    "error_by_class",
    "lead_attention",
    "level_distributions",
    "potassium_beats",
    "potassium_histogram",
    "predicted_potassium",
    "predictive_values",
    "relative_medians",
]

_DASHED = (0, (4, 3))
_LIMITS = (2.5, 3.5, 5.5, 6.5)
_LABEL = "potassium (mmol/L)"


def potassium_histogram(potassium, natural=None, ax=None):
    """How many records have which concentration, with the limits of the classes.

    Parameters
    ----------
    potassium : (record,) array_like
        mmol/L.
    natural : (m,) array_like, optional
        Concentrations as they are in a clinic, drawn as a line of the same area.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.4, 3.0))
    edges = np.arange(1.45, 9.5, 0.2)
    count, _, _ = ax.hist(potassium, edges, color=PALETTE["blue"], alpha=0.75, label="these records")
    if natural is not None:
        share, _ = np.histogram(natural, edges)
        line = share * count.sum() / share.sum()
        ax.stairs(line, edges, color=PALETTE["vermilion"], linewidth=1.6, label="an emergency department")
        ax.legend(loc="upper right")
        ax.set_ylim(0, 1.6 * count.max())
    for limit in _LIMITS:
        ax.axvline(limit, color=MUTED, linewidth=1, linestyle=_DASHED)
    ax.set(xlabel=_LABEL, ylabel="records", xlim=(1.4, 9.2))
    return ax


def potassium_beats(beats, time, leads, axes=None):
    """One beat at several concentrations, in some leads.

    Parameters
    ----------
    beats : dict of float to (lead, time) array_like
        mmol/L -> mV.
    time : (time,) array_like
        s.
    leads : dict of str to int
        Name -> row; one panel each.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, len(leads), (8.0, 3.2), sharex=True, squeeze=False))
    shade = np.linspace(0, 1, len(beats))
    for ax, (name, row) in zip(axes, leads.items(), strict=True):
        for (potassium, beat), level in zip(sorted(beats.items()), shade, strict=True):
            label = f"{potassium:g} mmol/L"
            ax.plot(1000 * np.asarray(time), beat[row], color=HEAT(level), linewidth=1.7, label=label)
        ax.set(title=name, xlabel="time from R (ms)")
        ax.grid(axis="y")
    axes[0].set_ylabel("mV")
    axes[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, handlelength=1.2)
    return axes


def relative_medians(tables, real=None, labels=None, axes=None):
    """Median of each feature in each class against the normal class, beside what is known of real patients.

    Parameters
    ----------
    tables : dict of str to DataFrame (class, feature)
        Such as `potassium.class_medians` returns.
    real : DataFrame (class, feature), optional
    labels : dict of str to str, optional
        Feature -> title of its panel.
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    first = next(iter(tables.values()))
    axes = np.ravel(new_axes(axes, first.shape[1], (8.0, 3.3), squeeze=False))
    for ax, feature in zip(axes, first.columns, strict=True):
        place = np.arange(len(first))
        for (name, table), colour in zip(tables.items(), SERIES, strict=False):
            ax.plot(place, table[feature], "o-", color=colour, markersize=6, label=name)
        if real is not None:
            ax.fill_between(place, 0.85 * real[feature], 1.15 * real[feature], color=FAINT, zorder=0)
            ax.plot(place, real[feature], "D--", color=INK, markersize=5, linewidth=1.2, label="299 patients ± 15 %")
        ax.axhline(1, color=MUTED, linewidth=0.8)
        ax.set_xticks(place, first.index, rotation=20, fontsize=8)
        ax.set(title=(labels or {}).get(feature, feature), xlabel=_LABEL)
        ax.grid(axis="y")
    axes[0].set_ylabel("median, relative to 3.5 - 5.5")
    axes[0].legend(loc="best", fontsize=8)
    return axes


def predicted_potassium(measured, predicted, constant, slope, ax=None):
    """Predicted against measured concentration, with the identity, the fitted slope and the constant predictor.

    Parameters
    ----------
    measured, predicted : (record,) array_like
        mmol/L.
    constant : float
        What the constant predictor says.
    slope : float or evaluation.Estimate
        Of predicted on measured.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    measured, predicted = np.asarray(measured, float), np.asarray(predicted, float)
    ax = new_axes(ax, size=(5.0, 4.4))
    ends = np.array([min(measured.min(), 1.8), max(measured.max(), 7.5)])
    ax.plot(ends, ends, color="#C9C9C9", linewidth=1.4, label="identity")
    ax.axhline(constant, color=MUTED, linewidth=1.2, linestyle=_DASHED, label="constant predictor")
    ax.plot(measured, predicted, "o", color=PALETTE["blue"], markersize=3.6, alpha=0.4, markeredgewidth=0)
    line = predicted.mean() + float(slope) * (ends - measured.mean())
    ax.plot(ends, line, color=PALETTE["vermilion"], label=f"slope {float(slope):.2f}")
    for limit in _LIMITS:
        ax.axvline(limit, color=FAINT, linewidth=1, zorder=0)
    ax.set(xlabel="measured potassium (mmol/L)", ylabel="predicted potassium (mmol/L)")
    ax.legend(loc="upper left")
    return ax


def error_by_class(table, ylabel="mean |error| (mmol/L)", ax=None):
    """The error of each model within each class of potassium, as groups of bars.

    Parameters
    ----------
    table : DataFrame (class, model)
    ylabel : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(7.2, 3.3))
    step = 0.84 / table.shape[1]
    colours = [MUTED, *SERIES]
    for k, (name, values) in enumerate(table.items()):
        place = np.arange(len(table)) + step * (k - (table.shape[1] - 1) / 2)
        ax.bar(place, values, width=0.92 * step, color=colours[k % len(colours)], alpha=0.85, label=name)
    ax.set_xticks(range(len(table)), table.index)
    ax.set(xlabel=_LABEL, ylabel=ylabel)
    ax.grid(axis="y")
    ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def level_distributions(probabilities, measured, sets=None, titles=None, axes=None):
    """Probability of every tenth for some records, the measured value as a line, the interval shaded.

    Parameters
    ----------
    probabilities : (record, 61) array_like
        Such as `potassium.levels` returns.
    measured : (record,) array_like
        mmol/L.
    sets : (record, 61) array_like of bool, optional
        Such as `potassium.conformal_sets` returns.
    titles : sequence of str, optional
    axes : array of Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    n = len(measured)
    axes = np.ravel(new_axes(axes, n, (8.0, 2.9), sharey=True, sharex=True, squeeze=False))
    at = (15 + np.arange(61)) / 10
    for k, ax in enumerate(axes):
        if sets is not None:
            ax.fill_between(at, 0, 1, where=sets[k], step="mid", color=FAINT, transform=ax.get_xaxis_transform())
        ax.bar(at, probabilities[k], width=0.1, color=PALETTE["blue"])
        ax.axvline(measured[k], color=PALETTE["vermilion"], linewidth=1.6)
        ax.set(xlabel="mmol/L", title="" if titles is None else titles[k])
        ax.title.set_fontsize(9)
    axes[0].set_ylabel("probability of a tenth")
    return axes


def class_coverage(share, wanted=0.9, least=None, ax=None):
    """Share of the records whose interval holds the measured value, overall and in each class.

    Parameters
    ----------
    share : DataFrame (class, method)
        0 to 1.
    wanted, least : float
        Drawn as lines: what is promised on average, and what is asked of each class.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.6, 1.4 + 0.36 * len(share)))
    for (name, values), colour in zip(share.items(), (PALETTE["orange"], PALETTE["blue"]), strict=False):
        ax.plot(100 * values, range(len(share)), "o", color=colour, markersize=8, label=name)
    ax.axvline(100 * wanted, color=INK, linewidth=1.2, linestyle=_DASHED, label=f"promised: {100 * wanted:g} %")
    if least is not None:
        ax.axvline(100 * least, color=MUTED, linewidth=1, linestyle=":", label=f"in each class: {100 * least:g} %")
    ax.set_yticks(range(len(share)), share.index)
    ax.set(xlabel="records inside their interval (%)", xlim=(min(40, 100 * share.min().min() - 4), 102))
    ax.set_ylim(len(share) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def predictive_values(curves, marked=None, ax=None):
    """What a positive answer is worth, against how frequent the condition is.

    Parameters
    ----------
    curves : dict of str to (prevalence, ppv)
        Arrays of shares.
    marked : dict of str to float, optional
        Name -> prevalence that is drawn as a line.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, size=(6.0, 3.4))
    for (name, (prevalence, ppv)), colour in zip(curves.items(), SERIES, strict=False):
        ax.plot(100 * np.asarray(prevalence), 100 * np.asarray(ppv), color=colour, label=name)
    for name, prevalence in (marked or {}).items():
        ax.axvline(100 * prevalence, color=MUTED, linewidth=1, linestyle=_DASHED)
        ax.annotate(
            name, (100 * prevalence, 101), ha="center", va="bottom", fontsize=8.5, color=MUTED, annotation_clip=False
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="patients who have it (%)", ylabel="right among positive answers (%)", ylim=(0, 100))
    ax.grid()
    ax.legend(loc="lower right")
    return ax


def lead_attention(share, leads, deletion, axes=None):
    """Attention of each lead, beside what happens when leads are taken away in its order.

    Parameters
    ----------
    share : (record, lead) array_like
    leads : sequence of str
    deletion : DataFrame
        Such as `potassium.lead_deletion` returns.
    axes : two Axes, optional

    Returns
    -------
    ndarray of Axes
    """
    axes = np.ravel(new_axes(axes, 2, (8.0, 3.3)))
    low, middle, high = np.quantile(share, [0.25, 0.5, 0.75], axis=0)
    axes[0].bar(range(len(leads)), middle, color=PALETTE["blue"], alpha=0.8)
    axes[0].vlines(range(len(leads)), low, high, color=INK, linewidth=1.6)
    axes[0].axhline(1 / len(leads), color=MUTED, linewidth=1, linestyle=_DASHED)
    axes[0].set_xticks(range(len(leads)), leads)
    axes[0].set(ylabel="share of attention, quartiles")
    looks = {"most": PALETTE["vermilion"], "random": MUTED, "least": PALETTE["blue"]}
    words = {"least": "least attended first", "random": "at random", "most": "most attended first"}
    for name, colour in looks.items():
        axes[1].plot(100 * deletion.index, deletion[name], "o-", color=colour, markersize=4, label=words[name])
    axes[1].set(xlabel="leads removed (%)", ylabel="AUC for K >= 5.5")
    axes[1].grid(axis="y")
    axes[1].legend(loc="lower left")
    return axes
