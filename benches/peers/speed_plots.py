"""Plots of speed.py's records, for light and dark pages and for the colour-blind, into docs/benchmarks."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from crate import ROOT
from report import BY_FLOW

GREY = "#808080"  # as far from white as from black
BLUE, ORANGE, GREEN, RED, PURPLE = "#2f86d0", "#e69f00", "#009e73", "#d55e00", "#cc79a7"  # after Okabe and Ito
# Title, colour and marker of every method. The crate is filled, others are not.
STYLES = {
    "fast": ("crate, fast", RED, "o", True),
    "crate": ("crate, default", RED, "s", True),
    "thorough": ("crate, thorough", RED, "^", True),
    "paper": ("crate, paper", RED, "X", True),
    "em_full": ("EM + BIC, full", BLUE, "o", False),
    "em_types": ("EM + BIC, all types", BLUE, "s", False),
    "linfa": ("linfa EM + BIC, full", PURPLE, "D", False),
    "npml": ("nonparametric ML, std given", GREEN, "^", False),
    "kde": ("KDE", ORANGE, "v", False),
}


def draw(records):
    plt.rcParams.update(
        {
            "svg.hashsalt": "benchmarks",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "savefig.transparent": True,
            **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY),
        }
    )
    time_and_accuracy([record for record in records if record["suite"] == "peers"])
    growth([record for record in records if record["suite"] == "growth"])


def time_and_accuracy(records):
    laws = list(dict.fromkeys(record["law"] for record in records))
    figure, panels = plt.subplots(1, max(len(laws), 1), figsize=(10, 4), squeeze=False, sharey=True)
    for law, axes in zip(laws, panels[0]):
        for method, (title, colour, marker, filled) in STYLES.items():
            runs = [record for record in records if (record["law"], record["method"]) == (law, method)]
            if runs:
                seconds = np.median([run["fit_seconds"] for run in runs])
                error = np.mean([run["tv_normalised" if method in BY_FLOW else "tv"] for run in runs])
                face = colour if filled else "none"
                axes.plot(seconds, error, marker, color=colour, markerfacecolor=face, markersize=8, label=title)
        logarithmic(axes)
        axes.set(title=law, xlabel="seconds to fit")
    panels[0, 0].set_ylabel("total variation from the law")
    save(figure, panels, "time_and_accuracy")


def growth(records):
    laws = list(dict.fromkeys(record["law"] for record in records))
    figure, panels = plt.subplots(1, max(len(laws), 1), figsize=(8, 4), squeeze=False, sharey=True)
    for law, axes in zip(laws, panels[0]):
        for method in ("fast", "crate", "em_full", "em_types"):
            title, colour, marker, filled = STYLES[method]
            runs = [record for record in records if (record["law"], record["method"]) == (law, method)]
            counts = sorted({run["n"] for run in runs})
            seconds = [np.median([run["fit_seconds"] for run in runs if run["n"] == n]) for n in counts]
            face = colour if filled else "none"
            axes.plot(counts, seconds, f"{marker}-", color=colour, markerfacecolor=face, markersize=7, label=title)
        logarithmic(axes)
        axes.set(title=law, xlabel="rows")
    panels[0, 0].set_ylabel("seconds to fit")
    save(figure, panels, "growth")


def logarithmic(axes):
    axes.set(xscale="log", yscale="log")
    axes.grid(True, which="major", color=GREY, alpha=0.35, linewidth=0.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}" if value < 1e4 else f"$10^{np.log10(value):.0f}$"))
    low, high = axes.get_ylim()
    if high / low < 50:  # less than two decades: marks between the powers of ten
        axes.yaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(matplotlib.ticker.LogLocator(subs=(2, 5)))


def save(figure, panels, name):
    handles = {}
    for axes in panels[0]:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=5 if len(handles) > 4 else 4, frameon=False, fontsize=9)
    directory = ROOT / "docs" / "benchmarks"
    directory.mkdir(exist_ok=True)
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
