// Before the first paint: the stored theme, or the system's. Runs as a classic script in the head.
(() => {
  const KEY = "tradespan-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem(KEY) ?? "system";
    } catch {
      return "system"; // storage may be forbidden: then the system decides
    }
  }

  function apply() {
    const choice = stored();
    const dark = choice === "dark" || (choice === "system" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    dispatchEvent(new CustomEvent("tradespan:theme"));
  }

  function choose(choice) {
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // the choice then holds for nothing but this call; there is no place to keep it
    }
    apply();
  }

  system.addEventListener("change", apply);
  addEventListener("storage", (event) => event.key === KEY && apply());
  window.tradespanTheme = { stored, choose };
  apply();
})();
