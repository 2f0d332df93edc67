"""The command ``vnic``, before the package is there: loading that takes a while, and Ctrl-C ends it quietly."""

import signal
import sys


def main() -> None:
    """SIGINT is the kernel's to handle, until there is something to close or undo: vnic.cli.exit.interruptible."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as of a shell's background job
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from vnic.cli.main import main as command
    except (ImportError, MemoryError, OSError) as e:  # not installed whole, or not enough memory to load it
        sys.exit(f"vnic: cannot be loaded: {' '.join(str(e).split()) or 'there is not enough memory'}")
    command()
