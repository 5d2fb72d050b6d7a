"""A page on which a person looks through found events, keeps or rejects each, and saves the corrected table.

The page is one HTML file that needs neither network nor server: the trace travels in it, the whole as the smallest and
largest value of short pieces, and a window around each event. Chapter 13 writes it for a recording of one's own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from pathlib import Path

import numpy as np

from cardio_utils import events
from cardio_utils.data import fetch

__all__ = ["read_corrected", "write"]

_BEFORE, _AFTER = 15e-3, 35e-3  # s around a peak that are shown
_PIECES = 3000  # of the overview
_SAMPLES = 700_000  # of all windows together: 1.9 MB of text
_DECISIONS = {"keep": True, "reject": False, "": True}


def write(path, x, fs, table, *, title="Events", notes=(), unit="mV"):
    """Write the page.

    Parameters
    ----------
    path : path
        HTML file to be made.
    x : (n,) array_like
        Trace, finite.
    fs : float
        Sampling rate (Hz).
    table : pandas.DataFrame
        From `events.event_table`, or any with a column `peak` (s); `onset` (s) and `baseline` are drawn if there.
    title : str
    notes : sequence of str
        Shown under the title, such as what was assumed about the recording.
    unit : str
        Of the trace.

    Returns
    -------
    Path
        `path`: below 3 MB for 10 minutes; windows of many events are thinned out.

    Raises
    ------
    ValueError
        The trace is not one finite trace, or the table has no column `peak`, or peaks outside of the trace.
    """
    path, x = Path(path), np.asarray(x)
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        raise ValueError(f"one finite trace (n,) is needed, not {x.shape} with {np.sum(~np.isfinite(x))} gaps")
    if "peak" not in table:
        raise ValueError(f"the table needs a column 'peak'; it has {', '.join(map(str, table.columns)) or 'none'}")
    peak = table["peak"].to_numpy(float)
    if not ((peak >= 0) & (peak <= x.size / fs)).all():
        raise ValueError(f"peaks lie outside of the trace, which ends at {x.size / fs:g} s")
    rows = [[_plain(value) for value in row] for row in table.itertuples(index=False)]
    data = {
        "name": path.stem,
        "key": hashlib.sha256(repr((title, rows)).encode()).hexdigest()[:16],
        "unit": unit,
        "duration": x.size / fs,
        "columns": [[str(name), events.COLUMNS.get(name, "")] for name in table.columns],
        "rows": rows,
        "overview": _overview(x),
        "snippets": _snippets(x, fs, peak),
    }
    page = resources.files("cardio_utils").joinpath("review.html").read_text(encoding="utf-8")
    inline = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    items = "".join(f"<li>{html.escape(str(note))}</li>" for note in notes)
    texts = {"TITLE": html.escape(title), "NOTES": items, "DATA": inline}
    page = re.sub("@(TITLE|NOTES|DATA)@", lambda mark: texts[mark[1]], page)  # at once: a title may hold a mark
    with fetch.whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _plain(value):
    """A cell as JSON knows it; NaN is nothing."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return None if value is None else str(value)


def _text(values):
    return base64.b64encode(np.round(values).astype("<i2").tobytes()).decode()


def _overview(x):
    """Smallest and largest value of equal pieces, as 16 bits between those of the trace."""
    edges = np.linspace(0, x.size, min(_PIECES, x.size) + 1).astype(int)[:-1]
    pairs = np.stack([np.minimum.reduceat(x, edges), np.maximum.reduceat(x, edges)], axis=1).astype(float)
    low, high = pairs.min(), pairs.max()
    scaled = (pairs - low) / max(high - low, 1e-12) * 65534 - 32767
    return {"low": float(low), "high": float(high), "values": _text(scaled.ravel())}


def _snippets(x, fs, peak):
    """Windows around the peaks, each as 16 bits between its own smallest and largest value."""
    before, after = round(_BEFORE * fs), round(_AFTER * fs)
    step = max(1, -(-(before + after) * max(1, peak.size) // _SAMPLES))
    offset = np.arange(-before, after + 1, step)
    first = np.round(peak * fs).astype(int)[:, None] + offset
    rows = x[np.clip(first, 0, x.size - 1)].astype(float)
    low = rows.min(1) if len(rows) else np.empty(0)
    scale = (rows.max(1) - low) / 65534 if len(rows) else np.empty(0)
    scaled = (rows - low[:, None]) / np.maximum(scale[:, None], 1e-12) - 32767
    return {
        "size": offset.size,
        "step": step / fs,
        "start": [round(float(t), 7) for t in first[:, 0] / fs],
        "low": [float(f"{v:.6g}") for v in low],
        "scale": [float(f"{v:.4g}") for v in scale],
        "values": _text(scaled.ravel()),
    }


@fetch.reader
def read_corrected(path):
    """The table that the page saved.

    Parameters
    ----------
    path : path
        CSV; one that a spreadsheet saved again with semicolons and decimal commas is understood as well.

    Returns
    -------
    pandas.DataFrame
        The columns of the table, `keep` (bool; undecided events are kept) and `reviewed` (bool).

    Raises
    ------
    ValueError
        The file is missing or no such table, or a decision is neither keep nor reject.
    """

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    head = text.split("\n", 1)[0]
    how = {"sep": ";", "decimal": ","} if head.count(";") > head.count(",") else {}
    try:
        table = fetch.read_csv(path, encoding="utf-8-sig", encoding_errors="replace", keep_default_na=True, **how)
    except ValueError as error:
        raise ValueError(f"{path.name} is no table ({error})") from error
    if gone := [name for name in ("peak", "keep") if name not in table]:
        raise ValueError(f"{path.name} is no corrected table: it lacks the column {' and '.join(gone)}")
    decision = table["keep"].fillna("").astype(str).str.strip().str.lower()
    if wrong := [(k, word) for k, word in enumerate(decision) if word not in _DECISIONS]:
        line, word = wrong[0]
        raise ValueError(f"{path.name}, line {line + 2}: the column keep holds {word!r}, not keep, reject or nothing")
    table["keep"], table["reviewed"] = decision.map(_DECISIONS).astype(bool), decision != ""
    if "overlap" in table:
        table["overlap"] = table["overlap"].astype(str).str.lower() == "true"
    return table
