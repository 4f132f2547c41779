/** The picture itself, and how far it is. */

import { $, face } from "./dom.js";
import { announce, shareOf, stateOf, wordOf } from "./announce.js";

/** @param {import("../engine.js").Engine} engine */
export function stage(engine) {
  const [picture, canvas] = [$("picture"), $("canvas")];
  let shown = "";
  let wanted = "";
  let loading = false;
  let word = "";

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
      const reached = job.progress && job.state !== "done" ? ` at ${Math.max(job.progress.width, job.progress.height)} of ${Math.max(width, height)} pixels` : ` ${width} × ${height} pixels`;
      $("reached").textContent = `${reached}${job.state === "done" || !share ? "" : `, ${Math.round(100 * share)} %`}`;
      $("work").dataset.state = job.state;
      $("message").hidden = !job.message;
      $("message").textContent = job.message ?? "";

      const rests = { queued: "Pause", painting: "Pause", paused: "Resume", done: "Paint on", failed: "Try again" };
      face($("pause"), rests[job.state] === "Pause" ? "pause" : "play", rests[job.state]);
      $("keep").disabled = job.version === 0;
      for (const [button, kind] of [["save-png", "png"], ["save-tiff", "tiff"]]) {
        const link = $(button);
        if (job.version > 0) link.href = engine.download(job, kind);
        else link.removeAttribute("href");
        link.download = `painted.${kind === "png" ? "png" : "tif"}`;
      }
      if (wordOf(job) !== word) {
        word = wordOf(job);
        announce(word);
      }
      document.title = job.state === "painting" ? `${Math.round(100 * share)} % – Studio` : "Studio";
    },
  };
}
