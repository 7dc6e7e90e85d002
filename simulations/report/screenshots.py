"""``python -m simulations.report.screenshots``: makes the picture in the top README from a report that it generates."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

OUTPUT = Path(".github/report.png")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH_PX, HEIGHT_PX_MAX = 1000, 1400
LAST_PLOT = "svg"
"""The picture ends below the first plot of the page."""
_MARGIN_PX = 16


@click.command()
@click.option("--users", type=click.IntRange(2), default=100, show_default=True)
@click.option("--messages", type=click.IntRange(0), default=2000, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=OUTPUT, show_default=True)
def main(users: int, messages: int, output: Path) -> None:
    """Simulate a day, write its report, and take a picture of the report's first screen.

    Needs Chromium, and Playwright from the extra `test`.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise click.UsageError(f"no browser found: install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "world.html"
        simulate(page, users=users, messages=messages)
        output.parent.mkdir(parents=True, exist_ok=True)
        take_picture(page, output, browser)
    click.echo(f"{output}: {output.stat().st_size:,} bytes")


def simulate(page: Path, *, users: int, messages: int) -> None:
    """Run ``mostao simulate`` with a report, in the page's folder."""
    mostao = str(Path(sys.executable).with_name("mostao"))
    command = [mostao, "simulate", "--users", str(users), "--messages", str(messages), "--report", page.name]
    subprocess.run(command, cwd=page.parent, check=True, stdout=subprocess.DEVNULL)


def take_picture(page: Path, output: Path, browser: str) -> None:
    """Save a picture of a page, from its top to the end of its first plot."""
    from playwright.sync_api import sync_playwright  # of the extra `test`

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses to run as root
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--disable-gpu", *arguments])
        try:
            view = running.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX_MAX}, color_scheme="light")
            view.goto(page.as_uri())
            box = view.locator(LAST_PLOT).first.bounding_box()
            end = HEIGHT_PX_MAX if box is None else min(HEIGHT_PX_MAX, round(box["y"] + box["height"]) + _MARGIN_PX)
            view.screenshot(path=output, clip={"x": 0, "y": 0, "width": WIDTH_PX, "height": end})
        finally:
            running.close()


if __name__ == "__main__":
    main()
