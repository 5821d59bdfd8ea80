// The list of earlier chats.

import { language, say } from "/page/words.js";

const element = (id) => document.getElementById(id);

export class Drawer {
  #chats; #chosen; #removed;

  // chosen(chat): go on with it; removed(id), or removed() for all
  constructor(chats, { chosen, removed }) {
    [this.#chats, this.#chosen, this.#removed] = [chats, chosen, removed];
    const dialog = element("chats");
    element("open-chats").onclick = () => {
      this.#list();
      dialog.showModal();
    };
    element("close-chats").onclick = () => dialog.close();
    dialog.onclick = ({ target }) => target === dialog && dialog.close(); // beside it
    element("delete-chats").onclick = () => {
      this.#chats.clear();
      this.#list();
      this.#removed();
    };
  }

  #list() {
    const chats = this.#chats.all();
    element("no-chats").hidden = chats.length > 0;
    element("delete-chats").hidden = chats.length === 0;
    element("chat-list").replaceChildren(...chats.map((chat) => this.#row(chat)));
  }

  #row(chat) {
    const row = document.createElement("li");
    const open = row.appendChild(document.createElement("button"));
    const title = open.appendChild(document.createElement("span"));
    const first = chat.turns[0];
    title.textContent = first.text || say("spoken", first.seconds.toFixed(1));
    const when = open.appendChild(document.createElement("time"));
    when.textContent = new Date(chat.began).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
    open.onclick = () => {
      element("chats").close();
      this.#chosen(chat);
    };
    const remove = row.appendChild(document.createElement("button"));
    remove.className = "quiet";
    remove.textContent = "×";
    remove.setAttribute("aria-label", say("deleteOne", title.textContent));
    remove.onclick = () => {
      this.#chats.remove(chat.id);
      this.#list();
      this.#removed(chat.id);
      element("close-chats").focus();
    };
    return row;
  }
}
