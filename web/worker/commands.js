/** What the page asks for. Each is done whole before another, or a step of the session, begins. */

import { engine, isGpuGone, useGpu } from "./engine.js";
import { desk, enqueue, get, isPainted, jobOf, jobs, newId, put, sessionOf, told, unqueue } from "./jobs.js";
import { post, tell } from "./page.js";
import {
  isLastSnapshot, kept, MOST_KEPT, picture, putMask, putOriginal, rendered, renewed, resized, showThumbnail, snapshot,
} from "./pictures.js";
import { beginAgain, check, failed, free, goOn, halt, reachedSide, repaint } from "./sessions.js";

const MOST_JOBS = 50;

const commands = {
  async keepPicture(blob) {
    const { file, notes } = kept(new Uint8Array(await blob.arrayBuffer()));
    const id = newId();
    desk.store.put(`pictures/${id}`, file);
    showThumbnail(id);
    return { id, notes };
  },

  async create({ photo, painting, settings: given }) {
    const settings = JSON.parse(engine.wasm.checked(JSON.stringify(given)));
    if (jobs.size >= MOST_JOBS) throw new Error(`there are ${MOST_JOBS} jobs, which is the limit; delete some first`);
    const [photograph, style] = [await picture(photo), await picture(painting)];
    const sized = resized(photograph, settings);
    await check(settings, sized.original, style);
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
    const job = jobOf(id);
    const before = job.settings;
    const { settings, effect } = JSON.parse(engine.wasm.changed(JSON.stringify(before), JSON.stringify(change)));
    if (effect === "none") return;
    // A picture at rest takes another strength by being painted further.
    const rests = job.state === "done" || job.state === "failed";
    const again = effect === "over" || effect === "repaint" || (rests && settings.strength !== before.strength);
    const sized = settings.side === before.side ? null : resized(await picture(job.photo), settings);
    if (again) await check(settings, sized?.original ?? get(job, "original"), await picture(job.painting));
    if (again) await snapshot(job, "change");
    job.settings = settings;
    if (again) {
      await repaint(job, { over: effect === "over", prepare: () => sized && putOriginal(job, sized) });
    } else {
      if (effect === "resume" && sessionOf(job)) await goOn(job);
      const session = sessionOf(job);
      if (effect === "live" && session) await engine.wasm.strengthen(session, settings.strength);
      if (settings.colours !== before.colours && isPainted(job)) await renewed(job);
    }
    told(job);
  },

  async pause(id) {
    const job = jobOf(id);
    if (desk.running?.job === job) await halt(job);
    else if (job.state !== "queued") return;
    job.state = "paused";
    unqueue(id);
    told(job);
  },

  async resume(id) {
    const job = jobOf(id);
    if (desk.running?.job === job) return;
    if (job.state === "done") {
      await snapshot(job, "change");
      beginAgain(job, reachedSide(job));
    }
    Object.assign(job, { state: "queued", message: null });
    enqueue(job, true);
    told(job);
  },

  remove(id) {
    const job = jobOf(id);
    if (desk.running?.job === job) free();
    jobs.delete(id);
    unqueue(id);
    desk.store.deleteAll(`jobs/${id}/`);
    desk.store.delete(`records/${id}`);
    post("forget", `jobs/${id}/`);
    tell("deleted", id);
    tell("queue", desk.queue);
  },

  async keep(id) {
    const job = jobOf(id);
    if (job.snapshots.filter((s) => s.why === "kept").length >= MOST_KEPT) {
      throw new Error(`${MOST_KEPT} snapshots are kept, which is the limit`);
    }
    await snapshot(job, "kept");
    told(job);
  },

  async restore(id, number) {
    const job = jobOf(id);
    const to = job.snapshots.find((s) => s.number === number);
    if (!to) throw new Error("there is no such snapshot; it may have been deleted, so reload the page");
    const sized = resized(await picture(job.photo), to.settings);
    // A picture that nothing has been painted on yet has its snapshot from when it came.
    const isPaintedOn = job.progress || (sessionOf(job) && desk.running.progress);
    if (isPaintedOn && !isLastSnapshot(job)) await snapshot(job, "change", { beside: number });
    if (desk.running?.job === job) free();
    unqueue(id);
    job.settings = to.settings;
    putOriginal(job, sized);
    putMask(job, to.masked ? get(job, `snapshot-${number}-mask`) : null);
    put(job, "picture", engine.wasm.stretched(get(job, `snapshot-${number}`), ...job.size));
    await renewed(job);
    beginAgain(job, to.side);
    job.state = "paused";
    told(job);
  },

  async setMask(id, blob) {
    const job = jobOf(id);
    const bytes = blob ? (engine.wasm.mask(new Uint8Array(await blob.arrayBuffer()), ...job.size) ?? null) : null;
    if (!bytes && !job.mask) return;
    await snapshot(job, "change");
    const prepare = async () => {
      putMask(job, bytes);
      if (job.version > 0) await renewed(job);
    };
    await repaint(job, { prepare });
    told(job);
  },

  async save(id, kind) {
    return new Blob([await rendered(jobOf(id), kind)], { type: kind === "png" ? "image/png" : "image/tiff" });
  },

  /** Paints on the GPU or not. The job that is painted goes on there from where it is. */
  async useGpu(wanted) {
    const job = desk.running?.job;
    if (job) {
      await goOn(job);
      told(job);
    }
    desk.store.put("gpu", wanted);
    await useGpu(wanted);
  },
};

/** Does what the page asks for. */
export async function obey(name, given) {
  const job = desk.running?.job;
  try {
    return await commands[name](...given);
  } catch (error) {
    const hasEnded = job?.state === "painting" && desk.running?.job !== job;
    if (job && jobs.has(job.id) && (hasEnded || isGpuGone(error))) await failed(job, error);
    throw error;
  }
}
