"""Takes the screenshots of docs/page.md from a running demo: .venv-browser/bin/python -m tests.browser.pictures"""

from playwright.sync_api import sync_playwright

from ops.settings import ROOT, LaptopSettings
from tests.browser.conftest import FLAGS, chromium

HUB = "91c1114f1e2b4b8d"  # a home in Portland, of include/data
SIZES = {"page-light": (1440, 1330), "page-dark": (1440, 1330), "page-phone": (390, 1100)}


def main() -> None:
    url = LaptopSettings.from_environment().airflow_url
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, (width, height) in SIZES.items():
            with browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if name == "page-dark" else "light",
                is_mobile=name == "page-phone",
            ) as context:
                page = context.new_page()
                page.goto(f"{url}/plugin/smart-hub" if width > 600 else f"{url}/smart-hub/?state=or&hub={HUB}")
                shown = page.frame_locator("iframe") if width > 600 else page
                if width > 600:
                    shown.locator("#hub").select_option(HUB)
                    shown.get_by_role("button", name="Show").click()
                shown.locator("#chart-provider .main-svg").first.wait_for()
                page.wait_for_load_state("networkidle")
                page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
