// Builds the page into what the server carries: node build.mjs FOLDER [TARGET DEPFILE]
//
//   FOLDER/page_assets.bin   every asset, compressed, one after another
//   FOLDER/page_assets.c     their table (src/api/page_assets.h) and the .bin by .incbin
//   DEPFILE                  what TARGET (page_assets.c as the build system calls it) was made of
//   FOLDER/sizes.json        bytes per asset: as is, gzip, brotli
//
// Three things differ from esbuild's own ways, so that the first load stays small and in few requests:
// - Whatever the shell (src/main.tsx) reaches is in one chunk, because every page injects it; the document loads that chunk.
// - All style sheets below src are one file, base.css first; an import of a .css in a .tsx says that it belongs to it.
// - `import url from "x.lazy.css"` and `import url from "package/file.js?url"` give the address of a file of its own.
import {build} from "esbuild";
import {createHash} from "node:crypto";
import {existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync} from "node:fs";
import {dirname, extname, join, relative, resolve} from "node:path";
import {createRequire} from "node:module";
import {fileURLToPath} from "node:url";
import {brotliCompressSync, constants, gzipSync} from "node:zlib";

const root = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? "dist");
const require = createRequire(import.meta.url);
const inputs = new Set([fileURLToPath(import.meta.url), join(root, "package-lock.json")]);
const assets = new Map(); // address → bytes

const types = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json",
};

const common = {
  absWorkingDir: root, bundle: true, minify: true, write: false, metafile: true, target: "es2022", format: "esm",
  legalComments: "none", charset: "utf8", logLevel: "warning", jsx: "automatic", jsxImportSource: "preact",
  loader: {".woff2": "file", ".woff": "empty", ".ttf": "empty", ".svg": "text"},
  assetNames: "assets/[name]-[hash]", publicPath: "/", define: {"process.env.NODE_ENV": '"production"'},
};

function hashed(name, bytes) {
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 10);
  const at = `/assets/${name.replace(/(\.[a-z0-9]+)$/, `-${digest}$1`)}`;
  assets.set(at, Buffer.from(bytes));
  return at;
}

function take(result, outdir) {
  for (const input of Object.keys(result.metafile.inputs)) inputs.add(resolve(root, input.replace(/^[a-z]+:/, "").replace(/\?url$/, "")));
  for (const file of result.outputFiles) assets.set("/" + relative(outdir, file.path), Buffer.from(file.contents));
}

async function styleSheet(files, name) {
  const outdir = join(root, ".out");
  const contents = files.map((file) => `@import ${JSON.stringify("./" + relative(root, file))};`).join("\n");
  const result = await build({...common, stdin: {contents, loader: "css", resolveDir: root}, outdir, entryNames: "style"});
  let at;
  for (const file of result.outputFiles) {
    if (file.path.endsWith(".css")) at = hashed(name, file.contents);
    else assets.set("/" + relative(outdir, file.path), Buffer.from(file.contents));
  }
  for (const input of Object.keys(result.metafile.inputs)) inputs.add(resolve(root, input));
  return at;
}

const ownWays = {
  name: "own-ways",
  setup(build) {
    build.onResolve({filter: /\.lazy\.css$/}, (args) => ({path: resolve(args.resolveDir, args.path), namespace: "lazy-css"}));
    build.onLoad({filter: /.*/, namespace: "lazy-css"}, async (args) => {
      const name = args.path.split("/").at(-1).replace(".lazy.css", ".css");
      return {contents: `export default ${JSON.stringify(await styleSheet([args.path], name))}`, loader: "js"};
    });
    build.onResolve({filter: /\?url$/}, (args) => {
      const wanted = args.path.slice(0, -4);
      const path = wanted.startsWith(".") ? resolve(args.resolveDir, wanted) : require.resolve(wanted);
      return {path, namespace: "url"};
    });
    build.onLoad({filter: /.*/, namespace: "url"}, (args) => {
      inputs.add(args.path);
      const at = hashed(args.path.split("/").at(-1), readFileSync(args.path));
      return {contents: `export default ${JSON.stringify(at)}`, loader: "js"};
    });
    // Scripts for frames of their own: src/**/NAME.frame.ts, imported with ?frame, become one classic script each.
    build.onResolve({filter: /\?frame$/}, (args) => ({path: resolve(args.resolveDir, args.path.slice(0, -6)), namespace: "frame"}));
    build.onLoad({filter: /.*/, namespace: "frame"}, async (args) => {
      const {build: again} = await import("esbuild");
      const result = await again({...common, entryPoints: [args.path], format: "iife", outdir: join(root, ".out"), plugins: [ownWays]});
      for (const input of Object.keys(result.metafile.inputs)) inputs.add(resolve(root, input.replace(/^[a-z]+:/, "")));
      const at = hashed(args.path.split("/").at(-1).replace(/\.tsx?$/, ".js"), result.outputFiles[0].contents);
      return {contents: `export default ${JSON.stringify(at)}`, loader: "js"};
    });
    build.onLoad({filter: /\.css$/}, (args) => {
      if (build.initialOptions.stdin) return undefined;
      inputs.add(args.path);
      return {contents: "", loader: "js"};
    });
  },
};

async function scripts() {
  const outdir = join(root, ".out");
  const result = await build({
    ...common, entryPoints: ["src/main.tsx"], inject: ["src/main.tsx"], splitting: true, outdir, plugins: [ownWays],
    entryNames: "assets/[name]-[hash]", chunkNames: "assets/[name]-[hash]",
  });
  take(result, outdir);
  const shell = Object.entries(result.metafile.outputs).find(([, output]) => Object.keys(output.inputs).includes("src/main.tsx"));
  return "/" + relative(outdir, resolve(root, shell[0]));
}

async function main() {
  if (!existsSync(join(root, "node_modules", "preact"))) {
    console.error("The page's libraries are not installed: npm ci --prefix web (quickstart and check do it)");
    process.exit(1);
  }
  const script = await scripts();
  const below = readdirSync(join(root, "src"), {recursive: true}).map((file) => join(root, "src", file));
  for (const path of below) if (statSync(path).isDirectory()) inputs.add(path); // a file that is new changes its folder
  const sheets = below.filter((file) => file.endsWith(".css") && !file.endsWith(".lazy.css"));
  const first = (file) => (file.endsWith("style/base.css") ? 0 : 1);
  sheets.sort((a, b) => first(a) - first(b) || (a < b ? -1 : 1));
  const style = await styleSheet(sheets, "style.css");
  for (const [source, at] of [["index.html", "/"], ["frame.html", "/frame"]]) {
    if (!existsSync(join(root, source))) continue;
    inputs.add(join(root, source));
    assets.set(at, Buffer.from(readFileSync(join(root, source), "utf8").replace("%SCRIPT%", script).replace("%STYLE%", style)));
  }
  write();
}

function write() {
  mkdirSync(out, {recursive: true});
  const parts = [], rows = [], sizes = {};
  let at = 0;
  for (const address of [...assets.keys()].sort()) {
    const bytes = assets.get(address);
    const type = types[extname(address)] ?? (address.startsWith("/assets/") ? "application/octet-stream" : types[".html"]);
    const gzip = gzipSync(bytes, {level: 9});
    const brotli = brotliCompressSync(bytes, {params: {[constants.BROTLI_PARAM_QUALITY]: bytes.length > 400_000 ? 9 : 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length}});
    const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 24);
    rows.push(`    {"${address}", "${type}", "${etag}", ${at}, ${gzip.length}, ${at + gzip.length}, ${brotli.length}, ${bytes.length}},`);
    parts.push(gzip, brotli);
    at += gzip.length + brotli.length;
    sizes[address] = {bytes: bytes.length, gzip: gzip.length, brotli: brotli.length};
  }
  const bin = join(out, "page_assets.bin");
  writeFileSync(bin, Buffer.concat(parts));
  writeFileSync(join(out, "page_assets.c"), `/* Made by web/build.mjs. */
#include "api/page_assets.h"

__asm__(".section .rodata\\n.balign 16\\n.global page_assets_data\\npage_assets_data:\\n.incbin \\"${bin}\\"\\n.previous");

const struct page_asset page_assets[] = {
${rows.join("\n")}
};
const size_t page_assets_count = ${rows.length};
`);
  const made = [...inputs].filter((path) => existsSync(path)).sort();
  if (process.argv[4]) writeFileSync(process.argv[4], `${process.argv[3]}: ${made.map((path) => path.replace(/ /g, "\\ ")).join(" ")}\n`);
  writeFileSync(join(out, "sizes.json"), JSON.stringify(sizes, null, 1));
}

await main();
