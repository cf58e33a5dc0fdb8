"""A text is a local path or a place in an object store; both answer the same questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.errors import UsageError
from fusionlab.objects import ObjectPath
from fusionlab.paths import is_empty, read_range, read_tail, remove_tree, size_of, to_place


def test_a_text_is_a_local_path_unless_it_names_an_object_store() -> None:
    assert to_place("lab") == Path("lab")
    assert to_place("s3:/lab") == Path("s3:/lab")
    assert to_place(Path("lab")) == Path("lab")
    assert to_place("s3://bucket/a/b") == ObjectPath("s3://bucket/a/b")
    place = ObjectPath("s3://bucket/x")
    assert to_place(place) is place


@pytest.mark.parametrize("text", ["s3://", "s3:///a", "s3://b/../c", "s3://b/a/./c"])
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write s3://BUCKET/PREFIX"):
        to_place(text)


PARTS = st.text("abc .-_ä", min_size=1).filter(lambda t: t not in {".", ".."})


@given(st.lists(PARTS, max_size=4))
def test_parts_are_joined_and_taken_apart_as_pathlib_does(parts: list[str]) -> None:
    place, path = ObjectPath("s3://bucket"), Path("/bucket")
    for part in parts:
        place, path = place / part, path / part
    assert str(place) == f"s3:/{path}"
    assert str(place.parent) == (f"s3:/{path.parent}" if parts else "s3://bucket")
    if parts:
        assert (place.name, place.stem) == (path.name, path.stem)
    assert ObjectPath(str(place)) == place
    assert len({place, ObjectPath(str(place))}) == 1


def test_parts_of_a_local_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert read_range(file, 2, 3) == b"234"
    assert read_tail(file, 4) == b"6789"
    assert size_of(file) == 10
    with pytest.raises(OSError, match="Invalid argument"):
        read_tail(file, 11)


def test_empty_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert is_empty(folder)
    folder.mkdir()
    assert is_empty(folder)
    (folder / "file").write_text("")
    assert not is_empty(folder)
    assert not is_empty(folder / "file")
    remove_tree(folder)
    remove_tree(folder)
    assert not folder.exists()
