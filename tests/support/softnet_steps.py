"""CPUs, NAPIs and flow hashes under a test's hand: a packet, a poll, a run at a time."""

import frames

from vnic._core import ffi, lib

MS = 1_000_000
NEVER = 2**64 - 1
LIMIT = {"cpus": 2, "rps_cpus": "2", "gro": False, "rcvbuf": 1 << 30}


class Steps:
    """A host whose CPU 0 steers all to CPU 1 and takes no time. CPU 1 takes 1 us for each packet off its backlog.

    Time stands still until take() lets it pass. Meanwhile CPU 1, unless it is idle, is in the middle of one packet.
    """

    def __init__(self, host):
        self.host = host
        self.sock = host.udp(5000)
        self.sent = self.t = 0
        host.machine.c.cost[lib.COST_BACKLOG] = 1000

    def arrive(self, n, flow=1):
        """n frames come, and CPU 0 does all its work on them."""
        self.host.feed([(self.t, frames.udp((self.sent + i).to_bytes(4), sport=flow)) for i in range(n)])
        self.sent += n
        self.host.run(until_ns=self.t)

    def take(self, n):
        """CPU 1 works for as long as n packets take."""
        self.t += n * 1000
        self.host.run(until_ns=self.t)

    def read(self):
        got = iter(self.sock.recvfrom_nowait, None)
        return [int.from_bytes(data) for data, _ in got]


class Line:
    """NAPIs on CPU 0 that answer their polls by a script: work, or what to call first to get it."""

    def __init__(self, host, scripts, *, weight=64):
        self.host, self.cpu = host, host.machine.c.cpu[0]
        self.cpu.horizon = 2**64 - 1
        self.polled = []
        self.napis = {}
        self.callbacks = []
        for name, script in scripts.items():
            n = ffi.new("struct napi_struct *")
            n.poll = self.answer(name, iter(script))
            n.config = ffi.addressof(host.machine.c.napi_config[0])
            n.sd, n.host, n.weight, n.timer_ns = self.cpu, host.machine.c, weight, 2**64 - 1
            self.napis[name] = n

    def answer(self, name, script):
        def poll(napi, budget):
            self.polled.append(name)
            work = next(script, 0)
            work = work() if callable(work) else work
            if 0 <= work < budget:
                lib.napi_complete_done(napi, work)
            return work

        self.callbacks.append(ffi.callback("int(struct napi_struct *, int)", poll))
        return self.callbacks[-1]

    def schedule(self, *names):
        for name in names or self.napis:
            assert lib.napi_schedule(self.napis[name])
        return 0

    def busy(self, ns, work=1):
        """A poll that takes time."""

        def poll():
            self.cpu.now += ns
            return work

        return poll

    def run(self):
        """One run. Return: who was polled."""
        self.polled.clear()
        lib.net_rx_action(self.cpu)
        return list(self.polled)

    def runs(self):
        """Run until nobody is left."""
        return [self.run() for _ in iter(lambda: self.cpu.softirq_pending, 0)]


def flow_hash(host, frame):
    """Of a packet as it comes from a card that hashed nothing."""
    packet = ffi.from_buffer("uint8_t[]", frame[14:])
    n = len(packet)
    skb = ffi.new("struct sk_buff *", {"data": packet, "len": n, "head_len": n})
    skb.protocol = int.from_bytes(frame[12:14], "little")
    return lib.skb_get_hash(host.machine.c, skb)
