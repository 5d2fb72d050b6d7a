"""Linear reconstruction against textbook solutions, scores and bands against cases that can be computed by hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cardio_utils import lead_algebra, leads
from cardio_utils.evaluation import bootstrap

RNG = np.random.default_rng(0)


def hearts(n=12, time=200, seed=0):
    """Records (n, 8, time) of random dipoles, each through slightly other leads, with a little noise."""
    rng = np.random.default_rng(seed)
    dipole = np.cumsum(rng.normal(0, 0.1, (n, 3, time)), axis=-1)
    dipole -= dipole.mean(-1, keepdims=True)
    matrix = lead_algebra.DOWER + rng.normal(0, 0.05, (n, 8, 3))
    return (matrix @ dipole + rng.normal(0, 0.02, (n, 8, time))).astype(np.float32)


# Sets


def test_a_set_is_read_from_its_name_and_back():
    assert leads.lead_set("I+ii+V3").tolist() == [True, True, False, False, True, False, False, False]
    assert leads.name_of(leads.lead_set("V3+I")) == "I+V3"
    assert leads.hidden("I+II+V3").tolist() == [2, 3, 5, 6, 7]
    masks = leads.all_sets()
    assert len(masks) == 255 and len({m.tobytes() for m in masks}) == 255
    assert len(leads.all_sets(3)) == 8 + 28 + 56


@pytest.mark.parametrize("name", ["aVR", "I+V7", "", np.zeros(8, bool), np.ones(7, bool)])
def test_what_is_no_set_is_refused(name):
    with pytest.raises(ValueError, match=r"eight|none of"):
        leads.lead_set(name)


# Linear models


def test_least_squares_equals_a_regression_of_the_samples():
    x = hearts()
    mask = leads.lead_set("I+II+V3")
    weights = leads.linear_weights(leads.gram(x, lags=0), mask, ridge=0)
    rows = x.transpose(1, 0, 2).reshape(8, -1).astype(float)
    expected = np.linalg.lstsq(rows[mask].T, rows[~mask].T, rcond=None)[0].T
    assert np.allclose(weights[~mask][:, mask, 0], expected, atol=1e-6)
    assert np.array_equal(weights[mask][:, mask, 0], np.eye(3))


def test_fir_regression_equals_ridge_on_moved_copies():
    x = hearts(4, 60)
    known, mask = leads.gram(x, lags=2, block=3), leads.lead_set("II+V2")
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2))).astype(float)
    columns = np.stack([padded[:, k, lag : lag + 60].ravel() for k in np.flatnonzero(mask) for lag in range(5)], axis=1)
    inner = columns.T @ columns
    inner += 1e-3 * np.trace(inner) / 10 * np.eye(10)
    expected = np.linalg.solve(inner, columns.T @ x[:, 5].ravel())
    weights = leads.linear_weights(known, mask)
    assert np.allclose(weights[5, mask].ravel(), expected, atol=1e-5)
    drawn = leads.reconstruct(weights, x, block=3)
    assert np.allclose(drawn[:, 5].ravel(), columns @ expected, atol=1e-5)
    assert np.array_equal(drawn[:, mask], x[:, mask])


def test_a_gram_of_moved_leads_holds_that_of_the_moment():
    x = hearts(5, 80)
    assert np.allclose(leads.gram(x, 3).at_once().matrix, leads.gram(x, 0).matrix, rtol=1e-5)


def test_hidden_leads_are_not_looked_at():
    x = hearts()
    other = x.copy()
    other[:, leads.hidden("I+II")] = np.nan
    for weights in (leads.linear_weights(leads.gram(x), "I+II"), leads.dower_weights("I+II")):
        assert np.array_equal(leads.reconstruct(weights, x), leads.reconstruct(weights, other))


def test_every_set_has_its_place_in_the_table():
    known = leads.gram(hearts(), 1)
    table = leads.every_fir(known)
    assert table.shape == (256, 8, 8, 3) and not table[0].any()
    mask = leads.lead_set("II+V5")
    assert np.allclose(table[2 + 2**6], leads.linear_weights(known, mask), atol=1e-6)


def test_a_dipole_is_drawn_exactly_by_dower_and_by_kors_nearly():
    dipole = RNG.normal(size=(3, 3, 100))
    x = (lead_algebra.DOWER @ dipole).astype(np.float32)
    drawn = leads.reconstruct(leads.dower_weights("I+II+V2", ridge=0), x)
    assert np.allclose(drawn, x, atol=1e-4)
    drawn = leads.reconstruct(leads.kors_weights(leads.gram(x), "I+II+V2"), x)
    assert leads.summary(leads.scores(x, drawn, "I+II+V2"))["median r"] > 0.95


def test_the_ranking_gives_the_error_of_the_drawn_signals():
    x, y = hearts(8), hearts(8, seed=1)
    known = leads.gram(x, 1)
    table = leads.subset_ranking(known, leads.gram(y, 1), most=3)
    assert len(table) == 8 + 28 + 56
    assert table.r2.is_monotonic_decreasing
    row = table.set_index("leads").loc["I+II+V3"]
    drawn = leads.reconstruct(leads.linear_weights(known, "I+II+V3"), y)
    for k in leads.hidden("I+II+V3"):
        expected = 1 - ((y[:, k] - drawn[:, k]) ** 2).sum() / (y[:, k] ** 2).sum()
        assert row[f"r2 {lead_algebra.EIGHT[k]}"] == pytest.approx(expected, abs=1e-4)
    assert np.isnan(row["r2 V3"])


def test_all_255_sets_are_ranked_but_those_that_hide_no_chest_lead():
    assert len(leads.subset_ranking(leads.gram(hearts(), 0))) == 255 - 4


def test_a_lead_more_never_hurts_the_fit():
    table = leads.subset_ranking(leads.gram(hearts(), 0), ridge=0).set_index("leads")
    assert table.loc["I+II+V3", "r2 V1"] >= table.loc["I+II", "r2 V1"]


def test_own_leads_know_more_than_the_population():
    x = hearts(10, 400)
    truth, drawn = leads.own_regression(x, "I+II+V3")
    assert truth.shape == drawn.shape == (10, 8, 200)
    population = leads.reconstruct(leads.linear_weights(leads.gram(x), "I+II+V3"), x)
    own, all_ = (leads.summary(leads.scores(a, b, "I+II+V3")) for a, b in ((truth, drawn), (x, population)))
    assert own["median r2"] > all_["median r2"]


# Scores


def test_scores_of_known_errors():
    truth = np.tile(np.sin(np.linspace(0, 20 * np.pi, 1000, endpoint=False)), (2, 8, 1))
    drawn = truth.copy()
    drawn[:, 2] *= 0.5
    drawn[:, 3] *= -1
    drawn[:, 4] += 0.1
    drawn[:, 5] = 0
    table = leads.scores(truth, drawn, "I+II", ["a", "a"]).set_index(["record", "lead"])
    assert table.loc[(0, "V1"), ["r", "r2"]].tolist() == pytest.approx([1, 0.75])
    assert table.loc[(0, "V2"), ["r", "r2"]].tolist() == pytest.approx([-1, -3])
    assert table.loc[(0, "V3"), ["r", "rmse"]].tolist() == pytest.approx([1, 100])
    assert table.loc[(0, "V4"), ["r", "r2"]].tolist() == pytest.approx([0, 0])
    assert table.loc[(1, "V6"), ["r", "r2", "rmse"]].tolist() == pytest.approx([1, 1, 0])
    assert (table.patient == "a").all()


def test_flat_leads_are_counted_not_scored():
    truth = hearts(3)
    truth[1, 4] = 0.2
    table = leads.scores(truth, truth * 0.9, "I+II")
    found = leads.summary(table)
    assert found["flat"] == 1 and found["mean r"] == pytest.approx(1)
    assert leads.mean_score(table).value == pytest.approx(1)


def test_scores_refuse_what_cannot_be_scored():
    x = hearts(2)
    with pytest.raises(ValueError, match="hides no chest lead"):
        leads.scores(x, x, "V1+V2+V3+V4+V5+V6")
    with pytest.raises(ValueError, match="two arrays"):
        leads.scores(x, x[:, :, 1:], "I+II")


def test_an_interval_counts_patients():
    x = hearts(6)
    table = leads.scores(x, x + 0.05 * hearts(6, seed=2), "I+II", np.repeat(["a", "b", "c"], 2))
    assert leads.mean_score(table).n == 3


def test_percentiles_name_each_record_once():
    x = hearts(40)
    drawn = x + np.linspace(0, 1, 40)[::-1, None, None] * hearts(40, seed=3)
    table = leads.scores(x, drawn, "I+II")
    places = leads.at_percentiles(table)
    mean = table.groupby("record").r.mean()
    assert places[0] == mean.idxmin()
    assert len(set(places.values())) == len(places) == 3  # 0 % and 1 % of forty are the same record
    assert mean[places[5]] < mean[places[50]]


def test_shrinkage_of_a_known_line():
    truth = np.linspace(0.5, 2.5, 101)
    kept = leads.shrinkage(np.append(truth, np.nan), np.append(0.6 * truth + 0.4, 1))
    assert kept["slope"] == pytest.approx(0.6)
    assert kept["top"] == pytest.approx(np.median((0.6 * truth + 0.4)[80:] / truth[80:]))


def beats(n=2, rr=0.8, fs=100.0, height=1.0):
    """Records of eight equal leads: QRS of 40 ms width, ST at 0.1 mV, T wave; and the R peaks."""
    time = np.arange(1000) / fs
    at = np.arange(0.6, 9.4, rr)
    dt = time - at[:, None]
    wave = height * np.exp(-0.5 * (dt / 0.015) ** 2) + 0.3 * height * np.exp(-0.5 * ((dt - 0.3) / 0.04) ** 2)
    return np.tile(wave.sum(0), (n, 8, 1)), [np.round(at * fs).astype(int)] * n


def test_clinical_measures_scale_with_the_height_and_intervals_do_not():
    (low, peaks), (tall, _) = beats(), beats(height=2.0)
    first, second = (leads.clinical(x, peaks, "I+II+V3") for x in (low, tall))
    assert first["R"].shape == (2, 5)
    assert np.allclose(second["R"], 2 * first["R"], rtol=1e-3)
    assert np.allclose(first["R"], 1.0, atol=0.15)
    assert np.allclose(first["QRS"], second["QRS"]) and 40 < first["QRS"][0] < 130
    assert 300 < first["QT"][0] < 480


def test_a_record_without_beats_gives_nan():
    found = leads.clinical(np.zeros((1, 8, 1000)), [np.array([], int)], "I+II")
    assert np.isnan(found["QRS"]).all() and np.isnan(found["R"]).all() and found["R"].shape == (1, 6)


def test_a_second_opinion_on_a_simulated_record():
    from cardio_utils import ecg
    from cardio_utils.data import twelve_lead

    x = leads.records(twelve_lead.load("simulated", n_patients=2)).x[1]
    found = leads.second_opinion(x[6], ecg.find_r_peaks(x[1], 100.0))
    assert 30 < found["QRS"] < 200 and 250 < found["QT"] < 600
    assert np.isnan(leads.second_opinion(np.zeros(1000), np.array([500]))["QRS"])


# Bands


def test_a_factor_makes_the_band_hold_its_share():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, (60, 8, 200))
    middle = np.zeros_like(truth)
    curves = np.stack([middle - 0.2, middle, middle + 0.2], axis=1)
    factor = leads.band_factor(curves[:40], truth[:40], np.arange(40), every=1)
    # One more patient of infinite scores stands for the new one: the 0.9 * 41 / 40 quantile of 40 patients.
    assert np.allclose(factor * 0.2, stats.norm.ppf((1 + 0.9 * 41 / 40) / 2), atol=0.08)
    inside, width = leads.band_coverage(leads.widened(curves[40:], factor), truth[40:], "I+II")
    assert inside.shape == width.shape == (20, 6)
    assert inside.mean() == pytest.approx(0.9 * 41 / 40, abs=0.02)


def test_a_band_keeps_the_shape_of_its_halves():
    curves = np.array([-1.0, 0.0, 3.0]).reshape(1, 3, 1, 1) * np.ones((1, 3, 8, 5))
    wide = leads.widened(curves, np.full(8, 2.0))
    assert np.allclose(wide[:, 0], -2) and np.allclose(wide[:, 1], 0) and np.allclose(wide[:, 2], 6)


# Classes


def test_areas_agree_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    label = RNG.random((80, 5)) < 0.4
    score = np.round(label + RNG.normal(0, 1, label.shape), 1)  # with ties
    assert leads.area(label[:, 0], score[:, 0]) == pytest.approx(roc_auc_score(label[:, 0], score[:, 0]))
    assert leads.macro_area(label, score) == pytest.approx(roc_auc_score(label, score, average="macro"))
    with pytest.raises(ValueError, match="both classes"):
        leads.area(np.ones(4), np.arange(4))


def test_non_inferiority_needs_the_whole_interval():
    label = RNG.random((300, 5)) < 0.4
    score, who = label + RNG.normal(0, 0.7, label.shape), np.arange(300)
    worse = score + RNG.normal(0, 1.5, label.shape)
    first, second = (bootstrap(leads.macro_area, label, s, who, 200) for s in (score, worse))
    assert leads.non_inferiority(first, first).holds
    found = leads.non_inferiority(second, first)
    assert not found.holds and found.difference.high < 0
    assert leads.non_inferiority(second, first, margin=0.9).holds


# A recording of one's own


def own(names, n=1000, fs=100.0):
    import xarray as xr

    x = np.full((1, 12, n), np.nan, np.float32)
    time = np.arange(n) / fs
    for name in names:
        x[0, lead_algebra.TWELVE.index(name)] = np.sin(2 * np.pi * 2 * time)
    return xr.Dataset({"ecg": (("record", "lead", "time"), x)}, attrs={"fs": fs})


def test_a_recording_says_which_leads_it_holds():
    assert leads.name_of(leads.own_mask(own(["I", "II", "V5"]))) == "I+II+V5"
    with pytest.raises(ValueError, match="none of I"):
        leads.own_mask(own([]))
    gap = own(["I", "II"])
    gap["ecg"].values[0, 1, 5] = np.nan
    with pytest.raises(ValueError, match="samples are missing in II"):
        leads.own_mask(gap)


def test_twelve_leads_are_written_and_read_back(tmp_path):
    from cardio_utils.data import twelve_lead

    twelve = lead_algebra.twelve_from_eight(hearts(1, 500))[0]
    leads.write_wfdb("mine", twelve, tmp_path)
    back = twelve_lead.read_record(tmp_path / "mine.hea")
    assert back.attrs["fs"] == 100
    assert np.allclose(back["ecg"].values[0], twelve, atol=1e-3)


# The published table


@pytest.mark.real
@pytest.mark.skipif(
    not Path(os.environ.get("CARDIO_DATA", "/nowhere"), "ptbxl", "ptbxl_database.csv").is_file(),
    reason="CARDIO_DATA holds no PTB-XL",
)
def test_the_baselines_on_the_subset_of_ptbxl():
    from cardio_utils.data import twelve_lead

    dataset = twelve_lead.load("ptbxl")
    if dataset.sizes["record"] != 2992:
        pytest.skip("the table is of a subset of 2,992 records")
    split, every = twelve_lead.split(dataset), leads.records(dataset)
    sound = np.abs(every.x[split.train]).max((1, 2)) < 10
    known, test = leads.gram(every.x[split.train[sound]]), every.x[split.test]
    table = {
        "I+II": (0.459, 0.803, 0.606, 135, 0.588, 0.843, 0.743, 119),
        "I+II+V2": (0.825, 0.943, 0.893, 79, 0.843, 0.952, 0.904, 74),
        "I+II+V3": (0.819, 0.942, 0.886, 78, 0.839, 0.949, 0.901, 74),
        "I+II+V4": (0.707, 0.898, 0.778, 100, 0.743, 0.909, 0.832, 93),
        "I+II+V2+V5": (0.906, 0.971, 0.926, 56, 0.912, 0.972, 0.930, 55),
    }
    for name, published in table.items():
        found = []
        for weights in (leads.linear_weights(known.at_once(), name, 0), leads.linear_weights(known, name)):
            row = leads.summary(leads.scores(test, leads.reconstruct(weights, test), name))
            found += [row["median r2"], row["median r"], row["mean r"], row["rmse (uV)"] / 1000]
        expected = [value / 1000 if value > 1 else value for value in published]
        assert found == pytest.approx(expected, abs=0.005), name
