"""vnic/_core.pyi: the seam to the data plane as a type checker sees it, made from the headers that cffi reads.

cffi's own parser reads them. It needs no compiler and no build of vnic. scripts/generate writes the file.
"""

import keyword
from collections.abc import Iterable, Iterator

from c_sources import HEADERS
from cffi import model
from cffi.cparser import Parser
from paths import ROOT
from pycparser import c_ast

STUB = ROOT / "vnic/_core.pyi"
_WIDTH = 120

_HEAD = """\
# The data plane as cffi makes it from the headers of csrc/. Made by scripts/generate; do not edit.
#
# A struct, and a pointer to one, has the struct's class; an enum is an int. A pointer may be ffi.NULL. Members that are
# arrays or other pointers are Any.
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

class CData:
    def __getitem__(self, at: Any, /) -> Any: ...
    def __setitem__(self, at: Any, value: Any, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __add__(self, n: int, /) -> CData: ...
    def __sub__(self, other: Any, /) -> Any: ...

_CData = CData

class CType:
    elements: dict[int, str]
    fields: list[tuple[str, Any]]
    item: CType
    length: int | None

class FFI:
    CData: type[_CData]
    NULL: Any
    def addressof(self, c: _T, /) -> _T: ...
    def buffer(self, c: _CData, size: int = -1, /) -> Any: ...
    def cast(self, to: str | CType, value: Any, /) -> Any: ...
    def from_buffer(self, *args: Any, require_writable: bool = ...) -> Any: ...
    def gc(self, c: _T, destructor: Callable[[_T], object], size: int = ...) -> _T: ...
    def memmove(self, to: Any, source: Any, n: int) -> None: ...
    def new(self, what: str | CType, init: Any = ...) -> Any: ...
    def sizeof(self, what: str | CType | _CData, /) -> int: ...
    def string(self, c: _CData, maxlen: int = -1) -> bytes: ...
    def typeof(self, what: str | _CData, /) -> CType: ...
    def unpack(self, c: _CData, n: int) -> Any: ...

"""

_BYTES = {"uint8_t", "char", "unsigned char"}


def class_name(struct: str) -> str:
    """The class of a struct: sk_buff is SkBuff."""
    return "".join(word.capitalize() for word in struct.split("_"))


def _is_struct(kind: object) -> bool:
    return isinstance(kind, model.StructOrUnion) and not kind.name.startswith("$")


def _value(kind: object) -> str | None:
    """The Python type of a value, of a struct, and of a pointer to one; None: all else."""
    if isinstance(kind, model.PrimitiveType):
        return {"float": "float", "double": "float", "_Bool": "bool", "char": "bytes"}.get(kind.name, "int")
    if isinstance(kind, model.EnumType):
        return "int"
    struct = kind.totype if isinstance(kind, model.PointerType) else kind
    return class_name(struct.name) if _is_struct(struct) else None


def _parameter(kind: object) -> str:
    if isinstance(kind, model.PointerType) and getattr(kind.totype, "name", "void") in _BYTES | {"void"}:
        return "CData | bytes"
    if isinstance(kind, model.PointerType) and isinstance(kind.totype, model.PrimitiveType):
        return "CData | Sequence[int]"
    return _value(kind) or "CData"


def _members(struct: model.StructOrUnion) -> Iterator[tuple[str, object]]:
    """A struct's members; those of an anonymous member are its own."""
    for name, kind in zip(struct.fldnames or (), struct.fldtypes or (), strict=True):
        if name:
            yield name, kind
        else:
            yield from _members(kind)


def _structs(parser: Parser) -> dict[str, model.StructOrUnion]:
    """Those that are declared, and those that are only named: a pointer to one can be held."""
    found: dict[str, model.StructOrUnion] = {}

    def see(kind: object) -> None:
        if isinstance(kind, model.StructOrUnion):
            if not _is_struct(kind) or kind.name not in found:
                if _is_struct(kind):
                    found[kind.name] = kind
                for _, member in _members(kind):
                    see(member)
        elif isinstance(kind, (model.PointerType, model.ArrayType)):
            see(kind.totype if isinstance(kind, model.PointerType) else kind.item)
        elif isinstance(kind, model.BaseFunctionType):
            for part in (*kind.args, kind.result):
                see(part)

    for kind, _ in parser._declarations.values():
        if not isinstance(kind, int):
            see(kind)
    return found


def _method(name: str, parameters: list[str], result: str) -> str:
    """A function, wrapped as the formatter does."""
    given = ", ".join(["self", *parameters])
    if len(line := f"    def {name}({given}) -> {result}: ...\n") <= _WIDTH + 1:
        return line
    if len(line := f"        {given}\n") <= _WIDTH + 1:
        return f"    def {name}(\n{line}    ) -> {result}: ...\n"
    lines = "".join(f"        {p},\n" for p in ("self", *parameters))
    return f"    def {name}(\n{lines}    ) -> {result}: ...\n"


def _named(names: Iterable[str | None]) -> list[str]:
    """Names of parameters, with one for those that the header leaves out."""
    return [f"{n}_" if n and keyword.iskeyword(n) else n or f"p{i}" for i, n in enumerate(names)]


def stub(headers: str) -> str:
    """The stub of these headers."""
    parser = Parser()
    tree, *_ = Parser()._parse(headers)  # cffi keeps no names of parameters
    names = {
        d.name: [p.name for p in d.type.args.params]
        for d in tree.ext
        if isinstance(d, c_ast.Decl) and isinstance(d.type, c_ast.FuncDecl)
    }
    parser.parse(headers)
    out = _HEAD
    for name, struct in sorted(_structs(parser).items()):
        members = [(m, kind) for m, kind in _members(struct) if not keyword.iskeyword(m)]
        body = "".join(f"    {m}: {_value(kind) or 'Any'}\n" for m, kind in members)
        out += f"class {class_name(name)}(CData):\n{body}\n" if body else f"class {class_name(name)}(CData): ...\n\n"
    out += "class Lib:\n"
    for declared, (kind, _) in parser._declarations.items():
        what, _, name = declared.partition(" ")
        if what == "macro":
            out += f"    {name}: Final[int]\n"
        elif what == "enum":
            out += "".join(f"    {name}: Final[int]\n" for name in kind.enumerators)
        elif what == "function":
            given = _named(names[name])[: len(kind.args)]  # (void) and ... are parameters to the parser
            typed = [f"{n}: {_parameter(k)}" for n, k in zip(given, kind.args, strict=True)]
            typed += ["/"] if typed else []
            typed += ["*more: Any"] if kind.ellipsis else []
            result = "None" if isinstance(kind.result, model.VoidType) else _value(kind.result) or "CData"
            out += _method(name, typed, result)
    return out + "\nffi: FFI\nlib: Lib\n"


def core() -> str:
    """The text of vnic/_core.pyi."""
    return stub("".join(path.read_text() for path in HEADERS))
