"""Reads what the names of many DCASE clips say, at once; what is wrong with a name is said of single ones."""

from __future__ import annotations

import polars as pl

from asdcore_plugins.datasets.bases.dcase_names import FOLDERS, FORMS, NO_ATTRIBUTES, SUFFIXES, TASKS

SAID = ("section", "split", "domain", "label", "index", "attributes")
"""What a name and its folder say: the fields of :class:`~asdcore_plugins.datasets.bases.dcase_names.ClipName`."""

SUFFIX = rf"(?i:{'|'.join(suffix.replace('.', '[.]') for suffix in SUFFIXES)})$"


def read_names(files: pl.DataFrame, task: str) -> pl.DataFrame:
    """Read what the file names of clips and their folders say.

    Parameters
    ----------
    files : polars.DataFrame
        ``name`` and ``folder`` of each clip, and other columns.
    task : str
        Whose forms of names are allowed.

    Returns
    -------
    polars.DataFrame
        The same rows and columns, and SAID: what ``parse_name`` gives of each. All of SAID is null for a name that it
        refuses.

    Examples
    --------
    >>> files = pl.DataFrame({"name": ["section_00_0001.wav", "noise.wav"], "folder": "test"})
    >>> read_names(files, "dcase2026").select("section", "split", "index").rows()
    [('00', 'test', '0001'), (None, None, None)]
    """
    rest, matched = files.with_row_index("_row").with_columns(_stem=pl.col("name").str.replace(SUFFIX, "")), []
    for form in TASKS[task].forms:
        fields = rest["_stem"].str.extract_groups(f"^(?:{FORMS[form].pattern.pattern})$").struct.unnest()
        is_match = fields["section"].is_not_null()
        if is_match.any():
            part = pl.concat([rest, fields], how="horizontal").filter(is_match)
            matched.append(_completed(part, FORMS[form].split))
            rest = rest.filter(~is_match)
    rest = rest.with_columns(pl.lit(None, pl.String).alias(name) for name in SAID)
    columns = [*rest.columns]
    return pl.concat([*(part.select(columns) for part in matched), rest]).sort("_row").drop("_row", "_stem")


def _completed(files: pl.DataFrame, form_split: str | None) -> pl.DataFrame:
    """Add what folders say to what names of one form say; all null if they contradict each other."""
    absent = [pl.lit(None, pl.String).alias(name) for name in SAID if name not in files.columns]
    files = files.with_columns(absent)
    of_folder = [
        pl.col("folder").replace_strict(
            {name: words[i] for name, words in FOLDERS.items()}, default=None, return_dtype=pl.String
        )
        for i in range(2)
    ]
    named = pl.coalesce("split", pl.lit(form_split, pl.String))
    attributes = pl.col("attributes")
    none = attributes.str.strip_chars("_").str.to_lowercase().is_in(NO_ATTRIBUTES)
    files = files.with_columns(
        split=pl.coalesce(named, of_folder[0]),
        domain=pl.coalesce("domain", of_folder[1]),
        attributes=pl.when(~none).then(attributes),
        _wrong=(named != of_folder[0]).fill_null(False) | (pl.col("domain") != of_folder[1]).fill_null(False),
    )
    is_train = pl.col("split") == "train"
    files = files.with_columns(
        domain=pl.when(pl.col("domain").is_null() & is_train).then(pl.lit("source")).otherwise("domain"),
        _wrong=pl.col("_wrong") | (is_train & (pl.col("label") == "anomaly")).fill_null(False),
    )
    return files.with_columns(pl.when(~pl.col("_wrong")).then(pl.col(name)).alias(name) for name in SAID)
