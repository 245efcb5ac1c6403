"""Real tables of scikit-learn and of the crate's examples: added to the kinds when this module is loaded."""

import csv

import numpy as np
from sklearn import datasets

from crate import ROOT
from kinds import KINDS, case
from laws import gaussians, random_rotation
from yardstick import Table, table_of

CSV = ("penguins", "galaxies", "old_faithful")
LOADED = {
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
    "cancer": datasets.load_breast_cancer,
    "iris": datasets.load_iris,
}


def read_table(name):
    if name in LOADED:
        return LOADED[name]().data
    with (ROOT / "examples" / "data" / f"{name}.csv").open(newline="") as file:
        return np.array([[float(value) for value in record.values()] for record in csv.DictReader(file)])


def standardised(rows):
    rows = rows[:, rows.std(axis=0) > 0]
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def principal_components(rows, k):
    rows = rows - rows.mean(axis=0)
    return rows @ np.linalg.svd(rows, full_matrices=False)[2][:k].T


def split(name, seed, rng, rows, n_train):
    rows = rows[rng.permutation(len(rows))]
    return Table(name, seed, rows[:n_train], {"test": rows[n_train:]})


# B: uncorrelated columns of equal or unequal variance; every seed but the first is turned, on the same split of rows
# for each two seeds.


def components(name, seed, rng, table, k, n_train, whiten=False, rounded=False, standardise=False):
    rows = read_table(table)
    rows = principal_components(standardised(rows) if standardise else rows, k)
    rows = rows / rows.std(axis=0) if whiten else rows
    rows = np.round(rows) if rounded else rows
    found = split(name, seed, np.random.default_rng((seed + 1) // 2), rows, n_train)
    if seed % 2 == 0:
        turn = random_rotation(k, rng).T
        found.train, found.parts["test"] = found.train @ turn, found.parts["test"] @ turn
    return found


for k in (8, 15, 20, 30):
    case("B", f"digits, {k} components", components, table="digits", k=k, n_train=900)
case("B", "digits, 10 components, rounded", components, table="digits", k=10, n_train=900, rounded=True)
for k in (10, 20):
    case("B", f"digits, {k} whitened", components, table="digits", k=k, n_train=900, whiten=True)
case("B", "wine, 6 components", components, table="wine", k=6, n_train=140, standardise=True)
case("B", "cancer, 8 components", components, table="cancer", k=8, n_train=450, standardise=True)
case("B", "cancer, 5 whitened", components, table="cancer", k=5, n_train=450, standardise=True, whiten=True)


# G: classes of real tables, few rows each.


def one_class(name, seed, rng, table, label, n_train, k=None):
    loaded = LOADED[table]()
    rows = loaded.data[loaded.target == label]
    rows = principal_components(rows, k) if k else standardised(rows)
    found = split(name, seed, rng, rows, n_train)
    found.rivals = ("em", "single")
    return found


case("G", "digit 3, 60 × 40", one_class, table="digits", label=3, n_train=60, k=40)
case("G", "digit 8, 90 × 45", one_class, table="digits", label=8, n_train=90, k=45)
case("G", "wine 0, 40 × 13", one_class, table="wine", label=0, n_train=40)
case("G", "malignant, 90 × 30", one_class, table="cancer", label=0, n_train=90)


# L: Gaussian rows with the covariance of a real table: a radial shape is kept by mistake. `shape` is the share.


def ill_conditioned(name, seed, rng, n, dim, table):
    if table is None:
        law = gaussians([1.0], np.zeros((1, dim)), [np.eye(dim)])
    else:
        rows = read_table(table)[:, :dim]
        law = gaussians([1.0], [rows.mean(axis=0)], [np.linalg.cholesky(np.cov(rows.T))])
    return table_of(name, seed, law, n, rng, test_rows=2000, rivals=("single",))


case("L", "covariance of cancer, 38 × 22", ill_conditioned, n=38, dim=22, table="cancer")
case("L", "covariance of wine, 47 × 13", ill_conditioned, n=47, dim=13, table="wine")
case("L", "N(0, I), 10 × 5", ill_conditioned, n=10, dim=5, table=None)
case("L", "covariance of cancer, 300 × 10", ill_conditioned, n=300, dim=10, table="cancer")


# R: a fifth of the rows held out, columns standardised.


def real(name, seed, rng, table):
    rows = standardised(read_table(table))
    return split(name, seed, rng, rows, len(rows) - len(rows) // 5)


for table in ("iris", "wine", "cancer", *CSV):
    case("R", table, real, table=table)
KINDS = dict(sorted(KINDS.items()))
