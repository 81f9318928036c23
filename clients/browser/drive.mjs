// Drives Chromium: reads one JSON object from standard input, writes one to standard output.
//
//   {"page": URL, "call": NAME, "argument": …}   calls a function of page.mjs on that page
//   {"page": URL, "choose": FILE}                chooses a file there, and waits for what the page says
//   {"open": URL}                                opens a link as somebody would who clicked it; `width` is that of the
//                                                window, and `picture` a file for what it shows
//   {"send": URL, "files": [FILE…]}              sends files on a link's page; with `reload`, the page is loaded anew once
//                                                that file is under way, and the file chosen again
//   {"pause": URL, "file": FILE, "name": WORD}   sends a file there, pauses, reloads the page and goes on: how it stood, how
//                                                many parts were sent and how many at once, and what the page says then
//   {"play": URL, "cookies": [COOKIE…]}          opens a page with a player, and waits until the film has ended or has not
//   {"fetch": URL, "passphrase": WORD}           downloads what a link's page offers, after one `wrong` passphrase

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
  const kinds = { open, play, choose, send, pause, fetch: download };
  const named = Object.keys(kinds).find((name) => task[name]);
  const act = named ? kinds[named] : call;
  const outcome = await act(page, task);
  process.stdout.write(JSON.stringify(outcome));
} finally {
  await browser.close();
}

async function call(page, { page: url, call, argument }) {
  await page.goto(url);
  return page.evaluate(([name, value]) => window.valet[name](value), [call, argument]);
}

async function play(page, { play: url, cookies }) {
  if (cookies) await page.context().addCookies(cookies);
  const response = await page.goto(url);
  if (!response.ok()) return { status: response.status() };
  const body = page.locator("body[data-state]");
  await body.waitFor();
  return { status: response.status(), state: await body.getAttribute("data-state") };
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

async function send(page, { send: url, files, reload, width, picture }) {
  await page.setViewportSize({ width: width ?? 390, height: 844 });
  await page.goto(url);
  const told = [];
  const choose = (chosen) => page.getByLabel("Files", { exact: true }).first().setInputFiles(chosen);
  if (reload) {
    await choose([reload]);
    // Some parts are there, and not all.
    await page.waitForFunction(() => {
      const bar = document.querySelector("#list progress");
      return bar && bar.value > 24 * 1024 * 1024 && bar.value < bar.max;
    });
    if (picture) await page.screenshot({ path: picture.replace(".png", "-under-way.png"), fullPage: true });
    page.on("dialog", (dialog) => dialog.accept());
    await page.reload();
    told.push(await page.locator("#problem").textContent());
    let parts = 0;
    page.on("request", (request) => { if (request.method() === "PUT") parts += 1; });
    await choose([reload]);
    await page.waitForFunction(() => document.querySelector("#list .done"), null, { timeout: 120000 });
    told.push(parts);
  }
  await choose(files);
  const settled = () => [...document.querySelectorAll("#list li")].every((row) => row.querySelector(".done, .failed"));
  await page.waitForFunction(settled, null, { timeout: 120000 });
  if (picture) await page.screenshot({ path: picture, fullPage: true });
  const rows = await page.locator("#list li").evaluateAll((all) => all.map((row) =>
    [row.querySelector(".name").textContent, row.querySelector(".state").textContent]));
  const summary = await page.locator("#summary").textContent();
  const overflows = await page.locator(":root").evaluate((element) => element.scrollWidth > element.clientWidth);
  return { told, rows, summary, overflows };
}

async function pause(page, { pause: url, file, name, width, picture }) {
  await page.setViewportSize({ width: width ?? 390, height: 844 });
  let [parts, moving, most] = [0, 0, 0];
  // Slow enough to be seen.
  await page.route("**/*", async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    parts += 1;
    moving += 1;
    most = Math.max(most, moving);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await route.continue();
  });
  const ended = (request) => { if (request.method() === "PUT") moving -= 1; };
  page.on("requestfinished", ended);
  page.on("requestfailed", ended);
  page.on("dialog", (dialog) => dialog.accept());
  const input = page.getByLabel("Files", { exact: true }).first();
  const state = page.locator("#list .state");
  const shoot = async (words) => {
    if (picture) await page.screenshot({ path: picture.replace(".png", `-${words}.png`), fullPage: true });
  };
  const paused = async () => {
    await page.getByRole("button", { name: "Pause" }).click();
    await state.filter({ hasText: "Paused at" }).waitFor();
    return state.textContent();
  };
  await page.goto(url);
  await shoot("before");
  await page.getByLabel("Your name").fill(name);
  await input.setInputFiles(file);
  await page.waitForRequest((request) => request.method() === "PUT");
  const states = [await paused()];
  await shoot("paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.waitForRequest((request) => request.method() === "PUT");
  states.push(await paused());
  await page.reload();
  const named = await page.getByLabel("Your name").inputValue();
  await shoot("reloaded");
  await input.setInputFiles(file);
  await page.locator("#list .done").waitFor({ timeout: 60000 });
  await shoot("after");
  const full = await page.locator("#full").isVisible();
  const left = await page.locator("#files-left").textContent();
  const again = await page.goto(url);
  await shoot("closed");
  return { states, parts, most, named, full, left, again: again.status(), title: await page.title() };
}

async function download(page, { fetch: url, passphrase, wrong, width, picture }) {
  await page.setViewportSize({ width: width ?? 390, height: 844 });
  const first = await page.goto(url);
  const shown = [await page.title()];
  if (picture) await page.screenshot({ path: picture, fullPage: true });
  if (first.status() !== 200) return { status: first.status(), shown, text: await page.locator("main").textContent() };
  if (passphrase) {
    if (wrong) {
      await page.getByLabel("Passphrase").fill(wrong);
      await page.getByRole("button").click();
      shown.push(await page.getByRole("alert").textContent());
    }
    await page.getByLabel("Passphrase").fill(passphrase);
  }
  const coming = page.waitForEvent("download").catch(() => null);
  // A link that is refused at last shows a page in words.
  const refused = page.waitForURL(/X-Amz-Signature/).then(() => null, () => null);
  await page.getByRole("button", { name: "Download" }).click();
  const file = await Promise.race([coming, refused.then(() => Promise.race([coming, page.locator("h1").waitFor().then(() => null)]))]);
  if (!file) {
    if (picture) await page.screenshot({ path: picture, fullPage: true });
    return { status: 403, shown: [await page.title()], text: await page.locator("main").textContent() };
  }
  const { readFile } = await import("node:fs/promises");
  const { createHash } = await import("node:crypto");
  const content = await readFile(await file.path());
  return {
    status: 200, shown, left: await page.locator("main").textContent(), name: file.suggestedFilename(), size: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
  };
}
