"""RSS, bit by bit, as Microsoft's specification words it."""

import ipaddress

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
TYPES = {
    (4, None): 1,
    (4, 6): 2,
    (4, 17): 3,
    (6, None): 4,
    (6, 6): 5,
    (6, 17): 6,
}  # virtio 1.2, 5.1.6.4.5


def toeplitz(data: bytes, key: bytes = KEY) -> int:
    """For each bit that is set, the 32 bits of the key that begin there."""
    bits, whole = 8 * len(key), int.from_bytes(key, "big")
    result = 0
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= whole >> (bits - 32 - i) & 0xFFFFFFFF
    return result


def rss(
    src: str,
    dst: str,
    proto: int | None = None,
    sport: int = 0,
    dport: int = 0,
    key: bytes = KEY,
    *,
    fields: str = "sdfn",
    symmetric: bool = False,
) -> tuple[int, int]:
    """Hash and hash type; ``proto`` None: addresses only. ``fields``: those of TCP or UDP that are hashed, the others
    count as zero. ``symmetric``: source ^ destination in both places (Linux: RXH_XFRM_SYM_XOR)."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    values = {"s": a.packed, "d": b.packed}
    if proto is not None:
        values |= {"f": sport.to_bytes(2, "big"), "n": dport.to_bytes(2, "big")}
        values = {k: v if k in fields else bytes(len(v)) for k, v in values.items()}
    if symmetric:
        for x, y in (("s", "d"), ("f", "n")):
            if x in values:
                values[x] = values[y] = bytes(i ^ j for i, j in zip(values[x], values[y], strict=True))
    ports = proto is not None and set(fields) & {"f", "n"}
    return toeplitz(b"".join(values.values()), key), TYPES[a.version, proto if ports else None]
