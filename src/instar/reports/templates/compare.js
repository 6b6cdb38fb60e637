const sheets = JSON.parse(document.getElementById("strips").textContent).map(sheet => ({...sheet, rows: ["input", "translation"]}));
const get = id => document.getElementById(id);
const strips = [...document.querySelectorAll(".tiles")].map((tiles, i) => ({
  tiles, image: tiles.querySelector("img"), frame: tiles.querySelector(".chosen"), sheet: sheets[i],
  name: tiles.closest(".sheet").previousElementSibling.textContent,
}));
const state = {column: 0, slider: 50};

function show() {
  for (const [i, {image, frame, sheet}] of strips.entries()) {
    const column = Math.min(state.column, sheet.columns - 1);
    const [under, above] = get("pair").children[i].querySelectorAll("canvas"), zoom = Number(get("zoom").value);
    paint(under, image, tile(sheet, 0, column), zoom);
    paint(above, image, tile(sheet, 1, column), zoom);
    const {x, w} = tile(sheet, 1, column);
    frameAround(frame, sheet, {x, y: sheet.pad, w, h: sheet.height - 2 * sheet.pad});
  }
  get("column").value = state.column;
  slide(state.slider);
}
function slide(value) {
  state.slider = Math.max(0, Math.min(100, Number(value)));
  slideAll(get("pair"), state.slider);
}

get("pair").append(...strips.map(({name}) => pairing(name, slide)));
for (const figure of get("pair").children) {
  const [left, right] = figure.querySelectorAll("figcaption span");
  left.textContent = "translation";
  right.textContent = "input";
}
const most = Math.max(...sheets.map(sheet => sheet.columns));
get("column").append(...[...Array(most).keys()].map(i => make("option", {value: i}, String(i + 1))));
get("zoom").value = [4, 2, 1].find(by => tile(sheets[0], 0, 0).w * by <= 384) ?? 1;
get("column").addEventListener("change", event => { state.column = Number(event.target.value); show(); });
get("zoom").addEventListener("change", show);
for (const {tiles, image, sheet} of strips) {
  tiles.style.maxWidth = Math.min(1400, sheet.width * (sheet.width < 700 ? 1.5 : 1)) + "px";
  tiles.addEventListener("click", event => {
    state.column = tileAt(tiles, sheet, event).column;
    show();
    get("close-up").scrollIntoView({block: "nearest"});
  });
}
get("close-up").hidden = false;
show();
