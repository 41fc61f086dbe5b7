"""The ``asdcore`` command. Each command is one function of the Python API, with the same words.

runs        demo, run, evaluate
data        data synth, data index, data fetch
features    features import, features export
registry    registry list, verify, add, fetch
plugins     plugins, new-plugin, check-plugin
complexity  complexity: what a portfolio costs
views       audit-views: what views do to faults

evidence/   compare, decisions, select, audit, ledger, verdict, report
freeze      freeze, verify, infer
submission  package, check-submission
detectors/  export, detect, adapt, monitor, explain

supervised  the entrance: a command in a process of its own, and how that ended
shared      options that mean the same everywhere, exit codes, printed results
output/     tables on the terminal and as files, and streams that nobody reads

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 a check failed, 2 wrong use, bad input or
a refusal of the system; as shells have it, 130 interrupted and 141 output that nobody reads any more.
Everything heavy is imported inside a command, so that ``asdcore --help`` answers at once.
"""

from __future__ import annotations

import atexit
import copy
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from asdcore.cli import complexity, data, features, freeze, plugins, registry, runs, submission, views
from asdcore.cli.detectors import adapt, detector, explain, monitor
from asdcore.cli.evidence import compare, decisions, ledger, report, selection
from asdcore.cli.output.streams import check_folder, is_answer_alone, own_streams
from asdcore.cli.shared import INTERRUPTED, MISUSED, Command
from asdcore.errors import AsdcoreError, Interrupted, plain_warnings, shortened
from asdcore.store.disk.lost_disk import is_lost, lost
from asdcore.version import __version__

# Without a default at hand typer asks pydantic whether --help was meant, and pydantic takes 0.1 s to come.
HELP = {"help": False}


class TopGroup(TyperGroup):
    """The group of all commands. What it says of wrong use is no longer than a person can read."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Parse the options before the command."""
        with _usage_in_short():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Parse the rest, and call the command."""
        with _usage_in_short():
            return super().invoke(ctx)


@contextmanager
def _usage_in_short() -> Iterator[None]:
    """Shorten what typer says of words that it was given."""
    try:
        yield
    except typer.TyperException as error:
        error.message = shortened(error.message)
        raise


class Typer(typer.Typer):
    """A group whose commands refuse empty paths."""

    def command(self, name: str | None = None, **more: Any) -> Any:
        """Register a command."""
        return super().command(name, **{"cls": Command, **more})


def group(summary: str, epilog: str | None = None, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return an empty group of commands."""
    return Typer(
        cls=cls,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=summary,
        epilog=epilog,
        context_settings={"default_map": {**HELP, "plugins": HELP}},
    )


app = group(
    "Score machine sounds for anomaly, and make the scores trustworthy.",
    "Start with 'asdcore demo'. Every command has its own --help.",
    TopGroup,
)
app.command()(runs.demo)
app.command()(runs.run)
app.command()(runs.evaluate)
app.command()(compare.compare)
app.command()(report.report)
app.command()(ledger.ledger)
app.command()(ledger.verdict)
app.command()(selection.select)
app.command()(decisions.decisions)
app.command()(freeze.freeze)
app.command()(freeze.verify)
app.command()(freeze.infer)
app.command()(detector.export)
app.command()(detector.detect)
app.command()(explain.explain)
app.command()(adapt.adapt)
app.command()(monitor.monitor)
app.command()(submission.package)
app.command("check-submission")(submission.check_submission)
app.command()(plugins.plugins)
app.command("new-plugin")(plugins.new_plugin)
app.command("check-plugin")(plugins.check_plugin)
app.command()(complexity.complexity)
app.command("audit-views")(views.audit_views)

audit_app = group("Plan a choice before any metric is seen, then make it.")
audit_app.command("plan")(selection.audit_plan)
audit_app.command("decide")(selection.audit_decide)
app.add_typer(audit_app, name="audit")

data_app = group("Make, list and download datasets.")
data_app.command("synth")(data.synth)
data_app.command("index")(data.index)
data_app.command("fetch")(data.fetch)
app.add_typer(data_app, name="data")

features_app = group("Bring features in, and take them out.")
features_app.command("import")(features.import_)
features_app.command("export")(features.export)
app.add_typer(features_app, name="features")

registry_app = group("List, check, add and download external files.")
registry_app.command("list")(registry.list_)
registry_app.command("verify")(registry.verify)
registry_app.command("add")(registry.add)
registry_app.command("fetch")(registry.fetch)
app.add_typer(registry_app, name="registry")


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Score machine sounds for anomaly, and make the scores trustworthy."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit code 2."""
    arguments = sys.argv[1:]
    # Taken out here, so that it may stand anywhere: whoever wants a trace has just seen a command fail.
    debug = "--debug" in arguments
    _spend_little()
    signal.signal(signal.SIGINT, _stop)
    plain_warnings()
    try:
        with own_streams(answer_alone=is_answer_alone(arguments)):
            if not {"--help", "--version"}.intersection(arguments):
                check_folder()
            asked = [argument for argument in arguments if argument != "--debug"]
            _with_command_of(asked)(asked)
    except (AsdcoreError, OSError, MemoryError) as error:
        if debug:
            raise
        with own_streams():
            typer.echo(f"Error: {_said(error)}", err=True)
        sys.exit(MISUSED)
    finally:
        if sys.unraisablehook is _stop_again:
            # It has been interrupted: once more, while Python ends, would only change the exit code.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _spend_little() -> None:
    """Spend no time on what a short process does not need: threads that wait for work, and searches for garbage."""
    # OpenBLAS reads it when NumPy or SciPy loads it. On every core a thread would spin for 0.03 s before it sleeps, and
    # wait for work that never comes: what asdcore computes, it computes on one thread.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    # What imports make stays, and at the end the system takes all memory back at once.
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)


def _with_command_of(arguments: list[str]) -> typer.Typer:
    """Return the app with the command that is asked for alone: to build all of them takes as long as a short one runs.

    Without a command of that name all are there, to be listed.
    """
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    commands = [command for command in app.registered_commands if name == (command.name or _typed(command.callback))]
    groups = [group for group in app.registered_groups if name == group.name]
    if not commands and not groups:
        return app
    asked = copy.copy(app)
    asked.registered_commands, asked.registered_groups = commands, groups
    return asked


def _typed(command: Any) -> str:
    """Return the name that a function has as a command."""
    return typer.main.get_command_name(command.__name__)


def _said(error: Exception) -> str:
    """Return the message for an error. A refusal of the system gets the advice that it lacks."""
    if isinstance(error, AsdcoreError):
        return str(error)
    if isinstance(error, MemoryError):
        return "Memory ran out. What was finished is kept; fewer --workers need less. --debug shows where."
    on = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    if is_lost(error):
        return shortened(f"{lost(getattr(error, 'filename', None), error)} --debug shows where.{on}")
    return shortened(f"The system refused: {error}. --debug shows where.{on}")


def _stop(*_: object) -> None:
    """End the command at an interrupt, with one message."""
    if sys.unraisablehook is not _stop_again:
        typer.echo("Stopped. What was computed is kept: the same command goes on from there.", err=True)
        sys.unraisablehook = _stop_again
    raise Interrupted(INTERRUPTED)


def _stop_again(lost: sys.UnraisableHookArgs) -> None:
    """Interrupt once more if a library's callback has swallowed the end of the command."""
    if issubclass(lost.exc_type, SystemExit):
        # A moment later: what is raised while this hook runs would be swallowed too.
        later = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        later.daemon = True
        later.start()
    else:
        sys.__unraisablehook__(lost)
