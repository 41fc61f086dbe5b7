"""The colours of charts and pictures."""

from __future__ import annotations

INK = "currentColor"
BLUE, ORANGE, AMBER, GREY = "#2f83c4", "#d9622b", "#e0a11b", "#8d99a6"
GROUPS = {"train normal": GREY, "test normal": BLUE, "anomaly": ORANGE, "test": BLUE}
DOMAINS = {"source": BLUE, "target": AMBER, "unknown": GREY}
NORMALS = {"all normals": "#7c8793", "source normals": BLUE, "target normals": AMBER}
DARK, PALE = "#14202b", "#ffffff"
"""Ink on cells that have a colour of their own."""
