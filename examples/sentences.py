"""Invokes the local endpoint that `make up` deployed, with an ordinary boto3 client.

It embeds five sentences, shows their similarities, the latency of the first and of later responses, and the cost, and
then waits until no process is running and sends another request.
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
    """Runs the demonstration; exits with 1 if the model does not recognise the paraphrases."""
    report = json.loads(subprocess.run(_command("status", "--json"), check=True, capture_output=True).stdout)
    if not report["endpoints"]:
        sys.exit("nothing is deployed: run `make up`")
    endpoint, runtime = report["endpoints"]["sentences"], report["sandbox"]["runtime"]
    name = endpoint["name"]
    if os.environ.get("AWS_ENDPOINT_URL") != report["sandbox"]["aws"]:
        sys.exit(f"boto3 needs the address of the sandbox: source {report['sandbox']['shell']}")
    client = boto3.client("sagemaker-runtime", region_name=report["region"])

    def ask(sentences: list[str]) -> tuple[list[list[float]], float]:
        began = time.perf_counter()
        body = json.dumps({"inputs": sentences})
        response = client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)
        return json.load(response["Body"])["embeddings"], (time.perf_counter() - began) * 1000

    wait_until_cold(runtime, name)
    vectors, cold = ask(SENTENCES)
    start = live(runtime, name)["cold_starts"][-1]
    warm = [ask(SENTENCES[:1])[1] for _ in range(30)]
    show_similarities(vectors)
    show_figures(report["region"], endpoint, cold, start["phases"], statistics.median(warm))
    console.print("\nwaiting until no process is running ...")
    waited = wait_until_cold(runtime, name)
    console.print(
        f"scaled to zero after {waited:.0f} s without a request: no process, no cost. Sending another request:"
    )
    console.print(f"responded in {ask(SENTENCES[:1])[1]:.0f} ms, from a cold start.")
    if not paraphrases_win(vectors):
        sys.exit("the paraphrases are not the most similar sentences: this model is wrong")
    console.print('\nnext: scaletozero invoke sentences \'{"inputs": ["hello"]}\'   or   make down', style="bold green")


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("scaletozero")), *arguments]


def live(runtime: str, name: str) -> dict:
    """The sandbox's current status of an endpoint."""
    with urllib.request.urlopen(f"{runtime}/_sandbox/status", timeout=10) as response:  # noqa: S310
        return json.load(response)["endpoints"][name]


def wait_until_cold(runtime: str, name: str) -> float:
    """Waits until the endpoint has no process. Returns the seconds that it took."""
    began = time.monotonic()
    while live(runtime, name)["instances"]:
        time.sleep(0.2)
    return time.monotonic() - began


def cosine(one: list[float], other: list[float]) -> float:
    """The cosine of two vectors: 1 for the same direction."""
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def paraphrases_win(vectors: list[list[float]]) -> bool:
    """Whether each pair of paraphrases is more similar than any other pair."""
    alike = {(i, j): cosine(vectors[i], vectors[j]) for j in range(len(vectors)) for i in range(j)}
    return min(alike[pair] for pair in PARAPHRASES) > max(alike[pair] for pair in alike if pair not in PARAPHRASES)


def show_similarities(vectors: list[list[float]]) -> None:
    """Shows the similarities of the five sentences."""
    table = Table(title="similarity (cosine)", title_justify="left", box=None)
    table.add_column("")
    for index in range(len(SENTENCES)):
        table.add_column(str(index + 1), justify="right")
    for i, sentence in enumerate(SENTENCES):
        cells = [f"{cosine(vectors[i], vectors[j]):.2f}" if j < i else "" for j in range(len(SENTENCES))]
        table.add_row(f"{i + 1} {sentence}", *cells)
    console.print(table)


def show_figures(region: str, endpoint: dict, cold: float, phases: dict, warm: float) -> None:
    """Shows the measurements of this run and of the manifest, and the cost."""
    manifest = open_artifact(Path(__file__).resolve().parent.parent / endpoint["artifact"]).manifest
    chosen = manifest.chosen
    memory = endpoint["memory_mb"]
    cost = estimate_serverless(region=region, memory_mb=memory, max_concurrency=endpoint["max"], seconds=warm / 1000)
    table = Table(title="\nmeasurements", title_justify="left", box=None, show_header=False)
    table.add_row("first response, from a cold start", f"{cold:.0f} ms")
    for phase, took in phases.items():
        table.add_row(f"  {phase}", f"{took:.0f} ms")
    table.add_row("later responses, one sentence each, median of 30", f"{warm:.1f} ms")
    table.add_row("archive", f"{manifest.archive.size / 1e6:.1f} MB, {manifest.archive.compression}")
    if chosen.size and chosen.size_ratio and chosen.quality:
        quality = chosen.quality
        table.add_row("weights", f"{chosen.size / 1e6:.1f} MB, {chosen.size_ratio:.3f} of fp32 ({chosen.recipe})")
        cosines = f"{quality.cosine_mean:.4f} mean, {quality.cosine_min:.4f} minimum"
        table.add_row("cosine to the embeddings of fp32", f"{cosines}, {quality.n} texts")
    table.add_row("cost while idle", f"${cost.fixed_per_month:.2f} per month")
    table.add_row("cost of a million such requests", f"${cost.per_million:.2f} at {memory} MB in {region}")
    table.add_row("maximum cost", f"${cost.worst_per_hour:.2f} per hour, all {endpoint['max']} containers busy")
    console.print(table)
    console.print(f"prices: {cost.rows[0].source}, {cost.rows[0].captured}", style="dim")


if __name__ == "__main__":
    main()
