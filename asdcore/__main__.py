"""The command ``asdcore``, also as ``python -m asdcore``: it loads the command line, and then works by it."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line. An interrupt while it still loads ends this process as quietly as any program."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own would show which import it was in
    from asdcore.cli.supervised import main as command

    command()


if __name__ == "__main__":  # a worker process imports this file, too
    main()
