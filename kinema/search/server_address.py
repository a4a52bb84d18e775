"""Addresses of indexes on servers: ``postgresql://USER@HOST:PORT/DATABASE?schema=NAME``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from kinema.errors import ConfigError

SCHEMA = "kinema"
"""Where an address names none; several indexes of a database lie in a schema each."""
LOCAL = "[local]"
"""The host of an address that names none: the socket of this machine."""
_FORM = "postgresql://USER@HOST:PORT/DATABASE?schema=NAME"


@dataclass(frozen=True)
class ServerAddress:
    """An address, taken apart.

    Attributes:
        connection: what libpq takes, with whatever the address says of passwords.
        schema: where in the database the tables are.
        path: what the index is called: the address without passwords.
    """

    connection: str
    schema: str
    path: Path

    @classmethod
    def of(cls, text: str) -> ServerAddress:
        """Of what a user wrote.

        Raises:
            ConfigError: it is no address; what it says is not told, since there may be a password in it.
        """
        try:
            parts = urlsplit(text.replace(f"//{LOCAL}", "//", 1).replace(f"@{LOCAL}", "@", 1))
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            schema = options.pop("schema", SCHEMA)
            user, host, port = parts.username, parts.hostname, parts.port
        except ValueError:
            raise _wrong("it cannot be taken apart") from None
        if parts.fragment:
            raise _wrong("it has a #")
        if "/" in parts.path.lstrip("/"):
            raise _wrong("more than a database comes after its host")
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema) or schema.startswith("pg_"):
            raise _wrong("a schema is called by small letters, digits and _, and not pg_...")
        rest = urlencode(options, quote_via=quote)
        connection = f"postgresql://{parts.netloc}{parts.path}" + (f"?{rest}" if rest else "")
        said = f"{quote(unquote(user))}@" if user else ""
        said += (f"[{host}]" if ":" in host else host) if host else LOCAL
        said += f":{port}" if port else ""
        said += f"/{parts.path.strip('/')}" + (f"?schema={schema}" if schema != SCHEMA else "")
        return cls(connection, schema, Path(f"postgresql://{said}"))


def _wrong(why: str) -> ConfigError:
    return ConfigError(
        f"the address of the server is none ({why}): write {_FORM}, with %40 for an @ and %2F for a / in a password, "
        "or leave that to ~/.pgpass or PGPASSWORD"
    )
