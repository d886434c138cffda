// Every figure of the page with its values under the pointer: Vega-Lite from the panels of descent/lab/vega.py.
// Without this script the still figures stay.
"use strict";

const INK = "#000000"; // what is predicted takes the colour of the text, also on a dark page
const DASHES = { solid: [1, 0], dashed: [6, 4], dotted: [2, 3] };
const SHAPES = {
  circle: "circle", square: "square", diamond: "diamond", triangle: "triangle-up",
  cross: "M-.8,-.8L.8,.8M-.8,.8L.8,-.8",
  star: "M0,-1L.26,-.36L.95,-.31L.43,.14L.59,.81L0,.45L-.59,.81L-.43,.14L-.95,-.31L-.26,-.36Z",
};

const ink = (colour) => (colour === INK ? "currentColor" : colour);

// Words in lines of so many characters.
function lines(words, width) {
  const found = [""];
  for (const word of words.split(/\s+/)) {
    const last = found[found.length - 1];
    if (last && last.length + word.length >= width) found.push(word);
    else found[found.length - 1] = last ? `${last} ${word}` : word;
  }
  return found.length > 1 ? found : found[0];
}

// Vega-Lite writes the titles of a tooltip into an expression and escapes only their quotes.
const literal = (words) => words.replaceAll("\\", "\\\\");

function axis(panel, name, length) {
  const { label, scale, domain, ticks } = panel[name];
  const named = ticks && Object.fromEntries(ticks.map(([at, words]) => [at, words]));
  return {
    field: name, type: "quantitative", title: lines(label, length / enlarged(6.5)),
    axis: ticks ? { values: ticks.map(([at]) => at), labelExpr: `(${JSON.stringify(named)})[datum.value]` } : { tickCount: 6 },
    scale: {
      type: scale, ...(scale !== "log" && { zero: false }), nice: false,
      domain: [Math.min(...domain), Math.max(...domain)], reverse: domain[0] > domain[1],
    },
  };
}

// Short ticks without words, as in the still figure: the multiples of few powers of ten, or the powers of many.
function minorTicks({ scale, domain, ticks }) {
  const [low, high] = [Math.min(...domain), Math.max(...domain)];
  if (scale !== "log" || !ticks || ticks.some(([, words]) => !/^[1-9]?0*(\.0*[1-9])?$|10/.test(words))) return [];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, k) => first + k);
  const inside = powers.filter((k) => Number(`1e${k}`) >= low && Number(`1e${k}`) <= high).length;
  const digits = inside <= 6 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : inside <= 30 ? [1] : [];
  return powers.flatMap((k) => digits.map((digit) => Number(`${digit}e${k}`)))
    .filter((value) => value >= low && value <= high && !ticks.some(([at]) => at === value));
}

// Vega-Lite has one axis a side; the short ticks are a second one of Vega.
function withMinorTicks(drawn, panel) {
  for (const [scale, orient] of [["x", "bottom"], ["y", "left"]]) {
    const values = minorTicks(panel[scale]);
    if (values.length) drawn.axes.push({ scale, orient, values, labels: false, domain: false, grid: false, tickSize: 3, aria: false });
  }
  return drawn;
}

// A path that leaves a panel by more than a thousand widths is lost in some browsers.
function reachable(panel, name) {
  const { scale, domain } = panel[name];
  const [low, high] = [Math.min(...domain), Math.max(...domain)];
  const reach = scale === "linear" ? 1000 * (high - low) : Infinity;
  return (value) => (value === null || value === undefined ? value : Math.min(Math.max(value, low - reach), high + reach));
}

function rows(panel, mark, k) {
  const common = { curve: mark.label, colour: ink(mark.colour), width: 1.1 * mark.width, k };
  if (mark.at !== undefined) return [{ ...common, at: mark.at }];
  const look = mark.kind === "points" && {
    fill: mark.hollow ? "var(--paper)" : ink(mark.colour), size: 1.4 * mark.size ** 2, shape: SHAPES[mark.marker],
  };
  const [x, y] = [reachable(panel, "x"), reachable(panel, "y")];
  return mark.x.map((at, i) => ({
    ...common, ...look, x: x(at), y: y(mark.y?.[i] ?? null), x2: x(mark.x2?.[i]), y2: y(mark.y2?.[i]),
    low: y(mark.low?.[i]), high: y(mark.high?.[i]), words: mark.words, order: i,
  }));
}

function cells(mark) {
  return mark.z.flatMap((line, i) => line.map((z, j) => (
    { x: mark.x[j], x2: mark.x[j + 1], y: mark.y[i], y2: mark.y[i + 1], z })));
}

function layers(panel, { width, height }) {
  const [x, y] = [axis(panel, "x", width), axis(panel, "y", height)];
  const colour = { field: "colour", type: "nominal", scale: null };
  const format = (name) => `.${panel[name].digits - 1}~g`;
  const values = [x, y].map((a) => ({ field: a.field, type: "quantitative", title: literal(panel[a.field].label), format: format(a.field) }));
  const tooltip = [{ field: "curve", type: "nominal", format: "", formatType: "verbatim" }, ...values];
  const by = (kind, wanted = () => true) =>
    panel.marks.flatMap((mark, k) => (mark.kind === kind && wanted(mark) ? rows(panel, mark, k) : []));
  const layer = (data, mark, encoding, more) =>
    data.length ? [{ data: { values: data }, mark: { clip: true, ...mark }, encoding: { color: colour, ...encoding }, ...more }] : [];
  const mapped = panel.marks.some((mark) => mark.kind === "heat"); // a line over its colours has an edge of paper
  const strokes = (kind, type, encoding) => Object.keys(DASHES).flatMap((stroke) => {
    const drawn = by(kind, (mark) => mark.stroke === stroke);
    const edged = mapped ? drawn.map((row) => ({ ...row, colour: "var(--paper)", width: row.width + 2.5 })) : [];
    const whole = { ...encoding, strokeWidth: { field: "width", type: "quantitative", scale: null } };
    return [...layer(edged, { type, opacity: 0.8 }, whole), ...layer(drawn, { type, strokeDash: DASHES[stroke] }, whole)];
  });
  const heat = panel.marks.filter((mark) => mark.kind === "heat").flatMap((mark) => layer(
    cells(mark).filter((cell) => cell.z !== null), { type: "rect", strokeWidth: 0 }, {
      x, y, x2: { field: "x2" }, y2: { field: "y2" },
      color: {
        field: "z", type: "quantitative", title: mark.label,
        scale: { scheme: mark.diverging ? "redblue" : "viridis", reverse: mark.diverging, domain: mark.limits, zero: false, nice: false, clamp: true },
        legend: { orient: "bottom", direction: "horizontal", gradientLength: Math.min(200, width - 20), titleLimit: width },
      },
      tooltip: [...values, { field: "z", type: "quantitative", title: literal(mark.label || "value"), format: ".4~g" }],
    }));
  const words = (raised, look) => layer(by("text", (mark) => mark.raised === raised), { type: "text", lineBreak: "\n", clip: false, ...look }, { x, y, text: { field: "words" } });
  // Not what is outside the panel: its place here is not its value.
  const inside = (name, at) => at !== null && at >= Math.min(...panel[name].domain) && at <= Math.max(...panel[name].domain);
  const hover = [...by("line"), ...by("points")].filter((row) => inside("x", row.x) && inside("y", row.y));
  const near = { name: "near", select: { type: "point", on: "pointerover", nearest: true, clear: "pointerout" } };
  return [
    ...heat,
    ...layer(by("band"), { type: "area", opacity: 0.2, line: false },
      { x, y: { ...y, field: "low" }, y2: { field: "high" }, detail: { field: "k" } }),
    ...strokes("level", "rule", { y: { ...y, field: "at" }, tooltip: [tooltip[0], { ...values[1], field: "at" }] }),
    ...strokes("moment", "rule", { x: { ...x, field: "at" }, tooltip: [tooltip[0], { ...values[0], field: "at" }] }),
    ...strokes("segments", "rule", { x, y, x2: { field: "x2" }, y2: { field: "y2" } }),
    ...strokes("line", "line", { x, y, detail: { field: "k" }, order: { field: "order" } }), // closed curves too
    ...layer(by("points"), { type: "point", opacity: 1, strokeWidth: 1.2 }, {
      x, y, fill: { field: "fill", type: "nominal", scale: null }, shape: { field: "shape", type: "nominal", scale: null },
      size: { field: "size", type: "quantitative", scale: null },
    }),
    ...words(true, { dy: -8 }), ...words(false, { fontSize: 13 }),
    ...layer(hover, { type: "point", filled: true, size: 70 },
      { x, y, tooltip, opacity: { condition: { param: near.name, empty: false, value: 1 }, value: 0 } }, { params: [near] }),
  ];
}

// ---- Sliders: a closed form over what was measured.

const MOVED = ["#d81b60", "#9c4dcc"];
const COUNT = 300; // points of a curve

// Bare names in a formula: x is of a point, sliders and constants are signals, and lets stand for what they say.
function inlined(formula, moved) {
  let found = formula;
  for (const [name, words] of Object.entries(moved.lets).reverse()) {
    found = found.replace(new RegExp(`\\b${name}\\b`, "g"), `(${words})`);
  }
  return found.replace(/\bx\b/g, "datum.x");
}

const signals = (moved) => [
  ...moved.sliders.map(({ name, start }) => ({ name, value: start })),
  ...Object.entries(moved.constants).map(([name, value]) => ({ name, value })),
];

// Where a curve is computed: evenly as drawn, or at whole numbers.
function places({ scale, domain }, whole) {
  const bend = { log: [Math.log10, (v) => 10 ** v], symlog: [(v) => Math.sign(v) * Math.log1p(Math.abs(v)), (v) => Math.sign(v) * Math.expm1(Math.abs(v))] };
  const [there, back] = bend[scale] ?? [(v) => v, (v) => v];
  const [low, high] = [Math.min(...domain), Math.max(...domain)].map(there);
  const found = Array.from({ length: COUNT + 1 }, (_, i) => back(low + ((high - low) * i) / COUNT));
  return whole ? [...new Set(found.map(Math.round).filter((x) => x >= 0))] : found;
}

function predictions(panel, { x, y }, moved) {
  return moved.curves.map((curve, k) => {
    const calculate = inlined(curve.formula, moved);
    const look = { clip: true, strokeWidth: 2.5, strokeDash: [7, 3], color: MOVED[k] };
    if (curve.kind === "curve") {
      const values = places(panel.x, moved.whole).map((at) => ({ x: at }));
      const transform = [{ calculate, as: "y" }, { filter: panel.y.scale === "log" ? "isFinite(datum.y) && datum.y > 0" : "isFinite(datum.y)" }];
      return { data: { values }, transform, mark: { type: "line", ...look }, encoding: { x, y } };
    }
    const along = curve.kind === "level" ? { y: { ...y, field: "at" } } : { x: { ...x, field: "at" } };
    return { data: { values: [{}] }, transform: [{ calculate, as: "at" }], mark: { type: "rule", ...look }, encoding: along };
  });
}

function button(words, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", action);
  return made;
}

// What may be moved in one panel: a heading, what to try, and what the curves or dots are.
function levers(heading, title, attempt, named) {
  const group = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const words = document.createElement("p");
  legend.textContent = title ? `${heading}: ${title}` : heading;
  words.textContent = attempt;
  group.append(legend, words);
  for (const [look, label] of named) {
    const line = document.createElement("p");
    swatch(look, line);
    line.append(` ${label}`);
    group.append(line);
  }
  return group;
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A button that moves an input by itself, and pauses it: to its end, or once round to where it was. Who wants less
// motion gets a button that goes on by a tenth.
function playback(symbol, input, seconds, round) {
  const [low, high, step] = [input.min, input.max, input.step].map(Number);
  const at = (value) => {
    input.value = value;
    input.dispatchEvent(new Event("input"));
  };
  const start = () => (Number(input.value) < high ? Number(input.value) : low);
  if (calm()) return button(`Next ${symbol}`, () => at(Math.min(start() + step * Math.ceil((high - low) / 10 / step - 1e-6), high)));
  const pressed = button(`Play ${symbol}`, () => (timer ? pause() : run()));
  let timer = null;
  function pause() {
    clearInterval(timer);
    timer = null;
    pressed.textContent = `Play ${symbol}`;
  }
  function run() {
    const [from, range] = [start(), high - low];
    const length = round ? range : high - from;
    let moved = 0;
    at(from);
    pressed.textContent = `Pause ${symbol}`;
    timer = setInterval(() => {
      moved = Math.min(moved + (0.06 / seconds) * range, length);
      at(round ? low + ((from - low + moved) % range) : from + moved);
      if (moved === length || !input.isConnected) pause();
    }, 60);
  }
  return pressed;
}

// One input with its symbol, its value in `words` and its button; `move` is told the value.
function lever(symbol, range, [seconds, round], words, move) {
  const together = document.createElement("span"); // in one line, where there is room
  const label = document.createElement("label");
  const input = document.createElement("input");
  const output = document.createElement("output");
  Object.assign(input, { type: "range", ...range });
  const say = (value) => {
    output.textContent = words(value);
    input.setAttribute("aria-valuetext", `${symbol} = ${output.textContent}`);
  };
  input.addEventListener("input", () => {
    say(Number(input.value));
    move(Number(input.value));
  });
  say(range.value); // not the nearest step to it, where the input stands
  together.className = "slider";
  label.append(`${symbol} `, input, output);
  together.append(label, playback(symbol, input, seconds, round));
  return together;
}

// The inputs of one panel; `move` is told the name and the value.
function controls(moved, title, move) {
  const named = moved.curves.map((curve, k) => [{ colour: MOVED[k], stroke: "dashed" }, curve.label]);
  const group = levers("Move the prediction", title, moved.attempt, named);
  for (const { name, symbol, low, high, start, step, scale } of moved.sliders) {
    const [there, back] = scale === "log" ? [Math.log10, (v) => 10 ** v] : [(v) => v, (v) => v];
    const range = { name, min: there(low), max: there(high), step: step ?? (there(high) - there(low)) / 200, value: there(start) };
    const words = (value) => Number(back(value).toPrecision(3)).toString();
    group.append(lever(symbol, range, [6, true], words, (value) => move(name, back(value))));
  }
  return group;
}

// ---- Animations: dots that move with time over what was measured.

const hasPlace = ({ scale }, at) => at !== null && (scale !== "log" || at > 0);

// One row a dot and frame; none of a dot that has no place on a logarithmic axis.
const dotted = (panel, dots) => dots.x.flatMap((line, frame) => line
  .map((at, i) => ({ frame, x: at, y: dots.y[frame][i] }))
  .filter((row) => hasPlace(panel.x, row.x) && hasPlace(panel.y, row.y)));

// The first frame that shows something: t = 0 has no place on a logarithmic axis.
const firstFrame = (panel, played) => Math.min(...played.dots.flatMap((dots) => dotted(panel, dots)[0]?.frame ?? []), played.times.length - 1);

const moving = (panel, { x, y }, played) => played.dots.map((dots, k) => ({
  data: { values: dotted(panel, dots) },
  transform: [{ filter: "datum.frame === frame" }],
  mark: { type: "point", filled: true, opacity: 1, size: 90, color: MOVED[k], stroke: "currentColor", strokeWidth: 1, clip: true },
  encoding: { x, y },
}));

// The input of time, which is played to its end.
function player(played, first, title, move) {
  const named = played.dots.map((dots, k) => [{ colour: MOVED[k], marker: "circle" }, dots.label]);
  const group = levers("Move the time", title, played.attempt, named);
  const range = { name: "frame", min: first, max: played.times.length - 1, step: 1, value: first };
  group.append(lever(played.symbol, range, [8, false], (frame) => played.times[frame], (frame) => move("frame", frame)));
  return group;
}

function svg(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function swatch({ colour, stroke, marker, hollow, area }, parent) {
  const shade = ink(colour);
  const box = svg("svg", { viewBox: "0 0 28 12", width: 28, height: 12, "aria-hidden": "true" }, parent);
  if (area) svg("rect", { width: 28, height: 12, fill: shade, opacity: 0.2 }, box);
  if (stroke) svg("path", { d: "M0 6H28", stroke: shade, "stroke-width": 2, "stroke-dasharray": stroke === "solid" ? "none" : DASHES[stroke].join(" ") }, box);
  if (!marker) return;
  const look = { fill: hollow ? "var(--paper)" : shade, stroke: shade, "stroke-width": 1.2, "vector-effect": "non-scaling-stroke" };
  const shapes = { circle: "M-1,0A1,1 0 1 1 1,0A1,1 0 1 1 -1,0Z", square: "M-.9,-.9H.9V.9H-.9Z", diamond: "M0,-1.2L1,0L0,1.2L-1,0Z", triangle: "M0,-1L1,.8H-1Z" };
  svg("path", { d: shapes[marker] ?? SHAPES[marker], transform: "translate(14 6) scale(4)", ...look }, box);
}

function legend(panel) {
  const list = document.createElement("ul");
  for (const entry of panel.legend) {
    const item = document.createElement("li");
    swatch(entry, item);
    item.append(entry.label);
    list.append(item);
  }
  return list;
}

// As wide as its column; a square panel, with one unit as long on both axes, as it comes out.
function sized(panel, room) {
  const height = enlarged(Math.min(300, Math.max(220, 0.68 * (room - 75))));
  if (!panel.square) return { width: room, height, autosize: { type: "fit-x", contains: "padding" } };
  const [across, up] = ["x", "y"].map((name) => Math.abs(panel[name].domain[1] - panel[name].domain[0]));
  const unit = Math.min((room - 85) / across, height / up);
  return { width: unit * across, height: unit * up, autosize: { type: "pad" } };
}

// Larger for a lecture: the words of a figure must be read from the back row.
const projected = () => document.documentElement.classList.contains("projector");
const enlarged = (size) => (projected() ? 1.7 * size : size);

const configured = () => ({
  background: null, customFormatTypes: true, font: "system-ui, sans-serif", view: { stroke: null },
  axis: {
    labelColor: "currentColor", titleColor: "currentColor", domainColor: "currentColor", tickColor: "currentColor",
    gridColor: "currentColor", gridOpacity: 0.12, labelFontSize: enlarged(11), titleFontSize: enlarged(12), titleFontWeight: 400,
    labelOverlap: "greedy", labelSeparation: 4,
  },
  legend: { labelColor: "currentColor", titleColor: "currentColor", titleFontWeight: 400, labelFontSize: enlarged(10), titleFontSize: enlarged(11) },
  text: { color: "currentColor", fontSize: enlarged(11) },
});

// A figure of a story shows what the figure of its experiment holds.
const origin = (figure) => (figure.dataset.of ? document.getElementById(figure.dataset.of).querySelector("figure") : figure);

function held(figure) {
  const script = origin(figure).querySelector("script");
  return script && JSON.parse(script.textContent);
}

const listing = (figure, name) => figure.classList.contains("hero") ? [] : JSON.parse(origin(figure).querySelector(`script.${name}`)?.textContent ?? "[]");

function still(figure) {
  const image = origin(figure).querySelector("img").cloneNode();
  figure.querySelector(".chart").append(image);
  figure.classList.add("live");
}

async function draw(figure) {
  const panels = held(figure);
  if (!panels) return still(figure);
  const place = figure.querySelector(".chart");
  const most = Math.max(1, Math.min(panels.length, Math.floor(figure.clientWidth / enlarged(320))));
  const columns = Math.ceil(panels.length / Math.ceil(panels.length / most)); // four panels where three fit: two and two
  place.style.setProperty("--columns", columns);
  const room = Math.min(enlarged(720), (figure.clientWidth - 16 * (columns - 1)) / columns);
  const [moves, plays] = [listing(figure, "moved"), listing(figure, "played")];
  const inputs = moves.length || plays.length ? document.createElement("div") : null;
  const cells = panels.map((panel, index) => {
    const cell = document.createElement("div");
    const title = document.createElement("p");
    const host = document.createElement("div");
    title.textContent = panel.title;
    cell.append(title, host, legend(panel));
    place.append(cell);
    const size = sized(panel, room);
    const moved = moves.find((one) => one.panel === index);
    const played = plays.find((one) => one.panel === index);
    const layer = layers(panel, size);
    const axes = { x: axis(panel, "x", size.width), y: axis(panel, "y", size.height) };
    if (moved) layer.push(...predictions(panel, axes, moved));
    if (played) layer.push(...moving(panel, axes, played));
    const first = played && firstFrame(panel, played);
    const params = [...(moved ? signals(moved) : []), ...(played ? [{ name: "frame", value: first }] : [])];
    const spec = { ...size, params, layer, resolve: { scale: { color: "independent" } } };
    // The tooltip of the nearest point forgets words that no formatter has touched.
    const expressionFunctions = { verbatim: (text) => text };
    const made = vegaEmbed(host, spec, { actions: false, renderer: "svg", config: configured(), expressionFunctions, patch: (drawn) => withMinorTicks(drawn, panel) });
    const move = (name, value) => made.then(({ view }) => view.signal(name, value).runAsync());
    const name = panels.length > 1 ? panel.title : "";
    if (moved) inputs.append(controls(moved, name, move));
    if (played) inputs.append(player(played, first, name, move));
    return made;
  });
  if (inputs) {
    inputs.className = "sliders";
    place.after(inputs); // not in what screen readers skip
  }
  figure.views = await Promise.all(cells);
  figure.classList.add("live");
}

function drawOnce(figure) {
  if (figure.dataset.drawn) return;
  figure.dataset.drawn = "yes";
  return draw(figure).catch((error) => {
    figure.querySelector(".chart").replaceChildren(); // the still figure stays
    console.error(error);
  });
}

const figures = document.querySelectorAll("figure[data-live]");
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    drawOnce(entry.target);
  }
}, { rootMargin: "300px" });
figures.forEach((figure) => watcher.observe(figure));

// In another size: what was drawn goes, and comes again when it is in sight.
function redraw() {
  for (const figure of figures) {
    figure.views?.forEach((view) => view.finalize());
    figure.querySelector(".chart").replaceChildren();
    figure.querySelector(".sliders")?.remove();
    figure.classList.remove("live");
    delete figure.views;
    delete figure.dataset.drawn;
    watcher.unobserve(figure);
    watcher.observe(figure);
  }
}
