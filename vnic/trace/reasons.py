"""Fates as Linux's drop reasons (include/net/dropreason-core.h), and the function of Linux that frees such a packet."""

from __future__ import annotations

from vnic.counters.snapshots import FATES

OURS = frozenset(
    {
        *("PYTHON_DROP", "PYTHON_QUEUE_FULL", "IP_NOT_JOINED", "IP_SOURCE_ROUTE", "GROUPS_IGNORED"),
        *("FRAG_OVERLAP", "FRAG_LENGTH", "FRAG_ECN", "FRAG_HIGH_THRESH", "ARP_TARGET", "NDISC_NO_NEWS"),
        "SOCKET_TABLE_FULL",
        "TCP_REQQFULLDROP",
    }
)
"""Losses of the host for which Linux has no reason of its own: kfree_skb() says NOT_SPECIFIED."""
CARD = FATES[FATES.index("DEV_READY") : FATES.index("CPU_BACKLOG")]
"""Losses before there is an sk_buff: Linux's tracepoints never see them."""

_FUNCTIONS = {
    "consume_skb": ("DELIVERED_PYTHON", "DELIVERED_DRIVER"),
    "icmp_rcv": ("DELIVERED_ICMP", "ICMP_CSUM"),
    "icmpv6_rcv": ("DELIVERED_ICMPV6",),
    "igmp_rcv": ("DELIVERED_IGMP",),
    "arp_process": ("DELIVERED_ARP", "ARP_TARGET"),
    "enqueue_to_backlog": ("CPU_BACKLOG",),
    "__netif_receive_skb_core": ("UNHANDLED_PROTO",),
    "ip_rcv_core": ("OTHERHOST", "PKT_TOO_SMALL", "IP_INHDR", "IP_CSUM"),
    "ip_route_input_slow": ("IP_LOCAL_SOURCE", "IP_LOCALNET", "IP_INVALID_SOURCE", "IP_INVALID_DEST"),
    "ip_error": ("IP_INADDRERRORS", "IP_INNOROUTES", "IP_OUTNOROUTES"),
    "ip_protocol_deliver_rcu": ("IP_NOPROTO",),
    "ip_frag_queue": ("DUP_FRAG", "FRAG_TOO_FAR", "PKT_TOO_BIG", "FRAG_OVERLAP", "FRAG_LENGTH", "FRAG_ECN"),
    "inet_frag_destroy": ("FRAG_REASM_TIMEOUT", "FRAG_HIGH_THRESH"),
    "ndisc_rcv": tuple(name for name in FATES if "NDISC" in name),
    "__udp4_lib_rcv": ("UDP_CSUM", "NO_SOCKET"),
    "udp_queue_rcv_one_skb": ("SOCKET_RCVBUFF", "PROTO_MEM"),
    "tcp_v4_rcv": ("TCP_CSUM", "TCP_FLAGS", "TCP_RESET", "TCP_CLOSE", "TCP_OLD_DATA", "TCP_OVERWINDOW"),
    "tcp_data_queue": ("TCP_OFOMERGE", "TCP_OFO_DROP", "TCP_ZEROWINDOW"),
    "tcp_prune_ofo_queue": ("TCP_OFO_QUEUE_PRUNE",),
    "tcp_validate_incoming": (
        "TCP_RFC7323_PAWS",
        "TCP_OLD_SEQUENCE",
        "TCP_INVALID_SEQUENCE",
        "TCP_INVALID_END_SEQUENCE",
        "TCP_INVALID_SYN",
    ),
    "tcp_rcv_state_process": (
        "TCP_INVALID_ACK_SEQUENCE",
        "TCP_TOO_OLD_ACK",
        "TCP_ACK_UNSENT_DATA",
        "TCP_ABORT_ON_DATA",
    ),
    "tcp_check_req": ("TCP_RFC7323_TSECR", "TCP_LISTEN_OVERFLOW"),
    "tcp_conn_request": ("TCP_REQQFULLDROP",),
}
_FUNCTION = {fate: function for function, fates in _FUNCTIONS.items() for fate in fates}


def reason(fate: str) -> str:
    """Return the reason that Linux's kfree_skb event prints for a loss of the host."""
    return "NOT_SPECIFIED" if fate in OURS else fate


def location(fate: str) -> str:
    """Return the place that Linux's events print, without an offset: ``%pS`` of a function of the IPv4 path."""
    return f"{_FUNCTION.get(fate, 'ip_rcv')}+0x0/0x0"
