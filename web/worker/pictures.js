/** Pictures: those that were brought, those that are painted, masks and snapshots. */

import { engine } from "./engine.js";
import { desk, get, nameOf, put, sessionOf } from "./jobs.js";
import { post, show } from "./page.js";

const MOST_SNAPSHOTS = 24;

/** Those that the user asked for. There is always room for the picture before a way back, and for where it leads. */
export const MOST_KEPT = MOST_SNAPSHOTS - 2;

/** Long sides of the small pictures, in pixels. */
const [OF_PICTURE, OF_SNAPSHOT] = [640, 240];

/** Width and height of a PNG file. */
function sizeOf(png) {
  const at = new DataView(png.buffer, png.byteOffset);
  return [at.getUint32(16), at.getUint32(20)];
}

/** The pixels of a file that is not trusted, as a file, and what of it could not be used. */
export function kept(bytes) {
  const kept = engine.wasm.keep(bytes);
  const { file, notes } = kept;
  kept.free();
  return { file, notes };
}

/** A picture that was brought, or a sample. */
const samples = new Map();
export async function picture(id) {
  const own = desk.store.get(`pictures/${id}`) ?? samples.get(id);
  if (own) return own;
  if (!/^[a-z_]+$/.test(id)) throw new Error("there is no such picture; choose it again");
  const answer = await fetch(`samples/${id}.jpg`);
  if (!answer.ok) throw new Error(`the sample cannot be read: ${answer.status}`);
  const { file } = kept(new Uint8Array(await answer.arrayBuffer()));
  samples.set(id, file);
  return file;
}

/** The painted picture in 16 bits. */
async function painted(job) {
  const session = sessionOf(job);
  return session ? engine.wasm.picture(session) : get(job, "picture");
}

/** The picture as it is shown and saved. */
export async function rendered(job, kind) {
  const session = sessionOf(job);
  const colours = job.settings.colours;
  if (session) return engine.wasm.preview(session, colours, kind);
  return engine.wasm.shown(get(job, "picture"), get(job, "original"), job.mask ? get(job, "mask") : undefined, colours, kind);
}

export const showPicture = async (job) => show(nameOf(job, "picture"), await rendered(job, "jpeg"), "image/jpeg");
export const showOriginal = (job) => show(nameOf(job, "original"), get(job, "original"), "image/png");
export const showMask = (job) => show(nameOf(job, "mask"), get(job, "mask"), "image/png");
export const showSnapshot = (job, number) =>
  show(nameOf(job, `snapshot-${number}`), engine.wasm.thumbnail(get(job, `snapshot-${number}`), OF_SNAPSHOT), "image/jpeg");
export const showThumbnail = (id) =>
  show(`pictures/${id}`, engine.wasm.thumbnail(desk.store.get(`pictures/${id}`), OF_PICTURE), "image/jpeg");

/** The picture is another, or looks different. */
export async function renewed(job) {
  job.version += 1;
  await showPicture(job);
}

/** Whether the newest snapshot has the picture of a job without a session, and its settings. */
export function isLastSnapshot(job) {
  const last = job.snapshots.at(-1);
  if (!last || sessionOf(job) || last.masked !== job.mask > 0) return false;
  const isSame = Object.entries(job.settings).every(([name, value]) => last.settings[name] === value);
  return isSame && get(job, `snapshot-${last.number}`) === get(job, "picture");
}

/** Keeps a picture to go back to: the one that is `given`, or that of the job. The one `beside` it does not make room for it. */
export async function snapshot(job, why, { given, beside } = {}) {
  const bytes = given ?? (await painted(job));
  if (!bytes) return;
  const number = Math.max(0, ...job.snapshots.map((s) => s.number)) + 1;
  put(job, `snapshot-${number}`, bytes);
  put(job, `snapshot-${number}-mask`, job.mask ? get(job, "mask") : null);
  job.snapshots.push({ number, why, side: Math.max(...sizeOf(bytes)), settings: job.settings, masked: job.mask > 0 });
  showSnapshot(job, number);
  while (job.snapshots.length > MOST_SNAPSHOTS) {
    const oldest = Math.max(0, job.snapshots.findIndex((s) => s.why !== "kept" && s.number !== beside));
    const [{ number }] = job.snapshots.splice(oldest, 1);
    put(job, `snapshot-${number}`, null);
    put(job, `snapshot-${number}-mask`, null);
    post("forget", nameOf(job, `snapshot-${number}`));
  }
}

/** The photograph at the size of the result. */
export function resized(photo, settings) {
  const original = engine.wasm.photograph(photo, settings.side);
  return { original, size: sizeOf(original) };
}

export function putOriginal(job, { original, size }) {
  put(job, "original", original);
  job.size = size;
  showOriginal(job);
}

export function putMask(job, bytes) {
  put(job, "mask", bytes);
  job.mask = bytes ? Math.max(job.mask, job.version) + 1 : 0;
  if (bytes) showMask(job);
}
