"""Figures of the book: each draws into the Axes it is given, or new ones, and returns them."""

from .beats import beat_grid, cam_trace, class_balance, class_mean_cam, rr_scatter
from .scores import (
    burden,
    confusion,
    deletion,
    gap,
    history,
    metric_bars,
    per_group_bars,
    reliability,
    roc_pr,
)
from .style import CLASS_COLOURS, PALETTE, class_colour, use

__all__ = [
    "CLASS_COLOURS",
    "PALETTE",
    "beat_grid",
    "burden",
    "cam_trace",
    "class_balance",
    "class_colour",
    "class_mean_cam",
    "confusion",
    "deletion",
    "gap",
    "history",
    "metric_bars",
    "per_group_bars",
    "reliability",
    "roc_pr",
    "rr_scatter",
    "use",
]
