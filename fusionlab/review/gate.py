"""Who may enter: the browser that was given the token, on this machine, from our own pages.

The pages are served to 127.0.0.1 alone, but every site that is open in the same browser can send
requests there, and a name that an attacker controls can be made to point there. Therefore every
request must name this server in ``Host``, and carry the token: in the address at the start, in a
cookie that scripts cannot read and that other sites' requests do not carry afterwards. What changes
something must come from our own pages (``Origin``), as JSON, which a form cannot send.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Pages load nothing from elsewhere, and nobody may frame them. Bars and boxes are drawn by style
#: attributes, which cannot load anything either.
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_SAFE = {"GET", "HEAD"}

#: The first page is followed by the browser itself: a cookie that was set in answer to a link on
#: another site would not be sent along a redirect.
_ENTER = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>FusionLab</title>'
    '<link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0; url=/"><p><a href="/">Go on</a></p></html>'
)


class Gate:
    """ASGI middleware that lets in what the module's text describes, and nothing else.

    Parameters
    ----------
    app : what is behind it.
    token : what the first address carries, hard to guess.
    port : that the server listens on.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        # Cookies do not tell ports apart: two reviews must not overwrite each other's.
        self.cookie = f"fusionlab-review-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        request = Request(scope)
        answer = self._refusal(request) or self._entrance(request)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if host not in self.hosts:
            return PlainTextResponse("This is not the name of this server.", 421)
        if not self._knows(request.cookies.get(self.cookie)) and not self._enters(request):
            return PlainTextResponse(
                "Open the address that 'fusionlab review' printed in the terminal.", 403
            )
        if request.method in _SAFE:
            return None
        if request.headers.get("origin") != f"http://{host}":
            return PlainTextResponse("Only the pages of this review may change something.", 403)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return PlainTextResponse("Send JSON.", 415)
        return None

    def _entrance(self, request: Request) -> Response | None:
        """Trade the token in the address for the cookie."""
        if not self._enters(request):
            return None
        answer = HTMLResponse(_ENTER)
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return answer

    def _enters(self, request: Request) -> bool:
        at_the_door = request.method == "GET" and request.url.path == "/"
        return at_the_door and self._knows(request.query_params.get("token"))

    def _knows(self, token: str | None) -> bool:
        return token is not None and secrets.compare_digest(token.encode(), self.token.encode())
