"""What a NIC lets in, from the words of ip-link(8) and ethtool(8)."""

BROADCAST = b"\xff" * 6


def fate(
    dst: bytes,
    vlan: int | None,
    *,
    addr: bytes,
    any_unicast=False,
    promisc=False,
    allmulti=False,
    vlan_filter=False,
    uc=(),
    mc=(),
    vlans=(),
) -> str | None:
    """The fate of a frame that is not let in; None: it is."""
    if promisc:
        return None
    mine = {addr, BROADCAST, *uc, *mc}
    multicast = dst[0] % 2 == 1
    if dst not in mine and not (multicast and allmulti) and not (not multicast and any_unicast):
        return "MAC_FILTER"
    if vlan_filter and vlan is not None and vlan % 4096 not in {0, *vlans}:
        return "VLAN_FILTER"
    return None
