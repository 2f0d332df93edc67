"""Random classic BPF programs from a source of random numbers (hypothesis's, or a seeded one)."""

from model import bpf

EDGES = (0, 1, 2, 31, 32, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def constant(rnd):
    return rnd.choice((rnd.choice(EDGES), rnd.randrange(64), rnd.randrange(1 << 32)))


def offset(rnd, size):
    return rnd.choice(
        (
            rnd.randrange(size),
            rnd.randrange(size),
            rnd.randrange(size),
            size - rnd.randrange(5),
            bpf.LL_OFF + rnd.randrange(size),
            bpf.NET_OFF + rnd.randrange(size),
            rnd.choice(EDGES),
        )
    )


def insn(rnd, left, words, size, extensions):
    """One that may stand here, with so many behind it."""
    code = rnd.choice(sorted(bpf.CODES))
    kind, op = code & 7, code & 0xF0
    k = constant(rnd)
    jt = jf = 0
    if code in {0x20, 0x28, 0x30}:
        k = bpf.AD_OFF + rnd.choice(extensions) if rnd.randrange(4) == 0 else offset(rnd, size) % bpf.AD_OFF
    elif code in {0x40, 0x48, 0x50, 0xB1}:
        k = offset(rnd, size)
    elif code in {0x02, 0x03}:
        k = rnd.randrange(16)
    elif code in {0x60, 0x61}:
        if not words:
            return (0x80, 0, 0, 0)
        k = rnd.choice(words)
    elif kind == 4 and not code & 8:
        if op in {bpf.LSH, bpf.RSH}:
            k %= 32
        elif op in {bpf.DIV, bpf.MOD}:
            k = k or 1
    elif kind == 5:
        if op == bpf.JA:
            k = rnd.randrange(min(left, 4))
        else:
            jt, jf = rnd.randrange(min(left, 4)), rnd.randrange(min(left, 4))
    elif kind == 6 and rnd.randrange(4):  # not too often in the middle
        return (0x07, 0, 0, 0)
    return (code, jt, jf, k)


def valid(rnd, size, extensions):
    """A program that may run, for packets of about size bytes."""
    words = sorted({rnd.randrange(16) for _ in range(rnd.randrange(4))})
    begin = [(0x80, 0, 0, 0), (0x01, 0, 0, rnd.randrange(size)), *((0x02, 0, 0, w) for w in words)]
    n = rnd.randrange(1, 24)
    body = [insn(rnd, n - i, words, size, extensions) for i in range(n)]
    return [*begin, *body, (0x16, 0, 0, 0)]


def spoilt(rnd, size, extensions):
    """One in which something is mostly wrong."""
    program = valid(rnd, size, extensions)
    i = rnd.randrange(len(program))
    code, jt, jf, k = program[i]
    what = rnd.randrange(6)
    if what == 0:
        program[i] = (rnd.choice((rnd.randrange(256), rnd.randrange(1 << 16))), jt, jf, k)
    elif what == 1:
        program[i] = (code, rnd.randrange(256), rnd.randrange(256), k)
    elif what == 2:
        program[i] = (code, jt, jf, rnd.choice((constant(rnd), bpf.AD_OFF + rnd.randrange(80), 15, 16)))
    elif what == 3:
        program = program[: i + 1]
    elif what == 4:
        program[i] = (rnd.choice((0x60, 0x61)), 0, 0, rnd.randrange(18))
    else:
        program[i] = (rnd.choice((0x34, 0x94, 0x64, 0x74, 0x05)), jt, jf, rnd.choice((0, 1, 31, 32, len(program) - i)))
    return program


RET = 0x06, 0, 0


def keep(n):
    """A program that wants n bytes of each packet."""
    return [(*RET, n)]
