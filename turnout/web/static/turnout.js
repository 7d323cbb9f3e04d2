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

function begin(root) {
  localise(root);
  copyButtons(root);
  editorKeys(root);
  insertNames(root);
  filterTables(root);
  refreshWhilePreparing();
}

begin(document);
