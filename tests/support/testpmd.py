"""DPDK's testpmd, which takes commands: with virtio-user a driver of vnic's card, with net_vhost a back-end."""

import re
import subprocess
import time

import needs

LIMIT_S = 20


class Testpmd:
    """A testpmd that is told what to do on its standard input. ``back_end``: with net_vhost, not with virtio-user."""

    __test__ = False

    def __init__(self, folder, path, *, device="", queues=1, mode="io", back_end=False):
        port = f"net_vhost0,iface={path}" if back_end else f"net_virtio_user0,path={path}"
        self.out = (folder / "testpmd.out").open("w+")
        self.process = subprocess.Popen(
            [
                "stdbuf", "-oL", "dpdk-testpmd", "-l", "0-1", "--no-huge", "-m", "128", "--no-pci", "--no-telemetry",
                f"--file-prefix={folder.name}", "--vdev", f"{port},queues={queues}{device}", "--",
                "-i", f"--forward-mode={mode}", "--port-topology=loop", "--total-num-mbufs=8192", "--nb-cores=1",
                f"--rxq={queues}", f"--txq={queues}", "--no-flush-rx",
            ],
            stdin=subprocess.PIPE, stdout=self.out, stderr=self.out, text=True, env=needs.others_env(),
        )  # fmt: skip

    def tell(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def text(self):
        self.out.flush()
        self.out.seek(0)
        return self.out.read()

    def says(self, words, times=1):
        end = time.monotonic() + LIMIT_S
        while self.text().count(words) < times:
            assert time.monotonic() < end, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(0.01)

    def counters(self):
        """Its port's statistics, now: received, sent, missed."""
        before = self.text().count("RX-packets:")
        self.tell("show port stats 0")
        end = time.monotonic() + LIMIT_S
        while self.text().count("RX-packets:") == before or not self.text().rstrip().endswith("testpmd>"):
            assert time.monotonic() < end, self.text()
            time.sleep(0.01)
        text = self.text()
        return tuple(
            int(re.findall(rf"{name}: *(\d+)", text)[-1]) for name in ("RX-packets", "TX-packets", "RX-missed")
        )

    def quit(self):
        self.tell("quit")
        self.process.wait(LIMIT_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.out.close()
