const MAX_LENGTH = 2000;
const EXAMPLES = ["What can you do?", "Tell me a story", "My name is Anna", "What time is it?"];

/** The text box, "Send" and the example phrases. What could not be sent stays in the box. */
export class Composer {
  #form;
  #box;
  #send;
  #chips;
  #submit;

  /**
   * @param {{form: HTMLFormElement, box: HTMLTextAreaElement, send: HTMLButtonElement, chips: HTMLElement}} parts
   * @param {(text: string) => boolean} submit returns whether the text was taken
   */
  constructor({ form, box, send, chips }, submit) {
    this.#form = form;
    this.#box = box;
    this.#send = send;
    this.#chips = chips;
    this.#submit = submit;
    box.maxLength = MAX_LENGTH;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    box.addEventListener("keydown", (event) => {
      // Enter that picks a word in an input method is not meant for us.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit();
    });
    chips.append(...EXAMPLES.map((phrase) => this.#chip(phrase)));
  }

  set enabled(enabled) {
    this.#box.disabled = !enabled;
    this.#send.disabled = !enabled;
    this.#box.placeholder = enabled ? "Type a message" : "Press Start to talk or type";
  }

  set examples(shown) {
    this.#chips.hidden = !shown;
  }

  focus() {
    this.#box.focus();
  }

  submit() {
    const text = this.#box.value.trim().slice(0, MAX_LENGTH);
    if (text !== "" && this.#submit(text)) this.#form.reset();
  }

  #chip(phrase) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.textContent = phrase;
    chip.addEventListener("click", () => {
      // Not connected at the moment: from the box it leaves as what is typed does.
      if (!this.#submit(phrase)) this.#box.value ||= phrase;
    });
    return chip;
  }
}
