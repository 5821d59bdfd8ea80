// The microphone as 16-bit PCM, block by block. Opened by the first press, closed a minute after the last one.

export const RATE = 24000; // Hz, the realtime socket's
const PRE_ROLL = 5; // blocks of 80 ms: what was said just before the press
const OPEN_MS = 60_000;
const LAST_BLOCK_MS = 500; // a context that was suspended never gives its rest

// Nothing is played here that could echo, and the models are trained with noise in the room.
export const CONSTRAINTS = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };

export class Microphone {
  static usable = "AudioWorkletNode" in window;

  #heard; #lost; // called with the blocks so far while it records; when the microphone is gone
  #context = null;
  #stream = null;
  #port = null;
  #blocks = [];
  #recording = false;
  #opening = null;
  #closing = 0;
  #rest = null;

  constructor({ heard, lost }) {
    this.#heard = heard;
    this.#lost = lost;
    document.addEventListener("visibilitychange", () => document.hidden && !this.#recording && this.close());
  }

  get seconds() {
    return this.#blocks.reduce((sum, block) => sum + block.length, 0) / RATE;
  }

  // Throws what getUserMedia throws, and NotSupportedError where the sound cannot be had at RATE.
  open() {
    return (this.#opening ??= this.#open().finally(() => (this.#opening = null)));
  }

  async #open() {
    clearTimeout(this.#closing);
    if (this.#stream?.active) {
      await this.#context.resume();
      return;
    }
    this.close();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS });
    const context = new AudioContext({ sampleRate: RATE });
    try {
      await context.audioWorklet.addModule("/page/capture.js");
      const capture = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
      context.createMediaStreamSource(stream).connect(capture).connect(context.destination); // silence: it writes none
      capture.port.onmessage = ({ data }) => this.#take(data);
      await context.resume();
      [this.#stream, this.#context, this.#port] = [stream, context, capture.port];
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      context.close();
      throw error;
    }
    stream.getTracks()[0].onended = () => {
      this.close();
      this.#lost();
    };
    this.#closeLater();
  }

  start() {
    clearTimeout(this.#closing);
    this.#blocks = this.#blocks.slice(-PRE_ROLL);
    this.#recording = true;
    if (this.#blocks.length) this.#heard(this.#blocks);
  }

  // The recording: its blocks, in order.
  async stop() {
    if (this.#port) {
      await new Promise((done) => {
        this.#rest = done;
        setTimeout(done, LAST_BLOCK_MS);
        this.#port.postMessage("rest");
      });
    }
    const blocks = this.#blocks;
    this.cancel();
    return blocks;
  }

  cancel() {
    this.#recording = false;
    this.#blocks = [];
    if (document.hidden) this.close();
    else this.#closeLater();
  }

  close() {
    clearTimeout(this.#closing);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = this.#context = this.#port = null;
    if (!this.#recording) this.#blocks = [];
  }

  #closeLater() {
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.close(), OPEN_MS);
  }

  #take({ block, last }) {
    if (block.length) this.#blocks.push(block);
    if (this.#recording && block.length) this.#heard(this.#blocks);
    if (!this.#recording) this.#blocks = this.#blocks.slice(-PRE_ROLL);
    if (last) this.#rest?.();
  }
}

// 0 to 1, for the eye: from -60 dB to -6 dB.
export function loudness(block) {
  const power = block.reduce((sum, sample) => sum + (sample / 32768) ** 2, 0) / Math.max(1, block.length);
  return Math.max(0, Math.min(1, (10 * Math.log10(power + 1e-9) + 60) / 54));
}
