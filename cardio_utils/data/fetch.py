"""Find, download, verify and unpack files that others publish.

Real data lives in one folder, `folder()`; everything here either ends with a whole, verified file or leaves
nothing half-written behind and raises `FetchError`, which names the file, the reason and the remedy.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import inspect
import io
import json
import logging
import os
import pickle
import shutil
import stat
import tarfile
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

import numpy as np

from cardio_utils import watched

__all__ = [
    "FetchError",
    "MappedArray",
    "cache",
    "checksum_file",
    "drive_archive",
    "enforce",
    "folder",
    "load_pickle",
    "lock",
    "map_pickle",
    "read_csv",
    "reader",
    "retrieve",
    "unpack",
    "whole",
]

_ATTEMPTS = 3
_CHUNK = 1 << 16  # bytes
_TIMEOUT = 30  # s without a byte


class FetchError(RuntimeError):
    """A file could not be had: the message names file, reason and remedy."""


def reader(function):
    """Let a function that reads the file or folder that is its first argument say in one way that it cannot.

    Files that are damaged, or of another kind than their names say, make libraries raise nearly anything. Of that comes
    out a ValueError with the name of the file; a ValueError that has it, a FetchError and an ImportError stay as they
    are.
    """
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @functools.wraps(function)
    def read(*args, **options):
        place = signature.bind(*args, **options).arguments.get(first)  # a wrong call is none of a file
        name = Path(place).name if isinstance(place, str | Path) else "the folder of the data"
        try:
            return function(*args, **options)
        except (FetchError, ImportError):
            raise
        except Exception as error:
            own = type(error) is ValueError or type(error).__module__.startswith("cardio_utils")
            if own and name in str(error):
                raise
            reason = (
                str(error) if own else f"{name} is damaged, or no file of its kind ({type(error).__name__}: {error})"
            )
            raise ValueError(reason if name in reason else f"{name}: {reason}") from error

    return read


def read_csv(path, **options):
    """`pandas.read_csv` that survives every number: its faster ways end the process at ``1e51284170706``."""
    import pandas as pd

    return pd.read_csv(path, float_precision="round_trip", **options)


def cache():
    """Folder for what can be made again: the variable CARDIO_CACHE, or the user's cache."""
    if "CARDIO_CACHE" in os.environ:
        return Path(os.environ["CARDIO_CACHE"]).expanduser()
    import pooch

    return Path(pooch.os_cache("cardio_utils"))


def folder():
    """Folder of the real data sets, each in its upstream layout: the variable CARDIO_DATA, or the cache.

    Raises
    ------
    FetchError
        CARDIO_DATA names something that is not a folder.
    """
    if "CARDIO_DATA" not in os.environ:
        return cache() / "data"
    path = Path(os.environ["CARDIO_DATA"]).expanduser()
    if not path.is_dir():
        raise FetchError(f"CARDIO_DATA is {path}, which is no folder. Make it, or set CARDIO_DATA to another one.")
    return path


@contextlib.contextmanager
def lock(name):
    """Let one process of this user at a time pass for the same `name` (any text); the others wait."""
    from filelock import FileLock

    key = hashlib.sha256(str(name).encode()).hexdigest()[:32]
    locks = cache() / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FetchError(f"{locks} cannot be made ({error}). Set CARDIO_CACHE to another folder.") from error
    with FileLock(locks / f"{key}.lock"):
        yield


def _explain(error, target):
    """The same failure to write as a `FetchError` that names the folder."""
    if error.errno == errno.ENOSPC:
        return FetchError(f"No space is left in {target.parent} for {target.name}. Free some, or set CARDIO_DATA.")
    return FetchError(
        f"{target.name} cannot be written in {target.parent} ({error}). Set CARDIO_DATA to another folder."
    )


@contextlib.contextmanager
def whole(target):
    """A temporary path beside `target` that becomes `target` if all goes well, and vanishes if not.

    Parameters
    ----------
    target : path
        File or folder to be made; its parents are made as well.

    Yields
    ------
    Path
        To be written, or made into a folder, by the caller.

    Raises
    ------
    FetchError
        Nothing could be written, for instance because the disk is full.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise _explain(error, target) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _write(stream, chunk):
    return stream.write(chunk)


def _note(part):
    """Beside a partial file: what the server said of the whole one when it began."""
    return part.with_name(part.name + ".json")


def _discard(part):
    for path in (part, _note(part)):
        path.unlink(missing_ok=True)


def _begun(part, trusted):
    """Bytes of a partial file that may be gone on with, and what was noted of it.

    Without a checksum to tell in the end (`trusted`), it must be known of which file they are.
    """
    try:
        noted = json.loads(_note(part).read_text())
    except (OSError, ValueError):
        noted = {}
    if not part.exists() or not (trusted or noted.get("version") or noted.get("size")):
        return 0, {}
    return part.stat().st_size, noted


def _described(response):
    """What a response says of the whole file: its version, if it has one, and its size."""
    version = response.headers.get("ETag") or response.headers.get("Last-Modified")
    size = response.headers.get("Content-Range", "").rpartition("/")[2]  # "bytes 100-199/200"
    size = size or response.headers.get("Content-Length", "")
    return {"version": version, "size": int(size) if size.isdigit() else None}


def _transfer(url, part, trusted):
    """Bring the bytes of `url` into the file `part`, going on where an earlier attempt stopped."""
    import requests
    from tqdm import tqdm

    have, noted = _begun(part, trusted)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as response:
        now = _described(response)
        changed = any(noted.get(key) and now[key] and noted[key] != now[key] for key in now)
        if response.status_code == 416:  # nothing is left to send, or another file stands there now
            if now["size"] == have and not changed:
                return
            _discard(part)
            raise requests.ConnectionError("the partial file does not fit the server's")
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise FetchError(f"{url} sent a web page instead of data.")
        going_on = response.status_code == 206
        if going_on and changed:
            _discard(part)
            raise requests.ConnectionError("another file stands there now")
        have = have if going_on else 0
        left = int(response.headers.get("Content-Length", 0))
        if left > shutil.disk_usage(part.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _note(part).write_text(json.dumps(now))
        bar = tqdm(
            total=have + left,
            initial=have,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            disable=not watched(),
            leave=False,
        )
        with bar, open(part, "ab" if going_on else "wb") as stream:
            for chunk in response.iter_content(_CHUNK):
                _write(stream, chunk)
                bar.update(len(chunk))
        if left and part.stat().st_size != have + left:
            raise requests.ConnectionError("the connection ended early")


def _downloader(part, trusted):
    """A downloader as pooch wants it: tries again from where the connection broke."""
    import requests

    def download(url, output_file, _):
        for attempt in range(_ATTEMPTS):
            try:
                _transfer(url, part, trusted)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.5 * 2**attempt)
        with open(part, "rb") as stream:
            if stream.read(256).lstrip().lower().startswith((b"<!doctype html", b"<html")):
                raise FetchError(f"{url} sent a web page instead of data.")
        os.replace(part, output_file)
        _discard(part)

    return download


def retrieve(url, known_hash, target):
    """Download one file through pooch, unless it is there.

    An interrupted download leaves ``NAME.part`` beside the target. The next call goes on from there if a checksum is
    known or the server still has a file of the same version (its ETag or date) and size, and starts anew otherwise.
    A second process that wants the same file waits and finds it.

    Parameters
    ----------
    url : str
    known_hash : str or None
        'sha256:...' or 'md5:...'; None accepts what comes.
    target : path
        Where the file shall be.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    FetchError
        No connection, an error status, a web page in place of data, a wrong checksum (of what was downloaded,
        or of what was there before: that is never overwritten), or no space.
    """
    import pooch
    import requests

    target = Path(target)
    part = target.with_name(target.name + ".part")
    remedy = f"Try again later, or put the file at {target} by hand."
    logger, algorithm = pooch.get_logger(), (known_hash or "sha256:").split(":")[0]
    level = logger.level
    with lock(target.absolute()):
        if target.exists():
            if known_hash and pooch.file_hash(str(target), alg=algorithm) != known_hash.split(":")[-1]:
                raise FetchError(
                    f"{target} is there, but its checksum is not the published one. Remove it to download it."
                )
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            logger.setLevel(logging.WARNING)
            downloader = _downloader(part, trusted=known_hash is not None)
            pooch.retrieve(url, known_hash, fname=target.name, path=target.parent, downloader=downloader)
        except requests.RequestException as error:
            raise FetchError(f"{target.name} could not be downloaded from {url} ({error}). {remedy}") from error
        except FetchError as error:
            _discard(part)
            raise FetchError(f"{target.name}: {error} {remedy}") from None
        except OSError as error:
            _discard(part)
            raise _explain(error, target) from error
        except ValueError as error:
            raise FetchError(f"{target.name} from {url} has a wrong checksum and was thrown away. {remedy}") from error
        finally:
            logger.setLevel(level)
    return target


_HARMLESS = {
    "builtins": {"bytearray", "complex", "frozenset", "range", "set", "slice"},
    "collections": {"OrderedDict"},
    "_codecs": {"encode"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
}


def _refuse_harmful(module, name):
    if name not in _HARMLESS.get(module.replace("__builtin__", "builtins"), ()):
        raise pickle.UnpicklingError(f"it wants to run {module}.{name}")


class _Unpickler(pickle._Unpickler):
    """The one in C makes room for as many objects and bytes as a damaged file announces."""

    def find_class(self, module, name):
        _refuse_harmful(module, name)
        return super().find_class(module, name)


def load_pickle(path, encoding="latin1"):
    """Unpickle NumPy arrays and plain containers, and nothing that could run code.

    Parameters
    ----------
    path : path
    encoding : str
        How byte strings that Python 2 pickled are read.

    Returns
    -------
    object
        Arrays, numbers, text, lists, tuples, sets and dictionaries of them.

    Raises
    ------
    FetchError
        The file wants anything else, or is no pickle.
    """
    try:
        return _Unpickler(io.BytesIO(Path(path).read_bytes()), encoding=encoding).load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise FetchError(
            f"{path} is not unpickled: {error}. Only arrays and plain containers are; do not trust it."
        ) from error


class _Stretch(NamedTuple):
    """Bytes of a pickle that stay in its file."""

    path: Path
    offset: int
    size: int


class MappedArray:
    """An array of a pickle whose values stay in the file until they are asked for by an index, or `np.asarray`."""

    def __init__(self, *_):
        self._held = np.empty(0)

    def __setstate__(self, state):
        _, self.shape, self.dtype, fortran, self._held = state
        self._order = "F" if fortran else "C"
        whole_size = int(np.prod(self.shape)) * self.dtype.itemsize
        size = self._held.size if isinstance(self._held, _Stretch) else len(self._held)
        if self.dtype.hasobject or size != whole_size:
            raise pickle.UnpicklingError(f"an array {self.shape} of {self.dtype} is not read without its objects")

    @property
    def ndim(self):
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self):
        return self.shape[0]

    def _open(self):
        if not isinstance(self._held, _Stretch):
            data = self._held.encode("latin1") if isinstance(self._held, str) else self._held
            return np.frombuffer(data, self.dtype).reshape(self.shape, order=self._order)
        return np.memmap(self._held.path, self.dtype, "r", self._held.offset, self.shape, self._order)

    def __getitem__(self, index):
        return np.array(self._open()[index])

    def __array__(self, dtype=None, copy=None):
        return np.array(self._open(), dtype)


def _mapped(buffer, dtype, shape, order):
    """What `numpy._core.numeric._frombuffer` is to a pickle of protocol 5."""
    array = MappedArray()
    array.__setstate__((1, shape, dtype, order == "F", buffer))
    return array


_LARGE = 1 << 16  # bytes: shorter stretches are read at once


class _Mapper(pickle._Unpickler):
    """Leaves large byte strings in the file. The C unpickler has no hook for them, the one in Python has."""

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream, path, encoding):
        super().__init__(stream, encoding=encoding)
        self._stream, self._path = stream, path

    def find_class(self, module, name):
        _refuse_harmful(module, name)
        stand_in = {"_reconstruct": MappedArray, "_frombuffer": _mapped}.get(name)
        return stand_in or super().find_class(module, name)

    def load_frame(self):
        self.read(8)  # a frame groups opcodes for buffered reading; without one everything is read in place

    def _bytes(self, width):
        size = int.from_bytes(self.read(width), "little")
        if size < _LARGE:
            return self.read(size)
        stretch = _Stretch(self._path, self._stream.tell(), size)
        if self._stream.seek(0, os.SEEK_END) < stretch.offset + size:
            raise pickle.UnpicklingError("it ends early")
        self._stream.seek(stretch.offset + size)
        return stretch

    def load_bytes4(self):
        self.append(self._bytes(4))

    def load_bytes8(self):
        self.append(self._bytes(8))

    dispatch |= {
        pickle.FRAME[0]: load_frame,
        pickle.BINBYTES[0]: load_bytes4,
        pickle.BINBYTES8[0]: load_bytes8,
        pickle.BYTEARRAY8[0]: load_bytes8,
    }


def map_pickle(path, encoding="latin1"):
    """Like `load_pickle`, but arrays stay in the file: for pickles larger than the memory.

    Parameters
    ----------
    path : path
    encoding : str
        How byte strings that Python 2 pickled are read.

    Returns
    -------
    object
        As from `load_pickle`, with a `MappedArray` (shape, dtype, ``[...]``) for every array.

    Raises
    ------
    FetchError
        The file wants anything else, holds arrays of objects, or is no pickle.
    """
    with open(path, "rb") as stream:
        try:
            return _Mapper(stream, Path(path), encoding).load()
        except Exception as error:  # a damaged pickle raises nearly anything
            raise FetchError(
                f"{path} is not unpickled: {error}. Only arrays and plain containers are; do not trust it."
            ) from error


def _members(archive):
    """(name, is an ordinary file or folder) of each member of an open archive."""
    if isinstance(archive, tarfile.TarFile):
        return [(m.name, m.isfile() or m.isdir()) for m in archive.getmembers()]
    kinds = [(m.filename, stat.S_IFMT(m.external_attr >> 16)) for m in archive.infolist()]
    return [(name, kind in (0, stat.S_IFREG, stat.S_IFDIR)) for name, kind in kinds]


def unpack(archive, target):
    """Unpack a zip or tar archive into a new folder, and never outside of it.

    Parameters
    ----------
    archive : path
    target : path
        Folder to be made; it appears when everything is unpacked.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    FetchError
        `target` exists; the file is no archive or damaged; a member's path is absolute or climbs out; a
        member is a link or a device; no space is left.
    """
    archive, target = Path(archive), Path(target)
    if target.exists():
        raise FetchError(f"{target} exists; remove it to unpack {archive.name} there.")
    opener = zipfile.ZipFile if zipfile.is_zipfile(archive) else tarfile.open
    with whole(target) as temporary:
        try:
            with opener(archive) as contents:
                for name, ordinary in _members(contents):
                    path = PurePosixPath(name.replace("\\", "/"))
                    if not ordinary or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                        raise FetchError(f"{archive} is not unpacked: its member {name!r} is unsafe. Do not trust it.")
                options = {"filter": "data"} if opener is tarfile.open else {}
                contents.extractall(temporary, **options)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise FetchError(f"{archive} is no archive, or damaged ({error}). Remove and download it again.") from error
    return target


def checksum_file(path):
    """Where the checksum of a file is kept whose publisher states none: beside it, ``.NAME.sha256.json``."""
    path = Path(path)
    return path.with_name(f".{path.name}.sha256.json")


def _sha256(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def enforce(path, *, found=None):
    """Store the checksum of a file when it is met first, and refuse any other content under its name later.

    A file of unchanged size and time of change is not read again.

    Parameters
    ----------
    path : path
        The name that the checksum is kept under.
    found : path, optional
        The file that is examined, if it does not have that name yet.

    Raises
    ------
    FetchError
        The file is not the one that was met first.
    """
    path, found = Path(path), Path(found or path)
    kept, now = checksum_file(path), found.stat()
    try:
        known = json.loads(kept.read_text())
        checksum = known["sha256"]
    except FileNotFoundError:
        known, checksum = {}, None
    except (ValueError, KeyError, TypeError) as error:
        raise FetchError(f"{kept} is damaged ({error}). Remove it to accept {path.name} as it is now.") from error
    facts = {"size": now.st_size, "changed": now.st_mtime_ns}
    if checksum is not None and facts == {key: known.get(key) for key in facts}:
        return
    digest = _sha256(found)
    if checksum not in (None, digest):
        raise FetchError(
            f"{path} is not the file that was downloaded first: its checksum has changed. Restore it, or remove "
            f"{kept.name} beside it to accept the new one."
        )
    with whole(kept) as temporary:
        temporary.write_text(json.dumps({"sha256": digest} | facts))


def _drive(file_id, part, by_hand):
    """Bring a file from Google Drive into `part` through gdown."""
    import requests

    try:
        import gdown
    except ImportError as error:
        raise FetchError(f"Files on Google Drive need gdown (pip install gdown). {by_hand}") from error
    try:
        gdown.download(id=file_id, output=str(part), quiet=not watched(), use_cookies=False, resume=True)
    except requests.RequestException as error:
        raise ConnectionError(f"no connection to Google Drive: {error}") from error
    except OSError:
        raise
    except Exception as error:  # gdown raises several kinds, not the same ones in all versions
        reason = " ".join(str(error).split())
        raise FetchError(f"Google Drive gave no file, perhaps after too many downloads: {reason} {by_hand}") from error


def drive_archive(file_id, target, member):
    """Download a zip archive from Google Drive and unpack one file or folder of it.

    Google states no checksum and counts downloads: the checksums of the archive and of the unpacked files are
    kept at the first download and enforced afterwards (`enforce`).

    Parameters
    ----------
    file_id : str
        The archive's identifier on Google Drive.
    target : path
        Folder to unpack into.
    member : str
        File or folder in the archive, at any depth, that becomes ``target / member``.

    Returns
    -------
    Path
        ``target / member``.

    Raises
    ------
    FetchError
        gdown is not installed, Google sent a page (a confirmation, a quota, a sign-in) instead of the file, the
        archive is cut short or damaged, lacks `member`, or is not the one that was downloaded first; no space.
    """
    target = Path(target)
    place, work = target / member, target / f".{member}.download"
    part = work / "archive.zip"
    by_hand = f"Fetch https://drive.google.com/file/d/{file_id} in a browser and unpack it, so that {place} exists."
    with lock(place.absolute()):
        if place.exists():
            return place
        try:
            work.mkdir(parents=True, exist_ok=True)
            _drive(file_id, part, by_hand)
            _check_archive(part, member, by_hand)
            enforce(target / f"{member}.zip", found=part)
            os.replace(_inside(unpack(part, work / "unpacked"), member), place)
        except ConnectionError as error:  # what has come is kept: the next call goes on from there
            raise FetchError(f"{member} could not be downloaded ({error}). Try again later. {by_hand}") from error
        except OSError as error:
            shutil.rmtree(work, ignore_errors=True)
            raise _explain(error, place) from error
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            enforce(path)
    return place


def _inside(folder, member):
    """The file or folder of a name nearest to the top of a folder; None if there is none."""
    found = [path for path in folder.rglob(member) if "__MACOSX" not in path.parts]
    return min(found, key=lambda path: len(path.parts), default=None)


def _check_archive(part, member, by_hand):
    """Refuse what is no whole zip archive with the member that is wanted."""
    if not part.is_file() or part.stat().st_size == 0:
        raise FetchError(f"{member}: Google Drive sent nothing. {by_hand}")
    with open(part, "rb") as stream:
        if stream.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise FetchError(
                f"{member}: Google Drive sent a web page instead of the file: it asks for a confirmation, or too many "
                f"have downloaded it today. {by_hand}"
            )
    try:
        with zipfile.ZipFile(part) as archive:
            names = [PurePosixPath(info.filename).parts for info in archive.infolist()]
            size = sum(info.file_size for info in archive.infolist())
    except zipfile.BadZipFile as error:
        raise FetchError(f"{member}: the archive was cut short or is damaged ({error}). {by_hand}") from error
    if not any(member in parts for parts in names):
        raise FetchError(f"The archive from Google Drive holds no {member}: it is another one. {by_hand}")
    if size > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
