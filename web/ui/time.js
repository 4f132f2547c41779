/** How long a job still takes, from the pace so far. */

/** Evaluations and milliseconds before there is a basis. */
const [EVALUATIONS, WHILE] = [5, 1500];

/** The job that is painted, and when how much of it was done. One is painted at a time. */
let id = null;
let points = [];

/** Notes how far a job is; what is said of other times or another session of it does not count any more. */
export function note(job, now = performance.now()) {
  const { done, iteration } = job.progress ?? {};
  if (job.state !== "painting") {
    if (job.id === id) [id, points] = [null, []];
    return;
  }
  if (job.id !== id) [id, points] = [job.id, []];
  const last = points.at(-1);
  if (!done || iteration === last?.iteration) return;
  if (iteration < last?.iteration || done < last?.done) points = [];
  points.push({ done, iteration, now });
  // The later half of the work tells more of the pace: an evaluation that is small takes longer than its pixels say.
  const half = (points[0].done + done) / 2;
  while (points.length > 2 && points[1].done <= half && enough(points[1], points.at(-1))) points.shift();
}

const enough = (from, to) => to.iteration - from.iteration >= EVALUATIONS && to.now - from.now >= WHILE;

/** Seconds that a job still takes; `null` without a basis. */
export function secondsLeft(job) {
  const [first, last] = [points[0], points.at(-1)];
  if (job.id !== id || !first || !enough(first, last)) return null;
  return ((last.now - first.now) / 1000 / (last.done - first.done)) * job.progress.left;
}

/** A time as a person would say it: "about 40 s left", or "at most" where it may end early. */
export function saidLeft(seconds, most = false) {
  return `${most ? "at most" : "about"} ${said(seconds)} left`;
}

function said(seconds) {
  const [step, minutes] = [seconds < 10 ? 1 : 5, Math.round(seconds / 60)];
  if (seconds < 57.5) return `${Math.max(step * Math.round(seconds / step), 1)} s`;
  if (minutes < 60) return `${minutes} min`;
  const quarters = Math.round(seconds / 900);
  return `${Math.floor(quarters / 4)} h${quarters % 4 ? ` ${(quarters % 4) * 15} min` : ""}`;
}
