"""Knobs as commands for a real machine: ethtool, ip, sysctl, files of /sys and /proc, taskset.

    Shell.lines({"rx-ring": 1024, "rps-cpus": "c"}) -> ethtool -G eth0 rx 1024; echo c > /sys/class/net/eth0/...

The table of knobs says where Linux has each (vnic/linux/places.py). A knob without such a place becomes the nearest
setting, or a comment with the reason why nothing is set. The lines are for root's shell. An interface's name
goes into them, so only names of plain characters are taken.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted
from vnic.exports.toml import comment
from vnic.knobs.fields import table_entries
from vnic.knobs.table import KNOBS, read
from vnic.linux.places import place
from vnic.linux.pseudofile import cpulist

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vnic.knobs.parse import Indirection

DEV = "eth0"
_DEV = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,14}")
_ANY_CPU = 0xFFFFFFFF
_MTU = "1500, Ethernet's"
_MASKS = frozenset({"rps-cpus", "flow-limit-cpus", "smp-affinity"})

_NEAREST = {
    "rx-pool": "the driver's buffers follow its rings: ethtool -G {dev} rx N",
    "fifo": "the card's own memory, which cannot be set; a longer ring (ethtool -G {dev} rx N) takes bursts off it",
    "drop-en": "a private flag of the driver, if it has one: ethtool --show-priv-flags {dev}",
    "gro-cwr": "a rule of the kernel's version",
    "gro-flows": "an account that only vnic keeps",
    "sockets": "Linux bounds open files instead: ulimit -n, sysctl fs.file-max",
    "link": "the link's rate: ethtool -s {dev} speed N, or what the cable and the switch agree on",
    "speed": "the pace of a replay, not of a machine",
    "strict-csum": "how vnic reads a capture",
    "capture-mtu": "how vnic reads a capture",
    "cost": "the speed of the machine itself: vnic calibrate measures it",
    "hz": "CONFIG_HZ, a choice when a kernel is built",
    "weight": "NAPI_POLL_WEIGHT, a constant of the kernel; for backlogs net.core.dev_weight",
    "busy-poll-budget": "setsockopt(SO_BUSY_POLL_BUDGET) in the program",
    "prefer-busy-poll": "setsockopt(SO_PREFER_BUSY_POLL) in the program",
    "cpus": "the machine's CPUs; one that is offline comes by: echo 1 > /sys/devices/system/cpu/cpuN/online",
    "seed": "the seed of a replay, not of a machine",
    "lro": "off in vnic: ethtool -K {dev} lro off",
    "rx-gro-hw": "off in vnic: ethtool -K {dev} rx-gro-hw off",
    "rx-vlan-offload": "off in vnic: ethtool -K {dev} rxvlan off",
}
"""Knob -> why Linux has no command for it, and what comes nearest."""
_ORDER = ("-L", "-G", "-K", "-X", "-N", "-C", "-Q")


def refuse_name(dev: str) -> str:
    """Return the interface's name. ConfigError: it is none that is safe in a command."""
    if not isinstance(dev, str) or not _DEV.fullmatch(dev) or dev == "..":
        raise ConfigError(
            f"--dev {quoted(dev)}: must be 1 to 15 letters, digits, points, dashes and underlines, and no dash in front"
        )
    return dev


_NAPI_SET = {
    "gro-flush-timeout": "gro-flush-timeout",
    "napi-defer-hard-irqs": "defer-hard-irqs",
    "irq-suspend-timeout": "irq-suspend-timeout",
    "threaded": "threaded",
}
"""Knob -> attribute of the netdev netlink family's napi-set (Linux: Documentation/netlink/specs/netdev.yaml)."""
_THREADED = {False: "disabled", True: "enabled"}


def _word(given: Any) -> str:
    if isinstance(given, bool):
        return "on" if given else "off"
    return shlex.quote(str(given))


def _mask(mask: int) -> str:
    """Format a mask as the kernel's files take it: a comma in front of each further 32 bits."""
    groups = []
    while mask >> 32:
        groups.append(f"{mask & 0xFFFFFFFF:08x}")
        mask >>= 32
    return ",".join([f"{mask:x}", *reversed(groups)])


@dataclass
class Shell:
    """The commands for one interface of a real machine.

    Args:
        dev: its name.
        queues: its receive queues; a knob of all queues becomes a line for each.
    """

    dev: str = DEV
    queues: int = 1
    _ethtool: dict[str, list[str]] = field(default_factory=dict)
    _coalesce: list[str] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        refuse_name(self.dev)

    def lines(
        self, settings: Mapping[str, Any], each_queue: Mapping[int | str, Mapping[str, Any]] | None = None
    ) -> list[str]:
        """Return the commands, those first on which others depend. ConfigError: a knob or a value does not exist."""
        self._ethtool, self._coalesce, self._others, self._comments = {}, [], [], []
        self.queues = int(settings.get("queues", self.queues))
        for name, given in settings.items():
            if name == "ip":
                self._addresses(given)
            elif name in KNOBS:
                self._knob(name, read(name, given), given)
            elif name != "each_queue":
                self._nothing(name, given)
        if self._coalesce:
            self._run("-C", *self._coalesce)
        for queue, own in (each_queue or {}).items():
            self._queue(int(queue), own)
        found = [line for option in _ORDER for line in self._ethtool.get(option, ())]
        return found + self._others + self._comments

    # ---- knobs ----

    def _knob(self, name: str, parsed: Any, given: Any) -> None:
        where = place(name)
        words = where.split()
        if name in _NEAREST:
            self._nothing(name, given)
        elif name == "reader-cpu":
            self._reader(parsed)
        elif name == "irq-suspend-timeout" or parsed == "busy-poll":
            for queue in range(self.queues):
                self._napi(name, parsed, queue)
        elif words[:1] == ["ethtool"]:
            self._of_ethtool(name, words[1:], parsed)
        elif words[:3] == ["ip", "link", "set"]:
            self._link(name, words[3], parsed)
        elif where.startswith("net."):
            self._sysctl(name, where, parsed)
        elif where.startswith("/"):
            for queue in range(self.queues) if "-N" in where or "/N/" in where else (0,):
                self._file(name, where, parsed, queue)
        else:
            self._nothing(name, given)

    def _of_ethtool(self, name: str, words: Sequence[str], parsed: Any) -> None:
        option = words[0].rstrip(",")
        if option == "-C":
            self._coalesce += [name, _word(parsed)]
        elif option == "-K":
            self._run("-K", name, _word(parsed))
        elif name == "rss-indir":
            self._table(parsed)
        elif name == "rss-key":
            self._run("-X", "hkey", bytes(parsed).hex(":"))
        elif name == "rss-xfrm":
            self._run("-X", "xfrm", parsed)
            self._note("rss-xfrm", "ethtool 6.1 does not know it yet")
        elif name == "ntuple-rules":
            self._rules(parsed)
        elif words[1] == "rx-flow-hash":
            kind = name.removeprefix("rx-flow-hash-")
            for flow in (kind,) if kind[-1].isdigit() else (f"{kind}4", f"{kind}6"):
                self._run("-N", "rx-flow-hash", flow, parsed)
        else:
            self._run(option, words[1], _word(parsed))

    def _table(self, table: Indirection) -> None:
        if table.default:
            self._run("-X", "default")
            return
        whole = [table[i % len(table)] for i in range(table_entries(len(table)))]
        used = max(whole) + 1
        if whole == [i % used for i in range(len(whole))]:
            self._run("-X", "equal", str(used))
            return
        self._run("-X", "weight", *(str(whole.count(queue)) for queue in range(used)))
        self._note(
            "rss-indir", "ethtool -X has no word for single entries: each queue has the same share, in other places"
        )

    def _rules(self, rules: Any) -> None:
        if rules:
            self._run("-K", "ntuple", "on")
        for rule in rules:
            self._run("-N", "flow-type", *map(shlex.quote, str(rule).split()))

    def _link(self, name: str, word: str, parsed: Any) -> None:
        if name == "mac" and parsed is None:
            self._run_ip("promisc", "on")
            self._note("mac", "any: vnic's card takes all unicast frames, as a card in promiscuous mode does")
        elif name == "mac":
            self._run_ip("address", bytes(parsed).hex(":"))
        elif name == "mtu" and not parsed:
            self._note("mtu", f"0: vnic has no limit; the interface keeps its own ({_MTU}, if nothing else is set)")
        else:
            self._run_ip(word, _word(parsed))
            if name == "gro-ipv4-max-size":
                self._note(name, "iproute2 6.1 does not know it yet")

    def _sysctl(self, name: str, where: str, parsed: Any) -> None:
        value = _mask(parsed) if name in _MASKS else str(parsed if isinstance(parsed, (str, tuple)) else int(parsed))
        if name == "udp-mem":
            value = f"{parsed} {parsed * 4 // 3} {parsed * 2}"  # the kernel's own proportions
        if "DEV" in where:
            where = where.replace(".", "/").replace("DEV", self.dev)  # with a slash, points are parts of a name
        self._others.append(f"sysctl -w {shlex.quote(f'{where}={value}')}")
        if name == "rcvbuf":
            self._note(
                name,
                f"for sockets made later; a program that sets its own calls setsockopt(SO_RCVBUF, {parsed // 2}), "
                f"and needs net.core.rmem_max to be that much",
            )
        if name == "rps-sock-flow-entries" and parsed:
            self._note(name, "RFS also needs rps_flow_cnt of each queue")

    def _file(self, name: str, where: str, parsed: Any, queue: int) -> None:
        if name == "smp-affinity":
            self._irq(parsed, queue)
            return
        path = where.replace("DEV", self.dev).replace("rx-N", f"rx-{queue}")
        value = _mask(parsed) if name in _MASKS else str(int(parsed))
        self._others.append(f"echo {value} > {shlex.quote(path)}")

    def _napi(self, name: str, parsed: Any, queue: int) -> None:
        """Set one queue's NAPI: by netlink only, since the files in /sys are of all of them."""
        value = json.dumps(_THREADED.get(parsed, parsed) if name == "threaded" else parsed)
        variable = f"NAPI_{queue}"
        self._others.append(
            f"""ynl --family netdev --do napi-set --json '{{"id": '"${variable}"', "{_NAPI_SET[name]}": {value}}}'"""
        )
        self._note(
            name,
            f"{variable}: the napi-id of receive queue {queue}, from: ynl --family netdev --dump queue-get "
            f"--json '{{\"ifindex\": '$(cat /sys/class/net/{self.dev}/ifindex)'}}'",
        )

    def _irq(self, mask: int, queue: int) -> None:
        """Find the interrupt by its name: most drivers end it with the queue's number behind the interface's name."""
        name = self.dev.replace(".", "[.]")
        number = f"$(sed -nE '/[ @-]{name}-(.*[^0-9])?{queue}$/{{s/^ *([0-9]+):.*/\\1/p;q}}' /proc/interrupts)"
        self._others.append(f"echo {cpulist(mask)} > /proc/irq/{number}/smp_affinity_list")
        if queue == 0:
            self._note(
                "smp-affinity",
                "irqbalance would move it back: systemctl stop irqbalance; "
                "if the driver names its interrupts otherwise, take the number from /proc/interrupts",
            )

    def _reader(self, cpu: Any) -> None:
        if cpu == _ANY_CPU:
            self._note("reader-cpu", "any: the scheduler's choice")
            return
        self._others.append(f'taskset -a -c -p {cpu} "$READER"')
        self._note("reader-cpu", "READER: the process id of the program that reads; or start it by taskset -c")

    def _queue(self, queue: int, own: Mapping[str, Any]) -> None:
        times: list[str] = []
        for name, given in own.items():
            parsed, where = read(name, given), place(name)
            if where.startswith("ethtool -C"):
                times += [name, _word(parsed)]
            elif name in _NAPI_SET:
                self._napi(name, parsed, queue)
            else:
                self._file(name, where, parsed, queue)
        if times:
            self._run("-Q", "queue_mask", f"{1 << queue:#x}", "--coalesce", *times)

    def _addresses(self, given: Any) -> None:
        for address in given if isinstance(given, (list, tuple)) else ():
            self._others.append(f"ip address add {shlex.quote(str(address))} dev {self.dev}")

    # ---- lines ----

    def _run(self, option: str, *words: str) -> None:
        self._ethtool.setdefault(option, []).append(" ".join(["ethtool", option, self.dev, *words]))

    def _run_ip(self, *words: str) -> None:
        self._others.append(" ".join(["ip", "link", "set", "dev", self.dev, *words]))

    def _nothing(self, name: str, given: Any) -> None:
        why = _NEAREST.get(name) or KNOBS[name].help
        shown = _word(given) if isinstance(given, bool) else given
        self._note(f"{name}={shown}", f"no command sets it: {why.format(dev=self.dev)}")

    def _note(self, name: str, text: str) -> None:
        line = comment(f"{name}: {text}")
        if line not in self._comments:
            self._comments.append(line)


def of_config(config: Mapping[str, Any], dev: str = DEV) -> Iterator[str]:
    """Yield the commands that give an interface a run's config, without the values that are Linux's defaults."""
    from vnic.exports.toml import changed

    shell = Shell(dev, int(config.get("queues", 1)))
    yield from shell.lines(changed(config), config.get("each_queue"))
