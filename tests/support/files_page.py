"""The tables of docs/files.md, made from the code. scripts/generate writes them into the page."""

from page_tables import filled, rows
from paths import ROOT

from vnic.counters import snapshots as stats
from vnic.knobs.sysctls import WHY
from vnic.linux import irq_affinity, procfs, snmp, sysctl_rows, sysfs

PAGE = ROOT / "docs/files.md"


def proc() -> str:
    """Files of /proc that are no sysctls."""
    irq = {path.replace(str(irq_affinity.IRQ_BASE), "N"): file for path, file in irq_affinity.queue_files(0).items()}
    shown = {path: file for path, file in procfs.FILES.items() if not path.startswith("/proc/sys/")} | irq
    return rows(
        "file | written | from",
        ([f"`{path}`", "yes" if file.write else "no", file.source] for path, file in shown.items()),
    )


def counters() -> str:
    """vnic's counters by the file that has them."""
    where: dict[str | None, list[str]] = {}
    for name in stats.MIBS:
        where.setdefault(snmp.counted(name), []).append(f"`{name}`")
    return rows("file | counted", ([f"`{path}`" if path else "none", " ".join(n)] for path, n in where.items()))


def sysctls() -> str:
    """Names, whether they can be written, and what they are here."""
    table = sysctl_rows.SYSCTLS | {name: sysctl_rows.of_card("DEV")[name] for name in WHY}
    lines = ([f"`{name}`", "yes" if row.write else "no", row.source] for name, row in sorted(table.items()))
    return rows("name | written | what it is here", lines)


def device() -> str:
    """Files below /sys/class/net/DEV."""
    queue = {path.replace("rx-0", "rx-N"): file for path, file in sysfs.queue_files(0).items()}
    lines = ([f"`{path}`", "yes" if file.write else "no", file.source] for path, file in (sysfs.DEVICE | queue).items())
    return rows("file | written | from", lines)


TABLES = {"proc": proc, "counters": counters, "sysctls": sysctls, "device": device}


def page() -> str:
    """The page, with its tables as the code has them."""
    return filled(PAGE.read_text(), {name: table() for name, table in TABLES.items()})
