"""The tables of docs/files.md, made from the code. ``python tests/support/files_page.py`` writes them into the page."""

import re

from paths import ROOT

from vnic.counters import snapshots as stats
from vnic.linux import irq_affinity, procfs, snmp, sysctl, sysfs

PAGE = ROOT / "docs/files.md"


def _rows(heading: str, rows) -> str:
    names = heading.split("|")
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cell.strip() for cell in line)} |\n" for line in lines)


def proc() -> str:
    """Files of /proc that are no sysctls."""
    irq = {path.replace(str(irq_affinity.IRQ_BASE), "N"): file for path, file in irq_affinity.queue_files(0).items()}
    shown = {path: file for path, file in procfs.FILES.items() if not path.startswith("/proc/sys/")} | irq
    return _rows(
        "file | written | from",
        ([f"`{path}`", "yes" if file.write else "no", file.source] for path, file in shown.items()),
    )


def counters() -> str:
    """vnic's counters by the file that has them."""
    where: dict[str | None, list[str]] = {}
    for name in stats.MIBS:
        where.setdefault(snmp.counted(name), []).append(f"`{name}`")
    return _rows("file | counted", ([f"`{path}`" if path else "none", " ".join(n)] for path, n in where.items()))


def sysctls() -> str:
    """Names, whether they can be written, and what they are here."""
    rows = ([f"`{name}`", "yes" if row.write else "no", row.source] for name, row in sysctl.SYSCTLS.items())
    return _rows("name | written | what it is here", rows)


def device() -> str:
    """Files below /sys/class/net/DEV."""
    queue = {path.replace("rx-0", "rx-N"): file for path, file in sysfs.queue_files(0).items()}
    rows = ([f"`{path}`", "yes" if file.write else "no", file.source] for path, file in (sysfs.DEVICE | queue).items())
    return _rows("file | written | from", rows)


TABLES = {"proc": proc, "counters": counters, "sysctls": sysctls, "device": device}


def between(name: str, text: str) -> str:
    """What the page has between the marks of a table."""
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)[1]


def main() -> None:
    text = PAGE.read_text()
    for name, table in TABLES.items():
        text = text.replace(f"<!-- {name} -->\n{between(name, text)}", f"<!-- {name} -->\n{table()}")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
