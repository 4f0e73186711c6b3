"""Asks the local endpoint what `make up` deployed, as any program would: with an ordinary boto3 client.

It embeds five sentences, shows how alike they are, what the first and the further answers took, what it all costs, and
then waits until nothing runs any more, and wakes it once again.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
from rich.console import Console
from rich.table import Table

from model_packaging import open_artifact
from scaletozero.spending.estimate import estimate_serverless

SENTENCES = [
    "The delivery came two days late.",
    "My parcel arrived forty-eight hours after it should have.",
    "How do I reset my password?",
    "I forgot my password and need a new one.",
    "The soup was far too salty.",
]
PARAPHRASES = [(0, 1), (2, 3)]

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


def main() -> None:
    """Runs the whole of it; exits with 1 if the model does not tell paraphrases from the rest."""
    report = json.loads(subprocess.run(_command("status", "--json"), check=True, capture_output=True).stdout)
    if not report["endpoints"]:
        sys.exit("nothing is deployed: run `make up`")
    endpoint, runtime = report["endpoints"]["sentences"], report["sandbox"]["runtime"]
    name = endpoint["name"]
    if os.environ.get("AWS_ENDPOINT_URL") != report["sandbox"]["aws"]:
        sys.exit(f"boto3 has to be told where the sandbox is: source {report['sandbox']['shell']}")
    client = boto3.client("sagemaker-runtime", region_name=report["region"])

    def ask(sentences: list[str]) -> tuple[list[list[float]], float]:
        began = time.perf_counter()
        body = json.dumps({"inputs": sentences})
        answer = client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)
        return json.load(answer["Body"])["embeddings"], (time.perf_counter() - began) * 1000

    wait_until_cold(runtime, name)
    vectors, cold = ask(SENTENCES)
    start = live(runtime, name)["cold_starts"][-1]
    warm = [ask(SENTENCES[:1])[1] for _ in range(30)]
    show_similarities(vectors)
    show_figures(report["region"], endpoint, cold, start["phases"], statistics.median(warm))
    console.print("\nwaiting until nothing runs any more ...")
    waited = wait_until_cold(runtime, name)
    console.print(f"gone after {waited:.0f} s without a question: no process, nothing to pay. Waking it once more:")
    console.print(f"answered in {ask(SENTENCES[:1])[1]:.0f} ms, from no process at all.")
    if not paraphrases_win(vectors):
        sys.exit("the paraphrases are not the most alike: this model does not do what it should")
    console.print('\nnext: scaletozero invoke sentences \'{"inputs": ["hello"]}\'   or   make down', style="bold green")


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("scaletozero")), *arguments]


def live(runtime: str, name: str) -> dict:
    """What the sandbox says of an endpoint right now."""
    with urllib.request.urlopen(f"{runtime}/_sandbox/status", timeout=10) as answer:  # noqa: S310
        return json.load(answer)["endpoints"][name]


def wait_until_cold(runtime: str, name: str) -> float:
    """Waits until the endpoint has no process; how long that took, in seconds."""
    began = time.monotonic()
    while live(runtime, name)["instances"]:
        time.sleep(0.2)
    return time.monotonic() - began


def cosine(one: list[float], other: list[float]) -> float:
    """How alike two vectors are: 1 for the same direction."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def paraphrases_win(vectors: list[list[float]]) -> bool:
    """Whether each pair of paraphrases is more alike than any other pair."""
    alike = {(i, j): cosine(vectors[i], vectors[j]) for j in range(len(vectors)) for i in range(j)}
    return min(alike[pair] for pair in PARAPHRASES) > max(alike[pair] for pair in alike if pair not in PARAPHRASES)


def show_similarities(vectors: list[list[float]]) -> None:
    """The five sentences against each other."""
    table = Table(title="how alike they are (cosine)", title_justify="left", box=None)
    table.add_column("")
    for index in range(len(SENTENCES)):
        table.add_column(str(index + 1), justify="right")
    for i, sentence in enumerate(SENTENCES):
        cells = [f"{cosine(vectors[i], vectors[j]):.2f}" if j < i else "" for j in range(len(SENTENCES))]
        table.add_row(f"{i + 1} {sentence}", *cells)
    console.print(table)


def show_figures(region: str, endpoint: dict, cold: float, phases: dict, warm: float) -> None:
    """What was measured here, what the manifest has measured before, and what it costs."""
    manifest = open_artifact(Path(__file__).resolve().parent.parent / endpoint["artifact"]).manifest
    chosen = manifest.chosen
    memory = endpoint["memory_mb"]
    cost = estimate_serverless(region=region, memory_mb=memory, max_concurrency=endpoint["max"], seconds=warm / 1000)
    table = Table(title="\nwhat it takes", title_justify="left", box=None, show_header=False)
    table.add_row("first answer, from no process at all", f"{cold:.0f} ms")
    for phase, took in phases.items():
        table.add_row(f"  {phase}", f"{took:.0f} ms")
    table.add_row("further answers, one sentence each, median of 30", f"{warm:.1f} ms")
    table.add_row("archive", f"{manifest.archive.size / 1e6:.1f} MB, {manifest.archive.compression}")
    if chosen.size and chosen.size_ratio and chosen.quality:
        quality = chosen.quality
        table.add_row("weights", f"{chosen.size / 1e6:.1f} MB, {chosen.size_ratio:.3f} of fp32 ({chosen.recipe})")
        cosines = f"{quality.cosine_mean:.4f} mean, {quality.cosine_min:.4f} least"
        table.add_row("cosine to the answers of fp32", f"{cosines}, {quality.n} texts")
    table.add_row("cost while nobody asks", f"${cost.fixed_per_month:.2f} a month")
    table.add_row("cost of a million such queries", f"${cost.per_million:.2f} at {memory} MB in {region}")
    table.add_row("the most it can cost", f"${cost.worst_per_hour:.2f} an hour, all {endpoint['max']} containers busy")
    console.print(table)
    console.print(f"prices: {cost.rows[0].source}, {cost.rows[0].captured}", style="dim")


if __name__ == "__main__":
    main()
