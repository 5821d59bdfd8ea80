// Chats, kept in this browser as text.

const KEY = "edge-llasm chats";
const MOST = 200;

export class Chats {
  works = true; // whether the browser keeps anything

  // [{ id, began (ms), turns: [{ text, seconds, answer, ended }] }], the newest first
  all() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? [];
    } catch {
      return []; // forbidden, or nothing of ours
    }
  }

  keep(chat) {
    this.#write([chat, ...this.all().filter(({ id }) => id !== chat.id)].slice(0, MOST));
  }

  remove(id) {
    this.#write(this.all().filter((chat) => chat.id !== id));
  }

  clear() {
    this.#write([]);
  }

  #write(chats) {
    for (let most = chats.length; ; most = Math.floor(most / 2)) {
      try {
        localStorage.setItem(KEY, JSON.stringify(chats.slice(0, most)));
        return;
      } catch (error) {
        if (error.name === "QuotaExceededError" && most > 1) continue; // the oldest go
        this.works = false;
        return;
      }
    }
  }
}
