/**
 * Where the worker of `engine-wasm.js` keeps pictures and jobs: in memory, and in the browser's database, so that they outlive
 * the page. Of several pages at once, the first has the database; without it everything is lost when the page is closed. A page
 * that has just been closed may still have it, if it was painting: browsers end a worker's evaluation late.
 */

const NAME = "studio";
const SHELF = "files";

/** How long to wait for another page to give the database up, in milliseconds. */
const CLOSING = 3000;

/** The lock is held as long as this worker lives. */
const locked = () =>
  new Promise((done) => {
    if (!globalThis.navigator?.locks) return done(false);
    navigator.locks
      .request(NAME, { signal: AbortSignal.timeout(CLOSING) }, () => {
        done(true);
        return new Promise(() => {});
      })
      .catch(() => done(false));
  });

const asked = (request) =>
  new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });

async function database() {
  if (!globalThis.indexedDB || !(await locked())) return null;
  try {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(SHELF);
    return await asked(request);
  } catch {
    return null;
  }
}

export class Store {
  #files = new Map();
  #base = null;
  /** Called with the reason when something could not be kept. */
  failed = () => {};

  static async open() {
    const store = new Store();
    store.#base = await database();
    if (!store.#base) return store;
    try {
      const shelf = store.#base.transaction(SHELF).objectStore(SHELF);
      const [names, values] = await Promise.all([asked(shelf.getAllKeys()), asked(shelf.getAll())]);
      names.forEach((name, i) => store.#files.set(name, values[i]));
    } catch {
      store.#base = null;
    }
    return store;
  }

  #write(change) {
    if (!this.#base) return;
    try {
      const writing = this.#base.transaction(SHELF, "readwrite");
      writing.onabort = () => this.failed(writing.error);
      change(writing.objectStore(SHELF));
    } catch (error) {
      this.failed(error);
    }
  }

  get(name) {
    return this.#files.get(name) ?? null;
  }

  names(start) {
    return [...this.#files.keys()].filter((name) => name.startsWith(start));
  }

  put(name, value) {
    this.#files.set(name, value);
    this.#write((shelf) => shelf.put(value, name));
  }

  delete(name) {
    if (this.#files.delete(name)) this.#write((shelf) => shelf.delete(name));
  }

  deleteAll(start) {
    this.names(start).forEach((name) => this.delete(name));
  }
}
