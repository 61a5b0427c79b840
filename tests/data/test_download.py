"""untar_data against a server on this machine that misbehaves on demand."""

import hashlib
import io
import random
import re
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vicinal.data import download
from vicinal.data.download import untar_data
from vicinal.data.urls import Fingerprint, URLs
from vicinal.errors import VicinalError

PIXELS = random.Random(0).randbytes(300_000)


class ArchiveServer(ThreadingHTTPServer):
    """Serves ``files``, records the requested ranges, and misbehaves as its switches say."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ArchiveHandler)
        self.files: dict[str, bytes] = {}
        self.requested: list[str | None] = []
        self.knows_ranges = True
        self.cut_after: int | None = None
        self.stalls = False
        self.released = threading.Event()

    def offer(self, name: str, content: bytes) -> str:
        self.files[f"/{name}"] = content
        return f"http://127.0.0.1:{self.server_port}/{name}"


class ArchiveHandler(BaseHTTPRequestHandler):
    server: ArchiveServer

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.requested.append(wanted)
        content = self.server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        start = 0
        if wanted and self.server.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.cut_after])
        if self.server.stalls:
            self.server.released.wait(10)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer() as server:
        # The default poll of half a second would be most of these tests' time.
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("VICINAL_DATA", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def link(name: str, goal: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.SYMTYPE
    info.linkname = goal
    return info


ARCHIVE = tar_of(("pets/images/cat.jpg", PIXELS), ("pets/labels.txt", b"cat"))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_is_pets(folder: Path, data: Path) -> None:
    assert folder == data / "pets"
    assert (folder / "images/cat.jpg").read_bytes() == PIXELS
    assert (folder / "labels.txt").read_bytes() == b"cat"
    assert names_in(data) == ["pets"]


def test_downloads_and_extracts(server: ArchiveServer, data: Path) -> None:
    assert_is_pets(untar_data(server.offer("pets.tgz", ARCHIVE)), data)


def test_second_call_does_not_ask_the_server(server: ArchiveServer, data: Path) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    assert untar_data(url) == untar_data(url)
    assert server.requested == [None]


def test_takes_files_that_were_put_there_by_hand(data: Path) -> None:
    (data / "oxford-iiit-pet/images").mkdir(parents=True)
    assert untar_data(URLs.PETS) == data / "oxford-iiit-pet"


def test_an_empty_folder_is_not_a_set(server: ArchiveServer, data: Path) -> None:
    (data / "pets").mkdir(parents=True)
    assert_is_pets(untar_data(server.offer("pets.tgz", ARCHIVE)), data)


def test_dest_goes_before_the_environment(
    server: ArchiveServer, data: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    url = server.offer("pets.tgz", ARCHIVE)
    assert_is_pets(untar_data(url, elsewhere), elsewhere)
    assert not data.exists()


def test_lies_in_the_home_folder_by_default(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VICINAL_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert_is_pets(untar_data(server.offer("pets.tgz", ARCHIVE)), tmp_path / ".vicinal/data")


@pytest.mark.parametrize(
    ("name", "mode"), [("pets.tgz", "w:gz"), ("pets.tar.gz", "w:gz"), ("pets.tar", "w")]
)
def test_the_set_is_named_after_its_archive(
    server: ArchiveServer, data: Path, name: str, mode: str
) -> None:
    url = server.offer(name, tar_of(("other-name/cat.jpg", PIXELS), mode=mode))
    assert untar_data(url) == data / "pets"
    assert names_in(data / "pets") == ["cat.jpg"]


@pytest.mark.parametrize("names", [["a.txt"], ["a.txt", "folder/b.txt"], ["a/c.txt", "b/c.txt"]])
def test_an_archive_without_one_top_folder_gets_one(
    server: ArchiveServer, data: Path, names: list[str]
) -> None:
    folder = untar_data(server.offer("pets.tgz", tar_of(*((name, b"x") for name in names))))
    assert folder == data / "pets"
    assert all((folder / name).read_bytes() == b"x" for name in names)


def test_goes_on_after_a_cut_connection(server: ArchiveServer, data: Path) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    server.cut_after = 100_000
    with pytest.raises(VicinalError, match=rf"100000 of {len(ARCHIVE)} bytes.*continue from there"):
        untar_data(url)
    assert (data / "pets.tgz.part").read_bytes() == ARCHIVE[:100_000]

    server.cut_after = None
    assert_is_pets(untar_data(url), data)
    assert server.requested == [None, "bytes=100000-"]


def test_goes_on_after_a_cut_in_a_resumed_download(server: ArchiveServer, data: Path) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    for cut_after in (100_000, 200_000):
        server.cut_after = cut_after
        with pytest.raises(VicinalError, match=rf"{cut_after} of {len(ARCHIVE)} bytes arrived"):
            untar_data(url)
    server.cut_after = None
    assert_is_pets(untar_data(url), data)
    assert server.requested == [None, "bytes=100000-", "bytes=200000-"]


def test_a_silent_server_is_abandoned_and_the_part_stays(
    server: ArchiveServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.5)
    url = server.offer("pets.tgz", ARCHIVE)
    server.cut_after, server.stalls = 100_000, True
    with pytest.raises(VicinalError, match=r"timed out.*continue from there"):
        untar_data(url)
    assert (data / "pets.tgz.part").read_bytes() == ARCHIVE[:100_000]


def test_starts_anew_where_the_server_knows_no_ranges(server: ArchiveServer, data: Path) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    server.knows_ranges = False
    data.mkdir()
    (data / "pets.tgz.part").write_bytes(b"some old start")
    assert_is_pets(untar_data(url), data)
    assert server.requested == ["bytes=14-"]


def test_starts_anew_where_the_part_is_longer_than_the_archive(
    server: ArchiveServer, data: Path
) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    data.mkdir()
    (data / "pets.tgz.part").write_bytes(ARCHIVE + b"more")
    assert_is_pets(untar_data(url), data)
    assert server.requested == [f"bytes={len(ARCHIVE) + 4}-", None]


def expect(monkeypatch: pytest.MonkeyPatch, url: str, size: int, first_bytes: bytes) -> None:
    md5 = hashlib.md5(first_bytes, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(download.KNOWN, url, Fingerprint(size, md5))


def test_a_known_archive_passes_its_check(
    server: ArchiveServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the stretch that the sum covers.
    archive = tar_of(("pets/cat.jpg", PIXELS * 5), mode="w")
    url = server.offer("pets.tar", archive)
    expect(monkeypatch, url, len(archive), archive[: 2**20])
    assert names_in(untar_data(url)) == ["cat.jpg"]


def test_a_wrong_checksum_deletes_the_download(
    server: ArchiveServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    expect(monkeypatch, url, len(ARCHIVE), b"another archive")
    with pytest.raises(VicinalError, match=rf"{url} sent was deleted because it has md5 sum"):
        untar_data(url)
    assert names_in(data) == []


def test_a_wrong_size_deletes_the_download(
    server: ArchiveServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    expect(monkeypatch, url, 7, ARCHIVE)
    with pytest.raises(VicinalError, match=rf"has {len(ARCHIVE)} bytes instead of 7"):
        untar_data(url)
    assert names_in(data) == []


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (("../evil.txt", b"x"), "../evil.txt"),
        (("pets/../../evil.txt", b"x"), "pets/../../evil.txt"),
        (link("pets/passwords", "/etc/passwd"), "pets/passwords"),
        (link("pets/outside", "../../outside"), "pets/outside"),
    ],
)
def test_a_member_that_escapes_is_named(
    server: ArchiveServer,
    data: Path,
    member: tarfile.TarInfo | tuple[str, bytes],
    name: str,
) -> None:
    url = server.offer("pets.tgz", tar_of(("pets/cat.jpg", PIXELS), member))
    with pytest.raises(VicinalError, match=rf"pets\.tgz .*{re.escape(repr(name))}.* is not safe"):
        untar_data(url)
    assert names_in(data) == []
    assert names_in(data.parent) == ["data"]


def damaged(place: int) -> bytes:
    return ARCHIVE[:place] + bytes([ARCHIVE[place] ^ 0xFF]) + ARCHIVE[place + 1 :]


@pytest.mark.parametrize(
    "content",
    [b"<html>not an archive</html>", ARCHIVE[:-50_000], damaged(200_000), damaged(-8)],
    ids=["no archive", "too short", "a wrong byte", "a wrong checksum at the end"],
)
def test_a_damaged_archive_is_deleted(server: ArchiveServer, data: Path, content: bytes) -> None:
    with pytest.raises(VicinalError, match=r"pets\.tgz was deleted because it is damaged"):
        untar_data(server.offer("pets.tgz", content))
    assert names_in(data) == []


def test_an_interrupted_extraction_leaves_nothing_but_the_archive(
    server: ArchiveServer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.offer("pets.tgz", ARCHIVE)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", interrupted(data))
        with pytest.raises(KeyboardInterrupt):
            untar_data(url)
    assert names_in(data) == ["pets.tgz"]

    assert_is_pets(untar_data(url), data)
    assert server.requested == [None]


def interrupted(data: Path) -> Callable[..., None]:
    def extractall(tar: tarfile.TarFile, path: Path, **options: object) -> None:
        tar.extract("pets/labels.txt", path, filter="data")
        assert (path / "pets/labels.txt").exists()
        assert not (data / "pets").exists()
        raise KeyboardInterrupt

    return extractall


def test_without_network_says_where_to_put_the_files(data: Path) -> None:
    with socket.socket() as unused:
        # Bound but not listening: nobody else can take the port, and connections are refused.
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/pets.tgz"
        with pytest.raises(VicinalError) as caught:
            untar_data(url)
    assert url in str(caught.value)
    assert str(caught.value).endswith(f"put the extracted files in {data / 'pets'}")


def test_a_missing_archive_says_where_to_put_the_files(server: ArchiveServer, data: Path) -> None:
    url = server.offer("pets.tgz", ARCHIVE).replace("pets", "pests")
    with pytest.raises(VicinalError, match=rf"{url} was refused with 404") as caught:
        untar_data(url)
    assert str(caught.value).endswith(f"put the extracted files in {data / 'pests'}")


@pytest.mark.parametrize(
    "url",
    ["https://x.org/pets.zip", "https://x.org/", "pets.tgz", "file:///pets.tgz", ""],
)
def test_only_tar_archives_by_http(url: str, data: Path) -> None:
    with pytest.raises(VicinalError, match=rf"{re.escape(repr(url))} is not the address"):
        untar_data(url)
    assert not data.exists()


@pytest.mark.parametrize("name", [".tgz", "...tgz"])
def test_an_archive_needs_a_name(name: str, data: Path) -> None:
    with pytest.raises(VicinalError, match=r"has no name before \.tgz"):
        untar_data(f"https://x.org/{name}")
