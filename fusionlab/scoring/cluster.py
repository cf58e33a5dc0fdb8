"""The Dask client of a scoring run: of a cluster that runs already, or of threads here."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client


@contextmanager
def open_client(workers: int | None, scheduler: str | None) -> Iterator[Client]:
    """Open a client of the scheduler named, or of threads in this process."""
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); "
                "start one with: dask scheduler"
            ) from None
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=workers or os.cpu_count() or 1,
            processes=False,
            # Dask always opens status pages; they must not be seen from outside this machine.
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,  # of batches that Ctrl-C cuts off
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
