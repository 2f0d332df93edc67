"""The table of docs/tcp.md, made from the code: the sysctls of TCP. scripts/generate writes it into the page."""

from page_tables import filled, rows
from paths import ROOT

from vnic.knobs.sysctls import KNOBS as KNOB_OF
from vnic.knobs.table import KNOBS
from vnic.linux.sysctl_tcp import SYSCTLS

PAGE = ROOT / "docs/tcp.md"
_SIZES = "new sockets; the third number at once"
LATER = {
    "somaxconn": "the next listen()",
    "tcp-congestion-control": "new sockets",
    "tcp-reordering": "new sockets",
    "tcp-rmem": _SIZES,
    "tcp-rto-max-ms": "new sockets",
    "tcp-rto-min-us": "new sockets",
    "tcp-wmem": _SIZES,
}
"""Knob -> what a change on a live host acts on, if not on all connections at once. See tests/tcp/test_tcp_sysctl.py."""


def sysctls() -> str:
    """Names, defaults, when a change counts, and what each is."""
    names = ((name, KNOB_OF[name]) for name in SYSCTLS)
    cells = (
        [f"`{name}`", str(KNOBS[knob].default), LATER.get(knob, "at once"), KNOBS[knob].help] for name, knob in names
    )
    return rows("sysctl | default | a change acts on | what it is", cells)


def page() -> str:
    """The page, with its table as the code has it."""
    return filled(PAGE.read_text(), {"sysctls": sysctls()})
