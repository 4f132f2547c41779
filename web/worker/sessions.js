/** Sessions: they begin, go on step by step, end, and begin again. */

import { engine, isBroken, isGpuGone, leaveGpu, open, whatFailed } from "./engine.js";
import { desk, enqueue, get, isPainted, jobs, put, putRecord, sessionOf, told } from "./jobs.js";
import { tell } from "./page.js";
import { picture, renewed, snapshot } from "./pictures.js";
import { breath, exclusive } from "./turns.js";

/** How often the page is told of progress at most, in milliseconds. A preview takes a tenth of the time at most. */
const TELL = 120;

/** How often progress is kept, in milliseconds. Keeping takes a tenth of the time at most. */
const KEEP = 4000;

/** Why nothing can be painted any more. */
let broken = null;

/** The description of a session. */
function described(job, { settings, original }, painting) {
  const description = new engine.wasm.Job(JSON.stringify(settings), original, painting);
  try {
    if (job?.mask) description.mask(get(job, "mask"));
    if (job?.begin) description.start(get(job, "start"), job.begin.from);
    return description;
  } catch (error) {
    description.free();
    throw error;
  }
}

/** Refuses what cannot be painted here. */
export async function check(settings, original, painting) {
  const painter = await open();
  const description = described(null, { settings, original }, painting);
  try {
    painter.check(description);
  } finally {
    description.free();
  }
}

const longSide = (job) => Math.max(...job.size);
export const reachedSide = (job) =>
  job.state === "done" || !job.progress ? longSide(job) : Math.min(Math.max(job.progress.width, job.progress.height), longSide(job));
const repaintSide = (job) => Math.floor(reachedSide(job) / 2);

/** Another session of the same job: from its picture, at the scale with this long side or the next larger one, or anew. */
export function beginAgain(job, from) {
  const start = from === null ? null : get(job, "picture");
  put(job, "start", start);
  put(job, "checkpoint", null);
  Object.assign(job, { begin: start ? { from } : null, progress: null, curve: [], message: null });
}

/** Forgets the session, and all that it has not kept. */
export function free() {
  desk.running?.session?.free();
  desk.running = null;
}

async function keepFiles(job, session) {
  const [picture, checkpoint] = [await engine.wasm.picture(session), await engine.wasm.checkpoint(session)];
  put(job, "picture", picture);
  put(job, "checkpoint", checkpoint);
}

/** Ends the session of a job, if it has one, with its picture and progress kept. */
export async function halt(job) {
  const session = sessionOf(job);
  if (session) {
    const { progress, points } = desk.running;
    try {
      await keepFiles(job, session);
    } catch (error) {
      // Of a GPU that failed, `failed` needs what was last kept.
      if (!isGpuGone(error)) free();
      throw error;
    }
    if (progress) job.progress = progress;
    job.curve.push(...points);
    free();
    await renewed(job);
  }
  if (desk.running?.job === job) desk.running = null;
}

/** Another session that goes on where that of the job is. */
export async function goOn(job) {
  await halt(job);
  job.state = "queued";
  enqueue(job, true);
}

/** Another session as soon as possible, with what `prepare` changes: from the picture, or from the photograph. */
export async function repaint(job, { over = false, prepare = () => {} }) {
  const side = !over && isPainted(job) ? repaintSide(job) : null;
  await halt(job);
  await prepare();
  beginAgain(job, side);
  if (job.state !== "paused") {
    job.state = "queued";
    enqueue(job, true);
  }
}

/** Goes back to what was last kept of a job whose session cannot be read any more. */
async function fallBack(job) {
  const { saved } = desk.running;
  desk.running = null;
  job.progress = saved.progress;
  job.curve.length = saved.points;
  if (get(job, "picture") && !broken) await renewed(job);
  else job.version = 0;
}

/** A job ends with an error. Where the GPU is at fault, the processor can go on. */
export async function failed(job, error) {
  let message = error?.message || String(error);
  if (isGpuGone(error)) {
    try {
      await leaveGpu(error);
    } catch {
      broken = new Error("the GPU failed, and the engine for the processor cannot be loaded; reload the page");
    }
    if (desk.running?.job === job) await fallBack(job);
    message = `the GPU failed, so this processor paints from now on; try again to go on from what was last kept (${whatFailed(error)})`;
  } else if (isBroken(error)) {
    broken = new Error("painting has failed; reload the page to paint on");
  }
  try {
    await halt(job);
  } catch {
    // The first reason counts.
  }
  if (desk.running?.job === job) desk.running = null;
  Object.assign(job, { state: "failed", message: message.charAt(0).toUpperCase() + message.slice(1) });
  told(job);
}

/** Tells the page that a job begins. */
function take(job) {
  if (broken) throw broken;
  const saved = { progress: job.progress, points: job.curve.length };
  desk.running = { job, session: null, told: 0, telling: TELL, kept: 0, keeping: KEEP, progress: null, points: [], saved };
  job.state = "painting";
  told(job);
}

async function begin(running) {
  const { job } = running;
  const painting = await picture(job.painting);
  const painter = await open();
  const description = described(job, { settings: job.settings, original: get(job, "original") }, painting);
  // It takes the description.
  running.session = await engine.wasm.begin(painter, description, get(job, "checkpoint") ?? undefined);
  running.kept = performance.now();
}

/** Keeps progress, so that nothing earlier is lost. */
async function keep(running) {
  const { job, session } = running;
  const begun = performance.now();
  await keepFiles(job, session);
  putRecord(job);
  running.saved = { progress: job.progress, points: job.curve.length };
  running.kept = performance.now();
  running.keeping = Math.max(KEEP, 9 * (running.kept - begun));
}

/** One evaluation. */
async function step(running) {
  const { job, session } = running;
  const { losses, accepted, ...progress } = JSON.parse(await engine.wasm.step(session));
  running.progress = progress;
  running.points.push([progress.iteration, Math.max(progress.width, progress.height), ...losses]);
  const coarser = session.coarser();
  if (coarser) {
    await snapshot(job, "scale", { given: coarser });
    told(job);
  }
  const now = performance.now();
  if (coarser || now - running.told >= running.telling) {
    job.progress = progress;
    job.curve.push(...running.points);
    await renewed(job);
    tell("progress", { id: job.id, version: job.version, progress, points: running.points });
    running.points = [];
    running.told = performance.now();
    running.telling = Math.max(TELL, 9 * (running.told - now));
  }
  if (session.finished) {
    await halt(job);
    job.state = "done";
    told(job);
  } else if (now - running.kept >= running.keeping) {
    await keep(running);
  }
}

/** What is to be done next, and is done whole before a request is heard. */
async function turn() {
  const { running } = desk;
  const job = running?.job ?? jobs.get(desk.queue.shift());
  try {
    if (!job) return;
    if (!running) take(job);
    else if (!running.session) await begin(running);
    else await step(running);
  } catch (error) {
    await failed(job, error);
  }
}

/** Paints one job after the other, for ever. */
export async function work() {
  for (;;) {
    if (!desk.running && desk.queue.length === 0) await new Promise((done) => (desk.wake = done));
    await exclusive(turn);
    await breath();
  }
}
