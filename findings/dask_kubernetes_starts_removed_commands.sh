#!/usr/bin/env bash
# The cluster that dask-kubernetes describes starts commands that Dask of the same time no longer installs.
#
# Versions: dask-kubernetes 2026.3.0, its newest; dask and distributed 2026.8.0 (Python 3.11).
# Expected: The pods of make_cluster_spec(name, image) start in an image with a Dask that pip installs beside
#           dask-kubernetes without a conflict.
# Seen:     Scheduler and workers are started as "dask-scheduler" and "dask-worker". distributed 2026.3.0 still
#           installs these commands, 2026.8.0 none: there is "dask scheduler" and "dask worker" alone. In an image of one's
#           own with 2026.8.0 no pod starts. worker_command="dask worker" repairs workers; for the scheduler there
#           is no such argument, its args have to be replaced in the result.
# Output:
#   scheduler starts dask-scheduler: not installed
#   worker starts dask-worker: not installed
#   worker with worker_command="dask worker" starts dask: installed
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check dask-kubernetes==2026.3.0 dask==2026.8.0 \
    distributed==2026.8.0 || exit 2
cat >starts.py <<'PY'
import sys
from pathlib import Path

from dask_kubernetes.operator import make_cluster_spec


def shown(what, command):
    there = (Path(sys.executable).parent / command).exists()
    print(f"{what} starts {command}: {'installed' if there else 'not installed'}")


spec = make_cluster_spec(name="simple", image="own:1")["spec"]
for part in ("scheduler", "worker"):
    shown(part, spec[part]["spec"]["containers"][0]["args"][0])
other = make_cluster_spec(name="simple", image="own:1", worker_command="dask worker")["spec"]["worker"]["spec"]
shown('worker with worker_command="dask worker"', other["containers"][0]["args"][0])
PY
seen=$(venv/bin/python starts.py)
echo "$seen"
[ "$seen" = 'scheduler starts dask-scheduler: not installed
worker starts dask-worker: not installed
worker with worker_command="dask worker" starts dask: installed' ]
