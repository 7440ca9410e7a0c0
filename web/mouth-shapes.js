/**
 * A mouth as numbers, each from 0 to 1 unless said otherwise, so that two shapes can be mixed.
 * @typedef {object} Mouth
 * @property {number} open how far the jaw is down
 * @property {number} wide corners apart; negative: together
 * @property {number} round lips pushed forward into a ring
 * @property {number} upper upper teeth to be seen
 * @property {number} lower lower teeth to be seen
 * @property {number} tongue how high the tongue lies
 * @property {number} tuck lower lip drawn in under the upper teeth
 */

/** @returns {Mouth} */
const mouth = (open, wide, round, upper = 0, lower = 0, tongue = 0.2, tuck = 0) => ({ open, wide, round, upper, lower, tongue, tuck });

/** The 15 shapes of speech. @type {Record<string, Mouth>} */
export const SHAPES = {
  sil: mouth(0, 0, 0),
  PP: mouth(0, -0.25, 0.1),
  FF: mouth(0.36, 0.1, 0, 0.8, 0, 0, 1),
  TH: mouth(0.44, 0.15, 0, 0.6, 0, 1.1),
  DD: mouth(0.42, 0.25, 0, 0.7, 0.2, 0.7),
  kk: mouth(0.46, 0.15, 0, 0.5, 0.2, 0.3),
  CH: mouth(0.44, -0.1, 0.6, 0.55, 0.6, 0),
  SS: mouth(0.38, 0.6, 0, 0.8, 0.75, 0),
  nn: mouth(0.36, 0.2, 0, 0.5, 0, 0.9),
  RR: mouth(0.46, -0.1, 0.55, 0.15, 0, 0.6),
  aa: mouth(1, 0.15, 0, 0.6, 0, 0.3),
  E: mouth(0.66, 0.5, 0, 0.7, 0.1, 0.4),
  I: mouth(0.46, 0.8, 0, 0.8, 0.2, 0.5),
  O: mouth(0.82, -0.1, 0.92, 0, 0, 0.2),
  U: mouth(0.48, -0.4, 1, 0, 0, 0.1),
};

export const REST = SHAPES.sil;
const KEYS = Object.keys(REST);

/** @param {{mouth: Mouth, weight: number}[]} parts @returns {Mouth} their weighted mean */
export function blend(parts) {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  return Object.fromEntries(KEYS.map((key) => [key, parts.reduce((sum, part) => sum + part.mouth[key] * part.weight, 0) / total]));
}
