"""Access to a server: the token, the address it listens on, and TLS."""

import hmac
import ipaddress
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source, installed

_TOKEN_BYTES = 16


def check_websockets() -> None:
    """Raises ConfigError where the extra is not installed."""
    if not installed("websockets"):
        raise ConfigError(f"serving and watching need websockets: {from_source('serve')}")


@dataclass(frozen=True)
class Access:
    """Address and rights of a server.

    Attributes:
        host: address to listen on; other machines reach only one that is not of the loopback, which needs TLS.
        port: 0 for a free one.
        read_only: readers may look, and choose a view; commands that change the run are refused.
        certificate, key: PEM files for TLS.
        token: what a reader must know.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    read_only: bool = False
    certificate: Path | None = None
    key: Path | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES), repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise ConfigError(f"--port {self.port}: expected 0 to 65535, 0 for a free one")
        if not self.token:
            raise ConfigError("token: empty; expected a secret")
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("--tls-cert and --tls-key: one given without the other; expected both")
        if self.certificate is None and not is_loopback(self.host):
            raise ConfigError(
                f"--host {self.host}: other machines may reach this address; expected --tls-cert and --tls-key with it, "
                "or an SSH tunnel to the loopback, which is the default"
            )

    def admits(self, token: object) -> bool:
        """Whether a reader's token is the right one; takes as long for a wrong one."""
        return isinstance(token, str) and hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def tls(self) -> ssl.SSLContext | None:
        """The context for TLS; None without.

        Raises:
            ConfigError: the files cannot be read, or are no certificate and its key.
        """
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"--tls-cert {self.certificate}, --tls-key {self.key}: {reason}; expected PEM files") from None
        return context


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_password() -> str:
    raise ValueError("the key has a password")
