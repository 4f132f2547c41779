// The page of `stylize studio` in a real browser: drop, paint, slide, compare, mask, undo, queue, kill, resume, download.
//
//   npm ci && node studio.mjs [FOLDER FOR SCREENSHOTS]
//
// STYLIZE names the program (by default target/release/stylize), SAMPLES the folder of its samples, CHROMIUM the browser (by
// default /usr/bin/chromium). Fails with a message and exit code 1.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const samples = resolve(process.env.SAMPLES ?? join(here, "../../../stylize/samples"));
const stylize = resolve(process.env.STYLIZE ?? join(here, "../../../target/release/stylize"));
const shots = process.argv[2] ? resolve(process.argv[2]) : null;
if (shots) mkdirSync(shots, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), "studio-"));
const folder = join(scratch, "studio");

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Seconds that painting may take where nothing else bounds it. */
const PATIENCE = 400_000;

let server = null;

async function start(port) {
  const child = spawn(stylize, ["studio", "--dir", folder, "--no-open", "--port", String(port)], { stdio: ["ignore", "ignore", "pipe"] });
  server = child;
  let said = "";
  return new Promise((done, fail) => {
    child.stderr.on("data", (bytes) => {
      said += bytes;
      const address = said.match(/http:\/\/\S+/)?.[0];
      if (address) done(address);
    });
    child.on("exit", (code) => fail(new Error(`the studio ended with ${code}: ${said}`)));
  });
}

async function end(signal) {
  const child = server;
  server = null;
  const ended = new Promise((done) => child.on("exit", done));
  child.removeAllListeners("exit");
  child.on("exit", () => {});
  child.kill(signal);
  await Promise.race([ended, new Promise((done) => child.once("close", done))]);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
const complaints = [];

async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (message) => {
    // A server that is gone is part of the test.
    if (message.type() === "error" && !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(address).origin) && !request.url().startsWith("blob:")) complaints.push(`asks ${request.url()}`);
  });
  await page.goto(address);
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const status = (page, wanted, timeout = PATIENCE) =>
  page.waitForFunction((wanted) => document.getElementById("status").textContent.startsWith(wanted), wanted, { timeout });
const shown = (page, timeout = PATIENCE) =>
  page.waitForFunction(() => document.getElementById("picture").dataset.shown?.includes("preview.jpg"), null, { timeout });
const shot = async (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`) });

/** Drops files on a field, as a user does from a file manager. Those with `.txt` hold a note. */
async function drop(page, selector, names) {
  const read = (name) => (name.endsWith(".txt") ? Buffer.from("a note") : readFileSync(join(samples, name)));
  const files = names.map((name) => ({ name, type: name.endsWith(".txt") ? "text/plain" : "image/jpeg", base64: read(name).toString("base64") }));
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, type, base64 } of files) {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
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

const jobs = async (page) => (await page.evaluate(async () => (await fetch("api/jobs")).json())).data.jobs;

/** Waits until the first job is as wanted, and returns it. */
async function until(page, wanted) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const [job] = await jobs(page);
    if (wanted(job)) return job;
    if (Date.now() > end) throw new Error(`not in time: ${wanted}, but the job is ${JSON.stringify({ ...job, curve: job.curve.length })}`);
    await page.waitForTimeout(100);
  }
}

const steps = {
  async "drop and paint"(page) {
    await page.locator("#begin").waitFor();
    await shot(page, "begin-light");
    await drop(page, "#choose-photo .drop", ["note.txt"]);
    assert.match(await text(page, "#toast"), /^note\.txt is not a picture; drop a PNG/);
    await page.locator("#seed").fill("-5");
    await page.locator("#seed").press("Tab");
    assert.match(await text(page, ".wrong-hint"), /whole number from 0 .* stays 0/);
    assert.equal(await page.locator("#seed").inputValue(), "0");
    await drop(page, "#choose-photo .drop", ["cat.jpg", "starry_night.jpg", "cat.jpg"]);
    assert.match(await text(page, "#toast"), /^cat\.jpg was left out/);
    await page.locator("#paint:enabled").waitFor();
    await page.locator("#choose-painting .drop.full").waitFor();
    await page.waitForTimeout(600);
    await shot(page, "chosen-light");
    await page.locator("#side").selectOption("2048");
    assert.match(await text(page, "#side-cost"), /^2048 px: 16 × the time of 512 px, more memory$/);
    await shot(page, "size-light");
    await page.locator("#side").selectOption("384");
    assert.equal(await text(page, "#side-cost"), "");
    const clicked = Date.now();
    await page.locator("#paint").click();
    await shown(page, 30_000);
    console.log(`    first picture ${((Date.now() - clicked) / 1000).toFixed(2)} s after the click`);
    await status(page, "Painting");
  },

  async "the time that is left"(page) {
    const said = async () => (await text(page, "#reached")).match(/(\d+) %(?:, about (.+) left)?$/) ?? [];
    // There is no time before there is a pace.
    const early = await page.evaluate(() => !/left/.test(document.getElementById("reached").textContent));
    const [job] = await jobs(page);
    assert.ok(early || job.progress.iteration >= 5, "a time without a basis");
    // The same session goes on, to its end at the most.
    await page.locator("#good").check();
    await until(page, (job) => job.settings.good && job.state === "painting" && job.progress.iteration > 10);
    await page.waitForFunction(() => /, at most .+ left$/.test(document.getElementById("reached").textContent), null, { timeout: PATIENCE });
    await page.locator("#good").uncheck();
    assert.equal((await until(page, (job) => !job.settings.good && job.state === "painting")).generation, 0);
    await page.waitForFunction(() => /, about (\d+ s|\d+ min) left$/.test(document.getElementById("reached").textContent), null, { timeout: PATIENCE });
    const [, percent] = await said();
    const { done, left, iteration, iterations } = (await jobs(page))[0].progress;
    assert.ok(percent <= Math.round((100 * done) / (done + left)), `${percent} % of ${done} + ${left}`);
    assert.ok(done / (done + left) < iteration / iterations, "at small sizes evaluations take little time");
    await shot(page, "time-left-light");
  },

  async "slide while it paints"(page) {
    await slide(page, "strength", 1);
    await until(page, (job) => job.settings.strength === 2 && job.generation === 0);
    await slide(page, "stroke", 0.5);
    const job = await until(page, (job) => job.generation === 1 && job.curve.length > 0);
    assert.ok(job.begin.picture, "a new session begins with the current picture");
    await page.locator("#snapshots button").first().waitFor();
  },

  async "pause, compare, resume"(page) {
    await page.waitForTimeout(3000);
    await page.locator("#pause").click();
    await status(page, "Paused");
    assert.doesNotMatch(await text(page, "#reached"), /left/, "time passes while it is paused");
    await page.locator("#compare").click();
    await page.locator("#split input").press("ArrowLeft");
    await page.waitForFunction(() => document.getElementById("original").naturalWidth > 0);
    await shot(page, "compare-light");
    await page.locator("#compare").click();
    const version = (await jobs(page))[0].version;
    await page.waitForTimeout(500);
    assert.equal((await jobs(page))[0].version, version, "it paints while it is paused");
    await page.locator("#pause").click();
    await status(page, "Painting");
  },

  async "paint a mask"(page) {
    await page.locator("#edit-mask").click();
    const box = await page.locator("#mask").boundingBox();
    const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
    await page.mouse.move(...at(0.42, 0.3));
    await page.mouse.down();
    for (const [x, y] of [[0.5, 0.35], [0.55, 0.5], [0.45, 0.6], [0.4, 0.45], [0.5, 0.45]]) await page.mouse.move(...at(x, y), { steps: 6 });
    await page.mouse.up();
    await page.locator("#mask").press("Shift+ArrowLeft");
    await page.locator("#mask").press(" ");
    await shot(page, "mask-light");
    const generation = (await jobs(page))[0].generation;
    await page.locator("#mask-apply").click();
    await page.locator("#tools").waitFor();
    await until(page, (job) => job.mask > 0 && job.generation > generation && job.curve.length > 0);
  },

  async "a queue, of samples, by default settings"(page) {
    await page.locator("#new").click();
    assert.equal(await page.locator("#stroke").inputValue(), "0.5", "a new picture has the settings of the last");
    await page.locator("#defaults").click();
    assert.ok(!(await page.locator("#good").isChecked()));
    for (const [id, value] of [["strength", "0"], ["stroke", "0"], ["colours", "0"], ["seed", "0"], ["side", "512"]]) {
      assert.equal(await page.locator(`#${id}`).inputValue(), value, id);
    }
    for (const [role, count] of [["photo", 4], ["painting", 3]]) {
      const all = page.locator(`#choose-${role} .samples button`);
      assert.equal(await all.count(), count);
      await page.waitForFunction((role) => [...document.querySelectorAll(`#choose-${role} .samples img`)].every((i) => i.naturalWidth > 0), role);
      await all.last().focus();
      await page.keyboard.press("Enter");
      assert.equal(await all.last().getAttribute("aria-pressed"), "true");
      await all.first().click();
      assert.equal(await page.locator(`#choose-${role} .samples [aria-pressed=true]`).count(), 1);
    }
    assert.match(await text(page, "#choose-photo .choice-note"), /Andreas Praefcke, CC BY 3\.0/);
    await shot(page, "samples-light");
    await page.locator("#paint:enabled").click();
    await status(page, "Waiting");
    assert.equal(await page.locator("#queue li").count(), 2);
    const made = (await jobs(page))[1].settings;
    assert.deepEqual([made.strength, made.stroke, made.side], [1, 1, 512]);
    await page.locator("#queue button").first().click();
    await status(page, "Painting");
  },

  async "garbage is refused"(page) {
    await page.locator("#new").click();
    await page.locator("#choose-photo input").setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await page.locator("#choose-photo.wrong").waitFor();
    assert.match(await text(page, "#choose-photo .choice-note"), /PNG.*The picture before is kept\.$/);
    assert.ok(await page.locator("#paint").isEnabled(), "the picture before is still chosen");
    await page.setViewportSize({ width: 1366, height: 650 });
    await page.waitForTimeout(300);
    await shot(page, "begin-low");
    const [frame, title, go] = await Promise.all(["#begin", "#begin-title", "#paint"].map((s) => page.locator(s).boundingBox()));
    assert.ok(title.y >= frame.y && go.y + go.height <= frame.y + frame.height, "the low window cuts the page off");
    await page.setViewportSize({ width: 1360, height: 860 });
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !/422/.test(text)));
    await page.locator("#queue button").first().click();
    await drop(page, "#stage", ["note.txt"]);
    assert.ok(await page.locator("#begin").isHidden(), "a note opens the page for a new picture");
    await drop(page, "#stage", ["cat.jpg"]);
    await page.locator("#begin #choose-photo:not(.wrong) .drop.full").waitFor();
    await page.locator("#paint:enabled").waitFor();
    await page.locator("#queue button").first().click();
  },

  async "kill and resume"(page, address) {
    await page.waitForTimeout(4000); // a checkpoint is at most two seconds old
    const before = (await jobs(page))[0];
    await end("SIGKILL");
    await page.locator("#connection").waitFor();
    await shot(page, "gone-light");
    assert.ok(await page.locator("#tools").evaluate((tools) => tools.inert), "what cannot work looks as if it could");
    const broken = await page.locator("#queue img").evaluateAll((all) => all.filter((image) => !image.naturalWidth).length);
    assert.equal(broken, 0, "small pictures are broken");
    const again = await start(new URL(address).port);
    assert.equal(again, address, "the address is the same");
    await page.locator("#connection").waitFor({ state: "hidden" });
    await status(page, "Painting");
    const after = await until(page, (job) => job.state === "painting" && job.progress?.iteration > before.progress.iteration / 2);
    assert.equal(after.generation, before.generation, "it goes on with its checkpoint");
    console.log(`    killed after ${before.progress.iteration} evaluations, went on at ${after.progress.iteration}`);
  },

  async "a closed tab, the dark, a phone"(page, address) {
    await page.context().close();
    const dark = await open(address, { colorScheme: "dark" });
    await shown(dark);
    await dark.waitForTimeout(1500);
    await shot(dark, "work-dark");
    await dark.context().close();
    const phone = await open(address, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
    await shown(phone);
    await phone.waitForTimeout(800);
    await shot(phone, "phone");
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `the page is ${wide} pixels wide on a phone of 390`);
    if (shots) await phone.screenshot({ path: join(shots, "phone-whole.png"), fullPage: true });
    await phone.locator("#new").click();
    await phone.waitForTimeout(500);
    await shot(phone, "phone-begin");
    await phone.context().close();
    return open(address);
  },

  async "done, in other colours, downloaded"(page) {
    await page.locator("#queue button").first().click();
    await status(page, "Done");
    assert.match(await text(page, "#strength-effect"), /^repaints/);
    const [job] = await jobs(page);
    await slide(page, "colours", 0.6);
    await until(page, ({ version }) => version > job.version);
    await page.waitForTimeout(600);
    await shot(page, "done-light");
    for (const [button, name, magic] of [["save-png", "painted.png", "\x89PNG"], ["save-tiff", "painted.tif", "II*\0"]]) {
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#${button}`).click()]);
      assert.equal(download.suggestedFilename(), name);
      const bytes = readFileSync(await download.path());
      assert.equal(bytes.subarray(0, 4).toString("latin1"), magic);
      if (button === "save-png") assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], job.size);
      assert.ok(bytes.length > (button === "save-png" ? 50_000 : 300_000), `${name}: ${bytes.length} bytes`);
    }
  },

  async "undo to a snapshot"(page) {
    const before = (await jobs(page))[0].snapshots.length;
    await page.locator("#snapshots button").last().click();
    await status(page, "Paused");
    const back = await until(page, (job) => job.settings.colours === 0);
    assert.equal(back.snapshots.length, before + 1, "the finished picture is kept");
    if (back.begin.picture.from < 384) assert.match(await text(page, "#reached"), /goes on at \d+ of 384 pixels/);
    await shot(page, "back-light");
    await page.waitForFunction((count) => document.querySelectorAll("#snapshots button").length === count, before + 1);
    await page.locator("#snapshots button").first().click();
    await until(page, (job) => job.settings.colours === 0.6);
    await page.locator("#keep").click();
    await page.locator("#snapshots button", { hasText: "kept" }).first().waitFor();
  },

  async "settings of a picture back to their defaults"(page) {
    const before = await until(page, (job) => job.state === "paused");
    await slide(page, "strength", -1);
    await page.locator("#defaults").click();
    const reset = ({ settings }) => settings.strength === 1 && settings.stroke === 1 && settings.colours === 0;
    await until(page, reset);
    // What was waiting to be sent does not come after.
    await page.waitForTimeout(700);
    const [after] = await jobs(page);
    assert.ok(reset(after), JSON.stringify(after.settings));
    assert.equal(after.generation, before.generation + 1, "it is painted anew, once");
    assert.equal(after.state, "paused");
  },

  async "keyboard and names"(page) {
    const meaning = await page.evaluate(() => {
      const of = document.querySelector("#losses svg")?.getAttribute("aria-describedby");
      return document.getElementById(of)?.textContent;
    });
    assert.match(meaning, /lower is closer.*size/);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll("button, a, input, select, canvas")]
        .filter((e) => e.checkVisibility() && !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
        .map((e) => e.outerHTML));
    assert.deepEqual(nameless, [], "without a name");
    const pressed = (id) => page.locator(`#${id}`).getAttribute("aria-pressed");
    await page.locator("#strength").focus();
    await page.keyboard.press("c");
    assert.equal(await pressed("compare"), "true", "C does not compare while a slider has the focus");
    await page.keyboard.press("Escape");
    assert.equal(await pressed("compare"), "false");
    assert.equal(await page.evaluate(() => document.activeElement.id), "compare", "the focus is lost");
    await page.keyboard.press("m");
    assert.equal(await pressed("edit-mask"), "true");
    await page.keyboard.press("Escape");
    assert.equal(await pressed("edit-mask"), "false");
    await page.locator("#seed").focus();
    await page.keyboard.press("c");
    assert.equal(await pressed("compare"), "false", "letters that are typed are shortcuts");
    await page.locator("#pause").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("status").textContent !== "Paused");
    await page.keyboard.press("Enter");
  },

  async "delete"(page) {
    const before = await page.locator("#queue li").count();
    await page.locator("#delete").click();
    await page.locator("#confirm button[value=yes]").click();
    await page.waitForFunction((before) => document.querySelectorAll("#queue li").length === before - 1, before);
  },
};

let code = 0;
try {
  const address = await start(0);
  let page = await open(address);
  for (const [name, step] of Object.entries(steps)) {
    const begun = Date.now();
    try {
      page = (await step(page, address)) ?? page;
    } catch (error) {
      await shot(page, "failed");
      throw new Error(`"${name}": ${error.stack}`);
    }
    console.log(`ok  ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  }
  assert.deepEqual(complaints, [], "the browser complains");
} catch (error) {
  console.error(`FAILED ${error.message}`);
  code = 1;
} finally {
  await browser.close();
  if (server) await end("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(code);
