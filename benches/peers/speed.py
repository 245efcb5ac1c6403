#!/usr/bin/env python3
"""Times the crate and its peers, each in a process of its own, one after the other; see README.md beside this file.

Every run is appended to the results file as one JSON line as soon as it is done, and not repeated as long as
the crate's sources are the same. The tables and plots of docs/benchmarks.md are then made anew.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import speed_plots
import speed_tables
from crate import COMPOSITIONS, HERE, build_driver, build_linfa, call, crate_version, read, total_variation
from rivals import RIVALS

PEERS = ("crate", "fast", "thorough", "paper", "em", "linfa", "npml", "kde")
LAWS = ("gmm2d_k3", "ring2d", "gmm10d_k5")
FIFTY = ("gmm50d_k3", "gmm50d_k3_gencov")
# Rows, and how often the crate and EM are run with so many.
GROWTH = {1_000: (5, 3), 10_000: (5, 3), 100_000: (3, 1), 1_000_000: (3, 0)}
# Where only the fit is of interest, few rows are evaluated.
FEW = 1_000


def main():
    options = parse_options()
    results = Results(options.results)
    if not options.report_only:
        with tempfile.TemporaryDirectory() as directory:
            bench = Bench(results, Path(directory))
            for suite in options.suites:
                SUITES[suite](bench, options.rounds)
    records = results.latest()
    speed_plots.draw(records)
    speed_tables.write(records)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--suites", nargs="*", default=[*SUITES], choices=[*SUITES])
    parser.add_argument("--rounds", type=int, default=5, help="runs of everything that takes seconds")
    parser.add_argument("--results", type=Path, default=HERE / "speed.jsonl")
    parser.add_argument("--report-only", action="store_true", help="no new runs")
    return parser.parse_args()


def peers(bench, rounds):
    """All methods on 10,000 rows, each draw of the laws another."""
    for seed in range(1, rounds + 1):
        for law in LAWS:
            run = dict(suite="peers", law=law, n=10_000, seed=seed)
            bench.run(run, PEERS, test_rows=100_000)
            for method in ("crate", "fast"):
                components = bench.results.find({**run, "method": method}).get("density_components")
                bench.run(run, ["em_cells"], test_rows=100_000, arguments=[components], suffix=f"_{method}")


def fifty(bench, rounds):
    """Three components in fifty dimensions, EM with at most six."""
    for seed in range(1, rounds + 1):
        for law in FIFTY:
            run = dict(suite="fifty", law=law, n=10_000, seed=seed)
            bench.run(run, ("crate", "fast"), test_rows=20_000)
            bench.run(run, ["em"], test_rows=20_000, arguments=[6])


def threads(bench, rounds):
    """One thread against two."""
    for seed in range(1, rounds + 1):
        for count in (1, 2):
            run = dict(suite="threads", law="gmm10d_k5", n=100_000, seed=seed, threads=count)
            bench.run(run, ("crate", "fast"), test_rows=FEW, threads=count)


def memory(bench, _rounds):
    """Rows that take 160 megabytes."""
    bench.run(dict(suite="memory", law="gmm10d_k5", n=2_000_000, seed=1), ("crate", "fast"), test_rows=FEW)


def growth(bench, rounds):
    """Time against the number of rows."""
    for seed in range(1, rounds + 1):
        for law in ("gmm10d_k5", "ring2d"):
            for n, (ours, em) in GROWTH.items():
                methods = ["crate", "fast"] * (seed <= ours) + ["em"] * (seed <= em)
                bench.run(dict(suite="growth", law=law, n=n, seed=seed), methods, test_rows=FEW)


SUITES = {"peers": peers, "fifty": fifty, "threads": threads, "memory": memory, "growth": growth}


class Bench:
    """Runs methods on the rows of a law."""

    def __init__(self, results, directory):
        self.results, self.directory = results, directory
        self.driver, self.linfa = build_driver(), build_linfa()

    def run(self, run, methods, test_rows, arguments=(), suffix="", threads=1):
        missing = [method for method in methods if not self.results.has(run, reported_by(method, suffix))]
        if not missing:
            return
        truth = call(self.driver, "rows", run["law"], run["n"], test_rows, run["seed"], self.directory)
        log_truth = read(self.directory / "truth.f64")
        for method in missing:
            for figures in self.fit(method, run["seed"], truth, arguments, threads):
                log_model = read(self.directory / f"{figures['method']}.f64")
                figures["method"] += suffix
                self.results.add({**run, **figures, **total_variation(log_model, log_truth)})

    def fit(self, method, seed, truth, arguments, threads):
        """The figures of a method, in a process of its own that leaves the log-density in METHOD.f64."""
        environment = {**os.environ, **{variable: str(threads) for variable in THREADS}}
        dim, directory = truth["dim"], self.directory
        if method in RIVALS:
            std = truth["component_std"] if RIVALS[method][2] else "unknown"
            command = [sys.executable, HERE / "rival_process.py", method, std, seed, dim, directory, *arguments]
            return call(*command, env=environment)
        if method == "linfa":
            figures = call(self.linfa, seed, dim, directory, env=environment)
        else:
            composition = COMPOSITIONS[method][0]
            figures = call(self.driver, "fit", composition, "unknown", seed, dim, directory, env=environment)
        (directory / "model.f64").replace(directory / f"{method}.f64")
        return [{"method": method, **figures}]


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def reported_by(method, suffix):
    """A name under which the method's figures are."""
    return (RIVALS[method][1][0] if method in RIVALS else method) + suffix


class Results:
    """The JSON lines. All count for one state of the crate's sources, so that rivals are always timed beside it."""

    def __init__(self, path):
        self.path, self.version = path, crate_version()

    def records(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def latest(self):
        """The records of the sources that were timed last."""
        records = self.records()
        return [record for record in records if record["crate"] == records[-1]["crate"]]

    def find(self, run):
        known = {**run, "crate": self.version}
        found = (r for r in self.records() if all(r.get(key) == value for key, value in known.items()))
        return next(found, None)

    def has(self, run, method):
        return self.find({**run, "method": method}) is not None

    def add(self, record):
        record["crate"] = self.version
        line = f"{record['law']} n={record['n']} seed {record['seed']} {record['method']}"
        print(f"{line}: fit {record['fit_seconds']:.3f} s, tv {record['tv']:.4f}", file=sys.stderr, flush=True)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
