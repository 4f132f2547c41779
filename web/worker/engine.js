/**
 * The engine in use: one of two builds of `style-web`, and the device that it paints on. The build for GPUs is loaded only where
 * there is one, and left for the other where it fails.
 */

import { tell } from "./page.js";

/** What the message of a panic begins with. */
const BUG = "the page failed";

/** What `?gpu=` in the page's address says: `off`, or `software` where software drivers count as GPUs. */
const asked = new URL(self.location).searchParams.get("gpu");

export const engine = {
  /** The functions of the build. On a GPU those that may wait return promises, so all of them are waited for. */
  wasm: null,
  onGpu: false,
};

let painter = null;
/** Why the GPU is not used any more. */
let lost = null;
/** How often the build for GPUs broke, each time for good. */
let breaks = 0;

/** A name of the GPU, or the reason why there is none. */
async function findGpu(wanted) {
  if (!wanted) return { reason: "the GPU is turned off" };
  if (lost) return { reason: lost };
  if (!self.isSecureContext) return { reason: "no WebGPU: the page must be served by https" };
  if (!navigator.gpu) return { reason: "no WebGPU: this browser does not have it" };
  if (!WebAssembly.Suspending || !WebAssembly.promising) return { reason: "no WebGPU: this browser lacks JSPI, which is needed to wait for a GPU" };
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return { reason: "no WebGPU: the browser offers no GPU" };
  const { description, device, vendor, architecture, isFallbackAdapter } = adapter.info ?? {};
  const isSoftware = isFallbackAdapter || adapter.isFallbackAdapter || architecture === "swiftshader";
  if (isSoftware && asked !== "software") return { reason: "no WebGPU: there is only a software driver, which is slower" };
  return { name: description || device || [vendor, architecture].filter(Boolean).join(" ") || "the GPU" };
}

async function load(name, instance = 0) {
  const wasm = await import(`../${name}.js${instance ? `?${instance}` : ""}`);
  await wasm.default({ module_or_path: new URL(`../${name}_bg.wasm`, import.meta.url) });
  return wasm;
}

/** Loads the engine for the GPU if it is wanted and there is one, otherwise that for the processor. */
export async function choose(wanted) {
  let { name, reason } = await findGpu(wanted).catch((error) => ({ reason: `no WebGPU: ${error.message}` }));
  if (name) {
    try {
      if (!engine.onGpu) engine.wasm = await load("style_web_gpu", breaks);
      engine.onGpu = true;
    } catch (error) {
      reason = `no WebGPU: ${error.message}`;
    }
  }
  if (reason) {
    if (engine.onGpu || !engine.wasm) engine.wasm = await load("style_web");
    engine.onGpu = false;
  }
  tell("device", { gpu: engine.onGpu ? name : null, reason: reason ?? null, choice: engine.onGpu || !wanted || lost !== null });
}

/** The choice of the user, who may want to try a GPU again that failed. */
export async function useGpu(wanted) {
  lost = null;
  painter?.free();
  painter = null;
  await choose(wanted);
}

/** Whether the address asks for the processor. */
export const isOff = asked === "off";

/** Whether the build failed in a way that it should not, and cannot be called again. */
export const isBroken = (error) => error instanceof WebAssembly.RuntimeError || (error?.message ?? String(error)).startsWith(BUG);

/** Whether another device may do what this GPU does not. */
export const isGpuGone = (error) => engine.onGpu && (isBroken(error) || error?.name === "NoDevice");

/** What failed; the library's advice behind the semicolon is for programs. */
export const whatFailed = (error) => (error?.message ?? String(error)).split(";")[0];

/** Goes over to the processor, until the user wants the GPU again. */
export async function leaveGpu(error) {
  lost = `the GPU failed: ${whatFailed(error)}`;
  painter = null;
  if (isBroken(error)) breaks += 1;
  await choose(true);
}

/** The network, ready to paint. */
export async function open() {
  try {
    painter ??= await engine.wasm.open(asked === "software");
  } catch (error) {
    if (!isGpuGone(error)) throw error;
    await leaveGpu(error);
    painter ??= await engine.wasm.open(false);
  }
  return painter;
}
