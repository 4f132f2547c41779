/** The picture beside the photograph, with a line to move between them. */

import { $ } from "./dom.js";

/** @param {import("../engine.js").Engine} engine */
export function compare(engine) {
  const [button, split, original, canvas] = ["compare", "split", "original", "canvas"].map($);
  const range = split.querySelector("input");
  let on = false;

  const move = () => {
    canvas.style.setProperty("--split", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} percent photograph`);
  };
  range.addEventListener("input", move);
  move();

  const set = (value) => {
    if (!value && split.contains(document.activeElement)) button.focus({ preventScroll: true });
    on = value;
    button.setAttribute("aria-pressed", on);
    split.hidden = original.hidden = !on;
  };
  button.addEventListener("click", () => {
    set(!on);
    if (on) range.focus({ preventScroll: true });
  });

  return {
    close: () => set(false),
    /** @param {import("../engine.js").Job} job */
    show(job) {
      const address = engine.original(job);
      if (original.getAttribute("src") !== address) original.src = address;
      button.disabled = job.version === 0;
      if (button.disabled) set(false);
    },
  };
}
