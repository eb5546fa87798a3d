/** Light, dark, or as the system has it; kept by this browser. */
import {effect, signal} from "@preact/signals";

const NEXT = {system: "light", light: "dark", dark: "system"} as const;
type Theme = keyof typeof NEXT;

const stored = localStorage.getItem("suricate.theme");
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

effect(() => {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  localStorage.setItem("suricate.theme", theme.value);
});

export function ThemeButton() {
  return (
    <button class="quiet" title={`Colours: ${theme.value}`} aria-label={`Colours: ${theme.value}. Change to ${NEXT[theme.value]}`}
      onClick={() => (theme.value = NEXT[theme.value])}>{theme.value === "light" ? "☀" : theme.value === "dark" ? "☾" : "◐"}</button>
  );
}
