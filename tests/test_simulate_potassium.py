"""Directions and limits of what potassium does, in morphed and in simulated hearts."""

import numpy as np
import pytest

from cardio_utils import ecg, lead_algebra
from cardio_utils.simulate import potassium as sim
from cardio_utils.simulate import twelve_lead

STRONG, WEAK = sim.Responder(1.0, 1.0, 1.0), sim.Responder(0.0, 0.0, 0.0)
FS = 100.0
BEFORE = 30
MARKS = sim.Marks(-0.04, 0.05, 0.26, 0.36)


def beat():
    """Eight leads, mV: P, QRS and T as bells."""
    time = np.arange(98) / FS - 0.3
    bell = lambda at, sd: np.exp(-0.5 * ((time - at) / sd) ** 2)  # noqa: E731
    wave = 0.1 * bell(-0.17, 0.02) + 1.0 * bell(0, 0.015) - 0.2 * bell(0.03, 0.01) + 0.3 * bell(0.26, 0.04)
    return np.linspace(0.6, 1.2, 8)[:, None] * wave


def morphed(potassium, responder=STRONG):
    return sim.morph(beat(), BEFORE, FS, MARKS, sim.effect(potassium, responder))


def width(x, at):
    """Width at half height around a sample, in samples, linearly interpolated."""
    fine = np.interp(np.arange(0, len(x) - 1, 0.1), np.arange(len(x)), x)
    k = at * 10
    low = fine < fine[k] / 2
    return (np.flatnonzero(low[k:])[0] + k - np.flatnonzero(low[:k])[-1]) / 10


def t_wave(x):
    """Height and width (samples) of T of V4 in a morphed beat."""
    lead = x[5, 46:78]
    at = int(lead.argmax())
    return lead[at], width(x[5], 46 + at)


def test_nothing_happens_at_a_normal_concentration_or_to_a_heart_that_does_not_respond():
    assert np.allclose(morphed(sim.GAINS["neutral"]), beat(), atol=1e-12)
    for potassium in (1.8, 3.0, 6.0, 8.5):
        assert np.allclose(morphed(potassium, WEAK), beat(), atol=1e-12)


def test_high_potassium_makes_t_tall_and_narrow_then_widens_qrs_and_takes_p():
    height, wide = t_wave(beat())
    high, narrow = t_wave(morphed(5.9))
    assert high > 1.15 * height and narrow < 0.9 * wide
    late = morphed(7.8)
    assert width(np.abs(late[5]), BEFORE) > 1.3 * width(np.abs(beat()[5]), BEFORE)
    p = slice(5, 16)
    assert np.abs(morphed(6.8)[5, p]).max() < 0.7 * np.abs(beat()[5, p]).max()
    assert np.abs(morphed(8.6)[5, p]).max() < 0.2 * np.abs(beat()[5, p]).max()


def test_low_potassium_makes_t_low_and_wide_lowers_st_and_adds_u():
    height, wide = t_wave(beat())
    low, broad = t_wave(morphed(2.8))
    assert low < 0.9 * height and broad > 1.1 * wide
    deep = morphed(2.2) - beat()
    assert deep[5, 42] < 0 and sim.effect(2.2, STRONG).u_height > 0.1
    assert sim.effect(3.6, STRONG).u_height == 0 == sim.effect(3.6, STRONG).st


def test_effects_are_monotone_where_they_should_be():
    at = np.arange(1.5, 9.01, 0.1)
    each = [sim.effect(k, STRONG) for k in at]
    assert (np.diff([e.qrs_width for e in each]) >= 0).all()
    assert (np.diff([e.p_height for e in each]) <= 0).all()
    assert (np.diff([e.u_height for e in each]) <= 1e-12).all()
    below = at <= 5.9
    assert (np.diff(np.array([e.t_height for e in each])[below]) >= 0).all()
    assert (np.diff(np.array([e.t_width for e in each])[below]) <= 0).all()


def test_the_ends_of_a_beat_stay():
    for potassium in (1.8, 7.5, 9.0):
        change = morphed(potassium) - beat()
        assert np.allclose(change[:, [0, -1]], 0) and np.isfinite(change).all()


def record(n=1000, seed=0):
    """Ten beats of the same kind with noise, (8, n)."""
    rng = np.random.default_rng(seed)
    x = np.zeros((8, n))
    for start in range(20, n - 98, 90):
        x[:, start : start + 98] += beat()
    return x + rng.normal(0, 0.01, x.shape)


def test_a_morphed_record_keeps_its_noise():
    x = record()
    base = sim.template(x, FS)
    assert len(base.peaks) >= 9 and abs(base.marks.t_peak - 0.26) < 0.03
    for potassium in (2.2, 7.0):
        difference = sim.morphed(x, base, potassium, STRONG) - x
        change = sim.morph(base.beat, base.before, FS, base.marks, sim.effect(potassium, STRONG)) - base.beat
        between = difference[:, base.peaks[3] - 5 : base.peaks[3] + 5]
        assert np.allclose(between, change[:, base.before - 5 : base.before + 5], atol=0.02)
        again = sim.morphed(np.zeros_like(x), base, potassium, STRONG)
        assert np.allclose(again, difference)  # the same whatever the record holds: no noise goes through


def test_other_beats_are_left_alone():
    x = record()
    odd = 20 + 4 * 90
    x[:, odd : odd + 98] = -2 * np.roll(beat(), 3, axis=1)
    base = sim.template(x, FS)
    assert not np.any(np.abs(base.peaks - (odd + BEFORE)) < 8)


def test_a_record_without_beats_is_refused():
    with pytest.raises(ValueError, match="at least 3"):
        sim.template(np.zeros((8, 1000)), FS)


# Draws


def test_concentrations_lie_in_their_class():
    rng = np.random.default_rng(0)
    for group, (low, high) in enumerate(((1.8, 2.5), (2.5, 3.5), (3.5, 5.5), (5.5, 6.5), (6.5, 9.0))):
        drawn = [sim.draw_potassium(rng, group) for _ in range(100)]
        assert low < min(drawn) and max(drawn) < high
    natural = np.array([sim.draw_potassium(rng) for _ in range(4000)])
    assert np.mean(natural <= 3.5) == pytest.approx(0.22, abs=0.03)
    assert np.mean(natural >= 5.5) == pytest.approx(0.02, abs=0.008)


def test_a_laboratory_reports_tenths_and_errs():
    rng = np.random.default_rng(0)
    said = np.array([sim.laboratory(rng, 4.2) for _ in range(4000)])
    assert np.allclose(10 * said, np.round(10 * said))
    assert np.median(said) == pytest.approx(4.2) and 0.15 < np.std(said[said < 4.8]) < 0.23
    assert 0.01 < np.mean(said > 4.9) < 0.03  # haemolysed


def test_many_hardly_respond():
    rng = np.random.default_rng(0)
    strengths = np.array([sim.draw_responder(rng) for _ in range(3000)])
    assert np.allclose((strengths < 0.25).mean(0), [0.27, 0.4, 0.4], atol=0.03)
    assert abs(np.corrcoef(strengths.T)[0, 1]) < 0.06


def test_every_patient_goes_through_the_classes_and_is_the_same_for_others():
    from cardio_utils.data.potassium import encode_k_class

    drawn = [value for value, _, _ in sim.concentrations(3, 3, 5)]
    assert sorted(encode_k_class(drawn)) == [0, 1, 2, 3, 4]
    assert [v for v, _, _ in sim.concentrations(3, 3, 2)] == drawn[:2]
    assert len({r for _, r, _ in sim.concentrations(3, 9, 5)} | {r for _, r, _ in sim.concentrations(3, 3, 5)}) == 1
    with pytest.raises(ValueError, match="'balanced' or 'natural'"):
        next(sim.concentrations(0, 0, 1, "even"))


# The simulated heart


@pytest.fixture(scope="module")
def hearts():
    """V5 and QRS of one patient at several concentrations, without noise."""
    who = twelve_lead.patient(4, 0)
    found = {}
    for potassium in (2.5, 4.5, 6.5, 8.0):
        field = sim._LEADS @ who.heart.lead_field(who.positions, who.rotation)
        found[potassium] = sim._ventricles(who, field, potassium, STRONG, 0.85)
    return found


def test_t_of_the_simulated_heart_rises_with_potassium_and_comes_earlier(hearts):
    v5 = {k: x[6, 180:] for k, x in hearts.items()}
    assert v5[2.5].max() < v5[4.5].max() < v5[6.5].max()
    assert v5[2.5].argmax() > v5[4.5].argmax() > v5[6.5].argmax() - 1


def test_qrs_of_the_simulated_heart_widens(hearts):
    def late(x):
        slope = np.sqrt(np.square(np.diff(x, axis=1)).sum(0))[:180]
        return np.flatnonzero(slope > 0.1 * slope.max())[-1]

    assert late(hearts[4.5]) <= late(hearts[6.5]) < late(hearts[8.0])


def test_simulated_records():
    made = sim.simulate(2, draws=2, seed=1, duration=6.0)
    assert made["ecg"].shape == (4, 12, 600) and made["ecg"].dtype == np.float32 and np.isfinite(made["ecg"]).all()
    assert lead_algebra.einthoven_residual(made["ecg"]).max() < 1e-5
    assert made["patient"].tolist() == ["1", "1", "2", "2"] and made["fold"].tolist() == [1, 1, 2, 2]
    one = sim.simulate(2, draws=2, seed=1, duration=6.0, folds=[2])
    assert np.array_equal(one["ecg"], made["ecg"][2:])
    assert len(ecg.find_r_peaks(made["ecg"][0, 1], FS)) >= 4
    with pytest.raises(ValueError, match="folds are 1 to 10"):
        sim.simulate(2, folds=[5])
    with pytest.raises(ValueError, match="positive"):
        sim.simulate(0)
