"""Names of ICMP's types and codes, as scripts write them: RFC 792."""

UNREACHABLE, TIME_EXCEEDED = "unreachable", "time_exceeded"
CODES: dict[str, dict[str, int]] = {
    UNREACHABLE: {
        "net_unreachable": 0,
        "host_unreachable": 1,
        "protocol_unreachable": 2,
        "port_unreachable": 3,
        "frag_needed": 4,
        "source_route_failed": 5,
        "net_unknown": 6,
        "host_unknown": 7,
        "source_host_isolated": 8,
        "net_prohibited": 9,
        "host_prohibited": 10,
        "net_unreachable_for_tos": 11,
        "host_unreachable_for_tos": 12,
        "packet_filtered": 13,
        "precedence_violation": 14,
        "precedence_cutoff": 15,
    },
    TIME_EXCEEDED: {"ttl_exceeded": 0, "frag_reassembly_time_exceeded": 1},
}
"""Type -> code -> its number."""
TYPES = {UNREACHABLE: 3, TIME_EXCEEDED: 11}
