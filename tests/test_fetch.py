"""What goes wrong between a server and a disk: each fault is made on purpose by a server in this process."""

import errno
import hashlib
import http.server
import io
import multiprocessing
import os
import pickle
import sys
import tarfile
import threading
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from cardio_utils.data import fetch

DATA = np.random.default_rng(0).bytes(300_000)
HASH = "sha256:" + hashlib.sha256(DATA).hexdigest()
CUT = 3 << 16  # bytes after which a connection breaks


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves DATA; the path says what goes wrong, the server keeps count of requests and bytes."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.path != "/whole-only" else 0
        first = len(self.server.requests) == 1
        if self.path == "/missing":
            return self.send_error(404)
        data = self.server.held
        body, kind = data[start:], "application/octet-stream"
        if self.path == "/page":
            body, kind = b"<html>please sign in</html>", "text/html; charset=utf-8"
        if self.path == "/disguised":
            body = b"\n<!DOCTYPE html><html>quota exceeded</html>"
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if self.server.version:
            self.send_header("ETag", self.server.version)
        self.end_headers()
        cut = (self.path == "/cut-once" and first) or self.path == "/cut-always" or self.server.breaks
        self.wfile.write(body[: CUT if cut else len(body)] if start == 0 else body)
        if self.path == "/slow":
            self.server.pause.wait(0.3)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch.time, "sleep", lambda _: None)
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    served.requests, served.pause, served.held = [], threading.Event(), DATA
    served.version, served.breaks = None, False
    served.url = f"http://127.0.0.1:{served.server_port}"
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_once(server, tmp_path, capsys):
    target = tmp_path / "set" / "a.bin"
    for _ in range(2):
        assert fetch.retrieve(server.url + "/a", HASH, target) == target
    assert target.read_bytes() == DATA and names(target.parent) == ["a.bin"]
    assert len(server.requests) == 1
    assert fetch.retrieve(server.url + "/a", None, tmp_path / "unknown.bin").read_bytes() == DATA
    assert capsys.readouterr() == ("", ""), "nobody watches, nothing is said"


def test_a_cut_connection_is_resumed_at_once(server, tmp_path):
    target = fetch.retrieve(server.url + "/cut-once", HASH, tmp_path / "a.bin")
    assert target.read_bytes() == DATA
    assert server.requests == [("/cut-once", None), ("/cut-once", f"bytes={CUT}-")]


def test_a_download_that_broke_off_is_resumed_by_the_next_call(server, tmp_path, monkeypatch):
    target = tmp_path / "a.bin"
    monkeypatch.setattr(fetch, "_ATTEMPTS", 1)
    with pytest.raises(fetch.FetchError, match=r"a\.bin could not be downloaded .* by hand"):
        fetch.retrieve(server.url + "/cut-always", HASH, target)
    assert not target.exists()
    part = tmp_path / "a.bin.part"
    assert part.stat().st_size == CUT
    assert fetch.retrieve(server.url + "/a", HASH, target).read_bytes() == DATA
    assert server.requests[-1] == ("/a", f"bytes={CUT}-") and not part.exists()


def _break_off(server, target, monkeypatch, path="/a"):
    """A download without a checksum that ends early."""
    with monkeypatch.context() as patch:
        patch.setattr(fetch, "_ATTEMPTS", 1)
        server.breaks = True
        with pytest.raises(fetch.FetchError, match="could not be downloaded"):
            fetch.retrieve(server.url + path, None, target)
        server.breaks = False
    assert target.with_name("a.bin.part").stat().st_size == CUT
    server.requests.clear()


@pytest.mark.parametrize("version", [None, '"one"'])
def test_without_a_checksum_the_same_file_is_gone_on_with(server, tmp_path, monkeypatch, version):
    server.version = version
    _break_off(server, tmp_path / "a.bin", monkeypatch)
    assert fetch.retrieve(server.url + "/a", None, tmp_path / "a.bin").read_bytes() == DATA
    assert server.requests == [("/a", f"bytes={CUT}-")]
    assert names(tmp_path) == ["a.bin", "cache"]


@pytest.mark.parametrize(("held", "version"), [(DATA[::-1], '"two"'), (DATA[::-1] + b"longer", '"one"')])
def test_without_a_checksum_another_file_is_started_anew(server, tmp_path, monkeypatch, held, version):
    server.version = '"one"'
    _break_off(server, tmp_path / "a.bin", monkeypatch)
    server.held, server.version = held, version
    assert fetch.retrieve(server.url + "/a", None, tmp_path / "a.bin").read_bytes() == held
    assert server.requests == [("/a", f"bytes={CUT}-"), ("/a", None)]


def test_a_partial_file_of_unknown_origin_is_not_gone_on_with(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"something else")
    (tmp_path / "a.bin.part.json").write_text("{")
    assert fetch.retrieve(server.url + "/a", None, tmp_path / "a.bin").read_bytes() == DATA
    assert server.requests == [("/a", None)] and names(tmp_path) == ["a.bin", "cache"]


def test_a_server_that_sends_only_whole_files(server, tmp_path, monkeypatch):
    _break_off(server, tmp_path / "a.bin", monkeypatch, "/whole-only")
    assert fetch.retrieve(server.url + "/whole-only", None, tmp_path / "a.bin").read_bytes() == DATA
    assert server.requests == [("/whole-only", f"bytes={CUT}-")]


@pytest.mark.parametrize(("stale", "requests"), [(DATA, 1), (DATA + b"more", 2)])
def test_a_partial_file_that_holds_everything_or_too_much(server, tmp_path, stale, requests):
    (tmp_path / "a.bin.part").write_bytes(stale)
    assert fetch.retrieve(server.url + "/a", HASH, tmp_path / "a.bin").read_bytes() == DATA
    assert len(server.requests) == requests


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(fetch.FetchError, match=r"a\.bin .* wrong checksum .* Try again"):
        fetch.retrieve(server.url + "/a", "sha256:" + "0" * 64, tmp_path / "a.bin")
    assert names(tmp_path) == ["cache"]


def test_a_foreign_file_is_neither_used_nor_overwritten(server, tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"mine")
    with pytest.raises(fetch.FetchError, match=r"a\.bin is there, but its checksum"):
        fetch.retrieve(server.url + "/a", HASH, target)
    assert target.read_bytes() == b"mine" and not server.requests


@pytest.mark.parametrize("path", ["/page", "/disguised"])
def test_a_web_page_in_place_of_data(server, tmp_path, path):
    for known in (HASH, None):
        with pytest.raises(fetch.FetchError, match=r"a\.bin: .* sent a web page instead of data"):
            fetch.retrieve(server.url + path, known, tmp_path / "a.bin")
    assert names(tmp_path) == ["cache"]


def test_no_such_file_and_no_server(server, tmp_path):
    with pytest.raises(fetch.FetchError, match="404"):
        fetch.retrieve(server.url + "/missing", HASH, tmp_path / "a.bin")
    with pytest.raises(fetch.FetchError, match="could not be downloaded"):
        fetch.retrieve("http://127.0.0.1:9/a", HASH, tmp_path / "a.bin")
    assert names(tmp_path) == ["cache"]


def _retrieve(url, target, start):
    start.wait()
    fetch.retrieve(url, HASH, target)


def test_two_processes_at_once_download_once(server, tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    arguments = (server.url + "/slow", tmp_path / "a.bin", start)
    both = [context.Process(target=_retrieve, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(server.requests) == 1 and (tmp_path / "a.bin").read_bytes() == DATA


def _full(stream, chunk):
    stream.write(chunk[:100])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_nothing(server, tmp_path, monkeypatch):
    folder = tmp_path / "set"
    monkeypatch.setattr(fetch, "_write", _full)
    with pytest.raises(fetch.FetchError, match=f"No space is left in {folder} for a.bin"):
        fetch.retrieve(server.url + "/a", HASH, folder / "a.bin")
    assert names(folder) == []


def test_too_little_space_is_noticed_before_anything_is_written(server, tmp_path, monkeypatch):
    usage = fetch.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(fetch, "_write", lambda *_: pytest.fail("it was written to"))
    with pytest.raises(fetch.FetchError, match="No space is left"):
        fetch.retrieve(server.url + "/a", HASH, tmp_path / "a.bin")


def test_whole_or_nothing(tmp_path):
    target = tmp_path / "new" / "file"
    with pytest.raises(ZeroDivisionError), fetch.whole(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    with pytest.raises(fetch.FetchError, match="No space"), fetch.whole(target) as temporary:
        temporary.mkdir()
        raise OSError(errno.ENOSPC, "")
    assert names(target.parent) == []
    with fetch.whole(target) as temporary:
        temporary.write_text("all")
        assert not target.exists()
    assert names(target.parent) == ["file"]


def test_a_cache_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "file"))
    with pytest.raises(fetch.FetchError, match="Set CARDIO_CACHE"):
        fetch.retrieve("http://127.0.0.1:9/a", HASH, tmp_path / "a.bin")


def test_the_folder_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CARDIO_DATA", raising=False)
    assert fetch.folder() == tmp_path / "cache" / "data"
    monkeypatch.setenv("CARDIO_DATA", str(tmp_path))
    assert fetch.folder() == tmp_path
    monkeypatch.setenv("CARDIO_DATA", str(tmp_path / "mistyped"))
    with pytest.raises(fetch.FetchError, match="mistyped, which is no folder"):
        fetch.folder()
    monkeypatch.delenv("CARDIO_CACHE")
    assert fetch.cache().name == "cardio_utils"


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_arrays_is_read(tmp_path, protocol):
    held = OrderedDict(
        a=np.arange(6.0).reshape(2, 3),
        b=[np.float32(1.5), {"x", (1, None)}, b"bytes", 2j],
        c=np.array([{"n": np.arange(3)}, "text"], dtype=object),
        d=np.array([(1, 2.0)], dtype=[("i", "i4"), ("x", "f8")]),
    )
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held, protocol))
    read = fetch.load_pickle(tmp_path / "a.pkl")
    assert list(read) == list(held) and read["b"] == held["b"]
    np.testing.assert_array_equal(read["a"], held["a"])
    np.testing.assert_array_equal(read["c"][0]["n"], held["c"][0]["n"])
    np.testing.assert_array_equal(read["d"], held["d"])


@pytest.mark.parametrize("held", [_Evil(), {"deep": [_Evil()]}, np.array([_Evil()], dtype=object), eval])
def test_a_pickle_that_wants_more_is_refused(tmp_path, monkeypatch, held):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held))
    with pytest.raises(fetch.FetchError, match=r"a\.pkl is not unpickled: it wants to run"):
        fetch.load_pickle(tmp_path / "a.pkl")
    assert names(tmp_path) == ["a.pkl"]


def test_a_damaged_pickle(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.arange(100))[:-50])
    with pytest.raises(fetch.FetchError, match=r"a\.pkl is not unpickled"):
        fetch.load_pickle(tmp_path / "a.pkl")


def _zip(path, name, mode=0o644):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good/a.txt", "fine")
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, "content")


def _tar(path, name, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        for member, content in (
            (tarfile.TarInfo("good/a.txt"), b"fine"),
            (tarfile.TarInfo(name), b"content"),
        ):
            member.size = len(content)
            if member.name == name and kind != tarfile.REGTYPE:
                member.type, member.linkname, member.size = kind, "/etc/passwd", 0
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("make", [_zip, _tar])
def test_an_archive_is_unpacked_whole(tmp_path, make):
    make(tmp_path / "archive", "b/c.txt")
    target = fetch.unpack(tmp_path / "archive", tmp_path / "set")
    assert (target / "good/a.txt").read_text() == "fine" and (target / "b/c.txt").read_text() == "content"
    assert names(tmp_path) == ["archive", "set"]
    with pytest.raises(fetch.FetchError, match="exists"):
        fetch.unpack(tmp_path / "archive", target)


@pytest.mark.parametrize(
    "name", ["../climbed.txt", "good/../../climbed.txt", "/climbed.txt", "..\\climbed.txt", "C:/c"]
)
@pytest.mark.parametrize("make", [_zip, _tar])
def test_an_archive_that_climbs_out_is_refused(tmp_path, make, name):
    place = tmp_path / "place"
    place.mkdir()
    make(place / "archive", name)
    with pytest.raises(fetch.FetchError, match=r"archive is not unpacked: its member .* is unsafe"):
        fetch.unpack(place / "archive", place / "set")
    assert names(place) == ["archive"] and names(tmp_path) == ["place"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (_zip, 0o120777),
        (_tar, tarfile.SYMTYPE),
        (_tar, tarfile.LNKTYPE),
        (_tar, tarfile.CHRTYPE),
        (_tar, tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_are_refused(tmp_path, make, kind):
    make(tmp_path / "archive", "link", kind)
    with pytest.raises(fetch.FetchError, match="'link' is unsafe"):
        fetch.unpack(tmp_path / "archive", tmp_path / "set")
    assert names(tmp_path) == ["archive"]


@pytest.mark.parametrize("make", [_zip, _tar])
def test_a_damaged_archive_leaves_nothing(tmp_path, make):
    make(tmp_path / "archive", "b.txt")
    content = bytearray((tmp_path / "archive").read_bytes())
    for cut in (content[: len(content) // 2], b"no archive"):
        (tmp_path / "archive").write_bytes(cut)
        with pytest.raises(fetch.FetchError, match="no archive, or damaged"):
            fetch.unpack(tmp_path / "archive", tmp_path / "set")
        assert names(tmp_path) == ["archive"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("size", [10, 100_000])
def test_arrays_of_a_pickle_stay_in_the_file(tmp_path, protocol, size):
    x = np.random.default_rng(0).standard_normal((2, size))
    shared = np.arange(size, dtype=np.int32)
    held = {("f1", 1, 2): [shared, x], "f": np.asfortranarray(x.astype("f4")), "n": (1, "text"), "again": shared}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held, protocol))
    read = fetch.map_pickle(tmp_path / "a.pkl")
    assert list(read) == list(held) and read["n"] == held["n"] and read["again"] is read["f1", 1, 2][0]
    for found, expected in ((read["f1", 1, 2][0], shared), (read["f1", 1, 2][1], x), (read["f"], held["f"])):
        assert (found.shape, found.dtype, found.ndim, len(found)) == (
            expected.shape,
            expected.dtype,
            expected.ndim,
            len(expected),
        )
        np.testing.assert_array_equal(np.asarray(found), expected)
        np.testing.assert_array_equal(found[1:5], expected[1:5])
    on_disk = isinstance(read["f1", 1, 2][1]._held, fetch._Stretch)
    assert on_disk == (size > 10 and protocol > 2), "protocol 2 writes bytes as text"
    read["f1", 1, 2][1][:][...] = 0
    np.testing.assert_array_equal(np.asarray(read["f1", 1, 2][1]), x, "the file is not written to")


@pytest.mark.parametrize("held", [_Evil(), {"deep": [_Evil()]}, np.array([_Evil()], dtype=object), eval])
def test_a_pickle_that_wants_more_is_not_mapped(tmp_path, monkeypatch, held):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held))
    with pytest.raises(fetch.FetchError, match=r"a\.pkl is not unpickled: it wants to run"):
        fetch.map_pickle(tmp_path / "a.pkl")
    assert names(tmp_path) == ["a.pkl"]


def test_a_damaged_pickle_is_not_mapped(tmp_path):
    whole = pickle.dumps({"x": np.zeros(100_000)})
    for cut in (whole[:-50], whole[:1000], b"text"):
        (tmp_path / "a.pkl").write_bytes(cut)
        with pytest.raises(fetch.FetchError, match=r"a\.pkl is not unpickled"):
            fetch.map_pickle(tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(np.array([{}], dtype=object)))
    with pytest.raises(fetch.FetchError, match="without its objects"):
        fetch.map_pickle(tmp_path / "a.pkl")


def test_a_checksum_is_kept_and_enforced(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    fetch.enforce(path)
    monkeypatch.setattr(fetch, "_sha256", lambda _: pytest.fail("a file that did not change is not read again"))
    fetch.enforce(path)
    monkeypatch.undo()
    os.utime(path, (1, 1))
    fetch.enforce(path)
    path.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(fetch.FetchError, match=r"a\.bin is not the file that was downloaded first.*remove \.a\.bin"):
        fetch.enforce(path)
    fetch.checksum_file(path).write_text("{")
    with pytest.raises(fetch.FetchError, match=r"a\.bin\.sha256\.json is damaged"):
        fetch.enforce(path)
    fetch.checksum_file(path).unlink()
    fetch.enforce(path)


def _archive(files):
    """Bytes of a zip archive of files, name -> content."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


GOOD = _archive({"some/content/n1.npy": b"one", "some/content/p1.npy": b"two", "__MACOSX/content/x": b""})
PAGE = b"<!DOCTYPE html><html>Google Drive can't scan this file for viruses. Download anyway?</html>"


class _Drive:
    """Stands in for gdown: writes what it holds, or raises."""

    def __init__(self, held):
        self.held, self.calls = held, []

    def download(self, *, id, output, quiet, use_cookies, resume):
        self.calls.append(id)
        assert quiet and resume and not use_cookies
        with open(output, "ab") as stream:
            if isinstance(self.held, Exception):
                stream.write(b"half")
                raise self.held
            stream.truncate(0)
            stream.write(self.held)


@pytest.fixture
def drive(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    served = _Drive(GOOD)
    monkeypatch.setitem(sys.modules, "gdown", served)
    return served


def test_a_folder_of_a_drive_archive_arrives_once(drive, tmp_path):
    for _ in range(2):
        place = fetch.drive_archive("some-id", tmp_path / "nea", "content")
        assert place == tmp_path / "nea" / "content" and (place / "n1.npy").read_bytes() == b"one"
    assert drive.calls == ["some-id"]
    assert names(tmp_path / "nea") == [".content.zip.sha256.json", "content"]
    assert names(place) == [".n1.npy.sha256.json", ".p1.npy.sha256.json", "n1.npy", "p1.npy"]


def test_a_file_of_a_drive_archive(drive, tmp_path):
    drive.held = _archive({"data.pkl": DATA})
    assert fetch.drive_archive("some-id", tmp_path / "nea", "data.pkl").read_bytes() == DATA
    assert names(tmp_path / "nea") == [".data.pkl.sha256.json", ".data.pkl.zip.sha256.json", "data.pkl"]


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (PAGE, "sent a web page instead of the file: it asks for a confirmation"),
        (b"", "sent nothing"),
        (GOOD[: len(GOOD) // 2], "cut short or is damaged"),
        (_archive({"other/a.txt": b""}), "holds no content: it is another one"),
        (_archive({"content/../../x": b""}), "is unsafe"),
        (RuntimeError("Cannot retrieve\nthe public link"), "gave no file.*Cannot retrieve the public link"),
        (OSError(errno.ENOSPC, "full"), "No space is left"),
    ],
)
def test_a_drive_that_gives_something_else(drive, tmp_path, held, reason):
    drive.held = held
    with pytest.raises(fetch.FetchError, match=reason) as caught:
        fetch.drive_archive("some-id", tmp_path / "nea", "content")
    assert "some-id" in str(caught.value) or "space" in str(caught.value) or "unsafe" in str(caught.value)
    assert names(tmp_path / "nea") in ([], [".content.zip.sha256.json"])
    assert not (tmp_path / "climbed.txt").exists()


def test_a_drive_that_breaks_off_keeps_what_came(drive, tmp_path):
    import requests

    drive.held = requests.ConnectionError("reset")
    with pytest.raises(fetch.FetchError, match=r"could not be downloaded .*reset.*Try again later"):
        fetch.drive_archive("some-id", tmp_path / "nea", "content")
    assert names(tmp_path / "nea") == [".content.download"]
    drive.held = GOOD
    fetch.drive_archive("some-id", tmp_path / "nea", "content")
    assert names(tmp_path / "nea") == [".content.zip.sha256.json", "content"]


def test_a_drive_that_gives_another_archive_later(drive, tmp_path):
    place = fetch.drive_archive("some-id", tmp_path / "nea", "content")
    for path in list(place.iterdir()):
        path.unlink()
    place.rmdir()
    drive.held = _archive({"content/n1.npy": b"changed"})
    with pytest.raises(fetch.FetchError, match="not the file that was downloaded first"):
        fetch.drive_archive("some-id", tmp_path / "nea", "content")
    assert not place.exists()


def test_without_gdown(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(fetch.FetchError, match=r"pip install gdown.*in a browser"):
        fetch.drive_archive("some-id", tmp_path / "nea", "content")
