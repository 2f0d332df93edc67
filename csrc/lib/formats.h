/* formats.h - offsets of header fields and the values they hold, in Linux's words
 *
 * EtherTypes (ETH_P_IP) and protocol numbers (IPPROTO_UDP) come from the system's headers. An offset is that of the field's
 * first byte; its name is the header's and the member's: ip + IPH_SADDR is struct iphdr's saddr. Packets are not aligned, so
 * load16(), be16() and their like read them, never a struct. Values are in host byte order: htons(ETH_P_IP).
 */
#ifndef VNIC_LIB_FORMATS_H
#define VNIC_LIB_FORMATS_H

#include <linux/if_ether.h>
#include <netinet/in.h>

/* IEEE 802.3, 802.1Q */
enum { ETHH_DEST = 0, ETHH_SOURCE = 6, ETHH_PROTO = 12 };
#define VLAN_HLEN 4u /* after the addresses: TPID, TCI */
#define VLAN_VID_MASK 0x0fffu

/* RFC 826, over Ethernet and IPv4 */
enum {
	ARPH_HRD = 0,
	ARPH_PRO = 2,
	ARPH_HLN = 4,
	ARPH_PLN = 5,
	ARPH_OP = 6,
	ARPH_SHA = 8,
	ARPH_SIP = 14,
	ARPH_THA = 18,
	ARPH_TIP = 24
};
#define ARP_HLEN 28u
enum { ARPHRD_ETHER = 1, ARPHRD_IEEE802 = 6, ARPOP_REQUEST = 1, ARPOP_REPLY = 2 };

/* RFC 791 */
enum {
	IPH_VERSION_IHL = 0,
	IPH_TOS = 1,
	IPH_TOT_LEN = 2,
	IPH_ID = 4,
	IPH_FRAG_OFF = 6,
	IPH_TTL = 8,
	IPH_PROTOCOL = 9,
	IPH_CHECK = 10,
	IPH_SADDR = 12,
	IPH_DADDR = 16
};
#define IP_HLEN 20u /* without options */
#define IP_VERSION_IHL 0x45u /* version 4, no options */
#define IP_LEN_MAX 65535u
#define IPDEFTTL 64
#define IPTOS_TOS_MASK 0x1eu
#define IPTOS_PREC_INTERNETCONTROL 0xc0u
#define IP_CE 0x8000u
#define IP_DF 0x4000u
#define IP_MF 0x2000u
#define IP_OFFSET 0x1fffu
enum { INET_ECN_NOT_ECT = 0, INET_ECN_ECT_1 = 1, INET_ECN_ECT_0 = 2, INET_ECN_CE = 3, INET_ECN_MASK = 3 };
#define MAX_IPOPTLEN 40u
enum { IPOPT_OPTVAL = 0, IPOPT_OLEN = 1, IPOPT_OFFSET = 2, IPOPT_FLAGS = 3 };
enum {
	IPOPT_END = 0,
	IPOPT_NOOP = 1,
	IPOPT_RR = 7,
	IPOPT_TIMESTAMP = 68,
	IPOPT_LSRR = 131,
	IPOPT_CIPSO = 134,
	IPOPT_SSRR = 137,
	IPOPT_RA = 148
};
#define IPOPT_COPY 0x80u /* of an option's type: each fragment has it */
#define IPOPT_MINOFF 4u /* least pointer of a route: the byte behind the pointer, counted from 1 */
/* RFC 791 page 22: upper 4 bits count the hosts that found no room, lower 4 bits say what a stamp is */
enum { IPOPT_TS_TSONLY = 0, IPOPT_TS_TSANDADDR = 1, IPOPT_TS_PRESPEC = 3 };
#define IPOPT_TS_MINOFF 5u
#define CIPSO_HLEN 8u /* with the first tag's header; draft-ietf-cipso-ipsecurity-01 */

/* Where an error is from, include/uapi/linux/errqueue.h */
enum { SO_EE_ORIGIN_LOCAL = 1, SO_EE_ORIGIN_ICMP = 2, SO_EE_ORIGIN_ICMP6 = 3 };

/* RFC 8200 */
enum {
	IPV6H_VERSION = 0,
	IPV6H_TCLASS_LOW = 1, /* upper 4 bits */
	IPV6H_PAYLOAD_LEN = 4,
	IPV6H_NEXTHDR = 6,
	IPV6H_HOP_LIMIT = 7,
	IPV6H_SADDR = 8,
	IPV6H_DADDR = 24
};
#define IPV6_HLEN 40u
#define IPV6_MIN_MTU 1280u
enum { EXTH_NEXTHDR = 0, EXTH_LEN = 1, RTH_TYPE = 2, RTH_SEGMENTS_LEFT = 3 };
enum { IPV6_SRCRT_TYPE_3 = 3, IPV6_SRCRT_TYPE_4 = 4 }; /* RFC 6554, RFC 8754 */
enum { SRH_LAST_ENTRY = 4, SRH_SEGMENTS = 8 };
#define SRH_SEGMENT_LEN 16u
enum { FRAGH_NEXTHDR = 0, FRAGH_RESERVED = 1, FRAGH_FRAG_OFF = 2, FRAGH_ID = 4 };
#define FRAG_HLEN 8u
#define IP6_MF 0x0001u
#define IP6_OFFSET 0xfff8u
enum { TLVH_TYPE = 0, TLVH_LEN = 1, TLV_HLEN = 2 };
enum {
	IPV6_TLV_PAD1 = 0,
	IPV6_TLV_PADN = 1,
	IPV6_TLV_ROUTERALERT = 5,
	IPV6_TLV_CALIPSO = 7,
	IPV6_TLV_IOAM = 49,
	IPV6_TLV_JUMBO = 194
};
enum { IPV6_TLV_SKIP = 0, IPV6_TLV_DISCARD = 1, IPV6_TLV_TELL = 2, IPV6_TLV_TELL_UNICAST = 3 }; /* type >> 6 */

/* RFC 768 */
enum { UDPH_SOURCE = 0, UDPH_DEST = 2, UDPH_LEN = 4, UDPH_CHECK = 6 };
#define UDP_HLEN 8u

/* RFC 9293, RFC 7323 */
enum {
	TCPH_SOURCE = 0,
	TCPH_DEST = 2,
	TCPH_SEQ = 4,
	TCPH_ACK_SEQ = 8,
	TCPH_DOFF = 12,
	TCPH_FLAGS = 13,
	TCPH_WINDOW = 14,
	TCPH_CHECK = 16,
	TCPH_URG_PTR = 18
};
#define TCP_HLEN 20u /* without options */
#define TCPHDR_FIN 0x01u
#define TCPHDR_SYN 0x02u
#define TCPHDR_RST 0x04u
#define TCPHDR_PSH 0x08u
#define TCPHDR_ACK 0x10u
#define TCPHDR_URG 0x20u
#define TCPHDR_ECE 0x40u
#define TCPHDR_CWR 0x80u

/* RFC 792 */
enum { ICMPH_TYPE = 0, ICMPH_CODE = 1, ICMPH_CHECKSUM = 2, ICMPH_REST = 4 };
#define ICMP_HLEN 8u
enum {
	ICMP_ECHOREPLY = 0,
	ICMP_DEST_UNREACH = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETERPROB = 12,
	ICMP_TIMESTAMP = 13,
	ICMP_TIMESTAMPREPLY = 14,
	ICMP_INFO_REQUEST = 15,
	ICMP_INFO_REPLY = 16,
	ICMP_ADDRESS = 17,
	ICMP_ADDRESSREPLY = 18,
	NR_ICMP_TYPES = 18, /* the highest that is known */
	ICMP_EXT_ECHO = 42, /* RFC 8335 */
	ICMP_EXT_ECHOREPLY = 43
};
enum { ICMPH_MTU = 6, ICMPH_TIMES = 8 };
#define ICMP_TIMESTAMP_HLEN 20u
enum {
	ICMP_NET_UNREACH = 0,
	ICMP_HOST_UNREACH = 1,
	ICMP_PROT_UNREACH = 2,
	ICMP_PORT_UNREACH = 3,
	ICMP_FRAG_NEEDED = 4,
	NR_ICMP_UNREACH = 15 /* the highest code that is known */
};
enum { ICMP_REDIR_HOSTTOS = 3 }; /* the same of redirects */
enum { ICMP_EXC_TTL = 0, ICMP_EXC_FRAGTIME = 1 };

/* RFC 3376; IGMPH_QRV and what follows: of a query of version 3 */
#define IGMP_HLEN 8u
enum {
	IGMPH_TYPE = 0,
	IGMPH_CODE = 1,
	IGMPH_CSUM = 2,
	IGMPH_GROUP = 4,
	IGMPH_QRV = 8,
	IGMPH_QQIC = 9,
	IGMPH_NSRCS = 10
};
enum {
	IGMP_HOST_MEMBERSHIP_QUERY = 0x11,
	IGMP_HOST_MEMBERSHIP_REPORT = 0x12,
	IGMPV2_HOST_MEMBERSHIP_REPORT = 0x16,
	IGMP_HOST_LEAVE_MESSAGE = 0x17,
	IGMPV3_HOST_MEMBERSHIP_REPORT = 0x22
};
#define IGMPV3_ALL_MCR 0xe0000016u /* 224.0.0.22 */

/* RFC 2710, RFC 3810 */
enum { MLDH_MAXDELAY = 4, MLDH_GROUP = 8, MLDH_QRV = 24, MLDH_QQIC = 25, MLDH_NSRCS = 26 };
enum { MC_SCOPE_LINK_LOCAL = 2 };

/* Reports of IGMPv3 and MLDv2: a header, records of a header and the group's address, their kinds */
enum { MC_REPORT_NGREC = 6 };
#define MC_REPORT_HLEN 8u
#define MC_GREC_HLEN 4u
enum { MC_MODE_IS_EXCLUDE = 2, MC_CHANGE_TO_INCLUDE = 3, MC_CHANGE_TO_EXCLUDE = 4 };

/* RFC 4443, RFC 4861 */
enum {
	ICMPV6_DEST_UNREACH = 1,
	ICMPV6_PKT_TOOBIG = 2,
	ICMPV6_TIME_EXCEED = 3,
	ICMPV6_PARAMPROB = 4,
	ICMPV6_ECHO_REQUEST = 128,
	ICMPV6_ECHO_REPLY = 129,
	ICMPV6_MGM_QUERY = 130,
	ICMPV6_MGM_REPORT = 131,
	ICMPV6_MGM_REDUCTION = 132,
	NDISC_ROUTER_SOLICITATION = 133,
	NDISC_ROUTER_ADVERTISEMENT = 134,
	NDISC_NEIGHBOUR_SOLICITATION = 135,
	NDISC_NEIGHBOUR_ADVERTISEMENT = 136,
	NDISC_REDIRECT = 137,
	ICMPV6_MLD2_REPORT = 143,
	ICMPV6_EXT_ECHO_REQUEST = 160,
	ICMPV6_EXT_ECHO_REPLY = 161
};
#define ICMPV6_INFOMSG_MASK 0x80u
enum {
	ICMPV6_NOROUTE = 0,
	ICMPV6_ADM_PROHIBITED = 1,
	ICMPV6_NOT_NEIGHBOUR = 2,
	ICMPV6_ADDR_UNREACH = 3,
	ICMPV6_PORT_UNREACH = 4,
	ICMPV6_POLICY_FAIL = 5,
	ICMPV6_REJECT_ROUTE = 6
};
enum { ICMPV6_EXC_HOPLIMIT = 0, ICMPV6_EXC_FRAGTIME = 1 };
enum { ICMPV6_HDR_FIELD = 0, ICMPV6_UNK_NEXTHDR = 1, ICMPV6_UNK_OPTION = 2, ICMPV6_HDR_INCOMP = 3 };
enum { NDH_FLAGS = 4, NDH_TARGET = 8 };
#define ND_HLEN 24u /* of a neighbour solicitation or advertisement, without options */
#define RA_HLEN 16u /* the same of a router advertisement, of a redirect */
#define RD_HLEN 40u
#define ND_NA_ROUTER 0x80u
#define ND_NA_SOLICITED 0x40u
#define ND_NA_OVERRIDE 0x20u
#define ND_HOP_LIMIT 255u /* a router would have made it less */
enum { ND_OPT_TYPE = 0, ND_OPT_LEN = 1, ND_OPT_DATA = 2 }; /* length in units of 8 bytes */
enum {
	ND_OPT_SOURCE_LL_ADDR = 1,
	ND_OPT_TARGET_LL_ADDR = 2,
	ND_OPT_PREFIX_INFO = 3,
	ND_OPT_REDIRECT_HDR = 4,
	ND_OPT_MTU = 5,
	ND_OPT_NONCE = 14
};
#define NONCE_LEN 6u
enum { RAH_HOP_LIMIT = 4, RAH_FLAGS = 5, RAH_LIFETIME = 6, RAH_REACHABLE = 8, RAH_RETRANS = 12 };
enum { PIO_PREFIX_LEN = 2, PIO_FLAGS = 3, PIO_VALID = 4, PIO_PREFERRED = 8, PIO_PREFIX = 16 };
enum { MTUO_MTU = 4 };
enum { RDH_DEST = 24 };
#define PIO_LEN 4u /* of a prefix information option, in units of 8 bytes */
#define PIO_ONLINK 0x80u
#define PIO_AUTO 0x40u

/* Links of captures, www.tcpdump.org/linktypes.html; those that linktype.c knows */
enum {
	LINKTYPE_NULL = 0,
	LINKTYPE_PPP = 9,
	LINKTYPE_RAW_BSD = 12,
	LINKTYPE_RAW_OPENBSD = 14,
	LINKTYPE_PPP_HDLC = 50,
	LINKTYPE_PPP_ETHER = 51,
	LINKTYPE_RAW = 101,
	LINKTYPE_C_HDLC = 104,
	LINKTYPE_IEEE802_11 = 105,
	LINKTYPE_LOOP = 108,
	LINKTYPE_LINUX_SLL = 113,
	LINKTYPE_IEEE802_11_RADIOTAP = 127,
	LINKTYPE_IPV4 = 228,
	LINKTYPE_IPV6 = 229,
	LINKTYPE_LINUX_SLL2 = 276
};
enum { SLL_P_802_2 = 4 }; /* among a cooked frame's protocols */
enum { PPP_IP = 0x21, PPP_IPV6 = 0x57 };
enum { CHDLC_UNICAST = 0x0f, CHDLC_BROADCAST = 0x8f }; /* addresses of Cisco's HDLC */
enum { SLLH_PKTTYPE = 0, SLLH_HATYPE = 2, SLLH_HALEN = 4, SLLH_ADDR = 6, SLLH_PROTO = 14 };
enum { SLL2H_PROTO = 0, SLL2H_HATYPE = 8, SLL2H_PKTTYPE = 10, SLL2H_HALEN = 11, SLL2H_ADDR = 12 };
#define SLL_HLEN 16u
#define SLL2_HLEN 20u
enum { SLL_BROADCAST = 1, SLL_OTHERHOST = 3, SLL_OUTGOING = 4 }; /* packet types */
enum { ARPHRD_80211_ = 801, ARPHRD_RADIOTAP_ = 803, ARPHRD_NETLINK_ = 824 };

/* A VLAN tag from its TCI on, behind the TPID */
enum { VLANH_TCI = 0, VLANH_PROTO = 2 };

#define IPH_PLAIN 0x45u /* IPH_VERSION_IHL of version 4 without options */

/* Of an IPv6 header's first 32 bits */
#define IPV6_TCLASS_MASK 0x0ff00000u
#define IPV6_FLOWLABEL_MASK 0x000fffffu

#define EXTH_UNIT 8u /* bytes that the length of an extension header counts in */

/* RFC 2675: a hop-by-hop header whose one option, behind its first two bytes, is the jumbo payload length */
#define JUMBO_HLEN 8
enum { JUMBOH_TYPE = 2, JUMBOH_OPTLEN = 3, JUMBOH_PAYLOAD = 4 };

/* draft-ietf-opsawg-pcapng: block types, and what is where in an enhanced packet block */
#define PCAPNG_SECTION 0x0a0d0d0au
#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
enum { PCAPNG_INTERFACE = 1, PCAPNG_OBSOLETE_PACKET = 2, PCAPNG_SIMPLE_PACKET = 3, PCAPNG_PACKET = 6 };
enum { PCAPNG_TYPE = 0, PCAPNG_LENGTH = 4, EPB_CAPTURED_LEN = 20, EPB_ORIGINAL_LEN = 24, EPB_DATA = 28 };

/* is_vlan() - is this the EtherType (network byte order) of a VLAN tag? */
static inline bool is_vlan(u16 protocol)
{
	return protocol == htons(ETH_P_8021Q) || protocol == htons(ETH_P_8021AD);
}

/* ip_version() - the version field of an IP header, unchecked */
static inline u32 ip_version(const u8 *ip)
{
	return ip[IPH_VERSION_IHL] >> 4;
}

/* ip_dsfield() - TOS or traffic class of an IP header */
static inline u8 ip_dsfield(const u8 *ip)
{
	return ip_version(ip) == 6 ? (u8)(be16(ip) >> 4) : ip[IPH_TOS];
}

/* ip_hdrlen() - length of an IPv4 header in bytes, unchecked */
static inline u32 ip_hdrlen(const u8 *ip)
{
	return (ip[IPH_VERSION_IHL] & 15u) * 4;
}

/* is_multicast6() - is this IPv6 address a group's? */
static inline bool is_multicast6(const u8 *addr)
{
	return addr[0] == 0xff;
}

/* ipv6_optlen() - length of an IPv6 extension header in bytes, unchecked */
static inline u32 ipv6_optlen(const u8 *h)
{
	return (h[EXTH_LEN] + 1u) * 8;
}

/* ipv6_authlen() - the same of an authentication header, which counts otherwise (RFC 4302) */
static inline u32 ipv6_authlen(const u8 *h)
{
	return (h[EXTH_LEN] + 2u) * 4;
}

/* tcp_hdrlen() - length of a TCP header in bytes, unchecked */
static inline u32 tcp_hdrlen(const u8 *th)
{
	return (th[TCPH_DOFF] >> 4) * 4u;
}

#endif
