"""What Prometheus is given at the pages' port."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from turnout import meters


def test_this_machine_reads_every_meter(stranger: httpx.Client) -> None:
    answer = stranger.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert names == {meter.name.removesuffix("_total") for meter in meters.ALL}


def test_whoever_comes_through_a_proxy_is_told_what_to_send(stranger: httpx.Client) -> None:
    answer = stranger.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == 403
    assert "Authorization: Bearer" in answer.text
