"""Serving a review on this machine, to this machine alone, until it is ended."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn

from fusionlab.errors import UsageError
from fusionlab.review.app import make_app
from fusionlab.review.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionlab.lab import Lab

_HOME = "127.0.0.1"


@dataclass(frozen=True)
class ReviewReport:
    """What one sitting brought.

    Attributes
    ----------
    made : verdict -> decisions of this sitting.
    decided, scenes : scenes of the queue that have a decision now, and all of them.
    policy : that of the labels, which selection is to be run with again.
    """

    labels: str
    by: str
    policy: str
    made: dict[str, int] = field(default_factory=dict)
    decided: int = 0
    scenes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def review(
    lab: Lab,
    labels: str | None = None,
    *,
    by: str,
    port: int = 0,
    browser: bool = True,
    on_ready: Callable[[str, int, int], None] | None = None,
) -> ReviewReport:
    """Serve the pages of a review until Ctrl-C; every decision is written as it is made.

    Parameters
    ----------
    port : where to listen on 127.0.0.1; 0 is any free one.
    browser : whether to open the first page.
    on_ready : called with the address, token included, the scenes to review, and how many of
        them have a decision, once the port is taken.

    Raises
    ------
    UsageError
        When nobody reviews, or the port is taken.
    LabError
        When there are no labels.
    """
    if not by.strip():
        raise UsageError("nobody reviews: say who with --by NAME")
    desk = Desk(lab, labels, by)
    token = secrets.token_urlsafe(32)
    with _listen(port) as listener:
        port = listener.getsockname()[1]
        address = f"http://{_HOME}:{port}/?token={token}"
        if on_ready is not None:
            progress = desk.progress()
            on_ready(address, progress.of, progress.done)
        if browser:
            webbrowser.open(address)
        _serve(desk, token, port, listener)
    progress = desk.progress()
    return ReviewReport(
        desk.name, by, desk.study.policy.name, dict(desk.made), progress.done, progress.of
    )


def _listen(port: int) -> socket.socket:
    """Take a port of this machine; requests wait from now on until they are served."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOME, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f"port {port} of {_HOME} cannot be had ({error}); choose another with --port, or 0 "
            "for any"
        ) from None
    listener.listen()
    return listener


def _serve(desk: Desk, token: str, port: int, listener: socket.socket) -> None:
    config = uvicorn.Config(
        make_app(desk, token, port),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # it has shut down in order, and hands the signal on
        return
