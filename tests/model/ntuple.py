"""Rules by hand, field by field, from ethtool's manual page: the first rule by location that fits a frame decides."""

import ipaddress

EXTENSION = (0, 43, 60)  # IPv6: hop-by-hop, routing, destination options
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "esp": 50}


def _ipv4(ip: bytes) -> dict[str, object]:
    if len(ip) < 20 or ip[0] >> 4 != 4:
        return {}
    says: dict[str, object] = {
        "version": 4,
        "src-ip": ipaddress.ip_address(ip[12:16]),
        "dst-ip": ipaddress.ip_address(ip[16:20]),
        "tos": ip[1],
        "l4proto": ip[9],
    }
    header, total = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
    fragment = int.from_bytes(ip[6:8], "big") & 0x3FFF
    if header >= 20 and header <= total <= len(ip) and not fragment and total - header >= 4:
        says["l4data"] = ip[header : header + 4]
    return says


def _ipv6(ip: bytes) -> dict[str, object]:
    if len(ip) < 40 or ip[0] >> 4 != 6:
        return {}
    says: dict[str, object] = {
        "version": 6,
        "src-ip": ipaddress.ip_address(ip[8:24]),
        "dst-ip": ipaddress.ip_address(ip[24:40]),
        "tclass": int.from_bytes(ip[:2], "big") >> 4 & 0xFF,
    }
    end, at, kind = 40 + int.from_bytes(ip[4:6], "big"), 40, ip[6]
    if end > len(ip):
        return says
    for _ in range(8):
        if kind not in EXTENSION:
            break
        if at + 8 > end:
            return says
        kind, at = ip[at], at + (ip[at + 1] + 1) * 8
        if at > end:
            return says
    says["l4proto"] = kind
    if end - at >= 4:
        says["l4data"] = ip[at : at + 4]
    return says


def read(frame: bytes) -> dict[str, object]:
    """The words that a rule can ask for, and what this frame has of them."""
    says: dict[str, object] = {"dst": frame[:6], "src": frame[6:12], "dst-mac": frame[:6]}
    at, kind = 14, frame[12:14]
    for _ in range(2):
        if kind not in (b"\x81\x00", b"\x88\xa8") or len(frame) < at + 4:
            break
        says.setdefault("vlan-etype", kind)
        says.setdefault("vlan", frame[at : at + 2])
        kind, at = frame[at + 2 : at + 4], at + 4
    says["proto"] = kind
    if kind == b"\x08\x00":
        says |= _ipv4(frame[at:])
    elif kind == b"\x86\xdd":
        says |= _ipv6(frame[at:])
    if "l4data" in says:
        says |= {"src-port": says["l4data"][:2], "dst-port": says["l4data"][2:], "spi": says["l4data"]}  # type: ignore[index]
    return says


def _number(value: object) -> int:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(value)  # type: ignore[call-overload]


def fits(rule: dict[str, object], says: dict[str, object]) -> bool:
    """``rule``: flow-type, and word -> (value, bits that do not matter), numbers all."""
    kind = str(rule["flow-type"])
    if kind != "ether" and says.get("version") != int(kind[-1]):
        return False
    name = kind.rstrip("46")
    if name in PROTOCOLS and says.get("l4proto") != PROTOCOLS[name]:
        return False
    for word, (value, free) in rule["words"].items():  # type: ignore[attr-defined]
        if word not in says:
            if value is not None and ~free & _all(word):
                return False
            continue
        if (_number(says[word]) ^ value) & ~free & _all(word):
            return False
    return True


def _all(word: str) -> int:
    """All bits of a word: a mask without any asks nothing."""
    bits = {"src-ip": 128, "dst-ip": 128, "tos": 8, "tclass": 8, "l4proto": 8, "l4data": 32, "spi": 32, "proto": 16}
    bits |= {"src-port": 16, "dst-port": 16, "vlan": 16, "vlan-etype": 16, "src": 48, "dst": 48, "dst-mac": 48}
    return (1 << bits[word]) - 1


def decide(rules: dict[int, dict[str, object]], frame: bytes) -> int | None:
    """Action of the first rule that fits; None: none does."""
    says = read(frame)
    for _, rule in sorted(rules.items()):
        if fits(rule, says):
            return int(rule["action"])  # type: ignore[call-overload]
    return None
