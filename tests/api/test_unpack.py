"""Compressed captures: by content, whole, in pieces, damaged, and as bombs."""

import bz2
import gzip
import importlib
import json
import lzma
import os
import shutil
import subprocess
import threading

import frames
import lz4.frame
import pytest
from captures import pcap_each_second
from commands import vnic_process
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic import unpack
from vnic.capture_input import CaptureInput

zstd = unpack._zstd()
PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "lz4": lz4.frame.compress,
}
PLAIN = pcap_each_second([frames.udp(bytes([i]) * i * 5) for i in range(100)])
kinds = pytest.mark.parametrize("kind", PACK)


def replayed(opened):
    """Frames offered, and why the wire ended."""
    with vnic.Host(wire=vnic.CaptureWire([opened]), sink=True, cost="zero") as host:
        host.finish()
        return host.ledger().offered, host.wire.error_text


@kinds
def test_a_packed_file_is_a_capture_whatever_its_name_is(tmp_path, kind):
    path = tmp_path / "x.pcap"
    path.write_bytes(PACK[kind](PLAIN))
    opened = CaptureInput(path)
    assert opened.size == len(PLAIN)
    for _ in range(2):
        assert replayed(opened) == (100, "")


@kinds
def test_from_a_pipe(kind):
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writer, PACK[kind](PLAIN)), os.close(writer)))
    thread.start()
    assert replayed(CaptureInput(f"/dev/fd/{reader}")) == (100, "")
    thread.join()
    os.close(reader)


@kinds
def test_archives_one_behind_the_other_are_one(tmp_path, kind):
    path = tmp_path / "x"
    path.write_bytes(PACK[kind](PLAIN[:1000]) + PACK[kind](PLAIN[1000:]))
    assert replayed(CaptureInput(path)) == (100, "")


@kinds
def test_a_file_that_ends_too_early_is_read_as_far_as_it_is_good(tmp_path, kind):
    path, incompressible = tmp_path / "x", pcap_each_second([frames.udp(os.urandom(1000)) for _ in range(3000)])
    packed = PACK[kind](incompressible)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    offered, why = replayed(CaptureInput(path))
    assert 0 < offered < 3000
    assert f"its {kind} data ends too early, behind " in why


@pytest.mark.parametrize("kind", ["bzip2", "xz"])
def test_a_damaged_file_is_read_as_far_as_it_is_good(tmp_path, kind):
    """These two check each block before they give it out; the others say at the end that it was damaged."""
    path, incompressible = tmp_path / "x", pcap_each_second([frames.udp(os.urandom(1000)) for _ in range(3000)])
    packed = bytearray(PACK[kind](incompressible))
    at = len(packed) * 2 // 3
    packed[at : at + 40] = bytes(40)
    path.write_bytes(packed)
    offered, why = replayed(CaptureInput(path))
    assert offered <= 3000
    assert f"its {kind} data is damaged behind " in why


@kinds
def test_a_damaged_file_says_so_and_the_report_is_there(tmp_path, kind):
    path = tmp_path / "x.pcap.packed"
    path.write_bytes(PACK[kind](PLAIN) + PACK[kind](PLAIN[24:])[:-3])
    got = vnic_process("replay", str(path), "--json")
    assert got.returncode == 1
    assert f"{path}: its {kind} data ends too early, behind " in got.stderr.decode()
    assert json.loads(got.stdout)["ledger"]["offered"] >= 100


@kinds
def test_a_bomb_is_met_before_it_goes_off(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("vnic.capture_input.most_bytes", lambda: 3 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(PACK[kind](PLAIN[:24] + bytes(64 << 20)))
    with pytest.raises(vnic.CaptureError, match="more than 3 MiB came"):
        CaptureInput(path)


@given(st.sampled_from(list(PACK)), st.binary(max_size=3000), st.integers(1, 500), st.binary(max_size=9))
def test_any_bytes_in_any_pieces(kind, data, size, padding):
    packed = PACK[kind](data)
    if unpack.kind_of(padding) is None:
        packed += padding
    pieces = (packed[i : i + size] for i in range(0, len(packed), size))
    assert b"".join(unpack.unpacked(kind, pieces)) == data


@kinds
def test_pieces_are_small(kind):
    packed = PACK[kind](bytes(5 << 20))
    assert all(len(piece) <= unpack.PIECE for piece in unpack.unpacked(kind, iter([packed])))


@pytest.mark.parametrize(("kind", "names"), [("zstd", ["compression.zstd", "backports.zstd"]), ("lz4", ["lz4.frame"])])
def test_without_the_package_one_sentence_says_what_to_do(tmp_path, monkeypatch, kind, names):
    real = importlib.import_module

    def without(name):
        if name in names:
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(unpack.importlib, "import_module", without)
    path = tmp_path / "x"
    path.write_bytes(PACK[kind](PLAIN))
    with pytest.raises(vnic.CaptureError, match=f"{kind}-compressed: pip install '.*' to read it, or unpack"):
        CaptureInput(path)


@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip")
def test_gzips_own_files(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(PLAIN)
    subprocess.run(["gzip", "-k", path], check=True)
    assert replayed(CaptureInput(tmp_path / "x.pcap.gz")) == (100, "")
