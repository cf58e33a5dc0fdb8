import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab import errors
from fusionlab.tasks import TASKS, get_task


def test_the_tree_at_the_top_of_the_module_is_the_tree():
    drawn = set(re.findall(r"── (\w+)", errors.__doc__))
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.FusionLabError)
    }
    assert drawn == defined - {"FusionLabError"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FusionLabError("x"), 1),
        (errors.LabError("x"), 1),
        (errors.ImageError("reason", "x"), 1),
        (errors.MetricInputError("x"), 1),
        (errors.UsageError("x"), 2),
        (errors.ConfigError("x"), 2),
        (errors.UnknownNameError("metric", "x", ["y"]), 2),
    ],
)
def test_exit_codes_tell_wrong_use_from_failure(error, code):
    assert error.exit_code == code


def test_an_unknown_name_says_where_and_which_name_is_nearest():
    error = errors.UnknownNameError("metric", "qabff", ["SSIM", "Qabf"], "policy.yaml")
    assert str(error) == (
        "policy.yaml: unknown metric 'qabff'. Did you mean 'Qabf'? Known: Qabf, SSIM."
    )


def test_an_unknown_name_like_no_other_gets_no_suggestion():
    message = str(errors.UnknownNameError("task", "zzzzzz", []))
    assert message == "unknown task 'zzzzzz'. Known: none."


def test_an_image_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(errors.ImageError("transparent", "half of it is")))
    assert (error.reason, error.detail, str(error)) == (
        "transparent",
        "half of it is",
        "half of it is",
    )


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=5))
def test_a_suggestion_is_always_a_known_name(name, known):
    found = errors.suggest(name, known)
    assert found is None or found in known


@given(st.sampled_from(sorted(TASKS)), st.booleans())
def test_a_name_suggests_itself_whatever_its_case(name, upper):
    assert errors.suggest(name.upper() if upper else name, TASKS) == name


def test_a_task_is_found_by_its_key_or_refused_with_the_nearest():
    assert get_task("mff").title == "multi-focus"
    with pytest.raises(errors.UnknownNameError, match=r"m\.yaml: unknown task 'mfff'.*'mff'"):
        get_task("mfff", "m.yaml")
