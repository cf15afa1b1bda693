"""What a client must get when a server passes on what the model says."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.terms.asked import Allowed, Named, Options
from conformance.terms.case import Expectation
from conformance.terms.said import Call, Text, Utterance


def derive(
    says: Sequence[Utterance], options: Options, cut_after: str | None = None
) -> Expectation:
    """Say what a client gets when a server does nothing but pass on what the model says.

    Fields that the request lets the server change stay `None`.
    """
    if cut_after is not None:
        return Expectation(ending=("limit",))
    calls = tuple(item for item in says if isinstance(item, Call))
    content = "".join(item.text for item in says if isinstance(item, Text))
    muted = bool(calls) and options.choice == "none"
    single = len(calls) > 1 and options.parallel is False
    if options.may_cut or muted or single:
        return Expectation()
    if isinstance(options.choice, Named | Allowed):
        return Expectation(calls=calls, content=content, ending=("finished", "called"))
    return Expectation(calls=calls, content=content, ending=("called" if calls else "finished",))
