/** The first page: a photograph and a painting. */

import { $, h } from "./dom.js";
import { announce } from "./announce.js";

/**
 * @param {import("../engine.js").Engine} engine
 * @param {(photo: string, painting: string) => Promise<void>} paint
 */
export function begin(engine, paint) {
  const chosen = { photo: null, painting: null };
  const go = $("paint");
  const update = () => (go.disabled = !(chosen.photo && chosen.painting));
  const choices = { photo: choice("photo"), painting: choice("painting") };

  function choice(role) {
    const root = $(`choose-${role}`);
    const [input, image, drop, note] = ["input", "img", ".drop", ".choice-note"].map((s) => root.querySelector(s));
    let turn = 0;

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
        chosen[role] = kept.id;
        show(engine.thumbnail(kept.id, 640), file.name ?? "The chosen picture");
        note.textContent = kept.notes.map((text) => `Note: ${text}.`).join(" ");
      } catch (error) {
        if (mine !== turn) return;
        root.classList.add("wrong");
        note.textContent = error.message;
      }
      update();
    };
    const sample = ({ id, title }) => {
      turn += 1;
      chosen[role] = id;
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
    return { root, take, sample };
  }

  /** Files that are dropped: on a field, for that one and then the other; elsewhere, the first that is free. */
  const drop = (files, on) => {
    const pictures = [...files].filter((file) => file.type.startsWith("image/") || !file.type);
    const first = on ?? (chosen.photo && !chosen.painting ? "painting" : "photo");
    const second = first === "photo" ? "painting" : "photo";
    if (pictures[0]) choices[first].take(pictures[0]);
    if (pictures[1]) choices[second].take(pictures[1]);
  };
  const open = () => !$("begin").hidden;
  document.addEventListener("dragover", (event) => open() && event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!open()) return;
    const on = Object.keys(choices).find((role) => choices[role].root.contains(event.target));
    drop(event.dataTransfer.files, on);
  });
  document.addEventListener("paste", (event) => open() && drop(event.clipboardData.files));

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
          const use = h("button", { type: "button", class: "link" }, sample.name);
          use.addEventListener("click", () => choices[role].sample(sample));
          return use;
        };
        const buttons = own.map(button);
        $(`choose-${role}`).querySelector(".samples").replaceChildren(...(own.length ? ["or take ", ...buttons] : []));
      }
    },
    /** Chooses pictures that are kept already. */
    choose(photo, painting) {
      for (const [role, id] of Object.entries({ photo, painting })) choices[role].sample({ id, title: "" });
    },
  };
}
