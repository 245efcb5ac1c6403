#!/usr/bin/env python3
"""Fits the crate and its peers on the same rows and compares them; see README.md beside this file.

Every run is appended to the results file as one JSON line as soon as it is done; runs that are in the
file already are not repeated, so an interrupted comparison goes on where it stopped.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is loaded: one thread for everybody

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import report
import rivals
from crate import COMPOSITIONS, HERE, ROOT, build_driver, call, crate_version, read, total_variation
from rivals import RIVALS

STRETCHED = "stretched2d_k3"  # not among the laws of the tables
LAWS = ("gmm1d_k2", "gmm2d_k3", "gmm10d_k5", "gmm5d_k3_gencov", "ring2d", "sphere10d", "balls5d")
TABLES = ("galaxies", "old_faithful", "penguins")
DIAMONDS_COLUMNS = ("carat", "depth", "table", "price", "x", "y", "z")
DIAMONDS_ROWS = 10_000

TEST_ROWS = 20_000


def main():
    options = parse_options()
    results = Results(options.results, crate_version())
    if not options.report_only:
        driver = build_driver()
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            for seed in range(1, options.seeds + 1):  # seed by seed, so that an early stop leaves whole seeds
                for law in options.laws:
                    compare_on_law(driver, law, options.n, seed, options.methods, results, directory)
            for split in range(1, options.splits + 1):
                for name in options.tables:
                    compare_on_table(driver, name, split, options, results, directory)
    print(report.markdown(results.records()))


def parse_options():
    methods = [*COMPOSITIONS, *(rival for rival in RIVALS if rival != "em_cells")]
    usual = [method for method in methods if method != "em_starts"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="training rows from each law")
    parser.add_argument("--seeds", type=int, default=5, help="draws from each law")
    parser.add_argument("--laws", nargs="*", default=LAWS, choices=(*LAWS, STRETCHED))
    parser.add_argument("--splits", type=int, default=20, help="random 80/20 splits of each table")
    parser.add_argument("--tables", nargs="*", default=TABLES, choices=(*TABLES, "diamonds"))
    parser.add_argument("--diamonds", type=Path, help="path of diamonds.csv, for the table `diamonds`")
    parser.add_argument("--methods", nargs="*", default=usual, choices=methods)
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    parser.add_argument("--report-only", action="store_true", help="no new runs")
    options = parser.parse_args()
    if "diamonds" in options.tables and options.diamonds is None:
        parser.error("the table `diamonds` needs --diamonds PATH")
    return options


def compare_on_law(driver, law, n, seed, methods, results, directory):
    run = dict(kind="law", name=law, n=n, seed=seed)
    missing = results.missing(run, methods)
    if not missing:
        return
    truth = call(driver, "rows", law, n, TEST_ROWS, seed, directory)
    train, test = (read(directory / f"{part}.f64", truth["dim"]) for part in ("train", "test"))
    log_truth = read(directory / "truth.f64")

    def judge(log_model):
        return total_variation(log_model, log_truth)

    run_methods(driver, run, missing, train, test, truth["component_std"], judge, results, directory)


def compare_on_table(driver, name, split, options, results, directory):
    run = dict(kind="table", name=name, seed=split)
    methods = [method for method in options.methods if not needs_std(method)]
    missing = results.missing(run, methods)
    if not missing:
        return
    rng = np.random.default_rng(split)
    rows = read_table(name, options.diamonds)
    rows = rows[rng.permutation(len(rows))[: DIAMONDS_ROWS if name == "diamonds" else len(rows)]]
    held_out = len(rows) // 5
    test, train = rows[:held_out], rows[held_out:]
    centre, scale = train.mean(axis=0), train.std(axis=0)
    train, test = (train - centre) / scale, (test - centre) / scale
    for part, values in (("train", train), ("test", test)):
        np.ascontiguousarray(values, dtype="<f8").tofile(directory / f"{part}.f64")
    run["n"] = len(train)

    def judge(log_model):
        return dict(log_likelihood=float(log_model.mean()), worst_row=float(log_model.min()))

    run_methods(driver, run, missing, train, test, None, judge, results, directory)


def needs_std(method):
    return COMPOSITIONS[method][1] if method in COMPOSITIONS else RIVALS[method][2]


def run_methods(driver, run, methods, train, test, component_std, judge, results, directory):
    for method in methods:
        if method in COMPOSITIONS:
            fits = [crate_fit(driver, method, run["seed"], train.shape[1], component_std, directory)]
        else:
            known = [int(run["name"].split("_k")[1][0])] if method == "em_starts" else []
            fits = map(rivals.judged, RIVALS[method][0](train, test, component_std, run["seed"], *known))
        for fit in fits:
            judged = {} if fit.log_density is None else judge(fit.log_density)
            results.add({**run, "method": fit.method, **judged, **fit.figures})


def crate_fit(driver, method, seed, dim, component_std, directory) -> rivals.Fit:
    composition, with_std = COMPOSITIONS[method]
    given = component_std if with_std else "unknown"
    try:
        figures = call(driver, "fit", composition, given, seed, dim, directory)
    except subprocess.CalledProcessError as failure:
        return rivals.Fit(method, None, {"error": failure.stderr.strip()})
    return rivals.Fit(method, read(directory / "model.f64"), figures)


class Results:
    """The JSON lines, and which runs are among them. A run of the crate counts for its sources alone."""

    def __init__(self, path: Path, version: str):
        self.path, self.version = path, version

    def records(self):
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def missing(self, run, methods):
        done = {
            record["method"]
            for record in self.records()
            if all(record.get(key) == value for key, value in run.items())
            and record.get("crate", self.version) == self.version
        }
        return [method for method in methods if not {method, *(RIVALS[method][1] if method in RIVALS else ())} & done]

    def add(self, record):
        if record["method"] in COMPOSITIONS:
            record["crate"] = self.version
        print(report.line(record), file=sys.stderr, flush=True)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def read_table(name, diamonds):
    path = diamonds if name == "diamonds" else ROOT / "examples" / "data" / f"{name}.csv"
    with path.open(newline="") as file:
        records = list(csv.DictReader(file))
    columns = DIAMONDS_COLUMNS if name == "diamonds" else records[0].keys()
    return np.array([[float(record[column]) for column in columns] for record in records])


if __name__ == "__main__":
    main()
