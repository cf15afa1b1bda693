"""What every pytest beside which the suite is installed loads: as little as can be.

A case may lie outside of the folder whose `conftest.py` loads the plugin. Who names a server by one
of our own options gets the plugin wherever the cases lie; nobody else gets any of it.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

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
    asked = SERVER in os.environ or any(word.partition("=")[0] in WAYS for word in args)
    if asked and (misread := _misread(early_config, args)):
        from conformance.pytesting import exits

        raise exits.refusal(misread)
    yield
    if asked and not early_config.pluginmanager.has_plugin(PLUGIN) and _are_free(parser, args):
        early_config.pluginmanager.import_plugin(PLUGIN)


def _misread(config: pytest.Config, args: list[str]) -> str | None:
    """Say where pytest took the value of an option for tests, whose own settings it then reads.

    It looks for its settings before any plugin can say which options have a value.
    """
    root, here = config.rootpath, config.invocation_params.dir
    if root == here:
        return None
    has_left = (here / "conftest.py").is_file()
    for name, value in pairwise(args):
        path = Path(value)
        is_it = path.absolute() == root or (has_left and path.exists())
        if name.startswith("--") and "=" not in name and is_it:
            from conformance.pytesting.option_table import OPTIONS

            if any(one.name == name and not one.is_switch for one in OPTIONS):
                return f"write {name}={value} with =; pytest takes a path after a space for tests"
    return None


def _are_free(parser: pytest.Parser, args: list[str]) -> bool:
    """Whether nobody else has these options; another plugin's or a `conftest.py`'s stay theirs."""
    try:
        _, unknown = parser.parse_known_and_unknown_args([*WAYS, *args])
    except pytest.UsageError:  # one of them is known, and wants a value
        return False
    return all(way in unknown for way in WAYS)
