#!/usr/bin/env python3
"""Random laws: how far the crate is ahead of the best rival, and where it is behind; see README.md beside this file."""

import yardstick  # first: it settles the number of threads

import numpy as np


from laws import Ball, Curved, Gaussian, Law, Part, Segment, Sphere, StudentT, random_map, random_rotation, single

STRAY_ROWS = 500


def main():
    parser = yardstick.options(__doc__)
    parser.add_argument("--laws", default="0:100", help="which, FIRST:END")
    parser.add_argument("--worst", type=int, default=15, help="how many of the worst are listed")
    chosen = parser.parse_args()
    first, end = map(int, chosen.laws.split(":"))
    tables = (random_table(number) for number in range(first, end))
    report(list(yardstick.Judges(chosen).compare(tables)), chosen.worst)


def random_table(number):
    """The table of that number: always the same."""
    rng = yardstick.generator("random law", number)
    law, about = random_law(rng)
    n = log_uniform(300, 5000, rng, whole=True)
    share = 0.0 if rng.random() < 0.4 else log_uniform(0.001, 0.01, rng)
    strays = single(Gaussian(), law.dim, scale=log_uniform(5, 30, rng)).mapped(spread(law, rng))
    n_strays = rng.binomial(n, share)
    train = np.concatenate([law.draw(n - n_strays, rng), strays.draw(n_strays, rng)])[rng.permutation(n)]
    about = f"n {n}, {about}, {n_strays} strays"
    table = yardstick.table_of("random", number, law, n, rng, train=train, about=about)
    if n_strays:
        table.parts["strays"] = strays.draw(STRAY_ROWS, rng)
        table.stray_share = share
    return table


def random_law(rng):
    """A law and what it is in words."""
    dim, k = int(rng.integers(1, 9)), int(rng.integers(1, 13))
    ratio = log_uniform(1, 40, rng)
    widths = ratio ** rng.uniform(-0.5, 0.5, k)
    stretch = log_uniform(1, 10, rng)  # of one part's axes
    apart = log_uniform(1.5, 12, rng)  # centres, in units of the middle width
    masses = 0.01 + rng.dirichlet(np.full(k, log_uniform(0.3, 10, rng))) * (1 - 0.01 * k)
    plain = rng.random() < 0.3  # Gaussians alone
    parts, names = [], []
    for mass, width in zip(masses, widths):
        name, shape = ("gauss", Gaussian()) if plain else random_shape(dim, rng)
        axes = random_rotation(dim, rng) * stretch ** rng.uniform(-0.5, 0.5, dim)
        parts.append(Part(mass, apart * rng.standard_normal(dim), width * axes, shape))
        names.append(name)
    law = Law(parts)
    condition = 1.0 if rng.random() < 0.3 else log_uniform(1, 1000, rng)
    law = law.mapped(random_map(dim, condition, rng))
    counted = " ".join(f"{names.count(name)}×{name}" for name in dict.fromkeys(names))
    about = (
        f"d {dim}, k {k}: {counted}, widths 1:{widths.max() / widths.min():.2g}, axes 1:{stretch:.2g}, "
        f"apart {apart:.2g}, lightest {masses.min():.1%}, map {condition:.2g}"
    )
    return law, about


def random_shape(dim, rng):
    """A shape of about unit size, and its name."""
    shapes = {
        "gauss": lambda: Gaussian(),
        "t": lambda: StudentT(rng.uniform(2.5, 8)),
        "ball": lambda: Ball(),
        "ring": lambda: Sphere(2, log_uniform(0.03, 0.3, rng)),
        "segment": lambda: Segment(log_uniform(0.02, 0.3, rng)),
        "curved": lambda: Curved(rng.uniform(0.3, 1.5), log_uniform(0.05, 0.5, rng)),
    }
    masses = np.array([0.4, 0.12, 0.12, 0.12, 0.12, 0.12])
    names = list(shapes) if dim > 1 else list(shapes)[:3]
    masses = masses[: len(names)] / masses[: len(names)].sum()
    name = names[rng.choice(len(names), p=masses)]
    return name, shapes[name]()


def spread(law, rng):
    """A matrix by which N(0, I) gets the covariance of the law, about."""
    return np.linalg.cholesky(np.cov(law.draw(1000, rng).T).reshape(law.dim, law.dim))


def log_uniform(low, high, rng, whole=False):
    value = np.exp(rng.uniform(np.log(low), np.log(high)))
    return round(value) if whole else value


def report(found, worst):
    if not found:
        return
    ahead = np.array([one.ahead for one in found])
    print(f"{len(found)} laws; ours - best rival, nats a row (held-out rows of the law without its strays)")
    show_distribution("ours - best rival", ahead)
    strayed = np.array([one.table.stray_share > 0 for one in found])
    show_distribution(f"with strays, {strayed.sum()}", ahead[strayed])
    show_distribution(f"without, {(~strayed).sum()}", ahead[~strayed])
    if found[0].rivals:
        show_distribution("strays tested too", np.array([one.ahead_with_strays for one in found]))
    behind = np.array([one.table.truth_ll() - one.ll(one.ours) for one in found])
    show_distribution("truth - ours", behind)
    show_distribution("truth - best rival", ahead + behind)
    if found[0].before:
        show_distribution("ours - before", np.array([one.ll(one.ours) - one.ll(one.before) for one in found]))
    seconds = np.array([one.ours.get("seconds", np.nan) for one in found])
    rival = sum(fit["seconds"] for one in found for fit in one.rivals.values())
    print(f"seconds of ours: {np.nansum(seconds):.1f}, most {np.nanmax(seconds):.1f}; of the rivals {rival:.0f}")
    best = [one.best for one in found]
    print("best rival:", ", ".join(f"{name} {best.count(name)}" for name in dict.fromkeys(best)))
    print("\nworst:\n  law   ahead    ours   rival  (which)       truth  cells warned seconds")
    for one in sorted(found, key=lambda one: one.ahead)[:worst]:
        ours, name = one.ours, f"({one.best} {one.rivals[one.best].get('components', '')})" if one.best else ""
        print(
            f"{one.table.seed:5d} {one.ahead:7.3f} {one.ll(ours):7.3f} {one.best_ll or np.nan:7.3f}  {name:13s}"
            f"{one.table.truth_ll():7.3f} {ours.get('cells', 0):5d} {len(ours.get('warnings', [])):4d}"
            f" {ours.get('seconds', np.nan):8.2f}  {one.table.about} {ours.get('error', '')}"
        )


def show_distribution(title, values):
    if not len(values):
        return
    shares = f"below -.1: {(values < -0.1).mean():.1%}, below -.5: {(values < -0.5).mean():.1%}"
    levels = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
    finite = np.maximum(values, -999)
    quantiles = "  ".join(f"{value:.3f}" for value in np.quantile(finite, levels))
    print(f"{title:18s} min 1 5 25 50 75 95 max %: {quantiles}   {shares}")


if __name__ == "__main__":
    main()
