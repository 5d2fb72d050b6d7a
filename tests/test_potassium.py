"""Codes to the last tenth, one distribution for all questions, imbalance handled once, intervals, and features."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from cardio_utils import potassium as pot

TENTHS = np.arange(15, 76)


def random_distribution(n=20, seed=0):
    """Distributions of random shape, (n, 60)."""
    place = np.random.default_rng(seed).normal(0, 2, (n, 1))
    return special.expit(place - np.linspace(-4, 4, 60))


# Codes


@pytest.mark.parametrize(
    "values", [TENTHS / 10, TENTHS * 0.1, (TENTHS / 10).astype(np.float32), np.arange(1.5, 7.55, 0.1)]
)
def test_every_tenth_comes_back_exactly(values):
    code, outside = pot.encode_k_concentration(values)
    assert code.shape == (61, 60) and code.dtype == np.float32 and not outside.any()
    assert code.sum(1).tolist() == list(range(61))
    assert (np.diff(code, axis=1) <= 0).all()
    assert pot.decode_k_concentration(code).tolist() == (TENTHS / 10).tolist()


def test_outside_is_clipped_and_flagged():
    code, outside = pot.encode_k_concentration([0.9, 1.44, 1.5, 7.5, 7.6, 9.0])
    assert outside.tolist() == [True, True, False, False, True, True]
    assert pot.decode_k_concentration(code).tolist() == [1.5, 1.5, 1.5, 7.5, 7.5, 7.5]


def test_classes_at_their_limits():
    values = [0.5, 2.5, 25 * 0.1, 2.6, 3.5, 35 * 0.1, 3.6, 5.4, 5.5, 55 * 0.1, 6.4, 6.5, 65 * 0.1, 9.0]
    assert pot.encode_k_class(values).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4]
    limits = pot.decode_k_class(np.arange(5))
    assert limits[:, 1].tolist() == [2.5, 3.5, 5.5, 6.5, np.inf] and limits[0, 0] == -np.inf


def test_what_has_no_code_is_refused():
    for encode in (pot.encode_k_concentration, pot.encode_k_class):
        with pytest.raises(ValueError, match="missing"):
            encode([4.0, np.nan])
    with pytest.raises(ValueError, match="60 bins"):
        pot.decode_k_concentration(np.ones(59))
    with pytest.raises(ValueError, match="never rises"):
        pot.decode_k_concentration(np.r_[np.zeros(30), np.ones(30)])
    with pytest.raises(ValueError, match="0 to 4"):
        pot.decode_k_class([5])


# One distribution


def test_levels_are_a_distribution_and_all_questions_agree():
    p = random_distribution()
    each = pot.levels(p)
    assert each.shape == (20, 61) and np.allclose(each.sum(1), 1) and (each >= -1e-12).all()
    assert np.allclose(pot.expected(p), each @ (TENTHS / 10))
    classes = pot.class_probabilities(p)
    assert np.allclose(classes.sum(1), 1)
    assert np.allclose(pot.at_least(p, 5.5), classes[:, 3:].sum(1))
    assert np.allclose(pot.at_least(p, 6.5), classes[:, 4])
    assert np.allclose(pot.at_most(p, 2.5), classes[:, 0])
    assert np.allclose(pot.at_most(p, 3.5), classes[:, :2].sum(1))


def test_a_certain_level_has_its_class():
    code, _ = pot.encode_k_concentration(TENTHS / 10)
    assert (pot.class_probabilities(code).argmax(1) == pot.encode_k_class(TENTHS / 10)).all()


def test_reweighting_is_bayes_rule_and_can_be_undone():
    p, old, new = random_distribution(), [0.2] * 5, [0.02, 0.2, 0.76, 0.014, 0.006]
    there = pot.reweighted(p, old, new)
    expected = pot.class_probabilities(p) * np.array(new)
    assert np.allclose(pot.class_probabilities(there), expected / expected.sum(1, keepdims=True))
    assert np.allclose(pot.reweighted(there, new, old), p)


def test_temperature_finds_an_overconfident_network():
    rng = np.random.default_rng(0)
    p = random_distribution(4000)
    level = (rng.random((4000, 1)) < p).sum(1)  # one uniform number a record: a draw from its distribution
    sharp = pot.cooled(p, 0.5)
    assert (np.diff(sharp, axis=1) <= 1e-12).all()
    assert pot.temperature(sharp, (15 + level) / 10) == pytest.approx(2.0, rel=0.1)


# Imbalance


def test_the_sampler_makes_classes_equal_and_takes_every_row():
    k_class = np.repeat([0, 2, 4], [10, 85, 5])
    rows = pot.balanced_rows(k_class, seed=1)
    count = np.bincount(k_class[rows])
    assert count[[0, 2, 4]].tolist() == [34, 34, 34]
    assert set(rows[k_class[rows] == 4]) == set(range(95, 100))
    assert np.bincount(rows)[:10].max() - np.bincount(rows)[:10].min() <= 1


def test_only_one_way_at_a_time():
    with pytest.raises(ValueError, match="not combined"):
        pot.ordinal_loss("sampler+weights")
    with pytest.raises(ValueError, match="needs the classes"):
        pot.ordinal_loss("weights")


def test_losses_do_what_they_say():
    import torch

    values = np.array([2.0, 4.0, 4.2, 7.0])
    target = torch.tensor(pot.encode_k_concentration(values)[0])
    logits = torch.linspace(3, -3, 60).repeat(4, 1).requires_grad_()
    plain = pot.ordinal_loss("none")((logits, None), target)
    assert torch.equal(plain, pot.ordinal_loss("sampler")((logits, None), target))
    equal = np.arange(5)  # one record a class
    for name in ("weights", "adjustment"):  # where classes are equally frequent there is nothing to correct
        assert pot.ordinal_loss(name, equal)((logits, None), target).item() == pytest.approx(plain.item(), rel=1e-3)
    weighted = pot.ordinal_loss("weights", [0, 2, 2, 2, 2, 2, 2, 2, 2, 4])((logits, None), target)
    each = [pot.ordinal_loss("none")((logits[k : k + 1], None), target[k : k + 1]).item() for k in range(4)]
    w = np.array([1 / 0.1, 1 / 0.8, 1 / 0.8, 1 / 0.1])
    assert weighted.item() == pytest.approx(np.average(each, weights=w), rel=1e-5)
    adjusted = pot.ordinal_loss("adjustment", [0, 2, 2, 2, 2, 2, 2, 2, 2, 4])((logits, None), target)
    adjusted.backward()
    assert torch.isfinite(logits.grad).all()


def test_adjustment_is_the_loss_of_the_reweighted_distribution():
    import torch

    p = random_distribution(4)
    k_class = [0, 1, 2, 2, 2, 2, 3, 4]
    share = np.bincount(k_class) / len(k_class)
    target = pot.encode_k_concentration([2.0, 4.0, 4.2, 7.0])[0]
    q = np.clip(pot.reweighted(p, np.ones(5), share), 1e-6, 1 - 1e-6)
    expected = -np.mean(np.where(target > 0, np.log(q), np.log1p(-q)))
    logits = torch.tensor(special.logit(p), dtype=torch.float32)
    found = pot.ordinal_loss("adjustment", k_class)((logits, None), torch.tensor(target))
    assert found.item() == pytest.approx(expected, rel=1e-3)


# Scores


def test_predictive_values():
    ppv, npv = pot.predictive_values(0.8, 0.8, 0.009)
    assert ppv == pytest.approx(0.035, abs=0.001) and npv == pytest.approx(0.998, abs=0.001)
    ppv, _ = pot.predictive_values(0.9, 0.7, [0.4, 0.02])
    assert ppv[0] > 0.6 > 0.1 > ppv[1]


def test_threshold_keeps_its_sensitivity():
    score = np.arange(100) / 100
    positive = np.arange(100) >= 50
    limit = pot.threshold_at(positive, score, 0.9)
    assert (score[positive] >= limit).mean() == pytest.approx(0.9)
    with pytest.raises(ValueError, match="no positive"):
        pot.threshold_at(np.zeros(5), np.arange(5))


def test_scores_of_a_constant_and_of_the_truth():
    rng = np.random.default_rng(0)
    values = np.round(rng.uniform(2, 7.4, 200), 1)
    patient = rng.integers(0, 40, 200)
    flat = np.full(200, values.mean())
    constant = pot.scores(pot.Prediction(flat, 0 * flat, 0 * flat), values, patient, 50)
    assert constant["slope"].value == pytest.approx(0, abs=1e-12)
    assert constant["auc_high"].value == constant["auc_low"].value == 0.5
    perfect = pot.scores(pot.of_distribution(pot.encode_k_concentration(values)[0]), values, patient, 50)
    assert perfect["mae"].value == pytest.approx(0, abs=1e-9) and perfect["slope"].value == pytest.approx(1)
    assert perfect["auc_high"].value == perfect["auc_low"].value == 1
    difference = perfect["macro_mae"] - constant["macro_mae"]
    assert difference.high < 0


def test_limits_of_agreement():
    rng = np.random.default_rng(0)
    measured, patient = rng.uniform(2, 7, 400), np.repeat(np.arange(80), 5)
    found = pot.limits_of_agreement(measured + rng.normal(0.2, 0.5, 400), measured, patient, 100)
    assert found.bias.value == pytest.approx(0.2, abs=0.08) and found.bias.low < 0.2 < found.bias.high
    assert found.upper.value - found.lower.value == pytest.approx(4 * 0.98 * 0.5, rel=0.1)


def test_errors_by_class():
    table = pot.class_table({"one": pot.Prediction(np.array([3.0, 4.0, 8.0]), None, None)}, np.array([2.0, 4.5, 7.0]))
    assert table.one.dropna().tolist() == [1.0, 0.5, 1.0] and list(table.index) == list(pot.CLASSES)


# Intervals


def test_conformal_sets_hold_their_promise_in_every_class():
    rng = np.random.default_rng(1)
    true = rng.choice(TENTHS, 6000) / 10
    said = true + rng.normal(0, np.where(true > 5.5, 1.2, 0.4))  # worse where it is high, which nobody told the model
    p = special.expit((said[:, None] - (1.55 + 0.1 * np.arange(60))) / 0.25)
    half = np.arange(6000) < 3000
    for by_class in (True, False):
        limits = pot.conformal_limits(p[half], true[half], by_class=by_class)
        inside = pot.coverage(pot.conformal_sets(p[~half], limits), true[~half])
        by = pd.Series(inside).groupby(pot.encode_k_class(true[~half])).mean()
        assert inside.mean() == pytest.approx(0.9, abs=0.03)
        assert (by.min() > 0.86) == by_class


def test_a_class_with_too_few_records_promises_everything():
    p = pot.encode_k_concentration(np.full(30, 4.0))[0]
    limits = pot.conformal_limits(p, np.full(30, 4.0))
    assert np.isinf(limits[[0, 1, 3, 4]]).all() and np.isfinite(limits[2])
    assert pot.conformal_sets(p, limits)[:, pot.encode_k_class(TENTHS / 10) == 4].all()


# Features


def beat(t_height=0.4, t_width=0.04):
    """A beat of eight leads at 100 Hz, mV: P, QRS and T as bells."""
    time = np.arange(96) / 100 - 0.3
    bell = lambda at, sd: np.exp(-0.5 * ((time - at) / sd) ** 2)  # noqa: E731
    wave = 0.1 * bell(-0.16, 0.02) + 1.2 * bell(0, 0.012) - 0.2 * bell(0.03, 0.01) + t_height * bell(0.26, t_width)
    return np.linspace(0.5, 1, 8)[:, None] * wave


def record_of(one, beats=10):
    x = np.zeros((8, 96 * (beats + 1)))
    for k in range(beats):
        x[:, 48 + 96 * k : 144 + 96 * k] += one
    return x


def features(**options):
    from cardio_utils import ecg

    one = beat(**options)
    x = record_of(one)
    peaks = ecg.find_r_peaks(x, 100.0)
    return pot.delineated_features(one, ecg.delineate(x, 100.0, peaks))


def test_features_measure_width_height_and_slope_of_t():
    usual, tall, wide = features(), features(t_height=0.6), features(t_width=0.06)
    assert usual["V4_t_width"] == pytest.approx(2.355 * 40, rel=0.1)
    assert wide["V4_t_width"] == pytest.approx(2.355 * 60, rel=0.12)
    assert tall["V4_t"] == pytest.approx(1.5 * usual["V4_t"], rel=0.1)
    assert tall["V4_t_root_slope"] > usual["V4_t_root_slope"] > wide["V4_t_root_slope"]
    assert usual["rate"] == pytest.approx(60 / 0.96, rel=0.02)
    assert usual["t_time"] == pytest.approx(0.26, abs=0.02)


def test_a_flat_t_wave_has_no_width():
    assert np.isnan(features(t_height=0.01)["V4_t_width"])


def table(n=80, seed=0):
    """Features that know something of potassium."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.uniform(2, 7.4, n), 1)
    rows = pd.DataFrame({f"{lead}_t_root_slope": values + rng.normal(0, 0.5, n) for lead in ("V3", "V4", "V5")})
    rows["empty"] = np.nan
    rows.iloc[::7, 0] = np.nan
    return rows, values


@pytest.mark.parametrize(
    "make", [pot.training_mean, pot.ridge, pot.root_slope, lambda *a: pot.extra_trees(*a, n_trees=30)]
)
def test_baselines_bear_missing_features(make):
    rows, values = table()
    found = make(rows, values)(rows.iloc[:30])
    assert all(np.isfinite(part).all() and part.shape == (30,) for part in found)
    if make is not pot.training_mean:
        assert np.corrcoef(found.value, values[:30])[0, 1] > 0.8
        assert np.corrcoef(found.high, values[:30])[0, 1] > 0.5 > np.corrcoef(found.low, values[:30])[0, 1]


def test_medians_are_relative_to_the_normal_class():
    rows = pd.DataFrame({f"{lead}_t_width": [200.0, 100.0, 80.0] for lead in ("II", "V2", "V3", "V4", "V5")})
    rows["V4_t"] = [0.1, 0.2, 0.3]
    found = pot.class_medians(rows, [0, 2, 4])
    assert found["t_width"].dropna().tolist() == pytest.approx([2, 1, 0.8])
    assert found["V4_t"].dropna().tolist() == pytest.approx([0.5, 1, 1.5])


def test_tuning_refuses_a_long_search():
    with pytest.raises(ValueError, match="1 to 20 trials"):
        pot.tune(None, (np.zeros(5), np.zeros(5), np.full(5, 4.0)), np.arange(5), n_trials=21)
