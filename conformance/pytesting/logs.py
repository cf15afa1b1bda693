"""Records of logs without what is secret, whoever writes them and at whatever level."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from conformance.client.secrecy import Secrets


def guard(secrets: Secrets) -> Callable[[], None]:
    """Hide secrets in every record that is made from now on; gives what ends that.

    The libraries that talk to the server log its headers and addresses at DEBUG, and pytest
    captures all levels that the user asks for.
    """
    before = logging.getLogRecordFactory()

    def make(*told: Any, **more: Any) -> logging.LogRecord:
        record = before(*told, **more)
        _clean(record, secrets)
        return record

    if secrets:
        logging.setLogRecordFactory(make)
    return lambda: logging.setLogRecordFactory(before)


def _clean(record: logging.LogRecord, secrets: Secrets) -> None:
    try:
        text = record.getMessage()
    except Exception:  # its arguments do not fit; logging would print them all in its complaint
        record.msg, record.args = secrets.hide(repr((record.msg, record.args))), None
        return
    if (hidden := secrets.hide(text)) != text:
        record.msg, record.args = hidden, None
    if record.exc_info and record.exc_info[0] is not None:
        shown = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (hidden := secrets.hide(shown)) != shown:
            record.exc_info, record.exc_text = None, hidden
