"""Write the parts of the documentation that come from the code.

Run it after a change of metrics, tables, policies or commands: ``python docs/generate.py``.
``tests/test_docs.py`` fails while a page is out of date. A generated part stands between
``<!-- begin generated: NAME -->`` and ``<!-- end generated -->``.
"""

from __future__ import annotations

import math
import re
import sys
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fusionlab import metrics, schemas
from fusionlab.baselines import BASELINES
from fusionlab.cli import app
from fusionlab.evaluation import tables as evaluation
from fusionlab.metrics.registry import FAMILIES
from fusionlab.selection import load_policy, shipped_policies
from fusionlab.tasks import TASKS, get_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).parent
BLOCK = re.compile(
    r"(<!-- begin generated: (?P<name>\w+) -->\n).*?(<!-- end generated -->)", re.DOTALL
)

COLUMNS = {
    "task": "`ivf`, `mif`, `mef` or `mff`",
    "dataset": "name of the data set, from the manifest",
    "scene": "name of the scene, from the file names",
    "role": "`source`, `method` or `reference`; empty where a file's name said nothing",
    "name": "modality, method or `truth`",
    "position": "sources: 0 is a, 1 is b, then further ones; -1 elsewhere",
    "height": "pixels",
    "width": "pixels",
    "channels": "1 (gray) or 3 (RGB)",
    "dtype": "`uint8` or `uint16`",
    "bucket": "group in the store, e.g. `460x630x3-uint8`",
    "row": "position on the bucket's scene axis",
    "digest": "SHA-256 of data type, shape and pixels",
    "file": "path as found, relative to the manifest's root",
    "file_digest": "SHA-256 of the file's bytes",
    "file_format": "as Pillow names it, e.g. `PNG`",
    "file_mode": "as Pillow names it, e.g. `RGB`",
    "notes": "what decoding undid, commas between: `equal_channels`, `opaque_alpha`, `palette`, "
    "`exif_rotated`, `first_frame` (of several), `transparent_border`; how values became levels: "
    "`range:LOW..HIGH`, `window:C/W` (centre, width) as declared, `own_window:C/W` (the file's), "
    "`percentile_window:C/W` (the volume's), `clipped`; `named:SCENE`, the scene that its name "
    "says where content says otherwise; `made:WHAT` of an image that FusionLab made: "
    "`made:method NAME VERSION`, `made:mosaic ...`",
    "region": "`y,x,h,w`: the part of its scene that the image shows; empty is the whole",
    "alignment": "the rule that made it fit its scene, e.g. `crop`, see [Inspection]"
    "(inspection.md#images-of-another-size); empty where none was needed",
    "fit": "how well the sources explain a candidate or reference, 0 to 1; missing elsewhere",
    "shift": "sources: estimated displacement against a, in pixels; missing where none can be told",
    "flags": "what was done to it, commas between, see [Fingerprints](inspection.md#fingerprints)",
    "twin": "`role/name` of the image of its scene, or `scene/NAME` of the scene, it nearly equals",
    "family": "name that related candidates of a scene share; empty where it stands alone",
    "inspected": "digest of what the columns from `region` on were judged from",
    "stage": "`ingest`, `baselines`, `score`, `tiles`, `select`, `mosaic`, `refine` or `fuse`",
    "reason": "reason code, see [Manifests](manifests.md#what-is-rejected-and-why)",
    "detail": "one sentence",
    "method": "scores: candidate or `decoy:NAME`; labels: the chosen candidate",
    "metric": "name of the metric",
    "value": "its value; not a number where it is undefined",
    "metric_version": "version of the metric's definition",
    "sources_digest": "one digest over the sources (and the truth, for metrics that use it)",
    "candidate_digest": "digest of the candidate's pixels; a decoy's name",
    "tile": "`y,x,h,w`: the part of the scene that was measured",
    "whole_total": "total of the best whole candidate in the tile",
    "place": "1 is the label; further ones with `--top`",
    "weight": "soft weight, 0 to 1; the rows of a scene sum to 1",
    "score": "what people think of it; higher is better",
    "number": "1, 2, ... within the scene; the last one counts",
    "verdict": "`choose`, `accept`, `veto` or `withdraw`",
    "by": "who decided",
    "because": "what that person said; of a mosaic, what it shows and gains; of a refined label, "
    "what was repaired and gained",
    "at": "when, UTC",
    "chosen_by": "`policy`, `mosaic`, `refined`, or the person who overruled it",
    "policy_method": "what the policy chose",
    "kind": "of damage: `detail`, `target`, `noise`, `halo`, `clipping`",
    "area": "share of the pixels that have this damage, 0 to 1",
    "strength": "how sure it is there, 0 to 1",
    "change": "mean change of luminance that was kept there, in grey levels",
    "kept": "share of the repair there that was kept, 0 to 1",
    "gain": "mean gain of the judges, in units of its noise",
    "map": "where the damage is: a gray PNG, see [Refining labels](refining.md#what-is-stored); "
    "empty without damage",
    "way": "how it was repaired, and the version of that",
    "recipe": "digest of all that the outcome depends on besides pixels",
    "digest_before": "digest of the label's pixels as they were",
    "digest_after": "digest of the refined pixels; empty where nothing was kept",
    "stability": "0 to 1, how often the choice survives when it is shaken; missing if unknown",
    "stability_weights": "the same, by weights alone",
    "stability_metrics": "the same, by leaving out metrics",
    "stability_tiles": "the same, by parts of the image; missing where tiles were not scored",
    "part": "`train` or `validation`",
    "total": "weighted mean of the normalised scores, less penalties",
    "margin": "total minus the runner-up's total; missing without a runner-up",
    "runner_up": "the second best candidate; empty if there is only one",
    "tied": "whether the margin is 0",
    "candidates": "candidates of the scene, decoys not counted",
    "norm_<metric>": "normalised score of the label, one column for each metric of the policy",
    "decoy": "the decoy that would have won; empty if none would",
    "decoy_lead": "best decoy's total minus best candidate's, with the decoys in the pool",
    "digest_a": "digest of the first source's pixels",
    "digest_b": "digest of the second source's pixels",
    "digest_candidate": "digest of the chosen candidate's pixels",
    "group": "sources: the group that the manifest puts the scene into; empty is none",
    "split": "`train`, `validation` or `test`; empty is none of them, see [Selection]"
    "(selection.md#train-validation-and-test)",
    "strategy": "of learning task after task",
    "order": "tasks as they were learned, `-` between",
    "seed": "of every random number",
    "form": "`lossless`, or `jpeg:QUALITY`; empty for candidates",
    "image": "digest of the pixels that were fused",
    "level": "false for a lossless image among compressed ones",
    "scenes": "how many",
    "validation": "of them, those that the run was judged by while it was trained",
    "rivals": "mean number of candidates that it is ranked against",
    "rank": "mean over scenes of the mean rank over the metrics; 1 is the best",
    "low": "of the 95 % interval",
    "high": "of the 95 % interval",
    "beaten": "share of its rivals that it is better than, 0 to 1",
    "wins": "scenes in which no candidate has a better mean rank",
    "of": "how many methods that are",
    "seeds": "runs that were averaged",
    "against": "the other",
    "difference": "mean rank of the one less that of the other; below 0 the first is better",
    "excludes_zero": "whether the interval does",
    "better": "scenes",
    "worse": "scenes",
    "spearman": "how alike ranks and people order the candidates, -1 to 1",
    "policy": "name and version of the policy",
    "policy_digest": "SHA-256 of what the policy says",
    "software_version": "version of FusionLab",
}


#: Where a column means something else in one table.
OWN_COLUMNS = {
    "splits.group": "the group that it went with: what its manifest says, or a scene's place",
    "judged.metric": "`PSNR`, `PSNR_local`, `SSIM`, `Qabf` or `VIF`",
    "forgetting.value": "mean over the scenes that are judged",
    "forgetting.metric": "as in `judged`",
    **dict.fromkeys(
        ("fused.method", "comparisons.method", "comparisons.against"),
        "`run:NAME`, `labels:NAME`, or the best candidate",
    ),
    **dict.fromkeys(
        ("leaderboard.method", "metrics.method", "scenes.method"),
        "`run:NAME`, `labels:NAME`, `decoy:NAME`, or a candidate",
    ),
    **dict.fromkeys(
        (f"{name}.group" for name in evaluation.RESULTS),
        "of metrics: `seen`, `unseen` or `truth`",
    ),
    **dict.fromkeys(
        ("leaderboard.kind", "metrics.kind", "scenes.kind"), "`run`, `labels`, `decoy`, `candidate`"
    ),
    **dict.fromkeys(
        ("leaderboard.dataset", "comparisons.dataset", "metrics.dataset", "opinions.dataset"),
        "name of the data set; `*` is all of the task",
    ),
    "fused.digest": "of the pixels that were measured",
    "fused.recipe": "digest of model, steps, task, sources and version of FusionLab",
    "fused scores.method": "`run:NAME` or `labels:NAME`",
    "leaderboard.scenes": "in which it was ranked",
    "leaderboard.position": "place among the methods that are in all scenes, if it alone entered",
    "scenes.part": "`train` or `validation` where the run had the scene; empty elsewhere",
    "scenes.rank": "mean over the metrics; 1 is the best",
    "scenes.rivals": "candidates that it is ranked against",
    "scenes.wins": "whether no candidate has a better mean rank",
    "scenes.metrics": "how many were averaged",
    "metrics.value": "mean over the scenes",
    "metrics.rank": "mean over the scenes",
}


def schema_table(schema: schemas.TableSchema) -> str:
    """Return the columns of one Parquet table as Markdown."""
    lines = [f"Sorted by, and unique in: {', '.join(f'`{key}`' for key in schema.key)}.", ""]
    lines += ["| column | type | meaning |", "| --- | --- | --- |"]
    for f in schema.columns:
        meaning = OWN_COLUMNS.get(f"{schema.name}.{f.name}") or COLUMNS[f.name]
        lines.append(f"| `{f.name}` | {f.type} | {meaning} |")
    return "\n".join(lines)


def metric_overview() -> str:
    """Return one line a metric."""
    lines = [
        "| name | what | better | range | looks at | policies |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in metrics.names():
        m = metrics.get(name)
        cells = (m.title, m.direction, _range(m), m.arity, _users(name))
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(metric: metrics.Metric) -> str:
    low, high = metric.range
    return f"{low:g} .. {high:g}"


def _users(metric: str) -> str:
    """Return which shipped policies weigh a metric, for which tasks, and which guard by it."""
    users = []
    for policy in shipped_policies().values():
        tasks = [task for task, weights in policy.weights.items() if metric in weights]
        if tasks:
            which = "" if set(tasks) == set(TASKS) else f" ({', '.join(tasks)})"
            users.append(f"`{policy.name}`{which}")
        guards = [name for name, guard in policy.guards.items() if guard.metric == metric]
        users += [f"guard `{name}` of `{policy.name}`" for name in guards]
    return ", ".join(users)


def metric_details() -> str:
    """Return formula, constants, range, size and source of every metric, family by family."""
    lines = []
    for family in FAMILIES:
        for m in family.metrics:
            lines += [f"#### {m.name}", "", f"{m.title}. Version {m.version}.", "", "```text"]
            lines += [f"{m.name} = {m.formula}"]
            if m.constants:
                lines.append(", ".join(f"{k} = {v:g}" for k, v in m.constants.items()))
            facts = f"Range {_range(m)}. Smallest side {m.min_side}. Source: {m.source}."
            lines += ["```", "", facts, ""]
    return "\n".join(lines).rstrip()


def methods() -> str:
    """Return one line a fusion method of ours."""
    lines = ["| name | what it does | tasks | paper |", "| --- | --- | --- | --- |"]
    for b in BASELINES.values():
        tasks = "all" if set(b.tasks) == set(TASKS) else ", ".join(b.tasks)
        lines.append(f"| `{b.name}` | {b.title} | {tasks} | {b.paper} |")
    return "\n".join(lines)


def policies() -> str:
    """Return the YAML of every shipped policy."""
    folder = resources.files("fusionlab.selection") / "policies"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return "\n\n".join(f"```yaml\n{f.read_text(encoding='utf-8').strip()}\n```" for f in files)


def policy_overview() -> str:
    """Return what every shipped policy weighs, task by task."""
    lines = [
        f"| policy | normalise | {' | '.join(TASKS)} | guards |",
        "| --- | --- | " + "--- | " * len(TASKS) + "--- |",
    ]
    for policy in shipped_policies().values():
        weights = [policy.weights.get(task, {}) for task in TASKS]
        cells = [", ".join(f"{w:g} {metric}" for metric, w in each.items()) for each in weights]
        row = [f"`{policy.name}` v{policy.version}", policy.normalise, *cells, len(policy.guards)]
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def guards() -> str:
    """Return the limits of the default policy's guards, task by task."""
    policy = load_policy(get_task("ivf").policy)
    lines = [f"| guard | metric | {' | '.join(TASKS)} |", "| --- | --- |" + " --- |" * len(TASKS)]
    for name, guard in policy.guards.items():
        cells = [_limits(guard.limits(task)) for task in TASKS]
        lines.append(f"| `{name}` | `{guard.metric}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _limits(limits: tuple[float, float] | None) -> str:
    low, high = limits or (-math.inf, math.inf)
    parts = [f">= {low:g}"] * (low > -math.inf) + [f"<= {high:g}"] * (high < math.inf)
    return ", ".join(parts)


def commands() -> str:
    """Return every command with its arguments and options."""
    lines: list[str] = []
    for name, command in _commands(typer.main.get_command(app)):
        lines += [f"## fusionlab {name}", "", _markdown(command.help), ""]
        lines += ["| argument or option | meaning | default |", "| --- | --- | --- |"]
        lines += [_parameter(p) for p in command.params if p.name != "help"]
        lines.append("")
    return "\n".join(lines).rstrip()


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, those of a group after it."""
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")


def _parameter(parameter: Any) -> str:
    is_option = type(parameter).__name__ == "TyperOption"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [_metavar(parameter)]
    notes = [parameter.help or ""]
    if is_option and parameter.envvar:
        notes.append(f"Environment variable: `{parameter.envvar}`.")
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif default is None or default is False or callable(default):
        shown = ""
    else:
        shown = f"`{default}`"
    cells = ", ".join(f"`{name}`" for name in names), " ".join(filter(None, notes)), shown
    return f"| {' | '.join(cells)} |"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _markdown(text: str) -> str:
    """Turn a help text into Markdown: its bold, and its example as a block."""
    text = re.sub(r"\[bold\](.*?)\[/\]", r"`\1`", text)
    return re.sub(r"\n\n?Example: (.+)", "", text).strip()


def all_schemas() -> dict[str, schemas.TableSchema]:
    """Return every table that FusionLab writes, by the name of its part on a page."""
    lab = (schemas.INDEX, schemas.SCORES, schemas.TILES, schemas.MOSAICS, schemas.REFINEMENTS)
    lab += (schemas.OPINIONS, schemas.OVERRIDES, schemas.SPLITS, schemas.REJECTS)
    runs = (schemas.RUN_SCENES, schemas.RUN_JUDGED, schemas.FORGETTING)
    evaluated = {f"evaluation_{name}": schema for name, schema in evaluation.RESULTS.items()}
    return {
        **{schema.name: schema for schema in (*lab, *runs)},
        "labels": schemas.labels_schema(["<metric>"]),
        "evaluation_fused": evaluation.FUSED,
        "evaluation_fused_scores": evaluation.FUSED_SCORES,
        **evaluated,
    }


PARTS: dict[str, Callable[[], str]] = {
    **{name: partial(schema_table, schema) for name, schema in all_schemas().items()},
    "metric_overview": metric_overview,
    "metric_details": metric_details,
    "methods": methods,
    "policies": policies,
    "policy_overview": policy_overview,
    "guards": guards,
    "commands": commands,
}


def regenerated(page: str) -> str:
    """Return the text of a page with its generated parts made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{PARTS[m['name']]()}\n\n{m[3]}", page)


def main() -> None:
    """Rewrite every page that is out of date."""
    for path in sorted(DOCS.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        if (made := regenerated(page)) != page:
            path.write_text(made, encoding="utf-8")
            sys.stdout.write(f"rewritten: {path}\n")


if __name__ == "__main__":
    main()
