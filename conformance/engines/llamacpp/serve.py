"""Serves a GGUF file with the llama.cpp server that the wheel `xllamacpp` has inside.

A Python with that wheel runs this file as a script, `serve.py FILE NAME PORT SLOTS CONTEXT`.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module


def main(file: str, name: str, port: int, slots: int, context: int) -> None:
    """Serve on loopback until the process is ended."""
    llama = import_module("xllamacpp")
    settings = llama.CommonParams()
    settings.model.path = file
    settings.model_alias = [name]
    settings.hostnames = ["127.0.0.1"]
    settings.port = port
    settings.use_jinja = True
    settings.n_parallel = slots
    settings.n_ctx = slots * context
    # Threads of a step wait for one another. For so small a model they would only wait.
    settings.cpuparams.n_threads = 1
    settings.cpuparams_batch.n_threads = 1
    settings.warmup = False
    serving = llama.Server(settings)
    print(f"{serving.listening_address} serves {name}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
