"""The page of a module, and its history, in a real browser against a real system."""

from __future__ import annotations

import json
import re

from support.browser import Site, Tab
from support.up_process import sustainml


def test_an_address_of_no_module_says_which_there_are(tab: Tab) -> None:
    tab.open("/modules/hw_resource", "There is no such module. The modules are app_requirements")
    assert tab.page.get_by_role("button", name="hw_resource").count() == 0
    tab.wait_for(lambda: tab.complaints, "its configuration is not asked for")
    tab.page.goto("about:blank")  # it may be asked for again
    tab.complaints.clear()  # and could not be read


def test_a_killed_module_is_seen_and_recovers(tab: Tab, site: Site) -> None:
    page = tab.open("/modules/carbon_tracker", "Configuration")
    tab.wait("idle")
    incarnation = page.get_by_text(re.compile("incarnation [0-9a-f]{16}"))
    before = incarnation.inner_text().split("incarnation ")[1]
    process = site.up.leader("carbon_tracker")
    assert process is not None
    process.kill()
    tab.wait_for(lambda: incarnation.count() and before not in tab.text(), "no new process", 30)
    tab.wait("idle", 30)
    tab.wait_for(lambda: "node.respawned" in open_history(tab), "no event of it")


def open_history(tab: Tab) -> str:
    tab.open("/log?kind=node.", "History")
    tab.page.wait_for_timeout(300)
    return tab.text()


def test_commands_to_modules_ask_for_confirmation(tab: Tab, site: Site) -> None:
    page = tab.open("/modules/hw_constraints", "Configuration")
    page.get_by_role("button", name="stop hw_constraints").click()
    page.get_by_role("button", name="Cancel").click()
    assert page.locator("dialog").count() == 0
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "stop hw_constraints"
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    tab.wait("STOP of hw_constraints is confirmed", 30)
    tab.wait("inactive")
    tab.wait("not ready")
    tab.open("/", "Not ready")
    assert "hw_constraints" in page.locator(".reason").first.inner_text()
    page.get_by_role("button", name="start hw_constraints").click()
    page.get_by_role("dialog").get_by_role("button", name="Start").click()
    tab.wait("Every required module is ready.", 30)


def test_a_module_is_configured_by_form_and_json(tab: Tab, site: Site) -> None:
    page = tab.open("/modules/ml_model_provider", "Flops weight")
    page.get_by_label("Flops weight").fill("0.25")
    page.get_by_role("button", name="Apply", exact=True).click()
    tab.wait("the module has taken the configuration")
    assert '"flops_weight": 0.25' in sustainml(site.up, "configure", "ml_model_provider").output
    page.get_by_text("As JSON").click()
    page.get_by_label("Settings to change").fill('{"flops_weight": 7}')
    page.get_by_role("button", name="Apply this JSON").click()
    page.get_by_role("alert").wait_for()
    assert "flops_weight" in page.get_by_role("alert").inner_text()
    tab.complaints.clear()  # the refusal
    for text in ('{"flops_weight": ', '{"flops_weight": 9007199254740993}'):
        page.get_by_label("Settings to change").fill(text)
        tab.wait("This is no JSON object, or a number in it is too large.")
        assert page.get_by_role("button", name="Apply this JSON").is_disabled()
        page.get_by_label("Settings to change").fill('{"flops_weight": 1e300}')
        page.locator("button:enabled", has_text="Apply this JSON").wait_for()


def test_what_is_typed_stays_when_the_orchestrator_comes_back(tab: Tab, site: Site) -> None:
    page = tab.open("/modules/ml_model_provider", "Flops weight")
    page.get_by_label("Flops weight").fill("0.75")
    shown = json.loads(sustainml(site.up, "configure", "ml_model_provider").output)
    page.evaluate("import('/static/app.js').then((it) => it.load())")  # as when it comes back
    page.wait_for_load_state("networkidle")
    assert page.get_by_label("Flops weight").input_value() == "0.75" != shown["flops_weight"]


def test_the_page_of_a_module_follows_its_history(tab: Tab, site: Site, solved: str) -> None:
    page = tab.open("/modules/hw_resources", "Configuration")
    problem, iteration = solved.split("/")[2:]
    sustainml(site.up, "iterate", f"{problem}/{iteration}", "--watch")
    newest = page.locator("ol.events li").first
    tab.wait_for(lambda: re.search(rf"{problem}/(?!1\b)", newest.inner_text()), "no event", 2.0)


def test_the_history_of_an_unknown_module_says_so(tab: Tab) -> None:
    page = tab.open("/log?node=nobody", "no node 'nobody'")
    page.get_by_label("Module").select_option("all")
    tab.wait("node.")
    tab.complaints.clear()  # the refusal
