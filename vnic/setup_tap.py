"""``vnic setup``: a TAP that stays, made once by an administrator, for a user to attach to without privileges."""

from __future__ import annotations

import contextlib
import grp
import pwd
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vnic import tun
from vnic.errors import ConfigError, TapError
from vnic.link import Address, Link, Links, Tap, check_name, ipv6_enabled, parse_addresses, set_ipv6
from vnic.netns import inside
from vnic.tap import LANES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FLAGS = tun.IFF_TAP | tun.IFF_NO_PI | tun.IFF_MULTI_QUEUE | tun.IFF_VNET_HDR


def _uid(user: str | None) -> int | None:
    if user is None or user.isdecimal():
        return None if user is None else int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as e:
        raise ConfigError(f"there is no user {user}") from e


def _gid(group: str | None) -> int | None:
    if group is None or group.isdecimal():
        return None if group is None else int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as e:
        raise ConfigError(f"there is no group {group}") from e


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
    steps: list[Step] = field(default_factory=list)

    def step(self, text: str, *, changed: bool) -> None:
        self.steps.append(Step(text, changed))

    def find(self) -> Link:
        link = self.links.find(self.name)
        if link is None:
            raise TapError(f"{self.name} was deleted while it was set up")
        return link

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
        finally:
            tun.close_all(fds)
        self.step(
            "a persistent TAP with multi_queue" + (f", {queues} queues tried" if queues > 1 else ""), changed=made
        )
        self.step(owner_text(user, group), changed=True)

    def quiet(self, addresses: list[Address]) -> None:
        """IPv6 on only where there is an address of it; before the interface is up, or its first report is out."""
        wanted = any(a.version == 6 for a in [*addresses, *self.links.addresses(self.find())])
        changed = ipv6_enabled(self.name) != wanted
        try:
            set_ipv6(self.name, enabled=wanted)
        except OSError as e:
            raise TapError(f"turn IPv6 of {self.name} {'on' if wanted else 'off'}: {e.strerror}") from e
        self.step(
            f"IPv6 is {'on' if ipv6_enabled(self.name) else 'off: no frames that nobody asked for'}", changed=changed
        )

    def reachable(self, addresses: list[Address], mtu: int | None) -> None:
        """Up, with its MTU and the kernel's own addresses."""
        link = self.find()
        if mtu is not None:
            if changed := link.mtu != mtu:
                self.links.set(self.name, link, mtu=mtu)
            self.step(f"MTU {mtu}", changed=changed)
        for address in addresses:
            if changed := address not in self.links.addresses(link):
                self.links.add_address(self.name, link, address)
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
def _undone_if_it_fails(links: Links, name: str) -> Iterator[None]:
    """An interface that was not there before is not left behind half made."""
    before = links.find(name)
    try:
        yield
    except BaseException:
        link = links.find(name) if before is None else None
        if link is not None:
            links.delete(name, link)
        raise


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
    addresses, uid, gid = parse_addresses(host_ip), _uid(user), _gid(group)
    with inside(netns), Links() as links, _undone_if_it_fails(links, name):
        todo = _Setup(name, links)
        todo.ours(uid, gid, queues)
        todo.quiet(addresses)
        todo.reachable(addresses, mtu)
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
