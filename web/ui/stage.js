/** The picture itself, and how far it is. */

import { $, face, h } from "./dom.js";
import { announce, attempt, shareOf, stateOf, wordOf } from "./announce.js";
import { saidLeft, secondsLeft } from "./time.js";

/** Links to the files of the picture, and their kinds. */
const FILES = [["save-png", "png"], ["save-tiff", "tiff"]];

/** How long a file that is saved stays in memory, in milliseconds. */
const LINGER = 60_000;

/** @param {import("../engine.js").Engine} engine */
export function stage(engine) {
  const [picture, canvas] = [$("picture"), $("canvas")];
  let shown = "";
  let wanted = "";
  let loading = false;
  let word = "";
  let current = null;

  /** Has a file made and saves it, where the link has no address. */
  async function save(link, kind) {
    const made = h("a", { href: URL.createObjectURL(await engine.save(current.id, kind)), download: link.download });
    made.click();
    setTimeout(() => URL.revokeObjectURL(made.href), LINGER);
  }
  for (const [button, kind] of FILES) {
    $(button).addEventListener("click", (event) => {
      if (!engine.save || !current?.version) return;
      event.preventDefault();
      attempt(() => save($(button), kind));
    });
  }

  /** Loads one picture at a time, and next the latest: a slow connection skips some. */
  async function load() {
    if (loading || wanted === shown) return;
    loading = true;
    const address = wanted;
    const next = new Image();
    next.src = address;
    try {
      await next.decode();
      if (address === wanted || !picture.hidden) {
        picture.src = address;
        picture.dataset.shown = address;
      }
      shown = address;
    } catch {
      // It has been replaced meanwhile, or the server is gone: the next message brings another.
      shown = address;
    }
    loading = false;
    if (wanted !== shown) load();
  }

  return {
    /** @param {import("../engine.js").Job} job */
    show(job, isNew) {
      current = job;
      if (isNew) {
        shown = "";
        word = "";
        picture.removeAttribute("src");
        delete picture.dataset.shown;
      }
      const [width, height] = job.size;
      $("stage").style.setProperty("--ratio", width / height);
      wanted = job.version > 0 ? engine.picture(job) : engine.original(job);
      canvas.classList.toggle("untouched", job.version === 0);
      picture.alt = job.version > 0 ? `The painted picture: ${stateOf(job)}` : "The photograph, not yet painted";
      load();

      const share = shareOf(job);
      $("progress").value = share;
      $("status").textContent = stateOf(job);
      const full = Math.max(width, height);
      const from = job.begin?.picture?.from ?? full;
      let reached = ` ${width} × ${height} pixels`;
      if (job.state !== "done" && job.progress) reached = ` at ${Math.max(job.progress.width, job.progress.height)} of ${full} pixels`;
      else if (job.state !== "done" && from < full) reached = `, goes on at ${from} of ${full} pixels`;
      const seconds = job.state === "painting" ? secondsLeft(job) : null;
      const time = seconds === null ? "" : `, ${saidLeft(seconds, job.settings.good)}`;
      $("reached").textContent = `${reached}${job.state === "done" || !share ? "" : `, ${Math.round(100 * share)} %`}${time}`;
      $("work").dataset.state = job.state;
      $("message").hidden = !job.message;
      $("message").textContent = job.message ?? "";

      const rests = { queued: "Pause", painting: "Pause", paused: "Resume", done: "Paint on", failed: "Try again" };
      $("pause").title = `${rests[job.state]} (space bar)`;
      face($("pause"), rests[job.state] === "Pause" ? "pause" : "play", rests[job.state]);
      $("keep").disabled = job.version === 0;
      for (const [button, kind] of FILES) {
        const link = $(button);
        if (job.version > 0) link.href = engine.download(job, kind) ?? "#";
        else link.removeAttribute("href");
        link.download = `painted.${kind === "png" ? "png" : "tif"}`;
      }
      if (wordOf(job) !== word) {
        word = wordOf(job);
        announce(`${word}${time}`);
      }
      document.title = job.state === "painting" ? `${Math.round(100 * share)} % – Studio` : "Studio";
    },
  };
}
