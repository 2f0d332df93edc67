"""Man pages: one for each command, from the texts of --help, and roff that groff takes without a warning."""

import re

import needs
import pytest
from commands import BY_NAME, invoke
from paths import ROOT

from vnic.cli.man import pages, write

PAGES = dict(pages("1.2.3"))


def plain(page):
    """The words of a page, without roff."""
    text = re.sub(r"\\f[BIR]", "", page).replace("\\-", "-").replace("\\(aq", "'").replace("\\(ha", "^")
    return " ".join(text.replace("\\(ti", "~").replace("\\(ga", "`").replace("\\e", "\\").replace("\\&", "").split())


def test_every_command_has_a_page_and_is_in_the_list():
    assert set(PAGES) == {"vnic.1", *(f"vnic-{name}.1" for name in BY_NAME)}
    assert all(f"vnic-{name}(1)" in plain(PAGES["vnic.1"]) for name in BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_page_has_what_help_has(name):
    command, words = BY_NAME[name], plain(PAGES[f"vnic-{name}.1"])
    assert command.help.split("\n")[0].rstrip(".") in words
    for param in command.params:
        if param.param_type_name == "option":
            assert param.opts[0] in words
            assert " ".join(param.help.split()) in words
    assert all(" ".join(line.split()) in words for line in command.examples)
    assert "Exit codes:" not in words
    assert "1.2.3" in words


@pytest.mark.needs("groff")
@pytest.mark.parametrize("page", PAGES)
def test_groff_takes_each_page_without_a_warning(page):
    done = needs.run("groff", "-man", "-ww", "-Tutf8", "-P-c", input=PAGES[page].encode(), capture_output=True)
    assert done.stderr == b""
    shown = re.sub(".\b", "", done.stdout.decode())
    assert max(map(len, shown.splitlines())) <= 80
    assert "NAME" in shown


@pytest.mark.parametrize("name", ["ethtool", "ip", "sysctl", "show", "set"])
def test_minus_h_is_the_other_tools_own(name):
    """Their pages were written, and vnic help was asked, before it is typed: it still reaches the tool."""
    assert "\\-h, " not in PAGES[f"vnic-{name}.1"]
    assert "-h, --help" not in invoke("help", name).stdout
    assert not invoke(name, "-h").output.startswith("Usage: main ")


def test_lines_of_text_are_not_taken_for_requests(monkeypatch):
    from vnic.cli import man

    assert man._text(".x 'y' -z \\") == "\\&.x \\(aqy\\(aq \\-z \\e"


def test_the_build_writes_them(tmp_path):
    write(tmp_path / "man1", "1.2.3")
    assert {p.name: p.read_text() for p in (tmp_path / "man1").iterdir()} == PAGES
    assert "scripts/man" in (ROOT / "csrc/CMakeLists.txt").read_text()
