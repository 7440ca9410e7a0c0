/** Sentences about problems, one per topic: a topic that is over takes its sentence away. */
export class Notices {
  #region;
  #lines = new Map();
  #timers = new Map();

  /** @param {HTMLElement} region the element with role="alert" */
  constructor(region) {
    this.#region = region;
  }

  /**
   * @param {string} topic
   * @param {string | null} sentence null takes the topic's sentence away
   * @param {number} [forMs] how long it stays; without it, until it is replaced or taken away
   */
  show(topic, sentence, forMs) {
    clearTimeout(this.#timers.get(topic));
    const line = this.#lines.get(topic);
    if (sentence === null) {
      line?.remove();
      this.#lines.delete(topic);
    } else if (line !== undefined) {
      if (line.textContent !== sentence) line.textContent = sentence;
    } else {
      const fresh = document.createElement("p");
      fresh.textContent = sentence;
      fresh.dataset.topic = topic;
      this.#lines.set(topic, fresh);
      this.#region.append(fresh);
    }
    if (forMs !== undefined) this.#timers.set(topic, setTimeout(() => this.show(topic, null), forMs));
  }

  clear() {
    for (const topic of [...this.#lines.keys()]) this.show(topic, null);
  }
}
