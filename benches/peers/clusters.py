#!/usr/bin/env python3
"""Clusters when their number is known: the crate beside Genie, EM and linkages, by the adjusted Rand index.

    cargo build --release --example fit_csv
    python3 benches/peers/clusters.py                        # all kinds, two seeds
    python3 benches/peers/clusters.py --kinds atom s3 --seeds 5 --no-rivals

Strays are clustered and not judged. Figures of rivals are kept below target/clusters.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from cluster_kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "target" / "clusters"


def spanning_tree(rows):
    """Edges of the minimum spanning tree, the shortest first (Prim)."""
    n = len(rows)
    best, parent, outside = np.full(n, np.inf), np.zeros(n, int), np.ones(n, bool)
    at, edges = 0, []
    for _ in range(n - 1):
        outside[at] = False
        lengths = ((rows - rows[at]) ** 2).sum(axis=1)
        nearer = outside & (lengths < best)
        best[nearer], parent[nearer] = lengths[nearer], at
        at = int(np.argmin(np.where(outside, best, np.inf)))
        edges.append((best[at], parent[at], at))
    return sorted(edges)


def genie(rows, k, threshold=0.3):
    """Single linkage, but while the Gini index of the clusters' sizes is above the threshold the smallest is joined first
    (Gagolewski, Bartoszuk, Cena 2016)."""
    n = len(rows)
    edges = [(int(a), int(b)) for _, a, b in spanning_tree(np.asarray(rows, float))]
    group, size, members = np.arange(n), {i: 1 for i in range(n)}, {i: [i] for i in range(n)}
    numbers = {1: n}
    used = np.zeros(len(edges), bool)
    first, start_small, last_small = 0, 0, 0
    for count in range(n, k, -1):
        sizes = np.array(sorted(numbers))
        times = np.array([numbers[s] for s in sizes])
        ends = np.cumsum(times)
        # sum over sorted sizes of (2 i - count - 1) x_i, runs of equal ones together
        ranks = (2 * ends - times + 1 - count - 1) * times
        gini = (ranks * sizes).sum() / ((count - 1) * n) if count > 1 else 0.0
        if gini > threshold:
            smallest = sizes[0]
            if smallest != last_small:
                start_small, last_small = 0, smallest
            index = start_small
            while used[index] or (size[group[edges[index][0]]] != smallest and size[group[edges[index][1]]] != smallest):
                index += 1
            start_small = index
        else:
            while used[first]:
                first += 1
            index = first
        used[index] = True
        a, b = (group[end] for end in edges[index])
        if size[a] < size[b]:
            a, b = b, a
        for s in (size[a], size[b]):
            numbers[s] -= 1
            if numbers[s] == 0:
                del numbers[s]
        group[members[b]] = a
        members[a] += members.pop(b)
        size[a] += size.pop(b)
        numbers[size[a]] = numbers.get(size[a], 0) + 1
    return group


def linked(method):
    return lambda rows, k: fcluster(linkage(rows, method), k, "maxclust")


RIVALS = {
    "genie": genie,
    "em": lambda rows, k: GaussianMixture(k, n_init=10, random_state=1, reg_covar=1e-6 * rows.var()).fit_predict(rows),
    "kmeans": lambda rows, k: KMeans(k, n_init=10, random_state=1).fit_predict(rows),
    "single": linked("single"),
    "average": linked("average"),
    "ward": linked("ward"),
}


def index(classes, labels):
    judged = classes >= 0
    return adjusted_rand_score(classes[judged], np.asarray(labels)[judged])


def table(name, seed):
    rows, classes = KINDS[name](np.random.default_rng([seed, sum(name.encode())]))
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows[order], classes[order]


def rivals(task):
    name, seed = task
    kept = KEPT / f"{name}-{seed}.json"
    rows, classes = table(name, seed)
    stamp = float(np.abs(rows).sum())
    if kept.exists():
        known = json.loads(kept.read_text())
        if np.isclose(known["stamp"], stamp):
            return known
    found = {"stamp": stamp}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method, cluster in RIVALS.items():
            found[method] = index(classes, cluster(rows, classes.max() + 1))
    kept.write_text(json.dumps(found))
    return found


def ours(task, binary):
    name, seed = task
    rows, classes = table(name, seed)
    data, out = KEPT / f"{name}-{seed}.csv", KEPT / f"{name}-{seed}.out.csv"
    header = ",".join(f"x{i}" for i in range(rows.shape[1]))
    np.savetxt(data, rows, delimiter=",", header=header, comments="", fmt="%.10g")
    begun = time.time()
    command = [binary, "--data", data, "--clusters", out, "--cluster-count", str(classes.max() + 1), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    taken = time.time() - begun
    if done.returncode:
        print(f"{name} {seed}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {"ours": 0.0, "seconds": taken}
    return {"ours": index(classes, np.loadtxt(out, delimiter=",", skiprows=1)[:, 0]), "seconds": taken}


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    ask.add_argument("--seeds", type=int, default=2)
    ask.add_argument("--no-rivals", action="store_true")
    ask.add_argument("--no-ours", action="store_true")
    ask.add_argument("--binary", default=ROOT / "target" / "release" / "examples" / "fit_csv")
    ask.add_argument("--at-once", type=int, default=2, help="tables clustered at the same time")
    ask = ask.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    tasks = [(name, seed) for name in ask.kinds for seed in range(1, ask.seeds + 1)]
    found = {task: {} for task in tasks}
    if not ask.no_rivals:
        for task in tasks:
            found[task] |= rivals(task)
    if not ask.no_ours:
        with ThreadPoolExecutor(ask.at_once) as pool:
            for task, own in zip(tasks, pool.map(lambda task: ours(task, ask.binary), tasks)):
                found[task] |= own
    columns = [c for c in ["ours", *RIVALS, "seconds"] if all(c in figures for figures in found.values())]
    mean = lambda tasks, column: np.mean([found[task][column] for task in tasks])
    print(f"{'':16s}" + "".join(f"{c:>9s}" for c in columns))
    for name in ask.kinds:
        own = [task for task in tasks if task[0] == name]
        print(f"{name:16s}" + "".join(f"{mean(own, c):9.3f}" for c in columns))
    print(f"{'mean':16s}" + "".join(f"{mean(tasks, c):9.3f}" for c in columns))


if __name__ == "__main__":
    main()
