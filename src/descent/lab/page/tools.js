// What a reader takes away: a link, a figure, its numbers; and how the page is shown to a room.
"use strict";

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const addressed = (id) => `${location.href.split("#")[0]}#${id}`;

async function copy(id, where) {
  history.replaceState(null, "", `#${id}`);
  const words = where.textContent;
  const written = navigator.clipboard ? navigator.clipboard.writeText(addressed(id)) : Promise.reject();
  const done = await written.then(() => "Copied", () => "It is in the address bar");
  where.textContent = done;
  setTimeout(() => (where.textContent = words), 2000);
}

const drawing = (image) => decodeURIComponent(image.src.slice(image.src.indexOf(",") + 1));

const quoted = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);

// One row a point of a mark: panel, curve, role, kind and its numbers as the figure has them.
function listed(panels) {
  const names = ["x", "y", "x2", "y2", "low", "high", "at", "z"];
  const rows = [["panel", "x axis", "y axis", "curve", "role", "kind", ...names]];
  for (const panel of panels) {
    for (const mark of panel.marks) {
      const first = [panel.title, panel.x.label, panel.y.label, mark.label || mark.words || "", mark.role, mark.kind];
      const points = mark.kind === "heat" ? cells(mark) : mark.at !== undefined ? [{ at: mark.at }]
        : mark.x.map((x, i) => ({ x, y: mark.y?.[i], x2: mark.x2?.[i], y2: mark.y2?.[i], low: mark.low?.[i], high: mark.high?.[i] }));
      for (const point of points) rows.push([...first, ...names.map((name) => point[name] ?? "")]);
    }
  }
  return rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

for (const article of document.querySelectorAll("article")) {
  const figure = article.querySelector("figure");
  const tools = document.createElement("div");
  tools.className = "tools";
  const link = button("Copy link", () => copy(article.id, link));
  tools.append(link, button("Figure (SVG)", () => save(`${article.id}.svg`, "image/svg+xml", drawing(figure.querySelector("img")))));
  if (figure.querySelector("script")) tools.append(button("Data (CSV)", () => save(`${article.id}.csv`, "text/csv", listed(held(figure)))));
  figure.after(tools);
}

// ---- The projector: large type, and a screen a step of a story.

const projector = document.querySelector("button.projector");
projector.hidden = false;
projector.addEventListener("click", () => {
  const on = document.documentElement.classList.toggle("projector");
  projector.setAttribute("aria-pressed", on);
  redraw();
});

// ---- The menu says where one is.

const entries = new Map(Array.from(document.querySelectorAll("nav a"), (link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver((found) => {
  for (const { target, isIntersecting } of found) {
    if (!isIntersecting) continue;
    for (const link of entries.values()) link.removeAttribute("aria-current");
    const link = entries.get(target.id);
    link.setAttribute("aria-current", "true");
    const box = link.closest("nav > ul");
    if (box.scrollWidth > box.clientWidth) box.scrollLeft = link.offsetLeft - box.offsetLeft - 40;
  }
}, { rootMargin: "-10% 0px -85%" });
for (const id of entries.keys()) seen.observe(document.getElementById(id));
