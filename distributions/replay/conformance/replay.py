"""The public address of the processor, `conformance.replay:Replay`.

The code is the package `toolcall_truth_replay`. This folder has no `__init__.py`, so it adds to
whatever else is called `conformance`. Where the suite is installed too, `conformance.replay` is
the suite's own package: Python looks for a package before it looks for a module.
"""

from toolcall_truth_replay import __all__ as __all__
from toolcall_truth_replay import __getattr__ as __getattr__
