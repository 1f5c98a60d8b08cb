"""Tables, plot and report of the benchmark of SGD's kernels, from its rows."""

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
    "bytes a rating",
    "GB/s if from memory",
    "of bandwidth",
)


def kernel_table(rows: Sequence[KernelRow]) -> str:
    """Return the rows as an aligned Markdown table, and the bandwidth that they are measured against."""
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
    return f"{aligned(_HEADERS, cells)}\n\nBandwidth of the memory: {listed}."


def draw_kernels(rows: Sequence[KernelRow], path: Path) -> None:
    """Ratings a second by rank, a panel a kernel, of as many threads as were used, beside the limit of memory."""
    threads = max(row.threads for row in rows)
    figure = Figure(figsize=(10.0, 5.0), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name in zip(panels, (TRAIN, EVALUATE), strict=True):
        chosen = [row for row in rows if row.kernel == name and row.threads == threads]
        for shape, color, marker in zip(SHAPES, COLORS, MARKERS, strict=False):
            curve = [(row.rank, row.ratings_per_second / 1e6) for row in chosen if row.shape == shape]
            axes.plot(*zip(*curve, strict=True), color=color, marker=marker, label=shape)
        limits = {row.rank: row.bandwidth / row.bytes_a_rating / 1e6 for row in chosen}
        axes.plot(list(limits), list(limits.values()), "k:", label="if every row came from memory, at its bandwidth")
        axes.set(xscale="log", yscale="log", xlabel="rank", title=name)
        axes.set_xticks(list(limits), [str(rank) for rank in limits])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel("million ratings/s")
    figure.suptitle(f"SGD's kernels on {threads} threads, by rank and shape of the block", fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, format="png")


def kernel_report(rows: Sequence[KernelRow]) -> str:
    """Return the whole report, in Markdown, beside the plot `KERNELS_PLOT`."""
    first = rows[0]
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items())
    sizes = "; ".join(f"{name} {users:,} × {items:,}" for name, (users, items) in SHAPES.items())
    return "\n".join(
        [
            "# SGD's kernels against the bandwidth of the memory",
            "",
            kernel_table(rows),
            "",
            f"![ratings a second by rank]({KERNELS_PLOT})",
            "",
            f"- `{TRAIN}` makes an update for each rating, `{EVALUATE}` only sums its error. Biases are fitted too.",
            f"- Shapes, users × items of each thread's block, with {first.ratings:,} ratings drawn evenly: {sizes}. "
            f"`{IN_CACHE}` fits a second-level cache, `{REAL_CELL}` is one of a fit on 20 million ratings and two "
            f"cores, sorted into tiles as there, `{UNBLOCKED}` is in no order.",
            "- `bytes a rating`: what one must move when neither of its rows is in a cache: both rows in, biases and "
            "padding included, after training out again, and the rating's 12.",
            "- `of bandwidth`: these bytes a second over what the memory delivers to as many threads that add a "
            "multiple of one long array to another in place. At 1 memory would be the limit; above it caches deliver "
            "rows, below it arithmetic or the memory's latency is the limit.",
            "- Each figure is the fastest of three passes.",
            f"- {versions}; commit {first.git or 'unknown'}; begun {first.started_at}.",
            "",
        ]
    )
