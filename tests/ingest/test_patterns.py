import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fusionlab.ingest.patterns import Match, Pattern

BOTH = {"scene", "method"}


def match(text, path, scenes=()):
    placeholders = BOTH if "{method}" in text else {"scene"}
    return Pattern.parse(text, placeholders).match(path, frozenset(scenes))


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("ir/{scene}.png", "ir/a.png", Match("a", "")),
        ("ir/{scene}.png", "ir/a b-c_d.e.png", Match("a b-c_d.e", "")),
        ("ir/{scene}.png", "ir/a.PNG", Match("a", "")),
        ("ir/{scene}.PNG", "ir/a.png", Match("a", "")),
        ("ir/{scene}.png", "IR/a.png", None),
        ("ir/{scene}.png", "ir/a.jpg", None),
        ("ir/{scene}.png", "ir/sub/a.png", None),
        ("ir/{scene}.png", "ir/.png", None),
        ("ir/{scene}.*", "ir/a.tar.png", Match("a.tar", "")),
        ("ir/{scene}.*", "ir/a", None),
        ("ir/{scene}", "ir/a.png", Match("a.png", "")),
        ("ir/{scene}_?.png", "ir/a_?.png", Match("a", "")),
        ("ir/{scene}_?.png", "ir/a_b.png", None),
        ("ir/*_{scene}.png", "ir/x_a.png", Match("a", "")),
        ("*/{scene}.png", "any/a.png", Match("a", "")),
        ("./ir//{scene}.png", "ir/a.png", Match("a", "")),
        ("{scene}/{method}.png", "a/M.png", Match("a", "M")),
        ("{method}/{scene}_{method}.*", "M/a_M.png", Match("a", "M")),
        ("{method}/{scene}_{method}.*", "M/a_N.png", None),
        ("{scene}/{scene}_{method}.*", "a/a_M.png", Match("a", "M")),
        ("{scene}/{scene}_{method}.*", "a/b_M.png", None),
        ("{scene}/ct.nii.gz/{slice}.nii", "p1/ct.nii.gz/0042.nii", Match("p1_0042", "")),
        ("m/{method}/{scene}_{slice}.*", "m/M/p1_0042.png", Match("p1_0042", "M")),
        ("methods/(x)/{method}/{scene}+.png", "methods/(x)/M/a+.png", Match("a", "M")),
    ],
)
def test_one_way_to_cut(text, path, expected):
    assert match(text, path) == expected


@pytest.mark.parametrize(
    ("path", "scenes", "expected"),
    [
        ("MFI-WHU_15_A_DCT_EOL.jpg", {"MFI-WHU_15_A"}, Match("MFI-WHU_15_A", "DCT_EOL")),
        ("MFI-WHU_15_MFF-GAN.jpg", {"MFI-WHU_15"}, Match("MFI-WHU_15", "MFF-GAN")),
        ("a_b_c.jpg", {"a", "a_b"}, Match("a_b", "c")),
        ("a_b_c.jpg", {"a"}, Match("a", "b_c")),
        ("a_b_c.jpg", {"b", "c"}, Match("a_b", "c")),
        ("a_b_c.jpg", set(), Match("a_b", "c")),
        ("a.b_c.jpg", {"a.b"}, Match("a.b", "c")),
        ("aXb_c.jpg", {"a.b"}, Match("aXb", "c")),
        ("nothing.jpg", {"nothing"}, None),
        ("_c.jpg", {""}, None),
    ],
)
def test_known_scenes_decide_where_a_name_is_cut(path, scenes, expected):
    assert match("{scene}_{method}.*", path, scenes) == expected


def test_without_known_scenes_the_longest_scene_wins_wherever_it_stands():
    assert match("{scene}_{method}.png", "a_b_c.png") == Match("a_b", "c")
    assert match("{method}_{scene}.png", "a_b_c.png") == Match("b_c", "a")
    assert match("*_{scene}.png", "a_b_c.png") == Match("b_c", "")


def test_a_literal_pattern_is_more_specific_than_an_open_one():
    def literal(text):
        return Pattern.parse(text, {"scene"}).specificity

    assert literal("mid/{scene}_2.*") > literal("mid/{scene}.*") > literal("*/{scene}.*")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("ir/{scene}_{method}.png", r"has {method}; it takes {scene}"),
        ("ir/{Scene}.png", r"has {Scene}; it takes {scene}"),
        ("ir/{}.png", r"has {}; it takes {scene}"),
        ("ir/a.png", r"lacks a placeholder; it needs {scene}"),
        ("", r"lacks a placeholder"),
        ("/data/{scene}.png", "relative to root"),
        ("../{scene}.png", "not climb out"),
        ("a/../../{scene}.png", "not climb out"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(text, finding):
    with pytest.raises(ValueError, match=finding.replace("{", r"\{").replace("}", r"\}")):
        Pattern.parse(text, {"scene"})


def test_a_candidates_pattern_needs_both_placeholders():
    with pytest.raises(ValueError, match=r"it needs \{method\} and \{scene\}"):
        Pattern.parse("methods/{scene}.png", BOTH)


names = st.text(alphabet="ab1_-. ()[]+^$\\*{}é", min_size=1, max_size=8)
texts = st.sampled_from(
    [
        "methods/{method}/{scene}.*",
        "{scene}/{method}.png",
        "out/{scene}_{method}.*",
        "out/{method}_{scene}.JPG",
        "{method}/{scene}_{method}.*",
        "x{scene}y{method}z.png",
        "{scene}-{scene}/{method}.*",
    ]
)


@given(texts, names, names, st.sampled_from(["png", "JPG", "TiF"]))
def test_a_name_made_from_a_pattern_gives_scene_and_method_back(text, scene, method, ending):
    text_of_one_ending = text.replace(".*", f".{ending}")
    path = text_of_one_ending.replace("{scene}", scene).replace("{method}", method)
    found = match(text, path, {scene})
    assert found is not None
    remade = text_of_one_ending.replace("{scene}", found.scene)
    assert remade.replace("{method}", found.method) == path
    # another cut at the same known scene can only be meant where the scene occurs twice
    assume(path.count(scene) == text.count("{scene}"))
    assert found == Match(scene, method)


@given(texts, st.text(alphabet="ab_/.-xyz{}", max_size=20), st.sets(names, max_size=3))
def test_a_match_always_says_what_the_path_says(text, path, scenes):
    found = match(text, path, scenes)
    if found is not None:
        remade = text.replace("{scene}", found.scene).replace("{method}", found.method)
        stem = remade.removesuffix(".*")
        assert path.casefold().startswith(stem.casefold())
        assert found.scene
        assert found.method
        assert "/" not in found.scene + found.method


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("m/{method}.zip/{scene}.*", "m/GTF.zip", True),
        ("m/{method}.zip/in/{scene}.*", "m/GTF.ZIP", True),
        ("m/{method}.*/{scene}.*", "m/GTF.zip", True),
        ("{scene}/ct.nii.gz/{slice}.nii", "p1/ct.nii.gz", True),
        ("m/{method}/{scene}.*", "m/GTF.zip", False),
        ("m/{method}.tar/{scene}.*", "m/GTF.zip", False),
        ("m/{method}.zip", "m/GTF.zip", False),
        ("m/{method}.zip/{scene}.*", "GTF.zip", False),
        ("m/{method}.zip/{scene}.*", "m/sub/GTF.zip", False),
    ],
)
def test_a_pattern_goes_on_inside_archives_that_it_names(text, path, expected):
    assert Pattern(text).enters(path) is expected
