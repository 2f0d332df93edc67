"""Shell commands of scripts. No shell gets them: vnic knows what the usual ones mean, and refuses the others."""

from __future__ import annotations

import math
import re
import shlex

from vnic.errors import quoted
from vnic.packetdrill.script import Command, ScriptError
from vnic.packetdrill.sysctls import DEFAULTS

_PRODUCT = re.compile(r"\$\(\((\d{1,9}(?:\*\d{1,9}){0,3})\)\)")
_REMARK = re.compile(r"(?m)(?:^|\s)#.*$")
_REDIRECTION = re.compile(r"\d?>(?:&\d|\s*\S+)")
_SPLIT = re.compile(r"\n|;|&&|\|\|")
_PROC = "/proc/sys/"
_HARMLESS = (
    ("ip", "tcp_metrics", "flush"),
    ("tc", "qdisc", "add", "dev", "tun0", "root", "pfifo"),
    ("tc", "qdisc", "replace", "dev", "tun0", "root", "pfifo"),
    ("tc", "qdisc", "delete", "dev", "tun0", "root"),
    ("tc", "qdisc", "del", "dev", "tun0", "root"),
    ("ethtool", "-K", "tun0"),
    ("nstat", "-n"),
    ("true",),
    ("sync",),
)
Setting = tuple[str, str]


def settings(command: Command, line: int) -> list[Setting]:
    """Return the sysctls that a command sets, in order. ScriptError: vnic does not know the command."""
    found: list[Setting] = []
    text = _REMARK.sub("", command.text)
    text = _PRODUCT.sub(_multiplied, re.sub(r"\\\n", " ", text))
    for part in _SPLIT.split(_REDIRECTION.sub(" ", text)):
        try:
            words = shlex.split(part)
        except ValueError as e:
            raise ScriptError(line, 0, f"the command {quoted(part.strip())}: {e}") from None
        if words:
            found += _one(words, line)
    return found


def _multiplied(found: re.Match[str]) -> str:
    return str(math.prod(map(int, found[1].split("*"))))


def _one(words: list[str], line: int) -> list[Setting]:
    name = words[0].rpartition("/")[2]
    if name == "defaults.sh" and len(words) == 1:
        return list(DEFAULTS)
    if name == "sysctl":
        return [_setting(word, line) for word in words[1:] if not word.startswith("-")]
    if name == "set_sysctls.py":
        return [_setting(word.removeprefix(_PROC).replace("/", "."), line) for word in words[1:]]
    if name.startswith("sysctl_restore_"):
        return []
    if any(tuple(words[: len(h)]) == h for h in _HARMLESS) and "limit" not in words:
        return []
    raise ScriptError(line, 0, f"vnic does not know the command {quoted(' '.join(words))}, and gives none to a shell")


def _setting(word: str, line: int) -> Setting:
    name, sign, value = word.partition("=")
    if not sign:
        raise ScriptError(line, 0, f"expected name=value, found {quoted(word)}")
    return name.strip(), " ".join(value.split())
