"""The guided commissioning as an installer goes through it: in a real browser, with the real controller behind it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.browser.conftest import PATIENCE_MS, Site
from tests.browser.test_app import AXE

from ampacity.commission.dossier import KeptDossier, Step
from ampacity.commission.report import verified
from ampacity.config.site_toml import load
from ampacity.storage.database import open_database

expect.set_options(timeout=PATIENCE_MS)


def step(page: Page, title: str) -> Locator:
    """A step of the list, open."""
    found = page.locator(".tasks > li").filter(has=page.get_by_role("button", name=title, exact=True))
    head = found.get_by_role("button", name=title, exact=True)
    if head.get_attribute("aria-expanded") == "false":
        head.click()
    return found


@pytest.fixture
def without_meter(site: Site) -> Site:
    """The meter is on a serial line that is not there, and nothing is stated of the building."""
    site.stop()
    text = site.file.read_text()
    text = re.sub(r'host = "[\d.]+"\nport = \d+', 'serial = "/dev/not-plugged-in"', text, count=1)
    site.file.write_text(re.sub(r"worst_load_a = .*\n", "", text))
    site.start()
    return site


def act(page: Page, title: str, button: str) -> None:
    step(page, title).get_by_role("button", name=button).click()


def test_what_hands_do_is_typed_in_judged_and_still_there_after_leaving(without_meter: Site, installer: Page) -> None:
    expect(installer.get_by_text(re.compile("^0 of [0-9]+ done$"))).to_be_visible()
    wiring = step(installer, "Wiring and cable")
    wiring.get_by_label("Cable").fill("LiYCY 2×0.5")
    wiring.get_by_label("Cross-section").fill("0.5")
    wiring.get_by_role("button", name="It is done").click()
    expect(installer.get_by_role("button", name="Resistance of the RS485 line")).to_be_focused()
    line = step(installer, "Resistance of the RS485 line")
    line.get_by_label("Resistance between D+ and D−").fill("120")
    line.get_by_role("button", name="Save and judge").click()
    expect(line).to_contain_text("120 ohm: one terminator is missing.")
    installer.get_by_role("link", name="Live").click()
    installer.locator(".bar").first.wait_for()
    installer.goto(f"{without_meter.url}/settings/commissioning")
    expect(line.get_by_label("Resistance between D+ and D−")).to_have_value("120")
    expect(line).to_contain_text("one terminator is missing")
    expect(step(installer, "Wiring and cable")).to_contain_text("Cable: LiYCY 2×0.5")
    step(installer, "Resistance of the RS485 line").get_by_label("over limit").check()
    line.get_by_role("button", name="Save and judge").click()
    expect(line).to_contain_text("Far more than 120 ohm: a wire is broken")
    line.get_by_label("over limit").uncheck()
    line.get_by_label("Resistance between D+ and D−").fill("60")
    line.get_by_role("button", name="Save and judge").click()
    expect(line.locator("> .mark")).to_have_accessible_name("fine")
    order = step(installer, "Meter first, then the chargers")
    expect(order).to_contain_text("does not answer. The self-check")
    act(installer, "Wiring and cable", "Do it again")
    expect(step(installer, "Wiring and cable").locator("> .mark")).to_have_accessible_name("not known")


def test_no_test_begins_before_its_current_is_sure_and_the_worst_load_is_stated_here(
    without_meter: Site, installer: Page
) -> None:
    charger = step(installer, "Step test: yard")
    expect(charger).to_contain_text(re.compile("At yard now: "), timeout=120_000)
    charger.get_by_role("button", name="Begin the test").click()
    expect(installer.get_by_role("alert")).to_contain_text("There is no current yet that is sure for a test.")
    worst = step(installer, "The building’s worst load")
    for line, amps in (("L1", "16"), ("L2", "12.5"), ("L3", "8")):
        worst.get_by_label(line).fill(amps)
    worst.get_by_role("button", name="Save").click()
    expect(worst.locator("> .mark")).to_have_accessible_name("fine")
    stated = load(without_meter.file).site.circuits[0].worst_load_a
    assert stated is not None
    assert list(stated) == [16.0, 12.5, 8.0]


def test_a_test_tells_how_far_it_is_and_an_installer_stops_it_while_an_owner_reads_along(
    site: Site, installer: Page, owner: Page
) -> None:
    charger = step(installer, "Step test: garage-left")
    expect(charger).to_contain_text(re.compile("At garage-left now: (Charging|Waits|Car connected)"), timeout=120_000)
    charger.get_by_role("button", name="Begin the test").click()
    running = installer.get_by_role("region", name="Step test: garage-left")
    expect(running.get_by_role("status")).to_have_text("The car begins at its minimum.", timeout=60_000)
    expect(running).to_contain_text("all other cars are paused")
    expect(charger.get_by_role("button", name="Begin the test")).to_be_disabled()
    owner.goto(f"{site.url}/settings/commissioning")
    expect(owner.get_by_role("region", name="Step test: garage-left")).to_be_visible()
    expect(owner.get_by_text("Only an installer does these steps.")).to_be_visible()
    expect(step(owner, "Wiring and cable")).to_contain_text("prove that nothing is live")
    for button in ("Stop the test", "It is done", "Begin the test"):
        expect(owner.get_by_role("button", name=button)).to_be_hidden()
    running.get_by_role("button", name="Stop the test").click()
    expect(running).to_be_hidden()
    expect(charger).to_contain_text("The test was stopped. Begin it again.")
    expect(charger.get_by_role("button", name="Test again")).to_be_enabled()


def test_what_a_test_has_learned_is_set_with_one_confirmation_and_a_lost_link_loses_nothing(
    site: Site, installer: Page
) -> None:
    cable = step(installer, "Wiring and cable").get_by_label("Cable")
    cable.fill("LiYCY")
    site.stop()
    expect(installer.get_by_text("Connection lost since")).to_be_visible()
    expect(installer.get_by_role("button", name="It is done")).to_be_disabled()
    installation = load(site.file)
    engine = open_database(installation.storage.place)
    found = Step(at_s=1e9, by="Ina", findings=(), wirings=((2, 0, 1),), mountings={}, quantities={})
    KeptDossier(lambda: engine).change(lambda dossier: replace(dossier, steps={"garage-right": found}))
    engine.dispose()
    site.start()
    expect(installer.get_by_text("Connection lost since")).to_be_hidden()
    expect(cable).to_have_value("LiYCY")
    charger = step(installer, "Step test: garage-right")
    expect(charger).to_contain_text("The charger is wired to L3-L1-L2, but L2-L3-L1 is set.")
    charger.get_by_role("button", name="Set garage-right to L3-L1-L2").click()
    assert load(site.file).site.chargers[1].wiring == (1, 2, 0)
    charger.get_by_role("button", name="Really set L3-L1-L2").click()
    expect(charger.get_by_text("Set, and in use.")).to_be_visible()
    assert load(site.file).site.chargers[1].wiring == (2, 0, 1)


def test_switches_are_judged_and_stand_in_the_report_signed_with_the_key_that_is_shown(
    installer: Page, tmp_path: Path
) -> None:
    switches = step(installer, "RS485 switch and rotary switches")
    switches.get_by_label("Position of the RS485 switch").fill("NT")
    yard = switches.get_by_role("group", name="yard")
    yard.get_by_label("Rotary switch").fill("6")
    yard.get_by_label("It means").fill("20")
    switches.get_by_role("button", name="Save and judge").click()
    expect(switches).to_contain_text("stands at NT, so the line is not terminated there")
    expect(switches).to_contain_text("yard: its rotary switch means 20 A, but here its maximum is 32 A.")
    yard.get_by_label("It means").fill("32")
    switches.get_by_label("Position of the RS485 switch").fill("T")
    switches.get_by_role("button", name="Save and judge").click()
    expect(switches.locator("> .mark")).to_have_accessible_name(re.compile("fine|worth a look"))
    step(installer, "The disclaimer").get_by_role("switch", name="Ina: I have read this and accept it").check()
    expect(step(installer, "The disclaimer")).to_contain_text("Ina, ")
    key = installer.locator("code").inner_text()
    for link, form in (("As a page (HTML)", "html"), ("For print (PDF)", "pdf")):
        with installer.expect_download() as waiting:
            installer.get_by_role("link", name=link).click()
        file = tmp_path / f"report.{form}"
        waiting.value.save_as(file)
        assert verified(file.read_bytes()) == key
    assert re.search(r"yard: its rotary switch means 32\b", (tmp_path / "report.html").read_text())


def test_every_form_is_accessible_on_phone_and_tablet_light_and_dark(
    site: Site, installer: Page, browser: Browser
) -> None:
    titles = (
        "Wiring and cable",
        "RS485 switch and rotary switches",
        "The meter against a clamp meter",
        "The disclaimer",
    )
    for width, height, scheme in ((390, 844, "light"), (390, 844, "dark"), (1024, 768, "light"), (1024, 768, "dark")):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            storage_state=installer.context.storage_state(),
            bypass_csp=True,  # for axe itself
            locale="en-GB",
        )
        page = context.new_page()
        page.goto(f"{site.url}/settings/commissioning")
        page.locator(".tasks").wait_for()
        page.add_script_tag(path=str(AXE))
        for title in titles:
            step(page, title)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), title
            found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
            told = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]]
            assert told == [], (title, width, scheme)
        context.close()
