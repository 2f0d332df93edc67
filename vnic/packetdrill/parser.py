"""From words to a Script: recursive descent, a method for each rule of the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.packetdrill import script as s
from vnic.packetdrill.lexer import Token, tokens
from vnic.packetdrill.parse_packet import icmp, ip_info, tcp
from vnic.packetdrill.script import ScriptError
from vnic.packetdrill.words import Words

if TYPE_CHECKING:
    from vnic.packetdrill.script import Expression

_DEPTH_MAX = 24


def parse(text: str) -> s.Script:
    """Parse a script. ScriptError: line, column, and what was expected there."""
    return _Parser(Words(tokens(text))).script()


def _microseconds(token: Token) -> int:
    """Return a time in seconds as microseconds, exactly: 0.0001 is 100, not 99."""
    if token.kind not in ("integer", "float") or token.text.startswith("-"):
        raise token.fail("a time in seconds")
    whole, _, part = token.text.partition(".")
    us = int(whole or 0) * 1_000_000 + int((part + "000000")[:6])
    if us > s.TIME_US_MAX:
        raise token.fail("a time of at most a day")
    return us


class _Parser:
    def __init__(self, words: Words) -> None:
        self.words = words
        self.depth = 0

    # ---- the script ----

    def script(self) -> s.Script:
        words, options = self.words, []
        while words.now.kind == "option":
            name, sign, value = words.take().text[2:].partition("=")
            options.append((name, value if sign else None))
            if name == "define":
                self.define(value)
        before = self.command() if words.now.kind == "command" else None
        events: list[s.Event] = []
        while words.now.kind not in ("end", "command"):
            if len(events) >= s.EVENTS_MAX:
                raise ScriptError(words.now.line, 0, f"the script has more than {s.EVENTS_MAX:,} events")
            events.append(self.event())
        after = self.command() if words.now.kind == "command" else None
        if words.now.kind != "end":
            raise words.now.fail("the end of the script after its last command")
        return s.Script(tuple(events), tuple(options), before, after)

    def define(self, value: str) -> None:
        """Remember ``--define=NAME=VALUE``: the name stands for the words of its value."""
        name, sign, rest = value.partition("=")
        found = tokens(rest)[:-1]
        if not sign or not name.isidentifier() or len(found) != 1:
            raise ScriptError(self.words.last.line, self.words.last.column, "expected --define=NAME=VALUE")
        self.words.defined[name] = found[0]

    def command(self) -> s.Command:
        return s.Command(self.words.take().text[1:-1])

    # ---- an event ----

    def event(self) -> s.Event:
        words = self.words
        first = words.now
        time = self.time()
        action = self.action()
        outbound = isinstance(action, s.Tcp | s.Icmp) and not action.inbound
        if not outbound and (time.kind == "any" or time.end_us is not None):
            raise ScriptError(first.line, first.column, "only an outbound packet has * or a range as its time")
        return s.Event(time, action, first.line)

    def time(self) -> s.Time:
        words = self.words
        if words.skip("*"):
            return s.Time("any")
        relative = words.skip("+")
        start, end = _microseconds(words.take()), None
        if words.skip("~"):
            if relative:
                words.expect("+", "+ before the end of a relative range")
            end = _microseconds(words.take())
            if end < start:
                raise ScriptError(words.last.line, words.last.column, "the range ends before it begins")
        return s.Time("relative" if relative else "absolute", start, end)

    def action(self) -> s.Action:
        words = self.words
        token = words.now
        if token.text in ("<", ">") and token.kind == "punctuation":
            return self.packet()
        if token.kind == "command":
            return self.command()
        if token.kind == "code":
            return s.Code(words.take().text[2:-2].strip(" \t"))
        if token.kind in ("ellipsis", "word"):
            return self.syscall()
        raise token.fail("a packet (< or >), a system call, a `command`, or %{ code }%")

    def packet(self) -> s.Tcp | s.Icmp:
        words = self.words
        inbound = words.take().text == "<"
        info = ip_info(words)
        return icmp(words, info, inbound=inbound) if words.now.text == "icmp" else tcp(words, info, inbound=inbound)

    # ---- a system call ----

    def syscall(self) -> s.Syscall:
        words, end = self.words, None
        if words.skip("..."):
            end = _microseconds(words.take())
        name = words.word("the name of a system call")
        words.expect("(", "( after the name of a system call")
        arguments = self.list(")")
        words.expect("=", "= and the result")
        result = self.expression()
        errno = words.take().text if words.now.kind == "word" and words.next.text == "(" else None
        if errno is None and words.now.kind == "word" and words.now.text.startswith("E"):
            raise words.next.fail("( and the error's text")
        note = self.note() if words.now.text == "(" else None
        return s.Syscall(name, arguments, result, errno, note, end)

    def note(self) -> str:
        words, said = self.words, []
        words.expect("(", "(")
        while words.now.text != ")":
            if words.now.kind not in ("word", "punctuation", "integer", "hex") or words.now.text in "(=":
                raise words.now.fail("a word, or ) after the text")
            said.append(words.take().text)
        words.take()
        return " ".join(said)

    # ---- expressions ----

    def list(self, end: str) -> tuple[Expression, ...]:
        words, items = self.words, []
        while words.now.text != end:
            items.append(self.expression())
            if words.now.text != end:
                words.expect(",", f", or {end}")
        words.take()
        return tuple(items)

    def expression(self) -> Expression:
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            raise self.words.now.fail(f"at most {_DEPTH_MAX} brackets inside each other")
        left = self.primary()
        if self.words.skip("|"):
            left = s.Or(left, self.expression())
        self.depth -= 1
        return left

    def primary(self) -> Expression:  # noqa: PLR0911 - a line for each kind of word
        words = self.words
        token = words.take()
        if token.kind == "ellipsis":
            return s.Any_()
        if token.kind == "integer":
            return s.Number(int(token.text))
        if token.kind == "hex":
            return s.Number(int(token.text, 16), hex=True)
        if token.kind == "string":
            return self.string(token)
        if token.kind == "word":
            return self.name(token)
        if token.text == "[":
            return s.Array(self.list("]"))
        if token.text == "{":
            return s.Struct(self.list("}"))
        raise token.fail("a value")

    def string(self, token: Token) -> s.String:
        text = token.text[1:-1]
        while self.words.now.kind == "string":
            text += self.words.take().text[1:-1]
        return s.String(text, more=self.words.skip("..."))

    def name(self, token: Token) -> Expression:
        words = self.words
        target: s.Word | s.Call = s.Word(token.text)
        if words.now.text == "(" and words.now.joined:
            words.take()
            target = s.Call(token.text, self.list(")"))
        return s.Assign(target, self.expression()) if words.skip("=") else target


__all__ = ["parse"]
