"""A registry of a test's own, and a web server that fails in all the ways that servers do."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asdcore.resources import downloads
from asdcore.resources.entries import make_entry
from asdcore.resources.registry import Registry, resource_folder


class Site:
    """What a server gives: ``files`` by path; and how it fails: see the attributes."""

    def __init__(self):
        self.files = {}
        self.seen = []  # (path, Range header) of every request
        self.ranges = True  # whether it understands Range
        self.break_after = []  # bytes after which it hangs up, one number a request, then no more
        self.statuses = []  # status codes to answer with first
        self.redirects = {}
        self.stall_after = None  # bytes after which it says no more, but does not hang up
        self.closing = threading.Event()
        self.address = ""

    def url(self, path):
        return f"{self.address}/{path}"

    def answer(self, request):
        path, asked = request.path.lstrip("/"), request.headers.get("Range")
        self.seen.append((path, asked))
        if self.statuses:
            return request.send_error(self.statuses.pop(0))
        if path in self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects[path])
            return request.end_headers()
        if path not in self.files:
            return request.send_error(404)
        content, start = self.files[path], 0
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                return request.end_headers()
        request.send_response(206 if asked and self.ranges else 200)
        if asked and self.ranges:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        sent = content[start:]
        if self.stall_after:
            request.wfile.write(sent[: self.stall_after])
            request.wfile.flush()
            return self.closing.wait(60)
        request.wfile.write(sent[: self.break_after.pop(0)] if self.break_after else sent)
        return None


@pytest.fixture
def site(monkeypatch):
    """A web server on this machine; nothing is waited for between tries."""
    monkeypatch.setattr(downloads, "WAITS", (0.0,) * len(downloads.WAITS))
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            served.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


ENTRY = {
    "id": "tiny",
    "title": "A tiny checkpoint",
    "kind": "checkpoint",
    "source": "https://example.org/tiny",
    "revision": "v1",
    "licence": "MIT",
    "plugin": "logmel",
    "files": [{"name": "tiny.pt", "evidence": "unknown: none was found"}],
}


def _entry(**changed):
    return make_entry({key: one for key, one in {**ENTRY, **changed}.items() if one is not None}, "entry")


@pytest.fixture
def entry():
    """A function that makes an entry: a checkpoint ``tiny`` of one file, with other values for the keys given."""
    return _entry


@pytest.fixture
def described():
    """A function that says of a file's content what an entry says of it."""

    def describe(name, content, **more):
        sha256 = hashlib.sha256(content).hexdigest()
        return {"name": name, "size": len(content), "sha256": sha256, "evidence": "computed: here", **more}

    return describe


CONTENT = bytes(range(256)) * 40
"""The bytes of the checkpoint ``tiny`` on the web server."""


@pytest.fixture
def tiny(site, entry, described):
    """A checkpoint that the web server has."""
    site.files["tiny.pt"] = CONTENT
    return entry(base_url=f"{site.address}/", files=[described("tiny.pt", CONTENT)])


@pytest.fixture
def part(tiny):
    """The file that keeps the bytes of a broken download of ``tiny``."""
    folder = resource_folder("tiny")
    folder.mkdir(parents=True)
    return folder / "tiny.pt.part"


@pytest.fixture
def registry(tmp_path):
    """A function that makes a registry of some entries, with a home of its own."""
    return lambda *entries: Registry({one.id: one for one in entries}, tmp_path / "home")
