'use strict';
// Sends files in parts, straight to the store. What was begun is remembered on this device, so that it goes on after a reload.
const facts = JSON.parse(document.getElementById('facts').textContent);
// Of each file one part at a time, so that a break loses one part of it at most.
const FILES_AT_ONCE = 3;
const TRIES = 6;
const memory = 'valet:' + facts.path;
const byId = (id) => document.getElementById(id);
const items = [];
// What the link still takes, as far as this page knows.
const room = { files: facts.filesLeft, bytes: facts.bytesLeft };

class Stopped extends Error {}
class Refused extends Error {}

function remembered() {
  try { return JSON.parse(localStorage.getItem(memory)) || {}; } catch { return {}; }
}

function remember(name, id) {
  const all = remembered();
  if (id) all[name] = id; else delete all[name];
  try { localStorage.setItem(memory, JSON.stringify(all)); } catch { /* Then nothing goes on after a reload. */ }
}

// The same words as the server's.
function sizeInWords(bytes) {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : bytes + ' bytes';
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let tenths = Math.floor(bytes * 10 / 1024);
  let unit = 0;
  while (tenths >= 10240 && unit + 1 < units.length) { tenths = Math.floor(tenths / 1024); unit += 1; }
  return (tenths >= 1000 ? String(Math.floor(tenths / 10)) : (tenths / 10).toFixed(1)) + ' ' + units[unit];
}

// Notes that a file has taken its room, or has given it back.
function takeRoom(file, sign) {
  if (room.files !== null) room.files = Math.max(0, room.files - sign);
  if (room.bytes !== null) room.bytes = Math.max(0, room.bytes - sign * file.size);
  if (byId('files-left')) byId('files-left').textContent = room.files === 0 ? 'no more' : room.files + ' more';
  if (byId('bytes-left')) byId('bytes-left').textContent = sizeInWords(room.bytes) + ' more';
}

async function call(path, document, signal) {
  const options = document === undefined ? { signal } : {
    method: 'POST', signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify(document),
  };
  const answer = await fetch(facts.path + path, options);
  if (answer.ok) return answer.json();
  const text = await answer.text();
  const message = new DOMParser().parseFromString(text, 'application/xml').querySelector('Message');
  const words = message ? message.textContent : 'The server answered ' + answer.status + '.';
  if (answer.status >= 500 || answer.status === 429) throw new Error(words);
  const refused = new Refused(words);
  refused.status = answer.status;
  throw refused;
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function again(item, work) {
  for (let attempt = 1; ; attempt += 1) {
    if (item.stop.signal.aborted || item.state === 'pausing') throw new Stopped();
    try {
      return await work();
    } catch (error) {
      if (item.stop.signal.aborted) throw new Stopped();
      if (error instanceof Refused || attempt === TRIES) throw error;
      await wait(Math.min(30000, 500 * 2 ** attempt));
    }
  }
}

function send(item, link) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    item.stop.signal.addEventListener('abort', stop);
    const end = (settle, value) => {
      item.stop.signal.removeEventListener('abort', stop);
      item.moving = 0;
      settle(value);
    };
    request.open('PUT', link.url);
    request.upload.onprogress = (event) => { item.moving = event.loaded; item.draw(); };
    request.onload = () => {
      if (request.status === 200) return end(resolve);
      const message = new DOMParser().parseFromString(request.responseText, 'application/xml').querySelector('Message');
      const words = message ? message.textContent : 'The server answered ' + request.status + '.';
      // A link that has expired is asked for anew.
      end(reject, new Error(words));
    };
    request.onerror = () => end(reject, new Error('The connection was lost.'));
    request.onabort = () => end(reject, new Stopped());
    request.send(item.file.slice(link.offset, link.offset + link.size));
  });
}

async function upload(item) {
  const { file } = item;
  const known = remembered()[item.name];
  let progress = null;
  if (known) {
    try {
      progress = await again(item, () => call('/files/' + known, undefined, item.stop.signal));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      remember(item.name, null);
    }
  }
  if (!progress) {
    const offered = { name: file.name, size: file.size, type: file.type };
    if (byId('sender')) offered.sender = byId('sender').value;
    if (byId('note')) offered.note = byId('note').value;
    progress = await again(item, () => call('/files', offered, item.stop.signal));
    remember(item.name, progress.file);
    takeRoom(file, 1);
  }
  item.id = progress.file;
  if (progress.done) return;
  const count = Math.max(1, Math.ceil(file.size / progress.part_size));
  const sizeOf = (number) => Math.min(progress.part_size, file.size - (number - 1) * progress.part_size);
  const there = new Set(progress.uploaded);
  item.sent = [...there].reduce((sum, number) => sum + sizeOf(number), 0);
  item.draw();
  for (let number = 1; number <= count; number += 1) {
    if (there.has(number)) continue;
    await again(item, async () => {
      const [link] = await call('/files/' + item.id + '/links', { parts: [number] }, item.stop.signal);
      await send(item, link);
    });
    item.sent += sizeOf(number);
    item.draw();
  }
  await again(item, () => call('/files/' + item.id + '/complete', {}, item.stop.signal));
}

class Item {
  constructor(file) {
    this.file = file;
    this.name = [file.name, file.size, file.lastModified].join('|');
    this.state = 'waiting';
    this.sent = 0;
    this.moving = 0;
    this.stop = new AbortController();
    this.row = document.createElement('li');
    const element = (tag, name) => {
      const made = document.createElement(tag);
      made.className = name;
      this.row.append(made);
      return made;
    };
    element('span', 'name').textContent = file.name;
    this.words = element('span', 'state');
    this.actions = element('span', 'actions');
    this.bar = element('progress', '');
    this.bar.max = Math.max(1, file.size);
    this.bar.setAttribute('aria-label', 'Progress of ' + file.name);
    byId('list').append(this.row);
    this.draw();
  }

  button(words, act) {
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = words;
    made.setAttribute('aria-label', words + ' ' + this.file.name);
    made.onclick = act;
    this.actions.append(made);
  }

  is(state, words) {
    this.state = state;
    this.why = words || '';
    this.actions.textContent = '';
    // The part that is on its way is sent to its end, since half of a part is nothing.
    if (state === 'sending') this.button('Pause', () => this.is('pausing'));
    if (state === 'pausing') this.button('Resume', () => this.is('sending'));
    if (state === 'paused') this.button('Resume', () => this.restart());
    if (state === 'failed') this.button('Retry', () => this.restart());
    if (state === 'waiting' || state === 'sending' || state === 'pausing' || state === 'paused') this.button('Cancel', () => this.cancel());
    if (state === 'failed' || state === 'refused') this.button('Remove', () => this.remove());
    this.draw();
    next();
  }

  restart() {
    this.stop = new AbortController();
    this.is('waiting');
  }

  async cancel() {
    this.state = 'cancelled';
    this.stop.abort();
    remember(this.name, null);
    if (this.id) {
      // If this fails, its room is given to others after an hour.
      try { await call('/files/' + this.id + '/abort', {}); takeRoom(this.file, -1); } catch { /* See above. */ }
    }
    this.remove();
  }

  remove() {
    this.row.remove();
    items.splice(items.indexOf(this), 1);
    next();
  }

  async run() {
    this.is('sending');
    try {
      await upload(this);
      remember(this.name, null);
      this.sent = this.file.size;
      this.is('done');
    } catch (error) {
      if (this.stop.signal.aborted) return;
      if (error instanceof Stopped) return this.is('paused');
      this.is(error instanceof Refused ? 'refused' : 'failed', error.message);
    }
  }

  draw() {
    const sent = Math.min(this.file.size, this.sent + this.moving);
    this.bar.value = this.state === 'done' ? this.bar.max : sent;
    this.bar.hidden = this.state === 'refused' || this.state === 'done';
    const size = sizeInWords(this.file.size);
    this.words.className = 'state' + (this.state === 'done' ? ' done' : this.why ? ' failed' : '');
    this.words.textContent = {
      waiting: size + ', waiting', sending: sizeInWords(sent) + ' of ' + size,
      pausing: sizeInWords(sent) + ' of ' + size + ', pausing after this part', paused: 'Paused at ' + sizeInWords(sent) + ' of ' + size,
      done: size + ', sent', failed: 'Not sent: ' + this.why, refused: 'Not sent: ' + this.why,
    }[this.state] || '';
    summary();
  }
}

function summary() {
  const count = (state) => items.filter((item) => item.state === state).length;
  const all = items.length;
  if (all === 0) { byId('summary').textContent = ''; return; }
  const done = count('done');
  const words = done === all ? (all === 1 ? 'The file was sent.' : 'All ' + all + ' files were sent.') : done + ' of ' + all + ' files sent';
  if (byId('summary').textContent !== words) byId('summary').textContent = words;
  // Nothing more can be chosen, unless to go on with what was begun.
  const moves = items.some((item) => !['done', 'refused'].includes(item.state)) || Object.keys(remembered()).length > 0;
  byId('drop').hidden = room.files === 0 && !moves;
  byId('full').hidden = !byId('drop').hidden;
}

function next() {
  while (items.filter((item) => item.state === 'sending' || item.state === 'pausing').length < FILES_AT_ONCE) {
    const waiting = items.find((item) => item.state === 'waiting');
    if (!waiting) return;
    waiting.run();
  }
}

function tell(words) {
  byId('problem').textContent = words;
  byId('problem').hidden = !words;
}

function add(files) {
  tell('');
  if (byId('sender') && !byId('sender').value.trim()) {
    tell('Please give your name first.');
    byId('sender').focus();
    return;
  }
  for (const file of files) {
    const item = new Item(file);
    if (items.some((other) => other.name === item.name)) { item.row.remove(); continue; }
    items.push(item);
    if (facts.maxBytes !== null && file.size > facts.maxBytes) {
      item.is('refused', 'it has ' + sizeInWords(file.size) + ', and one file may have ' + sizeInWords(facts.maxBytes) + '.');
    } else {
      item.is('waiting');
    }
  }
  summary();
}

byId('files').onchange = (event) => { add([...event.target.files]); event.target.value = ''; };
byId('send').onsubmit = (event) => event.preventDefault();
const drop = byId('drop');
for (const name of ['dragenter', 'dragover']) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add('over'); });
}
for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => { event.preventDefault(); add([...event.dataTransfer.files]); });
addEventListener('beforeunload', (event) => {
  if (items.some((item) => ['sending', 'pausing', 'waiting'].includes(item.state))) event.preventDefault();
});
const unfinished = Object.keys(remembered()).map((name) => name.split('|').slice(0, -2).join('|'));
if (unfinished.length > 0) {
  tell('Not finished yet: ' + unfinished.join(', ') + '. Choose the same files again, and they go on where they stopped.');
}
// What the sender has said of themselves stays on this device as well, with the files that it belongs to.
for (const name of ['sender', 'note']) {
  const field = byId(name);
  if (!field) continue;
  try { field.value = localStorage.getItem(memory + ':' + name) || ''; } catch { /* Then it is typed again. */ }
  field.oninput = () => { try { localStorage.setItem(memory + ':' + name, field.value); } catch { /* See above. */ } };
}
