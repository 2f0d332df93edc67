"""Answer ethtool -c, -C, and -Q for single queues: interrupt moderation, which csrc/card/irq.c implements.

-c and -C use netlink and show n/a for parameters that the card lacks. -Q uses an older ioctl and shows 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply
from vnic.errors import VnicError
from vnic.linux.ethtool_args import (
    BAD_ARGS,
    EINVAL,
    ENODEV,
    EOPNOTSUPP,
    RefusedError,
    bad_args,
    c_int,
    need_device,
    netlink_error,
    netlink_refusal,
    no_more,
    parameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.host import Host
    from vnic.knobs.settings import Settings

_NAMES = (
    "rx-usecs rx-frames rx-usecs-irq rx-frames-irq tx-usecs tx-frames tx-usecs-irq tx-frames-irq "
    "stats-block-usecs adaptive-rx adaptive-tx pkt-rate-low rx-usecs-low rx-frames-low tx-usecs-low "
    "tx-frames-low pkt-rate-high rx-usecs-high rx-frames-high tx-usecs-high tx-frames-high sample-interval "
    "cqe-mode-rx cqe-mode-tx"
)
_NETLINK_ORDER = tuple(_NAMES.split())
"""In the order of ETHTOOL_A_COALESCE_*; if several are wrong, the error names the first."""
_FLAGS = {"adaptive-rx", "adaptive-tx", "cqe-mode-rx", "cqe-mode-tx"}
_KINDS = {name: bool if name in _FLAGS else int for name in _NETLINK_ORDER}
_MINE = ("rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq", "adaptive-rx")
_GROUPS = (
    ("stats-block-usecs", "sample-interval", "pkt-rate-low", "pkt-rate-high"),
    ("rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq"),
    ("tx-usecs", "tx-frames", "tx-usecs-irq", "tx-frames-irq"),
    ("rx-usecs-low", "rx-frames-low", "tx-usecs-low", "tx-frames-low"),
    ("rx-usecs-high", "rx-frames-high", "tx-usecs-high", "tx-frames-high"),
)
_PER_QUEUE_ORDER = ("adaptive-rx", "adaptive-tx", *(name for group in _GROUPS for name in group))
_GET = "Cannot get device per queue parameters"
_SET = "Cannot set device per queue parameters"
_QUEUE_MASK_BITS = 4096


def _text(first: str, last: str, value: Callable[[str], str], rename: Callable[[str], str]) -> str:
    groups = ["".join(f"{rename(name)}: {value(name)}\n" for name in group) for group in _GROUPS]
    adaptive = f"Adaptive RX: {value('adaptive-rx')}  TX: {value('adaptive-tx')}\n"
    return first + adaptive + "\n".join(groups) + "\n" + last


def _shown(value: Any, missing: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return missing if value is None else str(value)


def netlink_text(dev: str, values: dict[str, Any]) -> str:
    """Format the parameters as -c shows them. Two names differ from the options of ethtool 6.1."""
    return _text(
        f"Coalesce parameters for {dev}:\n",
        f"CQE mode RX: {_shown(values.get('cqe-mode-rx'), 'n/a')}  TX: {_shown(values.get('cqe-mode-tx'), 'n/a')}\n\n",
        lambda name: _shown(values.get(name), "n/a"),
        lambda name: name.replace("frames-", "frame-") if name.endswith(("-low", "-high")) else name,
    )


def queue_text(queue: int, values: dict[str, Any]) -> str:
    """Format a queue's parameters as -Q ... -c shows them."""
    return _text(
        f"Queue: {queue}\n",
        "",
        lambda name: _shown(values.get(name), "off" if name in _FLAGS else "0"),
        lambda name: name,
    )


def _values(host: Host, queue: Settings | None = None) -> dict[str, Any]:
    """Return the parameters that the card has; adaptive-rx is the same for all queues."""
    knobs = host.knobs
    return {name: (queue if queue and name in queue else knobs)[name] for name in _MINE if name in knobs}


def show(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-c."""
    no_more(args)
    need_device(host, dev)
    values = _values(host)
    return Reply(netlink_text(dev, values), data={"ifname": dev} | values)


def set_(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-C: of all queues."""
    given = parameters("-C", dev, args, _KINDS)
    need_device(host, dev)
    now = _values(host)
    for name in _NETLINK_ORDER:
        if name in given and name not in now:
            raise netlink_error("cannot modify an unsupported parameter", offset=given[name].offset)
    try:
        if given:
            host.knobs.update({name: g.value for name, g in given.items()})
    except VnicError as e:
        raise netlink_refusal(e) from None
    return Reply()


# ---- single queues ----


def _queues(host: Host, args: list[str]) -> tuple[list[int], str]:
    """Return the queues of ``queue_mask HEX``, or all of them, and the text that the tool prints for them."""
    if args[:1] != ["queue_mask"]:
        n = int(host.machine.c.nic.nqueues)
        return list(range(n)), f"The sub commands will be applied to all {n} queues\n"
    if len(args) < 2:
        raise bad_args()
    try:
        mask = int(args[1], 16)
    except ValueError:
        mask = -1
    if not 0 <= mask < 1 << _QUEUE_MASK_BITS:
        raise RefusedError(Reply("Invalid queue mask\n", code=255))
    del args[:2]
    return [i for i in range(mask.bit_length()) if mask >> i & 1], ""


def per_queue(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-Q DEV [queue_mask HEX] -c | -C ...: of single queues."""
    rest = list(args)
    if not rest:
        raise bad_args()
    queues, out = _queues(host, rest)
    option = rest.pop(0) if rest else ""
    if option not in ("-c", "--show-coalesce", "-C", "--coalesce"):
        if option.startswith("-"):
            raise RefusedError(Reply(out, "The subcommand is not supported yet: Success\n", 161))
        raise RefusedError(Reply(out, BAD_ARGS.err, BAD_ARGS.code))
    if dev != host.name or (queues and queues[-1] >= host.machine.c.nic.nqueues):
        why = ENODEV if dev != host.name else EINVAL
        raise RefusedError(Reply(out, f"{_GET}: {why}\n{_GET}: {EINVAL}\n", 242))
    values = {i: _values(host, host.knobs.queue(i)) for i in queues}
    if option in ("-c", "--show-coalesce"):
        text = "".join(queue_text(i, values[i]) for i in queues)
        return Reply(out + text, data=[{"queue": i} | values[i] for i in queues])
    return Reply(out, _set_queues(host, values, _old_parameters(rest, out)))


def _old_parameters(args: list[str], out: str) -> dict[str, int | bool]:
    """Parse ``name value`` pairs as the ioctl's parser does: the last of several counts, and -1 means unchanged."""
    bad = RefusedError(Reply(out, BAD_ARGS.err, BAD_ARGS.code))
    new: dict[str, int | bool] = {}
    for i in range(0, len(args), 2):
        name, text = args[i], args[i + 1] if i + 1 < len(args) else ""
        if name not in _PER_QUEUE_ORDER:
            raise bad
        if name in _FLAGS:
            if text not in ("on", "off"):
                raise bad
            new[name] = text == "on"
        else:
            try:
                new[name] = c_int(text, -(1 << 31), (1 << 32) - 1)
            except RefusedError:
                raise bad from None
    return {name: value for name, value in new.items() if value != -1}


def _set_queues(host: Host, values: dict[int, dict[str, Any]], new: dict[str, int | bool]) -> str:
    """Set the parameters of all queues or of none. Return the text for stderr; the real tool always exits with 0."""
    err, changes = "", {}
    for i, now in values.items():
        differs = {name: v for name, v in new.items() if v != (now.get(name) or 0)}
        err += "".join(f"{name} unmodified, ignoring\n" for name in _PER_QUEUE_ORDER if name in new.keys() - differs)
        if not differs:
            err += f"Queue {i}, no coalesce parameters changed\n"
            continue
        if not all(name in now and name in host.knobs.queue(i) for name in differs):
            return err + f"{_SET}: {EOPNOTSUPP}\n"
        changes[i] = differs
    before = {i: {name: values[i][name] for name in differs} for i, differs in changes.items()}
    done: list[int] = []
    try:
        for i, differs in changes.items():
            host.knobs.queue(i).update(differs)
            done.append(i)
    except VnicError:
        for i in done:
            host.knobs.queue(i).update(before[i])
        return err + f"{_SET}: {EINVAL}\n"
    return err
