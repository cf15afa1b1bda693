"""Writes a real model's folder, weights and tokenizer, from a GGUF file.

The Python of the vLLM under test runs this file as a script, `gguf_folder.py GGUF FOLDER`, with
`gguf` and `accelerate` on the path. vLLM for the CPU does not read GGUF, so the script writes the
weights as bfloat16.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main(gguf: Path, folder: Path) -> None:
    """Write the model's files into an empty folder."""
    torch = import_module("torch")
    transformers = import_module("transformers")
    place, name = str(gguf.parent), gguf.name
    packed = transformers.AutoModelForCausalLM.from_pretrained(
        place, gguf_file=name, dtype=torch.bfloat16
    )
    config = packed.config.to_dict()
    config.pop("quantization_config", None)  # the weights are no longer quantized
    plain = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).to(torch.bfloat16)
    plain.load_state_dict(packed.state_dict())
    plain.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(place, gguf_file=name).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
