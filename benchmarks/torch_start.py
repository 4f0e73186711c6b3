"""Start and answer once with torch and transformers, fp32, on an unpacked Hugging Face folder: what a team has before.

Usage: PYTHON torch_start.py FOLDER, under an interpreter with the `torch` extra; prints one line of JSON as
`model_packaging.benchmark.whole_start` does. One thread, mean pooling, normalised, nothing fetched.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from model_packaging.serving import clock


def main(folder: Path) -> None:
    """Starts, answers, and says what each phase took."""
    python = clock.since_process_start_ms()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "CUDA_VISIBLE_DEVICES": ""}
    phases = clock.Phases()
    import torch  # pyright: ignore[reportMissingImports]
    from transformers import AutoModel, AutoTokenizer  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(1)
    phases.end("imports")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    phases.end("tokenizer")
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    phases.end("session")
    with torch.inference_mode():
        inputs = tokenizer(["How do I get to the station from here?"], return_tensors="pt")
        hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).tolist()
    phases.end("answer")
    print(json.dumps({"phases": {"python": round(python, 1), **phases.ms}, "peak_rss_mb": clock.peak_rss_mb()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
