"""The walls of docs/architecture.md: a breach of each kind is caught."""

import os
import subprocess

import pytest
import walls
from c_sources import CSRC, PATHS

CC = os.environ.get("CC", "cc")
PAGE = walls.PAGE.read_text()
FLAGS = ["-std=gnu11", "-w", f"-I{CSRC}"]


def compiled(folder, room, name, text):
    source = folder / room / f"{name}.c"
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    subprocess.run([CC, *FLAGS, "-c", source, "-o", source.with_suffix(".o")], check=True)
    return source.with_suffix(".o")


def test_each_room_is_in_the_table():
    assert walls.may_call(PAGE).keys() == {p.parent.name for p in PATHS.values()}


def test_a_call_up_the_path_is_caught_and_one_down_is_not(tmp_path):
    softnet = compiled(tmp_path, "softnet", "softirq", "void cpu_wake(void) {}")
    card = compiled(tmp_path, "card", "irq", "void cpu_wake(void); void irq_fire(void) { cpu_wake(); }")
    driver = compiled(tmp_path, "driver", "driver", "void cpu_wake(void); void driver_irq(void) { cpu_wake(); }")
    objects = {"softnet": [softnet], "card": [card], "driver": [driver]}
    assert walls.calls_through_walls(objects, walls.may_call(PAGE)) == [
        "card/irq.c calls cpu_wake() of softnet/softirq.c"
    ]


@pytest.mark.parametrize(
    "reaches", ["struct host *h; int f(void) { return h->ncpus; }", "int f(struct sk_buff *skb) { return skb->len; }"]
)
def test_a_card_that_reaches_for_its_host_does_not_compile(reaches):
    def compiles(head):
        code = f'#include "{head}"\n{reaches}\n'
        return subprocess.run([CC, *FLAGS, "-fsyntax-only", "-xc", "-"], input=code.encode(), stderr=-1, check=False)

    assert compiles("prelude.h").returncode == 0
    assert compiles("device.h").returncode == 1


def test_each_file_of_the_device_sees_no_host():
    for path in PATHS.values():
        head = "device.h" if path.parent.name in {"lib", "wire", "ring", "card", "vhost"} else "prelude.h"
        assert f'#include "{head}"\n' in path.read_text(), path


def test_a_stack_that_touches_the_card_is_caught():
    text = "/* nic.fifo */ int f(struct host *h) { return h->nic.fifo.size + h->nic.now; }"
    allowed = walls.exceptions(PAGE)
    assert walls.touches_the_card("softnet/timer.c", text, allowed) == ["softnet/timer.c touches the card: nic.fifo"]
    assert len(walls.touches_the_card("inet/ip.c", text, allowed)) == 2


def test_each_exception_is_one():
    for name, member in walls.exceptions(PAGE):
        text = walls.COMMENT.sub("", (CSRC / name).read_text())
        assert f"nic.{member}" in text or f"nic->{member}" in text, (name, member)


def test_who_asks_for_a_kind_of_wire_is_caught():
    text = "static int f(struct wire *w) { return container_of(w, struct tap_wire, wire)->nlanes; }"
    assert walls.kinds_of_wire("card/nic.c", text) == ["card/nic.c asks which kind a wire is: tap_wire"]
