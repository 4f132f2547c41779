/** A mask, painted with a brush: what is protected keeps the photograph's pixels. */

import { $ } from "./dom.js";
import { announce, attempt } from "./announce.js";

/** The long side of the mask in pixels: enough for soft edges. */
const SIDE = 512;

/** A step of the arrow keys, as a share of the brush. */
const STEP = 0.5;

/**
 * @param {import("../engine.js").Engine} engine
 * @param {() => void} opened called before the mask is edited
 */
export function mask(engine, opened) {
  const [canvas, ring, area, button, tools] = ["mask", "ring", "canvas", "edit-mask", "mask-tools"].map($);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let job = null;
  let protects = true;
  let last = null;
  let at = { x: 0, y: 0 };

  const radius = () => (Number($("brush").value) / 100) * Math.max(canvas.width, canvas.height) * 0.5;

  /** A soft dab. Only opacity counts; the colour is for the eye. */
  function dab({ x, y }) {
    const r = radius();
    const soft = context.createRadialGradient(x, y, r * 0.6, x, y, r);
    soft.addColorStop(0, "rgb(224 76 60 / 1)");
    soft.addColorStop(1, "rgb(224 76 60 / 0)");
    context.globalCompositeOperation = protects ? "source-over" : "destination-out";
    context.fillStyle = soft;
    context.fillRect(x - r, y - r, 2 * r, 2 * r);
  }

  function stroke(from, to) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (radius() * 0.25)));
    for (let i = 1; i <= steps; i++) {
      dab({ x: from.x + ((to.x - from.x) * i) / steps, y: from.y + ((to.y - from.y) * i) / steps });
    }
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * canvas.width,
      y: ((event.clientY - box.top) / box.height) * canvas.height,
    };
  }

  function showRing(position) {
    at = position;
    const scale = area.clientWidth / canvas.width;
    ring.hidden = canvas.hidden;
    ring.style.width = ring.style.height = `${2 * radius() * scale}px`;
    ring.style.left = `${at.x * scale}px`;
    ring.style.top = `${at.y * scale}px`;
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = point(event);
    dab(last);
    showRing(last);
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = point(event);
    showRing(here);
    if (!last) return;
    stroke(last, here);
    last = here;
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (last = null));
  canvas.addEventListener("pointerleave", () => (ring.hidden = document.activeElement !== canvas));
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === " ") dab(at);
    else if (event.key === "Escape") close();
    else if (steps[event.key]) {
      const [x, y] = steps[event.key].map((n) => n * radius() * STEP);
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      const next = { x: within(at.x + x, canvas.width), y: within(at.y + y, canvas.height) };
      if (event.shiftKey) stroke(at, next);
      showRing(next);
    } else return;
    event.preventDefault();
  });
  $("brush").addEventListener("input", () => showRing(at));

  function tool(value) {
    protects = value;
    $("mask-protect").setAttribute("aria-pressed", protects);
    $("mask-free").setAttribute("aria-pressed", !protects);
  }
  $("mask-protect").addEventListener("click", () => tool(true));
  $("mask-free").addEventListener("click", () => tool(false));
  $("mask-clear").addEventListener("click", () => context.clearRect(0, 0, canvas.width, canvas.height));
  $("mask-invert").addEventListener("click", () => {
    context.globalCompositeOperation = "xor";
    context.fillStyle = "rgb(224 76 60)";
    context.fillRect(0, 0, canvas.width, canvas.height);
  });

  /** The mask that the job has, as opacity where it protects. */
  async function load() {
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!job.mask) return;
    const image = new Image();
    image.src = engine.mask(job);
    await image.decode();
    context.globalCompositeOperation = "source-over";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < pixels.data.length; i += 4) {
      const painted = pixels.data[i];
      pixels.data.set([224, 76, 60, 255 - painted], i);
    }
    context.putImageData(pixels, 0, 0);
  }

  /** The mask as a PNG file: white where to paint, black where it protects. `null` if nothing is protected. */
  async function file() {
    const cover = context.getImageData(0, 0, canvas.width, canvas.height);
    let any = false;
    for (let i = 0; i < cover.data.length; i += 4) {
      const painted = 255 - cover.data[i + 3];
      any ||= painted < 250;
      cover.data.set([painted, painted, painted, 255], i);
    }
    if (!any) return null;
    const drawn = document.createElement("canvas");
    [drawn.width, drawn.height] = [canvas.width, canvas.height];
    drawn.getContext("2d").putImageData(cover, 0, 0);
    return new Promise((done) => drawn.toBlob(done, "image/png"));
  }

  function set(on) {
    button.setAttribute("aria-pressed", on);
    canvas.hidden = tools.hidden = !on;
    $("tools").hidden = on;
    ring.hidden = true;
  }

  function close() {
    if (canvas.hidden) return;
    set(false);
    button.focus({ preventScroll: true });
  }

  button.addEventListener("click", () => {
    opened();
    const factor = Math.min(1, SIDE / Math.max(...job.size));
    [canvas.width, canvas.height] = job.size.map((n) => Math.max(16, Math.round(n * factor)));
    set(true);
    tool(true);
    at = { x: canvas.width / 2, y: canvas.height / 2 };
    attempt(load);
    canvas.focus({ preventScroll: true });
  });
  $("mask-cancel").addEventListener("click", close);
  $("mask-apply").addEventListener("click", () =>
    attempt(async () => {
      await engine.setMask(job.id, await file());
      announce("The mask is applied");
      close();
    }));

  return {
    close: () => !canvas.hidden && set(false),
    show(next) {
      if (job && job.id !== next.id && !canvas.hidden) set(false);
      job = next;
    },
  };
}
