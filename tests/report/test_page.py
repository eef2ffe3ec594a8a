# Copyright: (c) 2026, Strata
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of role store_report in a real browser."""

from __future__ import annotations

import json
import os
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.strata.overlay2.plugins.plugin_utils._record import make_record
from ansible_collections.strata.overlay2.plugins.plugin_utils._records import write_record
from ansible_collections.strata.overlay2.tests.report.fleets import HOSTILE, NOW, facts, make_fleet, plan, render
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("STRATA_CHROMIUM", "/usr/bin/chromium")


class Opened(t.NamedTuple):
    """page: in the browser. said: what was written to the console, failed, or asked for beside the page itself."""

    page: Page
    said: list[str]


@pytest.fixture(scope="session")
def browser() -> t.Iterator[Browser]:
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # it runs as root here
        yield started
        started.close()


@pytest.fixture
def see(browser: Browser) -> t.Iterator[t.Callable[..., Opened]]:
    """Give a function that opens a page; in the end nothing must have been said."""
    opened: list[Opened] = []

    def open_page(path: Path, **options: t.Any) -> Opened:
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, **options)
        one = Opened(page, [])
        page.on("console", lambda message: one.said.append(message.text))
        page.on("pageerror", lambda error: one.said.append(str(error)))
        page.on("request", lambda request: one.said.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        opened.append(one)
        return one

    yield open_page
    for one in opened:
        one.page.close()
        assert one.said == []


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[int], Path]:
    """Give a function that makes the page of so many hosts, once."""
    made: dict[int, Path] = {}

    def make(count: int) -> Path:
        if count not in made:
            directory = tmp_path_factory.mktemp(f"fleet{count}")
            made[count] = render(directory, make_fleet(directory, count))
        return made[count]

    return make


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"#host-rows tr td:nth-child({number})").all_inner_texts()


def rows(page: Page) -> list[str]:
    return column(page, 1)


def keep_picture(page: Page, name: str) -> None:
    """Leave a picture for people in $STRATA_PICTURES, if that is set."""
    if os.environ.get("STRATA_PICTURES"):
        page.screenshot(path=Path(os.environ["STRATA_PICTURES"], name), full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_host(see, page_of, scheme):
    page = see(page_of(1), color_scheme=scheme).page
    assert rows(page) == ["build-0000"]
    assert page.locator("#count").inner_text() == "1 to 1 of 1 host"
    assert page.locator("#before").is_disabled() and page.locator("#after").is_disabled()
    assert page.locator("#no-problems").is_visible() and not page.locator("#problems").is_visible()
    page.get_by_role("button", name="build-0000").click()
    assert page.locator("#detail .tree svg g").count() == 60
    assert page.locator("#detail .more").count() >= 1
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == {"light": "rgb(251, 251, 250)", "dark": "rgb(20, 23, 26)"}[scheme]
    keep_picture(page, f"one-{scheme}.png")
    page.get_by_role("button", name="Close").click()
    assert page.locator("#detail *").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_hundred_hosts_have_problems_first(see, page_of, scheme):
    page = see(page_of(200), color_scheme=scheme).page
    assert page.locator("#count").inner_text() == "1 to 50 of 200 hosts"
    states = column(page, 2)
    assert sorted(states[:2]) == ["failed", "unreachable"] and set(states[2:]) == {"ok"}
    codes = page.locator("#problem-rows tr td:nth-child(2)").all_inner_texts()
    assert set(codes[:3]) == {"link_empty", "no_space", "host_unreachable"} and "nearly_full" in codes
    remedies = page.locator("#problem-rows tr td:nth-child(5)").all_inner_texts()
    assert "free some" in remedies and "prune it" in remedies
    keep_picture(page, f"fleet-{scheme}.png")


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("build-0019", "The playbook strata.overlay2.repair repairs this: write the name ABC to web/link."),
        ("build-0069", "A repair needs your decision: write the name ABC to web/link."),
    ],
)
def test_what_can_be_repaired_is_told(see, page_of, host, told):
    page = see(page_of(200)).page
    assert "The playbook strata.overlay2.repair repairs 2 of 4." in page.locator("#problem-rows").inner_text()
    page.locator("#filter").fill(host)
    page.locator("#host-rows").get_by_role("button", name=host).click()
    assert page.locator("#detail .repair").all_inner_texts() == [told]


def test_each_remedy_of_a_problem_is_told(see, tmp_path):
    hosts = ["one", "two", "three"]
    for host, hint in zip(hosts, ("run tune2fs", "mount with pquota", "run tune2fs")):
        problem = {"code": "no_project_quota", "message": "no quotas", "hint": hint}
        record = make_record(host, NOW, facts(random.Random(1), problems=[problem]), max_layers=60)
        write_record(str(tmp_path / "records"), host, record)
    page = see(render(tmp_path, hosts)).page
    assert page.locator("#problem-rows tr td:nth-child(5)").all_inner_texts() == ["run tune2fs", "mount with pquota"]
    assert page.locator("#problem-rows tr td:nth-child(3)").all_inner_texts() == ["2 hosts", "two"]


@pytest.mark.parametrize("check", [False, True])
def test_only_what_was_removed_is_told_as_removed(see, tmp_path, check):
    told, planned = facts(random.Random(1)), plan(random.Random(1), 10)
    write_record(
        str(tmp_path / "records"), "one", make_record("one", NOW, told, planned, planned, max_layers=60, check=check)
    )
    page = see(render(tmp_path, ["one"])).page
    assert (column(page, 8) == ["\u2013"]) == check
    assert ("would be removed" in page.locator("#sums").inner_text()) == check


def test_a_phone_shows_it_without_sideways_scrolling(see, page_of):
    page = see(page_of(200)).page
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#filter").fill("build-0019")
    page.locator("#host-rows").get_by_role("button", name="build-0019").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("Math.min(...[...document.querySelectorAll('#host-rows td')].map((c) => c.clientWidth))") >= 40
    keep_picture(page, "phone.png")


def test_it_sorts_by_each_column_both_ways(see, page_of):
    page = see(page_of(200)).page
    headers = page.locator("#columns button")
    for number in range(headers.count()):
        headers.nth(number).click()
        assert page.locator("#columns th").nth(number).get_attribute("aria-sort") == "ascending"
        up = rows(page)
        headers.nth(number).click()
        assert page.locator("#columns th").nth(number).get_attribute("aria-sort") == "descending"
        assert rows(page) != up
    page.get_by_role("button", name="Host", exact=True).click()
    assert rows(page) == sorted(rows(page)) and rows(page)[0] == HOSTILE.replace("\u202e", "\ufffd")
    page.get_by_role("button", name="Host", exact=True).click()
    assert rows(page)[0] == "build-0199"
    page.get_by_role("button", name="Free", exact=True).click()
    keys = [float(text.split()[0]) * 1024 ** ["GiB", "TiB"].index(text.split()[1]) for text in column(page, 6)]
    assert keys == sorted(keys)


def test_it_filters_by_words_states_and_problems(see, page_of):
    page = see(page_of(200)).page
    page.locator("#filter").fill("build-001 OK")
    expect(page.locator("#host-rows tr")).to_have_count(7)
    assert set(rows(page)) == {f"build-001{number}" for number in (0, 3, 5, 6, 7, 8, 9)}
    page.locator("#filter").fill("nothing is called so")
    expect(page.locator("#host-rows tr")).to_have_count(0)
    assert page.locator("#count").inner_text() == "no host matches"
    page.locator("#filter").fill("")
    expect(page.locator("#host-rows tr")).to_have_count(50)
    page.locator("#state").select_option("foreign")
    assert len(rows(page)) == 2 and "build-0013" in rows(page)
    page.locator("#state").select_option("unreachable")
    assert rows(page) == ["build-0012"]
    page.get_by_role("button", name="nearly_full").click()
    assert rows(page) == ["build-0007", "build-0057", "build-0107", "build-0157"]


def test_one_turns_pages(see, page_of):
    page = see(page_of(200)).page
    seen = set(rows(page))
    for _unused in range(3):
        page.locator("#after").click()
        seen |= set(rows(page))
    assert len(seen) == 200 and page.locator("#after").is_disabled()
    page.locator("#before").click()
    assert page.locator("#count").inner_text() == "101 to 150 of 200 hosts"


def test_the_stores_of_all_engines_are_a_table(see, page_of):
    assert not see(page_of(1)).page.locator("#stores").is_visible()
    page = see(page_of(4)).page
    rows = page.locator("#store-rows tr")
    assert rows.count() == 2
    cells = rows.nth(0).locator("td").all_inner_texts()
    assert cells == [
        "build-0003",
        "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs (containerd, overlayfs)",
        "active",
        "40",
        "3.0 GiB",
        "overlay2_prune: 1; engine: 3, 1.0 KiB",
    ]
    assert rows.nth(1).locator("td").all_inner_texts()[2:] == ["unknown", "\u2013", "\u2013", "unknown"]
    rows.nth(0).get_by_role("button").click()
    assert page.locator("#detail h2 .host").inner_text() == "build-0003"


def test_what_hosts_say_is_text(see, page_of):
    page = see(page_of(200)).page
    shown = HOSTILE.replace("\u202e", "\ufffd")
    page.get_by_role("button", name=shown).last.click()
    assert page.title() == "overlay2 stores"
    assert page.locator("img, #detail script, #host-rows script, #store-rows script").count() == 0
    assert page.locator("#detail h2 .host").inner_text() == shown
    keep_picture(page, "hostile.png")


def test_a_script_of_somebody_else_does_not_run(see, page_of, tmp_path):
    """Were markup to get in after all, the policy would still stand against it."""
    text = page_of(1).read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    inserted = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\"></main>"
    broken.write_text(text.replace("</main>", inserted), encoding="utf-8")
    opened = see(broken)
    assert opened.page.title() == "overlay2 stores"
    assert len(opened.said) >= 2  # the console tells what was refused
    opened.said.clear()


def test_the_title_is_text(see, tmp_path):
    page = see(render(tmp_path, make_fleet(tmp_path, 1), title=HOSTILE)).page
    assert page.locator("h1").inner_text().startswith('"><img src=x')
    assert page.title().startswith('"><img src=x')


def test_five_thousand_hosts_are_a_bounded_document(see, page_of):
    path = page_of(5000)
    page = see(path).page
    assert page.locator("#count").inner_text() == "1 to 50 of 5,000 hosts"
    assert page.evaluate("document.querySelectorAll('*').length") < 2500
    assert path.stat().st_size < 40 << 20
    page.get_by_role("button", name="Reclaimable", exact=True).click()
    page.locator("#filter").fill("build-4321")
    expect(page.locator("#host-rows tr")).to_have_count(1)
    page.get_by_role("button", name="build-4321").click()
    assert 8 <= page.locator("#detail .tree svg g").count() <= 60


def test_the_json_beside_it_tells_the_same(page_of):
    told = json.loads((page_of(200).parent / "report.json").read_text(encoding="utf-8"))
    assert len(told) == 200
    assert {record["state"] for record in told} == {"ok", "failed", "unreachable"}
