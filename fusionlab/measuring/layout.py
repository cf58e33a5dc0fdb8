"""How means are shown: digits, direction, best and second, as Markdown and as LaTeX.

The best method of a column is bold and the second underlined, by the direction of the metric and
by the unrounded means. Arrows say what is better: up for higher, down for lower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab import __version__
from fusionlab.measuring.table import NO_PRESET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from fusionlab.measuring.table import FolderTable
    from fusionlab.metrics import Metric

BEST, SECOND = 1, 2

_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def arrow(metric: Metric) -> str:
    """Return the sign of the better direction."""
    return "↑" if metric.direction == "higher" else "↓"


def digits(values: pd.Series) -> int:
    """Return after how many decimals a column of numbers is rounded."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    steps = ((1000.0, 1), (10.0, 2), (1.0, 3), (0.01, 4))
    return next((places for least, places in steps if largest >= least), 6)


def ranks(values: pd.Series, metric: Metric) -> list[int]:
    """Return BEST, SECOND or 0 for each mean; equal means share their rank.

    One method alone is not the best of anything, and of two there is no second.
    """
    sign = 1 if metric.direction == "lower" else -1
    order = sorted({sign * v for v in values if math.isfinite(v)})
    top = order[:2] if len(values) > 2 else order[:1]
    if len(values) < 2:
        return [0] * len(values)
    return [top.index(sign * v) + 1 if sign * v in top else 0 for v in values]


@dataclass(frozen=True)
class Column:
    """One metric of the summary as texts, one a method.

    Attributes
    ----------
    means : rounded; ``-`` where there is none.
    errors : their standard errors; empty where there is none.
    ranks : BEST, SECOND or 0.
    """

    name: str
    metric: Metric
    means: list[str]
    errors: list[str]
    ranks: list[int]

    def marked(self, marks: Mapping[int, str], plus_minus: str, minus: str = "-") -> list[str]:
        """Return the cells: the mean in the mark of its rank, and its error by `plus_minus`."""
        return [
            marks[rank].format(mean.replace("-", minus))
            + (plus_minus.format(error) if error else "")
            for mean, error, rank in zip(self.means, self.errors, self.ranks, strict=True)
        ]


def columns(table: FolderTable) -> list[Column]:
    """Return the metrics of the summary as texts."""
    found = []
    for name, metric in table.columns.items():
        means, errors = table.summary[name], table.summary[f"{name}_se"]
        places = digits(means)
        found.append(
            Column(
                name,
                metric,
                [f"{m:.{places}f}" if math.isfinite(m) else "-" for m in means],
                [f"{e:.{places}f}" if math.isfinite(e) else "" for e in errors],
                ranks(means, metric),
            )
        )
    return found


def summary_markdown(table: FolderTable) -> str:
    """Return the means as a Markdown table; second is underlined by ``<u>``."""
    marks = {BEST: "**{}**", SECOND: "<u>{}</u>", 0: "{}"}
    heads = [f"{c} {arrow(m)}".replace("_", r"\_") for c, m in table.columns.items()]
    means = [column.marked(marks, " ± {}") for column in columns(table)]
    methods = [_markdown(method) for method in table.summary["method"]]
    rows = list(zip(methods, table.summary["images"].astype(str), *means, strict=True))
    lines = _markdown_lines(["Method", "Images", *heads], rows, right_from=1)
    return f"{lines}\n\n" + "\n\n".join(map(_markdown, _footer(table))) + "\n"


def images_markdown(table: FolderTable) -> str:
    """Return the values of every image as a Markdown table."""
    heads, rows = _image_rows(table, _markdown)
    return _markdown_lines(heads, rows, right_from=3) + "\n"


def summary_latex(table: FolderTable) -> str:
    """Return the means as a LaTeX tabular; it needs the package booktabs."""
    marks = {BEST: r"\textbf{{{}}}", SECOND: r"\underline{{{}}}", 0: "{}"}
    arrows = {"higher": r"$\uparrow$", "lower": r"$\downarrow$"}
    heads = [f"{_latex(c)} {arrows[m.direction]}" for c, m in table.columns.items()]
    small = r" {{\scriptsize $\pm$ {}}}"
    means = [column.marked(marks, small, "$-$") for column in columns(table)]
    methods = [_latex(method) for method in table.summary["method"]]
    rows = list(zip(methods, *means, strict=True))
    body = [" & ".join(row) + r" \\" for row in rows]
    notes = [f"% {note}" for note in ("needs \\usepackage{booktabs}", *_footer(table))]
    return "\n".join(
        [
            *notes,
            rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
            r"\toprule",
            " & ".join(["Method", *heads]) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def images_latex(table: FolderTable) -> str:
    """Return the values of every image as a LaTeX longtable, which may break over pages."""
    heads, rows = _image_rows(table, _latex)
    heads = [_latex(head) for head in heads]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,longtable}",
            *(f"% {note}" for note in _footer(table)),
            rf"\begin{{longtable}}{{lll{'r' * len(table.columns)}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            r"\endhead",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{longtable}",
            "",
        ]
    )


def _image_rows(
    table: FolderTable, escape: Callable[[str], str]
) -> tuple[list[str], list[tuple[str, ...]]]:
    values: list[list[str]] = []
    for column in table.columns:
        places = digits(table.images[column])
        values.append([f"{value:.{places}f}" for value in table.images[column]])
    keys = [[escape(str(v)) for v in table.images[k]] for k in ("preset", "method", "image")]
    return ["preset", "method", "image", *table.columns], list(zip(*keys, *values, strict=True))


def _footer(table: FolderTable) -> list[str]:
    of = "" if table.preset == NO_PRESET else f"preset {table.preset}, "
    first = f"Mean ± standard error over the images, {of}FusionLab {__version__}."
    return [first, *table.notes()]


def _markdown_lines(heads: Sequence[str], rows: Sequence[Sequence[str]], right_from: int) -> str:
    """Return aligned lines; columns from `right_from` on are set to the right."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        fitted = [
            text.rjust(width) if i >= right_from else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(fitted)} |"

    rule = [
        "-" * (width - 1) + ":" if i >= right_from else "-" * width
        for i, width in enumerate(widths)
    ]
    return "\n".join([line(heads), line(rule), *map(line, rows)])


def _markdown(text: str) -> str:
    return text.replace("|", r"\|").replace("_", r"\_").replace("*", r"\*")


def _latex(text: str) -> str:
    return text.translate(_LATEX)
