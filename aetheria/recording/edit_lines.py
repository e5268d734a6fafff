"""Edits as lines of a recording's edit log, written and read."""

from pathlib import Path

from aetheria.core.errors import DamagedRecordingError, RecordingError
from aetheria.motor.edits import Edit, from_json, to_json
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import checksums


class EditLines:
    """Follows the edits of a motor; each becomes a line that ends with a checksum over all lines up to it.

    Attributes:
        made: edits of the motor that have become lines.
    """

    def __init__(self, motor: Aetheria_Motor, made: int | None) -> None:
        """
        Args:
            motor: whose edits to follow.
            made: edits before the present state, where a recording is resumed; None: the first line is the motor's first edit.
        """
        self.made = made or 0
        self._edits = motor.follow_edits(made)
        self._known = 0  # edits to come that are in the file already
        self._checksum = 0  # of all lines in the file

    def continue_after(self, lines: list[bytes]) -> None:
        """Tells the lines that the file holds already: of past edits, and of edits that will be repeated."""
        self._known = max(0, len(lines) - self.made)
        self._checksum = (checksums.split_line(lines[-1])[1] or 0) if lines else 0

    def new_lines(self) -> bytes:
        """Lines of the edits made since the last call, without those in the file already."""
        edits = self._edits.read()
        self.made += len(edits)
        known = min(self._known, len(edits))
        self._known -= known
        lines = b""
        for edit in edits[known:]:
            line = to_json(edit).encode()
            self._checksum = checksums.of_edit(line, self._checksum)
            lines += checksums.join_line(line, self._checksum)
        return lines

    def lines_before(self, count: int) -> int:
        """Lines that existed when the motor's log had counted `count` edits."""
        return self._edits.position(count)

    def close(self) -> None:
        """Stops following."""
        self._edits.close()


def read_edits(lines: list[bytes], path: Path, checked: bool) -> list[Edit]:
    """The edits of a log's lines.

    Args:
        lines: of the log.
        path: of the recording, for errors.
        checked: the lines have checksums, which those of schema 2 have not.

    Raises:
        DamagedRecordingError: a line is not as it was written.
    """
    found: list[Edit] = []
    checksum = 0
    for number, line in enumerate(lines):
        text, wanted = checksums.split_line(line) if checked else (line, 0)
        checksum = checksums.of_edit(text, checksum) if checked else 0
        if checksum != wanted:
            raise DamagedRecordingError(path, f"edit {number} is damaged; its checksum does not match")
        try:
            found.append(from_json(text))
        except RecordingError as error:
            raise DamagedRecordingError(path, f"edit {number} is damaged; {error}") from None
    return found
