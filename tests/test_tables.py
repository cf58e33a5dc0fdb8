import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fusionlab import schemas
from fusionlab.errors import LabError
from fusionlab.evaluation import tables as evaluation_tables
from fusionlab.schemas import INDEX, REJECTS, SCORES, labels_schema
from fusionlab.tables import concat, read_note, read_table, write_table


def score(scene, method="M", metric="EN", value=1.5, version=1):
    return {
        "task": "ivf",
        "dataset": "d",
        "scene": scene,
        "method": method,
        "metric": metric,
        "value": value,
        "metric_version": version,
        "sources_digest": "ab",
        "candidate_digest": "cd",
    }


ROWS = [score("b"), score("a"), score("a", "L"), score("c", value=math.nan)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "table.parquet"


@pytest.mark.parametrize("schema", [INDEX, REJECTS, SCORES, labels_schema(["EN", "VIF"])])
def test_a_table_without_rows_keeps_its_columns(path, schema):
    write_table(path, schema.empty(), schema)
    back = read_table(path, schema)
    assert list(back.columns) == schema.columns.names
    assert len(back) == 0
    assert set(schema.key) <= set(schema.columns.names)


def test_rows_come_back_sorted_by_the_key_and_nan_survives(path):
    write_table(path, pd.DataFrame(ROWS), SCORES)
    back = read_table(path, SCORES)
    assert list(zip(back["scene"], back["method"], strict=True)) == [
        ("a", "L"),
        ("a", "M"),
        ("b", "M"),
        ("c", "M"),
    ]
    assert math.isnan(back["value"].iloc[3])
    assert back["value"].iloc[0] == 1.5


@pytest.mark.parametrize("value", [math.inf, -math.inf, 5e-324, 0.1 + 0.2, 1.7976931348623157e308])
def test_floats_come_back_bit_for_bit(path, value):
    write_table(path, pd.DataFrame([score("a", value=value)]), SCORES)
    assert read_table(path, SCORES)["value"].iloc[0].hex() == value.hex()


def test_the_same_rows_in_any_order_give_the_same_bytes(path):
    seen = set()
    for rows in itertools.permutations(ROWS):
        write_table(path, pd.DataFrame(rows).sample(frac=1, axis=1), SCORES)
        seen.add(path.read_bytes())
    assert len(seen) == 1


def test_the_same_rows_in_other_dtypes_give_the_same_bytes(path):
    frame = pd.DataFrame(ROWS)
    seen = set()
    for variant in (
        frame,
        frame.astype({"scene": object, "method": "category", "metric_version": np.int32}),
        frame.set_index(pd.Index([7, 7, 8, 9])),
    ):
        write_table(path, variant, SCORES)
        seen.add(path.read_bytes())
        write_table(path, read_table(path, SCORES), SCORES)
        seen.add(path.read_bytes())
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda f: f.drop(columns="value"), r"lacks columns \['value'\]"),
        (lambda f: f.assign(extra=1), r"unknown columns \['extra'\]"),
        (lambda f: f.assign(value="much"), "wrong type"),
        (lambda f: f.assign(metric_version=1.5), "wrong type"),
        (lambda f: f.assign(metric_version=2**40), "wrong type"),
        (lambda f: f.assign(scene=[1, "a", "b", "c"]), "wrong type"),
        (lambda f: f.assign(scene=[["a"], "a", "b", "c"]), "wrong type"),
        (lambda f: f.assign(scene="a", method="M"), "has 4 rows for task 'ivf', dataset 'd'"),
    ],
)
def test_a_wrong_table_is_refused_and_the_old_one_stays(path, change, finding):
    write_table(path, pd.DataFrame(ROWS), SCORES)
    before = path.read_bytes()
    with pytest.raises(LabError, match=finding) as caught:
        write_table(path, change(pd.DataFrame(ROWS)), SCORES)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_note_comes_back(path):
    write_table(path, pd.DataFrame(ROWS), SCORES, note='{"names": "äöü"}')
    assert read_note(path) == '{"names": "äöü"}'
    write_table(path, pd.DataFrame(ROWS), SCORES)
    assert read_note(path) == ""


def test_a_missing_table_is_empty_where_a_schema_says_so_and_else_an_error(path):
    assert read_table(path, SCORES).empty
    with pytest.raises(LabError, match="is not a readable table"):
        read_table(path)
    with pytest.raises(LabError, match="is not a readable table"):
        read_note(path)


def test_a_cut_or_foreign_file_is_refused_with_a_remedy(path):
    write_table(path, pd.DataFrame(ROWS), SCORES)
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[:-1], whole[:100], b"no table at all" * 10):
        path.write_bytes(content)
        with pytest.raises(LabError, match="run the stage that makes it"):
            read_table(path, SCORES)
        with pytest.raises(LabError, match="is not a readable table"):
            read_note(path)


def test_a_table_of_other_columns_or_types_is_refused(path):
    write_table(path, pd.DataFrame(ROWS), SCORES)
    with pytest.raises(LabError, match="another version of FusionLab"):
        read_table(path, REJECTS)
    pd.DataFrame(ROWS).astype({"value": str}).to_parquet(path, index=False)
    with pytest.raises(LabError, match=r"value \(.*string\).*expected.*value \(double\)"):
        read_table(path, SCORES)


def test_pandas_reads_a_file_and_a_folder_in_one_line(path):
    write_table(path, pd.DataFrame(ROWS[:2]), SCORES)
    write_table(path.with_name("other.parquet"), pd.DataFrame(ROWS[2:]), SCORES)
    (path.parent / ".partial-table.parquet-0123").write_bytes(b"what a kill left behind")
    assert list(pd.read_parquet(path)["scene"]) == ["a", "b"]
    assert sorted(pd.read_parquet(path.parent)["scene"]) == ["a", "a", "b", "c"]


def test_concat_keeps_columns_and_dtypes_without_warnings():
    filled = pd.DataFrame(ROWS[:2])
    both = concat([SCORES.empty(), filled, SCORES.empty(), pd.DataFrame(ROWS[2:])], SCORES)
    assert len(both) == 4
    assert both["value"].dtype == np.float64
    assert list(concat([], SCORES).columns) == SCORES.columns.names


def test_labels_have_one_column_a_metric():
    names = labels_schema(["EN", "SSIM"]).columns.names
    assert [n for n in names if n.startswith("norm_")] == ["norm_EN", "norm_SSIM"]
    assert labels_schema([]).columns.field("total").type == pa.float64()


SNAPSHOT = Path(__file__).parent / "table_schemas.json"


def pinned() -> dict[str, dict[str, object]]:
    """What every table that FusionLab writes holds, by the name of its schema in the code."""
    found = {
        f"{module.__name__}.{name}": schema
        for module in (schemas, evaluation_tables)
        for name, schema in vars(module).items()
        if isinstance(schema, schemas.TableSchema)
    }
    found["fusionlab.schemas.labels_schema"] = labels_schema(["EN"])
    return {
        name: {
            "name": schema.name,
            "key": list(schema.key),
            "columns": {field.name: str(field.type) for field in schema.columns},
            "read without": sorted(schema.added),
        }
        for name, schema in sorted(found.items())
    }


def test_every_schema_is_as_it_was_pinned() -> None:
    """A change of a table is a change of the format: think of the tables that exist.

    Then: PYTHONPATH=tests python tests/test_tables.py
    """
    assert pinned() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(pinned(), indent=1) + "\n", encoding="utf-8")
