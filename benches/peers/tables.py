"""Tables as they are: rounded, bounded, with labels. The crate with its columns detected beside all columns real.

    python3 benches/peers/tables.py --binary target/release/examples/fit_csv penguins.csv:species wine.csv:target yacht.csv:y

Each table is split five times (--splits). Of draws, as many as training rows, it reports

- w1: Wasserstein-1 to held-out rows, the mean over columns scaled to 0..1 by the training rows; labels as indicators;
- forest: the score on held-out rows of a random forest trained on draws, R² or weighted F1;
- near: the mean distance of draws to the nearest training row, relative to that of held-out rows;
- ln p: of held-out rows, the mean. That of `detect` is in the model's measure; `real` is a fit to numbers that are spread
  within their steps, one a label of the target where that has labels, and its density times the steps is compared, with the
  shares of labels.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import f1_score, r2_score
from sklearn.neighbors import NearestNeighbors


def is_numeric(frame, column):
    return pd.api.types.is_numeric_dtype(frame[column])


def encoded(frame, train, standard=True):
    """Numbers scaled to 0..1 by the training rows, labels as indicators."""
    parts = []
    for column in train.columns:
        if is_numeric(train, column):
            low, high = train[column].min(), train[column].max()
            parts.append(((frame[column] - low) / max(high - low, 1e-300)).to_numpy()[:, None])
        else:
            labels = sorted(train[column].unique())
            parts.append(np.stack([(frame[column] == label).to_numpy(float) for label in labels], 1))
    return parts


def w1(draws, held, train):
    distances = []
    for a, b in zip(encoded(draws, train), encoded(held, train)):
        if a.shape[1] == 1:
            distances.append(wasserstein_distance(a[:, 0], b[:, 0]))
        else:
            distances.append(0.5 * np.abs(a.mean(0) - b.mean(0)).sum())
    return float(np.mean(distances))


def forest(draws, held, train, target, seed):
    others = [column for column in train.columns if column != target]
    x = [np.hstack(encoded(part[others], train[others])) for part in (draws, held)]
    if is_numeric(train, target):
        model = RandomForestRegressor(100, random_state=seed).fit(x[0], draws[target])
        return r2_score(held[target], model.predict(x[1]))
    model = RandomForestClassifier(100, random_state=seed).fit(x[0], draws[target])
    return f1_score(held[target], model.predict(x[1]), average="weighted")


def near(draws, held, train):
    x = [np.hstack(encoded(part, train)) for part in (train, draws, held)]
    found = NearestNeighbors(n_neighbors=1).fit(x[0])
    return float(found.kneighbors(x[1])[0].mean() / found.kneighbors(x[2])[0].mean())


def step(values):
    """The step of a rounded column, 1 where it has none."""
    for decimals in range(0, 7):
        scaled = values * 10.0**decimals
        if np.allclose(scaled, np.round(scaled), atol=1e-6):
            return 10.0**-decimals
    return 1.0


def run(binary, *arguments):
    begun = time.time()
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return time.time() - begun, done.stdout


def detect(binary, folder, train, held, seed, log):
    train.to_csv(folder / "train.csv", index=False)
    held.to_csv(folder / "held.csv", index=False)
    seconds, said = run(
        binary, "--detect", "--data", folder / "train.csv", "--samples", len(train), "--out", folder / "new.csv",
        "--eval", folder / "held.csv", "--log-density-out", folder / "ld.csv", "--seed", seed,
    )
    if log:
        print(said)
    logs = pd.read_csv(folder / "ld.csv")["log_density"].to_numpy(float)
    return pd.read_csv(folder / "new.csv"), logs, seconds


def real(binary, folder, train, held, seed, target):
    """All columns real, a fit a class where the target has labels; draws clipped to no bounds and not rounded."""
    rng = np.random.default_rng(seed)
    numbers = [column for column in train.columns if is_numeric(train, column)]
    labels = [column for column in train.columns if column not in numbers]
    steps = {column: step(train[column].to_numpy(float)) for column in numbers}
    classes = sorted(train[target].unique()) if target in labels else [None]
    draws, logs, seconds = [], np.zeros(len(held)), 0.0
    shares = [1.0] if classes == [None] else train[target].value_counts(normalize=True)[classes].to_numpy()
    wanted = rng.multinomial(len(train), shares)
    for label, count in zip(classes, wanted):
        own = train if label is None else train[train[target] == label]
        own_held = held if label is None else held[held[target] == label]
        spread = own[numbers].astype(float)
        for column in numbers:
            spread[column] += steps[column] * (rng.random(len(own)) - 0.5) * (steps[column] < 1 or (own[column] % 1 == 0).all())
        own[numbers].to_csv(folder / "plain.csv", index=False)
        spread.to_csv(folder / "spread.csv", index=False)
        (own_held if len(own_held) else own)[numbers].to_csv(folder / "held.csv", index=False)
        took, _ = run(binary, "--data", folder / "plain.csv", "--samples", max(count, 1), "--out", folder / "new.csv", "--seed", seed)
        run(
            binary, "--data", folder / "spread.csv", "--eval", folder / "held.csv", "--log-density-out", folder / "ld.csv",
            "--seed", seed,
        )
        seconds += took
        new = pd.read_csv(folder / "new.csv")
        for column in labels:
            new[column] = label if column == target else rng.choice(own[column].to_numpy(), len(new))
        draws.append(new[train.columns])
        if len(own_held):
            log = pd.read_csv(folder / "ld.csv")["log_density"].to_numpy(float) + sum(np.log(s) for s in steps.values())
            for column in labels:
                part = own if column != target else train
                shares = (part[column].value_counts() + 0.5) / (len(part) + 0.5 * train[column].nunique())
                log += np.log(own_held[column].map(shares).fillna(0.5 / (len(part) + 1)).to_numpy(float))
            logs[(held[target] == label).to_numpy() if label is not None else slice(None)] = log
    return pd.concat(draws), logs, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", help="FILE.csv:TARGET")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--log", action="store_true", help="show what is found at the first split")
    arguments = parser.parse_args()
    print("table        method   w1     forest  near   ln p          seconds")
    for table in arguments.tables:
        path, target = table.rsplit(":", 1)
        frame = pd.read_csv(path)
        found = {}
        for split in range(arguments.splits):
            order = np.random.default_rng(split).permutation(len(frame))
            cut = int(0.8 * len(frame))
            train, held = (frame.iloc[part].reset_index(drop=True) for part in (order[:cut], order[cut:]))
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                for name, made in [
                    ("real", real(arguments.binary, folder, train, held, split + 1, target)),
                    ("detect", detect(arguments.binary, folder, train, held, split + 1, arguments.log and split == 0)),
                    ("rows", (train, None, 0.0)),
                ]:
                    draws, logs, seconds = made
                    found.setdefault(name, []).append((
                        w1(draws, held, train), forest(draws, held, train, target, split), near(draws, held, train),
                        np.nan if logs is None else logs.mean(), seconds,
                    ))
        for name, values in found.items():
            mean = np.mean(values, 0)
            error = np.std(values, 0)[3] / np.sqrt(max(len(values) - 1, 1))
            stem = pathlib.Path(path).stem
            print(f"{stem:12} {name:8} {mean[0]:.4f} {mean[1]:.3f}   {mean[2]:.2f}   {mean[3]:8.3f} ± {error:.2f}  {mean[4]:.1f}", flush=True)


if __name__ == "__main__":
    main()
