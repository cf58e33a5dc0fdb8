"""Writing a policy as a file of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.selection.policy import Policy


def check_out(path: Path) -> None:
    """Refuse a file that is there already, or that would not be read as a policy.

    Raises
    ------
    UsageError
        When it is so.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path}: a policy's file ends in .yaml")
    if path.exists():
        raise UsageError(f"{path}: is there already; name another file, or remove it")


def write_policy(policy: Policy, path: Path) -> None:
    """Write a policy as a YAML file that `fusionlab.selection.load_policy` reads."""
    content = policy.model_dump(mode="json", exclude_unset=True)
    text = yaml.safe_dump(content, sort_keys=False, width=100, allow_unicode=True)
    atomic_write_bytes(path, text.encode())
