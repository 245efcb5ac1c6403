"""Tables of the comparison, as markdown."""

from collections import defaultdict

import numpy as np

from document import table

NAMES = {
    "crate": "crate",
    "crate_std": "crate, std given",
    "fast": "fast",
    "fast_std": "fast, std given",
    "thorough": "thorough",
    "thorough_std": "thorough, std given",
    "em_full": "EM + BIC, full",
    "em_types": "EM + BIC, all types",
    "npml": "nonparametric ML, std given",
    "kde": "KDE",
    "em_one_start": "EM, true k, one start",
    "em_ten_starts": "EM, true k, ten starts",
    "plain": "plain",
    "plain_std": "plain, std given",
    "paper": "paper",
    "paper_std": "paper, std given",
}
# What the crate is held against, without and with the component std.
RIVALS = {"crate": ("em_full", "em_types"), "crate_std": ("em_full", "em_types", "npml")}
# Draws from which on the worst one is shown.
MANY = 50
# Densities by the probability flow: they need not integrate to 1, and are divided by what they do.
BY_FLOW = ("plain", "plain_std", "paper", "paper_std")


def line(record):
    """One run on one line."""
    figures = {key: record[key] for key in ("tv", "mass", "log_likelihood", "fit_seconds", "error") if key in record}
    shown = " ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items())
    return f"{record['name']} n={record['n']} seed {record['seed']} {record['method']}: {shown}"


def markdown(records):
    latest = {}
    for record in records:  # later lines replace earlier ones
        latest[record["kind"], record["name"], record["n"], record["method"], record["seed"]] = record
    groups = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for (kind, name, n, method, seed), record in latest.items():
        groups[kind, n if kind == "law" else None][name][method][seed] = record
    parts = []
    for (kind, n), laws in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        if kind == "law":
            parts += [f"### Laws, n = {n:,}", ratios(laws), accuracy(laws), times(laws), many_draws(laws)]
        else:
            parts += ["### Tables", likelihoods(laws), times(laws)]
    return "\n\n".join(part for part in parts if part)


def ratios(laws):
    """The crate over the best rival, both averaged over the crate's draws.

    Rivals that have not seen all of these draws are left out; only where none has, the shared draws count.
    """
    rows = []
    for law, methods in laws.items():
        for ours, rivals in RIVALS.items():
            present = [rival for rival in rivals if rival in methods]
            if ours not in methods or not present:
                continue
            complete = [r for r in present if shared_seeds(methods, (ours, r)) == shared_seeds(methods, (ours,))]
            present = complete or present
            seeds = shared_seeds(methods, (ours, *present))
            if not seeds:
                continue
            means = {method: np.mean([value(methods[method][seed]) for seed in seeds]) for method in (ours, *present)}
            best = min(present, key=means.get)
            logs = [np.log(value(methods[ours][s]) / value(methods[best][s])) for s in seeds]
            spread = f" ± {standard_error(logs) * means[ours] / means[best]:.2f}" if len(seeds) > 1 else ""
            luckiest = np.mean([min(value(methods[rival][seed]) for rival in present) for seed in seeds])
            rows.append(
                [law, "given" if ours == "crate_std" else "unknown", f"{means[ours]:.4f}", f"{means[best]:.4f}",
                 NAMES[best], f"**{means[ours] / means[best]:.2f}**{spread}", f"{means[ours] / luckiest:.2f}",
                 str(len(seeds))]
            )
    head = ["law", "component std", "crate", "best rival", "which", "ratio", "ratio to the best on each draw", "draws"]
    return table(head, rows)


def accuracy(laws):
    """Mean total variation of every method, with how many draws where they differ."""
    shown = [method for method in NAMES if any(method in methods for methods in laws.values())]
    rows = []
    for law, methods in laws.items():
        cells = []
        for method in shown:
            runs = [run for run in methods.get(method, {}).values()]
            values = [value(run) for run in runs if "error" not in run]
            if not runs:
                cells.append("–")
                continue
            mark = "" if len(values) == len(runs) else f" ({len(runs) - len(values)} failed)"
            masses = [run["mass"] for run in runs if "mass" in run]
            if method in BY_FLOW and masses and max(abs(mass - 1) for mass in masses) > 0.02:
                mark += f" [{np.mean(masses):.2f}]"
            cells.append((f"{np.mean(values):.4f}" if values else "") + mark)
        rows.append([law, *cells])
    return table(["total variation", *(NAMES[method] for method in shown)], rows)


def many_draws(laws):
    """Where a law was drawn often: median and worst total variation, and how often the number of cells is right."""
    rows = []
    for law, methods in laws.items():
        for method, runs in methods.items():
            values = [value(run) for run in runs.values() if "error" not in run]
            if len(values) < MANY or "_k" not in law:
                continue
            right = sum(run["components"] == int(law.split("_k")[1][0]) for run in runs.values())
            worst, median = max(values), np.median(values)
            rows.append([law, NAMES[method], f"{median:.4f}", f"{worst:.4f}", f"{worst / median:.2f}",
                         f"{right} of {len(values)}"])
    if not rows:
        return ""
    return table(["many draws", "method", "median TV", "worst TV", "worst / median", "right number of cells"], rows)


def times(laws):
    """Median processor seconds: fit / log-density / draw."""
    shown = [method for method in NAMES if any(method in methods for methods in laws.values())]
    rows = []
    for law, methods in laws.items():
        cells = []
        for method in shown:
            runs = [run for run in methods.get(method, {}).values() if "error" not in run]
            keys = ("fit_seconds", "density_seconds", "draw_seconds")
            cells.append(" / ".join(f"{np.median([run[k] for run in runs]):.2g}" for k in keys) if runs else "–")
        rows.append([law, *cells])
    return table(["seconds: fit / log-density / draw", *(NAMES[method] for method in shown)], rows)


def likelihoods(tables):
    """Held-out log-likelihood a row; differences to EM + BIC over all types, paired over the splits,
    and on how many of the splits they are ahead.

    Without the hard cells, whose density does not integrate to 1.
    """
    shown = [m for m in NAMES if m not in ("em_types", "paper") and any(m in methods for methods in tables.values())]
    rows = []
    for name, methods in tables.items():
        reference = methods.get("em_types", {})
        cells = []
        for method in shown:
            seeds = shared_seeds(methods, (method, "em_types"))
            if not seeds:
                cells.append("–")
                continue
            gains = [methods[method][s]["log_likelihood"] - reference[s]["log_likelihood"] for s in seeds]
            ahead = sum(gain > 0 for gain in gains)
            cells.append(f"{np.mean(gains):+.4f} ± {standard_error(gains):.4f} ({ahead}/{len(gains)})")
        level = np.mean([run["log_likelihood"] for run in reference.values()]) if reference else np.nan
        n = next(iter(next(iter(methods.values())).values()))["n"]
        rows.append([name, f"{n:,}", f"{level:.4f}", *cells])
    head = ["table", "training rows", NAMES["em_types"], *(f"{NAMES[method]}, gain" for method in shown)]
    return table(head, rows)


def shared_seeds(methods, names):
    done = [{seed for seed, run in methods.get(name, {}).items() if "error" not in run} for name in names]
    return sorted(set.intersection(*done))


def value(run):
    return run["tv_normalised" if run["method"] in BY_FLOW else "tv"]


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
