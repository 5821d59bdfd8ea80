// The realtime socket: speech goes up while it is spoken, answers come down while they are written.
// When it breaks it is opened again, with the chat so far.

import { base64 } from "/page/encode.js";
import { health } from "/page/health.js";

const PATIENCE_MS = [250, 500, 1000, 2000, 4000];
const MISSES = 2; // a server that is there, and a socket that is not: something in between lets none through
const FULL = 1013; // close code

export class Realtime {
  static usable = "WebSocket" in window;

  #changed; // called with connecting | ready | loading | full | out | gone | unusable
  #refuse; // called with the reason when the server wants no more of a recording
  #history; // gives the turns before, { text, answer }: each socket begins with them
  #socket = null;
  #sent = 0; // blocks of the recording that this socket has
  #asked = []; // turns that wait for response.created
  #spoken = []; // of these, those that wait for their recording's item
  #byResponse = new Map();
  #byItem = new Map();
  #failures = 0;
  #misses = 0;
  #timer = 0;
  #number = 0;
  ready = false;
  model = "";

  constructor({ changed, refused, history }) {
    [this.#changed, this.#refuse, this.#history] = [changed, refused, history];
  }

  // Begin a chat.
  open() {
    this.close();
    this.#connect();
  }

  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null; // what it still says is nobody's business
    this.ready = false;
    socket?.close();
    this.#lose();
  }

  // The recording so far.
  hear(blocks) {
    if (!this.ready) return;
    for (const block of blocks.slice(this.#sent)) this.#send({ type: "input_audio_buffer.append", audio: base64(block) });
    this.#sent = blocks.length;
  }

  // The recording is not wanted.
  forget() {
    if (this.ready && this.#sent) this.#send({ type: "input_audio_buffer.clear" });
    this.#sent = 0;
  }

  // turn.question is { text } or { blocks }, of which this socket may have heard the first ones.
  ask(turn) {
    const { text, blocks } = turn.question;
    const event_id = `ask ${++this.#number}`;
    this.#asked.push({ event_id, turn });
    if (blocks) {
      this.hear(blocks);
      this.#sent = 0;
      this.#spoken.push({ event_id, turn });
      this.#send({ type: "input_audio_buffer.commit", event_id });
    } else {
      this.#say("user", "input_text", text);
    }
    this.#send({ type: "response.create", event_id });
  }

  stop() {
    if (this.ready) this.#send({ type: "response.cancel" });
  }

  #connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/realtime`, "realtime");
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#socket === socket && this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => this.#socket === socket && this.#closed(code);
  }

  async #closed(code) {
    const [socket, worked] = [this.#socket, this.ready];
    this.ready = false;
    this.#lose();
    let state = await health();
    if (this.#socket !== socket) return;
    if (state === "ready") {
      this.#misses = worked || code === FULL ? 0 : this.#misses + 1;
      if (this.#misses >= MISSES) return this.#changed("unusable");
      state = code === FULL ? "full" : "connecting";
    }
    this.#changed(state);
    const wait = PATIENCE_MS[Math.min(this.#failures, PATIENCE_MS.length - 1)];
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  // What this socket was to answer, it will not.
  #lose() {
    const turns = [...this.#asked.map(({ turn }) => turn), ...this.#byResponse.values()];
    this.#sent = 0;
    this.#asked = [];
    this.#spoken = [];
    this.#byResponse.clear();
    this.#byItem.clear();
    for (const turn of turns) turn.lose();
  }

  #take(event) {
    const turn = this.#byResponse.get(event.response_id ?? event.response?.id);
    switch (event.type) {
      case "session.created":
        this.model = event.session.model;
        return this.#begin();
      case "input_audio_buffer.committed":
        if (this.#spoken.length) this.#byItem.set(event.item_id, this.#spoken.shift().turn);
        return;
      case "response.created":
        if (this.#asked.length) this.#byResponse.set(event.response.id, this.#asked.shift().turn);
        return;
      case "response.output_text.delta":
        return turn?.write(event.delta);
      case "response.done":
        this.#byResponse.delete(event.response.id);
        return turn && this.#end(turn, event.response);
      case "conversation.item.input_audio_transcription.completed":
        return this.#byItem.get(event.item_id)?.heard(event.transcript.trim());
      case "error":
        return this.#refused(event.error);
    }
  }

  #begin() {
    this.#send({
      type: "session.update",
      session: { type: "realtime", audio: { input: { turn_detection: null, transcription: {} } } },
    });
    for (const { text, answer } of this.#history()) {
      this.#say("user", "input_text", text);
      this.#say("assistant", "output_text", answer);
    }
    this.#failures = this.#misses = 0;
    this.ready = true;
    this.#changed("ready");
  }

  #end(turn, { status, status_details }) {
    const error = status_details?.error;
    if (status === "failed") turn.fail(error?.code, error?.message);
    else turn.end({ completed: "stop", cancelled: "stopped" }[status] ?? "tooLong");
  }

  // Of an event of ours; an answer that was over when it was to be stopped is no error.
  #refused({ code, message, param, event_id }) {
    const asked = this.#asked.find((one) => one.event_id === event_id);
    this.#asked = this.#asked.filter((one) => one !== asked);
    this.#spoken = this.#spoken.filter((one) => one.event_id !== event_id);
    if (asked) asked.turn.fail(code, message);
    else if (param === "audio") this.#refuse(message);
    else if (code !== "response_cancel_not_active") console.warn(`edge-llasm: ${message}`);
  }

  #say(role, type, text) {
    this.#send({ type: "conversation.item.create", item: { type: "message", role, content: [{ type, text }] } });
  }

  #send(event) {
    this.#socket.send(JSON.stringify(event));
  }
}
