"""Answer ``ethtool`` for the card, with the options, names, texts, units and exit codes of ethtool 6.1.

command(host, ["-G", "vnic0", "rx", "512"]) does what ``ethtool -G vnic0 rx 512`` does to a hardware card. The options
are in this file and in ethtool_*.py. ethtool_absent.py answers for features that this card lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import vnic
from vnic._core import lib
from vnic.capture_wire import CaptureWire
from vnic.control.reply import Reply
from vnic.errors import VnicError
from vnic.linux import ethtool_absent, ethtool_coalesce, ethtool_features, ethtool_link, ethtool_rss, ethtool_stats
from vnic.linux.ethtool_args import (
    BAD_ARGS,
    EOPNOTSUPP,
    Given,
    RefusedError,
    bad_args,
    need_device,
    need_ioctl_device,
    netlink_error,
    netlink_refusal,
    no_more,
    parameters,
)
from vnic.wire import PythonWire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.host import Host
    from vnic.wire import Wire

    Command = Callable[[Host, str, Sequence[str]], Reply]

_RING_CODE = 81  # exit code of a -G that failed
_BUS_INFO_LEN = 31  # ETHTOOL_BUSINFO_LEN, less its last byte
RX_RING_MAX = int(lib.RX_RING_MAX)


# ---- -i ----


def _bus_info(wire: Wire) -> str:
    """Return what the card is plugged into: the name of the TAP or the capture, or memory."""
    if isinstance(wire, CaptureWire):
        name = wire.paths[0].name
    elif isinstance(wire, PythonWire):
        name = type(wire.source).__name__
    else:
        name = getattr(wire, "name", "memory")
    return str(name)[:_BUS_INFO_LEN]


def driver(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-i: the driver."""
    if args:
        raise bad_args()
    need_ioctl_device(host, dev, "Cannot get driver information", code=71)
    info = {
        "driver": "vnic",
        "version": vnic.__version__,
        "firmware-version": "",
        "expansion-rom-version": "",
        "bus-info": _bus_info(host.wire),
        "supports-statistics": "yes",
        "supports-test": "no",
        "supports-eeprom-access": "no",
        "supports-register-dump": "no",
        "supports-priv-flags": "no",
    }
    return Reply("".join(f"{name}: {value}\n" for name, value in info.items()), data=info)


# ---- -g, -G ----

_TX_RING = int(lib.TX_RING_SIZE)
_RING_PARAMS = {
    "rx": int,
    "rx-mini": int,
    "rx-jumbo": int,
    "tx": int,
    "rx-buf-len": int,
    "cqe-size": int,
    "tx-push": bool,
}


def table(rows: dict[str, int | str | None]) -> str:
    """Format lines of ``Name: <tabs> value``; None: the card has no such value."""
    return "".join(_row(name, value, 1 if len(name) > len("Other") else 2) for name, value in rows.items())


def _row(name: str, value: int | str | None, tabs: int) -> str:
    return f"{name}:" + "\t" * tabs + f"{'n/a' if value is None else value}\n"


def rings_text(dev: str, maximum: dict[str, int | str | None], now: dict[str, int | str | None]) -> str:
    """Format the rings as -g shows them."""
    tabs = {"RX Buf Len": 2, "CQE Size": 2, "TX Push": 1, "TCP data split": 1}
    more = "".join(_row(name, now[name], n) for name, n in tabs.items())
    sizes = {name: value for name, value in now.items() if name not in tabs}
    return (
        f"Ring parameters for {dev}:\nPre-set maximums:\n{table(maximum)}"
        f"Current hardware settings:\n{table(sizes)}{more}"
    )


def show_ring(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-g: the rings."""
    no_more(args)
    need_device(host, dev)
    none: dict[str, int | str | None] = {"RX Mini": None, "RX Jumbo": None}
    maximum = {"RX": RX_RING_MAX} | none | {"TX": _TX_RING}
    sizes = {"RX": host.knobs["rx-ring"]} | none | {"TX": _TX_RING}
    now = sizes | {"RX Buf Len": host.knobs["rx-buf-len"], "CQE Size": None, "TX Push": "off", "TCP data split": None}
    data = {"ifname": dev, "rx": now["RX"], "rx-max": RX_RING_MAX, "tx": _TX_RING, "rx-buf-len": now["RX Buf Len"]}
    return Reply(rings_text(dev, maximum, now), data=data)


def set_ring(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-G: set the descriptors of a queue."""
    given = parameters("-G", dev, args, _RING_PARAMS)
    need_device(host, dev, code=_RING_CODE)
    for name, what in (("cqe-size", "cqe size"), ("tx-push", "tx push")):
        if name in given:
            raise netlink_error(f"setting {what} not supported", EOPNOTSUPP, code=_RING_CODE, offset=given[name].offset)
    for name, maximum in (("rx", RX_RING_MAX), ("rx-mini", 0), ("rx-jumbo", 0), ("tx", _TX_RING)):
        if name in given and given[name].value > maximum:
            raise netlink_error("requested ring size exceeds maximum", code=_RING_CODE, offset=given[name].offset)
    if "tx" in given and given["tx"].value != _TX_RING:
        raise netlink_error(f"the sending ring has {_TX_RING} descriptors, always", code=_RING_CODE)
    change(host, given, {"rx": "rx-ring", "rx-buf-len": "rx-buf-len"}, code=_RING_CODE)
    return Reply()


def change(host: Host, given: dict[str, Given], knobs: dict[str, str], *, code: int = 1) -> None:
    """Set the values that differ, all or none. A refusal is worded as the kernel's netlink error."""
    new = {knob: given[name].value for name, knob in knobs.items() if name in given}
    new = {knob: value for knob, value in new.items() if value != host.knobs[knob]}
    if not new:
        return
    try:
        host.knobs.update(new)
    except VnicError as e:
        raise netlink_refusal(e, code=code) from None


# ---- -l, -L ----

_CHANNELS = {"rx": "RX", "tx": "TX", "other": "Other", "combined": "Combined"}


def channels_text(dev: str, maximum: dict[str, int], now: dict[str, int]) -> str:
    """Format the channels as -l shows them; a kind that the card lacks is n/a."""

    def rows(counts: dict[str, int]) -> str:
        return table({name: counts[kind] if maximum[kind] else None for kind, name in _CHANNELS.items()})

    return f"Channel parameters for {dev}:\nPre-set maximums:\n{rows(maximum)}Current hardware settings:\n{rows(now)}"


def _channels(host: Host) -> tuple[dict[str, int], dict[str, int]]:
    """Return the most channels and the present ones. A channel is an interrupt and its queues (ethtool.h).

    The card has an interrupt for each receive queue. Its transmit ring has none: the sender reaps it. So the channels
    count as combined ones (virtio_net, igb), or as several that receive and one that sends (veth).
    """
    queues, most = int(host.machine.c.nic.nqueues), int(host.machine.c.nic.queues_max)
    maximum = {"rx": most, "tx": 1, "other": 0, "combined": most}
    if host.nic.combined:
        return maximum, {"rx": 0, "tx": 0, "other": 0, "combined": queues}
    return maximum, {"rx": queues, "tx": 1, "other": 0, "combined": 0}


def show_channels(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-l: the queues."""
    no_more(args)
    need_device(host, dev)
    maximum, now = _channels(host)
    return Reply(channels_text(dev, maximum, now), data={"ifname": dev, "max": maximum, "current": now})


def set_channels(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-L: set the number of queues. If the request counts channels the other way, the old ones count as 0."""
    given = parameters("-L", dev, args, dict.fromkeys(_CHANNELS, int))
    need_device(host, dev)
    maximum, now = _channels(host)
    wanted = now | {name: int(g.value) for name, g in given.items()}
    if wanted == now:
        return Reply()
    for kind in _CHANNELS:
        if wanted[kind] > maximum[kind]:
            raise netlink_error("requested channel count exceeds maximum", offset=given[kind].offset)
    missing = "rx" if not wanted["rx"] else "tx" if not wanted["tx"] else ""
    if missing and not wanted["combined"]:
        raise netlink_error(
            "requested channel counts would result in no RX or TX channel being configured",
            offset=given["combined" if "combined" in given else missing].offset,
        )
    named = {kind for kind, g in given.items() if g.value}
    combined = "combined" in named or (host.nic.combined and not named)
    queues = wanted["combined" if combined else "rx"]
    if {"combined"} < named or not queues:
        raise netlink_error("channels are combined, or they receive and one sends: not both")
    table_ = host.knobs["rss-indir"]
    used = max(table_)
    if not table_.default and queues <= used:
        raise netlink_error(f"requested channel counts are too low for existing indirection table ({used})")
    if queues <= max((rule.action for rule in host.knobs["ntuple-rules"]), default=0):
        raise netlink_error("requested channel counts are too low for existing ntuple filter settings")
    change(host, {"queues": Given(queues, 0)}, {"queues": "queues"})
    host.nic.combined = combined
    return Reply()


# ---- which option is which ----

_OPTIONS: dict[str, Command] = {
    "-i --driver": driver,
    "-g --show-ring": show_ring,
    "-G --set-ring": set_ring,
    "-l --show-channels": show_channels,
    "-L --set-channels": set_channels,
    "-c --show-coalesce": ethtool_coalesce.show,
    "-C --coalesce": ethtool_coalesce.set_,
    "-Q --per-queue": ethtool_coalesce.per_queue,
    "-k --show-features --show-offload": ethtool_features.show,
    "-K --features --offload": ethtool_features.set_,
    "-x --show-rxfh-indir --show-rxfh": ethtool_rss.show,
    "-X --set-rxfh-indir --rxfh": ethtool_rss.set_,
    "-n -u --show-nfc --show-ntuple": ethtool_rss.show_nfc,
    "-N -U --config-nfc --config-ntuple": ethtool_rss.set_nfc,
    "-S --statistics": ethtool_stats.show,
    "-s --change": ethtool_link.change,
    "-T --show-time-stamping": ethtool_link.time_stamping,
    "-P --show-permaddr": ethtool_link.permanent_address,
    **ethtool_absent.OPTIONS,
}
COMMANDS: dict[str, Command] = {name: command for names, command in _OPTIONS.items() for name in names.split()}
COMMANDS[""] = ethtool_link.settings
"""Option -> function that answers it; "": without an option."""
_VERSION = f"vnic {vnic.__version__}, as ethtool version 6.1\n"


def _usage() -> str:
    lines = "".join(f"        vnic ethtool {'|'.join(names.split())} DEVNAME ...\n" for names in _OPTIONS)
    return f"{_VERSION}Usage:\n        vnic ethtool DEVNAME\n{lines}"


def command(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``ethtool ARGV``: text, exit code and data. Wrong arguments raise nothing."""
    args = list(argv)
    json = False
    while args and args[0] in ("--json", "-I", "--include-statistics", "--debug"):
        flag = args.pop(0)
        json |= flag == "--json"
        if flag == "--debug" and args:
            args.pop(0)
    if args and args[0] in ("-h", "--help", "--version"):
        return Reply(_usage() if args[0] != "--version" else _VERSION)
    if args and args[0] == "--monitor":
        return Reply(err="ethtool: an instance is asked, and does not tell by itself: there is no --monitor\n", code=1)
    if args and not args[0].startswith("-"):
        args.insert(0, "")
    run = COMMANDS.get(args[0]) if len(args) > 1 else None
    if json:
        run = ethtool_features.show_json if run is ethtool_features.show else None  # 6.1 has it of no other of these
    if run is None:
        return BAD_ARGS
    try:
        return run(host, args[1], args[2:])
    except RefusedError as e:
        return e.reply
