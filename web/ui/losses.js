/** Curves of the losses, on a logarithmic scale. */

import { $, h, svg } from "./dom.js";

const [WIDTH, HEIGHT, LOW] = [320, 130, 1e-9];

const CURVES = [
  { name: "total", column: 2 },
  { name: "style", column: 4 },
  { name: "content", column: 3 },
];

function short(value) {
  return value === 0 ? "0" : value.toPrecision(3).replace(/e([+-])(\d)$/, "e$10$2");
}

export function losses() {
  const root = $("losses");
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-describedby": "losses-meaning", preserveAspectRatio: "none" });
  const caption = h("figcaption", { class: "muted" });
  root.append(drawing, caption);

  return {
    /** @param {import("../engine.js").Job} job */
    show(job) {
      const points = job.curve;
      $("curves").hidden = points.length < 2;
      if (points.length < 2) return;
      const values = points.flatMap((point) => CURVES.map((curve) => point[curve.column])).filter((v) => v > LOW);
      const [least, most] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
      const [first, last] = [points[0][0], points.at(-1)[0]];
      const x = (point) => ((point[0] - first) / Math.max(last - first, 1)) * WIDTH;
      const y = (value) => 4 + (1 - (Math.log(Math.max(value, LOW)) - least) / Math.max(most - least, 1e-6)) * (HEIGHT - 8);
      const scales = points.filter((point, i) => i > 0 && point[1] !== points[i - 1][1]);
      const rules = scales.map((point) => svg("line", { x1: x(point), x2: x(point), y1: 0, y2: HEIGHT, class: "rule" }));
      const lines = CURVES.map(({ name, column }) =>
        svg("polyline", {
          class: `curve ${name}`,
          points: points.map((point) => `${x(point).toFixed(1)},${Math.min(y(point[column]), HEIGHT).toFixed(1)}`).join(" "),
        }));
      drawing.replaceChildren(...rules, ...lines);
      const end = points.at(-1);
      const said = CURVES.map(({ name, column }) => `${name} ${short(end[column])}`);
      drawing.setAttribute("aria-label", `Losses after ${end[0]} evaluations: ${said.join(", ")}`);
      caption.replaceChildren(...CURVES.map(({ name, column }) =>
        h("span", { class: `key ${name}` }, `${name} ${short(end[column])}`)));
    },
  };
}
