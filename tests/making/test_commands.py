"""Programs as methods: no shell, bounded time, and every way to fail is a row with a reason."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import sources

from fusionlab import colour
from fusionlab.baselines.commands import Command, load_commands, parse_command
from fusionlab.baselines.running import ending_commands, run_command
from fusionlab.errors import ConfigError, MethodError, UsageError
from fusionlab.lab import Lab
from fusionlab.making import choose_methods, make, missing
from fusionlab.store import Address

TOOL = """
import json, os, pathlib, sys, time
import numpy as np
from PIL import Image

mode, *words = sys.argv[1:]
read = lambda path: np.asarray(Image.open(path))

def fuse(files, out):
    shots = [read(f) for f in files]
    Image.fromarray(np.max(np.stack([s.astype(np.uint8) for s in shots]), axis=0)).save(out)

if mode == "max":
    fuse(words[:-1], words[-1])
elif mode == "folders":
    a, b, out = map(pathlib.Path, words)
    with open(os.environ.get("CALLS", os.devnull), "a") as calls:
        print(len(list(a.iterdir())), file=calls)
    for file in sorted(a.iterdir())[: int(os.environ.get("ONLY", "99"))]:
        if read(file)[0, 0] == 7:
            sys.exit("I cannot take a 7")
        fuse([file, b / file.name], out / f"{file.stem}.bmp")
        os.utime(out / f"{file.stem}.bmp", (int(file.stem), int(file.stem)))
elif mode == "small":
    Image.new("L", (7, 5)).save(words[-1])
elif mode == "text":
    pathlib.Path(words[-1]).write_text("no image")
elif mode == "link":
    os.symlink(words[0], words[-1])
elif mode == "fail":
    print("x" * 5000 + "\\n  out of\\x1b[31m memory", file=sys.stderr)
    sys.exit(3)
elif mode == "sleep":
    if os.fork() == 0:
        time.sleep(600)
    time.sleep(600)
elif mode == "tell":
    shot = read(words[0])
    print(json.dumps([words[2:], os.getcwd(), str(shot.dtype), shot.shape]), file=sys.stderr)
    sys.exit(1)
"""


@pytest.fixture
def tool(tmp_path: Path) -> str:
    path = tmp_path / "the tool.py"
    path.write_text(TOOL)
    return f"{sys.executable} '{path}'"


def command(text: str, **settings: object) -> Command:
    return Command(name="net", command=text, **settings)


def pair(seed: int = 0) -> list[np.ndarray]:
    return list(sources(seed))


def failure(text: str, images: list[np.ndarray] | None = None, **settings: object) -> MethodError:
    result = run_command(command(text, **settings), "ivf", {"s": images or pair()})["s"]
    assert isinstance(result, MethodError)
    return result


def test_one_scene_a_call(tool: str) -> None:
    results = run_command(command(f"{tool} max {{a}} {{b}} {{out}}"), "ivf", {"x": pair()})
    np.testing.assert_array_equal(results["x"], np.maximum(*pair()))


def test_every_shot(tool: str) -> None:
    shots = [*pair(), *pair(3)]
    made = run_command(command(f"{tool} max {{sources}} {{out}}"), "mef", {"x": shots})
    np.testing.assert_array_equal(made["x"], np.max(shots, axis=0))


def test_many_scenes_a_call(tool: str) -> None:
    scenes = {f"s{i}": pair(i) for i in range(3)}
    made = run_command(command(f"{tool} folders {{a_dir}} {{b_dir}} {{out_dir}}"), "ivf", scenes)
    for name, shots in scenes.items():
        np.testing.assert_array_equal(made[name], np.maximum(*shots))


def test_of_many_scenes_each_is_judged_by_itself(
    tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY", "1")
    scenes = {name: pair(i) for i, name in enumerate(("first", "second"))}
    made = run_command(command(f"{tool} folders {{a_dir}} {{b_dir}} {{out_dir}}"), "ivf", scenes)
    assert isinstance(made["first"], np.ndarray)
    assert isinstance(made["second"], MethodError)
    assert made["second"].reason == "no_output"


def test_one_image_that_it_cannot_take_costs_no_other(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = {f"s{i}": pair(i) for i in range(8)}
    scenes["s3"][0][0, 0] = 7
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    text = f"{tool} folders {{a_dir}} {{b_dir}} {{out_dir}}"
    made = run_command(command(text), "ivf", scenes)
    assert [name for name in scenes if isinstance(made[name], MethodError)] == ["s3"]
    assert "I cannot take a 7" in made["s3"].detail
    for name in scenes.keys() - {"s3"}:
        np.testing.assert_array_equal(made[name], np.maximum(*scenes[name]))
    # of the first call s0 and s1 stand; s2, half done perhaps, is made again
    assert (tmp_path / "calls").read_text().split() == ["8", "3", "3", "1", "2", "1", "1"]


def test_where_nothing_helps_little_is_tried(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    scenes = {f"s{i}": pair(i) for i in range(8)}
    for shots in scenes.values():
        shots[0][0, 0] = 7
    text = f"{tool} folders {{a_dir}} {{b_dir}} {{out_dir}}"
    made = run_command(command(text), "ivf", scenes)
    assert {result.reason for result in made.values()} == {"command_failed"}
    assert (tmp_path / "calls").read_text().split() == ["8", "4", "4"]


@pytest.mark.parametrize(
    ("mode", "reason", "says"),
    [
        ("fail", "command_failed", r"exit code 3; it said: x+ \| out of.\[31m memory$"),
        ("small", "wrong_size", "left an image of 5x7, expected 48x57"),
        ("text", "no_output", "no image that can be used: .*out.png"),
        ("link", "no_output", "left no file"),
        ("nothing", "no_output", "left no file"),
    ],
)
def test_what_goes_wrong_is_told(tool: str, mode: str, reason: str, says: str) -> None:
    error = failure(f"{tool} {mode} {{a}} {{b}} {{out}}")
    assert error.reason == reason
    assert len(error.detail) < 900
    assert error.detail.isprintable()
    assert re.search(says, error.detail), error.detail


def test_beyond_its_time_it_ends_with_all_it_has_started(tool: str) -> None:
    start = time.monotonic()
    error = failure(f"{tool} sleep {{a}} {{b}} {{out}}", timeout=0.5)
    assert error.reason == "command_timeout"
    assert "after 0.5 s" in error.detail
    assert time.monotonic() - start < 60


def test_a_program_that_is_not_there() -> None:
    error = failure("no-such-program {a} {b} {out}")
    assert error.reason == "command_failed"
    assert "cannot be started" in error.detail


def test_no_shell_reads_a_name_and_no_name_is_a_path(tool: str, tmp_path: Path) -> None:
    name = "$(touch x); `id` {task} ../../etc"
    text = f"{tool} tell {{a}} {{b}} {{out}} --scene={{scene}} {{task}} ';' '$HOME'"
    made = run_command(command(text), "ivf", {name: pair()})[name]
    assert isinstance(made, MethodError)
    for word in (f'"--scene={name}", "ivf", ";", "$HOME"', "fusionlab-", '"uint8", [48, 57]'):
        assert word in made.detail
    assert name not in made.detail.split("--scene")[0]


def test_it_runs_where_it_is_told(tool: str, tmp_path: Path) -> None:
    error = failure(f"{tool} tell {{a}} {{b}} {{out}}", folder=str(tmp_path))
    assert f'"{tmp_path}"' in error.detail
    gone = failure(f"{tool} tell {{a}} {{b}} {{out}}", folder=str(tmp_path / "gone"))
    assert "cannot be started" in gone.detail


@pytest.mark.parametrize(
    ("bits", "settings"), [("uint8", {}), ("uint16", {"bits": 16}), ("uint8", {"colour": "merge"})]
)
def test_sixteen_bits_are_given_when_asked_for(tool: str, bits: str, settings: dict) -> None:
    deep = [shot.astype(np.uint16) * 257 for shot in pair()]
    error = failure(f"{tool} tell {{a}} {{b}} {{out}}", deep, **settings)
    assert f'"{bits}", [48, 57]' in error.detail


def test_colour_is_the_commands_own_or_the_tasks(tool: str) -> None:
    a, b = pair()
    red = np.stack([b, b // 2, b // 3], axis=2)
    text = f"{tool} max {{a}} {{b}} {{out}}"
    assert failure(text, [a, red]).reason == "command_failed"  # it cannot take gray beside RGB
    made = run_command(command(text, colour="merge"), "ivf", {"s": [a, red]})["s"]
    assert made.shape == red.shape
    y = np.maximum(a, colour.to_uint8(colour.luminance(red))).astype(np.float64)
    np.testing.assert_array_equal(made, colour.compose(y, colour.chroma(red)))


def test_an_exception_ends_what_is_running(tool: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from fusionlab.baselines import running

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(failure, f"{tool} sleep {{a}} {{b}} {{out}}")
        while not running._running:
            time.sleep(0.01)
        with pytest.raises(KeyboardInterrupt), ending_commands():
            raise KeyboardInterrupt
        assert "signal 9" in waiting.result().detail
    assert not running._running


def test_what_starts_as_a_run_is_stopped_is_ended_and_not_called_slow(
    tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fusionlab.baselines import running

    monkeypatch.setattr(running, "_stopped", threading.Event())
    running._stopped.set()
    error = failure(f"{tool} sleep {{a}} {{b}} {{out}}")
    assert error.reason == "command_failed"
    assert "signal 9" in error.detail
    assert not running._running


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mytool {a} {b} {out}", "expected NAME=PROGRAM"),
        ("net=", "begins with no program"),
        ("net={a} {b} {out}", "begins with no program"),
        ("net=tool '{a} {b} {out}", "cannot be cut into words"),
        ("net=tool {a} {b}", "needs {a}, {b} and {out}"),
        ("net=tool {a} {out}", "needs {a}, {b} and {out}"),
        ("net=tool {a_dir} {out_dir}", "needs {a}, {b} and {out}"),
        ("net=tool {a} {b} {out_dir} {out}", "mixes placeholders"),
        ("net=tool --in={sources} {out}", "a word of its own"),
        ("net=tool {a} {b} {ou}", "did you mean {out}?"),
        ("../net=tool {a} {b} {out}", "the method name '../net'"),
        ("a,b=tool {a} {b} {out}", "the method name 'a,b'"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith("--command ")


def test_a_file_of_commands(tmp_path: Path) -> None:
    path = tmp_path / "nets.yaml"
    path.write_text(
        "methods:\n"
        "  one: {command: 'tool {a} {b} {out}', tasks: [ivf, mif], timeout: 9, folder: sub}\n"
        "  two: {command: 'tool {a_dir} {b_dir} {out_dir}', version: 2}\n"
    )
    one, two = load_commands(path)
    assert (one.name, one.tasks, one.timeout, one.many) == ("one", ("ivf", "mif"), 9.0, False)
    assert (one.folder, two.folder, two.many) == (str(tmp_path / "sub"), "", True)
    path.write_text("methods:\n  one: {command: 'tool {a} {b} {out}', tasks: [ivv], tmeout: 9}\n")
    with pytest.raises(ConfigError) as caught:
        load_commands(path)
    assert "Did you mean 'timeout'" in str(caught.value)
    assert f"{path}: methods.one.tasks: the tasks ('ivv',)" in str(caught.value)
    path.write_text("methods: {one: tool}\n")
    with pytest.raises(ConfigError, match=r"methods\.one"):
        load_commands(path)


def test_what_may_change_the_image_changes_the_digest() -> None:
    plain = command("tool {a} {b} {out}")
    same = plain.model_copy(update={"timeout": 5.0, "title": "x", "tasks": ("ivf",)})
    assert same.digest == plain.digest
    others = [
        {"command": "tool -x {a} {b} {out}"}, {"colour": "merge"}, {"bits": 16}, {"version": 1},
        {"folder": "/here/sub"},
    ]  # fmt: skip
    digests = {plain.model_copy(update=other).digest for other in others}
    assert len(digests | {plain.digest}) == 6
    moved = plain.model_copy(update={"folder": "/there/sub"})
    assert moved.digest in digests


def test_in_a_lab_failures_are_rows_and_others_go_on(
    tool: str, tmp_path: Path, bare_lab: Callable[..., Lab]
) -> None:
    lab = bare_lab(tmp_path, scenes=2)
    texts = {
        "one": "max {a} {b} {out}",
        "many": "folders {a_dir} {b_dir} {out_dir}",
        "bad": "fail {a} {b} {out}",
    }
    commands = [parse_command(f"{name}={tool} {text}") for name, text in texts.items()]
    report = make(lab, choose_methods(None, commands))
    assert (report.methods, report.made) == (["one", "many", "bad"], 4)
    assert report.rejected == {"command_failed": 2}
    rows = [r for r in lab.index("ivf", "toy").to_dict("records") if r["role"] == "method"]
    assert {(r["scene"], r["name"]) for r in rows} == {
        (s, n) for s in ("s0", "s1") for n in ("one", "many")
    }
    for row in rows:
        expected = np.maximum(*pair(int(row["scene"][1:])))
        np.testing.assert_array_equal(lab.images.read(Address.of(row)), expected)
        digest = next(c.digest for c in commands if c.name == row["name"])
        assert row["notes"] == f"made:method {row['name']} command-{digest}"
    again = make(lab, choose_methods(None, commands[:2]))
    assert (again.made, again.standing) == (0, 4)
    changed = [parse_command(f"one={tool} max {{b}} {{a}} {{out}}"), commands[1]]
    assert missing(lab, choose_methods(None, changed))["by_method"] == {"one": 2, "many": 0}
    assert len(lab.rejects()) == 2
    with pytest.raises(UsageError, match="command 'gff'"):
        choose_methods(None, [parse_command(f"gff={tool} max {{a}} {{b}} {{out}}")])
    assert [m.name for m in choose_methods(["many", "gff"], commands)] == ["many", "gff"]


def test_what_is_made_is_stored_while_another_takes_long(
    tool: str, tmp_path: Path, bare_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fusionlab.baselines import running
    from fusionlab.making import run, write

    monkeypatch.setattr(run, "_PATIENCE", 0.05)
    monkeypatch.setattr(write, "_SECONDS", 0.2)
    lab = bare_lab(tmp_path, scenes=1)
    slow = parse_command(f"slow={tool} sleep {{a}} {{b}} {{out}}")
    one = parse_command(f"one={tool} max {{a}} {{b}} {{out}}")
    real, stored = write.add_made, []

    def stop(*arguments: object) -> None:
        real(*arguments)
        stored.extend(arguments[3])
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "add_made", stop)
    with pytest.raises(KeyboardInterrupt):
        make(lab, choose_methods(["max", "slow"], [slow, one]), workers=2)
    assert [made.name for made in stored] == ["max"]
    assert not running._running


def test_a_call_takes_a_bounded_number_of_scenes(
    tmp_path: Path, bare_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fusionlab.making import plan

    lab = bare_lab(tmp_path, scenes=5)
    monkeypatch.setattr(plan, "_SCENES_PER_CALL", 2)
    methods = choose_methods(["net", "mean"], [command("tool {a_dir} {b_dir} {out_dir}")])
    planned = plan.plan_dataset("ivf", "toy", lab.index("ivf", "toy"), methods, "")
    sizes = [len(work.scenes) for work in plan.works(planned)]
    assert sizes == [1, 1, 1, 1, 1, 2, 2, 1]
