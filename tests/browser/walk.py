"""A walk through every view, with questions at each; what they find is a list of faults."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

from tests.browser.furnished import as_operator, furnish, stop_at
from tests.browser.visitor import Visitor
from tests.integration.api.running import Running

AXE = """async () => {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  const ofColours = {runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}};
  const found = await axe.run({resultTypes: ['violations'], ...(isDark ? ofColours : {})});
  return found.violations.flatMap(({id, impact, nodes}) =>
    nodes.map(({html}) => `${id}, ${impact}, dark: ${isDark}: ${html.slice(0, 200)}`));
}"""
"""In light every rule of axe, in dark what depends on colours."""
CUT_OFF = """() => {
  const CUT = '.name, .text, .told > .hint, h1, h2';
  const faults = [];
  const name = (one) => `${one.localName}.${one.className} "${one.textContent.slice(0, 60)}"`;
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push(`the page is ${wide} px wide`);
  const elements = [...document.body.querySelectorAll('*')].filter((one) =>
    one.checkVisibility() && !one.closest('svg, .unseen, .card, .skip, .tools, input'));
  for (const one of elements) {
    const style = getComputedStyle(one);
    const isText = [...one.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    const isCut = one.closest(CUT);
    const scrolls = ['auto', 'scroll'].includes(style.overflowY);
    if (style.display !== 'inline' && one.clientWidth && !isCut && !scrolls
        && one.scrollWidth > one.clientWidth + 1) faults.push(`too wide: ${name(one)}`);
    if (style.overflowY === 'hidden' && !isCut && one.scrollHeight > one.clientHeight + 2) {
      faults.push(`cut off: ${name(one)}`);
    }
    if (isText && !isCut && one.getBoundingClientRect().right > innerWidth + 1) {
      faults.push(`beyond the edge: ${name(one)}`);
    }
  }
  return faults;
}"""
"""What does not fit; of names and titles of others an end may be missing."""
SMALL = """() => {
  const pressable = 'a[href], button, input, select, textarea, summary';
  return [...document.querySelectorAll(pressable)]
    .filter((one) => one.checkVisibility() && !one.matches('.skip, .in-text'))
    .map((one) => one.closest('label') || one)
    .filter(({ offsetWidth, offsetHeight }) => Math.min(offsetWidth, offsetHeight) < 24)
    .map((one) => `${one.offsetWidth} x ${one.offsetHeight}: ${one.outerHTML.slice(0, 120)}`);
}"""
"""What is hard to hit: smaller than 24 pixels, and no link within a text."""
INJECTED = r"""() => {
  const foreign = 'script:not([type=module]), iframe, object, [onerror], [onload], [src=x]';
  const turns = /[\u202a-\u202e]/;
  const said = (one) => [...one.attributes].map(({value}) => value)
    .concat([...one.childNodes].filter((each) => each.nodeType === 3).map(({data}) => data));
  const elements = [...document.querySelectorAll('*')];
  return [
    ...[...document.querySelectorAll(foreign)].map((one) => `markup: ${one.outerHTML}`),
    ...elements.filter((one) => said(one).some((text) => turns.test(text)))
      .map((one) => `turned: ${one.outerHTML.slice(0, 160)}`)];
}"""
"""Texts of strangers that became markup, or that turn the direction of what stands beside."""
TINY = """() => [...document.body.querySelectorAll('*')]
  .filter((one) => one.checkVisibility() && !one.closest('svg, .card'))
  .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 22)
  .map((one) => `${getComputedStyle(one).fontSize}: ${one.outerHTML.slice(0, 120)}`)"""
"""What does not grow with the size of text that somebody chose; twice the usual is expected."""
LONG = "Donaudampfschifffahrtsgesellschaftskapitän"
HOSTILE = (
    "<img src=x onerror=alert(1)></title></style><script>alert(2)</script>"
    "<svg onload=alert(3)> \u202egnp.exe\u2066 '\"` ${7*7} {n} {{7*7}} javascript:alert(4)"
)


async def walk(
    visitor: Visitor, running: Running, *questions: str, words: str = LONG, in_dark: str = ""
) -> list[str]:
    """Sign in to an account full of *words*, go everywhere, and ask."""
    page = visitor.page
    await page.add_init_script(AXE_SCRIPT)
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    await page.goto(f"{visitor.url}/ui/")
    await page.locator("#id").wait_for()
    faults = await _ask(page, "sign in", questions, in_dark)
    account = await furnish(running, words)
    await as_operator(visitor)
    await page.locator(".accounts li").first.wait_for()
    for stop in account.stops:
        await stop_at(visitor, stop)
        faults += await _ask(page, f"{stop.view} {stop.press}", questions, in_dark)
    return faults


async def _ask(page: Page, where: str, questions: tuple[str, ...], in_dark: str) -> list[str]:
    found: list[str] = []
    for question in questions:
        found += await page.evaluate(question)
    if in_dark:
        await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        found += await page.evaluate(in_dark)
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return [f"{where}: {fault}" for fault in found]
