"""The dashboard for Grafana: PromQL that parses, JSON that Grafana's own models read, and the ConfigMap."""

import itertools
import json
from typing import Any

import promql_parser
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from schemas import problems

from model_packaging.findings import FindingsError
from scaletozero.observability import grafana_dashboard as module
from scaletozero.observability.gpu import OnCluster, gpu_panels
from scaletozero.observability.grafana_dashboard import COLUMNS, SOURCE, grafana_config_map, grafana_dashboard
from scaletozero.observability.panels import Section

SEEN = OnCluster("llm", "models", 4, vllm=True, held=True, usd_per_replica_hour=1.861)
PLAIN = OnCluster("other", "models", 1, vllm=False, held=False, usd_per_replica_hour=None)

VARIANTS = [
    OnCluster("llm", "models", 4, vllm, held, usd)
    for vllm, held, usd in itertools.product((False, True), (False, True), (None, 0.1))
]


def built(*seen: OnCluster) -> dict[str, Any]:
    return grafana_dashboard("acme, gpu", [Section(each.name, panels=tuple(gpu_panels(each))) for each in seen])


def titles(seen: OnCluster) -> list[str]:
    return [each.title for each in gpu_panels(seen)]


def test_what_is_shown_depends_on_what_there_are_metrics_of() -> None:
    every = ["Queue", "Tokens", "Time to the first token", "KV cache", "GPUs", "Replicas", "Cost"]
    assert titles(SEEN) == every
    assert titles(PLAIN) == ["GPUs", "Replicas"]


@pytest.mark.parametrize("seen", VARIANTS, ids=str)
def test_every_expression_is_promql_of_this_endpoint_alone(seen: OnCluster) -> None:
    for panel in gpu_panels(seen):
        assert panel.series
        for series in panel.series:
            promql_parser.parse(series.expression)
            assert '="models"' in series.expression
            assert '"llm' in series.expression


def test_no_number_is_written_with_an_exponent() -> None:
    tiny = OnCluster("llm", "models", 1, vllm=False, held=False, usd_per_replica_hour=0.00001)
    assert gpu_panels(tiny)[-1].series[0].expression.startswith("0.000010 * max(")


def test_grafanas_models_know_everything_in_it() -> None:
    found = built(SEEN, PLAIN)
    # What they do not know would be lost on the way.
    assert json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(found))) == found
    assert found["uid"] != grafana_dashboard("acme, other", [])["uid"]
    assert len(found["uid"]) <= 40


def test_panels_lie_beside_each_other_and_ask_the_server_that_the_reader_selects() -> None:
    found = built(SEEN, PLAIN)
    (variable,) = found["templating"]["list"]
    assert (variable["name"], variable["query"]) == (SOURCE, "prometheus")
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert all(x < COLUMNS for x, _ in cells)
        taken |= cells
        if panel["type"] != "row":
            # What Grafana's published schema of a time series requires.
            assert {"showLegend", "displayMode", "placement", "calcs"} <= panel["options"]["legend"].keys()
            assert {"mode", "sort"} <= panel["options"]["tooltip"].keys()
            assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{SOURCE}}}"}
            ids = [each["refId"] for each in panel["targets"]]
            assert ids == sorted(set(ids))
    assert [each["title"] for each in found["panels"] if each["type"] == "row"] == ["llm", "other"]


def test_the_limit_is_a_threshold() -> None:
    (replicas, *_) = [each for each in built(SEEN)["panels"] if each["title"] == "Replicas"]
    assert [each["value"] for each in replicas["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, 4]
    assert replicas["description"] == "Dashed: max: 4."


def test_the_config_map_is_one_that_the_sidecar_finds() -> None:
    found = grafana_config_map("acme-gpu-dashboard", "models", built(SEEN))
    assert problems(found) == []
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["acme-gpu-dashboard.json"]) == built(SEEN)


def test_one_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(FindingsError, match=r"kubernetes\.grafana: may have a dashboard of 1000 bytes"):
        grafana_config_map("d", "models", built(SEEN))
