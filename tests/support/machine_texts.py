"""Texts of a machine with a card of hardware, as ethtool 4, 5 and 6, sysctl, ip and the kernel print them. Ours."""

DRIVER = """driver: ixgbe
version: 6.1.0-18-amd64
firmware-version: 0x800003e7
expansion-rom-version:
bus-info: 0000:03:00.0
supports-statistics: yes
supports-test: yes
supports-eeprom-access: yes
supports-register-dump: yes
supports-priv-flags: yes
"""

RINGS_4 = """Ring parameters for eth0:
Pre-set maximums:
RX:\t\t8192
RX Mini:\t0
RX Jumbo:\t0
TX:\t\t8192
Current hardware settings:
RX:\t\t512
RX Mini:\t0
RX Jumbo:\t0
TX:\t\t512

"""

RINGS_6 = """Ring parameters for eth0:
Pre-set maximums:
RX:\t\t\t8192
RX Mini:\t\tn/a
RX Jumbo:\t\tn/a
TX:\t\t\t8192
TX push buff len:\tn/a
HDS thresh:\t\tn/a
Current hardware settings:
RX:\t\t\t512
RX Mini:\t\tn/a
RX Jumbo:\t\tn/a
TX:\t\t\t512
RX Buf Len:\t\t4096
CQE Size:\t\tn/a
TX Push:\t\toff
RX Push:\t\toff
TX push buff len:\tn/a
TCP data split:\t\tauto
HDS thresh:\t\tn/a
"""

CHANNELS_4 = """Channel parameters for eth0:
Pre-set maximums:
RX:\t\t0
TX:\t\t0
Other:\t\t1
Combined:\t63
Current hardware settings:
RX:\t\t0
TX:\t\t0
Other:\t\t1
Combined:\t4

"""
CHANNELS_6 = CHANNELS_4.replace("RX:\t\t0\nTX:\t\t0", "RX:\t\tn/a\nTX:\t\tn/a")

COALESCE_4 = """Coalesce parameters for eth0:
Adaptive RX: off  TX: off
stats-block-usecs: 0
sample-interval: 0
pkt-rate-low: 0
pkt-rate-high: 0

rx-usecs: 50
rx-frames: 0
rx-usecs-irq: 0
rx-frames-irq: 0

tx-usecs: 0
tx-frames: 0
tx-usecs-irq: 0
tx-frames-irq: 256

rx-usecs-low: 0
rx-frame-low: 0
tx-usecs-low: 0
tx-frame-low: 0

rx-usecs-high: 0
rx-frame-high: 0
tx-usecs-high: 0
tx-frame-high: 0

"""
COALESCE_6 = """Coalesce parameters for eth0:
Adaptive RX: off  TX: n/a
stats-block-usecs:\tn/a
sample-interval:\tn/a
pkt-rate-low:\t\tn/a
pkt-rate-high:\t\tn/a

rx-usecs:\t50
rx-frames:\tn/a
rx-usecs-irq:\tn/a
rx-frames-irq:\tn/a

tx-usecs:\t0
tx-frames:\tn/a
tx-usecs-irq:\tn/a
tx-frames-irq:\t256

rx-usecs-low:\tn/a
rx-frame-low:\tn/a
tx-usecs-low:\tn/a
tx-frame-low:\tn/a

rx-usecs-high:\tn/a
rx-frame-high:\tn/a
tx-usecs-high:\tn/a
tx-frame-high:\tn/a

CQE mode RX: n/a  TX: n/a

tx-aggr-max-bytes:\tn/a
tx-aggr-max-frames:\tn/a
tx-aggr-time-usecs:\tn/a

"""

FEATURES = """Features for eth0:
rx-checksumming: on
tx-checksumming: on
\ttx-checksum-ipv4: off [fixed]
\ttx-checksum-ip-generic: on
scatter-gather: on
tcp-segmentation-offload: on
generic-receive-offload: on
large-receive-offload: on
rx-vlan-offload: on
ntuple-filters: on
receive-hashing: on
rx-vlan-filter: on
rx-udp-gro-forwarding: off
rx-gro-list: off [requested on]
hw-tc-offload: off
"""

INDIRECTION = (
    "RX flow hash indirection table for eth0 with 4 RX ring(s):\n"
    + "".join(f"{i:5}: " + "".join(f" {(i + n) // 64:5}" for n in range(8)) + "\n" for i in range(0, 256, 8))
    + "RSS hash key:\n"
    + bytes(range(1, 41)).hex(":")
    + "\nRSS hash function:\n    toeplitz: on\n    xor: off\n    crc32: off\n"
)

RULES = """4 RX rings available
Total 2 rules

Filter: 2045
\tRule Type: UDP over IPv4
\tSrc IP addr: 0.0.0.0 mask: 255.255.255.255
\tDest IP addr: 10.1.2.0 mask: 0.0.0.255
\tTOS: 0x0 mask: 0xff
\tSrc port: 0 mask: 0xffff
\tDest port: 53 mask: 0x0
\tVLAN EtherType: 0x0 mask: 0xffff
\tVLAN: 0x5 mask: 0xf000
\tUser-defined: 0x0 mask: 0xffffffffffffffff
\tAction: Direct to queue 3

Filter: 2046
\tRule Type: TCP over IPv4
\tSrc IP addr: 10.9.9.9 mask: 0.0.0.0
\tDest IP addr: 0.0.0.0 mask: 255.255.255.255
\tTOS: 0x0 mask: 0xff
\tSrc port: 0 mask: 0xffff
\tDest port: 0 mask: 0xffff
\tAction: Drop

"""

STATISTICS = """NIC statistics:
     rx_packets: 123456
     rx_missed_errors: 17
     rx_no_dma_resources: 3
     tx_packets: 99
"""

SETTINGS = """Settings for eth0:
\tSupported ports: [ FIBRE ]
\tSpeed: 25000Mb/s
\tDuplex: Full
\tLink detected: yes
"""

LINK = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 minmtu 0 maxmtu 0
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000 qdisc mq master bond0 state UP mode DEFAULT group default qlen 1000
    link/ether 3c:fd:fe:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 1 minmtu 68 maxmtu 9710
    bond_slave state ACTIVE numtxqueues 64 numrxqueues 64 gso_max_size 65536 gro_max_size 65536 gro_ipv4_max_size 65536
"""

SYSCTL = """kernel.ostype = Linux
net.core.busy_poll = 50
net.core.busy_read = 0
net.core.flow_limit_cpu_bitmap = 00000000,0000000f
net.core.netdev_budget = 600
net.core.netdev_budget_usecs = 8000
net.core.netdev_max_backlog = 5000
net.core.rmem_default = 4194304
net.core.skb_defer_max = 64
net.ipv4.conf.all.rp_filter = 2
net.ipv4.ip_forward = 0
net.ipv4.ipfrag_high_thresh = 1073741824
net.ipv4.tcp_rmem = 4096\t131072\t6291456
vm.swappiness = 60
"""

INTERRUPTS = """            CPU0       CPU1       CPU2       CPU3
   0:         36          0          0          0   IO-APIC    2-edge      timer
  63:    1000000          0          0          0   PCI-MSI 1572864-edge      eth0-TxRx-0
  64:          0     900000          0          0   PCI-MSI 1572865-edge      eth0-TxRx-1
  65:          0          0     800000          0   PCI-MSI 1572866-edge      eth0-TxRx-2
  66:          0          0          0     700000   PCI-MSI 1572867-edge      eth0-TxRx-3
  67:          2          0          0          0   PCI-MSI 1572868-edge      eth0
 LOC:   10000000   10000000   10000000   10000000   Local timer interrupts
 ERR:          0
"""

SOFTNET = "".join(
    f"{cpu + 1:08x} 00000002 00000003 " + "00000000 " * 9 + f"{cpu:08x} 00000000 00000000\n" for cpu in range(4)
)

SOSREPORT = {
    "sos_commands/networking/ethtool_-i_eth0": DRIVER,
    "sos_commands/networking/ethtool_-g_eth0": RINGS_6,
    "sos_commands/networking/ethtool_-l_eth0": CHANNELS_6,
    "sos_commands/networking/ethtool_-c_eth0": COALESCE_6,
    "sos_commands/networking/ethtool_-k_eth0": FEATURES,
    "sos_commands/networking/ethtool_-x_eth0": INDIRECTION,
    "sos_commands/networking/ethtool_-n_eth0": RULES,
    "sos_commands/networking/ethtool_-S_eth0": STATISTICS,
    "sos_commands/networking/ethtool_eth0": SETTINGS,
    "sos_commands/networking/ethtool_-i_lo": "Cannot get driver information: Operation not supported\n",
    "sos_commands/networking/ip_-s_-d_link": LINK,
    "sos_commands/kernel/sysctl_-a": SYSCTL,
    "proc/interrupts": INTERRUPTS,
    "proc/net/softnet_stat": SOFTNET,
    "proc/irq/63/smp_affinity": "f\n",
    "proc/irq/63/effective_affinity": "4\n",
    "proc/irq/64/smp_affinity_list": "1\n",
    "proc/irq/65/smp_affinity": "00000000,00000006\n",
    "sys/class/net/eth0/queues/rx-0/rps_cpus": "0000000e\n",
    "sys/class/net/eth0/queues/rx-1/rps_cpus": "0\n",
    "sys/class/net/eth0/queues/rx-0/rps_flow_cnt": "4096\n",
    "sys/class/net/eth0/gro_flush_timeout": "20000\n",
    "boot/config-6.1.0-18-amd64": "CONFIG_NO_HZ=y\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n",
    "etc/sysctl.conf": "net.core.netdev_budget = 1\n",
    "sos_commands/networking/namespaces/blue/ethtool_-g_eth0": RINGS_6.replace("512", "64"),
}
"""Path -> text, in the layout of a sosreport."""
