#!/usr/bin/env bash
# The first process that multiprocessing spawns takes a caller's signal mask away, for the caller and all its children.
#
# Versions: CPython 3.11.7 and, the same, 3.12.1 and 3.13.0 (multiprocessing of the standard library).
# Expected: A thread that blocks SIGINT before it spawns workers has workers with SIGINT blocked: a mask is inherited
#           by fork and exec. So Ctrl-C reaches the parent alone, which ends the work in order.
# Seen:     To start the first process, multiprocessing starts its resource tracker. It blocks SIGINT and SIGTERM for
#           that moment, and then unblocks both, whether they were blocked before or not. The first worker, and every
#           later one, has SIGINT open, and prints a traceback at Ctrl-C. If the tracker was started beforehand
#           (multiprocessing.resource_tracker.ensure_running()), the mask stays.
# Output:
#   the tracker starts with the first worker: blocked here False, in the worker False
#   the tracker was started beforehand: blocked here True, in the worker True
# Exit:     0 seen again, 1 it has changed, 2 there is no python3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
command -v python3 >/dev/null || exit 2
cat >blocked.py <<'PY'
import multiprocessing
import signal
import sys
from multiprocessing import resource_tracker


def is_blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


if __name__ == "__main__":
    if sys.argv[1] == "beforehand":
        resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(f"blocked here {is_blocked()}, in the worker {pool.apply(is_blocked)}")
PY
late=$(python3 blocked.py late)
early=$(python3 blocked.py beforehand)
echo "the tracker starts with the first worker: $late"
echo "the tracker was started beforehand: $early"
[ "$late" = "blocked here False, in the worker False" ] && [ "$early" = "blocked here True, in the worker True" ]
