// Runs a WebAssembly program (wasm32-wasip1) under Node: node .ci/wasi.mjs PROGRAM ARGUMENTS...
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [program, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [program, ...args], env: process.env });
const imports = wasi.getImportObject();
// At once, without taking down the engine: Node 20 crashes there after a long run.
imports.wasi_snapshot_preview1.proc_exit = (code) => process.reallyExit(code);
const module = await WebAssembly.compile(await readFile(program));
wasi.start(await WebAssembly.instantiate(module, imports));
process.reallyExit(0);
