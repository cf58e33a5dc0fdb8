"""Evaluating: what is done is not done again, failures are rows, labels never change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluations import METRICS, Model, entrant, run_scenes, scored
from helpers import make_lab, tree_bytes, write_dataset

from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.evaluation import Evaluation, evaluate
from fusionlab.evaluation.compression import as_jpeg
from fusionlab.evaluation.tables import RESULTS, kept_image, place_of
from fusionlab.images import digest
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.packing import pack
from fusionlab.refine import refine
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select


def row(found: Evaluation, method: str, group: str = "seen", form: str = "lossless") -> pd.Series:
    board = found.frames["leaderboard"]
    mine = board[(board["method"] == method) & (board["group"] == group) & (board["form"] == form)]
    assert len(mine) == 1
    return mine.iloc[0]


def test_a_model_is_ranked_among_candidates_decoys_and_labels(lab: Lab):
    found = evaluate(lab, [entrant(Model())], workers=1)
    assert found.entrants == ["run:model", "labels:first"]
    assert (found.to_fuse, found.rejected, found.qualities) == (7, {}, {})
    mine = row(found, "run:model")
    assert (mine["kind"], mine["scenes"], mine["rivals"], mine["of"]) == ("run", 7, 4, 5)
    assert mine["low"] <= mine["rank"] <= mine["high"]
    assert 0 <= mine["beaten"] <= 1
    assert mine["level"]
    kinds = set(found.frames["leaderboard"]["kind"])
    assert kinds == {"run", "labels", "decoy", "candidate"}
    groups = found.frames["metrics"].drop_duplicates("metric").set_index("metric")["group"]
    assert groups.to_dict() == {
        **dict.fromkeys(("EN", "SD", "SSIM", "Qabf", "VIF"), "seen"),
        **dict.fromkeys(("QMI", "Nabf"), "unseen"),
        "PSNR_ref": "truth",
    }
    for name, schema in RESULTS.items():
        stored = pd.read_parquet(place_of(lab) / f"{name}.parquet")
        assert list(stored) == schema.columns.names
        assert len(stored) == len(found.frames[name])


def test_a_label_ties_with_its_own_method(lab: Lab):
    found = evaluate(lab, [], workers=1)
    scenes = found.frames["scenes"].query("group == 'seen'").set_index(["scene", "method"])["rank"]
    for label in lab.labels("first").to_dict("records"):
        own = scenes[label["scene"], label["method"]]
        assert scenes[label["scene"], "labels:first"] == own + 0.5


def test_a_copy_of_a_candidate_is_what_its_label_is(lab: Lab):
    mean = Model("mean", function=lambda s: ((s[0].astype(int) + s[1]) / 2).round().astype("u1"))
    found = evaluate(lab, [entrant(mean)], workers=1)
    values = found.frames["metrics"].set_index(["method", "metric"])["value"]
    for metric in METRICS:
        assert values["run:mean", metric] == values["mean", metric]


def test_the_second_run_fuses_nothing_and_says_the_same(lab: Lab):
    model = Model()
    first = evaluate(lab, [entrant(model)], workers=2)
    before = tree_bytes(lab.path)
    second = evaluate(lab, [entrant(model)], workers=1)
    assert (len(model.calls), second.to_fuse) == (7, 0)
    assert tree_bytes(lab.path) == before
    for name, frame in first.frames.items():
        pd.testing.assert_frame_equal(frame, second.frames[name])


def test_what_is_done_is_known_by_model_steps_and_sources(lab: Lab):
    model = Model()
    evaluate(lab, [entrant(model)], workers=1)
    assert evaluate(lab, [entrant(Model(digest="d2"))], dry_run=True).to_fuse == 7
    assert evaluate(lab, [entrant(model, steps=4)], dry_run=True).to_fuse == 7
    evaluate(lab, [entrant(model, steps=4)], workers=1)
    assert model.calls == [None] * 7 + [4] * 7
    assert evaluate(lab, [entrant(model)], dry_run=True).to_fuse == 7


def test_a_new_metric_is_measured_on_the_images_that_are_there(lab: Lab):
    model = Model()
    evaluate(lab, [entrant(model)], workers=1)
    score(lab, ["Qcb"], workers=1)
    found = evaluate(lab, [entrant(model)], workers=1)
    assert len(model.calls) == 7
    metrics = found.frames["metrics"]
    assert metrics[metrics["method"] == "run:model"]["metric"].tolist().count("Qcb") == 1


def test_a_stop_in_between_keeps_what_was_written(lab: Lab, monkeypatch):
    from fusionlab.evaluation import run

    monkeypatch.setattr(run, "_AT_ONCE", 2)
    model = Model()

    def stop(done: int, _total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(lab, [entrant(model)], workers=1, on_progress=stop)
    assert evaluate(lab, [entrant(model)], dry_run=True).to_fuse == 3


def test_nothing_else_of_the_lab_changes(lab: Lab):
    before = tree_bytes(lab.path)
    evaluate(lab, [entrant(Model())], workers=1)
    after = tree_bytes(lab.path)
    apart = {name for name in after if name.startswith("evaluations/")}
    assert {name for name in after if after[name] != before.get(name)} - apart <= {
        "rejects.parquet"
    }
    select(lab, load_policy("fusionfm"), "again")
    pair = [lab.labels(name) for name in ("first", "again")]
    pd.testing.assert_frame_equal(*pair)


def test_an_image_that_fails_is_a_row_and_the_rest_goes_on(lab: Lab):
    first = lab.index("ivf", "toy").query("scene == 's3' and role == 'source'")
    broken = Model("broken", fails_on=first.sort_values("position")["digest"].iloc[0])
    small = Model("small", function=lambda s: s[0][:4, :4])
    raising = Model("raising", function=lambda s: 1 / 0)
    found = evaluate(lab, [entrant(m) for m in (broken, small, raising)], workers=1)
    assert found.rejected == {"method_failed": 14, "out_of_memory": 1}
    assert row(found, "run:broken")["scenes"] == 6
    rejects = lab.rejects().query("stage == 'evaluate'")
    assert set(rejects["name"]) == {"run:broken", "run:small", "run:raising"}
    assert rejects.query("reason == 'out_of_memory'")["scene"].tolist() == ["s3"]
    assert any("ZeroDivisionError" in detail for detail in rejects["detail"])
    evaluate(lab, [entrant(Model())], workers=1)
    assert lab.rejects().query("stage == 'evaluate'").empty


def test_pixels_of_the_lab_that_are_not_what_the_index_says_are_rows(lab: Lab):
    files = (lab.path / "images.zarr").glob("ivf/toy/*/source/ir/**/*")
    next(f for f in files if f.is_file() and f.name != "zarr.json").write_bytes(b"nothing")
    found = evaluate(lab, [entrant(Model())], workers=1)
    assert found.rejected == {"unreadable_pixels": 1}
    assert row(found, "run:model")["scenes"] == 6


def test_scenes_of_training_are_refused_left_out_or_ranked(lab: Lab):
    listed = run_scenes(lab, s1="train", s2="validation")
    trained = entrant(Model(), scenes=listed)
    with pytest.raises(UsageError, match=r"trained on 1 of .*ivf/toy/s1.*--seen-scenes skip"):
        evaluate(lab, [trained], workers=1)
    assert not place_of(lab).exists()
    skipped = evaluate(lab, [trained, entrant(Model("other"))], seen_scenes="skip", workers=1)
    assert [row(skipped, f"run:{m}")["scenes"] for m in ("model", "other")] == [6, 6]
    assert row(skipped, "run:model")["validation"] == 1
    assert skipped.left_out == {"ivf/toy/s1": "trained on"}
    assert skipped.unlisted == ["run:other"]
    allowed = evaluate(lab, [trained], seen_scenes="ok", workers=1)
    assert row(allowed, "run:model")["scenes"] == 7
    parts = allowed.frames["scenes"].query("method == 'run:model'").set_index("scene")["part"]
    assert parts["s1"].unique().tolist() == ["train"]


def test_scenes_for_training_are_left_out_and_no_error(lab: Lab):
    parts = lab.splits().set_index("scene")["split"]
    learned = {str(s): "train" for s in parts.index[parts == "train"]}
    found = evaluate(lab, [entrant(Model(), scenes=run_scenes(lab, **learned))], workers=1)
    assert found.left_out == {f"ivf/toy/{scene}": "trained on" for scene in learned}
    assert row(found, "run:model")["scenes"] == 7 - len(learned) > 0
    other = next(str(s) for s in parts.index[parts == "test"])
    odd = entrant(Model(), scenes=run_scenes(lab, **learned, **{other: "train"}))
    with pytest.raises(UsageError, match=rf"trained on 1 of .* not for training .*{other}"):
        evaluate(lab, [odd], workers=1)
    # what no run learned from is ranked, whatever it is for
    assert row(evaluate(lab, [entrant(Model())], workers=1), "run:model")["scenes"] == 7


def test_a_model_that_was_trained_on_everything_has_nothing_left(lab: Lab):
    everything = run_scenes(lab, **{f"s{i}": "train" for i in range(7)})
    with pytest.raises(UsageError, match="trained on all of them"):
        evaluate(lab, [entrant(Model(), scenes=everything)], seen_scenes="skip")


def test_seeds_are_averaged_scene_by_scene(lab: Lab):
    sharper = Model("b", "d2", lambda s: np.maximum(*s))
    pair = [entrant(Model("a"), "flow"), entrant(sharper, "flow")]
    together = evaluate(lab, pair, workers=1)
    alone = [evaluate(lab, [entrant(m)], workers=1) for m in (Model("a"), sharper)]
    ranks = [row(found, f"run:{name}")["rank"] for found, name in zip(alone, "ab", strict=True)]
    mine = row(together, "run:flow")
    assert mine["rank"] == pytest.approx(sum(ranks) / 2)
    assert (mine["seeds"], mine["scenes"]) == (2, 7)


def test_a_comparison_is_paired_and_below_zero_is_better(lab: Lab):
    good, bad = Model("good"), Model("bad", "d2", lambda s: np.zeros_like(s[0]))
    found = evaluate(lab, [entrant(good), entrant(bad)], workers=1)
    against = found.frames["comparisons"].set_index(["group", "method", "against"])
    against = against.sort_index()
    pair = against.loc["seen", "run:good", "run:bad"]
    assert pair["difference"] < 0
    assert (pair["better"], pair["worse"], pair["scenes"]) == (7, 0, 7)
    assert pair["excludes_zero"]
    ranks = [row(found, f"run:{name}")["rank"] for name in ("good", "bad")]
    assert pair["difference"] == pytest.approx(ranks[0] - ranks[1])
    board = found.frames["leaderboard"].query("kind == 'candidate' and group == 'seen'")
    assert against.loc["seen", "labels:first"].index.tolist() == [board["method"].iloc[0]]


def test_one_scene_has_no_interval_and_few_are_never_sure(tmp_path: Path):
    lab = scored(make_lab(tmp_path, scenes=1), "first")
    bad = Model("bad", "d2", lambda s: np.zeros_like(s[0]))
    found = evaluate(lab, [entrant(Model()), entrant(bad)], workers=1)
    assert np.isnan(row(found, "run:model")["low"])
    pair = found.frames["comparisons"].query("against == 'run:bad' and group == 'seen'").iloc[0]
    assert (pair["scenes"], bool(pair["excludes_zero"])) == (1, False)
    assert np.isnan(pair["low"])


def test_compressed_candidates_compress_what_is_ranked(jpeg_lab: Lab):
    model = Model()
    found = evaluate(jpeg_lab, [entrant(model)], workers=1)
    assert found.qualities == {"ivf/toy": 60}
    fair, lossless = (row(found, "run:model", form=form) for form in ("jpeg:60", "lossless"))
    assert (bool(fair["level"]), bool(lossless["level"])) == (True, False)
    fused = pd.read_parquet(place_of(jpeg_lab) / "fused" / "ivf-toy.parquet")
    image = kept_image(jpeg_lab, fused["image"].iloc[0])
    assert image is not None
    forms = fused[fused["image"] == fused["image"].iloc[0]].set_index("form")["digest"]
    assert forms.to_dict() == {"jpeg:60": digest(as_jpeg(image, 60)), "lossless": digest(image)}
    assert len(model.calls) == 2
    compared = found.frames["comparisons"]
    assert not compared["against"].str.contains("lossless").any()
    assert row(found, "labels:first", form="jpeg:60")["level"]


def test_over_data_sets_a_form_has_all_scenes_of_who_has_it(jpeg_lab: Lab, tmp_path: Path):
    other = write_dataset(tmp_path / "more", scenes=2, dataset="plain")
    ingest(*load_manifest(other), jpeg_lab)
    scored(jpeg_lab, "both")
    found = evaluate(jpeg_lab, [entrant(Model())], ["both"], workers=1)
    board = found.frames["leaderboard"].query("dataset == '*' and group == 'seen'")
    mine = board.query("kind == 'run'").set_index("form")
    assert mine["scenes"].to_dict() == {"level": 4, "lossless": 4}
    assert mine["level"].to_dict() == {"level": True, "lossless": False}
    assert board.query("kind == 'labels'")["form"].tolist() == ["level"]
    assert board.query("kind == 'decoy'")["form"].unique().tolist() == [""]


def test_a_refined_label_is_compressed_as_a_model_is(jpeg_lab: Lab):
    index = jpeg_lab.index("ivf", "toy")
    refine(jpeg_lab, "first", "refined", workers=1)
    made = jpeg_lab.index("ivf", "toy")
    found = evaluate(jpeg_lab, [], ["refined"], workers=1)
    forms = found.frames["leaderboard"].query("kind == 'labels'")["form"]
    assert set(forms) == ({"jpeg:60", "lossless"} if len(made) > len(index) else {"jpeg:60"})


def test_a_label_that_is_gone_is_a_row(lab: Lab):
    chosen = lab.labels("first").iloc[0]
    with lab.writing():
        index = lab.index("ivf", "toy")
        gone = (index["scene"] == chosen["scene"]) & (index["name"] == chosen["method"])
        lab.write_index("ivf", "toy", index[~gone])
    found = evaluate(lab, [], workers=1)
    assert found.rejected == {"label_changed": 1}
    assert row(found, "labels:first")["scenes"] == 6


def test_labels_that_are_all_gone_are_rows_and_the_rest_is_ranked(lab: Lab):
    chosen = set(lab.labels("first")["scene"] + lab.labels("first")["method"])
    with lab.writing():
        index = lab.index("ivf", "toy")
        lab.write_index("ivf", "toy", index[~(index["scene"] + index["name"]).isin(chosen)])
    found = evaluate(lab, [entrant(Model())], ["first"], workers=1)
    assert found.rejected == {"label_changed": len(chosen)}
    assert row(found, "run:model")["scenes"] > 0


def test_metrics_may_be_named_and_must_then_be_there(lab: Lab):
    found = evaluate(lab, [entrant(Model())], metrics=["EN", "Nabf"], workers=1)
    assert set(found.frames["metrics"]["metric"]) == {"EN", "Nabf"}
    with pytest.raises(LabError, match=r"fusionlab score .*Qcb"):
        evaluate(lab, [entrant(Model())], metrics=["Qcb"], workers=1)
    with pytest.raises(UnknownNameError, match="Qcbb"):
        evaluate(lab, [entrant(Model())], metrics=["Qcbb"], workers=1)


def test_what_cannot_be_evaluated_is_told(tmp_path: Path):
    lab = make_lab(tmp_path, scenes=1)
    with pytest.raises(LabError, match="fusionlab score"):
        evaluate(lab, [entrant(Model())])
    with pytest.raises(LabError, match="toy has no scores"):
        evaluate(lab, [entrant(Model())], datasets=["toy"])
    with pytest.raises(UnknownNameError, match="toys"):
        evaluate(lab, [entrant(Model())], datasets=["toys"])
    with pytest.raises(LabError, match="has no labels yet"):
        evaluate(lab, [entrant(Model())], ["first"])


def test_a_packed_lab_can_be_evaluated_in(lab: Lab, tmp_path: Path):
    pack(lab, tmp_path / "packed")
    found = evaluate(Lab.open(tmp_path / "packed"), [entrant(Model())], workers=1)
    assert row(found, "run:model")["scenes"] == 7


def test_opinions_say_how_far_ranks_can_be_trusted(lab: Lab):
    index = lab.index("ivf", "toy").query("role == 'method'")
    points = {"mean": 4.0, "sharp": 3.0, "noisy": 1.0, "copy_ir": 2.0}
    rows = index[["task", "dataset", "scene", "name"]].rename(columns={"name": "method"})
    with lab.writing():
        frame = rows.assign(score=rows["method"].map(points), file="")
        lab.write_opinions("ivf", "toy", frame)
    found = evaluate(lab, [], workers=1)
    agreed = found.frames["opinions"].set_index("group")
    assert set(agreed.index) == {"seen", "unseen", "truth"}
    assert agreed["spearman"].between(-1, 1).all()
    assert (agreed["scenes"] == 7).all()
