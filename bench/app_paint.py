"""The app's first screen on a slow phone: first contentful paint and what comes over the line, cold.

Chromium with the processor four times slower and a fast 4G line (60 ms, 9 Mbit/s), against the demo on loopback.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys

from playwright.sync_api import Browser, sync_playwright

RUNS = 7


def first_link(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    for line in demo.stdout:
        if "The app: " in line:
            return line.partition("The app: ")[2].strip()
    raise SystemExit("the demo has ended")


def painted(browser: Browser, url: str, state: object) -> tuple[float, float, int]:
    """FCP in ms, bytes over the line, requests."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, storage_state=state)  # type: ignore[arg-type]
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 60, "downloadThroughput": 9e6 / 8, "uploadThroughput": 9e6 / 8},
    )
    line.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    sizes: list[int] = []
    line.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    page.goto(url)
    page.locator(".bar").first.wait_for()
    fcp = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    context.close()
    return fcp, sum(sizes), len(sizes)


def main() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "ampacity.cli.main", "demo", "--plain"], stdout=subprocess.PIPE, text=True
    )
    try:
        link = first_link(demo)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(link)
            page.get_by_label("Name").fill("Ann")
            page.get_by_label("E-mail").fill("ann@example.org")
            page.get_by_label("Password").fill("four words do not belong")
            page.locator("button.main").click()
            page.locator(".bar").first.wait_for()
            state = page.context.storage_state()
            url = link.partition("/start")[0]
            found = [painted(browser, url, state) for _ in range(RUNS)]
            browser.close()
        times = sorted(fcp for fcp, _, _ in found)
        print(f"first contentful paint, ms: median {statistics.median(times):.0f}, most {times[-1]:.0f}, of {RUNS}")
        print(f"first screen, KiB: {max(size for _, size, _ in found) / 1024:.1f} in {found[0][2]} requests")
    finally:
        demo.terminate()
        demo.wait()


if __name__ == "__main__":
    main()
