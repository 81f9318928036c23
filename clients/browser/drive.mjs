// Drives Chromium: reads one JSON object from standard input, writes one to standard output.
//
//   {"page": URL, "call": NAME, "argument": …}   calls a function of page.mjs on that page
//   {"page": URL, "choose": FILE}                chooses a file there, and waits for what the page says
//   {"open": URL}                                opens a link as somebody would who clicked it; `width` is that of the
//                                                window, and `picture` a file for what it shows

import { chromium } from "playwright-core";

const task = JSON.parse(await new Response(process.stdin).text());
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  // Chromium's own sandbox does not work for root.
  chromiumSandbox: process.getuid() !== 0,
  args: ["--headless=new"],
  // Without its component extensions Chromium shows no PDF.
  ignoreDefaultArgs: [
    "--disable-component-extensions-with-background-pages",
    "--disable-extensions",
  ],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const act = task.open ? open : task.choose ? choose : call;
  const outcome = await act(page, task);
  process.stdout.write(JSON.stringify(outcome));
} finally {
  await browser.close();
}

async function call(page, { page: url, call, argument }) {
  await page.goto(url);
  return page.evaluate(([name, value]) => window.valet[name](value), [call, argument]);
}

async function choose(page, { page: url, choose: file }) {
  await page.goto(url);
  await page.locator("input").setInputFiles(file);
  const said = page.locator("pre:not(:empty)");
  await said.waitFor();
  return said.textContent();
}

async function open(page, { open: url, width, picture }) {
  if (width) await page.setViewportSize({ width, height: 900 });
  const response = await page.goto(url);
  const shown = { status: response.status() };
  if (response.headers()["content-type"] === "application/pdf") {
    // The viewer is a frame of its own.
    const viewer = (frame) => frame.url().startsWith("chrome-extension://");
    if (!page.frames().some(viewer)) await page.waitForEvent("framenavigated", { predicate: viewer });
    return { ...shown, viewer: true };
  }
  // Asked of the browser and not of the page, whose own scripts may be off.
  const root = page.locator(":root");
  if (picture) await page.screenshot({ path: picture, fullPage: true });
  return {
    ...shown,
    title: await page.title(),
    ran: await root.getAttribute("data-ran"),
    text: await root.textContent(),
    // What the styles of the document made of it.
    color: await root.evaluate((element) => getComputedStyle(element).color),
    overflows: await root.evaluate((element) => element.scrollWidth > element.clientWidth),
    origin: await page.evaluate(() => window.origin),
  };
}
