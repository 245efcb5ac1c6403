"""Laws of every kind that a search for cells gets wrong easily, with parameters that vary with the seed.

`KINDS` has a list of cases under each letter, a function of the seed each. Where the kind asks for it, every seed but
the first turns the columns, or maps them by a random matrix.
"""

from dataclasses import replace

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from laws import Ball, Columns, Gaussian, Law, Part, Segment, Sphere, StudentT, gaussians, random_map, random_rotation
from laws import single
from marron_wand import MARRON_WAND, best_kernel_mise
from yardstick import Table, generator, table_of

KINDS: dict[str, list] = {}
TITLES = {
    "A": "a few strays",
    "B": "principal components of real tables",
    "C": "plateaus: circles, lattices, grids, bars, lines",
    "D": "a column with exact zeros",
    "E": "Marron-Wand: ISE over the best possible kernel MISE",
    "F": "needles, scale mixtures, heavy tails",
    "G": "few rows, many columns",
    "H": "swiss roll without noise, exponential rows",
    "I": "combs",
    "J": "flat bottom of the sphere in ten dimensions",
    "K": "component std given or not",
    "L": "no radial shape in Gaussian rows",
    "M": "light cells",
    "N": "clusters of few rows in many columns",
    "R": "real tables, standardised",
}


def case(kind, name, make, slow=False, **more):
    """Adds a case to a kind: `make` of the name, the seed, random numbers and the rest gives its table."""

    def table(seed):
        return make(name, seed, generator(name, seed), **more)

    table.name, table.slow = name, slow
    KINDS.setdefault(kind, []).append(table)


def mapped(law, seed, rng, condition):
    """The law as it is for the first seed, then in other coordinates."""
    if seed == 1 or law.dim == 1:
        return law
    return law.mapped(random_map(law.dim, condition, rng) if condition > 1 else random_rotation(law.dim, rng))


def from_law(name, seed, rng, law, n, condition=None, **more):
    """Rows of a law, that may depend on the random numbers, in coordinates that vary if there is a condition."""
    law = law(rng) if callable(law) else law
    law = law if condition is None else mapped(law, seed, rng, condition)
    gaussian = all(isinstance(part.shape, Gaussian) for part in law.parts)
    return table_of(name, seed, law, n, rng, moments=law.moments() if gaussian else None, **more)


# A: strays. Test rows are those of the law without them.


def with_strays(name, seed, rng, law, n, strays, n_strays, condition=1):
    law = mapped(law, seed, rng, condition) if condition > 1 else law
    train = np.concatenate([law.draw(n, rng), strays(rng, n_strays)])
    return table_of(name, seed, law, n, rng, train=train[rng.permutation(len(train))])


def in_box(half, dim):
    return lambda rng, n: rng.uniform(-half, half, (n, dim))


def around(radius):
    return lambda rng, n: on_circle(n, radius)


def wide(std, dim):
    return lambda rng, n: std * rng.standard_normal((n, dim))


def on_circle(k, radius):
    angles = 2 * np.pi * np.arange(k) / k
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def wrong_longitudes(rng, n):
    rows = MAP.draw(n, rng)
    rows[:, 0] *= -1
    return rows


EIGHT = gaussians(np.ones(8), on_circle(8, 5.0), [0.35] * 8)
RING = single(Sphere(2, 0.05), 2, scale=3.0)
TRIANGLE = gaussians(np.ones(3), on_circle(3, 5 / np.sqrt(3)), [1.0] * 3)  # 5 apart
TEN = gaussians([0.3, 0.3, 0.2, 0.2], 2.2 * np.eye(4, 10), [0.8] * 4)
MAP = gaussians(
    [0.4, 0.3, 0.2, 0.1], [[-120, 37], [-87, 41], [-74, 41], [-95, 30]], [[1.5, 2], [1, 1], [0.4, 0.6], [2, 1]]
)
for n_strays in (3, 10):
    strays = dict(strays=in_box(60, 2), n_strays=n_strays)
    case("A", f"eight clusters, {n_strays} strays", with_strays, law=EIGHT, n=1200, **strays)
case("A", "ring, 5 strays", with_strays, law=RING, n=1000, strays=in_box(50, 2), n_strays=5)
for n_strays, radius in ((3, 30), (5, 10_000)):
    strays = dict(strays=around(radius), n_strays=n_strays)
    case("A", f"three clusters, {n_strays} at {radius}σ", with_strays, law=TRIANGLE, n=1000, **strays)
case("A", "map, 4 wrong longitudes", with_strays, law=MAP, n=1500, strays=wrong_longitudes, n_strays=4)
case("A", "ten dimensions, .3 % of N(0, 400)", with_strays, law=TEN, n=2000, strays=wide(20, 10), n_strays=6)


# C: plateaus. Every seed but the first is mapped or turned.


def circles(name, seed, rng, radii, noise, n, condition=1):
    law = Law([part for radius in radii for part in single(Sphere(2, noise / radius), 2, scale=radius).parts])
    law = mapped(law, seed, rng, condition)
    table = table_of(name, seed, law, n, rng)
    on = cKDTree(law.draw(40_000, rng))
    # Farther from the law than all but a thousandth of it.
    reach = np.quantile(on.query(law.draw(5000, rng))[0], 0.999) * 2
    table.judge_draws = lambda draws: {"off": float((on.query(draws)[0] > reach).mean())}
    return table


def lattice(coins, std):
    return gaussians(stats.binom.pmf(range(coins + 1), coins, 0.5), np.arange(coins + 1)[:, None], [std] * (coins + 1))


def grid(columns, rows, std):
    centres = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)
    return gaussians(np.ones(len(centres)), centres, [std] * len(centres))


def bars(k, noise):
    return Law([Part(1.0, np.array([0.0, 0.7 * bar]), np.eye(2), Segment(noise)) for bar in range(k)])


def bursts(rng):
    times = np.sort(rng.uniform(0, 1000, 9))
    return gaussians(rng.dirichlet(np.full(9, 3.0)), np.stack([times, np.zeros(9)], 1), [[2.0, 1.0]] * 9)


def lines(k, gap, crossing=False):
    angles = np.pi * np.arange(k) / k * crossing
    centres = np.zeros((k, 2)) if crossing else gap * np.arange(k)[:, None] * [[0.0, 1.0]]
    turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * [1000.0, 1.0] for a in angles]
    return gaussians(np.ones(k), centres, turns)


case("C", "two circles, noise .03", circles, radii=(1.0, 0.6), noise=0.03, n=1000)
case("C", "three circles, noise .05", circles, radii=(1.0, 0.66, 0.33), noise=0.04, n=2000, condition=30)
case("C", "12 coins", from_law, law=lattice(12, 0.1), n=10_000)
case("C", "8 coins", from_law, law=lattice(8, 0.08), n=3000)
case("C", "seven components", from_law, law=gaussians(np.ones(7), np.arange(7)[:, None], [0.1] * 7), n=3000)
case("C", "grid 10 × 10", from_law, law=grid(10, 10, 0.12), n=10_000, condition=1)
case("C", "grid 20 × 10", from_law, law=grid(20, 10, 0.12), n=10_000, condition=1)
case("C", "grid 6 × 5", from_law, law=grid(6, 5, 0.15), n=2000, condition=10)
case("C", "five bars", from_law, law=bars(5, 0.03), n=2000, condition=1)
case("C", "bursts", from_law, law=bursts, n=2000, condition=1)
case("C", "three lines 1000 : 1", from_law, law=lines(3, 8.0), n=2000, condition=1000)
case("C", "crossing lines 1000 : 1", from_law, law=lines(3, 0.0, crossing=True), n=2000, condition=1000)


# D: exact zeros beside a continuous part. The log-likelihood is that of rows whose first column is rounded to zero
# where it is within NEAR: the density of the rest, the mass near zero of zeros. `atom` is how far the share of draws
# near zero is from that of training rows.
NEAR = 0.05
TOWARDS_ZERO = np.concatenate([-np.geomspace(NEAR, 1e-9, 200), np.geomspace(1e-9, NEAR, 200)])


def zeros(name, seed, rng, share, n, dim=1, jitter=0.0):
    rest = gaussians([1.0], np.full((1, dim), 3.0), [0.5])
    train = rest.draw(n, rng)
    zero = rng.random(n) < share
    train[zero, 0] = jitter * rng.standard_normal(zero.sum())
    test = rest.draw(3000, rng)
    atom = np.repeat(rest.draw(1 if dim == 1 else 40, rng), len(TOWARDS_ZERO), axis=0)
    atom[:, 0] = np.resize(TOWARDS_ZERO, len(atom))
    others = 0.0 if dim == 1 else gaussians([1.0], np.full((1, dim - 1), 3.0), [0.5]).log_density(
        atom[:: len(TOWARDS_ZERO), 1:]
    )

    def likelihood(of_rest, of_zeros):
        return float((1 - share) * of_rest.mean() + share * np.maximum(of_zeros, -100).mean())

    def judge(values):
        densities = np.exp(np.minimum(values["atom"], 100)).reshape(-1, len(TOWARDS_ZERO))
        return {"ll": likelihood(values["test"], np.log(np.trapezoid(densities, TOWARDS_ZERO, axis=1) + 1e-300))}

    truth = np.log(1 - share) + rest.log_density(test)
    table = Table(name, seed, train, {"test": test, "atom": atom}, {"test": truth}, judge=judge)
    table.known_ll = likelihood(truth, np.log(share) + others)
    table.judge_draws = lambda draws: {"atom": float(abs((np.abs(draws[:, 0]) < NEAR).mean() - zero.mean()))}
    return table


for share in (0.01, 0.1, 0.3, 0.6, 0.9):
    case("D", f"{share:.0%} zeros", zeros, share=share, n=2000)
case("D", "30% zeros, jittered", zeros, share=0.3, n=2000, jitter=0.001)
case("D", "20% zeros, three columns", zeros, share=0.2, n=3000, dim=3)


# E: densities on the line. `ise` is the integrated squared error over the best possible kernel estimate's.


def on_line(name, seed, rng, law, n):
    weights, means, stds = law
    law = gaussians(weights, means[:, None], stds)
    table = table_of(name, seed, law, n, rng, moments=law.moments(), rivals=("em",))
    step = 0.001
    points = np.arange(-5, 5, step)[:, None]
    table.parts["grid"], table.truth["grid"] = points, law.log_density(points)
    best = best_kernel_mise(weights, means, stds, n)

    def ratio(values):
        error = np.exp(np.minimum(values["grid"], 50)) - np.exp(table.truth["grid"])
        return {"ise": float((error**2).sum() * step / best)}

    table.judge = ratio
    return table


for n in (1000, 10_000):
    for name, law in MARRON_WAND.items():
        case("E", f"{name}, {n}", on_line, law=law, n=n)


# F: unequal widths around one place, and heavy tails.


def needle(share, std, dim):
    place = np.full(dim, 1 / np.sqrt(dim))
    return gaussians([1 - share, share], [np.zeros(dim), place], [1.0, std])


NEEDLES = ((0.03, 0.1, 2), (0.1, 0.3, 2), (0.05, 0.03, 1), (0.05, 0.01, 3), (0.05, 0.001, 2), (0.05, 0.2, 5))
for share, std, dim in NEEDLES:
    case("F", f"needle {share:.0%}, std {std:g}, d {dim}", from_law, law=needle(share, std, dim), n=3000, condition=10)
for freedom in (3, 5):
    for dim in (1, 2, 5, 10):
        case("F", f"t{freedom}, d {dim}", from_law, law=single(StudentT(freedom), dim), n=3000)
for dim in (1, 2, 5):
    case("F", f"Laplace, d {dim}", from_law, law=single(Columns(stats.laplace), dim), n=3000, condition=1)
    scales = gaussians([0.5, 0.5], np.zeros((2, dim)), [1.0, 3.0])
    case("F", f"N(0, 1) with N(0, 9), d {dim}", from_law, law=scales, n=3000)
case("F", "logistic, d 2", from_law, law=single(Columns(stats.logistic), 2), n=3000, condition=1)


# G: one Gaussian, few rows. Singular values of the covariance over two decades.


def few_rows(name, seed, rng, n, dim, structure):
    if structure == "decades":
        matrix = random_rotation(dim, rng) * np.geomspace(1, 0.1, dim)
    else:
        matrix = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(np.arange(dim), np.arange(dim))))
    law = gaussians([1.0], np.zeros((1, dim)), [matrix])
    return table_of(name, seed, law, n, rng, test_rows=1000, rivals=("single",))


for n, dim in ((30, 100), (60, 200), (300, 200), (40, 20), (80, 30)):
    for structure in ("decades", "chain"):
        case("G", f"{n} × {dim}, {structure}", few_rows, n=n, dim=dim, structure=structure)


# N: clusters of fewer rows than a covariance has numbers, of one shape, of one in many sizes, with variances or
# directions of their own.


def few_rows_a_cluster(name, seed, rng, n, dim, k, apart, form):
    centres = apart * rng.standard_normal((k, dim))
    turn = random_rotation(dim, rng)
    common = turn * np.exp(rng.standard_normal(dim))
    matrices = {
        "spheres": lambda: np.eye(dim),
        "sizes": lambda: np.eye(dim) * np.exp(rng.standard_normal()),
        "variances": lambda: np.diag(np.exp(0.8 * rng.standard_normal(dim))),
        "common": lambda: common,
        "directions": lambda: random_rotation(dim, rng) * np.geomspace(1, 0.1, dim),
    }
    law = gaussians(np.ones(k), centres, [matrices[form]() for _ in range(k)])
    return table_of(name, seed, law, n, rng, test_rows=2000, rivals=("em", "single"))


CLUSTERS = (
    (400, 40, 6, 2.0, "spheres"),
    (150, 25, 4, 2.5, "spheres"),
    (300, 20, 5, 2.0, "sizes"),
    (300, 30, 6, 2.0, "variances"),
    (120, 6, 4, 3.0, "variances"),
    (600, 40, 4, 2.0, "common"),
    (150, 10, 4, 3.0, "directions"),
)
for n, dim, k, apart, form in CLUSTERS:
    name = f"{n} × {dim}, {k} clusters, {form}"
    case("N", name, few_rows_a_cluster, n=n, dim=dim, k=k, apart=apart, form=form)


# H: a surface without noise. `off` is the share of draws farther from it than a sixth of the gap between its turns.


def swiss_roll(rng, n):
    t = 1.5 * np.pi * (1 + 2 * rng.random(n))
    return np.stack([t * np.cos(t), 21 * rng.random(n), t * np.sin(t)], axis=1)


def swiss(name, seed, rng, n):
    table = Table(name, seed, swiss_roll(rng, n), {"test": swiss_roll(rng, 3000)})
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 20_000)
    spiral = cKDTree(np.stack([t * np.cos(t), t * np.sin(t)], axis=1))

    def off(draws):
        distance = np.hypot(spiral.query(draws[:, [0, 2]])[0], np.maximum(np.abs(draws[:, 1] - 10.5) - 10.5, 0))
        return {"off": float((distance > 1.0).mean())}

    table.judge_draws = off
    return table


case("H", "swiss roll, 3,000", swiss, n=3000)
case("H", "swiss roll, 15,000", swiss, n=15_000, slow=True)
for dim in (1, 3):
    case("H", f"exponential, d {dim}", from_law, law=single(Columns(stats.expon), dim), n=5000)


# I: combs: fine structure that a polynomial cannot stand in for.


def comb(teeth, width):
    places = np.cumsum(1.0 / 1.5 ** np.arange(teeth))
    stds = width * np.diff(np.append(0, places))
    return gaussians(np.ones(teeth), places[:, None], stds)


def comb_of(name, n):
    weights, means, stds = MARRON_WAND[name]
    case("I", f"{name[3:]}, {n}", from_law, law=gaussians(weights, means[:, None], stds), n=n)


comb_of("15 discrete comb", 5000)
comb_of("14 smooth comb", 5000)
case("I", "six narrowing teeth", from_law, law=comb(6, 0.25), n=5000)
case("I", "eight narrowing teeth", from_law, law=comb(8, 0.2), n=10_000)


# J: a sphere in three of ten columns, as the crate's `sphere10d`.

for n in (10_000, 20_000, 40_000):
    case("J", f"sphere10d, {n}", from_law, law=single(Sphere(3, 0.5 / 3), 10, scale=3.0), n=n, rivals=())


# K: the std of the components, given and not, on the same rows.


def given(name, seed, rng, law, std, known):
    table = law(name, seed, generator(f"K {law.__name__} {std}", seed))
    return replace(table, component_std=std, rivals=(*table.rivals, "npml")) if known else table


def overlapping(name, seed, rng):
    law = gaussians([0.5, 0.3, 0.2], [[0, 0], [2.2, 0], [0.5, 2.0]], [1.0] * 3)
    return from_law(name, seed, rng, law, 2000)


def overlapping_five(name, seed, rng):
    centres = 1.6 * rng.standard_normal((5, 5))
    return from_law(name, seed, rng, gaussians(np.ones(5), centres, [1.0] * 5), 3000)


def two_circles(name, seed, rng):
    return circles(name, seed, rng, radii=(1.0, 0.5), noise=0.03, n=1500)


for law, std in ((overlapping, 1.0), (overlapping_five, 1.0), (two_circles, 0.03)):
    for known in (False, True):
        case("K", f"{law.__name__}, {'given' if known else 'unknown'}", given, law=law, std=std, known=known)


# M: rows too few for a cell of their own. `excess` is the most by which a training row's log-density is above the
# truth.


def light(name, seed, rng, n, dim, n_wide, scale, freedom=None):
    if freedom:
        law = single(StudentT(freedom), dim)
        train = law.draw(n, rng)
    else:
        law = gaussians([1 - n_wide / n, n_wide / n], np.zeros((2, dim)), [1.0, scale])
        wide = scale * rng.standard_normal((n_wide, dim))
        train = np.concatenate([rng.standard_normal((n - n_wide, dim)), wide])[rng.permutation(n)]
    table = table_of(name, seed, law, n, rng, train=train)
    table.parts["train"], table.truth["train"] = train, law.log_density(train)
    table.judge = lambda values: {"excess": float((values["train"] - table.truth["train"]).max())}
    return table


for n_wide, scale in ((4, 20.0), (8, 12.0), (3, 100.0)):
    case("M", f"{n_wide} rows of {scale:g} · N(0, I), d 5", light, n=2000, dim=5, n_wide=n_wide, scale=scale)
for dim in (3, 6, 10):
    case("M", f"t3, d {dim}", light, n=2000, dim=dim, n_wide=0, scale=0, freedom=3)
