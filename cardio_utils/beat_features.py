"""A beat seen against its own record: the features by which chapters 06 and 07 tell irregular beats."""

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d, median_filter, uniform_filter1d

from cardio_utils.ecg import CENTRED_LENGTH, CENTRED_R, records_in_order

__all__ = ["balanced_weights", "heartbeat_features"]

_P = slice(CENTRED_R - 32, CENTRED_R - 7)  # -256 to -56 ms
_PT = slice(CENTRED_R - 50, CENTRED_R - 7)  # -400 to -56 ms: the T wave of the beat before as well
_QRS = slice(CENTRED_R - 13, CENTRED_R + 16)  # -104 to +128 ms
_T = slice(CENTRED_R + 18, CENTRED_R + 58)  # +144 to +464 ms
_SLOPE = slice(CENTRED_R - 20, CENTRED_R + 30)  # -160 to +240 ms


def heartbeat_features(beats):
    """What an electrocardiographer compares: a beat's timing, P, QRS and T waves against its own record.

    No label and no other record is used. Intervals are compared with the record's median and with its late
    beats (the 90 % quantile of intervals between beats of the usual shape): where most beats are premature
    the median is that of the premature ones, the late beats still are the sinus beats. For the same reason
    the P wave is compared with the median of the latest fifth of beats, and with that of all usual ones.

    Parameters
    ----------
    beats : xarray.Dataset
        Beats in the layout `centred` (mV) with `record`, `sample`, `rr_before`, `rr_after`; whole records, at
        least some minutes of each.

    Returns
    -------
    pandas.DataFrame
        One row a beat in the order of `beats` (index 0 to n - 1), float32, finite; 97 columns. An unknown interval
        counts as the record's median one (0.8 s where all are unknown), a missing neighbour as the nearest one
        there is. An interval over another stands for the natural logarithm of their ratio; late beats are the 90 %
        quantile of intervals between two usual beats; "record" in the last column is up to the record's end.

        ========================================  ====================================================  ================
        columns                                   meaning                                               reads ahead by
        ========================================  ====================================================  ================
        {before, after, previous, previous2,      interval that ends at the beat, begins there, the     record
        next}_{record, late, local}               one and the two before, the one after next; over the
                                                  record's median, the late beats, the median of 21
                                                  around
        before_{local61, late21, late61, q75,     over the median of 61 around; over the late beats     record
        q95}, after_late61                        among 21, 61 around; over other quantiles of
                                                  intervals between usual beats
        before_previous, before_past,             over the interval before it; the median of eight      none
        before_past_longest{6, 16}                before; the longest of six before, of sixteen up to
                                                  its own
        before_future_longest{6, 16}              over the longest of the next six, sixteen intervals   6, 16 beats
        after_before, pair_record                 rr_after over rr_before; their mean over the          1 beat, record
                                                  record's median
        interval, interval_after                  rr_before, rr_after (s)                               none, 1 beat
        interval_record, record_late              the record's median interval (s); the same over the   record
                                                  late beats
        step{9, 31}, step{31, 61}_median,         absolute change of log interval from beat to beat:    4 to 30 beats,
        step_record                               mean of 9, 31 around, median of 31, 61, of the        record
                                                  record
        turn31                                    share of 31 beats around at which intervals turn      16 beats
                                                  from longer to shorter or back
        spread_{up, down, quartiles}              of 41 intervals around, quantiles 90 to 50 %, 50 to   20 beats
                                                  10 %, 75 to 25 %
        rank41                                    share of 41 intervals around that are no longer than  20 beats
                                                  its own
        qrs_{correlation, lag, distance, ratio}   against the record's median QRS complex: best         record
                                                  correlation within 24 ms, where (samples), distance,
                                                  distance over its median
        qrs_like_{previous, next}                 correlation with the neighbour's QRS complex          none, 1 beat
        qrs_{volts, height, r, r_share, top,      height (mV), height over the median one (logarithm),  record
        bottom}                                   R sample and extremes against the median beat's, R
                                                  sample over the height
        qrs_{width, steep}[_change], qrs_slope,   samples above 30 % of the height, of steep slope;     record
        qrs_area_change                           less the record's median; steepest slope over the
                                                  median one (logarithm); area over height
        t_{correlation, distance, change,         T wave against the median beat's; its mean over the   record
        height}                                   QRS complex's start
        p_{height, top, bottom, place},           P wave over the line between its ends: height         record
        p_{height, place}_change                  (change: logarithm), extremes, place of its top
                                                  (samples)
        p_{share, correlation, lag, distance,     against the median P wave of the usual, of the late   record
        ratio}_{usual, late}                      beats: share of it that is there, best correlation
                                                  within 32 ms, where (samples), distance, distance
                                                  over its median
        pt_{correlation, ratio}_{usual, late}     the same with the T wave of the beat before           record
        p_record, p_record_{height, change},      median likeness to the late P wave; height of that,   record
        p_around                                  distance from the usual one; mean likeness of 15
                                                  beats around
        {p_correlation_late, p_ratio_late,        the same features of the neighbours                   record
        qrs_correlation,
        qrs_distance}_{previous, next}
        ========================================  ====================================================  ================

        Heights and distances are in units of the record's QRS height, so that amplitude matters to `qrs_volts` alone
        (but for constants of 0.001 to 0.02 mV that keep flat waves finite: ratios to a distance as small feel them).
        Most families read ahead to the record's end: these features are for records, not for a monitor.

    Raises
    ------
    ValueError
        The layout is another one, or there is no beat.
    """
    if beats.sizes["time"] != CENTRED_LENGTH:
        raise ValueError("heartbeat features are defined for the layout 'centred'")
    if beats.sizes["beat"] == 0:
        raise ValueError("there is no beat to compute features of")
    wave = beats["wave"].values
    before, after = (beats[name].values.astype(float) for name in ("rr_before", "rr_after"))
    parts = [
        _features_of_record(wave[rows], before[rows], after[rows]).set_axis(rows, axis=0)
        for rows in records_in_order(beats)
    ]
    return pd.concat(parts).sort_index().astype(np.float32)


def balanced_weights(label, patient, origin, shares):
    """Weights with which a few patients of one kind do not drown the rest.

    Each class gets its share of the total weight, each origin of data the same part of it, and within those a patient
    counts by the square root of their beats: more than one, less than all.

    Parameters
    ----------
    label, patient, origin : (n,) arrays of str
    shares : dict of str to float
        Share of every label that occurs.

    Returns
    -------
    (n,) float32
        With mean 1.

    Raises
    ------
    ValueError
        A label has no share.
    """
    if missing := set(label) - set(shares):
        raise ValueError(f"no share is given for the label {', '.join(sorted(missing))}")
    table = pd.DataFrame({"label": label, "patient": patient, "origin": origin})
    weight = table.groupby(["label", "patient", "origin"])["label"].transform("size") ** -0.5
    for keys in (["label", "origin"], ["label"]):
        weight = weight / weight.groupby([table[key] for key in keys]).transform("sum")
    weight = weight * table["label"].map(shares)
    return (weight / weight.mean()).to_numpy(np.float32)


def _shift(x, k):
    """The value of the beat k places on; at the ends the last one there is."""
    return x[np.clip(np.arange(len(x)) + k, 0, len(x) - 1)]


def _correlation(a, b):
    a, b = (x - x.mean(axis=-1, keepdims=True) for x in (a, b))
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1) + 1e-9)


def _best_correlation(wave, template, window, lags):
    """Largest correlation over shifts of the window, and the shift (samples)."""
    values = np.stack(
        [_correlation(wave[:, window.start + k : window.stop + k], template[window]) for k in range(-lags, lags + 1)]
    )
    return values.max(axis=0), values.argmax(axis=0) - lags


def _distance(wave, template, window):
    """Root-mean-square distance from a template after both means are removed."""
    a, b = wave[:, window], template[window]
    return np.sqrt(np.mean(((a - a.mean(axis=1, keepdims=True)) - (b - b.mean())) ** 2, axis=1))


def _levelled(piece):
    """The piece without the straight line between its ends."""
    start, end = piece[..., :2].mean(-1, keepdims=True), piece[..., -2:].mean(-1, keepdims=True)
    return piece - start - (end - start) * np.linspace(0, 1, piece.shape[-1])


def _templates(wave, before):
    """Medians of all beats, of usual ones, of late ones; which are usual, which also follow a usual one.

    A beat is usual whose QRS complex correlates with the record's median one by more than 0.9 and is not
    farther from it than 2.5 times the record's typical distance.
    """
    median = np.median(wave, axis=0)
    height = np.ptp(median[_QRS]) + 1e-3
    distance = _distance(wave, median, _QRS) / height
    usual = (_best_correlation(wave, median, _QRS, 3)[0] > 0.9) & (distance < 2.5 * np.median(distance) + 0.05)
    if usual.sum() < 20:
        usual[:] = True
    clean = usual & _shift(usual, -1)
    if clean.sum() < 20:
        clean = np.ones_like(usual)
    late = clean & (before >= np.quantile(before[clean], 0.8))
    return median, np.median(wave[usual], axis=0), np.median(wave[late], axis=0), usual, clean


def _features_of_record(wave, before, after):
    """Features of one record's beats in order of time."""
    known = before[~np.isnan(before)]
    typical = np.median(known) if known.size else 0.8
    before, after = (np.nan_to_num(x, nan=typical) for x in (before, after))
    median, normal, late, usual, clean = _templates(wave, before)
    table = _interval_features(before, after, clean)
    table |= {"interval": before, "interval_after": after}
    table |= _irregularity_features(before)
    table |= _qrs_features(wave, median)
    table |= _p_features(wave, normal, late, usual, np.ptp(median[_QRS]) + 1e-3)
    for name in ("p_correlation_late", "p_ratio_late", "qrs_correlation", "qrs_distance"):
        table[f"{name}_previous"], table[f"{name}_next"] = _shift(table[name], -1), _shift(table[name], 1)
    return pd.DataFrame(table)


def _interval_features(before, after, clean):
    """Logarithms of interval ratios: to the record, its late beats, the neighbourhood, each other."""
    log = np.log
    between = pd.Series(np.where(clean, before, np.nan))
    typical, (q75, q90, q95) = np.median(before), np.quantile(before[clean], [0.75, 0.9, 0.95])
    local = median_filter(before, 21, mode="nearest")
    late21, late61 = (
        between.rolling(n, center=True, min_periods=1).quantile(0.9).fillna(q90).to_numpy() for n in (21, 61)
    )
    table = {}
    for name, interval in {
        "before": before,
        "after": after,
        "previous": _shift(before, -1),
        "previous2": _shift(before, -2),
        "next": _shift(after, 1),
    }.items():
        table[f"{name}_record"] = log(interval / typical)
        table[f"{name}_late"] = log(interval / q90)
        table[f"{name}_local"] = log(interval / local)
    past = [_shift(before, -k) for k in range(1, 9)]
    future = [_shift(after, k) for k in range(6)]
    return table | {
        "record_late": np.full(before.size, log(typical / q90)),
        "interval_record": np.full(before.size, typical),
        "before_local61": log(before / median_filter(before, 61, mode="nearest")),
        "before_late21": log(before / late21),
        "before_late61": log(before / late61),
        "after_late61": log(after / late61),
        "before_q75": log(before / q75),
        "before_q95": log(before / q95),
        "before_previous": log(before / past[0]),
        "after_before": log(after / before),
        "pair_record": log((before + after) / 2 / typical),
        "before_past": log(before / np.median(past, axis=0)),
        "before_past_longest6": log(before / np.max(past[:6], axis=0)),
        "before_future_longest6": log(before / np.max(future, axis=0)),
        "before_past_longest16": log(before / maximum_filter1d(before, 16, origin=7, mode="nearest")),
        "before_future_longest16": log(before / maximum_filter1d(after, 16, origin=-8, mode="nearest")),
    }


def _irregularity_features(before):
    """How irregular the rhythm around a beat is: fibrillation against ectopic beats in a regular rhythm."""
    step = np.abs(np.log(before / _shift(before, -1)))
    turn = ((before - _shift(before, -1)) * (_shift(before, 1) - before) < 0) & (step > 0.03)
    around = pd.Series(before).rolling(41, center=True, min_periods=1)
    q10, q25, q50, q75, q90 = (around.quantile(q).to_numpy() for q in (0.1, 0.25, 0.5, 0.75, 0.9))
    return {
        "step9": uniform_filter1d(np.minimum(step, 0.5), 9, mode="nearest"),
        "step31": uniform_filter1d(np.minimum(step, 0.5), 31, mode="nearest"),
        "step31_median": median_filter(step, 31, mode="nearest"),
        "step61_median": median_filter(step, 61, mode="nearest"),
        "step_record": np.full(before.size, np.median(step)),
        "turn31": uniform_filter1d(turn.astype(float), 31, mode="nearest"),
        "spread_up": np.log(q90 / q50),
        "spread_down": np.log(q50 / q10),
        "spread_quartiles": np.log(q75 / q25),
        "rank41": np.mean([_shift(before, k) <= before for k in range(-20, 21)], axis=0),
    }


def _qrs_features(wave, median):
    """QRS complex and T wave against the record's median beat and against the neighbours."""
    log, qrs, height = np.log, wave[:, _QRS], np.ptp(median[_QRS]) + 1e-3
    correlation, lag = _best_correlation(wave, median, _QRS, 3)
    distance = _distance(wave, median, _QRS) / height
    likeness = np.r_[1, _correlation(qrs[1:], qrs[:-1])]
    ptp = np.ptp(qrs, axis=1)
    area = np.abs(qrs).sum(1) / (ptp + 0.02)
    baseline = np.median(wave[:, CENTRED_R - 32 : CENTRED_R - 10], axis=1, keepdims=True)
    deflection = np.abs(wave[:, _SLOPE] - baseline)
    slope = np.abs(np.diff(wave[:, _SLOPE], axis=1))
    steepest = slope.max(1)
    width = (deflection > 0.3 * deflection.max(1, keepdims=True)).sum(1)
    steep = (slope > 0.25 * steepest[:, None]).sum(1)
    return {
        "qrs_correlation": correlation,
        "qrs_lag": lag,
        "qrs_distance": distance,
        "qrs_ratio": distance / (np.median(distance) or 1),
        "qrs_like_previous": likeness,
        "qrs_like_next": _shift(likeness, 1),
        "qrs_height": log((ptp + 0.02) / (np.median(ptp) + 0.02)),
        "qrs_volts": ptp,
        "qrs_r": (wave[:, CENTRED_R] - median[CENTRED_R]) / height,
        "qrs_r_share": wave[:, CENTRED_R] / (ptp + 0.02),
        "qrs_top": (qrs.max(1) - median[_QRS].max()) / height,
        "qrs_bottom": (qrs.min(1) - median[_QRS].min()) / height,
        "qrs_width": width,
        "qrs_width_change": width - np.median(width),
        "qrs_steep": steep,
        "qrs_steep_change": steep - np.median(steep),
        "qrs_slope": log((steepest + 0.01) / (np.median(steepest) + 0.01)),
        "qrs_area_change": area - np.median(area),
        "t_correlation": _correlation(wave[:, _T], median[_T]),
        "t_distance": _distance(wave, median, _T) / height,
        "t_change": (wave[:, _T].mean(1) - median[_T].mean()) / height,
        "t_height": (wave[:, _T].mean(1) - wave[:, CENTRED_R - 12 : CENTRED_R - 8].mean(1)) / height,
    }


def _p_features(wave, normal, late, usual, height):
    """P wave against the median P wave of the usual and of the late beats."""
    p_wave = _levelled(wave[:, _P])
    ptp, place = np.ptp(p_wave, axis=1), p_wave.argmax(1)
    table = {
        "p_height": ptp / height,
        "p_height_change": np.log((ptp + 0.01) / (np.median(ptp) + 0.01)),
        "p_top": p_wave.max(1) / height,
        "p_bottom": p_wave.min(1) / height,
        "p_place": place,
        "p_place_change": place - np.median(place[usual]),
    }
    for name, template in {"usual": normal, "late": late}.items():
        target = _levelled(template[_P])
        distance, wider = np.sqrt(np.mean((p_wave - target) ** 2, axis=1)), _distance(wave, template, _PT)
        correlation, lag = _best_correlation(wave, template, _P, 4)
        table |= {
            f"p_share_{name}": (p_wave * target).sum(1) / ((target * target).sum() + 1e-4),
            f"p_correlation_{name}": correlation,
            f"p_lag_{name}": lag,
            f"p_distance_{name}": distance / height,
            f"p_ratio_{name}": distance / (np.median(distance) + 0.005),
            f"pt_correlation_{name}": _correlation(wave[:, _PT], template[_PT]),
            f"pt_ratio_{name}": wider / (np.median(wider) + 0.005),
        }
    table["p_record"] = np.full(len(wave), np.median(table["p_correlation_late"]))
    table["p_record_height"] = np.full(len(wave), np.ptp(_levelled(late[_P])) / height)
    difference = _levelled(late[_P]) - _levelled(normal[_P])
    table["p_record_change"] = np.full(len(wave), np.sqrt(np.mean(difference**2)) / height)
    table["p_around"] = uniform_filter1d(table["p_correlation_late"], 15, mode="nearest")
    return table
