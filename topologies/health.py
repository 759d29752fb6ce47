"""What a node process tells about itself: /healthz for `w3b status`, /metrics for Prometheus."""

from collections.abc import Callable, Mapping

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Health = Callable[[], Mapping[str, bool]]


async def serve_health(host: str, port: int, health: Health) -> web.AppRunner:
    """Answer GET /healthz (200, or 503 when something is not well) and GET /metrics.

    ``health`` gives each of the process's parts with whether it is well.

    Raises:
        OSError: the port is taken.
    """

    async def healthz(_: web.Request) -> web.Response:
        parts = dict(health())
        body = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        status = 200 if all(parts.values()) else 503
        return web.Response(body=body, status=status, content_type="application/json")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
