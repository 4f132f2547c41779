/** What the page hears. */

export const post = (kind, content) => self.postMessage([kind, content]);
export const tell = (type, data) => post("tell", { type, data });
/** Gives the page a file under a name. */
export const show = (name, bytes, type) => post("file", { name, blob: new Blob([bytes], { type }) });
