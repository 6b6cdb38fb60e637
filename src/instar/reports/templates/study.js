"use strict";
const study = JSON.parse(document.getElementById("study").textContent);
const questions = new Map(study.questions.map(question => [question.id, question]));
const place = "instar-study-" + study.study;
const keys = {ArrowLeft: "left", ArrowRight: "right", ArrowDown: "unsure", " ": "unsure"};
const get = id => document.getElementById(id);
let state = restored() || fresh();
let shownAt = null;  // when the pictures could be seen; null while they cannot

function fresh() {
  const order = study.questions.map(question => question.id);
  for (let i = order.length - 1; i > 0; i--) {  // an order of its own for each participant
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const letters = Array.from({length: 10}, () => Math.floor(Math.random() * 36).toString(36));
  return {participant: letters.join(""), order, at: 0, answers: {}, begun: false};
}

// The history for a reload: Chromium may give a page that is reloaded at once what its storages held before, or nothing.
// localStorage for another tab.
function restored() {
  try {
    return history.state?.[place] || JSON.parse(localStorage.getItem(place));
  } catch {
    return null;  // no storage is allowed here
  }
}

function keep() {
  try { history.replaceState({[place]: state}, ""); } catch { /* too many in a short time: the other one has it */ }
  try { localStorage.setItem(place, JSON.stringify(state)); } catch { /* not allowed here: another tab starts anew */ }
}

function show() {
  const screen = !state.begun ? "start" : state.at < state.order.length ? "asking" : "end";
  for (const id of ["start", "asking", "end"]) get(id).hidden = id !== screen;
  shownAt = null;
  if (screen === "asking") ask();
  get("answered").textContent = Object.keys(state.answers).length;
  get("file").textContent = file();
}

async function ask() {
  const at = state.at, question = questions.get(state.order[at]);
  const pictures = ["left", "input", "right"].map(side => {
    get(side).src = study.pictures[question[side]];
    return get(side).decode().catch(() => {});
  });
  const old = state.answers[question.id];
  for (const button of document.querySelectorAll("[data-side]")) {
    button.classList.toggle("chosen", Boolean(old) && old.side === button.dataset.side);
  }
  get("progress").textContent = `${at + 1} of ${state.order.length}`;
  get("bar").max = state.order.length;
  get("bar").value = at;
  get("back").disabled = at === 0;
  await Promise.all(pictures);
  if (state.at === at) shownAt = performance.now();
}

function answer(side) {
  if (shownAt === null) return;  // the pictures are not there yet
  state.answers[state.order[state.at]] = {side, ms: Math.round(performance.now() - shownAt)};
  state.at++;
  keep();
  show();
  if (state.at === state.order.length) save();
}

function back() {
  if (state.at === 0) return;
  state.at--;
  keep();
  show();
}

function begin() {
  state.begun = true;
  keep();
  show();
}

function file() { return `answers-${state.participant}.json`; }

function save() {
  const answers = state.order.filter(id => id in state.answers).map(id => ({question: id, ...state.answers[id]}));
  const text = JSON.stringify({study: study.study, participant: state.participant, answers}, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text + "\n"], {type: "application/json"}));
  link.download = file();
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const asking = !get("asking").hidden, key = event.key;
  if ((key === " " || key === "Enter") && document.activeElement?.tagName === "BUTTON") {  // it presses the button
    if (event.repeat) event.preventDefault();
    return;
  }
  if (!get("start").hidden && key === "Enter") event.repeat || begin();
  else if (asking && key in keys) event.repeat || answer(keys[key]);  // a key held down is one answer
  else if (get("start").hidden && key === "Backspace") event.repeat || back();
  else return;
  event.preventDefault();
});
document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  if (event.detail) button.blur();  // after a click of the mouse the space bar would press it once more
  if (button.dataset.side) answer(button.dataset.side);
  else if (button.id === "begin") begin();
  else if (button.id === "back") back();
  else if (button.id === "stop" || button.id === "save") save();
  else if (button.id === "again" && confirm("Is your file saved? Your answers will be forgotten here.")) {
    state = fresh();
    keep();
    show();
  }
});
for (const title of document.querySelectorAll(".question")) title.textContent = study.question;
get("count").textContent = study.questions.length;
show();
