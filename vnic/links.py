"""The names of links that are not Ethernet (www.tcpdump.org/linktypes.html)."""

LINKS = {
    0: "BSD loopback",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP",
    51: "PPP over Ethernet",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "802.11",
    108: "OpenBSD loopback",
    113: "Linux cooked",
    127: "802.11 with radiotap",
    228: "raw IPv4",
    229: "raw IPv6",
    276: "Linux cooked v2",
}
"""Link type of a capture -> its name: those whose packets get an Ethernet header (csrc/wire/linktype.c)."""
