"""Where a source is: its address with the password put in, read anew at each connection."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from turnout.config.source import Source
from turnout.errors import ConfigError

PASSWORD_BYTES_MAX = 64 * 1024


def effective_url(source: Source, url: str = "") -> str:
    """The address to connect to: `source.url`, or one of its followers given as `url`.

    This is what every connection to a source is opened with, never `source.url` itself. When the
    address has a user but no password, that of `password_file` is put in, read now: a password
    that is replaced there works from the next connection on. The result is a secret.
    Raises `ConfigError` when the file cannot be read.
    """
    url = url or source.url
    user = urlsplit(url).netloc.rpartition("@")[0]
    if not source.password_file or ":" in user:
        return url
    return put_password(url, _read(Path(source.password_file)))


def put_password(url: str, password: str) -> str:
    """`url`, which has no password, with this one for its user; without a user, as it was."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    secret = quote(password, safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{secret}@{place}" if at else place))


def followers_of(source: Source) -> list[str]:
    """The addresses to try, in order: its own first. Each is as `effective_url` gives it."""
    return [effective_url(source, url) for url in (source.url, *source.followers)]


def without_password(url: str) -> tuple[str, str]:
    """`url` without its password, and the password, unescaped; empty when it has none."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    # libpq knows a second place for it.
    options = parse_qsl(parts.query, keep_blank_values=True)
    password = unquote(password) or dict(options).get("password", "")
    query = urlencode([(key, value) for key, value in options if key != "password"], safe="/")
    return urlunsplit(parts._replace(netloc=f"{name}{at}{place}", query=query)), password


def _read(path: Path) -> str:
    """One line of text; an editor's newline at its end is not part of it."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(PASSWORD_BYTES_MAX).rstrip("\r\n")
    except OSError as error:
        raise ConfigError(
            f"The password file {path} cannot be read: {error.strerror}.",
            hint="Correct password_file of this source, or put the file there.",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"The password file {path} is not UTF-8 text.") from None
