"""Tables and report of the textbook job."""

from collections.abc import Mapping, Sequence

from spark_mf.benchmarks.report import failures, whereabouts
from spark_mf.cli.tables import aligned, shown
from spark_mf.studies.textbook.rows import COST, NEAR, ON_SPARK, PUBLISHED, TextbookRow

REPORT = "report.md"

_FORMULAS = {
    "GD": "3|Ω|K + 2(n + m)K",
    "ALS": "|Ω|K(K + 3) + (n + m)(K³ + 9K² + 14K)/6",
    "ALS+GD": "L(2|Ω|(3K + 1) + (n + m)(3K + 2))",
    "SGD": "|Ω|(5K + 1)",
}


def textbook_tables(rows: Sequence[TextbookRow]) -> str:
    """Return tables of the published numbers, of the textbook and Spark, and of costs, in Markdown."""
    return "\n\n".join(text for _, text in _sections(rows))


def textbook_fault(rows: Sequence[TextbookRow]) -> str | None:
    """Return one sentence on the incorrect results, or None if all are correct."""
    faults = [row.fault for row in rows if row.fault]
    return f"{len(faults)} of {len(rows)} results are wrong, the first: {faults[0]}" if faults else None


def textbook_report(rows: Sequence[TextbookRow]) -> str:
    """Return the report in Markdown."""
    sections = ["# Textbook: published, reproduced and Spark results"]
    sections += [f"## {title}\n\n{text}" for title, text in _sections(rows)]
    sections += [failures(rows), "## Environment\n\n" + whereabouts(rows[-1])]
    return "\n\n".join(section for section in sections if section) + "\n"


def _sections(rows: Sequence[TextbookRow]) -> list[tuple[str, str]]:
    sections = [("Published numbers", _published(_part(rows, PUBLISHED)))]
    if on_spark := _part(rows, ON_SPARK):
        published = {row.label: row.published for row in _part(rows, PUBLISHED)}
        sections.append(("The same fits on Spark", _on_spark(on_spark, published)))
    sections.append(("Cost of an iteration", _cost(_part(rows, COST))))
    return sections


def _part(rows: Sequence[TextbookRow], part: str) -> list[TextbookRow]:
    return [row for row in rows if row.part == part]


def _published(rows: Sequence[TextbookRow]) -> str:
    cells = [
        (
            row.label,
            f"below {row.published:g}" if row.decimals < 0 else shown(row.published, f".{row.decimals}f"),
            shown(row.obtained, ".1e" if row.decimals < 0 else f".{row.decimals}f"),
            "yes" if row.is_published_number else "no",
        )
        for row in rows
    ]
    agreeing = sum(row.is_published_number for row in rows)
    return (
        aligned(("number", "published", "reproduced", "equal"), cells)
        + f"\n\n{agreeing} of {len(rows)} published numbers are reproduced to the last printed digit."
    )


def _on_spark(rows: Sequence[TextbookRow], published: Mapping[str, float | None]) -> str:
    cells = [
        (
            row.label,
            row.model.removeprefix("spark_mf."),
            shown(published.get(row.label), ".4f"),
            shown(row.textbook, ".4f"),
            shown(row.obtained, ".4f"),
            f"{row.deviation:+z.2%}",
        )
        for row in rows
    ]
    near = sum(abs(row.deviation) <= NEAR for row in rows)
    return (
        aligned(("experiment", "estimator", "published", "textbook, same method", "Spark", "difference"), cells)
        + f"\n\n{near} of {len(rows)} are within {NEAR:.0%}. Both start from the same factors. ALS, ALS+GD and GD are "
        "the same methods, computed with different blocks. SGD on Spark updates only rows with ratings in the batch, "
        'each rating with its share of λ, so it is compared with the textbook\'s `updatedRows="touched"`, not with the '
        "published numbers, which regularize every row in every batch; the two visit ratings in different orders."
    )


def _cost(rows: Sequence[TextbookRow]) -> str:
    cells = [
        (
            row.label,
            "NumPy" if row.master == "numpy" else f"Spark, {row.cores} cores",
            f"{row.ratings - row.test_ratings:,}",
            f"{row.rank}",
            shown(row.operations, ",d"),
            shown(row.seconds_per_iteration, ".4f"),
            _rate(row),
        )
        for row in rows
    ]
    headers = ("method", "on", "ratings", "rank", "operations", "seconds", "million operations/s")
    formulas = "\n".join(f"- {method}: {formula}" for method, formula in _FORMULAS.items())
    return (
        "Multiply-add operations per iteration, for n users, m items, |Ω| training "
        f"ratings, rank K and L inner steps:\n\n{formulas}\n\n"
        + aligned(headers, cells)
        + "\n\nSeconds are medians over iterations. On Spark, they include communication and, for ALS and GD, an "
        "additional pass over the ratings for the training error. In NumPy, each rating of SGD and each row of ALS is "
        "one iteration of a Python loop."
    )


def _rate(row: TextbookRow) -> str:
    if row.operations is None or not row.seconds_per_iteration:
        return "–"
    rate = row.operations / row.seconds_per_iteration / 1e6
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"
