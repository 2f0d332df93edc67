/* schema.h - enums that all rooms share and Python takes names from: fates, counters, costs, limits
 *
 * All times are nanoseconds (u64) of one clock: the virtual one, or CLOCK_MONOTONIC when live. Functions return a count
 * or 0, or -errno.
 */
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define NIC_QUEUES_MAX 128
#define RX_RING_MIN 16
#define RX_RING_MAX 16384
#define TX_RING_MIN 64             /* the longest frame takes 34 descriptors */
#define TX_RING_MAX 16384
#define CPUS_MAX 512
#define CPU_WORDS 8                /* of 64 bits: a mask of CPUs */
#define BURST 64                   /* frames passed at once across a queue or between threads */
#define RSS_INDIR_SIZE 128         /* entries of the indirection table at least, and as long as 64 queues are in use */
#define RSS_INDIR_MAX 2048
#define RSS_KEY_SIZE 52
#define GRO_HASH_BUCKETS 8
#define MAX_GRO_SKBS 8             /* per bucket */
#define NAPI_POLL_WEIGHT 64
#define LAT_BUCKETS 3712           /* values from 2^63 ns on share the last one */
#define ETH_HLEN 14
#define ETH_FRAME_LEN 1514
#define ETH_ZLEN 60                /* a wire pads frames to this length, FCS not counted */

struct cpumask { u64 bits[CPU_WORDS]; }; /* CPU n is bit n % 64 of word n / 64 */
struct inet_addr { u64 hi, lo; };  /* IPv4 is kept as ::ffff:a.b.c.d, so one table serves both */
struct flow_key { struct inet_addr src, dst; u16 sport, dport; u8 proto, spare[3]; }; /* ports: host byte order */

/* ---- fates: every frame offered on the wire ends in exactly one. machine/fate.c has a line of text for each ---- */

enum fate {
	DELIVERED_UDP, DELIVERED_TCP, DELIVERED_ICMP, DELIVERED_ICMPV6, DELIVERED_IGMP, DELIVERED_ARP,
	DELIVERED_PYTHON, DELIVERED_DRIVER,
	/* the card */
	DEV_READY, LINK_TYPE, RX_LENGTH, MAC_FILTER, VLAN_FILTER, PYTHON_FILTER, NTUPLE_FILTER, FIFO_OVERRUN, RX_OVER, RX_NO_BUFFER, FAULT,
	/* the host, up to the protocols: names are Linux's SKB_DROP_REASON_* where it has one */
	CPU_BACKLOG, UNHANDLED_PROTO, OTHERHOST, PYTHON_DROP, PYTHON_QUEUE_FULL,
	/* IP */
	PKT_TOO_SMALL, IP_INHDR, IP_CSUM, IP_INVALID_SOURCE, IP_LOCAL_SOURCE, IP_LOCALNET, IP_INVALID_DEST, IP_INADDRERRORS,
	IP_NOT_JOINED, IP_SOURCE_ROUTE, IP_NOPROTO, IPV6_BAD_EXTHDR, IP_INNOROUTES,
	IP_OUTNOROUTES, GROUPS_IGNORED, /* IP_NOT_JOINED, IP_SOURCE_ROUTE, GROUPS_IGNORED are ours */
	/* fragments; FRAG_* but FRAG_REASM_TIMEOUT and FRAG_TOO_FAR are ours: Linux counts ReasmFails without a reason */
	DUP_FRAG, FRAG_REASM_TIMEOUT, FRAG_TOO_FAR, PKT_TOO_BIG, FRAG_OVERLAP, FRAG_LENGTH, FRAG_ECN, FRAG_HIGH_THRESH,
	/* ARP and neighbour discovery; ARP_TARGET and NDISC_NO_NEWS are ours */
	ARP_TARGET, NDISC_NO_NEWS, IPV6_NDISC_FRAG, IPV6_NDISC_HOP_LIMIT, IPV6_NDISC_BAD_CODE, IPV6_NDISC_BAD_OPTIONS,
	IPV6_NDISC_NS_OTHERHOST,
	/* above IP */
	ICMP_CSUM, INVALID_PROTO, UDP_CSUM, TCP_CSUM, TCP_FLAGS, TCP_RESET, NO_SOCKET, SOCKET_TABLE_FULL, SOCKET_RCVBUFF, PROTO_MEM,
	TCP_OLD_DATA, TCP_OVERWINDOW, TCP_OFOMERGE, TCP_OFO_DROP, TCP_CLOSE,
	/* TCP's endpoint; TCP_REQQFULLDROP is ours: Linux counts TCPReqQFullDrop without a reason */
	TCP_RFC7323_PAWS, TCP_RFC7323_TSECR, TCP_OLD_SEQUENCE, TCP_INVALID_SEQUENCE, TCP_INVALID_END_SEQUENCE, TCP_INVALID_ACK_SEQUENCE, TCP_INVALID_SYN,
	TCP_TOO_OLD_ACK, TCP_ACK_UNSENT_DATA, TCP_ABORT_ON_DATA, TCP_ZEROWINDOW, TCP_OFO_QUEUE_PRUNE, TCP_LISTEN_OVERFLOW,
	TCP_REQQFULLDROP,
	FATE_MAX
};

/* ---- events of a run: why the data plane returns to Python ---- */
enum event {
	EV_DONE,                       /* nothing is left to do, or the wire has ended */
	EV_SLICE,                      /* the slice is used up: call again */
	EV_UPCALL,                     /* packets wait for a Python handler */
	EV_FILTER,                     /* a burst waits for Python's filter */
	EV_WIRE,                       /* a wire written in Python has to be read */
	EV_STOPPED, EV_PAUSED          /* live: the thread was asked to end, to wait */
};

/* transmit has a ledger of its own: every frame that IP or ARP makes ends in one of these */
enum tx_fate {
	TX_SENT,
	TX_NEIGH_FAILED, TX_NEIGH_QUEUEFULL, TX_NEIGH_CREATEFAIL, /* SKB_DROP_REASON_NEIGH_* */
	TX_FULL_RING, TX_DEV_READY, TX_BAD_CHAIN, TX_WIRE_FULL, TX_WIRE_ERROR,
	TX_FATE_MAX
};

/* where a frame waits that has no fate yet */
enum in_flight {
	IN_FIFO, IN_RING, IN_GRO, IN_BACKLOG, IN_FRAG, IN_PYTHON, IN_TCP_OFO,
	IN_CPU,                        /* in a CPU's hands, between two of the others */
	IN_FLIGHT_MAX
};

/* ---- GRO: why a hold ended; gro_flows.c has a line of text for each ---- */
enum gro_end {
	GRO_HOLDS,                     /* not ended */
	GRO_COMPLETE, GRO_FULL_POLL, GRO_AGED, GRO_EVICTED,
	/* a segment was merged, and was the last */
	GRO_PSH, GRO_FIN, GRO_SHORTER, GRO_COUNT,
	/* a segment of the flow could not be merged */
	GRO_FLAGS, GRO_CWR, GRO_WINDOW, GRO_ACK, GRO_OPTIONS, GRO_TTL_TOS, GRO_IP_ID, GRO_EMPTY, GRO_LONGER, GRO_SEQ,
	GRO_SIZE, GRO_PADDED, GRO_CSUM_STATE, GRO_OTHER_KIND,
	GRO_END_MAX
};

/* ---- costs: time that work takes on its CPU, ns; _PS: picoseconds a byte ---- */

enum cost {
	COST_DMA, COST_DMA_PS,             /* the card: per frame, per byte */
	COST_HARDIRQ, COST_SOFTIRQ, COST_POLL,
	COST_RX, COST_RX_BUF,              /* driver: per frame, per further buffer */
	COST_GRO, COST_RPS, COST_IPI, COST_BACKLOG, COST_RECEIVE, COST_IP, COST_UDP, COST_TCP, COST_CSUM_PS,
	COST_SOCK, COST_WAKE,              /* queue to the socket; wake its reader */
	COST_SWITCH, COST_RECV, COST_COPY_PS, /* reader: context switch, system call per datagram, copy per byte */
	COST_OUTPUT,                       /* IP output, neighbour, the driver's start_xmit, per frame */
	/* kinds of the costs above, and times that are no CPU's work; a profile without one has the general figure, or 0 */
	COST_HARDIRQ_IPI, COST_IPI_DELIVERY, /* an IPI's interrupt on its target; from the begin of the sender's part to it */
	COST_WAKE_REMOTE,                  /* wake a reader of another CPU */
	COST_SWITCH_IDLE, COST_SWITCH_IDLE_100US, COST_SWITCH_IDLE_1MS, /* switch on a CPU that was idle, at least so long */
	COST_RECV_REMOTE, COST_COPY_REMOTE_PS, /* datagrams that another CPU queued */
	COST_FIRST_PACKET, COST_TICK,      /* first packet after 300 us of idleness, more than the others; a timer tick */
	COST_MAX
};

/* ---- latency split: lat.c. Log-linear histograms, 64 buckets an octave (under 1.6 % wide) ---- */

/* The parts add up to LAT_TOTAL. LAT_STACK: a CPU works on the frame: driver, protocols, RPS; it may come several times */
enum latency {
	LAT_RING, LAT_MODERATION, LAT_POLL, LAT_GRO, LAT_BACKLOG, LAT_REORDER, LAT_STACK, LAT_SOCKET, LAT_TOTAL, LAT_MAX
};

/* ---- what happens to frames: records of the event log, lib/event_log.c. docs/seeing.md says what each means ---- */
enum event_kind {
	/* the card */
	EVENT_WIRE, EVENT_FIFO, EVENT_NO_BUFFER, EVENT_DMA, EVENT_IRQ_ASKED, EVENT_IRQ, EVENT_SENT, EVENT_FAULT,
	/* a CPU's own work */
	EVENT_HARDIRQ, EVENT_SOFTIRQ, EVENT_NET_RX, EVENT_POLL, EVENT_IPI, EVENT_WAKE, EVENT_SWITCH, EVENT_TASK,
	/* a packet's way through the host */
	EVENT_RING, EVENT_SKB, EVENT_GRO_HOLD, EVENT_GRO_MERGE, EVENT_GRO_RELEASE, EVENT_GRO_OUT, EVENT_RPS, EVENT_BACKLOG,
	EVENT_BACKLOG_OUT, EVENT_RECEIVE, EVENT_REORDER, EVENT_ORDERED, EVENT_SOCKET, EVENT_READ,
	EVENT_FATE,
	EVENT_KINDS
};

/* ---- faults on purpose: card/fault.c. docs/faults.md says what drivers do under each ---- */
enum fault {
	/* interrupts and doorbells */
	FAULT_IRQ_LOST, FAULT_IRQ_LATE, FAULT_IRQ_SPURIOUS, FAULT_KICK_IGNORED,
	/* rings that stand still, for a time */
	FAULT_STALL, FAULT_TX_STALL, FAULT_LINK_DOWN,
	/* a frame: it finds no buffer, or is damaged on its way into one */
	FAULT_NO_BUFFER, FAULT_DMA_FLIP, FAULT_DMA_SHORT, FAULT_DMA_WRONG_BUFFER, FAULT_CSUM_LIE, FAULT_HASH_WRONG, FAULT_NUM_BUFFERS,
	/* what the used ring says */
	FAULT_USED_ID, FAULT_USED_LEN, FAULT_USED_TWICE, FAULT_USED_REORDER,
	/* the driver's memory; the connection of a driver in another process */
	FAULT_ALLOC_FAIL, FAULT_HANG_UP,
	FAULTS
};

/* ---- mib: /proc/net/snmp, snmp6 and netstat, by Linux's names ---- */
enum mib {
	Ip_InReceives, Ip_InHdrErrors, Ip_InAddrErrors, Ip_InUnknownProtos, Ip_InDelivers, Ip_InCsumErrors, IpExt_InTruncatedPkts,
	Ip_ReasmTimeout, Ip_ReasmReqds, Ip_ReasmOKs, Ip_ReasmFails, IpExt_ReasmOverlaps,
	Ip6_InReceives, Ip6_InHdrErrors, Ip6_InNoRoutes, Ip6_InAddrErrors, Ip6_InUnknownProtos, Ip6_InDelivers, Ip6_InTruncatedPkts,
	Ip6_ReasmTimeout, Ip6_ReasmReqds, Ip6_ReasmOKs, Ip6_ReasmFails, Ip6_ReasmOverlaps,
	Ip6_InMcastPkts, Ip6_InMcastOctets, Ip6_OutMcastPkts, Ip6_OutMcastOctets,
	Icmp_InMsgs, Icmp_InErrors, Icmp_InCsumErrors, Icmp6_InMsgs, Icmp6_InErrors, Icmp6_InCsumErrors,
	Icmp_InDestUnreachs, Icmp_InTimeExcds, Icmp_InParmProbs, Icmp_InSrcQuenchs, Icmp_InRedirects, Icmp_InEchos, Icmp_InEchoReps,
	Icmp_InTimestamps, Icmp_InTimestampReps, Icmp_InAddrMasks, Icmp_InAddrMaskReps,
	Icmp_OutMsgs, Icmp_OutErrors, Icmp_OutRateLimitGlobal, Icmp_OutRateLimitHost, Icmp_OutDestUnreachs, Icmp_OutTimeExcds,
	Icmp_OutParmProbs, Icmp_OutEchoReps,
	Icmp6_OutMsgs, Icmp6_OutEchoReplies, Icmp6_OutDestUnreachs, Icmp6_OutTimeExcds, Icmp6_OutParmProblems,
	Icmp6_OutRateLimitHost, Icmp6_OutErrors,
	/* in the order of their types, 1 and 128 are the first */
	Icmp6_InDestUnreachs, Icmp6_InPktTooBigs, Icmp6_InTimeExcds, Icmp6_InParmProblems,
	Icmp6_InEchos, Icmp6_InEchoReplies, Icmp6_InGroupMembQueries, Icmp6_InGroupMembResponses, Icmp6_InGroupMembReductions,
	Icmp6_InRouterSolicits, Icmp6_InRouterAdvertisements, Icmp6_InNeighborSolicits, Icmp6_InNeighborAdvertisements,
	Icmp6_InRedirects, Icmp6_InMLDv2Reports,
	IpExt_InMcastPkts, IpExt_InMcastOctets, IpExt_InBcastPkts, IpExt_InBcastOctets,
	IpExt_OutMcastPkts, IpExt_OutMcastOctets, IpExt_OutBcastPkts, IpExt_OutBcastOctets,
	Icmp6_OutGroupMembResponses, Icmp6_OutGroupMembReductions, Icmp6_OutMLDv2Reports,
	Icmp6_OutRouterSolicits, Icmp6_OutNeighborSolicits, Icmp6_OutNeighborAdvertisements,
	Ip_OutRequests, Ip_OutNoRoutes, Ip_FragOKs, Ip_FragCreates, Ip6_OutRequests, Ip6_OutNoRoutes, Ip6_FragOKs, Ip6_FragCreates,
	/* UDP and UDP-Lite of each family: enum udp_mib counts from the first of a row */
	Udp_InDatagrams, Udp_NoPorts, Udp_InErrors, Udp_OutDatagrams, Udp_RcvbufErrors, Udp_SndbufErrors, Udp_InCsumErrors, Udp_IgnoredMulti, Udp_MemErrors,
	Udp6_InDatagrams, Udp6_NoPorts, Udp6_InErrors, Udp6_OutDatagrams, Udp6_RcvbufErrors, Udp6_SndbufErrors, Udp6_InCsumErrors, Udp6_IgnoredMulti, Udp6_MemErrors,
	UdpLite_InDatagrams, UdpLite_NoPorts, UdpLite_InErrors, UdpLite_OutDatagrams, UdpLite_RcvbufErrors, UdpLite_SndbufErrors, UdpLite_InCsumErrors, UdpLite_IgnoredMulti, UdpLite_MemErrors,
	UdpLite6_InDatagrams, UdpLite6_NoPorts, UdpLite6_InErrors, UdpLite6_OutDatagrams, UdpLite6_RcvbufErrors, UdpLite6_SndbufErrors, UdpLite6_InCsumErrors, UdpLite6_IgnoredMulti, UdpLite6_MemErrors,
	Tcp_InSegs, Tcp_InErrs, Tcp_InCsumErrors, Tcp_OutSegs, Tcp_OutRsts, TcpExt_TCPOFOQueue, TcpExt_TCPOFODrop, TcpExt_TCPRcvQDrop, TcpExt_TCPHoles,
	TcpExt_BusyPollRxPackets,
	/* TCP's endpoint */
	TcpExt_BeyondWindow, TcpExt_DelayedACKLost, TcpExt_DelayedACKs, TcpExt_ListenDrops, TcpExt_ListenOverflows,
	TcpExt_OfoPruned, TcpExt_OutOfWindowIcmps, TcpExt_PAWSActive, TcpExt_PAWSEstab, TcpExt_TCPACKSkippedChallenge, TcpExt_TCPACKSkippedPAWS,
	TcpExt_TCPACKSkippedSeq, TcpExt_TCPACKSkippedTimeWait, TcpExt_TCPAbortOnClose, TcpExt_TCPAbortOnData,
	TcpExt_TCPAbortOnMemory, TcpExt_TCPAbortOnTimeout, TcpExt_TCPChallengeACK, TcpExt_TCPDSACKOfoSent, TcpExt_TCPDSACKOldSent, TcpExt_TCPDSACKRecv,
	TcpExt_TCPDSACKUndo, TcpExt_TCPFastRetrans, TcpExt_TCPFromZeroWindowAdv, TcpExt_TCPFullUndo, TcpExt_TCPKeepAlive,
	TcpExt_TCPLossProbeRecovery, TcpExt_TCPLossProbes, TcpExt_TCPLossUndo, TcpExt_TCPOrigDataSent, TcpExt_TCPPartialUndo,
	TcpExt_TCPRenoRecovery, TcpExt_TSEcrRejected, TcpExt_TCPRcvCoalesce, TcpExt_TCPACKSkippedSynRecv, TcpExt_TCPReqQFullDrop, TcpExt_TCPSACKDiscard, TcpExt_TCPSACKReorder, TcpExt_TCPSYNChallenge,
	TcpExt_TCPSackRecovery, TcpExt_TCPSlowStartRetrans, TcpExt_TCPSpuriousRTOs, TcpExt_TCPSynRetrans,
	TcpExt_SyncookiesFailed, TcpExt_SyncookiesRecv, TcpExt_SyncookiesSent, TcpExt_TCPReqQFullDoCookies,
	TcpExt_TCPTimeWaitOverflow, TcpExt_TCPTimeouts, TcpExt_TCPToZeroWindowAdv, TcpExt_TCPWantZeroWindowAdv,
	TcpExt_TCPWinProbe, TcpExt_TCPZeroWindowDrop, TcpExt_TW, Tcp_ActiveOpens, Tcp_AttemptFails, Tcp_EstabResets,
	Tcp_PassiveOpens, Tcp_RetransSegs,
	MIB_MAX
};

enum udp_mib {
	UDP_MIB_INDATAGRAMS, UDP_MIB_NOPORTS, UDP_MIB_INERRORS, UDP_MIB_OUTDATAGRAMS, UDP_MIB_RCVBUFERRORS, UDP_MIB_SNDBUFERRORS,
	UDP_MIB_CSUMERRORS, UDP_MIB_IGNOREDMULTI, UDP_MIB_MEMERRORS, UDP_MIB_MAX
};

/* ---- points of the path where a packet tap can sit ---- */
enum packet_point {
	POINT_WIRE,                      /* frames in order of arrival; frames that the card sends */
	POINT_NIC,                       /* frames that the card has put into the ring */
	POINT_GRO,                       /* after GRO and RPS, before the protocols: packet sockets sit here */
	POINT_STACK,                     /* packets that have met their fate */
	POINTS
};
