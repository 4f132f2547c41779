/** The engine of the page without a server: a worker paints on this machine's GPU or processor. Addresses are those of blobs. */

import { EngineError, sentence } from "./engine.js";

/** How long an address that has been replaced is still good, in milliseconds: the page may be loading it. */
const LINGER = 10_000;

/** The pictures that come with the page: those of `stylize/src/studio.rs`, at addresses of their own. */
const SAMPLES = [
  { id: "tubingen", name: "Tübingen", title: "Neckarfront in Tübingen (photograph: Andreas Praefcke, CC BY 3.0)", painting: false },
  { id: "cat", name: "Cat", title: "Chelsea (photograph: Stéfan van der Walt, CC0)", painting: false },
  { id: "astronaut", name: "Astronaut", title: "Eileen Collins (photograph: NASA, public domain)", painting: false },
  { id: "china", name: "Pavilion", title: "A pavilion in the Summer Palace, Beijing (photograph: danielbuechele, CC BY 2.0)", painting: false },
  { id: "starry_night", name: "The Starry Night", title: "The Starry Night (painting: Vincent van Gogh, 1889)", painting: true },
  { id: "swirls", name: "Swirls", title: "Swirls (painted by a program of this project)", painting: true },
  { id: "mosaic", name: "Mosaic", title: "Mosaic (made by a program of this project)", painting: true },
];

const sampleAddress = (id) => SAMPLES.some((sample) => sample.id === id) && `samples/${id}.jpg`;

/** @returns {import("./engine.js").Engine} */
export function open() {
  const address = new URL("worker.js", import.meta.url);
  // `?gpu=off` in the page's address keeps to the processor; `?gpu=software` takes software drivers for GPUs, to try this.
  const gpu = new URLSearchParams(location.search).get("gpu");
  if (gpu) address.searchParams.set("gpu", gpu);
  const worker = new Worker(address, { type: "module" });
  const calls = new Map();
  const files = new Map();
  const backlog = [];
  let listener = (message) => backlog.push(message);
  let count = 0;

  const call = (name, ...given) =>
    new Promise((done, fail) => {
      count += 1;
      calls.set(count, { done, fail });
      worker.postMessage({ number: count, name, given });
    });

  const drop = (name) => {
    const address = files.get(name);
    files.delete(name);
    if (address) setTimeout(() => URL.revokeObjectURL(address), LINGER);
  };
  const heard = {
    answer({ number, value, error }) {
      const { done, fail } = calls.get(number);
      calls.delete(number);
      if (error === undefined) done(value);
      else fail(new EngineError(sentence(error)));
    },
    file({ name, blob }) {
      drop(name);
      files.set(name, URL.createObjectURL(blob));
    },
    forget(start) {
      for (const name of [...files.keys()]) if (name.startsWith(start)) drop(name);
    },
    tell: (message) => listener(message.type === "state" ? { ...message, data: { ...message.data, samples: SAMPLES } } : message),
  };
  worker.onmessage = ({ data: [kind, content] }) => heard[kind](content);
  worker.onerror = (event) => {
    event.preventDefault();
    const text = "The page cannot paint: its worker failed. Reload it; the browser must have WebAssembly with SIMD.";
    listener({ type: "connection", data: text });
    for (const { fail } of calls.values()) fail(new EngineError(text));
    calls.clear();
  };

  const file = (name) => files.get(name) ?? "";
  return {
    // Half of the time that 512 pixels take: there is one thread.
    defaults: { side: 384 },
    follow(given) {
      listener = given;
      backlog.splice(0).forEach(given);
    },
    keepPicture: (blob) => call("keepPicture", blob),
    thumbnail: (picture) => sampleAddress(picture) || file(`pictures/${picture}`),
    create: (description) => call("create", description),
    change: (id, change) => call("change", id, change),
    pause: (id) => call("pause", id),
    resume: (id) => call("resume", id),
    remove: (id) => call("remove", id),
    keep: (id) => call("keep", id),
    restore: (id, number) => call("restore", id, number),
    setMask: (id, mask) => call("setMask", id, mask),
    picture: (of) => file(`jobs/${of.id}/picture`),
    original: (of) => file(`jobs/${of.id}/original`),
    mask: (of) => file(`jobs/${of.id}/mask`),
    snapshot: (of, number) => file(`jobs/${of.id}/snapshot-${number}`),
    download: () => null,
    save: (id, kind) => call("save", id, kind),
    useGpu: (wanted) => call("useGpu", wanted),
  };
}
