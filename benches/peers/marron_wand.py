"""The fifteen densities of Marron and Wand (1992), "Exact mean integrated squared error", Annals of Statistics 20,
table 1, and what the best kernel estimate can reach on them."""

import numpy as np
from scipy import stats


def wand(weights, means, stds):
    return np.asarray(weights, float), np.asarray(means, float), np.asarray(stds, float)


L5, L8 = np.arange(5), np.arange(8)
MARRON_WAND = {
    "1 Gaussian": wand([1], [0], [1]),
    "2 skewed": wand([1 / 5, 1 / 5, 3 / 5], [0, 1 / 2, 13 / 12], [1, 2 / 3, 5 / 9]),
    "3 strongly skewed": wand(np.full(8, 1 / 8), 3 * ((2 / 3) ** L8 - 1), (2 / 3) ** L8),
    "4 kurtotic": wand([2 / 3, 1 / 3], [0, 0], [1, 1 / 10]),
    "5 outlier": wand([1 / 10, 9 / 10], [0, 0], [1, 1 / 10]),
    "6 bimodal": wand([1 / 2, 1 / 2], [-1, 1], [2 / 3, 2 / 3]),
    "7 separated": wand([1 / 2, 1 / 2], [-3 / 2, 3 / 2], [1 / 2, 1 / 2]),
    "8 skewed bimodal": wand([3 / 4, 1 / 4], [0, 3 / 2], [1, 1 / 3]),
    "9 trimodal": wand([9 / 20, 9 / 20, 1 / 10], [-6 / 5, 6 / 5, 0], [3 / 5, 3 / 5, 1 / 4]),
    "10 claw": wand([1 / 2, *np.full(5, 1 / 10)], [0, *(L5 / 2 - 1)], [1, *np.full(5, 1 / 10)]),
    "11 double claw": wand(
        [49 / 100, 49 / 100, *np.full(7, 1 / 350)],
        [-1, 1, *((np.arange(7) - 3) / 2)],
        [2 / 3, 2 / 3, *np.full(7, 1 / 100)],
    ),
    "12 asymmetric claw": wand(
        [1 / 2, *(2.0 ** (1 - (L5 - 2)) / 31)], [0, *(L5 - 2 + 1 / 2)], [1, *(2.0 ** -(L5 - 2) / 10)]
    ),
    "13 asym. double claw": wand(
        [46 / 100, 46 / 100, *np.full(3, 1 / 300), *np.full(3, 7 / 300)],
        [-1, 1, -1 / 2, -1, -3 / 2, 1 / 2, 1, 3 / 2],
        [2 / 3, 2 / 3, *np.full(3, 1 / 100), *np.full(3, 7 / 100)],
    ),
    "14 smooth comb": wand(
        2.0 ** (5 - np.arange(6)) / 63, (65 - 96 * 0.5 ** np.arange(6)) / 21, 32 / 63 / 2.0 ** np.arange(6)
    ),
    "15 discrete comb": wand(
        [*np.full(3, 2 / 7), *np.full(3, 1 / 21)],
        [*((12 * np.arange(3) - 15) / 7), *(2 * np.arange(8, 11) / 7)],
        [*np.full(3, 2 / 7), *np.full(3, 1 / 21)],
    ),
}


def best_kernel_mise(weights, means, stds, n):
    """Of a Gaussian kernel estimate with its best bandwidth; theorem 2.1 there."""
    gaps = means[:, None] - means
    squares = stds[:, None] ** 2 + stds**2

    def overlap(extra):
        return weights @ stats.norm.pdf(gaps, scale=np.sqrt(squares + extra)) @ weights

    def mise(h):
        return 1 / (2 * np.sqrt(np.pi) * n * h) + (1 - 1 / n) * overlap(2 * h**2) - 2 * overlap(h**2) + overlap(0)

    return min(mise(h) for h in np.geomspace(0.001, 2, 400))
