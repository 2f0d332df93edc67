"""The answer to a command: the text that the imitated tool prints, its exit code, and data for --json."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CODE_MAX = 255


@dataclass(frozen=True, slots=True)
class Reply:
    """``out`` and ``err`` are printed as they are, byte for byte; ``data`` is what ``--json`` prints."""

    out: str = ""
    err: str = ""
    code: int = 0
    data: Any = None
    fitted: Callable[[int | None], str] | None = field(default=None, compare=False)
    """Returns ``out`` for a terminal of so many columns, if it is text of vnic's own and not a tool's."""

    def on(self, columns: int | None) -> Reply:
        """Return the reply with its text for a terminal of so many columns."""
        return self if self.fitted is None or columns is None else replace(self, out=self.fitted(columns))

    @classmethod
    def of(cls, answer: object) -> Self:
        """Check an answer from a control socket. VnicError: it is not an answer of this version."""
        if not isinstance(answer, dict):
            raise NonsenseError
        out, err, code = answer.get("out"), answer.get("err"), answer.get("code")
        if not isinstance(out, str) or not isinstance(err, str) or type(code) is not int or not 0 <= code <= _CODE_MAX:
            raise NonsenseError
        return cls(out, err, code, answer.get("data"))

    def names(self) -> list[str]:
        """Return ``data`` as a list of words. VnicError: it is not one."""
        if not isinstance(self.data, list) or not all(isinstance(name, str) for name in self.data):
            raise NonsenseError
        return self.data

    def texts(self) -> dict[str, str]:
        """Return ``data`` as texts by name. VnicError: it is not a dict of texts."""
        if not isinstance(self.data, dict) or not all(isinstance(text, str) for text in self.data.values()):
            raise NonsenseError
        return self.data


class NonsenseError(VnicError):
    """The process behind a control socket gave an answer that no instance of this version gives."""

    def __init__(self) -> None:
        super().__init__("the instance's answer makes no sense: it is another version of vnic, or not vnic")


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Turn the errors of reading an untrusted answer inside this block into a NonsenseError."""
    try:
        yield
    except VnicError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as e:
        raise NonsenseError from e
