"""Write LaTeX tables in the style of booktabs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

NOTE = "% Made by asdcore; needs \\usepackage{booktabs}."


def tabular(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table: columns of numbers to the right, all others to the left."""
    right = [all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    columns = "".join("r" if number else "l" for number in right)
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", line(header), "\\midrule", *map(line, rows)]
    return "\n".join([NOTE, *lines, "\\bottomrule", "\\end{tabular}", ""])


def line(cells: Sequence[str], bold: Collection[int] = ()) -> str:
    """Return one line of a table, some cells in bold."""
    shown = [f"\\textbf{{{cell}}}" if i in bold else escaped(cell) for i, cell in enumerate(cells)]
    return " & ".join(shown) + r" \\"


def escaped(text: str) -> str:
    """Return text with LaTeX's special characters escaped."""
    named = {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    return "".join(f"\\{sign}" if sign in "&%$#_{}" else named.get(sign, sign) for sign in text)


def _is_number(cell: str) -> bool:
    try:
        float(cell or 0)
    except ValueError:
        return False
    return True
