"""Files by a name somebody gave (vnic/own_paths.py): no link is followed, no FIFO or device opened, in every place."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from paths import CAPTURES

import vnic
from vnic import own_paths
from vnic.cli.commands import main
from vnic.control import sockets
from vnic.control.server import Control
from vnic.own_paths import PathError, Tree

DEMO = str(CAPTURES / "demo.pcapng")
SOMEBODY = 12345
root = pytest.mark.root


def text_of(fd, data=b"new"):
    with os.fdopen(fd, "wb") as file:
        file.write(data)


@pytest.fixture
def things(tmp_path):
    """All that can have a name, and a file that must stay as it is."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "hard").write_text("precious")
    os.link(tmp_path / "hard", tmp_path / "hard2")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "socket"))
        yield tmp_path
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "hard2").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "link").readlink() == Path("victim")


NOT_TO_WRITE = [
    ("link", "is a symbolic link, which is not followed"),
    ("dangling", "is a symbolic link, which is not followed"),
    ("loop", "is a symbolic link, which is not followed"),
    ("fifo", "is a FIFO, not a file to write"),
    ("directory", "is a directory, not a file to write"),
    ("socket", "is a socket, not a file to write"),
    ("hard", "has another name too"),
    ("/dev/tty", "is a device, not a file to write"),
    ("/dev/zero/x", "Not a directory"),
    ("none/x", "No such file or directory"),
    ("", "No such file or directory"),
]


@pytest.mark.parametrize(("name", "why"), NOT_TO_WRITE)
def test_what_is_not_written_to(things, monkeypatch, name, why):
    monkeypatch.chdir(things)
    with pytest.raises(OSError, match=why):
        own_paths.create(name)
    with vnic.Host(cost="zero") as host, pytest.raises(vnic.ConfigError, match=why):
        vnic.Capture(host, name or Path("none/x"))
    result = CliRunner().invoke(main, ["replay", DEMO, "--write", name or "none/x"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert why in result.stderr


def test_a_file_is_made_and_made_anew(things):
    path = things / "new"
    text_of(own_paths.create(path), b"a long text")
    assert path.read_bytes() == b"a long text"
    assert path.stat().st_mode & 0o777 == 0o644 & ~umask()
    text_of(own_paths.create(path, truncate=False), b"A")
    assert path.read_bytes() == b"A long text"
    text_of(own_paths.create(path))
    assert path.read_bytes() == b"new"


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero"])
def test_devices_where_writing_has_no_effect(device):
    fd = own_paths.create(device)
    assert os.get_blocking(fd)
    os.close(fd)


def test_what_we_hold_already_is_written_to():
    """``--write >(tshark -r -)`` of a shell."""
    read, write = os.pipe()
    text_of(own_paths.create(f"/dev/fd/{write}"))
    os.close(write)
    assert os.read(read, 9) == b"new"
    assert os.read(read, 9) == b""
    os.close(read)
    with pytest.raises(OSError, match="Bad file descriptor"):
        own_paths.create(f"/dev/fd/{write}")


@root
def test_root_does_not_write_to_somebody_elses_file_but_to_that_of_who_called_sudo(things, monkeypatch):
    path = things / "theirs"
    path.write_text("x")
    os.chown(path, SOMEBODY, SOMEBODY)
    monkeypatch.delenv("SUDO_UID", raising=False)
    with pytest.raises(PathError, match="belongs to another user"):
        own_paths.create(path)
    monkeypatch.setenv("SUDO_UID", str(SOMEBODY))
    text_of(own_paths.create(path))
    assert path.read_text() == "new"
    for wrong in ("", "x", "9" * 30, "٣"):
        monkeypatch.setenv("SUDO_UID", wrong)
        with pytest.raises(PathError, match="belongs to another user"):
            own_paths.create(path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fifo", "is a FIFO, not a regular file"),
        ("directory", "is a directory, not a regular file"),
        ("socket", "is a socket, not a regular file"),
        ("/dev/zero", "is a device, not a regular file"),
        ("dangling", "No such file"),
        ("loop", "Too many levels of symbolic links"),
        ("", "No such file"),
    ],
)
def test_paths_that_are_not_read(things, monkeypatch, name, why):
    """At once: nobody writes to that FIFO."""
    monkeypatch.chdir(things)
    with pytest.raises(OSError, match=why):
        own_paths.read(name, 100)
    result = CliRunner().invoke(main, ["replay", DEMO, "--config", name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_paths_that_are_read(things):
    assert own_paths.read(things / "link", 8) == b"precious"
    with pytest.raises(PathError, match="longer than 7 bytes"):
        own_paths.read(things / "link", 7)
    read, write = os.pipe()
    os.write(write, b"cpus = 1")
    os.close(write)
    assert own_paths.read(f"/dev/fd/{read}", 100) == b"cpus = 1"  # --config <(...)
    os.close(read)


# ---- a tree ----


def test_a_tree_takes_what_is_in_the_way_away_and_follows_nothing(things):
    at = things / "exp"
    (at / "proc/net").mkdir(parents=True)
    (at / "proc/net/dev").symlink_to(things / "victim")
    os.mkfifo(at / "proc/interrupts")
    (at / "proc/self").mkdir()
    (at / "proc/self/net").symlink_to("/nowhere")
    with Tree(at) as tree:
        tree.write("proc/net/dev", "text")
        tree.write("proc/interrupts", "more")
        tree.write("proc/interrupts", "other")
        tree.link("proc/self/net", "../net")
    assert (at / "proc/net/dev").read_text() == "text"
    assert not (at / "proc/net/dev").is_symlink()
    assert (at / "proc/interrupts").read_text() == "other"
    assert (at / "proc/self/net/dev").read_text() == "text"
    assert sorted(p.name for p in (at / "proc").iterdir()) == ["interrupts", "net", "self"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "", "a//b", ".", "a/./b", "a\0b"])
def test_a_tree_has_no_way_out(tmp_path, path):
    with Tree(tmp_path / "exp") as tree, pytest.raises(PathError, match="outside of the directory"):
        tree.write(path, "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["exp"]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: p.symlink_to("elsewhere"), "is a symbolic link, not a directory"),
        (os.mkfifo, "is a FIFO, not a directory"),
        (lambda p: p.write_text("x"), "is a file, not a directory"),
    ],
)
@pytest.mark.parametrize("below", ["exp", "exp/proc", "exp/proc/net"])
def test_a_directory_of_a_tree_is_one(tmp_path, make, why, below):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / below).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / below).unlink(missing_ok=True)
    make(tmp_path / below)
    with pytest.raises(PathError, match=why), Tree(f"{tmp_path}/exp/") as tree:
        tree.write("proc/net/dev", "text")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_directory_in_the_place_of_a_file_is_a_sentence(tmp_path):
    (tmp_path / "proc/net/dev").mkdir(parents=True)
    with Tree(tmp_path) as tree, pytest.raises(IsADirectoryError):
        tree.write("proc/net/dev", "text")
    assert sorted(p.name for p in (tmp_path / "proc/net").iterdir()) == ["dev"]


@root
@pytest.mark.parametrize("whose", ["exp", "exp/proc"])
def test_root_writes_nothing_below_somebody_elses_directory(tmp_path, monkeypatch, whose):
    monkeypatch.delenv("SUDO_UID", raising=False)
    (tmp_path / "exp/proc").mkdir(parents=True)
    os.chown(tmp_path / whose, SOMEBODY, SOMEBODY)
    with pytest.raises(PathError, match="belongs to another user"), Tree(tmp_path / "exp") as tree:
        tree.write("proc/x", "text")


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("old")

    class Full:
        def __init__(self, fd, _mode):
            self.fd = fd

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            os.close(self.fd)

        def write(self, _data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(own_paths.os, "fdopen", Full)
    with Tree(tmp_path) as tree, pytest.raises(OSError, match="No space left"):
        tree.write("x", "new")
    assert (tmp_path / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


# ---- the commands ----


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with vnic.Host(wire=vnic.CaptureWire([DEMO]), sink=True) as host:
        host.finish()
        with Control(host):
            yield host


def export(*argv):
    return CliRunner().invoke(main, ["show", "--export", *map(str, argv)])


def test_export_follows_nothing_and_says_what_is_wrong(served, things, monkeypatch):
    monkeypatch.chdir(things)
    (things / "exp/proc/net").mkdir(parents=True)
    (things / "exp/proc/net/dev").symlink_to(things / "victim")
    os.mkfifo(things / "exp/proc/interrupts")
    assert export("exp").exit_code == 0
    assert "vnic0" in (things / "exp/proc/net/dev").read_text()
    for name, why in (
        ("victim", "is a file"),
        ("link", "is a symbolic link"),
        ("fifo", "is a FIFO"),
        ("", "not a directory's name"),
    ):
        result = export(name)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert why in result.stderr
    assert export("/dev/null/x").stderr == "vnic: /dev/null/x: Not a directory\n"


@pytest.mark.parametrize("name", ["link", "fifo", "directory", "hard", "socket"])
def test_capture_of_an_instance_does_not_either(served, things, monkeypatch, name):
    monkeypatch.chdir(things)
    result = CliRunner().invoke(main, ["capture", "-w", name, "--duration", "0.1"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "vnic: " + name in result.stderr


def test_a_report_that_is_a_fifo_is_no_report(things, monkeypatch):
    """json or capture: nothing waits for the other end of a pipe, or reads what has no end."""
    from vnic.capture_input import CaptureInput
    from vnic.cli.why import _report

    monkeypatch.chdir(things)
    for name in ("fifo", "directory", "socket", "/dev/zero", "dangling"):
        with pytest.raises(vnic.CaptureError):
            CaptureInput(name, report=True)
    opened = CaptureInput("victim", report=True)
    assert _report(opened) is None
    opened.close()


@root
@pytest.mark.usefixtures("netns")
def test_a_network_namespace_is_no_fifo(things):
    result = CliRunner().invoke(main, ["doctor", "vt0", "--netns", str(things / "fifo")])
    assert "not a network namespace" in result.stdout
    assert json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)["schema"]


# ---- the directory of control sockets ----


def test_a_directory_above_that_others_may_write_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o777)
    with pytest.raises(vnic.VnicError, match="other users could replace vnic in it"):
        sockets.directory()
    assert list(tmp_path.iterdir()) == []
    tmp_path.chmod(0o1777)
    assert sockets.directory() == tmp_path / "vnic"
    tmp_path.chmod(0o700)


@root
def test_root_leaves_the_directory_of_who_called_sudo_alone(tmp_path, monkeypatch):
    os.chown(tmp_path, SOMEBODY, SOMEBODY)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert str(sockets.directory()) == "/run/vnic"
    assert list(tmp_path.iterdir()) == []


@root
def test_a_user_follows_no_link_either(things):
    """In a child that is nobody: the rule is the same without privileges."""
    things.chmod(0o777)
    program = """
import os
from vnic import own_paths
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in ("link", "fifo", "victim"):
    try:
        own_paths.create(name)
    except OSError as e:
        print(e.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=things, capture_output=True, text=True, check=True)
    assert [line.split(",")[0].split(":")[0] for line in done.stdout.splitlines()] == [
        "is a symbolic link",
        "is a FIFO",
        "belongs to another user",
    ]


# ---- all or nothing ----


@pytest.mark.parametrize(("name", "why"), NOT_TO_WRITE)
def test_a_file_that_replaces_another_obeys_the_same_rule(things, monkeypatch, name, why):
    monkeypatch.chdir(things)
    before = sorted(p.name for p in things.iterdir())
    with pytest.raises(OSError, match=why), own_paths.instead_of(name) as file:
        file.write(b"new")
    assert sorted(p.name for p in things.iterdir()) == before


def test_a_file_replaces_the_old_one_at_the_end_with_its_mode(tmp_path):
    path = tmp_path / "out"
    for text, mode in ((b"first", 0o644), (b"second", 0o600)):
        with own_paths.instead_of(path) as file:
            file.write(text)
            assert not path.exists() or path.read_bytes() == b"first"
        assert path.read_bytes() == text
        assert path.stat().st_mode & 0o777 == mode
        path.chmod(0o600)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def fail_with(error, file):
    file.write(b"half")
    raise error


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), OSError(28, "full")], ids=repr)
def test_a_block_that_fails_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(type(error)), own_paths.instead_of(path) as file:
        fail_with(error, file)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_device_is_written_to_directly(tmp_path, monkeypatch):
    with own_paths.instead_of("/dev/null") as file:
        file.write(b"gone")
    with pytest.raises(OSError, match="No space left"), own_paths.instead_of("/dev/full") as file:
        file.write(b"x")
    monkeypatch.chdir(tmp_path)
    with own_paths.instead_of("bare") as file:
        file.write(b"x")
    assert Path("bare").read_bytes() == b"x"
