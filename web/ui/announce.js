/** What screen readers are told, and short messages for everyone. */

import { $ } from "./dom.js";

/** How long a message stays, in milliseconds. */
const STAY = 8000;

let timer;

/** Tells screen readers, when they have finished what they read. */
export function announce(text) {
  if ($("live").textContent !== text) $("live").textContent = text;
}

/** Shows why something failed. */
export function complain(error) {
  const toast = $("toast");
  toast.textContent = error.message || String(error);
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.hidden = true), STAY);
}

/** Runs a request, and shows why it failed. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

const STATES = {
  queued: "Waiting",
  painting: "Painting",
  paused: "Paused",
  done: "Done",
  failed: "Failed",
};

/** The state of a job in a word or two. */
export function stateOf(job) {
  if (job.state === "queued" && job.place > 1) return `Waiting, number ${job.place}`;
  return STATES[job.state] ?? job.state;
}

/** How far a job is, from 0 to 1: by the time that it takes, not by evaluations, of which those at small sizes are short. */
export function shareOf(job) {
  if (job.state === "done") return 1;
  if (!job.progress) return 0;
  const { done, left, iteration, iterations } = job.progress;
  return Math.min(done ? done / (done + left) : iteration / iterations, 1);
}

/** A job whose state or quarter is new is worth a word. */
export function wordOf(job) {
  const quarters = Math.floor(shareOf(job) * 4) * 25;
  return job.state === "painting" && quarters > 0 ? `Painting, ${quarters} percent` : stateOf(job);
}
