"""SipHash-2-4, by its authors' vectors."""

import pytest

from vnic._core import lib

# vectors_sip64 of the reference implementation: key 00 01 .. 0f, input 00 01 .. (n - 1)
VECTORS = [
    "310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785",
    "b7877127e09427cf", "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab",
    "6224939a79f5f593", "b0e4a90bdf82009e", "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4",
    "fbe50e86bc8f1e75", "903d84c02756ea14", "eef27a8e90ca23f7", "e545be4961ca29a1",
]  # fmt: skip


@pytest.mark.parametrize(("n", "vector"), list(enumerate(VECTORS)))
def test_siphash_gives_its_authors_vectors(n, vector):
    k0, k1 = (int.from_bytes(bytes(range(a, a + 8)), "little") for a in (0, 8))
    got = lib.siphash(bytes(range(n)), n, k0, k1)
    assert got.to_bytes(8, "little").hex() == vector
