"""Synthetic rhythms: labels and intervals by construction, P waves, and whose they are."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cardio_utils.beat_features import heartbeat_features
from cardio_utils.data import heartbeats
from cardio_utils.ecg import BEAT_FS, CENTRED_LENGTH, CENTRED_R, rr_intervals
from cardio_utils.simulate.heartbeats import simulate
from cardio_utils.simulate.rhythms import RHYTHMS, synthetic_rhythms

TIME = (np.arange(CENTRED_LENGTH) - CENTRED_R) / BEAT_FS
P_WINDOW = (TIME > -0.22) & (TIME < -0.10)


def made(count=220, every=10, name="a", patient="someone"):
    """Beats of one record: sinus rhythm at 0.9 s, each `every`th beat ventricular (without P wave, a broad bell)."""
    rng = np.random.default_rng(0)
    samples = np.cumsum(np.rint(360 * 0.9 * rng.uniform(0.98, 1.02, count))).astype(np.int64)
    before, after, mean = rr_intervals(samples, 360)
    ventricular = np.arange(count) % every == every - 1
    sinus = sum(
        height * np.exp(-((TIME - delay) ** 2) / (2 * width**2))
        for delay, height, width in [(-0.16, 0.15, 0.02), (0, 1.0, 0.012), (0.28, 0.3, 0.04)]
    )
    broad = -1.5 * np.exp(-(TIME**2) / (2 * 0.05**2))
    wave = np.where(ventricular[:, None], broad, sinus) + rng.normal(0, 0.005, (count, CENTRED_LENGTH))
    label = np.where(ventricular, "V", "N")
    coords = {"label": label, "symbol": label, "record": np.full(count, name), "patient": np.full(count, patient)}
    coords |= {"sample": samples, "rr_before": before, "rr_after": after, "rr_mean": mean}
    return xr.Dataset(
        {"wave": (("beat", "time"), wave.astype(np.float32))},
        {k: ("beat", v) for k, v in coords.items()},
        {"source": "made"},
    ).assign_coords(time=TIME)


def p_height(beats):
    """Mean of each beat's P wave over the line between its ends (mV)."""
    piece = beats["wave"].values[:, P_WINDOW]
    return piece.mean(axis=1) - (piece[:, :2].mean(axis=1) + piece[:, -2:].mean(axis=1)) / 2


def rhythm_of(beats):
    return pd.Series(beats["record"].values).str.split("-").str[-1].to_numpy()


@pytest.fixture(scope="module")
def origin():
    return made()


@pytest.fixture(scope="module")
def rhythms(origin):
    return synthetic_rhythms(origin, rhythms=RHYTHMS * 4, length=(100, 180), seed=1)


def test_labels_follow_from_the_rhythm(rhythms):
    table = pd.crosstab(rhythm_of(rhythms), rhythms["label"].values)
    assert set(table.columns) == {"N", "S", "V"}
    assert (table.loc[["fibrillation", "sinus"], "S"] == 0).all()
    assert (table.loc["atrial", ["N", "S"]] > 50).all()
    assert (rhythms["symbol"] == rhythms["label"]).all()


def test_each_record_has_its_name_and_the_patient_of_its_origin(rhythms):
    names = dict.fromkeys(rhythms["record"].values.tolist())
    assert list(names) == [f"a~{i}-{rhythm}" for i, rhythm in enumerate(RHYTHMS * 4)]
    assert set(rhythms["patient"].values.tolist()) == {"someone"}
    counts = pd.Series(rhythms["record"].values).value_counts()
    assert counts.between(100, 179).all()
    assert "synthetic" in rhythms.attrs["source"]


def test_long_names_stay_apart():
    made_of_long = synthetic_rhythms(made(60, name="a_record_of_sixteen_and_more"), length=(20, 30))
    assert len(set(made_of_long["record"].values.tolist())) == len(RHYTHMS)


def test_intervals_agree_with_the_samples(rhythms):
    for _, record in rhythms.groupby("record"):
        before, after, mean = rr_intervals(record["sample"].values, 360)
        for name, expected in {"rr_before": before, "rr_after": after, "rr_mean": mean}.items():
            np.testing.assert_allclose(record[name].values, expected, atol=1.01 / 360)
        assert np.isnan(record["rr_before"].values[0]) and np.isnan(record["rr_after"].values[-1])


def test_waves_and_intervals_are_those_of_a_heart(rhythms):
    assert rhythms["wave"].dtype == np.float32
    assert np.isfinite(rhythms["wave"]).all()
    assert 0.1 < rhythms["rr_before"].min() and rhythms["rr_before"].max() < 4
    np.testing.assert_array_equal(rhythms["time"], TIME)


def test_fibrillation_is_irregular_and_has_no_p_wave(origin):
    usual = np.median(p_height(origin)[origin["label"].values == "N"])
    beats = synthetic_rhythms(origin, rhythms=["fibrillation"] * 6, length=(100, 180), seed=2)
    beats = beats.isel(beat=(beats["label"] == "N").values & (beats["rr_before"] > 0.6).values)
    assert usual > 0.03
    for _, record in beats.groupby("record"):
        assert abs(np.median(p_height(record))) < 0.15 * usual
        rr = record["rr_before"].values
        assert np.std(np.log(rr)) > 0.05


def test_atrial_beats_are_premature_with_a_p_wave_of_their_own(origin):
    beats = synthetic_rhythms(origin, rhythms=["atrial"] * 8, length=(100, 180), seed=3)
    features = heartbeat_features(beats)
    label = beats["label"].values
    early = label == "S"
    first = early & np.r_[False, label[:-1] == "N"]
    previous = features["before_previous"].to_numpy()
    assert np.mean(previous[first] < 0) > 0.9, "the first of a run ends an interval shorter than the last one"
    assert np.median(features["before_late"][early]) < -0.15
    assert np.median(features["p_distance_late"][early]) > 2 * np.median(features["p_distance_late"][label == "N"])


def test_sinus_rhythm_keeps_the_p_wave_and_has_nothing_premature(origin):
    beats = synthetic_rhythms(origin.isel(beat=(origin["label"] == "N").values), rhythms=["sinus"] * 4, seed=4)
    usual = np.median(p_height(origin)[origin["label"].values == "N"])
    assert set(beats["label"].values.tolist()) == {"N"}
    assert np.median(p_height(beats)) == pytest.approx(usual, rel=0.2)
    assert np.quantile(heartbeat_features(beats)["before_local"], 0.01) > -0.4


def test_ventricular_beats_are_the_patients_own_and_premature(origin, rhythms):
    ventricular = (rhythms["label"] == "V").values
    own = {w.tobytes() for w in origin["wave"].values[origin["label"].values == "V"]}
    assert ventricular.sum() > 50
    assert all(w.tobytes() in own for w in rhythms["wave"].values[ventricular])
    sinus = rhythm_of(rhythms) == "sinus"
    assert np.median(heartbeat_features(rhythms)["before_local"][ventricular & sinus]) < -0.1


def test_the_seed_decides(origin):
    first, again, other = (synthetic_rhythms(origin, length=(50, 80), seed=seed) for seed in (5, 5, 6))
    xr.testing.assert_identical(first, again)
    assert first.sizes != other.sizes or not np.array_equal(first["wave"], other["wave"])


def test_the_order_of_the_beats_does_not_matter(origin):
    order = np.random.default_rng(0).permutation(origin.sizes["beat"])
    mixed = synthetic_rhythms(origin.isel(beat=order), length=(50, 80))
    xr.testing.assert_equal(mixed, synthetic_rhythms(origin, length=(50, 80)))


def test_records_with_few_normal_beats_are_passed_over(origin):
    both = xr.concat([origin, made(40, name="b")], dim="beat")
    names = synthetic_rhythms(both, rhythms=["sinus"], length=(50, 80))["record"].values
    assert set(names.tolist()) == {"a~0-sinus"}


def test_what_cannot_be_laid_out_is_refused(origin):
    with pytest.raises(ValueError, match="layout 'centred'"):
        synthetic_rhythms(origin.isel(time=slice(100)))
    with pytest.raises(ValueError, match="unknown rhythm flutter; known are fibrillation, atrial, sinus"):
        synthetic_rhythms(origin, rhythms=["atrial", "flutter"])
    with pytest.raises(ValueError, match="no record has 500 normal beats"):
        synthetic_rhythms(origin, length=(500, 600))


def test_simulated_patients_can_be_laid_out_and_joined_to_their_origin():
    beats = heartbeats.from_recordings(simulate(n_patients=2, beats=60), layout="centred")
    rhythms = synthetic_rhythms(beats, length=(30, 50))
    assert set(rhythms["patient"].values.tolist()) <= set(beats["patient"].values.tolist())
    joined = xr.concat([beats, rhythms], dim="beat", coords="minimal", compat="override")
    assert heartbeat_features(joined).shape[0] == beats.sizes["beat"] + rhythms.sizes["beat"]
