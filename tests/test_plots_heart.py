"""Tests of cardio_utils.plots.heart: what is drawn, where, with which values; looks are for the eye."""

import base64
import io
import json
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from cardio_utils import plots
from cardio_utils.plots import heart, ventricles
from cardio_utils.simulate import heart as engine
from cardio_utils.simulate import intracardiac as simulator

SITES = simulator.SITES
POSITIONS = simulator.site_positions(engine.Anatomy())
ACTIVATION = 10 + 0.9 * np.linalg.norm(POSITIONS - POSITIONS[4], axis=1)  # from the left wall
VM = simulator.transmembrane(ACTIVATION, np.full(75, 280.0))
NOISY = ACTIVATION + np.random.default_rng(0).normal(0, 4, 75)


@pytest.fixture(autouse=True)
def closed():
    with matplotlib.rc_context():
        plots.use()
        yield
    plt.close("all")


def words(axes):
    """All words of a figure, and proof that it can be drawn."""
    figure = np.ravel(axes)[0].figure
    figure.canvas.draw()
    return " ".join(t.get_text() for t in figure.findobj(plt.Text))


def test_lead_grid_is_a_printed_electrocardiogram():
    leads = np.arange(12)[:, None] + np.zeros(500)
    axes = heart.lead_grid({"simulated": leads, "ours": leads + 0.5}, fs=500)
    assert [ax.get_title("left") or ax.get_title() for ax in axes[:, 0]] == ["I", "II", "III"]
    assert [line.get_ydata()[0] for line in axes[2, 3].lines[:2]] == [11.0, 11.5]
    assert axes[0, 0].lines[0].get_xdata()[-1] == 998  # ms
    assert axes[0, 0].get_ylim() == axes[2, 3].get_ylim()
    assert all(word in words(axes) for word in ("simulated", "ours", "V6", "time (ms)", "(mV)"))
    with pytest.raises(ValueError, match=r"\(10, 500\); twelve leads have"):
        heart.lead_grid(leads[:10])


@pytest.mark.parametrize(("layer", "patches", "empty"), [("endo", 30, 0), ("mid", 25, 5), ("epi", 20, 10)])
def test_bullseye_has_a_patch_of_its_value_for_each_site(layer, patches, empty):
    ax = heart.bullseye(ACTIVATION, layer=layer, limits=(0, 100))
    without, drawn = ax.collections
    assert (len(drawn.get_paths()), len(without.get_paths())) == (patches, empty)
    layers = {"EPI": "epi", "MID": "mid", "SEPTM": "mid"}
    own = [k for k, name in enumerate(SITES) if layers.get(name.split("_")[0], "endo") == layer]
    assert sorted(drawn.get_array()) == sorted(ACTIVATION[own])
    assert drawn.get_clim() == (0, 100)
    ax.figure.canvas.draw()
    np.testing.assert_allclose(drawn.get_facecolors(), heart.EARLY_TO_LATE(drawn.get_array() / 100))
    assert ax.texts[0].get_text() == f"{drawn.get_array()[0]:.0f}"


def test_segments_lie_where_anatomy_has_them_and_do_not_overlap():
    shapes = {
        **{f"AHA{k}": heart._left_patch(k) for k in range(1, 18)},
        **{f"RV{k}": heart._right_patch(k) for k in range(1, 14)},
    }
    middle = {name: shape[1] for name, shape in shapes.items()}
    assert middle["AHA1"][1] > 0.8 > -0.8 > middle["AHA4"][1]  # anterior above, inferior below
    assert middle["AHA14"][0] < 0 < middle["AHA16"][0]  # septum towards the right ventricle
    assert middle["RV2"][0] < middle["RV7"][0] < middle["RV9"][0] < middle["RV4"][0] < middle["AHA3"][0]
    assert middle["RV1"][1] > 0 > middle["RV3"][1] and middle["RV5"][1] > 0 > middle["RV4"][1]
    grid = np.stack(np.meshgrid(np.linspace(-2.6, 1, 120), np.linspace(-1.3, 1.3, 90)), -1).reshape(-1, 2)
    inside = np.sum(
        [plt.matplotlib.path.Path(corners).contains_points(grid, radius=-1e-3) for corners, _ in shapes.values()], 0
    )
    assert inside.max() == 1
    for name, (corners, place) in shapes.items():
        assert plt.matplotlib.path.Path(corners).contains_point(place, radius=1e-3), name


def test_bullseyes_share_limits_and_show_the_difference():
    axes = heart.bullseyes(ACTIVATION, NOISY, names=("simulated", "ours"))
    drawn = np.array([[ax.collections[-1] for ax in row] for row in axes])
    assert len({c.get_clim() for c in drawn[:2].ravel()}) == 1
    low, high = drawn[2, 0].get_clim()
    assert low == -high and high >= np.abs(NOISY - ACTIVATION).max()
    np.testing.assert_allclose(
        drawn[2, 1].get_array(), np.subtract(drawn[1, 1].get_array(), drawn[0, 1].get_array()), atol=1e-9
    )
    text = words(axes)
    assert all(word in text for word in ("simulated", "ours", "endocardium", "epicardium", "anterior", "(ms)"))


def test_isochrones_share_limits_and_are_near_the_sites():
    axes = heart.isochrones({"simulated": ACTIVATION, "ours": NOISY}, step=20)
    assert axes.shape == (2, 2) and all(len(ax.images) == 1 for ax in axes.ravel())
    text = words(axes)
    assert all(word in text for word in ("from the front", "from behind", "simulated", "ours", "every 20 ms"))
    bar = axes[0, 0].figure.axes[-1]
    assert bar.get_ylim() == heart._limits([ACTIVATION, NOISY])


def test_sites_that_were_never_activated_are_left_out():
    few = np.where(np.arange(75) == 3, np.nan, ACTIVATION)
    weights = ventricles.surface().weights
    np.testing.assert_allclose(heart._carried(weights, few * 0 + 7), 7)
    assert np.abs(heart._carried(weights, few) - weights @ ACTIVATION).mean() < 1
    axes = heart.bullseyes(few, ACTIVATION)
    assert sum(t.get_text() != "" for t in axes[0, 0].texts) == 29 + 4  # numbers, row name and three directions
    assert heart.vm_raster(np.where(np.arange(75)[:, None] == 3, -85.0, VM))[0].images


def test_a_surface_is_closed_around_its_sites_and_carries_their_values():
    shape = ventricles.surface()
    assert ventricles.surface() is shape  # made once
    np.testing.assert_allclose(shape.weights.sum(1), 1)
    assert np.abs(shape.points).max() < 80 and shape.points[:, 2].max() == pytest.approx(18)
    np.testing.assert_allclose(shape.weights @ np.full(75, 42.0), 42)
    field = shape.weights @ ACTIVATION
    exact = 10 + 0.9 * np.linalg.norm(shape.points - POSITIONS[4], axis=1)
    assert np.abs(field - exact).mean() < 3
    nearest = np.linalg.norm(shape.points[:, None] - POSITIONS, axis=2).min(0)
    assert np.median(nearest) < 4  # sites are under the surface


def test_the_front_is_seen_from_the_front():
    shape = ventricles.surface()
    front, behind = (ventricles.picture(shape, azimuth) for azimuth in (0.0, 180.0))
    assert np.nanmean(front.values(shape.points[:, 1])) > 5 > -5 > np.nanmean(behind.values(shape.points[:, 1]))
    across = front.values(shape.points[:, 0])
    columns = np.arange(across.shape[1])
    assert (
        np.corrcoef(np.broadcast_to(columns, across.shape)[np.isfinite(across)], across[np.isfinite(across)])[0, 1]
        > 0.99
    )
    assert front.shares[np.isfinite(across)].sum(-1) == pytest.approx(1)


def test_a_heart_of_one_volunteer_has_its_own_surface():
    anatomy = engine.Anatomy(lv_radius=27.0, lv_wall=11.0, spacing=4.0)
    subject = simulator.Subject(engine.Heart(anatomy), simulator.site_positions(anatomy), engine.orientation())
    own = ventricles.surface(subject, 24)
    assert own.points[:, 0].max() > ventricles.surface(None, 24).points[:, 0].max() + 2
    axes = heart.isochrones(ACTIVATION, heart=subject)
    assert axes.shape == (1, 2)


def test_rasters_are_in_the_order_of_activation():
    axes = heart.vm_raster(VM, VM + 3)
    shown = [np.asarray(ax.images[0].get_array()) for ax in axes]
    order = np.argsort(ACTIVATION)
    np.testing.assert_array_equal(shown[0], VM[order])
    np.testing.assert_allclose(shown[2], 3)
    assert axes[0].images[0].get_clim() == axes[1].images[0].get_clim()
    low, high = axes[2].images[0].get_clim()
    assert low == -high
    assert all(word in words(axes) for word in ("time (ms)", "Vm (mV)", "difference (mV)", "predicted − simulated"))
    (one,) = heart.vm_raster(VM, order=np.arange(75))
    np.testing.assert_array_equal(one.images[0].get_array(), VM)


def test_zooms_show_the_upstroke_of_four_sites():
    axes = heart.site_zooms({"simulated": VM, "ours": VM + 1})
    assert axes.shape == (2, 4)
    early = SITES[ACTIVATION.argmin()]
    assert early in words(axes) and SITES[ACTIVATION.argmax()] in words(axes)
    low, high = axes[1, 3].get_xlim()
    assert low < ACTIVATION.max() < high < low + 60
    chosen = heart.site_zooms(VM, ["AHA01", "RV02", "EPI_AHA05", "SEPTM_AHA02_RV05"])
    np.testing.assert_array_equal(chosen[0, 1].lines[0].get_ydata(), VM[SITES.index("RV02")])


@pytest.mark.parametrize("draw", [heart.vm_raster, heart.site_zooms, heart.beating_heart])
@pytest.mark.parametrize(("vm", "shape"), [(VM[:74], r"\(74, 500\)"), (VM.T, r"\(500, 75\)"), (ACTIVATION, r"\(75,\)")])
def test_potentials_of_another_shape(draw, vm, shape):
    with pytest.raises(ValueError, match=rf"75 sites have the shape \(75, time\), not {shape}"):
        draw(vm)


@pytest.mark.parametrize("draw", [heart.bullseye, heart.isochrones, lambda v: heart.bullseyes(v, v)])
def test_maps_of_another_shape(draw):
    for wrong in (ACTIVATION[:74], VM):
        with pytest.raises(ValueError, match=r"75 sites have the shape \(75,\), not"):
            draw(wrong)


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="endo, mid, epi, not 'outer'"):
        heart.bullseye(ACTIVATION, layer="outer")
    with pytest.raises(ValueError, match=r"shapes .* differ"):
        heart.vm_raster(VM, VM[:, :400])
    with pytest.raises(ValueError, match="numbers 0 to 74 once"):
        heart.vm_raster(VM, order=np.zeros(75, int))
    with pytest.raises(ValueError, match="no site AHA18"):
        heart.site_zooms(VM, ["AHA18"])
    with pytest.raises(ValueError, match="one heart or two"):
        heart.beating_heart({"a": VM, "b": VM, "c": VM})


def test_figures_draw_into_given_axes():
    for draw, rows, columns in (
        (lambda axes: heart.lead_grid(np.zeros((12, 500)), axes=axes), 3, 4),
        (lambda axes: heart.bullseye(ACTIVATION, axes), 1, 1),
        (lambda axes: heart.bullseyes(ACTIVATION, NOISY, axes=axes), 3, 3),
        (lambda axes: heart.isochrones(ACTIVATION, axes=np.atleast_2d(axes)), 1, 2),
        (lambda axes: heart.vm_raster(VM, VM, axes=axes), 1, 3),
        (lambda axes: heart.site_zooms(VM, axes=axes), 2, 4),
    ):
        figure, given = plt.subplots(rows, columns)
        assert list(np.ravel(draw(given))) == list(np.ravel(given))
        assert len(plt.get_fignums()) == 1
        plt.close(figure)


@pytest.fixture(scope="module")
def movie():
    return heart.beating_heart({"simulated": VM, "ours": VM - 4})


def test_a_movie_is_small_and_always_the_same(movie):
    assert len(movie.html) < 600_000
    assert "<script src" not in movie.html and "newPlot" in movie.html
    again = heart.beating_heart({"simulated": VM, "ours": VM - 4})
    assert re.sub(r"base64,\S+", "", again.html) == re.sub(r"base64,\S+", "", movie.html)
    bundle = movie._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png"}
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size[0] > 800
    assert repr(movie).startswith("Transmembrane potential on the ventricles, simulated and ours")  # and no address
    assert not plt.get_fignums()


def test_a_movie_shows_the_potentials_of_its_times(movie):
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', movie.html, re.S)[1])
    assert [trace["type"] for trace in data["data"]] == ["mesh3d"] * 2
    assert [frame["name"] for frame in data["frames"]] == [str(t) for t in range(0, 500, 10)]
    figure = movie.figure
    assert len(figure.data[0].x) <= 1500 and figure.data[0].i.max() < len(figure.data[0].x)
    shape = ventricles.surface(None, 36)
    values = np.array(figure.frames[12].data[0].intensity)
    near = np.linalg.norm(shape.points - POSITIONS[4], axis=1).argmin()
    assert abs(values[near] - VM[4, 120]) < 8
    expected = shape.weights @ ACTIVATION < 60
    assert np.mean((np.array(figure.frames[6].data[1].intensity) > -4) == expected) > 0.99
    colours = figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == heart.LIMITS and len(figure.layout.sliders[0].steps) == 50


def test_a_name_cannot_break_out_of_the_page():
    html = heart.beating_heart({'</script><b title="': VM}, step=100, detail=12).html
    assert html.count("</script>") == 2 and 'alt="Transmembrane potential on the ventricles, &lt;/script&gt;' in html
