// The page that paints in the browser, without a server, in a real browser without WebGPU: drop, paint, slide, pause, mask, undo,
// reload, download. gpu.mjs has WebGPU.
//
//   npm ci && node web.mjs [FOLDER FOR SCREENSHOTS]
//
// shared.mjs tells what it reads of the environment. Fails with a message and exit code 1.

import assert from "node:assert/strict";
import { beyond, download, drop, evaluations, launch, PATIENCE, png, run, setSide, shot, shown, slide, status, text } from "./shared.mjs";

/** Long side of the picture: painting it is a matter of seconds. */
const SIDE = 128;

const { browser, open } = await launch(["--disable-gpu"]);

const steps = {
  async "garbage is refused"(page) {
    await page.locator("#begin").waitFor();
    await page.locator("#device").waitFor();
    assert.match(await text(page, "#device-name"), /^Paints on: this processor \(no WebGPU: .+\)$/);
    await shot(page, "begin");
    await page.locator("#choose-photo input").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await page.locator("#choose-photo.wrong").waitFor();
    assert.match(await text(page, "#choose-photo .choice-note"), /PNG/);
  },

  async "drop and paint"(page) {
    await drop(page, "#choose-photo .drop", ["cat.jpg", "starry_night.jpg"]);
    await page.locator("#paint:enabled").waitFor();
    await page.locator("#choose-painting .drop.full").waitFor();
    await shot(page, "chosen");
    await setSide(page, SIDE);
    const clicked = Date.now();
    await page.locator("#paint").click();
    await shown(page);
    console.log(`    first picture ${((Date.now() - clicked) / 1000).toFixed(2)} s after the click`);
    await status(page, "Painting");
    const [from, begun] = [await beyond(page, 2), Date.now()];
    const to = await beyond(page, from + 8);
    console.log(`    ${((Date.now() - begun) / 1000 / (to - from)).toFixed(3)} s an evaluation at ${SIDE} pixels`);
    await page.waitForFunction(() => /, about \d+ (s|min) left$/.test(document.getElementById("reached").textContent), null, { timeout: PATIENCE });
    await shot(page, "painting");
  },

  async "slide while it paints"(page) {
    const before = await evaluations(page);
    await slide(page, "strength", 1);
    assert.ok((await beyond(page, before + 2)) > before, "it goes on");
    assert.equal(await page.locator("#snapshots button").count(), 0, "the same session goes on");
    const at = await evaluations(page);
    await page.locator("#good").check();
    assert.ok((await beyond(page, at)) > at, "it goes on where it was");
    assert.equal(await page.locator("#snapshots button").count(), 0, "the same session goes on");
    await page.locator("#good").uncheck();
    await slide(page, "stroke", 0.5);
    await page.locator("#snapshots button").first().waitFor();
    await status(page, "Painting");
    await beyond(page, 1);
  },

  async "pause, compare, resume"(page) {
    await page.locator("#pause").click();
    await status(page, "Paused");
    const paused = await evaluations(page);
    await page.locator("#compare").click();
    await page.waitForFunction(() => document.getElementById("original").naturalWidth > 0);
    await shot(page, "compare");
    await page.locator("#compare").click();
    await page.waitForTimeout(500);
    assert.equal(await evaluations(page), paused, "it paints while it is paused");
    await page.locator("#pause").click();
    await status(page, "Painting");
    await beyond(page, paused);
  },

  async "paint a mask"(page) {
    await page.locator("#edit-mask").click();
    const box = await page.locator("#mask").boundingBox();
    const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
    await page.mouse.move(...at(0.1, 0.2));
    await page.mouse.down();
    await page.mouse.move(...at(0.3, 0.8), { steps: 8 });
    await page.mouse.up();
    const before = await page.locator("#snapshots button").count();
    await page.locator("#mask-apply").click();
    await page.locator("#tools").waitFor();
    await page.waitForFunction((before) => document.querySelectorAll("#snapshots button").length > before, before);
  },

  async "a queue of two, of samples"(page) {
    await page.locator("#new").click();
    for (const [role, count] of [["photo", 4], ["painting", 3]]) {
      const all = page.locator(`#choose-${role} .samples button`);
      assert.equal(await all.count(), count);
      await page.waitForFunction((role) => [...document.querySelectorAll(`#choose-${role} .samples img`)].every((i) => i.naturalWidth > 0), role);
      await all.last().click();
    }
    await page.locator("#defaults").click();
    assert.equal(await page.locator("#stroke").inputValue(), "0");
    assert.equal(await page.locator("#side").inputValue(), "384");
    await page.locator("#side").selectOption("2048");
    assert.match(await text(page, "#side-cost"), /^2048 px: 28 × the time of 384 px, more memory$/);
    await page.locator("#side").selectOption("192");
    await page.locator("#paint:enabled").click();
    await status(page, "Waiting");
    assert.equal(await page.locator("#queue li").count(), 2);
  },

  async "closed and opened again"(page) {
    await page.locator("#queue button").first().click();
    await status(page, "Painting");
    await page.waitForTimeout(6000); // progress is kept every four seconds
    // As a worker that is ended late: the database is still locked for a while.
    const late = await page.context().newPage();
    await late.goto(new URL("LICENSE-MIT", page.url()).href);
    await page.close();
    await late.evaluate(() => new Promise((locked) => {
      navigator.locks.request("studio", () => (locked(), new Promise((done) => setTimeout(done, 1500))));
    }));
    const again = await open();
    await again.locator("#queue li").nth(1).waitFor();
    await late.close();
    assert.equal(await again.locator("#queue li").count(), 2);
    await again.locator("#queue button").first().click();
    await shown(again);
    assert.ok((await evaluations(again)) > 0, "it goes on where it was");
    return again;
  },

  async "done, in other colours, downloaded"(page) {
    await status(page, "Done");
    const [width, height] = (await text(page, "#reached")).match(/\d+/g).map(Number);
    assert.equal(Math.max(width, height), SIDE);
    const before = await page.locator("#picture").getAttribute("src");
    await slide(page, "colours", 0.6);
    await page.waitForFunction((before) => document.getElementById("picture").src !== before, before);
    await page.waitForTimeout(300);
    await shot(page, "done");
    const saved = await download(page, "save-png");
    assert.equal(saved.name, "painted.png");
    const picture = png(saved.bytes);
    assert.deepEqual([picture.width, picture.height], [width, height]);
    assert.ok(picture.values > 100, `${picture.values} different values`);
    const tiff = await download(page, "save-tiff");
    assert.equal(tiff.name, "painted.tif");
    assert.equal(tiff.bytes.subarray(0, 4).toString("latin1"), "II*\0");
    assert.ok(tiff.bytes.length > 3 * width * height, `${tiff.bytes.length} bytes`);
  },

  async "a size that does not fit"(page) {
    await page.locator("#queue button").first().click();
    const picture = await page.locator("#picture").getAttribute("src");
    await page.locator("#side").selectOption("2048");
    const toast = page.locator("#toast:not([hidden])");
    await toast.waitFor({ timeout: PATIENCE });
    assert.match(await toast.innerText(), /needs at least .* would fit/);
    await page.waitForFunction((side) => document.getElementById("side").value === side, `${SIDE}`);
    await status(page, "Done");
    assert.equal(await page.locator("#picture").getAttribute("src"), picture, "the picture stays");
  },

  async "undo to a snapshot, delete"(page) {
    await page.locator("#keep").click();
    await page.locator("#snapshots button", { hasText: "kept" }).first().waitFor();
    await page.locator("#snapshots button").last().click();
    await status(page, "Paused");
    for (let left = 2; left > 0; left--) {
      await page.locator("#queue button").first().click();
      await page.locator("#delete").click();
      await page.locator("#confirm button[value=yes]").click();
      await page.waitForFunction((left) => document.querySelectorAll("#queue li").length === left, left - 1);
    }
    await page.locator("#begin").waitFor();
  },
};

await run(browser, await open(), steps);
