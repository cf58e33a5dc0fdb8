"""The page of one scene: everything is on it, and nothing in a name can break it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers import METHODS, make_lab

from fusionlab.audit.links import dataset_url, safe, scene_url
from fusionlab.audit.pages import render_scene
from fusionlab.audit.scene import ScenePage, scene_page
from fusionlab.audit.study import Study
from fusionlab.decoys import DECOYS
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = make_lab(tmp_path_factory.mktemp("scene"), scenes=3, reference=True)
    score(made)
    select(made, load_policy("fusionfm"), "first")
    return Study(made)


@pytest.fixture(scope="module")
def page(study: Study) -> ScenePage:
    return scene_page(study.dataset("ivf", "toy"), "s1")


def test_a_page_holds_every_image_and_score(page: ScenePage) -> None:
    assert [p.name for p in page.sources] == ["ir", "vis"]
    assert {p.name for p in page.candidates} == set(METHODS)
    assert [p.place for p in page.candidates] == [1, 2, 3, 4]
    assert [p.label for p in page.candidates] == [True, False, False, False]
    assert page.candidates[0].name == page.label["method"]
    assert [p.name for p in page.truths] == ["truth"]
    methods = [row.cells[1].text for row in page.table.rows]
    assert set(methods) == {*METHODS, *DECOYS}
    kinds = {row.cells[1].text: row.kind for row in page.table.rows}
    assert kinds[page.label["method"]] == "label"
    assert kinds["decoy:mean"] == "decoy"
    assert "PSNR_ref" in [column.name for column in page.table.columns]


def test_pages_lead_to_their_neighbours(study: Study, page: ScenePage) -> None:
    known = study.dataset("ivf", "toy")
    assert (page.before, page.after) == (
        scene_url("ivf", "toy", "s0"),
        scene_url("ivf", "toy", "s2"),
    )
    assert scene_page(known, "s0").before == ""
    assert scene_page(known, "s2").after == ""
    assert page.up == dataset_url("ivf", "toy")
    assert (page.number, page.of) == (2, 3)


def test_html_names_all_and_fetches_nothing(page: ScenePage) -> None:
    html = render_scene(page, "first")
    for name in (*METHODS, "decoy:copy_a", *page.reasons[0].split(":")[:1]):
        assert name in html
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)
    assert html.count('class="view"') == len(METHODS) + 3
    assert html.count("data-full=") == len(METHODS) + 3


def test_names_of_files_are_safe_and_distinct() -> None:
    names = ["<script>", "a/b", "..", "a b", "a-b", "A-b", "é" * 80, "", "x" * 300, "%2e%2e"]
    made = [safe(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{9,60}", name) for name in made)


def test_scenes_are_ordered_by_the_numbers_in_their_names(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=12, methods=("mean",))
    score(made)
    select(made, load_policy("fusionfm"), "x")
    scenes = Study(made).dataset("ivf", "toy").scenes
    assert {"s2", "s10"} <= set(scenes)
    assert scenes == sorted(scenes, key=lambda scene: int(scene[1:]))
