"""``vnic setup``: a TAP that stays, made once by an administrator, for a user to attach to without privileges."""

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

_ETH_DATA_LEN = 1500  # the MTU of a TAP that was made just now
_FLAGS = tun.IFF_TAP | tun.IFF_NO_PI | tun.IFF_MULTI_QUEUE | tun.IFF_VNET_HDR


_ID_MAX = (1 << 32) - 2
"""Ids have 32 bits, and all ones is nobody (INVALID_UID): include/linux/uidgid.h."""


def _id(what: str, name: str | None, find: Callable[[str], int]) -> int | None:
    """The number of a user or a group, by name or number. ConfigError: there is none such."""
    if name is None:
        return None
    if name.isascii() and name.isdecimal():
        if len(name) > len(str(_ID_MAX)) or int(name) > _ID_MAX:
            raise ConfigError(f"{what} {said(name)}: an id is a number from 0 to {_ID_MAX}")
        return int(name)
    try:
        return find(name)
    except (KeyError, ValueError) as e:  # ValueError: a zero byte, or no characters
        raise ConfigError(f"there is no {what} {said(name)}") from e


@dataclass(frozen=True, slots=True)
class Step:
    """One thing about the interface."""

    text: str
    changed: bool
    """False: it was so already."""


@dataclass(slots=True)
class _Setup:
    """The interface while it is set up, and what was done."""

    name: str
    links: Links
    undo: contextlib.ExitStack
    """What puts back what was changed."""
    steps: list[Step] = field(default_factory=list)

    def step(self, text: str, *, changed: bool) -> None:
        self.steps.append(Step(text, changed))

    def find(self) -> Link:
        link = self.links.find(self.name)
        if link is None:
            raise TapError(f"{self.name} was deleted while it was set up")
        return link

    def refuse_mtu(self, addresses: list[Address], mtu: int | None) -> None:
        """ConfigError: what it has, or is to have, needs a longer one. Before anything is changed."""
        link = self.links.find(self.name)
        there = [] if link is None else self.links.addresses(link)
        if mtu is None:
            mtu = _ETH_DATA_LEN if link is None else link.mtu
        refuse_mtu(mtu, [*addresses, *there])

    def ours(self, user: int | None, group: int | None, queues: int) -> None:
        """It exists, is persistent, and belongs to whom it should."""
        link = self.links.find(self.name)
        made = link is None
        if link is not None:
            tap = _must_fit(self.name, link)
            if tap.persistent and (user, group) == (tap.owner, tap.group):
                self.step("a persistent TAP with multi_queue", changed=False)
                self.step(owner_text(tap.owner, tap.group), changed=False)
                return
            if (user is None) > (tap.owner is None) or (group is None) > (tap.group is None):
                raise TapError(  # the kernel has no way to unset one
                    f"{self.name} is set up for {owner_text(tap.owner, tap.group)}: "
                    f"'{tun.delete_command(self.name)}' first"
                )
            if tap.queues:
                raise TapError(f"{self.name} is in use: {', '.join(tun.attached_to(self.name)) or 'end that first'}")
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
        """To whom it belonged before."""
        tap = _must_fit(self.name, link)
        fds = tun.attach(self.name, _FLAGS, link=link)
        try:
            tun.set_owner(fds[0], self.name, user=tap.owner, group=tap.group)
        finally:
            tun.close_all(fds)

    def length(self, mtu: int | None) -> None:
        """Its MTU; before IPv6 is looked at, which an interface has none of below its least one."""
        link = self.find()
        if mtu is None:
            return
        if changed := link.mtu != mtu:
            self.links.set(self.name, link, mtu=mtu)
            self.undo.callback(self.links.set, self.name, link, mtu=link.mtu)
        self.step(f"MTU {mtu}", changed=changed)

    def quiet(self, addresses: list[Address]) -> None:
        """IPv6 on only where there is an address of it; before the interface is up, or its first report is out."""
        wanted = any(a.version == 6 for a in [*addresses, *self.links.addresses(self.find())])
        changed = ipv6_enabled(self.name) != wanted
        if changed:
            self.undo.callback(set_ipv6, self.name, enabled=not wanted)
        try:
            set_ipv6(self.name, enabled=wanted)
        except OSError as e:
            raise TapError(f"turn IPv6 of {self.name} {'on' if wanted else 'off'}: {e.strerror}") from e
        self.step(
            f"IPv6 is {'on' if ipv6_enabled(self.name) else 'off: no frames that nobody asked for'}", changed=changed
        )

    def reachable(self, addresses: list[Address]) -> None:
        """Up, with the kernel's own addresses."""
        link = self.find()
        for address in addresses:
            if changed := address not in self.links.addresses(link):
                self.links.add_address(self.name, link, address)
                self.undo.callback(self.links.remove_address, self.name, link, address)
            self.step(f"the kernel's own address {address}", changed=changed)
        if not link.up:
            self.links.set(self.name, link, state="up")
        self.step("up", changed=not link.up)


def _must_fit(name: str, link: Link) -> Tap:
    """TapError: an interface that vnic setup would not make like this, and cannot change."""
    if link.tap is None or not link.tap.is_tap:
        raise TapError(
            f"{name} exists and is {'no TAP' if link.tap is None else 'a TUN, not a TAP'}: take another name"
        )
    if not link.tap.multi_queue:
        raise TapError(
            f"{name} exists without multi_queue, which cannot be changed: '{tun.delete_command(name)}' first"
        )
    return link.tap


def owner_text(user: int | None, group: int | None) -> str:
    """Whom a TAP belongs to, in words."""
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
    return " in ".join(names) or "anybody"


@contextlib.contextmanager
def _undone_if_it_fails(links: Links, name: str) -> Iterator[contextlib.ExitStack]:
    """An interface that is new is not left behind half made; another is put back by what is yielded."""
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
    """Make a persistent TAP, or what is missing of it. Return: what was done, and what was so already.

    Args:
        name: interface.
        user: who may attach without CAP_NET_ADMIN, name or number.
        group: likewise; with both, it takes that user, in that group.
        queues: attach to so many at once while it is made, so that a refusal comes now.
        host_ip: the kernel's own addresses on it, with prefix.
        mtu: bytes; None: as it is (1500 when made).
        netns: network namespace, by name or path.

    Raises:
        ConfigError: a name, a user, or an address that can be none.
        TapError: the kernel refused; the text says why and what mends it.
    """
    check_name(name)
    if user is None and group is None:
        raise ConfigError(
            "for whom? --user NAME or --group NAME: everybody could attach to a TAP that belongs to nobody"
        )
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
    """Remove a TAP, whoever is attached. Return: what was done."""
    check_name(name)
    with inside(netns), Links() as links:
        link = links.find(name)
        if link is None:
            return [Step("there is none", changed=False)]
        if link.tap is None:
            raise TapError(f"{name} is no TAP: vnic does not delete it")
        links.delete(name, link)
        return [Step("deleted", changed=True)]
