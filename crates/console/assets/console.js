// @ts-check
// What the pages do beside what forms do: times of the reader's own place, dialogs, copying, uploads.

const base = document.body.dataset.base ?? "";
const token = document.body.dataset.token ?? "";

// Times are written in UTC; a reader is told his own.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** @param {Date} at */
function distance(at) {
  const seconds = (at.getTime() - Date.now()) / 1000;
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return relative.format(Math.round(seconds / length), unit);
}

for (const element of document.querySelectorAll("time[datetime]")) {
  const at = new Date(element.getAttribute("datetime") ?? "");
  if (!Number.isNaN(at.getTime())) {
    element.setAttribute("title", element.textContent ?? "");
    element.textContent = `${local.format(at)} (${distance(at)})`;
  }
}

// Copying, with a word that it was done.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!(button instanceof HTMLButtonElement)) continue;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copy ?? "");
    const text = from instanceof HTMLInputElement ? from.value : from?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a clipboard: what is selected can be copied by hand.
      if (from instanceof HTMLInputElement) from.select();
      document.execCommand("copy");
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}
for (const field of document.querySelectorAll("input[data-select]")) {
  if (field instanceof HTMLInputElement) field.addEventListener("focus", () => field.select());
}

// Dialogs are pages where there is no script; with one they float, and keep the focus.
for (const dialog of document.querySelectorAll("dialog")) {
  if (dialog.open) {
    dialog.close();
    dialog.showModal();
  }
}
for (const opener of document.querySelectorAll("[data-opens]")) {
  if (!(opener instanceof HTMLElement)) continue;
  opener.addEventListener("click", (event) => {
    const dialog = document.getElementById(opener.dataset.opens ?? "");
    if (!(dialog instanceof HTMLDialogElement)) return;
    event.preventDefault();
    opener.closest("[popover]")?.hidePopover?.();
    dialog.showModal();
  });
}
for (const closer of document.querySelectorAll("[data-closes]")) {
  if (!(closer instanceof HTMLElement)) continue;
  closer.addEventListener("click", (event) => {
    const dialog = document.getElementById(closer.dataset.closes ?? "");
    if (!(dialog instanceof HTMLDialogElement)) return;
    event.preventDefault();
    dialog.close();
  });
}
// A time that is typed is one of the reader's own place.
for (const field of document.querySelectorAll("input[data-offset]")) {
  if (field instanceof HTMLInputElement) field.value = String(new Date().getTimezoneOffset());
}

// The menu of an object, by arrow keys.
for (const menu of document.querySelectorAll("[role=menu]")) {
  const items = [...menu.querySelectorAll("[role=menuitem]")].filter((item) => item instanceof HTMLElement);
  menu.addEventListener("toggle", (event) => {
    if (event instanceof ToggleEvent && event.newState === "open") items[0]?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    if (!(event instanceof KeyboardEvent)) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[/** @type {"ArrowDown"} */ (event.key)];
    if (!step) return;
    event.preventDefault();
    const at = items.findIndex((item) => item === document.activeElement);
    items[(at + step + items.length) % items.length]?.focus();
  });
}

// Uploads: straight to the store by URLs that the console signs, parts of large files one after another.
const PART_BYTES = 16 * 1024 * 1024;
const FILES_AT_ONCE = 3;

/** @param {string} path @param {Record<string, unknown>} asked @returns {Promise<any>} */
async function ask(path, asked) {
  const answer = await fetch(`${base}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-valet-console": token },
    body: JSON.stringify(asked),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.message ?? `The console answers ${answer.status}.`);
  return told;
}

/**
 * Sends a piece to the store, and tells how far it is.
 * @param {{url: string}} signed @param {Blob} piece @param {string} type
 * @param {(sent: number) => void} progress @param {AbortSignal} stop
 * @returns {Promise<string>}
 */
function send(signed, piece, type, progress, stop) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", signed.url);
    if (type) request.setRequestHeader("content-type", type);
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      if (request.status === 200) return resolve(request.getResponseHeader("etag") ?? "");
      const words = request.responseXML?.querySelector("Message")?.textContent;
      reject(new Error(words ?? `The store answers ${request.status}.`));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke off.")));
    request.addEventListener("abort", () => reject(new Error("Paused.")));
    stop.addEventListener("abort", () => request.abort());
    request.send(piece);
  });
}

class Upload {
  /** @param {File} file @param {string} bucket @param {string} key @param {HTMLElement} row */
  constructor(file, bucket, key, row) {
    Object.assign(this, {});
    this.file = file;
    this.bucket = bucket;
    this.key = key;
    /** @type {"waiting" | "sending" | "done" | "failed" | "paused"} */
    this.state = "waiting";
    /** @type {string | undefined} */
    this.id = undefined;
    /** @type {string[]} */
    this.parts = [];
    this.stop = new AbortController();
    const name = document.createElement("span");
    name.textContent = key;
    this.bar = document.createElement("progress");
    this.bar.max = Math.max(file.size, 1);
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", key);
    this.word = document.createElement("span");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "small";
    this.button.addEventListener("click", () => this.press());
    const end = document.createElement("span");
    end.append(this.word, " ", this.button);
    row.append(name, this.bar, end);
    this.show("waiting");
  }

  /** @param {Upload["state"]} state @param {string} [why] */
  show(state, why) {
    this.state = state;
    this.word.textContent = why ?? { waiting: "Waits", sending: "Uploads", done: "Done", failed: "Failed", paused: "Paused" }[state];
    this.button.hidden = state === "done" || state === "waiting";
    this.button.textContent = state === "sending" ? "Pause" : state === "failed" ? "Retry" : "Resume";
    tell();
  }

  press() {
    if (this.state === "sending") {
      this.stop.abort();
    } else {
      this.show("waiting");
      pump();
    }
  }

  async run() {
    this.stop = new AbortController();
    this.show("sending");
    const asked = { bucket: this.bucket, key: this.key, type: this.file.type, size: this.file.size };
    try {
      if (this.file.size <= PART_BYTES) {
        const signed = await ask("/upload", asked);
        await send(signed, this.file, this.file.type, (sent) => { this.bar.value = sent; }, this.stop.signal);
      } else {
        await this.runInParts(asked);
      }
      this.bar.value = this.bar.max;
      this.show("done");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.stop.signal.aborted) this.show("paused");
      else this.show("failed", why);
    }
  }

  /** @param {Record<string, unknown>} asked */
  async runInParts(asked) {
    this.id ??= (await ask("/upload/begin", asked)).id;
    const parts = Math.ceil(this.file.size / PART_BYTES);
    for (let number = this.parts.length + 1; number <= parts; number += 1) {
      const from = (number - 1) * PART_BYTES;
      const signed = await ask("/upload/part", { ...asked, id: this.id, number });
      const piece = this.file.slice(from, from + PART_BYTES);
      const etag = await send(signed, piece, "", (sent) => { this.bar.value = from + sent; }, this.stop.signal);
      this.parts.push(etag);
    }
    await ask("/upload/complete", { ...asked, id: this.id, etags: this.parts });
  }
}

/** @type {Upload[]} */
const uploads = [];
const tray = document.getElementById("tray");

function tell() {
  const title = tray?.querySelector("[data-tray-title]");
  if (!tray || !title) return;
  tray.hidden = uploads.length === 0;
  const done = uploads.filter((upload) => upload.state === "done").length;
  title.textContent = `${done} of ${uploads.length} uploaded`;
  title.setAttribute("role", "status");
}

function pump() {
  const under = uploads.filter((upload) => upload.state === "sending").length;
  const waiting = uploads.filter((upload) => upload.state === "waiting");
  for (const upload of waiting.slice(0, Math.max(FILES_AT_ONCE - under, 0))) {
    upload.run().then(() => {
      pump();
      if (uploads.every((one) => one.state === "done")) refresh();
    });
  }
}

/** Shows what is there now, once everything is up, and leaves the tray as it is. */
async function refresh() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const list = page.querySelector("table[data-drop]");
  const before = document.querySelector("table[data-drop], .empty");
  if (list && before) before.replaceWith(list);
}

/** @param {Iterable<File>} files @param {string} bucket @param {string} prefix */
function add(files, bucket, prefix) {
  const list = tray?.querySelector("ul");
  if (!list) return;
  for (const file of files) {
    const row = document.createElement("li");
    list.append(row);
    uploads.push(new Upload(file, bucket, prefix + (file.webkitRelativePath || file.name), row));
  }
  tell();
  pump();
}

const button = document.querySelector("button[data-upload]");
const chosen = document.querySelector("input[data-upload-files]");
if (button instanceof HTMLButtonElement && chosen instanceof HTMLInputElement) {
  const [bucket, prefix] = [button.dataset.upload ?? "", button.dataset.prefix ?? ""];
  let picks = false;
  const take = () => {
    const files = [...(chosen.files ?? [])];
    chosen.value = "";
    add(files, bucket, prefix);
  };
  button.addEventListener("click", () => {
    if (chosen.files?.length) return take();
    picks = true;
    chosen.click();
  });
  chosen.addEventListener("change", () => {
    if (picks) take();
    picks = false;
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("drop");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("drop"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("drop");
    add(event.dataTransfer?.files ?? [], bucket, prefix);
  });
  addEventListener("beforeunload", (event) => {
    if (uploads.some((upload) => ["sending", "waiting"].includes(upload.state))) event.preventDefault();
  });
}
