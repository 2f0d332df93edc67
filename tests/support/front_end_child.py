"""Front-ends to be killed: a process that forks one for each line of its standard input, PATH, and prints its number.

A child attaches to PATH, receives and sends without end. Once frames go both ways it prints "up". Whoever started this
kills the child; an empty line ends the process that forks.
"""

import os
import sys

import frames
from front_end import FrontEnd


def child(path: str) -> None:
    """Attach, and work until the end."""
    front, sent, said = FrontEnd(path).start(), [frames.udp(b"x" * 100, sport=i) for i in range(32)], False
    while True:
        front.transmit(*sent)
        back = front.rings[1].wait(len(sent), 0.2)
        got = front.frames(1, seconds=0.05)
        if back and got and not said:
            said = True
            sys.stdout.write("up\n")
            sys.stdout.flush()


def main() -> None:
    """See the module's text."""
    for line in iter(sys.stdin.readline, "\n"):
        if not line:
            return
        pid = os.fork()
        if pid == 0:
            child(line.strip())
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
