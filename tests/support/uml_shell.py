"""A guest with a shell that a test types into: User Mode Linux, asked one command after another."""

from pathlib import Path

from guest import PATIENCE_S
from uml import Guest

_BEGIN = 'load; up; stty -echo; echo guest: shell; while read -r line; do eval "$line"; done\n'


class Shell(Guest):
    """A guest whose card is up, and whose shell reads what ask() writes."""

    def __init__(self, folder: Path, socket: Path, begin: str = _BEGIN) -> None:
        super().__init__(folder, socket, begin)

    def boot(self) -> None:
        super().boot()
        self.says("guest: shell")

    def tell(self, command: str) -> None:
        """Begin a command."""
        self.asked += 1
        self.process.stdin.write(f"{command}\necho guest: did {self.asked}\n".encode())
        self.process.stdin.flush()

    def ask(self, command: str, seconds: float = PATIENCE_S) -> str:
        """Run a command to its end. Return: what it printed."""
        self.tell(command)
        return self.answer(seconds)

    def answer(self, seconds: float = PATIENCE_S) -> str:
        """Wait for the end of the last command. Return: what it printed."""
        end = f"guest: did {self.asked}"
        before = f"guest: did {self.asked - 1}" if self.asked > 1 else "guest: shell"
        said = self.says(end + "\r\n" if "\r" in self.said() else end + "\n", seconds)
        return said.split(before, 1)[1].rpartition(end)[0].replace("\r\n", "\n").lstrip("\n")
