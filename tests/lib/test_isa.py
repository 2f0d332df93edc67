"""Which instructions the CPU has: every set gives the same sums."""

import hashlib
import os
import random
import subprocess
import sys

import pytest

from vnic._core import ffi, lib


def digest() -> str:
    """Of many sums and copies, and hashes; the child below prints it. All ones are what may lose a carry."""
    rng, out = random.Random(1071), hashlib.sha256()
    copy = ffi.new("uint8_t[]", 70000)
    for memory in (ffi.new("uint8_t[]", rng.randbytes(70000)), ffi.new("uint8_t[]", b"\xff" * 70000)):
        for length in [*range(700), *(rng.randrange(700, 69000) for _ in range(200))]:
            a, b = rng.randrange(64), rng.randrange(64)
            total = lib.csum_and_copy(copy + b, memory + a, length, rng.getrandbits(32))
            out.update(lib.csum_fold(total).to_bytes(2, "little") + bytes(ffi.buffer(copy + b, length)))
    rss = ffi.new("struct rss *", {"enabled": 1})
    lib.rss_set_key(rss, rng.randbytes(52), 52)
    for n in [*range(1, 65), *range(1, 65)]:
        tuples, hashes = ffi.new("uint8_t[][16]", [rng.randbytes(16) for _ in range(n)]), ffi.new("uint32_t[]", n + 1)
        lib.rss_hash4(rss, tuples, hashes, n)
        assert hashes[n] == 0
        assert list(hashes[0:n]) == [lib.rss_toeplitz(rss, tuples[i], 12) for i in range(n)]
        out.update(bytes(ffi.buffer(hashes, 4 * n)))
    return out.hexdigest()


@pytest.mark.slow
def test_every_instruction_set_gives_the_same():
    """VNIC_ISA forces the portable code, or that without AVX-512; without it, the best this machine has runs."""
    code = "import test_isa as t; print(t.ffi.string(t.lib.vnic_isa()).decode(), t.digest())"
    said = {}
    for isa in ("generic", "avx2", None):
        env = {k: v for k, v in os.environ.items() if k != "VNIC_ISA"} | ({"VNIC_ISA": isa} if isa else {})
        env["PYTHONPATH"] = os.pathsep.join(sys.path)
        run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        said[isa] = run.stdout.split()
    assert said["generic"][0] == "generic"
    assert "avx512" not in said["avx2"][0]
    assert said["generic"][1] == said["avx2"][1] == said[None][1] == digest()
