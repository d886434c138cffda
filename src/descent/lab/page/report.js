// The page without this script is whole: the table unsorted, the figures still. With it the table of claims
// filters and sorts, and every figure that is nothing but curves shows its values under the pointer.
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
  filters.querySelector("output").textContent = `${shown} of ${body.rows.length} checks`;
}
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());

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
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));

// ---- The figures: Vega-Lite from the panels that the painters describe.

const INK = new Set(["#000000"]); // what is predicted takes the colour of the text, also on a dark page

const DASHES = { solid: [1, 0], dashed: [6, 4], dotted: [2, 3] };
const POWERS = "datum.value >= 0.001 && datum.value < 100000 ? format(datum.value, '~g') : format(datum.value, '.0e')";

function axis(panel, name) {
  const { label, scale, domain } = panel[name];
  const log = scale === "log";
  return {
    field: name, type: "quantitative", title: label, axis: { tickCount: 6, ...(log && { labelExpr: POWERS }) },
    scale: {
      type: ["log", "symlog"].includes(scale) ? scale : "linear", ...(!log && { zero: false }), nice: false,
      domain: [Math.min(...domain), Math.max(...domain)], reverse: domain[0] > domain[1],
    },
  };
}

function rows(mark, k) {
  const ink = INK.has(mark.colour) ? "currentColor" : mark.colour;
  const common = { curve: mark.label, colour: ink, fill: mark.hollow ? "var(--paper)" : ink, size: 1.4 * (mark.size ?? 25), k };
  if (mark.at !== undefined) return [{ ...common, at: mark.at }];
  return mark.x.map((x, i) => ({
    ...common, x, y: mark.y?.[i] ?? null, y2: mark.y2?.[i], x2: mark.x2?.[i], low: mark.low?.[i], high: mark.high?.[i], text: mark.text, raised: mark.raised,
  }));
}

function layers(panel, k) {
  const by = (kind, stroke) =>
    panel.marks.map((mark, i) => [mark, i]).filter(([mark]) => mark.kind === kind && (stroke === undefined || mark.stroke === stroke))
      .flatMap(([mark, i]) => rows(mark, i));
  const [x, y] = [axis(panel, "x"), axis(panel, "y")];
  const colour = { field: "colour", type: "nominal", scale: null };
  const values = [x, y].map((a) => ({ field: a.field, type: "quantitative", title: a.title, format: ".5~g" }));
  const tooltip = [{ field: "curve", type: "nominal", format: "", formatType: "verbatim" }, ...values];
  const layer = (data, mark, encoding, params) =>
    data.length ? [{ data: { values: data }, mark: { clip: true, ...mark }, encoding: { color: colour, ...encoding }, ...(params && { params }) }] : [];
  const lines = (stroke) => layer(by("line", stroke), { type: "line", strokeWidth: 1.8, strokeDash: DASHES[stroke] },
    { x, y, detail: { field: "k" }, order: { field: "order" } }).map((l) => {
    l.data.values.forEach((row, i) => (row.order = i)); // closed curves too, in their own order
    return l;
  });
  const rules = (kind, encoding) => Object.keys(DASHES).flatMap((stroke) =>
    layer(by(kind, stroke), { type: "rule", strokeDash: DASHES[stroke] }, encoding));
  const near = { name: `near${k}`, select: { type: "point", on: "pointerover", nearest: true, clear: "pointerout" } };
  const written = by("text");
  const hover = [...by("line"), ...by("points")].filter((row) => row.y !== null && row.x !== null);
  return [
    ...layer(by("band"), { type: "area", opacity: 0.2, line: false },
      { x, y: { ...y, field: "low" }, y2: { field: "high" }, detail: { field: "k" } }),
    ...rules("level", { y: { ...y, field: "at" }, tooltip: [tooltip[0], { ...values[1], field: "at" }] }),
    ...rules("moment", { x: { ...x, field: "at" }, tooltip: [tooltip[0], { ...values[0], field: "at" }] }),
    ...layer(by("segments"), { type: "rule" }, { x, y, x2: { field: "x2" }, y2: { field: "y2" } }),
    ...lines("solid"), ...lines("dotted"), ...lines("dashed"),
    ...layer(by("points"), { type: "point", opacity: 1 },
      { x, y, fill: { field: "fill", type: "nominal", scale: null }, size: { field: "size", type: "quantitative", scale: null } }),
    ...layer(written.filter((row) => row.raised), { type: "text", dy: -8 }, { x, y, text: { field: "text" } }),
    ...layer(written.filter((row) => !row.raised), { type: "text", fontSize: 13 }, { x, y, text: { field: "text" } }),
    ...layer(hover, { type: "point", filled: true, size: 70 },
      { x, y, tooltip, opacity: { condition: { param: near.name, empty: false, value: 1 }, value: 0 } }, [near]),
  ];
}

function legend(panel) {
  const seen = new Set();
  const list = document.createElement("ul");
  for (const mark of panel.marks) {
    if (!mark.label || seen.has(mark.label)) continue;
    seen.add(mark.label);
    const entry = document.createElement("li");
    const colour = INK.has(mark.colour) ? "currentColor" : mark.colour;
    const stroke = mark.kind === "points" ? "dotted" : mark.stroke;
    const swatch = document.createElement("span");
    swatch.style.cssText = `border-top:3px ${stroke} ${colour}`;
    entry.append(swatch, mark.label);
    list.append(entry);
  }
  return list;
}

async function draw(figure) {
  const panels = JSON.parse(figure.querySelector("script").textContent);
  const place = figure.querySelector(".chart");
  const room = figure.clientWidth;
  const columns = room < 640 ? 1 : panels.length;
  const config = {
    background: null, customFormatTypes: true, font: "system-ui, sans-serif", view: { stroke: null },
    title: { color: "currentColor", fontSize: 13, fontWeight: 600, anchor: "start" },
    axis: {
      labelColor: "currentColor", titleColor: "currentColor", domainColor: "currentColor", tickColor: "currentColor",
      gridColor: "currentColor", gridOpacity: 0.12, labelFontSize: 11, titleFontSize: 12, titleFontWeight: 400, labelOverlap: "greedy",
    },
    text: { color: "currentColor" },
  };
  const cells = panels.map((panel, k) => {
    const cell = document.createElement("div");
    const host = document.createElement("div");
    cell.append(host, legend(panel));
    place.append(cell);
    const width = Math.max(180, room / columns - 95);
    const spec = { width, height: Math.min(300, Math.max(220, 0.68 * width)), autosize: { type: "pad" }, title: { text: panel.title, limit: width + 40 }, layer: layers(panel, k) };
    // The tooltip of the nearest point forgets words that no formatter has touched.
    const expressionFunctions = { verbatim: (text) => text };
    return vegaEmbed(host, spec, { actions: false, renderer: "svg", config, expressionFunctions });
  });
  place.style.setProperty("--columns", columns);
  await Promise.all(cells);
  figure.classList.add("live");
}

function drawOnce(figure) {
  if (figure.dataset.drawn) return;
  figure.dataset.drawn = "yes";
  draw(figure).catch((error) => {
    figure.querySelector(".chart").replaceChildren(); // the still figure stays
    console.error(error);
  });
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    drawOnce(entry.target);
  }
}, { rootMargin: "300px" });
document.querySelectorAll("figure[data-live]").forEach((figure) => watcher.observe(figure));
filter();
