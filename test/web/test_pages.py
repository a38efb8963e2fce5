"""What users do, in a real browser against a real system."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from support.browser import PAGES, Site, Tab, solve
from support.system import wait_for
from support.up_process import sustainml

FIELDS = (
    *("Short name", "Modality", "Inputs", "Outputs", "Continent", "Country or region"),
    *("ML task", "Quality metric", "Hardware", "Models to avoid", "Model family"),
)
HOSTILE = (
    "<script>window.pwned=1</script><img src=x onerror=window.pwned=1> '\"&amp; 😀 "
    "\u202eright to left\u202c ]]> {{7*7}} ${7*7}"
)


def test_a_newcomer_solves_a_problem_and_sees_it_end_without_reloading(tab: Tab) -> None:
    tab.open("/", "Every required module is ready.")
    tab.page.evaluate("window.unloaded = false")
    tab.page.get_by_role("link", name="New problem").first.click()
    tab.page.get_by_label("Problem", exact=True).fill("tell cats from dogs in photos on a laptop")
    tab.page.get_by_label("Short name").fill("Cats and dogs")
    tab.page.get_by_role("button", name="Solve it").click()
    tab.page.wait_for_url(re.compile(r"/tasks/\d+/1$"))
    tab.wait_until_solved()
    tab.wait_for(lambda: "g CO₂e" in tab.text(), "no carbon")
    panel = tab.page.locator("section", has=tab.page.get_by_role("heading", name="Problem"))
    assert "Short name\nCats and dogs" in panel.inner_text()  # as the form names it
    assert "–" not in panel.inner_text() and "Modality" not in panel.inner_text()  # nothing said
    assert tab.page.evaluate("window.unloaded") is False
    assert re.search(r"Model\n\S+", tab.text()) and "Latency" in tab.text()


def test_mistakes_stand_beside_their_fields(tab: Tab) -> None:
    page = tab.open("/new", "New problem")
    page.get_by_label("Least samples").fill("10")
    page.get_by_label("Most samples").fill("a lot")
    page.get_by_role("button", name="Solve it").click()
    tab.wait("use a whole number")
    field = page.get_by_label("Most samples")
    assert field.get_attribute("aria-invalid") == "true"
    mistake = field.get_attribute("aria-describedby").split()[-1]
    assert "whole number" in page.locator(f'[id="{mistake}"]').inner_text()
    assert page.evaluate("document.activeElement.id") == "f-maximum_samples"
    field.fill("5")
    tab.wait("it is below the minimum of 10")
    page.get_by_label("Further keys (JSON)").fill("[1")
    tab.wait("write a JSON object")
    page.get_by_label("Further keys (JSON)").fill('{"seed": 9007199254740993}')
    tab.wait("9007199254740993 cannot be kept as a number; write it as text")
    for label, value, advice in (
        ("Least samples", "-1", "use a whole number from 0 to 4294967295"),
        ("Memory limit (MiB)", "lots", "use a number of MiB"),
        ("Alternatives", "101", "use a whole number from 1 to 100"),
    ):
        page.get_by_label(label).fill(value)
        tab.wait(advice)
        page.get_by_label(label).fill("")
    page.get_by_label("Priority").fill("300")
    tab.wait("use a whole number from 0 to 255")
    assert page.get_by_label("Priority").get_attribute("aria-invalid") == "true"
    assert urlsplit(page.url).path == "/new"


def test_choices_come_from_the_modules(tab: Tab) -> None:
    page = tab.open("/new", "Start from an example")
    page.locator("datalist option[value='object-detection']").wait_for(state="attached")
    page.locator("datalist option[value='Spain']").wait_for(state="attached")
    assert page.locator("[id='f-extra.hardware_required-choices'] option").count() > 10


def test_the_form_is_filled_from_yaml_and_says_where_it_is_wrong(tab: Tab) -> None:
    page = tab.open("/new", "From YAML or JSON")
    page.get_by_text("From YAML or JSON").click()
    page.get_by_label("Text", exact=True).fill("problem_definition: 'a\nb: [")
    page.get_by_role("button", name="Fill the form").click()
    tab.wait("this text cannot be read: line 2")
    tab.complaints.clear()  # the refusal is logged by the browser as a failed request
    page.get_by_label("Text", exact=True).fill("problem_definition: Löse dies\nminimum_samples: 7")
    page.get_by_role("button", name="Fill the form").click()
    tab.wait_for(lambda: page.get_by_label("Least samples").input_value() == "7", "not filled")
    assert page.get_by_label("Problem", exact=True).input_value() == "Löse dies"


def test_iterations_are_compared_and_the_best_is_marked(tab: Tab) -> None:
    solved = solve(tab, "Find defects on printed circuit boards")  # of no other test
    for region in ("France", "Poland"):
        page = tab.open(f"/new?base={solved.removeprefix('/tasks/')}", "Iterate from")
        page.get_by_label("Country or region").fill(region)
        tab.wait("changed")
        page.get_by_role("button", name="Start the iteration").click()
        page.wait_for_url(re.compile(r"/tasks/\d+/[23]$"))
        tab.wait_until_solved()
    page.get_by_role("link", name="Compare iterations").click()
    tab.wait("3 iterations")
    tab.wait("★")
    row = page.get_by_role("row", name=re.compile("Country or region"))
    assert [each.inner_text() for each in row.get_by_role("cell").all()][1:] == ["France", "Poland"]
    tab.wait_for(lambda: page.locator("tr.best").count() == 1, "the best is not marked")
    assert page.locator("svg .front, svg .point").count() >= 3
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith("iteration,model,quality")


def test_a_late_answer_replaces_no_newer_one(tab: Tab, solved: str) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    tab.page.route("**/page/tasks?*", hold)
    page = tab.open("/tasks", "Tasks")
    page.get_by_label("Search tasks").fill("nothing is like this")
    tab.wait_for(lambda: held, "the tasks are not asked for")
    route, answer = held[0]
    route.fulfill(response=answer)
    tab.wait("No task matches")
    page.wait_for_load_state("networkidle")
    assert page.locator("tbody tr").count() == 0


def test_a_search_of_any_length_and_a_page_beyond_the_end(tab: Tab, solved: str) -> None:
    page = tab.open("/tasks?offset=999999999")
    page.locator("tbody tr").first.wait_for()
    page.get_by_label("Search tasks").fill("x " * 200)
    tab.wait("No task matches")


def test_the_keyboard_chooses_a_command_of_a_task(tab: Tab, solved: str) -> None:
    page = tab.open(f"/tasks?problem={solved.split('/')[2]}")
    page.get_by_label(f"Commands for task {solved.removeprefix('/tasks/')}").focus()
    page.keyboard.press("ArrowDown")  # opens the list
    page.keyboard.press("ArrowDown")
    assert page.locator("dialog").count() == 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/new?base={solved.removeprefix('/tasks/')}")  # reset, iterate


def test_a_double_click_is_one_problem(tab: Tab, site: Site) -> None:
    page = tab.open("/tasks", "Tasks")
    page.get_by_role("link", name="New problem").first.click()
    page.get_by_label("Problem", exact=True).fill("detect cats in photos twice")
    page.get_by_role("button", name="Solve it").dblclick()
    page.wait_for_url(re.compile(r"/tasks/\d+/1$"))
    tab.wait_until_solved()
    page.go_back()
    page.wait_for_url("**/new")


def test_hostile_texts_are_shown_as_they_are(tab: Tab) -> None:
    page = tab.open("/new", "New problem")
    long_text = HOSTILE + "x" * 100_000
    page.get_by_label("Problem", exact=True).fill(long_text)
    for name in FIELDS:
        page.get_by_label(name, exact=True).fill(HOSTILE)
    page.get_by_label("Further keys (JSON)").fill(
        '{"<b>key</b>": "<script>pwned=1</script>", "__proto__": "kept as any key"}'
    )
    page.get_by_role("button", name="Solve it").click()
    page.wait_for_url(re.compile(r"/tasks/\d+/1$"))
    tab.wait("<img src=x onerror=window.pwned=1>")
    tab.wait("kept as any key")
    task = urlsplit(page.url).path
    for path in (task, "/tasks", f"/problems/{task.split('/')[2]}", "/log", "/"):
        tab.open(path, "right to left" if "problems" in path else "")
        page.wait_for_timeout(400)
        assert page.evaluate("window.pwned === undefined && !document.querySelector('main script')")
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{path} is {width} px too wide"


def test_tasks_are_searched_sorted_and_commanded(tab: Tab, solved: str) -> None:
    page = tab.open("/tasks", "Tasks")
    page.get_by_label("Search tasks").fill("circuit boards")
    problem = solved.split("/")[2]
    rows = page.locator("tbody tr")
    tab.wait_for(lambda: rows.count() and all("circuit" in each for each in rows.all_inner_texts()),
                 "the search")  # fmt: skip
    page.get_by_label("Search tasks").fill("nothing is like this")
    tab.wait("No task matches")
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("button", name="Carbon").click()
    tab.wait_for(lambda: page.locator("th[aria-sort=descending]").inner_text().startswith("Carbon"),
                 "the order")  # fmt: skip
    page.get_by_label(f"Commands for task {problem}/1").select_option("reset")
    page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    tab.wait(f"task {problem}/1 is")
    tab.open(solved, "attempt 2")
    tab.wait_until_solved()


def test_what_happens_before_the_server_hears_of_a_page_is_shown(
    tab: Tab, site: Site, solved: str
) -> None:
    """Of what changes between the first answer and that moment no update tells the page."""
    held: list[tuple[Any, str]] = []

    def hold(socket: Any) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda text: held.append((server, text)))

    task = solved.removeprefix("/tasks/")

    def shown() -> Any:
        return json.loads(sustainml(site.up, "show", task, "--json").stdout)["summary"]

    attempt = shown()["attempt"]
    tab.page.route_web_socket(re.compile("/page/live$"), hold)
    tab.open(solved, "Model")
    tab.wait_for(lambda: held, "the connection")
    sustainml(site.up, "task", "reset", task)
    wait_for(lambda: (shown()["attempt"], shown()["task_status"]) == (attempt + 1, 3), 30.0)
    assert f"attempt {attempt + 1}" not in tab.text()
    for server, text in held:
        server.send(text)
    tab.wait(f"attempt {attempt + 1}")
    tab.wait_until_solved()


def test_a_task_submitted_elsewhere_appears_within_a_second(tab: Tab, site: Site) -> None:
    tab.open("/tasks", "Tasks")
    sustainml(site.up, "submit", "--define", "read meters", "--name", "Appears at once")
    tab.wait("Appears at once", 1.5)  # a second, and what the command took to end


def test_pages_survive_a_restart_of_the_orchestrator(tab: Tab, site: Site, solved: str) -> None:
    page = tab.open(solved, "succeeded")
    tab.page.evaluate("""() => {
        window.unloaded = false;
        window.notices = [];
        const notice = document.getElementById("notice");
        new MutationObserver(() => window.notices.push(notice.textContent)).observe(
            notice, {childList: true, subtree: true, characterData: true});
    }""")

    def is_noticed() -> bool:
        """Killed until it is gone for long enough: the pause before each restart is longer."""
        if (process := site.up.leader("orchestrator")) is not None:
            process.kill()
        return any("orchestrator is gone" in text for text in page.evaluate("window.notices"))

    tab.wait_for(is_noticed, "the page does not say that it is gone", 30)
    tab.wait_for(lambda: "orchestrator is gone" not in tab.text(), "it does not come back", 60)
    assert page.evaluate("window.unloaded") is False
    page.get_by_role("link", name="Overview").click()
    tab.wait("Every required module is ready.", 60)
    assert page.evaluate("window.unloaded") is False
    tab.complaints.clear()  # requests that nobody could answer meanwhile


def test_pages_are_local_quick_and_deep(browser: Any, site: Site, solved: str) -> None:
    for path in PAGES:
        tab = Tab(browser, site.address)
        page = tab.open(path)
        page.locator("h1").wait_for()
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        assert paint < 1000, f"{path}: first paint after {paint:.0f} ms"
        assert {urlsplit(url).netloc for url in tab.requests} == {urlsplit(site.address).netloc}
        if path == "/tasks/1/1" or path == "/problems/1":
            assert "cannot be shown" not in tab.text()
        tab.close()


def test_what_was_not_understood_is_told(tab: Tab, site: Site) -> None:
    text = "detect cats in photos with 5 bananas per hour"
    told = sustainml(site.up, "submit", "--define", text, "--name", "Fruit", "--watch").output
    assert "succeeded" in told
    (problem,) = set(re.findall(r"\b(\d+)/1\b", told))
    tab.open(f"/tasks/{problem}/1", "In words")
    panel = tab.page.locator("section", has=tab.page.get_by_role("heading", name="In words"))
    assert "Not understood" in panel.inner_text() and "5 bananas per hour" in panel.inner_text()
    tab.open(f"/problems/{problem}", "What the modules say")
    tab.wait("5 bananas per hour")


def test_a_problem_deleted_elsewhere_disappears(browser: Any, tab: Tab, site: Site) -> None:
    define = ("--define", "detect cats in photos", "--name", "Soon deleted", "--watch")
    submitted = sustainml(site.up, "submit", *define)
    tab.open("/tasks", "Soon deleted")
    problem = re.findall(r"(\d+)/1", submitted.output)[-1]
    other = Tab(browser, site.address)
    other.open(f"/tasks/{problem}/1", "Soon deleted")
    sustainml(site.up, "delete", problem)
    tab.wait_for(lambda: "Soon deleted" not in tab.text(), "it is still shown", 5.0)
    other.wait(f"there is no problem {problem}", 5.0)
    other.complaints.clear()  # the refusal
    other.close()


def test_the_keyboard_reaches_everything(tab: Tab) -> None:
    page = tab.open("/", "Every required module is ready.")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label') "
                               "?? document.activeElement.textContent"))  # fmt: skip
    assert {"New problem", "stop carbon_tracker", "Reset all"} <= seen


def test_an_iteration_by_command_keeps_the_extra_data_of_its_base(site: Site, solved: str) -> None:
    base = solved.removeprefix("/tasks/")
    sustainml(site.up, "iterate", base, "--set", "maximum_samples=2000", "--watch")
    task = base.split("/")[0]  # its latest iteration
    shown = json.loads(sustainml(site.up, "show", task, "--json").output)
    assert shown["user_input"]["extra_data"]["hardware_required"] == "edge"


def test_metrics_tell_of_the_journal(site: Site) -> None:
    def lines() -> list[str]:
        with urlopen(f"{site.address}/metrics", timeout=20.0) as answer:
            return [line for line in answer.read().decode().splitlines() if line[:1] != "#"]

    wait_for(lambda: "sustainml_journal_writable 1.0" in lines())
    (free,) = (line for line in lines() if line.startswith("sustainml_journal_free_bytes "))
    assert float(free.split()[1]) > 2**20
