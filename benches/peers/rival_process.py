"""One rival in a process of its own, so that its memory can be told from others':

    rival_process.py METHOD COMPONENT_STD SEED DIM DIRECTORY [COMPONENTS]

Reads `train.f64` and `test.f64`, and writes a file with the log-density at the test rows for each estimator that the
method makes. COMPONENT_STD is a number or `unknown`; COMPONENTS the most components of `em`, or those of
`em_cells`. Figures go to standard output as a JSON list.
"""

import json
import sys
from pathlib import Path

import numpy as np

import rivals
from crate import read


def main(method, component_std, seed, dim, directory, *components):
    directory = Path(directory)
    train, test = (read(directory / f"{part}.f64", int(dim)) for part in ("train", "test"))
    given = None if component_std == "unknown" else float(component_std)
    warm_up()
    held = memory("VmRSS")
    forget_peak()
    fitted = rivals.RIVALS[method][0](train, test, given, int(seed), *map(int, components))
    peak = memory("VmHWM")
    found = []
    for fit in map(rivals.judged, fitted):
        np.ascontiguousarray(fit.log_density, dtype="<f8").tofile(directory / f"{fit.method}.f64")
        found.append({"method": fit.method, **fit.figures, "held_bytes": held, "peak_bytes": peak})
    print(json.dumps(found))


def warm_up():
    """Loads what scikit-learn loads on first use."""
    rivals.GaussianMixture(2).fit(np.arange(20.0).reshape(10, 2)).score_samples(np.zeros((1, 2)))


def memory(field):
    """Bytes of this process by a field of its status; None where the system does not tell (only Linux does)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def forget_peak():
    """From now on the peak is that of what follows."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # then it stays that of the whole process


if __name__ == "__main__":
    main(*sys.argv[1:])
