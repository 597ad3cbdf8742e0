// Packs the built files beside themselves, once, so that the controller never does while it controls.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = "../src/ampacity/web/static";
const kinds = new Set([".js", ".css", ".html", ".svg", ".webmanifest"]);
for (const name of readdirSync(folder, { recursive: true })) {
  if (!kinds.has(extname(name))) continue;
  const file = join(folder, name);
  const body = readFileSync(file);
  writeFileSync(`${file}.gz`, gzipSync(body, { level: 9 }));
  writeFileSync(`${file}.br`, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: body.length } }));
}
