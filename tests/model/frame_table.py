"""The table of frames in plain Python, from a log's records alone.

A frame's row has the times of its own records. Once a frame has joined a packet, what happens to the packet happens to
it. The packet is named by its first frame, which may itself have joined another.
"""

from vnic.events.events import Event
from vnic.events.frames import Frame

TIMES = tuple(name for name in Frame._fields if name.startswith("t_"))
SHARED = ("t_backlog", "t_stack", "t_socket", "t_read", "t_fate", "stack_cpu", "read_cpu", "fate")
ENDS = {
    "wire": "t_wire", "dma": "t_ring", "ring": "t_poll", "gro_out": "t_gro", "backlog": "t_backlog",
    "receive": "t_stack", "socket": "t_socket", "read": "t_read", "fate": "t_fate",
}  # fmt: skip
CPUS = {"ring": "cpu", "receive": "stack_cpu", "read": "read_cpu"}


def _note(row: dict, e: Event, flows: list[str]) -> None:
    args = e.args
    if e.kind in ENDS:
        row[ENDS[e.kind]] = e.end_ns
    if e.kind in CPUS:
        row[CPUS[e.kind]] = e.cpu
    if e.kind in {"wire", "dma"}:
        row["queue"] = e.queue
    if e.kind == "wire":
        row["len"], row["flow"] = args["len"], flows[args["flow"]]
    elif e.kind == "ring":
        row["t_irq"] = args["irq_ns"]
    elif e.kind == "gro_out":
        row["segs"] = args["segs"]
    elif e.kind == "fate":
        row["fate"] = args["fate"]
    if e.skb and e.kind in {"gro_merge", "gro_out", "reorder", "ordered"}:
        row["skb"] = e.skb


def table(events: list[Event], flows: list[str]) -> list[Frame]:
    """Rows in the order of their numbers."""
    rows: dict[int, dict] = {}
    for e in events:
        if e.kind == "wire":
            rows[e.frame] = dict.fromkeys(Frame._fields) | {"id": e.frame, "skb": e.frame, "segs": 1, "flow": ""}
    for e in events:
        if e.frame in rows:
            _note(rows[e.frame], e, flows)
    for row in rows.values():
        head = row
        while head["skb"] != head["id"] and head["skb"] in rows:
            head = rows[head["skb"]]
        row["packet"] = head
    for row in rows.values():
        head = row.pop("packet")
        if head is not row and head["skb"] == head["id"]:
            row["head"] = head["id"]
            for name in SHARED:
                if row[name] is None and not (name == "t_fate" and row["fate"] is not None):
                    row[name] = head[name]
    for row in rows.values():
        row["skb"] = row.pop("head", row["skb"])
    return [Frame(**rows[number]) for number in sorted(rows)]
