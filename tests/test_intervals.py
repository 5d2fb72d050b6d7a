"""Bands and intervals of durations: what they promise holds on data whose distribution is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from cardio_utils import intervals
from cardio_utils import reconstruction as rc

TIME = rc.Windows.time
N = TIME.size


def beat(duration, delay=0.0):
    """Action potentials (beat, time) from 0 to 1, of a known width (s), and upstroke."""
    duration, delay = (np.asarray(v, float).reshape(-1, 1) for v in (duration, delay))
    rise = 1 / (1 + np.exp(-(TIME - delay) / 0.002))
    return (rise * (1 - 0.1 * TIME) / (1 + np.exp((TIME - delay - duration) / 0.03))).astype(np.float32)


def culture(n_groups=30, n_beats=8, spread=0.03, seed=0):
    """Windows whose true beats differ from a predicted one by a smooth error of each group, and its curves."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups).astype(str), n_beats)
    duration = np.repeat(rng.uniform(0.4, 0.7, n_groups), n_beats)
    median = beat(duration)
    noise = rng.standard_normal((n_groups * n_beats, N))
    smooth = ndimage.gaussian_filter1d(noise, 40, axis=1, mode="wrap") * np.sqrt(40 * 2 * np.sqrt(np.pi))
    target = median + spread * smooth.astype(np.float32)
    half = 1.645 * spread
    curves = np.stack([median - half, median, median + half], axis=1)
    whole = np.ones((len(group), N), bool)
    zero = np.zeros(len(group))
    seen = rc.Windows(median, target, whole, zero, group, np.arange(len(group)), np.full(len(group), ""))
    return seen, curves.astype(np.float32), group


def test_phases_follow_the_predicted_beat():
    code = intervals.phases(np.repeat(beat([0.5])[:, None], 3, axis=1))[0]
    at = {name: TIME[code == k] for k, name in enumerate(intervals.PHASES)}
    assert set(np.unique(code)) == {0, 1, 2, 3}
    assert at["upstroke"].min() > -0.02 and at["upstroke"].max() < 0.02
    assert 0.4 < at["plateau"].max() < 0.55
    assert 0.55 < at["repolarisation"].max() < 0.7
    assert at["rest"].min() == TIME[0]


def test_a_median_that_is_no_beat_gets_the_moments_of_others():
    curves = np.repeat(np.concatenate([beat([0.5, 0.5]), np.zeros((1, N), np.float32)])[:, None], 3, axis=1)
    code = intervals.phases(curves)
    assert (code[2] == code[0]).all()


def test_a_band_that_is_right_is_left_as_it_is():
    seen, curves, group = culture(n_groups=60)
    band = intervals.calibrate(curves, seen, group)
    assert band.factor == pytest.approx(1, abs=0.12)
    assert band.groups == 60


def test_calibration_repairs_a_band_that_is_half_as_wide_as_it_should_be():
    seen, curves, group = culture(n_groups=60)
    narrow = curves.copy()
    narrow[:, ::2] = (narrow[:, ::2] + narrow[:, 1:2]) / 2
    new, fresh, _ = culture(n_groups=20, seed=1)
    fresh[:, ::2] = (fresh[:, ::2] + fresh[:, 1:2]) / 2
    wide = intervals.widen(fresh, intervals.calibrate(narrow, seen, group))
    share = [
        t.loc[t["phase"] == "whole", "coverage"].mean()
        for t in (intervals.band_coverage(fresh, new), intervals.band_coverage(wide, new, fresh))
    ]
    assert share[0] < 0.65
    assert 0.88 < share[1] < 0.95
    assert (wide[:, 1] == fresh[:, 1]).all()


def test_every_group_counts_the_same():
    seen, curves, group = culture()
    many = np.concatenate([np.flatnonzero(group != "0"), *[np.flatnonzero(group == "0")] * 20])
    one, more = (intervals.calibrate(curves[r], seen.at(r), group[r]) for r in (np.arange(len(group)), many))
    assert more.factor == pytest.approx(one.factor, rel=0.03)


def test_too_few_groups_cannot_promise():
    seen, curves, group = culture(n_groups=5)
    with pytest.raises(ValueError, match="5 groups can promise a coverage of at most"):
        intervals.calibrate(curves, seen, group)


def test_shapes_that_do_not_fit_are_refused():
    seen, curves, group = culture(n_groups=10)
    with pytest.raises(ValueError, match="need curves"):
        intervals.calibrate(curves[:, :, :-1], seen, group)
    with pytest.raises(ValueError, match="one group a beat"):
        intervals.calibrate(curves, seen, group[:-1])


def test_what_lies_outside_the_beat_does_not_count():
    seen, curves, _ = culture(n_groups=10)
    target = seen.target.copy()
    target[:, N // 2 :] = 99
    inside = seen.inside & (np.arange(N) < N // 2)
    cut = replace(seen, target=target, inside=inside)
    table = intervals.band_coverage(curves, cut).query("phase == 'whole'")
    assert (table["samples"] == N // 2).all()
    assert table["coverage"].mean() > 0.8


def test_drawn_waveforms_without_errors_are_the_median():
    seen, curves, group = culture(spread=0.01)
    errors = intervals.Errors.of(curves, replace(seen, target=curves[:, 1]), group)
    waves = intervals.draw(curves[:3], errors, n=4)
    assert waves == pytest.approx(np.repeat(curves[:3, 1:2], 4, axis=1), abs=1e-5)


def test_draws_of_a_beat_do_not_depend_on_what_is_drawn_after_it_and_leave_out_its_group():
    seen, curves, group = culture(n_groups=4)
    errors = intervals.Errors.of(curves, seen, group)
    assert (intervals.draw(curves[:2], errors, 5) == intervals.draw(curves[:9], errors, 5)[:2]).all()
    only = intervals.Errors(errors.curve * (group == "0")[:, None], group)
    free = intervals.draw(curves[:1], only, 40, without=["0"])
    assert free == pytest.approx(np.repeat(np.clip(curves[:1, 1:2], -0.2, 1.15), 40, axis=1), abs=1e-5)


def test_intervals_of_durations_hold_what_they_promise_and_those_of_curves_do_not():
    """Errors that each beat has as a whole, in its duration: within a band any level can be crossed anywhere."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(40).astype(str), 5)
    expected = rng.uniform(0.4, 0.6, 40).repeat(5)
    true = expected + 0.02 * rng.standard_normal(200)
    median, target = beat(expected), beat(true)
    low, high = beat(expected - 0.033), beat(expected + 0.033)
    curves = np.stack([low, median, high], axis=1)
    zero, ok = np.zeros(200), np.ones((200, N), bool)
    seen = rc.Windows(median, target, ok, zero, group, np.arange(200), np.full(200, ""))
    errors = intervals.Errors.of(curves, seen, group)
    found = intervals.duration_intervals(curves, errors, n=30, without=group)
    table = intervals.duration_coverage(found, intervals.durations(target), group)
    assert 0.78 < table["inside"].mean() < 0.97
    assert table["error"].abs().median() < 20
    same, margin = intervals.calibrate_durations(curves, seen, group, n=30)
    assert (same.curve == errors.curve).all() and margin.shape == (4,)
    calibrated = intervals.duration_intervals(curves, errors, n=30, without=group, margin=margin)
    table = intervals.duration_coverage(calibrated, intervals.durations(target), group)
    assert (table.groupby("level")["inside"].mean() >= 0.9).all()
    wider = intervals.duration_intervals(curves, errors, n=30, without=group, margin=[1, 2, 3, 4])
    assert (wider[:, 2] - found[:, 2]) == pytest.approx(np.tile([1, 2, 3, 4], (200, 1)))


def test_edges_of_a_band_of_constant_height_cross():
    """A lower curve with a lower peak: its 90 % lies lower, too, and the interval has no width at all."""
    _, curves, _ = culture(n_groups=10)
    ends = intervals.curve_intervals(curves)
    truth = intervals.durations(curves[:, 1])
    table = intervals.duration_coverage(ends, truth, np.full(len(truth), "a"))
    assert np.abs(table["width"]).max() < 1
    crossed = intervals.duration_coverage(ends[:, ::-1] + [[1.0], [0.0], [-1.0]], truth, np.full(len(truth), "a"))
    assert crossed["crossed"].all() and not crossed["inside"].any()


def test_missing_intervals_count_as_misses():
    table = intervals.duration_coverage(np.full((2, 3, 1), np.nan), np.array([[300.0], [np.nan]]), ["a", "b"], [90])
    assert len(table) == 1 and table["missing"].all() and not table["inside"].any()


def test_a_model_without_quantiles_gets_the_band_of_its_errors():
    seen, curves, _ = culture(n_groups=40)
    band = intervals.constant_band(curves[:3, 1], curves[:, 1], seen)
    assert (np.diff(band, axis=1) >= 0).all()
    assert np.median(band[:, 2] - band[:, 1]) == pytest.approx(1.645 * 0.03, rel=0.1)


def test_the_network_learns_a_band_that_cannot_cross_and_predicts_the_mean_of_several():
    seen, _, _ = culture(n_groups=4, n_beats=4)
    networks = [rc.compact_network(seen.target.mean(axis=0), seed=k, n_quantiles=3) for k in range(2)]
    fitted = [rc.train(n, seen, seen, epochs=1, precision="32", accelerator="cpu") for n in networks]
    assert all(np.isfinite(f.history["train_loss"]).all() for f in fitted)
    both = intervals.predict(networks, seen.wave)
    assert both.shape == (16, 3, N) and (np.diff(both, axis=1) > 0).all()
    assert both == pytest.approx(
        (intervals.predict(networks[0], seen.wave) + intervals.predict(networks[1], seen.wave)) / 2
    )


def test_a_loss_that_becomes_nan_stops_training_and_says_so():
    seen, _, _ = culture(n_groups=2, n_beats=4)
    network = rc.compact_network(seen.target.mean(axis=0), None, n_quantiles=3)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        rc.train(
            network, seen, seen, epochs=20, learning_rate=1e30, schedule="constant", precision="32", accelerator="cpu"
        )


def test_shared_errors_change_nothing_between_equal_beats():
    seen, curves, group = culture(n_groups=4)
    errors = intervals.Errors.of(curves, seen, group)
    waves = intervals.draw(curves[:2], errors, 6, shared=True)
    assert (waves[0] == waves[1]).all()  # beats of one culture have one prediction here
    free = intervals.draw(curves[:2], errors, 6)
    assert (free[0] != free[1]).any()
