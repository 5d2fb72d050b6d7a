"""Tests of cardio_utils.agreement: analysis of variance as oracle, known variances, coverage, bad input."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from cardio_utils import agreement as ag

TIME = np.linspace(0, 1, 400)
WAVES = np.exp(-(((TIME - np.array([[0.4], [0.45], [0.6]])) / 0.15) ** 2))


def nested(cells=20, beats=15, bias=3.0, between=4.0, within=2.0, seed=0):
    """Differences of two measurements, with the cell of each."""
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(cells), beats)
    difference = bias + rng.normal(0, between, cells)[cell] + rng.normal(0, within, len(cell))
    truth = rng.normal(400, 60, len(cell))
    return truth + difference, truth, cell


# Waveforms


def test_waveform_agreement_is_what_scipy_and_scikit_learn_say():
    rng = np.random.default_rng(0)
    x = 3 * WAVES + rng.normal(0, 0.05, WAVES.shape) - 70
    found = ag.waveform_agreement(x, WAVES)
    for k in range(3):
        one, two = ((w - w.min()) / np.ptp(w) for w in (x[k], WAVES[k]))
        assert found.mae[k] == pytest.approx(np.abs(one - two).mean())
        assert found.r[k] == pytest.approx(stats.pearsonr(one, two)[0])
        assert found.r2[k] == pytest.approx(r2_score(two, one))


def test_equal_shapes_agree_whatever_offset_and_gain():
    found = ag.waveform_agreement(5 * WAVES - 80, WAVES)
    np.testing.assert_allclose(found.mae, 0, atol=1e-12)
    np.testing.assert_allclose([found.r, found.r2], 1)


def test_correlation_overlooks_what_the_coefficient_of_determination_sees():
    found = ag.waveform_agreement(WAVES[0] ** 3, WAVES[0])
    assert found.r > 0.9 and found.r2 < found.r**2


def test_missing_samples_are_left_out_of_both():
    x = WAVES + 0.1 * TIME
    whole = ag.waveform_agreement(x[:, 50:350], WAVES[:, 50:350])
    x[:, :50] = np.nan
    other = WAVES.copy()
    other[:, 350:] = np.nan
    np.testing.assert_allclose(ag.waveform_agreement(x, other), whole)


def test_what_cannot_be_compared_is_nan():
    gone = WAVES.copy()
    gone[:, 100:] = np.nan
    flat = np.ones_like(WAVES)
    for x in (gone, flat, np.full_like(WAVES, np.nan)):
        assert np.isnan(ag.waveform_agreement(x, WAVES)).all()
        assert np.isnan(ag.waveform_agreement(WAVES, x)).all()


def test_one_reference_serves_all_beats():
    assert ag.waveform_agreement(WAVES.reshape(3, 1, -1), WAVES[0]).r.shape == (3, 1)
    with pytest.raises(ValueError, match="equal length"):
        ag.waveform_agreement(WAVES, WAVES[:, 1:])


# Means over groups


def test_every_group_counts_the_same():
    values, group = [1.0, 1, 1, 1, 4, np.nan], list("aaaabb")
    found = ag.mean_over_groups(values, group)
    assert found.value == 2.5 and found.n == 2
    assert found.low == 1 and found.high == 4
    np.testing.assert_array_equal(ag.mean_of_others(values, group), [4, 4, 4, 4, 1, 1])
    np.testing.assert_array_equal(ag.mean_of_others([1.0, 3, 8, np.nan], list("abcd")), [5.5, 4.5, 2, 4])


@pytest.mark.parametrize("values, group, message", [([1.0], ["a", "b"], "one value"), ([np.nan], ["a"], "no finite")])
def test_means_refuse_what_they_cannot_average(values, group, message):
    with pytest.raises(ValueError, match=message):
        ag.mean_over_groups(values, group)


def test_one_group_has_no_others():
    with pytest.raises(ValueError, match="no others"):
        ag.mean_of_others([1.0, 2.0], ["a", "a"])


# Mixed models


def one_way_anova(y, cell):
    """Variances between and within by the mean squares of a balanced design."""
    table = y.reshape(len(np.unique(cell)), -1)
    beats = table.shape[1]
    within = table.var(axis=1, ddof=1).mean()
    return table.mean(axis=1).var(ddof=1) - within / beats, within


def test_balanced_one_way_design_equals_the_analysis_of_variance():
    first, second, cell = nested()
    y = first - second
    table = ag.variance_components(y, cell=cell)
    np.testing.assert_allclose(table.variance, one_way_anova(y, cell), rtol=1e-3)
    assert table.attrs["mean"] == pytest.approx(y.mean())
    error = np.sqrt(y.reshape(20, -1).mean(1).var(ddof=1) / 20)
    assert table.attrs["standard_error"] == pytest.approx(error, rel=1e-3)
    assert list(table.index) == ["cell", "residual"] and table["share"].sum() == pytest.approx(1)
    assert list(table.levels) == [20, 300]


def test_balanced_nested_design_equals_the_analysis_of_variance():
    rng = np.random.default_rng(1)
    pairs, electrodes, beats = 12, 2, 10
    effects = rng.normal(0, 5, (pairs, 1, 1)) + rng.normal(0, 3, (pairs, electrodes, 1))
    y = effects + rng.normal(0, 1, (pairs, electrodes, beats))
    pair, electrode, _ = np.indices(y.shape)
    electrode = [f"{p}/{e}" for p, e in zip(pair.ravel(), electrode.ravel(), strict=True)]
    table = ag.variance_components(y.ravel(), pair=pair.ravel(), electrode=electrode)
    residual = y.var(axis=2, ddof=1).mean()
    means = y.mean(axis=2)
    inner = means.var(axis=1, ddof=1).mean()
    outer = means.mean(axis=1).var(ddof=1)
    expected = [outer - inner / electrodes, inner - residual / beats, residual]
    np.testing.assert_allclose(table.variance, expected, rtol=1e-3)


def test_balanced_crossed_design_equals_the_analysis_of_variance():
    rng = np.random.default_rng(2)
    y = rng.normal(0, 4, (8, 1)) + rng.normal(0, 2, (1, 30)) + rng.normal(0, 1, (8, 30))
    site, beat = np.indices(y.shape)
    table = ag.variance_components(y.ravel(), site=site.ravel(), beat=beat.ravel())
    rest = y - y.mean(1, keepdims=True) - y.mean(0, keepdims=True) + y.mean()
    residual = (rest**2).sum() / (7 * 29)
    expected = [y.mean(1).var(ddof=1) - residual / 30, y.mean(0).var(ddof=1) - residual / 8, residual]
    np.testing.assert_allclose(table.variance, expected, rtol=1e-3)


def test_a_factor_without_effect_has_no_variance():
    rng = np.random.default_rng(3)
    y, cell = rng.normal(0, 1, 400), np.repeat(np.arange(20), 20)
    y -= np.repeat(y.reshape(20, 20).mean(1), 20)
    table = ag.variance_components(y, cell=cell)
    assert table.variance["cell"] == pytest.approx(0, abs=1e-4)
    assert ag.variance_components(np.ones(400), cell=cell).variance.tolist() == [0, 0]


def test_simulated_intervals_hold_the_truth_and_repeat():
    first, second, cell = nested(cells=12, beats=6)
    one, two = (ag.variance_components(first - second, 40, cell=cell) for _ in range(2))
    assert one.equals(two)
    assert (one.low < [16, 4]).all() and ([16, 4] < one.high).all()
    assert (one.low < one.variance).all() and (one.variance < one.high).all()


def test_missing_values_are_left_out():
    first, second, cell = nested()
    y = first - second
    expected = ag.variance_components(y[7:], cell=cell[7:])
    y[:7] = np.nan
    np.testing.assert_allclose(ag.variance_components(y, cell=cell), expected)


@pytest.mark.parametrize(
    "groups, message",
    [
        ({}, "at least one factor"),
        ({"cell": [0, 0, 1]}, "one level a value"),
        ({"cell": [0, 0, 0, 0]}, "cell: 1 level"),
        ({"cell": [0, 1, 2, 3]}, "every level holds one value"),
    ],
)
def test_designs_that_say_nothing_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        ag.variance_components([1.0, 2, 3, 4], **groups)


def test_bland_altman_gives_bias_and_limits_of_known_data():
    first, second, cell = nested(cells=200, beats=10)
    found = ag.bland_altman(first, second, cell)
    sd = np.hypot(4, 2)
    assert found.bias.value == pytest.approx(3, abs=0.9)
    assert found.upper.value == pytest.approx(3 + 1.96 * sd, abs=1.5)
    assert found.bias.value - found.lower.value == pytest.approx(found.upper.value - found.bias.value)
    assert (found.between, found.within) == (pytest.approx(4, abs=0.6), pytest.approx(2, abs=0.1))
    assert found.n == 2000 and found.bias.n == 200
    swapped = ag.bland_altman(second, first, cell)
    assert swapped.upper.value == pytest.approx(-found.lower.value, rel=1e-6)
    assert swapped.upper.high == pytest.approx(-found.lower.low, rel=1e-6)


def test_limits_of_a_balanced_design_are_those_of_zou():
    first, second, cell = nested(cells=8, beats=5, seed=4)
    found = ag.bland_altman(first, second, cell)
    table = (first - second).reshape(8, 5)
    means, within = table.mean(1).var(ddof=1), table.var(axis=1, ddof=1).mean()
    total = means + 0.8 * within
    high = total + np.hypot(
        means * (7 / stats.chi2.ppf(0.025, 7) - 1), 0.8 * within * (32 / stats.chi2.ppf(0.025, 32) - 1)
    )
    bias_error = stats.t.ppf(0.975, 7) * np.sqrt(means / 8)
    limit = table.mean() + 1.959964 * np.sqrt(total)
    assert found.upper.value == pytest.approx(limit, rel=1e-3)
    reach = np.hypot(bias_error, 1.959964 * (np.sqrt(high) - np.sqrt(total)))
    assert found.upper.high == pytest.approx(limit + reach, rel=1e-3)


def test_intervals_cover_the_truth_with_few_cells_of_unequal_size():
    rng = np.random.default_rng(5)
    cell = np.repeat(np.arange(8), [3, 5, 8, 4, 20, 6, 3, 12])
    truth = np.array([3.0, 3 + 1.959964 * np.sqrt(20)])
    covered = np.zeros(2)
    for _ in range(120):
        y = 3 + rng.normal(0, 4, 8)[cell] + rng.normal(0, 2, len(cell))
        found = ag.bland_altman(y, np.zeros_like(y), cell)
        ends = np.array([[e.low, e.high] for e in (found.bias, found.upper)])
        covered += (ends[:, 0] < truth) & (truth < ends[:, 1])
    # 95 % of 120 is 114; fewer than 107 has a chance below 1 in 500.
    assert (covered >= 107).all()


def test_limits_that_ignore_cells_are_too_sure():
    first, second, cell = nested(cells=6, beats=100, between=6, within=1)
    found = ag.bland_altman(first, second, cell)
    naive = 2 * 1.96 * np.std(first - second) / np.sqrt(600)
    assert found.bias.high - found.bias.low > 10 * naive


def test_bland_altman_refuses_what_it_cannot_split():
    with pytest.raises(ValueError, match="same beats"):
        ag.bland_altman([1.0, 2], [1.0], ["a", "b"])
    with pytest.raises(ValueError, match="group: 1 level"):
        ag.bland_altman([1.0, 2], [1.0, 1], ["a", "a"])


# Threshold


def falling_errors(seed=0, cells=30, beats=30):
    """Errors with mean 2 + 20 * 10^((20 - snr) / 20): 10 ms at 27.96 dB."""
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(cells), beats)
    snr = rng.uniform(15, 45, len(cell))
    mean = 2 + 20 * 10 ** ((20 - snr) / 20)
    return mean * rng.normal(0, np.sqrt(np.pi / 2), len(cell)), snr, cell


def test_threshold_is_where_the_mean_error_meets_the_tolerance():
    error, snr, cell = falling_errors()
    found = ag.threshold(error, snr, 10.0, cell, n_resamples=200)
    assert found.low < 27.96 < found.high
    assert found.value == pytest.approx(27.96, abs=2)
    assert found.reached == 1 and found.n == 30 and float(found) == found.value
    assert (np.diff(found.curve.error.dropna()) <= 1e-12).all()
    assert (found.curve.low <= found.curve.high).all()
    assert found.value == ag.threshold(-error, snr, 10.0, cell, n_resamples=200).value


def test_threshold_of_a_step_is_the_step():
    snr = np.tile(np.arange(20.0), 4)
    found = ag.threshold(np.where(snr < 10, 8.0, 2.0), snr, 5.0, np.repeat(np.arange(4), 20))
    assert found.value == found.low == found.high == 9.5


def test_a_tolerance_that_is_never_or_always_met_is_infinite():
    error, snr, cell = falling_errors()
    never, always = (ag.threshold(error, snr, tolerance, cell, 50) for tolerance in (0.1, 1e4))
    assert never.value == never.high == np.inf and never.reached == 0
    assert always.value == always.low == -np.inf


def test_every_cell_counts_the_same_for_the_threshold():
    error, snr, cell = falling_errors()
    again = cell == 3
    repeated = [np.concatenate([z, *[z[again]] * 20]) for z in (error, snr, cell)]
    one = ag.threshold(error, snr, 10.0, cell, 20).value
    assert ag.threshold(repeated[0], repeated[1], 10.0, repeated[2], 20).value == pytest.approx(one)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(error=np.ones(3)), "one error, SNR and group"),
        (dict(tolerance=0), "positive"),
        (dict(group=np.zeros(900)), "at least 10 of 2 groups"),
        (dict(snr=np.full(900, np.nan)), "at least 10 of 2 groups"),
    ],
)
def test_threshold_refuses_what_it_cannot_fit(change, message):
    error, snr, cell = falling_errors()
    with pytest.raises(ValueError, match=message):
        ag.threshold(**(dict(error=error, snr=snr, tolerance=1.0, group=cell) | change))
