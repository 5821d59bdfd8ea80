// An answer's Markdown -> elements. Only ever by textContent: what a model writes can become no markup.

import { say } from "/page/words.js";

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)[^`]*$/;
const SPAN = /(`[^`\n]+`|\*\*[^*\n]+\*\*)/;

// Text -> [{ kind: "code", text, name } | { kind: "prose", text }]; the last code block may still be open.
export function blocks(text) {
  const found = [];
  let open = null;
  let prose = [];
  const close = () => {
    const words = prose.join("\n").trim();
    if (words) found.push({ kind: "prose", text: words });
    prose = [];
  };
  for (const line of text.split("\n")) {
    const fence = FENCE.exec(line);
    if (open && fence && fence[1].startsWith(open.fence) && !fence[2]) {
      open = null;
    } else if (open) {
      open.block.text += `${line}\n`;
    } else if (fence) {
      close();
      open = { fence: fence[1], block: { kind: "code", text: "", name: fence[2] } };
      found.push(open.block);
    } else {
      prose.push(line);
    }
  }
  close();
  for (const block of found) block.text = block.text.replace(/\n$/, "");
  return found;
}

// Shows a text in an element, and again when it has grown: what stands there already is left alone.
export function show(element, text) {
  const found = blocks(text);
  found.forEach((block, i) => {
    let child = element.children[i];
    if (child?.dataset.kind !== block.kind) {
      while (element.children.length > i) element.lastChild.remove();
      child = block.kind === "code" ? code() : paragraph();
      element.append(child);
    }
    if (block.kind === "prose") fill(child, block.text);
    else {
      child.querySelector("code").textContent = block.text;
      child.querySelector("span").textContent = block.name || say("code");
    }
  });
  while (element.children.length > found.length) element.lastChild.remove();
}

function paragraph() {
  const element = document.createElement("p");
  element.dataset.kind = "prose";
  element.dir = "auto";
  return element;
}

function fill(element, text) {
  if (element.textContent === text) return;
  element.replaceChildren(...text.split(SPAN).map((part) => {
    const mark = part.startsWith("**") && part.length > 4 ? 2 : part.startsWith("`") && part.length > 2 ? 1 : 0;
    if (!mark) return part;
    const span = document.createElement(mark === 2 ? "strong" : "code");
    span.textContent = part.slice(mark, -mark);
    return span;
  }));
}

function code() {
  const figure = document.createElement("figure");
  figure.dataset.kind = "code";
  const head = document.createElement("figcaption");
  const label = document.createElement("span");
  const copy = document.createElement("button");
  copy.className = "copy";
  copy.textContent = say("copy");
  const lines = document.createElement("pre");
  lines.tabIndex = 0; // so that wide code can be scrolled by keys
  lines.append(document.createElement("code"));
  copy.onclick = async () => {
    await copied(lines);
    copy.textContent = say("copied");
    setTimeout(() => (copy.textContent = say("copy")), 2000);
  };
  head.append(label, copy);
  figure.append(head, lines);
  return figure;
}

async function copied(element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent);
  getSelection().selectAllChildren(element); // pages that come by http have no clipboard
  document.execCommand("copy");
}
