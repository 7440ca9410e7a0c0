/**
 * The page's observability seam: benchmarks and tests listen on `document`, nothing hangs on `window`.
 *
 * - `avatarbot:audible` {utterance, sample, audioTime, performanceTime}: the first sample of an utterance
 *   above -50 dBFS was rendered. `audioTime` is its place on the audio clock, `performanceTime` when it
 *   leaves the loudspeaker by the browser's own output timestamp.
 * - `avatarbot:silent` {audioTime, performanceTime}: the output has become silent after a cut.
 * - `avatarbot:message` {type}: a server-message arrived.
 *
 * @param {"audible" | "silent" | "message"} name
 * @param {object} detail
 */
export function announce(name, detail) {
  document.dispatchEvent(new CustomEvent(`avatarbot:${name}`, { detail }));
}
