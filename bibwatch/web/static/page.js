// What a page does by itself: it follows what changes, searches while somebody types, and takes keys.
// The server renders everything. This asks for a page and puts in place its parts marked data-live, or all of its main.

const TYPING_MS = 120; // without a key, before a search goes out
const TOGETHER_MS = 300; // changes that come so close to each other are shown together
const AGAIN_MS = 2000; // until a refused connection is tried again
const LINKED_MS = 1200; // after a correction, by when the links have followed

const FOCUSABLE = "a, button, summary, input:not([type=hidden])";

const main = document.getElementById("main");
const said = document.getElementById("said");
const lost = document.getElementById("lost");
let asked = 0; // pages asked for, so that an answer that comes late is not put over a later one

async function ask(url, options) {
  const mine = ++asked;
  const answer = await fetch(url, options);
  if (answer.status === 401 || new URL(answer.url).pathname === "/login") location.reload(); // the token is another one
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) throw new Error(page.getElementById("what")?.textContent ?? answer.statusText);
  return { page, url: answer.url, isLate: mine !== asked };
}

// Puts the parts that live in place of the old ones.
function show(page) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(old.id);
    if (now && !old.isEqualNode(now)) exchange(old, now);
  }
}

// What is the same stays, so that pictures do not flicker, focus is kept and what is open stays open.
function exchange(old, now) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focused?.closest("[id]").id;
  const kept = new Map([...old.querySelectorAll(".grid > [id]")].map((card) => [card.id, card]));
  for (const card of now.querySelectorAll(".grid > [id]")) {
    const before = kept.get(card.id);
    before?.classList.remove("arrived");
    if (before?.isEqualNode(card)) card.replaceWith(before);
    else if (!before && old.id === "newest") card.classList.add("arrived");
  }
  const open = [...old.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
  for (const part of now.querySelectorAll("details")) {
    part.open = open.includes(part.querySelector("summary").textContent);
  }
  for (const name of now.getAttributeNames()) old.setAttribute(name, now.getAttribute(name));
  old.replaceChildren(...now.childNodes);
  if (!focused || document.activeElement === focused) return;
  const there = focused.isConnected ? focused : document.getElementById(place);
  const next = there?.matches(FOCUSABLE) ? there : there?.querySelector(FOCUSABLE);
  (next ?? main).focus({ preventScroll: true });
}

// Goes to another page of the same kind without loading this one anew, so that no key is lost on the way.
async function go(url, options) {
  if (main.inert) return;
  main.inert = true; // a key pressed twice counts once
  try {
    const { page, url: reached } = await ask(url, options);
    asked++; // what was asked for meanwhile is about the page before
    document.title = page.title;
    show(page);
    main.replaceChildren(...page.getElementById("main").childNodes);
    history.replaceState(null, "", reached);
    scrollTo(0, 0);
  } catch (error) {
    tellTrouble(error);
  } finally {
    main.inert = false;
    focus();
    changed();
  }
}

function focus() {
  const box = main.querySelector("[data-select]");
  (box ?? main).focus();
  box?.select();
}

function tellTrouble(error) {
  const trouble = document.getElementById("trouble");
  if (error) changed(); // perhaps what is shown is out of date
  trouble.textContent = error?.message ?? "";
  trouble.hidden = !error;
}

// ---- what changes

let pending = null;

function changed() {
  pending ??= setTimeout(refresh, TOGETHER_MS);
}

async function refresh() {
  pending = null;
  try {
    const { page, isLate } = await ask(main.querySelector("[data-refresh]")?.dataset.refresh ?? location.href);
    if (!isLate) show(page);
  } catch {
    // the next change asks again
  }
}

function tellLost(isLost) {
  if (lost.hidden === !isLost) return;
  lost.hidden = !isLost;
  said.textContent = isLost ? "" : "Connected again.";
}

// Only while somebody looks: browsers have six connections for all tabs of one page.
let events = null;

function connect() {
  events?.close();
  events = null;
  if (document.hidden) return;
  const mine = new EventSource("/live");
  events = mine;
  mine.onmessage = () => {
    tellLost(false);
    changed();
  };
  mine.onerror = () => {
    if (mine !== events) return;
    tellLost(true);
    if (mine.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS); // otherwise it tries by itself
  };
}

addEventListener("pagehide", () => events?.close());
addEventListener("pageshow", (event) => event.persisted && connect()); // back from the browser's own store of pages
document.addEventListener("visibilitychange", connect);
connect();

// ---- searching while somebody types

let typing = null;

async function search(form) {
  clearTimeout(typing);
  const url = `${new URL(form.action).pathname}?${new URLSearchParams(new FormData(form))}`;
  history.replaceState(null, "", url);
  try {
    const { page, isLate } = await ask(url);
    if (isLate) return;
    show(page);
    said.textContent = (document.getElementById("count") ?? document.querySelector("#found .empty"))?.textContent ?? "";
  } catch {
    // the next key asks again
  }
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest("[data-search]");
  clearTimeout(typing);
  if (form) typing = setTimeout(search, TYPING_MS, form);
});

// ---- corrections

async function send(form, button) {
  const box = "empties" in form.dataset ? form.elements.bibs : null;
  const sent = box?.value;
  try {
    const { page, isLate } = await ask(form.action, posted(form, button));
    if (!isLate) show(page);
    tellTrouble(null);
    const bibs = [...document.querySelectorAll("#bibs .chips a")].map((one) => one.textContent);
    said.textContent = `Shows ${bibs.join(", ") || "no bib"}.`;
    if (box && box.value === sent) box.value = ""; // and not what is typed already for the next time
    setTimeout(refresh, LINKED_MS);
  } catch (error) {
    tellTrouble(error);
  }
}

const posted = (form, button) => ({ method: "POST", body: new URLSearchParams(new FormData(form, button)) });

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const { dataset } = form;
  if (!("search" in dataset || "quiet" in dataset || "goes" in dataset)) return;
  event.preventDefault();
  if ("search" in dataset) search(form);
  else if ("quiet" in dataset) send(form, submitter);
  else go(form.action, posted(form, submitter));
});

// ---- keys

function press(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = main.querySelector("[data-keys]")?.dataset.keys;
  const typed = document.getElementById("typed");
  const isTyping = target.matches?.("input, textarea");
  const isFree = !isTyping || target.value === "";
  const submit = (what) => typed.form.requestSubmit(typed.form.querySelector(`button[value=${what}]`));
  const act = (does) => {
    event.preventDefault();
    does();
  };
  if (key === "/" && !isTyping) {
    const box = document.querySelector("[data-search] input");
    act(() => (box ? box.select() : location.assign("/find")));
  } else if (keys === "photo" && typed && key === "Enter" && event.shiftKey && target === typed) {
    act(() => submit("set"));
  } else if (keys === "photo" && typed && key === "u" && isFree) {
    act(() => submit("undo"));
  } else if (keys === "photo" && isFree && (key === "ArrowLeft" || key === "ArrowRight")) {
    act(() => document.getElementById(key === "ArrowLeft" ? "before" : "after")?.click());
  } else if (keys === "review" && key === "Escape") {
    act(() => document.getElementById("after")?.click());
  } else if (keys && typed && !isTyping && /^[0-9A-Za-z]$/.test(key)) {
    typed.focus(); // the key itself then lands in the box
  }
}

document.addEventListener("keydown", press);

document.addEventListener("click", (event) => {
  const { target } = event;
  const link = target.closest("a[data-goes]");
  const put = target.closest("[data-put]");
  const copy = target.closest("[data-copy]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(link.href);
  } else if (put) {
    const typed = document.getElementById("typed");
    typed.value = put.dataset.put;
    typed.focus();
  } else if (copy) {
    copyPath(copy);
  }
});

async function copyPath(button) {
  const source = document.getElementById(button.dataset.copy);
  source.select();
  try {
    await navigator.clipboard.writeText(source.value);
  } catch {
    document.execCommand("copy"); // where the page is not served from this machine, browsers allow nothing else
  }
  said.textContent = button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy path"), 2000);
}

main.querySelector("[data-select]")?.select();
