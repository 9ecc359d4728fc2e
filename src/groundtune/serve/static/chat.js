// The chat page: an image, a question, the streamed answer, its unsupported words marked.

const at = (id) => document.getElementById(id);
const TOKEN = "groundtune-token";
const VISITOR = "groundtune-visitor";
let model = null;
let image = null; // a data URL
let work = null; // what Stop ends

const headers = () => {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
};

async function connect() {
  try {
    const reply = await fetch("/v1/models", { headers: headers() });
    at("token-option").hidden = reply.status !== 401;
    if (reply.status === 401) {
      at("model").textContent = "needs a token";
      return;
    }
    model = (await reply.json()).data[0];
    at("model").textContent = model.id;
    at("check-option").hidden = at("legend").hidden = !model.check;
    at("best-option").hidden = !model.self_feedback && !model.reward;
  } catch {
    at("model").textContent = "the server can't be reached";
  }
}

function show(file) {
  if (!file || !file.type.startsWith("image/")) return;
  const reader = new FileReader();
  reader.onload = () => {
    image = reader.result;
    at("preview").src = image;
    at("preview").alt = `your image: ${file.name}`;
    at("preview").hidden = false;
    at("hint").hidden = true;
    at("drop").classList.add("full");
  };
  reader.readAsDataURL(file);
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function entry(question) {
  const made = element("article", image ? "" : "bare");
  if (image) {
    const small = element("img");
    small.src = image;
    small.alt = "";
    made.append(small);
  }
  const side = element("div");
  const answer = element("p", "answer waiting");
  side.append(element("p", "question", question), answer);
  made.append(side);
  at("log").prepend(made);
  return { side, answer };
}

function request(question) {
  const content = [{ type: "text", text: question }];
  if (image) content.unshift({ type: "image_url", image_url: { url: image } });
  const body = { model: model.id, stream: true, temperature: 0.7, messages: [{ role: "user", content }] };
  const best = Number(at("best").value);
  if (best > 1) body[model.reward ? "reward" : "self_feedback"] = { n: best };
  if (model.check && at("check").checked) body.check = true;
  return body;
}

// The events of a stream, as objects; an error in it is thrown.
async function* events(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The server broke off.");
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

async function ask(event) {
  event.preventDefault();
  if (at("token").value) sessionStorage.setItem(TOKEN, at("token").value);
  if (!model || !at("token-option").hidden) await connect();
  if (!model || work) return;
  const question = at("question").value.trim();
  const { side, answer } = entry(question);
  const body = request(question);
  work = new AbortController();
  at("send").hidden = true;
  at("stop").hidden = false;
  try {
    const reply = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers() },
      body: JSON.stringify(body),
      signal: work.signal,
    });
    if (!reply.ok) throw new Error((await reply.json()).error.message);
    await read(reply, side, answer);
    if (model.thumbs && answer.textContent.trim()) side.append(thumbs(body.messages, answer.textContent));
  } catch (error) {
    const stopped = error.name === "AbortError";
    side.append(element("p", stopped ? "note" : "note error", stopped ? "Stopped." : error.message));
  }
  answer.classList.remove("waiting");
  work = null;
  at("send").hidden = false;
  at("stop").hidden = true;
}

// Two buttons; a second click on another one replaces the first.
function thumbs(messages, answer) {
  const made = element("p", "thumbs");
  const note = element("span", "note");
  note.setAttribute("role", "status");
  const buttons = [[true, "Good"], [false, "Bad"]].map(([good, text]) => {
    const button = element("button", "thumb", text);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => store(good, button));
    return button;
  });
  async function store(good, button) {
    note.className = "note";
    note.textContent = "";
    try {
      const reply = await fetch("/v1/thumbs", {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers() },
        body: JSON.stringify({ messages, answer, good, user: visitor() }),
      });
      if (!reply.ok) throw new Error((await reply.json()).error.message);
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      note.textContent = "Saved.";
    } catch (error) {
      note.classList.add("error");
      note.textContent = `Not saved: ${error.message}`;
    }
  }
  made.append(...buttons, note);
  return made;
}

// A random name per browser: one person's thumbs about an answer count once.
function visitor() {
  let name = localStorage.getItem(VISITOR);
  if (!name) {
    name = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    localStorage.setItem(VISITOR, name);
  }
  return name;
}

async function read(reply, side, answer) {
  let check = null;
  let feedback = null;
  let cut = false;
  for await (const event of events(reply)) {
    feedback = event.reward ?? event.self_feedback ?? feedback;
    for (const choice of event.choices) {
      answer.textContent += choice.delta.content ?? "";
      check = choice.check ?? check;
      cut ||= choice.finish_reason === "length";
    }
  }
  if (cut) side.append(element("p", "note", "Truncated at the maximum length."));
  if (feedback) side.append(element("p", "note", chosen(feedback)));
  if (check) {
    mark(answer, check.claims);
    if (check.note) side.append(element("p", "note", check.note));
    if (check.claims.length) side.append(listed(check));
  }
}

function chosen(feedback) {
  const seconds = (feedback.sample_seconds + feedback.score_seconds).toFixed(1);
  const reward = feedback.rewards[feedback.chosen].toFixed(3);
  const by = "normalise" in feedback ? "the model's own reward" : "the reward model";
  return `Best of ${feedback.n} by ${by} (${reward}): ${feedback.tokens} tokens, ${seconds} s.`;
}

// Offsets count code points, JavaScript's strings count UTF-16 units.
function mark(answer, claims) {
  const letters = Array.from(answer.textContent);
  const wrong = claims.filter((claim) => claim.verdict === "rejected" && claim.end > claim.start);
  const edges = new Set([0, letters.length, ...wrong.flatMap((claim) => [claim.start, claim.end])]);
  const borders = [...edges].sort((a, b) => a - b);
  answer.replaceChildren();
  borders.slice(1).forEach((end, i) => {
    const text = letters.slice(borders[i], end).join("");
    const against = wrong.filter((claim) => claim.start < end && claim.end > borders[i]);
    answer.append(against.length ? marked(text, against) : text);
  });
}

function marked(text, against) {
  const made = element("mark", "", text);
  made.tabIndex = 0;
  made.setAttribute("aria-describedby", "tip");
  const open = () => point(made, against);
  made.addEventListener("pointerenter", open);
  made.addEventListener("focus", open);
  made.addEventListener("pointerleave", () => (at("tip").hidden = true));
  made.addEventListener("blur", () => (at("tip").hidden = true));
  return made;
}

const number = (p) => (p === null ? "" : p < 0.001 ? "<0.001" : p.toFixed(3));

function point(made, against) {
  const tip = at("tip");
  tip.replaceChildren(...against.map((claim) => element("div", "", `${claim.text} p(yes): ${number(claim.p_yes)}`)));
  tip.hidden = false;
  const place = made.getClientRects()[0];
  const most = document.documentElement.clientWidth - tip.offsetWidth - 16;
  tip.style.left = `${Math.max(16, Math.min(place.left, most)) + window.scrollX}px`;
  tip.style.top = `${place.bottom + window.scrollY + 6}px`;
}

function listed(check) {
  const made = element("details");
  const unchecked = check.unchecked ? `, ${check.unchecked} not checked` : "";
  const rejected = `${check.rejected} of ${check.checked} checked claims not supported${unchecked}`;
  made.append(element("summary", "", check.checked ? rejected : `${check.unchecked} claims, none checked`));
  const table = element("table");
  const head = element("tr");
  head.append(element("th", "", "claim"), element("th", "number", "p(yes)"), element("th", "", "verdict"));
  table.append(head);
  for (const claim of check.claims) {
    const row = element("tr");
    row.append(element("td", "", claim.text), element("td", "number", number(claim.p_yes)), element("td", claim.verdict, claim.verdict));
    table.append(row);
  }
  made.append(table);
  return made;
}

const drop = at("drop");
for (const name of ["dragover", "dragenter"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  show(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => show(event.clipboardData.files[0]));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") at("tip").hidden = true;
});
at("file").addEventListener("change", () => show(at("file").files[0]));
at("stop").addEventListener("click", () => work?.abort());
at("ask").addEventListener("submit", ask);
connect();
