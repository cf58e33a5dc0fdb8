"""The pages of a review over HTTP: each is made when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from fusionlab.audit.pages import assets, environment, static_files
from fusionlab.errors import FusionLabError, LabError, OutdatedError, UsageError
from fusionlab.overrides import Verdict
from fusionlab.review.gate import Gate

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from fusionlab.review.desk import Desk

_LONGEST = 64 * 1024
_KEPT = {"cache-control": "private, max-age=31536000, immutable"}  # its name says what it shows
_TYPES = {"css": "text/css", "js": "text/javascript"}

#: Error -> status: 409 look again, 422 cannot be, 503 try again.
_STATUS: tuple[tuple[type[FusionLabError], int], ...] = (
    (OutdatedError, 409),
    (UsageError, 422),
    (LabError, 503),
)

Name = Annotated[str, Field(max_length=1000)]


class Order(BaseModel):
    """What a page sends when the reviewer decides."""

    model_config = ConfigDict(extra="forbid", strict=True)

    page: Name
    verdict: Verdict
    method: Name = ""
    because: Annotated[str, Field(max_length=10_000)] = ""
    seen: int
    judged: Name = ""


def make_app(desk: Desk, token: str, port: int) -> ASGIApp:
    """Return the ASGI application that serves `desk` to who knows `token`."""
    pages = _Pages(desk)
    routes = [
        Route("/", pages.start),
        Route("/index.html", pages.overview),
        Route("/scenes/{path:path}", pages.scene),
        Route("/images/{path:path}", pages.picture),
        Route("/assets/{name}", pages.asset),
        Route("/decide", pages.decide, methods=["POST"]),
    ]
    return Gate(Starlette(routes=routes), token, port)


class _Pages:
    """The answers; those that are plain functions run in threads."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.assets = {**assets(), **static_files("fusionlab.review")}
        loaders = [PackageLoader("fusionlab.review"), PackageLoader("fusionlab.audit")]
        self.templates: Environment = environment().overlay(loader=ChoiceLoader(loaders))

    def start(self, _request: Request) -> Response:
        self.desk.refresh()
        return RedirectResponse(f"/{self.desk.next_open() or 'index.html'}", 303)

    def overview(self, _request: Request) -> Response:
        self.desk.refresh()
        decided = self.desk.decided()
        return self._page(
            "queue.html.j2",
            "",
            rows=[
                (item, self.desk.url(n), decided.get(item.scene))
                for n, item in enumerate(self.desk.items)
            ],
            progress=self.desk.progress(decided),
            next_open=self.desk.next_open(),
        )

    def scene(self, request: Request) -> Response:
        self.desk.refresh()
        try:
            place = self.desk.place(f"scenes/{request.path_params['path']}")
        except KeyError:
            return self._page("gone.html.j2", "../../", status=404)
        return self._page(
            "review.html.j2",
            "../../",
            page=place.page,
            place=place,
            ahead=self.desk.thumbs(self.desk.next_open(place.number - 1)),
            progress=self.desk.progress(),
            by=self.desk.by,
        )

    def picture(self, request: Request) -> Response:
        found = self.desk.picture(f"images/{request.path_params['path']}")
        if found is None:
            return Response("This image is not in the lab any more.", 404)
        return Response(found, media_type="image/webp", headers=_KEPT)

    def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.assets:
            return Response("There is no such file.", 404)
        return Response(self.assets[name], media_type=_TYPES[name.rpartition(".")[2]])

    async def decide(self, request: Request) -> Response:
        body = await _read(request)
        if body is None:
            return _problem("this is too long: shorten the comment", 413)
        try:
            order = Order.model_validate_json(body)
            return JSONResponse(await run_in_threadpool(self._decide, order))
        except ValidationError as error:
            return _problem(f"this is no decision: {error.errors()[0]['msg']}", 422)
        except KeyError:
            return _problem("this scene is not in the queue any more", 409)
        except FusionLabError as error:
            status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
            return _problem(str(error), status)

    def _decide(self, order: Order) -> dict[str, Any]:
        desk = self.desk
        position = desk.positions[order.page]
        scene = desk.items[position].scene
        made = desk.decide(
            scene, order.verdict, order.method, order.because, order.seen, order.judged
        )
        onwards = order.page if order.verdict == "withdraw" else desk.next_open(position)
        progress = desk.progress()
        return {
            "decision": made.as_dict(),
            "next": onwards or "index.html",
            "done": progress.done,
            "of": progress.of,
        }

    def _page(self, template: str, root: str, status: int = 200, **content: Any) -> Response:
        text = self.templates.get_template(template).render(
            root=root, labels=self.desk.name, **content
        )
        return HTMLResponse(text, status)


async def _read(request: Request) -> bytes | None:
    """Return the body, or None for one that is longer than a decision can be."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            return None
    return body


def _problem(says: str, status: int) -> JSONResponse:
    return JSONResponse({"error": says}, status)
