// Copying, running durations, and what the page says about its own freshness. Everything works without it.
"use strict";

(() => {
  const born = new WeakMap();
  let failures = 0;

  function words(seconds) {
    const minutes = Math.floor(seconds / 60), hours = Math.floor(seconds / 3600), days = Math.floor(seconds / 86400);
    const two = (value) => String(value).padStart(2, "0");
    if (seconds < 60) return `${seconds}\u00a0s`;
    if (minutes < 60) return `${minutes}\u00a0min\u00a0${two(seconds % 60)}\u00a0s`;
    return hours < 24 ? `${hours}\u00a0h\u00a0${two(minutes % 60)}\u00a0min` : `${days}\u00a0d\u00a0${hours % 24}\u00a0h`;
  }

  function tick() {
    for (const element of document.querySelectorAll("[data-seconds]")) {
      const told = element.dataset.seconds; // the server may tell anew
      if (born.get(element)?.told !== told) born.set(element, { told, at: performance.now() });
      element.textContent = words(Number(told) + Math.floor((performance.now() - born.get(element).at) / 1000));
    }
  }

  function fresh(ok, time) {
    const line = document.getElementById("updated");
    if (!line) return;
    failures = ok ? 0 : failures + 1;
    const clock = line.querySelector(".hg-clock");
    if (ok && time) clock.textContent = time;
    line.firstChild.textContent = failures < 2 ? "Updated " : `${line.dataset.kept} `;
    line.classList.toggle("hg-lost", failures >= 2);
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy ?? new URL(button.dataset.copyAddress + window.location.search, window.location.href).href);
    } catch {
      return; // without the right to write to the clipboard the id can still be selected
    }
    const label = button.lastChild, before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, 1500);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-address]");
    if (button) copy(button);
    for (const open of document.querySelectorAll("details.hg-filter[open], details.hg-menu[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.hg-filter[open], details.hg-menu[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A session that has ended answers the login page: never put that into the run's page.
    if (event.detail.target.id === "run-top" && !new URL(event.detail.xhr.responseURL).pathname.endsWith("/live/")) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt.id === "run-top") fresh(event.detail.successful, event.detail.xhr.getResponseHeader("X-Read-At"));
  });

  function fold() {
    if (!window.matchMedia("(max-width: 640px)").matches) return;
    for (const quick of document.querySelectorAll("details.hg-quick")) quick.open = false; // so that the tabs come soon
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", fold); else fold();
  setInterval(tick, 1000);
})();
