/**
 * Paints in the browser: the jobs, their queue and the session of one of them. What `style-studio/src/studio` is to the server.
 * A request is heard between two steps of the session, never within one.
 */

import load, * as wasm from "./style_web.js";
import { Store } from "./store.js";

/** How often the page is told of progress at most, in milliseconds. A preview takes a tenth of the time at most. */
const TELL = 120;

/** How often progress is kept, in milliseconds. Keeping takes a tenth of the time at most. */
const KEEP = 4000;

/** What the message of a panic begins with. */
const BUG = "the page failed";

const MOST_JOBS = 50;
const MOST_SNAPSHOTS = 24;

/** Long sides of the small pictures, in pixels. */
const [OF_PICTURE, OF_SNAPSHOT] = [640, 240];

const jobs = new Map();
let queue = [];
/** The job that is painted, and its session, which is not there while the page is told that it begins. */
let running = null;
let painter = null;
/** Why nothing can be painted any more. */
let broken = null;
let wake = () => {};
let store;

// What the page hears.

const post = (kind, content) => self.postMessage([kind, content]);
const tell = (type, data) => post("tell", { type, data });
const show = (name, bytes, type) => post("file", { name, blob: new Blob([bytes], { type }) });

function view(job) {
  const { begin, number, ...rest } = job;
  return { ...rest, place: queue.indexOf(job.id) + 1 };
}

/** Keeps a job and tells of it, and of the places of those that wait. */
function told(job) {
  store.put(`records/${job.id}`, structuredClone(job));
  tell("job", view(job));
  tell("queue", queue);
}

// Files of jobs.

const nameOf = (job, name) => `jobs/${job.id}/${name}`;
const get = (job, name) => store.get(nameOf(job, name));
const put = (job, name, bytes) => (bytes ? store.put(nameOf(job, name), bytes) : store.delete(nameOf(job, name)));
const sessionOf = (job) => (running?.job === job ? running.session : null);
const undefinedIfNone = (bytes) => bytes ?? undefined;

const isPainted = (job) => Boolean(sessionOf(job)) || job.version > 0;

/** The painted picture in 16 bits. */
const painted = (job) => sessionOf(job)?.picture() ?? get(job, "picture");

function rendered(job, kind) {
  const session = sessionOf(job);
  const colours = job.settings.colours;
  if (session) return session.shown(colours, kind);
  return wasm.shown(get(job, "picture"), get(job, "original"), job.mask ? get(job, "mask") : undefined, colours, kind);
}

const showPicture = (job) => show(nameOf(job, "picture"), rendered(job, "jpeg"), "image/jpeg");
const showOriginal = (job) => show(nameOf(job, "original"), get(job, "original"), "image/png");
const showMask = (job) => show(nameOf(job, "mask"), get(job, "mask"), "image/png");
const showSnapshot = (job, number) =>
  show(nameOf(job, `snapshot-${number}`), wasm.thumbnail(get(job, `snapshot-${number}`), OF_SNAPSHOT), "image/jpeg");
const showThumbnail = (id) =>
  show(`pictures/${id}`, wasm.thumbnail(store.get(`pictures/${id}`), OF_PICTURE), "image/jpeg");

/** The picture is another, or looks different. */
function renewed(job) {
  job.version += 1;
  showPicture(job);
}

/** A picture that was brought, or a sample. */
const samples = new Map();
async function picture(id) {
  const own = store.get(`pictures/${id}`) ?? samples.get(id);
  if (own) return own;
  if (!/^[a-z_]+$/.test(id)) throw new Error("there is no such picture; choose it again");
  const answer = await fetch(`samples/${id}.jpg`);
  if (!answer.ok) throw new Error(`the sample cannot be read: ${answer.status}`);
  const kept = wasm.keep(new Uint8Array(await answer.arrayBuffer()));
  const bytes = kept.file;
  kept.free();
  samples.set(id, bytes);
  return bytes;
}

function snapshot(job, why, bytes = painted(job)) {
  if (!bytes) return;
  const number = Math.max(0, ...job.snapshots.map((s) => s.number)) + 1;
  put(job, `snapshot-${number}`, bytes);
  put(job, `snapshot-${number}-mask`, job.mask ? get(job, "mask") : null);
  // Of a PNG file.
  const at = new DataView(bytes.buffer, bytes.byteOffset);
  const side = Math.max(at.getUint32(16), at.getUint32(20));
  job.snapshots.push({ number, why, side, settings: job.settings, masked: job.mask > 0 });
  showSnapshot(job, number);
  while (job.snapshots.length > MOST_SNAPSHOTS) {
    const oldest = Math.max(0, job.snapshots.findIndex((s) => s.why !== "kept"));
    const [{ number }] = job.snapshots.splice(oldest, 1);
    put(job, `snapshot-${number}`, null);
    put(job, `snapshot-${number}-mask`, null);
    post("forget", nameOf(job, `snapshot-${number}`));
  }
}

/** The photograph at the size of the result. */
function resized(photo, settings) {
  const original = wasm.photograph(photo, settings.side);
  const at = new DataView(original.buffer, original.byteOffset);
  return { original, size: [at.getUint32(16), at.getUint32(20)] };
}

function putOriginal(job, { original, size }) {
  put(job, "original", original);
  job.size = size;
  showOriginal(job);
}

function putMask(job, bytes) {
  put(job, "mask", bytes);
  job.mask = bytes ? Math.max(job.mask, job.version) + 1 : 0;
  if (bytes) showMask(job);
}

// Sessions.

/** The description of a session. */
function described(job, { settings, original }, painting) {
  const description = new wasm.Job(JSON.stringify(settings), original, painting);
  try {
    if (job?.mask) description.mask(get(job, "mask"));
    if (job?.begin) description.start(get(job, "start"), job.begin.from);
    return description;
  } catch (error) {
    description.free();
    throw error;
  }
}

function open() {
  painter ??= new wasm.Painter();
  return painter;
}

/** Refuses what cannot be painted here. */
function check(settings, original, painting) {
  const description = described(null, { settings, original }, painting);
  try {
    open().check(description);
  } finally {
    description.free();
  }
}

const longSide = (job) => Math.max(...job.size);
const reachedSide = (job) =>
  job.state === "done" || !job.progress ? longSide(job) : Math.min(Math.max(job.progress.width, job.progress.height), longSide(job));
const repaintSide = (job) => Math.floor(reachedSide(job) / 2);

/** Another session of the same job: from its picture, at the scale with this long side or the next larger one, or anew. */
function beginAgain(job, from) {
  const start = from === null ? null : get(job, "picture");
  put(job, "start", start);
  put(job, "checkpoint", null);
  Object.assign(job, { begin: start ? { from } : null, progress: null, curve: [], message: null });
}

function enqueue(job, first) {
  queue = queue.filter((id) => id !== job.id);
  if (first) queue.unshift(job.id);
  else queue.push(job.id);
  wake();
}

/** Ends the session of a job, if it has one, with its picture and progress kept. */
function halt(job) {
  const session = sessionOf(job);
  if (session) {
    if (running.progress) job.progress = running.progress;
    job.curve.push(...running.points);
    try {
      put(job, "picture", session.picture());
      put(job, "checkpoint", session.checkpoint());
    } finally {
      free();
    }
    renewed(job);
  }
  if (running?.job === job) running = null;
}

function free() {
  running?.session?.free();
  running = null;
}

/** Another session as soon as possible, with what `prepare` changes: from the picture, or from the photograph. */
function repaint(job, { over = false, prepare = () => {} }) {
  const side = !over && isPainted(job) ? repaintSide(job) : null;
  halt(job);
  prepare();
  beginAgain(job, side);
  if (job.state !== "paused") {
    job.state = "queued";
    enqueue(job, true);
  }
}

function failed(job, error) {
  const message = error.message || String(error);
  if (error instanceof WebAssembly.RuntimeError || message.startsWith(BUG)) {
    broken = new Error("painting has failed; reload the page to paint on");
  }
  try {
    halt(job);
  } catch {
    // The first reason counts.
  }
  if (running?.job === job) running = null;
  Object.assign(job, { state: "failed", message: message.charAt(0).toUpperCase() + message.slice(1) });
  told(job);
}

// What the page asks for.

function jobOf(id) {
  const job = jobs.get(id);
  if (!job) throw new Error("there is no such job; it may have been deleted, so reload the page");
  return job;
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const commands = {
  async keepPicture(blob) {
    const kept = wasm.keep(new Uint8Array(await blob.arrayBuffer()));
    const { file, notes } = kept;
    kept.free();
    const id = newId();
    store.put(`pictures/${id}`, file);
    showThumbnail(id);
    return { id, notes };
  },

  async create({ photo, painting, settings: given }) {
    const settings = JSON.parse(wasm.checked(JSON.stringify(given)));
    if (jobs.size >= MOST_JOBS) throw new Error(`there are ${MOST_JOBS} jobs, which is the limit; delete some first`);
    const [photograph, style] = [await picture(photo), await picture(painting)];
    const sized = resized(photograph, settings);
    check(settings, sized.original, style);
    const number = Math.max(0, ...[...jobs.values()].map((job) => job.number)) + 1;
    const job = {
      id: newId(), number, photo, painting, settings, state: "queued", message: null, size: [0, 0], begin: null, mask: 0,
      version: 0, progress: null, snapshots: [], curve: [],
    };
    jobs.set(job.id, job);
    putOriginal(job, sized);
    enqueue(job, false);
    told(job);
    return job.id;
  },

  async change(id, change) {
    const [photo, painting] = await Promise.all([picture(jobOf(id).photo), picture(jobOf(id).painting)]);
    const job = jobOf(id);
    const before = job.settings;
    const { settings, effect } = JSON.parse(wasm.changed(JSON.stringify(before), JSON.stringify(change)));
    if (effect === "none") return;
    // A picture at rest takes another strength by being painted further.
    const rests = job.state === "done" || job.state === "failed";
    const again = effect === "over" || effect === "repaint" || (effect === "live" && rests);
    const sized = settings.side === before.side ? null : resized(photo, settings);
    if (again) check(settings, sized?.original ?? get(job, "original"), painting);
    if (again) snapshot(job, "change");
    job.settings = settings;
    if (again) {
      repaint(job, { over: effect === "over", prepare: () => sized && putOriginal(job, sized) });
    } else {
      if (effect === "live") sessionOf(job)?.strengthen(settings.strength);
      if (settings.colours !== before.colours && isPainted(job)) renewed(job);
    }
    told(job);
  },

  pause(id) {
    const job = jobOf(id);
    if (running?.job === job) halt(job);
    else if (job.state !== "queued") return;
    job.state = "paused";
    queue = queue.filter((other) => other !== id);
    told(job);
  },

  resume(id) {
    const job = jobOf(id);
    if (running?.job === job) return;
    if (job.state === "done") {
      snapshot(job, "change");
      beginAgain(job, reachedSide(job));
    }
    Object.assign(job, { state: "queued", message: null });
    enqueue(job, true);
    told(job);
  },

  remove(id) {
    const job = jobOf(id);
    if (running?.job === job) free();
    jobs.delete(id);
    queue = queue.filter((other) => other !== id);
    store.deleteAll(`jobs/${id}/`);
    store.delete(`records/${id}`);
    post("forget", `jobs/${id}/`);
    tell("deleted", id);
    tell("queue", queue);
  },

  keep(id) {
    const job = jobOf(id);
    snapshot(job, "kept");
    told(job);
  },

  async restore(id, number) {
    const photo = await picture(jobOf(id).photo);
    const job = jobOf(id);
    const to = job.snapshots.find((s) => s.number === number);
    if (!to) throw new Error("there is no such snapshot; it may have been deleted, so reload the page");
    if (running?.job === job) free();
    queue = queue.filter((other) => other !== id);
    job.settings = to.settings;
    putOriginal(job, resized(photo, to.settings));
    putMask(job, to.masked ? get(job, `snapshot-${number}-mask`) : null);
    put(job, "picture", wasm.stretched(get(job, `snapshot-${number}`), ...job.size));
    renewed(job);
    beginAgain(job, to.side);
    job.state = "paused";
    told(job);
  },

  async setMask(id, blob) {
    const given = blob ? new Uint8Array(await blob.arrayBuffer()) : null;
    const job = jobOf(id);
    const bytes = given ? (wasm.mask(given, ...job.size) ?? null) : null;
    if (!bytes && !job.mask) return;
    snapshot(job, "change");
    const prepare = () => {
      putMask(job, bytes);
      if (job.version > 0) renewed(job);
    };
    repaint(job, { prepare });
    told(job);
  },

  save(id, kind) {
    const job = jobOf(id);
    return new Blob([rendered(job, kind)], { type: kind === "png" ? "image/png" : "image/tiff" });
  },
};

// Painting.

/** Lets requests be heard. */
const channel = new MessageChannel();
const breathing = [];
channel.port1.onmessage = () => breathing.shift()();
const breath = () =>
  new Promise((done) => {
    breathing.push(done);
    channel.port2.postMessage(null);
  });

async function begin(job) {
  if (broken) throw broken;
  running = { job, session: null, told: 0, telling: TELL, kept: performance.now(), keeping: KEEP, progress: null, points: [] };
  const mine = running;
  job.state = "painting";
  told(job);
  const painting = await picture(job.painting);
  await breath();
  if (running !== mine) return;
  const { settings } = job;
  const description = described(job, { settings, original: get(job, "original") }, painting);
  // It takes the description.
  running.session = open().begin(description, undefinedIfNone(get(job, "checkpoint")));
  running.kept = performance.now();
}

/** One evaluation. */
function step() {
  const { job, session } = running;
  const { losses, accepted, ...progress } = JSON.parse(session.step());
  running.progress = progress;
  running.points.push([progress.iteration, Math.max(progress.width, progress.height), ...losses]);
  const coarser = session.coarser();
  if (coarser) {
    snapshot(job, "scale", coarser);
    told(job);
  }
  const now = performance.now();
  if (coarser || now - running.told >= running.telling) {
    job.progress = progress;
    job.curve.push(...running.points);
    renewed(job);
    tell("progress", { id: job.id, version: job.version, progress, points: running.points });
    running.points = [];
    running.told = performance.now();
    running.telling = Math.max(TELL, 9 * (running.told - now));
  }
  if (session.finished) {
    halt(job);
    job.state = "done";
    told(job);
  } else if (now - running.kept >= running.keeping) {
    const begun = performance.now();
    put(job, "checkpoint", session.checkpoint());
    put(job, "picture", session.picture());
    store.put(`records/${job.id}`, structuredClone(job));
    running.kept = performance.now();
    running.keeping = Math.max(KEEP, 9 * (running.kept - begun));
  }
}

async function work() {
  for (;;) {
    const next = running ? null : jobs.get(queue.shift());
    const job = running?.job ?? next;
    if (!job) {
      await new Promise((done) => (wake = done));
      continue;
    }
    try {
      if (next) await begin(job);
      else step();
    } catch (error) {
      failed(job, error);
    }
    await breath();
  }
}

/** Jobs that a page left behind. */
function recover() {
  const records = store.names("records/").map((name) => store.get(name));
  records.sort((a, b) => a.number - b.number);
  const needed = new Set(records.flatMap((job) => [job.photo, job.painting]));
  for (const name of store.names("pictures/")) {
    const id = name.slice("pictures/".length);
    if (needed.has(id)) showThumbnail(id);
    else store.delete(name);
  }
  for (const job of records) {
    if (!get(job, "original")) continue;
    if (job.version > 0 && !get(job, "picture")) job.version = 0;
    if (job.state !== "done" && !get(job, "checkpoint")) Object.assign(job, { progress: null, curve: [] });
    if (job.state === "painting" || job.state === "queued") {
      const wasPainted = job.state === "painting";
      job.state = "queued";
      if (wasPainted) queue.unshift(job.id);
      else queue.push(job.id);
    }
    jobs.set(job.id, job);
    showOriginal(job);
    if (job.mask) showMask(job);
    if (job.version > 0) showPicture(job);
    for (const { number } of job.snapshots) showSnapshot(job, number);
  }
}

const everything = () => tell("state", { jobs: [...jobs.values()].map(view) });

async function start() {
  store = await Store.open();
  store.failed = (error) => {
    store.failed = () => {};
    const text = `The pictures will be gone when this page is closed: ${error?.message ?? "the browser's database is full"}`;
    tell("connection", text);
  };
  // A new page need not wait for the weights.
  const isNew = store.names("records/").length === 0;
  if (isNew) everything();
  await load({ module_or_path: new URL("style_web_bg.wasm", import.meta.url) });
  recover();
  if (!isNew) everything();
  work();
  // The weights are unpacked while the user chooses; if that fails, the first job says why.
  breath().then(open).catch(() => {});
}

const ready = start();
ready.catch((error) => tell("connection", `The page cannot paint here: ${error.message ?? error}`));

self.onmessage = async ({ data: { number, name, given } }) => {
  try {
    await ready;
    post("answer", { number, value: await commands[name](...given) });
  } catch (error) {
    post("answer", { number, error: error.message ?? String(error) });
  }
};
