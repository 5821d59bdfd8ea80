// One button that can be held or tapped, by finger, mouse, space bar, Enter or a screen reader.

const TAP_MS = 300; // let go sooner: it was a tap, and goes on until the next one

export class TalkButton {
  #element; #pressed; #released; #latched;
  #state = "up"; // up | held | latched
  #since = 0;

  constructor(element, { pressed, latched, released }) {
    this.#element = element;
    [this.#pressed, this.#latched, this.#released] = [pressed, latched, released];
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId); // a finger may slide off
      this.#down(event.timeStamp);
    });
    element.addEventListener("pointerup", (event) => this.#up(event.timeStamp));
    element.addEventListener("pointercancel", (event) => this.#up(event.timeStamp));
    element.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long press
    element.addEventListener("click", (event) => event.detail === 0 && this.#tap(event.timeStamp)); // Enter, assistive technology
    element.addEventListener("keydown", (event) => event.key === "Enter" && event.repeat && event.preventDefault());
    addEventListener("keydown", (event) => this.#isOurs(event) && !event.repeat && this.#down(event.timeStamp));
    addEventListener("keyup", (event) => this.#isOurs(event) && this.#up(event.timeStamp));
    addEventListener("blur", () => this.#up(Infinity)); // the key will go up elsewhere
  }

  // What it began is over.
  reset() {
    this.#become("up");
  }

  // The space bar, unless it means something where the focus is.
  #isOurs(event) {
    if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey) return false;
    const { target } = event;
    if (target !== this.#element && target.closest?.("button, a, textarea, input, summary, dialog, pre")) return false;
    event.preventDefault();
    return true;
  }

  #down(time) {
    if (this.#state === "latched") {
      this.#become("up");
      this.#released();
    } else if (this.#state === "up") {
      this.#since = time;
      this.#become("held");
      this.#pressed();
    }
  }

  #up(time) {
    if (this.#state !== "held") return;
    if (time - this.#since < TAP_MS) {
      this.#become("latched");
      this.#latched();
    } else {
      this.#become("up");
      this.#released();
    }
  }

  #tap(time) {
    this.#down(time);
    this.#up(time);
  }

  #become(state) {
    this.#state = state;
    this.#element.setAttribute("aria-pressed", String(state !== "up"));
  }
}
