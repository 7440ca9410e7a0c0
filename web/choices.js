const PREFIX = "avatarbot.";
const DEFAULTS = { microphone: "", speaker: "", reading: "yes" };

// A browser that keeps nothing for this page still remembers until the page is closed.
const kept = new Map();

/**
 * What the person chose on this device, the last time too.
 * @param {keyof typeof DEFAULTS} name
 * @returns {string}
 */
export function recall(name) {
  if (kept.has(name)) return kept.get(name);
  try {
    return localStorage.getItem(PREFIX + name) ?? DEFAULTS[name];
  } catch {
    return DEFAULTS[name];
  }
}

/** @param {keyof typeof DEFAULTS} name @param {string} value */
export function remember(name, value) {
  kept.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // See above.
  }
}
