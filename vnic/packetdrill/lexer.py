"""The words of a script. Each has its place, so that an error names line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vnic.packetdrill.script import SCRIPT_BYTES_MAX, ScriptError

_KINDS = (
    ("space", r"[ \t\r\n]+|//[^\n]*|/\*.*?\*/"),
    ("code", r"%\{.*?\}%"),
    ("option", r"--[A-Za-z0-9_]+(?:=(?:\"[^\"\n]*\"|`[^`]*`|[^\s\"`])*)?"),
    ("command", r"`(?:\\.|[^`\\])*`"),
    ("string", r'"(?:\\.|[^"\\\n])*"'),
    ("ellipsis", r"\.\.\."),
    ("address", r"\d+\.\d+\.\d+\.\d+"),
    ("hex", r"0[xX][0-9a-fA-F]+"),
    ("float", r"-?\d*\.\d+"),
    ("integer", r"-?\d+(?![A-Za-z_])"),
    ("word", r"[A-Za-z0-9_]+"),
    ("punctuation", r"[-+*~<>=()\[\]{},:.|]"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS), re.DOTALL)
_UNENDED = {"`": "a command without its second `", '"': 'a text without its second "', "%": "code without its }%"}
_DIGITS_MAX = 20


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the script. ``kind``: one of these, or ``end``; ``joined``: no space is before it."""

    kind: str
    text: str
    line: int
    column: int
    joined: bool = False

    def fail(self, expected: str) -> ScriptError:
        """Return the error that something else was expected here."""
        found = "the end of the script" if self.kind == "end" else repr(self.text[:40])
        return ScriptError(self.line, self.column, f"expected {expected}, found {found}")


def tokens(text: str) -> list[Token]:
    """Return the words, the last one of kind ``end``. ScriptError: a character that begins none."""
    if len(text.encode("utf-8", "surrogatepass")) > SCRIPT_BYTES_MAX:
        raise ScriptError(0, 0, f"the script is larger than {SCRIPT_BYTES_MAX:,} bytes")
    found, at, line, begin, joined = [], 0, 1, 0, False
    while at < len(text):
        match = _TOKEN.match(text, at)
        column = at - begin + 1
        if match is None:
            problem = _UNENDED.get(text[at], f"the character {text[at]!r} begins nothing of the language")
            raise ScriptError(line, column, "a comment without its */" if text[at : at + 2] == "/*" else problem)
        kind, word = str(match.lastgroup), match.group()
        if kind in ("integer", "hex", "float", "address") and len(word) > _DIGITS_MAX:
            raise ScriptError(line, column, f"a number of more than {_DIGITS_MAX} characters")
        if kind != "space":
            found.append(Token(kind, word, line, column, joined))
        joined = kind != "space"
        if newlines := word.count("\n"):
            line += newlines
            begin = at + word.rindex("\n") + 1
        at = match.end()
    found.append(Token("end", "", line, at - begin + 1))
    return found
