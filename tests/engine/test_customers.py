"""Two customers of a gateway in the sandbox, as `make up` shows them: one runs into its cap; `costs` says who paid."""

import json
import subprocess
import sys
from collections import defaultdict
from typing import Any

from workbench import ROOT, Workbench, endpoint

from model_packaging import Artifact
from scaletozero.environment.yaml_file import read_yaml

LOCAL = ROOT / "stacks" / "environments" / "Pulumi.local.yaml"


def test_the_example_of_make_up_and_who_spent_what(workbench: Workbench, encoder: Artifact) -> None:
    gateway = read_yaml(LOCAL)["config"]["scaletozero:environment"]["gateway"]
    workbench.declare(endpoints={"sentences": endpoint(encoder)}, gateway={**gateway, "port": 0})
    workbench.done("up", "--yes")
    shown = subprocess.run(
        [sys.executable, ROOT / "examples" / "customers.py"],
        cwd=workbench.root,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert shown.returncode == 0, shown.stderr
    acme, globex = (line for line in shown.stdout.splitlines() if "answered" in line)
    assert "acme" in acme
    assert "40 answered" in acme
    assert "402 month_cap_reached" in globex

    found = json.loads(workbench.run("costs", "--json").stdout)
    lines = {each["customer"]: each for each in found["customers"]}
    assert lines["acme"]["requests"] == 40
    assert 0 < lines["globex"]["requests"] < 40
    assert int(globex.split()[1]) == lines["globex"]["requests"]
    assert lines["globex"]["usd_counted_against_caps"] <= 0.0013
    # Who paid adds up to what the endpoint cost, and what counts against caps is never less than that.
    spent: dict[Any, float] = defaultdict(float)
    for each in found["customers"]:
        spent[each["target"]] += each["usd"]
        assert each["usd"] <= each["usd_counted_against_caps"] or each["customer"] is None
    assert abs(spent["sentences"] - found["endpoints"]["sentences"]["usd"]) <= 3e-6

    listed = json.loads(workbench.run("customers", "list", "--json").stdout)
    spent_by = {each["name"]: each["periods"][0]["spent_usd"] for each in listed["customers"]}
    assert spent_by == {name: each["usd_counted_against_caps"] for name, each in lines.items() if name}

    said = workbench.done("costs", "--to-bucket")
    bucket, _, key = said.partition("s3://")[2].partition(": ")[0].partition("/")
    s3 = workbench.aws("s3")
    assert '""customer"": ""globex""' in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    # Each request is a line of its customer's file, and together they are what the ledger took.
    own = f"usage/local/requests/acme/{key.rpartition('/')[2].removesuffix('.csv')}.jsonl"
    requests = list(map(json.loads, s3.get_object(Bucket=bucket, Key=own)["Body"].read().splitlines()))
    assert len(requests) == 40
    assert round(sum(each["used"] for each in requests) / 1e6, 6) == spent_by["acme"]
    workbench.done("customers", "delete", "acme", "--yes")
    left = {each["Key"] for each in s3.list_object_versions(Bucket=bucket, Prefix="usage/local/requests/")["Versions"]}
    assert left == {own.replace("/acme/", "/globex/")}
