"""An installation whose engine serves the HTTP API, and clients of it."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from tests.acceptance.support.installation import Engine, Installation

TOKENS = {
    "boss": "the-supervisors-token",
    "crm": "the-integrators-token",
    "anna": "annas-token",
    "desktop": "any-agents-token",
}
_ROLES = {"boss": "supervisor", "crm": "integrator", "anna": "agent", "desktop": "agent"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Api:
    """Where the engine serves."""

    port: int
    authority: Path | None = None
    """Who has signed its certificate; None: it has none, and speaks HTTP."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        if self.authority is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        trusted = ssl.create_default_context(cafile=self.authority)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=trusted)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = TOKENS["boss"],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a body that is no text is sent as JSON."""
        text = body if isinstance(body, str | None) else json.dumps(body)
        all_headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})

        def fetch() -> Answer:
            with closing(self.connect()) as connection:
                connection.request(method, path, body=text, headers=all_headers)
                answer = connection.getresponse()
                raw = answer.read().decode()
                of_json = answer.headers.get_content_type() == "application/json"
                body = json.loads(raw) if of_json and raw else raw
                return Answer(answer.status, dict(answer.headers), body)

        return await trio.to_thread.run_sync(fetch)

    async def succeed(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        """The body of an answer that is no error."""
        answer = await self.ask(method, path, body, **more)
        assert answer.status < 300, answer
        return answer.body


def serve_api(installation: Installation, *more: str) -> None:
    """Let the engine serve the API at any free port, to one client of each kind.

    `more` are lines of `[api]`.
    """
    tables = ["\n".join(["[api]", "enabled = true", "port = 0", *more, ""])]
    for name, token in TOKENS.items():
        file = installation.folder / f"{name}.token"
        file.write_text(token + "\n")
        file.chmod(0o600)
        agent = 'agent = "anna"\n' if name == "anna" else ""
        tables.append(
            f'[[api_client]]\nname = "{name}"\nrole = "{_ROLES[name]}"\n{agent}'
            f'token_file = "{file.name}"\n'
        )
    with (installation.folder / "acd.toml").open("a") as settings:
        settings.write("\n".join(["", *tables]))


@asynccontextmanager
async def open_api_engine(
    installation: Installation, *, authority: Path | None = None
) -> AsyncIterator[tuple[Engine, Api]]:
    """`acd run`, as soon as its API answers; `authority` as in `Api`."""
    async with installation.engine() as engine:
        with trio.fail_after(60):
            while (port := _served(engine, "http" if authority is None else "https")) is None:
                assert engine.process.poll() is None, engine.log()
                await trio.sleep(0.05)  # a log file raises no event
        yield engine, Api(port, authority)


def _served(engine: Engine, scheme: str) -> int | None:
    for line in engine.logged("api.serving"):
        address: str = line["address"]
        assert address.startswith(f"{scheme}://"), address
        return int(address.rpartition(":")[2])
    return None


def add_agents(folder: Path, *rows: str) -> None:
    """`agents.csv` with these lines."""
    lines = ["name,extension,campaigns", *rows, ""]
    (folder / "agents.csv").write_text("\n".join(lines))
