// Sends dropped or chosen files, one after the other, to links that work once, and says when all have arrived.
const kept = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const zone = parentElement.querySelector(".zone");
  const state = kept.get(zone) || { busy: false };
  state.data = data;
  state.tell = setTriggerValue;
  if (!kept.has(zone)) {
    kept.set(zone, state);
    listen(zone, state);
  }
}

function listen(zone, state) {
  const input = zone.querySelector("input");
  zone.addEventListener("click", (event) => {
    if (!state.busy && !event.target.closest(".cancel")) input.click();
  });
  zone.addEventListener("keydown", (event) => {
    if (event.target === zone && (event.key === "Enter" || event.key === " ") && !state.busy) {
      event.preventDefault();
      input.click();
    }
  });
  input.addEventListener("click", (event) => event.stopPropagation());
  input.addEventListener("change", () => send(zone, state, [...input.files]).finally(() => (input.value = "")));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const files = await dropped(event.dataTransfer);
    if (!state.busy) await send(zone, state, files);
  });
  zone.querySelector(".cancel").addEventListener("click", (event) => {
    event.stopPropagation();
    state.request?.abort();
  });
}

// Files that were dropped; of a folder, those directly in it.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  for (const entry of entries) {
    const inner = entry.isDirectory ? await listed(entry.createReader()) : [entry];
    for (const one of inner.filter((each) => each.isFile)) found.push(await new Promise((ok, no) => one.file(ok, no)));
  }
  return found;
}

async function listed(reader) {
  const found = [];
  for (;;) {
    const some = await new Promise((ok, no) => reader.readEntries(ok, no));
    if (!some.length) return found;
    found.push(...some);
  }
}

async function send(zone, state, files) {
  if (!files.length) return;
  const { address, token, most } = state.data;
  const [say, going, error] = [".say", ".going", ".error"].map((name) => zone.querySelector(name));
  error.hidden = true;
  const large = files.find((file) => file.size > most);
  const empty = files.find((file) => !file.size);
  if (large || empty) {
    const why = large ? `has more than the ${(most / 1e9).toFixed(1)} GB that this server takes.` : "is empty.";
    return complain(error, `${(large || empty).name} ${why}`);
  }
  state.busy = true;
  say.hidden = true;
  going.hidden = false;
  try {
    for (const [number, file] of files.entries()) await put(zone, state, file, `${address}${token}?number=${number}&count=${files.length}`);
    state.tell("arrived", { token });
  } catch (reason) {
    complain(error, reason.message);
  } finally {
    state.busy = false;
    say.hidden = false;
    going.hidden = true;
  }
}

function put(zone, state, file, address) {
  const what = zone.querySelector(".what");
  const bar = zone.querySelector("progress");
  const mb = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    state.request = request;
    request.open("PUT", address);
    request.setRequestHeader("X-Name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      what.textContent = `${file.name}: ${mb(event.loaded)} of ${mb(event.total)} MB`;
    };
    request.onload = () => (request.status === 200 ? done() : failed(new Error(sentence(request))));
    request.onerror = () => failed(new Error("The connection was lost; nothing was kept. Try again."));
    request.onabort = () => failed(new Error("Cancelled; nothing was kept."));
    what.textContent = `${file.name} ...`;
    bar.value = 0;
    request.send(file);
  });
}

function sentence(request) {
  try {
    return JSON.parse(request.responseText).error;
  } catch {
    return `The server answered ${request.status}; nothing was kept.`;
  }
}

function complain(place, words) {
  place.textContent = words;
  place.hidden = false;
}
