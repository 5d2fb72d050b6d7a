"""Tests of cardio_utils.regression, evaluation.correlation and explain.tree_shap on data whose law is known."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardio_utils import evaluation, explain, regression

SMALL = {"n_estimators": 40, "max_depth": 3, "learning_rate": 0.2}


def recordings(n_groups=6, beats=30, offset=20.0, noise=3.0, seed=0):
    """Durations that follow td with slopes 1 and 2 in two levels, plus an offset of each recording."""
    rng = np.random.default_rng(seed)
    group = np.repeat([f"r{k}" for k in range(n_groups)], beats)
    td = rng.uniform(500, 900, group.size)
    x = pd.DataFrame({"td": td, "ts": rng.uniform(8, 20, group.size), "v1": rng.uniform(0.1, 0.5, group.size)})
    y = np.outer(td, [1.0, 2.0]) + np.repeat(rng.normal(0, offset, n_groups), beats)[:, None]
    return x, y + rng.normal(0, noise, y.shape), group


@pytest.fixture(scope="module")
def data():
    return recordings()


def test_equal_weights_give_every_group_the_same_sum():
    group = np.array(["a"] * 3 + ["b"] * 9)
    weight = regression.equal_weights(group)
    assert weight.mean() == pytest.approx(1)
    assert weight[:3].sum() == pytest.approx(weight[3:].sum())


def test_group_mae_counts_groups():
    y = np.zeros((4, 2))
    prediction = np.array([[1, 1], [1, 1], [1, 1], [5, 7]])
    assert regression.group_mae(y, prediction, ["a", "a", "a", "b"]) == pytest.approx((1 + 6) / 2)


def test_training_mean_of_beats_and_of_recordings():
    x, group = pd.DataFrame({"td": np.zeros(4)}), np.array(["a", "a", "a", "b"])
    y = np.array([[0.0, 0], [0, 0], [0, 0], [8, 80]])
    assert regression.training_mean(x, y, group).predict(x)[0, 0] == pytest.approx(2)
    assert regression.training_mean(x, y, group, balanced=True).predict(x)[0, 0] == pytest.approx(4)


@pytest.mark.parametrize("make", [regression.line, partial(regression.line, balanced=True), regression.robust_line])
def test_lines_recover_a_line_and_look_at_one_feature(make):
    x, y, group = recordings(offset=0, noise=0)
    model = make(x, y, group)
    np.testing.assert_allclose(model.predict(x.assign(ts=-5.0, v1=9.0)), y, rtol=1e-3)


def test_a_strong_penalty_leaves_the_line():
    x, y, group = recordings()
    bare = regression.line(x, y, group, balanced=True).predict(x)
    np.testing.assert_allclose(regression.line_and_ridge(x, y, group, alpha=1e9).predict(x), bare, atol=1e-3)
    flat = regression.ridge(x, y, group, alpha=1e9, feature="td").predict(x)
    np.testing.assert_allclose(flat, np.broadcast_to(flat[0], flat.shape), atol=1e-3)


def test_trees_on_the_line_extrapolate_and_plain_trees_do_not(data):
    x, y, group = data
    far = x.assign(td=1800.0)
    assert regression.boosting(x, y, group, **SMALL).predict(far)[:, 0].max() < 1000
    extended = regression.line_and_boosting(x, y, group, **SMALL).predict(far)
    np.testing.assert_allclose(extended[:, 0], 1800, atol=80)


def test_monotone_boosting_never_falls(data):
    x, y, group = data
    noisy = y + 300 * np.random.default_rng(1).standard_normal(y.shape)
    model = regression.boosting(x, noisy, group, monotone="td", **SMALL)
    ladder = pd.DataFrame({"td": np.linspace(500, 900, 200), "ts": 12.0, "v1": 0.2})
    assert (np.diff(model.predict(ladder), axis=0) >= -1e-4).all()


def test_crossfit_uses_nothing_of_what_it_leaves_out(data):
    x, y, group = data
    found = regression.crossfit(partial(regression.boosting, **SMALL), x, y, group)
    changed = np.where((group == "r2")[:, None], -999.0, y)
    again = regression.crossfit(partial(regression.boosting, **SMALL), x, changed, group)
    np.testing.assert_array_equal(found.prediction[group == "r2"], again.prediction[group == "r2"])
    assert np.abs(found.prediction - again.prediction)[group != "r2"].max() > 1
    np.testing.assert_array_equal(found.predict(x), found.prediction)
    assert len(found.models) == 6


@pytest.mark.parametrize("make", [regression.training_mean, regression.line, regression.line_and_boosting])
def test_one_level_is_a_table_too(make, data):
    x, y, group = data
    alone = regression.crossfit(make, x, y[:, :1], group).prediction
    np.testing.assert_allclose(alone, regression.crossfit(make, x, y, group).prediction[:, :1], rtol=1e-3)


def test_crossfit_refuses_what_it_cannot_use(data):
    x, y, group = data
    with pytest.raises(ValueError, match=r"missing in ts"):
        regression.crossfit(regression.line, x.assign(ts=np.nan), y, group)
    with pytest.raises(ValueError, match="missing in the targets"):
        regression.crossfit(regression.line, x, y * np.nan, group)
    with pytest.raises(ValueError, match="do not fit"):
        regression.crossfit(regression.line, x, y[:-1], group)
    with pytest.raises(ValueError, match="at least two recordings"):
        regression.crossfit(regression.line, x, y, np.full(len(x), "a"))


def test_the_tuned_model_is_the_final_one(data):
    x, y, group = data
    space = regression.BOOSTING | {"n_estimators": (5, 20)}
    tuned = regression.tune(regression.boosting, x, y, group, space, n_trials=4, n_folds=3)
    assert set(tuned.parameters) == set(space) and set(tuned.trials) == {*space, "score"}
    assert isinstance(tuned.parameters["max_depth"], int)
    assert tuned.score == tuned.trials["score"].min()
    used = tuned.model.get_params()
    assert {name: used[name] for name in space} == tuned.parameters
    # Independent names: no two hyperparameters share their values over the trials.
    values = tuned.trials[list(space)].to_numpy().T
    assert len({tuple(row) for row in values}) == len(space)
    again = regression.tune(regression.boosting, x, y, group, space, n_trials=4, n_folds=3)
    pd.testing.assert_frame_equal(tuned.trials, again.trials)


def test_tuning_scores_groups_left_out(data):
    x, y, group = data
    tuned = regression.tune(regression.line, x, y, group, {})
    left_out = regression.crossfit(regression.line, x, y, group).prediction
    assert tuned.score == pytest.approx(regression.group_mae(y, left_out, group))
    assert tuned.parameters == {}


def test_best_inside_does_not_look_at_the_test(data):
    x, y, group = data
    make = {"mean": regression.training_mean, "line": regression.line}
    folds = regression.leave_one_out(group)[:1]
    test = folds[0][1]
    y = y.copy()
    y[test] = y[np.setdiff1d(np.arange(len(y)), test)].mean(axis=0)  # there the mean would be right
    found = {
        name: regression.crossfit(lambda *d, m=m: regression.tune(m, *d, space={}), x, y, group, folds)
        for name, m in make.items()
    }
    chosen = regression.best_inside(found)
    assert chosen.models[0].name == "line"
    np.testing.assert_array_equal(chosen.prediction[test], found["line"].prediction[test])


def test_quantiles_do_not_cross(data):
    x, y, group = data
    quantile = regression.quantile_boosting(x, y, group, n_estimators=10).predict(x)
    assert quantile.shape == (*y.shape, 3)
    assert (np.diff(quantile, axis=2) >= 0).all()


def test_the_margin_is_split_conformal_where_groups_hold_one_beat():
    score = np.random.default_rng(0).permutation(19).astype(float)[:, None]
    margin = regression.conformal_margin(score, np.arange(19), coverage=0.8)
    assert margin == pytest.approx(np.sort(score[:, 0])[int(np.ceil(0.8 * 20)) - 1])


def test_the_margin_counts_groups_not_beats():
    score = np.r_[np.zeros(100), np.ones(1), np.full(1, 2.0), np.full(1, 3.0)][:, None]
    group = np.r_[np.zeros(100), 1, 2, 3]
    assert regression.conformal_margin(score, group, coverage=0.6) == pytest.approx(2)
    with pytest.raises(ValueError, match=r"at most 0\.80"):
        regression.conformal_margin(score, group, coverage=0.9)


def test_the_margin_covers_new_groups():
    """Groups with an offset of their own: over many draws a new group is covered as often as promised."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(300):
        score = rng.normal(0, 1, (10, 1)) + 0.3 * rng.standard_normal((10, 20))
        margin = regression.conformal_margin(score[1:].reshape(-1, 1), np.repeat(np.arange(9), 20), coverage=0.8)
        held.append((score[0] <= margin).mean())
    assert 0.77 < np.mean(held) < 0.9


def test_conformal_intervals_widen_what_is_too_narrow_and_use_nothing_of_the_test(data):
    x, y, group = data
    make = partial(regression.quantile_boosting, n_estimators=15)
    interval = regression.conformal_intervals(make, x, y, group, coverage=0.8)
    inside = ((interval.low <= y) & (y <= interval.high)).mean()
    raw = ((interval.raw_low <= y) & (y <= interval.raw_high)).mean()
    assert raw < inside and inside > 0.7
    assert (interval.low <= interval.median).all() and (interval.median <= interval.high).all()
    changed = np.where((group == "r1")[:, None], 0.0, y)
    again = regression.conformal_intervals(make, x, changed, group, coverage=0.8)
    for end in ("low", "median", "high"):
        mine = group == "r1"
        np.testing.assert_array_equal(getattr(interval, end)[mine], getattr(again, end)[mine])


# A trace of one's own


def trace(beats=6, fs=5000.0, cycle=2.0):
    """Biphasic spikes, each followed by a slow decay and a dip 700 ms later."""
    t = np.arange(round(beats * cycle * fs)) / fs
    s = (t % cycle) - 0.3
    spike = 0.2 * np.exp(-((s / 0.0015) ** 2)) - 0.15 * np.exp(-(((s - 0.005) / 0.002) ** 2))
    slow = np.where(s > 0.005, 0.03 * (1 - np.exp(-np.maximum(s - 0.005, 0) / 0.002)), 0) * np.exp(
        -np.maximum(s, 0) / 0.4
    )
    x = spike + slow - 0.03 * np.exp(-(((s - 0.71) / 0.08) ** 2))
    return x + 5e-4 * np.random.default_rng(0).standard_normal(t.size), fs


def test_features_of_a_trace():
    x, fs = trace()
    table = regression.own_features(x, fs, ["ts", "td", "v1"])
    np.testing.assert_allclose(np.diff(table["beat_time"]), 2.0, atol=0.01)
    good = table[table["reason"] == ""]
    assert len(good) >= 5
    assert good["td"].between(650, 720).all()


def test_a_trace_without_usable_beats_says_why():
    x, fs = trace()
    with pytest.raises(ValueError, match=r"none of 6 beats has all features.*sampling rate"):
        regression.own_features(np.where(np.arange(x.size) % 10000 > 1600, 0, x), fs, ["td"])
    with pytest.raises(ValueError, match=r"none with 0\.2 s before"):
        regression.own_features(x[:7000], fs, ["td"])


# evaluation.correlation


def test_correlation_equals_numpy_and_the_bootstrap_of_calls(data):
    x, y, group = data
    durations = pd.DataFrame(y, columns=["a", "b"])
    found = evaluation.correlation(x, durations, group, n_resamples=200)
    assert found.value.loc["td", "b"] == pytest.approx(np.corrcoef(x["td"], y[:, 1])[0, 1])
    called = evaluation.bootstrap(lambda a, b: np.corrcoef(a, b)[0, 1], x["ts"], y[:, 0], group, n_resamples=200)
    assert (found.low.loc["ts", "a"], found.high.loc["ts", "a"]) == pytest.approx((called.low, called.high))
    assert np.allclose(np.diag(evaluation.correlation(x, x, group).value), 1)


def test_correlation_within_groups_ignores_what_sets_them_apart(data):
    x, y, group = data
    shifted = x.assign(td=x["td"] + 1e4 * pd.factorize(group)[0])
    durations = pd.DataFrame(y[:, :1])
    assert abs(evaluation.correlation(shifted, durations, group).value.loc["td", 0]) < 0.5
    within = evaluation.correlation(shifted, durations, group, within=True)
    assert within.value.loc["td", 0] > 0.99 and within.low.loc["td", 0] > 0.99


def test_correlation_where_there_is_none(data):
    x, y, group = data
    durations = pd.DataFrame(y[:, :1])
    gap = x.assign(v1=np.where(np.arange(len(x)) < 5, np.nan, x["v1"]), flat=3.0)
    found = evaluation.correlation(gap, durations, group)
    assert np.isnan(found.value.loc["flat", 0])
    assert found.value.loc["td", 0] == pytest.approx(np.corrcoef(x["td"][5:], y[5:, 0])[0, 1])
    alone = evaluation.correlation(x, durations, np.zeros(len(x)))
    assert np.isfinite(alone.value).all(None) and np.isnan(alone.low).all(None)


# explain.tree_shap


def test_contributions_add_up_and_agree_with_shap(data):
    x, y, group = data
    model = regression.boosting(x, y, group, **SMALL)
    contribution, base = explain.tree_shap(model, x)
    assert contribution.shape == (len(x), 2, 3)
    np.testing.assert_allclose(contribution.sum(axis=2) + base, model.predict(x), rtol=1e-4)
    assert np.abs(contribution).mean(axis=(0, 1)).argmax() == 0
    import shap

    expected = shap.TreeExplainer(model).shap_values(x)
    np.testing.assert_allclose(contribution, np.moveaxis(expected, 2, 1), atol=0.02)


def test_only_trees_have_tree_contributions(data):
    x, y, group = data
    with pytest.raises(ValueError, match="not Pipeline"):
        explain.tree_shap(regression.line(x, y, group), x)


# The published table


@pytest.mark.real
def test_reference_values_of_the_published_table():
    """Leave-one-recording-out errors that were computed earlier: 66.7, 48.8 and 49.8 ms.

    They are those of all 1,910 rows, duplicates included; the penalty of the ridge is not on record, and 50 gives it.
    """
    path = Path(os.environ.get("CARDIO_DATA", "")) / "eap-iap-features" / "data_feat.csv"
    if not path.is_file():
        pytest.skip("the published table of features is not in CARDIO_DATA")
    raw = pd.read_csv(path)
    names = {"w1+w2": "ts", "w3": "td", "h1": "v1", "h2": "v2", "h3": "vd", "r3": "ir", "d3": "dr"}
    names |= {"h1/h2": "v1_v2", "h3/h1": "vd_v1", "h3/h2": "vd_v2"}
    x, y = raw[list(names)].rename(columns=names), 1000 * raw[[f"APD{k}" for k in range(10, 101, 10)]].values
    weak = partial(regression.ridge, alpha=50, balanced=False)
    for make, expected in ((regression.training_mean, 66.7), (regression.line, 48.8), (weak, 49.8)):
        found = regression.crossfit(make, x, y, raw["name"].values)
        assert regression.group_mae(y, found.prediction, raw["name"]) == pytest.approx(expected, abs=1)
