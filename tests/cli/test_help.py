"""Help texts: groups along the path, examples that parse, whole lines; and what is not loaded to print them."""

import re
import shlex
import subprocess
import sys

import click
import pytest
from commands import invoke

from vnic.cli.commands import COMMANDS, main
from vnic.cli.help import GROUPS, Command, Option, sections
from vnic.knobs.table import KNOBS

NAMES = [name for commands in COMMANDS.values() for name in commands]
LINES = {name: line for commands in COMMANDS.values() for name, (_, _, line) in commands.items()}
HEAVY = {"rich", "pyroute2", "scapy", "ctypes", "subprocess", "vnic._core", "vnic.host", "vnic.capture"}
"""What no help text needs, and what makes a start slow."""


def context(name, parent=None):
    command = main.get_command(parent or click.Context(main, info_name="vnic"), name)
    return command, click.Context(command, info_name=name, parent=parent, **command.context_settings)


@pytest.mark.parametrize("name", NAMES)
def test_the_list_of_commands_has_each_commands_own_line(name):
    command, _ = context(name)
    assert command.get_short_help_str(1000).rstrip(".") == LINES[name].rstrip(".")
    assert command.name == name


@pytest.mark.parametrize("columns", [80, 200])
def test_the_list_of_commands_is_whole_at_any_width(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = invoke("--help").stdout
    assert "..." not in text.replace("COMMAND [ARGS]...", "")
    assert max(map(len, text.splitlines())) <= columns
    words = " ".join(text.split())
    assert all(f"{name} {' '.join(line.split())}" in words for name, line in LINES.items())


@pytest.mark.parametrize("name", ["replay", "run", "why"])
def test_options_stand_in_the_group_of_their_knob(name):
    command, ctx = context(name)
    shown = dict(sections(command, ctx))
    assert list(shown) == [heading for heading in GROUPS.values() if heading in shown]
    for param in command.params:
        if isinstance(param, Option) and (knob := param.opts[0].removeprefix("--")) in KNOBS:
            heading = GROUPS[KNOBS[knob].group]
            assert any(f"--{knob}" in record for record, _ in shown[heading]), knob


@pytest.mark.parametrize("name", ["replay", "run", "why", "send", "capture"])
def test_every_option_is_shown_once(name):
    command, ctx = context(name)
    shown = [record for _, records in sections(command, ctx) for record, _ in records]
    options = [p for p in command.get_params(ctx) if isinstance(p, click.Option)]
    assert len(shown) == len(options)
    assert all(any(p.opts[0] in record for record in shown) for p in options)


def test_every_group_of_a_knob_has_a_heading():
    assert {knob.group for knob in KNOBS.values()} <= set(GROUPS)


@pytest.mark.parametrize("name", NAMES)
def test_each_example_is_a_command_line_that_parses(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, _ = context(name)
    assert isinstance(command, Command)
    assert command.examples
    for path in re.findall(r"--config (\S+)", " ".join(command.examples)):
        (tmp_path / path).write_text("")
    used = set()
    for line in command.examples:
        assert len(line) <= 73  # and the indent of a man page
        for part in re.split(r"[|;]", line.split("  #")[0]):
            words = shlex.split(part.removeprefix("sudo ").split(">")[0])
            if words[0] == "vnic":
                other, _ = context(words[1])
                other.make_context(words[1], words[2:])
                used.add(words[1])
    assert name in used


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_the_examples_as_they_are_typed(name):
    command, _ = context(name)
    text = invoke(name, "--help").stdout
    assert all(f"  {line}\n" in text for line in command.examples)


def loaded(*argv, any_output=False, **environment):
    code = f"import sys; sys.argv = {['vnic', *argv]!r}\nfrom vnic._command import main\ntry:\n main()\nfinally:\n"
    code += " print('loaded', *sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.stdout or any_output
    return set(done.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "environment"),
    [
        (["--version"], {}),
        (["--help"], {}),
        ([], {"_VNIC_COMPLETE": "bash_complete", "COMP_LINE": "vnic re"}),
    ],
)
def test_what_a_start_does_not_load(argv, environment):
    modules = loaded(*argv, **environment)
    assert "click" in modules
    assert not modules & HEAVY
    assert not {
        m for m in modules if m.startswith(("vnic.cli.replay", "vnic.cli.run", "vnic.knobs", "vnic.linux", "vnic.runs"))
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["vnic replay --rx-u", "vnic replay --set rx-", "vnic why --at ", "vnic stat --o", "vnic show --on x /proc"]
)
def test_what_a_tab_does_not_load(line):
    modules = loaded(_VNIC_COMPLETE="bash_complete", COMP_LINE=line, any_output=True)
    assert not modules & (HEAVY - {"vnic._core"})
    assert not {m for m in modules if m.startswith(("vnic.runs", "vnic.why", "vnic.machine.machine", "vnic.linux.eth"))}
