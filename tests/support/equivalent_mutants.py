"""Mutants that no test can kill, each with its reason: they change speed only, or nothing that anybody can see.

An entry is a file, a function, the code and the mutated code as scripts/mutate --random prints them; "*" for both: all
of a function. It is no place for a behaviour that is hard to test.
"""

from mutations import Mutation

EQUIVALENT: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "prefetches only: speed": (("driver.c", "prefetch_ahead", "*", "*"),),
    "which of two ways reads a batch: speed": (
        ("tap_uring.c", "tap_way_begin", "*", "*"),
        ("tap_uring.c", "tap_way_end", "*", "*"),
    ),
    "how long an idle CPU looks for work before it sleeps: speed": (
        ("live.c", "cpu_look", "*", "*"),
        ("live.c", "live_spin_max", "*", "*"),
    ),
    "a file's read_burst never returns 0": (
        ("send.c", "fill", "if (got < 0) {", "if (got < 1) {"),
        ("send.c", "fill", "if (got < 0) {", "if (got <= 0) {"),
    ),
    "cut to the length that it has: nothing": (
        (
            "ip.c",
            "ip_rcv",
            "if (unlikely(total < skb->len)) skb_trim(sd, skb, total);",
            "if (unlikely(total <= skb->len)) skb_trim(sd, skb, total);",
        ),
    ),
    "a shift by 0 gives the same": (
        (
            "ip_output.c",
            "same_net",
            "u64 hi = bits >= 64 ? ~0ull : bits ? ~0ull << (64 - bits) : 0;",
            "u64 hi = bits > 64 ? ~0ull : bits ? ~0ull << (64 - bits) : 0;",
        ),
        (
            "ip_output.c",
            "same_net",
            "u64 lo = bits >= 128 ? ~0ull : bits > 64 ? ~0ull << (128 - bits) : 0;",
            "u64 lo = bits > 128 ? ~0ull : bits > 64 ? ~0ull << (128 - bits) : 0;",
        ),
    ),
    "a TAP takes a frame whole or not at all: its write() never returns 0": (
        ("tap.c", "tap_write", "if (n >= 0) return 0;", "if (n > 0) return 0;"),
    ),
    "each piece of a plain IPv6 segment is looked at anew, and the same is found: speed": (
        (
            "tap_vnet.c",
            "is_plain",
            "return ip_version(ip) == 6 && ip[IPV6H_NEXTHDR] == proto && g->l4 == g->ip + IPV6_HLEN;",
            "return ip_version(ip) == 6 && ip[IPV6H_NEXTHDR] == proto && g->l4 == g->ip - IPV6_HLEN;",
        ),
    ),
    "only the lowest 32 bits are used": (
        (
            "rss.c",
            "reverse_bits",
            "const __m128i bytes = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);",
            "const __m128i bytes = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 11, 9, 8, 15, 14, 13, 12);",
        ),
    ),
    "of two entries that are equally old either may go": (
        (
            "neigh.c",
            "make_room",
            "if (!oldest || n->used < oldest->used) oldest = n;",
            "if (!oldest || n->used <= oldest->used) oldest = n;",
        ),
    ),
    "the arena grows a frame earlier than it must": (
        (
            "wire.c",
            "mem_wire_feed",
            "if (w->arena_size - w->arena_used < len && grow(w, nic, 2 * w->arena_size + len) < 0) return -ENOMEM;",
            "if (w->arena_size - w->arena_used <= len && grow(w, nic, 2 * w->arena_size + len) < 0) return -ENOMEM;",
        ),
    ),
    "one entry more of a table is seen: it is NULL behind the last open queue, and there is nothing to do for it": (
        ("ledger.c", "host_laws", "i < h->nic.nqueues_open;", "i <= h->nic.nqueues_open;"),
    ),
    "a hash is cut to other bits of the same, large enough table: its chains are longer, what they hold is compared": (
        (
            "inet_fragment.c",
            "inet_frags_init",
            "f->mask = round_up_pow2(f->size) - 1;",
            "f->mask = round_up_pow2(f->size) + 1;",
        ),
    ),
}
REASONS = {entry: why for why, entries in EQUIVALENT.items() for entry in entries}


def reason_of(m: Mutation) -> str | None:
    return REASONS.get(m.key) or REASONS.get((m.file, m.function, "*", "*"))


def stale(all_there_are: list[Mutation]) -> list[tuple[str, str, str, str]]:
    """Entries that fit nothing: the code has changed."""
    fits = {m.key for m in all_there_are} | {(m.file, m.function, "*", "*") for m in all_there_are}
    return [entry for entry in REASONS if entry not in fits]
