"""Run packetdrill's scripts against vnic's TCP endpoint, in virtual time. docs/packetdrill.md lists what is understood.

>>> result = vnic.packetdrill.run("close.pkt")
>>> result.passed
True

    text -> parse() -> Script -> Runner + VirtualBackend -> Result
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from vnic.packetdrill.options import options_of
from vnic.packetdrill.parser import parse
from vnic.packetdrill.result import Failure, Result
from vnic.packetdrill.runner import Runner
from vnic.packetdrill.script import SCRIPT_BYTES_MAX, Script, ScriptError
from vnic.packetdrill.text import text_of
from vnic.packetdrill.virtual import VirtualBackend

__all__ = ["Failure", "Result", "Runner", "Script", "ScriptError", "load", "options_of", "parse", "run", "text_of"]


def load(path: str | Path) -> Script:
    """Read and parse a script.

    Raises:
        ScriptError: line, column and what was expected there.
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        raw = file.read(SCRIPT_BYTES_MAX + 1)
    try:
        text = raw.decode()
    except UnicodeDecodeError as e:
        raise ScriptError(raw[: e.start].count(b"\n") + 1, 0, "the script is no UTF-8 text") from None
    return parse(text)


def run(path: str | Path) -> Result:
    """Run a script against a host in virtual time. A line that does not hold is in the result.

    Raises:
        ScriptError: the script cannot be read, or names an option that vnic does not know.
        OSError: the file cannot be read.
    """
    script = load(path)
    with contextlib.closing(VirtualBackend(mtu=options_of(script).mtu)) as backend:
        return Runner(str(path), script, backend).run()
