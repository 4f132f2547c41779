/** The settings: sliders and choices. Each says what it does to a picture that is being painted. */

import { announce } from "./announce.js";
import { $, face, h, settled, throttled } from "./dom.js";

/** While a user moves a control, what the engine says of it is not shown, in milliseconds. */
const MINE = 1500;

/** How long the page says why a seed was not taken, in milliseconds. */
const STAY = 8000;

const SIDES = [192, 256, 384, 512, 768, 1024, 1536, 2048];

/** A size that takes this many times as long as the usual one is worth a word. */
const LONG = 2;

const AT_ONCE = "acts at once";
const ENDS = "ends early, once the picture hardly changes";
const REPAINTS = "repaints from the current picture";
const FURTHER = "repaints from this picture";
const OVER = "starts over from the photograph";

/** Sliders. `at` is their position for a value, `of` the value at a position. `live` ones act while they are moved. */
const SLIDERS = [
  {
    name: "strength", label: "Style strength", effect: AT_ONCE, live: true, min: -3, max: 3, step: 0.1,
    at: Math.log2, of: (x) => round(2 ** x), text: (v) => `${v.toFixed(v < 10 ? 2 : 1)}`, ends: ["photograph", "painting"],
  },
  {
    name: "stroke", label: "Stroke size", effect: REPAINTS, live: false, min: -1.3, max: 1.3, step: 0.1,
    at: Math.log2, of: (x) => round(2 ** x), text: (v) => `${v.toFixed(2)}`, ends: ["fine", "broad"],
  },
  {
    name: "colours", label: "Keep colours", effect: AT_ONCE, live: true, min: 0, max: 1, step: 0.05,
    at: (v) => v, of: round, text: (v) => `${Math.round(100 * v)} %`, ends: ["painting’s", "photograph’s"],
  },
];

function round(value) {
  return Math.round(value * 1000) / 1000;
}

/** What a size costs beside the usual one, if it is much: time goes with the pixels. */
function cost(side, usual) {
  const times = (side / usual) ** 2;
  return times < LONG ? "" : `${side} px: ${Math.round(times)} × the time of ${usual} px, more memory`;
}

/**
 * @param {object} defaults those of all settings
 * @param {() => ?string} shownJob the job that is shown, `null` for a new picture
 * @param {(job: ?string, change: object) => void} change called with the settings that the user changes
 */
export function controls(defaults, shownJob, change) {
  /** Changes a new picture at once, and a job by `send`, which may wait: for the job and the value of this moment. */
  const waiting = [];
  const changing = (send) => {
    waiting.push(send);
    return (part) => (shownJob() ? send(shownJob(), part) : change(null, part));
  };
  const shown = {};
  const touched = {};
  const root = $("controls");

  for (const slider of SLIDERS) {
    const { name, label, effect, live, min, max, step, at, of, text, ends } = slider;
    const input = h("input", { id: name, type: "range", min, max, step, "aria-describedby": `${name}-effect` });
    const output = h("output", { for: name });
    const say = (value) => {
      output.textContent = text(value);
      input.setAttribute("aria-valuetext", text(value));
      input.style.setProperty("--at", `${(100 * (input.value - min)) / (max - min)}%`);
    };
    const send = changing((live ? throttled : settled)(live ? 200 : 500, change));
    input.addEventListener("input", () => {
      touched[name] = Date.now();
      const value = of(Number(input.value));
      say(value);
      if (live || !shownJob()) send({ [name]: value });
    });
    input.addEventListener("change", () => send({ [name]: of(Number(input.value)) }));
    root.append(
      h("div", { class: "control" },
        h("p", { class: "control-head" }, h("label", { htmlFor: name }, label), output),
        input,
        h("p", { class: "ends" },
          h("span", { "aria-hidden": "true" }, ends[0]),
          h("span", { class: "hint", id: `${name}-effect` }, effect),
          h("span", { "aria-hidden": "true" }, ends[1]))),
    );
    shown[name] = (value) => {
      input.value = at(value);
      say(value);
    };
  }

  const seedNote = h("p", { class: "hint wrong-hint", role: "status" });
  let seedShown = 0;
  let seedTimer;
  const seed = h("input", { id: "seed", type: "number", min: 0, max: 4294967295, step: 1, "aria-describedby": "seed-effect" });
  const dice = h("button", { type: "button", class: "quiet", "aria-label": "Another seed" });
  face(dice, "dice", "Another");
  const settleSeed = changing(settled(500, change));
  const sendSeed = () => {
    clearTimeout(seedTimer);
    const value = Number(seed.value);
    const isGood = seed.value !== "" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
    seedNote.textContent = isGood || (seed.value === "" && !seed.validity.badInput) ? "" : "A seed is a whole number from 0 to 4294967295.";
    seed.setAttribute("aria-invalid", seedNote.textContent !== "");
    if (!isGood) return;
    seedShown = value;
    settleSeed({ seed: value });
  };
  seed.addEventListener("input", () => {
    touched.seed = Date.now();
    sendSeed();
  });
  // What cannot be taken does not stay, as if it were.
  seed.addEventListener("change", () => {
    if (seedNote.textContent || seed.value === "") seed.value = seedShown;
    if (seedNote.textContent) seedNote.textContent = `A seed is a whole number from 0 to 4294967295, so it stays ${seedShown}.`;
    seedTimer = setTimeout(() => (seedNote.textContent = ""), STAY);
    seed.setAttribute("aria-invalid", false);
  });
  dice.addEventListener("click", () => {
    touched.seed = Date.now();
    seed.value = 1 + Math.floor(Math.random() * 9998);
    sendSeed();
  });
  shown.seed = (value) => {
    if (value !== seedShown) seedNote.textContent = "";
    else if (seedNote.textContent && document.activeElement === seed) return;
    seed.value = seedShown = value;
  };

  const side = h("select", { id: "side", "aria-describedby": "side-effect side-cost" },
    ...SIDES.map((n) => h("option", { value: n }, `${n} pixels`)));
  const sideCost = h("p", { class: "cost", id: "side-cost", role: "status" });
  const saySide = (value) => {
    const text = cost(value, defaults.side);
    if (sideCost.textContent !== text) sideCost.textContent = text;
  };
  side.addEventListener("change", () => {
    touched.side = Date.now();
    saySide(Number(side.value));
    change(shownJob(), { side: Number(side.value) });
  });
  shown.side = (value) => {
    if (![...side.options].some((option) => Number(option.value) === value)) {
      side.append(h("option", { value }, `${value} pixels`));
    }
    side.value = value;
    saySide(value);
  };

  const good = h("input", { id: "good", type: "checkbox", "aria-describedby": "good-effect" });
  good.addEventListener("change", () => {
    touched.good = Date.now();
    change(shownJob(), { good: good.checked });
  });
  shown.good = (value) => (good.checked = Boolean(value));

  root.append(
    h("div", { class: "control two" },
      h("div", {},
        h("p", { class: "control-head" }, h("label", { htmlFor: "side" }, "Size")),
        side,
        h("p", { class: "hint", id: "side-effect" }, REPAINTS)),
      h("div", {},
        h("p", { class: "control-head" }, h("label", { htmlFor: "seed" }, "Seed")),
        h("p", { class: "seed" }, seed, dice),
        h("p", { class: "hint", id: "seed-effect" }, OVER))),
    sideCost,
    seedNote,
    h("div", { class: "control" },
      h("label", { class: "check" }, good, "Stop when good"),
      h("p", { class: "muted", id: "good-effect" }, ENDS)),
  );

  const show = (settings, forget = false) => {
    for (const [name, show] of Object.entries(shown)) {
      if (forget || Date.now() - (touched[name] ?? 0) > MINE) show(settings[name]);
    }
  };

  $("defaults").addEventListener("click", () => {
    for (const send of waiting) send.forget();
    for (const name of Object.keys(shown)) touched[name] = Date.now();
    show(defaults, true);
    change(shownJob(), Object.fromEntries(Object.keys(shown).map((name) => [name, defaults[name]])));
    announce("All settings are at their defaults");
  });

  return {
    /** Shows settings, except those that the user is changing. `forget` shows all. */
    show,
    /** Whether the effects on a picture are of interest, and whether it rests: then nothing is painted at once. */
    hints(visible, rests) {
      const effect = $("strength-effect");
      const text = rests ? FURTHER : AT_ONCE;
      if (effect.textContent !== text) effect.textContent = text;
      root.classList.toggle("without-hints", !visible);
    },
  };
}
