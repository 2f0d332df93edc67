"""The protocol counters' files: /proc/net/snmp, /proc/net/netstat and /proc/net/snmp6, with Linux 6.18's names.

net/ipv4/proc.c and net/ipv6/proc.c print a fixed set of names. Here each is what
:func:`vnic.counters.snapshots.mib` counts under that name, a value that never changes, or 0: not counted. docs/files.md
lists which are counted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic._core import lib

if TYPE_CHECKING:
    from vnic.host import Host

_UDP = "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors"

SNMP = {
    "Ip": (
        "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards "
        "InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs "
        "FragFails FragCreates OutTransmits"
    ),
    "Icmp": (
        "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos "
        "InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors "
        "OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs "
        "OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps"
    ),
    "IcmpMsg": "",
    "Tcp": (
        "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab "
        "InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors"
    ),
    "Udp": _UDP,
    "UdpLite": _UDP,
}
"""/proc/net/snmp: group -> names. IcmpMsg has those types that there were."""

NETSTAT = {
    "TcpExt": (
        "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned "
        "OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab BeyondWindow "
        "TSEcrRejected PAWSOldAck PAWSTimewait DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows "
        "ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging "
        "TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo "
        "TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans "
        "TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail "
        "TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv "
        "TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed "
        "TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo "
        "TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted TCPSackMerged "
        "TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop "
        "IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail "
        "TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPFastOpenActive "
        "TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow "
        "TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking "
        "TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent "
        "TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd "
        "TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait "
        "TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess TCPDelivered "
        "TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig "
        "TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs "
        "TCPDSACKIgnoredDubious TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad "
        "TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps"
    ),
    "IpExt": (
        "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets "
        "InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts "
        "InECT0Pkts InCEPkts ReasmOverlaps"
    ),
}
"""/proc/net/netstat. A kernel with Multipath TCP has a group MPTcpExt too, which no host without it has."""

SNMP6 = {
    "Ip6": (
        "InReceives InHdrErrors InTooBigErrors InNoRoutes InAddrErrors InUnknownProtos InTruncatedPkts "
        "InDiscards InDelivers OutForwDatagrams OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds "
        "ReasmOKs ReasmFails FragOKs FragFails FragCreates InMcastPkts OutMcastPkts InOctets OutOctets "
        "InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts "
        "OutTransmits"
    ),
    "Icmp6": (
        "InMsgs InErrors OutMsgs OutErrors InCsumErrors OutRateLimitHost InDestUnreachs InPktTooBigs "
        "InTimeExcds InParmProblems InEchos InEchoReplies InGroupMembQueries InGroupMembResponses "
        "InGroupMembReductions InRouterSolicits InRouterAdvertisements InNeighborSolicits "
        "InNeighborAdvertisements InRedirects InMLDv2Reports OutDestUnreachs OutPktTooBigs OutTimeExcds "
        "OutParmProblems OutEchos OutEchoReplies OutGroupMembQueries OutGroupMembResponses "
        "OutGroupMembReductions OutRouterSolicits OutRouterAdvertisements OutNeighborSolicits "
        "OutNeighborAdvertisements OutRedirects OutMLDv2Reports"
    ),
}
"""/proc/net/snmp6 up to the ICMPv6 messages by type."""

SNMP6_UDP = {"Udp6": _UDP, "UdpLite6": _UDP.replace("IgnoredMulti ", "")}
"""The rest of it."""

_ICMP6_TYPES = (1, 2, 3, 4, *range(128, 138), 143)
"""Those that have names, in snmp6's order. RFC 4443, RFC 2710, RFC 4861, RFC 3810"""


def _place(name: str) -> str:
    """Where vnic's counter is in these files. It counts bad IPv4 checksums with the rest of Ip."""
    return {"Ip_InCsumErrors": "IpExt_InCsumErrors"}.get(name, name)


def _established(host: Host) -> int:
    table = host.machine.c.socks
    return sum(1 for sk in table.socks[1 : table.used] if sk.type == lib.SOCK_TCP and sk.state == lib.TCP_OPEN)


def _values(host: Host) -> dict[str, int]:
    """Counter by ``Group_Name``, with those that do not count."""
    endpoint = host.machine.c.tcp.mode == lib.TCP_MODE_ENDPOINT
    retransmission = {"Tcp_RtoMin": 200, "Tcp_RtoMax": 120_000} if endpoint else {}
    return (
        {_place(name): n for name, n in host.mib().items()}
        | retransmission
        | {
            "Ip_Forwarding": 2,  # RFC 1213: it does not
            "Ip_DefaultTTL": 64,
            "Tcp_RtoAlgorithm": 1,  # RFC 4022: other. Passive TCP sends nothing again: it has no RtoMin and RtoMax
            "Tcp_MaxConn": host.knobs["sockets"],
            "Tcp_CurrEstab": _established(host),
        }
    )


def icmp_messages(host: Host) -> dict[str, int]:
    """ICMP messages of IPv4 by type, those that there were: ``InType8``, ``OutType0``; first what came in."""
    cpus = [host.machine.c.cpu[i] for i in range(host.machine.c.ncpus)]
    counts = [sum(int(cpu.icmpmsg[i]) for cpu in cpus) for i in range(512)]
    return {f"{'InType' if i < 256 else 'OutType'}{i % 256}": n for i, n in enumerate(counts) if n}


def icmp6_messages(host: Host) -> dict[str, int]:
    """ICMPv6 messages by type, those that there were: ``InType128``, ``OutType129``; first what came in."""
    cpus = [host.machine.c.cpu[i] for i in range(host.machine.c.ncpus)]
    came = {f"InType{i}": sum(int(cpu.icmp6msg[i]) for cpu in cpus) for i in range(256)}
    names, values = SNMP6["Icmp6"].split(), host.mib()
    sent = zip(names[names.index("OutDestUnreachs") :], _ICMP6_TYPES, strict=True)
    return {
        name: n for name, n in (came | {f"OutType{i}": values.get(f"Icmp6_{name}", 0) for name, i in sent}).items() if n
    }


def _groups(host: Host, groups: dict[str, str]) -> str:
    lines, values = [], _values(host)
    for group, names in groups.items():
        row = {name: values.get(f"{group}_{name}", 0) for name in names.split()}
        if group == "IcmpMsg":
            row = icmp_messages(host)
            if not row:
                continue
        lines += [f"{group}: {' '.join(row)}", f"{group}: {' '.join(map(str, row.values()))}"]
    return "\n".join(lines) + "\n"


def snmp(host: Host) -> str:
    """/proc/net/snmp."""
    return _groups(host, SNMP)


def netstat(host: Host) -> str:
    """/proc/net/netstat."""
    return _groups(host, NETSTAT)


def snmp6(host: Host) -> str:
    """/proc/net/snmp6: a name and its value in each line."""
    values = _values(host)
    rows = _rows(values, SNMP6)
    rows |= {f"Icmp6{name}": n for name, n in icmp6_messages(host).items()}
    rows |= _rows(values, SNMP6_UDP)
    return "".join(f"{name:<32}\t{n}\n" for name, n in rows.items())


def _rows(values: dict[str, int], groups: dict[str, str]) -> dict[str, int]:
    return {
        f"{group}{name}": values.get(f"{group}_{name}", 0) for group, names in groups.items() for name in names.split()
    }


def counted(name: str) -> str | None:
    """The file that has one of vnic's counters (``Ip_InReceives``); None: Linux has no such name."""
    group, short = re.fullmatch("([A-Za-z0-9]+)_(.*)", _place(name)).groups()  # type: ignore[union-attr]
    for path, groups in {"snmp": SNMP, "netstat": NETSTAT, "snmp6": SNMP6 | SNMP6_UDP}.items():
        if short in groups.get(group, "").split():
            return f"/proc/net/{path}"
    return None
