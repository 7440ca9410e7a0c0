const HALF_WIDTH = 36;
const DROP = 52; // of the lower lip when the jaw is all the way down
const ROUNDNESS = 0.5523; // of a curve that passes for a quarter of an ellipse
const ARCH = 13; // the two small arches under the nose that make it this animal's mouth

/** Draws a `Mouth` into the SVG: the opening, what is to be seen in it, and the chin that follows the jaw. */
export class MouthDrawing {
  #opening;
  #clip;
  #lip;
  #upper;
  #lower;
  #tongue;
  #chin;

  /** @param {SVGElement} face */
  constructor(face) {
    const find = (name) => face.querySelector(`[data-part="${name}"]`);
    this.#opening = find("mouth-opening");
    this.#clip = find("mouth-clip");
    this.#lip = find("mouth-lip");
    this.#upper = find("teeth-upper");
    this.#lower = find("teeth-lower");
    this.#tongue = find("tongue");
    this.#chin = find("chin");
  }

  /** @param {import("./mouth-shapes.js").Mouth} mouth @param {number} smile corners up, 0 to 1 */
  draw(mouth, smile) {
    const outline = shape(mouth, smile);
    this.#opening.setAttribute("d", outline.path);
    this.#clip.setAttribute("d", outline.path);
    this.#lip.setAttribute("d", outline.path);
    const { drop } = outline;
    move(this.#upper, 0, -18 + 19 * mouth.upper + mouth.tuck * 2);
    move(this.#lower, 0, drop + 14 - 24 * mouth.lower);
    move(this.#tongue, 0, drop + 21 - mouth.tongue * (8 + drop * 0.5));
    move(this.#chin, 0, mouth.open * 17 - mouth.tuck * 3);
  }
}

/**
 * Four curves: left corner, middle of the upper lip, right corner, middle of the lower lip. Mixed from two mouths that
 * are built of the same four: the animal's, with two arches under the nose, and a ring.
 */
function shape({ open, wide, round, tuck }, smile) {
  const half = HALF_WIDTH * (1 + 0.28 * wide - 0.5 * round);
  const drop = DROP * open;
  const relaxed = arches(half, drop * (1 - 0.2 * tuck), smile);
  const ring = ellipse(half, drop * 0.42 + 4, drop * 0.42 + 2);
  const mixed = relaxed.map((value, i) => (value + (ring[i] - value) * round).toFixed(1));
  const curve = (from) => `C${mixed.slice(from, from + 6).join(" ")}`;
  return { path: `M${mixed[0]} ${mixed[1]}${curve(2)}${curve(8)}${curve(14)}${curve(20)}Z`, drop };
}

function arches(half, drop, smile) {
  const corner = -5 - 5 * smile + drop * 0.14;
  const dip = corner + ARCH * 1.25;
  // Closed, the lower lip lies in the arches of the upper one; open, it hangs as one curve.
  const ease = Math.min(1, drop / 14);
  const side = lerp(dip, corner + (drop - corner) * 0.72, ease);
  const middle = lerp(ARCH * 1.25, drop, ease);
  const reach = half * lerp(0.22, 0.58, ease);
  return [
    ...[-half, corner, -half * 0.86, dip, -half * 0.22, ARCH * 1.25, 0, 0],
    ...[half * 0.22, ARCH * 1.25, half * 0.86, dip, half, corner],
    ...[half * 0.98, side, reach, middle, 0, drop],
    ...[-reach, middle, -half * 0.98, side, -half, corner],
  ];
}

function ellipse(rx, cy, ry) {
  const kx = rx * ROUNDNESS;
  const ky = ry * ROUNDNESS;
  return [
    ...[-rx, cy, -rx, cy - ky, -kx, cy - ry, 0, cy - ry],
    ...[kx, cy - ry, rx, cy - ky, rx, cy],
    ...[rx, cy + ky, kx, cy + ry, 0, cy + ry],
    ...[-kx, cy + ry, -rx, cy + ky, -rx, cy],
  ];
}

const n = (value) => value.toFixed(1);
const lerp = (a, b, t) => a + (b - a) * t;

function move(element, x, y) {
  element.setAttribute("transform", `translate(${n(x)} ${n(y)})`);
}
