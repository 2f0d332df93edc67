"""Directories, archives and files: what is read of them, what never is, and their limits."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import faces
import machine_texts as texts
import pytest

import vnic
from vnic.imports import tree
from vnic.imports.machine import Machine
from vnic.imports.tree import Texts

RATE = "sos_commands/networking/ethtool_-g_eth0"


def archive(path, files, mode="w", links=()):
    with tarfile.open(path, mode) as tar:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            (info := tarfile.TarInfo(f"sosreport-a/{name}")).size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return path


@pytest.mark.parametrize("kind", ["", ":gz", ":bz2", ":xz"])
def test_an_archive_says_what_its_directory_says(tmp_path, kind):
    directory = faces.write(tmp_path / "d", texts.SOSREPORT)
    a, b = vnic.import_config(directory), vnic.import_config(archive(tmp_path / "a.tar", texts.SOSREPORT, f"w{kind}"))
    assert a.config == b.config
    assert a.facts == b.facts
    assert a.config["netdev-budget"] == 600  # not etc/sysctl.conf's
    assert a.config["rx-ring"] == 512  # not another namespace's


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_text_may_be_compressed(tmp_path, pack):
    (path := tmp_path / "ethtool_-g_eth7.gz").write_bytes(pack(texts.RINGS_6.encode()))
    (other := tmp_path / "ethtool_-S_eth0.gz").write_bytes(pack(texts.STATISTICS.encode()))
    found = vnic.import_config(path, other)
    assert (found.dev, found.config["rx-ring"]) == ("eth0", 512)


def test_zstd_is_read_where_python_has_it(tmp_path):
    (path := tmp_path / "x.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(vnic.ConfigError, match=r"zstd|cannot be read"):
        vnic.import_config(path)


def test_no_link_is_followed_out_of_a_directory(tmp_path):
    (outside := tmp_path / "outside").mkdir()
    faces.write(outside, {"rings": texts.RINGS_6, "net/eth0/queues/rx-0/rps_cpus": "3\n"})
    directory = faces.write(tmp_path / "d", {"ethtool_-c_eth0": texts.COALESCE_6})
    (directory / "rings").symlink_to(outside / "rings")
    (directory / "net").symlink_to(outside / "net")
    os.mkfifo(directory / "fifo")
    found = vnic.import_config(directory)
    assert found.config["rx-usecs"] == 50
    assert not found.config.keys() & {"rx-ring", "rps-cpus"}
    (link := tmp_path / "link").symlink_to(outside)
    assert vnic.import_config(link).config["rx-ring"] == 512  # the caller named it


def test_no_link_of_an_archive_is_followed_and_nothing_is_extracted(tmp_path):
    (secret := tmp_path / "secret").write_text(texts.RINGS_6)
    links = [
        ("rings", str(secret), tarfile.SYMTYPE),
        ("ethtool_-g_eth0", str(secret), tarfile.LNKTYPE),
        ("../../escaped", "", tarfile.DIRTYPE),
    ]
    path = archive(tmp_path / "a.tar", {"../../../ethtool_-c_eth0": texts.COALESCE_6}, links=links)
    before = sorted(tmp_path.rglob("*"))
    found = vnic.import_config(path)
    assert "rx-ring" not in found.config
    assert found.config["rx-usecs"] == 50
    assert sorted(tmp_path.rglob("*")) == before


def test_limits(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.tar.xz", {f"f{i}": texts.RINGS_6 for i in range(20)}, "w:xz")
    directory = faces.write(tmp_path / "d", {f"f{i}": texts.RINGS_6 for i in range(20)})
    for name, value, where, said in [
        ("ENTRIES_MAX", 10, path, "more than 10 members"), ("ENTRIES_MAX", 10, directory, "more than 10 files"),
        ("TEXTS_MAX", 1000, path, "more than 0 MiB together"), ("ARCHIVE_MAX", 5000, path, "more than 0 GiB"),
        ("TEXTS_MAX", 1000, directory, "more than 0 MiB together"),
    ]:  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(tree, name, value)
            with pytest.raises(vnic.ConfigError, match=said):
                vnic.import_config(where)


def test_a_member_that_is_too_long_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "TEXT_MAX", 4096)
    files = {"long": texts.RINGS_6 * 20, "ethtool_-c_eth0": texts.COALESCE_6}
    for where in (archive(tmp_path / "a.tar", files), faces.write(tmp_path / "d", files)):
        assert "rx-ring" not in vnic.import_config(where).config
    with pytest.raises(vnic.ConfigError, match="is longer than"):
        vnic.import_config(tmp_path / "d" / "long")


def test_a_header_that_claims_gigabytes_is_refused(tmp_path):
    """tarfile reads a pax header as a whole."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    (path := tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 20)))
    with pytest.raises(vnic.ConfigError, match="a header of 4294967296 bytes"):
        vnic.import_config(path)


def test_an_archive_that_ends_early(tmp_path):
    path = archive(tmp_path / "a.tar.xz", texts.SOSREPORT, "w:xz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(vnic.ConfigError, match="cannot be read"):
        vnic.import_config(path)


def test_directories_without_end():
    """The tree is outside of tmp_path: pytest's own cleanup of it would recurse too deep, runs later."""
    here = Path.cwd()
    at = top = tempfile.mkdtemp(prefix="vnic-deep-")
    try:
        for _ in range(1500):
            os.mkdir("d", dir_fd=(fd := os.open(at, os.O_RDONLY)))
            os.fchdir(fd)
            os.close(fd)
            os.chdir("d")
            at = "."
        os.chdir(here)
        with pytest.raises((vnic.ConfigError, OSError)):
            vnic.import_config(top)
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", top], check=True, timeout=60)


def test_texts_that_are_none(tmp_path):
    (path := tmp_path / "a").write_bytes(b"driver: x\0")
    for where, said in [(path, "no text of"), (tmp_path, "no text of"), ("x\0y", "zero byte"), ("", "No such file")]:
        with pytest.raises((vnic.ConfigError, OSError), match=said):
            vnic.import_config(where)
    machine = Machine()
    Texts(machine).read(path)
    assert machine.unread == [f"{path}: no text of a tool that vnic knows"]


def test_progress_is_told(tmp_path):
    told = []
    path = archive(tmp_path / "a.tar", texts.SOSREPORT)
    vnic.import_config(path, progress=lambda name, n: told.append((name, n)))
    assert told
    assert {name for name, _ in told} == {str(path)}
    assert [n for _, n in told] == sorted(n for _, n in told)
