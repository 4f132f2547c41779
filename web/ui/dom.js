/** Small helpers for the document. */

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; `class`, `aria-*`, `role` and `for` are attributes. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Lines of icons, in a square of 20. */
const ICONS = {
  plus: "M10 4v12M4 10h12",
  compare: "M10 2v16M3 5h4v10H3zM13 5h4v10h-4z",
  brush: "M16.5 3.5 9 11M8.6 11.4c-2.6-.6-4 1.6-4.1 3.4-.1 1-.7 1.5-1.5 1.7 2.6 1 6.8.6 7-2.4.1-1.2-.5-2.3-1.4-2.7z",
  keep: "M5.5 3h9v14L10 13.5 5.5 17z",
  save: "M10 3v9m-4-3.5 4 4 4-4M4 16.5h12",
  bin: "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.8 11h7.4l.8-11",
  pause: "M7 4v12M13 4v12",
  play: "M6 3.8v12.4L16 10z",
  reset: "M5 9a5.5 5.5 0 1 1 .6 4M5 4.5V9h4.5",
  dice: "M4 4h12v12H4zM7.5 7.5h.01M12.5 7.5h.01M10 10h.01M7.5 12.5h.01M12.5 12.5h.01",
};

export function icon(name) {
  return svg("svg", { viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

/** Sets the icon and, if given, the text of a button. */
export function face(button, name, text = button.textContent) {
  if (button.dataset.face === `${name} ${text}`) return;
  button.dataset.face = `${name} ${text}`;
  button.replaceChildren(icon(name), text);
}

/** Calls `work` at most every `pause` milliseconds, and once more after the last call; `forget` leaves that out. */
export function throttled(pause, work) {
  let timer = null;
  let last = null;
  const run = () => {
    timer = null;
    if (!last) return;
    const given = last;
    last = null;
    timer = setTimeout(run, pause);
    work(...given);
  };
  const call = (...given) => {
    last = given;
    if (timer === null) run();
  };
  return Object.assign(call, { forget: () => (last = null) });
}

/** Calls `work` when there has been no call for `pause` milliseconds; `forget` leaves it out. */
export function settled(pause, work) {
  let timer = null;
  const call = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), pause);
  };
  return Object.assign(call, { forget: () => clearTimeout(timer) });
}
