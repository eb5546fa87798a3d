/** Colours of the style sheet for what is drawn on a canvas. */

/** light-dark() is only worked out for real properties. */
export function colour(element: Element, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export const faint = (found: string, share = 0.18): string => found.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

/** Changes when what colours are worked out from did. */
export const themeKey = (): string => `${matchMedia("(prefers-color-scheme: dark)").matches} ${document.documentElement.dataset.theme ?? ""}`;

/** Calls `tell` when the theme changes; returns how to stop. */
export function onTheme(tell: () => void): () => void {
  const themed = new MutationObserver(tell);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", tell);
  themed.observe(document.documentElement, {attributes: true, attributeFilter: ["data-theme"]});
  return () => {
    themed.disconnect();
    scheme.removeEventListener("change", tell);
  };
}
