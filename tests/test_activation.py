"""Activation maps: metrics by hand, baselines, intervals by heart, what is disturbed and how, a beat of a record."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from cardio_utils import activation
from cardio_utils.data import intracardiac, twelve_lead
from cardio_utils.models.activation import ActivationNet, SqueezeNet1d
from cardio_utils.simulate import intracardiac as simulator

PTBXL = Path(os.environ.get("CARDIO_DATA", "nowhere"), "ptbxl")
POSITIONS = np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 12]])


@pytest.fixture(scope="module")
def cases():
    return intracardiac.load(n=60, volunteers=("v1", "v2", "v10"), variables=("potentials", "activation"))


@pytest.fixture(scope="module")
def arrays(cases):
    return activation.leads(cases["potentials"]), cases["activation"].values


@pytest.fixture(scope="module")
def parts():
    return intracardiac.Split(np.arange(40), np.arange(40, 50), np.arange(50, 60))


def test_leads_are_the_eight_independent_ones_in_mv(cases, arrays):
    x, _ = arrays
    assert x.shape == (60, 8, 500) and x.dtype == np.float32
    electrode = dict(zip(simulator.ELECTRODES, np.moveaxis(cases["potentials"].values, 1, 0), strict=True))
    wilson = (electrode["RA"] + electrode["LA"] + electrode["LL"]) / 3
    np.testing.assert_allclose(x[:, 0], electrode["LA"] - electrode["RA"], atol=1e-5)
    np.testing.assert_allclose(x[:, 1], electrode["LL"] - electrode["RA"], atol=1e-5)
    np.testing.assert_allclose(x[:, 7], electrode["V6"] - wilson, atol=1e-5)
    assert activation.EIGHT == ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def test_unit_leads_have_a_range_of_one_each(arrays):
    scaled = activation.unit_leads(arrays[0])
    assert scaled.shape == (60, 12, 500)
    np.testing.assert_allclose(np.ptp(scaled, axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(activation.unit_leads(np.zeros((1, 8, 500))), 0)


def test_complete_leaves_out_cases_with_a_site_that_was_never_activated(cases):
    holed = cases.copy(deep=True)
    holed["activation"][3, 7] = np.nan
    kept = activation.complete(holed)
    assert kept.sizes["case"] == 59 and holed["case"].values[3] not in kept["case"].values


def test_case_errors_by_hand():
    true = np.array([[10.0, 20, 60], [0, 10, 20]])
    predicted = np.array([[20.0, 10, 50], [5, 15, 25]])
    table = activation.case_errors(true, predicted, POSITIONS)
    np.testing.assert_allclose(table["mae"], [10, 5])
    np.testing.assert_allclose(table["rmse"], [10, 5])
    np.testing.assert_allclose(table["earliest"], [5, 0])  # from (0, 0, 0) to (3, 4, 0)
    np.testing.assert_allclose(table["total"], [10, 0])
    np.testing.assert_allclose(table["correlation"], [np.corrcoef(true[0], predicted[0])[0, 1], 1])
    assert np.isnan(activation.case_errors(true, np.full_like(true, 7.0), POSITIONS)["correlation"]).all()


def test_maps_and_positions_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        activation.case_errors(np.zeros((2, 3)), np.zeros((2, 4)), POSITIONS)
    with pytest.raises(ValueError, match="do not fit"):
        activation.case_errors(np.zeros((2, 3)), np.zeros((2, 3)), POSITIONS[:2])


def test_assess_by_hand_and_paired():
    true = np.zeros((4, 3))
    predicted = np.array([[1.0, 1, 1], [3, 3, 3], [-2, -2, -2], [6, 6, 6]])
    heart = ["a", "a", "b", "b"]
    found = activation.assess(true, predicted, POSITIONS, heart)
    assert found["mae"].value == 3 and found["mae"].n == 2
    np.testing.assert_allclose(found["rmse"].value, np.sqrt((1 + 9 + 4 + 36) / 4))
    np.testing.assert_allclose(found["p95"].value, np.quantile([1, 1, 1, 2, 2, 2, 3, 3, 3, 6, 6, 6], 0.95))
    assert found["total"].value == 0 and found["correlation"].value == 0  # a constant map has no order
    worse = activation.assess(true, predicted * 2, POSITIONS, heart)
    gain = found["mae"] - worse["mae"]
    assert gain.value == -3 and gain.high < 0


def test_by_segment_names_the_wall(cases):
    wrong = np.zeros((60, 75))
    wrong[:, simulator.SITES.index("MID_AHA04")] = 3.0
    found = activation.by_segment(np.zeros((60, 75)), wrong, cases)
    assert len(found) == 25 and found["AHA04"] == 1.0 and found.drop("AHA04").sum() == 0


def test_baselines_know_what_they_should(arrays, parts):
    x, y = arrays
    found = activation.baselines(x, y, parts, n_components=20)
    np.testing.assert_allclose(found["mean map"], np.tile(y[:40].mean(0), (10, 1)))
    again = activation.baselines(x, y, parts._replace(test=parts.train), n_components=40)
    np.testing.assert_allclose(again["nearest neighbour"], y[:40])
    linear = 50 + x.reshape(60, -1)[:, :75]
    exact = activation.baselines(x, linear, parts, n_components=40)["ridge"]
    assert np.abs(exact - linear[50:]).mean() < np.abs(linear[50:] - linear[:40].mean(0)).mean()


def test_training_learns_some_beats_by_heart(arrays, parts):
    torch.manual_seed(0)
    x, y = arrays
    net = ActivationNet(torch.tensor(y.mean(0)), torch.tensor(y.std(0)), width=8, wide=32, hidden=64, dropout=0.0)
    same = parts._replace(validation=parts.train)
    fit = activation.train(net, x, y, same, epochs=6, precision="32", batch_size=8, schedule="constant")
    assert fit.history["metric"].min() == pytest.approx(fit.history["metric"][fit.best_epoch])
    assert fit.history["metric"].iloc[-1] < 0.8 * fit.history["metric"].iloc[0]


def test_the_networks_of_others_start_out_at_the_mean_map(arrays, parts):
    torch.manual_seed(0)
    x, y = arrays
    fit = activation.train(SqueezeNet1d(n_leads=8), x, y, parts, epochs=1, precision="32", learning_rate=1e-6)
    usual = np.abs(y[parts.validation] - y[parts.train].mean(0)).mean()
    assert fit.history["metric"][1] == pytest.approx(usual, rel=0.02)


def test_intervals_hold_for_hearts_and_the_median_stays():
    rng = np.random.default_rng(0)
    hearts = np.repeat(np.arange(40), 30)
    true = rng.normal(0, 3, (40, 5))[hearts] + rng.normal(0, 1, (1200, 5))
    quantiles = np.stack([np.full((1200, 5), v) for v in (-1.0, 0, 1)], axis=1)
    known = hearts < 20
    margin = activation.calibrate(quantiles[known], true[known], hearts[known], 0.9)
    wide = activation.widen(quantiles, margin)
    inside = ((wide[:, 0] <= true) & (true <= wide[:, 2]))[~known].mean()
    assert (margin > 0).all() and 0.82 < inside < 0.98
    np.testing.assert_array_equal(wide[:, 1], quantiles[:, 1])
    narrow = activation.widen(quantiles, np.full(5, -9.0))
    np.testing.assert_array_equal(narrow, 0)
    with pytest.raises(ValueError, match=r"at most 0\.75"):
        activation.calibrate(quantiles[:90], true[:90], hearts[:90], 0.9)


def test_lead_importance_finds_the_lead_that_is_read():
    rng = np.random.default_rng(0)
    x, heart = rng.normal(size=(60, 8, 50)), np.repeat(["a", "b", "c"], 20)

    def predict(x):
        return np.repeat(x[:, 3, 10, None], 75, axis=1)

    found = activation.lead_importance(predict, x, predict(x), heart, x.mean(0))
    assert found["V2"].low > 0.3
    assert all(found[name].value == 0 for name in activation.EIGHT if name != "V2")


def test_attribution_adds_up_to_the_difference(arrays):
    torch.manual_seed(0)
    x, y = arrays
    net = ActivationNet(torch.tensor(y.mean(0)), torch.tensor(y.std(0)), width=8, wide=16, hidden=32).eval()
    usual = x.mean(0)
    found = activation.attribution(net, x[:3], [4, 5], usual, steps=64)
    with torch.no_grad():
        here, there = (net(torch.tensor(v))[:, 1, [4, 5]].mean(1).numpy() for v in (x[:3], usual[None]))
    assert found.shape == (3, 8, 500)
    np.testing.assert_allclose(found.sum((1, 2)), here - there, atol=0.05 * np.abs(here - there).max() + 0.05)


def test_noise_has_the_ratio_that_was_asked_for(arrays):
    x = arrays[0]
    noise = activation.noisy(x, 10.0, seed=1) - x
    ratio = 10 * np.log10((x**2).mean((1, 2)) / (noise**2).mean((1, 2)))
    np.testing.assert_allclose(ratio, 10, atol=0.5)
    np.testing.assert_array_equal(activation.noisy(x[:5], 10.0, seed=1), activation.noisy(x, 10.0, seed=1)[:5])


def test_exchanged_arms_turn_lead_one_over(cases):
    x = activation.leads(cases["potentials"])
    wrong = activation.leads(activation.swapped(cases["potentials"], "RA", "LA"))
    np.testing.assert_allclose(wrong[:, 0], -x[:, 0], atol=1e-5)
    np.testing.assert_allclose(wrong[:, 2:], x[:, 2:], atol=1e-5)  # the mean of the three limbs stays
    chest = activation.leads(activation.swapped(cases["potentials"], "V1", "V2"))
    np.testing.assert_allclose(chest[:, [3, 2]], x[:, [2, 3]], atol=1e-5)
    with pytest.raises(ValueError, match="not RA and V9"):
        activation.swapped(cases["potentials"], "RA", "V9")


def test_moved_electrodes_see_the_same_beat_from_elsewhere(cases):
    some = cases.isel(case=[0, 20, 59])
    np.testing.assert_allclose(activation.displaced(some, 0.0), some["potentials"], atol=1e-5)
    near, far = (np.abs(activation.displaced(some, mm) - some["potentials"]).mean() for mm in (5.0, 20.0))
    assert 0 < near < far
    one = activation.displaced(some.isel(case=[1]), 20.0)
    np.testing.assert_allclose(one, activation.displaced(some, 20.0)[[1]], atol=1e-6)
    with pytest.raises(ValueError, match="only simulated cases"):
        activation.displaced(some.assign_attrs(source="ucsd"), 5.0)


def record(rate=250.0, beats=8, rr=0.9):
    """Twelve leads: a triangle of 80 ms in each beat, after a small wave 150 ms before it."""
    time = np.arange(round(beats * rr * rate)) / rate
    phase = time % rr - 0.3
    qrs = np.clip(1 - np.abs(phase - 0.04) / 0.04, 0, None)
    atrial = 0.1 * np.exp(-0.5 * ((phase + 0.12) / 0.02) ** 2)
    first, second = 1.0 * (qrs + atrial), 0.6 * (qrs + atrial)
    chest = [k * qrs for k in (-1.0, -0.5, 0.3, 1.0, 1.2, 0.9)]
    limbs = [first, second, second - first, -(first + second) / 2, first - second / 2, second - first / 2]
    return np.array(limbs + chest)


@pytest.mark.parametrize("rate", [250.0, 500.0, 1000.0])
def test_the_beat_of_a_record_begins_with_its_qrs_complex(rate):
    beat, count = activation.beat_of_record(record(rate), rate)
    assert beat.shape == (8, 500) and 6 <= count <= 8
    assert abs(int(np.abs(beat[0, :150]).argmax()) - 45) <= 10
    assert np.abs(beat[:, 0]).max() == 0 and np.abs(beat[:, :3]).max() < 0.12


@pytest.mark.real
@pytest.mark.skipif(not PTBXL.is_dir(), reason="CARDIO_DATA has no PTB-XL")
def test_real_beats_begin_with_a_qrs_complex_and_no_p_wave():
    shares = []
    for header in sorted((PTBXL / "records100" / "00000").glob("*.hea"))[:40]:
        signal, rate, _ = twelve_lead.read_leads(header)
        beat, count = activation.beat_of_record(signal, rate)
        assert beat.shape == (8, 500) and np.isfinite(beat).all() and count >= 3
        power = (np.gradient(beat, axis=1) ** 2).sum(0)
        shares.append(power[:150].sum() / power.sum())
    assert np.median(shares) > 0.8


def test_a_record_without_beats_or_leads_is_refused():
    with pytest.raises(ValueError, match="twelve leads"):
        activation.beat_of_record(np.zeros((8, 5000)), 500)
    with pytest.raises(ValueError, match="twelve leads"):
        activation.beat_of_record(np.full((12, 5000), np.nan), 500)
    with pytest.raises(ValueError, match="at least three"):
        activation.beat_of_record(record(beats=2), 250.0)


def test_leads_need_the_electrodes_in_their_order(cases):
    turned = cases["potentials"].isel(electrode=slice(None, None, -1))
    with pytest.raises(ValueError, match="electrodes must be"):
        activation.leads(turned)
    assert isinstance(turned, xr.DataArray)
