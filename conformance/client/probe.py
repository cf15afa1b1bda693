"""Ask a running server who it is and what it can do; nothing is assumed."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.base.printable import visible
from conformance.base.suggest import did_you_mean, listed
from conformance.client import ruler
from conformance.client.access import OPEN, Access
from conformance.client.live import IDENTITY, coded
from conformance.client.retry import BUSY, LIMIT, REAL_TIME, Clock, pauses, seconds_of
from conformance.client.secrecy import MASK
from conformance.engines import registry
from conformance.formats import FORMATS, PARSERS, Format
from conformance.terms.said import Piece, Script
from conformance.terms.server import DRAFTS, Copies, Server

SIZE = 8_000_000
CONNECT = 10.0
STEPS = (1, 2)
"""Tokens in the first step of the engine, and in each further one."""
FIRST_PAUSE = 0.5
"""Seconds between the first two attempts, where the server has not said how many."""
DOCUMENT = 20.0
"""Seconds for a whole document."""
ANSWER = 120.0
"""Seconds for a whole answer of the model; the first one after a start takes longest."""

COPYING = "copying"
"""In the name of a model that may be a copying one, so that it is tried."""

SHOWN = 160
"""Bytes of an answer that a message repeats."""

HARD_TO_TELL = 'Is it "so" , or not ?  It \'s <tool_call>\n{"a" : [1 , 2]} here .'
"""Text that tokenizers are known to tidy up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """How a wire asks a server that nobody knows yet."""

    path: str
    """Where a model answers."""
    hello: Callable[[str, Script | None], Json]
    """Writes a short request to a model; with a script to say, or for a few words of its own."""
    conversation: Callable[[str, Sequence[Json], int], Json]
    """Writes a request to a model for an answer of at most so many tokens to some messages."""
    in_steps: Callable[[Json, Sequence[int]], Json]
    """Asks that the script of a request be said so many tokens at a time."""
    with_drafts: Callable[[Json, int], Json]
    """Asks that so many tokens of the script of a request be guessed ahead."""
    with_tool: Callable[[Json], Json]
    """Adds a tool to a request; there are templates that cannot do without."""
    shown: Callable[[Json], Json]
    """Adds to a body that the answer's token ids be shown."""
    text: Callable[[Json], str | None]
    """Gives the text of an answer; `None` if there is none."""
    ids: Callable[[Json], Sequence[int]]
    """Gives the token ids of an answer; empty if none are shown."""
    schema: str
    """The name of its request in `/openapi.json`."""
    prompts: Sequence[str]
    """Where a server may show the prompt of a request, the best place first."""


class ProbeProblem(Exception):
    """A server cannot be tested; the message says what was seen and what to do."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back to a question, without secrets."""

    status: int
    data: bytes

    @property
    def document(self) -> Json | None:
        """Its JSON; `None` if it is not JSON."""
        try:
            return jsonvalue.plain(jsonvalue.parse(self.data.decode("utf-8")))
        except ValueError:
            return None

    @property
    def shown(self) -> str:
        """Its status and its first words, for a message."""
        words = visible(self.data[:SHOWN].decode("utf-8", "replace").strip())
        return f"{self.status} ({words})" if words else str(self.status)


class Probe:
    """Questions to one server."""

    def __init__(
        self,
        url: str,
        access: Access = OPEN,
        patience: float = LIMIT,
        clock: Clock = REAL_TIME,
        *,
        greeting: Greeting,
        said: str = "",
    ) -> None:
        """Take the URL up to `/v1`, and how many seconds to wait for a busy server.

        `said` is what the user gives openly, such as the model's name, so that it is no secret.
        """
        self._greeting = greeting
        self._patience = patience
        self._clock = clock
        self.url = url.rstrip("/")
        key = {"authorization": f"Bearer {access.api_key}"} if access.api_key else {}
        given = {name.lower(): value for name, value in access.sent.items()}
        self._headers = {**key, **given}
        self._verify = access.verify
        self._secrets = access.secrets.except_in(said)

    def get(self, url: str) -> Json | None:
        """Get a JSON document; `None` if the server has none there."""
        found = self._ask("GET", url)
        return found.document if found.status == 200 else None

    def models(self) -> list[str]:
        """List the models that the server names; raises `ProbeProblem`."""
        found = self._ask("GET", f"{self.url}/models")
        status, document = found.status, found.document
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

    def says_in_steps(self, model: str, script: Script) -> bool:
        """Whether the model says a script several tokens at a time; most servers refuse that."""
        hello = self._greeting.hello(model, script)
        return self._says(script, self._greeting.in_steps(hello, STEPS))

    def says_drafted(self, model: str, script: Script) -> bool:
        """Whether the tokens of a script can be guessed ahead; most servers refuse that."""
        hello = self._greeting.hello(model, script)
        return self._says(script, self._greeting.with_drafts(hello, DRAFTS))

    def _says(self, script: Script, body: Json) -> bool:
        found = self._first_answer(body)
        text = None if found is None else self._greeting.text(found)
        return text == "".join(piece.text for piece in script)

    def says(self, model: str, script: Script) -> str | None:
        """Ask the model to say a script; give the text that came, or `None` if that was refused.

        It was refused if the same request is answered without the script. Where that fails as
        well, the failure says nothing about scripts: raises `ProbeProblem`.
        """
        seen: defaultdict[str, list[str]] = defaultdict(list)
        for dressed, more, alone in self._dresses:
            scripted = self._greet(dressed(self._greeting.hello(model, script)))
            if scripted.status == 200:
                return self._greeting.text(scripted.document)
            plain = self._greet(dressed(self._greeting.hello(model, None)))
            if plain.status == 200 and 400 <= scripted.status < 500:
                return None
            seen[scripted.shown].append(f"a script{more}")
            seen[plain.shown].append(alone)
        told = "; ".join(f"{answer} to {', '.join(asked)}" for answer, asked in seen.items())
        raise ProbeProblem(
            f"{self.url}: whether it says scripts cannot be known, because it answered {told}; "
            "look into its log, or give --emission sampled to send none"
        )

    @property
    def _dresses(self) -> Sequence[tuple[Callable[[Json], Json], str, str]]:
        """Give what can be done to a request, and how to name one with and without a script."""
        bare = (lambda body: body), "", "a plain request"
        return bare, (self._greeting.with_tool, " and a tool", "a tool alone")

    def _greet(self, body: Json) -> _Answer:
        return self._ask("POST", f"{self.url.removesuffix('/v1')}{self._greeting.path}", body)

    def _first_answer(self, body: Json) -> Json | None:
        """Give the first good answer to a request, in any of its dresses."""
        answers = (self._greet(dressed(body)) for dressed, *_ in self._dresses)
        return next((one.document for one in answers if one.status == 200), None)

    def shows_tokens(self, model: str) -> bool:
        """Whether an answer's token ids are shown, and their text is given exactly.

        Some tokenizers remove spaces before punctuation when they decode. Then the text is not what
        the model said.
        """
        hello = self._greeting.hello(model, None)
        found = self._first_answer(self._greeting.shown(hello))
        if not self._greeting.ids(found):
            return False
        root = self.url.removesuffix("/v1")
        text = {"model": model, "prompt": HARD_TO_TELL, "add_special_tokens": False}
        document = self._ask("POST", f"{root}/tokenize", text).document
        ids = document.get("tokens") if isinstance(document, dict) else None
        tokens = {"model": model, "tokens": ids}
        document = self._ask("POST", f"{root}/detokenize", tokens).document
        back = document.get("prompt") if isinstance(document, dict) else None
        return isinstance(back, str) and HARD_TO_TELL in back

    def answers(self, model: str, messages: Sequence[Json], tokens: int) -> str | None:
        """Give the text of an answer of so many tokens to some messages; `None` if there is none.

        A request that is refused is asked once more, with a tool.
        """
        found = self._first_answer(self._greeting.conversation(model, messages, tokens))
        return None if found is None else self._greeting.text(found)

    def _ask(self, method: str, url: str, body: Json = None) -> _Answer:
        """Ask until the server is not busy; only then is an answer about the server itself."""
        limit = DOCUMENT if body is None else ANSWER
        try:
            status, data = asyncio.run(self._until_not_busy(method, url, body, limit))
        except httpx2.InvalidURL as problem:
            raise ProbeProblem(f"{url!r} is not a URL: {problem}") from None
        except TimeoutError:
            raise ProbeProblem(f"no answer from {url} within {limit:g} s") from None
        except httpx2.HTTPError as problem:
            reason = self._secrets.hide(str(problem)) or type(problem).__name__
            hint = "give --ca-file" if "CERTIFICATE" in reason else "is the server up?"
            raise ProbeProblem(f"no answer from {url}: {reason}; {hint}") from None
        return _Answer(status, self._secrets.hide_bytes(data))

    async def _until_not_busy(
        self, method: str, url: str, body: Json, limit: float
    ) -> tuple[int, bytes]:
        end = self._clock.now() + self._patience
        for own in pauses(FIRST_PAUSE):
            status, asked, data = await self._fetch(method, url, body, limit)
            if status not in BUSY:
                break
            pause = asked or own
            if self._clock.now() + pause > end:
                reason = f"for longer than --patience {self._patience:g}; try again later"
                raise ProbeProblem(f"{url} answered {status}, {reason}")
            await self._clock.sleep(pause)
        return status, data

    async def _fetch(
        self, method: str, url: str, body: Json, limit: float
    ) -> tuple[int, float | None, bytes]:
        # A limit on each read alone would wait for ever for a server that drips.
        timeout = httpx2.Timeout(None, connect=CONNECT)
        async with (
            asyncio.timeout(limit),
            httpx2.AsyncClient(
                timeout=timeout,
                headers=IDENTITY | self._headers,
                verify=self._verify,
                trust_env=False,
            ) as client,
            client.stream(method, url, json=body) as response,
        ):
            if (why := coded(response)) is not None:
                raise ProbeProblem(f"{url} answered with {why}")
            data = b""
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > SIZE:
                    raise ProbeProblem(f"{url} answered more than {SIZE} bytes")
            return response.status_code, seconds_of(response.headers.get("retry-after")), data


def examine(
    url: str,
    *,
    greeting: Greeting,
    parser: str,
    model: str | None = None,
    format: str | None = None,
    emission: str = "auto",
    access: Access = OPEN,
    patience: float = LIMIT,
    template: str | None = None,
    packages: Mapping[str, str] | None = None,
    clock: Clock = REAL_TIME,
) -> Server:
    """Ask a server for all that the suite needs; raises `ProbeProblem`."""
    if not url.startswith(("http://", "https://")):
        raise ProbeProblem(f"{url!r} is not a URL of a server; allowed: http://HOST:PORT/v1")
    probe = Probe(url, access, patience, clock, greeting=greeting, said=model or "")
    model = _choose_model(probe.models(), model, url)
    root = probe.url.removesuffix("/v1")
    implementation, version = registry.recognise(lambda path: probe.get(f"{root}{path}"))
    openapi = probe.get(f"{root}/openapi.json")
    scripted = emission in ("auto", "scripted") and _is_scripted(probe, model)
    if emission == "scripted" and not scripted:
        raise ProbeProblem(
            f"--emission scripted: {url} does not say the script; "
            "start it with --logits-processors conformance.replay:Replay"
        )
    spoken = format or _format(probe, model, parser, scripted)
    copies = None if scripted else _copies(probe, model, FORMATS[spoken], emission)
    says = "scripted" if scripted else "sampled" if copies is None else "copied"
    return Server(
        url=probe.url,
        model=model,
        implementation=implementation,
        version=version,
        parser=parser,
        format=spoken,
        template=template,
        packages=dict(packages or {}),
        emission=says,
        takes_interval=_has_field(openapi, greeting.schema, "stream_interval"),
        takes_steps=scripted and probe.says_in_steps(model, _secret()),
        takes_drafts=scripted and probe.says_drafted(model, _secret()),
        render_path=_prompts(openapi, greeting.prompts),
        shows_token_ids=says == "sampled" and probe.shows_tokens(model),
        copies=copies,
    )


def _choose_model(models: list[str], wanted: str | None, url: str) -> str:
    if wanted is not None and wanted not in models:
        raise ProbeProblem(f"--model: {url} has no {wanted!r}; {did_you_mean(wanted, models)}")
    if wanted is None and len(models) != 1:
        seen = f"{url} serves several models or none ({listed(models)})"
        raise ProbeProblem(f"{seen}; choose with --model")
    if wanted is None and MASK in models[0]:
        raise ProbeProblem(
            f"{url} has the key or a header's value in its model's id, which results would show; "
            "use another key, or give the id with --model"
        )
    return wanted or models[0]


def _secret() -> Script:
    """Write what no model says by itself."""
    return (Piece("text", f"yes {secrets.token_hex(8)}"),)


def _is_scripted(probe: Probe, model: str) -> bool:
    script = _secret()
    return probe.says(model, script) == script[0].text


def _format(probe: Probe, model: str, parser: str, scripted: bool) -> str:
    if parser not in PARSERS:
        raise ProbeProblem(
            f"--parser: {parser!r} is unknown; {did_you_mean(parser, PARSERS)}; "
            "for another parser of a known format give --format"
        )
    if scripted:
        for format in FORMATS.values():
            signed = parser in format.parsers and format.sign
            if signed and probe.says(model, signed) is not None:
                return format.name
    return PARSERS[parser]


def _copies(probe: Probe, model: str, format: Format, emission: str) -> Copies | None:
    """Find out where a copying model looks, if the user or its name says that it is one."""
    if emission != "copied" and not (emission == "auto" and COPYING in model):
        return None
    found = ruler.measure(lambda messages, tokens: probe.answers(model, messages, tokens), format)
    if found is None and emission == "copied":
        raise ProbeProblem(
            f"--emission copied: {model!r} of {probe.url} does not say what stands in its prompt; "
            "serve a model that `python -m conformance model` has written, with its own template"
        )
    return found


def _prompts(document: Json, places: Sequence[str]) -> str | None:
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, dict) or "/detokenize" not in paths:
        return None
    return next((path for path in places if path in paths), None)


def _has_field(document: Json, schema: str, field: str) -> bool:
    try:
        properties = document["components"]["schemas"][schema]["properties"]
    except (LookupError, TypeError):
        return False
    return field in properties
