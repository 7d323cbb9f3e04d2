// Small comforts. Every page works without this file.
"use strict";

// Times are sent in UTC; show them in the reader's zone.
function localise(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (isNaN(moment)) continue;
    time.title = moment.toString();
    if (!time.hasAttribute("data-clock")) continue;
    const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (time.dataset.clock === "s") hour.second = "2-digit";
    const day = { day: "numeric", month: "short" };
    time.textContent = moment.toLocaleString(
      "en-GB", moment.toDateString() === today ? hour : { ...day, ...hour });
  }
}

// While something is being prepared, fetch the page again and put its content in place.
function refreshWhilePreparing() {
  const main = document.querySelector("main[data-refresh-s]");
  if (!main) return;
  setTimeout(async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (fresh && !main.contains(document.activeElement)) {
        main.replaceWith(fresh);
        begin(fresh);
        return;
      }
    } catch { /* the server restarts: try again */ }
    refreshWhilePreparing();
  }, 1000 * Number(main.dataset.refreshS));
}

function copyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      const text = field.value ?? field.textContent;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        field.select?.();
        document.execCommand("copy");
      }
      const word = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = word; }, 1500);
    });
  }
}

// The editor: the field itself, or the better one where it was bundled. Running and formatting
// change the page in place; without script they are ordinary forms.
function editor(root) {
  const form = root.querySelector("form[data-editor]");
  if (!form) return;
  const sql = form.elements.sql;
  const better = window.turnoutEditor?.(sql, { run: () => press("run"), save: () => press("save") });
  better ? learnSchema(better) : plainKeys(form, sql, press);
  keepDraft(form, sql, better);
  insertNames(root, (text) => {
    if (better) return better.insert(text);
    sql.focus();
    sql.setRangeText(text, sql.selectionStart, sql.selectionEnd, "end");
  });
  mark();

  function press(action) {
    form.requestSubmit(form.querySelector(`button[value="${action}"]`));
  }

  let asked = null;
  form.addEventListener("submit", async (event) => {
    const action = event.submitter?.value;
    if (action === "stop") {
      event.preventDefault();
      return asked?.abort();
    }
    if (action === "save") return localStorage.removeItem(draftName(form));
    event.preventDefault();
    asked?.abort();
    const mine = asked = new AbortController();
    form.elements.selection.value = action === "run" && better ? better.selected().trim() : "";
    form.classList.add("is-running");
    try {
      const body = new FormData(form, event.submitter);
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, signal: mine.signal });
      if (answer.redirected) return location.assign(answer.url); // signed out
      show(await answer.text(), action);
    } catch (problem) {
      if (problem.name !== "AbortError") form.submit();
    } finally {
      if (mine === asked) form.classList.remove("is-running");
    }
  });

  function show(html, action) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const parts = action === "run" ? [".result", "[data-choices]"] : [".result"];
    for (const part of parts) {
      const fresh = page.querySelector(part);
      if (fresh) root.querySelector(part)?.replaceChildren(...fresh.childNodes);
    }
    const text = page.querySelector("textarea[name=sql]")?.value;
    if (action === "format" && text && !page.querySelector("[data-mistake]")) {
      sql.value = text;
      better?.replace(text);
    }
    mark();
  }

  // The engine says "LINE 2: SELECT …" and under it, with a caret, where.
  function mark() {
    const message = root.querySelector("[data-mistake]")?.textContent ?? "";
    const found = message.match(/LINE (\d+): (.*)\n( *)\^/);
    const selected = form.elements.selection.value;
    if (!better) return;
    if (!found || selected) return better.mark(null);
    const line = Number(found[1]);
    const shown = found[2].replace(/^\.\.\.|\.\.\.$/g, "");
    const whole = sql.value.split("\n")[line - 1] ?? "";
    const begins = Math.max(0, whole.indexOf(shown.trim()));
    const caret = found[3].length - `LINE ${line}: `.length - (found[2].startsWith("...") ? 3 : 0);
    better.mark({ line, column: begins + caret - (shown.length - shown.trimStart().length), message: message.split("\n")[0] });
  }
}

async function learnSchema(better) {
  try {
    const answer = await fetch("/clips/schema.json");
    if (answer.ok) better.learn(await answer.json());
  } catch { /* without it nothing is completed */ }
}

function plainKeys(form, sql, press) {
  document.addEventListener("keydown", (event) => {
    const control = event.metaKey || event.ctrlKey;
    const action = control && event.key === "Enter" ? "run" : control && event.key.toLowerCase() === "s" ? "save" : "";
    if (!action) return;
    event.preventDefault();
    press(action);
  });
  let leavesOnTab = false; // Escape, then Tab, leaves the field: nobody is caught in it
  sql.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leavesOnTab = true;
    else if (event.key === "Tab" && !event.shiftKey && !leavesOnTab) {
      event.preventDefault();
      sql.setRangeText("  ", sql.selectionStart, sql.selectionEnd, "end");
    } else if (event.key !== "Shift") leavesOnTab = false;
  });
}

// What was written and not saved is kept in this browser, and offered when the form opens again.
const draftName = (form) => `turnout-draft-${form.dataset.editor}-${form.elements.version.value}`;

function keepDraft(form, sql, better) {
  const name = draftName(form);
  const kept = localStorage.getItem(name);
  const offer = form.querySelector("[data-draft]");
  if (kept && kept !== sql.value && offer) {
    offer.hidden = false;
    offer.querySelector("button").addEventListener("click", () => {
      sql.value = kept;
      better?.replace(kept);
      offer.hidden = true;
    });
  }
  const first = sql.value;
  sql.addEventListener("input", () => {
    if (sql.value === first) localStorage.removeItem(name);
    else localStorage.setItem(name, sql.value);
  });
}

// A table's name in the list of tables, put where the cursor is.
function insertNames(root, insert) {
  for (const button of root.querySelectorAll("button[data-insert]")) {
    button.hidden = false;
    button.addEventListener("click", () => insert(button.dataset.insert));
  }
}

function filterTables(root) {
  const field = root.querySelector("input[data-filter]");
  if (!field) return;
  field.hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const table of root.querySelectorAll("[data-name]")) {
      table.hidden = !table.dataset.name.includes(wanted);
    }
  });
}

// *Live*: while the page is seen, ask every two seconds for its rows; 304 when nothing came.
// Opening a row is a link too; here it changes the address and the rows, and nothing jumps.
const LOOK_EVERY_MS = 2000;

function followFeed(root) {
  const feed = root.querySelector("#feed[data-feed]");
  if (!feed) return;
  let etag = null, looking = null;
  const line = document.querySelector(".pulse-line");
  const word = document.querySelector("[data-following]");
  const spoken = word?.textContent;
  const reload = document.querySelector("[data-reload]");
  if (reload) reload.hidden = true;

  async function look() {
    looking?.abort();
    const asked = looking = new AbortController();
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(feed.dataset.feed, { headers, cache: "no-store", signal: asked.signal });
      if (answer.redirected || answer.status === 401) return location.reload(); // signed out
      say(answer.ok || answer.status === 304);
      if (!answer.ok) return;
      etag = answer.headers.get("ETag");
      show(await answer.text());
    } catch (problem) {
      if (problem.name !== "AbortError") say(false);
    }
  }

  function say(isThere) {
    line?.classList.toggle("is-away", !isThere);
    if (word) word.textContent = isThere ? spoken : "Turnout does not answer; trying again";
  }

  function show(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const known = new Set([...feed.querySelectorAll(".feed > li")].map((row) => row.id));
    if (known.size) {
      for (const row of page.querySelectorAll(".feed > li")) {
        if (!known.has(row.id)) row.classList.add("is-new");
      }
    }
    const focused = feed.contains(document.activeElement) && document.activeElement.closest("li")?.id;
    const scrolled = [...feed.querySelectorAll("pre")].map((text) => text.scrollTop);
    feed.replaceChildren(...page.body.childNodes);
    localise(feed);
    copyButtons(feed);
    feed.querySelectorAll("pre").forEach((text, place) => { text.scrollTop = scrolled[place] ?? 0; });
    if (focused) document.getElementById(focused)?.querySelector("a")?.focus({ preventScroll: true });
    const pause = document.querySelector("[data-pause]");
    const newest = feed.querySelector(".feed time");
    if (pause && newest) {
      const address = new URL(pause.href);
      address.searchParams.set("until", newest.dateTime.replace("+00:00", "Z"));
      pause.href = address;
    }
  }

  feed.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-open]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const address = new URL(link.href);
    history.replaceState(null, "", address);
    feed.dataset.feed = "/live/rows" + address.search;
    etag = null;
    look();
  });

  if ("paused" in feed.dataset) return;
  setInterval(() => {
    const isReading = feed.contains(getSelection()?.anchorNode) && !getSelection().isCollapsed;
    if (document.visibilityState === "visible" && !isReading) look();
  }, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look();
  });
}

// Parts of a page that change by themselves, such as how far a copy is.
const PART_EVERY_MS = 2000;

function followParts(root) {
  for (const part of root.querySelectorAll("[data-part]")) {
    let seen = part.innerHTML;
    setInterval(async () => {
      const isReading = part.contains(getSelection()?.anchorNode) && !getSelection().isCollapsed;
      if (document.visibilityState !== "visible" || isReading) return;
      if (part.contains(document.activeElement)) return;
      try {
        const answer = await fetch(part.dataset.part, { cache: "no-store" });
        if (answer.redirected || answer.status === 401) return location.reload(); // signed out
        if (!answer.ok) return;
        const text = await answer.text();
        if (text === seen) return;
        seen = text;
        const page = new DOMParser().parseFromString(text, "text/html");
        part.replaceChildren(...page.body.childNodes);
        localise(part);
        copyButtons(part);
      } catch { /* the server restarts: try again */ }
    }, PART_EVERY_MS);
  }
}

// A form whose answer takes seconds says so, and is not sent twice.
function slowForms(root) {
  for (const form of root.querySelectorAll("form[data-slow]")) {
    form.addEventListener("submit", () => {
      form.classList.add("is-running");
      setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
    });
  }
}

function begin(root) {
  localise(root);
  copyButtons(root);
  editor(root);
  filterTables(root);
  refreshWhilePreparing();
  followFeed(root);
  followParts(root);
  slowForms(root);
}

begin(document);
