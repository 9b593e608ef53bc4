// While the image is built: loads the native libSQL as the app will, and writes what was found.
//   node check.mjs APP_FOLDER RESULT_FILE
import { globSync, writeFileSync } from 'node:fs';

const [folder, file] = process.argv.slice(2);
const libraries = globSync(`${folder}/node_modules/@libsql/*/index.node`);
if (libraries.length === 0) throw new Error(`no native libSQL below ${folder}`);
for (const library of libraries) process.dlopen({ exports: {} }, library);
const { glibcVersionRuntime } = process.report.getReport().header;
writeFileSync(file, JSON.stringify({ node: process.versions.node, glibc: glibcVersionRuntime }));
