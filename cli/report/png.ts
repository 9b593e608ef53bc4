/**
 * The summary as PNG, for places that show only pictures. An installed browser draws it: a drawing
 * library with fonts of its own would weigh more than the rest of the CLI.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Measured, unavailable } from '../record/measured.ts';

const BROWSERS = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
];
const TIMEOUT_MS = 30_000;

/** Draws `svgFile` into `pngFile`; the reason where it cannot be done. Never throws. */
export async function writePng(
  svgFile: string,
  svg: string,
  pngFile: string,
): Promise<Measured<string>> {
  const browser = findBrowser();
  if (browser === null) {
    return unavailable('no Chromium or Chrome on PATH draws the PNG; summary.svg is there');
  }
  const size = /viewBox="0 0 (\d+) (\d+)"/.exec(svg);
  if (size === null) return unavailable('the picture has no size');
  const profile = mkdtempSync(join(tmpdir(), 'scratchpad-browser-'));
  try {
    const failure = await run(browser, [
      '--headless=new',
      '--disable-gpu',
      '--hide-scrollbars',
      '--no-first-run',
      `--user-data-dir=${profile}`,
      '--force-device-scale-factor=2',
      `--window-size=${size[1]},${size[2]}`,
      `--screenshot=${pngFile}`,
      // the sandbox does not start as root; the page is a picture that we made ourselves
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      pathToFileURL(svgFile).href,
    ]);
    if (failure !== null) return unavailable(`${browser}: ${failure}`);
    return existsSync(pngFile) ? pngFile : unavailable(`${browser} wrote no picture`);
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function findBrowser(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of BROWSERS) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // not here
      }
    }
  }
  return null;
}

/** Null where it ended well. */
function run(command: string, args: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'ignore', timeout: TIMEOUT_MS });
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(code === 0 ? null : `ended with ${code ?? signal}`));
  });
}
