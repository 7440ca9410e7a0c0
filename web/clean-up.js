/**
 * Takes every step, whatever the one before did: who uses it gives them in the order that undoes the last first.
 * What was lost already throws when it is let go, and that is no news to anybody.
 * @param {(() => void)[]} steps
 */
export function cleanUp(...steps) {
  for (const step of steps) {
    try {
      step();
    } catch {
      // It is gone, or was never there.
    }
  }
}
