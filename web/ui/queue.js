/** All pictures, in the order in which they were made. */

import { $, h } from "./dom.js";
import { shareOf, stateOf } from "./announce.js";

/**
 * @param {import("../engine.js").Engine} engine
 * @param {(id: string) => void} choose
 */
export function queue(engine, choose) {
  const list = $("queue").querySelector("ul");
  const items = new Map();

  function item(job) {
    const image = h("img", { alt: "", width: 72, height: 54 });
    const bar = h("progress", { max: 1, value: 0, "aria-hidden": "true" });
    const text = h("span", {});
    const button = h("button", { type: "button" }, image, h("span", { class: "tile-text" }, text, bar));
    button.addEventListener("click", () => choose(job.id));
    const element = h("li", {}, button);
    list.append(element);
    return { element, button, image, bar, text, address: "", isPainted: false };
  }

  /** Shows another picture once it is there: where it cannot be had, the last one stays. */
  async function load(tile, address, isPainted) {
    const next = new Image();
    next.src = tile.address = address;
    try {
      await next.decode();
      if (tile.address === address) Object.assign(tile, { isPainted }).image.src = address;
    } catch {
      if (tile.address === address) tile.address = "";
    }
  }

  return {
    /** @param {Iterable<import("../engine.js").Job>} jobs */
    show(jobs, selected) {
      const present = new Set();
      let number = 0;
      for (const job of jobs) {
        present.add(job.id);
        number += 1;
        if (!items.has(job.id)) items.set(job.id, item(job));
        const tile = items.get(job.id);
        // The picture that is being painted is shown large anyway; here it changes with the scale.
        const rests = job.state !== "painting" || !tile.isPainted;
        const isPainted = job.version > 0;
        const address = isPainted ? engine.picture(job) : engine.thumbnail(job.photo, 160);
        if (rests && address !== tile.address) load(tile, address, isPainted);
        tile.text.textContent = stateOf(job);
        tile.bar.value = shareOf(job);
        tile.bar.hidden = job.state === "done" || job.state === "failed";
        tile.button.setAttribute("aria-label", `Picture ${number}: ${stateOf(job)}`);
        tile.button.toggleAttribute("aria-current", job.id === selected);
        if (job.id === selected) tile.button.setAttribute("aria-current", "true");
      }
      for (const [id, tile] of items) {
        if (!present.has(id)) {
          tile.element.remove();
          items.delete(id);
        }
      }
      $("queue").hidden = items.size === 0;
    },
  };
}
