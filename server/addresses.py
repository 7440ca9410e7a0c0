"""The names under which the page may be reached. Any other `Host` or `Origin` is foreign."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from .bind import is_loopback

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Our own origins, as browsers write them: lower case, without a default port."""

    origins: tuple[str, ...]

    @classmethod
    def of(
        cls, host: str, port: int, public_url: str | None = None, *, tls: bool = False
    ) -> "Addresses":
        """The origins of a server on a loopback host, and of the proxy in front of it.

        A server that listens beyond loopback is reached through its proxy only.

        Args:
            host: Where the server listens.
            port: Its port.
            public_url: Origin of the proxy, such as `https://bot.example.com`.
            tls: Whether the server has a certificate itself.
        """
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        names = (name.lower(), *_LOOPBACK) if is_loopback(host) else ()
        scheme = "https" if tls else "http"
        given = [f"{scheme}://{each}:{port}" for each in names]
        if public_url:
            given.append(public_url)
        return cls(tuple(dict.fromkeys(_without_default_port(each) for each in given)))

    @property
    def hosts(self) -> dict[str, str]:
        """What a `Host` header may say, each with the origin that it belongs to."""
        return {urlsplit(origin).netloc: origin for origin in self.origins}


def socket_origin(origin: str) -> str:
    """The origin that a WebSocket to the same place has: `wss` for `https`, `ws` for `http`."""
    return "ws" + origin.removeprefix("http")


def _without_default_port(origin: str) -> str:
    url = urlsplit(origin.lower())
    suffix = f":{_DEFAULT_PORT[url.scheme]}"
    return f"{url.scheme}://{url.netloc.removesuffix(suffix)}"
