"""Makes the pictures of the gallery anew: ``make pictures``. It needs Chromium, which is found as ``chromium``.

Runs the demo, opens its report in a browser without a window, and takes a picture of each part of the page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 1000
LARGEST = 150_000
"""Bytes of a picture: the repository keeps all of them for ever."""

PARTS = {
    "result": "#result",
    "machines": "#machines",
    "promises": "#promises > :not(details)",
    "distributions": "#machine > h2, #machine > .bar, #machine > .lead, #machine > .grid:nth-of-type(-n+3)",
    "roc": "#machine .grid:has(#figure-roc)",
    "why": "#machine figure:has(#highest)",
    "tail": "#machine figure:has(#tail)",
    "parts": "#parts",
    "map": "#maps",
}
"""Name of each picture, and which elements of the page it shows."""

CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
DRAWN = "--virtual-time-budget=20000"

SHOWN = """
<style>
  body > *:not(main), main > section { display: none; }
  main, section { margin: 0 !important; padding: 0 !important; border: 0 !important; }
  main { max-width: none; }
  h2 { margin-top: 0; }
  body { padding: 12px; }
  #highest li:nth-child(n + 3), #tail li:nth-child(n + 3) { display: none; }
</style>
<script>
  const chosen = new Set(document.querySelectorAll(%s));
  for (const section of document.querySelectorAll("main > section")) {
    const children = [...section.children];
    if (!chosen.has(section) && !children.some((child) => chosen.has(child))) continue;
    section.style.setProperty("display", "block", "important");
    if (!chosen.has(section)) for (const child of children) if (!chosen.has(child)) child.style.display = "none";
  }
  setTimeout(() => { document.body.dataset.height = Math.ceil(document.body.getBoundingClientRect().height); }, 5000);
</script>
"""


def main() -> None:
    """Write one PNG for each part of the report of a demo, or of the report that the command line names."""
    if shutil.which(CHROMIUM[0]) is None:
        sys.exit("Pictures are taken by Chromium, which is not installed. On Debian: apt-get install chromium.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        report = shutil.copy(sys.argv[1], folder) if sys.argv[1:] else demo(folder)
        for name, selector in PARTS.items():
            picture = PICTURES / f"{name}.png"
            take(Path(report), selector, picture)
            print(f"{picture.name}: {picture.stat().st_size} bytes")
            if picture.stat().st_size > LARGEST:
                sys.exit(f"{picture.name} is too large: at most {LARGEST} bytes. Show less of the page in it.")


def demo(folder: Path) -> Path:
    """Run the demo in a folder, and return its report."""
    command = [sys.executable, "-m", "asdcore", "demo", "--out", str(folder / "demo"), "--store", str(folder / "store")]
    subprocess.run(command, check=True)
    (report,) = folder.rglob("report.html")
    return report


def take(report: Path, selector: str, picture: Path) -> None:
    """Write a picture of some elements of a report."""
    page = report.with_name("pictured.html")
    begun, _, ended = report.read_text().rpartition("</body>")
    page.write_text(f"{begun}{SHOWN % repr(selector)}</body>{ended}")
    window = f"--window-size={WIDTH}"
    dom = _chromium(f"{window},2000", DRAWN, "--dump-dom", page.as_uri())
    height = re.search(r'data-height="(\d+)"', dom)
    if height is None:
        sys.exit(f"The report did not draw {selector} in Chromium.")
    _chromium(f"{window},{height[1]}", DRAWN, f"--screenshot={picture}", page.as_uri())


def _chromium(*arguments: str) -> str:
    return subprocess.run([*CHROMIUM, *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
