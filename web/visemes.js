import { REST, SHAPES, blend } from "./mouth-shapes.js";

// A mouth is on its way to the next shape before it sounds, and still leaving the last one.
const WINDOW_S = [-0.04, -0.02, 0, 0.02, 0.04, 0.06];
const WEIGHTS = [1, 2, 3, 3, 2, 1];
// Lips that do not close for a P or an F are noticed at once: those shapes count for more.
const CLOSURES = new Set(["PP", "FF"]);
const CLOSURE_WEIGHT = 2.5;

/** The mouth shapes of the utterances on their way, and the mouth at a moment of the voice. */
export class VisemeTrack {
  /** @type {Map<string, [number, string][]>} */
  #tracks = new Map();

  /** @param {string} utterance @param {[number, string][]} visemes */
  add(utterance, visemes) {
    if (!Array.isArray(visemes)) return;
    // One utterance may begin while the last one is still heard; older ones are over.
    while (this.#tracks.size > 3) this.#tracks.delete(this.#tracks.keys().next().value);
    const track = this.#tracks.get(utterance) ?? [];
    track.push(...visemes);
    this.#tracks.set(utterance, track);
  }

  clear() {
    this.#tracks.clear();
  }

  /**
   * @param {{utterance: string, sample: number, rate: number, level: number} | null} heard
   * @returns {import("./mouth-shapes.js").Mouth}
   */
  mouthAt(heard) {
    if (heard === null) return REST;
    const track = this.#tracks.get(heard.utterance);
    return track === undefined ? byLoudness(heard.level) : blend(weigh(track, heard));
  }
}

function weigh(track, { sample, rate }) {
  return WINDOW_S.map((offset, i) => {
    const name = shapeAt(track, sample + offset * rate);
    return { mouth: SHAPES[name] ?? REST, weight: WEIGHTS[i] * (CLOSURES.has(name) ? CLOSURE_WEIGHT : 1) };
  });
}

function shapeAt(track, sample) {
  let low = 0;
  let high = track.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (track[middle][0] <= sample) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? "sil" : track[low - 1][1];
}

/** For a voice that brings no shapes: the louder, the wider open. */
function byLoudness(level) {
  const weight = Math.min(1, level * 6);
  return blend([
    { mouth: REST, weight: 1 - weight },
    { mouth: SHAPES.aa, weight: weight * 0.6 },
    { mouth: SHAPES.E, weight: weight * 0.4 },
  ]);
}
