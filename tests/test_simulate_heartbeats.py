"""Simulated arrhythmia records: physiology of the intervals, honest difficulty, and the files of the database."""

import numpy as np
import pytest

from cardio_utils import ecg
from cardio_utils.simulate import heartbeats


@pytest.fixture(scope="module")
def records():
    return heartbeats.simulate(beats=120)


def labels(record):
    return ecg.aami_class(record.symbols)


def test_shape_and_names(records):
    assert len(records) == 48 and len({r.patient for r in records}) == 48
    for r in records:
        assert r.signal.dtype == np.float32 and r.fs == 360.0 and np.isfinite(r.signal).all()
        assert r.samples.dtype == np.int64 and r.samples.shape == r.symbols.shape == (120,)
        assert r.symbols.dtype == "<U1" and set(labels(r)) <= set("NSVFQ")
        assert r.samples[0] >= 0 and r.samples[-1] < len(r.signal) and np.diff(r.samples).min() > 60
        assert 0.4 < np.ptp(np.quantile(r.signal, [0.001, 0.999])) < 8  # mV


def test_patient_depends_on_seed_and_place_alone(records):
    few = heartbeats.simulate(n_patients=3, beats=120)
    for a, b in zip(few, records, strict=False):
        np.testing.assert_array_equal(a.signal, b.signal)
        np.testing.assert_array_equal(a.samples, b.samples)
        np.testing.assert_array_equal(a.symbols, b.symbols)
    other = heartbeats.simulate(n_patients=1, beats=120, seed=1)[0]
    assert not np.array_equal(other.signal[:3000], few[0].signal[:3000])
    with pytest.raises(ValueError, match="positive"):
        heartbeats.simulate(n_patients=0)


def test_annotations_sit_on_qrs_complexes(records):
    for r in records:
        ecg.check_recording(r)  # refuses annotations that do not
    smooth = [np.convolve(r.signal, np.ones(5) / 5, "same") for r in records]
    swing = [[np.ptp(s[max(0, p - 40) : p + 40]) for p in r.samples] for s, r in zip(smooth, records, strict=True)]
    quiet = [np.ptp(s[p + 180 : p + 220]) for s, r in zip(smooth, records, strict=True) for p in r.samples[:-1]]
    assert np.median(np.concatenate(swing)) > 3 * np.median(quiet)


def test_every_class_is_on_both_sides(records):
    present = {c: np.array([c in labels(r) for r in records]) for c in "NSVFQ"}
    for c, patients in present.items():
        assert patients[:32].sum() >= 4, c
        assert patients[32:].sum() >= 3, c
    share = {c: np.mean([np.mean(labels(r) == c) for r in records]) for c in "NSVFQ"}
    assert 0.70 < share["N"] < 0.86
    assert 0.03 < share["S"] < 0.09 and 0.06 < share["V"] < 0.12
    assert 0.01 < share["F"] < 0.05 and 0.02 < share["Q"] < 0.08
    blocked = [bool(set(r.symbols) & {"L", "R"}) for r in records]
    assert 0.15 <= np.mean(blocked) <= 0.20
    assert not any({"L", "R"} <= set(r.symbols) for r in records)


def intervals(records, symbols):
    """Interval before, interval after and the one two beats before, s, of beats with sinus beats around them."""
    rows = []
    for r in records:
        rr = np.diff(r.samples) / r.fs
        names = labels(r)
        for i in range(2, len(names) - 1):
            around = names[[i - 2, i - 1, i + 1]]
            if r.symbols[i] in symbols and np.all(around == "N") and "Q" not in names:
                rows.append((rr[i - 1], rr[i], rr[i - 2]))
    return np.array(rows).T


def test_premature_beats_are_premature_and_pauses_right(records):
    before, after, usual = intervals(records, "V")
    assert np.median(before / usual) < 0.85
    pause_v = np.median((before + after) / usual)
    assert pause_v == pytest.approx(2, abs=0.1)  # fully compensatory
    assert np.mean((before + after) / usual < 1.4) > 0.02  # some are interpolated
    before, after, usual = intervals(records, "Aa")
    ratio = before / usual
    assert (
        np.median(ratio) < 0.85 and np.quantile(ratio, 0.95) > np.quantile(ratio, 0.05) + 0.2
    )  # from marked to subtle
    assert np.median((before + after) / usual) < pause_v - 0.1  # incomplete
    before, _, usual = intervals(records, "F")
    assert np.median(before / usual) == pytest.approx(1, abs=0.1)


def test_intervals_alone_do_not_tell(records):
    early = np.concatenate([np.diff(r.samples)[1:] / np.diff(r.samples)[:-1] < 0.85 for r in records])
    names = np.concatenate([labels(r)[2:] for r in records])
    assert np.mean(names[early] == "N") > 0.2


def test_fibrillation_is_irregular_and_without_p(records):
    def variation(r):
        rr = np.diff(r.samples)
        return np.std(rr) / np.mean(rr)

    pure = [variation(r) for r in records if np.mean(labels(r) == "N") > 0.97]
    assert max(pure) > 0.15 and min(pure) < 0.08


def test_files_read_back(records, tmp_path):
    import wfdb

    chosen = [records[0], records[5]]
    assert heartbeats.write_wfdb(chosen, tmp_path / "mitdb") == ["sim000", "sim005"]
    for r in chosen:
        path = str(tmp_path / "mitdb" / r.name)
        back, notes = wfdb.rdrecord(path), wfdb.rdann(path, "atr")
        assert back.fs == 360 and back.sig_name == ["MLII"] and back.fmt == ["212"] and back.units == ["mV"]
        np.testing.assert_allclose(back.p_signal[:, 0], r.signal, atol=1e-6)
        assert notes.symbol[0] == "+" and notes.aux_note[0].startswith("(N")
        np.testing.assert_array_equal(notes.sample[1:], r.samples)
        assert notes.symbol[1:] == r.symbols.tolist()
    assert (tmp_path / "mitdb" / "RECORDS").read_text().split() == ["sim000", "sim005"]


def test_noise_has_its_parts():
    rng = np.random.default_rng(0)
    noise = np.stack([heartbeats.recording_noise(rng, 20_000, 360.0) for _ in range(8)])
    assert noise.shape == (8, 20_000) and 0.02 < noise.std(1).mean() < 0.3
    assert noise.std(1).max() > 1.5 * noise.std(1).min()  # recordings differ


def test_as_hard_as_in_life(records):
    """The same model is far better if beats of its patients were in training, and not perfect otherwise."""
    import xgboost
    from sklearn.metrics import f1_score

    from cardio_utils.data.heartbeats import from_recordings

    beats = from_recordings(records, layout="centred")
    features = np.c_[beats["wave"].values, ecg.rr_features(beats).values]
    target = np.unique(beats["label"].values, return_inverse=True)[1]
    patient = np.array([int(name[3:]) for name in beats["patient"].values])

    def score(train):
        model = xgboost.XGBClassifier(
            n_estimators=60, max_depth=4, learning_rate=0.2, colsample_bytree=0.3, max_bin=64, n_jobs=1
        )
        model.fit(features[train], target[train])
        return f1_score(target[~train], model.predict(features[~train]), average="macro")

    honest = score(patient < 32)
    leaky = score(np.random.default_rng(0).random(len(target)) < 2 / 3)
    assert 0.45 < honest < 0.95
    assert leaky > honest + 0.05
