"""A worker killed in the middle of a distributed score costs time, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import make_lab, tree_bytes

from fusionlab.lab import Lab
from fusionlab.scoring import score

METRICS = ["EN", "SD", "SSIM", "Qabf", "VIF"]
SCENES = 32  # eight batches: both workers have some when one of them dies


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return a lab that one thread has measured."""
    lab = make_lab(tmp_path_factory.mktemp("whole"), scenes=SCENES)
    score(lab, METRICS, workers=1)
    return lab


class Cluster:
    """A Dask scheduler and its workers, processes of their own, on 127.0.0.1 alone."""

    def __init__(self, folder: Path, nanny: bool) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self.environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen] = []
        where = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(self.file))
        self._dask("scheduler", *where, "--port", "0")
        for number in (1, 2):
            folders = ("--local-directory", str(folder / f"worker-{number}"))
            nursing = "--nanny" if nanny else "--no-nanny"
            self._dask("worker", *where, *folders, "--nthreads", "1", nursing)

    def _dask(self, *words: str) -> None:
        command = [sys.executable, "-m", "dask", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(
            subprocess.Popen(command, env=self.environment, start_new_session=True, **quiet)
        )

    def workers(self) -> dict[str, int]:
        """Wait for both workers; return their addresses and process ids."""
        from distributed import Client

        with Client(scheduler_file=str(self.file), timeout="60s") as client:
            client.wait_for_workers(2, timeout=60)
            self.address = client.scheduler.address
            return client.run(os.getpid)

    def close(self) -> None:
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)  # with the worker that a nanny has started
            process.wait(timeout=60)


@pytest.fixture(params=[True, False], ids=["restarted", "gone"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, nanny=request.param)
    try:
        yield made
    finally:
        made.close()


def test_a_worker_killed_in_mid_run_changes_nothing(
    cluster: Cluster, whole: Lab, tmp_path: Path
) -> None:
    lab = make_lab(tmp_path, scenes=SCENES)
    victim = next(iter(cluster.workers().values()))
    killed_at: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done and not killed_at:
            assert done < total
            killed_at.append(done)
            os.kill(victim, signal.SIGKILL)

    report = score(lab, METRICS, scheduler=cluster.address, on_progress=kill_one)
    assert killed_at
    assert report.rejected == {}
    assert report.measured == SCENES * 8
    assert lab.rejects().empty
    assert tree_bytes(lab.path / "scores") == tree_bytes(whole.path / "scores")
