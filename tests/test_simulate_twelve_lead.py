"""Simulated twelve-lead records: the same whichever others are asked for, and sick in the way they say."""

import numpy as np
import pytest

from cardio_utils import ecg, lead_algebra
from cardio_utils.data import twelve_lead as data
from cardio_utils.simulate import twelve_lead as simulator


@pytest.fixture(scope="module")
def made():
    return simulator.simulate(12, seed=3)


@pytest.fixture(scope="module")
def healthy():
    who = simulator.patient(0, 5)
    return who._replace(severity=np.zeros(4), traits=who.traits | {"acute": 0.5, "strain": 1.0, "rr": 0.85})


def sick(who, name, severity):
    """The same patient with one process at a severity."""
    kinds, levels = dict(who.kinds), np.zeros(4)
    for k, (superclass, processes) in enumerate(simulator.PROCESSES.items()):
        if name in processes:
            kinds[superclass], levels[k] = name, severity
    return who._replace(kinds=kinds, severity=levels)


def beat_of(who):
    """Mean beat (12, w) of the patient's first record, baseline at the PR segment, and its delineation."""
    x = simulator.record(who, 0, 0, fs=500, seed=5).ecg.astype(float)
    waves = ecg.delineate(x, 500)
    beat = ecg.mean_beat(x, 500, np.rint(waves.peak * 500).astype(int))
    return beat - beat[:, 85:100].mean(1, keepdims=True), waves


def lead(beat, name):
    return beat[lead_algebra.TWELVE.index(name)]


def test_shapes_and_names(made):
    n = len(made["record"])
    assert made["ecg"].shape == (n, 12, 1000)
    assert made["ecg"].dtype == np.float32
    assert {len(column) for column in made.values()} == {n}
    assert len(set(made["record"])) == n > len(set(made["patient"])) == 12
    assert np.isfinite(made["ecg"]).all()


def test_a_patient_is_the_same_whichever_others_are_asked_for(made):
    fewer = simulator.simulate(12, seed=3, folds=[2])
    rows = np.flatnonzero(made["fold"] == 2)
    assert rows.size == len(fewer["record"]) > 0
    for name, column in fewer.items():
        np.testing.assert_array_equal(made[name][rows], column)


def test_seeds_differ_and_rates_are_kept(made):
    other = simulator.simulate(1, seed=4, fs=250, duration=4)
    assert other["ecg"].shape[1:] == (12, 1000)
    assert not np.allclose(other["ecg"][0, 1, :100], made["ecg"][0, 1, :100])


def test_leads_obey_the_algebra(made):
    assert lead_algebra.einthoven_residual(made["ecg"]).max() < 1e-6


def test_labels_follow_from_statements_and_truth_from_severity(made):
    severity = made["severity"]
    np.testing.assert_allclose(severity[:, 0], 1 - severity[:, 1:].max(1))
    np.testing.assert_array_equal(made["true_label"][:, 1:], severity[:, 1:] > simulator.PRESENT)
    np.testing.assert_array_equal(made["true_label"][:, 0], ~made["true_label"][:, 1:].any(1))
    known = {code for codes in data.SCP.values() for code in codes.split()}
    assert {name for of in simulator.PROCESSES.values() for name in of} <= known
    assert set(simulator.INCOMPLETE.values()) <= known


def test_all_classes_occur_and_some_labels_are_wrong():
    rng = np.random.default_rng(0)
    severity = np.array([simulator._severities(rng) for _ in range(4000)])
    share = (severity > simulator.PRESENT).mean(0)
    assert ((share > 0.08) & (share < 0.35)).all()
    assert 0.3 < (severity <= simulator.PRESENT).all(1).mean() < 0.65
    who = simulator.patient(0)
    kinds = {"MI": "IMI", "STTC": "NDT", "CD": "CRBBB", "HYP": "LVH"}
    read = [simulator._statements(rng, who._replace(kinds=kinds), s, 0.8) for s in severity]
    said = np.array([["IMI" in r, "NDT" in r, "CRBBB" in r or "IRBBB" in r, "LVH" in r] for r in read])
    wrong = (said != (severity > simulator.PRESENT)).mean(0)
    assert ((wrong > 0.01) & (wrong < 0.08)).all()


def test_a_normal_heart_looks_like_one(healthy):
    beat, waves = beat_of(healthy)
    assert lead(beat, "II").max() > 0.4
    assert lead(beat, "aVR").min() < -0.3
    assert -lead(beat, "V1").min() > lead(beat, "V1").max()
    assert lead(beat, "V6").max() > -lead(beat, "V6").min()
    assert 0.06 < np.nanmedian(waves.qrs_offset - waves.qrs_onset) < 0.115
    assert 0.28 < np.nanmedian(waves.t_end - waves.qrs_onset) < 0.46
    assert lead(beat, "V5")[160:330].max() > 0.05  # upright T


@pytest.mark.parametrize("block", ["CLBBB", "CRBBB"])
def test_a_block_widens_the_complex_and_turns_its_end(healthy, block):
    plain, before = beat_of(healthy)
    beat, after = beat_of(sick(healthy, block, 1.0))
    width = [np.nanmedian(w.qrs_offset - w.qrs_onset) for w in (before, after)]
    assert width[1] > width[0] + 0.018
    # Samples of 2 ms around the peak at 125: the left side is late in one block, the right side in the other
    if block == "CLBBB":
        early = slice(125 - 30, 125 - 15)
        across, usual = ((lead(x, "V6") - lead(x, "V1"))[early].mean() for x in (beat, plain))
        assert across > usual + 0.3
    else:
        assert lead(beat, "V1")[130:165].max() > lead(plain, "V1")[130:165].max() + 0.2


def test_what_lengthens_what(healthy):
    _, normal = beat_of(healthy)
    _, long = beat_of(sick(healthy, "LNGQT", 1.0))
    qt = [np.nanmedian(w.t_end - w.qrs_onset) for w in (normal, long)]
    assert qt[1] > qt[0] + 0.04
    assert (
        simulator._activation(sick(healthy, "IVCD", 1.0), {"IVCD": 1.0}).max()
        > 1.3 * simulator._activation(healthy, {}).max()
    )


def test_an_infarct_removes_voltage_and_injury_raises_st(healthy):
    plain, before = beat_of(healthy)
    beat, after = beat_of(sick(healthy, "ASMI", 0.9))
    assert lead(beat, "V2").max() < lead(plain, "V2").max()
    k = lead_algebra.TWELVE.index("V2")
    assert np.nanmedian(after.st[:, k]) > np.nanmedian(before.st[:, k]) + 0.05


def test_the_t_wave_flattens_and_inverts(healthy):
    heights = [lead(beat_of(sick(healthy, "NDT", s))[0], "V5")[190:330] for s in (0.0, 0.5, 1.0)]
    signed = [h[np.abs(h).argmax()] for h in heights]
    assert signed[0] > signed[1] > signed[2]
    assert signed[2] < 0


def test_a_long_pr_interval(healthy):
    x = {s: simulator.record(sick(healthy, "1AVB", s), 0, 0, fs=500, seed=5).ecg[1] for s in (0.0, 1.0)}
    at = {}
    for severity, trace in x.items():
        peaks = ecg.find_r_peaks(trace, 500)
        before = ecg.mean_beat(trace[None], 500, peaks, before=0.4, after=0.1)[0, :180]
        at[severity] = before.argmax() / 500
    assert at[1.0] < at[0.0] - 0.08


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_patients": 0}, "must be positive"),
        ({"n_patients": 2, "folds": [9]}, "no patient out of 2"),
        ({"n_patients": 1, "fs": 50}, "simulated at 100 to 1000 Hz"),
        ({"n_patients": 1, "duration": -1}, "must be positive"),
    ],
)
def test_what_cannot_be_simulated(options, reason):
    with pytest.raises(ValueError, match=reason):
        simulator.simulate(**options)


def test_the_reader_reads_the_simulated_set_back(tmp_path):
    made = data.load(n_patients=3, seed=1)
    data.write(made, tmp_path)
    read = data.load("ptbxl", folder=tmp_path)
    np.testing.assert_allclose(read.ecg, made.ecg, atol=0.00051)
    np.testing.assert_array_equal(read.label, made.label)
    np.testing.assert_array_equal(read.noise, made.noise)
    assert set(made.coords) - set(read.coords) == {"severity", "true_label"}
    one = data.load(n_patients=3, seed=1, records=[made.record.values[1]])
    np.testing.assert_array_equal(one.ecg[0], made.ecg[1])
