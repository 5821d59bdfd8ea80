// The microphone's thread: samples -> blocks of 16-bit PCM, as the realtime socket takes them.

const BLOCK = 1920; // samples, 80 ms at 24 kHz

class Capture extends AudioWorkletProcessor {
  #block = new Int16Array(BLOCK);
  #filled = 0;

  constructor() {
    super();
    this.port.onmessage = () => { // the rest, please
      this.#hand(this.#block.slice(0, this.#filled), true);
    };
  }

  process([[samples]]) {
    for (const sample of samples ?? []) {
      this.#block[this.#filled++] = Math.round(32767 * Math.max(-1, Math.min(1, sample)));
      if (this.#filled === BLOCK) this.#hand(this.#block, false);
    }
    return true;
  }

  #hand(block, last) {
    this.port.postMessage({ block, last });
    this.#block = new Int16Array(BLOCK);
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
