"""Table, plot and report of the benchmark of the kernels of SGD."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from spark_mf.benchmarks.drawing import COLORS, MARKERS
from spark_mf.benchmarks.speed.kernels import EVALUATE, IN_CACHE, REAL_CELL, SHAPES, TRAIN, UNBLOCKED, KernelRow
from spark_mf.cli.tables import aligned, shown

KERNELS_PLOT = "updates_by_rank.png"
REPORT = "report.md"

_HEADERS = (
    "kernel",
    "rank",
    "shape",
    "threads",
    "million ratings/s",
    "bytes per rating",
    "GB/s if from memory",
    "of bandwidth",
)


def kernel_table(rows: Sequence[KernelRow]) -> str:
    """Return the rows as an aligned Markdown table, and the memory bandwidth below it."""
    cells = [
        (
            row.kernel,
            shown(row.rank, "d"),
            row.shape,
            shown(row.threads, "d"),
            shown(row.ratings_per_second / 1e6, ".1f"),
            shown(row.bytes_a_rating, ",d"),
            shown(row.ratings_per_second * row.bytes_a_rating / 1e9, ".1f"),
            shown(row.share_of_bandwidth, ".2f"),
        )
        for row in rows
    ]
    bandwidths = sorted({(row.threads, row.bandwidth) for row in rows})
    listed = "; ".join(f"{threads} threads {bandwidth / 1e9:.1f} GB/s" for threads, bandwidth in bandwidths)
    return f"{aligned(_HEADERS, cells)}\n\nMemory bandwidth: {listed}."


def draw_kernels(rows: Sequence[KernelRow], path: Path) -> None:
    """Draw ratings per second by rank with the most threads, one panel per kernel, and the limit of the memory."""
    threads = max(row.threads for row in rows)
    figure = Figure(figsize=(10.0, 5.0), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name in zip(panels, (TRAIN, EVALUATE), strict=True):
        chosen = [row for row in rows if row.kernel == name and row.threads == threads]
        for shape, color, marker in zip(SHAPES, COLORS, MARKERS, strict=False):
            curve = [(row.rank, row.ratings_per_second / 1e6) for row in chosen if row.shape == shape]
            axes.plot(*zip(*curve, strict=True), color=color, marker=marker, label=shape)
        limits = {row.rank: row.bandwidth / row.bytes_a_rating / 1e6 for row in chosen}
        axes.plot(list(limits), list(limits.values()), "k:", label="limit if every row is read from memory")
        axes.set(xscale="log", yscale="log", xlabel="rank", title=name)
        axes.set_xticks(list(limits), [str(rank) for rank in limits])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("million ratings/s")
    figure.suptitle(f"Kernels of SGD on {threads} threads, by rank and shape of the block", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, format="png")


def kernel_report(rows: Sequence[KernelRow]) -> str:
    """Return the report in Markdown, with the plot `KERNELS_PLOT` in its folder."""
    first = rows[0]
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items())
    sizes = "; ".join(f"{name} {users:,} × {items:,}" for name, (users, items) in SHAPES.items())
    return "\n".join(
        [
            "# Kernels of SGD relative to the memory bandwidth",
            "",
            kernel_table(rows),
            "",
            f"![ratings per second by rank]({KERNELS_PLOT})",
            "",
            f"- `{TRAIN}` updates the rows of each rating, and `{EVALUATE}` only sums the squared errors, with biases.",
            f"- Shapes are users × items of the block of each thread, with {first.ratings:,} uniformly distributed "
            f"ratings: {sizes}. `{IN_CACHE}` fits into a second-level cache; `{REAL_CELL}` is a cell of a fit on 20 "
            f"million ratings and two cores, sorted into tiles as in the fit; `{UNBLOCKED}` is unsorted.",
            "- `bytes per rating` is the memory traffic of a rating if neither of its rows is in a cache: both rows "
            "with biases and padding, twice for training, and 12 bytes of the rating.",
            "- `of bandwidth` is the resulting traffic divided by the memory bandwidth, measured with as many threads "
            "that add a multiple of one long array to another. At 1, the memory would be the limit; above 1, caches "
            "serve rows; below 1, arithmetic or the memory latency is the limit.",
            "- Each value is the fastest of three passes.",
            f"- {versions}; commit {first.git or 'unknown'}; started {first.started_at}.",
            "",
        ]
    )
