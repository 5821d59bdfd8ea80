// Whether the server is there: ready | loading | out (this browser is not let in) | gone

export async function health() {
  try {
    const { ok, status } = await fetch("/health", { cache: "no-store" });
    return ok ? "ready" : status === 401 ? "out" : "loading";
  } catch {
    return "gone";
  }
}
