import io
import sys
import types
from importlib.metadata import EntryPoint

import pytest

from fieldfare.core import VERSION
from fieldfare.core.command import Command, Console, main, run
from fieldfare.core.errors import ConfigError, NotFoundError


def raising(error: BaseException):
    def body(options, console):
        raise error

    return body


def greet(options, console: Console) -> int:
    console.say(f"hello {options.name}")
    console.say()
    return 3


@pytest.fixture
def call(monkeypatch):
    """Runs `fieldfare` with one sub-command `job` whose body is given; returns status, output and error output."""

    def configure(parser, body):
        parser.add_argument("--name", default="you")
        parser.set_defaults(run=body)

    def invoke(argv, body=greet, environ=None, extras="", others=()):
        module = types.ModuleType("fieldfare_test_job")
        module.COMMAND = Command("does the job", lambda parser: configure(parser, body))
        monkeypatch.setitem(sys.modules, "fieldfare_test_job", module)
        entries = [EntryPoint("job", f"fieldfare_test_job:COMMAND{extras}", "fieldfare.commands"), *others]
        console = Console(io.StringIO(), io.StringIO())
        status = run(argv, console, environ or {}, entries)
        return status, console.out.getvalue(), console.err.getvalue()

    return invoke


def test_a_sub_command_gets_its_arguments_and_gives_its_status(call):
    assert call(["job", "--name", "me"]) == (3, "hello me\n\n", "")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("must be 1", field="rounds"), 2, "fieldfare: rounds: must be 1\n"),
        (NotFoundError("no task 'x'"), 1, "fieldfare: no task 'x'\n"),
        (KeyboardInterrupt(), 130, "fieldfare: interrupted\n"),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_an_error_becomes_one_line_and_a_status(call, error, status, line):
    assert call(["job"], raising(error)) == (status, "", line)


@pytest.mark.parametrize(("argv", "environ"), [(["--traceback", "job"], {}), (["job"], {"FIELDFARE_TRACEBACK": "1"})])
@pytest.mark.parametrize("error", [NotFoundError("x"), ModuleNotFoundError("no x", name="x")])
def test_the_stack_trace_is_shown_on_request(call, argv, environ, error):
    with pytest.raises(type(error)) as caught:
        call(argv, raising(error), environ, extras=" [converters]")
    assert caught.value is error


def test_another_value_of_the_variable_shows_none(call):
    assert call(["job"], raising(NotFoundError("x")), {"FIELDFARE_TRACEBACK": "0"})[2] == "fieldfare: x\n"


def test_a_missing_extra_is_named_with_what_to_type(call):
    error = ModuleNotFoundError("No module named 'keras'", name="keras")
    assert call(["job"], raising(error), extras=" [converters]") == (
        1,
        "",
        "fieldfare: `fieldfare job` needs the extra 'converters' (keras is missing): "
        "pip install 'fieldfare[converters]'\n",
    )


@pytest.mark.parametrize(("name", "extras"), [("keras", ""), ("fieldfare.converters", " [converters]"), (None, "")])
def test_a_missing_module_that_no_extra_brings_is_a_defect_and_not_hidden(call, name, extras):
    with pytest.raises(ModuleNotFoundError):
        call(["job"], raising(ModuleNotFoundError("x", name=name)), extras=extras)


ABSENT = EntryPoint("absent", "no_such_module_at_all:COMMAND [emulator]", "fieldfare.commands")


def test_a_sub_command_that_cannot_be_imported_leaves_the_others_usable(call):
    assert call(["job"], others=[ABSENT]) == (3, "hello you\n\n", "")


@pytest.mark.parametrize("rest", [[], ["--port", "3"], ["here", "-x"], ["--help"]])
def test_a_sub_command_that_cannot_be_imported_says_which_extra_it_needs(call, rest):
    status, out, err = call(["absent", *rest], others=[ABSENT])
    assert (status, out) == (1, "")
    assert "needs the extra 'emulator' (no_such_module_at_all is missing): pip install 'fieldfare[emulator]'" in err


def test_help_lists_every_sub_command(call, capsys):
    with pytest.raises(SystemExit) as stop:
        call(["--help"], others=[ABSENT])
    assert stop.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "job does the job" in words
    assert "absent not installed (no_such_module_at_all is missing)" in words


def test_help_of_a_sub_command_is_its_summary(call, capsys):
    with pytest.raises(SystemExit):
        call(["job", "--help"])
    assert "does the job" in capsys.readouterr().out


def test_version(call, capsys):
    with pytest.raises(SystemExit) as stop:
        call(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fieldfare {VERSION}\n"


@pytest.mark.parametrize("argv", [[], ["nothing"], ["job", "--unknown"]])
def test_wrong_usage_exits_with_two(call, capsys, argv):
    with pytest.raises(SystemExit) as stop:
        call(argv)
    assert stop.value.code == 2
    assert "usage: fieldfare" in capsys.readouterr().err


def test_main_takes_arguments_and_commands_from_the_installation(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fieldfare", "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "serve" in capsys.readouterr().out
