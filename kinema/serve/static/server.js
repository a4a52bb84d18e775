// Asking the server: every failure becomes an Error whose message is one sentence for the reader.

const LOST = "the page has lost its server; start `kinema serve` again";

async function refuse(response) {
  const said = await response.json().catch(() => ({}));
  throw Object.assign(new Error(said.error || `the server answered with status ${response.status}`), { answer: said });
}

async function reach(address, options = {}) {
  const response = await fetch(address, options).catch(() => {
    throw new Error(LOST);
  });
  return response.ok ? response : refuse(response);
}

const posting = (content, signal) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(content),
  signal,
});

/** Get JSON; null where there is nothing new. */
export async function get(address, signal) {
  const response = await reach(address, { signal });
  return response.status === 204 ? null : response.json();
}
export const post = async (address, content, signal) => (await reach(address, posting(content, signal))).json();

/** Post, and hear of progress: the server writes lines of JSON, of which the last is the answer. */
export async function follow(address, content, tell, signal) {
  const response = await reach(address, posting(content, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let answer = null;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Error(LOST);
    });
    text += value || "";
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines.map((line) => JSON.parse(line))) {
      if (line.error) throw new Error(line.error);
      if (line.doing) tell(line.doing);
      else answer = line;
    }
    if (done) break;
  }
  if (!answer) throw new Error(LOST);
  return answer;
}

/** Send a file; `tell` hears the share that has been sent, from 0 to 1. */
export function send(file, tell, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not say how much it has sent
    request.open("POST", `/api/uploads?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && tell(event.loaded / event.total);
    request.onerror = request.onabort = () => reject(new Error(LOST));
    request.onload = () => {
      if (request.status === 200) resolve(request.response);
      else reject(new Error(request.response?.error || `the server answered with status ${request.status}`));
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Delete a clip that was sent. */
export const forget = (token) => fetch(`/api/uploads/${token}`, { method: "DELETE" }).catch(() => {});

/** Let a clip go soon, unless it is asked about again; works while the page is being left, too. */
export const leave = (token) => fetch(`/api/uploads/${token}/left`, { method: "POST", keepalive: true }).catch(() => {});

/** Send a file of labels, and get JSON. */
export const bring = async (address, file, signal) => (await reach(address, { method: "POST", body: file, signal })).json();

/** Have a file made and save it; its name, and what is to be said of it. */
export async function download(address, content, signal) {
  const response = await reach(address, posting(content, signal));
  const [, name] = /filename="(.+)"/.exec(response.headers.get("content-disposition"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return { name, notes: JSON.parse(response.headers.get("x-notes") || "[]") };
}
