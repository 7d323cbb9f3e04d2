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

// Where the cursor was when a run was asked for by key; the page comes back with its result.
const CURSOR = "turnout-cursor";

function editorKeys(root) {
  const form = root.querySelector("form[data-editor]");
  if (!form) return;
  const sql = form.elements.sql;
  const cursor = sessionStorage.getItem(CURSOR);
  sessionStorage.removeItem(CURSOR);
  if (cursor !== null) {
    sql.focus({ preventScroll: true });
    sql.setSelectionRange(Number(cursor), Number(cursor));
  }
  document.addEventListener("keydown", (event) => {
    const control = event.metaKey || event.ctrlKey;
    if (control && event.key === "Enter") press(event, "run");
    if (control && event.key.toLowerCase() === "s") press(event, "save");
  });
  let leavesOnTab = false; // Escape, then Tab, leaves the field: nobody is caught in it
  sql.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leavesOnTab = true;
    else if (event.key === "Tab" && !event.shiftKey && !leavesOnTab) {
      event.preventDefault();
      sql.setRangeText("  ", sql.selectionStart, sql.selectionEnd, "end");
    } else if (event.key !== "Shift") leavesOnTab = false;
  });
  function press(event, action) {
    event.preventDefault();
    if (document.activeElement === sql) sessionStorage.setItem(CURSOR, sql.selectionStart);
    form.requestSubmit(form.querySelector(`button[value="${action}"]`));
  }
  form.addEventListener("submit", () => form.classList.add("is-running"));
}

// A table's name in the list of tables, put where the cursor is.
function insertNames(root) {
  const sql = root.querySelector("form[data-editor] textarea[name=sql]");
  for (const button of root.querySelectorAll("button[data-insert]")) {
    button.hidden = !sql;
    button.addEventListener("click", () => {
      sql.focus();
      sql.setRangeText(button.dataset.insert, sql.selectionStart, sql.selectionEnd, "end");
    });
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
  editorKeys(root);
  insertNames(root);
  filterTables(root);
  refreshWhilePreparing();
  followFeed(root);
  followParts(root);
  slowForms(root);
}

begin(document);
