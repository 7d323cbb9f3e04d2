// The SQL editor of a clip's form: the textarea stays, holds the text and is sent; this stands in
// front of it. Without this file the textarea is the editor.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { PostgreSQL, SQLDialect, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

// DuckDB speaks PostgreSQL's SQL and more; what an analyst reaches for is in its words.
const DuckDB = SQLDialect.define({
  ...PostgreSQL.spec,
  keywords: `${PostgreSQL.spec.keywords} qualify pivot unpivot asof semi anti exclude replace positional sample describe summarize`,
  types: `${PostgreSQL.spec.types} hugeint ubigint uinteger blob double struct map list timestamptz`,
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--code-word)", fontWeight: "550" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: "var(--ink-faint)", fontStyle: "italic" },
  { tag: tags.typeName, color: "var(--code-number)" },
  { tag: tags.special(tags.name), color: "var(--accent-strong)" },
]);

const looks = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--card)", fontSize: "14px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { padding: "10px 0", minHeight: "260px", caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "transparent", border: "none", color: "var(--ink-faint)" },
  ".cm-activeLine": { backgroundColor: "rgb(127 127 127 / 7%)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--select) !important" },
  ".cm-matchingBracket": { backgroundColor: "var(--select) !important", outline: "none" },
  ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--ink)", border: "1px solid var(--line-strong)", borderRadius: "6px", boxShadow: "var(--shadow-high)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16em" },
  ".cm-completionDetail": { marginLeft: "1em", color: "inherit", opacity: ".65", fontStyle: "normal" },
  ".cm-panels": { backgroundColor: "var(--sunk)", color: "var(--ink)" },
  ".cm-diagnostic": { fontFamily: "var(--text)", whiteSpace: "pre-wrap" },
});

// What can be completed, as the page's address of the schema tells it: {schema: {table: {column: type}}}.
function completions(schemas) {
  const known = {};
  for (const [schema, tables] of Object.entries(schemas)) {
    known[schema] = {};
    for (const [table, columns] of Object.entries(tables)) {
      known[schema][table] = Object.entries(columns).map(([label, detail]) => ({ label, detail, type: "property" }));
    }
  }
  return known;
}

function mount(textarea, { run, save }) {
  const host = document.createElement("div");
  host.className = "editor";
  textarea.before(host);
  textarea.hidden = true;
  // Inside a shadow root styles are adopted as objects, which a strict policy for contents allows.
  const root = host.attachShadow({ mode: "open" });
  const language = new Compartment();
  const speak = (schema) => sql({ dialect: DuckDB, schema, upperCaseKeywords: true });
  let leavesOnTab = false; // Escape, then Tab, leaves the field: nobody is caught in it

  const keys = Prec.highest(keymap.of([
    { key: "Mod-Enter", run: () => { run(); return true; } },
    { key: "Mod-s", run: () => { save(); return true; } },
    { key: "Tab", run: (view) => !leavesOnTab && acceptCompletion(view) },
    { key: "Ctrl-Space", run: startCompletion },
  ]));
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        keys,
        lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
        autocompletion({ icons: false }), highlightActiveLine(), highlightSelectionMatches(), lintGutter(),
        indentUnit.of("  "), EditorState.tabSize.of(2), EditorView.lineWrapping,
        placeholder("SELECT …"),
        syntaxHighlighting(colours), looks, language.of(speak({})),
        EditorView.contentAttributes.of({ "aria-label": "SQL", spellcheck: "false", autocapitalize: "off" }),
        EditorView.domEventHandlers({
          keydown(event, shown) {
            if (event.key === "Escape") leavesOnTab = true;
            else if (event.key === "Tab") return leavesOnTab; // the browser moves on
            else if (event.key !== "Shift") leavesOnTab = false;
            return false;
          },
        }),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          textarea.value = update.state.doc.toString();
          textarea.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  const observed = document.querySelector(`label[for="${textarea.id}"]`);
  observed?.addEventListener("click", () => view.focus());

  return {
    view,
    learn: (schemas) => view.dispatch({ effects: language.reconfigure(speak(completions(schemas))) }),
    insert(text) {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    },
    replace(text) {
      if (text === view.state.doc.toString()) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    },
    selected: () => view.state.sliceDoc(view.state.selection.main.from, view.state.selection.main.to),
    // Where the engine says the mistake is; without a mark, none.
    mark(mistake) {
      const marks = [];
      if (mistake && mistake.line <= view.state.doc.lines) {
        const line = view.state.doc.line(mistake.line);
        const from = Math.min(line.from + mistake.column, line.to);
        const word = view.state.wordAt(from);
        marks.push({ from: word ? word.from : Math.max(line.from, from - 1), to: word ? word.to : line.to, severity: "error", message: mistake.message });
      }
      view.dispatch(setDiagnostics(view.state, marks));
    },
    focus: () => view.focus(),
  };
}

window.turnoutEditor = mount;
