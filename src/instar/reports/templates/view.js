const runs = JSON.parse(document.getElementById("runs").textContent);
const get = id => document.getElementById(id);
const several = runs.length > 1;
const colours = 8;
const place = "instar-view-" + runs.map(run => run.name).join(" ");
const state = Object.assign(
  {at: null, column: 0, row: 0, against: "input", zoom: null, slider: 50, smoothing: 0.6, log: false, difference: false, off: {}, refresh: true, y: 0},
  kept());

function kept() {
  try { return history.state?.[place] || JSON.parse(sessionStorage.getItem(place)) || {}; } catch { return {}; }
}
function keep() {
  state.y = scrollY;
  try { history.replaceState({[place]: state}, ""); } catch { /* too many in a short time */ }
  try { sessionStorage.setItem(place, JSON.stringify(state)); } catch { /* not allowed here */ }
}

// Samples: one position in time for all runs; each shows its last picture up to there.
const shown = runs.filter(run => run.samples.length && run.sheet);
const steps = [...new Set(shown.flatMap(run => run.samples.map(sample => sample.step)))].sort((a, b) => a - b);
const pictures = new Map();  // by address, so that scrubbing back does not read a file again
const sheets = new Map();

function position() {
  const at = state.at === null ? steps.length - 1 : steps.findLastIndex(step => step <= state.at);
  return Math.max(0, at);
}
function sample(run) {
  const step = steps[position()];
  return run.samples.findLast(one => one.step <= step) || run.samples[0];
}
function picture(source) {
  if (!pictures.has(source)) pictures.set(source, Object.assign(new Image(), {src: source, alt: ""}));
  return pictures.get(source);
}

function buildSamples() {
  get("over-time").hidden = !steps.length;
  get("no-samples").hidden = steps.length > 0;
  if (!steps.length) return;
  get("scrub").max = steps.length - 1;
  for (const run of shown) {
    const labels = make("div", {class: "labels"}, ...run.sheet.rows.map(row => make("span", {}, row.label)));
    const image = make("img", {alt: "samples of " + run.name + ": " + run.sheet.rows.map(row => row.label).join(", ")});
    // Pictures have labels at their right, which stand beside them here; older ones have none.
    image.addEventListener("load", () => { image.style.width = 100 * image.naturalWidth / run.sheet.width + "%"; });
    const tiles = make("div", {class: "tiles"}, image, make("span", {class: "chosen"}));
    tiles.style.maxWidth = Math.min(1200, run.sheet.width * (run.sheet.width < 700 ? 1.5 : 1)) + "px";
    const title = several ? [make("h3", {}, run.name + " ", make("span", {class: "soft step"}))] : [];
    get("sheets").append(make("div", {class: "sheet"}, ...title, labels, tiles));
    sheets.set(run, {image, tiles, title: title[0]});
    tiles.addEventListener("click", event => {
      Object.assign(state, tileAt(tiles, run.sheet, event));
      if (run.sheet.rows[state.row].what === "input") state.row = Math.min(rows.length - 1, state.row + 1);
      fillChoices();
      showSamples();
      get("close-up").scrollIntoView({block: "nearest"});
    });
  }
  get("scrub").addEventListener("input", event => { state.at = steps[event.target.value]; showSamples(); });
  get("play").addEventListener("click", play);
  for (const [id, key] of [["column", "column"], ["row", "row"]]) {
    get(id).addEventListener("change", event => { state[key] = Number(event.target.value); fillChoices(); showSamples(); });
  }
  for (const id of ["against", "zoom"]) {
    get(id).addEventListener("change", event => { state[id] = event.target.value; showSamples(); });
  }
  get("difference").addEventListener("change", event => { state.difference = event.target.checked; showSamples(); });
  fillChoices();
  showSamples();
}

function fillChoices() {
  const {columns, rows} = shown[0].sheet;
  state.column = Math.min(state.column, columns - 1);
  if (!rows[state.row] || rows[state.row].what === "input") state.row = rows.findIndex(row => row.what !== "input");
  fill("column", [...Array(columns).keys()].map(i => [i, i + 1]), state.column);
  fill("row", rows.map((row, i) => [i, rows[row.input].label + " " + row.label, row.what]).filter(one => one[2] !== "input"), state.row);
  const others = rows.map((row, i) => [i, row.label, row]).filter(([i, , row]) => row.what !== "input" && row.input === rows[state.row].input && i !== state.row);
  const earlier = steps.length > 1 ? [["first", "the first step"]] : [];
  fill("against", [["input", "its input"], ...earlier, ...others], state.against);
  state.against = get("against").value;
  const {w} = tile(shown[0].sheet, 0, 0);
  get("zoom").value = state.zoom ?? [4, 2, 1].find(by => w * by <= 384) ?? 1;
  get("difference").checked = state.difference;
}
function fill(id, options, chosen) {
  get(id).replaceChildren(...options.map(([value, text]) => make("option", {value}, String(text))));
  get(id).value = chosen;
  if (get(id).selectedIndex < 0) get(id).selectedIndex = 0;
}

function showSamples() {
  get("scrub").value = position();
  get("at").textContent = steps[position()].toLocaleString("en");
  get("scrub").setAttribute("aria-valuetext", "step " + steps[position()]);
  for (const [run, {image, tiles, title}] of sheets) {
    const one = sample(run);
    image.src = one.src;
    if (title) title.querySelector(".step").textContent = "step " + one.step.toLocaleString("en");
    const {x, y, w, h} = tile(run.sheet, state.row, state.column);
    frameAround(tiles.querySelector(".chosen"), run.sheet, {x, y, w, h});
  }
  showPairs();
  keep();
}

// Before and after: the tile over what it is compared with, cut at the slider.
function showPairs() {
  const box = get("pair");
  if (box.children.length !== shown.length) {
    box.replaceChildren(...shown.map(run => pairing(several ? run.name : "", slide)));
  }
  shown.forEach((run, i) => {
    const figure = box.children[i], [under, above] = figure.querySelectorAll("canvas");
    const row = Math.min(state.row, run.sheet.rows.length - 1), column = Math.min(state.column, run.sheet.columns - 1);
    const source = sample(run).src, input = run.sheet.rows[row].input;
    const [other, from] = state.against === "first" ? [row, run.samples[0].src] : [state.against === "input" ? input : Number(state.against), source];
    draw(above, run, source, row, column);
    draw(under, run, from, other, column);
    figure.querySelector(".over").classList.toggle("difference", state.difference);
    figure.querySelector("input").hidden = state.difference;
    const captions = figure.querySelectorAll("figcaption span");
    captions[0].textContent = run.sheet.rows[row].label;
    captions[1].textContent = state.against === "first" ? "at the first step" : run.sheet.rows[other].label;
  });
  slide(state.slider);
}
function draw(canvas, run, source, row, column) {
  paint(canvas, picture(source), tile(run.sheet, row, column), Number(get("zoom").value));
}
function slide(value) {
  state.slider = Math.max(0, Math.min(100, Number(value)));
  slideAll(get("pair"), state.slider);
  keep();
}
let playing = null;
function play() {
  clearInterval(playing);
  const on = get("play").getAttribute("aria-pressed") !== "true";
  get("play").setAttribute("aria-pressed", on);
  get("play").textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (position() === steps.length - 1) state.at = steps[0];
  showSamples();
  playing = setInterval(() => {
    if (position() >= steps.length - 1) { play(); return; }
    state.at = steps[position() + 1];
    showSamples();
  }, 500);
}

// Curves: of one run the terms of an objective together, of several each term with a line for each run.
// Norms of gradients have a scale of their own, and so a chart of their own.
const NORM = "grad_norm";
function charts() {
  const found = [];
  const groups = [...new Set(runs.flatMap(run => Object.keys(run.curves)))];
  for (const group of groups) {
    const terms = [...new Set(runs.flatMap(run => Object.keys(run.curves[group] || {})))];
    if (several) {
      for (const term of terms) found.push({title: (group ? group + "/" : "") + term, lines: runs.map((run, i) => line(run.name, i, run.curves[group]?.[term]))});
    } else {
      found.push({title: group || "Other numbers", lines: terms.filter(term => term !== NORM).map((term, i) => line(term, i, runs[0].curves[group][term]))});
    }
  }
  if (!several) found.push({title: "Norms of the gradients", lines: groups.map((group, i) => line(group, i, runs[0].curves[group][NORM]))});
  return found;
}
const HELD_OUT = "held-out/";
function scoreCharts() {
  const titles = [...new Set(runs.flatMap(run => Object.keys(run.scores)))];
  return titles.map(title => ({
    title: title.startsWith(HELD_OUT) ? title.slice(HELD_OUT.length) + ", held-out images" : title + ", validation images", plain: true,
    lines: runs.map((run, i) => line(several ? run.name : title.replace(HELD_OUT, ""), i, run.scores[title])),
    copy: runs.map(run => run.copies[title]).find(value => value !== undefined),
  }));
}
function line(name, i, points) { return {name, colour: i % colours, points: points || []}; }

function smoothed(points, share) {
  let mean = 0, weight = 0;
  return points.map(([step, value]) => {
    mean = share * mean + (1 - share) * value; weight = share * weight + 1 - share;
    return [step, mean / weight];
  });
}
function ticks(low, high, count) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map(by => by * power).find(by => by >= rough);
  const found = [];
  for (let value = Math.ceil(low / size) * size; value <= high + size / 1e6; value += size) found.push(Number(value.toPrecision(12)));
  return found;
}
function short(value) {
  const size = Math.abs(value);
  return size && (size < 0.01 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}
function svg(name, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function chart(one) {
  const lines = one.lines.filter(each => each.points.length);
  if (!lines.length) return null;
  const on = lines.filter(each => !state.off[one.title + "|" + each.name]);
  const W = Math.max(280, Math.min(480, get("charts").clientWidth || 480)), H = W / 2, left = 52, right = 8, top = 8, bottom = 24;
  const values = on.flatMap(each => each.points.map(point => point[1])).concat(one.copy ?? []);
  const log = state.log && values.length > 0 && values.every(value => value > 0);
  const scale = value => log ? Math.log10(value) : value;
  let low = Math.min(...values.map(scale)), high = Math.max(...values.map(scale));
  if (!values.length) { low = 0; high = 1; }
  if (high - low < 1e-9) { const room = Math.abs(high) * 0.1 || 1; low -= room; high += room; }
  const alone = lines.every(each => each.points.length === 1) ? 2 : 1;  // single points lie in the middle, not in a corner
  const first = Math.min(...lines.flatMap(each => each.points[0][0]), 0), last = alone * Math.max(...lines.map(each => each.points.at(-1)[0]), 1);
  const x = step => left + (W - left - right) * (step - first) / (last - first || 1);
  const y = value => top + (H - top - bottom) * (high - scale(value)) / (high - low);
  const drawing = svg("svg", {viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": one.title + " over steps"});
  for (const tick of ticks(low, high, 4)) {
    const at = top + (H - top - bottom) * (high - tick) / (high - low);
    drawing.append(svg("line", {class: "grid", x1: left, x2: W - right, y1: at, y2: at}), svg("text", {x: left - 6, y: at + 4, "text-anchor": "end"}, short(log ? 10 ** tick : tick)));
  }
  for (const tick of ticks(first, last, 4)) drawing.append(svg("text", {x: x(tick), y: H - 6, "text-anchor": tick === last ? "end" : tick === first ? "start" : "middle"}, tick.toLocaleString("en")));
  const trace = points => "M" + points.map(([step, value]) => x(step).toFixed(1) + " " + y(value).toFixed(1)).join("L");
  for (const each of on) {
    const smooth = !one.plain && Number(state.smoothing) > 0 && each.points.length > 2;
    if (smooth) drawing.append(svg("path", {class: "raw r" + each.colour, d: trace(each.points)}));
    drawing.append(svg("path", {class: "line r" + each.colour, d: trace(smooth ? smoothed(each.points, Number(state.smoothing)) : each.points)}));
    if (each.points.length === 1) drawing.append(svg("circle", {cx: x(each.points[0][0]), cy: y(each.points[0][1]), r: 3, fill: `var(--c${each.colour})`}));
  }
  if (one.copy !== undefined) {
    drawing.append(svg("path", {class: "copy", d: `M${left} ${y(one.copy)}H${W - right}`}), svg("text", {x: W - right, y: y(one.copy) - 5, "text-anchor": "end"}, "a copy of the input: " + short(one.copy)));
  }
  const legend = make("div", {class: "legend"}, ...lines.map(each => {
    const box = make("input", {type: "checkbox"}), key = one.title + "|" + each.name;
    box.checked = !state.off[key];
    box.addEventListener("change", () => { state.off[key] = !box.checked; showCurves(); });
    return make("label", {}, box, " ", make("span", {class: "chip r" + each.colour}), each.name + " ", make("span", {class: "value"}, short(each.points.at(-1)[1])));
  }));
  return make("figure", {class: "chart"}, make("h3", {}, one.title), drawing, legend);
}
function showCurves() {
  const focused = document.activeElement?.closest?.(".legend label")?.textContent;
  const [scores, terms] = [scoreCharts(), charts()].map(all => all.map(chart).filter(Boolean));
  get("scores").replaceChildren(...scores);
  get("charts").replaceChildren(...terms);
  get("curve-controls").hidden = !terms.length;
  get("no-curves").hidden = scores.length + terms.length > 0;
  if (focused) [...document.querySelectorAll(".legend label")].find(label => label.textContent === focused)?.querySelector("input").focus();
  keep();
}

buildSamples();
get("smoothing").value = state.smoothing;
get("log").checked = state.log;
get("smoothing").addEventListener("input", event => { state.smoothing = Number(event.target.value); showCurves(); });
get("log").addEventListener("change", event => { state.log = event.target.checked; showCurves(); });
showCurves();
for (const list of document.querySelectorAll(".lines")) list.scrollTop = list.scrollHeight;
const refresh = get("refresh");
if (refresh) {
  refresh.checked = state.refresh;
  refresh.addEventListener("change", () => { state.refresh = refresh.checked; keep(); });
  scrollTo(0, state.y);
  setInterval(() => {
    if (refresh.checked && document.visibilityState === "visible" && !playing) { keep(); location.reload(); }
  }, 1000 * refresh.dataset.seconds);
}
