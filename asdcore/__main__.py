"""``python -m asdcore``: the same as the command ``asdcore``."""

from asdcore.cli.supervised import main

if __name__ == "__main__":  # a worker process imports this file, too
    main()
