"""Answer ethtool -x, -X, -n and -N: the queue of a flow, and the hashed fields. csrc/card/rss.c implements them.

The card has one RSS context, a table of 128 entries (256 with over 64 queues, and up to 2048 as rss-indir says), and
Toeplitz with a key of 52 bytes; only the first 40 can matter. -X also takes a key of 40 bytes and fills it with zeros.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic._core import lib
from vnic.control.reply import Reply
from vnic.errors import VnicError
from vnic.knobs.fields import FLOW_TYPES
from vnic.linux import ethtool_ntuple
from vnic.linux.ethtool_args import (
    EINVAL,
    EOPNOTSUPP,
    RefusedError,
    bad_args,
    c_int,
    ioctl_error,
    need_ioctl_device,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vnic.host import Host

_KEY_SIZES = (40, int(lib.RSS_KEY_SIZE))
_INT_MAX = (1 << 31) - 1
_U32_MAX = (1 << 32) - 1
HASH_FUNCTIONS = ("toeplitz", "xor", "crc32")
_SET = "Cannot set RX flow hash configuration"
_RINGS = "Cannot get RX ring count"


# ---- -x ----


def table_text(dev: str, queues: int, table: Sequence[int], key: bytes, functions: Mapping[str, bool]) -> str:
    """Format the table as -x shows it."""
    out = f"RX flow hash indirection table for {dev} with {queues} RX ring(s):\n"
    for i in range(0, len(table), 8):
        out += f"{i:5}: " + "".join(f" {queue:5}" for queue in table[i : i + 8]) + "\n"
    out += f"RSS hash key:\n{key.hex(':')}\nRSS hash function:\n"
    return out + "".join(f"    {name}: {'on' if on else 'off'}\n" for name, on in functions.items())


def show(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-x. A transformation of the input is shown only if one is on; ethtool before 6.9 has no line for it."""
    context = _show_context(args)
    need_ioctl_device(host, dev, _RINGS)
    if context:
        raise ioctl_error("Cannot get RX flow hash indir size and/or key size", EOPNOTSUPP)
    queues, knobs = int(host.machine.c.nic.nqueues), host.knobs
    table, key, xfrm = knobs["rss-indir"], knobs["rss-key"], knobs["rss-xfrm"]
    out = table_text(dev, queues, table, key, {name: name == "toeplitz" for name in HASH_FUNCTIONS})
    if xfrm != "none":
        out += f"RSS input transformation:\n    {xfrm}: on\n"
    data = {"ifname": dev, "rx-rings": queues, "rss-indirection-table": list(table), "rss-hash-key": key.hex(":")}
    return Reply(out, data=data | {"rss-hash-function": "toeplitz", "rss-input-transformation": xfrm})


def _show_context(args: Sequence[str]) -> int:
    if not args:
        return 0
    if len(args) != 2 or args[0] != "context":
        raise bad_args()
    return c_int(args[1], 1, _U32_MAX)


# ---- -X ----


@dataclass(slots=True)
class _Wanted:
    """The arguments of -X."""

    equal: int = 0
    weights: tuple[int, ...] = ()
    default: bool = False
    start: int = -1
    key: str | None = None
    function: str | None = None
    xfrm: str | None = None
    context: int = 0
    delete: bool = False

    def refuse_contradictions(self) -> None:
        """Check the arguments in the tool's order."""
        for wrong, said in (
            (self.equal and self.weights, "Equal and weight options are mutually exclusive"),
            (self.equal and self.default, "Equal and default options are mutually exclusive"),
            (self.weights and self.default, "Weight and default options are mutually exclusive"),
            (self.start >= 0 and self.default, "Start and default options are mutually exclusive"),
            (
                self.start >= 0 and not (self.equal or self.weights),
                "Start must be used with equal or weight options",
            ),
            (self.default and self.context, "Default and context options are mutually exclusive"),
            (self.delete and not self.context, "Delete option requires context option"),
        ):
            if wrong:
                raise RefusedError(Reply(err=said + "\n", code=1))


def _wanted(args: Sequence[str]) -> _Wanted:
    w, rest = _Wanted(), list(args)

    def value() -> str:
        if not rest:
            raise bad_args()
        return rest.pop(0)

    if not rest:
        raise bad_args()
    while rest:
        match rest.pop(0):
            case "equal":
                w.equal = c_int(value(), 1, _INT_MAX)
            case "start":
                w.start = c_int(value(), 0, _INT_MAX)
            case "weight":
                weights = []
                while rest and rest[0][:1].isdigit():
                    weights.append(c_int(rest.pop(0), 0, _U32_MAX))
                if not weights:
                    raise bad_args()
                w.weights = tuple(weights)
            case "hkey":
                w.key = value()
            case "hfunc":
                w.function = value()
            case "xfrm":
                w.xfrm = value()
                if w.xfrm not in ("symmetric-xor", "none"):
                    raise bad_args()
            case "context":
                text = value()
                w.context = -1 if text == "new" else c_int(text, 1, _U32_MAX)
            case "default":
                w.default = True
            case "delete":
                w.delete = True
            case _:
                raise bad_args()
    w.refuse_contradictions()
    return w


def key_bytes(text: str) -> bytes:
    """Parse bytes of two digits, separated by colons. RefusedError: the tool's answer to another text."""
    match = re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2})*:?", text)
    if match is None:
        raise RefusedError(Reply(err="Invalid RSS hash key format\n", code=2))
    key = bytes.fromhex(text.replace(":", ""))
    if len(key) not in _KEY_SIZES:
        nearest = next((n for n in _KEY_SIZES if len(key) < n), _KEY_SIZES[-1])
        how, sign = ("short", "<") if len(key) < nearest else ("long", ">")
        raise RefusedError(Reply(err=f"Key is too {how} for device ({len(key)} {sign} {nearest})\n", code=2))
    return key


def weighted(weights: Sequence[int], start: int = 0, size: int = int(lib.RSS_INDIR_SIZE)) -> tuple[int, ...]:
    """Divide a table of ``size`` entries into contiguous shares. RefusedError: the weights are impossible."""
    total = sum(weights)
    if not total:
        raise RefusedError(Reply(err="At least one weight must be non-zero\n", code=1))
    if total > size:
        raise RefusedError(Reply(err="Total weight exceeds the size of the indirection table\n", code=1))
    table: list[int] = []
    upto = 0
    for queue, weight in enumerate(weights, start):
        upto += weight
        table += [queue] * (size * upto // total - len(table))
    return tuple(table)


def set_(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-X: set table, key, function and transformation; all or none."""
    w = _wanted(args)
    need_ioctl_device(host, dev, _RINGS)
    knobs: dict[str, object] = {} if w.xfrm is None else {"rss-xfrm": w.xfrm}
    if w.function is not None and w.function not in HASH_FUNCTIONS:
        raise RefusedError(Reply(err=f"Unknown hash function: {w.function}\n", code=1))
    if w.key is not None:
        knobs["rss-key"] = key_bytes(w.key)
    size = len(host.knobs["rss-indir"])
    if w.equal:
        knobs["rss-indir"] = tuple(max(w.start, 0) + i % w.equal for i in range(size))
    elif w.weights:
        knobs["rss-indir"] = weighted(w.weights, max(w.start, 0), size)
    elif w.default:
        knobs["rss-indir"] = "default"
    if w.context or w.function not in (None, "toeplitz"):
        raise ioctl_error(_SET, EOPNOTSUPP)
    table = knobs.get("rss-indir", "default")
    if isinstance(table, tuple) and max(table) >= host.machine.c.nic.nqueues:
        raise ioctl_error(_SET, EINVAL)
    try:
        host.knobs.update(knobs)
    except VnicError:
        raise ioctl_error(_SET, EINVAL) from None
    return Reply()


# ---- -n, -N ----

_FLOWS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP", "ah": "IPSEC AH/ESP", "esp": "IPSEC AH/ESP"}
TITLES = {f"{name}{v}": f"{title} over IPV{v}" for v in (4, 6) for name, title in _FLOWS.items()} | {"ether": ""}
FIELD_NAMES = {
    "s": "IP SA",
    "d": "IP DA",
    "f": "L4 bytes 0 & 1 [TCP/UDP src port]",
    "n": "L4 bytes 2 & 3 [TCP/UDP dst port]",
}
_LETTERS = set("mvtsdfnr")
_HASHING = "RX network flow hashing options"


def fields_text(flow_type: str, fields: str) -> str:
    """Format the hashed fields as -n ... rx-flow-hash shows them."""
    lines = "".join(f"{FIELD_NAMES[letter]}\n" for letter in fields) + "\n" if fields else "None\n"
    return f"{TITLES[flow_type]} flows use these fields for computing Hash flow key:\n{lines}"


def _flow_hash_args(args: Sequence[str], *, fields: bool) -> tuple[str, str, int]:
    """Parse ``rx-flow-hash TYPE [FIELDS] [context N]``. Return type, fields and context."""
    n = 3 if fields else 2
    if len(args) not in (n, n + 2) or args[0] != "rx-flow-hash" or args[1] not in TITLES:
        raise bad_args()
    letters = args[2] if fields else ""
    if set(letters) - _LETTERS or (len(args) > n and args[n] != "context"):
        raise bad_args()
    return args[1], letters, c_int(args[n + 1], 1, _U32_MAX) if len(args) > n else 0


def show_nfc(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-n: the number of rings and the rules (ethtool_ntuple.py); or the hashed fields of a flow type."""
    if not args:
        return ethtool_ntuple.show_all(host, dev)
    if args[0] == "rule" and len(args) == 2:
        return ethtool_ntuple.show_one(host, dev, args[1])
    flow_type, _, context = _flow_hash_args(args, fields=False)
    need_ioctl_device(host, dev, f"Cannot get {_HASHING}")
    if context or flow_type == "ether":
        raise ioctl_error(f"Cannot get {_HASHING}", EINVAL)
    fields = str(host.knobs[f"rx-flow-hash-{flow_type}"]) if flow_type in FLOW_TYPES else "sd"
    return Reply(fields_text(flow_type, fields), data={"flow-type": flow_type, "fields": fields})


def set_nfc(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-N DEV rx-flow-hash TYPE FIELDS, or a rule. After a refusal the real tool prints the error and returns 0."""
    if args and args[0] in ("flow-type", "delete"):
        return (ethtool_ntuple.insert if args[0] == "flow-type" else ethtool_ntuple.delete)(host, dev, args[1:])
    flow_type, letters, context = _flow_hash_args(args, fields=True)
    doing = f"Cannot change {_HASHING}"
    need_ioctl_device(host, dev, doing, code=0)
    fields = "".join(letter for letter in "sdfn" if letter in letters)
    known = bool(fields) and not set(letters) - set("sdfn") and not context
    if not known or (flow_type not in FLOW_TYPES and (flow_type == "ether" or fields != "sd")):
        raise ioctl_error(doing, EINVAL, code=0)
    try:
        if flow_type in FLOW_TYPES:
            host.knobs[f"rx-flow-hash-{flow_type}"] = fields
    except VnicError:
        raise ioctl_error(doing, EINVAL, code=0) from None
    return Reply()
