"""Panels as a dashboard of Grafana over Prometheus, and the ConfigMap that brings it there. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from model_packaging.extras import needs
from model_packaging.findings import refuse
from scaletozero.kubernetes.manifests.objects import Manifest, manifest
from scaletozero.observability.panels import Panel, Section

EXTRA = "grafana"
"""The extra of this distribution that brings the SDK."""

LABEL = {"grafana_dashboard": "1"}
"""By which the sidecar of Grafana's chart finds the ConfigMaps of dashboards."""

LARGEST = 1024 * 1024
"""Bytes of a ConfigMap (Kubernetes documentation, ConfigMaps)."""

SOURCE = "datasource"
"""The variable of a dashboard with which its reader selects the Prometheus server."""

COLUMNS, WIDTH, HEIGHT = 24, 8, 8
"""Of Grafana's grid, and of a panel on it: three in a row."""

_UNITS = {"percent": "percent", "seconds": "s", "USD an hour": "currencyUSD"}
"""A panel's unit -> Grafana's name of it, where it has one."""


def grafana_dashboard(title: str, sections: Iterable[Section]) -> dict[str, Any]:
    """The dashboard's JSON.

    Args:
        title: its heading.
        sections: the endpoints, each a row; expressions are PromQL.

    Raises:
        NotInstalledError: the SDK is not installed.
    """
    with needs(EXTRA):
        from grafana_foundation_sdk.builders import dashboard
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import GridPos
    built = (
        dashboard.Dashboard(title)
        .uid(hashlib.sha256(title.encode()).hexdigest()[:40])  # the most characters that Grafana takes
        .tags(["scaletozero"])
        .editable()
        .time("now-6h", "now")
        .refresh("30s")
        .with_variable(dashboard.DatasourceVariable(SOURCE).label("Prometheus").type("prometheus"))
    )
    y = 0
    for section in sections:
        built = built.with_row(dashboard.Row(section.title).grid_pos(GridPos(1, COLUMNS, 0, y)))
        y += 1
        for index, panel in enumerate(section.panels):
            row, column = divmod(index, COLUMNS // WIDTH)
            place = GridPos(HEIGHT, WIDTH, column * WIDTH, y + row * HEIGHT)
            built = built.with_panel(_chart(panel).grid_pos(place))
        y += -(-len(section.panels) // (COLUMNS // WIDTH)) * HEIGHT
    return json.loads(JSONEncoder(sort_keys=True).encode(built.build()))


def _chart(panel: Panel) -> Any:
    from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
    from grafana_foundation_sdk.models.common import (
        GraphThresholdsStyleMode,
        LegendDisplayMode,
        LegendPlacement,
        SortOrder,
        TooltipDisplayMode,
    )
    from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

    source = DataSourceRef(type_val="prometheus", uid=f"${{{SOURCE}}}")
    chart = timeseries.Panel().title(panel.title).datasource(source).min(0)
    # Grafana has defaults for both, but its schema requires them.
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    chart = chart.legend(legend.placement(LegendPlacement.BOTTOM).calcs([]))
    chart = chart.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    chart = chart.unit(_UNITS[panel.unit]) if panel.unit in _UNITS else chart.unit("short").axis_label(panel.unit)
    for index, series in enumerate(panel.series):
        query = prometheus.Dataquery().expr(series.expression).legend_format(series.label).ref_id(chr(ord("A") + index))
        chart = chart.with_target(query.datasource(source))
    if panel.limits:
        steps = [Threshold(None, "transparent"), *(Threshold(each.value, "red") for each in panel.limits)]
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        about = "; ".join(f"{each.label}: {each.value:g}" for each in panel.limits)
        chart = chart.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        chart = chart.thresholds_style(style).description(f"Dashed: {about}.")
    return chart


def grafana_config_map(name: str, namespace: str, found: dict[str, Any]) -> Manifest:
    """The ConfigMap of a dashboard.

    Raises:
        FindingsError: it is larger than one may be.
    """
    text = json.dumps(found, separators=(",", ":"))
    if (size := len(text.encode())) > LARGEST:
        rule = f"may have a dashboard of {LARGEST} bytes"
        then = "the API server would refuse its ConfigMap"
        raise refuse("kubernetes.grafana", rule, f"{size} bytes", then, "split the environment, or remove it")
    return manifest("v1", "ConfigMap", name, namespace, LABEL, data={f"{name}.json": text})
