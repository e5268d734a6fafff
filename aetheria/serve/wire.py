"""Messages of a server in the form in which they go through sockets."""

from websockets.frames import Frame, Opcode


def wire_form(message: str | bytes) -> bytes:
    """A server's message as it goes through a socket: the same for every reader, so that it is made once for all of them."""
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    return Frame(opcode, message.encode() if isinstance(message, str) else message).serialize(mask=False)
