// The same as Realtime by plain requests, for networks that let no socket through and browsers that give no samples.

import { base64, wav } from "/page/encode.js";
import { health } from "/page/health.js";
import { RATE } from "/page/microphone.js";

const LOOK_MS = 2000;

export class Completions {
  #changed; #history;
  #request = null;
  #timer = 0;
  #look = 0; // its number: an older one's end is nobody's business
  #written = null; // the transcript that is being made
  ready = false;
  model = "";

  constructor({ changed, history }) {
    [this.#changed, this.#history] = [changed, history];
  }

  open() {
    this.close();
    this.#watch();
  }

  close() {
    clearTimeout(this.#timer);
    this.#look += 1;
    this.ready = false;
    this.#request?.abort();
  }

  hear() {} // a request takes the whole recording

  forget() {}

  // turn.question is { text }, { blocks } or { file }.
  async ask(turn) {
    const request = (this.#request = new AbortController());
    const { text, blocks } = turn.question;
    const file = blocks ? wav(blocks, RATE) : turn.question.file;
    try {
      await this.#written; // a part of the chat so far
      const format = file && file.type.split(/[/;]/)[1];
      const content = file
        ? [{ type: "input_audio", input_audio: { data: base64(await file.arrayBuffer()), format } }]
        : text;
      await this.#answer(turn, content, request.signal);
      if (file) this.#written = this.#write(turn, file, format);
    } catch (error) {
      if (request.signal.aborted) turn.end("stopped");
      else {
        this.ready = false;
        this.#timer = setTimeout(() => this.#watch(), LOOK_MS);
        turn.lose();
      }
    }
  }

  stop() {
    this.#request?.abort();
  }

  async #answer(turn, content, signal) {
    const earlier = this.#history().flatMap(({ text, answer }) => [
      { role: "user", content: text },
      { role: "assistant", content: answer },
    ]);
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model: this.model, stream: true, messages: [...earlier, { role: "user", content }] }),
      signal,
    });
    if (!response.ok) {
      const { error } = await response.json();
      return turn.fail(error.code, error.message);
    }
    for await (const { choices, error } of events(response.body)) {
      if (error) return turn.fail(error.code, error.message);
      const [choice] = choices;
      if (choice?.delta.content) turn.write(choice.delta.content);
      if (choice?.finish_reason) turn.end(choice.finish_reason === "stop" ? "stop" : "tooLong");
    }
  }

  // What was said, for the reader and for later questions; an answer that is there does not depend on it.
  async #write(turn, file, format) {
    const form = new FormData();
    form.append("model", this.model);
    form.append("file", file, `question.${format}`);
    try {
      const response = await fetch("/v1/audio/transcriptions", { method: "POST", body: form });
      if (response.ok) turn.heard((await response.json()).text.trim());
    } catch (error) {
      console.warn(`edge-llasm: ${error.message}`);
    }
  }

  async #watch() {
    clearTimeout(this.#timer);
    const look = ++this.#look;
    let state = await health();
    try {
      if (state === "ready") this.model = (await (await fetch("/v1/models")).json()).data[0].id;
    } catch {
      state = "gone";
    }
    if (look !== this.#look) return;
    this.ready = state === "ready";
    this.#changed(state);
    if (!this.ready) this.#timer = setTimeout(() => this.#watch(), LOOK_MS);
  }
}

// The data of server-sent events, parsed, until [DONE].
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error("cut off");
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}
