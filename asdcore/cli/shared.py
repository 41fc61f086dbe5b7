"""What commands share: options that mean the same everywhere, exit codes, and how results are printed."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from asdcore.basics.paths import given_path
from asdcore.cli.output.streams import write_answer
from asdcore.errors import AsdcoreError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
PortfolioName = Annotated[
    str, typer.Argument(help="Path of a portfolio, or the name of a shipped one, such as default.")
]
Task = Annotated[
    str | None, typer.Option(help="Dataset reader, such as dcase2026. Default: detected from the file names.")
]
StoreDir = Annotated[Path | None, typer.Option(help="Folder of cached artifacts. Default: a per-user cache folder.")]
Workers = Annotated[int, typer.Option(min=1, help="How many local processes share the work.")]
ClusterAddress = Annotated[
    str | None,
    typer.Option("--cluster", help="Share the work by Dask: a scheduler's address, or local:N for N workers here."),
]
Machine = Annotated[
    str | None, typer.Option(help="The machine of the recordings. Default: the only one that the detector knows.")
]
Section = Annotated[str | None, typer.Option(help="Its section. Default: the only one.")]
System = Annotated[
    str | None, typer.Option(help="The system. Default: the only one, or the one with the portfolio's name.")
]


TABLES = ("csv", "latex")
"""The parameters of a command that prints a table, which name files that it also writes it to."""


class Command(TyperCommand):
    """A command that refuses paths that name nothing, such as an empty one, and whose help has no types of Python.

    An unset shell variable leaves an empty path, and it would mean '.'.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options and arguments of the help, each with the type of one value: <path>, not <list[Path]>."""
        params: list[Any] = self.params
        for param in params:
            vars(param)["display_type"] = partial(_one_value, param.display_type)
        super().format_options(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was typed; raises AsdcoreError if a path in it cannot name a file or folder."""
        hints = get_type_hints(inspect.unwrap(self.callback)) if self.callback else {}
        paths = [param for param in self.params if Path in (hints.get(param.name), *get_args(hints.get(param.name)))]
        options = {option for param in paths for option in param.opts}
        for before, typed in zip(["", *args], args, strict=False):
            option, equals, value = typed.partition("=")
            if equals and not value and option in options:
                given_path("", option)
            if not typed and (before in options or not before.startswith("-")):
                given_path("", before if before in options else "an argument")
        for param in self.params:
            vars(param)["process_value"] = partial(_processed, param, param.process_value)
        left = super().parse_args(ctx, args)
        for param in paths:
            called = param.opts[0] if param.opts[0].startswith("-") else param.name.upper()
            for path in _as_list(ctx.params[param.name]):
                given_path(path, called)
        if "as_json" in ctx.params:
            _check_tables({f"--{name}": ctx.params[name] for name in TABLES if ctx.params.get(name)}, ctx.params)
        return left


def _check_tables(asked: Mapping[str, Path], params: Mapping[str, Any]) -> None:
    """Raise AsdcoreError, before any work, for tables that cannot be written where they are asked for."""
    answers = [option for option, path in asked.items() if str(path) == "-"] + ["--json"] * bool(params["as_json"])
    if len(answers) > 1:
        raise AsdcoreError(
            f"Stdout is for one answer: {' and '.join(answers)} ask for it. Name files, or leave out one."
        )
    files = {option: path for option, path in asked.items() if str(path) != "-"}
    if len(set(files.values())) < len(files):
        raise AsdcoreError(f"{' and '.join(files)} name the same file. Choose two.")
    for option, path in files.items():
        if path.exists() or path.is_symlink():
            raise AsdcoreError(
                f"{path} exists and is not written over. Choose another file with {option}, or remove it."
            )


def _as_list(value: Any) -> list[Any]:
    """Return the values of an option or argument: none, one or several."""
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _one_value(display_type: Callable[[Any], str], ctx: Any) -> str:
    """Return what the help says of a value, such as <path> or <int>: typer says <list[Path]> and <int range>."""
    name = re.sub(r"list\[(.+)\]", r"\1", display_type(ctx).removesuffix(" range>").strip("<>"))
    return f"<{name[:1].lower()}{name[1:]}>"


def _processed(param: Any, process: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    """Process the value of an option. typer would load pydantic, for 0.1 s, to find that None is None."""
    untouched = value is None and not param.required and param.callback is None
    return None if untouched else process(ctx, value)


def progress() -> Any:
    """Return where progress is shown: stderr."""
    from asdcore.progress import for_stderr

    return for_stderr()


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    write_answer(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_lines(lines: list[str]) -> None:
    """Print lines on stdout."""
    for line in lines:
        typer.echo(line)
