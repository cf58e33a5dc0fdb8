"""The pages of a review: who is let in, what is written, and what is refused."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from helpers import METHODS, make_lab, write_image

from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.lock import hold
from fusionlab.overrides import decide, standing
from fusionlab.review.app import make_app
from fusionlab.review.desk import Desk
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select

testclient = pytest.importorskip("starlette.testclient", reason="httpx is not installed")

TOKEN, PORT = "a token", 8765
HOME = f"http://127.0.0.1:{PORT}"
S0 = ("ivf", "toy", "s0")


@dataclass
class Browser:
    """A browser that was given the address, and the desk behind the pages."""

    desk: Desk
    web: testclient.TestClient

    def page(self, scene: str = "s0") -> str:
        return next(u for u, n in self.desk.positions.items() if self._name(n) == scene)

    def _name(self, number: int) -> str:
        return self.desk.items[number].scene[2]

    def get(self, url: str, **options: object) -> object:
        return self.web.get(f"/{url}", **options)

    def order(self, verdict: str, method: str = "", scene: str = "s0", **more: object) -> dict:
        place = self.desk.place(self.page(scene))
        judged = place.digests.get(method, "")
        sent = {"page": self.page(scene), "verdict": verdict, "method": method, "judged": judged}
        return {"seen": place.seen, **sent, **more}

    def post(self, order: object, **headers: str) -> object:
        body = order if isinstance(order, bytes) else json.dumps(order).encode()
        sent = {"origin": HOME, "content-type": "application/json", **headers}
        return self.web.post("/decide", content=body, headers={k: v for k, v in sent.items() if v})

    def decide(self, verdict: str, method: str = "", scene: str = "s0", **more: object) -> object:
        return self.post(self.order(verdict, method, scene, **more))


def outside(desk: Desk) -> testclient.TestClient:
    app = make_app(desk, TOKEN, PORT)
    return testclient.TestClient(app, base_url=HOME, follow_redirects=False)


@pytest.fixture
def browser(lab: Lab) -> Browser:
    desk = Desk(lab, "first", "ann")
    web = outside(desk)
    assert web.get(f"/?token={TOKEN}").status_code == 200
    return Browser(desk, web)


# -- who is let in ---------------------------------------------------------------------------------


def test_the_token_is_traded_for_a_cookie_that_scripts_and_other_sites_cannot_use(lab: Lab) -> None:
    web = outside(Desk(lab, "first", "ann"))
    answer = web.get(f"/?token={TOKEN}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert f"fusionlab-review-{PORT}" in cookie
    assert 'url=/"' in answer.text
    assert TOKEN not in answer.text
    assert web.get("/").status_code == 303


@pytest.mark.parametrize("url", ["/", "/index.html", "/assets/review.js", "/images/x", "/none"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=another", "?token=a%20token%20"])
def test_without_the_token_nothing_is_shown(lab: Lab, url: str, query: str) -> None:
    answer = outside(Desk(lab, "first", "ann")).get(url + query)
    assert answer.status_code == 403
    assert "s0" not in answer.text


def test_the_token_opens_the_front_door_only(lab: Lab) -> None:
    web = outside(Desk(lab, "first", "ann"))
    assert web.get(f"/index.html?token={TOKEN}").status_code == 403
    posted = web.post(f"/decide?token={TOKEN}", json={}, headers={"origin": HOME})
    assert posted.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost.evil:8765", "[::1]:8765"]
)
def test_another_name_for_this_machine_is_refused(browser: Browser, host: str) -> None:
    assert browser.get("index.html", headers={"host": host}).status_code == 421
    sent = {"host": host, "origin": f"http://{host}"}
    assert browser.post(browser.order("veto"), **sent).status_code == 421
    assert browser.desk.lab.overrides().empty


def test_localhost_is_a_name_of_this_server_too(browser: Browser) -> None:
    host = f"localhost:{PORT}"
    cookie = f"fusionlab-review-{PORT}={TOKEN}"
    answer = browser.get("index.html", headers={"host": host, "cookie": cookie})
    assert answer.status_code == 200
    sent = {"host": host, "origin": f"http://{host}", "cookie": cookie}
    assert browser.post(browser.order("veto"), **sent).status_code == 200


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "http://127.0.0.1", f"https://127.0.0.1:{PORT}",
               f"http://localhost:{PORT}"]
)  # fmt: skip
def test_an_order_from_another_site_is_refused(browser: Browser, origin: str) -> None:
    assert browser.post(browser.order("veto"), origin=origin).status_code == 403
    assert browser.desk.lab.overrides().empty


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_an_order_must_be_json_as_no_form_can_send_it(browser: Browser, kind: str) -> None:
    assert browser.post(browser.order("veto"), **{"content-type": kind}).status_code == 415
    assert browser.desk.lab.overrides().empty


def test_pages_load_nothing_from_elsewhere_and_are_not_kept(browser: Browser) -> None:
    for url in ("index.html", browser.page()):
        answer = browser.get(url)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert "http://" not in answer.text
        assert "https://" not in answer.text
    refused = outside(browser.desk).get("/")
    assert refused.headers["x-content-type-options"] == "nosniff"


# -- what is shown ---------------------------------------------------------------------------------


def test_the_start_leads_to_the_first_scene_that_is_open(browser: Browser) -> None:
    first, second = (browser.desk.url(n) for n in (0, 1))
    assert browser.get("").headers["location"] == f"/{first}"
    decide(browser.desk.lab, browser.desk.items[0].scene, "veto", by="bob")
    assert browser.get("").headers["location"] == f"/{second}"
    for item in browser.desk.items[1:]:
        decide(browser.desk.lab, item.scene, "veto", by="bob")
    assert browser.get("").headers["location"] == "/index.html"
    assert "Every scene is reviewed" in browser.get("index.html").text


def test_a_scene_shows_its_candidates_and_its_pictures_come_from_the_lab(browser: Browser) -> None:
    page = browser.get(browser.page())
    assert page.status_code == 200
    for method in METHODS:
        assert f'data-name="{method}"' in page.text
    picture = browser.desk.place(browser.page()).page.candidates[0]
    answer = browser.get(picture.full)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.content[8:12] == b"WEBP"
    assert "immutable" in answer.headers["cache-control"]
    assert browser.get("images/00/none-thumb1.webp").status_code == 404
    assert browser.get("scenes/none.html").status_code == 404
    assert browser.get("assets/none.js").status_code == 404


def test_pictures_whose_pixels_are_not_those_of_the_index_are_not_shown(browser: Browser) -> None:
    from fusionlab.store import Address

    lab, picture = browser.desk.lab, browser.desk.place(browser.page()).page.candidates[0]
    index = lab.index("ivf", "toy")
    row = index[index["digest"] == picture.digest].iloc[0]
    lab.images.write(Address.of(row), lab.images.read(Address.of(row)) // 2)
    lab.images.flush()
    assert browser.get(picture.full).status_code == 404


def test_names_and_reasons_are_escaped(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1, methods=("mean",))
    images = tmp_path / "images/toy"
    odd = "<img src=x onerror=alert(1)>&amp;'\""
    for folder in ("ir", "vis", "out/mean"):
        (images / folder / "s0.png").rename(images / folder / f"{odd}.png")
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), made, prune=True)
    score(made)
    select(made, load_policy("fusionfm"), "first")
    desk = Desk(made, "first", "<b>ann</b>")
    browser = Browser(desk, outside(desk))
    browser.get(f"?token={TOKEN}")
    reason = "</script><script>alert(2)</script>"
    assert browser.decide("accept", "mean", odd, because=reason).status_code == 200
    for url in (browser.page(odd), "index.html"):
        text = browser.get(url).text
        for piece in ("<img src=x", "<b>ann", "<script>alert", "</script><script>"):
            assert piece not in text
        assert "&lt;img src=x onerror=alert(1)&gt;&amp;amp;" in text


# -- what is decided -------------------------------------------------------------------------------


def test_every_verdict_is_written_at_once(browser: Browser) -> None:
    lab = browser.desk.lab
    label = browser.desk.items[browser.desk.positions[browser.page()]].label
    said = browser.decide("accept", label).json()
    assert (said["done"], said["of"]) == (1, 3)
    assert standing(lab).to_dict("records") == [said["decision"]]
    assert said["decision"]["by"] == "ann"
    browser.decide("choose", "noisy", because="more detail")
    (row,) = standing(lab).to_dict("records")
    assert (row["verdict"], row["method"], row["because"]) == ("choose", "noisy", "more detail")
    browser.decide("veto", scene="s1")
    assert standing(lab)["verdict"].tolist() == ["choose", "veto"]
    said = browser.decide("withdraw").json()
    assert said["next"] == browser.page()
    assert standing(lab)["scene"].tolist() == ["s1"]
    assert lab.overrides()["number"].tolist() == [1, 2, 3, 1]
    page = browser.get(browser.page("s1")).text
    assert "Vetoed" in page
    assert "1 of 3 reviewed" in page.replace('<span id="done">1</span>', "1")


def test_after_a_decision_comes_the_next_open_scene_and_at_last_the_list(browser: Browser) -> None:
    scenes = [item.scene[2] for item in browser.desk.items]
    for here, there in itertools.pairwise(scenes):
        assert browser.decide("veto", scene=here).json()["next"] == browser.page(there)
    assert browser.decide("veto", scene=scenes[-1]).json()["next"] == "index.html"


def test_a_second_tab_does_not_overwrite_what_the_first_decided(browser: Browser) -> None:
    second = browser.order("choose", "sharp")
    assert browser.decide("choose", "mean").status_code == 200
    answer = browser.post(second)
    assert answer.status_code == 409
    assert "'choose mean' by ann" in answer.json()["error"]
    assert standing(browser.desk.lab)["method"].tolist() == ["mean"]
    assert browser.decide("choose", "sharp").status_code == 200


def test_pixels_that_changed_since_the_page_was_made_are_not_decided_about(
    browser: Browser, tmp_path: Path
) -> None:
    order = browser.order("choose", "mean")
    pixels = browser.desk.lab.images.read(_address(browser.desk.lab, "mean")).copy()
    pixels[::5, ::7] ^= 1
    write_image(tmp_path / "images/toy/out/mean/s0.png", pixels)
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), browser.desk.lab)
    assert browser.post(order).status_code == 409
    score(browser.desk.lab)
    browser.get(browser.page())  # made anew
    assert browser.decide("choose", "mean").status_code == 200


def _address(lab: Lab, name: str) -> object:
    from fusionlab.store import Address

    index = lab.index("ivf", "toy")
    return Address.of(index[(index["scene"] == "s0") & (index["name"] == name)].iloc[0])


def test_a_new_selection_is_seen(browser: Browser) -> None:
    decide(browser.desk.lab, S0, "veto", by="bob")
    select(browser.desk.lab, load_policy("fusionfm").normalised_by("zscore"), "first")
    assert "fusionfm-zscore" in browser.get(browser.page("s1")).text


def test_while_another_process_writes_nothing_is_lost(browser: Browser) -> None:
    with hold(browser.desk.lab.path):
        answer = browser.decide("veto")
    assert answer.status_code == 503
    assert "another fusionlab process" in answer.json()["error"]
    assert browser.decide("veto").status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"verdict": "delete"}, 422),
        ({"verdict": "choose", "method": ""}, 422),
        ({"verdict": "choose", "method": "nobody"}, 422),
        ({"verdict": "withdraw"}, 422),
        ({"seen": "0"}, 422),
        ({"more": 1}, 422),
        ({"page": "scenes/none.html"}, 409),
        ({"because": "x" * 70_000}, 413),
    ],
)
def test_what_is_no_decision_is_refused(browser: Browser, change: dict, status: int) -> None:
    answer = browser.post({**browser.order("veto"), **change})
    assert answer.status_code == status
    assert answer.json()["error"]
    assert browser.desk.lab.overrides().empty


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_json_is_refused(browser: Browser, body: bytes) -> None:
    assert browser.post(body).status_code == 422


def test_many_tabs_at_once_leave_one_decision_a_number(browser: Browser) -> None:
    order = browser.order("veto")
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(browser.post(order).status_code))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 409, 409, 409, 409, 409]
    assert len(browser.desk.lab.overrides()) == 1


def test_the_desk_counts_what_was_made(browser: Browser) -> None:
    browser.decide("veto")
    browser.decide("withdraw")
    browser.decide("veto", scene="s1")
    assert dict(browser.desk.made) == {"veto": 2, "withdraw": 1}
    assert browser.desk.progress().done == 1
    assert isinstance(pd.read_parquet(browser.desk.lab.path / "overrides.parquet"), pd.DataFrame)
