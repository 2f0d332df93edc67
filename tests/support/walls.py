"""The walls between the rooms of csrc/: who calls whom, read from the object files; who may, from docs/architecture.md.

Usage: python tests/support/walls.py BUILD      BUILD: a build folder of csrc/. Exit code: 1 = a call through a wall
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from c_sources import CSRC, ROOT

PAGE = ROOT / "docs/architecture.md"
HOST_ROOMS = ("softnet", "packet", "inet", "sock")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def may_call(page: str) -> dict[str, set[str]]:
    """The page's table: a room, and those that it may call."""
    rows = re.findall(r"^\| (\w+) \|[^|]*\|([^|]*)\|$", page, re.MULTILINE)
    return {room: set(others.split()) for room, others in rows if room != "room"}


def exceptions(page: str) -> set[tuple[str, str]]:
    """The page's exceptions: a file of a room, and the member of the card's struct that it may touch."""
    part = page.split("exceptions:", 1)[1].split("* **Wires", 1)[0]
    out, file = set(), ""
    for word in re.findall(r"\b\w+/\w+\.c\b|`nic\.\w+`", part):
        if word.endswith(".c"):
            file = word
        else:
            out.add((file, word.strip("`").removeprefix("nic.")))
    return out


def symbols(path: Path) -> tuple[set[str], set[str]]:
    """What an object file defines for others, and what it uses of them."""
    rows = [line.split() for line in subprocess.check_output(["nm", "-g", path], text=True).splitlines()]
    return {r[-1] for r in rows if r[-2] != "U"}, {r[-1] for r in rows if r[-2] == "U"}


def calls_through_walls(objects: Mapping[str, Iterable[Path]], allowed: Mapping[str, set[str]]) -> list[str]:
    """objects: room -> its object files. Return: a line for each call that is not allowed."""
    read = {room: [(p, *symbols(p)) for p in paths] for room, paths in objects.items()}
    home = {name: (room, p) for room, files in read.items() for p, defined, _ in files for name in defined}
    return [
        f"{room}/{p.name.split('.')[0]}.c calls {name}() of {home[name][0]}/{home[name][1].name.split('.')[0]}.c"
        for room, files in sorted(read.items())
        for p, _, used in sorted(files)
        for name in sorted(used & home.keys())
        if home[name][0] != room and home[name][0] not in allowed.get(room, set())
    ]


def touches_the_card(name: str, text: str, allowed: set[tuple[str, str]]) -> list[str]:
    """A file of the host's rooms. Return: a line for each member of struct nic that it names and may not."""
    members = set(re.findall(r"\bnic(?:\.|->)(\w+)", COMMENT.sub("", text)))
    return [f"{name} touches the card: nic.{m}" for m in sorted(members) if (name, m) not in allowed]


def kinds_of_wire(name: str, text: str) -> list[str]:
    """A file that is no wire's. Return: a line for each wire that it names."""
    named = sorted(set(re.findall(r"\b(?:struct )?((?:tap|pcap|mem)_wire)\b", COMMENT.sub("", text))))
    return [f"{name} asks which kind a wire is: {w}" for w in named]


def main() -> None:
    """Judge a build."""
    page = PAGE.read_text()
    allowed = may_call(page)
    rooms = {p.name for p in CSRC.iterdir() if p.is_dir()}
    if rooms != allowed.keys():
        sys.exit(f"docs/architecture.md: its rooms are {sorted(allowed)}, csrc/ has {sorted(rooms)}")
    found = {p.parent.name for p in Path(sys.argv[1]).rglob("vnic_*.dir/*/*.o")}
    if found != rooms:
        sys.exit(f"{sys.argv[1]} has objects of {sorted(found)} only")
    objects = {room: sorted(Path(sys.argv[1]).rglob(f"vnic_*.dir/{room}/*.o")) for room in rooms}
    wrong = calls_through_walls(objects, allowed)
    excepted = exceptions(page)
    for room in HOST_ROOMS:
        for path in sorted((CSRC / room).glob("*.[ch]")):
            if path.name != f"{room}.h":
                wrong += touches_the_card(f"{room}/{path.name}", path.read_text(), excepted)
    for path in sorted(p for room in rooms - {"wire", "lib"} for p in (CSRC / room).glob("*.c")):
        wrong += kinds_of_wire(f"{path.parent.name}/{path.name}", path.read_text())
    if wrong:
        sys.exit("\n".join(["a call through a wall (docs/architecture.md):", *(f"  {w}" for w in wrong)]))


if __name__ == "__main__":
    main()
