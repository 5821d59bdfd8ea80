// The page put together: a press becomes a recording, a recording a question, a question a turn.

import { TalkButton } from "/page/button.js";
import { Chats } from "/page/chats.js";
import { Completions } from "/page/completions.js";
import { Drawer } from "/page/drawer.js";
import { Microphone, loudness } from "/page/microphone.js";
import { Recorder } from "/page/recorder.js";
import { Realtime } from "/page/realtime.js";
import { Turn } from "/page/turn.js";
import { say, translate } from "/page/words.js";

const element = (id) => document.getElementById(id);
const REFUSALS = {
  NotAllowedError: "noPermission",
  SecurityError: "noPermission",
  NotFoundError: "noMicrophone",
  OverconstrainedError: "noMicrophone",
  NotReadableError: "microphoneBusy",
  AbortError: "microphoneBusy",
};
const TRIES = 3; // to ask a question, when the server goes away each time
const NEAR = 120; // pixels from the end: whoever is there wants to see what comes

const chats = new Chats();
let chat;
let told = false; // that chats are not kept
let turns = [];
let press = null; // the one that goes on: { latched, listening, over }
let microphone;
let link;

function useMicrophone(Kind) {
  microphone = new Kind({ heard, lost });
}

function useLink(Kind) {
  link?.close();
  const history = () => turns.filter((turn) => turn.ended && turn.whole);
  link = new Kind({ changed: linkChanged, refused: (why) => refuse(say("failed", why)), history });
}

// --- what the page shows

function render() {
  const turn = turns.find(({ ended }) => !ended);
  const state = press ? (press.listening ? (press.latched ? "latched" : "held") : "opening")
    : !turn ? "idle" : turn.answer ? "answering" : link.ready ? "thinking" : "waiting";
  if (document.body.dataset.state !== state) element("status").textContent = say(state);
  document.body.dataset.state = state;
  element("cancel").hidden = !press;
  element("stop").hidden = !turn || Boolean(press);
  element("seconds").textContent = press?.listening ? say("seconds", microphone.seconds.toFixed(1)) : "";
  element("welcome").hidden = turns.length > 0;
}

function notice(words = "", about = "") {
  element("notice").hidden = !words;
  element("notice").dataset.about = about;
  element("notice").firstElementChild.textContent = words;
}

function follow(always = false) {
  const box = element("scroll");
  if (always || box.scrollHeight - box.scrollTop - box.clientHeight < NEAR) box.scrollTop = box.scrollHeight;
}

function linkChanged(state) {
  if (state === "unusable") {
    useLink(Completions);
    return link.open();
  }
  const before = document.body.dataset.link;
  document.body.dataset.link = state;
  element("link-state").textContent = say(state);
  element("model").textContent = link.model;
  render();
  const trouble = { gone: "serverGone", out: "notLetIn" }[state];
  if (trouble && state !== before) notice(say(trouble), "link");
  if (state !== "ready") return;
  if (element("notice").dataset.about === "link") notice();
  for (const turn of turns) if (!turn.ended) send(turn);
}

// --- questions

function ask(question) {
  if (!turns.length) chat.began = Date.now();
  const turn = new Turn(element("turns"), { question, changed: turnChanged, again });
  turns.push(turn);
  follow(true);
  send(turn);
}

function again(turn) {
  turn.askAgain();
  send(turn);
}

function send(turn) {
  if (link.ready && turn.tries >= TRIES) turn.fail("failed", say("gone"));
  else if (link.ready) {
    turn.tries += 1;
    link.ask(turn);
  } // else linkChanged does
  keep();
  render();
}

function turnChanged(turn) {
  if (turn.code === "no_speech") {
    turn.remove();
    turns = turns.filter((one) => one !== turn);
    notice(say("no_speech"));
  }
  if (turn.ended) keep();
  render();
  requestAnimationFrame(() => follow());
}

function stop() {
  if (turns.some(({ ended }) => !ended)) link.stop();
  for (const turn of turns) turn.end("stopped");
}

function keep() {
  if (turns.length) chats.keep({ ...chat, turns: turns.map(({ kept }) => kept) });
  else chats.remove(chat.id);
  if (!chats.works && !told) notice(say("notKept"));
  told = !chats.works;
}

function begin({ id = `${Date.now()}.${Math.random()}`, began = 0, turns: kept = [] } = {}) {
  cancel();
  stop();
  chat = { id, began };
  element("turns").replaceChildren();
  turns = kept.map((one) => new Turn(element("turns"), { kept: one, changed: turnChanged }));
  link.open();
  notice();
  render();
  follow(true);
}

// A chat was deleted, or all of them.
function removed(id = chat.id) {
  if (id !== chat.id) return;
  begin();
  chats.remove(id); // beginning another one kept it
}

// --- the microphone

async function pressed() {
  notice();
  stop();
  if (!navigator.mediaDevices) return refuse(say("insecure"));
  const mine = (press = { latched: false, listening: false, over: false });
  render();
  try {
    await open();
  } catch (error) {
    if (press === mine) refuse(say(REFUSALS[error.name] ?? "failed", error.message));
    return;
  }
  if (mine.over) return notice(say("allowed")); // the finger went to the browser's question
  mine.listening = true;
  microphone.start();
  navigator.vibrate?.(15);
  const clock = setInterval(() => (press === mine ? render() : clearInterval(clock)), 100);
  render();
}

async function open() {
  try {
    await microphone.open();
  } catch (error) {
    if (error.name !== "NotSupportedError" || microphone instanceof Recorder) throw error;
    useMicrophone(Recorder);
    useLink(Completions);
    link.open();
    await microphone.open();
  }
}

function latched() {
  if (press) press.latched = true;
  render();
}

async function released() {
  const mine = press;
  press = null;
  talk.reset();
  if (!mine) return;
  mine.over = true;
  level(0);
  if (mine.listening) {
    const [asked, seconds] = [performance.now(), microphone.seconds];
    const recording = await microphone.stop();
    if (recording instanceof Blob) ask({ file: recording, seconds, asked });
    else if (recording.length) ask({ blocks: recording, seconds, asked });
    else notice(say("no_speech"));
  }
  render();
}

function cancel() {
  if (press) press.over = true;
  if (press?.listening) {
    microphone.cancel();
    link.forget();
  }
  press = null;
  talk.reset();
  level(0);
  render();
}

function refuse(words) {
  cancel();
  notice(words);
}

function heard(blocks) {
  link.hear(blocks);
  level(loudness(blocks.at(-1)));
}

function lost() {
  if (!press) return;
  notice(say("microphoneLost"));
  released();
}

function level(value) {
  element("level").style.setProperty("--level", value.toFixed(2));
}

// --- put together

if (matchMedia("(pointer: coarse)").matches) element("how").dataset.say = "howByFinger"; // there is no space bar
translate(document);
const talk = new TalkButton(element("talk"), { pressed, latched, released });
new Drawer(chats, { chosen: begin, removed });
element("new-chat").onclick = () => begin();
element("cancel").onclick = cancel;
element("stop").onclick = stop;
element("privacy").ontoggle = ({ target }) => target.open && target.lastElementChild.scrollIntoView({ block: "nearest" });
element("notice").lastElementChild.onclick = () => notice();
element("typed").onsubmit = (event) => {
  event.preventDefault();
  const text = element("question").value.trim();
  if (!text) return element("question").focus();
  element("question").value = "";
  notice();
  stop();
  ask({ text });
};
element("question").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  element("typed").requestSubmit();
};
addEventListener("keydown", ({ key }) => key === "Escape" && !element("chats").open && (press ? cancel() : stop()));
document.addEventListener("visibilitychange", () => document.hidden && press && released());

useMicrophone(Microphone.usable ? Microphone : Recorder);
useLink(Realtime.usable && Microphone.usable ? Realtime : Completions);
begin();
