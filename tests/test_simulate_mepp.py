"""Simulated miniature end-plate potentials: the table is the trace, groups are groups, conditions do what they say."""

import numpy as np
import pytest

from cardio_utils.simulate import mepp

STILL = dict(hum=0.0, settling=0.0, walk=0.0, wander=0.0, noise_drift=0.0)


@pytest.fixture(scope="module")
def normal():
    return mepp.simulate("normal", 6, 60.0)


@pytest.fixture(scope="module")
def hard():
    return mepp.simulate("hard", 6, 60.0)


def test_an_event_has_its_peak_of_1_where_said_and_is_0_before_its_onset():
    rise, decay = np.array([0.4e-3, 1e-3, 0.1e-3]), np.array([3e-3, 0.9e-3, 20e-3])
    t = np.linspace(-1e-3, 50e-3, 100_001)
    y = mepp.shape(t, rise[:, None], decay[:, None])
    np.testing.assert_allclose(y.max(1), 1, atol=1e-5)
    np.testing.assert_allclose(t[y.argmax(1)], mepp.time_to_peak(rise, decay), atol=1e-6)
    assert (y[:, t < 0] == 0).all() and (y[:, t > 0] > 0).all()


def test_without_noise_the_trace_is_the_table():
    data = mepp.simulate("normal", 2, 20.0, snr=1e5, **STILL)
    for i in range(2):
        mine = (data.event_recording.values == i) & ~data.overlap.values
        at = np.round(data.peak.values[mine] * mepp.FS).astype(int)
        height = data.vm.values[i][at] - float(data.resting[i])
        # The peak lies up to half a sample away, and values are steps of the converter.
        np.testing.assert_allclose(height, data.amplitude.values[mine], atol=0.6 * float(data.step[i]), rtol=0.015)
        spans = data.peak.values[data.event_recording.values == i]
        far = np.min(abs(data.time.values[:, None] - spans), axis=1) > 0.08
        assert abs(data.vm.values[i][far] - float(data.resting[i])).max() <= 0.51 * float(data.step[i])


def test_the_noise_has_the_standard_deviation_that_is_said():
    data = mepp.simulate("empty", 3, 30.0, snr=4, **STILL | {"ends": 1.0})
    np.testing.assert_allclose(data.vm.values.std(1), data.noise_sd, rtol=0.02)
    np.testing.assert_allclose(data.mean_amplitude / data.noise_sd, 4)


def test_the_shape_of_a_data_set(normal):
    assert normal.vm.dims == ("recording", "time") and normal.vm.dtype == np.float32
    assert normal.vm.shape == (6, 600_000) and normal.attrs["groups"] == "day"
    assert normal.day.values.tolist() == ["D01"] * 6
    assert normal.fibre.values.tolist() == ["D01F1"] * 2 + ["D01F2"] * 2 + ["D01F3"] * 2
    assert normal.recording.values[1] == "normal_D01F1R2"
    order = np.lexsort((normal.onset, normal.event_recording))
    assert (order == np.arange(order.size)).all()
    assert (normal.peak > normal.onset).all() and (normal.amplitude > 0).all()
    steps = normal.vm.values / normal.step.values[:, None]
    assert abs(steps - np.round(steps)).max() < 0.02


def test_events_resemble_published_ones(normal):
    rise = np.log(9) * normal.tau_rise * 1000  # 10-90 % of the rise alone, which the decay shortens
    assert 0.4 < np.median(rise) < 1.4
    to_peak = 1000 * (normal.peak - normal.onset)
    assert 0.7 < np.median(to_peak) < 1.3
    assert 2 < 1000 * np.median(normal.tau_decay) < 6
    assert 0.3 < np.median(normal.amplitude) < 1.5
    assert 6 <= normal.recording_snr.min() and normal.recording_snr.max() <= 14


def test_intervals_are_those_of_chance_and_the_rate_is_the_one_said():
    data = mepp.simulate("normal", 1, 120.0, rate=15.0)
    intervals = np.diff(data.onset.values)
    assert intervals.std() / intervals.mean() == pytest.approx(1, abs=0.08)
    n = data.sizes["event"]
    assert n == pytest.approx(float(data.rate[0]) * 120, abs=4 * np.sqrt(n))


def test_wandering_rates_come_in_crowds():
    count = [np.histogram(mepp.simulate("normal", 1, 200.0, rate=9.0, modulation=m).onset, 60)[0] for m in (0.0, 0.8)]
    fano = [c.var() / c.mean() for c in count]
    assert fano[0] < 1.8 < fano[1]


def test_a_share_of_the_samples_as_in_the_originals_is_an_event(normal):
    length = (normal.peak - normal.onset + normal.tau_decay).values
    assert 0.002 < length.sum() / (6 * 60) < 0.02


def test_a_stretch_holds_the_recordings_of_the_whole():
    whole, part = mepp.simulate("hard", 9, 5.0), mepp.simulate("hard", 2, 5.0, first=7)
    assert part.recording.values.tolist() == whole.recording.values[7:].tolist() == ["hard_D02F1R2", "hard_D02F2R1"]
    np.testing.assert_array_equal(part.vm, whole.vm[7:])
    np.testing.assert_array_equal(part.onset, whole.onset[whole.event_recording >= 7])
    assert not np.array_equal(mepp.simulate("hard", 1, 5.0, seed=1).vm, whole.vm[:1])


def test_animals_are_the_same_in_all_tiers():
    tiers = [mepp.simulate(tier, 7, 1.0) for tier in mepp.TIERS]
    for data in tiers:
        np.testing.assert_allclose(data.mean_amplitude, tiers[0].mean_amplitude)
        assert data.fibre.values.tolist() == tiers[0].fibre.values.tolist()
    assert not np.array_equal(tiers[0].vm, tiers[1].vm)


def test_amplitudes_differ_between_fibres_more_than_between_recordings_of_one():
    data = mepp.simulate("normal", 36, 20.0, snr=20)
    means = [data.amplitude.values[data.event_recording.values == i].mean() for i in range(36)]
    pairs = np.log(means).reshape(18, 2)
    assert pairs.mean(1).std() > 2 * (pairs[:, 0] - pairs[:, 1]).std() / 2


def test_the_hard_tier_holds_what_makes_it_hard(hard, normal):
    assert set(hard.kind.values) == {"mepp", "giant", "slow", "double"}
    assert set(hard.artefact_kind.values) == {"spike", "pop", "wave", "step", "burst"}
    assert 2 <= hard.recording_snr.min() and hard.recording_snr.max() <= 6
    assert normal.sizes["artefact"] == 0 and "double" not in normal.kind.values
    kinds = {kind: hard.isel(event=hard.kind.values == kind) for kind in ("mepp", "giant", "slow")}
    assert kinds["giant"].amplitude.mean() > 2 * kinds["mepp"].amplitude.mean() > 2 * kinds["slow"].amplitude.mean()
    assert kinds["slow"].tau_rise.mean() > 2 * kinds["mepp"].tau_rise.mean()
    np.testing.assert_allclose(hard.snr, hard.amplitude / hard.noise_sd.values[hard.event_recording])


def test_doubles_follow_within_10_ms_and_overlap(hard):
    double = np.flatnonzero(hard.kind.values == "double")
    onset, recording = hard.onset.values, hard.event_recording.values
    earlier = [onset[k] - onset[(recording == recording[k]) & (onset < onset[k])] for k in double]
    assert all(((gap >= 0.002) & (gap <= 0.010)).any() for gap in earlier)
    assert hard.overlap.values[double].all()
    gap = np.array([np.sort(abs(onset[k] - onset[recording == recording[k]]))[1] for k in range(onset.size)])
    np.testing.assert_array_equal(hard.overlap, gap < 0.010)


def test_empty_and_artefact_recordings_hold_no_event():
    for tier, artefacts in (("empty", False), ("artefact", True)):
        data = mepp.simulate(tier, 2, 60.0)
        assert data.sizes["event"] == 0 and (data.sizes["artefact"] > 0) == artefacts
        assert (data.rate == 0).all()


def test_conditions_meet_the_same_events():
    plain = mepp.simulate("normal", 1, 20.0, snr=5, **STILL)
    for condition in (dict(hum=1.0), dict(walk=2.0), dict(spikes=30.0), dict(pops=30.0)):
        other = mepp.simulate("normal", 1, 20.0, snr=5, **STILL | condition)
        np.testing.assert_array_equal(other.onset, plain.onset)
        np.testing.assert_array_equal(other.amplitude, plain.amplitude)
    slow = mepp.simulate("normal", 1, 20.0, snr=5, kinetics=2.0, **STILL)
    np.testing.assert_allclose(slow.tau_decay, 2 * plain.tau_decay)
    both = [mepp.simulate("empty", 1, 20.0, pops=30.0, spikes=s) for s in (0.0, 20.0)]
    pops = [data.artefact_time.values[data.artefact_kind.values == "pop"] for data in both]
    np.testing.assert_array_equal(*pops)


def test_hum_stands_at_the_frequency_of_the_mains():
    rows = [mepp.simulate("empty", 1, 20.0, snr=4, **STILL | {"hum": h, "ends": 1.0}) for h in (0.0, 1.0)]
    difference = rows[1].vm.values[0].astype(float) - rows[0].vm.values[0]
    power = abs(np.fft.rfft(difference))
    found = np.fft.rfftfreq(difference.size, 1 / mepp.FS)[power.argmax()]
    assert found == pytest.approx(float(rows[0].mains[0]), abs=0.2)
    strength = np.sqrt(2) * difference.std() / float(rows[0].noise_sd[0])
    assert 0.5 < strength < 1.7


def test_the_asked_snr_goes_round():
    data = mepp.simulate("hard", 5, 2.0, snr=[2, 3])
    np.testing.assert_allclose(data.recording_snr, [2, 3, 2, 3, 2])
    np.testing.assert_allclose(data.mean_amplitude / data.noise_sd, data.recording_snr)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tier": "soft"}, "tier must be one of normal, hard, empty, artefact, not 'soft'"),
        ({"noise": 3}, r"unknown condition\(s\) noise: snr, rate"),
        ({"rate": -1.0}, "must not be negative"),
        ({"snr": 0}, "snr must be positive"),
        ({"n_recordings": 0}, "impossible"),
        ({"duration": 0.01}, "0.2 s to 4 hours"),
    ],
)
def test_what_is_impossible_is_said(options, reason):
    with pytest.raises(ValueError, match=reason):
        mepp.simulate(**options)
