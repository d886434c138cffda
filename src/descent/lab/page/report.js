// The page without this script is whole: the table unsorted. With it the table of claims filters and sorts.
"use strict";

// ---- The table of claims.

const table = document.querySelector("#claims");
const body = table.tBodies[0];
const filters = document.querySelector("form.filters");
filters.hidden = false;

function filter() {
  const { text, family, verdict } = Object.fromEntries(new FormData(filters));
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of body.rows) {
    const words = row.textContent.toLowerCase();
    row.hidden = !(
      (!family || row.dataset.family === family) &&
      (!verdict || row.dataset.verdict === verdict) &&
      wanted.every((word) => words.includes(word))
    );
    shown += !row.hidden;
  }
  filters.querySelector("output").textContent = `${shown} of ${body.rows.length} claims`;
}

// What is filtered stands behind the # of the address, so that it can be sent: #claims?text=rank&family=sensing.
const FILTERED = "#claims?";

function filtered() {
  const chosen = [...new FormData(filters)].filter(([, value]) => value);
  const address = chosen.length ? FILTERED + new URLSearchParams(chosen) : "#all-claims";
  history.replaceState(null, "", address);
  filter();
}

function fromAddress() {
  if (!location.hash.startsWith(FILTERED)) return;
  const chosen = new URLSearchParams(location.hash.slice(FILTERED.length));
  for (const field of filters.elements) if (field.name) field.value = chosen.get(field.name) ?? "";
  for (const field of filters.querySelectorAll("select")) if (field.selectedIndex < 0) field.value = "";
  filter();
  document.querySelector("#all-claims").scrollIntoView();
}
filters.addEventListener("input", filtered);
filters.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", fromAddress);

function value(cell) {
  return cell.dataset.value === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.value);
}

function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b);
  return Number.isNaN(a) - Number.isNaN(b) || a - b || 0;
}

function sort(header) {
  const rising = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentNode.cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = Array.from(body.rows, (row) => [value(row.cells[header.cellIndex]), row]);
  rows.sort(([a], [b]) => (rising ? compare(a, b) : compare(b, a)));
  body.append(...rows.map(([, row]) => row));
}

for (const header of table.tHead.rows[0].cells) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = header.textContent;
  button.addEventListener("click", () => sort(header));
  header.replaceChildren(button);
}

// A link to an experiment, and a print, open what is folded.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((d) => (d.open = true));
  document.querySelectorAll("img").forEach((image) => (image.loading = "eager"));
});

filter();
fromAddress();
