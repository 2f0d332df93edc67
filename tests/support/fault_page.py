"""docs/faults.md, made of what fault_sides.py saw: a row a kind, a cell a driver, by the rules below."""

import re
import textwrap

import fault_sides
from fault_sides import Seen

from vnic._core import lib
from vnic.fault import FAULTS

HEADS = ("fault", "what the card does", "Linux 6.1's virtio_net", "DPDK's testpmd", "vnic's own driver and host")
UNNOTICED = "unnoticed"


def cell(seen: Seen) -> str:
    """What a driver was seen to do, in words."""
    if not seen.chances:
        return "no chance"
    words = []
    if seen.ended:
        words.append(f"**{seen.ended}**: its process ends")
    elif not seen.after:
        words.append(
            "nothing comes any more" + {True: ", until a new ring", False: ", nor with a new ring"}[seen.mended]
        )
    elif seen.lost:
        words.append("the frame is lost" if seen.lost == 1 else "frames are lost")
    if seen.wrong:
        words.append("wrong bytes are accepted")
    if seen.late and seen.after:
        words.append("frames come late")
    if not seen.sending and seen.after:
        words.append("its own pings fail")
    if seen.errors:
        words.append(f"counted: {', '.join(f'`{name}`' for name in sorted(seen.errors))}")
    if seen.said:
        words.append("logged")
    return "; ".join(words) or UNNOTICED


def plain(line: str) -> str:
    """A line of a log without what differs from run to run."""
    line = re.sub(r"\+0x[0-9a-f]+/0x[0-9a-f]+", "", line)
    line = re.sub(r"\b\d+( ?)(ms|usecs)\b", r"N\1\2", line)
    return re.sub(r"\b(id|PID:) (?!60000)\d+", r"\1 N", line)


def row(kind: str, seen: dict[str, Seen]) -> str:
    """A row of the table."""
    cells = (f"`{kind}`", FAULTS[kind], *(cell(seen[side]) for side in fault_sides.SIDES))
    return f"| {' | '.join(cells)} |"


def logged(kind: str, seen: Seen) -> list[str]:
    """What Linux's log has, a line of the page each."""
    return [f"* `{kind}`: `{line}`" for line in dict.fromkeys(map(plain, seen.said))]


def rows(text: str) -> dict[str, str]:
    """Kind -> its row, of the page."""
    found = (re.match(r"\| `([a-z-]+)` \|", line) for line in text.splitlines())
    return {match[1]: match.string for match in found if match and match[1] in FAULTS}


def document(seen: dict[str, dict[str, Seen]]) -> str:
    """The whole page."""
    head = f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}"
    table = "\n".join([head, *(row(kind, seen[kind]) for kind in FAULTS)])
    log = "\n".join(line for kind in FAULTS for line in logged(kind, seen[kind]["linux"]))
    return f"""{ABOVE}
{table}

* *no chance*: the fault cannot happen there. testpmd polls and asks for no interrupt; neither front-end takes a hash
  (HASH_REPORT), so the header has none; `alloc-fail` is of vnic's own driver (it fills an empty ring a
  tick later, then every 0.5 s), `hang-up` of a vhost-user connection.
* *until a new ring*: Linux needs `rmmod virtio_net; modprobe virtio_net`, testpmd `port stop`, `port start`, vnic's own
  driver another ring: `vnic ethtool -G vnic0 rx 512`. Nothing else brings the queue back.
* *counted*: counters in /sys/class/net/eth0/statistics that grew, `InCsumErrors` of /proc/net/snmp, and of vnic's own
  host the fate of the frame.

What Linux's log says (`N`: a number that differs):

{log}

{BELOW}"""


_HOW = textwrap.fill(
    f"{fault_sides.PINGS} pings come to each driver, {fault_sides.GAP_S * 1000:g} ms apart, and the fault hits the "
    "tenth (`irq-late`, by 500 ms, and `irq-spurious`: all of them; `kick-ignored`: the first doorbell), or lasts for "
    f"{fault_sides.LASTS_S:g} s (`tx-stall`: {fault_sides.LONG_S:g} s, and Linux floods). When it is over, "
    f"{fault_sides.AFTER} more come. Linux is Debian's User Mode Linux on `vnic vhost`, and sends pings of its own; "
    "it and vnic's host answer pings, and check their checksums. testpmd forwards with virtio-user: frames must come "
    "back as they were. vnic's own host runs in virtual time.",
    118,
    break_on_hyphens=False,
)
ABOVE = f"""# Faults on purpose

What no hardware gives on demand: the card loses an interrupt, damages a frame, lies in the used ring. It does so by
rule, and counts each time. `scripts/faults` makes this page: it runs each fault against three drivers, and writes
down what they did.

```sh
vnic replay tests/captures/demo.pcapng --fault irq-lost:nth=5           # the fifth interrupt
vnic replay tests/captures/demo.pcapng --fault dma-flip:p=0.001         # each frame with this chance, by --seed
vnic vhost /tmp/v.sock --replay a.pcap --fault stall:from=1s,until=2s   # a receive ring stands still for a second
vnic run --tap vt0 --fault used-len:every=100,times=3,queue=0           # three times, and one queue
```

The same in a file for `--config`, and from Python, where a fault may begin at any time and says what it did:

```toml
[fault]
irq-lost = "nth=5"
dma-flip = ["nth=10", "from=1s,until=2s,p=0.5"]
```

```python
import vnic

with vnic.Host(sink=True, faults=["irq-late:every=2,ns=20us"]) as host:
    fault = host.nic.fault("dma-flip", nth=3)
    host.feed([b"\\x02" * 60] * 5)
    host.run()
    assert (fault.chances, fault.hits) == (5, 1)
```

| when | hits |
|---|---|
| nothing | each chance |
| `nth=5` | the fifth chance |
| `every=100` | each hundredth |
| `p=0.001` | each with this probability; the same ones with the same `--seed` |
| `from=1s`, `until=2s` | only in this time of the run |
| `times=3` | at most three |
| `queue=0` | only this receive queue |
| `ns=20us`, `len=100` | of `irq-late`: how late; of `used-len`: which length |

A *chance* is a frame, an interrupt or a doorbell that the fault could have hit. A fault that is not possible with a
frame, or in a driver's header, is no chance. `stall`, `tx-stall` and `link-down` last from `from` to `until`. Of
several rules of one kind the first that hits ends the search. A card has {lib.NIC_FAULTS_MAX} rules at most.

A report has a row a rule: chances and hits. `vnic stat` names the rules that hit in an interval. A frame that was hit
has a record in the [event log](events.md), so `vnic walk` says it. It ends in a fate (`FAULT`: the driver never found
it), or a [capture](captures.md) at `nic` names the fault in its comment. Without a rule the card pays one branch a
burst.

## What drivers do

{_HOW}
"""
BELOW = """## What to take from it

* **A lost interrupt is for ever.** Linux has no watchdog for receiving. With the event index (EVENT_IDX) the driver
  asked for one interrupt, so no later frame brings another. `vnic vhost --withhold EVENT_IDX` gives the card the
  plain flag: then the next frame interrupts again. On vnic's own host gro-flush-timeout polls by timer.
* **A used ring that lies kills the queue, not the system,** in Linux and in vnic: the frame's buffer is refused, and
  so is all behind it. testpmd uses the id unchecked.
* **A flag that says "the checksum is right" is believed.** It is why cards, not drivers, are the place where data
  goes wrong unseen.
* **A ring that stands still loses nothing** while the card's FIFO holds, and Linux's watchdog sees only the sending
  ring, and only when it is full.
"""
