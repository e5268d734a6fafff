"""What was changed by hand, as lines of a recording's log."""

from aetheria.motor.edits import to_json
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import checksums


class EditLines:
    """Follows the edits of a motor; each becomes a line that ends with a checksum over all lines up to it.

    Attributes:
        made: how many edits of the motor have become lines.
    """

    def __init__(self, motor: Aetheria_Motor, made: int | None) -> None:
        """
        Args:
            motor: whose edits to follow.
            made: how many are behind it, where a recording is gone on with; None: its first line is the motor's first edit.
        """
        self.made = made or 0
        self._edits = motor.follow_edits(made)
        self._known = 0  # how many of those that follow are in the file already
        self._checksum = 0  # of all lines in the file

    def go_on_behind(self, lines: list[bytes]) -> None:
        """Says what the file holds already: edits that were made before, and such as will be made again."""
        self._known = max(0, len(lines) - self.made)
        self._checksum = (checksums.parted(lines[-1])[1] or 0) if lines else 0

    def take(self) -> bytes:
        """Lines of the edits made since it was called last, but for those in the file already."""
        edits = self._edits.read()
        self.made += len(edits)
        known = min(self._known, len(edits))
        self._known -= known
        lines = b""
        for edit in edits[known:]:
            line = to_json(edit).encode()
            self._checksum = checksums.of_edit(line, self._checksum)
            lines += checksums.with_checksum(line, self._checksum)
        return lines

    def place(self, count: int) -> int:
        """How many lines there were when the motor's log had counted `count` edits."""
        return self._edits.position(count)

    def close(self) -> None:
        """Follows no longer."""
        self._edits.close()
