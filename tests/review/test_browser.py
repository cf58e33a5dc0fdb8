"""The review in a real browser: what is pressed there stands in the table."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import uvicorn

from fusionlab.lab import Lab
from fusionlab.overrides import decide, standing
from fusionlab.review.app import make_app
from fusionlab.review.desk import Desk
from fusionlab.review.run import _listen

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")


@dataclass
class Sitting:
    """A review that is being served, and where."""

    lab: Lab
    address: str

    @property
    def home(self) -> str:
        return self.address.partition("/?")[0]

    def rows(self) -> list[tuple[str, str, str]]:
        table = standing(self.lab)
        return list(zip(table["scene"], table["verdict"], table["method"], strict=True))


@pytest.fixture
def sitting(lab: Lab) -> Iterator[Sitting]:
    with _listen(0) as listener:
        port = listener.getsockname()[1]
        app = make_app(Desk(lab, "first", "ann"), "token", port)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Sitting(lab, f"http://127.0.0.1:{port}/?token=token")
        server.should_exit = True
        thread.join()


@dataclass
class Command(Sitting):
    """A review as the command serves it."""

    process: subprocess.Popen

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and all that was printed."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err


@pytest.fixture
def command(lab: Lab) -> Iterator[Command]:
    code = "from fusionlab.cli import main; main()"
    words = ["review", "--lab", lab.path, "--labels", "first", "--by", "ann", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    said = ""
    while "http" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    yield Command(lab, re.search(r"http://\S+", said)[0], process)
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium) -> Iterator[object]:
    made = chromium.new_context()
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def page(context, sitting: Sitting) -> object:
    """Open the address in a tab that complains about every error."""
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if _is_bad(said) else None)
    tab.on("request", lambda sent: complaints.append(sent.url) if _strange(sent, sitting) else None)
    tab.goto(sitting.address)
    tab.wait_for_url("**/scenes/**")
    yield tab
    assert complaints == []


def _is_bad(message) -> bool:
    """Tell whether it is an error; that an order came too late is one to the browser only."""
    return message.type == "error" and "409 (Conflict)" not in message.text


def _strange(request, sitting: Sitting) -> bool:
    return not request.url.startswith((sitting.home, "data:"))


def scene(page) -> str:
    return page.locator("h1").inner_text()


def press(page, key: str) -> None:
    """Press a key that leads to another page, or to the same one anew."""
    with page.expect_event("load"):
        page.keyboard.press(key)


def test_choose_another_reload_and_it_stands_in_the_table(page, sitting: Sitting) -> None:
    here, url = scene(page), page.url
    card = page.locator(".card.candidate:not(.label)").first
    method = card.get_attribute("data-name")
    with page.expect_event("load"):
        card.locator("button.pick").click()
    assert sitting.rows() == [(here, "choose", method)]
    assert scene(page) != here
    assert f"Saved: {here} gets {method}." in page.locator("#notice").inner_text()
    page.goto(url)
    page.reload()
    assert f"Chosen: {method}" in page.locator("#decision").inner_text()
    assert page.locator("#done").inner_text() == "1"
    assert "address" not in page.content()
    assert "token" not in page.url


def test_by_keyboard_alone(page, sitting: Sitting) -> None:
    first = scene(page)
    label = page.locator(".card.candidate.label").get_attribute("data-name")
    press(page, "a")
    second = scene(page)
    third_card = page.locator(".card.candidate").nth(2).get_attribute("data-name")
    page.keyboard.press("c")
    page.keyboard.type("2 halos, a ghost")
    page.keyboard.press("Escape")
    press(page, "3")
    third = scene(page)
    press(page, "v")
    page.wait_for_url("**/index.html")
    assert "Every scene is reviewed" in page.content()
    expected = [(first, "accept", label), (second, "choose", third_card), (third, "veto", "")]
    assert sorted(sitting.rows()) == sorted(expected)
    assert "2 halos, a ghost" in standing(sitting.lab)["because"].tolist()


def test_undo_next_before_select_and_help(page, sitting: Sitting) -> None:
    first = scene(page)
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("v")  # the help is read: nothing is decided
    page.keyboard.press("Escape")
    press(page, "n")
    second = scene(page)
    press(page, "p")
    assert scene(page) == first
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    chosen = page.locator(".card.selected").get_attribute("data-name")
    press(page, "Enter")
    assert scene(page) == second
    assert sitting.rows() == [(first, "choose", chosen)]
    with page.expect_response("**/decide") as sent:
        page.keyboard.press("u")  # back to the first scene, and withdrawn there
    assert sent.value.status == 200
    page.locator("#notice", has_text=f"Withdrawn: {first} is open again.").wait_for()
    assert scene(page) == first
    assert sitting.rows() == []
    assert sitting.lab.overrides()["verdict"].tolist() == ["choose", "withdraw"]


def test_a_reason_alone_is_saved_with_the_decision_that_stands(page, sitting: Sitting) -> None:
    url = page.url
    press(page, "v")
    page.goto(url)
    page.keyboard.press("c")
    page.keyboard.type("all blurred")
    with page.expect_event("load"):
        page.keyboard.press("Control+Enter")
    (row,) = standing(sitting.lab).to_dict("records")
    assert (row["verdict"], row["because"], row["number"]) == ("veto", "all blurred", 2)


def test_a_second_tab_that_is_behind_says_so_and_keeps_what_was_typed(
    page, context, sitting: Sitting
) -> None:
    here = scene(page)
    decide(sitting.lab, ("ivf", "toy", here), "choose", "mean", by="bob")
    page.keyboard.press("c")
    page.keyboard.type("too noisy")
    page.keyboard.press("Escape")
    with page.expect_event("load"):
        page.keyboard.press("v")
    notice = page.locator("#notice").inner_text()
    assert "Not saved" in notice
    assert "'choose mean' by bob" in notice
    assert "Chosen: mean" in page.locator("#decision").inner_text()
    assert page.locator("#because").input_value() == "too noisy"
    assert sitting.rows() == [(here, "choose", "mean")]
    press(page, "v")
    assert sitting.rows() == [(here, "veto", "")]


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_another_origin_can_neither_read_nor_decide(
    page, context, sitting: Sitting
) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{server.server_port}/")  # another port is the same site
        for kind in ("text/plain", "application/json"):
            said = tab.evaluate(
                """([url, kind]) => fetch(url, {method: "POST", credentials: "include",
                    mode: kind === "text/plain" ? "no-cors" : "cors", body: "{}",
                    headers: {"Content-Type": kind}}).then((a) => a.type, (e) => "refused")""",
                [f"{sitting.home}/decide", kind],
            )
            assert said in ("opaque", "refused")
        read = tab.evaluate(
            "url => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'refused')",
            f"{sitting.home}/index.html",
        )
        assert read == "refused"
        tab.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert sitting.rows() == []


def test_without_the_address_a_browser_sees_nothing(context, sitting: Sitting) -> None:
    tab = context.new_page()
    assert tab.goto(f"{sitting.home}/index.html").status == 403
    assert "fusionlab review" in tab.content()


def test_ctrl_c_ends_with_a_summary_and_the_next_command(context, command: Command) -> None:
    tab = context.new_page()
    tab.goto(command.address)
    tab.wait_for_url("**/scenes/**")
    press(tab, "v")
    code, said = command.end()
    assert code == 0
    assert "Traceback" not in said
    assert re.search(r"made\s+veto 1", said)
    assert re.search(r"decided\s+1", said)
    assert "fusionlab select --lab" in said
    assert "--policy fusionfm --name first" in said
    tab.keyboard.press("v")
    tab.locator("#notice.problem", has_text="the server does not answer").wait_for()
    assert len(command.lab.overrides()) == 1
