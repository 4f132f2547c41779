/** The first page: a photograph and a painting. */

import { $, h } from "./dom.js";
import { announce, complain } from "./announce.js";

/** What browsers decode and the engine reads. */
const KINDS = "a PNG, JPEG, WebP, TIFF, GIF or BMP file";

/**
 * @param {import("../engine.js").Engine} engine
 * @param {() => void} open shows this page
 * @param {(photo: string, painting: string) => Promise<void>} paint
 */
export function begin(engine, open, paint) {
  const chosen = { photo: null, painting: null };
  const go = $("paint");
  const update = () => (go.disabled = !(chosen.photo && chosen.painting));
  const choices = { photo: choice("photo"), painting: choice("painting") };

  const isOpen = () => !$("begin").hidden;
  const isPicture = (file) => file.type.startsWith("image/") || !file.type;
  const list = (files) => files.map((file) => file.name).join(", ");

  function choice(role) {
    const root = $(`choose-${role}`);
    const [input, image, drop, note] = ["input", "img", ".drop", ".choice-note"].map((s) => root.querySelector(s));
    let turn = 0;
    /** What is shown. It stays where a file cannot be read. */
    let held = null;
    const mark = () => {
      for (const button of root.querySelectorAll(".samples button")) button.setAttribute("aria-pressed", button.dataset.id === held);
    };

    const show = (address, title) => {
      image.src = address;
      image.alt = title;
      image.hidden = false;
      drop.classList.add("full");
    };
    const take = async (file) => {
      const mine = ++turn;
      chosen[role] = null;
      update();
      root.classList.remove("wrong");
      note.textContent = "Reading the picture …";
      try {
        const kept = await engine.keepPicture(file);
        if (mine !== turn) return;
        chosen[role] = held = kept.id;
        mark();
        show(engine.thumbnail(kept.id, 640), file.name ?? "The chosen picture");
        note.textContent = kept.notes.map((text) => `Note: ${text}.`).join(" ");
      } catch (error) {
        if (mine !== turn) return;
        root.classList.add("wrong");
        chosen[role] = held;
        note.textContent = held ? `${error.message} The picture before is kept.` : error.message;
      }
      update();
    };
    const sample = ({ id, title }) => {
      turn += 1;
      chosen[role] = held = id;
      mark();
      root.classList.remove("wrong");
      show(engine.thumbnail(id, 640), title);
      note.textContent = title;
      update();
    };

    input.addEventListener("change", () => {
      if (input.files[0]) take(input.files[0]);
      input.value = "";
    });
    for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, () => drop.classList.add("over"));
    for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
    return { root, mark, take, sample };
  }

  /** Files that are dropped: on a field, for that one and then the other; elsewhere, the first that is free. */
  const drop = (files, on) => {
    const pictures = [...files].filter(isPicture);
    const others = [...files].filter((file) => !isPicture(file));
    const said = [];
    if (others.length) said.push(`${list(others)} ${others.length > 1 ? "are no pictures" : "is not a picture"}; drop ${KINDS}.`);
    const late = pictures.slice(2);
    if (late.length) said.push(`${list(late)} ${late.length > 1 ? "were" : "was"} left out: there is a place for a photograph and a painting.`);
    if (said.length) complain(new Error(said.join(" ")));
    if (!pictures.length) return;
    if (!isOpen()) open();
    const first = on ?? (chosen.photo && !chosen.painting ? "painting" : "photo");
    const second = first === "photo" ? "painting" : "photo";
    if (pictures[0]) choices[first].take(pictures[0]);
    if (pictures[1]) choices[second].take(pictures[1]);
  };
  // What is dragged from the page itself, such as the painted picture, is no new one.
  let own = false;
  document.addEventListener("dragstart", () => (own = true));
  document.addEventListener("dragend", () => (own = false));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if ((own && !isOpen()) || $("begin").inert || $("confirm").open) return;
    const on = Object.keys(choices).find((role) => choices[role].root.contains(event.target));
    drop(event.dataTransfer.files, on);
  });
  document.addEventListener("paste", (event) => {
    if (!$("begin").inert && !$("confirm").open) drop(event.clipboardData.files);
  });

  go.addEventListener("click", async () => {
    go.disabled = true;
    announce("The picture begins");
    await paint(chosen.photo, chosen.painting);
    update();
  });

  return {
    /** Offers the samples. */
    samples(list) {
      for (const role of ["photo", "painting"]) {
        const own = list.filter((sample) => sample.painting === (role === "painting"));
        const button = (sample) => {
          const image = h("img", { src: engine.thumbnail(sample.id, 160), alt: "" });
          const use = h("button", { type: "button", "data-id": sample.id, title: sample.title, "aria-label": `Take ${sample.name}` }, image);
          use.addEventListener("click", () => choices[role].sample(sample));
          return use;
        };
        const all = $(`choose-${role}`).querySelector(".samples");
        // They come again after a break of the connection, and stay as they are.
        const ids = own.map((sample) => sample.id).join(" ");
        if (all.dataset.ids === ids) continue;
        all.dataset.ids = ids;
        all.replaceChildren(...(own.length ? [h("span", {}, "or take"), ...own.map(button)] : []));
        choices[role].mark();
      }
    },
    /** Chooses pictures that are kept already. */
    choose(photo, painting) {
      for (const [role, id] of Object.entries({ photo, painting })) choices[role].sample({ id, title: "" });
    },
  };
}
