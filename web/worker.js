/**
 * Paints in the browser: what `style-studio/src/studio` is to the server. The parts are in `worker/`: jobs, their pictures and
 * sessions, what the page asks for, and the engine that paints. A request is heard between two steps of a session, never within
 * one.
 */

import { obey } from "./worker/commands.js";
import { choose, isOff, open } from "./worker/engine.js";
import { desk, everything, get, jobs, openStore } from "./worker/jobs.js";
import { post, tell } from "./worker/page.js";
import { showMask, showOriginal, showPicture, showSnapshot, showThumbnail } from "./worker/pictures.js";
import { work } from "./worker/sessions.js";
import { breath, exclusive } from "./worker/turns.js";

/** Jobs that a page left behind. */
async function recover() {
  const { store } = desk;
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
      if (wasPainted) desk.queue.unshift(job.id);
      else desk.queue.push(job.id);
    }
    jobs.set(job.id, job);
    showOriginal(job);
    if (job.mask) showMask(job);
    if (job.version > 0) await showPicture(job);
    for (const { number } of job.snapshots) showSnapshot(job, number);
  }
}

async function start() {
  await openStore();
  // A new page need not wait for the weights.
  const isNew = desk.store.names("records/").length === 0;
  if (isNew) everything();
  await choose(!isOff && desk.store.get("gpu") !== false);
  await recover();
  if (!isNew) everything();
  work();
  // The weights are unpacked while the user chooses; if that fails, the first job says why.
  breath()
    .then(() => exclusive(open))
    .catch(() => {});
}

const ready = start();
ready.catch((error) => tell("connection", `The page cannot paint here: ${error.message ?? error}`));

self.onmessage = async ({ data: { number, name, given } }) => {
  try {
    await ready;
    post("answer", { number, value: await exclusive(() => obey(name, given)) });
  } catch (error) {
    post("answer", { number, error: error.message ?? String(error) });
  }
};
