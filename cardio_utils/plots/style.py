"""How the book's figures look: colours that colour-blind readers can part, opaque white, readable sizes."""

import zlib

import matplotlib as mpl

# Okabe and Ito 2008, without yellow, which is too light for lines on white.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#222222",
}
CLASS_COLOURS = {
    "N": PALETTE["blue"],
    "S": PALETTE["orange"],
    "V": PALETTE["vermilion"],
    "F": PALETTE["green"],
    "Q": PALETTE["purple"],
    "healthy": PALETTE["blue"],
    "infarction": PALETTE["vermilion"],
    "normal": PALETTE["blue"],
    "irregular": PALETTE["vermilion"],
}
INK = "#333333"
MUTED = "#767676"
FAINT = "#E4E4E4"
# From pale grey to dark red with steadily falling lightness: reads in greyscale, too.
HEAT = mpl.colors.LinearSegmentedColormap.from_list("heat", ["#CFCFCF", "#F2B36B", "#E0631B", "#A31515", "#5B0A1E"])


def use():
    """Apply the style to all later figures of this process."""
    mpl.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.figsize": (6.4, 3.6),
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "axes.facecolor": "white",
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(color=list(PALETTE.values())),
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "text.color": INK,
            "grid.color": FAINT,
            "grid.linewidth": 0.8,
            "lines.linewidth": 2.0,
            "lines.solid_capstyle": "round",
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "font.size": 10.5,
            "image.cmap": "cividis",
        }
    )


def class_colour(label):
    """The colour of a class: fixed for the book's classes, otherwise one of the palette, the same every
    time."""
    colours = list(PALETTE.values())
    return CLASS_COLOURS.get(str(label), colours[zlib.crc32(str(label).encode()) % len(colours)])


def new_axes(ax=None, n_columns=1, size=None, **options):
    """The given Axes, or new ones of at most 8 inches width."""
    import matplotlib.pyplot as plt

    if ax is not None:
        return ax
    return plt.subplots(1, n_columns, figsize=size, layout="constrained", **options)[1]
