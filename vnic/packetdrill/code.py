"""Python blocks of scripts: ``assert tcpi_snd_cwnd == 10``. They can neither run long nor reach anything."""

from __future__ import annotations

import ast
import builtins

from vnic.errors import said
from vnic.packetdrill.script import Code, ScriptError

_NODES = (
    ast.Module, ast.Assert, ast.Expr, ast.Assign, ast.If, ast.Pass, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not,
    ast.USub, ast.UAdd, ast.Invert, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd,
    ast.BitOr, ast.BitXor, ast.RShift, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In,
    ast.Is, ast.IsNot, ast.IfExp, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.List, ast.Call,
)  # fmt: skip
_CALLS = ("abs", "bool", "float", "int", "len", "max", "min", "print", "repr", "round", "str", "sum")
_BYTES_MAX = 20_000
_CA_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")
_STATES = (
    "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
    "LISTEN", "CLOSING",
)  # fmt: skip
CONSTANTS = {
    **{f"TCP_CA_{name}": n for n, name in enumerate(_CA_STATES)},
    **{f"TCP_{name}": n for n, name in enumerate(_STATES, 1)},
    "TCPI_OPT_TIMESTAMPS": 1,
    "TCPI_OPT_SACK": 2,
    "TCPI_OPT_WSCALE": 4,
    "TCPI_OPT_ECN": 8,
    "TCPI_OPT_SYN_DATA": 32,
}


class CodeFailed(Exception):  # noqa: N818 - the runner reports it
    """An assertion does not hold, or the code failed."""


def check(code: Code, line: int) -> ast.Module:
    """Return the code's tree. ScriptError: it is no Python, or has what vnic refuses (loops, attributes, imports)."""
    if len(code.text) > _BYTES_MAX:
        raise ScriptError(line, 0, f"code of more than {_BYTES_MAX} characters")
    try:
        tree = ast.parse(code.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise ScriptError(line, 0, f"the code is no Python: {said(e.args[0] if e.args else e)}") from None
    for node in ast.walk(tree):
        if not isinstance(node, _NODES) or (isinstance(node, ast.Call) and node.keywords):
            raise ScriptError(line, 0, f"vnic runs no {type(node).__name__} in a script's code")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _CALLS):
            raise ScriptError(line, 0, f"a script's code can call {', '.join(_CALLS)}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _has_text(node):
            raise ScriptError(line, 0, "vnic multiplies only numbers in a script's code")
    return tree


def _has_text(node: ast.AST) -> bool:
    texts = (str, bytes, ast.List, ast.Tuple, ast.Call)
    return any(
        isinstance(n, texts) or (isinstance(n, ast.Constant) and isinstance(n.value, str | bytes))
        for n in ast.walk(node)
    )


def run(code: Code, line: int, names: dict[str, object]) -> None:
    """Run a block with these names; what it assigns stays in them. CodeFailed: it did not hold."""
    tree = check(code, line)
    names["__builtins__"] = {name: getattr(builtins, name) for name in (*_CALLS, "AssertionError")}
    try:
        exec(compile(tree, "<script>", "exec"), names)  # noqa: S102 - check() left nothing that reaches out
    except AssertionError as e:
        raise CodeFailed(f"assertion failed: {said(e.args[0]) if e.args else code.text.strip()}") from None
    except Exception as e:  # noqa: BLE001 - the script's own
        raise CodeFailed(f"{type(e).__name__}: {said(e)}") from None
