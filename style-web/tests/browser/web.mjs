// The page that paints in the browser, without a server, in a real browser: drop, paint, slide, pause, mask, undo, reload,
// download.
//
//   npm ci && node web.mjs [FOLDER FOR SCREENSHOTS]
//
// WEB names the folder that .ci/web.sh wrote (by default out/web), SAMPLES the folder of the sample pictures, CHROMIUM the
// browser (by default /usr/bin/chromium). Fails with a message and exit code 1.

import assert from "node:assert/strict";
import { createReadStream, mkdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const web = resolve(process.env.WEB ?? join(here, "../../../out/web"));
const samples = resolve(process.env.SAMPLES ?? join(here, "../../../stylize/samples"));
const shots = process.argv[2] ? resolve(process.argv[2]) : null;
if (shots) mkdirSync(shots, { recursive: true });

/** Long side of the picture: painting it is a matter of seconds. */
const SIDE = 128;

/** Milliseconds that painting may take where nothing else bounds it. */
const PATIENCE = 400_000;

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const KINDS = {
  ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
  ".wasm": "application/wasm", ".jpg": "image/jpeg",
};

/** A server of files, and nothing else. */
const server = createServer((request, response) => {
  const name = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
  const file = join(web, name === "/" ? "index.html" : name);
  const isThere = request.method === "GET" && file.startsWith(web) && statSync(file, { throwIfNoEntry: false })?.isFile();
  response.writeHead(isThere ? 200 : 404, { "Content-Type": KINDS[extname(file)] ?? "text/plain" });
  if (isThere) createReadStream(file).pipe(response);
  else response.end();
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const address = `http://127.0.0.1:${server.address().port}/`;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
const complaints = [];
const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, acceptDownloads: true });
context.on("request", (request) => {
  if (!request.url().startsWith(address) && !request.url().startsWith("blob:")) complaints.push(`asks ${request.url()}`);
  if (request.method() !== "GET") complaints.push(`${request.method()} ${request.url()}`);
});

async function open() {
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(address);
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const status = (page, wanted) =>
  page.waitForFunction((wanted) => document.getElementById("status").textContent.startsWith(wanted), wanted, { timeout: PATIENCE });
const shown = (page) =>
  page.waitForFunction(() => document.getElementById("picture").dataset.shown && !document.querySelector(".untouched"), null, { timeout: PATIENCE });
/** What the loss's drawing says, after how many evaluations it is. */
const evaluations = (page) =>
  page.evaluate(() => Number(document.querySelector("#curves:not([hidden]) svg")?.getAttribute("aria-label")?.match(/after (\d+)/)?.[1] ?? 0));
const shot = async (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`) });

/** Waits until there are more evaluations than these. */
async function beyond(page, before) {
  const end = Date.now() + PATIENCE;
  while ((await evaluations(page)) <= before) {
    if (Date.now() > end) throw new Error(`no more than ${before} evaluations`);
    await page.waitForTimeout(50);
  }
  return evaluations(page);
}

async function drop(page, selector, names) {
  const files = names.map((name) => ({ name, base64: readFileSync(join(samples, name)).toString("base64") }));
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of files) {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
    }
    return transfer;
  }, files);
  await page.locator(selector).dispatchEvent("drop", { dataTransfer: transfer });
}

async function slide(page, id, value) {
  await page.locator(`#${id}`).evaluate((input, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, value);
}

/** Width, height and how many different values the rows of an 8-bit PNG file have. */
function png(bytes) {
  assert.equal(bytes.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n", "not a PNG file");
  const data = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString("latin1", at + 4, at + 8) === "IDAT") data.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  }
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), values: new Set(inflateSync(Buffer.concat(data))).size };
}

async function download(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#${button}`).click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

const steps = {
  async "garbage is refused"(page) {
    await page.locator("#begin").waitFor();
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
    await page.locator("#side").evaluate((side, value) => {
      side.append(new Option(value, value));
      side.value = value;
      side.dispatchEvent(new Event("change"));
    }, SIDE);
    const clicked = Date.now();
    await page.locator("#paint").click();
    await shown(page);
    console.log(`    first picture ${((Date.now() - clicked) / 1000).toFixed(2)} s after the click`);
    await status(page, "Painting");
    const [from, begun] = [await beyond(page, 2), Date.now()];
    const to = await beyond(page, from + 8);
    console.log(`    ${((Date.now() - begun) / 1000 / (to - from)).toFixed(3)} s an evaluation at ${SIDE} pixels`);
    await shot(page, "painting");
  },

  async "slide while it paints"(page) {
    const before = await evaluations(page);
    await slide(page, "strength", 1);
    assert.ok((await beyond(page, before + 2)) > before, "it goes on");
    assert.equal(await page.locator("#snapshots button").count(), 0, "the same session goes on");
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
    for (const role of ["photo", "painting"]) await page.locator(`#choose-${role} .samples button`).first().click();
    await page.locator("#side").selectOption("192");
    await page.locator("#paint:enabled").click();
    await status(page, "Waiting");
    assert.equal(await page.locator("#queue li").count(), 2);
  },

  async "closed and opened again"(page) {
    await page.locator("#queue button").first().click();
    await status(page, "Painting");
    await page.waitForTimeout(6000); // progress is kept every four seconds
    await page.close();
    const again = await open();
    await again.locator("#queue li").nth(1).waitFor();
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

let code = 0;
let page;
try {
  page = await open();
  for (const [name, step] of Object.entries(steps)) {
    const begun = Date.now();
    try {
      page = (await step(page)) ?? page;
    } catch (error) {
      await shot(page, "failed");
      throw new Error(`"${name}": ${error.stack}`);
    }
    console.log(`ok  ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  }
  assert.deepEqual(complaints, [], "the browser complains");
} catch (error) {
  console.error(`FAILED ${error.message}`, complaints);
  code = 1;
} finally {
  await browser.close();
  server.close();
}
process.exit(code);
