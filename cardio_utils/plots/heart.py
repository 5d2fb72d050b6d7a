"""Figures of the heart: leads of one beat, activation as bull's-eye and on the surface, Vm of all sites, a movie."""

import base64
import hashlib
import io
from html import escape

import matplotlib as mpl
import numpy as np

from cardio_utils.data.intracardiac import activation_time
from cardio_utils.physics import LEADS
from cardio_utils.simulate.intracardiac import SITES

from .style import FAINT, HEAT, INK, MUTED, PALETTE, new_axes

__all__ = [
    "beating_heart",
    "bullseye",
    "bullseyes",
    "isochrones",
    "lead_grid",
    "site_zooms",
    "vm_raster",
]

EARLY_TO_LATE = mpl.colormaps["plasma_r"]  # early is bright and warm, late is dark, in greyscale, too
VOLTAGE = HEAT  # pale at rest, so that the shape of the resting heart is seen, too
ERROR = mpl.colormaps["RdBu_r"]
LIMITS = (-90.0, 40.0)  # mV
SERIES = [PALETTE[name] for name in ("vermilion", "blue", "green", "purple")]
LAYERS = ("endo", "mid", "epi")
_NONE = "#F1F1F1"  # of segments without a site


def _sites(values, ndim=1):
    """Values of the 75 sites as floats, or an error that says what is wrong with them."""
    values = np.asarray(values, float)
    if values.ndim != ndim or len(values) != len(SITES):
        wanted = "(75,)" if ndim == 1 else "(75, time)"
        raise ValueError(f"values of the {len(SITES)} sites have the shape {wanted}, not {values.shape}")
    return values


def _named(values, name="simulated"):
    return dict(values) if isinstance(values, dict) else {name: values}


def _limits(maps, limits=None):
    """Given limits, or those of all maps, rounded to tens."""
    if limits is not None:
        return limits
    values = np.concatenate([np.ravel(m) for m in maps])
    return 10 * np.floor(np.nanmin(values) / 10), 10 * np.ceil(np.nanmax(values) / 10)


def lead_grid(leads, fs=1000.0, axes=None):
    """The twelve leads of one beat, of one source or several, in the order of a printed electrocardiogram.

    Parameters
    ----------
    leads : (12, time) array_like, or dict of str to such
        mV, in the order of `cardio_utils.physics.LEADS`. The first of several is drawn black.
    fs : float
        Hz.
    axes : (3, 4) array of Axes, optional

    Returns
    -------
    (3, 4) ndarray of Axes

    Raises
    ------
    ValueError
        There are not twelve leads.
    """
    import matplotlib.pyplot as plt

    named = {name: np.asarray(rows, float) for name, rows in _named(leads).items()}
    for name, rows in named.items():
        if rows.ndim != 2 or len(rows) != len(LEADS):
            raise ValueError(f"{name} has the shape {rows.shape}; twelve leads have (12, time)")
    if axes is None:
        axes = plt.subplots(3, 4, figsize=(8.0, 4.4), sharex=True, sharey=True, layout="constrained")[1]
    for k, (ax, lead) in enumerate(zip(np.transpose(axes).ravel(), LEADS, strict=True)):
        for i, (name, rows) in enumerate(named.items()):
            ms = 1000 * np.arange(rows.shape[1]) / fs
            look = dict(color=INK, linewidth=2.2) if i == 0 else dict(color=SERIES[(i - 1) % 4], linewidth=1.3)
            ax.plot(ms, rows[k], label=name, **look)
        ax.axhline(0, color=FAINT, linewidth=0.9, zorder=0)
        ax.set_title(lead, fontsize=10, pad=2)
    for ax in axes[-1]:
        ax.set_xlabel("time (ms)")
    axes[1, 0].set_ylabel("potential (mV)")
    if len(named) > 1:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        axes[0, 0].figure.legend(handles, labels, loc="outside upper right", ncols=len(named))
    return axes


_RIGHT = {  # right segments: ring from outside, and the stretch of its rim, in turns from the upper tip outwards
    1: (0, 0.0, 0.2), 2: (0, 0.2, 0.3), 3: (0, 0.3, 0.5), 4: (0, 0.5, 0.75), 5: (0, 0.75, 1.0),
    6: (1, 0.0, 0.2), 7: (1, 0.2, 0.3), 8: (1, 0.3, 0.5), 9: (1, 0.5, 0.75), 10: (1, 0.75, 1.0),
    11: (2, 0.0, 0.25), 12: (2, 0.25, 0.5), 13: (2, 0.5, 1.0),
}  # fmt: skip


def _left_patch(segment):
    """Corners and middle of a left segment: anterior at the top, septum on the left (Cerqueira 2002)."""
    if segment == 17:
        angle = np.linspace(0, 2 * np.pi, 60)
        return 0.25 * np.column_stack([np.cos(angle), np.sin(angle)]), np.zeros(2)
    ring = 0 if segment < 7 else 1 if segment < 13 else 2
    count, position = (4, segment - 13) if ring == 2 else (6, (segment - 1) % 6)
    angle = np.deg2rad(90 + 360 / count * (position + np.linspace(-0.5, 0.5, 25)))
    inner, outer = (0.75, 0.5, 0.25)[ring], (1.0, 0.75, 0.5)[ring]
    rim = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.concatenate([outer * rim, inner * rim[::-1]]), (inner + outer) / 2 * rim[12]


def _crescent(turn, size):
    """Points of a rim of the crescent around the left ventricle's septum, from the upper tip outwards (rad)."""
    # A round square: along the crescent from the upper tip (1) to the lower one (-1), and across it, free wall at 1
    along, across = (size * np.sign(f(turn)) * np.abs(f(turn)) ** 0.6 for f in (np.cos, np.sin))
    angle = np.deg2rad(72 * along)
    radius = 1.07 + 1.5 * np.cos(angle) ** 2.2 * (0.5 + 0.5 * across)
    return np.stack([-radius * np.cos(angle), radius * np.sin(angle)], -1)


def _right_patch(segment):
    """Corners and middle of a right segment: rings, basal outermost, free wall on the left."""
    ring, start, stop = _RIGHT[segment]
    outer, inner = (1.0, 0.66, 0.33)[ring], (0.66, 0.33, 0.0)[ring]
    turn = 2 * np.pi * np.linspace(start, stop, 41)
    middle = 2 * np.pi * (0.7 * (start + stop) / 2 + 0.3 * (0.25 if stop <= 0.5 else 0.75))  # away from the tips
    return np.concatenate([_crescent(turn, outer), _crescent(turn[::-1], inner)]), _crescent(
        middle, (outer + inner) / 2
    )


def _patches(layer):
    """(corners, middle, index of the site or -1) of all segments as a layer has them."""
    prefix = {"endo": "", "mid": "MID_", "epi": "EPI_"}[layer]
    septum = {name.split("_")[1]: name for name in SITES if name.startswith("SEPTM")} if layer == "mid" else {}
    names = [*(f"AHA{i:02d}" for i in range(1, 18)), *(f"RV{i:02d}" for i in range(1, 14))]
    shapes = [*map(_left_patch, range(1, 18)), *map(_right_patch, range(1, 14))]
    sites = [septum.get(name, prefix + name) for name in names]
    return [(*shape, SITES.index(site) if site in SITES else -1) for shape, site in zip(shapes, sites, strict=True)]


def bullseye(values, ax=None, layer="endo", limits=None, cmap=None, label="activation (ms)", numbers=True, bar=True):
    """Values of the sites of one layer: 17 segments of the left ventricle, the right one as a crescent beside them.

    Base outside, apex inside, anterior at the top, as seen from the apex. The middle of the septum belongs to the
    mid-wall layer of the left ventricle. Segments in which a layer has no site are pale grey.

    Parameters
    ----------
    values : (75,) array_like
        In the order of `cardio_utils.simulate.intracardiac.SITES`.
    ax : Axes, optional
    layer : {'endo', 'mid', 'epi'}
    limits : (float, float), optional
        Of the colours; default: those of all sites, rounded to tens.
    cmap : Colormap, optional
        Default: early is bright, late is dark.
    label : str
        Of the colour bar, with unit.
    numbers : bool
        Write the values into the segments.
    bar : bool
        Draw a colour bar.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        There are not 75 values, or the layer is unknown.
    """
    values = _sites(values)
    if layer not in LAYERS:
        raise ValueError(f"layer must be one of {', '.join(LAYERS)}, not {layer!r}")
    ax = new_axes(ax, size=(5.2, 4.0))
    shapes, middles, index = zip(*_patches(layer), strict=True)
    index = np.array(index)
    norm, cmap = mpl.colors.Normalize(*_limits([values], limits)), cmap or EARLY_TO_LATE
    without = [shape for shape, site in zip(shapes, index, strict=True) if site < 0]
    ax.add_collection(mpl.collections.PolyCollection(without, facecolor=_NONE, edgecolor="white"))
    known = [shape for shape, site in zip(shapes, index, strict=True) if site >= 0]
    drawn = mpl.collections.PolyCollection(known, cmap=cmap, norm=norm, edgecolor="white", linewidth=1)
    drawn.set_array(values[index[index >= 0]])
    ax.add_collection(drawn)
    for middle, site in zip(middles, index, strict=True):
        if numbers and site >= 0 and np.isfinite(values[site]):
            bright = np.dot(cmap(norm(values[site]))[:3], (0.3, 0.59, 0.11)) > 0.55
            look = dict(ha="center", va="center", fontsize=6, color=INK if bright else "white")
            ax.text(*middle, f"{round(values[site])}", **look)
    ax.set(xlim=(-2.6, 1.03), ylim=(-1.28, 1.28), aspect="equal")
    ax.axis("off")
    if bar:
        _bar(ax.figure, drawn, [ax], label)
    return ax


def _bar(figure, drawn, axes, label, **options):
    bar = figure.colorbar(drawn, ax=axes, **(dict(pad=0.02, aspect=18, shrink=0.8) | options))
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def bullseyes(truth, predicted, names=("simulated", "predicted"), axes=None):
    """Activation of all sites, predicted activation, and the difference, one column a layer.

    Parameters
    ----------
    truth, predicted : (75,) array_like
        ms.
    names : (str, str)
    axes : (3, 3) array of Axes, optional
        Rows: truth, prediction, prediction minus truth. Columns: endo, mid, epi.

    Returns
    -------
    (3, 3) ndarray of Axes

    Raises
    ------
    ValueError
        There are not 75 values each.
    """
    import matplotlib.pyplot as plt

    truth, predicted = _sites(truth), _sites(predicted)
    if axes is None:
        axes = plt.subplots(3, 3, figsize=(8.0, 5.5), layout="constrained")[1]
    limits = _limits([truth, predicted])
    error = predicted - truth
    most = max(5.0, 5 * np.ceil(np.nanmax(np.abs(error)) / 5))
    rows = [
        (names[0], truth, limits, EARLY_TO_LATE),
        (names[1], predicted, limits, EARLY_TO_LATE),
        (f"{names[1]} −\n{names[0]}", error, (-most, most), ERROR),
    ]
    for row, (name, values, span, cmap) in zip(axes, rows, strict=True):
        for ax, layer in zip(row, LAYERS, strict=True):
            bullseye(values, ax, layer, span, cmap, numbers=True, bar=False)
        row[0].text(-3.0, 0, name, rotation=90, ha="center", va="center", linespacing=1.4)
    for ax, title in zip(axes[0], ("endocardium", "mid-wall", "epicardium"), strict=True):
        ax.set_title(title, loc="center", fontsize=10.5)
    look = dict(fontsize=7.5, color=MUTED, ha="center", va="center")
    for x, y, word in ((0, 1.12, "anterior"), (0, -1.12, "inferior"), (-2.3, 1.08, "right")):
        axes[0, 0].text(x, y, word, **look)
    figure = axes[0, 0].figure
    _bar(figure, axes[0, 0].collections[-1], list(axes[:2].ravel()), "activation (ms)", aspect=24)
    _bar(figure, axes[2, 0].collections[-1], list(axes[2]), "difference (ms)", aspect=12, shrink=0.9)
    return axes


VIEWS = {"from the front": 0.0, "from behind": 180.0}


def isochrones(maps, step=10.0, heart=None, limits=None, axes=None):
    """Activation on the surface of the ventricles, from the front and from behind, looking down into the cavities.

    Between the sites, values are interpolated along the muscle (kriging); on simulated hearts this is 3 to 7 ms from
    the activation of the muscle there.

    Parameters
    ----------
    maps : (75,) array_like, or dict of str to such
        ms; NaN at sites that were never activated. One row each; colours are shared.
    step : float
        Distance of the isochrones, ms.
    heart : cardio_utils.simulate.intracardiac.Subject, optional
        Default: the mean heart.
    limits : (float, float), optional
        ms.
    axes : (n, 2) array of Axes, optional

    Returns
    -------
    (n, 2) ndarray of Axes

    Raises
    ------
    ValueError
        There are not 75 values each.
    """
    import matplotlib.pyplot as plt

    from .ventricles import picture, surface

    maps = {name: _sites(values) for name, values in _named(maps).items()}
    if axes is None:
        size = (7.4, 0.5 + 3.0 * len(maps))
        axes = plt.subplots(len(maps), 2, figsize=size, layout="constrained", squeeze=False)[1]
    shape, limits = surface(heart), _limits(maps.values(), limits)
    norm = mpl.colors.Normalize(*limits)
    sides = [picture(shape, azimuth) for azimuth in VIEWS.values()]
    levels = np.arange(limits[0] + step, limits[1], step)
    inks = np.where(norm(levels) < 0.55, INK, "white")
    for row, (name, values) in zip(axes, maps.items(), strict=True):
        at_vertices = _carried(shape.weights, values)
        for ax, side in zip(row, sides, strict=True):
            image = side.values(at_vertices)
            _show(ax, side, image, EARLY_TO_LATE, norm)
            lines = np.where(side.edge, np.nan, image)
            ax.contour(lines, levels, extent=side.extent, colors=inks, linewidths=0.6, alpha=0.75)
        row[0].text(-0.03, 0.5, name, transform=row[0].transAxes, rotation=90, ha="right", va="center")
    for ax, title in zip(axes[0], VIEWS, strict=True):
        ax.set_title(title, loc="center", fontsize=10.5)
    mappable = mpl.cm.ScalarMappable(norm, EARLY_TO_LATE)
    bar = _bar(axes[0, 0].figure, mappable, list(axes.ravel()), f"activation (ms), isochrones every {step:g} ms")
    bar.ax.hlines(levels, 0, 1, transform=bar.ax.get_yaxis_transform(), color=inks, linewidth=0.6, alpha=0.75)
    return axes


def _carried(weights, values):
    """Values of the sites at the vertices; sites without one, which were never activated, are left out."""
    weights = np.where(np.isfinite(values), weights, 0.0)
    return weights @ np.nan_to_num(values) / weights.sum(1)


def _show(ax, side, image, cmap, norm):
    """A shaded picture of values on a surface."""
    colours = cmap(norm(image))
    colours[..., :3] *= side.shade[..., None]
    colours[..., 3] = np.isfinite(image)
    ax.imshow(colours, origin="lower", extent=side.extent, interpolation="antialiased")
    ax.axis("off")


def vm_raster(truth, predicted=None, order=None, names=("simulated", "predicted"), axes=None):
    """Transmembrane potentials of all sites as an image, rows in the order of activation.

    Parameters
    ----------
    truth : (75, time) array_like
        mV, one sample a ms.
    predicted : (75, time) array_like, optional
        Adds two panels: the prediction, and prediction minus truth.
    order : (75,) array_like of int, optional
        Sites from top to bottom; default: by activation in `truth`.
    names : (str, str)
    axes : one Axes or three, optional

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    ValueError
        An array has not 75 rows, the two differ in shape, or `order` is no order of the 75 sites.
    """
    truth = _sites(truth, 2)
    panels = [(names[0], truth, VOLTAGE, LIMITS)]
    if predicted is not None:
        predicted = _sites(predicted, 2)
        if predicted.shape != truth.shape:
            raise ValueError(f"the potentials have the shapes {truth.shape} and {predicted.shape}, which differ")
        most = max(10.0, 10 * np.ceil(np.nanquantile(np.abs(predicted - truth), 0.995) / 10))
        panels += [(names[1], predicted, VOLTAGE, LIMITS)]
        panels += [(f"{names[1]} − {names[0]}", predicted - truth, ERROR, (-most, most))]
    order = np.argsort(activation_time(truth), kind="stable") if order is None else np.asarray(order)
    if sorted(order.tolist()) != list(range(len(SITES))):
        raise ValueError("order must hold each of the numbers 0 to 74 once")
    size = (8.0, 3.4) if predicted is not None else (5.0, 3.4)
    axes = np.ravel(new_axes(axes, len(panels), size, sharey=True, squeeze=False))
    for ax, (title, values, cmap, limits) in zip(axes, panels, strict=True):
        extent = (-0.5, values.shape[1] - 0.5, len(SITES) - 0.5, -0.5)
        look = dict(aspect="auto", interpolation="nearest", vmin=limits[0], vmax=limits[1])
        ax.imshow(values[order], cmap=cmap, extent=extent, **look)
        ax.set_title(title)
        ax.set_xlabel("time (ms)")
    axes[0].set_ylabel("sites, by activation")
    axes[0].set_yticks([])
    place = dict(location="bottom", aspect=30, pad=0.03)
    _bar(axes[0].figure, axes[0].images[0], list(axes[:2]), "Vm (mV)", **place)
    if predicted is not None:
        _bar(axes[0].figure, axes[2].images[0], [axes[2]], "difference (mV)", **(place | dict(aspect=15)))
    return axes


def site_zooms(curves, sites=None, axes=None):
    """Transmembrane potentials of four sites: the beat above, its upstroke below.

    Parameters
    ----------
    curves : dict of str to (75, time) array_like
        mV, one sample a ms; the first is the truth, drawn black.
    sites : sequence of four str, optional
        Names. Default: the first site, the last one and two between, by activation in the truth.
    axes : (2, 4) array of Axes, optional

    Returns
    -------
    (2, 4) ndarray of Axes

    Raises
    ------
    ValueError
        An array has not 75 rows, or a name is none of a site.
    """
    import matplotlib.pyplot as plt

    curves = {name: _sites(values, 2) for name, values in _named(curves).items()}
    times = activation_time(next(iter(curves.values())))
    if sites is None:
        sites = [SITES[k] for k in np.argsort(times, kind="stable")[[0, 25, 50, 74]]]
    if unknown := [name for name in sites if name not in SITES]:
        raise ValueError(f"there is no site {', '.join(unknown)}; known are AHA01 to SEPTM_AHA14_RV13")
    if axes is None:
        axes = plt.subplots(2, len(sites), figsize=(8.0, 4.4), sharey=True, layout="constrained")[1]
    for column, site in zip(np.transpose(axes), map(SITES.index, sites), strict=True):
        for i, (name, values) in enumerate(curves.items()):
            look = dict(color=INK, linewidth=2.6) if i == 0 else dict(color=SERIES[(i - 1) % 4], linewidth=1.4)
            for ax in column:
                ax.plot(values[site], label=name, **look)
        start = np.nan_to_num(times[site])
        column[0].set_title(SITES[site], fontsize=10)
        column[0].axvspan(start - 15, start + 25, color=FAINT, zorder=0, linewidth=0)
        column[1].set_xlim(start - 15, start + 25)
        column[1].set_xlabel("time (ms)")
        for ax in column:
            ax.grid(axis="y")
    for ax in axes[:, 0]:
        ax.set_ylabel("Vm (mV)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if len(curves) > 1:
        axes[0, 0].figure.legend(handles, labels, loc="outside upper right", ncols=len(curves))
    return axes


class Movie:
    """An interactive heart as notebooks show it: HTML where scripts run, a picture where they do not.

    Attributes
    ----------
    figure : plotly.graph_objects.Figure
    html : str
        A fragment without the library: the picture, which the figure replaces once plotly has been loaded. On a page
        of the book it comes from the book's own ``_static``, in Colab and Jupyter from the network.
    png : bytes
        The same as small pictures.
    """

    def __init__(self, figure, png, alt):
        self.figure, self.png, self._alt = figure, png, alt
        self.html = _fragment(figure.to_json(), base64.b64encode(png).decode(), alt)

    def __repr__(self):
        return self._alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        """Both forms; a reader of the notebook takes the first it can show."""
        return {"text/html": self.html, "image/png": base64.b64encode(self.png).decode()}


_SCRIPT = """
(() => {
  const place = document.getElementById("@id");
  const root = document.documentElement.dataset.content_root;
  const address = root === undefined ? "https://cdn.plot.ly/plotly-@version.min.js" : root + "_static/plotly.min.js";
  const load = () => window.plotlyLoaded ??= new Promise((done, failed) => {
    if (window.Plotly) return done();
    const script = Object.assign(document.createElement("script"), {src: address, onload: done, onerror: failed});
    document.head.append(script);
  });
  if (!document.createElement("canvas").getContext("webgl")) return;
  load().then(async () => {
    const {data, layout, frames} = JSON.parse(document.getElementById("@id-data").textContent);
    const figure = document.createElement("div");
    place.append(figure);
    await Plotly.newPlot(figure, data, layout, {displayModeBar: false, scrollZoom: false, responsive: true});
    await Plotly.addFrames(figure, frames);
    place.querySelector("img").remove();
    figure.on("plotly_relayout", (change) => {
      for (const [one, other] of [["scene", "scene2"], ["scene2", "scene"]]) {
        const camera = change[one + ".camera"];
        if (camera && layout[other] && JSON.stringify(camera) !== JSON.stringify(figure.layout[other].camera))
          Plotly.relayout(figure, {[other + ".camera"]: camera});
      }
    });
  }).catch(() => {}); // the picture stays
})();
"""


def _fragment(figure, png, alt):
    """HTML of a movie, the same for the same movie."""
    from plotly.offline import get_plotlyjs_version

    name = f"heart-{hashlib.sha256(figure.encode()).hexdigest()[:10]}"
    script = _SCRIPT.replace("@id", name).replace("@version", get_plotlyjs_version())
    picture = f'<img src="data:image/png;base64,{png}" alt="{escape(alt)}" style="max-width: 100%">'
    data = figure.replace("</", "<\\/")
    return (
        f'<div id="{name}" class="beating-heart">{picture}</div>\n'
        f'<script type="application/json" id="{name}-data">{data}</script>\n<script>{script}</script>\n'
    )


def beating_heart(vm, heart=None, step=10, detail=36):
    """Vm on the surface of the ventricles as a movie that can be turned, stopped and moved through.

    Between the sites the action potentials are averaged, each moved to the activation of the place, so that the
    front travels as it does between the sites.

    Parameters
    ----------
    vm : (75, time) array_like, or dict of one or two names to such
        mV, one sample a ms. Two are shown beside each other and turn together.
    heart : cardio_utils.simulate.intracardiac.Subject, optional
        With analytic ventricles; default: the mean heart.
    step : int
        ms between the frames.
    detail : int
        Vertices around the epicardium.

    Returns
    -------
    Movie
        To be the last value of a cell.

    Raises
    ------
    ValueError
        There are not 75 rows, or more than two hearts.
    """
    from .ventricles import surface

    named = {name: _sites(values, 2) for name, values in _named(vm).items()}
    if not 1 <= len(named) <= 2:
        raise ValueError(f"one heart or two can be shown, not {len(named)}")
    shape = surface(heart, detail)
    times = np.arange(0, min(values.shape[1] for values in named.values()), step)
    voltages = {name: _travelling(values, shape.weights, times) for name, values in named.items()}
    alt = f"Transmembrane potential on the ventricles, {' and '.join(named)}, at six times of the beat"
    return Movie(_figure(shape, voltages, times), _stills(named, heart), alt)


def _travelling(vm, weights, times):
    """Vm (time, vertex) as whole mV, int8: waveforms of the sites, moved to the activation of the vertex."""
    own = activation_time(vm)
    own = np.where(np.isfinite(own), own, np.diff(vm).argmax(1))
    grid, lag = np.arange(vm.shape[1]), times[:, None] - weights @ own
    total = np.zeros(lag.shape)
    for row, start, weight in zip(vm, own, weights.T, strict=True):
        total += weight * np.interp(lag + start, grid, row)
    return np.rint(total).clip(-100, 60).astype(np.int8)


def _figure(shape, voltages, times):
    """The plotly figure: a mesh for each heart, a frame for each time."""
    from plotly import graph_objects as go

    place = (shape.points * [1, -1, 1]).round(1).astype(np.float32)  # the frame is left-handed, plotly's is not
    nearest = [SITES[k] for k in shape.weights.argmax(1)]
    begin = int((next(iter(voltages.values())) > 0).mean(1).argmax()) // 2  # the first picture: half is active
    meshes, layout = [], {}
    for k, (name, rows) in enumerate(voltages.items()):
        scene = f"scene{k + 1 if k else ''}"
        meshes.append(
            go.Mesh3d(
                **dict(zip("xyz", place.T, strict=True)),
                **dict(zip("ijk", shape.faces.astype(np.int16).T, strict=True)),
                intensity=rows[begin], coloraxis="coloraxis", scene=scene, text=nearest, name=name,
                hovertemplate="near %{text}<br>%{intensity} mV<extra></extra>",
                lighting=dict(ambient=0.75, diffuse=0.4, specular=0.05), lightposition=dict(x=-1e4, y=-1e4, z=1e4),
            )
        )  # fmt: skip
        hidden = {f"{axis}axis": dict(visible=False) for axis in "xyz"}
        width = 1 / len(voltages)
        far = 1.0 + 0.2 * (len(voltages) - 1)
        camera = dict(eye=dict(x=-0.2 * far, y=-1.35 * far, z=0.75 * far), center=dict(x=0, y=0, z=-0.05))
        domain = dict(x=[k * width, (k + 1) * width], y=[0, 0.97])
        layout[scene] = dict(aspectmode="data", camera=camera, domain=domain, **hidden)
    frames = [
        go.Frame(data=[go.Mesh3d(intensity=rows[k]) for rows in voltages.values()], name=str(t))
        for k, t in enumerate(times)
    ]
    figure = go.Figure(meshes, frames=frames)
    titles = [
        dict(
            text=name, x=(k + 0.5) / len(voltages), y=1.0, yanchor="bottom", xref="paper", yref="paper", showarrow=False
        )
        for k, name in enumerate(voltages)
    ]
    colours = [[k / 8, mpl.colors.to_hex(VOLTAGE(k / 8))] for k in range(9)]
    axis = dict(
        colorscale=colours, cmin=LIMITS[0], cmax=LIMITS[1], colorbar=dict(title="Vm (mV)", len=0.8, thickness=15)
    )
    look = dict(template="none", paper_bgcolor="white", font=dict(color=INK, size=13), coloraxis=axis)
    figure.update_layout(**layout, **look, annotations=titles, height=430, margin=dict(l=0, r=0, t=30, b=0))
    figure.update_layout(**_controls(times, begin))
    return figure


def _controls(times, begin):
    """Slider and buttons of the movie."""
    at_once = dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0))
    running = dict(fromcurrent=True, frame=dict(duration=70, redraw=True), transition=dict(duration=0))
    steps = [dict(method="animate", args=[[str(t)], at_once], label=str(t)) for t in times]
    slider = dict(steps=steps, x=0.2, len=0.8, pad=dict(t=0, b=10), ticklen=0, active=begin)
    shown = dict(prefix="time ", suffix=" ms", font=dict(color=INK, size=13))
    slider |= dict(font=dict(color="rgba(0,0,0,0)"), minorticklen=0, currentvalue=shown)
    buttons = [
        dict(label="play", method="animate", args=[None, running]),
        dict(label="stop", method="animate", args=[[None], at_once]),
    ]
    menu = dict(type="buttons", direction="left", showactive=False, buttons=buttons, x=0, xanchor="left", y=0)
    return dict(sliders=[slider], updatemenus=[menu | dict(yanchor="top", pad=dict(t=12))])


def _stills(named, heart):
    """A PNG of each heart at six times, in 256 colours."""
    from matplotlib.figure import Figure
    from PIL import Image

    from .ventricles import picture, surface

    shape = surface(heart)
    side = picture(shape)
    times = np.array([20, 60, 120, 240, 320, 400])
    figure = Figure(figsize=(8.0, 0.5 + 1.3 * len(named)), layout="constrained", facecolor="white")
    axes = figure.subplots(len(named), len(times), squeeze=False)
    norm = mpl.colors.Normalize(*LIMITS)
    for row, (name, values) in zip(axes, named.items(), strict=True):
        for ax, voltage in zip(row, _travelling(values, shape.weights, times), strict=True):
            _show(ax, side, side.values(voltage), VOLTAGE, norm)
        row[0].text(-0.03, 0.5, name, transform=row[0].transAxes, rotation=90, ha="right", va="center")
    for ax, time in zip(axes[0], times, strict=True):
        ax.set_title(f"{time} ms", loc="center", fontsize=10)
    _bar(figure, mpl.cm.ScalarMappable(norm, VOLTAGE), list(axes.ravel()), "Vm (mV)")
    stream = io.BytesIO()
    figure.savefig(stream, dpi=110)
    result = io.BytesIO()
    colours = Image.open(stream).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours.save(result, "PNG", optimize=True)
    return result.getvalue()
