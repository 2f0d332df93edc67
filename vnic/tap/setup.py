"""Create a persistent TAP device for ``vnic setup``, so that a user can attach to it without privileges."""

from __future__ import annotations

import contextlib
import grp
import pwd
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnic.errors import ConfigError, TapError, said
from vnic.tap import tun
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import (
    Address,
    Link,
    Links,
    Tap,
    check_name,
    ipv6_enabled,
    parse_addresses,
    refuse_mtu,
    set_ipv6,
)
from vnic.tap.wire import LANES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ETH_DATA_LEN = 1500  # the MTU of a new TAP
_FLAGS = tun.IFF_TAP | tun.IFF_NO_PI | tun.IFF_MULTI_QUEUE | tun.IFF_VNET_HDR


_ID_MAX = (1 << 32) - 2
"""Ids have 32 bits; all ones is INVALID_UID (include/linux/uidgid.h)."""


def _id(what: str, name: str | None, find: Callable[[str], int]) -> int | None:
    """Return the id of a user or group, given its name or id. ConfigError: it does not exist."""
    if name is None:
        return None
    if name.isascii() and name.isdecimal():
        if len(name) > len(str(_ID_MAX)) or int(name) > _ID_MAX:
            raise ConfigError(f"{what} {said(name)}: an id must be between 0 and {_ID_MAX}")
        return int(name)
    try:
        return find(name)
    except (KeyError, ValueError) as e:  # ValueError: a zero byte, or not text
        raise ConfigError(f"there is no {what} {said(name)}") from e


@dataclass(frozen=True, slots=True)
class Step:
    """One property of the interface."""

    text: str
    changed: bool
    """False: it was already set."""


@dataclass(slots=True)
class _Setup:
    """The interface during set-up, and the steps taken."""

    name: str
    links: Links
    undo: contextlib.ExitStack
    """Undoes the changes."""
    steps: list[Step] = field(default_factory=list)

    def step(self, text: str, *, changed: bool) -> None:
        self.steps.append(Step(text, changed))

    def find(self) -> Link:
        link = self.links.find(self.name)
        if link is None:
            raise TapError(f"{self.name} was deleted during set-up")
        return link

    def refuse_mtu(self, addresses: list[Address], mtu: int | None) -> None:
        """Before any change, refuse an MTU that is too small for the old or the new addresses."""
        link = self.links.find(self.name)
        there = [] if link is None else self.links.addresses(link)
        if mtu is None:
            mtu = _ETH_DATA_LEN if link is None else link.mtu
        refuse_mtu(mtu, [*addresses, *there])

    def ours(self, user: int | None, group: int | None, queues: int) -> None:
        """Create the TAP if it is missing, make it persistent, and set its owner."""
        link = self.links.find(self.name)
        made = link is None
        if link is not None:
            tap = _must_fit(self.name, link)
            if tap.persistent and (user, group) == (tap.owner, tap.group):
                self.step("a persistent TAP with multi_queue", changed=False)
                self.step(owner_text(tap.owner, tap.group), changed=False)
                return
            if (user is None) > (tap.owner is None) or (group is None) > (tap.group is None):
                raise TapError(  # the kernel cannot unset an owner or a group
                    f"{self.name} is set up for {owner_text(tap.owner, tap.group)}: "
                    f"first run '{tun.delete_command(self.name)}'"
                )
            if tap.queues:
                users = ", ".join(tun.attached_to(self.name)) or "end that process first"
                raise TapError(f"{self.name} is in use: {users}")
        fds = tun.attach(self.name, _FLAGS, link=link, queues=queues)
        try:
            tun.set_owner(fds[0], self.name, user=user, group=group)
            tun.set_persistent(fds[0], self.name)
            if link is not None:
                self.undo.callback(self._give_back, link)
        finally:
            tun.close_all(fds)
        self.step(
            "a persistent TAP with multi_queue" + (f", {queues} queues tried" if queues > 1 else ""), changed=made
        )
        self.step(owner_text(user, group), changed=True)

    def _give_back(self, link: Link) -> None:
        """Restore the previous owner."""
        tap = _must_fit(self.name, link)
        fds = tun.attach(self.name, _FLAGS, link=link)
        try:
            tun.set_owner(fds[0], self.name, user=tap.owner, group=tap.group)
        finally:
            tun.close_all(fds)

    def length(self, mtu: int | None) -> None:
        """Set the MTU before IPv6, because an interface with an MTU below IPv6's minimum has no IPv6."""
        link = self.find()
        if mtu is None:
            return
        if changed := link.mtu != mtu:
            self.links.set(self.name, link, mtu=mtu)
            self.undo.callback(self.links.set, self.name, link, mtu=link.mtu)
        self.step(f"MTU {mtu}", changed=changed)

    def quiet(self, addresses: list[Address]) -> None:
        """Turn IPv6 on only for an IPv6 address.

        Do so before the interface comes up, because the kernel then sends a report.
        """
        wanted = any(a.version == 6 for a in [*addresses, *self.links.addresses(self.find())])
        changed = ipv6_enabled(self.name) != wanted
        if changed:
            self.undo.callback(set_ipv6, self.name, enabled=not wanted)
        try:
            set_ipv6(self.name, enabled=wanted)
        except OSError as e:
            raise TapError(f"turn IPv6 of {self.name} {'on' if wanted else 'off'}: {e.strerror}") from e
        self.step(
            f"IPv6 is {'on' if ipv6_enabled(self.name) else 'off: the kernel sends no unsolicited frames'}",
            changed=changed,
        )

    def reachable(self, addresses: list[Address]) -> None:
        """Add the addresses of the kernel's side, and bring the interface up."""
        link = self.find()
        for address in addresses:
            if changed := address not in self.links.addresses(link):
                self.links.add_address(self.name, link, address)
                self.undo.callback(self.links.remove_address, self.name, link, address)
            self.step(f"address of the kernel's side {address}", changed=changed)
        if not link.up:
            self.links.set(self.name, link, state="up")
        self.step("up", changed=not link.up)


def _must_fit(name: str, link: Link) -> Tap:
    """Check an existing interface. TapError: it differs in a property that cannot be changed."""
    if link.tap is None or not link.tap.is_tap:
        raise TapError(
            f"{name} exists and is {'not a TAP' if link.tap is None else 'a TUN, not a TAP'}: use another name"
        )
    if not link.tap.multi_queue:
        raise TapError(
            f"{name} exists without multi_queue, which cannot be changed: first run '{tun.delete_command(name)}'"
        )
    return link.tap


def owner_text(user: int | None, group: int | None) -> str:
    """Return the owner of a TAP in words."""
    names = []
    if user is not None:
        with contextlib.suppress(KeyError):
            names.append(f"user {pwd.getpwuid(user).pw_name}")
        names = names or [f"user {user}"]
    if group is not None:
        try:
            names.append(f"group {grp.getgrgid(group).gr_name}")
        except KeyError:
            names.append(f"group {group}")
    return " in ".join(names) or "any user"


@contextlib.contextmanager
def _undone_if_it_fails(links: Links, name: str) -> Iterator[contextlib.ExitStack]:
    """If the block raises, delete a new interface, or restore an old one by unwinding the yielded stack."""
    before = links.find(name)
    with contextlib.ExitStack() as undo:
        try:
            yield undo
        except BaseException:
            if before is None:
                undo.pop_all()
                if (link := links.find(name)) is not None:
                    links.delete(name, link)
            raise
        undo.pop_all()


def setup(
    name: str,
    *,
    user: str | None = None,
    group: str | None = None,
    queues: int = 1,
    host_ip: Sequence[str] | str | None = None,
    mtu: int | None = None,
    netns: str | None = None,
) -> list[Step]:
    """Create a persistent TAP, or change an existing one to fit. Return the steps, done or already done.

    Args:
        name: interface.
        user: user who may attach without CAP_NET_ADMIN, name or id.
        group: group that may attach; if both are given, both must match.
        queues: attach to this many queues during set-up, so that a refusal shows now.
        host_ip: addresses of the kernel's side, with prefix.
        mtu: bytes; None: unchanged (1500 for a new TAP).
        netns: network namespace, by name or path.

    Raises:
        ConfigError: an invalid name, user or address.
        TapError: the kernel refused; the text says why and how to fix it.
    """
    check_name(name)
    if user is None and group is None:
        raise ConfigError("needs --user NAME or --group NAME: every user could attach to a TAP without an owner")
    if not 1 <= queues <= LANES_MAX:
        raise ConfigError(f"queues={queues}: must be between 1 and {LANES_MAX}")
    addresses = parse_addresses(host_ip)
    uid = _id("user", user, lambda name: pwd.getpwnam(name).pw_uid)
    gid = _id("group", group, lambda name: grp.getgrnam(name).gr_gid)
    with inside(netns), Links() as links, _undone_if_it_fails(links, name) as undo:
        todo = _Setup(name, links, undo)
        todo.refuse_mtu(addresses, mtu)
        todo.ours(uid, gid, queues)
        todo.length(mtu)
        todo.quiet(addresses)
        todo.reachable(addresses)
    return todo.steps


def delete(name: str, *, netns: str | None = None) -> list[Step]:
    """Delete a TAP, even while a process is attached. Return the steps."""
    check_name(name)
    with inside(netns), Links() as links:
        link = links.find(name)
        if link is None:
            return [Step("does not exist", changed=False)]
        if link.tap is None:
            raise TapError(f"{name} is not a TAP: vnic does not delete it")
        links.delete(name, link)
        return [Step("deleted", changed=True)]
