"""In a real browser: all images follow one, differences are differences, nothing is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reports import ODD

from fusionlab.audit.links import scene_url

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


def failure(request: Any) -> list[str]:
    """Say that a file could not be had; leaving a page aborts what it was still loading."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"failed: {request.url}"]


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails on any error of a script, and on any address that is no file."""
    made = browser.new_page(viewport={"width": 1200, "height": 900})
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("requestfailed", lambda request: wrong.extend(failure(request)))
    made.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url),
    )
    made.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    yield made
    made.close()
    assert wrong == []


def transforms(page: Any) -> list[str]:
    return page.evaluate(
        "[...document.querySelectorAll('.stage')].map((s) => getComputedStyle(s).transform)"
    )


def open_scene(page: Any, out: Path, scene: str = "s1") -> None:
    page.goto((out / scene_url("ivf", "odd", scene)).as_uri())


def test_zoom_one_and_all_follow(page: Any, written: Any) -> None:
    open_scene(page, written[0])
    before = transforms(page)
    assert len(before) == 5
    box = page.locator(".view").nth(3).bounding_box()
    page.mouse.dblclick(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    zoomed = transforms(page)
    assert len(set(zoomed)) == 1
    assert zoomed != before
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 30)
    page.mouse.up()
    panned = transforms(page)
    assert len(set(panned)) == 1
    assert panned != zoomed
    page.keyboard.press("+")
    assert page.locator("#zoom-says").text_content() == "3\N{MULTIPLICATION SIGN}"
    page.keyboard.press("ArrowRight")
    assert len(set(transforms(page))) == 1
    page.keyboard.press("0")
    assert transforms(page) == before


def test_the_point_under_the_pointer_stays(page: Any, written: Any) -> None:
    open_scene(page, written[0])
    box = page.locator(".view").nth(2).bounding_box()
    x, y = 0.3, 0.6
    page.mouse.dblclick(box["x"] + x * box["width"], box["y"] + y * box["height"])
    image = page.locator(".view").nth(2).locator(".base").bounding_box()
    view = page.locator(".view").nth(2).bounding_box()
    at = ((view["x"] + x * view["width"] - image["x"]) / image["width"],
          (view["y"] + y * view["height"] - image["y"]) / image["height"])  # fmt: skip
    assert at == pytest.approx((x, y), abs=0.01)


def test_a_difference_from_oneself_is_black_and_from_another_is_not(
    page: Any, written: Any
) -> None:
    open_scene(page, written[0])
    page.locator("button.mode", has_text="label").click()
    page.wait_for_function(
        "[...document.querySelectorAll('.over')].every((image) => image.complete)"
    )
    assert page.locator(".over").count() == 5
    dark, other = (
        _brightest(page.locator(".candidate .view").nth(place).screenshot()) for place in (0, 1)
    )
    assert dark == 0
    assert other > 20
    page.keyboard.press("i")
    assert page.locator(".over").count() == 0


def _brightest(png: bytes) -> int:
    from io import BytesIO

    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(BytesIO(png)).convert("L"))
    return int(pixels[8:-8, 8:-8].max())


def test_a_held_key_shows_the_source_everywhere(page: Any, written: Any) -> None:
    open_scene(page, written[0])
    page.keyboard.down("s")
    assert page.locator(".over").count() == 5
    sources = page.evaluate("new Set([...document.querySelectorAll('.over')].map(o => o.src)).size")
    assert sources == 1
    page.keyboard.up("s")
    assert page.locator(".over").count() == 0


def test_keys_lead_to_the_scenes_around(page: Any, written: Any) -> None:
    open_scene(page, written[0])
    first = page.url
    page.keyboard.press("p")
    page.wait_for_url(lambda address: address != first)
    page.keyboard.press("n")
    page.wait_for_url(first)


def test_tables_sort_and_lists_are_searched(page: Any, written: Any) -> None:
    page.goto((written[0] / "scenes.html").as_uri())
    rows = page.locator("#scenes-list tbody tr:visible")
    assert rows.count() == 5
    page.keyboard.press("/")
    page.keyboard.type("<script> unheard-of")
    assert rows.count() == 0
    page.locator("input[type=search]").fill("<SCRIPT>")
    assert rows.count() == 1
    assert ODD in rows.first.text_content()
    page.locator("input[type=search]").fill("")
    head = page.locator("th", has_text="margin")
    head.click()
    assert head.get_attribute("aria-sort") == "descending"
    values = page.evaluate(
        "[...document.querySelectorAll('#scenes-list tbody td.n:nth-child(4)')]"
        ".map((cell) => parseFloat(cell.dataset.key))"
    )
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("name", ["index.html", "task/ivf.html", "data"])
def test_figures_are_drawn_without_a_network(page: Any, written: Any, name: str) -> None:
    file = written[0] / name
    file = next(file.glob("ivf-*.html")) if file.is_dir() else file
    page.goto(file.as_uri())
    count = page.locator(".figure").count()
    for place in range(count):
        page.locator(".figure").nth(place).scroll_into_view_if_needed()
    page.wait_for_function(
        f"document.querySelectorAll('.figure[data-drawn=done] svg.main-svg').length >= {count}"
    )
    assert count > 0
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
