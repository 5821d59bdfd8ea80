// The microphone as a file, for browsers that give no samples at the rate we want. Same methods as Microphone.

import { CONSTRAINTS } from "/page/microphone.js";

const FORMATS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"]; // the server reads the first best

export class Recorder {
  static usable = "MediaRecorder" in window;

  #lost;
  #stream = null;
  #recorder = null;
  #parts = [];
  #began = 0;

  constructor({ lost }) {
    this.#lost = lost;
  }

  get seconds() {
    return this.#recorder ? (performance.now() - this.#began) / 1000 : 0;
  }

  async open() {
    if (this.#stream?.active) return;
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS });
    this.#stream.getTracks()[0].onended = () => this.#lost();
  }

  start() {
    const mimeType = FORMATS.find((format) => MediaRecorder.isTypeSupported(format));
    this.#parts = [];
    this.#recorder = new MediaRecorder(this.#stream, { mimeType });
    this.#recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.#recorder.start();
    this.#began = performance.now();
  }

  // The recording: a file.
  async stop() {
    const recorder = this.#recorder;
    if (recorder.state !== "inactive") {
      await new Promise((done) => {
        recorder.onstop = done;
        recorder.stop();
      });
    }
    const file = new Blob(this.#parts, { type: recorder.mimeType });
    this.cancel();
    return file;
  }

  cancel() {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
    this.#recorder = null;
    this.close();
  }

  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
  }
}
