// Keys: everything they do can be done without them, none starts or cancels anything, and they can be switched off.
"use strict";

(() => {
  const SWITCH = "headgate-keys", ROWS = "#result_list tbody tr, .hg-tasks > tbody > tr:not(.hg-below)";
  const TEXTS = [
    ["/", "Search"], ["j  k", "Next and previous row"], ["Enter", "Open the row"],
    ["t  m  l  g", "Tables, messages, log, timeline of a run"], ["f", "Failed only"], ["r", "Refresh"],
    ["c", "Copy the link to this page"], ["[  ]", "Previous and next run of the source, or page of the list"],
    ["?", "These keys"], ["Esc", "Close what is open"],
  ];
  const find = (selector) => [...document.querySelectorAll(selector)].find((element) => element.checkVisibility?.() ?? true);
  const press = (selector) => document.querySelector(selector)?.click();

  function enabled() {
    try { return localStorage.getItem(SWITCH) !== "off"; } catch { return true; }
  }

  function keep(on) {
    try { localStorage.setItem(SWITCH, on ? "on" : "off"); } catch { /* a browser that keeps nothing has keys on */ }
  }

  function say(text) {
    let line = document.getElementById("said");
    if (!line) {
      line = document.createElement("p");
      line.id = "said";
      line.setAttribute("role", "status");
      document.body.append(line);
    }
    line.textContent = text;
    setTimeout(() => { line.textContent = ""; }, 2000);
  }

  function step(by) {
    const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.checkVisibility?.() ?? true);
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
    if (!row) return;
    const link = row.querySelector("[data-open]") || row.querySelector("th a, td a");
    if (!link) row.tabIndex = -1;
    (link || row).focus();
  }

  function search() {
    const box = find("[data-key='/'], #searchbar, .hg-search input[type='search'], .hg-search input[name='q']") || find("#go-to");
    box?.focus();
    box?.select();
  }

  function failed() {
    if (document.querySelector("[data-key='f']")) press("[data-key='f']");
    else if (/\/runs\/run\/\d+\/change\/$/.test(location.pathname)) location.search = "?q=failed";
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(location.href);
      say("Link copied");
    } catch {
      say("The browser does not allow copying here");
    }
  }

  const WORK = {
    "/": search, j: () => step(1), k: () => step(-1), f: failed, r: () => location.reload(), c: copy, "?": list,
    t: () => press("#tab-tables"), m: () => press("#tab-messages"), l: () => press("#tab-log"), g: () => press("#tab-timeline"),
    "[": () => press("a[rel='prev']"), "]": () => press("a[rel='next']"),
  };

  function list() {
    const known = document.getElementById("keys");
    if (known) return known.showModal();
    const dialog = document.createElement("dialog");
    dialog.id = "keys";
    dialog.className = "hg-keys";
    dialog.setAttribute("aria-labelledby", "keys-title");
    dialog.innerHTML = '<h2 class="hg-title" id="keys-title">Keys</h2><dl></dl>' +
      '<label class="hg-switch"><input type="checkbox"> Use these keys in this browser</label>' +
      '<p><button type="button" class="hg-button">Close</button></p>';
    for (const [key, text] of TEXTS) {
      const term = document.createElement("dt"), told = document.createElement("dd");
      for (const one of key.split("  ")) term.append(Object.assign(document.createElement("kbd"), {textContent: one}), " ");
      told.textContent = text;
      dialog.querySelector("dl").append(term, told);
    }
    const box = dialog.querySelector("input");
    box.checked = enabled();
    box.addEventListener("change", () => keep(box.checked));
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
    document.body.append(dialog);
    return dialog.showModal();
  }

  function typing(element) {
    return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) && element.type !== "checkbox";
  }

  document.addEventListener("keydown", (event) => {
    const work = WORK[event.key];
    if (!work || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !enabled()) return;
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    work();
  });

  // The list of runs: how many are chosen, all of the page at once, and on a narrow screen its filters folded.
  function count() {
    const boxes = [...document.querySelectorAll("input[name='_selected_action']")], all = document.getElementById("choose-all");
    const line = document.getElementById("chosen-count"), chosen = boxes.filter((box) => box.checked).length;
    if (line) line.textContent = chosen ? `${chosen} of ${boxes.length} chosen` : "";
    if (all) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "choose-all") {
      for (const box of document.querySelectorAll("input[name='_selected_action']")) box.checked = event.target.checked;
    }
    if (event.target.id === "choose-all" || event.target.name === "_selected_action") count();
  });
  window.addEventListener("pageshow", count); // a browser that goes back keeps the boxes as they were

  document.addEventListener("DOMContentLoaded", () => {
    const folded = document.querySelector("details.hg-folded");
    if (folded && matchMedia("(max-width: 760px)").matches) folded.open = false;
    const foot = document.querySelector(".hg-go");
    if (!foot) return;
    const button = Object.assign(document.createElement("button"), {type: "button", className: "hg-keys-door", textContent: "?"});
    button.title = "Keys";
    button.setAttribute("aria-label", "Keys of the keyboard");
    button.addEventListener("click", list);
    foot.append(button);
  });
})();
