"""Where the suite's own programs print: whatever the text, it comes out visible and inert."""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper

from conformance.base import printable
from conformance.base.jsonvalue import Json


def ready() -> None:
    """Let standard output show as escapes what its encoding lacks; Python would raise.

    What prints without asking here, such as argparse, is covered too.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print lines for a person."""
    print(printable.block(text), flush=True)


def notice(text: str) -> None:
    """Print beside the results: what goes on meanwhile, what to do next, what is wrong."""
    print(printable.block(text), file=sys.stderr, flush=True)


def data(found: Json) -> None:
    """Print JSON for a program; in a CI system's log it is no order."""
    # Two such signs stand together within strings only.
    print(json.dumps(found, indent=1, ensure_ascii=True).replace("##", "#\\u0023"))


def page(text: str) -> None:
    """Print a document as it is; it is UTF-8, as it says of itself."""
    sys.stdout.flush()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.buffer.write(text.encode())
    else:
        sys.stdout.write(text)


def flush() -> None:
    """Make sure that all is printed; raises `BrokenPipeError` where nobody reads any more."""
    sys.stdout.flush()


def abandon() -> None:
    """Print nothing more: at its exit Python would flush into a closed pipe again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
