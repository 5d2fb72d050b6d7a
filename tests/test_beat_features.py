"""Features of a beat against its own record, on records whose every wave and interval is known; class weights."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cardio_utils.beat_features import balanced_weights, heartbeat_features
from cardio_utils.ecg import BEAT_FS, CENTRED_LENGTH, CENTRED_R, rr_intervals

TIME = (np.arange(CENTRED_LENGTH) - CENTRED_R) / BEAT_FS


def bell(delay, height, width):
    """A bell-shaped wave in every window, or one a beat where `height` is an array: (time) or (beat, time), mV."""
    return np.multiply.outer(height, np.exp(-((TIME - delay) ** 2) / (2 * width**2)))


def made(rr, *, p_wave=1.0, wide=False, name="a", seed=0):
    """A record with intervals `rr` (s) after its first beat; P waves scaled by `p_wave`, QRS `wide` or not."""
    samples = 1000 + np.concatenate([[0], np.cumsum(np.rint(np.asarray(rr) * 360))]).astype(np.int64)
    count = samples.size
    p_wave, wide = np.broadcast_to(p_wave, count), np.broadcast_to(wide, count)
    wave = np.random.default_rng(seed).normal(0, 0.01, (count, CENTRED_LENGTH))
    wave += bell(-0.16, 0.15 * p_wave, 0.025) + bell(0.28, 0.3, 0.04)
    wave += np.where(wide[:, None], bell(0.01, 1.2, 0.05) - bell(0.12, 0.5, 0.04), bell(0, 1.0, 0.012))
    before, after, mean = rr_intervals(samples, 360)
    coords = {"sample": samples, "record": np.full(count, name), "label": np.full(count, "N")}
    coords |= {"rr_before": before, "rr_after": after, "rr_mean": mean}
    return xr.Dataset(
        {"wave": (("beat", "time"), wave.astype(np.float32))}, {k: ("beat", v) for k, v in coords.items()}
    ).assign_coords(time=TIME)


def regular(count=80, rr=0.8, seed=1):
    """Intervals (s) with 3 % variation."""
    return rr * np.random.default_rng(seed).uniform(0.97, 1.03, count - 1)


def with_early_beats(early, count=80):
    """Intervals (s) of which those that end at the beats `early` are short, each followed by a pause."""
    rr = regular(count)
    rr[early - 1] *= 0.65
    rr[early] *= 1.2
    return rr


@pytest.fixture(scope="module")
def two_records():
    first = made(with_early_beats(np.array([20, 40])), p_wave=np.where(np.isin(np.arange(80), [20, 40]), -1, 1))
    return xr.concat([first, made(regular(60, 1.1), name="b", seed=2)], dim="beat")


@pytest.fixture(scope="module")
def features(two_records):
    return heartbeat_features(two_records)


def test_one_row_a_beat_all_finite(two_records, features):
    assert features.shape == (two_records.sizes["beat"], 97)
    assert features.columns.is_unique
    assert (features.dtypes == np.float32).all()
    assert np.isfinite(features.to_numpy()).all()
    assert list(features.index) == list(range(len(features)))


def test_the_documentation_names_the_number_of_columns(features):
    assert f"{features.shape[1]} columns" in heartbeat_features.__doc__


def test_the_order_of_the_beats_does_not_matter(two_records, features):
    order = np.random.default_rng(0).permutation(len(features))
    mixed = heartbeat_features(two_records.isel(beat=order))
    pd.testing.assert_frame_equal(mixed, features.iloc[order].reset_index(drop=True), check_exact=True)


def test_no_label_is_used(two_records, features):
    pd.testing.assert_frame_equal(heartbeat_features(two_records.drop_vars("label")), features, check_exact=True)


def test_records_do_not_mix(two_records, features):
    alone = heartbeat_features(two_records.isel(beat=slice(80, None)))
    pd.testing.assert_frame_equal(alone, features.iloc[80:].reset_index(drop=True), check_exact=True)


def test_amplitude_matters_to_the_volts_alone(two_records, features):
    doubled = heartbeat_features(two_records.assign(wave=2 * two_records["wave"]))
    np.testing.assert_allclose(doubled["qrs_volts"], 2 * features["qrs_volts"], rtol=1e-6)
    # Ratios to a median distance of 0.01 mV, the noise of these records, feel the constant of 0.005 mV beside it.
    ratios = [c for c in features if c.startswith(("p_ratio", "pt_ratio"))]
    others = features.columns.drop(["qrs_volts", *ratios])
    np.testing.assert_allclose(doubled[others], features[others], atol=0.05)
    np.testing.assert_allclose(doubled[ratios], features[ratios], rtol=0.4)
    assert features["qrs_volts"].median() == pytest.approx(1, abs=0.1)


def test_a_premature_beat_with_another_p_wave_stands_out(features):
    early, others = [20, 40], np.setdiff1d(np.arange(2, 78), [20, 21, 40, 41])
    assert features["before_late"][early].max() < -0.3 < -0.1 < features["before_late"][others].min()
    assert features["before_late"][early].to_numpy() == pytest.approx(np.log(0.65), abs=0.1)
    assert features["after_before"][early].min() > 0.5
    for template in ("usual", "late"):
        correlation, share = features[f"p_correlation_{template}"], features[f"p_share_{template}"]
        assert correlation[early].max() < 0.5 < 0.8 < correlation[others].min()
        assert share[early].to_numpy() == pytest.approx(-1, abs=0.2)
        assert features[f"p_ratio_{template}"][early].min() > 3 * features[f"p_ratio_{template}"][others].max()
    assert features["qrs_correlation"][early].min() > 0.95
    assert features["p_correlation_late_previous"][21] == features["p_correlation_late"][20]
    assert features["p_correlation_late_next"][19] == features["p_correlation_late"][20]


def test_a_wide_beat_stands_out_by_its_qrs_complex():
    wide = np.isin(np.arange(80), [30, 50])
    table = heartbeat_features(made(with_early_beats(np.array([30, 50])), p_wave=np.where(wide, 0, 1), wide=wide))
    assert table["qrs_correlation"][wide].max() < 0.9 < 0.95 < table["qrs_correlation"][~wide].min()
    assert table["qrs_width_change"][wide].min() > 3 >= table["qrs_width_change"][~wide].max()
    assert table["qrs_like_previous"][wide].max() < 0.9
    assert table["qrs_like_next"][29] == table["qrs_like_previous"][30]


def test_where_most_beats_are_premature_the_late_ones_are_the_measure():
    count = 160
    late = np.arange(count) % 4 == 0
    rr = regular(count) * np.where(late, 1.0, 0.6)[1:]
    table = heartbeat_features(made(rr, p_wave=np.where(late, 1, -1))).iloc[1:-1]
    late = late[1:-1]
    assert table["before_record"][~late].abs().max() < 0.1, "the median is that of the premature beats"
    assert table["before_late"][~late].max() < -0.35
    assert table["before_late"][late].abs().max() < 0.1
    assert table["p_correlation_usual"][~late].min() > table["p_correlation_usual"][late].max()
    assert table["p_correlation_late"][late].min() > 0.8 > 0.5 > table["p_correlation_late"][~late].max()
    assert (table["record_late"] < -0.35).all()


def test_what_is_said_to_read_ahead_by_some_beats_reads_no_further():
    beats = made(0.8 * np.exp(np.random.default_rng(4).normal(0, 0.2, 159)))
    whole, cut = (heartbeat_features(beats.isel(beat=slice(count))) for count in (160, 120))
    reach = {"before_previous": 0, "before_past": 0, "before_past_longest6": 0, "before_past_longest16": 0}
    reach |= {"interval": 0, "qrs_like_previous": 0, "interval_after": 1, "after_before": 1, "qrs_like_next": 1}
    reach |= {"before_future_longest6": 6, "before_future_longest16": 16, "turn31": 16, "rank41": 20}
    reach |= {"step9": 4, "step31": 15, "step31_median": 15, "step61_median": 30}
    reach |= {f"spread_{part}": 20 for part in ("up", "down", "quartiles")}
    for name, ahead in reach.items():
        kept = slice(40, 120 - ahead)  # an unknown first interval counts as the median of the record
        np.testing.assert_allclose(cut[name][kept], whole[name][kept], rtol=1e-5, atol=1e-6, err_msg=name)
    assert not np.allclose(cut["before_late"], whole["before_late"][:120])


def test_an_irregular_rhythm_is_told_from_a_regular_one():
    irregular = 0.8 * np.exp(np.random.default_rng(3).normal(0, 0.2, 99))
    table, steady = heartbeat_features(made(irregular)), heartbeat_features(made(regular(100)))
    for name in ("step9", "step31", "step31_median", "step_record", "spread_up", "spread_down", "spread_quartiles"):
        assert table[name].median() > 3 * steady[name].median(), name
    assert table["turn31"].mean() > 0.5


@pytest.mark.parametrize("count", [1, 2, 3, 7, 25])
def test_a_short_record_gives_finite_features(count):
    table = heartbeat_features(made(regular(count)))
    assert table.shape == (count, 97)
    assert np.isfinite(table.to_numpy()).all()


def test_unknown_intervals_and_equal_beats_give_finite_features():
    beats = made(regular(30))
    beats["rr_before"][:], beats["rr_after"][:] = np.nan, np.nan
    beats["wave"][:] = beats["wave"][0]
    table = heartbeat_features(beats)
    assert np.isfinite(table.to_numpy()).all()
    assert (table[["before_record", "before_late", "after_before", "qrs_distance"]] == 0).all().all()


def test_another_layout_or_no_beat_is_refused(two_records):
    with pytest.raises(ValueError, match="layout 'centred'"):
        heartbeat_features(two_records.isel(time=slice(100)))
    with pytest.raises(ValueError, match="no beat"):
        heartbeat_features(two_records.isel(beat=slice(0)))


SHARES = {"N": 0.6, "S": 0.3, "V": 0.1}


@pytest.fixture(scope="module")
def weighted():
    counts = {("N", "a", "recorded"): 400, ("N", "b", "recorded"): 100, ("N", "a", "synthetic"): 50}
    counts |= {("S", "a", "recorded"): 3, ("S", "b", "synthetic"): 90, ("S", "c", "synthetic"): 10}
    counts |= {("V", "c", "recorded"): 7}
    table = pd.DataFrame([key for key, n in counts.items() for _ in range(n)], columns=["label", "patient", "origin"])
    table = table.sample(frac=1, random_state=0, ignore_index=True)
    return table.assign(weight=balanced_weights(*(table[c].to_numpy() for c in table), SHARES))


def test_each_class_has_its_share_and_the_mean_is_one(weighted):
    assert weighted["weight"].dtype == np.float32
    assert weighted["weight"].mean() == pytest.approx(1, rel=1e-5)
    total = weighted.groupby("label")["weight"].sum() / len(weighted)
    assert total.to_dict() == pytest.approx(SHARES, rel=1e-4)


def test_each_origin_has_the_same_part_of_its_class(weighted):
    total = weighted.groupby(["label", "origin"])["weight"].sum() / len(weighted)
    for label in "NS":
        assert total[label].to_numpy() == pytest.approx(SHARES[label] / 2, rel=1e-4)
    assert total["V"].to_numpy() == pytest.approx([0.1], rel=1e-4)


def test_a_patient_counts_by_the_square_root_of_their_beats(weighted):
    total = weighted.groupby(["label", "origin", "patient"])["weight"].sum()
    assert total["N", "recorded", "a"] / total["N", "recorded", "b"] == pytest.approx(2, rel=1e-4)
    assert total["S", "synthetic", "b"] / total["S", "synthetic", "c"] == pytest.approx(3, rel=1e-4)
    assert (weighted.groupby(["label", "origin", "patient"])["weight"].nunique() == 1).all()


def test_a_label_without_a_share_is_refused():
    with pytest.raises(ValueError, match="label V"):
        balanced_weights(np.array(["N", "V"]), np.array(["a", "a"]), np.array(["x", "x"]), {"N": 1})
