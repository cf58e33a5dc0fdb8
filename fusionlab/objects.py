"""One object of an object store, with the face of `pathlib.Path` as far as a lab needs it.

Names are cut at "/" as in a file system, but a folder is nothing of its own: it is there as long as
something lies under it. A put is atomic: a reader sees the old object or the new one, whole.

Credentials, region and endpoint come from the usual ``AWS_*`` variables of the environment.
"""

from __future__ import annotations

import errno
import fnmatch
import functools
import os
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from obstore.store import S3Store

SCHEME = "s3://"

#: A store that does not answer for so long is given up; what was written stands.
_PATIENCE = timedelta(seconds=60)


class ObjectPath:
    """The object ``s3://bucket/key``, there or not.

    Parameters
    ----------
    text : ``s3://bucket`` or ``s3://bucket/some/key``.

    Raises
    ------
    UsageError
        When `text` names no bucket, or a part of the key is ``.`` or ``..``.
    """

    __slots__ = ("bucket", "key")

    def __init__(self, text: str) -> None:
        self.bucket, _, key = text.removeprefix(SCHEME).partition("/")
        parts = [part for part in key.split("/") if part]
        if not self.bucket or {".", ".."} & set(parts):
            raise UsageError(f"{text!r}: is no place in an object store; write s3://BUCKET/PREFIX")
        self.key = "/".join(parts)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}".rstrip("/")

    def __repr__(self) -> str:
        return f"ObjectPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and str(self) == str(other)

    def __lt__(self, other: ObjectPath) -> bool:
        return str(self) < str(other)

    def __hash__(self) -> int:
        return hash((self.bucket, self.key))

    def __reduce__(self) -> tuple[type[ObjectPath], tuple[str]]:
        return ObjectPath, (str(self),)

    def __truediv__(self, part: str) -> ObjectPath:
        return ObjectPath(f"{self}/{part}")

    @property
    def name(self) -> str:
        """Return the last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Return the name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> ObjectPath:
        """Return the folder; that of a bucket is the bucket."""
        return ObjectPath(f"{SCHEME}{self.bucket}/{self.key.rpartition('/')[0]}")

    def resolve(self) -> ObjectPath:
        """Return itself: the name of an object is absolute."""
        return self

    def exists(self) -> bool:
        """Tell whether there is an object of this very name."""
        try:
            self.head()
        except FileNotFoundError:
            return False
        return True

    def head(self) -> tuple[str, datetime, int]:
        """Return the object's version tag, when the store says it was written, and its bytes."""
        with self._errors():
            found = _obstore().head(self._store(), self.key)
        return str(found["e_tag"]), found["last_modified"], int(found["size"])

    def read_bytes(self) -> bytes:
        """Return the content."""
        with self._errors():
            return bytes(_obstore().get(self._store(), self.key).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content as text."""
        return self.read_bytes().decode(encoding)

    def read_range(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on."""
        with self._errors():
            got = _obstore().get_range(self._store(), self.key, start=start, length=length)
            return bytes(got)

    def read_tail(self, length: int) -> bytes:
        """Return the last `length` bytes."""
        with self._errors():
            options = {"range": {"suffix": length}}
            return bytes(_obstore().get(self._store(), self.key, options=options).bytes())

    def write_bytes(self, data: bytes) -> None:
        """Put `data` there, whole or not at all."""
        with self._errors():
            _obstore().put(self._store(), self.key, data)

    def write_new(self, data: bytes) -> str | None:
        """Put `data` where there is nothing yet; return its tag, or None if there is something."""
        return self._write_if(data, "create")

    def write_over(self, data: bytes, tag: str) -> str | None:
        """Put `data` in the place of version `tag`; return the new tag, or None if it has gone."""
        return self._write_if(data, {"e_tag": tag})

    def _write_if(self, data: bytes, mode: Any) -> str | None:
        from obstore import exceptions

        refused = (exceptions.AlreadyExistsError, exceptions.PreconditionError, FileNotFoundError)
        with self._errors():
            try:
                return str(_obstore().put(self._store(), self.key, data, mode=mode)["e_tag"])
            except refused as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        if not missing_ok:
            self.head()
        with self._errors():
            _obstore().delete(self._store(), self.key)

    def iterdir(self) -> Iterator[ObjectPath]:
        """Yield the objects and folders directly under this one, sorted."""
        with self._errors():
            found = _obstore().list_with_delimiter(self._store(), self.key or None)
        keys = [item["path"] for item in found["objects"]]
        for key in sorted([*keys, *found["common_prefixes"]]):
            yield ObjectPath(f"{SCHEME}{self.bucket}/{key}")

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield what lies directly under this and has a name like `pattern`."""
        return (item for item in self.iterdir() if fnmatch.fnmatchcase(item.name, pattern))

    def remove_below(self) -> None:
        """Remove every object whose name begins with this one and a slash."""
        with self._errors():
            for batch in _obstore().list(self._store(), self.key):
                _obstore().delete(self._store(), [item["path"] for item in batch])

    def _store(self) -> S3Store:
        return _open_bucket(self.bucket, os.environ.get("AWS_ENDPOINT_URL", ""))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the library's errors into those that files raise."""
        base = _obstore().exceptions.BaseError
        try:
            yield
        except (base, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise FileNotFoundError(errno.ENOENT, "no such bucket", str(self)) from None
            if isinstance(error, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, "no such object", str(self)) from None
            denied = "Denied" in type(error).__name__ or "Unauthenticated" in type(error).__name__
            code = errno.EACCES if denied else errno.EIO
            text = " ".join(str(error).split("Debug source")[0].split())[:300]
            raise OSError(code, text, str(self)) from None


def _obstore() -> Any:
    try:
        import obstore
        import obstore.exceptions
    except ImportError:
        raise UsageError(
            "labs on object storage need one more package: pip install 'fusionlab[s3]'"
        ) from None
    return obstore


@functools.lru_cache(maxsize=16)
def _open_bucket(bucket: str, endpoint: str) -> S3Store:
    """Return the store of one bucket; it keeps connections open and serves many threads."""
    from obstore.store import S3Store

    return S3Store(
        bucket,
        client_options={"allow_http": endpoint.startswith("http://")},
        retry_config={"max_retries": 8, "retry_timeout": _PATIENCE},
    )
