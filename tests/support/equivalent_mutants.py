# ruff: noqa: E501 (a table)
"""Mutants that no test can kill, each with its reason: they change speed only, or nothing that anybody can see.

An entry is a file, a function, the code and the mutated code as scripts/mutate --random prints them; "*" for both: all
of a function. It is no place for a behaviour that is hard to test.
"""

from mutations import Mutation

EQUIVALENT: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "which of two ways reads a batch: speed": (
        ("tap_uring.c", "tap_way_begin", "*", "*"),
        ("tap_uring.c", "tap_way_end", "*", "*"),
    ),
    "how long an idle CPU looks for work before it sleeps: speed": (
        ("threads.c", "cpu_look", "*", "*"),
        ("threads.c", "live_spin_max", "*", "*"),
    ),
    "a rule for IPv4 has no mask behind an address's 4 bytes": (
        ("ntuple.c", "key_of", "memcpy(k->dst, ip + IPH_DADDR, 4);", "memcpy(k->dst, ip + IPH_DADDR, 5);"),
        ("ntuple.c", "key_of", "memcpy(k->src, ip + IPH_SADDR, 4);", "memcpy(k->src, ip + IPH_SADDR, 5);"),
    ),
    "at the limit both are the largest number": (
        (
            "pcap_select.c",
            "anchor",
            "if (s->relative & SELECT_UNTIL) s->until_ns = s->until_ns > UINT64_MAX - first_ns ? UINT64_MAX : s->until_ns + first_ns;",
            "if (s->relative & SELECT_UNTIL) s->until_ns = s->until_ns >= UINT64_MAX - first_ns ? UINT64_MAX : s->until_ns + first_ns;",
        ),
        (
            "pcap_select.c",
            "anchor",
            "if (s->relative & SELECT_FROM) s->from_ns = s->from_ns > UINT64_MAX - first_ns ? UINT64_MAX : s->from_ns + first_ns;",
            "if (s->relative & SELECT_FROM) s->from_ns = s->from_ns >= UINT64_MAX - first_ns ? UINT64_MAX : s->from_ns + first_ns;",
        ),
    ),
    "the kernel does not look at the other arguments": (
        (
            "send.c",
            "send_run",
            "int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), rc;",
            "int slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 1), rc;",
        ),
    ),
    "frames that were parsed ahead are parsed once more, or more frames go the long way: speed": (
        (
            "receive_burst.c",
            "parse_usual",
            "if (unlikely(dst & 1 || !(u->any || dst << 16 == u->addr))) return false;",
            "if (unlikely(dst & 1 || !(u->any && dst << 16 == u->addr))) return false;",
        ),
        (
            "nic_receive.c",
            "nic_receive",
            "if (n && !(f->flags & FRAME_HASHED)) done = (int)receive_burst(nic, f, (u32)n);",
            "if (n || !(f->flags & FRAME_HASHED)) done = (int)receive_burst(nic, f, (u32)n);",
        ),
        (
            "receive_burst.c",
            "usual_begin",
            ".addr = load64(addr) << 16, .longest = nic->mtu ? nic->mtu + ETH_HLEN : UINT32_MAX, .any = mf->any || mf->promisc, }",
            ".addr = load64(addr) << 16, .longest = nic->mtu ? nic->mtu - ETH_HLEN : UINT32_MAX, .any = mf->any || mf->promisc, }",
        ),
    ),
    "no frame has one byte": (
        ("send.c", "schedule_next", "return bounded(s, due, len > 0);", "return bounded(s, due, len > 1);"),
    ),
    "a flow's key has no traffic class": (
        (
            "udp_err.c",
            "udp_err",
            "ip[IPH_VERSION_IHL] = (u8)((v6 ? 0x60 : 0x40) | (ip[IPH_VERSION_IHL] & 15));",
            "ip[IPH_VERSION_IHL] = (u8)((v6 ? 0x61 : 0x40) | (ip[IPH_VERSION_IHL] & 15));",
        ),
    ),
    "the address is written over it": (
        ("receive_burst.c", "usual_begin", "0 }", "1 }"),
        ("driver_burst.c", "usual_begin", "0 }", "1 }"),
    ),
    "when the table of flows grows: speed": (
        (
            "event_taps.c",
            "flow_number",
            "if (f->used + 1 >= (f->mask + 1) / 2) {",
            "if (f->used + 1 >= (f->mask - 1) / 2) {",
        ),
    ),
    "a frame's bytes are all sent, so no call returns 0": (
        ("send.c", "put_dev", "while (rc < 0 && errno == EINTR);", "while (rc < 1 && errno == EINTR);"),
    ),
    "no room for LLC: the next check says so": (
        (
            "linktype.c",
            "wifi",
            "if (len < header || (at[0] & 0x0f) != 0x08) return;",
            "if (len <= header || (at[0] & 0x0f) != 0x08) return;",
        ),
    ),
    "both ways lead to bucket 64": (
        ("lat.c", "bucket_of", "if (v < 64) return (u32)v;", "if (v < 65) return (u32)v;"),
    ),
    "there is room for the dots": (
        (
            "pcapng.c",
            "put_frames",
            'return n + (u32)snprintf(to + n, room - n, " ...");',
            'return n + (u32)snprintf(to + n, room + n, " ...");',
        ),
    ),
    "more memory than is needed": (
        ("host.c", "answers_init", "h->cpu[i]->scratch = malloc(1 << 16);", "h->cpu[i]->scratch = malloc(1 << 17);"),
    ),
    "packets go up alone: speed": (
        (
            "ip_list.c",
            "ip_list_rcv",
            "skb && n < BURST && (total = usual_len(sd->host, skb, &last));",
            "skb && n >= BURST && (total = usual_len(sd->host, skb, &last));",
        ),
    ),
    "where a bisection begins: speed": (
        (
            "trace_source.c",
            "trace_row",
            "u64 mid = s->rows[high - 1].id == frame ? high - 1 : (low + high) / 2;",
            "u64 mid = s->rows[high - 1].id != frame ? high - 1 : (low + high) / 2;",
        ),
    ),
    "the table has room for twice as many": (("event_select.c", "joined_new", "for (u64 i = 0;", "for (u64 i = 1;"),),
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
            "ip_route_output.c",
            "same_net",
            "u64 hi = bits >= 64 ? ~0ull : bits ? ~0ull << (64 - bits) : 0;",
            "u64 hi = bits > 64 ? ~0ull : bits ? ~0ull << (64 - bits) : 0;",
        ),
        (
            "ip_route_output.c",
            "same_net",
            "u64 lo = bits >= 128 ? ~0ull : bits > 64 ? ~0ull << (128 - bits) : 0;",
            "u64 lo = bits > 128 ? ~0ull : bits > 64 ? ~0ull << (128 - bits) : 0;",
        ),
    ),
    "a TAP takes a frame whole or not at all: its write() never returns 0": (
        ("tap.c", "tap_write", "while (n < 0 && errno == EINTR);", "while (n < 1 && errno == EINTR);"),
        ("tap.c", "tap_write", "if (n >= 0) return 0;", "if (n > 0) return 0;"),
        ("send.c", "put_tap", "if (rc < 0) return i ? (int)i : -errno;", "if (rc < 1) return i ? (int)i : -errno;"),
    ),
    "only the lowest 32 bits are used": (
        (
            "rss.c",
            "reverse_bits",
            "const __m128i bytes = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);",
            "const __m128i bytes = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 11, 9, 8, 15, 14, 13, 12);",
        ),
    ),
    "what is asked for once more behind it: a payload behind the header": (
        (
            "tap_vnet.c",
            "tap_vnet_begin",
            (
                "if (!ip || l4 < ip + (ip_version(frame + ip) == 6 ? IPV6_HLEN : IP_HLEN) || "
                "l4 + (tcp ? TCP_HLEN : UDP_HLEN) > len) return -EINVAL;"
            ),
            (
                "if (!ip || l4 < ip + (ip_version(frame + ip) == 6 ? IPV6_HLEN : IP_HLEN) || "
                "l4 + (tcp ? TCP_HLEN : UDP_HLEN) >= len) return -EINVAL;"
            ),
        ),
    ),
    "the kernel maps whole pages, and all of the ring is shorter than one": (
        (
            "tap_uring.c",
            "map",
            (
                "u64 sq = p->sq_off.array + (u64)p->sq_entries * sizeof(u32), cq = p->cq_off.cqes + "
                "(u64)p->cq_entries * sizeof(struct io_uring_cqe);"
            ),
            (
                "u64 sq = p->sq_off.array - (u64)p->sq_entries * sizeof(u32), cq = p->cq_off.cqes + "
                "(u64)p->cq_entries * sizeof(struct io_uring_cqe);"
            ),
        ),
    ),
    "a single buffer is filled by dma_frame() as well: speed": (
        ("dma_burst.c", "burst", "if (unlikely(avail <= 0)) return 0;", "if (unlikely(avail <= 1)) return 0;"),
    ),
    "the kernel takes as many entries as it is told to if the tail is anywhere ahead, and soon the tail is put right": (
        (
            "tap_uring.c",
            "tap_uring_read",
            "__atomic_store_n(u->sq_tail, tail + n, __ATOMIC_RELEASE);",
            "__atomic_store_n(u->sq_tail, tail - n, __ATOMIC_RELEASE);",
        ),
    ),
    "a head that ends with the TCP header has no payload, and gso_fits() asks for one": (
        (
            "pcap_gso.c",
            "find_tcp",
            "if (!off || next != IPPROTO_TCP || next_off > left || (said && said != g->len - g->ip)) return false;",
            "if (!off || next != IPPROTO_TCP || next_off >= left || (said && said != g->len - g->ip)) return false;",
        ),
    ),
    "the check behind it refuses the same, of bytes that the buffer has": (
        (
            "gro_tcp.c",
            "tcp_gro_receive",
            (
                "if ((!skb->gro_flush && gro_csum_bad(n, skb, off, IPPROTO_TCP)) || !gro_has(skb, off + "
                "TCP_HLEN) || (thlen = tcp_hdrlen(th)) < TCP_HLEN || !gro_has(skb, off + thlen)) return "
                "gro_refuse(skb);"
            ),
            (
                "if ((!skb->gro_flush && gro_csum_bad(n, skb, off, IPPROTO_TCP)) || !gro_has(skb, off - "
                "TCP_HLEN) || (thlen = tcp_hdrlen(th)) < TCP_HLEN || !gro_has(skb, off + thlen)) return "
                "gro_refuse(skb);"
            ),
        ),
        (
            "gro_inet.c",
            "ipv6_gro_receive",
            "if (!gro_has(skb, off + len + EXTH_UNIT)) return gro_refuse(skb);",
            "if (!gro_has(skb, off + len + EXTH_UNIT)) ;",
        ),
    ),
    "a ring that is full can have no more in it": (
        (
            "nic_tx.c",
            "nic_tx_purge",
            "for (n = virtqueue_avail(&tx->vq, tx->vq.size + 1);",
            "for (n = virtqueue_avail(&tx->vq, tx->vq.size + 0);",
        ),
    ),
    "how many turns it is given before it is given up": (
        ("driver_ethtool.c", "ring_settle", "for (u32 turns = 0;", "for (u32 turns = 1;"),
    ),
    "no descriptor is below 0: the kernel refuses it, and nobody looks": (
        ("call_fd.c", "call_signal", "if (copy < 0) return;", "if (copy < 0) ;"),
    ),
    "write() of 8 bytes to an eventfd never returns 0": (
        (
            "own_files.c",
            "event_signal",
            (
                "if (unlikely(own && fd == STDERR_FILENO) || "
                "unlikely(write(fd, &one, sizeof(one)) < 0 && errno == EBADF && own)) signal_elsewhere(fd);"
            ),
            (
                "if (unlikely(own && fd == STDERR_FILENO) || "
                "unlikely(write(fd, &one, sizeof(one)) <= 0 && errno == EBADF && own)) signal_elsewhere(fd);"
            ),
        ),
    ),
    "a doorbell that is not taken makes the card look again at once, for 0.1 s at most: speed": (
        ("nic_thread.c", "nic_run_out", "i < 2;", "i >= 2;"),
    ),
    "the arena grows a frame earlier than it must": (
        (
            "wire.c",
            "mem_wire_feed",
            "if (w->arena_size - w->arena_used < len && grow(w, 2 * w->arena_size + len) < 0) return -ENOMEM;",
            "if (w->arena_size - w->arena_used <= len && grow(w, 2 * w->arena_size + len) < 0) return -ENOMEM;",
        ),
    ),
    "one entry more of a table is seen: it is NULL behind the last open queue, and there is nothing to do for it": (
        ("ledger.c", "host_laws", "i < h->nic.nqueues_open;", "i <= h->nic.nqueues_open;"),
    ),
    "another hash of the same bits, with a key that the seed makes too": (
        ("flow_dissector.c", "dissect_ipv6", "return 0;", "return 1;"),
        (
            "flow_table.c",
            "flow_hash",
            "u64 ports = (u64)type << 32 | (u32)lport << 16 | rport;",
            "u64 ports = (u64)type << 32 | (u32)lport << 17 | rport;",
        ),
        (
            "inet_fragment.c",
            "bucket",
            "return &f->hash[siphash(key, sizeof(*key), h->hash_key[0], h->hash_key[1]) & f->mask];",
            "return &f->hash[siphash(key, sizeof(*key), h->hash_key[1], h->hash_key[1]) & f->mask];",
        ),
        (
            "ip_fragment.c",
            "peer_bucket",
            "return &f->peers_hash[siphash(&addr, sizeof(addr), h->hash_key[0], h->hash_key[1]) & f->mask];",
            "return &f->peers_hash[siphash(&addr, sizeof(addr), h->hash_key[1], h->hash_key[1]) & f->mask];",
        ),
    ),
    "the copy has a higher number than what it is a copy of": (
        ("own_files.c", "run_with_own_files", "if (copy >= 0) {", "if (copy > 0) {"),
        ("own_files.c", "run_with_own_files", "if (copy >= 0) {", "if (copy >= 1) {"),
    ),
    "which of two equal numbers is in front": (
        ("own_files.c", "file_set_add", "i && s->fd[i - 1] > fd;", "i && s->fd[i - 1] >= fd;"),
    ),
    "the doorbell is asked for before the first look too: it rings as often": (
        ("nic_tx.c", "next_chain", "int avail = virtqueue_avail(vq, 1);", "int avail = virtqueue_avail(vq, 0);"),
    ),
    "a hash is cut to other bits of the same, large enough table: its chains are longer, what they hold is compared": (
        (
            "inet_fragment.c",
            "inet_frags_init",
            "f->mask = round_up_pow2(f->size) - 1;",
            "f->mask = round_up_pow2(f->size) + 1;",
        ),
    ),
    "how a CPU waits for one that gives the card up by itself: speed": (
        ("nic_lend.c", "nic_take_back", "if (tries < 1000) cpu_relax();", "if (tries >= 1000) cpu_relax();"),
        ("nic_lend.c", "nic_take_back", "if (tries < 1000) cpu_relax();", "if (!(tries < 1000)) cpu_relax();"),
    ),
    "the quick way of what the slow one does as well: speed": (
        (
            "gro_tcp.c",
            "options_differ",
            ("if (likely(len == TIMESTAMPS_LEN)) return (load64(a) ^ load64(b)) | (load32(a + 8) ^ load32(b + 8));"),
            "if (likely(len == TIMESTAMPS_LEN)) ;",
        ),
        (
            "flow_table.c",
            "sock_lookup_flow",
            "if (likely(!sock_table_live(t))) return flow_find(t, type, l, lport, r, rport);",
            "if (likely(!sock_table_live(t))) ;",
        ),
        ("capture.c", "capture_new", "c->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);", ";"),
    ),
    "odd is odd: only how long packet_tap_del() waits may differ": (
        (
            "packet_taps.c",
            "walk",
            "smp_store_release(walking, *walking + 1);",
            "smp_store_release(walking, *walking - 1);",
        ),
    ),
    "a timer is set to what it is set to": (
        (
            "neigh.c",
            "neigh_timer",
            "if (next < sd->timer_ns[TIMER_NEIGH]) mod_timer(sd, TIMER_NEIGH, next);",
            "if (next <= sd->timer_ns[TIMER_NEIGH]) mod_timer(sd, TIMER_NEIGH, next);",
        ),
    ),
    "a slack of 0 is a real-time thread's, which prctl() leaves as it is": (
        (
            "send.c",
            "send_run",
            "if (slack > 0) prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0);",
            "if (slack >= 0) prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0);",
        ),
    ),
    "no TAP has a frame without an Ethernet header": (
        (
            "tap.c",
            "read_slots",
            (
                "while (n < want && (len = read_once(t, lane, tap_nth_slot(t, 0), t->slot_size)) > 0) "
                "tap_fill_next(t, &f[n++], count_over(t, (u32)len));"
            ),
            (
                "while (n < want && (len = read_once(t, lane, tap_nth_slot(t, 0), t->slot_size)) > 1) "
                "tap_fill_next(t, &f[n++], count_over(t, (u32)len));"
            ),
        ),
    ),
    "two equal addresses change places": (
        (
            "flow_dissector.c",
            "store_addresses",
            "bool swap = memcmp(src, src + len, len) > 0;",
            "bool swap = memcmp(src, src + len, len) >= 0;",
        ),
    ),
    "a wake-up too many, after which the CPU finds nothing and sleeps again: speed": (
        (
            "threads.c",
            "cpu_sleep",
            "__atomic_store_n(&sd->sleeping, 0, __ATOMIC_SEQ_CST);",
            "__atomic_store_n(&sd->sleeping, 1, __ATOMIC_SEQ_CST);",
        ),
    ),
    "a wire that has nothing says -EAGAIN, never 0 frames": (
        (
            "nic_thread.c",
            "nic_turn",
            "return n < 0 && n != -EAGAIN ? EV_DONE : -1;",
            "return n <= 0 && n != -EAGAIN ? EV_DONE : -1;",
        ),
    ),
    "poll() without a limit of time never returns 0": (
        (
            "nic_thread.c",
            "nic_sleep",
            "if (ready <= 0) return;",
            "if (ready < 0) return;",
        ),
    ),
    "a lane that is dry: both ways give 0": (
        (
            "tap.c",
            "lane_burst",
            "*rc = got > 0 && got < (int)want && !t->bigs ? 0 : got;",
            "*rc = got >= 0 && got < (int)want && !t->bigs ? 0 : got;",
        ),
    ),
    "behind the last is reader_ns, which the line before set to the same": (
        (
            "threads.c",
            "live_stop",
            "irq < IRQS_MAX;",
            "irq <= IRQS_MAX;",
        ),
    ),
    "both ways give 64": (("lat.c", "bucket_top", "if (b < 64) return b;", "if (b <= 64) return b;"),),
    "there are tables for 36 bytes only": (
        (
            "rss.c",
            "hash6",
            "return rss_toeplitz(r, input, f->hash_report == HASH_IPV6 ? 32 : 36);",
            "return rss_toeplitz(r, input, f->hash_report == HASH_IPV6 ? 32 : 37);",
        ),
    ),
    "who sends has checked it before: udp_sendmsg(), and an echo is as long as what it answers": (
        (
            "ip_output.c",
            "ip_output_locked",
            "if (total + ip_len > (v4 ? IP_LEN_MAX : IP_LEN_MAX + IPV6_HLEN)) return -EMSGSIZE;",
            "if (total + ip_len > (v4 ? IP_LEN_MAX : IP_LEN_MAX + IPV6_HLEN)) ;",
        ),
    ),
    "Python has taken its eventfd back before (_free)": (
        (
            "sock_table.c",
            "sock_close",
            "if (!sk->sink) sk->wake_fd = sk->accepted == SOCK_ACCEPTED ? sk->wake_fd : -1;",
            "if (!sk->sink) ;",
        ),
    ),
    "of a program with too many instructions or none, none is named": (("bpf.c", "bpf_check", "*at = 0;", "*at = 1;"),),
    "the card is taken back before each burst, so that lending it is in vain: speed": (
        (
            "nic_lend.c",
            "nic_lend_room",
            "if (nic->lend.head - smp_load_acquire(&nic->lend.tail) == WIRE_AHEAD) nic_take_back(nic);",
            "if (nic->lend.head - smp_load_acquire(&nic->lend.tail) != WIRE_AHEAD) nic_take_back(nic);",
        ),
    ),
    "set to what it is": (
        (
            "inet_fragment.c",
            "length_good",
            "if (frag->end > q->len) q->len = frag->end;",
            "if (frag->end >= q->len) q->len = frag->end;",
        ),
    ),
    "the last nanosecond of a wait is spent looking at the clock: speed": (
        (
            "send.c",
            "run",
            "if (!wait_until(now, min_u64(now + FULL_WAIT_NS, until_ns), 0)) return 1;",
            "if (!wait_until(now, min_u64(now + FULL_WAIT_NS, until_ns), 1)) return 1;",
        ),
    ),
    "live, 1 ns after the clock began is as long ago as 0": (
        (
            "nic_up.c",
            "nic_doorbell",
            "nic_again(nic, nic->live ? 0 : nic->now);",
            "nic_again(nic, nic->live ? 1 : nic->now);",
        ),
    ),
    "a packet as late as the batch's last is behind it in the file, whichever write it goes with": (
        (
            "capture.c",
            "write_batches",
            "while (old->next < old->nslots || (new->next < new->nslots && new->slot[new->next].t <= until)) {",
            "while (old->next < old->nslots || (new->next < new->nslots && new->slot[new->next].t < until)) {",
        ),
    ),
    "a ring is as good the other way round: the oldest entry still is the next": (
        (
            "flow_limit.c",
            "skb_flow_limit",
            "fl->history_head = (fl->history_head + 1) & (FLOW_LIMIT_HISTORY - 1);",
            "fl->history_head = (fl->history_head - 1) & (FLOW_LIMIT_HISTORY - 1);",
        ),
    ),
    "no row of the table of policies has 64 bits, or 65": (
        (
            "addrconf.c",
            "label_of",
            "if (bits <= 64 ? !((table[i].hi ^ a->hi) >> (64 - bits)) : table[i].hi == a->hi && !((table[i].lo ^ a->lo) >> (128 - bits))) return table[i].label;",
            "if (bits <= 65 ? !((table[i].hi ^ a->hi) >> (64 - bits)) : table[i].hi == a->hi && !((table[i].lo ^ a->lo) >> (128 - bits))) return table[i].label;",
        ),
        (
            "addrconf.c",
            "label_of",
            "if (bits <= 64 ? !((table[i].hi ^ a->hi) >> (64 - bits)) : table[i].hi == a->hi && !((table[i].lo ^ a->lo) >> (128 - bits))) return table[i].label;",
            "if (bits < 64 ? !((table[i].hi ^ a->hi) >> (64 - bits)) : table[i].hi == a->hi && !((table[i].lo ^ a->lo) >> (128 - bits))) return table[i].label;",
        ),
    ),
    "no name of a task has 16 letters": (
        (
            "ftrace_lines.c",
            "task_comm",
            'if (task == TASK_NONE) snprintf(name, 16, "swapper/%u", cpu);',
            'if (task == TASK_NONE) snprintf(name, 17, "swapper/%u", cpu);',
        ),
    ),
    "one number at random is as good as another": (
        (
            "mc_report.c",
            "mc_draw",
            "return (u32)(siphash(&n, sizeof(n), h->hash_key[0], h->hash_key[1]) % max_u32(below, 1));",
            "return (u32)(siphash(&n, sizeof(n), h->hash_key[0], h->hash_key[0]) % max_u32(below, 1));",
        ),
    ),
    "the card looks at the rings once more, or once less, before it asks for doorbells: speed": (
        (
            "nic_thread.c",
            "spin_on",
            "if (nic->now - nic->quiet_ns < nic->spin_ns) cpu_relax();",
            "if (nic->now - nic->quiet_ns <= nic->spin_ns) cpu_relax();",
        ),
    ),
    "event_signal() fetches the eventfd that the card's thread has not kept: speed": (
        ("nic_thread.c", "turns_with_own_files", "i < nic->nqueues;", "i >= nic->nqueues;"),
    ),
    "of a frame in one buffer there are no more pieces: take_pieces() does nothing": (
        (
            "vhost_port.c",
            "port_read",
            "if (unlikely(h->num_buffers > 1)) take_pieces(p, lane, min_u32(h->num_buffers, PORT_RING), buf, &at, len);",
            "if (unlikely(h->num_buffers > 0)) take_pieces(p, lane, min_u32(h->num_buffers, PORT_RING), buf, &at, len);",
        ),
    ),
    "both ways give 0": (
        ("calibrate.c", "time_rung", "return ns < 0 ? (int)ns : 0;", "return ns <= 0 ? (int)ns : 0;"),
    ),
    "no ring starts without memory, and the next table of memory sets it to 0": (
        ("vhost_memory.c", "vhost_unmap", "v->cut = 0;", ";"),
    ),
    "a record is as late as itself": (("cpu_times.c", "cpu_times", "for (end = i + 1;", "for (end = i + 0;"),),
    "a byte of the header that is always 0 stands where UDP would: no frame is usual, the slow way takes all: speed": (
        (
            "driver_burst.c",
            "is_usual",
            "const u8 *frame = (const u8 *)hdr + HDR_LEN;",
            "const u8 *frame = (const u8 *)hdr - HDR_LEN;",
        ),
    ),
    "only AddressSanitizer is told where a stack begins": (
        (
            "fiber.c",
            "stack_init",
            "f->low = f->stack + guard_bytes();",
            "f->low = f->stack - guard_bytes();",
        ),
    ),
    "a mark: any number but NO_ROW, and the rows are numbered after it": (
        (
            "frame_table.c",
            "lay_out_dense",
            "i++) if (e[i].kind == EVENT_WIRE) t->row_of[e[i].frame - t->first] = 0;",
            "i++) if (e[i].kind == EVENT_WIRE) t->row_of[e[i].frame - t->first] = 1;",
        ),
    ),
    "its one caller is told by -EIO, and the queue gets a new ring before it is used again": (
        ("dma_chains.c", "dma_chains", "vq->broken = 1;", ";"),
    ),
    "set to 0 both before and after a frame, and between two frames nobody looks": (
        ("fault.c", "dma_faulty", "faults->on_frame = 0;", ";"),
    ),
    "room for a pointer to a child; the array says that it has none": (
        ("arrow.c", "array_of_column", "int rc = array_fill(a, n, 2, 0);", "int rc = array_fill(a, n, 2, 1);"),
    ),
    "who calls it asks only whether it is below 0": (
        (
            "call_fd.c",
            "call_init",
            "return !nic->call_ctx && syscall(SYS_io_setup, EVENTS, &nic->call_ctx) < 0 ? -errno : 0;",
            "return !nic->call_ctx && syscall(SYS_io_setup, EVENTS, &nic->call_ctx) < 0 ? -errno : 1;",
        ),
    ),
    "two bytes are no packet, whichever header they are part of": (
        (
            "linktype.c",
            "ppp",
            "if (len >= 2 && (at[0] == CHDLC_UNICAST || at[0] == CHDLC_BROADCAST) && at[1] == 0) {",
            "if (len >= 3 && (at[0] == CHDLC_UNICAST || at[0] == CHDLC_BROADCAST) && at[1] == 0) {",
        ),
    ),
    "who closes a socket empties its queues, and the reader of a closed sink has read what was left": (
        (
            "sock_table.c",
            "sock_sweep",
            "sock_drop_queues(h, h->cpu[0], sk);",
            ";",
        ),
    ),
    "a hash modulo one lane is 0": (
        (
            "tap.c",
            "lane_of",
            "return t->nlanes > 1 ? hash_32(flow, 16) % t->nlanes : 0;",
            "return t->nlanes > 0 ? hash_32(flow, 16) % t->nlanes : 0;",
        ),
    ),
    "GRO looks at datagrams that nobody wants merged, and refuses each: speed": (
        (
            "gro.c",
            "gro_poll_begin",
            "n->udp_passes = !READ_ONCE(h->udp_gro_socks) && !h->gro_udp_fwd && !h->gro_list;",
            ";",
        ),
    ),
    "IP options are padded to a multiple of 4 bytes": (
        (
            "icmp.c",
            "error_options",
            "if (len <= 0 || addr_equal(&o->dst, &sender) || inet_addr_type(sd->host, be32(ip + IPH_DADDR)) == RTN_LOCAL) return len;",
            "if (len <= 1 || addr_equal(&o->dst, &sender) || inet_addr_type(sd->host, be32(ip + IPH_DADDR)) == RTN_LOCAL) return len;",
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
