"""The nanoelectrode data: layouts read as they were written, duplicates and bad beats found by rule, bad input."""

import os
import pickle
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cardio_utils import action_potential as ap
from cardio_utils.data import fetch, nea, nea_files, nea_quality, optical

FS = 5000
TIME = np.arange(8000) / FS - 0.2
REAL = Path(os.environ.get("CARDIO_DATA", "nowhere"))
FEATURES = REAL / "eap-iap-features"
OPTICAL = REAL / "ipsc-action-potentials"


def iaps(n, seed=0, noise=0.01):
    """iAPs (mV): 5 mV high, 0.5 s long, their maximum at time 0."""
    shape = np.interp(TIME, [-0.2, -0.03, 0, 0.35, 0.55, 1.4], [0, 0, 5, 3.5, 0, 0])
    return shape + noise * np.random.default_rng(seed).standard_normal((n, 8000))


def eaps(n, seed=1, noise=0.003):
    """eAPs (mV): a biphasic spike 27 ms before time 0 and a dip."""
    shape = np.interp(TIME, [-0.2, -0.035, -0.030, -0.026, -0.020, 1.4], [0, 0, 0.17, -0.12, 0, 0])
    shape = shape - 0.05 * np.exp(-0.5 * ((TIME - 0.55) / 0.06) ** 2)
    return shape + noise * np.random.default_rng(seed).standard_normal((n, 8000))


def pairs(names=nea.TRAIN[:1], beats=6, times=True):
    """A small data set of pairs."""
    columns = []
    for k, name in enumerate(names):
        iap, eap = iaps(beats, 2 * k).astype(np.float32), eaps(beats, 2 * k + 1).astype(np.float32)
        ratios = {"iap_snr": ap.snr(iap, FS), "eap_snr": ap.snr(eap, FS)}
        columns.append({"recording": name, "iap": iap, "eap": eap} | ratios)
    dataset = nea_files.pairs_dataset(columns, {"source": "test"})
    if times:
        beat_time = np.tile(10 + 1.2 * np.arange(beats), len(names))
        dataset["beat_time"] = "beat", beat_time
    return dataset


def changed(dataset, name, beat, value):
    """A copy of pairs in which one trace is another."""
    dataset = dataset.copy(deep=True)
    dataset[name].values[beat] = value
    return dataset


# Names, preparations, splits


def test_the_name_of_a_recording():
    assert nea.parse_name("exp22_nifedipine_W5_D6_i55_e38_pace.pkl") == {
        "recording": "exp22_nifedipine_W5_D6_i55_e38_pace",
        "experiment": "exp22",
        "drug": "nifedipine",
        "well": "W5",
        "day": "D6",
        "iap_electrode": "55",
        "eap_electrode": "38",
        "sensor": "nea",
        "paced": True,
        "role": "train",
    }
    assert nea.parse_name("mea_2")["role"] == "test" and nea.parse_name("mea")["sensor"] == "mea"
    assert nea.parse_name("exp13_propranolol_W5_D1_i73_e82")["role"] == ""
    with pytest.raises(ValueError, match="'exp1_W5' is not named as exp00_dofetilide"):
        nea.parse_name("exp1_W5")


def test_preparations_are_what_shares_a_well():
    group = nea.preparations([*nea.TRAIN, *nea.TEST])
    assert group["exp00_dofetilide_W8_D2_i57_e47"] == group["exp00_dofetilide_W8_D3_i24_e14"] == "exp00_W8_D2"
    assert group["exp13_propranolol_W5_D1_i23_e13"] == group["exp00_dofetilide_W5_D1_i51_e52"] == "exp00_W5_D1"
    assert group["exp10_nifedipine_W5_D6_i82_e72_pace"] == group["exp22_nifedipine_W5_D6_i55_e38_pace"]
    assert group["mea_2"] == "mea" and len(set(group.values())) == 11
    some = nea.preparations(nea.TEST)
    assert some == {name: group[name] for name in nea.TEST}, "a subset has the names of the whole"
    chain = nea.preparations(["exp90_x_W1_D1_i1_e2", "exp91_x_W1_D1_i3_e4", "exp91_x_W1_D2_i3_e4"])
    assert len(set(chain.values())) == 1, "directly or through others"


def test_folds_never_part_a_preparation():
    data = pairs([*nea.TRAIN[:4], *nea.TEST[:1]], beats=2)
    found = {name: (train, test) for name, train, test in nea.folds(data)}
    assert list(found) == [*nea.TRAIN[:4], *nea.TEST[:1]]
    preparation, recording = data["preparation"].values, data["recording"].values
    for name, (train, test) in found.items():
        assert set(recording[test]) == {name}
        assert not set(preparation[train]) & set(preparation[test])
        assert set(preparation[train]) | set(preparation[test]) == set(preparation)


# The originals' layouts


def same(read, written, names, **tolerance):
    for name in names:
        np.testing.assert_allclose(read[name].values, written[name].values, err_msg=name, **tolerance)


def test_pairs_are_read_as_they_were_written(tmp_path):
    written = pairs([nea.TRAIN[0], "mea_2"], beats=3)
    path = nea.write(written, tmp_path)
    assert path == tmp_path / "eap_iap_data.pkl"
    read = nea.load("pairs", source="nea", folder=tmp_path)
    same(read, written, ["iap", "eap"], rtol=0)
    same(read, written, ["iap_snr", "eap_snr"], rtol=1e-12)
    for name in ("recording", "preparation", "drug", "well", "day", "sensor", "paced", "role"):
        assert (read[name].values == written[name].values).all(), name
    assert read.attrs["source"] == "nea" and "ommercial" in read.attrs["licence"]
    assert np.isnan(read["beat_time"].values).all()
    one = nea.load("pairs", source="nea", folder=tmp_path, recordings=["mea_2"])
    same(one, written.isel(beat=slice(3, 6)), ["iap", "eap"], rtol=0)


def test_the_pickle_of_pairs_has_the_originals_units(tmp_path):
    written = pairs(beats=2)
    held = fetch.load_pickle(nea.write(written, tmp_path))
    (name, (ratio, iap, eap, iap_scaled, eap_scaled)) = held.popitem()
    assert name == f"{nea.TRAIN[0]}.pkl"
    np.testing.assert_allclose(iap, 1000 * written["iap"].values, rtol=1e-7)
    np.testing.assert_allclose(eap, 1000 * written["eap"].values, rtol=1e-7)
    signal_to_noise = ap.snr(written["iap"].values, FS, convention="doubled")
    np.testing.assert_allclose(ratio, signal_to_noise)
    assert iap_scaled[:, 0] == pytest.approx(0) and iap_scaled.max(axis=1) == pytest.approx(1)
    assert eap_scaled[:, 1150:1350].std(axis=1) == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda held: held.__setitem__("exp1", next(iter(held.values()))), "'exp1' is not named as"),
        (lambda held: held.update({nea.TRAIN[1]: [1, 2]}), f"{nea.TRAIN[1]}: the originals' five arrays"),
        (lambda held: held.update({nea.TRAIN[0]: shortened(held, 2)}), r"equal lengths, not iAP \(2, 8000\), eAP"),
        (lambda held: held.update({nea.TRAIN[0]: shortened(held, 0)}), "and 1 ratios"),
    ],
)
def test_a_pickle_of_another_layout(tmp_path, spoil, reason):
    held = {key.removesuffix(".pkl"): v for key, v in fetch.load_pickle(nea.write(pairs(beats=2), tmp_path)).items()}
    spoil(held)
    (tmp_path / "eap_iap_data.pkl").write_bytes(pickle.dumps(held))
    with pytest.raises(ValueError, match=rf"eap_iap_data\.pkl: .*{reason}"):
        nea.load("pairs", source="nea", folder=tmp_path)


def shortened(held, which):
    arrays = list(held[nea.TRAIN[0]])
    arrays[which] = arrays[which][..., :-1]
    return arrays


def test_a_pickle_with_a_foreign_class(tmp_path):
    (tmp_path / "eap_iap_data.pkl").write_bytes(pickle.dumps({"mea": pytest.approx(1)}))
    with pytest.raises(fetch.FetchError, match="it wants to run"):
        nea.load("pairs", source="nea", folder=tmp_path)
    (tmp_path / "eap_iap_data.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="holds no dictionary"):
        nea.load("pairs", source="nea", folder=tmp_path)
    nea.write(pairs(beats=2), tmp_path)
    with pytest.raises(ValueError, match=f"no recording mea; it has {nea.TRAIN[0]}"):
        nea.load("pairs", source="nea", folder=tmp_path, recordings=["mea"])


def patch_clamp(cells=2, seconds=20.0):
    """Two sensors on one cell: irregular beats, clocks 0.4 s and 30 ppm apart, a poration pulse at 2 s."""
    rng = np.random.default_rng(0)
    traces = {"nea": [], "patch": []}
    for _ in range(cells):
        beats = np.cumsum(rng.uniform(0.8, 1.4, 40)) + 0.5
        for name, fs, lag, gain in (("patch", 1e4, 0.0, 100.0), ("nea", 5e3, 0.4, 5.0)):
            t = (np.arange(seconds * fs) / fs - lag) / (1 + (lag > 0) * 3e-5)
            x = np.zeros(t.size)
            for beat in beats:
                x += gain * np.interp(t - beat, [0, 0.004, 0.2, 0.4], [0, 1, 0.7, 0], left=0, right=0)
            x[(t >= 2.0) & (t < 2.1)] += 3 * gain
            traces[name].append(x - (70 if name == "patch" else 0) + 0.002 * gain * rng.standard_normal(t.size))
    rows = {name: nea_files.stack(x) for name, x in traces.items()}
    coords = {"recording": ["7", "9"][:cells], "note": ("recording", ["", "sh"][:cells])}
    coords["poration"] = "recording", np.full(cells, 2.0)
    return nea_files._patch_dataset(rows["nea"], rows["patch"], coords)


def test_patch_files_are_paired_by_number(tmp_path):
    written = patch_clamp(seconds=14.0)
    written["patch"].values[1, 110_000:] = np.nan
    folder = nea.write(written, tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == ["n7.npy", "n9_sh.npy", "p7.npy", "p9.npy"]
    for old, new in (("n9_sh", "n10_sh"), ("p9", "p10")):  # sorted as text, 10 comes before 7
        (folder / f"{old}.npy").rename(folder / f"{new}.npy")
    read = nea.load("patch", source="nea", folder=tmp_path)
    same(read, written, ["nea", "patch"], rtol=0)
    assert read["recording"].values.tolist() == ["7", "10"] and read["note"].values.tolist() == ["", "sh"]
    assert read["poration"].values == pytest.approx(2.0, abs=2e-3)
    assert np.load(folder / "n7.npy")[100] == pytest.approx(1000 * written["nea"].values[0, 100]), "uV"
    assert nea.load("patch", source="nea", folder=tmp_path, n_cells=1).sizes["recording"] == 1
    assert nea.load("patch", source="nea", folder=tmp_path, recordings=["10"])["cell"].values == ["10"]


def test_patch_files_that_do_not_fit(tmp_path):
    folder = nea.write(patch_clamp(1, seconds=2.0), tmp_path)
    np.save(folder / "n7_sh.npy", np.zeros(10))
    with pytest.raises(ValueError, match="have the same number"):
        nea.load("patch", source="nea", folder=tmp_path)
    (folder / "n7_sh.npy").rename(folder / "n8_sh.npy")
    with pytest.raises(ValueError, match=r"numbers \[8\] have no file of both kinds"):
        nea.load("patch", source="nea", folder=tmp_path)
    (folder / "p8.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"p8\.npy is no \.npy file"):
        nea.load("patch", source="nea", folder=tmp_path)
    np.save(folder / "p8.npy", np.zeros((2, 10)))
    with pytest.raises(ValueError, match=r"p8\.npy: a trace \(sample,\)"):
        nea.load("patch", source="nea", folder=tmp_path)


def neighbours(seconds=6.0):
    """Three sites of f1 and two of f2, one poration pulse each."""
    rng = np.random.default_rng(0)
    t = np.arange(seconds * FS) / FS
    x = np.stack([np.interp(t % 1.3, [0, 0.005, 0.3, 0.5, 1.3], [0, 4, 3, 0, 0])] * 5)
    x = x + 0.02 * rng.standard_normal(x.shape)
    x[:, (t >= 3.0) & (t < 3.03)] += 300.0
    about = [("f1", 0, "47"), ("f1", 1, "48"), ("f1", 3, "46"), ("f2", 5, "11"), ("f2", 6, "21")]
    usable = np.arange(25).reshape(5, 5) % 3 > 0
    about = [(*row, use) for row, use in zip(about, usable, strict=True)]
    pulses = [("f1", 3.0), ("f2", 3.0)]
    return nea_files._sites(x.astype(np.float32), about, pulses, 0.0)


def test_neighbours_are_read_as_they_were_written(tmp_path):
    written = neighbours()
    nea.write(written, tmp_path)
    held = fetch.load_pickle(tmp_path / "data_iap" / "data_raw_neighboring_iap.pkl")
    assert list(held) == [("f1", 0, 1), ("f1", 1, 3), ("f2", 5, 6)]
    assert all(trace.dtype == np.int32 and trace.ndim == 1 for pair in held.values() for trace in pair)
    read = nea.load("neighbours", source="nea", folder=tmp_path, n_sites=10)
    same(read, written, ["nea"], rtol=0, atol=5.1e-4)
    same(read, written, ["x", "y", "available", "channel"])
    assert read["electrode"].values.tolist() == ["47", "48", "46", "11", "21"]
    assert read["recording"].values.tolist() == ["f1"] * 3 + ["f2"] * 2
    assert read["pulse_time"].values == pytest.approx([3.0, 3.0], abs=0.03)
    assert read["pulse_recording"].values.tolist() == ["f1", "f2"]
    part = nea.load("neighbours", source="nea", folder=tmp_path, recordings=["f2"], n_sites=1, start=1.0, duration=2.0)
    np.testing.assert_array_equal(part["nea"].values, read["nea"].values[3:4, FS : 3 * FS])
    assert part["time"].values[[0, -1]] == pytest.approx([1.0, 3.0 - 1 / FS])


def test_neighbours_stay_on_the_disk(tmp_path):
    nea.write(neighbours(), tmp_path)
    channels = nea_files._channels(tmp_path / "data_iap" / "data_raw_neighboring_iap.pkl")
    assert all(isinstance(trace, fetch.MappedArray) for trace in channels.values())
    assert all(isinstance(trace._held, fetch._Stretch) for trace in channels.values())


def test_neighbours_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="f2 has one site"):
        nea.write(neighbours().isel(site=slice(0, 4)), tmp_path)
    folder = nea.write(neighbours(), tmp_path)
    with pytest.raises(ValueError, match="no recording f3"):
        nea.load("neighbours", source="nea", folder=tmp_path, recordings=["f3"])
    with pytest.raises(ValueError, match="f1 ends before 60 s"):
        nea.load("neighbours", source="nea", folder=tmp_path, start=60.0)
    table = folder / "f1_availabiliteis.csv"
    table.write_text("\n".join(table.read_text().split("\n")[:2]))
    with pytest.raises(ValueError, match=r"the table of f1 lacks the channels \[1, 3\]"):
        nea.load("neighbours", source="nea", folder=tmp_path)
    table.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="needs the columns I, b, t1 to t5"):
        nea.load("neighbours", source="nea", folder=tmp_path)
    (folder / "data_raw_neighboring_iap.pkl").write_bytes(pickle.dumps({("f1", 1, 2): [np.zeros(3), np.zeros(4)]}))
    with pytest.raises(ValueError, match="two channels of equal lengths"):
        nea.load("neighbours", source="nea", folder=tmp_path)


def multichannel(seconds=6.0):
    x = neighbours(seconds)["nea"].values[:, :].copy()
    x[:4] *= 0.05
    kind = ("channel", ["eap"] * 4 + ["iap"])
    coords = {"kind": kind, "time": ("time", np.arange(x.shape[1]) / FS)}
    return xr.Dataset({"nea": (("channel", "time"), x)}, coords, {"fs": FS})


def test_many_channels_are_read_as_they_were_written(tmp_path):
    written = multichannel()
    path = nea.write(written, tmp_path)
    assert np.load(path)[4, 100] == pytest.approx(1000 * written["nea"].values[4, 100])
    read = nea.load("multichannel", source="nea", folder=tmp_path)
    same(read, written, ["nea", "time"], rtol=1e-12)
    assert read["kind"].values.tolist() == ["eap"] * 4 + ["iap"]
    part = nea.load("multichannel", source="nea", folder=tmp_path, start=2.0, duration=1.0)
    np.testing.assert_array_equal(part["nea"].values, written["nea"].values[:, 2 * FS : 3 * FS])
    with pytest.raises(ValueError, match="one intracellular channel, the last"):
        nea.write(written.isel(channel=slice(0, 4)), tmp_path)
    np.save(path, np.zeros(7))
    with pytest.raises(ValueError, match=r"an array \(channel, sample\)"):
        nea.load("multichannel", source="nea", folder=tmp_path)


def test_only_known_parts_and_sources():
    with pytest.raises(ValueError, match="source must be one of simulated, nea"):
        nea.load(source="kaggle")
    with pytest.raises(ValueError, match="'optical' has the parts optical, patch, not 'pairs'"):
        nea.load("pairs", source="optical")
    with pytest.raises(ValueError, match="n_channels shape a simulation"):
        nea.load("multichannel", source="nea", n_channels=3)
    with pytest.raises(ValueError, match="is no part of the nanoelectrode data"):
        nea.write(xr.Dataset({"wave": ("beat", [1.0])}), "nowhere")


def test_files_of_a_download_are_held_to_its_checksum(tmp_path):
    nea.write(pairs(beats=2), tmp_path)
    path = tmp_path / "eap_iap_data.pkl"
    fetch.enforce(path)
    assert nea.load("pairs", source="nea", folder=tmp_path).sizes["beat"] == 2
    nea.write(pairs(beats=3), tmp_path)
    with pytest.raises(fetch.FetchError, match=r"eap_iap_data\.pkl is not the file that was downloaded first"):
        nea.load("pairs", source="nea", folder=tmp_path)


class _Drive:
    """Stands in for gdown: sends one folder, zipped."""

    def __init__(self, folder):
        self.folder, self.wanted = folder, None

    def download(self, *, id, output, **_):
        self.wanted = id
        shutil.make_archive(output.removesuffix(".zip"), "zip", self.folder)


@pytest.mark.parametrize("part", ["pairs", "patch", "multichannel"])
def test_published_parts_are_downloaded_once(tmp_path, monkeypatch, part):
    written = {"pairs": pairs(beats=2), "patch": patch_clamp(1, 2.0), "multichannel": multichannel()}[part]
    nea.write(written, tmp_path / "there" / "some" / "folder")
    served = _Drive(tmp_path / "there")
    monkeypatch.setitem(sys.modules, "gdown", served)
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CARDIO_DATA", raising=False)
    read = nea.load(part, source="nea")
    assert served.wanted == nea_files._DRIVE[part][0]
    same(read, written, list({"iap", "nea"} & set(written)), rtol=0)
    served.wanted = None
    assert nea.load(part, source="nea").sizes == read.sizes and served.wanted is None


# Cleaning


def test_clean_pairs_stay_as_they_are():
    for times in (True, False):
        data = pairs(nea.TRAIN[:2], times=times)
        clean = nea.clean(data)
        assert clean.sizes == data.sizes and (clean["flag"].values == "").all()
        assert clean.attrs["duplicates_removed"] == clean.attrs["recentred_removed"] == 0
        nea.check(clean)


@pytest.mark.parametrize("name", ["iap", "eap"])
def test_exact_duplicates_go(name):
    data = pairs(nea.TRAIN[:2])
    data = changed(changed(data, name, 3, data[name].values[1]), name, 5, data[name].values[1])
    clean = nea.clean(data)
    assert clean.sizes["beat"] == 10 and clean.attrs["duplicates_removed"] == 2
    np.testing.assert_array_equal(clean["beat_time"].values[:4], data["beat_time"].values[[0, 1, 2, 4]])
    assert nea.clean(clean).attrs["duplicates_removed"] == 2, "counted once"


def test_two_recordings_may_share_an_iap_but_not_a_pair():
    data = pairs(nea.TRAIN[:2])
    shared = changed(data, "iap", 8, data["iap"].values[1])
    assert nea.clean(shared).attrs["duplicates_removed"] == 0
    both = changed(shared, "eap", 8, data["eap"].values[1])
    assert nea.clean(both).attrs["duplicates_removed"] == 1


def recentred(data, beat, lag):
    """Pairs in which the beat after `beat` is `beat` again, cut `lag` samples later from the same recording."""
    data = data.copy(deep=True)
    more = np.random.default_rng(9)
    for name in ("iap", "eap"):
        old, new = data[name].values[beat], data[name].values[beat + 1]
        noise = 0.003 * more.standard_normal(abs(lag))
        new[:] = np.r_[old[lag:], noise] if lag > 0 else np.r_[noise, old[:lag]]
    data["beat_time"].values[beat + 1] = data["beat_time"].values[beat] + lag / FS
    return data


@pytest.mark.parametrize("lag", [1, -3, 40, -200])
@pytest.mark.parametrize("times", [True, False])
def test_a_beat_cut_twice_is_one_beat(lag, times):
    data = recentred(pairs(nea.TRAIN[:2], times=True), 3, lag)
    if not times:
        data["beat_time"].values[:] = np.nan
    clean = nea.clean(data)
    assert clean.sizes["beat"] == 11 and clean.attrs["recentred_removed"] == 1
    assert clean.attrs["duplicates_removed"] == 0
    np.testing.assert_array_equal(clean["iap"].values, np.delete(data["iap"].values, [4], axis=0))


def test_the_same_noise_is_found_in_a_long_recording_and_after_rounding():
    x = eaps(600)
    x[300] = np.r_[x[299][17:], np.zeros(17)]
    x[511] = np.r_[np.zeros(100), x[509][:-100]]
    found = nea_quality._same_noise(np.round(x, 3), FS)
    assert np.flatnonzero(found).tolist() == [300, 511]


def sine(amplitude, frequency):
    return amplitude * np.sin(2 * np.pi * frequency * TIME)


BAD = {
    "iAP has missing samples": ("iap", lambda x: np.where((TIME > 0.1) & (TIME < 0.2), np.nan, x)),
    "eAP has missing samples": ("eap", lambda x: np.where(TIME > 1.3, np.nan, x)),
    "iAP is constant": ("iap", lambda x: 0 * x + 2),
    "eAP is constant": ("eap", lambda x: 0 * x),
    "iAP is saturated": ("iap", lambda x: np.minimum(x, 4)),
    "eAP is saturated": ("eap", lambda x: np.maximum(x, -0.02)),
    "iAP spans less than 0.5 mV": ("iap", lambda x: 0.05 * x),
    "iAP spans less than 50 times its noise": ("iap", lambda x: x + sine(0.5, 2200)),
    "eAP spans less than 50 times its noise": ("eap", lambda x: x + sine(0.2, 2200)),
    "iAP is 20 ms wide or less": ("iap", lambda x: np.where(np.abs(TIME) < 0.005, x, 0.01 * x)),
    "eAP spike is 6 ms wide or more": ("eap", lambda x: x + 0.3 * np.exp(-0.5 * ((TIME + 0.03) / 0.01) ** 2)),
    "eAP drifts by 0.1 mV or more": ("eap", lambda x: x + 0.12 * (TIME + 0.2) / 1.6),
    "iAP SNR is below 22.5 dB": ("iap", lambda x: x + sine(0.5, 400)),
}


@pytest.mark.parametrize("reason", BAD)
def test_each_rule_flags_its_beat_alone(reason):
    name, spoil = BAD[reason]
    data = pairs()
    data = changed(data, name, 2, spoil(data[name].values[2]))
    data["iap_snr"] = "beat", ap.snr(data["iap"].values, FS)
    clean = nea.clean(data)
    flag = clean["flag"].values
    assert flag[2].startswith(reason) and (np.delete(flag, 2) == "").all()
    assert clean.attrs["flagged"] == f"{flag[2]}: 1"
    nea.check(clean)


def test_a_wide_spike_is_a_fault_of_nanoelectrodes_only():
    _, spoil = BAD["eAP spike is 6 ms wide or more"]
    data = pairs()
    data = changed(data, "eap", 2, spoil(data["eap"].values[2]))
    conventional = data.assign_coords(sensor=("beat", np.full(data.sizes["beat"], "mea")))
    assert (nea.clean(conventional)["flag"].values == "").all()


def test_a_second_beat_is_no_drift():
    data = pairs()
    later = np.roll(data["iap"].values[2], round(1.3 * FS)), np.roll(data["eap"].values[2], round(1.3 * FS))
    data = changed(data, "iap", 2, np.where(TIME < 1.1, data["iap"].values[2], later[0]))
    data = changed(data, "eap", 2, np.where(TIME < 1.1, data["eap"].values[2], later[1] + 0.15 * (TIME > 1.25)))
    assert (nea.clean(data)["flag"].values == "").all()
    loose = nea.clean(data, nea.Rules(iap_snr=60.0))
    assert (loose["flag"].values == "iAP SNR is below 60 dB").all()


# Checks


def test_check_names_recording_and_reason():
    data = pairs(nea.TRAIN[:2])
    for reason in ("iAP has missing samples", "eAP is constant", "iAP is saturated", "eAP is saturated"):
        name, spoil = BAD[reason]
        with pytest.raises(ValueError, match=rf"recording {nea.TRAIN[1]}: {reason}.*\(beat 8, 1 in all\)"):
            nea.check(changed(data, name, 8, spoil(data[name].values[8])))
    with pytest.raises(ValueError, match=f"recording {nea.TRAIN[1]}: one beat only"):
        nea.check(data.isel(beat=slice(0, 7)))
    microvolt = data.assign(iap=1000 * data["iap"])
    with pytest.raises(ValueError, match=f"{nea.TRAIN[0]}: .* divide uV by 1000"):
        nea.check(microvolt)
    volt = data.assign(eap=data["eap"] / 1000)
    for refuse in (nea.check, nea.clean):
        with pytest.raises(ValueError, match="multiply V by 1000"):
            refuse(volt)
    slow = data.assign_coords(beat_time=("beat", data["beat_time"].values * 50))
    with pytest.raises(ValueError, match=r"cycle length is 60 s.*sampling rate"):
        nea.check(slow)
    with pytest.raises(ValueError, match="steps of time are not those of 5000 Hz"):
        nea.check(data.assign_coords(time=TIME * 1000))
    with pytest.raises(ValueError, match="coordinates beat_time"):
        nea.check(data.drop_vars("beat_time"))


def test_check_of_recordings():
    data = patch_clamp(1)
    nea.check(data)
    fast = data.assign_coords(time_nea=data["time_nea"].values / 2)
    with pytest.raises(ValueError, match=r"7: a pair must have equal lengths, not 10\.0 s \(nea\) and 20\.0 s"):
        nea.check(fast)
    with pytest.raises(ValueError, match=r"7: patch: .*divide uV by 1000"):
        nea.check(data.assign(patch=1000 * data["patch"]))
    gap = data.copy(deep=True)
    gap["nea"].values[0, 5000:6000] = np.nan
    with pytest.raises(ValueError, match=r"7: nea: 1000 samples are missing, the first 1000 of them from 1\.000 s on"):
        nea.check(gap)


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        (np.full(50_000, 3.0), "constant"),
        (np.clip(neighbours(10.0)["nea"].values[0], -1, 2), "saturated"),
        (1e4 * neighbours(10.0)["nea"].values[0], "divide uV by 1000"),
        (iaps(1)[0], "one beat only"),
        (np.full(50_000, np.nan), "samples are missing"),
    ],
)
def test_check_of_one_trace(trace, reason):
    with pytest.raises(ValueError, match=reason):
        nea.check_trace(trace, FS, "iap")


def test_a_wrong_rate_shows_in_the_cycle_lengths():
    with pytest.raises(ValueError, match="is the sampling rate right"):
        nea.check_trace(neighbours(60.0)["nea"].values[0], 200, "iap")


def test_check_of_channels():
    data = neighbours(30.0)
    nea.check(data)
    data["nea"].values[4] = 0
    with pytest.raises(ValueError, match="recording f2: site 4: the trace is constant"):
        nea.check(data)
    nea.check(multichannel(30.0))


# Two sensors on one cell


def test_matched_beats_are_the_same_beats():
    found = nea.matched_beats(patch_clamp(), settle=1.0)
    assert found["trace"].dims == ("beat", "sensor", "time") and found.sizes["time"] == 8000
    assert found["sensor"].values.tolist() == ["patch", "nea"]
    assert found["lag"].values == pytest.approx(0.4, abs=2e-3)
    assert np.abs(found["residual"].values).max() < 1e-3
    assert found["beat_time"].values.min() >= 3.0
    scaled = ap.scale(found["trace"].values[..., 500:5000], convention="minmax")
    assert np.abs(scaled[:, 0] - scaled[:, 1]).mean() < 0.01
    cycle = found["cycle_length"].values
    assert np.nanmax(np.abs(cycle[:, 0] - cycle[:, 1])) < 2e-3 and np.isfinite(cycle).mean() > 0.9
    assert found["snr"].values.min() > 20
    assert {key: found.attrs[key] for key in ("only_patch", "only_nea", "ambiguous", "left_out")} == {
        "only_patch": 0,
        "only_nea": 0,
        "ambiguous": "",
        "left_out": "",
    }


def test_a_missed_beat_costs_one_pair():
    data = patch_clamp(1)
    whole = nea.matched_beats(data, settle=1.0)
    gone = float(whole["beat_time"].values[4])
    x, t = data["nea"].values[0], data["time_nea"].values
    x[(t > 0.4 + gone - 0.05) & (t < 0.4 + gone + 0.45)] = 0.01 * np.sin(np.arange(2500))
    found = nea.matched_beats(data, settle=1.0)
    assert found.attrs["only_patch"] == 1 and found.attrs["only_nea"] == 0
    np.testing.assert_allclose(found["beat_time"].values, np.delete(whole["beat_time"].values, 4))
    assert np.isnan(found["cycle_length"].values[4]).all(), "the beat before was not matched"


def test_recordings_that_cannot_be_matched_are_left_out_by_name():
    data = patch_clamp()
    data["nea"].values[1] = 0
    found = nea.matched_beats(data)
    assert set(found["recording"].values) == {"7"} and found.attrs["left_out"].startswith("9: the recording is const")
    data["nea"].values[1, 3000:4000] = np.nan
    with pytest.raises(ValueError, match="no recording could be matched\n9: nea has missing samples"):
        nea.matched_beats(data.isel(recording=[1]))


# Simulated


@pytest.fixture(scope="module")
def simulated():
    return nea.load("pairs", duration=25.0, recordings=["exp00_dofetilide_W5_D1_i51_e52", "mea_2"])


def test_simulated_pairs_fit(simulated, tmp_path):
    clean = nea.clean(simulated)
    nea.check(clean)
    for name in ("exp00_dofetilide_W5_D1_i51_e52", "mea_2"):
        beat = simulated.isel(beat=int(np.argmax(simulated["recording"].values == name)))
        assert {key: beat[key].item() for key in nea.parse_name(name)} == nea.parse_name(name)
        assert beat["preparation"].item() == nea.preparations([name])[name]
    nea.write(simulated, tmp_path)
    read = nea.load("pairs", source="nea", folder=tmp_path)
    same(read, simulated, ["iap", "eap"], rtol=0)


def test_the_table_of_simulated_features(simulated):
    table = nea.features(nea.clean(simulated))
    assert {"ts", "td", "apd10", "apd100", "recording", "preparation", "iap_snr", "flag", "reason"} <= set(table)
    assert table["apd90"].between(200, 1300).all() and table.attrs["units"]["apd90"] == "ms"
    assert table.attrs["units"]["iap_snr"] == "dB" and table.attrs["source"] == "simulated"


def test_simulated_recordings_fit(tmp_path):
    patch = nea.load("patch", n_cells=2, duration=15.0, seed=1)
    nea.check(patch)
    found = nea.matched_beats(patch, settle=2.0)
    assert found["sensor"].values.tolist() == ["patch", "nea", "vm"]
    for k, name in enumerate(patch["recording"].values):
        lag = found["lag"].values[found["recording"].values == name]
        assert lag == pytest.approx(float(patch["lag"][k]), abs=5e-3)
    nea.write(patch, tmp_path)
    same(nea.load("patch", source="nea", folder=tmp_path), patch, ["nea", "patch"], rtol=0)
    sites = nea.load("neighbours", n_sites=2, duration=25.0)
    nea.check(sites)
    nea.write(sites, tmp_path)
    read = nea.load("neighbours", source="nea", folder=tmp_path)
    same(read, sites, ["nea"], rtol=0, atol=5.1e-4)
    same(read, sites, ["x", "y"])
    channels = nea.load("multichannel", n_channels=3, duration=15.0)
    nea.check(channels)
    nea.write(channels, tmp_path)
    same(nea.load("multichannel", source="nea", folder=tmp_path), channels, ["nea"], rtol=0)


# The published feature table


def test_another_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data_feat\.csv is missing.*by hand"):
        nea.load("features", source="features", folder=tmp_path)
    (tmp_path / "data_feat.csv").write_text("name,ind\na,1\n")
    with pytest.raises(ValueError, match="lacks the columns APD10"):
        nea.load("features", source="features", folder=tmp_path)


@pytest.fixture(scope="module")
def table():
    return nea.load("features", source="features", folder=FEATURES)


real_features = pytest.mark.skipif(not FEATURES.is_dir(), reason="CARDIO_DATA has no published feature table")


@pytest.mark.real
@real_features
def test_the_published_table(table):
    assert len(table) == 1047 and table["copies"].sum() == 1910 and table.attrs["duplicates_removed"] == 863
    assert table.groupby("recording").size().to_dict() == {
        "exp00_dofetilide_W5_D1_i51_e52": 154,
        "exp00_dofetilide_W5_D1_i57_e58": 149,
        "exp00_dofetilide_W5_D1_i84_e85": 310,
        "exp00_dofetilide_W8_D3_i24_e14": 51,
        "exp00_dofetilide_W8_D3_i61_e62": 201,
        "exp00_dofetilide_W8_D2_i57_e47": 182,
    }
    assert set(table["preparation"]) == {"exp00_W5_D1", "exp00_W8_D2"}
    assert table["td"].quantile([0.25, 0.5, 0.75]).tolist() == pytest.approx([720, 787, 860], abs=15)
    assert table["apd90"].min() == pytest.approx(673, abs=1) and table["iap_snr"].max() == pytest.approx(53.7, abs=0.1)
    units = table.attrs["units"]
    assert all(units[name] == unit for name, (unit, _) in ap.FEATURES.items() if name in table)
    assert set(ap.FEATURES) - set(table) == {"t1", "t2"}


@pytest.mark.real
@real_features
def test_the_columns_of_the_published_table_agree_with_each_other(table):
    same = {
        "ts": table["end_time"] - table["onset_time"],
        "td": table["dip_time"] - table["end_time"],
        "t_total": table["ts"] + table["td"],
        "ts_alt": table["ts"] - table["t2_alt"],
        "v1": table["peak_value"] - table["onset_value"],
        "vd": table["end_value"] - table["dip_value"],
        "v1_v2": table["v1"] / table["v2"],
        "dr_normalised": table["dr"] * table["v1_normalised"] / table["v1"],
    }
    for name, values in same.items():
        np.testing.assert_allclose(table[name], values, atol=1e-9, err_msg=name)


@pytest.mark.real
@real_features
def test_the_reference_errors_of_the_published_table(table):
    rows = table.loc[table.index.repeat(table["copies"])]
    apd = rows[[f"apd{level}" for level in ap.LEVELS]].to_numpy()
    errors = {"mean": [], "line": []}
    for name in rows["recording"].unique():
        test = (rows["recording"] == name).to_numpy()
        td = np.vander(rows["td"], 2)
        line = td[test] @ np.linalg.lstsq(td[~test], apd[~test], rcond=None)[0]
        for key, predicted in (("mean", apd[~test].mean(axis=0)), ("line", line)):
            errors[key].append(np.abs(predicted - apd[test]).mean())
    assert np.mean(errors["mean"]) == pytest.approx(66.7, abs=0.1)
    assert np.mean(errors["line"]) == pytest.approx(48.8, abs=0.1)


@pytest.mark.real
@real_features
def test_folds_of_the_published_table(table):
    for name, train, test in nea.folds(table):
        assert set(table["preparation"].iloc[train]).isdisjoint(table["preparation"].iloc[test])
        assert set(table["recording"].iloc[test]) == {name}
    one = nea.load("features", source="features", folder=FEATURES, recordings=[name])
    assert set(one["recording"]) == {name}


# The optical set


def optical_set(folder):
    t = np.arange(1, 5001) / 1e4
    for number in (1, 6, 15):
        path = folder / "optical" / "Drug4" / f"Well{number:02d}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        signal = np.interp(t, [0, 0.05, 0.06, 0.3], [0, 0, 0.1, 0]) + 1e-4 * np.sin(1e3 * t)
        np.savetxt(path, np.c_[t, signal][: 4000 + 50 * number], delimiter=",")
    base = folder / "optical" / "Group IV"
    base.mkdir()
    shutil.copy(path, base / "Well6.csv")
    (folder / "optical" / "rate-drug4.csv").write_text('"well","rate"\n1,1263.9\n6,775.7\n')
    cell = folder / "current-clamp" / "170124-cell-2-middle.csv"
    cell.parent.mkdir()
    np.savetxt(cell, np.c_[np.arange(1000) * 0.04, -70 + 0.1 * np.arange(1000)], delimiter=",")


def test_dyes_are_sorted_by_dose(tmp_path):
    optical_set(tmp_path)
    data = nea.load("optical", source="optical", folder=tmp_path)
    assert data["recording"].values.tolist() == ["Drug4/Well01", "Drug4/Well06", "Drug4/Well15", "Group IV/Well6"]
    assert data["drug"].values.tolist() == ["verapamil"] * 3 + [""]
    assert data["dose"].values.tolist() == [0.01, 0.1, 1.0, 0.0]
    assert data["group"].values.tolist() == ["IV_W01", "IV_W06", "IV_W15", "IV_W06"]
    np.testing.assert_allclose(data["cycle_length"].values, [1.2639, 0.7757, np.nan, np.nan])
    assert np.isfinite(data["signal"].values).sum(axis=1).tolist() == [4050, 4300, 4750, 4750]
    nea.check(data)
    chosen = nea.load("optical", source="optical", folder=tmp_path, recordings=["Drug4/Well06"])
    assert chosen.sizes["beat"] == 1
    cells = nea.load("patch", source="optical", folder=tmp_path)
    assert cells["cell"].values == ["170124-cell-2"] and cells["patch"].values[0, 10] == pytest.approx(-69)
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "optical-and-patch-selection.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "optical", "optical")
        archive.add(tmp_path / "current-clamp", "current-clamp")
    xr.testing.assert_identical(nea.load("optical", source="optical", folder=packed), data)
    assert [p.name for p in packed.iterdir()] == ["optical-and-patch-selection.tar.xz"], "nothing is unpacked"


def test_an_optical_set_that_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"holds neither the folder optical nor optical-and-patch.*by hand"):
        optical.read(tmp_path)
    (tmp_path / "optical-and-patch-selection.tar.xz").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="no archive, or damaged"):
        optical.read(tmp_path)
    optical_set(tmp_path)
    well = tmp_path / "optical" / "Drug4" / "Well15.csv"
    well.rename(well.with_name("Well16.csv"))
    with pytest.raises(ValueError, match="Drug4 has 15 wells, five a dose, and no 16"):
        optical.read(tmp_path)
    np.savetxt(well.with_name("Well16.csv"), np.c_[np.arange(100), np.zeros(100)], delimiter=",")
    well.with_name("Well16.csv").rename(well)
    with pytest.raises(ValueError, match=r"Well15\.csv has steps of 1 s instead of 0\.0001 s"):
        optical.read(tmp_path)
    well.write_text("a,b\n")
    with pytest.raises(ValueError, match=r"Well15\.csv is no table of two columns"):
        optical.read(tmp_path)
    with pytest.raises(ValueError, match="there is no recording Well99"):
        optical_set(tmp_path / "other")
        nea.load("optical", source="optical", folder=tmp_path / "other", recordings=["Well99"])


real_optical = pytest.mark.skipif(not OPTICAL.is_dir(), reason="CARDIO_DATA has no hiPSC traces")


@pytest.mark.real
@real_optical
def test_drugs_change_the_optical_durations():
    data = nea.load("optical", source="optical")
    nea.check(data)
    assert data.sizes["beat"] == 75 and np.isfinite(data["cycle_length"].values).all()
    apd90 = [ap.apd(nea_files.trimmed(x), optical.FS, 90).apd[0] for x in data["signal"].values]
    drug, dose = data["drug"].values, data["dose"].values
    median = {
        (d, c): np.nanmedian(np.array(apd90)[(drug == d) & (dose == c)]) for d, c in set(zip(drug, dose, strict=True))
    }
    assert 245 <= median["", 0.0] <= 361
    assert median["dofetilide", 0.1] > 2 * median["", 0.0]
    assert median["", 0.0] > median["verapamil", 0.1] > median["verapamil", 1.0]


@pytest.mark.real
@real_optical
def test_the_current_clamp_of_seven_cells():
    data = nea.load("patch", source="optical")
    nea.check(data)
    assert data.sizes["recording"] == 7 and data["patch"].values.min() < -60
