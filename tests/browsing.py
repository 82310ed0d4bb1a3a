"""A real browser, where this machine has one: Chromium, driven by Playwright."""

from playwright.sync_api import Browser, BrowserContext, Page, expect

PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """Somebody with a browser of their own; whatever goes wrong in it is kept."""

    def __init__(self, browser: Browser, address: str, **settings: object) -> None:
        self.address = address
        self.context: BrowserContext = browser.new_context(**settings)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("dialog", lambda dialog: self.troubles.append(dialog.message))
        self.page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)

    def open(self, path: str) -> Page:
        """Go there, and mark the page, so that one that was loaded anew is told from it."""
        self.page.goto(self.address + path)
        self.page.evaluate("window.untouched = true")
        return self.page

    @property
    def is_untouched(self) -> bool:
        """Whether the page is still the one that was opened."""
        return bool(self.page.evaluate("window.untouched === true"))
