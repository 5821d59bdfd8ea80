"""The web page's files, held in memory: no path of a request ever meets the disk."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["page_routes"]

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # text of a model can become no markup, by any mistake
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Cache-Control": "no-cache",  # kept by the browser, and asked after by its ETag: an update shows at once
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
}


def page_routes() -> list[Route]:
    """`/`, and a route under `/page/` for each file that it needs."""
    files = sorted(file for file in FOLDER.iterdir() if file.suffix in TYPES)
    return [_route(file) for file in files]


def _route(file: Path) -> Route:
    content = file.read_bytes()
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    headers = {**HEADERS, "ETag": tag}

    async def answer(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=TYPES[file.suffix])

    return Route("/" if file.name == INDEX else f"/page/{file.name}", answer)
