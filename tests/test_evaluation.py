"""Tests of cardio_utils.evaluation against scikit-learn, brute force, and cases where the truth is known."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics

from cardio_utils import evaluation as ev

CLASSES = list("FNQSV")
NAMES = ["accuracy", "balanced_accuracy", "mcc", "macro_f1", "macro_f1/NSVF", "f1/V", "sensitivity/S"]
NAMES += ["specificity/V", "ppv/V"]


def beats(n=3000, n_groups=30, seed=0, right=0.8):
    rng = np.random.default_rng(seed)
    y = rng.choice(CLASSES, n, p=[0.03, 0.75, 0.05, 0.07, 0.1])
    guess = np.where(rng.random(n) < right, y, rng.choice(CLASSES, n))
    return y, guess, rng.integers(0, n_groups, n)


def by_sklearn(name, y, p):
    kind, _, c = name.partition("/")
    one = dict(labels=[c], average=None, zero_division=np.nan)
    return {
        "accuracy": lambda: metrics.accuracy_score(y, p),
        "balanced_accuracy": lambda: metrics.balanced_accuracy_score(y, p),
        "mcc": lambda: metrics.matthews_corrcoef(y, p),
        "macro_f1": lambda: metrics.f1_score(y, p, average="macro", labels=list(c) or None, zero_division=0),
        "f1": lambda: metrics.f1_score(y, p, **one)[0],
        "sensitivity": lambda: metrics.recall_score(y, p, **one)[0],
        "ppv": lambda: metrics.precision_score(y, p, **one)[0],
        "specificity": lambda: metrics.recall_score(y != c, p != c),
    }[kind]()


@pytest.mark.parametrize("name", NAMES)
def test_named_metrics_agree_with_scikit_learn(name):
    y, p, _ = beats()
    assert ev.score(name, y, p) == pytest.approx(by_sklearn(name, y, p), abs=1e-12)


def test_a_constant_predictor_is_scored_as_scikit_learn_does():
    y = np.array(list("NNNNSV"))
    p = np.full(6, "N")
    assert ev.score("mcc", y, p) == 0
    assert ev.score("macro_f1", y, p) == pytest.approx(metrics.f1_score(y, p, average="macro"))
    assert ev.score("balanced_accuracy", y, p) == pytest.approx(1 / 3)
    assert ev.score("f1/V", y, p) == 0
    assert np.isnan(ev.score("ppv/V", y, p))
    # A class that is predicted and never true counts as an F1 of zero.
    assert ev.score("macro_f1", y, np.array(list("NNNNSF"))) == pytest.approx(2 / 4)


def test_labels_of_any_kind():
    assert ev.score("sensitivity/1", np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])) == pytest.approx(2 / 3)
    assert ev.score("f1/True", np.array([False, True]), np.array([False, True])) == 1
    y = np.array(["healthy", "infarction", "infarction"])
    assert ev.score("macro_f1/healthy,infarction", y, y) == 1
    assert np.isnan(ev.score("sensitivity/F", np.array(["N"]), np.array(["N"]), classes=list("NF")))


@pytest.mark.parametrize("name", ["recall", "f1", "macro_f1/NX", "accuracy/V", "f1/NV"])
def test_unknown_metrics_are_refused(name):
    y, p, _ = beats(100)
    with pytest.raises(ValueError, match="metric"):
        ev.score(name, y, p)


@pytest.mark.parametrize("name", NAMES)
def test_fast_path_equals_resampled_rows(name):
    y, p, group = beats(600, 12)
    fast = ev.bootstrap(name, y, p, group, n_resamples=40)
    slow = ev.bootstrap(lambda a, b: by_sklearn(name, a, b), y, p, group, n_resamples=40)
    np.testing.assert_allclose(fast.replicates, slow.replicates, rtol=1e-10)
    assert (fast.value, fast.low, fast.high, fast.n) == pytest.approx((slow.value, slow.low, slow.high, 12))


def test_blocks_of_resamples_do_not_change_the_draws():
    small = np.concatenate(list(ev._multiplicities(7, 50, 3)))
    assert small.shape == (50, 7) and (small.sum(1) == 7).all()
    many = list(ev._multiplicities(1_000_000, 9, 3))
    assert len(many) == 3 and sum(map(len, many)) == 9


def patients(rng, n_patients=40, n_beats=30):
    """Right or wrong, where patients differ in difficulty: accuracy 0.8 on average."""
    p = rng.beta(4, 1, n_patients)
    return (rng.random((n_patients, n_beats)) < p[:, None]).ravel().astype(int)


def test_intervals_cover_the_truth_when_patients_are_resampled_and_not_when_beats_are():
    rng = np.random.default_rng(0)
    ones, group = np.ones(1200, int), np.repeat(np.arange(40), 30)
    covered = np.zeros(2)
    for trial in range(200):
        right = patients(rng)
        for k, unit in enumerate((group, np.arange(1200))):
            e = ev.bootstrap("accuracy", ones, right, unit, n_resamples=200, seed=trial)
            covered[k] += e.low <= 0.8 <= e.high
    by_patient, by_beat = covered / 200
    assert 0.88 <= by_patient <= 0.98
    assert by_beat < 0.65


def test_paired_difference_is_sharper_than_two_intervals():
    y, p, group = beats(seed=1)
    better = np.where(np.random.default_rng(5).random(len(y)) < 0.1, y, p)
    a, b = ev.bootstrap("accuracy", y, better, group), ev.bootstrap("accuracy", y, p, group)
    difference = a - b
    assert difference.value == pytest.approx(np.mean(better == y) - np.mean(p == y))
    assert 0 < difference.low < difference.value < difference.high
    assert difference.high - difference.low < (a.high - a.low)
    np.testing.assert_array_equal(difference.replicates, a.replicates - b.replicates)
    assert (a - a).low == (a - a).high == 0


def test_unpaired_difference_is_refused():
    y, p, group = beats()
    a = ev.bootstrap("accuracy", y, p, group)
    for other in (
        ev.bootstrap("accuracy", y, p, group, seed=1),
        ev.bootstrap("accuracy", y, p, group, n_resamples=500),
        ev.bootstrap("accuracy", y, p, group + 1),
    ):
        with pytest.raises(ValueError, match="not paired"):
            a - other


def test_resamples_without_the_class_are_left_out_and_counted():
    y = np.repeat(list("NNNV"), 5)
    group = np.repeat(np.arange(4), 5)
    e = ev.bootstrap("sensitivity/V", y, y, group)
    assert e.value == e.low == e.high == 1
    # The one patient with V is missing from (3/4)^4 of the resamples.
    assert e.valid == pytest.approx(1000 * (1 - 0.75**4), abs=60)
    # Nor is F1 defined there, even where another patient's beats are taken for V.
    false_alarm = np.where(np.arange(20) == 0, "V", y)
    assert ev.bootstrap("f1/V", y, false_alarm, group).valid == e.valid


def test_one_group_has_no_interval():
    y, p, group = beats(50, 1)
    e = ev.bootstrap("accuracy", y, p, group)
    assert np.isnan(e.low) and np.isnan(e.high)
    assert str(e) == f"{np.mean(y == p):.3f}"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.91234, 0.8811, 0.9339), "0.912 (0.881, 0.934)"),
        ((12.345, 10.1, 15.2), "12.3 (10.1, 15.2)"),
        ((1234.5, 1100.2, 1300.4), "1234 (1100, 1300)"),
        ((1.0, 1.0, 1.0), "1.000 (1.000, 1.000)"),
    ],
)
def test_few_digits(numbers, text):
    e = ev.Estimate(*numbers, n=4, replicates=np.ones(3))
    assert str(e) == text and float(e) == numbers[0]
    assert f"{e:.1f}".count(".") == 3 and "replicates" not in repr(e)


def test_class_table_holds_estimates():
    y, p, group = beats()
    table = ev.class_table(y, p, group, classes=list("NSVF"))
    assert list(table.index) == list("NSVF")
    assert list(table) == ["n", "groups", "sensitivity", "ppv", "specificity", "f1"]
    expected = ev.bootstrap("ppv/V", y, p, group)
    assert str(table.loc["V", "ppv"]) == str(expected)
    assert table.n["V"] == (y == "V").sum() and table.groups["F"] == len(set(group[y == "F"]))
    assert str(expected) in table.to_string()
    assert np.isnan(float(ev.class_table(y, p, group, classes=list("NX")).loc["X", "f1"]))


def test_confusion_and_by_group():
    y, p, group = beats(400, 6)
    table = ev.confusion(y, p)
    np.testing.assert_array_equal(table, metrics.confusion_matrix(y, p))
    assert table.index.name == "true" and list(table.columns) == CLASSES
    each = ev.by_group("accuracy", y, p, group)
    assert each[3] == pytest.approx(np.mean((y == p)[group == 3]))
    without = ev.by_group("sensitivity/V", np.array(list("NV")), np.array(list("NV")), np.array([0, 1]))
    assert np.isnan(without[0]) and without[1] == 1


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1", "mcc"])
def test_by_group_is_the_metric_of_each_group_alone(metric):
    y, p, group = beats(400, 6)
    each = ev.by_group(metric, y, p, group)
    alone = [ev.score(metric, y[group == g], p[group == g]) for g in each.index]
    np.testing.assert_allclose(each, alone)
    assert each.nunique() > 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: ev.bootstrap("accuracy", ["N"], ["N", "N"], [0]),
        lambda: ev.bootstrap("accuracy", [], [], []),
        lambda: ev.score("accuracy", ["N"], ["N", "V"]),
        lambda: ev.roc_pr([0, 1], [0.1, np.nan], [0, 1]),
        lambda: ev.roc_pr([1, 1], [0.1, 0.2], [0, 1]),
        lambda: ev.roc_pr([0, 2], [0.1, 0.2], [0, 1]),
        lambda: ev.choose_threshold([0, 0], [0.1, 0.2]),
        lambda: ev.choose_threshold([0, 1], [0.1, 0.2], "best"),
        lambda: ev.calibration([0.5, 1.5], [0, 1]),
        lambda: ev.calibration([0.5], [0, 1]),
        lambda: ev.temperature([[0.0, np.inf]], [0]),
        lambda: ev.group_split([0, 1], (0.5, 0.3, 0.2)),
        lambda: ev.group_split([0, 1, 2], (0.5, 0.3)),
        lambda: ev.group_split([0, 1, 2], (1.2, -0.2)),
        lambda: ev.group_split([0, 1, 2], (0.5, 0.5), stratify=[0, 1]),
        lambda: ev.grouped_folds([0, 1], [0, 1], 3),
    ],
)
def test_bad_input_is_one_clear_error(call):
    with pytest.raises(ValueError, match=r"\w{4,}"):
        call()


# Splits


def uneven(seed=0):
    """Labels and groups of very different size, one of which holds most of the class S."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(48), rng.integers(50, 400, 48))
    share = rng.dirichlet([8, 0.3, 0.6], 48)
    share[7] = [0.2, 0.75, 0.05]
    labels = np.array([rng.choice(list("NSV"), p=share[g]) for g in groups])
    return groups, labels


def test_group_split_parts_no_group_and_keeps_every_sample():
    groups, labels = uneven()
    parts = ev.group_split(groups, (0.6, 0.2, 0.2), seed=1, stratify=labels)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(groups)))
    held = [set(groups[p]) for p in parts]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]


def test_group_split_balances_sizes_and_labels():
    groups, labels = uneven()
    imbalance = []
    for stratify in (labels, None):
        worst = []
        for seed in range(20):
            parts = ev.group_split(groups, (0.6, 0.2, 0.2), seed=seed, stratify=stratify)
            sizes = [len(p) / len(groups) for p in parts]
            np.testing.assert_allclose(sizes, (0.6, 0.2, 0.2), atol=0.06)
            share = [[np.mean(labels[p] == c) / np.mean(labels == c) for c in "NSV"] for p in parts]
            worst.append(np.abs(np.array(share) - 1).max())
        imbalance.append(np.mean(worst))
    assert imbalance[0] < 0.4
    assert imbalance[0] < 0.6 * imbalance[1]


def test_group_split_depends_on_the_seed_only():
    groups, labels = uneven()
    first, again, other = (ev.group_split(groups, seed=s, stratify=labels)[2] for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    shuffled = np.random.default_rng(0).permutation(len(groups))
    moved = ev.group_split(groups[shuffled], seed=1, stratify=labels[shuffled])[2]
    assert set(groups[first]) == set(groups[shuffled][moved])


def test_group_split_fills_every_part():
    for seed in range(10):
        parts = ev.group_split(["a", "a", "a", "b", "c"], (0.8, 0.1, 0.1), seed=seed)
        assert all(len(p) for p in parts)


def test_grouped_folds():
    groups, labels = uneven()
    folds = ev.grouped_folds(groups, labels, 4, seed=0)
    assert np.array_equal(np.sort(np.concatenate([v for _, v in folds])), np.arange(len(groups)))
    for train, validation in folds:
        assert not set(groups[train]) & set(groups[validation])


# Scores and calibration


@pytest.mark.parametrize("ties", [False, True])
def test_areas_equal_scikit_learn_in_every_resample(ties):
    rng = np.random.default_rng(2)
    y, group = rng.random(500) < 0.2, rng.integers(0, 15, 500)
    score = y + rng.standard_normal(500)
    score = np.round(score) if ties else score
    curves = ev.roc_pr(y, score, group, n_resamples=30)
    weights = np.concatenate(list(ev._multiplicities(15, 30, 0)))
    for estimate, oracle in (
        (curves.auroc, metrics.roc_auc_score),
        (curves.average_precision, metrics.average_precision_score),
    ):
        assert estimate.value == pytest.approx(oracle(y, score))
        expected = [oracle(y, score, sample_weight=w[group]) for w in weights]
        np.testing.assert_allclose(estimate.replicates, expected)
    assert curves.prevalence == pytest.approx(y.mean())


def test_curves_pass_through_known_points():
    y = np.array([1, 1, 0, 1, 0, 0])
    curves = ev.roc_pr(y, np.array([6, 5, 4, 3, 2, 1]), np.arange(6))
    assert curves.roc.tpr[0.0] == pytest.approx(2 / 3) and curves.roc.tpr.iloc[-1] == 1
    assert curves.roc.tpr.iloc[34] == 1
    assert curves.pr.precision.iloc[[0, 66]].tolist() == [1, 1]
    assert curves.pr.precision.iloc[67] == pytest.approx(3 / 4)
    assert (curves.roc.low <= curves.roc.tpr + 1e-12).all() and (curves.roc.high >= curves.roc.tpr).all()


def test_many_levels_of_score_are_merged_with_little_loss():
    rng = np.random.default_rng(0)
    y, group = rng.random(30_000) < 0.1, rng.integers(0, 20, 30_000)
    score = 1.5 * y + rng.standard_normal(30_000)
    curves = ev.roc_pr(y, score, group, n_resamples=4)
    weights = np.concatenate(list(ev._multiplicities(20, 4, 0)))
    for estimate, oracle in (
        (curves.auroc, metrics.roc_auc_score),
        (curves.average_precision, metrics.average_precision_score),
    ):
        assert estimate.value == pytest.approx(oracle(y, score), abs=1e-12)
        expected = [oracle(y, score, sample_weight=w[group]) for w in weights]
        np.testing.assert_allclose(estimate.replicates, expected, atol=5e-4)


def test_threshold_is_the_best_of_all():
    rng = np.random.default_rng(4)
    y = rng.random(300) < 0.3
    score = y + rng.standard_normal(300)
    for objective, oracle in (("balanced", metrics.balanced_accuracy_score), ("f1", metrics.f1_score)):
        chosen = oracle(y, score >= ev.choose_threshold(y, score, objective))
        assert chosen == pytest.approx(max(oracle(y, score >= s) for s in score))
    assert ev.choose_threshold([0, 0, 1, 1], [1.0, 2.0, 4.0, 5.0]) == 3.0


def test_calibration_of_a_calibrated_and_of_a_vain_forecaster():
    rng = np.random.default_rng(0)
    prob = rng.random(20_000)
    happened, group = rng.random(20_000) < prob, rng.integers(0, 50, 20_000)
    table = ev.calibration(prob, happened, group)
    assert table.n.sum() == 20_000 and len(table) == 10
    assert (np.abs(table.predicted - table.observed) < 0.03).all()
    assert ((table.low <= table.observed) & (table.observed <= table.high)).all()
    assert ev.expected_calibration_error(prob, happened, group).value < 0.02
    vain = ev.expected_calibration_error(np.full(1000, 0.95), rng.random(1000) < 0.7, np.arange(1000))
    assert vain.value == pytest.approx(0.25, abs=0.04) and vain.low < 0.25 < vain.high
    assert np.isnan(ev.calibration(prob, happened).low).all()


def test_calibration_error_by_hand():
    # Bins of width 1/2: (0.2, 0.4 | one event) and (0.9 | no event).
    e = ev.expected_calibration_error([0.2, 0.4, 0.9], [0, 1, 0], bins=2)
    assert e.value == pytest.approx(abs(0.6 - 1) / 3 + 0.9 / 3)
    table = ev.calibration([0.0, 0.5, 0.5000001, 1.0], [0, 1, 1, 1], bins=2)
    assert table.n.tolist() == [2, 2]  # a bin holds its right edge


@pytest.mark.parametrize("true", [0.5, 3.0])
def test_temperature_is_found(true):
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((20_000, 4))
    p = special.softmax(logits, axis=1)
    y = (rng.random((20_000, 1)) > p.cumsum(1)).sum(1)
    assert ev.temperature(true * logits, y) == pytest.approx(true, rel=0.05)
    log_odds = logits[:, 1] - logits[:, 0]
    outcome = stats.bernoulli.rvs(special.expit(log_odds), random_state=1)
    assert ev.temperature(true * log_odds, outcome) == pytest.approx(true, rel=0.06)
    assert ev.temperature(true * log_odds[:, None], outcome) == pytest.approx(true, rel=0.06)


def test_importing_stays_light():
    heavy = "{'torch', 'sklearn', 'matplotlib'}"
    code = f"import sys, cardio_utils.evaluation; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
