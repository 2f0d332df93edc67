"""Answer ethtool's options for features that this card lacks: pause frames, EEPROM, self test, LEDs, module, PHY ...

Each option answers as Linux does for a driver without the operation, after reading the arguments as ethtool 6.1 does.
So a script that copes with such a card copes with this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.linux.ethtool_args import (
    ENODEV,
    EOPNOTSUPP,
    RefusedError,
    bad_args,
    c_int,
    ioctl_error,
    link_words,
    need_device,
    need_ioctl_device,
    netlink_error,
    no_more,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vnic.host import Host

    Command = Callable[[Host, str, Sequence[str]], Reply]
    Words = Mapping[str, tuple[str, ...] | None]

_U32_MAX = (1 << 32) - 1
_BOOL = ("off", "on")


# ---- options that use netlink ----


def _shown(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """Answer an option that only shows something."""
    no_more(args)
    need_device(host, dev)
    raise netlink_error("", EOPNOTSUPP)


def _tested(host: Host, dev: str, _args: Sequence[str]) -> Reply:
    need_device(host, dev)
    raise netlink_error("", EOPNOTSUPP)


def _tunnels(host: Host, dev: str, args: Sequence[str]) -> Reply:
    no_more(args)
    need_device(host, dev)
    raise netlink_error("device does not report tunnel offload info", EOPNOTSUPP)


def _module(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """Answer an option about the transceiver module, which the card lacks."""
    no_more(args)
    need_device(host, dev)
    return Reply(f"Module parameters for {dev}:\n", data={"ifname": dev})


def _changed(option: str, words: Words, *, code: int, empty: bool = False, says: str = "") -> Command:
    """Make the answer to an option that changes parameters. ``empty``: it may be given without parameters."""

    def command(host: Host, dev: str, args: Sequence[str]) -> Reply:
        if not args and not empty:
            raise RefusedError(Reply(err=f"ethtool ({option}): parameters missing\n", code=1))
        link_words(option, args, words)
        need_device(host, dev, code=code)
        if says:
            raise netlink_error(says, EOPNOTSUPP, code=code, offset=36)
        raise netlink_error("", EOPNOTSUPP, code=code)

    return command


# ---- options that use an ioctl ----


def _asked(doing: str, *, code: int, first: str = "", first_code: int = 0, words: Sequence[str] = ()) -> Command:
    """Make the answer to an option.

    ``doing``: perror()'s prefix. ``first``: the prefix of an earlier ioctl. ``words``: the parameters that it takes.
    """

    def command(host: Host, dev: str, args: Sequence[str]) -> Reply:
        if len(args) % 2 or any(word not in words for word in args[::2]):
            raise bad_args()
        need_ioctl_device(host, dev, first or doing, code=first_code or code)
        raise ioctl_error(doing, EOPNOTSUPP, code)

    return command


def _self_test(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if args and (len(args) > 1 or args[0] not in ("online", "offline", "external_lb")):
        raise bad_args()
    need_ioctl_device(host, dev, "Cannot get strings", code=74)
    raise ioctl_error("Cannot test", EOPNOTSUPP, 74)


def _identify(host: Host, dev: str, args: Sequence[str]) -> Reply:
    for seconds in args:
        c_int(seconds, 0, (1 << 31) - 1)
    if len(args) > 1:
        raise bad_args()
    need_ioctl_device(host, dev, "Cannot identify NIC", code=255)
    raise ioctl_error("Cannot identify NIC", EOPNOTSUPP, 255)


def _phy_statistics(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if args:
        raise bad_args()
    need_ioctl_device(host, dev, "Cannot get stats strings information", code=96)
    raise RefusedError(Reply(err="no stats available\n", code=94))


def _module_eeprom(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-m: raw and hex print the whole EEPROM, for which the tool uses the old ioctl."""
    words = dict.fromkeys(("offset", "length", "page", "bank", "i2c"), None) | {"raw": _BOOL, "hex": _BOOL}
    given = link_words("-m", args, words, {"offset", "length", "page", "bank", "i2c"})
    if "on" in (given.get("raw"), given.get("hex")):
        doing = "Cannot get module EEPROM information"
        need_ioctl_device(host, dev, doing)
        raise ioctl_error(doing, EOPNOTSUPP)
    return _tested(host, dev, ())


def _set_eeprom(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-E: the driver says that its EEPROM has no bytes, and the tool goes no further."""
    words = dict.fromkeys(("magic", "offset", "length", "value"))
    given = {}
    for i in range(0, len(args), 2):
        if args[i] not in words or i + 1 == len(args):
            raise bad_args()
        given[args[i]] = c_int(args[i + 1], 0, 255 if args[i] == "value" else _U32_MAX)
    need_ioctl_device(host, dev, "Cannot get driver information", code=74)
    if "value" in given:
        raise RefusedError(Reply(err="offset & length out of bounds\n", code=1))
    raise RefusedError(Reply(err="not enough data from stdin\n", code=75))


def _flash(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if not 1 <= len(args) <= 2:
        raise bad_args()
    if len(args) > 1:
        c_int(args[1], 0, (1 << 31) - 1)
    need_ioctl_device(host, dev, "Flashing failed", code=255)
    raise ioctl_error("Flashing failed", EOPNOTSUPP, 255)


def _set_dump(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if len(args) != 1:
        raise bad_args()
    c_int(args[0], 0, _U32_MAX)
    need_ioctl_device(host, dev, "Can not set dump level")
    raise ioctl_error("Can not set dump level", EOPNOTSUPP)


_PARTS = ("mgmt", "irq", "dma", "filter", "offload", "mac", "phy", "ram", "ap")
_RESETS = {name: 1 << i for i, name in enumerate(_PARTS)}
_RESETS |= {f"{name}-shared": bit << 16 for name, bit in _RESETS.items()} | {"dedicated": 0xFFFF, "all": _U32_MAX}


def _reset(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """--reset: a mask of the parts to reset; with ``-shared`` the parts shared with other cards."""
    flags, rest = 0, list(args)
    while rest:
        word = rest.pop(0)
        if word == "flags" and rest:
            flags |= c_int(rest.pop(0), 0, _U32_MAX)
        elif word in _RESETS:
            flags |= _RESETS[word]
        else:
            raise bad_args()
    if not flags:
        raise bad_args()
    why = EOPNOTSUPP if dev == host.name else ENODEV
    err = f"Cannot issue ETHTOOL_RESET: {why}\n"
    return Reply(f"ETHTOOL_RESET {flags:#x}\n", err, 1)


_PHY_TUNABLES = {
    "downshift": "downshift count",
    "fast-link-down": "Fast Link Down value",
    "energy-detect-power-down": "Energy Detect Power Down value",
}
_TUNABLES = ("rx-copybreak", "tx-copybreak", "pfc-prevention-tout", "tx-buf-size")


def _get_phy_tunable(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if len(args) != 1 or args[0] not in _PHY_TUNABLES:
        raise bad_args()
    doing = f"Cannot Get PHY {_PHY_TUNABLES[args[0]]}"
    need_ioctl_device(host, dev, doing, code=87)
    raise ioctl_error(doing, EOPNOTSUPP, 87)


def _set_phy_tunable(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if len(args) < 2 or args[0] not in _PHY_TUNABLES or args[1] not in _BOOL:
        raise bad_args()
    doing = "Cannot Set PHY downshift count" if args[0] == "downshift" else f"Cannot Set PHY {_PHY_TUNABLES[args[0]]}"
    need_ioctl_device(host, dev, doing, code=87)
    raise ioctl_error(doing, EOPNOTSUPP, 87)


def _get_tunable(_host: Host, _dev: str, args: Sequence[str]) -> Reply:
    if not args or any(name not in _TUNABLES for name in args):
        raise bad_args()
    return Reply(err=f"{args[0]}: Cannot get tunable\n", code=255)


def _set_tunable(host: Host, dev: str, args: Sequence[str]) -> Reply:
    if not args or len(args) % 2 or any(name not in _TUNABLES for name in args[::2]):
        raise bad_args()
    c_int(args[1], 0, _U32_MAX)
    need_ioctl_device(host, dev, args[0], code=255)
    raise ioctl_error(args[0], EOPNOTSUPP, 255)


_REGISTERS = ("raw", "hex", "file")
_EEPROM = ("raw", "offset", "length")
_INFORMATION = "Cannot get driver information"

OPTIONS: dict[str, Command] = {
    "-a --show-pause": _shown,
    "-A --pause": _changed("-A", dict.fromkeys(("autoneg", "rx", "tx"), _BOOL), code=76, empty=True),
    "-d --register-dump": _asked(
        "Cannot get register dump", code=74, first=_INFORMATION, first_code=72, words=_REGISTERS
    ),
    "-e --eeprom-dump": _asked("Cannot get EEPROM data", code=74, first=_INFORMATION, first_code=74, words=_EEPROM),
    "-E --change-eeprom": _set_eeprom,
    "-r --negotiate": _asked("Cannot restart autonegotiation", code=255),
    "-p --identify": _identify,
    "-t --test": _self_test,
    "--phy-statistics": _phy_statistics,
    "-f --flash": _flash,
    "-w --get-dump": _asked("Can not get dump level", code=1, words=("data",)),
    "-W --set-dump": _set_dump,
    "--show-priv-flags": _shown,
    "--set-priv-flags": _tested,
    "-m --dump-module-eeprom --module-info": _module_eeprom,
    "--show-eee": _shown,
    "--set-eee": _changed("--set-eee", {"advertise": None, "tx-lpi": _BOOL, "tx-timer": None, "eee": _BOOL}, code=76),
    "--get-phy-tunable": _get_phy_tunable,
    "--set-phy-tunable": _set_phy_tunable,
    "--get-tunable": _get_tunable,
    "--set-tunable": _set_tunable,
    "--reset": _reset,
    "--show-fec": _shown,
    "--set-fec": _changed("--set-fec", {"encoding": None}, code=83),
    "--cable-test": _tested,
    "--cable-test-tdr": _tested,
    "--show-tunnels": _tunnels,
    "--show-module": _module,
    "--set-module": _changed(
        "--set-module",
        {"power-mode-policy": ("high", "auto")},
        code=83,
        says="Setting power mode policy is not supported by this device",
    ),
}
"""Option -> function that answers it."""
