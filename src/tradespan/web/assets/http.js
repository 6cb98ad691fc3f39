// Asking the server, and showing that it takes a while.

const PATIENCE = 200; // ms before waiting is shown

export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.kind = body?.error ?? "";
    this.position = body?.position ?? null;
  }
}

export async function getJson(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== "" && value !== null),
  ).toString();
  const response = await fetch(query ? `${path}?${query}` : path, { signal });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

// Runs `work` and marks the element as busy while it lasts, if it lasts.
export async function whileBusy(element, work) {
  const timer = setTimeout(() => {
    element.classList.add("is-busy");
    element.setAttribute("aria-busy", "true");
  }, PATIENCE);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    element.classList.remove("is-busy");
    element.removeAttribute("aria-busy");
  }
}
