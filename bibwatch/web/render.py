"""From templates to pages. Everything that comes from photos and people is escaped, and printable."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bibwatch.values import shown
from bibwatch.web.site import Site

KEPT = 200  # pages; many look at the same one, which is rendered once as long as nothing changes

View = Callable[[Request], Awaitable[Response]]


def environment() -> Environment:
    """The templates, with what they call."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["printable"] = shown
    templates.filters["clock"] = lambda at: datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
    return templates


class Renderer:
    """Renders pages."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._templates = environment()

    def page(self, template: str, view: str, status: int = 200, **context: Any) -> Response:
        """A whole page, with what all of them show."""
        site = self._site
        told: list[str] = [site.fault] if site.fault else site.status.get("degraded", [])
        common = {
            "view": view,
            "state": "degraded" if site.fault else site.status.get("state", "ok"),
            "reasons": told,
            "left_all": sum(site.catalogue.left().values()),
            "complete": site.catalogue.complete,
            "counted": len(site.catalogue),
            "photos": site.photos,
            "has_names": bool(site.wiring.names),
        }
        return HTMLResponse(self._templates.get_template(template).render(common | context), status)

    def login(self, status: int = 200, **context: Any) -> Response:
        """The page that asks for the token."""
        return HTMLResponse(self._templates.get_template("login.html").render(context), status)


class KeptPages:
    """Pages as they were rendered last, for as long as nothing has changed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages: OrderedDict[str, tuple[int, bytes]] = OrderedDict()

    def of(self, view: View) -> View:
        """The same view, rendered once for all who look at it."""

        async def answer(request: Request) -> Response:
            key, version = f"{request.url.path}?{request.url.query}", self._site.hub.version
            kept = self._pages.get(key)
            if kept is not None and kept[0] == version:
                return HTMLResponse(kept[1])
            response = await view(request)
            if response.status_code == 200:
                self._pages[key] = (version, bytes(response.body))
                self._pages.move_to_end(key)
                if len(self._pages) > KEPT:
                    self._pages.popitem(last=False)
            return response

        return answer
