"""Prometheus beside a node: where there is none the node says so, and runs. That it collects, is in
tests/integration/test_away.py."""

from pathlib import Path

import pytest

from topologies.components import prometheus
from topologies.config import Settings
from topologies.local import collectors


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path).with_local_addresses()


@pytest.fixture
def _not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prometheus, "_UNPACKED", tmp_path / "prometheus")


@pytest.mark.usefixtures("_not_installed")
def test_that_it_is_not_installed_is_said(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collectors(settings) == []
    assert "is not installed" in capsys.readouterr().out


@pytest.mark.usefixtures("_not_installed")
def test_one_that_is_not_wanted_is_not_missed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert collectors(settings.model_copy(update={"prometheus": False})) == []
    assert capsys.readouterr().out == ""


def test_it_is_told_of_every_process(settings: Settings) -> None:
    ports = {name: settings.process_metrics_port(name) for name in settings.processes}
    told = prometheus.configuration(ports, interval_s=5)
    (job,) = told["scrape_configs"]
    assert {one["labels"]["process"]: one["targets"] for one in job["static_configs"]} == {
        name: [f"127.0.0.1:{port}"] for name, port in ports.items()
    }
    assert [Path(file).exists() for file in told["rule_files"]] == [True]
