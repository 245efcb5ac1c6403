"""What the crate is compared with: density estimators fitted on rows (n x d).

Each function takes training rows, test rows, the component std (None when unknown) and a seed, and
returns a list of `Fitted`: one for each estimator that it makes on the way. All draw as many rows as there
are test rows.
"""

import time
import warnings
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
from scipy.stats import multivariate_normal
from sklearn.cluster import kmeans_plusplus
from sklearn.covariance import OAS, LedoitWolf
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
MOST_COMPONENTS = 20
CENTRES = (3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160)
# Gain a row at which EM over the centres stops.
TOLERANCES = (1e-5, 1e-6)
MOST_STEPS = 1000
# Starts by k-means++, compared after this many steps of EM.
STARTS, SHORT = 5, 20
BANDWIDTHS = np.geomspace(0.02, 1.0, 24)


@dataclass
class Fitted:
    """A fitted estimator: what it took, and how to evaluate it."""

    method: str
    fit_seconds: float
    log_density: Callable
    draw: Callable
    figures: dict = field(default_factory=dict)


@dataclass
class Fit:
    """An estimator's log-density at the test rows, and its times and other figures."""

    method: str
    log_density: np.ndarray
    figures: dict


def processor_seconds(call: Callable):
    """Seconds of processor time of one call, and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def judged(fitted: Fitted) -> Fit:
    """Evaluates a fitted estimator and times it."""
    density_seconds, values = processor_seconds(fitted.log_density)
    draw_seconds, _ = processor_seconds(fitted.draw)
    times = dict(fit_seconds=fitted.fit_seconds, density_seconds=density_seconds, draw_seconds=draw_seconds)
    return Fit(fitted.method, values, {**times, **fitted.figures})


def em_bic(
    train, test, component_std, seed, most_components=MOST_COMPONENTS, numbers=None, starts=1, types=COVARIANCE_TYPES
) -> list[Fitted]:
    """scikit-learn's EM, number of components by BIC: full covariances only, and all four types."""
    best = {}
    seconds = dict.fromkeys(COVARIANCE_TYPES, 0.0)
    numbers = numbers or range(1, most_components + 1)
    for covariance_type in types:
        for k in (k for k in numbers if k <= len(train)):
            settings = dict(covariance_type=covariance_type, n_init=starts, max_iter=200)
            mixture = GaussianMixture(k, **settings, random_state=seed)
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                mixture.fit(train)
            bic = mixture.bic(train)
            seconds[covariance_type] += time.process_time() - start
            if covariance_type not in best or bic < best[covariance_type][0]:
                best[covariance_type] = (bic, mixture)

    def fit_of(method, types):
        chosen = min(types, key=lambda covariance_type: best[covariance_type][0])
        mixture = best[chosen][1]
        return Fitted(
            method,
            sum(seconds[covariance_type] for covariance_type in types),
            lambda: mixture.score_samples(test),
            lambda: mixture.sample(len(test)),
            dict(components=mixture.n_components, covariance_type=chosen),
        )

    return [fit_of("em_full", ("full",)), fit_of("em_types", types)]


def em_from(train, test, component_std, seed, moments) -> list[Fitted]:
    """EM from given masses, means and covariances, full covariances."""
    masses, means, covariances = moments
    start = dict(weights_init=masses, means_init=means, precisions_init=np.linalg.inv(covariances))
    settings = dict(max_iter=1000, tol=1e-6, reg_covar=1e-9)  # thin components stay as thin as they are
    mixture = GaussianMixture(len(masses), random_state=seed, **settings, **start)
    seconds = fit_quietly(mixture, train)
    return [mixture_fitted("em_truth", mixture, seconds, test)]


def bayesian_mixture(train, test, component_std, seed, steps=1000) -> list[Fitted]:
    """scikit-learn's variational mixture of at most twenty components, full covariances."""
    mixture = BayesianGaussianMixture(n_components=min(MOST_COMPONENTS, len(train)), max_iter=steps, random_state=seed)
    seconds = fit_quietly(mixture, train)
    return [mixture_fitted("bayes", mixture, seconds, test)]


def shrunk_gaussians(train, test, component_std, seed) -> list[Fitted]:
    """One Gaussian, its covariance shrunk by Ledoit and Wolf's rule, and by the oracle-approximating one."""

    def fit_of(method, shrunk):
        seconds, shrunk = processor_seconds(lambda: shrunk.fit(train))
        law = multivariate_normal(shrunk.location_, shrunk.covariance_, allow_singular=True)
        log_density, draw = lambda: np.atleast_1d(law.logpdf(test)), lambda: law.rvs(len(test), random_state=seed)
        return Fitted(method, seconds, log_density, draw)

    return [fit_of("ledoit_wolf", LedoitWolf()), fit_of("oas", OAS())]


def fit_quietly(mixture, train):
    """Seconds of a fit, converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return processor_seconds(lambda: mixture.fit(train))[0]


def mixture_fitted(method, mixture, seconds, test):
    log_density, draw = lambda: mixture.score_samples(test), lambda: mixture.sample(len(test))
    return Fitted(method, seconds, log_density, draw, dict(components=mixture.n_components))


def em_starts(train, test, component_std, seed, components) -> list[Fitted]:
    """EM with the true number of components: full covariances, the best of one and of ten starts."""

    def fit_of(method, starts):
        start = time.process_time()
        mixture = GaussianMixture(components, n_init=starts, random_state=seed).fit(train)
        seconds = time.process_time() - start
        log_density, draw = lambda: mixture.score_samples(test), lambda: mixture.sample(len(test))
        return Fitted(method, seconds, log_density, draw, dict(components=components))

    return [fit_of("em_one_start", 1), fit_of("em_ten_starts", 10)]


def em_cells(train, test, component_std, seed, components) -> list[Fitted]:
    """scikit-learn's mixture of so many components, full covariances, after three steps of EM: for the times
    of its densities and draws alone."""
    mixture = GaussianMixture(components, max_iter=3, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        seconds, _ = processor_seconds(lambda: mixture.fit(train))
    log_density, draw = lambda: mixture.score_samples(test), lambda: mixture.sample(len(test))
    return [Fitted("em_cells", seconds, log_density, draw, dict(components=components))]


def nonparametric_likelihood(train, test, component_std, seed) -> list[Fitted]:
    """Maximum likelihood over the law of the centres, the component std given.

    Centres are points with masses, improved by EM from the best of five k-means++ starts; their number
    (3-160), and then how far EM is run, have the highest likelihood on a fifth of the rows; then all rows are fitted.
    """
    start = time.process_time()
    order = np.random.default_rng(seed).permutation(len(train))
    held_out, kept = train[order[: len(train) // 5]], train[order[len(train) // 5 :]]

    def held_out_likelihood(k, tolerance):
        atoms = centres_by_em(kept, k, tolerance, component_std, seed)
        return location_log_density(held_out, *atoms, component_std).mean()

    found = {}
    for k in (k for k in CENTRES if k <= len(kept)):
        found[k] = held_out_likelihood(k, TOLERANCES[0])
        if max(list(found.values())[-4:]) < max(found.values()):
            break  # four more numbers without a gain
    k = max(found, key=found.get)
    tolerance = max(TOLERANCES, key=lambda tolerance: held_out_likelihood(k, tolerance))
    centres, masses = centres_by_em(train, k, tolerance, component_std, seed)
    seconds = time.process_time() - start

    def draw():
        rng = np.random.default_rng(seed)
        chosen = centres[rng.choice(len(masses), size=len(test), p=masses)]
        return chosen + component_std * rng.standard_normal(chosen.shape)

    log_density = lambda: location_log_density(test, centres, masses, component_std)
    return [Fitted("npml", seconds, log_density, draw, dict(components=k, tolerance=tolerance))]


def centres_by_em(rows, k, tolerance, std, seed):
    """k centres and their masses: the best of some starts, until a step gains less than `tolerance` a row."""
    starts = (kmeans_plusplus(rows, k, random_state=seed + start)[0] for start in range(STARTS))
    short = [em_on_centres(rows, start, np.full(k, 1.0 / k), std, 0.0, SHORT) for start in starts]
    _, centres, masses = max(short, key=lambda run: run[0])
    return em_on_centres(rows, centres, masses, std, tolerance, MOST_STEPS)[1:]


def em_on_centres(rows, centres, masses, std, tolerance, most_steps):
    """Log-likelihood a row before the last step, centres and masses."""
    before = -np.inf
    for _ in range(most_steps):
        logits = location_logits(rows, centres, masses, std)
        top = logits.max(axis=1, keepdims=True)
        weights = np.exp(logits - top)
        sums = weights.sum(axis=1, keepdims=True)
        likelihood = float((top + np.log(sums)).mean())
        if likelihood - before < tolerance:
            break
        before = likelihood
        weights /= sums
        counts = weights.sum(axis=0) + 1e-300
        centres = (weights.T @ rows) / counts[:, None]
        masses = counts / counts.sum()
    return before, centres, masses


def location_logits(rows, centres, masses, std):
    """log(mass) minus half the squared distance in stds: n x k, up to the Gaussian's constant."""
    squares = (rows**2).sum(1)[:, None] - 2 * rows @ centres.T + (centres**2).sum(1)
    return np.log(masses) - squares / (2 * std**2)


def location_log_density(rows, centres, masses, std):
    constant = rows.shape[1] * np.log(std * np.sqrt(2 * np.pi))
    blocks = np.array_split(rows, max(1, len(rows) // 1000))
    return np.concatenate([log_sum_exp(location_logits(b, centres, masses, std)) for b in blocks]) - constant


def log_sum_exp(logits):
    """Of every row; overwrites `logits`, which is three times as fast as scipy's."""
    top = logits.max(axis=1, keepdims=True)
    logits -= top
    np.exp(logits, out=logits)
    return top[:, 0] + np.log(logits.sum(axis=1))


def kernel_density(train, test, component_std, seed, bandwidths=BANDWIDTHS) -> list[Fitted]:
    """Gaussian kernels on standardised columns, one bandwidth by leave-one-out likelihood of 1,000 rows."""
    start = time.process_time()
    scale = train.std(axis=0)
    rows = train / scale
    n, dim = rows.shape
    masses = np.full(n, 1.0 / n)
    rng = np.random.default_rng(seed)
    left_out = rng.choice(n, size=min(n, 1000), replace=False)
    squares = ((rows[left_out] ** 2).sum(1)[:, None] - 2 * rows[left_out] @ rows.T + (rows**2).sum(1)).clip(0)
    squares[np.arange(len(left_out)), left_out] = np.inf

    def left_out_likelihood(bandwidth):
        return log_sum_exp(-squares / (2 * bandwidth**2)).mean() - dim * np.log(bandwidth)

    bandwidth = max(bandwidths, key=left_out_likelihood)
    seconds = time.process_time() - start

    def draw():
        chosen = rows[rng.integers(n, size=len(test))]
        return (chosen + bandwidth * rng.standard_normal(chosen.shape)) * scale

    log_density = lambda: location_log_density(test / scale, rows, masses, bandwidth) - np.log(scale).sum()
    return [Fitted("kde", seconds, log_density, draw, dict(components=n, bandwidth=bandwidth))]


# Function, methods it reports, whether it needs the std.
RIVALS = {
    "em": (em_bic, ("em_full", "em_types"), False),
    "npml": (nonparametric_likelihood, ("npml",), True),
    "kde": (kernel_density, ("kde",), False),
    "em_starts": (em_starts, ("em_one_start", "em_ten_starts"), True),
    "em_cells": (em_cells, ("em_cells",), False),
}
