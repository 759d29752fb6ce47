// `node draw.mjs FOLDER`: FOLDER/NAME.drawn.json (see page.tsx) becomes FOLDER/NAME.png.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';

const [folder] = process.argv.slice(2);
const scratch = await mkdtemp(join(tmpdir(), 'dashboards-'));

// As modules of the other kind they would take what they import for what it is not: a CommonJS
// package's default would be all of it.
const asCommonJs = {
  name: 'as-commonjs',
  setup: ({ onResolve, resolve }) => onResolve({ filter: /^@grafana\/\w+$/ }, (asked) => {
    const { path, resolveDir, pluginData } = asked;
    return pluginData ? undefined : resolve(path, { resolveDir, kind: 'require-call', pluginData: asked });
  }),
};
await build({
  entryPoints: [new URL('page.tsx', import.meta.url).pathname],
  outdir: scratch,
  bundle: true,
  jsx: 'automatic',
  loader: { '.woff': 'dataurl', '.woff2': 'dataurl', '.svg': 'dataurl', '.ttf': 'empty' },
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  plugins: [asCommonJs],
  logLevel: 'error',
});
const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(),
  args: [...chromium.args, '--allow-file-access-from-files'],
  env: { ...process.env, LC_ALL: 'en_US.UTF-8' }, // or its language tag may be one that it refuses
  headless: 'shell',
});
try {
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.drawn.json'))) {
    const text = await readFile(join(folder, file), 'utf8');
    const { width } = JSON.parse(text);
    const html = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css">
      <div id="root"></div><script>window.drawn = ${text.replaceAll('<', '\\u003c')}</script>
      <script src="page.js"></script>`;
    const at = join(scratch, 'index.html');
    await writeFile(at, html);
    const page = await browser.newPage();
    page.on('pageerror', (error) => { throw error; });
    await page.setViewport({ width, height: 800 });
    await page.goto(pathToFileURL(at).href, { waitUntil: 'networkidle0' });
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ fullPage: true, path: join(folder, file.replace('.drawn.json', '.png')) });
    await page.close();
  }
} finally {
  await browser.close();
  await rm(scratch, { recursive: true });
}
