"""Tests of cardio_utils.sites: beats of many sites, pairs, the wave, resealing."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit

from cardio_utils import sites
from cardio_utils.data import nea, traces

FS = 2000.0
CYCLE = 1.5


def recording(delays, durations, gains, *, length=31.0, first=0.5, noise=0.0, seed=0):
    """Traces (site, n) in mV of sites that fire `delays` (ms) later, with APD50 of about `durations` (s)."""
    time = np.arange(round(length * FS)) / FS
    rng = np.random.default_rng(seed)
    rows = []
    for delay, apd, gain in zip(delays, durations, gains, strict=True):
        since = (time - first - delay / 1000 + 0.2) % CYCLE - 0.2
        beat = expit(since / 0.001) * expit(-(since - apd) / 0.03)
        beat[time < first - 0.2] = 0
        rows.append(gain * beat + noise * rng.standard_normal(time.size))
    return np.array(rows, np.float32)


def dataset(rows, names, labels, pulses=(), **more):
    x, y = sites.position(labels).T
    coords = {"recording": names, "electrode": labels, "x": x, "y": y}
    coords = {key: ("site", value) for key, value in coords.items()}
    coords["time"] = "time", np.arange(rows.shape[1]) / FS
    if pulses:
        coords["pulse_time"] = "pulse", list(pulses)
        coords["pulse_recording"] = "pulse", [names[0]] * len(pulses)
    return xr.Dataset({"nea": (("site", "time"), rows), **more}, coords, {"fs": FS, "source": "test"})


@pytest.fixture(scope="module")
def measured():
    """Four sites of "a", two of "b": site 1 is site 0 at a tenth of the gain, 2 is later, 3 lasts longer."""
    a = recording([0, 0, 3, 0], [0.4, 0.4, 0.4, 0.44], [5, 0.5, 5, 5], noise=0.001)
    b = recording([0, 1], [0.3, 0.3], [5, 5], noise=0.001)
    b[:, round(20 * FS) :] = 0  # fewer beats than "a", after which nothing happens
    rows = np.concatenate([a, b])
    truth = ("site", "time"), 20 * rows - 80
    return sites.beats(dataset(rows, list("aaaabb"), ["11", "12", "14", "44", "11", "22"], vm=truth))


def test_labels_are_columns_and_rows():
    assert np.allclose(sites.position(["11", "23", "84"]), [[0.2, 0.2], [0.4, 0.6], [1.6, 0.8]])
    assert np.allclose(sites.position(["23"], pitch=0.1), [[0.2, 0.3]])
    for wrong in ("2", "231", "a3"):
        with pytest.raises(ValueError, match="two digits"):
            sites.position(["11", wrong])


def test_segments_count_the_porations_before():
    assert sites.segment([1, 5, 9.9, 20], [10, 5]).tolist() == [0, 1, 1, 2]
    assert sites.segment([1.0, 2.0], []).tolist() == [0, 0]


def test_common_beats_do_not_hang_on_one_site():
    rows = recording([0, 2, 1], [0.4] * 3, [5, 0.2, 1])
    expected = 0.5 + CYCLE * np.arange(21)
    found = sites.common_beats(rows, FS) / FS
    assert len(found) in (20, 21) and np.abs(found - expected[: len(found)]).max() < 0.01
    rows[0] = np.random.default_rng(0).normal(0, 9, rows.shape[1])  # noise, in place of the largest site
    assert np.abs(sites.common_beats(rows, FS) / FS - found).max() < 0.01
    rows[1] = 0  # and a dead one
    assert np.abs(sites.common_beats(rows[1:], FS) / FS - found).max() < 0.01


def test_beats_near_a_poration_and_before_the_first_are_left_out():
    rows = recording([0, 0], [0.4] * 2, [5, 5], length=61)
    time = sites.common_beats(rows, FS, pulses=[12.0, 40.0], quiet=5.0) / FS
    assert time.min() >= 17 and time.max() > 50
    assert (np.abs(time - 40) >= 5).all() and (np.abs(time - 40) < 7).any()


def test_a_recording_without_signal_is_refused():
    with pytest.raises(ValueError, match="no site has a signal"):
        sites.common_beats(np.zeros((2, 20_000)), FS)


def test_beats_are_measured_at_each_sites_own_upstroke(measured):
    assert measured["wave"].dims == ("sensor", "site", "beat", "time") and measured["wave"].dtype == np.float32
    activation = measured["activation"].median("beat")
    assert np.allclose(activation[0, :4] - activation[0, 0], [0, 0, 3, 0], atol=0.15)
    assert float(activation[0, 5] - activation[0, 4]) == pytest.approx(1, abs=0.15)
    apd = measured["apd"].sel(level=50).median("beat")
    assert np.allclose(apd, 1000 * np.array([[0.4, 0.4, 0.4, 0.44, 0.3, 0.3]] * 2), atol=2)
    amplitude = measured["amplitude"].median("beat").values
    assert np.allclose(amplitude[0], [5, 0.5, 5, 5, 5, 5], rtol=0.02) and np.allclose(amplitude[1], 20 * amplitude[0])
    # The mean wave rises through one half at time 0, whatever the delay of its site.
    half = measured["wave"].sel(sensor="nea").mean("beat").interp(time=0.0) / amplitude[0]
    assert np.allclose(half, 0.5, atol=0.05)


def test_the_shorter_recording_is_padded(measured):
    beats = measured["beat_time"].notnull().sum("beat").values
    assert set(beats[:4]) == {beats[0]} and set(beats[4:]) == {beats[4]} and beats[4] < beats[0]
    padding = measured["beat_time"].isnull().values
    for name in ("activation", "amplitude"):
        assert np.isnan(measured[name].values[:, padding]).all()
    assert (measured["segment"].values[padding] == -1).all() and (measured["reason"].values[:, padding] == -1).all()
    assert measured["snr"].isnull().values[:, padding].all()


def test_snr_falls_with_noise_and_is_bounded_by_the_upstroke(measured):
    rows = recording([0, 0], [0.4] * 2, [5, 0.5], noise=0.02)
    noisy = sites.beats(dataset(rows, list("aa"), ["11", "12"]))["snr"].mean("beat").values[0]
    clean = measured["snr"].mean("beat").values
    assert noisy[1] < noisy[0] - 5
    assert clean[1, 0] == pytest.approx(clean[0, 0], abs=0.5)  # "vm" is 20 times larger, and so is its fast upstroke


def test_porations_part_the_beats_into_segments():
    rows = recording([0, 0], [0.4] * 2, [5, 5], length=61)
    found = sites.beats(dataset(rows, list("aa"), ["11", "12"], pulses=[4.0, 30.0]), quiet=3.0)
    time, segment = found["beat_time"].values[0], found["segment"].values[0]
    assert set(segment) == {1, 2} and (segment[time < 30] == 1).all() and (segment[time > 30] == 2).all()


def test_padding_behind_a_recording_is_cut_and_gaps_are_refused():
    rows = recording([0, 0], [0.4] * 2, [5, 5])
    rows[:, -2000:] = np.nan
    data = dataset(rows, list("aa"), ["11", "12"])
    assert sites.beats(data)["activation"].notnull().any()
    data["nea"].values[1, 5000:5010] = np.nan
    with pytest.raises(ValueError, match="recording a: 10 samples are missing"):
        sites.beats(data)


def test_a_recording_shorter_than_a_window_is_refused():
    rows = recording([0, 0], [0.2] * 2, [5, 5], length=1.7, first=0.1)
    with pytest.raises(ValueError, match="recording a: none of"):
        sites.beats(dataset(rows, list("aa"), ["11", "12"]))


def test_pairs_never_cross_recordings_and_know_their_groups(measured):
    alike = sites.similarity(measured)
    assert alike.sizes["pair"] == 6 + 1
    about = alike[["recording", "first", "second", "distance", "steps"]].to_dataframe()
    names = measured["recording"].values
    assert (names[about["first"]] == names[about["second"]]).all()
    pair = {(int(i), int(j)): k for k, (i, j) in enumerate(zip(about["first"], about["second"], strict=True))}
    group = {name: [bool(alike[name][pair[p]]) for p in ((0, 1), (1, 2), (0, 3), (4, 5))]
             for name in ("neighbour", "consecutive", "far")}  # fmt: skip
    assert group == {
        "neighbour": [True, False, False, True],  # 4 and 5 are neighbours across the diagonal
        "consecutive": [True, True, False, True],
        "far": [False, False, True, False],
    }
    assert alike["distance"].values[pair[4, 5]] == pytest.approx(0.2 * np.sqrt(2))


def test_gain_and_delay_do_not_count_as_differences_of_shape(measured):
    table = sites.pair_table(sites.similarity(measured)).set_index(["first", "second"])
    assert table.loc[(0, 1), "mae"] < 0.004 and table.loc[(0, 1), "r"] > 0.9999
    assert table.loc[(0, 2), "mae"] < 0.004 and table.loc[(0, 2), "delay"] == pytest.approx(3, abs=0.15)
    assert table.loc[(0, 3), "bias50"] == pytest.approx(40, abs=2) and table.loc[(0, 3), "apd90"] > 38
    # 40 ms at full height of 1.6 s: the mean difference of the scaled waves is their ratio.
    assert table.loc[(0, 3), "mae"] == pytest.approx(0.04 / 1.6, rel=0.05)


def test_truth_is_compared_on_the_same_beats_and_gate(measured):
    seen, true = (sites.similarity(measured, sensor) for sensor in ("nea", "vm"))
    assert np.array_equal(seen["snr"], true["snr"], equal_nan=True)
    assert np.allclose(seen["difference"].mean("beat"), true["difference"].mean("beat"), atol=1)


def test_the_gate_and_the_least_number_of_beats(measured):
    alike = sites.similarity(measured)
    limit = float(alike["snr"].isel(pair=0).median())
    gated = sites.pair_table(alike, gate=limit, least=5)
    assert 0 < gated["beats"][0] < sites.pair_table(alike)["beats"][0]
    assert gated["snr"][0] >= limit
    none = sites.pair_table(alike, gate=200)
    assert (none["beats"] == 0).all() and none[["mae", "delay", "apd50"]].isnull().all().all()
    assert none["distance"].notnull().all()


def test_pairs_need_two_sites(measured):
    with pytest.raises(ValueError, match="no recording has two sites"):
        sites.similarity(measured.isel(site=[0, 4]))


def test_sites_of_unknown_place_have_pairs_but_no_distance(measured):
    table = sites.pair_table(sites.similarity(measured.drop_vars(["x", "y"])))
    assert table["distance"].isnull().all() and not table["neighbour"].any() and not table["far"].any()
    assert table["consecutive"].sum() == 3 + 1 and table["mae"].notnull().all()


def square(n=6, recordings=2):
    """A table of all pairs of `n` sites in each recording."""
    i, j = np.triu_indices(n, 1)
    import pandas as pd

    parts = [pd.DataFrame({"recording": f"r{k}", "first": i + k * n, "second": j + k * n}) for k in range(recordings)]
    return pd.concat(parts, ignore_index=True)


def test_mean_over_pairs_is_the_mean():
    table = square()
    values = np.random.default_rng(0).random(len(table))
    where = values > 0.3
    estimate = sites.mean_over_pairs(values, table, where)
    assert estimate.value == pytest.approx(values[where].mean()) and estimate.low < estimate.value < estimate.high
    assert estimate.n == 12
    same = sites.mean_over_pairs(np.full(len(table), 2.0), table)
    assert (same.low, same.high) == (2.0, 2.0)
    values[3] = np.nan
    assert np.isfinite(float(sites.mean_over_pairs(values, table)))


def test_one_odd_site_widens_the_interval_more_than_as_many_odd_pairs():
    table = square(10, 1)
    site = ((table["first"] == 0) | (table["second"] == 0)).to_numpy().astype(float)
    pairs = np.random.default_rng(0).permutation(site)
    width = [e.high - e.low for e in (sites.mean_over_pairs(v, table) for v in (site, pairs))]
    assert width[0] > 1.5 * width[1]


def test_the_interval_of_pair_means_covers_and_pooled_pairs_do_not():
    """Differences of random sites: |a - b| has a known mean; pairs share sites, so naive intervals miss it."""
    table, rng = square(16, 2), np.random.default_rng(1)
    honest = naive = 0
    for _ in range(100):
        site = rng.standard_normal(32)
        values = np.abs(site[table["first"]] - site[table["second"]])
        estimate = sites.mean_over_pairs(values, table, n_resamples=300)
        error = abs(values.mean() - 2 / np.sqrt(np.pi))
        honest += estimate.low <= 2 / np.sqrt(np.pi) <= estimate.high
        naive += error <= 1.96 * values.std() / np.sqrt(values.size)
    assert honest >= 85 and naive <= honest - 10


def test_differences_of_groups_are_paired():
    table = square()
    values = np.random.default_rng(0).random(len(table))
    half = np.arange(len(table)) % 2 == 0
    nothing = sites.mean_over_pairs(values, table, half) - sites.mean_over_pairs(values, table, half)
    assert (nothing.low, nothing.high) == (0, 0)
    assert np.isfinite((sites.mean_over_pairs(values, table, half) - sites.mean_over_pairs(values, table, ~half)).low)


def test_mean_over_pairs_refuses_what_it_cannot_average():
    table = square()
    with pytest.raises(ValueError, match="one value a pair"):
        sites.mean_over_pairs([1.0], table)
    with pytest.raises(ValueError, match="no pair has a finite value"):
        sites.mean_over_pairs(np.full(len(table), np.nan), table)


def test_guesses_that_have_not_seen_the_site(measured):
    inside, outside = (sites.against_others(measured, scope).set_index("site") for scope in ("recording", "elsewhere"))
    # Site 3 lasts 40 ms longer than the mean of its three companions, they a third of that shorter than theirs.
    assert inside.loc[3, "apd50"] == pytest.approx(40, abs=2)
    assert np.allclose(inside.loc[:2, "apd50"], 40 / 3, atol=2)
    assert inside.loc[4, "apd50"] < 2 and inside.loc[4, "r"] > 0.9999
    assert outside.loc[0, "apd50"] == pytest.approx(100, abs=3) and outside.loc[4, "apd50"] == pytest.approx(110, abs=3)
    assert (outside["mae"] > inside["mae"]).all()


def test_guesses_need_others(measured):
    with pytest.raises(ValueError, match="has no other recording"):
        sites.against_others(measured.isel(site=slice(4)), "elsewhere")
    with pytest.raises(ValueError, match="has no other site"):
        sites.against_others(measured.isel(site=[0]))
    with pytest.raises(ValueError, match="neither"):
        sites.against_others(measured, "here")


@pytest.mark.parametrize(("speed", "direction"), [(0.2, 30), (0.1, -120), (1.0, 90)])
def test_a_plane_wave_is_recovered(speed, direction):
    place = sites.position(["11", "24", "31", "42", "83"])
    heading = np.array([np.cos(np.radians(direction)), np.sin(np.radians(direction))])
    wave = sites.plane_wave(place, 4 + place @ heading / speed)
    assert wave.speed == pytest.approx(speed) and wave.direction == pytest.approx(direction)
    assert wave.start == pytest.approx(4) and wave.residual == pytest.approx(0, abs=1e-9)


def test_what_is_no_wave():
    place = sites.position(["11", "12", "22"])
    assert sites.plane_wave(place, [1.0, 1.0, 1.0]).speed > 1e6  # all at once
    with pytest.raises(ValueError, match="not on one line"):
        sites.plane_wave(sites.position(["11", "22", "33"]), [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="missing"):
        sites.plane_wave(place, [0.0, np.nan, 1.0])


def decay(tau, span=100.0, share=(0.05, 0.2), noise=0.0):
    """Times, amplitudes and segments of a divider whose pores reseal; `share`: amplitude over span at each pulse."""
    time = np.concatenate([np.arange(10, 90, 1.3), np.arange(110, 190, 1.3)])
    segments = np.where(time < 100, 1, 2)
    start = np.where(segments == 1, 0, 100)
    odds = np.array(share)[segments - 1] / (1 - np.array(share)[segments - 1]) * np.exp(-(time - start) / tau)
    amplitude = span * odds / (1 + odds) + noise * np.random.default_rng(0).standard_normal(time.size)
    return time, amplitude, segments


def test_resealing_is_exact_for_a_divider_and_an_exponential_is_too_slow():
    time, amplitude, segments = decay(60.0)
    fit = sites.resealing(time, amplitude, segments)
    assert np.allclose([fit.tau, *fit.segments], 60) and np.allclose(fit.fitted, amplitude)
    plain = sites.resealing(time, amplitude, segments, span=np.inf)
    assert plain.segments[1] > plain.segments[0] > 60.5  # worse where more of the span is seen


def test_resealing_with_noise_and_gaps():
    time, amplitude, segments = decay(60.0, noise=0.03)
    amplitude[::7], segments[:3] = np.nan, 0
    fit = sites.resealing(time, amplitude, segments)
    assert fit.low < fit.tau < fit.high and fit.tau == pytest.approx(60, rel=0.05)
    assert np.isnan(fit.fitted[:3]).all() and np.isnan(fit.fitted[::7]).all()


def test_what_does_not_reseal_has_no_time_constant():
    time, amplitude, segments = decay(60.0)
    fit = sites.resealing(time, amplitude[::-1], segments)
    assert np.isnan([fit.tau, fit.low, fit.high, *fit.segments]).all()
    single = sites.resealing(time, amplitude, np.where(segments == 2, -1, 1))
    assert single.tau == pytest.approx(60) and np.isnan(single.low)
    assert np.isnan(sites.resealing(time[:5], amplitude[:5], segments[:5]).tau)


def test_channels_of_a_file_become_sites(tmp_path):
    rows = recording([0, 2, 0], [0.4, 0.4, 0.45], [5, 2, 5], noise=0.001)
    path = tmp_path / "mine.npy"
    np.save(path, rows)
    own = [traces.read(path, FS, channel=k) for k in range(3)]
    data = sites.from_channels(own, ["11", "12", "15"])
    assert set(data["recording"].values) == {"mine"} and np.allclose(data["y"], [0.2, 0.4, 1.0])
    table = sites.pair_table(sites.similarity(sites.beats(data)))
    assert table["delay"][0] == pytest.approx(2, abs=0.15) and table["bias50"][1] == pytest.approx(50, abs=2)
    assert table["far"].tolist() == [False, True, True]
    assert "x" not in sites.from_channels(own).coords


def test_channels_that_do_not_fit(tmp_path):
    own = []
    for name, length in (("a", 31.0), ("b", 30.0)):
        np.save(tmp_path / f"{name}.npy", recording([0], [0.4], [5], length=length))
        own.append(traces.read(tmp_path / f"{name}.npy", FS))
    for wrong, message in (
        (([own[0]],), "at least two"),
        ((own,), "differ in length"),
        (([own[0]] * 2, ["11"]), "1 labels of electrodes for 2"),
    ):
        with pytest.raises(ValueError, match=message):
            sites.from_channels(*wrong)
    current = own[0].copy()
    current["trace"].attrs["units"] = "pA"
    with pytest.raises(ValueError, match="in pA"):
        sites.from_channels([current, current])


def test_the_simulated_neighbours_go_through():
    data = nea.load("neighbours", n_sites=4, duration=50.0)
    found = sites.beats(data, quiet=3.0)
    table = sites.pair_table(sites.similarity(found), least=3)
    assert len(table) == 12 and table["mae"].notnull().all() and (table["r"] > 0.9).all()
    later = found["activation"].sel(sensor="vm").median("beat").values
    for name in ("sim1", "sim2"):
        own = data["recording"].values == name
        known = 1000 * data["delay"].values[own]
        assert np.allclose(later[own] - later[own].mean(), known - known.mean(), atol=0.4)
