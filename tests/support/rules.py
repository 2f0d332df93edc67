# ruff: noqa: E501 (a table)
"""The rules of Linux that vnic follows, one table: where Linux has it, what it was compared with, what proves it.

``scripts/conformance`` runs the proofs and prints the table (docs/linux/rules.md has it too); ``scripts/mutate`` turns each
rule that has a mutant the wrong way round in the C and wants to see a proof of it fail.
"""

import re
import textwrap
from dataclasses import dataclass, replace

from mutations import place

LIVE = "live kernel"  # the running kernel is asked in the test; where it cannot be, its recorded answers stand in
RECORDED = "recorded"  # what a 6.18 kernel delivered, written down
LIVE_6_1 = "live 6.1 kernel"  # a guest with sysctls of its own is asked in the test, and vnic beside it
WRITTEN = "written rule"  # the kernel cannot be asked: its source says so

GRO, KERNEL, NAPI = "tests/softnet/test_gro.py", "tests/softnet/test_gro_kernel.py", "tests/softnet/test_napi.py"
RUN, BACKLOG, RFS = "tests/softnet/test_net_rx_action.py", "tests/softnet/test_backlog.py", "tests/softnet/test_rfs.py"
RECORDED_ANSWERS = ("tests/softnet/test_gro_kernel.py::test_the_recorded_kernels_answers",)
TCP, UDP = "tests/softnet/test_gro_tcp.py", "tests/softnet/test_gro_udp.py"
INET = "tests/softnet/test_gro_inet.py"
HAVE_ROWS = (GRO, INET, TCP)  # the rows of gro_rows.py
LIMITS, WHY = "tests/why/test_limits.py", "tests/why/test_why.py"
MEM = "tests/sock/test_sock_mem.py"
FRAG, FRAG4, FRAG6 = (
    "tests/inet/test_inet_fragment.py",
    "tests/inet/test_ip_fragment.py",
    "tests/inet/test_reassembly.py",
)
MANY = f"{FRAG}::test_as_many_datagrams_as_there_is_room_for_do_not_get_mixed_up"
ARP, ICMP, IP, NDISC, NEIGH, NEIGH_TABLE = (
    f"tests/inet/test_{x}.py" for x in ("arp", "icmp", "ip", "ndisc", "neigh", "neigh_table")
)
TWIN = "tests/inet/test_twin.py::test_a_case_is_the_running_kernels"
"""Answers, counters, sockets and drop reasons are those of the running kernel, in named cases."""
GUEST = "tests/vhost/test_guest_softnet.py"
DEV, TCP4, UDP4 = "net/core/dev.c", "net/ipv4/tcp_offload.c", "net/ipv4/udp_offload.c"
IP4, IP6, GROC = "net/ipv4/af_inet.c", "net/ipv6/ip6_offload.c", "net/core/gro.c"


@dataclass(frozen=True)
class Mutant:
    """One place in csrc/, and how it would be wrong."""

    file: str
    good: str
    """Found whatever its line breaks and spaces are."""
    wrong: str
    tests: tuple[str, ...] = ()
    """Those that are to notice; none given: the rule's proofs, without the twin."""
    function: str = ""
    """Where good is looked for; none given: the whole file. In its function a short text is enough."""

    def turn(self, text: str) -> str:
        """The file's text with the mistake in it. ValueError: good is not in exactly one place."""
        begin, end = place(text, self.good, self.function)
        return text[:begin] + self.wrong + text[end:]


@dataclass(frozen=True)
class Rule:
    """One sentence, and its proofs (pytest's arguments)."""

    name: str
    linux: str
    truth: str
    tests: tuple[str, ...]
    mutants: tuple[Mutant, ...] = ()
    rows: tuple[str, ...] = ()
    """Rows of gro_rows.py that are about it."""

    def noticed_by(self, mutant: Mutant) -> tuple[str, ...]:
        """The tests that are to notice this mutant."""
        return mutant.tests or tuple(t for t in self.tests if t != TWIN and not t.startswith(GUEST))

    def proves(self, node: str) -> bool:
        """Is this test (a pytest node) one of its proofs?"""
        row = re.fullmatch(r"tests/softnet/test_gro\w*\.py::test_(?:linux_6_18|a_card_that)\w*\[v[46] (.*)\]", node)
        if row and row[1] in self.rows:
            return True
        return any(node == t or node.startswith((t + "::", t + "[")) for t in self.tests)


def _moments(*rows: str) -> tuple[str, ...]:
    """Tables of moments, by their names."""
    return tuple(f"{NAPI}::test_moment_by_moment[{row}]" for row in rows)


def _twin(name: str, linux: str, *proofs: str | Mutant) -> Rule:
    """A rule that the twin compares: files of tests/inet (without test_) and mutants. scripts/mutate runs these only."""
    files = tuple(f"tests/inet/test_{p}.py" for p in proofs if isinstance(p, str))
    mutants = (p if p.tests else replace(p, tests=files) for p in proofs if isinstance(p, Mutant))
    return Rule(name, linux, LIVE, (*files, TWIN), tuple(mutants))


def _gro(name: str, linux: str, *mutants: Mutant, tests: tuple[str, ...] = (), rows: tuple[str, ...] = ()) -> Rule:
    """A rule of GRO's that the kernel answers for: the table's rows go through it, and random batches."""
    made = tuple(replace(m, tests=m.tests or tests or HAVE_ROWS) for m in mutants)
    return Rule(
        f"GRO: {name}", linux, LIVE, (f"{KERNEL}::test_the_whole_table_is_the_running_kernels", *tests), made, rows
    )


def _frag(name: str, linux: str, *mutants: Mutant) -> Rule:
    """A rule of reassembly that the kernel answers for; random batches go through it."""
    return Rule(f"fragments: {name}", linux, LIVE, (FRAG4, FRAG6), mutants)


RULES = (
    # ---- GRO: who belongs together ----
    _gro(
        "packets of a flow have both MAC addresses and the EtherType in common", f"{GROC} gro_list_prepare()",
        Mutant("gro.c", "mac_equal(gro_mac_header(p), mac)", "1"),
        rows=("source MAC", "not for us: merged all the same"),
    ),
    _gro(
        "they have both addresses, the protocol and both ports in common", f"{IP4}, {TCP4}",
        Mutant("gro.c", "load32(gro_mac_header(l->skb[i]) + off) == ports", "1"),
        Mutant("gro_inet.c", "load64(ip2 + IPH_SADDR) == load64(ip + IPH_SADDR) && /* and daddr */\n					   ip2[IPH_PROTOCOL] == ip[IPH_PROTOCOL]", "1", RECORDED_ANSWERS),
        rows=("source address", "destination address", "interleaved", "8 flows"),
    ),
    _gro(
        "IPv6: the flow label, and extension headers byte by byte", f"{IP6} ipv6_gro_receive()",
        Mutant("gro_inet.c", "& htonl(~IPV6_TCLASS_MASK))", "& htonl(0xf0000000u))"),
        Mutant("gro_inet.c", "memcmp(ip + IPV6H_SADDR, ip2 + IPV6H_SADDR, len - IPV6H_SADDR) == 0", "memcmp(ip + IPV6H_SADDR, ip2 + IPV6H_SADDR, 32) == 0"),
        rows=("flow label", "ip_v6ext_same", "ip_v6ext_diff", "extension header on one"),
    ),
    _gro(
        "8 packets are held in a bucket; a ninth flow sends the oldest up", f"{GROC} dev_gro_receive()",
        Mutant("gro.c", "if (l->count == MAX_GRO_SKBS) {", "if (l->count == MAX_GRO_SKBS - 1) {"),
        Mutant("gro.c", "struct sk_buff *oldest = l->skb[0]; list_del(l, 0);",
               "struct sk_buff *oldest = l->skb[7]; list_del(l, 7);"),
        rows=("8 flows", "9 flows", "capacity 8", "capacity 9"),
    ),
    # ---- GRO: what is refused, and whether it overtakes ----
    _gro(
        "IP options are refused at once, and overtake what is held", f"{IP4} inet_gro_receive()",
        Mutant("gro.c", "		held = 0;\n", "		held = 0;\n		flush_bucket(n, b, 0, GRO_COMPLETE);\n"),
        rows=("ip_opt", "ip_opt on both"),
    ),
    _gro(
        "so are fragments", f"{IP4} inet_gro_receive()",
        Mutant("gro_inet.c", "frag & (IP_MF | IP_OFFSET) || ip_fast_csum", "ip_fast_csum"),
        rows=("ip_frag4", "ip_frag6", "fragment header overtakes"),
    ),
    _gro(
        "so is a wrong IP header checksum", f"{IP4} inet_gro_receive()",
        Mutant("gro_inet.c", " || ip_fast_csum(ip, IP_HLEN) != 0)", ")"),
        rows=("ip_csum",),
    ),
    _gro(
        "so is a wrong transport checksum", f"{TCP4} tcp4_gro_receive()",
        Mutant("gro_inet.c", "(skb_checksum(skb, off - ETH_HLEN, len, gro_pseudo(skb, len, proto))) != 0)",
               "(skb_checksum(skb, off - ETH_HLEN, len, gro_pseudo(skb, len, proto))) > 0xffff)"),
        rows=("tcp_csum: the bad one overtakes", "tcp_csum, first", "data, a bad copy, data"),
    ),
    _gro(
        "padding and the reserved bit forbid to merge, but keep the order", f"{IP4} inet_gro_receive()",
        Mutant("gro_inet.c", "skb->gro_flush |= be16(ip + IPH_TOT_LEN) != gro_len(skb, off) || frag & IP_CE;", ""),
        Mutant("gro.c", "	if (skb->gro_flush)\n		return GRO_PADDED;\n", ""),
        rows=("padded: refused, but in order", "reserved bit: refused, but in order", "1 byte, padded to 60"),
    ),
    _gro(
        "TTL, TOS and DF must not change", f"{GROC} inet_gro_flush()",
        Mutant("gro_inet.c", "ip[IPH_TTL] != ip2[IPH_TTL] || ip[IPH_TOS] != ip2[IPH_TOS]", "ip[IPH_TOS] != ip2[IPH_TOS]"),
        Mutant("gro_inet.c", "ip[IPH_TTL] != ip2[IPH_TTL] || ip[IPH_TOS] != ip2[IPH_TOS]", "ip[IPH_TTL] != ip2[IPH_TTL]"),
        Mutant("gro_inet.c", " ||\n	    (load16(ip + IPH_FRAG_OFF) ^ load16(ip2 + IPH_FRAG_OFF)) & htons(IP_DF))", ")"),
        rows=("ip_ttl", "ip_tos", "ip_ecn", "DF"),
    ),
    _gro(
        "IPv6: nor the traffic class and the hop limit", f"{GROC} ipv6_gro_flush()",
        Mutant("gro_inet.c", "& htonl(IPV6_TCLASS_MASK) || ip[IPV6H_HOP_LIMIT] != ip2[IPV6H_HOP_LIMIT]", "& htonl(IPV6_TCLASS_MASK)"),
        Mutant("gro_inet.c", "(load32(ip) ^ load32(ip2)) & htonl(IPV6_TCLASS_MASK) || ip[IPV6H_HOP_LIMIT]", "ip[IPV6H_HOP_LIMIT]"),
        rows=("traffic class", "hop limit"),
    ),
    _gro(
        "IP ids count up, or are all the same (with or without DF since 6.18)", f"{GROC} inet_gro_flush()",
        Mutant("gro_inet.c", "		p->gro_fixed_id |= level;\n", "		;\n"),
        Mutant("gro_inet.c", "? GRO_IP_ID : GRO_HOLDS", "? GRO_HOLDS : GRO_HOLDS"),
        rows=("ip_id_df1_inc", "ip_id_df1_fixed", "ip_id_df0_inc", "ip_id_df0_fixed", "ip_id_df1_inc_fixed", "ip_id_df1_fixed_inc", "id gap", "id wraps", "id goes back"),
    ),
    _gro(
        "the TCP flags must be equal, FIN and PSH aside", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "word &= ~((u32)except << 8);", "word &= ~0xff00u;"),
        rows=("ECE on the second", "ECE on both", "no ACK flag", "AE", "urg_ptr without URG"),
    ),
    _gro(
        "so must the window", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "word &= ~((u32)except << 8);", "word &= 0xffff & ~((u32)except << 8);"),
        rows=("window",),
    ),
    _gro(
        "and the acknowledgement", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "	if (load32(th + TCPH_ACK_SEQ) != load32(th2 + TCPH_ACK_SEQ))\n		return GRO_ACK;\n", ""),
        rows=("ack number", "ack"),
    ),
    _gro(
        "and the options, timestamps too", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "options_differ(th + TCP_HLEN, th2 + TCP_HLEN, thlen - TCP_HLEN) ? GRO_OPTIONS : GRO_HOLDS", "GRO_HOLDS"),
        rows=("tcp_ts", "tcp_opt"),
    ),
    _gro(
        "a segment with CWR joins nothing", f"{TCP4} tcp_gro_receive(), 6.15 to 6.19",
        Mutant("gro_tcp.c", "th[TCPH_FLAGS] & TCPHDR_CWR && !h->gro_cwr", "0"),
        rows=("flags_cwr", "CWR on both", "plain data after CWR"),
    ),
    _gro(
        "a segment has to be the next in sequence", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "skb->seq != p->end_seq", "0"),
        rows=("data_same", "tcp_seq", "seq reversed", "seq wraps"),
    ),
    _gro(
        "it must not be longer than the first", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "len - 1 >= p->gso_size", "!len"),
        rows=("data_sml_lrg",),
    ),
    # ---- GRO: what ends a hold ----
    _gro(
        "a shorter segment joins and is the last", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "force = len < mss || flags", "force = !len || flags"),
        rows=("data_lrg_sml", "large, small, large", "data_lrg_1byte"),
    ),
    _gro(
        "so does one with PSH or FIN", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "flags & (TCPHDR_URG | TCPHDR_PSH | TCPHDR_RST | TCPHDR_SYN | TCPHDR_FIN);", "flags & (TCPHDR_URG | TCPHDR_RST | TCPHDR_SYN | TCPHDR_FIN);"),
        rows=("flags_psh", "FIN on the second of three", "FIN first", "PSH first", "flags_syn", "flags_rst", "flags_urg", "SYN first"),
    ),
    _gro(
        "an ACK without data is never held, and flushes what is held of its flow", f"{TCP4} tcp_gro_receive()",
        Mutant("gro_tcp.c", "thlen, len, mss = 1;", "thlen, len, mss = 0;"),
        rows=("ack", "pure ack between data", "flags_syn"),
    ),
    _gro(
        "a merged packet stays below gro_max_size, counted from the IP header", f"{GROC} skb_gro_receive()",
        Mutant("gro.c", "if (len >= limit ||", "if (len > limit ||"),
        rows=("large_max", "large_rem", "46 x 1448 with timestamps"),
        tests=(f"{GRO}::test_a_packet_stays_below_gro_max_size",),
    ),
    _gro(
        "beyond 64 KB only TCP, with a jumbo payload header in IPv6", f"{GROC} skb_gro_receive(), {IP6} ipv6_gro_complete()",
        Mutant("gro_inet.c", "		insert_jumbo(skb, off, len - IPV6_HLEN); /* once at most: may_be_big() */\n", "		store16(ip + IPV6H_PAYLOAD_LEN, 0);\n"),
        Mutant("gro.c", "return !(p->flags & SKB_UDP) && !in_ipv6", "return !in_ipv6", RECORDED_ANSWERS),
        tests=(f"{INET}::test_big_tcp_over_ipv6_has_a_jumbo_payload_header", f"{INET}::test_big_tcp_over_ipv4_says_0", RECORDED_ANSWERS[0]),
    ),
    # ---- GRO: what goes up ----
    _gro(
        "the first header speaks for all: lengths, and FIN and PSH of any", f"{TCP4} tcp_gro_complete()",
        Mutant("gro_tcp.c", "		th2[TCPH_FLAGS] |= th[TCPH_FLAGS] & (TCPHDR_FIN | TCPHDR_PSH);\n", "		;\n"),
        Mutant("gro_inet.c", "	set_length(skb, skb->gro_outer);\n", ""),
        tests=(f"{TCP}::test_the_merged_header_speaks_for_all", f"{INET}::test_the_merged_ipv6_header_speaks_for_all"),
    ),
    _gro(
        "the checksum of a merged packet is the pseudo header's sum", f"{TCP4} tcp_gro_complete()",
        Mutant("gro_tcp.c", "store16(th + TCPH_CHECK, (u16)~csum_fold(", "store16(th + TCPH_CHECK, (u16)csum_fold("),
        tests=(f"{TCP}::test_the_merged_header_speaks_for_all",),
    ),
    _gro(
        "one tunnel is looked through, each header's ids by themselves", f"{IP4} ipip_gro_receive()",
        Mutant("gro_inet.c", "(proto != IPPROTO_IPIP && proto != IPPROTO_IPV6) || skb->gro_inner", "proto != IPPROTO_IPIP && proto != IPPROTO_IPV6",
               (INET,)),
        Mutant("gro_inet.c", "inner = level_flush(p, skb, skb->gro_inner, 2);", "inner = level_flush(p, skb, skb->gro_inner, 1);", (INET,)),
        tests=(INET,),
    ),
    Rule(
        "GRO: frames with equal VLAN tags merge, others do not", "net/8021q/vlan_core.c vlan_gro_receive()", LIVE_6_1, (f"{GUEST}::test_frames_with_equal_vlan_tags_merge", INET),
        (Mutant("gro_inet.c", "load32(gro_mac_header(p) + off) == load32(tag)", "1"),),
    ),
    _gro(
        "UDP only if a socket has UDP_GRO, or forwarding or lists are on", f"{UDP4} udp_gro_receive()",
        Mutant("gro_udp.c", "return !sk && h->gro_udp_fwd ? SEGMENTS : NORMAL;", "return SEGMENTS;"),
        Mutant("gro_udp.c", "return !sk && h->gro_udp_fwd", "return h->gro_udp_fwd"),
        tests=(UDP,),
    ),
    _gro(
        "datagrams of one length, a shorter one is the last, 64 at most", f"{UDP4} udp_gro_receive_segment()",
        Mutant("gro_udp.c", "skb->gso_size == p->gso_size && p->segs < UDP_GRO_CNT_MAX", "skb->gso_size == p->gso_size",
               ("tests/softnet/test_gro_flows.py",)),
        Mutant("gro_udp.c", "if (!why && skb->gso_size == p->gso_size && p->segs", "if (!why && p->segs"),
        Mutant("gro_udp.c", "skb->gso_size > p->gso_size ? GRO_LONGER : GRO_HOLDS", "GRO_HOLDS"),
        tests=(UDP,),
    ),
    _gro(
        "a datagram without a checksum is never merged", f"{UDP4} udp_gro_receive_segment()",
        Mutant("gro_udp.c", "if (load16(uh + UDPH_CHECK) == 0 || ulen <= UDP_HLEN", "if (ulen <= UDP_HLEN"),
        tests=(UDP,),
    ),
    _gro(
        "a list keeps each segment's header, and PSH joins no others", f"{TCP4}, {GROC} skb_gro_receive_list()",
        Mutant("gro_tcp.c", "	if (th[TCPH_FLAGS] != th2[TCPH_FLAGS])\n		return GRO_FLAGS;\n", ""),
        Mutant("gro_tcp.c", "pp ? (*pp)->flags & SKB_FLIST :", ""),
        tests=(TCP,),
    ),
    # ---- GRO: when held packets leave ----
    Rule(
        "GRO: a full poll flushes all at HZ < 1000, what is older than the jiffy at 1000", f"{DEV} __napi_poll()", LIVE,
        (f"{GRO}::test_a_full_poll_flushes_all_below_1000_hz", f"{KERNEL}::test_the_whole_table_is_the_running_kernels"),
        (Mutant("napi.c", "n->host->hz >= 1000, GRO_FULL_POLL);", "1, GRO_FULL_POLL);", (GRO,)),),
    ),
    Rule(
        "GRO: age is the first packet's jiffy, and is looked at after receiving", f"{GROC} gro_flush()", LIVE,
        (f"{GRO}::test_age_is_looked_at_after_receiving",
         f"{KERNEL}::test_age_is_looked_at_after_receiving_as_in_the_running_kernel"),
        (Mutant("gro.c", "if (flush_old && skb->gro_age == (u32)jiffies(n->sd))", "if (flush_old)", (GRO,)),),
    ),
    Rule(
        "GRO: packets go up in lists of gro_normal_batch segments", f"{GROC} gro_normal_one()", LIVE_6_1,
        (f"{GUEST}::test_packets_go_up_in_lists_of_gro_normal_batch", f"{GUEST}::test_a_list_counts_segments", f"{GRO}::test_the_list_goes_up_when_it_speaks_for_gro_normal_batch_segments"),
        (Mutant("gro.c", "	COUNT(n->rx_count, segs);\n", "	COUNT(n->rx_count, 1);\n"),),
    ),
    Rule(
        "GRO: the bucket is the low 3 bits of the card's hash, buckets are flushed in order", GROC, LIVE_6_1,
        (f"{GUEST}::test_buckets_are_flushed_in_order", f"{GRO}::test_the_cards_hash_spreads_flows_over_eight_buckets"),
        (Mutant("gro.c", "u32 b = skb->hash & (GRO_HASH_BUCKETS - 1);", "u32 b = skb->hash >> 29;"),),
    ),
    # ---- NAPI ----
    Rule(
        "NAPI: a request during a poll leaves MISSED, and is made good by one more poll", f"{DEV} napi_schedule_prep()",
        WRITTEN, (f"{NAPI}::test_one_request_is_granted_the_next_is_missed", f"{NAPI}::test_a_missed_request_schedules_once_more_and_keeps_the_interrupt_off",
         *_moments("a request in the middle of a poll is made good by one more", "that poll finds nothing: no timeout, all of GRO goes", "a request in the middle of a threaded poll")),
        (Mutant("napi.c", "		n->state |= NAPI_STATE_MISSED;\n", ""),
         Mutant("napi.c", "	if (n->state & NAPI_STATE_MISSED) {", "	if (0) {")),
    ),
    Rule(
        "NAPI: the watchdog never leaves MISSED", f"{DEV} napi_watchdog()", WRITTEN, (f"{NAPI}::test_the_watchdog_never_leaves_missed",),
        (Mutant("napi.c", "if (!(n->state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED))) {", "n->state |= NAPI_STATE_MISSED;\n	if (!(n->state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED))) {"),),
    ),
    Rule(
        "NAPI: gro_flush_timeout holds only what GRO holds; without work all is flushed", f"{DEV} napi_complete_done()",
        LIVE_6_1, (f"{GUEST}::test_a_timeout_only_holds_what_gro_holds", f"{NAPI}::test_completions_in_a_row", f"{NAPI}::test_the_timer_stands_in_for_the_interrupt",
         f"{NAPI}::test_packets_go_up_and_interrupts_come_as_the_model_says",
         *_moments("gro_flush_timeout alone: the interrupt is on, the timer flushes", "nothing is held: no timer, whatever the timeout", "that poll finds nothing: no timeout, all of GRO goes")),
        (Mutant("napi.c", "		if (n->gro_bitmask)\n			timeout =", "		timeout ="),
         Mutant("napi.c", "napi_gro_flush(n, timeout != 0, GRO_COMPLETE);", "napi_gro_flush(n, 0, GRO_COMPLETE);")),
    ),
    Rule(
        "NAPI: napi_defer_hard_irqs keeps the interrupt off for so many empty polls, only with a timeout",
        f"{DEV} napi_complete_done()", LIVE_6_1, (f"{GUEST}::test_the_interrupt_is_deferred_for_so_many_empty_polls", f"{NAPI}::test_completions_in_a_row", f"{NAPI}::test_the_timer_stands_in_for_the_interrupt",
         f"{NAPI}::test_packets_go_up_and_interrupts_come_as_the_model_says",
         *_moments("deferred: so many empty polls by timer, then the interrupt", "deferral without a timeout has no effect")),
        (Mutant("napi.c", "		if (timeout)\n			unmask = 0;", "		unmask = 0;"),
         Mutant("napi.c", "		n->defer_hard_irqs_count--;\n", "")),
    ),
    Rule(
        "NAPI: a missed request starts no timer", f"{DEV} napi_complete_done()", WRITTEN, (f"{NAPI}::test_a_missed_request_starts_no_timer",),
        (Mutant("napi.c", "	if (n->state & NAPI_STATE_MISSED) {\n", "	if (timeout)\n		napi_timer_start(n, timeout);\n	if (n->state & NAPI_STATE_MISSED) {\n"),),
    ),
    Rule(
        "NAPI: one that is being disabled completes after a full poll, though there is more", f"{DEV} __napi_poll()", WRITTEN, (f"{NAPI}::test_disabling_is_a_state_and_waits_for_whoever_polls", *_moments("disabled in the middle of a poll")),
        (Mutant("napi.c", "	if (unlikely(n->state & NAPI_STATE_DISABLE)) {", "	if (0) {"),),
    ),
    Rule(
        "NAPI: a threaded one is polled by its task: no softirq, no budget, an IPI after each poll",
        f"{DEV} napi_threaded_poll_loop()", LIVE_6_1, (f"{GUEST}::test_a_threaded_napi_knows_no_softirq_and_no_budget", f"{GUEST}::test_a_threaded_napis_backlogs_are_the_softirqs",
            *_moments("threaded: a task polls, the softirq has nothing to do", "threaded: no budget and no time limit", "threaded: the timer wakes the task", "threaded: an IPI after each poll", "threaded, steered to its own CPU: the backlog is the softirq's", "a request in the middle of a threaded poll"),
        ),
        (Mutant("napi.c", "	if (n->config->threaded != NAPI_THREADED_DISABLED)\n", "	if (0)\n"),
         Mutant("napi_thread.c", "	net_rps_send_ipi(sd);\n", "")),
    ),
    Rule(
        "NAPI: a task that busy-polls keeps the NAPI and leaves the interrupt off; GRO is flushed as after a full poll",
        f"{DEV} napi_threaded_poll(), napi_threaded_poll_loop() of 6.19", WRITTEN, ("tests/softnet/test_napi_thread.py",),
        (Mutant("napi_thread.c", "		napi_full_poll_flush(n);\n", "		gro_normal_list(n);\n"),
         Mutant("napi_thread.c", "(NAPI_STATE_THREADED_BUSY_POLL | NAPI_STATE_DISABLE)", "(NAPI_STATE_THREADED_BUSY_POLL)"),
         Mutant("napi_thread.c", "skipped = (sd->now - began - 1) / cost;", "skipped = (sd->now - began) / cost;"),
         Mutant("driver.c", "cost[COST_POLL] - napi->polled_ns", "cost[COST_POLL]"),
         Mutant("irq_affinity.c", "NAPI_STATE_SCHED_THREADED |\n				   NAPI_STATE_IN_BUSY_POLL", "NAPI_STATE_SCHED_THREADED",
                ("tests/softnet/test_napi_thread.py::test_moved_to_another_cpu_and_switched_off_before_it_ran_again",))),
    ),
    Rule(
        "NAPI: each packet that a busy reader gets puts the timer off for irq-suspend-timeout; having polled in vain, it lets the softirq poll",
        "fs/eventpoll.c ep_suspend_napi_irqs(), ep_busy_loop(); net/core/dev.c napi_suspend_irqs(), napi_resume_irqs()", WRITTEN,
        ("tests/softnet/test_busy_poll.py",),
        (Mutant("busy_poll.c", "		napi_timer_start(n, n->config->irq_suspend_timeout);", "		;"),
         Mutant("busy_poll.c", "	napi_schedule(n);\n	poll_end(sd);", "	poll_end(sd);"),
         Mutant("busy_poll.c", "	if (!READ_ONCE(sd->ready))\n		napi_resume_irqs(sd);", "	napi_resume_irqs(sd);")),
    ),
    Rule(
        "NAPI: a busy reader takes it, keeps the interrupt off, and polls once more when it lets go",
        f"{DEV} napi_busy_loop(), busy_poll_stop()", WRITTEN, ("tests/softnet/test_busy_poll.py",),
        (Mutant("napi.c", "(NAPI_STATE_NPSVC | NAPI_STATE_IN_BUSY_POLL)", "(NAPI_STATE_NPSVC)"),
         Mutant("busy_poll.c", "~(u32)(NAPI_STATE_MISSED | NAPI_STATE_IN_BUSY_POLL)", "~(u32)(NAPI_STATE_IN_BUSY_POLL)")),
    ),
    # ---- net_rx_action, softirq ----
    Rule(
        "net_rx_action: budget and time are looked at after each poll; so it can be overshot", f"{DEV} net_rx_action()", LIVE_6_1, (f"{GUEST}::test_the_budget_is_looked_at_after_each_poll", RUN, *_moments("the time limit is two jiffies of 4 ms", "the budget is spent: a squeeze, and the rest in the next run")),
        (Mutant("net_rx_action.c", "if (budget <= 0 ||", "if (budget < 0 ||", (RUN,)),
         Mutant("net_rx_action.c", " || jiffies(sd) >= deadline)", ")", (RUN,)),
         Mutant("net_rx_action.c", "budget > 0);", "budget <= 0);", (f"{LIMITS}::test_time_squeeze_is_either_the_budget_s_or_the_time_s",))),
    ),
    Rule(
        "net_rx_action: a squeeze counts though nothing is left", f"{DEV} net_rx_action()", LIVE_6_1, (f"{GUEST}::test_the_budget_is_looked_at_after_each_poll", f"{RUN}::test_who_is_polled_in_which_run", f"{RUN}::test_the_time_limit_is_in_jiffies", *_moments("a squeeze counts though nothing is left")),
        (Mutant("net_rx_action.c", "			COUNT(sd->time_squeeze, 1);\n", "			COUNT(sd->time_squeeze, run.list || run.repoll);\n", (RUN,)),),
    ),
    Rule(
        "net_rx_action: a NAPI is polled once a run; then the rest, the new ones, and those that want more", f"{DEV} net_rx_action()",
        LIVE_6_1, (f"{GUEST}::test_the_rest_goes_before_the_new_ones_and_those_before_what_wants_more", RUN),
        (Mutant("net_rx_action.c", "			list_append(&run.repoll, &run.repoll_tail, n);", "			list_append(&run.list, &run.list_tail, n);"),),
    ),
    Rule(
        "softirqs are restarted 10 times or for 2 ms, or until a task is due; then ksoftirqd has them", "kernel/softirq.c handle_softirqs()", WRITTEN,
        ("tests/softnet/test_softirq.py", *_moments("ten rounds, then ksoftirqd", "or 2 ms, which is a jiffy at 250 Hz")),
        (Mutant("softirq.c", "#define MAX_SOFTIRQ_RESTART 10", "#define MAX_SOFTIRQ_RESTART 11", ("tests/softnet/test_softirq.py",)),
         Mutant("softirq.c", "if (jiffies(sd) >= end ||", "if (", ("tests/softnet/test_softirq.py",)),
         Mutant("softirq.c", "need_resched(sd) || !--restarts", "!--restarts", ("tests/softnet/test_softirq.py",)),
         Mutant("softirq.c", "else if (!restarts)", "else if (restarts)", (LIMITS,))),
    ),
    # ---- RPS, RFS, backlog, flow limit ----
    Rule(
        "RPS: cpus[(hash * n) >> 32]", f"{DEV} get_rps_cpu()", LIVE_6_1, (f"{GUEST}::test_a_flows_cpu_is_its_hash_as_a_fraction_of_the_mask", "tests/softnet/test_rps.py::test_the_hash_as_a_fraction_picks_from_the_mask", "tests/softnet/test_rps.py::test_the_map_has_the_masks_cpus_that_exist"),
        (Mutant("rps.c", "(u64)hash * n >> 32]", "hash % n]"),),
    ),
    Rule(
        "RPS: what goes together, what stays: directions, fragments, labels, tags, tunnels", "net/core/flow_dissector.c", LIVE,
        ("tests/softnet/test_rps_kernel.py", "tests/softnet/test_flow_dissector.py"),
        (Mutant("flow_dissector.c", "bool swap = memcmp(src, src + len, len) > 0;", "bool swap = false;", ("tests/softnet/test_flow_dissector.py",)),
         Mutant("flow_dissector.c", "	if (d->k->flow_label) /*", "	if (0) /*", ("tests/softnet/test_rps_kernel.py",)),
         Mutant("flow_dissector.c", "return be16(ip + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET) ? 0 :", "return 0 ? 0 :", ("tests/softnet/test_flow_dissector.py",))),
    ),
    Rule(
        "backlog: it takes packets while it holds <= netdev_max_backlog, so limit + 1, besides what is in work", f"{DEV} enqueue_to_backlog()",
        LIVE_6_1, (f"{GUEST}::test_a_backlog_takes_limit_plus_one", f"{GUEST}::test_a_cpu_that_stands_still_is_called_once_and_charged_with_the_drops", f"{BACKLOG}::test_drops_begin_at_limit_plus_one_and_are_charged_to_the_target", f"{BACKLOG}::test_a_limit_of_0_lets_one_in",
         f"{BACKLOG}::test_a_stalled_cpu_drops_as_the_model_says"),
        (Mutant("backlog.c", "target->input_qlen > sd->host->netdev_max_backlog", "target->input_qlen >= sd->host->netdev_max_backlog"),
         Mutant("backlog.c", "max_u32(sd->input_qlen_max, sd->input_qlen);", "sd->input_qlen;", (LIMITS,))),
    ),
    Rule(
        "backlog: a drop is charged to the target", f"{DEV} enqueue_to_backlog()", LIVE_6_1, (f"{GUEST}::test_a_cpu_that_stands_still_is_called_once_and_charged_with_the_drops", f"{BACKLOG}::test_drops_begin_at_limit_plus_one_and_are_charged_to_the_target",
         f"{BACKLOG}::test_an_overloaded_cpu_loses_only_what_is_its_own_and_reorders_nothing"),
        (Mutant("backlog.c", "		COUNT(target->dropped, 1);\n", "		COUNT(sd->dropped, 1);\n"),),
    ),
    Rule(
        "backlog: one IPI, when its queue was empty and it does not work; received_rps counts those", f"{DEV} napi_schedule_rps()", LIVE_6_1,
        (f"{GUEST}::test_a_cpu_that_stands_still_is_called_once_and_charged_with_the_drops", f"{GUEST}::test_a_flows_cpu_is_its_hash_as_a_fraction_of_the_mask", f"{BACKLOG}::test_only_the_first_packet_calls_the_target", "tests/softnet/test_rps.py::test_one_ipi_per_target_for_a_run_of_net_rx_action",
         *_moments("in the softirq: an IPI after each run")),
        (Mutant("backlog.c", "if (!target->input_qlen && !(target->backlog.state & NAPI_STATE_SCHED)) {", "if (!target->input_qlen) {"),
         Mutant("softirq.c", "		COUNT(sd->received_rps, 1);\n", "		COUNT(sd->received_rps, sd->input_qlen);\n")),
    ),
    Rule(
        "backlog: the head counter, which RFS compares, moves when a poll ends", f"{DEV} process_backlog()", WRITTEN, (f"{BACKLOG}::test_the_head_counter_follows_the_tail_counter",),
        (Mutant("backlog.c", "sd->input_queue_head + (u32)work);", "sd->input_queue_head + 1);"),),
    ),
    Rule(
        "RFS: a flow moves only when its old CPU took all it had queued there", f"{DEV} get_rps_cpu()", LIVE_6_1, (f"{GUEST}::test_a_flow_moves_only_when_its_old_cpu_has_taken_all", f"{RFS}::test_a_flow_moves_only_when_its_old_cpu_has_taken_all", f"{RFS}::test_rfs_steers_as_the_model_does",
         f"{RFS}::test_no_flow_is_ever_reordered_while_it_moves", f"{RFS}::test_without_the_rule_flows_are_reordered",
         f"{RFS}::test_the_counters_wrap"),
        (Mutant("rfs.c", "- READ_ONCE(f->last_qtail)) >= 0;", "- READ_ONCE(f->last_qtail)) >= -1000000;"),
         Mutant("backlog.c", "		rfs_queued(sd->host, skb->rflow, target->input_queue_tail);\n", "		;\n")),
    ),
    Rule(
        "RFS: an entry of another flow is told by its upper bits", f"{DEV} get_rps_cpu()", LIVE_6_1, (f"{GUEST}::test_another_flow_with_the_same_entry_is_told_by_its_upper_bits", f"{RFS}::test_another_flow_with_the_same_entry_is_told_by_its_upper_bits", f"{RFS}::test_rfs_steers_as_the_model_does",
         f"{RFS}::test_a_reader_draws_its_flow"),
        (Mutant("rfs.c", "if ((ident ^ hash) & ~h->rps_cpu_mask)", "if (0)"),),
    ),
    Rule(
        "RFS: only sockets with a peer record where they read", "include/net/rps.h sock_rps_record_flow()", LIVE_6_1, (f"{GUEST}::test_a_flow_goes_to_its_readers_cpu", f"{GUEST}::test_a_reader_without_a_peer_draws_nothing", f"{RFS}::test_a_connected_datagram_socket_draws_too_and_one_that_is_not_does_not"),
        (Mutant("sock.c", "&& (sk->rport || sk->type == SOCK_TCP))", ")"),),
    ),
    Rule(
        "flow limit: of the last 128 packets more than 64, once the queue is half full", f"{DEV} skb_flow_limit()", LIVE_6_1,
        (f"{GUEST}::test_the_flow_limit_drops_a_flow_that_has_more_than_64_of_the_last_128", f"{GUEST}::test_the_flow_limit_of_two_flows_in_turn", "tests/softnet/test_flow_limit.py"),
        (Mutant("flow_limit.c", "#define FLOW_LIMIT_HISTORY 128", "#define FLOW_LIMIT_HISTORY 256"),
         Mutant("flow_limit.c", "netdev_max_backlog >> 1)", "netdev_max_backlog)"),
         Mutant("flow_limit.c", "	COUNT(sd->flow_limit_frames, skb->segs);\n", "	;\n", (LIMITS, WHY))),
    ),
    Rule(
        "flow limit: by the table of the CPU that enqueues", f"{DEV} skb_flow_limit()", LIVE_6_1, (f"{GUEST}::test_the_flow_limit_is_that_of_the_cpu_that_enqueues", "tests/softnet/test_flow_limit.py"),
        (Mutant("backlog.c", "skb_flow_limit(sd, skb, target->input_qlen)", "skb_flow_limit(target, skb, target->input_qlen)"),),
    ),
    Rule(
        "accelerated RFS: the card brings a flow to its reader's queue; idle filters expire", f"{DEV} set_rps_cpu(), rps_may_expire_flow()",
        WRITTEN, ("tests/card/test_arfs.py", "tests/driver/test_driver_arfs.py"),
        (Mutant("rfs.c", "unlikely(*h->dev.ntuple) ? steer_in_card(sd, skb, hash, cpu) : 0", "0"),
         Mutant("rfs.c", "READ_ONCE(f->filter) != filter || !is_active(h, f, log);", "READ_ONCE(f->filter) != filter;"),
         Mutant("rfs.c", "READ_ONCE(f->filter) != RPS_NO_FILTER && READ_ONCE(f->hash) != hash &&", "0 &&")),
    ),
    Rule(
        "adaptive moderation: 64 interrupts a measurement; bytes, packets, then interrupts decide, by more than 10 %", "lib/dim/dim.c, net_dim.c",
        WRITTEN, ("tests/driver/test_dim.py",),
        (Mutant("dim.c", "100 * diff / before > 10;", "100 * diff / before >= 10;"),
         Mutant("dim.c", "now->epms < before->epms ? BETTER : WORSE", "now->epms > before->epms ? BETTER : WORSE"),
         Mutant("dim.c", "#define NEVENTS 64u", "#define NEVENTS 65u")),
    ),
    Rule(
        "adaptive moderation: it walks, turns, parks on the top, rests after ten steps", "lib/dim/net_dim.c", WRITTEN, ("tests/driver/test_dim.py",),
        (Mutant("dim.c", "d->steps_left > 1 && d->steps_right == 1", "d->steps_left > 0 && d->steps_right == 1"),
         Mutant("dim.c", "#define TIRED_MAX (2 * DIM_PROFILES)", "#define TIRED_MAX (2 * DIM_PROFILES + 1)"),
         Mutant("dim.c", "	if (where == DIM_PARKING_ON_TOP)\n		d->tired = 0;\n", "	d->tired = 0;\n"),
         Mutant("dim.c", "if (was != DIM_PARKING_ON_TOP || d->tune != DIM_PARKING_ON_TOP)", "if (1)")),
    ),
    # ---- further up ----
    Rule(
        "the interrupt is enabled when all is polled, and then the driver looks again", "drivers/net", WRITTEN,
        ("tests/driver/test_driver.py", "tests/card/test_card_and_driver.py"),
        (Mutant("driver.c", "if (virtqueue_enable_cb(&dq->vq) &&", "if (virtqueue_enable_cb(&dq->vq) && 0 &&"),),
    ),
    Rule(
        "taps see packets after GRO and RPS and before IP, those for other hosts too", f"{DEV} __netif_receive_skb_core()", WRITTEN,
        ("tests/packet/test_af_packet.py", "tests/softnet/test_netif_receive_skb.py"),
    ),
    Rule(
        "a packet socket's filter: which programs may run, and what they say of a packet", "net/core/filter.c", LIVE,
        ("tests/packet/test_bpf.py",),
        mutants=(
            Mutant("bpf.c", "return a >> (by & 31);", "return by > 31 ? 0 : a >> by;"),
            Mutant("bpf.c", "return skb->queue + 1u;", "return skb->queue;"),
        ),
    ),
    Rule(
        "the order of the IPv4 and IPv6 header checks, and the counter each hits", "net/ipv4/ip_input.c, net/ipv6/ip6_input.c",
        LIVE, (IP, "tests/inet/test_ipv6.py", TWIN),
    ),
    # ---- answers ----
    Rule(
        "ARP: who asks for us is answered and remembered; other packets update an entry that is there, and make none", "net/ipv4/arp.c arp_process()",
        LIVE, (ARP, "tests/tap/test_namespaces.py", TWIN),
        (Mutant("arp.c", "op == ARPOP_REQUEST && ip_local_net(h, &tip)", "op == ARPOP_REQUEST", (ARP,)),
         Mutant("arp.c", "override ? NEIGH_OVERRIDE : 0", "NEIGH_OVERRIDE", (ARP,)),
         Mutant("arp.c", "op == ARPOP_REPLY && to_us ?", "op == ARPOP_REPLY ?", (ARP,)),
         Mutant("arp.c", "if ((u32)sip.lo && ", "if (", (ARP,), "asked")),
    ),
    Rule(
        "neighbour discovery: hop limit 255; solicited and override as RFC 4861 has them; no entry without a question", "net/ipv6/ndisc.c",
        LIVE, (NDISC, "tests/inet/test_ndisc_output.py", "tests/tap/test_namespaces.py", TWIN),
        (Mutant("ndisc.c", "if (ip[IPV6H_HOP_LIMIT] != ND_HOP_LIMIT)", "if (0)", (NDISC,)),
         Mutant("ndisc_output.c", "(unspecified ? 0 : ND_NA_SOLICITED)", "ND_NA_SOLICITED", ("tests/inet/test_ndisc_output.py",)),
         Mutant("ndisc.c", "m[NDH_FLAGS] & ND_NA_OVERRIDE ? NEIGH_OVERRIDE : 0", "NEIGH_OVERRIDE", (NDISC,)),
         Mutant("ndisc.c", "neigh_lookup(h, &target)", "neigh_get(h, &target, host_now(h, sd))", (NDISC,), "advertised")),
    ),
    Rule(
        "neighbours: three questions a second apart, then FAILED; STALE when used: DELAY, 5 s, PROBE by unicast", "net/core/neighbour.c", LIVE,
        (NEIGH, TWIN),
        (Mutant("neigh.c", "if (n->probes >= SOLICITS)", "if (n->probes > SOLICITS)"),
         Mutant("neigh_table.c", "NUD_REACHABLE && now > end", "NUD_REACHABLE && now > end + SECOND"),
         Mutant("neigh.c", "n->state == NUD_PROBE ? n->mac : NULL;", "NULL;"),
         Mutant("neigh.c", "plan(h, n, now + DELAY_PROBE_NS);", "plan(h, n, now + SECOND);")),
    ),
    Rule(
        "neighbours: a known one that names another MAC address is believed a second after it changed last, or when it tells all", "net/ipv4/arp.c arp_process(), net/core/neighbour.c __neigh_update()", LIVE,
        (NEIGH, ARP, NDISC, TWIN),
        (Mutant("arp.c", "> n->updated + LOCK_NS || is_gratuitous", ">= n->updated || is_gratuitous", (NEIGH, ARP)),
         Mutant("arp.c", "+ LOCK_NS || is_gratuitous(arp, op)", "+ LOCK_NS", (NEIGH, ARP))),
    ),
    Rule(
        "neighbours: what waits is bounded by unres_qlen_bytes, the oldest go; a full table gives up the oldest that is not in use", "net/core/neighbour.c",
        LIVE, (NEIGH, NEIGH_TABLE, TWIN),
        (Mutant("neigh.c", "n->queue_bytes + bytes > QUEUE_BYTES", "n->queue_bytes > QUEUE_BYTES", (NEIGH,)),
         Mutant("neigh_table.c", "n->state == NUD_FAILED || now > n->updated + FRESH_NS", "1", (NEIGH_TABLE,)),
         Mutant("neigh_table.c", "if (n->state & HELD) continue;", ";", (NEIGH_TABLE,), "make_room")),
    ),
    Rule(
        "ICMP errors: not about errors, to groups, broadcasts, or the unspecified address; as much of the packet as fits in 576 (IPv6: 1280) bytes", "net/ipv4/icmp.c, net/ipv6/icmp.c",
        LIVE, (ICMP, TWIN),
        (Mutant("icmp.c", "skb->pkt_type != PACKET_HOST || ", "", (ICMP,)),
         Mutant("icmp.c", "#define QUOTE_MAX 576u", "#define QUOTE_MAX 577u", (ICMP,)),
         Mutant("icmpv6.c", "#define QUOTE_MAX (IPV6_MIN_MTU - ", "#define QUOTE_MAX (IPV6_MIN_MTU - 1 - ", (ICMP,)),
         Mutant("icmp.c", "if (is_error(quote, len))", "if (0)", (ICMP,))),
    ),
    Rule(
        "ICMP errors: six at once to a host, then one a second (IPv6: ten); 50 at once to all, then 1000 a second", "net/ipv4/icmp.c, inetpeer.c", LIVE,
        ("tests/inet/test_icmp_limit.py", TWIN),
        (Mutant("icmp_limit.c", "#define TOKENS_MAX 6u", "#define TOKENS_MAX 7u"),
         Mutant("icmp_limit.c", "if (global && host && l->credit)", "if (global && l->credit)"),
         Mutant("icmp_limit.c", "min_u64(more, l->msgs_burst)", "l->msgs_burst")),
    ),
    # ---- the rules of IP, ICMP, UDP and groups that the twin compares ----
    _twin(
        "IP input: a source that is a group's, a broadcast, 0 or our own: the packet is dropped, before its options are looked at", "net/ipv4/route.c ip_route_input_slow(), fib_validate_source()", "ip",
        Mutant("route.c", "unlikely(ours) && *type != RTN_UNICAST ? IP_LOCAL_SOURCE : FATE_MAX", "FATE_MAX"),
        Mutant("route.c", "(is_loopback(s) || is_loopback(d)) && !h->ip_any", "is_loopback(d) && !h->ip_any"),
    ),
    _twin(
        "IP options: a bad one is a parameter problem whose pointer is the byte at fault; a source route is dropped without a word", "net/ipv4/ip_options.c __ip_options_compile(), ip_input.c ip_rcv_options()", "ip", "ip_options",
        Mutant("ip_options.c", "if (opt[IPOPT_OFFSET] < IPOPT_MINOFF) return at + IPOPT_OFFSET;", ";", (), "record_route"),
        Mutant("ip_options.c", "return c.srr ? -EINVAL : 0;", "return 0;", ("tests/machine/test_fate.py::test_fate_IP_SOURCE_ROUTE",)),
    ),
    _twin(
        "IP options: an answer has the record route and the timestamps of what it answers, filled in by us on the way in and on the way out", "net/ipv4/ip_options.c __ip_options_echo(), icmp.c icmp_reply()", "ip_options",
        Mutant("ip_options.c", "to[IPOPT_OFFSET] = (u8)(ptr + 4);", ";"),
        Mutant("ip_options.c", "inet_addr_put(src, to + ptr - 1);", ";", (), "echo_timestamp"),
    ),
    _twin(
        "ICMP input: a timestamp request is answered with the milliseconds since midnight UT, twice: it came and it left", "net/ipv4/icmp.c icmp_timestamp()", "icmp",
        Mutant("icmp.c", "memcpy(o.head + ICMPH_TIMES + 8, &now, 4);", ";"),
        Mutant("icmp.c", "o.head[ICMPH_TYPE] = ICMP_TIMESTAMPREPLY;", ";"),
    ),
    _twin(
        "path MTU: what ICMP says of one destination only shrinks it, to 552 bytes at least (IPv6: 1280 or nothing), for ten minutes", "net/ipv4/route.c __ip_rt_update_pmtu(), net/ipv6/route.c __ip6_rt_update_pmtu()", "route",
        Mutant("route.c", "#define MIN_PMTU 552u", "#define MIN_PMTU 553u"),
        Mutant("route.c", "e->expires = sd->now + MTU_EXPIRES_NS;", "e->expires = sd->now + MTU_EXPIRES_NS / 2;"),
        Mutant("route.c", "mtu < old && mtu >= IPV6_MIN_MTU", "mtu < old"),
    ),
    _twin(
        "IPv6 input: the two highest bits of an unknown option say: skip it, drop the packet, tell the sender, tell it unless it was to a group", "net/ipv6/exthdrs.c ip6_tlvopt_unknown()", "exthdrs", "ipv6", "icmpv6",
        Mutant("exthdrs.c", "if (action == IPV6_TLV_SKIP)", "if (0)"),
        Mutant("exthdrs.c", "action == IPV6_TLV_TELL ||", "", (), "unknown_option"),
    ),
    _twin(
        "IPv6 input: an unknown next header, or a routing header with segments left, is a parameter problem that points to the byte", "net/ipv6/ip6_input.c ip6_protocol_deliver_rcu(), exthdrs.c ipv6_rthdr_rcv()", "exthdrs", "icmpv6",
        Mutant("exthdrs.c", "x->nhoff = x->before + x->at;", ";"),
        Mutant("exthdrs.c", "x->before + x->at + RTH_TYPE", "x->before + x->at + RTH_SEGMENTS_LEFT"),
    ),
    _twin(
        "groups: what comes for a group that was not joined is dropped, and no counter of snmp says so", "net/ipv4/route.c ip_route_input_rcu(), net/ipv6/route.c ip6_pkt_discard()", "mc_groups",
        Mutant("ipv6.c", "return ipv6_chk_mcast_addr(h, &a);", "return true;"),
        Mutant("route.c", "if (!h->ip_any && !ip_check_mc(h, d))", "if (0)"),
    ),
    _twin(
        "groups: one that was joined is reported as a change of mode within a jiffy or two, and again as often as the robustness says", "net/ipv4/igmp.c igmp_group_added(), net/ipv6/mcast.c mld_ifc_event()", "mc_report", "igmp", "mcast",
        Mutant("mc_report.c", "f->ifc_count = f->qrv;", "f->ifc_count = 0;"),
        Mutant("mc_report.c", "add_record(&r, MC_CHANGE_TO_EXCLUDE, &g->addr);", "add_record(&r, MC_MODE_IS_EXCLUDE, &g->addr);"),
    ),
    _twin(
        "UDP input: what is for a group or a broadcast address goes to all sockets that match; none: IgnoredMulti, and no answer", "net/ipv4/udp.c __udp4_lib_mcast_deliver()", "udp",
        Mutant("udp.c", "taken |= queue_copy(sd, last, skb);", ";"),
        Mutant("udp.c", "count(sd, skb, type, UDP_MIB_IGNOREDMULTI, 1);", "count(sd, skb, type, UDP_MIB_NOPORTS, 1);", (), "mcast_deliver"),
    ),
    _twin(
        "UDP errors: a connected socket gets the fatal ones, one with IP_RECVERR all, another none", "net/ipv4/udp.c __udp4_lib_err(), icmp.c icmp_err_convert[]", "udp_err", "udp",
        Mutant("udp_err.c", "(!(err & HARD) || !sk->rport)", "!(err & HARD)"),
        Mutant("udp_err.c", "(!(err & HARD) || !sk->rport)", "!sk->rport"),
    ),
    _twin(
        "TCP reset: a segment to a closed port is answered with its own ACK as sequence number, or with an ACK of all of it", "net/ipv4/tcp_ipv4.c tcp_v4_send_reset(), net/ipv6/tcp_ipv6.c tcp_v6_send_reset()", "tcp_reset",
        Mutant("tcp_reset.c", "!!(flags & TCPHDR_SYN) + ", ""),
        Mutant("tcp_reset.c", "rst[TCPH_FLAGS] |= TCPHDR_ACK;", ";"),
    ),
    _twin(
        "UDP-Lite: the checksum covers the bytes that the length field says, 8 at least or 0 for all; a socket may ask for a least coverage", "net/ipv4/udp.c udp_queue_rcv_one_skb(), include/net/udplite.h udplite_checksum_init()", "udplite",
        Mutant("udplite.c", "cover = partial ? cover : whole;", "cover = whole;"),
        Mutant("udplite.c", "skb->end_seq >= inet->pcrlen", "skb->end_seq > inet->pcrlen"),
    ),
    Rule(
        "a GSO frame is cut as the kernel cuts it: ids count up, PSH and FIN on the last, CWR on the first", "net/ipv4/tcp_offload.c, udp_offload.c",
        LIVE, ("tests/wire/test_tap_vnet.py", "tests/wire/test_sender_offload.py"),
        (Mutant("gso.c", "	if (!last)\n", "	if (0)\n"),
         Mutant("gso.c", "	if (g->nth)\n", "	if (0)\n"),
         Mutant("gso.c", "be16(ip + IPH_ID) + g->nth", "be16(ip + IPH_ID)")),
    ),
    # ---- fragments ----
    _frag(
        "a duplicate, or what lies inside adjacent ones that came in order, is dropped; any other overlap costs the datagram",
        "net/ipv4/inet_fragment.c inet_frag_queue_insert()",
        Mutant("frag_runs.c", "offset >= run->frag_offset && end <= run->frag_offset + run->len ? DUP_FRAG", "offset >= run->frag_offset ? DUP_FRAG"),
        Mutant("frag_runs.c", "		if (offset < tail)\n			return FRAG_OVERLAP;\n", "		if (offset < tail)\n			return DUP_FRAG;\n"),
        Mutant("frag_runs.c", "		if (offset == tail && q->last) {", "		if (0) {"),
        Mutant("inet_fragment.c", "	if (why == DUP_FRAG) {", "	if (why == DUP_FRAG || why == FRAG_OVERLAP) {"),
    ),
    _frag(
        "the last says how long the datagram is: nothing beyond it, and no other last; none is empty",
        "net/ipv4/ip_fragment.c ip_frag_queue()",
        Mutant("inet_fragment.c", "frag->more ? known && frag->end > q->len : ", "frag->more ? 0 : "),
        Mutant("inet_fragment.c", "frag->end < q->len || (known && frag->end != q->len)", "(known && frag->end != q->len)"),
        Mutant("inet_fragment.c", "return frag->end > frag->offset;", "return true;"),
    ),
    _frag(
        "IPv4 cuts one that is not the last to a multiple of 8; IPv6 drops it, and one that goes beyond 65535",
        "net/ipv4/ip_fragment.c, net/ipv6/reassembly.c",
        Mutant("ip_fragment.c", "more ? end & ~7u : end", "end"),
        Mutant("reassembly.c", "frag.more && frag.end & 7 ? IPV6H_PAYLOAD_LEN : 0;", "0;"),
        Mutant("reassembly.c", "frag.end > IP_LEN_MAX ? x->at + FRAGH_FRAG_OFF : ", ""),
    ),
    _frag(
        "a datagram of more than 65535 bytes is dropped when it is whole, and one of contradicting ECN fields; CE is kept",
        "net/ipv4/ip_fragment.c ip_frag_reasm(), ip_frag_ecn_table",
        Mutant("ip_fragment.c", "ecn < 0 || total > IP_LEN_MAX", "ecn < 0"),
        Mutant("reassembly.c", "ecn < 0 || payload > IP_LEN_MAX", "ecn < 0"),
        Mutant("inet_fragment.c", "return seen == 1 << INET_ECN_NOT_ECT ? 0 : -EINVAL;", "return 0;"),
        Mutant("inet_fragment.c", "return seen & 1 << INET_ECN_CE ? INET_ECN_CE : 0;", "return 0;"),
    ),
    _frag(
        "the key is (id, addresses, protocol), in IPv6 (id, addresses)", "net/ipv4/ip_fragment.c ip_find(), net/ipv6/reassembly.c fq_find()",
        *(Mutant("inet_fragment.c", good, wrong, (MANY,)) for good, wrong in (
            ("a->id == b->id && ", ""), (" && addr_equal(&a->src, &b->src) &&", " &&"), ("addr_equal(&a->dst, &b->dst);", "1;"))),
        Mutant("ip_fragment.c", "		.proto = ip[IPH_PROTOCOL],\n", ""),
        Mutant("reassembly.c", "		.id = be32(fh + FRAGH_ID),\n", "		.id = be32(fh + FRAGH_ID),\n		.proto = fh[0],\n"),
    ),
    _frag(
        "IPv6: an atomic fragment waits for nothing; the first must have the transport's header; fragments of fragments are bad",
        "net/ipv6/reassembly.c ipv6_frag_rcv(), ipv6frag_thdr_truncated()",
        Mutant("reassembly.c", "	if (!(be16(fh + FRAGH_FRAG_OFF) & (IP6_OFFSET | IP6_MF))) {", "	if (0) {"),
        Mutant("reassembly.c", "	if (unlikely(first_too_short(skb, x)))", "	if (0)"),
        Mutant("reassembly.c", "proto == IPPROTO_UDP || proto == IPPROTO_ICMPV6 ? UDP_HLEN : 1;", "UDP_HLEN;"),
        Mutant("reassembly.c", "	if (unlikely(skb->flags & SKB_FRAGMENTED))", "	if (0)"),
        Mutant("reassembly.c", "	x->next = proto;\n", "	;\n"),
    ),
    Rule(
        "fragments: none is taken while more than high_thresh waits", "net/ipv4/inet_fragment.c inet_frag_find()", LIVE,
        (TWIN, f"{FRAG}::test_no_fragment_is_taken_while_more_than_the_limit_waits", f"{FRAG}::test_a_low_limit_ends_as_in_the_model", f"{FRAG}::test_datagrams_without_a_fragment_count_and_are_bounded_too"),
        (Mutant("inet_fragment.c", "f->mem > f->high_thresh)", "f->mem >= f->high_thresh)"),
         Mutant("inet_fragment.c", "	f->mem += f->queue_size;\n", "	;\n"),
         Mutant("inet_fragment.c", "	f->mem += truesize;\n", "	f->mem += len;\n"),
         Mutant("inet_fragment.c", "		COUNT(f->refused, 1);\n", "		;\n", (LIMITS,))),
    ),
    Rule(
        "fragments: a datagram has 30 s (IPv6: 60) from its first fragment on", "net/ipv4/inet_fragment.c inet_frag_create()", LIVE,
        (TWIN, f"{FRAG}::test_a_datagram_has_30_or_60_seconds_from_its_first_fragment_on", f"{FRAG}::test_any_order_of_arrivals_in_time_ends_as_in_the_model", f"{FRAG}::test_no_timer_is_left_of_what_became_whole"),
        (Mutant("inet_fragment.c", "q->expires = sd->now + f->timeout_ns;", "q->expires = sd->now + f->timeout_ns + 1;"),
         Mutant("inet_fragment.c", "	inet_frag_count(sd, f, FRAG_TIMEOUT);\n", "	;\n"),
         Mutant("inet_fragment.c", "	q->meat += len;\n", "	q->meat += len;\n	q->expires = sd->now + f->timeout_ns;\n")),
    ),
    Rule(
        "IPv4: more than 64 fragments of a sender between two of a datagram: it begins anew", "net/ipv4/ip_fragment.c ip_frag_too_far()", LIVE,
        (TWIN, f"{FRAG4}::test_what_waits_is_given_up_when_its_sender_sent_64_others_since", f"{FRAG4}::test_fragments_of_other_senders_do_not_count", f"{FRAG}::test_a_datagram_that_begins_anew_has_all_of_the_time_again", f"{FRAG}::test_any_order_of_arrivals_in_time_ends_as_in_the_model"),
        (Mutant("ip_fragment.c", "q->rid - before > f->max_dist", "q->rid - before >= f->max_dist"),
         Mutant("ip_fragment.c", "peer && peer->addr != addr;", "0;", (MANY,)),
         Mutant("inet_fragment.c", "	age_list_del(sd, f, q);\n	age_list_add(sd, f, q);\n", "	;\n")),
    ),
    Rule(
        "a UDP socket takes a datagram if rmem_alloc + truesize <= rcvbuf, or if it is charged nothing", "net/ipv4/udp.c __udp_enqueue_schedule_skb()", LIVE,
        (f"{MEM}::test_a_full_default_socket_has_room_again_after_a_quarter", f"{MEM}::test_the_running_kernel_takes_refuses_and_gives_back_the_same", f"{MEM}::test_it_is_the_plain_models", "tests/inet/test_udp.py"),
        (Mutant("sock_mem.c", "unlikely(rmem > sk->rcvbuf) && sk->rmem_alloc", "unlikely(rmem >= sk->rcvbuf) && sk->rmem_alloc"),
         Mutant("sock_mem.c", "unlikely(rmem > sk->rcvbuf) && sk->rmem_alloc", "unlikely(sk->rmem_alloc > sk->rcvbuf)"),
         Mutant("sock_mem.c", "unlikely(rmem > sk->rcvbuf) && sk->rmem_alloc", "unlikely(rmem > sk->rcvbuf)"),
         Mutant("sock_mem.c", "	COUNT(sk->refused, skb->truesize);\n", "	;\n", (f"{LIMITS}::test_what_was_counted_says_how_much_is_enough",))),
    ),
    Rule(
        "a UDP socket gives memory back when a quarter of rcvbuf was read, or its reader's queue is empty", "net/ipv4/udp.c udp_rmem_release()", LIVE,
        (f"{MEM}::test_a_full_default_socket_has_room_again_after_a_quarter", f"{MEM}::test_the_running_kernel_takes_refuses_and_gives_back_the_same", f"{MEM}::test_it_is_the_plain_models"),
        (Mutant("sock_mem.c", "sk->forward_deficit < sk->rcvbuf >> 2", "sk->forward_deficit < sk->rcvbuf >> 1"),
         Mutant("sock_mem.c", "sk->forward_deficit < sk->rcvbuf >> 2", "sk->forward_deficit <= sk->rcvbuf >> 2"),
         Mutant("sock_mem.c", "sk->rcvbuf >> 2 && sk->reader_qlen", "sk->rcvbuf >> 2"),
         Mutant("sock_mem.c", "	sk->reader_qlen = sk->qlen;\n", "	sk->reader_qlen = 0;\n"),
         Mutant("sock_mem.c", "(sk->mem - sk->rmem_alloc - 1) / PAGE", "(sk->mem - sk->rmem_alloc) / PAGE")),
    ),
    Rule(
        "a UDP socket takes pages while all together have at most udp_mem's first number; below 4096 bytes it takes them anyway", "net/core/sock.c __sk_mem_raise_allocated()", WRITTEN,
        (f"{MEM}::test_udp_mem_bounds_all_sockets_together", f"{MEM}::test_it_is_the_plain_models"),
        (Mutant("sock_mem.c", "allocated > READ_ONCE(h->udp_mem)", "allocated >= READ_ONCE(h->udp_mem)"),
         Mutant("sock_mem.c", "sk->rmem_alloc >= READ_ONCE(h->udp_rmem_min)", "sk->rmem_alloc > 0"),
         Mutant("sock_mem.c", "	__atomic_sub_fetch(&h->udp_mem_allocated, sk->mem / PAGE, __ATOMIC_RELAXED);\n", "	;\n")),
    ),
    Rule(
        "a frame's truesize is its fragment of a page: 64 + length in cache lines, + 320 + 256; over 3456 bytes, pages", "drivers/net/tun.c tun_build_skb(), tun_alloc_skb()", LIVE,
        (f"{MEM}::test_a_frames_truesize_is_the_running_kernels", f"{MEM}::test_the_pools_memory_is_beside_the_truesize"),
        (Mutant("driver.c", "	skb->truesize = skb_frame_truesize(len - HDR_LEN);\n", "	skb->truesize = skb_frame_truesize(len);\n"),
         Mutant("driver.c", "	skb->truesize = skb_frame_truesize(skb->len + ETH_HLEN);\n", "	;\n")),
    ),
    Rule(
        "a frame that GRO merges gives its sk_buff back, 17 in a row; for forwarding, and yet for us, it costs what skb_segment() makes", "net/core/gro.c skb_gro_receive(), net/core/skbuff.c", LIVE,
        (f"{MEM}::test_a_merged_packets_truesize_is_the_running_kernels", f"{UDP}::test_taken_apart_each_counts_against_the_receive_buffer"),
        (Mutant("gro.c", "p->segs % (MAX_SKB_FRAGS + 1)", "p->segs % MAX_SKB_FRAGS"),
         Mutant("skbuff.c", "	bool flist = skb->flags & SKB_FLIST;", "	bool flist = false;"),
         Mutant("skbuff.c", "n % (MAX_SKB_FRAGS + 1) ?", "n ?")),
    ),
    Rule(
        "fragments: each but the first gives its sk_buff back to the datagram, up to 17", "net/core/skbuff.c skb_try_coalesce()", LIVE,
        (f"{MEM}::test_a_reassembled_datagrams_truesize_is_the_running_kernels",),
        (Mutant("inet_fragment.c", "min_u32(skb->segs - 1u, MAX_SKB_FRAGS)", "(skb->segs - 1u)"),
         Mutant("inet_fragment.c", "if (unlikely(!in_page_frag))", "if (0)")),
    ),
    Rule(
        "Toeplitz: Microsoft's eight vectors; queue = indir[hash & 127], entry i = i mod queues", "drivers/net", WRITTEN,
        ("tests/card/test_rss.py",),
        (Mutant("rss.c", "r->indir[hash & r->indir_mask]", "r->indir[hash >> 25]"),),
    ),
    Rule(
        "rx-flow-hash: TCP and UDP over IPv4 and IPv6 each have fields of their own; without ports a flow hashes as its fragments do", "include/uapi/linux/ethtool.h RXH_*", WRITTEN,
        ("tests/card/test_rss.py::test_any_flow_hashes_as_the_model_says", "tests/linux/test_ethtool.py::test_what_is_hashed_of_a_type_of_flow", "tests/card/test_rss.py::test_everything_a_hash_depends_on_has_an_id_of_its_own"),
        (Mutant("rss.c", "r->shaped |= r->left_out[type] != 0;", "r->shaped |= type < HASH_IPV6 && r->left_out[type] != 0;"),
         Mutant("rss.c", "memset(input + addr_len, 0, addr_len);", "memset(input, 0, addr_len);"),
         Mutant("rss.c", "memset(ports + 2, 0, 2);", "memset(ports, 0, 4);"),
         Mutant("rss.c", "f->hash_report = addr_len == 4 ? HASH_IPV4 : HASH_IPV6;", ";"),
         Mutant("rss.c", "static void rss_changed(struct rss *r)\n{\n	r->changes++;", "static void rss_changed(struct rss *r)\n{")),
    ),
    Rule(
        "symmetric-xor: source ^ destination in the places of both, so both directions hash alike; fields come in pairs then", "net/ethtool/common.c ethtool_check_flow_types()", WRITTEN,
        ("tests/card/test_rss.py::test_any_flow_hashes_as_the_model_says", "tests/card/test_rss.py::test_a_symmetric_hash_by_numbers", "tests/card/test_rss.py::test_a_fragment_of_a_symmetric_flow_hashes_its_addresses_symmetrically", "tests/linux/test_ethtool.py::test_a_symmetric_hash_takes_pairs_of_fields"),
        (Mutant("rss.c", "x[i] = y[i] = x[i] ^ y[i];", "x[i] = y[i] = x[i] | y[i];"),
         Mutant("rss.c", "xor_both(ports, ports + 2, 2);", ";"),
         Mutant("rss.c", "r->shaped = r->symmetric;", "r->shaped = 0;")),
    ),
)  # fmt: skip


AREAS = {
    "GRO": ("GRO:",),
    "Interrupts, softirqs, NAPI": ("NAPI:", "net_rx_action:", "softirqs", "adaptive moderation:", "the interrupt"),
    "Steering: RSS, RPS, RFS, backlogs": (
        "RPS:", "backlog:", "RFS:", "flow limit:", "accelerated RFS:", "Toeplitz:", "rx-flow-hash:", "symmetric-xor:",
    ),
    "Packet taps, IP and sockets": (
        "taps", "a packet socket", "the order of", "a GSO frame", "a datagram", "a UDP socket", "a frame's", "a frame that GRO",
    ),
    "Neighbours and errors": ("ARP:", "neighbour discovery:", "neighbours:", "ICMP errors:"),
    "IP, ICMP, UDP, groups": (
        "IP input:", "IP options:", "IPv6 input:", "ICMP input:", "path MTU:", "groups:", "UDP input:", "UDP errors:",
        "TCP reset:", "UDP-Lite:",
    ),
    "Fragments": ("fragments:", "IPv4: more than 64 fragments"),
}  # fmt: skip
"""The tables of docs/linux/rules.md, and how the names of their rules begin."""


def table() -> str:
    """Return the tables of docs/linux/rules.md: one for each area, with the proofs below it."""
    numbered = list(enumerate(RULES, 1))
    parts = []
    for area, prefixes in AREAS.items():
        rules = [(n, rule) for n, rule in numbered if rule.name.startswith(prefixes)]
        rows = [f"| {n} | {r.name.replace('|', chr(92) + '|')} | {r.linux} | {r.truth} |" for n, r in rules]
        parts.append("\n".join([f"## {area}", "", "| | rule | Linux | compared with |", "|--:|---|---|---|", *rows]))
        parts.append("Proofs:\n\n" + "\n".join(_proofs(n, rule) for n, rule in rules))
    return "\n" + "\n\n".join(parts) + "\n\n"


def _proofs(number: int, rule: Rule) -> str:
    proofs = [re.sub(r"^tests/\w+/(\w+)\.py(?:::)?(.*)", r"\1 \2", t).strip() for t in rule.tests]
    if rule.rows:
        proofs.append("rows of gro_rows: " + ", ".join(rule.rows))
    return textwrap.fill(
        "; ".join(proofs), 118, initial_indent=f"{number}. ", subsequent_indent="   ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
