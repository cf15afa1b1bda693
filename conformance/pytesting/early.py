"""What every pytest beside which the suite is installed loads: as little as can be.

A case may lie outside of the folder whose `conftest.py` loads the plugin. Who names a server by one
of our own options gets the plugin wherever the cases lie; nobody else gets any of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

WAYS = ("--server-url", "--launch", "--reference", "--tapes")
"""The options that name a server, spelled out: to import their table takes longer than pytest."""
SERVER = "CONFORMANCE_SERVER_URL"
PLUGIN = "conformance.plugin"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Load the plugin where somebody asks for it, once every `conftest.py` has said what it has."""
    yield
    asked = SERVER in os.environ or any(word.partition("=")[0] in WAYS for word in args)
    if asked and not early_config.pluginmanager.has_plugin(PLUGIN) and _are_free(parser, args):
        early_config.pluginmanager.import_plugin(PLUGIN)


def _are_free(parser: pytest.Parser, args: list[str]) -> bool:
    """Whether nobody else has these options; another plugin's or a `conftest.py`'s stay theirs."""
    try:
        _, unknown = parser.parse_known_and_unknown_args([*WAYS, *args])
    except pytest.UsageError:  # one of them is known, and wants a value
        return False
    return all(way in unknown for way in WAYS)
