"""The names under which the page may be reached. Any other `Host` or `Origin` is foreign."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Our own origins, as browsers write them: lower case, without a default port."""

    origins: tuple[str, ...]

    @classmethod
    def of(cls, host: str, port: int, public_url: str | None = None) -> "Addresses":
        """The origins of a server on a loopback host, and of the proxy in front of it.

        Args:
            host: Where the server listens.
            port: Its port.
            public_url: Origin of the proxy, such as `https://bot.example.com`.
        """
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        local = [f"http://{each}:{port}" for each in dict.fromkeys((name.lower(), *_LOOPBACK))]
        given = [*local, *([public_url] if public_url else [])]
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
