"""Every link within the repository leads to a file that is there, and to a heading that it has."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from docs.links import ROOT, answer, documents, links_of, problem_of


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_somewhere(page):
    assert [problem for link in links_of(page) if (problem := problem_of(link))] == []


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("there.md", None),
        ("there.md#a-heading-with-code", None),
        ("#here", None),
        ("https://example.org/nothing", None),
        ("gone.md", "no file"),
        ("there.md#gone", "no heading #gone"),
        ("#gone", "no heading #gone"),
    ],
)
def test_a_link_that_leads_nowhere_is_told(tmp_path, target, problem):
    (tmp_path / "there.md").write_text("# A heading, with `code`\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\nSee\n[this]({target}).\n")
    (link,) = links_of(page)
    assert link.line == 4
    assert (problem_of(link) is None) if problem is None else (problem in problem_of(link))


def test_links_in_code_are_no_links(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nnames[0](there)\n```\n[a](b.md)\n")
    assert [(link.line, link.target) for link in links_of(page)] == [(4, "b.md")]


def test_every_page_of_docs_can_be_reached_from_the_index():
    index = ROOT / "docs" / "index.md"
    linked = {link.target for link in links_of(index)}
    assert {page.name for page in index.parent.glob("*.md")} - {"index.md"} <= linked


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_site_is_asked_for_its_page(site):
    assert answer(f"{site}/there") is None
    assert "404" in answer(f"{site}/gone")
