"""Windows of eAPs, honest parts, copies, models and errors of reconstructed waveforms."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from cardio_utils import reconstruction as rc
from cardio_utils import residuals

FS = 5000.0


def beat(duration=0.6, spike=0.17, fs=FS, length=1.6, following=None, noise=0.002, seed=0):
    """An eAP (mV) and iAP (mV) whose upstroke and spike are at `spike` (s); `following` starts another beat."""
    time = np.arange(round(length * fs)) / fs
    eap, iap = np.zeros(time.size), np.full(time.size, -0.4)
    for begin in (spike,) if following is None else (spike, following):
        since = time - begin
        eap += 0.4 * np.exp(-0.5 * ((since + 0.0015) / 0.001) ** 2) - 0.3 * np.exp(
            -0.5 * ((since - 0.0015) / 0.001) ** 2
        )
        up = since > 0
        shape = np.where(up, (1 - 0.5 * np.clip(since / duration, 0, 1)) / (1 + np.exp((since - duration) / 0.02)), 0)
        rise = 1 - np.exp(-np.clip(since, 0, None) / 0.002)
        iap += 4 * shape * rise
        eap += 0.05 * shape * rise - 0.02 * np.where(up, np.exp(-(((since - duration) / 0.1) ** 2)), 0)
    rng = np.random.default_rng(seed)
    return (eap + noise * rng.standard_normal(time.size)).astype("float32"), iap.astype("float32")


def pairs(durations, recordings=None, **options):
    made = [beat(d, seed=k, **options) for k, d in enumerate(durations)]
    n = len(made)
    coords = {
        "recording": ("beat", np.array(recordings if recordings is not None else ["r"] * n)),
        "flag": ("beat", np.full(n, "", "<U64")),
    }
    eap, iap = (np.stack(x) for x in zip(*made, strict=True))
    return xr.Dataset({"eap": (("beat", "time"), eap), "iap": (("beat", "time"), iap)}, coords, {"fs": FS})


@pytest.fixture(scope="module")
def seen():
    durations = np.linspace(0.4, 0.8, 24)
    return rc.windows(pairs(durations, np.repeat(["a", "b", "c", "d"], 6)))


def test_windows_begin_before_the_spike_and_hold_the_iap_on_its_clock():
    found = rc.windows(pairs([0.5, 0.6], spike=0.17))
    assert found.wave.shape == found.target.shape == (2, 1400) and found.wave.dtype == found.target.dtype == np.float32
    np.testing.assert_allclose(found.spike, 0.17, atol=3e-4)
    measured = rc.measure(found.target)
    np.testing.assert_allclose(measured["upstroke"], 0, atol=1.5)
    np.testing.assert_allclose(found.target.max(1), 1, atol=0.02)
    np.testing.assert_allclose(found.target[:, :80], 0, atol=0.02)
    assert found.inside.all()


@pytest.mark.parametrize("spike", [0.13, 0.2, 0.25])
def test_where_the_spike_lies_in_the_given_window_does_not_matter(spike):
    here, there = (rc.windows(pairs([0.55], spike=s, noise=0)) for s in (0.17, spike))
    np.testing.assert_allclose(here.wave, there.wave, atol=0.02)
    np.testing.assert_allclose(here.target, there.target, atol=0.02)


def test_neither_gain_nor_offset_nor_sampling_rate_matters():
    slow, fast = (rc.extracellular(beat(fs=fs, noise=0)[0], fs) for fs in (5000.0, 10_000.0))
    np.testing.assert_allclose(slow.wave, fast.wave, atol=0.03)
    eap = beat()[0]
    louder = rc.extracellular(1000 * eap + 50, FS)
    np.testing.assert_allclose(rc.extracellular(eap, FS).wave, louder.wave, atol=1e-3)


def test_wave_has_unit_size_and_no_spike():
    found = rc.extracellular(beat()[0], FS)
    behind = found.wave[0, found.time >= 0.03]
    assert np.sqrt((behind**2).mean()) == pytest.approx(1, abs=1e-5)
    assert np.abs(np.diff(found.wave[0])).max() < 0.2  # the spike is eight times the plateau
    assert found.target is None


def test_the_window_ends_at_the_next_beat_and_its_last_value_is_held():
    found = rc.windows(pairs([0.5], spike=0.17, following=1.3))
    inside = found.inside[0]
    end = inside.sum()
    assert inside[:end].all() and not inside[end:].any()
    assert 1.0 < found.time[end] < 1.3 - 0.17
    assert np.ptp(found.target[0, end:]) == 0 and np.ptp(found.target[0, :end]) > 0.9
    alone = rc.windows(pairs([0.5], spike=0.17))
    np.testing.assert_allclose(found.target[0, :end], alone.target[0, :end], atol=0.02)


@pytest.mark.parametrize(
    ("eap", "fs", "message"),
    [
        (beat(length=0.9)[0], FS, r"shape \(1, 4500\) at 5000 Hz: windows are \(beat, sample\) and last 1.1 s"),
        (beat()[0], 5.0, "5 Hz: windows need at least 1000 Hz .is it given in kHz"),
        (np.zeros((3, 8000)), FS, "none of 3 beats is usable: eAP is constant"),
        (np.full((1, 8000), np.nan), FS, "eAP has missing samples"),
        (-beat()[0], FS, "inverted.*multiply the recording by -1"),
    ],
)
def test_unusable_recordings_are_refused_with_a_remedy(eap, fs, message):
    with pytest.raises(ValueError, match=message):
        rc.extracellular(eap, fs)


def test_single_unusable_beats_are_left_out_with_a_reason():
    eap = np.stack([beat(0.5)[0], np.zeros(8000, "float32"), beat(0.6)[0], beat(0.5)[0], beat(0.3, following=0.5)[0]])
    eap[3, 100] = np.nan
    found = rc.extracellular(eap, FS, recording=["a", "b", "c", "d", "e"])
    assert found.position.tolist() == [0, 2] and found.recording.tolist() == ["a", "c"]
    assert found.reason.tolist() == ["", "eAP is constant", "", "eAP has missing samples", "eAP is cut off"]


def test_an_iap_that_is_cut_off_and_a_flagged_beat_are_left_out():
    given = pairs([0.5, 1.35, 0.6])
    given["flag"][2] = "eAP drifts"
    found = rc.windows(given)
    assert found.position.tolist() == [0]
    assert found.reason.tolist() == ["", "iAP does not repolarise in the window", "eAP drifts"]


def test_collections_keep_recordings_and_preparations_apart():
    def load(number):
        given = pairs([0.5, 0.6 + 0.05 * number], recordings=["r", "s"])
        return given.assign_coords(preparation=("beat", ["p", "q"]), sensor=("beat", ["nea", "mea"]))

    found, about = rc.collections(load, 3)
    assert found.recording.tolist() == ["r", "s", "r (1)", "s (1)", "r (2)", "s (2)"]
    assert about.preparation.tolist() == ["p", "q", "p (1)", "q (1)", "p (2)", "q (2)"]
    assert about.sensor.tolist() == 3 * ["nea", "mea"] and about.collection.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.position.tolist() == list(range(6)) and len(found.reason) == 6
    np.testing.assert_array_equal(found.wave[4:], rc.windows(load(2)).wave)


def test_parts_share_no_preparation_and_leave_out_relatives_of_the_test():
    recording = np.repeat([f"r{k}" for k in range(10)], 7)
    preparation = np.repeat(["p0", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"], 7)
    found = rc.parts(recording, preparation, ["r0"], share=0.3)
    sides = [set(preparation[rows]) for rows in (found.fitting, found.validation, found.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert found.excluded == ("r1",) and set(recording[found.test]) == {"r0"}
    assert len(found.fitting) + len(found.validation) + len(found.test) == 63
    with pytest.raises(ValueError, match="r99 has no beats"):
        rc.parts(recording, preparation, ["r99"])
    with pytest.raises(ValueError, match="fewer than two preparations"):
        rc.parts(recording[:21], preparation[:21], ["r2"])


def test_blocks_hold_successive_beats_of_one_recording():
    block = rc.successive(["a"] * 5 + ["b"] * 3, [4, 0, 1, 2, 3, 7, 8, 9], size=2)
    assert block.tolist() == ["a 2", "a 0", "a 0", "a 1", "a 1", "b 0", "b 0", "b 1"]


def test_copies_are_stretched_alike_and_come_after_the_beats_themselves(seen):
    copied = rc.stretched(seen, copies=3, seed=1, bend=0, highpass=0, noise=0)
    assert len(copied) == 4 * len(seen)
    np.testing.assert_array_equal(copied.wave[: len(seen)], seen.wave)
    ratio = rc.measure(copied.target)["apd50"].to_numpy() / np.tile(rc.measure(seen.target)["apd50"], 4)
    assert ratio.min() < 0.75 and ratio.max() > 1.3
    assert np.nanmax(np.abs(np.log(ratio))) < 0.53
    # Wave and waveform repolarise together: the steepest fall of both moves by the same factor.
    late = seen.time > 0.1
    fall = [np.diff(x[:, late], axis=1).argmin(axis=1) for x in (copied.wave, copied.target)]
    assert np.median(np.abs(fall[0] - fall[1])) < 60
    again = rc.stretched(seen, copies=3, seed=1, bend=0, highpass=0, noise=0)
    np.testing.assert_array_equal(again.wave, copied.wave)
    fewer = rc.stretched(seen, copies=2, seed=1, bend=0, highpass=0, noise=0)
    np.testing.assert_array_equal(fewer.wave, copied.wave[: len(fewer)])


def test_noise_of_copies_has_the_size_that_is_asked_for(seen):
    one, other = (rc.stretched(seen, 1, seed=0, stretch=0, bend=0, highpass=0, noise=n) for n in (0, 0.4))
    hiss = other.wave[len(seen) :] - one.wave[len(seen) :]
    sizes = hiss[:, seen.time > 0.05].std(axis=1)
    assert 0.1 < sizes.mean() < 0.3 and sizes.max() < 0.45  # uniform between 0 and 0.4


def test_baselines(seen):
    fitting, held = seen.at(seen.recording != "d"), seen.at(seen.recording == "d")
    mean = rc.predict(rc.mean_waveform(fitting), held.wave)
    np.testing.assert_allclose(mean[0], fitting.target.mean(0), atol=1e-5)
    error = {"mean": rc.errors(mean, held).mae.mean()}
    for name, make in {"ridge": rc.ridge, "trees": rc.boosted_components}.items():
        curve = rc.predict(make(fitting), held.wave)
        assert curve.shape == held.target.shape
        error[name] = rc.errors(curve, held).mae.mean()
    assert error["ridge"] < error["mean"] and error["trees"] < error["mean"]


def test_the_mean_counts_each_recording_the_same(seen):
    few = seen.at(np.r_[0:6, 6])
    expected = (few.target[:6].mean(0) + few.target[6]) / 2
    np.testing.assert_allclose(rc.mean_waveform(few).predict(few.wave)[0], expected, atol=1e-6)


def test_errors_of_the_truth_are_zero_and_a_shift_is_a_lag(seen):
    none = rc.errors(seen.target, seen)
    assert (none[["mae", "mae_aligned", "upstroke", "apd30", "apd90"]].abs().max() < 1e-6).all()
    np.testing.assert_allclose(none.r2, 1)
    late = rc.errors(np.roll(seen.target, 20, axis=1), seen)
    np.testing.assert_allclose(late.lag, 20, atol=0.6)
    np.testing.assert_allclose(late.upstroke, 20, atol=0.1)
    assert (late.mae_aligned < 0.1 * late.mae).all() and late.apd90.abs().max() < 0.1


def test_errors_do_not_count_behind_the_end_of_the_beat():
    found = rc.windows(pairs([0.5], following=1.3))
    wrong = np.where(found.inside, found.target, 0.5)
    assert rc.errors(wrong, found).mae[0] < 1e-6


def test_no_beat_gives_no_duration(seen):
    flat = rc.errors(np.zeros_like(seen.target), seen)
    assert flat.apd90.isna().all() and flat.upstroke.isna().all()


USUAL = np.where(rc.Windows.time > 0, 0.5, 0.0)
SMALL = dict(patch=20, widths=(16, 16), strides=(5,), blocks=1)


def test_the_network_learns_and_stays_reproducible(seen):
    fitting, held = seen.at(seen.recording != "d"), seen.at(seen.recording == "d")
    copied = rc.stretched(fitting, copies=3)
    error = []
    for _ in range(2):
        fit = rc.train(rc.compact_network(USUAL, None, **SMALL), copied, held, epochs=12, precision="32")
        error.append(rc.errors(rc.predict(fit.model, held.wave), held).mae.mean())
    assert error[0] == error[1]
    assert error[0] < rc.errors(rc.predict(rc.mean_waveform(fitting), held.wave), held).mae.mean()


def test_the_network_starts_from_the_usual_waveform_and_adds_what_is_slow():
    import torch

    network = rc.compact_network(USUAL, None, **SMALL).eval()
    added = network(torch.randn(2, 1400)).detach().numpy() - USUAL
    assert np.abs(np.diff(added, axis=1)).max() < 0.2 * np.ptp(added)
    for parameter in network.trunk.head.parameters():
        torch.nn.init.zeros_(parameter)
    np.testing.assert_allclose(network(torch.randn(2, 1400)).detach(), np.tile(USUAL, (2, 1)), atol=1e-6)


@pytest.mark.parametrize("equations", ["aliev_panfilov", "rogers_mcculloch"])
def test_the_network_with_physics_gives_parameters_within_bounds(seen, equations):
    from cardio_utils import training
    from cardio_utils.models.action_potential import parameter_ranges

    network = rc.compact_network(USUAL, equations, **SMALL)
    fit = rc.train(network, seen.at(slice(0, 16)), seen.at(slice(16, 24)), weight=0.01, epochs=2, precision="32")
    curve, recovery, parameters = training.predict(fit.model, seen.wave)
    assert curve.shape == recovery.shape == seen.wave.shape
    low, high = np.array(list(parameter_ranges(equations).values())).T
    assert ((parameters > low) & (parameters < high)).all()
    assert np.array_equal(rc.predict(fit.model, seen.wave), curve)


def test_physics_sees_the_first_beat_without_its_upstroke(seen):
    mask = residuals.beat_mask(seen.target, rc.FS)
    assert not mask[:, seen.time < 0.015].any() and mask[:, (seen.time > 0.05) & (seen.time < 0.3)].all()


def test_a_loss_that_is_no_number_stops_the_training_and_says_so(seen):
    network = rc.compact_network(USUAL, None, **SMALL)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        rc.train(network, seen, seen, epochs=3, learning_rate=1e30, precision="32")


def test_attribution_sums_to_the_change_at_the_crossing(seen):
    fit = rc.train(rc.compact_network(USUAL, None, **SMALL), rc.stretched(seen, 2), seen, epochs=12, precision="32")
    baseline = seen.wave.mean(axis=0)
    found = rc.attribution(fit.model, seen.wave, 50, baseline, steps=64)
    curve, start = (rc.predict(fit.model, x).astype(float) for x in (seen.wave, baseline[None]))
    from cardio_utils import action_potential as ap

    end = np.round(ap.apd(curve, rc.FS, [50]).end[:, 0]).astype(int)
    rows = np.arange(len(seen))
    slope = (curve[rows, end - 2] - curve[rows, end + 2]) / 4
    expected = (curve[rows, end] - start[0, end]) / slope
    np.testing.assert_allclose(found.sum(1), expected, atol=0.05 * np.abs(expected).max())


def test_importing_stays_light():
    heavy = "torch lightning xgboost captum sklearn.linear_model matplotlib".split()
    code = f"import sys, cardio_utils.reconstruction; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
