"""The app as people use it: in a real browser, with the real controller behind it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import PASSWORD, PATIENCE_MS, ROOT, Site, open_load_management
from tests.links.postbox import Postbox, open_postbox

from ampacity.config.site_toml import load
from ampacity.core.features import Feature
from ampacity.core.site import ChargerId

expect.set_options(timeout=PATIENCE_MS)
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/",
    "/sessions",
    "/settings",
    "/settings/energy",
    "/settings/energy/load-management",
    "/settings/energy/schedules",
    "/settings/chargers",
    "/settings/chargers/link",
    "/settings/tags",
    "/settings/people",
    "/settings/security",
    "/settings/audit",
    "/settings/notifications",
    "/settings/backup",
    "/settings/check",
    "/settings/commissioning",
    "/events",
    "/charger/garage-left",
    "/about",
    "/kiosk",
)


def activate(page: Page) -> None:
    open_load_management(page)
    page.get_by_role("switch", name="Dynamic Load Management").check()
    page.get_by_role("switch", name=re.compile("I have read this")).check()
    page.get_by_role("button", name="See what will change").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved, and in use.")).to_be_visible()


def test_the_whole_activation_as_the_guide_tells_it(site: Site, owner: Page) -> None:
    expect(owner.get_by_role("status")).to_contain_text("Load management is off")
    open_load_management(owner)
    for line in (1, 2, 3):
        owner.get_by_label(f"L{line}").fill("30")
    owner.get_by_label("Number of chargers").fill("4")
    owner.get_by_label("Which charger is the Primary").select_option("yard")
    owner.get_by_label("Minimum current, street").fill("8")
    owner.get_by_role("switch", name="Dynamic Load Management").check()
    owner.get_by_role("button", name="See what will change").click()
    preview = owner.locator(".preview")
    expect(preview).to_contain_text("street, Minimum current: – → 8")
    expect(owner.get_by_role("button", name="Save")).to_be_disabled()
    owner.get_by_role("switch", name=re.compile("Ann: I have read this")).check()
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_text("Saved, and in use.")).to_be_visible()
    expect(owner.get_by_role("status").first).to_contain_text("Primary with all secondary chargers paired")
    installation = load(site.file)
    assert Feature.DYNAMIC in installation.features.on
    assert installation.primary == "yard"
    assert list(installation.site.circuits[0].rating_a) == [30.0] * 3


@pytest.mark.parametrize("amps", ["6", "5", "0"])
def test_6_a_and_less_are_refused_beside_the_field(amps: str, site: Site, owner: Page) -> None:
    before = site.file.read_text()
    open_load_management(owner)
    owner.get_by_label("L1").fill(amps)
    owner.get_by_role("button", name="See what will change").click()
    expect(owner.get_by_text("Only values greater than 6 A are accepted").first).to_be_visible()
    expect(owner.get_by_role("button", name="Save")).to_be_disabled()
    assert site.file.read_text() == before


def test_an_owner_is_told_that_raising_the_limit_needs_an_installer(site: Site, owner: Page) -> None:
    open_load_management(owner)
    owner.get_by_label("L1").fill("63")
    owner.get_by_role("button", name="See what will change").click()
    expect(owner.get_by_text("Only an installer may change this:").first).to_be_visible()
    expect(owner.get_by_role("button", name="Save")).to_be_disabled()


def test_solar_charging_is_refused_with_the_way_out(owner: Page) -> None:
    activate(owner)
    owner.goto(owner.url.rpartition("/")[0])
    expect(owner.get_by_text("Switch off Dynamic Load Management first.").first).to_be_visible()
    solar = owner.get_by_role("switch", name="Solar Charging")
    solar.click()
    expect(owner.get_by_role("alert")).to_contain_text("can’t be on together")
    expect(solar).not_to_be_checked()


def test_a_link_lost_in_the_middle_applies_nothing_and_says_so(site: Site, owner: Page) -> None:
    before = site.file.read_text()
    open_load_management(owner)
    for line in (1, 2, 3):
        owner.get_by_label(f"L{line}").fill("25")
    owner.get_by_role("button", name="See what will change").click()
    owner.get_by_role("button", name="Save").wait_for()
    site.stop()
    expect(owner.get_by_text("Connection lost since")).to_be_visible()
    expect(owner.get_by_text("No connection: nothing has been applied.")).to_be_visible()
    expect(owner.get_by_role("button", name="Save")).to_be_disabled()
    assert site.file.read_text() == before
    site.start()
    expect(owner.get_by_text("Connection lost since")).to_be_hidden()
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_text("Saved, and in use.")).to_be_visible()


def test_of_two_people_who_save_at_once_the_second_is_told(site: Site, owner: Page) -> None:
    second = owner.context.new_page()
    second.goto(f"{site.url}/settings/energy/load-management")
    open_load_management(owner)
    for page, amps in ((owner, "30"), (second, "20")):
        page.get_by_label("L1").fill(amps)
        page.get_by_role("button", name="See what will change").click()
        page.get_by_role("button", name="Save").wait_for()
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_text("Saved, and in use.")).to_be_visible()
    second.get_by_role("button", name="Save").click()
    expect(second.get_by_text("Somebody else has saved since you began")).to_be_visible()
    assert load(site.file).site.circuits[0].rating_a[0] == 30.0


def test_a_pause_is_one_tap_and_is_told(owner: Page) -> None:
    activate(owner)
    owner.get_by_role("link", name="Live").click()
    card = owner.get_by_role("article", name="garage-left")
    expect(card).to_contain_text("Charging", timeout=120_000)
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused by a person.")
    card.get_by_role("button", name="Resume").click()
    expect(card).not_to_contain_text("Paused by a person.")


def test_the_kiosk_shows_live_and_keeps_settings_behind_its_pin(site: Site, owner: Page) -> None:
    owner.goto(f"{site.url}/kiosk")
    owner.get_by_label("PIN for the settings").fill("7391")
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_text("Saved, and in use.")).to_be_visible()
    owner.get_by_role("button", name="Use this device as a wall tablet").click()
    owner.get_by_role("button", name="Unlock").click()
    for digit in "1234":
        owner.get_by_role("button", name=digit, exact=True).click()
    owner.get_by_role("button", name="Unlock").click()
    expect(owner.get_by_role("alert")).to_contain_text("The PIN is wrong")
    expect(owner.get_by_role("button", name="Load Management")).to_be_hidden()
    for digit in "7391":
        owner.get_by_role("button", name=digit, exact=True).click()
    owner.get_by_role("button", name="Unlock").click()
    owner.get_by_role("button", name="Load Management").click()
    expect(owner.get_by_label("Number of chargers")).to_be_visible()
    site.stop()
    expect(owner.get_by_text("Connection lost since")).to_be_visible()


def test_every_language_shows_no_bare_key_and_no_english(site: Site, owner: Page) -> None:
    for code in ("es", "de", "fr", "ca", "nl", "en"):
        texts = json.loads((ROOT / "src" / "ampacity" / "web" / "texts" / f"{code}.json").read_text())
        owner.evaluate(
            """async (language) => {
              const who = await (await fetch('/api/v1/sign-in')).json();
              await fetch('/api/v1/account', {method: 'PATCH', body: JSON.stringify({language}),
                headers: {'content-type': 'application/json', 'x-csrf': who.csrf}});
            }""",
            code,
        )
        for path in PAGES:
            owner.goto(f"{site.url}{path}")
            owner.get_by_role("heading", level=1).wait_for()
            shown = owner.locator("body").inner_text()
            assert (
                re.findall(
                    r"\b(?:app|lm|live|energy|causes|states|errors|features|commission|selfcheck)\.[a-z-]+", shown
                )
                == []
            ), path
        owner.goto(f"{site.url}/settings/energy")
        expect(owner.get_by_role("heading", level=1)).to_have_text(texts["energy"]["title"])


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1024, 768)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_is_accessible(
    width: int, height: int, scheme: str, site: Site, owner: Page, browser: Browser
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        storage_state=owner.context.storage_state(),
        bypass_csp=True,  # for axe itself
        locale="en-GB",
    )
    page = context.new_page()
    for path in PAGES:
        page.goto(f"{site.url}{path}")
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_load_state("load")
        if path in ("/", "/kiosk"):
            page.locator(".charger").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the screen"
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]]
        assert told == [], path
    context.close()


def test_nothing_is_asked_of_any_other_host_and_the_first_screen_is_small(site: Site, owner: Page) -> None:
    hosts, sizes = set(), []
    page = owner.context.new_page()
    page.on("request", lambda request: hosts.add(re.sub(r"(https?://[^/]+).*", r"\1", request.url)))
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(site.url)
    page.locator(".bar").first.wait_for()
    page.locator(".history").wait_for()
    assert hosts == {site.url}
    assert sum(sizes) <= 150 * 1024


def test_the_chart_shows_currents_and_power(site: Site, owner: Page) -> None:
    history = owner.get_by_role("region", name="Main breaker")
    expect(history.get_by_text("A at most").first).to_be_visible(timeout=120_000)
    history.get_by_role("button", name="Power").click()
    expect(history.get_by_text("kW at most, from the measured currents at 230 V")).to_be_visible()
    expect(history.locator("canvas")).to_have_count(1)


def test_who_is_not_signed_in_sees_nothing_but_the_sign_in(site: Site, owner: Page, browser: Browser) -> None:
    page = browser.new_context(locale="en-GB").new_page()
    page.goto(f"{site.url}/settings/audit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("E-mail").fill("ann@example.org")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("E-mail or password is wrong")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes")


def test_an_invitation_makes_an_account_whose_role_the_owner_can_change(
    site: Site, owner: Page, browser: Browser
) -> None:
    owner.goto(f"{site.url}/settings/people")
    owner.get_by_label("Name").fill("Ben")
    owner.get_by_role("button", name="Make a link").click()
    link = owner.locator(".done code").inner_text()
    guest = browser.new_context(locale="en-GB").new_page()
    guest.goto(link)
    expect(guest.get_by_text("you will be Driver")).to_be_visible()
    expect(guest.get_by_label("Name")).to_have_value("Ben")
    guest.get_by_label("E-mail").fill("ben@example.org")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    guest.locator(".bar").first.wait_for()
    owner.reload()
    expect(owner.get_by_text("Open invitations")).to_be_hidden()
    owner.get_by_label("Role of Ben").select_option("installer")
    guest.goto(f"{site.url}/settings")
    expect(guest.get_by_text("Installer · ben@example.org")).to_be_visible()
    owner.get_by_role("button", name="Remove Ben").click()
    expect(owner.get_by_text("ben@example.org")).to_be_visible()
    owner.get_by_role("button", name="Really remove Ben?").click()
    expect(owner.get_by_text("ben@example.org")).to_be_hidden()


def test_a_token_is_shown_once_and_reads(site: Site, owner: Page) -> None:
    owner.goto(f"{site.url}/settings/security")
    owner.get_by_label("For what").fill("a display")
    owner.get_by_role("button", name="Make a token").click()
    token = owner.locator(".done code").inner_text()
    answer = owner.request.get(f"{site.url}/api/v1/live", headers={"authorization": f"Bearer {token}", "cookie": ""})
    assert answer.status == 200
    owner.reload()
    expect(owner.get_by_text("a display")).to_be_visible()
    expect(owner.get_by_text(token)).to_be_hidden()


def test_the_language_is_changed_in_the_settings(site: Site, owner: Page) -> None:
    owner.goto(f"{site.url}/settings/security")
    owner.get_by_label("Language").select_option("de")
    expect(owner.get_by_role("heading", level=1)).to_have_text("Konto und Sicherheit")
    owner.reload()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Konto und Sicherheit")


def test_what_happens_is_told_in_words_newest_first(site: Site, owner: Page) -> None:
    activate(owner)
    owner.get_by_role("link", name="Events").click()
    first = owner.locator(".events li").first
    expect(owner.get_by_text("The settings of the site were changed.")).to_be_visible()
    expect(owner.locator(".events li").last).to_contain_text("The controller has started")
    expect(first).to_contain_text("a car begins", timeout=120_000)
    owner.reload()
    expect(owner.get_by_text("The settings of the site were changed.")).to_be_visible()


def test_what_is_being_typed_outlives_the_live_picture(site: Site, owner: Page) -> None:
    owner.goto(f"{site.url}/settings/chargers")
    charger = owner.locator("form").filter(has=owner.get_by_role("heading", name="yard"))
    charger.get_by_label("Name").fill("By the gate")
    owner.evaluate(
        """() => new Promise((done) => {
          const stream = new EventSource('/api/v1/live/stream');
          let pictures = 0;
          stream.addEventListener('live', () => { pictures += 1; if (pictures === 3) { stream.close(); done(); } });
        })"""
    )
    charger.get_by_role("button", name="Save").click()
    expect(owner.get_by_role("heading", name="By the gate")).to_be_visible()
    assert load(site.file).name_of(ChargerId("yard")) == "By the gate"


def test_messages_are_set_up_and_tried_out(site: Site, owner: Page) -> None:
    owner.goto(f"{site.url}/settings/notifications")
    owner.get_by_role("switch", name="E-mail").check()
    with open_postbox(Postbox(offers_starttls=False)) as box:
        owner.get_by_label("Mail server (SMTP)").fill("127.0.0.1")
        owner.get_by_label("Encryption").select_option("none")
        owner.get_by_label("Port").fill(str(box.port))
        owner.get_by_label("From", exact=True).fill("house@example.org")
        owner.get_by_label("To", exact=True).fill("ann@example.org, ben@example.org")
        owner.get_by_role("button", name="Save").click()
        expect(owner.get_by_role("button", name="Send a test")).to_be_enabled()
        owner.get_by_role("button", name="Send a test").click()
        expect(owner.get_by_text("E-mail: The test was taken.")).to_be_visible()
        assert [letter.to for letter in box.letters] == [["ann@example.org", "ben@example.org"]]
    owner.get_by_role("button", name="Send a test").click()
    expect(owner.get_by_text("The mail server can’t be reached")).to_be_visible()


def test_a_backup_is_downloaded_and_taken_back(site: Site, owner: Page, tmp_path: Path) -> None:
    owner.goto(f"{site.url}/settings/backup")
    with owner.expect_download() as waiting:
        owner.get_by_role("link", name="Download").click()
    file = tmp_path / "taken" / waiting.value.suggested_filename
    waiting.value.save_as(file)
    owner.goto(f"{site.url}/settings/tags")
    owner.get_by_role("switch", name="Only known tags may charge").check()
    owner.goto(f"{site.url}/settings/backup")
    owner.get_by_label("Backup file").set_input_files(site.file)
    expect(owner.get_by_role("alert")).to_contain_text("This is no backup of Ampacity")
    owner.get_by_label("Backup file").set_input_files(file)
    expect(owner.get_by_text("is taken back at the next start.")).to_be_visible()
    owner.get_by_role("button", name="Restart now").click()
    expect(owner.get_by_text("The controller starts anew")).to_be_visible()
    owner.locator(".bar").first.wait_for()
    owner.goto(f"{site.url}/settings/tags")
    expect(owner.get_by_role("switch", name="Only known tags may charge")).not_to_be_checked()


def test_a_driver_says_whose_car_it_is_and_sees_what_it_got(site: Site, owner: Page, browser: Browser) -> None:
    activate(owner)
    owner.goto(f"{site.url}/settings/people")
    owner.get_by_role("switch", name="Drivers may pause and put first their own session").check()
    owner.get_by_label("Name").fill("Ben")
    owner.get_by_role("button", name="Make a link").click()
    driver = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB").new_page()
    driver.goto(owner.locator(".done code").inner_text())
    driver.get_by_label("E-mail").fill("ben@example.org")
    driver.get_by_label("Password").fill(PASSWORD)
    driver.get_by_role("button", name="Create account").click()
    card = driver.get_by_role("article", name="garage-left")
    expect(card).to_contain_text("Charging", timeout=120_000)
    expect(card.get_by_role("button", name="Pause")).to_be_hidden()
    card.get_by_role("link", name="garage-left").click()
    driver.get_by_role("button", name="This is my car").click()
    driver.get_by_role("button", name="Pause", exact=True).click()
    expect(driver.get_by_role("article", name="garage-left")).to_contain_text("Paused by a person.")
    driver.get_by_role("link", name="Charging").click()
    expect(driver.locator(".list li").first).to_contain_text("garage-left")
