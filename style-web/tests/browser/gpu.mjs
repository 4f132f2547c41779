// The page that paints in the browser, with WebGPU: a software driver's, which needs no GPU. The picture is that of the processor,
// the device can be chosen, and a job outlives the GPU.
//
//   npm ci && node gpu.mjs [FOLDER FOR SCREENSHOTS]
//
// KERNELS names the folder of the kernels (by default style-wgpu/kernels); shared.mjs tells what else is read of the
// environment. Fails with a message and exit code 1.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { beyond, download, launch, PATIENCE, run, setSide, shot, shown, status, text } from "./shared.mjs";

/** Long side of the pictures, and evaluations of each: the driver takes seconds for one. */
const [SIDE, EVALUATIONS] = [64, 3];

/** How far losses may be apart, relative to the processor's, whose sums have another order; and pixels, in levels. */
const [LOSS, PIXEL] = [1e-5, 0.1];

const kernels = resolve(process.env.KERNELS ?? join(dirname(fileURLToPath(import.meta.url)), "../../../style-wgpu/kernels"));

const { browser, context, open } = await launch(["--enable-unsafe-webgpu"]);
await context.route("**/engine.js", async (route) => {
  const answer = await route.fetch();
  const body = (await answer.text()).replace(/iterations: \d+/, `iterations: ${EVALUATIONS}`);
  await route.fulfill({ response: answer, body });
});
// Each evaluation is told, however long the preview took.
await context.route("**/worker/sessions.js", async (route) => {
  const answer = await route.fetch();
  const body = (await answer.text()).replace("Math.max(TELL, 9 * (running.told - now))", "0");
  await route.fulfill({ response: answer, body });
});

const device = (page, wanted) =>
  page.waitForFunction((wanted) => document.getElementById("device-name").textContent.startsWith(wanted), `Paints on: ${wanted}`, { timeout: PATIENCE });

async function paint(page) {
  if (await page.locator("#new").isVisible()) await page.locator("#new").click();
  for (const role of ["photo", "painting"]) await page.locator(`#choose-${role} .samples button`).first().click();
  await setSide(page, SIDE);
  await page.locator("#paint:enabled").click();
  // Not until it paints: it may be done by then.
  await page.waitForFunction(() => location.hash !== "#new", null, { timeout: PATIENCE });
}

/** The records of all jobs, as the browser keeps them. */
const records = (page) =>
  page.evaluate(async () => {
    const asked = (request) => new Promise((done, fail) => {
      request.onsuccess = () => done(request.result);
      request.onerror = () => fail(request.error);
    });
    const base = await asked(indexedDB.open("studio"));
    const files = base.transaction("files").objectStore("files");
    const [names, values] = await Promise.all([asked(files.getAllKeys()), asked(files.getAll())]);
    base.close();
    return values.filter((_, i) => names[i].startsWith("records/")).sort((a, b) => a.number - b.number);
  });

/** Total, content and style of each evaluation, and the picture, of the job that is shown and done. */
async function result(page) {
  const job = (await records(page)).find((job) => page.url().endsWith(job.id));
  const { bytes } = await download(page, "save-png");
  const pixels = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    canvas.drawImage(picture, 0, 0);
    return [...canvas.getImageData(0, 0, picture.width, picture.height).data];
  }, bytes.toString("base64"));
  return { curve: job.curve, pixels };
}

const painted = {};

/** How far two jobs are apart: the losses of all evaluations, relative, at most, and pixels, in levels, on average. */
function apart(a, b) {
  assert.deepEqual(a.curve.map((point) => point.slice(0, 2)), b.curve.map((point) => point.slice(0, 2)), "the evaluations");
  const losses = a.curve.flatMap((point, i) => point.slice(2).map((loss, k) => Math.abs(loss / b.curve[i][k + 2] - 1)));
  const pixels = a.pixels.reduce((sum, value, i) => sum + Math.abs(value - b.pixels[i]), 0) / a.pixels.length;
  return { losses: Math.max(...losses), pixels };
}

const steps = {
  async "the browser compiles all kernels, not only those of the page"(page) {
    const text = (name) => readFileSync(join(kernels, name), "utf8");
    const names = readdirSync(kernels).filter((name) => name !== "pair.wgsl");
    assert.ok(names.length > 10, `${names.length} kernels in ${kernels}`);
    // A file such as conv2d_winograd.wgsl builds on conv2d.wgsl.
    const before = (name) => names.filter((other) => name.startsWith(other.replace(".wgsl", "_")));
    for (const name of names) {
      const complaints = await page.evaluate(async (code) => {
        const device = await (await navigator.gpu.requestAdapter()).requestDevice();
        const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
        return messages.map(({ lineNum, message }) => `${lineNum}: ${message}`);
      }, ["pair.wgsl", ...before(name), name].map(text).join(""));
      assert.deepEqual(complaints, [], name);
    }
  },

  async "a software driver is not used unasked"(page) {
    await device(page, "this processor (no WebGPU: there is only a software driver");
    await page.close();
    return open("?gpu=software");
  },

  async "paints on the GPU"(page) {
    await device(page, "google swiftshader (WebGPU)");
    await shot(page, "gpu-begin");
    await paint(page);
    await shown(page);
    await shot(page, "gpu-painting");
    await status(page, "Done");
    await shot(page, "gpu-done");
    painted.gpu = await result(page);
  },

  async "a job outlives the GPU"(page) {
    await paint(page);
    await beyond(page, 0);
    await page.workers()[0].evaluate(() => {
      const create = GPUDevice.prototype.createBuffer;
      GPUDevice.prototype.createBuffer = function (...given) {
        GPUDevice.prototype.createBuffer = create;
        this.destroy();
        return create.apply(this, given);
      };
    });
    await status(page, "Failed");
    assert.match(await text(page, "#message"), /^The GPU failed, so this processor paints from now on; try again/);
    assert.match(await text(page, "#device-name"), /^Paints on: this processor \(the GPU failed: /);
    await shot(page, "gpu-lost");
    await page.locator("#pause").click();
    await status(page, "Done");
    painted.both = await result(page);
  },

  async "the processor paints the same"(page) {
    await paint(page);
    await status(page, "Done");
    await shot(page, "cpu-done");
    painted.cpu = await result(page);
    for (const name of ["gpu", "both"]) {
      const { losses, pixels } = apart(painted[name], painted.cpu);
      console.log(`    ${name}: losses within ${losses.toExponential(1)}, pixels within ${pixels.toFixed(3)} levels on average`);
      assert.ok(losses < LOSS, `losses are ${losses} apart`);
      assert.ok(pixels < PIXEL, `pixels are ${pixels} levels apart`);
    }
  },

  async "the GPU is taken again, and turned off, also after a reload"(page) {
    await page.locator("#use-gpu").check();
    await device(page, "google swiftshader (WebGPU)");
    await page.locator("#use-gpu").uncheck();
    await device(page, "this processor (the GPU is turned off)");
    await page.close();
    const again = await open("?gpu=software");
    await device(again, "this processor (the GPU is turned off)");
    return again;
  },
};

await run(browser, await open(), steps);
