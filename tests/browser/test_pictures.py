"""The pictures in the docs show the app as it is: `make pictures` takes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import ROOT, Site

FOLDER = ROOT / "docs" / "pictures"
PHONE, DESK = (390, 844), (1200, 860)
PICTURES = {
    "app-live": ("/", PHONE, "light"),
    "app-live-wide": ("/", DESK, "dark"),
    "app-load-management": ("/settings/energy/load-management", PHONE, "light"),
    "app-energy": ("/settings/energy", PHONE, "light"),
    "app-charger": ("/charger/garage-left", PHONE, "light"),
    "app-events": ("/events", PHONE, "dark"),
    "app-kiosk": ("/kiosk", DESK, "light"),
    "app-commissioning": ("/settings/commissioning", PHONE, "light"),
}
"""By name: the page, the size, the scheme."""


def test_the_pictures_in_the_docs_can_be_taken(
    site: Site, owner: Page, installer: Page, browser: Browser, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("AMPACITY_PICTURES") or tmp_path)
    owner.evaluate(
        """async () => {
          const {csrf} = await (await fetch('/api/v1/sign-in')).json();
          const head = {'content-type': 'application/json', 'x-csrf': csrf};
          const send = async (method, path, body) => {
            const answer = await fetch(`/api/v1${path}`, {method, body: JSON.stringify(body), headers: head});
            if (!answer.ok) throw new Error(await answer.text());
          };
          const page = await (await fetch('/api/v1/load-management')).json();
          const told = await (await fetch('/api/v1/disclaimer')).json();
          await send('POST', '/disclaimer', {version: told.version});
          await send('PUT', '/load-management', {version: page.version, form: {...page.form, dynamic: true}});
        }"""
    )
    installer.evaluate(
        """async () => {
          const {csrf} = await (await fetch('/api/v1/sign-in')).json();
          const head = {'content-type': 'application/json', 'x-csrf': csrf};
          const position = {position: 'T', 'rotary.yard': 7, 'means_a.yard': 32};
          for (const [task, values] of Object.entries({wiring: {}, switches: position, clamps: {}, order: {}})) {
            const path = `/api/v1/commissioning/tasks/${task}`;
            const answer = await fetch(path, {method: 'PUT', body: JSON.stringify({values}), headers: head});
            if (!answer.ok) throw new Error(await answer.text());
          }
        }"""
    )
    owner.goto(site.url)
    expect(owner.get_by_role("article", name="yard")).to_contain_text("Charging", timeout=120_000)
    for name, (path, (width, height), scheme) in PICTURES.items():
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            storage_state=(installer if name == "app-commissioning" else owner).context.storage_state(),
            locale="en-GB",
            device_scale_factor=1.5 if width < 900 else 1,
        )
        page = context.new_page()
        page.goto(f"{site.url}{path}")
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_load_state("load")
        if path in ("/", "/kiosk"):
            page.locator(".charger").first.wait_for()
        if path == "/" and width > 900:
            page.locator(".history canvas").wait_for()
        if name == "app-commissioning":
            page.get_by_label("L1").wait_for()
        taken = page.screenshot(path=folder / f"{name}.png")
        assert len(taken) > 10_000, f"{name} is nearly empty"
        context.close()


def test_every_picture_is_in_the_docs() -> None:
    docs = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md")) + (ROOT / "README.md").read_text()
    for name in PICTURES:
        assert (FOLDER / f"{name}.png").exists(), f"{name}.png is missing: make pictures"
        assert f"pictures/{name}.png" in docs, f"{name}.png is shown nowhere"
