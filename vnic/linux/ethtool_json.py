"""Print what ethtool -j prints: the keys of ethtool 6.14, and of 6.15 for -l. An array with an object for the device.

ethtool 6.1 has JSON of -k and of options for features that this card lacks; 6.2 added -c, -g and -x. For the other
options, where ethtool refuses -j, the array has the object of vnic's own answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply
from vnic.linux.ip_route_words import pretty

if TYPE_CHECKING:
    from collections.abc import Callable

FLAGS = ("-j", "--json")
_COALESCE = ("ifname", "adaptive-rx")


def _rings(data: dict[str, Any]) -> dict[str, Any]:
    most = {"rx-max": data["rx-max"], "tx-max": data.get("tx-max", data["tx"])}
    now = {name: data[name] for name in ("rx", "tx", "rx-buf-len")}
    return {"ifname": data["ifname"]} | most | now | {"tx-push": False, "rx-push": False}


def _channels(data: dict[str, Any]) -> dict[str, Any]:
    most = {f"{kind}-max": n for kind, n in data["max"].items() if n}
    return {"ifname": data["ifname"]} | most | {kind: n for kind, n in data["current"].items() if data["max"][kind]}


def _coalesce(data: dict[str, Any]) -> dict[str, Any]:
    first = {name: data[name] for name in _COALESCE if name in data}
    return first | {name: value for name, value in data.items() if name not in first}


def _rss(data: dict[str, Any]) -> dict[str, Any]:
    found = {name: data[name] for name in ("ifname", "rss-indirection-table")}
    found |= {"rss-hash-key": list(bytes.fromhex(data["rss-hash-key"].replace(":", "")))}
    found |= {"rss-hash-function": data["rss-hash-function"]}
    return found | {"rss-input-transformation": {"symmetric-xor": data["rss-input-transformation"] == "symmetric-xor"}}


def _same(data: Any) -> Any:
    return data


_FORMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "-g --show-ring": _rings,
    "-l --show-channels": _channels,
    "-c --show-coalesce": _coalesce,
    "-x --show-rxfh-indir --show-rxfh": _rss,
    "-k --show-features --show-offload --show-module -a --show-pause --show-fec --show-eee": _same,
    "--cable-test --cable-test-tdr": _same,
}
_FORM = {name: form for names, form in _FORMS.items() for name in names.split()}
"""An option with JSON in ethtool -> the object that it prints, from vnic's own."""


def of(option: str, dev: str, reply: Reply) -> Reply:
    """Return an option's answer as JSON. If netlink refused, the array is empty."""
    if reply.code or reply.data is None:
        netlink = option in _FORM and reply.err.startswith("netlink error")
        return Reply("[ ]\n", reply.err, reply.code, []) if netlink else reply
    form = _FORM.get(option)
    if form is not None:
        found = [form(reply.data)]
    else:
        found = reply.data if isinstance(reply.data, list) else [{"ifname": dev} | reply.data]
    return Reply(pretty(found) + "\n", reply.err, reply.code, found)
