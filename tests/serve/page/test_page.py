"""The page itself: languages, sizes, keys, what is kept, and what a model's text can do to it."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.serve.page.browsing import PHONE, Visit, visit
from tests.serve.running import Command

MARKDOWN = (
    "Use `a<b>` and **this**:\n```html\n<img src=x onerror=alert(1)>\n\tend\n```\n"
    "<script>document.title = 'taken'</script> and <b>that</b>\n```js\nopen("
)


def ask(tab: Visit, question: str, answer: str) -> None:
    tab.find("#question").fill(question)
    tab.find("#question").press("Enter")
    tab.expect_answer(answer)


@pytest.mark.parametrize(
    ("locale", "words", "language"),
    [("zh-CN", "按住说话", "zh-CN"), ("en-GB", "Hold to talk", "en"), ("fr-FR", "Hold to talk", "en")],
)
def test_the_page_speaks_the_browsers_language_or_english(
    chrome: Browser, nano: Command, locale: str, words: str, language: str
) -> None:
    with visit(chrome, locale=locale) as tab:
        tab.open(nano.url)
        expect(tab.find("#status")).to_contain_text(words)
        assert tab.page.evaluate("document.documentElement.lang") == language
        unnamed = [
            control.evaluate("element => element.outerHTML")
            for control in tab.find("button, textarea").all()
            if control.is_visible() and not (control.get_attribute("aria-label") or control.inner_text())
        ]
        assert unnamed == []


def test_both_languages_have_the_same_words(tab: Visit, nano: Command) -> None:
    tab.open(nano.url)
    text = tab.page.evaluate("async () => (await fetch('/page/words.js')).text()")
    keys = re.findall(r"^    (\w+): ", text, re.MULTILINE)
    half = len(keys) // 2
    assert half > 40
    assert keys[:half] == keys[half:]


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_all_within_reach(chrome: Browser, nano: Command, dark: bool) -> None:
    scheme = "dark" if dark else "light"
    with visit(chrome, viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=scheme) as tab:
        tab.open(nano.url)
        expect(tab.find("#how")).to_contain_text("Hold the button while you speak")  # no word of a space bar
        tab.find("#privacy summary").tap()
        expect(tab.find("#privacy p").last).to_be_in_viewport(ratio=1)
        ask(tab, "Define a function called parse date.", "parse_date")
        assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert tab.page.evaluate("document.documentElement.scrollHeight") == PHONE["height"]
        box = tab.find("#talk").bounding_box()
        assert box is not None
        assert box["width"] >= 64 and box["height"] >= 64
        assert PHONE["height"] / 2 < box["y"] and box["y"] + box["height"] <= PHONE["height"]
        for control in tab.find("button, textarea").all():
            size = control.bounding_box()
            if size is not None and control.get_attribute("class") != "copy":
                assert min(size["width"], size["height"]) >= 40, control.get_attribute("id")


def test_everything_can_be_done_by_keys(tab: Visit, nano: Command) -> None:
    tab.open(nano.url)
    press = tab.page.keyboard.press
    outlines = {}
    for _ in range(8):
        press("Tab")
        name, outline = tab.page.evaluate(
            """() => {
                const focused = document.activeElement;
                return [focused.id || focused.tagName, getComputedStyle(focused).outlineStyle];
            }"""
        )
        outlines[name] = outline
    outlines.pop("question")  # the field around it is outlined
    assert outlines.keys() >= {"open-chats", "new-chat", "send", "talk", "SUMMARY"}
    assert all(outline != "none" for name, outline in outlines.items() if name != "BODY")
    ask(tab, "Print total.", "print(total)")
    tab.find(".copy").focus()
    press("Enter")
    expect(tab.find(".copy")).to_have_text("Copied")
    tab.find("#open-chats").focus()
    press("Enter")
    expect(tab.find("#chats")).to_be_visible()
    press("Escape")
    expect(tab.find("#chats")).to_be_hidden()
    assert tab.page.evaluate("document.activeElement.id") == "open-chats"


def test_an_answer_is_read_out_when_it_is_whole(tab: Visit, nano: Command) -> None:
    tab.open(nano.url)
    ask(tab, "Print total.", "print(total)")
    assert tab.find("[role=log]:has(#turns)").get_attribute("aria-live") == "polite"
    assert tab.find("#turns > li").get_attribute("aria-busy") == "false"
    assert tab.find("#status").get_attribute("role") == "status"
    assert tab.find("#notice").get_attribute("role") == "alert"


def test_code_is_copied_as_it_stands(tab: Visit, nano: Command) -> None:
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.open(nano.url)
    ask(tab, "Define a function called parse date.", "parse_date")
    tab.find(".copy").click()
    expect(tab.find(".copy")).to_have_text("Copied")
    assert tab.page.evaluate("navigator.clipboard.readText()") == "def parse_date():\n    pass"


def test_chats_are_kept_here_gone_on_with_and_deleted(tab: Visit, nano: Command) -> None:
    tab.open(nano.url)
    ask(tab, "Define a function called parse date.", "parse_date")
    tab.find("#new-chat").click()
    expect(tab.find("#turns > li")).to_have_count(0)
    ask(tab, "Print total.", "print(total)")
    tab.open(nano.url)  # the page is loaded anew
    expect(tab.find("#turns > li")).to_have_count(0)
    tab.find("#open-chats").click()
    titles = tab.find("#chat-list span")
    expect(titles).to_have_text(["Print total.", "Define a function called parse date."])
    titles.nth(1).click()
    tab.expect_answer("parse_date")
    tab.expect_link("ready")
    ask(tab, "Now rename it to count.", "count")  # the model knows what "it" is
    tab.find("#open-chats").click()
    tab.find("#chat-list .quiet").nth(1).click()
    expect(titles).to_have_text(["Define a function called parse date."])
    tab.find("#delete-chats").click()
    expect(titles).to_have_count(0)
    tab.find("#close-chats").click()
    expect(tab.find("#turns > li")).to_have_count(0)
    assert tab.page.evaluate("JSON.parse(localStorage.getItem('edge-llasm chats'))") == []


def test_what_a_model_writes_becomes_no_markup(tab: Visit, nano: Command) -> None:
    tab.open(nano.url)
    tab.page.evaluate(
        """async (text) => {
            const { show } = await import("/page/markdown.js");
            const box = document.body.appendChild(document.createElement("div"));
            box.id = "shown";
            for (let end = 1; end <= text.length; end++) show(box, text.slice(0, end)); // as it streams in
        }""",
        MARKDOWN,
    )
    kinds = tab.find("#shown > *").evaluate_all("all => all.map((one) => one.tagName)")
    assert kinds == ["P", "FIGURE", "P", "FIGURE"]
    assert tab.find("#shown img, #shown script, #shown b").count() == 0
    assert tab.find("#shown pre").all_text_contents() == ["<img src=x onerror=alert(1)>\n\tend", "open("]
    assert tab.find("#shown figcaption span").all_text_contents() == ["html", "js"]
    assert tab.find("#shown p code").all_text_contents() == ["a<b>"]
    assert tab.find("#shown p strong").all_text_contents() == ["this"]
    assert tab.page.title() == "edge-llasm"


def test_the_browser_refuses_markup_and_style_that_are_made_up(chrome: Browser, nano: Command) -> None:
    with visit(chrome) as tab:
        tab.open(nano.url)
        refused = tab.page.evaluate(
            """() => {
                const tries = [
                    () => (document.body.innerHTML = "<b>taken</b>"),
                    () => document.body.setAttribute("onclick", "document.title = 'taken'"),
                    () => (document.createElement("script").text = "document.title = 'taken'"),
                ];
                const refused = (one) => {
                    try { one(); } catch (error) { return error instanceof TypeError; }
                };
                return tries.filter(refused).length;
            }"""
        )
        assert refused == 3
        tab.page.evaluate("document.body.setAttribute('style', 'display: none')")
        expect(tab.find("#talk")).to_be_visible()
        assert any("Content Security Policy" in complaint for complaint in tab.complaints)
