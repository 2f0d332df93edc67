"""ftrace's text, read strictly: the head, and each line's task, CPU, flags, time, event and fields."""

import re
from typing import NamedTuple

LINE = re.compile(
    r"^ *(?P<comm>\S{1,16})-(?P<pid>\d+) +\[(?P<cpu>\d{3})\] (?P<flags>[d.]\.[hsH.]\.\.) +(?P<t>\d+\.\d{9}): "
    r"(?P<event>\w+)(?:: (?P<text>.*)|(?P<call>\(.*\))|(?P<result> -> 0x[0-9a-f]+))$"
)
FIELD = re.compile(r"(\w+)=(\S*)")


class Line(NamedTuple):
    comm: str
    pid: int
    cpu: int
    flags: str
    t_ns: int
    event: str
    fields: dict
    text: str


def line(text):
    found = LINE.match(text)
    assert found, text
    seconds, _, ns = found["t"].partition(".")
    said = found["text"] or found["call"] or found["result"] or ""
    fields = dict(FIELD.findall(said))
    if found["event"] == "napi_poll":
        m = re.fullmatch(r"napi poll on napi struct ([0-9a-f]{16}) for device (\S+) work (\d+) budget (\d+)", said)
        fields = {"napi": m[1], "dev": m[2], "work": m[3], "budget": m[4]}
    if found["event"] == "kfree_skb":
        fields["reason"] = re.search(r" reason: (\w+)$", said)[1]
    t_ns = int(seconds) * 10**9 + int(ns)
    return Line(found["comm"], int(found["pid"]), int(found["cpu"]), found["flags"], t_ns, found["event"], fields, said)


def read(text):
    """Return the comments and the lines."""
    rows = text.splitlines()
    comments = [row for row in rows if row.startswith("#")]
    assert rows[: len(comments)] == comments
    lines = [line(row) for row in rows[len(comments) :]]
    assert [row.t_ns for row in lines] == sorted(row.t_ns for row in lines)
    return comments, lines
