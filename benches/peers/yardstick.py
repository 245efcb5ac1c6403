"""What `cases.py` and `random_laws.py` share: tables, rivals whose figures are kept, and the comparison.

A rival is fitted once on standardised columns, and its figures go to `rivals.jsonl` beside this file.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is loaded: one thread for everybody

import argparse
import hashlib
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import numpy as np

import rivals
from crate import HERE, ROOT
from runner import Runner, append_line, read_lines

TEST_ROWS = 5000
# Numbers of components and starts of EM, most steps of the Bayesian mixture.
SETTINGS = {
    "quick": dict(numbers=(1, 2, 3, 4, 6, 8, 10, 12, 16, 20), starts=1, steps=200),
    "full": dict(numbers=tuple(range(1, 21)), starts=3, steps=1000),
}
USUAL_RIVALS = ("em", "bayes", "kde", "single")
KDE_DIM = 3


@dataclass
class Table:
    """Training rows, held-out rows and what is asked of a fit.

    `parts` has the points at which the density is judged: `test` always, and others that a judgement of its own
    needs. `truth` has the exact log-density at parts for which it is known.
    """

    name: str
    seed: int
    train: np.ndarray
    parts: dict
    truth: dict = field(default_factory=dict)
    about: str = ""
    component_std: float | None = None
    # Masses, means, covariances: one more rival is EM from there.
    moments: tuple | None = None
    rivals: tuple = USUAL_RIVALS
    # More figures, of the log-density at all parts, and of draws.
    judge: Callable | None = None
    judge_draws: Callable | None = None
    n_draws: int = 5000
    # Of the training rows from another law, of which the part `strays` has test rows.
    stray_share: float = 0.0
    # The truth's log-likelihood where it is not the mean over test rows.
    known_ll: float | None = None

    @property
    def dim(self):
        return self.train.shape[1]

    @property
    def fingerprint(self):
        """Of the rows, up to the last digits, in which machines differ."""
        rows = np.concatenate([self.train, self.points()])
        rounded = np.round(rows / (rows.std(axis=0) + 1e-300), 6) + 0.0
        return hashlib.sha256(rounded.tobytes()).hexdigest()[:12]

    @property
    def key(self):
        return f"{self.name} {self.seed} {self.fingerprint}"

    def points(self):
        return np.concatenate(list(self.parts.values()))

    def judged(self, values):
        """Figures of a log-density at all points: `ll`, the mean over test rows, and where the truth is known
        `tv`, the total variation, and others."""
        ends = np.cumsum([len(part) for part in self.parts.values()])
        values = dict(zip(self.parts, np.split(np.asarray(values, dtype=float), ends[:-1])))
        figures = {"ll": float(values["test"].mean())}
        if "test" in self.truth:
            ratio = np.exp(np.minimum(values["test"] - self.truth["test"], 50))
            figures["tv"] = float(np.maximum(0, 1 - ratio).mean())
        if "strays" in values:
            figures["strays"] = float(values["strays"].mean())
        return {**figures, **(self.judge(values) if self.judge else {})}

    def truth_ll(self):
        if self.known_ll is not None:
            return self.known_ll
        return float(self.truth["test"].mean()) if "test" in self.truth else None


def generator(name, seed):
    """Random numbers of a table: those of one name have nothing to do with another's."""
    return np.random.default_rng([zlib.crc32(name.encode()), seed])


def table_of(name, seed, law, n, rng, test_rows=TEST_ROWS, train=None, **more):
    """A table of a known law: training rows are drawn, unless given, then test rows."""
    train = law.draw(n, rng) if train is None else train
    test = law.draw(test_rows, rng)
    return Table(name, seed, train, {"test": test}, {"test": law.log_density(test)}, **more)


class Rivals:
    """Figures of the rivals, kept in a file."""

    def __init__(self, setting, path=HERE / "rivals.jsonl"):
        self.setting, self.path = setting, path
        self.known = {(line["table"], line["setting"]): line for line in read_lines(path)}

    def found(self, table):
        """What is kept of a table, by name of the rival, or None; a full comparison stands for a quick one."""
        kept = (self.known.get((table.key, setting)) for setting in ("full", self.setting))
        return next((line["rivals"] for line in kept if line), None)

    def figures(self, table):
        """By name of the rival: what is kept, or what is fitted now."""
        kept = self.found(table)
        if kept is not None:
            return kept
        found = {}
        for fitted in fitted_rivals(table, SETTINGS[self.setting]):
            found[fitted.method] = {
                **{name: round(value, 5) for name, value in table.judged(fitted.log_density()).items()},
                "seconds": round(fitted.fit_seconds, 2),
                **fitted.figures,
            }
        line = {"table": table.key, "setting": self.setting, "rivals": found}
        self.known[table.key, self.setting] = line
        append_line(self.path, line)
        return found


def fitted_rivals(table, setting):
    """All rivals on standardised columns; their log-densities are those of the columns as they are."""
    centre, scale = table.train.mean(axis=0), table.train.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    train, points = (table.train - centre) / scale, (table.points() - centre) / scale
    seed, found = table.seed, []
    for name in table.rivals:
        if name == "em":
            types = rivals.COVARIANCE_TYPES if table.dim > 1 else ("full", "tied")
            found += rivals.em_bic(
                train, points, None, seed, numbers=setting["numbers"], starts=setting["starts"], types=types
            )[1:]
        elif name == "bayes":
            found += rivals.bayesian_mixture(train, points, None, seed, steps=setting["steps"])
        elif name == "kde" and table.dim <= KDE_DIM:
            found += rivals.kernel_density(train, points, None, seed, bandwidths=np.geomspace(0.002, 1.0, 40))
        elif name == "single":
            found += rivals.shrunk_gaussians(train, points, None, seed)
        elif name == "npml":
            # Components of one given width: columns as they are.
            for fitted in rivals.nonparametric_likelihood(table.train, table.points(), table.component_std, seed):
                fitted.log_density = moved(fitted.log_density, np.log(scale).sum())
                found.append(fitted)
    if table.moments is not None:
        masses, means, covariances = table.moments
        moments = masses, (means - centre) / scale, covariances / np.multiply.outer(scale, scale)
        found += rivals.em_from(train, points, None, seed, moments)
    for fitted in found:
        fitted.log_density = moved(fitted.log_density, -np.log(scale).sum())
    return found


def moved(log_density, by):
    return lambda: log_density() + by


def options(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--crate", type=Path, default=ROOT, help="the checkout of the crate that is judged")
    parser.add_argument("--against", type=Path, help="another checkout, to show what has changed")
    parser.add_argument("--composition", default="default", choices=("default", "fast", "thorough"))
    parser.add_argument("--fit-seed", type=int, default=1, help="seed of the fits")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds after which a fit is given up")
    parser.add_argument("--full", action="store_true", help="rivals: all k = 1..20, best of three starts")
    parser.add_argument("--no-rivals", action="store_true", help="the crate and the truth alone")
    parser.add_argument("--known", action="store_true", help="only tables whose rivals have been fitted already")
    parser.add_argument("--rivals-only", action="store_true", help="fit rivals, so that they are known later")
    parser.add_argument("--again", action="store_true", help="fit the crate even where it has been, for its times")
    return parser


@dataclass
class Comparison:
    """A table, and what the crate (and another checkout of it) and the rivals make of it."""

    table: Table
    ours: dict
    before: dict | None
    rivals: dict

    @property
    def best(self):
        """Name of the rival with the highest log-likelihood; EM from the truth, which no user has, is none."""
        known = {name: fit["ll"] for name, fit in self.rivals.items() if name != "em_truth"}
        return max(known, key=lambda name: np.nan_to_num(known[name], nan=-np.inf)) if known else None

    @property
    def best_ll(self):
        return self.rivals[self.best]["ll"] if self.best else None

    @property
    def ahead(self):
        """Ours less the best rival's, or less the truth where there are no rivals; a failed fit is far behind."""
        beside = self.table.truth_ll() if self.best is None else self.best_ll
        return self.ll(self.ours) - (np.nan if beside is None else beside)

    @property
    def ahead_with_strays(self):
        """The same for test rows with as large a share of strays as training rows have."""
        share = self.table.stray_share
        whole = lambda fit: (1 - share) * self.ll(fit) + share * fit.get("strays", -np.inf if share else 0.0)
        return whole(self.ours) - max(whole(fit) for fit in self.rivals.values())

    @staticmethod
    def ll(figures):
        value = figures.get("ll", -np.inf)
        return value if np.isfinite(value) else -np.inf


class Judges:
    """The crate, another checkout if there is one, and the rivals, as the options have them."""

    def __init__(self, chosen):
        runner = lambda crate: Runner(crate, chosen.composition, chosen.fit_seed, chosen.timeout, chosen.again)
        self.known = chosen.known
        self.ours = None if chosen.rivals_only else runner(chosen.crate)
        self.before = runner(chosen.against) if chosen.against else None
        self.rivals = None if chosen.no_rivals else Rivals("full" if chosen.full else "quick")

    def compare(self, tables):
        """One comparison after the other; none where rivals alone are fitted."""
        for table in tables:
            if self.known and self.rivals and self.rivals.found(table) is None:
                continue
            of_rivals = self.rivals.figures(table) if self.rivals else {}
            if self.ours:
                before = self.before and self.before.figures(table)
                yield Comparison(table, self.ours.figures(table), before, of_rivals)
