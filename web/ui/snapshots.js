/** Pictures to go back to. */

import { $, h } from "./dom.js";
import { announce, attempt } from "./announce.js";

function title({ why, side, settings }) {
  if (why === "scale") return `${side} px`;
  if (why === "kept") return `kept, ${side} px`;
  return `${side} px, strength ${Number(settings.strength.toFixed(2))}`;
}

/** @param {import("../engine.js").Engine} engine */
export function snapshots(engine) {
  const list = $("snapshots");
  let drawn = "";
  return {
    /** @param {import("../engine.js").Job} job */
    show(job) {
      $("history").hidden = job.snapshots.length === 0;
      const key = `${job.id} ${job.snapshots.map((s) => s.number).join(" ")}`;
      if (key === drawn) return;
      drawn = key;
      const items = [...job.snapshots].reverse().map((snapshot) => {
        const name = title(snapshot);
        const image = h("img", { src: engine.snapshot(job, snapshot.number), alt: "", loading: "lazy" });
        const button = h("button", { type: "button", "aria-label": `Go back to the snapshot: ${name}` }, image, h("span", {}, name));
        button.addEventListener("click", () =>
          attempt(async () => {
            await engine.restore(job.id, snapshot.number);
            announce("Back at the snapshot, paused");
          }));
        return h("li", {}, button);
      });
      list.replaceChildren(...items);
    },
  };
}
