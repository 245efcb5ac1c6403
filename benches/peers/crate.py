"""The crate's side of the comparison: builds `driver.rs` and linfa's program, and speaks to them."""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The crate's compositions: name in the results, composition of the driver, whether the std is given.
COMPOSITIONS = {
    "crate": ("default", False),
    "crate_std": ("default", True),
    "fast": ("fast", False),
    "fast_std": ("fast", True),
    "thorough": ("thorough", False),
    "thorough_std": ("thorough", True),
    "plain": ("plain", False),
    "plain_std": ("plain", True),
    "paper": ("paper", False),
    "paper_std": ("paper", True),
}


def crate_version(root=ROOT):
    """A fingerprint of the crate's sources: figures of older sources are not taken for today's."""
    digest = hashlib.sha256()
    for path in sorted((root / "src").rglob("*.rs")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def build_driver():
    """The executable of `driver.rs`."""
    return build("peers", "--bench", "peers", "--manifest-path", ROOT / "Cargo.toml")


def build_linfa():
    """The executable of linfa's program, a package of its own."""
    return build("linfa-peer", "--locked", "--manifest-path", HERE / "linfa" / "Cargo.toml")


def build(target, *arguments):
    command = ["cargo", "build", "--release", *map(str, arguments)]
    command += ["--message-format", "json-render-diagnostics"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    return next(
        message["executable"]
        for message in messages
        if message.get("executable") and message["target"]["name"] == target
    )


def call(*command, **options):
    """Runs a program and reads the JSON that it prints."""
    command = [*map(str, command)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout)


def read(path, columns=None):
    values = np.fromfile(path, dtype="<f8")
    return values if columns is None else values.reshape(-1, columns)


def total_variation(log_model, log_truth):
    """Between the law and a density that is known at rows of the law."""
    ratio = np.exp(log_model - log_truth)
    mass = float(ratio.mean())
    return dict(
        tv=float(np.maximum(0, 1 - ratio).mean()),
        mass=mass,  # integral of the model's density over the law's support, 1 for a density
        tv_normalised=float(np.maximum(0, 1 - ratio / mass).mean()),
    )
