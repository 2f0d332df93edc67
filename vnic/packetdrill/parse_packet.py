"""The lines of packets: ``S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 8>``, ``icmp unreachable frag_needed``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.packetdrill.icmp_names import CODES
from vnic.packetdrill.script import Icmp, IpInfo, Opt, ScriptError, Tcp

if TYPE_CHECKING:
    from vnic.packetdrill.words import Words

FLAGS = "FSRPUEW."
ECN = ("noecn", "ect0", "ect1", "ce", "ect01")
_OPTION_BYTES_MAX = 40
_SIZES = {"nop": 1, "eol": 1, "mss": 4, "wscale": 3, "sackOK": 2, "TS": 10}


def ip_info(words: Words) -> IpInfo:
    """Parse ``[ect0]``, ``(tos 0x10)``, ``[ttl 64]``, or nothing."""
    if words.now.text not in ("[", "("):
        return IpInfo()
    end = "]" if words.take().text == "[" else ")"
    token = words.now
    if token.text in ECN:
        info = IpInfo(ecn=words.take().text)
    elif words.skip("tos"):
        info = IpInfo(tos=words.number("a type of service", 255))
    elif words.skip("ttl"):
        info = IpInfo(ttl=words.number("a TTL", 255))
    else:
        raise token.fail(f"{', '.join(ECN)}, tos or ttl")
    words.expect(end, end)
    return info


def tcp(words: Words, info: IpInfo, *, inbound: bool) -> Tcp:
    """Parse a segment, after its direction."""
    first, ports = words.now, None
    if words.now.kind == "integer" and words.next.text == ">":
        source = words.number("a port", 65535)
        words.take()
        ports = (source, words.number("a port", 65535))
    flags = _flags(words)
    seq, length = _range(words)
    ack = words.number("an acknowledgement number") if words.skip("ack") else 0
    window = words.number("a window", 65535) if words.skip("win") else None
    urg = words.number("an urgent pointer", 65535) if words.skip("urg") else 0
    options = _options(words)
    if inbound and options is None:
        raise ScriptError(first.line, first.column, "only an outbound packet has <...>")
    if inbound and info.ecn == "ect01":
        raise ScriptError(first.line, first.column, "only an outbound packet has [ect01]")
    return Tcp(inbound, flags, seq, length, ack, window, urg, options, info, ports)


def _flags(words: Words) -> str:
    token, found = words.now, ""
    if words.skip("-"):
        return ""
    if token.kind == "word":
        found = words.take().text
    if words.now.text == ".":
        found += words.take().text
    if not found or len(set(found)) != len(found) or not set(found) <= set(FLAGS):
        raise token.fail(f"flags of {FLAGS}, or - for none")
    return found


def _range(words: Words) -> tuple[int, int]:
    first = words.now
    start = words.number("a sequence number")
    words.expect(":", ": and the end of the bytes")
    end = words.number("a sequence number")
    words.expect("(", "( and the number of bytes")
    length = words.number("the number of bytes", 65535)
    words.expect(")", ")")
    if end != (start + length) & 0xFFFFFFFF:
        raise ScriptError(
            first.line, first.column, f"expected {start}:{start + length}({length}): numbers and bytes differ"
        )
    return start, length


def _options(words: Words) -> tuple[Opt, ...] | None:
    first = words.now
    if not words.skip("<"):
        return ()
    if words.skip("..."):
        words.expect(">", "> after <...")
        return None
    found = [_option(words)]
    while words.skip(","):
        found.append(_option(words))
    words.expect(">", ", or > after an option")
    if sum(option_bytes(o) for o in found) > _OPTION_BYTES_MAX:
        raise ScriptError(first.line, first.column, f"the options have more than {_OPTION_BYTES_MAX} bytes")
    return tuple(found)


def option_bytes(option: Opt) -> int:
    """Return how many bytes it takes in a header."""
    if option.kind == "sack":
        return 2 + 4 * len(option.values)
    return _SIZES.get(option.kind, 2 + len(option.values))


def _option(words: Words) -> Opt:
    token = words.now
    name = words.word("an option (mss, wscale, sackOK, TS, sack, nop, eol)")
    if name in ("nop", "eol", "sackOK"):
        return Opt(name)
    if name == "mss":
        return Opt(name, (words.number("an MSS", 65535),))
    if name == "wscale":
        return Opt(name, (words.number("a shift count", 255),))
    if name == "TS":
        words.expect("val", "val and a timestamp")
        val = words.number("a timestamp")
        words.expect("ecr", "ecr and a timestamp")
        return Opt(name, (val, words.number("a timestamp")))
    if name == "sack":
        edges: list[int] = []
        while words.now.kind == "integer":
            edges.append(words.number("a sequence number"))
            words.expect(":", ": between a block's two edges")
            edges.append(words.number("a sequence number"))
        return Opt(name, tuple(edges))
    raise token.fail("an option (mss, wscale, sackOK, TS, sack, nop, eol)")


def icmp(words: Words, info: IpInfo, *, inbound: bool) -> Icmp:
    """Parse an ICMP message, after its direction."""
    words.take()
    token = words.now
    kind = words.word("a type of ICMP")
    if kind not in CODES:
        raise token.fail(f"a type of ICMP ({', '.join(CODES)})")
    code = None
    token = words.now
    if token.kind == "word" and token.text != "mtu":
        code = words.take().text
        if code not in CODES[kind]:
            raise token.fail(f"a code of {kind} ({', '.join(CODES[kind]) or 'it has none'})")
    mtu = words.number("an MTU", 65535) if words.skip("mtu") else None
    echoed = (0, 0)
    if words.skip("["):
        echoed = _range(words)
        words.expect("]", "]")
    return Icmp(inbound, kind, code, mtu, echoed, info)
