"""Ask a running server who it is and what it can do; nothing is assumed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping

import httpx2

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.base.suggest import did_you_mean
from conformance.client.access import OPEN, Access
from conformance.client.retry import BUSY, LIMIT, LONGEST, seconds_of
from conformance.engines import registry
from conformance.formats import FORMATS, PARSERS
from conformance.scripting import SCRIPT_FIELD, encode
from conformance.terms.said import Piece, Script
from conformance.terms.server import RENDER, Server

SIZE = 8_000_000
CONNECT = 10.0
DOCUMENT = 20.0
"""Seconds for a whole document."""
ANSWER = 120.0
"""Seconds for a whole answer of the model; the first one after a start takes longest."""

HARD_TO_TELL = 'Is it "so" , or not ?  It \'s <tool_call>\n{"a" : [1 , 2]} here .'
"""Text that tokenizers are known to tidy up."""


class ProbeProblem(Exception):
    """A server cannot be tested; the message says what was seen and what to do."""


class Probe:
    """Questions to one server."""

    def __init__(self, url: str, access: Access = OPEN, patience: float = LIMIT) -> None:
        """Take the URL up to `/v1`, and how many seconds to wait for a busy server."""
        self._patience = patience
        self.url = url.rstrip("/")
        key = {"authorization": f"Bearer {access.api_key}"} if access.api_key else {}
        given = {name.lower(): value for name, value in access.sent.items()}
        self._headers = {**key, **given}
        # Made once: reading the system's authorities takes longer than a question.
        self._verify = access.authority or httpx2.create_ssl_context()

    def get(self, url: str) -> Json | None:
        """Get a JSON document; `None` if the server has none there."""
        status, document = self._ask("GET", url)
        return document if status == 200 else None

    def models(self) -> list[str]:
        """List the models that the server names; raises `ProbeProblem`."""
        status, document = self._ask("GET", f"{self.url}/models")
        if status in (401, 403):
            raise ProbeProblem(
                f"{self.url}/models answered {status}; give the key in CONFORMANCE_API_KEY, "
                "or what a gateway wants with --header"
            )
        data = document.get("data") if isinstance(document, dict) else None
        if status != 200 or not isinstance(data, list):
            raise ProbeProblem(
                f"{self.url}/models answered {status} without a list of models; "
                "the URL goes up to /v1, as for the OpenAI client"
            )
        return [str(item["id"]) for item in data if isinstance(item, dict) and "id" in item]

    def says(self, model: str, script: Script) -> str | None:
        """Ask the model to say a script; give the text that came, or `None` if it was refused."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 64,
            "temperature": 0,
            "vllm_xargs": {SCRIPT_FIELD: encode(script, "tokens")},
        }
        status, document = self._ask("POST", f"{self.url}/chat/completions", body)
        if status != 200 or not isinstance(document, dict):
            return None
        try:
            return str(document["choices"][0]["message"]["content"])
        except (LookupError, TypeError):
            return None

    def shows_tokens(self, model: str) -> bool:
        """Whether an answer's token ids are shown, and their text is told to the letter.

        Some tokenizers take out spaces before signs where they decode; what they tell is not what
        the model said.
        """
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 4,
            "temperature": 0,
            "return_token_ids": True,
        }
        _, document = self._ask("POST", f"{self.url}/chat/completions", body)
        try:
            shown = document["choices"][0]["token_ids"] if document else None
        except (LookupError, TypeError):
            return False
        if not isinstance(shown, list) or not shown:
            return False
        root = self.url.removesuffix("/v1")
        asked = {"model": model, "prompt": HARD_TO_TELL, "add_special_tokens": False}
        _, document = self._ask("POST", f"{root}/tokenize", asked)
        ids = document.get("tokens") if isinstance(document, dict) else None
        _, document = self._ask("POST", f"{root}/detokenize", {"model": model, "tokens": ids})
        told = document.get("prompt") if isinstance(document, dict) else None
        return isinstance(told, str) and HARD_TO_TELL in told

    def _ask(self, method: str, url: str, body: Json = None) -> tuple[int, Json | None]:
        """Ask until the server is not busy, for what it says then tells nothing of it."""
        end, pause = time.monotonic() + self._patience, 0.5
        while True:
            status, asked, document = self._ask_once(method, url, body)
            if status not in BUSY:
                return status, document
            if time.monotonic() + (asked or pause) > end:
                told = f"for longer than --patience {self._patience:g}; try again later"
                raise ProbeProblem(f"{url} answered {status}, {told}")
            time.sleep(asked or pause)
            pause = min(LONGEST, pause * 2)

    def _ask_once(self, method: str, url: str, body: Json) -> tuple[int, float | None, Json | None]:
        limit = DOCUMENT if body is None else ANSWER
        try:
            status, asked, data = asyncio.run(self._fetch(method, url, body, limit))
        except httpx2.InvalidURL as problem:
            raise ProbeProblem(f"{url!r} is no URL: {problem}") from None
        except TimeoutError:
            raise ProbeProblem(f"no answer from {url} within {limit:g} s") from None
        except httpx2.HTTPError as problem:
            told = str(problem) or type(problem).__name__
            hint = "give --ca-file" if "CERTIFICATE" in told else "is the server up?"
            raise ProbeProblem(f"no answer from {url}: {told}; {hint}") from None
        try:
            return status, asked, jsonvalue.plain(jsonvalue.parse(data.decode("utf-8")))
        except ValueError:
            return status, asked, None

    async def _fetch(
        self, method: str, url: str, body: Json, limit: float
    ) -> tuple[int, float | None, bytes]:
        # A limit on each read alone would wait for ever for a server that drips.
        timeout = httpx2.Timeout(None, connect=CONNECT)
        async with (
            asyncio.timeout(limit),
            httpx2.AsyncClient(
                timeout=timeout, headers=self._headers, verify=self._verify, trust_env=False
            ) as client,
            client.stream(method, url, json=body) as response,
        ):
            data = b""
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > SIZE:
                    raise ProbeProblem(f"{url} answered more than {SIZE} bytes")
            return response.status_code, seconds_of(response.headers.get("retry-after")), data


def examine(
    url: str,
    *,
    parser: str,
    model: str | None = None,
    format: str | None = None,
    emission: str = "auto",
    access: Access = OPEN,
    patience: float = LIMIT,
    template: str | None = None,
    packages: Mapping[str, str] | None = None,
) -> Server:
    """Ask a server for all that the suite needs; raises `ProbeProblem`."""
    if not url.startswith(("http://", "https://")):
        raise ProbeProblem(f"{url!r} is no URL of a server; allowed: http://HOST:PORT/v1")
    probe = Probe(url, access, patience)
    model = _choose_model(probe.models(), model, url)
    root = probe.url.removesuffix("/v1")
    implementation, version = registry.recognise(lambda path: probe.get(f"{root}{path}"))
    openapi = probe.get(f"{root}/openapi.json")
    scripted = emission != "sampled" and _is_scripted(probe, model)
    if emission == "scripted" and not scripted:
        raise ProbeProblem(
            f"--emission scripted: {url} does not say what it is told; "
            "start it with --logits-processors conformance.replay:Replay"
        )
    return Server(
        url=probe.url,
        model=model,
        implementation=implementation,
        version=version,
        parser=parser,
        format=format or _format(probe, model, parser, scripted),
        template=template,
        packages=dict(packages or {}),
        emission="scripted" if scripted else "sampled",
        intervals=_has_field(openapi, "stream_interval"),
        prompts=_prompts(openapi),
        tokens=not scripted and probe.shows_tokens(model),
    )


def _choose_model(models: list[str], wanted: str | None, url: str) -> str:
    if wanted is not None and wanted not in models:
        raise ProbeProblem(f"--model: {url} has no {wanted!r}; {did_you_mean(wanted, models)}")
    if wanted is None and len(models) != 1:
        listed = ", ".join(models) or "none"
        raise ProbeProblem(f"{url} serves several models or none ({listed}); choose with --model")
    return wanted or models[0]


def _is_scripted(probe: Probe, model: str) -> bool:
    secret = f"yes {secrets.token_hex(8)}"
    return probe.says(model, (Piece("text", secret),)) == secret


def _format(probe: Probe, model: str, parser: str, scripted: bool) -> str:
    if parser not in PARSERS:
        raise ProbeProblem(
            f"--parser: {parser!r} is unknown; {did_you_mean(parser, PARSERS)}; "
            "for another parser of a known format give --format"
        )
    if scripted and parser == "mistral":
        # vLLM's mistral parser takes the later format when the vocabulary has this token.
        later = FORMATS["mistral-v11"]
        said = probe.says(model, (Piece("text", "x"), Piece("control", "[ARGS]")))
        return "mistral" if said is None else later.name
    return PARSERS[parser]


def _prompts(document: Json) -> str | None:
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, dict) or "/detokenize" not in paths:
        return None
    return next((path for path in (RENDER, "/tokenize") if path in paths), None)


def _has_field(document: Json, field: str) -> bool:
    try:
        properties = document["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    except (LookupError, TypeError):
        return False
    return field in properties
