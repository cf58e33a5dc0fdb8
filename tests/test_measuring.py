"""Folders of images: pairing, rejects, means, files, the terminal."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, fuse, sources, write_image
from typer.testing import CliRunner, Result

from fusionlab import metrics
from fusionlab.cli import app
from fusionlab.errors import MetricInputError, UnknownNameError, UsageError
from fusionlab.measuring import layout, measure_files, measure_folders, run
from fusionlab.measuring.table import NO_PRESET, Row, build
from fusionlab.measuring.write import check, mean_path, write

NAMES = ["EN", "MSE", "SCD"]


def make(root: Path, scenes: int = 3, methods: tuple[str, ...] = METHODS) -> tuple[Path, ...]:
    """Write sources, and one folder a method; return the three folders."""
    for i in range(scenes):
        a, b = sources(i)
        write_image(root / "ir" / f"s{i}.png", a)
        write_image(root / "vis" / f"s{i}.png", b)
        write_image(root / "truth" / f"s{i}.png", fuse("mean", a, b))
        for method in methods:
            write_image(root / "out" / method / f"s{i}.png", fuse(method, a, b))
    return root / "ir", root / "vis", root / "out"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, ...]:
    return make(tmp_path)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["measure", *(str(a) for a in arguments)])


def reasons(table) -> dict[str, str]:
    return dict(zip(table.rejects["file"].map(lambda f: Path(f).name), table.rejects["reason"],
                    strict=True))  # fmt: skip


# -- values ------------------------------------------------------------------------------------


def test_values_are_those_of_single_images(folders) -> None:
    table = measure_folders(*folders, NAMES)
    assert list(table.images) == ["preset", "method", "image", *NAMES]
    assert len(table.images) == 3 * len(METHODS)
    assert table.preset == NO_PRESET
    for row in table.images.to_dict("records"):
        a, b = sources(int(row["image"][1:]))
        want = metrics.prepare((a, b), NAMES).measure(fuse(row["method"], a, b))
        assert {name: row[name] for name in NAMES} == pytest.approx(want, nan_ok=True)
    assert table.rejects.empty


def test_mean_standard_error_and_counts(folders) -> None:
    table = measure_folders(*folders, NAMES)
    summary = table.summary.set_index("method")
    assert list(summary.index) == sorted(METHODS)
    values = table.images.set_index("method").loc["noisy", "MSE"]
    assert summary.loc["noisy", "MSE"] == pytest.approx(values.mean())
    assert summary.loc["noisy", "MSE_se"] == pytest.approx(values.std(ddof=1) / math.sqrt(3))
    assert summary.loc["noisy", ["images", "MSE_n", "MSE_nan", "MSE_inf"]].tolist() == [3, 3, 0, 0]
    # a copy of a source has no SCD: left out, and counted
    assert summary.loc["copy_ir", ["SCD_n", "SCD_nan"]].tolist() == [0, 3]
    assert math.isnan(summary.loc["copy_ir", "SCD"])
    assert table.notes() == ["SCD: nan values left out of the mean: copy_ir 3"]


def test_infinite_values_are_left_out_and_counted() -> None:
    metric = metrics.get("PSNR_ref")
    rows = [Row("m", f"i{k}", {"PSNR_ref": v}) for k, v in enumerate((20.0, math.inf, 40.0))]
    table = build(rows, [], {"PSNR_ref": metric}, NO_PRESET)
    row = table.summary.iloc[0]
    assert (row["PSNR_ref"], row["PSNR_ref_se"]) == (30.0, pytest.approx(10.0))
    assert (row["PSNR_ref_n"], row["PSNR_ref_inf"], row["PSNR_ref_nan"]) == (2, 1, 0)
    assert table.notes() == ["PSNR_ref: infinite values left out of the mean: m 1"]


def test_one_image_has_no_standard_error(tmp_path: Path) -> None:
    table = measure_folders(*make(tmp_path, scenes=1), ["EN"])
    assert table.summary["EN_se"].isna().all()
    assert "±" not in layout.summary_markdown(table).split("\n\n")[0]


@pytest.mark.parametrize("workers", [1, 5])
def test_workers_change_nothing_and_progress_reaches_the_end(folders, workers, monkeypatch) -> None:
    monkeypatch.setattr(run, "_FEWEST_PER_TASK", 1)
    seen: list[tuple[int, int]] = []
    table = measure_folders(
        *folders, NAMES, workers=workers, on_progress=lambda *moved: seen.append(moved)
    )
    pd.testing.assert_frame_equal(table.images, measure_folders(*folders, NAMES).images)
    assert seen[0] == (0, 12)
    assert seen[-1] == (12, 12)
    assert seen == sorted(seen)


def test_sources_are_prepared_once_an_image(folders, monkeypatch) -> None:
    calls, lock, real = [], threading.Lock(), metrics.prepare

    def counting(*arguments, **options):
        with lock:
            calls.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(run.library, "prepare", counting)
    measure_folders(*folders, ["EN"])
    assert len(calls) == 3


# -- what belongs together -----------------------------------------------------------------------


def test_a_flat_folder_is_one_method_and_endings_may_differ(tmp_path: Path) -> None:
    import cv2

    ir, vis, _ = make(tmp_path, scenes=2)
    (tmp_path / "mine").mkdir()
    for i in range(2):
        cv2.imwrite(str(tmp_path / "mine" / f"s{i}.BMP"), fuse("mean", *sources(i)))
    table = measure_folders(ir, vis, tmp_path / "mine", ["EN"])
    assert table.summary["method"].tolist() == ["mine"]
    assert len(table.images) == 2


def test_files_that_fit_nowhere_are_rejected(folders) -> None:
    ir, _, out = folders
    (ir / "s0.png").rename(ir / "lonely.png")
    (out / "mean" / "s1.png").unlink()
    (out / "noisy" / "notes.txt").write_text("hello")
    (out / "noisy" / "deeper").mkdir()
    (out / "noisy" / ".hidden").write_text("")
    write_image(out / "sharp" / "s2.bmp", fuse("mean", *sources(2)))
    table = measure_folders(*folders, ["EN"])
    assert {
        (row["reason"], row["method"], row["image"]) for row in table.rejects.to_dict("records")
    } == {
        ("missing_source", "", "lonely"),
        ("missing_source", "", "s0"),
        *(("no_sources", method, "s0") for method in METHODS),
        ("missing_fused", "mean", "s1"),
        ("missing_fused", "sharp", "s2"),
        ("unmatched_file", "noisy", "notes"),
        ("unmatched_file", "noisy", ""),
        ("duplicate_file", "sharp", "s2"),
    }
    assert len(table.images) == 2 * len(METHODS) - 2
    assert "their means do not compare" in table.notes()[-1]


def test_broken_files_are_rejected_and_stop_nothing(folders) -> None:
    ir, vis, out = folders
    (out / "mean" / "s0.png").write_bytes(b"")
    (out / "noisy" / "s0.png").write_bytes(b"no image at all")
    (out / "sharp" / "s0.png").write_bytes((out / "sharp" / "s0.png").read_bytes()[:300])
    write_image(out / "copy_ir" / "s0.png", np.zeros((10, 12), np.uint8))
    (vis / "s1.png").write_bytes(b"broken")
    write_image(ir / "s2.png", np.zeros((47, 57), np.uint8))
    table = measure_folders(*folders, ["EN"])
    found = {
        (row["method"], row["image"]): row["reason"] for row in table.rejects.to_dict("records")
    }
    assert found == {
        ("mean", "s0"): "empty_file",
        ("noisy", "s0"): "undecodable",
        ("sharp", "s0"): "undecodable",
        ("copy_ir", "s0"): "size_mismatch",
        ("", "s1"): "undecodable",
        **{(method, "s1"): "source_rejected" for method in METHODS},
        **{(method, "s2"): "source_sizes_differ" for method in METHODS},
    }
    assert table.images.empty
    assert not table.rejects["detail"].str.contains("s0.png").any()


def test_an_unreadable_file(folders, monkeypatch) -> None:
    victim = folders[2] / "mean" / "s1.png"
    real = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path == victim:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    table = measure_folders(*folders, ["EN"])
    assert reasons(table) == {"s1.png": "unreadable"}


def test_a_dark_16_bit_image_that_metrics_refuse_is_a_reject(folders) -> None:
    dark = np.zeros((48, 57), np.uint16)
    dark[0, 0] = 100
    write_image(folders[2] / "mean" / "s1.png", dark)
    table = measure_folders(*folders, ["EN"])
    assert reasons(table) == {"s1.png": "unmeasurable"}


def test_too_small_images_are_nan(tmp_path: Path) -> None:
    a, b = sources(0, 20, 30)
    for name, image in (("ir", a), ("vis", b), ("out", fuse("mean", a, b))):
        write_image(tmp_path / name / "s.png", image)
    table = measure_folders(tmp_path / "ir", tmp_path / "vis", tmp_path / "out", ["EN", "VIF"])
    assert table.images["VIF"].isna().all()
    assert table.images["EN"].notna().all()


def test_folders_that_share_no_name_say_what_they_hold(tmp_path: Path) -> None:
    ir, vis, out = make(tmp_path, scenes=1)
    (vis / "s0.png").rename(vis / "s0_VIS.png")
    with pytest.raises(UsageError, match=r"vis: 1 images, e\.g\. s0_VIS\.png.*fusionlab ingest"):
        measure_folders(ir, vis, out)
    with pytest.raises(UsageError, match="does not exist"):
        measure_folders(ir, vis, tmp_path / "none")
    with pytest.raises(UsageError, match="three files or three folders"):
        measure_folders(ir, vis / "s0_VIS.png", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no image"):
        measure_folders(ir, tmp_path / "empty", out)


# -- references and presets ----------------------------------------------------------------------


def test_references(folders, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    (truth / "s0.png").unlink()
    write_image(truth / "s1.png", np.zeros((9, 9), np.uint8))
    write_image(truth / "s9.png", np.zeros((9, 9), np.uint8))
    table = measure_folders(*folders, reference=truth)
    assert list(table.columns) == [*metrics.DEFAULT_METRICS, "PSNR_ref", "SSIM_ref"]
    assert table.images.groupby("image")["SSIM_ref"].count().tolist() == [0, 0, 4]
    assert table.images["EN"].notna().all()
    assert dict(zip(table.rejects["image"], table.rejects["reason"], strict=True)) == {
        "s0": "missing_reference",
        "s1": "size_mismatch",
        "s9": "no_sources",
    }
    assert table.summary.set_index("method").loc["mean", "PSNR_ref_inf"] == 1
    with pytest.raises(UsageError, match="--reference"):
        measure_folders(*folders, ["PSNR_ref"])


def test_presets_name_the_columns_and_every_row(folders) -> None:
    table = measure_folders(*folders, ["PSNR", "EN", "SF"], preset="vifb")
    assert (table.images["preset"] == "vifb").all()
    assert (table.summary["preset"] == "vifb").all()
    assert {c: m.name for c, m in table.columns.items()} == {
        "PSNR": "PSNR_vifb",
        "EN": "EN",
        "SF": "SF_vifb",
    }
    a, b = sources(0)
    want = metrics.prepare((a, b), ["PSNR_vifb"]).measure(fuse("mean", a, b))["PSNR_vifb"]
    found = table.images.query("method == 'mean' and image == 's0'")["PSNR"]
    assert found.tolist() == [want]
    with pytest.raises(UnknownNameError, match="cddfuse"):
        measure_folders(*folders, preset="cdfuse")


def test_measure_files(folders) -> None:
    files = [folder / "s0.png" for folder in folders[:2]] + [folders[2] / "mean" / "s0.png"]
    table = measure_files(*files, "EN")
    assert table.images[["method", "image"]].to_numpy().tolist() == [["mean", "s0"]]
    assert set(table.only()) == {"EN"}
    write_image(files[2], np.zeros((9, 9), np.uint8))
    with pytest.raises(MetricInputError, match="9 x 9"):
        measure_files(*files)


# -- layout and files ----------------------------------------------------------------------------


def table_of(**means: list[float]):
    columns = {name: metrics.get(name) for name in means}
    count = len(next(iter(means.values())))
    rows = [Row(f"m_{i}", "x", {n: means[n][i] for n in means}) for i in range(count)]
    return build(rows, [], columns, NO_PRESET)


def test_best_and_second_follow_the_direction_and_share_ties() -> None:
    values = pd.Series([1.0, 3.0, 2.0, 3.0, math.nan])
    assert layout.ranks(values, metrics.get("EN")) == [0, 1, 2, 1, 0]
    assert layout.ranks(values, metrics.get("MSE")) == [1, 0, 2, 0, 0]
    assert layout.ranks(pd.Series([1.0, 2.0]), metrics.get("EN")) == [0, 1]
    assert layout.ranks(pd.Series([1.0]), metrics.get("EN")) == [0]


@pytest.mark.parametrize(
    ("value", "places"), [(0.0, 6), (0.0026, 6), (0.5, 4), (6.7, 3), (55.3, 2), (2917.2, 1)]
)
def test_digits(value: float, places: int) -> None:
    assert layout.digits(pd.Series([value, math.nan, math.inf, -value])) == places


def test_markdown_and_latex_mark_the_best() -> None:
    table = table_of(EN=[6.0, 7.0, 6.5], MSE=[10.0, 30.0, 20.0])
    text = layout.summary_markdown(table)
    assert "EN ↑" in text
    assert "MSE ↓" in text
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "**10.00**" in lines[r"m\_0"]
    assert "**7.000**" in lines[r"m\_1"]
    assert "<u>6.500</u>" in lines[r"m\_2"]
    latex = layout.summary_latex(table)
    assert r"m\_1 & \textbf{7.000} & 30.00 \\" in latex
    assert r"m\_2 & \underline{6.500} & \underline{20.00} \\" in latex
    assert r"EN $\uparrow$ & MSE $\downarrow$ \\" in latex
    assert latex.count(r"\begin") == latex.count(r"\end{") == 1


def test_latex_shows_errors_and_minus_signs(folders) -> None:
    table = measure_folders(*folders, ["CC", "CE"])
    assert r"{\scriptsize $\pm$ 0." in layout.summary_latex(table)
    negative = table_of(CC=[-0.5, 0.25])
    assert r"m\_0 & $-$0.5000 \\" in layout.summary_latex(negative)
    assert layout.summary_latex(negative).isascii() or "±" in layout.summary_latex(negative)


@pytest.mark.parametrize("ending", ["csv", "parquet", "md", "tex"])
def test_files(folders, tmp_path: Path, ending: str) -> None:
    table = measure_folders(*folders, NAMES)
    path = tmp_path / "new" / f"table.{ending}"
    assert write(table, path) == [path, path.with_name(f"table-mean.{ending}")]
    if ending in ("csv", "parquet"):
        read = pd.read_csv if ending == "csv" else pd.read_parquet
        pd.testing.assert_frame_equal(read(path), table.images, check_exact=False)
        pd.testing.assert_frame_equal(read(mean_path(path)), table.summary, check_exact=False)
    else:
        assert path.read_text().count("s1") == len(METHODS)
        assert "noisy" in mean_path(path).read_text()
    assert {file.name for file in path.parent.iterdir()} == {path.name, mean_path(path).name}


# -- the command ---------------------------------------------------------------------------------


def test_the_command_shows_means_images_and_rejects(folders) -> None:
    (folders[2] / "mean" / "s0.png").write_bytes(b"")
    result = command(*folders, "--metrics", "EN,MSE")
    assert result.exit_code == 0
    for words in ("EN ↑", "MSE ↓", "±", "copy_ir", "Every image", "Not measured: empty_file 1",
                  "the file has 0 bytes", "11 images of 4 methods measured"):  # fmt: skip
        assert words in result.output


def test_the_command_as_json(folders) -> None:
    (folders[2] / "mean" / "s0.png").write_bytes(b"")
    result = command(*folders, "--preset", "cddfuse", "--metrics", "EN,PSNR", "--json")
    found = json.loads(result.stdout)
    assert found["preset"] == "cddfuse"
    assert found["metrics"] == {"EN": "EN", "PSNR": "PSNR_maxF"}
    assert len(found["images"]) == 11
    assert len(found["summary"]) == 4
    assert [row["reason"] for row in found["rejects"]] == ["empty_file"]


def test_the_command_writes_all_files(folders, tmp_path: Path) -> None:
    out = [f"--out={tmp_path}/t.{ending}" for ending in ("csv", "md")]
    result = command(*folders, "--metrics=EN", *out)
    assert result.exit_code == 0
    assert "t-mean.md" in result.output.replace("\n", "")
    assert (tmp_path / "t-mean.csv").exists()
    refused = command(*folders, "--out", tmp_path / "t.xlsx")
    assert refused.exit_code == 2
    assert ".parquet" in refused.output


def test_the_command_with_nothing_left_exits_with_1(folders) -> None:
    for file in folders[0].iterdir():
        file.write_bytes(b"broken")
    result = command(*folders, "--metrics=EN")
    assert result.exit_code == 1
    assert "source_rejected 12" in result.output


def test_many_columns_leave_the_errors_out_of_the_terminal(folders) -> None:
    result = command(*folders, "--preset=cddfuse")
    assert result.exit_code == 0
    assert "preset cddfuse" in result.output
    assert "standard errors: --out FILE or --json" in result.output


def test_one_image_with_preset_and_files(folders, tmp_path: Path) -> None:
    files = [folder / "s0.png" for folder in folders[:2]] + [folders[2] / "mean" / "s0.png"]
    result = command(*files, "--preset=vifb", "--metrics=SF", f"--out={tmp_path}/t.csv", "--json")
    found = json.loads(result.stdout)
    assert set(found) == {"preset", "SF"}
    assert pd.read_csv(tmp_path / "t.csv")["method"].tolist() == ["mean"]


def test_presets_are_listed() -> None:
    shown = CliRunner().invoke(app, ["metrics", "--presets"])
    assert "PSNR = PSNR_tang" in shown.output
    listed = json.loads(CliRunner().invoke(app, ["metrics", "--presets", "--json"]).stdout)
    assert [row["name"] for row in listed] == ["cddfuse", "tang", "vifb"]


def test_a_read_only_output_folder_is_refused_before_measuring(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UsageError, match="cannot be written to"):
        check([tmp_path / "new" / "t.csv"])


def test_nothing_to_measure_says_what_was_turned_away(tmp_path):
    image = np.zeros((48, 48), np.uint8)
    for name in ("a/one.png", "b/one.png", "f/one.png", "f/one.bmp"):
        write_image(tmp_path / name, image)
    with pytest.raises(UsageError, match="claim the same place"):
        measure_folders(tmp_path / "a", tmp_path / "b", tmp_path / "f")


# -- ranges ------------------------------------------------------------------------------------


def test_12_bit_files_measure_like_their_8_bit_selves_once_their_range_is_declared(tmp_path):
    plain, deep = tmp_path / "plain", tmp_path / "deep"
    a, b = sources(0)
    images = {"a": a, "b": b, "f": fuse("mean", a, b)}
    for name, image in images.items():
        write_image(plain / f"{name}.png", image)
        write_image(deep / f"{name}.png", image.astype(np.uint16) * 16)  # 4080 is white
    files = [deep / f"{name}.png" for name in "abf"]
    expected = measure_files(*(plain / f"{name}.png" for name in "abf"), ["EN", "SD"]).only()
    got = measure_files(*files, ["EN", "SD"], data_range=(0, 4080)).only()
    assert got == pytest.approx(expected, rel=1e-3)
    assert measure_files(*files, ["SD"]).only()["SD"] < expected["SD"] / 10
    told = command(*files, "--metrics", "SD", "--data-range", "0", "4080", "--json")
    assert json.loads(told.stdout)["SD"] == got["SD"]
    folders = measure_folders(*files_in_folders(tmp_path, files), ["SD"], data_range=(0, 4080))
    assert folders.images["SD"].tolist() == [got["SD"]]


def files_in_folders(root: Path, files: list[Path]) -> list[Path]:
    made = [root / "folders" / file.stem for file in files]
    for folder, file in zip(made, files, strict=True):
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(file.read_bytes())
    return made


def test_a_range_that_does_not_rise_is_refused(folders):
    told = command(*folders, "--data-range", "1", "0")
    assert told.exit_code == 2
    with pytest.raises(UsageError, match=r"1\.\.0 does not rise"):
        measure_folders(*folders, data_range=(1, 0))
