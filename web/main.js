/** The page: what is known of the jobs, and which one is shown. Each part of the page is a module of `ui/`. */

import { DEFAULTS } from "./engine.js";
import { $, face } from "./ui/dom.js";
import { announce, attempt } from "./ui/announce.js";
import { begin } from "./ui/begin.js";
import { compare } from "./ui/compare.js";
import { controls } from "./ui/controls.js";
import { device } from "./ui/device.js";
import { losses } from "./ui/losses.js";
import { mask } from "./ui/mask.js";
import { queue } from "./ui/queue.js";
import { snapshots } from "./ui/snapshots.js";
import { stage } from "./ui/stage.js";
import { note } from "./ui/time.js";

const engine = (await import(document.documentElement.dataset.engine)).open();

/** Jobs by id, in the order in which they were made. */
const jobs = new Map();
/** The job that is shown; `null` for a new picture. */
let selected = null;
const defaults = { ...DEFAULTS, ...engine.defaults };
/** Settings of the next new picture. */
let next = { ...defaults };
let ready = false;

const parts = {
  stage: stage(engine),
  compare: compare(engine),
  losses: losses(),
  snapshots: snapshots(engine),
  device: device(engine),
};
parts.mask = mask(engine, () => parts.compare.close());
parts.queue = queue(engine, select);
parts.controls = controls(defaults, () => selected, (id, change) => {
  if (id) attempt(() => engine.change(id, change).catch((error) => {
    if (id === selected && jobs.has(id)) parts.controls.show(jobs.get(id).settings, true);
    throw error;
  }));
  else Object.assign(next, change);
});
parts.begin = begin(engine, startAnew, (photo, painting) =>
  attempt(async () => select(await engine.create({ photo, painting, settings: next }))));

for (const button of document.querySelectorAll("[data-icon]")) face(button, button.dataset.icon);

function select(id) {
  const isNew = id !== selected;
  selected = id;
  history.replaceState(null, "", id ? `#${id}` : "#new");
  parts.mask.close();
  parts.compare.close();
  render(isNew);
  if (isNew) (id ? $("stage") : $("begin").querySelector("input")).focus({ preventScroll: true });
}

function render(isNew = false) {
  if (!ready) return;
  const job = jobs.get(selected);
  const waits = selected && !job;
  $("begin").hidden = Boolean(selected);
  $("work").hidden = !job;
  $("new").hidden = !selected;
  parts.controls.hints(Boolean(selected), job?.state === "done" || job?.state === "failed");
  parts.queue.show(jobs.values(), selected);
  document.body.dataset.view = selected ? "work" : "begin";
  if (waits) return;
  parts.controls.show(job ? job.settings : next, isNew);
  if (!job) {
    $("history").hidden = $("curves").hidden = true;
    document.title = "Studio";
    return;
  }
  parts.stage.show(job, isNew);
  parts.compare.show(job);
  parts.mask.show(job);
  parts.losses.show(job);
  parts.snapshots.show(job);
}

const heard = {
  state({ jobs: all, samples }) {
    jobs.clear();
    for (const job of all) jobs.set(job.id, job);
    all.forEach((job) => note(job));
    const first = !ready;
    ready = true;
    parts.begin.samples(samples);
    if (first) {
      const wanted = location.hash.slice(1);
      const busy = all.find((job) => job.state === "painting") ?? all.at(-1);
      select(jobs.has(wanted) ? wanted : wanted === "new" ? null : (busy?.id ?? null));
      render(true);
    } else if (selected && !jobs.has(selected)) select(null);
    else render();
  },
  job(job) {
    const isNew = !jobs.has(job.id);
    jobs.set(job.id, job);
    note(job);
    render(isNew && job.id === selected);
  },
  progress({ id, version, progress, points }) {
    const job = jobs.get(id);
    if (!job) return;
    Object.assign(job, { version, progress });
    job.curve.push(...points);
    note(job);
    render();
  },
  queue(ids) {
    for (const job of jobs.values()) job.place = ids.indexOf(job.id) + 1;
    render();
  },
  deleted(id) {
    jobs.delete(id);
    if (doomed === id) {
      doomed = null;
      $("confirm").close();
    }
    if (selected === id) select([...jobs.keys()].at(-1) ?? null);
    else render();
  },
  device: (said) => parts.device.show(said),
  connection(said) {
    // Only a server can be gone; other messages leave the page as it is.
    for (const part of document.querySelectorAll(".needs-engine")) part.inert = said === false;
    if (typeof said === "string") $("connection").textContent = said;
    $("connection").hidden = said === true;
  },
};

/** A new picture, with the settings of the one that is shown. */
function startAnew() {
  const job = jobs.get(selected);
  if (job) next = { ...job.settings };
  select(null);
}
$("new").addEventListener("click", startAnew);
$("pause").addEventListener("click", () => {
  const job = jobs.get(selected);
  const runs = job.state === "painting" || job.state === "queued";
  attempt(() => (runs ? engine.pause(job.id) : engine.resume(job.id)));
});
$("keep").addEventListener("click", () =>
  attempt(async () => {
    await engine.keep(selected);
    announce("The picture is kept as a snapshot");
  }));
/** The job that the dialog is about. */
let doomed = null;
$("delete").addEventListener("click", () => {
  doomed = selected;
  $("confirm").returnValue = "";
  $("confirm").showModal();
});
$("confirm").addEventListener("close", () => {
  const id = doomed;
  doomed = null;
  if (id && $("confirm").returnValue === "yes") attempt(() => engine.remove(id));
});

/** Where letters are typed, and what the space bar presses by itself. */
const [TYPED, PRESSED] = ["input:not([type=range], [type=checkbox], [type=file]), select, textarea, dialog", "button, a, input:not([type=range])"];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !jobs.has(selected)) return;
  if (event.target.closest(TYPED) || (event.key === " " && event.target.closest(PRESSED))) return;
  if (event.key === "Escape") return $("tools").hidden ? $("mask-cancel").click() : parts.compare.close();
  const button = { " ": "pause", c: "compare", m: "edit-mask", k: "keep" }[event.key.toLowerCase()];
  // While the mask is painted, the tools are away, and their keys too.
  if (!button || $(button).disabled || $("tools").hidden || $(button).closest("[inert]")) return;
  event.preventDefault();
  $(button).click();
});

engine.follow(({ type, data }) => heard[type]?.(data));
