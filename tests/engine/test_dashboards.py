"""An environment with a dashboard, deployed: its body names what was deployed, and nothing changes twice."""

import json
from xml.etree import ElementTree

from workbench import Workbench, endpoint

from model_packaging import Artifact


def test_a_dashboard_shows_the_endpoints_of_its_environment(workbench: Workbench, encoder: Artifact) -> None:
    endpoints = {"vectors": endpoint(encoder, memory_mb=2048, alarms={"error_percent": 2})}
    workbench.declare(endpoints=endpoints, dashboard=True)
    workbench.done("up")
    cloudwatch = workbench.aws("cloudwatch")
    (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
    stack = workbench.stack()
    assert stack.outputs()["dashboards"].value == [entry["DashboardName"]]
    body = json.loads(cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"])
    name = stack.outputs()["endpoints"].value["vectors"]["name"]
    assert f"Endpoint `{name}`, serverless." in body["widgets"][1]["properties"]["markdown"]
    lines = [each["properties"].get("annotations") for each in body["widgets"] if each["type"] == "metric"]
    assert {"horizontal": [{"label": "alarm: errors", "value": 2}]} in lines
    assert "nothing changes" in workbench.done("up")
    # Its picture has the widgets of what was deployed.
    workbench.done("dashboard", "--minutes", "10", "--svg", "dashboard.svg")
    drawn = ElementTree.parse(workbench.root / "dashboard.svg").iter("{http://www.w3.org/2000/svg}text")
    heading = body["widgets"][0]["properties"]["markdown"].removeprefix("# ")
    titles = {each["properties"]["title"] for each in body["widgets"] if each["type"] == "metric"}
    assert {heading, *titles, "alarm: errors"} <= {each.text for each in drawn}

    workbench.declare(endpoints=endpoints)
    workbench.done("up")
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
    assert "everything is deleted" in workbench.done("down")
