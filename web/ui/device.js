/** Which device paints, where the engine can choose. */

import { $ } from "./dom.js";
import { announce, attempt } from "./announce.js";

/** @param {import("../engine.js").Engine} engine */
export function device(engine) {
  const use = $("use-gpu");
  use.addEventListener("change", async () => {
    use.disabled = true;
    await attempt(() => engine.useGpu(use.checked));
    use.disabled = false;
  });
  return {
    /** @param {import("../engine.js").DeviceInUse} said */
    show({ gpu, reason, choice }) {
      const text = gpu ? `Paints on: ${gpu} (WebGPU)` : `Paints on: this processor (${reason})`;
      $("device-name").textContent = text;
      use.checked = Boolean(gpu);
      $("gpu-choice").hidden = !choice;
      $("device").hidden = false;
      announce(text);
    },
  };
}
