#!/usr/bin/env bash
# While one thread holds a threadpool_limits, that of another thread does nothing, and says nothing.
#
# Versions: threadpoolctl 3.8.0, numpy 2.4.6 with its own OpenBLAS 0.3.31 (pthreads) (Python 3.11).
# Expected: The number of BLAS threads belongs to the process: the last call wins, whichever thread makes it. So a
#           worker thread can set 1 around its own products to keep them small.
# Seen:     After the main thread has set a count, a worker's count is ignored: it reads back what the main thread
#           set, and no error is raised. Once the main thread has left its own limit, the worker's limit works again.
#           A library that sets its limit in the main thread thus switches off the limits in all workers.
# Output:
#   main thread outside of any limit: worker asks for 1, reads 1
#   main thread inside of a limit of 3: worker asks for 1, reads 3
#   main thread has left its limit: worker asks for 1, reads 1
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check threadpoolctl==3.8.0 numpy==2.4.6 || exit 2
env -u OPENBLAS_NUM_THREADS -u OMP_NUM_THREADS -u OPENBLAS_DEFAULT_NUM_THREADS venv/bin/python - <<'PY'
import threading

import numpy  # noqa: F401, loads OpenBLAS
from threadpoolctl import ThreadpoolController, threadpool_limits

blas = ThreadpoolController().select(user_api="blas").lib_controllers[0]
assert (blas.internal_api, blas.threading_layer) == ("openblas", "pthreads")


def worker():
    seen = []

    def ask():
        with threadpool_limits(1, user_api="blas"):
            seen.append(blas.get_num_threads())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return seen[0]


seen = [worker()]
with threadpool_limits(3, user_api="blas"):
    seen.append(worker())
seen.append(worker())
states = ("outside of any limit", "inside of a limit of 3", "has left its limit")
for state, count in zip(states, seen):
    print(f"main thread {state}: worker asks for 1, reads {count}")
assert seen == [1, 3, 1], seen
PY
