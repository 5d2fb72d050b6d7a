"""Simulated nanoelectrode recordings: shapes and truth, seeds by item, physiology, clocks."""

import numpy as np
import pytest

from cardio_utils import action_potential as ap
from cardio_utils import signals
from cardio_utils.data import nea_files, nea_quality
from cardio_utils.simulate import nea

FS = 5000
NAMES = [r.name for r in nea.RECORDINGS]
SHORT = ["exp00_dofetilide_W8_D2_i57_e47", "exp22_nifedipine_W5_D6_i55_e38_pace", "mea_2"]


@pytest.fixture(scope="module")
def pairs():
    return nea.pairs(SHORT, duration=60.0)


@pytest.fixture(scope="module")
def patch():
    return nea.patch(n_cells=4, duration=25.0)


@pytest.fixture(scope="module")
def neighbours():
    return nea.neighbours(n_sites=4, duration=40.0)


@pytest.fixture(scope="module")
def multichannel():
    return nea.multichannel(duration=60.0, n_channels=4)


def of(dataset, name):
    return dataset.isel(beat=np.flatnonzero(dataset["recording"].values == name))


# Pairs


def test_names_roles_and_preparations_are_those_of_the_published_recordings():
    assert tuple(r.name for r in nea.RECORDINGS if r.role == "train") == nea_files.TRAIN
    assert tuple(r.name for r in nea.RECORDINGS if r.role == "test") == nea_files.TEST
    assert {r.name: r.preparation for r in nea.RECORDINGS} == nea_files.preparations(NAMES)
    for recording in nea.RECORDINGS:
        about = nea._about(recording)
        assert {k: v for k, v in about.items() if k != "preparation"} == nea_files.parse_name(recording.name)


def test_pairs_have_the_shape_of_the_book(pairs):
    assert {k: v.dtype for k, v in pairs.data_vars.items()} == dict.fromkeys(("eap", "iap", "vm"), np.dtype("f4"))
    assert pairs["eap"].dims == ("beat", "time") and pairs.sizes["time"] == 8000
    assert float(pairs["time"][0]) == -0.2 and pairs.attrs["fs"] == 5000 and pairs.attrs["groups"] == "preparation"
    assert pairs.attrs["source"] == "simulated" and pairs["eap"].attrs["units"] == "mV"
    coords = set(pairs["beat"].coords) | {k for k, v in pairs.coords.items() if v.dims == ("beat",)}
    assert coords >= {"recording", "preparation", "drug", "well", "day", "experiment", "iap_electrode", "flag", "role"}
    assert coords >= {"eap_electrode", "sensor", "paced", "beat_time", "concentration", "iap_snr", "eap_snr"}
    assert list(dict.fromkeys(pairs["recording"].values)) == SHORT and (pairs["flag"] == "").all()
    assert all(np.isfinite(pairs[k]).all() for k in ("eap", "iap", "vm", "iap_snr", "eap_snr", "beat_time"))
    nea_quality.check(pairs)


def test_a_recording_is_the_same_alone(pairs):
    alone = nea.pairs([SHORT[1]], duration=60.0)
    again = of(pairs, SHORT[1])
    for name in ("eap", "iap", "vm", "beat_time", "iap_snr"):
        np.testing.assert_array_equal(alone[name], again[name])
    other = nea.pairs([SHORT[1]], duration=20.0, seed=1)
    assert not np.array_equal(other["iap"][:3], alone["iap"][:3])


def test_windows_sit_on_the_maximum_of_the_iap(pairs):
    smooth = signals.bandpass(pairs["iap"].values.astype(float), FS, 0.125, 156.25, order=3)
    below = smooth[:, 700:1300].max(axis=1) - smooth[:, 1000]
    assert (below < 0.01 * np.ptp(smooth[:, 700:], axis=1)).mean() > 0.9  # filters of a window differ at its ends
    rise = ap.upstroke(pairs["iap"].values, FS).time
    assert np.nanmax(rise) < 205 and np.nanmin(rise) > 100  # ms: the upstroke comes before sample 1000


def test_eap_leads_or_follows_by_milliseconds_and_the_array_by_tens(pairs):
    features = ap.eap_features(pairs["eap"].values, FS)
    late = features["peak_time"].to_numpy() - ap.upstroke(pairs["iap"].values, FS).time
    mea = pairs["sensor"].values == "mea"
    assert (features["reason"] == "").mean() > 0.9
    assert np.nanmax(np.abs(late[~mea])) < 8
    assert np.nanmin(late[mea]) > 20


def test_drug_prolongs_in_steps_and_td_follows(pairs):
    dofetilide = of(pairs, SHORT[0])
    vm = ap.apd(dofetilide["vm"].values, FS, 90, rest="before").apd[:, 0]
    concentration = dofetilide["concentration"].values
    assert set(concentration) == {0.0, 7.5, 15.0}
    control, first, second = (np.nanmedian(vm[concentration == c]) for c in (0.0, 7.5, 15.0))
    assert control < first < second and np.nanmedian(vm[-5:]) > 1.1 * control  # washing in
    td = ap.eap_features(dofetilide["eap"].values, FS)["td"].to_numpy()
    fine = np.isfinite(td) & np.isfinite(vm)
    assert np.corrcoef(td[fine], vm[fine])[0, 1] > 0.9


def test_paced_recordings_are_regular_and_others_are_not(pairs):
    paced, free = (np.diff(of(pairs, name)["beat_time"].values) for name in (SHORT[1], SHORT[0]))
    paced, free = paced[paced < 2 * np.median(paced)], free[free < 2 * np.median(free)]
    assert of(pairs, SHORT[1])["paced"].all() and not of(pairs, SHORT[0])["paced"].any()
    assert np.std(paced) / np.mean(paced) < 0.01 < np.std(free) / np.mean(free) < 0.2


def test_sensor_and_truth_agree(pairs):
    scaled = ap.scale(pairs["iap"].values, FS, "minmax")[:, 800:4000]
    truth = ap.scale(pairs["vm"].values, FS, "minmax")[:, 800:4000]
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(scaled, truth, strict=True)]
    assert np.median(r) > 0.95
    sensor, true = (ap.apd(pairs[k].values, FS, 50, rest="before").apd[:, 0] for k in ("iap", "vm"))
    error = sensor - true
    assert np.nanmedian(error) < -5  # the high-pass shortens, and truth is there to show it


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recordings": ["exp99"]}, "no simulated recording exp99; there are exp00"),
        ({"recordings": []}, "no recording was asked for"),
        ({"duration": 5.0}, "at least 20 s"),
        ({"duration": np.nan}, "at least 20 s"),
    ],
)
def test_pairs_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        nea.pairs(**arguments)


# Patch clamp


def test_patch_has_the_shape_of_the_book(patch):
    assert patch["nea"].dims == ("recording", "time_nea") and patch["vm"].dims == patch["patch"].dims
    assert patch.sizes == {"recording": 4, "time_nea": 125_000, "time_patch": 250_000}
    assert all(patch[k].dtype == np.float32 and np.isfinite(patch[k]).all() for k in ("nea", "patch", "vm"))
    assert patch["time_nea"].values[5000] == 1.0 and patch["time_patch"].values[10_000] == 1.0
    assert {"cell", "poration", "lag", "skew", "offset", "rhythm", "pore", "noise"} <= set(patch.coords)
    assert patch["rhythm"].values[3] == "irregular" and patch.attrs["groups"] == "recording"
    nea_quality.check(patch)


def test_a_cell_is_the_same_alone(patch):
    alone = nea.patch(n_cells=1, duration=25.0)
    for name in ("nea", "patch", "vm"):
        np.testing.assert_array_equal(alone[name][0], patch[name][0])
    assert alone["lag"][0] == patch["lag"][0]


def test_patch_shows_vm_and_its_offset(patch):
    for k in range(patch.sizes["recording"]):
        after = patch["time_patch"].values > patch["poration"].values[k] + 1
        error = (patch["patch"] - patch["vm"]).values[k, after]
        assert np.median(error) == pytest.approx(float(patch["offset"][k]), abs=1.5)  # and drift
        assert np.std(np.diff(error)) / np.sqrt(2) == pytest.approx(float(patch["patch_noise"][k]), rel=0.2)


def test_both_sensors_see_the_poration_on_their_own_clocks(patch):
    for k in range(patch.sizes["recording"]):
        poration, lag, skew = (float(patch[name][k]) for name in ("poration", "lag", "skew"))
        t_patch = float(patch["time_patch"][np.argmax(np.abs(patch["patch"].values[k]))])
        t_nea = float(patch["time_nea"][np.argmax(np.abs(patch["nea"].values[k]))])
        assert poration <= t_patch < poration + 0.05
        assert lag + (1 + skew) * poration - 0.001 <= t_nea < lag + (1 + skew) * poration + 0.25


def test_nea_is_extracellular_before_the_pulse_and_intracellular_after(patch):
    k = int(np.argmin(patch["noise"].values))
    pulse = float(patch["lag"][k] + patch["poration"][k])
    time, trace = patch["time_nea"].values, patch["nea"].values[k].astype(float)
    before, after = trace[(time > 0.5) & (time < pulse - 0.1)], trace[(time > pulse + 4) & (time < pulse + 9)]
    assert np.ptp(after) > 4 * np.ptp(before)


def test_match_beats_recovers_the_clock():
    patch = nea.patch(n_cells=4, duration=40.0)
    k = 3  # irregular: no cycle is like the next
    quiet = float(patch["poration"][k]) + 3
    true = ap.find_beats(patch["vm"].values[k], 10_000)
    true = true[true > quiet * 10_000] / 10_000
    trace = patch["nea"].values[k]
    seen = ap.find_beats(trace[round((quiet + 3) * FS) :], FS) / FS + round((quiet + 3) * FS) / FS
    found = ap.match_beats(true, seen)
    assert found.lag == pytest.approx(float(patch["lag"][k]), abs=0.005)
    assert found.skew == pytest.approx(float(patch["skew"][k]), abs=1e-4)
    assert not found.ambiguous


def test_patch_refuses():
    with pytest.raises(ValueError, match="must be positive, not 0"):
        nea.patch(n_cells=0)
    with pytest.raises(ValueError, match="at least 10 s"):
        nea.patch(duration=5.0)


# Grids


def test_neighbours_have_the_shape_of_the_book(neighbours):
    assert neighbours["nea"].dims == ("site", "time") and neighbours["vm"].shape == (8, 200_000)
    assert neighbours["nea"].dtype == np.float32 and np.isfinite(neighbours["nea"]).all()
    assert list(neighbours["recording"].values) == ["sim1"] * 4 + ["sim2"] * 4
    for label, x, y in zip(*(neighbours[k].values for k in ("electrode", "x", "y")), strict=True):
        assert (x, y) == pytest.approx((0.2 * int(label[0]), 0.2 * int(label[1])))
    assert set(neighbours["electrode"].values[:4]) == {"11", "12", "21", "22"}
    assert list(neighbours["pulse_recording"].values) == ["sim1"] * 3 + ["sim2"] * 3
    nea_quality.check(neighbours)


def test_a_site_is_the_same_among_fewer(neighbours):
    few = nea.neighbours(n_sites=2, duration=40.0)
    places = [0, 1, 4, 5]
    np.testing.assert_array_equal(few["nea"], neighbours["nea"][places])
    np.testing.assert_array_equal(few["electrode"], neighbours["electrode"][places])
    assert few["pulse_time"].equals(neighbours["pulse_time"])


def test_the_wave_arrives_after_its_delay(neighbours):
    for rows in (slice(0, 4), slice(4, 8)):
        part = neighbours.isel(site=rows)
        beats = [ap.find_beats(trace, FS) for trace in part["vm"].values]
        assert len({b.size for b in beats}) == 1
        late = np.array([np.median(b - beats[0]) for b in beats]) / FS
        np.testing.assert_allclose(late, part["delay"] - part["delay"][0], atol=0.0015)
        distance = np.hypot(part["x"] - part["x"][0], part["y"] - part["y"][0])
        assert (np.abs(part["delay"] - part["delay"][0]) <= distance / 100 + 1e-9).all()  # 100 mm/s and faster


def test_amplitude_decays_between_pulses(neighbours):
    part = neighbours.isel(site=slice(0, 4))
    first, second = neighbours["pulse_time"].values[:2]
    time = part["time"].values
    early, late = (
        np.ptp(part["nea"].values[:, (time > at) & (time < at + 3.5)], axis=1) for at in (first + 4, second - 3.6)
    )
    assert (late < early).all()
    assert (np.ptp(part["nea"].values[:, time < first], axis=1) < early).all()  # extracellular before the first


def test_similarity_falls_with_distance():
    """The assumed gradient: without it, cells differ as much near by as far away."""
    near, far = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        grid = nea._grid(rng, 16, seed, 9)
        value = np.log(grid.conductances[:, 2] / grid.conductances[:, 3])
        distance = np.hypot(grid.x[:, None] - grid.x, grid.y[:, None] - grid.y)
        difference = np.abs(value[:, None] - value)
        near.append(difference[(distance > 0) & (distance < 0.3)].mean())
        far.append(difference[distance > 0.6].mean())
    assert np.mean(far) > 1.2 * np.mean(near)


def test_multichannel_has_the_shape_of_the_book(multichannel):
    assert multichannel["nea"].shape == (4, 300_000) and multichannel["vm"].shape == (4, 60_000)
    assert list(multichannel["kind"].values) == ["eap"] * 3 + ["iap"] and multichannel["electrode"].values[-1] == "44"
    assert multichannel.attrs["drug"] == "dofetilide" and multichannel.attrs["drug_time"] == pytest.approx(24)
    assert np.isfinite(multichannel["nea"]).all() and multichannel["nea"].dtype == np.float32
    nea_quality.check(multichannel)


def test_a_channel_is_the_same_among_fewer(multichannel):
    few = nea.multichannel(duration=60.0, n_channels=2)
    np.testing.assert_array_equal(few["nea"], multichannel["nea"][[0, 3]])


def test_block_washes_in_at_all_channels(multichannel):
    for vm in multichannel["vm"].values:
        beats = ap.find_beats(vm, 1000)
        windows, kept = ap.cut_beats(vm, 1000, beats, before=0.1, after=1.3)
        long = ap.apd(windows, 1000, 90, rest="before").apd[:, 0]
        when = beats[kept] / 1000
        assert np.nanmedian(long[when > 50]) > 1.15 * np.nanmedian(long[when < 24])
    spikes = [ap.find_beats(trace, FS, sensor="eap").size for trace in multichannel["nea"].values[:3]]
    assert np.ptp(spikes) <= 1


def test_grids_refuse():
    with pytest.raises(ValueError, match="64 electrodes"):
        nea.neighbours(n_sites=65)
    with pytest.raises(ValueError, match="too few beats"):
        nea.neighbours(n_sites=1, duration=3.0)
    with pytest.raises(ValueError, match="2 to 52 channels"):
        nea.multichannel(n_channels=1)
    with pytest.raises(ValueError, match="too few beats"):
        nea.multichannel(duration=3.0)
