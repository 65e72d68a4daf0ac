"use strict";
// Everything here is an extra: the page reads without it.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    node.textContent = text;
    node.className = className;
    if (tag === "button") node.type = "button";
    return node;
  };

  // copy buttons
  const copy = async (code, button) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  for (const box of all(".command")) {
    const button = make("button", "Copy", "copy");
    button.setAttribute("aria-label", `Copy: ${box.textContent.trim()}`);
    button.addEventListener("click", () => copy(box.querySelector("code"), button));
    box.append(button);
  }

  // sortable columns
  const units = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600 };
  const key = (row, column) => {
    if (row.cells[column].dataset.sort) return row.cells[column].dataset.sort;
    const text = row.cells[column].textContent.trim().replace("−", "-").replace(/,/g, "");
    const match = /^[≥≤]?\s*(-?\d[\d.]*(?:e-?\d+)?)\s*([A-Za-zµ]*)/.exec(text.replace("e−", "e-"));
    return match ? parseFloat(match[1]) * (units[match[2]] ?? 1) : text.toLowerCase();
  };
  const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  const sort = (table, head, column) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => (down ? -1 : 1) * compare(a, b));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of all("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", "", "sort");
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, column));
      head.append(button);
    });
  }

  // filter: a verdict's own word matches only that verdict, anything else matches text; a facet matches one of a row's own numbers
  const field = document.getElementById("filter");  // a page without rows has none
  const matches = document.getElementById("matches");
  const rows = all("[data-row]");
  const words = new Set(all(".tally li[data-verdict]").map((item) => item.dataset.verdict));
  const facets = all(".tools select[data-facet]");
  const folds = new Map();
  const filter = () => {
    const query = field?.value.trim() ?? "";
    const open = query === "" && facets.every((facet) => facet.value === "");
    const within = (row) => facets.every((facet) => facet.value === "" || (row.dataset[facet.dataset.facet] ?? "").split(" ").includes(facet.value));
    const hits = (row) => within(row) && (words.has(query) ? row.dataset.verdict === query : row.textContent.toLowerCase().includes(query.toLowerCase()));
    let count = 0;
    for (const row of rows) {
      row.hidden = !open && !hits(row);
      count += !row.hidden;
    }
    for (const fold of all("details")) {
      if (!folds.has(fold)) folds.set(fold, fold.open);
      fold.open = open ? folds.get(fold) : folds.get(fold) || all("[data-row]:not([hidden])", fold).length > 0;
    }
    if (open) folds.clear();
    // a part of the page without a row that matches is out of the way meanwhile
    for (const block of all("[data-block]")) block.hidden = !open && all("[data-row]:not([hidden])", block).length === 0;
    if (matches) matches.textContent = open ? "" : `${count} of ${rows.length} rows`;
    all(".tally button").forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.word === query)));
  };
  for (const input of [field, ...facets].filter(Boolean)) input.addEventListener("input", filter);
  for (const item of all(".tally:not([aria-label=Runs]) li[data-verdict]")) {
    const button = make("button", "", "chip");
    button.dataset.word = item.dataset.verdict;
    button.setAttribute("aria-pressed", "false");
    button.append(...item.childNodes);
    button.addEventListener("click", () => {
      field.value = field.value === item.dataset.verdict ? "" : item.dataset.verdict;
      filter();
    });
    item.append(button);
  }

  // folds: all at once, for a link into one, and for paper
  const unfold = document.getElementById("unfold");
  unfold?.addEventListener("click", () => {
    const open = unfold.textContent === "Unfold all";
    all("details").forEach((fold) => { fold.open = open; });
    unfold.textContent = open ? "Fold all" : "Unfold all";
  });
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target?.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
  addEventListener("beforeprint", () => all("details.more").forEach((fold) => { fold.open = true; }));
  for (const tools of all(".tools")) tools.hidden = false;
})();
