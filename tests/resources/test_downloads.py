"""A download is what the registry records, however often the line broke; anything else is deleted and named."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import pytest

from asdcore.cli import registry as commands
from asdcore.errors import ResourceError, StoreError
from asdcore.progress import Silent
from asdcore.resources import downloads as module
from asdcore.resources.downloads import fetch
from asdcore.resources.entries import entry_text
from asdcore.resources.registry import locate, resource_folder

CONTENT = bytes(range(256)) * 40


class Heard(Silent):
    def __init__(self):
        self.notes, self.bytes = [], 0

    def stage(self, name, total):
        heard = self

        class Stage:
            def __enter__(self):
                return heard._advance

            def __exit__(self, *_):
                pass

        return Stage()

    def _advance(self, steps):
        self.bytes += steps

    def note(self, text):
        self.notes.append(text)


def test_a_file_is_downloaded_checked_and_found(site, tiny, registry):
    heard = Heard()
    (path,) = fetch(tiny, heard)
    assert path.read_bytes() == CONTENT
    assert locate("tiny", registry(tiny)) == path
    assert [one.name for one in path.parent.iterdir()] == ["tiny.pt"]
    assert (heard.bytes, heard.notes) == (len(CONTENT), [])
    assert site.seen == [("tiny.pt", None)]


def test_a_file_that_is_here_is_not_asked_for_again(site, tiny):
    fetch(tiny)
    fetch(tiny)
    assert len(site.seen) == 1


def test_a_file_that_is_here_but_another_is_named(tiny, part):
    path = part.with_suffix("")
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(ResourceError, match=r"has the SHA-256 .*the registry records .*rm .*tiny.pt"):
        fetch(tiny)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_broken_line_is_taken_up_where_it_broke(site, tiny):
    site.break_after = [4000, 1, 0, 3000]
    heard = Heard()
    (path,) = fetch(tiny, heard)
    assert path.read_bytes() == CONTENT
    assert [asked for _, asked in site.seen] == [None, "bytes=4000-", "bytes=4001-", "bytes=4001-", "bytes=7001-"]
    assert heard.bytes == len(CONTENT)


def test_a_server_without_ranges_is_asked_for_all_of_it(site, tiny):
    site.ranges, site.break_after = False, [4000]
    heard = Heard()
    (path,) = fetch(tiny, heard)
    assert path.read_bytes() == CONTENT
    assert heard.bytes == len(CONTENT)


def test_what_an_interrupt_left_is_gone_on_with(site, tiny, part):
    part.write_bytes(CONTENT[:5000])
    (path,) = fetch(tiny)
    assert path.read_bytes() == CONTENT
    assert site.seen == [("tiny.pt", "bytes=5000-")]


def test_a_part_that_is_whole_is_not_downloaded_again(site, tiny, part):
    part.write_bytes(CONTENT)
    fetch(tiny)
    assert site.seen == []


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("kept", [len(CONTENT), len(CONTENT) + 10])
def test_a_part_that_is_whole_or_too_long(site, entry, described, part, size, kept):
    tiny = entry(base_url=f"{site.address}/", files=[described("tiny.pt", CONTENT, size=size)])
    part.write_bytes((CONTENT + b"and more..")[:kept])
    (path,) = fetch(tiny)
    assert path.read_bytes() == CONTENT


def test_a_part_of_something_else_ends_deleted_and_the_next_call_succeeds(tiny, part):
    part.write_bytes(b"x" * 5000)
    with pytest.raises(ResourceError, match="was deleted, since it is not the recorded file: .* has the SHA-256"):
        fetch(tiny)
    assert list(part.parent.iterdir()) == []
    (path,) = fetch(tiny)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONTENT[::-1], rf"has the SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}, the registry records"),
        (CONTENT + b"more", r"has 10,244 bytes, the registry records 10,240"),
        (b"<html>log in first</html>", r"has 25 bytes, the registry records 10,240"),
    ],
)
def test_another_content_is_deleted_and_named(site, tiny, content, said):
    site.files["tiny.pt"] = content
    with pytest.raises(ResourceError, match=rf"from http.*/tiny.pt was deleted, .*{said}"):
        fetch(tiny)
    assert list(resource_folder("tiny").iterdir()) == []


def test_an_endless_answer_is_not_written_to_the_end(site, tiny, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    site.files["tiny.pt"] = CONTENT * 1000
    with pytest.raises(ResourceError, match=r"has 1[01],\d{3} bytes, the registry records 10,240"):
        fetch(tiny)


@pytest.mark.parametrize("status", module.PASSING)
def test_a_passing_trouble_is_waited_out(site, tiny, status):
    site.statuses = [status, status]
    (path,) = fetch(tiny)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_lasting_trouble_is_said_at_once(site, tiny, status):
    site.statuses = [status] * 9
    with pytest.raises(ResourceError, match=rf"cannot be downloaded: HTTP status {status} .*asdcore registry add FILE"):
        fetch(tiny)
    assert len(site.seen) == 1


def test_waits_grow_and_end(site, tiny, part, monkeypatch):
    waited = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(module, "WAITS", (1.0, 2.0, 4.0))
    site.break_after = [100, 50, *[0] * 9]
    with pytest.raises(ResourceError, match=r"ended after 150 of 10,240 bytes. 150 bytes are kept: the same command"):
        fetch(tiny)
    assert waited == [1.0, 1.0, 2.0, 4.0]
    assert part.read_bytes() == CONTENT[:150]


def test_nobody_answers(tiny, entry):
    nobody = entry(base_url="http://127.0.0.1:9/", files=[tiny.files[0].model_dump()])
    with pytest.raises(ResourceError, match="http://127.0.0.1:9/tiny.pt cannot be downloaded: .*refused"):
        fetch(nobody)
    assert not list(resource_folder("tiny").iterdir())


def test_redirects_are_followed_but_not_to_files(site, tiny, tmp_path):
    site.files["moved"] = site.files.pop("tiny.pt")
    site.redirects["tiny.pt"] = site.url("moved")
    (path,) = fetch(tiny)
    path.unlink()
    (tmp_path / "secret").write_bytes(CONTENT)
    site.redirects["tiny.pt"] = f"file://{tmp_path}/secret"
    with pytest.raises(ResourceError, match=r"HTTP status 302 .*Redirection to url .file:.* is not allowed"):
        fetch(tiny)
    assert not path.exists()


def test_https_never_leads_to_less():
    class Request:
        type, full_url = "https", "https://example.org/a"

    with pytest.raises(ResourceError, match="https://example.org/a leads to http://example.org/b; https is allowed"):
        module._Redirects().redirect_request(Request, None, 302, "Found", {}, "http://example.org/b")


def test_no_credentials_are_sent(site, tiny, tmp_path, monkeypatch):
    sent = []
    original = site.answer
    site.answer = lambda request: (sent.append(dict(request.headers)), original(request))[1]
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    fetch(tiny)
    assert {name.lower() for name in sent[0]} <= {"host", "user-agent", "accept-encoding", "connection"}


def test_a_checkpoint_without_a_hash_is_not_downloaded(site, entry, described):
    site.files["tiny.pt"] = CONTENT
    files = [described("config.json", b"{}"), {"name": "tiny.pt", "evidence": "unknown: none was found"}]
    unhashed = entry(base_url=f"{site.address}/", folder=True, files=files)
    with pytest.raises(ResourceError, match=r"tiny.pt of tiny cannot be fetched. The registry has no hash to check"):
        fetch(unhashed)
    assert site.seen == []


def test_a_file_without_an_address_says_where_a_person_gets_it(entry, described):
    with pytest.raises(
        ResourceError, match=r"no address .*: get it from https://example.org/tiny, then put it in place"
    ):
        fetch(entry(files=[described("tiny.pt", CONTENT)]))


def test_an_md5_alone_is_checked_and_said(site, entry):
    site.files["tiny.pt"] = CONTENT
    file = {"name": "tiny.pt", "md5": hashlib.md5(CONTENT).hexdigest(), "evidence": "published: there"}
    tiny = entry(base_url=f"{site.address}/", files=[file])
    heard = Heard()
    (path,) = fetch(tiny, heard)
    assert heard.notes == ["tiny.pt was checked by its MD5 alone: no SHA-256 of it is recorded."]
    path.unlink()
    site.files["tiny.pt"] = CONTENT[::-1]
    with pytest.raises(ResourceError, match=f"has the MD5 .*, the registry records {file['md5']}"):
        fetch(tiny)


@pytest.fixture
def fans(site, entry):
    """A dataset of one archive without a recorded hash, and a function that makes the server have one."""

    def have(content):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr("fan/train/a.wav", content)
        site.files["fan.zip"] = held.getvalue()
        return held.getvalue()

    file = {"name": "fan.zip", "machine": "fan", "evidence": "unknown: none was found"}
    return entry(id="fans", kind="dataset", base_url=f"{site.address}/", files=[file]), have


def test_an_archive_without_a_hash_is_trusted_on_first_use_alone(fans):
    dataset, have = fans
    first, heard = have(b"first"), Heard()
    (path,) = fetch(dataset, heard)
    assert "this download is trusted" in heard.notes[0]
    assert path.with_name("fan.zip.sha256").read_text() == f"{hashlib.sha256(first).hexdigest()}  fan.zip\n"
    path.unlink()
    have(b"other")
    with pytest.raises(ResourceError, match="was deleted, .*the first download had the SHA-256"):
        fetch(dataset)
    assert [one.name for one in path.parent.iterdir()] == ["fan.zip.sha256"]
    have(b"first")
    (path,) = fetch(dataset)
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"<html>come back later</html>"])
def test_what_is_no_archive_is_not_trusted(site, fans, content):
    site.files["fan.zip"] = content
    with pytest.raises(ResourceError, match=rf"was deleted, .*{len(content)} bytes that are not a .zip"):
        fetch(fans[0])
    assert not list(resource_folder("fans").iterdir())


def test_two_downloads_of_one_file_do_not_mix(tiny, part):
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ResourceError, match="Another process is downloading to .*tiny.pt.part"):
            fetch(tiny)


def test_a_folder_that_cannot_be_made(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASDCORE_RESOURCES", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="part of the path is a file"):
        fetch(tiny)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_keeps_what_came(site, tiny, part, tmp_path, how):
    (tmp_path / "tiny.toml").write_text(entry_text(tiny))
    site.stall_after = 6000
    code = (
        "from asdcore.resources import downloads; downloads.BLOCK = 1000\n"
        "from asdcore.cli import registry\n"
        "registry.fetch(['tiny'])"
    )
    env = {**os.environ, "ASDCORE_REGISTRY": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (part.is_file() and part.stat().st_size == 6000):
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(60) != 0
    assert part.read_bytes() == CONTENT[:6000]
    site.stall_after = None
    (path,) = fetch(tiny)
    assert path.read_bytes() == CONTENT
    assert site.seen[-1] == ("tiny.pt", "bytes=6000-")


def test_the_command_downloads_by_id(site, tiny, tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(entry_text(tiny))
    commands.fetch(["tiny"], registry=tmp_path)
    told = capsys.readouterr()
    assert told.out.strip() == str(resource_folder("tiny") / "tiny.pt")
    assert told.err.startswith("tiny.pt: 10240 in ")
    with pytest.raises(ResourceError, match="no entry 'tinny'"):
        commands.fetch(["tiny", "tinny"], registry=tmp_path)
