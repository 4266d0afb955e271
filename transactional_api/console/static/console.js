"use strict";
// Keyboard shortcuts. Every action is a link or a button of the page, so the console works without this file.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const current = () => document.querySelector("[data-item].current");

  function move(step) {
    const items = all("[data-item]");
    if (!items.length) return;
    const at = items.indexOf(current());
    const next = items[Math.min(items.length - 1, Math.max(0, at + step))];
    items.forEach((item) => item.classList.toggle("current", item === next));
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function choose(key) {
    const target = (current() ?? document).querySelector(`[data-key="${key}"]:not(:disabled)`);
    if (!target) return;
    if (target.type === "radio") {
      target.checked = true;
      document.querySelector("[data-focus]")?.focus();
    } else {
      target.focus();
    }
  }

  function showShortcuts() {
    const dialog = document.getElementById("shortcuts");
    if (dialog && !dialog.open) dialog.showModal();
  }

  const actions = {
    j: () => move(1),
    k: () => move(-1),
    o: () => current()?.querySelector("[data-open]")?.click(),
    u: () => document.querySelector("[data-up]")?.click(),
    a: () => (current() ?? document).querySelector("[data-assign]")?.click(),
    "?": showShortcuts,
  };

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=radio]), textarea, select, [contenteditable], dialog");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (/^[1-9]$/.test(event.key)) choose(event.key);
    else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-shortcuts]")) showShortcuts();
  });
  // A page that refreshes itself keeps its content while the console does not answer, and leads to the login at its end.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    const isLogin = new URL(xhr.responseURL).pathname === "/console/login";
    if (isLogin && location.pathname !== "/console/login") {
      event.detail.shouldSwap = false;
      location.assign(xhr.responseURL);
    } else if (xhr.status >= 400 && !requestConfig.boosted) {
      event.detail.shouldSwap = false;
    }
  });
  const showHints = () => all("[data-shortcuts]").forEach((hint) => { hint.hidden = false; });
  document.addEventListener("DOMContentLoaded", showHints);
  document.addEventListener("htmx:afterSettle", showHints);
})();
