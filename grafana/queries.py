"""What a panel asks, of Prometheus or of ClickHouse."""

from typing import Final

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

# As in provisioning/datasources/w3b.yml.
PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="w3b-prometheus")
CLICKHOUSE: Final = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="w3b-clickhouse")

_FORMATS: Final = {"timeseries": 0, "table": 1}  # the plugin's numbers


class ClickHouseQuery(Dataquery):
    """A query of the plugin grafana-clickhouse-datasource, which the SDK does not know.

    Source: https://github.com/grafana/clickhouse-datasource/blob/main/src/types/sql.ts
    """

    def __init__(self, sql: str, query_type: str, ref_id: str = "A") -> None:
        """``query_type``: ``timeseries`` (first column: time) or ``table``."""
        self.sql = sql
        self.query_type = query_type
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """What the plugin reads."""
        return {
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "format": _FORMATS[self.query_type],
            "queryType": self.query_type,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


class Sql(Builder[ClickHouseQuery]):
    """One question to ClickHouse; indentation is for the reader of the code."""

    def __init__(self, sql: str, query_type: str = "timeseries") -> None:
        """Arguments: as `ClickHouseQuery`'s."""
        self._query = ClickHouseQuery(" ".join(sql.split()), query_type)

    def build(self) -> ClickHouseQuery:
        """The query."""
        return self._query


def prom(expr: str, legend: str, ref_id: str = "A") -> prometheus.Dataquery:
    """One question to Prometheus, over the dashboard's time.

    Args:
        expr: PromQL.
        legend: a series' name; ``{{label}}`` stands for the label's value.
        ref_id: a letter of its own among the panel's questions.
    """
    query = prometheus.Dataquery().expr(expr).legend_format(legend)
    return query.ref_id(ref_id).datasource(PROMETHEUS)


def rate(metric: str, by: str, where: str = "") -> str:
    """A counter's increase a second, summed by labels."""
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str, where: str = "") -> str:
    """A quantile of a histogram, by labels."""
    buckets = f"rate({metric}_bucket{where}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le, {by}) ({buckets}))"
