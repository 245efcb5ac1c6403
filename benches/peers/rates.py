#!/usr/bin/env python3
"""The figures of criterion's last runs, as tables in docs/benchmarks.md: medians, and rates where a benchmark says how
much it does.

    RAYON_NUM_THREADS=1 cargo bench --bench kernels --bench regression --bench jobs
    python3 benches/peers/rates.py
"""

import json

from crate import ROOT
from document import replace, table

CRITERION = ROOT / "target" / "criterion"
# Groups of the benchmarks, and what one of their elements is.
KERNELS = {
    "exponential": "exponential",
    "mixture": "row and cell",
    "shape": "row and cell",
    "EM step": "row and cell",
    "Gram matrix": "product",
    "normals": "number",
    "nearest centre": "row and centre",
    "Hermite features": "feature of a row",
    "solve": "system",
}
JOBS = {
    "fit, rows": "row",
    "fit, columns": "number",
    "fit, cells": "row and cell",
    "fit, level by level": "row × draw × features²",
    "draw": "row",
    "log-density": "row",
}


def main():
    measured = [Measured(path) for path in sorted(CRITERION.glob("**/new/benchmark.json"))]
    replace("kernel figures", figures(measured))
    replace("kernels", tables(measured, KERNELS))
    replace("jobs", tables(measured, JOBS))


class Measured:
    """One benchmark of criterion."""

    def __init__(self, path):
        described = json.loads(path.read_text())
        estimates = json.loads(path.with_name("estimates.json").read_text())
        self.group, self.function, self.size = (described[key] for key in ("group_id", "function_id", "value_str"))
        self.nanoseconds = estimates["median"]["point_estimate"]
        self.elements = described["throughput"]["Elements"]


def figures(measured):
    """What was to be reached beside what was."""

    def ratios(group, above, below):
        found = {(one.function, one.size): one.nanoseconds for one in measured if one.group == group}
        sizes = [size for function, size in found if function == above and (below, size) in found]
        by_size = sorted(sizes, key=lambda size: (order(size), size))
        return ", ".join(f"{size}: {found[above, size] / found[below, size]:.2f}" for size in by_size) or "–"

    rows = [
        ["rate of a Gram matrix / of a product", "≥ 0.6", ratios("Gram matrix", "product", "accumulation")],
        ["score / log-sum-exp", "≤ 2", ratios("mixture", "score", "log-sum-exp")],
    ]
    return table(["figure", "wanted", "measured"], rows)


def tables(measured, groups):
    return "\n\n".join(filter(None, (group_table(measured, group, element) for group, element in groups.items())))


def group_table(measured, group, element):
    """A row for each size, a column for each function: nanoseconds an element."""
    members = [one for one in measured if one.group == group]
    if not members:
        return ""
    sizes = sorted({(order(one.size), one.size or "") for one in members})
    functions = list(dict.fromkeys(one.function for one in sorted(members, key=lambda one: one.nanoseconds, reverse=True)))
    rows = []
    for _, size in sizes:
        of_size = {one.function: one for one in members if (one.size or "") == size}
        cells = [significant(of_size[f].nanoseconds / of_size[f].elements) if f in of_size else "–" for f in functions]
        rows.append([size or "–", *cells])
    return table([f"{group}: ns a {element}", *functions], rows)


def order(size):
    """Numbers by value, names as they are."""
    parts = "".join(c if c.isdigit() else " " for c in size or "").split()
    return tuple(int(part) for part in parts) if not (size or "")[:1].isalpha() else ()


def significant(value):
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
