"""`serve`: keep a target's server up, to try things by hand."""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from conformance.base import outlet
from conformance.base.printable import line
from conformance.engines import target
from conformance.engines.engine import Launched
from conformance.engines.problem import LaunchProblem
from conformance.engines.registry import ENGINES, engine_of
from conformance.terms.said import Piece
from conformance.terms.server import Target
from conformance.wires.registry import DEFAULT


def add(commands: Any) -> None:
    """Add the command to a parser."""
    one = commands.add_parser("serve", help="keep a target's server up, to try things by hand")
    one.add_argument("target", metavar="TARGET")
    for engine in ENGINES.values():
        release = engine.release
        one.add_argument(
            release.name,
            dest=release.name,
            metavar=release.metavar,
        )
        for switch in engine.switches:
            one.add_argument(
                switch.name,
                dest=switch.name,
                choices=switch.choices,
                default=switch.default,
                help=switch.help,
            )
    one.add_argument("--template", metavar="FILE")
    one.set_defaults(command=serve)


def serve(chosen: argparse.Namespace) -> int:
    """Start a target's server and keep it up until it is interrupted."""
    recipe = target.load(chosen.target)
    engine = engine_of(recipe)
    release = vars(chosen)[engine.release.name] or engine.release.usual(recipe)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        launched = engine.start(
            recipe,
            release=release,
            settings={one.name: vars(chosen)[one.name] for one in engine.switches},
            folder=Path(folder),
            report=outlet.notice,
            template=chosen.template,
        )
        try:
            _show(launched, recipe)
            _wait(launched)
        finally:
            launched.stop()
    return 0 if launched.alive() is False else 1


def _show(launched: Launched, recipe: Target) -> None:
    scripted = not recipe.is_real and engine_of(recipe).emission == "scripted"
    script = (Piece("text", "Hello, world."),) if scripted else None
    body = DEFAULT.greeting.hello(launched.model, script)
    outlet.say("\n" + line(f"{launched.model} at {launched.url}, log {launched.log}"))
    outlet.say(f"\ntest it:\n  pytest --server-url {launched.url} --parser {recipe.parser}")
    outlet.say(f"\nmake it say something:\n  {DEFAULT.curl(body, launched.url)}")
    outlet.say("\nstop it with Ctrl-C")


def _wait(launched: Launched) -> None:
    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        while launched.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        return
    raise LaunchProblem(f"the server has ended; its last output was:\n{launched.tail()}")
