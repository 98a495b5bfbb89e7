// Live refresh of an open run: how often, how fresh, what is new. Nodes that did not change are left alone, so that
// focus, scroll, selection and open panels stay. Everything can be seen without it, by a reload.
"use strict";

(() => {
  let page = null; // what is asked again, once the document is read: this script stands in its head
  const HIDDEN = 60, PATIENCE = 15, SAY = 10, LOST_AFTER = 2; // seconds, but for the last: failures in a row
  const held = new Set(); // ids of new rows that wait behind the button
  let etag = "", have = "", seen = "", seconds = 3;
  let readAt = performance.now(), readClock = "", failures = 0, over = false, timer = 0, asking = false;
  let toSay = "", saidAt = -SAY * 1000, sayTimer = 0;

  const byId = (id) => document.getElementById(id);

  // --- changing the page as little as can be

  function sameKind(one, other) {
    return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
  }

  function attributes(from, to) {
    const own = (name) => (name === "open" && from.nodeName === "DETAILS") || (name === "hidden" && held.has(from.id));
    for (const { name, value } of to.attributes) {
      if (!own(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) if (!own(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  }

  function morph(from, to) {
    if (from.isEqualNode(to) || from.dataset?.keep !== undefined) return;
    if (from.nodeType !== Node.ELEMENT_NODE) { from.data = to.data; return; }
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(from.nodeName) && from.type !== "hidden") return; // somebody may be typing
    attributes(from, to);
    const named = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
    let next = from.firstChild;
    for (const child of [...to.childNodes]) {
      const match = child.id ? named.get(child.id) : next && sameKind(next, child) ? next : null;
      if (match && match.nodeName === child.nodeName) {
        if (match === next) next = next.nextSibling; else from.insertBefore(match, next);
        morph(match, child);
      } else from.insertBefore(child, next);
    }
    while (next) { const gone = next; next = next.nextSibling; gone.remove(); }
  }

  function focusKept(change) {
    const active = document.activeElement, id = active?.id;
    change();
    if (!active || active === document.body || document.activeElement === active) return;
    const again = active.isConnected ? active : id && byId(id);
    if (again) again.focus({ preventScroll: true });
  }

  // --- new rows, while one reads further down

  const rowIds = () => [...document.querySelectorAll("#run-panel .hg-tasks > tbody > tr[id]")].map((row) => row.id);

  function holdBack(before) {
    const panel = byId("run-panel"), button = byId("show-new");
    if (!button || !before.size || panel.getBoundingClientRect().top >= 0) return;
    for (const id of rowIds()) if (!before.has(id)) held.add(id);
    for (const id of [...held]) { const row = byId(id); if (row) row.hidden = true; else held.delete(id); }
    button.hidden = held.size === 0;
    button.textContent = held.size === 1 ? "1 new task" : `${held.size} new tasks`;
  }

  function showHeld() {
    const first = byId([...held][0]);
    for (const id of held) { const row = byId(id); if (row) row.hidden = false; }
    held.clear();
    byId("show-new").hidden = true;
    first?.scrollIntoView({ block: "center" });
  }

  // --- what is said about freshness, and aloud

  function fresh() {
    const words = byId("run-fresh-words"), again = byId("run-again");
    if (!words) return;
    const lost = failures >= LOST_AFTER, passed = Math.round((performance.now() - readAt) / 1000);
    words.parentElement.classList.toggle("hg-lost", lost);
    again.hidden = !lost;
    if (lost) words.textContent = `Connection lost, showing data of ${readClock}.`;
    else if (over) words.textContent = `As it ended. Read at ${readClock}.`;
    else words.textContent = passed < 60 ? `Updated ${passed} s ago` : `Updated ${Math.floor(passed / 60)} min ago`;
  }

  function say(text) {
    toSay = text;
    clearTimeout(sayTimer);
    const wait = Math.max(0, SAY * 1000 - (performance.now() - saidAt));
    sayTimer = setTimeout(() => {
      const voice = byId("run-said");
      if (voice && voice.textContent !== toSay) { voice.textContent = toSay; saidAt = performance.now(); }
    }, wait);
  }

  function follow() {
    const log = document.querySelector("[data-follow]");
    if (log) log.scrollTop = log.scrollHeight;
  }

  // --- asking

  function show(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const said = holder.content.querySelector("#run-said");
    const before = new Set(rowIds());
    focusKept(() => {
      for (const part of holder.content.children) { const shown = byId(part.id); if (shown) morph(shown, part); }
    });
    holdBack(before);
    if (said && said.textContent.trim() !== byId("run-said")?.textContent.trim()) say(said.textContent.trim());
    follow();
    document.dispatchEvent(new CustomEvent("hg:updated"));
  }

  async function ask() {
    const query = window.location.search;
    if (query !== seen) { etag = have = ""; seen = query; } // another tab or search is open by now
    const headers = { "X-Have": have, ...(etag && { "If-None-Match": etag }) };
    const answer = await fetch(page.dataset.live + query, {
      headers, cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE * 1000),
    });
    if (!new URL(answer.url).pathname.endsWith("/live/")) { window.location.reload(); return; } // signed out
    if (answer.status !== 304 && answer.status !== 200 && answer.status !== 286) throw new Error(String(answer.status));
    const html = answer.status === 304 ? "" : await answer.text();
    if (window.location.search !== query) return; // a search has been typed meanwhile: the next look is for that
    if (html) show(html);
    over = answer.status === 286;
    etag = answer.headers.get("ETag") || "";
    have = answer.headers.get("X-Fragments") || have;
    seconds = Number(answer.headers.get("X-Poll-Seconds")) || seconds;
    readClock = answer.headers.get("X-Read-At") || readClock;
    readAt = performance.now();
  }

  async function look() {
    if (asking || over) return;
    asking = true;
    clearTimeout(timer);
    try {
      await ask();
      failures = 0;
    } catch {
      failures += 1;
      if (failures === LOST_AFTER) say("Connection lost");
    }
    asking = false;
    fresh();
    if (!over) plan();
  }

  function plan() {
    const usual = document.hidden ? HIDDEN : Math.min(seconds * Math.max(1, failures), 30);
    timer = setTimeout(look, usual * 1000 * (0.9 + 0.2 * Math.random()));
  }

  function begin() {
    follow();
    page = document.querySelector("[data-live]");
    if (!page) return;
    seconds = Number(page.dataset.poll) || seconds;
    readClock = byId("run-fresh-words")?.textContent.match(/[\d:]{8}/)?.[0] || "";
    document.addEventListener("visibilitychange", () => { clearTimeout(timer); if (document.hidden) plan(); else look(); });
    document.addEventListener("hg:refresh", look);
    document.addEventListener("click", (event) => {
      if (event.target.closest("#run-again")) look();
      if (event.target.closest("#show-new")) showHeld();
    });
    setInterval(fresh, 1000);
    plan();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
})();
