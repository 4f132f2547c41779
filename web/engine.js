/**
 * What the page needs of an engine, and nothing else. `engine-server.js` asks a server; `engine-wasm.js` paints in the browser.
 * The page imports the module that `data-engine` of its `<html>` names, and calls its `open()`.
 *
 * @typedef {object} Settings
 * @property {number} strength    style strength; 1 is the default
 * @property {number} stroke      scale of the painting: larger gives larger strokes
 * @property {number} colours     share of the photograph's colours that is kept, 0 to 1
 * @property {number} seed        of the noise in the start image
 * @property {number} side        long side of the result in pixels
 * @property {number} iterations  time budget
 * @property {boolean} good       whether a size ends once it hardly changes any more
 *
 * @typedef {object} Progress
 * @property {number} iteration
 * @property {number} iterations
 * @property {number} scale       index of the scale
 * @property {number} scales
 * @property {number} width       of the picture at this scale
 * @property {number} height
 * @property {number} [done]      work so far, in evaluations at the full size
 * @property {number} [left]      work to do
 *
 * @typedef {object} Snapshot
 * @property {number} number
 * @property {"kept"|"scale"|"change"} why
 * @property {number} side        long side of its picture
 * @property {Settings} settings
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {string} photo       picture
 * @property {string} painting    picture
 * @property {Settings} settings
 * @property {"queued"|"painting"|"paused"|"done"|"failed"} state
 * @property {?string} message    why it failed, or a warning
 * @property {[number, number]} size   width and height of the result
 * @property {number} mask        changes with the mask; 0 without one
 * @property {number} version     changes with the picture; 0 without one
 * @property {?Progress} progress
 * @property {Snapshot[]} snapshots
 * @property {[number, number, number, number, number][]} curve   iteration, side, total, content, style
 * @property {"photograph"|{picture: {from: number}}} begin   what its session began with, and at which long side
 * @property {number} place       in the queue, from 1; 0 if it does not wait
 *
 * @typedef {object} Picture
 * @property {string} id
 * @property {string[]} notes     what of the file could not be used
 *
 * @typedef {{id: string, name: string, title: string, painting: boolean}} Sample
 *
 * @typedef {object} DeviceInUse
 * @property {?string} gpu        its name; `null` if the processor paints
 * @property {?string} reason     why the processor paints
 * @property {boolean} choice     whether `useGpu` can change it
 *
 * What a listener is told:
 *   {type: "state", data: {jobs: Job[], samples: Sample[]}}         everything, at first and after a break
 *   {type: "job", data: Job}                                       a job is new or has changed
 *   {type: "progress", data: {id, version, progress, points}}      points are to be added to the curve
 *   {type: "queue", data: string[]}                                jobs that wait, the next one first
 *   {type: "deleted", data: string}
 *   {type: "device", data: DeviceInUse}                            which device paints, where the engine can choose
 *   {type: "connection", data: boolean | string}   whether the engine answers, or what is wrong with it
 *
 * @typedef {object} Engine
 * @property {Partial<Settings>} [defaults]               in place of those below
 * @property {(listener: (message: {type: string, data: any}) => void) => void} follow
 * @property {(file: Blob) => Promise<Picture>} keepPicture
 * @property {(picture: string, side: number) => string} thumbnail        the address of an image
 * @property {(job: {photo: string, painting: string, settings: Settings}) => Promise<string>} create
 * @property {(id: string, change: Partial<Settings>) => Promise<void>} change
 * @property {(id: string) => Promise<void>} pause
 * @property {(id: string) => Promise<void>} resume       paints on, if the job is done
 * @property {(id: string) => Promise<void>} remove
 * @property {(id: string) => Promise<void>} keep         makes a snapshot
 * @property {(id: string, number: number) => Promise<void>} restore
 * @property {(id: string, mask: ?Blob) => Promise<void>} setMask         a PNG file, white where to paint
 * @property {(job: Job) => string} picture               addresses of images
 * @property {(job: Job) => string} original
 * @property {(job: Job) => string} mask
 * @property {(job: Job, number: number) => string} snapshot
 * @property {(job: Job, kind: "png"|"tiff") => ?string} download         `null` if the file is made by `save`
 * @property {(id: string, kind: "png"|"tiff") => Promise<Blob>} [save]
 * @property {(wanted: boolean) => Promise<void>} [useGpu]                 what paints from now on
 */

/** Settings of a new picture. */
export const DEFAULTS = Object.freeze({ strength: 1, stroke: 1, colours: 0, seed: 0, side: 512, iterations: 80, good: false });

/** An error that the page shows as it is. */
export class EngineError extends Error {}

/** A message of the library as a sentence. */
export function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
