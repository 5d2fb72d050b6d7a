"""Intracardiac cases: names, both sources through one reader, what is refused, splits that keep their promise."""

import http.server
import io
import tarfile
import threading

import numpy as np
import pytest
import xarray as xr

from cardio_utils import physics
from cardio_utils.data import fetch
from cardio_utils.data import intracardiac as data
from cardio_utils.simulate import intracardiac as simulator

NAN = float("nan")


@pytest.fixture(scope="module")
def cases():
    """Sixty cases of three hearts."""
    return data.load(n=60, volunteers=("v1", "v2", "v10"))


@pytest.fixture(scope="module")
def written(cases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "intracardiac_dataset"
    assert data.write(cases, folder) == 60
    return folder


@pytest.fixture(scope="module")
def labels():
    """The whole design without its arrays: what splits and groups are made from."""
    design = simulator.design()
    return data._dataset(design, {}, {})


def test_shapes_units_and_coordinates(cases):
    assert dict(cases.sizes) == {"case": 60, "electrode": 10, "site": 75, "time": 500}
    assert cases["potentials"].dims == ("case", "electrode", "time")
    assert cases["vm"].dims == ("case", "site", "time") and cases["activation"].dims == ("case", "site")
    assert {v.dtype for v in cases.data_vars.values()} == {np.dtype("float32")}
    assert cases["electrode"].values.tolist() == ["RA", "LA", "LL", "RL", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert cases["time"].attrs["units"] == "s" and float(cases["time"][1]) == 0.001
    assert cases.attrs["source"] == "simulated" and cases.attrs["groups"] == "heart" and cases.attrs["fs"] == 1000
    focal = cases["pattern"] == -1
    assert set(cases["pacing_site"].values[focal]) <= set(data.SITES) and set(cases["pacing_site"].values[~focal]) == {
        ""
    }
    paced = [data.SITES.index(name) for name in cases["pacing_site"].values[focal].tolist()]
    np.testing.assert_array_equal(cases["activation"].values[focal].argmin(1), paced)
    assert data.check(cases) is cases


def test_near_duplicates_have_one_group_and_one_activation():
    everything = data.load(
        n=60,
        volunteers=["v4"],
        studies=[f"hearts_dd_0p2_geo_act_1_{s}" for s in ("bcl", "bcl_gkr", "bcl_gkr_I")],
    )
    sizes = []
    for _, group in everything.groupby("activation_group"):
        spread = np.ptp(group["activation"].values, axis=0)
        assert spread.max() < 0.2
        pairs = set(
            zip(group["bcl"].values.tolist(), np.nan_to_num(group["gkr"].values, nan=1.0).tolist(), strict=True)
        )
        assert len(pairs) == group.sizes["case"]  # they differ in rate or I_Kr
        sizes.append(group.sizes["case"])
    assert max(sizes) > 1


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("hearts_dd_0p2_volunteer.v10_pattern.0", ("hearts_dd_0p2", "v10", 0, -1, NAN, NAN, 0)),
        (
            "hearts_dd_0p2_geo_act_3_bcl_bcl.1000.pattern.0.volunteer.v1",
            ("hearts_dd_0p2_geo_act_3_bcl", "v1", 0, -1, 1000.0, NAN, 3),
        ),
        (
            "hearts_dd_0p2_geo_act_2_bcl_gkr_I_bcl.1000.gkr.050.pattern.11.volunteer.v9",
            ("hearts_dd_0p2_geo_act_2_bcl_gkr_I", "v9", 11, -1, 1000.0, 0.5, 2),
        ),
        (
            "hearts_dd_0p2_geo_inn_act_1_bcl_bcl.600.innerindex.9.volunteer.v8",
            ("hearts_dd_0p2_geo_inn_act_1_bcl", "v8", -1, 9, 600.0, NAN, 1),
        ),
    ],
)
def test_published_names(name, case):
    parsed = data.parse_name(f"pECGData_{name}.npy")
    np.testing.assert_equal(tuple(parsed), case)
    assert data.case_name(parsed) == name
    np.testing.assert_equal(tuple(data.parse_name(f"VmData_{name}.npy")), case)


def test_every_name_of_the_design_is_parsed_back():
    for case in simulator.design()[::37]:
        np.testing.assert_equal(tuple(data.parse_name(data.case_name(case))), tuple(case))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "VmData_hearts_dd_0p2_volunteer.v10_pattern.0_dose.3.npy",
            "pattern.0_dose.3.npy: unknown token 'dose'; known are volunteer.* Rename",
        ),
        ("VmData_hearts_dd_0p2_geo_act_9_bcl_bcl.600.pattern.1.volunteer.v1.npy", "unknown token 'act'"),
        ("VmData_livers_volunteer.v10_pattern.0.npy", "no name of a case"),
        ("VmData_hearts_dd_0p2_volunteer.v3_pattern.0.npy", "no volunteer v3; known are v1, v2, v4"),
        ("VmData_hearts_dd_0p2_pattern.0.npy", "no volunteer none"),
        ("VmData_hearts_dd_0p2_volunteer.v1.npy", "a pattern .* or an innerindex"),
        ("VmData_hearts_dd_0p2_volunteer.v1_pattern.29.npy", "0 to 28"),
        ("VmData_hearts_dd_0p2_bcl.fast.volunteer.v1.pattern.2.npy", "bcl is 'fast'"),
        ("VmData_hearts_dd_0p2_volunteer.v1_pattern.2_pattern.3.npy", "given twice"),
    ],
)
def test_names_that_say_nothing_known(name, message):
    with pytest.raises(ValueError, match=message):
        data.parse_name(name)


def test_what_is_written_is_read_back_equal(cases, written):
    back = data.load("ucsd", folder=written)
    assert back.attrs["source"] == "ucsd" and "10.6075" in back.attrs["citation"]
    assert set(back["case"].values.tolist()) == set(cases["case"].values.tolist())
    assert back.sel(case=cases["case"].values).equals(cases)
    first = written / "data_hearts_dd_0p2"
    pair = sorted(path.name.split("_")[0] for path in first.glob("*_volunteer.v1_pattern.*.npy"))
    assert pair == ["VmData"] * (len(pair) // 2) + ["pECGData"] * (len(pair) // 2)
    one = np.load(next(written.rglob("VmData_*.npy")))
    assert one.shape == (500, 75) and one.dtype == np.float64


def test_only_what_is_asked_for_is_read(cases, written, monkeypatch):
    read = []
    original = np.load
    monkeypatch.setattr(np, "load", lambda path, **options: read.append(path.name) or original(path, **options))
    part = data.load("ucsd", folder=written, volunteers=["v2"], variables=("potentials",))
    assert set(part.data_vars) == {"potentials"} and set(part["heart"].values.tolist()) == {"v2"}
    assert all("volunteer.v2" in name and name.startswith("pECG") for name in read)
    read.clear()
    assert part["potentials"][3:5, 2, 100:110].values.shape == (2, 10)
    assert len(read) == 2  # two cases asked for, two files opened
    study = str(cases["study"].values[0])
    of_study = data.load("ucsd", folder=written, studies=[study], variables=())
    assert set(of_study["study"].values.tolist()) == {study}


def test_indexing_of_files_on_disk_equals_that_of_memory(cases, written):
    lazy = data.load("ucsd", folder=written, variables=("vm",))["vm"]
    loaded = lazy.copy().load()
    for key in [(0,), (slice(5, 2, -1), 3), ([4, 1], [70, 2], slice(0, 500, 100)), (7, 8, 9), (slice(0, 0),)]:
        np.testing.assert_array_equal(lazy[key].values, loaded[key].values)


def test_a_draw_of_the_published_set(written):
    small, large = (data.load("ucsd", n=n, folder=written, variables=())["case"].values.tolist() for n in (5, 20))
    assert set(small) < set(large) and len(small) == 5
    with pytest.raises(ValueError, match="between 1 and the 60"):
        data.load("ucsd", n=61, folder=written)


def test_manifest_is_sorted_and_reads_no_array(written, monkeypatch):
    monkeypatch.setattr(np, "load", None)
    table = data.manifest(written)
    assert len(table) == 60 and list(table.columns) == [*simulator.Case._fields, "potentials", "vm"]
    base = table[table["study"] == table["study"].iloc[0]]
    assert base["volunteer"].str[1:].astype(int).is_monotonic_increasing  # v2 before v10
    assert set(data.manifest(written, volunteers=["v10"])["volunteer"]) == {"v10"}


@pytest.fixture
def broken(cases, tmp_path):
    """A folder of two pairs, and the path of one file to be spoilt."""
    data.write(cases[["potentials", "vm"]].isel(case=[0, 1]), tmp_path)
    name = cases["case"].values[0]
    return tmp_path, next(tmp_path.rglob(f"VmData_{name}.npy"))


def test_a_file_without_its_partner(broken):
    folder, vm = broken
    vm.with_name(vm.name.replace("VmData", "pECGData")).unlink()
    with pytest.raises(ValueError, match=r"VmData_.* has no partner pECGData_.*\.npy .* Unpack"):
        data.load("ucsd", folder=folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: a.T, r"VmData_.* is transposed: \(75, 500\).* Save it as \(500, 75\)"),
        (lambda a: a[:499], r"VmData_.* has 499 samples; a case has 500\. Unpack"),
        (lambda a: a[:, :74], r"VmData_.* has 74 sites; a case has 75\. Unpack"),
        (lambda a: a.astype(int), r"holds int64 of shape \(500, 75\), not floats"),
        (lambda a: a[None], "not floats"),
    ],
)
def test_arrays_of_another_shape(broken, spoil, message):
    folder, vm = broken
    np.save(vm, spoil(np.load(vm)))
    with pytest.raises(ValueError, match=message):
        data.load("ucsd", folder=folder)


def test_a_file_that_was_cut_short(broken):
    folder, vm = broken
    vm.write_bytes(vm.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"is no whole NumPy file .* Unpack its archive again"):
        data.load("ucsd", folder=folder)


def test_foreign_and_double_files(broken):
    folder, vm = broken
    (folder / "copy" / vm.parent.name).mkdir(parents=True)
    (folder / "copy" / vm.parent.name / vm.name).write_bytes(vm.read_bytes())
    with pytest.raises(ValueError, match="are the same case"):
        data.manifest(folder)
    vm.rename(vm.with_name("Data_of_mine.npy"))
    with pytest.raises(ValueError, match="neither pECGData nor VmData"):
        data.manifest(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "llnl"}, "'simulated' or 'ucsd'"),
        ({"variables": ["ecg"]}, "no variable ecg"),
        ({"volunteers": ["v1", "v3"]}, "no volunteer v3; known are"),
        ({"volunteers": ["v17"], "source": "ucsd"}, "no volunteer v17"),
        ({"studies": ["other"]}, "no study other"),
        ({"volunteers": "v1"}, "as a sequence"),
    ],
)
def test_what_cannot_be_asked_for(options, message, written):
    with pytest.raises(ValueError, match=message):
        data.load(**{"n": 3, "folder": written} | options)


def test_a_study_that_is_not_there(written):
    with pytest.raises(ValueError, match="no study hearts_dd_0p3; known are hearts_dd_0p2"):
        data.manifest(written, studies=["hearts_dd_0p3"])
    with pytest.raises(ValueError, match="holds no pair"):
        data.manifest(written, volunteers=["v16"])


def test_check_refuses_what_does_not_fit(cases):
    few = cases.isel(case=slice(0, 3))
    for wrong, message in (
        (few.drop_vars("vm"), "no variable vm"),
        (few.transpose("case", "time", ...), "transposed"),
        (few.isel(time=slice(0, 499)), "75 sites of 500|10 electrodes of 500"),
        (few.isel(site=slice(0, 74)), "75 sites of 500 samples are expected"),
        (few.assign(vm=few["vm"] / 1000), "is it in mV"),
        (few.assign(potentials=few["potentials"].where(few["time"] > 0.1)), "potentials of .* is not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            data.check(wrong)


def test_activation_time():
    t = np.arange(500)
    vm = np.stack([np.full(500, -85.0), np.full(500, 20.0), np.where(t < 30, -85.0, 15.0), -80.0 + 2 * (t - 0.25)])
    np.testing.assert_allclose(data.activation_time(vm), [np.nan, 0, 30 - 15 / 100, 40.25])
    np.testing.assert_array_equal(data.activation_time(vm, definition="first_sample"), [0, 0, 30, 41])
    np.testing.assert_allclose(data.activation_time(vm.T, axis=0), data.activation_time(vm))
    assert data.activation_time(vm[3], threshold=-40.0) == pytest.approx(20.25)
    at_threshold = np.array([-10.0, 0.0, 10.0])
    assert data.activation_time(at_threshold) == 1.0  # above means above
    with pytest.raises(ValueError, match="'peak'"):
        data.activation_time(vm, definition="peak")


def test_twelve_leads(cases):
    leads = data.twelve_leads(cases["potentials"])
    assert leads.dims == ("case", "lead", "time") and tuple(leads["lead"].values.tolist()) == physics.LEADS
    e = cases["potentials"].sel(electrode=["RA", "LA", "V3"]).values
    np.testing.assert_allclose(leads.sel(lead="I").values, e[:, 1] - e[:, 0], atol=1e-6)
    augmented = leads.sel(lead=["aVR", "aVL", "aVF"]).sum("lead")
    assert float(np.abs(augmented).max()) < 1e-5
    assert np.linalg.matrix_rank(leads[0].values.astype(float), tol=1e-4) == 8
    assert leads["heart"].dims == ("case",)
    with pytest.raises(ValueError, match="RA, LA, LL, RL, V1"):
        data.twelve_leads(cases["potentials"].isel(electrode=slice(None, None, -1)))


@pytest.mark.parametrize("kind", ["random", "heart", "site"])
def test_no_activation_is_on_two_sides(labels, kind):
    tested = []
    for fold in range(3):
        parts = data.split(labels, kind, fold=fold, seed=1)
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(labels.sizes["case"]))
        groups = [set(labels["activation_group"].values[part].tolist()) for part in parts]
        assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
        tested.append(set(parts.test.tolist()))
    assert not (tested[0] & tested[1] or tested[1] & tested[2])
    share = len(parts.test) / labels.sizes["case"]
    assert share == pytest.approx({"random": 0.05, "heart": 0.2, "site": 0.2}[kind], abs=0.03)


def test_splits_hold_out_what_they_are_named_after(labels):
    parts = data.split(labels, "heart")
    hearts = [set(labels["heart"].values[part].tolist()) for part in parts]
    assert [len(h) for h in hearts] == [9, 3, 3] and not (hearts[0] & hearts[2])
    parts = data.split(labels, "site")
    segment = dict(zip(data.SITES, data.COLUMNS, strict=True)) | {"": ""}
    paced = [{segment[s] for s in labels["pacing_site"].values[part].tolist()} - {""} for part in parts]
    patterns = [set(labels["pattern"].values[part].tolist()) - {-1} for part in parts]
    assert not (paced[0] & paced[2] or patterns[0] & patterns[2])
    assert len(paced[2]) == 5 and len(patterns[2]) in (5, 6)
    assert len(set(labels["heart"].values[parts.test].tolist())) == 15
    again = data.split(labels, "site")
    assert all(map(np.array_equal, parts, again))


def test_impossible_splits(cases):
    with pytest.raises(ValueError, match="random, heart, site"):
        data.split(cases, "case")
    with pytest.raises(ValueError, match="fold 5 of 5"):
        data.split(cases, "heart", fold=5)
    with pytest.raises(ValueError, match="too few groups for 5 folds by heart"):
        data.split(cases, "heart", fold=3)


def test_the_simulator_has_the_statistics_of_the_published_set():
    everything = data.load(n=400)
    table = data.calibration_table(everything)
    assert list(table.columns) == ["unit", "published", "ours", "ratio"] and len(table) == 47
    extremes = table.index.str.contains(", least|, greatest")  # they grow with the number of cases
    assert table["ratio"][~extremes].between(1 / 1.5, 1.5).all(), table
    assert table["ratio"].between(0.5, 1.5).all(), table
    leads = data.twelve_leads(everything["potentials"]).values.astype(float)
    assert table.loc["V2, SD", "ours"] == pytest.approx(leads[:, 7].std(), rel=1e-6)
    assert table.loc["aVR, least", "ours"] == pytest.approx(leads[:, 3].min())
    assert table.loc["Vm, SD", "ours"] == pytest.approx(float(everything["vm"].std(("case", "time")).mean()), rel=1e-4)
    assert table.loc["activation, SD", "ours"] == pytest.approx(everything["activation"].values.std(), rel=1e-4)


def test_parts_can_be_left_out():
    few = data.load(n=4, volunteers=["v1"], variables=("potentials",))
    assert set(few.data_vars) == {"potentials"} and "activation_group" in few.coords
    whole = data.load(n=4, volunteers=["v1"])
    np.testing.assert_array_equal(whole["potentials"].values, few["potentials"].values)


def archive(files):
    """Bytes of a .tgz of empty or given files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def library(cases, written, monkeypatch, tmp_path):
    """A server of the parts: pairs spread over archives two to five, nothing in the others."""
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files = [path for name in cases["case"].values[:8] for path in sorted(written.rglob(f"*_{name}.npy"))]
    shares = {part: {} for part in range(2, 23)}
    for k, path in enumerate(files):
        shares[2 + k % 4][f"intracardiac_dataset/{path.parent.name}/{path.name}"] = path.read_bytes()
    bodies = {f"/{part}.tgz": archive(share or {"license/l.txt": b"x"}) for part, share in shares.items()}
    bodies["/1.md"] = b"# Description"
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = bodies[self.path]
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            if start:
                asked[-1] += f" from {start}"
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start : self.server.stop or None])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.stop = 0  # bytes after which the connection breaks
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(data, "_URL", f"http://127.0.0.1:{server.server_port}/{{}}.{{}}")
    yield bodies, asked, server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_published_set_is_downloaded_once_and_unpacked(library, cases, tmp_path, monkeypatch):
    _, asked, _ = library
    (tmp_path / "real").mkdir()
    monkeypatch.setenv("CARDIO_DATA", str(tmp_path / "real"))
    back = data.load("ucsd")
    few = cases.isel(case=slice(0, 8))
    assert back.sel(case=few["case"].values).equals(few)
    folder = tmp_path / "real" / "intracardiac_dataset"
    assert (folder / "README.md").read_text() == "# Description" and (folder / "license" / "l.txt").exists()
    assert len(asked) == 22 and not list((folder / ".parts").glob("*.tgz"))
    assert data.load("ucsd", variables=()).sizes["case"] == 8 and len(asked) == 22


def test_a_truncated_archive_is_thrown_away_and_the_rest_is_kept(library, tmp_path):
    bodies, asked, _ = library
    good, bodies["/3.tgz"] = bodies["/3.tgz"], bodies["/3.tgz"][:-2000]
    with pytest.raises(fetch.FetchError, match=r"03\.tgz .*damaged.* call again to download"):
        data.load("ucsd", folder=tmp_path / "set")
    assert asked == ["/1.md", "/2.tgz", "/3.tgz"]
    bodies["/3.tgz"] = good
    assert data.load("ucsd", folder=tmp_path / "set", variables=()).sizes["case"] == 8
    assert asked[3:] == [f"/{part}.tgz" for part in range(3, 23)]  # what had come is not fetched again


def test_a_part_that_broke_off_is_gone_on_with(library, tmp_path, monkeypatch):
    _, asked, server = library
    data.download(tmp_path / "set", [1])
    monkeypatch.setattr(fetch, "_ATTEMPTS", 1)
    server.stop = 1 << 16
    with pytest.raises(fetch.FetchError, match=r"02\.tgz could not be downloaded"):
        data.download(tmp_path / "set", [2])
    server.stop = 0
    data.download(tmp_path / "set", [2])
    assert asked == ["/1.md", "/2.tgz", "/2.tgz from 65536"]
    assert len(list((tmp_path / "set").rglob("*.npy"))) == 4
    assert [path.name for path in sorted((tmp_path / "set" / ".parts").iterdir())] == ["01.done", "02.done"]


def test_parts_that_do_not_exist(tmp_path):
    with pytest.raises(ValueError, match="no part 23"):
        data.download(tmp_path, [2, 23])


def test_a_copy_that_somebody_has_is_used_as_it_is(written, monkeypatch):
    monkeypatch.setattr(data, "download", None)
    assert isinstance(data.load("ucsd", folder=written, variables=()), xr.Dataset)
