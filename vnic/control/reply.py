"""What a command answers: the text of the tool it stands for, its exit code, and the same as data for --json."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODE_MAX = 255


@dataclass(frozen=True, slots=True)
class Reply:
    """``out`` and ``err`` are printed as they are, byte for byte; ``data`` is what ``--json`` prints."""

    out: str = ""
    err: str = ""
    code: int = 0
    data: Any = None

    @classmethod
    def of(cls, answer: object) -> Self:
        """What came over a control socket. VnicError: it is no answer, or not one of this version's."""
        if not isinstance(answer, dict):
            raise NonsenseError
        out, err, code = answer.get("out"), answer.get("err"), answer.get("code")
        if not isinstance(out, str) or not isinstance(err, str) or type(code) is not int or not 0 <= code <= _CODE_MAX:
            raise NonsenseError
        return cls(out, err, code, answer.get("data"))

    def names(self) -> list[str]:
        """``data`` as a list of words. VnicError: it is none."""
        if not isinstance(self.data, list) or not all(isinstance(name, str) for name in self.data):
            raise NonsenseError
        return self.data

    def texts(self) -> dict[str, str]:
        """``data`` as texts by name. VnicError: it is none."""
        if not isinstance(self.data, dict) or not all(isinstance(text, str) for text in self.data.values()):
            raise NonsenseError
        return self.data


class NonsenseError(VnicError):
    """Whoever listens on a control socket gave an answer that no instance of this version gives."""

    def __init__(self) -> None:
        super().__init__("the instance's answer makes no sense: it is of another version, or no vnic")


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Inside, an answer is read that is as its sender wants it: what does not fit is a NonsenseError."""
    try:
        yield
    except VnicError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as e:
        raise NonsenseError from e
