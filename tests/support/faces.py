"""What a host shows of itself in Linux's words, as a directory: vnic show --export, and a text of each tool."""

from pathlib import Path

from vnic.control import commands
from vnic.knobs.fields import FLOW_TYPES
from vnic.linux import sysctl_rows

ETHTOOL = {
    **{f"ethtool_{option}_DEV": [option, "DEV"] for option in ("-i", "-g", "-l", "-c", "-k", "-x", "-n", "-S")},
    "ethtool_DEV": ["DEV"],
    "ethtool_-Q_-c_DEV": ["-Q", "DEV", "-c"],
    **{f"ethtool_-n_DEV_rx-flow-hash_{name}": ["-n", "DEV", "rx-flow-hash", name] for name in FLOW_TYPES},
}


def texts(host):
    """Path -> text; without the hundreds of sysctls without effect, which sysctl -a has."""
    dev = host.name
    left_out = {sysctl_rows.path(n) for n, row in sysctl_rows.of_card(dev).items() if row.source.startswith("no eff")}
    paths = [p for p in commands.answer(host, "show", []).data if p.startswith("/") and p not in left_out]
    found = {path.lstrip("/"): text for path, text in commands.answer(host, "show", paths).data.items()}
    for name, argv in ETHTOOL.items():
        answer = commands.answer(host, "ethtool", [word.replace("DEV", dev) for word in argv])
        found[f"sos_commands/networking/{name.replace('DEV', dev)}"] = answer.out
    found["sos_commands/networking/ip_-d_link"] = commands.answer(host, "ip", ["-d", "link"]).out
    found["sos_commands/kernel/sysctl_-a"] = commands.answer(host, "sysctl", ["-a"]).out
    return found


def write(directory: Path, files) -> Path:
    """Write path -> text (or bytes) below a directory."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return directory
