// What the tests of the page share: a server of files, a browser, and what a user does. WEB names the folder that .ci/web.sh wrote
// (by default out/web), SAMPLES the folder of the sample pictures, CHROMIUM the browser (by default /usr/bin/chromium).

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

/** Milliseconds that painting may take where nothing else bounds it. */
export const PATIENCE = 400_000;

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
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

const complaints = [];

/** A browser with these flags, and what opens pages in it, which may ask the server for files and nobody for anything else. */
export async function launch(flags) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...FLAGS, ...flags] });
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, acceptDownloads: true });
  context.on("request", (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith("blob:")) complaints.push(`asks ${request.url()}`);
    if (request.method() !== "GET") complaints.push(`${request.method()} ${request.url()}`);
  });
  const open = async (query = "") => {
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(`${error}`));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`${address}${query}`);
    return page;
  };
  return { browser, context, open };
}

export const text = (page, selector) => page.locator(selector).innerText();
export const status = (page, wanted) =>
  page.waitForFunction((wanted) => document.getElementById("status").textContent.startsWith(wanted), wanted, { timeout: PATIENCE });
export const shown = (page) =>
  page.waitForFunction(() => document.getElementById("picture").dataset.shown && !document.querySelector(".untouched"), null, { timeout: PATIENCE });
/** What the loss's drawing says, after how many evaluations it is. */
export const evaluations = (page) =>
  page.evaluate(() => Number(document.querySelector("#curves:not([hidden]) svg")?.getAttribute("aria-label")?.match(/after (\d+)/)?.[1] ?? 0));
export const shot = async (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`) });

/** Waits until there are more evaluations than these. */
export async function beyond(page, before) {
  const end = Date.now() + PATIENCE;
  while ((await evaluations(page)) <= before) {
    if (Date.now() > end) throw new Error(`no more than ${before} evaluations`);
    await page.waitForTimeout(50);
  }
  return evaluations(page);
}

export async function drop(page, selector, names) {
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

export async function slide(page, id, value) {
  await page.locator(`#${id}`).evaluate((input, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, value);
}

/** Width, height and how many different values the rows of an 8-bit PNG file have. */
export function png(bytes) {
  assert.equal(bytes.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n", "not a PNG file");
  const data = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString("latin1", at + 4, at + 8) === "IDAT") data.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  }
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), values: new Set(inflateSync(Buffer.concat(data))).size };
}

export async function download(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#${button}`).click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** Sets the long side of the picture, to one that is not offered too. */
export const setSide = (page, side) =>
  page.locator("#side").evaluate((select, side) => {
    select.append(new Option(side, side));
    select.value = side;
    select.dispatchEvent(new Event("change"));
  }, side);

/** Runs the steps in order, each with the page that the one before returns, if any, and ends the program. */
export async function run(browser, page, steps) {
  let code = 0;
  try {
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
}
