#!/usr/bin/env python3
"""Kinds of laws and tables that a search for cells gets wrong easily: the crate, rivals on the same rows and the
truth; see README.md beside this file."""

import yardstick  # first: it settles the number of threads

import numpy as np

from kinds import TITLES
from real_kinds import KINDS

# Shown beside the log-likelihood, where they are among the figures.
MORE = ("tv", "ise", "atom", "off", "excess", "strays")
HEAD = (
    f"{'case':34s} {'rows':>9s} {'truth':>8s} {'ours':>8s} {'rival':>8s}  {'(which)':11s}"
    f" {'ahead':>7s} {'worst':>7s} {'spread':>7s} {'±':>5s}  {'cells':9s} {'s':>6s}  more"
)


def main():
    parser = yardstick.options(__doc__)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--seeds", type=int, default=3, help="draws of each case")
    parser.add_argument("--each", action="store_true", help="one line a fit, too")
    parser.add_argument("--slow", action="store_true", help="the cases that take minutes, too")
    chosen = parser.parse_args()
    judges = yardstick.Judges(chosen)
    for kind in chosen.kinds:
        print(f"\n{kind}: {TITLES[kind]}\n{HEAD}", flush=True)
        ratios = {}
        for case in KINDS[kind]:
            if chosen.only not in case.name or case.slow > chosen.slow:
                continue
            tables = (case(seed) for seed in range(1, chosen.seeds + 1))
            found = list(judges.compare(tables))
            if not found:
                continue
            if chosen.each:
                for one in found:
                    print(line(f"  seed {one.table.seed}", [one]))
            print(line(case.name, found), flush=True)
            collect_ratios(case.name, found, ratios)
        show_ratios(ratios)


def line(name, found):
    """A case: medians over its seeds, the least that ours is ahead of the best rival (of the truth, without rivals),
    how far that is below the median, and the standard error of the mean."""
    ahead = np.array([max(one.ahead, -999) for one in found])
    error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.nan
    ours = [one.ours for one in found]
    cells = [fit["cells"] for fit in ours if "cells" in fit]
    seconds = [fit["seconds"] for fit in ours if "seconds" in fit]
    best = [one.best for one in found if one.best]
    rows, dim = found[0].table.train.shape
    text = (
        f"{name:34.34s} {f'{rows}×{dim}':>9s} {median(one.table.truth_ll() for one in found)}"
        f" {median(one.ll(one.ours) for one in found)} {median(one.best_ll for one in found)}"
        f"  {max(best, key=best.count) if best else '':11s} {np.median(ahead):7.3f} {ahead.min():7.3f}"
        f" {np.median(ahead) - ahead.min():7.3f} {error:5.2f}"
        f"  {f'{min(cells)}–{max(cells)}' if cells else '':9s} {max(seconds, default=np.nan):6.2f} "
    )
    return text + "".join(" " + part for part in remarks(found, ours))


def remarks(found, ours):
    for name in MORE:
        if any(name in fit for fit in ours):
            values = [fit[name] for fit in ours if name in fit]
            best = [one.rivals[one.best] for one in found if one.best]
            of_rivals = [fit[name] for fit in best if name in fit]
            beside = f" (rival {np.median(of_rivals):.3g})" if of_rivals else ""
            yield f"{name} {np.median(values):.3g}/{max(values, key=abs):.3g}{beside}"
    if any("em_truth" in one.rivals for one in found):
        ours_kl = median_of(one.table.truth_ll() - one.ll(one.ours) for one in found)
        em_kl = median_of(one.table.truth_ll() - one.rivals["em_truth"]["ll"] for one in found)
        yield f"KL {ours_kl:.4f} (EM from truth {em_kl:.4f})"
    if found[0].before:
        change = [max(one.ll(one.ours), -1e3) - max(one.ll(one.before), -1e3) for one in found]
        yield f"change {np.median(change):+.3f} ({min(change):+.3f} to {max(change):+.3f})"
    active = [fit["active_dim"] for fit in ours if "active_dim" in fit]
    if active and min(active) < found[0].table.dim:
        yield f"active {min(active)}–{max(active)}"
    shapes = sum(fit.get("radial_shape") is not None for fit in ours)
    if shapes:
        yield f"shape kept {shapes}/{len(ours)}"
    silent = sum(one.ahead < -0.1 and not one.ours.get("warnings") for one in found)
    if silent:
        yield f"behind in silence {silent}/{len(found)}"
    failures = [fit["error"] for fit in ours if "error" in fit]
    if failures:
        yield f"failed {len(failures)}/{len(ours)}: {failures[0][:60]}"


def median(values):
    return f"{median_of(values):8.3f}"


def median_of(values):
    values = [value for value in values if value is not None]
    return max(float(np.median(values)), -9999.0) if values else np.nan


def collect_ratios(name, found, ratios):
    """Mean ISE ratios of each law, by number of rows and method."""
    for one in found:
        fits = {"ours": one.ours, "before": one.before or {}, **one.rivals}
        for method, fit in fits.items():
            if "ise" in fit:
                ratios.setdefault((name.rsplit(", ")[1], method), {}).setdefault(name, []).append(fit["ise"])


def show_ratios(ratios):
    for (rows, method), laws in ratios.items():
        means = {name: np.mean(values) for name, values in laws.items()}
        worst = max(means, key=means.get)
        mean = np.exp(np.mean(np.log(list(means.values()))))
        print(f"ISE, {rows} rows, {method:11s}: geometric mean {mean:6.2f}, worst {means[worst]:.2f} ({worst})")


if __name__ == "__main__":
    main()
