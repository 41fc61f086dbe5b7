"""Downloads where others are at work, too, where links lie in the way, and from servers that answer oddly."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import threading
import zipfile

import pytest

from asdcore.errors import ResourceError
from asdcore.resources import downloads as module
from asdcore.resources.archives import fetch_data
from asdcore.resources.downloads import fetch
from asdcore.resources.entries import entry_text
from asdcore.resources.registry import resource_folder

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(module, "TIMEOUT", 0.5)


def test_many_at_once_leave_one_whole_file(site, tiny, tmp_path):
    """The second is refused, or finds the file; none removes or writes what another has under way."""
    (tmp_path / "tiny.toml").write_text(entry_text(tiny))
    code = (
        "import sys\nfrom asdcore.cli import registry\nfrom asdcore.errors import ResourceError\n"
        "try:\n    registry.fetch(['tiny'])\nexcept ResourceError as error:\n    sys.exit(str(error))\n"
    )
    env = {**os.environ, "ASDCORE_REGISTRY": str(tmp_path)}
    command = [sys.executable, "-c", code]
    for _ in range(2):
        started = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        said = [(process.communicate(timeout=120)[1], process.returncode) for process in started]
        assert 0 in [code for _, code in said]
        for text, status in said:
            assert not status or "Another process is downloading" in text, text
        (path,) = resource_folder("tiny").iterdir()
        assert path.read_bytes() == CONTENT
        path.unlink()


def test_who_does_not_hold_the_download_removes_nothing_of_it(site, tiny, part, monkeypatch):
    """The holder fails and finishes while another waits to begin: every step of the other is tried in between."""
    lock = module.take(part)
    for _ in range(2):
        with pytest.raises(ResourceError, match="Another process is downloading"):
            fetch(tiny)
        assert part.exists()
    part.write_bytes(CONTENT)
    part.replace(part.with_suffix(""))  # as the holder does at the end, still holding it
    (path,) = fetch(tiny)
    assert path.read_bytes() == CONTENT
    lock.release()
    assert [one.name for one in part.parent.iterdir()] == ["tiny.pt"]


def test_a_file_that_came_while_this_began_is_not_downloaded_again(site, tiny, part, monkeypatch):
    def meanwhile(path, take=module.take):
        part.with_suffix("").write_bytes(CONTENT)
        return take(path)

    monkeypatch.setattr(module, "take", meanwhile)
    (path,) = fetch(tiny)
    assert (path.read_bytes(), site.seen) == (CONTENT, [])
    assert [one.name for one in path.parent.iterdir()] == ["tiny.pt"]


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe", "folder"])
def test_a_part_that_is_not_a_file_of_its_own_is_not_written_through(tiny, part, tmp_path, kind):
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    {
        "link": lambda: part.symlink_to(mine),
        "dangling link": lambda: part.symlink_to(tmp_path / "nowhere"),
        "second name": lambda: part.hardlink_to(mine),
        "pipe": lambda: os.mkfifo(part),
        "folder": lambda: part.mkdir(),
    }[kind]()
    option = "-r " if kind == "folder" else ""
    with pytest.raises(
        ResourceError, match=rf"is not written to. Remove it with 'rm {option}/.*tiny.pt.part', then fetch"
    ):
        fetch(tiny)
    assert mine.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_what_lies_in_the_place_of_a_file_is_named_and_stays(tiny, part, make):
    make(part.with_suffix(""))
    with pytest.raises(ResourceError, match=r"tiny.pt is a folder, a pipe or a broken link.*Move it away"):
        fetch(tiny)
    assert [one.name for one in part.parent.iterdir()] == ["tiny.pt"]


class Raw:
    """A server that sends given bytes to every connection, then closes it or says no more."""

    def __init__(self, *answers, silent=False):
        self.answers, self.silent, self.asked = list(answers), silent, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.open = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.asked.append(connection.recv(65536))
            connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            if self.silent:
                self.open.append(connection)
            else:
                connection.close()

    def __enter__(self):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/"

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)
        for one in self.open:
            one.close()


OK = b"HTTP/1.1 200 OK\r\n"

ODD = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of 99": b"HTTP/1.1 99 OK\r\n\r\n",
    "a long line": b"HTTP/1.1 200 " + b"x" * 70000,
    "many headers": OK + b"a: b\r\n" * 200 + b"\r\n",
    "a length of letters": OK + b"Content-Length: abc\r\n\r\nshort",
    "a length with a sign": OK + b"Content-Length: -5\r\n\r\nshort",
    "a length in superscript": OK + "Content-Length: \u00b2\r\n\r\nshort".encode("latin-1"),
    "a length beyond all": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nshort",
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    "a chunk cut short": OK + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nhello",
    "a part not asked for": b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10240\r\nContent-Length: 5\r\n\r\nhello",
    "a range of letters": b"HTTP/1.1 206 Partial\r\nContent-Range: bytes x-y/z\r\n\r\nhello",
    "a redirect to nothing": b"HTTP/1.1 302 Found\r\nLocation: \r\n\r\n",
    "a redirect to half a host": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    "a redirect to an odd host": b"HTTP/1.1 302 Found\r\nLocation: http://a..b/\r\n\r\n",
    "a redirect to an odd port": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:999999/\r\n\r\n",
    "a redirect to no port": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:abc/\r\n\r\n",
    "a redirect to a script": b"HTTP/1.1 302 Found\r\nLocation: javascript:alert(1)\r\n\r\n",
    "no range fits": b"HTTP/1.1 416 No\r\nContent-Range: bytes */\xb2\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("kept", [0, 100])
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_an_odd_answer_ends_in_one_message(entry, described, part, answer, kept):
    if kept:
        part.write_bytes(CONTENT[:kept])
    with Raw(answer) as address:
        odd = entry(base_url=address, files=[described("tiny.pt", CONTENT)])
        with pytest.raises(ResourceError, match=r"cannot be downloaded|was deleted|leads to"):
            fetch(odd)
    assert not part.with_suffix("").exists()


def test_a_line_that_stalls_within_each_block_moves_on(entry, described, part):
    """Every connection gives a little and then says nothing: what came is kept, and the next goes on after it."""
    step = len(CONTENT) // 4
    answers = [
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n"
        % (start, len(CONTENT) - 1, len(CONTENT), len(CONTENT) - start)
        + CONTENT[start : start + step]
        for start in range(0, len(CONTENT), step)
    ]
    server = Raw(*answers, silent=True)
    with server as address:
        (path,) = fetch(entry(base_url=address, files=[described("tiny.pt", CONTENT)]))
    assert path.read_bytes() == CONTENT
    assert [b"Range" in one for one in server.asked] == [False, True, True, True]


@pytest.mark.parametrize(
    "url", ["http://a..b/x", f"http://{'a' * 64}.org/x", "http://h:99999/x", "http://h:abc/x", "http://[::1/x",
            "http://h/\u00e4", "http://h/a b", "http://h/a\nb", "http:///x", "http://h\u2100.org/x"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused_in_the_entry(entry, url):
    with pytest.raises(ResourceError, match="files.0.url: |url"):
        entry(files=[{"name": "tiny.pt", "url": url, "evidence": "unknown: none was found"}])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a//b", "a/../b", "/a", ".a", "a.part", "a.sha256", "a\0b", "a\nb", "x" * 201]
)
def test_a_file_name_that_is_none_is_refused_in_the_entry(entry, name):
    with pytest.raises(ResourceError, match=r"files.0.name: a file name"):
        entry(files=[{"name": name, "evidence": "unknown: none was found"}])


@pytest.mark.parametrize("machine", ["", "..", "a/b", "/tmp", ".hidden"])
def test_a_machine_is_the_name_of_a_folder(entry, machine):
    with pytest.raises(ResourceError, match=r"files.0.machine: a machine is the name of a folder"):
        entry(kind="dataset", files=[{"name": "a.zip", "machine": machine, "evidence": "unknown: none was found"}])


def zipped(**members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}/train/a.wav", content)
    return held.getvalue()


@pytest.fixture
def fans(site, entry):
    file = {"name": "fan.zip", "machine": "fan", "evidence": "unknown: none was found"}
    about = {"kind": "dataset", "plugin": "dcase2026", "use": {"split": "dev"}}
    return entry(id="fans", base_url=f"{site.address}/", files=[file], **about)


SOUND = zipped(fan=b"sound" * 5000)
DAMAGED = {
    "cut short": SOUND[: len(SOUND) // 2],
    "one byte other": SOUND[:60] + bytes([SOUND[60] ^ 1]) + SOUND[61:],
    "its end alone": SOUND[-22:],
    "another machine's": zipped(valve=b"sound"),
    "a method of nobody's": SOUND.replace(b"\x08\x00", b"\x63\x00"),
    "a page": b"<html>later</html>",
}


@pytest.mark.parametrize("first", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("alone", [False, True])
def test_a_damaged_first_download_never_bars_the_sound_one(site, fans, registry, tmp_path, first, alone):
    """Fetched alone by 'registry fetch', or to be unpacked by 'data fetch'."""
    known = registry(fans)
    site.files["fan.zip"] = first
    with pytest.raises(ResourceError):
        if alone:
            fetch(fans)
        fetch_data("fans", tmp_path / "root", known)
    (resource_folder("fans") / "fan.zip").unlink(missing_ok=True)
    site.files["fan.zip"] = SOUND
    assert fetch_data("fans", tmp_path / "root", known) == 1
    assert (tmp_path / "root" / "fan" / "train" / "a.wav").read_bytes() == b"sound" * 5000


def test_a_first_download_that_was_wrong_can_be_taken_back(site, fans):
    site.files["fan.zip"] = zipped(fan=b"another")
    (path,) = fetch(fans)
    path.unlink()
    site.files["fan.zip"] = SOUND
    with pytest.raises(
        ResourceError, match=r"If the first was wrong, remove fan.zip.sha256 with 'rm .*fan.zip.sha256'"
    ):
        fetch(fans)
    path.with_name("fan.zip.sha256").unlink()
    fetch(fans)
    assert path.with_name("fan.zip.sha256").read_text().startswith(hashlib.sha256(SOUND).hexdigest())
