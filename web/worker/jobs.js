/** The jobs, their queue and their files. */

import { tell } from "./page.js";
import { Store } from "../store.js";

export const jobs = new Map();

export const desk = {
  /** Where everything is kept. */
  store: null,
  /** Ids of jobs that wait, the next one first. */
  queue: [],
  /** The job that is painted, with its session, which is not there while the page is told that it begins. */
  running: null,
  /** Called when a job waits. */
  wake: () => {},
};

export async function openStore() {
  desk.store = await Store.open();
  desk.store.failed = (error) => {
    desk.store.failed = () => {};
    const text = `The pictures will be gone when this page is closed: ${error?.message ?? "the browser's database is full"}`;
    tell("connection", text);
  };
}

function view(job) {
  const { begin, number, ...rest } = job;
  // As the server says it.
  const since = begin ? { picture: { from: begin.from } } : "photograph";
  return { ...rest, begin: since, place: desk.queue.indexOf(job.id) + 1 };
}

export const everything = () => tell("state", { jobs: [...jobs.values()].map(view) });

export const putRecord = (job) => desk.store.put(`records/${job.id}`, structuredClone(job));

/** Keeps a job and tells of it, and of the places of those that wait. */
export function told(job) {
  putRecord(job);
  tell("job", view(job));
  tell("queue", desk.queue);
}

export function jobOf(id) {
  const job = jobs.get(id);
  if (!job) throw new Error("there is no such job; it may have been deleted, so reload the page");
  return job;
}

export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const unqueue = (id) => (desk.queue = desk.queue.filter((other) => other !== id));

export function enqueue(job, first) {
  unqueue(job.id);
  if (first) desk.queue.unshift(job.id);
  else desk.queue.push(job.id);
  desk.wake();
}

// Files of jobs.

export const nameOf = (job, name) => `jobs/${job.id}/${name}`;
export const get = (job, name) => desk.store.get(nameOf(job, name));
export const put = (job, name, bytes) =>
  bytes ? desk.store.put(nameOf(job, name), bytes) : desk.store.delete(nameOf(job, name));

export const sessionOf = (job) => (desk.running?.job === job ? desk.running.session : null);
export const isPainted = (job) => Boolean(sessionOf(job)) || job.version > 0;
