import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from fusionlab.configs import Config, load_yaml
from fusionlab.errors import ConfigError


class Inner(Config):
    alpha: float = 1.0
    beta: int = 2


class Outer(Config):
    name: str
    inner: Inner = Inner()
    table: dict[str, Inner] = Field(default_factory=dict)
    several: tuple[Inner, ...] = ()
    maybe: Inner | None = None


@pytest.fixture
def load(tmp_path):
    def load(content):
        path = tmp_path / "x.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_yaml(path, Outer)

    return load


def refused(load, content) -> str:
    with pytest.raises(ConfigError) as caught:
        load(content)
    assert caught.value.exit_code == 2
    assert "x.yaml: " in str(caught.value)
    return str(caught.value)


def test_a_right_file_is_read(load):
    got = load("name: n\ninner: {alpha: 3}\ntable: {k: {beta: 7}}\nmaybe: null\n")
    assert (got.name, got.inner.alpha, got.table["k"].beta, got.maybe) == ("n", 3.0, 7, None)


@pytest.mark.parametrize(
    ("content", "place", "nearest"),
    [
        ("nam: n", "nam", "name"),
        ("name: n\ninner: {alhpa: 1}", "inner.alhpa", "alpha"),
        ("name: n\ntable: {k: {bata: 1}}", "table.k.bata", "beta"),
        ("name: n\nseveral: [{}, {aplha: 1}]", "several.1.aplha", "alpha"),
        ("name: n\nmaybe: {btea: 1}", "maybe.btea", "beta"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_right_one(load, content, place, nearest):
    assert f"unknown key {place!r}. Did you mean {nearest!r}?" in refused(load, content)


def test_every_fault_of_a_file_is_told_at_once(load):
    message = refused(load, "inner: {beta: many}\nodd: 1")
    assert message.count("x.yaml: ") == 3
    assert "key 'name' is missing" in message
    assert "inner.beta: " in message
    assert "(got 'many')" in message
    assert "unknown key 'odd'" in message


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ("", "holds nothing; expected keys such as name"),
        ("# only a comment", "holds nothing"),
        ("- name", "holds a list"),
        ("just words", "holds a str"),
        ("name: [", "is not YAML"),
        ("name: 2024-99-99", "is not YAML"),
        ("name: !!timestamp soon", "is not YAML"),
        ("name: !!bool perhaps", "is not YAML"),
        ("? {a: b}\n: c", "is not YAML"),
        ("name: a\nname: b", "key 'name' stands twice"),
        ("inner: {beta: 1, beta: 2}", "key 'beta' stands twice"),
        ("[" * 5000, "nested too deeply"),
        (b"name: \xff\xfe", "is not UTF-8 text"),
        ("name: 7", "name: "),
        ("1: 2", "Keys should be strings"),
    ],
)
def test_what_is_wrong_is_said(load, content, finding):
    assert finding in refused(load, content)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch HERE']",
        "!!python/name:os.system",
        "!!python/object/new:subprocess.Popen [[touch, HERE]]",
        "!!python/module:os",
    ],
)
def test_yaml_never_runs_code(load, tmp_path, tag):
    message = refused(load, "name: " + tag.replace("HERE", str(tmp_path / "touched")))
    assert "is not YAML" in message
    assert not (tmp_path / "touched").exists()


def test_a_bomb_of_aliases_does_not_blow_up_the_message(load):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert len(refused(load, "\n".join([*lines, "name: *a11"]))) < 2_000


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml", Outer)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_yaml(tmp_path, Outer)


def test_a_config_cannot_be_changed(load):
    with pytest.raises(ValueError, match="frozen"):
        load("name: n").name = "other"


@given(st.text(alphabet="ab:-[]{}!&*?|>,\n \"'1#%@`<.=~\t", max_size=25))
def test_no_text_does_worse_than_a_config_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_yaml(path, Outer)
