"""A script as frozen dataclasses: the part of packetdrill's language that vnic reads.

    text -> lexer.py -> parser.py -> Script -> text.py -> text

Times are in microseconds, sequence numbers are the script's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vnic.errors import ConfigError, said

SCRIPT_BYTES_MAX = 1 << 20
EVENTS_MAX = 20_000
TIME_US_MAX = 86_400_000_000


class ScriptError(ConfigError):
    """A script that vnic cannot read or run: the sentence names line and column, and what was expected.

    ``line``, ``column``: counted from 1; 0: of no line.
    """

    def __init__(self, line: int, column: int, problem: str) -> None:
        where = f"line {line}, column {column}: " if column else f"line {line}: " if line else ""
        super().__init__(f"{where}{said(problem)}")
        self.line, self.column = line, column


@dataclass(frozen=True, slots=True)
class Time:
    """When: ``+.1`` is relative to the event before, ``0`` absolute, ``*`` any; ``end_us``: of a range ``a~b``."""

    kind: Literal["relative", "absolute", "any"]
    start_us: int = 0
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class Opt:
    """A TCP option: ``mss`` 1 value, ``wscale`` 1, ``sackOK``, ``nop``, ``eol`` 0, ``TS`` 2, ``sack`` 2 a block.

    ``kind``: the number of another one; its values are its bytes.
    """

    kind: str
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class IpInfo:
    """What a line says of the IP header; None: nothing. ``ecn``: noecn, ect0, ect1, ce, ect01 (one of both)."""

    ecn: str | None = None
    tos: int | None = None
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Tcp:
    """A line of a segment. ``flags``: of ``FSRPUEW.``; ``window`` None: any; ``options`` None: any, ``<...>``."""

    inbound: bool
    flags: str
    seq: int
    length: int
    ack: int = 0
    window: int | None = None
    urg: int = 0
    options: tuple[Opt, ...] | None = ()
    ip: IpInfo = IpInfo()
    ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Icmp:
    """A line of an ICMP message. ``echoed``: first byte and length of the segment that it quotes."""

    inbound: bool
    type: str
    code: str | None = None
    mtu: int | None = None
    echoed: tuple[int, int] = (0, 0)
    ip: IpInfo = IpInfo()


# ---- expressions ----


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - Any is typing's
    """``...``: any value."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number. ``hex``: it was written so."""

    value: int
    hex: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A name, as SOL_TCP."""

    name: str


@dataclass(frozen=True, slots=True)
class String:
    """A text in quotes, as it is written between them. ``more``: the value begins so (``"cub"...``)."""

    text: str
    more: bool = False


@dataclass(frozen=True, slots=True)
class Or:
    """``a|b``."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """``htons(8080)``, ``msg_iov(1)``."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Assign:
    """``name=value``, ``msg_iov(1)=[...]``: a member of a struct."""

    target: Word | Call
    value: Expression


@dataclass(frozen=True, slots=True)
class Array:
    """``[a, b]``."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Struct:
    """``{a=1, b=2}``, ``{..., 40}``."""

    items: tuple[Expression, ...]


Expression: TypeAlias = "Any_ | Number | Word | String | Or | Call | Assign | Array | Struct"


# ---- events ----


@dataclass(frozen=True, slots=True)
class Syscall:
    """A system call and what it returns. ``end_us``: it blocks until then."""

    name: str
    arguments: tuple[Expression, ...]
    result: Expression
    errno: str | None = None
    note: str | None = None
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command between backticks. No shell gets it: commands.py."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Python between ``%{`` and ``}%``."""

    text: str


Action: TypeAlias = Tcp | Icmp | Syscall | Command | Code


@dataclass(frozen=True, slots=True)
class Event:
    """An action and its time."""

    time: Time
    action: Action
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script: options ``--name=value`` at its head, a command before the first event and one after the last."""

    events: tuple[Event, ...]
    options: tuple[tuple[str, str | None], ...] = ()
    before: Command | None = None
    after: Command | None = None
