"""The classic BPF machine, as Linux runs it: what a program says of a frame, and whether it may run at all."""

W, H, B = 0x00, 0x08, 0x10
LL_OFF, NET_OFF, AD_OFF = 0xFFE00000, 0xFFF00000, 0xFFFFF000
_NAMES = (
    "protocol", "pkttype", "ifindex", "nlattr", "nlattr_nest", "mark", "queue", "hatype",
    "rxhash", "cpu", "xor_x", "vlan_tci", "vlan_present", "pay_offset", "random", "vlan_tpid",
)  # fmt: skip
EXTENSIONS = {name: 4 * i for i, name in enumerate(_NAMES)}
NOT_THERE = {EXTENSIONS[name] for name in ("nlattr", "nlattr_nest", "pay_offset", "random")}

ALU = {
    0x00: lambda a, b: a + b,
    0x10: lambda a, b: a - b,
    0x20: lambda a, b: a * b,
    0x30: lambda a, b: a // b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << (b & 31),
    0x70: lambda a, b: a >> (b & 31),
    0x80: lambda a, _: -a,
    0x90: lambda a, b: a % b,
    0xA0: lambda a, b: a ^ b,
}
JUMPS = {
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: a & b != 0,
}
DIV, MOD, LSH, RSH, NEG, JA = 0x30, 0x90, 0x60, 0x70, 0x80, 0x00

CODES = (
    {0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60}  # ld
    | {0x81, 0xB1, 0x01, 0x61, 0x02, 0x03}  # ldx, st, stx
    | {4 | op | src for op in ALU if op != NEG for src in (0, 8)}
    | {4 | NEG, 5 | JA}
    | {5 | op | src for op in JUMPS for src in (0, 8)}
    | {0x06, 0x16, 0x07, 0x87}  # ret, tax, txa
)


def _bytes(frame, off, size, net):
    if off >= NET_OFF:
        off += net - NET_OFF
    elif off >= LL_OFF:
        off -= LL_OFF
    return int.from_bytes(frame[off : off + size]) if off + size <= len(frame) else None


def run(program, frame, extensions=None, net=14):
    """The bytes wanted; 0: none. extensions: number -> value, of those that are not 0."""
    a = x = pc = 0
    mem = [0] * 16
    while True:
        code, jt, jf, k = program[pc]
        pc += 1
        kind, op = code & 7, code & 0xF0
        if code == 0x06:
            return k
        if code == 0x16:
            return a
        if code == 0x07:
            x = a
        elif code == 0x87:
            a = x
        elif kind == 5:
            if op == JA:
                pc += k
            else:
                pc += jt if JUMPS[op](a, x if code & 8 else k) else jf
        elif kind == 4:
            b = x if code & 8 else k
            if b == 0 and op in {DIV, MOD}:
                return 0
            a = ALU[op](a, b) & 0xFFFFFFFF
        elif code in {0x02, 0x03}:
            mem[k] = a if code == 0x02 else x
        elif code & 0xE0 == 0x60:
            a, x = (mem[k], x) if kind == 0 else (a, mem[k])
        elif code & 0xE0 == 0x00:
            a, x = (k, x) if kind == 0 else (a, k)
        elif code & 0xE0 == 0x80:
            a, x = (len(frame), x) if kind == 0 else (a, len(frame))
        elif code & 0xE0 == 0x20 and k >= AD_OFF:
            number = k - AD_OFF
            a = a ^ x if number == EXTENSIONS["xor_x"] else (extensions or {}).get(number, 0)
        else:
            off = (k + x) & 0xFFFFFFFF if code & 0xE0 == 0x40 else k
            got = _bytes(frame, off, {W: 4, H: 2, B: 1}[code & 0x18], net)
            if got is None:
                return 0
            if code == 0xB1:
                x = (got & 15) * 4
            else:
                a = got


def check(program):
    """May it run?"""
    if not 1 <= len(program) <= 4096 or program[-1][0] not in {0x06, 0x16}:
        return False
    for i, (code, jt, jf, k) in enumerate(program):
        op, left = code & 0xF0, len(program) - 1 - i
        if code not in CODES:
            return False
        if code & 0xF == 4 and ((op in {DIV, MOD} and k == 0) or (op in {LSH, RSH} and k > 31)):
            return False
        if code in {0x60, 0x61, 0x02, 0x03} and k > 15:
            return False
        if code in {0x20, 0x28, 0x30} and k >= AD_OFF and k - AD_OFF not in set(EXTENSIONS.values()) - NOT_THERE:
            return False
        if code & 7 == 5 and (k >= left if op == JA else max(jt, jf) >= left):
            return False
    return _memory_is_written_before_it_is_read(program)


def _memory_is_written_before_it_is_read(program):
    """On every way; a RET counts as if the next instruction came after it."""
    everything = set(range(16))
    by_jumps = [everything] * len(program)
    written = set()
    for i, (code, jt, jf, k) in enumerate(program):
        written = written & by_jumps[i]
        if code in {0x02, 0x03}:
            written = written | {k}
        elif code in {0x60, 0x61} and k not in written:
            return False
        elif code & 7 == 5:
            for to in (k, k) if code == 5 else (jt, jf):
                by_jumps[i + 1 + to] = by_jumps[i + 1 + to] & written
            written = everything
    return True
