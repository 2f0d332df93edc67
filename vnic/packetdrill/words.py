"""A place in the list of words, for the parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vnic.packetdrill.lexer import Token


class Words:
    """The words of a script from here on. ``defined``: names that stand for another word (``--define``)."""

    def __init__(self, found: list[Token]) -> None:
        self._found, self._at = found, 0
        self.defined: dict[str, Token] = {}

    def _get(self, at: int) -> Token:
        token = self._found[min(at, len(self._found) - 1)]
        return self.defined.get(token.text, token) if token.kind == "word" else token

    @property
    def now(self) -> Token:
        """The next word that take() returns."""
        return self._get(self._at)

    @property
    def next(self) -> Token:
        """The one after it."""
        return self._get(self._at + 1)

    @property
    def last(self) -> Token:
        """The one that was taken last."""
        return self._get(max(self._at - 1, 0))

    def take(self) -> Token:
        """Return the word, and go on."""
        token = self.now
        self._at += 1
        return token

    def skip(self, text: str) -> bool:
        """Go on if the word is this one. Return: whether it is."""
        there = self.now.text == text and self.now.kind != "string"
        self._at += there
        return there

    def expect(self, text: str, expected: str) -> None:
        """Go on after this word. ScriptError: it is another one."""
        if not self.skip(text):
            raise self.now.fail(expected)

    def word(self, expected: str) -> str:
        """Return a name. ScriptError: it is none."""
        if self.now.kind != "word":
            raise self.now.fail(expected)
        return self.take().text

    def number(self, expected: str, top: int = 0xFFFFFFFF) -> int:
        """Return a whole number from 0 to ``top``. ScriptError: it is none."""
        token = self.now
        if token.kind not in ("integer", "hex"):
            raise token.fail(expected)
        value = int(token.text, 16 if token.kind == "hex" else 10)
        if not 0 <= value <= top:
            raise token.fail(f"{expected} from 0 to {top}")
        self._at += 1
        return value
