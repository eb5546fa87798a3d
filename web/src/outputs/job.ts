/** What the page and a frame of outputs say to each other. The frame holds strangers' code: nothing it says is believed. */

export type Job =
  | {kind: "html"; html: string}
  | {kind: "script"; code: string}
  | {kind: "svg"; svg: string; alt: string}
  | {kind: "plotly"; figure: unknown}
  | {kind: "vega"; spec: unknown; isLite: boolean};

export interface Theme {
  scheme: "light" | "dark";
  ink: string;
  soft: string;
  line: string;
  sunken: string;
  accent: string;
}

export type ToFrame = {type: "show"; script: string; libraries: string[]; job: Job; theme: Theme} | {type: "theme"; theme: Theme};
export type FromFrame = {type: "height"; height: number} | {type: "link"; href: string} | {type: "failed"; message: string};
