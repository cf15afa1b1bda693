"""One pytest session against one server: what it knows, and what it has found so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.casefiles import casefile
from conformance.client.budget import Budget, Purse
from conformance.client.live import Limits, Live
from conformance.client.recording import Facts, Player, Recorder
from conformance.client.retry import Waits
from conformance.client.sender import Asker, Sender
from conformance.pytesting import collection
from conformance.pytesting.collection import CaseItem
from conformance.pytesting.options import Options
from conformance.results.reader import Results
from conformance.runs.emissions import modes_of_server
from conformance.runs.session import NO_BASELINE, NO_RATES, Session
from conformance.terms.case import Case, Mode
from conformance.terms.server import Server
from conformance.verdicts.item import Judged
from conformance.verdicts.known_issues import Known
from conformance.wires.registry import WIRES


class Run:
    """A session; every worker has its own, with the same server."""

    def __init__(
        self,
        options: Options,
        server: Server,
        *,
        known: Known,
        baseline: Results | None,
        shares: int,
        tapes: Facts | None = None,
    ) -> None:
        """Take what was found out; ask nothing yet."""
        self.options = options
        self.server = server
        self.known = known
        self.shares = shares
        self.tapes = tapes
        self.via = tapes.via if tapes else options.via
        self.recipe = tapes.repeat if tapes else options.recipe
        self.modes: tuple[Mode, ...] = modes_of_server(server, options.cuts)
        self.started = datetime.now(UTC)
        self.clock = time.monotonic()
        self._found: dict[tuple[str, str], dict[str, Any]] = {}
        self.files: set[Path] = set()
        self.selected = 0
        self.collected = 0
        self.cases: dict[str, Case] = {}
        self._tools: dict[Path, Mapping[str, Json]] = {}
        self.unmatched: tuple[str, ...] = ()
        self.baseline = baseline
        self.waits = Waits()
        self.unrecorded: Counter[str] = Counter()
        """Exchanges that `--record` could not keep, by the reason."""
        self.unasked: Counter[str] = Counter()
        """Items that were not asked, by the reason."""
        self.written: Results | None = None
        self.unwritten: list[str] = []
        """What could not be written at the end."""
        self.lost: list[str] = []
        """Workers that crashed or were killed."""
        self._session: Session | None = None
        self._begun: set[int] = set()

    def tools(self, folder: Path) -> Mapping[str, Json]:
        """Read the tools that a folder's cases share, once; raises `FileProblem`."""
        if folder not in self._tools:
            self._tools[folder] = casefile.load_tools(folder / casefile.TOOLS)
        return self._tools[folder]

    def keep(self, found: dict[str, Any]) -> None:
        """Keep an item's result; where a worker was lost, another one may come to it again."""
        self._found[found["case"], found["mode"]] = found

    @property
    def items(self) -> list[dict[str, Any]]:
        """The results so far."""
        return list(self._found.values())

    def judge(self, item: CaseItem) -> Judged:
        """Judge an item; the first one of a share begins all the share's exchanges."""
        if self._session is None:
            self._session = Session(
                self.server,
                known=self.known,
                before=self.baseline.outcomes() if self.baseline else NO_BASELINE,
                earlier=self.baseline.rates() if self.baseline else NO_RATES,
                level=self.options.level,
                asker=Asker(self._sender()),
                at_once=self._at_once,
                repeat=self.options.repeat_sampled,
                required_rate=self.options.required_rate,
            )
        share = collection.share_of(item.nodeid, self.shares)
        if share not in self._begun:
            self._begun.add(share)
            self._session.ask_ahead(
                other.subject
                for other in item.session.items
                if isinstance(other, CaseItem)
                and collection.share_of(other.nodeid, self.shares) == share
            )
        return self._session.judge(item.subject)

    @property
    def _at_once(self) -> int:
        return max(1, self.options.concurrency // self.shares)

    def _sender(self) -> Sender:
        if self.options.tapes is not None:
            return Player(self.options.tapes)
        limits = Limits(whole=self.options.timeout, patience=self.options.patience)
        live = Live(
            self.server.url, self.options.access(), limits=limits, concurrency=self._at_once
        )
        self.waits = live.waits
        sender: Sender = live
        if self.options.record is not None:
            recorder = Recorder(sender, self.options.record)
            self.unrecorded = recorder.lost
            sender = recorder
        if (whole := self.options.budget) is not None:
            # A worker cannot know what the others use.
            share = Budget(most=whole.most // self.shares, unit=whole.unit)
            sender = Purse(sender, share, {wire.path: wire.meter for wire in WIRES.values()})
        return sender

    def close(self) -> None:
        """Break off what is under way."""
        if self._session is not None:
            self._session.close()

    def repeat(self, nodeid: str) -> str:
        """Write the command that runs one item again."""
        return f'pytest "{nodeid}" {self.options.repeat}'


RUN = pytest.StashKey[Run]()
