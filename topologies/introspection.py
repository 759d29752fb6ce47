"""What a node process tells about itself: /healthz for `w3b status`, /metrics for Prometheus."""

from collections.abc import Callable, Mapping
from typing import Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_HOST: Final = "127.0.0.1"  # for this machine; a scraper elsewhere comes through a proxy

# Each role of the process: why it is not well, or None.
RoleHealth = Callable[[], Mapping[str, str | None]]


async def serve(port: int, health: RoleHealth) -> web.AppRunner:
    """Answer GET /healthz (200, or 503 when a role is not well) and GET /metrics.

    Raises:
        OSError: the port is taken.
    """

    async def healthz(_: web.Request) -> web.Response:
        roles = dict(health())
        status = 200 if not any(roles.values()) else 503
        body = orjson.dumps({"roles": roles})
        return web.Response(body=body, status=status, content_type="application/json")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, _HOST, port).start()
    return runner
