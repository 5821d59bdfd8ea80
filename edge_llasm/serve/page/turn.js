// One question and its answer, on the page and as it is kept.

import { show } from "/page/markdown.js";
import { knows, say } from "/page/words.js";

export class Turn {
  #changed; #again;
  #element; #questionText; #answerBox; #note; #retry;
  #asked;
  #drawing = 0;

  // question: { text } | { blocks } | { file }, gone when the page is closed; kept: what `kept` gave before.
  constructor(list, { question = null, kept = {}, changed = () => {}, again = () => {} }) {
    this.question = question;
    this.tries = 0; // that it was sent
    this.#asked = question?.asked ?? performance.now(); // ms: the end of the speech
    this.text = kept.text ?? question?.text ?? "";
    this.seconds = kept.seconds ?? question?.seconds ?? 0; // of speech; 0: typed
    this.answer = kept.answer ?? "";
    this.ended = kept.ended ?? ""; // "" while it is answered; stop | stopped | tooLong | cutOff | failed
    this.#changed = changed;
    this.#again = again;
    this.#draw(list);
  }

  get kept() {
    const { text, seconds, answer, ended } = this;
    return { text, seconds, answer, ended: ended || "cutOff" };
  }

  // Whether a chat can be gone on with after it.
  get whole() {
    return Boolean(this.text && this.answer);
  }

  write(delta) {
    if (this.ended) return; // stopped here already
    if (!this.answer) this.after = (performance.now() - this.#asked) / 1000;
    this.answer += delta;
    this.#drawing ||= requestAnimationFrame(() => this.#redraw());
    this.#changed(this);
  }

  end(how) {
    if (this.ended) return;
    this.ended = how;
    this.#redraw();
    this.#changed(this);
  }

  fail(code, message) {
    if (this.ended) return;
    this.code = code;
    this.problem = knows(code) ? say(code, message) : say("failed", message ?? code);
    this.end("failed");
  }

  // It is not shown any more.
  remove() {
    this.#element.remove();
  }

  // The server went away.
  lose() {
    if (this.answer) this.end("cutOff");
    else this.#changed(this); // it is asked again
  }

  // What was said, written down afterwards.
  heard(transcript) {
    if (!transcript) return;
    this.text = transcript;
    this.#redraw();
    this.#changed(this);
  }

  askAgain() {
    [this.ended, this.answer, this.problem, this.tries] = ["", "", "", 0];
    this.#asked = performance.now();
    this.#redraw();
  }

  #draw(list) {
    this.#element = document.createElement("li");
    const question = this.#element.appendChild(document.createElement("div"));
    question.className = "question";
    const who = question.appendChild(document.createElement("span"));
    who.className = "unseen";
    who.textContent = `${say("you")}: `;
    if (this.seconds) question.append(document.querySelector("#talk svg").cloneNode(true)); // a microphone
    this.#questionText = question.appendChild(document.createElement("span"));
    this.#questionText.dir = "auto";
    this.#answerBox = this.#element.appendChild(document.createElement("div"));
    this.#answerBox.className = "answer";
    this.#note = this.#element.appendChild(document.createElement("p"));
    this.#note.className = "note";
    this.#retry = this.#element.appendChild(document.createElement("button"));
    this.#retry.className = "again";
    this.#retry.textContent = say("again");
    this.#retry.onclick = () => this.#again(this);
    list.append(this.#element);
    this.#redraw();
  }

  #redraw() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    const element = this.#element;
    element.setAttribute("aria-busy", String(!this.ended)); // read out when it is whole
    element.dataset.ended = this.ended;
    element.dataset.waiting = String(!this.ended && !this.answer);
    this.#questionText.textContent = this.text || say("spoken", this.seconds.toFixed(1));
    this.#questionText.className = this.seconds ? (this.text ? "spoken" : "unwritten") : "";
    show(this.#answerBox, this.answer);
    const notes = [this.after && this.ended ? say("after", this.after.toFixed(this.after < 1 ? 2 : 1)) : "",
      this.problem ?? (["", "stop"].includes(this.ended) ? "" : say(this.ended))];
    this.#note.textContent = notes.filter(Boolean).join(" · ");
    this.#note.hidden = !this.#note.textContent;
    this.#retry.hidden = !(this.question && ["failed", "cutOff"].includes(this.ended));
  }
}
