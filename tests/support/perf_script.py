"""Run one of perf's Python scripts on ftrace's text: as much of perf as such a script sees.

Usage: python tests/support/perf_script.py SCRIPT TEXT [ARGUMENT...]      PERF_EXEC_PATH: perf's folder, as perf sets it

perf calls a function of the script for each event, SYSTEM__EVENT(name, context, cpu, sec, nsec, pid, comm, callchain,
field, ...), between trace_begin() and trace_end(). Here the fields come from the line's text, by the names of the
function's parameters.
"""

import inspect
import sys
from pathlib import Path
from types import ModuleType

import ftraces

SYSTEMS = {
    "irq": ("irq_handler_entry", "irq_handler_exit", "softirq_entry", "softirq_exit", "softirq_raise"),
    "napi": ("napi_poll",),
    "net": ("netif_receive_skb", "netif_rx", "net_dev_queue", "net_dev_xmit"),
    "skb": ("kfree_skb", "consume_skb", "skb_copy_datagram_iovec"),
}
PLACE = {event: system for system, events in SYSTEMS.items() for event in events}
COMMON = 8
"""Parameters that all events have."""
OTHER_NAMES = {"skblen": "len", "dev_name": "dev", "irq_name": "name"}
"""Name of a parameter, or of the field in the record -> that of the field in the text."""


def value(row, name):
    """A field as perf hands it over: a number where the text has one."""
    text = row.fields[OTHER_NAMES.get(name, name)]
    if name in {"skbaddr", "napi"}:
        return int(text, 16)
    return int(text) if text.isdecimal() else text


def main():
    script, text, *arguments = sys.argv[1:]
    sys.modules["perf_trace_context"] = ModuleType("perf_trace_context")
    sys.argv = [script, *arguments]
    has = {"__name__": "perf_script"}
    exec(compile(Path(script).read_text(), script, "exec"), has)  # it puts the folder of perf's library into sys.path
    core = sys.modules["Core"]
    for event in ("softirq_entry", "softirq_exit", "softirq_raise"):
        core.define_symbolic_field(f"irq__{event}", "vec")
        core.define_symbolic_value(f"irq__{event}", "vec", 3, "NET_RX")
    has["trace_begin"]()
    for row in ftraces.read(Path(text).read_text())[1]:
        name = f"{PLACE.get(row.event)}__{row.event}"
        function = has.get(name)
        if function is None:
            continue
        named = list(inspect.signature(function).parameters)[COMMON:]
        fields = [value(row, field) for field in named]
        comm = "swapper" if row.comm == "<idle>" else row.comm
        function(name, None, row.cpu, row.t_ns // 10**9, row.t_ns % 10**9, row.pid, comm, [], *fields)
    has["trace_end"]()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
