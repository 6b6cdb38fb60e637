// Sheets of images in rows and columns, and two of their images over each other with a slider between them.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
function tile({width, height, columns, pad, rows}, row, column) {
  const wide = (width - pad) / columns, tall = (height - pad) / rows.length;
  return {x: pad + column * wide, y: pad + row * tall, w: wide - pad, h: tall - pad};
}
function tileAt(sheet, {columns, rows}, event) {
  const box = sheet.getBoundingClientRect();
  const part = (at, start, size, count) => Math.max(0, Math.min(count - 1, Math.floor((at - start) / size * count)));
  return {column: part(event.clientX, box.left, box.width, columns), row: part(event.clientY, box.top, box.height, rows.length)};
}
function frameAround(frame, {width, height}, {x, y, w, h}) {
  Object.assign(frame.style, {
    left: 100 * x / width + "%", width: 100 * w / width + "%", top: 100 * y / height + "%", height: 100 * h / height + "%"});
}
function pairing(name, slide) {
  const over = make("div", {class: "over"}, make("canvas"), make("canvas"));
  const slider = make("input", {type: "range", min: 0, max: 100, "aria-label": "before and after" + (name ? ", " + name : "")});
  slider.addEventListener("input", () => slide(slider.value));
  const drag = event => {
    if (event.type === "pointerdown") over.setPointerCapture(event.pointerId);
    if (event.buttons) { const where = over.getBoundingClientRect(); slide(100 * (event.clientX - where.left) / where.width); }
  };
  over.addEventListener("pointerdown", drag);
  over.addEventListener("pointermove", drag);
  return make("figure", {class: "pairing"}, ...(name ? [make("h3", {}, name)] : []), over, slider, make("figcaption", {}, make("span"), make("span")));
}
function paint(canvas, image, {x, y, w, h}, zoom) {
  const wanted = canvas.wanted = {};  // a picture that comes late does not cover a later one
  const draw = () => {
    if (canvas.wanted !== wanted) return;
    canvas.width = w; canvas.height = h;
    canvas.style.width = w * zoom + "px";
    canvas.getContext("2d").drawImage(image, x, y, w, h, 0, 0, w, h);
  };
  if (image.complete && image.naturalWidth) draw(); else image.addEventListener("load", draw, {once: true});
}
function slideAll(box, share) {
  for (const figure of box.children) {
    figure.querySelector(".over").style.setProperty("--at", share + "%");
    figure.querySelector("input").value = share;
  }
}
