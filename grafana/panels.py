"""The kinds of panels there are, and a dashboard of them."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, geomap, prometheus, stat, table
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    GridPos,
    VariableRefresh,
)

from grafana.queries import CLICKHOUSE, PROMETHEUS, Sql

Panel: TypeAlias = series.Panel | stat.Panel | table.Panel | geomap.Panel
Query: TypeAlias = Sql | prometheus.Dataquery

_HEIGHT: Final = 8
_SCREEN_WIDTH: Final = 24
_WIDTH: Final = _SCREEN_WIDTH // 3
_NUMBER_HEIGHT: Final = 4
_CELLS_WIDTH: Final = _SCREEN_WIDTH // 2


def lines(title: str, unit: str, *queries: Query, about: str = "") -> series.Panel:
    """Values over time; ``unit``: one of Grafana's own names."""
    panel = (
        series.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .min(0)
        .height(_HEIGHT)
        .span(_WIDTH)
        .fill_opacity(10)
        .show_points(kinds.VisibilityMode.NEVER)
        .datasource(_source(queries))
    )
    for query in queries:
        panel.with_target(query)
    return panel


def number(title: str, unit: str, query: Query, about: str = "") -> stat.Panel:
    """The value now, large; one for each series."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .height(_NUMBER_HEIGHT)
        .span(_WIDTH)
        .datasource(_source([query]))
        .with_target(query)
    )


def cells(title: str, query: Sql, about: str = "") -> table.Panel:
    """Rows of an answer, as they are."""
    return (
        table.Panel()
        .title(title)
        .description(about)
        .height(_HEIGHT)
        .span(_CELLS_WIDTH)
        .datasource(CLICKHOUSE)
        .with_target(query)
    )


def places(title: str, query: Sql, about: str = "") -> geomap.Panel:
    """Rows with columns ``latitude`` and ``longitude`` on a map, which shows all of them."""
    location = (
        common.FrameGeometrySource()
        .mode(kinds.FrameGeometrySourceMode.COORDS)
        .latitude("latitude")
        .longitude("longitude")
    )
    markers = common.MapLayerOptions().type("markers").name("devices").location(location)
    return (
        geomap.Panel()
        .title(title)
        .description(about)
        .height(2 * _HEIGHT)
        .span(_SCREEN_WIDTH)
        .datasource(CLICKHOUSE)
        .view(geomap.MapViewConfig().id("fit").all_layers(True).zoom(15))
        .basemap(common.MapLayerOptions().type("default").name("map"))
        .layers([markers])
        .with_target(query)
    )


def board(
    uid: str, title: str, panels: Sequence[Panel], *, of_one_dapp: bool = False
) -> dashboard.Dashboard:
    """A dashboard; ``of_one_dapp``: with a choice of the Dapp, ``$dapp`` in its queries."""
    made = (
        dashboard.Dashboard(title)
        .uid(f"w3b-{uid}")
        .tags(["w3b"])
        .readonly()
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )
    if of_one_dapp:
        dapps = dashboard.QueryVariable("dapp").label("Dapp").datasource(PROMETHEUS)
        dapps.query("label_values(w3b_execute_aborts_total, dapp)")
        made.with_variable(dapps.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED))
    for panel in _placed(panels):
        made.with_panel(panel)
    return made


def _placed(panels: Sequence[Panel]) -> Sequence[Panel]:
    """Side by side; one that has no room left begins a new line."""
    x = y = line_height = 0
    for panel in panels:
        at = panel.build().grid_pos
        assert at is not None
        if x + at.w > _SCREEN_WIDTH:
            x, y, line_height = 0, y + line_height, 0
        panel.grid_pos(GridPos(h=at.h, w=at.w, x=x, y=y))
        x, line_height = x + at.w, max(line_height, at.h)
    return panels


def _source(queries: Sequence[Query]) -> DataSourceRef:
    return CLICKHOUSE if isinstance(queries[0], Sql) else PROMETHEUS
