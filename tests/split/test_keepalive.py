"""TCP keepalive of the connections between processes."""

import socket

from aetheria.split.keepalive import SILENCE_S, kept_alive


def test_connections_opened_in_the_block_end_when_their_peer_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as earlier:
        with kept_alive():
            opened = socket.create_connection(server.getsockname())
        with opened:
            assert [one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for one in (earlier, opened)] == [0, 1]
            probe = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            assert probe * (1 + opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)) == SILENCE_S
