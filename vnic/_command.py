"""The command ``vnic`` before the package is loaded: loading takes a while, and Ctrl-C ends it quietly."""

import signal
import sys


def main() -> None:
    """Run the command. The kernel handles SIGINT until there is something to close or undo (vnic.cli.exit)."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from vnic.cli.commands import main as command
    except (ImportError, MemoryError, OSError) as e:  # installed in part, or too little memory to load it
        sys.exit(f"vnic: cannot be loaded: {' '.join(str(e).split()) or 'there is not enough memory'}")
    command()
