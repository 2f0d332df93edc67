"""A script as text again: what parser.parse() of it returns is the same script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.packetdrill import script as s

if TYPE_CHECKING:
    from vnic.packetdrill.script import Expression


def text_of(script: s.Script) -> str:
    """Return a script's text."""
    lines = [f"--{name}" if value is None else f"--{name}={value}" for name, value in script.options]
    lines += [f"`{c.text}`" for c in (script.before,) if c]
    lines += [f"{time_text(e.time):>8} {action_text(e.action)}" for e in script.events]
    lines += [f"`{c.text}`" for c in (script.after,) if c]
    return "\n".join(lines) + "\n"


def seconds(us: int) -> str:
    """Return microseconds as seconds: 0, .1, 1.000001."""
    whole, part = divmod(us, 1_000_000)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")


def time_text(time: s.Time) -> str:
    """Return a time as a script writes it."""
    if time.kind == "any":
        return "*"
    sign = "+" if time.kind == "relative" else ""
    return sign + seconds(time.start_us) + ("" if time.end_us is None else f"~{sign}{seconds(time.end_us)}")


def action_text(action: s.Action) -> str:
    """Return an action as a script writes it, without its time."""
    if isinstance(action, s.Tcp):
        return packet_text(action)
    if isinstance(action, s.Icmp):
        return _icmp(action)
    if isinstance(action, s.Command):
        return f"`{action.text}`"
    if isinstance(action, s.Code):
        return f"%{{ {action.text} }}%"
    return syscall_text(action)


def syscall_text(call: s.Syscall) -> str:
    """Return a system call and its result."""
    end = "" if call.end_us is None else f"...{seconds(call.end_us)} "
    said = f"{end}{call.name}({_list(call.arguments)}) = {expression_text(call.result)}"
    said += "" if call.errno is None else f" {call.errno}"
    return said + ("" if call.note is None else f" ({call.note})")


def _info(ip: s.IpInfo) -> str:
    if ip.ecn is not None:
        return f" [{ip.ecn}]"
    if ip.tos is not None:
        return f" [tos {ip.tos:#x}]"
    return "" if ip.ttl is None else f" [ttl {ip.ttl}]"


def packet_text(p: s.Tcp) -> str:
    """Return a segment in packetdrill's notation."""
    said = ("<" if p.inbound else ">") + _info(p.ip)
    said += f" {p.ports[0]} > {p.ports[1]}" if p.ports else ""
    said += f" {p.flags or '-'} {p.seq}:{(p.seq + p.length) & 0xFFFFFFFF}({p.length})"
    said += f" ack {p.ack}" if "." in p.flags or p.ack else ""
    said += "" if p.window is None else f" win {p.window}"
    said += f" urg {p.urg}" if p.urg else ""
    if p.options is None:
        return f"{said} <...>"
    return f"{said} <{','.join(option_text(o) for o in p.options)}>" if p.options else said


def option_text(o: s.Opt) -> str:
    """Return a TCP option."""
    if o.kind == "TS":
        return f"TS val {o.values[0]} ecr {o.values[1]}"
    if o.kind == "sack":
        return " ".join(["sack", *(f"{a}:{b}" for a, b in zip(o.values[::2], o.values[1::2], strict=False))])
    return " ".join([o.kind, *map(str, o.values)])


def _icmp(p: s.Icmp) -> str:
    said = ("<" if p.inbound else ">") + _info(p.ip) + f" icmp {p.type}"
    said += "" if p.code is None else f" {p.code}"
    said += "" if p.mtu is None else f" mtu {p.mtu}"
    seq, length = p.echoed
    return said + (f" [{seq}:{(seq + length) & 0xFFFFFFFF}({length})]" if p.echoed != (0, 0) else "")


def _list(items: tuple[Expression, ...]) -> str:
    return ", ".join(expression_text(i) for i in items)


def expression_text(e: Expression) -> str:  # noqa: PLR0911 - a line for each kind
    """Return an expression."""
    match e:
        case s.Any_():
            return "..."
        case s.Number():
            return hex(e.value) if e.hex else str(e.value)
        case s.Word():
            return e.name
        case s.String():
            return f'"{e.text}"' + ("..." if e.more else "")
        case s.Or():
            return f"{expression_text(e.left)}|{expression_text(e.right)}"
        case s.Call():
            return f"{e.name}({_list(e.arguments)})"
        case s.Assign():
            return f"{expression_text(e.target)}={expression_text(e.value)}"
        case s.Array():
            return f"[{_list(e.items)}]"
        case s.Struct():
            return f"{{{_list(e.items)}}}"
