"""Fits many tables with any checkout of the crate: builds `runner.rs` against it and speaks to the process."""

import hashlib
import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from crate import HERE, ROOT, build, crate_version, read

# Executables and the crate's own results, one folder for all checkouts.
FOLDER = ROOT / "target" / "peers"

MANIFEST = """\
[package]
name = "{name}"
version = "0.0.0"
edition = "2024"
publish = false

[[bin]]
name = "{name}"
path = "{source}"

[dependencies]
cpu-time = "1"
gmix-diffusion = {{ path = "{crate}" }}
serde_json = {{ version = "1.0.100", features = ["float_roundtrip"] }}

[workspace]
"""


class CrateFailure(Exception):
    """A fit that was refused, crashed, or took too long."""


def build_runner(crate: Path):
    """The executable of `runner.rs` with the crate in the given folder."""
    name = "runner-" + hashlib.sha256(str(crate).encode()).hexdigest()[:8]
    package = FOLDER / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "Cargo.toml").write_text(MANIFEST.format(name=name, source=HERE / "runner.rs", crate=crate))
    if not (package / "Cargo.lock").exists():
        shutil.copy(crate / "Cargo.lock", package)  # the versions that the crate is tested with
    return build(name, "--manifest-path", package / "Cargo.toml", "--target-dir", FOLDER / "target")


class Runner:
    """The crate of one checkout. Its results are kept by a fingerprint of its sources, and a fit that has been
    done is not repeated."""

    def __init__(self, crate: Path, composition="default", seed=1, timeout=120.0, again=False):
        self.crate, self.composition, self.seed, self.timeout = crate.resolve(), composition, seed, timeout
        self.version = crate_version(self.crate)
        self.path = FOLDER / "results" / f"{self.version}-{composition}-{seed}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.known = {} if again else {line["key"]: line for line in read_lines(self.path)}
        self.program = self.process = None

    def figures(self, table):
        """What the table's judgements say of the fit, its cells and seconds; `error` where there is none."""
        key = table.key
        if key not in self.known:
            try:
                figures = self.fit(table)
            except CrateFailure as failure:
                figures = {"error": str(failure)}
            self.known[key] = {"key": key, **figures}
            append_line(self.path, self.known[key])
        return self.known[key]

    def fit(self, table):
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            points = table.points()
            for name, values in (("train", table.train), ("points", points)):
                np.ascontiguousarray(values, dtype="<f8").tofile(directory / f"{name}.f64")
            std = "unknown" if table.component_std is None else repr(float(table.component_std))
            draws = table.n_draws if table.judge_draws else 0
            figures = self.ask(f"{self.composition} {std} {self.seed} {table.dim} {draws} {directory}")
            figures.update(table.judged(read(directory / "log_density.f64")))
            if draws:
                figures.update(table.judge_draws(read(directory / "draws.f64", table.dim)))
        return figures

    def build(self):
        program = build_runner(self.crate)
        if crate_version(self.crate) != self.version:
            raise SystemExit(f"the sources in {self.crate} have changed meanwhile: start again")
        return program

    def ask(self, line):
        if self.process is None:
            self.program = self.program or self.build()
            environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
            pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.process = subprocess.Popen([self.program], env=environment, text=True, **pipes)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], self.timeout)
        answer = self.process.stdout.readline() if ready else None
        if not answer:
            self.process.kill()
            said = self.process.communicate()[1].strip()
            self.process = None  # the next fit starts another
            raise CrateFailure(said or f"not done within {self.timeout:g} s")
        answer = json.loads(answer)
        if "error" in answer:
            raise CrateFailure(answer["error"])
        return answer


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append_line(path, record):
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")
