"""An interface of the running kernel beside the card: in a namespace of the test's, with the same address and MTU."""

import ctypes
import fcntl
import json
import os
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
MAC = "02:00:00:00:00:01"

_WRITER = r"""
import ctypes, json, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000 | 0x00020000) == 0                        # CLONE_NEWNET | CLONE_NEWNS
assert libc.mount(b"none", b"/", None, 0x44000, None) == 0               # MS_REC | MS_PRIVATE
assert libc.mount(b"none", b"/sys", b"sysfs", 0, None) == 0
from pyroute2 import IPRoute
with IPRoute() as ipr:
    ipr.link("add", ifname="vnic0", kind="veth", peer={"ifname": "v1"}, address=sys.argv[1])
    for name in "vnic0", "v1":
        ipr.link("set", index=ipr.link_lookup(ifname=name)[0], state="up")
subprocess.run(["ethtool", "-K", "vnic0", "gro", "on"], check=True)      # a veth has NAPIs only then
os.chdir("/sys/class/net/vnic0")
said = []
for path, text in json.load(sys.stdin):
    error = 0
    try:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as e:
        error = e.errno
    said.append([error, open(path).read()])
there = [os.path.relpath(os.path.join(d, f), ".") for d, _, names in os.walk(".") for f in names]
modes = {f: os.stat(f).st_mode & 0o222 for f in there}
json.dump({"said": said, "modes": modes}, sys.stdout)
"""


def sysfs(cases: list[tuple[str, str]]) -> dict:
    """Write each text to the file of /sys/class/net/vnic0 (a veth), one after the other.

    Return: said = (errno or 0, what the file says then) of each, modes = path -> its write bits.
    """
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, MAC],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Tap:
    """``vnic0`` in the namespace the test is in: up, with the card's address, no queue, and somebody attached."""

    def __enter__(self):
        from pyroute2 import IPRoute

        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", b"vnic0", IFF_TAP_NO_PI))
        with IPRoute() as ipr:
            index = ipr.link_lookup(ifname="vnic0")[0]
            ipr.link("set", index=index, address=MAC, txqlen=0)
            ipr.link("set", index=index, state="up")
            ipr.tc("replace", "noqueue", index)
        return self

    def __exit__(self, *exc):
        os.close(self.fd)


def proc_net_is(folder) -> None:
    """For ``preexec_fn``: what this process runs finds the folder's files in /proc/net.

    A mount over one file of /proc/net does not last: its entries are looked up anew each time.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    mount_ns, private, bind = 0x20000, 0x44000, 0x1000
    if (
        libc.unshare(mount_ns)
        or libc.mount(b"none", b"/", None, private, None)
        or libc.mount(os.fsencode(folder), b"/proc/self/net", None, bind, None)
    ):
        raise OSError(ctypes.get_errno(), "bind over /proc/self/net")
