/**
 * One thing at a time: a request, or a part of the work. An engine on a GPU waits within its calls, and nothing else may be asked
 * of it meanwhile.
 */

let last = Promise.resolve();

/** Does `work` once all that was asked for before is done. */
export function exclusive(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

const channel = new MessageChannel();
const breathing = [];
channel.port1.onmessage = () => breathing.shift()();

/** Lets requests be heard. */
export const breath = () =>
  new Promise((done) => {
    breathing.push(done);
    channel.port2.postMessage(null);
  });
