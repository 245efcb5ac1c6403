"""The tables of speed.py's records, written into docs/benchmarks.md. Every figure is a median over the rounds."""

import numpy as np

from document import replace, table
from report import BY_FLOW, NAMES

METHODS = ("fast", "crate", "thorough", "paper", "em_full", "em_types", "linfa", "npml", "kde")
OURS = ("crate", "fast")
TITLES = {**NAMES, "crate": "default", "linfa": "linfa, full"}


def write(records):
    runs = Runs(records)
    replace("figures", figures(runs))
    replace("peers", "\n\n".join(peers(runs, law) for law in runs.names("peers", "law")))
    replace("fifty", fifty(runs))
    replace("growth", growth(runs))
    replace("threads", threads(runs))
    replace("memory", memory(runs))


class Runs:
    """The records, by what they are of."""

    def __init__(self, records):
        self.records = records

    def of(self, **wanted):
        return [record for record in self.records if all(record.get(key) == value for key, value in wanted.items())]

    def names(self, suite, key):
        return list(dict.fromkeys(record[key] for record in self.of(suite=suite)))

    def median(self, figure, **wanted):
        """None where there is no run, or where some run lacks the figure."""
        values = [record.get(figure) for record in self.of(**wanted)]
        return None if not values or None in values else float(np.median(values))

    def ratio(self, figure, above, below, other=None):
        """Between medians; `other` is the figure of those below, where it is another."""
        top, bottom = self.median(figure, **above), self.median(other or figure, **below)
        return None if top is None or bottom is None else top / bottom


def figures(runs):
    """What was to be reached beside what was."""
    rows = []

    def add(what, least, values, form="{:.1f}"):
        shown = [f"{name} {form.format(value)}" for name, value in values if value is not None]
        rows.append([what, least, ", ".join(shown) or "–"])

    for method, least in (("crate", "≥ 15"), ("fast", "≥ 50")):
        values = [(law, em_over_ours(runs, "peers", law, method)) for law in runs.names("peers", "law")]
        add(f"EM + BIC / {TITLES[method]}: time to fit", least, values, "{:.0f}")
    for method in OURS:
        values = [(law, em_over_ours(runs, "fifty", law, method)) for law in runs.names("fifty", "law")]
        add(f"the same in 50 dimensions, {TITLES[method]}", "≥ 50", values, "{:.0f}")
    in_the_plane = [law for law in runs.names("peers", "law") if "2d" in law]
    for figure, what, least in (
        ("flow_seconds", "probability flow, 20 evaluations, / scikit-learn's draws", "≤ 50"),
        ("exact_seconds", "exact draws / scikit-learn's", "≤ 1"),
    ):
        for method in OURS:
            values = [(law, over_same_cells(runs, law, method, figure, "draw_seconds")) for law in in_the_plane]
            add(f"{what}, {TITLES[method]}", least, values, "{:.2f}")
    for method in OURS:
        values = [
            (law, over_same_cells(runs, law, method, "density_seconds", "density_seconds"))
            for law in runs.names("peers", "law")
        ]
        add(f"log-density / scikit-learn's, as many components, {TITLES[method]}", "≤ 1", values, "{:.2f}")
    for method in OURS:
        values = [(law, million_over_tenth(runs, law, method)) for law in runs.names("growth", "law")]
        add(f"fit of 10⁶ rows / of 10⁵, {TITLES[method]}", "≤ 10.5", values)
    held = [(TITLES[method], peak_over_rows(runs, method)) for method in OURS]
    add("peak memory / rows, 2,000,000 × 10", "≤ 2.5", held, "{:.2f}")
    add("one thread / two, 100,000 × 10", "≥ 1.7", [(TITLES[m], one_over_two(runs, m)) for m in OURS], "{:.2f}")
    return table(["figure", "wanted", "measured"], rows)


def em_over_ours(runs, suite, law, method):
    return runs.ratio("fit_seconds", dict(suite=suite, law=law, method="em_types"), dict(suite=suite, law=law, method=method))


def over_same_cells(runs, law, method, figure, other):
    run = dict(suite="peers", law=law)
    return runs.ratio(figure, {**run, "method": method}, {**run, "method": f"em_cells_{method}"}, other)


def million_over_tenth(runs, law, method):
    run = dict(suite="growth", law=law, method=method)
    return runs.ratio("fit_seconds", {**run, "n": 1_000_000}, {**run, "n": 100_000})


def peak_over_rows(runs, method):
    peak = runs.median("peak_bytes", suite="memory", method=method)
    return None if peak is None else peak / (2_000_000 * 10 * 8)


def one_over_two(runs, method):
    run = dict(suite="threads", method=method)
    return runs.ratio("fit_critical_seconds", {**run, "threads": 1}, {**run, "threads": 2})


def peers(runs, law):
    """One law: a row for each method."""
    rows = []
    for method in METHODS:
        run = dict(suite="peers", law=law, method=method)
        if not runs.of(**run):
            continue
        errors = [record["tv_normalised" if method in BY_FLOW else "tv"] for record in runs.of(**run)]
        held = memory_taken(runs, run)
        rows.append(
            [TITLES[method], f"{np.mean(errors):.4f}", *(seconds(runs, f"{part}_seconds", run) for part in
             ("fit", "density", "draw", "flow", "exact")), "–" if held is None else f"{held / 2**20:.1f}",
             str(len(errors))]
        )
    head = [law, "TV", "fit", "log-density", "draw", "by flow", "exact", "MiB", "runs"]
    return table(head, rows)


def memory_taken(runs, run):
    """Peak of a fit beyond what its process held before, the rows included."""
    peak, held = runs.median("peak_bytes", **run), runs.median("held_bytes", **run)
    return None if peak is None or held is None else peak - held


def fifty(runs):
    rows = []
    for law in runs.names("fifty", "law"):
        for method in ("fast", "crate", "em_full", "em_types"):
            run = dict(suite="fifty", law=law, method=method)
            if runs.of(**run):
                parts = [seconds(runs, f"{part}_seconds", run) for part in ("fit", "density", "draw")]
                error = np.mean([record["tv"] for record in runs.of(**run)])
                rows.append([law, TITLES[method], f"{error:.4f}", *parts, str(len(runs.of(**run)))])
    return table(["law", "method", "TV", "fit", "log-density", "draw", "runs"], rows)


def growth(runs):
    counts = sorted(runs.names("growth", "n"))
    rows = []
    for law in runs.names("growth", "law"):
        for method in ("fast", "crate", "em_full", "em_types"):
            run = dict(suite="growth", law=law, method=method)
            rows.append([law, TITLES[method], *(seconds(runs, "fit_seconds", {**run, "n": n}) for n in counts)])
    return table(["law", "seconds to fit", *(f"{n:,}" for n in counts)], rows)


def threads(runs):
    rows = []
    for method in OURS:
        for count in (1, 2):
            run = dict(suite="threads", method=method, threads=count)
            parts = ("fit_seconds", "fit_critical_seconds", "fit_wall_seconds")
            rows.append([TITLES[method], str(count), *(seconds(runs, part, run) for part in parts)])
    return table(["100,000 × 10", "threads", "processors", "longest path", "wall"], rows)


def memory(runs):
    rows = []
    for method in OURS:
        run = dict(suite="memory", method=method)
        for record in runs.of(**run):
            held, peak = record["held_bytes"] / 2**20, record["peak_bytes"] / 2**20
            rows.append([TITLES[method], f"{held:.0f}", f"{peak:.0f}", f"{peak - held:.0f}",
                         f"{peak_over_rows(runs, method):.2f}", f"{record['fit_seconds']:.3g}"])
    return table(["2,000,000 × 10", "before, MiB", "peak, MiB", "more", "peak / rows", "seconds"], rows)


def seconds(runs, figure, run):
    value = runs.median(figure, **run)
    return "–" if value is None else f"{value:.2g}" if value < 10 else f"{value:.0f}"
