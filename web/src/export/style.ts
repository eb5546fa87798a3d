/** The look of an exported notebook: in the file itself, light and dark as the reader's system has it. */
export const style = `
:root { color-scheme: light dark; --ink: light-dark(#13211b, #e6ede9); --soft: light-dark(#4d5d55, #a3b3ab); --line: light-dark(#d5ddd8, #2b3631);
  --paper: light-dark(#ffffff, #0f1412); --sunken: light-dark(#f1f4f2, #1a221e); --accent: light-dark(#0a6c52, #62cba6);
  --bad: light-dark(#a5301f, #ff9d88);
  --bad-wash: light-dark(#fbe9e5, #38201b); --sun: light-dark(#7a5200, #eec469); --sun-wash: light-dark(#fbf1d6, #332a14);
  --red: light-dark(#a5301f, #ff9d88); --green: light-dark(#1d6b2f, #7fd196); --blue: light-dark(#1f5f9e, #8cbdf0);
  --violet: light-dark(#7d3aa0, #d5a8ef); --cyan: light-dark(#00697f, #6cd0e4); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 900px; padding: 28px 20px 60px; background: var(--paper); color: var(--ink);
  font: 16px/1.6 "Avenir Next", "Segoe UI", "Noto Sans", system-ui, sans-serif; overflow-wrap: anywhere; }
pre, code { font-family: ui-monospace, "Cascadia Mono", "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: 13.5px; line-height: 1.45; }
pre { white-space: pre-wrap; margin: 0; }
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance; }
a { color: var(--accent); }
.cell { margin: 18px 0; display: grid; gap: 8px; grid-template-columns: minmax(0, 1fr); }
.code { background: var(--sunken); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.count { color: var(--soft); font-size: 12px; }
.output { overflow-x: auto; padding-left: 14px; }
.stderr { border-left: 3px solid var(--sun); background: var(--sun-wash); padding: 4px 10px; }
.error { border-left: 3px solid var(--bad); background: var(--bad-wash); padding: 8px 12px; }
.note { color: var(--soft); font-size: 13.5px; margin: 0; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; text-align: right; border-bottom: 1px solid var(--line); }
blockquote { margin: 0; padding-left: 14px; border-left: 3px solid var(--line); color: var(--soft); }
.markdown pre { background: var(--sunken); border-radius: 8px; padding: 10px 14px; }
.tok-keyword { color: var(--violet); } .tok-string, .tok-string2 { color: var(--green); } .tok-comment { color: var(--soft); font-style: italic; }
  .tok-number { color: var(--blue); }
.ansi-bold { font-weight: 700; } .ansi-dim { opacity: .8; } .ansi-italic { font-style: italic; } .ansi-underline { text-decoration: underline; }
  .ansi-strike { text-decoration: line-through; }
.ansi-fg-1, .ansi-fg-9 { color: var(--red); } .ansi-fg-2, .ansi-fg-10 { color: var(--green); } .ansi-fg-3, .ansi-fg-11 { color: var(--sun); }
  .ansi-fg-4, .ansi-fg-12 { color: var(--blue); }
.ansi-fg-5, .ansi-fg-13 { color: var(--violet); } .ansi-fg-6, .ansi-fg-14 { color: var(--cyan); }
  .ansi-bg-3, .ansi-bg-11 { background: var(--sun-wash); }
.ansi-inverse { background: var(--ink); color: var(--paper); }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; border-top: 1px solid var(--line); padding-top: 10px; }
@media print { body { max-width: none; } .code { break-inside: avoid; } }
`;
