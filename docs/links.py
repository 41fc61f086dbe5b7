"""Finds the links of the project's Markdown files, and says which of them lead nowhere.

A test checks links within the repository. ``make links`` asks the network for those to other sites.
"""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(?P<text>.+)$", re.MULTILINE)
SITE = re.compile(r"https?://")
BROWSER = {"User-Agent": "Mozilla/5.0 (asdcore, make links)"}
SECONDS = 20


@dataclass(frozen=True)
class Link:
    """A link of a page: its line, from 1, and where it leads."""

    page: Path
    line: int
    target: str

    @property
    def is_external(self) -> bool:
        """Whether it leads to another site."""
        return bool(SITE.match(self.target))


def documents(root: Path = ROOT) -> list[Path]:
    """Return all Markdown files of the project, without what is built or hidden."""
    files = [path for path in root.rglob("*.md") if not path.is_relative_to(root / "build")]
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(root).parts))


def links_of(page: Path) -> Iterator[Link]:
    """Yield the links of a page, but for those in code."""
    text = FENCED.sub(lambda block: "\n" * block[0].count("\n"), page.read_text())
    for match in LINK.finditer(text):
        yield Link(page, text.count("\n", 0, match.start()) + 1, match["target"])


def anchors_of(page: Path) -> set[str]:
    """Return the names under which headings can be linked to, as GitHub and MyST make them."""
    return {_slug(match["text"]) for match in HEADING.finditer(FENCED.sub("", page.read_text()))}


def _slug(heading: str) -> str:
    plain = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def problem_of(link: Link) -> str | None:
    """Say why a link within the repository leads nowhere; None if it leads somewhere, or to another site."""
    if link.is_external:
        return None
    path, _, anchor = link.target.partition("#")
    file = (link.page.parent / path).resolve() if path else link.page
    where = f"{link.page.name}, line {link.line}"
    if not file.exists():
        return f"{where}: {link.target} leads to no file."
    if anchor and (file.suffix != ".md" or anchor not in anchors_of(file)):
        return (
            f"{where}: {path or link.page.name} has no heading #{anchor}; it has {', '.join(sorted(anchors_of(file)))}."
        )
    return None


def answer(url: str) -> str | None:
    """Ask a site for a page; return what is wrong, or None if it answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=BROWSER), timeout=SECONDS):
            return None
    except (urllib.error.URLError, HTTPException, TimeoutError, OSError) as error:
        return str(error)


def main() -> None:
    """Ask for every external link once, and exit with 1 if one does not answer."""
    external = sorted({link.target for page in documents() for link in links_of(page) if link.is_external})
    wrong = 0
    for url in external:
        problem = answer(url)
        wrong += problem is not None
        print(f"{url}: {problem or 'answers'}")
    print(f"{len(external)} links, {wrong} without an answer.")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
