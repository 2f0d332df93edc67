"""Answer ``ip maddr`` as iproute2 6 does: the card's list of groups, and the groups that the host has joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.linux import groups, netdevice
from vnic.linux.ip_route_words import StopError, family, paint, printed, value, verb

if TYPE_CHECKING:
    from vnic.control.reply import Reply
    from vnic.host import Host

_FAMILIES = {0: "link", 4: "inet", 6: "inet6"}


def show(host: Host, options: list[str], words: list[str]) -> Reply:
    """Answer ``ip maddr``: the card's list of groups, and the groups that the host has joined."""
    verb(words, "maddr", ("add", "delete"))
    name = None
    while words:
        word = words.pop(0)
        word = value(words) if word == "dev" else word
        if name is not None:
            raise StopError(f'Error: either "dev" is duplicate, or "{word}" is a garbage.\n', 255)
        name = word
    if name not in (None, host.name):  # iproute2 filters, and does not look the name up
        return printed(options, "", [])
    of, ends = family(options), "\\" if "oneline" in options else "\n"
    head = f"{netdevice.ifindex(host)}:{paint('ifname', chr(9) + host.name)}"
    shown = [m for m in groups.memberships(host) if of is None or m["family"] == _FAMILIES[of]]
    text = "" if "oneline" in options or not shown else f"{head}\n"
    data: list[dict[str, Any]] = []
    for m in shown:
        kind, address = m["family"], m["address"]
        users = {"users": m["users"]} if m["users"] > 1 else {}
        text += f"{head}{ends}" if "oneline" in options else ""
        text += f"\t{kind:<5} {paint('mac' if kind == 'link' else kind, address)}"
        text += "".join(f" users {n}" for n in users.values()) + "\n"
        data.append(({"link": address} if kind == "link" else {"family": kind, "address": address}) | users)
    found = [{"ifindex": netdevice.ifindex(host), "ifname": host.name, "maddr": data}] if data else []
    return printed(options, text, found)
