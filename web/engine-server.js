/** The engine of `stylize studio`: a server on this machine, asked by HTTP. Addresses are relative to the page. */

import { EngineError, sentence } from "./engine.js";

/** How long to wait before asking again for a server that is gone. */
const AGAIN = 1500;

async function ask(method, path, { json, body } = {}) {
  const headers = { "X-Studio": "1" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`api/${path}`, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
  } catch {
    throw new EngineError("The studio does not answer; start it again, and try once more.");
  }
  const text = await answer.text();
  const content = answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : { error: text };
  if (!answer.ok) throw new EngineError(sentence(content.error || `The studio answers ${answer.status}.`));
  return content;
}

/** @returns {import("./engine.js").Engine} */
export function open() {
  const job = (id, rest = "") => `jobs/${id}${rest}`;
  const file = (of, name, version) => `api/jobs/${of.id}/files/${name}?v=${version}`;
  return {
    follow(listener) {
      let events = null;
      const connect = () => {
        if (events || document.hidden) return;
        events = new EventSource("api/events");
        events.onopen = () => listener({ type: "connection", data: true });
        events.onmessage = (event) => listener(JSON.parse(event.data));
        events.onerror = () => {
          listener({ type: "connection", data: false });
          close();
          setTimeout(connect, AGAIN);
        };
      };
      const close = () => {
        events?.close();
        events = null;
      };
      // A browser opens few connections to one server: tabs that nobody sees do without.
      document.addEventListener("visibilitychange", () => (document.hidden ? close() : connect()));
      connect();
    },
    keepPicture: (blob) => ask("POST", "pictures", { body: blob }),
    thumbnail: (picture, side) => `api/pictures/${picture}/${side}`,
    create: async (description) => (await ask("POST", "jobs", { json: description })).id,
    change: (id, change) => ask("PATCH", job(id), { json: change }),
    pause: (id) => ask("POST", job(id, "/pause")),
    resume: (id) => ask("POST", job(id, "/resume")),
    remove: (id) => ask("DELETE", job(id)),
    keep: (id) => ask("POST", job(id, "/snapshots")),
    restore: (id, number) => ask("POST", job(id, `/snapshots/${number}`)),
    setMask: (id, mask) => (mask ? ask("PUT", job(id, "/mask"), { body: mask }) : ask("DELETE", job(id, "/mask"))),
    picture: (of) => file(of, "preview.jpg", of.version),
    original: (of) => file(of, "original.jpg", of.size.join("x")),
    mask: (of) => file(of, "mask.png", of.mask),
    snapshot: (of, number) => `api/jobs/${of.id}/snapshots/${number}`,
    download: (of, kind) => file(of, kind === "png" ? "painted.png" : "painted.tif", of.version),
  };
}
