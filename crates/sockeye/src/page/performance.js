// The measurements as a page: the part of Markdown that `docs/performance.md` uses, made into elements. Text is never read as
// HTML.
import { byId, element } from "./common.js";

const RULE = /^\|(\s*:?-+:?\s*\|)+$/;
const ITEM = /^(?:- |\d+\. )/;

/** Appends a text with its code, strong and emphasised parts and its links. */
function inline(node, text) {
  const parts = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)]+)\)/g;
  let from = 0;
  for (const { 0: all, 1: code, 2: strong, 3: emphasis, 4: name, 5: target, index } of text.matchAll(parts)) {
    node.append(text.slice(from, index));
    if (code !== undefined) node.append(element("code", "", code));
    else if (strong !== undefined) inline(node.appendChild(element("strong", "", "")), strong);
    else if (emphasis !== undefined) inline(node.appendChild(element("em", "", "")), emphasis);
    else node.append(link(name, target));
    from = index + all.length;
  }
  node.append(text.slice(from));
  return node;
}

/** A link; only its name, if it leads to a file of the repository, which the server does not have. */
function link(name, target) {
  const node = element(/^https?:/.test(target) ? "a" : "cite", "", "");
  if (node.localName === "a") node.href = target;
  return inline(node, name);
}

const cells = (line) => line.slice(1, -1).split("|").map((cell) => cell.trim());
const isNumber = (line) => line.map((rule) => rule.endsWith(":"));

/** A table in a frame that scrolls where the page is too narrow for it. */
function table([head, rule, ...rows]) {
  const [frame, node] = [element("div", "scroll", ""), element("table", "", "")];
  const right = isNumber(cells(rule));
  const row = (line, cell) => {
    const made = element("tr", "", "");
    for (const [n, text] of cells(line).entries()) {
      const part = made.appendChild(element(cell, right[n] ? "right" : "", ""));
      inline(part.appendChild(element("span", "", "")), text);
      if (cell === "td") part.dataset.head = heads[n]; // stands before it where the page is narrow
    }
    return made;
  };
  node.append(element("thead", "", ""), element("tbody", "", ""));
  node.tHead.append(row(head, "th"));
  const heads = [...node.tHead.rows[0].cells].map((it) => it.textContent);
  node.tBodies[0].append(...rows.map((line) => row(line, "td")));
  for (const verdict of node.querySelectorAll("td:last-child")) {
    if (/^(HIT|MISS)$/.test(verdict.textContent)) verdict.dataset.verdict = verdict.textContent;
  }
  frame.tabIndex = 0;
  frame.append(node);
  return frame;
}

function list(lines) {
  const items = [];
  for (const line of lines) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ""));
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  const node = element(/^\d/.test(lines[0]) ? "ol" : "ul", "", "");
  node.append(...items.map((text) => inline(element("li", "", ""), text)));
  return node;
}

/** The blocks of a text: each is a kind, and its lines. */
function* blocks(text) {
  let lines = text.replace(/<!--[^]*?-->/g, "").split("\n");
  while (lines.length > 0) {
    const [first] = lines;
    let count = 1;
    if (first.startsWith("```")) {
      count = lines.indexOf("```", 1) + 1;
      yield ["code", lines.slice(1, count - 1)];
    } else if (first.startsWith("#")) {
      yield ["heading", [first]];
    } else if (first.trim() !== "") {
      const ends = (line) => line.trim() === "" || line.startsWith("#") || line.startsWith("```");
      const end = lines.findIndex(ends);
      count = end < 0 ? lines.length : end;
      const isTable = lines.length > 1 && RULE.test(lines[1]);
      yield [isTable ? "table" : ITEM.test(first) ? "list" : "text", lines.slice(0, count)];
    }
    lines = lines.slice(Math.max(count, 1));
  }
}

/** Each second-level heading begins a card. */
function show(text) {
  let card = byId("text");
  for (const [kind, lines] of blocks(text)) {
    if (kind === "heading") {
      const level = lines[0].indexOf(" ");
      const title = inline(element(`h${Math.min(level, 3)}`, "", ""), lines[0].slice(level + 1));
      if (level === 1) {
        byId("title").replaceChildren(...title.childNodes);
        continue;
      }
      if (level === 2) {
        card = element("section", "wide prose", "");
        byId("text").parentNode.append(card);
      }
      card.append(title);
    } else if (kind === "table") card.append(table(lines));
    else if (kind === "list") card.append(list(lines));
    else if (kind === "code") card.append(element("pre", "block", lines.join("\n")));
    else card.append(inline(element("p", "", ""), lines.join(" ")));
  }
}

const response = await fetch("/performance.md");
byId("text").replaceChildren();
if (response.ok) show(await response.text());
else byId("text").append(element("p", "", `The text did not come: status ${response.status}.`));
