"""How long it takes to weigh branches by known faults, from stored scores."""

from __future__ import annotations

import time

from figures import show

MACHINES, BRANCHES, FAULTS, NORMALS, DRAWS = 7, 84, 20, 1000, 1000


def choosing() -> list[bool]:
    """84 branches, 20 faults on seven machines of 1,000 normals each, 1,000 draws: choice, optimism and kinds."""
    from pathlib import Path

    import numpy as np

    from asdcore.data.recordings.audio import AudioFacts
    from asdcore.evidence.selection.fault_clips import Fault
    from asdcore.evidence.selection.fault_gains import CellScores
    from asdcore.evidence.selection.fault_problem import Problem

    rng = np.random.default_rng(0)
    domain = np.repeat(["source", "target"], [NORMALS - 10, 10])
    rows = np.array_split(np.arange(FAULTS), MACHINES)
    # Half of the branches deal their folds in stretches, the others clip by clip.
    folds = np.stack([np.arange(NORMALS) * 5 // NORMALS, np.arange(NORMALS) % 5], axis=1)[:, np.arange(BRANCHES) % 2]
    groups = np.arange(NORMALS) // 20
    cells = []
    for of in rows:
        normals, models = rng.normal(size=(NORMALS, BRANCHES)), rng.normal(1.0, 1.0, (5, len(of), BRANCHES))
        cells.append(CellScores(normals, domain, groups, models, folds, of))
    facts = [AudioFacts(1, 16000, 160000, f"{i:064x}") for i in range(FAULTS)]
    faults = [Fault(Path(f"{i}.wav"), "m", "00", f"kind {i % 4}", fact) for i, fact in enumerate(facts)]
    default = np.zeros(BRANCHES)
    default[:8] = 1.0
    started = time.process_time()
    problem = Problem(cells, default, faults, DRAWS, 0)
    choice = problem.choice(np.arange(FAULTS))
    problem.facts(choice)
    problem.kinds()
    spent = time.process_time() - started
    return [show("weighing 84 branches by 20 faults, 1,000 draws: CPU", spent, 20.0, "s")]
